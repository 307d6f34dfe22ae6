//! Teams, flags, pick-ups, cover and drones, as a player would tell it.
use super::Arena;
use crate::rules::space::METRE;
use crate::{
    FinishReason, FlagEvent, Input, PLAYERS, Path, Rules, SeatInputs, TickEvent, TickOutput,
    WorldView, bots, buttons,
};

const JOIN: Input = Input { move_x: 0, move_y: 0, aim: 0, buttons: buttons::JOIN };

fn arena(rest: &str, seed: u32) -> Arena {
    let rules = Rules::parse(&format!(r#"{{"version": 1{rest}}}"#)).unwrap();
    Arena::new(Path::Avx2, &rules, seed)
}

fn joins(seats: &[usize]) -> SeatInputs {
    let mut all = [Input::default(); PLAYERS];
    for seat in seats {
        all[*seat] = JOIN;
    }
    all
}

/// Returns the input that walks straight to a place.
fn towards(world: &WorldView<'_>, seat: u8, (x, y): (i32, i32)) -> Input {
    let me = world.player(seat);
    let axis = |from: i32, to: i32| ((to - from) >> 9).clamp(-127, 127) as i8;
    Input { move_x: axis(me.x, x), move_y: axis(me.y, y), ..Input::default() }
}

/// Returns the input that fires at a player.
fn fire_at(world: &WorldView<'_>, seat: u8, other: u8) -> Input {
    let (me, other) = (world.player(seat), world.player(other));
    let aim = bots::turn_towards(other.x - me.x, other.y - me.y);
    Input { aim, buttons: buttons::FIRE, ..Input::default() }
}

/// Lets the match run until `over` says so, and returns what happened in each tick.
#[track_caller]
fn run(
    arena: &mut Arena,
    policy: impl Fn(&WorldView<'_>, u8, u32) -> Input,
    over: impl Fn(&WorldView<'_>, &TickOutput) -> bool,
) -> Vec<TickOutput> {
    let mut outputs = Vec::new();
    for _ in 0..3_000 {
        outputs.push(arena.tick(&policy));
        if over(&arena.world(), outputs.last().unwrap()) {
            return outputs;
        }
    }
    panic!("it did not come to an end in {} ticks", outputs.len());
}

fn flag_events(outputs: &[TickOutput]) -> Vec<TickEvent> {
    let events = outputs.iter().flat_map(|it| it.events().collect::<Vec<_>>());
    events.filter(|it| matches!(it, TickEvent::Flag { .. })).collect()
}

#[test]
fn a_team_shoots_the_others_and_wins_together() {
    let rest = r#", "map": "open", "match": {"mode": "team", "frag_limit": 2},
        "weapon": {"damage": 100, "spread": 0, "lifetime_ticks": 300}"#;
    let mut arena = arena(rest, 3);
    arena.step(&joins(&[0, 1, 2]));
    let halves = [0, 1, 2].map(|seat| arena.world().player(seat).x < 32 * METRE);
    assert_eq!(halves, [true, false, true], "each team stands up in its own half");

    // Seat 0 fires at its own team mate for a while: nobody is hurt, unless seat 1 stands in the way.
    let outputs = run(
        &mut arena,
        |world, seat, _| if seat == 0 { fire_at(world, 0, 2) } else { Input::default() },
        |world, _| world.tick() == 300,
    );
    let hurt = outputs.iter().any(|it| it.hit & 0b100 != 0);
    assert!(!hurt, "team mates spare each other");

    let outputs = run(
        &mut arena,
        |world, seat, _| if seat == 1 { Input::default() } else { fire_at(world, seat, 1) },
        |world, _| world.finished().is_some(),
    );
    let world = arena.world();
    assert_eq!(world.finished(), Some(FinishReason::Frags));
    assert_eq!(world.team_scores(), Some([2, 0]));
    let killed = outputs.iter().filter(|it| it.died & 0b10 != 0).count();
    assert_eq!(killed, 2);
    let ranks: Vec<_> = world.standings().iter().map(|it| (it.seat & 1, it.rank)).collect();
    assert_eq!(ranks, [(0, 1), (0, 1), (1, 3)], "a team shares its place");
}

#[test]
fn a_flag_is_taken_dropped_returned_and_captured() {
    let rest = r#", "map": "open", "weapon": {"damage": 255, "spread": 0, "lifetime_ticks": 400},
        "match": {"mode": "capture", "capture_limit": 1, "flag_return_ticks": 3600}"#;
    let mut arena = arena(rest, 5);
    arena.step(&joins(&[0, 1]));
    let [ours, theirs] = arena.world().flags().unwrap();
    assert!(ours.is_home && theirs.is_home && ours.x < 4 * METRE && theirs.x > 60 * METRE);

    let goes = |world: &WorldView<'_>, seat| match seat {
        0 => towards(world, 0, (theirs.x, theirs.y)),
        _ => Input::default(),
    };
    run(&mut arena, |world, seat, _| goes(world, seat), |_, it| it.flags[1] != FlagEvent::None);
    let carried = arena.world().flags().unwrap()[1];
    assert_eq!((carried.carrier, carried.is_home), (Some(0), false));

    // Seat 1 shoots the carrier, then walks over its flag.
    let shoots = |world: &WorldView<'_>, seat| match seat {
        1 => fire_at(world, 1, 0),
        _ => Input::default(),
    };
    let outputs = run(&mut arena, |world, seat, _| shoots(world, seat), |_, it| it.died & 1 != 0);
    let dropped = TickEvent::Flag { team: 1, event: FlagEvent::Dropped { seat: 0 } };
    assert_eq!(flag_events(&outputs), [dropped]);
    let lies = arena.world().flags().unwrap()[1];
    assert_eq!((lies.carrier, lies.is_home), (None, false));
    let fetches = |world: &WorldView<'_>, seat| match seat {
        1 => towards(world, 1, (lies.x, lies.y)),
        _ => Input::default(),
    };
    let outputs = run(
        &mut arena,
        |world, seat, _| fetches(world, seat),
        |world, _| world.flags().unwrap()[1].is_home,
    );
    assert_eq!(flag_events(&outputs), [TickEvent::Flag { team: 1, event: FlagEvent::Returned }]);

    // Seat 1 rests where it is; seat 0 takes the flag again and brings it home.
    let brings = |world: &WorldView<'_>, seat| match seat {
        0 if world.flags().unwrap()[1].carrier == Some(0) => towards(world, 0, (ours.x, ours.y)),
        0 => towards(world, 0, (theirs.x, theirs.y)),
        _ => Input::default(),
    };
    let outputs = run(
        &mut arena,
        |world, seat, _| brings(world, seat),
        |world, _| world.finished().is_some(),
    );
    let taken = TickEvent::Flag { team: 1, event: FlagEvent::Taken { seat: 0 } };
    let captured = TickEvent::Flag { team: 1, event: FlagEvent::Captured { seat: 0 } };
    assert_eq!(flag_events(&outputs), [taken, captured]);
    assert_eq!(arena.world().finished(), Some(FinishReason::Captures));
    assert_eq!(arena.world().team_scores(), Some([1, 0]));
}

#[test]
fn a_carrier_who_leaves_drops_the_flag_and_time_returns_it() {
    let rest = r#", "map": "open", "match": {"mode": "capture", "flag_return_ticks": 30}"#;
    let mut arena = arena(rest, 5);
    arena.step(&joins(&[0]));
    let theirs = arena.world().flags().unwrap()[1];
    let goes = |world: &WorldView<'_>, seat: u8| match seat {
        0 => towards(world, 0, (theirs.x, theirs.y)),
        _ => Input::default(),
    };
    run(&mut arena, |world, seat, _| goes(world, seat), |_, it| it.flags[1] != FlagEvent::None);
    let mut leaves = [Input::default(); PLAYERS];
    leaves[0].buttons = buttons::LEAVE;
    assert_eq!(arena.step(&leaves).flags[1], FlagEvent::Dropped { seat: 0 });
    let rests = |_: &WorldView<'_>, _: u8, _: u32| Input::default();
    let outputs = run(&mut arena, rests, |_, it| it.flags[1] != FlagEvent::None);
    assert_eq!(outputs.last().unwrap().flags[1], FlagEvent::Returned);
    assert_eq!(outputs.len(), 29, "the tick of the drop counts");
}

#[test]
fn pick_ups_heal_who_needs_it_and_boost_anyone() {
    let rest = r#", "map": "open", "player": {"health": 100},
        "weapon": {"damage": 30, "spread": 0, "lifetime_ticks": 400, "cooldown_ticks": 30},
        "pickups": {"count": 2, "health": 50, "respawn_ticks": 200, "boost_ticks": 255}"#;
    let mut arena = arena(rest, 8);
    arena.step(&joins(&[0, 1]));
    let places: Vec<(i32, i32)> = arena
        .world()
        .pickups()
        .map(|it| {
            let middle = |lane: u8| (i32::from(lane) * 4 + 2) * METRE;
            (middle(it.cell & 15), middle(it.cell >> 4))
        })
        .collect();
    let boosts: Vec<bool> = arena.world().pickups().map(|it| it.boosts).collect();
    assert_eq!(boosts, [false, true]);

    // Whoever is well leaves health where it lies.
    let walks = |to: usize| {
        let place = places[to];
        move |world: &WorldView<'_>, seat: u8, _: u32| match seat {
            0 => towards(world, 0, place),
            _ => Input::default(),
        }
    };
    let near = |world: &WorldView<'_>, to: (i32, i32)| {
        let me = world.player(0);
        (me.x - to.0).abs().max((me.y - to.1).abs()) < METRE / 2
    };
    let outputs = run(&mut arena, walks(0), |world, _| near(world, places[0]));
    assert!(outputs.iter().all(|it| it.taken == 0));

    // Boosted shots do double damage; then the victim is healed by the other pick-up.
    run(&mut arena, walks(1), |_, it| it.taken == 1);
    assert_eq!(arena.world().player(0).boost, 255);
    assert_eq!(arena.world().pickups().nth(1).unwrap().wait, 200);
    let fires = |world: &WorldView<'_>, seat: u8, _: u32| match seat {
        0 => fire_at(world, 0, 1),
        _ => Input::default(),
    };
    run(&mut arena, fires, |_, it| it.hit & 0b10 != 0);
    assert_eq!(arena.world().player(1).health, 40);
    let heals = |world: &WorldView<'_>, seat: u8, _: u32| match seat {
        1 => towards(world, 1, places[0]),
        _ => Input::default(),
    };
    run(&mut arena, heals, |_, it| it.taken == 0b10);
    assert_eq!(arena.world().player(1).health, 90);
}

#[test]
fn cover_takes_half_of_the_damage() {
    let covered = ["oooooooooooooooo"; 16];
    for (map, left) in [(serde_json::json!("open"), 69), (serde_json::json!(covered), 84)] {
        let rest = format!(
            r#", "map": {map}, "weapon": {{"damage": 31, "spread": 0, "lifetime_ticks": 400}}"#
        );
        let mut arena = arena(&rest, 8);
        arena.step(&joins(&[0, 1]));
        let fires = |world: &WorldView<'_>, seat: u8, _: u32| match seat {
            0 => fire_at(world, 0, 1),
            _ => Input::default(),
        };
        run(&mut arena, fires, |_, it| it.hit & 0b10 != 0);
        assert_eq!(arena.world().player(1).health, left, "{map}");
    }
}

#[test]
fn drones_find_their_way_bite_kill_and_can_be_shot() {
    let rest = r#", "map": "rooms", "player": {"respawn_ticks": 255, "health": 50},
        "drones": {"count": 8, "health": 36, "respawn_ticks": 3600}"#;
    let mut hunted = arena(rest, 21);
    hunted.step(&joins(&[4]));
    assert_eq!(hunted.world().drones().count(), 1, "they stand up one after the other");
    let rests = |_: &WorldView<'_>, _: u8, _: u32| Input::default();
    let outputs = run(&mut hunted, rests, |_, it| it.died != 0);
    let last = outputs.last().unwrap();
    let killed = TickEvent::Killed { killer: 4, victim: 4 };
    assert!(last.events().any(|it| it == killed), "nobody gets the credit: {last:?}");
    let player = hunted.world().player(4);
    assert_eq!((player.kills, player.deaths), (0, 1));
    assert!(last.tick < 1_500, "they took {} ticks to find the player", last.tick);

    let mut hunter = arena(rest, 21);
    hunter.step(&joins(&[4]));
    let shoots = |world: &WorldView<'_>, seat: u8, _: u32| {
        let me = world.player(seat);
        let nearest = world.drones().min_by_key(|it| (it.x - me.x).abs() + (it.y - me.y).abs());
        let Some(drone) = nearest.filter(|_| seat == 4) else { return Input::default() };
        let aim = bots::turn_towards(drone.x - me.x, drone.y - me.y);
        Input { aim, buttons: buttons::FIRE, ..Input::default() }
    };
    let outputs =
        run(&mut hunter, shoots, |world, _| world.drones().count() < 8 && world.tick() > 9);
    assert!(outputs.iter().any(|it| it.hitters & 1 << 4 != 0));
}
