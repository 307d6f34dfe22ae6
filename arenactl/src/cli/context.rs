//! What every command needs: the options, the printer, the spec and the region's place.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};

use arena_types::{ClusterName, Region};
use arena_wire::config::v1::config_client::ConfigClient;
use arenactl_planning::spec::{self, Ask, RegionSpec, Spec, SpecError};

use crate::backend::local::Local;
use crate::backend::memory::Memory;
use crate::backend::swarm::SwarmBackend;
use crate::backend::{Backend, BackendError};
use crate::cli::{Global, Rehearsal};
use crate::config_client::AnyChannel;
use crate::docker;
use crate::durable::FileError;
use crate::error::{CliError, Status};
use crate::history::History;
use crate::ledger::{FileLedger, Ledger, SwarmLedger};
use crate::print::Printer;
use crate::state_folder::{self, StateFolder};
use crate::swarm::Swarm;

/// Options and printer of a command.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) printer: Printer,
}

/// A region as arenactl finds it: what it keeps and what runs it.
pub(crate) struct Place {
    pub(crate) cluster: ClusterName,
    pub(crate) region: Region,
    pub(crate) folder: StateFolder,
    pub(crate) ledger: Box<dyn Ledger>,
    pub(crate) history: History,
    pub(crate) backend: Box<dyn Backend>,
}

/// The spec has mistakes; each is a line of the failure's details.
#[derive(Debug, thiserror::Error)]
#[error("{} has {count} mistake{}", path.display(), if *count == 1 { "" } else { "s" })]
struct SpecMistakes {
    path: PathBuf,
    count: usize,
}

impl Place {
    /// Connects to the config service.
    pub(crate) async fn config(&mut self) -> Result<ConfigClient<AnyChannel>, CliError> {
        Ok(self.backend.config().await?)
    }
}

impl Context {
    pub(crate) const fn new(global: Global, printer: Printer) -> Self {
        Self { global, printer }
    }

    /// Runs a future to its end. No runtime exists before a command needs one.
    pub(crate) fn block_on<T>(
        future: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CliError::new(Status::Bug, error))?;
        runtime.block_on(future)
    }

    /// Reads the spec; every mistake is told at once.
    pub(crate) fn spec(&self) -> Result<Spec, CliError> {
        let path = &self.global.file;
        let text = std::fs::read_to_string(path).map_err(|source| {
            CliError::new(Status::InvalidInput, FileError::Read { path: path.clone(), source })
                .with_help("write one with `arenactl init`, or name it with `--file PATH`")
        })?;
        let ask = Ask { environment: self.global.env.clone(), set: self.global.set.clone() };
        let read = spec::read(&text, &ask);
        if read.errors.is_empty() { Ok(read.spec) } else { Err(self.mistakes(&read.errors)) }
    }

    /// Tells every mistake of the spec, each with its place and its help.
    pub(crate) fn mistakes(&self, errors: &[SpecError]) -> CliError {
        let path = &self.global.file;
        let mistakes = SpecMistakes { path: path.clone(), count: errors.len() };
        let report = spec::report(&path.display().to_string(), errors);
        let lines: Vec<String> = report.lines().map(str::to_owned).collect();
        CliError::new(Status::InvalidInput, mistakes).with_details(lines)
    }

    /// Returns the region asked for, or the one that needs no asking.
    pub(crate) fn region(&self, spec: &Spec) -> Result<Region, CliError> {
        let known = spec.regions.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let wrong = |what: String| {
            let help = match known.as_str() {
                "" => "add one to the spec: `regions: {local: {backend: local}}`".to_owned(),
                known => format!("one of: {known}"),
            };
            CliError::new(Status::InvalidInput, what).with_help(help)
        };
        let local = || spec.regions.keys().find(|region| region.as_str() == "local");
        match &self.global.region {
            Some(name) => {
                let found = spec.regions.keys().find(|region| region.as_str() == name);
                found.cloned().ok_or_else(|| wrong(format!("the spec has no region `{name}`")))
            }
            None => local()
                .or_else(|| spec.regions.keys().next().filter(|_| spec.regions.len() == 1))
                .cloned()
                .ok_or_else(|| wrong("which region? name it with `--region`".to_owned())),
        }
    }

    /// Opens the place of a region; of a new one, nothing is created before its first lock.
    pub(crate) async fn place(&self, spec: &Spec, region: &Region) -> Result<Place, CliError> {
        self.place_of(spec.cluster.clone(), region.clone(), Some(spec)).await
    }

    /// Opens the place of the region meant, also where there is no spec: commands that look or stop must
    /// work from any folder, as long as it is clear which cluster is meant.
    pub(crate) async fn known_place(&self) -> Result<Place, CliError> {
        let (place, note) = self.kept_place().await?;
        if let Some(note) = note {
            self.printer.say(&note);
        }
        Ok(place)
    }

    /// The same for who draws on the screen: what there is to say is returned.
    pub(crate) async fn kept_place(&self) -> Result<(Place, Option<String>), CliError> {
        let read = self.global.file.exists().then(|| self.spec());
        let mistakes = match read {
            Some(Ok(spec)) => {
                let region = self.region(&spec)?;
                return Ok((self.place(&spec, &region).await?, None));
            }
            Some(Err(mistakes)) => Some(mistakes),
            None => None,
        };
        let root = state_folder::root(self.global.state_dir.as_deref())?;
        let region = self.global.region.as_deref().unwrap_or("local");
        let clusters = clusters_with(&root, region);
        if let (Ok(region), [cluster]) = (region.parse(), clusters.as_slice()) {
            let note = mistakes.map(|mistakes| {
                let what = mistakes.chain().join(": ");
                format!("{what}; going by what is kept of {cluster}/{region}")
            });
            return Ok((self.place_of(cluster.clone(), region, None).await?, note));
        }
        Err(mistakes.unwrap_or_else(|| {
            let what = format!("no `{}` here, and which cluster?", self.global.file.display());
            CliError::new(Status::InvalidInput, what)
                .with_help("run it where arena.yaml is, or name it with `--file PATH`")
        }))
    }

    /// Returns the folder in which the programs of a new release are found.
    pub(crate) fn programs(&self) -> PathBuf {
        let own = || std::env::current_exe().ok()?.parent().map(Path::to_path_buf);
        self.global.artifacts.clone().or_else(own).unwrap_or_else(|| PathBuf::from("."))
    }

    async fn place_of(
        &self,
        cluster: ClusterName,
        region: Region,
        spec: Option<&Spec>,
    ) -> Result<Place, CliError> {
        let root = state_folder::root(self.global.state_dir.as_deref())?;
        let folder = StateFolder::new(&root, &cluster, &region);
        let kind = spec.and_then(|spec| spec.regions.get(&region));
        if let (Some(kind), None) = (kind, self.global.backend) {
            match kind.backend {
                spec::Backend::Local => {}
                spec::Backend::Swarm => {
                    return self.swarm_place(cluster, region, folder, kind).await;
                }
                spec::Backend::Nomad => return Err(unsupported(&region)),
            }
        }
        let mut ledger = Box::new(FileLedger::look(&folder.ledger()).await?);
        let history = ledger.history().await?;
        let backend = self.backend(&cluster, &region, &folder, &history)?;
        Ok(Place { cluster, region, folder, ledger, history, backend })
    }

    /// Everything about a region in a swarm is kept there: only the way to it is in the spec.
    async fn swarm_place(
        &self,
        cluster: ClusterName,
        region: Region,
        folder: StateFolder,
        spec: &RegionSpec,
    ) -> Result<Place, CliError> {
        let swarm = self.swarm(cluster.clone(), region.clone(), spec).await?;
        let mut ledger = Box::new(SwarmLedger::new(swarm.clone()));
        let history = ledger.history().await?;
        let releases = history.releases.clone();
        let backend = SwarmBackend::new(swarm, spec.clone(), &self.spec_folder(), releases)?;
        Ok(Place { cluster, region, folder, ledger, history, backend: Box::new(backend) })
    }

    async fn swarm(
        &self,
        cluster: ClusterName,
        region: Region,
        spec: &RegionSpec,
    ) -> Result<Swarm, CliError> {
        let path = |text: &String| self.spec_folder().join(text);
        let tls = spec.tls.as_ref().map(|tls| docker::Tls {
            ca: path(&tls.ca),
            cert: path(&tls.cert),
            key: path(&tls.key),
        });
        let endpoint = spec.endpoint.as_deref().unwrap_or(docker::DEFAULT_ENDPOINT);
        Ok(Swarm::connect(endpoint, tls.as_ref(), cluster, region).await?)
    }

    /// Returns the backend of a region in a swarm, for what no other kind of region has.
    pub(crate) async fn swarm_backend(
        &self,
        spec: &Spec,
        region: &Region,
    ) -> Result<SwarmBackend, CliError> {
        let found = spec.regions.get(region).filter(|it| it.backend == spec::Backend::Swarm);
        let found = found.ok_or_else(|| {
            let what = format!("region `{region}` is no swarm");
            CliError::new(Status::InvalidInput, what)
                .with_help("name one with `backend: swarm`: `--region REGION`")
        })?;
        let swarm = self.swarm(spec.cluster.clone(), region.clone(), found).await?;
        Ok(SwarmBackend::new(swarm, found.clone(), &self.spec_folder(), BTreeMap::new())?)
    }

    /// Returns the folder from which the spec's paths count.
    fn spec_folder(&self) -> PathBuf {
        self.global.file.parent().map(Path::to_path_buf).unwrap_or_default()
    }

    fn backend(
        &self,
        cluster: &ClusterName,
        region: &Region,
        folder: &StateFolder,
        history: &History,
    ) -> Result<Box<dyn Backend>, BackendError> {
        if self.global.backend == Some(Rehearsal::Memory) {
            let path = folder.region().join("memory.json");
            let script = self.global.memory_script.as_deref();
            return Ok(Box::new(Memory::open(region, &path, &folder.secrets(), script)?));
        }
        Ok(Box::new(Local::new(
            cluster.clone(),
            region.clone(),
            folder.clone(),
            self.programs(),
            self.spec_folder(),
            history.releases.clone(),
        )))
    }
}

fn unsupported(region: &Region) -> CliError {
    let what = format!("this arenactl cannot deploy to the backend of region `{region}`");
    CliError::new(Status::InvalidInput, what).with_help(
        "use a region with `backend: local` or `swarm`, or `arenactl render` for its files",
    )
}

fn clusters_with(root: &Path, region: &str) -> Vec<ClusterName> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let folders = entries.flatten().filter(|entry| entry.path().join(region).is_dir());
    folders.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
