use super::*;
use crate::fixture::release;

/// Written by arenactl before images, placement and configs existed.
const STORED: &str = include_str!("stored.json");

#[test]
fn a_release_stored_by_an_older_arenactl_is_still_intact() {
    let stored: Release = serde_json::from_str(STORED).unwrap();
    assert!(stored.is_intact());
    let written = serde_json::to_string_pretty(&stored).unwrap();
    assert_eq!(written, STORED.trim_end(), "what it would be written as today");
    assert_eq!(stored.spec.operator_image(), "arenactl:latest");
    let region = &stored.spec.regions[&"eu-fra".parse().unwrap()];
    assert_eq!((region.gpu_kind.as_str(), &region.tls), ("NVIDIA-GPU", &None));
}

#[test]
fn a_changed_file_is_another_release_and_another_launch() {
    let yaml = "
configs: { motd: { from: motd.txt } }
services:
  auth: { configs: [motd] }
  stats: {}
";
    let (one, same, other) = (
        release(1, yaml, "motd=hello"),
        release(2, yaml, "motd=hello"),
        release(3, yaml, "motd=good evening"),
    );
    assert_eq!(one.digest, same.digest);
    assert_ne!(one.digest, other.digest);
    let launch = |release: &Release, name: &str| {
        serde_json::to_string(&release.launch(&name.parse().unwrap()).unwrap().configs).unwrap()
    };
    assert_ne!(launch(&one, "auth"), launch(&other, "auth"));
    assert_eq!(launch(&one, "stats"), launch(&other, "stats"));
    let mut spoiled = other.clone();
    spoiled.config_files.clone_from(&one.config_files);
    assert!(other.is_intact() && !spoiled.is_intact());
    assert!(!serde_json::to_string(&other).unwrap().contains("good evening"));
}
