//! The JSON Schema of `arena.yaml`, for editors. The reader knows more than a schema can say: it is the
//! judge, this is the prompter.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::spec::Spec;

/// Returns the schema of the whole file (JSON Schema 2020-12). Nothing is required: every key has a
/// default or a reader that says what is missing.
#[must_use]
pub fn schema() -> Value {
    let mut root = SchemaGenerator::default().into_root_schema_for::<Spec>().to_value();
    open_up(&mut root);
    let mut overlay = Map::new();
    for key in ["type", "properties", "additionalProperties", "patternProperties"] {
        overlay.extend(root.get(key).map(|it| (key.to_owned(), it.clone())));
    }
    if let Some(properties) = overlay.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("environment");
    }
    let overlays = json!({
        "description": "What differs in an environment; merged key by key.",
        "type": "object",
        "additionalProperties": { "anyOf": [{ "$ref": "#/$defs/Overlay" }, { "type": "null" }] },
    });
    let object = root.as_object_mut().expect("the schema of a struct is an object");
    object.insert("title".to_owned(), json!("arena.yaml"));
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("environments".to_owned(), overlays);
    }
    if let Some(definitions) = object.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.insert("Overlay".to_owned(), Value::Object(overlay));
    }
    root
}

/// Makes every section as the reader sees it: nothing required, unknown keys refused but for `x-`.
fn open_up(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("properties").is_some_and(Value::is_object) {
                object.remove("required");
                object.insert("additionalProperties".to_owned(), json!(false));
                object.insert("patternProperties".to_owned(), json!({ "^x-": true }));
            }
            object.values_mut().for_each(open_up);
        }
        Value::Array(values) => values.iter_mut().for_each(open_up),
        _ => {}
    }
}

/// The words of a drain's mode.
pub(super) fn drain_mode(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["migrate", "wait"] })
}

/// The words of what happens at a drain's deadline.
pub(super) fn at_deadline(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["keep", "end"] })
}

/// Variables: numbers and booleans are taken as they are written.
pub(super) fn env(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    })
}
