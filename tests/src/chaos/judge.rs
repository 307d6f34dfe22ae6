//! What must hold after a run, whatever broke: the invariants of the design, by their numbers.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::ground::run;
use super::plan::{Fault, Part, Plan};

/// Figures of the players that are none: (invariant, name).
const NONE: [(u8, &str); 2] = [(1, "dropped_sessions"), (2, "protocol_errors")];
/// The same of the replays.
const NONE_OF_REPLAYS: [(u8, &str); 1] = [(3, "replay_mismatches")];

/// What is known after a run.
pub struct Verdict<'a> {
    pub(super) plan: &'a Plan,
    pub(super) report: &'a Value,
    /// The folder with the data of the region, which is down.
    pub(super) data: &'a Path,
}

impl Verdict<'_> {
    /// Returns what does not hold.
    ///
    /// # Errors
    /// If what is to be looked at is not there.
    pub fn broken(&self) -> anyhow::Result<Vec<String>> {
        let mut broken = Vec::new();
        let figures = NONE.iter().map(|(number, name)| (number, name, &self.report[name]));
        let replays = &self.report["replays"];
        let of_replays =
            NONE_OF_REPLAYS.iter().map(|(number, name)| (number, name, &replays[name]));
        for (number, name, found) in figures.chain(of_replays) {
            if found.as_u64() != Some(0) {
                let kinds = (&self.report["protocol_error_examples"], &replays["examples"]);
                broken.push(format!("{number}: {name} {found}, {kinds:?}"));
            }
        }
        if !self.may_lose_matches() && self.report["matches_lost"].as_u64() != Some(0) {
            broken.push(format!("1: matches_lost {}", self.report["matches_lost"]));
        }
        broken.extend(self.results()?);
        Ok(broken)
    }

    /// Whether matches may end because of what broke: a store that is away takes the registry and the journals with it.
    fn may_lose_matches(&self) -> bool {
        let is_vital = |it: Part| matches!(it, Part::Store);
        self.plan.troubles.iter().any(|it| match it.fault {
            Fault::SlowStore | Fault::FullDisk => true,
            Fault::Kill(part) | Fault::Stop(part) => is_vital(part),
            Fault::Cut(_, a, b) | Fault::Loss(_, a, b) => is_vital(a) || is_vital(b),
            Fault::Clock(_) | Fault::KillArenactl => false,
        })
    }

    /// Invariant 4: each match that its players saw end has its result, and counts once.
    fn results(&self) -> anyhow::Result<Vec<String>> {
        let file = self.data.join("store/players.db");
        let ask = |question: &str| {
            let mut command = Command::new("sqlite3");
            run(command.arg("-readonly").arg(&file).arg(question))
                .with_context(|| format!("ask {}", file.display()))
        };
        let mut broken = Vec::new();
        let twice = ask("SELECT r.player, r.mode, r.matches, COUNT(*) FROM ratings r \
             JOIN result_lines l ON l.player = r.player JOIN results m ON m.id = l.result AND m.mode = r.mode \
             GROUP BY r.player, r.mode HAVING r.matches > COUNT(*)")?;
        if !twice.is_empty() {
            broken.push(format!("4: counted more often than played: {twice}"));
        }
        let recorded: u64 = ask("SELECT COUNT(*) FROM result_lines")?.trim().parse()?;
        let seen = self.report["matches_finished"].as_u64().context("`matches_finished`")?;
        if recorded < seen {
            broken.push(format!("4: players saw {seen} ends of matches, {recorded} are recorded"));
        }
        Ok(broken)
    }
}
