//! A model, drawn: the same on a terminal, in a test and in a plain frame.

use arena_types::Region;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Block, StatefulWidget, Table, TableState};

use super::model::{InstanceRow, Model, RegionRow};
use super::view::{Pane, Popup, View};
use super::{columns, popup};
use crate::backend::Unit;
use crate::print::counted;

/// Columns of a plain frame: what a log or an issue shows without wrapping.
const PLAIN_WIDTH: u16 = 132;
/// Lines of a pane around its rows: two of its frame, one of its heads.
const AROUND: u16 = 3;
/// Regions and moves take at most so many lines while instances and matches need theirs.
const SMALL_PANE_MAX: u16 = 8;
const KEYS: &str = "tab pane · ↑↓ row · enter details · s sort · ? help · q quit";

/// Whether colours may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Colored,
    Plain,
}

impl Paint {
    /// Returns the style of a colour, where there are colours.
    pub(super) fn fg(self, color: Color) -> Style {
        match self {
            Self::Colored => Style::new().fg(color),
            Self::Plain => Style::new(),
        }
    }
}

/// Draws everything.
pub(super) fn draw(
    area: Rect,
    buffer: &mut Buffer,
    model: &Model,
    view: &View,
    paint: Paint,
    details: Option<&Unit>,
) {
    let [regions, instances, matches, bottom] = heights(area.height.saturating_sub(1), model);
    let rows = [1, regions, instances, matches, bottom].map(Constraint::Length);
    let [head, regions, instances, matches, bottom] = Layout::vertical(rows).areas(area);
    let [moves, releases] = Layout::horizontal([Constraint::Fill(1); 2]).areas(bottom);
    heading(head, buffer, model);
    let mut pane = |pane, area: Rect, title: String| {
        let table = columns::table(pane, model, area.width, paint);
        framed(pane, area, buffer, table, &title, (model, view));
    };
    pane(Pane::Regions, regions, "Regions".to_owned());
    pane(Pane::Instances, instances, format!("Instances by {}", view.instances_by.word()));
    pane(Pane::Matches, matches, format!("Matches by {}", view.matches_by.word()));
    pane(Pane::Moves, moves, "Moves".to_owned());
    pane(Pane::Releases, releases, "Releases".to_owned());
    match &view.popup {
        Popup::None => {}
        Popup::Help => popup::help(area, buffer),
        Popup::Details { region, instance, told } => {
            let known =
                details.map(|unit| popup::Shown { region, unit, row: row_of(model, region, unit) });
            popup::details(area, buffer, instance, known.as_ref(), told.as_ref());
        }
    }
}

fn row_of<'a>(model: &'a Model, region: &Region, unit: &Unit) -> Option<&'a InstanceRow> {
    model.instances.iter().find(|row| row.region == *region && row.instance == unit.instance)
}

/// Draws one frame as text, as high as it needs to be.
pub(crate) fn plain(model: &Model) -> String {
    let [regions, instances, matches, bottom] = heights(u16::MAX, model);
    let height = 1 + regions + instances + matches + bottom;
    let area = Rect::new(0, 0, PLAIN_WIDTH, height);
    let mut buffer = Buffer::empty(area);
    let view = View::default();
    draw(area, &mut buffer, model, &view, Paint::Plain, None);
    text(&buffer)
}

/// Returns what a buffer shows, without trailing blanks.
pub(super) fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let line = |y: u16| {
        let cells = (area.left()..area.right()).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    (area.top()..area.bottom()).map(line).collect()
}

/// Shares `height` lines between regions, instances, matches and what is below: each as much as it needs; if that
/// is too much, first the small ones give way, then matches, then instances.
pub(super) fn heights(height: u16, model: &Model) -> [u16; 4] {
    let needs =
        |count: usize| u16::try_from(count.max(1)).unwrap_or(u16::MAX).saturating_add(AROUND);
    let regions = needs(model.regions.len());
    let bottom = needs(model.moves.len().max(model.releases.len()));
    let (instances, matches) = (needs(model.instances.len()), needs(model.matches.len()));
    let all = [regions, instances, matches, bottom];
    if all.iter().map(|it| u32::from(*it)).sum::<u32>() <= u32::from(height) {
        return all;
    }
    let (regions, bottom) = (regions.min(SMALL_PANE_MAX), bottom.min(SMALL_PANE_MAX));
    let left = height.saturating_sub(regions).saturating_sub(bottom);
    let matches = matches.min(left.saturating_sub(instances).max(left / 3));
    [regions, left.saturating_sub(matches), matches, bottom]
}

fn heading(area: Rect, buffer: &mut Buffer, model: &Model) {
    let sum = |of: fn(&RegionRow) -> u32| model.regions.iter().map(of).sum::<u32>();
    let matches = counted(sum(|row| row.matches), "match");
    let counts = [
        "arenactl top".to_owned(),
        counted(model.regions.len() as u32, "region"),
        counted(sum(|row| row.instances), "instance"),
        matches,
        counted(sum(|row| row.sessions), "session"),
    ];
    let bold = Style::new().add_modifier(Modifier::BOLD);
    buffer.set_stringn(area.x, area.y, counts.join(" · "), area.width.into(), bold);
    let width = KEYS.chars().count() as u16;
    if area.width > width + counts.join(" · ").chars().count() as u16 + 2 {
        let dim = Style::new().add_modifier(Modifier::DIM);
        buffer.set_string(area.right() - width, area.y, KEYS, dim);
    }
}

fn framed(
    pane: Pane,
    area: Rect,
    buffer: &mut Buffer,
    table: Table<'_>,
    title: &str,
    (model, view): (&Model, &View),
) {
    let is_chosen = view.pane == pane;
    let frame = if is_chosen { Modifier::BOLD } else { Modifier::DIM };
    let block = Block::bordered()
        .title(format!(" {title} "))
        .border_style(Style::new().add_modifier(frame));
    let chosen = if is_chosen { Modifier::REVERSED } else { Modifier::empty() };
    let table =
        table.block(block).column_spacing(2).row_highlight_style(Style::new().add_modifier(chosen));
    let mut state = TableState::new().with_selected(view.row(pane, model));
    StatefulWidget::render(table, area, buffer, &mut state);
}
