//! Opens connections and watches them for the server's goodbye.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use arena_wire::frame::{Event, Kind};
use quinn::{ClientConfig, Connection, EndpointConfig};
use tokio::{task::AbortHandle, time};
use tokio_util::sync::CancellationToken;

use crate::{
    Endpoint, Identity, Peer, Tuning,
    call::recv::Incoming,
    fault::ConnectError,
    link::mux::Mux,
    tuning::size_buffers,
    verify::{self, Expect},
};

/// How long a handshake may take: a lost packet is resent after tens of milliseconds.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// The age at which a connection is renewed, so that rotated identities come into use.
const AGE_MAX: Duration = Duration::from_hours(1);
/// Least age, for a certificate about to end.
const AGE_MIN: Duration = Duration::from_secs(5);
/// Names are not checked (a SPIFFE id is no host name), but TLS wants one.
const SERVER_NAME: &str = "mesh.arena.internal";

/// Connects to instances of one service from one socket an address family.
#[derive(Debug)]
pub(crate) struct Dialer {
    identity: Identity,
    service: Option<Arc<str>>,
    tuning: Tuning,
    sockets: Mutex<Sockets>,
}

#[derive(Debug, Default)]
struct Sockets {
    v4: Option<quinn::Endpoint>,
    v6: Option<quinn::Endpoint>,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) mux: Arc<Mux>,
    pub(crate) peer: Peer,
    expires: Instant,
    going: CancellationToken,
    control: AbortHandle,
}

impl Live {
    /// Returns whether new calls may start on it.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        now < self.expires && !self.going.is_cancelled()
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.mux.connection
    }

    /// Stops using it; calls on it end by themselves.
    pub(crate) fn retire(&self) {
        self.going.cancel();
    }

    /// Returns what is cancelled once no new calls may start on it.
    pub(crate) fn going(&self) -> CancellationToken {
        self.going.clone()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.control.abort(); // it holds the connection open
    }
}

impl Dialer {
    pub(crate) fn new(identity: Identity, service: Option<Arc<str>>, tuning: Tuning) -> Self {
        Self { identity, service, tuning, sockets: Mutex::default() }
    }

    pub(crate) async fn dial(&self, endpoint: &Endpoint) -> Result<Live, ConnectError> {
        let addr = endpoint.addr;
        let setup = |reason: String| ConnectError::Setup { addr, reason };
        let expect = Expect { service: self.service.clone(), instance: endpoint.instance.clone() };
        let tls = self.identity.client_tls(expect).map_err(|error| setup(error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(self.tuning.transport());
        let connecting = self
            .socket(addr)?
            .connect_with(config, addr, SERVER_NAME)
            .map_err(|error| setup(error.to_string()))?;
        let lost = |error| ConnectError::from_connection(addr, error);
        let timed_out = || Err(lost(quinn::ConnectionError::TimedOut));
        let connection = match time::timeout(CONNECT_MAX, connecting).await {
            Ok(connected) => connected.map_err(lost),
            Err(_) => timed_out(),
        }?;
        self.adopt(connection, addr)
    }

    fn adopt(&self, connection: Connection, addr: SocketAddr) -> Result<Live, ConnectError> {
        let facts = connection
            .peer_identity()
            .and_then(|any| any.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok())
            .and_then(|chain| verify::leaf_facts(chain.first()?).ok())
            .ok_or(ConnectError::WrongServer { addr })?; // the verifier has made sure that there is one
        let ends = facts.not_after.min(self.identity.current().not_after());
        let age = ends.duration_since(SystemTime::now()).unwrap_or_default();
        let going = CancellationToken::new();
        let control = tokio::spawn(watch_control(connection.clone(), addr, going.clone()));
        Ok(Live {
            mux: Mux::new(connection),
            peer: Peer { id: facts.id, addr },
            expires: Instant::now() + age.clamp(AGE_MIN, AGE_MAX),
            going,
            control: control.abort_handle(),
        })
    }

    fn socket(&self, to: SocketAddr) -> Result<quinn::Endpoint, ConnectError> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let (slot, any) = match to.ip() {
            IpAddr::V4(_) => (&mut sockets.v4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            IpAddr::V6(_) => (&mut sockets.v6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        if let Some(open) = slot {
            return Ok(open.clone());
        }
        let opened = open_socket(SocketAddr::new(any, 0))
            .map_err(|error| ConnectError::Socket { source: Arc::new(error) })?;
        Ok(slot.insert(opened).clone())
    }
}

fn open_socket(bind: SocketAddr) -> std::io::Result<quinn::Endpoint> {
    let socket = UdpSocket::bind(bind)?;
    size_buffers(&socket);
    let runtime = Arc::new(quinn::TokioRuntime);
    quinn::Endpoint::new(EndpointConfig::default(), None, socket, runtime)
}

/// Marks the connection as going when the server says so, or when it is gone.
async fn watch_control(connection: Connection, addr: SocketAddr, going: CancellationToken) {
    if let Ok(control) = connection.accept_uni().await {
        let mut control = Incoming::new(control, addr);
        while let Ok(Some(event)) = control.event().await {
            if matches!(event, Event::Frame(Kind::GoAway, _)) {
                break;
            }
        }
    }
    going.cancel();
}
