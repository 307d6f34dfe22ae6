//! Nodes that are drained, and killed in the middle of a rollout: what is told, and what repairs it.

#![expect(
    clippy::print_stdout,
    reason = "what happened when is read in the output of a failed test"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arena_tests::{LabSpec, PUBLIC_PORT, SwarmRegion, get, wait_for};

use super::players::{players, undisturbed};
use super::rows::{Row, all_ready, rows};
use super::steered::{GPUS, PLAYERS, SETTINGS};

/// What ran on a node runs on others, or is known not to, within this time.
const MOVE_LIMIT: Duration = Duration::from_mins(1);
/// Players that play have finished a match of ten seconds within this time.
const MATCH_LIMIT: Duration = Duration::from_mins(1);
/// A rollout that lost a node has ended within this time, one way or the other.
const END_LIMIT: Duration = Duration::from_mins(3);

#[tokio::test]
async fn a_region_is_repaired_after_a_node_was_drained_and_one_was_killed() -> anyhow::Result<()> {
    let spec = LabSpec { nodes: 3, gpus: GPUS, ..LabSpec::default() };
    let region = SwarmRegion::start(spec, SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let node = expendable(&region).await?;
    println!("--- {} is taken away", name(node));
    drained(&region, node).await?;
    killed(&region, node).await?;
    region.close().await
}

fn name(node: u8) -> String {
    format!("lab-{node}")
}

/// Returns a node that is neither the manager nor where the data is.
async fn expendable(region: &SwarmRegion) -> anyhow::Result<u8> {
    let rows = rows(region).await?;
    let data = rows.iter().find(|it| it.is_of("store")).context("a store")?;
    let mut nodes = region.lab().nodes().into_iter();
    nodes.find(|it| *it != 1 && name(*it) != data.node).context("a node without data")
}

async fn set_availability(region: &SwarmRegion, node: u8, to: &str) -> anyhow::Result<()> {
    let args = ["node", "update", "--availability", to, &name(node)];
    region.lab().docker(1, &args).await.map(drop)
}

/// Fails unless every instance is ready, none on a node that is away.
async fn all_is_well(
    region: &SwarmRegion,
    gateways: usize,
    away: Option<u8>,
) -> anyhow::Result<()> {
    all_ready(region, "gateway", gateways).await?;
    all_ready(region, "game", 3).await?;
    let rows = rows(region).await?;
    let is_well = |it: &Row| it.state == "ready" && away.is_none_or(|node| it.node != name(node));
    let is_going = |it: &Row| ["draining", "empty"].contains(&it.state.as_str());
    ensure!(rows.iter().all(|it| is_well(it) || is_going(it)), "{rows:#?}");
    Ok(())
}

/// Waits until what can run elsewhere does, and what cannot has failed: at most the gateway of `node`.
async fn others_moved(region: &SwarmRegion, node: u8) -> anyhow::Result<()> {
    let began = Instant::now();
    let left = wait_for("instances elsewhere", MOVE_LIMIT, || async {
        let rows = rows(region).await?;
        let is_there = |it: &&Row| ["ready", "occupied", "full"].contains(&it.state.as_str());
        let (up, left): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(is_there);
        let is_known = left.iter().all(|it| it.state == "failed" && it.is_of("gateway"));
        let are_elsewhere = up.iter().all(|it| it.node != name(node));
        Ok((is_known && are_elsewhere).then_some(left.len()))
    })
    .await;
    println!("--- after {:.1?}\n{}", began.elapsed(), region.arenactl(&["status"]).await?.stdout);
    ensure!(left? <= 1, "one gateway a node");
    Ok(())
}

/// Waits until every player stands in the table of those who have finished a match.
async fn all_finish_a_match(region: &SwarmRegion) -> anyhow::Result<()> {
    let players = PLAYERS as usize * region.lab().nodes().len();
    wait_for("a match of every player to end", MATCH_LIMIT, || async {
        let table =
            get((region.lab().address(1), PUBLIC_PORT), "/v1/leaderboard?limit=100").await?;
        Ok((table.matches("\"player\":").count() == players).then_some(()))
    })
    .await
}

/// Swarm moves what may run elsewhere: the gateway, too, if it was started before the other nodes had theirs.
/// A deploy says that two are enough; with the node back, another one brings the third to it.
async fn drained(region: &SwarmRegion, node: u8) -> anyhow::Result<()> {
    let bots = players(region, PLAYERS).await?;
    set_availability(region, node, "drain").await?;
    others_moved(region, node).await?;
    all_finish_a_match(region).await?;
    undisturbed(bots).await?;
    let began = Instant::now();
    region.deploy(&["services.gateway.instances=2"]).await?.expect_code(0)?;
    println!("--- repaired on two nodes after {:.1?}", began.elapsed());
    all_is_well(region, 2, Some(node)).await?;
    set_availability(region, node, "active").await?;
    region.deploy(&[]).await?.expect_code(0)?;
    all_is_well(region, 3, None).await?;
    let rows = rows(region).await?;
    let nodes: BTreeSet<_> =
        rows.iter().filter(|it| it.is_of("gateway")).map(|it| &it.node).collect();
    ensure!(nodes.len() == 3, "a gateway a node: {rows:#?}");
    Ok(())
}

/// The node goes while its new gateway starts: the rollout ends, and the next one repairs what is left.
async fn killed(region: &SwarmRegion, node: u8) -> anyhow::Result<()> {
    let changes = ["services.game.env.MARK=2", "services.gateway.env.MARK=2"];
    let before: BTreeSet<_> = rows(region).await?.into_iter().map(|it| it.instance).collect();
    let deploy = region.deploy_command("lab", &changes).spawn()?;
    wait_for("something new on the node", MOVE_LIMIT, || async {
        let rows = rows(region).await?;
        let is_new = |it: &Row| !before.contains(&it.instance) && it.node == name(node);
        Ok(rows.iter().any(is_new).then_some(()))
    })
    .await?;
    region.lab().kill_node(node).await?;
    let began = Instant::now();
    let ended = tokio::time::timeout(END_LIMIT, deploy.wait_with_output()).await??;
    println!("--- {} {:.1?} after the loss", ended.status, began.elapsed());
    println!("{}", String::from_utf8_lossy(&ended.stderr));
    println!("{}", region.arenactl(&["status"]).await?.stdout);
    ensure!([Some(0), Some(10)].contains(&ended.status.code()), "{}", ended.status);
    ensure!(region.status().await?["rollout"].is_null(), "it is over");
    let began = Instant::now();
    region.deploy(&["services.gateway.instances=2"]).await?.expect_code(0)?;
    println!("--- repaired on two nodes after {:.1?}", began.elapsed());
    all_is_well(region, 2, Some(node)).await?;
    region.lab().start_node(node).await?;
    region.lab().wait_until_ready().await?;
    region.deploy(&[]).await?.expect_code(0)?;
    all_is_well(region, 3, None).await
}
