//! What all bots of a run saw together, and when.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arena_types::MatchId;

use crate::course::Course;
use crate::diary::Diary;
use crate::timeline::{Count, Timeline};
use crate::watch::Violation;
use crate::window::{Mark, Window};

/// Matches of a run that are kept, some 10 KB each, and thirty times that with what players did: two and a half hours
/// of 64 at once of half a minute each. Later ones are played and counted, not judged as a whole.
const MATCHES_MAX: usize = 20_000;
/// Marks and windows of a run: more than a picture can show.
const MARKS_MAX: usize = 1_000;
/// Ticks of a match a second, until a gateway says otherwise.
const TICKS_PER_S: u32 = 60;

/// The judge of a run, for each of its bots.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    start: Instant,
    judge: Arc<Mutex<Judge>>,
}

impl Shared {
    /// Starts a run.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), judge: Arc::new(Mutex::new(Judge::default())) }
    }

    /// Returns the milliseconds since the run's start.
    pub(crate) fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// Returns the microseconds since the run's start.
    pub(crate) fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// Lets nobody else write meanwhile; hold it for moments.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one of something now.
    pub(crate) fn count(&self, what: Count) {
        self.count_many(what, 1);
    }

    /// Counts some of something now.
    pub(crate) fn count_many(&self, what: Count, by: u64) {
        if by > 0 {
            self.lock().timeline.count(what, by, self.now_ms());
        }
    }

    /// Counts a promise of the protocol that was broken.
    pub(crate) fn complain(&self, violation: &Violation) {
        let kind = format!("{violation:?}");
        let kind = kind.split([' ', '(']).next().unwrap_or_default().to_owned();
        self.fail(kind, &violation.to_string());
    }

    /// Counts something that must not happen, with an example.
    pub(crate) fn fail(&self, kind: String, example: &str) {
        let now_ms = self.now_ms();
        let mut judge = self.lock();
        judge.timeline.count(Count::ProtocolErrors, 1, now_ms);
        judge.examples.entry(kind.clone()).or_insert_with(|| example.to_owned());
        *judge.protocol_errors.entry(kind).or_default() += 1;
    }
}

/// A match as its players saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) course: Course,
    /// Of those of its players who kept one and are through with it.
    pub(crate) diaries: Vec<Diary>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    pub(crate) timeline: Timeline,
    pub(crate) matches: BTreeMap<MatchId, Seen>,
    /// What a gateway said last.
    pub(crate) told_ticks_per_s: Option<u32>,
    /// Bots that are in a match now.
    pub(crate) playing: u32,
    /// Starts of matches, by player, of which too many are kept already.
    pub(crate) matches_unjudged: u64,
    pub(crate) longest_wait_ms: u64,
    pub(crate) protocol_errors: BTreeMap<String, u64>,
    pub(crate) examples: BTreeMap<String, String>,
    pub(crate) close_codes: BTreeMap<String, u64>,
    pub(crate) refusals: BTreeMap<String, u64>,
    pub(crate) releases: BTreeMap<String, u64>,
    windows: Vec<Window>,
    marks: Vec<Mark>,
}

impl Judge {
    /// Returns the ticks of a match a second.
    pub(crate) fn ticks_per_s(&self) -> u32 {
        self.told_ticks_per_s.unwrap_or(TICKS_PER_S)
    }

    /// Returns a match, if it is kept; it begins with the first of its players.
    pub(crate) fn seen(&mut self, id: MatchId, ticks_per_frame: u32) -> Option<&mut Seen> {
        let is_full = self.matches.len() >= MATCHES_MAX;
        let ticks_per_s = self.ticks_per_s();
        match self.matches.entry(id) {
            Entry::Occupied(it) => Some(it.into_mut()),
            Entry::Vacant(_) if is_full => None,
            Entry::Vacant(it) => {
                let course = Course::new(ticks_per_frame, ticks_per_s);
                Some(it.insert(Seen { course, diaries: Vec::new() }))
            }
        }
    }

    /// Returns the ticks of all matches that nobody was shown, and that were missed from `from_ms` on and
    /// before `to_ms`; then those of them that were missed where a match changed its owner.
    pub(crate) fn lost_ticks(&self, from_ms: u64, to_ms: u64) -> (u64, u64) {
        let lost = self.matches.values().flat_map(|it| it.course.lost());
        let within = lost.filter(|it| (from_ms..to_ms).contains(&it.at_ms));
        within.fold((0, 0), |(all, moved), it| {
            (all + it.ticks, moved + if it.by_move { it.ticks } else { 0 })
        })
    }

    /// Returns the windows in the order they were begun.
    pub(crate) fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Returns the marks in the order they were set.
    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Adds a window; too many are not kept.
    pub(crate) fn add_window(&mut self, window: Window) {
        if self.windows.len() < MARKS_MAX {
            self.windows.push(window);
        }
    }

    /// Ends the newest window of this name that has no end.
    pub(crate) fn end_window(&mut self, name: &str, at_ms: u64) {
        let open = self.windows.iter_mut().rev().find(|it| it.name == name && it.to_ms.is_none());
        if let Some(window) = open {
            window.to_ms = Some(at_ms);
        }
    }

    /// Sets a mark; too many are not kept.
    pub(crate) fn add_mark(&mut self, mark: Mark) {
        if self.marks.len() < MARKS_MAX {
            self.marks.push(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use arena_types::Epoch;

    use super::*;

    #[test]
    fn lost_ticks_belong_to_the_window_in_which_they_were_missed() {
        let mut judge = Judge::default();
        for (id, frames) in [(1, [(2, 10), (8, 100)]), (2, [(2, 90), (6, 200)])] {
            let seen = judge.seen(MatchId::from_u64(id), 2).unwrap();
            for (tick, at_ms) in frames {
                seen.course.shown(tick, Epoch(id as u32), at_ms);
            }
        }
        for (from_ms, to_ms, ticks) in [(0, 100, 0), (0, 101, 4), (100, 201, 6), (200, 300, 2)] {
            assert_eq!(judge.lost_ticks(from_ms, to_ms), (ticks, 0), "{from_ms} to {to_ms}");
        }
    }

    #[test]
    fn a_window_that_is_begun_again_ends_once() {
        let mut judge = Judge::default();
        judge.add_window(Window::begun("deploy", 5));
        judge.end_window("deploy", 9);
        judge.add_window(Window::begun("deploy", 20));
        judge.end_window("other", 21);
        judge.end_window("deploy", 22);
        judge.end_window("deploy", 99);
        let ends: Vec<_> = judge.windows().iter().map(|it| (it.from_ms, it.to_ms)).collect();
        assert_eq!(ends, [(5, Some(9)), (20, Some(22))]);
    }
}
