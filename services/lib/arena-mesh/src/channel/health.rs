//! Outlier ejection: leaves out an instance that keeps failing, then lets one call probe it.

use std::time::{Duration, Instant};

/// When an instance is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row that eject.
    pub consecutive: u32,
    /// How long the first ejection lasts; each further one twice as long.
    pub base: Duration,
    /// The longest ejection.
    pub max: Duration,
    /// The share of instances that may be ejected at once, in percent; at least one always stays.
    pub max_percent: u8,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive: 5,
            base: Duration::from_secs(1),
            max: Duration::from_mins(1),
            max_percent: 50,
        }
    }
}

impl Ejection {
    /// Returns how many of `instances` may be ejected at once.
    pub(crate) fn allowed(self, instances: usize) -> usize {
        (instances * usize::from(self.max_percent) / 100).min(instances.saturating_sub(1))
    }
}

/// The health of one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    failures: u32,
    ejections: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Ejected {
        until: Instant,
    },
    /// A probe is out; the next one goes when it has not come back by then.
    Probing {
        until: Instant,
    },
}

/// Whether an instance may be called now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Yes, as any other.
    Yes,
    /// For one call; the caller must say so with [`Health::probe`].
    Probe,
    /// Not before then.
    No(Instant),
}

impl Health {
    pub(crate) fn admission(&self, now: Instant) -> Admission {
        match self.state {
            State::Closed => Admission::Yes,
            State::Ejected { until } | State::Probing { until } if now < until => {
                Admission::No(until)
            }
            State::Ejected { .. } | State::Probing { .. } => Admission::Probe,
        }
    }

    pub(crate) const fn is_ejected(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// Notes that the one probing call goes out now.
    pub(crate) fn probe(&mut self, settings: Ejection, now: Instant) {
        self.state = State::Probing { until: now + settings.base };
    }

    pub(crate) fn succeed(&mut self) {
        *self = Self::default();
    }

    /// Notes a failure; `may_eject` is false while too many others are ejected. Returns whether this
    /// failure ejected the instance.
    pub(crate) fn fail(
        &mut self,
        settings: Ejection,
        may_eject: impl FnOnce() -> bool,
        now: Instant,
    ) -> bool {
        self.failures = self.failures.saturating_add(1);
        let failed_probe = matches!(self.state, State::Probing { .. });
        let ejects = failed_probe
            || (self.state == State::Closed
                && self.failures >= settings.consecutive
                && may_eject());
        if ejects {
            let factor = 1_u32 << self.ejections.min(16);
            let pause = settings.base.saturating_mul(factor).min(settings.max);
            self.state = State::Ejected { until: now + pause };
            self.ejections = self.ejections.saturating_add(1);
        }
        ejects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Ejection = Ejection {
        consecutive: 2,
        base: Duration::from_secs(1),
        max: Duration::from_secs(3),
        max_percent: 50,
    };

    #[test]
    fn an_ejected_instance_comes_back_through_one_probe() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut health = Health::default();
        assert!(!health.fail(SETTINGS, || true, start));
        assert_eq!(health.admission(start), Admission::Yes);
        assert!(health.fail(SETTINGS, || true, start));
        assert_eq!(health.admission(start), Admission::No(at(1)));
        assert_eq!(health.admission(at(1)), Admission::Probe);
        health.probe(SETTINGS, at(1));
        assert_eq!(health.admission(at(1)), Admission::No(at(2)), "one probe at a time");
        assert!(health.fail(SETTINGS, || true, at(1)));
        assert_eq!(health.admission(at(1)), Admission::No(at(3)), "twice as long");
        health.probe(SETTINGS, at(3));
        assert!(health.fail(SETTINGS, || true, at(3)));
        assert_eq!(health.admission(at(3)), Admission::No(at(6)), "at most 3 s");
        health.probe(SETTINGS, at(6));
        health.succeed();
        assert_eq!(health, Health::default());
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let now = Instant::now();
        let mut health = Health::default();
        for _ in 0..10 {
            assert!(!health.fail(SETTINGS, || true, now));
            health.succeed();
        }
    }

    #[test]
    fn never_all_instances_are_ejected() {
        let now = Instant::now();
        let mut health = Health::default();
        for _ in 0..10 {
            assert!(!health.fail(SETTINGS, || false, now));
        }
        for (instances, percent, allowed) in
            [(0, 50, 0), (1, 50, 0), (2, 50, 1), (3, 50, 1), (4, 100, 3), (10, 30, 3)]
        {
            let settings = Ejection { max_percent: percent, ..SETTINGS };
            assert_eq!(settings.allowed(instances), allowed, "{percent} % of {instances}");
        }
    }
}
