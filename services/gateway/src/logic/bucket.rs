//! A token bucket on any monotonic clock of milliseconds.

/// How much is allowed: `per_s` in the long run, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back each second.
    pub per_s: u32,
    /// Tokens a bucket holds.
    pub burst: u32,
}

/// Tokens left, in thousandths so that slow rates refill evenly.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    milli: u64,
    stamped_ms: u64,
}

impl Bucket {
    /// Starts full.
    #[must_use]
    pub fn full(rate: Rate, now_ms: u64) -> Self {
        Self { milli: u64::from(rate.burst) * 1000, stamped_ms: now_ms }
    }

    /// Takes `tokens`, or nothing if there are too few. A clock that goes back refills nothing.
    #[must_use]
    pub fn take(&mut self, rate: Rate, tokens: u32, now_ms: u64) -> bool {
        self.refill(rate, now_ms);
        let wanted = u64::from(tokens) * 1000;
        let enough = self.milli >= wanted;
        if enough {
            self.milli -= wanted;
        }
        enough
    }

    /// Whether nothing was taken lately: forgetting such a bucket changes nothing.
    #[must_use]
    pub fn is_full(&mut self, rate: Rate, now_ms: u64) -> bool {
        self.refill(rate, now_ms);
        self.milli >= u64::from(rate.burst) * 1000
    }

    fn refill(&mut self, rate: Rate, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.stamped_ms);
        self.stamped_ms = self.stamped_ms.max(now_ms);
        let gained = passed_ms.saturating_mul(u64::from(rate.per_s));
        self.milli = self.milli.saturating_add(gained).min(u64::from(rate.burst) * 1000);
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
