//! Every metric Arena's services export: code and manual in one.

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only up; exported with `_total`.
    Counter,
    /// Up and down.
    Gauge,
    /// A distribution over these upper bounds, in the metric's unit.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// `arena_<service>_<what>_<unit>`; the unit is left out where things are counted.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// Seconds, from a cheap local call to the longest deadline of a call between services.
pub const CALL_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Seconds, from an idle tick of a game thread to one that took four times its share.
pub const TICK_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.0125, 0.0167, 0.033, 0.067];

/// Seconds a person waits for a match, from at once to giving up.
pub const WAIT_SECONDS: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0];

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $kind:expr, $labels:expr;)*) => {
        $($(#[doc = $doc])+ pub const $name: Metric = Metric {
            name: $text,
            kind: $kind,
            labels: &$labels,
            help: concat!($($doc),+).trim_ascii(),
        };)*

        /// All of them, in the order of `docs/metrics.md`.
        pub const ALL: &[&Metric] = &[$(&$name),*];
    };
}

metrics! {
    /// Always 1; its labels say what runs.
    INSTANCE_INFO = "arena_instance_info", Kind::Gauge, ["service", "instance", "release", "region"];
    /// 1 for the state the instance is in, 0 for the others.
    INSTANCE_STATE = "arena_instance_state", Kind::Gauge, ["state"];
    /// Players' sessions held now.
    INSTANCE_SESSIONS = "arena_instance_sessions", Kind::Gauge, [];
    /// Matches hosted now.
    INSTANCE_MATCHES = "arena_instance_matches", Kind::Gauge, [];
    /// Matches that can be hosted.
    INSTANCE_CAPACITY = "arena_instance_capacity", Kind::Gauge, [];
    /// Sessions and matches ended by a drain whose deadline said `end`.
    INSTANCE_ENDED = "arena_instance_ended_at_deadline", Kind::Counter, [];
    /// Seconds since the registry last answered this instance's keep-alive.
    REGISTRY_SILENCE = "arena_registry_silence_seconds", Kind::Gauge, [];
    /// Registrations of this instance under a new lease, the first one included.
    REGISTRY_REGISTRATIONS = "arena_registry_registrations", Kind::Counter, [];
    /// Requests to the side port.
    SIDE_REQUESTS = "arena_side_requests", Kind::Counter, ["path", "status"];
    /// Processor time used by the process, user and system.
    PROCESS_CPU = "process_cpu_seconds", Kind::Counter, [];
    /// Memory of the process that is in RAM.
    PROCESS_MEMORY = "process_resident_memory_bytes", Kind::Gauge, [];
    /// Open file descriptors of the process.
    PROCESS_FDS = "process_open_fds", Kind::Gauge, [];

    /// Logins, by way (`device`, `email`, `refresh`) and outcome.
    AUTH_LOGINS = "arena_auth_logins", Kind::Counter, ["way", "outcome"];
    /// Families of refresh tokens revoked because a token was used twice.
    AUTH_REUSE = "arena_auth_refresh_reuse", Kind::Counter, [];
    /// Time a password hash took, waiting for its turn included.
    AUTH_HASH = "arena_auth_password_hash_seconds", Kind::Histogram(CALL_SECONDS), [];
    /// Requests refused by a rate limit, by what was limited (`ip`, `account`).
    AUTH_LIMITED = "arena_auth_rate_limited", Kind::Counter, ["scope"];

    /// Time a tick of one thread took, all its matches together; 0.0167 is all there is.
    GAME_TICK = "arena_game_tick_seconds", Kind::Histogram(TICK_SECONDS), [];
    /// 1 for what steps the matches: `cpu-avx2`, `cpu-scalar`, `gpu-vulkan`.
    GAME_BACKEND = "arena_game_backend", Kind::Gauge, ["backend"];
    /// Devices that failed while they stepped matches, which then went on on the CPU.
    GAME_DEVICES_LOST = "arena_game_devices_lost", Kind::Counter, [];
    /// Ticks a thread is behind, 0 when all is well.
    GAME_TICK_DEBT = "arena_game_tick_debt", Kind::Gauge, [];
    /// Ticks given up because a thread was too far behind.
    GAME_TICKS_SKIPPED = "arena_game_ticks_skipped", Kind::Counter, [];
    /// Matches ended, by their rules or by a drain.
    GAME_MATCHES_ENDED = "arena_game_matches_ended", Kind::Counter, [];
    /// Frames sent to gateways.
    GAME_FRAMES = "arena_game_frames", Kind::Counter, [];
    /// Bytes of these frames.
    GAME_FRAME_BYTES = "arena_game_frame_bytes", Kind::Counter, [];
    /// Frames dropped because the network was stuck.
    GAME_FRAMES_DROPPED = "arena_game_frames_dropped", Kind::Counter, [];
    /// Reliable messages sent to gateways.
    GAME_EVENTS = "arena_game_events", Kind::Counter, [];
    /// Inputs of players, by what became of them (`on_time`, `late`, `dropped`).
    GAME_INPUTS = "arena_game_inputs", Kind::Counter, ["outcome"];
    /// Results that `stats` has not acknowledged yet.
    GAME_UNRECORDED = "arena_game_unrecorded_results", Kind::Gauge, [];
    /// Bytes of replays written to disk.
    GAME_REPLAY_BYTES = "arena_game_replay_bytes", Kind::Counter, [];
    /// Replays by what became of them: `stored`, `torn` (it ends before its match), `lost` (nothing was recorded), `expired` (removed by age or size).
    GAME_REPLAYS = "arena_game_replays", Kind::Counter, ["outcome"];
    /// Finished replays that the object store does not have yet.
    GAME_REPLAYS_WAITING = "arena_game_replays_waiting", Kind::Gauge, [];
    /// Parts of replays that were lost because the disk was behind.
    GAME_REPLAY_BLOCKS_LOST = "arena_game_replay_blocks_lost", Kind::Counter, [];
    /// Matches that were played again to check them, by what came of it: `equal`, `differs` (kept below `evidence/`), `failed` (the replay cannot be played), `skipped` (no time).
    GAME_CHECKS = "arena_game_checks", Kind::Counter, ["outcome"];
    /// Moves of matches away from this instance, by what came of them: `moved`, `ended` (the match was over before), `refused` (the target cannot take it), `unequal` (the target computed another course: both states are kept), `failed` (anything else; the match goes on where it was).
    GAME_MOVES = "arena_game_moves", Kind::Counter, ["outcome"];
    /// Bytes sent to the next owners of matches.
    GAME_MOVE_BYTES = "arena_game_move_bytes", Kind::Counter, [];
    /// Seconds from the closing of a match's log until its next owner had it.
    GAME_MOVE_CUT = "arena_game_move_cut_seconds", Kind::Histogram(TICK_SECONDS), [];
    /// Ticks that were late because a match changed its owner.
    GAME_CUT_STALL_TICKS = "arena_game_cut_stall_ticks", Kind::Counter, [];

    /// Bytes of matches' journals written to the hot state.
    GAME_JOURNAL_BYTES = "arena_game_journal_bytes", Kind::Counter, [];
    /// Entries of journals that could not be written: a death costs more ticks until the next snapshot.
    GAME_JOURNAL_LOST = "arena_game_journal_entries_lost", Kind::Counter, [];
    /// Matches hosted here of which another instance keeps a warm copy: a death costs them nothing.
    GAME_SHADOW_MATCHES = "arena_game_shadow_matches", Kind::Gauge, [];
    /// Warm copies elsewhere that ended or did not come to be, by why: `over` (the match ended, moved or was taken), `slow` (it did not have a tick in time), `gone` (its instance died or drains), `unequal` (it took another course), `refused` (no room, or another game), `failed` (the registry did not take it).
    GAME_SHADOW_ENDS = "arena_game_shadow_ends", Kind::Counter, ["outcome"];
    /// Seconds from a tick until its warm copy had it: so long are its frames kept back.
    GAME_SHADOW_WAIT = "arena_game_shadow_wait_seconds", Kind::Histogram(TICK_SECONDS), [];
    /// Bytes sent to warm copies.
    GAME_SHADOW_BYTES = "arena_game_shadow_bytes", Kind::Counter, [];
    /// Ticks that were not stepped because the instance's lease may have ended.
    GAME_FENCED_TICKS = "arena_game_fenced_ticks", Kind::Counter, [];
    /// Matches whose owner died, by what came of them: `taken` (they go on here), `elsewhere` (another was first), `lost` (nobody could go on, players were told), `unknown` (the registry did not say), `yielded` (this instance was thought dead, and another went on).
    GAME_TAKEOVERS = "arena_game_takeovers", Kind::Counter, ["outcome"];
    /// Seconds from the end of a lease until a match of its instance went on here.
    GAME_TAKEOVER = "arena_game_takeover_seconds", Kind::Histogram(CALL_SECONDS), [];

    /// The version of the rules that new matches pin.
    CONFIG_ACTIVE_RULES = "arena_config_active_rules", Kind::Gauge, [];
    /// 1 while the last known good copy on disk is served because the store is away.
    CONFIG_STALE = "arena_config_stale", Kind::Gauge, [];
    /// Open watches.
    CONFIG_WATCHES = "arena_config_watches", Kind::Gauge, [];

    /// Open `WebSocket`s of players.
    GATEWAY_SOCKETS = "arena_gateway_sockets", Kind::Gauge, [];
    /// Frames sent to players.
    GATEWAY_FRAMES_SENT = "arena_gateway_frames_sent", Kind::Counter, [];
    /// Frames that a newer one replaced before they were sent.
    GATEWAY_FRAMES_DROPPED = "arena_gateway_frames_dropped", Kind::Counter, [];
    /// Bytes of messages sent to players.
    GATEWAY_BYTES_SENT = "arena_gateway_sent_bytes", Kind::Counter, [];
    /// Bytes of messages received from players.
    GATEWAY_BYTES_RECEIVED = "arena_gateway_received_bytes", Kind::Counter, [];
    /// Sessions resumed, after a lost connection or from another gateway.
    GATEWAY_RESUMED = "arena_gateway_resumed_sessions", Kind::Counter, [];
    /// Sessions let go of because they read too slowly.
    GATEWAY_SLOW = "arena_gateway_slow_sessions", Kind::Counter, [];
    /// Links to game instances that could not be opened.
    GATEWAY_LINK_FAILURES = "arena_gateway_link_failures", Kind::Counter, [];
    /// `WebSocket`s closed by the gateway, by the close code of `docs/protocol.md`.
    GATEWAY_CLOSES = "arena_gateway_closes", Kind::Counter, ["code"];

    /// Results received, by outcome (`new`, recorded `before`, `failed`).
    STATS_RESULTS = "arena_stats_results", Kind::Counter, ["outcome"];
    /// Tickets that wait, those whose match is being made included.
    MATCHMAKER_TICKETS = "arena_matchmaker_waiting_tickets", Kind::Gauge, [];
    /// Matches made.
    MATCHMAKER_MATCHES = "arena_matchmaker_matches", Kind::Counter, [];
    /// Time a ticket waited for its match, elsewhere included.
    MATCHMAKER_WAIT = "arena_matchmaker_wait_seconds", Kind::Histogram(WAIT_SECONDS), [];
    /// Round-trip time that players lose here against their best region.
    MATCHMAKER_RTT_DELTA = "arena_matchmaker_rtt_delta_seconds", Kind::Histogram(CALL_SECONDS), [];
    /// Tickets that ended without a match, by reason.
    MATCHMAKER_ENDED = "arena_matchmaker_ended_tickets", Kind::Counter, ["reason"];
    /// Refused placements of a match, by reason (`instance`, `no_instance`, `no_rules`).
    MATCHMAKER_REFUSALS = "arena_matchmaker_placement_refusals", Kind::Counter, ["reason"];

    /// Instances wanted, by service.
    AUTOSCALER_WANTED = "arena_autoscaler_wanted", Kind::Gauge, ["service"];
    /// Instances that exist and are not draining, by service.
    AUTOSCALER_PRESENT = "arena_autoscaler_present", Kind::Gauge, ["service"];
}

/// Prints `docs/metrics.md`.
#[must_use]
pub fn reference() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "# Metrics of the services\n\n\
         Printed from `services/lib/arena-telemetry/src/names.rs`; \
         `UPDATE_EXPECT=1 cargo test -p arena-telemetry` renews it.\n\
         `GET /metrics` on the side port. Counters are exported with `_total`.\n\n\
         | metric | kind | labels | what it is |\n|---|---|---|---|\n",
    );
    for Metric { name, kind, labels, help } in ALL {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        writeln!(text, "| `{name}` | {kind} | {} | {help} |", labels.join(", "))
            .expect("a String takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_is_what_the_code_declares() {
        expect_test::expect_file!["../../../../docs/metrics.md"].assert_eq(&reference());
    }

    #[test]
    fn names_are_unique_and_bounds_grow() {
        let mut names: Vec<_> = ALL.iter().map(|it| it.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for it in ALL {
            if let Kind::Histogram(bounds) = it.kind {
                assert!(bounds.is_sorted() && !bounds.is_empty(), "{}", it.name);
            }
            assert!(!it.name.ends_with("_total"), "{}: the exporter adds it", it.name);
        }
    }
}
