//! What one player did and saw in one match, kept until there is a replay of it.

use arena_wire::play::{FrameHead, Input, OwnView, PlayerView, View};

/// Inputs of a match that are kept, half an hour of them; later ones are not judged.
const INPUTS_MAX: usize = 60 * 60 * 30;
/// Of so many frames one is kept: two a second, and all of a moment after a change of owner or connection.
const FRAMES_PER_SIGHT: u32 = 15;
const DENSE_FRAMES: u32 = 30;

/// One player in one match.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diary {
    pub(crate) seat: u8,
    /// Inputs from one start to the next.
    pub(crate) stretches: Vec<Stretch>,
    /// With the epoch of the owner that showed it.
    pub(crate) sights: Vec<(u32, Sight)>,
    frames: u32,
    dense: u32,
    kept: usize,
}

/// Inputs whose sequences follow each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretch {
    /// In the order they were sent.
    pub(crate) sent: Vec<Sent>,
    /// How many of them frames have counted.
    pub(crate) counted: usize,
    /// Sequence of the last one before the first.
    pub(crate) from_seq: u32,
    /// The player left on its own: what it sent last need not count.
    pub(crate) is_left: bool,
}

/// An input: the tick it was meant for, and what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) tick: u32,
    pub(crate) move_x: i8,
    pub(crate) move_y: i8,
    pub(crate) aim: u8,
}

/// What a frame said of the player itself; it is exact in every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) tick: u32,
    pub(crate) own: Option<OwnView>,
    pub(crate) player: PlayerView,
}

impl Diary {
    pub(crate) fn new(seat: u8, input_seq: u32) -> Self {
        let mut diary = Self { seat, ..Self::default() };
        diary.restart(input_seq);
        diary
    }

    /// Goes on with sequences after `input_seq`.
    pub(crate) fn restart(&mut self, input_seq: u32) {
        self.stretches.push(Stretch { from_seq: input_seq, ..Stretch::default() });
        self.changed();
    }

    /// Notes that the player leaves on its own.
    pub(crate) fn left(&mut self) {
        if let Some(stretch) = self.stretches.last_mut() {
            stretch.is_left = true;
        }
    }

    /// Keeps every frame for a moment: the owner or the connection is another.
    pub(crate) fn changed(&mut self) {
        self.dense = DENSE_FRAMES;
    }

    /// Notes an input.
    pub(crate) fn sent(&mut self, input: &Input) {
        let Some(stretch) = self.stretches.last_mut() else { return };
        if self.kept < INPUTS_MAX {
            self.kept += 1;
            let (tick, controls) = (input.tick.0, input.controls);
            let (move_x, move_y, aim) = (controls.move_x, controls.move_y, controls.aim);
            stretch.sent.push(Sent { tick, move_x, move_y, aim });
        }
    }

    /// Notes a frame.
    pub(crate) fn frame(&mut self, head: &FrameHead, view: &View) {
        if let Some(stretch) = self.stretches.last_mut() {
            let counted = head.input_seq.saturating_sub(stretch.from_seq) as usize;
            stretch.counted = stretch.counted.max(counted.min(stretch.sent.len()));
        }
        self.frames += 1;
        let is_dense = self.dense > 0;
        self.dense = self.dense.saturating_sub(1);
        if is_dense || self.frames.is_multiple_of(FRAMES_PER_SIGHT) {
            let player = view.players[usize::from(self.seat)];
            let sight = Sight { tick: head.tick.0, own: view.own, player };
            self.sights.push((head.epoch.0, sight));
        }
    }
}

#[cfg(test)]
mod tests {
    use arena_types::{Epoch, Tick};
    use arena_wire::play::Controls;

    use super::*;

    fn input(seq: u32, tick: u32) -> Input {
        let controls = Controls { move_x: 1, move_y: 2, aim: 3, buttons: 1 };
        Input { seq, tick: Tick(tick), controls, ack_tick: Tick(0), ack_event: 0 }
    }

    fn frame(diary: &mut Diary, tick: u32, input_seq: u32) {
        let head = FrameHead {
            tick: Tick(tick),
            baseline: None,
            input_seq,
            lead: 2,
            finished: false,
            epoch: Epoch(1),
        };
        diary.frame(&head, &View { tick, ..View::default() });
    }

    #[test]
    fn a_start_ends_one_stretch_and_begins_the_next() {
        let mut diary = Diary::new(2, 0);
        (1..=4).for_each(|it| diary.sent(&input(it, 10 + it)));
        frame(&mut diary, 12, 2);
        diary.restart(65_540);
        diary.sent(&input(65_541, 30));
        frame(&mut diary, 30, 65_540);
        frame(&mut diary, 32, 65_541);
        let seen: Vec<_> = diary.stretches.iter().map(|it| (it.sent.len(), it.counted)).collect();
        assert_eq!(seen, [(4, 2), (1, 1)]);
    }

    #[test]
    fn frames_are_kept_now_and_then_and_after_a_change_one_by_one() {
        let mut diary = Diary::new(0, 0);
        (1..=90).for_each(|it| frame(&mut diary, 2 * it, 0));
        assert_eq!(diary.sights.len(), 30 + 4, "45, 60, 75 and 90 after the first thirty");
        diary.changed();
        (91..=95).for_each(|it| frame(&mut diary, 2 * it, 0));
        assert_eq!(diary.sights.len(), 34 + 5);
    }
}
