//! Whether what was played is what was recorded: each match of a run against its replays.

mod film;
mod inputs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arena_replay::chain;
use arena_types::MatchId;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use self::film::Film;
use crate::judge::{Judge, Seen, Shared};

/// Matches of a run end with their last player, and replays are stored a moment later; a match whose players
/// were away may wait for them for half a minute before.
const STORED_WITHIN: Duration = Duration::from_mins(1);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Examples of what is wrong that are told.
const EXAMPLES_MAX: usize = 16;
/// Owners of one match that are looked at.
const EPOCHS_MAX: usize = 1_000;

/// What the replays of a run say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// Matches that at least one frame was seen of.
    pub matches: u64,
    /// Replays that were simulated again to the end with all recorded hashes, keyframes and results. Each owner
    /// of a match writes one.
    pub replays_verified: u64,
    /// Replays that were not, and frames that do not show what was simulated.
    pub replay_mismatches: u64,
    /// Replays without an end that another owner's go on from, or that were never ended.
    pub replays_unfinished: u64,
    /// Places where the replays of a match do not join: ticks are missing, the states differ, or there is no
    /// replay of what was seen.
    pub replay_gaps: u64,
    /// Matches that were ended with their instance, before their rules did.
    pub matches_cut: u64,
    /// Frames whose own player was compared with the simulation: body, health, aim, score.
    pub frames_compared: u64,
    /// Inputs that a tick was played with.
    pub inputs_played: u64,
    /// Inputs that frames counted, and that gave way to a later one for the same tick, as the protocol has it for
    /// those that come late.
    pub inputs_merged: u64,
    /// Inputs that no frame counted, and nothing was played with, although the match went on.
    pub inputs_lost: u64,
    /// Inputs for ticks after the end of their match, or that a player had just sent when it left.
    pub inputs_open: u64,
    /// The first things that are wrong.
    pub examples: Vec<String>,
    /// When inputs were lost, in milliseconds since the start of the run.
    #[serde(skip)]
    pub(crate) lost_ms: Vec<u64>,
    /// When inputs gave way.
    #[serde(skip)]
    pub(crate) merged_ms: Vec<u64>,
    /// Matches of other games than the arena were among them, whose inputs are not judged.
    #[serde(skip)]
    pub(crate) has_other_games: bool,
}

impl ReplayReport {
    /// Says whether what is lost is known by input.
    pub(crate) fn judges_inputs(&self) -> bool {
        !self.has_other_games
    }

    /// Notes something that is wrong with no match.
    fn say(&mut self, what: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(what);
        }
    }

    fn complain(&mut self, id: MatchId, what: &str) {
        self.say(format!("match {id}: {what}"));
    }

    fn gap(&mut self, id: MatchId, what: &str) {
        self.replay_gaps += 1;
        self.complain(id, what);
    }

    fn mismatch(&mut self, id: MatchId, what: &str) {
        self.replay_mismatches += 1;
        self.complain(id, what);
    }
}

/// Plays all matches again from the replays in `folder` (`MATCH/EPOCH.rpl`); [`stored`] waits for them.
pub(crate) fn check(folder: &Path, judge: &Judge) -> ReplayReport {
    let mut report = ReplayReport::default();
    if !folder.is_dir() {
        let folder = folder.display();
        report.say(format!(
            "there is no folder `{folder}`: name `replays` in the objects of the region's store"
        ));
    }
    for (id, seen) in played(judge) {
        report.matches += 1;
        check_match(folder, (id, seen), &mut report);
    }
    report
}

/// Waits until the replays of all matches are stored, but not longer than a minute.
pub(crate) async fn stored(folder: &Path, judge: &Shared) {
    let end = Instant::now() + STORED_WITHIN;
    let seen = |(id, seen): (MatchId, &Seen)| (id, seen.course.last_tick());
    let mut waited_for: Vec<_> = played(&judge.lock()).map(seen).collect();
    loop {
        waited_for.retain(|(id, last_tick)| {
            let last = paths(folder, *id).pop_last();
            !last.is_some_and(|(_, path)| film::reaches(&path, *last_tick))
        });
        if waited_for.is_empty() || Instant::now() >= end {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}

fn played(judge: &Judge) -> impl Iterator<Item = (MatchId, &Seen)> {
    let matches = judge.matches.iter().map(|(id, seen)| (*id, seen));
    matches.filter(|(_, seen)| seen.course.last_tick() > 0)
}

/// Returns the replays of a match by epoch.
fn paths(folder: &Path, id: MatchId) -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir(folder.join(id.to_string())).into_iter().flatten();
    let paths = entries.filter_map(|it| Some(it.ok()?.path()));
    let by_epoch = paths.filter_map(|path| {
        let is_replay = path.extension().is_some_and(|it| it == "rpl");
        let epoch = path.file_stem()?.to_str()?.parse().ok()?;
        is_replay.then_some((epoch, path))
    });
    by_epoch.take(EPOCHS_MAX).collect()
}

fn check_match(folder: &Path, (id, seen): (MatchId, &Seen), report: &mut ReplayReport) {
    let mut films = Vec::new();
    let paths = paths(folder, id);
    let newest = paths.keys().next_back().copied();
    for (epoch, path) in &paths {
        match Film::read(path, *epoch, &seen.diaries) {
            Ok(film) => {
                note(id, &film, Some(*epoch) == newest, report);
                films.push(film);
            }
            Err(error) => report.mismatch(id, &format!("epoch {epoch}: {}", chain(&error))),
        }
    }
    report.matches_cut += u64::from(films.last().is_some_and(|it| it.is_cut));
    check_joins(id, seen, &films, report);
    check_inputs(id, seen, &films, report);
}

/// Counts what a replay says of itself, and of what was seen.
fn note(id: MatchId, film: &Film, is_newest: bool, report: &mut ReplayReport) {
    let epoch = film.epoch;
    report.frames_compared += film.compared;
    report.replays_unfinished += u64::from(film.is_unfinished);
    match film.problems.first() {
        None => report.replays_verified += u64::from(!film.is_unfinished),
        Some(problem) => report.mismatch(id, &format!("epoch {epoch}: {problem}")),
    }
    if film.is_unfinished && is_newest {
        report.gap(id, &format!("epoch {epoch}: the replay has no end"));
    }
    for difference in &film.differences {
        report.mismatch(id, &format!("epoch {epoch}: {difference}"));
    }
}

/// A match is recorded from its start to what was seen of it, each owner from where the one before ended.
fn check_joins(id: MatchId, seen: &Seen, films: &[Film], report: &mut ReplayReport) {
    let last_seen = seen.course.last_tick();
    let Some(first) = films.first() else {
        return report.gap(id, &format!("no replay of its {last_seen} ticks"));
    };
    if first.first_tick != 0 {
        report.gap(id, &format!("its first replay begins at tick {}", first.first_tick));
    }
    for pair in films.windows(2) {
        let [before, after] = pair else { continue };
        let (ended, begins) = (before.last_tick, after.first_tick);
        let owners = format!("epoch {} to {}", before.epoch, after.epoch);
        if begins > ended {
            report.gap(id, &format!("{owners}: ticks {ended} to {begins} are in no replay"));
        } else if before.is_arena && before.hash_at(begins) != Some(after.first_hash) {
            report.gap(id, &format!("{owners}: another state at tick {begins}"));
        }
    }
    if let Some(last) = films.last().filter(|it| it.last_tick < last_seen) {
        let recorded = last.last_tick;
        report.gap(id, &format!("tick {last_seen} was seen, {recorded} is the last recorded"));
    }
}

/// What an input does in another game only that game knows.
fn check_inputs(id: MatchId, seen: &Seen, films: &[Film], report: &mut ReplayReport) {
    if films.iter().any(|it| !it.is_arena) {
        report.has_other_games = true;
        return;
    }
    // Of ticks that two owners have, the later one's count: that is how the match went on.
    let at = |tick: u32| films.iter().rev().find_map(|it| it.inputs_of(tick));
    let last_tick = films.last().map_or(0, |it| it.last_tick);
    for diary in &seen.diaries {
        let input = |tick: u32| at(tick).map(|it| it[usize::from(diary.seat)]);
        for stretch in &diary.stretches {
            let verdict = inputs::judge(stretch, input, last_tick);
            report.inputs_played += verdict.played;
            report.inputs_merged += verdict.merged_ticks.len() as u64;
            report.inputs_open += verdict.open;
            report.inputs_lost += verdict.lost_ticks.len() as u64;
            let reached = |tick: &u32| seen.course.reached_ms(*tick);
            report.merged_ms.extend(verdict.merged_ticks.iter().filter_map(reached));
            report.lost_ms.extend(verdict.lost_ticks.iter().filter_map(reached));
            if let (Some(first), Some(last)) =
                (verdict.lost_ticks.first(), verdict.lost_ticks.last())
            {
                let (seat, lost) = (diary.seat, verdict.lost_ticks.len());
                let what = format!("seat {seat}: {lost} inputs lost, for ticks {first} to {last}");
                report.complain(id, &what);
            }
        }
    }
}

#[cfg(test)]
mod tests;
