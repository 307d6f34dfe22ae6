//! Serves tonic's generated servers, and links, over QUIC with mutual TLS.

pub(crate) mod accept;
mod drain;
mod serve;

use std::{collections::HashMap, convert::Infallible, io, net::UdpSocket, pin::Pin, sync::Arc};

use http::{Request, Response};
use tonic::{body::Body, server::NamedService};
use tower::{Service, ServiceExt as _};

pub use self::drain::{Drained, Serving};
use crate::{
    Identity, Link, Policy, PolicyHandle, Seed, Tuning, identity::TlsError, tuning::size_buffers,
};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// TLS cannot be configured.
    #[error("cannot configure tls for the mesh")]
    Tls {
        /// The cause.
        #[from]
        source: TlsError,
    },
    /// The socket cannot be used.
    #[error("cannot use the mesh socket")]
    Socket {
        /// The cause.
        #[from]
        source: io::Error,
    },
}

pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
pub(crate) type LinkHandler =
    dyn Fn(Link) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// A generated server behind one type.
pub(crate) trait Mounted: Send + Sync {
    fn call(&self, request: Request<Body>) -> Answer;
}

impl<S> Mounted for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    fn call(&self, request: Request<Body>) -> Answer {
        let service = self.clone();
        Box::pin(async move {
            match service.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }
}

/// Entry point: [`Server::builder`].
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts to describe a server that proves `identity` and refuses every call.
    pub fn builder(identity: Identity) -> ServerBuilder {
        ServerBuilder {
            identity,
            tuning: Tuning::default(),
            policy: Policy::deny_all().into(),
            seed: None,
            services: HashMap::new(),
            links: None,
        }
    }
}

/// A server being described.
#[must_use]
pub struct ServerBuilder {
    identity: Identity,
    tuning: Tuning,
    policy: PolicyHandle,
    seed: Option<Seed>,
    services: HashMap<&'static str, Arc<dyn Mounted>>,
    links: Option<Arc<LinkHandler>>,
}

impl ServerBuilder {
    /// Chooses the transport settings; [`Tuning::Datacenter`] unless told otherwise.
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// Sets the authorisation table; pass a [`PolicyHandle`] to swap it later.
    pub fn policy(mut self, policy: impl Into<PolicyHandle>) -> Self {
        self.policy = policy.into();
        self
    }

    /// Makes reset and connection-id keys survive a restart on the same port.
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Mounts a generated server under its gRPC name.
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        self.services.insert(S::NAME, Arc::new(service));
        self
    }

    /// Serves links, authorised as [`crate::LINK_METHOD`]; a link ends when its handler returns.
    pub fn links<F, H>(mut self, handler: H) -> Self
    where
        H: Fn(Link) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.links = Some(Arc::new(move |link| Box::pin(handler(link))));
        self
    }

    /// Starts to serve on a bound socket, on the current tokio runtime, until the result is dropped or
    /// drained.
    ///
    /// # Errors
    /// [`ServeError`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn serve(self, socket: UdpSocket) -> Result<Serving, ServeError> {
        socket.set_nonblocking(true)?;
        size_buffers(&socket);
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(self.identity.server_tls()?));
        config.transport_config(self.tuning.transport()).migration(false);
        let endpoint_config = self.seed.as_ref().map(Seed::endpoint).unwrap_or_default();
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = quinn::Endpoint::new(endpoint_config, Some(config), socket, runtime)?;
        let mounts = accept::Mounts {
            policy: self.policy,
            services: self.services,
            links: self.links,
            identity: self.identity,
        };
        Ok(Serving::start(endpoint, mounts)?)
    }
}
