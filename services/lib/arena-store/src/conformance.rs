//! What every adapter must do, as functions over a real store.
//!
//! [`conformance!`](crate::conformance!) makes one `#[tokio::test]` of each. Every test gets a
//! store of its own, so it may use any key.

#![expect(clippy::unwrap_used, reason = "the whole module is a test")]

pub mod analytics;
pub mod hot;
pub mod journals;
pub mod objects;
pub mod players;
pub mod registry;
pub mod results;
pub mod streams;
pub mod watches;

mod macros;

use std::time::Duration;

use futures::StreamExt as _;

use crate::{Changes, Watch};

/// How long a test waits for something that must happen: far above any healthy store's time.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How often a test looks whether it has happened.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Asks again until `look` says yes.
///
/// # Panics
/// After [`PATIENCE`], with `what`.
pub async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !look().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    assert!(waited.await.is_ok(), "not within {PATIENCE:?}: {what}");
}

/// Returns the next commit that did something below the prefix.
///
/// # Panics
/// If none comes in time, or the watch ends.
pub async fn next(watch: &mut Watch) -> Changes {
    tokio::time::timeout(PATIENCE, async {
        loop {
            let changes = watch.next().await.expect("the watch goes on").expect("without error");
            if !changes.events.is_empty() {
                return changes;
            }
        }
    })
    .await
    .expect("a commit is seen in time")
}
