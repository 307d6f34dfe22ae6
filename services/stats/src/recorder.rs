//! Writes results: once, with their ratings; then what follows, so that a repeat changes nothing.

use std::sync::Arc;

use arena_store::{
    BoardWrite, HotState, MatchResult, PlayerResult, PlayerStore, Rating, RatingKey, RatingUpdate,
    Recorded, StoreError, Stores,
};
use arena_types::Region;
use arena_wire::stats::v1;
use bytes::Bytes;
use futures::future::try_join_all;

use crate::StatsError;
use crate::logic::{Rated, START, Standing, Totals, outcome, rate, score};

/// Tries against ratings that others change meanwhile. Two matches of one player end together at
/// most rarely, so one more than a few means that something else is wrong.
const ATTEMPTS_MAX: u32 = 8;

/// Writes results; cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    players: Arc<dyn PlayerStore>,
    hot: Arc<dyn HotState>,
    region: Region,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Writes to `stores` what game instances of `region` report.
    #[must_use]
    pub fn new(stores: &Stores, region: Region) -> Self {
        Self { players: stores.players.clone(), hot: stores.hot.clone(), region }
    }

    /// Records a result and says whether it was new. Safe to repeat after any failure; an `Ok`
    /// means that result, ratings and totals are durable.
    ///
    /// # Errors
    /// [`StatsError`].
    pub async fn record(&self, wire: &v1::MatchResult) -> Result<Recorded, StatsError> {
        let mut result = outcome(wire, &self.region)?;
        let recorded = self.record_rated(&mut result).await?;
        // What was recorded counts, not what was sent: a repeat may differ.
        let stored = match recorded {
            Recorded::New => Some(result),
            Recorded::Before => self.players.match_result(result.id).await?,
        };
        if let Some(stored) = stored {
            try_join_all(stored.players.iter().map(|it| self.count(&stored, it))).await?;
            if let Err(error) = self.publish(&stored).await {
                // The next match of each player writes the same line again, so no result waits.
                tracing::warn!(%error, id = %stored.id, "the leaderboard is behind");
            }
        }
        Ok(recorded)
    }

    async fn record_rated(&self, result: &mut MatchResult) -> Result<Recorded, StatsError> {
        let keys = keys_of(result);
        for _ in 0..ATTEMPTS_MAX {
            let before = self.players.ratings(&keys).await?;
            let updates = updates_of(result, &keys, &before);
            match self.players.record_result(result.clone(), updates).await {
                Ok(recorded) => return Ok(recorded),
                // A lost answer may have been a success: recording again says so.
                Err(StoreError::Conflict { .. } | StoreError::Uncertain { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StatsError::Contended { attempts: ATTEMPTS_MAX })
    }

    /// Adds a match to a player's totals, once.
    async fn count(&self, result: &MatchResult, player: &PlayerResult) -> Result<(), StatsError> {
        for _ in 0..ATTEMPTS_MAX {
            let found = self.players.profile(player.player).await?;
            let (version, document) =
                found.map_or((0, Bytes::new()), |it| (it.version, it.document));
            let mut totals = Totals::of(&document);
            if !totals.count(result.id, player.placement == 1, player.kills, player.deaths) {
                return Ok(());
            }
            let document = totals.written_to(&document).into();
            match self.players.put_profile(player.player, version, document).await {
                // An account that is gone has no totals.
                Ok(_) | Err(StoreError::NotFound { .. }) => return Ok(()),
                Err(StoreError::Conflict { .. } | StoreError::Uncertain { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StatsError::Contended { attempts: ATTEMPTS_MAX })
    }

    /// Writes the players' ratings, as they are stored now, to the mode's leaderboard.
    async fn publish(&self, result: &MatchResult) -> Result<(), StoreError> {
        let keys = keys_of(result);
        let ratings = self.players.ratings(&keys).await?;
        let scores: Vec<_> = keys
            .iter()
            .zip(&ratings)
            .filter_map(|(key, it)| Some((key.player.to_string(), score(it.as_ref()?.into()))))
            .collect();
        if !scores.is_empty() {
            self.hot.board_write(&board_of(&result.mode), BoardWrite::Set, scores).await?;
        }
        Ok(())
    }
}

/// Returns the leaderboard of a mode.
pub(crate) fn board_of(mode: &str) -> String {
    format!("leaderboard/{mode}")
}

fn keys_of(result: &MatchResult) -> Vec<RatingKey> {
    let key = |it: &PlayerResult| RatingKey { player: it.player, mode: result.mode.clone() };
    result.players.iter().map(key).collect()
}

/// Rates the players and notes each one's change in the result.
fn updates_of(
    result: &mut MatchResult,
    keys: &[RatingKey],
    before: &[Option<Rating>],
) -> Vec<RatingUpdate> {
    let old: Vec<Rated> = before.iter().map(|it| it.as_ref().map_or(START, Rated::from)).collect();
    let standings: Vec<Standing> = result
        .players
        .iter()
        .zip(&old)
        .map(|(it, before)| Standing { placement: it.placement, before: *before })
        .collect();
    let new = rate(&standings);
    for ((player, old), new) in result.players.iter_mut().zip(&old).zip(&new) {
        player.rating_change = new.value - old.value;
    }
    if new.len() < 2 {
        return Vec::new();
    }
    keys.iter()
        .zip(before)
        .zip(new)
        .map(|((key, before), new)| RatingUpdate {
            key: key.clone(),
            expected: before.as_ref().map_or(0, |it| it.version),
            value: new.value,
            deviation: new.deviation,
            volatility: 0.0,
        })
        .collect()
}
