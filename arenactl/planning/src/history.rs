//! A region's history: revisions that point at releases. It only ever grows.
//!
//! A rollback does not take a revision away: it appends one that points at an older release.

use std::collections::{BTreeMap, BTreeSet};

use arena_types::ReleaseId;
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::release::Release;
use crate::rollout::{Outcome, RolloutId};
use crate::units::Timestamp;

/// What a revision was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevisionKind {
    /// A new release went out.
    Deploy,
    /// An older release came back.
    Rollback,
}

/// How a revision's rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionStatus {
    /// It runs, or was interrupted.
    Running,
    /// It is done: the release serves, or served until the next good revision.
    Good,
    /// It failed or was aborted and was taken back.
    RolledBack,
    /// It failed and so did the way back.
    RollbackFailed,
    /// It failed and was left as it is.
    LeftAsIs,
}

impl RevisionStatus {
    /// Returns the status a rollout's outcome leaves behind; a paused one still runs.
    #[must_use]
    pub const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Good,
            Outcome::RolledBack => Self::RolledBack,
            Outcome::RollbackFailed => Self::RollbackFailed,
            Outcome::LeftAsIs => Self::LeftAsIs,
            Outcome::Paused { .. } => Self::Running,
        }
    }
}

/// One entry of a region's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Counts from 1 without gaps.
    pub number: u32,
    /// What it was made for.
    pub kind: RevisionKind,
    /// The release it points at.
    pub release: ReleaseId,
    /// The rollout that made it.
    pub rollout: RolloutId,
    /// How that ended.
    pub status: RevisionStatus,
    /// When it began.
    pub at: Timestamp,
    /// Who began it.
    pub by: String,
    /// Why, in the operator's words; empty if nothing was said.
    pub why: String,
}

/// Why there is nothing to roll back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// Nothing was ever deployed here.
    #[error("nothing was deployed here yet")]
    NothingDeployed,
    /// The current release is the first one that was good.
    #[error("nothing good was deployed before {current}")]
    NothingEarlier {
        /// The current release.
        current: ReleaseId,
    },
    /// The release was never good here.
    #[error("{wanted} was never deployed here with success")]
    NeverGood {
        /// The release asked for.
        wanted: ReleaseId,
    },
    /// It runs already.
    #[error("{wanted} is the current release")]
    IsCurrent {
        /// The release asked for.
        wanted: ReleaseId,
    },
}

impl RollbackError {
    /// Returns one thing the operator can do next.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::NothingDeployed => "deploy first: `arenactl deploy`",
            Self::NothingEarlier { .. } => "`arenactl history` lists what was deployed",
            Self::NeverGood { .. } => "choose a release that `arenactl history` shows as good",
            Self::IsCurrent { .. } => "choose another release, or `arenactl deploy`",
        }
    }
}

/// A region's history, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(pub Vec<Revision>);

impl History {
    /// Returns the number the next revision gets.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        self.0.last().map_or(1, |it| it.number + 1)
    }

    /// Returns the revision whose release serves: the newest good one.
    #[must_use]
    pub fn current(&self) -> Option<&Revision> {
        self.good().next_back()
    }

    /// Returns the revision whose rollout runs or was interrupted, if there is one.
    #[must_use]
    pub fn running(&self) -> Option<&Revision> {
        self.0.iter().rev().find(|it| it.status == RevisionStatus::Running)
    }

    /// Returns every release that was ever good, with the number of its first good revision.
    #[must_use]
    pub fn first_good(&self) -> BTreeMap<ReleaseId, u32> {
        let mut first = BTreeMap::new();
        for revision in self.good() {
            first.entry(revision.release).or_insert(revision.number);
        }
        first
    }

    /// Returns the release to go back to: `to` if it is named and was good, otherwise the newest good
    /// one *first deployed before* the current one. So a second bare rollback goes further back, and
    /// none ever toggles.
    ///
    /// # Errors
    /// [`RollbackError`] if there is no such release.
    pub fn rollback_target(&self, to: Option<ReleaseId>) -> Result<ReleaseId, RollbackError> {
        let current = self.current().ok_or(RollbackError::NothingDeployed)?.release;
        let first = self.first_good();
        match to {
            Some(wanted) if wanted == current => Err(RollbackError::IsCurrent { wanted }),
            Some(wanted) if first.contains_key(&wanted) => Ok(wanted),
            Some(wanted) => Err(RollbackError::NeverGood { wanted }),
            None => first
                .iter()
                .filter(|(_, number)| **number < first[&current])
                .max_by_key(|(_, number)| **number)
                .map(|(release, _)| *release)
                .ok_or(RollbackError::NothingEarlier { current }),
        }
    }

    /// Returns the releases whose artifacts must be kept: the `keep` newest good ones, the current
    /// one, those of a running rollout, and those that `carried` by an instance.
    #[must_use]
    pub fn kept(&self, keep: u32, carried: &BTreeSet<ReleaseId>) -> BTreeSet<ReleaseId> {
        let mut kept = carried.clone();
        kept.extend(self.current().map(|it| it.release));
        kept.extend(self.running().map(|it| it.release));
        let mut newest: Vec<_> = self.first_good().into_iter().collect();
        newest.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        kept.extend(newest.into_iter().take(keep as usize).map(|(release, _)| release));
        kept
    }

    fn good(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.0.iter().filter(|it| it.status == RevisionStatus::Good)
    }
}

/// Returns the digests among `stored` that no kept release names: they may be deleted.
#[must_use]
pub fn garbage(
    stored: &BTreeSet<Digest>,
    kept: &BTreeSet<ReleaseId>,
    releases: &BTreeMap<ReleaseId, Release>,
) -> BTreeSet<Digest> {
    let used: BTreeSet<Digest> = kept
        .iter()
        .filter_map(|id| releases.get(id))
        .flat_map(|it| it.artifacts.values().map(|artifact| artifact.digest))
        .collect();
    stored.difference(&used).copied().collect()
}

#[cfg(test)]
mod tests;
