//! An arena on three nodes with players at each: updates, lacks, a failing release; then a node dies.

#![expect(
    clippy::print_stdout,
    reason = "what happened when is read in the output of a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use arena_tests::{LabSpec, Ran, SwarmRegion, wait_for};

use super::players::{PLAYING_LIMIT, players, undisturbed};
use super::rows::{Row, games_and_gateways, rows};

/// A game with a GPU and a gateway on every node; matches of twenty seconds, longer than a rollout needs to drain.
const SETTINGS: &[&str] = &[
    "services.game.instances=3",
    "services.gateway.instances=3",
    "services.gateway.placement.max_per_node=1",
    // Longer than the loss of a node may take to be known.
    "services.gateway.ready_timeout=120s",
    "rules.match.time_limit_ticks=1200",
];
/// Nodes by the names people know them by.
const NODES: [&str; 3] = ["lab-1", "lab-2", "lab-3"];
/// Players at each gateway.
const PLAYERS: u32 = 8;
/// Pause between two looks at the region.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A replaced instance has exited within this time of the deploy's end.
const EXIT_LIMIT: Duration = Duration::from_secs(30);
/// A command that can do nothing says so within this time.
const REFUSAL_LIMIT: Duration = Duration::from_secs(10);
/// What ran on a dead node runs elsewhere, or is told to be lost, within this time. The lab's heartbeat is 2 s,
/// and the nodes that are left pull images.
const LOSS_LIMIT: Duration = Duration::from_secs(90);

/// What was seen of game and gateway while a command ran.
#[derive(Debug, Default)]
struct Timeline(Vec<(Duration, Vec<Row>)>);

impl Timeline {
    /// Prints what changed, and when.
    fn print(&self, title: &str) {
        println!("--- {title}: {} looks", self.0.len());
        let mut before = BTreeMap::new();
        for (at, rows) in &self.0 {
            let told = |row: &Row| {
                let Row { node, instance, release, state, matches, .. } = row;
                format!("{node}  {instance}  {release}  {state}  {matches} matches")
            };
            let now: BTreeMap<_, _> = rows.iter().map(|it| (&it.instance, told(it))).collect();
            for (_, text) in now.iter().filter(|(name, text)| before.get(*name) != Some(*text)) {
                println!("{:6.1} s  {text}", at.as_secs_f64());
            }
            for gone in before.keys().filter(|it| !now.contains_key(*it)) {
                println!("{:6.1} s  {gone} is gone", at.as_secs_f64());
            }
            before = now;
        }
    }

    /// Fails if a gateway of `old` was seen to let go before the one of `new` on its node took connections.
    fn expect_side_by_side(&self, old: &str, new: &str) -> anyhow::Result<()> {
        let mut taken_over = BTreeSet::new();
        for (at, rows) in &self.0 {
            let gateways = |release: &str, states: &[&str]| {
                let is_it = |it: &&Row| it.is_of("gateway") && it.release == release;
                let rows = rows.iter().filter(is_it).filter(|it| states.contains(&&*it.state));
                rows.map(|it| it.node.clone()).collect::<BTreeSet<_>>()
            };
            taken_over.extend(gateways(new, &["ready"]));
            let leaving = gateways(old, &["draining", "empty"]);
            ensure!(leaving.is_subset(&taken_over), "{leaving:?} after {at:?}: {rows:#?}");
        }
        ensure!(taken_over.len() == NODES.len(), "only {taken_over:?} were seen");
        Ok(())
    }

    /// Fails unless a game of `release` was seen to finish matches while it was being emptied.
    fn expect_finished_on(&self, release: &str) -> anyhow::Result<()> {
        let mut rows = self.0.iter().flat_map(|it| &it.1);
        let is_emptied = |it: &Row| it.is_of("game") && it.release == release && it.matches > 0;
        let seen = rows.any(|it| is_emptied(it) && it.state == "draining");
        ensure!(seen, "no draining game of {release} had matches");
        Ok(())
    }
}

/// Runs a command to its end and looks at the region meanwhile.
async fn watched(
    region: &SwarmRegion,
    title: &str,
    run: impl Future<Output = anyhow::Result<Ran>>,
) -> anyhow::Result<(Ran, Timeline)> {
    let (began, mut timeline) = (Instant::now(), Timeline::default());
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let mut run = pin!(run);
    let ran = loop {
        let look = async {
            ticks.tick().await;
            games_and_gateways(region).await
        };
        tokio::select! {
            ran = &mut run => break ran?,
            rows = look => {
                timeline.0.push((began.elapsed(), rows?));
            }
        }
    };
    timeline.print(&format!("{title}, {:.1} s", began.elapsed().as_secs_f64()));
    Ok((ran, timeline))
}

/// Returns where each of a service's instances runs, once all are ready and of `release` and what they
/// replaced has exited.
async fn places(
    region: &SwarmRegion,
    service: &str,
    release: &str,
) -> anyhow::Result<BTreeMap<String, String>> {
    wait_for(&format!("{service} of {release} alone"), EXIT_LIMIT, || async {
        let mut rows = rows(region).await?;
        rows.retain(|it| it.is_of(service));
        let are_ready = rows.iter().all(|it| it.release == release && it.state == "ready");
        ensure!(are_ready && rows.len() == NODES.len(), "{rows:#?}");
        Ok(Some(rows.into_iter().map(|it| (it.place(), it.node)).collect()))
    })
    .await
}

async fn matches(region: &SwarmRegion) -> anyhow::Result<BTreeMap<String, u64>> {
    Ok(rows(region).await?.into_iter().map(|it| (it.instance, it.matches)).collect())
}

/// Waits until a match begins: a rollout that starts now finds it running when it drains.
async fn a_match_begins(region: &SwarmRegion) -> anyhow::Result<()> {
    let (end, mut ticks) = (Instant::now() + PLAYING_LIMIT, tokio::time::interval(LOOK_EVERY));
    let mut before = matches(region).await?;
    while Instant::now() < end {
        ticks.tick().await;
        let now = matches(region).await?;
        if now.iter().any(|(game, count)| before.get(game).is_some_and(|old| count > old)) {
            return Ok(());
        }
        before = now;
    }
    bail!("no match began within {PLAYING_LIMIT:?}")
}

async fn update_and_rollback(region: &SwarmRegion) -> anyhow::Result<()> {
    let first = places(region, "gateway", "r1").await?;
    assert_eq!(first.values().map(String::as_str).collect::<BTreeSet<_>>(), NODES.into());
    a_match_begins(region).await?;
    let change = ["services.game.env.MARK=two", "services.gateway.env.MARK=two"];
    let (ran, timeline) = watched(region, "deploy of r2", region.deploy(&change)).await?;
    ran.expect_code(0)?;
    timeline.expect_side_by_side("r1", "r2")?;
    timeline.expect_finished_on("r1")?;
    assert_eq!(places(region, "gateway", "r2").await?, first);
    places(region, "game", "r2").await?;

    a_match_begins(region).await?;
    let back = region.arenactl(&["rollback", "--yes"]);
    let (ran, timeline) = watched(region, "rollback to r1", back).await?;
    ran.expect_code(0)?;
    timeline.expect_side_by_side("r2", "r1")?;
    timeline.expect_finished_on("r2")?;
    assert_eq!(places(region, "gateway", "r1").await?, first);
    places(region, "game", "r1").await.map(drop)
}

/// Fails unless a refused command said in time what is missing and where.
fn expect_refusal(ran: Ran, took: Duration, words: &[&str]) -> anyhow::Result<()> {
    let ran = ran.expect_code(4)?;
    println!("--- refused after {:.1} s:\n{}", took.as_secs_f64(), ran.stderr);
    ensure!(took < REFUSAL_LIMIT, "after {took:?}: {}", ran.stderr);
    for word in words.iter().chain(&NODES) {
        ensure!(ran.stderr.contains(word), "`{word}` is not in: {}", ran.stderr);
    }
    Ok(())
}

async fn lacks(region: &SwarmRegion) -> anyhow::Result<()> {
    let began = Instant::now();
    let ran = region.deploy_in("production", &[]).await?;
    expect_refusal(ran, began.elapsed(), &["cores"])?;
    let began = Instant::now();
    let ran = region.deploy(&["services.game.instances=7"]).await?;
    expect_refusal(ran, began.elapsed(), &["NVIDIA-GPU"])
}

async fn failing_canary(region: &SwarmRegion) -> anyhow::Result<()> {
    let bad = ["services.game.weights=[10, 100]", "services.game.env.ARENA_GAME_THREADS=none"];
    let (ran, _) = watched(region, "a failing release", region.deploy(&bad)).await?;
    let ran = ran.expect_code(10)?;
    println!("{}", ran.stderr);
    for part in ["game-r", "ARENA_GAME_THREADS", "arenactl"] {
        ensure!(ran.stderr.contains(part), "the card names {part}: {}", ran.stderr);
    }
    places(region, "gateway", "r1").await?;
    places(region, "game", "r1").await.map(drop)
}

/// A deploy that finds nothing to do waits until what ran on a dead node runs elsewhere or is known not to; of what
/// does not fit it says so, and once the loss is known at once.
async fn lost_node(region: &SwarmRegion) -> anyhow::Result<()> {
    region.lab().kill_node(3).await?;
    let began = Instant::now();
    let refused = region.deploy(&[]).await?;
    println!("--- {:.1} s: {}\n{}", began.elapsed().as_secs_f64(), refused.code, refused.stderr);
    ensure!(began.elapsed() < LOSS_LIMIT, "after {:?}", began.elapsed());
    ensure!(refused.stderr.contains("waiting: gateway-"), "{}", refused.stderr);
    expect_no_room(&refused.expect_code(4)?)?;
    wait_for("the status to tell what is lost", LOSS_LIMIT, || async {
        let rows = rows(region).await?;
        let is_moved = |it: &Row| it.state == "ready" && it.node != NODES[2];
        let (moved, left): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_moved);
        let is_told = left.iter().all(|it| it.is_of("gateway") && it.state == "failed");
        ensure!(is_told && left.len() == 1, "{left:#?}\n{moved:#?}");
        Ok(Some(()))
    })
    .await?;
    println!("--- a node's loss was told after {:.1} s", began.elapsed().as_secs_f64());
    println!("{}", region.arenactl(&["status"]).await?.stdout);
    let began = Instant::now();
    let refused = region.deploy(&[]).await?.expect_code(4)?;
    ensure!(began.elapsed() < REFUSAL_LIMIT, "after {:?}", began.elapsed());
    expect_no_room(&refused)?;
    let fewer = region.deploy(&["services.gateway.instances=2"]);
    let (ran, _) = watched(region, "a deploy to two nodes", fewer).await?;
    ran.expect_code(0)?;
    let rows = rows(region).await?;
    ensure!(rows.iter().all(|it| it.state == "ready" && it.node != NODES[2]), "{rows:#?}");
    Ok(())
}

fn expect_no_room(refused: &Ran) -> anyhow::Result<()> {
    for word in ["gateway", NODES[0], NODES[1]] {
        ensure!(refused.stderr.contains(word), "`{word}` is not in: {}", refused.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn players_on_three_nodes_are_left_alone_until_a_node_dies() -> anyhow::Result<()> {
    let began = Instant::now();
    let spec = LabSpec { nodes: 3, gpus: 2, ..LabSpec::default() };
    let region = SwarmRegion::start(spec, SETTINGS).await?;
    println!("--- a lab with images after {:.1} s", began.elapsed().as_secs_f64());
    region.deploy(&[]).await?.expect_code(0)?;
    println!("--- an arena after {:.1} s", began.elapsed().as_secs_f64());
    let bots = players(&region, PLAYERS).await?;
    update_and_rollback(&region).await?;
    lacks(&region).await?;
    failing_canary(&region).await?;
    undisturbed(bots).await?;
    lost_node(&region).await?;
    region.close().await?;
    println!("--- all of it took {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}
