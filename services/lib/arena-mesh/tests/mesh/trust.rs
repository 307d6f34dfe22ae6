use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use arena_mesh::{
    CA_KEY_FILE, Ca, CaError, CertificateFault, Channel, ConnectError, Endpoint, Identity,
    KEY_FILE, Leaf, Material, MaterialError, Policy, PolicyHandle, SpiffeId,
    testing::{
        echo::{Echo, EchoClient},
        mesh_of,
    },
};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use tonic::Code;

use super::{Audit, message, soon, start};

const HOUR: Duration = Duration::from_hours(1);

fn id(service: &str, instance: &str) -> SpiffeId {
    SpiffeId::new("test", service, instance).unwrap()
}

async fn audited(audit: &Audit) -> String {
    soon(async {
        loop {
            if let Some(line) = audit.lines().pop() {
                return line;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_caller_of_another_ca_is_rejected_with_a_typed_error_and_audited() {
    let (audit, _guard) = Audit::listen();
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, addr) = start(mesh.server("echo", "1"), &echo);
    let stranger = Ca::create("test").unwrap();
    let both = format!("{}{}", stranger.cert_pem(), mesh.ca().cert_pem());
    let caller = stranger.issue_with_roots(&id("caller", "1"), HOUR, &both).unwrap();
    let channel = Channel::builder(Identity::new(caller)).service("echo");
    let mut client = EchoClient::new(channel.pinned(Endpoint::new("1", addr)));
    let status = soon(client.unary(message(1))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(matches!(ConnectError::of(&status), Some(ConnectError::Rejected { .. })), "{status}");
    assert!(audited(&audit).await.contains("handshake refused"));
    assert_eq!(echo.counters().calls(), 0);
}

#[tokio::test]
async fn a_server_of_another_ca_is_not_trusted() {
    let mesh = mesh_of(0);
    let (_serving, addr) = start(mesh_of(0).server("echo", "1"), &Echo::default());
    let mut client = super::client(mesh.channel("caller", "echo"), "1", addr);
    let status = soon(client.unary(message(1))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    let cause = ConnectError::of(&status);
    assert!(matches!(cause, Some(ConnectError::UntrustedServer { .. })), "{cause:?}");
}

#[tokio::test]
async fn a_server_with_another_name_is_not_called() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (_serving, addr) = start(mesh.server("echo", "1"), &echo);
    for (service, instance) in [("auth", "1"), ("echo", "2")] {
        let mut client = super::client(mesh.channel("caller", service), instance, addr);
        let status = soon(client.unary(message(1))).await.unwrap_err();
        let cause = ConnectError::of(&status);
        assert!(matches!(cause, Some(ConnectError::WrongServer { .. })), "{service} {cause:?}");
    }
    assert_eq!(echo.counters().calls(), 0);
}

#[tokio::test]
async fn a_call_without_permission_is_refused_and_audited_until_the_table_changes() {
    let (audit, _guard) = Audit::listen();
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let policy =
        PolicyHandle::from(Policy::deny_all().allow(&["gateway"], &["arena.echo.v1.Echo/*"]));
    let (_serving, addr) = start(mesh.server("echo", "1").policy(policy.clone()), &echo);
    let mut client = super::client(mesh.channel("caller", "echo"), "1", addr);
    let status = soon(client.unary(message(1))).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let line = audited(&audit).await;
    for part in ["call refused", "spiffe://test/caller/1", "arena.echo.v1.Echo/Unary"] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(echo.counters().calls(), 0);

    policy.store(Policy::deny_all().allow(&["caller"], &["arena.echo.v1.Echo/Unary"]));
    soon(client.unary(message(1))).await.unwrap();
    policy.store(Policy::deny_all());
    let status = soon(client.unary(message(1))).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_method_nobody_serves_is_unimplemented() {
    let (mesh, echo) = (mesh_of(0), Echo::default());
    let (socket, addr) = arena_mesh::testing::loopback();
    let _serving = mesh.server("echo", "1").serve(socket).unwrap();
    let mut client = super::client(mesh.channel("caller", "echo"), "1", addr);
    assert_eq!(soon(client.unary(message(1))).await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(echo.counters().calls(), 0);
}

#[test]
fn files_that_others_own_in_a_folder_nobody_may_write_to_are_an_identity() {
    let dir = tempfile::tempdir().unwrap();
    let identity = dir.path().join("identity");
    Ca::create("test").unwrap().issue(&id("game", "g1"), HOUR).unwrap().save(&identity).unwrap();
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(&identity.join(KEY_FILE), 0o444); // as Docker mounts a secret by default
    allow(&identity, 0o555);
    let read = Material::load(&identity).map(|it| it.id().clone());
    allow(&identity, 0o755); // so that it can be cleaned up
    assert_eq!(read.unwrap(), id("game", "g1"));
}

#[test]
fn a_ca_and_what_it_issues_survive_their_folders() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::create("test").unwrap();
    ca.save(dir.path()).unwrap();
    let loaded = Ca::load("test", dir.path()).unwrap();
    let issued = loaded.issue_with_roots(&id("game", "g1"), HOUR, ca.cert_pem()).unwrap();
    let identity = dir.path().join("identity");
    issued.save(&identity).unwrap();
    for file in [dir.path().join(CA_KEY_FILE), identity.join(KEY_FILE)] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let read = Material::load(&identity).unwrap();
    assert_eq!((read.id(), read.not_after()), (issued.id(), issued.not_after()));
    assert!(read.rotate_at() < read.not_after());
    let leaf = Leaf::from_pem(issued.cert_pem()).unwrap();
    assert_eq!((&leaf.id, leaf.not_after), (issued.id(), issued.not_after()));
    assert!(Leaf::from_pem(issued.key_pem()).is_err(), "a key is no certificate");
    let elsewhere = SpiffeId::new("production", "game", "g1").unwrap();
    assert!(matches!(ca.issue(&elsewhere, HOUR), Err(CaError::OtherCluster { .. })));
}

#[test]
fn keys_and_roots_that_do_not_belong_are_refused() {
    let ca = Ca::create("test").unwrap();
    let (one, two) =
        (ca.issue(&id("a", "1"), HOUR).unwrap(), ca.issue(&id("a", "1"), HOUR).unwrap());
    let parse = Material::from_pem;
    let roots = one.roots_pem();
    let wrong_key = parse(one.cert_pem(), two.key_pem(), roots).unwrap_err();
    assert!(matches!(wrong_key, MaterialError::Key { .. }), "{wrong_key:?}");
    let stranger = Ca::create("test").unwrap();
    let untrusted = parse(one.cert_pem(), one.key_pem(), stranger.cert_pem()).unwrap_err();
    assert!(matches!(untrusted, MaterialError::Untrusted { .. }), "{untrusted:?}");
    let none = parse("", one.key_pem(), roots).unwrap_err();
    assert!(matches!(none, MaterialError::Empty { .. }), "{none:?}");
    let garbled = one.cert_pem().replace("MII", "M*I");
    assert!(matches!(parse(&garbled, one.key_pem(), roots), Err(MaterialError::Pem { .. })));
    let expired = refusal(|it| it.not_after = rcgen::date_time_ymd(2020, 1, 1));
    assert!(matches!(expired, MaterialError::Untrusted { .. }), "{expired:?}");
}

/// Signs a leaf after `change` and returns why it is refused.
fn refusal(change: impl FnOnce(&mut CertificateParams)) -> MaterialError {
    let key = KeyPair::generate().unwrap();
    let mut root = CertificateParams::new(Vec::<String>::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let roots = root.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(root, key);
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![uri("spiffe://test/a/1")];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    Material::from_pem(&leaf.pem(), &key.serialize_pem(), &roots).unwrap_err()
}

fn fault(change: impl FnOnce(&mut CertificateParams)) -> CertificateFault {
    match refusal(change) {
        MaterialError::Leaf { source } => source,
        other => panic!("{other:?}"),
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

#[test]
fn leaves_that_break_the_rules_of_spiffe_are_refused() {
    assert_eq!(fault(|it| it.subject_alt_names.clear()), CertificateFault::UriNames { count: 0 });
    let second = uri("spiffe://test/b/1");
    assert_eq!(
        fault(|it| it.subject_alt_names.push(second)),
        CertificateFault::UriNames { count: 2 }
    );
    let other = uri("https://example.org/a");
    assert!(matches!(fault(|it| it.subject_alt_names = vec![other]), CertificateFault::Id { .. }));
    assert_eq!(
        fault(|it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        CertificateFault::IsCa
    );
    assert_eq!(
        fault(|it| it.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
        CertificateFault::IsCa
    );
    assert_eq!(
        fault(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        CertificateFault::KeyUsage
    );
}
