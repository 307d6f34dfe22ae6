//! A matchmaker goes away while players wait.

use std::time::Duration;

use arena_instance::Instance;
use arena_matchmaker::{MatchmakerSettings, PROGRAM, TicketRecord, run, ticket_key};
use arena_types::{
    Epoch, FailoverPolicy, MatchId, MatchRecord, PlayerId, QueueFailover, ReleaseId, Seated,
    TicketId, match_key,
};
use arena_wire::matchmaker::v1::ended::Reason;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::arena::{Arena, PATIENT, enqueue, player, ticket};

/// A matchmaker on a runtime of its own, so that it can be killed: all its tasks stop where they
/// are, and nobody is told.
struct Mortal {
    instance: Instance,
    kill: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Mortal {
    async fn start(arena: &Arena, number: u32) -> Self {
        let cluster = arena.cluster.clone();
        let (tell, told) = oneshot::channel();
        let (kill, killed) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let instance = cluster.instance(PROGRAM, "matchmaker", number).unwrap();
                tokio::spawn(run(
                    instance.clone(),
                    MatchmakerSettings {
                        game: arena_games::standard(),
                        policy: PATIENT,
                        failover: QueueFailover::default(),
                    },
                ));
                let _ = tell.send(instance);
                let _ = killed.await;
            });
            runtime.shutdown_background();
        });
        Self { instance: told.await.unwrap(), kill, thread }
    }

    fn kill(self) {
        self.kill.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

#[tokio::test]
async fn tickets_of_a_killed_matchmaker_wait_on_at_another_with_their_age() {
    let arena = Arena::start().await;
    let game = arena.game(1, 0).await;
    let mortal = Mortal::start(&arena, 0).await;
    let (_survivor, other) = arena.matchmaker(1, PATIENT);
    let began = Instant::now();
    let mut stream = enqueue(&arena.client(&mortal.instance), ticket(1, &[11])).await;
    stream.waiting().await;
    mortal.kill();
    while stream.next().await.is_ok() {}

    let mut again = ticket(1, &[11]);
    again.waited_ms = began.elapsed().as_millis() as u64;
    let age_ms = again.waited_ms;
    let mut stream = enqueue(&other, again).await;
    let waiting = stream.waiting().await;
    assert!(waiting.waited_ms >= age_ms, "{waiting:?} after {age_ms} ms elsewhere");
    let second = enqueue(&other, ticket(2, &[12])).await.assigned().await;
    assert_eq!(stream.assigned().await.r#match, second.r#match);
    assert_eq!(game.hosted.players().concat().len(), 2, "each player is in one match");
}

/// Claimed and recorded, but the maker died before any game instance was asked.
#[tokio::test]
async fn a_match_whose_maker_died_is_finished_by_whoever_is_asked() {
    let arena = Arena::start().await;
    let game = arena.game(1, 0).await;
    let (id, ticket_id) = (MatchId::from_u64(5), TicketId::from_u64(1));
    let record = MatchRecord {
        owner: "game-r1-9".parse().unwrap(), // it died with its maker
        epoch: Epoch::FIRST,
        release: ReleaseId(1),
        rules_version: 1,
        seed: 3,
        mode: "arena".to_owned(),
        players: vec![Seated {
            player: PlayerId::from_u64(11),
            name: "player 11".to_owned(),
            seat: 0,
        }],
        tickets: vec![ticket_id],
        created_ms: 1,
        ready: false,
        failover: Some(FailoverPolicy::Off),
        shadow: None,
    };
    arena.put(&match_key(id), &record).await;
    arena.put(&ticket_key(ticket_id), &TicketRecord { match_id: Some(id) }).await;

    let ((_a, one), (_b, two)) = (arena.matchmaker(0, PATIENT), arena.matchmaker(1, PATIENT));
    let ask = async |client| enqueue(client, ticket(1, &[11])).await.assigned().await;
    let (first, second) = tokio::join!(ask(&one), ask(&two));
    assert_eq!((&first.r#match, &second.r#match), (&id.to_string(), &id.to_string()));
    assert_eq!((&*first.owner, first.epoch), ("game-r1-0", 2));
    let players = game.hosted.players();
    assert!(players.iter().all(|it| *it == [player(11)]), "{players:?}");
    let said = game.hosted.made.lock().unwrap().iter().all(|it| it.failover == "off");
    assert!(said, "the record says what becomes of it");
    let made: std::collections::BTreeSet<_> =
        game.hosted.made.lock().unwrap().iter().map(|it| it.r#match.clone()).collect();
    assert_eq!(made.len(), 1);
}

#[tokio::test]
async fn a_draining_matchmaker_sends_its_tickets_on() {
    let arena = Arena::start().await;
    let (instance, client) = arena.matchmaker(0, PATIENT);
    let mut waiting = enqueue(&client, ticket(1, &[11])).await;
    waiting.waiting().await;
    instance.terminate().await;
    assert_eq!(waiting.ended().await.reason(), Reason::Moved);
    // It exits: whoever comes now is sent on or finds nobody.
    let late = Instant::now() + Duration::from_secs(10);
    while let Ok(answer) = client.clone().enqueue(ticket(2, &[12])).await {
        let mut stream = crate::arena::Stream(answer.into_inner());
        if let Ok(update) = stream.next().await {
            let moved = matches!(&update, arena_wire::matchmaker::v1::ticket_update::Update::Ended(it)
                if it.reason() == Reason::Moved);
            assert!(moved, "{update:?}");
        }
        assert!(Instant::now() < late, "it does not exit");
        sleep(Duration::from_millis(50)).await;
    }
}
