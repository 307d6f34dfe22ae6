//! What a gateway and a game instance say to each other in real time.
//!
//! A link has an ordered stream, on which [`ToGame`] and [`ToGateway`] travel, and a lane of frames on
//! which the latest of each flow wins. A **flow** is a number the gateway gives a session on one link;
//! it is never used again on that link. A frame is sent under its flow's number, its tick is the
//! sequence, its bytes are a frame of [`crate::play`]; frames, starts and events are forwarded to the
//! browser unopened.

use arena_types::{Epoch, MatchId, PlayerId, SessionId, Tick};

use crate::bits::{BitReader, BitWriter, DecodeError};
use crate::play::{Input, Watch};
use crate::token::TOKEN_LEN_MAX;

/// Inputs in one message, at most: a tick's worth of the sessions of one gateway.
pub const BATCH_MAX: usize = 4096;
/// Bytes of a carried message: the start of a match with its rules.
pub const PAYLOAD_LEN_MAX: usize = crate::play::SERVER_MESSAGE_LEN_MAX - 1;
/// Bytes of an instance id: a DNS label.
const OWNER_LEN_MAX: usize = 63;
/// Bytes of a text for a log line.
const DETAIL_LEN_MAX: usize = 512;

/// A session on one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow(pub u32);

/// From a gateway, on the ordered stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToGame {
    /// Takes a seat, or takes it again after a resume.
    Attach(Attach),
    /// The inputs of one tick, in the order they came.
    Inputs(Vec<(Flow, Input)>),
    /// What the client holds, when no input says so.
    Ack {
        /// The session.
        flow: Flow,
        /// The newest frame; 0 if none.
        tick: Tick,
        /// The last event; 0 if none.
        event: u32,
    },
    /// The flow ends.
    Detach {
        /// The session.
        flow: Flow,
        /// What becomes of the seat.
        why: Leave,
    },
    /// Shows a match to a session without a seat. Its inputs only say what the client holds.
    Watch {
        /// The number it gets on this link.
        flow: Flow,
        /// What to show.
        watch: Watch,
    },
}

/// Takes a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    /// The number it gets on this link.
    pub flow: Flow,
    /// The session.
    pub session: SessionId,
    /// The match.
    pub match_id: MatchId,
    /// The epoch the gateway knows; an older owner refuses a newer one.
    pub epoch: Epoch,
    /// The player, as the gateway has verified.
    pub player: PlayerId,
    /// The seat.
    pub seat: u8,
    /// [`crate::token::RouteClaims`] that give the seat to the player.
    pub route_token: Vec<u8>,
    /// The newest frame the client holds; 0 if none: the next frame is then a full one.
    pub ack_tick: Tick,
    /// The last event the client has seen: later ones are repeated.
    pub ack_event: u32,
    /// Connections of the session before the one that this is for. Attaches over two links come in any order: of one
    /// session the later connection has the seat.
    pub connection: u32,
}

/// Why a flow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Leave {
    /// The player left the match: a bot keeps the seat.
    Left = 0,
    /// The connection was lost: a bot plays until the player is back.
    Lost = 1,
    /// Another gateway takes the session over: the seat waits, then as [`Leave::Lost`].
    Moved = 2,
}

/// From a game instance, on the ordered stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToGateway {
    /// The flow has its seat. Missed events follow, then frames.
    Attached {
        /// The session.
        flow: Flow,
        /// The owner's epoch.
        epoch: Epoch,
        /// A [`crate::play::MatchStart`] message to forward.
        start: Vec<u8>,
    },
    /// The flow got no seat and is over.
    Refused {
        /// The session.
        flow: Flow,
        /// What to do about it.
        why: Refusal,
        /// For the log.
        detail: String,
    },
    /// Something that happened.
    Event {
        /// The session.
        flow: Flow,
        /// Counts the match's events from 1.
        seq: u32,
        /// A [`crate::play::Event`] message to forward.
        event: Vec<u8>,
    },
    /// The match is over and this flow has acknowledged its last event: the session goes back to
    /// the lobby, the flow is over.
    Ended {
        /// The session.
        flow: Flow,
        /// The match.
        match_id: MatchId,
    },
    /// The flow is over because the same seat was attached again, here or through another gateway.
    Replaced {
        /// The session.
        flow: Flow,
    },
    /// The match has moved: attach to its new owner.
    Moved {
        /// The session.
        flow: Flow,
        /// The new owner's instance id.
        owner: String,
        /// The new owner's epoch.
        epoch: Epoch,
    },
    /// The match is about to move: take the seat there too, and send inputs to both.
    Moving {
        /// The session.
        flow: Flow,
        /// The next owner's instance id.
        owner: String,
        /// The next owner's epoch.
        epoch: Epoch,
    },
    /// The match does not move after all.
    Staying {
        /// The session.
        flow: Flow,
    },
    /// Where a watched match stands.
    Playback {
        /// The session.
        flow: Flow,
        /// A [`crate::play::Playback`] message to forward.
        playback: Vec<u8>,
    },
}

/// Why a flow got no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// This instance does not host the match, or no more: look up its owner.
    UnknownMatch = 0,
    /// The route token is wrong, expired, or for another seat.
    BadToken = 1,
    /// The gateway knows a newer epoch than this instance: look up the owner.
    OldEpoch = 2,
    /// The player left the match and cannot come back.
    Left = 3,
    /// More flows than the instance takes.
    Full = 4,
    /// The match is over: back to the lobby.
    Over = 5,
}

const ATTACH: u8 = 1;
const INPUTS: u8 = 2;
const ACK: u8 = 3;
const DETACH: u8 = 4;
const WATCH: u8 = 5;

impl ToGame {
    /// Returns the bytes of one message.
    ///
    /// # Panics
    /// If there are more than [`BATCH_MAX`] inputs or the token is over [`TOKEN_LEN_MAX`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = BitWriter::default();
        match self {
            Self::Attach(attach) => {
                assert!(attach.route_token.len() <= TOKEN_LEN_MAX);
                out.bits(u32::from(ATTACH), 8);
                out.bits(attach.flow.0, 32);
                out.u64(attach.session.as_u64());
                out.u64(attach.match_id.as_u64());
                out.bits(attach.epoch.0, 32);
                out.u64(attach.player.as_u64());
                out.bits(u32::from(attach.seat), 8);
                out.blob(&attach.route_token);
                out.bits(attach.ack_tick.0, 32);
                out.bits(attach.ack_event, 32);
                out.bits(attach.connection, 32);
            }
            Self::Inputs(inputs) => {
                assert!(inputs.len() <= BATCH_MAX);
                out.bits(u32::from(INPUTS), 8);
                out.bits(inputs.len() as u32, 16);
                for (flow, input) in inputs {
                    out.bits(flow.0, 32);
                    input.write(&mut out);
                }
            }
            Self::Ack { flow, tick, event } => {
                out.bits(u32::from(ACK), 8);
                out.bits(flow.0, 32);
                out.bits(tick.0, 32);
                out.bits(*event, 32);
            }
            Self::Detach { flow, why } => {
                out.bits(u32::from(DETACH), 8);
                out.bits(flow.0, 32);
                out.bits(*why as u32, 8);
            }
            Self::Watch { flow, watch } => {
                out.bits(u32::from(WATCH), 8);
                out.bits(flow.0, 32);
                out.u64(watch.match_id.as_u64());
                watch.write(&mut out);
            }
        }
        out.finish()
    }

    /// Reads one message.
    ///
    /// # Errors
    /// Any [`DecodeError`] but [`DecodeError::NoBaseline`]; nothing is allocated beyond the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = BitReader::new(bytes);
        let input = &mut reader;
        let message = match input.u8("type")? {
            ATTACH => Self::Attach(Attach {
                flow: Flow(input.u32("flow")?),
                session: SessionId::from_u64(input.u64("session")?),
                match_id: MatchId::from_u64(input.u64("match_id")?),
                epoch: Epoch(input.u32("epoch")?),
                player: PlayerId::from_u64(input.u64("player")?),
                seat: input.u8("seat")?,
                route_token: input.blob(TOKEN_LEN_MAX, "route_token")?,
                ack_tick: Tick(input.u32("ack_tick")?),
                ack_event: input.u32("ack_event")?,
                connection: input.u32("connection")?,
            }),
            INPUTS => Self::Inputs(
                (0..input.len(BATCH_MAX, "inputs")?)
                    .map(|_| Ok((Flow(input.u32("flow")?), Input::read(input)?)))
                    .collect::<Result<_, DecodeError>>()?,
            ),
            ACK => Self::Ack {
                flow: Flow(input.u32("flow")?),
                tick: Tick(input.u32("tick")?),
                event: input.u32("event")?,
            },
            DETACH => Self::Detach {
                flow: Flow(input.u32("flow")?),
                why: match input.u8("why")? {
                    0 => Leave::Left,
                    1 => Leave::Lost,
                    2 => Leave::Moved,
                    other => return Err(bad("why", other)),
                },
            },
            WATCH => {
                let flow = Flow(input.u32("flow")?);
                let match_id = MatchId::from_u64(input.u64("match_id")?);
                Self::Watch { flow, watch: Watch::read(input, match_id)? }
            }
            found => return Err(DecodeError::UnknownType { found }),
        };
        reader.finish()?;
        Ok(message)
    }
}

const ATTACHED: u8 = 1;
const REFUSED: u8 = 2;
const EVENT: u8 = 3;
const ENDED: u8 = 4;
const REPLACED: u8 = 5;
const MOVED: u8 = 6;
const PLAYBACK: u8 = 7;
const MOVING: u8 = 8;
const STAYING: u8 = 9;

impl ToGateway {
    /// Returns the bytes of one message.
    ///
    /// # Panics
    /// If a carried message is over [`PAYLOAD_LEN_MAX`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = BitWriter::default();
        let mut head = |kind: u8, flow: &Flow| {
            out.bits(u32::from(kind), 8);
            out.bits(flow.0, 32);
        };
        match self {
            Self::Attached { flow, epoch, start } => {
                head(ATTACHED, flow);
                out.bits(epoch.0, 32);
                out.blob(start);
            }
            Self::Refused { flow, why, detail } => {
                head(REFUSED, flow);
                out.bits(*why as u32, 8);
                out.text(detail, DETAIL_LEN_MAX);
            }
            Self::Event { flow, seq, event } => {
                head(EVENT, flow);
                out.bits(*seq, 32);
                out.blob(event);
            }
            Self::Ended { flow, match_id } => {
                head(ENDED, flow);
                out.u64(match_id.as_u64());
            }
            Self::Replaced { flow } => head(REPLACED, flow),
            Self::Moved { flow, owner, epoch } => {
                head(MOVED, flow);
                out.text(owner, OWNER_LEN_MAX);
                out.bits(epoch.0, 32);
            }
            Self::Moving { flow, owner, epoch } => {
                head(MOVING, flow);
                out.text(owner, OWNER_LEN_MAX);
                out.bits(epoch.0, 32);
            }
            Self::Staying { flow } => head(STAYING, flow),
            Self::Playback { flow, playback } => {
                head(PLAYBACK, flow);
                out.blob(playback);
            }
        }
        out.finish()
    }

    /// Reads one message.
    ///
    /// # Errors
    /// Any [`DecodeError`] but [`DecodeError::NoBaseline`]; nothing is allocated beyond the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = BitReader::new(bytes);
        let input = &mut reader;
        let kind = input.u8("type")?;
        if !(ATTACHED..=STAYING).contains(&kind) {
            return Err(DecodeError::UnknownType { found: kind });
        }
        let flow = Flow(input.u32("flow")?);
        let message = match kind {
            ATTACHED => Self::Attached {
                flow,
                epoch: Epoch(input.u32("epoch")?),
                start: input.blob(PAYLOAD_LEN_MAX, "start")?,
            },
            REFUSED => Self::Refused {
                flow,
                why: match input.u8("why")? {
                    0 => Refusal::UnknownMatch,
                    1 => Refusal::BadToken,
                    2 => Refusal::OldEpoch,
                    3 => Refusal::Left,
                    4 => Refusal::Full,
                    5 => Refusal::Over,
                    other => return Err(bad("why", other)),
                },
                detail: input.text(DETAIL_LEN_MAX, "detail")?,
            },
            EVENT => Self::Event {
                flow,
                seq: input.u32("seq")?,
                event: input.blob(PAYLOAD_LEN_MAX, "event")?,
            },
            ENDED => Self::Ended { flow, match_id: MatchId::from_u64(input.u64("match_id")?) },
            REPLACED => Self::Replaced { flow },
            PLAYBACK => Self::Playback { flow, playback: input.blob(PAYLOAD_LEN_MAX, "playback")? },
            STAYING => Self::Staying { flow },
            _ => {
                let owner = input.text(OWNER_LEN_MAX, "owner")?;
                let epoch = Epoch(input.u32("epoch")?);
                if kind == MOVED {
                    Self::Moved { flow, owner, epoch }
                } else {
                    Self::Moving { flow, owner, epoch }
                }
            }
        };
        reader.finish()?;
        Ok(message)
    }

    /// Returns the flow that the message is for.
    #[must_use]
    pub fn flow(&self) -> Flow {
        match self {
            Self::Attached { flow, .. }
            | Self::Refused { flow, .. }
            | Self::Event { flow, .. }
            | Self::Ended { flow, .. }
            | Self::Replaced { flow }
            | Self::Moved { flow, .. }
            | Self::Moving { flow, .. }
            | Self::Staying { flow }
            | Self::Playback { flow, .. } => *flow,
        }
    }
}

fn bad(field: &'static str, found: u8) -> DecodeError {
    DecodeError::BadValue { field, found: found.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::play::Controls;

    fn to_game() -> Vec<ToGame> {
        let input = Input {
            seq: 1,
            tick: Tick(2),
            controls: Controls { move_x: -1, move_y: 127, aim: 3, buttons: 1 },
            ack_tick: Tick(4),
            ack_event: 5,
        };
        vec![
            ToGame::Attach(Attach {
                flow: Flow(1),
                session: SessionId::from_u64(u64::MAX),
                match_id: MatchId::from_u64(2),
                epoch: Epoch(3),
                player: PlayerId::from_u64(4),
                seat: 5,
                route_token: vec![6; TOKEN_LEN_MAX],
                ack_tick: Tick(7),
                ack_event: 8,
                connection: 2,
            }),
            ToGame::Inputs(vec![]),
            ToGame::Inputs(vec![(Flow(1), input), (Flow(u32::MAX), input)]),
            ToGame::Ack { flow: Flow(1), tick: Tick(2), event: 3 },
            ToGame::Detach { flow: Flow(1), why: Leave::Left },
            ToGame::Detach { flow: Flow(1), why: Leave::Lost },
            ToGame::Detach { flow: Flow(1), why: Leave::Moved },
            ToGame::Watch {
                flow: Flow(1),
                watch: Watch { match_id: MatchId::from_u64(2), tick: Watch::NEWEST, pace: 64 },
            },
        ]
    }

    fn to_gateway() -> Vec<ToGateway> {
        let flow = Flow(9);
        let refusals = [
            Refusal::UnknownMatch,
            Refusal::BadToken,
            Refusal::OldEpoch,
            Refusal::Left,
            Refusal::Full,
            Refusal::Over,
        ];
        let refused =
            refusals.map(|why| ToGateway::Refused { flow, why, detail: "why".to_owned() });
        let mut all = vec![
            ToGateway::Attached { flow, epoch: Epoch(1), start: vec![0x84, 1, 2] },
            ToGateway::Event { flow, seq: 3, event: vec![0x86; 40] },
            ToGateway::Ended { flow, match_id: MatchId::from_u64(5) },
            ToGateway::Replaced { flow },
            ToGateway::Moved { flow, owner: "game-r2-1".to_owned(), epoch: Epoch(2) },
            ToGateway::Moving { flow, owner: "game-r2-1".to_owned(), epoch: Epoch(2) },
            ToGateway::Staying { flow },
            ToGateway::Playback { flow, playback: vec![0x8c; 30] },
        ];
        all.extend(refused);
        all
    }

    #[test]
    fn every_message_reads_back() {
        for message in to_game() {
            assert_eq!(ToGame::decode(&message.encode()), Ok(message));
        }
        for message in to_gateway() {
            let bytes = message.encode();
            assert_eq!(ToGateway::decode(&bytes).map(|it| it.flow()), Ok(Flow(9)));
            assert_eq!(ToGateway::decode(&bytes), Ok(message));
        }
    }

    #[test]
    fn a_torn_message_is_an_error_at_every_length() {
        for bytes in to_game().iter().map(ToGame::encode) {
            (0..bytes.len()).for_each(|len| assert!(ToGame::decode(&bytes[..len]).is_err()));
        }
        for bytes in to_gateway().iter().map(ToGateway::encode) {
            (0..bytes.len()).for_each(|len| assert!(ToGateway::decode(&bytes[..len]).is_err()));
        }
    }

    #[test]
    fn a_batch_over_its_limit_is_refused_by_its_count() {
        let error = ToGame::decode(&[INPUTS, 0xff, 0xff, 0]).unwrap_err();
        assert_eq!(error, DecodeError::TooLong { field: "inputs", len: 65_535, max: BATCH_MAX });
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            kind in 0..12_u8,
            mut bytes in prop::collection::vec(any::<u8>(), 1..200),
        ) {
            bytes[0] = kind;
            if let Ok(message) = ToGame::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes.clone());
            }
            if let Ok(message) = ToGateway::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes.clone());
            }
        }
    }
}
