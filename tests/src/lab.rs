//! Real engines on this machine: a swarm of one node or three, with a registry, and images of the
//! services in it. Needs root, and the programs that `make deps-lab` installs.
//!
//! A node is a set of namespaces with an engine in it, so that it has an address, a host name and
//! GPUs (by name only) of its own. There is no IPVS here, so ports published through the ingress do
//! not work; host ports and the host network do.

mod faults;
mod image;
mod network;
mod node;
mod process;
mod registry;
mod run;
mod slot;
mod teardown;
mod tls;

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::StreamExt as _;
use futures::future::try_join_all;
use tokio::sync::MutexGuard;

pub use image::Image;

use crate::binary::binary;
use crate::region::{ONE_AT_A_TIME, wait_for};
use node::{NODES_MAX, Node};
use registry::Registry;
use run::run_command;
use slot::{HOME, Slot};

/// Every service with the name of its binary.
pub const SERVICES: &[(&str, &str)] = &[
    ("auth", "arena-auth"),
    ("autoscaler", "arena-autoscaler"),
    ("config", "arena-config"),
    ("game", "arena-game"),
    ("gateway", "arena-gateway"),
    ("matchmaker", "arena-matchmaker"),
    ("stats", "arena-stats"),
    ("store", "store"),
];

/// Addresses of overlay networks: none that a machine is likely to have.
const OVERLAY_POOL: &str = "10.220.0.0/16";
/// Time between two signs of life of a node; it is down after three that are missing. Less than the
/// engine's own, so that tests need not wait as long.
const HEARTBEAT: &str = "2s";
/// Tries of a join: one that times out leaves the node in a state of error.
const JOIN_TRIES: u32 = 3;
/// Longest wait until all nodes are ready.
const SWARM_LIMIT: Duration = Duration::from_mins(1);
/// Images built at a time: more than there are cores are not built sooner.
const BUILDS: usize = 2;

/// What a lab consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabSpec {
    /// Nodes, 1 to 3. The first one is the manager.
    pub nodes: u8,
    /// GPUs of each node. They are counted as real ones are, and are not there.
    pub gpus: u8,
    /// Size of each node's disk, which then is memory and goes with the node; the machine's disk if
    /// there is none. A manager's log alone takes 128 MiB.
    pub disk_mib: Option<u32>,
}

impl Default for LabSpec {
    /// Returns one node without GPUs, on the machine's disk.
    fn default() -> Self {
        Self { nodes: 1, gpus: 0, disk_mib: None }
    }
}

/// A running lab. `close` takes it down; dropping it without does so too.
pub struct Lab {
    slot: Slot,
    nodes: Vec<Node>,
    registry: Registry,
    spec: LabSpec,
    /// What a drop still has to do.
    end: End,
    _alone: Option<MutexGuard<'static, ()>>,
}

/// What happens to a lab when its value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    TakeDown,
    Leave,
}

impl Lab {
    /// Starts a lab for a test. Waits until no other test has a region or a lab.
    ///
    /// # Errors
    /// If a program is missing or does not start: says where its log is.
    pub async fn start(spec: LabSpec) -> anyhow::Result<Self> {
        let alone = ONE_AT_A_TIME.lock().await;
        let slot = tokio::task::spawn_blocking(Slot::claim).await??;
        Self::bring_up(slot, spec, Some(alone)).await
    }

    /// Starts the lab that outlives this process, its first engine at `/run/arena-lab/docker.sock`.
    ///
    /// # Errors
    /// As [`Self::start`], and if it is up already.
    pub async fn keep(spec: LabSpec) -> anyhow::Result<Self> {
        let slot = tokio::task::spawn_blocking(Slot::claim_kept).await??;
        let mut lab = Self::bring_up(slot, spec, None).await?;
        symlink(lab.socket(1), Path::new(HOME).join("docker.sock"))?;
        lab.end = End::Leave;
        Ok(lab)
    }

    /// Returns the lab that [`Self::keep`] left running.
    ///
    /// # Errors
    /// If there is none.
    pub fn kept() -> anyhow::Result<Self> {
        let slot = Slot::kept()?;
        let nodes = (1..=NODES_MAX).filter(|it| slot.run_folder(*it).exists()).count() as u8;
        Ok(Self::new(slot, LabSpec { nodes, ..LabSpec::default() }, End::Leave, None))
    }

    /// Takes down the lab that [`Self::keep`] left running, or what is left of it.
    ///
    /// # Errors
    /// If something does not go.
    pub async fn remove_kept() -> anyhow::Result<()> {
        tokio::task::spawn_blocking(|| teardown::remove(&Slot::of_kept())).await?
    }

    fn new(slot: Slot, spec: LabSpec, end: End, alone: Option<MutexGuard<'static, ()>>) -> Self {
        let nodes = (1..=spec.nodes).map(|it| Node::new(slot.clone(), it)).collect();
        let registry = Registry::new(slot.clone());
        Self { slot, nodes, registry, spec, end, _alone: alone }
    }

    async fn bring_up(
        slot: Slot,
        spec: LabSpec,
        alone: Option<MutexGuard<'static, ()>>,
    ) -> anyhow::Result<Self> {
        // From here on a failure takes down what is there.
        let lab = Self::new(slot, spec, End::TakeDown, alone);
        ensure!((1..=NODES_MAX).contains(&spec.nodes), "a lab has 1 to {NODES_MAX} nodes");
        network::make(&lab.slot).await?;
        image::reuse(&lab.registry).await?;
        tls::make(&lab.slot, &lab.nodes)?;
        try_join_all(lab.nodes.iter().map(|it| it.start(spec))).await?;
        lab.registry.start(&lab.nodes).await?;
        lab.make_swarm().await?;
        Ok(lab)
    }

    async fn make_swarm(&self) -> anyhow::Result<()> {
        let address = self.address(1).to_string();
        let init = ["swarm", "init", "--advertise-addr", &address, "--default-addr-pool"];
        let init = [&init[..], &[OVERLAY_POOL, "--dispatcher-heartbeat", HEARTBEAT]].concat();
        self.docker(1, &init).await?;
        let token = self.docker(1, &["swarm", "join-token", "--quiet", "worker"]).await?;
        let others = self.nodes.iter().skip(1).map(Node::number);
        try_join_all(others.map(|it| self.join(it, &token))).await?;
        self.wait_until_ready().await
    }

    async fn join(&self, node: u8, token: &str) -> anyhow::Result<()> {
        let (own, manager) = (self.address(node).to_string(), format!("{}:2377", self.address(1)));
        let join = ["swarm", "join", "--token", token, "--advertise-addr", &own, &manager];
        let mut last = None;
        for _ in 0..JOIN_TRIES {
            match self.docker(node, &join).await {
                Ok(_) => return Ok(()),
                Err(error) => last = Some(error),
            }
            let _ = self.docker(node, &["swarm", "leave", "--force"]).await; // nothing to leave is fine
        }
        Err(last.context("a join was tried")?)
    }

    /// Waits until the manager sees every node ready.
    ///
    /// # Errors
    /// If one is not within a minute.
    pub async fn wait_until_ready(&self) -> anyhow::Result<()> {
        wait_for("all nodes to be ready", SWARM_LIMIT, || async {
            let states = self.docker(1, &["node", "ls", "--format", "{{.Status}}"]).await?;
            let ready = states.lines().filter(|it| *it == "Ready").count();
            Ok((ready == self.nodes.len()).then_some(()))
        })
        .await
    }

    /// Runs the docker client against the engine of `node`, from 1, and returns what it printed.
    ///
    /// # Errors
    /// If it fails: with what it told.
    pub async fn docker<S: AsRef<OsStr>>(&self, node: u8, args: &[S]) -> anyhow::Result<String> {
        let mut command = self.node(node)?.docker();
        command.args(args);
        run_command(command).await
    }

    /// Returns the numbers of the nodes, from 1.
    #[must_use]
    pub fn nodes(&self) -> Vec<u8> {
        self.nodes.iter().map(Node::number).collect()
    }

    /// Returns the socket of a node's engine.
    #[must_use]
    pub fn socket(&self, node: u8) -> PathBuf {
        self.slot.socket(node)
    }

    /// Returns the address of a node's engine for clients that show [`Self::certificates`].
    #[must_use]
    pub fn tcp_endpoint(&self, node: u8) -> String {
        Node::new(self.slot.clone(), node).tcp_endpoint()
    }

    /// Returns the folder of a client's certificates: `ca.pem`, `cert.pem` and `key.pem`.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.slot.client_certificates()
    }

    /// Returns the address of a node; this machine and all nodes reach it.
    #[must_use]
    pub fn address(&self, node: u8) -> Ipv4Addr {
        self.slot.address(node)
    }

    /// Returns this machine's address as the nodes reach it.
    #[must_use]
    pub fn host_address(&self) -> Ipv4Addr {
        self.slot.host_address()
    }

    /// Returns the folder of the logs.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.slot.folder()
    }

    /// Returns the names of a node's GPUs.
    #[must_use]
    pub fn gpus(node: u8, count: u8) -> Vec<String> {
        (0..count).map(|it| node::gpu(node, it)).collect()
    }

    /// Returns the registry's address as this machine reaches it. Nodes reach it there too, and each at
    /// its own `127.0.0.1:5000`.
    #[must_use]
    pub fn registry_address(&self) -> String {
        self.slot.registry_address().to_string()
    }

    /// Makes the image of `service` from its built binary and pushes it as
    /// `127.0.0.1:5000/arena/<service>:<tag>`.
    ///
    /// # Errors
    /// If the binary is not built, or the build or the push fails.
    pub async fn push_image(&self, service: &str, tag: &str) -> anyhow::Result<Image> {
        let Some((_, name)) = SERVICES.iter().find(|it| it.0 == service) else {
            bail!("`{service}` is none of the services");
        };
        self.push_binary(service, &binary(name)?, tag).await
    }

    /// As [`Self::push_image`], from any program that is linked to the C library alone.
    ///
    /// # Errors
    /// If the build or the push fails.
    pub async fn push_binary(&self, name: &str, binary: &Path, tag: &str) -> anyhow::Result<Image> {
        let pushed = image::push(self.node(1)?, &self.registry, (name, binary), tag).await;
        pushed.with_context(|| format!("the image of `{name}`"))
    }

    /// Pushes the images of all services.
    ///
    /// # Errors
    /// As [`Self::push_image`].
    pub async fn push_images(&self, tag: &str) -> anyhow::Result<Vec<Image>> {
        let all = SERVICES.iter().map(|(service, _)| self.push_image(service, tag));
        let pushed: Vec<_> = futures::stream::iter(all).buffered(BUILDS).collect().await;
        pushed.into_iter().collect()
    }

    /// Tells what runs, a line each.
    #[must_use]
    pub fn status(&self) -> Vec<String> {
        let state = |is_up| if is_up { "up" } else { "down" };
        let nodes = self.nodes.iter().map(|it| {
            let (number, address) = (it.number(), self.address(it.number()));
            format!("lab-{number}\t{}\t{address}\t{}", state(it.is_up()), it.endpoint())
        });
        let registry = state(self.registry.is_up());
        nodes.chain([format!("registry\t{registry}\t{}", self.registry_address())]).collect()
    }

    /// Takes the lab down; nothing of it is left.
    ///
    /// # Errors
    /// If something does not go.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.end = End::Leave;
        let slot = self.slot.clone();
        tokio::task::spawn_blocking(move || teardown::remove(&slot)).await?
    }

    fn node(&self, number: u8) -> anyhow::Result<&Node> {
        let found = self.nodes.iter().find(|it| it.number() == number);
        found.with_context(|| format!("the lab has no node {number}"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.end == End::TakeDown {
            // The next lab removes what is left, and the test has its verdict already.
            let _ = teardown::remove(&self.slot);
        }
    }
}
