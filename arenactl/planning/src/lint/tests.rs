use super::*;
use crate::fixture::{node, release, running};
use crate::plan::{Joinable, Seed, plan};
use crate::rollout::Effect;

const ARENA: &str = "
secrets: { drain_token: {} }
services:
  store: { kind: data, secrets: [drain_token] }
  auth: { instances: 2, after: [store] }
  game: { kind: matches, capacity: 4, after: [store] }
";

/// Spoils a sound plan and returns what is found.
fn found(spoil: impl FnOnce(&mut Plan)) -> Vec<String> {
    let (old, new) = (release(1, ARENA, "a"), release(2, ARENA, "b"));
    let observed = running(&old);
    let mut plan = plan(&new, &observed, Seed(7)).unwrap();
    assert_eq!(lint(&plan, &new, &observed), []);
    spoil(&mut plan);
    lint(&plan, &new, &observed).iter().map(ToString::to_string).collect()
}

fn stage<'a>(plan: &'a mut Plan, service: &str) -> &'a mut Stage {
    plan.stages.iter_mut().find(|it| it.service.as_str() == service).unwrap()
}

type Spoil = fn(&mut Plan);

#[test]
fn every_spoiled_plan_is_found() {
    let spoiled: [(Spoil, &str); 9] = [
        (
            |it| stage(it, "auth").order = Order::StopFirst,
            "`auth` stops instances before their replacements are ready",
        ),
        (
            |it| stage(it, "store").order = Order::StartFirst,
            "`store` would run two processes on its data",
        ),
        (|it| it.stages.swap(0, 1), "`auth` is touched before `store`"),
        (
            |it| *stage(it, "game").weights.last_mut().unwrap() = [(it_release(2), 90)].into(),
            "the weights of `game` sum to 90",
        ),
        (
            |it| *stage(it, "game").weights.last_mut().unwrap() = [(it_release(1), 100)].into(),
            "`game-r2-0` is started and never routed to",
        ),
        (
            |it| stage(it, "game").batches[0].start[0].instance = "game-r1-0".parse().unwrap(),
            "`game-r1-0` is started although it runs, or twice",
        ),
        (
            |it| stage(it, "game").batches[0].stop[0].instance = "game-r9-0".parse().unwrap(),
            "`game-r9-0` is stopped although it does not run, or twice",
        ),
        (
            |it| stage(it, "game").batches[0].stop.clear(),
            "`game` would have 2 instances, 1 are wanted",
        ),
        (
            |it| it.joinable = Joinable { floor: 9, now: 10, lowest: 3 },
            "free match slots would fall to 3, the floor is 9",
        ),
    ];
    for (spoil, finding) in spoiled {
        assert_eq!(found(spoil), [finding]);
    }
}

#[test]
fn more_gpus_than_are_free_are_found() {
    let yaml = "
services:
  game: { kind: matches, instances: 2, capacity: 4, resources: { gpus: 1 } }
";
    let (old, new) = (release(1, yaml, "a"), release(2, yaml, "b"));
    let mut observed = running(&old);
    let plan = plan(&new, &observed, Seed(7)).unwrap();
    observed.nodes = vec![node(3, 1)];
    let found: Vec<_> = lint(&plan, &new, &observed).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["`game` would hold 2 GPUs, 1 are free then"]);
}

#[test]
fn more_instances_than_nodes_have_room_for_are_found() {
    let yaml = "
services:
  game: { kind: matches, instances: 2, capacity: 4, resources: { gpus: 2 } }
";
    let (old, new) = (release(1, yaml, "a"), release(2, yaml, "b"));
    let mut observed = running(&old);
    let plan = plan(&new, &observed, Seed(7)).unwrap();
    observed.nodes = crate::fixture::swarm(&[None; 4]);
    for instance in &mut observed.services.get_mut(&"game".parse().unwrap()).unwrap().instances {
        instance.node = Some("lab-1".to_owned());
    }
    let found: Vec<_> = lint(&plan, &new, &observed).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["`game` would start 2 instances at once, its nodes have room for 0"]);
}

const fn it_release(id: u32) -> arena_types::ReleaseId {
    arena_types::ReleaseId(id)
}

#[test]
fn a_secrets_value_is_found_wherever_it_is_written() {
    let new = release(1, &ARENA.replace("game: {", "game: { args: [--key=hunter2],"), "a");
    let old = release(2, ARENA, "a");
    let plan = plan(&new, &running(&old), Seed(7)).unwrap();
    let secrets = [("drain_token".parse().unwrap(), "hunter2".to_owned())].into();
    assert_eq!(lint_secrets(&plan, &secrets).len(), 1);
    let (_, effects): (_, Vec<Effect>) = crate::rollout::Rollout::start(&plan);
    assert!(!serde_json::to_string(&effects).unwrap().contains("hunter2"));
}
