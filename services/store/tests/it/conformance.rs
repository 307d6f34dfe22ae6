//! The suite every adapter passes, over the mesh.

use std::sync::Arc;

use arena_store::{Stores, conformance};

use crate::mesh::{OPEN, Service};

async fn remote<T>(port: impl Fn(&Stores) -> Arc<T>) -> (Arc<T>, Service)
where
    T: ?Sized,
{
    let service = Service::start(&OPEN).await;
    (port(&service.stores("tester")), service)
}

conformance!(registry, remote(|it| it.registry.clone()).await);
conformance!(hot, remote(|it| it.hot.clone()).await);
conformance!(players, remote(|it| it.players.clone()).await);
conformance!(analytics, remote(|it| it.analytics.clone()).await);
conformance!(objects, remote(|it| it.objects.clone()).await);
