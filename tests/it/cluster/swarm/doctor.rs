//! `arenactl doctor` on a real engine with a real registry: what is in order passes, what is not is named.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use arena_tests::{Lab, LabSpec, binary, wait_for};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// One service with a public port, whose image is the stub's.
const SPEC: &str = "
cluster: checked
images: { registry: '127.0.0.1:5000/arena', tag: test }
regions:
  eu-fra: { backend: swarm, endpoint: ENDPOINT }
secrets:
  drain_token: { source: generate }
services:
  play:
    kind: sessions
    binary: arena-stub
    secrets: [drain_token]
    ports: { public: 8080 }
    resources: { cpu: 0.1, memory: 64MiB, gpus: GPUS }
environments:
  dev: {}
";
/// What a lab's nodes lack: the sysctl is at the kernel's default in each.
const LACKED: [&str; 1] = ["tcp_migrate_req"];
/// A node removes what it no longer shall run within this time.
const LIMIT: Duration = Duration::from_secs(30);

/// A lab with the stub's and arenactl's images, and arenactl as a person calls it there.
struct Clinic {
    lab: Lab,
    folder: TempDir,
}

impl Clinic {
    async fn start(gpus: u8) -> anyhow::Result<Self> {
        let lab = Lab::start(LabSpec { gpus, ..LabSpec::default() }).await?;
        let folder = tempfile::tempdir()?;
        let endpoint = format!("unix://{}", lab.socket(1).display());
        let spec = SPEC.replace("ENDPOINT", &endpoint).replace("GPUS", &gpus.to_string());
        std::fs::write(folder.path().join("arena.yaml"), spec)?;
        for program in ["arenactl", "arena-stub"] {
            lab.push_binary(program, &binary(program)?, "test").await?;
        }
        Ok(Self { lab, folder })
    }

    async fn run(&self, args: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(binary("arenactl")?);
        command.args(args).args(["--state-dir", "state"]).current_dir(self.folder.path());
        // Whoever runs the tests may be logged in somewhere.
        command.env("DOCKER_CONFIG", self.folder.path()).env_remove("DOCKER_CERT_PATH");
        Ok(command.kill_on_drop(true).output().await?)
    }

    /// Runs a command that must end with `code`, and returns what it printed.
    async fn json(&self, code: i32, args: &[&str]) -> anyhow::Result<Value> {
        let ran = self.run(&[args, &["--output", "json"]].concat()).await?;
        let (out, told) =
            (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        ensure!(ran.status.code() == Some(code), "{args:?}: {:?}\n{out}\n{told}", ran.status);
        serde_json::from_str(&out).with_context(|| format!("{args:?} printed {out}"))
    }

    /// Returns every check of a doctor that finds something.
    async fn checks(&self) -> anyhow::Result<Vec<Value>> {
        let found = self.json(4, &["doctor"]).await?;
        found["checks"].as_array().cloned().with_context(|| format!("`checks` in {found}"))
    }

    async fn deploy(&self) -> anyhow::Result<()> {
        let ran = self.run(&["deploy", "--yes"]).await?;
        let told = String::from_utf8_lossy(&ran.stderr);
        ensure!(ran.status.success(), "{told}");
        Ok(())
    }

    /// Returns the names of the services that are there.
    async fn services(&self) -> anyhow::Result<Vec<String>> {
        let names = self.lab.docker(1, &["service", "ls", "--format", "{{.Name}}"]).await?;
        let mut names: Vec<String> = names.lines().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }
}

fn failed(checks: &[Value]) -> Vec<&str> {
    let failed = checks.iter().filter(|check| check["passed"] == false);
    failed.filter_map(|check| check["check"].as_str()).collect()
}

/// Returns what a check found.
fn found<'a>(checks: &'a [Value], name: &str) -> &'a str {
    let check = checks.iter().find(|check| check["check"] == name);
    check.and_then(|check| check["found"].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn a_region_in_order_passes_all_that_a_lab_has() -> anyhow::Result<()> {
    let clinic = Clinic::start(0).await?;
    let checks = clinic.checks().await?;
    assert_eq!(failed(&checks), LACKED, "before the first deploy: {checks:#?}");
    clinic.deploy().await?;
    let services = clinic.services().await?;
    let checks = clinic.checks().await?;
    assert_eq!(failed(&checks), LACKED, "{checks:#?}");
    assert_eq!(found(&checks, "operator"), "runs on lab-1");
    assert_eq!(found(&checks, "certificates"), "1, 364 days left");
    assert_eq!(found(&checks, "images"), "2 pushed");
    assert_eq!(found(&checks, "tcp_migrate_req"), "lab-1: 0");
    assert_eq!(clinic.services().await?, services, "nothing of it is left");
    // What a doctor that was killed left, and one that may still run.
    for (name, until_ms) in [("stale", "0"), ("fresh", "9999999999999")] {
        let until = format!("arena.until_ms={until_ms}");
        let mut args = vec!["service", "create", "--detach", "--name", name, "--label", &until];
        for label in ["arena.cluster=checked", "arena.region=eu-fra", "arena.kind=probe"] {
            args.extend(["--label", label]);
        }
        let image = "127.0.0.1:5000/arena/arena-stub:test";
        args.extend(["--replicas", "0", image]);
        clinic.lab.docker(1, &args).await?;
    }
    clinic.checks().await?;
    let names = clinic.services().await?;
    assert!(
        names.contains(&"fresh".to_owned()) && !names.contains(&"stale".to_owned()),
        "{names:?}"
    );
    certificates(&clinic).await?;
    clinic.lab.close().await
}

async fn certificates(clinic: &Clinic) -> anyhow::Result<()> {
    let list = clinic.json(0, &["certs", "list"]).await?;
    let [own] = list["certificates"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        anyhow::bail!("one instance runs: {list}");
    };
    assert_eq!(own["id"], "spiffe://checked/play/play-r1-0");
    assert_eq!(own["days_left"], 364);
    let issued = clinic.json(0, &["certs", "issue", "operator", "--name", "ada"]).await?;
    assert_eq!(issued["id"], "spiffe://checked/operator/ada");
    let material = arena_mesh::Material::load(&clinic.folder.path().join("operator"))?;
    assert_eq!(material.id().as_str(), "spiffe://checked/operator/ada");
    Ok(())
}

#[tokio::test]
async fn gpus_that_are_only_declared_fail_with_what_is_missing() -> anyhow::Result<()> {
    let clinic = Clinic::start(1).await?;
    let checks = clinic.checks().await?;
    assert_eq!(failed(&checks), ["GPU runtime", LACKED[0]], "{checks:#?}");
    assert_eq!(found(&checks, "GPUs"), "lab-1: 1 NVIDIA-GPU");
    assert_eq!(found(&checks, "GPU runtime"), "lab-1: its kernel has no NVIDIA driver");
    let isolation = found(&checks, "GPU isolation");
    assert!(isolation.starts_with("lab-1: DOCKER_RESOURCE_NVIDIA-GPU is given"), "{isolation}");
    // An agent stops and removes them on its own time; the volumes go with the containers.
    wait_for("the jobs' containers and volumes to be gone", LIMIT, || async {
        let containers = clinic.lab.docker(1, &["ps", "--all", "--quiet"]).await?;
        let volumes = clinic.lab.docker(1, &["volume", "ls", "--quiet"]).await?;
        Ok((containers.is_empty() && volumes.is_empty()).then_some(()))
    })
    .await?;
    clinic.lab.close().await
}

#[tokio::test]
async fn a_registry_that_is_away_is_told_by_every_node() -> anyhow::Result<()> {
    let clinic = Clinic::start(0).await?;
    clinic.deploy().await?;
    clinic.lab.stop_registry().await?;
    // The node has the operator's image: it is asked all the same.
    let checks = clinic.checks().await?;
    assert_eq!(failed(&checks), ["registry", "images", LACKED[0]], "{checks:#?}");
    let registry = found(&checks, "registry");
    assert!(registry.starts_with("lab-1: 127.0.0.1:5000/arena does not answer: "), "{registry}");
    assert!(found(&checks, "images").contains("127.0.0.1:5000/arena/arenactl:test"), "{checks:#?}");
    clinic.lab.start_registry().await?;
    assert_eq!(failed(&clinic.checks().await?), LACKED);
    clinic.lab.close().await
}

#[tokio::test]
async fn an_engine_that_is_away_is_a_check_that_fails() -> anyhow::Result<()> {
    let clinic = Clinic::start(0).await?;
    clinic.lab.stop_daemon(1).await?;
    let checks = clinic.checks().await?;
    assert_eq!(failed(&checks), ["manager"], "{checks:#?}");
    assert!(found(&checks, "manager").contains("no docker engine answers at"), "{checks:#?}");
    clinic.lab.start_daemon(1).await?;
    clinic.lab.close().await
}
