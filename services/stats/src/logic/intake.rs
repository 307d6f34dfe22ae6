//! A result between the wire and the store.

use std::collections::BTreeSet;

use arena_store::limits::NAME_CHARS_MAX;
use arena_store::{MatchResult, PlayerResult};
use arena_types::{PlayerId, Region};
use arena_wire::stats::v1;

use crate::StatsError;

/// The mode whose ratings are shown: requests name none so far.
pub const MODE: &str = "arena";
/// Standings of one match: more than the largest arena has seats.
const STANDINGS_MAX: usize = 256;
/// Longest name of a mode.
const MODE_BYTES_MAX: usize = 32;

/// Reads a result as it came from a game instance of `region`. Bots are counted; a player who is
/// listed twice counts by the better place; nobody's rating has changed yet.
///
/// # Errors
/// [`StatsError::Invalid`] with the first field that cannot be read.
pub fn outcome(wire: &v1::MatchResult, region: &Region) -> Result<MatchResult, StatsError> {
    if wire.standings.len() > STANDINGS_MAX {
        let found = wire.standings.len().to_string();
        return Err(invalid("standings", "at most 256 lines", &found));
    }
    if wire.mode.is_empty() || wire.mode.len() > MODE_BYTES_MAX {
        return Err(invalid("mode", "1 to 32 bytes", &wire.mode));
    }
    let mut standings: Vec<&v1::Standing> =
        wire.standings.iter().filter(|it| !it.player.is_empty()).collect();
    let bots = wire.standings.len() - standings.len();
    standings.sort_by_key(|it| (it.rank, it.seat));
    let mut seen = BTreeSet::new();
    let mut players = Vec::with_capacity(standings.len());
    for standing in standings {
        let player = player(standing)?;
        if seen.insert(player.player) {
            players.push(player);
        }
    }
    Ok(MatchResult {
        id: wire.r#match.parse().map_err(|_| invalid("match", "a match id", &wire.r#match))?,
        mode: wire.mode.clone(),
        region: region.clone(),
        release: wire
            .release
            .parse()
            .map_err(|_| invalid("release", "a release", &wire.release))?,
        rules_version: wire.rules_version,
        seed: 0,
        started_ms: wire.started_ms.min(wire.ended_ms),
        ended_ms: wire.ended_ms,
        bots: bots as u32,
        players,
        replay: None,
    })
}

fn player(it: &v1::Standing) -> Result<PlayerResult, StatsError> {
    let rule = "a player id, empty for a bot";
    let player: PlayerId =
        it.player.parse().map_err(|_| invalid("standings.player", rule, &it.player))?;
    let name: String = it.display_name.trim().chars().take(NAME_CHARS_MAX).collect();
    Ok(PlayerResult {
        player,
        name: if name.is_empty() { player.to_string() } else { name },
        placement: it.rank.max(1),
        score: i64::from(it.kills),
        kills: it.kills,
        deaths: it.deaths,
        rating_change: 0.0,
    })
}

fn invalid(field: &'static str, rule: &'static str, found: &str) -> StatsError {
    StatsError::Invalid { field, rule, found: found.chars().take(64).collect() }
}

/// Returns a stored result for a player's history.
#[must_use]
pub fn to_wire(result: MatchResult) -> v1::MatchResult {
    let standing = |it: PlayerResult| v1::Standing {
        player: it.player.to_string(),
        display_name: it.name,
        rank: it.placement,
        kills: it.kills,
        deaths: it.deaths,
        ..v1::Standing::default()
    };
    v1::MatchResult {
        r#match: result.id.to_string(),
        release: result.release.to_string(),
        mode: result.mode,
        rules_version: result.rules_version,
        started_ms: result.started_ms,
        ended_ms: result.ended_ms,
        standings: result.players.into_iter().map(standing).collect(),
        ..v1::MatchResult::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(player: &str, rank: u32) -> v1::Standing {
        v1::Standing { player: player.to_owned(), rank, kills: 9 - rank, ..v1::Standing::default() }
    }

    fn result(standings: Vec<v1::Standing>) -> v1::MatchResult {
        v1::MatchResult {
            r#match: "0000000000007".to_owned(),
            release: "r2".to_owned(),
            mode: "arena".to_owned(),
            ended_ms: 5,
            standings,
            ..v1::MatchResult::default()
        }
    }

    #[test]
    fn players_are_listed_best_first_and_bots_counted() {
        let (ann, bob) = ("0000000000001", "0000000000002");
        let wire =
            result(vec![standing(bob, 3), standing("", 1), standing(ann, 2), standing(bob, 4)]);
        let outcome = outcome(&wire, &"local".parse().unwrap()).unwrap();
        let places: Vec<_> =
            outcome.players.iter().map(|it| (it.player.to_string(), it.placement)).collect();
        assert_eq!(places, [(ann.to_owned(), 2), (bob.to_owned(), 3)]);
        assert_eq!((outcome.bots, outcome.players[0].name.as_str()), (1, ann));
        let back = to_wire(outcome);
        assert_eq!((back.r#match.as_str(), back.standings.len()), ("0000000000007", 2));
    }

    #[test]
    fn a_field_that_cannot_be_read_is_named() {
        let region = "local".parse().unwrap();
        let good = || result(vec![]);
        for (field, wire) in [
            ("match", v1::MatchResult { r#match: "x".to_owned(), ..good() }),
            ("release", v1::MatchResult { release: String::new(), ..good() }),
            ("mode", v1::MatchResult { mode: String::new(), ..good() }),
            ("standings.player", result(vec![standing("bot", 1)])),
            ("standings", result(vec![standing("", 1); 257])),
        ] {
            let error = outcome(&wire, &region).unwrap_err();
            assert!(
                matches!(error, StatsError::Invalid { field: it, .. } if it == field),
                "{error}"
            );
        }
    }
}
