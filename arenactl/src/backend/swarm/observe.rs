//! What a swarm shows: services, their tasks, the nodes; and what instances say of themselves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use arena_types::InstanceId;
use arenactl_planning::observed::UnitState;
use arenactl_planning::release::Release;
use arenactl_planning::rollout::{Event, Rollout};
use bollard::models::{
    Node, NodeSpecAvailabilityEnum, NodeState, Service, ServiceSpec, Task, TaskState,
};
use bollard::query_parameters::{
    ListNodesOptions, ListServicesOptions, ListServicesOptionsBuilder, ListTasksOptions,
};

use super::operator::OPERATOR;
use super::{SwarmBackend, address, nodes, seal};
use crate::backend::unit::{answer, remember};
use crate::backend::{BackendError, Lack, Unit};
use crate::clock;
use crate::relay::{Call, Reply, Target};
use crate::side_port::Probe;
use crate::swarm::{Kind, SwarmError, label};

/// Failed tasks of one instance that make a loop of it. Swarm keeps five of each.
const FAILURE_COUNT_MAX: usize = 4;
/// How long a task may find no node while nothing is about to give resources back.
const PENDING_MS_MAX: u64 = 8_000;

/// A look at the swarm.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) instances: BTreeMap<InstanceId, Placed>,
    /// By id.
    pub(super) nodes: BTreeMap<String, Node>,
    /// Every task of the swarm that goes on, ours or not: they all hold resources.
    pub(super) tasks: Vec<Task>,
}

/// One instance: its service and the tasks of it, the newest first.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) service: Service,
    pub(super) labels: HashMap<String, String>,
    pub(super) tasks: Vec<Task>,
}

impl Placed {
    pub(super) fn id(&self) -> &str {
        self.service.id.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        let spec = self.service.spec.as_ref();
        spec.and_then(|it| it.name.as_deref()).unwrap_or_default()
    }

    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// Says whether it shall run.
    pub(super) fn is_wanted(&self) -> bool {
        let mode = self.service.spec.as_ref().and_then(|it| it.mode.as_ref());
        let replicas = mode.and_then(|it| it.replicated.as_ref()).and_then(|it| it.replicas);
        replicas.unwrap_or(0) > 0
    }

    /// Says whether it was empty when it was told to stop: what is left of it is its exit, which nobody waits for.
    pub(super) fn is_let_go(&self) -> bool {
        !self.is_wanted() && self.label(label::LET_GO).is_some()
    }

    /// Returns its tasks that have not ended, the newest first.
    pub(super) fn live(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| is_live(task))
    }

    /// Returns the task whose process runs, if one does.
    pub(super) fn running(&self) -> Option<&Task> {
        self.live().find(|task| is_up(task))
    }

    pub(super) fn node_id(&self) -> Option<&str> {
        self.running().or_else(|| self.live().next()).and_then(|task| task.node_id.as_deref())
    }

    fn port(&self, key: &str) -> Option<u16> {
        self.label(key).and_then(|it| it.parse().ok())
    }
}

/// Says whether a task holds resources, or will.
pub(super) fn is_live(task: &Task) -> bool {
    use TaskState as S;
    !matches!(
        state(task),
        S::COMPLETE | S::SHUTDOWN | S::FAILED | S::REJECTED | S::REMOVE | S::ORPHANED
    )
}

/// Says whether the task's process was started: it answers on its ports before its first health check.
fn is_up(task: &Task) -> bool {
    matches!(state(task), TaskState::STARTING | TaskState::RUNNING)
}

pub(super) fn state(task: &Task) -> TaskState {
    task.status.as_ref().and_then(|it| it.state).unwrap_or(TaskState::NEW)
}

/// Says whether a task's node is gone.
fn is_lost(task: &Task, nodes: &BTreeMap<String, Node>) -> bool {
    let node = task.node_id.as_ref().and_then(|id| nodes.get(id));
    node.and_then(|node| node.status.as_ref()?.state) == Some(NodeState::DOWN)
}

/// Says whether a task is the one of its slot that shall run.
pub(super) fn wants_to_run(task: &Task) -> bool {
    use TaskState as S;
    matches!(task.desired_state, Some(S::RUNNING | S::READY | S::STARTING | S::ACCEPTED))
}

fn created_ms(task: &Task) -> u64 {
    let nanos = task.created_at.map_or(0, bollard::models::BollardDate::unix_timestamp_nanos);
    u64::try_from(nanos / 1_000_000).unwrap_or(0)
}

impl SwarmBackend {
    /// Reads services, tasks and nodes.
    pub(super) async fn see(&self) -> Result<Seen, SwarmError> {
        let docker = &self.swarm.docker;
        let options = ListServicesOptionsBuilder::new()
            .filters(&self.swarm.filters(Some(Kind::Instance)))
            .build();
        let doing = |what: &'static str| move || format!("list the {what} of the swarm");
        let services = self
            .swarm
            .ask(doing("services"), || docker.list_services(Some(options.clone())))
            .await?;
        let mut tasks =
            self.swarm.ask(doing("tasks"), || docker.list_tasks(None::<ListTasksOptions>)).await?;
        let nodes =
            self.swarm.ask(doing("nodes"), || docker.list_nodes(None::<ListNodesOptions>)).await?;
        tasks.sort_by_key(|task| std::cmp::Reverse(created_ms(task)));
        let nodes: BTreeMap<String, Node> =
            nodes.into_iter().filter_map(|node| Some((node.id.clone()?, node))).collect();
        // What shall end on a node that is gone has ended as far as anybody will ever know.
        tasks.retain(|task| wants_to_run(task) || !is_lost(task, &nodes));
        let placed = services.into_iter().filter_map(|service| placed(service, &tasks));
        let instances: BTreeMap<InstanceId, Placed> = placed.collect();
        // What is let go gives its resources back before anything that is planned now needs them.
        let let_go: HashSet<&str> =
            instances.values().filter(|it| it.is_let_go()).map(Placed::id).collect();
        tasks.retain(|task| task.service_id.as_deref().is_none_or(|id| !let_go.contains(id)));
        Ok(Seen { instances, nodes, tasks })
    }

    /// Looks at instances: what the swarm knows, and what they say of themselves.
    pub(super) async fn look_at(
        &mut self,
        seen: &Seen,
        wanted: &[InstanceId],
    ) -> Result<Vec<Unit>, BackendError> {
        let (mut units, targets) = self.stand(seen, wanted);
        for ((index, _), probe) in targets.iter().zip(self.probe(&targets).await) {
            units[*index].judge(probe);
        }
        for unit in &mut units {
            settle(unit, seen);
        }
        Ok(units)
    }

    /// Returns what the swarm alone says of instances, and which of these can be asked where.
    pub(super) fn stand(
        &mut self,
        seen: &Seen,
        wanted: &[InstanceId],
    ) -> (Vec<Unit>, Vec<(usize, Target)>) {
        let now_ms = clock::now_ms();
        if seen.instances.values().any(|it| it.is_let_go() && it.live().next().is_some()) {
            self.freeing_ms = now_ms;
        }
        let is_freeing = now_ms.saturating_sub(self.freeing_ms) <= PENDING_MS_MAX;
        let overdue_ms = if is_freeing { 0 } else { now_ms.saturating_sub(PENDING_MS_MAX) };
        let mut units = Vec::new();
        let mut targets = Vec::new();
        for (instance, placed) in wanted.iter().filter_map(|it| Some((it, seen.instances.get(it)?)))
        {
            let Some(unit) = unit(placed, seen, &self.region.gpu_kind, overdue_ms) else {
                continue;
            };
            let running = placed.running().filter(|_| unit.state != UnitState::Stopped);
            if let (Some(_), Some(address)) = (running, unit.addresses.get("side")) {
                targets
                    .push((units.len(), Target { instance: instance.clone(), address: *address }));
            }
            units.push(unit);
        }
        (units, targets)
    }

    /// Returns the services of others that stand where ours would.
    pub(super) async fn foreign_services(
        &self,
        release: &Release,
    ) -> Result<Vec<Lack>, BackendError> {
        let doing = || "list the services of the swarm".to_owned();
        let list = || self.swarm.docker.list_services(None::<ListServicesOptions>);
        let services = self.swarm.ask(doing, list).await?;
        let ours = format!("{}={}", self.swarm.cluster, self.swarm.region);
        let is_ours = |spec: &ServiceSpec| {
            let label = |key: &str| spec.labels.as_ref()?.get(key).cloned();
            let (cluster, region) = (label(label::CLUSTER), label(label::REGION));
            format!("{}={}", cluster.unwrap_or_default(), region.unwrap_or_default()) == ours
        };
        let mut wanted: Vec<String> = release
            .spec
            .services
            .keys()
            .map(|service| self.swarm.service_name(&format!("{service}-{}-", release.id)))
            .collect();
        wanted.push(self.swarm.service_name(OPERATOR));
        let specs = services.iter().filter_map(|it| it.spec.as_ref());
        let foreign = specs.filter(|spec| !is_ours(spec)).filter_map(|spec| spec.name.as_deref());
        let taken = foreign.filter(|name| wanted.iter().any(|it| name.starts_with(it.as_str())));
        let lack = |name: &str| Lack {
            what: format!("a service `{name}` exists and is not arenactl's"),
            help: format!("look at it: `docker service inspect {name}`; rename it, or `cluster:`"),
        };
        Ok(taken.map(lack).collect())
    }

    /// Asks side ports through the relay. Without one nobody knows what instances say: that is no failure of
    /// theirs.
    pub(super) async fn probe(&mut self, targets: &[(usize, Target)]) -> Vec<Probe> {
        if targets.is_empty() {
            return Vec::new();
        }
        let call = Call::Probe { targets: targets.iter().map(|(_, it)| it.clone()).collect() };
        let why = match self.call(&call).await {
            Ok(Reply::Probes { probes }) if probes.len() == targets.len() => return probes,
            Ok(reply) => format!("unexpected reply of the relay: {reply:?}"),
            Err(error) => crate::error::causes(&error),
        };
        vec![Probe { report: Err(why), not_ready: None }; targets.len()]
    }

    /// Returns the first thing that a rollout waits for or must be told, in the order it waits.
    pub(super) async fn look_for(
        &mut self,
        rollout: &Rollout,
    ) -> Result<Option<Event>, BackendError> {
        let (watched, waits) = (rollout.watched(), rollout.waits());
        let mut wanted: Vec<InstanceId> = waits.iter().map(|wait| wait.unit.clone()).collect();
        wanted.extend(watched.iter().cloned());
        wanted.sort();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(None);
        }
        let seen = self.see().await?;
        for placed in watched.iter().filter_map(|instance| seen.instances.get(instance)) {
            seal::check(placed)?;
        }
        let units = self.look_at(&seen, &wanted).await?;
        let unit = |instance: &InstanceId| units.iter().find(|unit| unit.instance == *instance);
        let failed = |instance: &InstanceId| {
            let unit = unit(instance).filter(|unit| unit.state == UnitState::Failed)?;
            Some(Event::Failed { instance: instance.clone(), reason: unit.note.clone() })
        };
        if let Some(event) = watched.iter().find_map(failed) {
            return Ok(Some(event));
        }
        for wait in waits {
            let unit = unit(&wait.unit);
            remember(&mut self.seen, &wait, unit);
            if let Some(event) = answer(wait, unit) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}

/// Returns where an instance answers, by socket name.
pub(super) fn addresses_of(seen: &Seen, placed: &Placed) -> BTreeMap<String, SocketAddr> {
    let node = placed.node_id().and_then(|id| seen.nodes.get(id));
    node.and_then(address::of).map(|ip| addresses(placed, ip)).unwrap_or_default()
}

fn placed(service: Service, tasks: &[Task]) -> Option<(InstanceId, Placed)> {
    let labels = service.spec.as_ref()?.labels.clone().unwrap_or_default();
    let instance = labels.get(label::INSTANCE)?.parse().ok()?;
    let own = |task: &&Task| task.service_id.is_some() && task.service_id == service.id;
    let tasks = tasks.iter().filter(own).cloned().collect();
    Some((instance, Placed { service, labels, tasks }))
}

/// What the swarm alone says of an instance; `None` if its labels are not ours.
fn unit(placed: &Placed, seen: &Seen, gpu_kind: &str, overdue_ms: u64) -> Option<Unit> {
    let name = |key| placed.label(key).unwrap_or_default();
    let mut unit =
        Unit::blank(name(label::INSTANCE), name(label::SERVICE), name(label::RELEASE)).ok()?;
    let failed = placed.tasks.iter().filter(|task| state(task) == TaskState::FAILED);
    unit.restarts = failed.count() as u32;
    unit.node = placed.node_id().and_then(|id| seen.nodes.get(id)).map(nodes::name);
    unit.addresses = addresses_of(seen, placed);
    (unit.state, unit.note) = standing(placed, seen, gpu_kind, overdue_ms);
    Some(unit)
}

fn addresses(placed: &Placed, ip: IpAddr) -> BTreeMap<String, SocketAddr> {
    let ports =
        [("side", label::SIDE_PORT), ("mesh", label::MESH_PORT), ("public", label::PUBLIC_PORT)];
    let address =
        |(name, key): (&str, &str)| Some((name.to_owned(), SocketAddr::new(ip, placed.port(key)?)));
    ports.into_iter().filter_map(address).collect()
}

/// Where an instance is in its life as far as Swarm knows it. One that finds no node and was created before
/// `overdue_ms` has failed.
fn standing(placed: &Placed, seen: &Seen, gpu_kind: &str, overdue_ms: u64) -> (UnitState, String) {
    if !placed.is_wanted() {
        return match placed.live().next() {
            Some(_) if !placed.is_let_go() => (UnitState::Draining, "stopping".to_owned()),
            _ => (UnitState::Stopped, last_end(placed)),
        };
    }
    let Some(task) = placed.live().find(|task| wants_to_run(task)) else {
        let note = last_end(placed);
        return (UnitState::Starting, note);
    };
    let status = task.status.as_ref();
    let error = status.and_then(|it| it.err.as_deref()).unwrap_or_default();
    match state(task) {
        TaskState::RUNNING | TaskState::STARTING => (UnitState::Starting, String::new()),
        TaskState::PENDING if !error.is_empty() => {
            let why = nodes::why_pending(task, error, seen, gpu_kind);
            let is_over = created_ms(task) < overdue_ms;
            (if is_over { UnitState::Failed } else { UnitState::Starting }, why)
        }
        state if error.is_empty() => (UnitState::Starting, format!("task {}", word(state))),
        state => (UnitState::Starting, format!("task {}: {error}", word(state))),
    }
}

/// Says the last word on an instance once it has spoken.
pub(super) fn settle(unit: &mut Unit, seen: &Seen) {
    give_up(unit, seen, clock::now_ms());
    let is_wanted = seen.instances.get(&unit.instance).is_some_and(Placed::is_wanted);
    if unit.state == UnitState::Empty && !is_wanted {
        "stopping".clone_into(&mut unit.note);
    }
}

/// An instance that keeps failing, or whose node is gone, has failed unless it says otherwise by now.
fn give_up(unit: &mut Unit, seen: &Seen, now_ms: u64) {
    let Some(placed) = seen.instances.get(&unit.instance) else { return };
    if unit.state != UnitState::Starting || !placed.is_wanted() {
        return;
    }
    let failures = placed.tasks.iter().filter(|task| state(task) == TaskState::FAILED).count();
    if failures >= FAILURE_COUNT_MAX {
        unit.state = UnitState::Failed;
        unit.note = format!("exits again and again, {}", last_end(placed));
    }
    let rejected = placed.tasks.first().filter(|task| state(task) == TaskState::REJECTED);
    if let Some(task) = rejected
        && now_ms.saturating_sub(first_created_ms(placed)) > PENDING_MS_MAX
        && placed.tasks.iter().all(|task| state(task) == TaskState::REJECTED)
    {
        let error = task.status.as_ref().and_then(|it| it.err.clone()).unwrap_or_default();
        unit.state = UnitState::Failed;
        unit.note = format!("rejected again and again: {error}");
    }
}

fn first_created_ms(placed: &Placed) -> u64 {
    placed.tasks.last().map_or(0, created_ms)
}

/// How the last task that ended did.
fn last_end(placed: &Placed) -> String {
    let Some(task) = placed.tasks.iter().find(|task| !is_live(task)) else { return String::new() };
    let status = task.status.as_ref();
    let exit = status.and_then(|it| it.container_status.as_ref()).and_then(|it| it.exit_code);
    let error = status.and_then(|it| it.err.as_deref()).filter(|it| !it.is_empty());
    match (state(task), exit, error) {
        (TaskState::FAILED, Some(code), _) if code != 0 => format!("last exit code {code}"),
        (TaskState::FAILED | TaskState::REJECTED, _, Some(error)) => format!("last: {error}"),
        (TaskState::ORPHANED, ..) => "its node is gone".to_owned(),
        _ => String::new(),
    }
}

fn word(state: TaskState) -> String {
    state.to_string()
}

/// Says whether a node takes new tasks.
pub(super) fn takes_tasks(node: &Node) -> bool {
    let is_ready = node.status.as_ref().and_then(|it| it.state) == Some(NodeState::READY);
    let availability = node.spec.as_ref().and_then(|it| it.availability);
    is_ready && availability == Some(NodeSpecAvailabilityEnum::ACTIVE)
}
