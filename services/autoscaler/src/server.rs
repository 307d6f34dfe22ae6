//! The loop: the only file with a clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena_instance::{Boot, Instance, Mirror, Order, StartError};
use arena_mesh::ServeError;
use arena_store::Registry;
use arena_telemetry::{Label, names};
use arena_types::ServiceName;
use arena_types::registry::{InstanceRecord, Scale, Traffic, instances_of, scale_key, traffic_key};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{MissedTickBehavior, interval};

use crate::AutoscalerSettings;
use crate::observe::{Unit, observe};
use crate::policy::{Bounds, Decision, Memory, decide};

/// How often a decision is made: well below the pause between two steps up.
const PERIOD: Duration = Duration::from_secs(1);
/// Players of a match: what a queue of tickets becomes.
const PLAYERS_PER_MATCH: u32 = 16;

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The instance does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The mesh port cannot be served.
    #[error("serve the mesh port")]
    Mesh(#[from] ServeError),
}

/// Runs the service until its instance is told to exit.
///
/// # Errors
/// [`ServiceError`].
pub async fn serve(boot: Boot, settings: AutoscalerSettings) -> Result<(), ServiceError> {
    run(boot.connect()?, settings).await
}

/// Runs the service as `instance`, whatever its stores are.
///
/// # Errors
/// [`ServiceError`].
pub async fn run(instance: Instance, settings: AutoscalerSettings) -> Result<(), ServiceError> {
    let serving = instance.serve(|server| server)?; // no methods: every call is refused and audited
    let scaled =
        [("game", Unit::Matches, settings.game), ("gateway", Unit::Sessions, settings.gateway)];
    let scaled =
        scaled.map(|(service, unit, bounds)| Scaled::new(&instance, service, unit, bounds));
    let scaler = Scaler {
        registry: instance.stores().registry.clone(),
        queue: Watched::new(&instance, "matchmaker").instances,
        scaled: scaled.into(),
        wanted: instance.metrics().gauges(&names::AUTOSCALER_WANTED),
        present: instance.metrics().gauges(&names::AUTOSCALER_PRESENT),
    };
    tokio::spawn(scaler.run(instance.clone()));
    instance.run(serving).await;
    Ok(())
}

/// The instances of a service and who gets its new work.
struct Watched {
    service: ServiceName,
    instances: Mirror,
    traffic: Mirror,
}

impl Watched {
    fn new(instance: &Instance, service: &str) -> Self {
        let service: ServiceName = service.parse().expect("services are named in the code");
        let instances = instance.mirror(&instances_of(&service));
        let traffic = instance.mirror(&traffic_key(&service));
        Self { service, instances, traffic }
    }
}

struct Scaled {
    watched: Watched,
    unit: Unit,
    bounds: Bounds,
    memory: Memory,
    published: Option<Decision>,
}

impl Scaled {
    fn new(instance: &Instance, service: &str, unit: Unit, bounds: Bounds) -> Self {
        let watched = Watched::new(instance, service);
        Self { watched, unit, bounds, memory: Memory::default(), published: None }
    }
}

struct Scaler {
    registry: Arc<dyn Registry>,
    /// Its sessions are tickets that wait.
    queue: Mirror,
    scaled: Vec<Scaled>,
    wanted: Family<Label, Gauge>,
    present: Family<Label, Gauge>,
}

impl Scaler {
    async fn run(mut self, instance: Instance) {
        instance.waits_for("the registry has not been read yet").await;
        for scaled in &mut self.scaled {
            scaled.watched.instances.first().await;
            scaled.watched.traffic.first().await;
        }
        instance.ready().await;
        let (started, orders) = (Instant::now(), instance.orders());
        let mut period = interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            period.tick().await;
            // A draining instance leaves the deciding to the next one.
            if *orders.borrow() == Order::Serve {
                self.decide(started.elapsed()).await;
            }
        }
    }

    async fn decide(&mut self, now: Duration) {
        let tickets: u64 = records(&self.queue).iter().map(|it| u64::from(it.sessions)).sum();
        let matches = tickets.div_ceil(u64::from(PLAYERS_PER_MATCH)).min(u64::from(u32::MAX));
        for scaled in &mut self.scaled {
            let Watched { service, instances, traffic } = &scaled.watched;
            let traffic = traffic.parsed::<Traffic>(&traffic.now()).remove("");
            let waiting = if scaled.unit == Unit::Matches { matches as u32 } else { 0 };
            let seen = observe(scaled.unit, &records(instances), traffic.as_ref(), waiting);
            let (memory, decision) = decide(scaled.bounds, scaled.memory, seen, now);
            scaled.memory = memory;
            let series = [service.as_str()];
            let wanted =
                self.wanted.get_or_create(&names::AUTOSCALER_WANTED.series(series)).clone();
            wanted.set(i64::from(decision.wanted));
            let present =
                self.present.get_or_create(&names::AUTOSCALER_PRESENT.series(series)).clone();
            present.set(i64::from(seen.present));
            if scaled.published.as_ref() != Some(&decision) {
                let Decision { wanted, reason } = decision.clone();
                let record = serde_json::to_vec(&Scale { wanted, reason });
                let value = record.expect("a record is plain data").into();
                match self.registry.put(&scale_key(service), value, None).await {
                    Ok(_) => scaled.published = Some(decision),
                    Err(error) => tracing::warn!(%service, %error, "cannot publish a decision"),
                }
            }
        }
    }
}

fn records(mirror: &Mirror) -> Vec<InstanceRecord> {
    let records: BTreeMap<String, InstanceRecord> = mirror.parsed(&mirror.now());
    records.into_values().collect()
}
