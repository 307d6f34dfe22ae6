//! Rollouts under load while things break. `make chaos` plays as many as one likes; here are ten.

use arena_tests::chaos::{self, Plan};

/// Runs without `N`; `SEED` is the first.
const RUNS: u64 = 10;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

#[tokio::test]
async fn what_must_hold_holds_whatever_breaks_during_a_rollout() -> anyhow::Result<()> {
    let first = number("SEED", 1);
    let mut broken = Vec::new();
    for seed in first..first + number("N", RUNS) {
        let plan = Plan::new(seed);
        println!("SEED={seed} N=1: {plan}");
        let outcome = chaos::run(plan).await?;
        println!("  arenactl {:?}, {:?}, {:?}", outcome.codes, outcome.took, outcome.broken);
        if !outcome.broken.is_empty() {
            println!("{}", outcome.report);
            broken.push((format!("SEED={seed} N=1"), outcome.broken));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    Ok(())
}
