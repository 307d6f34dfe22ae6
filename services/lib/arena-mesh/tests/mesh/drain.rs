use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arena_mesh::{
    Channel, ConnectError, Drained, Endpoint, Seed, Static,
    testing::{
        echo::{Burst, Echo, EchoClient, Wait},
        loopback, mesh_of,
    },
};
use tokio::{net::UdpSocket, sync::watch};
use tonic::Code;

use super::{message, pair, soon, start};

#[tokio::test]
async fn a_drain_loses_no_call_while_another_instance_takes_over() {
    let mesh = mesh_of(0);
    let (first, second) = (Echo::slow(Duration::from_millis(2)), Echo::default());
    let (leaving, leaving_addr) = start(mesh.server("echo", "1"), &first);
    let (_staying, staying_addr) = start(mesh.server("echo", "2"), &second);
    let endpoints = [Endpoint::new("1", leaving_addr), Endpoint::new("2", staying_addr)];
    let channel = mesh.channel("caller", "echo").discover(Static::new(endpoints));
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (mut client, stop) = (EchoClient::new(channel.clone()), stop.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(Ordering::Relaxed) {
                    client.unary(message(100)).await.expect("no call is lost");
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    soon(async {
        while first.counters().calls() < 50 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let drained = soon(leaving.drain(Duration::from_secs(10))).await;
    assert_eq!(drained, Drained { cut: 0, closed: 0 });
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(soon(caller).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_drain_waits_for_handlers_and_their_last_bytes() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (serving, mut client) = pair(&mesh, &echo);
    let mut pushed = soon(client.push(Burst { count: 3_000, len: 1_024 })).await.unwrap();
    let mut waiting = client.clone();
    let waiting = tokio::spawn(async move { waiting.inspect(Wait { ms: 400 }).await });
    soon(echo.counters().waiting()).await;
    let draining = tokio::spawn(serving.drain(Duration::from_secs(10)));
    let mut count = 0;
    while soon(pushed.get_mut().message()).await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 3_000);
    soon(waiting).await.unwrap().expect("the handler ran to its end");
    assert_eq!(soon(draining).await.unwrap(), Drained { cut: 0, closed: 0 });
    let mut request = tonic::Request::new(message(1));
    request.set_timeout(Duration::from_millis(300));
    let status = soon(client.unary(request)).await.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status}");
}

#[tokio::test]
async fn a_drain_ends_with_its_grace() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (serving, mut client) = pair(&mesh, &echo);
    let waiting = tokio::spawn(async move { client.inspect(Wait { ms: 60_000 }).await });
    soon(echo.counters().waiting()).await;
    let drained = soon(serving.drain(Duration::from_millis(100))).await;
    assert_eq!(drained.cut, 1);
    let status = soon(waiting).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    soon(echo.counters().dropped()).await;
}

/// Passes datagrams between one client and `to` until told to swallow them.
async fn proxy(to: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let (inner, outer) = (
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    );
    let addr = outer.local_addr().unwrap();
    let (swallow, swallowing) = watch::channel(false);
    tokio::spawn(async move {
        let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
        let mut client = None;
        loop {
            tokio::select! {
                Ok((len, from)) = outer.recv_from(&mut from_client) => {
                    client = Some(from);
                    let swallow = *swallowing.borrow();
                    if !swallow {
                        inner.send_to(&from_client[..len], to).await.unwrap();
                    }
                }
                Ok((len, _)) = inner.recv_from(&mut from_server) => {
                    let swallow = *swallowing.borrow();
                    if let (Some(client), false) = (client, swallow) {
                        outer.send_to(&from_server[..len], client).await.unwrap();
                    }
                }
            }
        }
    });
    (addr, swallow)
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_dead_after_the_idle_time() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, addr) = start(mesh.server("echo", "1"), &echo);
    let (through, swallow) = proxy(addr).await;
    let mut client = super::client(mesh.channel("caller", "echo"), "1", through);
    soon(client.unary(message(1))).await.unwrap();
    let waiting = tokio::spawn(async move { client.inspect(Wait { ms: 60_000 }).await });
    soon(echo.counters().waiting()).await;
    swallow.send_replace(true);
    let start = Instant::now();
    let status = soon(waiting).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(start.elapsed() < 3 * arena_mesh::IDLE_MAX, "{:?}", start.elapsed());
    soon(echo.counters().dropped()).await;
}

/// A process that dies without a word and comes back on its port: with the same seed the new one tells
/// old peers at once, by stateless reset, that their connection is gone.
#[test]
fn a_restarted_process_with_the_same_seed_is_noticed_at_once() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mesh, seed) = (mesh_of(0), Seed::derive(b"secret", "echo-1"));
    let (socket, addr) = loopback();
    let (for_first, echo) = (socket.try_clone().unwrap(), Echo::default());
    let describe = || mesh.server("echo", "1").seed(seed.clone()).add_service(echo.server());
    let (first, clients) = (runtime(), runtime());
    let mut client = clients.block_on(async {
        let channel: Channel = mesh.channel("caller", "echo").pinned(Endpoint::new("1", addr));
        EchoClient::new(channel)
    });
    let serving = first.block_on(async { describe().serve(for_first).unwrap() });
    std::thread::scope(|scope| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = scope.spawn(|| first.block_on(async { drop(stopped.await) }));
        clients.block_on(async { soon(client.unary(message(1))).await.unwrap() });
        stop.send(()).unwrap();
        server.join().unwrap();
    });
    std::mem::forget(serving); // dropping it would say goodbye
    first.shutdown_background();

    let second = runtime();
    let _serving = second.block_on(async { describe().serve(socket).unwrap() });
    std::thread::scope(|scope| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = scope.spawn(|| second.block_on(async { drop(stopped.await) }));
        clients.block_on(async {
            let start = Instant::now();
            if let Err(status) = soon(client.unary(message(1))).await {
                let cause = ConnectError::of(&status);
                assert!(matches!(cause, Some(ConnectError::Unreachable { .. })), "{status}");
            }
            soon(client.unary(message(1))).await.unwrap();
            assert!(start.elapsed() < arena_mesh::IDLE_MAX / 2, "{:?}", start.elapsed());
        });
        stop.send(()).unwrap();
        server.join().unwrap();
    });
}
