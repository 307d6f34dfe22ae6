//! The lane of frames: it holds one, the latest wins, and none leaves before its match's start.

use std::sync::{Mutex, PoisonError};

use arena_types::Epoch;
use bytes::Bytes;
use tokio::sync::Notify;

/// One session's newest frame that was not sent yet.
#[derive(Debug, Default)]
pub struct Slot {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    frame: Option<Bytes>,
    is_open: bool,
    epoch: u32,
    tick: u32,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It waits to be sent.
    Fresh,
    /// It waits to be sent, and a frame before it never will be.
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
        let replaced = state.frame.replace(frame).is_some();
        drop(state);
        self.filled.notify_one();
        if replaced { Kept::Replacing } else { Kept::Fresh }
    }

    /// Lets frames out: the client has the start they belong to.
    pub fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_open = true;
        self.filled.notify_one();
    }

    /// Says that frames of `epoch` come next: none of an earlier one is let in any more. Returns the one that waits to
    /// be sent, if it may: it leaves before the client is told of the owner of this epoch.
    pub fn raise(&self, epoch: Epoch) -> Option<Bytes> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if epoch.0 <= state.epoch {
            return None;
        }
        (state.epoch, state.tick) = (epoch.0, 0);
        let waiting = state.frame.take();
        waiting.filter(|_| state.is_open)
    }

    /// Starts over, with another match or owner: ticks and epochs begin anew, closed until its start.
    pub fn clear(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    fn next(&self) -> Option<Bytes> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_open { state.frame.take() } else { None }
    }

    /// Waits for a frame and takes it. Cancel safe.
    pub async fn take(&self) -> Bytes {
        loop {
            let filled = self.filled.notified();
            if let Some(frame) = self.next() {
                return frame;
            }
            filled.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8) -> Bytes {
        Bytes::from(vec![byte])
    }

    #[tokio::test]
    async fn the_latest_wins_and_no_epoch_falls() {
        let slot = Slot::default();
        for (byte, epoch, tick, kept) in [
            (1, 1, 10, Kept::Fresh),
            (2, 1, 12, Kept::Replacing),
            (3, 1, 11, Kept::Stale),
            (4, 2, 12, Kept::Replacing),
            (5, 1, 14, Kept::Stale),
        ] {
            assert_eq!(slot.put(frame(byte), Epoch(epoch), tick), kept, "frame {byte}");
        }
        assert_eq!(slot.next(), None, "the start comes first");
        slot.open();
        assert_eq!(slot.take().await, frame(4));
        assert_eq!(slot.put(frame(6), Epoch(2), 14), Kept::Fresh);
        assert_eq!(
            slot.raise(Epoch(3)),
            Some(frame(6)),
            "it leaves before the next owner is told of"
        );
        assert_eq!(slot.put(frame(7), Epoch(2), 16), Kept::Stale);
        assert_eq!(slot.put(frame(8), Epoch(3), 16), Kept::Fresh);
        assert_eq!(slot.raise(Epoch(3)), None, "it is of that epoch");
        assert_eq!(slot.take().await, frame(8));
        slot.clear();
        assert_eq!(slot.put(frame(7), Epoch(1), 1), Kept::Fresh);
        assert_eq!(slot.next(), None, "another match, another start");
        slot.open();
        assert_eq!(slot.take().await, frame(7));
    }
}
