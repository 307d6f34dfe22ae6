//! Picks the better of two random instances, and keeps the set up to date.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures::StreamExt as _;
use tokio::{sync::watch, task::AbortHandle, time};
use tonic::Status;

use super::{
    dial::{Dialer, Live},
    health::{Admission, Ejection},
    load::PeakEwma,
    node::Node,
};
use crate::{Change, Discover, Endpoint, fault::ConnectError};

/// How long a call looks again at instances that were all unusable, if nothing tells it sooner.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

type Nodes = ArcSwap<Vec<Arc<Node>>>;

/// The instances of one service.
pub(crate) struct Balancer {
    nodes: Arc<Nodes>,
    changed: watch::Receiver<()>,
    dialer: Arc<Dialer>,
    load: PeakEwma,
    ejection: Ejection,
    following: Option<AbortHandle>,
}

/// What to do next to get a connection.
enum Choice {
    Use(Arc<Node>, Arc<Live>),
    Dial(Arc<Node>),
    Wait(Instant),
}

impl Balancer {
    /// Follows `discover` until it is dropped.
    pub(crate) fn spawn(
        dialer: Arc<Dialer>,
        load: PeakEwma,
        ejection: Ejection,
        discover: impl Discover,
    ) -> Self {
        let nodes: Arc<Nodes> = Arc::default();
        let (tell, changed) = watch::channel(());
        let (set, made) = (nodes.clone(), dialer.clone());
        let make = move |endpoint| Node::new(endpoint, made.clone(), load, ejection);
        let following = tokio::spawn(follow(discover, set, make, tell)).abort_handle();
        Self { nodes, changed, dialer, load, ejection, following: Some(following) }
    }

    /// Returns a set of one, on the same sockets.
    pub(crate) fn pinned(&self, endpoint: Endpoint) -> Self {
        let known = self.nodes.load().iter().find(|node| node.endpoint == endpoint).cloned();
        let node = known
            .unwrap_or_else(|| Node::new(endpoint, self.dialer.clone(), self.load, self.ejection));
        Self {
            nodes: Arc::new(ArcSwap::from_pointee(vec![node])),
            changed: watch::channel(()).1,
            dialer: self.dialer.clone(),
            load: self.load,
            ejection: self.ejection,
            following: None,
        }
    }

    /// Returns a connected instance, waiting until `until` for one.
    pub(crate) async fn acquire(&self, until: Instant) -> Result<(Arc<Node>, Arc<Live>), Status> {
        match self.choose(Instant::now()) {
            Choice::Use(node, live) => Ok((node, live)),
            // Boxed: the usual call is not to be as large as one that waits.
            Choice::Dial(node) => Box::pin(self.wait_for_one(Some(node), until)).await,
            Choice::Wait(_) => Box::pin(self.wait_for_one(None, until)).await,
        }
    }

    /// Dials `first`, if one was chosen (it may be out for its probe, and nobody chooses it again then), and
    /// then whatever is chosen, until one is connected.
    async fn wait_for_one(
        &self,
        mut first: Option<Arc<Node>>,
        until: Instant,
    ) -> Result<(Arc<Node>, Arc<Live>), Status> {
        let mut last = None;
        loop {
            let mut changed = self.changed.clone();
            changed.mark_unchanged(); // what changed before is seen by `choose`
            let choice = first.take().map_or_else(|| self.choose(Instant::now()), Choice::Dial);
            match choice {
                Choice::Use(node, live) => return Ok((node, live)),
                Choice::Dial(node) => match time::timeout_at(until.into(), node.dial()).await {
                    Ok(Ok(live)) => return Ok((node, live)),
                    Ok(Err(error)) if error.is_refusal() => return Err(error.into()),
                    Ok(Err(error)) => last = Some(error),
                    Err(_) => return Err(unreachable(last)),
                },
                Choice::Wait(_) if Instant::now() >= until => return Err(unreachable(last)),
                Choice::Wait(next) => {
                    let next = next.min(until);
                    tokio::select! {
                        () = time::sleep_until(next.into()) => {}
                        Ok(()) = changed.changed() => {}
                    }
                }
            }
        }
    }

    fn choose(&self, now: Instant) -> Choice {
        let nodes = self.nodes.load();
        let Some(picked) = pick(&nodes, now) else {
            let soonest = nodes.iter().filter_map(|node| match node.admission(now) {
                Admission::No(until) => Some(until),
                _ => None,
            });
            let again = now + LOOK_AGAIN;
            return Choice::Wait(soonest.min().unwrap_or(again).clamp(now, again));
        };
        if let Some(live) = picked.live(now) {
            return Choice::Use(picked.clone(), live);
        }
        let connected = nodes.iter().find_map(|node| {
            let usable = node.admission(now) == Admission::Yes;
            usable.then(|| node.live(now)).flatten().map(|live| (node.clone(), live))
        });
        match connected {
            Some((node, live)) => {
                drop(picked.dial()); // for the calls to come; this one need not wait
                Choice::Use(node, live)
            }
            None => Choice::Dial(picked.clone()),
        }
    }

    /// Returns whether one more instance may be ejected.
    pub(crate) fn may_eject(&self) -> bool {
        let nodes = self.nodes.load();
        let ejected = nodes.iter().filter(|node| node.is_ejected()).count();
        ejected < self.ejection.allowed(nodes.len())
    }

    /// Returns the instances known and those connected.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let (nodes, now) = (self.nodes.load(), Instant::now());
        (nodes.len(), nodes.iter().filter(|node| node.live(now).is_some()).count())
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
    }
}

/// Picks the cheaper of two random admissible instances. One that is due for its probe is taken at
/// once: only a call can tell whether it is well again.
fn pick(nodes: &[Arc<Node>], now: Instant) -> Option<&Arc<Node>> {
    match nodes {
        [] => return None,
        [only] => return only.dial_pause(now).is_none().then_some(only), // no choice, so no ejection
        _ => {}
    }
    let first = admissible(nodes, rand::random_range(0..nodes.len()), now)?;
    let second = admissible(nodes, rand::random_range(0..nodes.len()), now)?;
    if Arc::ptr_eq(first, second) {
        let after = nodes.iter().position(|node| Arc::ptr_eq(node, first))? + 1;
        let second = admissible(nodes, after % nodes.len(), now)?;
        return Some(cheaper(first, second, now));
    }
    Some(cheaper(first, second, now))
}

fn cheaper<'a>(first: &'a Arc<Node>, second: &'a Arc<Node>, now: Instant) -> &'a Arc<Node> {
    for node in [first, second] {
        if node.admission(now) == Admission::Probe {
            node.probe(now);
            return node;
        }
    }
    if second.cost(now) < first.cost(now) { second } else { first }
}

/// Returns the first admissible instance from `start` on, around the end.
fn admissible(nodes: &[Arc<Node>], start: usize, now: Instant) -> Option<&Arc<Node>> {
    let (before, after) = nodes.split_at(start);
    after.iter().chain(before).find(|node| !matches!(node.admission(now), Admission::No(_)))
}

async fn follow(
    mut discover: impl Discover,
    nodes: Arc<Nodes>,
    make: impl Fn(Endpoint) -> Arc<Node>,
    tell: watch::Sender<()>,
) {
    while let Some(change) = discover.next().await {
        let mut next = nodes.load().to_vec();
        match change {
            Change::Put(endpoint) if next.iter().any(|node| node.endpoint == endpoint) => continue,
            Change::Put(endpoint) => next.push(make(endpoint)),
            Change::Remove(endpoint) => next.retain(|node| node.endpoint != endpoint),
        }
        nodes.store(Arc::new(next));
        tell.send_replace(());
    }
}

fn unreachable(last: Option<ConnectError>) -> Status {
    match last {
        Some(error) => error.into(),
        None => Status::unavailable("no instance of the service is known and healthy"),
    }
}
