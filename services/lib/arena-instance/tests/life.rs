//! An instance on real sockets and real embedded stores: its contract, its key, its end.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are tests, too")]

use std::time::Duration;

use arena_instance::{Instance, Load, Need, Order, Program, Threads};
use arena_testkit::{Cluster, http};
use arena_types::contract::{InstanceReport, InstanceState, NotReady};
use arena_types::registry::{InstanceRecord, instances_of};
use tokio::time::timeout;

const PROGRAM: Program = Program {
    name: "arena-example",
    needs: &[Need::Store],
    schema: &[("rules", 7)],
    threads: Threads::One,
};
/// Beyond it a test is stuck, not slow.
const PATIENCE: Duration = Duration::from_secs(20);
const DRAIN: &str = r#"{"deadline_s":60,"mode":"wait","at_deadline":"keep"}"#;

fn bearer(cluster: &Cluster) -> String {
    format!("authorization: Bearer {}", cluster.secret("drain_token").unwrap())
}

async fn report(instance: &Instance) -> InstanceReport {
    let answer = http(instance.side_addr(), "GET /instance", &[], "").await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// Waits until the registry says of `instance` what `expected` wants; `None`: that it is gone.
async fn registered(instance: &Instance, expected: impl Fn(Option<&InstanceRecord>) -> bool) {
    let own = instance.settings().instance.to_string();
    let mut mirror = instance.mirror(&instances_of(&instance.settings().service));
    let watch = async {
        let mut entries = mirror.first().await;
        while !expected(mirror.parsed(&entries).get(&own)) {
            entries = mirror.changed().await;
        }
    };
    timeout(PATIENCE, watch).await.expect("the registry follows the instance");
}

#[tokio::test]
async fn an_instance_lives_by_its_contract() {
    let cluster = Cluster::start().await.unwrap();
    let instance = cluster.instance(PROGRAM, "example", 0).unwrap();
    let side = instance.side_addr();
    let serving = instance.serve(|server| server).unwrap();
    let running = tokio::spawn({
        let instance = instance.clone();
        async move { instance.run(serving).await }
    });

    assert_eq!(http(side, "GET /livez", &[], "").await.unwrap().status, 200);
    let cold = http(side, "GET /readyz", &[], "").await.unwrap();
    assert_eq!(cold.status, 503);
    let NotReady { reason } = serde_json::from_str(&cold.body).unwrap();
    assert_eq!(reason, "the service starts");
    registered(&instance, |it| it.is_some_and(|it| it.state == InstanceState::Starting)).await;

    instance.ready().await;
    instance.set_capacity(5);
    instance.report(|it| (it.matches, it.moving) = (2, 1));
    assert_eq!(http(side, "GET /readyz", &[], "").await.unwrap().status, 200);
    registered(&instance, |it| {
        it.is_some_and(|it| {
            (it.state, it.matches, it.moving) == (InstanceState::Ready, 2, 1)
                && (it.capacity, it.rules_schema) == (5, 7)
                && it.mesh_addr == instance.mesh_addr()
        })
    })
    .await;
    let metrics = http(side, "GET /metrics", &[], "").await.unwrap();
    assert!(metrics.body.contains("arena_instance_state{state=\"ready\"} 1"), "{}", metrics.body);

    let bearer = bearer(&cluster);
    let drained = http(side, "POST /drain", &[&bearer], DRAIN).await.unwrap();
    assert_eq!(drained.status, 202, "{drained:?}");
    registered(&instance, |it| it.is_some_and(|it| it.state == InstanceState::Draining)).await;
    assert!(matches!(*instance.orders().borrow(), Order::Drain { .. }));
    let draining = report(&instance).await;
    assert!(draining.drain_left_s.is_some_and(|it| (1..=60).contains(&it)));
    let drain = draining.drain.unwrap();
    assert_eq!((drain.matches, drain.moving, drain.waiting, drain.estimate_s), (2, 1, 1, None));

    let back = http(side, "DELETE /drain", &[&bearer], "").await.unwrap();
    assert_eq!(back.status, 202, "{back:?}");
    assert_eq!(*instance.orders().borrow(), Order::Serve);
    let ready = report(&instance).await;
    assert_eq!((ready.state, ready.moving, ready.drain), (InstanceState::Ready, 1, None));

    instance.terminate().await;
    let refused = http(side, "DELETE /drain", &[&bearer], "").await.unwrap();
    assert_eq!(refused.status, 409, "an exit cannot be taken back: {refused:?}");
    assert!(!running.is_finished(), "two matches are left");
    instance.report(|it| *it = Load { unsaved: 1, ..Load::NONE });
    registered(&instance, |it| it.is_some_and(|it| it.matches == 0)).await;
    assert!(!running.is_finished(), "a result is not saved yet");
    instance.report(|it| *it = Load::NONE);
    timeout(PATIENCE, running).await.expect("nothing is left").unwrap();
    registered(&instance, |it| it.is_none()).await;
}

#[tokio::test]
async fn a_second_signal_stops_whatever_is_left() {
    let cluster = Cluster::start().await.unwrap();
    let instance = cluster.instance(PROGRAM, "example", 0).unwrap();
    let serving = instance.serve(|server| server).unwrap();
    instance.report(|it| it.sessions = 3);
    instance.ready().await;
    registered(&instance, |it| it.is_some_and(|it| it.sessions == 3)).await;
    instance.terminate().await;
    instance.terminate().await;
    timeout(PATIENCE, instance.run(serving)).await.expect("it is told to stop now");
    registered(&instance, |it| it.is_none()).await;
}

#[tokio::test]
async fn the_side_port_refuses_what_is_wrong() {
    let cluster = Cluster::start().await.unwrap();
    let instance = cluster.instance(PROGRAM, "example", 0).unwrap();
    let side = instance.side_addr();
    let right = bearer(&cluster);
    let wrong = format!("authorization: Bearer {}", "ab".repeat(32));
    let long = format!(r#"{{"deadline_s":60,"pad":"{}"}}"#, "x".repeat(8_000));
    for (request, header, body, status) in [
        ("POST /drain", "x: y", DRAIN, 401),
        ("POST /drain", &*wrong, DRAIN, 401),
        ("DELETE /drain", &*wrong, "", 401),
        ("POST /drain", &*right, "", 400),
        ("POST /drain", &*right, r#"{"deadline_s":0,"mode":"wait","at_deadline":"keep"}"#, 400),
        ("POST /drain", &*right, r#"{"deadline_s":"1m","mode":"wait","at_deadline":"keep"}"#, 400),
        ("POST /drain", &*right, &*long, 413),
        ("GET /drain", &*right, "", 405),
        ("POST /instance", &*right, "", 405),
        ("GET /", &*right, "", 404),
    ] {
        let answer = http(side, request, &[header], body).await.unwrap();
        assert_eq!(answer.status, status, "{request} {body}: {answer:?}");
        let refusal: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert!(refusal["error"].is_string() && refusal["help"].is_string(), "{answer:?}");
    }
    assert_eq!(report(&instance).await.state, InstanceState::Starting, "nothing changed");
}

#[tokio::test]
async fn another_instances_certificate_is_refused() {
    let cluster = Cluster::start().await.unwrap();
    let mut settings = cluster.settings("example", 1, 0).unwrap();
    settings.instance = "example-r1-1".parse().unwrap();
    let error = cluster.boot(PROGRAM, settings).unwrap_err().to_string();
    assert!(error.contains("spiffe://test/example/example-r1-1"), "{error}");
    assert!(error.contains("spiffe://test/example/example-r1-0"), "{error}");
}
