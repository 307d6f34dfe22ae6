//! The lock with real processes: a live holder, a dead one, a fenced one.

use super::{Region, assert_serving};

/// A deploy that gets no further than its first wait.
const STUCK: [&str; 3] = ["deploy", "--set", "services.play.env.STUB_NEVER_READY=1"];

#[test]
fn a_holder_whose_lock_was_removed_stops_and_the_rollout_can_be_taken_back() {
    let region = Region::deployed().unwrap();
    let holder = region.spawn(&STUCK).unwrap();
    region.until("lock", |status| !status["lock"].is_null()).unwrap();
    region.until("rollout", |status| !status["rollout"].is_null()).unwrap();
    let removed = region.run(&["unlock"]).unwrap();
    assert_eq!(removed.code, Some(0), "{}", removed.stderr);
    assert!(removed.stderr.contains(&format!("pid {}", holder.id())), "{}", removed.stderr);
    let output = holder.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("lost the lock"), "{stderr}");
    let aborted = region.run(&["abort"]).unwrap();
    assert_eq!(aborted.code, Some(10), "{}", aborted.stderr);
    assert_serving(&region.status().unwrap(), "r1");
}

#[test]
fn the_lock_of_a_dead_holder_needs_no_unlock() {
    let region = Region::deployed().unwrap();
    let mut holder = region.spawn(&STUCK).unwrap();
    region.until("rollout", |status| !status["rollout"].is_null()).unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(!region.status().unwrap()["lock"].is_null(), "a killed holder cannot let go");
    let aborted = region.run(&["abort"]).unwrap();
    assert_eq!(aborted.code, Some(10), "{}", aborted.stderr);
    assert!(region.status().unwrap()["lock"].is_null());
    let none = region.run(&["unlock"]).unwrap();
    assert!(none.stderr.contains("there was no lock"), "{}", none.stderr);
}
