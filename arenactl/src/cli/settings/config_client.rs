//! The config service of a region, called over the mesh with arenactl's own identity.

use std::time::Duration;

use arena_mesh::{Channel, Endpoint, Identity};
use arena_wire::config::v1::config_client::ConfigClient;
use arenactl_planning::observed::UnitState;

use crate::cli::context::Place;
use crate::error::{CliError, Status};
use crate::supervisor::Authority;

/// The service that holds flags and rules.
const CONFIG: &str = "config";
/// A setting is a small write; longer means that the service or its store is in trouble.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to a ready instance of the config service.
pub(super) async fn connect(place: &mut Place) -> Result<ConfigClient<Channel>, CliError> {
    let units = place.backend.units().await?;
    let ready =
        units.iter().find(|unit| unit.service.as_str() == CONFIG && unit.state == UnitState::Ready);
    let found = ready.and_then(|unit| Some((&unit.instance, *unit.addresses.get("mesh")?)));
    let Some((instance, address)) = found else {
        let what = format!("no instance of `{CONFIG}` is ready in {}", place.region);
        return Err(CliError::new(Status::PreflightFailed, what)
            .with_help(format!("see `arenactl status --region {}`", place.region)));
    };
    let authority = Authority::load(place.cluster.as_str(), &place.folder.authority());
    let uri = format!("spiffe://{}/operator/arenactl", place.cluster);
    authority
        .and_then(|authority| authority.issue(&uri, &place.folder.operator()))
        .map_err(|error| CliError::new(Status::PreflightFailed, error))?;
    let identity = Identity::load(&place.folder.operator())
        .map_err(|error| CliError::new(Status::PreflightFailed, error))?;
    let channel = Channel::builder(identity)
        .service(CONFIG)
        .default_deadline(CALL_TIMEOUT)
        .pinned(Endpoint::new(instance, address));
    Ok(ConfigClient::new(channel))
}

/// Turns an answer of the service into a failure of the command.
pub(super) fn refused(status: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::new(Status::PreflightFailed, status)
        .with_help("see `arenactl logs config` if the message does not say what to change")
}
