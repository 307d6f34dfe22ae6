//! What `doctor` wants to know of a swarm.

use std::collections::{BTreeMap, BTreeSet};

use arena_mesh::Leaf;
use arenactl_planning::spec::Spec;
use bollard::models::{GenericResources, Node};
use futures::future::{join, join_all};

use super::observe::{Placed, Seen};
use super::operator::OPERATOR;
use super::probe::Job;
use super::{SwarmBackend, address, nodes};
use crate::backend::survey::{
    Certificate, Certificates, GpuLook, Manager, OperatorState, Probed, Survey, SurveyedNode,
};
use crate::backend::{BackendError, survey};
use crate::docker::registry_of;
use crate::error::causes;
use crate::images::recipes;
use crate::relay::AUTHORITY_KEY;
use crate::swarm::{Kind, label};

type Probes = BTreeMap<String, Result<Probed, String>>;

impl SwarmBackend {
    /// Looks at everything; changes nothing beside the jobs that it runs on the nodes and removes.
    pub(super) async fn survey_all(
        &mut self,
        spec: &Spec,
        gpus: GpuLook,
    ) -> Result<Survey, BackendError> {
        self.remove_leftovers().await?;
        let seen = self.see().await?;
        let images = self.images_found(spec).await;
        let (probes, gpu_probes) = Box::pin(self.probes(spec, &seen, gpus)).await?;
        let surveyed = |(id, node): (&String, &Node)| {
            let mut node = surveyed(node);
            node.probe = probes.get(id).cloned();
            node.gpu_probe = gpu_probes.get(id).cloned();
            node
        };
        let mut nodes: Vec<SurveyedNode> = seen.nodes.iter().map(surveyed).collect();
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Survey {
            manager: self.manager(&seen),
            nodes,
            images,
            operator: self.operator_state(&seen).await?,
            certificates: self.certificates_in_use(&seen).await?.list,
        })
    }

    fn manager(&self, seen: &Seen) -> Manager {
        let node = seen.nodes.get(&self.swarm.node_id);
        Manager {
            endpoint: self.swarm.endpoint.clone(),
            api: self.swarm.docker.client_version().to_string(),
            engine: node.map(engine).unwrap_or_default(),
            node: node.map(nodes::name).unwrap_or_default(),
        }
    }

    /// Asks the registry for every image of a spec, all at once.
    async fn images_found(&self, spec: &Spec) -> BTreeMap<String, Result<(), String>> {
        // A spec in which two programs are one image is refused by `build`, which says so better.
        let images: Vec<String> =
            recipes(spec, &[]).unwrap_or_default().into_iter().map(|it| it.image).collect();
        let found = join_all(images.iter().map(|image| async {
            self.digest_of(image).await.map(drop).map_err(|error| match error {
                BackendError::Image { source, .. } => causes(source.as_ref()),
                error => causes(&error),
            })
        }));
        let found = found.await;
        images.into_iter().zip(found).collect()
    }

    /// Runs a process on every node that takes tasks and, where that is allowed, one that is given a GPU.
    async fn probes(
        &self,
        spec: &Spec,
        seen: &Seen,
        gpus: GpuLook,
    ) -> Result<(Probes, Probes), BackendError> {
        let image = self.probe_image(spec).await?;
        let registry = spec.images.registry.as_ref().map(|_| {
            let image = spec.operator_image();
            registry_of(&image).to_owned()
        });
        let figures = nodes::figures(seen, &self.region.gpu_kind);
        let taking: BTreeSet<String> = figures.iter().map(|it| it.name.clone()).collect();
        let free: BTreeSet<String> = figures
            .iter()
            .filter(|it| it.gpus_free > 0 && gpus == GpuLook::Hold)
            .map(|it| it.name.clone())
            .collect();
        let ids = |names: &BTreeSet<String>| -> BTreeSet<String> {
            let named = seen.nodes.iter().filter(|(_, node)| names.contains(&nodes::name(node)));
            named.map(|(id, _)| id.clone()).collect()
        };
        let job = |nodes: BTreeSet<String>, gpu_kind| Job {
            image: image.clone(),
            registry: registry.clone(),
            besides: seen.nodes.keys().filter(|id| !nodes.contains(*id)).cloned().collect(),
            nodes,
            gpu_kind,
        };
        let all = job(ids(&taking), None);
        let holding = job(ids(&free), Some(self.region.gpu_kind.clone()));
        let (all, holding) =
            join(Box::pin(self.run_probes(&all)), Box::pin(self.run_probes(&holding))).await;
        Ok((all?, holding?))
    }

    /// Returns the operator's image, as the registry has it or else as it runs: what a registry that is away
    /// does to the nodes is for them to tell.
    async fn probe_image(&self, spec: &Spec) -> Result<String, BackendError> {
        let image = spec.operator_image();
        if let Ok(digest) = self.digest_of(&image).await {
            return Ok(format!("{}@sha256:{digest}", image.split('@').next().unwrap_or(&image)));
        }
        let operator = self.inspect(&self.swarm.service_name(OPERATOR)).await?;
        let running = operator.and_then(|it| it.spec?.task_template?.container_spec?.image);
        Ok(running.unwrap_or(image))
    }

    async fn operator_state(&self, seen: &Seen) -> Result<OperatorState, BackendError> {
        let name = self.swarm.service_name(OPERATOR);
        if self.inspect(&name).await?.is_none() {
            return Ok(OperatorState::Absent);
        }
        Ok(match self.operator_task(&name).await? {
            None => OperatorState::Down("it has no task".to_owned()),
            Some(task) if super::operator::container(&task).is_some() => {
                let node = task.node_id.as_ref().and_then(|id| seen.nodes.get(id));
                OperatorState::Runs(node.map(nodes::name).unwrap_or_default())
            }
            Some(task) => OperatorState::Down(super::operator::told(&task)),
        })
    }

    /// Reads the certificates that instances which shall run were given.
    pub(super) async fn certificates_in_use(
        &self,
        seen: &Seen,
    ) -> Result<Certificates, BackendError> {
        let records = self.swarm.records(Kind::Identity).await?;
        let mut list = Vec::new();
        for (instance, placed) in seen.instances.iter().filter(|(_, it)| it.is_wanted()) {
            let used = configs(placed);
            let own = records.iter().find(|record| {
                record.label(label::INSTANCE) == Some(instance.as_str())
                    && used.contains(record.name.as_str())
            });
            let Some(record) = own else { continue };
            let text = String::from_utf8_lossy(&record.data);
            let leaf = Leaf::from_pem(&text).map_err(|error| record.corrupt(error))?;
            let (id, not_after) = (leaf.id.to_string(), leaf.not_after);
            list.push(Certificate { instance: instance.clone(), id, not_after });
        }
        let authority = format!("secret `{}`", self.swarm.object_name(AUTHORITY_KEY));
        Ok(survey::Certificates { authority, list })
    }
}

/// Returns the names of the configs that an instance was given.
fn configs(placed: &Placed) -> BTreeSet<&str> {
    let task = placed.service.spec.as_ref().and_then(|it| it.task_template.as_ref());
    let container = task.and_then(|it| it.container_spec.as_ref());
    let configs = container.and_then(|it| it.configs.as_deref()).unwrap_or_default();
    configs.iter().filter_map(|it| it.config_name.as_deref()).collect()
}

fn surveyed(node: &Node) -> SurveyedNode {
    let state = node.status.as_ref().and_then(|it| it.state);
    let availability = node.spec.as_ref().and_then(|it| it.availability);
    let resources = node.description.as_ref().and_then(|it| it.resources.as_ref());
    SurveyedNode {
        name: nodes::name(node),
        state: state.map(|it| it.to_string()).unwrap_or_default(),
        availability: availability.map(|it| it.to_string()).unwrap_or_default(),
        address: address::of(node),
        engine: engine(node),
        labels: nodes::labels(node),
        resources: kinds(resources.and_then(|it| it.generic_resources.as_ref())),
        probe: None,
        gpu_probe: None,
    }
}

fn engine(node: &Node) -> String {
    let engine = node.description.as_ref().and_then(|it| it.engine.as_ref());
    engine.and_then(|it| it.engine_version.clone()).unwrap_or_default()
}

/// Counts every kind of generic resource.
fn kinds(resources: Option<&GenericResources>) -> BTreeMap<String, u32> {
    let named = resources.into_iter().flatten().filter_map(|it| {
        let named = it.named_resource_spec.as_ref().and_then(|it| it.kind.clone());
        named.or_else(|| it.discrete_resource_spec.as_ref()?.kind.clone())
    });
    named.map(|kind| (kind.clone(), nodes::count(resources, &kind))).collect()
}
