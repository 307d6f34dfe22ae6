//! The addresses of a host name, looked up again and again.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use tokio::{
    net::lookup_host,
    sync::watch,
    time::{sleep, timeout},
};

use super::{Change, Endpoint, Watched};

/// How often a name is looked up: as often as an instance proves that it lives, so that a name is
/// not what a replaced one is waited for. The resolver of a container answers from its own machine.
pub const LOOKUP_PERIOD: Duration = Duration::from_secs(1);
/// The first pause after a lookup that failed; doubles up to [`LOOKUP_PERIOD`]: at a start the name
/// is about to come up.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// A lookup that takes longer has failed. The resolver's own patience is longer, but bounded (with
/// glibc 10 s a server), and so is the number of its threads that still wait.
const LOOKUP_MAX: Duration = Duration::from_secs(5);
/// Addresses of one name that are used, the lowest ones: a service of more instances than this
/// wants a registry.
const ADDRS_MAX: usize = 64;

/// The instances behind a host name, such as those that Docker's DNS knows of a service: any
/// instance of the service may answer at any of its addresses. While the name cannot be resolved,
/// the last set stays.
#[derive(Debug)]
pub struct Resolved(Watched);

impl Resolved {
    /// Follows the addresses of `host`, an IP address or a name, until it is dropped. Needs a tokio
    /// runtime.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        if let Ok(ip) = host.parse::<IpAddr>() {
            let only = Endpoint::at(SocketAddr::new(ip, port));
            return Self(Watched::new(watch::channel(vec![only]).1));
        }
        let lookup = {
            let host = host.clone();
            move || {
                let host = host.clone();
                async move { Ok(lookup_host((host, port)).await?.collect()) }
            }
        };
        Self::by(host, lookup)
    }

    fn by<F>(name: String, lookup: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send,
    {
        let (sets, followed) = watch::channel(Vec::new());
        tokio::spawn(async move {
            tokio::select! {
                () = follow(&name, lookup, &sets) => {}
                () = sets.closed() => {}
            }
        });
        Self(Watched::new(followed))
    }
}

impl Stream for Resolved {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

/// Looks up for ever.
async fn follow<F>(name: &str, mut lookup: impl FnMut() -> F, sets: &watch::Sender<Vec<Endpoint>>)
where
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let mut retry = RETRY_MIN;
    let mut is_lost = false;
    loop {
        let found = timeout(LOOKUP_MAX, lookup()).await.unwrap_or_else(|late| Err(late.into()));
        let pause = match found.and_then(endpoints) {
            Ok(set) => {
                if std::mem::take(&mut is_lost) {
                    tracing::info!(name, "the name is resolved again");
                }
                sets.send_if_modified(|it| {
                    *it != set && {
                        *it = set;
                        true
                    }
                });
                retry = RETRY_MIN;
                LOOKUP_PERIOD
            }
            Err(error) => {
                if !std::mem::replace(&mut is_lost, true) {
                    let known = sets.borrow().len();
                    tracing::warn!(name, %error, known, "the name is not resolved; what is known stays");
                }
                let longer = (retry * 2).min(LOOKUP_PERIOD);
                std::mem::replace(&mut retry, longer)
            }
        };
        sleep(pause).await;
    }
}

/// Sorts: resolvers shuffle, which is no change.
fn endpoints(mut addrs: Vec<SocketAddr>) -> io::Result<Vec<Endpoint>> {
    if addrs.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    addrs.sort_unstable();
    addrs.dedup();
    addrs.truncate(ADDRS_MAX);
    Ok(addrs.into_iter().map(Endpoint::at).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures::StreamExt as _;

    use super::*;

    /// Beyond it a test is stuck, not slow.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn addr(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 7400))
    }

    fn put(last: u8) -> Change {
        Change::Put(Endpoint::at(addr(last)))
    }

    /// Answers each lookup with the next of `answers`, the last one for ever.
    fn answering(answers: &[Option<&[u8]>]) -> Resolved {
        let mut answers: VecDeque<_> = answers
            .iter()
            .map(|it| it.map(|it| it.iter().copied().map(addr).collect::<Vec<_>>()))
            .collect();
        Resolved::by("store".to_owned(), move || {
            let answer =
                if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            let answer = answer.flatten().ok_or_else(|| io::Error::other("no such host"));
            async move { answer }
        })
    }

    #[track_caller]
    fn check(changes: &[Change], expected: &[Change]) {
        assert_eq!(changes, expected);
    }

    async fn take(resolved: Resolved, count: usize) -> Vec<Change> {
        let changes = resolved.take(count).collect();
        tokio::time::timeout(PATIENCE, changes).await.expect("a lookup brings the changes")
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup_and_never_changes() {
        let changes: Vec<_> = Resolved::new("10.0.0.1", 7400).collect().await;
        check(&changes, &[put(1)]);
    }

    #[tokio::test]
    async fn the_systems_resolver_is_asked() {
        let first = take(Resolved::new("localhost", 7400), 1).await;
        let Some(Change::Put(Endpoint { instance: None, addr })) = first.first() else {
            panic!("{first:?}")
        };
        assert!(addr.ip().is_loopback() && addr.port() == 7400, "{addr}");
    }

    #[tokio::test]
    async fn a_name_that_comes_up_late_is_found() {
        check(&take(answering(&[None, None, Some(&[1])]), 1).await, &[put(1)]);
    }

    #[tokio::test]
    async fn a_replaced_instance_is_added_before_the_old_one_is_removed() {
        let remove = Change::Remove(Endpoint::at(addr(1)));
        let changes = take(answering(&[Some(&[1]), Some(&[2])]), 3).await;
        check(&changes, &[put(1), put(2), remove]);
    }

    #[tokio::test]
    async fn while_the_name_is_not_resolved_the_last_set_stays() {
        // Between the two sets the name is unknown, then has no address: neither removes anything.
        let answers: [Option<&[u8]>; 4] = [Some(&[1]), None, Some(&[]), Some(&[2, 1, 1])];
        check(&take(answering(&answers), 2).await, &[put(1), put(2)]);
    }
}
