//! The service over the real mesh and real embedded stores.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are tests, too")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use arena_auth::logic::SigningKeys;
use arena_auth::{Accounts, AuthError, AuthSettings, Origin, PROGRAM, run};
use arena_env::SecretsDir;
use arena_instance::Instance;
use arena_mesh::Channel;
use arena_telemetry::Metrics;
use arena_testkit::Cluster;
use arena_types::PlayerId;
use arena_types::registry::{EPOCHS, epoch_key};
use arena_wire::auth::v1::auth_client::AuthClient;
use arena_wire::auth::v1::{
    BanRequest, KeysRequest, LoginDeviceRequest, LoginEmailRequest, LogoutRequest, RefreshRequest,
    RegisterEmailRequest, UnbanRequest,
};
use tonic::{Code, Status};

const SETTINGS: AuthSettings = AuthSettings { logins_per_ip: 100 };
const IP: &str = "192.0.2.7";
/// Beyond it a test is stuck, not slow.
const PATIENCE: Duration = Duration::from_secs(20);
const NOW_MS: u64 = 1_800_000_000_000;

/// Starts the service; it ends with the test.
async fn service() -> (Cluster, Instance) {
    let cluster = Cluster::start().await.unwrap();
    let instance = cluster.instance(PROGRAM, "auth", 0).unwrap();
    tokio::spawn(run(instance.clone(), SETTINGS));
    (cluster, instance)
}

fn client(cluster: &Cluster, caller: &str, instance: &Instance) -> AuthClient<Channel> {
    AuthClient::new(cluster.channel(caller, instance).unwrap())
}

fn device(byte: u8, name: &str) -> LoginDeviceRequest {
    LoginDeviceRequest {
        device_secret: vec![byte; 32],
        display_name: name.to_owned(),
        remote_ip: IP.to_owned(),
    }
}

fn refresh(token: &str) -> RefreshRequest {
    RefreshRequest { refresh_token: token.to_owned(), remote_ip: IP.to_owned() }
}

fn accounts(cluster: &Cluster, settings: AuthSettings) -> Accounts {
    let secrets = SecretsDir::new(cluster.folder().join("secrets"));
    let keys = SigningKeys::new(&secrets.read("auth_signing_key").unwrap(), None).unwrap();
    Accounts::new(&cluster.stores(), &Metrics::new(), keys, "test".parse().unwrap(), settings)
}

fn at(ms: u64) -> Origin {
    Origin { ip: IP.to_owned(), now_ms: NOW_MS + ms }
}

#[tokio::test]
async fn a_device_finds_its_account_again() {
    let (cluster, instance) = service().await;
    let mut gateway = client(&cluster, "gateway/gateway-r1-0", &instance);
    let first = gateway.login_device(device(1, "Ada")).await.unwrap().into_inner();
    assert!(first.created);
    assert_eq!(first.display_name, "Ada");
    let again = gateway.login_device(device(1, "")).await.unwrap().into_inner();
    assert_eq!((again.created, &again.player, &*again.display_name), (false, &first.player, "Ada"));
    let renamed = gateway.login_device(device(1, " Ada  L. ")).await.unwrap().into_inner();
    assert_eq!((&renamed.player, &*renamed.display_name), (&first.player, "Ada L."));
    let other = gateway.login_device(device(2, "")).await.unwrap().into_inner();
    assert_ne!(other.player, first.player);
    assert!(other.display_name.starts_with("Player "), "{}", other.display_name);

    let keys = gateway.keys(KeysRequest {}).await.unwrap().into_inner().keys;
    assert_eq!((keys.len(), keys[0].public_key.len()), (1, 32));
    let header = jsonwebtoken::decode_header(&first.access_token).unwrap();
    assert_eq!(header.kid.as_ref(), Some(&keys[0].kid));
    let key = jsonwebtoken::DecodingKey::from_ed_der(&keys[0].public_key);
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_issuer(&["test"]);
    let claims: serde_json::Value =
        jsonwebtoken::decode(&first.access_token, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], first.player);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
}

#[tokio::test]
async fn only_those_in_the_table_may_call() {
    let (cluster, instance) = service().await;
    let refused = client(&cluster, "game/game-r1-0", &instance).login_device(device(1, "")).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let ban = BanRequest { player: "0000000000007".to_owned(), ..BanRequest::default() };
    let refused = client(&cluster, "gateway/gateway-r1-0", &instance).ban(ban).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_alike() {
    let (cluster, instance) = service().await;
    let mut gateway = client(&cluster, "gateway/gateway-r1-0", &instance);
    let register = RegisterEmailRequest {
        email: "Ada@Example.org".to_owned(),
        password: "correct horse".to_owned(),
        display_name: "Ada".to_owned(),
        remote_ip: IP.to_owned(),
    };
    let made = gateway.register_email(register.clone()).await.unwrap().into_inner();
    let taken = gateway.register_email(register).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let login = |email: &str, password: &str| LoginEmailRequest {
        email: email.to_owned(),
        password: password.to_owned(),
        remote_ip: IP.to_owned(),
    };
    let right = gateway.login_email(login("ada@example.org", "correct horse")).await.unwrap();
    assert_eq!(right.into_inner().player, made.player);
    let mut refusals: Vec<(Code, String)> = Vec::new();
    for (email, password) in
        [("ada@example.org", "wrong horse"), ("bob@example.org", "wrong horse"), ("bob", "x")]
    {
        let refused: Status = gateway.login_email(login(email, password)).await.unwrap_err();
        refusals.push((refused.code(), refused.message().to_owned()));
    }
    assert_eq!(refusals[0].0, Code::Unauthenticated);
    assert!(refusals.iter().all(|it| *it == refusals[0]), "{refusals:?}");
}

#[tokio::test]
async fn a_ban_ends_sessions_and_tokens() {
    let (cluster, instance) = service().await;
    let mut gateway = client(&cluster, "gateway/gateway-r1-0", &instance);
    let mut operator = client(&cluster, "operator/ann", &instance);
    let granted = gateway.login_device(device(1, "Ada")).await.unwrap().into_inner();
    let player: PlayerId = granted.player.parse().unwrap();
    let ban = |until_ms| BanRequest {
        player: granted.player.clone(),
        until_ms,
        reason: "spam".to_owned(),
        by: "ann".to_owned(),
    };
    let past = operator.ban(ban(1)).await.unwrap_err();
    assert_eq!(past.code(), Code::InvalidArgument);
    let mut epochs = instance.mirror(EPOCHS);
    assert!(epochs.first().await.is_empty());
    operator.ban(ban(0)).await.unwrap();
    let entries = epochs.changed().await;
    assert!(entries.contains_key(&player.to_string()), "gateways see it in {}", epoch_key(player));

    let login = gateway.login_device(device(1, "")).await.unwrap_err();
    assert_eq!(login.code(), Code::PermissionDenied);
    assert!(login.message().contains("for ever: spam"), "{}", login.message());
    let refreshed = gateway.refresh(refresh(&granted.refresh_token)).await.unwrap_err();
    assert_eq!(refreshed.code(), Code::Unauthenticated);

    let unban = UnbanRequest { player: granted.player.clone(), by: "ann".to_owned() };
    operator.unban(unban).await.unwrap();
    let back = gateway.login_device(device(1, "")).await.unwrap().into_inner();
    let claims = back.access_token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let epoch: u64 = serde_json::from_slice(&entries[&player.to_string()]).unwrap();
    assert_eq!(claims["epoch"].as_u64(), Some(epoch), "a new token is above the ban");
}

#[tokio::test]
async fn a_session_ends_with_its_logout() {
    let (cluster, instance) = service().await;
    let mut gateway = client(&cluster, "gateway/gateway-r1-0", &instance);
    let granted = gateway.login_device(device(1, "Ada")).await.unwrap().into_inner();
    let next = gateway.refresh(refresh(&granted.refresh_token)).await.unwrap().into_inner();
    assert_ne!(next.refresh_token, granted.refresh_token);
    let token = next.refresh_token.clone();
    gateway.logout(LogoutRequest { refresh_token: token.clone() }).await.unwrap();
    let over = gateway.refresh(refresh(&token)).await.unwrap_err();
    assert_eq!(over.code(), Code::Unauthenticated);
    gateway.logout(LogoutRequest { refresh_token: token }).await.unwrap();
}

#[tokio::test]
async fn a_token_used_twice_ends_its_family_unless_a_reply_was_lost() {
    let cluster = Cluster::start().await.unwrap();
    let accounts = accounts(&cluster, SETTINGS);
    let first = accounts.login_device(&[1; 32], "", &at(0)).await.unwrap().refresh.reveal();
    let lost = accounts.refresh(&first, &at(1_000)).await.unwrap().refresh.reveal();
    let second = accounts.refresh(&first, &at(5_000)).await.unwrap().refresh.reveal();
    assert_ne!(lost, second, "the reply that came replaces the one that was lost");
    let third = accounts.refresh(&second, &at(60_000)).await.unwrap().refresh.reveal();
    let thief = accounts.refresh(&second, &at(80_000)).await;
    assert!(matches!(thief, Err(AuthError::SessionOver)), "{thief:?}");
    let owner = accounts.refresh(&third, &at(81_000)).await;
    assert!(matches!(owner, Err(AuthError::SessionOver)), "the whole family is over: {owner:?}");
}

#[tokio::test]
async fn guessing_is_limited_by_account_and_by_address() {
    let cluster = Cluster::start().await.unwrap();
    let accounts = accounts(&cluster, AuthSettings { logins_per_ip: 8 });
    let guess = |who: &'static str| {
        let accounts = accounts.clone();
        async move { accounts.login_email(who, "wrong horse".to_owned(), &at(0)).await }
    };
    for _ in 0..5 {
        assert!(matches!(guess("ada@example.org").await, Err(AuthError::WrongCredentials)));
    }
    let limited = guess("ada@example.org").await;
    let Err(AuthError::Limited { retry_after }) = limited else { panic!("{limited:?}") };
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(12));
    for _ in 0..2 {
        let _ = guess("bob@example.org").await;
    }
    assert!(matches!(guess("cyd@example.org").await, Err(AuthError::Limited { .. })));
}

#[tokio::test]
async fn a_placeholder_is_no_signing_key() {
    let cluster = Cluster::start().await.unwrap();
    let key = cluster.folder().join("secrets/auth_signing_key");
    for (content, expected) in [
        ("00".repeat(32), "one byte 32 times is a placeholder"),
        ("changeme".to_owned(), "64 hexadecimal digits"),
    ] {
        std::fs::write(&key, content).unwrap();
        let instance = cluster.instance(PROGRAM, "auth", 0).unwrap();
        let error = run(instance, SETTINGS).await.unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("auth_signing_key"), "{error}");
    }
    std::fs::remove_file(&key).unwrap();
    let error = run(cluster.instance(PROGRAM, "auth", 0).unwrap(), SETTINGS).await.unwrap_err();
    assert!(error.to_string().contains("arenactl secret"), "{error}");
}

#[test]
fn a_wrong_environment_is_explained_at_once() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_arena-auth"))
        .env_clear()
        .env("ARENA_CLUSTER", "Demo")
        .env("ARENA_AUTH_LOGINS_PER_IP", "0")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    for part in [
        "arena-auth: failed to read settings from the environment, 9 wrong:",
        "ARENA_CLUSTER=`Demo`: must be a cluster name",
        "ARENA_STORE_ADDR is not set",
        "ARENA_AUTH_LOGINS_PER_IP=`0`: must be at least 1",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

/// Runs `arena-auth healthcheck` and returns its line, and whether it exits with 0.
fn healthcheck(temp: &Path, side: SocketAddr) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_arena-auth"))
        .arg("healthcheck")
        .env_clear()
        .env("ARENA_INSTANCE", "auth-r1-0")
        .env("ARENA_SIDE_ADDR", side.to_string())
        .env("TMPDIR", temp)
        .output()
        .unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_healthy_once_ready_and_stays_so_while_it_lives() {
    let cluster = Cluster::start().await.unwrap();
    let instance = cluster.instance(PROGRAM, "auth", 0).unwrap();
    let (temp, side) = (cluster.folder(), instance.side_addr());
    let check = |text: &str, is_healthy| {
        assert_eq!(healthcheck(temp, side), (format!("{text}\n"), is_healthy));
    };
    check("unhealthy: failed to become ready: the service starts", false);
    instance.ready().await;
    check("healthy: it is ready", true);
    instance.waits_for("the store is away").await;
    check("healthy: it lives, and was ready", true);
    instance.report(|it| it.sessions = 1);
    instance.terminate().await;
    check("healthy: it lives, and was ready", true);
    let nowhere = cluster.folder().join("nowhere");
    let (text, is_healthy) = healthcheck(&nowhere, side);
    assert!(!is_healthy && text.contains("mount a tmpfs there"), "{text}");
}

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have exited
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_waits_for_the_stores_name_says_so_and_can_be_stopped() {
    let cluster = Cluster::start().await.unwrap();
    let identity = cluster.settings("auth", 1, 0).unwrap().identity_dir;
    // Free a moment ago: a check that is told the port must know it beforehand.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_arena-auth"));
    child
        .env_clear()
        .env("ARENA_CLUSTER", arena_testkit::CLUSTER)
        .env("ARENA_REGION", "local")
        .env("ARENA_SERVICE", "auth")
        .env("ARENA_INSTANCE", "auth-r1-0")
        .env("ARENA_RELEASE", "r1")
        .env("ARENA_SIDE_ADDR", format!("0.0.0.0:{}", free.port()))
        .env("ARENA_STORE_ADDR", "store.invalid:7400")
        .env("ARENA_IDENTITY_DIR", identity)
        .env("ARENA_SECRETS_DIR", cluster.folder().join("secrets"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = Running(child.spawn().unwrap());
    let waits = async {
        let reason = "there is no way to the store at store.invalid:7400";
        while !healthcheck(cluster.folder(), free).0.contains(reason) {
            assert!(child.0.try_wait().unwrap().is_none(), "it waits");
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.expect("it says what it waits for");
    let pid = child.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || child.0.wait());
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it stops");
    assert!(ended.unwrap().unwrap().success());
}
