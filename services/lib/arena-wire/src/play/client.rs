//! Client to server.

use arena_types::{MatchId, PartyCode, Tick};

use super::limits;
use super::server::parsed;
use crate::bits::{BitReader, BitWriter, DecodeError};

const HELLO: u8 = 0x01;
const QUEUE: u8 = 0x02;
const CANCEL: u8 = 0x03;
const PARTY_CREATE: u8 = 0x04;
const PARTY_JOIN: u8 = 0x05;
const PARTY_LEAVE: u8 = 0x06;
const INPUT: u8 = 0x07;
const PING: u8 = 0x08;
const LEAVE: u8 = 0x09;
const WATCH: u8 = 0x0a;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum ClientMessage {
    /// The first message of a connection.
    Hello(Hello),
    /// Queues the player, or the party if the player leads one.
    Queue {
        /// The game mode.
        mode: String,
        /// Measured round-trip times.
        rtts: Vec<RegionRtt>,
    },
    /// Leaves the queue.
    Cancel,
    /// Makes a party and leads it.
    PartyCreate {
        /// The game mode.
        mode: String,
    },
    /// Joins a party.
    PartyJoin {
        /// What the leader told.
        code: PartyCode,
    },
    /// Leaves the party.
    PartyLeave,
    /// The controls of one tick.
    Input(Input),
    /// Asks for a [`super::Pong`].
    Ping {
        /// The client's clock in microseconds, modulo 2³².
        sent_us: u32,
    },
    /// Leaves the match for the lobby; a bot takes the seat. Who watches stops.
    Leave,
    /// Watches a match that runs, with a delay, or one that is over; again for another place or pace.
    Watch(Watch),
}

/// What to watch, from where, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Watch {
    /// The match.
    pub match_id: MatchId,
    /// The tick to start at: the nearest there is; [`Watch::NEWEST`] is the last that is shown.
    pub tick: Tick,
    /// Quarters of real time, 0 to [`Watch::PACE_MAX`]: 4 is as it was played, 0 stands still.
    pub pace: u8,
}

impl Watch {
    /// The tick after all others.
    pub const NEWEST: Tick = Tick(u32::MAX);
    /// Sixteen times as fast as it was played.
    pub const PACE_MAX: u8 = 64;
    /// As fast as it was played.
    pub const REAL_TIME: u8 = 4;

    pub(crate) fn write(self, out: &mut BitWriter) {
        out.bits(self.tick.0, 32);
        out.bits(u32::from(self.pace), 8);
    }

    pub(crate) fn read(input: &mut BitReader<'_>, match_id: MatchId) -> Result<Self, DecodeError> {
        let tick = Tick(input.u32("tick")?);
        match input.u8("pace")? {
            pace if pace <= Self::PACE_MAX => Ok(Self { match_id, tick, pace }),
            other => Err(DecodeError::BadValue { field: "pace", found: other.to_string() }),
        }
    }
}

/// Who the client is, and what it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Hello {
    /// A new session.
    Access {
        /// [`super::PROTOCOL_VERSION`] of the client.
        version: u16,
        /// [`super::SCHEMA_HASH`] of the client.
        schema: u32,
        /// The JWT of a login.
        token: String,
    },
    /// A session that goes on, perhaps at another gateway.
    Resume {
        /// [`super::PROTOCOL_VERSION`] of the client.
        version: u16,
        /// [`super::SCHEMA_HASH`] of the client.
        schema: u32,
        /// The token of the last welcome or move.
        token: String,
        /// The newest frame the client holds; 0 if none: the next frame is then a full one.
        ack_tick: Tick,
        /// The last event the client has seen, 0 if none: later ones are repeated.
        ack_event: u32,
    },
}

/// A measured round-trip time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct RegionRtt {
    /// The region, a DNS label.
    pub region: String,
    /// Milliseconds.
    pub rtt_ms: u16,
}

/// What a player does in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Controls {
    /// Right is positive, −127 to 127; −128 is read as −127.
    pub move_x: i8,
    /// Down is positive, −127 to 127; −128 is read as −127.
    pub move_y: i8,
    /// Direction in 1/256 turns, from right (0) over down (64).
    pub aim: u8,
    /// [`Controls::FIRE`]; other bits are reserved and ignored.
    pub buttons: u8,
}

impl Controls {
    /// The button that fires.
    pub const FIRE: u8 = 1;
}

/// The controls of one tick, sent once: the connection repeats what is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Input {
    /// Counts a session's inputs in a match from 1, without gaps.
    pub seq: u32,
    /// The tick the client would like it applied at.
    pub tick: Tick,
    /// What the player does.
    pub controls: Controls,
    /// The newest frame the client holds, 0 if none; the next frame is encoded against it.
    pub ack_tick: Tick,
    /// The last event the client has seen, 0 if none.
    pub ack_event: u32,
}

impl ClientMessage {
    /// Returns the bytes of one WebSocket message. Texts over their limit are cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = BitWriter::default();
        match self {
            Self::Hello(hello) => hello.write(&mut out),
            Self::Queue { mode, rtts } => {
                out.bits(u32::from(QUEUE), 8);
                out.text(mode, limits::LABEL);
                let rtts = &rtts[..rtts.len().min(limits::REGIONS)];
                out.bits(rtts.len() as u32, 16);
                for rtt in rtts {
                    out.text(&rtt.region, limits::LABEL);
                    out.bits(u32::from(rtt.rtt_ms), 16);
                }
            }
            Self::Cancel => out.bits(u32::from(CANCEL), 8),
            Self::PartyCreate { mode } => {
                out.bits(u32::from(PARTY_CREATE), 8);
                out.text(mode, limits::LABEL);
            }
            Self::PartyJoin { code } => {
                out.bits(u32::from(PARTY_JOIN), 8);
                out.text(code.as_str(), limits::CODE);
            }
            Self::PartyLeave => out.bits(u32::from(PARTY_LEAVE), 8),
            Self::Input(input) => {
                out.bits(u32::from(INPUT), 8);
                input.write(&mut out);
            }
            Self::Ping { sent_us } => {
                out.bits(u32::from(PING), 8);
                out.bits(*sent_us, 32);
            }
            Self::Leave => out.bits(u32::from(LEAVE), 8),
            Self::Watch(watch) => {
                out.bits(u32::from(WATCH), 8);
                out.text(&watch.match_id.to_string(), limits::ID);
                watch.write(&mut out);
            }
        }
        out.finish()
    }

    /// Reads one WebSocket message.
    ///
    /// # Errors
    /// Any [`DecodeError`] but [`DecodeError::NoBaseline`]; nothing is allocated beyond the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = BitReader::new(bytes);
        let input = &mut reader;
        let message = match input.u8("type")? {
            HELLO => Self::Hello(Hello::read(input)?),
            QUEUE => {
                let mode = input.text(limits::LABEL, "mode")?;
                let count = input.len(limits::REGIONS, "rtts")?;
                let rtts = (0..count)
                    .map(|_| {
                        let region = input.text(limits::LABEL, "region")?;
                        Ok(RegionRtt { region, rtt_ms: input.u16("rtt_ms")? })
                    })
                    .collect::<Result<_, _>>()?;
                Self::Queue { mode, rtts }
            }
            CANCEL => Self::Cancel,
            PARTY_CREATE => Self::PartyCreate { mode: input.text(limits::LABEL, "mode")? },
            PARTY_JOIN => {
                let code = input.text(limits::CODE, "code")?;
                let code = PartyCode::try_from(code)
                    .map_err(|it| DecodeError::BadValue { field: "code", found: it.text })?;
                Self::PartyJoin { code }
            }
            PARTY_LEAVE => Self::PartyLeave,
            INPUT => Self::Input(Input::read(input)?),
            PING => Self::Ping { sent_us: input.u32("sent_us")? },
            LEAVE => Self::Leave,
            WATCH => {
                let match_id = parsed(input, limits::ID, "match_id")?;
                Self::Watch(Watch::read(input, match_id)?)
            }
            found => return Err(DecodeError::UnknownType { found }),
        };
        reader.finish()?;
        Ok(message)
    }
}

impl Hello {
    const ACCESS: u8 = 0;
    const RESUME: u8 = 1;

    fn write(&self, out: &mut BitWriter) {
        out.bits(u32::from(HELLO), 8);
        let (Self::Access { version, schema, token } | Self::Resume { version, schema, token, .. }) =
            self;
        out.bits(u32::from(*version), 16);
        out.bits(*schema, 32);
        let kind = if let Self::Access { .. } = self { Self::ACCESS } else { Self::RESUME };
        out.bits(u32::from(kind), 8);
        out.text(token, limits::TOKEN);
        if let Self::Resume { ack_tick, ack_event, .. } = self {
            out.bits(ack_tick.0, 32);
            out.bits(*ack_event, 32);
        }
    }

    fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let version = input.u16("version")?;
        let schema = input.u32("schema")?;
        let kind = input.u8("kind")?;
        let token = input.text(limits::TOKEN, "token")?;
        match kind {
            Self::ACCESS => Ok(Self::Access { version, schema, token }),
            Self::RESUME => Ok(Self::Resume {
                version,
                schema,
                token,
                ack_tick: Tick(input.u32("ack_tick")?),
                ack_event: input.u32("ack_event")?,
            }),
            other => Err(DecodeError::BadValue { field: "kind", found: other.to_string() }),
        }
    }
}

impl Input {
    pub(crate) fn write(&self, out: &mut BitWriter) {
        out.bits(self.seq, 32);
        out.bits(self.tick.0, 32);
        out.signed(i32::from(self.controls.move_x), 8);
        out.signed(i32::from(self.controls.move_y), 8);
        out.bits(u32::from(self.controls.aim), 8);
        out.bits(u32::from(self.controls.buttons), 8);
        out.bits(self.ack_tick.0, 32);
        out.bits(self.ack_event, 32);
    }

    pub(crate) fn read(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            seq: input.u32("seq")?,
            tick: Tick(input.u32("tick")?),
            controls: Controls {
                move_x: input.signed(8, "move_x")? as i8,
                move_y: input.signed(8, "move_y")? as i8,
                aim: input.u8("aim")?,
                buttons: input.u8("buttons")?,
            },
            ack_tick: Tick(input.u32("ack_tick")?),
            ack_event: input.u32("ack_event")?,
        })
    }
}
