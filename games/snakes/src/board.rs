//! One match: what is where, and what a tick does to it.

use std::collections::VecDeque;

use arena_sdk::{Event, Input, SeatInputs, TickOutput, buttons};

use crate::SNAKES;
use crate::random::draw;
use crate::rules::Rules;

/// Cells of a snake, at most; food still is a point then.
pub(crate) const LENGTH_MAX: usize = 64;
/// Food that lies about, at most.
pub(crate) const FOOD: usize = 16;
/// How far a stick must be out to turn a snake.
const STICK_MIN: i8 = 64;
/// Places looked at for a new snake.
const PLACES: u32 = 4;
/// What is drawn for food, from here on; below it for snakes.
const FOOD_DRAWS: u32 = 1 << 8;
/// The first byte of the event of a snake that ate; its seat follows.
const ATE: u8 = 1;

/// A cell of the board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) x: u8,
    pub(crate) y: u8,
}

/// Where a snake looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Heading {
    #[default]
    Right,
    Down,
    Left,
    Up,
}

impl Heading {
    pub(crate) const ALL: [Self; 4] = [Self::Right, Self::Down, Self::Left, Self::Up];

    pub(crate) fn is_opposite(self, other: Self) -> bool {
        self as u8 ^ 2 == other as u8
    }

    /// Returns where a stick points, if it is out far enough.
    fn of(input: Input) -> Option<Self> {
        let (x, y) = (input.move_x.saturating_abs(), input.move_y.saturating_abs());
        let [right, down] = [input.move_x > 0, input.move_y > 0];
        (x.max(y) >= STICK_MIN).then_some(match (x >= y, right, down) {
            (true, true, _) => Self::Right,
            (true, false, _) => Self::Left,
            (false, _, true) => Self::Down,
            (false, _, false) => Self::Up,
        })
    }
}

/// One seat's snake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snake {
    pub(crate) taken: bool,
    pub(crate) bot: bool,
    /// Where it went last.
    pub(crate) heading: Heading,
    /// Where it goes next, never back into itself.
    pub(crate) wanted: Heading,
    /// The head first; empty while it waits.
    pub(crate) body: VecDeque<Cell>,
    /// Cells that it still grows by.
    pub(crate) growing: u32,
    /// Ticks until it starts anew, while it is dead.
    pub(crate) wait: u32,
    pub(crate) points: u16,
    pub(crate) deaths: u16,
}

/// A match. Only what is here is saved, hashed and restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Board {
    pub(crate) tick: u32,
    pub(crate) seed: u32,
    pub(crate) snakes: [Snake; SNAKES],
    pub(crate) food: [Option<Cell>; FOOD],
}

impl Board {
    pub(crate) fn new(seed: u32) -> Self {
        Self { tick: 0, seed, snakes: Default::default(), food: [None; FOOD] }
    }

    pub(crate) fn is_over(&self, rules: &Rules) -> bool {
        self.tick >= rules.time_limit_ticks
    }

    /// Advances by one tick; a match that is over stays as it is.
    pub(crate) fn step(&mut self, inputs: &SeatInputs, rules: &Rules, output: &mut TickOutput) {
        output.reset(self.tick, true);
        if self.is_over(rules) {
            return;
        }
        self.tick += 1;
        for (snake, input) in self.snakes.iter_mut().zip(inputs) {
            snake.listen(*input);
        }
        self.start_anew(rules);
        if self.tick.is_multiple_of(rules.step_ticks) {
            self.advance(rules, &mut output.events);
        }
        self.serve_food(rules);
        (output.tick, output.finished) = (self.tick, self.is_over(rules));
    }

    /// Returns the seat whose body is on a cell.
    pub(crate) fn owner(&self, cell: Cell) -> Option<usize> {
        self.snakes.iter().position(|it| it.body.contains(&cell))
    }

    /// Puts the snakes on the board whose wait is over, far from the others.
    fn start_anew(&mut self, rules: &Rules) {
        for seat in 0..SNAKES {
            let snake = &mut self.snakes[seat];
            snake.wait = snake.wait.saturating_sub(1);
            if !snake.taken || snake.wait > 0 || !snake.body.is_empty() {
                continue;
            }
            let Some(cell) = self.free_place(seat, rules) else { continue };
            let snake = &mut self.snakes[seat];
            snake.body.push_front(cell);
            snake.growing = rules.start_length - 1;
            // The way to the farther side.
            snake.heading = if cell.x < rules.width / 2 { Heading::Right } else { Heading::Left };
            snake.wanted = snake.heading;
        }
    }

    fn free_place(&self, seat: usize, rules: &Rules) -> Option<Cell> {
        let places = (0..PLACES).map(|place| self.cell(seat as u32 * PLACES + place, rules));
        let heads = || self.snakes.iter().filter_map(|it| it.body.front());
        let room = |cell: &Cell| {
            let away = heads().map(|it| cell.x.abs_diff(it.x).max(cell.y.abs_diff(it.y)));
            away.min().unwrap_or(u8::MAX)
        };
        places
            .filter(|it| self.owner(*it).is_none() && !self.food.contains(&Some(*it)))
            .max_by_key(room)
    }

    /// Draws a cell.
    fn cell(&self, what: u32, rules: &Rules) -> Cell {
        let drawn = draw(self.seed, self.tick, what);
        let of = |number: u32, side: u8| (number % u32::from(side)) as u8;
        Cell { x: of(drawn & 0xffff, rules.width), y: of(drawn >> 16, rules.height) }
    }

    /// Moves all snakes a cell at once, then sees who ran into what. Nothing depends on the order of seats.
    fn advance(&mut self, rules: &Rules, events: &mut Vec<Event>) {
        let mut heads: [Option<Cell>; SNAKES] = [None; SNAKES];
        let mut moving = [false; SNAKES];
        for (seat, snake) in self.snakes.iter_mut().enumerate() {
            let Some(head) = snake.body.front().copied() else { continue };
            snake.heading = snake.wanted;
            moving[seat] = true;
            heads[seat] = next(head, snake.heading, rules);
            if snake.growing > 0 && snake.body.len() < LENGTH_MAX {
                snake.growing -= 1;
            } else {
                snake.body.pop_back();
            }
        }
        // What each ran into, seen before anyone is taken away.
        let fates: [Option<usize>; SNAKES] = std::array::from_fn(|seat| {
            let Some(head) = heads[seat].filter(|_| moving[seat]) else {
                return moving[seat].then_some(seat); // a wall
            };
            let meets = |other: &usize| *other != seat && heads[*other] == Some(head);
            self.owner(head).or_else(|| (0..SNAKES).find(meets).map(|_| seat))
        });
        for seat in (0..SNAKES).filter(|it| moving[*it]) {
            match (fates[seat], heads[seat]) {
                (Some(killer), _) => self.die(seat, killer, rules, events),
                (None, Some(head)) => self.arrive(seat, head, rules, events),
                (None, None) => {}
            }
        }
    }

    fn die(&mut self, seat: usize, killer: usize, rules: &Rules, events: &mut Vec<Event>) {
        let snake = &mut self.snakes[seat];
        snake.body.clear();
        snake.growing = 0;
        snake.wait = rules.respawn_ticks;
        snake.deaths = snake.deaths.saturating_add(1);
        if killer != seat {
            let points = &mut self.snakes[killer].points;
            *points = points.saturating_add(rules.kill_points);
        }
        events.push(Event::Kill { killer: killer as u8, victim: seat as u8 });
    }

    fn arrive(&mut self, seat: usize, head: Cell, rules: &Rules, events: &mut Vec<Event>) {
        let snake = &mut self.snakes[seat];
        snake.body.push_front(head);
        let Some(food) = self.food.iter_mut().find(|it| **it == Some(head)) else { return };
        *food = None;
        snake.growing = (snake.growing + rules.growth).min(LENGTH_MAX as u32);
        snake.points = snake.points.saturating_add(1);
        events.push(Event::Own(vec![ATE, seat as u8]));
    }

    /// Lays food where there is too little; a place that is taken is tried again at the next tick.
    fn serve_food(&mut self, rules: &Rules) {
        for index in 0..rules.food {
            let cell = self.cell(FOOD_DRAWS + index as u32, rules);
            let is_free = self.owner(cell).is_none() && !self.food.contains(&Some(cell));
            if self.food[index].is_none() && is_free {
                self.food[index] = Some(cell);
            }
        }
    }
}

impl Snake {
    /// Takes what its player does in this tick.
    fn listen(&mut self, input: Input) {
        if input.buttons & buttons::LEAVE != 0 {
            *self = Self::default();
        }
        if input.buttons & buttons::JOIN != 0 {
            self.taken = true;
            self.bot = input.buttons & buttons::BOT != 0;
        }
        let turn = Heading::of(input).filter(|it| !it.is_opposite(self.heading));
        if let Some(wanted) = turn.filter(|_| !self.body.is_empty()) {
            self.wanted = wanted;
        }
    }
}

/// Returns the cell beside another; `None` beyond the board.
pub(crate) fn next(cell: Cell, heading: Heading, rules: &Rules) -> Option<Cell> {
    let Cell { x, y } = cell;
    let (x, y) = match heading {
        Heading::Right => (x + 1, y),
        Heading::Down => (x, y + 1),
        Heading::Left => (x.checked_sub(1)?, y),
        Heading::Up => (x, y.checked_sub(1)?),
    };
    (x < rules.width && y < rules.height).then_some(Cell { x, y })
}
