//! A player without a page: the REST login and the WebSocket, message by message.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use arena_types::PlayerId;
use arena_wire::play::{
    ClientMessage, FRAME_TYPE, Hello, PROTOCOL_VERSION, SCHEMA_HASH, ServerMessage,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Something is heard within this time, on a machine that also compiles.
const HEAR_LIMIT: Duration = Duration::from_mins(1);

/// A player in a session.
pub struct Player {
    /// Who it is.
    pub id: PlayerId,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Player {
    /// Logs in at the gateway of `url` as a device of its own, and opens a session.
    ///
    /// # Errors
    /// If the gateway refuses.
    pub async fn join(url: &str, name: &str) -> anyhow::Result<Self> {
        let authority = url.strip_prefix("http://").context("an http address")?;
        let authority = authority.trim_end_matches('/');
        let mut secret = [0_u8; 32];
        for (byte, letter) in secret.iter_mut().zip(name.bytes().cycle()) {
            *byte = letter;
        }
        let token = login(TcpStream::connect(authority).await?, authority, secret, name).await?;
        let (socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{authority}/v1/play")).await?;
        let mut player = Self { id: PlayerId::from_u64(0), socket };
        let (version, schema) = (PROTOCOL_VERSION, SCHEMA_HASH);
        player.say(&ClientMessage::Hello(Hello::Access { version, schema, token })).await?;
        player.id = player
            .hear("a welcome", |it| match it {
                ServerMessage::Welcome(it) => Some(it.player),
                _ => None,
            })
            .await?;
        Ok(player)
    }

    /// Says something.
    ///
    /// # Errors
    /// If the socket is closed.
    pub async fn say(&mut self, message: &ClientMessage) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::binary(message.encode())).await?)
    }

    /// Listens until `wanted` finds something in a message; frames are not shown to it.
    ///
    /// # Errors
    /// After a minute, or if the socket ends: says what was waited for.
    pub async fn hear<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(ServerMessage) -> Option<T>,
    ) -> anyhow::Result<T> {
        let listen = async {
            loop {
                match self.socket.next().await.context("the socket ended")?? {
                    Message::Binary(bytes) if bytes.first() != Some(&FRAME_TYPE) => {
                        if let Some(found) = wanted(ServerMessage::decode(&bytes)?) {
                            return Ok(found);
                        }
                    }
                    Message::Close(frame) => bail!("the gateway closed: {frame:?}"),
                    _ => {}
                }
            }
        };
        let heard = tokio::time::timeout(HEAR_LIMIT, listen).await;
        heard.context("nothing came").and_then(|it| it).with_context(|| format!("wait for {what}"))
    }
}

/// Logs a device in over an open connection, which ends with it, and returns the access token.
///
/// # Errors
/// If the connection breaks or the answer is no session.
pub async fn login(
    mut stream: TcpStream,
    authority: &str,
    secret: [u8; 32],
    name: &str,
) -> anyhow::Result<String> {
    let secret = URL_SAFE_NO_PAD.encode(secret);
    let body = json!({"device_secret": secret, "display_name": name}).to_string();
    let request = format!(
        "POST /v1/login/device HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let session: Value = serde_json::from_str(body)?;
    Ok(session["access_token"].as_str().context("an access token")?.to_owned())
}
