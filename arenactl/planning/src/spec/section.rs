//! One section of the file while it is read: asks for keys, collects mistakes, goes on with defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::spec::error::{Place, Problem, SpecError, closest};
use crate::spec::yaml::{At, Node, Origin, Value};
use crate::units::UnitError;

/// All mistakes of one reading.
pub(super) struct Mistakes<'a> {
    pub(super) list: Vec<SpecError>,
    /// The environment whose overlay was merged.
    pub(super) environment: &'a str,
    /// The `--set` arguments.
    pub(super) sets: &'a [String],
}

impl Mistakes<'_> {
    /// Takes note of a mistake at `path`, which is written at `at`.
    pub(super) fn push(&mut self, at: At, path: &str, problem: Problem) {
        let place = match at.origin {
            Origin::Set(index) => {
                let argument = self.sets.get(index).map_or("", String::as_str);
                Place::Argument { text: format!("--set {argument}") }
            }
            Origin::Base | Origin::Overlay => Place::File { line: at.line, column: at.column },
        };
        let path = match at.origin {
            Origin::Overlay => format!("environments.{}.{path}", self.environment),
            Origin::Base | Origin::Set(_) => path.to_owned(),
        };
        self.list.push(SpecError { place, path, problem });
    }
}

/// Why a text is not a value of a type: what belongs there, and how it is written.
pub(super) struct Refusal {
    pub(super) what: String,
    pub(super) help: String,
}

impl From<UnitError> for Refusal {
    fn from(error: UnitError) -> Self {
        Self { what: error.what.to_owned(), help: error.help.to_owned() }
    }
}

impl From<arena_types::NameError> for Refusal {
    fn from(error: arena_types::NameError) -> Self {
        Self { what: format!("a {}", error.kind), help: format!("use {}", error.rule) }
    }
}

impl From<std::convert::Infallible> for Refusal {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// What a text must be, beyond being text.
pub(super) struct Rule {
    /// What belongs there, with its article.
    pub(super) what: &'static str,
    /// How it is written.
    pub(super) help: &'static str,
    /// Returns whether a text keeps the rule.
    pub(super) holds: fn(&str) -> bool,
}

/// A section that is being read.
pub(super) struct Section<'n, 'm, 'e> {
    node: Option<&'n Node>,
    at: At,
    path: String,
    mistakes: &'m mut Mistakes<'e>,
    known: BTreeSet<&'static str>,
    open: bool,
}

impl<'n, 'e> Section<'n, '_, 'e> {
    pub(super) fn root<'m>(node: &'n Node, mistakes: &'m mut Mistakes<'e>) -> Section<'n, 'm, 'e> {
        Section {
            node: Some(node),
            at: node.at,
            path: String::new(),
            mistakes,
            known: BTreeSet::new(),
            open: false,
        }
    }

    /// Returns the path of a key of this section.
    pub(super) fn path_of(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// Takes note of a mistake in the value below `key`, or in the section if it is not there.
    pub(super) fn mistake(&mut self, key: &str, problem: Problem) {
        let at = self.node.and_then(|it| it.child(key)).map_or(self.at, |it| it.at);
        let path = self.path_of(key);
        self.mistakes.push(at, &path, problem);
    }

    /// Takes note of two settings that do not fit.
    pub(super) fn conflict(&mut self, key: &str, what: impl Into<String>, help: impl Into<String>) {
        self.mistake(key, Problem::Conflict { what: what.into(), help: help.into() });
    }

    /// Returns whether the section has `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.node.and_then(|it| it.child(key)).is_some_and(|it| !matches!(it.value, Value::Null))
    }

    /// Returns whether the section is written, as a section.
    pub(super) const fn is_there(&self) -> bool {
        self.node.is_some()
    }

    /// Returns where the value below `key` is written, or the section.
    pub(super) fn at(&self, key: &str) -> At {
        self.node.and_then(|it| it.child(key)).map_or(self.at, |it| it.at)
    }

    /// Returns the node below `key`, which is known from now on.
    fn ask(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.insert(key);
        let node = self.node.and_then(|it| it.child(key))?;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// Reads a single value.
    pub(super) fn value<T: FromStr<Err: Into<Refusal>>>(&mut self, key: &'static str) -> Option<T> {
        let node = self.ask(key)?;
        let path = self.path_of(key);
        self.parse(node, &path)
    }

    /// Reads a single value, or takes the default.
    pub(super) fn or<T: FromStr<Err: Into<Refusal>>>(
        &mut self,
        key: &'static str,
        default: T,
    ) -> T {
        self.value(key).unwrap_or(default)
    }

    /// Reads a text that keeps a rule.
    pub(super) fn text_by(&mut self, key: &'static str, rule: &Rule) -> Option<String> {
        let text: String = self.value(key)?;
        if (rule.holds)(&text) {
            return Some(text);
        }
        let (what, help) = (rule.what.to_owned(), rule.help.to_owned());
        self.mistake(key, Problem::Invalid { value: text, what, help });
        None
    }

    /// Reads a section of single values.
    pub(super) fn pairs<K, V>(&mut self, key: &'static str) -> BTreeMap<K, V>
    where
        K: FromStr<Err: Into<Refusal>> + Ord,
        V: FromStr<Err: Into<Refusal>>,
    {
        let mut pairs = BTreeMap::new();
        for (name, node) in self.entries(key) {
            let path = format!("{}.{}", self.path_of(key), name.text);
            let parsed = self.parse_text::<K>(&name.text, name.at, &path);
            let value = self.parse::<V>(node, &path);
            pairs.extend(parsed.zip(value));
        }
        pairs
    }

    fn parse<T: FromStr<Err: Into<Refusal>>>(&mut self, node: &Node, path: &str) -> Option<T> {
        let text = self.text(node, path)?;
        self.parse_text(text, node.at, path)
    }

    fn parse_text<T: FromStr<Err: Into<Refusal>>>(
        &mut self,
        text: &str,
        at: At,
        path: &str,
    ) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let Refusal { what, help } = error.into();
                let value = text.to_owned();
                self.mistakes.push(at, path, Problem::Invalid { value, what, help });
                None
            }
        }
    }

    fn text<'t>(&mut self, node: &'t Node, path: &str) -> Option<&'t str> {
        let Value::Scalar { text, .. } = &node.value else {
            let found = node.shape();
            self.mistakes.push(
                node.at,
                path,
                Problem::WrongShape { wanted: "a single value", found },
            );
            return None;
        };
        Some(text)
    }

    /// Reads a whole number in a range, or takes the default.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let Some(node) = self.ask(key) else { return default };
        let path = self.path_of(key);
        self.number_at(node, &path, &range).unwrap_or(default)
    }

    fn number_at(&mut self, node: &Node, path: &str, range: &RangeInclusive<u32>) -> Option<u32> {
        let text = self.text(node, path)?;
        let (least, most) = (*range.start(), *range.end());
        let problem = match text.parse::<u64>() {
            Ok(value) if (u64::from(least)..=u64::from(most)).contains(&value) => {
                return Some(value as u32);
            }
            Ok(value) => Problem::Range { value, least: least.into(), most: most.into() },
            Err(_) => Problem::Invalid {
                value: text.to_owned(),
                what: "a whole number".to_owned(),
                help: format!("write a number from {least} to {most}"),
            },
        };
        self.mistakes.push(node.at, path, problem);
        None
    }

    /// Reads one of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let node = self.ask(key)?;
        let path = self.path_of(key);
        let text = self.text(node, &path)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let meant = closest(text, words.iter().copied());
            let problem = Problem::Choice { value: text.to_owned(), choices: words, meant };
            self.mistakes.push(node.at, &path, problem);
        }
        found.map(|(_, value)| *value)
    }

    /// Reads a list, each item by `read`.
    fn items<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Self, &'n Node, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let node = self.ask(key)?;
        let path = self.path_of(key);
        let Value::List(nodes) = &node.value else {
            let found = node.shape();
            self.mistakes.push(node.at, &path, Problem::WrongShape { wanted: "a list", found });
            return None;
        };
        let items = nodes.iter().enumerate();
        Some(items.filter_map(|(i, node)| read(self, node, &format!("{path}[{i}]"))).collect())
    }

    /// Reads a list of single values.
    pub(super) fn list<T: FromStr<Err: Into<Refusal>>>(
        &mut self,
        key: &'static str,
    ) -> Option<Vec<T>> {
        self.items(key, Self::parse)
    }

    /// Reads a list of numbers.
    pub(super) fn numbers(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<u32>,
    ) -> Option<Vec<u32>> {
        self.items(key, |it, node, path| it.number_at(node, path, range))
    }

    /// Reads a list of names, each of which must be known; a name twice is a mistake.
    pub(super) fn names<T>(
        &mut self,
        key: &'static str,
        kind: &'static str,
        known: &BTreeSet<String>,
    ) -> Vec<T>
    where
        T: FromStr<Err: Into<Refusal>>,
    {
        let mut lines = BTreeMap::new();
        let names =
            self.items(key, |it, node, path| it.name_at(node, path, kind, known, &mut lines));
        names.unwrap_or_default()
    }

    /// Reads a list of lists of names; a name twice in any of them is a mistake.
    pub(super) fn groups<T>(
        &mut self,
        key: &'static str,
        kind: &'static str,
        known: &BTreeSet<String>,
    ) -> Vec<Vec<T>>
    where
        T: FromStr<Err: Into<Refusal>>,
    {
        let mut lines = BTreeMap::new();
        let groups = self.items(key, |it, node, path| {
            let Value::List(nodes) = &node.value else {
                let found = node.shape();
                it.mistakes.push(node.at, path, Problem::WrongShape { wanted: "a list", found });
                return None;
            };
            let mut group = Vec::new();
            for (index, node) in nodes.iter().enumerate() {
                let path = format!("{path}[{index}]");
                group.extend(it.name_at(node, &path, kind, known, &mut lines));
            }
            Some(group)
        });
        groups.unwrap_or_default()
    }

    fn name_at<T: FromStr<Err: Into<Refusal>>>(
        &mut self,
        node: &'n Node,
        path: &str,
        kind: &'static str,
        known: &BTreeSet<String>,
        lines: &mut BTreeMap<String, usize>,
    ) -> Option<T> {
        let text = self.text(node, path)?;
        if let Some(first_line) = lines.insert(text.to_owned(), node.at.line) {
            self.mistakes.push(node.at, path, Problem::Twice { first_line });
            return None;
        }
        if !known.contains(text) {
            let problem = Problem::UnknownName {
                kind,
                value: text.to_owned(),
                meant: closest(text, known.iter().map(String::as_str)),
                known: known.iter().cloned().collect(),
            };
            self.mistakes.push(node.at, path, problem);
            return None;
        }
        self.parse(node, path)
    }

    /// Reads a section below `key`; if it is not there, an empty one.
    pub(super) fn section<R>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'n, '_, 'e>) -> R,
    ) -> R {
        let node = self.ask(key);
        let path = self.path_of(key);
        self.below(node, path, read)
    }

    fn below<R>(
        &mut self,
        node: Option<&'n Node>,
        path: String,
        read: impl FnOnce(&mut Section<'n, '_, 'e>) -> R,
    ) -> R {
        let wrong = node.filter(|it| !matches!(it.value, Value::Map(_) | Value::Null));
        if let Some(node) = wrong {
            let found = node.shape();
            self.mistakes.push(node.at, &path, Problem::WrongShape { wanted: "a section", found });
        }
        let mut section = Section {
            node: node.filter(|_| wrong.is_none()),
            at: node.map_or(self.at, |it| it.at),
            path,
            mistakes: self.mistakes,
            known: BTreeSet::new(),
            open: false,
        };
        let value = read(&mut section);
        if wrong.is_none() {
            section.refuse_unknown_keys();
        }
        value
    }

    /// Reads a section whose keys are names, each value by `read`.
    pub(super) fn map<K, V>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&K, &mut Section<'n, '_, 'e>) -> V,
    ) -> BTreeMap<K, V>
    where
        K: FromStr<Err: Into<Refusal>> + Ord,
    {
        let mut map = BTreeMap::new();
        for (name, node) in self.entries(key) {
            let path = format!("{}.{}", self.path_of(key), name.text);
            let Some(parsed) = self.parse_text::<K>(&name.text, name.at, &path) else { continue };
            let value = self.below(Some(node), path, |section| read(&parsed, section));
            map.insert(parsed, value);
        }
        map
    }

    /// Returns the names and values below `key`, without those that begin with `x-`.
    pub(super) fn entries(
        &mut self,
        key: &'static str,
    ) -> Vec<(&'n crate::spec::yaml::Key, &'n Node)> {
        let Some(node) = self.ask(key) else { return Vec::new() };
        let Value::Map(entries) = &node.value else {
            let (path, found) = (self.path_of(key), node.shape());
            self.mistakes.push(node.at, &path, Problem::WrongShape { wanted: "a section", found });
            return Vec::new();
        };
        let own = entries.iter().filter(|(name, _)| !name.text.starts_with("x-"));
        own.map(|(name, node)| (name, node)).collect()
    }

    /// Takes note of a mistake at a place of its own.
    pub(super) fn mistake_at(&mut self, at: At, path: &str, problem: Problem) {
        self.mistakes.push(at, path, problem);
    }

    /// Returns the node below `key` as it is.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<&'n Node> {
        self.ask(key)
    }

    /// Returns the whole section as it is; all its keys are known.
    pub(super) fn whole(&mut self) -> Option<&'n Node> {
        self.open = true;
        self.node
    }

    /// Takes all keys for known: the section was read before.
    pub(super) const fn know_all(&mut self) {
        self.open = true;
    }

    /// Ends the reading: what was not asked for is unknown.
    pub(super) fn refuse_unknown_keys(&mut self) {
        let Some(Value::Map(entries)) = self.node.map(|it| &it.value) else { return };
        if self.open {
            return;
        }
        let unknown = entries.iter().filter(|(key, _)| {
            !self.known.contains(key.text.as_str()) && !key.text.starts_with("x-")
        });
        for (key, _) in unknown {
            let meant = closest(&key.text, self.known.iter().copied());
            let known = self.known.iter().map(|it| (*it).to_owned()).collect();
            let path = self.path_of(&key.text);
            self.mistakes.push(key.at, &path, Problem::UnknownKey { meant, known });
        }
    }
}
