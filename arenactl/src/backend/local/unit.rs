//! One instance's folder, and what its supervisor and its side port say.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use arenactl_planning::observed::UnitState;
use arenactl_planning::units::Timestamp;

use crate::backend::{BackendError, Unit};
use crate::durable::{self, Access, FileError};
use crate::state_folder::StateFolder;
use crate::supervisor::report::REPORT_FILE;
use crate::supervisor::{LAUNCH_FILE, Launch, Phase, Report};
use crate::{clock, side_port};

/// Written when an instance is told to stop: since when, and that it was meant to.
const STOPPED_FILE: &str = "stopped.json";

/// Returns the folders of all instances, ordered by name.
pub(super) fn folders(instances: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = match fs::read_dir(instances) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FileError::Read { path: instances.to_path_buf(), source }),
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let is_one =
        |path: &PathBuf| [LAUNCH_FILE, REPORT_FILE].iter().any(|name| path.join(name).is_file());
    let mut folders: Vec<_> = paths.filter(is_one).collect();
    folders.sort();
    Ok(folders)
}

/// Returns what the instance was started with.
pub(super) fn launch(folder: &Path) -> Result<Option<Launch>, FileError> {
    durable::read_json(&folder.join(LAUNCH_FILE))
}

/// Returns when the instance was told to stop.
pub(super) fn stopped_at(folder: &Path) -> Result<Option<Timestamp>, FileError> {
    durable::read_json(&folder.join(STOPPED_FILE))
}

/// Notes that the instance is told to stop.
pub(super) fn mark_stopped(folder: &Path) -> Result<(), FileError> {
    if stopped_at(folder)?.is_some() {
        return Ok(());
    }
    durable::write_json(&folder.join(STOPPED_FILE), &Timestamp(clock::now_ms()), Access::Owner)
}

/// Forgets that the instance was told to stop.
pub(super) fn clear_stopped(folder: &Path) -> Result<(), FileError> {
    let path = folder.join(STOPPED_FILE);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::Write { path, source })
        }
        _ => Ok(()),
    }
}

/// Looks at one instance; `None` if the folder holds none.
pub(super) async fn look(folder: &Path) -> Result<Option<Unit>, BackendError> {
    let Some((mut unit, side)) = stand(folder)? else { return Ok(None) };
    if let Some(side) = side {
        unit.judge(side_port::probe(side).await);
    }
    Ok(Some(unit))
}

/// Returns what is known of an instance without asking it, and where it can be asked.
pub(super) fn stand(folder: &Path) -> Result<Option<(Unit, Option<SocketAddr>)>, BackendError> {
    let known = match launch(folder)? {
        Some(launch) => Unit::blank(&launch.instance, &launch.service, &launch.release).ok(),
        None => named(folder),
    };
    let Some(mut unit) = known else { return Ok(None) };
    let report = Report::read(folder)?;
    let is_meant_to_stop = stopped_at(folder)?.is_some();
    let Some(report) = report else {
        "its supervisor never reported".clone_into(&mut unit.note);
        unit.state = UnitState::Failed;
        return Ok(Some((unit, None)));
    };
    unit.restarts = report.restarts;
    unit.pid = report.child.map(|child| child.pid);
    unit.addresses.clone_from(&report.addresses);
    (unit.state, unit.note) = supervised(&report, is_meant_to_stop);
    let is_worth_asking = report.child.is_some() && unit.state != UnitState::Failed;
    let side = report.addresses.get("side").copied().filter(|_| is_worth_asking);
    Ok(Some((unit, side)))
}

/// What is known of an instance whose `launch.json` was lost: its name, `<service>-<release>-<number>`. It must
/// stay in sight, or nobody would ever stop it.
fn named(folder: &Path) -> Option<Unit> {
    let instance = folder.file_name()?.to_str()?;
    let (rest, _) = instance.rsplit_once('-')?;
    let (service, release) = rest.rsplit_once('-')?;
    Unit::blank(instance, service, release).ok()
}

/// What a supervisor's report alone says: the state until the side port says more.
fn supervised(report: &Report, is_meant_to_stop: bool) -> (UnitState, String) {
    let last_exit = report.last_exit.map(|exit| format!("last {exit}")).unwrap_or_default();
    let is_gone = !report.is_supervised();
    match report.phase {
        Phase::Stopped => (UnitState::Stopped, last_exit),
        _ if is_gone && is_meant_to_stop => (UnitState::Stopped, last_exit),
        Phase::Failed => (UnitState::Failed, report.error.clone().unwrap_or_default()),
        _ if is_gone => (UnitState::Failed, "its supervisor is gone".to_owned()),
        _ if report.crash_looping => {
            (UnitState::Failed, format!("exits again and again, {last_exit}"))
        }
        Phase::Stopping => (UnitState::Draining, "stopping".to_owned()),
        Phase::Starting | Phase::Running => (UnitState::Starting, String::new()),
        Phase::BackingOff => (UnitState::Starting, last_exit),
    }
}

/// Removes instances stopped before `before`. What a service kept in its data folder stays, unless empty.
pub(super) fn remove_stopped(folder: &StateFolder, before: Timestamp) -> Result<(), BackendError> {
    for path in folders(&folder.instances())? {
        let Some(launch) = launch(&path)? else { continue };
        let is_old = stopped_at(&path)?.is_some_and(|at| at < before);
        let is_running = Report::read(&path)?.is_some_and(|report| report.is_supervised());
        if !is_old || is_running {
            continue;
        }
        fs::remove_dir_all(&path)
            .map_err(|source| FileError::Write { path: path.clone(), source })?;
        let _ = fs::remove_dir(folder.data(&launch.instance)); // Fails, as it should, if it holds something.
    }
    Ok(())
}
