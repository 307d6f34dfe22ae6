//! Puts the parts together.

use std::sync::Arc;

use arena_env::SecretError;
use arena_instance::{Boot, Instance, StartError};
use arena_mesh::ServeError;
use arena_wire::matchmaker::v1::matchmaker_server::MatchmakerServer;
use arena_wire::token::TokenKey;
use tokio::sync::{Semaphore, mpsc};

use crate::MatchmakerSettings;
use crate::clock::Clock;
use crate::desk::{COMMANDS_MAX, Desk, Shared};
use crate::figures::Figures;
use crate::heard;
use crate::matches::Matches;
use crate::parties::Parties;
use crate::service::{MatchmakerService, WATCHES_MAX};
use crate::updates::Seats;

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The instance does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The key of route tokens is missing or wrong.
    #[error(transparent)]
    RouteKey(#[from] SecretError),
    /// The mesh port cannot be served.
    #[error("serve the mesh port")]
    Mesh(#[from] ServeError),
}

/// Runs the service until its instance is told to exit.
///
/// # Errors
/// [`ServiceError`].
pub async fn serve(boot: Boot, settings: MatchmakerSettings) -> Result<(), ServiceError> {
    run(boot.connect()?, settings).await
}

/// Runs the service as `instance`, whatever its stores are.
///
/// # Errors
/// [`ServiceError`].
pub async fn run(instance: Instance, settings: MatchmakerSettings) -> Result<(), ServiceError> {
    let MatchmakerSettings { game, policy, failover } = settings;
    let key = TokenKey::new(instance.secrets().read("route_key")?.expose());
    let registry = instance.stores().registry.clone();
    let figures = Figures::new(instance.metrics());
    let mut live = instance.live_config().of_game(game.name());
    let shared = Shared {
        instance: instance.clone(),
        matches: Arc::new(Matches::new(&instance, live.clone(), failover, figures.clone())),
        parties: Arc::new(Parties::new(registry.clone())),
        seats: Seats::new(key),
        figures,
        clock: Clock::start(),
    };
    let (desk, inbox) = mpsc::channel(COMMANDS_MAX);
    tokio::spawn(heard::listen(registry, desk.clone()));
    tokio::spawn(Desk::new(policy, shared.clone()).run(inbox, instance.orders()));
    let watches = Arc::new(Semaphore::new(WATCHES_MAX));
    let service = MatchmakerService { seats: policy.seats, shared, desk, watches };
    let serving = instance.serve(|server| server.add_service(MatchmakerServer::new(service)))?;
    let warm = instance.clone();
    tokio::spawn(async move {
        warm.waits_for("the registry has no active rules yet: is the config service up?").await;
        live.first_rules().await;
        warm.ready().await;
    });
    instance.run(serving).await;
    Ok(())
}
