//! The image file: what a linter says of it, and what old builders and bases without a shell need.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root").to_owned()
}

#[test]
fn hadolint_has_nothing_to_say() {
    let mut hadolint = Command::new(root().join(".ci/hadolint"));
    let output = hadolint.arg("Dockerfile.gpu").current_dir(root()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn every_stage_ends_with_the_binary() {
    let file = std::fs::read_to_string(root().join("Dockerfile.gpu")).unwrap();
    let instructions: Vec<&str> = file.lines().filter(|it| !it.starts_with('#')).collect();
    let text = instructions.join("\n");
    let stages: Vec<&str> = text.split("\nFROM ").skip(1).collect();
    assert_eq!(stages.len(), 3, "folders, plain, gpu");
    for stage in &stages[1..] {
        let last = stage.trim_end().lines().last().unwrap_or_default();
        assert_eq!(last, "COPY target/release/${BINARY} /service", "layers below stay the same");
        assert!(stage.contains("\nUSER 65532:65532\n"), "a user without rights: {stage}");
    }
    // Both are newer than the builder of engine 20.10.
    assert!(!file.contains("--chmod") && !file.contains("--mount"), "BuildKit alone has these");
}
