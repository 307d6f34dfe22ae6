//! Which ticks are due: deadlines on a fixed grid, so that a late tick does not move the next.

/// Ticks a second.
pub const TICK_RATE: u32 = 60;
/// Ticks run back to back, at most: a thread that fell behind still serves what came meanwhile.
pub const CATCH_UP_MAX: u32 = 4;
/// Ticks behind, at most: what is more is given up, so that a machine that slept for a minute does
/// not race through it. The players see a pause instead.
pub const DEBT_MAX: u64 = 30;

const SECOND_NS: u64 = 1_000_000_000;

/// The ticks of one thread, counted from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    start_ns: u64,
    done: u64,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Ticks to run now.
    pub ticks: u32,
    /// Ticks that stay due after these.
    pub debt: u64,
    /// Ticks that were given up.
    pub forgiven: u64,
}

impl Schedule {
    /// Starts at `now_ns` of a monotonic clock; the first tick is due one period later.
    #[must_use]
    pub fn new(now_ns: u64) -> Self {
        Self { start_ns: now_ns, done: 0 }
    }

    /// Returns when the next tick is due.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        // Rounded up: at this very nanosecond the tick is due, not the one after.
        let passed = u128::from(self.done + 1) * u128::from(SECOND_NS);
        let offset = passed.div_ceil(u128::from(TICK_RATE));
        self.start_ns + u64::try_from(offset).expect("584 years are enough")
    }

    /// Returns the ticks to run at `now_ns` and takes them as done.
    pub fn due(&mut self, now_ns: u64) -> Due {
        let passed = u128::from(now_ns.saturating_sub(self.start_ns)) * u128::from(TICK_RATE);
        let whole = u64::try_from(passed / u128::from(SECOND_NS)).expect("584 years are enough");
        let mut behind = whole.saturating_sub(self.done);
        let forgiven = behind.saturating_sub(DEBT_MAX);
        behind -= forgiven;
        let ticks = behind.min(u64::from(CATCH_UP_MAX)) as u32;
        self.done += forgiven + u64::from(ticks);
        Due { ticks, debt: behind - u64::from(ticks), forgiven }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_NS: u64 = SECOND_NS.div_ceil(60);

    #[test]
    fn a_late_tick_does_not_move_the_next() {
        let mut schedule = Schedule::new(1_000);
        let first = schedule.next_ns();
        assert_eq!(first, 1_000 + TICK_NS);
        assert_eq!(schedule.due(first - 1).ticks, 0);
        assert_eq!(schedule.due(first + 9_000_000).ticks, 1);
        assert_eq!(schedule.next_ns(), 1_000 + (SECOND_NS * 2).div_ceil(60));
    }

    #[test]
    fn an_hour_of_ticks_has_no_drift() {
        let mut schedule = Schedule::new(0);
        for _ in 0..216_000 {
            assert_eq!(schedule.due(schedule.next_ns()).ticks, 1);
        }
        assert_eq!(schedule.next_ns(), 3_600 * SECOND_NS + TICK_NS);
    }

    #[test]
    fn a_debt_is_paid_in_small_rates_and_forgiven_above_its_limit() {
        let mut schedule = Schedule::new(0);
        assert_eq!(
            schedule.due((SECOND_NS * 10).div_ceil(60)),
            Due { ticks: 4, debt: 6, forgiven: 0 }
        );
        assert_eq!(
            schedule.due((SECOND_NS * 10).div_ceil(60)),
            Due { ticks: 4, debt: 2, forgiven: 0 }
        );
        assert_eq!(
            schedule.due(60 * SECOND_NS),
            Due { ticks: 4, debt: 26, forgiven: 3_600 - 8 - 30 }
        );
    }

    #[test]
    fn a_clock_that_stands_still_runs_nothing() {
        let mut schedule = Schedule::new(5 * SECOND_NS);
        assert_eq!(schedule.due(0), Due { ticks: 0, debt: 0, forgiven: 0 });
    }
}
