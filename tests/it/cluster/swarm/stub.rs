//! Regions of stubs in a swarm: one engine for all tests, a cluster of its own for each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use anyhow::{Context as _, ensure};
use arena_tests::{Lab, LabSpec, binary};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::conformance::{Place, SERVICES};

/// Where the lab's images are, as its nodes read it.
const REGISTRY: &str = "127.0.0.1:5000/arena";

/// One swarm for all tests. The last one takes it down.
static LAB: Mutex<Weak<Shared>> = Mutex::const_new(Weak::new());

/// The lab, and who may harm it: whoever does is alone.
struct Shared {
    lab: Lab,
    users: Arc<RwLock<()>>,
}

/// How a test uses the lab.
enum Use {
    Beside(#[expect(dead_code, reason = "held")] OwnedRwLockReadGuard<()>),
    Alone(#[expect(dead_code, reason = "held")] OwnedRwLockWriteGuard<()>),
}

/// A region in a cluster of its own; everything of it is removed when the test is over.
pub(super) struct Stubs {
    folder: tempfile::TempDir,
    cluster: String,
    runtime: Runtime,
    shared: Arc<Shared>,
    _use: Use,
}

impl Stubs {
    /// Returns a region in a swarm that this test may harm: no other test runs in it meanwhile.
    pub(super) fn alone() -> anyhow::Result<Self> {
        Self::with(true)
    }

    fn with(is_alone: bool) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("a runtime")?;
        let shared = runtime.block_on(shared())?;
        let users = Arc::clone(&shared.users);
        let used = if is_alone {
            Use::Alone(runtime.block_on(users.write_owned()))
        } else {
            Use::Beside(runtime.block_on(users.read_owned()))
        };
        let cluster = format!("demo-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir()?;
        let stubs = Self { folder, cluster, runtime, shared, _use: used };
        std::fs::write(stubs.folder().join("arena.yaml"), stubs.spec())?;
        Ok(stubs)
    }

    pub(super) fn spec(&self) -> String {
        format!(
            "cluster: {}\nimages: {{ registry: {REGISTRY} }}\nregions:\n  lab:\n    \
             backend: swarm\n    endpoint: {}\n{SERVICES}",
            self.cluster,
            self.endpoint(),
        )
    }

    pub(super) fn endpoint(&self) -> String {
        format!("unix://{}", self.lab().socket(1).display())
    }

    pub(super) fn lab(&self) -> &Lab {
        &self.shared.lab
    }

    /// Runs something in the lab to its end.
    pub(super) fn wait<T>(&self, future: impl Future<Output = anyhow::Result<T>>) -> T {
        self.runtime.block_on(future).unwrap()
    }

    pub(super) fn docker(&self, args: &[&str]) -> anyhow::Result<String> {
        self.runtime.block_on(self.lab().docker(1, args))
    }

    /// Returns the name of a secret or config of this region, without the hash of its content.
    pub(super) fn object(&self, name: &str) -> String {
        format!("{}.lab.{name}", self.cluster)
    }

    /// Returns the name of a service of this region.
    pub(super) fn service(&self, instance: &str) -> String {
        format!("{}_lab_{instance}", self.cluster)
    }
}

impl Place for Stubs {
    fn new() -> anyhow::Result<Self> {
        Self::with(false)
    }

    fn command(&self, args: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(binary("arenactl")?);
        command.args(args).current_dir(self.folder());
        command.env("XDG_STATE_HOME", self.folder().join("state"));
        Ok(command)
    }

    fn file_of(&self, instance: &str, path: &str) -> anyhow::Result<String> {
        let service = format!("label=com.docker.swarm.service.name={}", self.service(instance));
        let container = self.docker(&["ps", "--quiet", "--filter", &service])?;
        ensure!(!container.is_empty(), "{instance} has no container");
        let path = PathBuf::from("/run").join(path).display().to_string();
        self.docker(&["exec", &container, "/service", "show", &path])
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Stubs {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--yes", "--now"]);
    }
}

/// Returns the lab that tests share, with the images of the stub and of the operator.
async fn shared() -> anyhow::Result<Arc<Shared>> {
    let mut kept = LAB.lock().await;
    if let Some(shared) = kept.upgrade() {
        return Ok(shared);
    }
    let lab = Lab::start(LabSpec { nodes: 2, ..LabSpec::default() }).await?;
    // A worker to be refused by; every container is on the manager, where tests look.
    lab.docker(1, &["node", "update", "--availability", "drain", "lab-2"]).await?;
    for name in ["arena-stub", "arenactl"] {
        lab.push_binary(name, &binary(name)?, "latest").await?;
    }
    let shared = Arc::new(Shared { lab, users: Arc::default() });
    *kept = Arc::downgrade(&shared);
    Ok(shared)
}
