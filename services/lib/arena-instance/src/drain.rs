//! How far a drain is, and when it is over at the pace so far.

use std::time::Duration;

use arena_types::contract::DrainReport;
use tokio::time::Instant;

use crate::lifecycle::Load;

/// A drain that runs: its deadline, and what it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drain {
    pub(crate) deadline: Instant,
    began: Instant,
    held: Load,
}

impl Drain {
    /// Begins a drain of an instance that holds `held`.
    pub(crate) const fn begin(now: Instant, deadline: Instant, held: Load) -> Self {
        Self { deadline, began: now, held }
    }

    /// Says what is left of it.
    pub(crate) fn report(&self, now: Instant, load: Load) -> DrainReport {
        let estimate = estimate(self.held, load, now.saturating_duration_since(self.began));
        DrainReport {
            left_s: self.deadline.saturating_duration_since(now).as_secs(),
            players: load.sessions,
            matches: load.matches,
            moving: load.moving,
            waiting: load.matches.saturating_sub(load.moving),
            unsaved: load.unsaved,
            estimate_s: estimate.map(|it| it.as_secs_f64().ceil() as u64),
        }
    }
}

/// Returns the time until players and matches are gone if they go on leaving as they did since the drain
/// began; `None` while one kind of them is left of which none has gone yet.
fn estimate(held: Load, left: Load, elapsed: Duration) -> Option<Duration> {
    let players = until_gone(held.sessions, left.sessions, elapsed)?;
    let matches = until_gone(held.matches, left.matches, elapsed)?;
    Some(players.max(matches))
}

fn until_gone(held: u32, left: u32, elapsed: Duration) -> Option<Duration> {
    if left == 0 {
        return Some(Duration::ZERO);
    }
    let gone = held.checked_sub(left).filter(|gone| *gone > 0)?;
    Some(elapsed.mul_f64(f64::from(left) / f64::from(gone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn load(sessions: u32, matches: u32) -> Load {
        Load { sessions, matches, ..Load::NONE }
    }

    #[test]
    fn the_pace_so_far_says_when_it_is_over() {
        for (held, left, expected) in [
            (load(8, 4), load(8, 4), None),
            (load(8, 4), load(4, 3), Some(90)),
            (load(8, 4), load(2, 2), Some(30)),
            (load(8, 4), load(0, 1), Some(10)),
            (load(8, 4), load(0, 0), Some(0)),
            (load(8, 0), load(4, 0), Some(30)),
            (load(0, 4), load(0, 2), Some(30)),
            // Players who came back, or who came over from another gateway, are no pace.
            (load(2, 0), load(3, 0), None),
            (load(4, 4), load(2, 4), None),
        ] {
            let found = estimate(held, left, Duration::from_secs(30));
            assert_eq!(found.map(|it| it.as_secs()), expected, "{held:?} -> {left:?}");
        }
    }

    #[test]
    fn matches_that_move_and_matches_that_wait_are_all_matches() {
        let now = Instant::now();
        let drain = Drain::begin(now, now + Duration::from_mins(1), load(6, 5));
        let left = Load { sessions: 4, matches: 3, moving: 1, unsaved: 2, shadows: 1 };
        let report = drain.report(now + Duration::from_secs(10), left);
        let expected = DrainReport {
            left_s: 50,
            players: 4,
            matches: 3,
            moving: 1,
            waiting: 2,
            unsaved: 2,
            estimate_s: Some(20),
        };
        assert_eq!(report, expected);
        let over = drain.report(now + Duration::from_mins(2), left);
        assert_eq!((over.left_s, over.moving, over.waiting), (0, 1, 2));
    }
}
