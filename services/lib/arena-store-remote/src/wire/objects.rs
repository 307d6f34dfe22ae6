//! The types of objects.

use arena_store::{ObjectMeta, StoreError};
use arena_wire::store::v1 as pb;

use super::Wire;

impl Wire for ObjectMeta {
    type Message = pb::ObjectMeta;

    fn into_wire(self) -> pb::ObjectMeta {
        pb::ObjectMeta { path: self.path, bytes: self.bytes, modified_ms: self.modified_ms }
    }

    fn from_wire(message: pb::ObjectMeta) -> Result<Self, StoreError> {
        Ok(Self { path: message.path, bytes: message.bytes, modified_ms: message.modified_ms })
    }
}
