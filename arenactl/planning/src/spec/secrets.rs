//! `secrets`: where they come from. Their values are never written here, in a plan or in a release.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::error::Problem;
use crate::spec::section::Section;

/// Longest name of a secret: it becomes a file name.
const SECRET_NAME_LEN_MAX: usize = 48;

/// The name of a secret, which is the name of its file: `drain_token`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// Why a text is not the name of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a secret name: 1 to 48 of a-z, 0-9 and `_`, starting with a letter")]
pub struct SecretNameError(pub String);

impl SecretName {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, SecretNameError> {
        let word = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
        if text.starts_with(|it: char| it.is_ascii_lowercase())
            && text.len() <= SECRET_NAME_LEN_MAX
            && text.bytes().all(word)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(SecretNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = SecretNameError;

    fn try_from(text: String) -> Result<Self, SecretNameError> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

/// Where a secret's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// Drawn at random once a region, then kept there.
    Generate,
    /// Read from the file named by `from`.
    File,
    /// Read from the variable named by `from`, when arenactl runs.
    Env,
}

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretSpec {
    /// Where its value comes from.
    pub source: SecretSource,
    /// The file or variable, for the sources that need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Random bytes of a generated secret.
    pub bytes: u32,
}

/// Random bytes of a generated secret, where the spec does not say: 256 bits.
const BYTES_DEFAULT: u32 = 32;
const SOURCES: [(&str, SecretSource); 3] = [
    ("generate", SecretSource::Generate),
    ("file", SecretSource::File),
    ("env", SecretSource::Env),
];

impl SecretSpec {
    pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Self {
        if section.has("value") {
            section.mistake("value", Problem::PlainSecret);
            section.raw("value");
        }
        let source = section.choice("source", &SOURCES).unwrap_or(SecretSource::Generate);
        let from: Option<String> = section.value("from");
        match (source, from.is_some()) {
            (SecretSource::Generate, true) => section.conflict(
                "from",
                "does not fit `source: generate`",
                "remove it, or choose the source `file` or `env`",
            ),
            (SecretSource::File, false) => {
                let help = "name the file that holds the value".to_owned();
                section.mistake("from", Problem::Missing { help });
            }
            (SecretSource::Env, false) => {
                let help = "name the variable that holds the value".to_owned();
                section.mistake("from", Problem::Missing { help });
            }
            _ => {}
        }
        Self { source, from, bytes: section.number("bytes", 16..=1_024, BYTES_DEFAULT) }
    }
}
