//! Names and labels of what arenactl keeps in a swarm.

use std::collections::HashMap;

use arenactl_planning::Digest;

use super::Swarm;

/// Longest name of a config or a secret (`swarmkit`'s `validateConfigOrSecretAnnotations`).
pub(crate) const OBJECT_NAME_LEN_MAX: usize = 64;
/// Longest name of a service: it becomes a DNS label.
pub(crate) const SERVICE_NAME_LEN_MAX: usize = 63;

/// What a labelled object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The lock, which also names the journal's last step.
    Lock,
    /// A release.
    Release,
    /// A revision.
    Revision,
    /// A step of a journal.
    Step,
    /// A request to whoever drives a rollout.
    Steering,
    /// What is in force beside instances: traffic weights, rules.
    State,
    /// An instance.
    Instance,
    /// What calls instances on behalf of arenactl.
    Operator,
    /// A secret or a config that instances find as a file.
    File,
    /// A certificate of an instance and its key.
    Identity,
    /// What a rendered stack finds by the names that it uses.
    Stack,
    /// The certificate authority.
    Authority,
    /// A short job that looks at nodes.
    Probe,
}

impl Kind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Release => "release",
            Self::Revision => "revision",
            Self::Step => "step",
            Self::Steering => "steering",
            Self::State => "state",
            Self::Instance => "instance",
            Self::Operator => "operator",
            Self::File => "file",
            Self::Identity => "identity",
            Self::Stack => "stack",
            Self::Authority => "authority",
            Self::Probe => "probe",
        }
    }
}

/// Labels, one sentence each: what reads them is in this crate.
pub(crate) mod label {
    /// The cluster an object belongs to.
    pub(crate) const CLUSTER: &str = "arena.cluster";
    /// The region it belongs to.
    pub(crate) const REGION: &str = "arena.region";
    /// What it is, a [`super::Kind`].
    pub(crate) const KIND: &str = "arena.kind";
    /// The service an instance is a copy of.
    pub(crate) const SERVICE: &str = "arena.service";
    /// The name of an instance.
    pub(crate) const INSTANCE: &str = "arena.instance";
    /// The release an instance runs.
    pub(crate) const RELEASE: &str = "arena.release";
    /// The rollout that wrote it last.
    pub(crate) const ROLLOUT: &str = "arena.rollout";
    /// The port of an instance's side port, on its node.
    pub(crate) const SIDE_PORT: &str = "arena.port.side";
    /// The port of an instance's mesh port, on its node.
    pub(crate) const MESH_PORT: &str = "arena.port.mesh";
    /// The port that players connect to, on its node.
    pub(crate) const PUBLIC_PORT: &str = "arena.port.public";
    /// Hash of what was asked for, to see what somebody else changed.
    pub(crate) const SEAL: &str = "arena.seal";
    /// When it was told to stop, in milliseconds since 1970.
    pub(crate) const STOPPED_MS: &str = "arena.stopped_ms";
    /// It was told to stop when it was empty, and nobody else needs what it holds: only its exit is left.
    pub(crate) const LET_GO: &str = "arena.let_go";
    /// When a job is over at the latest, in milliseconds since 1970.
    pub(crate) const UNTIL_MS: &str = "arena.until_ms";
    /// The name of the secret with its drain token.
    pub(crate) const DRAIN_TOKEN: &str = "arena.drain_token";
}

impl Swarm {
    /// Returns the labels that every object of this region has.
    pub(crate) fn labels(&self, kind: Kind) -> HashMap<String, String> {
        let pairs = [
            (label::CLUSTER, self.cluster.to_string()),
            (label::REGION, self.region.to_string()),
            (label::KIND, kind.word().to_owned()),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value)).into()
    }

    /// Returns the filter that finds them, of one kind or of all.
    pub(crate) fn filters(&self, kind: Option<Kind>) -> HashMap<String, Vec<String>> {
        let mut labels = vec![
            format!("{}={}", label::CLUSTER, self.cluster),
            format!("{}={}", label::REGION, self.region),
        ];
        labels.extend(kind.map(|kind| format!("{}={}", label::KIND, kind.word())));
        HashMap::from([("label".to_owned(), labels)])
    }

    /// Names a config or secret of this region: two regions may share a swarm.
    pub(crate) fn object_name(&self, rest: &str) -> String {
        fitting(&format!("{}.{}.{rest}", self.cluster, self.region), OBJECT_NAME_LEN_MAX)
    }

    /// Names the service of an instance or of a helper.
    pub(crate) fn service_name(&self, rest: &str) -> String {
        fitting(&format!("{}_{}_{rest}", self.cluster, self.region), SERVICE_NAME_LEN_MAX)
    }
}

/// Cuts a name that is too long; what was cut goes on in a hash, so that no two names become one.
fn fitting(name: &str, length_max: usize) -> String {
    if name.len() <= length_max {
        return name.to_owned();
    }
    let hash = Digest::of(name.as_bytes()).short();
    format!("{}-{hash}", &name[..length_max - hash.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_stays_unique() {
        assert_eq!(fitting("short", 10), "short");
        let (one, other) = (
            fitting(&format!("{}1", "x".repeat(70)), 64),
            fitting(&format!("{}2", "x".repeat(70)), 64),
        );
        assert_eq!((one.len(), other.len()), (64, 64));
        assert_ne!(one, other);
    }
}
