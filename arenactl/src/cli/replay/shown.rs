//! What a replay says, for people and for machines. It is read from a file of anybody's.

use arena_replay::{
    Divergence, Event, Header, KeyframePlace, Outcome, Problem, Problems, Recovery, WordDifference,
};
use serde_json::{Value, json};

/// Returns text that does nothing to a terminal: control characters, and those that turn the direction of
/// writing, are escaped.
pub(super) fn printable(text: &str) -> String {
    let turns = |it: char| matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || turns(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Returns a header with all but its rules.
pub(super) fn header(header: &Header) -> Value {
    let players: Vec<Value> = header
        .players
        .iter()
        .map(|it| json!({"seat": it.seat, "id": it.id, "name": it.name}))
        .collect();
    json!({
        "match": header.match_id, "epoch": header.epoch, "parent_match": header.parent_match,
        "release": header.release, "game": header.game, "schema": header.schema,
        "rules_version": header.rules_version, "rules_hash": format!("{:016x}", header.rules_hash),
        "map": header.map, "seed": header.seed, "tick_rate_hz": header.tick_rate_hz,
        "first_tick": header.first_tick, "started_ms": header.started_ms, "players": players,
    })
}

pub(super) fn outcome(outcome: &Outcome) -> Value {
    let standings: Vec<Value> = outcome
        .standings
        .iter()
        .map(|it| {
            json!({"seat": it.seat, "rank": it.rank, "kills": it.kills, "deaths": it.deaths,
                   "bot": it.bot})
        })
        .collect();
    json!({
        "reason": outcome.reason, "ended_ms": outcome.ended_ms, "standings": standings,
        "team_scores": outcome.team_scores,
    })
}

pub(super) fn keyframes(places: &[KeyframePlace]) -> Vec<Value> {
    places.iter().map(|it| json!({"tick": it.tick, "byte": it.offset})).collect()
}

/// An event beside the game, as it was recorded.
pub(super) fn event(event: &Event) -> Value {
    json!({"tick": event.tick, "event": event.kind, "seat": event.seat, "text": event.text})
}

/// Returns problems as lines for people.
pub(super) fn lines(problems: &Problems) -> Vec<String> {
    let more = match problems.more() {
        0 => None,
        more => Some(format!("and {more} more")),
    };
    problems.list().iter().map(|it| printable(&it.to_string())).chain(more).collect()
}

/// Returns a problem with its place: `tick` is the first one it concerns, `byte` where in the file it is.
pub(super) fn problem(problem: &Problem) -> Value {
    let mut value = match problem {
        Problem::Damaged(damage) => {
            json!({
                "kind": "damaged", "byte": damage.offset, "tick": damage.ticks.map(|it| it.0),
                "ticks": damage.ticks.map(|(from, to)| [from, to]),
                "chunk": damage.chunk.map(|it| it.kind.to_string()),
                "reason": damage.fault.to_string(),
            })
        }
        Problem::Unfinished(recovery) => unfinished(recovery),
        Problem::Diverged(divergence) => diverged(divergence),
        Problem::Short { last_tick, expected } => {
            json!({"kind": "short", "tick": last_tick, "expected": expected})
        }
        Problem::Overrun { over, tick } => {
            json!({"kind": "overrun", "tick": over, "inputs_to": tick})
        }
        Problem::Outcome { found, expected } => {
            json!({"kind": "outcome", "found": outcome(found), "expected": outcome(expected)})
        }
        Problem::Unproven => json!({"kind": "unproven"}),
    };
    value["message"] = json!(problem.to_string());
    value
}

fn unfinished(recovery: &Recovery) -> Value {
    json!({
        "kind": "unfinished", "byte": recovery.end, "tick": recovery.last_tick,
        "lost_bytes": recovery.lost_bytes,
    })
}

fn diverged(divergence: &Divergence) -> Value {
    let hex = |it: u64| format!("{it:016x}");
    let words: Vec<Value> = divergence.words.iter().map(word).collect();
    json!({
        "kind": "diverged", "tick": divergence.tick, "equal_tick": divergence.equal_tick,
        "found_hash": divergence.hashes.map(|(found, _)| hex(found)),
        "expected_hash": divergence.hashes.map(|(_, expected)| hex(expected)),
        "words": words, "word_count": divergence.word_count,
    })
}

fn word(word: &WordDifference) -> Value {
    json!({"byte": word.byte, "name": word.name, "found": word.found, "expected": word.expected})
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_in_a_name_reaches_the_terminal_as_a_command() {
        assert_eq!(printable("Zoë 🙂"), "Zoë 🙂");
        assert_eq!(printable("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(printable("ab\u{202e}cd"), "ab\\u{202e}cd");
    }
}
