//! What is told and shown of a match, kept back until its warm copy has the tick.

use std::collections::VecDeque;

/// A tick waits for its copy this long, one tick; then the copy is given up.
pub const WAIT_MS: u64 = 17;
/// Ticks kept back at most, a second: nothing is held longer than [`WAIT_MS`] and what the registry takes.
const HELD_MAX: usize = 60;

/// The gate of one match; `T` is what is told and shown.
#[derive(Debug)]
pub struct Gate<T> {
    is_closed: bool,
    kept: u32,
    /// Tick, when it came, and what is kept back, oldest first.
    held: VecDeque<(u32, u64, T)>,
}

impl<T> Default for Gate<T> {
    fn default() -> Self {
        Self { is_closed: false, kept: 0, held: VecDeque::new() }
    }
}

impl<T> Gate<T> {
    /// Takes what is told and shown of a tick; returns what may go out now.
    pub fn push(&mut self, tick: u32, shown: T, now_ms: u64) -> Vec<T> {
        let may_pass = !self.is_closed || (tick <= self.kept && self.held.is_empty());
        if may_pass {
            return vec![shown];
        }
        self.held.push_back((tick, now_ms, shown));
        let surplus = self.held.len().saturating_sub(HELD_MAX);
        self.held.drain(..surplus).map(|(_, _, it)| it).collect()
    }

    /// Keeps back from now on what the copy does not have.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Keeps back no more; returns what was.
    pub fn open(&mut self) -> Vec<T> {
        self.is_closed = false;
        self.held.drain(..).map(|(_, _, it)| it).collect()
    }

    /// Notes that the copy has all up to `tick`; returns what may go out, and for how many milliseconds the oldest
    /// of it waited.
    pub fn kept(&mut self, tick: u32, now_ms: u64) -> (Vec<T>, Option<u64>) {
        self.kept = self.kept.max(tick);
        let mut waited = None;
        let mut shown = Vec::new();
        while let Some((_, since_ms, it)) = self.held.pop_front_if(|it| it.0 <= self.kept) {
            waited.get_or_insert(now_ms.saturating_sub(since_ms));
            shown.push(it);
        }
        (shown, waited)
    }

    /// Returns when the oldest tick has waited too long.
    #[must_use]
    pub fn late_at_ms(&self) -> Option<u64> {
        self.held.front().map(|it| it.1 + WAIT_MS)
    }
}
