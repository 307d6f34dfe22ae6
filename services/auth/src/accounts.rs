//! The operations, one store call after the other. Time and entropy come in from the server.

use std::sync::Arc;

use arena_store::{
    Account, Ban, BanSubject, Credential, CredentialKey, NewSession, PlayerStore, RateLimit,
    Rotation, SessionEnd, StoreError, Stores,
};
use arena_telemetry::{Metrics, names};
use arena_types::{ClusterName, PlayerId, SessionId};
use sha2::{Digest as _, Sha256};

use crate::epochs::Epochs;
use crate::hashing::Hashing;
use crate::limiter::Limiter;
use crate::logic::{
    ACCESS_TTL, ACCOUNT_LIMIT, Claims, DEVICE_LIMIT, DisplayName, EmailAddress, Password,
    PasswordHash, REFRESH_TTL, REUSE_GRACE, RefreshToken, Scope, SigningKeys, hex, ip_limit,
};
use crate::{AuthError, AuthSettings};

/// What a ban that these operations check is from.
const LOGIN: &str = "login";
/// Length of a device's secret, in bytes.
const DEVICE_SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// Draws of a player id; two that are taken would be a broken random generator.
const ID_DRAWS: u32 = 3;

/// Where a request comes from, and when.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The player's address, as the gateway saw it.
    pub ip: String,
    /// Unix milliseconds.
    pub now_ms: u64,
}

/// A session to open for a player who has proven who they are.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    player: PlayerId,
    name: String,
    /// How they did it, for their list of sessions.
    way: &'static str,
    created: bool,
}

/// What a login or a refresh gives.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who.
    pub player: PlayerId,
    /// Their name.
    pub name: String,
    /// The access token.
    pub access: String,
    /// When it ends, Unix milliseconds.
    pub access_expires_ms: u64,
    /// The refresh token.
    pub refresh: RefreshToken,
    /// When it ends, Unix milliseconds.
    pub refresh_expires_ms: u64,
    /// Whether the account is new.
    pub created: bool,
}

/// Accounts, sessions and bans. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    players: Arc<dyn PlayerStore>,
    limiter: Limiter,
    hashing: Hashing,
    epochs: Epochs,
    keys: Arc<SigningKeys>,
    issuer: ClusterName,
    settings: AuthSettings,
    reuses: prometheus_client::metrics::counter::Counter,
}

impl Accounts {
    /// Builds the operations over `stores`. Starts to follow players' epochs.
    #[must_use]
    pub fn new(
        stores: &Stores,
        metrics: &Metrics,
        keys: SigningKeys,
        issuer: ClusterName,
        settings: AuthSettings,
    ) -> Self {
        Self {
            players: stores.players.clone(),
            limiter: Limiter::new(stores.hot.clone(), metrics.counters(&names::AUTH_LIMITED)),
            hashing: Hashing::new(metrics.histogram(&names::AUTH_HASH)),
            epochs: Epochs::new(stores.registry.clone()),
            keys: Arc::new(keys),
            issuer,
            settings,
            reuses: metrics.counter(&names::AUTH_REUSE),
        }
    }

    /// Returns the keys tokens are verified with.
    #[must_use]
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// Finds or makes the account of a device.
    ///
    /// # Errors
    /// [`AuthError`], like all operations here.
    pub async fn login_device(
        &self,
        secret: &[u8],
        display_name: &str,
        origin: &Origin,
    ) -> Result<Grant, AuthError> {
        if !DEVICE_SECRET_BYTES.contains(&secret.len()) {
            return Err(AuthError::Invalid { field: "device_secret", rule: "16 to 64 bytes" });
        }
        let name = wanted_name(display_name)?;
        let device: [u8; 32] = Sha256::digest(secret).into();
        let short = hex(&device[..8]);
        let subjects = [address(origin), BanSubject::Device(device)];
        self.admit(Scope::Device(short), DEVICE_LIMIT, &subjects, origin).await?;
        let key = CredentialKey::Device(device);
        let request = match self.players.credential(&key).await? {
            Some(found) => self.known(found.player, name, "device", origin).await?,
            None => match self.create(key.clone(), None, name.clone(), "device", origin).await {
                // Two tabs of one new device: the other one was first.
                Err(AuthError::Taken) => {
                    let found = self.players.credential(&key).await?;
                    let player = found.ok_or_else(|| StoreError::conflict("device"))?.player;
                    self.known(player, name, "device", origin).await?
                }
                created => created?,
            },
        };
        self.open(request, origin).await
    }

    /// Makes an account with an address and a password.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn register_email(
        &self,
        email: &str,
        password: String,
        display_name: &str,
        origin: &Origin,
    ) -> Result<Grant, AuthError> {
        let email = EmailAddress::parse(email)?;
        let password = Password::parse(password)?;
        let name = wanted_name(display_name)?;
        let scope = Scope::Account(email.pseudonym());
        self.admit(scope, ACCOUNT_LIMIT, &[address(origin)], origin).await?;
        let PasswordHash(hash) = self.hashing.hash(password).await?;
        let key = CredentialKey::Email(email.as_str().to_owned());
        let request = self.create(key, Some(hash), name, "email", origin).await?;
        self.open(request, origin).await
    }

    /// Logs in with an address and a password. Whether the address is unknown or the password wrong
    /// can be told neither from the error nor from the time it takes.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn login_email(
        &self,
        email: &str,
        password: String,
        origin: &Origin,
    ) -> Result<Grant, AuthError> {
        let email = EmailAddress::parse(email).map_err(|_| AuthError::WrongCredentials)?;
        let password = Password::parse(password).map_err(|_| AuthError::WrongCredentials)?;
        let scope = Scope::Account(email.pseudonym());
        self.admit(scope, ACCOUNT_LIMIT, &[address(origin)], origin).await?;
        let key = CredentialKey::Email(email.as_str().to_owned());
        let found = self.players.credential(&key).await?;
        let stored = found.as_ref().and_then(|it| it.secret.clone()).map(PasswordHash);
        let stored = stored.unwrap_or_else(PasswordHash::of_nobody);
        let is_right = self.hashing.verify(password, stored).await?;
        let player = found.filter(|_| is_right).ok_or(AuthError::WrongCredentials)?.player;
        let request = self.known(player, None, "email", origin).await?;
        self.open(request, origin).await
    }

    /// Trades a refresh token for a new pair; one used twice ends its session.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn refresh(&self, token: &str, origin: &Origin) -> Result<Grant, AuthError> {
        let presented = RefreshToken::parse(token)?;
        self.limit_ip(origin).await?;
        let next = RefreshToken::from_bits(rand::random());
        let hashes = (presented.hash(), next.hash());
        let rotation =
            self.players.rotate_refresh(hashes.0, hashes.1, origin.now_ms, REUSE_GRACE).await?;
        let session = match rotation {
            Rotation::Rotated(session) => session,
            Rotation::Reused(session) => {
                self.reuses.inc();
                tracing::warn!(target: "audit", player = %session.player, session = %session.id,
                    ip = origin.ip, "a refresh token was used twice, its session is over");
                return Err(AuthError::SessionOver);
            }
            Rotation::Ended(_) | Rotation::Expired(_) | Rotation::Unknown => {
                return Err(AuthError::SessionOver);
            }
        };
        let known = self.known(session.player, None, "refresh", origin).await;
        if let Err(AuthError::Banned { .. }) = known {
            self.players.end_session(session.id, SessionEnd::Revoked, origin.now_ms).await?;
        }
        self.grant(known?, next, session.expires_ms, origin)
    }

    /// Ends the session of a refresh token; one that is over already is no error.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn logout(&self, token: &str, now_ms: u64) -> Result<(), AuthError> {
        let Ok(presented) = RefreshToken::parse(token) else { return Ok(()) };
        // Nobody gets this one: it only makes the presented token useless on the way.
        let next = RefreshToken::from_bits(rand::random()).hash();
        let rotation =
            self.players.rotate_refresh(presented.hash(), next, now_ms, REUSE_GRACE).await?;
        if let Rotation::Rotated(session) = rotation {
            self.players.end_session(session.id, SessionEnd::LoggedOut, now_ms).await?;
        }
        Ok(())
    }

    /// Bans a player from logging in, ends their sessions and makes their access tokens useless.
    /// May be repeated if it fails half-way.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn ban(
        &self,
        player: PlayerId,
        until_ms: Option<u64>,
        reason: String,
        by: String,
        now_ms: u64,
    ) -> Result<(), AuthError> {
        if until_ms.is_some_and(|it| it <= now_ms) {
            return Err(AuthError::Invalid { field: "until_ms", rule: "in the future, or 0" });
        }
        if reason.trim().is_empty() || by.trim().is_empty() {
            return Err(AuthError::Invalid { field: "reason and by", rule: "not empty" });
        }
        if self.players.account(player).await?.is_none() {
            return Err(AuthError::Invalid { field: "player", rule: "an account" });
        }
        let subject = BanSubject::Player(player);
        let scope = LOGIN.to_owned();
        let ban = Ban { subject, scope, reason, by, created_ms: now_ms, until_ms };
        self.players.ban(ban).await?;
        self.players.end_sessions_of(player, SessionEnd::Revoked, now_ms).await?;
        self.epochs.raise(player, now_ms / 1000).await?;
        Ok(())
    }

    /// Lifts a ban, and tells whether there was one.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn unban(&self, player: PlayerId) -> Result<bool, AuthError> {
        Ok(self.players.lift_ban(&BanSubject::Player(player), LOGIN).await?)
    }

    /// Lets an attempt through, or not: by address, by what it is about, by bans.
    async fn admit(
        &self,
        scope: Scope,
        limit: RateLimit,
        subjects: &[BanSubject],
        origin: &Origin,
    ) -> Result<(), AuthError> {
        tokio::try_join!(
            self.limit_ip(origin),
            self.limiter.take(&scope, limit),
            self.refuse_banned(subjects, origin),
        )?;
        Ok(())
    }

    async fn limit_ip(&self, origin: &Origin) -> Result<(), AuthError> {
        let limit = ip_limit(self.settings.logins_per_ip);
        self.limiter.take(&Scope::Ip(origin.ip.clone()), limit).await
    }

    async fn refuse_banned(
        &self,
        subjects: &[BanSubject],
        origin: &Origin,
    ) -> Result<(), AuthError> {
        let bans = self.players.bans(subjects, origin.now_ms).await?;
        let hold = bans.into_iter().filter(|it| it.scope == LOGIN);
        // The one that ends last is the one to tell about; `None` is never.
        match hold.max_by_key(|it| it.until_ms.unwrap_or(u64::MAX)) {
            Some(Ban { until_ms, reason, .. }) => Err(AuthError::Banned { until_ms, reason }),
            None => Ok(()),
        }
    }

    /// Goes on with an account that exists, under a new name if one is wanted.
    async fn known(
        &self,
        player: PlayerId,
        name: Option<DisplayName>,
        way: &'static str,
        origin: &Origin,
    ) -> Result<SessionRequest, AuthError> {
        let subjects = [BanSubject::Player(player)];
        let account = async { Ok(self.players.account(player).await?) };
        let (account, ()) = tokio::try_join!(account, self.refuse_banned(&subjects, origin))?;
        let account = account.ok_or_else(|| AuthError::Internal {
            doing: "find the account of a credential",
            detail: player.to_string(),
        })?;
        let name = match name {
            Some(name) if name.as_str() != account.name => {
                self.players.rename(player, name.as_str()).await?;
                name.as_str().to_owned()
            }
            _ => account.name,
        };
        Ok(SessionRequest { player, name, way, created: false })
    }

    /// Makes an account.
    async fn create(
        &self,
        key: CredentialKey,
        secret: Option<String>,
        name: Option<DisplayName>,
        way: &'static str,
        origin: &Origin,
    ) -> Result<SessionRequest, AuthError> {
        for _ in 0..ID_DRAWS {
            let player = PlayerId::from_u64(rand::random());
            let name = name.clone().unwrap_or_else(|| DisplayName::of_nobody(player.as_u64()));
            let name = name.as_str().to_owned();
            let account = Account { id: player, name: name.clone(), created_ms: origin.now_ms };
            let credential = Credential { key: key.clone(), player, secret: secret.clone() };
            match self.players.create_account(account, credential).await {
                Ok(()) => return Ok(SessionRequest { player, name, way, created: true }),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if self.players.credential(&key).await?.is_some() {
                return Err(AuthError::Taken);
            }
        }
        Err(StoreError::conflict("player id").into())
    }

    async fn open(&self, request: SessionRequest, origin: &Origin) -> Result<Grant, AuthError> {
        let refresh = RefreshToken::from_bits(rand::random());
        let expires_ms = origin.now_ms + REFRESH_TTL.as_millis() as u64;
        let session = NewSession {
            id: SessionId::from_u64(rand::random()),
            player: request.player,
            refresh: refresh.hash(),
            device: request.way.to_owned(),
            created_ms: origin.now_ms,
            expires_ms,
        };
        self.players.open_session(session).await?;
        self.grant(request, refresh, expires_ms, origin)
    }

    fn grant(
        &self,
        request: SessionRequest,
        refresh: RefreshToken,
        refresh_expires_ms: u64,
        origin: &Origin,
    ) -> Result<Grant, AuthError> {
        let SessionRequest { player, name, created, .. } = request;
        let iat = origin.now_ms / 1000;
        let exp = iat + ACCESS_TTL.as_secs();
        let epoch = self.epochs.of(player);
        let iss = self.issuer.to_string();
        let access =
            self.keys.sign(&Claims { iss, sub: player, name: name.clone(), iat, exp, epoch })?;
        let access_expires_ms = exp * 1000;
        Ok(Grant { player, name, access, access_expires_ms, refresh, refresh_expires_ms, created })
    }
}

fn wanted_name(text: &str) -> Result<Option<DisplayName>, AuthError> {
    if text.is_empty() { Ok(None) } else { DisplayName::parse(text).map(Some) }
}

fn address(origin: &Origin) -> BanSubject {
    BanSubject::Address(origin.ip.clone())
}
