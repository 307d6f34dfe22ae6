//! The player store, remote.

use std::time::Duration;

use arena_mesh::Channel;
use arena_store::{
    Account, Ban, BanSubject, Credential, CredentialKey, HistoryCursor, MatchResult, NewSession,
    PlayerStore, Profile, Rating, RatingKey, RatingUpdate, Recorded, Rotation, Session, SessionEnd,
    StoreError, TokenHash,
};
use arena_types::{MatchId, PlayerId, SessionId};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::player_store_client::PlayerStoreClient;
use async_trait::async_trait;
use bytes::Bytes;

use crate::call::{DEADLINE, read, within, written};
use crate::wire::{Wire, all, messages, millis};

pub(crate) struct RemotePlayers {
    client: PlayerStoreClient<Channel>,
}

impl RemotePlayers {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { client: PlayerStoreClient::new(channel) }
    }

    fn client(&self) -> PlayerStoreClient<Channel> {
        self.client.clone()
    }
}

fn player(player: PlayerId) -> tonic::Request<pb::PlayerRequest> {
    within(DEADLINE, pb::PlayerRequest { player: player.as_u64() })
}

#[async_trait]
impl PlayerStore for RemotePlayers {
    async fn create_account(
        &self,
        account: Account,
        credential: Credential,
    ) -> Result<(), StoreError> {
        let message = pb::CreateAccountRequest {
            account: Some(account.into_wire()),
            credential: Some(credential.into_wire()),
        };
        written(self.client().create_account(within(DEADLINE, message)).await).map(|_| ())
    }

    async fn account(&self, id: PlayerId) -> Result<Option<Account>, StoreError> {
        let reply = read(self.client().read_account(player(id)).await)?;
        reply.account.map(Account::from_wire).transpose()
    }

    async fn rename(&self, id: PlayerId, name: &str) -> Result<(), StoreError> {
        let message = pb::RenameRequest { player: id.as_u64(), name: name.to_owned() };
        read(self.client().rename(within(DEADLINE, message)).await).map(|_| ())
    }

    async fn credential(&self, key: &CredentialKey) -> Result<Option<Credential>, StoreError> {
        let request = within(DEADLINE, key.clone().into_wire());
        let reply = read(self.client().read_credential(request).await)?;
        reply.credential.map(Credential::from_wire).transpose()
    }

    async fn put_credential(&self, credential: Credential) -> Result<(), StoreError> {
        let request = within(DEADLINE, credential.into_wire());
        read(self.client().put_credential(request).await).map(|_| ())
    }

    async fn remove_credential(
        &self,
        id: PlayerId,
        key: &CredentialKey,
    ) -> Result<bool, StoreError> {
        let key = Some(key.clone().into_wire());
        let message = pb::RemoveCredentialRequest { player: id.as_u64(), key };
        let request = within(DEADLINE, message);
        Ok(written(self.client().remove_credential(request).await)?.was_there)
    }

    async fn open_session(&self, session: NewSession) -> Result<(), StoreError> {
        let request = within(DEADLINE, session.into_wire());
        written(self.client().open_session(request).await).map(|_| ())
    }

    async fn rotate_refresh(
        &self,
        presented: TokenHash,
        next: TokenHash,
        now_ms: u64,
        grace: Duration,
    ) -> Result<Rotation, StoreError> {
        let message = pb::RotateRefreshRequest {
            presented: presented.into_wire(),
            next: next.into_wire(),
            now_ms,
            grace_ms: millis(grace),
        };
        let request = within(DEADLINE, message);
        Rotation::from_wire(written(self.client().rotate_refresh(request).await)?)
    }

    async fn session(&self, session: SessionId) -> Result<Option<Session>, StoreError> {
        let request = within(DEADLINE, pb::SessionRequest { session: session.as_u64() });
        let reply = read(self.client().read_session(request).await)?;
        reply.sessions.into_iter().next().map(Session::from_wire).transpose()
    }

    async fn sessions_of(&self, id: PlayerId) -> Result<Vec<Session>, StoreError> {
        all(read(self.client().sessions_of(player(id)).await)?.sessions)
    }

    async fn end_session(
        &self,
        session: SessionId,
        end: SessionEnd,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let (session, end) = (session.as_u64(), end.into_wire());
        let request = within(DEADLINE, pb::EndSessionRequest { session, end, now_ms });
        Ok(written(self.client().end_session(request).await)?.was_there)
    }

    async fn end_sessions_of(
        &self,
        id: PlayerId,
        end: SessionEnd,
        now_ms: u64,
    ) -> Result<Vec<SessionId>, StoreError> {
        let (player, end) = (id.as_u64(), end.into_wire());
        let request = within(DEADLINE, pb::EndSessionsOfRequest { player, end, now_ms });
        let reply = written(self.client().end_sessions_of(request).await)?;
        Ok(reply.sessions.into_iter().map(SessionId::from_u64).collect())
    }

    async fn purge_sessions(&self, before_ms: u64) -> Result<u64, StoreError> {
        let request = within(DEADLINE, pb::PurgeSessionsRequest { before_ms });
        Ok(written(self.client().purge_sessions(request).await)?.purged)
    }

    async fn ban(&self, ban: Ban) -> Result<(), StoreError> {
        let request = within(DEADLINE, ban.into_wire());
        read(self.client().write_ban(request).await).map(|_| ())
    }

    async fn lift_ban(&self, subject: &BanSubject, scope: &str) -> Result<bool, StoreError> {
        let subject = Some(subject.clone().into_wire());
        let message = pb::LiftBanRequest { subject, scope: scope.to_owned() };
        Ok(written(self.client().lift_ban(within(DEADLINE, message)).await)?.was_there)
    }

    async fn bans(&self, subjects: &[BanSubject], now_ms: u64) -> Result<Vec<Ban>, StoreError> {
        let message = pb::ReadBansRequest { subjects: messages(subjects.to_vec()), now_ms };
        all(read(self.client().read_bans(within(DEADLINE, message)).await)?.bans)
    }

    async fn profile(&self, id: PlayerId) -> Result<Option<Profile>, StoreError> {
        let reply = read(self.client().read_profile(player(id)).await)?;
        reply.profile.map(Profile::from_wire).transpose()
    }

    async fn put_profile(
        &self,
        id: PlayerId,
        expected: u64,
        document: Bytes,
    ) -> Result<u64, StoreError> {
        let message = pb::PutProfileRequest { player: id.as_u64(), expected, document };
        Ok(written(self.client().put_profile(within(DEADLINE, message)).await)?.version)
    }

    async fn ratings(&self, keys: &[RatingKey]) -> Result<Vec<Option<Rating>>, StoreError> {
        let message = pb::ReadRatingsRequest { keys: messages(keys.to_vec()) };
        all(read(self.client().read_ratings(within(DEADLINE, message)).await)?.ratings)
    }

    async fn record_result(
        &self,
        result: MatchResult,
        ratings: Vec<RatingUpdate>,
    ) -> Result<Recorded, StoreError> {
        let (result, ratings) = (Some(result.into_wire()), messages(ratings));
        let request = within(DEADLINE, pb::RecordResultRequest { result, ratings });
        let reply = written(self.client().record_result(request).await)?;
        Ok(if reply.is_new { Recorded::New } else { Recorded::Before })
    }

    async fn match_result(&self, id: MatchId) -> Result<Option<MatchResult>, StoreError> {
        let request = within(DEADLINE, pb::MatchRequest { id: id.as_u64() });
        let reply = read(self.client().read_result(request).await)?;
        reply.results.into_iter().next().map(MatchResult::from_wire).transpose()
    }

    async fn history(
        &self,
        id: PlayerId,
        before: Option<HistoryCursor>,
        count: usize,
    ) -> Result<Vec<MatchResult>, StoreError> {
        let message = pb::HistoryRequest {
            player: id.as_u64(),
            before: before.map(Wire::into_wire),
            count: u32::try_from(count).unwrap_or(u32::MAX),
        };
        all(read(self.client().history(within(DEADLINE, message)).await)?.results)
    }
}
