//! Who is refused, over the mesh.

use arena_store::{Account, Credential, CredentialKey, StoreError};
use arena_types::PlayerId;
use bytes::Bytes;

use crate::mesh::cluster;

#[tokio::test]
async fn a_gateway_cannot_write_accounts() {
    let service = cluster().await;
    let gateway = service.stores("gateway");
    let id = PlayerId::from_u64(1);
    let account = Account { id, name: "ann".to_owned(), created_ms: 1 };
    let credential = Credential { key: CredentialKey::Device([1; 32]), player: id, secret: None };
    let refused = gateway.players.create_account(account.clone(), credential.clone()).await;
    let Err(StoreError::Denied { caller, action }) = refused else { panic!("{refused:?}") };
    assert_eq!((caller.as_str(), action.as_str()), ("spiffe://test/gateway/1", "write accounts"));
    let auth = service.stores("auth");
    auth.players.create_account(account, credential).await.unwrap();
    let secret = gateway.players.credential(&CredentialKey::Device([1; 32])).await;
    assert!(matches!(secret, Err(StoreError::Denied { .. })), "{secret:?}");
}

#[tokio::test]
async fn an_operator_writes_traffic_and_reads_everything_but_secrets() {
    let service = cluster().await;
    let operator = service.stores("operator");
    operator.registry.put("traffic/game", Bytes::from("{}"), None).await.unwrap();
    let refused = operator.registry.put("rules/active", Bytes::from("1"), None).await;
    assert!(matches!(refused, Err(StoreError::Denied { .. })), "{refused:?}");
    assert_eq!(operator.registry.list("").await.unwrap().entries.len(), 1);
    assert_eq!(operator.players.account(PlayerId::from_u64(1)).await, Ok(None));
    let secret = operator.players.credential(&CredentialKey::Device([1; 32])).await;
    assert!(matches!(secret, Err(StoreError::Denied { .. })), "{secret:?}");
}

#[tokio::test]
async fn an_instance_cannot_write_anothers_key() {
    let service = cluster().await;
    let game = service.stores("game");
    game.registry.put("instances/game/1", Bytes::from("{}"), None).await.unwrap();
    let refused = game.registry.put("instances/game/2", Bytes::from("{}"), None).await;
    assert!(matches!(refused, Err(StoreError::Denied { .. })), "{refused:?}");
}
