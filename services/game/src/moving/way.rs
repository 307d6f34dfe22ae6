//! The way from the owner of a match to the instance that takes it, or keeps a warm copy of it.

use std::time::Duration;

use arena_mesh::{Channel, Endpoint};
use arena_types::InstanceId;
use arena_types::registry::InstanceRecord;
use arena_wire::game::v1::migration_client::MigrationClient;
use arena_wire::game::v1::{ToSource, ToTarget};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};

/// Messages that wait.
const OUTBOX_MAX: usize = 64;
/// Who takes no message for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Answers of the other side, and the end of the way.
pub(super) type Answers = mpsc::Receiver<Result<ToSource, Status>>;

/// One side of it; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Way {
    outbox: Option<mpsc::Sender<ToTarget>>,
    is_deaf: bool,
    /// Bytes sent.
    pub(super) bytes: u64,
}

impl Way {
    /// Opens it, for `limit` at most.
    pub(super) fn open(
        games: &Channel,
        (to, target): (&InstanceId, &InstanceRecord),
        limit: Duration,
    ) -> (Self, Answers) {
        let (sender, answers) = mpsc::channel(OUTBOX_MAX);
        let (outbox, queue) = mpsc::channel(OUTBOX_MAX);
        let channel = games.to(Endpoint::new(to.as_str(), target.mesh_addr));
        tokio::spawn(async move {
            let mut request = Request::new(ReceiverStream::new(queue));
            request.set_timeout(limit);
            let mut stream = match MigrationClient::new(channel).take(request).await {
                Ok(response) => response.into_inner(),
                Err(status) => return drop(sender.send(Err(status)).await),
            };
            loop {
                let answer = match stream.message().await {
                    Ok(Some(answer)) => Ok(answer),
                    Ok(None) => Err(Status::unavailable("the other side ended it")),
                    Err(status) => Err(status),
                };
                let is_over = answer.is_err();
                if sender.send(answer).await.is_err() || is_over {
                    return;
                }
            }
        });
        (Self { outbox: Some(outbox), is_deaf: false, bytes: 0 }, answers)
    }

    /// Sends a message; what does not get through is a target that is gone.
    pub(super) async fn send(&mut self, message: ToTarget) {
        let Some(outbox) = &self.outbox else { return };
        self.bytes += message.encoded_len() as u64;
        let sent = tokio::time::timeout(SEND_TIMEOUT, outbox.send(message)).await;
        self.note(matches!(sent, Ok(Ok(()))));
    }

    /// Sends a message if there is room for it; who has none is gone. Returns its bytes.
    pub(super) fn send_now(&mut self, message: ToTarget) -> u64 {
        let Some(outbox) = &self.outbox else { return 0 };
        let bytes = message.encoded_len() as u64;
        self.bytes += bytes;
        let is_sent = outbox.try_send(message).is_ok();
        self.note(is_sent);
        bytes
    }

    /// Whether a message did not get through; once.
    pub(super) fn take_deaf(&mut self) -> bool {
        std::mem::take(&mut self.is_deaf)
    }

    fn note(&mut self, is_sent: bool) {
        if !is_sent {
            (self.outbox, self.is_deaf) = (None, true);
        }
    }
}
