//! The registry on `registry.db`.

mod leases;
mod rows;
mod transact;
mod watches;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arena_store::{
    Entry, LeaseId, Listing, Registry, Revision, StoreError, Transaction, TransactionOutcome,
    Watch, check_key, check_lease_ttl, check_prefix,
};
use async_trait::async_trait;
use sqlx::sqlite::SqliteSynchronous;
use tokio::task::JoinHandle;

use crate::OpenError;
use crate::database::{Database, Kind};
use leases::Leases;
use watches::Feed;

/// A registry of one process.
#[derive(Debug)]
pub(crate) struct EmbeddedRegistry {
    database: Arc<Database>,
    leases: Arc<Leases>,
    feed: Feed,
}

impl EmbeddedRegistry {
    /// Opens it, and starts the tasks that write and that end leases.
    pub(crate) async fn open(
        folder: &Path,
        bytes_max: Option<u64>,
    ) -> Result<(Arc<Self>, JoinHandle<()>, JoinHandle<()>), OpenError> {
        let kind = Kind {
            file: "registry.db",
            schema: &[("registry", include_str!("../migrations/registry/0001_registry.sql"))],
            synchronous: SqliteSynchronous::Full,
        };
        let (database, writer) = Database::open(folder, kind, bytes_max).await?;
        let database = Arc::new(database);
        let loaded = leases::load(&database).await;
        let loaded =
            loaded.map_err(|source| OpenError::from_engine(&folder.join("registry.db"), source))?;
        let registry = Arc::new(Self { database, leases: Leases::new(loaded), feed: Feed::new() });
        let expiry = tokio::spawn(leases::expire(Arc::downgrade(&registry)));
        Ok((registry, writer, expiry))
    }

    /// Ends a lease on disk, with its keys.
    async fn end_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        let feed = self.feed.clone();
        let writer = &self.database.writer;
        let ended = writer
            .write_then(
                move |connection| Box::pin(transact::end_lease(connection, lease)),
                move |changes| feed.publish(changes.as_ref()),
            )
            .await;
        ended.map(|_| ())
    }
}

#[async_trait]
impl Registry for EmbeddedRegistry {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        check_key(key)?;
        let mut reader = self.database.read(self.database.readers.acquire().await)?;
        self.database.read(rows::entry(&mut reader, key).await)
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        check_prefix(prefix)?;
        let mut reader = self.database.read(self.database.readers.begin().await)?;
        let revision = self.database.read(rows::marks(&mut reader).await)?.revision;
        let entries = self.database.read(rows::entries(&mut reader, prefix).await)?;
        Ok(Listing { entries, revision })
    }

    async fn transact(&self, transaction: Transaction) -> Result<TransactionOutcome, StoreError> {
        transaction.check()?;
        let feed = self.feed.clone();
        let writer = &self.database.writer;
        let (outcome, _) = writer
            .write_then(
                move |connection| Box::pin(transact::run(connection, transaction)),
                move |(_, changes)| feed.publish(changes.as_ref()),
            )
            .await?;
        Ok(outcome)
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        check_lease_ttl(ttl)?;
        let leases = self.leases.clone();
        let writer = &self.database.writer;
        writer
            .write_then(
                move |connection| Box::pin(transact::grant_lease(connection, ttl)),
                move |lease| leases.add(*lease, ttl),
            )
            .await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, StoreError> {
        self.leases.keep_alive(lease).ok_or_else(|| StoreError::not_found(lease.to_string()))
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        let Some(held) = self.leases.remove(lease) else { return Ok(()) };
        let ended = self.end_lease(lease).await;
        if ended.is_err() {
            self.leases.put_back(lease, held);
        }
        ended
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        check_prefix(prefix)?;
        self.feed.watch(self.database.clone(), prefix, after).await
    }
}
