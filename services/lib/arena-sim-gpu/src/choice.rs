//! Who steps the matches: decided from facts, so that a table can test it.
use std::fmt;
use std::str::FromStr;

use crate::adapter::Accept;

/// Below so many active matches the fixed cost of a dispatch is more than the CPU's whole work.
const MATCHES_MIN: usize = 64;
/// The device must be so many times as fast as all cores of the CPU together.
const TIMES_FASTER: f64 = 2.0;
/// The share of a frame that all but one in a hundred ticks must stay below on the device.
const FRAME_SHARE: f64 = 0.5;

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// The CPU always.
    Cpu,
    /// The device if it works, however slow.
    Gpu,
    /// Whichever does more; only a graphics card is looked at.
    #[default]
    Auto,
    /// As `Gpu`, and a driver that computes on the CPU will do: for tests.
    GpuSoftware,
}

impl Policy {
    /// Returns what a device must be, or `None` if none is looked for.
    #[must_use]
    pub fn accepts(self) -> Option<Accept> {
        match self {
            Self::Cpu => None,
            Self::Gpu => Some(Accept::Integrated),
            Self::Auto => Some(Accept::Discrete),
            Self::GpuSoftware => Some(Accept::Software),
        }
    }

    /// Says whether there is no use in looking at a device for so many matches.
    #[must_use]
    pub fn is_settled(self, matches: usize) -> bool {
        self == Self::Cpu || (self == Self::Auto && matches < MATCHES_MIN)
    }
}

/// What is known when the service starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Matches that are expected to be active together.
    pub matches: usize,
    /// A frame, in microseconds.
    pub frame_us: f64,
    /// A match-tick on one core of the CPU, in microseconds.
    pub cpu_us_per_match_tick: f64,
    /// Cores that step matches.
    pub cores: usize,
    /// The device that passed its self-test, or why there is none.
    pub gpu: Result<GpuFacts, String>,
}

/// What a device measured with as many matches as are expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuFacts {
    /// A match-tick, in microseconds.
    pub us_per_match_tick: f64,
    /// All but one in a hundred ticks took less, in microseconds.
    pub tick_p99_us: f64,
}

/// Who steps the matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The CPU.
    Cpu,
    /// The device.
    Gpu,
}

/// A choice and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Who steps the matches.
    pub choice: Choice,
    /// Why.
    pub reason: Reason,
}

/// Why a choice was made.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The operator said so.
    Asked,
    /// There is no device that may be used.
    NoDevice {
        /// Why not.
        why: String,
    },
    /// So few matches keep no device busy.
    FewMatches {
        /// Expected.
        matches: usize,
    },
    /// The device is not fast enough to be worth it.
    NotFaster {
        /// How many times as fast as all cores.
        times: f64,
    },
    /// The device's slow ticks take too much of a frame.
    SlowTicks {
        /// The share of a frame, 1 = all.
        share: f64,
    },
    /// The device does more than the CPU.
    Faster {
        /// How many times as fast as all cores.
        times: f64,
    },
}

/// Says who steps the matches.
#[must_use]
pub fn choose(policy: Policy, facts: &Facts) -> Decision {
    let cpu = |reason| Decision { choice: Choice::Cpu, reason };
    let gpu = |reason| Decision { choice: Choice::Gpu, reason };
    let measured = match (policy, &facts.gpu) {
        (Policy::Cpu, _) => return cpu(Reason::Asked),
        (Policy::Auto, _) if facts.matches < MATCHES_MIN => {
            return cpu(Reason::FewMatches { matches: facts.matches });
        }
        (_, Err(why)) => return cpu(Reason::NoDevice { why: why.clone() }),
        (Policy::Gpu | Policy::GpuSoftware, Ok(_)) => return gpu(Reason::Asked),
        (Policy::Auto, Ok(measured)) => measured,
    };
    let all_cores_us = facts.cpu_us_per_match_tick / facts.cores.max(1) as f64;
    let times = all_cores_us / measured.us_per_match_tick;
    let share = measured.tick_p99_us / facts.frame_us;
    // Whatever is no number is no reason to trust the device.
    if times.is_nan() || times < TIMES_FASTER {
        cpu(Reason::NotFaster { times })
    } else if share.is_nan() || share >= FRAME_SHARE {
        cpu(Reason::SlowTicks { share })
    } else {
        gpu(Reason::Faster { times })
    }
}

/// A policy that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no policy: write cpu, gpu or auto")]
pub struct UnknownPolicy {
    /// What was written.
    pub found: String,
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            "auto" => Ok(Self::Auto),
            "gpu-software" => Ok(Self::GpuSoftware),
            _ => Err(UnknownPolicy { found: text.to_owned() }),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Auto => "auto",
            Self::GpuSoftware => "gpu-software",
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("asked for"),
            Self::NoDevice { why } => write!(f, "no device: {why}"),
            Self::FewMatches { matches } => {
                write!(f, "{matches} matches, a device is worth it from {MATCHES_MIN} on")
            }
            Self::NotFaster { times } => {
                write!(f, "the device is {times:.2} times as fast as all cores, not {TIMES_FASTER}")
            }
            Self::SlowTicks { share } => {
                write!(
                    f,
                    "one tick in a hundred takes {:.0} % of a frame on the device",
                    share * 1e2
                )
            }
            Self::Faster { times } => {
                write!(f, "the device is {times:.1} times as fast as all cores")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Accept, Facts, GpuFacts, Policy, choose};

    /// `(matches, cores, CPU µs, device µs, p99 ms)`: who steps them, and why.
    fn told(
        policy: &str,
        (matches, cores, cpu, gpu, p99_ms): (usize, usize, f64, f64, f64),
    ) -> String {
        let measured = GpuFacts { us_per_match_tick: gpu, tick_p99_us: p99_ms * 1e3 };
        let facts = Facts {
            matches,
            frame_us: 1e6 / 60.0,
            cpu_us_per_match_tick: cpu,
            cores,
            gpu: if gpu == 0.0 { Err("none allowed".to_owned()) } else { Ok(measured) },
        };
        let decision = choose(policy.parse::<Policy>().unwrap(), &facts);
        format!("{}: {}", decision.choice, decision.reason)
    }

    #[test]
    fn a_device_is_chosen_only_where_it_pays() {
        for (policy, facts, expected) in [
            ("cpu", (9_999, 2, 2.0, 0.01, 1.0), "cpu: asked for"),
            ("gpu", (1, 2, 2.0, 99.0, 99.0), "gpu: asked for"),
            ("gpu-software", (1, 2, 2.0, 99.0, 99.0), "gpu: asked for"),
            ("gpu", (9_999, 2, 2.0, 0.0, 0.0), "cpu: no device: none allowed"),
            ("gpu-software", (1, 2, 2.0, 0.0, 0.0), "cpu: no device: none allowed"),
            ("auto", (63, 2, 2.0, 0.0, 0.0), "cpu: 63 matches, a device is worth it from 64 on"),
            ("auto", (9_999, 2, 2.0, 0.0, 0.0), "cpu: no device: none allowed"),
            ("auto", (63, 1, 2.0, 0.01, 0.1), "cpu: 63 matches, a device is worth it from 64 on"),
            ("auto", (64, 1, 2.0, 0.1, 0.1), "gpu: the device is 20.0 times as fast as all cores"),
            (
                "auto",
                (9_999, 16, 2.0, 0.1, 1.0),
                "cpu: the device is 1.25 times as fast as all cores, not 2",
            ),
            (
                "auto",
                (9_999, 10, 2.0, 0.1, 1.0),
                "gpu: the device is 2.0 times as fast as all cores",
            ),
            (
                "auto",
                (9_999, 2, 2.0, 0.1, 9.0),
                "cpu: one tick in a hundred takes 54 % of a frame on the device",
            ),
            (
                "auto",
                (9_999, 2, f64::NAN, 0.1, 1.0),
                "cpu: the device is NaN times as fast as all cores, not 2",
            ),
        ] {
            assert_eq!(told(policy, facts), expected, "{policy} {facts:?}");
        }
    }

    #[test]
    fn a_policy_says_what_it_looks_at() {
        for (policy, accepts, [few, many]) in [
            ("cpu", None, [true, true]),
            ("gpu", Some(Accept::Integrated), [false, false]),
            ("auto", Some(Accept::Discrete), [true, false]),
            ("gpu-software", Some(Accept::Software), [false, false]),
        ] {
            let parsed = policy.parse::<Policy>().unwrap();
            assert_eq!((parsed.to_string().as_str(), parsed.accepts()), (policy, accepts));
            assert_eq!([parsed.is_settled(63), parsed.is_settled(64)], [few, many], "{policy}");
        }
    }

    #[test]
    fn a_policy_that_does_not_exist_says_which_do() {
        let error = "fpga".parse::<Policy>().unwrap_err();
        assert_eq!(error.to_string(), "`fpga` is no policy: write cpu, gpu or auto");
    }
}
