//! What happened when: one bucket each quarter of a second. Windows and pictures are sums of buckets.

use crate::histogram::Histogram;

/// Milliseconds of a bucket: windows begin and end with one.
pub(crate) const BUCKET_MS: u64 = 250;
/// Buckets of a run, four hours: what comes later is counted in the last one.
const BUCKETS_MAX: usize = 4 * 3_600 * 1_000 / BUCKET_MS as usize;

/// What is counted over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Sessions,
    DroppedSessions,
    Resumed,
    ConnectionsLost,
    Moves,
    LoginsFailed,
    ConnectsFailed,
    MatchesStarted,
    MatchesFinished,
    MatchesLost,
    Frames,
    FullFrames,
    /// Ticks of frames that never came while the connection stood.
    TicksSkipped,
    /// Ticks of frames that never came while the session changed its connection.
    TicksAway,
    Inputs,
    /// Inputs that no frame counted before the start that made an end of them.
    InputsUncounted,
    Bytes,
    ProtocolErrors,
}

/// What happened between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    Nothing,
    /// The match changed its owner.
    Move,
    /// The session changed its connection, and the match not its owner.
    Connection,
}

const COUNTS: usize = Count::ProtocolErrors as usize + 1;

/// A stretch of time, or the sum of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Milliseconds between two frames of a player's match, counted when the second one came.
    pub(crate) gaps: Histogram,
    /// The longest of them by what happened between the two.
    longest_gap_ms: [u64; 3],
    /// Milliseconds from an input to the first frame that counts it.
    pub(crate) latencies: Histogram,
    /// The longest time without a frame before a match was left, in milliseconds.
    silence_ms: u64,
    counts: [u64; COUNTS],
}

impl Bucket {
    /// Returns how often something happened.
    pub(crate) fn count(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    /// Returns the longest time between two frames between which this happened, in milliseconds.
    pub(crate) fn longest_ms(&self, between: Between) -> u64 {
        self.longest_gap_ms[between as usize]
    }

    /// Returns the longest time without a frame, that before a match was left included.
    pub(crate) fn longest_gap_ms(&self) -> u64 {
        self.gaps.longest().max(self.silence_ms)
    }

    fn merge(&mut self, other: &Self) {
        self.gaps.merge(&other.gaps);
        self.silence_ms = self.silence_ms.max(other.silence_ms);
        self.latencies.merge(&other.latencies);
        for (mine, theirs) in self.longest_gap_ms.iter_mut().zip(other.longest_gap_ms) {
            *mine = (*mine).max(theirs);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
    }
}

/// All of a run; times are milliseconds since its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    buckets: Vec<Bucket>,
}

impl Timeline {
    /// Counts `by` of something.
    pub(crate) fn count(&mut self, what: Count, by: u64, at_ms: u64) {
        self.at(at_ms).counts[what as usize] += by;
    }

    /// Counts the time between two frames, the second of which came at `at_ms`.
    pub(crate) fn gap(&mut self, gap_ms: u64, between: Between, at_ms: u64) {
        let bucket = self.at(at_ms);
        bucket.gaps.add(gap_ms);
        let longest = &mut bucket.longest_gap_ms[between as usize];
        *longest = gap_ms.max(*longest);
    }

    /// Notes how long no frame had come when a match was left.
    pub(crate) fn silence(&mut self, silence_ms: u64, at_ms: u64) {
        let longest = &mut self.at(at_ms).silence_ms;
        *longest = (*longest).max(silence_ms);
    }

    /// Counts the time from an input to the frame that counts it.
    pub(crate) fn latency(&mut self, latency_ms: u64, at_ms: u64) {
        self.at(at_ms).latencies.add(latency_ms);
    }

    /// Returns the sum of all buckets that begin from `from_ms` on and before `to_ms`.
    pub(crate) fn sum(&self, from_ms: u64, to_ms: u64) -> Bucket {
        let range = index(from_ms.saturating_add(BUCKET_MS - 1))
            ..index(to_ms.saturating_add(BUCKET_MS - 1)).min(self.buckets.len());
        let mut sum = Bucket::default();
        self.buckets.get(range).into_iter().flatten().for_each(|it| sum.merge(it));
        sum
    }

    /// Returns the sum of everything.
    pub(crate) fn all(&self) -> Bucket {
        self.sum(0, u64::MAX)
    }

    fn at(&mut self, at_ms: u64) -> &mut Bucket {
        let index = index(at_ms).min(BUCKETS_MAX - 1);
        if self.buckets.len() <= index {
            self.buckets.resize_with(index + 1, Bucket::default);
        }
        &mut self.buckets[index]
    }
}

fn index(at_ms: u64) -> usize {
    usize::try_from(at_ms / BUCKET_MS).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_is_the_buckets_that_begin_in_it() {
        let mut timeline = Timeline::default();
        for (at_ms, gap_ms) in [(0, 33), (249, 34), (250, 35), (999, 36), (1_000, 37)] {
            timeline.gap(gap_ms, Between::Nothing, at_ms);
        }
        for (from_ms, to_ms, gaps) in [
            (0, 250, 2),
            (0, 251, 3),
            (1, 1_000, 2),
            (250, 1_000, 2),
            (1_000, 9_000, 1),
            (2_000, 9_000, 0),
            (500, 250, 0),
        ] {
            let sum = timeline.sum(from_ms, to_ms);
            assert_eq!(sum.gaps.count(), gaps, "{from_ms} to {to_ms}");
        }
        assert_eq!(timeline.all().gaps.longest(), 37);
    }

    #[test]
    fn a_run_without_an_end_takes_memory_without_growing() {
        let mut timeline = Timeline::default();
        timeline.count(Count::Moves, 2, u64::MAX);
        timeline.count(Count::Moves, 3, BUCKET_MS * BUCKETS_MAX as u64);
        assert_eq!((timeline.buckets.len(), timeline.all().count(Count::Moves)), (BUCKETS_MAX, 5));
    }

    proptest! {
        #[test]
        fn windows_that_join_hold_everything_once(
            events in prop::collection::vec((0..20_000_u64, 1..9_u64), 0..60),
            cut_ms in 0..20_000_u64,
        ) {
            let mut timeline = Timeline::default();
            for (at_ms, by) in &events {
                timeline.count(Count::Frames, *by, *at_ms);
                timeline.latency(*by, *at_ms);
            }
            let (left, right) = (timeline.sum(0, cut_ms), timeline.sum(cut_ms, u64::MAX));
            let all: u64 = events.iter().map(|it| it.1).sum();
            prop_assert_eq!(left.count(Count::Frames) + right.count(Count::Frames), all);
            prop_assert_eq!(left.latencies.sum() + right.latencies.sum(), all);
        }
    }
}
