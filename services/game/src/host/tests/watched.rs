use arena_wire::play::{MatchStart, Watch};

use super::*;

/// Seven seconds.
const RULES: &str = r#"{"version": 1, "match": {"time_limit_ticks": 420}}"#;
/// The delay of this host's viewers.
const DELAY_TICKS: u32 = 60;

fn watch(id: u64, flow: u32, tick: u32) -> ToGame {
    let match_id = MatchId::from_u64(id);
    let watch = Watch { match_id, tick: Tick(tick), pace: Watch::REAL_TIME };
    ToGame::Watch { flow: Flow(flow), watch }
}

/// Says what is held, so that frames build on it.
async fn hold(gateway: &Gateway, flow: u32, tick: Tick) {
    let input = Input {
        seq: 0,
        tick: Tick(0),
        controls: Controls::default(),
        ack_tick: tick,
        ack_event: 0,
    };
    gateway.say(ToGame::Inputs(vec![(Flow(flow), input)])).await;
}

/// Asks until the match can be shown: a second of it is on disk a second later.
async fn shown(gateway: &mut Gateway, flow: &mut u32, tick: u32) {
    loop {
        *flow += 1;
        gateway.say(watch(1, *flow, tick)).await;
        match gateway.told().await {
            ToGateway::Attached { flow: of, start, .. } => {
                let Ok(ServerMessage::Start(start)) = ServerMessage::decode(&start) else {
                    panic!("a start")
                };
                assert_eq!((of, start.seat), (Flow(*flow), MatchStart::WATCHES));
                return;
            }
            ToGateway::Refused { flow: of, why: Refusal::UnknownMatch, .. } => {
                assert_eq!(of, Flow(*flow));
            }
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_match_is_watched_while_it_runs_and_when_it_is_over() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let game = world.game(folder.path());
    world.client(&game).create(create(1, RULES)).await.unwrap();
    let mut player = world.link(&game).await;
    player.attach(1, 9, 0).await;
    let (mut spectator, mut flow) = (world.link(&game).await, 20);
    shown(&mut spectator, &mut flow, Watch::NEWEST.0).await;
    // The player's newest frame is never behind what is shown, and far before it.
    let mut live = player.frame().await.tick;
    let mut seen = Tick(0);
    while seen.0 < 150 {
        tokio::select! {
            heard = player.hear() => if let Heard::Frame(head) = heard { live = head.tick },
            heard = spectator.hear() => match heard {
                Heard::Frame(head) => {
                    assert!(head.tick > seen, "it goes on");
                    seen = head.tick;
                    assert!(seen.0 + DELAY_TICKS <= live.0 + 30, "{seen} is shown at {live}");
                    hold(&spectator, flow, seen).await;
                }
                Heard::Told(ToGateway::Playback { playback, .. }) => {
                    let Ok(ServerMessage::Playback(word)) = ServerMessage::decode(&playback) else {
                        panic!("a playback")
                    };
                    assert!(word.live && word.last.0 <= live.0, "{word:?} at {live}");
                }
                Heard::Told(_) => {}
            },
        }
    }
    spectator.say(ToGame::Detach { flow: Flow(flow), why: Leave::Left }).await;
    // The end, and then from the store: another host has it as well.
    world.stats_seen.called(1).await;
    let (elsewhere, other_folder) =
        (World { stores: world.stores, ..World::new().await }, tempfile::tempdir().unwrap());
    let other = elsewhere.game(other_folder.path());
    let mut late = elsewhere.link(&other).await;
    shown(&mut late, &mut flow, 400).await;
    loop {
        match late.hear().await {
            Heard::Frame(head) => hold(&late, flow, head.tick).await,
            Heard::Told(ToGateway::Event { event, .. }) => {
                let Ok(ServerMessage::Event(event)) = ServerMessage::decode(&event) else {
                    panic!("an event")
                };
                if let EventKind::End { standings } = event.kind {
                    assert_eq!((event.tick, standings.len()), (Tick(420), 4));
                    break;
                }
            }
            Heard::Told(_) => {}
        }
    }
    assert!(late.views.iter().all(|it| it.own.is_none()));
    drop(late);
    // As many as may watch do; the others are told.
    let mut many = elsewhere.link(&other).await;
    let mut refused = 0;
    for number in 1..=3 {
        many.say(watch(1, 50 + number, 0)).await;
    }
    while refused == 0 {
        if let Heard::Told(ToGateway::Refused { why, .. }) = many.hear().await {
            assert_eq!(why, Refusal::Full);
            refused += 1;
        }
    }
}

#[tokio::test]
async fn a_match_that_nobody_knows_is_not_shown() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let game = world.game(folder.path());
    let mut spectator = world.link(&game).await;
    spectator.say(watch(77, 3, 0)).await;
    let told = spectator.told().await;
    let ToGateway::Refused { flow: Flow(3), why: Refusal::UnknownMatch, detail } = told else {
        panic!("{told:?}")
    };
    assert!(detail.contains("000000000002d"), "{detail}");
}
