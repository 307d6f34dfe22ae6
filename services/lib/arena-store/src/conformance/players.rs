//! Accounts, credentials, sessions, bans and profiles.

use std::time::Duration;

use arena_types::{PlayerId, SessionId};
use bytes::Bytes;
use futures::future::join_all;

use crate::limits::PROFILE_BYTES_MAX;
use crate::{
    Account, Ban, BanSubject, Credential, CredentialKey, NewSession, PlayerStore, Rotation,
    SessionEnd, StoreError, TokenHash,
};

/// Forgiveness of a lost reply.
const GRACE: Duration = Duration::from_secs(10);

fn player(number: u64) -> PlayerId {
    PlayerId::from_u64(number)
}

fn device(number: u8) -> CredentialKey {
    CredentialKey::Device([number; 32])
}

/// Makes the account `number` with the device `number`.
pub(super) async fn account(players: &dyn PlayerStore, number: u8) -> PlayerId {
    let id = player(u64::from(number) << 56 | 7);
    let account = Account { id, name: format!("player {number}"), created_ms: 1_000 };
    let credential = Credential { key: device(number), player: id, secret: None };
    players.create_account(account, credential).await.unwrap();
    id
}

pub async fn an_account_reads_back(players: &dyn PlayerStore) {
    assert_eq!(players.account(player(1)).await, Ok(None));
    let id = account(players, 255).await;
    let found = players.account(id).await.unwrap().unwrap();
    assert_eq!(found, Account { id, name: "player 255".to_owned(), created_ms: 1_000 });
    players.rename(id, "Zoë").await.unwrap();
    assert_eq!(players.account(id).await.unwrap().unwrap().name, "Zoë");
    let outcome = players.rename(player(1), "x").await;
    assert!(matches!(outcome, Err(StoreError::NotFound { .. })), "{outcome:?}");
    for name in ["", &"x".repeat(33), "a\nb"] {
        let outcome = players.rename(id, name).await;
        assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{name:?}: {outcome:?}");
    }
}

pub async fn a_credential_belongs_to_one_account(players: &dyn PlayerStore) {
    let first = account(players, 1).await;
    assert_eq!(players.credential(&device(1)).await.unwrap().unwrap().player, first);
    assert_eq!(players.credential(&device(9)).await, Ok(None));
    let id = player(99);
    let other = Account { id, name: "other".to_owned(), created_ms: 1 };
    let taken = Credential { key: device(1), player: id, secret: None };
    let outcome = players.create_account(other, taken.clone()).await;
    assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
    assert_eq!(players.account(id).await, Ok(None), "all or nothing");
    let second = account(players, 2).await;
    let outcome = players.put_credential(Credential { player: second, ..taken.clone() }).await;
    assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
    let nobody = Credential { key: device(8), player: id, secret: None };
    let outcome = players.put_credential(nobody).await;
    assert!(matches!(outcome, Err(StoreError::NotFound { .. })), "{outcome:?}");
}

pub async fn an_accounts_last_credential_stays(players: &dyn PlayerStore) {
    let id = account(players, 1).await;
    let outcome = players.remove_credential(id, &device(1)).await;
    assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
    let key = CredentialKey::External { issuer: "https://id".to_owned(), subject: "s".to_owned() };
    let second = Credential { key: key.clone(), player: id, secret: None };
    players.put_credential(second.clone()).await.unwrap();
    assert_eq!(players.credential(&key).await, Ok(Some(second)));
    assert_eq!(players.remove_credential(id, &device(1)).await, Ok(true));
    assert_eq!(players.remove_credential(id, &device(1)).await, Ok(false));
    assert_eq!(players.credential(&device(1)).await, Ok(None));
}

pub async fn a_secret_can_be_replaced(players: &dyn PlayerStore) {
    let id = account(players, 1).await;
    let key = CredentialKey::Email("a@example.org".to_owned());
    for secret in ["$argon2id$1", "$argon2id$2"] {
        let secret = Some(secret.to_owned());
        let credential = Credential { key: key.clone(), player: id, secret };
        players.put_credential(credential.clone()).await.unwrap();
        assert_eq!(players.credential(&key).await, Ok(Some(credential)));
    }
}

fn token(number: u8) -> TokenHash {
    TokenHash([number; 32])
}

/// Opens session `number` with token `number` for a new player; it expires at 1 000 000 ms.
async fn session(players: &dyn PlayerStore, number: u8) -> SessionId {
    let owner = account(players, number).await;
    let id = SessionId::from_u64(u64::from(number));
    let session = NewSession {
        id,
        player: owner,
        refresh: token(number),
        device: "Firefox".to_owned(),
        created_ms: 1_000,
        expires_ms: 1_000_000,
    };
    players.open_session(session.clone()).await.unwrap();
    let again = players.open_session(session).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    id
}

async fn rotate(players: &dyn PlayerStore, from: u8, to: u8, now_ms: u64) -> Rotation {
    players.rotate_refresh(token(from), token(to), now_ms, GRACE).await.unwrap()
}

pub async fn a_refresh_token_is_good_once(players: &dyn PlayerStore) {
    let id = session(players, 1).await;
    let Rotation::Rotated(first) = rotate(players, 1, 2, 5_000).await else {
        panic!("the first token is good")
    };
    assert_eq!((first.id, first.refreshed_ms, first.ended), (id, 5_000, None));
    assert!(matches!(rotate(players, 2, 3, 6_000).await, Rotation::Rotated(_)));
    assert_eq!(players.session(id).await.unwrap().unwrap().refreshed_ms, 6_000);
}

pub async fn a_lost_reply_is_forgiven_within_the_grace(players: &dyn PlayerStore) {
    session(players, 1).await;
    rotate(players, 1, 2, 5_000).await;
    assert!(matches!(rotate(players, 1, 2, 6_000).await, Rotation::Rotated(_)), "same again");
    assert!(matches!(rotate(players, 1, 3, 14_000).await, Rotation::Rotated(_)), "another");
    assert!(matches!(rotate(players, 3, 4, 20_000).await, Rotation::Rotated(_)));
    assert!(matches!(rotate(players, 2, 9, 21_000).await, Rotation::Reused(_)), "it was replaced");
}

pub async fn a_token_used_twice_ends_the_session(players: &dyn PlayerStore) {
    let id = session(players, 1).await;
    rotate(players, 1, 2, 5_000).await;
    let Rotation::Reused(ended) = rotate(players, 1, 9, 15_001).await else {
        panic!("the grace is over")
    };
    assert_eq!(ended.ended, Some((SessionEnd::Reused, 15_001)));
    assert!(matches!(rotate(players, 2, 3, 15_002).await, Rotation::Ended(_)));
    assert!(matches!(rotate(players, 1, 3, 15_003).await, Rotation::Reused(_)));
    assert_eq!(players.session(id).await.unwrap().unwrap().ended, ended.ended);
}

pub async fn of_many_trades_of_one_token_later_than_the_grace_one_wins(players: &dyn PlayerStore) {
    session(players, 1).await;
    let none = Duration::ZERO;
    let trades =
        (2..18).map(|it| players.rotate_refresh(token(1), token(it), 5_000 + u64::from(it), none));
    let outcomes: Vec<_> = join_all(trades).await.into_iter().map(Result::unwrap).collect();
    let won = outcomes.iter().filter(|it| matches!(it, Rotation::Rotated(_))).count();
    let reused = outcomes.iter().filter(|it| matches!(it, Rotation::Reused(_))).count();
    assert_eq!((won, reused), (1, 15));
}

pub async fn a_session_over_is_not_refreshed(players: &dyn PlayerStore) {
    let id = session(players, 1).await;
    assert_eq!(players.end_session(id, SessionEnd::LoggedOut, 2_000).await, Ok(true));
    assert_eq!(players.end_session(id, SessionEnd::Revoked, 3_000).await, Ok(false));
    let Rotation::Ended(ended) = rotate(players, 1, 2, 4_000).await else {
        panic!("it was logged out")
    };
    assert_eq!(ended.ended, Some((SessionEnd::LoggedOut, 2_000)));
    session(players, 5).await;
    assert!(matches!(rotate(players, 5, 6, 1_000_000).await, Rotation::Expired(_)));
}

pub async fn an_unknown_token_is_unknown(players: &dyn PlayerStore) {
    assert_eq!(rotate(players, 1, 2, 1_000).await, Rotation::Unknown);
    assert_eq!(players.session(SessionId::from_u64(1)).await, Ok(None));
}

pub async fn all_sessions_of_a_player_can_be_ended(players: &dyn PlayerStore) {
    let owner = account(players, 1).await;
    let other = session(players, 2).await;
    for number in [3, 4, 5_u8] {
        let session = NewSession {
            id: SessionId::from_u64(u64::from(number)),
            player: owner,
            refresh: token(number),
            device: String::new(),
            created_ms: 1_000 + u64::from(number),
            expires_ms: 1_000_000,
        };
        players.open_session(session).await.unwrap();
    }
    let ids = async || -> Vec<u64> {
        let open = players.sessions_of(owner).await.unwrap();
        open.iter().map(|it| it.id.as_u64()).collect()
    };
    assert_eq!(ids().await, [5, 4, 3]);
    players.end_session(SessionId::from_u64(4), SessionEnd::LoggedOut, 2_000).await.unwrap();
    assert_eq!(ids().await, [5, 3]);
    let mut ended = players.end_sessions_of(owner, SessionEnd::Revoked, 3_000).await.unwrap();
    ended.sort();
    assert_eq!(ended, [SessionId::from_u64(3), SessionId::from_u64(5)]);
    assert_eq!(ids().await, []);
    assert_eq!(players.session(other).await.unwrap().unwrap().ended, None);
}

pub async fn expired_sessions_are_purged(players: &dyn PlayerStore) {
    let id = session(players, 1).await;
    assert_eq!(players.purge_sessions(1_000_000).await, Ok(0));
    assert_eq!(players.purge_sessions(1_000_001).await, Ok(1));
    assert_eq!(players.session(id).await, Ok(None));
    assert_eq!(rotate(players, 1, 2, 1_000).await, Rotation::Unknown);
}

pub async fn a_ban_holds_until_it_ends_or_is_lifted(players: &dyn PlayerStore) {
    let subject = BanSubject::Player(account(players, 1).await);
    let ban = Ban {
        subject: subject.clone(),
        scope: "login".to_owned(),
        reason: "aimbot".to_owned(),
        by: "ops".to_owned(),
        created_ms: 1_000,
        until_ms: Some(5_000),
    };
    let device = Ban { subject: BanSubject::Device([3; 32]), until_ms: None, ..ban.clone() };
    let address = Ban { subject: BanSubject::Address("192.0.2.1".to_owned()), ..ban.clone() };
    for ban in [&ban, &device, &address] {
        players.ban(ban.clone()).await.unwrap();
    }
    let asked = [subject.clone(), device.subject.clone()];
    assert_eq!(players.bans(&asked, 4_999).await, Ok(vec![ban.clone(), device.clone()]));
    assert_eq!(players.bans(&asked, 5_000).await, Ok(vec![device.clone()]));
    players.ban(Ban { until_ms: Some(9_000), ..ban }).await.unwrap();
    assert_eq!(players.bans(&asked, 5_000).await.unwrap().len(), 2);
    assert_eq!(players.lift_ban(&subject, "chat").await, Ok(false));
    assert_eq!(players.lift_ban(&subject, "login").await, Ok(true));
    assert_eq!(players.bans(&asked, 2_000).await, Ok(vec![device]));
    assert_eq!(players.bans(&[], 2_000).await, Ok(vec![]));
}

pub async fn a_profile_is_written_over_the_version_that_was_read(players: &dyn PlayerStore) {
    let id = account(players, 1).await;
    assert_eq!(players.profile(id).await, Ok(None));
    assert_eq!(players.put_profile(id, 0, Bytes::from("{}")).await, Ok(1));
    assert_eq!(players.put_profile(id, 1, Bytes::from(r#"{"hat":1}"#)).await, Ok(2));
    let stale = players.put_profile(id, 1, Bytes::from("[]")).await;
    assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
    let found = players.profile(id).await.unwrap().unwrap();
    assert_eq!((found.player, found.version, &found.document[..]), (id, 2, &br#"{"hat":1}"#[..]));
    let nobody = players.put_profile(player(1), 0, Bytes::new()).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
    let large = players.put_profile(id, 2, vec![b' '; PROFILE_BYTES_MAX + 1].into()).await;
    assert!(matches!(large, Err(StoreError::Invalid { .. })), "{large:?}");
}
