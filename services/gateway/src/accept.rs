//! The public port: our own accept loop, so that each socket gets its options, its bounds and TLS.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service;

use crate::logic::admission::{Admission, Bounds, Refused};
use crate::tls::TlsKeeper;

/// Bytes the kernel may hold unsent before a socket counts as full: two frames of a busy match. A
/// stale frame then waits in our latest-wins slot, where a newer one replaces it, not in the kernel.
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

/// Who is at the other end of a connection; an extension of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The bounds on connections and requests, shared by the accept loop and the routes.
#[derive(Clone, Debug)]
pub struct Gate {
    admission: Arc<Mutex<Admission>>,
    started: Instant,
}

impl Gate {
    /// Starts with nobody connected.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { admission: Arc::new(Mutex::new(Admission::new(bounds, 0))), started: Instant::now() }
    }

    /// Whether this address may make a REST request now.
    #[must_use]
    pub fn request(&self, ip: IpAddr) -> bool {
        self.with(|admission, now_ms| admission.request(ip, now_ms))
    }

    /// Whether this address may open a session now.
    #[must_use]
    pub fn hello(&self, ip: IpAddr) -> bool {
        self.with(|admission, now_ms| admission.hello(ip, now_ms))
    }

    fn enter(&self, ip: IpAddr) -> Result<Admitted, Refused> {
        self.with(|admission, now_ms| admission.open(ip, now_ms))?;
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
    }
}

/// Accepts connections and hands them to `service` for ever. While `stop` is true none is taken and
/// those that are open end after the request under way; web sockets live on, their sessions end them.
pub async fn serve<S>(
    listener: TcpListener,
    tls: Option<TlsKeeper>,
    gate: Gate,
    service: S,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<
            http::Request<hyper::body::Incoming>,
            Response = warp::reply::Response,
            Error = Infallible,
        > + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    loop {
        if stop.wait_for(|it| !*it).await.is_err() {
            return;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => continue,
        };
        let (stream, peer) = match accepted {
            Ok(it) => it,
            Err(error) => {
                tracing::warn!(%error, "accept failed; is the limit of open files reached?");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let admitted = match gate.enter(peer.ip()) {
            Ok(it) => it,
            Err(refused) => {
                tracing::debug!(%peer, ?refused, "connection refused");
                continue;
            }
        };
        let (tls, service, stop) = (tls.clone(), service.clone(), stop.clone());
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
    S: Service<
            http::Request<hyper::body::Incoming>,
            Response = warp::reply::Response,
            Error = Infallible,
        > + Clone
        + Send
        + 'static,
    S::Future: Send,
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

/// Sets what latest-wins needs: nothing waits for company, little waits in the kernel.
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
    S: Service<
            http::Request<hyper::body::Incoming>,
            Response = warp::reply::Response,
            Error = Infallible,
        > + Clone
        + Send
        + 'static,
    S::Future: Send,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service =
        hyper::service::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
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
        () = stopped(&mut stop) => {
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
