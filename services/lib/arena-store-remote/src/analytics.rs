//! Analytics, remote.

use std::time::Duration;

use arena_mesh::Channel;
use arena_store::{Analytics, AnalyticsEvent, Bucket, EventFilter, StoreError};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::analytics_client::AnalyticsClient;
use async_trait::async_trait;

use crate::call::{BULK_DEADLINE, collect, read, within};
use crate::wire::{Wire, all, messages, millis};

pub(crate) struct RemoteAnalytics {
    client: AnalyticsClient<Channel>,
}

impl RemoteAnalytics {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { client: AnalyticsClient::new(channel) }
    }

    fn client(&self) -> AnalyticsClient<Channel> {
        self.client.clone()
    }
}

#[async_trait]
impl Analytics for RemoteAnalytics {
    async fn append(&self, events: Vec<AnalyticsEvent>) -> Result<(), StoreError> {
        let request = within(BULK_DEADLINE, pb::AppendRequest { events: messages(events) });
        read(self.client().append(request).await).map(|_| ())
    }

    async fn events(
        &self,
        filter: EventFilter,
        count: usize,
    ) -> Result<Vec<AnalyticsEvent>, StoreError> {
        let message = pb::ReadEventsRequest {
            filter: Some(filter.into_wire()),
            count: u32::try_from(count).unwrap_or(u32::MAX),
        };
        let parts = self.client().read_events(within(BULK_DEADLINE, message)).await;
        let open = |part: pb::AnalyticsPart, events: &mut Vec<AnalyticsEvent>| {
            events.extend(all(part.events)?);
            Ok(())
        };
        collect(parts, open).await
    }

    async fn count(&self, filter: EventFilter, width: Duration) -> Result<Vec<Bucket>, StoreError> {
        let (filter, width_ms) = (Some(filter.into_wire()), millis(width));
        let request = within(BULK_DEADLINE, pb::CountRequest { filter, width_ms });
        all(read(self.client().count(request).await)?.buckets)
    }
}
