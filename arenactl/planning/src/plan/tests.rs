mod nodes;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::fixture::{instances, node, release, running};
use crate::observed::{Observed, UnitState, Weights};
use crate::release::Release;

/// The only lines that know the API: the plan as people read it, or what makes it impossible.
fn shown(wanted: &Release, observed: &Observed) -> String {
    match plan(wanted, observed, Seed(7)) {
        Ok(plan) => {
            let text = text(&plan);
            let text = text.replace(&plan.digest.short(), "DIGEST");
            crate::lint::lint(&plan, wanted, observed)
                .iter()
                .fold(text, |text, finding| format!("{text}lint: {finding}\n"))
        }
        Err(errors) => errors
            .iter()
            .fold(String::new(), |text, it| format!("{text}error: {it}\n  help: {}\n", it.help())),
    }
}

#[track_caller]
fn check(wanted: &Release, observed: &Observed, expect: &Expect) {
    expect.assert_eq(&shown(wanted, observed));
}

const ARENA: &str = "
services:
  store: { kind: data }
  auth: { instances: 2, after: [store] }
  game: { kind: matches, instances: 2, capacity: 4, after: [store] }
  gateway: { kind: sessions, after: [auth, game] }
";

#[test]
fn a_first_deploy_creates_all_in_dependency_order() {
    let observed = Observed::empty("local".parse().unwrap());
    check(
        &release(1, ARENA, "a"),
        &observed,
        &expect![[r"
        local (dev): nothing -> r1
          + auth: create, 0 -> 2
          + game: create, 0 -> 2
          + gateway: create, 0 -> 1
          + store: create, 0 -> 1
          1. store: recreate (one process alone may open its data)
               start store-r1-0
          2. auth: rolling, start first (any instance can answer)
               start auth-r1-0
               start auth-r1-1
               route r1 100 %
          3. game: blue-green (running matches move, or finish where they are)
               start game-r1-0 game-r1-1
               route r1 100 %
          4. gateway: rolling, start first (sessions move to the replacement)
               start gateway-r1-0
               route r1 100 %
          4 create · 6 start, 0 stop · digest DIGEST
    "]],
    );
}

#[test]
fn the_same_release_again_is_nothing_to_do() {
    let old = release(1, ARENA, "a");
    check(
        &release(2, ARENA, "a"),
        &running(&old),
        &expect![[r"
        local (dev): nothing to do, r1 runs
    "]],
    );
    check(
        &old,
        &running(&old),
        &expect![[r"
        local (dev): nothing to do, r1 runs
    "]],
    );
}

#[test]
fn only_what_changed_is_replaced_and_running_matches_are_waited_for() {
    let old = release(1, ARENA, "a");
    let yaml = ARENA.replace("capacity: 4", "capacity: 4, env: { ARENA_GAME_BOTS: 3 }");
    let mut observed = running(&old);
    for game in instances(&mut observed, "game") {
        (game.matches, game.sessions) = (2, 11);
    }
    check(
        &release(2, &yaml, "a"),
        &observed,
        &expect![[r"
        local (dev): r1 -> r2
          ~ game: replace, 2 -> 2
              [restart ] env.ARENA_GAME_BOTS: unset -> 3
          1. game: blue-green (running matches move, or finish where they are)
               start game-r2-0 game-r2-1; stop game-r1-0 game-r1-1
               route r1 0 %, r2 100 %
          moves the matches of game: 4 matches, 22 sessions, up to 10m
          free match slots: 4 now, 4 at the least, floor 0
          1 replace (start first) · 3 keep · 2 start, 2 stop · digest DIGEST
    "]],
    );
}

/// Matches move, or the plan says what keeps them.
#[test]
fn a_plan_says_why_matches_are_waited_for() {
    let nobody_else = Some("no other instance runs while the old ones stop");
    // Instances, further keys, version of the rules, free GPUs beside those that the old ones hold.
    for (count, keys, rules, free, why) in [
        (2, "", 1, 2, None),
        (2, ", drain: { mode: wait }", 1, 2, Some("`drain.mode` is `wait`")),
        (2, "", 2, 2, Some("the rules or state schema differs")),
        (2, "", 1, 0, None),
        (1, "", 1, 1, None),
        (1, "", 1, 0, nobody_else),
    ] {
        let yaml = GPU.replace("instances: 2", &format!("instances: {count}{keys}"));
        let (old, mut new) = (release(1, &yaml, "a"), release(2, &yaml, "b"));
        new.schema.insert("rules".to_owned(), rules);
        let mut observed = running(&old);
        observed.nodes = vec![node(count + free, free)];
        for it in instances(&mut observed, "game") {
            it.matches = 2;
        }
        let plan = plan(&new, &observed, Seed(7)).unwrap();
        let found = (plan.waiting[0].why.as_deref(), plan.waiting[0].moves);
        assert_eq!(found, (why, why.is_none()), "{}", text(&plan));
    }
}

#[test]
fn new_binaries_replace_everything() {
    check(
        &release(2, ARENA, "b"),
        &running(&release(1, ARENA, "a")),
        &expect![[r"
        local (dev): r1 -> r2
          ~ auth: replace, 2 -> 2
              [restart ] artifact: sha256:cb19cd642c6e -> sha256:6b122a09657a
          ~ game: replace, 2 -> 2
              [restart ] artifact: sha256:49d7b278386d -> sha256:79660cdf0a6d
          ~ gateway: replace, 1 -> 1
              [restart ] artifact: sha256:2e874414280a -> sha256:7fe98fc2583f
          ~ store: replace, 1 -> 1
              [restart ] artifact: sha256:3df14b784fa7 -> sha256:491901da531d
          1. store: recreate (one process alone may open its data)
               start store-r2-0; stop store-r1-0
          2. auth: rolling, start first (any instance can answer)
               start auth-r2-0; stop auth-r1-0
               start auth-r2-1; stop auth-r1-1
               route r1 0 %, r2 100 %
          3. game: blue-green (running matches move, or finish where they are)
               start game-r2-0 game-r2-1; stop game-r1-0 game-r1-1
               route r1 0 %, r2 100 %
          4. gateway: rolling, start first (sessions move to the replacement)
               start gateway-r2-0; stop gateway-r1-0
               route r1 0 %, r2 100 %
          free match slots: 8 now, 8 at the least, floor 0
          3 replace (start first) · 1 replace (stop first) · 6 start, 6 stop · digest DIGEST
    "]],
    );
}

#[test]
fn a_count_alone_restarts_nothing() {
    let old = release(1, ARENA, "a");
    let more = ARENA.replace("auth: { instances: 2", "auth: { instances: 4");
    check(
        &release(2, &more, "a"),
        &running(&old),
        &expect![[r"
        local (dev): r1 -> r2
          ~ auth: scale, 2 -> 4
              [in-place] instances: 2 -> 4
          1. auth: rolling, start first (what it runs stays the same)
               start auth-r1-2 auth-r1-3
          free match slots: 8 now, 8 at the least, floor 0
          1 scale · 3 keep · 2 start, 0 stop · digest DIGEST
    "]],
    );
    let less = ARENA.replace("auth: { instances: 2", "auth: { instances: 1");
    check(
        &release(2, &less, "a"),
        &running(&old),
        &expect![[r"
        local (dev): r1 -> r2
          ~ auth: scale, 2 -> 1
              [in-place] instances: 2 -> 1
          1. auth: rolling, start first (what it runs stays the same)
               stop auth-r1-1
          free match slots: 8 now, 8 at the least, floor 0
          1 scale · 3 keep · 0 start, 1 stop · digest DIGEST
    "]],
    );
}

#[test]
fn a_changed_file_restarts_the_services_that_find_it() {
    let yaml = format!("configs: {{ motd: {{ from: motd.txt }} }}\n{ARENA}")
        .replace("auth: {", "auth: { configs: [motd],");
    check(
        &release(2, &yaml, "motd=good evening"),
        &running(&release(1, &yaml, "motd=hello")),
        &expect![[r"
            local (dev): r1 -> r2
              ~ auth: replace, 2 -> 2
                  [restart ] configs.motd: sha b3db2e1d34d4 -> sha fdcbb6c498c6
              1. auth: rolling, start first (any instance can answer)
                   start auth-r2-0; stop auth-r1-0
                   start auth-r2-1; stop auth-r1-1
                   route r1 0 %, r2 100 %
              free match slots: 8 now, 8 at the least, floor 0
              1 replace (start first) · 3 keep · 2 start, 2 stop · digest DIGEST
        "]],
    );
}

#[test]
fn settings_that_restart_nothing_are_marked() {
    let old = release(1, ARENA, "a");
    let yaml = ARENA.replace("capacity: 4", "capacity: 4, drain: { deadline: 20m }")
        + "rules: { match: { frag_limit: 10 } }\n";
    check(
        &release(2, &yaml, "a"),
        &running(&old),
        &expect![[r"
        local (dev): r1 -> r2
          ~ game: update, 2 -> 2
              [none    ] drain.deadline: 10m -> 20m
              [in-place] rules.match.frag_limit: unset -> 10
          free match slots: 8 now, 8 at the least, floor 0
          1 update · 3 keep · 0 start, 0 stop · digest DIGEST
    "]],
    );
}

#[test]
fn a_service_that_is_no_longer_named_goes_away_last() {
    let old = release(1, ARENA, "a");
    let yaml = ARENA
        .replace("  auth: { instances: 2, after: [store] }\n", "")
        .replace("[auth, game]", "[game]");
    check(
        &release(2, &yaml, "a"),
        &running(&old),
        &expect![[r#"
        local (dev): r1 -> r2
          - auth: remove, 2 -> 0
          ~ gateway: update, 1 -> 1
              [none    ] after: ["auth","game"] -> ["game"]
          1. auth: rolling, stop first (it is no longer in the spec)
               stop auth-r1-0 auth-r1-1
          free match slots: 8 now, 8 at the least, floor 0
          1 update · 1 remove · 2 keep · 0 start, 2 stop · digest DIGEST
    "#]],
    );
}

#[test]
fn what_died_is_started_again_and_strays_are_stopped() {
    let old = release(2, ARENA, "a");
    let mut observed = running(&old);
    instances(&mut observed, "game")[0].state = UnitState::Failed;
    let mut stray = instances(&mut observed, "auth")[0].clone();
    stray.instance = "auth-r1-0".parse().unwrap();
    stray.release = arena_types::ReleaseId(1);
    instances(&mut observed, "auth").push(stray);
    check(
        &old,
        &observed,
        &expect![[r"
        local (dev): r2 -> r2
          ! auth: repair, 3 -> 2
          ! game: repair, 1 -> 2
          1. auth: rolling, start first (what it runs stays the same)
               stop auth-r1-0
          2. game: rolling, start first (what it runs stays the same)
               start game-r2-2; stop game-r2-0
          free match slots: 4 now, 4 at the least, floor 0
          2 scale · 2 keep · 1 start, 2 stop · digest DIGEST
    "]],
    );
}

#[test]
fn an_older_release_comes_back_on_its_stopped_instances() {
    let (old, new) = (release(1, ARENA, "a"), release(2, ARENA, "b"));
    let mut observed = running(&new);
    observed.releases.insert(old.id, old.clone());
    let mut stopped = instances(&mut observed, "game")[0].clone();
    stopped.instance = "game-r1-0".parse().unwrap();
    (stopped.release, stopped.state) = (old.id, UnitState::Stopped);
    instances(&mut observed, "game").push(stopped);
    check(
        &old,
        &observed,
        &expect![[r"
        local (dev): r2 -> r1
          ~ auth: replace, 2 -> 2
              [restart ] artifact: sha256:6b122a09657a -> sha256:cb19cd642c6e
          ~ game: replace, 2 -> 2
              [restart ] artifact: sha256:79660cdf0a6d -> sha256:49d7b278386d
          ~ gateway: replace, 1 -> 1
              [restart ] artifact: sha256:7fe98fc2583f -> sha256:2e874414280a
          ~ store: replace, 1 -> 1
              [restart ] artifact: sha256:491901da531d -> sha256:3df14b784fa7
          1. store: recreate (one process alone may open its data)
               start store-r1-0; stop store-r2-0
          2. auth: rolling, start first (any instance can answer)
               start auth-r1-0; stop auth-r2-0
               start auth-r1-1; stop auth-r2-1
               route r1 100 %, r2 0 %
          3. game: blue-green (running matches move, or finish where they are)
               start game-r1-0 game-r1-1; stop game-r2-0 game-r2-1
               route r1 100 %, r2 0 %
          4. gateway: rolling, start first (sessions move to the replacement)
               start gateway-r1-0; stop gateway-r2-0
               route r1 100 %, r2 0 %
          free match slots: 8 now, 8 at the least, floor 0
          3 replace (start first) · 1 replace (stop first) · 6 start, 6 stop · digest DIGEST
    "]],
    );
}

const GPU: &str = "
services:
  game: { kind: matches, instances: 2, capacity: 4, resources: { gpus: 1 } }
";

#[test]
fn the_strategy_follows_the_free_gpus() {
    let (old, new) = (release(1, GPU, "a"), release(2, GPU, "b"));
    let mut observed = running(&old);
    for (free, expect) in [
        (
            2,
            expect![[r"
        local (dev): r1 -> r2
          ~ game: replace, 2 -> 2
              [restart ] artifact: sha256:49d7b278386d -> sha256:79660cdf0a6d
          1. game: blue-green (running matches move, or finish where they are)
               start game-r2-0 game-r2-1; stop game-r1-0 game-r1-1
               route r1 0 %, r2 100 %
          GPUs: 2 needed, 2 free of 4
          free match slots: 8 now, 8 at the least, floor 0
          1 replace (start first) · 2 start, 2 stop · digest DIGEST
    "]],
        ),
        (
            1,
            expect![[r"
                local (dev): r1 -> r2
                  ~ game: replace, 2 -> 2
                      [restart ] artifact: sha256:49d7b278386d -> sha256:79660cdf0a6d
                  1. game: rolling, start first (2 NVIDIA-GPU needed, 1 free: 1 at a time)
                       start game-r2-0; stop game-r1-0
                       start game-r2-1; stop game-r1-1
                       route r1 0 %, r2 100 %
                  GPUs: 1 needed, 1 free of 3
                  free match slots: 8 now, 8 at the least, floor 0
                  1 replace (start first) · 2 start, 2 stop · digest DIGEST
            "]],
        ),
        (
            0,
            expect![[r"
                local (dev): r1 -> r2
                  ~ game: replace, 2 -> 2
                      [restart ] artifact: sha256:49d7b278386d -> sha256:79660cdf0a6d
                  1. game: rolling, stop first (2 NVIDIA-GPU needed, 0 free: an old instance stops first)
                       start game-r2-0; stop game-r1-0
                       start game-r2-1; stop game-r1-1
                       route r1 0 %, r2 100 %
                  GPUs: 0 needed, 0 free of 2
                  free match slots: 8 now, 4 at the least, floor 0
                  1 replace (stop first) · 2 start, 2 stop · digest DIGEST
            "]],
        ),
    ] {
        observed.nodes = vec![node(2 + free, free)];
        check(&new, &observed, &expect);
    }
}

#[test]
fn what_can_never_fit_is_refused_all_at_once() {
    let yaml = "
services:
  game: { kind: matches, instances: 2, capacity: 4, resources: { gpus: 4, memory: 512GiB } }
  trainer: { instances: 3, resources: { gpus: 2, cpu: 64 } }
  tiny: { resources: { gpus: 9 } }
";
    let mut observed = Observed::empty("local".parse().unwrap());
    observed.nodes = vec![node(4, 4), node(4, 4)];
    let mut wanted = release(1, yaml, "a");
    wanted.artifacts.remove(&"tiny".parse().unwrap());
    check(
        &wanted,
        &observed,
        &expect![[r"
            error: an instance of game needs 512GiB of memory, the largest node (node-1) has 64GiB
              help: set `services.game.resources.memory` to 64GiB or less
            error: an instance of tiny needs 9 NVIDIA-GPU, the largest node (node-1) has 4
              help: set `services.tiny.resources.gpus` to 4 or less
            error: trainer needs 6 NVIDIA-GPU for 3 instances, the region (node-1, node-1) has 0 for it
              help: lower `services.trainer.instances` or its `resources.gpus`, or add a node
            error: an instance of trainer needs 64 cores, the largest node (node-1) has 16
              help: set `services.trainer.resources.cpu` to 16 or less
            error: release r1 has no artifact for `tiny`
              help: build `services.tiny.binary`, or push its image, and deploy again
        "]],
    );
}

#[test]
fn the_floor_of_free_slots_is_kept() {
    let yaml = format!("{GPU}deploy: {{ joinable_floor: 5 }}\n");
    let (old, new) = (release(1, &yaml, "a"), release(2, &yaml, "b"));
    let mut observed = running(&old);
    observed.nodes = vec![node(2, 0)];
    check(
        &new,
        &observed,
        &expect![[r"
        error: free match slots would fall to 4, the floor is 5
          help: wait until fewer matches run, add instances, or lower `deploy.joinable_floor`
    "]],
    );
}

#[test]
fn canary_steps_are_shown() {
    let yaml = ARENA.replace("capacity: 4", "capacity: 4, weights: [10, 50, 100]");
    let observed = running(&release(1, &yaml, "a"));
    let text = shown(&release(2, &yaml, "b"), &observed);
    let routes: Vec<_> = text.lines().filter(|it| it.contains(" | ")).collect();
    expect!["       route r1 90 %, r2 10 % | r1 50 %, r2 50 % | r1 0 %, r2 100 %"]
        .assert_eq(&routes.join("\n"));
}

#[test]
fn figures_that_change_by_the_second_do_not_make_a_plan_stale() {
    let (old, new) = (release(1, ARENA, "a"), release(2, ARENA, "b"));
    let mut observed = running(&old);
    let before = plan(&new, &observed, Seed(1)).unwrap();
    for game in instances(&mut observed, "game") {
        (game.matches, game.sessions) = (1, 7);
    }
    let after = plan(&new, &observed, Seed(2)).unwrap();
    assert_eq!(before.digest, after.digest);
    assert_ne!((before.rollout, before.waiting), (after.rollout, after.waiting));
    instances(&mut observed, "game")[0].state = UnitState::Failed;
    assert_ne!(plan(&new, &observed, Seed(1)).unwrap().digest, before.digest);
}

#[test]
fn a_plan_reads_back() {
    let plan = plan(&release(2, ARENA, "b"), &running(&release(1, ARENA, "a")), Seed(7)).unwrap();
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
}

fn any_region() -> impl Strategy<Value = (Release, Observed)> {
    let states = prop::sample::select(vec![
        UnitState::Starting,
        UnitState::Ready,
        UnitState::Draining,
        UnitState::Empty,
        UnitState::Stopped,
        UnitState::Failed,
    ]);
    let seen = prop::collection::vec((0_usize..4, 1_u32..4, 0_u32..4, states, 0_u32..3), 0..12);
    (seen, 0_u32..4, any::<bool>()).prop_map(|(seen, free, rebuilt)| {
        let yaml = ARENA.replace("capacity: 4", "capacity: 4, resources: { gpus: 1 }");
        let releases = [1, 2, 3].map(|id| release(id, &yaml, if id == 2 { "b" } else { "a" }));
        let mut observed = Observed::empty("local".parse().unwrap());
        observed.nodes = vec![node(8, free)];
        for (service, id, index, state, matches) in seen {
            let name = ["store", "auth", "game", "gateway"][service];
            let service = observed.services.entry(name.parse().unwrap()).or_default();
            let instance = format!("{name}-r{id}-{index}").parse().unwrap();
            service.instances.retain(|it| it.instance != instance);
            service.instances.push(crate::observed::ObservedInstance {
                instance,
                release: arena_types::ReleaseId(id),
                state,
                sessions: matches,
                matches: if name == "game" { matches } else { 0 },
                capacity: 4,
                node: None,
            });
            service.weights = Weights::from([(arena_types::ReleaseId(id), 100)]);
        }
        for release in releases {
            observed.releases.insert(release.id, release);
        }
        observed.current = Some(arena_types::ReleaseId(3));
        (release(4, &yaml, if rebuilt { "c" } else { "a" }), observed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever runs: a plan is a function of its arguments, the linter finds nothing in it, and once
    /// it is carried out there is nothing left to do.
    #[test]
    fn a_plan_is_sound((wanted, observed) in any_region()) {
        let first = match plan(&wanted, &observed, Seed(3)) {
            Err(errors) => {
                let busy = errors.iter().all(|it| matches!(it, PlanError::NoFreeGpus { .. }));
                prop_assert!(busy, "{errors:?}");
                return Ok(());
            }
            Ok(plan) => plan,
        };
        prop_assert_eq!(&plan(&wanted, &observed, Seed(3)).unwrap(), &first);
        prop_assert_eq!(crate::lint::lint(&first, &wanted, &observed), []);
        let mut after = observed.clone();
        after.current = Some(wanted.id);
        after.releases.insert(wanted.id, wanted.clone());
        for stage in &first.stages {
            let service = after.services.entry(stage.service.clone()).or_default();
            for batch in &stage.batches {
                service.instances.retain(|it| batch.stop.iter().all(|stop| stop.instance != it.instance));
                service.instances.retain(|it| batch.start.iter().all(|start| start.instance != it.instance));
                service.instances.extend(batch.start.iter().map(|it| {
                    crate::observed::ObservedInstance {
                        instance: it.instance.clone(),
                        release: it.release,
                        state: UnitState::Ready,
                        sessions: 0,
                        matches: 0,
                        capacity: 4,
                        node: None,
                    }
                }));
            }
            if let Some(weights) = stage.weights.last() {
                service.weights = weights.clone();
            }
        }
        let second = plan(&wanted, &after, Seed(3)).unwrap();
        prop_assert!(second.stages.is_empty(), "{}", text(&second));
    }
}
