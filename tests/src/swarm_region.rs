//! A region on Docker Swarm of its own: a lab's engines, our images in its registry, gone at the end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::binary::binary;
use crate::bots::Bots;
use crate::lab::{Lab, LabSpec};
use crate::region::{COMMAND_TIMEOUT, Ran};

/// The region of arena.yaml that the lab stands for.
const REGION: &str = "eu-fra";
/// The environment of arena.yaml that fits a lab.
const ENVIRONMENT: &str = "lab";
/// Where players connect, on every node with a gateway.
pub const PUBLIC_PORT: u16 = 8080;

/// A lab with our images, and the `arenactl` that deploys to it.
pub struct SwarmRegion {
    lab: Lab,
    arenactl: PathBuf,
    state: TempDir,
    settings: Vec<String>,
}

impl SwarmRegion {
    /// Starts a lab and pushes the images of all services; no arena runs yet. `settings` are `--set`
    /// arguments of every command.
    ///
    /// # Errors
    /// If the lab does not start, or an image cannot be built or pushed.
    pub async fn start(spec: LabSpec, settings: &[&str]) -> anyhow::Result<Self> {
        let lab = Lab::start(spec).await?;
        let endpoint = endpoint(&lab);
        let mut all = vec![
            format!("regions.{REGION}.endpoint={endpoint}"),
            format!("images.registry={}", lab.registry_address()),
        ];
        all.extend(settings.iter().map(|it| (*it).to_owned()));
        let state = TempDir::with_prefix("arena-it-")?;
        let region = Self { lab, arenactl: binary("arenactl")?, state, settings: all };
        region.push_images(&endpoint).await?;
        Ok(region)
    }

    async fn push_images(&self, endpoint: &str) -> anyhow::Result<()> {
        let base = Command::new(root().join(".ci/base-image")).args(["plain", endpoint]).output();
        let base = base.await?;
        let told = String::from_utf8_lossy(&base.stderr);
        ensure!(base.status.success(), "the base image: {told}");
        let artifacts = self.arenactl.parent().context("a folder of programs")?;
        let mut build = self.command(ENVIRONMENT, &["build", "--push", "--engine", endpoint]);
        build.arg("--artifacts").arg(artifacts);
        // The image with a Vulkan loader is ten times as large, and tested on its own.
        build.args(["--set", "services.game.resources.gpus=0"]);
        self.run(build).await?.expect_code(0).map(drop)
    }

    /// Returns the lab below.
    #[must_use]
    pub const fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Runs `arenactl <args>` for this region to its end.
    ///
    /// # Errors
    /// If it cannot be started or runs longer than five minutes.
    pub async fn arenactl<S: AsRef<OsStr>>(&self, args: &[S]) -> anyhow::Result<Ran> {
        self.run(self.command(ENVIRONMENT, args)).await
    }

    /// Deploys with this region's settings and, after them, `more` of the same kind.
    ///
    /// # Errors
    /// As [`Self::arenactl`].
    pub async fn deploy(&self, more: &[&str]) -> anyhow::Result<Ran> {
        self.deploy_in(ENVIRONMENT, more).await
    }

    /// As [`Self::deploy`], in another environment of arena.yaml.
    ///
    /// # Errors
    /// As [`Self::arenactl`].
    pub async fn deploy_in(&self, environment: &str, more: &[&str]) -> anyhow::Result<Ran> {
        self.run(self.deploy_command(environment, more)).await
    }

    /// Returns the command of such a deploy, which a test may spawn and end as it likes.
    #[must_use]
    pub fn deploy_command(&self, environment: &str, more: &[&str]) -> Command {
        let mut command = self.command(environment, &["deploy", "--yes"]);
        command.args(more.iter().flat_map(|it| ["--set", it]));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn command<S: AsRef<OsStr>>(&self, environment: &str, args: &[S]) -> Command {
        let mut command = Command::new(&self.arenactl);
        command
            .args(args)
            .args(["--region", REGION, "--env", environment])
            .args(self.settings.iter().flat_map(|it| ["--set", it]))
            .current_dir(root())
            .env("XDG_STATE_HOME", self.state.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, mut command: Command) -> anyhow::Result<Ran> {
        let output = tokio::time::timeout(COMMAND_TIMEOUT, command.output()).await;
        let late = || format!("{command:?} ran longer than {COMMAND_TIMEOUT:?}");
        Ok(Ran::new(&output.with_context(late)??))
    }

    /// Returns `arenactl status --output json`.
    ///
    /// # Errors
    /// If the command fails.
    pub async fn status(&self) -> anyhow::Result<Value> {
        self.arenactl(&["status", "--output", "json"]).await?.expect_code(0)?.json()
    }

    /// Returns the instances of the status that are not stopped.
    ///
    /// # Errors
    /// If the command fails or has no list of instances.
    pub async fn instances(&self) -> anyhow::Result<Vec<Value>> {
        let status = self.status().await?;
        let all = status["instances"].as_array().context("`instances` in the status")?;
        Ok(all.clone())
    }

    /// Starts bots that play through the gateway on `node`.
    ///
    /// # Errors
    /// As [`Bots::start`].
    pub fn bots(&self, node: u8, players: u32) -> anyhow::Result<Bots> {
        let url = format!("http://{}:{PUBLIC_PORT}", self.lab.address(node));
        Bots::start(&url, players, u64::from(node))
    }

    /// Takes the lab down, with all that runs on it.
    ///
    /// # Errors
    /// As [`Lab::close`].
    pub async fn close(self) -> anyhow::Result<()> {
        self.lab.close().await
    }
}

fn endpoint(lab: &Lab) -> String {
    format!("unix://{}", lab.socket(1).display())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
