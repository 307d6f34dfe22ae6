//! The whole host over a real mesh on loopback: gRPC, links, tick threads, outbox.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use arena_games::{Policy, Wanted, choose_backend};
use arena_mesh::testing::{TestMesh, loopback, mesh_of};
use arena_mesh::{Endpoint, Received, Serving};
use arena_store_embedded::{Embedded, Options};
use arena_types::{Epoch, PlayerId, ReleaseId, SessionId, Tick};
use arena_wire::game::v1::game_client::GameClient;
use arena_wire::game::v1::game_server::GameServer;
use arena_wire::game::v1::{CreateRequest, Seat};
use arena_wire::link::{Attach, Flow, Leave, Refusal, ToGame, ToGateway};
use arena_wire::play::{Controls, EventKind, FrameHead, Input, ServerMessage, View, decode_frame};
use arena_wire::stats::v1 as stats;
use arena_wire::stats::v1::stats_server::{Stats, StatsServer};
use arena_wire::token::RouteClaims;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::*;
use crate::logic::retention::Retention;
use crate::outbox::OutboxError;
use crate::{GameService, RecorderParts, Recording, Watching, ticker::unix_ms};

mod device;
mod hostile;
mod watched;

/// Far longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const PLAYER: PlayerId = PlayerId::from_u64(100);

/// Keeps what it is told, unless it is away.
#[derive(Clone)]
struct Statistician {
    results: Arc<Mutex<Vec<stats::MatchResult>>>,
    calls: Arc<watch::Sender<u32>>,
    away: Arc<AtomicBool>,
}

impl Default for Statistician {
    fn default() -> Self {
        Self {
            results: Arc::default(),
            calls: Arc::new(watch::Sender::new(0)),
            away: Arc::default(),
        }
    }
}

impl Statistician {
    async fn called(&self, times: u32) {
        let mut calls = self.calls.subscribe();
        tokio::time::timeout(PATIENCE, calls.wait_for(|it| *it >= times)).await.unwrap().unwrap();
    }

    fn results(&self) -> Vec<stats::MatchResult> {
        self.results.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl Stats for Statistician {
    async fn record(
        &self,
        request: Request<stats::MatchResult>,
    ) -> Result<Response<stats::RecordReply>, Status> {
        let away = self.away.load(Ordering::Relaxed);
        let mut first = false;
        if !away {
            let result = request.into_inner();
            let mut results = self.results.lock().unwrap();
            first = results.iter().all(|it| it.r#match != result.r#match);
            results.push(result);
        }
        self.calls.send_modify(|it| *it += 1);
        if away {
            return Err(Status::unavailable("away"));
        }
        Ok(Response::new(stats::RecordReply { first }))
    }

    async fn profile(
        &self,
        _: Request<stats::ProfileRequest>,
    ) -> Result<Response<stats::PlayerProfile>, Status> {
        Err(Status::not_found("nobody"))
    }

    async fn ratings(
        &self,
        _: Request<stats::RatingsRequest>,
    ) -> Result<Response<stats::RatingList>, Status> {
        Ok(Response::new(stats::RatingList::default()))
    }

    async fn history(
        &self,
        _: Request<stats::HistoryRequest>,
    ) -> Result<Response<stats::HistoryReply>, Status> {
        Ok(Response::new(stats::HistoryReply::default()))
    }

    async fn leaderboard(
        &self,
        _: Request<stats::LeaderboardRequest>,
    ) -> Result<Response<stats::LeaderboardReply>, Status> {
        Ok(Response::new(stats::LeaderboardReply::default()))
    }
}

/// A game instance, a stats instance, and the identity of a gateway.
struct World {
    mesh: TestMesh,
    stats_seen: Statistician,
    stats: Serving,
    stores: Embedded,
    _folder: tempfile::TempDir,
}

/// One life of the game instance.
struct Game {
    host: Host,
    serving: Serving,
    figures: Figures,
}

impl World {
    async fn new() -> Self {
        let mesh = mesh_of(0);
        let folder = tempfile::tempdir().unwrap();
        let stores = Embedded::open(folder.path(), Options::default()).await.unwrap();
        let stats_seen = Statistician::default();
        let server = mesh.server("stats", "stats-1");
        let stats = server.add_service(StatsServer::new(stats_seen.clone())).serve(loopback().0);
        Self { mesh, stats_seen, stats: stats.unwrap(), stores, _folder: folder }
    }

    fn game(&self, folder: &Path) -> Game {
        let wanted = Wanted { policy: Policy::Cpu, matches: 4, threads: 2 };
        self.game_on(folder, choose_backend(arena_games::standard(), &wanted).unwrap())
    }

    fn game_on(&self, folder: &Path, backing: Backing) -> Game {
        let retention = Retention { age_max: Duration::from_hours(1), bytes_max: 1 << 30 };
        let recording = Recording { disk_bytes_max: 1 << 30, retention };
        let figures = Figures::new(&arena_telemetry::Metrics::new());
        let stores = self.stores.stores();
        let objects = stores.objects.clone();
        let recorder = RecorderParts {
            data_dir: folder.to_owned(),
            objects,
            recording,
            check: (arena_games::standard(), 0),
            figures: figures.clone(),
        };
        let recorder = Recorder::open(recorder).unwrap();
        let watching = Watching { viewers_max: 2, delay_ticks: 60 };
        let game = arena_games::standard();
        let config = Config {
            game,
            capacity: 4,
            threads: 2,
            policy: Policy::Cpu,
            filled_seats: 4,
            recording,
            watching,
            failover: arena_types::FailoverPolicy::Journal,
            check_percent: 0,
        };
        let parts = Parts {
            config,
            backing,
            owner: Owner { instance: "game-1".parse().unwrap(), release: ReleaseId(1) },
            route_key: route_key(),
            figures: figures.clone(),
            recorder: Some(recorder),
            stores,
            fence: Fence::open(),
        };
        let stats = Endpoint::new("stats-1", self.stats.local_addr());
        let stats = self.mesh.channel("game", "stats").pinned(stats);
        let host =
            Host::start::<StartError>(parts, |recorded| Ok(Outbox::open(folder, stats, recorded)?))
                .unwrap();
        let (service, links) = (GameService::new(host.clone(), config), host.clone());
        let serving = self
            .mesh
            .server("game", "game-1")
            .add_service(GameServer::new(service))
            .links(move |link| {
                let host = links.clone();
                async move { host.serve(link).await }
            })
            .serve(loopback().0)
            .unwrap();
        Game { host, serving, figures }
    }

    fn client(&self, game: &Game) -> GameClient<arena_mesh::Channel> {
        let endpoint = Endpoint::new("game-1", game.serving.local_addr());
        GameClient::new(self.mesh.channel("matchmaker", "game").pinned(endpoint))
    }

    async fn link(&self, game: &Game) -> Gateway {
        let endpoint = Endpoint::new("game-1", game.serving.local_addr());
        let channel = self.mesh.channel("gateway", "game").pinned(endpoint.clone());
        Gateway { link: channel.to(endpoint).link().await.unwrap(), views: VecDeque::new() }
    }
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

fn route_key() -> TokenKey {
    TokenKey::new(&[7; 32])
}

fn create(id: u64, rules: &str) -> CreateRequest {
    CreateRequest {
        r#match: MatchId::from_u64(id).to_string(),
        epoch: 1,
        seed: 5,
        mode: "arena".to_owned(),
        rules_version: 1,
        rules_json: rules.to_owned(),
        seats: vec![Seat { player: PLAYER.to_string(), display_name: "Zoë".to_owned(), seat: 0 }],
        failover: String::new(),
    }
}

const LONG: &str = r#"{"version": 1}"#;
const SHORT: &str = r#"{"version": 1, "match": {"time_limit_ticks": 60}}"#;

fn attach(id: u64, flow: u32, ack_tick: u32) -> ToGame {
    let match_id = MatchId::from_u64(id);
    let claims = RouteClaims { match_id, player: PLAYER, seat: 0, expires_ms: unix_ms() + 60_000 };
    ToGame::Attach(Attach {
        flow: Flow(flow),
        session: SessionId::from_u64(1),
        match_id,
        epoch: Epoch(1),
        player: PLAYER,
        seat: 0,
        route_token: claims.sign(&route_key()),
        ack_tick: Tick(ack_tick),
        ack_event: 0,
        connection: 0,
    })
}

/// A gateway with one session, and what its browser would hold.
struct Gateway {
    link: Link,
    views: VecDeque<View>,
}

impl Gateway {
    async fn say(&self, message: ToGame) {
        self.link.send_ordered(message.encode().into()).await.unwrap();
    }

    async fn attach(&self, id: u64, flow: u32, ack_tick: u32) {
        self.say(attach(id, flow, ack_tick)).await;
    }

    async fn hear(&mut self) -> Heard {
        let received = tokio::time::timeout(PATIENCE, self.link.recv()).await.unwrap();
        match received.expect("the link is open") {
            Received::Ordered(message) => Heard::Told(ToGateway::decode(&message).unwrap()),
            Received::Latest { seq, bytes, .. } => {
                let head = FrameHead::peek(&bytes).unwrap();
                let held = head.baseline.map(|tick| {
                    self.views.iter().find(|it| it.tick == tick.0).expect("a frame we said we hold")
                });
                let (head, view) = decode_frame(&bytes, held).unwrap();
                assert_eq!(seq, head.tick.0);
                self.views.push_back(view);
                Heard::Frame(head)
            }
        }
    }

    /// Hears until something is told.
    async fn told(&mut self) -> ToGateway {
        loop {
            if let Heard::Told(message) = self.hear().await {
                return message;
            }
        }
    }

    async fn frame(&mut self) -> FrameHead {
        loop {
            if let Heard::Frame(head) = self.hear().await {
                return head;
            }
        }
    }
}

enum Heard {
    Told(ToGateway),
    Frame(FrameHead),
}

#[tokio::test]
async fn a_match_is_created_played_to_its_end_and_recorded() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let game = world.game(folder.path());
    let backend = game.host.backend().borrow().clone();
    assert!(backend.name.starts_with("cpu-") && backend.lost.is_none(), "{backend:?}");
    let mut client = world.client(&game);
    client.create(create(1, SHORT)).await.unwrap();
    client.create(create(1, SHORT)).await.unwrap();
    let mut gateway = world.link(&game).await;
    gateway.attach(1, 9, 0).await;
    let ToGateway::Attached { flow: Flow(9), start, .. } = gateway.told().await else {
        panic!("attached")
    };
    let ServerMessage::Start(start) = ServerMessage::decode(&start).unwrap() else {
        panic!("a start")
    };
    assert_eq!((start.seat, start.seats.len(), start.owner.as_str()), (0, 4, "game-1"));
    assert!(serde_json::from_str::<serde_json::Value>(&start.rules).unwrap()["rules"].is_object());
    let (mut seq, mut counted, mut last_event) = (0, 0, 0);
    loop {
        match gateway.hear().await {
            Heard::Frame(head) => {
                assert!(head.input_seq >= counted && head.input_seq <= seq, "{head:?}");
                counted = head.input_seq;
                seq += 1;
                let input = Input {
                    seq,
                    tick: Tick(head.tick.0 + 3),
                    controls: Controls { move_x: 127, aim: 64, ..Controls::default() },
                    ack_tick: head.tick,
                    ack_event: last_event,
                };
                gateway.say(ToGame::Inputs(vec![(Flow(9), input)])).await;
            }
            Heard::Told(ToGateway::Event { seq, event, .. }) => {
                assert_eq!(seq, last_event + 1);
                last_event = seq;
                let message = ServerMessage::decode(&event).unwrap();
                let ServerMessage::Event(event) = message else { panic!("an event") };
                if matches!(event.kind, EventKind::End { .. }) {
                    let (flow, tick) = (Flow(9), Tick(0));
                    gateway.say(ToGame::Ack { flow, tick, event: last_event }).await;
                }
            }
            Heard::Told(ToGateway::Ended { flow: Flow(9), .. }) => break,
            Heard::Told(other) => panic!("{other:?}"),
        }
    }
    assert!(counted > 0, "no input was counted");
    assert!(gateway.views.iter().any(|it| it.players[0].aim == 64));
    world.stats_seen.called(1).await;
    let results = world.stats_seen.results();
    assert_eq!((results.len(), results[0].ticks, results[0].standings.len()), (1, 60, 4));
    assert_eq!(results[0].standings.iter().filter(|it| it.player == PLAYER.to_string()).count(), 1);
}

#[tokio::test]
async fn a_draining_host_takes_no_match_and_finishes_what_it_has() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let game = world.game(folder.path());
    let mut client = world.client(&game);
    client.create(create(1, LONG)).await.unwrap();
    game.host.refuse().await;
    let refused = client.create(create(2, LONG)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    let mut gateway = world.link(&game).await;
    gateway.attach(1, 1, 0).await;
    gateway.frame().await;
    game.host.accept().await;
    client.create(create(2, LONG)).await.unwrap();
    assert_eq!(
        client.list(arena_wire::game::v1::ListRequest {}).await.unwrap().into_inner().matches.len(),
        2
    );
    assert_eq!(game.host.end_all().await, 2);
    world.stats_seen.called(1).await;
    assert_eq!(world.stats_seen.results().len(), 1, "a match that has not begun has no result");
}

#[tokio::test]
async fn a_session_goes_on_through_another_gateway_from_the_frame_it_holds() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let game = world.game(folder.path());
    world.client(&game).create(create(1, LONG)).await.unwrap();
    let mut old = world.link(&game).await;
    old.attach(1, 1, 0).await;
    let held = (old.frame().await.tick, old.views.back().unwrap().clone());
    let mut new = world.link(&game).await;
    new.views.push_back(held.1);
    new.attach(1, 1, held.0.0).await;
    let frame = new.frame().await;
    assert_eq!(frame.baseline, Some(held.0));
    // Frames are datagrams: `Attached` came before the first of them or comes now.
    while old.told().await != (ToGateway::Replaced { flow: Flow(1) }) {}
    old.say(ToGame::Detach { flow: Flow(1), why: Leave::Left }).await;
    let next = new.frame().await;
    assert!(next.tick > frame.tick);
    drop(old);
    assert!(new.frame().await.tick > next.tick);
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_a_message_nobody_can_read_ends_the_link() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let game = world.game(folder.path());
    let mut gateway = world.link(&game).await;
    gateway.attach(5, 1, 0).await;
    let told = gateway.told().await;
    assert!(matches!(told, ToGateway::Refused { why: Refusal::UnknownMatch, .. }), "{told:?}");
    gateway.link.send_ordered(vec![0xff].into()).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, gateway.link.recv()).await.unwrap();
    assert_eq!(ended, None);
}

#[tokio::test]
async fn a_result_survives_the_process_and_is_recorded_once_stats_is_back() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    world.stats_seen.away.store(true, Ordering::Relaxed);
    let game = world.game(folder.path());
    world.client(&game).create(create(1, LONG)).await.unwrap();
    let mut gateway = world.link(&game).await;
    gateway.attach(1, 1, 0).await;
    gateway.frame().await;
    assert_eq!(game.host.end_all().await, 1);
    world.stats_seen.called(1).await;
    assert_eq!(game.host.outbox().standing().borrow().unrecorded, 1);
    // A kill leaves the file as it is: a copy made now is what the next life finds.
    let next = tempfile::tempdir().unwrap();
    let name = "results.journal";
    std::fs::copy(folder.path().join(name), next.path().join(name)).unwrap();
    drop(game);
    let calls = *world.stats_seen.calls.borrow();
    world.stats_seen.away.store(false, Ordering::Relaxed);
    let game = world.game(next.path());
    world.stats_seen.called(calls + 1).await;
    let mut standing = game.host.outbox().standing();
    tokio::time::timeout(PATIENCE, standing.wait_for(|it| it.unrecorded == 0))
        .await
        .unwrap()
        .unwrap();
    assert!(
        world.stats_seen.results().iter().all(|it| it.r#match == MatchId::from_u64(1).to_string())
    );
    assert_eq!(
        std::fs::read(next.path().join(name))
            .map(|it| { crate::logic::journal::replay(&it).pending.len() })
            .unwrap(),
        0
    );
}
