//! A cluster with matchmakers, game instances and a table of ratings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arena_instance::{Instance, Mirror, Need, Program, Threads};
use arena_matchmaker::logic::Policy;
use arena_matchmaker::{MatchmakerSettings, PROGRAM, run};
use arena_mesh::{Channel, Serving};
use arena_sim::Rules;
use arena_testkit::{Cluster, http};
use arena_types::registry::{
    ACTIVE_RULES, ActiveRules, InstanceRecord, RulesRecord, instances_of, rules_key,
};
use arena_types::{MatchRecord, PlayerId, QueueFailover};
use arena_wire::game::v1 as game;
use arena_wire::game::v1::game_server::{Game, GameServer};
use arena_wire::matchmaker::v1::matchmaker_client::MatchmakerClient;
use arena_wire::matchmaker::v1::ticket_update::Update;
use arena_wire::matchmaker::v1::{Assigned, Ended, Member, Ticket, TicketUpdate, Waiting};
use arena_wire::stats::v1 as stats;
use arena_wire::stats::v1::stats_server::{Stats, StatsServer};
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};

/// Beyond it a test is stuck, not slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Nobody plays with bots unless a test wants it, and nobody gives up.
pub(crate) const PATIENT: Policy = Policy { seats: 2, fill_after_ms: 600_000, timeout_ms: 900_000 };
/// Everybody plays at once, alone.
pub(crate) const ALONE: Policy = Policy { seats: 1, fill_after_ms: 0, timeout_ms: 900_000 };

const GAME: Program = Program {
    name: "arena-game",
    needs: &[Need::Store],
    schema: &[("rules", Rules::schema())],
    threads: Threads::One,
};
const STATS: Program =
    Program { name: "arena-stats", needs: &[Need::Store], schema: &[], threads: Threads::One };
const DRAIN: &str = r#"{"deadline_s":60,"mode":"wait","at_deadline":"keep"}"#;

pub(crate) type Client = MatchmakerClient<Channel>;

pub(crate) struct Arena {
    pub(crate) cluster: Cluster,
}

impl Arena {
    /// Starts with stores and rules, and no instance.
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start().await.unwrap();
        let rules = RulesRecord {
            version: 1,
            game: "arena".to_owned(),
            rules_json: Rules::standard().to_json().to_string(),
            by: "test".to_owned(),
            why: String::new(),
            published_ms: 0,
        };
        let active = ActiveRules { version: 1, by: "test".to_owned(), activated_ms: 0 };
        let arena = Self { cluster };
        arena.put(&rules_key(1), &rules).await;
        arena.put(ACTIVE_RULES, &active).await;
        arena
    }

    pub(crate) async fn put(&self, key: &str, value: &impl serde::Serialize) {
        let value = serde_json::to_vec(value).unwrap();
        self.cluster.stores().registry.put(key, value.into(), None).await.unwrap();
    }

    /// Returns every match that is recorded.
    pub(crate) async fn matches(&self) -> Vec<MatchRecord> {
        let found = self.cluster.stores().registry.list("match/").await.unwrap();
        found.entries.iter().map(|it| serde_json::from_slice(&it.value).unwrap()).collect()
    }

    /// Waits until no match is recorded: one that a game refuses is for a moment, at every try.
    pub(crate) async fn no_matches(&self) {
        let mut mirror = Mirror::start(self.cluster.stores().registry, "match/");
        let watch = async {
            let mut entries = mirror.first().await;
            while !entries.is_empty() {
                entries = mirror.changed().await;
            }
        };
        timeout(PATIENCE, watch).await.expect("nothing stays recorded");
    }

    /// Starts a matchmaker that lives as long as the test.
    pub(crate) fn matchmaker(&self, number: u32, policy: Policy) -> (Instance, Client) {
        let instance = self.cluster.instance(PROGRAM, "matchmaker", number).unwrap();
        tokio::spawn(run(
            instance.clone(),
            MatchmakerSettings {
                game: arena_games::standard(),
                policy,
                failover: QueueFailover::default(),
            },
        ));
        let client = self.client(&instance);
        (instance, client)
    }

    /// Returns a client of one matchmaker, as a gateway is one.
    pub(crate) fn client(&self, matchmaker: &Instance) -> Client {
        MatchmakerClient::new(self.cluster.channel("gateway/gateway-r1-0", matchmaker).unwrap())
    }

    /// Starts a game instance that takes every match.
    pub(crate) async fn game(&self, release: u32, number: u32) -> GameHost {
        self.game_that(release, number, Hosted::default()).await
    }

    pub(crate) async fn game_that(&self, release: u32, number: u32, hosted: Hosted) -> GameHost {
        let settings = self.cluster.settings("game", release, number).unwrap();
        let instance = self.cluster.boot(GAME, settings).unwrap();
        let instance = instance.with_stores(self.cluster.stores());
        let server = GameServer::new(hosted.clone());
        let serving = instance.serve(|it| it.add_service(server)).unwrap();
        instance.set_capacity(1_000);
        instance.ready().await;
        let game = GameHost { instance, hosted, _serving: serving };
        game.is_registered_as(&self.cluster, |it| it.capacity == 1_000).await;
        game
    }

    /// Starts `stats`, which knows these ratings.
    pub(crate) async fn stats(&self, ratings: &[(u64, f64)]) -> (Instance, Serving) {
        let instance = self.cluster.instance(STATS, "stats", 0).unwrap();
        let rating = |(player, rating): &(u64, f64)| (PlayerId::from_u64(*player), *rating);
        let table = Ratings(ratings.iter().map(rating).collect());
        let serving = instance.serve(|it| it.add_service(StatsServer::new(table))).unwrap();
        instance.ready().await;
        (instance, serving)
    }
}

/// A game instance.
pub(crate) struct GameHost {
    pub(crate) instance: Instance,
    pub(crate) hosted: Hosted,
    _serving: Serving,
}

impl GameHost {
    pub(crate) async fn drain(&self, cluster: &Cluster) {
        self.side("POST /drain", cluster, DRAIN).await;
    }

    pub(crate) async fn take_drain_back(&self, cluster: &Cluster) {
        self.side("DELETE /drain", cluster, "").await;
    }

    async fn side(&self, request: &str, cluster: &Cluster, body: &str) {
        let bearer = format!("authorization: Bearer {}", cluster.secret("drain_token").unwrap());
        let answer = http(self.instance.side_addr(), request, &[&bearer], body).await.unwrap();
        assert_eq!(answer.status, 202, "{answer:?}");
        let draining = request.starts_with("POST");
        self.is_registered_as(cluster, |it| {
            (it.state == arena_types::contract::InstanceState::Ready) != draining
        })
        .await;
    }

    /// Reports that it hosts so many matches, and waits until everyone can know.
    pub(crate) async fn reports(&self, cluster: &Cluster, matches: u32) {
        self.instance.report(|it| it.matches = matches);
        self.is_registered_as(cluster, |it| it.matches == matches).await;
    }

    async fn is_registered_as(&self, cluster: &Cluster, is: impl Fn(&InstanceRecord) -> bool) {
        registered(cluster, &self.instance, is).await;
    }
}

/// Waits until the registry says of `instance` what `is` wants.
pub(crate) async fn registered(
    cluster: &Cluster,
    instance: &Instance,
    is: impl Fn(&InstanceRecord) -> bool,
) {
    let settings = instance.settings();
    let registry = cluster.stores().registry;
    let mut mirror = Mirror::start(registry, &instances_of(&settings.service));
    let watch = async {
        let mut entries = mirror.first().await;
        while !mirror.parsed(&entries).get(settings.instance.as_str()).is_some_and(&is) {
            entries = mirror.changed().await;
        }
    };
    timeout(PATIENCE, watch).await.expect("the registry follows the instance");
}

/// What a game instance was asked to host.
#[derive(Clone, Default)]
pub(crate) struct Hosted {
    pub(crate) made: Arc<Mutex<Vec<game::CreateRequest>>>,
    pub(crate) refuses: bool,
}

impl Hosted {
    /// Returns the players of each match.
    pub(crate) fn players(&self) -> Vec<Vec<String>> {
        let made = self.made.lock().unwrap();
        let made = made.iter().map(|it| it.seats.iter().map(|it| it.player.clone()).collect());
        made.collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.made.lock().unwrap().len()
    }
}

#[tonic::async_trait]
impl Game for Hosted {
    async fn create(
        &self,
        request: Request<game::CreateRequest>,
    ) -> Result<Response<game::CreateReply>, Status> {
        if self.refuses {
            return Err(Status::unavailable("all places are taken"));
        }
        self.made.lock().unwrap().push(request.into_inner());
        Ok(Response::new(game::CreateReply::default()))
    }

    async fn describe(
        &self,
        _: Request<game::DescribeRequest>,
    ) -> Result<Response<game::Match>, Status> {
        Err(Status::not_found("nobody asks"))
    }

    async fn list(
        &self,
        _: Request<game::ListRequest>,
    ) -> Result<Response<game::MatchList>, Status> {
        Ok(Response::new(game::MatchList::default()))
    }
}

/// Ratings of players; the others have played nothing.
struct Ratings(BTreeMap<PlayerId, f64>);

#[tonic::async_trait]
impl Stats for Ratings {
    async fn ratings(
        &self,
        request: Request<stats::RatingsRequest>,
    ) -> Result<Response<stats::RatingList>, Status> {
        let known = |player: String| {
            let rating = *self.0.get(&player.parse().ok()?)?;
            Some(stats::Rating { player, rating, uncertainty: 50.0 })
        };
        let ratings = request.into_inner().players.into_iter().filter_map(known).collect();
        Ok(Response::new(stats::RatingList { ratings }))
    }

    async fn record(
        &self,
        _: Request<stats::MatchResult>,
    ) -> Result<Response<stats::RecordReply>, Status> {
        Err(Status::unimplemented("nobody plays"))
    }

    async fn profile(
        &self,
        _: Request<stats::ProfileRequest>,
    ) -> Result<Response<stats::PlayerProfile>, Status> {
        Err(Status::not_found("nobody asks"))
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

pub(crate) fn player(number: u64) -> String {
    PlayerId::from_u64(number).to_string()
}

pub(crate) fn member(number: u64) -> Member {
    Member { player: player(number), display_name: format!("player {number}") }
}

/// A ticket of these players, fresh.
pub(crate) fn ticket(id: u64, players: &[u64]) -> Ticket {
    Ticket {
        ticket: arena_types::TicketId::from_u64(id).to_string(),
        mode: "arena".to_owned(),
        members: players.iter().map(|it| member(*it)).collect(),
        waited_ms: 0,
        rtts: Vec::new(),
    }
}

/// The life of a ticket as its gateway sees it.
pub(crate) struct Stream(pub Streaming<TicketUpdate>);

impl Stream {
    pub(crate) async fn next(&mut self) -> Result<Update, Status> {
        let update = timeout(PATIENCE, self.0.message()).await.expect("something becomes of it")?;
        let broken = || Status::unavailable("the stream ended without a word");
        update.and_then(|it| it.update).ok_or_else(broken)
    }

    pub(crate) async fn waiting(&mut self) -> Waiting {
        match self.next().await.unwrap() {
            Update::Waiting(it) => it,
            other => panic!("it does not wait: {other:?}"),
        }
    }

    /// Waits until a `Waiting` is as wanted.
    pub(crate) async fn waits_until(&mut self, is: impl Fn(&Waiting) -> bool) -> Waiting {
        loop {
            let it = self.waiting().await;
            if is(&it) {
                return it;
            }
        }
    }

    async fn end(mut self) -> Update {
        loop {
            match self.next().await.unwrap() {
                Update::Waiting(_) => {}
                end => return end,
            }
        }
    }

    pub(crate) async fn assigned(self) -> Assigned {
        match self.end().await {
            Update::Assigned(it) => it,
            other => panic!("it has no match: {other:?}"),
        }
    }

    pub(crate) async fn ended(self) -> Ended {
        match self.end().await {
            Update::Ended(it) => it,
            other => panic!("it did not end: {other:?}"),
        }
    }
}

pub(crate) async fn enqueue(client: &Client, ticket: Ticket) -> Stream {
    Stream(client.clone().enqueue(ticket).await.unwrap().into_inner())
}
