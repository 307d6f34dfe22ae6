use arena_replay::arena::{self, ArenaMatch};
use arena_replay::{
    Encoder, GameMatch, Header, Outcome, Playback, Reader, Settings, Simulation as _, Writer, cut,
};
use arena_sim::{Input, Rules, SeatInputs, buttons};
use arena_types::{Epoch, Tick};
use arena_wire::play::{Controls, FrameHead, View};
use tempfile::TempDir;

use super::*;
use crate::course::Course;
use crate::diary::Diary;
use crate::policy;

const TICKS: u32 = 700;
const SEAT: u8 = 3;
const ID: u64 = 77;

fn input(tick: u32) -> arena_wire::play::Input {
    let controls = Controls { move_x: 88, move_y: -88, aim: 20, buttons: Controls::FIRE };
    let controls = policy::marked(controls, tick);
    arena_wire::play::Input {
        seq: tick,
        tick: Tick(tick),
        controls,
        ack_tick: Tick(0),
        ack_event: 0,
    }
}

/// A match of one player, who sends an input for each tick and sees every second one; `played` says which input
/// a tick is played with.
fn recorded(played: impl Fn(u32) -> u32) -> (Vec<u8>, Seen) {
    recorded_to("moved", played)
}

fn recorded_to(reason: &str, played: impl Fn(u32) -> u32) -> (Vec<u8>, Seen) {
    let header = arena::header(&Rules::standard(), 9);
    let (mut game, mut encoder) = (ArenaMatch::on_cpu(), Encoder::new().unwrap());
    game.start(&header).unwrap();
    let mut writer = Writer::new(&header, Settings::default()).unwrap();
    let mut file = Vec::new();
    let (mut diary, mut course) = (Diary::new(SEAT, 0), Course::new(2, 60));
    for tick in 1..=TICKS {
        let mut inputs = SeatInputs::default();
        let Controls { move_x, move_y, aim, buttons } = input(played(tick)).controls;
        let press = if tick == 1 { buttons::JOIN } else { 0 };
        inputs[usize::from(SEAT)] = Input { move_x, move_y, aim, buttons: buttons | press };
        writer.inputs(tick - 1, &inputs, &mut encoder).unwrap();
        game.advance(&[inputs]).unwrap();
        if writer.is_hash_due() {
            writer.hash(game.hash().unwrap(), &mut encoder).unwrap();
        }
        if writer.is_keyframe_due() {
            writer.keyframe(&game.state().unwrap(), &mut encoder).unwrap();
        }
        file.extend(writer.take().into_iter().flat_map(|it| it.bytes));
        diary.sent(&input(tick));
        if tick % 2 == 0 {
            let view = view(&game, tick);
            diary.frame(&head(tick), &view);
            course.shown(tick, Epoch(1), u64::from(tick) * 16);
        }
    }
    let outcome = Outcome::of(&game, reason, 0).unwrap();
    file.extend(writer.finish(outcome, game.hash().unwrap(), &mut encoder).unwrap().bytes);
    (file, Seen { course, diaries: vec![diary] })
}

fn head(tick: u32) -> FrameHead {
    FrameHead {
        tick: Tick(tick),
        baseline: None,
        input_seq: tick,
        lead: 2,
        finished: false,
        epoch: Epoch(1),
    }
}

fn view(game: &ArenaMatch<arena_sim::CpuBackend>, tick: u32) -> View {
    let sight = film::sight_of(&game.world().unwrap(), SEAT).unwrap();
    let mut view = View { tick, own: sight.own, ..View::default() };
    view.players[usize::from(SEAT)] = sight.player;
    view
}

fn part(file: &[u8], from: u32, to: u32) -> Vec<u8> {
    let reader = Reader::open(std::io::Cursor::new(file)).unwrap();
    let mut playback = Playback::new(reader, ArenaMatch::on_cpu()).unwrap();
    let mut part = Vec::new();
    cut(&mut playback, (Some(from), Some(to)), &mut part).unwrap();
    part
}

fn check_files(files: &[(u32, Vec<u8>)], seen: &Seen) -> ReplayReport {
    let folder = TempDir::new().unwrap();
    let id = MatchId::from_u64(ID);
    fs::create_dir(folder.path().join(id.to_string())).unwrap();
    for (epoch, bytes) in files {
        fs::write(folder.path().join(format!("{id}/{epoch}.rpl")), bytes).unwrap();
    }
    let mut report = ReplayReport { matches: 1, ..ReplayReport::default() };
    check_match(folder.path(), (id, seen), &mut report);
    report
}

#[test]
fn a_match_that_went_as_it_was_seen_is_true() {
    let (file, seen) = recorded(|tick| tick);
    let report = check_files(&[(1, file)], &seen);
    assert_eq!(report.examples, [""; 0]);
    assert_eq!((report.replays_verified, report.inputs_played), (1, u64::from(TICKS)));
    let others = [report.replay_mismatches, report.replay_gaps, report.replays_unfinished];
    assert_eq!(others, [0; 3], "{report:?}");
    assert_eq!((report.inputs_lost, report.inputs_merged, report.inputs_open), (0, 0, 0));
    assert!(report.frames_compared > 40, "{report:?}");
}

#[test]
fn the_replays_of_two_owners_join_where_one_ends_and_the_other_begins() {
    let (file, seen) = recorded(|tick| tick);
    let files = [(1, part(&file, 0, 333)), (10, part(&file, 333, TICKS))];
    let report = check_files(&files, &seen);
    assert_eq!(
        (report.replays_verified, report.inputs_played),
        (2, u64::from(TICKS)),
        "{report:?}"
    );
    assert_eq!((report.replay_gaps, report.replay_mismatches), (0, 0), "{report:?}");
}

#[test]
fn whatever_does_not_join_is_a_gap() {
    type Case<'a> = (&'a str, Vec<(u32, Vec<u8>)>, u64);
    let (file, seen) = recorded(|tick| tick);
    // The same rules and seats, another course.
    let (other, _) = recorded(|tick| tick / 9 * 9);
    let cases: [Case<'_>; 6] = [
        ("no replay", vec![], 1),
        ("the start is missing", vec![(2, part(&file, 333, TICKS))], 1),
        ("ticks are missing", vec![(1, part(&file, 0, 300)), (2, part(&file, 333, TICKS))], 1),
        ("the end is missing", vec![(1, part(&file, 0, 333))], 1),
        ("another state", vec![(1, part(&other, 0, 333)), (2, part(&file, 333, TICKS))], 1),
        ("ticks that both have", vec![(1, part(&file, 0, 400)), (2, part(&file, 333, TICKS))], 0),
    ];
    for (name, files, gaps) in cases {
        let report = check_files(&files, &seen);
        assert_eq!(report.replay_gaps, gaps, "{name}: {report:?}");
    }
}

#[test]
fn what_was_seen_and_is_not_so_is_a_mismatch() {
    let (file, mut seen) = recorded(|tick| tick);
    seen.diaries[0].sights[7].1.player.kills += 1;
    let report = check_files(&[(1, file.clone())], &seen);
    assert_eq!((report.replay_mismatches, report.replays_verified), (1, 1), "{report:?}");
    assert!(report.examples[0].contains("seat 3 saw at tick"), "{report:?}");

    let mut torn = file.clone();
    torn.truncate(file.len() - 40);
    let report = check_files(&[(1, torn)], &seen);
    assert_eq!((report.replays_unfinished, report.replay_gaps), (1, 1), "{report:?}");

    let is_readable = |end: &usize| Reader::open(std::io::Cursor::new(&file[..*end])).is_ok();
    let short = (0..file.len()).find(is_readable).unwrap();
    let report = check_files(&[(1, file[..short].to_vec())], &seen);
    assert_eq!((report.replays_unfinished, report.replays_verified), (1, 0), "{report:?}");
    assert_eq!(report.replay_mismatches, 0, "a film that broke off is no other course: {report:?}");

    let mut damaged = file;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let report = check_files(&[(1, damaged)], &seen);
    assert!(report.replay_mismatches > 0 && report.replays_verified == 0, "{report:?}");
}

#[test]
fn an_owner_is_compared_with_what_it_showed_itself() {
    let (file, mut seen) = recorded(|tick| tick);
    let (other, _) = recorded(|tick| tick / 9 * 9);
    let files = [(1, part(&file, 0, 333)), (2, part(&other, 333, TICKS))];
    let report = check_files(&files, &seen);
    assert_eq!(report.replay_mismatches, 0, "the next owner did not show it: {report:?}");
    assert_eq!(report.replay_gaps, 1, "it goes on from another state: {report:?}");
    for (epoch, sight) in &mut seen.diaries[0].sights {
        *epoch += u32::from(sight.tick > 333);
    }
    let report = check_files(&files, &seen);
    assert!(report.replay_mismatches > 0, "{report:?}");
}

#[test]
fn a_match_that_ended_with_its_instance_was_cut() {
    let (file, seen) = recorded_to("drained", |tick| tick);
    assert_eq!(check_files(&[(1, file)], &seen).matches_cut, 1);
    let (file, seen) = recorded(|tick| tick);
    assert_eq!(check_files(&[(1, file)], &seen).matches_cut, 0);
}

#[test]
fn an_input_that_no_tick_was_played_with_gave_way_or_is_lost_and_is_dated() {
    let (file, mut seen) = recorded(|tick| if tick == 400 { 399 } else { tick });
    let report = check_files(&[(1, file.clone())], &seen);
    assert_eq!((report.inputs_lost, report.inputs_merged), (0, 1), "{report:?}");
    assert_eq!(report.merged_ms, [400 * 16]);
    seen.diaries[0].stretches[0].counted = 399;
    let report = check_files(&[(1, file)], &seen);
    assert_eq!((report.inputs_lost, report.inputs_played), (1, u64::from(TICKS) - 1), "{report:?}");
    assert_eq!(report.lost_ms, [400 * 16]);
}

/// A match of another game with one player, who sends an input for each tick, of which frames count the first hundred.
fn recorded_of(name: &str) -> (Vec<u8>, Seen) {
    let game = arena_games::find(name).unwrap();
    let header = Header { schema: game.schema(), ..Header::of(&game.standard_rules(), 9) };
    let (mut played, mut encoder) = (GameMatch::new(game), Encoder::new().unwrap());
    played.start(&header).unwrap();
    let mut writer = Writer::new(&header, Settings::default()).unwrap();
    let mut file = Vec::new();
    let (mut diary, mut course) = (Diary::new(SEAT, 0), Course::new(2, 60));
    for tick in 1..=TICKS {
        let mut inputs = SeatInputs::default();
        let press = if tick == 1 { buttons::JOIN } else { 0 };
        inputs[usize::from(SEAT)] = Input { buttons: press, ..Input::default() };
        writer.inputs(tick - 1, &inputs, &mut encoder).unwrap();
        played.advance(&[inputs]).unwrap();
        file.extend(writer.take().into_iter().flat_map(|it| it.bytes));
        diary.sent(&input(tick));
        course.shown(tick, Epoch(1), u64::from(tick) * 16);
    }
    diary.stretches[0].counted = 100;
    let outcome = Outcome::of(&played, "moved", 0).unwrap();
    file.extend(writer.finish(outcome, played.hash().unwrap(), &mut encoder).unwrap().bytes);
    (file, Seen { course, diaries: vec![diary] })
}

#[test]
fn a_replay_of_another_game_is_verified_and_its_inputs_are_left_to_it() {
    let (file, seen) = recorded_of("snakes");
    let report = check_files(&[(1, file.clone()), (2, file)], &seen);
    assert_eq!(report.examples, [""; 0]);
    assert_eq!((report.replays_verified, report.replay_gaps), (2, 0), "{report:?}");
    assert_eq!((report.inputs_played, report.inputs_lost), (0, 0), "{report:?}");
    assert!(!report.judges_inputs());
}

#[test]
fn a_stretch_of_lost_inputs_is_told_once() {
    let (file, mut seen) = recorded(|tick| if (300..340).contains(&tick) { 299 } else { tick });
    seen.diaries[0].stretches[0].counted = 299;
    let report = check_files(&[(1, file)], &seen);
    let all = report.examples.join("\n");
    assert_eq!(report.examples.len(), 1, "{all}");
    assert!(
        all.contains("seat 3: ") && all.contains(" inputs lost, for ticks 300 to 339"),
        "{all}"
    );
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let report = check(Path::new("/nowhere/replays"), &Judge::default());
    assert!(report.examples[0].contains("no folder `/nowhere/replays`"), "{report:?}");
}
