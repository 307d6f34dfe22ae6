//! The registry, remote.

use std::time::Duration;

use arena_mesh::Channel;
use arena_store::{
    Entry, LeaseId, Listing, Registry, Revision, StoreError, Transaction, TransactionOutcome, Watch,
};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::registry_client::RegistryClient;
use async_trait::async_trait;

use crate::call::{BULK_DEADLINE, DEADLINE, collect, read, within, written};
use crate::watch;
use crate::wire::{Wire, all, millis};

pub(crate) struct RemoteRegistry {
    client: RegistryClient<Channel>,
}

impl RemoteRegistry {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { client: RegistryClient::new(channel) }
    }

    fn client(&self) -> RegistryClient<Channel> {
        self.client.clone()
    }
}

#[async_trait]
impl Registry for RemoteRegistry {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let request = within(DEADLINE, pb::GetRequest { key: key.to_owned() });
        let reply = read(self.client().get(request).await)?;
        reply.entry.map(Entry::from_wire).transpose()
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let request = within(BULK_DEADLINE, pb::ListRequest { prefix: prefix.to_owned() });
        let mut revision = Revision::default();
        let entries = collect(self.client().list(request).await, |part, entries| {
            revision = Revision(part.revision);
            entries.extend(all(part.entries)?);
            Ok(())
        });
        Ok(Listing { entries: entries.await?, revision })
    }

    async fn transact(&self, transaction: Transaction) -> Result<TransactionOutcome, StoreError> {
        let request = within(DEADLINE, transaction.into_wire());
        TransactionOutcome::from_wire(written(self.client().transact(request).await)?)
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        let request = within(DEADLINE, pb::GrantLeaseRequest { ttl_ms: millis(ttl) });
        Ok(LeaseId(written(self.client().grant_lease(request).await)?.id))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, StoreError> {
        let request = within(DEADLINE, pb::Lease { id: lease.0 });
        let reply = read(self.client().keep_alive(request).await)?;
        Ok(Duration::from_millis(reply.ttl_ms))
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        let request = within(DEADLINE, pb::Lease { id: lease.0 });
        read(self.client().revoke_lease(request).await).map(|_| ())
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        watch::open(self.client(), prefix, after).await
    }
}
