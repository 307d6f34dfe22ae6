//! When, and where not, something is tried again that failed for one match.

use std::collections::BTreeSet;
use std::time::Duration;

use arena_types::InstanceId;
use tokio::time::Instant;

/// Before it is tried again: doubles from the first to the second.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(15);

/// What is known of the tries so far.
#[derive(Debug, Default)]
pub(super) struct Retry {
    tries: u32,
    next: Option<Instant>,
    avoided: BTreeSet<InstanceId>,
}

impl Retry {
    /// Notes a failure; `avoid` is not to be asked again.
    pub(super) fn note(&mut self, avoid: Option<InstanceId>) {
        let pause = RETRY_MAX.min(RETRY_MIN * 2_u32.pow(self.tries.min(8)));
        (self.tries, self.next) = (self.tries + 1, Some(Instant::now() + pause));
        self.avoided.extend(avoid);
    }

    /// Whether it may be tried now.
    pub(super) fn is_due(&self) -> bool {
        self.next.is_none_or(|it| it <= Instant::now())
    }

    /// Returns the instances that are not to be asked again.
    pub(super) fn avoided(&self) -> &BTreeSet<InstanceId> {
        &self.avoided
    }
}
