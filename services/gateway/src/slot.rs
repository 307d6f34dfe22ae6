//! The lane of frames: it holds the newest few, and none leaves before its match's start.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use arena_types::Epoch;
use bytes::Bytes;
use tokio::sync::Notify;

/// Frames that wait: a quarter of a second of them. A machine that stalls for a moment then skips none, and who reads
/// slowly is shown what is new.
const FRAMES_MAX: usize = 8;

/// One session's newest frames that were not sent yet, oldest first.
#[derive(Debug, Default)]
pub struct Slot {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Each with its epoch, none above the next one's.
    frames: VecDeque<(u32, Bytes)>,
    is_open: bool,
    /// Times it was cleared.
    round: u32,
    epoch: u32,
    tick: u32,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It waits to be sent.
    Fresh,
    /// It waits to be sent, and the oldest of those before it never will be.
    Replacing,
    /// It is older than what came before: of an owner of the past, or overtaken on the way.
    Stale,
}

impl Slot {
    /// Puts a frame in. A lower epoch, or an older tick of the same epoch, is refused.
    pub fn put(&self, frame: Bytes, epoch: Epoch, tick: u32) -> Kept {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if (epoch.0, tick) <= (state.epoch, state.tick) {
            return Kept::Stale;
        }
        (state.epoch, state.tick) = (epoch.0, tick);
        let is_full = state.frames.len() >= FRAMES_MAX;
        if is_full {
            state.frames.pop_front();
        }
        state.frames.push_back((epoch.0, frame));
        drop(state);
        self.filled.notify_one();
        if is_full { Kept::Replacing } else { Kept::Fresh }
    }

    /// Lets frames out: the client has the start they belong to.
    pub fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_open = true;
        self.filled.notify_one();
    }

    /// Says that the client is told of the owner of `epoch`: no frame of an earlier one is let in any more. Returns
    /// those of earlier ones that wait to be sent, if they may: they leave before that word. What was said in an earlier
    /// [`Self::round`] is of another match and means nothing.
    pub fn raise(&self, epoch: Epoch, round: u32) -> Vec<Bytes> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if round != state.round {
            return Vec::new();
        }
        if epoch.0 > state.epoch {
            (state.epoch, state.tick) = (epoch.0, 0);
        }
        let earlier = state.frames.partition_point(|it| it.0 < epoch.0);
        let waiting = state.frames.drain(..earlier).map(|it| it.1);
        let waiting: Vec<Bytes> = waiting.collect();
        if state.is_open { waiting } else { Vec::new() }
    }

    /// Starts over, with another match or owner: ticks and epochs begin anew, closed until its start.
    pub fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { round: state.round.wrapping_add(1), ..State::default() };
    }

    /// Returns how often it was cleared.
    pub fn round(&self) -> u32 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).round
    }

    fn waiting(&self) -> Vec<Bytes> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_open {
            return Vec::new();
        }
        state.frames.drain(..).map(|it| it.1).collect()
    }

    /// Waits for frames and takes them all, oldest first: what comes later may be of a later owner, which the client is
    /// told of before. Cancel safe.
    pub async fn take(&self) -> Vec<Bytes> {
        loop {
            let filled = self.filled.notified();
            let waiting = self.waiting();
            if !waiting.is_empty() {
                return waiting;
            }
            filled.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [Bytes; 0] = [];

    fn frame(byte: u8) -> Bytes {
        Bytes::from(vec![byte])
    }

    #[tokio::test]
    async fn frames_leave_in_their_order_and_no_epoch_falls() {
        let slot = Slot::default();
        for (byte, epoch, tick, kept) in [
            (1, 1, 10, Kept::Fresh),
            (2, 1, 12, Kept::Fresh),
            (3, 1, 11, Kept::Stale),
            (4, 2, 12, Kept::Fresh),
            (5, 1, 14, Kept::Stale),
        ] {
            assert_eq!(slot.put(frame(byte), Epoch(epoch), tick), kept, "frame {byte}");
        }
        assert_eq!(slot.waiting(), NONE, "the start comes first");
        slot.open();
        assert_eq!(slot.take().await, [frame(1), frame(2), frame(4)]);
        for tick in [14, 16] {
            assert_eq!(slot.put(frame(tick), Epoch(2), u32::from(tick)), Kept::Fresh);
        }
        assert_eq!(slot.put(frame(18), Epoch(3), 18), Kept::Fresh);
        let waiting = slot.raise(Epoch(3), 0);
        assert_eq!(waiting, [frame(14), frame(16)], "they leave before the next owner is told of");
        assert_eq!(slot.raise(Epoch(3), 0), NONE, "what is left is of that epoch");
        assert_eq!(slot.take().await, [frame(18)]);
        assert_eq!(slot.raise(Epoch(4), 0), NONE);
        assert_eq!(slot.put(frame(7), Epoch(3), 20), Kept::Stale);
        slot.clear();
        assert_eq!(slot.raise(Epoch(5), 0), NONE, "a word that waited for a slow reader");
        assert_eq!(slot.put(frame(7), Epoch(1), 1), Kept::Fresh);
        assert_eq!(slot.waiting(), NONE, "another match, another start");
        slot.open();
        assert_eq!(slot.take().await, [frame(7)]);
    }

    #[test]
    fn of_too_many_frames_the_oldest_never_leaves() {
        let slot = Slot::default();
        slot.open();
        for tick in 1..=FRAMES_MAX as u8 + 2 {
            let kept = slot.put(frame(tick), Epoch(1), u32::from(tick));
            let is_full = usize::from(tick) > FRAMES_MAX;
            assert_eq!(kept, if is_full { Kept::Replacing } else { Kept::Fresh }, "{tick}");
        }
        assert_eq!(slot.waiting(), (3..=FRAMES_MAX as u8 + 2).map(frame).collect::<Vec<_>>());
    }
}
