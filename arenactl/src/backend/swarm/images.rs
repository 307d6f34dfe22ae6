//! Images by digest: the registry says what a tag means, once, before anything is started.

use std::collections::BTreeMap;

use arena_types::ServiceName;
use arenactl_planning::Digest;
use arenactl_planning::release::Artifact;
use arenactl_planning::spec::Spec;
use bollard::auth::DockerCredentials;
use futures::future::try_join_all;

use super::SwarmBackend;
use crate::backend::BackendError;
use crate::docker::registry_of;
use crate::swarm::SwarmError;

/// How an image says which it is.
const SHA256: &str = "sha256:";

impl SwarmBackend {
    /// Returns the image of each service, pinned. All are asked for at once, each once.
    pub(super) async fn pinned_images(
        &self,
        spec: &Spec,
    ) -> Result<BTreeMap<ServiceName, Artifact>, BackendError> {
        let wanted: BTreeMap<&ServiceName, String> =
            spec.services.keys().map(|service| (service, spec.image_of(service))).collect();
        let mut images: Vec<&String> = wanted.values().collect();
        images.sort();
        images.dedup();
        let pinned = images.iter().map(|image| async move {
            Ok::<_, BackendError>(((*image).clone(), self.digest_of(image).await?))
        });
        let digests: BTreeMap<String, Digest> = try_join_all(pinned).await?.into_iter().collect();
        let artifact = |(service, image): (&ServiceName, &String)| {
            let artifact = Artifact { name: image.clone(), digest: digests[image] };
            (service.clone(), artifact)
        };
        Ok(wanted.iter().map(|(service, image)| artifact((service, image))).collect())
    }

    /// Asks the image's registry, through the manager, what its tag means now.
    pub(super) async fn digest_of(&self, image: &str) -> Result<Digest, BackendError> {
        if let Some(digest) = image.split_once('@').and_then(|it| parse(it.1)) {
            return Ok(digest);
        }
        let login = self.login(image).await?;
        let doing = || format!("find the image `{image}`");
        let inspect = || self.swarm.docker.inspect_registry_image(image, login.clone());
        let found = match self.swarm.ask(doing, inspect).await {
            Ok(found) => found,
            Err(SwarmError::Docker { source, .. }) => {
                return Err(BackendError::Image { image: image.to_owned(), source: source.into() });
            }
            Err(error) => return Err(error.into()),
        };
        let digest = found.descriptor.digest.unwrap_or_default();
        parse(&digest).ok_or_else(|| BackendError::Image {
            image: image.to_owned(),
            source: format!("its registry names it by `{digest}`").into(),
        })
    }

    /// Returns who one is to the registry of an image.
    pub(super) async fn login(
        &self,
        image: &str,
    ) -> Result<Option<DockerCredentials>, BackendError> {
        let login = self.logins.of(registry_of(image)).await?;
        Ok(login.map(|login| login.credentials()))
    }
}

fn parse(digest: &str) -> Option<Digest> {
    digest.strip_prefix(SHA256)?.parse().ok()
}
