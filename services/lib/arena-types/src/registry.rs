//! Keys and values of the registry that more than one service reads.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::contract::{InstanceState, is_zero};
use crate::{InstanceId, PlayerId, ReleaseId, ServiceName, Share};

/// Prefix of all instances; below it `<service>/<instance>`.
pub const INSTANCES: &str = "instances/";
/// Prefix of all traffic weights; below it `<service>`.
pub const TRAFFIC: &str = "traffic/";
/// Prefix of the autoscaler's recommendations; below it `<service>`.
pub const SCALE: &str = "scale/";
/// Prefix of everything about rules: `rules/active` holds [`ActiveRules`], `rules/v/<n>` holds
/// [`RulesRecord`]s, which never change.
pub const RULES: &str = "rules/";
/// Key of the version that new matches of the game `arena` pin; see [`active_rules_key`].
pub const ACTIVE_RULES: &str = "rules/active";
/// The game of records that name none.
pub const STANDARD_GAME: &str = "arena";
/// Prefix of the versions of the rules.
pub const RULES_VERSIONS: &str = "rules/v/";
/// Prefix of feature flags; below it `<name>`, which holds a [`FlagRecord`].
pub const FLAGS: &str = "flags/";
/// Prefix of players' epochs; below it `<player>`. The value is a JSON number: access tokens whose
/// claim `epoch` is below it are refused, and their sessions ended. Without a key it is 0.
pub const EPOCHS: &str = "epochs/";

/// Returns the prefix of a service's instances.
#[must_use]
pub fn instances_of(service: &ServiceName) -> String {
    format!("{INSTANCES}{service}/")
}

/// Returns the key of one instance; it holds an [`InstanceRecord`] under the instance's lease.
#[must_use]
pub fn instance_key(service: &ServiceName, instance: &InstanceId) -> String {
    format!("{INSTANCES}{service}/{instance}")
}

/// Returns the key of a service's [`Traffic`].
#[must_use]
pub fn traffic_key(service: &ServiceName) -> String {
    format!("{TRAFFIC}{service}")
}

/// Returns the key of a service's [`Scale`].
#[must_use]
pub fn scale_key(service: &ServiceName) -> String {
    format!("{SCALE}{service}")
}

/// Returns the key of the version that new matches of a game pin.
#[must_use]
pub fn active_rules_key(game: &str) -> String {
    if game == STANDARD_GAME { ACTIVE_RULES.to_owned() } else { format!("{ACTIVE_RULES}/{game}") }
}

/// Returns the key of a version of the rules.
#[must_use]
pub fn rules_key(version: u32) -> String {
    format!("{RULES_VERSIONS}{version}")
}

/// Returns the key of a flag.
#[must_use]
pub fn flag_key(name: &str) -> String {
    format!("{FLAGS}{name}")
}

/// Returns the key of a player's epoch.
#[must_use]
pub fn epoch_key(player: PlayerId) -> String {
    format!("{EPOCHS}{player}")
}

/// What an instance says of itself, in the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// Where other instances reach it (QUIC).
    pub mesh_addr: SocketAddr,
    /// Where arenactl reaches it (HTTP).
    pub side_addr: SocketAddr,
    /// Where players reach it, for a gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_addr: Option<SocketAddr>,
    /// The release it was started from.
    pub release: ReleaseId,
    /// Only `ready` is chosen for new work.
    pub state: InstanceState,
    /// Sessions it holds.
    pub sessions: u32,
    /// Matches it hosts.
    pub matches: u32,
    /// Of these, matches on their way to another instance.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub moving: u32,
    /// Slots taken by warm copies of others' matches, beside `matches`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shadows: u32,
    /// Matches it can host.
    pub capacity: u32,
    /// The version of the rules' format it understands; 0 for a service that has none.
    pub rules_schema: u32,
}

/// Which share of new work each release gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Percent by release; a release that is not named gets nothing.
    pub weights: BTreeMap<ReleaseId, u32>,
}

impl Traffic {
    /// Returns the weight of `release`; without a record all releases are equal.
    #[must_use]
    pub fn weight(this: Option<&Self>, release: ReleaseId) -> u32 {
        this.map_or(1, |it| it.weights.get(&release).copied().unwrap_or(0))
    }
}

/// How many instances of a service the autoscaler wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// Instances.
    pub wanted: u32,
    /// Why, for a person.
    pub reason: String,
}

/// An immutable version of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesRecord {
    /// Counts versions, from 1.
    pub version: u32,
    /// The game that they are rules of.
    #[serde(default = "standard_game", skip_serializing_if = "is_standard_game")]
    pub game: String,
    /// The complete document, as JSON.
    pub rules_json: String,
    /// Who published it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When, Unix milliseconds.
    pub published_ms: u64,
}

fn standard_game() -> String {
    STANDARD_GAME.to_owned()
}

fn is_standard_game(game: &String) -> bool {
    game == STANDARD_GAME
}

/// Which version new matches pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveRules {
    /// The version.
    pub version: u32,
    /// Who chose it.
    pub by: String,
    /// When, Unix milliseconds.
    pub activated_ms: u64,
}

/// A feature flag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagRecord {
    /// Off means nobody, whatever the share: the kill switch.
    pub enabled: bool,
    /// The share of players it is on for.
    pub rollout: Share,
    /// Who wrote it last.
    pub by: String,
    /// When, Unix milliseconds.
    pub updated_ms: u64,
}

impl FlagRecord {
    /// Tells whether the flag `name` is on for `player`.
    #[must_use]
    pub fn is_on(&self, name: &str, player: PlayerId) -> bool {
        self.enabled && self.rollout.includes(name, player)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_the_documented_ones() {
        let (service, instance) = ("game".parse().unwrap(), "game-r2-0".parse().unwrap());
        assert_eq!(instance_key(&service, &instance), "instances/game/game-r2-0");
        assert_eq!(traffic_key(&service), "traffic/game");
        assert_eq!(scale_key(&service), "scale/game");
        let record = InstanceRecord {
            mesh_addr: "127.0.0.1:7001".parse().unwrap(),
            side_addr: "127.0.0.1:7002".parse().unwrap(),
            public_addr: None,
            release: ReleaseId(2),
            state: InstanceState::Ready,
            sessions: 0,
            matches: 3,
            moving: 0,
            shadows: 0,
            capacity: 500,
            rules_schema: 1,
        };
        let json = serde_json::to_string(&record).unwrap();
        expect_test::expect![[
            r#"{"mesh_addr":"127.0.0.1:7001","side_addr":"127.0.0.1:7002","release":"r2","state":"ready","sessions":0,"matches":3,"capacity":500,"rules_schema":1}"#
        ]]
        .assert_eq(&json);
        assert_eq!(serde_json::from_str::<InstanceRecord>(&json).unwrap(), record);
        let moving = InstanceRecord { moving: 2, ..record.clone() };
        let json_moving = json.replace("\"matches\":3", "\"matches\":3,\"moving\":2");
        assert_eq!(serde_json::to_string(&moving).unwrap(), json_moving);
        let rules = RulesRecord {
            version: 3,
            game: "arena".to_owned(),
            rules_json: "{}".to_owned(),
            by: "ann".to_owned(),
            why: String::new(),
            published_ms: 7,
        };
        let old = r#"{"version":3,"rules_json":"{}","by":"ann","why":"","published_ms":7}"#;
        assert_eq!(serde_json::to_string(&rules).unwrap(), old);
        assert_eq!(serde_json::from_str::<RulesRecord>(old).unwrap(), rules);
        assert_eq!(active_rules_key("arena"), "rules/active");
        assert_eq!(active_rules_key("snakes"), "rules/active/snakes");
        let newer = json.replace("\"sessions\":0", "\"sessions\":0,\"gpus\":1");
        assert_eq!(serde_json::from_str::<InstanceRecord>(&newer).unwrap(), record);
    }

    #[test]
    fn without_weights_all_releases_are_equal() {
        let traffic: Traffic = serde_json::from_str(r#"{"weights":{"r1":0,"r2":100}}"#).unwrap();
        for (traffic, release, weight) in
            [(None, 1, 1), (Some(&traffic), 1, 0), (Some(&traffic), 2, 100), (Some(&traffic), 3, 0)]
        {
            assert_eq!(Traffic::weight(traffic, ReleaseId(release)), weight, "r{release}");
        }
    }
}
