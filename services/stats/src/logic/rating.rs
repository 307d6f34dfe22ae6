//! Weng-Lin ratings of a free-for-all (Weng & Lin, *A Bayesian Approximation Method for Online
//! Ranking*, JMLR 12, 2011), on the scale people know from chess: 1500 ± 500 at the start.

use arena_store::Rating;
use skillratings::MultiTeamOutcome;
use skillratings::weng_lin::{WengLinConfig, WengLinRating, weng_lin_multi_team};

/// A player of whom nothing is known.
pub const START: Rated = Rated { value: 1_500.0, deviation: 500.0 };
/// How much a single match's outcome is luck: half the first deviation, as the paper's ratio is.
const BETA: f64 = 250.0;
/// Keeps a deviation above zero.
const TOLERANCE: f64 = 1e-6;
/// A leaderboard counts what a player is worth at least, three deviations below the estimate.
const DEVIATIONS: f64 = 3.0;
/// Leaderboards hold whole numbers: thousandths of a point.
const SCORE_UNITS: f64 = 1_000.0;

/// A rating, without its history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rated {
    /// The estimate.
    pub value: f64,
    /// Its uncertainty.
    pub deviation: f64,
}

/// A player's part in a match.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Place among all seats, from 1; equal places are draws.
    pub placement: u32,
    /// What the player was worth before.
    pub before: Rated,
}

impl From<&Rating> for Rated {
    fn from(rating: &Rating) -> Self {
        Self { value: rating.value, deviation: rating.deviation }
    }
}

/// Returns what each player is worth afterwards, in the same order. Fewer than two change nothing:
/// bots are no measure of a person.
#[must_use]
pub fn rate(standings: &[Standing]) -> Vec<Rated> {
    if standings.len() < 2 {
        return standings.iter().map(|it| it.before).collect();
    }
    let teams: Vec<[WengLinRating; 1]> = standings
        .iter()
        .map(|it| [WengLinRating { rating: it.before.value, uncertainty: it.before.deviation }])
        .collect();
    let outcomes: Vec<_> = teams
        .iter()
        .zip(standings)
        .map(|(team, it)| (&team[..], MultiTeamOutcome::new(it.placement as usize)))
        .collect();
    let config = WengLinConfig { beta: BETA, uncertainty_tolerance: TOLERANCE };
    let rated = weng_lin_multi_team(&outcomes, &config);
    rated.iter().flatten().map(|it| Rated { value: it.rating, deviation: it.uncertainty }).collect()
}

/// Returns a rating's score on a leaderboard.
#[must_use]
pub fn score(rated: Rated) -> i64 {
    ((rated.value - DEVIATIONS * rated.deviation) * SCORE_UNITS).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(placement: u32, value: f64) -> Standing {
        Standing { placement, before: Rated { value, ..START } }
    }

    #[test]
    fn the_better_placed_rise_and_everyone_becomes_surer() {
        let standings: Vec<_> = (1..=8).map(|place| standing(place, 1_500.0)).collect();
        let after = rate(&standings);
        assert!(after.windows(2).all(|it| it[0].value > it[1].value), "{after:?}");
        assert!(after[0].value > 1_500.0 && after[7].value < 1_500.0);
        assert!(after.iter().all(|it| it.deviation < START.deviation));
    }

    #[test]
    fn an_upset_moves_more_than_an_expected_win() {
        let expected = rate(&[standing(1, 1_800.0), standing(2, 1_200.0)]);
        let upset = rate(&[standing(2, 1_800.0), standing(1, 1_200.0)]);
        assert!(upset[1].value - 1_200.0 > expected[0].value - 1_800.0);
    }

    #[test]
    fn a_draw_of_equals_changes_no_estimate() {
        let after = rate(&[standing(1, 1_500.0), standing(1, 1_500.0)]);
        assert!(after.iter().all(|it| (it.value - 1_500.0).abs() < 1e-9), "{after:?}");
    }

    #[test]
    fn a_player_among_bots_is_not_rated() {
        assert_eq!(rate(&[standing(1, 1_700.0)]), [Rated { value: 1_700.0, ..START }]);
        assert_eq!(rate(&[]), []);
    }

    #[test]
    fn a_leaderboard_counts_what_is_certain() {
        assert_eq!(score(START), 0);
        assert_eq!(score(Rated { value: 1_600.0, deviation: 100.0 }), 1_300_000);
    }
}
