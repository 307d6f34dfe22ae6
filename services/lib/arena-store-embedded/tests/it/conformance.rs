//! The suite every adapter passes.

use std::sync::Arc;

use arena_store::{Stores, conformance};
use arena_store_embedded::Embedded;
use tempfile::TempDir;

async fn stores<T>(port: impl Fn(&Stores) -> Arc<T>) -> (Arc<T>, (Embedded, TempDir))
where
    T: ?Sized,
{
    let folder = tempfile::tempdir().expect("a folder can be made");
    let embedded = crate::open(folder.path()).await;
    (port(&embedded.stores()), (embedded, folder))
}

conformance!(registry, stores(|it| it.registry.clone()).await);
conformance!(hot, stores(|it| it.hot.clone()).await);
conformance!(players, stores(|it| it.players.clone()).await);
conformance!(analytics, stores(|it| it.analytics.clone()).await);
conformance!(objects, stores(|it| it.objects.clone()).await);
