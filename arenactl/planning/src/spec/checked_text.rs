//! Text that was checked when it was read: names of files, labels of nodes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::spec::section::Refusal;

/// Longest name of a secret or config: it becomes a file name.
const FILE_NAME_LEN_MAX: usize = 48;
/// Longest name of a game, as `arena-sdk` has it.
const GAME_NAME_LEN_MAX: usize = 32;
/// Longest name or value of a node's label; Swarm sets no limit, more is a slip of the hand.
const LABEL_LEN_MAX: usize = 128;

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $error:ident, $what:literal, $rule:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        #[doc = concat!("Why a text is not ", $what, ".")]
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[error("`{0}` is not {what}: {rule}", what = $what, rule = $rule)]
        pub struct $error(pub String);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                Self::try_from(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                if $check(&text) { Ok(Self(text)) } else { Err($error(text)) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl From<$error> for Refusal {
            fn from(_: $error) -> Self {
                Self { what: $what.to_owned(), help: concat!("use ", $rule).to_owned() }
            }
        }
    };
}

checked_text! {
    /// The name of a game: `arena`. Which games there are is for the services to say.
    GameName, GameNameError, "the name of a game",
    "1 to 32 of a-z, 0-9 and `-`", is_game_name
}
checked_text! {
    /// The name of a secret, which is the name of its file: `drain_token`.
    SecretName, SecretNameError, "a secret name",
    "1 to 48 of a-z, 0-9 and `_`, starting with a letter", is_file_name
}
checked_text! {
    /// The name of a config, which is the name of its file: `motd`.
    ConfigName, ConfigNameError, "a config name",
    "1 to 48 of a-z, 0-9 and `_`, starting with a letter", is_file_name
}
checked_text! {
    /// The name of a node's label: `gpu.model`.
    LabelName, LabelNameError, "a label's name",
    "1 to 128 of a-z, A-Z, 0-9, `-`, `_` and `.`", is_label_name
}
checked_text! {
    /// The value of a node's label: `24g`. Upper and lower case are the same.
    LabelValue, LabelValueError, "a label's value",
    "1 to 128 of a-z, A-Z, 0-9, inner spaces and `:-_.*()?+[]\\^$|/`", is_label_value
}

impl Default for GameName {
    fn default() -> Self {
        Self("arena".to_owned())
    }
}

impl GameName {
    /// Whether it is the game of a spec that names none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn is_game_name(text: &str) -> bool {
    let word = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    (1..=GAME_NAME_LEN_MAX).contains(&text.len()) && text.bytes().all(word)
}

fn is_file_name(text: &str) -> bool {
    let word = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
    text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.len() <= FILE_NAME_LEN_MAX
        && text.bytes().all(word)
}

/// swarmkit `manager/constraint/constraint.go`: `alphaNumeric`, behind `node.labels.`.
fn is_label_name(text: &str) -> bool {
    (1..=LABEL_LEN_MAX).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it))
}

/// swarmkit `manager/constraint/constraint.go`: `valuePattern`, which is applied after trimming.
fn is_label_value(text: &str) -> bool {
    (1..=LABEL_LEN_MAX).contains(&text.len())
        && text == text.trim_ascii()
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b" :-_.*()?+[]\\^$|/".contains(&it))
}
