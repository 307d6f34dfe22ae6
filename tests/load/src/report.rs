//! What comes out of a run.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

/// Gaps above are counted as this: the longest is kept apart.
const GAP_MS_MAX: usize = 10_000;

/// What one bot counted.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) sessions: u64,
    pub(crate) dropped_sessions: u64,
    pub(crate) resumed: u64,
    pub(crate) connections_lost: u64,
    pub(crate) moves: u64,
    pub(crate) logins_failed: u64,
    pub(crate) connects_failed: u64,
    pub(crate) matches_started: u64,
    pub(crate) matches_finished: u64,
    pub(crate) matches_lost: u64,
    pub(crate) frames: u64,
    pub(crate) frames_lost: u64,
    pub(crate) full_frames: u64,
    pub(crate) inputs: u64,
    pub(crate) inputs_lost: u64,
    pub(crate) bytes: u64,
    pub(crate) playing_ms: u64,
    pub(crate) longest_gap_ms: u64,
    pub(crate) longest_wait_ms: u64,
    pub(crate) protocol_errors: BTreeMap<String, u64>,
    pub(crate) examples: BTreeMap<String, String>,
    pub(crate) close_codes: BTreeMap<String, u64>,
    pub(crate) refusals: BTreeMap<String, u64>,
    pub(crate) releases: BTreeMap<String, u64>,
    gaps: Vec<u32>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sessions: 0,
            dropped_sessions: 0,
            resumed: 0,
            connections_lost: 0,
            moves: 0,
            logins_failed: 0,
            connects_failed: 0,
            matches_started: 0,
            matches_finished: 0,
            matches_lost: 0,
            frames: 0,
            frames_lost: 0,
            full_frames: 0,
            inputs: 0,
            inputs_lost: 0,
            bytes: 0,
            playing_ms: 0,
            longest_gap_ms: 0,
            longest_wait_ms: 0,
            protocol_errors: BTreeMap::new(),
            examples: BTreeMap::new(),
            close_codes: BTreeMap::new(),
            refusals: BTreeMap::new(),
            releases: BTreeMap::new(),
            gaps: vec![0; GAP_MS_MAX + 1],
        }
    }
}

impl Tally {
    /// Counts the time between two frames of a match.
    pub(crate) fn gap(&mut self, gap_ms: u64) {
        self.longest_gap_ms = self.longest_gap_ms.max(gap_ms);
        self.gaps[usize::try_from(gap_ms).map_or(GAP_MS_MAX, |it| it.min(GAP_MS_MAX))] += 1;
    }

    /// Counts one of `name`.
    pub(crate) fn count(map: &mut BTreeMap<String, u64>, name: impl Into<String>) {
        *map.entry(name.into()).or_default() += 1;
    }

    /// Adds what another bot counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.sessions, other.sessions),
            (&mut self.dropped_sessions, other.dropped_sessions),
            (&mut self.resumed, other.resumed),
            (&mut self.connections_lost, other.connections_lost),
            (&mut self.moves, other.moves),
            (&mut self.logins_failed, other.logins_failed),
            (&mut self.connects_failed, other.connects_failed),
            (&mut self.matches_started, other.matches_started),
            (&mut self.matches_finished, other.matches_finished),
            (&mut self.matches_lost, other.matches_lost),
            (&mut self.frames, other.frames),
            (&mut self.frames_lost, other.frames_lost),
            (&mut self.full_frames, other.full_frames),
            (&mut self.inputs, other.inputs),
            (&mut self.inputs_lost, other.inputs_lost),
            (&mut self.bytes, other.bytes),
            (&mut self.playing_ms, other.playing_ms),
        ] {
            *mine += theirs;
        }
        self.longest_gap_ms = self.longest_gap_ms.max(other.longest_gap_ms);
        self.longest_wait_ms = self.longest_wait_ms.max(other.longest_wait_ms);
        for (mine, theirs) in [
            (&mut self.protocol_errors, &other.protocol_errors),
            (&mut self.close_codes, &other.close_codes),
            (&mut self.refusals, &other.refusals),
            (&mut self.releases, &other.releases),
        ] {
            for (name, count) in theirs {
                *mine.entry(name.clone()).or_default() += count;
            }
        }
        self.examples.extend(other.examples.clone());
        for (mine, theirs) in self.gaps.iter_mut().zip(&other.gaps) {
            *mine += theirs;
        }
    }

    /// The gap that `percent` of all gaps do not exceed.
    fn gap_percentile(&self, percent: u64) -> u64 {
        let all: u64 = self.gaps.iter().map(|it| u64::from(*it)).sum();
        let wanted = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.gaps.iter().position(|it| {
            seen += u64::from(*it);
            seen >= wanted
        });
        found.unwrap_or(0) as u64
    }
}

/// The figures of a run; the JSON file holds exactly these keys.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Bots.
    pub players: u32,
    /// Seconds from the first login to the end.
    pub seconds: f64,
    /// Sessions opened, each counted once however often it was resumed.
    pub sessions: u64,
    /// Sessions that could not be resumed, those that were away at the end and did not come back
    /// included.
    pub dropped_sessions: u64,
    /// Times a session went on on another connection.
    pub resumed: u64,
    /// Connections that broke without the gateway saying move: the player reads "reconnecting".
    pub connections_lost: u64,
    /// Of these, because the gateway said move.
    pub moves: u64,
    /// Logins that failed and were tried again.
    pub logins_failed: u64,
    /// Connections that failed and were tried again.
    pub connects_failed: u64,
    /// Starts of matches, by player.
    pub matches_started: u64,
    /// Ends of matches, by player.
    pub matches_finished: u64,
    /// Matches a player was taken out of, or missed the end of: the session lived on, the match not.
    pub matches_lost: u64,
    /// Frames received.
    pub frames: u64,
    /// Frames of a player's match that never came, those of an absence included.
    pub frames_lost: u64,
    /// The same under the name that the benchmarks use.
    pub snapshots: u64,
    /// Of these, encoded against nothing.
    pub full_frames: u64,
    /// Inputs sent.
    pub inputs: u64,
    /// Of these, sent before a resume and not counted by any frame until then: lost, at most.
    pub inputs_lost: u64,
    /// Longest time between two frames of a match, in milliseconds: reconnections included, and
    /// silences that lasted until the match, the session or the run ended.
    pub longest_gap_ms: u64,
    /// Longest wait from the queue to a match, in milliseconds, those at the end included.
    pub longest_wait_ms: u64,
    /// The median of these times.
    pub gap_ms_p50: u64,
    /// 99 of 100 are not longer.
    pub gap_ms_p99: u64,
    /// Bytes received a second by a player in a match.
    pub bytes_per_player_s: f64,
    /// Promises of the protocol that were broken.
    pub protocol_errors: u64,
    /// How many of each kind.
    pub protocol_error_kinds: BTreeMap<String, u64>,
    /// An example of each kind.
    pub protocol_error_examples: BTreeMap<String, String>,
    /// Close codes of servers.
    pub close_codes: BTreeMap<String, u64>,
    /// Error messages of servers, by code.
    pub refusals: BTreeMap<String, u64>,
    /// Matches started, by player, on each release of the game.
    pub releases: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn new(players: u32, seconds: f64, tally: &Tally) -> Self {
        let playing_s = tally.playing_ms as f64 / 1_000.0;
        Self {
            players,
            seconds,
            sessions: tally.sessions,
            dropped_sessions: tally.dropped_sessions,
            resumed: tally.resumed,
            connections_lost: tally.connections_lost,
            moves: tally.moves,
            logins_failed: tally.logins_failed,
            connects_failed: tally.connects_failed,
            matches_started: tally.matches_started,
            matches_finished: tally.matches_finished,
            matches_lost: tally.matches_lost,
            frames: tally.frames,
            frames_lost: tally.frames_lost,
            snapshots: tally.frames,
            full_frames: tally.full_frames,
            inputs: tally.inputs,
            inputs_lost: tally.inputs_lost,
            longest_gap_ms: tally.longest_gap_ms,
            longest_wait_ms: tally.longest_wait_ms,
            gap_ms_p50: tally.gap_percentile(50),
            gap_ms_p99: tally.gap_percentile(99),
            bytes_per_player_s: if playing_s > 0.0 { tally.bytes as f64 / playing_s } else { 0.0 },
            protocol_errors: tally.protocol_errors.values().sum(),
            protocol_error_kinds: tally.protocol_errors.clone(),
            protocol_error_examples: tally.examples.clone(),
            close_codes: tally.close_codes.clone(),
            refusals: tally.refusals.clone(),
            releases: tally.releases.clone(),
        }
    }

    /// Prints a table.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let value = serde_json::to_value(self).map_err(std::io::Error::other)?;
        for (name, value) in value.as_object().into_iter().flatten() {
            writeln!(out, "{name:<22} {value}")?;
        }
        Ok(())
    }

    /// Writes the JSON file.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(self).map_err(std::io::Error::other)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_gaps_that_were_seen() {
        let mut tally = Tally::default();
        assert_eq!(Report::new(0, 0.0, &tally).gap_ms_p99, 0);
        (0..98).for_each(|_| tally.gap(33));
        tally.gap(50);
        tally.gap(99_999);
        let mut sum = Tally::default();
        sum.add(&tally);
        let report = Report::new(1, 1.0, &sum);
        assert_eq!((report.gap_ms_p50, report.gap_ms_p99, report.longest_gap_ms), (33, 50, 99_999));
    }

    #[test]
    fn the_table_has_a_line_a_figure() {
        let mut text = Vec::new();
        Report::new(2, 1.5, &Tally::default()).print(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.lines().any(|it| it.split_whitespace().eq(["dropped_sessions", "0"])),
            "{text}"
        );
    }
}
