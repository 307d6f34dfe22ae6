//! Why an image was not built, or did not reach its registry.

use std::path::PathBuf;

use crate::artifacts::ArtifactError;
use crate::docker::{CredentialError, DockerError};

/// Why an image was not built, or did not reach its registry.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The spec has no such service.
    #[error("spec has no service `{service}`")]
    UnknownService {
        /// What was asked for.
        service: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Two programs would be built under one name.
    #[error("image `{image}` would be both `{first}` and `{second}`")]
    Collision {
        /// The name.
        image: String,
        /// One program.
        first: String,
        /// The other program.
        second: String,
    },
    /// There is no program to put into it.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A file of the build cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The engine cannot be used.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The credentials of a registry cannot be had.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// One instruction of the Dockerfile failed.
    #[error("image `{image}` failed at step {step}: {message}")]
    Step {
        /// The image.
        image: String,
        /// `3/12 RUN …`, or `0` before the first.
        step: String,
        /// The engine's words.
        message: String,
        /// The last lines that the instruction printed.
        output: Vec<String>,
    },
    /// The engine stopped saying anything.
    #[error("image `{image}`: engine said nothing for {minutes} minutes at {doing}")]
    Silent {
        /// The image.
        image: String,
        /// What it was doing.
        doing: String,
        /// How long it was waited for.
        minutes: u64,
    },
    /// The engine ended without saying what it made.
    #[error("image `{image}`: engine ended without naming its {what}")]
    Unnamed {
        /// The image.
        image: String,
        /// `id` or `digest`.
        what: &'static str,
    },
    /// The engine has no such image.
    #[error("image `{image}` is not built on `{endpoint}`")]
    NotBuilt {
        /// The image.
        image: String,
        /// The engine.
        endpoint: String,
    },
    /// Its name has no registry.
    #[error("image `{image}` has no registry to be pushed to")]
    NoRegistry {
        /// The image.
        image: String,
    },
    /// The engine cannot talk to the registry.
    #[error("registry `{registry}` is not reachable from the engine: {message}")]
    RegistryUnreachable {
        /// Its host.
        registry: String,
        /// The engine's words.
        message: String,
    },
    /// The registry does not let this user push.
    #[error("registry `{registry}` does not let you push `{image}`: {message}")]
    Unauthorised {
        /// Its host.
        registry: String,
        /// The image.
        image: String,
        /// The registry's words.
        message: String,
    },
    /// The registry did not take it for another reason.
    #[error("image `{image}` was not pushed: {message}")]
    NotPushed {
        /// The image.
        image: String,
        /// The engine's words.
        message: String,
    },
}

impl ImageError {
    /// Returns the lines between the error and its help.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::Step { output, .. } => output.iter().map(|line| format!("  | {line}")).collect(),
            _ => Vec::new(),
        }
    }

    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::UnknownService { known, .. } => format!("one of: {}", known.join(", ")),
            Self::Collision { image, .. } => {
                format!("one program an image: give one of the services another `image` than `{image}`")
            }
            Self::Artifact(error) => error.help(),
            Self::Read { .. } => "name the Dockerfile with `--dockerfile PATH`".to_owned(),
            Self::Docker(error) => error.help(),
            Self::Credentials(error) => error.help(),
            Self::Step { step, message, .. } => step_help(step, message),
            Self::Silent { .. } => {
                "look at the engine's own log (`journalctl -u docker`) and at its network, then build again"
                    .to_owned()
            }
            Self::Unnamed { .. } => "run the command again; what is built is kept".to_owned(),
            Self::NotBuilt { .. } => "build it: `arenactl build`, with the same `--tag`".to_owned(),
            Self::NoRegistry { .. } => {
                "set `images.registry` in the spec: `host[:port][/path]`".to_owned()
            }
            Self::RegistryUnreachable { registry, message } => unreachable_help(registry, message),
            Self::Unauthorised { registry, .. } => format!("`docker login {registry}`"),
            Self::NotPushed { .. } => "look into the registry's own log, then push again".to_owned(),
        }
    }
}

fn step_help(step: &str, message: &str) -> String {
    let is_about_base = step.contains("FROM") || step == "0";
    if message.contains("no space left") {
        "free space on the engine's disk: `docker system df`, `docker image prune`".to_owned()
    } else if is_about_base {
        "check that the engine can pull the base: `images.base` and `images.gpu_base` in the spec"
            .to_owned()
    } else {
        "correct the Dockerfile or the program, then build again; the steps before are cached"
            .to_owned()
    }
}

fn unreachable_help(registry: &str, message: &str) -> String {
    if message.contains("HTTP response to HTTPS client") {
        format!(
            "the registry speaks plain HTTP: add `{registry}` to `insecure-registries` of the engine's daemon.json"
        )
    } else if message.contains("x509") || message.contains("certificate") {
        format!(
            "put the registry's CA into `/etc/docker/certs.d/{registry}/ca.crt` on the engine's machine"
        )
    } else {
        // The engine quotes the address that it asked.
        let asked = message.split('"').nth(1).filter(|it| it.starts_with("http"));
        let asked = asked.map_or_else(|| format!("https://{registry}/v2/"), str::to_owned);
        format!("check that it runs and that the engine's machine reaches it: `curl -i {asked}`")
    }
}
