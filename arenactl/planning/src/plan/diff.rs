//! What differs, field by field, and what each difference costs.

use std::collections::BTreeMap;

use arena_types::ServiceName;
use serde::Serialize;
use serde_json::Value;

use crate::Digest;
use crate::plan::types::{FieldChange, Impact};
use crate::release::Release;

type Fields = BTreeMap<String, String>;

/// Returns what differs in a service. Fields that need a restart are held against `running`, the
/// release its instances carry; the others against `current`, the release of the region.
pub(super) fn service(
    name: &ServiceName,
    running: Option<&Release>,
    current: Option<&Release>,
    wanted: &Release,
) -> Vec<FieldChange> {
    let restarts = |fields: Fields, wanted: bool| {
        fields
            .into_iter()
            .filter(move |(field, _)| (impact_of_field(field) == Impact::Restart) == wanted)
    };
    let fields = |release: Option<&Release>| release.map(|it| of_service(name, it));
    let before: Fields = restarts(fields(running).unwrap_or_default(), true)
        .chain(restarts(fields(current.or(running)).unwrap_or_default(), false))
        .collect();
    compare(&before, &of_service(name, wanted), impact_of_field)
}

/// Returns what differs beside the services: the deploy settings, images, rules and the sources
/// of secrets and configs.
pub(super) fn settings(current: Option<&Release>, wanted: &Release) -> Vec<FieldChange> {
    let fields = |release: &Release| {
        let mut fields = Fields::new();
        let spec = &release.spec;
        flatten("deploy", &json(&spec.deploy), &mut fields);
        flatten("secrets", &json(&spec.secrets), &mut fields);
        flatten("configs", &json(&spec.configs), &mut fields);
        flatten("images", &json(&spec.images), &mut fields);
        flatten("rules", &json(&spec.rules), &mut fields);
        fields
    };
    let Some(current) = current else { return Vec::new() };
    compare(&fields(current), &fields(wanted), |field| {
        if field.starts_with("rules.") { Impact::InPlace } else { Impact::None }
    })
}

/// Returns what a field of a service costs when it changes.
fn impact_of_field(field: &str) -> Impact {
    match field.split('.').next().unwrap_or_default() {
        "artifact" | "kind" | "args" | "env" | "secrets" | "configs" | "resources" | "ports"
        | "capacity" => Impact::Restart,
        "instances" => Impact::InPlace,
        _ => Impact::None, // read by arenactl alone, in the next rollout
    }
}

fn of_service(name: &ServiceName, release: &Release) -> Fields {
    let mut fields = Fields::new();
    let Some(spec) = release.spec.services.get(name) else { return fields };
    let mut value = json(spec);
    if let Value::Object(map) = &mut value {
        map.remove("secrets"); // both are shown by hash below
        map.remove("configs");
    }
    flatten("", &value, &mut fields);
    if let Some(artifact) = release.artifacts.get(name) {
        fields.insert("artifact".to_owned(), format!("sha256:{}", artifact.digest.short()));
    }
    let Some(launch) = release.launch(name) else { return fields };
    let shown =
        |hash: Option<Digest>| hash.map_or("unset".to_owned(), |it| format!("sha {}", it.short()));
    let secrets = launch.secrets.into_iter().map(|(name, it)| (format!("secrets.{name}"), it));
    let configs = launch.configs.into_iter().map(|(name, it)| (format!("configs.{name}"), it));
    fields.extend(secrets.chain(configs).map(|(field, hash)| (field, shown(hash))));
    fields
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("plain data with text keys is JSON")
}

/// Writes `{"drain": {"mode": "wait"}}` as `drain.mode = wait`; lists stay one value.
fn flatten(path: &str, value: &Value, fields: &mut Fields) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&below, value, fields);
            }
        }
        Value::String(text) => {
            fields.insert(path.to_owned(), text.clone());
        }
        other => {
            fields.insert(path.to_owned(), other.to_string());
        }
    }
}

fn compare(before: &Fields, after: &Fields, impact: fn(&str) -> Impact) -> Vec<FieldChange> {
    let gone = before.iter().filter(|(field, _)| !after.contains_key(*field));
    let mut changes: Vec<FieldChange> = gone
        .map(|(field, from)| change(field, Some(from), None, impact))
        .chain(
            after
                .iter()
                .filter(|(field, to)| before.get(*field) != Some(*to))
                .map(|(field, to)| change(field, before.get(field), Some(to), impact)),
        )
        .collect();
    changes.sort_by(|a, b| (a.impact, &a.field).cmp(&(b.impact, &b.field)));
    changes
}

fn change(
    field: &str,
    from: Option<&String>,
    to: Option<&String>,
    impact: fn(&str) -> Impact,
) -> FieldChange {
    FieldChange {
        field: field.to_owned(),
        from: from.cloned(),
        to: to.cloned(),
        impact: impact(field),
    }
}
