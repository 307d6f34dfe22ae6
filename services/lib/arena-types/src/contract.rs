//! The instance contract: all that arenactl knows of a service, in any language.
//!
//! One side port, HTTP: `GET /livez`, `GET /readyz` (503 and [`NotReady`] until warm),
//! `GET /metrics` (Prometheus text), `GET /instance` ([`InstanceReport`]) and `POST /drain`
//! ([`DrainRequest`], `Authorization: Bearer <drain_token>`, answered 202). `DELETE /drain` with the
//! same token takes a drain back: the instance is ready again and takes new work (202; also when it
//! was not draining). `SIGTERM` is a drain with the configured deadline, a second one stops at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{InstanceId, Region, ReleaseId, ServiceName};

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// It warms up; `/readyz` says 503.
    Starting,
    /// It takes new work.
    Ready,
    /// It takes no new work and finishes what it has.
    Draining,
    /// It has nothing left and can be stopped without loss.
    Empty,
}

/// What `GET /instance` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// The service it is a copy of.
    pub service: ServiceName,
    /// Its own name.
    pub instance: InstanceId,
    /// The region it runs in.
    pub region: Region,
    /// The release it was started from.
    pub release: ReleaseId,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Players' sessions it holds now.
    pub sessions: u32,
    /// Matches it hosts now.
    pub matches: u32,
    /// Of these, matches on their way to another instance.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub moving: u32,
    /// Slots taken by warm copies of others' matches, beside `matches`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shadows: u32,
    /// Matches it can host; 0 for a service that hosts none.
    pub capacity: u32,
    /// Versions of what it can read and write, by name: `rules`, `state`, `play`.
    pub schema: BTreeMap<String, u32>,
    /// What steps its matches; absent from a service that hosts none, and until it is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendReport>,
    /// Seconds left until the drain's deadline, while draining: what an arenactl reads that does not know
    /// `drain` yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_left_s: Option<u64>,
    /// How far the drain is, while draining; absent from an instance of an older release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainReport>,
}

/// How far a drain is: what is left, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainReport {
    /// Seconds left until its deadline.
    pub left_s: u64,
    /// Players' sessions it still holds.
    pub players: u32,
    /// Matches it still hosts: those that move and those that wait.
    pub matches: u32,
    /// Matches on their way to another instance.
    pub moving: u32,
    /// Matches that are waited for: they cannot be moved, or not yet.
    pub waiting: u32,
    /// Results and other records that no store has acknowledged yet.
    pub unsaved: u32,
    /// Seconds until players and matches are gone at the pace so far; absent before one of them has gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_s: Option<u64>,
}

/// Says whether a count is left out of the JSON.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What steps the matches of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendReport {
    /// Its name: `cpu-avx2`, `gpu-vulkan`.
    pub name: String,
    /// Why it was chosen when the instance started, for a person.
    pub reason: String,
    /// Why it is no longer the one that was chosen, if that failed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

/// What `GET /readyz` answers with 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotReady {
    /// What it waits for, for a person.
    pub reason: String,
}

/// What a drain does with running matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrainMode {
    /// Move them to another instance where that is possible, wait for the others.
    Migrate,
    /// Wait for them to finish.
    Wait,
}

/// What happens to what is left at the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtDeadline {
    /// Nothing: the instance stays up and the rollout pauses.
    Keep,
    /// It is ended, and counted.
    End,
}

/// What `POST /drain` takes. A later request replaces an earlier one's deadline and policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// Seconds from now until the deadline, at least 1.
    pub deadline_s: u64,
    /// What to do with running matches.
    pub mode: DrainMode,
    /// What happens to what is left at the deadline.
    pub at_deadline: AtDeadline,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_like_the_documented_json() {
        let report = InstanceReport {
            service: "game".parse().unwrap(),
            instance: "game-r2-0".parse().unwrap(),
            region: "local".parse().unwrap(),
            release: ReleaseId(2),
            state: InstanceState::Draining,
            sessions: 3,
            matches: 3,
            moving: 1,
            shadows: 0,
            capacity: 500,
            schema: BTreeMap::from([("rules".to_owned(), 1)]),
            backend: Some(BackendReport {
                name: "cpu-avx2".to_owned(),
                reason: "asked for".to_owned(),
                lost: None,
            }),
            drain_left_s: Some(60),
            drain: Some(DrainReport {
                left_s: 60,
                players: 3,
                matches: 3,
                moving: 1,
                waiting: 2,
                unsaved: 0,
                estimate_s: Some(40),
            }),
        };
        let json = serde_json::to_string(&report).unwrap();
        expect_test::expect![[r#"{"service":"game","instance":"game-r2-0","region":"local","release":"r2","state":"draining","sessions":3,"matches":3,"moving":1,"capacity":500,"schema":{"rules":1},"backend":{"name":"cpu-avx2","reason":"asked for"},"drain_left_s":60,"drain":{"left_s":60,"players":3,"matches":3,"moving":1,"waiting":2,"unsaved":0,"estimate_s":40}}"#]]
            .assert_eq(&json);
        assert_eq!(serde_json::from_str::<InstanceReport>(&json).unwrap(), report);
    }

    #[test]
    fn a_report_of_an_older_release_is_read_and_an_older_reader_is_told_the_deadline() {
        let json = r#"{"service":"game","instance":"game-r2-0","region":"local","release":"r2","state":"ready","sessions":0,"matches":0,"capacity":1,"schema":{}}"#;
        let report = serde_json::from_str::<InstanceReport>(json).unwrap();
        assert_eq!((report.backend, report.drain_left_s), (None, None));
        assert_eq!((report.moving, report.drain), (0, None));
        let draining = json.replace("\"schema\":{}", "\"schema\":{},\"drain_left_s\":9");
        let report = serde_json::from_str::<InstanceReport>(&draining).unwrap();
        assert_eq!((report.drain_left_s, report.drain), (Some(9), None));
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            draining,
            "nothing new is said of nothing"
        );
    }

    #[test]
    fn a_drain_request_with_an_unknown_key_is_refused() {
        let json = r#"{"deadline_s":60,"mode":"wait","at_deadline":"keep","force":true}"#;
        assert!(serde_json::from_str::<DrainRequest>(json).is_err());
    }
}
