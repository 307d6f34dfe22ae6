//! The last known good state, on disk.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::logic::State;

/// Name of the file, in `ARENA_DATA_DIR`.
const FILE: &str = "last_good.json";

/// A file that holds one [`State`], replaced as a whole.
#[derive(Clone, Debug)]
pub struct LastGood {
    folder: PathBuf,
}

impl LastGood {
    /// Names the folder; nothing is read yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Returns the file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Reads the state; `None` without a file, or with one that holds no state: it is then put
    /// aside, as a person may want to see it.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn load(&self) -> io::Result<Option<State>> {
        let path = self.path();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match serde_json::from_slice(&bytes) {
            Ok(state) => Ok(Some(state)),
            Err(error) => {
                let aside = path.with_extension("corrupt");
                tracing::error!(path = %path.display(), aside = %aside.display(), %error,
                    "the last known good state is damaged and put aside");
                std::fs::rename(&path, aside)?;
                Ok(None)
            }
        }
    }

    /// Writes the state; a crash leaves the old file or the new one, whole.
    ///
    /// # Errors
    /// If the disk refuses; the old file is still there.
    pub fn save(&self, state: &State) -> io::Result<()> {
        let fresh = self.folder.join(format!("{FILE}.new"));
        let bytes = serde_json::to_vec(state).map_err(io::Error::other)?;
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, self.path())?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::seed;

    #[test]
    fn a_state_reads_back_and_a_damaged_one_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let disk = LastGood::new(folder.path());
        assert_eq!(disk.load().unwrap(), None);
        let (rules, active) = seed(arena_games::standard(), 0, 1);
        let mut state = State { active: Some(active), ..State::default() };
        state.rules.insert(1, rules);
        disk.save(&state).unwrap();
        assert_eq!(disk.load().unwrap(), Some(state));
        let bytes = std::fs::read(disk.path()).unwrap();
        std::fs::write(disk.path(), &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(disk.load().unwrap(), None);
        assert!(disk.path().with_extension("corrupt").exists());
        assert_eq!(disk.load().unwrap(), None);
    }
}
