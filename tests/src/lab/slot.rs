//! Which lab is whose: a number gives a lab its folders, addresses and names, so that labs never meet.

use std::fs::{self, DirBuilder, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rustix::fs::{FlockOperation, flock};

use super::process::Tracked;
use super::teardown;

/// Where labs keep what is gone after a restart of the machine.
pub(super) const HOME: &str = "/run/arena-lab";
/// Where engines keep images and containers, and labs what the next one can use again.
pub(super) const CACHE: &str = "/var/tmp/arena-lab";
/// Addresses of all labs' networks.
pub(super) const NETWORKS: &str = "10.213.0.0/16";
/// The lab that `arena-lab up` leaves running.
const KEPT: u8 = 0;
/// The last number: more labs at a time than any machine carries.
const LAST: u8 = 15;
/// Port of the registry, as every node sees it at its own loopback address.
pub(super) const REGISTRY_PORT: u16 = 5000;

/// One lab's number and all that follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    number: u8,
}

impl Slot {
    /// Takes a free number for a test, each in its turn. What labs of killed tests left is removed first.
    pub(crate) fn claim() -> anyhow::Result<Self> {
        let _lock = lock(&Path::new(HOME).join("lock"))?;
        let slots = || (KEPT + 1..=LAST).map(|number| Self { number });
        let is_owned = |slot: &Self| Tracked::read(&slot.owner()).is_some();
        for slot in slots().filter(|it| it.folder().exists() && !is_owned(it)) {
            teardown::remove(&slot)?;
        }
        // The one after the last one taken: who looks for what a lab left finds no later lab instead.
        let last_file = Path::new(HOME).join("last");
        let last = fs::read_to_string(&last_file).ok().and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut in_turn = slots().filter(|it| it.number > last).chain(slots());
        let Some(slot) = in_turn.find(|it| !it.folder().exists()) else {
            bail!("{LAST} labs run: `ls {HOME}` shows them")
        };
        fs::write(last_file, slot.number.to_string())?;
        teardown::remove(&slot)?; // its data may be left of before a restart of the machine
        slot.make_folders()?;
        Tracked::this().context("this process")?.write(&slot.owner())?;
        Ok(slot)
    }

    /// Takes the number of the lab that outlives this process.
    pub(crate) fn claim_kept() -> anyhow::Result<Self> {
        let _lock = lock(&Path::new(HOME).join("lock"))?;
        let slot = Self::of_kept();
        ensure!(!slot.runs(), "a lab is up already: `arena-lab down` removes it");
        teardown::remove(&slot)?; // its files may be left of before a restart of the machine
        slot.make_folders()?;
        Ok(slot)
    }

    /// Returns the number of the lab that `arena-lab up` left running.
    pub(crate) fn kept() -> anyhow::Result<Self> {
        let slot = Self::of_kept();
        ensure!(slot.runs(), "no lab is up: `arena-lab up` starts one");
        Ok(slot)
    }

    /// Returns the number of the lab that outlives its command, whether it is up or not.
    pub(crate) const fn of_kept() -> Self {
        Self { number: KEPT }
    }

    /// Returns the processes of this lab that run.
    pub(crate) fn processes(&self) -> Vec<Tracked> {
        let files = fs::read_dir(self.folder().join("pids")).into_iter().flatten().flatten();
        files.filter_map(|it| Tracked::read(&it.path())).collect()
    }

    fn runs(&self) -> bool {
        !self.processes().is_empty()
    }

    fn make_folders(&self) -> anyhow::Result<()> {
        ensure!(rustix::process::geteuid().is_root(), "a lab makes namespaces: run this as root");
        fs::create_dir_all(self.folder().join("pids"))?;
        // Only root may look inside: a client's key is in there.
        DirBuilder::new().recursive(true).mode(0o700).create(self.data())?;
        Ok(())
    }

    /// Tells whether this is the lab that outlives its command.
    pub(crate) const fn is_kept(&self) -> bool {
        self.number == KEPT
    }

    /// Returns the folder of sockets, logs and process ids.
    pub(crate) fn folder(&self) -> PathBuf {
        Path::new(HOME).join(self.number.to_string())
    }

    /// Returns the folder of the engines' and the registry's data.
    pub(crate) fn data(&self) -> PathBuf {
        Path::new(CACHE).join(format!("lab-{}", self.number))
    }

    fn owner(&self) -> PathBuf {
        self.folder().join("owner")
    }

    /// Returns the file that notes the process `name`.
    pub(crate) fn pid_file(&self, name: &str) -> PathBuf {
        self.folder().join("pids").join(name)
    }

    /// Returns the folder that a node has as its `/run`.
    pub(crate) fn run_folder(&self, node: u8) -> PathBuf {
        self.folder().join(node.to_string()).join("run")
    }

    /// Returns the socket of a node's engine.
    pub(crate) fn socket(&self, node: u8) -> PathBuf {
        self.run_folder(node).join("docker.sock")
    }

    /// Returns the folder of a node's certificates. A node sees it: it is not below `/run`.
    pub(crate) fn node_certificates(&self, node: u8) -> PathBuf {
        self.data().join("tls").join(format!("node-{node}"))
    }

    /// Returns the folder of a client's certificates.
    pub(crate) fn client_certificates(&self) -> PathBuf {
        self.data().join("tls/client")
    }

    /// Returns the address of a node, reachable from the other nodes and from this machine.
    pub(crate) const fn address(&self, node: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, node)
    }

    /// Returns this machine's address on the lab's network.
    pub(crate) const fn host_address(&self) -> Ipv4Addr {
        self.address(254)
    }

    /// Returns the hardware address that goes with an address: locally administered (IEEE 802, second bit of the
    /// first byte), and kept over a restart as a real machine's is.
    pub(crate) fn hardware_address(address: Ipv4Addr) -> String {
        let [a, b, c, d] = address.octets();
        format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
    }

    /// Returns the name of the network, at most 15 bytes as the kernel wants it.
    pub(crate) fn bridge(&self) -> String {
        format!("arena-lab{}", self.number)
    }

    /// Returns the name of this machine's end of a node's cable.
    pub(crate) fn cable(&self, node: u8) -> String {
        format!("arena-lab{}n{node}", self.number)
    }

    /// Returns the control group of a node's containers, below each hierarchy's root.
    pub(crate) fn control_group(&self, node: u8) -> String {
        format!("arena-lab-{}-{node}", self.number)
    }

    /// Returns where the registry listens on this machine: at loopback for people, and for a test where
    /// no other lab's does.
    pub(crate) fn registry_address(&self) -> SocketAddrV4 {
        let address = if self.is_kept() { Ipv4Addr::LOCALHOST } else { self.host_address() };
        SocketAddrV4::new(address, REGISTRY_PORT)
    }
}

/// Waits for the lock file at `path` and returns it locked, until it is dropped.
pub(super) fn lock(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = File::options().create(true).append(true).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}
