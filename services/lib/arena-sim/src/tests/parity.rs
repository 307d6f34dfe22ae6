//! Every path gives the bits of the specification.
use proptest::prelude::*;

use super::{Arena, restore};
use crate::rules::crowd::pack_drone;
use crate::rules::hit::ROUNDING;
use crate::rules::space::METRE;
use crate::seam::wild_inputs;
use crate::slab::{self, DRONES};
use crate::{Backend, CpuBackend, PLAYERS, Path, Rules, SeatInputs, TickOutput};

/// Any valid rules that make much happen in few ticks.
pub(super) fn any_rules() -> impl Strategy<Value = Rules> {
    let weapon = (1..24u32, 1..16u32, 0..64u32, 1_000..40_000u32, 0..15_000u32, 1..300u32);
    let body = (100..1_500u32, 1..512u32, 1..8u32, 500..30_000u32, 1..60u32, 100..1_500u32);
    let rest = (0..5usize, 0..2usize, 0..3usize, 0..40u32, 1..255u32);
    // Modes; pick-ups: count, respawn, boost; drones: count, health, speed, radius, bite, respawn.
    let pickups = (0..17u32, 1..200u32, 1..255u32);
    let drones = (drones(), 1..255u32, 500..30_000u32, 100..1_500u32, 1..60u32, 1..200u32);
    let rich = (0..3usize, 1..9u32, 1..200u32, pickups, drones);
    (weapon, body, rest, rich).prop_map(|(weapon, body, rest, rich)| {
        let (mode, captures, flag_return, pickups, drones) = rich;
        let (cooldown, pellets, spread, speed, jitter, lifetime) = weapon;
        let (radius, acceleration, drag, speed_max, respawn, hit_radius) = body;
        let (map, walls, capacity, frags, damage) = rest;
        let projectiles = [256, 512, 2048][capacity];
        let walls = ["stop", "bounce"][walls];
        let mode = ["deathmatch", "team", "capture"][mode];
        let document = serde_json::json!({
            "version": 1,
            "map": crate::BUILT_IN_MAPS[map].0,
            "projectiles": projectiles,
            "match": {"time_limit_ticks": 400, "frag_limit": frags,
                "mode": mode, "capture_limit": captures,
                "flag_return_ticks": flag_return},
            "player": {"radius_mm": radius, "acceleration": acceleration, "drag_shift": drag,
                "speed_max_mm_s": speed_max, "respawn_ticks": respawn},
            "weapon": {"cooldown_ticks": cooldown, "pellets": pellets, "spread": spread,
                "speed_mm_s": speed, "speed_jitter_mm_s": jitter, "lifetime_ticks": lifetime,
                "hit_radius_mm": hit_radius, "damage": damage, "walls": walls},
            "pickups": {"count": pickups.0, "respawn_ticks": pickups.1, "boost_ticks": pickups.2},
            "drones": {"count": drones.0, "health": drones.1, "speed_max_mm_s": drones.2,
                "radius_mm": drones.3, "bite_damage": drones.4, "bite_pause_ticks": drones.4,
                "respawn_ticks": drones.5},
        });
        Rules::from_json(&document).unwrap()
    })
}

/// Returns a number of drones; half of all rules have none.
fn drones() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1..65u32]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_path_equals_brute_force_at_every_tick(rules in any_rules(), seed: u32) {
        let mut specification = Arena::new(Path::BruteForce, &rules, seed);
        let mut others = [Path::Portable, Path::Avx2].map(|path| Arena::new(path, &rules, seed));
        for tick in 0..160 {
            let inputs = wild_inputs(seed, tick);
            let expected = specification.step(&inputs);
            let hash = specification.world().state_hash();
            for other in &mut others {
                prop_assert_eq!(other.step(&inputs), expected, "tick {}", tick);
                prop_assert_eq!(other.backend.state_hash(other.handle).unwrap(), hash, "tick {}", tick);
            }
        }
    }

    #[test]
    fn the_order_of_a_batch_changes_nothing(rules in any_rules(), seed: u32) {
        let mut forward = CpuBackend::new();
        let mut backward = CpuBackend::new();
        let seeds = [seed, seed ^ 1, seed ^ 2, seed ^ 3];
        let there: Vec<_> = seeds.iter().map(|s| forward.create(*s, &rules).unwrap()).collect();
        let mut back: Vec<_> = seeds.iter().rev().map(|s| backward.create(*s, &rules).unwrap()).collect();
        back.reverse();
        let mut outputs = [TickOutput::default(); 4];
        for tick in 0..60 {
            let inputs: Vec<SeatInputs> = seeds.iter().map(|s| wild_inputs(*s, tick)).collect();
            forward.step(&there, &inputs, &mut outputs).unwrap();
            let reversed: Vec<_> = back.iter().rev().copied().collect();
            let inputs: Vec<_> = inputs.into_iter().rev().collect();
            let mut mirrored = [TickOutput::default(); 4];
            backward.step(&reversed, &inputs, &mut mirrored).unwrap();
            mirrored.reverse();
            prop_assert_eq!(mirrored, outputs);
        }
        for (a, b) in there.iter().zip(&back) {
            prop_assert_eq!(forward.export(*a).unwrap(), backward.export(*b).unwrap());
        }
    }
}

#[test]
fn the_longest_flights_and_a_clock_that_goes_round_are_the_same_on_every_path() {
    // Births are kept modulo 65536.
    const BEFORE_THE_TURN: u32 = 65_536 - 700;
    let document = r#"{"version": 1, "projectiles": 2048, "map": "open",
        "match": {"frag_limit": 0, "time_limit_ticks": 216000},
        "weapon": {"lifetime_ticks": 1024, "cooldown_ticks": 16, "walls": "bounce", "damage": 1}}"#;
    let rules = Rules::parse(document).unwrap();
    let fresh = Arena::new(Path::Avx2, &rules, 9);
    let mut bytes = fresh.backend.export(fresh.handle).unwrap();
    restore::put(&mut bytes, slab::TICK, BEFORE_THE_TURN);
    let mut arenas = [Path::BruteForce, Path::Portable, Path::Avx2].map(|path| {
        let mut backend = CpuBackend::with_path(path);
        let handle = backend.import(&bytes, &rules).unwrap();
        Arena { backend, handle }
    });
    let mut shortest_left = u16::MAX;
    for tick in 0..1_400 {
        let outputs = arenas.each_mut().map(|it| it.step(&wild_inputs(9, tick)));
        let hashes = arenas.each_ref().map(|it| it.world().state_hash());
        assert!(outputs.iter().all(|it| *it == outputs[0]), "tick {tick}");
        assert!(hashes.iter().all(|it| *it == hashes[0]), "tick {tick}: {hashes:?}");
        let left = arenas[0].world().projectiles().map(|it| it.ticks_left).min();
        shortest_left = shortest_left.min(left.unwrap_or(u16::MAX));
    }
    assert_eq!(shortest_left, 1, "some flew as long as they may");
}

#[test]
fn bites_at_the_very_edge_are_the_same_on_every_path() {
    // Nobody moves: a push of 127 / 128 is none.
    let document = r#"{"version": 1, "map": "open",
        "drones": {"count": 1, "acceleration": 1, "health": 9, "bite_pause_ticks": 1}}"#;
    let rules = Rules::parse(document).unwrap();
    let mut arena = Arena::new(Path::BruteForce, &rules, 9);
    let mut inputs = SeatInputs::default();
    inputs[0].buttons = crate::buttons::JOIN;
    arena.step(&inputs);
    let mut bytes = arena.backend.export(arena.handle).unwrap();
    let (player, drone) = (slab::PLAYER_COLUMNS, slab::drone_columns(512));
    let (x, y) = (20 * METRE, 30 * METRE);
    let edge = rules.compiled().hit_margin - ROUNDING;
    let mut bitten = [0; 2];
    for distance in (edge - 40..edge + 40).flat_map(|it| [it, -it]) {
        let places = [(player, x), (player + PLAYERS, y), (drone, x + distance)];
        for (word, value) in places.into_iter().chain([(drone + DRONES, y)]) {
            restore::put(&mut bytes, word, value as u32);
        }
        restore::put(&mut bytes, drone + 3 * DRONES, pack_drone(9, 1, 0));
        let outcomes = [Path::BruteForce, Path::Portable, Path::Avx2].map(|path| {
            let mut backend = CpuBackend::with_path(path);
            let handle = backend.import(&bytes, &rules).unwrap();
            let mut arena = Arena { backend, handle };
            (arena.step(&SeatInputs::default()), arena.world().state_hash())
        });
        assert!(outcomes.iter().all(|it| *it == outcomes[0]), "{distance}: {outcomes:?}");
        bitten[usize::from(outcomes[0].0.damage[0] != 0)] += 1;
    }
    assert!(bitten.iter().all(|it| *it > 20), "{bitten:?}");
}

#[test]
fn the_fast_path_is_really_taken_where_it_exists() {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        assert_eq!(CpuBackend::new().path(), Path::Avx2);
    }
    assert_eq!(CpuBackend::with_path(Path::Portable).path(), Path::Portable);
}
