//! The player store.

use std::sync::Arc;
use std::time::Duration;

use arena_store::{
    Account, Ban, BanSubject, Credential, CredentialKey, HistoryCursor, MatchResult, NewSession,
    PlayerStore, Recorded, SessionEnd, TokenHash,
};
use arena_store_remote::wire::{Wire, all, messages, required};
use arena_types::{MatchId, PlayerId, SessionId};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::player_store_server::PlayerStore as Rpc;
use tonic::{Request, Response, Status};

use super::guard::{Guard, answer, parsed};
use crate::logic::access::Area;

pub(super) struct Served {
    pub(super) store: Arc<dyn PlayerStore>,
    pub(super) guard: Guard,
}

/// Reads a field that must be there.
fn field<T: Wire>(message: Option<T::Message>, name: &'static str) -> Result<T, Status> {
    parsed(required(message, name).and_then(T::from_wire))
}

#[tonic::async_trait]
impl Rpc for Served {
    async fn create_account(
        &self,
        request: Request<pb::CreateAccountRequest>,
    ) -> Result<Response<pb::Done>, Status> {
        let wanted = self.guard.write(Area::Accounts, request)?;
        let account: Account = field(wanted.account, "account")?;
        let credential: Credential = field(wanted.credential, "credential")?;
        answer(self.store.create_account(account, credential).await, |()| pb::Done {})
    }

    async fn read_account(
        &self,
        request: Request<pb::PlayerRequest>,
    ) -> Result<Response<pb::ReadAccountReply>, Status> {
        let player = PlayerId::from_u64(self.guard.read(Area::Accounts, request)?.player);
        let account = self.store.account(player).await;
        answer(account, |it| pb::ReadAccountReply { account: it.map(Wire::into_wire) })
    }

    async fn rename(
        &self,
        request: Request<pb::RenameRequest>,
    ) -> Result<Response<pb::Done>, Status> {
        let wanted = self.guard.write(Area::Accounts, request)?;
        let player = PlayerId::from_u64(wanted.player);
        answer(self.store.rename(player, &wanted.name).await, |()| pb::Done {})
    }

    async fn read_credential(
        &self,
        request: Request<pb::CredentialKey>,
    ) -> Result<Response<pb::ReadCredentialReply>, Status> {
        let wanted = self.guard.read(Area::Credentials, request)?;
        let key = parsed(CredentialKey::from_wire(wanted))?;
        let found = self.store.credential(&key).await;
        answer(found, |it| pb::ReadCredentialReply { credential: it.map(Wire::into_wire) })
    }

    async fn put_credential(
        &self,
        request: Request<pb::Credential>,
    ) -> Result<Response<pb::Done>, Status> {
        let wanted = self.guard.write(Area::Credentials, request)?;
        let credential = parsed(Credential::from_wire(wanted))?;
        answer(self.store.put_credential(credential).await, |()| pb::Done {})
    }

    async fn remove_credential(
        &self,
        request: Request<pb::RemoveCredentialRequest>,
    ) -> Result<Response<pb::WasThere>, Status> {
        let wanted = self.guard.write(Area::Credentials, request)?;
        let key: CredentialKey = field(wanted.key, "key")?;
        let removed = self.store.remove_credential(PlayerId::from_u64(wanted.player), &key).await;
        answer(removed, |was_there| pb::WasThere { was_there })
    }

    async fn open_session(
        &self,
        request: Request<pb::OpenSessionRequest>,
    ) -> Result<Response<pb::Done>, Status> {
        let wanted = self.guard.write(Area::Sessions, request)?;
        let session = parsed(NewSession::from_wire(wanted))?;
        answer(self.store.open_session(session).await, |()| pb::Done {})
    }

    async fn rotate_refresh(
        &self,
        request: Request<pb::RotateRefreshRequest>,
    ) -> Result<Response<pb::RotateRefreshReply>, Status> {
        let wanted = self.guard.write(Area::Sessions, request)?;
        let presented = parsed(TokenHash::from_wire(wanted.presented))?;
        let next = parsed(TokenHash::from_wire(wanted.next))?;
        let grace = Duration::from_millis(wanted.grace_ms);
        let rotated = self.store.rotate_refresh(presented, next, wanted.now_ms, grace).await;
        answer(rotated, Wire::into_wire)
    }

    async fn read_session(
        &self,
        request: Request<pb::SessionRequest>,
    ) -> Result<Response<pb::Sessions>, Status> {
        let session = SessionId::from_u64(self.guard.read(Area::Sessions, request)?.session);
        let found = self.store.session(session).await;
        answer(found, |it| pb::Sessions { sessions: messages(it.into_iter().collect()) })
    }

    async fn sessions_of(
        &self,
        request: Request<pb::PlayerRequest>,
    ) -> Result<Response<pb::Sessions>, Status> {
        let player = PlayerId::from_u64(self.guard.read(Area::Sessions, request)?.player);
        let found = self.store.sessions_of(player).await;
        answer(found, |it| pb::Sessions { sessions: messages(it) })
    }

    async fn end_session(
        &self,
        request: Request<pb::EndSessionRequest>,
    ) -> Result<Response<pb::WasThere>, Status> {
        let wanted = self.guard.write(Area::Sessions, request)?;
        let (session, end) =
            (SessionId::from_u64(wanted.session), parsed(SessionEnd::from_wire(wanted.end))?);
        let ended = self.store.end_session(session, end, wanted.now_ms).await;
        answer(ended, |was_there| pb::WasThere { was_there })
    }

    async fn end_sessions_of(
        &self,
        request: Request<pb::EndSessionsOfRequest>,
    ) -> Result<Response<pb::SessionIds>, Status> {
        let wanted = self.guard.write(Area::Sessions, request)?;
        let (player, end) =
            (PlayerId::from_u64(wanted.player), parsed(SessionEnd::from_wire(wanted.end))?);
        let ended = self.store.end_sessions_of(player, end, wanted.now_ms).await;
        let ids = |it: Vec<SessionId>| it.into_iter().map(SessionId::as_u64).collect();
        answer(ended, |it| pb::SessionIds { sessions: ids(it) })
    }

    async fn purge_sessions(
        &self,
        request: Request<pb::PurgeSessionsRequest>,
    ) -> Result<Response<pb::PurgeSessionsReply>, Status> {
        let wanted = self.guard.write(Area::Sessions, request)?;
        let purged = self.store.purge_sessions(wanted.before_ms).await;
        answer(purged, |purged| pb::PurgeSessionsReply { purged })
    }

    async fn write_ban(&self, request: Request<pb::Ban>) -> Result<Response<pb::Done>, Status> {
        let ban = parsed(Ban::from_wire(self.guard.write(Area::Bans, request)?))?;
        answer(self.store.ban(ban).await, |()| pb::Done {})
    }

    async fn lift_ban(
        &self,
        request: Request<pb::LiftBanRequest>,
    ) -> Result<Response<pb::WasThere>, Status> {
        let wanted = self.guard.write(Area::Bans, request)?;
        let subject: BanSubject = field(wanted.subject, "subject")?;
        let lifted = self.store.lift_ban(&subject, &wanted.scope).await;
        answer(lifted, |was_there| pb::WasThere { was_there })
    }

    async fn read_bans(
        &self,
        request: Request<pb::ReadBansRequest>,
    ) -> Result<Response<pb::Bans>, Status> {
        let wanted = self.guard.read(Area::Bans, request)?;
        let subjects: Vec<BanSubject> = parsed(all(wanted.subjects))?;
        let bans = self.store.bans(&subjects, wanted.now_ms).await;
        answer(bans, |it| pb::Bans { bans: messages(it) })
    }

    async fn read_profile(
        &self,
        request: Request<pb::PlayerRequest>,
    ) -> Result<Response<pb::ReadProfileReply>, Status> {
        let player = PlayerId::from_u64(self.guard.read(Area::Profiles, request)?.player);
        let profile = self.store.profile(player).await;
        answer(profile, |it| pb::ReadProfileReply { profile: it.map(Wire::into_wire) })
    }

    async fn put_profile(
        &self,
        request: Request<pb::PutProfileRequest>,
    ) -> Result<Response<pb::PutProfileReply>, Status> {
        let wanted = self.guard.write(Area::Profiles, request)?;
        let player = PlayerId::from_u64(wanted.player);
        let written = self.store.put_profile(player, wanted.expected, wanted.document).await;
        answer(written, |version| pb::PutProfileReply { version })
    }

    async fn read_ratings(
        &self,
        request: Request<pb::ReadRatingsRequest>,
    ) -> Result<Response<pb::Ratings>, Status> {
        let keys: Vec<_> = parsed(all(self.guard.read(Area::Ratings, request)?.keys))?;
        answer(self.store.ratings(&keys).await, |it| pb::Ratings { ratings: messages(it) })
    }

    async fn record_result(
        &self,
        request: Request<pb::RecordResultRequest>,
    ) -> Result<Response<pb::RecordResultReply>, Status> {
        let wanted = self.guard.write(Area::Results, request)?;
        let result: MatchResult = field(wanted.result, "result")?;
        let ratings = parsed(all(wanted.ratings))?;
        let recorded = self.store.record_result(result, ratings).await;
        answer(recorded, |it| pb::RecordResultReply { is_new: it == Recorded::New })
    }

    async fn read_result(
        &self,
        request: Request<pb::MatchRequest>,
    ) -> Result<Response<pb::MatchResults>, Status> {
        let id = MatchId::from_u64(self.guard.read(Area::Results, request)?.id);
        let found = self.store.match_result(id).await;
        answer(found, |it| pb::MatchResults { results: messages(it.into_iter().collect()) })
    }

    async fn history(
        &self,
        request: Request<pb::HistoryRequest>,
    ) -> Result<Response<pb::MatchResults>, Status> {
        let wanted = self.guard.read(Area::Results, request)?;
        let before = parsed(wanted.before.map(HistoryCursor::from_wire).transpose())?;
        let player = PlayerId::from_u64(wanted.player);
        let history = self.store.history(player, before, wanted.count as usize).await;
        answer(history, |it| pb::MatchResults { results: messages(it) })
    }
}
