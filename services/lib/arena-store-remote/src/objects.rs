//! Objects, remote: in parts, since a message is smaller than an object.

use arena_mesh::Channel;
use arena_store::limits::OBJECT_BYTES_MAX;
use arena_store::{Object, ObjectMeta, Objects, PutMode, StoreError};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::objects_client::ObjectsClient;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{TryStreamExt, stream};

use crate::call::{BULK_DEADLINE, DEADLINE, Effect, collect, fault, read, within, written};
use crate::wire::{Wire, all, byte_parts, required};

pub(crate) struct RemoteObjects {
    client: ObjectsClient<Channel>,
}

impl RemoteObjects {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { client: ObjectsClient::new(channel) }
    }

    fn client(&self) -> ObjectsClient<Channel> {
        self.client.clone()
    }
}

#[async_trait]
impl Objects for RemoteObjects {
    async fn put(&self, path: &str, value: Bytes, mode: PutMode) -> Result<(), StoreError> {
        if value.len() > OBJECT_BYTES_MAX {
            let reason = format!("it has {} bytes, at most {OBJECT_BYTES_MAX}", value.len());
            return Err(StoreError::invalid("value", reason));
        }
        let (create, bytes) = (mode == PutMode::Create, value.len() as u64);
        let mut head = Some(pb::PutHead { path: path.to_owned(), create, bytes });
        let parts = byte_parts(value).into_iter();
        let parts: Vec<_> = parts.map(|value| pb::PutPart { head: head.take(), value }).collect();
        let request = within(BULK_DEADLINE, stream::iter(parts));
        written(self.client().put(request).await).map(|_| ())
    }

    async fn get(&self, path: &str) -> Result<Object, StoreError> {
        let request = within(BULK_DEADLINE, pb::ObjectRequest { path: path.to_owned() });
        let failed = |status: tonic::Status| fault(&status, Effect::None);
        let mut parts = read(self.client().fetch(request).await)?;
        let first = required(parts.try_next().await.map_err(failed)?, "object")?;
        let meta = ObjectMeta::from_wire(required(first.meta, "meta")?)?;
        let mut value = BytesMut::from(first.value);
        while let Some(part) = parts.try_next().await.map_err(failed)? {
            if value.len() + part.value.len() > OBJECT_BYTES_MAX {
                return Err(StoreError::invalid("object", "it is larger than it may be"));
            }
            value.extend_from_slice(&part.value);
        }
        Ok(Object { meta, value: value.freeze() })
    }

    async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>, StoreError> {
        let request = within(BULK_DEADLINE, pb::ObjectRequest { path: folder.to_owned() });
        let parts = self.client().browse(request).await;
        let open = |part: pb::ObjectMetas, metas: &mut Vec<ObjectMeta>| {
            metas.extend(all(part.metas)?);
            Ok(())
        };
        collect(parts, open).await
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        let request = within(DEADLINE, pb::ObjectRequest { path: path.to_owned() });
        read(self.client().remove(request).await).map(|_| ())
    }
}
