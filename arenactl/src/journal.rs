//! What a rollout is about to do, written before it is done.

use arenactl_planning::rollout::{Effect, Event, ROLLOUT_VERSION, Rollout};
use arenactl_planning::units::Timestamp;
use serde_json::Value;

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

/// Why a written step cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// Another arenactl wrote it, and means something by it that is unknown here.
    #[error("it is of version {found}, this arenactl knows {known}")]
    Version { found: u64, known: u32 },
    /// It does not parse.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Step {
    /// Reads a step as it was written; one of an older version counts as long as nothing in it is unknown.
    ///
    /// # Errors
    /// [`StepError`].
    pub(crate) fn read(written: Value) -> Result<Self, StepError> {
        let found = written["rollout"]["version"].as_u64().unwrap_or_default();
        let other = StepError::Version { found, known: ROLLOUT_VERSION };
        if found > u64::from(ROLLOUT_VERSION) {
            return Err(other);
        }
        let is_older = (1..u64::from(ROLLOUT_VERSION)).contains(&found);
        serde_json::from_value(written).map_err(|error| if is_older { other } else { error.into() })
    }
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

#[cfg(test)]
mod tests {
    use arenactl_planning::Digest;
    use serde_json::json;

    use super::*;

    /// Version 1 had a phase of its own for moving matches; version 2 leaves that to the drain.
    #[test]
    fn a_step_of_another_version_is_read_or_refused_with_its_version() {
        let step = |version: u32, phase: Value| {
            json!({
                "rollout": {
                    "version": version, "id": "0badcafe", "region": "local", "from": "r1", "to": "r2",
                    "plan": Digest::of(b"plan"), "on_failure": "rollback", "stages": [], "step": 3,
                    "direction": "forward", "at": 0, "phase": phase, "since_step": 3, "seen": [],
                    "paused": false, "left": false, "failure": null,
                },
                "event": null, "effects": [], "at": Timestamp(7),
            })
        };
        let draining = json!({"draining": 0});
        for version in [1, ROLLOUT_VERSION] {
            assert_eq!(Step::read(step(version, draining.clone())).unwrap().rollout.step, 3);
        }
        for (written, why) in [
            (step(1, json!("moving")), "it is of version 1, this arenactl knows 2"),
            (step(ROLLOUT_VERSION + 1, draining), "it is of version 3, this arenactl knows 2"),
            (json!({}), "missing field `rollout`"),
        ] {
            assert_eq!(Step::read(written).unwrap_err().to_string(), why);
        }
    }
}
