//! Taste as a test: sizes, names and words that a finished change does not have.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const MAIN_LINES_MAX: usize = 60;
/// Names that say nothing about what is inside.
const REFUSED_NAMES: &[&str] = &["common", "utils", "util", "helpers", "manager", "misc"];
/// Words of unfinished code. Split so that this file does not hold them itself.
const REFUSED_WORDS: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("allow(dead", "_code)"),
    concat!("should_", "panic"),
];

/// Functions and files allowed over a limit, each with its reason. The list may only shrink.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "services/lib/arena-instance/src/lifecycle/tests.rs:every_state_with_every_event",
    "one table, a line a case",
)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root").to_owned()
}

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.sort();
    assert!(found.len() > 30, "the walk found only {} files", found.len());
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn excepted(place: &str) -> bool {
    EXCEPTIONS.iter().any(|(known, _)| *known == place)
}

/// Length of each function by indentation, which rustfmt makes reliable.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let is_function = ["fn ", "async fn ", "const fn ", "unsafe fn "].iter().any(|it| {
            let code = code.strip_prefix("pub ").unwrap_or(code);
            let code = code.strip_prefix("pub(crate) ").unwrap_or(code);
            let code = code.strip_prefix("pub(super) ").unwrap_or(code);
            code.starts_with(it)
        });
        if !is_function || code.ends_with(';') {
            continue;
        }
        let is_signature_end = |it: &&&str| it.ends_with('{') || it.ends_with(';');
        if lines[start..].iter().find(is_signature_end).is_some_and(|it| it.ends_with(';')) {
            continue; // a method without a body
        }
        let closing = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines[start..].iter().position(|it| **it == closing) {
            let name = code.split(['(', '<']).next().unwrap_or(code);
            found.push((name.rsplit(' ').next().unwrap_or(name).to_owned(), length + 1));
        }
    }
    found
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let (place, lines) = (shown(&path), text.lines().count());
        if lines > FILE_LINES_MAX && !excepted(&place) {
            wrong.push(format!("{place}: {lines} lines, at most {FILE_LINES_MAX}"));
        }
        if place.ends_with("src/main.rs") && lines > MAIN_LINES_MAX {
            wrong.push(format!("{place}: {lines} lines, at most {MAIN_LINES_MAX}"));
        }
        for (name, length) in functions(&text) {
            if length > FUNCTION_LINES_MAX && !excepted(&format!("{place}:{name}")) {
                wrong.push(format!("{place}: fn {name}: {length} lines"));
            }
        }
    }
    assert!(wrong.is_empty(), "split these:\n{}", wrong.join("\n"));
}

#[test]
fn names_say_something() {
    for path in sources() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let folder = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        for refused in REFUSED_NAMES {
            assert!(name != *refused && folder != *refused, "{}: say what it is", shown(&path));
        }
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let mut wrong = Vec::new();
    for path in sources() {
        for (index, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            for word in REFUSED_WORDS {
                if line.contains(word) {
                    wrong.push(format!("{}:{}: {word}", shown(&path), index + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "finish these:\n{}", wrong.join("\n"));
}

#[test]
fn every_integration_test_file_is_declared() {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).unwrap();
    for entry in fs::read_dir(root().join("tests/it")).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_module = path.extension().is_some_and(|it| it == "rs")
            || path.is_dir() && path.join("mod.rs").exists();
        if is_module && stem != "main" {
            assert!(main.contains(&format!("mod {stem};")), "declare `mod {stem};` in it/main.rs");
        }
    }
}
