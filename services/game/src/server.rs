//! The service around the host: what the instance contract asks for.

use std::time::Duration;

use arena_games::{Backing, NoDeviceError, Policy, Wanted};
use arena_instance::{Boot, Instance, Load, Need, Order, Program, StartError, Threads};
use arena_types::MATCHES;
use arena_types::registry::{instances_of, traffic_key};
use arena_wire::game::v1::game_server::GameServer;
use arena_wire::game::v1::migration_server::MigrationServer;
use arena_wire::token::TokenKey;

use crate::failover::{self, Failover};
use crate::figures::Figures;
use crate::host::{Host, Parts};
use crate::logic::hosted::Owner;
use crate::logic::shard::ShardLoad;
use crate::moving::{self, MigrationService, Mover, MoverParts, Records};
use crate::{
    Config, GameService, Outbox, OutboxError, Recorder, RecorderError, RecorderParts, Standing,
};

/// Between two looks at what the host holds: a drained instance is seen as empty this late.
const REPORT_PERIOD: Duration = Duration::from_millis(100);

/// What this program is.
pub const PROGRAM: Program = Program {
    name: "arena-game",
    needs: &[Need::Store, Need::DataDir],
    schema: &[
        arena_games::SCHEMAS[0],
        arena_games::SCHEMAS[1],
        ("play", arena_wire::play::PROTOCOL_VERSION as u32),
    ],
    threads: Threads::One,
};

/// Why the service stops at once.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The instance does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A secret is missing or wrong.
    #[error(transparent)]
    Secret(#[from] arena_env::SecretError),
    /// The outbox cannot be opened.
    #[error("open the outbox of results")]
    Outbox(#[from] OutboxError),
    /// Replays cannot be written.
    #[error("open the recorder of replays")]
    Recorder(#[from] RecorderError),
    /// The system has no thread left.
    #[error("start a tick thread")]
    Thread(#[from] std::io::Error),
    /// The operator wants a device that is not there.
    #[error(
        "step matches on a GPU, as ARENA_GAME_BACKEND={policy} asks; with `auto` the CPU does it where no GPU works"
    )]
    NoDevice {
        /// `ARENA_GAME_BACKEND`.
        policy: Policy,
        /// What is wrong.
        source: NoDeviceError,
    },
    /// The mesh port cannot be served.
    #[error("serve the mesh port")]
    Mesh(#[from] arena_mesh::ServeError),
}

/// Serves until the instance is drained and told to exit.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(boot: Boot, config: Config) -> Result<(), ServeError> {
    let figures = Figures::new(boot.metrics());
    let data_dir = boot.settings().data_folder()?.to_owned();
    let instance = boot.connect()?;
    let backing = backing(&instance, &config).await?;
    let secret = instance.secrets().read("route_key")?;
    let settings = instance.settings();
    let recorder = RecorderParts {
        data_dir: data_dir.clone(),
        objects: instance.stores().objects.clone(),
        recording: config.recording,
        check: (config.game, config.check_percent),
        figures: figures.clone(),
    };
    let is_on = config.recording.is_on();
    let recorder = is_on.then(|| Recorder::open(recorder)).transpose()?;
    let parts = Parts {
        config,
        backing,
        owner: Owner { instance: settings.instance.clone(), release: settings.release },
        route_key: TokenKey::new(secret.expose()),
        figures: figures.clone(),
        recorder,
        stores: instance.stores().clone(),
        fence: instance.fence(),
    };
    let stats = instance.channel_to("stats");
    let host =
        Host::start::<ServeError>(parts, |recorded| Ok(Outbox::open(&data_dir, stats, recorded)?))?;
    let (service, links) = (GameService::new(host.clone(), config), host.clone());
    let mover = mover(&instance, &host, config, figures.clone());
    let migration = MigrationService::new(mover.clone());
    let failover = failover(&instance, &host, config, figures.clone());
    failover::reclaim(&failover).await;
    let serving = instance.serve(|server| {
        let server = server.add_service(GameServer::new(service));
        server.add_service(MigrationServer::new(migration)).links(move |link| {
            let host = links.clone();
            async move { host.serve(link).await }
        })
    })?;
    instance.set_capacity(config.capacity);
    instance.set_backend(host.backend().borrow().clone());
    tokio::spawn(report(instance.clone(), host.clone(), figures));
    tokio::spawn(obey(instance.clone(), host));
    tokio::spawn(failover::guard(failover.clone()));
    tokio::spawn(failover::watch(failover));
    tokio::spawn(moving::shadow(mover.clone()));
    tokio::spawn(moving::drain(instance.clone(), mover));
    instance.run(serving).await;
    Ok(())
}

/// Chooses what steps the matches, which may take seconds, while the side port answers.
async fn backing(instance: &Instance, config: &Config) -> Result<Backing, ServeError> {
    instance.waits_for("what shall step the matches is tried and measured").await;
    let Config { game, policy, .. } = *config;
    let (matches, threads) = (config.capacity as usize, config.threads as usize);
    let wanted = Wanted { policy, matches, threads };
    let trial = tokio::task::spawn_blocking(move || arena_games::choose_backend(game, &wanted));
    let backing = trial.await.expect("a trial that fails is an error");
    let backing = backing.map_err(|source| ServeError::NoDevice { policy, source })?;
    let Backing { name: backend, reason, .. } = &backing;
    tracing::info!(backend, reason, "chose what steps the matches");
    Ok(backing)
}

/// Makes what moves matches to other instances, which the registry's copies show.
fn mover(instance: &Instance, host: &Host, config: Config, figures: Figures) -> Mover {
    let settings = instance.settings();
    Mover::new(MoverParts {
        host: host.clone(),
        config,
        stores: instance.stores().clone(),
        games: instance.channel_to(settings.service.as_str()),
        instances: instance.mirror(&instances_of(&settings.service)),
        traffic: instance.mirror(&traffic_key(&settings.service)),
        own: (settings.instance.clone(), settings.release),
        figures,
    })
}

/// Makes what goes on with matches of instances that died, which the registry's copies show.
fn failover(instance: &Instance, host: &Host, config: Config, figures: Figures) -> Failover {
    let (settings, stores) = (instance.settings(), instance.stores());
    Failover {
        host: host.clone(),
        config,
        records: Records::new(stores.registry.clone()),
        hot: stores.hot.clone(),
        instances: instance.mirror(&instances_of(&settings.service)),
        matches: instance.mirror(MATCHES),
        traffic: instance.mirror(&traffic_key(&settings.service)),
        service: settings.service.clone(),
        own: (settings.instance.clone(), settings.release),
        fence: instance.fence(),
        figures,
    }
}

/// Keeps what the instance says of itself equal to what the host holds.
async fn report(instance: Instance, host: Host, figures: Figures) {
    let standing = host.outbox().standing();
    let mut backend = host.backend();
    let mut said: Option<Option<String>> = None;
    let mut period = tokio::time::interval(REPORT_PERIOD);
    loop {
        period.tick().await;
        let Standing { unrecorded, trouble } = standing.borrow().clone();
        let ShardLoad { hosted, shadows, moving, sessions, .. } = host.load();
        let matches = hosted - shadows.min(hosted);
        let unsaved = unrecorded + host.unsaved_replays();
        instance.report(|it| *it = Load { sessions, matches, moving, unsaved, shadows });
        figures.unrecorded.set(i64::from(unrecorded));
        if backend.has_changed().unwrap_or(false) {
            instance.set_backend(backend.borrow_and_update().clone());
        }
        if !host.is_warm() || said.as_ref() == Some(&trouble) {
            continue;
        }
        match &trouble {
            None => instance.ready().await,
            Some(reason) => instance.waits_for(reason.clone()).await,
        }
        said = Some(trouble);
    }
}

/// Does what the instance is told; [`moving::drain`] moves matches meanwhile.
async fn obey(instance: Instance, host: Host) {
    let mut orders = instance.orders();
    loop {
        let order = *orders.borrow_and_update();
        match order {
            Order::Serve => host.accept().await,
            Order::Drain { mode, .. } => {
                host.refuse().await;
                tracing::info!(?mode, "no new matches; running ones go on to their end");
            }
            Order::End => {
                host.refuse().await;
                let ended = host.end_all().await;
                tracing::warn!(ended, "matches ended at the drain's deadline");
            }
            Order::Stop | Order::StopNow => return,
        }
        if orders.changed().await.is_err() {
            return;
        }
    }
}
