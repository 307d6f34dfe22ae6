//! Match results, ratings and history.

use arena_types::{MatchId, PlayerId, ReleaseId};
use futures::future::join_all;

use super::players::account;
use crate::{
    HistoryCursor, MatchResult, PlayerResult, PlayerStore, RatingKey, RatingUpdate, Recorded,
    StoreError,
};

fn result(number: u64, players: &[PlayerId]) -> MatchResult {
    let line = |(index, player): (usize, &PlayerId)| PlayerResult {
        player: *player,
        name: format!("n{index}"),
        placement: index as u32 + 1,
        score: -(index as i64),
        kills: 3,
        deaths: 4,
        rating_change: 1.5,
    };
    MatchResult {
        id: MatchId::from_u64(number),
        mode: "arena".to_owned(),
        region: "local".parse().unwrap(),
        release: ReleaseId(2),
        rules_version: 1,
        seed: u64::MAX - number,
        started_ms: 1_000 * number,
        ended_ms: 1_000 * number + 500,
        bots: 14,
        players: players.iter().enumerate().map(line).collect(),
        replay: number.is_multiple_of(2).then(|| format!("replays/{number}")),
    }
}

fn update(player: PlayerId, expected: u64, value: f64) -> RatingUpdate {
    let key = RatingKey { player, mode: "arena".to_owned() };
    RatingUpdate { key, expected, value, deviation: 350.0, volatility: 0.06 }
}

async fn rating(players: &dyn PlayerStore, player: PlayerId) -> Option<(f64, u64, u32)> {
    let key = RatingKey { player, mode: "arena".to_owned() };
    let found = players.ratings(&[key]).await.unwrap()[0];
    found.map(|it| (it.value, it.version, it.matches))
}

pub async fn a_result_is_recorded_once(players: &dyn PlayerStore) {
    let (ann, bob) = (account(players, 1).await, account(players, 2).await);
    let written = result(7, &[ann, bob]);
    assert_eq!(players.match_result(written.id).await, Ok(None));
    assert_eq!(players.record_result(written.clone(), vec![]).await, Ok(Recorded::New));
    let other = MatchResult { bots: 0, ..written.clone() };
    let updates = vec![update(ann, 0, 1.0)];
    assert_eq!(players.record_result(other, updates).await, Ok(Recorded::Before));
    assert_eq!(players.match_result(written.id).await, Ok(Some(written)));
    assert_eq!(rating(players, ann).await, None);
}

pub async fn ratings_change_with_their_result_or_not_at_all(players: &dyn PlayerStore) {
    let (ann, bob) = (account(players, 1).await, account(players, 2).await);
    let updates = vec![update(ann, 0, 1510.0), update(bob, 0, 1490.25)];
    players.record_result(result(1, &[ann, bob]), updates).await.unwrap();
    assert_eq!(rating(players, ann).await, Some((1510.0, 1, 1)));
    assert_eq!(rating(players, bob).await, Some((1490.25, 1, 1)));
    let keys: Vec<_> = [bob, PlayerId::from_u64(5), ann]
        .map(|player| RatingKey { player, mode: "arena".to_owned() })
        .into();
    let found = players.ratings(&keys).await.unwrap();
    let values: Vec<_> = found.iter().map(|it| it.map(|it| it.value)).collect();
    assert_eq!(values, [Some(1490.25), None, Some(1510.0)]);
    assert_eq!(found[0].unwrap().updated_ms, 1_500, "when the match ended");
    players.record_result(result(2, &[ann]), vec![update(ann, 1, 1520.0)]).await.unwrap();
    assert_eq!(rating(players, ann).await, Some((1520.0, 2, 2)));
}

pub async fn a_rating_computed_from_an_old_version_is_refused(players: &dyn PlayerStore) {
    let (ann, bob) = (account(players, 1).await, account(players, 2).await);
    players.record_result(result(1, &[bob]), vec![update(bob, 0, 1.0)]).await.unwrap();
    let updates = vec![update(ann, 0, 2.0), update(bob, 0, 2.0)];
    let outcome = players.record_result(result(2, &[ann, bob]), updates).await;
    assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
    assert_eq!(players.match_result(MatchId::from_u64(2)).await, Ok(None));
    assert_eq!(rating(players, ann).await, None, "all or nothing");
    assert_eq!(players.history(ann, None, 10).await, Ok(vec![]));
}

pub async fn a_result_sent_by_many_at_once_counts_once(players: &dyn PlayerStore) {
    let ann = account(players, 1).await;
    let sends = (0..8).map(|_| players.record_result(result(1, &[ann]), vec![update(ann, 0, 9.0)]));
    let outcomes: Vec<_> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|it| **it == Recorded::New).count(), 1, "{outcomes:?}");
    assert_eq!(rating(players, ann).await, Some((9.0, 1, 1)));
}

pub async fn history_is_newest_first_and_pages(players: &dyn PlayerStore) {
    let (ann, bob) = (account(players, 1).await, account(players, 2).await);
    for number in 1..=5 {
        let who = if number == 3 { vec![bob] } else { vec![ann, bob] };
        players.record_result(result(number, &who), vec![]).await.unwrap();
    }
    let page = async |before: Option<HistoryCursor>| -> Vec<u64> {
        let page = players.history(ann, before, 2).await.unwrap();
        page.iter().map(|it| it.id.as_u64()).collect()
    };
    assert_eq!(page(None).await, [5, 4]);
    let cursor = HistoryCursor { ended_ms: 4_500, id: MatchId::from_u64(4) };
    assert_eq!(page(Some(cursor)).await, [2, 1]);
    let end = HistoryCursor { ended_ms: 1_500, id: MatchId::from_u64(1) };
    assert_eq!(page(Some(end)).await, [0_u64; 0]);
    assert_eq!(players.history(bob, None, 10).await.unwrap()[2], result(3, &[bob]));
    let outcome = players.history(ann, None, 201).await;
    assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{outcome:?}");
}
