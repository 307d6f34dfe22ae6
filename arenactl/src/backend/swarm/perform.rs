//! Effects, one function each.

use std::time::Duration;

use arena_types::InstanceId;
use arena_types::contract::{AtDeadline, DrainMode, DrainRequest};
use arenactl_planning::observed::UnitState;
use arenactl_planning::rollout::Effect;
use arenactl_planning::spec::Kind;
use arenactl_planning::units::{Span, Timestamp};
use bollard::models::ServiceSpec;

use super::SwarmBackend;
use super::observe::{Placed, addresses_of};
use super::service::replicas;
use crate::backend::{BackendError, Unit};
use crate::clock;
use crate::relay::{Call, Reply, Target};
use crate::swarm::{SwarmError, label};

/// Tries to start a drain: a busy instance answers late, a dead one is seen to be dead in between.
const DRAIN_ATTEMPT_COUNT_MAX: u32 = 5;
/// Pause between two tries; each has its own timeout.
const DRAIN_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// What is ended has this long to write its results.
const END_DEADLINE_S: u64 = 1;

impl SwarmBackend {
    pub(super) async fn perform_effect(&mut self, effect: &Effect) -> Result<(), BackendError> {
        match effect {
            Effect::Start { service, instance, release, replaces } => {
                self.start(service, instance, *release, replaces.as_ref()).await?;
            }
            Effect::Restore { service, instance, release, replaces } => {
                self.cancel_drain(instance).await?;
                self.start(service, instance, *release, replaces.as_ref()).await?;
            }
            Effect::SetTraffic { service, weights } => self.route(service, weights).await?,
            // A draining instance moves its matches itself, to where the traffic goes.
            Effect::Drain { instance, deadline, mode, at_deadline, .. } => {
                self.drain(instance, *deadline, *mode, *at_deadline).await?;
            }
            Effect::Stop { instance, .. } => self.stop(instance).await?,
        }
        Ok(())
    }

    async fn drain(
        &mut self,
        instance: &InstanceId,
        deadline: Span,
        mode: DrainMode,
        at_deadline: AtDeadline,
    ) -> Result<(), BackendError> {
        let request = DrainRequest { deadline_s: deadline.as_s().max(1), mode, at_deadline };
        self.steer(instance, |target, token| Call::Drain { target, token, request }).await
    }

    /// An instance that drains takes work again; one that was told to exit is started anew.
    async fn cancel_drain(&mut self, instance: &InstanceId) -> Result<(), BackendError> {
        let seen = self.see().await?;
        if !seen.instances.get(instance).is_some_and(Placed::is_wanted) {
            return Ok(());
        }
        let units = self.look_at(&seen, std::slice::from_ref(instance)).await?;
        let is_draining = |state| matches!(state, UnitState::Draining | UnitState::Empty);
        if !units.first().is_some_and(|unit| is_draining(unit.state)) {
            return Ok(());
        }
        self.steer(instance, |target, token| Call::Undrain { target, token }).await
    }

    /// Tells an instance something that needs its drain token. What does not run needs no telling, and what was
    /// told to stop takes no more.
    async fn steer(
        &mut self,
        instance: &InstanceId,
        call: impl Fn(Target, String) -> Call,
    ) -> Result<(), BackendError> {
        let mut attempt = 1;
        loop {
            let seen = self.see().await?;
            let Some(placed) = seen.instances.get(instance).filter(|it| it.is_wanted()) else {
                return Ok(());
            };
            let addresses = addresses_of(&seen, placed);
            let (Some(_), Some(address)) = (placed.running(), addresses.get("side")) else {
                return Ok(());
            };
            let target = Target { instance: instance.clone(), address: *address };
            let token = placed.label(label::DRAIN_TOKEN).unwrap_or_default().to_owned();
            let refused = |why: String| BackendError::Instance {
                instance: instance.clone(),
                source: why.into(),
            };
            match self.call(&call(target, token)).await? {
                Reply::Done => return Ok(()),
                Reply::Unreachable { .. } if attempt < DRAIN_ATTEMPT_COUNT_MAX => {
                    attempt += 1;
                    tokio::time::sleep(DRAIN_RETRY_INTERVAL).await;
                }
                Reply::Unreachable { why } | Reply::Failed { why } => return Err(refused(why)),
                other => return Err(refused(format!("unexpected reply {other:?}"))),
            }
        }
    }

    /// Stops an instance: it gets SIGTERM, and its drain's deadline to exit.
    async fn stop(&mut self, instance: &InstanceId) -> Result<(), BackendError> {
        let seen = self.see().await?;
        let Some(placed) = seen.instances.get(instance).filter(|it| it.is_wanted()) else {
            return Ok(());
        };
        let units = self.look_at(&seen, std::slice::from_ref(instance)).await?;
        let is_let_go = units.first().is_some_and(|unit| self.is_let_go(unit));
        if let Some(unit) = units.first() {
            self.keep_tail(unit).await;
        }
        let now_ms = clock::now_ms().to_string();
        let stopped = |spec: ServiceSpec| {
            let mut spec = ServiceSpec { mode: Some(replicas(0)), ..spec };
            let labels = spec.labels.get_or_insert_default();
            labels.insert(label::STOPPED_MS.to_owned(), now_ms.clone());
            if is_let_go {
                labels.insert(label::LET_GO.to_owned(), "1".to_owned());
            }
            labels.remove(label::SEAL); // What is stopped is written anew before it starts.
            spec
        };
        self.update(placed.id(), placed.name(), None, stopped).await
    }

    /// An empty instance is as good as stopped: Docker waits two seconds before it even sends the signal, and
    /// nothing is left that the next step could disturb. Data is another matter: only one process may open it.
    fn is_let_go(&self, unit: &Unit) -> bool {
        let release = self.releases.get(&unit.release);
        let spec = release.and_then(|it| it.spec.services.get(&unit.service));
        let is_data = spec.is_none_or(|it| it.kind == Kind::Data);
        unit.state == UnitState::Empty && !is_data
    }

    /// Stops an instance whoever it holds: what is left on it is ended first, or it would be waited for.
    pub(super) async fn end(&mut self, instance: &InstanceId) -> Result<(), BackendError> {
        let (deadline, mode) = (Span::from_s(END_DEADLINE_S), DrainMode::Wait);
        // One that cannot be told is stopped all the same.
        let _ = self.drain(instance, deadline, mode, AtDeadline::End).await;
        self.stop(instance).await
    }

    /// Removes the services of instances that were stopped before `before`.
    pub(super) async fn remove_old(&mut self, before: Timestamp) -> Result<(), BackendError> {
        let seen = self.see().await?;
        for placed in seen.instances.values() {
            let stopped_ms = placed.label(label::STOPPED_MS).and_then(|it| it.parse::<u64>().ok());
            let is_old = stopped_ms.is_some_and(|at| at < before.0);
            if is_old && !placed.is_wanted() && placed.live().next().is_none() {
                self.remove_service(placed.id(), placed.name()).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn remove_service(&self, id: &str, name: &str) -> Result<(), SwarmError> {
        let doing = || format!("remove the service `{name}`");
        match self.swarm.ask(doing, || self.swarm.docker.delete_service(id)).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}
