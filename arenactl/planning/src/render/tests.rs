use std::path::Path;

use expect_test::{Expect, expect, expect_file};

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

/// The keys of a register request that we use (Nomad `api/jobs.go`, `tasks.go`, `services.go`); Nomad
/// ignores one that it does not know, so a slip of the hand would go unseen.
const REGISTER_KEYS: &[(&str, &str)] = &[
    ("", "Job EnforceIndex JobModifyIndex"),
    ("Job", "ID Name Type Namespace Datacenters Meta TaskGroups"),
    (
        "TaskGroups",
        "Name Count Update RestartPolicy ReschedulePolicy EphemeralDisk Networks Services Tasks Volumes \
         Constraints Spreads",
    ),
    (
        "Update",
        "MaxParallel HealthCheck AutoRevert AutoPromote Stagger MinHealthyTime HealthyDeadline \
         ProgressDeadline",
    ),
    ("RestartPolicy", "Attempts Interval Delay Mode"),
    ("ReschedulePolicy", "Attempts Unlimited Delay DelayFunction"),
    ("EphemeralDisk", "SizeMB Sticky Migrate"),
    ("Networks", "Mode DynamicPorts ReservedPorts"),
    ("DynamicPorts", "Label"),
    ("ReservedPorts", "Label Value"),
    ("Services", "Name Provider PortLabel Meta Checks"),
    ("Checks", "Name Type Path PortLabel Interval Timeout"),
    ("Tasks", "Name Driver KillSignal KillTimeout Config Env Templates Resources VolumeMounts"),
    ("Templates", "EmbeddedTmpl DestPath Perms ChangeMode Envvars"),
    ("Resources", "CPU MemoryMB Devices"),
    ("Devices", "Name Count Constraints"),
    ("Constraints", "LTarget RTarget Operand"),
    ("Spreads", "Attribute Weight"),
    ("VolumeMounts", "Volume Destination"),
    ("data", "Type Source"),
    ("Config", "image args ports network_mode readonly_rootfs cap_drop mount"),
    ("mount", "type target readonly tmpfs_options"),
    ("tmpfs_options", "size"),
];
/// What holds names of ours.
const FREE_MAPS: &[&str] = &["Meta", "Env", "Volumes"];

fn check_keys(below: &str, value: &serde_json::Value) {
    match value {
        serde_json::Value::Array(values) => values.iter().for_each(|it| check_keys(below, it)),
        serde_json::Value::Object(map) => {
            let known = REGISTER_KEYS.iter().find(|(name, _)| *name == below).map(|it| it.1);
            for (key, value) in map {
                let is_known = known.is_some_and(|it| it.split(' ').any(|it| it == key));
                assert!(is_known || FREE_MAPS.contains(&below), "`{key}` below `{below}`");
                check_keys(key, value);
            }
        }
        _ => {}
    }
}

/// What `structs.Job.Validate` refuses, as far as it can be seen here.
#[test]
#[expect(clippy::disallowed_methods, reason = "the repository's own file is the input")]
fn every_job_is_what_nomad_registers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = committed(&std::fs::read_to_string(root.join("arena.yaml")).unwrap()).unwrap();
    for file in files.iter().filter(|it| it.path.starts_with("nomad/")) {
        let request: serde_json::Value = serde_json::from_str(&file.text).unwrap();
        check_keys("", &request);
        let group = &request["Job"]["TaskGroups"][0];
        let number = |key: &str| group["Update"][key].as_u64().unwrap();
        assert!(number("MinHealthyTime") < number("HealthyDeadline"), "{}", file.path);
        assert!(number("HealthyDeadline") < number("ProgressDeadline"), "{}", file.path);
        let labels: Vec<_> = ["DynamicPorts", "ReservedPorts"]
            .iter()
            .flat_map(|it| group["Networks"][0][it].as_array().into_iter().flatten())
            .map(|it| &it["Label"])
            .collect();
        for port in group["Tasks"][0]["Config"]["ports"].as_array().unwrap() {
            assert!(labels.contains(&port), "{}: {port}", file.path);
        }
        assert!(group["Tasks"][0]["KillTimeout"].as_u64().unwrap() <= 30_000_000_000);
    }
}

#[test]
fn a_job_asks_devices_and_nodes_for_what_labels_ask() {
    let yaml = "
services:
  store: { kind: data }
  game:
    kind: matches
    capacity: 4
    resources: { gpus: 2 }
    placement:
      labels: { region: eu-fra, gpu.model: NVIDIA L4, gpu.vram_class: 24g, rack: a }
      spread: [zone, rack]
      max_per_node: 2
  trainer: { placement: { labels: { gpu.vram_class: 24g } } }
";
    let files = nomad(&fixture::release(3, yaml, "a"));
    let group = |service: &str| -> serde_json::Value {
        let path = format!("nomad/{service}.nomad.json");
        let text = &files.iter().find(|it| it.path == path).unwrap().text;
        serde_json::from_str::<serde_json::Value>(text).unwrap()["Job"]["TaskGroups"][0].clone()
    };
    let (game, trainer) = (group("game"), group("trainer"));
    let lines = |values: &serde_json::Value| -> String {
        let lines: Vec<_> = values.as_array().unwrap().iter().map(ToString::to_string).collect();
        lines.join("\n") + "\n"
    };
    let shown = [
        &game["Constraints"],
        &game["Spreads"],
        &game["Tasks"][0]["Resources"]["Devices"],
        &game["Tasks"][0]["Templates"],
        &trainer["Constraints"],
    ]
    .map(lines)
    .join("--\n");
    expect![[r#"
        {"LTarget":"${meta.rack}","RTarget":"a","Operand":"="}
        {"LTarget":"${node.region}","RTarget":"eu-fra","Operand":"="}
        {"LTarget":"${node.unique.id}","RTarget":"2","Operand":"distinct_property"}
        --
        {"Attribute":"${meta.zone}","Weight":100}
        {"Attribute":"${meta.rack}","Weight":50}
        --
        {"Name":"nvidia/gpu","Count":2,"Constraints":[{"LTarget":"${device.model}","RTarget":"NVIDIA L4","Operand":"="},{"LTarget":"${device.attr.memory}","RTarget":"24 GB","Operand":">="}]}
        --
        {"EmbeddedTmpl":"{{ with nomadVar \"nomad/jobs/arena-game-r3/game\" }}{{ index . (env \"NOMAD_ALLOC_INDEX\" | printf \"cert_%s\") }}{{ end }}","DestPath":"secrets/identity/cert.pem","Perms":"0444","ChangeMode":"noop"}
        {"EmbeddedTmpl":"{{ with nomadVar \"nomad/jobs/arena-game-r3/game\" }}{{ index . (env \"NOMAD_ALLOC_INDEX\" | printf \"key_%s\") }}{{ end }}","DestPath":"secrets/identity/key.pem","Perms":"0444","ChangeMode":"noop"}
        {"EmbeddedTmpl":"{{ with nomadVar \"nomad/jobs/arena-game-r3/game\" }}{{ .roots }}{{ end }}","DestPath":"secrets/identity/roots.pem","Perms":"0444","ChangeMode":"noop"}
        {"EmbeddedTmpl":"{{ range nomadService \"arena-store\" }}ARENA_STORE_ADDR={{ .Address }}:{{ .Port }}\n{{ end }}","DestPath":"local/store.env","Envvars":true,"ChangeMode":"noop"}
        --
        {"LTarget":"${meta.gpu.vram_class}","RTarget":"24g","Operand":"="}
    "#]].assert_eq(&shown);
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
            assert_eq!(it["healthcheck"]["test"][1], crate::spec::PROGRAM, "{name}");
            let slots = it["deploy"]["replicas"].as_u64().unwrap() as usize;
            let is_identity = |it: &&serde_json::Value| {
                it["target"].as_str().unwrap().starts_with("/run/identity/")
            };
            let identities = it["secrets"].as_array().unwrap().iter().filter(is_identity).count();
            assert_eq!(identities, 3 * slots, "{name}: three files a slot");
        }
    }
}

const CHAT: &str = "
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

#[track_caller]
fn check_chat(pointers: &[&str], expect: &Expect) {
    let stack = parsed(&swarm(&fixture::release(3, CHAT, "motd=hello")));
    let show = |it: &&str| serde_yaml::to_string(stack.pointer(it).unwrap()).unwrap();
    expect.assert_eq(&pointers.iter().map(show).collect::<Vec<_>>().join("--\n"));
}

#[test]
fn a_stack_takes_what_is_written_literally() {
    check_chat(
        &["/services/chat-r3/command", "/services/chat-r3/environment"],
        &expect![[r#"
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
    "#]],
    );
}

#[test]
fn a_stack_names_contents_by_hash_and_keeps_data_apart_from_releases() {
    check_chat(
        &["/services/chat-r3/configs", "/configs", "/secrets/secret_drain_token", "/volumes"],
        &expect![[r"
            - source: motd
              target: /run/configs/motd
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
        "]],
    );
}

#[test]
fn a_stack_places_instances_by_label_and_gpu() {
    check_chat(
        &[
            "/services/chat-r3/ports",
            "/services/chat-r3/deploy/placement",
            "/services/chat-r3/deploy/resources/reservations",
        ],
        &expect![[r"
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
        "]],
    );
}
