//! How the ports' types look in messages, both ways.

mod analytics;
mod fault;
mod hot;
mod objects;
mod players;
mod registry;
mod results;

use std::time::Duration;

use arena_store::StoreError;

pub use fault::{fault_of, status};
pub use hot::{rate_limit, take_request};

/// A type of a port that has a message.
pub trait Wire: Sized {
    /// Its message.
    type Message;

    /// Writes it.
    fn into_wire(self) -> Self::Message;

    /// Reads it.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if something is missing or out of range.
    fn from_wire(message: Self::Message) -> Result<Self, StoreError>;
}

/// Bytes after which a list goes on in the next message: a quarter of the mesh's limit, so that
/// one entry more still fits.
const PART_BYTES: usize = 1 << 20;

/// Cuts a list into messages, at least one. `size` is about an item's bytes.
pub fn parts<T>(items: impl IntoIterator<Item = T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for item in items {
        if bytes >= PART_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size(&item) + 16;
        if let Some(part) = parts.last_mut() {
            part.push(item);
        }
    }
    parts
}

/// Cuts an object's bytes into messages, at least one.
pub fn byte_parts(mut value: bytes::Bytes) -> Vec<bytes::Bytes> {
    let mut parts = Vec::new();
    while value.len() > PART_BYTES {
        parts.push(value.split_to(PART_BYTES));
    }
    parts.push(value);
    parts
}

/// Takes a field that must be there.
///
/// # Errors
/// [`StoreError::Invalid`] with its name.
pub fn required<T>(field: Option<T>, name: &'static str) -> Result<T, StoreError> {
    field.ok_or_else(|| StoreError::invalid(name, "it is missing"))
}

/// Reads every message of a list.
///
/// # Errors
/// The first one's.
pub fn all<T: Wire>(messages: Vec<T::Message>) -> Result<Vec<T>, StoreError> {
    messages.into_iter().map(T::from_wire).collect()
}

/// Writes every item of a list.
pub fn messages<T: Wire>(items: Vec<T>) -> Vec<T::Message> {
    items.into_iter().map(T::into_wire).collect()
}

/// Writes a duration, rounded up so that one above zero stays there.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Reads a SHA-256.
fn hash(bytes: &[u8], name: &'static str) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::invalid(name, "it has not 32 bytes"))
}
