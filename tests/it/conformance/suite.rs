//! The tests, over any place.

use serde_json::Value;

use super::{CHANGE, Place, deploy_with, units};

/// A deploy that gets no further than its first wait.
const STUCK: [&str; 4] = ["deploy", "--yes", "--set", "services.play.env.STUB_NEVER_READY=1"];

pub(crate) fn a_region_is_deployed_changed_rolled_back_and_taken_down<P: Place>() {
    let region = P::deployed().unwrap();
    let first = region.serves("r1");
    let again = region.answers(0, &["deploy", "--yes", "--output", "json"]);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);

    let mut change = vec!["deploy", "--yes"];
    change.extend(CHANGE);
    region.answers(0, &change);
    let second = region.serves("r2");
    assert_eq!(second["url"], first["url"], "the public port is handed over");
    let mesh = |status: &Value| status["instances"][1]["addresses"]["mesh"].clone();
    assert_eq!(mesh(&second), mesh(&first), "a service with data keeps its address");

    region.answers(0, &["rollback", "--yes"]);
    region.serves("r1");
    let revisions = region.revisions().unwrap();
    assert_eq!(revisions[2]["release"], "r1");
    assert_eq!(revisions[2]["kind"], "rollback");

    region.answers(0, &["down", "--yes"]);
    assert_eq!(units(&region.status().unwrap()), []);
}

pub(crate) fn a_release_that_never_gets_ready_is_taken_back_with_a_card<P: Place>() {
    let region = P::deployed().unwrap();
    for (setting, said) in [
        ("services.play.env.STUB_EXIT=7", "the stub was told to fail"),
        ("services.play.env.STUB_NEVER_READY=1", "the stub never gets ready"),
    ] {
        let timeout = "services.play.ready_timeout=2s";
        let args = ["deploy", "--yes", "--output", "json", "--set", setting, "--set", timeout];
        let answer = region.answers(10, &args);
        let result: Value = serde_json::from_str(&answer.stdout).unwrap();
        let card = &result["result"]["card"];
        assert!(card.to_string().contains(said), "{setting}: {card:#}");
        assert!(card["unit"].as_str().unwrap().starts_with("play-"), "{card:#}");
        assert!(!card["next"].as_array().unwrap().is_empty(), "{card:#}");
        region.serves("r1");
    }
}

pub(crate) fn of_two_deploys_at_once_one_is_refused_with_the_holder<P: Place>() {
    let region = P::deployed().unwrap();
    let mut first = region.spawn(&STUCK).unwrap();
    while region.status().unwrap()["lock"].is_null() {
        assert!(first.try_wait().unwrap().is_none(), "the first deploy ended too early");
    }
    let second = region.answers(5, &["deploy", "--yes", "--set", "services.play.env.MODE=other"]);
    assert!(second.stderr.contains(&format!("pid {}", first.id())), "{}", second.stderr);
    region.answers(0, &["abort"]);
    assert_eq!(first.wait().unwrap().code(), Some(10));
    region.serves("r1");
}

pub(crate) fn a_holder_whose_lock_was_removed_stops_and_the_rollout_can_be_taken_back<P: Place>() {
    let region = P::deployed().unwrap();
    let holder = region.spawn(&STUCK).unwrap();
    region.until("lock", |status| !status["lock"].is_null()).unwrap();
    region.until("rollout", |status| !status["rollout"].is_null()).unwrap();
    let removed = region.answers(0, &["unlock"]);
    assert!(removed.stderr.contains(&format!("pid {}", holder.id())), "{}", removed.stderr);
    let output = holder.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("lost the lock"), "{stderr}");
    region.answers(10, &["abort"]);
    region.serves("r1");
}

pub(crate) fn the_lock_of_a_dead_holder_needs_no_unlock<P: Place>() {
    let region = P::deployed().unwrap();
    let mut holder = region.spawn(&STUCK).unwrap();
    region.until("rollout", |status| !status["rollout"].is_null()).unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(!region.status().unwrap()["lock"].is_null(), "a killed holder cannot let go");
    region.answers(10, &["abort"]);
    assert!(region.status().unwrap()["lock"].is_null());
    let none = region.answers(0, &["unlock"]);
    assert!(none.stderr.contains("there was no lock"), "{}", none.stderr);
}

pub(crate) fn a_drain_is_waited_for_and_can_be_taken_back<P: Place>() {
    let region = P::new().unwrap();
    // A file that is always there: this one is never empty.
    region.answers(0, &deploy_with(&["services.play.env.STUB_BUSY_WHILE=/proc/self/exe"]));
    let late = region.answers(13, &["drain", "play-r1-0", "--deadline", "1s"]);
    assert!(late.stderr.contains("--cancel"), "{}", late.stderr);
    let play = |state: &str| ("play-r1-0".to_owned(), state.to_owned());
    assert!(units(&region.status().unwrap()).contains(&play("draining")));
    region.answers(0, &["drain", "play-r1-0", "--cancel"]);
    region.serves("r1");
    let drained = region.answers(0, &["drain", "gateway-r1-0"]);
    assert!(drained.stderr.contains("gateway-r1-0 is empty"), "{}", drained.stderr);
}

pub(crate) fn a_service_is_scaled_up_and_down<P: Place>() {
    let region = P::deployed().unwrap();
    let plays = || {
        let units = units(&region.status().unwrap()).into_iter();
        let ready = units.filter(|it| it.0.starts_with("play-") && it.1 == "ready");
        ready.map(|it| it.0).collect::<Vec<_>>()
    };
    region.answers(0, &["scale", "play=3", "--yes"]);
    assert_eq!(plays().len(), 3);
    region.answers(0, &["scale", "play=1", "--yes"]);
    assert_eq!(plays().len(), 1);
    let is_alone = |status: &Value| units(status).len() == 3;
    region.until("end of the others", is_alone).unwrap();
}

pub(crate) fn secrets_are_never_printed<P: Place>() {
    let region = P::deployed().unwrap();
    let secret = region.file_of("play-r1-0", "secrets/drain_token").unwrap();
    assert!(secret.len() > 16, "{secret}");
    for args in [["status", "--output", "json"], ["plan", "--output", "json"], ["logs", "-n", "99"]]
    {
        let answer = region.run(&args).unwrap();
        assert!(!answer.stdout.contains(&secret), "{args:?}");
        assert!(!answer.stderr.contains(&secret), "{args:?}");
    }
}

pub(crate) fn a_rollback_over_three_releases_brings_back_what_each_one_said<P: Place>() {
    const GIVEN: &str = "TOKEN_OF_CONFORMANCE";
    let region = P::new().unwrap();
    let (token, motd) = (region.folder().join("token"), region.folder().join("motd"));
    let spec = region.folder().join("arena.yaml");
    let named = std::fs::read_to_string(&spec).unwrap();
    let named = named.replace(
        "secrets:\n  drain_token:",
        &format!(
            "configs:\n  motd: {{ from: motd }}\nsecrets:\n  salt: {{ source: file, from: token }}\n  \
             pepper: {{ source: env, from: {GIVEN} }}\n  drain_token:"
        ),
    );
    std::fs::write(spec, named).unwrap();
    let settings =
        ["services.play.secrets=[drain_token, salt, pepper]", "services.play.configs=[motd]"];
    let value = |what: &str, release: u32| format!("{what} of release {release}, long enough");
    for release in 1..=4 {
        std::fs::write(&token, value("salt", release)).unwrap();
        std::fs::write(&motd, value("motd", release)).unwrap();
        let mut deploy = region.command(&deploy_with(&settings)).unwrap();
        let output = deploy.env(GIVEN, value("pepper", release)).output().unwrap();
        assert!(output.status.success(), "{release}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let assert_of = |release: u32| {
        for (what, path) in
            [("salt", "secrets/salt"), ("pepper", "secrets/pepper"), ("motd", "configs/motd")]
        {
            let found = region.file_of(&format!("play-r{release}-0"), path).unwrap();
            assert_eq!(found, value(what, release));
        }
    };
    assert_of(4);
    std::fs::remove_file(&token).unwrap();
    std::fs::remove_file(&motd).unwrap();
    region.answers(0, &["rollback", "--to", "r1", "--yes"]);
    let play = units(&region.status().unwrap());
    assert!(play.contains(&("play-r1-0".to_owned(), "ready".to_owned())), "{play:?}");
    assert_of(1);
}
