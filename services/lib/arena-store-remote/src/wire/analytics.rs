//! The types of analytics.

use arena_store::{AnalyticsEvent, Bucket, EventFilter, StoreError};
use arena_wire::store::v1 as pb;

use super::Wire;

impl Wire for AnalyticsEvent {
    type Message = pb::AnalyticsEvent;

    fn into_wire(self) -> pb::AnalyticsEvent {
        pb::AnalyticsEvent {
            id: self.id,
            kind: self.kind,
            at_ms: self.at_ms,
            attributes: self.attributes.into_iter().collect(),
        }
    }

    fn from_wire(message: pb::AnalyticsEvent) -> Result<Self, StoreError> {
        Ok(Self {
            id: message.id,
            kind: message.kind,
            at_ms: message.at_ms,
            attributes: message.attributes.into_iter().collect(),
        })
    }
}

impl Wire for EventFilter {
    type Message = pb::EventFilter;

    fn into_wire(self) -> pb::EventFilter {
        pb::EventFilter { kind: self.kind, from_ms: self.from_ms, to_ms: self.to_ms }
    }

    fn from_wire(message: pb::EventFilter) -> Result<Self, StoreError> {
        Ok(Self { kind: message.kind, from_ms: message.from_ms, to_ms: message.to_ms })
    }
}

impl Wire for Bucket {
    type Message = pb::Bucket;

    fn into_wire(self) -> pb::Bucket {
        pb::Bucket { start_ms: self.start_ms, count: self.count }
    }

    fn from_wire(message: pb::Bucket) -> Result<Self, StoreError> {
        Ok(Self { start_ms: message.start_ms, count: message.count })
    }
}
