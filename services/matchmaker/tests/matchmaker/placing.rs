//! Where a match is hosted, and what happens while nobody can.

use std::collections::BTreeMap;

use arena_types::ReleaseId;
use arena_types::registry::{Traffic, traffic_key};
use futures::future::join_all;

use crate::arena::{ALONE, Arena, Client, Hosted, PATIENT, enqueue, registered, ticket};

/// Queues players who play alone, and returns the owners of their matches.
async fn owners(client: &Client, ids: std::ops::Range<u64>) -> Vec<String> {
    let play = |id| async move { enqueue(client, ticket(id, &[id])).await.assigned().await.owner };
    join_all(ids.map(play)).await
}

fn count(owners: &[String], owner: &str) -> usize {
    owners.iter().filter(|it| *it == owner).count()
}

async fn weights(arena: &Arena, weights: [(u32, u32); 2]) {
    let weights: BTreeMap<_, _> = weights.map(|(it, weight)| (ReleaseId(it), weight)).into();
    arena.put(&traffic_key(&"game".parse().unwrap()), &Traffic { weights }).await;
}

#[tokio::test]
async fn a_draining_instance_gets_no_match_until_its_drain_is_taken_back() {
    let arena = Arena::start().await;
    let (blue, green) = (arena.game(1, 0).await, arena.game(1, 1).await);
    blue.drain(&arena.cluster).await;
    let (_instance, client) = arena.matchmaker(0, ALONE);
    let first = owners(&client, 0..16).await;
    assert_eq!((count(&first, "game-r1-1"), blue.hosted.len()), (16, 0));
    blue.take_drain_back(&arena.cluster).await;
    green.drain(&arena.cluster).await;
    let second = owners(&client, 16..32).await;
    assert_eq!((count(&second, "game-r1-0"), green.hosted.len()), (16, 16));
}

#[tokio::test]
async fn new_matches_follow_the_weights_of_the_releases() {
    let arena = Arena::start().await;
    let (blue, _green) = (arena.game(1, 0).await, arena.game(2, 0).await);
    weights(&arena, [(1, 0), (2, 100)]).await;
    let (_instance, client) = arena.matchmaker(0, ALONE);
    let all_green = owners(&client, 0..24).await;
    assert_eq!((count(&all_green, "game-r2-0"), blue.hosted.len()), (24, 0));
    weights(&arena, [(1, 100), (2, 100)]).await;
    let mut ids = 1_000..;
    while blue.hosted.len() == 0 {
        owners(&client, ids.next().map(|it| it..it + 1).unwrap()).await; // until they are known
    }
    let mixed = owners(&client, 100..164).await;
    // By chance alone fewer than ten of 64 are one in a hundred million.
    for owner in ["game-r1-0", "game-r2-0"] {
        assert!(count(&mixed, owner) >= 10, "{owner}: {mixed:?}");
    }
}

#[tokio::test]
async fn an_instance_far_above_its_share_gets_no_more() {
    let arena = Arena::start().await;
    let (full, free) = (arena.game(1, 0).await, arena.game(1, 1).await);
    full.reports(&arena.cluster, 500).await;
    let (_instance, client) = arena.matchmaker(0, ALONE);
    let placed = owners(&client, 0..24).await;
    assert_eq!((count(&placed, "game-r1-1"), full.hosted.len()), (24, 0));
    assert_eq!(free.hosted.len(), 24);
}

#[tokio::test]
async fn an_instance_that_refuses_is_passed_over_before_anyone_is_told() {
    let arena = Arena::start().await;
    let refusing = Hosted { refuses: true, ..Hosted::default() };
    let _full = arena.game_that(1, 0, refusing).await;
    let good = arena.game(1, 1).await;
    let (_instance, client) = arena.matchmaker(0, ALONE);
    let placed = owners(&client, 0..16).await;
    assert_eq!((count(&placed, "game-r1-1"), good.hosted.len()), (16, 16));
    for record in arena.matches().await {
        assert_eq!((record.owner.as_str(), record.ready), ("game-r1-1", true));
    }
    let second_choice = good.hosted.made.lock().unwrap().iter().filter(|it| it.epoch == 2).count();
    assert!((1..16).contains(&second_choice), "some were refused first: {second_choice}");
}

#[tokio::test]
async fn without_a_game_instance_players_wait_with_a_reason_and_play_once_there_is_one() {
    let arena = Arena::start().await;
    let (instance, client) = arena.matchmaker(0, PATIENT);
    let mut first = enqueue(&client, ticket(1, &[11])).await;
    assert_eq!(first.waiting().await.reason, "", "it waits for a second player");
    // What the autoscaler reads as the length of the queue.
    registered(&arena.cluster, &instance, |it| it.sessions == 1).await;
    let second = enqueue(&client, ticket(2, &[12])).await;
    registered(&arena.cluster, &instance, |it| it.sessions == 2).await;
    let told = first.waits_until(|it| !it.reason.is_empty()).await;
    assert!(told.reason.contains("you keep your place"), "{told:?}");
    assert_eq!(arena.matches().await, []);

    let game = arena.game(1, 0).await;
    let (first, second) = (first.assigned().await, second.assigned().await);
    assert_eq!(first.r#match, second.r#match);
    assert_eq!(game.hosted.len(), 1);
    registered(&arena.cluster, &instance, |it| it.sessions == 0).await;
}

#[tokio::test]
async fn a_full_fleet_is_told_to_players_as_a_reason() {
    let arena = Arena::start().await;
    let refusing = Hosted { refuses: true, ..Hosted::default() };
    let _full = arena.game_that(1, 0, refusing).await;
    let (_instance, client) = arena.matchmaker(0, ALONE);
    let mut stream = enqueue(&client, ticket(1, &[11])).await;
    let told = stream.waits_until(|it| !it.reason.is_empty()).await;
    assert!(told.reason.contains("every game server is full"), "{told:?}");
    arena.no_matches().await;
}
