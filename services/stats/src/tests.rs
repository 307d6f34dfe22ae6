//! The service's work on the real embedded stores.

use arena_store::{Account, Credential, CredentialKey, Recorded, Stores};
use arena_store_embedded::{Embedded, Options};
use arena_types::{MatchId, PlayerId};
use arena_wire::stats::v1;
use futures::future::join_all;

use crate::{Pages, Recorder, StatsError};

const ANN: u64 = 1;
const BOB: u64 = 2;

struct Fixture {
    stores: Stores,
    recorder: Recorder,
    pages: Pages,
    embedded: Option<Embedded>,
    folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let embedded = Embedded::open(folder.path(), Options::default()).await.unwrap();
        let stores = embedded.stores();
        for (id, name) in [(ANN, "Ann"), (BOB, "Bob")] {
            let id = PlayerId::from_u64(id);
            let account = Account { id, name: name.to_owned(), created_ms: 1 };
            let key = CredentialKey::Device([id.as_u64() as u8; 32]);
            let credential = Credential { key, player: id, secret: None };
            stores.players.create_account(account, credential).await.unwrap();
        }
        let recorder = Recorder::new(&stores, "local".parse().unwrap());
        let pages = Pages::new(&stores);
        Self { stores, recorder, pages, embedded: Some(embedded), folder }
    }

    /// Closes and opens the stores: what is left is what was durable.
    async fn restart(mut self) -> Self {
        drop((self.stores, self.recorder, self.pages));
        if let Some(embedded) = self.embedded.take() {
            embedded.close().await;
        }
        let embedded = Embedded::open(self.folder.path(), Options::default()).await.unwrap();
        let stores = embedded.stores();
        let recorder = Recorder::new(&stores, "local".parse().unwrap());
        let pages = Pages::new(&stores);
        Self { stores, recorder, pages, embedded: Some(embedded), folder: self.folder }
    }

    async fn profile(&self, player: u64) -> v1::PlayerProfile {
        let player = PlayerId::from_u64(player).to_string();
        let request = v1::ProfileRequest { player };
        self.pages.profile(request).await.unwrap()
    }
}

fn standing(player: u64, rank: u32, kills: u32) -> v1::Standing {
    v1::Standing {
        player: PlayerId::from_u64(player).to_string(),
        display_name: "?".to_owned(),
        rank,
        kills,
        deaths: 3,
        ..v1::Standing::default()
    }
}

/// Returns match `number`, which Ann won against Bob and a bot.
fn result(number: u64) -> v1::MatchResult {
    let bot = v1::Standing { rank: 3, ..v1::Standing::default() };
    v1::MatchResult {
        r#match: MatchId::from_u64(number).to_string(),
        release: "r1".to_owned(),
        mode: "arena".to_owned(),
        rules_version: 1,
        started_ms: number * 1_000,
        ended_ms: number * 1_000 + 500,
        standings: vec![standing(ANN, 1, 9), standing(BOB, 2, 4), bot],
        ..v1::MatchResult::default()
    }
}

#[tokio::test]
async fn a_result_counts_once_however_often_it_comes() {
    let fixture = Fixture::new().await;
    let first = result(1);
    let sends = join_all((0..6).map(|_| fixture.recorder.record(&first))).await;
    let new = sends.iter().filter(|it| matches!(it, Ok(Recorded::New))).count();
    assert_eq!((new, sends.len()), (1, 6), "{sends:?}");
    assert!(sends.iter().all(Result::is_ok), "{sends:?}");

    let mut changed = result(1);
    changed.standings[0].kills = 99;
    assert_eq!(fixture.recorder.record(&changed).await.unwrap(), Recorded::Before);

    let fixture = fixture.restart().await;
    assert_eq!(fixture.recorder.record(&first).await.unwrap(), Recorded::Before);
    let (ann, bob) = (fixture.profile(ANN).await, fixture.profile(BOB).await);
    assert_eq!((ann.matches, ann.wins, ann.kills, ann.deaths), (1, 1, 9, 3));
    assert_eq!((bob.matches, bob.wins, bob.kills, bob.deaths), (1, 0, 4, 3));
    assert!(ann.rating > 1_500.0 && bob.rating < 1_500.0, "{ann:?} {bob:?}");
    assert!((ann.rating - 1_500.0 - (1_500.0 - bob.rating)).abs() < 1e-6, "equals move alike");
}

#[tokio::test]
async fn matches_that_end_together_are_all_rated() {
    let fixture = Fixture::new().await;
    let results: Vec<_> = (1..=5).map(result).collect();
    let sends = join_all(results.iter().map(|it| fixture.recorder.record(it))).await;
    assert!(sends.iter().all(|it| matches!(it, Ok(Recorded::New))), "{sends:?}");
    assert_eq!(fixture.profile(ANN).await.wins, 5);
    let request = v1::RatingsRequest {
        players: [ANN, BOB, 77].map(|it| PlayerId::from_u64(it).to_string()).into(),
    };
    let ratings = fixture.pages.ratings(request).await.unwrap().ratings;
    assert!(ratings[0].rating > ratings[2].rating && ratings[2].rating > ratings[1].rating);
    assert_eq!((ratings[2].rating, ratings[2].uncertainty), (1_500.0, 500.0));
    assert!(ratings[0].uncertainty < 500.0);
}

#[tokio::test]
async fn history_and_leaderboard_show_what_was_recorded() {
    let fixture = Fixture::new().await;
    for number in 1..=3 {
        fixture.recorder.record(&result(number)).await.unwrap();
    }
    let player = PlayerId::from_u64(BOB).to_string();
    let request = v1::HistoryRequest { player: player.clone(), limit: 2 };
    let history = fixture.pages.history(request).await.unwrap();
    let ids: Vec<_> = history.matches.iter().map(|it| it.r#match.clone()).collect();
    assert_eq!(ids, [3, 2].map(|it| MatchId::from_u64(it).to_string()));
    assert!(history.rating_changes.iter().all(|it| *it < 0.0), "{:?}", history.rating_changes);

    let request = v1::LeaderboardRequest::default();
    let rows = fixture.pages.leaderboard(request).await.unwrap().rows;
    let seen: Vec<_> = rows.iter().map(|it| (it.rank, it.display_name.as_str())).collect();
    assert_eq!(seen, [(1, "Ann"), (2, "Bob")]);
    let request = v1::LeaderboardRequest { around: player, ..v1::LeaderboardRequest::default() };
    assert_eq!(fixture.pages.leaderboard(request).await.unwrap().rows, rows);
}

#[tokio::test]
async fn a_person_among_bots_plays_unrated_but_counted() {
    let fixture = Fixture::new().await;
    let mut alone = result(1);
    alone.standings.remove(1);
    assert_eq!(fixture.recorder.record(&alone).await.unwrap(), Recorded::New);
    let ann = fixture.profile(ANN).await;
    assert_eq!((ann.rating, ann.matches, ann.kills), (1_500.0, 1, 9));
    let unreadable = v1::MatchResult { r#match: "?".to_owned(), ..result(2) };
    let refused = fixture.recorder.record(&unreadable).await;
    assert!(matches!(refused, Err(StatsError::Invalid { field: "match", .. })), "{refused:?}");
}
