use std::fmt;

use crate::{FromVariable, Source, Variable};

/// Reads variables and collects every mistake, so that one start shows all of them.
pub struct Reader<'a> {
    source: &'a dyn Source,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    /// Starts reading from `source`.
    #[must_use]
    pub fn new(source: &'a dyn Source) -> Self {
        Self { source, mistakes: Vec::new() }
    }

    /// Returns the value of `variable` or its default; `None` leaves a mistake behind.
    pub fn read<T: FromVariable>(&mut self, variable: &Variable) -> Option<T> {
        let Some(text) = self.source.value(variable.name).or(variable.default.map(str::to_owned))
        else {
            self.refuse(variable, None, variable.doc.to_owned());
            return None;
        };
        self.parse(variable, text)
    }

    /// Returns `Some(None)` if `variable` is unset; `None` leaves a mistake behind.
    pub fn optional<T: FromVariable>(&mut self, variable: &Variable) -> Option<Option<T>> {
        match self.source.value(variable.name) {
            Some(text) => self.parse(variable, text).map(Some),
            None => Some(None),
        }
    }

    /// Adds a mistake that only the caller can see, for example one between two variables.
    pub fn refuse(&mut self, variable: &Variable, value: Option<String>, rule: String) {
        self.mistakes.push(Mistake { name: variable.name, value, rule });
    }

    /// Builds the settings if nothing was wrong.
    ///
    /// # Errors
    /// All mistakes, in the order of reading.
    ///
    /// # Panics
    /// If `build` returns `None` although every read succeeded.
    pub fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, EnvError> {
        if self.mistakes.is_empty() {
            Ok(build().expect("a value is absent only where a mistake was noted"))
        } else {
            Err(EnvError { mistakes: self.mistakes })
        }
    }

    /// Returns the variables that start with `ARENA_` and are not declared: typing errors, most
    /// often, worth a warning.
    #[must_use]
    pub fn undeclared(&self) -> Vec<String> {
        let mut names = self.source.names();
        names.retain(|name| {
            name.starts_with("ARENA_") && crate::names::ALL.iter().all(|it| it.name != name)
        });
        names.sort();
        names
    }

    fn parse<T: FromVariable>(&mut self, variable: &Variable, text: String) -> Option<T> {
        match T::from_variable(&text) {
            Ok(value) => Some(value),
            Err(rule) => {
                self.refuse(variable, Some(text), rule);
                None
            }
        }
    }
}

/// One variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The variable.
    pub name: &'static str,
    /// What it is set to; `None` if it is unset.
    pub value: Option<String>,
    /// What it must be.
    pub rule: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}=`{value}`: must be {}", self.name, self.rule),
            None => write!(f, "{} is not set: {}", self.name, self.rule),
        }
    }
}

/// Every mistake of an environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct EnvError {
    /// At least one.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read settings from the environment, {} wrong:", self.mistakes.len())?;
        for mistake in &self.mistakes {
            write!(f, "\n  {mistake}")?;
        }
        write!(f, "\n  (every variable is explained in docs/settings.md)")
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::PathBuf;

    use arena_types::{ClusterName, Region, ReleaseId};
    use expect_test::{Expect, expect};

    use super::*;
    use crate::{Seconds, names};

    fn check(source: &dyn Source, expect: &Expect) {
        let mut reader = Reader::new(source);
        let cluster = reader.read::<ClusterName>(&names::CLUSTER);
        let region = reader.read::<Region>(&names::REGION);
        let release = reader.read::<ReleaseId>(&names::RELEASE);
        let mesh = reader.read::<SocketAddr>(&names::MESH_ADDR);
        let public = reader.optional::<SocketAddr>(&names::PUBLIC_ADDR);
        let data = reader.optional::<PathBuf>(&names::DATA_DIR);
        let deadline = reader.read::<Seconds>(&names::DRAIN_DEADLINE_S);
        let built =
            reader.finish(|| Some((cluster?, region?, release?, mesh?, public?, data?, deadline?)));
        expect.assert_eq(&match built {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn every_mistake_is_shown_with_its_value_and_its_rule() {
        check(
            &[
                ("ARENA_REGION", "eu_fra"),
                ("ARENA_RELEASE", "42"),
                ("ARENA_MESH_ADDR", "localhost"),
                ("ARENA_PUBLIC_ADDR", ""),
                ("ARENA_DATA_DIR", "data"),
                ("ARENA_DRAIN_DEADLINE_S", "10m"),
            ],
            &expect![[r"
                read settings from the environment, 7 wrong:
                  ARENA_CLUSTER is not set: The trust domain: all instances that share one certificate authority.
                  ARENA_REGION=`eu_fra`: must be a region: 1 to 63 of a-z, 0-9 and `-`, starting with a letter, not ending with `-` (RFC 1035 §2.3.1)
                  ARENA_RELEASE=`42`: must be a release: `r` and a number from 1, for example r42
                  ARENA_MESH_ADDR=`localhost`: must be an IP address and a port, for example 127.0.0.1:8080 or [::1]:0
                  ARENA_PUBLIC_ADDR=``: must be an IP address and a port, for example 127.0.0.1:8080 or [::1]:0
                  ARENA_DATA_DIR=`data`: must be an absolute path
                  ARENA_DRAIN_DEADLINE_S=`10m`: must be a number of seconds, 1 to 31536000, without a unit
                  (every variable is explained in docs/settings.md)"]],
        );
    }

    #[test]
    fn what_has_a_default_may_be_left_out() {
        check(
            &[("ARENA_CLUSTER", "demo"), ("ARENA_REGION", "local"), ("ARENA_RELEASE", "r1")],
            &expect![[
                r#"(ClusterName("demo"), Region("local"), ReleaseId(1), 127.0.0.1:0, None, None, Seconds(600))"#
            ]],
        );
    }

    #[test]
    fn a_mistyped_name_is_noticed() {
        let source = [("ARENA_CLUSTER", "demo"), ("ARENA_DRAIN_DEADLINE", "60"), ("PATH", "/bin")];
        assert_eq!(Reader::new(&source).undeclared(), ["ARENA_DRAIN_DEADLINE"]);
    }
}
