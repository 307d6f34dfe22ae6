use std::collections::BTreeMap;
use std::time::Duration;

use arena_store::{Permit, RateLimit};

/// Keys remembered at most; about 100 bytes each.
const KEYS_MAX: usize = 50_000;

/// Rate limits of this process alone, for when the shared ones cannot be asked: an attacker gains a
/// factor of the number of instances, no more.
///
/// The generic cell rate algorithm (ITU-T I.371, annex A): one time a key, when it is empty again.
#[derive(Debug, Default)]
pub struct LocalLimits {
    empty_at: BTreeMap<String, Duration>,
}

impl LocalLimits {
    /// Takes one unit at `now`, a time that never falls.
    pub fn take(&mut self, key: &str, limit: RateLimit, now: Duration) -> Permit {
        if self.empty_at.len() >= KEYS_MAX && !self.empty_at.contains_key(key) {
            self.empty_at.retain(|_, it| *it > now);
            if self.empty_at.len() >= KEYS_MAX {
                return Permit::Refused { retry_after: limit.interval };
            }
        }
        let tolerance = limit.interval * (limit.burst - 1);
        let empty_at = self.empty_at.get(key).copied().unwrap_or(now).max(now);
        let ahead = empty_at.saturating_sub(now);
        if ahead > tolerance {
            return Permit::Refused { retry_after: ahead.saturating_sub(tolerance) };
        }
        let next = empty_at + limit.interval;
        self.empty_at.insert(key.to_owned(), next);
        let used = next.saturating_sub(now).as_nanos().div_ceil(limit.interval.as_nanos());
        Permit::Granted { remaining: limit.burst.saturating_sub(used as u32) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: RateLimit = RateLimit { burst: 3, interval: Duration::from_secs(10) };

    #[test]
    fn a_burst_then_one_an_interval() {
        let mut limits = LocalLimits::default();
        let mut take = |at_s| limits.take("a", LIMIT, Duration::from_secs(at_s));
        assert_eq!(take(0), Permit::Granted { remaining: 2 });
        assert_eq!(take(0), Permit::Granted { remaining: 1 });
        assert_eq!(take(0), Permit::Granted { remaining: 0 });
        assert_eq!(take(0), Permit::Refused { retry_after: Duration::from_secs(10) });
        assert_eq!(take(9), Permit::Refused { retry_after: Duration::from_secs(1) });
        assert_eq!(take(10), Permit::Granted { remaining: 0 });
        assert_eq!(take(100), Permit::Granted { remaining: 2 });
    }

    proptest! {
        #[test]
        fn no_window_lets_more_through_than_the_burst_and_its_share(
            steps in prop::collection::vec(0..4_000_u64, 1..200),
        ) {
            let mut limits = LocalLimits::default();
            let (mut now_ms, mut granted) = (0, Vec::new());
            for step in steps {
                now_ms += step;
                let permit = limits.take("a", LIMIT, Duration::from_millis(now_ms));
                if matches!(permit, Permit::Granted { .. }) {
                    granted.push(now_ms);
                }
            }
            for (index, start) in granted.iter().enumerate() {
                for window_ms in [1, 10_000, 25_000, 100_000] {
                    let within = granted[index..].iter().filter(|it| **it < start + window_ms);
                    prop_assert!(within.count() as u64 <= 3 + window_ms / 10_000);
                }
            }
        }
    }
}
