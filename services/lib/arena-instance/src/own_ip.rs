//! The address that others reach this machine, or this container, at.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use arena_env::HostPort;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, sleep, timeout_at};

/// How long the store's name may take to come up: all services of a stack start at the same time,
/// and images of the store may still be pulled.
const ROUTE_WAIT_MAX: Duration = Duration::from_mins(1);
/// Pause between two looks at it.
const ROUTE_RETRY: Duration = Duration::from_millis(250);

/// No way to the store was found in time.
#[derive(Debug)]
pub(crate) struct NoRoute {
    pub(crate) waited: Duration,
    pub(crate) source: io::Error,
}

/// Returns the local address of the route to `store`, and waits until there is one.
pub(crate) async fn towards(store: &HostPort) -> Result<IpAddr, NoRoute> {
    towards_within(store, ROUTE_WAIT_MAX).await
}

async fn towards_within(store: &HostPort, waited: Duration) -> Result<IpAddr, NoRoute> {
    let until = Instant::now() + waited;
    let mut said = false;
    loop {
        let look = timeout_at(until, look(store));
        let source = match look.await.unwrap_or_else(|late| Err(late.into())) {
            Ok(ip) => return Ok(ip),
            Err(source) => source,
        };
        if !std::mem::replace(&mut said, true) {
            tracing::info!(%store, error = %source, "waits for a way to the store");
        }
        if Instant::now() + ROUTE_RETRY >= until {
            return Err(NoRoute { waited, source });
        }
        sleep(ROUTE_RETRY).await;
    }
}

async fn look(store: &HostPort) -> io::Result<IpAddr> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for addr in lookup_host((store.host(), store.port())).await? {
        match local_towards(addr).await {
            Ok(ip) => return Ok(ip),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks the routing table: connecting a UDP socket sends nothing.
async fn local_towards(addr: SocketAddr) -> io::Result<IpAddr> {
    let any = match addr.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(addr).await?;
    Ok(socket.local_addr()?.ip())
}

/// Returns the first address of this machine's own host name that is no loopback: what Docker
/// writes into a container's hosts file.
pub(crate) async fn by_host_name() -> Option<IpAddr> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let found = lookup_host((name.trim_end(), 0)).await.ok()?;
    first_outward(found.map(|it| it.ip()))
}

fn first_outward(ips: impl IntoIterator<Item = IpAddr>) -> Option<IpAddr> {
    ips.into_iter().find(|it| !it.is_loopback() && !it.is_unspecified())
}

#[cfg(test)]
mod tests {
    use arena_env::FromVariable as _;

    use super::*;

    fn store(text: &str) -> HostPort {
        HostPort::from_variable(text).unwrap()
    }

    #[tokio::test]
    async fn the_route_to_the_store_tells_the_own_address() {
        let ip = towards(&store("localhost:7400")).await.unwrap();
        assert!(ip.is_loopback(), "{ip}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_come_up_is_waited_for_within_a_bound() {
        // RFC 6761 §6.4: no resolver knows a name below `invalid`.
        let wait = ROUTE_RETRY * 2;
        let began = Instant::now();
        let NoRoute { waited, .. } =
            towards_within(&store("store.invalid:7400"), wait).await.unwrap_err();
        assert_eq!(waited, wait);
        assert!(began.elapsed() >= ROUTE_RETRY, "it looked again");
    }

    #[test]
    fn a_loopback_address_is_no_way_in() {
        let ips = ["127.0.1.1", "0.0.0.0", "::1", "10.0.1.5", "172.18.0.3"];
        let ips = ips.map(|it| it.parse().unwrap());
        assert_eq!(first_outward(ips), Some("10.0.1.5".parse().unwrap()));
        assert_eq!(first_outward(ips[..3].iter().copied()), None);
    }
}
