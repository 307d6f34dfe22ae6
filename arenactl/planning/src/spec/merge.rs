//! Overlays and overrides.
//!
//! An overlay has the shape of the file. Sections are merged key by key, as deep as they go; a single
//! value or a list replaces what was there; an empty value (`~`) takes a key away. `--set` does the
//! same for one path, after the overlay.

use crate::spec::error::{Place, Problem, SpecError, closest};
use crate::spec::yaml::{self, At, Key, Node, Origin, Value};

/// Lays `over` on `base`.
pub(super) fn overlay(base: &mut Node, over: Node) {
    let over = match (&mut base.value, over) {
        (Value::Map(entries), Node { value: Value::Map(changes), .. }) => {
            for (key, node) in changes {
                overlay_entry(entries, key, node);
            }
            return;
        }
        (_, over) => over,
    };
    *base = over;
}

fn overlay_entry(entries: &mut Vec<(Key, Node)>, key: Key, node: Node) {
    let found = entries.iter().position(|(it, _)| it.text == key.text);
    match (found, &node.value) {
        (Some(index), Value::Null) => {
            entries.remove(index);
        }
        (Some(index), _) => overlay(&mut entries[index].1, node),
        (None, _) => entries.push((key, node)),
    }
}

/// Marks a tree as coming from `origin`.
pub(super) fn stamp(node: &mut Node, origin: Origin) {
    node.at.origin = origin;
    match &mut node.value {
        Value::List(nodes) => nodes.iter_mut().for_each(|it| stamp(it, origin)),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, node)| {
            key.at.origin = origin;
            stamp(node, origin);
        }),
        Value::Null | Value::Scalar { .. } => {}
    }
}

/// Reads `path=value` and lays it on `base`. The value is YAML: `3`, `[a, b]`, `{x: 1}`.
pub(super) fn set(base: &mut Node, argument: &str, index: usize, errors: &mut Vec<SpecError>) {
    let origin = Origin::Set(index);
    let mut mistake = |path: &str, problem| {
        let place = Place::Argument { text: format!("--set {argument}") };
        errors.push(SpecError { place, path: path.to_owned(), problem });
    };
    let Some((path, text)) = argument.split_once('=') else {
        let help = "write `path=value`: `services.game.instances=2`".to_owned();
        let (value, what) = (argument.to_owned(), "a setting".to_owned());
        return mistake("--set", Problem::Invalid { value, what, help });
    };
    let (mut node, errors) = yaml::parse(text, origin);
    if let Some(error) = errors.into_iter().next() {
        return mistake(path, error.problem);
    }
    if text.is_empty() {
        node.value = Value::Scalar { text: String::new(), quoted: true };
    }
    if let Some(problem) = unknown_name(base, path) {
        return mistake(path, problem);
    }
    stamp(&mut node, origin);
    let at = At { origin, line: 0, column: 0 };
    for name in path.rsplit('.') {
        if name.is_empty() {
            let help = "write names with single dots between them".to_owned();
            let (value, what) = (path.to_owned(), "a path".to_owned());
            return mistake("--set", Problem::Invalid { value, what, help });
        }
        let key = Key { text: name.to_owned(), at };
        node = Node { at, value: Value::Map(vec![(key, node)]) };
    }
    overlay(base, node);
}

/// A service or region is not made by an override: its name would be a slip of the hand.
fn unknown_name(base: &Node, path: &str) -> Option<Problem> {
    let mut names = path.split('.');
    let (section, name) = (names.next()?, names.next()?);
    let kind = match section {
        "services" => "service",
        "regions" => "region",
        "secrets" => "secret",
        "configs" => "config",
        _ => return None,
    };
    let known = match base.child(section).map(|it| &it.value) {
        Some(Value::Map(entries)) => entries.iter().map(|(key, _)| key.text.clone()).collect(),
        _ => Vec::new(),
    };
    if known.iter().any(|it| it == name) {
        return None;
    }
    let meant = closest(name, known.iter().map(String::as_str));
    Some(Problem::UnknownName { kind, value: name.to_owned(), meant, known })
}
