//! Analytics.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arena_store::{Analytics, AnalyticsEvent, EventFilter};
use arena_store_remote::wire::{Wire, all, messages, parts, required};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::analytics_server::Analytics as Rpc;
use futures::{Stream, stream};
use tonic::{Request, Response, Status};

use super::guard::{Guard, answer, parsed};
use crate::logic::access::Area;

pub(super) struct Served {
    pub(super) store: Arc<dyn Analytics>,
    pub(super) guard: Guard,
}

/// About an event's bytes.
fn size(event: &AnalyticsEvent) -> usize {
    let attributes = event.attributes.iter().map(|(name, value)| name.len() + value.len() + 8);
    event.kind.len() + attributes.sum::<usize>()
}

fn filter(message: Option<pb::EventFilter>) -> Result<EventFilter, Status> {
    parsed(required(message, "filter").and_then(EventFilter::from_wire))
}

#[tonic::async_trait]
impl Rpc for Served {
    type ReadEventsStream = Pin<Box<dyn Stream<Item = Result<pb::AnalyticsPart, Status>> + Send>>;

    async fn append(
        &self,
        request: Request<pb::AppendRequest>,
    ) -> Result<Response<pb::Done>, Status> {
        let events = parsed(all(self.guard.write(Area::Events, request)?.events))?;
        answer(self.store.append(events).await, |()| pb::Done {})
    }

    async fn read_events(
        &self,
        request: Request<pb::ReadEventsRequest>,
    ) -> Result<Response<Self::ReadEventsStream>, Status> {
        let wanted = self.guard.read(Area::Events, request)?;
        let events = self.store.events(filter(wanted.filter)?, wanted.count as usize).await;
        let parts = parts(parsed(events)?, size).into_iter();
        let part = |events| Ok(pb::AnalyticsPart { events: messages(events) });
        Ok(Response::new(Box::pin(stream::iter(parts.map(part)))))
    }

    async fn count(
        &self,
        request: Request<pb::CountRequest>,
    ) -> Result<Response<pb::CountReply>, Status> {
        let wanted = self.guard.read(Area::Events, request)?;
        let width = Duration::from_millis(wanted.width_ms);
        let counted = self.store.count(filter(wanted.filter)?, width).await;
        answer(counted, |it| pb::CountReply { buckets: messages(it) })
    }
}
