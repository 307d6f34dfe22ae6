//! The operator: a service of one task on the manager that is talked to, and the relay in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arenactl_planning::release::Release;
use bollard::models::{
    EndpointSpec, EndpointSpecModeEnum, HealthConfig, Limit, ResourceObject, ServiceSpec, Task,
    TaskSpec, TaskSpecContainerSpec, TaskSpecPlacement, TaskSpecResources, TaskState,
};
use bollard::query_parameters::ListTasksOptionsBuilder;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::observe::{state, wants_to_run};
use super::service::{File, host_network, replicas, secret, secret_path, tmpfs};
use super::{SwarmBackend, seal};
use crate::backend::BackendError;
use crate::relay::{AUTHORITY_CERT, AUTHORITY_KEY, Call, Relay, RelayError, Reply};
use crate::swarm::{Kind, label};

/// Name of the operator's service behind cluster and region.
pub(super) const OPERATOR: &str = "operator";
/// The operator's image may have to be pulled first.
const START_TIMEOUT: Duration = Duration::from_secs(90);
/// How often its container is looked for.
const START_INTERVAL: Duration = Duration::from_millis(100);
/// What a process that mostly waits may use.
const NANO_CPUS: i64 = 1_000_000_000;
const MEMORY_BYTES: i64 = 128 << 20;

impl SwarmBackend {
    /// Makes sure that the operator runs, knows every drain token, and is on the manager that is talked to.
    pub(super) async fn ensure_operator(&mut self, release: &Release) -> Result<(), BackendError> {
        let name = self.swarm.service_name(OPERATOR);
        let there = self.inspect(&name).await?;
        let image = release.spec.operator_image();
        let pinned = match self.digest_of(&image).await {
            Ok(digest) => format!("{}@sha256:{digest}", image.split('@').next().unwrap_or(&image)),
            // A rollback must work while the registry is away: what runs is good enough.
            Err(error) => match there.as_ref().and_then(|it| it.spec.as_ref()).and_then(image_of) {
                Some(image) => image.to_owned(),
                None => return Err(error),
            },
        };
        let spec = self.operator_spec(&name, pinned).await?;
        let Some(there) = there else {
            self.create_operator(&image, &spec).await?;
            return self.relay().await.map(drop);
        };
        if there.spec.as_ref().and_then(seal_of) != seal_of(&spec) {
            self.relay = None;
            let id = there.id.unwrap_or_default();
            let login = self.login(&image).await?;
            self.update(&id, &name, login, |_| spec.clone()).await?;
        }
        self.relay().await.map(drop)
    }

    async fn create_operator(&self, image: &str, spec: &ServiceSpec) -> Result<(), BackendError> {
        let doing = || "create the operator's service".to_owned();
        let login = self.login(image).await?;
        let create = || self.swarm.docker.create_service(spec.clone(), login.clone());
        match self.swarm.ask(doing, create).await {
            // Taken by our own first try, whose answer was lost.
            Err(error) if error.status() != Some(409) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Without instances there is nobody to call.
    pub(super) async fn remove_operator(&mut self) -> Result<(), BackendError> {
        self.relay = None;
        let name = self.swarm.service_name(OPERATOR);
        Ok(self.remove_service(&name, &name).await?)
    }

    async fn operator_spec(&self, name: &str, image: String) -> Result<ServiceSpec, BackendError> {
        let mut files = self.authority_files().await?;
        files.extend(self.drain_tokens().await?);
        let limits = (Some(NANO_CPUS), Some(MEMORY_BYTES));
        let container = TaskSpecContainerSpec {
            image: Some(image),
            args: Some(vec!["relay".to_owned(), "--wait".to_owned()]),
            read_only: Some(true),
            capability_drop: Some(vec!["ALL".to_owned()]),
            mounts: Some(vec![tmpfs()]),
            secrets: Some(files.iter().map(secret).collect()),
            // It has no side port: the image's own check is not for it.
            health_check: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            ..TaskSpecContainerSpec::default()
        };
        let mut spec = ServiceSpec {
            name: Some(name.to_owned()),
            task_template: Some(TaskSpec {
                container_spec: Some(container),
                resources: Some(TaskSpecResources {
                    limits: Some(Limit { nano_cpus: limits.0, memory_bytes: limits.1, pids: None }),
                    reservations: Some(ResourceObject::default()),
                    ..TaskSpecResources::default()
                }),
                placement: Some(TaskSpecPlacement {
                    constraints: Some(vec![format!("node.id == {}", self.swarm.node_id)]),
                    ..TaskSpecPlacement::default()
                }),
                networks: Some(vec![host_network()]),
                ..TaskSpec::default()
            }),
            mode: Some(replicas(1)),
            endpoint_spec: Some(EndpointSpec {
                mode: Some(EndpointSpecModeEnum::DNSRR),
                ports: None,
            }),
            ..ServiceSpec::default()
        };
        let mut labels = self.swarm.labels(Kind::Operator);
        labels.insert(label::SEAL.to_owned(), seal::of(&spec));
        spec.labels = Some(labels);
        Ok(spec)
    }

    async fn authority_files(&self) -> Result<Vec<File>, BackendError> {
        let known = self.secrets(Kind::Authority).await?;
        let file = |part: &str| {
            let name = self.swarm.object_name(part);
            let id = known.get(&name).cloned().unwrap_or_default();
            File { id, name, path: secret_path(part) }
        };
        Ok([AUTHORITY_CERT, AUTHORITY_KEY].map(file).into())
    }

    /// Makes one call through the relay, once more through a new one if it ended: every call may be repeated.
    pub(super) async fn call(&mut self, call: &Call) -> Result<Reply, BackendError> {
        let relay = self.relay().await?;
        let first = relay.lock().await.call(call).await;
        if let Ok(reply) = first {
            return Ok(reply);
        }
        self.relay = None;
        let relay = self.relay().await?;
        let second = relay.lock().await.call(call).await;
        Ok(second?)
    }

    /// Returns the relay, which is started if need be. After an engine's restart the swarm names for a moment the
    /// container of before.
    pub(super) async fn relay(&mut self) -> Result<Arc<Mutex<Relay>>, BackendError> {
        if let Some(relay) = &self.relay {
            return Ok(relay.clone());
        }
        let began = Instant::now();
        let relay = loop {
            let container = self.operator_container().await?;
            match Relay::start(&self.swarm.docker, &container).await {
                Err(error) if error.is_gone() && began.elapsed() < START_TIMEOUT => {
                    tokio::time::sleep(START_INTERVAL).await;
                }
                started => break started?,
            }
        };
        Ok(self.relay.insert(Arc::new(Mutex::new(relay))).clone())
    }

    /// Waits for the operator's container. A swarm that was never deployed to has none, and is not waited for.
    async fn operator_container(&self) -> Result<String, BackendError> {
        let name = self.swarm.service_name(OPERATOR);
        let began = Instant::now();
        loop {
            if self.inspect(&name).await?.is_none() {
                let why = "the operator's service is not there".to_owned();
                return Err(RelayError::Ended(why).into());
            }
            let why = match self.operator_task(&name).await? {
                Some(task) => match container(&task) {
                    Some(container) => return Ok(container),
                    None => told(&task),
                },
                None => "it has no task yet".to_owned(),
            };
            if began.elapsed() > START_TIMEOUT {
                return Err(RelayError::Ended(format!("the operator does not run: {why}")).into());
            }
            tokio::time::sleep(START_INTERVAL).await;
        }
    }

    /// Returns the operator's task that is meant to run; while it is replaced, the new one.
    pub(super) async fn operator_task(&self, name: &str) -> Result<Option<Task>, BackendError> {
        let filters = HashMap::from([("service".to_owned(), vec![name.to_owned()])]);
        let options = ListTasksOptionsBuilder::new().filters(&filters).build();
        let doing = || "read the operator's tasks".to_owned();
        let list = || self.swarm.docker.list_tasks(Some(options.clone()));
        let tasks = self.swarm.ask(doing, list).await?;
        Ok(tasks.into_iter().max_by_key(|task| (wants_to_run(task), task.created_at)))
    }
}

/// Returns the container of a task that runs.
pub(super) fn container(task: &Task) -> Option<String> {
    let is_running = wants_to_run(task) && state(task) == TaskState::RUNNING;
    let status = task.status.as_ref().filter(|_| is_running)?;
    status.container_status.as_ref()?.container_id.clone()
}

pub(super) fn told(task: &Task) -> String {
    let error = task.status.as_ref().and_then(|it| it.err.clone()).unwrap_or_default();
    format!("its task is {} {error}", state(task)).trim_end().to_owned()
}

fn seal_of(spec: &ServiceSpec) -> Option<&String> {
    spec.labels.as_ref()?.get(label::SEAL)
}

fn image_of(spec: &ServiceSpec) -> Option<&str> {
    spec.task_template.as_ref()?.container_spec.as_ref()?.image.as_deref()
}
