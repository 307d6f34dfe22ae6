//! The crates in a program, as cargo resolves them for the platform of the images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use super::encoded;

/// All crates of a workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    metadata: Metadata,
}

/// One crate of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression.
    pub license: Option<String>,
    /// The crates that it uses, as package URLs.
    pub depends_on: BTreeSet<String>,
}

/// The crates of one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crates {
    /// The one that it is built from; `None` if it is not of this workspace.
    pub root: Option<Crate>,
    /// All, the root included, by package URL.
    pub all: BTreeMap<String, Crate>,
}

/// Why the crates of a program are not known.
#[derive(Debug, thiserror::Error)]
pub enum CrateError {
    /// Cargo cannot say.
    #[error("cargo does not tell the crates of `{}`", manifest.display())]
    Cargo {
        /// The workspace.
        manifest: PathBuf,
        /// What it says instead.
        source: Box<cargo_metadata::Error>,
    },
    /// Cargo's answer has no graph.
    #[error("cargo did not resolve the crates of `{binary}`")]
    Unresolved {
        /// The program.
        binary: String,
    },
}

impl CrateError {
    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        "run it where cargo, Cargo.toml and Cargo.lock are, or leave out `--sbom`".to_owned()
    }
}

impl Crate {
    /// Returns its package URL.
    #[must_use]
    pub fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", encoded(&self.name), encoded(&self.version))
    }
}

impl Workspace {
    /// Asks cargo about the workspace of a manifest, for Linux on this machine's processor.
    ///
    /// # Errors
    /// [`CrateError::Cargo`].
    pub fn read(manifest: &Path) -> Result<Self, CrateError> {
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let options = ["--locked", "--filter-platform", &platform].map(str::to_owned);
        let mut command = MetadataCommand::new();
        command.manifest_path(manifest).other_options(options);
        let metadata = command.exec().map_err(|source| {
            let (manifest, source) = (manifest.to_owned(), Box::new(source));
            CrateError::Cargo { manifest, source }
        })?;
        Ok(Self { metadata })
    }

    /// Returns the crates of a program; none for one that this workspace does not build.
    ///
    /// Features are those of a build of the whole workspace, which is how images are built.
    ///
    /// # Errors
    /// [`CrateError::Unresolved`].
    pub fn crates_of(&self, binary: &str) -> Result<Crates, CrateError> {
        let builds = |it: &&cargo_metadata::Package| {
            it.targets.iter().any(|target| target.is_bin() && target.name == binary)
        };
        let Some(root) = self.metadata.workspace_packages().into_iter().find(builds) else {
            return Ok(Crates::default());
        };
        let resolve = self.metadata.resolve.as_ref();
        let resolve =
            resolve.ok_or_else(|| CrateError::Unresolved { binary: binary.to_owned() })?;
        let used: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
            .nodes
            .iter()
            .map(|node| {
                let is_linked = |it: &&cargo_metadata::NodeDep| {
                    it.dep_kinds.iter().any(|it| it.kind == DependencyKind::Normal)
                };
                (&node.id, node.deps.iter().filter(is_linked).map(|it| &it.pkg).collect())
            })
            .collect();
        let mut all = BTreeMap::new();
        let mut seen = BTreeSet::from([&root.id]);
        let mut waiting = vec![&root.id];
        while let Some(id) = waiting.pop() {
            let used = used.get(id).map(Vec::as_slice).unwrap_or_default();
            let found = self.found(id, used);
            all.insert(found.purl(), found);
            waiting.extend(used.iter().copied().filter(|id| seen.insert(id)));
        }
        Ok(Crates { root: Some(self.found(&root.id, &[])), all })
    }

    fn found(&self, id: &PackageId, used: &[&PackageId]) -> Crate {
        let package = &self.metadata[id];
        let purl = |id: &&PackageId| self.found(id, &[]).purl();
        Crate {
            name: package.name.to_string(),
            version: package.version.to_string(),
            // The slash is cargo's older spelling.
            license: package.license.as_ref().map(|it| it.replace(" / ", "/").replace('/', " OR ")),
            depends_on: used.iter().map(purl).collect(),
        }
    }
}
