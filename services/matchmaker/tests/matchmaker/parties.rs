//! Friends who queue together.

use std::collections::BTreeSet;

use arena_matchmaker::logic::Policy;
use arena_types::TicketId;
use arena_wire::matchmaker::v1::ended::Reason;
use arena_wire::matchmaker::v1::{
    Party, PartyCreateRequest, PartyJoinRequest, PartyLeaveRequest, PartyQueueRequest,
    PartyWatchRequest, Ticket,
};
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::arena::{Arena, Client, PATIENCE, PATIENT, enqueue, member, player, ticket};

async fn create(client: &Client, leader: u64) -> Party {
    let request = PartyCreateRequest { leader: Some(member(leader)), mode: "arena".to_owned() };
    client.clone().party_create(request).await.unwrap().into_inner()
}

fn join(code: &str, who: u64) -> PartyJoinRequest {
    PartyJoinRequest { code: code.to_owned(), member: Some(member(who)) }
}

fn queue(code: &str, who: u64, ticket: u64) -> PartyQueueRequest {
    let ticket = TicketId::from_u64(ticket).to_string();
    PartyQueueRequest { code: code.to_owned(), player: player(who), ticket }
}

async fn watch(client: &Client, code: &str, who: u64) -> Streaming<Party> {
    let request = PartyWatchRequest { code: code.to_owned(), player: player(who) };
    client.clone().party_watch(request).await.unwrap().into_inner()
}

async fn seen(watch: &mut Streaming<Party>, is: impl Fn(&Party) -> bool) -> Party {
    loop {
        let party = timeout(PATIENCE, watch.message()).await.unwrap().unwrap().unwrap();
        if is(&party) {
            return party;
        }
    }
}

/// The ticket that every member's gateway queues, from what the member sees of the party.
fn ticket_of(party: &Party) -> Ticket {
    Ticket { ticket: party.ticket.clone(), members: party.members.clone(), ..ticket(0, &[]) }
}

#[tokio::test]
async fn a_party_of_four_is_placed_together() {
    let arena = Arena::start().await;
    let game = arena.game(1, 0).await;
    let policy = Policy { seats: 6, ..PATIENT };
    let ((_a, one), (_b, two)) = (arena.matchmaker(0, policy), arena.matchmaker(1, policy));
    let code = create(&one, 11).await.code;
    let mut watches = Vec::new();
    for who in 11..=14 {
        let at = if who % 2 == 0 { &one } else { &two };
        at.clone().party_join(join(&code, who)).await.unwrap();
        watches.push((at, watch(at, &code, who).await));
    }
    // Five strangers and the four: six seats take the four and two of the five.
    let mut strangers = Vec::new();
    for who in 21..=25 {
        strangers.push(enqueue(&one, ticket(who, &[who])).await);
    }
    one.clone().party_queue(queue(&code, 11, 7)).await.unwrap();
    let mut heard = Vec::new();
    for (at, mut watch) in watches {
        let party = seen(&mut watch, |it| !it.ticket.is_empty()).await;
        assert_eq!(party.members.len(), 4);
        heard.push(enqueue(at, ticket_of(&party)).await);
    }
    let mut matches = BTreeSet::new();
    for stream in heard {
        let assigned = stream.assigned().await;
        let seats: BTreeSet<_> = assigned.seats.iter().map(|it| it.seat).collect();
        assert_eq!(seats.len(), 4, "every member hears of all four seats: {assigned:?}");
        matches.insert(assigned.r#match);
    }
    assert_eq!(matches.len(), 1, "{matches:?}");
    let [players] = game.hosted.players().try_into().unwrap();
    assert_eq!(players.len(), 6, "{players:?}");
    assert!((11..=14).all(|it| players.contains(&player(it))), "{players:?}");
    one.clone().party_queue(queue(&code, 11, 8)).await.unwrap(); // and once more, at once
}

#[tokio::test]
async fn who_leaves_a_queued_party_is_not_matched_with_it() {
    let arena = Arena::start().await;
    let (_instance, client) = arena.matchmaker(0, PATIENT);
    let code = create(&client, 11).await.code;
    client.clone().party_join(join(&code, 12)).await.unwrap();
    let mut other = watch(&client, &code, 12).await;
    client.clone().party_queue(queue(&code, 11, 7)).await.unwrap();
    let queued = seen(&mut other, |it| !it.ticket.is_empty()).await;
    let streams = [enqueue(&client, ticket_of(&queued)).await];
    let leave = PartyLeaveRequest { code: code.clone(), player: player(11) };
    client.clone().party_leave(leave).await.unwrap();
    for stream in streams {
        assert_eq!(stream.ended().await.reason(), Reason::Cancelled);
    }
    let left = seen(&mut other, |it| it.members.len() == 1).await;
    assert_eq!((left.leader, left.ticket), (player(12), String::new()));
}

#[tokio::test]
async fn every_refusal_of_a_party() {
    let arena = Arena::start().await;
    let (_instance, client) = arena.matchmaker(0, PATIENT);
    let mut client = client;
    let code = create(&client, 11).await.code;
    client.party_join(join(&code, 12)).await.unwrap();
    let refused = client.party_queue(queue(&code, 12, 7)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    client.party_queue(queue(&code, 11, 7)).await.unwrap();
    let refused = client.party_join(join(&code, 13)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let refused = client.party_queue(queue(&code, 11, 8)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let unknown = client.party_join(join("ZZZZZZ", 13)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound, "{unknown}");
    let stranger = PartyWatchRequest { code: code.clone(), player: player(99) };
    let refused = client.party_watch(stranger).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    let full = create(&client, 21).await.code;
    for who in 22..=28 {
        client.party_join(join(&full, who)).await.unwrap();
    }
    let refused = client.party_join(join(&full, 29)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
}
