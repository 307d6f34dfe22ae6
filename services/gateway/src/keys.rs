//! Auth's public keys, cached: access tokens are verified here, without a call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use arena_types::PlayerId;
use arena_wire::auth::v1;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::upstream::Upstream;

/// How often the keys are asked for; a rotation announces its key longer before it signs with it.
const REFRESH: Duration = Duration::from_mins(1);
/// Wait after a failed or an unscheduled look, so that forged `kid`s cause no storm of calls.
const REFRESH_MIN: Duration = Duration::from_secs(1);
/// Clocks of two machines may differ by this.
const LEEWAY_S: u64 = 10;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who.
    pub player: PlayerId,
    /// Their name.
    pub name: String,
    /// Grows when all older tokens of the player are to be refused.
    pub epoch: u64,
}

/// Why an access token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of ours.
    #[error("the access token is not valid")]
    Invalid,
    /// It is too old.
    #[error("the access token has expired")]
    Expired,
    /// No key with its `kid` is known, perhaps not yet.
    #[error("the access token is signed with an unknown key")]
    UnknownKey,
}

#[derive(Deserialize)]
struct Payload {
    sub: PlayerId,
    #[serde(default)]
    name: String,
    #[serde(default)]
    epoch: u64,
}

/// The keys; clones share them.
#[derive(Clone)]
pub struct Keys {
    known: Arc<ArcSwap<HashMap<String, DecodingKey>>>,
    wanted: Arc<Notify>,
    validation: Arc<Validation>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("known", &self.known.load().len()).finish_non_exhaustive()
    }
}

impl Keys {
    /// Starts with no keys; tokens must name `issuer`.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = LEEWAY_S;
        validation.validate_aud = false;
        Self {
            known: Arc::default(),
            wanted: Arc::new(Notify::new()),
            validation: Arc::new(validation),
        }
    }

    /// Replaces all keys.
    pub fn set(&self, keys: Vec<v1::Key>) {
        let keys = keys.into_iter().map(|it| (it.kid, DecodingKey::from_ed_der(&it.public_key)));
        self.known.store(Arc::new(keys.collect()));
    }

    /// Whether any key is known.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        !self.known.load().is_empty()
    }

    /// Checks a token's signature, issuer and times.
    ///
    /// # Errors
    /// [`TokenError`]. An unknown key makes [`Keys::keep`] look for it.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let keys = self.known.load();
        let Some(key) = header.kid.as_ref().and_then(|it| keys.get(it)) else {
            self.wanted.notify_one();
            return Err(TokenError::UnknownKey);
        };
        let decoded = jsonwebtoken::decode::<Payload>(token, key, &self.validation);
        let Payload { sub, name, epoch } = decoded
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            })?
            .claims;
        Ok(Claims { player: sub, name, epoch })
    }

    /// Asks auth for its keys for ever; without an answer the known ones stay.
    pub async fn keep(self, upstream: Upstream) {
        loop {
            let mut request = tonic::Request::new(v1::KeysRequest {});
            request.set_timeout(REFRESH_MIN * 2);
            match upstream.auth().keys(request).await {
                Ok(answer) => self.set(answer.into_inner().keys),
                Err(status) => tracing::warn!(%status, "auth does not tell its keys"),
            }
            tokio::time::sleep(REFRESH_MIN).await;
            if self.is_warm() {
                tokio::select! {
                    () = tokio::time::sleep(REFRESH) => {}
                    () = self.wanted.notified() => {}
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    pub(crate) fn signer(seed: u8) -> (EncodingKey, Vec<u8>) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let prefix = [
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        let der = [&prefix[..], &[seed; 32]].concat();
        (EncodingKey::from_ed_der(&der), pair.public_key().as_ref().to_vec())
    }

    pub(crate) fn token(key: &EncodingKey, kid: &str, issuer: &str, exp: i64) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
        let player = PlayerId::from_u64(7);
        let claims = json!({"iss": issuer, "sub": player, "name": "Ada", "exp": exp, "epoch": 2});
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    }

    #[test]
    fn only_a_fresh_token_of_a_known_key_and_our_issuer_is_taken() {
        let (ours, public_key) = signer(1);
        let (theirs, _) = signer(2);
        let keys = Keys::new("demo");
        let far = 4_000_000_000;
        assert_eq!(keys.verify(&token(&ours, "a", "demo", far)), Err(TokenError::UnknownKey));
        keys.set(vec![v1::Key { kid: "a".to_owned(), public_key }]);
        let claims = Claims { player: PlayerId::from_u64(7), name: "Ada".to_owned(), epoch: 2 };
        assert_eq!(keys.verify(&token(&ours, "a", "demo", far)), Ok(claims));
        for (token, error) in [
            (token(&theirs, "a", "demo", far), TokenError::Invalid),
            (token(&ours, "b", "demo", far), TokenError::UnknownKey),
            (token(&ours, "a", "other", far), TokenError::Invalid),
            (token(&ours, "a", "demo", 1_000), TokenError::Expired),
            ("no token".to_owned(), TokenError::Invalid),
            ("e30.e30.".to_owned(), TokenError::Invalid),
        ] {
            assert_eq!(keys.verify(&token), Err(error), "{token}");
        }
    }
}
