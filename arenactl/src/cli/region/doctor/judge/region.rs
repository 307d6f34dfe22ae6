//! What a region has once: its manager, its images, its operator, its certificates.

use std::collections::BTreeMap;

use super::{Case, Check, failure};
use crate::backend::survey::OperatorState;

/// A certificate that ends sooner is to be replaced now: nothing in a container renews it.
const CERTIFICATE_DAYS_MIN: u64 = 30;
/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// The operator is bound to the node that is talked to, so that node has to take tasks.
pub(super) fn manager(case: &Case<'_>) -> Check {
    let manager = &case.survey.manager;
    let found = format!(
        "{} is {}, engine {}, API {}",
        manager.endpoint, manager.node, manager.engine, manager.api
    );
    let own = case.survey.nodes.iter().find(|node| node.name == manager.node);
    let outcome = match own {
        Some(node) if !node.takes_tasks() => Err(failure(
            format!("{found}; it takes no tasks, and the operator runs there"),
            format!(
                "`docker node update --availability active {}`, or name another manager in \
                 `regions.{}.endpoint`",
                manager.node, case.name
            ),
        )),
        _ => Ok(found),
    };
    Check::new("manager", outcome)
}

/// Images that are missing for the same reason are told together.
pub(super) fn images(case: &Case<'_>) -> Check {
    let images = &case.survey.images;
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (image, found) in images {
        if let Err(why) = found {
            missing.entry(why).or_default().push(image);
        }
    }
    let outcome = if missing.is_empty() {
        Ok(format!("{} pushed", images.len()))
    } else {
        let each: Vec<String> =
            missing.iter().map(|(why, images)| format!("{} ({why})", images.join(", "))).collect();
        let help = "`arenactl build --push`; if the registry is away, start it first";
        Err(failure(format!("not found: {}", each.join("; ")), help))
    };
    Check::new("images", outcome)
}

pub(super) fn ingress() -> Check {
    let found =
        "not used: instances listen on their nodes, so neither the routing mesh nor IPVS is needed";
    Check::new("ingress", Ok(found.to_owned()))
}

pub(super) fn operator(case: &Case<'_>) -> Check {
    let manager = &case.survey.manager.node;
    let redeploy = "`arenactl deploy` starts it on the manager that is talked to";
    let outcome = match &case.survey.operator {
        OperatorState::Absent => Ok("started by the first deploy".to_owned()),
        OperatorState::Runs(node) if node == manager => Ok(format!("runs on {node}")),
        OperatorState::Runs(node) => Err(failure(
            format!("runs on {node}, {manager} is talked to"),
            format!("{redeploy}, or name {node} in `regions.{}.endpoint`", case.name),
        )),
        OperatorState::Down(why) => Err(failure(
            format!("does not run: {why}"),
            format!(
                "`docker service ps --no-trunc {}_{}_operator`, then `arenactl deploy`",
                case.spec.cluster, case.name
            ),
        )),
    };
    Check::new("operator", outcome)
}

/// A service whose spec changes is deployed anew, and each instance of it with a new certificate.
pub(super) fn certificates(case: &Case<'_>) -> Check {
    let all = &case.survey.certificates;
    let days = |at: std::time::SystemTime| {
        at.duration_since(case.now).unwrap_or_default().as_secs() / DAY_S
    };
    let ending: Vec<String> = all
        .iter()
        .filter(|it| days(it.not_after) < CERTIFICATE_DAYS_MIN)
        .map(|it| format!("{} ({} days left)", it.instance, days(it.not_after)))
        .collect();
    let outcome = match all.iter().map(|it| days(it.not_after)).min() {
        None => Ok("issued by the first deploy".to_owned()),
        Some(least) if ending.is_empty() => Ok(format!("{}, {least} days left", all.len())),
        Some(_) => Err(failure(
            ending.join(", "),
            "a new instance has a new one: `arenactl deploy --set services.SERVICE.env.RENEWED=DATE` \
             for the service of each",
        )),
    };
    Check::new("certificates", outcome)
}
