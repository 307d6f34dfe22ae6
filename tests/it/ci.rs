//! docs/ci.md, taken at its word: its steps are run, its examples hold the same steps, its table every exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// What only an engine can do; `images` tests it.
const ENGINE_STEPS: &[&str] = &["build", "push"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root").to_owned()
}

fn document() -> String {
    fs::read_to_string(root().join("docs/ci.md")).unwrap()
}

/// Returns the fenced blocks, each with what stands after its opening fence.
fn blocks(document: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((info.to_owned(), body.join("\n")));
        }
    }
    blocks
}

/// Returns the shell steps by name.
fn steps() -> BTreeMap<String, String> {
    let named = blocks(&document()).into_iter();
    named
        .filter_map(|(info, body)| Some((info.strip_prefix("sh step=")?.to_owned(), body)))
        .collect()
}

fn is_of_cargo(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name == "HOME" || name.starts_with("CARGO_HOME") || name.starts_with("RUSTUP")
}

/// A runner: a folder with a checkout in it, and the variables of a job.
pub(crate) struct Runner {
    folder: tempfile::TempDir,
    /// What `arenactl` means in a step.
    arenactl: String,
    /// Where to.
    environment: &'static str,
    /// The engine that builds.
    engine: String,
}

impl Runner {
    fn new(arenactl: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(root().join("arena.yaml"), folder.path().join("arena.yaml")).unwrap();
        let (arenactl, engine) = (arenactl.to_owned(), String::new());
        Self { folder, arenactl, environment: "production", engine }
    }

    /// One whose region and engine are real: `arenactl` with these settings, and with what the last
    /// [`Self::set`] says.
    pub(crate) fn of_lab(engine: &str, settings: &[String]) -> Self {
        let arenactl = arena_tests::binary("arenactl").unwrap();
        let set: Vec<String> = settings.iter().map(|it| format!("--set '{it}'")).collect();
        let file = root().join("arena.yaml");
        let (arenactl, file, set) = (arenactl.display(), file.display(), set.join(" "));
        let call = format!("'{arenactl}' --file '{file}' \"$@\" {set} $(cat more)");
        let runner = Self { environment: "lab", engine: engine.to_owned(), ..Self::new(&call) };
        runner.set("");
        runner
    }

    /// Changes what a deploy is to follow, as a commit would.
    pub(crate) fn set(&self, more: &str) {
        fs::write(self.path("more"), more).unwrap();
    }

    /// One that rehearses: the same commands on simulated instances.
    fn rehearsing() -> Self {
        let arenactl = arena_tests::binary("arenactl").unwrap();
        Self::new(&format!("'{}' --backend memory \"$@\"", arenactl.display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, step: &str, tag: &str) -> Output {
        let script = format!("arenactl() {{ {}; }}\n{step}", self.arenactl);
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &script]).current_dir(self.folder.path());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("XDG_STATE_HOME", self.path("state")).env("USER", "runner");
        command.envs([("REGION", "eu-fra"), ("ENVIRONMENT", self.environment), ("TAG", tag)]);
        if !self.engine.is_empty() {
            command.env("DOCKER_HOST", &self.engine).env("DOCKER_CONFIG", self.folder.path());
            // What is in an image is asked of cargo.
            command.envs(std::env::vars_os().filter(|(name, _)| is_of_cargo(name)));
        }
        command.env("MESSAGE", "what the commit says").output().unwrap()
    }

    /// Runs a step, which must end with this exit code.
    #[track_caller]
    pub(crate) fn check(&self, step: &str, tag: &str, code: i32) {
        let output = self.run(&steps()[step], tag);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{step}: {told}");
    }

    /// Returns the result at the end of a record of events.
    pub(crate) fn result(&self, record: &str) -> Value {
        let events = self.read(record);
        let last = events.lines().last().unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        last["result"].clone()
    }

    /// A commit that the region has to follow.
    fn commit(&self) {
        let old = self.read("arena.yaml");
        let new = old.replace("capacity: 200", "capacity: 201");
        assert_ne!(old, new);
        fs::write(self.path("arena.yaml"), new).unwrap();
    }
}

#[test]
fn the_steps_plan_deploy_and_roll_back() {
    let runner = Runner::rehearsing();
    runner.check("plan", "one", 0);
    assert!(runner.read("plan.txt").contains("nothing -> r1"));
    runner.check("deploy", "one", 0);
    assert_eq!(runner.result("deploy.jsonl")["release"], "r1");

    runner.commit();
    // What was agreed to is over: the old digest deploys nothing.
    runner.check("deploy", "two", 6);
    assert_eq!(runner.result("deploy.jsonl")["exit_code"], 6);
    runner.check("plan", "two", 0);
    runner.check("deploy", "two", 0);
    assert_eq!(runner.result("deploy.jsonl")["release"], "r2");

    runner.check("rollback", "two", 0);
    let result = runner.result("rollback.jsonl");
    assert_eq!((&result["status"], &result["release"]), (&"done".into(), &"r1".into()));
    for line in runner.read("rollback.jsonl").lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event.is_object(), "{line}");
    }
}

#[test]
fn a_plan_without_changes_leaves_nothing_to_deploy() {
    let runner = Runner::rehearsing();
    runner.check("plan", "one", 0);
    runner.check("deploy", "one", 0);
    fs::remove_file(runner.path("plan.digest")).unwrap();
    runner.check("plan", "one", 0);
    assert!(!runner.path("plan.digest").exists());
}

#[test]
fn a_mistake_in_the_spec_fails_the_step_with_its_own_code() {
    let runner = Runner::rehearsing();
    fs::write(runner.path("arena.yaml"), "clutser: arena\n").unwrap();
    runner.check("plan", "one", 3);
}

#[test]
fn every_command_of_the_document_is_one_that_arenactl_takes() {
    let runner = Runner::new("printf '%s\\n' \"$@\" '' >> commands");
    let text = document();
    let prose = text.split('`').skip(1).step_by(2).filter(|it| it.starts_with("arenactl "));
    fs::write(runner.path("plan.digest"), "0123456789ab").unwrap();
    let mut count = 0;
    for step in steps().into_values().chain(prose.map(str::to_owned)) {
        let output = runner.run(&step, "one");
        assert!(output.status.success(), "{step}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // In the steps `arenactl` writes down what it was called with: one argument a line, then an empty one.
    for command in runner.read("commands").split("\n\n").filter(|it| !it.trim().is_empty()) {
        let words = std::iter::once("arenactl").chain(command.lines());
        if let Err(error) = arenactl::cli::definition().try_get_matches_from(words) {
            panic!("{command}\n{error}");
        }
        count += 1;
    }
    assert!(count >= steps().len() + 5, "only {count} commands found");
}

#[test]
fn the_examples_hold_the_steps_word_for_word() {
    let steps: BTreeSet<String> = steps().into_values().collect();
    let mut examples = 0;
    for (info, body) in blocks(&document()) {
        if info != "yaml" {
            continue;
        }
        examples += 1;
        let mut scripts = Vec::new();
        collect(&serde_yaml::from_str(&body).unwrap(), &mut scripts);
        let calls = |it: &&String| it.lines().any(|it| it.trim_start().starts_with("arenactl "));
        let found: BTreeSet<String> =
            scripts.iter().filter(calls).map(|it| it.trim_end().to_owned()).collect();
        assert_eq!(found, steps, "example {examples}");
    }
    assert_eq!(examples, 2, "GitHub and GitLab");
}

/// Collects what an example runs: the texts below `run` and `script`.
fn collect(yaml: &serde_yaml::Value, scripts: &mut Vec<String>) {
    match yaml {
        serde_yaml::Value::Mapping(mapping) => {
            for (key, value) in mapping {
                match (key.as_str(), value) {
                    (Some("run" | "script"), serde_yaml::Value::Sequence(lines)) => {
                        scripts
                            .extend(lines.iter().filter_map(|it| it.as_str().map(str::to_owned)));
                    }
                    (Some("run" | "script"), serde_yaml::Value::String(text)) => {
                        scripts.push(text.clone());
                    }
                    _ => collect(value, scripts),
                }
            }
        }
        serde_yaml::Value::Sequence(values) => {
            for value in values {
                collect(value, scripts);
            }
        }
        _ => {}
    }
}

#[test]
fn every_exit_code_is_explained() {
    let help = arenactl::cli::definition().render_long_help().to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, codes) = help.split_once("Exit codes: ").unwrap();
    let (codes, _) = codes.split_once('.').unwrap();
    let known: BTreeSet<u8> =
        codes.split(", ").filter_map(|it| it.split(' ').next()?.parse().ok()).collect();
    let rows = document();
    let rows =
        rows.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok());
    assert_eq!(rows.collect::<BTreeSet<u8>>(), known);
    assert!(known.len() > 10, "{codes}");
}

#[test]
fn the_steps_are_those_that_are_run_here_or_with_an_engine() {
    let known: Vec<String> = steps().into_keys().collect();
    let run = ["deploy", "plan", "rollback"];
    let all: BTreeSet<&str> = run.into_iter().chain(ENGINE_STEPS.iter().copied()).collect();
    assert_eq!(known, all.into_iter().collect::<Vec<_>>());
}
