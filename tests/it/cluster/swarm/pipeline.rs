//! The steps of docs/ci.md on a real engine and a real registry; then the rendered stack, by Docker's own means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use arena_tests::{Lab, LabSpec, wait_for};
use tokio::process::Command;

use crate::ci::Runner;

/// Longest wait for a stack of eight services; it takes seconds.
const LIMIT: Duration = Duration::from_mins(2);
/// Services of arena.yaml.
const SERVICE_COUNT: usize = 8;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

async fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.kill_on_drop(true).output().await?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{told}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_builds_pushes_plans_deploys_and_rolls_back_and_a_stack_stands() {
    let lab = Lab::start(LabSpec { gpus: 2, ..LabSpec::default() }).await.unwrap();
    let endpoint = format!("unix://{}", lab.socket(1).display());
    let mut base = Command::new(root().join(".ci/base-image"));
    run(base.args(["plain", &endpoint])).await.unwrap();
    let settings = [
        // The image with a Vulkan loader is ten times as large, and tested on its own.
        "services.game.resources.gpus=0".to_owned(),
        format!("regions.eu-fra.endpoint={endpoint}"),
        format!("images.registry={}", lab.registry_address()),
    ];
    let runner = Runner::of_lab(&endpoint, &settings);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    tokio::task::block_in_place(|| pipeline(&runner));
    let arenactl = |args: &[&str]| {
        let mut command = Command::new(arena_tests::binary("arenactl").unwrap());
        command.args(args).args(["--region", "eu-fra", "--env", "lab"]).current_dir(root());
        command.args(settings.iter().flat_map(|it| ["--set", it]));
        command
    };
    run(&mut arenactl(&["down", "--yes"])).await.unwrap();
    run(&mut arenactl(&["secret", "push"])).await.unwrap();
    stack(&lab).await.unwrap();
    lab.close().await.unwrap();
}

/// Every step, as it stands in the document.
fn pipeline(runner: &Runner) {
    runner.check("build", "latest", 0);
    runner.check("push", "latest", 0);
    assert!(runner.read("images.json").contains("sha256:"));
    runner.check("plan", "latest", 0);
    assert!(runner.read("plan.txt").contains("nothing -> r1"), "{}", runner.read("plan.txt"));
    runner.check("deploy", "latest", 0);
    assert_eq!(runner.result("deploy.jsonl")["release"], "r1");
    runner.set("--set services.stats.env.MARK=two");
    runner.check("deploy", "latest", 6);
    runner.check("plan", "latest", 0);
    assert!(runner.read("plan.txt").contains("env.MARK: unset -> two"));
    runner.check("deploy", "latest", 0);
    let result = runner.result("deploy.jsonl");
    assert_eq!((&result["release"], &result["exit_code"]), (&"r2".into(), &0.into()));
    runner.check("rollback", "latest", 0);
    let result = runner.result("rollback.jsonl");
    assert_eq!((&result["status"], &result["release"]), (&"done".into(), &"r1".into()));
}

/// `docker stack deploy` of what `render` wrote brings every service up, and a page is served.
async fn stack(lab: &Lab) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(root().join("stacks/lab.yml"))?;
    let text = text.replace("127.0.0.1:5000/", &format!("{}/", lab.registry_address()));
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), text)?;
    let path = file.path().display().to_string();
    lab.docker(1, &["stack", "deploy", "-c", &path, "rival"]).await?;
    wait_for("the stack to stand", LIMIT, || async {
        let filter = ["--filter", "label=com.docker.stack.namespace=rival"];
        let list = [&["service", "ls", "--format", "{{.Replicas}}"], &filter[..]].concat();
        let replicas = lab.docker(1, &list).await?;
        let running = replicas.lines().filter(|line| *line == "1/1").count();
        Ok((running == SERVICE_COUNT).then_some(()))
    })
    .await?;
    arena_tests::get((lab.address(1), 8080), "/").await?;
    lab.docker(1, &["stack", "rm", "rival"]).await.map(drop)
}
