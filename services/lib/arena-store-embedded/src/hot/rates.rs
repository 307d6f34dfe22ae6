//! Rate limits by GCRA, in memory: a restart forgives, and no request waits for a disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arena_store::{Permit, RateLimit, StoreError};
use tokio::time::Instant;

/// Most keys remembered, about 100 bytes each. Beyond it the key closest to a full allowance is
/// forgotten, which costs the least.
const KEYS_MAX: usize = 100_000;
/// Longest time until an allowance is full again: longer ones belong in a ban.
const REFILL_MAX: Duration = Duration::from_hours(24);

/// Each key's theoretical arrival time: when its allowance is full again.
#[derive(Debug, Default)]
pub(super) struct Rates {
    full_at: Mutex<HashMap<String, Instant>>,
}

impl Rates {
    pub(super) fn take(
        &self,
        key: &str,
        limit: RateLimit,
        units: u32,
    ) -> Result<Permit, StoreError> {
        self.take_at(key, limit, units, Instant::now())
    }

    fn take_at(
        &self,
        key: &str,
        limit: RateLimit,
        units: u32,
        now: Instant,
    ) -> Result<Permit, StoreError> {
        let refill = check(limit, units)?;
        // Every change under the lock is a single one, so a panic cannot leave half of it.
        let mut all = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let from = all.get(key).copied().unwrap_or(now).max(now);
        let to = from + limit.interval * units;
        let ahead = to - now;
        let Some(left) = refill.checked_sub(ahead) else {
            return Ok(Permit::Refused { retry_after: ahead.saturating_sub(refill) });
        };
        if !all.contains_key(key) && all.len() >= KEYS_MAX {
            make_room(&mut all, now);
        }
        all.insert(key.to_owned(), to);
        let remaining = left.as_nanos() / limit.interval.as_nanos();
        Ok(Permit::Granted { remaining: remaining as u32 })
    }

    /// Forgets all whose allowance is full.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut all = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, full_at| *full_at > now);
    }
}

/// Returns the time in which an empty allowance is full again.
fn check(limit: RateLimit, units: u32) -> Result<Duration, StoreError> {
    if units == 0 || units > limit.burst {
        let reason = format!("{units} is not within 1 to the burst of {}", limit.burst);
        return Err(StoreError::invalid("units", reason));
    }
    if limit.interval.is_zero() {
        return Err(StoreError::invalid("limit", "the interval is zero"));
    }
    let refill = limit.interval.checked_mul(limit.burst).filter(|it| *it <= REFILL_MAX);
    refill.ok_or_else(|| {
        StoreError::invalid("limit", format!("burst × interval is more than {REFILL_MAX:?}"))
    })
}

fn make_room(all: &mut HashMap<String, Instant>, now: Instant) {
    all.retain(|_, full_at| *full_at > now);
    if all.len() >= KEYS_MAX
        && let Some(key) = all.iter().min_by_key(|it| it.1).map(|it| it.0.clone())
    {
        all.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_over_time_whatever_the_pattern() {
        let rates = Rates::default();
        let limit = RateLimit { burst: 5, interval: Duration::from_millis(100) };
        let start = Instant::now();
        let mut taken = 0;
        for step in 0..1_000 {
            let now = start + Duration::from_millis(7 * step);
            if matches!(rates.take_at("a", limit, 1, now), Ok(Permit::Granted { .. })) {
                taken += 1;
            }
        }
        assert_eq!(taken, 5 + 6_993 / 100);
    }

    #[test]
    fn a_refusal_says_exactly_when_to_come_back() {
        let rates = Rates::default();
        let limit = RateLimit { burst: 2, interval: Duration::from_secs(1) };
        let now = Instant::now();
        rates.take_at("a", limit, 2, now).unwrap();
        let Ok(Permit::Refused { retry_after }) = rates.take_at("a", limit, 2, now) else {
            panic!("the burst is used up")
        };
        assert_eq!(retry_after, Duration::from_secs(2));
        let early = now + retry_after - Duration::from_millis(1);
        assert!(matches!(rates.take_at("a", limit, 2, early), Ok(Permit::Refused { .. })));
        let again = rates.take_at("a", limit, 2, now + retry_after);
        assert_eq!(again, Ok(Permit::Granted { remaining: 0 }));
    }
}
