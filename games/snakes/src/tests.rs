use std::sync::LazyLock;

use arena_sdk::{Event, Input, SeatInputs, TickOutput, buttons};
use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;

use crate::board::{Board, Cell, Heading, Snake};
use crate::bots;
use crate::random::draw;
use crate::rules::{Rules, rules};
use crate::state::{self, StateError};
use crate::view::{Sight, View};

arena_sdk::conformance!(crate::Snakes);

const RIGHT: Input = Input { move_x: 127, move_y: 0, aim: 0, buttons: 0 };

/// A board with snakes that lie as given, the head first, all looking right.
fn board(bodies: &[&[(u8, u8)]]) -> Board {
    let mut board = Board::new(1);
    for (snake, body) in board.snakes.iter_mut().zip(bodies) {
        snake.taken = true;
        snake.body = body.iter().map(|(x, y)| Cell { x: *x, y: *y }).collect();
    }
    board
}

/// A tick in which every snake moves, without food or new snakes.
fn moved(board: &mut Board, headings: &[Heading]) -> Vec<Event> {
    let rules = Rules { step_ticks: 1, food: 0, ..standard() };
    for (snake, heading) in board.snakes.iter_mut().zip(headings) {
        (snake.heading, snake.wanted) = (*heading, *heading);
    }
    let mut output = TickOutput::default();
    board.step(&SeatInputs::default(), &rules, &mut output);
    output.events
}

fn standard() -> Rules {
    rules(&json!({"version": 1}))
}

#[test]
fn every_way_to_die_and_who_gets_the_credit() {
    use Heading::{Down, Left, Right, Up};
    let kill = |killer, victim| Event::Kill { killer, victim };
    for (name, bodies, headings, expected) in [
        ("into a wall", vec![vec![(31, 5), (30, 5)]], vec![Right], vec![kill(0, 0)]),
        (
            "into another's body",
            vec![vec![(4, 5), (3, 5)], vec![(5, 7), (5, 6), (5, 5), (5, 4)]],
            vec![Right, Down],
            vec![kill(1, 0)],
        ),
        (
            "head to head",
            vec![vec![(4, 5), (3, 5)], vec![(6, 5), (7, 5)]],
            vec![Right, Left],
            vec![kill(0, 0), kill(1, 1)],
        ),
        (
            "through each other",
            vec![vec![(4, 5), (3, 5)], vec![(5, 5), (6, 5)]],
            vec![Right, Left],
            vec![kill(1, 0), kill(0, 1)],
        ),
        (
            "into itself",
            vec![vec![(4, 4), (4, 5), (5, 5), (5, 4), (5, 3)]],
            vec![Right],
            vec![kill(0, 0)],
        ),
        (
            "after a tail that moves on nobody dies",
            vec![vec![(4, 5), (4, 6)], vec![(6, 5), (5, 5)]],
            vec![Right, Up],
            vec![],
        ),
    ] {
        let bodies: Vec<&[(u8, u8)]> = bodies.iter().map(Vec::as_slice).collect();
        assert_eq!(moved(&mut board(&bodies), &headings), expected, "{name}");
    }
}

#[test]
fn food_is_a_point_and_makes_longer_with_the_next_step() {
    let mut board = board(&[&[(4, 5), (3, 5)]]);
    board.food[0] = Some(Cell { x: 5, y: 5 });
    assert_eq!(moved(&mut board, &[Heading::Right]), [Event::Own(vec![1, 0])]);
    assert_eq!((board.snakes[0].points, board.snakes[0].body.len()), (1, 2));
    moved(&mut board, &[Heading::Right]);
    assert_eq!(board.snakes[0].body.len(), 3);
}

#[test]
fn a_snake_turns_left_or_right_but_never_back() {
    let rules = standard();
    for (stick, expected) in [
        ((-127, 0), Heading::Right),
        ((0, 127), Heading::Down),
        ((0, -128), Heading::Up),
        ((10, 63), Heading::Right),
    ] {
        let mut board = board(&[&[(4, 5), (3, 5)]]);
        let mut inputs = SeatInputs::default();
        inputs[0] = Input { move_x: stick.0, move_y: stick.1, ..RIGHT };
        let mut output = TickOutput::default();
        for _ in 0..rules.step_ticks {
            board.step(&inputs, &rules, &mut output);
        }
        assert_eq!(board.snakes[0].heading, expected, "{stick:?}");
    }
}

/// Plays with random sticks and seats that change hands.
fn played(rules: &Rules, seed: u32, ticks: u32) -> Board {
    let mut board = Board::new(seed);
    let mut output = TickOutput::default();
    for tick in 0..ticks {
        let inputs: SeatInputs = std::array::from_fn(|seat| {
            let whim = draw(seed, tick, seat as u32 + 9_000);
            let played = match whim % 40 {
                0 => Input::unpack(whim),
                _ => bots::input(&board, rules, seat, seed),
            };
            let press = match whim % 600 {
                _ if tick == 0 => buttons::JOIN | buttons::BOT,
                1 => buttons::LEAVE,
                2..6 => buttons::JOIN,
                _ => 0,
            };
            Input { buttons: press, ..played }
        });
        board.step(&inputs, rules, &mut output);
    }
    board
}

#[test]
fn matches_take_their_known_course() {
    let small = rules(&json!({"version": 1, "width": 16, "height": 12, "step_ticks": 3,
        "food": 8, "growth": 3, "respawn_ticks": 30}));
    let course = |rules: &Rules, seed| {
        let board = played(rules, seed, 3_000);
        let sum = |of: fn(&Snake) -> u16| board.snakes.iter().map(of).sum::<u16>();
        let hash = state::hash(&board, rules);
        format!("{hash} {} points, {} deaths\n", sum(|it| it.points), sum(|it| it.deaths))
    };
    let text = [course(&standard(), 1), course(&standard(), 2), course(&small, 1)].concat();
    expect![[r"
        26726eaf0f424d48 38 points, 10 deaths
        29dbf4dcc8f80491 46 points, 9 deaths
        b0ec0fa1d4abc325 273 points, 52 deaths
    "]]
    .assert_eq(&text);
}

#[test]
fn a_state_of_another_schema_or_of_other_rules_names_both() {
    let (mine, other) = (standard(), rules(&json!({"version": 3, "growth": 2})));
    let bytes = state::encode(&played(&mine, 1, 500), &mine);
    let error = state::decode(&bytes, &other).unwrap_err();
    let names =
        [format!("{:016x}", mine.hash), format!("{:016x}", other.hash), "version 3".to_owned()];
    assert!(names.iter().all(|it| error.to_string().contains(it)), "{error}");
    let mut newer = bytes;
    newer[4] = 9;
    assert_eq!(state::decode(&newer, &mine), Err(StateError::Schema { found: 9, expected: 1 }));
}

/// Writes the hash anew, so that what is inside is looked at.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let rules = standard();
    let end = bytes.len() - 8;
    if let Err(StateError::Hash { found, .. }) = state::decode(&bytes, &rules) {
        bytes[end..].copy_from_slice(&found.0.to_le_bytes());
    }
    bytes
}

proptest! {
    #[test]
    fn any_match_reads_back_as_it_was(seed in any::<u32>(), ticks in 0..1_500_u32) {
        let rules = rules(&json!({"version": 1, "step_ticks": 2, "respawn_ticks": 20}));
        let board = played(&rules, seed, ticks);
        let bytes = state::encode(&board, &rules);
        prop_assert_eq!(state::decode(&bytes, &rules), Ok(board));
    }

    #[test]
    fn a_state_with_any_word_changed_is_refused_or_goes_on(
        at in any::<prop::sample::Index>(),
        word in prop_oneof![any::<u32>(), 0..2_000_u32],
    ) {
        static STATE: LazyLock<Vec<u8>> =
            LazyLock::new(|| state::encode(&played(&standard(), 5, 900), &standard()));
        let (rules, mut bytes) = (standard(), STATE.clone());
        let at = at.index(bytes.len() / 4) * 4;
        bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        if let Ok(mut board) = state::decode(&signed(bytes), &rules) {
            let mut output = TickOutput::default();
            for _ in 0..200 {
                let inputs = std::array::from_fn(|seat| bots::input(&board, &rules, seat, 1));
                board.step(&inputs, &rules, &mut output);
            }
            let bytes = state::encode(&board, &rules);
            prop_assert_eq!(state::decode(&bytes, &rules), Ok(board));
        }
    }
}

/// Frames with what a page must read in them, for `page/games/snakes.js`.
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/snakes.json");

fn as_the_page_has_it(board: &Board) -> serde_json::Value {
    let snake = |it: &Snake| {
        let body: Vec<_> = it.body.iter().map(|cell| [cell.x, cell.y]).collect();
        json!({"here": it.taken, "bot": it.bot, "alive": !it.body.is_empty(),
            "wait": it.wait.div_ceil(6), "kills": it.points, "deaths": it.deaths, "body": body})
    };
    let food: Vec<_> = board.food.iter().flatten().map(|it| [it.x, it.y]).collect();
    let snakes: Vec<_> = board.snakes.iter().map(snake).collect();
    json!({"tick": board.tick, "snakes": snakes, "food": food})
}

#[test]
fn the_vectors_are_fresh() {
    let rules = rules(&json!({"version": 1, "step_ticks": 2, "growth": 3}));
    let mut sight = Sight::default();
    let frames: Vec<_> = [60, 62, 64, 240, 900, 902]
        .map(|ticks| {
            let board = played(&rules, 3, ticks);
            let frame = sight.frame(&View::of(&board)).unwrap();
            sight.sent.acknowledge(ticks);
            let hex = frame.body.iter().fold(String::new(), |hex, it| format!("{hex}{it:02x}"));
            json!({"baseline": frame.baseline, "hex": hex, "view": as_the_page_has_it(&board)})
        })
        .into();
    let text = serde_json::to_string_pretty(&frames).unwrap() + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(VECTORS, &text).unwrap();
    }
    let stored = std::fs::read_to_string(VECTORS).unwrap_or_default();
    assert!(stored == text, "{VECTORS} is stale: run this test with UPDATE_VECTORS=1");
}
