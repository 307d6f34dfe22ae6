//! The config service of a region, called over the mesh with arenactl's own identity.

use std::error::Error;
use std::time::Duration;

use arena_mesh::{Channel, Endpoint, Identity};
use arena_types::{ClusterName, Region};
use arena_wire::config::v1::config_client::ConfigClient;
use arena_wire::config::v1::{ActivateRulesRequest, PublishRulesRequest};
use arenactl_planning::observed::UnitState;
use serde_json::Value;

use crate::backend::Unit;
use crate::lock;
use crate::state_folder::StateFolder;
use crate::supervisor::Authority;

/// The service that holds flags and rules.
pub const CONFIG: &str = "config";
/// A setting is a small write; longer means that the service or its store is in trouble.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the config service could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nobody would answer.
    #[error("no instance of `{CONFIG}` is ready in {region}")]
    NoInstance {
        /// The region.
        region: Region,
    },
    /// arenactl has no identity to call it with.
    #[error("cannot use arenactl's own certificate")]
    Identity {
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It did not answer, or refused.
    #[error("`{CONFIG}` does not do it")]
    Refused {
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ConfigError {
    /// Makes one of a service's answer.
    pub(crate) fn refused(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Refused { source: source.into() }
    }

    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoInstance { region } => format!("see `arenactl status --region {region}`"),
            Self::Identity { .. } => "see `arenactl doctor`".to_owned(),
            Self::Refused { .. } => {
                format!("see `arenactl logs {CONFIG}` if the message does not say what to change")
            }
        }
    }
}

/// Connects to a ready instance among `units`.
///
/// # Errors
/// [`ConfigError::NoInstance`] and [`ConfigError::Identity`].
pub fn connect(
    cluster: &ClusterName,
    region: &Region,
    folder: &StateFolder,
    units: &[Unit],
) -> Result<ConfigClient<Channel>, ConfigError> {
    let ready =
        units.iter().find(|unit| unit.service.as_str() == CONFIG && unit.state == UnitState::Ready);
    let found = ready.and_then(|unit| Some((&unit.instance, *unit.addresses.get("mesh")?)));
    let (instance, address) =
        found.ok_or_else(|| ConfigError::NoInstance { region: region.clone() })?;
    let uri = format!("spiffe://{cluster}/operator/arenactl");
    Authority::load(cluster.as_str(), &folder.authority())
        .and_then(|authority| authority.issue(&uri, &folder.operator()))
        .map_err(|source| ConfigError::Identity { source: source.into() })?;
    let identity = Identity::load(&folder.operator())
        .map_err(|source| ConfigError::Identity { source: source.into() })?;
    let channel = Channel::builder(identity)
        .service(CONFIG)
        .default_deadline(CALL_TIMEOUT)
        .pinned(Endpoint::new(instance, address));
    Ok(ConfigClient::new(channel))
}

/// Publishes rules and makes them the ones that new matches use; returns their version. Publishing the same
/// rules again changes nothing.
///
/// # Errors
/// [`ConfigError::Refused`].
pub async fn publish(
    client: &mut ConfigClient<Channel>,
    rules: &Value,
    why: &str,
    is_active: Active,
) -> Result<u32, ConfigError> {
    let (rules_json, by, why) = (rules.to_string(), lock::user(), why.to_owned());
    let request = PublishRulesRequest { rules_json, by: by.clone(), why };
    let published = client.publish_rules(request).await.map_err(ConfigError::refused)?;
    let version = published.into_inner().version;
    if is_active == Active::FromNowOn {
        let request = ActivateRulesRequest { version, by };
        client.activate_rules(request).await.map_err(ConfigError::refused)?;
    }
    Ok(version)
}

/// Whether published rules are used at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    /// By every match that begins from now on.
    FromNowOn,
    /// Once somebody activates them.
    Later,
}
