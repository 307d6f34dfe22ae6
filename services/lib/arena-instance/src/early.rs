//! An instance before it is known where others reach it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use arena_env::SecretsDir;
use arena_mesh::Identity;
use arena_telemetry::{Metrics, logs, names};
use arena_types::contract::BackendReport;
use tokio::sync::watch;

use crate::boot::{Boot, StartError};
use crate::control::{COLD, Control};
use crate::lifecycle::Event;
use crate::side::Side;
use crate::{Order, Program, PublicPort, Settings, Sockets, own_ip};

/// Name of the secret that authorises a drain, in `ARENA_SECRETS_DIR`.
const DRAIN_TOKEN: &str = "drain_token";

/// An instance whose side port answers, while the address others reach it at may not be known yet.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) program: Program,
    pub(crate) settings: Arc<Settings>,
    pub(crate) secrets: SecretsDir,
    pub(crate) identity: Identity,
    pub(crate) metrics: Metrics,
    pub(crate) control: Control,
    pub(crate) capacity: watch::Sender<u32>,
    pub(crate) backend: watch::Sender<Option<BackendReport>>,
    pub(crate) mesh: UdpSocket,
    pub(crate) public: Option<PublicPort>,
    /// Where its sockets are bound.
    pub(crate) bound: Addrs,
}

impl Early {
    /// Loads identity and secrets and opens the side port.
    pub(crate) fn start(
        program: Program,
        settings: Settings,
        sockets: Sockets,
    ) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let bound = bound(&sockets)?;
        let secrets = SecretsDir::new(&settings.secrets_dir);
        let token = secrets.read(DRAIN_TOKEN)?;
        let identity = identity(&settings)?;
        let metrics = Metrics::new();
        let logs::Origin { service, instance, release, region } = settings.origin();
        let series = [&service, &instance, &release, &region].map(String::as_str);
        let info = metrics.gauges(&names::INSTANCE_INFO);
        info.get_or_create(&names::INSTANCE_INFO.series(series)).set(1);
        let control = Control::start(&metrics);
        let (capacity, backend) = (watch::Sender::new(0), watch::Sender::new(None));
        let side = Side {
            settings: settings.clone(),
            control: control.clone(),
            metrics: metrics.clone(),
            token,
            schema: program.schema,
            capacity: capacity.subscribe(),
            backend: backend.subscribe(),
        };
        let doing = "serve the side port";
        side.serve(sockets.side).map_err(|source| StartError::System { doing, source })?;
        let Sockets { mesh, public, .. } = sockets;
        Ok(Self {
            program,
            settings,
            secrets,
            identity,
            metrics,
            control,
            capacity,
            backend,
            mesh,
            public,
            bound,
        })
    }

    /// Goes on once the address that others reach this instance at is known; `None` if it is told to
    /// exit while it waits for that.
    pub(crate) async fn reachable(self) -> Result<Option<Boot>, StartError> {
        if self.bound.advertised(&self.settings, None).is_ok() {
            return self.finish(None).map(Some);
        }
        let Some(store) = self.settings.store_addr.clone() else {
            let own = own_ip::by_host_name().await;
            return self.finish(own).map(Some);
        };
        self.control
            .apply(Event::NotWarm(format!("there is no way to the store at {store}")))
            .await;
        let mut orders = self.control.order();
        let found = tokio::select! {
            found = own_ip::towards(&store) => found,
            _ = orders.wait_for(|it| matches!(it, Order::Stop | Order::StopNow)) => return Ok(None),
        };
        let lost =
            |own_ip::NoRoute { waited, source }| StartError::NoRoute { store, waited, source };
        let own = found.map_err(lost)?;
        self.control.apply(Event::NotWarm(COLD.to_owned())).await;
        self.finish(Some(own)).map(Some)
    }

    pub(crate) fn finish(self, own: Option<IpAddr>) -> Result<Boot, StartError> {
        let addrs = self.bound.advertised(&self.settings, own)?;
        Ok(Boot { early: self, addrs })
    }
}

/// The addresses others reach an instance at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addrs {
    pub(crate) side: SocketAddr,
    pub(crate) mesh: SocketAddr,
    pub(crate) public: Option<SocketAddr>,
}

impl Addrs {
    /// Takes these as bound and returns them as others reach them; `own` replaces "all addresses".
    fn advertised(self, settings: &Settings, own: Option<IpAddr>) -> Result<Self, StartError> {
        let outside =
            |bound| settings.advertised(bound, own).ok_or(StartError::Unadvertised { bound });
        Ok(Self {
            side: outside(self.side)?,
            mesh: outside(self.mesh)?,
            public: self.public.map(outside).transpose()?,
        })
    }
}

fn bound(sockets: &Sockets) -> Result<Addrs, StartError> {
    let doing = "read the address of a socket";
    let known =
        |it: std::io::Result<SocketAddr>| it.map_err(|source| StartError::System { doing, source });
    Ok(Addrs {
        side: known(sockets.side.local_addr())?,
        mesh: known(sockets.mesh.local_addr())?,
        public: sockets.public.as_ref().map(|it| known(it.local_addr())).transpose()?,
    })
}

fn identity(settings: &Settings) -> Result<Identity, StartError> {
    let Settings { cluster, service, instance, identity_dir, .. } = settings;
    let identity = Identity::watch_dir(identity_dir).map_err(|source| StartError::Identity {
        folder: identity_dir.display().to_string(),
        source,
    })?;
    let expected = format!("spiffe://{cluster}/{service}/{instance}");
    let found = identity.id();
    if found.as_str() == expected {
        Ok(identity)
    } else {
        Err(StartError::OtherIdentity { expected, found })
    }
}
