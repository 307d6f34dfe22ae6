//! The gateway as an instance: from its settings to its end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arena_instance::{Boot, Instance, Order, PublicPort};
use arena_types::InstanceId;
use arena_types::contract::InstanceState;
use arena_types::registry::{EPOCHS, InstanceRecord, instances_of};
use arena_wire::play::Move;
use arena_wire::token::TokenKey;
use tokio::sync::watch;

use crate::accept::{Doors, Gate, Port};
use crate::config::Settings;
use crate::edge;
use crate::error::GatewayError;
use crate::files;
use crate::keys::Keys;
use crate::links::{AnyGame, Links, Locate};
use crate::logic::handover;
use crate::logic::session::Event;
use crate::metrics::GatewayMetrics;
use crate::placement::Placements;
use crate::rest::Site;
use crate::revocations::Revocations;
use crate::sessions::Sessions;
use crate::socket::Shared;
use crate::tls::TlsKeeper;
use crate::upstream::Upstream;

/// Name of the secret that signs resume tokens, in `ARENA_SECRETS_DIR`.
const RESUME_KEY: &str = "resume_key";
/// How often auth's keys are looked for before the gateway is ready.
const WARM_PAUSE: Duration = Duration::from_millis(100);
/// A session that did not go in its window is closed this long after the last one's; it resumes.
const STRAGGLERS_AFTER: Duration = Duration::from_secs(8);
/// What was asked before the public port closed is answered within this, or not at all.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(3);

/// Serves players until the instance's life ends.
///
/// # Errors
/// [`GatewayError`] if it cannot start.
pub async fn serve(boot: Boot, settings: Settings) -> Result<(), GatewayError> {
    let instance = boot.connect()?;
    files::allow(settings.bounds.connections);
    let tls = settings.tls.clone().map(TlsKeeper::load).transpose()?;
    if let Some(tls) = tls.clone() {
        tokio::spawn(tls.keep());
    }
    let public = instance.take_public().ok_or(GatewayError::NoPublicPort)?;
    let is_shared = matches!(public, PublicPort::Shared(_));
    let port = Port::new(public).map_err(GatewayError::Public)?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    let shared = shared(&instance, &settings)?;
    let serving = instance.serve(|server| server)?;
    let (stop, stopped) = watch::channel(true);
    let (open, opened) = watch::channel(false);
    let doors = Doors { stop: stopped, open };
    tokio::spawn(edge::serve(port, tls, shared.clone(), doors));
    tokio::spawn(shared.keys.clone().keep(shared.upstream.clone()));
    tokio::spawn(report(instance.clone(), shared.sessions.clone()));
    let warm = warm(instance.clone(), shared.keys.clone(), shared.revocations.clone());
    let ready = ready(instance.clone(), opened.clone());
    let doors = (stop, opened.clone());
    let obey = obey(instance.clone(), shared.sessions.clone(), doors, scheme);
    tokio::spawn(async move {
        if is_shared {
            warm.await; // until then another gateway takes players better
            tokio::join!(obey, ready);
        } else {
            let ready = async {
                warm.await;
                ready.await;
            };
            tokio::join!(obey, ready);
        }
    });
    instance.run(serving).await;
    answer_last(&instance, &shared.gate, opened).await;
    Ok(())
}

/// Waits until the public port is closed and what was asked before is answered.
async fn answer_last(instance: &Instance, gate: &Gate, mut opened: watch::Receiver<bool>) {
    if *instance.orders().borrow() == Order::StopNow {
        return;
    }
    let answered = async {
        let _ = opened.wait_for(|it| !*it).await; // an error: the port is gone
        gate.empty().await;
    };
    if tokio::time::timeout(LAST_ANSWERS_MAX, answered).await.is_err() {
        tracing::info!("connections without a session are cut off");
    }
}

fn shared(instance: &Instance, settings: &Settings) -> Result<Shared, GatewayError> {
    let own = instance.settings();
    let metrics = GatewayMetrics::new(instance.metrics());
    let stores = instance.stores();
    let resume_key = TokenKey::new(instance.secrets().read(RESUME_KEY)?.expose());
    Ok(Shared {
        site: Arc::new(Site {
            region: own.region.clone(),
            release: own.release,
            instance: own.instance.clone(),
        }),
        upstream: Upstream::new(
            instance.channel_to("auth"),
            instance.channel_to("matchmaker"),
            instance.channel_to("stats"),
        ),
        links: games(instance, metrics.clone()),
        placements: Placements::new(stores.registry.clone()),
        hot: stores.hot.clone(),
        keys: Keys::new(own.cluster.as_str()),
        revocations: revocations(instance),
        resume_key,
        gate: Gate::new(settings.bounds),
        sessions: Sessions::default(),
        metrics,
    })
}

/// Follows the registry's table of token epochs.
fn revocations(instance: &Instance) -> Revocations {
    let mut epochs = instance.mirror(EPOCHS);
    let (sender, receiver) = watch::channel(Arc::default());
    tokio::spawn(async move {
        let mut entries = epochs.first().await;
        loop {
            let table = epochs.parsed::<u64>(&entries).into_iter();
            let table: HashMap<_, _> =
                table.filter_map(|(player, epoch)| Some((player.parse().ok()?, epoch))).collect();
            if sender.send(Arc::new(table)).is_err() {
                return;
            }
            entries = epochs.changed().await;
        }
    });
    Revocations::new(receiver)
}

/// Makes links to game instances by a copy of the registry; a draining one is found there too.
fn games(instance: &Instance, metrics: GatewayMetrics) -> Links {
    let games =
        Arc::new(instance.mirror(&instances_of(&"game".parse().expect("`game` is a name"))));
    let all = games.clone();
    let locate: Locate = Arc::new(move |id| {
        let record = all.now().get(id.as_str()).cloned()?;
        Some(serde_json::from_slice::<InstanceRecord>(&record).ok()?.mesh_addr)
    });
    let any: AnyGame = Arc::new(move || {
        let games = games.parsed::<InstanceRecord>(&games.now()).into_iter();
        let ready = games.filter(|(_, it)| it.state == InstanceState::Ready);
        let ids: Vec<InstanceId> = ready.filter_map(|(id, _)| id.parse().ok()).collect();
        let chosen = rand::random_range(0..ids.len().max(1));
        ids.into_iter().nth(chosen)
    });
    Links::new(instance.channel_to("game"), locate, any, metrics)
}

/// Tells how many sessions there are.
async fn report(instance: Instance, sessions: Sessions) {
    let mut counts = sessions.counts();
    loop {
        let now = *counts.borrow_and_update();
        instance.report(|load| load.sessions = now);
        if counts.changed().await.is_err() {
            return;
        }
    }
}

/// Waits until logins can be verified: the keys are known, and which tokens were taken back.
async fn warm(instance: Instance, keys: Keys, mut revocations: Revocations) {
    instance.waits_for("the registry has not told which tokens were taken back").await;
    revocations.changed().await;
    instance.waits_for("auth has not told its public keys yet").await;
    while !keys.is_warm() {
        tokio::time::sleep(WARM_PAUSE).await;
    }
}

/// Says ready once the public port is open: another gateway may close it then.
async fn ready(instance: Instance, mut opened: watch::Receiver<bool>) {
    if opened.wait_for(|it| *it).await.is_ok() {
        instance.ready().await;
    }
}

/// Takes connections while the instance serves, sends sessions away while it drains.
async fn obey(
    instance: Instance,
    sessions: Sessions,
    (stop, mut opened): (watch::Sender<bool>, watch::Receiver<bool>),
    scheme: &'static str,
) {
    let mut orders = instance.orders();
    let gateways = instance.mirror(&instances_of(&instance.settings().service));
    loop {
        let order = *orders.borrow_and_update();
        let draining = order != Order::Serve;
        stop.send_replace(draining);
        if draining {
            // Whoever still comes through the closing port is a session like the others; and nobody
            // is sent away to where this gateway still listens.
            let _ = opened.wait_for(|it| !*it).await;
            if orders.has_changed().unwrap_or(false) {
                continue;
            }
        }
        sessions.drain(draining);
        match order {
            Order::Drain { .. } => {
                let others = others(&gateways.parsed(&gateways.now()), &instance);
                let own = instance.public_addr();
                let to = own.map_or_else(String::new, |it| handover::endpoint(it, &others, scheme));
                let sent = send_away(&sessions, &to).await;
                tokio::select! {
                    () = close_stragglers(&sessions, sent) => {}
                    changed = orders.changed() => if changed.is_err() { return } else { continue },
                }
            }
            Order::End => close_all(&sessions).await,
            Order::Serve | Order::Stop | Order::StopNow => {}
        }
        if orders.changed().await.is_err() {
            return;
        }
    }
}

/// Returns the public addresses of the other gateways that take players.
fn others(
    gateways: &std::collections::BTreeMap<String, InstanceRecord>,
    instance: &Instance,
) -> Vec<SocketAddr> {
    let own = instance.settings().instance.as_str();
    let ready = |(id, it): &(&String, &InstanceRecord)| {
        id.as_str() != own && it.state == InstanceState::Ready
    };
    gateways.iter().filter(ready).filter_map(|(_, it)| it.public_addr).collect()
}

async fn send_away(sessions: &Sessions, endpoint: &str) -> usize {
    let all = sessions.all();
    tracing::info!(sessions = all.len(), endpoint, "sessions are sent to another gateway");
    for (index, (_, events)) in all.iter().enumerate() {
        let window = handover::window(index);
        let to = Move {
            endpoint: endpoint.to_owned(),
            resume_token: String::new(), // each session signs its own
            after_ms: window.after_ms,
            within_ms: window.within_ms,
        };
        let _ = events.send(Event::Drain(to)).await; // a session that ended needs no gateway
    }
    all.len()
}

async fn close_stragglers(sessions: &Sessions, sent: usize) {
    let span = Duration::from_millis(u64::from(handover::span_ms(sent)));
    tokio::time::sleep(span + STRAGGLERS_AFTER).await;
    close_all(sessions).await;
}

async fn close_all(sessions: &Sessions) {
    for (session, events) in sessions.all() {
        tracing::info!(%session, "a session did not go by itself; its socket is closed");
        let _ = events.send(Event::Expel).await; // it may have gone just now
    }
}

#[cfg(test)]
mod tests {
    use arena_instance::{Need, Program, Threads};
    use arena_testkit::Cluster;
    use arena_types::PlayerId;
    use arena_types::registry::epoch_key;

    use super::*;

    #[tokio::test]
    async fn the_epochs_of_the_registry_take_tokens_back() {
        let cluster = Cluster::start().await.unwrap();
        let (needs, threads) = (&[Need::Store, Need::PublicPort], Threads::One);
        let program = Program { name: "arena-gateway", needs, schema: &[], threads };
        let instance = cluster.instance(program, "gateway", 0).unwrap();
        let mut revocations = revocations(&instance);
        revocations.changed().await; // the first table, which is empty
        let player = PlayerId::from_u64(7);
        assert!(!revocations.covers(player, 0));
        let registry = cluster.stores().registry;
        registry.put(&epoch_key(player), "3".into(), None).await.unwrap();
        revocations.changed().await;
        assert!(revocations.covers(player, 2) && !revocations.covers(player, 3));
        assert!(!revocations.covers(PlayerId::from_u64(8), 0));
    }
}
