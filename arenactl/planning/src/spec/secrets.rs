//! `secrets`: where they come from. Their values are never written here, in a plan or in a release.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::error::Problem;
use crate::spec::section::Section;

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
