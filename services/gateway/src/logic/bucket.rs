//! A token bucket on any monotonic clock of milliseconds.

/// How much is allowed: `per_s` in the long run, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back each second.
    pub per_s: u32,
    /// Tokens a bucket holds.
    pub burst: u32,
}

/// Tokens left, in thousandths so that slow rates refill evenly; below zero if some were given ahead.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    milli: i64,
    stamped_ms: u64,
}

impl Bucket {
    /// Starts full.
    #[must_use]
    pub fn full(rate: Rate, now_ms: u64) -> Self {
        Self { milli: i64::from(rate.burst) * 1000, stamped_ms: now_ms }
    }

    /// Takes `tokens`, or nothing if there are too few. A clock that goes back refills nothing.
    #[must_use]
    pub fn take(&mut self, rate: Rate, tokens: u32, now_ms: u64) -> bool {
        let enough = self.wait_ms(rate, tokens, now_ms) == 0;
        if enough {
            self.spend(tokens);
        }
        enough
    }

    /// Returns after how many milliseconds `tokens` are there, if nobody takes any before.
    #[must_use]
    pub fn wait_ms(&mut self, rate: Rate, tokens: u32, now_ms: u64) -> u64 {
        self.refill(rate, now_ms);
        let missing = i64::from(tokens) * 1000 - self.milli;
        u64::try_from(missing).unwrap_or(0).div_ceil(u64::from(rate.per_s).max(1))
    }

    /// Takes `tokens` whether they are there or not; what is missing is waited for by whoever comes next.
    pub fn spend(&mut self, tokens: u32) {
        self.milli -= i64::from(tokens) * 1000;
    }

    /// Whether nothing was taken lately: forgetting such a bucket changes nothing.
    #[must_use]
    pub fn is_full(&mut self, rate: Rate, now_ms: u64) -> bool {
        self.refill(rate, now_ms);
        self.milli >= i64::from(rate.burst) * 1000
    }

    fn refill(&mut self, rate: Rate, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.stamped_ms);
        self.stamped_ms = self.stamped_ms.max(now_ms);
        let gained = i64::try_from(passed_ms.saturating_mul(u64::from(rate.per_s)));
        let most = i64::from(rate.burst) * 1000;
        self.milli = self.milli.saturating_add(gained.unwrap_or(i64::MAX)).min(most);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate { per_s: 10, burst: 3 };
        let mut bucket = Bucket::full(rate, 1_000);
        for (now_ms, given) in [
            (1_000, true),
            (1_000, true),
            (1_000, true),
            (1_000, false),
            (1_099, false),
            (1_100, true),
            (1_100, false),
            (500, false),
            (1_200, true),
            (9_999, true),
            (9_999, true),
            (9_999, true),
            (9_999, false),
        ] {
            assert_eq!(bucket.take(rate, 1, now_ms), given, "at {now_ms}");
        }
    }

    #[test]
    fn who_takes_ahead_waits_for_a_turn_of_its_own() {
        let rate = Rate { per_s: 10, burst: 2 };
        let mut bucket = Bucket::full(rate, 0);
        let turns: Vec<_> = (0..5)
            .map(|_| {
                let wait_ms = bucket.wait_ms(rate, 1, 0);
                bucket.spend(1);
                wait_ms
            })
            .collect();
        assert_eq!(turns, [0, 0, 100, 200, 300]);
        assert_eq!((bucket.wait_ms(rate, 1, 250), bucket.wait_ms(rate, 1, 9_000)), (150, 0));
    }

    proptest! {
        #[test]
        fn no_schedule_gets_more_than_burst_and_rate(
            steps in prop::collection::vec((0_u64..500, 1_u32..4), 1..200),
            per_s in 1_u32..100,
            burst in 1_u32..50,
        ) {
            let rate = Rate { per_s, burst };
            let mut bucket = Bucket::full(rate, 0);
            let (mut now_ms, mut taken) = (0, 0_u64);
            for (wait_ms, tokens) in steps {
                now_ms += wait_ms;
                taken += if bucket.take(rate, tokens, now_ms) { u64::from(tokens) } else { 0 };
                prop_assert!(taken <= u64::from(burst) + now_ms * u64::from(per_s) / 1000);
            }
        }
    }
}
