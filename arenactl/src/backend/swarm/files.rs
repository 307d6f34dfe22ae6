//! Secrets and configs by content: what has a name never changes, a new content is a new name, and what nothing
//! points at any more is removed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use arena_mesh::{CERT_FILE, Ca, KEY_FILE, ROOTS_FILE};
use arena_types::{InstanceId, ReleaseId, ServiceName};
use arenactl_planning::Digest;
use arenactl_planning::release::Release;
use arenactl_planning::spec::{SecretName, ServiceSpec as Wanted, Spec};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::models::SecretSpec;
use bollard::query_parameters::{ListSecretsOptionsBuilder, ListServicesOptions};

use super::SwarmBackend;
use super::issue::Issued;
use super::service::{File, config_path, identity_path, secret_path};
use crate::backend::{BackendError, Lack};
use crate::configs;
use crate::relay::{AUTHORITY_CERT, AUTHORITY_KEY};
use crate::secrets::{self, SecretError};
use crate::swarm::{Kind, SwarmError, label};

pub(super) use crate::secrets::DRAIN_TOKEN;

/// How long an instance's certificate lives. Nothing in a container renews it, a new release does: so long that
/// a region may be left alone, and `doctor` tells well before it ends.
const IDENTITY_LIFE: Duration = Duration::from_hours(365 * 24);
/// Label of a file: the name that a spec knows it by.
const FILE: &str = "arena.file";

/// What an instance finds as files.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) secrets: Vec<File>,
    pub(super) configs: Vec<File>,
    /// The name of the secret that is its drain token.
    pub(super) drain_token: Option<String>,
}

/// Returns the hashes of secrets as a release carries them.
pub(super) fn secret_hashes(spec: &Spec) -> Result<BTreeMap<SecretName, Digest>, SecretError> {
    // In a swarm a generated secret is drawn once and never anew under the same name.
    let hash = |(name, spec)| Ok((SecretName::clone(name), secrets::digest(name, spec, 1)?));
    spec.secrets.iter().map(hash).collect()
}

impl SwarmBackend {
    fn file_name(&self, name: &str, digest: Digest) -> String {
        self.swarm.object_name(&format!("{name}-{}", digest.short()))
    }

    /// Returns the ids of the secrets of a kind, by name.
    pub(super) async fn secrets(&self, kind: Kind) -> Result<BTreeMap<String, String>, SwarmError> {
        let options =
            ListSecretsOptionsBuilder::new().filters(&self.swarm.filters(Some(kind))).build();
        let doing = || "list the secrets of the region".to_owned();
        let list = || self.swarm.docker.list_secrets(Some(options.clone()));
        let secrets = self.swarm.ask(doing, list).await?;
        Ok(secrets.into_iter().filter_map(|it| Some((it.spec?.name?, it.id?))).collect())
    }

    pub(super) async fn configs(&self, kind: Kind) -> Result<BTreeMap<String, String>, SwarmError> {
        let records = self.swarm.records(kind).await?;
        Ok(records.into_iter().map(|it| (it.name, it.id)).collect())
    }

    /// Creates a secret unless its name is there: the name tells the content.
    pub(super) async fn create_secret(
        &self,
        name: &str,
        labels: HashMap<String, String>,
        value: &[u8],
    ) -> Result<(), SwarmError> {
        let spec = SecretSpec {
            name: Some(name.to_owned()),
            labels: Some(labels),
            data: Some(STANDARD.encode(value)),
            ..SecretSpec::default()
        };
        let doing = || format!("create the secret `{name}`");
        match self.swarm.ask(doing, || self.swarm.docker.create_secret(spec.clone())).await {
            Err(error) if error.status() != Some(409) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn remove_secret(&self, id: &str) -> Result<(), SwarmError> {
        let doing = || format!("remove the secret `{id}`");
        match self.swarm.ask(doing, || self.swarm.docker.delete_secret(id)).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    fn file_labels(&self, name: &str) -> HashMap<String, String> {
        let mut labels = self.swarm.labels(Kind::File);
        labels.insert(FILE.to_owned(), name.to_owned());
        labels
    }

    /// Makes sure that every secret and config of a release is there, and the authority.
    pub(super) async fn ensure_files(&mut self, release: &Release) -> Result<(), BackendError> {
        let known = self.secrets(Kind::File).await?;
        for (name, spec) in &release.spec.secrets {
            let Some(digest) = release.secret_hashes.get(name) else { continue };
            let object = self.file_name(name.as_str(), *digest);
            if !known.contains_key(&object) {
                let value = secrets::value_of(name, spec, digest)?;
                let labels = self.file_labels(name.as_str());
                self.create_secret(&object, labels, value.as_bytes()).await?;
            }
        }
        let known = self.configs(Kind::File).await?;
        for (name, digest) in &release.config_files {
            let object = self.file_name(name.as_str(), *digest);
            if !known.contains_key(&object) {
                let content = configs::content(release, name, *digest, &self.folder)?;
                let labels = self.file_labels(name.as_str());
                self.swarm.create_record(&object, labels, &content).await?;
            }
        }
        self.ensure_authority().await
    }

    /// The authority is made by the first deploy, under its lock. Half of one was left by a deploy that was
    /// killed; nothing was issued by it.
    async fn ensure_authority(&self) -> Result<(), BackendError> {
        let parts = [AUTHORITY_KEY, AUTHORITY_CERT];
        let known = self.secrets(Kind::Authority).await?;
        let there = parts.map(|part| known.get(&self.swarm.object_name(part)));
        if there.iter().all(Option::is_some) {
            return Ok(());
        }
        for id in there.into_iter().flatten() {
            self.remove_secret(id).await?;
        }
        let failed = |source| BackendError::Authority { source };
        let ca = Ca::create(self.swarm.cluster.as_str()).map_err(failed)?;
        let labels = || self.swarm.labels(Kind::Authority);
        for (part, value) in
            [(AUTHORITY_KEY, ca.key_pem()), (AUTHORITY_CERT, ca.cert_pem().to_owned())]
        {
            let name = self.swarm.object_name(part);
            self.create_secret(&name, labels(), value.as_bytes()).await?;
        }
        Ok(())
    }

    /// Returns every drain token that an instance may know, as files of the operator.
    pub(super) async fn drain_tokens(&self) -> Result<Vec<File>, SwarmError> {
        let prefix = self.swarm.object_name(&format!("{DRAIN_TOKEN}-"));
        let known = self.secrets(Kind::File).await?;
        let tokens = known.into_iter().filter(|(name, _)| name.starts_with(&prefix));
        Ok(tokens.map(|(name, id)| File { path: secret_path(&name), id, name }).collect())
    }

    /// Returns what an instance finds as files, its identity among them, which is issued anew.
    pub(super) async fn files_of(
        &mut self,
        release: &Release,
        service: &ServiceName,
        instance: &InstanceId,
        wanted: &Wanted,
    ) -> Result<Files, BackendError> {
        let mut files = Files::default();
        let known = self.secrets(Kind::File).await?;
        for name in &wanted.secrets {
            let digest = release.secret_hashes.get(name);
            let file =
                self.known_file(&known, name.as_str(), digest, secret_path(name.as_str()))?;
            if name.as_str() == DRAIN_TOKEN {
                files.drain_token = Some(file.name.clone());
            }
            files.secrets.push(file);
        }
        if !wanted.configs.is_empty() {
            let known = self.configs(Kind::File).await?;
            for name in &wanted.configs {
                let (text, digest) = (name.as_str(), release.config_files.get(name));
                files.configs.push(self.known_file(&known, text, digest, config_path(text))?);
            }
        }
        self.add_identity(&mut files, service, instance).await?;
        Ok(files)
    }

    /// Returns a file that is in the swarm, under the name that its content gives it.
    fn known_file(
        &self,
        known: &BTreeMap<String, String>,
        name: &str,
        digest: Option<&Digest>,
        path: String,
    ) -> Result<File, BackendError> {
        let object = digest.map_or_else(|| name.to_owned(), |digest| self.file_name(name, *digest));
        match known.get(&object) {
            Some(id) => Ok(File { id: id.clone(), name: object, path }),
            None => Err(BackendError::NoSecret { name: object }),
        }
    }

    /// Has a certificate issued inside the cluster.
    pub(super) async fn issue(
        &mut self,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> Result<Issued, BackendError> {
        let uri = format!("spiffe://{}/{service}/{instance}", self.swarm.cluster);
        self.issued(&uri, IDENTITY_LIFE).await
    }

    async fn add_identity(
        &mut self,
        files: &mut Files,
        service: &ServiceName,
        instance: &InstanceId,
    ) -> Result<(), BackendError> {
        let Issued { cert, key, roots } = self.issue(service, instance).await?;
        let mark = Digest::of(cert.as_bytes()).short();
        let mark = &mark[..8];
        let mut labels = self.swarm.labels(Kind::Identity);
        labels.insert(label::INSTANCE.to_owned(), instance.to_string());
        let key_name = self.swarm.object_name(&format!("key-{mark}-{instance}"));
        let cert_name = self.swarm.object_name(&format!("cert-{mark}-{instance}"));
        let roots_mark = Digest::of(roots.as_bytes()).short();
        let roots_name = self.swarm.object_name(&format!("roots-{roots_mark}"));
        self.create_secret(&key_name, labels.clone(), key.as_bytes()).await?;
        self.swarm.create_record(&cert_name, labels.clone(), cert.as_bytes()).await?;
        labels.remove(label::INSTANCE);
        self.swarm.create_record(&roots_name, labels, roots.as_bytes()).await?;
        let keys = self.secrets(Kind::Identity).await?;
        let certs = self.configs(Kind::Identity).await?;
        let file = |known: &BTreeMap<String, String>, name: &str, part: &str| File {
            id: known.get(name).cloned().unwrap_or_default(),
            name: name.to_owned(),
            path: identity_path(part),
        };
        files.secrets.push(file(&keys, &key_name, KEY_FILE));
        files.configs.push(file(&certs, &cert_name, CERT_FILE));
        files.configs.push(file(&certs, &roots_name, ROOTS_FILE));
        Ok(())
    }

    /// Returns the secrets and configs of a release that are neither in the swarm nor here.
    pub(super) async fn missing_files(&self, release: &Release) -> Result<Vec<Lack>, BackendError> {
        let known = self.secrets(Kind::File).await?;
        let mut lacks = Vec::new();
        for (name, spec) in &release.spec.secrets {
            let Some(digest) = release.secret_hashes.get(name) else { continue };
            if known.contains_key(&self.file_name(name.as_str(), *digest)) {
                continue;
            }
            if let Err(error) = secrets::value_of(name, spec, digest) {
                lacks.push(Lack { help: error.help(), what: error.to_string() });
            }
        }
        let known = self.configs(Kind::File).await?;
        for (name, digest) in &release.config_files {
            if known.contains_key(&self.file_name(name.as_str(), *digest)) {
                continue;
            }
            if let Err(error) = configs::content(release, name, *digest, &self.folder) {
                lacks.push(Lack { help: error.help(), what: error.to_string() });
            }
        }
        Ok(lacks)
    }

    /// Removes the secrets and configs that neither a kept release names nor a service uses.
    pub(super) async fn remove_files(
        &mut self,
        kept: &BTreeSet<ReleaseId>,
        releases: &BTreeMap<ReleaseId, Release>,
    ) -> Result<(), BackendError> {
        let mut needed = self.names_in_use().await?;
        for release in kept.iter().filter_map(|id| releases.get(id)) {
            let secrets = release.secret_hashes.iter().map(|(name, it)| (name.as_str(), *it));
            let configs = release.config_files.iter().map(|(name, it)| (name.as_str(), *it));
            needed.extend(secrets.chain(configs).map(|(name, it)| self.file_name(name, it)));
        }
        for kind in [Kind::File, Kind::Identity] {
            for (name, id) in self.secrets(kind).await? {
                if !needed.contains(&name) {
                    self.remove_secret(&id).await?;
                }
            }
            for (name, id) in self.configs(kind).await? {
                if !needed.contains(&name) {
                    self.swarm.remove_record(&id).await?;
                }
            }
        }
        Ok(())
    }

    /// Returns the names of all secrets and configs that a service uses, whoever's it is.
    async fn names_in_use(&self) -> Result<BTreeSet<String>, SwarmError> {
        let doing = || "list the services of the swarm".to_owned();
        let list = || self.swarm.docker.list_services(None::<ListServicesOptions>);
        let services = self.swarm.ask(doing, list).await?;
        let mut names = BTreeSet::new();
        for container in
            services.into_iter().filter_map(|it| it.spec?.task_template?.container_spec)
        {
            let secrets = container.secrets.unwrap_or_default().into_iter();
            let configs = container.configs.unwrap_or_default().into_iter();
            names.extend(secrets.filter_map(|it| it.secret_name));
            names.extend(configs.filter_map(|it| it.config_name));
        }
        Ok(names)
    }
}
