//! Bots as a whole, and the geometry below them.
use super::aim::turn_towards;
use super::bot_input;
use super::paths::{cell_of, middle_of, next_step, sees};
use crate::rules::space::METRE;
use crate::tables::direction;
use crate::tests::Arena;
use crate::{Backend, FinishReason, Map, Rules};

#[test]
fn every_direction_is_recognised() {
    for turn in 0..=255u8 {
        let (cos, sin) = direction(u32::from(turn));
        assert_eq!(turn_towards(cos * 100, sin * 100), turn, "{turn}");
    }
    assert_eq!(turn_towards(0, 0), 64, "a point on itself still has an answer");
}

#[test]
fn walls_hide_and_floor_does_not() {
    let map = Map::named("crossfire").unwrap();
    let at = |column: i32, row: i32| (column * 4 * METRE + METRE, row * 4 * METRE + METRE);
    for (from, to, seen) in [
        (at(0, 0), at(15, 0), true),
        (at(0, 2), at(15, 2), false),
        (at(0, 0), at(15, 15), false),
        (at(3, 4), at(3, 8), true),
        (at(3, 7), at(12, 7), false),
        (at(5, 5), at(5, 5), true),
    ] {
        assert_eq!(sees(&map, from, to), seen, "{from:?} {to:?}");
        assert_eq!(sees(&map, to, from), seen, "{to:?} {from:?}");
    }
}

#[test]
fn following_next_steps_arrives_wherever_there_is_a_way() {
    let map = Map::named("rooms").unwrap();
    for goal in map.free_cells() {
        let mut here = 0;
        for _ in 0..64 {
            here = cell_of(next_step(&map, middle_of(here), middle_of(goal)));
            assert!(!map.is_wall(here), "walked into {here} towards {goal}");
        }
        assert_eq!(here, goal);
    }
}

#[test]
fn two_teams_of_bots_capture_flags() {
    let document = r#"{"version": 1, "map": "fort", "pickups": {"count": 8}, "drones": {"count": 6},
        "match": {"mode": "capture", "capture_limit": 2, "time_limit_ticks": 36000}}"#;
    let mut arena = Arena::with_bots(&Rules::parse(document).unwrap(), 7);
    while arena.world().finished().is_none() {
        arena.tick(|world, seat, tick| bot_input(world, seat, 99, tick));
    }
    let world = arena.world();
    assert_eq!(world.finished(), Some(FinishReason::Captures), "{:?}", world.team_scores());
    let kills: u32 = world.players().map(|it| u32::from(it.kills)).sum();
    assert!(kills > 0, "they only ran");
}

#[test]
fn sixteen_bots_fight_until_one_wins() {
    for map in ["crossfire", "pillars", "rooms", "open"] {
        let rules = Rules::parse(&format!(
            r#"{{"version": 1, "map": "{map}", "match": {{"frag_limit": 12}}}}"#
        ))
        .unwrap();
        let mut arena = Arena::with_bots(&rules, 7);
        while arena.world().finished().is_none() {
            arena.tick(|world, seat, tick| bot_input(world, seat, 99, tick));
        }
        let standings = arena.world().standings();
        let ticks = arena.world().tick();
        assert_eq!(standings[0].kills, 12, "{map}: nobody won in {ticks} ticks");
        let alive = standings.iter().filter(|it| it.kills > 0).count();
        assert!(alive >= 10, "{map}: only {alive} of 16 bots ever killed");
        assert!(arena.backend.state_hash(arena.handle).is_ok());
    }
}
