//! From a release to a running instance.

use std::time::Duration;

use arena_types::{InstanceId, ReleaseId, ServiceName};
use arenactl_planning::release::Release;
use arenactl_planning::spec::{Kind as ServiceKind, ServiceSpec as Wanted};
use bollard::models::{Service, ServiceSpec};
use bollard::query_parameters::{InspectServiceOptions, UpdateServiceOptions};
use tokio::time::Instant;

use super::observe::{Placed, Seen, takes_tasks};
use super::service::Blueprint;
use super::{SwarmBackend, address, place, seal};
use crate::backend::BackendError;
use crate::registry_client::STORE;
use crate::swarm::{Kind, SwarmError, label};

/// An instance that was told to stop is waited for this long before it is started again.
const STOPPING_TIMEOUT: Duration = Duration::from_secs(15);
/// How often that is looked at.
const STOPPING_INTERVAL: Duration = Duration::from_millis(100);
/// Tries of an update that somebody else beats: each is made of what was read anew.
const UPDATE_ATTEMPT_COUNT_MAX: u32 = 5;

impl SwarmBackend {
    /// Starts an instance, or does nothing if it runs.
    pub(super) async fn start(
        &mut self,
        service: &ServiceName,
        instance: &InstanceId,
        release: ReleaseId,
        replaces: Option<&InstanceId>,
    ) -> Result<(), BackendError> {
        let mut seen = self.see().await?;
        if let Some(own) = seen.instances.get(instance) {
            if own.is_wanted() {
                return Ok(seal::check(own)?);
            }
            if own.live().next().is_some() {
                seen = self.wait_for_end(instance).await?;
            }
        }
        let record = self.release(release)?.clone();
        let unknown = || BackendError::UnknownService { release, service: service.clone() };
        let wanted = record.spec.services.get(service).ok_or_else(unknown)?;
        if !record.artifacts.contains_key(service) {
            return Err(unknown());
        }
        let spec = self.blueprint(&seen, &record, service, instance, wanted, replaces).await?;
        match seen.instances.get(instance) {
            Some(own) => self.replace(own.id(), own.name(), &spec).await?,
            None => self.create(instance, &spec).await?,
        }
        Ok(())
    }

    async fn blueprint(
        &mut self,
        seen: &Seen,
        record: &Release,
        service: &ServiceName,
        instance: &InstanceId,
        wanted: &Wanted,
        replaces: Option<&InstanceId>,
    ) -> Result<ServiceSpec, BackendError> {
        let ports = self.choose_ports(seen, service, instance, wanted).await?;
        let home = home(seen, service, wanted, replaces);
        let home = home.or_else(|| {
            let is_data = wanted.kind == ServiceKind::Data;
            is_data.then(|| place::emptiest(seen, &wanted.placement)).flatten()
        });
        let constraints = place::constraints(seen, service, instance, wanted, home.as_deref());
        let home = home.and_then(|id| address::of(seen.nodes.get(&id)?));
        let is_store = wanted.kind == ServiceKind::Data;
        let files = self.files_of(record, service, instance, wanted).await?;
        let blueprint = Blueprint {
            name: self.swarm.service_name(instance.as_str()),
            labels: self.swarm.labels(Kind::Instance),
            release: record,
            service,
            instance,
            wanted,
            region: self.swarm.region.to_string(),
            rollout: &self.rollout,
            gpu_kind: &self.region.gpu_kind,
            ports,
            constraints,
            advertise_ip: home.filter(|_| is_store).map(|ip| ip.to_string()),
            store: store(seen).filter(|_| service.as_str() != STORE),
            volume: self.swarm.service_name(service.as_str()),
            drain_token: files.drain_token,
            secrets: files.secrets,
            configs: files.configs,
        };
        Ok(blueprint.spec())
    }

    async fn create(&self, instance: &InstanceId, spec: &ServiceSpec) -> Result<(), BackendError> {
        let image = image(spec);
        let login = self.login(image).await?;
        let doing = || format!("create the service of {instance}");
        let create = || self.swarm.docker.create_service(spec.clone(), login.clone());
        match self.swarm.ask(doing, create).await {
            Ok(_) => Ok(()),
            // Taken by our own first try, whose answer was lost, or by somebody else.
            Err(error) if error.status() == Some(409) => {
                let name = spec.name.clone().unwrap_or_default();
                let there = self.inspect(&name).await?;
                let labels = there.as_ref().and_then(|it| it.spec.as_ref()?.labels.clone());
                let is_ours = labels.is_some_and(|labels| {
                    labels.get(label::INSTANCE).map(String::as_str) == Some(instance.as_str())
                });
                match there {
                    Some(_) if is_ours => Ok(()),
                    Some(_) => Err(SwarmError::Taken { what: "service", name }.into()),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the whole spec of a service.
    async fn replace(&self, id: &str, name: &str, spec: &ServiceSpec) -> Result<(), BackendError> {
        let login = self.login(image(spec)).await?;
        self.update(id, name, login, |_| spec.clone()).await
    }

    /// Writes a service as it was read, changed; again if somebody else wrote in between.
    pub(super) async fn update(
        &self,
        id: &str,
        name: &str,
        login: Option<bollard::auth::DockerCredentials>,
        change: impl Fn(ServiceSpec) -> ServiceSpec,
    ) -> Result<(), BackendError> {
        for _ in 0..UPDATE_ATTEMPT_COUNT_MAX {
            let Some(service) = self.inspect(id).await? else {
                return Ok(()); // Removed meanwhile: there is nothing left to change.
            };
            let spec = change(service.spec.unwrap_or_default());
            let version = service.version.and_then(|it| it.index).unwrap_or(0);
            let options = UpdateServiceOptions {
                // The client's type is narrower than the engine's; a swarm is far from its 2^31st write.
                version: i32::try_from(version).unwrap_or(i32::MAX),
                ..UpdateServiceOptions::default()
            };
            let doing = || format!("update the service `{name}`");
            let update = || {
                let (spec, options) = (spec.clone(), options.clone());
                self.swarm.docker.update_service(id, spec, options, login.clone())
            };
            match self.swarm.ask(doing, update).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_out_of_sequence() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(SwarmError::Contended { name: name.to_owned() }.into())
    }

    pub(super) async fn inspect(&self, id: &str) -> Result<Option<Service>, SwarmError> {
        let doing = || format!("read the service `{id}`");
        let inspect = || self.swarm.docker.inspect_service(id, None::<InspectServiceOptions>);
        match self.swarm.ask(doing, inspect).await {
            Ok(service) => Ok(Some(service)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until an instance that stops has ended, so that both never hold the same ports.
    async fn wait_for_end(&self, instance: &InstanceId) -> Result<Seen, BackendError> {
        let began = Instant::now();
        loop {
            let seen = self.see().await?;
            if seen.instances.get(instance).is_none_or(|it| it.live().next().is_none()) {
                return Ok(seen);
            }
            if began.elapsed() > STOPPING_TIMEOUT {
                return Err(BackendError::System {
                    doing: format!("start {instance} again: it is still stopping"),
                    source: std::io::ErrorKind::TimedOut.into(),
                });
            }
            tokio::time::sleep(STOPPING_INTERVAL).await;
        }
    }
}

fn image(spec: &ServiceSpec) -> &str {
    let container = spec.task_template.as_ref().and_then(|it| it.container_spec.as_ref());
    container.and_then(|it| it.image.as_deref()).unwrap_or_default()
}

/// Returns the node that an instance is bound to: that of its data, or, if players know its port, that of the
/// instance it replaces, as long as that node takes tasks.
fn home(
    seen: &Seen,
    service: &ServiceName,
    wanted: &Wanted,
    replaces: Option<&InstanceId>,
) -> Option<String> {
    if wanted.kind == ServiceKind::Data {
        return siblings(seen, service).find_map(place::bound_to);
    }
    wanted.ports.public?;
    let before = seen.instances.get(replaces?)?;
    let node = before.node_id()?;
    seen.nodes.get(node).filter(|node| takes_tasks(node)).and_then(|node| node.id.clone())
}

pub(super) fn siblings<'a>(
    seen: &'a Seen,
    service: &'a ServiceName,
) -> impl Iterator<Item = &'a Placed> {
    seen.instances.values().filter(|it| it.label(label::SERVICE) == Some(service.as_str()))
}

/// Returns where the store is told to listen.
pub(super) fn store(seen: &Seen) -> Option<String> {
    let stores = seen.instances.values().filter(|it| it.label(label::SERVICE) == Some(STORE));
    let (wanted, stopped): (Vec<_>, Vec<_>) = stores.partition(|it| it.is_wanted());
    let found = wanted.into_iter().chain(stopped).next_back()?;
    let node = seen.nodes.get(&place::bound_to(found)?)?;
    Some(format!("{}:{}", address::of(node)?, found.label(label::MESH_PORT)?))
}
