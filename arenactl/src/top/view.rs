//! What the person at the keys chose: pane, row, order, and what lies over it.

use std::cmp::Reverse;

use arena_types::{InstanceId, Region};

use super::model::{InstanceRow, MatchRow, Model};

/// A part of the screen with rows of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Regions,
    Instances,
    Matches,
    Moves,
    Releases,
}

impl Pane {
    pub(super) const ALL: [Self; 5] =
        [Self::Regions, Self::Instances, Self::Matches, Self::Moves, Self::Releases];

    fn index(self) -> usize {
        Self::ALL.iter().position(|it| *it == self).unwrap_or(0)
    }

    fn ahead(self, by: usize) -> Self {
        Self::ALL[(self.index() + by) % Self::ALL.len()]
    }
}

/// What a key means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Up,
    Down,
    NextPane,
    PreviousPane,
    /// Details of the chosen instance.
    Open,
    /// Away with what lies over the panes.
    Close,
    /// The next order of the chosen pane.
    Sort,
    Help,
}

/// What the loop has to do for the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    /// Fetch what is shown over the panes.
    Details(Region, InstanceId),
}

/// What lies over the panes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Popup {
    #[default]
    None,
    Help,
    /// An instance, with its events and log lines once they are there.
    Details {
        region: Region,
        instance: InstanceId,
        told: Option<Details>,
    },
}

/// What is fetched of an instance that a person wants to know more of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// What the last rollout did to it, the oldest first.
    pub(crate) events: Vec<String>,
    /// The last lines that it wrote.
    pub(crate) log: Vec<String>,
}

/// An order of rows; the first one of a pane is that of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Standing,
    Sessions,
    Matches,
    TickP99,
    Restarts,
    Players,
    Owner,
}

impl Sort {
    const INSTANCES: [Self; 6] =
        [Self::Name, Self::Standing, Self::Sessions, Self::Matches, Self::TickP99, Self::Restarts];
    const MATCHES: [Self; 3] = [Self::Name, Self::Players, Self::Owner];

    /// Returns the word for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Standing => "state",
            Self::Sessions => "sessions",
            Self::Matches => "matches",
            Self::TickP99 => "tick p99",
            Self::Restarts => "restarts",
            Self::Players => "players",
            Self::Owner => "owner",
        }
    }
}

/// The whole choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(super) pane: Pane,
    /// The chosen row of each pane, by its key: rows come, go and change places.
    selected: [Option<String>; Pane::ALL.len()],
    pub(super) instances_by: Sort,
    pub(super) matches_by: Sort,
    pub(super) popup: Popup,
}

impl Default for View {
    fn default() -> Self {
        Self {
            pane: Pane::Instances,
            selected: Default::default(),
            instances_by: Sort::Name,
            matches_by: Sort::Name,
            popup: Popup::None,
        }
    }
}

impl View {
    /// Does what `key` means, given the rows that are shown.
    pub(super) fn on(&mut self, key: Key, model: &Model) -> Option<Wish> {
        match (key, &self.popup) {
            (Key::Quit, Popup::None) => return Some(Wish::Quit),
            (Key::Quit | Key::Close | Key::Open, Popup::Help | Popup::Details { .. })
            | (Key::Help, Popup::Help) => self.popup = Popup::None,
            (Key::Help, _) => self.popup = Popup::Help,
            (_, Popup::Help | Popup::Details { .. }) | (Key::Close, Popup::None) => {}
            (Key::Up, Popup::None) => self.step(model, |row, _| row.saturating_sub(1)),
            (Key::Down, Popup::None) => self.step(model, |row, last| (row + 1).min(last)),
            (Key::NextPane, Popup::None) => self.pane = self.pane.ahead(1),
            (Key::PreviousPane, Popup::None) => self.pane = self.pane.ahead(Pane::ALL.len() - 1),
            (Key::Sort, Popup::None) => self.sort(),
            (Key::Open, Popup::None) => return self.open(model),
        }
        None
    }

    /// Takes what was fetched, if it is still wanted.
    pub(super) fn tell(&mut self, of: &InstanceId, details: Details) {
        if let Popup::Details { instance, told, .. } = &mut self.popup
            && instance == of
        {
            *told = Some(details);
        }
    }

    /// Returns the chosen row of a pane; one that is gone is the first.
    pub(super) fn row(&self, pane: Pane, model: &Model) -> Option<usize> {
        let keys = keys(pane, model);
        let chosen = self.selected[pane.index()].as_ref();
        let found = chosen.and_then(|key| keys.iter().position(|it| it == key));
        found.or_else(|| (!keys.is_empty()).then_some(0))
    }

    fn step(&mut self, model: &Model, to: impl Fn(usize, usize) -> usize) {
        let keys = keys(self.pane, model);
        let Some(row) = self.row(self.pane, model) else { return };
        self.selected[self.pane.index()] = keys.into_iter().nth(to(row, self.last(model)));
    }

    fn last(&self, model: &Model) -> usize {
        keys(self.pane, model).len().saturating_sub(1)
    }

    fn sort(&mut self) {
        let next = |all: &[Sort], now: Sort| {
            let index = all.iter().position(|it| *it == now).unwrap_or(0);
            all[(index + 1) % all.len()]
        };
        match self.pane {
            Pane::Instances => self.instances_by = next(&Sort::INSTANCES, self.instances_by),
            Pane::Matches => self.matches_by = next(&Sort::MATCHES, self.matches_by),
            Pane::Regions | Pane::Moves | Pane::Releases => {}
        }
    }

    /// The details are those of an instance: the chosen one, or the owner of the chosen match.
    fn open(&mut self, model: &Model) -> Option<Wish> {
        let row = self.row(self.pane, model)?;
        let (region, instance) = match self.pane {
            Pane::Instances => {
                let row = &model.instances[row];
                (row.region.clone(), row.instance.clone())
            }
            Pane::Matches => {
                let row = &model.matches[row];
                (row.region.clone(), row.owner.clone())
            }
            Pane::Moves => {
                let row = &model.moves[row];
                (row.region.clone(), row.from.clone())
            }
            Pane::Regions | Pane::Releases => return None,
        };
        let told = None;
        self.popup = Popup::Details { region: region.clone(), instance: instance.clone(), told };
        Some(Wish::Details(region, instance))
    }

    /// Puts rows in the chosen order; equal ones keep that of their names.
    pub(crate) fn sorted(&self, mut model: Model) -> Model {
        let by = |row: &InstanceRow| match self.instances_by {
            Sort::Sessions => u64::from(row.sessions),
            Sort::Matches => u64::from(row.matches),
            Sort::TickP99 => row.tick_p99_us.map_or(0, |us| us + u64::from(row.is_tick_p99_above)),
            Sort::Restarts => u64::from(row.restarts),
            Sort::Name | Sort::Standing | Sort::Players | Sort::Owner => 0,
        };
        if self.instances_by == Sort::Standing {
            model.instances.sort_by_key(|row| row.standing);
        }
        model.instances.sort_by_key(|row| Reverse(by(row)));
        let players = |row: &MatchRow| match self.matches_by {
            Sort::Players => row.players,
            _ => 0,
        };
        if self.matches_by == Sort::Owner {
            model.matches.sort_by(|one, other| one.owner.cmp(&other.owner));
        }
        model.matches.sort_by_key(|row| Reverse(players(row)));
        model
    }
}

/// Returns what names the rows of a pane.
fn keys(pane: Pane, model: &Model) -> Vec<String> {
    match pane {
        Pane::Regions => model.regions.iter().map(|row| row.region.clone()).collect(),
        Pane::Instances => {
            model.instances.iter().map(|row| format!("{}/{}", row.region, row.instance)).collect()
        }
        Pane::Matches => {
            model.matches.iter().map(|row| format!("{}/{}", row.region, row.id)).collect()
        }
        Pane::Moves => {
            let key = |row: &super::model::MoveRow| {
                format!("{}/{}/{:?}/{:?}", row.region, row.from, row.id, row.epoch)
            };
            model.moves.iter().map(key).collect()
        }
        Pane::Releases => {
            model.releases.iter().map(|row| format!("{}/{}", row.region, row.release)).collect()
        }
    }
}
