//! The service on the mesh: the only file with a clock.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use arena_env::SecretError;
use arena_instance::{Boot, Instance, StartError};
use arena_mesh::{Peer, ServeError};
use arena_telemetry::{Label, names};
use arena_types::PlayerId;
use arena_types::registry::EPOCHS;
use arena_wire::auth::v1;
use arena_wire::auth::v1::auth_server::{Auth, AuthServer};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::{Request, Response, Status};

use crate::logic::{KeyError, SigningKeys};
use crate::{Accounts, AuthError, AuthSettings, Grant, Origin, audit};

/// Name of the secret that access tokens are signed with.
const SIGNING_KEY: &str = "auth_signing_key";
/// Name of the one before, while it is rotated out.
const SIGNING_KEY_PREVIOUS: &str = "auth_signing_key_previous";

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The instance does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A secret is missing or a placeholder.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A secret is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The mesh port cannot be served.
    #[error("serve the mesh port")]
    Mesh(#[from] ServeError),
}

/// Runs the service until its instance is told to exit.
///
/// # Errors
/// [`ServiceError`]; it refuses to start without a signing key of its own.
pub async fn serve(boot: Boot, settings: AuthSettings) -> Result<(), ServiceError> {
    run(boot.connect()?, settings).await
}

/// Runs the service as `instance`, whatever its stores are.
///
/// # Errors
/// As [`serve`].
pub async fn run(instance: Instance, settings: AuthSettings) -> Result<(), ServiceError> {
    let current = instance.secrets().read(SIGNING_KEY)?;
    let previous = instance.secrets().read_optional(SIGNING_KEY_PREVIOUS)?;
    let keys = SigningKeys::new(&current, previous.as_ref())?;
    let issuer = instance.settings().cluster.clone();
    let metrics = instance.metrics();
    let service = Service {
        accounts: Accounts::new(instance.stores(), metrics, keys, issuer, settings),
        logins: metrics.counters(&names::AUTH_LOGINS),
    };
    let serving = instance.serve(|server| server.add_service(AuthServer::new(service)))?;
    let warm = instance.clone();
    tokio::spawn(async move {
        warm.waits_for("the store has not answered yet").await;
        warm.mirror(EPOCHS).first().await;
        warm.ready().await;
    });
    instance.run(serving).await;
    Ok(())
}

#[derive(Clone)]
struct Service {
    accounts: Accounts,
    logins: Family<Label, Counter>,
}

impl Service {
    /// Counts, logs and answers one attempt to get or keep a session.
    fn answer(
        &self,
        way: &str,
        origin: &Origin,
        done: Result<Grant, AuthError>,
    ) -> Result<Response<v1::Session>, Status> {
        let outcome = done.as_ref().map_or_else(AuthError::outcome, |_| "ok");
        self.logins.get_or_create(&names::AUTH_LOGINS.series([way, outcome])).inc();
        let player = done.as_ref().map(|it| it.player);
        audit::attempt(way, &origin.ip, player);
        let grant = done.map_err(report)?;
        Ok(Response::new(v1::Session {
            player: grant.player.to_string(),
            display_name: grant.name,
            access_token: grant.access,
            access_expires_ms: grant.access_expires_ms,
            refresh_token: grant.refresh.reveal(),
            refresh_expires_ms: grant.refresh_expires_ms,
            created: grant.created,
        }))
    }
}

#[tonic::async_trait]
impl Auth for Service {
    async fn login_device(
        &self,
        request: Request<v1::LoginDeviceRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let v1::LoginDeviceRequest { device_secret, display_name, remote_ip } =
            request.into_inner();
        let origin = origin(&remote_ip)?;
        let done = self.accounts.login_device(&device_secret, &display_name, &origin).await;
        self.answer("device", &origin, done)
    }

    async fn register_email(
        &self,
        request: Request<v1::RegisterEmailRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let v1::RegisterEmailRequest { email, password, display_name, remote_ip } =
            request.into_inner();
        let origin = origin(&remote_ip)?;
        let done = self.accounts.register_email(&email, password, &display_name, &origin).await;
        self.answer("register", &origin, done)
    }

    async fn login_email(
        &self,
        request: Request<v1::LoginEmailRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let v1::LoginEmailRequest { email, password, remote_ip } = request.into_inner();
        let origin = origin(&remote_ip)?;
        let done = self.accounts.login_email(&email, password, &origin).await;
        self.answer("email", &origin, done)
    }

    async fn refresh(
        &self,
        request: Request<v1::RefreshRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let v1::RefreshRequest { refresh_token, remote_ip } = request.into_inner();
        let origin = origin(&remote_ip)?;
        let done = self.accounts.refresh(&refresh_token, &origin).await;
        self.answer("refresh", &origin, done)
    }

    async fn logout(
        &self,
        request: Request<v1::LogoutRequest>,
    ) -> Result<Response<v1::LogoutReply>, Status> {
        let v1::LogoutRequest { refresh_token } = request.into_inner();
        let done = self.accounts.logout(&refresh_token, now_ms()).await;
        done.map_err(report)?;
        Ok(Response::new(v1::LogoutReply {}))
    }

    async fn keys(&self, _: Request<v1::KeysRequest>) -> Result<Response<v1::KeySet>, Status> {
        let key =
            |(kid, key): (&str, &[u8])| v1::Key { kid: kid.to_owned(), public_key: key.to_vec() };
        let keys = self.accounts.keys().public().map(key).collect();
        Ok(Response::new(v1::KeySet { keys }))
    }

    async fn ban(
        &self,
        request: Request<v1::BanRequest>,
    ) -> Result<Response<v1::BanReply>, Status> {
        let caller = caller(&request);
        let v1::BanRequest { player, until_ms, reason, by } = request.into_inner();
        let player = parse_player(&player)?;
        let until_ms = Some(until_ms).filter(|it| *it > 0);
        let done = self.accounts.ban(player, until_ms, reason.clone(), by.clone(), now_ms()).await;
        done.map_err(report)?;
        audit::sanction("ban", player, &by, &caller, &reason);
        Ok(Response::new(v1::BanReply {}))
    }

    async fn unban(
        &self,
        request: Request<v1::UnbanRequest>,
    ) -> Result<Response<v1::UnbanReply>, Status> {
        let caller = caller(&request);
        let v1::UnbanRequest { player, by } = request.into_inner();
        let player = parse_player(&player)?;
        let was_banned = self.accounts.unban(player).await.map_err(report)?;
        let detail = if was_banned { "the ban is lifted" } else { "there was no ban" };
        audit::sanction("unban", player, &by, &caller, detail);
        Ok(Response::new(v1::UnbanReply {}))
    }
}

/// Logs what the caller is not told: the causes of a failure that is not theirs.
fn report(error: AuthError) -> Status {
    match &error {
        AuthError::Store(source) => {
            tracing::error!(error = source as &dyn std::error::Error, "a store failed");
        }
        AuthError::Internal { doing, detail } => tracing::error!(doing, detail, "this is a bug"),
        _ => {}
    }
    error.into()
}

fn caller<T>(request: &Request<T>) -> String {
    request.extensions().get::<Peer>().map_or_else(|| "?".to_owned(), |it| it.id.to_string())
}

fn origin(remote_ip: &str) -> Result<Origin, Status> {
    // Parsed and printed again: one address, one key.
    let ip = remote_ip.parse::<IpAddr>().map_err(|_| {
        Status::from(AuthError::Invalid { field: "remote_ip", rule: "an IP address" })
    })?;
    Ok(Origin { ip: ip.to_canonical().to_string(), now_ms: now_ms() })
}

fn parse_player(text: &str) -> Result<PlayerId, Status> {
    let rule = "a player id, 13 characters of 0-9 and a-z without i, l, o, u";
    text.parse().map_err(|_| AuthError::Invalid { field: "player", rule }.into())
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as u64
}
