//! Server to client, but for frames.

use arena_types::{
    Epoch, InstanceId, MatchId, PartyCode, PlayerId, Region, ReleaseId, SessionId, Tick,
};

use super::{Code, OWN_EVENT_LEN_MAX, limits, view::SEATS};
use crate::bits::{BitReader, BitWriter, DecodeError};

const WELCOME: u8 = 0x81;
const QUEUE: u8 = 0x82;
const PARTY: u8 = 0x83;
const START: u8 = 0x84;
const EVENT: u8 = 0x86;
const MOVE: u8 = 0x87;
const ERROR: u8 = 0x88;
const PONG: u8 = 0x89;
const OWNER: u8 = 0x8a;
const RATING: u8 = 0x8b;
const PLAYBACK: u8 = 0x8c;

/// What a server says, but for frames (type [`super::FRAME_TYPE`]).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum ServerMessage {
    /// Answers a hello.
    Welcome(Welcome),
    /// Where the ticket stands.
    Queue(QueueUpdate),
    /// The player's party, or none.
    Party(Option<Party>),
    /// A match the player has a seat in: at its start, and again after a resume.
    Start(MatchStart),
    /// Something that happened in the match; none is lost.
    Event(Event),
    /// Go to another gateway and resume there.
    Move(Move),
    /// Something was refused, or the connection is about to close.
    Error {
        /// The reason.
        code: Code,
        /// A sentence for a person.
        text: String,
    },
    /// Answers a ping.
    Pong(Pong),
    /// The match has another owner, or is between owners.
    Owner(Owner),
    /// The match changed the player's rating.
    Rating(RatingChange),
    /// Where a watched match stands: after each start, then now and then.
    Playback(Playback),
}

/// A match that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Playback {
    /// The match.
    pub match_id: MatchId,
    /// The first tick there is.
    pub first: Tick,
    /// The last tick that is shown: it grows while the match runs.
    pub last: Tick,
    /// The tick shown now.
    pub tick: Tick,
    /// Quarters of real time; see [`super::Watch::pace`].
    pub pace: u8,
    /// True while the match runs.
    pub live: bool,
}

/// The session, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Welcome {
    /// The session.
    pub session: SessionId,
    /// The player.
    pub player: PlayerId,
    /// The player's name.
    pub name: String,
    /// Resumes the session here or at another gateway.
    pub resume_token: String,
    /// The gateway's region.
    pub region: Region,
    /// The gateway's release.
    pub release: ReleaseId,
    /// The gateway.
    pub instance: InstanceId,
    /// Ticks a second.
    pub tick_rate: u8,
    /// Frames a second, near the player.
    pub frame_rate: u8,
    /// False for a new session.
    pub resumed: bool,
}

/// Where a ticket stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum QueueUpdate {
    /// The player is not queued.
    Idle {
        /// Why not any more, for a person; empty if the player asked.
        reason: String,
    },
    /// The player waits.
    Waiting {
        /// Milliseconds so far.
        waited_ms: u32,
        /// Tickets in the queue.
        tickets: u32,
        /// Half width of the rating window now.
        window: u32,
        /// What keeps a match from being made, for a person; empty while players are looked for.
        reason: String,
    },
    /// A match was found; its start follows.
    Assigned {
        /// The match.
        match_id: MatchId,
    },
}

/// A party.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Party {
    /// What others join with.
    pub code: PartyCode,
    /// The leader's player.
    pub leader: PlayerId,
    /// The game mode.
    pub mode: String,
    /// True while the party waits for a match.
    pub queued: bool,
    /// Everyone, the leader among them.
    pub members: Vec<PartyMember>,
}

/// One of a party.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct PartyMember {
    /// The player.
    pub player: PlayerId,
    /// The player's name.
    pub name: String,
}

/// All a client needs to show a match.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct MatchStart {
    /// The match.
    pub match_id: MatchId,
    /// The player's seat; [`MatchStart::WATCHES`] for who has none.
    pub seat: u8,
    /// The owner's epoch.
    pub epoch: Epoch,
    /// The owner.
    pub owner: InstanceId,
    /// The owner's release.
    pub release: ReleaseId,
    /// The game: `arena`, or one with a page and frames of its own.
    pub game: String,
    /// The game mode.
    pub mode: String,
    /// The tick the match is at.
    pub tick: Tick,
    /// The sequence of the last input that the game has: a client sends again what it sent after it, and goes on.
    pub input_seq: u32,
    /// The sequence of the last event that is not told again: later ones follow.
    pub event_seq: u32,
    /// What the game's page needs of the rules, as JSON; `docs/protocol.md` lists the arena's keys.
    pub rules: String,
    /// Who sits where now.
    pub seats: Vec<SeatName>,
}

/// Who sits on a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct SeatName {
    /// Index of the player in frames.
    pub seat: u8,
    /// True for a bot.
    pub bot: bool,
    /// What to show.
    pub name: String,
}

/// Something that happened in a match.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Event {
    /// Counts a match's events from 1; a client ignores what it has seen.
    pub seq: u32,
    /// When.
    pub tick: Tick,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum EventKind {
    /// A player was killed.
    Kill {
        /// Who gets the credit; the victim itself if nobody.
        killer: u8,
        /// Who died.
        victim: u8,
    },
    /// A seat changed hands: a player joined, came back, or left it to a bot.
    Seat(SeatName),
    /// The match is over. The last event of a match.
    End {
        /// By rank.
        standings: Vec<Standing>,
    },
    /// Something became of a team's flag.
    Flag {
        /// The team it belongs to, 0 or 1.
        team: u8,
        /// What.
        change: FlagChange,
        /// Who did it: the carrier, or who took it; 0 for a return.
        seat: u8,
    },
    /// Something only the game's own page understands, at most [`super::OWN_EVENT_LEN_MAX`] bytes.
    Own(Vec<u8>),
}

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum FlagChange {
    /// An opponent took it.
    Taken,
    /// Its carrier died or left.
    Dropped,
    /// It is at home again, uncaptured.
    Returned,
    /// Its carrier brought it home and scored.
    Captured,
}

impl FlagChange {
    const ALL: [Self; 4] = [Self::Taken, Self::Dropped, Self::Returned, Self::Captured];
}

/// How one seat did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Standing {
    /// The seat.
    pub seat: u8,
    /// 1 is the winner; equal ranks are draws.
    pub rank: u8,
    /// True for a bot.
    pub bot: bool,
    /// Kills.
    pub kills: u16,
    /// Deaths.
    pub deaths: u16,
    /// What to show.
    pub name: String,
}

/// Go to another gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Move {
    /// `ws://` or `wss://` and an authority; empty for the same address again.
    pub endpoint: String,
    /// What to resume with there.
    pub resume_token: String,
    /// The earliest moment to go, in milliseconds from now; draw one between the two.
    pub after_ms: u32,
    /// The latest moment to go.
    pub within_ms: u32,
}

/// Four timestamps make a clock: offset = ((t1 − t0) + (t2 − t3)) / 2 (RFC 5905 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Pong {
    /// t0: the client's clock of the ping, in microseconds modulo 2³².
    pub sent_us: u32,
    /// t1: the server's clock when it read the ping, likewise.
    pub received_us: u32,
    /// t2: the server's clock when it answered, likewise.
    pub answered_us: u32,
}

/// Who owns the match now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Owner {
    /// The match.
    pub match_id: MatchId,
    /// The epoch; it never falls.
    pub epoch: Epoch,
    /// The instance.
    pub instance: InstanceId,
    /// The instance's release.
    pub release: ReleaseId,
    /// True while nobody confirms inputs: show "moving…".
    pub moving: bool,
}

/// What a match did to a rating, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct RatingChange {
    /// The match.
    pub match_id: MatchId,
    /// Before it.
    pub before: i32,
    /// After it.
    pub after: i32,
}

impl ServerMessage {
    /// Returns the bytes of one WebSocket message. Texts over their limit are cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = BitWriter::default();
        let (kind, body): (u8, &dyn Body) = match self {
            Self::Welcome(it) => (WELCOME, it),
            Self::Queue(it) => (QUEUE, it),
            Self::Party(it) => (PARTY, it),
            Self::Start(it) => (START, it),
            Self::Event(it) => (EVENT, it),
            Self::Move(it) => (MOVE, it),
            Self::Error { code, text } => {
                out.bits(u32::from(ERROR), 8);
                out.bits(u32::from(code.number()), 16);
                out.text(text, limits::TEXT);
                return out.finish();
            }
            Self::Pong(it) => (PONG, it),
            Self::Owner(it) => (OWNER, it),
            Self::Rating(it) => (RATING, it),
            Self::Playback(it) => (PLAYBACK, it),
        };
        out.bits(u32::from(kind), 8);
        body.write(&mut out);
        out.finish()
    }

    /// Reads one WebSocket message that is not a frame.
    ///
    /// # Errors
    /// Any [`DecodeError`] but [`DecodeError::NoBaseline`]; a frame is an unknown type here.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = BitReader::new(bytes);
        let input = &mut reader;
        let message = match input.u8("type")? {
            WELCOME => Self::Welcome(Welcome::read(input)?),
            QUEUE => Self::Queue(QueueUpdate::read(input)?),
            PARTY => Self::Party(Option::read(input)?),
            START => Self::Start(MatchStart::read(input)?),
            EVENT => Self::Event(Event::read(input)?),
            MOVE => Self::Move(Move::read(input)?),
            ERROR => Self::Error {
                code: Code::decode(input.u16("code")?)?,
                text: input.text(limits::TEXT, "text")?,
            },
            PONG => Self::Pong(Pong::read(input)?),
            OWNER => Self::Owner(Owner::read(input)?),
            RATING => Self::Rating(RatingChange::read(input)?),
            PLAYBACK => Self::Playback(Playback::read(input)?),
            found => return Err(DecodeError::UnknownType { found }),
        };
        reader.finish()?;
        Ok(message)
    }
}

/// The fields of a message after its type.
trait Body {
    fn write(&self, out: &mut BitWriter);

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError>
    where
        Self: Sized;
}

/// Reads a text that is parsed into a type.
pub(super) fn parsed<T: std::str::FromStr>(
    input: &mut BitReader<'_>,
    max: usize,
    field: &'static str,
) -> Result<T, DecodeError> {
    let text = input.text(max, field)?;
    text.parse().map_err(|_| DecodeError::BadValue { field, found: format!("{text:?}") })
}

/// Reads a byte that is 0 or 1.
fn flag(input: &mut BitReader<'_>, field: &'static str) -> Result<bool, DecodeError> {
    match input.u8(field)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(DecodeError::BadValue { field, found: other.to_string() }),
    }
}

/// Reads the index of a player, 0 to 15.
fn seat(input: &mut BitReader<'_>, field: &'static str) -> Result<u8, DecodeError> {
    match input.u8(field)? {
        seat if usize::from(seat) < SEATS => Ok(seat),
        other => Err(DecodeError::BadValue { field, found: other.to_string() }),
    }
}

impl Body for Welcome {
    fn write(&self, out: &mut BitWriter) {
        out.text(&self.session.to_string(), limits::ID);
        out.text(&self.player.to_string(), limits::ID);
        out.text(&self.name, limits::NAME);
        out.text(&self.resume_token, limits::TOKEN);
        out.text(self.region.as_str(), limits::LABEL);
        out.text(&self.release.to_string(), limits::LABEL);
        out.text(self.instance.as_str(), limits::LABEL);
        out.bits(u32::from(self.tick_rate), 8);
        out.bits(u32::from(self.frame_rate), 8);
        out.bits(u32::from(self.resumed), 8);
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            session: parsed(input, limits::ID, "session")?,
            player: parsed(input, limits::ID, "player")?,
            name: input.text(limits::NAME, "name")?,
            resume_token: input.text(limits::TOKEN, "resume_token")?,
            region: parsed(input, limits::LABEL, "region")?,
            release: parsed(input, limits::LABEL, "release")?,
            instance: parsed(input, limits::LABEL, "instance")?,
            tick_rate: input.u8("tick_rate")?,
            frame_rate: input.u8("frame_rate")?,
            resumed: flag(input, "resumed")?,
        })
    }
}

impl Body for QueueUpdate {
    fn write(&self, out: &mut BitWriter) {
        match self {
            Self::Idle { reason } => {
                out.bits(0, 8);
                out.text(reason, limits::TEXT);
            }
            Self::Waiting { waited_ms, tickets, window, reason } => {
                out.bits(1, 8);
                out.bits(*waited_ms, 32);
                out.bits(*tickets, 32);
                out.bits(*window, 32);
                out.text(reason, limits::TEXT);
            }
            Self::Assigned { match_id } => {
                out.bits(2, 8);
                out.text(&match_id.to_string(), limits::ID);
            }
        }
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        match input.u8("state")? {
            0 => Ok(Self::Idle { reason: input.text(limits::TEXT, "reason")? }),
            1 => Ok(Self::Waiting {
                waited_ms: input.u32("waited_ms")?,
                tickets: input.u32("tickets")?,
                window: input.u32("window")?,
                reason: input.text(limits::TEXT, "reason")?,
            }),
            2 => Ok(Self::Assigned { match_id: parsed(input, limits::ID, "match_id")? }),
            other => Err(DecodeError::BadValue { field: "state", found: other.to_string() }),
        }
    }
}

impl Body for Option<Party> {
    fn write(&self, out: &mut BitWriter) {
        out.bits(u32::from(self.is_some()), 8);
        let Some(party) = self else { return };
        out.text(party.code.as_str(), limits::CODE);
        out.text(&party.leader.to_string(), limits::ID);
        out.text(&party.mode, limits::LABEL);
        out.bits(u32::from(party.queued), 8);
        let members = &party.members[..party.members.len().min(limits::PARTY)];
        out.bits(members.len() as u32, 16);
        for member in members {
            out.text(&member.player.to_string(), limits::ID);
            out.text(&member.name, limits::NAME);
        }
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        if !flag(input, "in_party")? {
            return Ok(None);
        }
        Ok(Some(Party {
            code: parsed(input, limits::CODE, "code")?,
            leader: parsed(input, limits::ID, "leader")?,
            mode: input.text(limits::LABEL, "mode")?,
            queued: flag(input, "queued")?,
            members: (0..input.len(limits::PARTY, "members")?)
                .map(|_| {
                    let player = parsed(input, limits::ID, "player")?;
                    Ok(PartyMember { player, name: input.text(limits::NAME, "name")? })
                })
                .collect::<Result<_, _>>()?,
        }))
    }
}

impl MatchStart {
    /// The seat of who only watches.
    pub const WATCHES: u8 = 255;
}

impl Body for Playback {
    fn write(&self, out: &mut BitWriter) {
        out.text(&self.match_id.to_string(), limits::ID);
        out.bits(self.first.0, 32);
        out.bits(self.last.0, 32);
        out.bits(self.tick.0, 32);
        out.bits(u32::from(self.pace), 8);
        out.bits(u32::from(self.live), 8);
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            match_id: parsed(input, limits::ID, "match_id")?,
            first: Tick(input.u32("first")?),
            last: Tick(input.u32("last")?),
            tick: Tick(input.u32("tick")?),
            pace: input.u8("pace")?,
            live: flag(input, "live")?,
        })
    }
}

impl Body for MatchStart {
    fn write(&self, out: &mut BitWriter) {
        out.text(&self.match_id.to_string(), limits::ID);
        out.bits(u32::from(self.seat), 8);
        out.bits(self.epoch.0, 32);
        out.text(self.owner.as_str(), limits::LABEL);
        out.text(&self.release.to_string(), limits::LABEL);
        out.text(&self.game, limits::LABEL);
        out.text(&self.mode, limits::LABEL);
        out.bits(self.tick.0, 32);
        out.bits(self.input_seq, 32);
        out.bits(self.event_seq, 32);
        out.text(&self.rules, limits::RULES);
        let seats = &self.seats[..self.seats.len().min(SEATS)];
        out.bits(seats.len() as u32, 16);
        for seat in seats {
            seat.write(out);
        }
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            match_id: parsed(input, limits::ID, "match_id")?,
            seat: match input.u8("seat")? {
                it if usize::from(it) < SEATS || it == Self::WATCHES => it,
                other => {
                    return Err(DecodeError::BadValue { field: "seat", found: other.to_string() });
                }
            },
            epoch: Epoch(input.u32("epoch")?),
            owner: parsed(input, limits::LABEL, "owner")?,
            release: parsed(input, limits::LABEL, "release")?,
            game: input.text(limits::LABEL, "game")?,
            mode: input.text(limits::LABEL, "mode")?,
            tick: Tick(input.u32("tick")?),
            input_seq: input.u32("input_seq")?,
            event_seq: input.u32("event_seq")?,
            rules: input.text(limits::RULES, "rules")?,
            seats: (0..input.len(SEATS, "seats")?)
                .map(|_| SeatName::read(input))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Body for SeatName {
    fn write(&self, out: &mut BitWriter) {
        out.bits(u32::from(self.seat), 8);
        out.bits(u32::from(self.bot), 8);
        out.text(&self.name, limits::NAME);
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            seat: seat(input, "seat")?,
            bot: flag(input, "bot")?,
            name: input.text(limits::NAME, "name")?,
        })
    }
}

fn below(input: &mut BitReader<'_>, limit: u8, field: &'static str) -> Result<u8, DecodeError> {
    let found = input.u8(field)?;
    let bad = || DecodeError::BadValue { field, found: found.to_string() };
    (found < limit).then_some(found).ok_or_else(bad)
}

impl Body for Event {
    fn write(&self, out: &mut BitWriter) {
        out.bits(self.seq, 32);
        out.bits(self.tick.0, 32);
        match &self.kind {
            EventKind::Kill { killer, victim } => {
                out.bits(0, 8);
                out.bits(u32::from(*killer), 8);
                out.bits(u32::from(*victim), 8);
            }
            EventKind::Seat(seat) => {
                out.bits(1, 8);
                seat.write(out);
            }
            EventKind::End { standings } => {
                out.bits(2, 8);
                let standings = &standings[..standings.len().min(SEATS)];
                out.bits(standings.len() as u32, 16);
                for standing in standings {
                    standing.write(out);
                }
            }
            EventKind::Flag { team, change, seat } => {
                out.bits(3, 8);
                out.bits(u32::from(*team), 8);
                out.bits(*change as u32, 8);
                out.bits(u32::from(*seat), 8);
            }
            EventKind::Own(bytes) => {
                out.bits(4, 8);
                out.blob(&bytes[..bytes.len().min(OWN_EVENT_LEN_MAX)]);
            }
        }
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let seq = input.u32("seq")?;
        let tick = Tick(input.u32("tick")?);
        let kind = match input.u8("kind")? {
            0 => EventKind::Kill { killer: seat(input, "killer")?, victim: seat(input, "victim")? },
            1 => EventKind::Seat(SeatName::read(input)?),
            2 => EventKind::End {
                standings: (0..input.len(SEATS, "standings")?)
                    .map(|_| Standing::read(input))
                    .collect::<Result<_, _>>()?,
            },
            3 => {
                let team = below(input, 2, "team")?;
                let change = below(input, FlagChange::ALL.len() as u8, "change")?;
                let change = FlagChange::ALL[usize::from(change)];
                EventKind::Flag { team, change, seat: seat(input, "seat")? }
            }
            4 => EventKind::Own(input.blob(OWN_EVENT_LEN_MAX, "own")?),
            other => {
                return Err(DecodeError::BadValue { field: "kind", found: other.to_string() });
            }
        };
        Ok(Self { seq, tick, kind })
    }
}

impl Body for Standing {
    fn write(&self, out: &mut BitWriter) {
        out.bits(u32::from(self.seat), 8);
        out.bits(u32::from(self.rank), 8);
        out.bits(u32::from(self.bot), 8);
        out.bits(u32::from(self.kills), 16);
        out.bits(u32::from(self.deaths), 16);
        out.text(&self.name, limits::NAME);
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            seat: seat(input, "seat")?,
            rank: input.u8("rank")?,
            bot: flag(input, "bot")?,
            kills: input.u16("kills")?,
            deaths: input.u16("deaths")?,
            name: input.text(limits::NAME, "name")?,
        })
    }
}

impl Body for Move {
    fn write(&self, out: &mut BitWriter) {
        out.text(&self.endpoint, limits::ENDPOINT);
        out.text(&self.resume_token, limits::TOKEN);
        out.bits(self.after_ms, 32);
        out.bits(self.within_ms, 32);
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            endpoint: input.text(limits::ENDPOINT, "endpoint")?,
            resume_token: input.text(limits::TOKEN, "resume_token")?,
            after_ms: input.u32("after_ms")?,
            within_ms: input.u32("within_ms")?,
        })
    }
}

impl Body for Pong {
    fn write(&self, out: &mut BitWriter) {
        out.bits(self.sent_us, 32);
        out.bits(self.received_us, 32);
        out.bits(self.answered_us, 32);
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            sent_us: input.u32("sent_us")?,
            received_us: input.u32("received_us")?,
            answered_us: input.u32("answered_us")?,
        })
    }
}

impl Body for Owner {
    fn write(&self, out: &mut BitWriter) {
        out.text(&self.match_id.to_string(), limits::ID);
        out.bits(self.epoch.0, 32);
        out.text(self.instance.as_str(), limits::LABEL);
        out.text(&self.release.to_string(), limits::LABEL);
        out.bits(u32::from(self.moving), 8);
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            match_id: parsed(input, limits::ID, "match_id")?,
            epoch: Epoch(input.u32("epoch")?),
            instance: parsed(input, limits::LABEL, "instance")?,
            release: parsed(input, limits::LABEL, "release")?,
            moving: flag(input, "moving")?,
        })
    }
}

impl Body for RatingChange {
    fn write(&self, out: &mut BitWriter) {
        out.text(&self.match_id.to_string(), limits::ID);
        out.signed(self.before, 32);
        out.signed(self.after, 32);
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            match_id: parsed(input, limits::ID, "match_id")?,
            before: input.signed(32, "before")?,
            after: input.signed(32, "after")?,
        })
    }
}
