//! Who may connect and ask: bounds on connections and on requests, by address.

use std::collections::HashMap;
use std::net::IpAddr;

use super::bucket::{Bucket, Rate};

/// Addresses remembered at most; beyond it the idle ones are forgotten. About 6 MiB.
const ADDRESSES_MAX: usize = 65_536;

/// A hello that is over a rate waits for its turn so long at most: the client takes no welcome for none after
/// eight seconds. In a storm the sockets of so long a queue are all there is; the others come again later, and each
/// time costs the running matches more than waiting does.
pub const HELLO_WAIT_MS_MAX: u64 = 6_000;

/// The bounds; all are per gateway instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Open connections of all players.
    pub connections: u32,
    /// Open connections from one address; many players may share one behind a carrier's NAT.
    pub connections_per_ip: u32,
    /// REST requests of one address.
    pub requests: Rate,
    /// WebSocket hellos of one address: what a reconnect storm from one network may do.
    pub hellos: Rate,
    /// WebSocket hellos of all addresses: the bucket that admits a storm in portions.
    pub hellos_all: Rate,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The instance is full.
    Full,
    /// This address has too many.
    TooManyFromAddress,
}

#[derive(Debug)]
struct Peer {
    open: u32,
    requests: Bucket,
    hellos: Bucket,
}

/// Counts connections and requests by address.
#[derive(Debug)]
pub struct Admission {
    bounds: Bounds,
    open: u32,
    hellos: Bucket,
    peers: HashMap<IpAddr, Peer>,
}

impl Admission {
    /// Starts with nobody.
    #[must_use]
    pub fn new(bounds: Bounds, now_ms: u64) -> Self {
        let hellos = Bucket::full(bounds.hellos_all, now_ms);
        Self { bounds, open: 0, hellos, peers: HashMap::new() }
    }

    /// Counts a new connection; each `Ok` is answered by one [`Admission::close`].
    ///
    /// # Errors
    /// [`Refused`]; nothing is counted then.
    pub fn open(&mut self, ip: IpAddr, now_ms: u64) -> Result<(), Refused> {
        if self.open >= self.bounds.connections {
            return Err(Refused::Full);
        }
        let limit = self.bounds.connections_per_ip;
        let Some(peer) = self.peer(ip, now_ms) else { return Err(Refused::Full) };
        if peer.open >= limit {
            return Err(Refused::TooManyFromAddress);
        }
        peer.open += 1;
        self.open += 1;
        Ok(())
    }

    /// Counts the end of a connection.
    pub fn close(&mut self, ip: IpAddr) {
        self.open = self.open.saturating_sub(1);
        if let Some(peer) = self.peers.get_mut(&ip) {
            peer.open = peer.open.saturating_sub(1);
        }
    }

    /// Whether this address may make one more REST request now.
    #[must_use]
    pub fn request(&mut self, ip: IpAddr, now_ms: u64) -> bool {
        let rate = self.bounds.requests;
        self.peer(ip, now_ms).is_some_and(|it| it.requests.take(rate, 1, now_ms))
    }

    /// Returns after how many milliseconds it is one more session's turn, of this address and of all; `None` if
    /// that is more than [`HELLO_WAIT_MS_MAX`]: nothing is counted then.
    #[must_use]
    pub fn hello(&mut self, ip: IpAddr, now_ms: u64) -> Option<u64> {
        let Bounds { hellos, hellos_all, .. } = self.bounds;
        let all_ms = self.hellos.wait_ms(hellos_all, 1, now_ms);
        let peer = self.peer(ip, now_ms)?;
        let wait_ms = all_ms.max(peer.hellos.wait_ms(hellos, 1, now_ms));
        if wait_ms > HELLO_WAIT_MS_MAX {
            return None;
        }
        peer.hellos.spend(1);
        self.hellos.spend(1);
        Some(wait_ms)
    }

    fn peer(&mut self, ip: IpAddr, now_ms: u64) -> Option<&mut Peer> {
        let Bounds { requests, hellos, .. } = self.bounds;
        if self.peers.len() >= ADDRESSES_MAX && !self.peers.contains_key(&ip) {
            self.peers.retain(|_, it| {
                it.open > 0
                    || !it.requests.is_full(requests, now_ms)
                    || !it.hellos.is_full(hellos, now_ms)
            });
            if self.peers.len() >= ADDRESSES_MAX {
                return None;
            }
        }
        Some(self.peers.entry(ip).or_insert_with(|| Peer {
            open: 0,
            requests: Bucket::full(requests, now_ms),
            hellos: Bucket::full(hellos, now_ms),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        connections: 3,
        connections_per_ip: 2,
        requests: Rate { per_s: 1, burst: 2 },
        hellos: Rate { per_s: 1, burst: 1 },
        hellos_all: Rate { per_s: 1, burst: 2 },
    };

    fn ip(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[test]
    fn connections_are_bounded_by_address_and_in_all() {
        let mut admission = Admission::new(BOUNDS, 0);
        assert_eq!(admission.open(ip(1), 0), Ok(()));
        assert_eq!(admission.open(ip(1), 0), Ok(()));
        assert_eq!(admission.open(ip(1), 0), Err(Refused::TooManyFromAddress));
        assert_eq!(admission.open(ip(2), 0), Ok(()));
        assert_eq!(admission.open(ip(3), 0), Err(Refused::Full));
        admission.close(ip(1));
        assert_eq!(admission.open(ip(1), 0), Ok(()));
    }

    #[test]
    fn one_address_cannot_use_up_the_requests_of_another() {
        let mut admission = Admission::new(BOUNDS, 0);
        assert!(admission.request(ip(1), 0) && admission.request(ip(1), 0));
        assert!(!admission.request(ip(1), 0));
        assert!(admission.request(ip(2), 0));
        assert!(admission.request(ip(1), 1_000));
    }

    #[test]
    fn a_storm_of_hellos_is_let_in_in_portions() {
        let mut admission = Admission::new(BOUNDS, 0);
        let turns: Vec<_> = (0..20).filter_map(|it| admission.hello(ip(it), 0)).collect();
        assert_eq!(
            turns,
            [0, 0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000],
            "then they are sent away"
        );
        assert_eq!(admission.hello(ip(30), 999), None);
        assert_eq!(admission.hello(ip(30), 1_000), Some(6_000));
    }

    #[test]
    fn one_address_waits_for_its_own_turn() {
        let all = Rate { per_s: 100, burst: 100 };
        let mut admission = Admission::new(Bounds { hellos_all: all, ..BOUNDS }, 0);
        let turns: Vec<_> = (0..9).filter_map(|_| admission.hello(ip(1), 0)).collect();
        assert_eq!(turns, [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000]);
        assert_eq!(admission.hello(ip(2), 0), Some(0), "another one need not");
    }

    #[test]
    fn the_table_of_addresses_is_bounded_and_forgets_only_idle_ones() {
        let mut admission = Admission::new(BOUNDS, 0);
        for host in 0..ADDRESSES_MAX as u32 {
            assert!(admission.request(Ipv4Addr::from(host).into(), 0));
        }
        assert!(!admission.request(ip(9), 0), "the table is full of fresh addresses");
        assert!(admission.request(ip(9), 1_000), "and empties once they are idle");
        assert_eq!(admission.peers.len(), 1);
    }
}
