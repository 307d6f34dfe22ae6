use std::{net::SocketAddr, time::Duration};

use arena_mesh::{
    Ejection, Endpoint, PeakEwma, Resolved, RetryBudget, Serving, Static, Watched,
    testing::{
        TestMesh,
        echo::{Echo, EchoClient},
        mesh_of,
    },
};
use tokio::sync::watch;
use tonic::{Code, Request};

use super::{message, soon, start};

/// Starts `echo/0`, `echo/1` … and returns them with their endpoints.
fn start_all(mesh: &TestMesh, echoes: &[Echo]) -> (Vec<Serving>, Vec<Endpoint>) {
    let started = echoes.iter().enumerate().map(|(index, echo)| {
        let instance = index.to_string();
        let (serving, addr): (Serving, SocketAddr) = start(mesh.server("echo", &instance), echo);
        (serving, Endpoint::new(instance, addr))
    });
    started.unzip()
}

const NO_EJECTION: Ejection = Ejection {
    consecutive: u32::MAX,
    base: Duration::from_secs(1),
    max: Duration::from_secs(1),
    max_percent: 0,
};

#[tokio::test]
async fn the_faster_of_two_gets_most_calls() {
    let mesh = mesh_of(0);
    let echoes = [Echo::slow(Duration::from_millis(30)), Echo::default()];
    let (_servings, endpoints) = start_all(&mesh, &echoes);
    let channel = mesh.channel("caller", "echo").discover(Static::new(endpoints));
    let callers = (0..4).map(|_| {
        let mut client = EchoClient::new(channel.clone());
        async move {
            for _ in 0..50 {
                client.unary(message(10)).await.unwrap();
            }
        }
    });
    soon(futures::future::join_all(callers)).await;
    let [slow, fast] = [echoes[0].counters().calls(), echoes[1].counters().calls()];
    assert_eq!(slow + fast, 200);
    assert!((1..=40).contains(&slow), "the slow one got {slow} of 200");
}

#[tokio::test]
async fn idempotent_calls_are_tried_elsewhere_and_others_are_not() {
    let mesh = mesh_of(0);
    let echoes = [Echo::failing(Code::Unavailable), Echo::default()];
    let (_servings, endpoints) = start_all(&mesh, &echoes);
    let describe = || mesh.channel("caller", "echo").eject(NO_EJECTION);
    let repeat = describe()
        .idempotent(|method| method == "arena.echo.v1.Echo/Unary")
        .discover(Static::new(endpoints.clone()));
    let mut client = EchoClient::new(repeat);
    for _ in 0..20 {
        soon(client.unary(message(1))).await.expect("tried at the other one");
    }
    let once = describe().discover(Static::new([endpoints[0].clone()]));
    let calls = echoes[0].counters().calls();
    let status = soon(EchoClient::new(once).unary(message(1))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(echoes[0].counters().calls(), calls + 1);
}

#[tokio::test]
async fn retries_stay_within_their_budget() {
    let mesh = mesh_of(0);
    let echoes = [Echo::failing(Code::Unavailable)];
    let (_servings, endpoints) = start_all(&mesh, &echoes);
    let budget = RetryBudget { ratio: 0.1, min_per_s: 1, ttl: Duration::from_secs(10) };
    let channel = mesh
        .channel("caller", "echo")
        .eject(NO_EJECTION)
        .retry(budget)
        .idempotent(|_| true)
        .discover(Static::new(endpoints));
    let mut client = EchoClient::new(channel);
    for _ in 0..100 {
        soon(client.unary(message(1))).await.unwrap_err();
    }
    let retries = echoes[0].counters().calls() - 100;
    // 10 earned by 100 calls and 1/s × 10 s in reserve; one more may slip in as the window moves on.
    assert!((10..=22).contains(&retries), "{retries} retries of 100 calls");
}

#[tokio::test]
async fn an_instance_that_keeps_failing_is_ejected() {
    let mesh = mesh_of(0);
    let echoes = [Echo::failing(Code::Internal), Echo::default()];
    let (_servings, endpoints) = start_all(&mesh, &echoes);
    let ejection = Ejection {
        consecutive: 3,
        base: Duration::from_mins(1),
        max: Duration::from_mins(1),
        max_percent: 50,
    };
    // Failures cost nothing here, so that only ejection keeps calls away.
    let balance = PeakEwma { failure: Duration::ZERO, ..PeakEwma::default() };
    let channel = mesh.channel("caller", "echo").balance(balance).eject(ejection);
    let mut client = EchoClient::new(channel.discover(Static::new(endpoints)));
    let mut failed = 0;
    for _ in 0..100 {
        failed += usize::from(soon(client.unary(message(1))).await.is_err());
    }
    assert!((1..=3).contains(&failed), "{failed} of 100 failed");
    assert_eq!(echoes[0].counters().calls(), failed);
}

#[tokio::test]
async fn a_call_waits_for_an_instance_until_its_deadline() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, addr) = start(mesh.server("echo", "1"), &echo);
    let (set, sets) = watch::channel(Vec::new());
    let channel = mesh.channel("caller", "echo").discover(Watched::new(sets));
    let mut client = EchoClient::new(channel.clone());
    let mut request = Request::new(message(1));
    request.set_timeout(Duration::from_millis(100));
    let status = soon(client.unary(request)).await.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status}");

    let waiting = tokio::spawn({
        let mut client = client.clone();
        async move { client.unary(message(1)).await }
    });
    tokio::task::yield_now().await;
    set.send_replace(vec![Endpoint::new("1", addr)]);
    soon(waiting).await.unwrap().expect("the call waited for the instance");
    assert_eq!(channel.instances(), (1, 1));
}

#[tokio::test]
async fn a_call_goes_to_an_instance_behind_a_host_name() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, addr) = start(mesh.server("echo", "1"), &echo);
    let resolved = Resolved::new("localhost", addr.port());
    let channel = mesh.channel("caller", "echo").discover(resolved);
    soon(EchoClient::new(channel).unary(message(1))).await.expect("the name leads there");
    assert_eq!(echo.counters().calls(), 1);
}

#[tokio::test]
async fn a_removed_instance_gets_no_more_calls_and_the_last_set_stays() {
    let mesh = mesh_of(0);
    let echoes = [Echo::default(), Echo::default()];
    let (_servings, endpoints) = start_all(&mesh, &echoes);
    let (set, sets) = watch::channel(endpoints.clone());
    let channel = mesh.channel("caller", "echo").discover(Watched::new(sets));
    let mut client = EchoClient::new(channel.clone());
    while echoes.iter().any(|echo| echo.counters().calls() == 0) {
        soon(client.unary(message(1))).await.unwrap();
    }
    set.send_replace(vec![endpoints[1].clone()]);
    soon(async {
        while channel.instances().0 > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let before = echoes[0].counters().calls();
    drop(set);
    for _ in 0..20 {
        soon(client.unary(message(1))).await.unwrap();
    }
    assert_eq!(echoes[0].counters().calls(), before);
}
