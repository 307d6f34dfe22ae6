use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arena_env::{HostPort, SecretsDir};
use arena_mesh::{
    Channel, Endpoint, Identity, Resolved, Seed, ServeError, Server, ServerBuilder, Serving,
    Watched,
};
use arena_store::Stores;
use arena_telemetry::{Metrics, names};
use arena_types::ServiceName;
use arena_types::contract::BackendReport;
use arena_types::registry::{InstanceRecord, Traffic, instance_key, instances_of, traffic_key};
use tokio::sync::watch;

use crate::boot::Boot;
use crate::control::{Control, Order, Status};
use crate::early::{Addrs, Early};
use crate::fence::Fence;
use crate::lifecycle::{Event, Load};
use crate::live::{self, LiveConfig};
use crate::mirror::Mirror;
use crate::register::Registration;
use crate::{PublicPort, Settings, endpoints, policy};

/// Calls in flight of a stopping instance may take this long: above the default deadline of a call.
const CALLS_GRACE: Duration = Duration::from_secs(8);
/// A call that sets no deadline itself gets this one: a player does not wait longer.
const CALL_DEADLINE: Duration = Duration::from_secs(5);

/// A running instance. Cheap to clone; every clone is the same one.
#[derive(Clone, Debug)]
pub struct Instance {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Arc<Settings>,
    secrets: SecretsDir,
    identity: Identity,
    metrics: Metrics,
    control: Control,
    capacity: watch::Sender<u32>,
    backend: watch::Sender<Option<BackendReport>>,
    stores: Stores,
    addrs: Addrs,
    channels: Mutex<HashMap<String, Channel>>,
    mesh: Mutex<Option<UdpSocket>>,
    public: Mutex<Option<PublicPort>>,
    registration: Mutex<Option<Registration>>,
    fence: Fence,
}

impl Instance {
    pub(crate) fn start(boot: Boot, stores: Stores) -> Self {
        let Boot { early, addrs } = boot;
        let Early {
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
            bound: _,
        } = early;
        let schema = program.schema.iter().find(|(name, _)| *name == "rules");
        let record = follow(
            &control,
            &capacity,
            Facts {
                addrs,
                release: settings.release,
                rules_schema: schema.map_or(0, |(_, version)| *version),
            },
        );
        let key = instance_key(&settings.service, &settings.instance);
        let (registry, fence) = (stores.registry.clone(), Fence::closed());
        let registration = Registration::start(registry, key, record, fence.clone(), &metrics);
        let inner = Inner {
            settings,
            secrets,
            identity,
            metrics,
            control,
            capacity,
            backend,
            stores,
            addrs,
            channels: Mutex::default(),
            mesh: Mutex::new(Some(mesh)),
            public: Mutex::new(public),
            registration: Mutex::new(Some(registration)),
            fence,
        };
        let capacity = inner.metrics.gauge(&names::INSTANCE_CAPACITY);
        let mut now = inner.capacity.subscribe();
        tokio::spawn(async move {
            while now.changed().await.is_ok() {
                capacity.set(i64::from(*now.borrow_and_update()));
            }
        });
        Self { inner: Arc::new(inner) }
    }

    /// Returns what the environment said.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Returns the folder of secrets.
    #[must_use]
    pub fn secrets(&self) -> &SecretsDir {
        &self.inner.secrets
    }

    /// Returns who this process is in the mesh.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// Returns the registry of metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Returns the stores.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.inner.stores
    }

    /// Returns where other instances reach this one.
    #[must_use]
    pub fn mesh_addr(&self) -> SocketAddr {
        self.inner.addrs.mesh
    }

    /// Returns where arenactl reaches this one.
    #[must_use]
    pub fn side_addr(&self) -> SocketAddr {
        self.inner.addrs.side
    }

    /// Returns where players reach this one, if they do.
    #[must_use]
    pub fn public_addr(&self) -> Option<SocketAddr> {
        self.inner.addrs.public
    }

    /// Returns until when the service may act as the owner of what the registry says is its own.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.inner.fence.clone()
    }

    /// Says that the service can take work.
    pub async fn ready(&self) {
        self.inner.control.apply(Event::Warm).await;
    }

    /// Says that the service cannot take work, for `reason`.
    pub async fn waits_for(&self, reason: impl Into<String>) {
        self.inner.control.apply(Event::NotWarm(reason.into())).await;
    }

    /// Does what SIGTERM does: drains with the configured deadline, then exits; a second one at once.
    pub async fn terminate(&self) {
        self.inner.control.apply(Event::Sigterm(self.inner.settings.drain_deadline)).await;
    }

    /// Changes the reported load; the instance does not stop before that [is none](Load::is_none).
    pub fn report(&self, change: impl FnOnce(&mut Load)) {
        self.inner.control.report(change);
    }

    /// Says how many matches can be hosted.
    pub fn set_capacity(&self, matches: u32) {
        self.inner.capacity.send_replace(matches);
    }

    /// Says what steps the matches.
    pub fn set_backend(&self, backend: BackendReport) {
        self.inner.backend.send_replace(Some(backend));
    }

    /// Returns what the service shall do, now and whenever it changes.
    #[must_use]
    pub fn orders(&self) -> watch::Receiver<Order> {
        self.inner.control.order()
    }

    /// Returns a live copy of the registry below `prefix`.
    #[must_use]
    pub fn mirror(&self, prefix: &str) -> Mirror {
        Mirror::start(self.inner.stores.registry.clone(), prefix)
    }

    /// Returns live rules and flags.
    #[must_use]
    pub fn live_config(&self) -> LiveConfig {
        let [rules, flags] = live::PREFIXES.map(|it| self.mirror(it));
        LiveConfig::new(rules, flags)
    }

    /// Returns the channel to the instances of `service` that take calls now; made once, shared.
    ///
    /// The instances are those of the registry; if it is away, the last known ones. A call that
    /// sets no deadline gets one of 5 s, except to services with streams, where it would end them.
    ///
    /// # Panics
    /// If `service` is no name of a service.
    #[must_use]
    pub fn channel_to(&self, service: &str) -> Channel {
        let mut channels = self.inner.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let name: ServiceName = service.parse().expect("services are named in the code");
            let mut channel = channel(&self.inner.identity, service);
            if !policy::has_streams(service) {
                channel = channel.default_deadline(CALL_DEADLINE);
            }
            channel.discover(Watched::new(self.discover(&name)))
        };
        channels.entry(service.to_owned()).or_insert_with(make).clone()
    }

    /// Returns where the instances of `service` are that take calls now, and whenever it changes.
    #[must_use]
    pub fn discover(&self, service: &ServiceName) -> watch::Receiver<Vec<Endpoint>> {
        let (sender, receiver) = watch::channel(Vec::new());
        let mut instances = self.mirror(&instances_of(service));
        let mut traffic = self.mirror(&traffic_key(service));
        tokio::spawn(async move {
            let mut found = instances.first().await;
            let mut weights = traffic.first().await;
            loop {
                let records = instances.parsed::<InstanceRecord>(&found);
                // The mirror's prefix is the whole key: what is left of it is empty.
                let traffic_now = traffic.parsed::<Traffic>(&weights).remove("");
                let now = endpoints(&records, traffic_now.as_ref());
                sender.send_if_modified(|it| {
                    let changed = *it != now;
                    *it = now;
                    changed
                });
                tokio::select! {
                    changed = instances.changed() => found = changed,
                    changed = traffic.changed() => weights = changed,
                    () = sender.closed() => return,
                }
            }
        });
        receiver
    }

    /// Serves generated servers and links on the mesh port, under the cluster's policy.
    ///
    /// # Errors
    /// [`ServeError`].
    ///
    /// # Panics
    /// If it was called before.
    pub fn serve(
        &self,
        mount: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Result<Serving, ServeError> {
        let socket = self.inner.mesh.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut server = Server::builder(self.inner.identity.clone()).policy(policy::cluster());
        if let Ok(secret) = self.inner.secrets.read("drain_token") {
            let name = self.inner.settings.instance.as_str();
            server = server.seed(Seed::derive(secret.expose(), name));
        }
        mount(server).serve(socket.expect("an instance serves once"))
    }

    /// Hands over the port that players connect to; `None` after the first call.
    #[must_use]
    pub fn take_public(&self) -> Option<PublicPort> {
        self.inner.public.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for the end of this instance's life, then closes: takes its key out of the registry,
    /// lets calls in flight end, returns. A second signal ends all that at once.
    pub async fn run(&self, serving: Serving) {
        until(self.orders(), |it| matches!(it, Order::Stop | Order::StopNow)).await;
        let close = async {
            self.withdraw().await;
            let drained = serving.drain(CALLS_GRACE).await;
            tracing::info!(?drained, "the mesh port is closed");
        };
        tokio::select! {
            () = close => {}
            () = until(self.orders(), |it| *it == Order::StopNow) => {
                tracing::warn!("stopped at once, by a second signal");
                self.withdraw().await;
            }
        }
    }

    async fn withdraw(&self) {
        let registration =
            self.inner.registration.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(registration) = registration {
            registration.withdraw().await;
        }
    }
}

/// Waits for an order. The control loop that gives them lives as long as the instance.
async fn until(mut orders: watch::Receiver<Order>, wanted: impl Fn(&Order) -> bool) {
    let _ = orders.wait_for(|it| wanted(it)).await;
}

/// What a record holds that does not change.
#[derive(Clone, Copy)]
struct Facts {
    addrs: Addrs,
    release: arena_types::ReleaseId,
    rules_schema: u32,
}

/// Keeps the record of the registry equal to the status.
fn follow(
    control: &Control,
    capacity: &watch::Sender<u32>,
    facts: Facts,
) -> watch::Receiver<InstanceRecord> {
    let record = move |status: &Status, capacity: u32| InstanceRecord {
        mesh_addr: facts.addrs.mesh,
        side_addr: facts.addrs.side,
        public_addr: facts.addrs.public,
        release: facts.release,
        state: status.life.state(),
        sessions: status.life.load().sessions,
        matches: status.life.load().matches,
        moving: status.life.load().moving,
        shadows: status.life.load().shadows,
        capacity,
        rules_schema: facts.rules_schema,
    };
    let (mut status, mut capacity) = (control.status(), capacity.subscribe());
    let (sender, receiver) = watch::channel(record(&status.borrow(), *capacity.borrow()));
    tokio::spawn(async move {
        loop {
            let now = record(&status.borrow_and_update(), *capacity.borrow_and_update());
            sender.send_if_modified(|it| {
                let changed = *it != now;
                *it = now;
                changed
            });
            tokio::select! {
                Ok(()) = status.changed() => {}
                Ok(()) = capacity.changed() => {}
                () = sender.closed() => return,
                else => return,
            }
        }
    });
    receiver
}

fn channel(identity: &Identity, service: &str) -> arena_mesh::ChannelBuilder {
    Channel::builder(identity.clone()).service(service).idempotent(policy::is_idempotent)
}

/// Returns the channel to the one instance of `store`, by its address or its host's name: the
/// registry that discovery asks lives there. Calls set their own deadlines, watches have none.
pub(crate) fn store_channel(identity: &Identity, addr: &HostPort) -> Channel {
    Channel::builder(identity.clone())
        .service("store")
        .idempotent(arena_store_remote::is_idempotent)
        .discover(Resolved::new(addr.host(), addr.port()))
}
