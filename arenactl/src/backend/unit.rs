//! One instance, as people and plans see it, and what it makes of its own words.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use arena_types::contract::{BackendReport, DrainReport, InstanceReport, InstanceState};
use arena_types::{InstanceId, NameError, ReleaseId, ServiceName};
use arenactl_planning::observed::UnitState;
use arenactl_planning::rollout::{Awaited, Event, Wait};
use serde::Serialize;

use crate::print::{counted, lasting};
use crate::side_port::Probe;

/// One instance, as people and plans see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// Its name.
    pub instance: InstanceId,
    /// Its service.
    pub service: ServiceName,
    /// The release it was started from.
    pub release: ReleaseId,
    /// Where it is in its life.
    pub state: UnitState,
    /// Players' sessions it holds.
    pub sessions: u32,
    /// Matches it hosts.
    pub matches: u32,
    /// Of these, matches on their way to another instance.
    pub moving: u32,
    /// Slots taken by warm copies of others' matches, beside `matches`.
    pub shadows: u32,
    /// Matches it can host.
    pub capacity: u32,
    /// Its process, where there is one on this machine.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// Its addresses by socket name.
    pub addresses: BTreeMap<String, SocketAddr>,
    /// What steps its matches, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendReport>,
    /// Seconds left of its drain.
    pub drain_left_s: Option<u64>,
    /// How far its drain is, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainReport>,
    /// What it waits for, or why it failed.
    pub note: String,
    /// The machine it runs on, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl Unit {
    /// Makes one of which only the names are known.
    ///
    /// # Errors
    /// If one of them is no name.
    pub(crate) fn blank(instance: &str, service: &str, release: &str) -> Result<Self, NameError> {
        Ok(Self {
            instance: instance.parse()?,
            service: service.parse()?,
            release: release.parse()?,
            state: UnitState::Starting,
            sessions: 0,
            matches: 0,
            moving: 0,
            shadows: 0,
            capacity: 0,
            pid: None,
            restarts: 0,
            addresses: BTreeMap::new(),
            backend: None,
            drain_left_s: None,
            drain: None,
            note: String::new(),
            node: None,
        })
    }

    /// Returns the word for where it stands: its state, but `occupied` while it hosts matches, and `moving` while
    /// its drain moves some of them away.
    #[must_use]
    pub const fn standing(&self) -> &'static str {
        match self.state {
            UnitState::Starting => "starting",
            UnitState::Ready if self.matches > 0 => "occupied",
            UnitState::Ready => "ready",
            UnitState::Draining if self.moving > 0 => "moving",
            UnitState::Draining => "draining",
            UnitState::Empty => "empty",
            UnitState::Stopped => "stopped",
            UnitState::Failed => "failed",
        }
    }

    /// Says when its drain is over: at its pace, and at the latest; empty if it does not drain.
    #[must_use]
    pub fn outlook(&self) -> String {
        let is_draining = self.state == UnitState::Draining;
        let estimate = self.drain.and_then(|drain| drain.estimate_s).filter(|_| is_draining);
        outlook(estimate, self.drain_left_s.filter(|_| is_draining))
    }

    /// Says what it waits for, or why it failed, and when its drain is over; empty if all is well.
    #[must_use]
    pub fn told(&self) -> String {
        let parts = [self.note.clone(), self.outlook()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// Takes over what the instance says of itself. An answer on its port may come from another program once it
    /// is gone: names decide.
    pub(crate) fn judge(&mut self, probe: Probe) {
        let Probe { report, not_ready } = probe;
        let report = match report {
            Ok(report) if report.instance == self.instance => report,
            Ok(report) => {
                self.note = format!("its side port answers as {}", report.instance);
                return;
            }
            Err(why) => {
                self.note = why;
                return;
            }
        };
        self.sessions = report.sessions;
        self.matches = report.matches;
        self.moving = report.moving;
        self.shadows = report.shadows;
        self.capacity = report.capacity;
        self.drain = report.drain;
        self.drain_left_s = report.drain.map_or(report.drain_left_s, |drain| Some(drain.left_s));
        let left = left(&report);
        self.backend = report.backend;
        match (report.state, not_ready) {
            (InstanceState::Starting, not_ready) => {
                self.state = UnitState::Starting;
                self.note = not_ready.unwrap_or_else(|| std::mem::take(&mut self.note));
            }
            (InstanceState::Ready, _) if self.state == UnitState::Draining => {}
            (InstanceState::Ready, None) => {
                (self.state, self.note) = (UnitState::Ready, String::new());
            }
            (InstanceState::Ready, Some(why)) => self.note = why,
            (InstanceState::Draining, _) => {
                (self.state, self.note) = (UnitState::Draining, left);
            }
            (InstanceState::Empty, _) => {
                (self.state, self.note) = (UnitState::Empty, String::new());
            }
        }
    }
}

/// Says what an instance that drains still holds. Seconds are not in it: they change while nothing happens.
fn left(report: &InstanceReport) -> String {
    let unsaved = report.drain.map_or(0, |drain| drain.unsaved);
    let mut left = what_is_left(report.sessions, report.matches, report.moving);
    if unsaved > 0 && report.sessions == 0 && report.matches == 0 {
        left = format!("{} to be saved", counted(unsaved, "record"));
    }
    left
}

/// Says when a drain is over, from the seconds at its pace and those to its deadline.
pub(crate) fn outlook(estimate_s: Option<u64>, left_s: Option<u64>) -> String {
    // Nobody is left: what it still waits for has no pace.
    let estimate = estimate_s.filter(|s| *s > 0);
    let estimate = estimate.map(|s| format!("about {} to go", lasting(s)));
    let deadline = left_s.map(|s| match s {
        0 => "deadline passed".to_owned(),
        s => format!("deadline in {}", lasting(s)),
    });
    estimate.into_iter().chain(deadline).collect::<Vec<_>>().join(", ")
}

/// Says how many players and matches are left, and how many of these move.
pub(crate) fn what_is_left(players: u32, matches: u32, moving: u32) -> String {
    let moving = if moving > 0 { format!(", {moving} moving") } else { String::new() };
    format!("{}, {} left{moving}", counted(players, "player"), counted(matches, "match"))
}

/// Keeps what an instance said while it was waited for; how it goes away explains nothing.
pub(crate) fn remember(seen: &mut BTreeMap<InstanceId, Unit>, wait: &Wait, unit: Option<&Unit>) {
    if let Some(unit) = unit.filter(|_| wait.state != Awaited::Stopped) {
        seen.insert(wait.unit.clone(), unit.clone());
    }
}

/// Says whether what is waited for is there; what does not run is empty, and has stopped.
pub(crate) fn answer(wait: Wait, unit: Option<&Unit>) -> Option<Event> {
    let instance = wait.unit;
    let state = unit.map_or(UnitState::Stopped, |unit| unit.state);
    let is_gone = state == UnitState::Stopped;
    match wait.state {
        Awaited::Ready => (state == UnitState::Ready).then_some(Event::Ready { instance }),
        Awaited::Empty if state == UnitState::Empty => Some(Event::Empty { instance }),
        Awaited::Empty | Awaited::Stopped => {
            let is_over = is_gone || (state == UnitState::Failed && wait.state != Awaited::Stopped);
            is_over.then_some(Event::Stopped { instance })
        }
    }
}
