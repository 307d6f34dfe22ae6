//! The service over real embedded stores: instances in, recommendation out.

use std::time::Duration;

use arena_autoscaler::policy::Bounds;
use arena_autoscaler::{AutoscalerSettings, PROGRAM, run};
use arena_testkit::Cluster;
use arena_types::contract::InstanceState;
use arena_types::registry::{InstanceRecord, SCALE, Scale, instance_key};
use arena_types::{ReleaseId, ServiceName};
use tokio::time::timeout;

/// Beyond it a test is stuck, not slow.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_full_game_instance_asks_for_another() {
    let cluster = Cluster::start().await.unwrap();
    let game: ServiceName = "game".parse().unwrap();
    let record = |matches| {
        let record = InstanceRecord {
            mesh_addr: "127.0.0.1:1".parse().unwrap(),
            side_addr: "127.0.0.1:2".parse().unwrap(),
            public_addr: None,
            release: ReleaseId(1),
            state: InstanceState::Ready,
            sessions: 0,
            matches,
            moving: 0,
            shadows: 0,
            capacity: 10,
            rules_schema: 1,
        };
        serde_json::to_vec(&record).unwrap()
    };
    let registry = cluster.stores().registry;
    let key = instance_key(&game, &"game-r1-0".parse().unwrap());
    registry.put(&key, record(1).into(), None).await.unwrap();
    let instance = cluster.instance(PROGRAM, "autoscaler", 0).unwrap();
    let bounds = Bounds::new(1, 4).unwrap();
    let settings = AutoscalerSettings { game: bounds, gateway: bounds };
    tokio::spawn(run(instance.clone(), settings));
    let mut scale = instance.mirror(SCALE);
    let mut wanted = async |expected: u32| {
        let seen = async {
            let mut entries = scale.first().await;
            loop {
                if let Some(it) = scale.parsed::<Scale>(&entries).remove("game")
                    && it.wanted == expected
                {
                    return it.reason;
                }
                entries = scale.changed().await;
            }
        };
        timeout(PATIENCE, seen).await.expect("a recommendation is published")
    };
    let reason = wanted(1).await;
    assert!(reason.starts_with("1 in use + 0 waiting + 4 spare at 10 each = 1"), "{reason}");
    registry.put(&key, record(9).into(), None).await.unwrap();
    let reason = wanted(2).await;
    assert!(reason.starts_with("9 in use + 0 waiting + 4 spare at 10 each = 2"), "{reason}");
}
