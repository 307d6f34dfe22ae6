//! One instance, as people and plans see it, and what it makes of its own words.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use arena_types::contract::{BackendReport, InstanceState};
use arena_types::{InstanceId, NameError, ReleaseId, ServiceName};
use arenactl_planning::observed::UnitState;
use arenactl_planning::rollout::{Awaited, Event, Wait};
use serde::Serialize;

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
            capacity: 0,
            pid: None,
            restarts: 0,
            addresses: BTreeMap::new(),
            backend: None,
            drain_left_s: None,
            note: String::new(),
            node: None,
        })
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
        self.capacity = report.capacity;
        self.backend = report.backend;
        self.drain_left_s = report.drain_left_s;
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
                self.state = UnitState::Draining;
                self.note =
                    format!("{} sessions, {} matches left", report.sessions, report.matches);
            }
            (InstanceState::Empty, _) => {
                (self.state, self.note) = (UnitState::Empty, String::new());
            }
        }
    }
}

/// Says whether what is waited for is there; what does not run is empty, and has stopped.
pub(crate) fn answer(wait: Wait, unit: Option<&Unit>) -> Option<Event> {
    let instance = wait.unit;
    let state = unit.map_or(UnitState::Stopped, |unit| unit.state);
    let is_gone = state == UnitState::Stopped;
    match wait.state {
        Awaited::Ready => (state == UnitState::Ready).then_some(Event::Ready { instance }),
        Awaited::Empty | Awaited::Moved if state == UnitState::Empty => {
            Some(Event::Empty { instance })
        }
        Awaited::Empty | Awaited::Moved | Awaited::Stopped => {
            let is_over = is_gone || (state == UnitState::Failed && wait.state != Awaited::Stopped);
            is_over.then_some(Event::Stopped { instance })
        }
    }
}
