//! The checks, each a function of what is there; none changes anything.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use arenactl_planning::observed::UnitState;
use arenactl_planning::spec::Spec;

use super::check::{Check, Failure, failure};
use crate::cli::{Context, context::Place};
use crate::{process, supervisor};

/// Less than this and the first deploy may fill the disk: programs, logs and data of one release.
pub(super) const DISK_FREE_BYTES_MIN: u64 = 1 << 30;
/// A gateway holds a descriptor a session, a supervisor a few.
const OPEN_FILES_MIN: u64 = 1_024;

/// Returns the checks of this machine.
pub(super) async fn machine(context: &Context, place: &mut Place, spec: &Spec) -> Vec<Check> {
    vec![
        Check::new("state folder", disk(place.folder.region())),
        Check::new("open files", open_files()),
        Check::new("programs", programs(context, spec)),
        Check::new("public ports", ports(place, spec).await),
        Check::new("certificate authority", authority(place)),
    ]
}

/// Returns the checks of any region, wherever it runs.
pub(super) async fn region(place: &mut Place) -> Vec<Check> {
    vec![
        Check::new("lock", lock(place).await),
        Check::new("rollout", rollout(place)),
        Check::new("instances", instances(place).await),
    ]
}

fn disk(folder: &Path) -> Result<String, Failure> {
    // Before the first deploy there is no folder yet: its disk is that of the first one there is.
    let folder = folder.ancestors().find(|it| it.exists()).unwrap_or(folder);
    let stat = rustix::fs::statvfs(folder).map_err(|error| {
        failure(format!("{}: {error}", folder.display()), "name another with `--state-dir`")
    })?;
    let free_bytes = stat.f_bavail * stat.f_frsize;
    let free_gib = free_bytes as f64 / f64::from(1_u32 << 30);
    if free_bytes < DISK_FREE_BYTES_MIN {
        let what = format!("{free_gib:.1} GiB free in {}", folder.display());
        return Err(failure(what, "free at least 1 GiB, or name another disk with `--state-dir`"));
    }
    Ok(format!("{}, {free_gib:.0} GiB free", folder.display()))
}

fn open_files() -> Result<String, Failure> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < OPEN_FILES_MIN => {
            Err(failure(format!("at most {limit}"), format!("`ulimit -n {OPEN_FILES_MIN}`")))
        }
        Some(limit) => Ok(format!("at most {limit}")),
        None => Ok("no limit".to_owned()),
    }
}

fn programs(context: &Context, spec: &Spec) -> Result<String, Failure> {
    let folder = context.programs();
    let names: BTreeSet<&str> = spec.services.values().map(|it| it.binary.as_str()).collect();
    let missing: Vec<&str> =
        names.iter().copied().filter(|name| !folder.join(name).is_file()).collect();
    if missing.is_empty() || context.global.backend.is_some() {
        return Ok(format!("{} in {}", names.len(), folder.display()));
    }
    let bins: Vec<String> = missing.iter().map(|name| format!("--bin {name}")).collect();
    let what = format!("no {} in {}", missing.join(", "), folder.display());
    Err(failure(
        what,
        format!("`cargo build {}`, or name their folder with `--artifacts`", bins.join(" ")),
    ))
}

/// A fixed public port must be free, or be held by the instance that will hand it over.
async fn ports(place: &mut Place, spec: &Spec) -> Result<String, Failure> {
    let units =
        place.backend.units().await.map_err(|error| failure(error.to_string(), error.help()))?;
    let own: BTreeSet<u16> = units
        .iter()
        .filter(|unit| unit.state != UnitState::Stopped)
        .filter_map(|unit| unit.addresses.get("public").map(std::net::SocketAddr::port))
        .collect();
    let fixed = spec.services.iter().filter_map(|(service, it)| {
        let port = it.ports.public?.number();
        (port != 0).then_some((service, port))
    });
    let mut found = Vec::new();
    for (service, port) in fixed {
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if !is_free && !own.contains(&port) {
            let help = format!("stop it, or set `services.{service}.ports.public: auto`");
            let what = format!("port {port} is taken by {}", process::holder(port));
            return Err(failure(what, help));
        }
        found.push(port.to_string());
    }
    Ok(if found.is_empty() { "chosen by the system".to_owned() } else { found.join(", ") })
}

fn authority(place: &Place) -> Result<String, Failure> {
    let folder: PathBuf = place.folder.authority();
    match supervisor::key_is_private(&folder) {
        Ok(true) => Ok(folder.display().to_string()),
        Ok(false) => Err(failure(
            format!("others can read the key in {}", folder.display()),
            format!("`chmod -R go= {}`", folder.display()),
        )),
        Err(_) => Ok("made by the first deploy".to_owned()),
    }
}

async fn lock(place: &mut Place) -> Result<String, Failure> {
    let view =
        place.ledger.lock_view().await.map_err(|error| failure(error.to_string(), error.help()))?;
    match view {
        None => Ok("free".to_owned()),
        Some(view) => Err(failure(
            format!(
                "held by {} (pid {}, `{}`)",
                view.holder.who, view.holder.process.pid, view.holder.command
            ),
            "wait for it; if it can no longer be running: `arenactl unlock`",
        )),
    }
}

fn rollout(place: &Place) -> Result<String, Failure> {
    match place.history.open() {
        None => Ok("none open".to_owned()),
        Some(open) => Err(failure(
            format!("{} to {} is not over", open.rollout, open.release),
            "`arenactl resume` or `arenactl abort`",
        )),
    }
}

async fn instances(place: &mut Place) -> Result<String, Failure> {
    let units =
        place.backend.units().await.map_err(|error| failure(error.to_string(), error.help()))?;
    let failed: Vec<String> = units
        .iter()
        .filter(|unit| unit.state == UnitState::Failed)
        .map(|unit| format!("{} ({})", unit.instance, unit.note))
        .collect();
    if failed.is_empty() {
        let running = units.iter().filter(|unit| unit.state != UnitState::Stopped).count();
        return Ok(format!("{running} run"));
    }
    Err(failure(failed.join(", "), "see `arenactl logs INSTANCE`, then `arenactl deploy` repairs"))
}
