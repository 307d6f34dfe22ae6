//! A job on many nodes: a process of the operator's image that tells the facts of its node, and is removed.
//!
//! It is a service of Docker's mode `global`, not `global-job`: engine 20.10 leaves the containers of a removed job
//! behind, with their volumes, even those that run. For the same reason the process waits to be stopped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use arenactl_planning::Digest;
use bollard::container::LogOutput;
use bollard::models::{
    GenericResourcesInner, GenericResourcesInnerDiscreteResourceSpec, HealthConfig, Limit, Mount,
    MountType, ResourceObject, ServiceSpec, ServiceSpecMode, Task, TaskSpec, TaskSpecContainerSpec,
    TaskSpecPlacement, TaskSpecResources, TaskSpecRestartPolicy,
    TaskSpecRestartPolicyConditionEnum, TaskState,
};
use bollard::query_parameters::{
    ListServicesOptionsBuilder, ListTasksOptionsBuilder, LogsOptionsBuilder,
};
use futures::StreamExt as _;
use tokio::time::{Instant, timeout};

use super::SwarmBackend;
use super::observe::state;
use super::operator::told;
use super::service::{host_network, tmpfs};
use crate::backend::BackendError;
use crate::backend::survey::Probed;
use crate::clock;
use crate::swarm::{Kind, SwarmError, label};

/// How long nodes have for it: the image may have to be pulled first.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How often its tasks are looked at. A node's clock is known as well as this and [`REPORT_LAG_MS`] allow.
const INTERVAL: Duration = Duration::from_millis(100);
/// A node tells its manager of a task's new state up to this much later.
const REPORT_LAG_MS: u64 = 1_000;
/// How long a node has to hand over what its task wrote.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);
/// What a process that reads a few files may use.
const NANO_CPUS: i64 = 500_000_000;
const MEMORY_BYTES: i64 = 64 << 20;
/// Asks NVIDIA's runtime for all GPUs: where it is the default one they are there, elsewhere nothing happens.
const ALL_GPUS: &str = "NVIDIA_VISIBLE_DEVICES=all";

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) image: String,
    /// The registry that each node asks.
    pub(super) registry: Option<String>,
    /// Ids of the nodes it shall run on.
    pub(super) nodes: BTreeSet<String>,
    /// Ids of all others.
    pub(super) besides: BTreeSet<String>,
    /// The kind of the one GPU that it is given.
    pub(super) gpu_kind: Option<String>,
}

/// What is known of a job's task on one node.
#[derive(Clone, Debug, Default)]
struct Followed {
    task: Option<Task>,
    /// When it was last seen not to have begun, by our clock.
    begun_after_ms: u64,
    found: Option<Result<Probed, String>>,
}

impl SwarmBackend {
    /// Runs a job to its end and removes it; returns what each node's process found, or why there is nothing.
    pub(super) async fn run_probes(
        &self,
        job: &Job,
    ) -> Result<BTreeMap<String, Result<Probed, String>>, BackendError> {
        if job.nodes.is_empty() {
            return Ok(BTreeMap::new());
        }
        let began_ms = clock::now_ms();
        let spec = self.probe_service(job, began_ms);
        let name = spec.name.clone().unwrap_or_default();
        let login = self.login(&job.image).await?;
        let doing = || "run a job on the nodes".to_owned();
        let create = || self.swarm.docker.create_service(spec.clone(), login.clone());
        match self.swarm.ask(doing, create).await {
            // Taken by our own first try, whose answer was lost.
            Err(error) if error.status() != Some(409) => return Err(error.into()),
            _ => {}
        }
        let found = self.follow(job, &name, began_ms).await;
        self.remove_service(&name, &name).await?;
        Ok(found?)
    }

    /// Removes what a doctor that was killed left behind.
    pub(super) async fn remove_leftovers(&self) -> Result<(), SwarmError> {
        let filters = self.swarm.filters(Some(Kind::Probe));
        let options = ListServicesOptionsBuilder::new().filters(&filters).build();
        let doing = || "list the jobs of earlier checks".to_owned();
        let list = || self.swarm.docker.list_services(Some(options.clone()));
        let now_ms = clock::now_ms();
        for service in self.swarm.ask(doing, list).await? {
            let Some((id, spec)) = service.id.zip(service.spec) else { continue };
            let labels = spec.labels.unwrap_or_default();
            let until_ms = labels.get(label::UNTIL_MS).and_then(|it| it.parse().ok()).unwrap_or(0);
            if now_ms > until_ms {
                self.remove_service(&id, &spec.name.unwrap_or_default()).await?;
            }
        }
        Ok(())
    }

    /// Looks at the tasks until each has told its facts or has ended without.
    async fn follow(
        &self,
        job: &Job,
        name: &str,
        began_ms: u64,
    ) -> Result<BTreeMap<String, Result<Probed, String>>, SwarmError> {
        let blank = Followed { begun_after_ms: began_ms, ..Followed::default() };
        let mut followed: BTreeMap<String, Followed> =
            job.nodes.iter().map(|node| (node.clone(), blank.clone())).collect();
        let began = Instant::now();
        loop {
            let before_ms = clock::now_ms();
            for task in self.probe_tasks(name).await? {
                let node = task.node_id.as_ref().and_then(|node| followed.get_mut(node));
                if let Some(node) = node.filter(|it| it.found.is_none()) {
                    self.notice(node, task, before_ms).await;
                }
            }
            if followed.values().all(|it| it.found.is_some()) || began.elapsed() > TIMEOUT {
                break;
            }
            tokio::time::sleep(INTERVAL).await;
        }
        Ok(followed.into_iter().map(|(node, followed)| (node, followed.end())).collect())
    }

    async fn probe_tasks(&self, name: &str) -> Result<Vec<Task>, SwarmError> {
        let filters = HashMap::from([("service".to_owned(), vec![name.to_owned()])]);
        let options = ListTasksOptionsBuilder::new().filters(&filters).build();
        let doing = || "read the tasks of the job".to_owned();
        self.swarm.ask(doing, || self.swarm.docker.list_tasks(Some(options.clone()))).await
    }

    /// Notes a task's state, and hears it if it has begun.
    async fn notice(&self, node: &mut Followed, task: Task, before_ms: u64) {
        let state = state(&task);
        if state < TaskState::STARTING {
            let told_ms = before_ms.saturating_sub(REPORT_LAG_MS);
            node.begun_after_ms = node.begun_after_ms.max(told_ms);
        } else if state >= TaskState::RUNNING {
            let lines = self.task_lines(task.id.as_deref().unwrap_or_default()).await;
            let facts = lines.iter().find_map(|line| serde_json::from_str(line).ok());
            node.found = match facts {
                Some(facts) => {
                    Some(Ok(Probed { facts, between_ms: (node.begun_after_ms, clock::now_ms()) }))
                }
                None if state == TaskState::RUNNING => None,
                None => Some(Err(ended(&task, &lines))),
            };
        }
        node.task = Some(task);
    }

    async fn task_lines(&self, task: &str) -> Vec<String> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let mut logs = std::pin::pin!(self.swarm.docker.task_logs(task, Some(options)));
        let mut text = Vec::new();
        let read = async {
            while let Some(Ok(output)) = logs.next().await {
                if let LogOutput::StdOut { message } | LogOutput::StdErr { message } = output {
                    text.extend_from_slice(&message);
                }
            }
        };
        // What came until then is what there is.
        let _ = timeout(LOG_TIMEOUT, read).await;
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    fn probe_service(&self, job: &Job, now_ms: u64) -> ServiceSpec {
        let until_ms = now_ms + (TIMEOUT + LOG_TIMEOUT).as_millis() as u64;
        let mut labels = self.swarm.labels(Kind::Probe);
        labels.insert(label::UNTIL_MS.to_owned(), until_ms.to_string());
        // Two people may look at once, each with jobs of their own.
        let own = format!("{} {now_ms} {:?}", std::process::id(), job.gpu_kind);
        let own = Digest::of(own.as_bytes()).short();
        let reserved = job.gpu_kind.as_ref().map(|kind| GenericResourcesInner {
            named_resource_spec: None,
            discrete_resource_spec: Some(GenericResourcesInnerDiscreteResourceSpec {
                kind: Some(kind.clone()),
                value: Some(1),
            }),
        });
        let limit =
            Limit { nano_cpus: Some(NANO_CPUS), memory_bytes: Some(MEMORY_BYTES), pids: None };
        ServiceSpec {
            name: Some(self.swarm.service_name(&format!("probe-{own}"))),
            labels: Some(labels),
            task_template: Some(TaskSpec {
                container_spec: Some(probe_container(job)),
                resources: Some(TaskSpecResources {
                    limits: Some(limit),
                    reservations: Some(ResourceObject {
                        generic_resources: reserved.map(|it| vec![it]),
                        ..ResourceObject::default()
                    }),
                    ..TaskSpecResources::default()
                }),
                restart_policy: Some(TaskSpecRestartPolicy {
                    condition: Some(TaskSpecRestartPolicyConditionEnum::NONE),
                    ..TaskSpecRestartPolicy::default()
                }),
                placement: Some(TaskSpecPlacement {
                    constraints: Some(
                        job.besides.iter().map(|id| format!("node.id != {id}")).collect(),
                    ),
                    ..TaskSpecPlacement::default()
                }),
                networks: Some(vec![host_network()]),
                ..TaskSpec::default()
            }),
            mode: Some(on_every_node()),
            ..ServiceSpec::default()
        }
    }
}

impl Followed {
    fn end(self) -> Result<Probed, String> {
        let timed_out = format!("no answer within {} s", TIMEOUT.as_secs());
        match (self.found, self.task) {
            (Some(found), _) => found,
            (None, Some(task)) => Err(format!("{timed_out}: {}", told(&task))),
            (None, None) => Err(format!("{timed_out}: it was given no task")),
        }
    }
}

/// Says how a task ended that told no facts; an arenactl that knows no probes says so itself.
fn ended(task: &Task, lines: &[String]) -> String {
    match lines.first() {
        Some(line) => format!("{} ({line})", told(task)),
        None => told(task),
    }
}

#[expect(clippy::zero_sized_map_values, reason = "the client's type of an empty object")]
fn on_every_node() -> ServiceSpecMode {
    ServiceSpecMode { global: Some(HashMap::new()), ..ServiceSpecMode::default() }
}

fn probe_container(job: &Job) -> TaskSpecContainerSpec {
    let mut args = vec!["probe".to_owned(), "--wait".to_owned()];
    if let Some(registry) = &job.registry {
        args.extend(["--registry".to_owned(), registry.clone()]);
    }
    TaskSpecContainerSpec {
        image: Some(job.image.clone()),
        args: Some(args),
        env: Some(vec![ALL_GPUS.to_owned()]),
        read_only: Some(true),
        capability_drop: Some(vec!["ALL".to_owned()]),
        mounts: Some(vec![tmpfs(), unnamed_volume()]),
        health_check: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        ..TaskSpecContainerSpec::default()
    }
}

/// A volume without a name goes with its container.
fn unnamed_volume() -> Mount {
    Mount {
        target: Some(super::service::DATA.to_owned()),
        typ: Some(MountType::VOLUME),
        ..Mount::default()
    }
}
