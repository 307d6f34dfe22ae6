//! Where arenactl keeps what it knows: the XDG state folder, one folder a region.

use std::path::{Path, PathBuf};

use arena_types::{ClusterName, Region};

/// Paths below `$XDG_STATE_HOME/arena/<cluster>/`; nothing is created by naming them.
///
/// ```text
/// <cluster>/artifacts/sha256/<digest>       programs, shared by the regions
/// <cluster>/authority/                      the cluster's certificate authority (0700)
/// <cluster>/<region>/operator/              identity of arenactl itself on the mesh
/// <cluster>/<region>/ledger.sqlite          releases, revisions, journal, lock
/// <cluster>/<region>/secrets/               one file a secret (0600)
/// <cluster>/<region>/instances/<instance>/  launch.json state.json control.sock logs/ identity/ secrets/
/// <cluster>/<region>/data/<owner>/          what a service keeps
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFolder {
    cluster: PathBuf,
    region: PathBuf,
}

/// There is no folder to keep state in.
#[derive(Debug, thiserror::Error)]
#[error("neither XDG_STATE_HOME nor HOME is set")]
pub struct NoStateFolder;

/// Returns the root of all state: `given`, else `$XDG_STATE_HOME/arena`, else `~/.local/state/arena`.
///
/// # Errors
/// [`NoStateFolder`] if none of the three is known.
pub fn root(given: Option<&Path>) -> Result<PathBuf, NoStateFolder> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(given) = given {
        return Ok(std::path::absolute(given).unwrap_or_else(|_| given.to_path_buf()));
    }
    // XDG Base Directory Specification: a relative path is invalid and to be ignored.
    let xdg = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".local/state")))
        .map(|state| state.join("arena"))
        .ok_or(NoStateFolder)
}

impl StateFolder {
    /// Names the folders of a region below `root`.
    #[must_use]
    pub fn new(root: &Path, cluster: &ClusterName, region: &Region) -> Self {
        let cluster = root.join(cluster.to_string());
        Self { region: cluster.join(region.to_string()), cluster }
    }

    /// Returns the region's folder.
    #[must_use]
    pub fn region(&self) -> &Path {
        &self.region
    }

    /// Returns the store of programs.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.cluster.join("artifacts")
    }

    /// Returns the region's database.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.region.join("ledger.sqlite")
    }

    /// Returns the folder of the certificate authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.cluster.join("authority")
    }

    /// Returns the folder of arenactl's own identity.
    #[must_use]
    pub fn operator(&self) -> PathBuf {
        self.region.join("operator")
    }

    /// Returns the folder of the secrets.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.region.join("secrets")
    }

    /// Returns the folder of the configs' contents, each under its hash.
    #[must_use]
    pub fn configs(&self) -> PathBuf {
        self.region.join("configs")
    }

    /// Returns the folder that holds all instances.
    #[must_use]
    pub fn instances(&self) -> PathBuf {
        self.region.join("instances")
    }

    /// Returns one instance's folder.
    #[must_use]
    pub fn instance(&self, instance: &str) -> PathBuf {
        self.instances().join(instance)
    }

    /// Returns the folder for what `owner` (a service or an instance) keeps.
    #[must_use]
    pub fn data(&self, owner: &str) -> PathBuf {
        self.region.join("data").join(owner)
    }
}
