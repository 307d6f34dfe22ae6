//! Rules: parsed by `arena-sim`, pinned with what the page needs of them.

use arena_sdk::{PinnedRules, RulesError};
use arena_sim::rules::space::ARENA;
use arena_sim::{Movement, Rules};
use serde_json::{Value, json};

pub(crate) fn parse(document: &Value) -> Result<PinnedRules, RulesError> {
    let rules = Rules::from_json(document).map_err(|error| {
        RulesError::new(error.mistakes.iter().map(ToString::to_string).collect())
    })?;
    let (document, page) = (rules.to_json(), page(&rules));
    let id = (rules.version(), rules.hash());
    Ok(PinnedRules::new(crate::NAME, id, &document, &page, rules))
}

/// What a page needs of the rules; docs/protocol.md lists the keys.
fn page(rules: &Rules) -> Value {
    let movement = Movement::of(rules);
    let document = rules.to_json();
    let bounces = document["weapon"]["walls"] == "bounce";
    json!({
        "arena": ARENA,
        "movement": {
            "radius": movement.radius,
            "acceleration": movement.acceleration,
            "drag_shift": movement.drag_shift,
            "speed_max": movement.speed_max,
            "walls": movement.walls,
        },
        "projectile": { "bounces": bounces },
        "cover": rules.map().cover_words(),
        "pickups": rules.pickup_cells(),
        "homes": rules.flag_cells(),
        "rules": document,
    })
}
