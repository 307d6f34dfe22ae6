//! Names of instances: `spiffe://<cluster>/<service>/<instance>`.

use std::{fmt, str::FromStr, sync::Arc};

/// Who an instance is: the URI in its certificate.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    uri: Arc<str>,
    service_at: usize,
    instance_at: usize,
}

/// Why a text is not a SPIFFE id of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not of the form spiffe://<cluster>/<service>/<instance>, each of [A-Za-z0-9._-]"
)]
pub struct SpiffeIdError {
    /// The text found.
    pub text: String,
}

const SCHEME: &str = "spiffe://";

impl SpiffeId {
    /// Builds an id from its three parts.
    ///
    /// # Errors
    /// If a part is empty or holds anything but letters, digits, `.`, `_` and `-`.
    pub fn new(cluster: &str, service: &str, instance: &str) -> Result<Self, SpiffeIdError> {
        format!("{SCHEME}{cluster}/{service}/{instance}").parse()
    }

    /// Returns the cluster, SPIFFE's trust domain.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.uri[SCHEME.len()..self.service_at - 1]
    }

    /// Returns the service, or `operator` for a person.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.uri[self.service_at..self.instance_at - 1]
    }

    /// Returns the instance, or the operator's name.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.uri[self.instance_at..]
    }

    /// Returns the whole URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.uri
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || SpiffeIdError { text: text.to_owned() };
        let path = text.strip_prefix(SCHEME).ok_or_else(error)?;
        let parts: Vec<&str> = path.split('/').collect();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match parts.as_slice() {
            [cluster, service, _]
                if parts.iter().all(|p| !p.is_empty() && p.chars().all(allowed)) =>
            {
                let service_at = SCHEME.len() + cluster.len() + 1;
                let instance_at = service_at + service.len() + 1;
                Ok(Self { uri: text.into(), service_at, instance_at })
            }
            _ => Err(error()),
        }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_split_into_their_parts() {
        let id: SpiffeId = "spiffe://dev/game/game-3".parse().unwrap();
        assert_eq!((id.cluster(), id.service(), id.instance()), ("dev", "game", "game-3"));
        assert_eq!(SpiffeId::new("dev", "game", "game-3").unwrap(), id);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "spiffe://",
            "spiffe://dev",
            "spiffe://dev/game",
            "spiffe://dev/game/",
            "spiffe://dev//g1",
            "spiffe://dev/game/g1/x",
            "https://dev/game/g1",
            "spiffe://dev/ga me/g1",
            "spiffe://dev/game/g1?x",
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text}");
        }
    }
}
