//! Replays of real matches, played again.
use std::io::Cursor;

use arena_sim::{CpuBackend, Path, Rules};
use expect_test::{Expect, expect};
use prost::Message as _;

use super::{open, told, verify};
use crate::arena::ArenaMatch;
use crate::frame::header_frame;
use crate::testing::{Game, by_bots, header, record, wildly};
use crate::{
    Content, Encoder, Header, Outcome, Playback, Reader, Settings, Simulation, Step, Writer, cut,
};

fn rules() -> Rules {
    Rules::parse(r#"{"version": 3, "match": {"frag_limit": 0, "time_limit_ticks": 1900}}"#).unwrap()
}

/// A match of half a minute between bots, to its end.
fn played() -> Vec<u8> {
    record(&header(&rules(), 11), u32::MAX, by_bots)
}

#[test]
fn a_played_match_verifies_on_every_path_of_the_processor() {
    let file = played();
    for path in [Path::BruteForce, Path::Portable, Path::Avx2] {
        let game = ArenaMatch::new(CpuBackend::with_path(path));
        let verification = crate::verify(open(&file), game, |_| ()).unwrap();
        assert_eq!(told(&verification), [""; 0]);
        assert_eq!(verification.proven_tick, Some(1_900));
        let compared = verification.compared;
        // 31 times 60 ticks, three times 600, and the end.
        assert_eq!((compared.ticks, compared.hashes, compared.keyframes), (1_900, 32, 3));
    }
    let reader = open(&file);
    let outcome = &reader.footer().unwrap().outcome;
    assert_eq!(outcome.reason, "time");
    assert_eq!(outcome.standings.len(), 16);
}

#[test]
fn seats_that_change_hands_verify_too() {
    let file = record(&header(&rules(), 5), 1_000, wildly);
    assert_eq!(told(&verify(&file)), [""; 0]);
}

#[test]
fn flags_pickups_and_drones_verify_too() {
    let document = r#"{"version": 1, "map": "pillars", "drones": {"count": 24},
        "match": {"mode": "capture", "time_limit_ticks": 1300, "frag_limit": 0}}"#;
    let file = record(&header(&Rules::parse(document).unwrap(), 5), u32::MAX, by_bots);
    assert_eq!(told(&verify(&file)), [""; 0]);
    let reader = open(&file);
    let outcome = &reader.footer().unwrap().outcome;
    assert_eq!((outcome.reason.as_str(), outcome.team_scores.len()), ("time", 2));
}

#[test]
fn progress_is_told_up_to_the_end() {
    let mut ticks = Vec::new();
    crate::verify(open(&played()), ArenaMatch::on_cpu(), |tick| ticks.push(tick)).unwrap();
    assert_eq!(ticks, [600, 1_200, 1_800]);
}

#[test]
fn any_tick_can_be_gone_to_and_is_as_it_was() {
    let file = played();
    let mut forward = Playback::new(open(&file), ArenaMatch::on_cpu()).unwrap();
    let mut states = Vec::new();
    while states.len() <= 1_900 {
        states.push(forward.simulation().hash().unwrap());
        let tick = forward.tick();
        while forward.tick() == tick && forward.step(1).unwrap() != Step::End {}
    }
    let mut playback = Playback::new(open(&file), ArenaMatch::on_cpu()).unwrap();
    for tick in [1_900, 0, 1, 599, 600, 601, 1_800, 1_799, 1_234, 0] {
        playback.seek(tick).unwrap();
        assert_eq!(playback.tick(), tick);
        assert_eq!(playback.simulation().hash().unwrap(), states[tick as usize], "tick {tick}");
    }
    let beyond = playback.seek(1_901).unwrap_err().to_string();
    assert_eq!(beyond, "tick 1901 is not in the replay, which has 0 to 1900");
}

#[test]
fn events_come_at_their_ticks() {
    let file = played();
    let mut playback = Playback::new(open(&file), ArenaMatch::on_cpu()).unwrap();
    playback.seek(700).unwrap();
    let mut events = Vec::new();
    loop {
        match playback.step(1_000).unwrap() {
            Step::Event(event) => events.push((playback.tick(), event.text)),
            Step::End => break,
            _ => {}
        }
    }
    let expected: Vec<_> =
        (7..19).map(|it| it * 100 + 50).map(|it| (it, format!("it is {it}"))).collect();
    assert_eq!(events, expected);
}

fn part(file: &[u8], from: Option<u32>, to: Option<u32>) -> Result<Vec<u8>, String> {
    let mut playback = Playback::new(open(file), ArenaMatch::on_cpu()).unwrap();
    let mut out = Vec::new();
    match cut(&mut playback, (from, to), &mut out) {
        Ok(()) => Ok(out),
        Err(error) => Err(crate::problem::chain(&error)),
    }
}

#[test]
fn a_part_of_a_replay_is_a_replay() {
    let file = played();
    for (from, to) in [(0, 700), (1, 1), (599, 1_201), (600, 1_200), (650, 660), (1_700, 1_900)] {
        let part = part(&file, Some(from), Some(to)).unwrap();
        let verification = verify(&part);
        assert_eq!(told(&verification), [""; 0], "{from} to {to}");
        assert_eq!(verification.compared.ticks, u64::from(to - from));
        let reader = open(&part);
        assert_eq!(reader.header().first_tick, from);
        let reason = reader.footer().unwrap().outcome.reason.as_str();
        assert_eq!(reason, if to == 1_900 { "time" } else { "cut" });
    }
    assert_eq!(part(&file, None, None).unwrap(), file, "all of it is the same file");
}

#[test]
fn what_cannot_be_cut_out_says_why() {
    let file = played();
    let refused = |from, to| part(&file, from, to).unwrap_err();
    assert_eq!(refused(Some(9), Some(8)), "tick 8 is before tick 9");
    let beyond = "tick 1901 is not in the replay, which has 0 to 1900";
    assert!(refused(None, Some(1_901)).ends_with(beyond));
    let mut damaged = file.clone();
    let at = open(&file).keyframes()[0].offset as usize;
    damaged[at - 20] ^= 1;
    let error = part(&damaged, Some(0), Some(700)).unwrap_err();
    assert!(error.contains("the replay does not verify: chunk `hashes`"), "{error}");
    assert!(part(&damaged, Some(700), Some(800)).is_ok(), "what is damaged is not in this part");
}

#[test]
fn a_torn_replay_gets_an_end_by_cutting() {
    let file = played();
    let torn = &file[..file.len() * 2 / 3];
    let part = part(torn, None, None).unwrap();
    assert_eq!(told(&verify(&part)), [""; 0]);
    assert_eq!(open(&part).footer().unwrap().last_tick, open(torn).last_tick());
}

/// Writes a file again with changes that all checksums go along with.
fn forged(file: &[u8], mut change: impl FnMut(&mut Content, u32)) -> Vec<u8> {
    let mut reader = open(file);
    let mut encoder = Encoder::new().unwrap();
    let mut writer = Writer::new(reader.header(), Settings::default()).unwrap();
    let footer = reader.footer().unwrap().clone();
    let mut chunks = Vec::new();
    while let Some(mut chunk) = reader.next_chunk().unwrap() {
        change(&mut chunk.content, chunk.head.from);
        chunks.push(chunk);
    }
    let hashes: Vec<_> = chunks
        .iter()
        .filter_map(
            |it| if let Content::Hashes(it) = &it.content { Some(it.clone()) } else { None },
        )
        .flatten()
        .collect();
    for chunk in &chunks {
        match &chunk.content {
            Content::Inputs(inputs) => {
                for inputs in inputs {
                    writer.inputs(writer.tick(), inputs, &mut encoder).unwrap();
                    let hash = hashes.iter().find(|it| it.tick == writer.tick());
                    if let Some(it) = hash {
                        writer.hash(it.hash, &mut encoder).unwrap();
                    }
                }
            }
            Content::Keyframe(state) => writer.keyframe(state, &mut encoder).unwrap(),
            _ => {}
        }
    }
    let mut out = writer.take().unwrap().bytes;
    out.extend(writer.finish(footer.outcome, footer.last_hash, &mut encoder).unwrap().bytes);
    out
}

/// What a state holds changes with every change of the game; that it is told does not.
fn named(word: &str) -> String {
    let (word, rest) = word.split_at(word.len() - 1);
    let is_hex = word.bytes().all(|it| it.is_ascii_hexdigit());
    let word = if is_hex && matches!(word.len(), 8 | 16) { "[HEX]" } else { word };
    format!("{word}{rest}")
}

#[track_caller]
fn check(file: &[u8], expected: &Expect) {
    let verification = verify(file);
    let text = told(&verification).join("\n") + "\n";
    expected.assert_eq(&text.split_inclusive([' ', ',', ';', '\n']).map(named).collect::<String>());
}

#[test]
fn a_forged_input_is_told_by_the_first_tick_that_differs() {
    let file = played();
    let forged = forged(&file, |content, from| {
        if let (Content::Inputs(inputs), 660) = (content, from) {
            inputs[3][2].move_x ^= 0x40;
            inputs[3][2].aim ^= 0x40;
        }
    });
    check(
        &forged,
        &expect![[r"
            the state of tick 720 has hash [HEX], recorded is [HEX]; the last equal one is of tick 660
        "]],
    );
}

#[test]
fn a_forged_input_before_a_keyframe_is_told_with_what_differs() {
    let file = played();
    let forged = forged(&file, |content, from| {
        if let (Content::Inputs(inputs), 540) = (content, from) {
            inputs[59][2].aim ^= 0x40;
        }
    });
    check(
        &forged,
        &expect![[r"
            the state of tick 600 has hash [HEX], recorded is [HEX]; the last equal one is of tick 540; it differs in player 2 status (byte 276): [HEX], recorded [HEX]; in state hash, low half (byte 8716): [HEX], recorded [HEX]; in state hash, high half (byte 8720): [HEX], recorded [HEX]
        "]],
    );
}

/// Writes a file again with another outcome.
fn with_outcome(file: &[u8], outcome: Outcome) -> Vec<u8> {
    let mut reader = open(file);
    let mut encoder = Encoder::new().unwrap();
    let mut writer = Writer::new(reader.header(), Settings::default()).unwrap();
    let last_hash = reader.footer().unwrap().last_hash;
    while let Some(chunk) = reader.next_chunk().unwrap() {
        if let Content::Inputs(inputs) = chunk.content {
            for inputs in &inputs {
                writer.inputs(writer.tick(), inputs, &mut encoder).unwrap();
            }
        }
    }
    let mut out = writer.take().unwrap().bytes;
    out.extend(writer.finish(outcome, last_hash, &mut encoder).unwrap().bytes);
    out
}

#[test]
fn a_forged_result_is_told() {
    let file = played();
    let mut outcome = open(&file).footer().unwrap().outcome.clone();
    outcome.standings[0].kills += 1;
    let forged = with_outcome(&file, outcome);
    check(
        &forged,
        &expect![[r"
            seat 3 (bot) is on place 1 with 8 kills and 4 deaths, recorded is seat 3 (bot) is on place 1 with 9 kills and 4 deaths
        "]],
    );
}

#[test]
fn a_keyframe_that_the_game_refuses_is_told() {
    let file = played();
    let forged = forged(&file, |content, _| {
        if let Content::Keyframe(state) = content {
            state[20] ^= 1;
        }
    });
    check(
        &forged,
        &expect![[r"
            the state of tick 600 is not its keyframe; its recorded hash is equal; it differs in cursor (byte 20): [HEX], recorded [HEX]
            the state of tick 1200 is not its keyframe; its recorded hash is equal; it differs in cursor (byte 20): [HEX], recorded [HEX]
            the state of tick 1800 is not its keyframe; its recorded hash is equal; it differs in cursor (byte 20): [HEX], recorded [HEX]
        "]],
    );
}

/// Replaces the header; the digest does not go along, so the file is otherwise as torn.
fn with_header(file: &[u8], change: impl FnOnce(&mut Header)) -> String {
    let mut header = open(file).header().clone();
    let length = header_frame(&header.encode_to_vec()).len();
    change(&mut header);
    let bytes = [&header_frame(&header.encode_to_vec()), &file[length..]].concat();
    let reader = Reader::open(Cursor::new(bytes.as_slice())).unwrap();
    match crate::verify(reader, ArenaMatch::on_cpu(), |_| ()) {
        Ok(verification) => told(&verification).join("\n"),
        Err(error) => crate::problem::chain(&error),
    }
}

#[test]
fn a_replay_that_this_build_cannot_play_names_both_sides() {
    let file = record(&header(&rules(), 5), 100, wildly);
    let hash = rules().hash();
    let check = |change: fn(&mut Header), expected: &str| {
        assert_eq!(with_header(&file, change), format!("cannot play the match: {expected}"));
    };
    check(|it| it.game = "chess".to_owned(), "the replay is of the game `chess`, this is `arena`");
    let schema = arena_sim::SCHEMA;
    check(
        |it| it.schema = 77,
        &format!("the replay has state schema 77, this simulation {schema}"),
    );
    check(
        |it| it.rules_hash = 5,
        &format!(
            "the replay was played by rules 0000000000000005, its document is of rules {hash:016x}"
        ),
    );
    check(
        |it| it.rules = "{}".to_owned(),
        "the replay's rules cannot be read: `version` is missing, add `\"version\": 1`",
    );
}

#[test]
fn a_game_without_a_match_says_so() {
    let game = Game::on_cpu();
    assert_eq!(game.hash().unwrap_err().to_string(), "no match was started");
    assert!(game.world().is_none());
}

#[test]
fn an_outcome_that_is_not_true_cannot_be_cut_out() {
    let file = played();
    let mut outcome = open(&file).footer().unwrap().outcome.clone();
    outcome.standings[0].kills += 1;
    let forged = with_outcome(&file, outcome);
    let error = part(&forged, Some(1_700), None).unwrap_err();
    assert!(error.contains("the replay does not verify: seat"), "{error}");
    assert!(part(&forged, Some(1_700), Some(1_899)).is_ok(), "that part has no outcome");
}

#[test]
fn inputs_after_the_end_of_a_match_are_none_of_it() {
    let rules = Rules::parse(r#"{"version": 3, "match": {"time_limit_ticks": 60}}"#).unwrap();
    let header = header(&rules, 11);
    let mut game = ArenaMatch::on_cpu();
    game.start(&header).unwrap();
    let mut encoder = Encoder::new().unwrap();
    let mut writer = Writer::new(&header, Settings::default()).unwrap();
    let inputs = arena_sim::SeatInputs::default();
    for tick in 0..90 {
        writer.inputs(tick, &inputs, &mut encoder).unwrap();
        game.advance(&[inputs]).unwrap();
        if writer.is_hash_due() {
            writer.hash(game.hash().unwrap(), &mut encoder).unwrap();
        }
    }
    let outcome = Outcome::of(&game, "", 0).unwrap();
    assert_eq!((outcome.reason.as_str(), game.tick().unwrap()), ("time", 60));
    let file = writer.finish(outcome, game.hash().unwrap(), &mut encoder).unwrap().bytes;
    let found = told(&verify(&file));
    assert_eq!(found[0], "the match is over at tick 60, and there are inputs up to tick 90");
    let mut playback = Playback::new(open(&file), ArenaMatch::on_cpu()).unwrap();
    assert!(cut(&mut playback, (Some(60), Some(80)), &mut Vec::new()).is_err());
}

#[test]
fn a_match_whose_last_tick_has_a_keyframe_is_sought_to_its_end() {
    let rules = Rules::parse(r#"{"version": 3, "match": {"time_limit_ticks": 1200}}"#).unwrap();
    let file = record(&header(&rules, 11), u32::MAX, by_bots);
    let mut playback = Playback::new(open(&file), ArenaMatch::on_cpu()).unwrap();
    for tick in [1_200, 1_199, 600, 1_200, 0] {
        playback.seek(tick).unwrap();
        assert_eq!((playback.tick(), playback.simulation().tick().unwrap()), (tick, tick));
    }
}
