//! GPUs: declared by nodes, given out by Swarm, shown to containers by NVIDIA's runtime. Swarm itself only counts.

use super::{Case, Check, failure, told};
use crate::backend::survey::{Probed, SurveyedNode};

/// What makes NVIDIA's runtime the default one.
const RUNTIME_HELP: &str = "install the driver and nvidia-container-toolkit, then `nvidia-ctk runtime configure \
                            --runtime=docker --set-as-default` and `systemctl restart docker`";

pub(super) fn all(case: &Case<'_>) -> Vec<Check> {
    let kind = &case.region.gpu_kind;
    if case.spec.services.values().all(|service| service.resources.gpus == 0) {
        return vec![Check::new("GPUs", Ok("no service asks for one".to_owned()))];
    }
    let declaring: Vec<&SurveyedNode> = case
        .survey
        .nodes
        .iter()
        .filter(|node| node.takes_tasks() && declared(node, kind) > 0)
        .collect();
    if declaring.is_empty() {
        return vec![undeclared(case)];
    }
    let each: Vec<(String, String)> = declaring
        .iter()
        .map(|node| (node.name.clone(), format!("{} {kind}", declared(node, kind))))
        .collect();
    let mut checks = vec![Check::new("GPUs", Ok(told(&each)))];
    checks.extend(runtime(&declaring, kind));
    checks.push(isolation(&declaring, kind));
    checks
}

fn declared(node: &SurveyedNode, kind: &str) -> u32 {
    node.resources.get(kind).copied().unwrap_or(0)
}

/// No node declares the kind that the spec asks for; another kind is a likely slip.
fn undeclared(case: &Case<'_>) -> Check {
    let kind = &case.region.gpu_kind;
    let others: Vec<(String, &String)> = case
        .survey
        .nodes
        .iter()
        .flat_map(|node| node.resources.keys().map(|kind| (node.name.clone(), kind)))
        .collect();
    let declare = format!(
        "declare them in /etc/docker/daemon.json of each node, `\"node-generic-resources\": [\"{kind}=GPU-…\"]` \
         with the UUIDs of `nvidia-smi -L`, then `systemctl restart docker`"
    );
    let outcome = match others.as_slice() {
        [] => failure(format!("no node declares {kind}"), declare),
        [(_, first), ..] => {
            let each: Vec<String> =
                others.iter().map(|(node, kind)| format!("{node} declares {kind}")).collect();
            failure(
                format!("no node declares {kind}; {}", each.join(", ")),
                format!(
                    "`regions.{}.gpu_kind: {first}` if those are meant, or {declare}",
                    case.name
                ),
            )
        }
    };
    Check::new("GPUs", Err(outcome))
}

/// Every process of ours asks NVIDIA's runtime for all GPUs, so what it does not see no container sees.
fn runtime(nodes: &[&SurveyedNode], kind: &str) -> Option<Check> {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for node in nodes {
        let Some(Ok(probed)) = &node.probe else { continue };
        let seen = probed.facts.gpus.devices.len();
        let wanted = declared(node, kind);
        let name = node.name.clone();
        if !probed.facts.gpus.has_driver {
            bad.push((name, "its kernel has no NVIDIA driver".to_owned()));
        } else if seen == 0 {
            bad.push((
                name,
                "no GPU reaches a container: its default runtime is not nvidia".to_owned(),
            ));
        } else if (seen as u32) < wanted {
            bad.push((name, format!("declares {wanted} and shows {seen}")));
        } else {
            good.push((name, format!("{seen} reach a container")));
        }
    }
    let outcome = if bad.is_empty() {
        if good.is_empty() {
            return None;
        }
        Ok(told(&good))
    } else {
        let names: Vec<&str> = bad.iter().map(|it| it.0.as_str()).collect();
        Err(failure(told(&bad), format!("on {}: {RUNTIME_HELP}", names.join(", "))))
    };
    Some(Check::new("GPU runtime", outcome))
}

/// Whoever is given one GPU is told which, and sees no other.
fn isolation(nodes: &[&SurveyedNode], kind: &str) -> Check {
    let variable = format!("DOCKER_RESOURCE_{}", kind.to_uppercase());
    let mut good = Vec::new();
    let mut bad = Vec::new();
    let mut unseen = Vec::new();
    for node in nodes {
        let name = node.name.clone();
        match node.gpu_probe.as_ref().filter(|_| matches!(node.probe, Some(Ok(_)))) {
            None => unseen.push(name),
            // Somebody may have been given the last one in between: that is no fault of the node.
            Some(Err(why)) => unseen.push(format!("{name} ({why})")),
            Some(Ok(probed)) => match isolated(probed, &variable, declared(node, kind)) {
                Ok(found) => good.push((name, found)),
                Err(what) => bad.push((name, what)),
            },
        }
    }
    let note = (!unseen.is_empty()).then(|| {
        format!("not looked at on {}: no GPU is free, or somebody deploys", unseen.join(", "))
    });
    let outcome = if bad.is_empty() {
        Ok(if good.is_empty() { "not known".to_owned() } else { told(&good) })
    } else {
        let names: Vec<&str> = bad.iter().map(|it| it.0.as_str()).collect();
        let help = format!(
            "on {}: `nvidia-ctk config --in-place --set swarm-resource={variable}` \
             (/etc/nvidia-container-runtime/config.toml)",
            names.join(", ")
        );
        Err(failure(told(&bad), help))
    };
    Check::new("GPU isolation", outcome).with_note(note)
}

fn isolated(probed: &Probed, variable: &str, declared: u32) -> Result<String, String> {
    let gpus = &probed.facts.gpus;
    if !gpus.assigned.contains_key(variable) {
        return Err(format!("1 assigned, and {variable} does not say which"));
    }
    match gpus.devices.len() {
        0 => Ok(format!(
            "{variable} is given; what its holder sees cannot be known without the runtime"
        )),
        1 if declared == 1 => {
            Ok(format!("{variable} is given; with one GPU there is nothing to hide"))
        }
        1 => Ok("1 assigned, 1 visible".to_owned()),
        visible => Err(format!("{visible} GPUs visible, 1 assigned")),
    }
}
