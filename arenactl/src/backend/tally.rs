//! What the instances of a service come to.

use std::collections::BTreeMap;

use arena_types::ServiceName;
use arenactl_planning::observed::UnitState;
use arenactl_planning::release::Release;
use serde::Serialize;

use super::Unit;
use super::unit::{outlook, what_is_left};

/// The instances of one service, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Instances that the current release wants.
    pub desired: u32,
    /// Instances that take new work.
    pub ready: u32,
    /// Of these, instances that host matches.
    pub occupied: u32,
    /// Instances that finish what they have.
    pub draining: u32,
    /// Players' sessions on all instances.
    pub sessions: u32,
    /// Matches on all instances.
    pub matches: u32,
    /// Of these, matches on their way to another instance.
    pub moving: u32,
    /// Players' sessions on instances that drain.
    pub players_left: u32,
    /// Matches on instances that drain.
    pub matches_left: u32,
    /// Seconds until the last deadline of these drains.
    pub left_s: Option<u64>,
    /// Seconds until the last of these drains is over at its pace; `None` while one of them cannot tell.
    pub estimate_s: Option<u64>,
}

impl Tally {
    fn add(&mut self, unit: &Unit) {
        self.sessions += unit.sessions;
        self.matches += unit.matches;
        self.moving += unit.moving;
        match unit.state {
            UnitState::Ready => {
                self.ready += 1;
                self.occupied += u32::from(unit.matches > 0);
            }
            UnitState::Draining => self.add_draining(unit),
            UnitState::Starting | UnitState::Empty | UnitState::Stopped | UnitState::Failed => {}
        }
    }

    fn add_draining(&mut self, unit: &Unit) {
        let estimate_s = unit.drain.and_then(|drain| drain.estimate_s);
        let is_first = self.draining == 0;
        self.estimate_s = if is_first {
            estimate_s
        } else {
            self.estimate_s.zip(estimate_s).map(|(one, other)| one.max(other))
        };
        self.left_s = self.left_s.max(unit.drain_left_s);
        self.draining += 1;
        self.players_left += unit.sessions;
        self.matches_left += unit.matches;
    }

    /// Says in one line how far the drains of `service` are; `None` if nothing drains and nothing moves.
    #[must_use]
    pub fn line(&self, service: &ServiceName) -> Option<String> {
        let Self { desired, ready, occupied, draining, moving, .. } = self;
        if *draining == 0 && *moving == 0 {
            return None;
        }
        let head = format!("{service}: {ready} of {desired} ready, {occupied} occupied");
        if *draining == 0 {
            return Some(format!("{head}, {moving} moving"));
        }
        let left = what_is_left(self.players_left, self.matches_left, *moving);
        let outlook = outlook(self.estimate_s, self.left_s);
        let parts = [format!("{head}, {draining} draining"), left, outlook];
        Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; "))
    }
}

/// Sums up `units` by service; `release` says what is wanted.
#[must_use]
pub fn tally<'a>(
    units: impl IntoIterator<Item = &'a Unit>,
    release: Option<&Release>,
) -> BTreeMap<ServiceName, Tally> {
    let services = release.map(|release| &release.spec.services).into_iter().flatten();
    let desired = |desired| Tally { desired, ..Tally::default() };
    let mut tallies: BTreeMap<ServiceName, Tally> =
        services.map(|(service, spec)| (service.clone(), desired(spec.instances))).collect();
    for unit in units {
        tallies.entry(unit.service.clone()).or_default().add(unit);
    }
    tallies
}

#[cfg(test)]
mod tests {
    use arena_types::contract::DrainReport;

    use super::*;

    fn unit(state: UnitState, sessions: u32, matches: u32, moving: u32) -> Unit {
        let unit = Unit::blank("game-r1-0", "game", "r1").unwrap();
        Unit { state, sessions, matches, moving, ..unit }
    }

    fn draining(matches: u32, moving: u32, estimate_s: Option<u64>) -> Unit {
        let mut unit = unit(UnitState::Draining, matches * 2, matches, moving);
        let drain = DrainReport {
            left_s: 500,
            players: matches * 2,
            matches,
            moving,
            waiting: matches - moving,
            unsaved: 0,
            estimate_s,
        };
        (unit.drain, unit.drain_left_s) = (Some(drain), Some(500));
        unit
    }

    #[track_caller]
    fn check(units: &[Unit], expected: Option<&str>) {
        let service = "game".parse().unwrap();
        assert_eq!(tally(units, None)[&service].line(&service).as_deref(), expected);
    }

    #[test]
    fn a_line_tells_of_a_service_that_drains_or_moves_and_of_no_other() {
        let (idle, busy) = (unit(UnitState::Ready, 0, 0, 0), unit(UnitState::Ready, 4, 2, 0));
        check(&[idle.clone(), busy.clone()], None);
        let moving = unit(UnitState::Ready, 4, 2, 1);
        check(&[idle.clone(), moving], Some("game: 2 of 0 ready, 1 occupied, 1 moving"));
        check(
            &[idle, busy.clone(), draining(3, 2, Some(40)), draining(1, 0, Some(90))],
            Some(
                "game: 2 of 0 ready, 1 occupied, 2 draining; 8 players, 4 matches left, 2 moving; \
                 about 90 s to go, deadline in 8 min",
            ),
        );
        check(
            &[busy, draining(1, 0, Some(40)), draining(1, 0, None)],
            Some(
                "game: 1 of 0 ready, 1 occupied, 2 draining; 4 players, 2 matches left; \
                 deadline in 8 min",
            ),
        );
    }

    #[test]
    fn an_instance_of_an_older_release_that_drains_has_a_deadline_and_no_estimate() {
        let old = Unit { drain_left_s: Some(9), ..unit(UnitState::Draining, 1, 1, 0) };
        check(
            &[old],
            Some(
                "game: 0 of 0 ready, 0 occupied, 1 draining; 1 player, 1 match left; deadline in 9 s",
            ),
        );
    }
}
