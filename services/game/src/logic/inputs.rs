//! One seat's inputs: waiting for their tick, counted once, limited in rate.

use arena_sdk::{Input, buttons};
use arena_wire::game::v1::{CarriedInputs, WaitingInput};
use arena_wire::play;

/// Ticks an input may wait: a quarter of a second. Clients aim at two to three.
const AHEAD_MAX: u32 = 15;
/// Ticks a player without inputs keeps running as before: a short stall is not seen.
const HOLD_TICKS_MAX: u32 = 12;
/// Inputs a seat may send at once: a TCP stall of 1.5 s, delivered together.
const BUDGET_MAX: u32 = 90 * INPUT_COST;
/// One tick earns five quarters of an input: a client may run a little fast to fill the buffer.
const INPUT_COST: u32 = 4;
const BUDGET_PER_TICK: u32 = 5;
/// What a seat may send at once when its match is gone on with after its owner died: all that a client keeps, eight
/// seconds.
pub const RESENT_BUDGET: u32 = 512 * INPUT_COST;

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts at its tick.
    OnTime,
    /// Its tick had passed: it counts at the next.
    Late,
    /// It was too far ahead: it counts as early as an input may be.
    Early,
    /// Its sequence is not later than one before: dropped.
    Repeated,
    /// Over the rate: dropped.
    TooFast,
}

/// The inputs of one seat.
#[derive(Clone, Debug)]
pub struct InputBuffer {
    waiting: [Option<Waiting>; AHEAD_MAX as usize + 1],
    held: Input,
    held_ticks: u32,
    last_seq: u32,
    counted_seq: u32,
    budget: u32,
    lead: i8,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    tick: u32,
    seq: u32,
    input: Input,
}

impl Default for InputBuffer {
    fn default() -> Self {
        Self {
            waiting: Default::default(),
            held: Input::default(),
            held_ticks: HOLD_TICKS_MAX,
            last_seq: 0,
            counted_seq: 0,
            budget: BUDGET_MAX,
            lead: 0,
        }
    }
}

impl InputBuffer {
    /// Takes an input while `next` is the tick that will be stepped next.
    ///
    /// Of several inputs for one tick the last wins, but a button pressed in any of them counts.
    pub fn push(&mut self, input: &play::Input, next: u32) -> Verdict {
        if input.seq <= self.last_seq {
            return Verdict::Repeated;
        }
        let Some(budget) = self.budget.checked_sub(INPUT_COST) else { return Verdict::TooFast };
        self.budget = budget;
        self.last_seq = input.seq;
        let ahead = i64::from(input.tick.0) - i64::from(next);
        self.lead = ahead.clamp(i64::from(i8::MIN), i64::from(i8::MAX)) as i8;
        let tick = input.tick.0.clamp(next, next.saturating_add(AHEAD_MAX));
        let play::Controls { move_x, move_y, aim, buttons } = input.controls;
        let mut new = Input { move_x, move_y, aim, buttons }.from_client();
        let slot = &mut self.waiting[tick as usize % (AHEAD_MAX as usize + 1)];
        if let Some(old) = slot.filter(|it| it.tick == tick) {
            new.buttons |= old.input.buttons & buttons::CLIENT;
        }
        *slot = Some(Waiting { tick, seq: input.seq, input: new });
        match ahead {
            ..0 => Verdict::Late,
            0..=15 => Verdict::OnTime,
            _ => Verdict::Early,
        }
    }

    /// Returns what the seat does at `tick`, the next one: its input if there is one, else the last
    /// one for a while, else nothing. Call it once a tick.
    pub fn take(&mut self, tick: u32) -> Input {
        self.budget = self.budget.max((self.budget + BUDGET_PER_TICK).min(BUDGET_MAX));
        let slot = &mut self.waiting[tick as usize % (AHEAD_MAX as usize + 1)];
        match slot.take().filter(|it| it.tick == tick) {
            Some(found) => {
                self.held = found.input;
                self.held_ticks = 0;
                self.counted_seq = self.counted_seq.max(found.seq);
            }
            None if self.held_ticks < HOLD_TICKS_MAX => self.held_ticks += 1,
            None => self.held = Input { aim: self.held.aim, ..Input::default() },
        }
        self.held
    }

    /// Returns all of it, for the match's next owner.
    #[must_use]
    pub fn carry(&self) -> CarriedInputs {
        let waiting = self.waiting.iter().flatten().map(|it| WaitingInput {
            tick: it.tick,
            seq: it.seq,
            input: it.input.pack(),
        });
        CarriedInputs {
            held: self.held.pack(),
            held_ticks: self.held_ticks,
            last_seq: self.last_seq,
            counted_seq: self.counted_seq,
            budget: self.budget,
            lead: i32::from(self.lead),
            waiting: waiting.collect(),
        }
    }

    /// Goes on as the owner before left off, while `next` is the tick that will be stepped next.
    ///
    /// # Errors
    /// The name of the value that no buffer can have.
    pub fn restore(carried: &CarriedInputs, next: u32) -> Result<Self, &'static str> {
        let mut buffer = Self {
            held: Input::unpack(carried.held).from_client(),
            held_ticks: carried.held_ticks.min(HOLD_TICKS_MAX),
            last_seq: carried.last_seq,
            counted_seq: carried.counted_seq,
            budget: carried.budget.min(RESENT_BUDGET),
            lead: i8::try_from(carried.lead).map_err(|_| "lead")?,
            ..Self::default()
        };
        if carried.counted_seq > carried.last_seq {
            return Err("counted_seq");
        }
        for it in &carried.waiting {
            if !(next..=next.saturating_add(AHEAD_MAX)).contains(&it.tick)
                || it.seq > carried.last_seq
            {
                return Err("waiting");
            }
            buffer.waiting[it.tick as usize % (AHEAD_MAX as usize + 1)] = Some(Waiting {
                tick: it.tick,
                seq: it.seq,
                input: Input::unpack(it.input).from_client(),
            });
        }
        Ok(buffer)
    }

    /// Returns the sequence of the last input that counted, 0 if none did.
    #[must_use]
    pub fn counted_seq(&self) -> u32 {
        self.counted_seq
    }

    /// Returns the sequence of the last input that came, 0 if none did: a client that comes back sends
    /// those after it again.
    #[must_use]
    pub fn received_seq(&self) -> u32 {
        self.last_seq
    }

    /// Returns how many ticks early the newest input came; negative if it was late.
    #[must_use]
    pub fn lead(&self) -> i8 {
        self.lead
    }
}

#[cfg(test)]
mod tests {
    use arena_types::Tick;
    use proptest::prelude::*;

    use super::*;

    fn input(seq: u32, tick: u32, move_x: i8, buttons: u8) -> play::Input {
        play::Input {
            seq,
            tick: Tick(tick),
            controls: play::Controls { move_x, move_y: 0, aim: 0, buttons },
            ack_tick: Tick(0),
            ack_event: 0,
        }
    }

    #[test]
    fn inputs_wait_for_their_tick() {
        let mut buffer = InputBuffer::default();
        assert_eq!(buffer.push(&input(1, 12, 50, 0), 10), Verdict::OnTime);
        assert_eq!(buffer.lead(), 2);
        let moves: Vec<_> =
            (10..14).map(|tick| (buffer.take(tick).move_x, buffer.counted_seq())).collect();
        assert_eq!(moves, [(0, 0), (0, 0), (50, 1), (50, 1)]);
    }

    #[test]
    fn every_case_of_an_arrival() {
        for (name, seq, tick, verdict, counts_at) in [
            ("a late one counts at the next tick", 6, 3, Verdict::Late, Some(10)),
            ("one for the next tick", 6, 10, Verdict::OnTime, Some(10)),
            ("the earliest possible", 6, 25, Verdict::OnTime, Some(25)),
            ("one far ahead is pulled in", 6, 900, Verdict::Early, Some(25)),
            ("a repeated sequence", 5, 10, Verdict::Repeated, None),
            ("an older sequence", 1, 10, Verdict::Repeated, None),
        ] {
            let mut buffer = InputBuffer::default();
            buffer.push(&input(5, 9, 1, 0), 9);
            buffer.take(9);
            assert_eq!(buffer.push(&input(seq, tick, 77, 0), 10), verdict, "{name}");
            let at = (10..40).find(|tick| buffer.take(*tick).move_x == 77);
            assert_eq!(at, counts_at, "{name}");
        }
    }

    #[test]
    fn of_two_for_one_tick_the_last_wins_but_a_press_counts() {
        let mut buffer = InputBuffer::default();
        buffer.push(&input(1, 4, 10, buttons::FIRE), 5);
        buffer.push(&input(2, 4, 20, 0), 5);
        let taken = buffer.take(5);
        assert_eq!((taken.move_x, taken.buttons), (20, buttons::FIRE));
    }

    #[test]
    fn what_is_sent_again_counts_once_and_at_its_tick() {
        let mut buffer = InputBuffer::default();
        for seq in 1..=6 {
            buffer.push(&input(seq, 10 + seq, seq as i8, 0), 10);
        }
        assert_eq!((buffer.counted_seq(), buffer.received_seq()), (0, 6));
        for (seq, verdict) in [(5, Verdict::Repeated), (6, Verdict::Repeated), (7, Verdict::OnTime)]
        {
            assert_eq!(buffer.push(&input(seq, 10 + seq, 77, 0), 10), verdict, "{seq}");
        }
        let moves: Vec<_> = (11..=17).map(|tick| buffer.take(tick).move_x).collect();
        assert_eq!(moves, [1, 2, 3, 4, 5, 6, 77]);
    }

    #[test]
    fn who_falls_silent_stops_after_a_while() {
        let mut buffer = InputBuffer::default();
        buffer.push(&input(1, 1, 127, buttons::FIRE), 1);
        let runs = (1..100).take_while(|tick| buffer.take(*tick).move_x == 127).count();
        assert_eq!(runs as u32, 1 + HOLD_TICKS_MAX);
    }

    #[test]
    fn a_client_cannot_press_what_belongs_to_the_service() {
        let mut buffer = InputBuffer::default();
        buffer.push(&input(1, 1, 0, 0xff), 1);
        assert_eq!(buffer.take(1).buttons & (buttons::JOIN | buttons::LEAVE | buttons::BOT), 0);
    }

    #[test]
    fn a_flood_is_cut_to_the_rate_of_ticks() {
        let mut buffer = InputBuffer::default();
        let mut seq = 0;
        let mut counted = 0;
        for tick in 1..=600 {
            for _ in 0..10 {
                seq += 1;
                counted +=
                    u32::from(buffer.push(&input(seq, tick, 1, 0), tick) != Verdict::TooFast);
            }
            buffer.take(tick);
        }
        assert!(counted <= 90 + 600 * 5 / 4, "{counted}");
        assert!(counted >= 600, "{counted}");
    }

    proptest! {
        #[test]
        fn the_counted_sequence_never_falls(
            arrivals in prop::collection::vec((0..50_u32, 0..60_u32, 0..3_u32), 0..200),
        ) {
            let mut buffer = InputBuffer::default();
            let (mut next, mut before) = (1, 0);
            for (seq, tick, steps) in arrivals {
                buffer.push(&input(seq, tick, 1, 0), next);
                for _ in 0..steps {
                    buffer.take(next);
                    next += 1;
                }
                prop_assert!(buffer.counted_seq() >= before);
                before = buffer.counted_seq();
            }
        }
    }
}
