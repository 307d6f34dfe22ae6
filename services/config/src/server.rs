//! The service on the mesh: the only file with a clock.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arena_instance::{Boot, Instance, Order, StartError};
use arena_mesh::{Peer, ServeError};
use arena_telemetry::names;
use arena_types::registry::{FlagRecord, RulesRecord, active_rules_key};
use arena_wire::config::v1;
use arena_wire::config::v1::config_server::{Config, ConfigServer};
use futures::stream::{BoxStream, StreamExt as _, unfold};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::{Request, Response, Status};

use crate::logic::State;
use crate::{ConfigSettings, LastGood, View, Writer};

/// Watches at once: every instance of a large cluster a few times over.
const WATCHES_MAX: i64 = 4_096;
/// Versions listed at once, newest first: what fits a terminal many times over.
const LISTED_MAX: usize = 200;
/// Pause before the seeding is tried again.
const SEED_RETRY: Duration = Duration::from_millis(500);

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
pub async fn serve(boot: Boot, settings: ConfigSettings) -> Result<(), ServiceError> {
    run(boot.connect()?, settings).await
}

/// Runs the service as `instance`, whatever its stores are.
///
/// # Errors
/// [`ServiceError`].
pub async fn run(instance: Instance, settings: ConfigSettings) -> Result<(), ServiceError> {
    let folder = instance.settings().data_folder()?.to_owned();
    let registry = &instance.stores().registry;
    let active = active_rules_key(settings.game.name());
    let disk = LastGood::new(&folder);
    let mut view = View::start(registry.clone(), &active, disk, instance.metrics());
    let writer = Writer::new(registry.clone(), settings.game);
    let service = Service {
        view: view.clone(),
        writer: writer.clone(),
        orders: instance.orders(),
        watches: instance.metrics().gauge(&names::CONFIG_WATCHES),
    };
    let serving = instance.serve(|server| server.add_service(ConfigServer::new(service)))?;
    let warm = instance.clone();
    tokio::spawn(async move {
        warm.waits_for("rules are neither in the registry nor on disk yet").await;
        tokio::select! {
            () = view.ready() => {}
            () = seed(&writer) => view.ready().await,
        }
        warm.ready().await;
    });
    instance.run(serving).await;
    Ok(())
}

/// Writes the standard rules unless some are active, however long the store takes to come.
async fn seed(writer: &Writer) {
    loop {
        match writer.seed(now_ms()).await {
            Ok(true) => return tracing::info!("the standard rules are in force"),
            Ok(false) => return,
            Err(error) => tracing::debug!(%error, "the rules cannot be seeded yet"),
        }
        sleep(SEED_RETRY).await;
    }
}

#[derive(Clone)]
struct Service {
    view: View,
    writer: Writer,
    orders: watch::Receiver<Order>,
    watches: Gauge,
}

impl Service {
    fn state(&self) -> Result<Arc<State>, Status> {
        self.view.now().ok_or_else(|| Status::unavailable("no rules are known here yet"))
    }
}

#[tonic::async_trait]
impl Config for Service {
    type WatchStream = BoxStream<'static, Result<v1::Snapshot, Status>>;

    async fn publish_rules(
        &self,
        request: Request<v1::PublishRulesRequest>,
    ) -> Result<Response<v1::RulesVersion>, Status> {
        let caller = caller(&request);
        let v1::PublishRulesRequest { rules_json, by, why } = request.into_inner();
        let record = self.writer.publish(&rules_json, &by, &why, now_ms()).await?;
        audit("rules are published", &record.version, &by, &caller);
        let active = self.view.now().and_then(|it| it.active.clone());
        let is_active = active.is_some_and(|it| it.version == record.version);
        Ok(Response::new(version(&record, is_active)))
    }

    async fn activate_rules(
        &self,
        request: Request<v1::ActivateRulesRequest>,
    ) -> Result<Response<v1::RulesVersion>, Status> {
        let caller = caller(&request);
        let v1::ActivateRulesRequest { version: wanted, by } = request.into_inner();
        let record = self.writer.activate(wanted, &by, now_ms()).await?;
        audit("rules are in force", &record.version, &by, &caller);
        Ok(Response::new(version(&record, true)))
    }

    async fn read_rules(
        &self,
        request: Request<v1::ReadRulesRequest>,
    ) -> Result<Response<v1::RulesVersion>, Status> {
        let state = self.state()?;
        let record = state.version(request.into_inner().version)?;
        Ok(Response::new(listed(&state, record)))
    }

    async fn list_rules(
        &self,
        _: Request<v1::ListRulesRequest>,
    ) -> Result<Response<v1::RulesList>, Status> {
        let state = self.state()?;
        let newest = state.rules.values().rev().take(LISTED_MAX);
        let versions = newest.map(|it| listed(&state, it)).collect();
        Ok(Response::new(v1::RulesList { versions }))
    }

    async fn write_flag(&self, request: Request<v1::Flag>) -> Result<Response<v1::Flag>, Status> {
        let caller = caller(&request);
        let v1::Flag { name, enabled, rollout, by, .. } = request.into_inner();
        let record = self.writer.write_flag(&name, enabled, rollout, &by, now_ms()).await?;
        audit("a flag is written", &name, &by, &caller);
        Ok(Response::new(flag(&name, &record)))
    }

    async fn delete_flag(
        &self,
        request: Request<v1::DeleteFlagRequest>,
    ) -> Result<Response<v1::DeleteFlagReply>, Status> {
        let caller = caller(&request);
        let v1::DeleteFlagRequest { name, by } = request.into_inner();
        self.writer.delete_flag(&name).await?;
        audit("a flag is deleted", &name, &by, &caller);
        Ok(Response::new(v1::DeleteFlagReply {}))
    }

    async fn list_flags(
        &self,
        _: Request<v1::ListFlagsRequest>,
    ) -> Result<Response<v1::FlagList>, Status> {
        let state = self.state()?;
        let flags = state.flags.iter().map(|(name, it)| flag(name, it)).collect();
        Ok(Response::new(v1::FlagList { flags }))
    }

    async fn watch(
        &self,
        _: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let counted = Counted::one_more(&self.watches)?;
        let (mut changes, mut orders) = (self.view.changes(), self.orders.clone());
        changes.mark_changed(); // the whole state first
        let snapshots = unfold((changes, counted), |(mut changes, counted)| async move {
            loop {
                changes.changed().await.ok()?;
                let state = changes.borrow_and_update().clone();
                if let Some(state) = state {
                    return Some((Ok(snapshot(&state)), (changes, counted)));
                }
            }
        });
        // A watch would hold up the end of a drained instance for ever.
        let stop = async move {
            let ends = |it: &Order| matches!(it, Order::Stop | Order::StopNow);
            let _ = orders.wait_for(ends).await;
        };
        Ok(Response::new(snapshots.take_until(stop).boxed()))
    }
}

/// One open watch in the gauge.
struct Counted(Gauge);

impl Counted {
    fn one_more(watches: &Gauge) -> Result<Self, Status> {
        let counted = Self(watches.clone());
        if watches.inc() >= WATCHES_MAX {
            return Err(Status::resource_exhausted(format!("{WATCHES_MAX} watches are open")));
        }
        Ok(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn snapshot(state: &State) -> v1::Snapshot {
    let active = state.active_rules();
    v1::Snapshot {
        active_rules: active.map_or(0, |it| it.version),
        rules_json: active.map_or_else(String::new, |it| it.rules_json.clone()),
        flags: state.flags.iter().map(|(name, it)| flag(name, it)).collect(),
    }
}

fn listed(state: &State, record: &RulesRecord) -> v1::RulesVersion {
    version(record, state.active.as_ref().is_some_and(|it| it.version == record.version))
}

fn version(record: &RulesRecord, active: bool) -> v1::RulesVersion {
    let RulesRecord { version, rules_json, by, why, published_ms, .. } = record.clone();
    v1::RulesVersion { version, rules_json, by, why, published_ms, active }
}

fn flag(name: &str, record: &FlagRecord) -> v1::Flag {
    let FlagRecord { enabled, rollout, by, updated_ms } = record.clone();
    v1::Flag { name: name.to_owned(), enabled, rollout: rollout.into(), by, updated_ms }
}

fn caller<T>(request: &Request<T>) -> String {
    request.extensions().get::<Peer>().map_or_else(|| "?".to_owned(), |it| it.id.to_string())
}

fn audit(action: &str, what: &dyn std::fmt::Display, by: &str, caller: &str) {
    tracing::info!(target: "audit", action, %what, by, caller, "changed");
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as u64
}
