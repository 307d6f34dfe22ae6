//! `tests/vectors/movement.json`: movement by example, for every other implementation of it.
use serde_json::{Value, json};

use super::Arena;
use crate::rules::hash::rng;
use crate::{Input, Motion, Movement, PLAYERS, Path, Rules, buttons};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/movement.json");

/// Returns inputs that hold a direction for a while, corners and extremes included.
fn input(case: u32, tick: u32) -> Input {
    let random = Input::unpack(rng(case, tick / 12, 3, 0));
    let (move_x, move_y) = match rng(case, tick / 12, 4, 0) % 6 {
        0 => (0, 0),
        1 => (127, 127),
        2 => (-128, random.move_y),
        3 => (random.move_x, 0),
        _ => (random.move_x, random.move_y),
    };
    Input { move_x, move_y, aim: 0, buttons: 0 }
}

fn case(name: &str, document: &Value, number: u32) -> Value {
    let rules = Rules::from_json(document).unwrap();
    let movement = Movement::of(&rules);
    let centre = |cell: i32| (cell << 18) + (2 << 16);
    let mut motion = Motion { x: centre(5), y: centre(0), vx: 0, vy: 0 };
    let start = json!([motion.x, motion.y, motion.vx, motion.vy]);
    let (mut inputs, mut states) = (Vec::new(), Vec::new());
    for tick in 0..240 {
        let input = input(number, tick);
        motion = movement.step(motion, input);
        inputs.push(json!([input.move_x, input.move_y]));
        states.push(json!([motion.x, motion.y, motion.vx, motion.vy]));
    }
    json!({
        "name": name,
        "movement": {
            "radius": movement.radius, "acceleration": movement.acceleration,
            "drag_shift": movement.drag_shift, "speed_max": movement.speed_max,
            "walls": movement.walls,
        },
        "start": start, "inputs": inputs, "states": states,
    })
}

fn vectors() -> String {
    let quick = json!({"version": 1, "map": "rooms", "player": {"radius_mm": 1500,
        "acceleration": 512, "drag_shift": 5, "speed_max_mm_s": 30000}});
    let cases = [
        case("standard", &json!({"version": 1}), 1),
        case("pillars", &json!({"version": 1, "map": "pillars"}), 2),
        case("large and quick in rooms", &quick, 3),
        case("no walls", &json!({"version": 1, "map": "open"}), 4),
    ];
    // One case a line keeps the file small and its changes readable.
    let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
    format!("{{\"cases\": [\n{}\n]}}\n", lines.join(",\n"))
}

#[test]
fn the_published_vectors_are_fresh() {
    let fresh = vectors();
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(FILE).parent().unwrap()).unwrap();
        std::fs::write(FILE, &fresh).unwrap();
    }
    let published = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(published == fresh, "tests/vectors/movement.json is stale: run with UPDATE_VECTORS=1");
}

#[test]
fn the_simulation_moves_players_as_the_vectors_do() {
    let rules = Rules::standard();
    let movement = Movement::of(&rules);
    let mut arena = Arena::new(Path::Avx2, &rules, 9);
    arena.step(&[Input { buttons: buttons::JOIN, ..Input::default() }; PLAYERS]);
    for tick in 0..300 {
        let motion = |arena: &Arena, seat| {
            let it = arena.world().player(seat);
            Motion { x: it.x, y: it.y, vx: it.vx, vy: it.vy }
        };
        let expected: Vec<Motion> = (0..PLAYERS as u8)
            .map(|seat| movement.step(motion(&arena, seat), input(u32::from(seat), tick)))
            .collect();
        arena.tick(|_, seat, _| input(u32::from(seat), tick));
        for (seat, expected) in expected.iter().enumerate() {
            assert_eq!(motion(&arena, seat as u8), *expected, "seat {seat} tick {tick}");
        }
    }
}
