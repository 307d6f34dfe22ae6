//! How a bot plays: to the nearest food, by cells that are free.

use arena_sdk::Input;

use crate::board::{Board, Cell, Heading, next};
use crate::random::draw;
use crate::rules::Rules;

/// What bots draw, away from the numbers of the match.
const BOT_DRAWS: u32 = 1 << 16;
/// A bot in so many goes on as it is, so that not all chase the same food.
const WHIM: u32 = 8;

/// Returns what the bot in `seat` does.
pub(crate) fn input(board: &Board, rules: &Rules, seat: usize, seed: u32) -> Input {
    let Some(snake) = board.snakes.get(seat) else { return Input::default() };
    let Some(head) = snake.body.front().copied() else { return Input::default() };
    let is_free = |cell: &Cell| board.owner(*cell).is_none();
    let free = |cell: Cell| {
        let beside = Heading::ALL.into_iter().filter_map(|it| next(cell, it, rules));
        beside.filter(is_free).count()
    };
    let distance = |cell: Cell| {
        let food = board.food.iter().flatten();
        let away =
            food.map(|it| u32::from(it.x.abs_diff(cell.x)) + u32::from(it.y.abs_diff(cell.y)));
        away.min().unwrap_or(0)
    };
    let whim = draw(seed, board.tick / rules.step_ticks, BOT_DRAWS + seat as u32);
    let ways = Heading::ALL.into_iter().filter(|it| !it.is_opposite(snake.heading));
    let best = ways
        .filter_map(|way| Some((way, next(head, way, rules).filter(is_free)?)))
        .min_by_key(|(way, cell)| {
            let stays = whim.is_multiple_of(WHIM) && *way == snake.heading;
            (free(*cell) == 0, !stays, distance(*cell), *way as u8)
        });
    let (move_x, move_y) = match best.map_or(snake.heading, |it| it.0) {
        Heading::Right => (127, 0),
        Heading::Down => (0, 127),
        Heading::Left => (-127, 0),
        Heading::Up => (0, -127),
    };
    Input { move_x, move_y, ..Input::default() }
}
