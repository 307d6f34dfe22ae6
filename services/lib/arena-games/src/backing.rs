//! What steps the matches of a game: the threads of the CPU, or a device where the game has a kernel.

use std::time::Duration;

use arena_game_arena::ArenaWorlds;
use arena_sdk::{Game, TICK_RATE_HZ, Worlds};
use arena_sim_gpu::{Audition, Choice, Policy, audition};

/// What is to be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What the operator wants.
    pub policy: Policy,
    /// Matches that are expected to be active together.
    pub matches: usize,
    /// Threads that step them if the CPU does.
    pub threads: usize,
}

/// What steps the matches.
#[derive(Debug)]
pub struct Backing {
    /// Room for all matches, stepped by one thread and a device; `None` where the CPU's threads do it.
    pub worlds: Option<AcceleratedWorlds>,
    /// Its name: `cpu-avx2`, `gpu-vulkan`.
    pub name: &'static str,
    /// Why it and no other, for a person; with the device, where one was looked at.
    pub reason: String,
}

/// Worlds that a device steps.
pub struct AcceleratedWorlds(pub Box<dyn Worlds>);

/// The operator wants a device, and there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoDeviceError {
    /// Why not.
    pub reason: String,
}

/// Chooses what steps the matches of `game`. It blocks, for seconds where a device is tried.
///
/// # Errors
/// [`NoDeviceError`] if the policy insists on a device, and none works or the game has no kernel.
pub fn choose_backend(game: &dyn Game, wanted: &Wanted) -> Result<Backing, NoDeviceError> {
    let insists = matches!(wanted.policy, Policy::Gpu | Policy::GpuSoftware);
    if game.name() != arena_game_arena::NAME {
        let reason = format!("the game {} has no kernel for devices", game.name());
        return if insists { Err(NoDeviceError { reason }) } else { Ok(on_cpu(game, reason)) };
    }
    let Audition { decision, device, backend } = audition(&arena_sim_gpu::Wanted {
        policy: wanted.policy,
        matches: wanted.matches,
        cores: wanted.threads,
        frame: Duration::from_secs(1) / TICK_RATE_HZ,
    });
    let of = device.map(|it| format!(" ({it})")).unwrap_or_default();
    let reason = format!("{}{of}", decision.reason);
    match (decision.choice, backend) {
        (Choice::Gpu, Some(backend)) => {
            let worlds = ArenaWorlds::on(Box::new(backend));
            let name = worlds.backend();
            Ok(Backing { worlds: Some(AcceleratedWorlds(Box::new(worlds))), name, reason })
        }
        _ if insists => Err(NoDeviceError { reason }),
        _ => Ok(on_cpu(game, reason)),
    }
}

fn on_cpu(game: &dyn Game, reason: String) -> Backing {
    Backing { worlds: None, name: game.worlds().backend(), reason }
}

impl std::fmt::Debug for AcceleratedWorlds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AcceleratedWorlds").field(&self.0.backend()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard;

    fn chosen(policy: Policy, matches: usize) -> Result<Backing, NoDeviceError> {
        choose_backend(standard(), &Wanted { policy, matches, threads: 1 })
    }

    /// Whether this machine has a device that a player's matches may run on.
    fn has_gpu() -> bool {
        use arena_sim_gpu::{Accept, Gpu};
        Gpu::list().iter().any(|it| Accept::Integrated.allows(it.kind))
    }

    #[test]
    fn the_cpu_is_taken_without_a_look_where_nothing_else_can_come_of_it() {
        for (policy, matches, reason) in [
            (Policy::Cpu, 10_000, "asked for"),
            (Policy::Auto, 63, "63 matches, a device is worth it from 64 on"),
        ] {
            let backing = chosen(policy, matches).unwrap();
            assert!(backing.worlds.is_none() && backing.name.starts_with("cpu-"), "{backing:?}");
            assert_eq!(backing.reason, reason);
        }
    }

    #[test]
    fn a_software_device_steps_matches_only_if_it_is_asked_for_by_name() {
        let backing = chosen(Policy::GpuSoftware, 2).unwrap();
        assert_eq!((backing.name, backing.worlds.is_some()), ("gpu-vulkan", true));
        assert!(backing.reason.starts_with("asked for ("), "{}", backing.reason);
        if has_gpu() {
            return; // then the others take that
        }
        let why = "no device: none of this machine's is allowed: ";
        let backing = chosen(Policy::Auto, 10_000).unwrap();
        assert!(backing.worlds.is_none() && backing.name.starts_with("cpu-"), "{backing:?}");
        assert!(backing.reason.starts_with(why), "{}", backing.reason);
        assert!(backing.reason.contains("(cpu, "), "{}", backing.reason);
        let error = chosen(Policy::Gpu, 10_000).unwrap_err();
        assert_eq!(error.reason, backing.reason);
    }
}
