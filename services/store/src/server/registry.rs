//! The registry.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arena_store::{Changes, LeaseId, Registry, Revision, StoreError, Transaction, Watch};
use arena_store_remote::HEARTBEAT;
use arena_store_remote::wire::{self, Wire, messages, parts};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::registry_server::Registry as Rpc;
use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::guard::{Guard, answer, parsed};
use crate::logic::access::Area;

type Parts<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

pub(super) struct Served {
    pub(super) registry: Arc<dyn Registry>,
    pub(super) guard: Guard,
    pub(super) closing: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Rpc for Served {
    type ListStream = Parts<pb::ListPart>;
    type WatchStream = Parts<pb::Commit>;

    async fn get(
        &self,
        request: Request<pb::GetRequest>,
    ) -> Result<Response<pb::GetReply>, Status> {
        let wanted = self.guard.read(Area::Registry, request)?;
        let found = self.registry.get(&wanted.key).await;
        answer(found, |it| pb::GetReply { entry: it.map(Wire::into_wire) })
    }

    async fn list(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Result<Response<Self::ListStream>, Status> {
        let wanted = self.guard.read(Area::Registry, request)?;
        let listing = parsed(self.registry.list(&wanted.prefix).await)?;
        let revision = listing.revision.0;
        let parts = parts(listing.entries, |it| it.key.len() + it.value.len()).into_iter();
        let part = move |entries| Ok(pb::ListPart { entries: messages(entries), revision });
        Ok(Response::new(Box::pin(stream::iter(parts.map(part)))))
    }

    async fn transact(
        &self,
        mut request: Request<pb::TransactRequest>,
    ) -> Result<Response<pb::TransactReply>, Status> {
        let transaction = parsed(Transaction::from_wire(std::mem::take(request.get_mut())))?;
        self.guard.transaction(&request, &transaction)?;
        answer(self.registry.transact(transaction).await, Wire::into_wire)
    }

    async fn grant_lease(
        &self,
        request: Request<pb::GrantLeaseRequest>,
    ) -> Result<Response<pb::Lease>, Status> {
        let wanted = self.guard.write(Area::Leases, request)?;
        let granted = self.registry.grant_lease(Duration::from_millis(wanted.ttl_ms)).await;
        answer(granted, |it| pb::Lease { id: it.0 })
    }

    async fn keep_alive(
        &self,
        request: Request<pb::Lease>,
    ) -> Result<Response<pb::KeepAliveReply>, Status> {
        let lease = LeaseId(self.guard.write(Area::Leases, request)?.id);
        let kept = self.registry.keep_alive(lease).await;
        answer(kept, |it| pb::KeepAliveReply { ttl_ms: wire::millis(it) })
    }

    async fn revoke_lease(
        &self,
        request: Request<pb::Lease>,
    ) -> Result<Response<pb::Done>, Status> {
        let lease = LeaseId(self.guard.write(Area::Leases, request)?.id);
        answer(self.registry.revoke_lease(lease).await, |()| pb::Done {})
    }

    async fn watch(
        &self,
        request: Request<pb::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let wanted = self.guard.read(Area::Registry, request)?;
        let last = Revision(wanted.after);
        let watch = parsed(self.registry.watch(&wanted.prefix, last).await)?;
        let live = Live { watch, closing: self.closing.clone(), last };
        let stands = stream::iter([Ok(live.heartbeat())]);
        let rest = stream::try_unfold(live, |mut live| async move {
            let next = live.next().await.map_err(|error| wire::status(&error))?;
            Ok(Some((next, live)))
        });
        Ok(Response::new(Box::pin(stands.chain(rest))))
    }
}

/// A watch that is being served.
struct Live {
    watch: Watch,
    closing: watch::Receiver<bool>,
    last: Revision,
}

impl Live {
    fn heartbeat(&self) -> pb::Commit {
        pb::Commit { revision: self.last.0, events: Vec::new() }
    }

    async fn next(&mut self) -> Result<pb::Commit, StoreError> {
        let ended = || StoreError::unavailable("the store is closing");
        let heartbeat = self.heartbeat();
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|it| *it) => Err(ended()),
            changes = self.watch.next() => {
                let changes: Changes = changes.ok_or_else(ended)??;
                self.last = changes.revision;
                Ok(changes.into_wire())
            }
            () = tokio::time::sleep(HEARTBEAT) => Ok(heartbeat),
        }
    }
}
