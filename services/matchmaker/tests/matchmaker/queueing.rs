//! A ticket's life: once, cancelled, timed out, in its window.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use arena_matchmaker::logic::Policy;
use arena_types::MatchId;
use arena_wire::matchmaker::v1::ended::Reason;
use arena_wire::matchmaker::v1::{CancelRequest, Ticket};
use arena_wire::token::{RouteClaims, TokenKey};
use futures::future::join_all;

use crate::arena::{Arena, PATIENT, enqueue, player, registered, ticket};

#[tokio::test]
async fn players_who_queue_get_one_match_and_signed_seats() {
    let arena = Arena::start().await;
    let game = arena.game(1, 0).await;
    let (_instance, client) = arena.matchmaker(0, PATIENT);
    let first = enqueue(&client, ticket(1, &[11])).await;
    let second = enqueue(&client, ticket(2, &[12])).await;
    let (first, second) = (first.assigned().await, second.assigned().await);
    assert_eq!(first.r#match, second.r#match);
    assert_eq!((&*first.owner, &*first.release, first.epoch), ("game-r1-0", "r1", 1));
    let mut players = game.hosted.players();
    players[0].sort();
    assert_eq!(players, [[player(11), player(12)]]);

    let key = std::fs::read_to_string(arena.cluster.folder().join("secrets/route_key")).unwrap();
    let key: Vec<u8> =
        (0..32).map(|it| u8::from_str_radix(&key[2 * it..2 * it + 2], 16).unwrap()).collect();
    let key = TokenKey::new(&key.try_into().unwrap());
    let mut seats = BTreeSet::new();
    for (assigned, number) in [(&first, 11), (&second, 12)] {
        let [seat] = assigned.seats.as_slice() else { panic!("the own seat alone: {assigned:?}") };
        let claims = RouteClaims::verify(&seat.route_token, &key, 0).unwrap();
        assert_eq!(claims.match_id, first.r#match.parse::<MatchId>().unwrap());
        assert_eq!((claims.player.to_string(), &seat.player), (player(number), &player(number)));
        assert_eq!(u32::from(claims.seat), seat.seat);
        seats.insert(seat.seat);
    }
    assert_eq!(seats, BTreeSet::from([0, 1]));

    let again = enqueue(&client, ticket(1, &[11])).await.assigned().await;
    assert_eq!(again.r#match, first.r#match, "who asks again hears the same");
    assert_eq!(game.hosted.len(), 1);
}

/// Every ticket waits at both matchmakers, and both form matches at the same time.
#[tokio::test]
async fn two_matchmakers_with_the_same_tickets_assign_each_once() {
    const TICKETS: u64 = 40;
    let arena = Arena::start().await;
    let game = arena.game(1, 0).await;
    let policy = Policy { seats: 4, fill_after_ms: 0, ..PATIENT };
    let makers = [arena.matchmaker(0, policy), arena.matchmaker(1, policy)];
    let streams = makers.iter().flat_map(|(_, client)| {
        (0..TICKETS).map(async |id| {
            let stream = enqueue(client, ticket(id, &[100 + id])).await;
            (id, stream.assigned().await.r#match)
        })
    });
    let mut told = BTreeMap::<u64, BTreeSet<String>>::new();
    for (id, match_id) in join_all(streams).await {
        told.entry(id).or_default().insert(match_id);
    }
    assert!(told.values().all(|it| it.len() == 1), "a ticket heard of two matches: {told:?}");
    let mut hosted: Vec<String> = game.hosted.players().concat();
    hosted.sort();
    let all: Vec<String> = (0..TICKETS).map(|it| player(100 + it)).collect();
    assert_eq!(hosted, all, "every player is in one match");
    let matches = arena.matches().await;
    assert_eq!(matches.len(), game.hosted.len(), "what lost the race left nothing");
    assert!(matches.iter().all(|it| it.ready));
}

#[tokio::test]
async fn a_cancelled_ticket_ends_everywhere_and_for_good() {
    let arena = Arena::start().await;
    let game = arena.game(1, 0).await;
    let ((_a, mut first), (_b, second)) =
        (arena.matchmaker(0, PATIENT), arena.matchmaker(1, PATIENT));
    let here = enqueue(&first, ticket(1, &[11])).await;
    let mut there = enqueue(&second, ticket(1, &[11])).await;
    there.waiting().await;
    let cancel =
        |id: u64| CancelRequest { ticket: arena_types::TicketId::from_u64(id).to_string() };
    first.cancel(cancel(1)).await.unwrap();
    for stream in [here, there, enqueue(&second, ticket(1, &[11])).await] {
        assert_eq!(stream.ended().await.reason(), Reason::Cancelled);
    }

    let pair = [enqueue(&first, ticket(2, &[12])).await, enqueue(&first, ticket(3, &[13])).await];
    let [kept, _other] = pair;
    let assigned = kept.assigned().await;
    first.cancel(cancel(2)).await.unwrap();
    let again = enqueue(&second, ticket(2, &[12])).await.assigned().await;
    assert_eq!(again.r#match, assigned.r#match, "a match is not cancelled by a late click");
    assert_eq!(game.hosted.len(), 1);
}

#[tokio::test]
async fn a_ticket_that_waited_long_enough_ends_wherever_it_waited() {
    let arena = Arena::start().await;
    let policy = Policy { timeout_ms: 60_000, ..PATIENT };
    let (_instance, client) = arena.matchmaker(0, policy);
    let mut old = ticket(1, &[11]);
    old.waited_ms = 59_800;
    let ended = enqueue(&client, old).await.ended().await;
    assert_eq!(ended.reason(), Reason::TimedOut);
    let mut young = enqueue(&client, ticket(2, &[12])).await;
    assert!(young.waiting().await.waited_ms < 60_000);
}

#[tokio::test]
async fn a_gateway_that_goes_takes_its_tickets_along() {
    let arena = Arena::start().await;
    let (instance, client) = arena.matchmaker(0, PATIENT);
    let mut stream = enqueue(&client, ticket(1, &[11])).await;
    stream.waiting().await;
    registered(&arena.cluster, &instance, |it| it.sessions == 1).await;
    drop(stream);
    registered(&arena.cluster, &instance, |it| it.sessions == 0).await;
}

/// What makes a good ticket a bad one.
type Change = fn(&mut Ticket);

#[tokio::test]
async fn what_cannot_be_matched_is_refused_with_a_reason() {
    let arena = Arena::start().await;
    let (_instance, client) = arena.matchmaker(0, PATIENT);
    let changes: [(Change, &str); 5] = [
        (|it| it.mode = "chess".to_owned(), "chess"),
        (|it| it.members.clear(), "members"),
        (|it| it.members.push(it.members[0].clone()), "twice"),
        (|it| it.members[0].display_name = "\u{7}".to_owned(), "name"),
        (|it| it.ticket = "me".to_owned(), "me"),
    ];
    for (change, word) in changes {
        let mut wrong = ticket(1, &[11]);
        change(&mut wrong);
        let ended = enqueue(&client, wrong).await.ended().await;
        assert_eq!(ended.reason(), Reason::Refused, "{word}");
        assert!(ended.detail.contains(word), "{word} in {}", ended.detail);
    }
}

/// Ratings 250 apart: a window of half width 250 is that of 7.5 s.
#[tokio::test]
async fn the_window_widens_until_two_players_meet() {
    let arena = Arena::start().await;
    let _stats = arena.stats(&[(11, 1_500.0), (12, 1_750.0)]).await;
    let game = arena.game(1, 0).await;
    let (_instance, client) = arena.matchmaker(0, PATIENT);
    let aged = |id, number| {
        let mut ticket = ticket(id, &[number]);
        ticket.waited_ms = 6_000;
        ticket
    };
    let began = Instant::now();
    let mut low = enqueue(&client, aged(1, 11)).await;
    let high = enqueue(&client, aged(2, 12)).await;
    let first = low.waiting().await;
    assert!((220..800).contains(&first.window), "{first:?}");
    let (low, high) = (low.assigned().await, high.assigned().await);
    assert_eq!(low.r#match, high.r#match);
    assert!(began.elapsed() >= Duration::from_millis(1_500), "too far apart at first");
    assert_eq!(game.hosted.players()[0].len(), 2);
}

#[tokio::test]
async fn who_waits_alone_plays_with_bots_after_a_while() {
    let arena = Arena::start().await;
    let game = arena.game(1, 0).await;
    let policy = Policy { fill_after_ms: 200, ..PATIENT };
    let (_instance, client) = arena.matchmaker(0, policy);
    let assigned = enqueue(&client, ticket(1, &[11])).await.assigned().await;
    assert_eq!((assigned.seats.len(), game.hosted.players()), (1, vec![vec![player(11)]]));
}
