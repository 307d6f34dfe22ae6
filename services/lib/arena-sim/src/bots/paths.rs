//! Lines of sight and ways around walls.
use crate::map::{Map, Region};
use crate::rules::space::{CELL_SHIFT, METRE, lane};

/// A point in Q16.16 metres.
pub(super) type Point = (i32, i32);

/// No way through 256 cells is longer.
const WAY_MAX: usize = 256;

/// Returns the cell of a point.
pub(super) fn cell_of((x, y): Point) -> u8 {
    (lane(y) * 16 + lane(x)) as u8
}

/// Returns the middle of a cell.
pub(super) fn middle_of(cell: u8) -> Point {
    let middle = |lane: u8| (i32::from(lane) << CELL_SHIFT) + 2 * METRE;
    (middle(cell & 15), middle(cell >> 4))
}

/// Says whether no wall lies between two points: walks the grid as Amanatides & Woo (1987) do.
pub(super) fn sees(map: &Map, from: Point, to: Point) -> bool {
    let axis = |from: i32, to: i32| {
        let cell = lane(from);
        let step = if to >= from { 1 } else { -1 };
        let border = if step > 0 { (cell + 1) << CELL_SHIFT } else { cell << CELL_SHIFT };
        (cell, lane(to), step, i64::from((border - from).abs()), i64::from((to - from).abs()))
    };
    let (mut cell_x, end_x, step_x, mut border_x, span_x) = axis(from.0, to.0);
    let (mut cell_y, end_y, step_y, mut border_y, span_y) = axis(from.1, to.1);
    while (cell_x, cell_y) != (end_x, end_y) {
        let x_first = border_x * span_y < border_y * span_x;
        if cell_y == end_y || cell_x != end_x && x_first {
            cell_x += step_x;
            border_x += 1 << CELL_SHIFT;
        } else {
            cell_y += step_y;
            border_y += 1 << CELL_SHIFT;
        }
        if map.is_wall((cell_y * 16 + cell_x) as u8) {
            return false;
        }
    }
    true
}

/// Returns the middle of the next cell on a shortest way over the floor, or `to` once it is next door.
pub(super) fn next_step(map: &Map, from: Point, to: Point) -> Point {
    let (here, goal) = (cell_of(from), cell_of(to));
    if here == goal || map.is_wall(goal) {
        return to;
    }
    let (column, row) = (here & 15, here >> 4);
    let neighbours = [
        (column < 15).then(|| here + 1),
        (row < 15).then(|| here + 16),
        (column > 0).then(|| here - 1),
        (row > 0).then(|| here - 16),
    ];
    let mut reached = Region::of_cell(goal);
    for _ in 0..WAY_MAX {
        if let Some(next) = neighbours.into_iter().flatten().find(|cell| reached.contains(*cell)) {
            return middle_of(next);
        }
        if !reached.grow(map) {
            break;
        }
    }
    to
}
