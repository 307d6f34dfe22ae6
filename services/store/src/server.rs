//! Serves the stores: the only part of this service that waits.

mod analytics;
mod guard;
mod hot;
mod objects;
mod players;
mod registry;

use arena_instance::{Boot, Instance, Order};
use arena_mesh::ServerBuilder;
use arena_store::Stores;
use arena_store_embedded::Embedded;
use arena_wire::store::v1::analytics_server::AnalyticsServer;
use arena_wire::store::v1::hot_state_server::HotStateServer;
use arena_wire::store::v1::objects_server::ObjectsServer;
use arena_wire::store::v1::player_store_server::PlayerStoreServer;
use arena_wire::store::v1::registry_server::RegistryServer;
use tokio::sync::watch;

use crate::logic::access::{Access, CLUSTER};
use crate::{ServiceError, StoreSettings};
use guard::Guard;

/// Runs the service until its instance is told to exit. Until the files are open `/readyz` says
/// what it waits for.
///
/// # Errors
/// [`ServiceError`].
pub async fn serve(boot: Boot, settings: StoreSettings) -> Result<(), ServiceError> {
    let folder = boot.settings().data_folder()?.to_owned();
    let embedded = Embedded::open(&folder, settings.options()).await?;
    tracing::info!(folder = %folder.display(), "the stores are open");
    let instance = boot.with_stores(embedded.stores());
    let closing = closing(&instance);
    let serving = instance.serve(|server| mount(server, embedded.stores(), &CLUSTER, closing))?;
    instance.ready().await;
    instance.run(serving).await;
    drop(instance);
    embedded.close().await;
    tracing::info!("the stores are closed");
    Ok(())
}

/// Mounts all ports under a table of who may do what. Once `closing` is true watches end, so that
/// their watchers go elsewhere.
pub fn mount(
    server: ServerBuilder,
    stores: Stores,
    access: &'static Access,
    closing: watch::Receiver<bool>,
) -> ServerBuilder {
    let guard = Guard(access);
    let Stores { registry, hot, players, analytics, objects } = stores;
    server
        .add_service(RegistryServer::new(registry::Served { registry, guard, closing }))
        .add_service(HotStateServer::new(hot::Served { store: hot, guard }))
        .add_service(PlayerStoreServer::new(players::Served { store: players, guard }))
        .add_service(AnalyticsServer::new(analytics::Served { store: analytics, guard }))
        .add_service(ObjectsServer::new(objects::Served::new(objects, guard)))
}

/// True from the moment the instance stops.
fn closing(instance: &Instance) -> watch::Receiver<bool> {
    let (sender, closing) = watch::channel(false);
    let mut orders = instance.orders();
    tokio::spawn(async move {
        // An error means that the instance is gone, which is the same.
        let _ = orders.wait_for(|it| matches!(it, Order::Stop | Order::StopNow)).await;
        sender.send_replace(true);
    });
    closing
}
