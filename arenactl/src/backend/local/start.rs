//! From a release to a running supervisor.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use arena_env::names;
use arena_types::{InstanceId, ReleaseId, ServiceName};
use arenactl_planning::spec::{Kind, Port, ServiceSpec};
use tokio::time::Instant;

use super::{Local, unit};
use crate::backend::BackendError;
use crate::durable::{self, Access};
use crate::registry_client::STORE;
use crate::secrets;
use crate::supervisor::control::{self, Request};
use crate::supervisor::launch::leaf_life_ms;
use crate::supervisor::{
    IdentityPlan, LAUNCH_FILE, Launch, LogLimits, Phase, Report, RestartLimits, SocketKind,
    SocketPlan,
};

/// Everything on this machine listens here and nowhere else.
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A supervisor binds its sockets and issues a certificate before it reports: milliseconds.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_secs(10);
/// An instance that was told to stop while empty is killed after 10 s; this is a little longer.
const STOPPING_TIMEOUT: Duration = Duration::from_secs(12);
/// How often the first report of a supervisor is looked for.
const REPORT_INTERVAL: Duration = Duration::from_millis(5);
/// Variables of arenactl's own environment that programs need to find tools and folders.
const INHERITED: [&str; 6] = ["PATH", "HOME", "TMPDIR", "LANG", "TZ", "RUST_BACKTRACE"];
/// Folder of an instance's secrets.
pub(super) const SECRETS: &str = "secrets";
/// Folder of an instance's configs.
const CONFIGS: &str = "configs";

impl Local {
    /// Starts an instance, or does nothing if it runs.
    pub(super) async fn start(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        release: ReleaseId,
        replaces: Option<&InstanceId>,
    ) -> Result<(), BackendError> {
        let folder = self.folder.instance(instance.as_str());
        let report = Report::read(&folder)?.filter(Report::is_supervised);
        match report.map(|report| report.phase) {
            Some(Phase::Stopping) => wait_for_end(&folder).await?,
            Some(_) if folder.join(LAUNCH_FILE).is_file() => return Ok(()),
            // Nobody knows what it runs, or whether it runs.
            Some(_) | None => end_unreported(&folder).await?,
        }
        let launch = self.launch(service, instance, release, replaces)?;
        durable::private_folder(&folder)?;
        durable::private_folder(Path::new(&launch.env[names::DATA_DIR.name]))?;
        self.share_secrets(service, release, &folder)?;
        self.share_configs(service, release, &folder)?;
        durable::write_json(&folder.join(LAUNCH_FILE), &launch, Access::Owner)?;
        unit::clear_stopped(&folder)?;
        supervise(&folder).await
    }

    /// An instance sees the secrets that its service names, and no others.
    fn share_secrets(
        &self,
        service: &ServiceName,
        release: ReleaseId,
        folder: &Path,
    ) -> Result<(), BackendError> {
        let own = folder.join(SECRETS);
        durable::private_folder(&own)?;
        let record = self.release(release)?;
        let spec = record.spec.services.get(service);
        for name in spec.iter().flat_map(|spec| &spec.secrets) {
            let hash = record.secret_hashes.get(name);
            let value = secrets::of_release(&self.folder.secrets(), name.as_str(), hash)?;
            durable::write(&own.join(name.as_str()), value.as_bytes(), Access::Owner)?;
        }
        Ok(())
    }

    /// An instance sees the configs that its service names, each under its name.
    fn share_configs(
        &self,
        service: &ServiceName,
        release: ReleaseId,
        folder: &Path,
    ) -> Result<(), BackendError> {
        let record = self.release(release)?;
        let spec = record.spec.services.get(service);
        for name in spec.iter().flat_map(|spec| &spec.configs) {
            let Some(digest) = record.config_files.get(name) else { continue };
            let kept = self.folder.configs().join(digest.to_string());
            let content = std::fs::read(&kept)
                .map_err(|source| durable::FileError::Read { path: kept, source })?;
            durable::private_folder(&folder.join(CONFIGS))?;
            durable::write(&folder.join(CONFIGS).join(name.as_str()), &content, Access::Owner)?;
        }
        Ok(())
    }

    fn launch(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        release: ReleaseId,
        replaces: Option<&InstanceId>,
    ) -> Result<Launch, BackendError> {
        let record = self.release(release)?;
        let unknown = || BackendError::UnknownService { release, service: service.clone() };
        let spec = record.spec.services.get(service).ok_or_else(unknown)?;
        let artifact = record.artifacts.get(service).ok_or_else(unknown)?;
        let folder = self.folder.instance(instance.as_str());
        Ok(Launch {
            instance: instance.to_string(),
            service: service.to_string(),
            release: release.to_string(),
            rollout: self.rollout.clone(),
            program: self.artifacts.path(&artifact.digest.to_string())?,
            args: spec.args.clone(),
            env: self.environment(spec, service, instance, release)?,
            sockets: self.sockets(spec, service, instance, replaces)?,
            identity: Some(IdentityPlan {
                uri: format!("spiffe://{}/{service}/{instance}", self.cluster),
                authority: self.folder.authority(),
                folder: folder.join("identity"),
                life_ms: leaf_life_ms(),
            }),
            log: LogLimits::default(),
            restart: RestartLimits {
                attempts: spec.restart.attempts,
                within_ms: spec.restart.within.as_ms(),
            },
        })
    }

    /// What the spec sets comes last, so that an operator can override a default of ours.
    fn environment(
        &self,
        spec: &ServiceSpec,
        service: &ServiceName,
        instance: &InstanceId,
        release: ReleaseId,
    ) -> Result<BTreeMap<String, String>, BackendError> {
        let inherited =
            INHERITED.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?)));
        let mut env: BTreeMap<String, String> =
            inherited.map(|(name, value)| (name.to_owned(), value)).collect();
        let owner = if spec.kind == Kind::Data { service.as_str() } else { instance.as_str() };
        let folder = self.folder.instance(instance.as_str());
        let paths = [
            (names::IDENTITY_DIR, folder.join("identity")),
            (names::SECRETS_DIR, folder.join(SECRETS)),
            (names::DATA_DIR, self.folder.data(owner)),
        ];
        env.extend(paths.map(|(name, path)| (name.name.to_owned(), path.display().to_string())));
        let texts = [
            (names::CLUSTER, self.cluster.to_string()),
            (names::REGION, self.region.to_string()),
            (names::SERVICE, service.to_string()),
            (names::INSTANCE, instance.to_string()),
            (names::RELEASE, release.to_string()),
            (names::LOG_FORMAT, "text".to_owned()),
            (names::DRAIN_DEADLINE_S, spec.drain.deadline.as_s().to_string()),
        ];
        env.extend(texts.map(|(name, text)| (name.name.to_owned(), text)));
        if !spec.configs.is_empty() {
            let path = folder.join(CONFIGS).display().to_string();
            env.insert(names::CONFIGS_DIR.name.to_owned(), path);
        }
        if let Some(address) = self.store_address()? {
            env.insert(names::STORE_ADDR.name.to_owned(), address.to_string());
        }
        env.extend(spec.variables(service));
        Ok(env)
    }

    /// Returns where the store listens or, if it is down at the moment, did.
    fn store_address(&self) -> Result<Option<SocketAddr>, BackendError> {
        if let Some(running) = self.running_store()? {
            return Ok(Some(running));
        }
        let reports = self.store_reports()?;
        Ok(reports.iter().rev().find_map(|report| report.addresses.get("mesh").copied()))
    }

    /// Returns where the store listens.
    pub(super) fn running_store(&self) -> Result<Option<SocketAddr>, BackendError> {
        let reports = self.store_reports()?;
        let mut running = reports.iter().filter(|report| report.is_supervised());
        Ok(running.find_map(|report| report.addresses.get("mesh").copied()))
    }

    fn store_reports(&self) -> Result<Vec<Report>, BackendError> {
        let mut reports = Vec::new();
        for folder in unit::folders(&self.folder.instances())? {
            if unit::launch(&folder)?.is_some_and(|launch| launch.service == STORE) {
                reports.extend(Report::read(&folder)?);
            }
        }
        Ok(reports)
    }

    /// The ports that others know keep their numbers over releases: the public one of a gateway, which is
    /// handed over while it listens, and all of a service with data, whose predecessor has stopped.
    fn sockets(
        &self,
        spec: &ServiceSpec,
        service: &ServiceName,
        instance: &InstanceId,
        replaces: Option<&InstanceId>,
    ) -> Result<Vec<SocketPlan>, BackendError> {
        let own = Report::read(&self.folder.instance(instance.as_str()))?;
        let predecessor = replaces.map(|it| self.folder.instance(it.as_str()));
        let before = match &predecessor {
            Some(folder) => Report::read(folder)?,
            None => None,
        };
        let holders = self.public_holders(service)?;
        let plan = |name: &str, kind: SocketKind, port: Port| {
            let is_known = name == "public" || spec.kind == Kind::Data;
            let previous = own.as_ref().or(before.as_ref()).filter(|_| is_known);
            let kept = previous.and_then(|report| report.addresses.get(name).copied());
            let chosen = SocketAddr::new(HOST, port.number());
            let address = if chosen.port() == 0 { kept.unwrap_or(chosen) } else { chosen };
            let holder = || holders.iter().find(|(_, held)| *held == address);
            // A socket is handed over only where it stays: another port is bound anew.
            let old = before.as_ref().and_then(|report| report.addresses.get(name));
            let stays = predecessor.as_ref().filter(|_| old == Some(&address));
            let from = stays.cloned().or_else(|| Some(holder()?.0.clone()));
            let from = from.filter(|_| is_known);
            SocketPlan { name: name.to_owned(), kind, address, from }
        };
        let mut sockets = vec![
            plan("side", SocketKind::Tcp, spec.ports.side),
            plan("mesh", SocketKind::Udp, spec.ports.mesh),
        ];
        sockets.extend(spec.ports.public.map(|port| plan("public", SocketKind::Tcp, port)));
        Ok(sockets)
    }

    /// Returns the instances of a service that hold a public socket: several may share one.
    fn public_holders(
        &self,
        service: &ServiceName,
    ) -> Result<Vec<(PathBuf, SocketAddr)>, BackendError> {
        let mut holders = Vec::new();
        for folder in unit::folders(&self.folder.instances())? {
            let is_same = unit::launch(&folder)?.is_some_and(|it| it.service == service.as_str());
            let report = Report::read(&folder)?.filter(|report| is_same && report.is_supervised());
            let address = report.and_then(|report| report.addresses.get("public").copied());
            holders.extend(address.map(|address| (folder, address)));
        }
        Ok(holders)
    }
}

/// Waits until a supervisor that stops has ended, so that the instance can be started anew.
async fn wait_for_end(folder: &Path) -> Result<(), BackendError> {
    let began = Instant::now();
    while Report::read(folder)?.is_some_and(|report| report.is_supervised()) {
        if began.elapsed() > STOPPING_TIMEOUT {
            return Err(BackendError::System {
                doing: format!("start `{}` again: it is still stopping", folder.display()),
                source: std::io::ErrorKind::TimedOut.into(),
            });
        }
        tokio::time::sleep(REPORT_INTERVAL).await;
    }
    Ok(())
}

/// Ends a supervisor whose report was lost: two of them must not run one instance.
async fn end_unreported(folder: &Path) -> Result<(), BackendError> {
    let began = Instant::now();
    let stop = Request::Stop { kill_after_ms: Some(0) };
    while folder.exists() && control::stop(folder, &stop).is_ok() {
        if began.elapsed() > STOPPING_TIMEOUT {
            return Err(BackendError::System {
                doing: format!("end the old supervisor of `{}`", folder.display()),
                source: std::io::ErrorKind::TimedOut.into(),
            });
        }
        tokio::time::sleep(REPORT_INTERVAL).await;
    }
    Ok(())
}

/// Starts the supervisor of an instance's folder and waits for its first report.
pub(super) async fn supervise(folder: &Path) -> Result<(), BackendError> {
    let failed = |source| BackendError::System {
        doing: format!("start the supervisor of `{}`", folder.display()),
        source,
    };
    let before = Report::read(folder)?;
    let program = std::env::current_exe().map_err(failed)?;
    let errors = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("supervisor.log"))
        .map_err(failed)?;
    let mut command = Command::new(program);
    command.arg("supervise").arg(folder).arg0("arena-supervisor").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    let mut supervisor = command.spawn().map_err(failed)?;
    let began = Instant::now();
    loop {
        let report = Report::read(folder)?.filter(|report| Some(report) != before.as_ref());
        if report.is_some_and(|report| report.phase != Phase::Starting) {
            return Ok(());
        }
        if let Ok(Some(status)) = supervisor.try_wait() {
            return Err(failed(std::io::Error::other(format!("it ended with {status}"))));
        }
        if began.elapsed() > SUPERVISOR_TIMEOUT {
            return Err(failed(std::io::ErrorKind::TimedOut.into()));
        }
        tokio::time::sleep(REPORT_INTERVAL).await;
    }
}
