//! The hot state's types.

use std::time::Duration;

use arena_store::{
    BoardEntry, BoardWrite, Delivery, EntryId, JournalAppend, JournalEntry, Pending, Permit,
    Present, RateLimit, StoreError, Swap, Version, Versioned,
};
use arena_wire::store::v1 as pb;

use super::{Wire, millis};

impl Wire for Versioned {
    type Message = pb::Versioned;

    fn into_wire(self) -> pb::Versioned {
        pb::Versioned { value: self.value, version: self.version.0 }
    }

    fn from_wire(message: pb::Versioned) -> Result<Self, StoreError> {
        Ok(Self { value: message.value, version: Version(message.version) })
    }
}

impl Wire for Swap {
    type Message = pb::CompareAndSetReply;

    fn into_wire(self) -> pb::CompareAndSetReply {
        match self {
            Self::Swapped(version) => {
                pb::CompareAndSetReply { version: Some(version.0), found: None }
            }
            Self::Refused(found) => {
                pb::CompareAndSetReply { version: None, found: found.map(Wire::into_wire) }
            }
        }
    }

    fn from_wire(message: pb::CompareAndSetReply) -> Result<Self, StoreError> {
        Ok(match message.version {
            Some(version) => Self::Swapped(Version(version)),
            None => Self::Refused(message.found.map(Versioned::from_wire).transpose()?),
        })
    }
}

/// Writes a rate limit's request.
#[must_use]
pub fn take_request(key: &str, limit: RateLimit, units: u32) -> pb::TakeRequest {
    let interval_us = u64::try_from(limit.interval.as_micros()).unwrap_or(u64::MAX);
    pb::TakeRequest { key: key.to_owned(), burst: limit.burst, interval_us, units }
}

/// Reads the limit of a rate limit's request.
#[must_use]
pub fn rate_limit(request: &pb::TakeRequest) -> RateLimit {
    RateLimit { burst: request.burst, interval: Duration::from_micros(request.interval_us) }
}

impl Wire for Permit {
    type Message = pb::TakeReply;

    fn into_wire(self) -> pb::TakeReply {
        match self {
            Self::Granted { remaining } => {
                pb::TakeReply { remaining: Some(remaining), retry_after_us: 0 }
            }
            Self::Refused { retry_after } => {
                let retry_after_us = u64::try_from(retry_after.as_micros()).unwrap_or(u64::MAX);
                pb::TakeReply { remaining: None, retry_after_us }
            }
        }
    }

    fn from_wire(message: pb::TakeReply) -> Result<Self, StoreError> {
        Ok(match message.remaining {
            Some(remaining) => Self::Granted { remaining },
            None => Self::Refused { retry_after: Duration::from_micros(message.retry_after_us) },
        })
    }
}

impl Wire for BoardWrite {
    type Message = i32;

    fn into_wire(self) -> i32 {
        let how = match self {
            Self::Set => pb::BoardWrite::Set,
            Self::Best => pb::BoardWrite::Best,
            Self::Add => pb::BoardWrite::Add,
        };
        how.into()
    }

    fn from_wire(message: i32) -> Result<Self, StoreError> {
        match pb::BoardWrite::try_from(message) {
            Ok(pb::BoardWrite::Set) => Ok(Self::Set),
            Ok(pb::BoardWrite::Best) => Ok(Self::Best),
            Ok(pb::BoardWrite::Add) => Ok(Self::Add),
            _ => Err(StoreError::invalid("how", format!("{message} is not known"))),
        }
    }
}

impl Wire for BoardEntry {
    type Message = pb::BoardLine;

    fn into_wire(self) -> pb::BoardLine {
        pb::BoardLine { member: self.member, score: self.score, rank: self.rank }
    }

    fn from_wire(message: pb::BoardLine) -> Result<Self, StoreError> {
        Ok(Self { member: message.member, score: message.score, rank: message.rank })
    }
}

impl Wire for JournalAppend {
    type Message = pb::JournalAppend;

    fn into_wire(self) -> pb::JournalAppend {
        let Self { journal, after, entries, ttl } = self;
        pb::JournalAppend { journal, after, entries, ttl_ms: millis(ttl) }
    }

    fn from_wire(message: pb::JournalAppend) -> Result<Self, StoreError> {
        let pb::JournalAppend { journal, after, entries, ttl_ms } = message;
        Ok(Self { journal, after, entries, ttl: Duration::from_millis(ttl_ms) })
    }
}

impl Wire for JournalEntry {
    type Message = pb::JournalEntry;

    fn into_wire(self) -> pb::JournalEntry {
        pb::JournalEntry { number: self.number, value: self.value }
    }

    fn from_wire(message: pb::JournalEntry) -> Result<Self, StoreError> {
        Ok(Self { number: message.number, value: message.value })
    }
}

impl Wire for Delivery {
    type Message = pb::Delivery;

    fn into_wire(self) -> pb::Delivery {
        pb::Delivery { id: self.id.0, value: self.value, deliveries: self.deliveries }
    }

    fn from_wire(message: pb::Delivery) -> Result<Self, StoreError> {
        let id = EntryId(message.id);
        Ok(Self { id, value: message.value, deliveries: message.deliveries })
    }
}

impl Wire for Pending {
    type Message = pb::Pending;

    fn into_wire(self) -> pb::Pending {
        let idle_ms = u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX);
        let Self { id, consumer, deliveries, .. } = self;
        pb::Pending { id: id.0, consumer, idle_ms, deliveries }
    }

    fn from_wire(message: pb::Pending) -> Result<Self, StoreError> {
        Ok(Self {
            id: EntryId(message.id),
            consumer: message.consumer,
            idle: Duration::from_millis(message.idle_ms),
            deliveries: message.deliveries,
        })
    }
}

impl Wire for Present {
    type Message = pb::Present;

    fn into_wire(self) -> pb::Present {
        pb::Present { member: self.member, value: self.value }
    }

    fn from_wire(message: pb::Present) -> Result<Self, StoreError> {
        Ok(Self { member: message.member, value: message.value })
    }
}
