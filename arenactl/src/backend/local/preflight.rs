//! What a release lacks on this machine, found before anything is started.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use arena_types::{ReleaseId, ServiceName};
use arenactl_planning::Digest;
use arenactl_planning::release::Release;
use arenactl_planning::spec::{ConfigName, SecretName, SecretSource};

use super::start::SECRETS;
use super::unit;
use crate::backend::{BackendError, Lack};
use crate::durable::FileError;
use crate::state_folder::StateFolder;
use crate::supervisor::Report;
use crate::{configs, process, secrets};

pub(super) fn lacks(folder: &StateFolder, release: &Release) -> Result<Vec<Lack>, BackendError> {
    let mut lacks: Vec<Lack> = secrets::no_drain_token(release).into_iter().collect();
    for (name, secret) in &release.spec.secrets {
        if secret.source == SecretSource::Generate {
            lacks.extend(gone(folder, name)?);
        }
    }
    lacks.extend(taken_ports(folder, release)?);
    Ok(lacks)
}

/// A fixed public port must be free, or be held by an instance of ours, which hands it over.
fn taken_ports(folder: &StateFolder, release: &Release) -> Result<Vec<Lack>, BackendError> {
    let mut own = BTreeSet::new();
    for instance in unit::folders(&folder.instances())? {
        let report = Report::read(&instance)?.filter(Report::is_supervised);
        own.extend(report.and_then(|it| it.addresses.get("public").map(SocketAddr::port)));
    }
    let fixed = release.spec.services.iter().filter_map(|(service, it)| {
        let port = it.ports.public?.number();
        (port != 0 && it.instances > 0 && !own.contains(&port)).then_some((service, port))
    });
    let taken = fixed.filter(|(_, port)| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err());
    let lack = |(service, port): (&ServiceName, u16)| Lack {
        what: format!("port {port} of `{service}` is taken by {}", process::holder(port)),
        help: format!("stop it, or set `services.{service}.ports.public: auto`"),
    };
    Ok(taken.map(lack).collect())
}

/// A config whose content is neither kept nor in its file any more.
pub(super) fn lost_configs(
    folder: &StateFolder,
    spec_folder: &Path,
    release: &Release,
) -> Vec<Lack> {
    let files = release.config_files.iter();
    let missing = files.filter(|(_, digest)| !folder.configs().join(digest.to_string()).is_file());
    let lack = |(name, digest): (&ConfigName, &Digest)| {
        let error = configs::content(release, name, *digest, spec_folder).err()?;
        Some(Lack { what: error.to_string(), help: error.help() })
    };
    missing.filter_map(lack).collect()
}

/// Removes the contents that no kept release names.
pub(super) fn remove_configs(
    folder: &StateFolder,
    kept: &BTreeSet<ReleaseId>,
    releases: &BTreeMap<ReleaseId, Release>,
) -> Result<(), BackendError> {
    let Ok(entries) = fs::read_dir(folder.configs()) else { return Ok(()) };
    let kept = kept.iter().filter_map(|id| releases.get(id));
    let needed: BTreeSet<String> =
        kept.flat_map(|it| it.config_files.values()).map(ToString::to_string).collect();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !needed.contains(&name) {
            fs::remove_file(&path).map_err(|source| FileError::Write { path, source })?;
        }
    }
    Ok(())
}

/// A value drawn anew would not be the one that running instances share.
fn gone(folder: &StateFolder, name: &SecretName) -> Result<Option<Lack>, BackendError> {
    let path = folder.secrets().join(name.as_str());
    if path.exists() {
        return Ok(None);
    }
    for instance in unit::folders(&folder.instances())? {
        let copy = instance.join(SECRETS).join(name.as_str());
        let is_running = Report::read(&instance)?.is_some_and(|report| report.is_supervised());
        if is_running && copy.is_file() {
            return Ok(Some(Lack {
                what: format!("`{}` is gone, and running instances use its value", path.display()),
                help: format!("bring it back: `cp {} {}`", copy.display(), path.display()),
            }));
        }
    }
    Ok(None)
}
