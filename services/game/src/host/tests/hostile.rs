//! A gateway that sends anything at all: it is served or its link ends, and nobody else notices.

use arena_testkit::hostile;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::*;

fn messages() -> Vec<Vec<u8>> {
    let controls = Controls { move_x: 127, aim: 64, ..Controls::default() };
    let input = |seq| Input { seq, tick: Tick(9), controls, ack_tick: Tick(4), ack_event: 1 };
    [
        attach(1, 1, 0),
        attach(1, 2, 6),
        attach(9, 3, 0),
        ToGame::Inputs(vec![(Flow(1), input(1)), (Flow(2), input(2)), (Flow(7), input(3))]),
        ToGame::Inputs(Vec::new()),
        ToGame::Ack { flow: Flow(1), tick: Tick(4), event: u32::MAX },
        // No bit of it away from a flow that is attached: a player who left does not come back.
        ToGame::Detach { flow: Flow(7), why: Leave::Moved },
    ]
    .iter()
    .map(ToGame::encode)
    .collect()
}

/// Sends it all, and then asks for the seat by another link.
async fn survives(world: &World, game: &Game, sent: Vec<Vec<u8>>) -> Result<(), TestCaseError> {
    let hostile = world.link(game).await;
    for message in sent {
        if hostile.link.send_ordered(message.into()).await.is_err() {
            break; // its link was cut
        }
    }
    let mut good = world.link(game).await;
    good.attach(1, 5, 0).await;
    match good.told().await {
        ToGateway::Attached { flow: Flow(5), .. } => {}
        other => return Err(TestCaseError::fail(format!("{other:?}"))),
    }
    good.frame().await;
    drop(hostile);
    Ok(())
}

#[test]
fn whatever_a_gateway_sends_the_match_goes_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (world, game) = runtime.block_on(async {
        let world = World::new().await;
        let game = world.game(folder.path());
        world.client(&game).create(create(1, LONG)).await.unwrap();
        (world, game)
    });
    let sent = prop::collection::vec(hostile(messages()), 1..12);
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&sent, |sent| runtime.block_on(survives(&world, &game, sent)))
        .unwrap();
    drop((world, game));
}
