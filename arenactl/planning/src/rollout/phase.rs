//! The phases of a stage, shared by all strategies; a strategy is a choice of the steps between.

use arena_types::contract::AtDeadline;
use serde::{Deserialize, Serialize};

use crate::stage::{Order, Stage};

/// Where a stage is. Numbers are batches, but in `Routing`, where they are steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing was done.
    Pending,
    /// New instances start.
    Starting(u32),
    /// New work goes to new instances, which are watched for a moment.
    Routing(u32),
    /// Old instances give away or finish what they have.
    Draining(u32),
    /// Old instances still hold something at the deadline: paused.
    Overdue(u32),
    /// What is left on old instances is ended.
    Ending(u32),
    /// Old instances stop.
    Stopping(u32),
    /// Old instances do not stop: paused.
    Stuck(u32),
    /// The new instances serve alone; the old ones are kept stopped.
    Promoted,
    /// New instances that never served stop.
    Discarding(u32),
    /// Old instances come back.
    Restoring(u32),
    /// New instances finish what they have.
    DrainingBack(u32),
    /// New instances still hold something at the deadline: paused.
    OverdueBack(u32),
    /// What is left on new instances is ended.
    EndingBack(u32),
    /// New instances stop.
    StoppingBack(u32),
    /// The old instances serve alone, as before.
    RolledBack,
    /// The way back failed; everything that runs is left alone.
    RevertFailed,
}

impl Phase {
    /// Returns whether nothing but a take-back leads out of it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Promoted | Self::RolledBack | Self::RevertFailed)
    }

    /// Returns whether it waits for an operator.
    #[must_use]
    pub const fn is_paused(self) -> bool {
        matches!(self, Self::Overdue(_) | Self::Stuck(_) | Self::OverdueBack(_))
    }

    /// Returns whether it belongs to the way back.
    #[must_use]
    pub const fn is_back(self) -> bool {
        matches!(
            self,
            Self::Discarding(_)
                | Self::Restoring(_)
                | Self::DrainingBack(_)
                | Self::OverdueBack(_)
                | Self::EndingBack(_)
                | Self::StoppingBack(_)
                | Self::RolledBack
                | Self::RevertFailed
        )
    }
}

/// What a stage is told: the events of single instances, summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It is this stage's turn.
    Begin,
    /// All that were waited for are ready.
    Ready,
    /// One that must stay alive is gone.
    Lost,
    /// All that were waited for are empty.
    Empty,
    /// All that were waited for have stopped.
    Stopped,
    /// The phase's time is over.
    Deadline,
    /// The operator says go on.
    Promote,
    /// The operator says wait on.
    Resume,
    /// This stage shall be taken back.
    Revert,
}

/// What a strategy needs to know of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Number of batches, at least 1.
    pub batches: u32,
    /// Number of routing steps of a blue-green stage, at least 1.
    pub steps: u32,
    /// Which comes first.
    pub order: Order,
    /// What happens at a drain's deadline.
    pub at_deadline: AtDeadline,
}

impl Facts {
    /// Reads the facts of `stage`.
    #[must_use]
    pub fn of(stage: &Stage) -> Self {
        Self {
            batches: stage.batches.len().max(1) as u32,
            steps: stage.weights.len().saturating_sub(1).max(1) as u32,
            order: stage.order,
            at_deadline: stage.drain.at_deadline,
        }
    }

    /// Returns the last batch.
    #[must_use]
    pub const fn last(self) -> u32 {
        self.batches - 1
    }
}

/// New or old instances of a stage, of one batch or of all up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// New instances of a batch.
    New(u32),
    /// Old instances of a batch.
    Old(u32),
    /// New instances of all batches up to one.
    NewUpTo(u32),
    /// Old instances that served, of all batches up to one.
    OldUpTo(u32),
}

/// What a phase does when it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Start these.
    Start(Side),
    /// Bring these back.
    Restore(Side),
    /// Write the weights with this index.
    Route(u32),
    /// Drain these.
    Drain(Side),
    /// End what is left on these.
    End(Side),
    /// Stop these.
    Stop(Side),
}

/// What a phase waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Await {
    /// Nothing: it is final, paused or pending.
    Nothing,
    /// Its time.
    Elapsed,
    /// These are ready.
    Ready(Side),
    /// These are empty.
    Empty(Side),
    /// These have stopped.
    Stopped(Side),
}

impl Phase {
    /// Returns what the phase waits for.
    #[must_use]
    pub const fn awaits(self) -> Await {
        match self {
            Self::Starting(batch) => Await::Ready(Side::New(batch)),
            Self::Routing(_) => Await::Elapsed,
            Self::Draining(batch) | Self::Ending(batch) => Await::Empty(Side::Old(batch)),
            Self::Stopping(batch) => Await::Stopped(Side::Old(batch)),
            Self::Discarding(batch) => Await::Stopped(Side::New(batch)),
            Self::Restoring(batch) => Await::Ready(Side::OldUpTo(batch)),
            Self::DrainingBack(batch) | Self::EndingBack(batch) => {
                Await::Empty(Side::NewUpTo(batch))
            }
            Self::StoppingBack(batch) => Await::Stopped(Side::NewUpTo(batch)),
            Self::Pending
            | Self::Overdue(_)
            | Self::Stuck(_)
            | Self::Promoted
            | Self::OverdueBack(_)
            | Self::RolledBack
            | Self::RevertFailed => Await::Nothing,
        }
    }
}
