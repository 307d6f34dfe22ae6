//! What would stop a rollout halfway is found before anything is started.

use super::{HEAD, Region};
use crate::conformance::{CHANGE, Place, SERVICES};

#[test]
fn a_service_that_could_not_be_drained_is_refused() {
    let region = Region::new().unwrap();
    for verb in ["plan", "deploy"] {
        let answer = region.run(&[verb, "--set", "services.play.secrets=[]"]).unwrap();
        assert_eq!(answer.code, Some(4), "{}", answer.stderr);
        assert!(answer.stderr.contains("`drain_token`: play"), "{}", answer.stderr);
        assert!(answer.stderr.contains("services.<service>.secrets"), "{}", answer.stderr);
        assert!(!region.folder.path().join("state/arena/demo/local").exists());
    }
}

#[test]
fn a_lost_secret_of_running_instances_is_not_drawn_anew() {
    let region = Region::deployed().unwrap();
    let path = region.state("local/secrets/drain_token");
    std::fs::remove_file(&path).unwrap();
    let change: Vec<&str> = ["deploy"].into_iter().chain(CHANGE).collect();
    let answer = region.run(&change).unwrap();
    assert_eq!(answer.code, Some(4), "{}", answer.stderr);
    let help = answer.stderr.lines().find_map(|line| line.split("`cp ").nth(1)).unwrap();
    let (from, to) = help.trim_end_matches('`').split_once(' ').unwrap();
    std::fs::copy(from, to).unwrap();
    let answer = region.run(&change).unwrap();
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    region.serves("r2");
}

#[test]
fn a_given_secret_is_rolled_back_with_its_release() {
    let region = Region::new().unwrap();
    let source = region.folder.path().join("token");
    let given = ["--set", "secrets.drain_token.source=file"];
    let from = format!("secrets.drain_token.from={}", source.display());
    let deploy = |value: &str| {
        std::fs::write(&source, value).unwrap();
        let args: Vec<&str> = ["deploy"].into_iter().chain(given).chain(["--set", &from]).collect();
        let answer = region.run(&args).unwrap();
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    };
    deploy("the first value, long enough");
    deploy("the second value, long enough");
    let own = |instance: &str| {
        let path = region.state(&format!("local/instances/{instance}/secrets/drain_token"));
        std::fs::read_to_string(path).unwrap()
    };
    assert_eq!(own("play-r2-0"), "the second value, long enough");
    std::fs::remove_file(&source).unwrap();
    let back = region.run(&["rollback", "--yes"]).unwrap();
    assert_eq!(back.code, Some(0), "{}", back.stderr);
    region.serves("r1");
    assert_eq!(own("play-r1-0"), "the first value, long enough");
}

#[test]
fn a_changed_config_restarts_who_names_it_and_is_rolled_back_with_its_release() {
    let region = Region::new().unwrap();
    let file = region.folder.path().join("motd.txt");
    let named = format!("{HEAD}{SERVICES}")
        .replace("capacity: 10\n", "capacity: 10\n    configs: [motd]\n");
    let spec = format!("configs: {{motd: {{from: motd.txt}}}}\n{named}");
    std::fs::write(region.folder.path().join("arena.yaml"), spec).unwrap();
    let deploy = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let answer = region.run(&["deploy"]).unwrap();
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        answer
    };
    deploy("hello");
    let answer = deploy("good evening");
    assert!(answer.stderr.contains("configs.motd: sha "), "{}", answer.stderr);
    assert!(!answer.stderr.contains("gateway-r2-0"), "{}", answer.stderr);
    let own = |instance: &str| {
        let path = region.state(&format!("local/instances/{instance}/configs/motd"));
        std::fs::read_to_string(path).unwrap()
    };
    assert_eq!(own("play-r2-0"), "good evening");
    std::fs::remove_file(&file).unwrap();
    let answer = region.run(&["plan"]).unwrap();
    assert_eq!(answer.code, Some(4), "{}", answer.stderr);
    assert!(answer.stderr.contains("motd.txt"), "{}", answer.stderr);
    let back = region.run(&["rollback", "--yes"]).unwrap();
    assert_eq!(back.code, Some(0), "{}", back.stderr);
    assert_eq!(own("play-r1-0"), "hello");
}

#[test]
fn a_taken_port_is_found_before_anything_is_started_and_a_changed_one_is_used() {
    let region = Region::deployed().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let setting = format!("services.gateway.ports.public={port}");
    let answer = region.run(&["deploy", "--set", &setting]).unwrap();
    assert_eq!(answer.code, Some(4), "{}", answer.stderr);
    let holder = format!("port {port} of `gateway` is taken by `");
    assert!(answer.stderr.contains(&holder), "{}", answer.stderr);
    assert!(answer.stderr.contains(&format!("(pid {})", std::process::id())), "{}", answer.stderr);
    region.serves("r1");
    drop(held);
    let answer = region.run(&["deploy", "--set", &setting]).unwrap();
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert_eq!(region.status().unwrap()["url"], format!("http://127.0.0.1:{port}/"));
}
