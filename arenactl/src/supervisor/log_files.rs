//! An instance's output on disk, bounded in size and count.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::launch::LogLimits;

/// Name of the file being written; older ones are `log.1` (newest) to `log.N`.
const CURRENT: &str = "log";
/// Bytes read from the end for the last lines: more than any sensible ten lines.
const TAIL_BYTES: u64 = 64 * 1024;

/// Writes output to `log`, rotating at line ends.
pub(super) struct LogFiles {
    folder: PathBuf,
    limits: LogLimits,
    file: Option<File>,
    written_bytes: u64,
    at_line_start: bool,
}

impl LogFiles {
    pub(super) fn new(folder: PathBuf, limits: LogLimits) -> Self {
        Self { folder, limits, file: None, written_bytes: 0, at_line_start: true }
    }

    /// Appends `bytes`; a full disk loses them, since output must not stop an instance.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.append_line(line).is_err() {
                self.file = None;
            }
        }
    }

    fn append_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.at_line_start && self.written_bytes >= self.limits.file_bytes {
            self.rotate()?;
        }
        if self.file.is_none() {
            self.open()?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(line)?;
        }
        self.written_bytes += line.len() as u64;
        self.at_line_start = line.ends_with(b"\n");
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(CURRENT);
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        self.written_bytes = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        self.written_bytes = 0;
        for index in (1..self.limits.file_count).rev() {
            let older = self.rotated(index + 1);
            match fs::rename(self.rotated(index), older) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(self.folder.join(CURRENT), self.rotated(1))
    }

    fn rotated(&self, index: u32) -> PathBuf {
        self.folder.join(format!("{CURRENT}.{index}"))
    }
}

/// Returns the last `count` lines of a log folder, oldest first; empty if there is no log.
#[must_use]
pub fn tail(folder: &Path, count: usize) -> Vec<String> {
    let newest = lines_at_end(&folder.join(CURRENT));
    let mut lines = newest;
    if lines.len() < count {
        let mut older = lines_at_end(&folder.join(format!("{CURRENT}.1")));
        older.append(&mut lines);
        lines = older;
    }
    lines.split_off(lines.len().saturating_sub(count))
}

fn lines_at_end(path: &Path) -> Vec<String> {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_keeps_whole_lines_and_a_bounded_count() {
        let folder = tempfile::tempdir().unwrap();
        let limits = LogLimits { file_bytes: 10, file_count: 2 };
        let mut log = LogFiles::new(folder.path().to_path_buf(), limits);
        for index in 0..20 {
            log.append(format!("line {index}\nli").as_bytes());
            log.append(b"ne end\n");
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["log", "log.1", "log.2"]);
        assert_eq!(tail(folder.path(), 3), ["line end", "line 19", "line end"]);
        assert!(fs::metadata(folder.path().join("log.1")).unwrap().len() < 20);
    }
}
