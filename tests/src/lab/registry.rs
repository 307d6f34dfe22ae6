//! Debian's registry: a process on every node and one on this machine, all on one folder, so that the
//! same name `127.0.0.1:5000/…` means the same image wherever it is read.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use tokio::process::Command;

use super::node::Node;
use super::process::Tracked;
use super::slot::{REGISTRY_PORT, Slot};
use crate::region::wait_for;

/// Longest start of a registry.
const START_LIMIT: Duration = Duration::from_secs(20);
/// State of a socket that listens, in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The registry of a lab.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    slot: Slot,
}

impl Registry {
    pub(crate) const fn new(slot: Slot) -> Self {
        Self { slot }
    }

    /// Returns the folder of its images.
    pub(crate) fn storage(&self) -> PathBuf {
        self.slot.data().join("registry")
    }

    /// Starts it on this machine and on those of `nodes` that are up, and waits until it listens.
    pub(crate) async fn start(&self, nodes: &[Node]) -> anyhow::Result<()> {
        self.start_one(Command::new("setsid"), self.slot.registry_address(), 0).await?;
        for node in nodes.iter().filter(|it| it.is_up()) {
            self.start_on(node).await?;
        }
        Ok(())
    }

    /// Starts it on one node, and waits until it listens.
    pub(crate) async fn start_on(&self, node: &Node) -> anyhow::Result<()> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, REGISTRY_PORT);
        self.start_one(node.on_network()?, address, node.number()).await
    }

    async fn start_one(
        &self,
        mut command: Command,
        address: SocketAddrV4,
        node: u8,
    ) -> anyhow::Result<()> {
        let config = self.slot.folder().join(format!("registry-{node}.yml"));
        fs::write(&config, settings(&self.storage(), address))?;
        command.args(["docker-registry", "serve"]).arg(config);
        let process = Tracked::start(&mut command, &self.log(), &self.file(node))?;
        wait_for("the registry", START_LIMIT, || async {
            ensure!(process.is_alive(), "it ended, see {}", self.log().display());
            Ok(listens(process.pid(), address).then_some(()))
        })
        .await
    }

    /// Stops it everywhere, at once; its images stay.
    pub(crate) fn stop(&self, nodes: &[Node]) -> anyhow::Result<()> {
        self.stop_one(0)?;
        nodes.iter().try_for_each(|it| self.stop_on(it))
    }

    /// Stops it on one node.
    pub(crate) fn stop_on(&self, node: &Node) -> anyhow::Result<()> {
        self.stop_one(node.number())
    }

    fn stop_one(&self, node: u8) -> anyhow::Result<()> {
        Tracked::read(&self.file(node)).map_or(Ok(()), Tracked::end)
    }

    /// Tells whether it runs on this machine.
    pub(crate) fn is_up(&self) -> bool {
        Tracked::read(&self.file(0)).is_some()
    }

    fn file(&self, node: u8) -> PathBuf {
        self.slot.pid_file(&format!("registry-{node}"))
    }

    fn log(&self) -> PathBuf {
        self.slot.folder().join("registry.log")
    }
}

fn settings(storage: &Path, address: SocketAddrV4) -> String {
    format!(
        "version: 0.1\nlog: {{ level: warn }}\n\
         storage:\n  filesystem: {{ rootdirectory: {} }}\n  delete: {{ enabled: true }}\n\
         http: {{ addr: '{address}' }}\n",
        storage.display()
    )
}

/// Tells whether a socket listens on `address` in the network of the process `pid`.
fn listens(pid: i32, address: SocketAddrV4) -> bool {
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    // As the kernel prints it: the address in the machine's own byte order.
    let ip = u32::from_ne_bytes(address.ip().octets());
    let wanted = format!("{ip:08X}:{:04X}", address.port());
    table
        .lines()
        .skip(1)
        .map(|it| it.split_whitespace().collect::<Vec<_>>())
        .any(|fields| fields.get(1) == Some(&wanted.as_str()) && fields.get(3) == Some(&LISTEN))
}
