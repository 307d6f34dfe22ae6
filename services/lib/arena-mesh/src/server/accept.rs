//! Accepts connections and streams, and tells connections when to go.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use arena_wire::frame::{self, Kind};
use bytes::BytesMut;
use quinn::{Connection, ConnectionError, VarInt};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{LinkHandler, Mounted, serve};
use crate::{
    Identity, Peer, PolicyHandle,
    fault::{ConnectError, REFUSED},
    link::mux::Mux,
    tuning::STREAMS_MAX_AUTHORISED,
    verify,
};

/// Connections a server holds at once; one a peer is usual, so this is far above any region's size.
const CONNECTIONS_MAX: usize = 4096;
/// The age at which a connection is asked to be renewed, so that rotated identities come into use.
const AGE_MAX: Duration = Duration::from_hours(1);
/// Least age, for a certificate about to end: its owner needs time to rotate.
const AGE_MIN: Duration = Duration::from_secs(5);

/// What a server offers, and to whom.
pub(crate) struct Mounts {
    pub(crate) policy: PolicyHandle,
    pub(crate) services: HashMap<&'static str, Arc<dyn Mounted>>,
    pub(crate) links: Option<Arc<LinkHandler>>,
    pub(crate) identity: Identity,
}

/// How far the end of a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everything is accepted.
    Open,
    /// Peers were told to go; what still comes is served.
    GoingAway,
    /// New streams are refused.
    Refusing,
}

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) mounts: Mounts,
    pub(crate) handlers: TaskTracker,
    pub(crate) phase: watch::Sender<Phase>,
}

/// One accepted connection.
pub(crate) struct Accepted {
    pub(crate) peer: Peer,
    pub(crate) mux: Arc<Mux>,
    widened: OnceLock<()>,
}

impl Accepted {
    /// Allows more concurrent streams, once the peer has been allowed something.
    pub(crate) fn widen(&self) {
        self.widened.get_or_init(|| {
            let streams = VarInt::from_u32(STREAMS_MAX_AUTHORISED);
            self.mux.connection.set_max_concurrent_bi_streams(streams);
        });
    }
}

pub(crate) async fn accept_connections(endpoint: quinn::Endpoint, shared: Arc<Shared>) {
    while let Some(incoming) = endpoint.accept().await {
        if endpoint.open_connections() >= CONNECTIONS_MAX || *shared.phase.borrow() != Phase::Open {
            incoming.refuse();
            continue;
        }
        let shared = shared.clone();
        tokio::spawn(async move {
            let addr = incoming.remote_address();
            match incoming.await {
                Ok(connection) => serve_connection(connection, shared).await,
                Err(error) => audit_handshake(addr, &error),
            }
        });
    }
}

fn audit_handshake(addr: std::net::SocketAddr, error: &ConnectionError) {
    let refused = match error {
        ConnectionError::TransportError(_) => true,
        ConnectionError::ConnectionClosed(_) => {
            ConnectError::from_connection(addr, error.clone()).is_refusal()
        }
        _ => false,
    };
    if refused {
        tracing::warn!(target: "audit", %addr, %error, "handshake refused");
    } else {
        tracing::debug!(%addr, %error, "handshake failed");
    }
}

async fn serve_connection(connection: Connection, shared: Arc<Shared>) {
    let addr = connection.remote_address();
    let certificates = connection
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok());
    let facts = certificates.and_then(|chain| verify::leaf_facts(chain.first()?).ok());
    let Some(facts) = facts else {
        connection.close(REFUSED, b"no identity"); // the verifier has made sure that there is one
        return;
    };
    let age = connection_age(SystemTime::now(), facts.not_after, &shared.mounts.identity);
    let going = tokio::spawn(send_goaway(connection.clone(), age, shared.phase.subscribe()));
    let accepted = Arc::new(Accepted {
        peer: Peer { id: facts.id, addr },
        mux: Mux::new(connection.clone()),
        widened: OnceLock::new(),
    });
    while let Ok((send, receive)) = connection.accept_bi().await {
        let call = serve::serve_stream(shared.clone(), accepted.clone(), send, receive);
        shared.handlers.spawn(call);
    }
    going.abort();
}

/// Returns how old a connection may get: an hour, or what is left of either certificate.
fn connection_age(now: SystemTime, peer_not_after: SystemTime, own: &Identity) -> Duration {
    let ends = peer_not_after.min(own.current().not_after());
    ends.duration_since(now).unwrap_or_default().clamp(AGE_MIN, AGE_MAX)
}

/// Tells the peer to open no more streams here, once the connection is old or the server drains.
async fn send_goaway(connection: Connection, age: Duration, mut phase: watch::Receiver<Phase>) {
    tokio::select! {
        () = tokio::time::sleep(age) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
    let mut out = BytesMut::new();
    if frame::put_frame(&mut out, Kind::GoAway, &[]).is_err() {
        return;
    }
    if let Ok(mut control) = connection.open_uni().await {
        let _ = control.write_chunk(out.freeze()).await; // a lost connection needs no goodbye
        let _ = control.finish();
    }
}
