//! A small mesh for tests: one CA, identities by name, sockets on loopback.

pub mod echo;
mod lossy;

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

pub use self::lossy::{LossyPath, Weather};
use crate::{
    Ca, Channel, ChannelBuilder, Endpoint, Identity, Policy, Server, ServerBuilder, SpiffeId,
};

/// Cluster name of test meshes.
pub const TEST_CLUSTER: &str = "test";
/// Life of test identities.
const TEST_LIFE: Duration = Duration::from_hours(1);

/// One CA and the identities it issues.
pub struct TestMesh {
    ca: Ca,
    identities: Vec<Identity>,
}

/// Makes a mesh with identities `node/0` to `node/<n - 1>`.
///
/// # Panics
/// If certificates cannot be made.
#[must_use]
pub fn mesh_of(n: usize) -> TestMesh {
    let mut mesh = TestMesh {
        ca: Ca::create(TEST_CLUSTER).expect("keys can be generated"),
        identities: Vec::new(),
    };
    mesh.identities = (0..n).map(|index| mesh.identity("node", &index.to_string())).collect();
    mesh
}

impl TestMesh {
    /// Returns the CA.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// Returns the identity `node/<index>`.
    ///
    /// # Panics
    /// If `index` is not below the mesh's size.
    #[must_use]
    pub fn node(&self, index: usize) -> Identity {
        self.identities[index].clone()
    }

    /// Issues an identity.
    ///
    /// # Panics
    /// If the names are not ids.
    #[must_use]
    pub fn identity(&self, service: &str, instance: &str) -> Identity {
        let id = SpiffeId::new(TEST_CLUSTER, service, instance).expect("names are valid ids");
        Identity::new(self.ca.issue(&id, TEST_LIFE).expect("a valid leaf can be issued"))
    }

    /// Starts to describe a server that lets everyone call everything.
    pub fn server(&self, service: &str, instance: &str) -> ServerBuilder {
        Server::builder(self.identity(service, instance))
            .policy(Policy::deny_all().allow(&["*"], &["*"]))
    }

    /// Starts to describe a channel of `caller` to `service`.
    pub fn channel(&self, caller: &str, service: &str) -> ChannelBuilder {
        Channel::builder(self.identity(caller, "1")).service(service)
    }
}

/// Binds a UDP socket on loopback to a port of the system's choice.
///
/// # Panics
/// If there is no loopback.
#[must_use]
pub fn loopback() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
    let addr = socket.local_addr().expect("a bound socket has an address");
    (socket, addr)
}

/// Returns the endpoint of an instance of a test mesh.
#[must_use]
pub fn endpoint(instance: &str, addr: SocketAddr) -> Endpoint {
    Endpoint::new(instance, addr)
}
