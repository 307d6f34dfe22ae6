//! How a move goes and how it ends, from what its source tells.

use arena_types::{InstanceId, MatchId, Region};
use arena_wire::game::v1::migrate_update::Phase as Told;
use arena_wire::game::v1::{MigrateUpdate, MoveReport};
use serde::Serialize;
use serde_json::{Value, json};
use tonic::Code;

use crate::error::Status;

/// Phases and the last word of a move.
#[derive(Debug, Default)]
pub(super) struct Course {
    phases: Vec<Phase>,
    last: Option<(Told, u64, MoveReport)>,
}

/// A phase that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    /// Since the move was asked for.
    pub(super) elapsed_us: u64,
}

/// How a move ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// The match is there already.
    There { epoch: u32 },
    /// It is another's now.
    Moved { elapsed_us: u64, report: MoveReport },
    /// It stays where it was, after it had begun to move.
    Failed { report: MoveReport },
    /// It was not even begun.
    Refused { why: String },
    /// Somebody else moves it, or did.
    Elsewhere { why: String },
    /// What was asked for is none.
    Invalid { why: String },
    /// Nobody knows yet.
    Unknown { why: String },
}

impl Course {
    /// Takes over what was told; returns a phase that begins with it.
    pub(super) fn take(&mut self, update: MigrateUpdate) -> Option<Phase> {
        let (told, elapsed_us) = (update.phase(), update.elapsed_us);
        let name = match told {
            Told::Reserve => "reserve",
            Told::Warm => "warm",
            Told::Prove => "prove",
            Told::Cut => "cut",
            Told::LetGo => "let-go",
            Told::Moved | Told::Failed => {
                self.last = Some((told, elapsed_us, update.report.unwrap_or_default()));
                return None;
            }
            Told::Unspecified => return None, // A phase of a newer release.
        };
        if self.phases.last().is_some_and(|last| last.name == name) {
            return None;
        }
        let phase = Phase { name, elapsed_us };
        self.phases.push(phase);
        Some(phase)
    }

    /// Says how it ended, given the failure of the call, if it failed.
    pub(super) fn end(&mut self, failure: Option<&tonic::Status>) -> End {
        match (self.last.take(), failure) {
            (Some((Told::Moved, elapsed_us, report)), _) => End::Moved { elapsed_us, report },
            (Some((_, _, report)), _) => End::Failed { report },
            (None, Some(status)) => match End::of(status) {
                // What had begun may go on where nobody hears of it.
                End::Refused { why } | End::Invalid { why }
                    if !self.phases.is_empty() && status.code() != Code::FailedPrecondition =>
                {
                    End::Unknown { why }
                }
                end => end,
            },
            (None, None) => End::Unknown { why: "its source told no end".to_owned() },
        }
    }

    pub(super) fn phases(&self) -> &[Phase] {
        &self.phases
    }
}

impl Phase {
    pub(super) fn ms(self) -> f64 {
        self.elapsed_us as f64 / 1_000.0
    }

    /// Says what happens in it.
    pub(super) fn what(self, to: &InstanceId) -> String {
        match self.name {
            "reserve" => format!("reserve: {to} keeps a slot"),
            "warm" => format!("warm: state and inputs go to {to}, which plays them again"),
            "prove" => "prove: both compare their states".to_owned(),
            "cut" => "cut: the log closes, the registry changes the owner".to_owned(),
            _ => format!("let go: {to} plays on"),
        }
    }
}

impl End {
    /// What the failure of the call means: codes of `Migration/Migrate`, and those of the way there.
    fn of(status: &tonic::Status) -> Self {
        let why = match status.message() {
            "" => status.code().to_string(),
            message => message.to_owned(),
        };
        match status.code() {
            Code::Aborted | Code::NotFound => Self::Elsewhere { why },
            Code::InvalidArgument => Self::Invalid { why },
            Code::Unimplemented if status.message().is_empty() => Self::Refused {
                why: "its instance is of a release that moves no matches".to_owned(),
            },
            Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Internal => {
                Self::Unknown { why }
            }
            _ => Self::Refused { why },
        }
    }

    pub(super) const fn status(&self) -> Status {
        match self {
            Self::There { .. } | Self::Moved { .. } => Status::Done,
            Self::Failed { .. } => Status::RolledBack,
            Self::Refused { .. } => Status::PreflightFailed,
            Self::Elsewhere { .. } => Status::Conflict,
            Self::Invalid { .. } => Status::InvalidInput,
            Self::Unknown { .. } => Status::Paused,
        }
    }

    pub(super) fn text(&self, id: MatchId, from: &InstanceId, to: &InstanceId) -> String {
        match self {
            Self::There { epoch } => format!("{id} is on {to} already, epoch {epoch}"),
            Self::Moved { elapsed_us, report } => format!(
                "{id} moved from {from} to {to} in {:.1} ms: epoch {}, {} bytes, {} ticks played again, cut {:.1} ms, \
                 {} ticks stalled",
                *elapsed_us as f64 / 1_000.0,
                report.epoch,
                report.payload_bytes,
                report.level_ticks,
                report.cut_us as f64 / 1_000.0,
                report.stall_ticks,
            ),
            Self::Failed { report } => {
                format!("{id} did not move and goes on at {from}: {}", report.reason)
            }
            Self::Refused { why } => format!("{id} stays at {from}: {why}"),
            Self::Elsewhere { why } => format!("{id} is not to be moved from {from} now: {why}"),
            Self::Invalid { why } => format!("this cannot be asked for: {why}"),
            Self::Unknown { why } => format!("nobody knows yet whether {id} moves to {to}: {why}"),
        }
    }

    /// The next command to type, on a line of its own; none if all is well.
    pub(super) fn next(&self, id: MatchId, to: &InstanceId, region: &Region) -> String {
        let next = match self {
            Self::There { .. } | Self::Moved { .. } => return String::new(),
            Self::Failed { .. } | Self::Refused { .. } => {
                format!("arenactl logs {to} --region {region}")
            }
            Self::Elsewhere { .. } | Self::Invalid { .. } => {
                format!("arenactl top --region {region}    # shows who owns what")
            }
            Self::Unknown { .. } => {
                format!(
                    "arenactl migrate {id} --to {to} --region {region}    # tells whether it is there"
                )
            }
        };
        format!("\n  next     {next}")
    }

    /// The same for machines.
    pub(super) fn details(&self) -> Value {
        let report = |report: &MoveReport| {
            json!({
                "epoch": report.epoch, "tick": report.tick, "payload_bytes": report.payload_bytes,
                "level_ticks": report.level_ticks, "cut_us": report.cut_us,
                "stall_ticks": report.stall_ticks, "reason": report.reason,
            })
        };
        match self {
            Self::There { epoch } => json!({"epoch": epoch}),
            Self::Moved { elapsed_us, report: it } => {
                json!({"elapsed_us": elapsed_us, "report": report(it)})
            }
            Self::Failed { report: it } => json!({"report": report(it)}),
            Self::Refused { why }
            | Self::Elsewhere { why }
            | Self::Invalid { why }
            | Self::Unknown { why } => json!({"reason": why}),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;

    use super::*;

    fn update(phase: Told, elapsed_us: u64, report: Option<MoveReport>) -> MigrateUpdate {
        MigrateUpdate { phase: phase.into(), elapsed_us, to: "game-r2-0".to_owned(), report }
    }

    fn report(reason: &str) -> MoveReport {
        MoveReport {
            epoch: 2,
            tick: 900,
            payload_bytes: 31_000,
            level_ticks: 12,
            cut_us: 2_500,
            stall_ticks: 0,
            reason: reason.to_owned(),
        }
    }

    /// What a person reads of each end, and the exit code.
    #[test]
    fn each_end_has_its_words_and_its_exit_code() {
        let told = |last: Option<MigrateUpdate>, failure: Option<tonic::Status>| {
            let mut course = Course::default();
            let begun = last.map(|update| course.take(update));
            assert_eq!(begun.flatten(), None, "an end is no phase");
            course.end(failure.as_ref())
        };
        let failed = |code, why: &str| told(None, Some(tonic::Status::new(code, why)));
        let mut table = String::new();
        for end in [
            End::There { epoch: 4 },
            told(Some(update(Told::Moved, 84_000, Some(report("")))), None),
            told(Some(update(Told::Failed, 9_000, Some(report("the states differ")))), None),
            failed(Code::FailedPrecondition, "it plays other rules"),
            failed(Code::Unavailable, "the connection was refused"),
            failed(Code::Unimplemented, ""),
            failed(Code::PermissionDenied, "operator may not"),
            failed(Code::Aborted, "it is on its way to game-r2-1"),
            failed(Code::NotFound, "it is not here"),
            failed(Code::InvalidArgument, "to: is no name"),
            failed(Code::DeadlineExceeded, "no answer in time"),
            told(None, None),
        ] {
            let (from, to) = ("game-r1-0".parse().unwrap(), "game-r2-0".parse().unwrap());
            let text = end.text(MatchId::from_u64(7), &from, &to);
            writeln!(table, "{}: {text}", end.status().exit_code()).unwrap();
        }
        expect![[r"
            0: 0000000000007 is on game-r2-0 already, epoch 4
            0: 0000000000007 moved from game-r1-0 to game-r2-0 in 84.0 ms: epoch 2, 31000 bytes, 12 ticks played again, cut 2.5 ms, 0 ticks stalled
            10: 0000000000007 did not move and goes on at game-r1-0: the states differ
            4: 0000000000007 stays at game-r1-0: it plays other rules
            4: 0000000000007 stays at game-r1-0: the connection was refused
            4: 0000000000007 stays at game-r1-0: its instance is of a release that moves no matches
            4: 0000000000007 stays at game-r1-0: operator may not
            6: 0000000000007 is not to be moved from game-r1-0 now: it is on its way to game-r2-1
            6: 0000000000007 is not to be moved from game-r1-0 now: it is not here
            3: this cannot be asked for: to: is no name
            13: nobody knows yet whether 0000000000007 moves to game-r2-0: no answer in time
            13: nobody knows yet whether 0000000000007 moves to game-r2-0: its source told no end
        "]].assert_eq(&table);
    }

    #[test]
    fn a_phase_is_told_once_and_the_end_is_none() {
        let mut course = Course::default();
        let mut told = Vec::new();
        for (phase, us) in [
            (Told::Reserve, 10),
            (Told::Warm, 200),
            (Told::Prove, 3_000),
            (Told::Cut, 4_000),
            (Told::Cut, 4_500),
            (Told::LetGo, 5_000),
            (Told::Moved, 6_000),
        ] {
            let begun = course.take(update(phase, us, None));
            told.extend(begun.map(|phase| format!("{} {}", phase.name, phase.elapsed_us)));
        }
        assert_eq!(told.join(", "), "reserve 10, warm 200, prove 3000, cut 4000, let-go 5000");
        assert_eq!(course.phases().len(), 5);
        let end = course.end(Some(&tonic::Status::unknown("cut off behind its end")));
        assert_eq!(end.status(), Status::Done);
    }

    /// Before a phase was told, and after one: what had begun is over only if its source says so.
    #[test]
    fn a_call_that_fails_after_a_phase_leaves_the_end_open() {
        use Code as C;
        use Status::{Conflict, InvalidInput, Paused, PreflightFailed};
        for (code, before, after) in [
            (C::FailedPrecondition, PreflightFailed, PreflightFailed),
            (C::Aborted, Conflict, Conflict),
            (C::NotFound, Conflict, Conflict),
            (C::InvalidArgument, InvalidInput, Paused),
            (C::Unavailable, PreflightFailed, Paused),
            (C::ResourceExhausted, PreflightFailed, Paused),
            (C::PermissionDenied, PreflightFailed, Paused),
            (C::Unimplemented, PreflightFailed, Paused),
            (C::DeadlineExceeded, Paused, Paused),
            (C::Cancelled, Paused, Paused),
            (C::Unknown, Paused, Paused),
            (C::Internal, Paused, Paused),
        ] {
            let failure = tonic::Status::new(code, "a reason");
            let mut begun = Course::default();
            begun.take(update(Told::Warm, 10, None));
            let ends = [Course::default().end(Some(&failure)), begun.end(Some(&failure))];
            assert_eq!(ends.map(|end| end.status()), [before, after], "{code:?}");
        }
    }
}
