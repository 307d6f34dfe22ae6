//! What is set for this service alone.

use std::time::Duration;

use arena_env::{Reader, Seconds, names};
use arena_instance::{Need, Program, Threads};
use arena_store_embedded::Options;

/// What this program is. One thread for its calls; each database file has its own.
pub const PROGRAM: Program = Program {
    name: "arena-store",
    needs: &[Need::DataDir],
    schema: &[("store", 1)],
    threads: Threads::One,
};

/// What is set for this service alone.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// `ARENA_STORE_LOCK_WAIT_S`.
    pub lock_wait: Duration,
    /// `ARENA_STORE_FILE_BYTES_MAX`.
    pub file_bytes_max: Option<u64>,
}

impl StoreSettings {
    /// Reads it; mistakes stay in `reader`.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let lock_wait = reader.read::<Seconds>(&names::STORE_LOCK_WAIT_S);
        let file_bytes_max = reader.optional::<u64>(&names::STORE_FILE_BYTES_MAX);
        Some(Self { lock_wait: lock_wait?.duration(), file_bytes_max: file_bytes_max? })
    }

    pub(crate) fn options(self) -> Options {
        Options { file_bytes_max: self.file_bytes_max, lock_patience: self.lock_wait }
    }
}
