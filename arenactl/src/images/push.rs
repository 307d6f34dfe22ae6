//! One image, sent to its registry by the engine that has it.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::PushImageOptions;
use futures::StreamExt as _;
use serde_json::json;

use super::build::{Built, inspect};
use super::error::ImageError;
use super::recipe::Recipe;
use super::view::Row;
use crate::docker::{DockerError, Login, Logins, registry_of};

/// How long an engine may say nothing: it retries a registry that went away for about a minute.
const SILENCE_MAX: Duration = Duration::from_mins(10);
/// The registry of names that have none; nobody means to push there.
const NO_REGISTRY: &str = "docker.io";
/// By these words an engine says that it got no answer from a registry that it understands.
const UNREACHABLE: &[&str] = &[
    "dial tcp",
    "no such host",
    "connection refused",
    "i/o timeout",
    "Client.Timeout",
    "request canceled",
    "TLS handshake",
    "x509:",
    "HTTP response to HTTPS client",
    "EOF",
];
/// By these words a registry refuses a user.
const UNAUTHORISED: &[&str] = &[
    "unauthorized",
    "denied",
    "no basic auth credentials",
    "authentication required",
    "forbidden",
];

/// Everything that is the same for all images of a push.
pub struct Pusher {
    /// The engine.
    pub docker: Docker,
    /// Its address, for messages.
    pub endpoint: String,
    /// Credentials for registries.
    pub logins: Logins,
}

/// An image that a registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// `sha256:…` of its manifest: what nodes pull.
    pub digest: String,
    /// The image as the engine has it.
    pub built: Built,
}

impl Pusher {
    /// Pushes one image and says so on its row.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn push(&self, recipe: &Recipe, mut row: Row<'_>) -> Result<Pushed, ImageError> {
        let image = recipe.image.as_str();
        let registry = registry_of(image);
        if registry == NO_REGISTRY {
            return Err(ImageError::NoRegistry { image: image.to_owned() });
        }
        let built = inspect(&self.docker, &self.endpoint, image).await?;
        let login = self.logins.of(registry).await?;
        let (name, tag) = split_tag(image);
        let options = PushImageOptions { tag: Some(tag.to_owned()), ..PushImageOptions::default() };
        let credentials = login.as_ref().map(Login::credentials);
        let mut said = Box::pin(self.docker.push_image(name, Some(options), credentials));
        let mut layers = Layers::default();
        let mut digest = None;
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, said.next()).await;
            let info = match next.map_err(|_| silent(image))? {
                None => break,
                Some(info) => info.map_err(|error| self.failed(image, error))?,
            };
            let status = info.status.unwrap_or_default();
            digest = digest.or_else(|| parse_digest(&status, tag).map(str::to_owned));
            if let Some(detail) = info.progress_detail
                && let (Some(done), Some(total)) = (detail.current, detail.total)
            {
                let (done, total) = layers.on(done.unsigned_abs(), total.unsigned_abs());
                row.bytes(done, total);
            }
        }
        let what = "digest";
        let digest = digest.ok_or_else(|| ImageError::Unnamed { image: image.to_owned(), what })?;
        row.done(&json!({"digest": digest}), &format!("pushed, {digest}"));
        Ok(Pushed { digest, built })
    }

    fn failed(&self, image: &str, error: bollard::errors::Error) -> ImageError {
        let message = match DockerError::of(&self.endpoint, error) {
            DockerError::Failed { message } | DockerError::Refused { message, .. } => message,
            error => return error.into(),
        };
        refused(image, message.trim().to_owned())
    }
}

/// Bytes of all layers of an image. The client library leaves out which layer a message is about, so a layer goes
/// by its length: two of the same length would count as one, in a figure for people.
#[derive(Default)]
struct Layers(BTreeMap<u64, u64>);

impl Layers {
    /// Notes the progress of one layer and returns that of all.
    fn on(&mut self, done: u64, total: u64) -> (u64, u64) {
        let known = self.0.entry(total).or_default();
        *known = done.min(total).max(*known);
        (self.0.values().sum(), self.0.keys().sum())
    }
}

/// Sorts what an engine says about a push that failed.
fn refused(image: &str, message: String) -> ImageError {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let (image, registry) = (image.to_owned(), registry_of(image).to_owned());
    if says(UNREACHABLE) {
        ImageError::RegistryUnreachable { registry, message }
    } else if says(UNAUTHORISED) {
        ImageError::Unauthorised { registry, image, message }
    } else {
        ImageError::NotPushed { image, message }
    }
}

fn silent(image: &str) -> ImageError {
    let (image, doing) = (image.to_owned(), "the push".to_owned());
    ImageError::Silent { image, doing, minutes: SILENCE_MAX.as_secs() / 60 }
}

/// Splits `host:5000/name:tag`; without a tag it is `latest`.
pub(super) fn split_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

/// Reads `<tag>: digest: sha256:… size: 1234`.
fn parse_digest<'a>(status: &'a str, tag: &str) -> Option<&'a str> {
    let text = status.strip_prefix(tag)?.strip_prefix(": digest: ")?;
    let digest = text.split(' ').next()?;
    digest.starts_with("sha256:").then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_told_from_a_port() {
        for (image, parts) in [
            ("r.example/game:7", ("r.example/game", "7")),
            ("127.0.0.1:5000/game", ("127.0.0.1:5000/game", "latest")),
            ("127.0.0.1:5000/game:7", ("127.0.0.1:5000/game", "7")),
        ] {
            assert_eq!(split_tag(image), parts);
        }
    }

    #[test]
    fn the_digest_is_read_from_the_last_line() {
        assert_eq!(parse_digest("7: digest: sha256:ab size: 528", "7"), Some("sha256:ab"));
        assert_eq!(parse_digest("Pushing", "7"), None);
    }

    #[test]
    fn layers_add_up_and_never_go_back() {
        let mut layers = Layers::default();
        assert_eq!(layers.on(10, 100), (10, 100));
        assert_eq!(layers.on(5, 50), (15, 150));
        assert_eq!(layers.on(120, 100), (105, 150));
        assert_eq!(layers.on(30, 100), (105, 150));
    }

    #[test]
    fn what_a_registry_refuses_is_told_from_one_that_is_not_there() {
        let kind = |message: &str| refused("r.example/game:7", message.to_owned());
        let gone = kind("Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host");
        assert!(matches!(gone, ImageError::RegistryUnreachable { .. }));
        let plain =
            kind("Get \"https://r.example/v2/\": http: server gave HTTP response to HTTPS client");
        assert!(plain.help().contains("insecure-registries"), "{}", plain.help());
        let denied = kind("unauthorized: authentication required");
        assert!(matches!(denied, ImageError::Unauthorised { .. }));
        assert!(matches!(kind("blob upload unknown"), ImageError::NotPushed { .. }));
    }
}
