//! Match results and ratings.

use arena_store::{
    HistoryCursor, MatchResult, PlayerResult, Rating, RatingKey, RatingUpdate, StoreError,
};
use arena_types::{MatchId, PlayerId, ReleaseId};
use arena_wire::store::v1 as pb;

use super::{Wire, all, messages, required};

impl Wire for RatingKey {
    type Message = pb::RatingKey;

    fn into_wire(self) -> pb::RatingKey {
        pb::RatingKey { player: self.player.as_u64(), mode: self.mode }
    }

    fn from_wire(message: pb::RatingKey) -> Result<Self, StoreError> {
        Ok(Self { player: PlayerId::from_u64(message.player), mode: message.mode })
    }
}

/// A rating that may not be there: version 0 says that it is not.
impl Wire for Option<Rating> {
    type Message = pb::Rating;

    fn into_wire(self) -> pb::Rating {
        self.map_or_else(pb::Rating::default, |it| pb::Rating {
            value: it.value,
            deviation: it.deviation,
            volatility: it.volatility,
            matches: it.matches,
            updated_ms: it.updated_ms,
            version: it.version,
        })
    }

    fn from_wire(message: pb::Rating) -> Result<Self, StoreError> {
        let rating = Rating {
            value: message.value,
            deviation: message.deviation,
            volatility: message.volatility,
            matches: message.matches,
            updated_ms: message.updated_ms,
            version: message.version,
        };
        Ok((rating.version > 0).then_some(rating))
    }
}

impl Wire for RatingUpdate {
    type Message = pb::RatingUpdate;

    fn into_wire(self) -> pb::RatingUpdate {
        let Self { expected, value, deviation, volatility, .. } = self;
        let key = Some(self.key.into_wire());
        pb::RatingUpdate { key, expected, value, deviation, volatility }
    }

    fn from_wire(message: pb::RatingUpdate) -> Result<Self, StoreError> {
        let pb::RatingUpdate { key, expected, value, deviation, volatility } = message;
        let key = RatingKey::from_wire(required(key, "key")?)?;
        if ![value, deviation, volatility].iter().all(|it| it.is_finite()) {
            return Err(StoreError::invalid("rating", "it is not a finite number"));
        }
        Ok(Self { key, expected, value, deviation, volatility })
    }
}

impl Wire for PlayerResult {
    type Message = pb::PlayerResult;

    fn into_wire(self) -> pb::PlayerResult {
        pb::PlayerResult {
            player: self.player.as_u64(),
            name: self.name,
            placement: self.placement,
            score: self.score,
            kills: self.kills,
            deaths: self.deaths,
            rating_change: self.rating_change,
        }
    }

    fn from_wire(message: pb::PlayerResult) -> Result<Self, StoreError> {
        Ok(Self {
            player: PlayerId::from_u64(message.player),
            name: message.name,
            placement: message.placement,
            score: message.score,
            kills: message.kills,
            deaths: message.deaths,
            rating_change: message.rating_change,
        })
    }
}

impl Wire for MatchResult {
    type Message = pb::MatchResult;

    fn into_wire(self) -> pb::MatchResult {
        pb::MatchResult {
            id: self.id.as_u64(),
            mode: self.mode,
            region: self.region.into(),
            release: self.release.0,
            rules_version: self.rules_version,
            seed: self.seed,
            started_ms: self.started_ms,
            ended_ms: self.ended_ms,
            bots: self.bots,
            players: messages(self.players),
            replay: self.replay,
        }
    }

    fn from_wire(message: pb::MatchResult) -> Result<Self, StoreError> {
        let region = message.region.parse();
        Ok(Self {
            id: MatchId::from_u64(message.id),
            mode: message.mode,
            region: region.map_err(|_| StoreError::invalid("region", "it is not a name"))?,
            release: ReleaseId(message.release),
            rules_version: message.rules_version,
            seed: message.seed,
            started_ms: message.started_ms,
            ended_ms: message.ended_ms,
            bots: message.bots,
            players: all(message.players)?,
            replay: message.replay,
        })
    }
}

impl Wire for HistoryCursor {
    type Message = pb::HistoryCursor;

    fn into_wire(self) -> pb::HistoryCursor {
        pb::HistoryCursor { ended_ms: self.ended_ms, id: self.id.as_u64() }
    }

    fn from_wire(message: pb::HistoryCursor) -> Result<Self, StoreError> {
        Ok(Self { ended_ms: message.ended_ms, id: MatchId::from_u64(message.id) })
    }
}
