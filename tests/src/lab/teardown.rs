//! Takes away whatever a lab made, whether its owner closes it or was killed long ago.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::network;
use super::node::NODES_MAX;
use super::slot::{HOME, Slot};

/// Where the kernel shows control groups.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Ends every process of the lab and removes its network, control groups and folders. What is not
/// there is no error: a second call finishes what a first one could not.
pub(crate) fn remove(slot: &Slot) -> anyhow::Result<()> {
    for process in slot.processes() {
        process.end()?;
    }
    network::remove(slot)?;
    for node in 1..=NODES_MAX {
        for hierarchy in hierarchies() {
            remove_group(&hierarchy.join(slot.control_group(node)))?;
        }
    }
    remove_folder(&slot.data())?;
    if slot.is_kept() {
        let _ = fs::remove_file(Path::new(HOME).join("docker.sock")); // a link, or not there
    }
    remove_folder(&slot.folder())
}

/// Returns the roots of the hierarchies: one of version 2, or one a controller of version 1.
fn hierarchies() -> Vec<PathBuf> {
    let below = fs::read_dir(CONTROL_GROUPS).into_iter().flatten().flatten().map(|it| it.path());
    std::iter::once(CONTROL_GROUPS.into()).chain(below).filter(|it| it.is_dir()).collect()
}

/// Removes a control group and those in it; its files go with it.
fn remove_group(group: &Path) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(group) else { return Ok(()) };
    for entry in entries.flatten().filter(|it| it.file_type().is_ok_and(|it| it.is_dir())) {
        remove_group(&entry.path())?;
    }
    absent_is_fine(fs::remove_dir(group))
}

fn remove_folder(folder: &Path) -> anyhow::Result<()> {
    absent_is_fine(fs::remove_dir_all(folder))
}

fn absent_is_fine(removed: std::io::Result<()>) -> anyhow::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
