//! arenactl sessions as transcripts: commands in `scripts/*.txt`, what they print in `*.out`.
//!
//! A line is a command; `write FILE` takes the lines up to `end` into a file; `record FILE` plays a match between
//! bots and writes its replay; `with OPTIONS` adds options to every later arenactl. `UPDATE_EXPECT=1` writes the
//! transcripts anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use arena_replay::testing;
use arena_sim::Rules;

/// A folder for one script: the commands' working directory and state.
struct Stage {
    folder: tempfile::TempDir,
    arenactl: PathBuf,
}

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self { folder, arenactl: arena_tests::binary("arenactl")? })
    }

    fn run(&self, line: &str, options: &[String]) -> anyhow::Result<String> {
        let words = words(line);
        let [program, args @ ..] = words.as_slice() else { bail!("an empty command") };
        let mut command = match program.as_str() {
            "arenactl" => Command::new(&self.arenactl),
            "sh" => Command::new("sh"),
            other => bail!("`{other}` is neither arenactl nor sh"),
        };
        if program == "arenactl" {
            command.args(options);
        }
        command.args(args).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("XDG_STATE_HOME", self.folder.path().join("state")).env("USER", "op");
        let output = command.output().with_context(|| format!("cannot run `{line}`"))?;
        let code = output.status.code().map_or("killed".to_owned(), |code| format!("exit {code}"));
        let mut text = self.tidied(&String::from_utf8_lossy(&output.stdout));
        for line in self.tidied(&String::from_utf8_lossy(&output.stderr)).lines() {
            let _ = writeln!(text, "! {line}");
        }
        Ok(format!("{text}{code}\n"))
    }

    /// What differs from run to run has one name here.
    fn tidied(&self, text: &str) -> String {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let text = text.replace(&self.folder.path().display().to_string(), "[FOLDER]");
        let text = text.replace(&format!("op@{}", host.trim()), "op@[HOST]");
        let mut tidy = String::new();
        let mut word = String::new();
        for letter in text.chars() {
            if letter.is_ascii_alphanumeric() {
                word.push(letter);
            } else {
                let is_pid = tidy.ends_with("(pid ");
                let word = std::mem::take(&mut word);
                tidy += &if is_pid { "[PID]".to_owned() } else { named(&word) };
                tidy.push(letter);
            }
        }
        let tidy = tidy + &named(&word);
        tidy.lines().map(|line| narrow(line) + "\n").collect()
    }
}

/// A column is as wide as the name of the machine: in tables that show it, blanks count as two.
fn narrow(line: &str) -> String {
    if !line.starts_with("REV ") && !line.contains("op@[HOST]") {
        return line.to_owned();
    }
    let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    cells.collect::<Vec<_>>().join("  ")
}

/// Digests and the names of rollouts follow from everything a release holds: too much to keep by hand.
fn named(word: &str) -> String {
    let is_hex = word.chars().all(|it| it.is_ascii_digit() || ('a'..='f').contains(&it));
    match word.len() {
        8 if is_hex => "[RUN]".to_owned(),
        12 | 64 if is_hex => "[DIGEST]".to_owned(),
        16 if is_hex => "[HASH]".to_owned(),
        _ => word.to_owned(),
    }
}

/// Splits at blanks; `'…'` keeps them.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => words.last_mut().expect("there is always one").push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A match of a bit more than ten seconds, so that there is one keyframe.
fn recorded() -> anyhow::Result<Vec<u8>> {
    let document = r#"{"version": 3, "match": {"frag_limit": 0, "time_limit_ticks": 650}}"#;
    let header = testing::header(&Rules::parse(document)?, 7);
    Ok(testing::record(&header, u32::MAX, testing::by_bots))
}

fn play(script: &str) -> anyhow::Result<String> {
    let stage = Stage::new()?;
    let mut transcript = String::new();
    let mut options = Vec::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("write ") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "end").collect();
            fs::write(stage.folder.path().join(name), text.join("\n") + "\n")?;
        } else if let Some(name) = line.strip_prefix("record ") {
            fs::write(stage.folder.path().join(name), recorded()?)?;
        } else if let Some(text) = line.strip_prefix("with ") {
            options = words(text);
        } else if line.is_empty() || line.starts_with('#') {
            let _ = writeln!(transcript, "{line}");
        } else {
            let _ = write!(transcript, "> {line}\n{}", stage.run(line, &options)?);
        }
    }
    Ok(transcript)
}

#[test]
fn every_script_prints_its_transcript() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/scripts");
    let mut scripts: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .collect();
    scripts.sort();
    assert!(scripts.len() > 5, "only {} scripts in {}", scripts.len(), folder.display());
    for path in scripts {
        let script = fs::read_to_string(&path).unwrap();
        let transcript = play(&script).with_context(|| path.display().to_string()).unwrap();
        let expected = path.with_extension("out");
        expect_test::ExpectFile { path: expected, position: file!() }.assert_eq(&transcript);
    }
}
