//! The document is what the schema of CycloneDX 1.5 asks for, on this workspace's own crates.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::super::recipe::Target;
use super::packages::{OsRelease, Package};
use super::*;

fn bom(binary: &str) -> Value {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let workspace = Workspace::read(&manifest).unwrap();
    let recipe = Recipe {
        image: format!("r.example:5000/arena/{binary}:7"),
        binary: binary.to_owned(),
        services: vec![binary.to_owned()],
        target: Target::Plain,
    };
    let package = Package {
        name: "libc6".to_owned(),
        version: "2.36-9+deb12u10".to_owned(),
        architecture: "amd64".to_owned(),
    };
    let os = OsRelease { id: "debian".to_owned(), version: "12".to_owned() };
    let installed = Installed { os, packages: vec![package] };
    let contents =
        Contents { recipe: &recipe, program: "ab".repeat(32), workspace: &workspace, installed };
    serde_json::to_value(contents.bom().unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn the_document_has_what_the_schema_requires() {
    let bom = bom("arenactl");
    assert_eq!((text(&bom, "bomFormat"), text(&bom, "specVersion")), ("CycloneDX", "1.5"));
    assert_eq!(bom["version"], 1);
    let uuid = text(&bom, "serialNumber").strip_prefix("urn:uuid:").unwrap();
    assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    let kinds = ["application", "container", "library", "operating-system"];
    let components = bom["components"].as_array().unwrap();
    let all = components.iter().chain([&bom["metadata"]["component"]]);
    let mut references = BTreeSet::new();
    for component in all.chain(bom["metadata"]["tools"]["components"].as_array().unwrap()) {
        assert!(kinds.contains(&text(component, "type")), "{component}");
        assert!(!text(component, "name").is_empty());
        assert!(references.insert(text(component, "bom-ref")), "twice: {component}");
        for license in component["licenses"].as_array().into_iter().flatten() {
            assert!(!text(license, "expression").contains('/'), "{license}");
        }
        for hash in component["hashes"].as_array().into_iter().flatten() {
            assert_eq!((text(hash, "alg"), text(hash, "content").len()), ("SHA-256", 64));
        }
    }
    let mut depending = BTreeSet::new();
    for dependency in bom["dependencies"].as_array().unwrap() {
        assert!(depending.insert(text(dependency, "ref")), "twice: {dependency}");
        let depends_on = dependency["dependsOn"].as_array().into_iter().flatten();
        for reference in depends_on.chain([&dependency["ref"]]) {
            assert!(references.contains(reference.as_str().unwrap()), "unknown {reference}");
        }
    }
}

#[test]
fn a_program_has_its_own_crates_and_no_others() {
    let names = |binary: &str| -> BTreeSet<String> {
        let bom = bom(binary);
        let components = bom["components"].as_array().unwrap();
        components.iter().map(|it| text(it, "name").to_owned()).collect()
    };
    let (arenactl, auth) = (names("arenactl"), names("arena-auth"));
    assert!(arenactl.contains("bollard") && !auth.contains("bollard"));
    assert!(auth.contains("argon2") && !arenactl.contains("argon2"));
    assert!(auth.contains("libc6") && auth.contains("arena-auth"));
    // What only tests use is in no program.
    assert!(!arenactl.contains("expect-test"));
}

#[test]
fn the_same_image_gives_the_same_document() {
    assert_eq!(bom("arena-auth"), bom("arena-auth"));
}

#[test]
fn a_program_of_somebody_else_has_no_crates() {
    let bom = bom("nginx");
    let components = bom["components"].as_array().unwrap();
    let names: Vec<&str> = components.iter().map(|it| text(it, "name")).collect();
    assert_eq!(names, ["debian", "libc6", "nginx"]);
}
