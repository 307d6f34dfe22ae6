//! A store service in this process, on a real mesh.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use arena_mesh::testing::{TestMesh, loopback, mesh_of};
use arena_mesh::{Channel, Endpoint, Serving};
use arena_store::Stores;
use arena_store_embedded::{Embedded, Options};
use arena_store_service::logic::access::{Access, Area, CLUSTER};
use arena_store_service::server::mount;
use tempfile::TempDir;
use tokio::sync::watch;

const TESTER: &[&str] = &["tester"];
/// One caller may do everything: the suite tests what a store does, not for whom.
pub(crate) const OPEN: Access = Access {
    areas: &[
        (Area::Registry, TESTER, TESTER),
        (Area::Leases, TESTER, TESTER),
        (Area::Values, TESTER, TESTER),
        (Area::Rates, TESTER, TESTER),
        (Area::Boards, TESTER, TESTER),
        (Area::Journals, TESTER, TESTER),
        (Area::Streams, TESTER, TESTER),
        (Area::Presence, TESTER, TESTER),
        (Area::Accounts, TESTER, TESTER),
        (Area::Credentials, TESTER, TESTER),
        (Area::Sessions, TESTER, TESTER),
        (Area::Bans, TESTER, TESTER),
        (Area::Profiles, TESTER, TESTER),
        (Area::Ratings, TESTER, TESTER),
        (Area::Results, TESTER, TESTER),
        (Area::Events, TESTER, TESTER),
        (Area::Objects, TESTER, TESTER),
    ],
    keys: &[("", TESTER)],
};

/// A running store service.
pub(crate) struct Service {
    pub(crate) mesh: TestMesh,
    pub(crate) addr: SocketAddr,
    pub(crate) folder: TempDir,
    running: Option<Running>,
}

struct Running {
    embedded: Embedded,
    serving: Serving,
    close: watch::Sender<bool>,
}

impl Service {
    /// Starts it on a folder and a port of its own.
    pub(crate) async fn start(access: &'static Access) -> Self {
        let (mesh, folder) = (mesh_of(0), tempfile::tempdir().expect("a folder can be made"));
        let (socket, addr) = loopback();
        let running = Some(run(&mesh, folder.path(), socket, access).await);
        Self { mesh, addr, folder, running }
    }

    /// Returns the stores as the instance `<service>/1` sees them.
    pub(crate) fn stores(&self, service: &str) -> Stores {
        arena_store_remote::connect(self.channel(service))
    }

    fn channel(&self, service: &str) -> Channel {
        self.mesh
            .channel(service, "store")
            .idempotent(arena_store_remote::is_idempotent)
            .pinned(Endpoint::at(self.addr))
    }

    /// Stops it in order, and leaves folder and port for [`Self::start_again`].
    pub(crate) async fn stop(&mut self) {
        let Running { embedded, serving, close } = self.running.take().expect("it runs");
        close.send_replace(true);
        serving.drain(Duration::from_secs(5)).await;
        embedded.close().await;
    }

    /// Starts it again on the same folder and port.
    pub(crate) async fn start_again(&mut self, access: &'static Access) {
        let socket = UdpSocket::bind(self.addr).expect("the port is still ours");
        self.running = Some(run(&self.mesh, self.folder.path(), socket, access).await);
    }
}

async fn run(
    mesh: &TestMesh,
    folder: &Path,
    socket: UdpSocket,
    access: &'static Access,
) -> Running {
    let options = Options { lock_patience: Duration::from_secs(10), ..Options::default() };
    let embedded = Embedded::open(folder, options).await.expect("the stores open");
    let (close, closing) = watch::channel(false);
    let server = mount(mesh.server("store", "s1"), embedded.stores(), access, closing);
    let serving = server.serve(socket).expect("the mesh port is served");
    Running { embedded, serving, close }
}

/// Starts a service under the table of every cluster.
pub(crate) async fn cluster() -> Service {
    Service::start(&CLUSTER).await
}
