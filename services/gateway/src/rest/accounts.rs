//! Logins: REST in front of the auth service.

use std::net::IpAddr;

use arena_wire::auth::v1;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::routes::{Rest, timed};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceLogin {
    /// base64url without padding, 16 to 64 bytes.
    device_secret: String,
    #[serde(default)]
    display_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailLogin {
    email: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    email: String,
    password: String,
    #[serde(default)]
    display_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshToken {
    refresh_token: String,
}

/// A login's fruit.
#[derive(Serialize)]
pub(super) struct Session {
    player: String,
    display_name: String,
    access_token: String,
    access_expires_ms: u64,
    refresh_token: String,
    refresh_expires_ms: u64,
    created: bool,
}

impl From<v1::Session> for Session {
    fn from(it: v1::Session) -> Self {
        Self {
            player: it.player,
            display_name: it.display_name,
            access_token: it.access_token,
            access_expires_ms: it.access_expires_ms,
            refresh_token: it.refresh_token,
            refresh_expires_ms: it.refresh_expires_ms,
            created: it.created,
        }
    }
}

pub(super) async fn device(rest: Rest, ip: IpAddr, it: DeviceLogin) -> Result<Session, ApiError> {
    let device_secret = URL_SAFE_NO_PAD
        .decode(&it.device_secret)
        .map_err(|_| ApiError::BadRequest("device_secret is not base64url".to_owned()))?;
    let request = v1::LoginDeviceRequest {
        device_secret,
        display_name: it.display_name,
        remote_ip: ip.to_string(),
    };
    Ok(rest.upstream.auth().login_device(timed(request)).await?.into_inner().into())
}

pub(super) async fn email(rest: Rest, ip: IpAddr, it: EmailLogin) -> Result<Session, ApiError> {
    let EmailLogin { email, password } = it;
    let request = v1::LoginEmailRequest { email, password, remote_ip: ip.to_string() };
    Ok(rest.upstream.auth().login_email(timed(request)).await?.into_inner().into())
}

pub(super) async fn register(
    rest: Rest,
    ip: IpAddr,
    it: Registration,
) -> Result<Session, ApiError> {
    let Registration { email, password, display_name } = it;
    let remote_ip = ip.to_string();
    let request = v1::RegisterEmailRequest { email, password, display_name, remote_ip };
    Ok(rest.upstream.auth().register_email(timed(request)).await?.into_inner().into())
}

pub(super) async fn refresh(rest: Rest, ip: IpAddr, it: RefreshToken) -> Result<Session, ApiError> {
    let RefreshToken { refresh_token } = it;
    let request = v1::RefreshRequest { refresh_token, remote_ip: ip.to_string() };
    Ok(rest.upstream.auth().refresh(timed(request)).await?.into_inner().into())
}

#[derive(Serialize)]
pub(super) struct Empty {}

pub(super) async fn logout(rest: Rest, _ip: IpAddr, it: RefreshToken) -> Result<Empty, ApiError> {
    let RefreshToken { refresh_token } = it;
    rest.upstream.auth().logout(timed(v1::LogoutRequest { refresh_token })).await?;
    Ok(Empty {})
}
