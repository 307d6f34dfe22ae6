use std::time::Duration;

use arena_mesh::{
    CERT_FILE, Ca, Channel, ConnectError, Endpoint, Identity, KEY_FILE, RotateError, SpiffeId,
    testing::{
        echo::{Echo, EchoClient, Wait},
        loopback,
    },
};

use super::{message, soon};

const HOUR: Duration = Duration::from_hours(1);

fn id(service: &str) -> SpiffeId {
    SpiffeId::new("test", service, "1").unwrap()
}

fn client(identity: &Identity, addr: std::net::SocketAddr) -> EchoClient<Channel> {
    let channel = Channel::builder(identity.clone()).service("echo");
    EchoClient::new(channel.pinned(Endpoint::new("1", addr)))
}

/// Replaces the CA of a running mesh, as operators do: roots old + new everywhere, then new leaves,
/// then roots new.
#[tokio::test]
async fn a_ca_is_replaced_without_a_restart() {
    let (old, new) = (Ca::create("test").unwrap(), Ca::create("test").unwrap());
    let both = format!("{}{}", old.cert_pem(), new.cert_pem());
    let server = Identity::new(old.issue(&id("echo"), HOUR).unwrap());
    let caller = Identity::new(old.issue(&id("caller"), HOUR).unwrap());
    let (socket, addr) = loopback();
    let mesh_policy = arena_mesh::Policy::deny_all().allow(&["*"], &["*"]);
    let _serving = arena_mesh::Server::builder(server.clone())
        .policy(mesh_policy)
        .add_service(Echo::default().server())
        .serve(socket)
        .unwrap();
    let mut before = client(&caller, addr);
    soon(before.unary(message(1))).await.unwrap();
    let waiting = tokio::spawn({
        let mut before = before.clone();
        async move { before.inspect(Wait { ms: 300 }).await }
    });

    for identity in [&server, &caller] {
        let with_both = identity.current().with_roots(&both).unwrap();
        identity.rotate(with_both).unwrap();
    }
    server.rotate(new.issue_with_roots(&id("echo"), HOUR, &both).unwrap()).unwrap();
    let fresh = soon(client(&caller, addr).unary(message(1))).await;
    fresh.expect("an old leaf and a new one trust each other under both roots");

    // Someone whose leaf and roots were forgotten: refused by whoever looks first.
    let forgotten = Identity::new(old.issue(&id("caller"), HOUR).unwrap());
    let status = soon(client(&forgotten, addr).unary(message(1))).await.unwrap_err();
    let cause = ConnectError::of(&status);
    assert!(matches!(cause, Some(ConnectError::UntrustedServer { .. })), "{cause:?}");

    caller.rotate(new.issue_with_roots(&id("caller"), HOUR, new.cert_pem()).unwrap()).unwrap();
    server.rotate(server.current().with_roots(new.cert_pem()).unwrap()).unwrap();
    soon(client(&caller, addr).unary(message(1))).await.expect("new leaves under the new root");
    let late = Identity::new(old.issue_with_roots(&id("caller"), HOUR, &both).unwrap());
    let status = soon(client(&late, addr).unary(message(1))).await.unwrap_err();
    let cause = ConnectError::of(&status);
    assert!(matches!(cause, Some(ConnectError::Rejected { .. })), "a removed root: {cause:?}");

    soon(waiting).await.unwrap().expect("calls in flight live through it");
    soon(before.unary(message(1))).await.expect("so do open connections");
}

#[tokio::test]
async fn a_watched_folder_rotates_and_keeps_the_last_good_files() {
    let (ca, dir) = (Ca::create("test").unwrap(), tempfile::tempdir().unwrap());
    ca.issue(&id("echo"), HOUR).unwrap().save(dir.path()).unwrap();
    let period = Duration::from_millis(5);
    let identity = Identity::watch_dir_every(dir.path(), period).unwrap();
    let mut rotations = identity.rotations();
    let first = identity.current().cert_pem().to_owned();

    ca.issue(&id("echo"), HOUR).unwrap().save(dir.path()).unwrap();
    soon(rotations.wait_for(|count| *count >= 1)).await.unwrap();
    let second = identity.current().cert_pem().to_owned();
    assert_ne!(first, second);

    for (file, content) in [(CERT_FILE, "garbage"), (KEY_FILE, first.as_str())] {
        std::fs::write(dir.path().join(file), content).unwrap();
    }
    std::fs::remove_file(dir.path().join(CERT_FILE)).unwrap();
    // A good rotation after the bad ones proves that they were seen and refused.
    ca.issue(&id("echo"), HOUR).unwrap().save(dir.path()).unwrap();
    soon(rotations.wait_for(|count| *count >= 2)).await.unwrap();
    assert_ne!(identity.current().cert_pem(), second);
    assert_eq!(*rotations.borrow(), 2, "nothing bad was taken");

    let other = ca.issue(&id("auth"), HOUR).unwrap();
    assert!(matches!(identity.rotate(other), Err(RotateError::OtherId { .. })));
    assert_eq!(identity.id(), id("echo"));
}
