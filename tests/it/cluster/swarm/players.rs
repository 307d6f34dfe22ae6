//! Bots that play while operators work, and what they must not notice.

#![expect(
    clippy::print_stdout,
    reason = "what the players saw is read in the output of a failed test"
)]

use std::time::Duration;

use anyhow::ensure;
use arena_tests::{Bots, SwarmRegion, wait_for};
use serde_json::Value;

use super::rows::of;

/// All of them are in a match within this time, on a machine that also compiles.
pub(super) const PLAYING_LIMIT: Duration = Duration::from_mins(1);

/// Returns the sessions that the instances of a service hold.
pub(super) fn sessions(instances: &[Value], service: &str) -> u64 {
    of(instances, service).iter().filter_map(|it| it["sessions"].as_u64()).sum()
}

/// Starts `count` bots at every node and waits until all have a session and most of them play.
pub(super) async fn players(region: &SwarmRegion, count: u32) -> anyhow::Result<Vec<Bots>> {
    let nodes = region.lab().nodes();
    let all = u64::from(count) * nodes.len() as u64;
    let bots = nodes.into_iter().map(|node| region.bots(node, count));
    let bots = bots.collect::<anyhow::Result<Vec<_>>>()?;
    wait_for("players in matches", PLAYING_LIMIT, || async {
        let instances = region.instances().await?;
        let are_there = sessions(&instances, "gateway") == all;
        let playing = sessions(&instances, "game");
        Ok((are_there && playing >= all * 3 / 4).then_some(()))
    })
    .await?;
    Ok(bots)
}

/// Ends the bots and fails if one of them noticed anything.
pub(super) async fn undisturbed(bots: Vec<Bots>) -> anyhow::Result<()> {
    for bots in bots {
        let report = bots.stop().await?;
        println!("{}", report.0);
        for field in ["dropped_sessions", "protocol_errors", "matches_lost"] {
            ensure!(report.count(field)? == 0, "{field}: {}", report.0);
        }
        ensure!(report.count("matches_finished")? > 0, "no match: {}", report.0);
    }
    Ok(())
}
