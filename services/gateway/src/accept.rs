//! The public port: our own accept loop, so that each socket gets its options, its bounds and TLS.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arena_instance::{PublicPort, SharedPort};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service;

use crate::logic::admission::{Admission, Bounds, Refused};
use crate::tls::TlsKeeper;

/// Bytes the kernel may hold unsent before a socket counts as full: two frames of a busy match. A
/// stale frame then waits in our slot, where a newer one replaces it, not in the kernel.
const NOTSENT_LOWAT_BYTES: u32 = 4 << 10;
/// A request's head must arrive within this; it ends slow senders and idle keep-alive connections.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// A TLS handshake must end within this.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head and of one read; ours are below 2 KiB.
const HEAD_LEN_MAX: usize = 16 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// Wait after `accept` fails for want of descriptors or memory: retrying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a shared port that is given up still takes connections whose handshake has begun: above
/// the round trip to a player on the other side of the world.
const HANDSHAKES_MAX: Duration = Duration::from_millis(400);

/// Who is at the other end of a connection; an extension of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The bounds on connections and requests, shared by the accept loop and the routes.
#[derive(Clone, Debug)]
pub struct Gate {
    admission: Arc<Mutex<Admission>>,
    open: watch::Sender<u32>,
    started: Instant,
}

impl Gate {
    /// Starts with nobody connected.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let admission = Arc::new(Mutex::new(Admission::new(bounds, 0)));
        Self { admission, open: watch::Sender::new(0), started: Instant::now() }
    }

    /// Whether this address may make a REST request now.
    #[must_use]
    pub fn request(&self, ip: IpAddr) -> bool {
        self.with(|admission, now_ms| admission.request(ip, now_ms))
    }

    /// Waits until this address may open a session; false at once if that would take too long.
    pub async fn hello(&self, ip: IpAddr) -> bool {
        match self.with(|admission, now_ms| admission.hello(ip, now_ms)) {
            Some(0) => true,
            Some(wait_ms) => {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                true
            }
            None => false,
        }
    }

    /// Waits until no connection is open.
    pub async fn empty(&self) {
        let _ = self.open.subscribe().wait_for(|it| *it == 0).await; // this gate is a sender of it
    }

    fn enter(&self, ip: IpAddr) -> Result<Admitted, Refused> {
        self.with(|admission, now_ms| admission.open(ip, now_ms))?;
        self.open.send_modify(|it| *it += 1);
        Ok(Admitted { gate: self.clone(), ip })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Admission, u64) -> T) -> T {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        act(&mut self.admission.lock().unwrap_or_else(PoisonError::into_inner), now_ms)
    }
}

/// Counts one connection for as long as it lives.
#[derive(Debug)]
struct Admitted {
    gate: Gate,
    ip: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.gate.with(|admission, _| admission.close(self.ip));
        self.gate.open.send_modify(|it| *it -= 1);
    }
}

/// Where connections come from.
#[derive(Debug)]
pub enum Port {
    /// A socket that stays open while nobody is taken from it.
    Kept(TcpListener),
    /// A port of several gateways, given up while nobody is taken.
    Shared(SharedPort),
}

impl Port {
    /// Takes the instance's port.
    ///
    /// # Errors
    /// If the system cannot wait for a socket.
    pub fn new(port: PublicPort) -> io::Result<Self> {
        Ok(match port {
            PublicPort::Kept(listener) => Self::Kept(TcpListener::from_std(listener)?),
            PublicPort::Shared(port) => Self::Shared(port),
        })
    }
}

/// What answers the requests of a connection.
pub trait Site:
    Service<
        http::Request<hyper::body::Incoming>,
        Response = warp::reply::Response,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
}

impl<S> Site for S where
    S: Service<
            http::Request<hyper::body::Incoming>,
            Response = warp::reply::Response,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + 'static
{
}

/// The two sides of a public port's being open.
#[derive(Debug)]
pub struct Doors {
    /// While it is true no connection is to be taken.
    pub stop: watch::Receiver<bool>,
    /// Whether connections may come; false once the last one of a stopped port was taken.
    pub open: watch::Sender<bool>,
}

/// Accepts connections and hands them to `service` for ever. While `doors.stop` is true none is taken
/// and those that are open end after the request under way, or after their first one; web sockets live
/// on, their sessions end them.
pub async fn serve<S: Site>(
    mut port: Port,
    tls: Option<TlsKeeper>,
    gate: Gate,
    service: S,
    doors: Doors,
) {
    let Doors { mut stop, open } = doors;
    let porter = Porter { tls, gate, service, stop: stop.clone() };
    while stop.wait_for(|it| !*it).await.is_ok() {
        match &mut port {
            Port::Kept(listener) => {
                open.send_replace(true);
                porter.take(listener, stopped(&mut stop)).await;
            }
            Port::Shared(shared) => match shared.listen().and_then(TcpListener::from_std) {
                Ok(listener) => {
                    open.send_replace(true);
                    porter.take(&listener, stopped(&mut stop)).await;
                    porter.take_last(listener).await;
                }
                Err(error) => {
                    tracing::error!(%error, addr = %shared.local_addr(), "cannot listen again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
        open.send_replace(false);
    }
}

/// Takes connections and starts them.
struct Porter<S> {
    tls: Option<TlsKeeper>,
    gate: Gate,
    service: S,
    stop: watch::Receiver<bool>,
}

impl<S: Site> Porter<S> {
    /// Takes connections until `end`.
    async fn take(&self, listener: &TcpListener, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut end => return,
            };
            match accepted {
                Ok((stream, peer)) => self.start(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "accept failed; is the limit of open files reached?");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Takes what is still on its way to a listener, then closes it: what is in its queue would be
    /// reset.
    async fn take_last(&self, listener: TcpListener) {
        match SharedPort::deafen(&listener) {
            Ok(()) => self.take(&listener, tokio::time::sleep(HANDSHAKES_MAX)).await,
            Err(error) => tracing::warn!(%error, "new connections may be reset"),
        }
        let Ok(listener) = listener.into_std() else { return };
        while let Ok((stream, peer)) = listener.accept() {
            let ready = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            match ready {
                Ok(stream) => self.start(stream, peer),
                Err(error) => tracing::warn!(%peer, %error, "a connection is lost"),
            }
        }
    }

    fn start(&self, stream: TcpStream, peer: SocketAddr) {
        let admitted = match self.gate.enter(peer.ip()) {
            Ok(it) => it,
            Err(refused) => return tracing::debug!(%peer, ?refused, "connection refused"),
        };
        let (tls, service, stop) = (self.tls.clone(), self.service.clone(), self.stop.clone());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, peer, admitted, tls, service, stop).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
        });
    }
}

async fn connection<S>(
    stream: TcpStream,
    peer: SocketAddr,
    admitted: Admitted,
    tls: Option<TlsKeeper>,
    service: S,
    stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: Site,
{
    tune(&stream)?;
    let Some(tls) = tls else {
        return http(Counted { io: stream, _admitted: admitted }, peer, service, stop).await;
    };
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await??;
    http(Counted { io: stream, _admitted: admitted }, peer, service, stop).await
}

/// Waits until no connection shall be taken; nothing is borrowed after.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|it| *it).await.is_err() {
        std::future::pending::<()>().await; // nobody will stop it
    }
}

/// Sets what the slot of frames needs: nothing waits for company, little waits in the kernel.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_notsent_lowat(NOTSENT_LOWAT_BYTES)
}

async fn http<S, I>(
    io: Counted<I>,
    peer: SocketAddr,
    service: S,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: Site,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (asked, mut first) = watch::channel(false);
    let service =
        hyper::service::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
            // The answer to an upgrade must not say `connection: close`; it ends HTTP by itself.
            asked.send_replace(!request.headers().contains_key(http::header::UPGRADE));
            request.extensions_mut().insert(Peer(peer));
            service.clone().call(request)
        });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LEN_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = async {
            stopped(&mut stop).await;
            // Whoever connected before the port closed has not asked yet; the head has its time limit.
            let _ = first.wait_for(|it| *it).await;
        } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(io::Error::other)
}

/// A stream that is counted until it is dropped, through an upgrade as well.
struct Counted<I> {
    io: I,
    _admitted: Admitted,
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
