//! Dependencies between crates point down only.

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Lowest layer first; a crate may use the layers below its own.
const LAYERS: &[&[&str]] = &[
    &["arena-types"],
    &[
        "arena-env",
        "arena-sdk",
        "arena-telemetry",
        "arena-wire",
        "arena-store",
        "arenactl-planning",
    ],
    &["arena-sim", "arena-mesh", "arena-store-embedded"],
    &["arena-sim-gpu"],
    &["arena-replay", "arena-game-arena", "arena-game-snakes", "arena-store-remote"],
    &["arena-games"],
    &["arena-instance"],
    &["arena-testkit"],
    &[
        "arena-auth",
        "arena-autoscaler",
        "arena-config",
        "arena-game",
        "arena-gateway",
        "arena-matchmaker",
        "arena-stats",
        "arena-store-service",
        "arenactl",
        "arena-load",
    ],
    &["arena-tests"],
];

/// Crates that decide or describe, and what they must never wait on. `arena-games` is none of them: it tries a
/// device, by `arena-sim-gpu`, so that the game service names neither.
const PURE: &[&str] = &[
    "arena-types",
    "arena-sdk",
    "arena-wire",
    "arena-sim",
    "arena-replay",
    "arena-game-arena",
    "arena-game-snakes",
    "arenactl-planning",
];
const WAITING: &[&str] = &["tokio", "quinn", "hyper", "warp", "sqlx", "bollard", "wgpu", "reqwest"];

#[test]
fn crates_depend_downwards_only() {
    let layer = |name: &str| LAYERS.iter().position(|crates| crates.contains(&name));
    for package in MetadataCommand::new().no_deps().exec().unwrap().packages {
        let user = layer(&package.name).unwrap_or_else(|| panic!("add {} to LAYERS", package.name));
        for used in package.dependencies.iter().filter(|it| it.kind == DependencyKind::Normal) {
            assert!(
                layer(&used.name).is_none_or(|below| below < user),
                "{} may not use {}",
                package.name,
                used.name
            );
        }
    }
}

#[test]
fn deciding_crates_cannot_wait() {
    for package in MetadataCommand::new().no_deps().exec().unwrap().packages {
        if !PURE.contains(&package.name.as_str()) {
            continue;
        }
        for used in package.dependencies.iter().filter(|it| it.kind == DependencyKind::Normal) {
            assert!(
                !WAITING.contains(&used.name.as_str()),
                "{} decides or describes and may not use {}",
                package.name,
                used.name
            );
        }
    }
}
