use std::io::Cursor;

use arena_game_arena::ArenaWorlds;
use arena_games::AcceleratedWorlds;
use arena_replay::arena::ArenaMatch;
use arena_sim::{Capacity, Rules};
use arena_sim_gpu::{Accept, Gpu, GpuBackend, Guarded, Options};

use super::*;
use crate::logic::tape::ReplayId;

/// Four seconds.
const TICKS: u32 = 240;
const RULES: &str = r#"{"version": 1, "match": {"time_limit_ticks": 240}}"#;
/// The device fails at the first frame from here on.
const FAILS_AT: Tick = Tick(100);

/// The software device, ready for the standard rules, and worlds on it.
fn on_device() -> (Arc<Gpu>, Backing) {
    let options = Options { answer_max: Duration::from_mins(2), ..Options::default() };
    let gpu = Gpu::open(Accept::Software, options).expect(
        "a Vulkan device, if only in software: apt-get install mesa-vulkan-drivers libvulkan1",
    );
    let mut backend = GpuBackend::new(gpu.clone());
    let class: Capacity = Rules::standard().capacity();
    backend.warm(&[class]).unwrap();
    let worlds = ArenaWorlds::on(Box::new(Guarded::new(backend)));
    let name = worlds.backend();
    let worlds = Some(AcceleratedWorlds(Box::new(worlds)));
    (gpu, Backing { worlds, name, reason: "a test asks".to_owned() })
}

/// Plays match 1 to its end; the device fails on the way.
async fn play(gateway: &mut Gateway, gpu: &Gpu) -> Tick {
    let (mut seq, mut newest) = (0, Tick(0));
    loop {
        match gateway.hear().await {
            Heard::Frame(head) => {
                if newest < FAILS_AT && head.tick >= FAILS_AT {
                    gpu.destroy();
                }
                (seq, newest) = (seq + 1, head.tick);
                let aim = (seq * 3 % 256) as u8;
                let input = Input {
                    seq,
                    tick: Tick(head.tick.0 + 3),
                    controls: Controls { move_x: 127, aim, ..Controls::default() },
                    ack_tick: head.tick,
                    ack_event: 0,
                };
                gateway.say(ToGame::Inputs(vec![(Flow(9), input)])).await;
            }
            Heard::Told(ToGateway::Event { event, .. }) => {
                let Ok(ServerMessage::Event(event)) = ServerMessage::decode(&event) else {
                    panic!("an event")
                };
                if let EventKind::End { .. } = event.kind {
                    return event.tick;
                }
            }
            Heard::Told(ToGateway::Attached { .. }) => {}
            Heard::Told(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_match_on_a_device_outlives_it_and_is_bit_by_bit_that_of_the_cpu() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let (gpu, backing) = on_device();
    let game = world.game_on(folder.path(), backing);
    let mut backend = game.host.backend();
    assert_eq!(backend.borrow_and_update().name, "gpu-vulkan");
    world.client(&game).create(create(1, RULES)).await.unwrap();
    let mut gateway = world.link(&game).await;
    gateway.attach(1, 9, 0).await;
    assert_eq!(play(&mut gateway, &gpu).await, Tick(TICKS));
    let lost = tokio::time::timeout(PATIENCE, backend.wait_for(|it| it.lost.is_some()));
    let lost = lost.await.unwrap().unwrap().clone();
    assert!(lost.name.starts_with("cpu-"), "{lost:?}");
    assert!(lost.lost.unwrap().starts_with("gpu-vulkan failed: "));
    assert_eq!((lost.reason.as_str(), game.figures.devices_lost.get()), ("a test asks", 1));
    // What was recorded is what the CPU alone makes of these inputs.
    let path = ReplayId { match_id: MatchId::from_u64(1), epoch: Epoch(1) }.object_path();
    let objects = world.stores.stores().objects;
    let stored = tokio::time::timeout(PATIENCE, async {
        loop {
            match objects.get(&path).await {
                Ok(stored) => return stored.value.to_vec(),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    let reader = arena_replay::Reader::open(Cursor::new(stored.await.unwrap())).unwrap();
    let found = arena_replay::verify(reader, ArenaMatch::on_cpu(), |_| ()).unwrap();
    assert!(found.is_true(), "{:?}", found.problems);
    assert_eq!(found.compared.ticks, u64::from(TICKS));
}
