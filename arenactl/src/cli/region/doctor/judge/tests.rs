//! Facts in, checks out.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arenactl_planning::spec::{Ask, Spec, read};
use expect_test::{Expect, expect};

use super::super::check::Check;
use super::{Case, judge};
use crate::backend::survey::{Certificate, Manager, OperatorState, Probed, Survey, SurveyedNode};
use crate::facts::{Facts, GpuFacts, RegistryAnswer};

const NOW_MS: u64 = 1_800_000_000_000;
const DAY: Duration = Duration::from_hours(24);
/// What the GPU checks call a game.
const GAME: &str = "  game: {kind: matches, capacity: 9, resources: {gpus: 1}}\n";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(NOW_MS)
}

fn spec(services: &str) -> Spec {
    let text = format!(
        "cluster: demo\nimages: {{registry: 'r.example/arena', tag: '7'}}\n\
         regions: {{eu-fra: {{backend: swarm, endpoint: 'ssh://g1'}}}}\nservices:\n{services}"
    );
    let read = read(&text, &Ask::default());
    assert!(read.errors.is_empty(), "{:?}", read.errors);
    read.spec
}

/// What a node in good order shows.
fn probed() -> Probed {
    Probed {
        facts: Facts {
            hostname: "g1".to_owned(),
            time_ms: NOW_MS,
            tcp_migrate_req: Some(1),
            local_ports: Some((32_768, 60_999)),
            disk_free_bytes: Some(50 << 30),
            memory_available_bytes: Some(4 << 30),
            registry: Some(RegistryAnswer::Status(200)),
            gpus: GpuFacts {
                has_driver: true,
                devices: vec!["nvidia0".to_owned(), "nvidia1".to_owned()],
                assigned: BTreeMap::new(),
            },
        },
        between_ms: (NOW_MS - 500, NOW_MS + 500),
    }
}

fn holding(devices: &[&str]) -> Probed {
    let mut probed = probed();
    probed.facts.gpus.devices = devices.iter().map(|it| (*it).to_owned()).collect();
    let variable = "DOCKER_RESOURCE_NVIDIA-GPU".to_owned();
    probed.facts.gpus.assigned.insert(variable, "GPU-1".to_owned());
    probed
}

fn node(name: &str) -> SurveyedNode {
    SurveyedNode {
        name: name.to_owned(),
        state: "ready".to_owned(),
        availability: "active".to_owned(),
        address: Some([10, 0, 0, 1].into()),
        engine: "20.10.24+dfsg1".to_owned(),
        labels: BTreeMap::new(),
        resources: BTreeMap::from([("NVIDIA-GPU".to_owned(), 2)]),
        probe: Some(Ok(probed())),
        gpu_probe: Some(Ok(holding(&["nvidia0"]))),
    }
}

/// Two nodes in good order.
fn survey() -> Survey {
    Survey {
        manager: Manager {
            endpoint: "ssh://g1".to_owned(),
            api: "1.41".to_owned(),
            engine: "20.10.24".to_owned(),
            node: "g1".to_owned(),
        },
        nodes: vec![node("g1"), node("g2")],
        images: BTreeMap::from([("r.example/arena/arena-game:7".to_owned(), Ok(()))]),
        operator: OperatorState::Runs("g1".to_owned()),
        certificates: vec![Certificate {
            instance: "game-r1-0".parse().unwrap(),
            id: "spiffe://demo/game/game-r1-0".to_owned(),
            not_after: now() + 364 * DAY,
        }],
    }
}

fn checks(services: &str, survey: &Survey) -> Vec<Check> {
    let spec = spec(services);
    let (name, region) = spec.regions.iter().next().expect("the spec has one region");
    judge(&Case { survey, spec: &spec, name: name.as_str(), region, now: now() })
}

fn line(check: &Check) -> String {
    let note = check.note.as_ref().map(|note| format!("  note: {note}\n")).unwrap_or_default();
    match &check.failure {
        None => format!("PASSED {}: {}\n{note}", check.name, check.found),
        Some(failure) => {
            format!("FAILED {}: {}\n  help: {}\n{note}", check.name, failure.what, failure.help)
        }
    }
}

/// Changes a cluster in good order and shows which checks then say something else.
#[track_caller]
fn check(services: &str, change: impl FnOnce(&mut Survey), expect: &Expect) {
    let good = checks(services, &survey());
    let mut changed = survey();
    change(&mut changed);
    let said = checks(services, &changed);
    let differs = said.iter().filter(|check| !good.contains(check));
    expect.assert_eq(&differs.map(line).collect::<String>());
}

/// Changes what the second node shows.
fn on_g2(change: impl FnOnce(&mut Probed)) -> impl FnOnce(&mut Survey) {
    |survey| {
        if let Some(Ok(probed)) = &mut survey.nodes[1].probe {
            change(probed);
        }
    }
}

const GATEWAY: &str = "  gateway: {kind: sessions, ports: {public: 8080}}\n";

#[test]
fn a_cluster_in_good_order_passes_everything() {
    let services = format!("{GAME}{GATEWAY}");
    let all: String = checks(&services, &survey()).iter().map(line).collect();
    expect![[r"
        PASSED manager: ssh://g1 is g1, engine 20.10.24, API 1.41
        PASSED engines: 20.10.24+dfsg1 on 2 nodes
        PASSED nodes: 2 ready and active
        PASSED labels: every placement finds a node
        PASSED probes: 2 looked at from within
        PASSED clocks: within 0.5 s of this machine's
        PASSED registry: g1, g2: r.example/arena answers
        PASSED images: 1 pushed
        PASSED GPUs: g1, g2: 2 NVIDIA-GPU
        PASSED GPU runtime: g1, g2: 2 reach a container
        PASSED GPU isolation: g1, g2: 1 assigned, 1 visible
        PASSED ingress: not used: instances listen on their nodes, so neither the routing mesh nor IPVS is needed
        PASSED tcp_migrate_req: g1, g2: 1
        PASSED port range: g1, g2: apart from 32768 to 60999, which connections get
        PASSED disk: g1, g2: 50.0 GiB free
        PASSED memory: g1, g2: 4.0 GiB available
        PASSED operator: runs on g1
        PASSED certificates: 1, 364 days left
    "]].assert_eq(&all);
}

#[test]
fn nodes_are_named_with_what_is_wrong() {
    check(
        GAME,
        |it| it.nodes[1].state = "down".to_owned(),
        &expect![[r"
        FAILED nodes: g2 is down
          help: start its engine: `systemctl start docker` on it; gone for good: `docker node rm g2`
        PASSED GPUs: g1: 2 NVIDIA-GPU
        PASSED GPU runtime: g1: 2 reach a container
        PASSED GPU isolation: g1: 1 assigned, 1 visible
    "]],
    );
    check(
        GAME,
        |it| it.nodes[1].availability = "drain".to_owned(),
        &expect![[r"
        PASSED nodes: 1 ready and active
          note: g2 is set to drain and gets nothing
        PASSED GPUs: g1: 2 NVIDIA-GPU
        PASSED GPU runtime: g1: 2 reach a container
        PASSED GPU isolation: g1: 1 assigned, 1 visible
    "]],
    );
    check(
        GAME,
        |it| it.nodes[0].availability = "drain".to_owned(),
        &expect![[r"
        FAILED manager: ssh://g1 is g1, engine 20.10.24, API 1.41; it takes no tasks, and the operator runs there
          help: `docker node update --availability active g1`, or name another manager in `regions.eu-fra.endpoint`
        PASSED nodes: 1 ready and active
          note: g1 is set to drain and gets nothing
        PASSED GPUs: g2: 2 NVIDIA-GPU
        PASSED GPU runtime: g2: 2 reach a container
        PASSED GPU isolation: g2: 1 assigned, 1 visible
    "]],
    );
    check(
        GAME,
        |it| it.nodes[1].address = None,
        &expect![[r"
        FAILED nodes: g2 has no address in the swarm
          help: let it join again with an address: `docker swarm join --advertise-addr IP …`
    "]],
    );
    check(
        GAME,
        |it| it.nodes[1].engine = "19.03.15".to_owned(),
        &expect![[r"
        FAILED engines: g2 has 19.03.15
          help: upgrade them to Docker Engine 20.10 or newer
    "]],
    );
    let why = "its task is rejected No such image".to_owned();
    check(
        GAME,
        |it| it.nodes[1].probe = Some(Err(why)),
        &expect![[r"
        FAILED probes: g2: its task is rejected No such image
          help: it runs `r.example/arena/arenactl:7`: `arenactl build --push` puts it into the registry, which every node must reach
        PASSED registry: g1: r.example/arena answers
        PASSED GPU runtime: g1: 2 reach a container
        PASSED GPU isolation: g1: 1 assigned, 1 visible
          note: not looked at on g2: no GPU is free, or somebody deploys
        PASSED port range: g1: apart from 32768 to 60999, which connections get
        PASSED disk: g1: 50.0 GiB free
        PASSED memory: g1: 4.0 GiB available
    "]],
    );
}

#[test]
fn clocks_are_judged_by_what_is_certain() {
    check(
        GAME,
        on_g2(|it| it.facts.time_ms += 5_000),
        &expect![[r"
        PASSED clocks: within 5.5 s of this machine's
    "]],
    );
    check(
        GAME,
        on_g2(|it| it.facts.time_ms += 20_000),
        &expect![[r"
        PASSED clocks: within 20.5 s of this machine's
          note: g1 and g2 differ by 19 s, g2 and this machine differ by 20 s; on each: `timedatectl set-ntp true`
    "]],
    );
    check(
        GAME,
        on_g2(|it| it.facts.time_ms -= 400_000),
        &expect![[r"
        FAILED clocks: g1 and g2 differ by 399 s, g2 and this machine differ by 400 s
          help: on each: `timedatectl set-ntp true`
    "]],
    );
    // The image was pulled for a minute: nothing is certain about the clock.
    check(
        GAME,
        on_g2(|it| {
            it.facts.time_ms += 5_000;
            it.between_ms.1 += 60_000;
        }),
        &expect![[r"
            PASSED clocks: within 55.5 s of this machine's
        "]],
    );
}

#[test]
fn ports_and_sysctls_are_judged_where_they_matter() {
    check(
        GATEWAY,
        on_g2(|it| it.facts.tcp_migrate_req = Some(0)),
        &expect![[r"
        FAILED tcp_migrate_req: g2: 0
          help: on g2: `sysctl -w net.ipv4.tcp_migrate_req=1`, for good in /etc/sysctl.d; without it a gateway that is replaced resets connections that wait for it
    "]],
    );
    check(
        GATEWAY,
        on_g2(|it| it.facts.tcp_migrate_req = None),
        &expect![[r"
        FAILED tcp_migrate_req: g2: the kernel has none, it is older than 5.14
          help: on g2: `sysctl -w net.ipv4.tcp_migrate_req=1`, for good in /etc/sysctl.d; without it a gateway that is replaced resets connections that wait for it
    "]],
    );
    check(GAME, on_g2(|it| it.facts.tcp_migrate_req = Some(0)), &expect![[""]]);
    for range in [(1_024, 65_535), (28_999, 60_999), (1_024, 21_000)] {
        let failed = |it: &Check| it.name == "port range" && it.failure.is_some();
        let mut changed = survey();
        on_g2(|it| it.facts.local_ports = Some(range))(&mut changed);
        assert!(checks(GAME, &changed).iter().any(failed), "{range:?}");
    }
    check(
        GAME,
        on_g2(|it| it.facts.local_ports = Some((15_000, 65_000))),
        &expect![[r#"
        FAILED port range: g2: connections are given 15000 to 65000
          help: on g2: `sysctl -w net.ipv4.ip_local_port_range="32768 60999"`: instances are given 21000 to 28999
    "#]],
    );
    check(
        GAME,
        on_g2(|it| it.facts.local_ports = Some((1_024, 20_999))),
        &expect![[r"
        PASSED port range: g1: apart from 32768 to 60999, which connections get; g2: apart from 1024 to 20999, which connections get
    "]],
    );
}

#[test]
fn room_is_judged_on_each_node() {
    check(
        GAME,
        on_g2(|it| it.facts.disk_free_bytes = Some(1 << 29)),
        &expect![[r"
        FAILED disk: g2: 0.5 GiB free
          help: free at least 1 GiB where Docker keeps its data on g2: `docker system df`, `docker image prune`
    "]],
    );
    check(
        GAME,
        on_g2(|it| it.facts.memory_available_bytes = Some(1 << 27)),
        &expect![[r"
        FAILED memory: g2: 0.1 GiB available
          help: free at least 256 MiB on g2: `docker stats` shows who has it
    "]],
    );
}

#[test]
fn a_registry_is_judged_from_each_node() {
    let refused = RegistryAnswer::Nothing("connection refused".to_owned());
    check(
        GAME,
        on_g2(|it| it.facts.registry = Some(refused)),
        &expect![[r"
        FAILED registry: g2: r.example/arena does not answer: connection refused
          help: start the registry, or open the way to it; to try on g2: `curl -i http://r.example/v2/`
    "]],
    );
    let broken = RegistryAnswer::Status(503);
    check(
        GAME,
        on_g2(|it| it.facts.registry = Some(broken)),
        &expect![[r"
        FAILED registry: g2: r.example/arena answers 503
          help: start the registry, or open the way to it; to try on g2: `curl -i http://r.example/v2/`
    "]],
    );
    check(
        GAME,
        on_g2(|it| it.facts.registry = Some(RegistryAnswer::NotPlain)),
        &expect![[r"
        PASSED registry: g1: r.example/arena answers; g2: r.example/arena answers, not in plain HTTP
    "]],
    );
    let missing = Err("manifest unknown".to_owned());
    check(
        GAME,
        |it| drop(it.images.insert("r.example/arena/arenactl:7".to_owned(), missing)),
        &expect![[r"
            FAILED images: not found: r.example/arena/arenactl:7 (manifest unknown)
              help: `arenactl build --push`; if the registry is away, start it first
        "]],
    );
}

#[test]
fn labels_that_placements_need_are_on_some_node() {
    let services = "  game: {placement: {labels: {gpu.model: L4, rack: a}, spread: [zone]}}\n";
    let all: String =
        checks(services, &survey()).iter().filter(|it| it.name == "labels").map(line).collect();
    expect![[r"
        FAILED labels: no node has gpu.model=L4, rack=a for game; no node has zone, over which game is spread
          help: `docker node update --label-add gpu.model=L4 --label-add rack=a NODE`, `docker node update --label-add zone=VALUE NODE`
    "]].assert_eq(&all);
    let has = |it: &mut Survey| {
        let pairs = [("gpu.model", "l4"), ("rack", "a"), ("zone", "1")];
        it.nodes[1].labels = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    };
    check(
        services,
        has,
        &expect![[r"
        PASSED labels: every placement finds a node
    "]],
    );
}

#[test]
fn gpus_are_declared_as_the_spec_calls_them() {
    let kind = |kind: &str| BTreeMap::from([(kind.to_owned(), 2)]);
    check(
        GAME,
        |it| it.nodes.iter_mut().for_each(|node| node.resources = kind("GPU")),
        &expect![[r#"
            FAILED GPUs: no node declares NVIDIA-GPU; g1 declares GPU, g2 declares GPU
              help: `regions.eu-fra.gpu_kind: GPU` if those are meant, or declare them in /etc/docker/daemon.json of each node, `"node-generic-resources": ["NVIDIA-GPU=GPU-…"]` with the UUIDs of `nvidia-smi -L`, then `systemctl restart docker`
        "#]],
    );
    check(
        GAME,
        |it| it.nodes.iter_mut().for_each(|node| node.resources.clear()),
        &expect![[r#"
        FAILED GPUs: no node declares NVIDIA-GPU
          help: declare them in /etc/docker/daemon.json of each node, `"node-generic-resources": ["NVIDIA-GPU=GPU-…"]` with the UUIDs of `nvidia-smi -L`, then `systemctl restart docker`
    "#]],
    );
}

#[test]
fn gpus_are_shown_to_containers_and_kept_apart() {
    check(
        GAME,
        |it| {
            on_g2(|it| it.facts.gpus = GpuFacts::default())(it);
            it.nodes[1].gpu_probe = Some(Ok(holding(&[])));
        },
        &expect![[r"
            FAILED GPU runtime: g2: its kernel has no NVIDIA driver
              help: on g2: install the driver and nvidia-container-toolkit, then `nvidia-ctk runtime configure --runtime=docker --set-as-default` and `systemctl restart docker`
            PASSED GPU isolation: g1: 1 assigned, 1 visible; g2: DOCKER_RESOURCE_NVIDIA-GPU is given; what its holder sees cannot be known without the runtime
        "]],
    );
    check(
        GAME,
        on_g2(|it| it.facts.gpus.devices.clear()),
        &expect![[r"
        FAILED GPU runtime: g2: no GPU reaches a container: its default runtime is not nvidia
          help: on g2: install the driver and nvidia-container-toolkit, then `nvidia-ctk runtime configure --runtime=docker --set-as-default` and `systemctl restart docker`
    "]],
    );
    check(
        GAME,
        on_g2(|it| drop(it.facts.gpus.devices.pop())),
        &expect![[r"
        FAILED GPU runtime: g2: declares 2 and shows 1
          help: on g2: install the driver and nvidia-container-toolkit, then `nvidia-ctk runtime configure --runtime=docker --set-as-default` and `systemctl restart docker`
    "]],
    );
    let both = Ok(holding(&["nvidia0", "nvidia1"]));
    check(
        GAME,
        |it| it.nodes[1].gpu_probe = Some(both),
        &expect![[r"
        FAILED GPU isolation: g2: 2 GPUs visible, 1 assigned
          help: on g2: `nvidia-ctk config --in-place --set swarm-resource=DOCKER_RESOURCE_NVIDIA-GPU` (/etc/nvidia-container-runtime/config.toml)
    "]],
    );
    check(
        GAME,
        |it| it.nodes[1].gpu_probe = Some(Ok(probed())),
        &expect![[r"
        FAILED GPU isolation: g2: 1 assigned, and DOCKER_RESOURCE_NVIDIA-GPU does not say which
          help: on g2: `nvidia-ctk config --in-place --set swarm-resource=DOCKER_RESOURCE_NVIDIA-GPU` (/etc/nvidia-container-runtime/config.toml)
    "]],
    );
    check(
        GAME,
        |it| it.nodes[1].gpu_probe = None,
        &expect![[r"
        PASSED GPU isolation: g1: 1 assigned, 1 visible
          note: not looked at on g2: no GPU is free, or somebody deploys
    "]],
    );
}

#[test]
fn without_need_of_a_gpu_no_runtime_is_asked_for() {
    let without = |it: &mut Survey| on_g2(|it| it.facts.gpus = GpuFacts::default())(it);
    check("  auth: {}\n", without, &expect![[""]]);
}

#[test]
fn the_operator_runs_where_it_is_talked_to() {
    check(
        GAME,
        |it| it.operator = OperatorState::Absent,
        &expect![[r"
        PASSED operator: started by the first deploy
    "]],
    );
    check(
        GAME,
        |it| it.operator = OperatorState::Runs("g2".to_owned()),
        &expect![[r"
        FAILED operator: runs on g2, g1 is talked to
          help: `arenactl deploy` starts it on the manager that is talked to, or name g2 in `regions.eu-fra.endpoint`
    "]],
    );
    let why = "its task is pending no suitable node".to_owned();
    check(
        GAME,
        |it| it.operator = OperatorState::Down(why),
        &expect![[r"
        FAILED operator: does not run: its task is pending no suitable node
          help: `docker service ps --no-trunc demo_eu-fra_operator`, then `arenactl deploy`
    "]],
    );
}

#[test]
fn certificates_are_told_a_month_before_they_end() {
    check(
        GAME,
        |it| it.certificates[0].not_after = now() + 30 * DAY,
        &expect![[r"
        PASSED certificates: 1, 30 days left
    "]],
    );
    check(
        GAME,
        |it| it.certificates[0].not_after = now() + 29 * DAY,
        &expect![[r"
        FAILED certificates: game-r1-0 (29 days left)
          help: a new instance has a new one: `arenactl deploy --set services.SERVICE.env.RENEWED=DATE` for the service of each
    "]],
    );
    check(
        GAME,
        |it| it.certificates[0].not_after = now() - DAY,
        &expect![[r"
        FAILED certificates: game-r1-0 (0 days left)
          help: a new instance has a new one: `arenactl deploy --set services.SERVICE.env.RENEWED=DATE` for the service of each
    "]],
    );
}
