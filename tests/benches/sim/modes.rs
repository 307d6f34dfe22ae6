//! What other sizes and the richer rules cost, each against the specification under the same rules.
use anyhow::Result;
use arena_sim::{Path, Rules};
use arena_testkit::bench::Bench;
use serde_json::json;

use crate::load::{rules, rules_with};
use crate::measure::on_cpu;
use crate::{BASELINE, MATCHES};

/// Matches of the specification: it needs no memory, only patience.
const MATCHES_BRUTE: usize = 256;

/// Measures and records all of it.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let pickups = json!({"count": 16, "respawn_ticks": 120});
    let in_fort = |mode: &'static str| {
        rules_with(512, |document| {
            document["map"] = json!("fort");
            document["match"]["mode"] = json!(mode);
            document["match"]["capture_limit"] = json!(0);
            document["pickups"] = pickups.clone();
        })
    };
    let drones =
        |projectiles| rules_with(projectiles, |document| document["drones"] = json!({"count": 64}));
    let rows: [(&'static str, Rules); 6] = [
        ("us_per_match_tick_n256", rules(256)?),
        ("us_per_match_tick_n2048", rules(2_048)?),
        ("us_per_match_tick_teams_pickups_cover", in_fort("team")?),
        ("us_per_match_tick_capture_pickups_cover", in_fort("capture")?),
        ("us_per_match_tick_64_drones", drones(512)?),
        ("us_per_match_tick_64_drones_n2048", drones(2_048)?),
    ];
    for (metric, rules) in rows {
        let brute = on_cpu(Path::BruteForce, &rules, MATCHES_BRUTE)?.measure(1)?;
        let fast = on_cpu(Path::Avx2, &rules, MATCHES)?.measure(4)?;
        let us = |cost_s: f64| cost_s * 1e6;
        bench.record_against(metric, "us", fast.map(us), (BASELINE, &brute.map(us)));
    }
    Ok(())
}
