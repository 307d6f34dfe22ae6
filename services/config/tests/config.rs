//! The service over the real mesh and real embedded stores.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are tests, too")]

use std::time::Duration;

use arena_config::logic::State;
use arena_config::{ConfigSettings, LastGood, PROGRAM, run};
use arena_instance::Instance;
use arena_mesh::Channel;
use arena_testkit::{Cluster, http};
use arena_types::PlayerId;
use arena_wire::config::v1::config_client::ConfigClient;
use arena_wire::config::v1::{
    ActivateRulesRequest, DeleteFlagRequest, Flag, ListFlagsRequest, ListRulesRequest,
    PublishRulesRequest, ReadRulesRequest, WatchRequest,
};
use tokio::time::timeout;
use tonic::Code;

/// Beyond it a test is stuck, not slow.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings() -> ConfigSettings {
    ConfigSettings { game: arena_games::standard() }
}

/// Starts the service and waits until its rules are there; it ends with the test.
async fn service() -> (Cluster, Instance) {
    let cluster = Cluster::start().await.unwrap();
    let instance = cluster.instance(PROGRAM, "config", 0).unwrap();
    tokio::spawn(run(instance.clone(), settings()));
    timeout(PATIENCE, instance.live_config().first_rules()).await.expect("version 1 is seeded");
    (cluster, instance)
}

fn client(cluster: &Cluster, caller: &str, instance: &Instance) -> ConfigClient<Channel> {
    ConfigClient::new(cluster.channel(caller, instance).unwrap())
}

fn longer() -> String {
    r#"{"match": {"time_limit_ticks": 7200}}"#.to_owned()
}

fn publish(rules_json: String) -> PublishRulesRequest {
    PublishRulesRequest { rules_json, by: "ann".to_owned(), why: "a longer match".to_owned() }
}

#[tokio::test]
async fn rules_are_checked_published_put_in_force_and_watched() {
    let (cluster, instance) = service().await;
    let mut operator = client(&cluster, "operator/ann", &instance);
    let mut game = client(&cluster, "game/game-r1-0", &instance);
    let mut watch = game.watch(WatchRequest {}).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.active_rules, 1);
    assert_eq!(
        arena_games::standard().parse_rules_text(&first.rules_json).unwrap().hash(),
        arena_games::standard().standard_rules().hash()
    );

    let wrong = r#"{"match": {"time_limit_ticks": 1}, "gravity": 9}"#.to_owned();
    let refused = operator.publish_rules(publish(wrong)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("time_limit_ticks"), "{}", refused.message());
    assert!(refused.message().contains("gravity"), "{}", refused.message());

    let second = operator.publish_rules(publish(longer())).await.unwrap().into_inner();
    assert_eq!((second.version, second.active, &*second.by), (2, false, "ann"));
    let again = operator.publish_rules(publish(longer())).await.unwrap().into_inner();
    assert_eq!(again.version, 2, "the same rules are the same version");
    let activate = |version| ActivateRulesRequest { version, by: "ann".to_owned() };
    let absent = operator.activate_rules(activate(9)).await.unwrap_err();
    assert_eq!(absent.code(), Code::NotFound);
    operator.activate_rules(activate(2)).await.unwrap();
    let next = timeout(PATIENCE, async {
        loop {
            let snapshot = watch.message().await.unwrap().unwrap();
            if snapshot.active_rules == 2 {
                return snapshot;
            }
        }
    });
    let next = next.await.expect("a watcher hears of it");
    let document: serde_json::Value = serde_json::from_str(&next.rules_json).unwrap();
    assert_eq!(document["match"]["time_limit_ticks"], 7200);
    let active = game.read_rules(ReadRulesRequest { version: 0 }).await.unwrap().into_inner();
    assert_eq!((active.version, active.active), (2, true));
    let list = operator.list_rules(ListRulesRequest {}).await.unwrap().into_inner().versions;
    assert_eq!(list.iter().map(|it| it.version).collect::<Vec<_>>(), [2, 1]);

    let refused = game.publish_rules(publish(longer())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "a game reads, an operator writes");
}

/// A rollout from one game to another: both releases find their own rules, whoever comes first.
#[tokio::test]
async fn two_games_have_rules_of_their_own_in_one_registry() {
    let (cluster, arena) = service().await;
    let snakes = cluster.instance(PROGRAM, "config", 1).unwrap();
    let game = arena_games::find("snakes").unwrap();
    tokio::spawn(run(snakes.clone(), ConfigSettings { game }));
    let mut live = snakes.live_config().of_game("snakes");
    let seeded = timeout(PATIENCE, live.first_rules()).await.expect("its own are seeded");
    assert_eq!((seeded.version, seeded.game.as_str()), (2, "snakes"));
    assert_eq!(arena.live_config().first_rules().await.version, 1);

    let mut operator = client(&cluster, "operator/ann", &snakes);
    let wrong = operator.publish_rules(publish(longer())).await.unwrap_err();
    assert!(wrong.message().contains("`match` is not a rule"), "{}", wrong.message());
    let food = publish(r#"{"food": 9}"#.to_owned());
    let published = operator.publish_rules(food).await.unwrap().into_inner();
    assert_eq!(published.version, 3);
    let activate = |version| ActivateRulesRequest { version, by: "ann".to_owned() };
    operator.activate_rules(activate(3)).await.unwrap();
    let foreign = operator.activate_rules(activate(1)).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound, "version 1 is the arena's");
    let in_force = async {
        while live.rules().is_none_or(|it| it.version != 3) {
            live.changed().await;
        }
    };
    timeout(PATIENCE, in_force).await.expect("the registry tells");
    assert_eq!(arena.live_config().first_rules().await.version, 1);
}

#[tokio::test]
async fn flags_reach_every_service_without_a_call() {
    let (cluster, instance) = service().await;
    let mut operator = client(&cluster, "operator/ann", &instance);
    let mut live = instance.live_config();
    let player = PlayerId::from_u64(7);
    let flag = |enabled, rollout| Flag {
        name: "dash".to_owned(),
        enabled,
        rollout,
        by: "ann".to_owned(),
        updated_ms: 0,
    };
    let too_much = operator.write_flag(flag(true, 100_001)).await.unwrap_err();
    assert_eq!(too_much.code(), Code::InvalidArgument);
    assert!(!live.is_on("dash", player));
    for (enabled, rollout, is_on) in
        [(true, 100_000, true), (false, 100_000, false), (true, 0, false)]
    {
        operator.write_flag(flag(enabled, rollout)).await.unwrap();
        let seen = async {
            let written = |it: &arena_types::registry::FlagRecord| {
                it.enabled == enabled && u32::from(it.rollout) == rollout
            };
            while !live.flags().get("dash").is_some_and(written) {
                live.changed().await;
            }
        };
        timeout(PATIENCE, seen).await.expect("the registry tells");
        assert_eq!(live.is_on("dash", player), is_on, "{enabled} {rollout}");
    }
    let list = operator.list_flags(ListFlagsRequest {}).await.unwrap().into_inner();
    assert_eq!(list.flags.len(), 1);
    let delete = DeleteFlagRequest { name: "dash".to_owned(), by: "ann".to_owned() };
    operator.delete_flag(delete.clone()).await.unwrap();
    assert_eq!(operator.delete_flag(delete).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn the_last_known_good_state_is_on_disk() {
    let (_cluster, instance) = service().await;
    let folder = instance.settings().data_dir.clone().unwrap();
    let ready = async {
        while http(instance.side_addr(), "GET /readyz", &[], "").await.unwrap().status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ready).await.expect("it is ready once it serves rules");
    let State { active, rules, .. } = LastGood::new(&folder).load().unwrap().expect("it was saved");
    assert_eq!(active.unwrap().version, 1);
    assert!(rules.contains_key(&1));
}
