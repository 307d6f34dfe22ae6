//! Replays behind the seam of games: any game records, verifies and refuses alike.
use arena_game_arena::Arena;
use arena_game_snakes::Snakes;
use arena_sdk::{Game, Input, buttons};
use arena_sim::Rules;
use arena_sim::rules::hash::rng;
use prost::Message as _;

use super::{open, told};
use crate::frame::header_frame;
use crate::testing::{by_bots, header, record, record_game};
use crate::{GameError, GameMatch, Header, Simulation as _, Verification};

const GAMES: [&dyn Game; 2] = [&Arena, &Snakes];

fn header_of(game: &dyn Game, seed: u32) -> Header {
    Header { schema: game.schema(), ..Header::of(&game.standard_rules(), seed) }
}

/// Half a minute of a match with a hand at every stick.
fn played(game: &'static dyn Game) -> (Header, Vec<u8>) {
    let header = header_of(game, 7);
    let file = record_game(GameMatch::new(game), &header, 1_800, |_, tick, inputs| {
        for (seat, input) in inputs.iter_mut().take(game.seats_max()).enumerate() {
            let join = if tick == 0 { buttons::JOIN } else { 0 };
            let played = Input::unpack(rng(3, tick >> 4, seat as u32, 0)).from_client();
            *input = Input { buttons: played.buttons | join, ..played };
        }
    });
    (header, file)
}

fn verify(game: &'static dyn Game, file: &[u8]) -> Verification {
    crate::verify(open(file), GameMatch::new(game), |_| ()).unwrap()
}

#[test]
fn a_match_of_any_game_verifies_and_one_that_took_another_course_does_not() {
    for game in GAMES {
        let (header, file) = played(game);
        let verification = verify(game, &file);
        assert_eq!(told(&verification), [""; 0], "{}", header.game);
        assert_eq!((verification.proven_tick, verification.compared.keyframes), (Some(1_800), 3));
        let other = Header { seed: 8, ..header };
        let mut lie = file.clone();
        let honest = header_frame(&open(&file).header().encode_to_vec());
        let forged = header_frame(&other.encode_to_vec());
        assert_eq!(honest.len(), forged.len());
        lie[..forged.len()].copy_from_slice(&forged);
        let verification = verify(game, &lie);
        assert!(!verification.is_true(), "{}: another seed is another match", other.game);
    }
}

#[test]
fn a_replay_of_the_arena_is_the_same_behind_the_seam() {
    let rules = Rules::parse(r#"{"version": 1, "map": "fort", "drones": {"count": 9}}"#).unwrap();
    let file = record(&header(&rules, 5), 1_200, by_bots);
    assert_eq!(told(&verify(&Arena, &file)), [""; 0]);
    let ours = Header::of(&Arena.parse_rules(&rules.to_json()).unwrap(), 5);
    assert_eq!(Header { schema: Arena.schema(), ..ours }, crate::arena::header(&rules, 5));
}

#[test]
fn what_a_game_cannot_play_names_both_sides() {
    let standard = header_of(&Snakes, 1);
    let refused = |header: Header| GameMatch::new(&Snakes).start(&header).unwrap_err().to_string();
    for (header, expected) in [
        (Header { game: "chess".to_owned(), ..standard.clone() }, "`chess`, this is `snakes`"),
        (Header { schema: 9, ..standard.clone() }, "schema 9, this simulation 1"),
        (Header { rules_hash: 1, ..standard.clone() }, "rules 0000000000000001"),
        (Header { rules: "{}".to_owned(), ..standard }, "rules cannot be read"),
    ] {
        let told = refused(header);
        assert!(told.contains(expected), "{told}");
    }
    assert!(matches!(GameMatch::new(&Snakes).tick(), Err(GameError::NotStarted)));
}
