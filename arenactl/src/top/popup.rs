//! What lies over the panes: help, and one instance with all that is known of it.

use arena_types::{InstanceId, Region};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Widget as _};

use super::columns::{seconds, slots, tick};
use super::model::InstanceRow;
use super::view::Details;
use crate::backend::Unit;

const HELP: &[(&str, &str)] = &[
    ("q, ctrl-c", "quit"),
    ("tab, shift-tab", "the next pane, the one before"),
    ("↑ ↓, k j", "the row above, the row below"),
    ("enter", "the instance of the row: its events and last lines"),
    ("s", "another order of the pane's rows"),
    ("esc", "close"),
    ("", ""),
    ("occupied", "ready, and hosts matches"),
    ("moving", "drains, and matches are on their way elsewhere"),
    ("silent", "does not answer; its figures are the last it told"),
    ("TICK P99", "99 of 100 ticks of the last second took at most this"),
];

/// An instance, and what its row says.
pub(super) struct Shown<'a> {
    pub(super) region: &'a Region,
    pub(super) unit: &'a Unit,
    pub(super) row: Option<&'a InstanceRow>,
}

pub(super) fn help(area: Rect, buffer: &mut Buffer) {
    let line = |(key, what): &(&str, &str)| format!(" {key:<16}{what}");
    let lines: Vec<String> = HELP.iter().map(line).collect();
    over(area, buffer, "Help", &lines);
}

pub(super) fn details(
    area: Rect,
    buffer: &mut Buffer,
    instance: &InstanceId,
    shown: Option<&Shown<'_>>,
    told: Option<&Details>,
) {
    let mut lines = match shown {
        Some(shown) => facts(shown),
        None => vec![" it is gone".to_owned()],
    };
    match told {
        None => lines.push(" reading its log…".to_owned()),
        Some(Details { events, log }) => {
            let room = usize::from(area.height).saturating_sub(4 + lines.len() + events.len() + 2);
            lines.extend(block("events", events));
            lines.extend(block("log", &log[log.len().saturating_sub(room)..]));
        }
    }
    over(area, buffer, &instance.to_string(), &lines);
}

fn facts(Shown { region, unit, row }: &Shown<'_>) -> Vec<String> {
    let mut facts = vec![
        ("state", unit.standing().to_owned()),
        ("release", format!("{} in {region}", unit.release)),
        (
            "holds",
            format!("{} sessions, {} matches", unit.sessions, slots(unit.matches, unit.capacity)),
        ),
        ("restarts", unit.restarts.to_string()),
    ];
    facts.extend(unit.node.clone().map(|node| ("node", node)));
    facts.extend(unit.pid.map(|pid| ("pid", pid.to_string())));
    facts.extend(
        unit.backend.as_ref().map(|it| ("backend", format!("{} ({})", it.name, it.reason))),
    );
    if let Some(row) = row {
        facts.push(("tick p99", tick(row)));
        let note = match row.silent_ms {
            Some(silent) => format!("silent for {}: {}", seconds(silent), row.note),
            None => row.note.clone(),
        };
        facts.push(("note", note));
    }
    let addresses = unit.addresses.iter().map(|(name, at)| format!("{name} {at}"));
    facts.push(("listens", addresses.collect::<Vec<_>>().join(", ")));
    facts.retain(|(_, value)| !value.is_empty());
    facts.into_iter().map(|(name, value)| format!(" {name:<10}{value}")).collect()
}

fn block(name: &str, lines: &[String]) -> Vec<String> {
    let label = |index: usize| if index == 0 { name } else { "" };
    lines.iter().enumerate().map(|(index, line)| format!(" {:<10}{line}", label(index))).collect()
}

/// Draws lines in a frame in the middle; what does not fit is cut.
fn over(area: Rect, buffer: &mut Buffer, title: &str, lines: &[String]) {
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0) as u16;
    let width = (longest + 3).clamp(40, area.width.saturating_sub(4).max(40)).min(area.width);
    let height = (lines.len() as u16 + 2).min(area.height);
    let left = area.x + (area.width - width) / 2;
    let place = Rect::new(left, area.y + (area.height - height) / 2, width, height);
    Clear.render(place, buffer);
    let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::raw(line.as_str())).collect();
    Paragraph::new(lines)
        .block(Block::bordered().title(format!(" {title} ")))
        .render(place, buffer);
}
