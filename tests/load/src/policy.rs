//! How a bot plays: runs about and shoots at the nearest. Cheap, seeded, no genius.

use arena_wire::play::{Controls, View};

/// A bot changes its course every this many inputs.
const COURSE_INPUTS: u32 = 40;

/// Returns what the player on `seat` does; `count` counts its inputs.
#[must_use]
pub(crate) fn controls(view: &View, seat: u8, seed: u64, count: u32) -> Controls {
    let whim = mix(seed ^ u64::from(count / COURSE_INPUTS) << 32);
    let course =
        [(124, 0), (88, 88), (0, 124), (-88, 88), (-124, 0), (-88, -88), (0, -124), (88, -88)];
    let (move_x, move_y) = course[(whim % 8) as usize];
    let me = &view.players[usize::from(seat)];
    let nearest = view
        .players
        .iter()
        .enumerate()
        .filter(|(other, it)| *other != usize::from(seat) && it.here && it.alive)
        .map(|(_, it)| (i32::from(it.x) - i32::from(me.x), i32::from(it.y) - i32::from(me.y)))
        .min_by_key(|(dx, dy)| dx * dx + dy * dy);
    let aim = nearest.map_or((whim >> 8) as u8, |(dx, dy)| turn_towards(dx, dy));
    let buttons = if nearest.is_some() { Controls::FIRE } else { 0 };
    Controls { move_x, move_y, aim, buttons }
}

/// Marks an input by its sequence: the low bits of the course, which nobody feels, differ from those of the 15
/// inputs before and after it. So a replay tells which input a tick was played with.
#[must_use]
pub(crate) fn marked(controls: Controls, seq: u32) -> Controls {
    let [x, y] = [seq, seq >> 2].map(|it| (it & 3) as i8);
    Controls { move_x: controls.move_x & !3 | x, move_y: controls.move_y & !3 | y, ..controls }
}

/// The direction in 1/256 turns, 0 to the right, 64 down.
fn turn_towards(dx: i32, dy: i32) -> u8 {
    let turns = f64::from(dy).atan2(f64::from(dx)) / std::f64::consts::TAU;
    (turns * 256.0).round().rem_euclid(256.0) as u8
}

/// `SplitMix64` (Steele, Lea & Flood 2014): one step, good enough for whims.
pub(crate) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_those_of_the_protocol() {
        for (dx, dy, turn) in [(1, 0, 0), (0, 1, 64), (-1, 0, 128), (0, -1, 192), (5, 5, 32)] {
            assert_eq!(turn_towards(dx, dy), turn, "{dx} {dy}");
        }
    }

    #[test]
    fn an_input_differs_from_its_neighbours_and_takes_nearly_the_same_course() {
        for (move_x, move_y) in [(124, 0), (-88, 88), (0, -124), (-124, 0)] {
            let controls = Controls { move_x, move_y, aim: 9, buttons: 1 };
            let marks: std::collections::BTreeSet<_> = (70..86)
                .map(|seq| marked(controls, seq))
                .map(|it| (it.move_x, it.move_y))
                .inspect(|(x, y)| {
                    assert!((0..4).contains(&(x - move_x)) && (0..4).contains(&(y - move_y)));
                })
                .collect();
            assert_eq!(marks.len(), 16, "{move_x} {move_y}");
        }
    }

    #[test]
    fn a_bot_shoots_at_the_nearest_living_enemy_and_at_nobody_otherwise() {
        let mut view = View::default();
        assert_eq!(controls(&view, 0, 1, 1).buttons, 0);
        for (seat, x, alive) in [(1, 300, true), (2, 200, false), (3, 900, true)] {
            let it = &mut view.players[seat];
            (it.here, it.alive, it.x, it.y) = (true, alive, x, 0);
        }
        let controls = controls(&view, 0, 1, 1);
        assert_eq!((controls.aim, controls.buttons), (0, Controls::FIRE));
    }
}
