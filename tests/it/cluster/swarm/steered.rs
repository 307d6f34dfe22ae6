//! What operators do by hand on three nodes while people play: flags, a canary let through, a node's only
//! gateway given up, and GPUs that somebody else takes.

#![expect(
    clippy::print_stdout,
    reason = "what happened when is read in the output of a failed test"
)]

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arena_tests::{LabSpec, Ran, SwarmRegion, wait_for};
use serde_json::Value;

use super::players::{players, sessions, undisturbed};
use super::rows::{all_ready, games_and_gateways};

/// A game with a GPU and a gateway on every node; matches of seconds.
pub(super) const SETTINGS: &[&str] = &[
    "services.game.instances=3",
    "services.gateway.instances=3",
    "services.gateway.placement.max_per_node=1",
    "rules.match.time_limit_ticks=600",
];
/// GPUs of a node: one more than its game holds.
pub(super) const GPUS: u8 = 2;
/// Players at each gateway.
pub(super) const PLAYERS: u32 = 6;
/// A step of a rollout is there within this time.
const STEP_LIMIT: Duration = Duration::from_mins(1);
/// Containers that nobody waits for are up within this time.
const START_LIMIT: Duration = Duration::from_mins(1);
/// A command that can do nothing says so within this time.
const REFUSAL_LIMIT: Duration = Duration::from_secs(15);
/// A rollout that cannot find GPUs is taken back within this time: 8 s until it is sure, then the way back.
const TAKE_BACK_LIMIT: Duration = Duration::from_secs(45);
/// The signal that ends a process at once.
const KILL: i32 = 9;

#[tokio::test]
async fn operators_steer_three_nodes_and_players_notice_nothing() -> anyhow::Result<()> {
    let spec = LabSpec { nodes: 3, gpus: GPUS, ..LabSpec::default() };
    let region = SwarmRegion::start(spec, SETTINGS).await?;
    timed("the first deploy", region.deploy(&[])).await?.expect_code(0)?;
    let bots = players(&region, PLAYERS).await?;
    flags_and_rules(&region).await?;
    canary_let_through(&region).await?;
    last_gateway_of_a_node(&region).await?;
    gpus_taken_between_plan_and_start(&region).await?;
    no_spare_gpu(&region).await?;
    undisturbed(bots).await?;
    region.close().await
}

/// Runs a command to its end and prints how long it took.
async fn timed(title: &str, run: impl Future<Output = anyhow::Result<Ran>>) -> anyhow::Result<Ran> {
    let began = Instant::now();
    let ran = run.await?;
    println!("--- {title}: exit {} after {:.1} s", ran.code, began.elapsed().as_secs_f64());
    Ok(ran)
}

async fn json(region: &SwarmRegion, args: &[&str]) -> anyhow::Result<Value> {
    let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
    region.arenactl(&args).await?.expect_code(0)?.json()
}

/// Both go to the config service over the relay in the operator's container.
async fn flags_and_rules(region: &SwarmRegion) -> anyhow::Result<()> {
    let on = json(region, &["flag", "on", "fog"]).await?;
    assert_eq!(on["flags"][0]["enabled"], true, "{on}");
    assert_eq!(json(region, &["flag", "list"]).await?, on);
    let rules = json(region, &["rules", "list"]).await?;
    let versions = rules["versions"].as_array().context("`versions`")?;
    let active: Vec<_> = versions.iter().filter(|it| it["active"] == true).collect();
    ensure!(active.len() == 1 && active[0]["version"] == 2, "those of the deploy: {rules}");
    Ok(())
}

/// A tenth of new matches goes to the new release until somebody says that it is good.
async fn canary_let_through(region: &SwarmRegion) -> anyhow::Result<()> {
    let changes =
        ["services.game.weights=[10, 100]", "services.game.settle=20s", "services.game.env.MARK=1"];
    let began = Instant::now();
    let deploy = region.deploy_command("lab", &changes).spawn()?;
    wait_for("the first share", STEP_LIMIT, || async {
        Ok((region.status().await?["rollout"]["phase"]["routing"] == 0).then_some(()))
    })
    .await?;
    let shared = began.elapsed();
    let told = region.arenactl(&["promote"]).await?.expect_code(0)?;
    ensure!(told.stderr.contains("told the arenactl"), "{}", told.stderr);
    let ended = deploy.wait_with_output().await?;
    let stderr = String::from_utf8_lossy(&ended.stderr);
    println!("--- 10 % after {shared:.1?}, promoted, done after {:.1?}", began.elapsed());
    ensure!(ended.status.success(), "{}: {stderr}", ended.status);
    all_ready(region, "game", 3).await
}

/// The gateway that goes sends its players to another node's address: nobody listens at its own any more.
async fn last_gateway_of_a_node(region: &SwarmRegion) -> anyhow::Result<()> {
    let before = sessions(&region.instances().await?, "gateway");
    let less = region.arenactl(&["scale", "gateway=2", "--yes"]);
    timed("gateway 3 -> 2", less).await?.expect_code(0)?;
    all_ready(region, "gateway", 2).await?;
    wait_for("all players at the gateways that are left", STEP_LIMIT, || async {
        Ok((sessions(&region.instances().await?, "gateway") >= before).then_some(()))
    })
    .await?;
    let more = region.arenactl(&["scale", "gateway=3", "--yes"]);
    timed("gateway 2 -> 3", more).await?.expect_code(0)?;
    all_ready(region, "gateway", 3).await
}

/// Starts a program of somebody else that holds every GPU which no game holds.
async fn take_spare_gpus(region: &SwarmRegion) -> anyhow::Result<()> {
    let lab = region.lab();
    let image =
        ["service", "ls", "--filter", "name=arena_eu-fra_operator", "--format", "{{.Image}}"];
    let image = lab.docker(1, &image).await?;
    let spare = lab.nodes().len().to_string();
    let args = ["service", "create", "--detach", "--name", "somebody", "--no-healthcheck"];
    let needs = ["--replicas", &spare, "--generic-resource", "NVIDIA-GPU=1"];
    lab.docker(1, &[&args[..], &needs, &[&image, "relay", "--wait"]].concat()).await?;
    wait_for("somebody's tasks", START_LIMIT, || async {
        let args = ["service", "ls", "--filter", "name=somebody", "--format", "{{.Replicas}}"];
        Ok((lab.docker(1, &args).await? == format!("{spare}/{spare}")).then_some(()))
    })
    .await
}

/// The plan counted three free GPUs; when the games start there is none.
async fn gpus_taken_between_plan_and_start(region: &SwarmRegion) -> anyhow::Result<()> {
    let before = games_and_gateways(region).await?;
    let changes = ["services.auth.env.MARK=2", "services.game.env.MARK=2"];
    let mut deploy = region.deploy_command("lab", &changes);
    let died = deploy.args(["--die-after-step", "1"]).output().await?.status;
    ensure!(died.signal() == Some(KILL), "{died}");
    take_spare_gpus(region).await?;
    let began = Instant::now();
    let ran = timed("resumed without GPUs", region.arenactl(&["resume"])).await?.expect_code(10)?;
    println!("{}", ran.stderr);
    ensure!(began.elapsed() < TAKE_BACK_LIMIT, "it took {:?}", began.elapsed());
    let holder = before.iter().find(|it| it.is_of("game")).context("a game")?.release.clone();
    let why = format!("0 of 3 nodes have a free NVIDIA-GPU; 3 in use by {holder}, 3 by others");
    ensure!(ran.stderr.contains(&why), "`{why}` is not in: {}", ran.stderr);
    all_ready(region, "game", 3).await
}

/// One game more is refused at once; three others in the place of these are not.
async fn no_spare_gpu(region: &SwarmRegion) -> anyhow::Result<()> {
    let began = Instant::now();
    let more = region.deploy(&["services.game.instances=4"]);
    let ran = timed("one game too many", more).await?.expect_code(4)?;
    ensure!(began.elapsed() < REFUSAL_LIMIT, "refused after {:?}", began.elapsed());
    for part in ["0 of 3 nodes have a free NVIDIA-GPU", "3 by others"] {
        ensure!(ran.stderr.contains(part), "`{part}` is not in: {}", ran.stderr);
    }
    let change = "services.game.env.MARK=3";
    let plan = region.arenactl(&["plan", "--set", change]).await?.expect_code(2)?;
    println!("{}", plan.stdout);
    let why = "3 NVIDIA-GPU needed, 0 free: an old instance stops first";
    ensure!(plan.stdout.contains(why), "`{why}` is not in: {}", plan.stdout);
    timed("games one after the other", region.deploy(&[change])).await?.expect_code(0)?;
    all_ready(region, "game", 3).await
}
