//! Snapshots of the arena whose words were changed, with a hash that went along.
use std::cell::RefCell;
use std::sync::OnceLock;

use arena_sim::rules::hash::{mix, mix_again};
use arena_sim::{Backend as _, CpuBackend, Path, Rules, TickOutput};

use super::Choices;
use crate::testing::{Game, wildly};
use crate::{Simulation as _, arena};

/// Bytes of a snapshot before and after its slab.
const HEAD_BYTES: usize = 12;
const HASH_BYTES: usize = 8;
/// Words that are changed at most.
const CHANGES_MAX: usize = 32;
/// Ticks that are played from whatever was accepted.
const TICKS: u32 = 64;

/// A match in full swing.
struct Base {
    rules: Rules,
    bytes: Vec<u8>,
}

/// Whatever the bytes are: they are refused, or every path plays them alike, without a panic.
///
/// The first byte chooses the rules; if it is even, the others are changes of a snapshot, else all of it.
pub(super) fn run(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let choice = choices.byte().unwrap_or(0);
    let bases = bases();
    let base = &bases[usize::from(choice >> 1) % bases.len()];
    let mut state = if choice & 1 == 0 { base.bytes.clone() } else { choices.0.to_vec() };
    if choice & 1 == 0 {
        let _ = (0..CHANGES_MAX).try_for_each(|_| change(&mut state, &mut choices));
    }
    reseal(&mut state);
    BACKENDS.with_borrow_mut(|backends| play(backends, &state, &base.rules));
}

fn change(state: &mut [u8], choices: &mut Choices<'_>) -> Option<()> {
    let at = HEAD_BYTES + 4 * (usize::from(choices.half()?) % (state.len() / 4));
    let kind = choices.byte()?;
    let word = state.get_mut(at..at + 4)?;
    let old = u32::from_le_bytes(word.try_into().ok()?);
    // Small changes pass more checks than random words do.
    let new = match kind % 4 {
        0 => old ^ 1 << (choices.byte()? % 32),
        1 => old.wrapping_add(u32::from(choices.byte()?)),
        2 => old.wrapping_sub(u32::from(choices.byte()?)),
        _ => choices.word()?,
    };
    word.copy_from_slice(&new.to_le_bytes());
    Some(())
}

thread_local! {
    /// The fast path and the specification, for all runs: their memory is allocated once.
    static BACKENDS: RefCell<[CpuBackend; 2]> =
        RefCell::new([Path::Avx2, Path::BruteForce].map(CpuBackend::with_path));
}

fn play([fast, specification]: &mut [CpuBackend; 2], state: &[u8], rules: &Rules) {
    let Ok(handle) = fast.import(state, rules) else { return };
    let other = specification.import(state, rules).expect("both take the same states");
    assert_eq!(fast.export(handle).as_deref(), Ok(state), "what was taken is what is given");
    let mut outputs = [TickOutput::default(); 2];
    let mut inputs = arena_sim::SeatInputs::default();
    let nobody = Game::on_cpu();
    for tick in 1..=TICKS {
        wildly(&nobody, tick, &mut inputs);
        let (one, two) = outputs.split_at_mut(1);
        fast.step(&[handle], &[inputs], one).expect("it lives");
        specification.step(&[other], &[inputs], two).expect("it lives");
        let hashes = (fast.state_hash(handle), specification.state_hash(other));
        assert_eq!(hashes.0, hashes.1, "tick {tick}");
        assert_eq!(outputs[0], outputs[1], "tick {tick}");
        let _ = outputs[0].events().count();
    }
    let world = fast.view(handle).expect("it lives");
    assert!(world.projectiles().count() <= rules.capacity().projectiles());
    let _ = (world.drones().count(), world.pickups().count(), world.flags(), world.standings());
    let after = fast.export(handle).expect("it lives");
    let again = fast.import(&after, rules).expect("what it became is a state again");
    for handle in [handle, again] {
        fast.free(handle).expect("it lives");
    }
    specification.free(other).expect("it lives");
}

/// Writes the hash that goes with changed words.
fn reseal(state: &mut [u8]) {
    let Some(end) = state.len().checked_sub(HASH_BYTES).filter(|it| *it >= HEAD_BYTES) else {
        return;
    };
    let (mut low, mut high) = (0u32, 0u32);
    for (i, word) in state[HEAD_BYTES..end].as_chunks::<4>().0.iter().enumerate() {
        let h = mix(u32::from_le_bytes(*word), i as u32);
        low = low.wrapping_add(h);
        high = high.wrapping_add(mix_again(h));
    }
    let hash = u64::from(high) << 32 | u64::from(low);
    state[end..].copy_from_slice(&hash.to_le_bytes());
}

fn bases() -> &'static [Base] {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    BASES.get_or_init(|| {
        let documents = [
            r#"{"version": 1}"#,
            r#"{"version": 1, "projectiles": 256, "map": "rooms", "match": {"mode": "capture"},
                "weapon": {"pellets": 6, "spread": 20, "walls": "bounce"},
                "pickups": {"count": 16}, "drones": {"count": 64}}"#,
            r#"{"version": 1, "projectiles": 2048, "map": "open", "match": {"mode": "team"},
                "weapon": {"pellets": 16, "cooldown_ticks": 16, "walls": "bounce"}}"#,
        ];
        documents.map(base).into()
    })
}

fn base(document: &str) -> Base {
    let rules = Rules::parse(document).unwrap();
    let mut game = Game::on_cpu();
    game.start(&arena::header(&rules, 5)).unwrap();
    let mut inputs = arena_sim::SeatInputs::default();
    for tick in 0..90 {
        wildly(&game, tick, &mut inputs);
        game.advance(&[inputs]).unwrap();
    }
    Base { bytes: game.state().unwrap(), rules }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let changed = (0..bases().len() as u8).flat_map(|base| {
        let words = [0u16, 3, 7, 8, 9, 16, 48, 64, 80, 96, 112, 128, 400, 1_100, 1_700];
        let change = |word: u16| [&[2 * base][..], &word.to_le_bytes(), &[0, 1, 1, 3]].concat();
        words.map(change)
    });
    let whole = (0u8..).zip(bases()).map(|(at, base)| [&[2 * at + 1][..], &base.bytes].concat());
    changed.chain(whole).collect()
}
