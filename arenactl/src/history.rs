//! A region's releases and revisions: append-only, but for how a revision ended.

use std::collections::{BTreeMap, BTreeSet};

use arena_types::ReleaseId;
use arenactl_planning::history::{self, RollbackError};
use arenactl_planning::release::Release;
use arenactl_planning::rollout::RolloutId;
use arenactl_planning::units::Timestamp;

/// How a revision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionStatus {
    /// Its rollout runs, is paused, or was interrupted.
    Running,
    /// Its release serves, or served until the next revision.
    Deployed,
    /// It failed and was taken back.
    RolledBack,
    /// It failed, and taking it back failed too.
    RollbackFailed,
    /// It failed and was left as it was.
    LeftAsIs,
    /// The region was taken down.
    Down,
}

impl RevisionStatus {
    /// Says whether the release of such a revision was proven to work.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Deployed)
    }
}

/// What a revision does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionKind {
    /// To a new release.
    Deploy,
    /// To an older one.
    Rollback,
    /// To other numbers of instances.
    Scale,
    /// To nothing.
    Down,
}

impl std::fmt::Display for RevisionStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Deployed => "deployed",
            Self::RolledBack => "rolled-back",
            Self::RollbackFailed => "rollback-failed",
            Self::LeftAsIs => "left-as-is",
            Self::Down => "down",
        })
    }
}

/// An entry of a region's history, pointing at a release.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Revision {
    /// Its number, from 1 without gaps.
    pub number: u32,
    /// The release it moved the region to.
    pub release: ReleaseId,
    /// Id of its rollout.
    pub rollout: String,
    /// What it does.
    pub kind: RevisionKind,
    /// The strategies used, for people.
    pub strategy: String,
    /// Who started it.
    pub who: String,
    /// Why, in the operator's words.
    pub why: String,
    /// When it started, in milliseconds since 1970.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How it stands.
    pub status: RevisionStatus,
    /// What is worth knowing about its end.
    pub note: String,
}

/// All that a region's history tells.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Oldest first.
    pub revisions: Vec<Revision>,
    /// Every release that a revision may point at.
    pub releases: BTreeMap<ReleaseId, Release>,
}

impl History {
    /// Returns the release that the region is meant to run: that of the last good revision.
    #[must_use]
    pub fn current(&self) -> Option<&Release> {
        let last = self
            .revisions
            .iter()
            .rev()
            .find(|it| it.status.is_good() || it.status == RevisionStatus::Down)?;
        let is_up = last.status.is_good();
        is_up.then(|| self.releases.get(&last.release)).flatten()
    }

    /// Returns the revision whose rollout is not over.
    #[must_use]
    pub fn open(&self) -> Option<&Revision> {
        self.revisions.iter().rev().find(|it| it.status == RevisionStatus::Running)
    }

    /// Returns the release to go back to, as planning decides it.
    ///
    /// # Errors
    /// [`RollbackError`] if there is none, or `to` never worked here.
    pub fn rollback_target(&self, to: Option<ReleaseId>) -> Result<&Release, RollbackError> {
        let id = self.decided().rollback_target(to)?;
        let missing = RollbackError::NeverGood { wanted: id };
        self.releases.get(&id).ok_or(missing)
    }

    /// Returns the releases that must stay deployable, given those that instances still `carry`.
    #[must_use]
    pub fn kept(&self, keep: u32, carried: &BTreeSet<ReleaseId>) -> BTreeSet<ReleaseId> {
        self.decided().kept(keep, carried)
    }

    /// The part of it that decisions are made from. A region that was taken down keeps its releases.
    fn decided(&self) -> history::History {
        let revisions = self.revisions.iter().filter(|it| it.kind != RevisionKind::Down);
        history::History(revisions.map(Revision::decided).collect())
    }

    /// Returns the number of the next release.
    #[must_use]
    pub fn next_release(&self) -> ReleaseId {
        ReleaseId(self.releases.keys().map(|id| id.0).max().unwrap_or(0) + 1)
    }

    /// Returns the number of the next revision.
    #[must_use]
    pub fn next_revision(&self) -> u32 {
        self.revisions.last().map_or(1, |last| last.number + 1)
    }
}

impl Revision {
    fn decided(&self) -> history::Revision {
        history::Revision {
            number: self.number,
            kind: match self.kind {
                RevisionKind::Rollback => history::RevisionKind::Rollback,
                _ => history::RevisionKind::Deploy,
            },
            release: self.release,
            rollout: RolloutId(self.rollout.clone()),
            status: match self.status {
                RevisionStatus::Running => history::RevisionStatus::Running,
                RevisionStatus::Deployed | RevisionStatus::Down => history::RevisionStatus::Good,
                RevisionStatus::RolledBack => history::RevisionStatus::RolledBack,
                RevisionStatus::RollbackFailed => history::RevisionStatus::RollbackFailed,
                RevisionStatus::LeftAsIs => history::RevisionStatus::LeftAsIs,
            },
            at: Timestamp(self.started_ms),
            by: self.who.clone(),
            why: self.why.clone(),
        }
    }
}
