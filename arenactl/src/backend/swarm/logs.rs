//! What instances wrote.

use arena_types::InstanceId;
use arenactl_planning::observed::UnitState;
use bollard::container::LogOutput;
use bollard::errors::Error as BollardError;
use bollard::query_parameters::LogsOptionsBuilder;
use futures::{Stream, StreamExt as _};

use super::SwarmBackend;
use super::observe::Placed;
use crate::backend::Unit;

/// Lines kept of an instance that goes before anybody asked: more than any card shows.
const KEPT_COUNT: usize = 50;

impl SwarmBackend {
    /// Returns the last lines that an instance wrote, wherever its node is.
    pub(super) async fn tail(&self, instance: &InstanceId, count: usize) -> Vec<String> {
        let docker = &self.swarm.docker;
        let name = self.swarm.service_name(instance.as_str());
        let options = || {
            let options = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true);
            Some(options.tail(&count.to_string()).build())
        };
        let mut lines = read(docker.service_logs(&name, options())).await;
        // A swarm tells nothing of a container that did not pass its first health check; its own engine does.
        if lines.is_empty()
            && let Some(container) = self.container_here(instance).await
        {
            lines = read(docker.logs(&container, options())).await;
        }
        if lines.is_empty() {
            lines.extend(self.tails.get(instance).cloned().unwrap_or_default());
        }
        lines.drain(..lines.len().saturating_sub(count));
        lines
    }

    /// Keeps what an instance wrote that is about to be stopped and never worked: its container goes with it.
    pub(super) async fn keep_tail(&mut self, unit: &Unit) {
        if matches!(unit.state, UnitState::Starting | UnitState::Failed) {
            let lines = self.tail(&unit.instance, KEPT_COUNT).await;
            self.tails.insert(unit.instance.clone(), lines);
        }
    }

    /// Returns the container of an instance, if it is on the node of the engine that is talked to.
    async fn container_here(&self, instance: &InstanceId) -> Option<String> {
        let seen = self.see().await.ok()?;
        let task = seen.instances.get(instance).and_then(Placed::running)?;
        let is_here = task.node_id.as_ref() == Some(&self.swarm.node_id);
        task.status.as_ref().filter(|_| is_here)?.container_status.as_ref()?.container_id.clone()
    }
}

/// Several tasks of one instance are told one after the other: their stamps bring them in order.
async fn read(logs: impl Stream<Item = Result<LogOutput, BollardError>>) -> Vec<String> {
    let mut logs = std::pin::pin!(logs);
    let mut lines = Vec::new();
    while let Some(Ok(output)) = logs.next().await {
        let (LogOutput::StdOut { message } | LogOutput::StdErr { message }) = output else {
            continue;
        };
        let text = String::from_utf8_lossy(&message);
        lines.extend(text.lines().map(str::to_owned));
    }
    lines.sort();
    let unstamped =
        |line: &String| line.split_once(' ').map_or(line.as_str(), |it| it.1).to_owned();
    lines.iter().map(unstamped).collect()
}
