//! What is in force beside instances: shares of new work, rules. Kept in the labels of one config, so that any
//! operator plans against the same.

use std::collections::BTreeMap;
use std::time::Duration;

use arena_types::ServiceName;
use arena_wire::config::v1::config_client::ConfigClient;
use arenactl_planning::observed::{UnitState, Weights};
use serde_json::Value;

use super::SwarmBackend;
use super::start::store;
use crate::backend::{BackendError, Unit};
use crate::config_client::{self, Active, AnyChannel, CALL_TIMEOUT, CONFIG, ConfigError};
use crate::journal::json;
use crate::relay::{Answers, Call, RelayChannel, Reply, Target};
use crate::swarm::{Kind, Record, Swap, SwarmError};

/// Label, followed by a service: its shares, as JSON.
const TRAFFIC: &str = "arena.traffic.";
/// Label: the rules that a deploy published last, as JSON.
const RULES: &str = "arena.rules";
/// The config's data: a word for whoever looks at it.
const STATE_TEXT: &[u8] =
    b"What is in force in this region; its labels are what counts. Written by arenactl.\n";
/// Tries of a swap: one arenactl at a time writes, under the lock.
const SWAP_ATTEMPT_COUNT_MAX: u32 = 5;

impl SwarmBackend {
    pub(super) async fn weights_in_force(
        &self,
    ) -> Result<BTreeMap<ServiceName, Weights>, BackendError> {
        let Some(state) = self.state().await? else { return Ok(BTreeMap::new()) };
        let weights = state.labels.iter().filter_map(|(key, value)| {
            let service = key.strip_prefix(TRAFFIC)?.parse().ok()?;
            let weights = serde_json::from_str(value).map_err(|error| state.corrupt(error));
            Some(weights.map(|weights| (service, weights)))
        });
        Ok(weights.collect::<Result<_, SwarmError>>()?)
    }

    /// Writes the shares of a service, first where matchmakers and balancers watch them.
    pub(super) async fn route(
        &mut self,
        service: &ServiceName,
        weights: &Weights,
    ) -> Result<(), BackendError> {
        let seen = self.see().await?;
        if let Some(store) = store(&seen).and_then(|it| it.parse().ok()) {
            let cluster = self.swarm.cluster.to_string();
            let (service, weights) = (service.clone(), weights.clone());
            let call = Call::Traffic { cluster, store, service: service.clone(), weights };
            match self.call(&call).await? {
                Reply::Done => {}
                Reply::Unreachable { why } | Reply::Failed { why } => {
                    return Err(BackendError::Traffic { service, source: why.into() });
                }
                other => {
                    let source = format!("unexpected reply {other:?}").into();
                    return Err(BackendError::Traffic { service, source });
                }
            }
        }
        let key = format!("{TRAFFIC}{service}");
        self.change_state(|record| {
            if weights.is_empty() {
                record.labels.remove(&key);
            } else {
                record.labels.insert(key.clone(), json(weights));
            }
        })
        .await
    }

    pub(super) async fn rules_in_force(&self) -> Result<Option<Value>, BackendError> {
        let Some(state) = self.state().await? else { return Ok(None) };
        let rules = state.label(RULES).map(serde_json::from_str).transpose();
        Ok(rules.map_err(|error| state.corrupt(error))?)
    }

    pub(super) async fn publish(&mut self, rules: &Value) -> Result<u32, BackendError> {
        let mut client = self.config_channel().await.map_err(|error| match error {
            BackendError::Config(error) => BackendError::Rules { source: error.into() },
            error => error,
        })?;
        let published =
            config_client::publish(&mut client, rules, "arena.yaml", Active::FromNowOn).await;
        let version = published.map_err(|error| BackendError::Rules { source: error.into() })?;
        self.change_state(|record| {
            record.labels.insert(RULES.to_owned(), rules.to_string());
        })
        .await?;
        Ok(version)
    }

    /// Returns a client of the config service, over the relay.
    pub(super) async fn config_channel(
        &mut self,
    ) -> Result<ConfigClient<AnyChannel>, BackendError> {
        let units = {
            let seen = self.see().await?;
            let all: Vec<_> = seen.instances.keys().cloned().collect();
            self.look_at(&seen, &all).await?
        };
        let ready = units
            .iter()
            .find(|unit| unit.service.as_str() == CONFIG && unit.state == UnitState::Ready);
        let found = ready.and_then(|unit| Some((&unit.instance, *unit.addresses.get("mesh")?)));
        let (instance, address) = found.ok_or_else(|| {
            BackendError::Config(ConfigError::NoInstance { region: self.swarm.region.clone() })
        })?;
        let target = Target { instance: instance.clone(), address };
        let (relay, cluster) = (self.relay().await?, self.swarm.cluster.as_str());
        let channel = RelayChannel::new(relay, cluster, CONFIG, target, CALL_TIMEOUT, Answers::One);
        Ok(ConfigClient::new(config_client::any(channel)))
    }

    /// Returns a channel to the mesh port of an instance, over the relay.
    pub(super) async fn mesh_channel(
        &mut self,
        unit: &Unit,
        timeout: Duration,
    ) -> Result<AnyChannel, BackendError> {
        let address = unit.addresses.get("mesh").copied();
        let address = address.ok_or_else(|| BackendError::no_mesh(unit))?;
        let target = Target { instance: unit.instance.clone(), address };
        let (relay, cluster) = (self.relay().await?, self.swarm.cluster.as_str());
        let service = unit.service.as_str();
        let channel = RelayChannel::new(relay, cluster, service, target, timeout, Answers::Several);
        Ok(config_client::any(channel))
    }

    async fn state(&self) -> Result<Option<Record>, SwarmError> {
        self.swarm.record(&self.state_name()).await
    }

    fn state_name(&self) -> String {
        self.swarm.object_name("state")
    }

    async fn change_state(&self, change: impl Fn(&mut Record)) -> Result<(), BackendError> {
        for _ in 0..SWAP_ATTEMPT_COUNT_MAX {
            let Some(record) = self.state().await? else {
                let labels = self.swarm.labels(Kind::State);
                self.swarm.create_record(&self.state_name(), labels, STATE_TEXT).await?;
                continue;
            };
            let mut changed = record.clone();
            change(&mut changed);
            if changed.labels == record.labels {
                return Ok(());
            }
            if self.swarm.swap_labels(&record, changed.labels).await? == Swap::Done {
                return Ok(());
            }
        }
        Err(SwarmError::Contended { name: self.state_name() }.into())
    }
}
