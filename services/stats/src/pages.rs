//! Reads what players look at: profiles, ratings, histories, leaderboards.

use std::sync::Arc;

use arena_store::{BoardEntry, HotState, MatchResult, PlayerStore, RatingKey, Stores};
use arena_types::PlayerId;
use arena_wire::stats::v1;
use futures::future::join_all;

use crate::StatsError;
use crate::logic::{MODE, Rated, START, Totals, to_wire};
use crate::recorder::board_of;

/// Lines of one page of a leaderboard or a history: what a screen shows a few times over.
const PAGE_MAX: u32 = 100;
/// Lines where the request does not say.
const PAGE: u32 = 20;
/// Ratings read at once: the players of one sweep of a matchmaker's new tickets.
const RATINGS_MAX: usize = 1_000;

/// Reads pages; cheap to clone.
#[derive(Clone)]
pub struct Pages {
    players: Arc<dyn PlayerStore>,
    hot: Arc<dyn HotState>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl Pages {
    /// Reads from `stores`.
    #[must_use]
    pub fn new(stores: &Stores) -> Self {
        Self { players: stores.players.clone(), hot: stores.hot.clone() }
    }

    /// Returns what a player is and did; someone without a match has a page too.
    ///
    /// # Errors
    /// [`StatsError`].
    pub async fn profile(
        &self,
        request: v1::ProfileRequest,
    ) -> Result<v1::PlayerProfile, StatsError> {
        let player = player(&request.player)?;
        let rated = self.rated(&[player]).await?;
        let totals = self.players.profile(player).await?;
        let totals = totals.map_or_else(Totals::default, |it| Totals::of(&it.document));
        Ok(v1::PlayerProfile {
            player: player.to_string(),
            display_name: self.name(player).await,
            rating: rated[0].value,
            uncertainty: rated[0].deviation,
            matches: totals.matches,
            wins: totals.wins,
            kills: totals.kills,
            deaths: totals.deaths,
        })
    }

    /// Returns the players' ratings in the order asked; one without any has the first rating.
    ///
    /// # Errors
    /// [`StatsError`].
    pub async fn ratings(&self, request: v1::RatingsRequest) -> Result<v1::RatingList, StatsError> {
        if request.players.len() > RATINGS_MAX {
            let found = request.players.len().to_string();
            let (field, rule) = ("players", "at most 1000 ids");
            return Err(StatsError::Invalid { field, rule, found });
        }
        let players: Vec<PlayerId> =
            request.players.iter().map(|it| player(it)).collect::<Result<_, _>>()?;
        let rated = self.rated(&players).await?;
        let ratings = players.iter().zip(rated).map(|(player, it)| v1::Rating {
            player: player.to_string(),
            rating: it.value,
            uncertainty: it.deviation,
        });
        Ok(v1::RatingList { ratings: ratings.collect() })
    }

    /// Returns a player's matches, newest first.
    ///
    /// # Errors
    /// [`StatsError`].
    pub async fn history(
        &self,
        request: v1::HistoryRequest,
    ) -> Result<v1::HistoryReply, StatsError> {
        let player = player(&request.player)?;
        let found = self.players.history(player, None, page(request.limit)).await?;
        let change = |it: &MatchResult| {
            let own = it.players.iter().find(|it| it.player == player);
            own.map_or(0.0, |it| it.rating_change)
        };
        let rating_changes = found.iter().map(change).collect();
        let matches = found.into_iter().map(to_wire).collect();
        Ok(v1::HistoryReply { matches, rating_changes })
    }

    /// Returns the best of a mode, or the lines around one player.
    ///
    /// # Errors
    /// [`StatsError`].
    pub async fn leaderboard(
        &self,
        request: v1::LeaderboardRequest,
    ) -> Result<v1::LeaderboardReply, StatsError> {
        let (board, count) = (board_of(MODE), page(request.limit));
        let entries = if request.around.is_empty() {
            self.hot.board_range(&board, 0, count).await?
        } else {
            let around = player(&request.around)?.to_string();
            self.hot.board_around(&board, &around, count / 2).await?
        };
        let known: Vec<(BoardEntry, PlayerId)> = entries
            .into_iter()
            .filter_map(|it| it.member.parse().ok().map(|id| (it, id)))
            .collect();
        let ids: Vec<PlayerId> = known.iter().map(|(_, id)| *id).collect();
        let rated = self.rated(&ids).await?;
        let names = join_all(ids.iter().map(|id| self.name(*id))).await;
        let rows = known.into_iter().zip(rated).zip(names).map(|(((entry, _), rated), name)| {
            v1::LeaderboardRow {
                rank: u32::try_from(entry.rank + 1).unwrap_or(u32::MAX),
                player: entry.member,
                display_name: name,
                rating: rated.value,
            }
        });
        Ok(v1::LeaderboardReply { rows: rows.collect() })
    }

    async fn rated(&self, players: &[PlayerId]) -> Result<Vec<Rated>, StatsError> {
        let key = |player: &PlayerId| RatingKey { player: *player, mode: MODE.to_owned() };
        let keys: Vec<RatingKey> = players.iter().map(key).collect();
        let found = self.players.ratings(&keys).await?;
        Ok(found.iter().map(|it| it.as_ref().map_or(START, Rated::from)).collect())
    }

    /// Returns a player's name, or the id of one whose account cannot be read: a page without a
    /// name is better than none.
    async fn name(&self, player: PlayerId) -> String {
        match self.players.account(player).await {
            Ok(Some(account)) => account.name,
            _ => player.to_string(),
        }
    }
}

fn player(text: &str) -> Result<PlayerId, StatsError> {
    text.parse().map_err(|_| StatsError::Invalid {
        field: "player",
        rule: "a player id",
        found: text.chars().take(64).collect(),
    })
}

fn page(limit: u32) -> usize {
    (if limit == 0 { PAGE } else { limit.min(PAGE_MAX) }) as usize
}
