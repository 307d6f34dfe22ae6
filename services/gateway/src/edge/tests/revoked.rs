//! Tokens that were taken back: those below the player's epoch.

use super::*;

/// The player of [`token`], whose tokens have epoch 2.
const PLAYER: PlayerId = PlayerId::from_u64(7);

fn epoch(gateway: &Gateway, player: PlayerId, epoch: u64) {
    gateway.epochs.send_replace(Arc::new(HashMap::from([(player, epoch)])));
}

#[tokio::test]
async fn a_token_below_the_epoch_opens_and_resumes_nothing() {
    let gateway = Gateway::start().await;
    let session = SessionId::from_u64(5);
    gateway.seat(session).await;
    for (player, least, open) in [
        (PLAYER, 2, true), // the token's own
        (PLAYER, 3, false),
        (PlayerId::from_u64(8), 3, true), // of somebody else
    ] {
        epoch(&gateway, player, least);
        for hello in [gateway.hello(), gateway.resume(session)] {
            let mut socket = gateway.connect().await;
            socket.say(&hello).await;
            if open {
                socket.welcomed().await;
            } else {
                assert_eq!(socket.closed().await, Some(Code::Banned), "{hello:?}");
            }
        }
        let get = format!(
            "GET /v1/profile HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            gateway.access
        );
        let (head, body) = gateway.http(&get).await;
        assert_eq!(!head.starts_with("http/1.1 401"), open, "{head}\n{body}");
    }
}

#[tokio::test]
async fn a_session_ends_when_its_token_is_taken_back() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.connect().await;
    socket.say(&gateway.hello()).await;
    socket.welcomed().await;
    epoch(&gateway, PLAYER, 2);
    socket.say(&ClientMessage::Ping { sent_us: 1 }).await;
    assert!(matches!(socket.hear().await, ServerMessage::Pong(_)), "2 is its own epoch");
    epoch(&gateway, PLAYER, 3);
    assert_eq!(socket.closed().await, Some(Code::Banned));
}
