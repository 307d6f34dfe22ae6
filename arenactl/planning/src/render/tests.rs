use std::path::Path;

use expect_test::{expect, expect_file};

use super::*;
use crate::fixture;

/// `make render` writes these files; this fails when one of them is stale.
#[test]
#[expect(clippy::disallowed_methods, reason = "the repository's own file is the input")]
fn what_is_committed_is_what_is_rendered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let spec = std::fs::read_to_string(root.join("arena.yaml")).unwrap();
    let files = committed(&spec).unwrap();
    assert_eq!(files.len(), 2 + 8);
    for file in files {
        expect_file![root.join(&file.path)].assert_eq(&file.text);
    }
}

#[test]
fn a_file_with_mistakes_is_not_rendered() {
    assert!(!committed("services: 3\n").unwrap_err().is_empty());
}

#[test]
fn images_are_pinned_by_digest_once_there_is_one() {
    let yaml = "
images: { registry: 'registry.example.com:5000/arena', tag: v2 }
services:
  named: { image: 'registry.example.com:5000/named' }
  pinned: { image: 'example/pinned@sha256:00' }
  plain: {}
  tagged: { image: 'example/tagged:7' }
";
    let with = fixture::release(3, yaml, "a");
    let mut without = with.clone();
    without.artifacts.clear();
    let images = |release: &Release| -> Vec<String> {
        let services = release.spec.services.keys();
        services.map(|name| image(release, name).chars().take(60).collect()).collect()
    };
    expect![[r"
        registry.example.com:5000/named
        example/pinned@sha256:00
        registry.example.com:5000/arena/arena-plain:v2
        example/tagged:7"]]
    .assert_eq(&images(&without).join("\n"));
    expect![[r"
        registry.example.com:5000/named@sha256:eca20c6fa5d8cf345ee23
        example/pinned@sha256:00
        registry.example.com:5000/arena/arena-plain:v2@sha256:3a943e
        example/tagged:7@sha256:49dca2609127eb05d2032a29f830b0cb0b0f"]]
    .assert_eq(&images(&with).join("\n"));
    assert_eq!(with.spec.operator_image(), "registry.example.com:5000/arena/arenactl:v2");
}
