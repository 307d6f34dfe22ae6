//! What a rollout is about to do, written before it is done.

use arenactl_planning::rollout::{Effect, Event, Rollout};
use arenactl_planning::units::Timestamp;

/// One step: a rollout's state and the effects that are to be performed next.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// The state after the event.
    pub rollout: Rollout,
    /// What led here; `None` for the first step.
    pub event: Option<Event>,
    /// What is to be performed; repeating all of it is harmless.
    pub effects: Vec<Effect>,
    /// When it was written, by the backend's clock.
    pub at: Timestamp,
}

/// What somebody asks a running rollout to do, from another terminal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Steering {
    /// Go on, whatever is waited for.
    Promote,
    /// Take it back.
    Abort {
        /// Why.
        reason: String,
    },
    /// Stop here until told.
    Pause,
    /// Go on waiting.
    Resume,
}

impl Steering {
    /// Returns the event that a rollout understands.
    #[must_use]
    pub fn into_event(self) -> Event {
        match self {
            Self::Promote => Event::Promote,
            Self::Abort { reason } => Event::Abort { reason },
            Self::Pause => Event::Pause,
            Self::Resume => Event::Resume,
        }
    }
}

pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types serialise to JSON")
}

/// Returns the one word that a plain enum serialises to.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    json(value).trim_matches('"').to_owned()
}
