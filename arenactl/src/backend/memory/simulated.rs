//! The life of one simulated instance, a function of the clock.

use arena_types::contract::DrainReport;
use arena_types::{ReleaseId, ServiceName};
use arenactl_planning::observed::UnitState;
use serde::{Deserialize, Serialize};

use super::script::Behavior;
use crate::backend::unit::what_is_left;

/// When it was told what; what it is follows from the clock and its behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Simulated {
    pub(super) service: ServiceName,
    pub(super) release: ReleaseId,
    started_ms: u64,
    drained_ms: Option<u64>,
    /// The deadline of its drain.
    until_ms: u64,
    stopped_ms: Option<u64>,
}

impl Simulated {
    pub(super) const fn new(service: ServiceName, release: ReleaseId, now_ms: u64) -> Self {
        Self {
            service,
            release,
            started_ms: now_ms,
            drained_ms: None,
            until_ms: 0,
            stopped_ms: None,
        }
    }

    /// Takes work again: starts if stopped, forgets a drain.
    pub(super) fn serve(&mut self, now_ms: u64) {
        if self.stopped_ms.take().is_some() {
            self.started_ms = now_ms;
        }
        self.drained_ms = None;
    }

    pub(super) fn drain(&mut self, now_ms: u64, until_ms: u64) {
        self.drained_ms.get_or_insert(now_ms);
        self.until_ms = until_ms;
    }

    pub(super) fn stop(&mut self, now_ms: u64) {
        self.stopped_ms.get_or_insert(now_ms);
    }

    pub(super) const fn stopped_ms(&self) -> Option<u64> {
        self.stopped_ms
    }

    pub(super) fn state(&self, now_ms: u64, behavior: &Behavior) -> UnitState {
        let has_passed = |since: u64, span_ms: u64| now_ms >= since + span_ms;
        let fails = behavior.fails_after_ms.is_some_and(|after| has_passed(self.started_ms, after));
        match (self.stopped_ms, self.drained_ms) {
            (Some(at), _) if has_passed(at, behavior.stops_after_ms) => UnitState::Stopped,
            (Some(_), _) => UnitState::Draining,
            _ if fails => UnitState::Failed,
            (None, Some(at)) if has_passed(at, behavior.empty_after_ms) => UnitState::Empty,
            (None, Some(_)) => UnitState::Draining,
            (None, None) if behavior.never_ready.is_some() => UnitState::Starting,
            (None, None) if has_passed(self.started_ms, behavior.ready_after_ms) => {
                UnitState::Ready
            }
            (None, None) => UnitState::Starting,
        }
    }

    pub(super) fn note(&self, now_ms: u64, behavior: &Behavior) -> String {
        match self.state(now_ms, behavior) {
            UnitState::Failed => "exits again and again".to_owned(),
            UnitState::Starting => behavior.never_ready.clone().unwrap_or_default(),
            UnitState::Draining => {
                let moving = self.drain_report(now_ms, behavior).map_or(0, |drain| drain.moving);
                what_is_left(behavior.sessions, behavior.matches, moving)
            }
            _ => String::new(),
        }
    }

    /// Says how far its drain is; `None` if it does not drain.
    pub(super) fn drain_report(&self, now_ms: u64, behavior: &Behavior) -> Option<DrainReport> {
        let drained_ms = self.drained_ms.filter(|_| self.stopped_ms.is_none())?;
        if self.state(now_ms, behavior) != UnitState::Draining {
            return None;
        }
        let moving = behavior.moving.min(behavior.matches);
        let empty_ms = drained_ms + behavior.empty_after_ms;
        Some(DrainReport {
            left_s: self.until_ms.saturating_sub(now_ms) / 1_000,
            players: behavior.sessions,
            matches: behavior.matches,
            moving,
            waiting: behavior.matches - moving,
            unsaved: 0,
            estimate_s: Some(empty_ms.saturating_sub(now_ms).div_ceil(1_000)),
        })
    }

    /// Returns when it changes next by itself.
    pub(super) fn next_change(&self, now_ms: u64, behavior: &Behavior) -> Option<u64> {
        let times = [
            Some(self.started_ms + behavior.ready_after_ms),
            behavior.fails_after_ms.map(|after| self.started_ms + after),
            self.drained_ms.map(|at| at + behavior.empty_after_ms),
            self.stopped_ms.map(|at| at + behavior.stops_after_ms),
        ];
        times.into_iter().flatten().filter(|at| *at > now_ms).min()
    }
}
