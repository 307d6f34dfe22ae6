//! What a viewer sees: the whole board, as what changed since the frame that it holds.
//!
//! docs/games.md has the layout; `services/gateway/page/games/snakes.js` reads it.

use arena_sdk::{Frame, Sent};

use crate::SNAKES;
use crate::board::{Board, Cell, FOOD, Heading, Snake};

/// Bits of the byte that says how a snake is.
const TAKEN: u8 = 1;
const BOT: u8 = 2;

/// A board as viewers see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    tick: u32,
    snakes: [Vec<u8>; SNAKES],
    food: Vec<u8>,
}

impl View {
    pub(crate) fn of(board: &Board) -> Self {
        let food = board.food.iter().take(FOOD).flatten();
        Self {
            tick: board.tick,
            snakes: board.snakes.each_ref().map(shown),
            food: food.flat_map(|it| [it.x, it.y]).collect(),
        }
    }

    /// Returns the body of a frame: what differs from `base`.
    fn encode(&self, base: &Self) -> Vec<u8> {
        let changed = |seat: &usize| self.snakes[*seat] != base.snakes[*seat];
        let mut body = vec![(0..SNAKES).filter(changed).fold(0, |mask, seat| mask | 1 << seat)];
        for seat in (0..SNAKES).filter(changed) {
            body.extend(&self.snakes[seat]);
        }
        if self.food == base.food {
            body.push(0);
        } else {
            body.push(1 + self.food.len() as u8 / 2);
            body.extend(&self.food);
        }
        body
    }
}

/// Returns a snake as a frame has it: flags, wait, points, deaths, length, the head, then the way to the tail in
/// two bits a cell.
fn shown(snake: &Snake) -> Vec<u8> {
    let flags = (u8::from(snake.taken) * TAKEN) | (u8::from(snake.bot) * BOT);
    let mut bytes = vec![flags];
    // In tenths of a second: it would change at every tick otherwise.
    bytes.push(snake.wait.div_ceil(6).min(u32::from(u8::MAX)) as u8);
    bytes.extend(snake.points.to_le_bytes());
    bytes.extend(snake.deaths.to_le_bytes());
    bytes.push(snake.body.len() as u8);
    let Some(head) = snake.body.front() else { return bytes };
    bytes.extend([head.x, head.y]);
    let cells = snake.body.iter().zip(snake.body.iter().skip(1));
    let way: Vec<u8> = cells.map(|(from, to)| way(*from, *to) as u8).collect();
    bytes.extend(
        way.chunks(4)
            .map(|four| four.iter().enumerate().fold(0, |byte, (at, way)| byte | way << (2 * at))),
    );
    bytes
}

/// Returns the way from a cell to the one beside it.
fn way(from: Cell, to: Cell) -> Heading {
    match (to.x.cmp(&from.x), to.y.cmp(&from.y)) {
        (std::cmp::Ordering::Greater, _) => Heading::Right,
        (std::cmp::Ordering::Less, _) => Heading::Left,
        (_, std::cmp::Ordering::Greater) => Heading::Down,
        _ => Heading::Up,
    }
}

/// What one viewer has been sent.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    pub(crate) sent: Sent<View>,
}

impl Sight {
    /// Returns the next frame, or `None` if the viewer is too far behind for one now.
    pub(crate) fn frame(&mut self, view: &View) -> Option<Frame> {
        if view.tick == 0 || !self.sent.is_due() {
            return None;
        }
        let (baseline, base) = self.sent.baseline(view.tick).unzip();
        let body = view.encode(base.unwrap_or(&View::default()));
        self.sent.push(view.tick, view.clone());
        Some(Frame { tick: view.tick, baseline, body })
    }
}
