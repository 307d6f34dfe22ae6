//! A killed or a stopped arenactl in a swarm: another one finishes or takes back what it began, and it never
//! goes on itself.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::stub::Stubs;
use crate::conformance::{CHANGE, Place, deploy_with, units};

/// A service a strategy: recreate, rolling, blue-green.
const SERVICES: [&str; 3] = ["keeper", "gateway", "play"];
/// More steps than a rollout of one service has; reached only if it never ends.
const STEP_COUNT_MAX: u64 = 60;
/// Steps of which a seed chooses one: fewer than a rollout of one service has.
const STEP_COUNT_MIN: u64 = 4;

/// The steps to be killed after: one a seed, or all of them.
fn steps() -> (u64, std::ops::Range<u64>) {
    let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| u64::from(std::process::id()));
    let is_full = std::env::var_os("ARENA_TEST_FULL").is_some();
    let chosen = seed % STEP_COUNT_MIN;
    (seed, if is_full { 0..STEP_COUNT_MAX } else { chosen..chosen + 1 })
}

/// Deploys a change of one service and is killed after a step; false if the rollout has no such step.
fn is_killed(region: &Stubs, service: &str, mode: &str, step: u64) -> bool {
    let (setting, step) = (format!("services.{service}.env.MODE={mode}"), step.to_string());
    let deploy = deploy_with(&[&setting]);
    let answer = region.run(&[&deploy[..], &["--die-after-step", &step]].concat()).unwrap();
    assert!(matches!(answer.code, None | Some(0)), "{deploy:?} {step}: {answer:?}");
    answer.code.is_none()
}

/// Waits until every service has one instance, which is ready, and nothing else is left.
fn assert_whole(region: &Stubs, about: &str) {
    let is_whole = |status: &Value| {
        let units = units(status);
        let names = units.iter().map(|it| it.0.split('-').next().unwrap_or_default());
        let is_ready = units.iter().all(|it| it.1 == "ready");
        is_ready && names.eq(["gateway", "keeper", "play"])
    };
    let status = region.until(about, is_whole).unwrap();
    assert!(status["rollout"].is_null() && status["lock"].is_null(), "{about}: {status:#}");
}

/// Returns the setting that the instance of a service was started with.
fn mode(region: &Stubs, service: &str) -> String {
    let status = region.status().unwrap();
    let (unit, _) = units(&status).into_iter().find(|it| it.0.starts_with(service)).unwrap();
    let format = "{{json .Spec.TaskTemplate.ContainerSpec.Env}}";
    let args = ["service", "inspect", "--format", format, &region.service(&unit)];
    let env: Vec<String> = serde_json::from_str(&region.docker(&args).unwrap()).unwrap();
    env.iter().find_map(|it| it.strip_prefix("MODE=")).unwrap_or_default().to_owned()
}

#[test]
fn a_deploy_killed_after_a_step_is_finished_by_another_arenactl() {
    let (seed, steps) = steps();
    let region = Stubs::deployed().unwrap();
    for service in SERVICES {
        for step in steps.clone() {
            let (about, mode_now) = (format!("SEED={seed}: {service} {step}"), format!("m{step}"));
            println!("{about}");
            if !is_killed(&region, service, &mode_now, step) {
                assert!(step >= STEP_COUNT_MIN, "{about}: the rollout is shorter");
                break;
            }
            let resumed = region.run(&["resume"]).unwrap();
            assert_eq!(resumed.code, Some(0), "{about}: {}", resumed.stderr);
            assert_whole(&region, &about);
            assert_eq!(mode(&region, service), mode_now, "{about}");
        }
    }
}

#[test]
fn a_deploy_killed_after_a_step_is_taken_back_by_abort() {
    let (seed, steps) = steps();
    let region = Stubs::deployed().unwrap();
    for service in SERVICES {
        for step in steps.clone() {
            let about = format!("SEED={seed}: {service} {step}");
            println!("{about}");
            if !is_killed(&region, service, &format!("m{step}"), step) {
                assert!(step >= STEP_COUNT_MIN, "{about}: the rollout is shorter");
                break;
            }
            let aborted = region.run(&["abort"]).unwrap();
            // After its last step a rollout is done: there is nothing left to take back.
            if aborted.code == Some(0) {
                continue;
            }
            assert_eq!(aborted.code, Some(10), "{about}: {}", aborted.stderr);
            assert_whole(&region, &about);
            assert_eq!(mode(&region, service), "", "{about}");
        }
    }
}

#[test]
fn a_holder_that_was_stopped_for_long_does_not_go_on_beside_its_successor() {
    let region = Stubs::deployed().unwrap();
    let change: Vec<&str> = ["deploy", "--yes"].into_iter().chain(CHANGE).collect();
    let holder = region.spawn(&change).unwrap();
    region.until("rollout", |status| !status["rollout"].is_null()).unwrap();
    let pid = Pid::from_raw(i32::try_from(holder.id()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    region.answers(0, &["resume"]);
    region.serves("r2");
    let tasks = || region.docker(&["service", "ls", "--format", "{{.ID}} {{.Name}}"]);
    let before = tasks().unwrap();
    kill_process(pid, Signal::CONT).unwrap();
    let output = holder.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("lost the lock"), "{stderr}");
    region.serves("r2");
    assert_eq!(tasks().unwrap(), before, "it has changed nothing");
    assert_eq!(region.revisions().unwrap().as_array().map(Vec::len), Some(2));
}
