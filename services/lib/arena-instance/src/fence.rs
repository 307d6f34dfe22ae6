//! Until when an instance may act as the owner of what the registry says is its own.
//!
//! Whoever waits for a lease to end counts from when the registry answered; the instance counts from when
//! it *sent* the keep-alive, and stops [`FENCE_MARGIN`] earlier. The clock is `CLOCK_BOOTTIME`: it goes on
//! while the process is stopped and while the machine sleeps. So an owner that was paused finds itself
//! fenced before it does anything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use crate::register::LEASE_TTL;

/// An instance stops acting this long before the registry can end its lease: what is on its way to a
/// socket then is there before anybody else owns anything.
pub const FENCE_MARGIN: Duration = Duration::from_millis(300);

/// Open while the instance's lease lives for sure. Cheap to clone; reading it is two loads and a clock.
#[derive(Clone, Debug)]
pub struct Fence {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Milliseconds of the boot clock; open before it.
    until_ms: AtomicU64,
    /// Times the lease was found to have ended.
    lapses: AtomicU64,
    /// Of these, those after which the service has looked at what it still owns.
    checked: AtomicU64,
    news: watch::Sender<u64>,
}

impl Fence {
    /// Makes a fence that is closed until the first keep-alive.
    #[must_use]
    pub fn closed() -> Self {
        Self::until(0)
    }

    /// Makes a fence that never closes, for a host without a lease.
    #[must_use]
    pub fn open() -> Self {
        Self::until(u64::MAX)
    }

    fn until(until_ms: u64) -> Self {
        let inner = Inner {
            until_ms: AtomicU64::new(until_ms),
            lapses: AtomicU64::new(0),
            checked: AtomicU64::new(0),
            news: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether the instance may confirm and publish now. No I/O, no lock.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open_at(boot_ms())
    }

    fn is_open_at(&self, now_ms: u64) -> bool {
        let Inner { until_ms, lapses, checked, .. } = &*self.inner;
        now_ms < until_ms.load(Ordering::Acquire)
            && lapses.load(Ordering::Acquire) == checked.load(Ordering::Acquire)
    }

    /// Whether the lease lives, although what is owned may not have been looked at since it ended once.
    #[must_use]
    pub fn is_leased(&self) -> bool {
        boot_ms() < self.inner.until_ms.load(Ordering::Acquire)
    }

    /// Counts how often the lease ended: after each time the fence stays closed until [`Self::confirm`].
    #[must_use]
    pub fn lapses(&self) -> watch::Receiver<u64> {
        self.inner.news.subscribe()
    }

    /// Says that what was owned before this lapse, and is another's now, was given up.
    pub fn confirm(&self, lapse: u64) {
        self.inner.checked.fetch_max(lapse, Ordering::AcqRel);
    }

    /// Takes an answered keep-alive that was sent at this time of [`boot_ms`].
    pub(crate) fn extend(&self, sent_ms: u64) {
        let lives_ms = LEASE_TTL.saturating_sub(FENCE_MARGIN).as_millis() as u64;
        self.inner.until_ms.fetch_max(sent_ms + lives_ms, Ordering::AcqRel);
    }

    /// Takes the word of the registry that the lease has ended.
    pub(crate) fn lapse(&self) {
        self.inner.until_ms.store(0, Ordering::Release);
        let lapse = self.inner.lapses.fetch_add(1, Ordering::AcqRel) + 1;
        self.inner.news.send_replace(lapse);
    }
}

/// Returns the milliseconds since the machine was started, those that it slept included.
pub(crate) fn boot_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    (now.tv_sec as u64) * 1_000 + (now.tv_nsec as u64) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_from_a_keep_alive_until_a_margin_before_the_lease_ends() {
        let fence = Fence::closed();
        assert!(!fence.is_open_at(0));
        fence.extend(1_000);
        for (now_ms, open) in [(1_000, true), (2_699, true), (2_700, false), (9_000, false)] {
            assert_eq!(fence.is_open_at(now_ms), open, "{now_ms} ms");
        }
        fence.extend(500); // an answer that was overtaken changes nothing
        assert!(fence.is_open_at(2_699));
    }

    #[test]
    fn after_a_lapse_it_stays_closed_until_what_is_owned_was_looked_at() {
        let fence = Fence::closed();
        fence.extend(1_000);
        fence.lapse();
        assert!(!fence.is_open_at(1_000));
        fence.extend(5_000); // registered again
        assert!(!fence.is_open_at(5_000));
        fence.lapse();
        fence.confirm(1); // it had looked before the second lapse
        fence.extend(6_000);
        assert!(!fence.is_open_at(6_000));
        assert_eq!(*fence.lapses().borrow(), 2);
        fence.confirm(2);
        assert!(fence.is_open_at(6_000) && Fence::open().is_open());
    }
}
