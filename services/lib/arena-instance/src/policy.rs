//! Who may call what: one table for the whole cluster, deny by default.
//!
//! The mesh refuses and audits a call that is not here. What a caller may do *inside* a method is
//! the method's own business: the store, for one, knows which service owns which keys.

use arena_mesh::Policy;

/// `(callers, methods)`; a caller is a service or `operator/*`, a method `package.Service/Method`.
const TABLE: &[(&[&str], &[&str])] = &[
    // Players come through the gateway only.
    (
        &["gateway"],
        &[
            "arena.auth.v1.Auth/LoginDevice",
            "arena.auth.v1.Auth/RegisterEmail",
            "arena.auth.v1.Auth/LoginEmail",
            "arena.auth.v1.Auth/Refresh",
            "arena.auth.v1.Auth/Logout",
            "arena.auth.v1.Auth/Keys",
            "arena.matchmaker.v1.Matchmaker/*",
            "arena.stats.v1.Stats/Profile",
            "arena.stats.v1.Stats/Ratings",
            "arena.stats.v1.Stats/History",
            "arena.stats.v1.Stats/Leaderboard",
            "arena.game.v1.Game/Describe",
            arena_mesh::LINK_METHOD,
        ],
    ),
    // A match: made by the matchmaker, its result recorded by the game.
    (&["matchmaker"], &["arena.game.v1.Game/*", "arena.stats.v1.Stats/Ratings"]),
    // A match moves from one game instance to another.
    (
        &["game"],
        &[
            "arena.stats.v1.Stats/Record",
            "arena.game.v1.Migration/Take",
            "arena.game.v1.Migration/Drop",
        ],
    ),
    // Rules and flags are read by everyone, written by operators.
    (
        &["auth", "autoscaler", "game", "gateway", "matchmaker", "stats"],
        &[
            "arena.config.v1.Config/ReadRules",
            "arena.config.v1.Config/ListFlags",
            "arena.config.v1.Config/Watch",
        ],
    ),
    // Everything that keeps something keeps it in the store.
    (
        &["auth", "autoscaler", "config", "game", "gateway", "matchmaker", "stats", "store"],
        &["arena.store.v1.*"],
    ),
    // arenactl, with an operator's certificate.
    (
        &["operator"],
        &[
            "arena.auth.v1.Auth/Ban",
            "arena.auth.v1.Auth/Unban",
            "arena.config.v1.Config/*",
            "arena.game.v1.Game/Describe",
            "arena.game.v1.Game/List",
            "arena.game.v1.Migration/Migrate",
            "arena.stats.v1.Stats/*",
            "arena.store.v1.*",
        ],
    ),
];

/// Calls that may run twice: reads, and writes that their own keys make idempotent.
const IDEMPOTENT: &[&str] = &[
    "arena.auth.v1.Auth/Keys",
    "arena.auth.v1.Auth/Logout",
    "arena.config.v1.Config/ListFlags",
    "arena.config.v1.Config/ListRules",
    "arena.config.v1.Config/ReadRules",
    "arena.config.v1.Config/Watch",
    "arena.game.v1.Game/Create",
    "arena.game.v1.Game/Describe",
    "arena.game.v1.Game/List",
    "arena.game.v1.Migration/Drop",
    "arena.stats.v1.Stats/Record",
    "arena.stats.v1.Stats/Profile",
    "arena.stats.v1.Stats/Ratings",
    "arena.stats.v1.Stats/History",
    "arena.stats.v1.Stats/Leaderboard",
];

/// Tells whether `method` (`package.Service/Method`) may run twice, and so be retried.
#[must_use]
pub fn is_idempotent(method: &str) -> bool {
    IDEMPOTENT.contains(&method)
}

/// Tells whether `service` has calls that stay open: a default deadline would end them.
#[must_use]
pub fn has_streams(service: &str) -> bool {
    matches!(service, "config" | "matchmaker" | "store")
}

/// Returns the table.
#[must_use]
pub fn cluster() -> Policy {
    TABLE
        .iter()
        .fold(Policy::deny_all(), |policy, (callers, methods)| policy.allow(callers, methods))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use arena_mesh::SpiffeId;
    use expect_test::expect;

    use super::*;

    #[test]
    fn who_may_call_what() {
        let callers = [
            "auth/a",
            "autoscaler/a",
            "config/a",
            "game/a",
            "gateway/a",
            "matchmaker/a",
            "stats/a",
            "store/a",
            "operator/ann",
            "stranger/a",
        ];
        let mut table = String::new();
        for method in [
            "arena.auth.v1.Auth/LoginDevice",
            "arena.auth.v1.Auth/Ban",
            "arena.config.v1.Config/Watch",
            "arena.config.v1.Config/ActivateRules",
            "arena.matchmaker.v1.Matchmaker/Enqueue",
            "arena.game.v1.Game/Create",
            "arena.game.v1.Game/List",
            "arena.game.v1.Migration/Take",
            "arena.game.v1.Migration/Migrate",
            "arena.stats.v1.Stats/Record",
            "arena.stats.v1.Stats/Profile",
            "arena.store.v1.Registry/Transact",
            "link",
            "grpc.health.v1.Health/Check",
        ] {
            let may = callers.iter().filter(|caller| {
                let id: SpiffeId = format!("spiffe://demo/{caller}").parse().unwrap();
                cluster().allows(&id, method)
            });
            let may: Vec<_> = may.map(|it| it.split('/').next().unwrap()).collect();
            writeln!(table, "{method}: {}", may.join(" ")).unwrap();
        }
        expect![[r"
            arena.auth.v1.Auth/LoginDevice: gateway
            arena.auth.v1.Auth/Ban: operator
            arena.config.v1.Config/Watch: auth autoscaler game gateway matchmaker stats operator
            arena.config.v1.Config/ActivateRules: operator
            arena.matchmaker.v1.Matchmaker/Enqueue: gateway
            arena.game.v1.Game/Create: matchmaker
            arena.game.v1.Game/List: matchmaker operator
            arena.game.v1.Migration/Take: game
            arena.game.v1.Migration/Migrate: operator
            arena.stats.v1.Stats/Record: game operator
            arena.stats.v1.Stats/Profile: gateway operator
            arena.store.v1.Registry/Transact: auth autoscaler config game gateway matchmaker stats store operator
            link: gateway
            grpc.health.v1.Health/Check: 
        "]].assert_eq(&table);
    }
}
