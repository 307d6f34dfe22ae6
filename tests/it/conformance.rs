//! What arenactl promises whatever a region runs on: one suite for local processes and for a swarm. The stub
//! keeps the instance contract.

mod suite;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

pub(crate) use suite::*;

/// One service a kind, so one a strategy.
pub(crate) const SERVICES: &str = "
secrets:
  drain_token:
    source: generate
services:
  keeper:
    kind: data
    binary: arena-stub
    resources: { cpu: 0.05, memory: 32MiB }
    secrets: [drain_token]
  gateway:
    kind: sessions
    binary: arena-stub
    resources: { cpu: 0.05, memory: 32MiB }
    secrets: [drain_token]
    after: [keeper]
  play:
    kind: matches
    binary: arena-stub
    capacity: 10
    settle: 100ms
    resources: { cpu: 0.05, memory: 32MiB }
    secrets: [drain_token]
    after: [keeper]
environments:
  dev: {}
";
pub(crate) const CHANGE: [&str; 6] = [
    "--set",
    "services.keeper.env.MODE=new",
    "--set",
    "services.gateway.env.MODE=new",
    "--set",
    "services.play.env.MODE=new",
];

/// Far more than any of this takes, on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A region of its own, in which [`SERVICES`] can be deployed.
pub(crate) trait Place: Sized {
    fn new() -> anyhow::Result<Self>;

    /// Returns arenactl, for this region.
    fn command(&self, args: &[&str]) -> anyhow::Result<Command>;

    /// Reads a file that an instance was given: `secrets/drain_token`.
    fn file_of(&self, instance: &str, path: &str) -> anyhow::Result<String>;

    /// Returns the folder of the spec.
    fn folder(&self) -> &std::path::Path;

    fn deployed() -> anyhow::Result<Self> {
        let region = Self::new()?;
        let answer = region.run(&["deploy", "--yes"])?;
        ensure!(answer.code == Some(0), "{}", answer.stderr);
        Ok(region)
    }

    fn run(&self, args: &[&str]) -> anyhow::Result<Answer> {
        let output = self.command(args)?.stdin(Stdio::null()).output()?;
        Ok(Answer {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Runs a command that is to answer `code`.
    fn answers(&self, code: i32, args: &[&str]) -> Answer {
        let answer = self.run(args).unwrap();
        assert_eq!(answer.code, Some(code), "{args:?}: {}{}", answer.stdout, answer.stderr);
        answer
    }

    fn spawn(&self, args: &[&str]) -> anyhow::Result<Child> {
        let mut command = self.command(args)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command.spawn()?)
    }

    /// Looks at the status until it fits.
    fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let status = self.status()?;
            if fits(&status) {
                return Ok(status);
            }
            ensure!(began.elapsed() < LIMIT, "no {what}: {status:#}");
        }
    }

    /// Waits until each service has one instance, of `release` and ready, and nothing else is left.
    fn serves(&self, release: &str) -> Value {
        let ready = |name: &str| (format!("{name}-{release}-0"), "ready".to_owned());
        let wanted = [ready("gateway"), ready("keeper"), ready("play")];
        let what = format!("release {release} alone");
        self.until(&what, |status| units(status) == wanted).unwrap()
    }

    fn status(&self) -> anyhow::Result<Value> {
        self.told(&["status", "--output", "json"])
    }

    /// Returns what a command prints for programs.
    fn told(&self, args: &[&str]) -> anyhow::Result<Value> {
        let answer = self.run(args)?;
        serde_json::from_str(&answer.stdout).context(answer.stderr)
    }

    fn revisions(&self) -> anyhow::Result<Value> {
        Ok(self.told(&["history", "--output", "json"])?["revisions"].clone())
    }
}

/// Returns every instance with its state.
pub(crate) fn units(status: &Value) -> Vec<(String, String)> {
    let instances = status["instances"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    instances.iter().map(|it| (text(&it["instance"]), text(&it["state"]))).collect()
}

/// Returns the arguments of a deploy with settings.
pub(crate) fn deploy_with<'a>(settings: &[&'a str]) -> Vec<&'a str> {
    ["deploy", "--yes"].into_iter().chain(settings.iter().flat_map(|it| ["--set", it])).collect()
}

/// The suite as the tests of one kind of place.
macro_rules! backend_conformance {
    ($place:ty: $($test:ident),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                crate::conformance::$test::<$place>();
            }
        )+
    };
    ($place:ty) => {
        crate::conformance::backend_conformance! { $place:
            a_region_is_deployed_changed_rolled_back_and_taken_down,
            a_release_that_never_gets_ready_is_taken_back_with_a_card,
            of_two_deploys_at_once_one_is_refused_with_the_holder,
            a_holder_whose_lock_was_removed_stops_and_the_rollout_can_be_taken_back,
            the_lock_of_a_dead_holder_needs_no_unlock,
            a_drain_is_waited_for_and_can_be_taken_back,
            a_service_is_scaled_up_and_down,
            secrets_are_never_printed,
            a_rollback_over_three_releases_brings_back_what_each_one_said,
        }
    };
}
pub(crate) use backend_conformance;
