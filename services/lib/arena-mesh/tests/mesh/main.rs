//! The mesh against itself: real QUIC on loopback, real certificates.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod balance;
mod calls;
mod drain;
mod links;
mod raw;
mod rotation;
mod trust;

use std::{
    fmt::Write as _,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use arena_mesh::{
    Channel, ChannelBuilder, Endpoint, ServerBuilder, Serving,
    testing::{
        TestMesh,
        echo::{Echo, EchoClient, Message},
        loopback,
    },
};
use tracing::{Event, Subscriber, field::Field};
use tracing_subscriber::{Layer, layer::SubscriberExt as _};

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what must happen.
async fn soon<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work).await.expect("this happens within the test's patience")
}

/// Starts a server with an echo service.
fn start(server: ServerBuilder, echo: &Echo) -> (Serving, SocketAddr) {
    let (socket, addr) = loopback();
    (server.add_service(echo.server()).serve(socket).unwrap(), addr)
}

/// Starts `echo/1` for everyone and a client of it.
fn pair(mesh: &TestMesh, echo: &Echo) -> (Serving, EchoClient<Channel>) {
    let (serving, addr) = start(mesh.server("echo", "1"), echo);
    (serving, client(mesh.channel("caller", "echo"), "1", addr))
}

fn client(channel: ChannelBuilder, instance: &str, addr: SocketAddr) -> EchoClient<Channel> {
    EchoClient::new(channel.pinned(Endpoint::new(instance, addr)))
}

fn message(len: usize) -> Message {
    Message { payload: vec![3; len].into() }
}

/// Collects the log lines of this thread whose target is `audit`.
#[derive(Clone, Default)]
struct Audit(Arc<Mutex<Vec<String>>>);

impl Audit {
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let audit = Self::default();
        let registry = tracing_subscriber::registry().with(audit.clone());
        let guard = tracing::subscriber::set_default(registry);
        (audit, guard)
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl<S: Subscriber> Layer<S> for Audit {
    fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "audit" {
            let mut line = String::new();
            event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
                write!(line, "{}={value:?} ", field.name()).unwrap();
            });
            self.0.lock().unwrap().push(line);
        }
    }
}
