//! Checks that every adapter makes before it asks its engine.

use std::time::Duration;

use crate::StoreError;
use crate::limits::{KEY_BYTES_MAX, NAME_CHARS_MAX, TTL_MAX, VALUE_BYTES_MAX};

/// Checks a key: 1 to [`KEY_BYTES_MAX`] bytes of printable ASCII without space.
///
/// # Errors
/// [`StoreError::Invalid`] with the rule it breaks.
pub fn check_key(key: &str) -> Result<(), StoreError> {
    if key.is_empty() {
        return Err(StoreError::invalid("key", "it is empty"));
    }
    check_prefix(key)
}

/// Checks a prefix: as a key, but it may be empty.
///
/// # Errors
/// [`StoreError::Invalid`] with the rule it breaks.
pub fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    if prefix.len() > KEY_BYTES_MAX {
        let reason = format!("it has {} bytes, at most {KEY_BYTES_MAX} are allowed", prefix.len());
        return Err(StoreError::invalid("key", reason));
    }
    match prefix.bytes().find(|it| !it.is_ascii_graphic()) {
        Some(byte) => {
            let reason = format!("byte 0x{byte:02x} is not printable ASCII");
            Err(StoreError::invalid("key", reason))
        }
        None => Ok(()),
    }
}

/// Checks a value's size.
///
/// # Errors
/// [`StoreError::Invalid`] above [`VALUE_BYTES_MAX`].
pub fn check_value(value: &[u8]) -> Result<(), StoreError> {
    if value.len() > VALUE_BYTES_MAX {
        let reason = format!("it has {} bytes, at most {VALUE_BYTES_MAX} are allowed", value.len());
        return Err(StoreError::invalid("value", reason));
    }
    Ok(())
}

/// Checks a time to live: above zero, at most [`TTL_MAX`].
///
/// # Errors
/// [`StoreError::Invalid`] outside these.
pub fn check_ttl(ttl: Option<Duration>) -> Result<(), StoreError> {
    match ttl {
        Some(ttl) if ttl.is_zero() || ttl > TTL_MAX => {
            Err(StoreError::invalid("ttl", format!("{ttl:?} is not within 1 ms to {TTL_MAX:?}")))
        }
        _ => Ok(()),
    }
}

/// Checks a player's name: 1 to [`NAME_CHARS_MAX`] characters, none of them a control character.
///
/// # Errors
/// [`StoreError::Invalid`] with the rule it breaks.
pub fn check_name(name: &str) -> Result<(), StoreError> {
    let count = name.chars().count();
    if count == 0 || count > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let reason = format!("{name:?} is not 1 to {NAME_CHARS_MAX} visible characters");
        return Err(StoreError::invalid("name", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_printable_ascii() {
        let (longest, too_long) = ("k".repeat(512), "k".repeat(513));
        for (key, ok) in [
            ("instances/game/game-r1-0", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("a b", false),
            ("a\n", false),
            ("straße", false),
        ] {
            assert_eq!(check_key(key).is_ok(), ok, "{key}");
        }
    }

    #[test]
    fn a_time_to_live_is_neither_zero_nor_endless() {
        for (ttl, ok) in [
            (None, true),
            (Some(Duration::ZERO), false),
            (Some(Duration::from_millis(1)), true),
            (Some(TTL_MAX), true),
            (Some(TTL_MAX + Duration::from_millis(1)), false),
        ] {
            assert_eq!(check_ttl(ttl).is_ok(), ok, "{ttl:?}");
        }
    }
}
