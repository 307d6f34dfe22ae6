//! Stretches of a run that are compared with each other, and moments that are marked.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;

use crate::cpu::CpuLog;
use crate::judge::Judge;
use crate::replays::ReplayReport;
use crate::timeline::{Between, Bucket, Count};

/// A stretch of a run; times are milliseconds since its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// What it is called.
    pub name: String,
    /// When it begins.
    pub from_ms: u64,
    /// When it ends; `None` is the end of the run.
    pub to_ms: Option<u64>,
}

impl Window {
    pub(crate) fn begun(name: &str, from_ms: u64) -> Self {
        Self { name: name.to_owned(), from_ms, to_ms: None }
    }
}

/// A text that is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no window: write it as NAME=FROM..TO, in seconds since the start, FROM before TO"
)]
pub struct WindowError {
    text: String,
}

impl FromStr for Window {
    type Err = WindowError;

    /// Reads `NAME=FROM..TO`, seconds since the start.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let read = || {
            let (name, range) = text.split_once('=').filter(|it| !it.0.is_empty())?;
            let (from, to) = range.split_once("..")?;
            let (from_s, to_s): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
            let (from_ms, to_ms) = (from_s.checked_mul(1_000)?, to_s.checked_mul(1_000)?);
            let window = Self { name: name.to_owned(), from_ms, to_ms: Some(to_ms) };
            (from_ms < to_ms).then_some(window)
        };
        read().ok_or_else(|| WindowError { text: text.to_owned() })
    }
}

/// A moment of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// What happened then.
    pub text: String,
}

/// The figures of a window. What takes time counts where it ends: a gap with its second frame.
#[derive(Clone, Debug, Serialize)]
pub struct WindowReport {
    /// What it is called.
    pub name: String,
    /// When it begins, in seconds since the start.
    pub from_s: f64,
    /// How long it is.
    pub seconds: f64,
    /// Frames received.
    pub frames: u64,
    /// The median of the times between two frames of a player's match, in ticks.
    pub gap_ticks_p50: f64,
    /// 99 of 100 are not longer.
    pub gap_ticks_p99: f64,
    /// 999 of 1 000 are not longer.
    pub gap_ticks_p999: f64,
    /// The longest of them, or the longest silence before a match was given up.
    pub longest_gap_ticks: f64,
    /// The longest of them in which the match changed its owner.
    pub longest_gap_ticks_of_moves: f64,
    /// The longest of them in which the session changed its connection, and the match not its owner.
    pub longest_gap_ticks_of_connections: f64,
    /// The median of the times from an input to the first frame that counts it, in milliseconds. Inputs are
    /// sent 3 ticks ahead of the newest frame: 50 ms of it are the bots' own.
    pub latency_ms_p50: u64,
    /// 99 of 100 are not longer.
    pub latency_ms_p99: u64,
    /// 999 of 1 000 are not longer.
    pub latency_ms_p999: u64,
    /// Ticks of whole frames that none of a match's players was shown, and those of matches that died.
    pub lost_ticks: u64,
    /// Of these, ticks between the last frame of an owner and the first of the next.
    pub lost_ticks_of_moves: u64,
    /// Ticks of frames that one player was not shown on a connection that stood: newer ones won.
    pub ticks_skipped: u64,
    /// Ticks of frames that one player was not shown while the session changed its connection.
    pub ticks_away: u64,
    /// Bytes received a second by a player in a match.
    pub bytes_per_player_s: f64,
    /// Sessions that could not be resumed.
    pub dropped_sessions: u64,
    /// Matches a player was taken out of.
    pub matches_lost: u64,
    /// Connections that broke without the gateway saying move, or before the next one was tried.
    pub connections_lost: u64,
    /// Sessions that moved because the gateway said so.
    pub moves: u64,
    /// Inputs sent.
    pub inputs: u64,
    /// Inputs that no frame counted, and nothing was played with, although the match went on: exact if replays were
    /// looked at, else those that no frame counted before a start made an end of them.
    pub inputs_lost: u64,
    /// Inputs that frames counted, and that gave way to later ones: 0 unless replays were looked at.
    pub inputs_merged: u64,
    /// Promises of the protocol that were broken.
    pub protocol_errors: u64,
    /// CPU seconds by program of the region, and of the bots (`arena-load`).
    pub cpu_s: BTreeMap<String, f64>,
}

impl WindowReport {
    pub(crate) fn new(
        window: &Window,
        judge: &Judge,
        (cpu, replays): (&CpuLog, Option<&ReplayReport>),
        end_ms: u64,
    ) -> Self {
        let (from_ms, to_ms) = (window.from_ms, window.to_ms.unwrap_or(end_ms).min(end_ms));
        let within =
            |all: &[u64]| all.iter().filter(|it| (from_ms..to_ms).contains(it)).count() as u64;
        let sum = judge.timeline.sum(from_ms, to_ms);
        let uncounted = sum.count(Count::InputsUncounted);
        let judged = replays.filter(|it| it.judges_inputs());
        let ticks = |ms: u64| in_ticks(ms, judge.ticks_per_s());
        let (lost_ticks, lost_ticks_of_moves) = judge.lost_ticks(from_ms, to_ms);
        Self {
            name: window.name.clone(),
            from_s: from_ms as f64 / 1_000.0,
            seconds: to_ms.saturating_sub(from_ms) as f64 / 1_000.0,
            frames: sum.count(Count::Frames),
            gap_ticks_p50: ticks(sum.gaps.at(500)),
            gap_ticks_p99: ticks(sum.gaps.at(990)),
            gap_ticks_p999: ticks(sum.gaps.at(999)),
            longest_gap_ticks: ticks(sum.longest_gap_ms()),
            longest_gap_ticks_of_moves: ticks(sum.longest_ms(Between::Move)),
            longest_gap_ticks_of_connections: ticks(sum.longest_ms(Between::Connection)),
            latency_ms_p50: sum.latencies.at(500),
            latency_ms_p99: sum.latencies.at(990),
            latency_ms_p999: sum.latencies.at(999),
            lost_ticks,
            lost_ticks_of_moves,
            ticks_skipped: sum.count(Count::TicksSkipped),
            ticks_away: sum.count(Count::TicksAway),
            bytes_per_player_s: bytes_per_player_s(&sum),
            dropped_sessions: sum.count(Count::DroppedSessions),
            matches_lost: sum.count(Count::MatchesLost),
            connections_lost: sum.count(Count::ConnectionsLost),
            moves: sum.count(Count::Moves),
            inputs: sum.count(Count::Inputs),
            inputs_lost: judged.map_or(uncounted, |it| within(&it.lost_ms)),
            inputs_merged: judged.map_or(0, |it| within(&it.merged_ms)),
            protocol_errors: sum.count(Count::ProtocolErrors),
            cpu_s: cpu.between(from_ms, to_ms),
        }
    }
}

/// Returns milliseconds in ticks, to a tenth.
pub(crate) fn in_ticks(ms: u64, ticks_per_s: u32) -> f64 {
    (ms as f64 * f64::from(ticks_per_s) / 100.0).round() / 10.0
}

/// A player's time in matches is that between its frames.
pub(crate) fn bytes_per_player_s(sum: &Bucket) -> f64 {
    let playing_s = sum.gaps.sum() as f64 / 1_000.0;
    if playing_s > 0.0 { sum.count(Count::Bytes) as f64 / playing_s } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_name_and_two_times() {
        let window: Window = "deploy=20..50".parse().unwrap();
        let expected = Window { name: "deploy".into(), from_ms: 20_000, to_ms: Some(50_000) };
        assert_eq!(window, expected);
        for text in ["", "deploy", "=1..2", "a=1", "a=1..", "a=2..2", "a=3..1", "a=-1..2", "a=1..x"]
        {
            let error = text.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains("NAME=FROM..TO"), "{error}");
        }
    }

    #[test]
    fn ticks_have_one_decimal() {
        for (ms, ticks) in [(0, 0.0), (33, 2.0), (34, 2.0), (50, 3.0), (100, 6.0), (41, 2.5)] {
            assert!((in_ticks(ms, 60) - ticks).abs() < 1e-9, "{ms} ms");
        }
    }

    #[test]
    fn a_window_counts_what_ends_in_it() {
        let mut judge = Judge::default();
        for at_ms in (0..4_000).step_by(40) {
            let gap_ms = if at_ms == 3_000 { 120 } else { 40 };
            judge.timeline.gap(gap_ms, Between::Nothing, at_ms);
            judge.timeline.count(Count::Bytes, 20, at_ms);
        }
        judge.timeline.silence(500, 3_900);
        let report = |from_ms, to_ms: u64| {
            let window = Window { name: String::new(), from_ms, to_ms: Some(to_ms) };
            WindowReport::new(&window, &judge, (&CpuLog::default(), None), 10_000)
        };
        let (calm, busy) = (report(0, 2_000), report(2_000, 4_000));
        assert_eq!((calm.frames, calm.longest_gap_ticks, calm.gap_ticks_p999), (0, 2.4, 2.4));
        assert_eq!((busy.longest_gap_ticks, busy.gap_ticks_p999), (30.0, 7.2));
        assert!((calm.bytes_per_player_s - 500.0).abs() < 1e-9, "{calm:?}");
    }
}
