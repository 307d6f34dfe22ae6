use std::time::Duration;

use arena_env::Secret;
use arena_types::PlayerId;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::hex;
use crate::AuthError;

/// Life of an access token: what a stolen one is worth, and how often a page refreshes.
pub const ACCESS_TTL: Duration = Duration::from_mins(10);

/// PKCS #8 around an Ed25519 seed (RFC 8410 §7): the signing library takes no bare seed.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// What an access token says (RFC 7519 §4.1 for the short names).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: the cluster.
    pub iss: String,
    /// Subject.
    pub sub: PlayerId,
    /// The player's display name then.
    pub name: String,
    /// When it was made, Unix seconds.
    pub iat: u64,
    /// When it ends, Unix seconds.
    pub exp: u64,
    /// Tokens below the player's epoch in the registry are refused.
    pub epoch: u64,
}

/// A secret that is no signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use the seed of the signing key: it must be one of Ed25519")]
pub struct KeyError;

/// The key that signs, and the public keys that tokens are verified with.
pub struct SigningKeys {
    signer: EncodingKey,
    public: Vec<PublicKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PublicKey {
    kid: String,
    bytes: Vec<u8>,
}

impl PublicKey {
    fn of(seed: &Secret) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| KeyError)?;
        let bytes = pair.public_key().as_ref().to_vec();
        let kid = hex(&Sha256::digest(&bytes)[..8]);
        Ok(Self { kid, bytes })
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeys").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// Derives the keys from `current` and, while it is rotated out, `previous`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Result<Self, KeyError> {
        let der = [&PKCS8_PREFIX[..], current.expose()].concat();
        let mut public = vec![PublicKey::of(current)?];
        if let Some(previous) = previous {
            public.push(PublicKey::of(previous)?);
        }
        Ok(Self { signer: EncodingKey::from_ed_der(&der), public })
    }

    /// Returns `(kid, key)` of every public key, the signing one first.
    pub fn public(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.public.iter().map(|it| (it.kid.as_str(), it.bytes.as_slice()))
    }

    /// Signs a token (`EdDSA`, RFC 8037) that names the key it was signed with.
    ///
    /// # Errors
    /// [`AuthError::Internal`] if the library refuses.
    pub fn sign(&self, claims: &Claims) -> Result<String, AuthError> {
        let kid = Some(self.public[0].kid.clone());
        let header = Header { kid, ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.signer).map_err(|error| AuthError::Internal {
            doing: "sign an access token",
            detail: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::parse(&format!("{byte:02x}{}", "5a".repeat(31))).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            iss: "demo".to_owned(),
            sub: PlayerId::from_u64(7),
            name: "Ada".to_owned(),
            iat: 4_000_000_000,
            exp: 4_000_000_600,
            epoch: 3,
        }
    }

    fn read(token: &str, keys: &SigningKeys) -> Option<Claims> {
        let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let (_, key) = keys.public().find(|(it, _)| *it == kid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&["demo"]);
        jsonwebtoken::decode(token, &DecodingKey::from_ed_der(key), &validation)
            .ok()
            .map(|it| it.claims)
    }

    #[test]
    fn a_token_is_verified_with_the_key_it_names() {
        let keys = SigningKeys::new(&secret(1), None).unwrap();
        let token = keys.sign(&claims()).unwrap();
        assert_eq!(read(&token, &keys), Some(claims()));
        let (head, signature) = token.rsplit_once('.').unwrap();
        let forged = format!("{head}.{}", "A".repeat(signature.len()));
        assert_eq!(read(&forged, &keys), None);
    }

    #[test]
    fn a_rotated_key_still_verifies_what_it_signed() {
        let old = SigningKeys::new(&secret(1), None).unwrap();
        let both = SigningKeys::new(&secret(2), Some(&secret(1))).unwrap();
        let new = SigningKeys::new(&secret(2), None).unwrap();
        let token = old.sign(&claims()).unwrap();
        assert_eq!(read(&token, &both), Some(claims()));
        assert_eq!(read(&token, &new), None);
        assert_eq!(read(&both.sign(&claims()).unwrap(), &new), Some(claims()));
    }

    #[test]
    fn the_key_of_rfc_8032_has_its_public_half() {
        // RFC 8032 §7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let keys = SigningKeys::new(&Secret::parse(seed).unwrap(), None).unwrap();
        let public = hex(keys.public().next().unwrap().1);
        assert_eq!(public, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    }
}
