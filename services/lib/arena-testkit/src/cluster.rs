use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arena_instance::{Boot, Instance, Program, PublicPort, Settings, Sockets};
use arena_mesh::{Ca, Channel, Endpoint, Identity, SpiffeId};
use arena_store::Stores;
use arena_store_embedded::{Embedded, Options};
use tempfile::TempDir;

/// Name of a test's cluster.
pub const CLUSTER: &str = "test";
/// Life of its certificates: beyond any test.
const LIFE: Duration = Duration::from_hours(1);
/// Every secret a service reads, by file name.
const SECRETS: &[&str] = &["drain_token", "auth_signing_key", "route_key", "resume_key"];

/// A certificate authority, secrets and real embedded stores in a folder that goes away with the
/// test. Instances run in this process, speak the real mesh on loopback and share the stores.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    folder: TempDir,
    ca: Ca,
    stores: Embedded,
}

impl Cluster {
    /// Makes the folder and opens the stores.
    ///
    /// # Errors
    /// If the disk refuses.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let secrets = folder.path().join("secrets");
        std::fs::create_dir(&secrets)?;
        for (index, name) in SECRETS.iter().enumerate() {
            std::fs::write(secrets.join(name), secret(index))?;
        }
        let data = folder.path().join("stores");
        std::fs::create_dir(&data)?;
        let stores = Embedded::open(&data, Options::default());
        let stores = stores.await.context("open the embedded stores")?;
        let ca = Ca::create(CLUSTER)?;
        Ok(Self { shared: Arc::new(Shared { folder, ca, stores }) })
    }

    /// Returns the stores.
    #[must_use]
    pub fn stores(&self) -> Stores {
        self.shared.stores.stores()
    }

    /// Returns the folder of everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.shared.folder.path()
    }

    /// Returns the text of a secret.
    ///
    /// # Errors
    /// If there is no such secret.
    pub fn secret(&self, name: &str) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder().join("secrets").join(name))?)
    }

    /// Issues an identity.
    ///
    /// # Errors
    /// If a name is no part of an id.
    pub fn identity(&self, service: &str, instance: &str) -> anyhow::Result<Identity> {
        let id = SpiffeId::new(CLUSTER, service, instance)?;
        Ok(Identity::new(self.shared.ca.issue(&id, LIFE)?))
    }

    /// Returns what the environment would tell `<service>-r<release>-<number>`.
    ///
    /// # Errors
    /// If a name is no name.
    pub fn settings(&self, service: &str, release: u32, number: u32) -> anyhow::Result<Settings> {
        let instance = format!("{service}-r{release}-{number}");
        let home = self.folder().join(&instance);
        let identity_dir = home.join("identity");
        std::fs::create_dir_all(&identity_dir)?;
        let id = SpiffeId::new(CLUSTER, service, &instance)?;
        self.shared.ca.issue(&id, LIFE)?.save(&identity_dir)?;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Settings {
            cluster: CLUSTER.parse()?,
            region: "local".parse()?,
            service: service.parse()?,
            instance: instance.parse()?,
            release: format!("r{release}").parse()?,
            side_addr: loopback,
            mesh_addr: loopback,
            public_addr: None,
            public_shared: false,
            advertise_ip: None,
            store_addr: None,
            identity_dir,
            secrets_dir: self.folder().join("secrets"),
            data_dir: Some(home.join("data")),
            log: "info".to_owned(),
            log_format: None,
            drain_deadline: Duration::from_mins(1),
        })
    }

    /// Boots an instance on ports of the system's choice, with a public port if `program` needs one.
    ///
    /// # Errors
    /// As [`Boot::start`].
    pub fn boot(&self, program: Program, settings: Settings) -> anyhow::Result<Boot> {
        let listen = || {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true).map(|()| socket)
        };
        let has_public = program.needs.contains(&arena_instance::Need::PublicPort);
        let sockets = Sockets {
            side: listen()?,
            mesh: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
            public: has_public.then(listen).transpose()?.map(PublicPort::Kept),
        };
        Ok(Boot::start(program, settings, sockets)?)
    }

    /// Boots instance `number` of `service`, release 1, on the cluster's stores.
    ///
    /// # Errors
    /// As [`Boot::start`].
    pub fn instance(
        &self,
        program: Program,
        service: &str,
        number: u32,
    ) -> anyhow::Result<Instance> {
        let settings = self.settings(service, 1, number)?;
        Ok(self.boot(program, settings)?.with_stores(self.stores()))
    }

    /// Returns a channel of `caller` (`service/instance` or `operator/name`) to one instance.
    ///
    /// # Errors
    /// If `caller` is no part of an id.
    pub fn channel(&self, caller: &str, to: &Instance) -> anyhow::Result<Channel> {
        let (service, instance) = caller.split_once('/').context("a caller is service/instance")?;
        let own = to.settings();
        Ok(Channel::builder(self.identity(service, instance)?)
            .service(own.service.as_str())
            .pinned(Endpoint::new(&own.instance, to.mesh_addr())))
    }
}

/// A secret of its own for each name; tests draw none, so that they are repeatable.
fn secret(index: usize) -> String {
    (0..32_usize).fold(String::new(), |mut text, it| {
        let _ = write!(text, "{:02x}", (7 * it + 31 * (index + 1)) % 256); // a String takes all
        text
    })
}
