use std::time::Duration;

use arena_mesh::{
    Channel, TraceContext, Tuning, in_trace,
    testing::{
        LossyPath, Weather,
        echo::{Burst, Echo, EchoClient, EchoServer, EchoService, Message, Seen, Total, Wait},
        loopback, mesh_of,
    },
};
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::{client, message, pair, soon, start};

#[tokio::test]
async fn a_unary_call_carries_identity_deadline_and_trace() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, mut client) = pair(&mesh, &echo);
    assert_eq!(soon(client.unary(message(64))).await.unwrap().into_inner(), message(64));

    let trace = TraceContext::random();
    let mut request = Request::new(Wait { ms: 0 });
    request.set_timeout(Duration::from_secs(5));
    let seen = soon(in_trace(trace, client.inspect(request))).await.unwrap().into_inner();
    assert_eq!(seen.caller, "spiffe://test/caller/1");
    assert!((4_000..=5_000).contains(&seen.deadline_ms), "{}", seen.deadline_ms);
    assert_eq!(seen.trace.parse::<TraceContext>().unwrap().trace_id, trace.trace_id);

    let seen = soon(client.inspect(Wait { ms: 0 })).await.unwrap().into_inner();
    assert_eq!(seen.deadline_ms, 0, "none was set");
    assert_ne!(seen.trace.parse::<TraceContext>().unwrap().trace_id, trace.trace_id);
}

#[tokio::test]
async fn all_kinds_of_streaming_work() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, mut client) = pair(&mesh, &echo);

    let burst = Burst { count: 1_000, len: 1_024 };
    let mut pushed = soon(client.push(burst)).await.unwrap().into_inner();
    let mut count = 0;
    while let Some(pushed) = soon(pushed.message()).await.unwrap() {
        assert_eq!(pushed.payload.len(), 1_024);
        count += 1;
    }
    assert_eq!(count, 1_000);

    let sent = futures::stream::iter((0..500).map(message));
    let total = soon(client.collect(sent)).await.unwrap().into_inner();
    assert_eq!((total.count, total.bytes), (500, 499 * 500 / 2));

    let (tx, rx) = mpsc::channel(1);
    let mut chat = soon(client.chat(ReceiverStream::new(rx))).await.unwrap().into_inner();
    for len in [1, 100, 10_000] {
        tx.send(message(len)).await.unwrap();
        assert_eq!(soon(chat.next()).await.unwrap().unwrap(), message(len));
    }
    drop(tx);
    assert!(soon(chat.next()).await.is_none());
}

#[tokio::test]
async fn a_deadline_ends_the_call_and_its_handler() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, mut client) = pair(&mesh, &echo);
    let mut request = Request::new(Wait { ms: 60_000 });
    request.set_timeout(Duration::from_millis(100));
    let status = soon(client.inspect(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    soon(echo.counters().dropped()).await;
}

#[tokio::test]
async fn a_default_deadline_counts_when_none_is_set() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, addr) = super::start(mesh.server("echo", "1"), &echo);
    let channel = mesh.channel("caller", "echo").default_deadline(Duration::from_millis(50));
    let mut client = super::client(channel, "1", addr);
    let status = soon(client.inspect(Wait { ms: 60_000 })).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn many_more_calls_may_wait_than_a_stranger_may_open() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (serving, mut client) = pair(&mesh, &echo);
    soon(client.unary(message(1))).await.unwrap();
    let waiting: Vec<_> = (0..600)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.inspect(Wait { ms: 60_000 }).await })
        })
        .collect();
    soon(async {
        while serving.in_flight() < waiting.len() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(client.unary(message(1))).await.expect("there is room for one more");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn calls_come_through_a_path_that_loses_one_datagram_in_twenty() {
    for tuning in [Tuning::Wan, Tuning::Datacenter] {
        let mesh = mesh_of(0);
        let server = mesh.server("echo", "1").tuning(tuning);
        let (_serving, addr) = start(server, &Echo::default());
        let delay = Duration::from_millis(2);
        let weather = Weather { loss_per_mille: 50, delay, seed: 7 };
        let path = LossyPath::to(addr, weather).await.unwrap();
        let client = client(mesh.channel("caller", "echo").tuning(tuning), "1", path.addr());
        let calls = (0..64).map(|index| {
            let mut client = client.clone();
            async move { client.unary(message(1024 * index)).await.map(Response::into_inner) }
        });
        let answers = soon(futures::future::join_all(calls)).await;
        for (index, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap(), message(1024 * index), "{tuning:?}, call {index}");
        }
    }
}

#[tokio::test]
async fn a_dropped_call_drops_its_handler() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, mut client) = pair(&mesh, &echo);
    let counters = echo.counters();
    let call = tokio::spawn(async move { client.inspect(Wait { ms: 60_000 }).await });
    soon(counters.waiting()).await;
    call.abort();
    soon(counters.dropped()).await;
}

#[tokio::test]
async fn a_dropped_answer_stops_the_stream_at_the_server() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (serving, mut client) = pair(&mesh, &echo);
    let burst = Burst { count: u32::MAX, len: 1_024 };
    let mut pushed = soon(client.push(burst)).await.unwrap().into_inner();
    assert!(soon(pushed.message()).await.unwrap().is_some());
    drop(pushed);
    soon(async {
        while serving.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn big_messages_pass_and_too_big_ones_are_refused() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, mut client) = pair(&mesh, &echo);
    let fits = message(4 * 1024 * 1024 - 64);
    assert_eq!(soon(client.unary(fits.clone())).await.unwrap().into_inner(), fits);
    let status = soon(client.unary(message(4 * 1024 * 1024 + 1))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let status = soon(client.push(Burst { count: 1, len: 5 * 1024 * 1024 })).await;
    let status = match status {
        Ok(mut answer) => soon(answer.get_mut().message()).await.unwrap_err(),
        Err(status) => status,
    };
    assert!(matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange), "{status}");
    assert_eq!(soon(client.unary(message(1))).await.unwrap().into_inner(), message(1));
}

#[tokio::test]
async fn an_error_of_the_handler_arrives_as_it_is() {
    let (mesh, echo) = (mesh_of(0), Echo::failing(Code::FailedPrecondition));
    let (_serving, mut client) = pair(&mesh, &echo);
    let status = soon(client.unary(message(1))).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "as asked"));
}

#[tokio::test]
async fn a_call_made_by_a_handler_inherits_its_deadline() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, client) = pair(&mesh, &echo);
    // What a handler does: its calls run in the scope that the server put around it.
    let (_front, mut front) = {
        let relay = Relay(client);
        let (socket, addr) = loopback();
        let server = mesh.server("front", "1").add_service(EchoServer::new(relay));
        (server.serve(socket).unwrap(), super::client(mesh.channel("caller", "front"), "1", addr))
    };
    let trace = TraceContext::random();
    let mut request = Request::new(Wait { ms: 0 });
    request.set_timeout(Duration::from_secs(5));
    let seen = soon(in_trace(trace, front.inspect(request))).await.unwrap().into_inner();
    assert!((4_000..=5_000).contains(&seen.deadline_ms), "{}", seen.deadline_ms);
    assert_eq!(seen.trace.parse::<TraceContext>().unwrap().trace_id, trace.trace_id);
}

/// A service that asks another one.
struct Relay(EchoClient<Channel>);

#[tonic::async_trait]
impl EchoService for Relay {
    type PushStream = futures::stream::Empty<Result<Message, Status>>;
    type ChatStream = futures::stream::Empty<Result<Message, Status>>;

    async fn unary(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        self.0.clone().unary(request.into_inner()).await
    }

    async fn inspect(&self, request: Request<Wait>) -> Result<Response<Seen>, Status> {
        self.0.clone().inspect(request.into_inner()).await
    }

    async fn push(&self, _: Request<Burst>) -> Result<Response<Self::PushStream>, Status> {
        Err(Status::unimplemented("not relayed"))
    }

    async fn collect(&self, _: Request<Streaming<Message>>) -> Result<Response<Total>, Status> {
        Err(Status::unimplemented("not relayed"))
    }

    async fn chat(
        &self,
        _: Request<Streaming<Message>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        Err(Status::unimplemented("not relayed"))
    }
}
