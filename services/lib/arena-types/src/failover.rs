//! What becomes of matches whose owner dies: of one match, and by the queue it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What becomes of a match whose owner dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverPolicy {
    /// What is confirmed goes to the hot state, and another instance goes on from it.
    Journal,
    /// Another instance keeps a warm copy: no tick and no input is lost.
    Shadow,
    /// It ends, and its players are told so.
    Off,
}

impl FailoverPolicy {
    /// What may be written.
    pub const RULE: &str = "`journal`, `shadow` or `off`";
    const ALL: [(&str, Self); 3] =
        [("journal", Self::Journal), ("shadow", Self::Shadow), ("off", Self::Off)];
}

impl fmt::Display for FailoverPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, it)| it == self).map_or("", |(name, _)| name);
        f.pad(name)
    }
}

/// Why a text is no [`FailoverPolicy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not {rule}", rule = FailoverPolicy::RULE)]
pub struct FailoverError(String);

impl FromStr for FailoverPolicy {
    type Err = FailoverError;

    fn from_str(text: &str) -> Result<Self, FailoverError> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, it)| *it).ok_or_else(|| FailoverError(text.to_owned()))
    }
}

/// What becomes of the matches of each queue; of those of others their instances decide. Written
/// `QUEUE=POLICY,…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFailover(BTreeMap<String, FailoverPolicy>);

impl QueueFailover {
    /// Returns what is said of a queue.
    #[must_use]
    pub fn of(&self, queue: &str) -> Option<FailoverPolicy> {
        self.0.get(queue).copied()
    }

    /// Returns the queues of which something is said.
    pub fn queues(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Why a text is no [`QueueFailover`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueFailoverError {
    /// A part is no pair.
    #[error("`{0}` is not QUEUE=POLICY")]
    Pair(String),
    /// A queue's policy is none.
    #[error("queue `{queue}`: {source}")]
    Policy {
        /// The queue.
        queue: String,
        /// What is wrong with it.
        source: FailoverError,
    },
    /// A queue is named again.
    #[error("queue `{0}` is there twice")]
    Twice(String),
}

impl FromStr for QueueFailover {
    type Err = QueueFailoverError;

    fn from_str(text: &str) -> Result<Self, QueueFailoverError> {
        let mut found = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let pair = || QueueFailoverError::Pair(part.to_owned());
            let (queue, policy) = part.split_once('=').ok_or_else(pair)?;
            let (queue, policy) = (queue.trim().to_owned(), policy.trim());
            let wrong = |source| QueueFailoverError::Policy { queue: queue.clone(), source };
            let policy = policy.parse().map_err(wrong)?;
            if queue.is_empty() {
                return Err(pair());
            }
            if found.insert(queue.clone(), policy).is_some() {
                return Err(QueueFailoverError::Twice(queue));
            }
        }
        Ok(Self(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_written_as_it_is_read() {
        for (name, policy) in FailoverPolicy::ALL {
            assert_eq!((policy.to_string().as_str(), name.parse()), (name, Ok(policy)));
            assert_eq!(serde_json::to_string(&policy).unwrap(), format!("\"{name}\""));
            assert!(FailoverPolicy::RULE.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn queues_are_told_apart_and_every_mistake_is_named() {
        let read = "arena=off, duel = journal,".parse::<QueueFailover>().unwrap();
        let of = |queue| read.of(queue);
        assert_eq!(of("arena"), Some(FailoverPolicy::Off));
        assert_eq!((of("duel"), of("other")), (Some(FailoverPolicy::Journal), None));
        for (text, expected) in [
            ("off", "`off` is not QUEUE=POLICY"),
            ("=off", "`=off` is not QUEUE=POLICY"),
            ("arena=on", "queue `arena`: `on` is not `journal`, `shadow` or `off`"),
            ("arena=off,arena=off", "queue `arena` is there twice"),
        ] {
            assert_eq!(text.parse::<QueueFailover>().unwrap_err().to_string(), expected);
        }
    }
}
