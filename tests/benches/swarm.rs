//! A first deploy and a rolling update to Docker Swarm, `arenactl` against `docker stack deploy`, in turn on the
//! same engine with the same images: `make bench-swarm`. Needs root, and what `make deps-lab` installs.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arena_testkit::bench::{Bench, Samples};
use arena_tests::{Bots, BotsReport, Lab, LabSpec, binary, wait_for};
use tempfile::TempDir;
use tokio::process::Command;

/// Runs of each; they take turns.
const RUNS: u64 = 3;
/// Players of the run that counts sessions.
const PLAYERS: u32 = 30;
/// Longest wait until a stack stands; far more than it takes.
const LIMIT: Duration = Duration::from_mins(3);
/// How long players watch the rival's update.
const PATIENCE: Duration = Duration::from_mins(1);
/// Services of arena.yaml, each of which an update replaces.
const SERVICES: [&str; 8] =
    ["auth", "autoscaler", "config", "game", "gateway", "matchmaker", "stats", "store"];
/// Name of the stack; arena.yaml's cluster has its own.
const STACK: &str = "rival";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arena = Arena::start().await?;
    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    for run in 0..RUNS {
        ours.deploy_s.push(arena.deploy(&[]).await?);
        ours.update_s.push(arena.deploy(&marked(run)).await?);
        arena.down().await?;
        theirs.deploy_s.push(arena.stack(None).await?);
        theirs.update_s.push(arena.stack(Some(run)).await?);
        arena.remove_stack().await?;
    }
    let ours_seen = arena.sessions_through_our_update().await?;
    let theirs_seen = arena.sessions_through_their_update().await?;
    arena.lab.close().await?;
    let mut bench = Bench::new("swarm");
    let rival = "docker-stack-deploy";
    let theirs = theirs.samples();
    let ours = ours.samples();
    bench.record_against("deploy_s", "s", ours.0, (rival, &theirs.0));
    bench.record_against("update_s", "s", ours.1, (rival, &theirs.1));
    for (metric, field) in
        [("dropped_sessions", "dropped_sessions"), ("matches_lost", "matches_lost")]
    {
        let count = |report: &BotsReport| report.count(field).map(|it| Samples::exact(it as f64));
        bench.record_against(metric, "", count(&ours_seen)?, (rival, &count(&theirs_seen)?));
    }
    let gap =
        |report: &BotsReport| report.count("longest_gap_ms").map(|it| Samples::exact(it as f64));
    bench.record_against("longest_gap_ms", "ms", gap(&ours_seen)?, (rival, &gap(&theirs_seen)?));
    bench.finish()?;
    Ok(())
}

/// Seconds, one a run.
#[derive(Default)]
struct Figures {
    deploy_s: Vec<f64>,
    update_s: Vec<f64>,
}

impl Figures {
    fn samples(self) -> (Samples, Samples) {
        (Samples::new(self.deploy_s), Samples::new(self.update_s))
    }
}

/// Settings that change a variable of every service.
fn marked(mark: u64) -> Vec<String> {
    let set = |service: &str| ["--set".to_owned(), format!("services.{service}.env.BENCH={mark}")];
    SERVICES.into_iter().flat_map(set).collect()
}

/// A lab with our images, and the spec's environment `lab`.
struct Arena {
    lab: Lab,
    state: TempDir,
    endpoint: String,
}

impl Arena {
    async fn start() -> anyhow::Result<Self> {
        let lab = Lab::start(LabSpec { nodes: 1, gpus: 2, ..LabSpec::default() }).await?;
        let endpoint = format!("unix://{}", lab.socket(1).display());
        let arena = Self { lab, state: TempDir::with_prefix("arena-bench-")?, endpoint };
        for kind in ["plain", "gpu"] {
            let mut base = Command::new(root().join(".ci/base-image"));
            run(base.args([kind, &arena.endpoint])).await?;
        }
        let programs = binary("arenactl")?;
        let programs = programs.parent().context("a folder of programs")?;
        let mut build = arena.arenactl(&["build", "--push", "--engine", &arena.endpoint]);
        build.arg("--artifacts").arg(programs);
        run(&mut build).await?;
        Ok(arena)
    }

    fn arenactl(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("arenactl").unwrap_or_else(|_| "arenactl".into()));
        let endpoint = format!("regions.eu-fra.endpoint={}", self.endpoint);
        let registry = format!("images.registry={}", self.lab.registry_address());
        command.args(args).args(["--region", "eu-fra", "--env", "lab"]);
        command.args(["--set", &endpoint, "--set", &registry]);
        command.args(["--set", "rules.match.time_limit_ticks=600"]);
        command.current_dir(root()).env("XDG_STATE_HOME", self.state.path());
        command
    }

    /// Returns the seconds from the command to all instances ready, which is when it ends.
    async fn deploy(&self, more: &[String]) -> anyhow::Result<f64> {
        let mut command = self.arenactl(&["deploy", "--yes"]);
        let began = Instant::now();
        run(command.args(more)).await?;
        Ok(began.elapsed().as_secs_f64())
    }

    async fn down(&self) -> anyhow::Result<()> {
        run(&mut self.arenactl(&["down", "--yes"])).await?;
        Ok(())
    }

    /// Returns the seconds from `docker stack deploy` to all tasks of its services running the newest spec.
    async fn stack(&self, mark: Option<u64>) -> anyhow::Result<f64> {
        run(&mut self.arenactl(&["secret", "push"])).await?;
        let text = std::fs::read_to_string(root().join("stacks/lab.yml"))?;
        let text = text.replace("127.0.0.1:5000/", &format!("{}/", self.lab.registry_address()));
        let own = format!("BENCH: '{}'", mark.map_or(-1, |it| it as i64));
        let text =
            text.replace("ARENA_CLUSTER: arena", &format!("ARENA_CLUSTER: arena\n      {own}"));
        let path = self.state.path().join("stack.yml");
        std::fs::write(&path, text)?;
        let path = path.to_str().context("a path of text")?;
        let began = Instant::now();
        self.lab.docker(1, &["stack", "deploy", "--prune", "-c", path, STACK]).await?;
        wait_for("the stack to stand", LIMIT, || async { Ok(self.stands().await?.then_some(())) })
            .await?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Says whether every service runs what it shall and no update is under way: a wait loop as people write it.
    async fn stands(&self) -> anyhow::Result<bool> {
        let filter = format!("label=com.docker.stack.namespace={STACK}");
        let list = ["service", "ls", "--filter", &filter, "--format", "{{.Name}} {{.Replicas}}"];
        let services = self.lab.docker(1, &list).await?;
        let running = services.lines().filter(|line| line.ends_with(" 1/1")).count();
        if running != SERVICES.len() {
            return Ok(false);
        }
        let names: Vec<&str> = services.lines().filter_map(|it| it.split(' ').next()).collect();
        let format = "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}";
        let inspect = [&["service", "inspect", "--format", format], &names[..]].concat();
        let states = self.lab.docker(1, &inspect).await?;
        Ok(states.lines().all(|state| state.is_empty() || state == "completed"))
    }

    async fn remove_stack(&self) -> anyhow::Result<()> {
        self.lab.docker(1, &["stack", "rm", STACK]).await?;
        let filter = format!("label=com.docker.stack.namespace={STACK}");
        wait_for("the stack to go", LIMIT, || async {
            let containers = self.lab.docker(1, &["ps", "-aq", "--filter", &filter]).await?;
            let networks =
                self.lab.docker(1, &["network", "ls", "-q", "--filter", &filter]).await?;
            Ok((containers.is_empty() && networks.is_empty()).then_some(()))
        })
        .await
    }

    async fn sessions_through_our_update(&self) -> anyhow::Result<BotsReport> {
        self.deploy(&[]).await?;
        let bots = self.bots().await?;
        self.deploy(&marked(RUNS)).await?;
        let report = bots.stop().await?;
        self.down().await?;
        Ok(report)
    }

    async fn sessions_through_their_update(&self) -> anyhow::Result<BotsReport> {
        self.stack(None).await?;
        let bots = self.bots().await?;
        // It waits for running matches as well, with nowhere for the next ones to begin: after a minute what was
        // lost is lost.
        let update = tokio::time::timeout(PATIENCE, self.stack(Some(RUNS))).await;
        if let Ok(update) = update {
            update?;
        }
        // The lab goes with the stack in it: its game would wait for its matches for ten minutes.
        bots.stop().await
    }

    /// Bots that have played for a while.
    async fn bots(&self) -> anyhow::Result<Bots> {
        let url = format!("http://{}:8080", self.lab.address(1));
        let bots = Bots::start(&url, PLAYERS, 1)?;
        tokio::time::sleep(Duration::from_secs(8)).await; // they log in, queue and play meanwhile
        Ok(bots)
    }
}

async fn run(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.kill_on_drop(true).output().await?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{told}", output.status);
    Ok(output)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
