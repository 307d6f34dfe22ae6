use std::collections::VecDeque;

/// Frames remembered for a viewer, so that the next can build on any of them: a page keeps as many.
pub const SENT_MAX: usize = 64;
/// Frames without an acknowledgement after which only every fourth is sent: a second.
const UNACKNOWLEDGED_FULL_RATE_MAX: usize = 30;
const HELD_BACK_PERIOD: u32 = 4;
/// Ticks that a baseline may be older than what builds on it.
const AGE_TICKS_MAX: u32 = 255;

/// What one viewer has been sent: all views since the acknowledged one.
#[derive(Clone, Debug)]
pub struct Sent<V> {
    /// Oldest first; the acknowledged one is the first if there is one.
    views: VecDeque<(u32, V)>,
    acknowledged: bool,
    held_back: u32,
}

impl<V> Default for Sent<V> {
    fn default() -> Self {
        Self { views: VecDeque::new(), acknowledged: false, held_back: 0 }
    }
}

impl<V> Sent<V> {
    /// Takes the word of the viewer that it holds the view of `tick`; earlier ones are forgotten.
    pub fn acknowledge(&mut self, tick: u32) {
        if let Ok(index) = self.views.binary_search_by_key(&tick, |it| it.0) {
            self.views.drain(..index);
            self.acknowledged = true;
        }
    }

    /// Goes on with a viewer that holds the view of `tick` and none after it, or starts over; says which.
    pub fn resume(&mut self, tick: u32) -> bool {
        let known = self.views.binary_search_by_key(&tick, |it| it.0).is_ok();
        if known {
            self.acknowledge(tick);
            self.views.truncate(1);
        } else {
            *self = Self::default();
        }
        known
    }

    /// Whether the viewer is to get a frame now: one that acknowledges none gets every fourth.
    pub fn is_due(&mut self) -> bool {
        if self.views.len() <= UNACKNOWLEDGED_FULL_RATE_MAX {
            return true;
        }
        self.held_back += 1;
        self.held_back.is_multiple_of(HELD_BACK_PERIOD)
    }

    /// Returns the view that the next one, of `tick`, builds on, with its tick.
    #[must_use]
    pub fn baseline(&self, tick: u32) -> Option<(u32, &V)> {
        let (held, view) = self.views.front().filter(|_| self.acknowledged)?;
        (*held < tick && tick - held <= AGE_TICKS_MAX).then_some((*held, view))
    }

    /// Returns the view sent last.
    #[must_use]
    pub fn last(&self) -> Option<&V> {
        self.views.back().map(|it| &it.1)
    }

    /// Remembers a view that is sent.
    pub fn push(&mut self, tick: u32, view: V) {
        self.views.push_back((tick, view));
        if self.views.len() > SENT_MAX {
            self.views.pop_front();
            self.acknowledged = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(ticks: std::ops::RangeInclusive<u32>) -> Sent<u32> {
        let mut sent = Sent::default();
        ticks.for_each(|tick| sent.push(tick, tick));
        sent
    }

    #[test]
    fn a_frame_builds_on_the_newest_view_that_is_acknowledged() {
        let mut sent = sent(1..=9);
        assert_eq!(sent.baseline(10), None);
        for (held, expected) in
            [(4, Some((4, &4))), (99, Some((4, &4))), (6, Some((6, &6))), (5, Some((6, &6)))]
        {
            sent.acknowledge(held);
            assert_eq!(sent.baseline(10), expected, "after word of {held}");
        }
        assert_eq!(
            (sent.baseline(6), sent.baseline(261), sent.baseline(262)),
            (None, Some((6, &6)), None)
        );
    }

    #[test]
    fn who_comes_back_goes_on_from_what_it_holds_or_starts_over() {
        let mut known = sent(1..=9);
        assert!(known.resume(7));
        assert_eq!((known.baseline(10), known.last()), (Some((7, &7)), Some(&7)));
        let mut unknown = sent(1..=9);
        assert!(!unknown.resume(70));
        assert_eq!((unknown.baseline(71), unknown.last()), (None, None));
    }

    #[test]
    fn a_silent_viewer_gets_every_fourth_frame_and_costs_no_more_memory() {
        let mut sent = Sent::default();
        let due = (1..=200).filter(|tick| {
            let due = sent.is_due();
            if due {
                sent.push(*tick, ());
            }
            due
        });
        assert_eq!(due.count(), 31 + 169 / 4);
        (201..=400).for_each(|tick| sent.push(tick, ()));
        assert_eq!(sent.views.len(), SENT_MAX);
        sent.acknowledge(400);
        (401..=400 + SENT_MAX as u32).for_each(|tick| sent.push(tick, ()));
        assert_eq!(sent.baseline(500), None, "the acknowledged one was given up");
    }
}
