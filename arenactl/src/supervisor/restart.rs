//! When a child that exited is started again.

use std::collections::VecDeque;
use std::time::Duration;

use super::launch::RestartLimits;

/// First delay: long enough not to spin, short enough that a single crash is hardly seen.
const DELAY_MIN: Duration = Duration::from_millis(100);
/// Cap: an instance whose dependency comes back is up again within this.
const DELAY_MAX: Duration = Duration::from_secs(10);
/// A child that ran this long was healthy; its next exit is answered with the first delay again.
const HEALTHY_AFTER: Duration = Duration::from_secs(20);
/// Doublings after which the cap is reached anyway.
const DOUBLINGS_MAX: u32 = 16;

/// Counts exits; pure, times are since the supervisor's start.
#[derive(Clone, Debug)]
pub(super) struct Restarts {
    limits: RestartLimits,
    recent: VecDeque<Duration>,
    exits_in_a_row: u32,
}

impl Restarts {
    pub(super) const fn new(limits: RestartLimits) -> Self {
        Self { limits, recent: VecDeque::new(), exits_in_a_row: 0 }
    }

    /// Takes when a child exited and how long it ran; returns how long to wait before the next start.
    pub(super) fn on_exit(&mut self, at: Duration, uptime: Duration) -> Duration {
        let window = Duration::from_millis(self.limits.within_ms);
        self.recent.retain(|exit| *exit + window > at);
        self.recent.push_back(at);
        if self.recent.len() > self.limits.attempts as usize + 1 {
            self.recent.pop_front(); // One more than allowed is all that is ever asked for.
        }
        if uptime >= HEALTHY_AFTER {
            self.exits_in_a_row = 0;
        }
        let doublings = self.exits_in_a_row.min(DOUBLINGS_MAX);
        self.exits_in_a_row = self.exits_in_a_row.saturating_add(1);
        (DELAY_MIN * 2_u32.pow(doublings)).min(DELAY_MAX)
    }

    /// Says whether the child exited more often than its limits allow.
    pub(super) fn is_crash_loop(&self) -> bool {
        self.recent.len() > self.limits.attempts as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_a_healthy_run_resets_them() {
        let mut restarts = Restarts::new(RestartLimits { attempts: 3, within_ms: 10_000 });
        let mut table = Vec::new();
        let mut now = Duration::ZERO;
        for uptime_s in [0, 0, 0, 0, 1, 1, 1, 1, 1, 60, 0] {
            now += Duration::from_secs(uptime_s);
            let delay = restarts.on_exit(now, Duration::from_secs(uptime_s));
            table.push((delay.as_millis(), restarts.is_crash_loop()));
            now += delay;
        }
        let expected = [
            (100, false),
            (200, false),
            (400, false),
            (800, true),
            (1_600, true),
            (3_200, true),
            (6_400, true),
            (10_000, false),
            (10_000, false),
            (100, false),
            (200, false),
        ];
        assert_eq!(table, expected);
    }
}
