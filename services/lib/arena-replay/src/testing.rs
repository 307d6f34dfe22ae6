//! For tests, here and of other crates: recorded matches, and a game that is not the arena.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]
use arena_sim::rules::hash::rng;
use arena_sim::{CpuBackend, Input, PLAYERS, Rules, SeatInputs, bots, buttons};

use crate::arena::{self, ArenaMatch};
use crate::{Encoder, Header, Outcome, Player, Settings, Simulation, Writer};

pub mod hostile;
mod sums;

pub use sums::{Sums, SumsError, sums_header};

/// A match on this machine's processor.
pub type Game = ArenaMatch<CpuBackend>;

/// What the players of a recorded match do at a tick.
pub type Policy = fn(&Game, u32, &mut SeatInputs);

/// Returns a header with everything in it.
#[must_use]
pub fn header(rules: &Rules, seed: u32) -> Header {
    Header {
        release: "r42".to_owned(),
        players: vec![Player { seat: 0, id: "0123456789abc".to_owned(), name: "Ada".to_owned() }],
        started_ms: 1_790_000_000_000,
        match_id: "00000000000m1".to_owned(),
        epoch: 3,
        ..arena::header(rules, seed)
    }
}

/// All seats are played by bots, which think every three ticks, each at its own.
pub fn by_bots(game: &Game, tick: u32, inputs: &mut SeatInputs) {
    if tick == 0 {
        *inputs = [Input { buttons: buttons::JOIN | buttons::BOT, ..Input::default() }; PLAYERS];
        return;
    }
    let world = game.world().unwrap();
    for (seat, input) in (0..).zip(inputs) {
        input.buttons &= buttons::CLIENT;
        if (tick + seat).is_multiple_of(3) {
            *input = bots::bot_input(&world, seat as u8, world.seed(), tick);
        }
    }
}

/// Inputs that hold for some ticks, with seats changing hands now and then.
pub fn wildly(_: &Game, tick: u32, inputs: &mut SeatInputs) {
    *inputs = std::array::from_fn(|seat| {
        let mut input = Input::unpack(rng(9, tick >> 3, seat as u32, 7));
        input.buttons = match rng(9, tick, seat as u32, 8) % 1_024 {
            _ if tick == 0 => buttons::JOIN,
            0 => buttons::LEAVE,
            1..8 => buttons::JOIN,
            8..16 => buttons::JOIN | buttons::BOT,
            16..128 => 0,
            _ => buttons::FIRE,
        };
        input
    });
}

/// Plays a match of the arena until it is over, or for so many ticks, and returns its replay.
#[must_use]
pub fn record(header: &Header, ticks: u32, policy: Policy) -> Vec<u8> {
    record_game(ArenaMatch::on_cpu(), header, ticks, policy)
}

/// The same with nothing in it but what the game needs: no notes, no events.
#[must_use]
pub fn record_quietly(header: &Header, ticks: u32, policy: Policy) -> Vec<u8> {
    record_with(ArenaMatch::on_cpu(), header, ticks, policy, |_, _, _| ())
}

/// The same for any game, and whatever its inputs do; somebody talks.
///
/// # Panics
/// If the game cannot play the header's match.
pub fn record_game<S: Simulation>(
    game: S,
    header: &Header,
    ticks: u32,
    policy: impl FnMut(&S, u32, &mut SeatInputs),
) -> Vec<u8> {
    record_with(game, header, ticks, policy, |tick, writer, encoder| {
        if tick == 0 {
            writer.note("mode", "test", encoder).unwrap();
        }
        if tick % 100 == 50 {
            writer.event("chat", Some(1), &format!("it is {tick}"), encoder).unwrap();
        }
    })
}

fn record_with<S: Simulation>(
    mut game: S,
    header: &Header,
    ticks: u32,
    mut policy: impl FnMut(&S, u32, &mut SeatInputs),
    talk: impl Fn(u32, &mut Writer, &mut Encoder),
) -> Vec<u8> {
    game.start(header).unwrap();
    let mut encoder = Encoder::new().unwrap();
    let mut writer = Writer::new(header, Settings::default()).unwrap();
    let mut file = Vec::new();
    let mut inputs = SeatInputs::default();
    for tick in 0..ticks {
        talk(tick, &mut writer, &mut encoder);
        policy(&game, tick, &mut inputs);
        writer.inputs(tick, &inputs, &mut encoder).unwrap();
        game.advance(&[inputs]).unwrap();
        if writer.is_hash_due() {
            writer.hash(game.hash().unwrap(), &mut encoder).unwrap();
        }
        if writer.is_keyframe_due() {
            writer.keyframe(&game.state().unwrap(), &mut encoder).unwrap();
        }
        if let Some(block) = writer.take() {
            file.extend(block.bytes);
        }
        if !game.outcome().unwrap().reason.is_empty() {
            break;
        }
    }
    let outcome = Outcome::of(&game, "abandoned", header.started_ms + 10_000).unwrap();
    file.extend(writer.finish(outcome, game.hash().unwrap(), &mut encoder).unwrap().bytes);
    file
}
