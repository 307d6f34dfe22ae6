//! Which instances of a service take calls now.

use std::collections::BTreeMap;

use arena_mesh::Endpoint;
use arena_types::InstanceId;
use arena_types::contract::InstanceState;
use arena_types::registry::{InstanceRecord, Traffic};

/// Returns where calls go: ready instances of releases that take traffic.
///
/// If there are none, ready ones of any release; if there are none of these either, draining ones,
/// which still answer: a call that may work beats one that cannot.
#[must_use]
pub fn endpoints(
    instances: &BTreeMap<String, InstanceRecord>,
    traffic: Option<&Traffic>,
) -> Vec<Endpoint> {
    let choose = |wanted: &dyn Fn(&InstanceRecord) -> bool| -> Vec<Endpoint> {
        instances
            .iter()
            .filter(|(_, it)| wanted(it))
            .filter_map(|(id, it)| Some((id.parse::<InstanceId>().ok()?, it.mesh_addr)))
            .map(|(id, addr)| Endpoint::new(id, addr))
            .collect()
    };
    let is_ready = |it: &InstanceRecord| it.state == InstanceState::Ready;
    let found = choose(&|it| is_ready(it) && Traffic::weight(traffic, it.release) > 0);
    if !found.is_empty() {
        return found;
    }
    let found = choose(&is_ready);
    if !found.is_empty() {
        return found;
    }
    choose(&|it| it.state != InstanceState::Starting)
}

#[cfg(test)]
mod tests {
    use super::*;

    use InstanceState::{Draining, Empty, Ready, Starting};

    #[track_caller]
    fn check(instances: &[(&str, u32, InstanceState)], weights: &str, expected: &[&str]) {
        let record = |(index, (id, release, state)): (usize, &(&str, u32, InstanceState))| {
            let addr = format!("127.0.0.1:{}", 7000 + index).parse().unwrap();
            let record = InstanceRecord {
                mesh_addr: addr,
                side_addr: addr,
                public_addr: None,
                release: arena_types::ReleaseId(*release),
                state: *state,
                sessions: 0,
                matches: 0,
                moving: 0,
                shadows: 0,
                capacity: 0,
                rules_schema: 0,
            };
            ((*id).to_owned(), record)
        };
        let instances = instances.iter().enumerate().map(record).collect();
        let traffic: Option<Traffic> = serde_json::from_str(weights).unwrap();
        let found = endpoints(&instances, traffic.as_ref());
        let names: Vec<_> = found.iter().filter_map(|it| it.instance.as_deref()).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn calls_go_to_ready_instances_of_releases_with_traffic() {
        let all = [
            ("a", 1, Ready),
            ("b", 1, Draining),
            ("c", 2, Ready),
            ("d", 2, Starting),
            ("../e", 2, Ready),
        ];
        check(&all, "null", &["a", "c"]);
        check(&all, r#"{"weights":{"r1":0,"r2":100}}"#, &["c"]);
        check(&all, r#"{"weights":{"r1":100}}"#, &["a"]);
    }

    #[test]
    fn without_any_a_call_is_still_tried() {
        let weights = r#"{"weights":{"r3":100}}"#;
        check(&[("a", 1, Ready), ("b", 2, Draining)], weights, &["a"]);
        check(&[("a", 1, Starting), ("b", 2, Draining), ("c", 2, Empty)], weights, &["b", "c"]);
        check(&[("a", 1, Starting)], "null", &[]);
    }
}
