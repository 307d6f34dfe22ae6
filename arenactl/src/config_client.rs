//! The config service of a region, called over the mesh with arenactl's own identity.

use std::error::Error;
use std::time::Duration;

use arena_mesh::{Channel, Endpoint, Identity};
use arena_types::{ClusterName, Region};
use arena_wire::config::v1::config_client::ConfigClient;
use arena_wire::config::v1::{ActivateRulesRequest, PublishRulesRequest};
use arenactl_planning::observed::UnitState;
use serde_json::Value;
use tonic::body::Body;
use tower::util::BoxCloneService;
use tower::{Service, ServiceExt as _};

use crate::backend::Unit;
use crate::lock;
use crate::state_folder::StateFolder;
use crate::supervisor::{Authority, operator_uri};

/// The service that holds flags and rules.
pub const CONFIG: &str = "config";
/// A setting is a small write; longer means that the service or its store is in trouble.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Codes of gRPC that blame the caller: `INVALID_ARGUMENT`, `NOT_FOUND`, `FAILED_PRECONDITION`, `OUT_OF_RANGE`.
const CODES_OF_CALLER: [i32; 4] = [3, 5, 9, 11];

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
    /// It did not answer in a way that helps.
    #[error("`{CONFIG}` could not do it: {why}")]
    Failed {
        /// What it said.
        why: String,
    },
    /// What it was asked makes no sense to it.
    #[error("`{CONFIG}` failed to {why}")]
    Refused {
        /// What it said.
        why: String,
    },
}

impl ConfigError {
    /// Makes one of a service's answer: a code of gRPC and what it said.
    pub(crate) fn refused(code: i32, why: &str) -> Self {
        let why = why.to_owned();
        if CODES_OF_CALLER.contains(&code) { Self::Refused { why } } else { Self::Failed { why } }
    }

    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoInstance { region } => format!("see `arenactl status --region {region}`"),
            Self::Identity { .. } => "see `arenactl doctor`".to_owned(),
            Self::Failed { .. } => format!("see `arenactl logs {CONFIG}`, then try again"),
            Self::Refused { .. } => {
                "see what there is: `arenactl rules list`, `arenactl flag list`".to_owned()
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
) -> Result<ConfigClient<AnyChannel>, ConfigError> {
    let ready =
        units.iter().find(|unit| unit.service.as_str() == CONFIG && unit.state == UnitState::Ready);
    let found = ready.and_then(|unit| Some((&unit.instance, *unit.addresses.get("mesh")?)));
    let (instance, address) =
        found.ok_or_else(|| ConfigError::NoInstance { region: region.clone() })?;
    let uri = operator_uri(cluster.as_str());
    Authority::load(cluster.as_str(), &folder.authority())
        .and_then(|authority| authority.issue(&uri, &folder.operator()))
        .map_err(|source| ConfigError::Identity { source: source.into() })?;
    let identity = Identity::load(&folder.operator())
        .map_err(|source| ConfigError::Identity { source: source.into() })?;
    let channel = Channel::builder(identity)
        .service(CONFIG)
        .default_deadline(CALL_TIMEOUT)
        .pinned(Endpoint::new(instance, address));
    Ok(ConfigClient::new(any(channel)))
}

/// A channel of any kind: over the mesh, or through a relay.
pub type AnyChannel =
    BoxCloneService<http::Request<Body>, http::Response<Body>, Box<dyn Error + Send + Sync>>;

/// Makes one of any kind of a channel.
pub(crate) fn any<S, B>(channel: S) -> AnyChannel
where
    S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let channel = channel.map_response(|response: http::Response<B>| response.map(Body::new));
    BoxCloneService::new(channel.map_err(Into::into))
}

/// Publishes rules and makes them the ones that new matches use; returns their version. Publishing the same
/// rules again changes nothing.
///
/// # Errors
/// [`ConfigError::Refused`] and [`ConfigError::Failed`].
pub async fn publish(
    client: &mut ConfigClient<AnyChannel>,
    rules: &Value,
    why: &str,
    is_active: Active,
) -> Result<u32, ConfigError> {
    let (rules_json, by, why) = (rules.to_string(), lock::user(), why.to_owned());
    let request = PublishRulesRequest { rules_json, by: by.clone(), why };
    let published = client
        .publish_rules(request)
        .await
        .map_err(|status| ConfigError::refused(status.code() as i32, status.message()))?;
    let version = published.into_inner().version;
    if is_active == Active::FromNowOn {
        let request = ActivateRulesRequest { version, by };
        client
            .activate_rules(request)
            .await
            .map_err(|status| ConfigError::refused(status.code() as i32, status.message()))?;
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
