//! One WebSocket up to its welcome.

use std::time::Duration;

use arena_wire::bits::DecodeError;
use arena_wire::play::{ClientMessage, Code, FRAME_TYPE, Hello, ServerMessage, Welcome};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A welcome that takes longer is none: the page gives up then, too.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(8);

/// Bytes read at once, cleared for each read: a few frames.
const READ_BUFFER: usize = 4 << 10;

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why there is no session on a socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("open the websocket")]
    Connect(#[from] tungstenite::Error),
    #[error("the gateway closes with {code}")]
    Closed { code: u16 },
    #[error("the gateway goes away without a word")]
    Gone,
    #[error("no welcome in {WELCOME_TIMEOUT:?}")]
    Timeout,
    #[error("read what comes before the welcome")]
    Decode(#[from] DecodeError),
    #[error("the gateway says something else than a welcome first")]
    OutOfPlace,
}

impl OpenError {
    /// Whether the session is gone for good.
    pub(crate) fn is_final(&self) -> bool {
        let Self::Closed { code } = self else { return false };
        let code = Code::from_number(*code);
        matches!(
            code,
            Some(Code::ResumeExpired | Code::Unauthorized | Code::Banned | Code::Version)
        )
    }
}

/// Opens a socket and says hello.
pub(crate) async fn open(url: &str, hello: Hello) -> Result<(Socket, Welcome), OpenError> {
    tokio::time::timeout(WELCOME_TIMEOUT, greet(url, hello))
        .await
        .map_err(|_| OpenError::Timeout)?
}

async fn greet(url: &str, hello: Hello) -> Result<(Socket, Welcome), OpenError> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let (mut socket, _) =
        tokio_tungstenite::connect_async_with_config(url, Some(config), true).await?;
    let hello = ClientMessage::Hello(hello).encode();
    socket.send(Message::Binary(Bytes::from(hello))).await?;
    let mut refused = None;
    while let Some(message) = socket.next().await {
        match message? {
            Message::Binary(bytes) if bytes.first() == Some(&FRAME_TYPE) => {
                return Err(OpenError::OutOfPlace);
            }
            Message::Binary(bytes) => match ServerMessage::decode(&bytes)? {
                ServerMessage::Welcome(welcome) => return Ok((socket, welcome)),
                ServerMessage::Error { code, .. } => refused = Some(code.number()),
                _ => return Err(OpenError::OutOfPlace),
            },
            Message::Close(frame) => {
                let code = frame.map(|it| u16::from(it.code)).or(refused);
                return Err(code.map_or(OpenError::Gone, |code| OpenError::Closed { code }));
            }
            _ => {}
        }
    }
    Err(refused.map_or(OpenError::Gone, |code| OpenError::Closed { code }))
}
