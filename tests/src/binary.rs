//! The programs under test.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// Returns the path of a binary of this workspace, built by `cargo build --workspace --bins`.
///
/// # Errors
/// If it is not there: says which command builds it.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("the program's own path")?;
    let folder = this.parent().context("target/<profile>, or deps/ in it for a test")?;
    let folder = folder.parent().filter(|_| folder.ends_with("deps")).unwrap_or(folder);
    let path = folder.join(name);
    ensure!(
        path.exists(),
        "{} is missing: run `make test`, or `cargo build --workspace --bins` first",
        path.display()
    );
    Ok(path)
}
