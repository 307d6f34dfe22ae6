//! A match that is watched: from its replay, at the viewer's own place and pace.

use std::io::Cursor;

use arena_replay::{
    Event as Noted, GameError, GameMatch, Outcome, Playback, PlaybackError, ReadError, Reader, Step,
};
use arena_sdk::{Game, Viewer, WorldId};
use arena_types::{Epoch, Tick};
use arena_wire::play::{
    self, EventKind, FrameHead, MatchStart, SeatName, ServerMessage, Standing, Watch,
};
use bytes::Bytes;

use super::events;
use super::hosted::Owner;
use super::tape::ReplayId;

/// Turns a second: one brings a frame.
pub const TURNS_PER_S: u32 = 30;
/// Turns between two words on where it stands: a second.
const WORD_PERIOD: u32 = TURNS_PER_S;
/// While it stands still and the viewer holds no frame, one tick more is shown every so many turns.
const NUDGE_PERIOD: u32 = 8;
/// A nudge is for a frame that was lost, not for a viewer that never says what it holds.
const NUDGES_MAX: u32 = 8;
/// Ticks between what a viewer of a match that runs sees first and what there is by then: it goes on
/// smoothly while more is read.
const AHEAD_TICKS: u32 = 240;
/// With fewer ticks ahead more is read, once a second.
const AHEAD_TICKS_MIN: u32 = 150;
/// Events of one turn: a page that is wound on fast need not hear of every kill.
const EVENTS_PER_TURN_MAX: usize = 64;

/// Why a match cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// The file is no replay.
    #[error("read the replay")]
    Read(#[from] ReadError),
    /// This build cannot play it, or it is damaged.
    #[error("play the replay")]
    Play(#[from] PlaybackError<GameError>),
    /// The file has nothing to show yet.
    #[error("nothing of the match can be shown yet")]
    TooEarly,
    /// The game does not let anybody watch.
    #[error("watch the match")]
    Watch(#[from] arena_sdk::WorldError),
}

/// What all replays of a match together have to be shown, from its first tick on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The last tick.
    pub last: Tick,
    /// Whether the match runs.
    pub is_live: bool,
}

/// A match that is played again from a file in memory.
type Played = Playback<Cursor<Bytes>, GameMatch>;

/// What one turn brings.
#[derive(Debug, Default)]
pub struct Turn {
    /// The newest frame, with its tick.
    pub frame: Option<(Tick, Vec<u8>)>,
    /// Events with their sequences.
    pub events: Vec<(u32, Vec<u8>)>,
    /// Where it stands, now and then.
    pub playback: Option<Vec<u8>>,
    /// It has little left to show, and the match runs on: [`Film::extend`] it.
    pub wants_more: bool,
}

/// A replay on its way to one viewer.
#[derive(Debug)]
pub struct Film {
    id: ReplayId,
    game: &'static dyn Game,
    owner: Owner,
    playback: Played,
    viewer: Option<(WorldId, Viewer)>,
    watch: Watch,
    span: Span,
    /// Ticks that are held back while the match runs.
    delay_ticks: u32,
    last: u32,
    is_live: bool,
    half_ticks: u32,
    turns: u32,
    nudges: u32,
    is_held: bool,
    event_seq: u32,
    has_ended: bool,
}

impl Film {
    /// Goes to where the viewer wants to be. `delay_ticks` are held back of a match that runs.
    ///
    /// # Errors
    /// [`FilmError`].
    pub fn open(
        (id, file): (ReplayId, Bytes),
        (game, owner): (&'static dyn Game, Owner),
        (watch, span): (Watch, Span),
        delay_ticks: u32,
    ) -> Result<Self, FilmError> {
        let (playback, last, is_live) = play(game, file, delay_ticks)?;
        let mut film = Self {
            id,
            game,
            owner,
            playback,
            viewer: None,
            watch,
            span,
            delay_ticks,
            last,
            is_live,
            half_ticks: 0,
            turns: 0,
            nudges: 0,
            is_held: false,
            event_seq: 0,
            has_ended: false,
        };
        let newest = film.last - if is_live { AHEAD_TICKS.min(film.last) } else { 0 };
        film.seek(watch.tick.0.min(newest))?;
        Ok(film)
    }

    /// Returns which replay it is.
    #[must_use]
    pub fn id(&self) -> ReplayId {
        self.id
    }

    /// Returns the message that starts the match for the viewer.
    ///
    /// # Panics
    /// Never: a film has a match.
    #[must_use]
    pub fn start(&self) -> Vec<u8> {
        let header = self.playback.reader().header();
        let rules = self.playback.simulation().rules().expect("a match was started");
        let seat = |it: &arena_replay::Player| SeatName {
            seat: u8::try_from(it.seat).unwrap_or(MatchStart::WATCHES),
            bot: it.id.is_empty(),
            name: it.name.clone(),
        };
        let seats = header.players.iter().map(seat).filter(|it| usize::from(it.seat) < play::SEATS);
        ServerMessage::Start(MatchStart {
            match_id: self.id.match_id,
            seat: MatchStart::WATCHES,
            epoch: Epoch(1),
            owner: self.owner.instance.clone(),
            release: self.owner.release,
            game: self.game.name().to_owned(),
            mode: self.game.name().to_owned(),
            tick: Tick(self.playback.tick()),
            input_seq: 0,
            event_seq: 0,
            rules: rules.page().to_owned(),
            seats: seats.take(play::SEATS).collect(),
        })
        .encode()
    }

    /// Whether all of it was shown, and the match goes on in the replay of its next owner.
    #[must_use]
    pub fn goes_on_elsewhere(&self) -> bool {
        self.playback.tick() >= self.last && self.goes_on()
    }

    fn goes_on(&self) -> bool {
        let footer = self.playback.reader().footer();
        footer.is_some_and(|it| it.outcome.reason == Outcome::MOVED)
    }

    /// Takes the word of the viewer on what it holds.
    pub fn acknowledge(&mut self, tick: Tick) {
        self.is_held |= tick.0 != 0;
        let Some((id, viewer)) = self.viewer else { return };
        if let Some((worlds, now)) = self.playback.simulation_mut().world()
            && now == id
        {
            let known = worlds.acknowledge(id, viewer, tick.0);
            debug_assert!(known.is_ok(), "the world lives");
        }
    }

    /// Goes on with a file that has grown.
    ///
    /// # Errors
    /// [`FilmError`]; it stays as it was.
    pub fn extend(&mut self, file: Bytes) -> Result<(), FilmError> {
        let tick = self.playback.tick();
        let (playback, last, is_live) = play(self.game, file, self.delay_ticks)?;
        let before = std::mem::replace(&mut self.playback, playback);
        let was = (self.last, self.is_live);
        (self.last, self.is_live) = (last.max(tick), is_live);
        self.viewer = None;
        if let Err(error) = self.seek(tick) {
            self.playback = before;
            (self.last, self.is_live) = was;
            return Err(error);
        }
        Ok(())
    }

    /// Lets a thirtieth of a second pass.
    ///
    /// # Errors
    /// [`FilmError`]: it cannot go on.
    pub fn turn(&mut self) -> Result<Turn, FilmError> {
        let mut turn = Turn::default();
        let moved = self.go_on(&mut turn)?;
        if moved || self.turns == 0 {
            turn.frame = self.frame()?;
        }
        let is_word_due = self.turns.is_multiple_of(WORD_PERIOD);
        self.turns = self.turns.wrapping_add(1);
        let is_over = self.playback.tick() >= self.last;
        let ahead = self.last - self.playback.tick().min(self.last);
        turn.wants_more = self.is_live && ahead < AHEAD_TICKS_MIN && is_word_due;
        if is_over && !self.is_live && !self.has_ended && !self.goes_on_elsewhere() {
            self.has_ended = true;
            turn.events.extend(self.end());
        }
        if is_word_due || turn.events.len() > EVENTS_PER_TURN_MAX {
            turn.playback = Some(self.word());
        }
        Ok(turn)
    }

    fn seek(&mut self, tick: u32) -> Result<(), FilmError> {
        let first = self.playback.reader().header().first_tick;
        self.playback.seek(tick.clamp(first, self.last.max(first)))?;
        let _before = self.playback.simulation_mut().take_events();
        Ok(())
    }

    /// Plays what this turn brings; returns whether there is something new to see.
    fn go_on(&mut self, turn: &mut Turn) -> Result<bool, FilmError> {
        // In real time, a pace of 4, a turn is two ticks: a pace of 1 is half a tick.
        self.half_ticks += u32::from(self.watch.pace);
        let mut ticks = self.half_ticks / 2;
        self.half_ticks %= 2;
        let stands = self.watch.pace == 0 || self.playback.tick() >= self.last;
        let is_nudge = self.turns > 0 && self.turns.is_multiple_of(NUDGE_PERIOD);
        if stands && !self.is_held && is_nudge && self.nudges < NUDGES_MAX {
            (ticks, self.nudges) = (1, self.nudges + 1);
        }
        let to = self.playback.tick().saturating_add(ticks).min(self.last);
        let from = self.playback.tick();
        while self.playback.tick() < to {
            match self.playback.step(to - self.playback.tick())? {
                Step::Event(event) => self.noted(&event, turn),
                Step::End => break,
                Step::Ticks(..) | Step::Note(_) => {}
                Step::Jump(_) => self.viewer = None,
            }
        }
        for (tick, event) in self.playback.simulation_mut().take_events() {
            self.tell(tick, events::kind(&event), turn);
        }
        Ok(self.playback.tick() != from)
    }

    /// A seat that changed hands was noted with its new name.
    fn noted(&mut self, event: &Noted, turn: &mut Turn) {
        let seat = event.seat.and_then(|it| u8::try_from(it).ok());
        let Some(seat) = seat.filter(|it| usize::from(*it) < play::SEATS) else { return };
        let bot = match event.kind.as_str() {
            "bot" => true,
            "player" => false,
            _ => return,
        };
        let name = event.text.clone();
        self.tell(event.tick, EventKind::Seat(SeatName { seat, bot, name }), turn);
    }

    fn tell(&mut self, tick: u32, kind: EventKind, turn: &mut Turn) {
        if turn.events.len() < EVENTS_PER_TURN_MAX {
            turn.events.push(self.event(tick, kind));
        }
    }

    fn event(&mut self, tick: u32, kind: EventKind) -> (u32, Vec<u8>) {
        self.event_seq += 1;
        let event = play::Event { seq: self.event_seq, tick: Tick(tick), kind };
        (self.event_seq, ServerMessage::Event(event).encode())
    }

    /// Returns how it ended, if the file says so.
    fn end(&mut self) -> Option<(u32, Vec<u8>)> {
        let reader = self.playback.reader();
        let players = &reader.header().players;
        let name = |seat: u32| {
            let named = players.iter().find(|it| it.seat == seat);
            named.map_or(String::new(), |it| it.name.clone())
        };
        let places = &reader.footer()?.outcome.standings;
        let standing = |it: &arena_replay::Place| {
            Some(Standing {
                seat: u8::try_from(it.seat).ok().filter(|it| usize::from(*it) < play::SEATS)?,
                rank: u8::try_from(it.rank).ok()?,
                bot: it.bot,
                kills: u16::try_from(it.kills).unwrap_or(u16::MAX),
                deaths: u16::try_from(it.deaths).unwrap_or(u16::MAX),
                name: name(it.seat),
            })
        };
        let standings = places.iter().filter_map(standing).take(play::SEATS).collect();
        Some(self.event(self.playback.tick(), EventKind::End { standings }))
    }

    fn frame(&mut self) -> Result<Option<(Tick, Vec<u8>)>, FilmError> {
        let is_over = !self.is_live && self.playback.tick() >= self.last;
        let finished = is_over && !self.goes_on_elsewhere();
        let Some((worlds, id)) = self.playback.simulation_mut().world() else { return Ok(None) };
        let viewer = match self.viewer {
            Some((of, viewer)) if of == id => viewer,
            _ => worlds.spectate(id)?,
        };
        self.viewer = Some((id, viewer));
        worlds.look(id)?;
        let Some(frame) = worlds.frame(id, viewer)? else { return Ok(None) };
        let tick = Tick(frame.tick);
        let head = FrameHead {
            tick,
            baseline: frame.baseline.map(Tick),
            input_seq: 0,
            lead: 0,
            finished,
            epoch: Epoch(1),
        };
        let mut bytes = head.encode(Vec::new());
        bytes.extend(frame.body);
        Ok(Some((tick, bytes)))
    }

    fn word(&self) -> Vec<u8> {
        ServerMessage::Playback(play::Playback {
            match_id: self.id.match_id,
            first: Tick(0),
            last: self.span.last.max(Tick(self.last)),
            tick: Tick(self.playback.tick()),
            pace: self.watch.pace,
            live: self.is_live || self.span.is_live && self.goes_on(),
        })
        .encode()
    }
}

/// Opens a file; returns it with the last tick that may be shown, and whether its match runs on.
fn play(
    game: &'static dyn Game,
    file: Bytes,
    delay_ticks: u32,
) -> Result<(Played, u32, bool), FilmError> {
    let reader = Reader::open(Cursor::new(file))?;
    let is_live = reader.footer().is_none() && delay_ticks > 0;
    let held_back = if is_live { delay_ticks } else { 0 };
    let first = reader.header().first_tick;
    let last = reader.last_tick().checked_sub(held_back).filter(|it| *it > first);
    let last = last.ok_or(FilmError::TooEarly)?;
    Ok((Playback::new(reader, GameMatch::new(game))?, last, is_live))
}

#[cfg(test)]
#[path = "film/tests.rs"]
mod tests;
