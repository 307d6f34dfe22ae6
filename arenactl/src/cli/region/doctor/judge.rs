//! From what was found in a cluster to checks: no socket, no clock.

mod gpus;
mod nodes;
mod region;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use arenactl_planning::spec::{RegionSpec, Spec};

use super::check::{Check, failure};
use crate::backend::survey::{Probed, Survey, SurveyedNode};

/// A cluster and what it is measured by.
pub(super) struct Case<'a> {
    pub(super) survey: &'a Survey,
    pub(super) spec: &'a Spec,
    /// The region's name, and what the spec says of it.
    pub(super) name: &'a str,
    pub(super) region: &'a RegionSpec,
    pub(super) now: SystemTime,
}

/// Returns every check of a swarm.
pub(super) fn judge(case: &Case<'_>) -> Vec<Check> {
    let mut checks = vec![
        region::manager(case),
        nodes::engines(case),
        nodes::standing(case),
        nodes::labels(case),
        nodes::answers(case),
    ];
    checks.extend(nodes::clocks(case));
    checks.extend(nodes::registry(case));
    checks.push(region::images(case));
    checks.extend(gpus::all(case));
    checks.push(region::ingress());
    checks.extend(nodes::migration(case));
    checks.extend(nodes::ports(case));
    checks.extend(nodes::disk(case));
    checks.extend(nodes::memory(case));
    checks.push(region::operator(case));
    checks.push(region::certificates(case));
    checks
}

impl Case<'_> {
    /// Returns the nodes that answered.
    fn answered(&self) -> impl Iterator<Item = (&SurveyedNode, &Probed)> {
        let nodes = self.survey.nodes.iter();
        nodes.filter_map(|node| Some((node, node.probe.as_ref()?.as_ref().ok()?)))
    }

    /// Judges each node that answered; `None` if none did, which is a failure of its own. `help` is told the
    /// names of the nodes that failed.
    fn each_node(
        &self,
        name: &'static str,
        judge: impl Fn(&Probed) -> Result<String, String>,
        help: impl Fn(&str) -> String,
    ) -> Option<Check> {
        let mut good: Vec<(String, String)> = Vec::new();
        let mut bad: Vec<(String, String)> = Vec::new();
        for (node, probed) in self.answered() {
            match judge(probed) {
                Ok(found) => good.push((node.name.clone(), found)),
                Err(what) => bad.push((node.name.clone(), what)),
            }
        }
        if good.is_empty() && bad.is_empty() {
            return None;
        }
        let names: Vec<&str> = bad.iter().map(|it| it.0.as_str()).collect();
        let outcome = match names.as_slice() {
            [] => Ok(told(&good)),
            names => Err(failure(told(&bad), help(&names.join(", ")))),
        };
        Some(Check::new(name, outcome))
    }
}

/// Writes what was found on each node, once if it is the same on several.
fn told(found: &[(String, String)]) -> String {
    match found {
        [(node, what)] => format!("{node}: {what}"),
        [(_, first), rest @ ..] if rest.iter().all(|(_, what)| what == first) => {
            let names: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
            format!("{}: {first}", names.join(", "))
        }
        all => {
            let each: Vec<String> =
                all.iter().map(|(node, what)| format!("{node}: {what}")).collect();
            each.join("; ")
        }
    }
}
