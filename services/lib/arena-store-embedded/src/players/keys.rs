//! What credentials and bans are found by, as two columns of text.

use std::fmt::Write as _;

use arena_store::limits::KEY_BYTES_MAX;
use arena_store::{BanSubject, Credential, CredentialKey, StoreError};

use crate::fault::Fault;

/// Longest description of a device, in bytes.
const DEVICE_BYTES_MAX: usize = 256;

/// A kind and a value.
pub(super) type Columns = (&'static str, String);

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // a string takes everything
    }
    text
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

pub(super) fn credential_columns(key: &CredentialKey) -> Columns {
    match key {
        CredentialKey::Device(hash) => ("device", hex(hash)),
        CredentialKey::Email(address) => ("email", address.clone()),
        CredentialKey::External { issuer, subject } => ("external", format!("{issuer} {subject}")),
    }
}

/// Checks what a credential holds. The issuer has no space, so that it ends at the first one.
pub(super) fn check_credential(credential: &Credential) -> Result<(), StoreError> {
    let texts: &[(&str, &str)] = match &credential.key {
        CredentialKey::Device(_) => &[],
        CredentialKey::Email(address) => &[("email", address)],
        CredentialKey::External { issuer, subject } => {
            if issuer.contains(' ') {
                return Err(StoreError::invalid("issuer", "it has a space"));
            }
            &[("issuer", issuer), ("subject", subject)]
        }
    };
    let secret = credential.secret.iter().map(|it| ("secret", it.as_str()));
    for (field, text) in texts.iter().copied().chain(secret) {
        if text.is_empty() || text.len() > KEY_BYTES_MAX {
            let reason = format!("its length is not within 1 to {KEY_BYTES_MAX} bytes");
            return Err(StoreError::invalid(field, reason));
        }
    }
    Ok(())
}

pub(super) fn check_device(device: &str) -> Result<(), StoreError> {
    if device.len() > DEVICE_BYTES_MAX {
        let reason = format!("it has {} bytes, at most {DEVICE_BYTES_MAX}", device.len());
        return Err(StoreError::invalid("device", reason));
    }
    Ok(())
}

pub(super) fn subject_columns(subject: &BanSubject) -> Columns {
    match subject {
        BanSubject::Player(player) => ("player", player.to_string()),
        BanSubject::Device(hash) => ("device", hex(hash)),
        BanSubject::Address(address) => ("address", address.clone()),
    }
}

pub(super) fn check_subject(subject: &BanSubject) -> Result<(), StoreError> {
    match subject {
        BanSubject::Address(address) => arena_store::check_key(address),
        BanSubject::Player(_) | BanSubject::Device(_) => Ok(()),
    }
}

pub(super) fn subject(kind: &str, value: String) -> Result<BanSubject, Fault> {
    let found = match kind {
        "player" => value.parse().ok().map(BanSubject::Player),
        "device" => unhex(&value).map(BanSubject::Device),
        "address" => return Ok(BanSubject::Address(value)),
        _ => None,
    };
    found.ok_or_else(|| corrupt("bans", &format!("{kind} {value}")))
}

/// A row that no version of this code writes.
pub(super) fn corrupt(table: &str, reason: &str) -> Fault {
    Fault::Store(StoreError::Corrupt {
        what: format!("players.db, table {table}"),
        reason: reason.to_owned(),
    })
}
