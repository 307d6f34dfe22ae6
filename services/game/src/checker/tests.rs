use arena_replay::testing::{self, Game, by_bots};
use arena_replay::{Encoder, Outcome, Settings, Simulation, Writer};
use arena_sim::{Rules, SeatInputs};
use arena_store_embedded::{Embedded, Options};
use arena_types::{Epoch, MatchId};

use super::*;

const ID: ReplayId = ReplayId { match_id: MatchId::from_u64(7), epoch: Epoch(1) };

/// Twelve seconds of bots. From tick `wrong_from` on the server simulates something else than it records:
/// one player shoots.
fn recorded(wrong_from: u32) -> Bytes {
    let rules = Rules::parse(r#"{"version": 1, "match": {"time_limit_ticks": 720}}"#).unwrap();
    let header = testing::header(&rules, 11);
    let mut game: Game = arena_replay::arena::ArenaMatch::on_cpu();
    game.start(&header).unwrap();
    let mut encoder = Encoder::new().unwrap();
    let mut writer = Writer::new(&header, Settings::default()).unwrap();
    let (mut file, mut inputs) = (Vec::new(), SeatInputs::default());
    for tick in 0..720 {
        by_bots(&game, tick, &mut inputs);
        writer.inputs(tick, &inputs, &mut encoder).unwrap();
        let mut played = inputs;
        if tick >= wrong_from {
            played[0].move_x = -127;
        }
        game.advance(&[played]).unwrap();
        if writer.is_hash_due() {
            writer.hash(game.hash().unwrap(), &mut encoder).unwrap();
        }
        if writer.is_keyframe_due() {
            writer.keyframe(&game.state().unwrap(), &mut encoder).unwrap();
        }
        file.extend(writer.take().map(|it| it.bytes).unwrap_or_default());
    }
    let outcome = Outcome::of(&game, "", 1).unwrap();
    file.extend(writer.finish(outcome, game.hash().unwrap(), &mut encoder).unwrap().bytes);
    file.into()
}

/// A checker, its folder and its store.
async fn checks(folder: &Path) -> (Checks, Embedded) {
    let stores = Embedded::open(&folder.join("store"), Options::default()).await.unwrap();
    let checks = Checks {
        game: arena_games::standard(),
        data_dir: folder.to_owned(),
        objects: stores.stores().objects,
        running: Box::new(|_| None),
        percent: 100,
        figures: Figures::new(&arena_telemetry::Metrics::new()),
    };
    (checks, stores)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_match_that_is_what_it_says_is_equal_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (checks, stores) = checks(folder.path()).await;
    let figures = checks.figures.clone();
    let (whole, runtime) = (recorded(u32::MAX), tokio::runtime::Handle::current());
    let running = whole.slice(..whole.len() * 9 / 10);
    let checking = move || {
        checks.check(ID, &whole, &runtime);
        checks.check(ID, &running, &runtime); // one that runs has no end yet
        checks.check(ID, &Bytes::from_static(b"nothing"), &runtime);
    };
    tokio::task::spawn_blocking(checking).await.unwrap();
    let counted = (figures.checks_equal.get(), figures.checks_differ.get());
    assert_eq!((counted, figures.checks_failed.get()), ((2, 0), 1));
    assert!(!folder.path().join(FOLDER).exists());
    assert!(stores.stores().objects.list(FOLDER).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_match_that_took_another_course_is_kept_with_both_states() {
    let folder = tempfile::tempdir().unwrap();
    let (checks, stores) = checks(folder.path()).await;
    let figures = checks.figures.clone();
    let (replay, runtime) = (recorded(330), tokio::runtime::Handle::current());
    let kept = replay.clone();
    tokio::task::spawn_blocking(move || checks.check(ID, &replay, &runtime)).await.unwrap();
    assert_eq!((figures.checks_differ.get(), figures.checks_equal.get()), (1, 0));
    let objects = stores.stores().objects;
    let folder_of = |name: &str| format!("{FOLDER}/{}/1/{name}", ID.match_id);
    let stored = async |name| objects.get(&folder_of(name)).await.unwrap().value;
    assert_eq!(stored("replay.rpl").await, kept);
    let (ours, theirs) = (stored("replayed.state").await, stored("recorded.state").await);
    assert_eq!(ours.len(), theirs.len());
    assert_ne!(ours, theirs);
    let report: serde_json::Value = serde_json::from_slice(&stored("report.json").await).unwrap();
    // The first hash after tick 330 is that of 360; the first recorded state that of 600.
    assert!(report["problems"][0].as_str().unwrap().contains("360"), "{report}");
    assert_eq!(report["states_of_tick"], 600);
    assert!(report["words"][0]["name"].is_string(), "{report}");
    let local = folder.path().join(folder_of("report.json"));
    assert_eq!(std::fs::read(local).unwrap(), stored("report.json").await);
}
