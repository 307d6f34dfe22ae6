//! Hot state, remote.

use std::time::Duration;

use arena_mesh::Channel;
use arena_store::limits::STREAM_WAIT_MAX;
use arena_store::{
    BoardEntry, BoardWrite, Delivery, EntryId, Expected, HotState, JournalAppend, JournalEntry,
    Pending, Permit, Present, RateLimit, Score, StoreError, Swap, Version, Versioned,
};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::hot_state_client::HotStateClient;
use async_trait::async_trait;
use bytes::Bytes;

use crate::call::{BULK_DEADLINE, DEADLINE, collect, read, within, written};
use crate::wire::{Wire, all, messages, millis, take_request};

pub(crate) struct RemoteHot {
    client: HotStateClient<Channel>,
}

impl RemoteHot {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { client: HotStateClient::new(channel) }
    }

    fn client(&self) -> HotStateClient<Channel> {
        self.client.clone()
    }
}

/// A count for a message; one that does not fit is beyond every limit anyway.
fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn key(key: &str) -> tonic::Request<pb::KeyRequest> {
    within(DEADLINE, pb::KeyRequest { key: key.to_owned() })
}

fn member(key: &str, member: &str) -> tonic::Request<pb::MemberRequest> {
    within(DEADLINE, pb::MemberRequest { key: key.to_owned(), member: member.to_owned() })
}

fn set_request(key: &str, value: Bytes, ttl: Option<Duration>) -> pb::SetRequest {
    pb::SetRequest { key: key.to_owned(), value, ttl_ms: ttl.map(millis) }
}

#[async_trait]
impl HotState for RemoteHot {
    async fn get(&self, at: &str) -> Result<Option<Versioned>, StoreError> {
        let reply = read(self.client().read(key(at)).await)?;
        reply.found.map(Versioned::from_wire).transpose()
    }

    async fn set(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Version, StoreError> {
        let request = within(DEADLINE, set_request(key, value, ttl));
        Ok(Version(written(self.client().set(request).await)?.version))
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Expected,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Swap, StoreError> {
        let expected = match expected {
            Expected::Absent => None,
            Expected::Version(version) => Some(version.0),
        };
        let set = Some(set_request(key, value, ttl));
        let request = within(DEADLINE, pb::CompareAndSetRequest { set, expected });
        Swap::from_wire(written(self.client().compare_and_set(request).await)?)
    }

    async fn delete(&self, at: &str) -> Result<bool, StoreError> {
        Ok(written(self.client().delete(key(at)).await)?.was_there)
    }

    async fn add(&self, counter: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        let message = pb::AddRequest { counter: counter.to_owned(), by, ttl_ms: ttl.map(millis) };
        Ok(written(self.client().add(within(DEADLINE, message)).await)?.sum)
    }

    async fn take(&self, key: &str, limit: RateLimit, units: u32) -> Result<Permit, StoreError> {
        let request = within(DEADLINE, take_request(key, limit, units));
        Permit::from_wire(written(self.client().take(request).await)?)
    }

    async fn board_write(
        &self,
        board: &str,
        how: BoardWrite,
        scores: Vec<(String, Score)>,
    ) -> Result<Vec<Score>, StoreError> {
        let scores = scores.into_iter().map(|(member, score)| pb::Score { member, score });
        let message = pb::BoardWriteRequest {
            board: board.to_owned(),
            how: how.into_wire(),
            scores: scores.collect(),
        };
        Ok(written(self.client().board_write(within(DEADLINE, message)).await)?.scores)
    }

    async fn board_remove(&self, board: &str, who: &str) -> Result<bool, StoreError> {
        Ok(written(self.client().board_remove(member(board, who)).await)?.was_there)
    }

    async fn board_rank(&self, board: &str, who: &str) -> Result<Option<BoardEntry>, StoreError> {
        let reply = read(self.client().board_rank(member(board, who)).await)?;
        reply.lines.into_iter().next().map(BoardEntry::from_wire).transpose()
    }

    async fn board_range(
        &self,
        board: &str,
        first: u64,
        lines: usize,
    ) -> Result<Vec<BoardEntry>, StoreError> {
        let message = pb::BoardRangeRequest { board: board.to_owned(), first, count: count(lines) };
        all(read(self.client().board_range(within(DEADLINE, message)).await)?.lines)
    }

    async fn board_around(
        &self,
        board: &str,
        member: &str,
        radius: usize,
    ) -> Result<Vec<BoardEntry>, StoreError> {
        let (board, member) = (board.to_owned(), member.to_owned());
        let message = pb::BoardAroundRequest { board, member, radius: count(radius) };
        all(read(self.client().board_around(within(DEADLINE, message)).await)?.lines)
    }

    async fn journal_append(&self, appends: Vec<JournalAppend>) -> Result<Vec<u64>, StoreError> {
        let message = pb::JournalAppendRequest { appends: messages(appends) };
        Ok(written(self.client().journal_append(within(DEADLINE, message)).await)?.lasts)
    }

    async fn journal_read(
        &self,
        journal: &str,
        after: u64,
        entries: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let message =
            pb::JournalReadRequest { journal: journal.to_owned(), after, count: count(entries) };
        all(read(self.client().journal_read(within(DEADLINE, message)).await)?.entries)
    }

    async fn journal_trim(&self, journal: &str, through: u64) -> Result<(), StoreError> {
        let message = pb::JournalTrimRequest { journal: journal.to_owned(), through };
        read(self.client().journal_trim(within(DEADLINE, message)).await).map(|_| ())
    }

    async fn journal_delete(&self, journal: &str) -> Result<(), StoreError> {
        read(self.client().journal_delete(key(journal)).await).map(|_| ())
    }

    async fn stream_add(
        &self,
        stream: &str,
        value: Bytes,
        keep: u64,
    ) -> Result<EntryId, StoreError> {
        let message = pb::StreamAddRequest { stream: stream.to_owned(), value, keep };
        Ok(EntryId(written(self.client().stream_add(within(DEADLINE, message)).await)?.id))
    }

    async fn stream_read(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        entries: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        let wait = wait.min(STREAM_WAIT_MAX);
        let message = pb::StreamReadRequest {
            stream: stream.to_owned(),
            group: group.to_owned(),
            consumer: consumer.to_owned(),
            count: count(entries),
            wait_ms: millis(wait),
        };
        let request = within(wait + DEADLINE, message);
        all(written(self.client().stream_read(request).await)?.deliveries)
    }

    async fn stream_ack(
        &self,
        stream: &str,
        group: &str,
        ids: Vec<EntryId>,
    ) -> Result<u64, StoreError> {
        let message = pb::StreamAckRequest {
            stream: stream.to_owned(),
            group: group.to_owned(),
            ids: ids.into_iter().map(|it| it.0).collect(),
        };
        Ok(written(self.client().stream_ack(within(DEADLINE, message)).await)?.acknowledged)
    }

    async fn stream_pending(
        &self,
        stream: &str,
        group: &str,
        entries: usize,
    ) -> Result<Vec<Pending>, StoreError> {
        let (stream, group) = (stream.to_owned(), group.to_owned());
        let message = pb::StreamPendingRequest { stream, group, count: count(entries) };
        all(read(self.client().stream_pending(within(DEADLINE, message)).await)?.pending)
    }

    async fn stream_claim(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        min_idle: Duration,
        entries: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let message = pb::StreamClaimRequest {
            stream: stream.to_owned(),
            group: group.to_owned(),
            consumer: consumer.to_owned(),
            min_idle_ms: millis(min_idle),
            count: count(entries),
        };
        all(written(self.client().stream_claim(within(DEADLINE, message)).await)?.deliveries)
    }

    async fn presence_set(
        &self,
        place: &str,
        member: &str,
        value: Bytes,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let (place, member) = (place.to_owned(), member.to_owned());
        let message = pb::PresenceSetRequest { place, member, value, ttl_ms: millis(ttl) };
        read(self.client().presence_set(within(DEADLINE, message)).await).map(|_| ())
    }

    async fn presence_clear(&self, place: &str, who: &str) -> Result<(), StoreError> {
        read(self.client().presence_clear(member(place, who)).await).map(|_| ())
    }

    async fn presence_list(&self, place: &str) -> Result<Vec<Present>, StoreError> {
        let request = within(BULK_DEADLINE, pb::KeyRequest { key: place.to_owned() });
        let parts = self.client().presence_list(request).await;
        let open = |part: pb::PresencePart, present: &mut Vec<Present>| {
            present.extend(all(part.present)?);
            Ok(())
        };
        collect(parts, open).await
    }
}
