//! Objects.

use std::pin::Pin;
use std::sync::Arc;

use arena_store::limits::OBJECT_BYTES_MAX;
use arena_store::{Objects, PutMode, StoreError, check_path};
use arena_store_remote::wire::{Wire, byte_parts, messages, parts, required};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::objects_server::Objects as Rpc;
use bytes::BytesMut;
use futures::{Stream, TryStreamExt, stream};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};

use super::guard::{Guard, answer, parsed};
use crate::logic::access::Area;

/// Objects in memory at once, each at most 64 MiB; more wait for their turn.
const OBJECTS_IN_MEMORY_MAX: usize = 4;

pub(super) struct Served {
    objects: Arc<dyn Objects>,
    guard: Guard,
    turns: Arc<Semaphore>,
}

impl Served {
    pub(super) fn new(objects: Arc<dyn Objects>, guard: Guard) -> Self {
        Self { objects, guard, turns: Arc::new(Semaphore::new(OBJECTS_IN_MEMORY_MAX)) }
    }
}

type Parts<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

#[tonic::async_trait]
impl Rpc for Served {
    type FetchStream = Parts<pb::ObjectPart>;
    type BrowseStream = Parts<pb::ObjectMetas>;

    async fn put(
        &self,
        request: Request<Streaming<pb::PutPart>>,
    ) -> Result<Response<pb::Done>, Status> {
        let mut parts = self.guard.write(Area::Objects, request)?;
        let first = parsed(required(parts.try_next().await?, "object"))?;
        let head = parsed(required(first.head, "head"))?;
        parsed(check_path(&head.path))?; // before its bytes are taken in
        let bytes = usize::try_from(head.bytes).unwrap_or(usize::MAX);
        if bytes > OBJECT_BYTES_MAX {
            let reason = format!("it has {bytes} bytes, at most {OBJECT_BYTES_MAX}");
            return parsed(Err(StoreError::invalid("value", reason)));
        }
        let _turn = self.turns.acquire().await.map_err(|_| Status::unavailable("closing"))?;
        let mut value = BytesMut::with_capacity(bytes);
        value.extend_from_slice(&first.value);
        while let Some(part) = parts.try_next().await? {
            value.extend_from_slice(&part.value);
            if value.len() > bytes {
                break;
            }
        }
        if value.len() != bytes {
            let reason = format!("{} bytes came, {bytes} were announced", value.len());
            return parsed(Err(StoreError::invalid("value", reason)));
        }
        let mode = if head.create { PutMode::Create } else { PutMode::Overwrite };
        answer(self.objects.put(&head.path, value.freeze(), mode).await, |()| pb::Done {})
    }

    async fn fetch(
        &self,
        request: Request<pb::ObjectRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let wanted = self.guard.read(Area::Objects, request)?;
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Status::unavailable("closing"))?;
        let object = parsed(self.objects.get(&wanted.path).await)?;
        let mut meta = Some(object.meta.into_wire());
        let parts = byte_parts(object.value).into_iter().map(move |value| {
            let _held = &turn; // until the last part is sent
            Ok(pb::ObjectPart { meta: meta.take(), value })
        });
        Ok(Response::new(Box::pin(stream::iter(parts))))
    }

    async fn browse(
        &self,
        request: Request<pb::ObjectRequest>,
    ) -> Result<Response<Self::BrowseStream>, Status> {
        let wanted = self.guard.read(Area::Objects, request)?;
        let metas = parsed(self.objects.list(&wanted.path).await)?;
        let parts = parts(metas, |it| it.path.len() + 16).into_iter();
        let part = |metas| Ok(pb::ObjectMetas { metas: messages(metas) });
        Ok(Response::new(Box::pin(stream::iter(parts.map(part)))))
    }

    async fn remove(
        &self,
        request: Request<pb::ObjectRequest>,
    ) -> Result<Response<pb::Done>, Status> {
        let wanted = self.guard.write(Area::Objects, request)?;
        answer(self.objects.delete(&wanted.path).await, |()| pb::Done {})
    }
}
