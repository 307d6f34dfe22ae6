//! Releases as text that an orchestrator reads. Deterministic: the same release gives the same bytes.

mod names;
mod nomad;
mod swarm;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use arena_types::{ReleaseId, ServiceName};

pub use names::{IdentityPart, identity_name, object_name, roots_name};
pub use nomad::nomad;
pub use swarm::{Externals, externals, swarm};

use crate::release::{Inputs, Origin, Release};
use crate::spec::{Ask, Kind, Read, ServiceSpec, SpecError, read};
use crate::units::Timestamp;

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Its path below the repository's root: `stacks/production.yml`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// Environments whose stacks the repository keeps. Their jobs are production's: see [`committed`].
const STACKS: [&str; 4] = ["dev", "lab", "production", "staging"];

/// Renders what the repository keeps: a stack an environment, and jobs for production, of a first release
/// without digests.
///
/// # Errors
/// All mistakes in `spec`, the text of `arena.yaml`.
pub fn committed(spec: &str) -> Result<Vec<Rendered>, Vec<SpecError>> {
    let release = |environment: &str| {
        let ask = Ask { environment: Some(environment.to_owned()), set: Vec::new() };
        let Read { spec, errors, .. } = read(spec, &ask);
        let origin = Origin { created: Timestamp(0), by: String::new(), why: String::new() };
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Release::draft(ReleaseId(1), spec, Inputs::default(), origin))
    };
    let mut files = Vec::new();
    for environment in STACKS {
        files.push(swarm(&release(environment)?));
    }
    files.extend(nomad(&release("production")?));
    Ok(files)
}

/// Returns the image that an instance of `service` runs, by digest where the release has one.
#[must_use]
pub fn image(release: &Release, service: &ServiceName) -> String {
    let name = release.spec.image_of(service);
    match release.artifacts.get(service) {
        Some(artifact) if !name.contains('@') => format!("{name}@sha256:{}", artifact.digest),
        _ => name,
    }
}

/// The name of the service that alone opens the embedded stores.
const STORE: &str = "store";

/// Returns the service that `user` keeps its data in, if the spec has one and it is another.
fn store<'a>(release: &'a Release, user: &ServiceName) -> Option<&'a ServiceName> {
    let mut services = release.spec.services.iter();
    let (name, _) = services.find(|(name, it)| name.as_str() == STORE && it.kind == Kind::Data)?;
    (name != user).then_some(name)
}

/// Returns the variables that are the same with every orchestrator.
fn named(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("ARENA_CLUSTER".to_owned(), release.spec.cluster.to_string()),
        ("ARENA_SERVICE".to_owned(), name.to_string()),
        ("ARENA_RELEASE".to_owned(), release.id.to_string()),
        ("ARENA_DRAIN_DEADLINE_S".to_owned(), spec.drain.deadline.as_s().to_string()),
        ("ARENA_LOG_FORMAT".to_owned(), "json".to_owned()),
    ])
}
