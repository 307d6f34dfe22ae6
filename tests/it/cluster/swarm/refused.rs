//! What a swarm does not give, what somebody else changed in it, and what breaks meanwhile: each is named, with
//! what helps.

use std::path::Path;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};

use super::stub::Stubs;
use crate::conformance::{CHANGE, Place, deploy_with, units};

const NEVER_READY: &str = "services.play.env.STUB_NEVER_READY=1";

/// Nothing was started: not one service of this region is in the swarm.
fn assert_nothing_started(region: &Stubs) {
    let filter = format!("name={}", region.service(""));
    let services = region.docker(&["service", "ls", "--quiet", "--filter", &filter]).unwrap();
    assert_eq!(services, "");
}

/// Changes the first such text of the region's spec.
fn edit(region: &Stubs, from: &str, to: &str) {
    std::fs::write(region.folder().join("arena.yaml"), region.spec().replacen(from, to, 1))
        .unwrap();
}

fn change() -> Vec<&'static str> {
    ["deploy", "--yes"].into_iter().chain(CHANGE).collect()
}

#[test]
fn a_client_whose_certificate_the_engine_does_not_know_is_told_which_it_showed() {
    let region = Stubs::new().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["stranger".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    std::fs::write(region.folder().join("cert.pem"), params.self_signed(&key).unwrap().pem())
        .unwrap();
    std::fs::write(region.folder().join("key.pem"), key.serialize_pem()).unwrap();
    let known = region.lab().certificates();
    let endpoint = format!("regions.lab.endpoint={}", region.lab().tcp_endpoint(1));
    let certified = |folder: &Path| {
        let tls = format!(
            "ca: {0}/ca.pem, cert: {1}/cert.pem, key: {1}/key.pem",
            known.display(),
            folder.display()
        );
        region.run(&deploy_with(&[&endpoint, &format!("regions.lab.tls={{{tls}}}")])).unwrap()
    };
    let refused = certified(region.folder());
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
    assert!(refused.stderr.contains("help:"), "{}", refused.stderr);
    let welcome = certified(&known);
    assert_eq!(welcome.code, Some(0), "{}", welcome.stderr);
}

#[test]
fn a_service_of_somebody_else_under_our_name_is_left_alone() {
    let region = Stubs::new().unwrap();
    let name = region.service("play-r1-0");
    let image = "127.0.0.1:5000/arena/arena-stub:latest";
    let args = ["service", "create", "--detach", "--replicas", "0", "--name", &name, image];
    let theirs = region.docker(&args).unwrap();
    let answer = region.answers(4, &["deploy", "--yes"]);
    assert!(answer.stderr.contains(&name), "{}", answer.stderr);
    assert!(answer.stderr.contains("help:"), "{}", answer.stderr);
    let id = region.docker(&["service", "inspect", "--format", "{{.ID}}", &name]).unwrap();
    assert_eq!(id, theirs);
    region.docker(&["service", "rm", &name]).unwrap();
}

#[test]
fn a_service_that_somebody_changes_while_it_is_watched_ends_the_rollout_and_abort_works() {
    let region = Stubs::deployed().unwrap();
    let holder = region.spawn(&deploy_with(&[NEVER_READY])).unwrap();
    let is_there = |status: &serde_json::Value| units(status).iter().any(|it| it.0 == "play-r2-0");
    region.until("new instance", is_there).unwrap();
    let name = region.service("play-r2-0");
    region.docker(&["service", "update", "--detach", "--env-add", "X=1", &name]).unwrap();
    let output = holder.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("play-r2-0") && stderr.contains("env"), "{stderr}");
    region.answers(10, &["abort"]);
    region.serves("r1");
}

#[test]
fn an_image_that_is_not_there_is_named_before_anything_starts() {
    let region = Stubs::new().unwrap();
    let answer = region.answers(4, &deploy_with(&["images.tag=nothing"]));
    assert!(answer.stderr.contains("arena-stub:nothing"), "{}", answer.stderr);
    assert!(answer.stderr.contains("help:"), "{}", answer.stderr);
    assert_nothing_started(&region);
}

#[test]
fn without_a_registry_nothing_new_is_deployed_and_a_rollback_works() {
    let region = Stubs::alone().unwrap();
    region.answers(0, &["deploy", "--yes"]);
    region.answers(0, &change());
    region.serves("r2");
    region.wait(region.lab().stop_registry());
    let refused = region.run(&deploy_with(&["services.play.env.MODE=newer"]));
    let back = region.run(&["rollback", "--yes"]);
    region.wait(region.lab().start_registry());
    let refused = refused.unwrap();
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("127.0.0.1:5000"), "{}", refused.stderr);
    assert!(refused.stderr.contains("help:"), "{}", refused.stderr);
    let back = back.unwrap();
    assert_eq!(back.code, Some(0), "{}", back.stderr);
    region.serves("r1");
}

#[test]
fn a_secret_of_an_older_release_that_was_removed_is_missed_before_anything_moves() {
    let region = Stubs::new().unwrap();
    let salt = region.folder().join("salt");
    edit(&region, "secrets:\n", "secrets:\n  salt: { source: file, from: salt }\n");
    let deploy = |value: &str| {
        std::fs::write(&salt, value).unwrap();
        region.answers(0, &deploy_with(&["services.play.secrets=[drain_token, salt]"]));
    };
    let filter = format!("name={}", region.object("salt"));
    deploy("the first value, long enough");
    let first = region.docker(&["secret", "ls", "--quiet", "--filter", &filter]).unwrap();
    deploy("the second value, long enough");
    // The engine keeps what a service names, so that one goes as well.
    let _ = region.docker(&["service", "rm", &region.service("play-r1-0")]);
    region.docker(&["secret", "rm", &first]).unwrap();
    let answer = region.answers(4, &["rollback", "--yes"]);
    assert!(answer.stderr.contains("salt"), "{}", answer.stderr);
    assert!(answer.stderr.contains("help:"), "{}", answer.stderr);
    let now = units(&region.status().unwrap());
    assert!(now.contains(&("play-r2-0".to_owned(), "ready".to_owned())), "{now:?}");
    // Where its value is at hand, it is made again.
    std::fs::write(&salt, "the first value, long enough").unwrap();
    region.answers(0, &["rollback", "--yes"]);
}

#[test]
fn a_config_too_large_for_a_swarm_is_refused_before_anything_starts() {
    let region = Stubs::new().unwrap();
    std::fs::write(region.folder().join("motd"), "x".repeat(1000 * 1024 + 1)).unwrap();
    edit(&region, "secrets:\n", "configs:\n  motd: { from: motd }\nsecrets:\n");
    let answer = region.answers(4, &deploy_with(&["services.play.configs=[motd]"]));
    assert!(answer.stderr.contains("motd"), "{}", answer.stderr);
    assert_nothing_started(&region);
}

#[test]
fn an_engine_that_restarts_during_a_rollout_costs_at_most_a_resume() {
    let region = Stubs::alone().unwrap();
    region.answers(0, &["deploy", "--yes"]);
    let holder = region.spawn(&change()).unwrap();
    region.until("rollout", |status| !status["rollout"].is_null()).unwrap();
    region.wait(region.lab().restart_daemon(1));
    let output = holder.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    println!("{:?}: {stderr}", output.status);
    if output.status.code() != Some(0) {
        assert!(stderr.contains("help:"), "{stderr}");
        region.wait(region.lab().wait_until_ready());
        region.answers(0, &["resume"]);
    }
    region.serves("r2");
}

#[test]
fn an_engine_that_manages_no_swarm_is_refused() {
    let region = Stubs::alone().unwrap();
    let refused = |is: &str| {
        let endpoint = format!("regions.lab.endpoint=unix://{}", region.lab().socket(2).display());
        let answer = region.answers(4, &deploy_with(&[&endpoint]));
        assert!(answer.stderr.contains("manager"), "{is}: {}", answer.stderr);
        assert!(answer.stderr.contains("help:"), "{is}: {}", answer.stderr);
    };
    refused("a worker");
    let before = region.docker(&["node", "ls", "--quiet", "--filter", "name=lab-2"]).unwrap();
    region.wait(region.lab().docker(2, &["swarm", "leave"]));
    refused("outside a swarm");
    region.docker(&["node", "rm", "--force", &before]).unwrap();
    rejoin(&region).unwrap();
}

/// Makes the second engine a worker again.
fn rejoin(region: &Stubs) -> anyhow::Result<()> {
    let token = region.docker(&["swarm", "join-token", "--quiet", "worker"])?;
    let (own, manager) = (region.lab().address(2), format!("{}:2377", region.lab().address(1)));
    let own = own.to_string();
    let join = [
        "swarm",
        "join",
        "--availability",
        "drain",
        "--token",
        &token,
        "--advertise-addr",
        &own,
        &manager,
    ];
    region.wait(region.lab().docker(2, &join));
    Ok(())
}
