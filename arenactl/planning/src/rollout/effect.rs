//! What a rollout asks for and what it is told.

use std::fmt;

use arena_types::contract::{AtDeadline, DrainMode};
use arena_types::{InstanceId, ReleaseId, ServiceName};
use serde::{Deserialize, Serialize};

use crate::observed::Weights;
use crate::units::Span;

/// Something a backend shall do. Every effect may be repeated without harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "effect")]
pub enum Effect {
    /// Start a new instance.
    Start {
        /// The service.
        service: ServiceName,
        /// The instance.
        instance: InstanceId,
        /// The release it runs.
        release: ReleaseId,
        /// Whose sockets and data it takes over.
        replaces: Option<InstanceId>,
    },
    /// Make an old instance take new work again: cancel its drain, start it if it stopped.
    Restore {
        /// The service.
        service: ServiceName,
        /// The instance.
        instance: InstanceId,
        /// The release it runs.
        release: ReleaseId,
        /// Who may hold its sockets now.
        replaces: Option<InstanceId>,
    },
    /// Write the shares of new work; an empty map removes them.
    SetTraffic {
        /// The service.
        service: ServiceName,
        /// Percent by release.
        weights: Weights,
    },
    /// Ask an instance to take no new work and to empty out.
    Drain {
        /// The service.
        service: ServiceName,
        /// The instance.
        instance: InstanceId,
        /// How long it may take.
        deadline: Span,
        /// Whether matches are moved or waited for.
        mode: DrainMode,
        /// What happens to what is left then.
        at_deadline: AtDeadline,
    },
    /// Stop an instance.
    Stop {
        /// The service.
        service: ServiceName,
        /// The instance.
        instance: InstanceId,
        /// The release it ran.
        release: ReleaseId,
        /// How long it stays startable; `None` if nothing needs it again.
        keep_for: Option<Span>,
    },
}

impl Effect {
    /// Returns the instance it concerns, if it concerns one.
    #[must_use]
    pub const fn unit(&self) -> Option<&InstanceId> {
        match self {
            Self::Start { instance, .. }
            | Self::Restore { instance, .. }
            | Self::Drain { instance, .. }
            | Self::Stop { instance, .. } => Some(instance),
            Self::SetTraffic { .. } => None,
        }
    }

    /// Returns the service it concerns.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        match self {
            Self::Start { service, .. }
            | Self::Restore { service, .. }
            | Self::SetTraffic { service, .. }
            | Self::Drain { service, .. }
            | Self::Stop { service, .. } => service,
        }
    }
}

/// Writes weights as `r1 0 %, r2 100 %`.
pub(crate) fn weights_text(weights: &Weights) -> String {
    let parts: Vec<_> =
        weights.iter().map(|(release, percent)| format!("{release} {percent} %")).collect();
    if parts.is_empty() { "all equal".to_owned() } else { parts.join(", ") }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { instance, .. } => write!(f, "start {instance}"),
            Self::Restore { instance, .. } => write!(f, "restore {instance}"),
            Self::SetTraffic { service, weights } => {
                write!(f, "route {service}: {}", weights_text(weights))
            }
            Self::Drain { instance, at_deadline: AtDeadline::Keep, deadline, .. } => {
                write!(f, "drain {instance} (up to {deadline})")
            }
            Self::Drain { instance, at_deadline: AtDeadline::End, deadline, .. } => {
                write!(f, "drain {instance} (up to {deadline}, then end what is left)")
            }
            Self::Stop { instance, .. } => write!(f, "stop {instance}"),
        }
    }
}

/// Something that happened, or that an operator asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// An instance takes work.
    Ready {
        /// The instance.
        instance: InstanceId,
    },
    /// An instance does not run, and will not by itself.
    Failed {
        /// The instance.
        instance: InstanceId,
        /// What is known of the cause, for the failure card.
        reason: String,
    },
    /// An instance has nothing left.
    Empty {
        /// The instance.
        instance: InstanceId,
    },
    /// An instance has stopped.
    Stopped {
        /// The instance.
        instance: InstanceId,
    },
    /// The time given by [`Rollout::deadline`](super::Rollout::deadline) is over.
    Deadline,
    /// The operator says: go on, whatever is waited for.
    Promote,
    /// The operator says: take it back.
    Abort {
        /// Why, in the operator's words.
        reason: String,
    },
    /// The operator says: stop here until told.
    Pause,
    /// The operator says: go on waiting.
    Resume,
}

impl Event {
    /// Returns the instance it concerns, if it concerns one.
    #[must_use]
    pub const fn unit(&self) -> Option<&InstanceId> {
        match self {
            Self::Ready { instance }
            | Self::Failed { instance, .. }
            | Self::Empty { instance }
            | Self::Stopped { instance } => Some(instance),
            Self::Deadline | Self::Promote | Self::Abort { .. } | Self::Pause | Self::Resume => {
                None
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { instance } => write!(f, "{instance} is ready"),
            Self::Failed { instance, reason } => write!(f, "{instance} failed: {reason}"),
            Self::Empty { instance } => write!(f, "{instance} is empty"),
            Self::Stopped { instance } => write!(f, "{instance} has stopped"),
            Self::Deadline => write!(f, "the time is over"),
            Self::Promote => write!(f, "promote"),
            Self::Abort { reason } if reason.is_empty() => write!(f, "abort"),
            Self::Abort { reason } => write!(f, "abort: {reason}"),
            Self::Pause => write!(f, "pause"),
            Self::Resume => write!(f, "resume"),
        }
    }
}
