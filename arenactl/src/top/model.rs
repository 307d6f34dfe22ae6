//! What is shown: rows of plain values, made of what was seen.

use std::time::Duration;

use arena_types::{InstanceId, Region};
use arenactl_planning::observed::UnitState;
use serde::Serialize;

use super::board::{Board, Instance, Known, Moment};
use super::shares::{ReleaseRow, releases};
use crate::backend::tally::tally;
use crate::sample::HostedMatch;
use crate::sample::histogram::Quantile;

/// Everything that is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Model {
    pub(super) regions: Vec<RegionRow>,
    pub(super) instances: Vec<InstanceRow>,
    pub(super) matches: Vec<MatchRow>,
    pub(super) moves: Vec<MoveRow>,
    pub(super) releases: Vec<ReleaseRow>,
}

/// A region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct RegionRow {
    pub(super) region: String,
    /// The release that it is meant to run.
    pub(super) release: Option<String>,
    pub(super) instances: u32,
    pub(super) ready: u32,
    pub(super) occupied: u32,
    pub(super) draining: u32,
    /// Of the service that holds most: a player's session is held by a gateway and by a game.
    pub(super) sessions: u32,
    pub(super) matches: u32,
    pub(super) moving: u32,
    pub(super) capacity: u32,
    /// Since it was seen; `None` if it never was.
    pub(super) age_ms: Option<u64>,
    /// Why it was not seen since.
    pub(super) error: Option<String>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct InstanceRow {
    pub(super) region: Region,
    pub(super) instance: InstanceId,
    pub(super) standing: &'static str,
    pub(super) release: String,
    pub(super) node: Option<String>,
    pub(super) sessions: u32,
    pub(super) matches: u32,
    pub(super) capacity: u32,
    /// 99 of 100 ticks of the last interval took at most so long.
    pub(super) tick_p99_us: Option<u64>,
    /// Whether it is beyond the largest bound that is measured, which is what the figure says then.
    pub(super) is_tick_p99_above: bool,
    pub(super) moving: u32,
    pub(super) restarts: u32,
    /// How long it has not answered.
    pub(super) silent_ms: Option<u64>,
    pub(super) note: String,
}

/// A match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct MatchRow {
    pub(super) region: Region,
    #[serde(rename = "match")]
    pub(super) id: String,
    pub(super) mode: String,
    pub(super) players: u32,
    pub(super) bots: u32,
    pub(super) tick: u32,
    pub(super) epoch: u32,
    pub(super) owner: InstanceId,
    pub(super) is_finished: bool,
    pub(super) is_moving: bool,
}

/// Matches that move away from an instance, or one that did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct MoveRow {
    pub(super) region: Region,
    pub(super) state: MoveState,
    /// `None` while the instance only tells how many move.
    #[serde(rename = "match")]
    pub(super) id: Option<String>,
    pub(super) matches: u32,
    pub(super) from: InstanceId,
    pub(super) to: Option<InstanceId>,
    pub(super) epoch: Option<u32>,
    /// Since it was seen to have moved.
    pub(super) age_ms: Option<u64>,
}

/// Where a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MoveState {
    /// In progress.
    Moving,
    /// Done.
    Moved,
}

impl Board {
    /// Makes rows of what is known at `now`, in the order of names.
    pub(crate) fn model(&self, now: Moment) -> Model {
        let mut model = Model::default();
        for (region, known) in &self.regions {
            model.regions.push(region_row(region, known, now));
            let shown = known.instances.values().filter(|it| it.unit.state != UnitState::Stopped);
            model.instances.extend(shown.map(|it| instance_row(region, it, now)));
            model.matches.extend(match_rows(region, known));
            model.moves.extend(move_rows(region, known, now));
            model.releases.extend(releases(region, known));
        }
        model
    }
}

fn region_row(region: &Region, known: &Known, now: Moment) -> RegionRow {
    let mut row = RegionRow { region: region.to_string(), ..RegionRow::default() };
    row.release = known.seen.as_ref().and_then(|it| it.release).map(|it| it.to_string());
    row.age_ms = known.seen.as_ref().map(|_| millis(now.since(known.at)));
    row.error.clone_from(&known.error);
    let units = || known.instances.values().map(|it| &it.unit);
    row.instances = units().filter(|unit| unit.state != UnitState::Stopped).count() as u32;
    row.capacity = units().map(|unit| unit.capacity).sum();
    for tally in tally(units(), None).values() {
        row.ready += tally.ready;
        row.occupied += tally.occupied;
        row.draining += tally.draining;
        row.matches += tally.matches;
        row.moving += tally.moving;
        row.sessions = row.sessions.max(tally.sessions);
    }
    row
}

fn instance_row(region: &Region, instance: &Instance, now: Moment) -> InstanceRow {
    let unit = &instance.unit;
    let silence = instance.silence(now);
    let (tick_p99, is_tick_p99_above) = match instance.tick_p99 {
        Some(Quantile::At(it)) => (Some(it), false),
        Some(Quantile::Above(it)) => (Some(it), true),
        None => (None, false),
    };
    let note = instance.silent.clone().unwrap_or_else(|| unit.told());
    InstanceRow {
        region: region.clone(),
        instance: unit.instance.clone(),
        standing: unit.standing(),
        release: unit.release.to_string(),
        node: unit.node.clone(),
        sessions: unit.sessions,
        matches: unit.matches,
        capacity: unit.capacity,
        tick_p99_us: tick_p99.map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX)),
        is_tick_p99_above,
        moving: unit.moving,
        restarts: unit.restarts,
        silent_ms: silence.map(millis),
        note,
    }
}

/// A match that moves is told of by two instances, and shown once.
fn match_rows(region: &Region, known: &Known) -> Vec<MatchRow> {
    let hosted = known
        .instances
        .iter()
        .flat_map(|(owner, instance)| instance.matches.iter().map(move |hosted| (owner, hosted)));
    let owned = hosted.filter(|(owner, hosted)| known.moves.is_owner(&hosted.id, owner));
    let row = |(owner, hosted): (&InstanceId, &HostedMatch)| MatchRow {
        region: region.clone(),
        id: hosted.id.clone(),
        mode: hosted.mode.clone(),
        players: hosted.players,
        bots: hosted.bots,
        tick: hosted.tick,
        epoch: hosted.epoch,
        owner: owner.clone(),
        is_finished: hosted.is_finished,
        is_moving: hosted.is_moving,
    };
    let mut rows: Vec<MatchRow> = owned.map(row).collect();
    rows.sort_by(|one, other| one.id.cmp(&other.id));
    rows
}

fn move_rows(region: &Region, known: &Known, now: Moment) -> Vec<MoveRow> {
    let moving = known.instances.values().flat_map(|it| moving_rows(region, known, it));
    let moved = known.moves.latest.iter().map(|it| MoveRow {
        region: region.clone(),
        state: MoveState::Moved,
        id: Some(it.id.clone()),
        matches: 1,
        from: it.from.clone(),
        to: Some(it.to.clone()),
        epoch: Some(it.epoch),
        age_ms: Some(millis(now.since(it.at))),
    });
    moving.chain(moved).collect()
}

/// The matches that leave an instance, by name where it names them.
fn moving_rows(region: &Region, known: &Known, from: &Instance) -> Vec<MoveRow> {
    let row = |id, matches, epoch| MoveRow {
        region: region.clone(),
        state: MoveState::Moving,
        id,
        matches,
        from: from.unit.instance.clone(),
        to: None,
        epoch,
        age_ms: None,
    };
    let is_leaving =
        |it: &&HostedMatch| it.is_moving && known.moves.is_owner(&it.id, &from.unit.instance);
    let named = from.matches.iter().filter(is_leaving);
    let named: Vec<MoveRow> = named.map(|it| row(Some(it.id.clone()), 1, Some(it.epoch))).collect();
    let unnamed = from.unit.moving.saturating_sub(named.len() as u32);
    let unnamed = (unnamed > 0).then(|| row(None, unnamed, None));
    named.into_iter().chain(unnamed).collect()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
