//! What the game service measures of itself.

use arena_telemetry::{Label, Metrics, names};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::logic::shard::Effects;
use crate::moving::MoveReport;
use crate::ticker::Batch;

/// The metrics; every clone counts in the same.
#[derive(Clone, Debug)]
pub struct Figures {
    backend: Family<Label, Gauge>,
    /// Devices that failed.
    pub devices_lost: Counter,
    tick: Histogram,
    debt: Gauge,
    forgiven: Counter,
    frames: Counter,
    frame_bytes: Counter,
    frames_dropped: Counter,
    events: Counter,
    inputs: [Counter; 3],
    /// Results that are not recorded yet.
    pub unrecorded: Gauge,
    /// Matches ended.
    pub ended: Counter,
    /// Bytes of replays on disk.
    pub replay_bytes: Counter,
    /// Replays in the object store.
    pub replays_stored: Counter,
    /// Replays that end before their match.
    pub replays_torn: Counter,
    /// Matches without a replay.
    pub replays_lost: Counter,
    /// Replays removed because of age or size.
    pub replays_expired: Counter,
    /// Finished replays on this disk.
    pub replays_waiting: Gauge,
    /// Parts of replays that found no room on their way to the disk.
    pub replay_blocks_lost: Counter,
    /// Matches that took the course they should.
    pub checks_equal: Counter,
    /// Matches that took another.
    pub checks_differ: Counter,
    /// Matches whose replay cannot be played.
    pub checks_failed: Counter,
    /// Matches that there was no time to check.
    pub checks_skipped: Counter,
    moves: Family<Label, Counter>,
    move_bytes: Counter,
    cut: Histogram,
    stall_ticks: Counter,
    /// Bytes of journals written.
    pub journal_bytes: Counter,
    /// Entries of journals that were not written.
    pub journal_lost: Counter,
    /// Matches that have a warm copy elsewhere.
    pub shadow_matches: Gauge,
    shadow_ends: Family<Label, Counter>,
    /// From a tick until its warm copy had it.
    pub shadow_wait: Histogram,
    /// Bytes sent to warm copies.
    pub shadow_bytes: Counter,
    fenced_ticks: Counter,
    takeovers: Family<Label, Counter>,
    /// From the end of a lease until a match went on here.
    pub takeover: Histogram,
}

impl Figures {
    /// Makes them.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let inputs = metrics.counters(&names::GAME_INPUTS);
        let input = |outcome| inputs.get_or_create(&names::GAME_INPUTS.series([outcome])).clone();
        let replays = metrics.counters(&names::GAME_REPLAYS);
        let replay =
            |outcome| replays.get_or_create(&names::GAME_REPLAYS.series([outcome])).clone();
        let checks = metrics.counters(&names::GAME_CHECKS);
        let check = |outcome| checks.get_or_create(&names::GAME_CHECKS.series([outcome])).clone();
        Self {
            backend: metrics.gauges(&names::GAME_BACKEND),
            devices_lost: metrics.counter(&names::GAME_DEVICES_LOST),
            tick: metrics.histogram(&names::GAME_TICK),
            debt: metrics.gauge(&names::GAME_TICK_DEBT),
            forgiven: metrics.counter(&names::GAME_TICKS_SKIPPED),
            frames: metrics.counter(&names::GAME_FRAMES),
            frame_bytes: metrics.counter(&names::GAME_FRAME_BYTES),
            frames_dropped: metrics.counter(&names::GAME_FRAMES_DROPPED),
            events: metrics.counter(&names::GAME_EVENTS),
            inputs: [input("on_time"), input("late"), input("dropped")],
            unrecorded: metrics.gauge(&names::GAME_UNRECORDED),
            ended: metrics.counter(&names::GAME_MATCHES_ENDED),
            replay_bytes: metrics.counter(&names::GAME_REPLAY_BYTES),
            replays_stored: replay("stored"),
            replays_torn: replay("torn"),
            replays_lost: replay("lost"),
            replays_expired: replay("expired"),
            replays_waiting: metrics.gauge(&names::GAME_REPLAYS_WAITING),
            replay_blocks_lost: metrics.counter(&names::GAME_REPLAY_BLOCKS_LOST),
            checks_equal: check("equal"),
            checks_differ: check("differs"),
            checks_failed: check("failed"),
            checks_skipped: check("skipped"),
            moves: metrics.counters(&names::GAME_MOVES),
            move_bytes: metrics.counter(&names::GAME_MOVE_BYTES),
            cut: metrics.histogram(&names::GAME_MOVE_CUT),
            stall_ticks: metrics.counter(&names::GAME_CUT_STALL_TICKS),
            journal_bytes: metrics.counter(&names::GAME_JOURNAL_BYTES),
            journal_lost: metrics.counter(&names::GAME_JOURNAL_LOST),
            shadow_matches: metrics.gauge(&names::GAME_SHADOW_MATCHES),
            shadow_ends: metrics.counters(&names::GAME_SHADOW_ENDS),
            shadow_wait: metrics.histogram(&names::GAME_SHADOW_WAIT),
            shadow_bytes: metrics.counter(&names::GAME_SHADOW_BYTES),
            fenced_ticks: metrics.counter(&names::GAME_FENCED_TICKS),
            takeovers: metrics.counters(&names::GAME_TAKEOVERS),
            takeover: metrics.histogram(&names::GAME_TAKEOVER),
        }
    }

    /// Counts what a match's move took.
    pub(crate) fn moved(&self, report: &MoveReport) {
        self.move_bytes.inc_by(report.payload_bytes);
        self.cut.observe(report.cut.as_secs_f64());
        self.stall_ticks.inc_by(u64::from(report.stall_ticks()));
    }

    /// Counts the end of a move.
    pub(crate) fn move_ended(&self, outcome: &'static str) {
        self.moves.get_or_create(&names::GAME_MOVES.series([outcome])).inc();
    }

    /// Counts the end of a warm copy elsewhere.
    pub(crate) fn shadow_ended(&self, outcome: &'static str) {
        self.shadow_ends.get_or_create(&names::GAME_SHADOW_ENDS.series([outcome])).inc();
    }

    /// Counts what came of a match whose owner died.
    pub(crate) fn takeover_ended(&self, outcome: &'static str) {
        self.takeovers.get_or_create(&names::GAME_TAKEOVERS.series([outcome])).inc();
    }

    /// Shows what steps the matches now.
    pub fn show_backend(&self, name: &str) {
        self.backend.clear();
        self.backend.get_or_create(&names::GAME_BACKEND.series([name])).set(1);
    }

    /// Counts what one wake-up of a tick thread brought.
    pub(crate) fn count(&self, batch: &Batch) {
        let Effects {
            messages,
            frames,
            results,
            inputs,
            taped: _,
            replays_failed,
            moves: _,
            gone: _,
            journal: _,
            held,
            covered: _,
        } = &batch.effects;
        let frames = || frames.iter().chain(held.iter().flat_map(|it| &it.frames));
        let messages = messages.len() + held.iter().map(|it| it.messages.len()).sum::<usize>();
        for seconds in &batch.tick_seconds {
            self.tick.observe(*seconds);
        }
        self.debt.set(i64::try_from(batch.debt).unwrap_or(i64::MAX));
        self.forgiven.inc_by(batch.forgiven);
        self.frames.inc_by(frames().count() as u64);
        self.frame_bytes.inc_by(frames().map(|(_, _, frame)| frame.len() as u64).sum());
        self.frames_dropped.inc_by(batch.frames_dropped);
        self.fenced_ticks.inc_by(batch.fenced_ticks);
        self.journal_lost.inc_by(batch.journal_lost);
        self.events.inc_by(messages as u64);
        self.ended.inc_by(results.len() as u64);
        self.replays_torn.inc_by(*replays_failed);
        let outcomes = [inputs.on_time, inputs.late, inputs.dropped];
        for (counter, number) in self.inputs.iter().zip(outcomes) {
            counter.inc_by(number);
        }
    }
}
