//! What comes out of a run.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cpu::CpuLog;
use crate::judge::Judge;
use crate::replays::ReplayReport;
use crate::timeline::Count;
use crate::window::{Mark, Window, WindowReport, bytes_per_player_s, in_ticks};

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
    /// Connections that broke without the gateway saying move, or before the next one was tried: the player reads
    /// "reconnecting".
    pub connections_lost: u64,
    /// Of these, because the gateway said move.
    pub moves: u64,
    /// Logins that failed and were tried again.
    pub logins_failed: u64,
    /// Connections that failed and were tried again.
    pub connects_failed: u64,
    /// Starts of matches, by player.
    pub matches_started: u64,
    /// Of these, starts of matches that came when too many were kept: nobody looks at their ticks and replays.
    pub matches_unjudged: u64,
    /// Ends of matches, by player.
    pub matches_finished: u64,
    /// Matches a player was taken out of, or missed the end of: the session lived on, the match not.
    pub matches_lost: u64,
    /// Frames received.
    pub frames: u64,
    /// Ticks of whole frames that none of a match's players was shown although later ones were, and those of
    /// matches that died, from their last frame to when their last player gave up.
    pub lost_ticks: u64,
    /// Of these, ticks between the last frame of an owner and the first of the next.
    pub lost_ticks_of_moves: u64,
    /// Ticks of frames that one player was not shown on a connection that stood: newer frames won (the gateway
    /// keeps one for a slow reader), others of its match may have seen them.
    pub ticks_skipped: u64,
    /// Ticks of frames that one player was not shown while its session changed the connection.
    pub ticks_away: u64,
    /// Of these, encoded against nothing.
    pub full_frames: u64,
    /// Inputs sent.
    pub inputs: u64,
    /// Of these, sent before a resume and not counted by any frame until then: lost, at most.
    pub inputs_uncounted: u64,
    /// Of these, nothing was played with although the match went on: exact if replays were looked at, else all that
    /// were not counted.
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
    /// 999 of 1 000 are not longer.
    pub gap_ms_p999: u64,
    /// The longest of these times in ticks.
    pub longest_gap_ticks: f64,
    /// The median of the times from an input to the first frame that counts it, in milliseconds; inputs are
    /// sent three ticks ahead, so 50 ms of it are the bots' own.
    pub latency_ms_p50: u64,
    /// 99 of 100 are not longer.
    pub latency_ms_p99: u64,
    /// 999 of 1 000 are not longer.
    pub latency_ms_p999: u64,
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
    /// CPU seconds by program of the region (`--state`), and of the bots (`arena-load`).
    pub cpu_s: BTreeMap<String, f64>,
    /// Stretches of the run.
    pub windows: Vec<WindowReport>,
    /// Moments of the run.
    pub marks: Vec<Mark>,
    /// What the replays say, if they were looked at.
    pub replays: Option<ReplayReport>,
}

impl Report {
    pub(crate) fn new(
        judge: &Judge,
        cpu: &CpuLog,
        (players, end_ms): (u32, u64),
        replays: Option<ReplayReport>,
    ) -> Self {
        let all = judge.timeline.all();
        let uncounted = all.count(Count::InputsUncounted);
        let judged = replays.as_ref().filter(|it| it.judges_inputs());
        let (lost_ticks, lost_ticks_of_moves) = judge.lost_ticks(0, u64::MAX);
        let window = |it: &Window| WindowReport::new(it, judge, (cpu, replays.as_ref()), end_ms);
        Self {
            players,
            seconds: end_ms as f64 / 1_000.0,
            sessions: all.count(Count::Sessions),
            dropped_sessions: all.count(Count::DroppedSessions),
            resumed: all.count(Count::Resumed),
            connections_lost: all.count(Count::ConnectionsLost),
            moves: all.count(Count::Moves),
            logins_failed: all.count(Count::LoginsFailed),
            connects_failed: all.count(Count::ConnectsFailed),
            matches_started: all.count(Count::MatchesStarted),
            matches_unjudged: judge.matches_unjudged,
            matches_finished: all.count(Count::MatchesFinished),
            matches_lost: all.count(Count::MatchesLost),
            frames: all.count(Count::Frames),
            lost_ticks,
            lost_ticks_of_moves,
            ticks_skipped: all.count(Count::TicksSkipped),
            ticks_away: all.count(Count::TicksAway),
            full_frames: all.count(Count::FullFrames),
            inputs: all.count(Count::Inputs),
            inputs_uncounted: uncounted,
            inputs_lost: judged.map_or(uncounted, |it| it.inputs_lost),
            longest_gap_ms: all.longest_gap_ms(),
            longest_wait_ms: judge.longest_wait_ms,
            gap_ms_p50: all.gaps.at(500),
            gap_ms_p99: all.gaps.at(990),
            gap_ms_p999: all.gaps.at(999),
            longest_gap_ticks: in_ticks(all.longest_gap_ms(), judge.ticks_per_s()),
            latency_ms_p50: all.latencies.at(500),
            latency_ms_p99: all.latencies.at(990),
            latency_ms_p999: all.latencies.at(999),
            bytes_per_player_s: bytes_per_player_s(&all),
            protocol_errors: judge.protocol_errors.values().sum(),
            protocol_error_kinds: judge.protocol_errors.clone(),
            protocol_error_examples: judge.examples.clone(),
            close_codes: judge.close_codes.clone(),
            refusals: judge.refusals.clone(),
            releases: judge.releases.clone(),
            cpu_s: cpu.between(0, end_ms),
            windows: judge.windows().iter().map(window).collect(),
            marks: judge.marks().to_vec(),
            replays,
        }
    }

    /// Returns the window with this name, the newest if it was begun several times.
    #[must_use]
    pub fn window(&self, name: &str) -> Option<&WindowReport> {
        self.windows.iter().rev().find(|it| it.name == name)
    }

    /// Prints a table; windows stand beside each other.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Value::Object(mut all) = serde_json::to_value(self)? else { return Ok(()) };
        let windows = all.shift_remove("windows");
        for (name, value) in &all {
            writeln!(out, "{name:<23} {value}")?;
        }
        let windows: Vec<&Map<String, Value>> = windows
            .iter()
            .filter_map(Value::as_array)
            .flatten()
            .filter_map(Value::as_object)
            .collect();
        for name in windows.first().into_iter().flat_map(|it| it.keys()) {
            let values = windows.iter().map(|it| match &it[name] {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            });
            let values: Vec<String> = values.map(|it| format!(" {it:>16}")).collect();
            writeln!(out, "{name:<23}{}", values.concat())?;
        }
        Ok(())
    }

    /// Returns the JSON document.
    ///
    /// # Panics
    /// Never: keys are texts, and no figure is without a value.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("our own types serialise to JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Between;

    fn printed(judge: &Judge) -> String {
        let mut text = Vec::new();
        let report = Report::new(judge, &CpuLog::default(), (2, 1_500), None);
        report.print(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_table_has_a_line_a_figure_and_a_column_a_window() {
        let mut judge = Judge::default();
        judge.timeline.count(Count::DroppedSessions, 3, 700);
        judge.timeline.gap(100, Between::Nothing, 700);
        for window in ["calm=0..1", "late=1..2"] {
            judge.add_window(window.parse().unwrap());
        }
        let text = printed(&judge);
        let has =
            |line: &[&str]| text.lines().any(|it| it.split_whitespace().eq(line.iter().copied()));
        for line in [
            ["name", "calm", "late"].as_slice(),
            &["seconds", "1.0", "0.5"],
            &["dropped_sessions", "3"],
            &["dropped_sessions", "3", "0"],
            &["longest_gap_ticks", "6.0", "0.0"],
        ] {
            assert!(has(line), "{line:?} in\n{text}");
        }
    }

    #[test]
    fn inputs_that_a_replay_shows_are_not_lost() {
        let mut judge = Judge::default();
        judge.timeline.count(Count::InputsUncounted, 5, 100);
        judge.add_window("all=0..9".parse().unwrap());
        let cpu = CpuLog::default();
        let report = |replays| Report::new(&judge, &cpu, (1, 9_000), replays);
        let without = report(None);
        assert_eq!((without.inputs_lost, without.windows[0].inputs_lost), (5, 5));
        let replays =
            ReplayReport { inputs_lost: 2, lost_ms: vec![50, 9_500], ..Default::default() };
        let with = report(Some(replays));
        assert_eq!((with.inputs_lost, with.windows[0].inputs_lost), (2, 1));
        assert_eq!(with.inputs_uncounted, 5);
    }
}
