//! Whether a device steps the matches of a service: looked for, examined, measured, decided.
use std::error::Error;
use std::time::Duration;

use arena_sim::{CpuBackend, Rules};

use crate::adapter::{Accept, AdapterFacts};
use crate::backend::GpuBackend;
use crate::choice::{Choice, Decision, Facts, Policy, choose};
use crate::device::{OpenError, Options};
use crate::examination::{Unfit, examine};
use crate::guarded::Guarded;
use crate::proof::calibrate;

/// Ticks of the CPU that are measured; as many go before. A second in which all seats fire.
const TICKS: u32 = 60;
/// Matches that are measured, at most: so many keep any device busy, and a tick of more takes longer in
/// proportion.
const DEVICE_MATCHES_MAX: usize = 4_096;
/// The same on a core of the CPU, where they are beyond its caches: a match-tick costs no more with more.
const CORE_MATCHES_MAX: usize = 512;
/// A software device compiles at the first dispatch, on a busy machine for long.
const SOFTWARE_ANSWER_MAX: Duration = Duration::from_mins(2);

/// What is to be decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// What the operator wants.
    pub policy: Policy,
    /// Matches that are expected to be active together.
    pub matches: usize,
    /// Cores that step them if the CPU does.
    pub cores: usize,
    /// A frame.
    pub frame: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Audition {
    /// Who steps the matches, and why.
    pub decision: Decision,
    /// The device that was measured, if it gave the bits of the CPU.
    pub device: Option<AdapterFacts>,
    /// The device ready for matches, if it was chosen.
    pub backend: Option<Guarded>,
}

/// Looks for a device as `wanted` says, tests and measures it, and decides. It blocks for up to seconds; no
/// driver is loaded if the policy is `cpu`, or if the matches are too few for `auto`.
#[must_use]
pub fn audition(wanted: &Wanted) -> Audition {
    let mut facts = Facts {
        matches: wanted.matches,
        frame_us: wanted.frame.as_secs_f64() * 1e6,
        cpu_us_per_match_tick: f64::NAN,
        cores: wanted.cores,
        gpu: Err("none was looked for".to_owned()),
    };
    let accept = wanted.policy.accepts().filter(|_| !wanted.policy.is_settled(wanted.matches));
    let Some(accept) = accept else {
        let decision = choose(wanted.policy, &facts);
        return Audition { decision, device: None, backend: None };
    };
    let measured = wanted.matches.clamp(1, DEVICE_MATCHES_MAX);
    let examined = match examine(accept, options(accept), &Rules::standard(), measured) {
        Ok(examined) => examined,
        Err(unfit) => {
            facts.gpu = Err(unusable(&unfit));
            let decision = choose(wanted.policy, &facts);
            return Audition { decision, device: None, backend: None };
        }
    };
    let mut found = examined.facts();
    found.tick_p99_us *= wanted.matches.max(1) as f64 / measured as f64;
    facts.gpu = Ok(found);
    if wanted.policy == Policy::Auto {
        facts.cpu_us_per_match_tick = one_core(wanted);
    }
    let decision = choose(wanted.policy, &facts);
    let device = Some(examined.gpu.facts().clone());
    let backend = (decision.choice == Choice::Gpu).then(|| GpuBackend::new(examined.gpu));
    Audition { decision, device, backend: backend.map(Guarded::new) }
}

fn options(accept: Accept) -> Options {
    match accept {
        // It has the memory of the processor, and tests have few matches.
        Accept::Software => {
            Options { answer_max: SOFTWARE_ANSWER_MAX, first_page_matches: 4, ..Options::default() }
        }
        Accept::Discrete | Accept::Integrated => Options::default(),
    }
}

fn one_core(wanted: &Wanted) -> f64 {
    let its_matches = wanted.matches.div_ceil(wanted.cores.max(1)).clamp(1, CORE_MATCHES_MAX);
    let measured = calibrate(&mut CpuBackend::new(), &Rules::standard(), its_matches, TICKS);
    // The CPU has room for so few; were it not so, nothing would be known of it.
    measured.map_or(f64::NAN, |it| it.us_per_match_tick)
}

fn unusable(unfit: &Unfit) -> String {
    let Unfit::Open(OpenError::NoneAllowed { found }) = unfit else { return chain(unfit) };
    if found.is_empty() {
        return "this machine has no Vulkan driver, or it shows none".to_owned();
    }
    let names: Vec<String> = found.iter().map(ToString::to_string).collect();
    format!("none of this machine's is allowed: {}", names.join("; "))
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text += ": ";
        text += &it.to_string();
        cause = it.source();
    }
    text
}
