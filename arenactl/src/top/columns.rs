//! The columns of each pane: their heads, their widths, and what they show of a row.

use ratatui::layout::Constraint::{self, Fill, Length};
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Cell, Row, Table};

use super::draw::Paint;
use super::model::{InstanceRow, MatchRow, Model, MoveRow, MoveState, RegionRow};
use super::shares::ReleaseRow;
use super::view::Pane;
use crate::print::{counted, lasting};

/// An instance that is silent for this long has its silence told, not its state.
const SILENCE_TOLD_MS: u64 = 1_500;
/// Heads of columns that say nothing where there is one region, or no node.
const REGION: &str = "REGION";
const NODE: &str = "NODE";
/// Widths of a pane from which on it has room for what is less urgent.
const ANY: u16 = 0;
const WIDE: u16 = 96;

/// A column of rows of one kind, shown in panes from some width on.
struct Column<R>(&'static str, Constraint, u16, fn(&R) -> Shown);

/// A text and what it means.
struct Shown(String, Mood);

#[derive(Clone, Copy)]
enum Mood {
    Plain,
    Good,
    Warn,
    Bad,
}

impl Mood {
    fn style(self, paint: Paint) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => paint.fg(Color::Green),
            Self::Warn => paint.fg(Color::Yellow),
            Self::Bad => paint.fg(Color::Red),
        }
    }
}

const REGIONS: &[Column<RegionRow>] = &[
    Column(REGION, Length(10), ANY, |it| is(&it.region)),
    Column("RELEASE", Length(7), ANY, |it| is(it.release.as_deref().unwrap_or("-"))),
    Column("READY", Length(5), ANY, |it| is(format!("{}/{}", it.ready, it.instances))),
    Column("OCCUPIED", Length(8), ANY, |it| is(it.occupied)),
    Column("DRAINING", Length(8), ANY, |it| is(it.draining)),
    Column("MOVING", Length(6), ANY, |it| is(it.moving)),
    Column("SESSIONS", Length(8), ANY, |it| is(it.sessions)),
    Column("MATCHES", Length(9), ANY, |it| is(slots(it.matches, it.capacity))),
    Column("NOTE", Fill(1), ANY, seen),
];

const INSTANCES: &[Column<InstanceRow>] = &[
    Column("INSTANCE", Length(16), ANY, |it| is(&it.instance)),
    Column(REGION, Length(8), ANY, |it| is(&it.region)),
    Column("STATE", Length(11), ANY, state),
    Column("RELEASE", Length(7), WIDE, |it| is(&it.release)),
    Column(NODE, Length(12), WIDE, |it| is(it.node.as_deref().unwrap_or("-"))),
    Column("SESSIONS", Length(8), ANY, |it| is(it.sessions)),
    Column("MATCHES", Length(8), ANY, |it| is(slots(it.matches, it.capacity))),
    Column("TICK P99", Length(9), ANY, |it| is(tick(it))),
    Column("MOVING", Length(6), ANY, |it| is(it.moving)),
    Column("RESTARTS", Length(8), WIDE, |it| is(it.restarts)),
    Column("NOTE", Fill(1), WIDE, |it| is(&it.note)),
];

const MATCHES: &[Column<MatchRow>] = &[
    Column("MATCH", Length(14), ANY, |it| is(&it.id)),
    Column(REGION, Length(8), ANY, |it| is(&it.region)),
    Column("MODE", Length(10), ANY, |it| is(&it.mode)),
    Column("PLAYERS", Length(11), ANY, |it| {
        is(format!("{} + {}", it.players, counted(it.bots, "bot")))
    }),
    Column("TICK", Length(13), ANY, ticked),
    Column("EPOCH", Length(5), ANY, |it| is(it.epoch)),
    Column("OWNER", Fill(1), ANY, owner),
];

const MOVES: &[Column<MoveRow>] = &[
    Column("STATE", Length(6), ANY, |it| match it.state {
        MoveState::Moving => Shown("moving".to_owned(), Mood::Warn),
        MoveState::Moved => Shown("moved".to_owned(), Mood::Good),
    }),
    Column("MATCH", Length(13), ANY, what),
    Column("FROM → TO", Fill(1), ANY, |it| match &it.to {
        Some(to) => is(format!("{} → {to}", it.from)),
        None => is(format!("{} →", it.from)),
    }),
    Column("EPOCH", Length(5), ANY, |it| is(it.epoch.map(|it| it.to_string()).unwrap_or_default())),
    Column("", Length(8), ANY, |it| {
        is(it.age_ms.map(|age| format!("{} ago", seconds(age))).unwrap_or_default())
    }),
];

const RELEASES: &[Column<ReleaseRow>] = &[
    Column("RELEASE", Length(7), ANY, |it| is(&it.release)),
    Column(REGION, Length(8), ANY, |it| is(&it.region)),
    Column("RUNS", Length(4), ANY, |it| is(it.instances)),
    Column("NEW WORK", Fill(1), ANY, shares),
    Column("ROLLOUT", Fill(1), ANY, |it| match (&it.rollout, it.is_current) {
        (Some(step), _) => is(step),
        (None, true) => is("current"),
        (None, false) => is(""),
    }),
];

/// Makes the table of a pane so many columns wide.
pub(super) fn table(pane: Pane, model: &Model, width: u16, paint: Paint) -> Table<'static> {
    let has = Has {
        regions: model.regions.len() > 1,
        nodes: model.instances.iter().any(|it| it.node.is_some()),
    };
    match pane {
        Pane::Regions => made(REGIONS, &model.regions, width, Has { regions: true, ..has }, paint),
        Pane::Instances => made(INSTANCES, &model.instances, width, has, paint),
        Pane::Matches => made(MATCHES, &model.matches, width, has, paint),
        Pane::Moves => made(MOVES, &model.moves, width, has, paint),
        Pane::Releases => made(RELEASES, &model.releases, width, has, paint),
    }
}

/// What rows differ in, so that it is worth a column.
#[derive(Clone, Copy)]
struct Has {
    regions: bool,
    nodes: bool,
}

fn made<R>(
    columns: &[Column<R>],
    rows: &[R],
    width: u16,
    has: Has,
    paint: Paint,
) -> Table<'static> {
    let tells = |head: &str| match head {
        REGION => has.regions,
        NODE => has.nodes,
        _ => true,
    };
    let shown: Vec<&Column<R>> =
        columns.iter().filter(|Column(head, _, from, _)| *from <= width && tells(head)).collect();
    let line = |row: &R| {
        Row::new(shown.iter().map(|Column(.., cell)| {
            let Shown(text, mood) = cell(row);
            Cell::from(text).style(mood.style(paint))
        }))
    };
    let heads = Row::new(shown.iter().map(|Column(head, ..)| *head));
    Table::new(rows.iter().map(line), shown.iter().map(|Column(_, width, ..)| *width))
        .header(heads.style(Style::new().add_modifier(Modifier::DIM)))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "cells are numbers, names and texts made for them"
)]
fn is(text: impl ToString) -> Shown {
    Shown(text.to_string(), Mood::Plain)
}

fn seen(it: &RegionRow) -> Shown {
    match (&it.error, it.age_ms) {
        (Some(error), Some(age)) => {
            Shown(format!("not seen for {}: {error}", seconds(age)), Mood::Bad)
        }
        (Some(error), None) => Shown(error.clone(), Mood::Bad),
        (None, None) => is("looking…"),
        (None, Some(_)) => is(""),
    }
}

fn state(it: &InstanceRow) -> Shown {
    if let Some(silent) = it.silent_ms.filter(|silent| *silent >= SILENCE_TOLD_MS) {
        return Shown(format!("silent {}", seconds(silent)), Mood::Bad);
    }
    let mood = match it.standing {
        "ready" | "occupied" => Mood::Good,
        "failed" => Mood::Bad,
        "starting" | "draining" | "moving" => Mood::Warn,
        _ => Mood::Plain,
    };
    Shown(it.standing.to_owned(), mood)
}

fn ticked(it: &MatchRow) -> Shown {
    is(if it.is_finished { format!("{} (over)", it.tick) } else { it.tick.to_string() })
}

fn owner(it: &MatchRow) -> Shown {
    if it.is_moving { Shown(format!("{} →", it.owner), Mood::Warn) } else { is(&it.owner) }
}

fn what(it: &MoveRow) -> Shown {
    is(it.id.clone().unwrap_or_else(|| counted(it.matches, "match")))
}

/// Mostly all services are treated alike, and then one figure says all.
fn shares(it: &ReleaseRow) -> Shown {
    let mut percents = it.weights.values();
    let first = percents.next();
    if let Some(percent) = first.filter(|first| percents.all(|it| it == *first)) {
        return is(format!("{percent} %"));
    }
    let shares = it.weights.iter().map(|(service, percent)| format!("{service} {percent} %"));
    is(shares.collect::<Vec<_>>().join(", "))
}

/// Writes hosted and hostable matches; nothing where none can be.
pub(super) fn slots(matches: u32, capacity: u32) -> String {
    match (matches, capacity) {
        (0, 0) => "-".to_owned(),
        (matches, 0) => matches.to_string(),
        (matches, capacity) => format!("{matches}/{capacity}"),
    }
}

/// Writes how long ticks took.
pub(super) fn tick(it: &InstanceRow) -> String {
    let sign = if it.is_tick_p99_above { "> " } else { "" };
    it.tick_p99_us.map_or("-".to_owned(), |us| format!("{sign}{:.2} ms", us as f64 / 1_000.0))
}

pub(super) fn seconds(ms: u64) -> String {
    lasting(ms / 1_000)
}
