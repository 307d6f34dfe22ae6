//! `arena.yaml` → ([`Spec`], every mistake in it).

use std::collections::{BTreeMap, BTreeSet};

use arena_types::{ClusterName, Region, ServiceName};

use crate::spec::configs::ConfigSpec;
use crate::spec::deploy::DeploySpec;
use crate::spec::error::{Problem, SpecError, closest};
use crate::spec::images::Images;
use crate::spec::merge;
use crate::spec::read_service::{self, Names};
use crate::spec::regions::RegionSpec;
use crate::spec::rules;
use crate::spec::secrets::SecretSpec;
use crate::spec::section::{Mistakes, Section};
use crate::spec::services::ServiceSpec;
use crate::spec::yaml::{self, At, Node, Origin, Value};
use crate::spec::{ConfigName, GameName, Kind, SecretName, Spec};

/// The variable that says which game a service is for.
pub(super) const GAME: &str = "ARENA_GAME";
/// The environment of a file that names none.
pub const ENVIRONMENT_DEFAULT: &str = "dev";

/// What the operator asked for beside the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// `--environment`; otherwise the file's own `environment`.
    pub environment: Option<String>,
    /// `--set path=value`, in order.
    pub set: Vec<String>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The spec, complete even if there are mistakes; then it must not be used to deploy.
    pub spec: Spec,
    /// All mistakes, of every environment, in the order of the file.
    pub errors: Vec<SpecError>,
    /// The environments that the file has.
    pub environments: Vec<String>,
}

/// Reads a file. Every environment is checked; the one asked for is returned. O(n · environments).
#[must_use]
pub fn read(text: &str, ask: &Ask) -> Read {
    let (mut root, mut errors) = yaml::parse(text, Origin::Base);
    let unreadable =
        |it: &SpecError| matches!(it.problem, Problem::Syntax(_) | Problem::TooLarge(_));
    if let Some(error) = errors.iter().find(|it| unreadable(it)) {
        // What follows from a broken line is noise.
        let spec = lower(&Node::empty_map(At::START), None, ENVIRONMENT_DEFAULT, &[]).0;
        return Read { spec, errors: vec![error.clone()], environments: Vec::new() };
    }
    if !matches!(root.value, Value::Map(_)) {
        root = Node::empty_map(root.at);
    }
    let (environments_at, overlays) = overlays(&mut root, &mut errors, &ask.set);
    let default = root.take("environment");
    let named = default.as_ref().and_then(|it| match &it.value {
        Value::Scalar { text, .. } => Some((text.clone(), it.at)),
        _ => None,
    });
    let (wanted, wanted_at) = match &ask.environment {
        Some(name) => (name.clone(), None),
        None => named.map_or((ENVIRONMENT_DEFAULT.to_owned(), None), |it| (it.0, Some(it.1))),
    };
    let known: Vec<String> = overlays.keys().cloned().collect();
    if !known.contains(&wanted) && (!known.is_empty() || wanted != ENVIRONMENT_DEFAULT) {
        let at = wanted_at.unwrap_or(environments_at);
        errors.push(unknown_environment(&wanted, &known, at, &ask.set));
    }
    let mut spec = None;
    for (name, overlay) in &overlays {
        let (read, mistakes) = lower(&root, Some(overlay), name, &ask.set);
        errors.extend(mistakes);
        if *name == wanted {
            spec = Some(read);
        }
    }
    let spec = spec.unwrap_or_else(|| {
        let (read, mistakes) = lower(&root, None, &wanted, &ask.set);
        errors.extend(mistakes);
        read
    });
    errors.sort();
    errors.dedup();
    Read { spec, errors, environments: known }
}

/// Takes the overlays out of the file.
fn overlays(
    root: &mut Node,
    errors: &mut Vec<SpecError>,
    sets: &[String],
) -> (At, BTreeMap<String, Node>) {
    let Some(node) = root.take("environments") else { return (root.at, BTreeMap::new()) };
    let mut mistakes = Mistakes { list: Vec::new(), environment: "", sets };
    let mut overlays = BTreeMap::new();
    let wrong = |node: &Node| Problem::WrongShape { wanted: "a section", found: node.shape() };
    match node.value {
        Value::Map(entries) => {
            for (key, mut node) in entries.into_iter().filter(|(it, _)| !it.text.starts_with("x-"))
            {
                match node.value {
                    Value::Null => node = Node::empty_map(node.at),
                    Value::Map(_) => {}
                    _ => {
                        mistakes.push(node.at, &format!("environments.{}", key.text), wrong(&node));
                        continue;
                    }
                }
                merge::stamp(&mut node, Origin::Overlay);
                overlays.insert(key.text, node);
            }
        }
        Value::Null => {}
        _ => mistakes.push(node.at, "environments", wrong(&node)),
    }
    errors.extend(mistakes.list);
    (node.at, overlays)
}

fn unknown_environment(wanted: &str, known: &[String], at: At, sets: &[String]) -> SpecError {
    let mut mistakes = Mistakes { list: Vec::new(), environment: "", sets };
    let problem = Problem::UnknownName {
        kind: "environment",
        value: wanted.to_owned(),
        meant: closest(wanted, known.iter().map(String::as_str)),
        known: known.to_vec(),
    };
    mistakes.push(at, "environment", problem);
    mistakes.list.remove(0)
}

/// Merges, then reads section by section.
fn lower(
    root: &Node,
    overlay: Option<&Node>,
    environment: &str,
    sets: &[String],
) -> (Spec, Vec<SpecError>) {
    let mut tree = root.clone();
    if let Some(overlay) = overlay {
        merge::overlay(&mut tree, overlay.clone());
    }
    let mut mistakes = Mistakes { list: Vec::new(), environment, sets };
    for (index, argument) in sets.iter().enumerate() {
        merge::set(&mut tree, argument, index, &mut mistakes.list);
    }
    let spec = sections(&tree, environment, &mut mistakes);
    (spec, mistakes.list)
}

fn sections(tree: &Node, environment: &str, mistakes: &mut Mistakes<'_>) -> Spec {
    let known_regions = names(tree, "regions");
    let names = Names {
        services: names(tree, "services"),
        secrets: names(tree, "secrets"),
        configs: names(tree, "configs"),
    };
    let mut root = Section::root(tree, mistakes);
    let cluster = root.or("cluster", default_cluster());
    let game = root.or("game", GameName::default());
    let images = root.section("images", Images::read);
    let regions = root.map("regions", |_: &Region, it| RegionSpec::read(it));
    let secrets = root.map("secrets", |_: &SecretName, it| SecretSpec::read(it));
    let configs = root.map("configs", |_: &ConfigName, it| ConfigSpec::read(it));
    let mut after = BTreeMap::new();
    let services = root.map("services", |name: &ServiceName, it| {
        after.insert(name.clone(), it.at("after"));
        let mut service = read_service::read(name, it, &names);
        tell_game(&mut service, &game);
        check_gpus(it, &regions, &service);
        service
    });
    if services.is_empty() {
        let help = "write at least one service".to_owned();
        root.mistake("services", Problem::Missing { help });
    }
    let deploy = root.section("deploy", |it| {
        let deploy = DeploySpec::read(it, &known_regions);
        check_floor(it, deploy.joinable_floor, &services);
        deploy
    });
    let rules = root.section("rules", |it| it.whole().map(rules::json));
    root.refuse_unknown_keys();
    check_cycles(&mut root, &services, &after);
    let rules = rules.unwrap_or_else(|| serde_json::json!({}));
    let environment = environment.to_owned();
    Spec { cluster, environment, game, images, regions, services, deploy, secrets, configs, rules }
}

/// Tells a service which game it is for; data is of any game, and the standard game need not be told.
fn tell_game(service: &mut ServiceSpec, game: &GameName) {
    if !game.is_default() && service.kind != Kind::Data {
        service.env.insert(GAME.to_owned(), game.to_string());
    }
}

fn default_cluster() -> ClusterName {
    "arena".parse().expect("`arena` is a DNS label")
}

fn names(tree: &Node, section: &str) -> BTreeSet<String> {
    let Some(Value::Map(entries)) = tree.child(section).map(|it| &it.value) else {
        return BTreeSet::new();
    };
    entries.iter().map(|(key, _)| key.text.clone()).filter(|it| !it.starts_with("x-")).collect()
}

/// Holds a service against the GPUs that regions declare.
fn check_gpus(
    section: &mut Section<'_, '_, '_>,
    regions: &BTreeMap<Region, RegionSpec>,
    service: &ServiceSpec,
) {
    let gpus = service.resources.gpus;
    let all = u64::from(gpus) * u64::from(service.instances);
    for (name, region) in regions {
        let (node, total) = (region.gpus_per_node, region.gpus);
        if let Some(node) = node.filter(|it| gpus > *it) {
            let what = format!("is {gpus}, but the largest node of {name} has {node}");
            section.section("resources", |it| {
                it.conflict("gpus", what, format!("set it to {node} or less"));
                it.know_all();
            });
        } else if let Some(total) = total.filter(|it| all > u64::from(*it)) {
            let what = format!("needs {all} GPUs in all, but {name} has {total}");
            section.conflict("instances", what, "lower it, or `resources.gpus`");
        }
    }
}

/// Refuses a floor that even an idle region cannot keep.
fn check_floor(
    section: &mut Section<'_, '_, '_>,
    floor: u32,
    services: &BTreeMap<ServiceName, ServiceSpec>,
) {
    let slots: u64 =
        services.values().map(|it| u64::from(it.capacity) * u64::from(it.instances)).sum();
    if u64::from(floor) > slots {
        let what = format!("is {floor}, but all instances together have {slots} match slots");
        section.conflict("joinable_floor", what, format!("set it to {slots} or less"));
    }
}

/// Finds one cycle among `after`, by following dependencies from each service once.
fn check_cycles(
    root: &mut Section<'_, '_, '_>,
    services: &BTreeMap<ServiceName, ServiceSpec>,
    after: &BTreeMap<ServiceName, At>,
) {
    let mut done: BTreeSet<&ServiceName> = BTreeSet::new();
    for start in services.keys() {
        let mut trail: Vec<(&ServiceName, Vec<&ServiceName>)> = Vec::new();
        let dependencies = |name: &ServiceName| -> Vec<&ServiceName> {
            services.get(name).map(|it| it.after.iter().rev().collect()).unwrap_or_default()
        };
        if done.insert(start) {
            trail.push((start, dependencies(start)));
        }
        while let Some((name, left)) = trail.last_mut() {
            let Some(next) = left.pop() else {
                trail.pop();
                continue;
            };
            let name = *name;
            if let Some(first) = trail.iter().position(|(it, _)| *it == next) {
                let cycle = trail[first..].iter().map(|(it, _)| it.to_string());
                let services = cycle.chain([next.to_string()]).collect();
                let at = after.get(name).copied().unwrap_or(At::START);
                let path = format!("services.{name}.after");
                root.mistake_at(at, &path, Problem::Cycle { services });
            } else if done.insert(next) {
                trail.push((next, dependencies(next)));
            }
        }
    }
}
