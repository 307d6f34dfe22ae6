//! A service that answers with what it got, for tests and benchmarks of the mesh.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio::sync::Notify;
use tonic::{Request, Response, Status, Streaming};

pub use self::generated::{
    Burst, Message, Seen, Total, Wait,
    echo_client::EchoClient,
    echo_server::{Echo as EchoService, EchoServer},
};
use crate::{Deadline, Peer, TraceContext};

#[expect(clippy::pedantic, unreachable_pub, reason = "generated code")]
mod generated {
    tonic::include_proto!("arena.echo.v1");
}

type Answers = Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>;

/// The service; its clones share the counters.
#[derive(Clone, Debug, Default)]
pub struct Echo {
    counters: Arc<Counters>,
    pause: Duration,
    fault: Option<tonic::Code>,
}

/// What an [`Echo`] has seen.
#[derive(Debug, Default)]
pub struct Counters {
    calls: AtomicUsize,
    dropped: AtomicUsize,
    waiting: Notify,
    drop: Notify,
}

impl Counters {
    /// Returns the calls that reached the service.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Waits until a call of `Inspect` is waiting, once a call.
    pub async fn waiting(&self) {
        self.waiting.notified().await;
    }

    /// Waits until the handler of an `Inspect` that was still waiting is dropped, once a call.
    pub async fn dropped(&self) {
        self.drop.notified().await;
    }
}

impl Echo {
    /// Returns a service that answers `Unary` after `pause`.
    #[must_use]
    pub fn slow(pause: Duration) -> Self {
        Self { pause, ..Self::default() }
    }

    /// Returns a service that answers `Unary` with a fault.
    #[must_use]
    pub fn failing(code: tonic::Code) -> Self {
        Self { fault: Some(code), ..Self::default() }
    }

    /// Returns the counters.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Returns the generated server around this service.
    #[must_use]
    pub fn server(&self) -> EchoServer<Self> {
        EchoServer::new(self.clone())
    }

    fn count(&self) {
        self.counters.calls.fetch_add(1, Ordering::SeqCst);
    }
}

/// Tells when a handler is dropped before its end.
struct Waiting(Option<Arc<Counters>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(counters) = &self.0 {
            counters.dropped.fetch_add(1, Ordering::SeqCst);
            counters.drop.notify_one();
        }
    }
}

#[tonic::async_trait]
impl EchoService for Echo {
    type PushStream = Answers;
    type ChatStream = Answers;

    async fn unary(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        self.count();
        if let Some(code) = self.fault {
            return Err(Status::new(code, "as asked"));
        }
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        Ok(Response::new(request.into_inner()))
    }

    async fn inspect(&self, request: Request<Wait>) -> Result<Response<Seen>, Status> {
        self.count();
        let mut waiting = Waiting(Some(self.counters.clone()));
        self.counters.waiting.notify_one();
        tokio::time::sleep(Duration::from_millis(request.get_ref().ms.into())).await;
        waiting.0 = None;
        let peer = request.extensions().get::<Peer>();
        let left = request.extensions().get::<Deadline>().map(|deadline| deadline.left());
        Ok(Response::new(Seen {
            caller: peer.map(|peer| peer.id.to_string()).unwrap_or_default(),
            deadline_ms: left.map_or(0, |left| left.as_millis() as u64),
            trace: TraceContext::current().map(|trace| trace.to_string()).unwrap_or_default(),
        }))
    }

    async fn push(&self, request: Request<Burst>) -> Result<Response<Answers>, Status> {
        self.count();
        let Burst { count, len } = request.into_inner();
        let payload = Bytes::from(vec![7; len as usize]);
        let messages = (0..count).map(move |_| Ok(Message { payload: payload.clone() }));
        Ok(Response::new(stream::iter(messages).boxed()))
    }

    async fn collect(
        &self,
        request: Request<Streaming<Message>>,
    ) -> Result<Response<Total>, Status> {
        self.count();
        let mut messages = request.into_inner();
        let mut total = Total::default();
        while let Some(message) = messages.message().await? {
            total.count += 1;
            total.bytes += message.payload.len() as u64;
        }
        Ok(Response::new(total))
    }

    async fn chat(
        &self,
        request: Request<Streaming<Message>>,
    ) -> Result<Response<Answers>, Status> {
        self.count();
        Ok(Response::new(request.into_inner().boxed()))
    }
}
