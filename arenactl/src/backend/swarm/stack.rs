//! What a rendered stack expects to find in the swarm, for regions that `docker stack deploy` runs.

use std::collections::{BTreeMap, BTreeSet};

use arena_types::{InstanceId, ServiceName};
use arenactl_planning::Digest;
use arenactl_planning::release::Release;
use arenactl_planning::render::{Externals, IdentityPart, externals, identity_name, roots_name};

use super::SwarmBackend;
use crate::backend::BackendError;
use crate::configs;
use crate::secrets;
use crate::swarm::Kind;

/// A secret or config that a stack uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct StackFile {
    /// Its name in the swarm.
    pub name: String,
    /// Whether it was there before.
    pub was_there: bool,
}

impl SwarmBackend {
    /// Creates what the stack of `release` expects and the swarm lacks: secrets, configs, an identity an
    /// instance. What is there stays as it is: tasks that run use it.
    ///
    /// # Errors
    /// [`BackendError`]; what was created until then stays, and the next call goes on.
    pub async fn push_stack(&mut self, release: &Release) -> Result<Vec<StackFile>, BackendError> {
        self.ensure_files(release).await?;
        self.ensure_operator(release).await?;
        let mut known: BTreeSet<String> = self.secrets(Kind::Stack).await?.into_keys().collect();
        known.extend(self.configs(Kind::Stack).await?.into_keys());
        let Externals { secrets, configs, instances } = externals(release);
        let mut files = Vec::new();
        for (name, object) in secrets {
            let was_there = known.contains(&object);
            if let (false, Some(spec)) = (was_there, release.spec.secrets.get(&name)) {
                let digest = secrets::digest(&name, spec, 1)?;
                let value = secrets::value_of(&name, spec, &digest)?;
                let labels = self.swarm.labels(Kind::Stack);
                self.create_secret(&object, labels, value.as_bytes()).await?;
            }
            files.push(StackFile { name: object, was_there });
        }
        for (name, object) in configs {
            let was_there = known.contains(&object);
            if !was_there {
                let digest = self.config_digest(release, &name)?;
                let content = configs::content(release, &name, digest, &self.folder)?;
                let labels = self.swarm.labels(Kind::Stack);
                self.swarm.create_record(&object, labels, &content).await?;
            }
            files.push(StackFile { name: object, was_there });
        }
        files.extend(self.push_identities(&known, &instances).await?);
        Ok(files)
    }

    fn config_digest(
        &self,
        release: &Release,
        name: &arenactl_planning::spec::ConfigName,
    ) -> Result<Digest, BackendError> {
        let known = release.config_files.get(name).copied();
        let hashes = configs::hashes(&release.spec, &self.folder)?;
        known
            .or_else(|| hashes.get(name).copied())
            .ok_or_else(|| BackendError::NoSecret { name: name.to_string() })
    }

    /// An identity is a certificate and its key: half of one, left by a command that was killed, is no use, and
    /// a key under a certificate's name of another time is worse. So the pair is made whole or not at all.
    async fn push_identities(
        &mut self,
        known: &BTreeSet<String>,
        instances: &BTreeMap<InstanceId, ServiceName>,
    ) -> Result<Vec<StackFile>, BackendError> {
        let cluster = self.swarm.cluster.clone();
        let mut files = Vec::new();
        for (instance, service) in instances {
            let [cert_name, key_name] = [IdentityPart::Cert, IdentityPart::Key]
                .map(|part| identity_name(&cluster, instance, part));
            let was_there = [&cert_name, &key_name].iter().all(|it| known.contains(*it));
            if !was_there {
                let by_name = self.secrets(Kind::Stack).await?;
                for id in [&cert_name, &key_name].iter().filter_map(|it| by_name.get(*it)) {
                    self.remove_secret(id).await?;
                }
                let identity = self.issue(service, instance).await?;
                for (name, value) in [(&cert_name, &identity.cert), (&key_name, &identity.key)] {
                    let labels = self.swarm.labels(Kind::Stack);
                    self.create_secret(name, labels, value.as_bytes()).await?;
                }
                let labels = self.swarm.labels(Kind::Stack);
                let roots = roots_name(&cluster);
                self.create_secret(&roots, labels, identity.roots.as_bytes()).await?;
            }
            files.extend([cert_name, key_name].map(|name| StackFile { name, was_there }));
        }
        Ok(files)
    }

    /// Returns the names of every secret and config that arenactl keeps in the swarm for this region.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn kept_files(&self) -> Result<Vec<(String, &'static str)>, BackendError> {
        let mut files = Vec::new();
        for kind in [Kind::File, Kind::Stack] {
            files.extend(self.secrets(kind).await?.into_keys().map(|name| (name, "secret")));
            files.extend(self.configs(kind).await?.into_keys().map(|name| (name, "config")));
        }
        files.sort();
        Ok(files)
    }
}
