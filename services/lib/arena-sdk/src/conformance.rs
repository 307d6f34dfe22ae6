//! What every game must keep to, as tests: `arena_sdk::conformance!(MyGame);` in a `#[cfg(test)]` module.
//!
//! Matches are played by the game's own bots, with seats that come and go, so that no test needs to know the game.
#![expect(clippy::unwrap_used, reason = "the whole module is a test")]

use crate::{
    Game, Input, PinnedRules, SEATS, SeatInputs, StateHash, TickOutput, WorldError, WorldId,
    Worlds, buttons,
};

/// Ticks that a test plays; most games are in full course by then.
const TICKS: u32 = 400;
/// Ticks between two frames.
const FRAME_PERIOD: u32 = 2;

/// Makes a test of each of the functions of this module, for one game.
#[macro_export]
macro_rules! conformance {
    ($game:expr) => {
        mod conformance {
            #[test]
            fn the_same_seed_rules_and_inputs_give_the_same_match() {
                $crate::conformance::same_inputs_same_match(&$game);
            }

            #[test]
            fn an_exported_match_goes_on_elsewhere_to_the_same_states() {
                $crate::conformance::export_goes_on(&$game);
            }

            #[test]
            fn the_order_of_a_batch_and_what_was_there_before_change_nothing() {
                $crate::conformance::batch_order(&$game);
            }

            #[test]
            fn a_freed_match_is_gone_and_a_wrong_batch_steps_nothing() {
                $crate::conformance::stale_ids(&$game);
            }

            #[test]
            fn a_damaged_state_is_refused_or_played_and_never_panics() {
                $crate::conformance::hostile_states(&$game);
            }

            #[test]
            fn a_state_of_other_rules_is_refused_before_it_is_placed() {
                $crate::conformance::other_rules(&$game);
            }

            #[test]
            fn whoever_watches_changes_nothing_and_gets_frames_that_build_on_what_is_held() {
                $crate::conformance::audience(&$game);
            }

            #[test]
            fn rules_say_what_they_are_and_read_back() {
                $crate::conformance::rules(&$game);
            }

            #[test]
            fn a_finished_match_stands_still_and_everybody_has_a_place() {
                $crate::conformance::outcome(&$game);
            }
        }
    };
}

/// A match played by bots.
struct Played {
    worlds: Box<dyn Worlds>,
    id: WorldId,
    seats: usize,
    seed: u32,
}

impl Played {
    fn new(game: &dyn Game, seed: u32) -> Self {
        let (mut worlds, rules) = (game.worlds(), game.standard_rules());
        let id = worlds.create(seed, &rules).unwrap();
        Self { worlds, id, seats: game.seats_max(), seed }
    }

    /// Returns what all seats do next: they join, some leave and come back, bots play.
    fn inputs(&self) -> SeatInputs {
        let tick = self.worlds.tick(self.id).unwrap();
        std::array::from_fn(|seat| {
            if seat >= self.seats {
                return Input::default();
            }
            let turn = tick.wrapping_add(37 * seat as u32) % 200;
            let press = match turn {
                _ if tick == 0 && seat % 2 == 1 => buttons::JOIN | buttons::BOT,
                _ if tick == 0 => buttons::JOIN,
                190 if seat % 3 == 2 => buttons::LEAVE,
                199 if seat % 3 == 2 => buttons::JOIN,
                _ => 0,
            };
            let played = self.worlds.bot(self.id, seat as u8, self.seed).unwrap();
            Input { buttons: played.buttons | press, ..played }
        })
    }

    fn step(&mut self, inputs: &SeatInputs) -> TickOutput {
        let mut output = TickOutput::default();
        let outputs = std::slice::from_mut(&mut output);
        self.worlds.step(&[self.id], std::slice::from_ref(inputs), outputs).unwrap();
        output
    }

    /// Plays some ticks and returns their inputs and outcomes.
    fn play(&mut self, ticks: u32) -> Vec<(SeatInputs, TickOutput)> {
        (0..ticks)
            .map(|_| {
                let inputs = self.inputs();
                (inputs, self.step(&inputs))
            })
            .collect()
    }

    fn hash(&self) -> StateHash {
        self.worlds.state_hash(self.id).unwrap()
    }
}

/// The same match twice, and another seed.
pub fn same_inputs_same_match(game: &dyn Game) {
    let mut first = Played::new(game, 7);
    let (mut second, mut other) = (Played::new(game, 7), Played::new(game, 8));
    for (tick, (inputs, output)) in first.play(TICKS).into_iter().enumerate() {
        assert_eq!(output.tick, tick as u32 + 1, "a tick is counted once");
        assert_eq!(second.step(&inputs), output, "tick {tick}");
        other.step(&inputs);
    }
    assert_eq!(first.hash(), second.hash());
    assert_ne!(first.hash(), other.hash(), "the seed matters");
}

/// Export, import into other worlds, go on.
pub fn export_goes_on(game: &dyn Game) {
    let rules = game.standard_rules();
    let mut first = Played::new(game, 3);
    for _ in 0..4 {
        first.play(TICKS / 4);
        let state = first.worlds.export(first.id).unwrap();
        let mut worlds = game.worlds();
        let id = worlds.import(&state, &rules).unwrap();
        let mut second = Played { worlds, id, seats: first.seats, seed: 3 };
        assert_eq!(second.hash(), first.hash());
        assert_eq!(second.worlds.export(id).unwrap(), state, "a state has one form");
        assert_eq!(second.worlds.outcome(id), first.worlds.outcome(first.id));
        for (inputs, output) in first.play(60) {
            assert_eq!(second.step(&inputs), output);
        }
        assert_eq!(second.hash(), first.hash());
    }
}

/// Three matches in one batch, in changing order and in used slots, against each alone.
pub fn batch_order(game: &dyn Game) {
    let rules = game.standard_rules();
    let mut alone: Vec<Played> = (1..=3).map(|seed| Played::new(game, seed)).collect();
    let mut worlds = game.worlds();
    let used: Vec<WorldId> = (0..3).map(|seed| worlds.create(seed, &rules).unwrap()).collect();
    let mut outputs = vec![TickOutput::default(); 3];
    let join = [Input { buttons: buttons::JOIN, ..Input::default() }; SEATS];
    worlds.step(&used, &[join; 3], &mut outputs).unwrap();
    for id in used {
        worlds.free(id).unwrap();
    }
    let ids: Vec<WorldId> = (1..=3).map(|seed| worlds.create(seed, &rules).unwrap()).collect();
    for tick in 0..TICKS as usize {
        let played: Vec<_> = alone.iter_mut().map(|it| it.play(1).remove(0)).collect();
        let order: Vec<usize> = (0..3).map(|it| (it + tick) % 3).collect();
        let batch: Vec<WorldId> = order.iter().map(|it| ids[*it]).collect();
        let inputs: Vec<SeatInputs> = order.iter().map(|it| played[*it].0).collect();
        worlds.step(&batch, &inputs, &mut outputs).unwrap();
        for (output, of) in outputs.iter().zip(&order) {
            assert_eq!(*output, played[*of].1, "match {of}, tick {tick}");
        }
    }
    for (id, alone) in ids.iter().zip(&alone) {
        assert_eq!(worlds.state_hash(*id).unwrap(), alone.hash());
    }
}

/// Ids of the past, and batches that make no sense.
pub fn stale_ids(game: &dyn Game) {
    let mut played = Played::new(game, 1);
    let rules = game.standard_rules();
    let gone = played.worlds.create(2, &rules).unwrap();
    played.worlds.free(gone).unwrap();
    let again = played.worlds.create(2, &rules).unwrap();
    let stale = WorldError::Stale { id: gone };
    let (worlds, id) = (&mut played.worlds, played.id);
    assert_eq!(worlds.free(gone), Err(stale.clone()));
    assert_eq!(worlds.tick(gone), Err(stale.clone()));
    assert_eq!(worlds.export(gone), Err(stale.clone()));
    assert_eq!(worlds.watch(gone, 0), Err(stale.clone()));
    let inputs = [SeatInputs::default(); 3];
    for (ids, expected) in [
        (vec![id, again, id], WorldError::Twice { id }),
        (vec![id, again, gone], stale),
        (vec![id, again], WorldError::Shape { matches: 2, inputs: 3, outputs: 3 }),
    ] {
        let mut outputs = vec![TickOutput::default(); 3];
        assert_eq!(worlds.step(&ids, &inputs, &mut outputs), Err(expected));
        assert_eq!(worlds.tick(id), Ok(0), "nothing was stepped");
    }
}

/// Bits flipped all over a state, and states cut short or made longer.
pub fn hostile_states(game: &dyn Game) {
    let rules = game.standard_rules();
    let mut played = Played::new(game, 5);
    played.play(TICKS);
    let state = played.worlds.export(played.id).unwrap();
    let mut worlds = game.worlds();
    let step = (state.len() * 8 / 1_500).max(1) | 1;
    for bit in (0..state.len() * 8).step_by(step) {
        let mut state = state.clone();
        state[bit / 8] ^= 1 << (bit % 8);
        try_to_play(game, &mut *worlds, &state);
    }
    let lengths = (0..state.len()).step_by((state.len() / 60).max(1));
    for length in lengths {
        assert!(worlds.import(&state[..length], &rules).is_err(), "{length} bytes are no state");
    }
    assert!(worlds.import(&[state.as_slice(), &[0]].concat(), &rules).is_err());
    for fill in [0, 0xff] {
        try_to_play(game, &mut *worlds, &vec![fill; state.len()]);
    }
}

fn try_to_play(game: &dyn Game, worlds: &mut dyn Worlds, state: &[u8]) {
    let Ok(id) = worlds.import(state, &game.standard_rules()) else { return };
    let press = Input { move_x: 127, move_y: -128, aim: 200, buttons: buttons::CLIENT };
    let viewer = worlds.watch(id, 0).unwrap();
    for _ in 0..30 {
        let inputs = std::array::from_fn(|seat| match seat % 3 {
            0 => press,
            _ => worlds.bot(id, (seat % game.seats_max()) as u8, 1).unwrap(),
        });
        worlds.step(&[id], &[inputs], &mut [TickOutput::default()]).unwrap();
        worlds.look(id).unwrap();
        worlds.frame(id, viewer).unwrap();
    }
    worlds.outcome(id).unwrap();
    worlds.free(id).unwrap();
}

/// Rules of another game; a state is refused by its own rules alone, which games test for themselves.
pub fn other_rules(game: &dyn Game) {
    let played = Played::new(game, 1);
    let state = played.worlds.export(played.id).unwrap();
    let nothing = serde_json::json!({});
    let foreign = PinnedRules::new("another", (1, 1), &nothing, &nothing, ());
    let mut worlds = game.worlds();
    let expected = WorldError::Rules { found: "another", expected: game.name() };
    assert_eq!(worlds.create(1, &foreign), Err(expected.clone()));
    let refused = worlds.import(&state, &foreign).unwrap_err();
    assert!(matches!(refused, crate::ImportError::Place(it) if it == expected));
}

/// Viewers with and without acknowledgements, beside a match that nobody watches.
pub fn audience(game: &dyn Game) {
    let (mut watched, mut alone) = (Played::new(game, 9), Played::new(game, 9));
    let id = watched.id;
    let (near, silent) =
        (watched.worlds.watch(id, 0).unwrap(), watched.worlds.watch(id, 1).unwrap());
    let (mut held, mut bits, mut frames) = (Vec::new(), 0, 0);
    for (inputs, _) in alone.play(TICKS) {
        let tick = watched.step(&inputs).tick;
        if tick % FRAME_PERIOD != 0 {
            continue;
        }
        watched.worlds.look(id).unwrap();
        if let Some(frame) = watched.worlds.frame(id, near).unwrap() {
            assert_eq!(frame.tick, tick);
            assert!(frame.baseline.is_none_or(|it| held.contains(&it)), "{frame:?}");
            assert!(held.is_empty() || frame.baseline.is_some(), "what is held is built on");
            watched.worlds.acknowledge(id, near, tick).unwrap();
            held.push(tick);
            bits += frame.body.len() * 8;
            frames += 1;
        }
        if let Some(frame) = watched.worlds.frame(id, silent).unwrap() {
            assert_eq!(frame.baseline, None, "who acknowledges nothing gets everything");
        }
        watched.worlds.acknowledge(id, silent, tick + 1_000).unwrap();
    }
    assert_eq!(frames, TICKS / FRAME_PERIOD);
    let average = bits / frames as usize;
    assert!(average <= crate::FRAME_BITS_MAX, "{average} bits a frame");
    assert_eq!(watched.hash(), alone.hash(), "watching is no input");
    let spectator = watched.worlds.spectate(id).unwrap();
    watched.worlds.look(id).unwrap();
    let seen = watched.worlds.frame(id, spectator).unwrap().unwrap();
    assert_eq!((seen.tick, seen.baseline), (TICKS, None));
    assert!(seen.body.len() * 8 <= crate::SPECTATOR_FRAME_BITS_MAX, "{} bytes", seen.body.len());
    watched.worlds.resume(id, near, 1).unwrap();
    watched.worlds.look(id).unwrap();
    let again = watched.worlds.frame(id, near).unwrap().unwrap();
    assert_eq!(again.baseline, None, "who comes back without a known frame starts over");
}

/// Names, bounds, and documents that read back.
pub fn rules(game: &dyn Game) {
    let name = game.name();
    assert!(name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-'));
    assert!((1..=32).contains(&name.len()) && (2..=SEATS).contains(&game.seats_max()));
    let rules = game.standard_rules();
    assert_eq!((rules.game(), rules.version()), (name, 1));
    let again = game.parse_rules_text(rules.document()).unwrap();
    assert_eq!((again.hash(), again.document()), (rules.hash(), rules.document()));
    let mut document: serde_json::Value = serde_json::from_str(rules.document()).unwrap();
    document["version"] = 2.into();
    let next = game.parse_rules(&document).unwrap();
    assert_eq!((next.version(), next.hash()), (2, rules.hash()), "a version is only a number");
    assert!(serde_json::from_str::<serde_json::Value>(rules.page()).is_ok());
    for wrong in ["", "[]", "{}", r#"{"version": 0}"#, r#"{"version": 1, "no such rule": 1}"#] {
        let error = game.parse_rules_text(wrong).unwrap_err();
        assert!(!error.mistakes.is_empty(), "{wrong} is refused with a reason");
    }
    assert_eq!(game.rules_json_schema()["type"], "object");
}

/// Plays until the match is over.
pub fn outcome(game: &dyn Game) {
    /// An hour.
    const TICKS_MAX: u32 = 216_000;
    let mut played = Played::new(game, 4);
    let mut last = TickOutput::default();
    while !last.finished && last.tick < TICKS_MAX {
        let inputs = played.inputs();
        last = played.step(&inputs);
    }
    assert!(last.finished, "a match ends by itself");
    let (hash, outcome) = (played.hash(), played.worlds.outcome(played.id).unwrap());
    assert!(outcome.finished.is_some_and(|it| !it.is_empty()));
    let ranks: Vec<u8> = outcome.standings.iter().map(|it| it.rank).collect();
    assert!(ranks.is_sorted() && ranks.first() == Some(&1), "{ranks:?}");
    let mut seats: Vec<u8> = outcome.standings.iter().map(|it| it.seat).collect();
    seats.sort_unstable();
    seats.dedup();
    assert_eq!(seats.len(), ranks.len(), "nobody has two places");
    let after = played.step(&SeatInputs::default());
    assert!(after.finished && after.events.is_empty());
    assert_eq!((played.hash(), after.tick), (hash, last.tick), "it stands still");
}
