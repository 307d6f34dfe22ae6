//! The rules of arena.yaml on their way to the players: checked before a rollout, published after it.

use arena_sdk::Game;
use arenactl_planning::release::Release;
use arenactl_planning::spec::Spec;
use serde_json::{Map, Value};

use crate::backend::{Backend, BackendError, Lack};
use crate::config_client::CONFIG;

/// Returns the game of a spec.
///
/// # Errors
/// [`arena_games::UnknownGame`].
pub fn game(spec: &Spec) -> Result<&'static dyn Game, arena_games::UnknownGame> {
    arena_games::find(spec.game.as_str())
}

/// Returns every mistake in rules as arena.yaml or a file has them: what differs from the standard ones.
#[must_use]
pub fn mistakes(game: &dyn Game, rules: &Value) -> Vec<String> {
    let mut rules = document(rules);
    if let Value::Object(fields) = &mut rules {
        // The config service numbers the versions; here any number will do.
        fields.entry("version").or_insert_with(|| 1.into());
    }
    let error = game.parse_rules(&rules).err();
    error.into_iter().flat_map(|error| error.mistakes).collect()
}

/// Returns what would keep the rules of a release from its players.
#[must_use]
pub fn lacks(release: &Release) -> Vec<Lack> {
    let rules = &release.spec.rules;
    let game = match game(&release.spec) {
        Ok(game) => game,
        Err(error) => {
            let help = "correct `game:` in arena.yaml, or the `--set game=…`".to_owned();
            return vec![Lack { what: error.to_string(), help }];
        }
    };
    if document(rules) == standard() {
        return Vec::new();
    }
    let wrong = mistakes(game, rules).into_iter().map(|what| Lack {
        what: format!("rules: {what}"),
        help: "correct `rules:` in arena.yaml, or the `--set rules.…`".to_owned(),
    });
    let has_service = release.spec.services.keys().any(|service| service.as_str() == CONFIG);
    let nobody = (!has_service).then(|| Lack {
        what: format!("rules: there is no service `{CONFIG}` to publish them"),
        help: format!("add the service `{CONFIG}`, or remove `rules:`"),
    });
    wrong.chain(nobody).collect()
}

/// Returns the rules of a release unless they are the ones that a deploy published last.
///
/// # Errors
/// [`BackendError`] if what was published last cannot be read.
pub async fn due(
    backend: &mut dyn Backend,
    release: &Release,
) -> Result<Option<Value>, BackendError> {
    let wanted = document(&release.spec.rules);
    let published = backend.published_rules().await?.unwrap_or_else(standard);
    Ok((wanted != published).then_some(wanted))
}

/// `rules:` with nothing below it is no rules at all.
fn document(rules: &Value) -> Value {
    if rules.is_null() { standard() } else { rules.clone() }
}

/// What a fresh installation plays by: nothing differs.
fn standard() -> Value {
    Value::Object(Map::new())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mistakes_in_rules_are_found_without_a_running_arena() {
        let game = arena_games::standard();
        let mistakes = |rules: &Value| mistakes(game, rules);
        assert_eq!(mistakes(&Value::Null), Vec::<String>::new());
        assert_eq!(mistakes(&json!({"match": {"time_limit_ticks": 1200}})), Vec::<String>::new());
        let found = mistakes(&json!({"match": {"time_limit": 20}, "weapon": 1}));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`match.time_limit` is not a rule"), "{found:?}");
    }
}
