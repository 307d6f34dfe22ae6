use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use arena_mesh::{
    Endpoint, FRAME_LEN_MAX, Link, LinkError, LinkReceiver, LinkSender, Policy, Received, Serving,
    testing::{TestMesh, loopback, mesh_of},
};
use bytes::Bytes;
use tokio::sync::mpsc;
use tonic::Code;

use super::soon;

/// Starts `game/1`, which hands the links it accepts to the test.
fn game(mesh: &TestMesh) -> (Serving, SocketAddr, mpsc::Receiver<Link>) {
    let (socket, addr) = loopback();
    let (accepted, links) = mpsc::channel(8);
    let accepted = Arc::new(accepted);
    let server = mesh.server("game", "1").links(move |link| {
        let accepted = accepted.clone();
        async move {
            let ended = link.sender();
            accepted.send(link).await.unwrap();
            ended.closed().await;
        }
    });
    (server.serve(socket).unwrap(), addr, links)
}

async fn linked(mesh: &TestMesh, addr: SocketAddr) -> Result<Link, LinkError> {
    soon(mesh.channel("gateway", "game").pinned(Endpoint::new("1", addr)).link()).await
}

fn frame(flow: u32, seq: u32, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at as u32 ^ flow ^ (seq << 3)) as u8).collect()
}

#[tokio::test]
async fn ordered_messages_arrive_in_order_both_ways() {
    let mesh = mesh_of(0);
    let (_serving, addr, mut links) = game(&mesh);
    let mut ours = linked(&mesh, addr).await.unwrap();
    let mut theirs = soon(links.recv()).await.unwrap();
    assert_eq!(theirs.peer().id.service(), "gateway");
    assert_eq!((ours.peer().id.service(), ours.peer().addr), ("game", addr));
    let text = |n: u32| Bytes::from(vec![n as u8; (n as usize * 37) % 5_000]);
    let (to_them, to_us) = (ours.sender(), theirs.sender());
    let send = |to: LinkSender| async move {
        for n in 0..1_000 {
            to.send_ordered(text(n)).await.unwrap();
        }
    };
    tokio::spawn(send(to_them));
    tokio::spawn(send(to_us));
    for n in 0..1_000 {
        assert_eq!(soon(theirs.recv()).await, Some(Received::Ordered(text(n))));
        assert_eq!(soon(ours.recv()).await, Some(Received::Ordered(text(n))));
    }
}

/// Sends ticks of frames until the receiver has had some frame of every flow, and checks all of them.
async fn burst(to: &LinkSender, from: &mut LinkReceiver, flows: u32, len: usize) {
    let mut newest: HashMap<u32, u32> = HashMap::new();
    for seq in 1.. {
        for flow in 0..flows {
            to.send_latest(flow, seq, &frame(flow, seq, len)).unwrap();
        }
        while let Ok(received) =
            tokio::time::timeout(std::time::Duration::from_millis(20), from.recv()).await
        {
            let Some(Received::Latest { flow, seq, bytes }) = received else {
                panic!("{received:?}")
            };
            assert_eq!(bytes, frame(flow, seq, len));
            let before = newest.insert(flow, seq);
            assert!(before.is_none_or(|before| before < seq), "stale frame of flow {flow}");
        }
        if newest.len() == flows as usize {
            return;
        }
    }
}

#[tokio::test]
async fn bursts_of_fragmented_frames_arrive_whole_and_never_stale() {
    let mesh = mesh_of(0);
    let (_serving, addr, mut links) = game(&mesh);
    for (flows, len) in [(1, 0), (1, FRAME_LEN_MAX), (64, 1_000), (64, 3_000)] {
        let (_ours, mut from_game) = linked(&mesh, addr).await.unwrap().split();
        let to_gateway = soon(links.recv()).await.unwrap();
        soon(burst(&to_gateway.sender(), &mut from_game, flows, len)).await;
        let too_long = to_gateway.send_latest(1, u32::MAX, &vec![0; FRAME_LEN_MAX + 1]);
        assert!(matches!(too_long, Err(LinkError::TooLong { .. })));
    }
}

#[tokio::test]
async fn what_was_sent_before_the_end_still_arrives() {
    let mesh = mesh_of(0);
    let (_serving, addr, mut links) = game(&mesh);
    let mut ours = linked(&mesh, addr).await.unwrap();
    let theirs = soon(links.recv()).await.unwrap();
    for n in 0..100_u8 {
        theirs.send_ordered(Bytes::from(vec![n; 100])).await.unwrap();
    }
    drop(theirs);
    for n in 0..100_u8 {
        assert_eq!(soon(ours.recv()).await, Some(Received::Ordered(Bytes::from(vec![n; 100]))));
    }
    assert_eq!(soon(ours.recv()).await, None);
    let (sender, _receiver) = ours.split();
    soon(sender.closed()).await;
    assert!(sender.reason().is_none(), "{:?}", sender.reason());
    assert!(matches!(sender.send_latest(1, 1, b"x"), Err(LinkError::Closed)));
    soon(async {
        while sender.try_send_ordered(Bytes::from_static(b"x")).is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_fills_the_queue_and_loses_only_old_frames() {
    let mesh = mesh_of(0);
    let (_serving, addr, mut links) = game(&mesh);
    let mut ours = linked(&mesh, addr).await.unwrap();
    let theirs = soon(links.recv()).await.unwrap();
    let message = Bytes::from(vec![1; 64 * 1024]);
    let mut sent = 0;
    soon(async {
        loop {
            match theirs.sender().try_send_ordered(message.clone()) {
                Ok(()) => sent += 1,
                Err(LinkError::Full) if sent > 600 => return,
                Err(LinkError::Full) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
            assert!(sent < 2_000, "there is no bound");
        }
    })
    .await;
    for _ in 0..sent {
        assert_eq!(soon(ours.recv()).await, Some(Received::Ordered(message.clone())));
    }
}

#[tokio::test]
async fn links_need_permission_and_someone_who_takes_them() {
    let mesh = mesh_of(0);
    let refused = |policy: Policy| {
        let (socket, addr) = loopback();
        let server = mesh.server("game", "1").policy(policy).links(|_| async {});
        (server.serve(socket).unwrap(), addr)
    };
    let (_serving, addr) = refused(Policy::deny_all().allow(&["*"], &["arena.*"]));
    let Err(LinkError::Refused { status }) = linked(&mesh, addr).await else { panic!("linked") };
    assert_eq!(status.code(), Code::PermissionDenied);

    let (socket, addr) = loopback();
    let _serving = mesh.server("game", "1").serve(socket).unwrap();
    let Err(LinkError::Refused { status }) = linked(&mesh, addr).await else { panic!("linked") };
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_drained_server_ends_its_links() {
    let mesh = mesh_of(0);
    let (serving, addr, mut links) = game(&mesh);
    let mut ours = linked(&mesh, addr).await.unwrap();
    let theirs = soon(links.recv()).await.unwrap();
    let draining = tokio::spawn(serving.drain(super::PATIENCE));
    theirs.send_ordered(Bytes::from_static(b"bye")).await.unwrap();
    assert_eq!(soon(ours.recv()).await, Some(Received::Ordered(Bytes::from_static(b"bye"))));
    drop(theirs);
    assert_eq!(soon(ours.recv()).await, None);
    drop(ours);
    assert_eq!(soon(draining).await.unwrap().cut, 0);
}
