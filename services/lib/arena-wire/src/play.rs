//! What a browser and a gateway say to each other, one binary WebSocket message each.
//!
//! The first byte is the type; the rest is a [bit stream](crate::bits). `docs/protocol.md` is the
//! byte-exact description and holds the text of [`SCHEMA`]; `tests/vectors/play.json` holds examples
//! that every codec must reproduce. Frames are decoded apart, since they need their baseline:
//! [`FrameHead::peek`], then [`decode_frame`].

mod client;
mod code;
mod extras;
mod frame;
mod server;
#[cfg(test)]
mod strategies;
#[cfg(test)]
mod vectors;
mod view;

pub use client::{ClientMessage, Controls, Hello, Input, RegionRtt, Watch};
pub use code::Code;
pub use extras::DRONES_MAX;
pub use frame::{FRAME_TYPE, FrameHead, decode_frame, encode_frame, encode_view};
pub use server::{
    Event, EventKind, FlagChange, MatchStart, Move, Owner, Party, PartyMember, Playback, Pong,
    QueueUpdate, RatingChange, SeatName, ServerMessage, Standing, Welcome,
};
pub use view::{
    Drone, Extras, Flag, OwnView, POSITION_SHIFT, PlayerView, SEATS, SHOTS_MAX, Shot, View,
    WORLD_BITS, quantise,
};

/// The version of the protocol that this build speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// The layout of every message, field by field; the words of `docs/protocol.md`.
pub const SCHEMA: &str = include_str!("play/schema.txt");

/// The hash of [`SCHEMA`] that a client states in its hello: FNV-1a, 32 bits (RFC 9923).
pub const SCHEMA_HASH: u32 = fnv1a(SCHEMA.as_bytes());

/// Largest message a client may send; larger ones close the connection with [`Code::TooBig`].
/// A hello with a 2 KiB token is the largest there is.
pub const CLIENT_MESSAGE_LEN_MAX: usize = 4 << 10;

/// Largest message a server sends: the start of a match with its rules as JSON.
pub const SERVER_MESSAGE_LEN_MAX: usize = 64 << 10;

/// Longest event of a game that the protocol does not know.
pub const OWN_EVENT_LEN_MAX: usize = 1 << 10;

const fn fnv1a(bytes: &[u8]) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u32).wrapping_mul(0x0100_0193);
        index += 1;
    }
    hash
}

/// Limits of text fields in bytes, each wide enough for what it carries.
mod limits {
    /// An access token is a signed JWT of about 400 bytes.
    pub(super) const TOKEN: usize = 2048;
    /// A name of a DNS label: instances, regions, releases, modes.
    pub(super) const LABEL: usize = 63;
    /// 24 characters of up to four bytes.
    pub(super) const NAME: usize = 96;
    /// An id as text.
    pub(super) const ID: usize = 13;
    /// A party code.
    pub(super) const CODE: usize = 6;
    /// A sentence for a person.
    pub(super) const TEXT: usize = 512;
    /// `wss://` and an authority.
    pub(super) const ENDPOINT: usize = 255;
    /// The rules of a match as JSON.
    pub(super) const RULES: usize = 60 << 10;
    /// Regions a client may measure.
    pub(super) const REGIONS: usize = 16;
    /// Members of a party.
    pub(super) const PARTY: usize = 16;
}
