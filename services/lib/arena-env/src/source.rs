use std::collections::BTreeMap;

/// Where variables come from: the process in `main`, a table in tests.
pub trait Source {
    /// Returns the value of `name`, lossily decoded if it is not UTF-8, or `None` if it is unset.
    fn value(&self, name: &str) -> Option<String>;

    /// Returns the names of all variables that are set.
    fn names(&self) -> Vec<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Source for Process {
    fn value(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|it| it.to_string_lossy().into_owned())
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }
}

impl Source for BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

impl<const N: usize> Source for [(&str, &str); N] {
    fn value(&self, name: &str) -> Option<String> {
        self.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
    }

    fn names(&self) -> Vec<String> {
        self.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}
