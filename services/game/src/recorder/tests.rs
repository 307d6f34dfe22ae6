use std::time::{Duration, SystemTime};

use arena_replay::arena::ArenaMatch;
use arena_replay::{Problem, Reader, testing};
use arena_sim::Rules;
use arena_store_embedded::{Embedded, Options};
use arena_types::{Epoch, MatchId};

use super::*;
use crate::logic::tape::{Stand, Tapes};
use arena_store::PutMode;

/// Far longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const RULES: &str = r#"{"version": 1, "match": {"time_limit_ticks": 900}}"#;

/// A data folder, and the real object store of one machine.
struct World {
    folder: tempfile::TempDir,
    stores: Embedded,
    figures: Figures,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let stores = Embedded::open(&path, Options::default()).await.unwrap();
        let figures = Figures::new(&arena_telemetry::Metrics::new());
        Self { folder, stores, figures }
    }

    fn recorder(&self, recording: Recording) -> Recorder {
        Recorder::open(RecorderParts {
            data_dir: self.folder.path().to_owned(),
            objects: self.stores.stores().objects,
            recording,
            check: (arena_games::standard(), 100),
            figures: self.figures.clone(),
        })
        .unwrap()
    }

    async fn stored(&self, id: ReplayId) -> Vec<u8> {
        let objects = self.stores.stores().objects;
        objects.get(&id.object_path()).await.unwrap().value.to_vec()
    }

    fn on_disk(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path().join(FOLDER)).unwrap();
        let mut names: Vec<String> =
            names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn all() -> Recording {
    let retention = Retention { age_max: Duration::from_hours(24), bytes_max: 1 << 30 };
    Recording { disk_bytes_max: 1 << 30, retention }
}

fn id(number: u64) -> ReplayId {
    ReplayId { match_id: MatchId::from_u64(number), epoch: Epoch(1) }
}

async fn until_stored(recorder: &Recorder) {
    let mut waiting = recorder.waiting.clone();
    let done = waiting.wait_for(|_| recorder.waiting() == 0);
    tokio::time::timeout(PATIENCE, done).await.unwrap().unwrap();
}

/// A match of bots from its first tick to its end, as it goes to the disk.
fn taped(id: ReplayId, seed: u32) -> Vec<Taped> {
    struct Now<'a>(&'a testing::Game);
    impl Stand for Now<'_> {
        fn hash(&self) -> u64 {
            arena_replay::Simulation::hash(self.0).unwrap()
        }
        fn state(&self) -> Vec<u8> {
            arena_replay::Simulation::state(self.0).unwrap()
        }
    }
    let rules = Rules::parse(RULES).unwrap();
    let header = arena_replay::Header {
        match_id: id.match_id.to_string(),
        epoch: id.epoch.0.into(),
        ..arena_replay::arena::header(&rules, seed)
    };
    let mut game = ArenaMatch::on_cpu();
    arena_replay::Simulation::start(&mut game, &header).unwrap();
    let mut tapes = Tapes::on(arena_sim::SCHEMA).unwrap();
    tapes.begin(id.match_id, || header, &Now(&game));
    let mut inputs = arena_sim::SeatInputs::default();
    for tick in 0..900 {
        testing::by_bots(&game, tick, &mut inputs);
        arena_replay::Simulation::advance(&mut game, &[inputs]).unwrap();
        tapes.stepped(id.match_id, &inputs, &Now(&game));
    }
    let outcome = arena_replay::arena::outcome(&game.world().unwrap());
    assert_eq!(outcome.reason, "time");
    tapes.finish(id.match_id, outcome, arena_replay::Simulation::hash(&game).unwrap());
    let (taped, failed) = tapes.take();
    assert_eq!(failed, 0);
    taped
}

fn problems(replay: &[u8]) -> Vec<Problem> {
    let reader = Reader::open(std::io::Cursor::new(replay)).unwrap();
    let found = arena_replay::verify(reader, ArenaMatch::on_cpu(), |_| ()).unwrap();
    found.problems.list().to_vec()
}

#[tokio::test]
async fn a_match_that_ends_is_stored_whole_and_leaves_the_disk() {
    let world = World::new().await;
    let recorder = world.recorder(all());
    let whole = taped(id(1), 5);
    recorder.offer(whole[..4].to_vec());
    let read = async {
        loop {
            let read = recorder
                .newest(id(1).match_id)
                .filter(|it| it.1.len() as u64 == len_of(&whole[..4]));
            match read {
                Some(read) => return read,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let (of, growing) = tokio::time::timeout(PATIENCE, read).await.unwrap();
    assert_eq!(of, id(1));
    assert_eq!(recorder.waiting(), 0, "a match that runs is not waited for");
    recorder.offer(whole[4..].to_vec());
    until_stored(&recorder).await;
    let stored = world.stored(id(1)).await;
    assert_eq!(problems(&stored), []);
    assert_eq!(world.on_disk(), Vec::<String>::new());
    assert!(stored.starts_with(&growing));
    assert_eq!(recorder.newest(id(1).match_id), None);
}

fn len_of(taped: &[Taped]) -> u64 {
    let len = |it: &Taped| match it {
        Taped::Bytes { block, .. } => block.bytes.len() as u64,
        Taped::End { .. } => 0,
    };
    taped.iter().map(len).sum()
}

#[tokio::test]
async fn a_lost_part_ends_its_replay_and_no_other() {
    let world = World::new().await;
    let recorder = world.recorder(all());
    let mut torn = taped(id(1), 5);
    torn.remove(13);
    recorder.offer(torn);
    recorder.offer(taped(id(2), 6));
    until_stored(&recorder).await;
    let problems_of_torn = problems(&world.stored(id(1)).await);
    assert!(
        matches!(problems_of_torn.as_slice(), [Problem::Unfinished(_)]),
        "{problems_of_torn:?}"
    );
    assert_eq!(problems(&world.stored(id(2)).await), []);
    assert_eq!(world.figures.replays_torn.get(), 1);
}

#[tokio::test]
async fn what_a_killed_process_left_is_stored_by_the_next() {
    let world = World::new().await;
    let folder = world.folder.path().join(FOLDER);
    std::fs::create_dir_all(&folder).unwrap();
    let bytes: Vec<u8> = taped(id(3), 5)
        .iter()
        .take(14)
        .flat_map(|it| match it {
            Taped::Bytes { block, .. } => block.bytes.clone(),
            Taped::End { .. } => Vec::new(),
        })
        .collect();
    std::fs::write(folder.join("0000000000003-1.rpl.part"), &bytes[..bytes.len() - 3]).unwrap();
    std::fs::write(folder.join("notes.txt"), "not ours").unwrap();
    let recorder = world.recorder(all());
    let mut waiting = recorder.waiting.clone();
    let stored = waiting.wait_for(|_| world.on_disk() == ["notes.txt"]);
    tokio::time::timeout(PATIENCE, stored).await.unwrap().unwrap();
    let found = problems(&world.stored(id(3)).await);
    assert!(matches!(found.as_slice(), [Problem::Unfinished(_)]), "{found:?}");
}

#[tokio::test]
async fn replays_wait_on_disk_while_the_store_is_away_and_are_bounded() {
    let world = World::new().await;
    let objects = world.folder.path().join("store/objects");
    let aside = world.folder.path().join("aside");
    std::fs::rename(&objects, &aside).unwrap();
    std::fs::write(&objects, "in the way").unwrap();
    let recorder = world.recorder(Recording { disk_bytes_max: 1, ..all() });
    recorder.offer(taped(id(1), 5));
    let on_disk = async {
        while world.on_disk() != ["0000000000001-1.rpl"] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, on_disk).await.unwrap();
    assert_eq!(recorder.waiting(), 1);
    recorder.offer(taped(id(2), 6));
    let refused = async {
        while world.figures.replays_lost.get() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    std::fs::remove_file(&objects).unwrap();
    std::fs::rename(&aside, &objects).unwrap();
    until_stored(&recorder).await;
    assert_eq!(problems(&world.stored(id(1)).await), []);
    let listed = world.stores.stores().objects.list(ReplayId::FOLDER).await.unwrap();
    assert_eq!(listed.len(), 1, "the other match was not recorded");
}

#[tokio::test]
async fn old_replays_are_removed() {
    let world = World::new().await;
    let objects = world.stores.stores().objects;
    for number in 1..=3 {
        objects.put(&id(number).object_path(), "replay".into(), PutMode::Overwrite).await.unwrap();
    }
    let old = world.folder.path().join("store/objects").join(id(2).object_path());
    let day_before = SystemTime::now() - Duration::from_hours(25);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(day_before).unwrap();
    let _recorder = world.recorder(all());
    let swept = async {
        while world.figures.replays_expired.get() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, swept).await.unwrap();
    let left = objects.list(ReplayId::FOLDER).await.unwrap();
    let left: Vec<&str> = left.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(left, [id(1).object_path(), id(3).object_path()]);
}
