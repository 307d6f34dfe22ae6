use sha2::{Digest as _, Sha256};

use super::hex;
use crate::AuthError;

/// Longest address (RFC 5321 §4.5.3.1.3, without the angle brackets).
const BYTES_MAX: usize = 254;
/// Longest local part (RFC 5321 §4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// An e-mail address, lower case. Whether it exists only a mail to it can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Trims, lowers and checks an address; quoted local parts are not supported.
    ///
    /// # Errors
    /// [`AuthError::Invalid`].
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        let refused =
            AuthError::Invalid { field: "email", rule: "an address like ada@example.org" };
        let text = text.trim();
        if text.len() > BYTES_MAX || !text.is_ascii() {
            return Err(refused);
        }
        let address = text.to_ascii_lowercase();
        let Some((local, domain)) = address.rsplit_once('@') else { return Err(refused) };
        let atom = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&it);
        let is_local = local.len() <= LOCAL_BYTES_MAX
            && local.split('.').all(|it| !it.is_empty() && it.bytes().all(atom));
        let is_label = |it: &str| {
            (1..=63).contains(&it.len())
                && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
                && !it.starts_with('-')
                && !it.ends_with('-')
        };
        if is_local && domain.contains('.') && domain.split('.').all(is_label) {
            Ok(Self(address))
        } else {
            Err(refused)
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a short name for keys and logs that does not tell the address.
    #[must_use]
    pub fn pseudonym(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes())[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lowered_or_refused() {
        for (text, address) in [
            (" Ada@Example.org ", Some("ada@example.org")),
            ("a.b+c@sub.example.org", Some("a.b+c@sub.example.org")),
            ("ada", None),
            ("@example.org", None),
            ("ada@", None),
            ("ada@example", None),
            ("ada@-example.org", None),
            ("ada@example..org", None),
            (".ada@example.org", None),
            ("a da@example.org", None),
            ("ada@b@example.org", None),
            ("ädä@example.org", None),
        ] {
            let parsed = EmailAddress::parse(text).ok();
            assert_eq!(parsed.as_ref().map(EmailAddress::as_str), address, "{text}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        assert!(EmailAddress::parse(&long).is_err());
    }

    #[test]
    fn a_pseudonym_does_not_tell_the_address() {
        let address = EmailAddress::parse("ada@example.org").unwrap();
        assert_eq!(address.pseudonym().len(), 16);
        assert!(!address.pseudonym().contains("ada"));
    }
}
