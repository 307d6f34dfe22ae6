//! Simulated instances on a clock of their own: a second real backend, for rehearsals and transcripts.
//!
//! Whole rollouts run in milliseconds, since resting advances the clock to the next thing that happens. What
//! the "cluster" holds is one file, so that it outlives the command like a real one.

mod script;
mod simulated;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use arena_types::{InstanceId, Region, ReleaseId, ServiceName};
use arena_wire::config::v1::config_client::ConfigClient;
use arenactl_planning::Digest;
use arenactl_planning::observed::{Node, UnitState, Weights};
use arenactl_planning::release::{Artifact, Inputs, Release};
use arenactl_planning::rollout::{Awaited, Effect, Event, Rollout};
use arenactl_planning::spec::{SecretName, Spec};
use arenactl_planning::units::Timestamp;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::artifacts::Remember;
use crate::backend::survey::Certificates;
use crate::backend::{Backend, BackendError, Lack, Unit};
use crate::config_client::{AnyChannel, ConfigError};
use crate::durable::{self, Access};
use crate::{rules, secrets};
use script::Script;
use simulated::Simulated;

/// 2026-01-01T00:00:00Z: a clock that starts the same makes transcripts that are the same.
const EPOCH_MS: u64 = 1_767_225_600_000;
/// The version of rules in a cluster that keeps none: version 1 are the standard ones.
const SIMULATED_RULES: u32 = 2;
/// How far the clock moves if nothing is going to happen.
const IDLE_MS: u64 = 1_000;

/// The simulated backend.
#[derive(Debug)]
pub struct Memory {
    region: Region,
    path: PathBuf,
    /// Where values of secrets would be kept.
    secrets: PathBuf,
    script: Script,
    cluster: Cluster,
}

/// All that the simulated cluster holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    now_ms: u64,
    units: BTreeMap<InstanceId, Simulated>,
    weights: BTreeMap<ServiceName, Weights>,
    rules: Option<serde_json::Value>,
}

impl Memory {
    /// Opens the simulated cluster kept at `path`, which behaves as `script` says.
    ///
    /// # Errors
    /// [`BackendError::Script`] and [`BackendError::File`].
    pub fn open(
        region: &Region,
        path: &Path,
        secrets: &Path,
        script: Option<&Path>,
    ) -> Result<Self, BackendError> {
        let script = script.map(Script::read).transpose()?.unwrap_or_default();
        let fresh = || Cluster {
            now_ms: EPOCH_MS,
            units: BTreeMap::new(),
            weights: BTreeMap::new(),
            rules: None,
        };
        let cluster = durable::read_json(path)?.unwrap_or_else(fresh);
        let (region, path, secrets) = (region.clone(), path.to_path_buf(), secrets.to_path_buf());
        Ok(Self { region, path, secrets, script, cluster })
    }

    fn save(&self) -> Result<(), BackendError> {
        Ok(durable::write_json(&self.path, &self.cluster, Access::Owner)?)
    }

    fn state(&self, instance: &InstanceId) -> UnitState {
        let unit = self.cluster.units.get(instance);
        unit.map_or(UnitState::Stopped, |unit| unit.state(self.cluster.now_ms, self.behavior(unit)))
    }

    fn behavior(&self, unit: &Simulated) -> &script::Behavior {
        self.script.behavior(unit.service.as_str(), &unit.release.to_string())
    }

    fn unit(&self, instance: &InstanceId, unit: &Simulated) -> Unit {
        let behavior = self.behavior(unit);
        let state = unit.state(self.cluster.now_ms, behavior);
        let holds = matches!(state, UnitState::Ready | UnitState::Draining);
        let drain = unit.drain_report(self.cluster.now_ms, behavior);
        Unit {
            instance: instance.clone(),
            service: unit.service.clone(),
            release: unit.release,
            state,
            sessions: if holds { behavior.sessions } else { 0 },
            matches: if holds { behavior.matches } else { 0 },
            moving: drain.map_or(0, |drain| drain.moving),
            shadows: 0,
            capacity: behavior.capacity,
            pid: None,
            restarts: 0,
            addresses: BTreeMap::new(),
            backend: None,
            drain_left_s: drain.map(|drain| drain.left_s),
            drain,
            note: unit.note(self.cluster.now_ms, behavior),
            node: None,
        }
    }
}

#[async_trait(?Send)]
impl Backend for Memory {
    fn now(&self) -> Timestamp {
        Timestamp(self.cluster.now_ms)
    }

    async fn lacks(&mut self, release: &Release) -> Result<Vec<Lack>, BackendError> {
        Ok(rules::lacks(release))
    }

    /// Simulated instances run no program, so there the name is all.
    async fn inputs(&mut self, spec: &Spec, _: Remember) -> Result<Inputs, BackendError> {
        let artifact =
            |name: &String| Artifact { name: name.clone(), digest: Digest::of(name.as_bytes()) };
        let services = spec.services.iter();
        let artifacts = services.map(|(service, it)| (service.clone(), artifact(&it.binary)));
        let secret_hashes = secrets::hashes(&spec.secrets, &self.secrets)?;
        Ok(Inputs { artifacts: artifacts.collect(), secret_hashes, ..Inputs::default() })
    }

    fn secret_values(&self, spec: &Spec) -> BTreeMap<SecretName, String> {
        secrets::values(&spec.secrets, &self.secrets)
    }

    async fn prepare(&mut self, _: &Release, _: &str) -> Result<(), BackendError> {
        self.save()
    }

    async fn published_rules(&mut self) -> Result<Option<serde_json::Value>, BackendError> {
        Ok(self.cluster.rules.clone())
    }

    async fn publish_rules(&mut self, rules: &serde_json::Value) -> Result<u32, BackendError> {
        if let Some(why) = &self.script.rules_refused {
            return Err(BackendError::Rules { source: why.as_str().into() });
        }
        self.cluster.rules = Some(rules.clone());
        self.save()?;
        Ok(SIMULATED_RULES)
    }

    /// Nothing that is simulated answers a call.
    async fn config(&mut self) -> Result<ConfigClient<AnyChannel>, BackendError> {
        Err(ConfigError::NoInstance { region: self.region.clone() }.into())
    }

    async fn units(&mut self) -> Result<Vec<Unit>, BackendError> {
        Ok(self.cluster.units.iter().map(|(instance, unit)| self.unit(instance, unit)).collect())
    }

    async fn weights(&mut self) -> Result<BTreeMap<ServiceName, Weights>, BackendError> {
        Ok(self.cluster.weights.clone())
    }

    async fn nodes(&mut self) -> Result<Vec<Node>, BackendError> {
        Ok(Vec::new())
    }

    async fn certificates(&mut self) -> Result<Certificates, BackendError> {
        Ok(Certificates { authority: "none".to_owned(), list: Vec::new() })
    }

    async fn issue_certificate(&mut self, _: &str, _: &Path) -> Result<(), BackendError> {
        Err(BackendError::NoAuthority)
    }

    async fn perform(&mut self, effect: &Effect) -> Result<(), BackendError> {
        let now_ms = self.cluster.now_ms;
        let units = &mut self.cluster.units;
        match effect {
            Effect::Start { service, instance, release, .. }
            | Effect::Restore { service, instance, release, .. } => {
                let fresh = || Simulated::new(service.clone(), *release, now_ms);
                let unit = units.entry(instance.clone()).or_insert_with(fresh);
                unit.serve(now_ms);
            }
            Effect::SetTraffic { service, weights } if weights.is_empty() => {
                self.cluster.weights.remove(service);
            }
            Effect::SetTraffic { service, weights } => {
                self.cluster.weights.insert(service.clone(), weights.clone());
            }
            Effect::Drain { instance, deadline, .. } => {
                let until_ms = now_ms + deadline.as_ms();
                units.entry(instance.clone()).and_modify(|unit| unit.drain(now_ms, until_ms));
            }
            Effect::Stop { instance, .. } => {
                units.entry(instance.clone()).and_modify(|unit| unit.stop(now_ms));
            }
        }
        self.save()
    }

    async fn kill(&mut self, instance: &InstanceId) -> Result<(), BackendError> {
        let now_ms = self.cluster.now_ms;
        self.cluster.units.entry(instance.clone()).and_modify(|unit| unit.stop(now_ms));
        self.save()
    }

    async fn look(&mut self, rollout: &Rollout) -> Result<Option<Event>, BackendError> {
        for instance in rollout.watched() {
            if self.state(&instance) == UnitState::Failed {
                let unit = self.cluster.units.get(&instance);
                let reason = unit.map(|unit| self.unit(&instance, unit).note).unwrap_or_default();
                return Ok(Some(Event::Failed { instance, reason }));
            }
        }
        Ok(rollout.waits().into_iter().find_map(|wait| {
            let instance = wait.unit.clone();
            match (wait.state, self.state(&wait.unit)) {
                (Awaited::Ready, UnitState::Ready) => Some(Event::Ready { instance }),
                (Awaited::Empty, UnitState::Empty) => Some(Event::Empty { instance }),
                (Awaited::Ready, _) => None,
                (_, UnitState::Stopped) | (Awaited::Empty, UnitState::Failed) => {
                    Some(Event::Stopped { instance })
                }
                _ => None,
            }
        }))
    }

    fn seen(&self, instance: &InstanceId) -> Option<Unit> {
        let simulated = self.cluster.units.get(instance)?;
        let mut unit = self.unit(instance, simulated);
        if let Some(reason) = &self.behavior(simulated).never_ready {
            unit.note.clone_from(reason);
        }
        Some(unit)
    }

    async fn rest(&mut self, until: Option<Timestamp>) {
        let now_ms = self.cluster.now_ms;
        let changes = self.cluster.units.values().filter_map(|unit| {
            let behavior = self.script.behavior(unit.service.as_str(), &unit.release.to_string());
            unit.next_change(now_ms, behavior)
        });
        let next = changes.chain(until.map(|until| until.0)).filter(|at| *at > now_ms).min();
        self.cluster.now_ms = next.unwrap_or(now_ms + IDLE_MS);
        // A clock that is not saved only repeats a moment after a crash.
        let _ = self.save();
        // Real time passes too, a little, so that a person can press Ctrl-C.
        tokio::task::yield_now().await;
    }

    async fn log_tail(&mut self, instance: &InstanceId, count: usize) -> Vec<String> {
        let unit = self.cluster.units.get(instance);
        let lines = unit.map(|unit| self.behavior(unit).log.clone()).unwrap_or_default();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    async fn remove_stopped(&mut self, before: Timestamp) -> Result<(), BackendError> {
        let is_old = |unit: &Simulated| unit.stopped_ms().is_some_and(|at| at < before.0);
        self.cluster.units.retain(|_, unit| !is_old(unit));
        self.save()
    }

    async fn remove_programs(
        &mut self,
        _: &BTreeSet<ReleaseId>,
        _: &BTreeMap<ReleaseId, Release>,
    ) -> Result<(), BackendError> {
        Ok(())
    }
}
