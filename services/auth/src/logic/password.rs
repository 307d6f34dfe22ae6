use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::AuthError;

/// Memory of one hash, KiB. With [`PASSES`] and [`LANES`] the first choice of the OWASP Password
/// Storage Cheat Sheet ("m=19456 (19 MiB), t=2, p=1"): an attacker's chip needs the memory too.
const MEMORY_KIB: u32 = 19_456;
/// Passes over that memory.
const PASSES: u32 = 2;
/// Lanes: one, as logins run beside each other already.
const LANES: u32 = 1;
/// Bytes of a salt (RFC 9106 §3.1 recommends 16).
const SALT_BYTES: usize = 16;
/// Shortest password, in characters: NIST SP 800-63B §5.1.1 asks for 8, two more cost nobody much.
const CHARS_MIN: usize = 10;
/// Longest password, in characters: long enough for a sentence.
const CHARS_MAX: usize = 128;

/// A password as given; never printed.
pub struct Password(String);

impl Password {
    /// Checks the length, nothing else: rules of composition make passwords worse.
    ///
    /// # Errors
    /// [`AuthError::Invalid`].
    pub fn parse(text: String) -> Result<Self, AuthError> {
        if text.len() <= 4 * CHARS_MAX && (CHARS_MIN..=CHARS_MAX).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err(AuthError::Invalid { field: "password", rule: "10 to 128 characters" })
        }
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A PHC string: algorithm, parameters, salt and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl PasswordHash {
    /// A hash that no password has, to check against where there is no account, so that the answer
    /// takes as long as with one.
    #[must_use]
    pub fn of_nobody() -> Self {
        let (salt, hash) = ("c2FsdCBvZiBub2JvZHkhIQ", "A".repeat(43));
        let version = Version::V0x13 as u32;
        Self(format!("$argon2id$v={version}$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${hash}"))
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a password with a salt the caller drew. Takes tens of milliseconds and 19 MiB.
///
/// # Errors
/// [`AuthError::Internal`] if the library refuses.
pub fn hash(password: &Password, salt: [u8; SALT_BYTES]) -> Result<PasswordHash, AuthError> {
    let internal = |error: argon2::password_hash::Error| AuthError::Internal {
        doing: "hash a password",
        detail: error.to_string(),
    };
    let salt = SaltString::encode_b64(&salt).map_err(internal)?;
    let hash = argon2().hash_password(password.0.as_bytes(), &salt).map_err(internal)?;
    Ok(PasswordHash(hash.to_string()))
}

/// Tells whether `password` has `hash`, with the parameters that the hash names.
///
/// # Errors
/// [`AuthError::Internal`] if `hash` is damaged.
pub fn verify(password: &Password, hash: &PasswordHash) -> Result<bool, AuthError> {
    let internal = |error: argon2::password_hash::Error| AuthError::Internal {
        doing: "read a stored password hash",
        detail: error.to_string(),
    };
    let hash = argon2::PasswordHash::new(&hash.0).map_err(internal)?;
    match argon2().verify_password(password.0.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::Password) => Ok(false),
        Err(error) => Err(internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn a_hash_is_of_one_password_only() {
        let hashed = hash(&password("correct horse"), [7; 16]).unwrap();
        assert!(hashed.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed:?}");
        assert!(verify(&password("correct horse"), &hashed).unwrap());
        assert!(!verify(&password("battery staple"), &hashed).unwrap());
        let salted = hash(&password("correct horse"), [8; 16]).unwrap();
        assert_ne!(salted, hashed);
    }

    #[test]
    fn nobody_has_a_hash_of_the_same_cost() {
        let nobody = PasswordHash::of_nobody();
        assert!(!verify(&password("correct horse"), &nobody).unwrap());
        let real = hash(&password("correct horse"), [7; 16]).unwrap();
        let cost = |it: &PasswordHash| it.0.split('$').nth(3).unwrap().to_owned();
        assert_eq!(cost(&nobody), cost(&real));
    }

    #[test]
    fn only_the_length_is_ruled() {
        for (text, ok) in [
            ("aaaaaaaaa".to_owned(), false),
            ("aaaaaaaaaa".to_owned(), true),
            ("ä".repeat(10), true),
            ("ä".repeat(128), true),
            ("a".repeat(129), false),
            ("a".repeat(1 << 20), false),
        ] {
            assert_eq!(Password::parse(text.clone()).is_ok(), ok, "{}", text.len());
        }
        assert_eq!(format!("{:?}", password("correct horse")), "Password(…)");
    }

    #[test]
    fn a_damaged_hash_is_no_wrong_password() {
        for damaged in ["", "argon2id", "$argon2id$v=99$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAA"] {
            let damaged = PasswordHash(damaged.to_owned());
            assert!(verify(&password("correct horse"), &damaged).is_err(), "{damaged:?}");
        }
    }
}
