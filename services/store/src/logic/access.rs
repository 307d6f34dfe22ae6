//! Who may read and write which data. Deny by default; the mesh has checked the caller's identity
//! and that it may call the method at all.

use arena_mesh::SpiffeId;
use arena_store::{Change, StoreError, Transaction};
use arena_types::registry;

/// A kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Keys of the registry; writing is by key, see [`Access::check_transaction`].
    Registry,
    /// Leases of the registry.
    Leases,
    /// Hot values and counters.
    Values,
    /// Rate limits.
    Rates,
    /// Leaderboards.
    Boards,
    /// Journals.
    Journals,
    /// Streams.
    Streams,
    /// Presence.
    Presence,
    /// Accounts, without what they are proven by.
    Accounts,
    /// Credentials and their secrets.
    Credentials,
    /// Sessions and their refresh tokens.
    Sessions,
    /// Bans.
    Bans,
    /// Profiles.
    Profiles,
    /// Ratings.
    Ratings,
    /// Match results.
    Results,
    /// Analytics events.
    Events,
    /// Objects.
    Objects,
}

/// What is done to an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is read.
    Read,
    /// It is changed.
    Write,
}

/// Who may read and who may write an area; a writer need not be a reader.
pub type AreaRow = (Area, &'static [&'static str], &'static [&'static str]);
/// A prefix of the registry and who may write below it.
pub type KeyRow = (&'static str, &'static [&'static str]);

/// A table of who may do what, by service; people are the service `operator`.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// One row an area.
    pub areas: &'static [AreaRow],
    /// Keys of the registry; besides, every instance may write its own `instances/…`.
    pub keys: &'static [KeyRow],
}

/// Everyone.
const ALL: &[&str] = &[
    "auth",
    "autoscaler",
    "config",
    "game",
    "gateway",
    "matchmaker",
    "operator",
    "stats",
    "store",
];
/// Those who keep something of their own for a while.
const KEEPERS: &[&str] = &["auth", "game", "gateway", "matchmaker", "stats"];

/// The table of every cluster.
pub const CLUSTER: Access = Access {
    areas: &[
        (Area::Registry, ALL, &[]),
        (Area::Leases, ALL, ALL),
        (Area::Values, &["auth", "game", "gateway", "matchmaker", "operator", "stats"], KEEPERS),
        (Area::Rates, &[], KEEPERS),
        (Area::Boards, &["gateway", "operator", "stats"], &["stats"]),
        (Area::Journals, &["game", "operator"], &["game"]),
        (Area::Streams, &["game", "operator", "stats"], &["game", "stats"]),
        (Area::Presence, &["gateway", "matchmaker", "operator"], &["gateway", "matchmaker"]),
        (Area::Accounts, &["auth", "operator", "stats"], &["auth"]),
        (Area::Credentials, &["auth"], &["auth"]),
        (Area::Sessions, &["auth", "operator"], &["auth"]),
        (Area::Bans, &["auth", "operator"], &["auth"]),
        (Area::Profiles, &["auth", "operator", "stats"], &["stats"]),
        (Area::Ratings, &["matchmaker", "operator", "stats"], &["stats"]),
        (Area::Results, &["game", "operator", "stats"], &["stats"]),
        (Area::Events, &["autoscaler", "operator", "stats"], ALL),
        (Area::Objects, &["game", "gateway", "operator", "stats"], &["game", "stats"]),
    ],
    keys: &[
        (registry::INSTANCES, &["operator"]),
        (registry::TRAFFIC, &["operator"]),
        (registry::SCALE, &["autoscaler"]),
        (registry::RULES, &["config"]),
        (registry::FLAGS, &["config"]),
        (registry::EPOCHS, &["auth"]),
        ("match/", &["game", "matchmaker"]),
        ("ticket/", &["matchmaker"]),
        ("party/", &["matchmaker"]),
    ],
};

impl Access {
    /// Decides on a call.
    ///
    /// # Errors
    /// [`StoreError::Denied`] with caller and action.
    pub fn check(&self, caller: &SpiffeId, area: Area, action: Action) -> Result<(), StoreError> {
        let row = self.areas.iter().find(|(it, _, _)| *it == area);
        let may = row.map_or(&[][..], |(_, readers, writers)| match action {
            Action::Read => readers,
            Action::Write => writers,
        });
        if may.contains(&caller.service()) {
            Ok(())
        } else {
            Err(denied(caller, format!("{action:?} {area:?}").to_lowercase()))
        }
    }

    /// Decides on a transaction of the registry: every key it changes. Its caller must be a reader,
    /// since a refusal tells what was found.
    ///
    /// # Errors
    /// [`StoreError::Denied`] with caller and the first key it may not change.
    pub fn check_transaction(
        &self,
        caller: &SpiffeId,
        wanted: &Transaction,
    ) -> Result<(), StoreError> {
        self.check(caller, Area::Registry, Action::Read)?;
        let mut changed = wanted.changes.iter().map(Change::key);
        match changed.find(|key| !self.may_write(caller, key)) {
            Some(key) => Err(denied(caller, format!("write `{key}`"))),
            None => Ok(()),
        }
    }

    fn may_write(&self, caller: &SpiffeId, key: &str) -> bool {
        let instance = key.strip_prefix(registry::INSTANCES).and_then(|it| it.split_once('/'));
        let is_own = instance == Some((caller.service(), caller.instance()));
        let is_allowed =
            |(prefix, who): &KeyRow| key.starts_with(prefix) && who.contains(&caller.service());
        is_own || self.keys.iter().any(is_allowed)
    }
}

fn denied(caller: &SpiffeId, action: String) -> StoreError {
    StoreError::Denied { caller: caller.to_string(), action }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;

    use super::*;

    fn caller(service: &str) -> SpiffeId {
        format!("spiffe://demo/{service}/{service}-r1-0").parse().unwrap()
    }

    #[test]
    fn who_may_do_what_to_which_data() {
        let mut table = String::new();
        for (area, _, _) in CLUSTER.areas {
            for action in [Action::Read, Action::Write] {
                let everyone = ALL.iter().chain(&["stranger"]);
                let may = everyone.filter(|it| CLUSTER.check(&caller(it), *area, action).is_ok());
                let may: Vec<_> = may.copied().collect();
                writeln!(table, "{area:?} {action:?}: {}", may.join(" ")).unwrap();
            }
        }
        expect![[r"
            Registry Read: auth autoscaler config game gateway matchmaker operator stats store
            Registry Write: 
            Leases Read: auth autoscaler config game gateway matchmaker operator stats store
            Leases Write: auth autoscaler config game gateway matchmaker operator stats store
            Values Read: auth game gateway matchmaker operator stats
            Values Write: auth game gateway matchmaker stats
            Rates Read: 
            Rates Write: auth game gateway matchmaker stats
            Boards Read: gateway operator stats
            Boards Write: stats
            Journals Read: game operator
            Journals Write: game
            Streams Read: game operator stats
            Streams Write: game stats
            Presence Read: gateway matchmaker operator
            Presence Write: gateway matchmaker
            Accounts Read: auth operator stats
            Accounts Write: auth
            Credentials Read: auth
            Credentials Write: auth
            Sessions Read: auth operator
            Sessions Write: auth
            Bans Read: auth operator
            Bans Write: auth
            Profiles Read: auth operator stats
            Profiles Write: stats
            Ratings Read: matchmaker operator stats
            Ratings Write: stats
            Results Read: game operator stats
            Results Write: stats
            Events Read: autoscaler operator stats
            Events Write: auth autoscaler config game gateway matchmaker operator stats store
            Objects Read: game gateway operator stats
            Objects Write: game stats
        "]]
        .assert_eq(&table);
    }

    #[test]
    fn every_area_is_in_the_table_once() {
        assert!(CLUSTER.areas.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn an_instance_writes_its_own_key_and_those_of_its_service() {
        for (service, key, may) in [
            ("game", "instances/game/game-r1-0", true),
            ("game", "instances/game/game-r1-1", false),
            ("game", "instances/gateway/game-r1-0", false),
            ("operator", "instances/game/game-r1-0", true),
            ("operator", "traffic/game", true),
            ("gateway", "traffic/game", false),
            ("operator", "match/1", false),
            ("matchmaker", "match/1", true),
            ("game", "match/1", true),
            ("gateway", "match/1", false),
            ("config", "rules/active", true),
            ("operator", "rules/active", false),
            ("auth", "epochs/1", true),
            ("stranger", "instances/stranger/stranger-r1-0", false),
            ("game", "elsewhere", false),
        ] {
            let wanted = Transaction::new().put(key, "");
            let checked = CLUSTER.check_transaction(&caller(service), &wanted);
            assert_eq!(checked.is_ok(), may, "{service} {key}");
        }
    }

    #[test]
    fn one_foreign_key_refuses_the_whole_transaction() {
        let wanted = Transaction::new().put("match/1", "").put("traffic/game", "");
        let error = CLUSTER.check_transaction(&caller("game"), &wanted).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`spiffe://demo/game/game-r1-0` may not write `traffic/game`"
        );
    }
}
