//! What is asked and answered, one line of JSON each.

use std::net::SocketAddr;

use arena_types::contract::DrainRequest;
use arena_types::{InstanceId, ServiceName};
use arenactl_planning::observed::Weights;
use serde::{Deserialize, Serialize};

use crate::sample::{Asked, Sample};
use crate::side_port::Probe;

/// Longest line: a message of the mesh is at most 4 MiB, in base64.
pub(crate) const LINE_LEN_MAX: usize = 8 << 20;
/// How a relay begins to say that it is older than a call.
pub(crate) const UNKNOWN_CALL: &str = "this relay does not know the call";

/// Where an instance answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) instance: InstanceId,
    pub(crate) address: SocketAddr,
}

/// What the relay is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub(crate) enum Call {
    /// Ask side ports, all at once; answered by [`Reply::Probes`] in the same order.
    Probe { targets: Vec<Target> },
    /// Ask for what `top` shows, all at once; answered by [`Reply::Samples`] in the same order. An operator of an
    /// older release does not know it.
    Sample { cluster: String, asked: Vec<Asked> },
    /// Drain an instance; `token` is the name of a secret. Answered by [`Reply::Done`].
    Drain { target: Target, token: String, request: DrainRequest },
    /// Take a drain back.
    Undrain { target: Target, token: String },
    /// Issue a certificate; answered by [`Reply::Material`].
    Issue { cluster: String, uri: String, life_s: u64 },
    /// Write the shares of new work where matchmakers and balancers watch them; an empty map removes them.
    Traffic { cluster: String, store: SocketAddr, service: ServiceName, weights: Weights },
    /// Call a method of a service with one message; answered by [`Reply::Message`].
    Unary(Method),
    /// The same for a method that answers with several; answered by [`Reply::Messages`] once all are there. An
    /// operator of an older release does not know it.
    Gather(Method),
}

/// A method of a service, and the one message that it is called with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Method {
    pub(crate) cluster: String,
    pub(crate) service: String,
    pub(crate) target: Target,
    /// `/package.Service/Method`.
    pub(crate) path: String,
    /// The message, in base64.
    pub(crate) body: String,
    pub(crate) timeout_ms: u64,
}

/// What the relay answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// It is done.
    Done,
    /// What the side ports said.
    Probes { probes: Vec<Probe> },
    /// What instances showed.
    Samples { samples: Vec<Sample> },
    /// A certificate, its key, and whom its owner trusts, in PEM.
    Material { cert: String, key: String, roots: String },
    /// The answer of a method: a message in base64, or a status of gRPC and its words.
    Message { body: Option<String>, code: i32, why: String },
    /// The answers of a method, and the status of gRPC that it ended with, 0 if all went well.
    Messages { bodies: Vec<String>, code: i32, why: String },
    /// Nobody answered.
    Unreachable { why: String },
    /// It was refused, or failed.
    Failed { why: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_line() {
        let target = Target {
            instance: "game-r1-0".parse().unwrap(),
            address: "10.0.0.1:21000".parse().unwrap(),
        };
        let line = serde_json::to_string(&Call::Probe { targets: vec![target] }).unwrap();
        expect_test::expect![[
            r#"{"call":"probe","targets":[{"instance":"game-r1-0","address":"10.0.0.1:21000"}]}"#
        ]]
        .assert_eq(&line);
    }
}
