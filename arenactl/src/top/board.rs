//! What was seen of regions so far.

use std::collections::BTreeMap;
use std::time::Duration;

use arena_types::{InstanceId, Region, ReleaseId, ServiceName};
use arenactl_planning::observed::{UnitState, Weights};

use super::moves::{Hosted, Moves};
use crate::backend::Unit;
use crate::sample::histogram::Quantile;
use crate::sample::{Answer, Histogram, HostedMatch, Reading};

/// The share of ticks that shall be below the figure that is shown.
const TICK_PERCENT: u64 = 99;

/// Time since the view began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Duration);

impl Moment {
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a region showed at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegionSeen {
    /// The release that it is meant to run.
    pub(crate) release: Option<ReleaseId>,
    pub(crate) weights: BTreeMap<ServiceName, Weights>,
    pub(crate) rollout: Option<RolloutSeen>,
    pub(crate) readings: Vec<Reading>,
}

/// A rollout that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RolloutSeen {
    pub(crate) release: ReleaseId,
    /// Where it stands, for people: `game draining, step 7`.
    pub(crate) step: String,
}

/// All that was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(super) regions: BTreeMap<Region, Known>,
}

/// What is known of a region.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) seen: Option<RegionSeen>,
    /// When it was seen last.
    pub(super) at: Moment,
    /// Why it could not be seen since.
    pub(super) error: Option<String>,
    pub(super) instances: BTreeMap<InstanceId, Instance>,
    pub(super) moves: Moves,
}

/// What is known of an instance: its own last words, however old.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) unit: Unit,
    /// When it last spoke for itself.
    answered: Moment,
    /// Why it did not since.
    pub(super) silent: Option<String>,
    ticks: Option<Histogram>,
    pub(super) tick_p99: Option<Quantile>,
    pub(super) matches: Vec<HostedMatch>,
}

impl Board {
    /// Makes a board of regions of which nothing was seen yet.
    pub(crate) fn of(regions: impl IntoIterator<Item = Region>) -> Self {
        Self { regions: regions.into_iter().map(|region| (region, Known::default())).collect() }
    }

    /// Takes over what was seen of a region, or why nothing was.
    pub(crate) fn take(&mut self, region: &Region, at: Moment, seen: Result<RegionSeen, String>) {
        let known = self.regions.entry(region.clone()).or_default();
        match seen {
            Ok(seen) => known.take(at, seen),
            Err(why) => known.error = Some(why),
        }
    }

    /// Says whether each region was seen `count` times or could not be seen.
    pub(crate) fn is_complete(&self, counts: &BTreeMap<Region, u32>, count: u32) -> bool {
        let is_over = |(region, known): (&Region, &Known)| {
            known.error.is_some() || counts.get(region).is_some_and(|seen| *seen >= count)
        };
        self.regions.iter().all(is_over)
    }

    /// Returns what is known of an instance.
    pub(super) fn instance(&self, region: &Region, instance: &InstanceId) -> Option<&Unit> {
        self.regions.get(region)?.instances.get(instance).map(|it| &it.unit)
    }
}

impl Known {
    fn take(&mut self, at: Moment, mut seen: RegionSeen) {
        let mut before = std::mem::take(&mut self.instances);
        for reading in std::mem::take(&mut seen.readings) {
            let name = reading.unit.instance.clone();
            let known = before.remove(&name);
            self.instances.insert(name, Instance::after(known, reading, at));
        }
        let hosted = self.instances.iter().flat_map(|(owner, instance)| {
            instance.matches.iter().map(move |it| Hosted { owner, id: &it.id, epoch: it.epoch })
        });
        self.moves.take(at, hosted);
        (self.seen, self.at, self.error) = (Some(seen), at, None);
    }
}

impl Instance {
    fn after(known: Option<Self>, reading: Reading, at: Moment) -> Self {
        let Reading { unit, answer, ticks, matches } = reading;
        match (answer, known) {
            (Answer::Missing(why), Some(known)) => known.silent(unit, why),
            (Answer::Missing(why), None) => Self::new(unit, at, Some(why)),
            (Answer::NotAsked, _) | (Answer::Given, None) => {
                let matches = matches.unwrap_or_default();
                Self { ticks, matches, ..Self::new(unit, at, None) }
            }
            (Answer::Given, Some(known)) => {
                let mut told = Self::new(unit, at, None);
                told.go_on_from(known, ticks, matches);
                told
            }
        }
    }

    fn new(unit: Unit, answered: Moment, silent: Option<String>) -> Self {
        Self { unit, answered, silent, ticks: None, tick_p99: None, matches: Vec::new() }
    }

    /// Takes over figures that were told, and keeps the old ones of those that were not this time: metrics and
    /// matches are calls of their own, and one that comes late is no news of the instance.
    fn go_on_from(
        &mut self,
        known: Self,
        ticks: Option<Histogram>,
        matches: Option<Vec<HostedMatch>>,
    ) {
        let hosts = self.unit.matches > 0;
        self.matches = matches.unwrap_or_else(|| if hosts { known.matches } else { Vec::new() });
        if self.unit.restarts != known.unit.restarts {
            self.ticks = ticks; // They count from its start.
            return;
        }
        self.tick_p99 = match (&ticks, &known.ticks) {
            (Some(now), Some(then)) => now.since(then).quantile(TICK_PERCENT),
            (Some(_), None) => None,
            (None, _) => known.tick_p99,
        };
        self.ticks = ticks.or(known.ticks);
    }

    /// One that is silent stands where it last said, unless whoever runs it knows better: that it was started
    /// again, failed or stops.
    fn silent(self, unit: Unit, why: String) -> Self {
        let runs_on = unit.state == UnitState::Starting && unit.restarts == self.unit.restarts;
        let unit = if runs_on { self.unit.clone() } else { unit };
        Self { unit, silent: Some(why), tick_p99: None, ..self }
    }

    /// Returns for how long it has been silent.
    pub(super) fn silence(&self, now: Moment) -> Option<Duration> {
        self.silent.as_ref().map(|_| now.since(self.answered))
    }
}
