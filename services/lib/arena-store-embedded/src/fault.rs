//! What `SQLite` says, as what the caller can do about it.

use arena_store::StoreError;

/// Primary result codes (<https://www.sqlite.org/rescode.html>).
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const NOT_A_DATABASE: u32 = 26;

/// An error inside a job: the caller's fault, or the engine's.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Already in the port's words; the transaction is fine.
    Store(StoreError),
    /// The engine's; the transaction is not to be trusted any more.
    Engine(sqlx::Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Engine(error)
    }
}

impl Fault {
    /// Translates for the caller; `file` names the database.
    pub(crate) fn into_store_error(self, file: &str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Engine(error) => translate(&error, file),
        }
    }
}

/// Translates an engine's error.
pub(crate) fn translate(error: &sqlx::Error, file: &str) -> StoreError {
    match primary_code(error) {
        Some(FULL) => StoreError::Full { what: file.to_owned() },
        Some(CORRUPT | NOT_A_DATABASE) => {
            StoreError::Corrupt { what: file.to_owned(), reason: error.to_string() }
        }
        _ => StoreError::unavailable(format!("{file}: {error}")),
    }
}

/// Tells whether `SQLite` calls the file damaged.
pub(crate) fn is_corrupt(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(CORRUPT | NOT_A_DATABASE))
}

/// Tells whether there was no room.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(FULL)
}

/// The low byte of `SQLite`'s extended code.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
    Some(code & 0xff)
}
