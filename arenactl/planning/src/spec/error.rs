//! Mistakes in `arena.yaml`: where, what and how to fix.

use std::fmt::{self, Write as _};

/// Where a mistake is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file; both count from 1.
    File {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// On the command line.
    Argument {
        /// The argument: `--set services.game.instances=0`.
        text: String,
    },
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct SpecError {
    /// Where it is written.
    pub place: Place,
    /// What it concerns: `services.game.resources.gpus`.
    pub path: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Problem {
    /// The text is no YAML.
    #[error("cannot be read as YAML: {0}")]
    Syntax(String),
    /// YAML that this file does not use.
    #[error("{0} are not used here")]
    Unsupported(&'static str),
    /// The file is larger than anything sensible.
    #[error("is too large: {0}")]
    TooLarge(&'static str),
    /// A key was written before.
    #[error("is written twice, first on line {first_line}")]
    Twice {
        /// Where it was written first.
        first_line: usize,
    },
    /// No such key.
    #[error("is an unknown key")]
    UnknownKey {
        /// The known key that looks most like it.
        meant: Option<String>,
        /// All known keys.
        known: Vec<String>,
    },
    /// A list where a value belongs, or the like.
    #[error("is {found}, not {wanted}")]
    WrongShape {
        /// What belongs there.
        wanted: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A value that cannot be read.
    #[error("`{value}` is not {what}")]
    Invalid {
        /// What is there.
        value: String,
        /// What belongs there.
        what: String,
        /// How it is written.
        help: String,
    },
    /// A value that is none of the choices.
    #[error("`{value}` is not one of {}", choices.join(", "))]
    Choice {
        /// What is there.
        value: String,
        /// What may be there.
        choices: Vec<&'static str>,
        /// The choice that looks most like it.
        meant: Option<String>,
    },
    /// A number outside its range.
    #[error("{value} is not between {least} and {most}")]
    Range {
        /// What is there.
        value: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
    /// A key that must be there is not.
    #[error("is missing")]
    Missing {
        /// What to write.
        help: String,
    },
    /// A name that nothing has.
    #[error("there is no {kind} `{value}`")]
    UnknownName {
        /// What kind of thing it would be.
        kind: &'static str,
        /// The name.
        value: String,
        /// The name that looks most like it.
        meant: Option<String>,
        /// All names.
        known: Vec<String>,
    },
    /// Services that wait for each other.
    #[error("is a cycle: {}", services.join(" -> "))]
    Cycle {
        /// The services, the first one again at the end.
        services: Vec<String>,
    },
    /// A secret's value in plain text.
    #[error("looks like a secret in plain text")]
    PlainSecret,
    /// A variable that arenactl sets itself.
    #[error("is set by arenactl itself")]
    ReservedVariable,
    /// Two settings that exclude each other, or a sum that does not come out.
    #[error("{what}")]
    Conflict {
        /// What does not fit.
        what: String,
        /// What to change.
        help: String,
    },
}

impl SpecError {
    /// Returns how to fix it.
    #[must_use]
    pub fn help(&self) -> String {
        match &self.problem {
            Problem::Syntax(_) => "check indentation, colons and quotes on this line".to_owned(),
            Problem::Unsupported(_) => {
                "write the value itself; `environments` holds what differs".to_owned()
            }
            Problem::TooLarge(_) => "split it, or generate less".to_owned(),
            Problem::Twice { .. } => "keep one of the two".to_owned(),
            Problem::UnknownKey { meant, known } => match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if known.is_empty() => "remove it, or begin it with `x-`".to_owned(),
                None => format!("known here: {}; own keys begin with `x-`", known.join(", ")),
            },
            Problem::WrongShape { wanted, .. } => format!("write {wanted}"),
            Problem::Choice { meant: Some(meant), .. }
            | Problem::UnknownName { meant: Some(meant), .. } => format!("did you mean `{meant}`?"),
            Problem::Choice { choices, .. } => format!("write {}", choices.join(" or ")),
            Problem::Range { least, most, .. } => format!("write a number from {least} to {most}"),
            Problem::UnknownName { kind, known, .. } if known.is_empty() => {
                format!("define the {kind} first")
            }
            Problem::UnknownName { known, .. } => format!("there are: {}", known.join(", ")),
            Problem::Cycle { .. } => "remove one `after` of the cycle".to_owned(),
            Problem::PlainSecret => {
                "define it in `secrets` and name it in the service's `secrets`".to_owned()
            }
            Problem::ReservedVariable => "remove it".to_owned(),
            Problem::Invalid { help, .. }
            | Problem::Missing { help }
            | Problem::Conflict { help, .. } => help.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, column } => write!(f, "{line}:{column}"),
            Self::Argument { text } => f.write_str(text),
        }
    }
}

/// Writes all mistakes for people; `file` is the spec's name as the operator gave it.
#[must_use]
pub fn report(file: &str, errors: &[SpecError]) -> String {
    let mut out = String::new();
    for error in errors {
        let place = match &error.place {
            Place::File { .. } => format!("{file}:{}", error.place),
            Place::Argument { text } => text.clone(),
        };
        writeln!(out, "error: {error}\n  --> {place}\n  help: {}", error.help())
            .expect("writing to a string cannot fail");
    }
    out
}

/// Returns the candidate that looks most like `text`, if one does: it begins with it, or at most a
/// third of its letters differ.
pub(super) fn closest<'a>(
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let begins = |it: &str| text.len() >= 3 && it.starts_with(text);
    candidates
        .into_iter()
        .map(|it| (if begins(it) { 0 } else { distance(text, it) }, it))
        .filter(|(distance, it)| *distance <= it.len().max(3) / 3)
        .min()
        .map(|(_, it)| it.to_owned())
}

/// Returns the number of letters to insert, remove, replace or swap with their neighbour (optimal
/// string alignment, three rows of the table).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}
