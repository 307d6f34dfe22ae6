//! Why a swarm did not do what it was asked.

use arena_types::InstanceId;

use crate::docker::DockerError;

/// Why a swarm did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// The engine failed or refused.
    #[error("cannot {doing}")]
    Docker {
        /// What was to be done.
        doing: String,
        /// What the engine says.
        source: DockerError,
    },
    /// The engine is no manager.
    #[error("the docker engine at `{endpoint}` {}", if *.is_worker { "is a worker of its swarm, not a manager" } else { "is in no swarm" })]
    NotManager {
        /// Its address.
        endpoint: String,
        /// Whether it is in a swarm at all.
        is_worker: bool,
    },
    /// A name that is needed belongs to somebody else.
    #[error("the {what} `{name}` exists and is not arenactl's")]
    Taken {
        /// A service, a config, a secret.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Somebody wrote an object between our reading and our writing, again and again.
    #[error("`{name}` is written by somebody else at the same time")]
    Contended {
        /// The object.
        name: String,
    },
    /// An instance's service is not as arenactl left it.
    #[error("the service of {instance} was changed by somebody else ({what})")]
    Drift {
        /// The instance.
        instance: InstanceId,
        /// Its service's name.
        service: String,
        /// What differs.
        what: String,
    },
    /// What is to be kept is larger than a config may be.
    #[error("`{name}` has {length} bytes, a config holds at most {CONFIG_LEN_MAX}")]
    TooLarge {
        /// The object.
        name: String,
        /// Its bytes.
        length: usize,
    },
    /// What is kept does not parse.
    #[error("the config `{name}` does not parse")]
    Corrupt {
        /// The config.
        name: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer arenactl wrote it.
    #[error("the config `{name}` was written by a newer arenactl")]
    Newer {
        /// The config.
        name: String,
    },
}

/// Bytes of a config's data (`swarmkit`'s `MaxConfigSize`).
pub(crate) const CONFIG_LEN_MAX: usize = 1_000 * 1_024;

impl SwarmError {
    pub(super) fn connecting(source: DockerError) -> Self {
        let doing = "connect to a manager of the swarm".to_owned();
        Self::Docker { doing, source }
    }

    /// Returns the HTTP status of the engine's refusal.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Docker { source, .. } => source.status(),
            _ => None,
        }
    }

    /// Says whether the object was written since it was read: Docker answers 500 and says so in words.
    pub(crate) fn is_out_of_sequence(&self) -> bool {
        match self {
            Self::Docker { source: DockerError::Refused { message, .. }, .. } => {
                message.contains("update out of sequence")
            }
            _ => false,
        }
    }

    /// Says whether the object is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Docker { source, .. } => source.help(),
            Self::NotManager { endpoint, is_worker: true } => format!(
                "name a manager in `regions.<region>.endpoint`; which are there: `docker -H {endpoint} info`"
            ),
            Self::NotManager { endpoint, is_worker: false } => {
                format!(
                    "make it a swarm of one: `docker -H {endpoint} swarm init`, or name a manager"
                )
            }
            Self::Taken { what, name } => {
                format!(
                    "look at it: `docker {what} inspect {name}`; rename it, or `cluster:` in arena.yaml"
                )
            }
            Self::Contended { .. } => "run the command again".to_owned(),
            Self::Drift { service, .. } => format!(
                "see it: `docker service inspect {service}`; take the change back (`docker service rollback {service}`) \
                 or remove it (`docker service rm {service}`), then `arenactl resume`, or `arenactl abort`"
            ),
            Self::TooLarge { .. } => {
                "make arena.yaml smaller: fewer services, shorter `env`".to_owned()
            }
            Self::Corrupt { name, .. } => format!(
                "look at it: `docker config inspect --pretty {name}`; without it the rest is read: `docker config rm {name}`"
            ),
            Self::Newer { .. } => "use the arenactl that wrote it, or a newer one".to_owned(),
        }
    }
}
