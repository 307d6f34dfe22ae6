//! Small things beside the inputs: events, notes, hashes.
use prost::Message;

use crate::error::Fault;
use crate::frame::limit;
use crate::limits::{HASHES_MAX, RECORD_BYTES_MAX, RECORDS_MAX};

/// Something that happened beside the game: a player came, somebody said something, the match moved.
///
/// What the game itself tells, hits and kills for instance, is not recorded: it follows from the inputs.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Event {
    /// Ticks of the match stepped before it.
    #[prost(uint32, tag = "1")]
    pub tick: u32,
    /// What happened, a name of the writer's own: `seat`, `chat`, `moved`.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// Whom it concerns.
    #[prost(uint32, optional, tag = "3")]
    pub seat: Option<u32>,
    /// The rest of it.
    #[prost(string, tag = "4")]
    pub text: String,
}

/// Something to be known of the match as a whole; of several with one name the last is in force.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Note {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The hash of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickHash {
    /// Ticks of the match stepped before it.
    pub tick: u32,
    /// The hash.
    pub hash: u64,
}

/// Reads messages, each after its length as a varint.
pub(crate) fn records<M: Message + Default>(
    what: &'static str,
    mut bytes: &[u8],
) -> Result<Vec<M>, Fault> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        limit(what, records.len() as u64 + 1, RECORDS_MAX as u64)?;
        let length = prost::decode_length_delimiter(bytes).map_err(|it| undecodable(what, &it))?;
        limit("bytes in a record", length as u64, RECORD_BYTES_MAX as u64)?;
        let record = M::decode_length_delimited(&mut bytes).map_err(|it| undecodable(what, &it))?;
        records.push(record);
    }
    Ok(records)
}

/// Reads the hashes of ticks `from`, `from + every`, … `to`.
pub(crate) fn hashes(bytes: &[u8], from: u32, to: u32, every: u32) -> Result<Vec<TickHash>, Fault> {
    let (hashes, rest) = bytes.as_chunks::<8>();
    limit("hashes", hashes.len() as u64, HASHES_MAX as u64)?;
    for (what, tick) in [("first tick", from), ("last tick", to)] {
        if !tick.is_multiple_of(every) {
            return Err(Fault::Value { what, value: tick.into() });
        }
    }
    if !rest.is_empty() || hashes.len() as u64 != u64::from((to - from) / every) + 1 {
        return Err(Fault::Value { what: "number of bytes", value: bytes.len() as u64 });
    }
    let ticks = (from..).step_by(every as usize);
    let hash = |(tick, bytes): (u32, &[u8; 8])| TickHash { tick, hash: u64::from_le_bytes(*bytes) };
    Ok(ticks.zip(hashes).map(hash).collect())
}

pub(crate) fn undecodable(what: &'static str, error: &prost::DecodeError) -> Fault {
    Fault::Message { what, reason: error.to_string() }
}
