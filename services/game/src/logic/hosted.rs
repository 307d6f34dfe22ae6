//! One match: who sits where, what they do next, what they are told, how it ends.

use std::sync::Arc;

use arena_sdk::{
    Input, Outcome, PinnedRules, SeatInputs, TickOutput, Viewer, WorldError, WorldId, Worlds,
    buttons,
};
use arena_types::{
    Epoch, FailoverPolicy, InstanceId, MatchId, PlayerId, ReleaseId, SessionId, Tick,
};
use arena_wire::play::{self, EventKind, FrameHead, MatchStart, SEATS, SeatName, ServerMessage};
use arena_wire::stats::v1 as stats;

use super::events::{EventLog, kind};
use super::inputs::{InputBuffer, Verdict};
use super::seats::{Seat, SeatEffect, SeatEvent};

mod carried;
mod ways;

pub use carried::CarriedError;
use ways::{Former, Session};

/// Ticks a new match waits for its players: two seconds; then it starts without those who are late.
pub const START_WAIT_TICKS: u32 = 120;
/// Ticks a player may take to come before a bot plays: five seconds.
const EXPECTED_TICKS: u32 = 300;
/// Ticks nobody plays for a lost connection: half a second, as long as a change of gateway takes.
const HELD_TICKS: u32 = 30;
/// Ticks a match goes on with bots alone while a player could still come back: half a minute.
pub const ABANDONED_TICKS: u32 = 1_800;
/// The same while the instance drains: ten seconds, in which a page that lost its connection has
/// tried to come back several times. Nobody else waits for such a match, but the drain does.
pub const ABANDONED_DRAINING_TICKS: u32 = 600;
/// Ticks a finished match stays for sessions that have not heard its end: ten seconds.
pub const LINGER_TICKS: u32 = 600;
/// A bot thinks every this many ticks; each seat at its own.
const BOT_PERIOD: u32 = 3;
/// Ticks between two frames.
pub const FRAME_PERIOD: u32 = 2;

/// Bytes of a frame before its body, about.
const FRAME_HEAD_BYTES: usize = 20;

/// What names bots go by.
const BOT_NAMES: [&str; SEATS] = [
    "Ada", "Bit", "Curl", "Dot", "Echo", "Fig", "Gus", "Hex", "Ivo", "Jot", "Kit", "Lux", "Moo",
    "Nib", "Oz", "Pip",
];

/// A match to be hosted.
#[derive(Clone, Debug)]
pub struct NewMatch {
    /// Its id.
    pub id: MatchId,
    /// The owner's epoch.
    pub epoch: Epoch,
    /// The seed of its world.
    pub seed: u32,
    /// The game mode.
    pub mode: String,
    /// Its rules, pinned; they name its game.
    pub rules: PinnedRules,
    /// Who is expected, by seat.
    pub players: Vec<Player>,
    /// Seats that are taken, by bots where there are no players.
    pub filled_seats: usize,
    /// What becomes of it if its owner dies.
    pub failover: FailoverPolicy,
}

/// Someone a seat is reserved for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Player {
    /// The player.
    pub id: PlayerId,
    /// What to show.
    pub name: String,
    /// The seat, below [`SEATS`].
    pub seat: u8,
}

/// Where a match is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for its players; this many ticks so far.
    Created(u32),
    /// It is stepped.
    Running,
    /// It is over; its result is not recorded yet. Since this tick of the shard.
    Finished(u32),
    /// Its result is recorded. Over since this tick of the shard.
    Recorded(u32),
}

/// What the host says of itself in starts and results.
#[derive(Clone, Debug)]
pub struct Owner {
    /// This instance.
    pub instance: InstanceId,
    /// Its release.
    pub release: ReleaseId,
}

#[derive(Clone, Debug)]
struct Place<F> {
    state: Seat,
    since: u32,
    player: Option<Player>,
    name: String,
    inputs: InputBuffer,
    bot: Input,
    press: u8,
    /// What it was shown; stays when the session goes, so that it can go on.
    viewer: Option<Viewer>,
    session: Option<Session<F>>,
    /// The way its session came before it changed its gateway.
    former: Option<Former<F>>,
    /// The last event that its session had acknowledged at the owner before.
    heard_before: u32,
}

/// A hosted match; `F` names a flow.
#[derive(Debug)]
pub struct Hosted<F> {
    new: NewMatch,
    owner: Arc<Owner>,
    world: WorldId,
    phase: Phase,
    places: [Option<Place<F>>; SEATS],
    events: EventLog,
    seat_changes: Vec<SeatName>,
    /// Flows whose seat another flow has now, which were not told yet.
    replaced: Vec<F>,
    tick: u32,
    alone_ticks: u32,
    /// Ticks that it still waits for the first session.
    playerless_ticks: u32,
    started_ms: u64,
    end_seq: u32,
    /// Later events are kept back: they could be taken back.
    told_up_to: u32,
}

/// What happened to an input.
pub type Counted = Option<Verdict>;

impl<F: Copy + PartialEq> Hosted<F> {
    /// Seats the players, and bots up to the wanted number of seats; `now` counts the shard's ticks.
    #[must_use]
    pub fn new(new: NewMatch, owner: Arc<Owner>, world: WorldId, now: u32, now_ms: u64) -> Self {
        let mut places: [Option<Place<F>>; SEATS] = std::array::from_fn(|_| None);
        for player in &new.players {
            let seat = usize::from(player.seat);
            places[seat] = Some(Place::new(player.seat, Seat::Expected, Some(player.clone()), now));
        }
        let bots = new.filled_seats.min(SEATS).saturating_sub(new.players.len());
        let empty: Vec<usize> = (0..SEATS).filter(|it| places[*it].is_none()).take(bots).collect();
        for seat in empty {
            places[seat] = Some(Place::new(seat as u8, Seat::Bot, None, now));
        }
        Self {
            new,
            owner,
            world,
            phase: Phase::Created(0),
            places,
            events: EventLog::default(),
            seat_changes: Vec::new(),
            replaced: Vec::new(),
            tick: 0,
            alone_ticks: 0,
            playerless_ticks: 0,
            started_ms: now_ms,
            end_seq: 0,
            told_up_to: u32::MAX,
        }
    }

    /// Returns its id.
    #[must_use]
    pub fn id(&self) -> MatchId {
        self.new.id
    }

    /// Returns its epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.new.epoch
    }

    /// Returns what it was made of.
    #[must_use]
    pub fn description(&self) -> &NewMatch {
        &self.new
    }

    /// Returns the ticks stepped so far.
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.tick
    }

    /// Goes on in a later epoch.
    pub fn raise(&mut self, epoch: Epoch) {
        debug_assert!(epoch > self.new.epoch, "an epoch never falls");
        self.new.epoch = epoch;
    }

    /// Returns its rules.
    #[must_use]
    pub fn rules(&self) -> &PinnedRules {
        &self.new.rules
    }

    /// Returns its world.
    #[must_use]
    pub fn world(&self) -> WorldId {
        self.world
    }

    /// Returns where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns the sequence of its last event.
    #[must_use]
    pub fn last_event(&self) -> u32 {
        self.events.last()
    }

    /// Keeps events after this one back until it is told otherwise.
    pub fn tell_up_to(&mut self, seq: u32) {
        self.told_up_to = seq;
    }

    fn has_sessions(&self) -> bool {
        self.seated().any(|(_, it)| it.session.is_some())
    }

    /// Describes it for operators.
    #[must_use]
    pub fn describe(&self) -> arena_wire::game::v1::Match {
        let count = |bots: bool| self.seated().filter(|(_, it)| it.state.is_bot() == bots).count();
        arena_wire::game::v1::Match {
            r#match: self.new.id.to_string(),
            epoch: self.new.epoch.0,
            tick: self.tick,
            players: count(false) as u32,
            bots: count(true) as u32,
            rules_version: self.new.rules.version(),
            mode: self.new.mode.clone(),
            finished: matches!(self.phase, Phase::Finished(_) | Phase::Recorded(_)),
            moving: false,
        }
    }

    /// Gives a seat to its player's session; [`Self::take_replaced`] says whom it is taken from.
    ///
    /// # Errors
    /// [`SeatRefused`] if the seat is not that player's, was left for good, or is played from over a later
    /// connection.
    pub fn attach(
        &mut self,
        (session, connection, flow): (SessionId, u32, F),
        (player, seat): (PlayerId, u8),
        (ack_tick, ack_event): (Tick, u32),
        (now, worlds): (u32, &mut dyn Worlds),
    ) -> Result<(), SeatRefused> {
        let last = self.events.last();
        let over = matches!(self.phase, Phase::Finished(_) | Phase::Recorded(_));
        let place = self.places.get_mut(usize::from(seat)).and_then(Option::as_mut);
        let place = place
            .filter(|it| it.player.as_ref().is_some_and(|it| it.id == player))
            .ok_or(SeatRefused::NotYours)?;
        if place.is_past(session, connection) {
            return Err(SeatRefused::Replaced);
        }
        let Some((state, effect)) = place.state.on(SeatEvent::Attach) else {
            return Err(SeatRefused::Left);
        };
        let holds_nothing = ack_tick.0 == 0 && ack_event == 0;
        let told = match (holds_nothing, over) {
            (true, false) => last, // a newcomer: seats and frames say how things stand
            (true, true) => self.end_seq - 1,
            (false, false) => self.events.after(ack_event),
            // Whoever comes back after the end is told of it, even if it was told before.
            (false, true) => self.events.after(ack_event).min(self.end_seq - 1),
        };
        (place.state, place.since) = (state, now);
        if let Some(viewer) = place.viewer {
            let resumed = worlds.resume(self.world, viewer, ack_tick.0);
            debug_assert!(resumed.is_ok(), "the world of a hosted match lives");
        } else {
            place.viewer = worlds.watch(self.world, seat).ok();
        }
        let seen = ack_tick;
        let session = Session { id: session, connection, flow, told, heard: told, seen };
        self.replaced.extend(place.take_session(session, now).into_iter().flatten());
        if !over {
            self.apply(seat, effect); // nothing happens any more after the end
        }
        Ok(())
    }

    /// Gives a seat to a session that came before its match did: nothing it sent is forgotten, and it is
    /// told again what it had not acknowledged.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn adopt(
        &mut self,
        (session, connection, flow): (SessionId, u32, F),
        (player, seat): (PlayerId, u8),
        ack_event: u32,
        (now, worlds): (u32, &mut dyn Worlds),
    ) -> Result<(), SeatRefused> {
        let place = self.places.get_mut(usize::from(seat)).and_then(Option::as_mut);
        let place = place
            .filter(|it| it.player.as_ref().is_some_and(|it| it.id == player))
            .ok_or(SeatRefused::NotYours)?;
        let (state, effect) = place.state.on(SeatEvent::Attach).ok_or(SeatRefused::Left)?;
        (place.state, place.since) = (state, now);
        place.viewer = worlds.watch(self.world, seat).ok();
        let told = self.events.after(ack_event.max(place.heard_before));
        let seen = Tick(0);
        let session = Session { id: session, connection, flow, told, heard: told, seen };
        self.replaced.extend(place.take_session(session, now).into_iter().flatten());
        self.apply(seat, effect);
        Ok(())
    }

    /// Takes those who are seated without a session for lost, as if their connection broke now.
    pub fn miss_absent(&mut self, now: u32) {
        for place in self.places.iter_mut().flatten() {
            if place.session.is_none()
                && let Some((state, _)) = place.state.on(SeatEvent::Lose)
            {
                (place.state, place.since) = (state, now);
            }
        }
    }

    /// Returns the message that starts the match for a seat.
    #[must_use]
    pub fn start(&self, seat: u8) -> Vec<u8> {
        let place = self.places[usize::from(seat)].as_ref();
        let told = place.and_then(|it| it.session.as_ref()).map_or(0, |it| it.told);
        ServerMessage::Start(MatchStart {
            match_id: self.new.id,
            seat,
            epoch: self.new.epoch,
            owner: self.owner.instance.clone(),
            release: self.owner.release,
            game: self.new.rules.game().to_owned(),
            mode: self.new.mode.clone(),
            tick: Tick(self.tick),
            input_seq: place.map_or(0, |it| it.inputs.received_seq()),
            event_seq: told,
            rules: self.new.rules.page().to_owned(),
            seats: self.seated().map(|(seat, it)| it.shown(seat)).collect(),
        })
        .encode()
    }

    /// Takes an input of a session; `None` if it has no seat or the match is not running.
    pub fn input(
        &mut self,
        (seat, flow): (u8, F),
        input: &play::Input,
        worlds: &mut dyn Worlds,
    ) -> Counted {
        self.ack((seat, flow), (input.ack_tick, input.ack_event), worlds);
        if matches!(self.phase, Phase::Finished(_) | Phase::Recorded(_)) {
            return None;
        }
        let place = self.places.get_mut(usize::from(seat))?.as_mut()?;
        let is_heard = place.is_heard(flow, &mut self.replaced);
        is_heard.then(|| place.inputs.push(input, self.tick + 1))
    }

    /// Takes the word of a session on what it holds.
    pub fn ack(
        &mut self,
        (seat, flow): (u8, F),
        (tick, event): (Tick, u32),
        worlds: &mut dyn Worlds,
    ) {
        let (last, world) = (self.events.last(), self.world);
        let Some(place) = self.place_of(seat, flow) else { return };
        if let Some(viewer) = place.viewer {
            let taken = worlds.acknowledge(world, viewer, tick.0);
            debug_assert!(taken.is_ok(), "the world of a hosted match lives");
        }
        if let Some(session) = place.session.as_mut() {
            session.heard = session.heard.max(event.min(last));
        }
    }

    /// Ends a session's stay on a seat; nothing if the seat is another session's by now.
    pub fn detach(&mut self, seat: u8, flow: F, event: SeatEvent, now: u32) {
        if let Some(place) = self.places.get_mut(usize::from(seat)).and_then(Option::as_mut) {
            place.former.take_if(|it| it.flow == flow);
        }
        let Some(place) = self.place_of(seat, flow) else { return };
        place.session = None;
        let Some((state, effect)) = place.state.on(event) else { return };
        (place.state, place.since) = (state, now);
        self.apply(seat, effect);
    }

    /// Ends a player's stay for good, from wherever that was said; nothing if it has ended.
    pub fn leave(&mut self, seat: u8, now: u32) {
        let Some(Some(place)) = self.places.get_mut(usize::from(seat)) else { return };
        let Some((state, effect)) = place.state.on(SeatEvent::Leave) else { return };
        (place.session, place.state, place.since) = (None, state, now);
        self.apply(seat, effect);
    }

    /// Whether it was waited for its players since its owner died, and the first of them is here: its last tick may
    /// have been shown to nobody.
    #[must_use]
    pub fn is_about_to_go_on(&self) -> bool {
        self.playerless_ticks > 0 && self.has_sessions()
    }

    /// Lets time pass for the match as a whole, before its world is stepped; returns whether it is
    /// to be stepped.
    pub fn begin_tick(&mut self, now: u32, now_ms: u64) -> bool {
        self.expire(now);
        if self.playerless_ticks > 0 && !self.has_sessions() {
            self.playerless_ticks -= 1;
            return false;
        }
        self.playerless_ticks = 0;
        if let Phase::Created(waited) = self.phase {
            let all_here = self.seated().all(|(_, it)| it.state != Seat::Expected);
            if !all_here && waited < START_WAIT_TICKS {
                self.phase = Phase::Created(waited + 1);
                return false;
            }
            self.phase = Phase::Running;
            self.started_ms = now_ms;
        }
        self.phase == Phase::Running
    }

    /// Returns what every seat does in the coming tick.
    pub fn inputs(&mut self, worlds: &dyn Worlds) -> SeatInputs {
        let (next, seed, world) = (self.tick + 1, self.new.seed, self.world);
        std::array::from_fn(|seat| {
            let Some(place) = self.places[seat].as_mut() else { return Input::default() };
            let mut input = place.inputs.take(next);
            if place.state.is_bot() {
                if (next + seat as u32).is_multiple_of(BOT_PERIOD) {
                    place.bot = worlds.bot(world, seat as u8, seed).unwrap_or_default();
                }
                input = place.bot;
            }
            input.buttons |= std::mem::take(&mut place.press);
            input
        })
    }

    /// Takes the outcome of a tick; returns whether the match is to end now: by its rules, or
    /// because nobody played for `patience_ticks`. Where nobody can come back it is not waited for.
    /// The result of such a match is recorded as it stands, with everyone marked as having left.
    pub fn stepped(&mut self, output: &TickOutput, patience_ticks: u32) -> bool {
        self.tick = output.tick;
        for event in &output.events {
            self.events.push(self.tick, kind(event));
        }
        let alone = self.seated().all(|(_, it)| !it.state.is_present());
        self.alone_ticks = if alone { self.alone_ticks + 1 } else { 0 };
        let may_return = self.seated().any(|(_, it)| it.state == Seat::Away);
        let abandoned = alone && (!may_return || self.alone_ticks > patience_ticks);
        output.finished || abandoned
    }

    /// Ends a running match as it stands.
    pub fn finish(&mut self, outcome: &Outcome, now: u32) {
        let standings = outcome
            .standings
            .iter()
            .map(|it| play::Standing {
                seat: it.seat,
                rank: it.rank,
                bot: it.bot,
                kills: it.kills,
                deaths: it.deaths,
                name: self.name(it.seat),
            })
            .collect();
        self.events.push(self.tick, EventKind::End { standings });
        self.end_seq = self.events.last();
        self.phase = Phase::Finished(now);
    }

    /// Returns what is to be recorded of a match that ended now.
    #[must_use]
    pub fn result(&self, outcome: &Outcome, now_ms: u64) -> stats::MatchResult {
        let standings = outcome.standings.iter().map(|it| {
            let place = self.places[usize::from(it.seat)].as_ref();
            let player = place.and_then(|it| it.player.as_ref());
            let gone = |it: &Place<F>| matches!(it.state, Seat::Left | Seat::Away);
            stats::Standing {
                player: player.map_or(String::new(), |it| it.id.to_string()),
                display_name: self.name(it.seat),
                seat: u32::from(it.seat),
                rank: u32::from(it.rank),
                kills: u32::from(it.kills),
                deaths: u32::from(it.deaths),
                left: player.is_some() && place.is_some_and(gone),
            }
        });
        stats::MatchResult {
            r#match: self.new.id.to_string(),
            epoch: self.new.epoch.0,
            instance: self.owner.instance.to_string(),
            release: self.owner.release.to_string(),
            mode: self.new.mode.clone(),
            rules_version: self.new.rules.version(),
            started_ms: self.started_ms,
            ended_ms: now_ms.max(self.started_ms),
            ticks: self.tick,
            standings: standings.collect(),
        }
    }

    /// Returns what its replay says of it before the first tick.
    #[must_use]
    pub fn header(&self) -> arena_replay::Header {
        let player = |(seat, it): (u8, &Place<F>)| arena_replay::Player {
            seat: seat.into(),
            id: it.player.as_ref().map_or(String::new(), |it| it.id.to_string()),
            name: it.name.clone(),
        };
        arena_replay::Header {
            release: self.owner.release.to_string(),
            players: self.seated().map(player).collect(),
            started_ms: self.started_ms,
            match_id: self.new.id.to_string(),
            epoch: self.new.epoch.0.into(),
            first_tick: self.tick,
            ..arena_replay::Header::of(&self.new.rules, self.new.seed)
        }
    }

    /// Takes the seats that changed hands since the last tick.
    pub fn take_seat_changes(&mut self) -> Vec<SeatName> {
        std::mem::take(&mut self.seat_changes)
    }

    /// Returns what its replay says of its end; `otherwise` is why, if not by its rules.
    #[must_use]
    pub fn recorded_outcome(
        &self,
        outcome: &Outcome,
        otherwise: &str,
        now_ms: u64,
    ) -> arena_replay::Outcome {
        let mut recorded = arena_replay::Outcome::from(outcome);
        if recorded.reason.is_empty() {
            otherwise.clone_into(&mut recorded.reason);
        }
        recorded.ended_ms = now_ms.max(self.started_ms);
        recorded
    }

    /// Returns what the replay of an owner says of its end if the match goes on elsewhere.
    #[must_use]
    pub fn moved_outcome(&self) -> arena_replay::Outcome {
        let reason = arena_replay::Outcome::MOVED.to_owned();
        arena_replay::Outcome { reason, ..arena_replay::Outcome::default() }
    }

    /// Notes that the result is recorded for good.
    pub fn recorded(&mut self) {
        if let Phase::Finished(since) = self.phase {
            self.phase = Phase::Recorded(since);
        }
    }

    /// Whether nobody needs it any more: recorded, and all have heard of its end or had their time.
    #[must_use]
    pub fn is_gone(&self, now: u32) -> bool {
        matches!(self.phase, Phase::Recorded(since)
            if !self.has_sessions() || now.wrapping_sub(since) > LINGER_TICKS)
    }

    /// Returns the events that sessions have not been told yet, and marks them as told.
    pub fn news(&mut self, mut tell: impl FnMut(F, u32, &[u8])) {
        for place in self.places.iter_mut().flatten() {
            let Some(session) = place.session.as_mut() else { continue };
            let safe = |(seq, _): &(u32, &[u8])| *seq <= self.told_up_to;
            for (seq, bytes) in self.events.since(session.told).take_while(safe) {
                tell(session.flow, seq, bytes);
                session.told = seq;
            }
        }
    }

    /// Takes out the sessions that have heard the end, or had the time to.
    pub fn dismiss(&mut self, now: u32, mut tell: impl FnMut(F)) {
        let (Phase::Finished(since) | Phase::Recorded(since)) = self.phase else { return };
        for place in self.places.iter_mut().flatten() {
            let heard = |it: &Session<F>| {
                it.heard >= self.end_seq || now.wrapping_sub(since) > LINGER_TICKS
            };
            if let Some(session) = place.session.take_if(|it| heard(it)) {
                tell(session.flow);
            }
        }
    }

    /// Whether sessions are shown a frame after this tick of the shard: every other tick of the match, so
    /// that a change of owner changes nothing, and one that shows how it ended.
    #[must_use]
    pub fn has_frame(&self, now: u32) -> bool {
        match self.phase {
            Phase::Created(_) => false,
            Phase::Running => self.tick.is_multiple_of(FRAME_PERIOD),
            Phase::Finished(since) | Phase::Recorded(since) => since == now,
        }
    }

    /// Encodes a frame for every session; call it at the ticks that have frames.
    ///
    /// # Errors
    /// Those of the worlds.
    pub fn frames(
        &mut self,
        worlds: &mut dyn Worlds,
        mut send: impl FnMut(F, Tick, Vec<u8>),
    ) -> Result<(), WorldError> {
        worlds.look(self.world)?;
        let finished = self.phase != Phase::Running;
        for place in self.places.iter_mut().flatten() {
            let (Some(session), Some(viewer)) = (&place.session, place.viewer) else { continue };
            if self.tick <= session.seen.0 && !finished {
                continue; // it has a frame of this tick: one tick never looks two ways
            }
            let Some(frame) = worlds.frame(self.world, viewer)? else { continue };
            let head = FrameHead {
                tick: Tick(frame.tick),
                baseline: frame.baseline.map(Tick),
                input_seq: place.inputs.counted_seq(),
                lead: place.inputs.lead(),
                finished,
                epoch: self.new.epoch,
            };
            let mut message = head.encode(Vec::with_capacity(FRAME_HEAD_BYTES + frame.body.len()));
            message.extend(&frame.body);
            send(session.flow, head.tick, message);
        }
        Ok(())
    }

    fn expire(&mut self, now: u32) {
        for seat in 0..SEATS as u8 {
            let Some(place) = self.places[usize::from(seat)].as_mut() else { continue };
            self.replaced.extend(place.former.take_if(|it| it.is_over(now)).map(|it| it.flow));
            let limit = match place.state {
                Seat::Expected => EXPECTED_TICKS,
                Seat::Held => HELD_TICKS,
                _ => continue,
            };
            if now.wrapping_sub(place.since) < limit {
                continue;
            }
            let Some((state, effect)) = place.state.on(SeatEvent::Expire) else { continue };
            (place.state, place.since) = (state, now);
            self.apply(seat, effect);
        }
    }

    fn apply(&mut self, seat: u8, effect: Option<SeatEffect>) {
        let Some(place) = self.places[usize::from(seat)].as_mut() else { return };
        match effect {
            None => return,
            Some(SeatEffect::BotTakes) => place.press = buttons::JOIN | buttons::BOT,
            Some(SeatEffect::PlayerTakes) => place.press = buttons::JOIN,
        }
        let shown = place.shown(seat);
        self.seat_changes.push(shown.clone());
        self.events.push(self.tick, EventKind::Seat(shown));
    }

    fn seated(&self) -> impl Iterator<Item = (u8, &Place<F>)> {
        self.places.iter().enumerate().filter_map(|(seat, it)| Some((seat as u8, it.as_ref()?)))
    }

    fn place_of(&mut self, seat: u8, flow: F) -> Option<&mut Place<F>> {
        let place = self.places.get_mut(usize::from(seat))?.as_mut()?;
        place.session.as_ref().is_some_and(|it| it.flow == flow).then_some(place)
    }

    fn name(&self, seat: u8) -> String {
        self.places[usize::from(seat)].as_ref().map_or(String::new(), |it| it.name.clone())
    }
}

/// Why a session got no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatRefused {
    /// The seat is not reserved for that player.
    NotYours,
    /// The player left the match for good.
    Left,
    /// The session plays over a later connection already.
    Replaced,
}

impl<F> Place<F> {
    fn new(seat: u8, state: Seat, player: Option<Player>, now: u32) -> Self {
        let bot = format!("Bot {}", BOT_NAMES[usize::from(seat)]);
        let name = player.as_ref().map_or(bot, |it| it.name.clone());
        let press = if state.is_bot() { buttons::JOIN | buttons::BOT } else { buttons::JOIN };
        Self {
            state,
            since: now,
            player,
            name,
            inputs: InputBuffer::default(),
            bot: Input::default(),
            press,
            viewer: None,
            session: None,
            former: None,
            heard_before: 0,
        }
    }

    fn shown(&self, seat: u8) -> SeatName {
        SeatName { seat, bot: self.state.is_bot(), name: self.name.clone() }
    }
}
