use std::collections::BTreeSet;

use arena_types::contract::InstanceState;
use arena_types::registry::{InstanceRecord, Traffic};

use crate::policy::Observed;

/// Units an instance of a gateway holds: sessions, at which its processor is half used.
pub(crate) const SESSIONS_PER_GATEWAY: u32 = 2_000;
/// Units assumed of a game instance while none tells its capacity.
const MATCHES_ASSUMED: u32 = 100;

/// What the units of a service are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Matches, with the capacity that each instance tells.
    Matches,
    /// Sessions, a fixed number an instance.
    Sessions,
}

/// Sums up the instances of a service. Those that drain, or whose release takes no traffic, end by
/// themselves: neither their room nor their load counts.
#[must_use]
pub fn observe(
    unit: Unit,
    instances: &[InstanceRecord],
    traffic: Option<&Traffic>,
    waiting: u32,
) -> Observed {
    let takes_work = |it: &&InstanceRecord| {
        matches!(it.state, InstanceState::Starting | InstanceState::Ready)
            && Traffic::weight(traffic, it.release) > 0
    };
    let working: Vec<_> = instances.iter().filter(takes_work).collect();
    let (used, per_instance): (u64, u32) = match unit {
        Unit::Matches => (
            working.iter().map(|it| u64::from(it.matches)).sum(),
            working
                .iter()
                .map(|it| it.capacity)
                .filter(|it| *it > 0)
                .min()
                .unwrap_or(MATCHES_ASSUMED),
        ),
        Unit::Sessions => {
            (working.iter().map(|it| u64::from(it.sessions)).sum(), SESSIONS_PER_GATEWAY)
        }
    };
    let releases: BTreeSet<_> = instances.iter().map(|it| it.release).collect();
    let is_moving =
        |it: &InstanceRecord| matches!(it.state, InstanceState::Starting | InstanceState::Draining);
    Observed {
        present: working.len() as u32,
        used: used.min(u64::from(u32::MAX)) as u32,
        waiting,
        per_instance,
        in_rollout: releases.len() > 1 || instances.iter().any(is_moving),
    }
}

#[cfg(test)]
mod tests {
    use arena_types::ReleaseId;

    use super::*;

    use InstanceState::{Draining, Ready, Starting};

    fn game(release: u32, state: InstanceState, matches: u32, capacity: u32) -> InstanceRecord {
        InstanceRecord {
            mesh_addr: "127.0.0.1:1".parse().unwrap(),
            side_addr: "127.0.0.1:2".parse().unwrap(),
            public_addr: None,
            release: ReleaseId(release),
            state,
            sessions: matches * 10,
            matches,
            moving: 0,
            shadows: 0,
            capacity,
            rules_schema: 1,
        }
    }

    #[test]
    fn only_what_takes_new_work_counts() {
        let fleet = [game(1, Draining, 30, 50), game(2, Ready, 5, 50), game(2, Starting, 0, 0)];
        let seen = observe(Unit::Matches, &fleet, None, 2);
        let expected =
            Observed { present: 2, used: 5, waiting: 2, per_instance: 50, in_rollout: true };
        assert_eq!(seen, expected);
        let traffic = serde_json::from_str(r#"{"weights":{"r1":100}}"#).unwrap();
        assert_eq!(observe(Unit::Matches, &fleet, Some(&traffic), 0).present, 0);
    }

    #[test]
    fn one_release_that_stands_still_is_no_rollout() {
        let fleet = [game(2, Ready, 5, 50), game(2, Ready, 7, 40)];
        let seen = observe(Unit::Matches, &fleet, None, 0);
        assert!(!seen.in_rollout);
        assert_eq!((seen.used, seen.per_instance), (12, 40));
        let seen = observe(Unit::Sessions, &fleet, None, 0);
        assert_eq!((seen.used, seen.per_instance), (120, SESSIONS_PER_GATEWAY));
        assert_eq!(observe(Unit::Matches, &[], None, 0).per_instance, MATCHES_ASSUMED);
    }
}
