//! `rules`: what differs from the game's standard rules. The config service knows and checks them;
//! here they only become JSON.

use serde_json::{Map, Number, Value as Json};

use crate::spec::yaml::{Node, Value};

/// Turns a tree into JSON with sorted keys, so that the same rules have the same hash. Keys that begin
/// with `x-` are left out.
pub(super) fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar { text, quoted } => scalar(text, *quoted),
        Value::List(nodes) => Json::Array(nodes.iter().map(json).collect()),
        Value::Map(entries) => {
            let mut own: Vec<_> =
                entries.iter().filter(|(key, _)| !key.text.starts_with("x-")).collect();
            own.sort_by(|a, b| a.0.text.cmp(&b.0.text));
            Json::Object(
                own.into_iter()
                    .map(|(key, node)| (key.text.clone(), json(node)))
                    .collect::<Map<_, _>>(),
            )
        }
    }
}

/// Plain whole numbers, `true` and `false` are what they look like; all else is text.
fn scalar(text: &str, quoted: bool) -> Json {
    match (text, text.parse::<i64>()) {
        _ if quoted => Json::String(text.to_owned()),
        ("true", _) => Json::Bool(true),
        ("false", _) => Json::Bool(false),
        (_, Ok(number)) => Json::Number(Number::from(number)),
        _ => Json::String(text.to_owned()),
    }
}
