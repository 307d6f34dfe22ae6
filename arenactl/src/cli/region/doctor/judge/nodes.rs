//! What every node has to be and have.

use arenactl_planning::spec::Placement;

use super::super::checks::DISK_FREE_BYTES_MIN;
use super::{Case, Check, failure};
use crate::backend::survey::{Probed, SurveyedNode};
use crate::backend::swarm::PORTS;
use crate::facts::RegistryAnswer;

/// The oldest engine that knows jobs and has API 1.41.
const ENGINE_MIN: (u32, u32) = (20, 10);
/// Certificates allow clocks to differ by this much.
const SKEW_MS_MAX: i64 = 300_000;
/// Clocks that are kept by NTP differ by less.
const SKEW_MS_KEPT: i64 = 5_000;
/// Less is not enough for one small instance.
const MEMORY_BYTES_MIN: u64 = 256 << 20;

pub(super) fn engines(case: &Case<'_>) -> Check {
    let nodes = &case.survey.nodes;
    let old = |node: &&SurveyedNode| version(&node.engine).is_some_and(|it| it < ENGINE_MIN);
    let old: Vec<String> =
        nodes.iter().filter(old).map(|node| format!("{} has {}", node.name, node.engine)).collect();
    let mut versions: Vec<&str> = nodes.iter().map(|node| node.engine.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let outcome = if old.is_empty() {
        Ok(format!("{} on {}", versions.join(", "), count(nodes.len(), "node")))
    } else {
        Err(failure(old.join(", "), "upgrade them to Docker Engine 20.10 or newer"))
    };
    Check::new("engines", outcome)
}

/// Reads `20.10` of `20.10.24+dfsg1`; engines built by hand have other words.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A node that was drained or paused was so on purpose: that is worth a note, not a failure.
pub(super) fn standing(case: &Case<'_>) -> Check {
    let nodes = &case.survey.nodes;
    let (active, rest): (Vec<&SurveyedNode>, Vec<&SurveyedNode>) =
        nodes.iter().partition(|node| node.takes_tasks());
    let (set_aside, away): (Vec<&SurveyedNode>, Vec<&SurveyedNode>) =
        rest.into_iter().partition(|node| node.state == "ready");
    let mut wrong: Vec<String> =
        away.iter().map(|node| format!("{} is {}", node.name, node.state)).collect();
    let no_address = active.iter().filter(|node| node.address.is_none());
    wrong.extend(no_address.map(|node| format!("{} has no address in the swarm", node.name)));
    if active.is_empty() {
        wrong.push("no node takes tasks".to_owned());
    }
    let first = away.first().or(set_aside.first()).or(active.first());
    let first = first.map_or("NODE", |node| node.name.as_str());
    let outcome = if wrong.is_empty() {
        Ok(format!("{} ready and active", active.len()))
    } else if !away.is_empty() {
        let help = format!(
            "start its engine: `systemctl start docker` on it; gone for good: `docker node rm {first}`"
        );
        Err(failure(wrong.join(", "), help))
    } else if active.is_empty() {
        let help = format!("`docker node update --availability active {first}`");
        Err(failure(wrong.join(", "), help))
    } else {
        let help = "let it join again with an address: `docker swarm join --advertise-addr IP …`";
        Err(failure(wrong.join(", "), help))
    };
    let aside: Vec<String> = set_aside
        .iter()
        .map(|node| format!("{} is set to {} and gets nothing", node.name, node.availability))
        .collect();
    Check::new("nodes", outcome).with_note((!aside.is_empty()).then(|| aside.join(", ")))
}

/// Each service needs a node with all of its labels, and, to be spread over a label, a node that has it.
pub(super) fn labels(case: &Case<'_>) -> Check {
    let nodes: Vec<&SurveyedNode> =
        case.survey.nodes.iter().filter(|node| node.takes_tasks()).collect();
    let mut wrong = Vec::new();
    let mut fixes = Vec::new();
    for (service, wanted) in &case.spec.services {
        let placement: &Placement = &wanted.placement;
        let pairs: Vec<String> =
            placement.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !nodes.iter().any(|node| placement.allows(&node.labels)) && !pairs.is_empty() {
            wrong.push(format!("no node has {} for {service}", pairs.join(", ")));
            let adds: Vec<String> =
                pairs.iter().map(|pair| format!("--label-add {pair}")).collect();
            fixes.push(format!("`docker node update {} NODE`", adds.join(" ")));
        }
        let has = |name: &str| nodes.iter().any(|node| node.labels.contains_key(name));
        for name in placement.spread.iter().filter(|name| !has(name.as_str())) {
            wrong.push(format!("no node has {name}, over which {service} is spread"));
            fixes.push(format!("`docker node update --label-add {name}=VALUE NODE`"));
        }
    }
    fixes.sort();
    fixes.dedup();
    let outcome = if wrong.is_empty() {
        Ok("every placement finds a node".to_owned())
    } else {
        Err(failure(wrong.join("; "), fixes.join(", ")))
    };
    Check::new("labels", outcome)
}

/// The checks below are about the nodes that answered; the others are named here.
pub(super) fn answers(case: &Case<'_>) -> Check {
    let nodes = &case.survey.nodes;
    let asked = nodes.iter().filter(|node| node.probe.is_some()).count();
    let silent: Vec<String> = nodes
        .iter()
        .filter_map(|node| match &node.probe {
            Some(Err(why)) => Some(format!("{}: {why}", node.name)),
            _ => None,
        })
        .collect();
    let outcome = if silent.is_empty() {
        Ok(format!("{asked} looked at from within"))
    } else {
        let help = format!(
            "it runs `{}`: `arenactl build --push` puts it into the registry, which every node must reach",
            case.spec.operator_image()
        );
        Err(failure(silent.join("; "), help))
    };
    Check::new("probes", outcome)
}

/// How far a node's clock is ahead of ours, at least and at most.
fn ahead_ms(probed: &Probed) -> (i64, i64) {
    let (earliest, latest) = probed.between_ms;
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let time = signed(probed.facts.time_ms);
    (time - signed(latest), time - signed(earliest))
}

/// Returns the part of a difference that is certain.
const fn certain((least, most): (i64, i64)) -> i64 {
    if least > 0 {
        least
    } else if most < 0 {
        most
    } else {
        0
    }
}

/// Compares every clock with ours, and the nodes' with each other.
pub(super) fn clocks(case: &Case<'_>) -> Option<Check> {
    let ahead: Vec<(&str, (i64, i64))> =
        case.answered().map(|(node, probed)| (node.name.as_str(), ahead_ms(probed))).collect();
    let mut skews: Vec<(i64, String)> = Vec::new();
    for (index, (name, own)) in ahead.iter().enumerate() {
        skews.push((certain(*own), format!("{name} and this machine")));
        for (other_name, other) in &ahead[index + 1..] {
            let difference = (own.0 - other.1, own.1 - other.0);
            skews.push((certain(difference), format!("{name} and {other_name}")));
        }
    }
    let worst = skews.iter().map(|(skew, _)| skew.abs()).max()?;
    let over = |limit: i64| {
        let all = skews.iter().filter(|(skew, _)| skew.abs() > limit);
        let all: Vec<String> = all
            .map(|(skew, pair)| {
                format!("{pair} differ by {} s", skew.unsigned_abs().div_ceil(1_000))
            })
            .collect();
        all.join(", ")
    };
    let help = "on each: `timedatectl set-ntp true`";
    if worst > SKEW_MS_MAX {
        return Some(Check::new("clocks", Err(failure(over(SKEW_MS_MAX), help))));
    }
    let width = ahead.iter().map(|(_, (least, most))| least.abs().max(most.abs())).max()?;
    let found = format!("within {:.1} s of this machine's", width as f64 / 1_000.0);
    let note = (worst > SKEW_MS_KEPT).then(|| format!("{}; {help}", over(SKEW_MS_KEPT)));
    Some(Check::new("clocks", Ok(found)).with_note(note))
}

pub(super) fn registry(case: &Case<'_>) -> Option<Check> {
    let Some(registry) = &case.spec.images.registry else {
        return Some(Check::new(
            "registry",
            Ok("none: images are where they were built".to_owned()),
        ));
    };
    let judge = |probed: &Probed| match &probed.facts.registry {
        Some(RegistryAnswer::Status(status)) if *status < 500 => Ok(format!("{registry} answers")),
        Some(RegistryAnswer::Status(status)) => Err(format!("{registry} answers {status}")),
        Some(RegistryAnswer::NotPlain) => Ok(format!("{registry} answers, not in plain HTTP")),
        Some(RegistryAnswer::Nothing(why)) => Err(format!("{registry} does not answer: {why}")),
        None => Err(format!("{registry} was not asked")),
    };
    let help = |nodes: &str| {
        let host = registry.split('/').next().unwrap_or(registry);
        format!(
            "start the registry, or open the way to it; to try on {nodes}: `curl -i http://{host}/v2/`"
        )
    };
    case.each_node("registry", judge, help)
}

/// Only who shares a public port hands connections over.
pub(super) fn migration(case: &Case<'_>) -> Option<Check> {
    if !case.spec.services.values().any(|service| service.ports.public.is_some()) {
        return None;
    }
    let judge = |probed: &Probed| match probed.facts.tcp_migrate_req {
        Some(1) => Ok("1".to_owned()),
        Some(other) => Err(other.to_string()),
        None => Err("the kernel has none, it is older than 5.14".to_owned()),
    };
    let help = |nodes: &str| {
        format!(
            "on {nodes}: `sysctl -w net.ipv4.tcp_migrate_req=1`, for good in /etc/sysctl.d; without it a \
             gateway that is replaced resets connections that wait for it"
        )
    };
    case.each_node("tcp_migrate_req", judge, help)
}

/// Linux must not give a port of an instance to a connection.
pub(super) fn ports(case: &Case<'_>) -> Option<Check> {
    let judge = |probed: &Probed| match probed.facts.local_ports {
        Some((first, last)) if first < PORTS.end && last >= PORTS.start => {
            Err(format!("connections are given {first} to {last}"))
        }
        Some((first, last)) => Ok(format!("apart from {first} to {last}, which connections get")),
        None => Err("ip_local_port_range cannot be read".to_owned()),
    };
    let help = |nodes: &str| {
        format!(
            "on {nodes}: `sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"`: instances are given {} to {}",
            PORTS.start,
            PORTS.end - 1
        )
    };
    case.each_node("port range", judge, help)
}

pub(super) fn disk(case: &Case<'_>) -> Option<Check> {
    let judge = |probed: &Probed| match probed.facts.disk_free_bytes {
        Some(bytes) if bytes >= DISK_FREE_BYTES_MIN => Ok(format!("{} free", gib(bytes))),
        Some(bytes) => Err(format!("{} free", gib(bytes))),
        None => Err("cannot be read".to_owned()),
    };
    let help = |nodes: &str| {
        format!(
            "free at least 1 GiB where Docker keeps its data on {nodes}: `docker system df`, `docker image prune`"
        )
    };
    case.each_node("disk", judge, help)
}

pub(super) fn memory(case: &Case<'_>) -> Option<Check> {
    let judge = |probed: &Probed| match probed.facts.memory_available_bytes {
        Some(bytes) if bytes >= MEMORY_BYTES_MIN => Ok(format!("{} available", gib(bytes))),
        Some(bytes) => Err(format!("{} available", gib(bytes))),
        None => Err("cannot be read".to_owned()),
    };
    let help =
        |nodes: &str| format!("free at least 256 MiB on {nodes}: `docker stats` shows who has it");
    case.each_node("memory", judge, help)
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1_u32 << 30))
}
