//! Hot state.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arena_store::{BoardWrite, EntryId, Expected, HotState, Version};
use arena_store_remote::wire::{self, Wire, all, messages, parts};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::hot_state_server::HotState as Rpc;
use futures::{Stream, stream};
use tonic::{Request, Response, Status};

use super::guard::{Guard, answer, parsed};
use crate::logic::access::Area;

pub(super) struct Served {
    pub(super) store: Arc<dyn HotState>,
    pub(super) guard: Guard,
}

fn ttl(ttl_ms: Option<u64>) -> Option<Duration> {
    ttl_ms.map(Duration::from_millis)
}

#[tonic::async_trait]
impl Rpc for Served {
    type PresenceListStream = Pin<Box<dyn Stream<Item = Result<pb::PresencePart, Status>> + Send>>;

    async fn read(
        &self,
        request: Request<pb::KeyRequest>,
    ) -> Result<Response<pb::ReadReply>, Status> {
        let wanted = self.guard.read(Area::Values, request)?;
        let found = self.store.get(&wanted.key).await;
        answer(found, |it| pb::ReadReply { found: it.map(Wire::into_wire) })
    }

    async fn set(
        &self,
        request: Request<pb::SetRequest>,
    ) -> Result<Response<pb::SetReply>, Status> {
        let wanted = self.guard.write(Area::Values, request)?;
        let set = self.store.set(&wanted.key, wanted.value, ttl(wanted.ttl_ms)).await;
        answer(set, |it| pb::SetReply { version: it.0 })
    }

    async fn compare_and_set(
        &self,
        request: Request<pb::CompareAndSetRequest>,
    ) -> Result<Response<pb::CompareAndSetReply>, Status> {
        let wanted = self.guard.write(Area::Values, request)?;
        let set = parsed(wire::required(wanted.set, "set"))?;
        let expected =
            wanted.expected.map_or(Expected::Absent, |it| Expected::Version(Version(it)));
        let swap = self.store.compare_and_set(&set.key, expected, set.value, ttl(set.ttl_ms)).await;
        answer(swap, Wire::into_wire)
    }

    async fn delete(
        &self,
        request: Request<pb::KeyRequest>,
    ) -> Result<Response<pb::WasThere>, Status> {
        let wanted = self.guard.write(Area::Values, request)?;
        answer(self.store.delete(&wanted.key).await, |was_there| pb::WasThere { was_there })
    }

    async fn add(
        &self,
        request: Request<pb::AddRequest>,
    ) -> Result<Response<pb::AddReply>, Status> {
        let wanted = self.guard.write(Area::Values, request)?;
        let added = self.store.add(&wanted.counter, wanted.by, ttl(wanted.ttl_ms)).await;
        answer(added, |sum| pb::AddReply { sum })
    }

    async fn take(
        &self,
        request: Request<pb::TakeRequest>,
    ) -> Result<Response<pb::TakeReply>, Status> {
        let wanted = self.guard.write(Area::Rates, request)?;
        let limit = wire::rate_limit(&wanted);
        answer(self.store.take(&wanted.key, limit, wanted.units).await, Wire::into_wire)
    }

    async fn board_write(
        &self,
        request: Request<pb::BoardWriteRequest>,
    ) -> Result<Response<pb::BoardWriteReply>, Status> {
        let wanted = self.guard.write(Area::Boards, request)?;
        let how = parsed(BoardWrite::from_wire(wanted.how))?;
        let scores = wanted.scores.into_iter().map(|it| (it.member, it.score)).collect();
        let written = self.store.board_write(&wanted.board, how, scores).await;
        answer(written, |scores| pb::BoardWriteReply { scores })
    }

    async fn board_remove(
        &self,
        request: Request<pb::MemberRequest>,
    ) -> Result<Response<pb::WasThere>, Status> {
        let wanted = self.guard.write(Area::Boards, request)?;
        let removed = self.store.board_remove(&wanted.key, &wanted.member).await;
        answer(removed, |was_there| pb::WasThere { was_there })
    }

    async fn board_rank(
        &self,
        request: Request<pb::MemberRequest>,
    ) -> Result<Response<pb::BoardLines>, Status> {
        let wanted = self.guard.read(Area::Boards, request)?;
        let line = self.store.board_rank(&wanted.key, &wanted.member).await;
        answer(line, |it| pb::BoardLines { lines: messages(it.into_iter().collect()) })
    }

    async fn board_range(
        &self,
        request: Request<pb::BoardRangeRequest>,
    ) -> Result<Response<pb::BoardLines>, Status> {
        let wanted = self.guard.read(Area::Boards, request)?;
        let lines =
            self.store.board_range(&wanted.board, wanted.first, wanted.count as usize).await;
        answer(lines, |it| pb::BoardLines { lines: messages(it) })
    }

    async fn board_around(
        &self,
        request: Request<pb::BoardAroundRequest>,
    ) -> Result<Response<pb::BoardLines>, Status> {
        let wanted = self.guard.read(Area::Boards, request)?;
        let radius = wanted.radius as usize;
        let lines = self.store.board_around(&wanted.board, &wanted.member, radius).await;
        answer(lines, |it| pb::BoardLines { lines: messages(it) })
    }

    async fn journal_append(
        &self,
        request: Request<pb::JournalAppendRequest>,
    ) -> Result<Response<pb::JournalAppendReply>, Status> {
        let wanted = self.guard.write(Area::Journals, request)?;
        let appends = parsed(all(wanted.appends))?;
        let appended = self.store.journal_append(appends).await;
        answer(appended, |lasts| pb::JournalAppendReply { lasts })
    }

    async fn journal_read(
        &self,
        request: Request<pb::JournalReadRequest>,
    ) -> Result<Response<pb::JournalReadReply>, Status> {
        let wanted = self.guard.read(Area::Journals, request)?;
        let read =
            self.store.journal_read(&wanted.journal, wanted.after, wanted.count as usize).await;
        answer(read, |it| pb::JournalReadReply { entries: messages(it) })
    }

    async fn journal_trim(
        &self,
        request: Request<pb::JournalTrimRequest>,
    ) -> Result<Response<pb::Done>, Status> {
        let wanted = self.guard.write(Area::Journals, request)?;
        answer(self.store.journal_trim(&wanted.journal, wanted.through).await, |()| pb::Done {})
    }

    async fn journal_delete(
        &self,
        request: Request<pb::KeyRequest>,
    ) -> Result<Response<pb::Done>, Status> {
        let wanted = self.guard.write(Area::Journals, request)?;
        answer(self.store.journal_delete(&wanted.key).await, |()| pb::Done {})
    }

    async fn stream_add(
        &self,
        request: Request<pb::StreamAddRequest>,
    ) -> Result<Response<pb::StreamAddReply>, Status> {
        let wanted = self.guard.write(Area::Streams, request)?;
        let added = self.store.stream_add(&wanted.stream, wanted.value, wanted.keep).await;
        answer(added, |id| pb::StreamAddReply { id: id.0 })
    }

    async fn stream_read(
        &self,
        request: Request<pb::StreamReadRequest>,
    ) -> Result<Response<pb::Deliveries>, Status> {
        let wanted = self.guard.write(Area::Streams, request)?;
        let pb::StreamReadRequest { stream, group, consumer, count, wait_ms } = wanted;
        let wait = Duration::from_millis(wait_ms);
        let read = self.store.stream_read(&stream, &group, &consumer, count as usize, wait).await;
        answer(read, |it| pb::Deliveries { deliveries: messages(it) })
    }

    async fn stream_ack(
        &self,
        request: Request<pb::StreamAckRequest>,
    ) -> Result<Response<pb::StreamAckReply>, Status> {
        let wanted = self.guard.write(Area::Streams, request)?;
        let ids = wanted.ids.into_iter().map(EntryId).collect();
        let acknowledged = self.store.stream_ack(&wanted.stream, &wanted.group, ids).await;
        answer(acknowledged, |acknowledged| pb::StreamAckReply { acknowledged })
    }

    async fn stream_pending(
        &self,
        request: Request<pb::StreamPendingRequest>,
    ) -> Result<Response<pb::StreamPendingReply>, Status> {
        let wanted = self.guard.read(Area::Streams, request)?;
        let count = wanted.count as usize;
        let pending = self.store.stream_pending(&wanted.stream, &wanted.group, count).await;
        answer(pending, |it| pb::StreamPendingReply { pending: messages(it) })
    }

    async fn stream_claim(
        &self,
        request: Request<pb::StreamClaimRequest>,
    ) -> Result<Response<pb::Deliveries>, Status> {
        let wanted = self.guard.write(Area::Streams, request)?;
        let pb::StreamClaimRequest { stream, group, consumer, min_idle_ms, count } = wanted;
        let idle = Duration::from_millis(min_idle_ms);
        let claimed =
            self.store.stream_claim(&stream, &group, &consumer, idle, count as usize).await;
        answer(claimed, |it| pb::Deliveries { deliveries: messages(it) })
    }

    async fn presence_set(
        &self,
        request: Request<pb::PresenceSetRequest>,
    ) -> Result<Response<pb::Done>, Status> {
        let wanted = self.guard.write(Area::Presence, request)?;
        let pb::PresenceSetRequest { place, member, value, ttl_ms } = wanted;
        let ttl = Duration::from_millis(ttl_ms);
        answer(self.store.presence_set(&place, &member, value, ttl).await, |()| pb::Done {})
    }

    async fn presence_clear(
        &self,
        request: Request<pb::MemberRequest>,
    ) -> Result<Response<pb::Done>, Status> {
        let wanted = self.guard.write(Area::Presence, request)?;
        answer(self.store.presence_clear(&wanted.key, &wanted.member).await, |()| pb::Done {})
    }

    async fn presence_list(
        &self,
        request: Request<pb::KeyRequest>,
    ) -> Result<Response<Self::PresenceListStream>, Status> {
        let wanted = self.guard.read(Area::Presence, request)?;
        let present = parsed(self.store.presence_list(&wanted.key).await)?;
        let parts = parts(present, |it| it.member.len() + it.value.len()).into_iter();
        let part = |present| Ok(pb::PresencePart { present: messages(present) });
        Ok(Response::new(Box::pin(stream::iter(parts.map(part)))))
    }
}
