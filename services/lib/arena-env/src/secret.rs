use std::fmt;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// 32 secret bytes. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; Secret::LEN]>);

impl Secret {
    /// Bytes of a secret: the security level of Ed25519 and HMAC-SHA256.
    pub const LEN: usize = 32;

    /// Parses 64 hexadecimal digits; white space around them is ignored.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "64 hexadecimal digits (32 bytes)";
        let digits = text.trim_ascii().as_bytes();
        if digits.len() != 2 * Self::LEN {
            return Err(SHAPE);
        }
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (digit(pair[0]).ok_or(SHAPE)? << 4) | digit(pair[1]).ok_or(SHAPE)?;
        }
        if bytes.iter().all(|it| *it == bytes[0]) {
            return Err("random: one byte 32 times is a placeholder, not a secret");
        }
        Ok(Self(bytes))
    }

    /// Returns the bytes, for a key schedule.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Compares with what a caller presents as hexadecimal text, in constant time.
    #[must_use]
    pub fn is_presented_by(&self, text: &str) -> bool {
        Self::parse(text).is_ok_and(|it| it.0.ct_eq(&*self.0).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|it| it as u8)
}

/// The folder of secret files, `ARENA_SECRETS_DIR`.
#[derive(Clone, Debug)]
pub struct SecretsDir(PathBuf);

impl SecretsDir {
    /// Names the folder; nothing is read yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Reads the secret in the file `name`.
    ///
    /// # Errors
    /// [`SecretError::Read`] if there is no such file, [`SecretError::Shape`] if it holds no secret.
    pub fn read(&self, name: &str) -> Result<Secret, SecretError> {
        let path = self.0.join(name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(source) => return Err(SecretError::Read { path, source }),
        };
        Secret::parse(&text).map_err(|rule| SecretError::Shape { path, rule })
    }

    /// Reads the secret in the file `name`, or `None` if there is no such file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_optional(&self, name: &str) -> Result<Option<Secret>, SecretError> {
        match self.read(name) {
            Err(SecretError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Why there is no secret. Never holds the file's content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("read secret `{}`: create it with `arenactl secret`, or mount it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file does not hold a secret.
    #[error("use secret `{}`: it must be {rule}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What it must be.
        rule: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_secret_is_32_bytes_that_somebody_drew() {
        for (text, ok) in [
            (HEX.to_owned(), true),
            (format!("  {HEX}\n"), true),
            (HEX.to_uppercase(), true),
            (String::new(), false),
            (HEX[2..].to_owned(), false),
            (format!("{HEX}00"), false),
            (HEX.replace('f', "g"), false),
            ("00".repeat(32), false),
            ("ff".repeat(32), false),
            (format!("+{}", &HEX[1..]), false),
            ("é".repeat(32), false),
        ] {
            assert_eq!(Secret::parse(&text).is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn only_the_same_bytes_are_presented() {
        let secret = Secret::parse(HEX).unwrap();
        assert!(secret.is_presented_by(HEX));
        assert!(!secret.is_presented_by(&HEX.replace('a', "b")));
        assert!(!secret.is_presented_by(""));
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret::parse(HEX).unwrap()), "Secret(…)");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("drain_token"), "hunter2").unwrap();
        let error = SecretsDir::new(folder.path()).read("drain_token").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn a_missing_file_is_an_error_unless_optional() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = SecretsDir::new(folder.path());
        assert!(matches!(secrets.read("absent"), Err(SecretError::Read { .. })));
        assert!(secrets.read_optional("absent").unwrap().is_none());
        std::fs::write(folder.path().join("short"), "00").unwrap();
        assert!(matches!(secrets.read_optional("short"), Err(SecretError::Shape { .. })));
    }
}
