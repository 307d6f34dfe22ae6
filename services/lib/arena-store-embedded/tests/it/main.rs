//! The embedded stores on real files.

mod conformance;
mod crash;
mod folders;
mod leases;
mod limits;
mod watches;

use std::path::Path;
use std::time::Duration;

use arena_store_embedded::{Embedded, Options};

/// Opens the stores of a folder.
async fn open(folder: &Path) -> Embedded {
    Embedded::open(folder, Options::default()).await.expect("the stores open")
}

/// Opens them again after they were closed or dropped, whose tasks may still be at it.
async fn reopen(folder: &Path) -> Embedded {
    let options = Options { lock_patience: Duration::from_secs(10), ..Options::default() };
    Embedded::open(folder, options).await.expect("the stores open again")
}
