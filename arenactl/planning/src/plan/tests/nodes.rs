//! What really fits on the nodes.

use arena_types::ReleaseId;

use super::*;
use crate::fixture::swarm;
use crate::observed::{Node, ObservedInstance};
use crate::units::{Bytes, Cpus};

const LAB: &str = "
services:
  game: { kind: matches, instances: 3, capacity: 4, resources: { gpus: 1 } }
";

/// Returns a swarm in which each instance of r41 has a node, in order.
fn lab(yaml: &str, nodes: Vec<Node>) -> Observed {
    let old = release(41, yaml, "a");
    let mut observed = running(&old);
    observed.nodes = nodes;
    for service in observed.services.values_mut() {
        for (instance, node) in service.instances.iter_mut().zip(&observed.nodes) {
            instance.node = Some(node.name.clone());
        }
    }
    observed
}

fn set_free(node: &mut Node, milli: u32, mebibytes: u64) {
    node.cpus_free = Some(Cpus::from_milli(milli));
    node.memory_free = Some(Bytes::new(mebibytes << 20));
}

#[test]
fn a_shortage_of_gpus_names_the_nodes_and_who_holds_them() {
    let observed = lab(LAB, swarm(&[Some(41); 3]));
    let more = LAB.replace("instances: 3", "instances: 4");
    let mut nodes = swarm(&[Some(41); 3]);
    nodes.push(Node { name: "lab-4".to_owned(), gpu_holders: [].into(), ..nodes[0].clone() });
    check(
        &release(42, &more, "a"),
        &Observed { nodes, ..observed.clone() },
        &expect![[r"
        error: game needs 1 NVIDIA-GPU: 0 of 4 nodes have a free NVIDIA-GPU; 3 in use by r41, 1 by others
          help: free some, or lower `services.game.instances`
    "]],
    );
    check(
        &release(42, &more, "a"),
        &observed,
        &expect![[r"
        error: game needs 4 NVIDIA-GPU for 4 instances, the region (lab-1, lab-2, lab-3) has 3 for it
          help: lower `services.game.instances` or its `resources.gpus`, or add a node
    "]],
    );
    let mut nodes = swarm(&[Some(41), Some(40), None, None]);
    nodes[1].gpus_free = 0;
    let mut observed = Observed::empty("lab".parse().unwrap());
    observed.nodes = nodes;
    check(
        &release(42, LAB, "a"),
        &observed,
        &expect![[r"
        error: game needs 3 NVIDIA-GPU: 2 free, enough for an instance on 2 of 4 nodes; 1 in use by r41, 1 by r40
          help: free some, or lower `services.game.instances`
    "]],
    );
}

#[test]
fn without_a_free_gpu_an_old_instance_stops_first() {
    check(
        &release(42, LAB, "b"),
        &lab(LAB, swarm(&[Some(41); 3])),
        &expect![[r"
        local (dev): r41 -> r42
          ~ game: replace, 3 -> 3
              [restart ] artifact: sha256:49d7b278386d -> sha256:79660cdf0a6d
          1. game: rolling, stop first (3 NVIDIA-GPU needed, 0 free: an old instance stops first)
               start game-r42-0; stop game-r41-0
               start game-r42-1; stop game-r41-1
               start game-r42-2; stop game-r41-2
               route r41 0 %, r42 100 %
          GPUs: 0 needed, 0 free of 3
          free match slots: 12 now, 8 at the least, floor 0
          1 replace (stop first) · 3 start, 3 stop · digest DIGEST
    "]],
    );
}

#[test]
fn production_on_a_small_lab_is_refused_by_name() {
    let yaml = "
services:
  game:
    kind: matches
    instances: 3
    capacity: 200
    resources: { cpu: 4, memory: 16GiB, gpus: 1 }
    placement: { labels: { gpu.vram_class: 4g } }
  auth: {}
";
    let mut observed = Observed::empty("lab".parse().unwrap());
    observed.nodes = swarm(&[None; 3]);
    check(
        &release(1, yaml, "a"),
        &observed,
        &expect![[r"
            error: game may run on no node: 0 of 3 (lab-1, lab-2, lab-3) have gpu.vram_class=4g
              help: label a node (Swarm: `docker node update --label-add KEY=VALUE NODE`), or change `services.game.placement.labels`
            error: an instance of game needs 16GiB of memory, the largest node (lab-1) has 4GiB
              help: set `services.game.resources.memory` to 4GiB or less
            error: an instance of game needs 4 cores, the largest node (lab-1) has 2
              help: set `services.game.resources.cpu` to 2 or less
        "]],
    );
    for node in &mut observed.nodes {
        node.labels.insert("gpu.vram_class".to_owned(), "4G".to_owned());
    }
    check(
        &release(1, yaml, "a"),
        &observed,
        &expect![[r"
        error: an instance of game needs 16GiB of memory, the largest node (lab-1) has 4GiB
          help: set `services.game.resources.memory` to 4GiB or less
        error: an instance of game needs 4 cores, the largest node (lab-1) has 2
          help: set `services.game.resources.cpu` to 2 or less
    "]],
    );
}

#[test]
fn two_gpus_of_one_instance_are_on_one_node() {
    let yaml = LAB.replace("instances: 3", "instances: 2").replace("gpus: 1", "gpus: 2");
    let mut observed = Observed::empty("lab".parse().unwrap());
    observed.nodes = swarm(&[None; 4]);
    check(
        &release(1, &yaml, "a"),
        &observed,
        &expect![[r"
        error: an instance of game needs 2 NVIDIA-GPU, the largest node (lab-1) has 1
          help: set `services.game.resources.gpus` to 1 or less
    "]],
    );
    (observed.nodes[0].gpus, observed.nodes[0].gpus_free) = (3, 3);
    check(
        &release(1, &yaml, "a"),
        &observed,
        &expect![[r"
        error: game needs 4 NVIDIA-GPU for 2 instances, the region (lab-1, lab-2, lab-3, lab-4) has 2 for it
          help: lower `services.game.instances` or its `resources.gpus`, or add a node
    "]],
    );
    (observed.nodes[1].gpus, observed.nodes[1].gpus_free) = (2, 1);
    observed.nodes[1].gpu_holders = [(ReleaseId(7), 1)].into();
    check(
        &release(1, &yaml, "a"),
        &observed,
        &expect![[r"
        error: game needs 4 NVIDIA-GPU: 6 free, enough for an instance on 1 of 4 nodes; 1 in use by r7
          help: free some, or lower `services.game.instances`
    "]],
    );
}

#[test]
fn cores_and_memory_that_are_reserved_count_like_gpus() {
    let yaml =
        "services: { auth: { instances: 3, batch: 3, resources: { cpu: 1, memory: 1GiB } } }";
    let new = release(42, yaml, "b");
    let mut observed = lab(yaml, swarm(&[None; 3]));
    for node in &mut observed.nodes {
        set_free(node, 1_000, 3 << 10);
    }
    let head = |observed: &Observed| {
        let text = shown(&new, observed);
        let mut lines = text.lines().map(str::trim);
        lines.find(|it| it.contains("auth: rolling")).unwrap().to_owned()
    };
    let mut seen: Vec<String> = Vec::new();
    for (milli, mebibytes) in [(1_000, 3 << 10), (999, 3 << 10), (0, 3 << 10), (1_000, 1_023)] {
        set_free(&mut observed.nodes[0], milli, mebibytes);
        set_free(&mut observed.nodes[1], milli, mebibytes);
        seen.push(head(&observed));
        set_free(&mut observed.nodes[2], milli, mebibytes);
        seen.push(head(&observed));
    }
    expect![[r"
        1. auth: rolling, start first (any instance can answer)
        1. auth: rolling, start first (any instance can answer)
        1. auth: rolling, start first (room for 1 of 3 beside the old: 1 at a time)
        1. auth: rolling, stop first (room for 0 of 3 beside the old: an old instance stops first)
        1. auth: rolling, stop first (room for 0 of 3 beside the old: an old instance stops first)
        1. auth: rolling, stop first (room for 0 of 3 beside the old: an old instance stops first)
        1. auth: rolling, stop first (room for 0 of 3 beside the old: an old instance stops first)
        1. auth: rolling, stop first (room for 0 of 3 beside the old: an old instance stops first)"]].assert_eq(&seen.join("\n"));
}

#[test]
fn growth_beyond_reserved_cores_is_refused_with_what_is_free() {
    let yaml = "services: { auth: { instances: 2, resources: { cpu: 1.5, memory: 3GiB } } }";
    let more = yaml.replace("instances: 2", "instances: 4");
    let mut observed = lab(yaml, swarm(&[None; 3]));
    let mut shown_with = |free: [(u32, u64); 3]| {
        for (node, (milli, mebibytes)) in observed.nodes.iter_mut().zip(free) {
            set_free(node, milli, mebibytes);
        }
        shown(&release(42, &more, "a"), &observed)
    };
    expect![[r"
        error: auth needs 1.5 cores an instance for 2 more: free are lab-1 0.5, lab-2 0.5, lab-3 2
          help: lower `services.auth.resources.cpu` or `instances`, or add a node
    "]]
    .assert_eq(&shown_with([(500, 1 << 10), (500, 1 << 10), (2_000, 4 << 10)]));
    expect![[r"
        error: auth needs 3GiB of memory an instance for 2 more: free are lab-1 1GiB, lab-2 1GiB, lab-3 4GiB
          help: lower `services.auth.resources.memory` or `instances`, or add a node
    "]].assert_eq(&shown_with([(2_000, 1 << 10), (2_000, 1 << 10), (2_000, 4 << 10)]));
    expect![[r"
        error: 2 more of auth find no node: lab-1 lacks cores, lab-2 lacks memory, lab-3 has room for some
          help: lower `services.auth.instances` or its `resources`, widen its `placement`, or add a node
    "]].assert_eq(&shown_with([(500, 4 << 10), (2_000, 1 << 10), (2_000, 4 << 10)]));
}

#[test]
fn what_shares_a_node_against_the_limit_is_the_first_to_stop() {
    let yaml = |count: u32| {
        format!("services: {{ auth: {{ instances: {count}, placement: {{ max_per_node: 1 }} }} }}")
    };
    let old = release(1, &yaml(3), "");
    let mut observed = running(&old);
    observed.nodes = swarm(&[None, None]);
    for (instance, node) in
        instances(&mut observed, "auth").iter_mut().zip(["lab-2", "lab-2", "lab-1"])
    {
        instance.node = Some(node.to_owned());
    }
    let stopped = |observed: &Observed| {
        let plan = plan(&release(2, &yaml(2), ""), observed, Seed(1)).unwrap();
        let batches = plan.stages[0].batches.iter().flat_map(|it| &it.stop);
        batches.map(|it| it.instance.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(stopped(&observed), ["auth-r1-1"]);
    instances(&mut observed, "auth")[1].sessions = 5;
    assert_eq!(stopped(&observed), ["auth-r1-0"], "of two on a node the one that nobody uses");
}

#[test]
fn a_node_holds_as_many_of_a_release_as_the_spec_allows() {
    let yaml = "services: { auth: { instances: 3, placement: { max_per_node: 1 } } }";
    let observed = lab(yaml, swarm(&[None; 3]));
    check(
        &release(42, yaml, "b"),
        &observed,
        &expect![[r"
        local (dev): r41 -> r42
          ~ auth: replace, 3 -> 3
              [restart ] artifact: sha256:cb19cd642c6e -> sha256:6b122a09657a
          1. auth: rolling, start first (any instance can answer)
               start auth-r42-0; stop auth-r41-0
               start auth-r42-1; stop auth-r41-1
               start auth-r42-2; stop auth-r41-2
               route r41 0 %, r42 100 %
          GPUs: 0 needed, 3 free of 3
          1 replace (start first) · 3 start, 3 stop · digest DIGEST
    "]],
    );
    let more = yaml.replace("instances: 3", "instances: 5");
    check(
        &release(42, &more, "a"),
        &observed,
        &expect![[r"
        error: 2 more of auth find no node: lab-1 has as many as `placement.max_per_node` allows, lab-2 has as many as `placement.max_per_node` allows, lab-3 has as many as `placement.max_per_node` allows
          help: lower `services.auth.instances` or its `resources`, widen its `placement`, or add a node
    "]],
    );
}

/// Nodes of one to three GPUs; instances of r1 on some of them, and a new release that needs one or two
/// each.
fn any_swarm() -> impl Strategy<Value = (Release, Observed)> {
    let nodes = prop::collection::vec((1_u32..4, 0_u32..4, 0_u32..3), 1..5);
    (nodes, 1_u32..3, 0_u32..6, 1_u32..3, 0_u32..3).prop_map(
        |(machines, old_gpus, new_count, new_gpus, limit)| {
            let old_yaml = LAB.replace("gpus: 1", &format!("gpus: {old_gpus}"));
            let new_yaml = LAB.replace("gpus: 1", &format!("gpus: {new_gpus}")).replace(
                "instances: 3",
                &format!("instances: {new_count}, placement: {{ max_per_node: {limit} }}"),
            );
            let old = release(1, &old_yaml, "a");
            let mut observed = running(&old);
            let mut instances: Vec<ObservedInstance> = Vec::new();
            let template = super::instances(&mut observed, "game")[0].clone();
            for (index, (gpus, others, ours)) in machines.into_iter().enumerate() {
                let mut node = node(gpus, gpus.saturating_sub(others));
                node.name = format!("node-{index}");
                for _ in 0..ours.min(node.gpus_free / old_gpus) {
                    node.gpus_free -= old_gpus;
                    let mut instance = template.clone();
                    instance.instance = format!("game-r1-{}", instances.len()).parse().unwrap();
                    instance.node = Some(node.name.clone());
                    instances.push(instance);
                }
                observed.nodes.push(node);
            }
            *super::instances(&mut observed, "game") = instances;
            (release(2, &new_yaml, "b"), observed)
        },
    )
}

proptest! {
    /// Whatever is free where: the linter, which knows nothing of how nodes are chosen, finds no fault.
    #[test]
    fn a_plan_fits_on_its_nodes((wanted, observed) in any_swarm()) {
        if let Ok(plan) = plan(&wanted, &observed, Seed(3)) {
            prop_assert_eq!(crate::lint::lint(&plan, &wanted, &observed), []);
        }
    }
}
