//! The state as it is served: a live copy of the registry, or the one on disk while there is none.

use std::sync::Arc;
use std::time::Duration;

use arena_instance::{Entries, Mirror};
use arena_store::Registry;
use arena_telemetry::{Metrics, names};
use arena_types::registry::{ActiveRules, FLAGS, RULES};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::LastGood;
use crate::logic::State;

/// How long the registry may take before the copy on disk is served.
const REGISTRY_WAIT: Duration = Duration::from_secs(2);

/// The served state, `None` before there is any. Cheap to clone.
#[derive(Clone, Debug)]
pub struct View {
    state: watch::Receiver<Option<Arc<State>>>,
}

impl View {
    /// Starts to follow the registry; `active` is the key of the active rules.
    #[must_use]
    pub fn start(
        registry: Arc<dyn Registry>,
        active: &str,
        disk: LastGood,
        metrics: &Metrics,
    ) -> Self {
        let (sender, state) = watch::channel(None);
        let follower = Follower {
            rules: Mirror::start(registry.clone(), RULES),
            flags: Mirror::start(registry, FLAGS),
            active: active.strip_prefix(RULES).unwrap_or(active).to_owned(),
            disk,
            sender,
            version: metrics.gauge(&names::CONFIG_ACTIVE_RULES),
            stale: metrics.gauge(&names::CONFIG_STALE),
        };
        tokio::spawn(follower.run());
        Self { state }
    }

    /// Returns the state now.
    #[must_use]
    pub fn now(&self) -> Option<Arc<State>> {
        self.state.borrow().clone()
    }

    /// Waits for a state with active rules.
    pub async fn ready(&mut self) {
        let has_rules =
            |it: &Option<Arc<State>>| it.as_ref().is_some_and(|it| it.active_rules().is_some());
        if self.state.wait_for(has_rules).await.is_err() {
            std::future::pending::<()>().await; // the runtime is shutting down
        }
    }

    /// Returns the state, now and whenever it changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Option<Arc<State>>> {
        self.state.clone()
    }
}

struct Follower {
    rules: Mirror,
    flags: Mirror,
    /// The key of the active rules, below [`RULES`].
    active: String,
    disk: LastGood,
    sender: watch::Sender<Option<Arc<State>>>,
    version: Gauge,
    stale: Gauge,
}

impl Follower {
    async fn run(mut self) {
        let first =
            timeout(REGISTRY_WAIT, async { (self.rules.first().await, self.flags.first().await) });
        let (mut rules, mut flags) = if let Ok(first) = first.await {
            first
        } else {
            self.serve_from_disk();
            (self.rules.first().await, self.flags.first().await)
        };
        loop {
            self.stale.set(0);
            self.publish(self.assemble(&rules, &flags));
            tokio::select! {
                changed = self.rules.changed() => rules = changed,
                changed = self.flags.changed() => flags = changed,
                () = self.sender.closed() => return,
            }
        }
    }

    fn serve_from_disk(&self) {
        match self.disk.load() {
            Ok(Some(state)) => {
                tracing::warn!("the registry is away, the last known good state is served");
                self.stale.set(1);
                self.show(state);
            }
            Ok(None) => tracing::warn!("the registry is away and there is no state on disk"),
            Err(error) => {
                let path = self.disk.path();
                tracing::error!(path = %path.display(), %error, "cannot read the state on disk");
            }
        }
    }

    fn assemble(&self, rules: &Entries, flags: &Entries) -> State {
        let versions = rules.iter().filter(|(key, _)| key.starts_with("v/"));
        let versions =
            Arc::new(versions.map(|(key, value)| (key.clone(), value.clone())).collect());
        let records = self.rules.parsed::<arena_types::registry::RulesRecord>(&versions);
        State {
            rules: records.into_values().map(|it| (it.version, it)).collect(),
            active: rules
                .get(&self.active)
                .and_then(|it| serde_json::from_slice::<ActiveRules>(it).ok()),
            flags: self.flags.parsed(flags),
        }
    }

    fn publish(&self, state: State) {
        // An empty registry is not good: it is fresh, and about to be seeded.
        if state.active_rules().is_some()
            && self.sender.borrow().as_deref() != Some(&state)
            && let Err(error) = self.disk.save(&state)
        {
            let path = self.disk.path();
            tracing::error!(path = %path.display(), %error, "cannot keep the last known good state");
        }
        self.show(state);
    }

    fn show(&self, state: State) {
        self.version.set(state.active.as_ref().map_or(0, |it| i64::from(it.version)));
        self.sender.send_if_modified(|it| {
            let changed = it.as_deref() != Some(&state);
            *it = Some(Arc::new(state));
            changed
        });
    }
}
