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
    assert_eq!(files.len(), 4 + 8);
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

fn parsed(stack: &Rendered) -> serde_json::Value {
    serde_yaml::from_str(&stack.text).unwrap()
}

/// What an operator of a swarm relies on, whatever the spec says.
#[test]
#[expect(clippy::disallowed_methods, reason = "the repository's own file is the input")]
fn every_stack_keeps_to_what_swarm_can_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = committed(&std::fs::read_to_string(root.join("arena.yaml")).unwrap()).unwrap();
    for stack in files.iter().filter(|it| it.path.starts_with("stacks/")).map(parsed) {
        for kind in ["secrets", "configs"] {
            for (name, it) in stack[kind].as_object().unwrap() {
                assert_eq!(it["external"], true, "{name} is created by nobody else");
                assert!(it["name"].as_str().unwrap().len() <= 64, "{name}");
                assert_eq!(it.as_object().unwrap().len(), 2, "{name} holds nothing");
            }
        }
        for (name, it) in stack["services"].as_object().unwrap() {
            let ports = it["ports"].as_array();
            assert!(ports.into_iter().flatten().all(|it| it["mode"] == "host"), "{name}");
            assert_eq!(it["deploy"]["endpoint_mode"], "dnsrr", "{name}");
            assert_eq!((&it["read_only"], &it["cap_drop"][0]), (&true.into(), &"ALL".into()));
            assert_eq!(it["healthcheck"]["test"][1], "/arena/service", "{name}");
            let slots = it["deploy"]["replicas"].as_u64().unwrap() as usize;
            let is_identity = |it: &&serde_json::Value| {
                it["target"].as_str().unwrap().starts_with("/run/identity/")
            };
            let identities = it["secrets"].as_array().unwrap().iter().filter(is_identity).count();
            assert_eq!(identities, 3 * slots, "{name}: three files a slot");
        }
    }
}

#[test]
fn a_stack_takes_everything_literally_and_names_contents_by_hash() {
    let yaml = "
regions: { eu-lon: { backend: swarm, endpoint: 'ssh://deploy@lon1', gpu_kind: GPU } }
configs: { motd: { from: motd.txt } }
secrets: { drain_token: {} }
services:
  store: { kind: data }
  chat:
    kind: sessions
    image: example.com/chat:2
    configs: [motd]
    secrets: [drain_token]
    args: [--price=$5]
    env: { NOTE: '{{.Node.ID}} costs $5' }
    resources: { gpus: 2 }
    placement: { labels: { gpu.model: A$1 }, spread: [zone], max_per_node: 2 }
";
    let stack = parsed(&swarm(&fixture::release(3, yaml, "motd=hello")));
    let chat = &stack["services"]["chat-r3"];
    let show = |value: &serde_json::Value| serde_yaml::to_string(value).unwrap();
    let shown = [
        &chat["command"],
        &chat["environment"],
        &chat["configs"],
        &chat["ports"],
        &chat["deploy"]["placement"],
        &chat["deploy"]["resources"]["reservations"],
        &stack["configs"],
        &stack["secrets"]["secret_drain_token"],
        &stack["volumes"],
        &chat["healthcheck"],
    ]
    .map(show)
    .join("--\n");
    expect![[r#"
        - --price=$$5
        --
        ARENA_CLUSTER: arena
        ARENA_CONFIGS_DIR: /run/configs
        ARENA_DATA_DIR: /data
        ARENA_DRAIN_DEADLINE_S: '60'
        ARENA_IDENTITY_DIR: /run/identity/{{.Task.Slot}}
        ARENA_INSTANCE: chat-r3-{{.Task.Slot}}
        ARENA_LOG_FORMAT: json
        ARENA_MESH_ADDR: 0.0.0.0:7400
        ARENA_PUBLIC_ADDR: 0.0.0.0:8080
        ARENA_REGION: ${ARENA_REGION:-eu-lon}
        ARENA_RELEASE: r3
        ARENA_SECRETS_DIR: /run/secrets
        ARENA_SERVICE: chat
        ARENA_SIDE_ADDR: 0.0.0.0:9100
        ARENA_STORE_ADDR: store-r3:7400
        NOTE: '{{"{{"}}.Node.ID}} costs $$5'
        --
        - source: motd
          target: /run/configs/motd
        --
        - target: 8080
          protocol: tcp
          mode: host
        --
        constraints:
        - node.labels.gpu.model == A$$1
        preferences:
        - spread: node.labels.zone
        max_replicas_per_node: 2
        --
        cpus: '0.25'
        memory: 134217728b
        generic_resources:
        - discrete_resource_spec:
            kind: GPU
            value: 2
        --
        motd:
          external: true
          name: arena_motd_b3db2e1d34d4
        --
        external: true
        name: arena_drain_token_0ce9d2a93ad0
        --
        chat:
          name: arena_chat-r3-{{.Task.Slot}}
        store:
          name: arena_store
        --
        null
    "#]]
    .assert_eq(&shown);
}
