//! Effects, one function each, and the look at what a rollout waits for.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use arena_types::InstanceId;
use arena_types::contract::{AtDeadline, DrainMode, DrainRequest};
use arenactl_planning::observed::UnitState;
use arenactl_planning::rollout::{Effect, Event, Rollout};
use arenactl_planning::units::Span;

use super::start::SECRETS;
use super::{Local, traffic, unit};
use crate::backend::unit::{answer, remember};
use crate::backend::{BackendError, Unit};
use crate::secrets::{self, DRAIN_TOKEN};
use crate::side_port::{self as http, SidePortError};
use crate::supervisor::control::{self, Request};
use crate::supervisor::{Phase, Report};

/// An instance that holds nobody gets this long to exit by itself.
const STOP_GRACE_MS: u64 = 10_000;
/// Tries to start a drain: a busy instance answers late, a dead one is seen to be dead in between.
const DRAIN_ATTEMPT_COUNT_MAX: u32 = 5;
/// Pause between two tries; each has its own timeout.
const DRAIN_RETRY_INTERVAL: Duration = Duration::from_millis(500);

impl Local {
    pub(super) async fn perform_effect(&mut self, effect: &Effect) -> Result<(), BackendError> {
        match effect {
            Effect::Start { service, instance, release, replaces } => {
                self.start(service, instance, *release, replaces.as_ref()).await?;
            }
            Effect::Restore { service, instance, release, replaces } => {
                self.cancel_drain(instance).await?;
                self.start(service, instance, *release, replaces.as_ref()).await?;
            }
            Effect::SetTraffic { service, weights } => {
                let store = self.running_store()?;
                traffic::set(&self.folder, store, service, weights).await?;
            }
            // A draining instance moves its matches itself, to where the traffic goes.
            Effect::Drain { instance, deadline, mode, at_deadline, .. } => {
                self.drain(instance, *deadline, *mode, *at_deadline).await?;
            }
            Effect::Stop { instance, .. } => self.stop(instance).await?,
        }
        Ok(())
    }

    /// Returns the first thing that a rollout waits for or must be told, in the order it waits.
    pub(super) async fn look_for(
        &mut self,
        rollout: &Rollout,
    ) -> Result<Option<Event>, BackendError> {
        for instance in rollout.watched() {
            if let Some(unit) = self.unit(&instance).await?
                && unit.state == UnitState::Failed
            {
                return Ok(Some(Event::Failed { instance, reason: unit.note }));
            }
        }
        for wait in rollout.waits() {
            let unit = self.unit(&wait.unit).await?;
            remember(&mut self.seen, &wait, unit.as_ref());
            if let Some(event) = answer(wait, unit.as_ref()) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    async fn unit(&self, instance: &InstanceId) -> Result<Option<Unit>, BackendError> {
        let folder = self.folder.instance(instance.as_str());
        if !folder.exists() {
            return Ok(None);
        }
        unit::look(&folder).await
    }

    async fn drain(
        &self,
        instance: &InstanceId,
        deadline: Span,
        mode: DrainMode,
        at_deadline: AtDeadline,
    ) -> Result<(), BackendError> {
        let folder = self.folder.instance(instance.as_str());
        let request = DrainRequest { deadline_s: deadline.as_s().max(1), mode, at_deadline };
        let mut attempt = 1;
        loop {
            let Some(side) = side_port(&folder)? else {
                return Ok(()); // Not running is empty.
            };
            match http::drain(side, &token(&folder)?, request).await {
                Ok(()) => return Ok(()),
                Err(SidePortError::Unreachable { .. }) if attempt < DRAIN_ATTEMPT_COUNT_MAX => {
                    attempt += 1;
                    tokio::time::sleep(DRAIN_RETRY_INTERVAL).await;
                }
                Err(source) => {
                    let (instance, source) = (instance.clone(), source.into());
                    return Err(BackendError::Instance { instance, source });
                }
            }
        }
    }

    /// An instance that cannot take its drain back is stopped, so that it is started anew.
    async fn cancel_drain(&self, instance: &InstanceId) -> Result<(), BackendError> {
        let folder = self.folder.instance(instance.as_str());
        let Some(unit) = self.unit(instance).await? else { return Ok(()) };
        let is_draining = matches!(unit.state, UnitState::Draining | UnitState::Empty);
        let (true, Some(side)) = (is_draining, side_port(&folder)?) else { return Ok(()) };
        http::undrain(side, &token(&folder)?).await.map_err(|source| BackendError::Instance {
            instance: instance.clone(),
            source: source.into(),
        })
    }

    /// The supervisor forwards the wish; one with a child that holds players is given all its time.
    async fn stop(&self, instance: &InstanceId) -> Result<(), BackendError> {
        let folder = self.folder.instance(instance.as_str());
        if !folder.exists() {
            return Ok(());
        }
        let unit = self.unit(instance).await?;
        unit::mark_stopped(&folder)?;
        let kill_after_ms = unit.is_none_or(|unit| holds_nothing(&unit)).then_some(STOP_GRACE_MS);
        match control::stop(&folder, &Request::Stop { kill_after_ms }) {
            Err(source) if Report::read(&folder)?.is_some_and(|it| it.is_supervised()) => {
                Err(BackendError::System { doing: format!("tell {instance} to stop"), source })
            }
            _ => Ok(()), // No supervisor: it has stopped.
        }
    }

    /// The child gets both stop signals at once, so to say: the supervisor kills it without a grace.
    pub(super) fn kill_instance(&self, instance: &InstanceId) -> Result<(), BackendError> {
        let folder = self.folder.instance(instance.as_str());
        unit::mark_stopped(&folder)?;
        match control::stop(&folder, &Request::Stop { kill_after_ms: Some(0) }) {
            Err(source) if Report::read(&folder)?.is_some_and(|it| it.is_supervised()) => {
                Err(BackendError::System { doing: format!("stop {instance} at once"), source })
            }
            _ => Ok(()),
        }
    }
}

/// Says whether nothing can be lost by killing the instance. One that drains may hold results that are not
/// durable yet, even after its last session and match.
const fn holds_nothing(unit: &Unit) -> bool {
    match unit.state {
        UnitState::Starting | UnitState::Empty | UnitState::Stopped | UnitState::Failed => true,
        UnitState::Ready => unit.sessions == 0 && unit.matches == 0,
        UnitState::Draining => false,
    }
}

/// Returns what an instance wants to hear from who drains it: the secret as it was when it started.
fn token(folder: &Path) -> Result<String, BackendError> {
    Ok(secrets::read(&folder.join(SECRETS), DRAIN_TOKEN)?)
}

/// Returns where a running instance answers; one that stops is not asked any more.
fn side_port(folder: &Path) -> Result<Option<SocketAddr>, BackendError> {
    let report = Report::read(folder)?.filter(Report::is_supervised);
    let running = report.filter(|report| report.child.is_some() && report.phase != Phase::Stopping);
    Ok(running.and_then(|report| report.addresses.get("side").copied()))
}
