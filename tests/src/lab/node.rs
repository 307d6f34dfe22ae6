//! A node: a machine of its own to all that runs on it, with an engine on it.
//!
//! Its first process holds namespaces of its own (network, processes, mounts, host name). All else on
//! the node is started inside these, so that the end of the first process is the end of the node.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::LabSpec;
use super::network;
use super::process::Tracked;
use super::run::run_command;
use super::slot::{NETWORKS, Slot};
use super::tls::TLS_PORT;
use crate::region::wait_for;

/// Most nodes of a lab: three managers' worth, and the machine has few cores.
pub(crate) const NODES_MAX: u8 = 3;
/// Kind of the generic resource that a GPU is.
const GPU_KIND: &str = "NVIDIA-GPU";
/// Longest start or stop of an engine.
const ENGINE_LIMIT: Duration = Duration::from_mins(1);
/// Longest start of a node's first process.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// Seconds that an engine gives its containers when it stops.
const SHUTDOWN_TIMEOUT_S: u32 = 10;

/// The node's first process. It tells its id as this machine sees it, which it can read only while the
/// machine's own `/proc` is still mounted.
const INIT: &str = r#"
set -eu
read -r pid rest </proc/self/stat
mount --bind "$1" /run
mount -t proc proc /proc
hostname "$2"
[ "$3" = 0 ] || mount -t tmpfs -o "size=$3m" disk "$4"
ip link set lo up
echo "$pid"
exec docker-init -s -- sleep infinity >/dev/null 2>&1
"#;

/// One node of a lab.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    slot: Slot,
    number: u8,
}

impl Node {
    pub(crate) const fn new(slot: Slot, number: u8) -> Self {
        Self { slot, number }
    }

    /// Starts the node and waits for its engine. What an earlier start left on its disk is there again;
    /// what was in its `/run` is not.
    pub(crate) async fn start(&self, spec: LabSpec) -> anyhow::Result<()> {
        let run = self.slot.run_folder(self.number);
        if run.exists() {
            fs::remove_dir_all(&run)?;
        }
        fs::create_dir_all(&run)?;
        let config = serde_json::to_vec_pretty(&self.engine_config(spec.gpus))?;
        fs::write(run.join("daemon.json"), config)?;
        let init = self.start_init(spec.disk_mib).await?;
        network::connect(&self.slot, self.number, init.pid()).await?;
        self.start_engine().await
    }

    async fn start_init(&self, disk_mib: Option<u32>) -> anyhow::Result<Tracked> {
        let run = self.slot.run_folder(self.number);
        fs::create_dir_all(self.disk())?;
        let log = fs::File::create(self.log("init"))?;
        let child = Command::new("setsid")
            .args(["unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--kill-child=KILL"])
            .args(["sh", "-c", INIT, "init"])
            .arg(&run)
            .arg(format!("lab-{}", self.number))
            .arg(disk_mib.unwrap_or_default().to_string())
            .arg(self.disk())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn();
        let mut child = child.context("start a node")?;
        let holder = child.id().and_then(|it| i32::try_from(it).ok()).unwrap_or_default();
        Tracked::note(holder, &self.slot.pid_file(&self.name("holder")))?;
        let told = child.stdout.take().context("the node's output")?;
        let mut line = String::new();
        let mut told = BufReader::new(told).take(64);
        tokio::time::timeout(INIT_LIMIT, told.read_line(&mut line)).await??;
        let failed = || format!("no node, see {}", self.log("init").display());
        Tracked::note(line.trim_end().parse().with_context(failed)?, &self.init_file())
    }

    fn engine_config(&self, gpus: u8) -> serde_json::Value {
        let gpus: Vec<_> =
            (0..gpus).map(|it| format!("{GPU_KIND}={}", gpu(self.number, it))).collect();
        let tls = self.slot.node_certificates(self.number);
        json!({
            "data-root": self.disk(),
            "exec-root": "/run/docker",
            "pidfile": "/run/docker.pid",
            "hosts": ["unix:///run/docker.sock", self.tcp_endpoint()],
            "tlsverify": true,
            "tlscacert": tls.join("ca.pem"),
            "tlscert": tls.join("cert.pem"),
            "tlskey": tls.join("key.pem"),
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": format!("/{}", self.slot.control_group(self.number)),
            "node-generic-resources": gpus,
            "insecure-registries": [NETWORKS],
            "shutdown-timeout": SHUTDOWN_TIMEOUT_S,
        })
    }

    /// Starts the engine and waits until it answers.
    pub(crate) async fn start_engine(&self) -> anyhow::Result<()> {
        let init = self.init()?.pid().to_string();
        let mut command = Command::new("setsid");
        command.args(["nsenter", "--target", &init, "--mount", "--uts", "--net", "--pid"]).args([
            "dockerd",
            "--config-file",
            "/run/daemon.json",
        ]);
        let engine = Tracked::start(&mut command, &self.log("dockerd"), &self.engine_file())?;
        wait_for("the engine's answer", ENGINE_LIMIT, || async {
            ensure!(engine.is_alive(), "it ended, see {}", self.log("dockerd").display());
            Ok(self.ping().await.ok())
        })
        .await
    }

    /// Asks the engine whether it is there; one that still starts answers once it is ready.
    async fn ping(&self) -> anyhow::Result<()> {
        let mut stream = UnixStream::connect(self.slot.socket(self.number)).await?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        ensure!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer));
        Ok(())
    }

    /// Sends `signal` (`TERM`, `STOP`, …) to the engine alone.
    pub(crate) async fn signal_engine(&self, signal: &str) -> anyhow::Result<()> {
        self.script(&format!("kill -s {signal} $(cat /run/docker.pid)")).await
    }

    /// Fills the node's disk to its last byte.
    pub(crate) async fn fill_disk(&self) -> anyhow::Result<()> {
        let disk = self.disk().display().to_string();
        // Only a disk of its own may be full: all else on this machine is on the other one.
        self.script(&format!("df -t tmpfs {disk} && ! cat /dev/zero >{disk}/filler")).await
    }

    /// Takes away what filled the node's disk.
    pub(crate) async fn free_disk(&self) -> anyhow::Result<()> {
        self.script(&format!("rm {}/filler", self.disk().display())).await
    }

    /// Runs a script of the shell on the node.
    async fn script(&self, script: &str) -> anyhow::Result<()> {
        let init = self.init()?.pid().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &init, "--mount", "--pid", "sh", "-c", script]);
        run_command(command).await.map(drop)
    }

    /// Lets a stopped engine go on. What started it has stopped with it, and continues it.
    pub(crate) fn continue_engine(&self) -> anyhow::Result<()> {
        let engine = Tracked::read(&self.engine_file()).context("the engine")?;
        engine.signal(Signal::CONT).map(drop)
    }

    /// Waits until the engine's process is gone.
    pub(crate) async fn engine_ended(&self) -> anyhow::Result<()> {
        wait_for("the engine's end", ENGINE_LIMIT, || async {
            Ok(Tracked::read(&self.engine_file()).is_none().then_some(()))
        })
        .await
    }

    /// Ends the node at once, as a power cut does.
    pub(crate) fn end(&self) -> anyhow::Result<()> {
        self.init()?.end()
    }

    /// Returns a command of the docker client for this node's engine.
    pub(crate) fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .arg("--host")
            .arg(self.endpoint())
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT")
            .env("DOCKER_CONFIG", self.slot.folder().join("docker"))
            .env("DOCKER_BUILDKIT", "0");
        command
    }

    /// Returns the engine's address for clients on this machine.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.slot.socket(self.number).display())
    }

    /// Returns the engine's address for clients with a certificate.
    pub(crate) fn tcp_endpoint(&self) -> String {
        format!("tcp://{}:{TLS_PORT}", self.slot.address(self.number))
    }

    /// Returns a command that runs on the node's network, and otherwise on this machine.
    pub(crate) fn on_network(&self) -> anyhow::Result<Command> {
        let mut command = Command::new("setsid");
        command.args(["nsenter", "--target", &self.init()?.pid().to_string(), "--net"]);
        Ok(command)
    }

    /// Returns the node's number, from 1.
    pub(crate) const fn number(&self) -> u8 {
        self.number
    }

    /// Tells whether the node runs.
    pub(crate) fn is_up(&self) -> bool {
        Tracked::read(&self.init_file()).is_some()
    }

    fn init(&self) -> anyhow::Result<Tracked> {
        Tracked::read(&self.init_file()).with_context(|| format!("node {} is down", self.number))
    }

    /// Returns the folder of the engine's images, containers and swarm.
    fn disk(&self) -> PathBuf {
        self.slot.data().join(format!("node-{}", self.number))
    }

    fn init_file(&self) -> PathBuf {
        self.slot.pid_file(&self.name("init"))
    }

    fn engine_file(&self) -> PathBuf {
        self.slot.pid_file(&self.name("dockerd"))
    }

    fn log(&self, what: &str) -> PathBuf {
        self.slot.folder().join(self.number.to_string()).join(format!("{what}.log"))
    }

    fn name(&self, what: &str) -> String {
        format!("node-{}-{what}", self.number)
    }
}

/// Returns the name of a GPU that is not there, in the form of NVIDIA's.
pub(crate) fn gpu(node: u8, index: u8) -> String {
    format!("GPU-00000000-0000-4000-8000-{node:06}{index:06}")
}
