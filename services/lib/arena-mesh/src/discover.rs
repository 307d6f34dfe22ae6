//! Where the instances of a service are: a stream of changes.

mod resolved;

use std::{
    collections::BTreeSet,
    fmt::Display,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

pub use self::resolved::{LOOKUP_PERIOD, Resolved};

/// One instance of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The instance the certificate must name; `None` if discovery does not know it.
    pub instance: Option<Arc<str>>,
    /// Its mesh address.
    pub addr: SocketAddr,
}

impl Endpoint {
    /// Names an instance and its address; only that instance's certificate is accepted there.
    #[must_use]
    pub fn new(instance: impl Display, addr: SocketAddr) -> Self {
        Self { instance: Some(instance.to_string().into()), addr }
    }

    /// Names an address where any instance of the service may answer.
    #[must_use]
    pub const fn at(addr: SocketAddr) -> Self {
        Self { instance: None, addr }
    }
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.instance {
            Some(instance) => write!(f, "{instance}@{}", self.addr),
            None => self.addr.fmt(f),
        }
    }
}

/// A change of the set of instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An instance appeared.
    Put(Endpoint),
    /// An instance is gone: no new calls; those in flight end by themselves.
    Remove(Endpoint),
}

/// A stream of changes. It starts with what is there and ends only if nothing will ever change again;
/// a source that loses its registry keeps quiet, so that the last set stays.
pub trait Discover: Stream<Item = Change> + Send + Unpin + 'static {}

impl<S: Stream<Item = Change> + Send + Unpin + 'static> Discover for S {}

/// A fixed set of instances.
#[derive(Clone, Debug)]
pub struct Static(Vec<Endpoint>);

impl Static {
    /// Takes the set.
    #[must_use]
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        Self(endpoints.into_iter().collect())
    }
}

impl Stream for Static {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Change>> {
        Poll::Ready(self.0.pop().map(Change::Put))
    }
}

/// A set that something else keeps up to date, such as the registry's adapter: every new value of the
/// watch is compared with the last and its differences become changes. When the sender goes, the last
/// set stays.
#[derive(Debug)]
pub struct Watched {
    sets: WatchStream<Vec<Endpoint>>,
    known: BTreeSet<Endpoint>,
    pending: Vec<Change>,
}

impl Watched {
    /// Follows `sets`, the first value included.
    #[must_use]
    pub fn new(sets: watch::Receiver<Vec<Endpoint>>) -> Self {
        Self { sets: WatchStream::new(sets), known: BTreeSet::new(), pending: Vec::new() }
    }

    fn apply(&mut self, set: Vec<Endpoint>) {
        let next: BTreeSet<Endpoint> = set.into_iter().collect();
        let gone = self.known.iter().filter(|known| !next.contains(known));
        self.pending.extend(gone.cloned().map(Change::Remove));
        let new = next.iter().filter(|endpoint| !self.known.contains(endpoint));
        self.pending.extend(new.cloned().map(Change::Put)); // popped from the back: added before removed
        self.known = next;
    }
}

impl Stream for Watched {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        loop {
            if let Some(change) = self.pending.pop() {
                return Poll::Ready(Some(change));
            }
            match std::task::ready!(self.sets.poll_next_unpin(cx)) {
                Some(set) => self.apply(set),
                None => return Poll::Ready(None),
            }
        }
    }
}
