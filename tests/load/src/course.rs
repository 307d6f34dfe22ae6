//! One match as all its players together saw it: which ticks anybody was shown, and when.

use std::collections::BTreeMap;

use arena_types::Epoch;

/// Ticks of a match that are kept, almost five hours; later ones are not looked at.
const TICKS_MAX: usize = 1 << 20;

/// When each tick of a match was first shown to anybody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    /// Milliseconds since the run's start plus one, 0 for a tick that nobody was shown.
    shown: Vec<u32>,
    ticks_per_frame: u32,
    ticks_per_s: u32,
    /// The first tick that each owner showed.
    owners: BTreeMap<Epoch, u32>,
    /// When its last player gave it up without having been told of an end.
    died_ms: Option<u64>,
    /// Somebody was told of its end: it did not die.
    has_ended: bool,
}

impl Course {
    pub(crate) fn new(ticks_per_frame: u32, ticks_per_s: u32) -> Self {
        let (ticks_per_frame, ticks_per_s) = (ticks_per_frame.max(1), ticks_per_s.max(1));
        Self { ticks_per_frame, ticks_per_s, ..Self::default() }
    }

    /// Notes that somebody was shown a tick by the owner of `epoch`.
    pub(crate) fn shown(&mut self, tick: u32, epoch: Epoch, at_ms: u64) {
        let index = tick as usize;
        if index >= TICKS_MAX {
            return;
        }
        if self.shown.len() <= index {
            self.shown.resize(index + 1, 0);
        }
        self.owners.entry(epoch).and_modify(|it| *it = tick.min(*it)).or_insert(tick);
        let at = u32::try_from(at_ms + 1).unwrap_or(u32::MAX);
        let slot = &mut self.shown[index];
        *slot = if *slot == 0 { at } else { (*slot).min(at) };
    }

    /// Notes that a player gave the match up without having been told of an end.
    pub(crate) fn given_up(&mut self, at_ms: u64) {
        self.died_ms = self.died_ms.max(Some(at_ms));
    }

    /// Notes that a player was told of its end.
    pub(crate) fn ended(&mut self) {
        self.has_ended = true;
    }

    /// Returns the last tick that anybody was shown, 0 if none.
    pub(crate) fn last_tick(&self) -> u32 {
        self.shown.len().saturating_sub(1) as u32
    }

    /// Returns when the match came to a tick, as far as frames tell: when the first frame of it or of a
    /// later tick came.
    pub(crate) fn reached_ms(&self, tick: u32) -> Option<u64> {
        let later = self.shown.get(tick as usize..)?;
        later.iter().find(|it| **it != 0).map(|it| u64::from(*it) - 1)
    }

    /// Returns the ticks of whole frames that nobody was shown although later ones were, by when the
    /// next frame came, and those from the last frame to when the last player gave the match up.
    pub(crate) fn lost(&self) -> Vec<Lost> {
        let mut lost = Vec::new();
        let mut last: Option<(u32, u64)> = None;
        for (tick, shown) in self.shown.iter().enumerate().filter(|it| *it.1 != 0) {
            let (tick, at_ms) = (tick as u32, u64::from(*shown) - 1);
            if let Some((before, _)) = last {
                let ticks = u64::from(missing(tick - before, self.ticks_per_frame));
                let by_move = self.owners.values().any(|it| before < *it && *it <= tick);
                lost.extend((ticks > 0).then_some(Lost { at_ms, ticks, by_move }));
            }
            last = Some((tick, last.map_or(at_ms, |it| it.1.max(at_ms))));
        }
        let died_ms = self.died_ms.filter(|_| !self.has_ended);
        if let (Some((_, last_ms)), Some(at_ms)) = (last, died_ms) {
            let ticks = at_ms.saturating_sub(last_ms) * u64::from(self.ticks_per_s) / 1_000;
            lost.extend((ticks > 0).then_some(Lost { at_ms, ticks, by_move: false }));
        }
        lost
    }
}

/// Ticks that were lost, and when that was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) at_ms: u64,
    pub(crate) ticks: u64,
    /// Whether the match changed its owner there.
    pub(crate) by_move: bool,
}

/// Returns the ticks of the whole frames that are missing between two that are `apart` ticks apart. A new
/// owner may show the other ticks: one tick more between two frames is no frame less.
pub(crate) fn missing(apart: u32, ticks_per_frame: u32) -> u32 {
    (apart / ticks_per_frame.max(1)).saturating_sub(1) * ticks_per_frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_frames_are_missing_or_none() {
        for (apart, ticks) in [(1, 0), (2, 0), (3, 0), (4, 2), (5, 2), (6, 4), (60, 58)] {
            assert_eq!(missing(apart, 2), ticks, "{apart}");
        }
        assert_eq!((missing(3, 1), missing(3, 0)), (2, 0));
    }

    #[test]
    fn what_one_player_was_shown_is_not_lost() {
        let mut course = Course::new(2, 60);
        for (tick, at_ms) in [(10, 100), (12, 133), (18, 260), (20, 270), (14, 300), (12, 90)] {
            course.shown(tick, Epoch(1), at_ms);
        }
        let lost = Lost { at_ms: 260, ticks: 2, by_move: false };
        assert_eq!(course.lost(), [lost], "16 alone was never shown");
        assert_eq!((course.reached_ms(12), course.reached_ms(15)), (Some(90), Some(260)));
        assert_eq!((course.reached_ms(21), course.last_tick()), (None, 20));
    }

    #[test]
    fn a_match_that_died_loses_ticks_until_its_last_player_gives_it_up() {
        let mut course = Course::new(2, 60);
        course.shown(10, Epoch(1), 1_000);
        course.given_up(3_000);
        course.given_up(2_000);
        assert_eq!(course.lost(), [Lost { at_ms: 3_000, ticks: 120, by_move: false }]);
        course.shown(190, Epoch(2), 4_000);
        let lost = Lost { at_ms: 4_000, ticks: 178, by_move: true };
        assert_eq!(course.lost(), [lost], "it goes on for others");
        course.given_up(9_000);
        course.ended();
        assert_eq!(course.lost().len(), 1, "one player missed an end that others saw");
    }

    #[test]
    fn a_tick_from_nowhere_takes_no_memory() {
        let mut course = Course::new(2, 60);
        course.shown(u32::MAX, Epoch(1), 1);
        assert_eq!((course.last_tick(), course.lost().len()), (0, 0));
    }

    proptest! {
        #[test]
        fn shown_and_lost_frames_are_all_frames(
            shown in prop::collection::btree_set(0..400_u32, 2..100),
        ) {
            let mut course = Course::new(2, 60);
            for it in &shown {
                course.shown(it * 2, Epoch(1), u64::from(*it));
            }
            let lost: u64 = course.lost().iter().map(|it| it.ticks / 2).sum();
            let (first, last) = (shown.first().unwrap(), shown.last().unwrap());
            prop_assert_eq!(lost + shown.len() as u64, u64::from(last - first + 1));
        }
    }
}
