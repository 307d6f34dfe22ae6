//! What another backend of the simulation needs to know: where the words of a slab lie, the rules of a
//! match as words, slabs as snapshots. Services have no use for it.
//!
//! A kernel reads [`wgsl`] (the rules of the game), [`layout_wgsl`] (names of all these places) and
//! [`rules_words`]; its host keeps slabs by [`words`], reads them by [`view`], and gives them away by
//! [`encode`]. So nothing is written down twice.
mod output;
mod table;

pub use crate::rules::wgsl;
pub use output::{OUTPUT_WORDS, read_output};
pub use table::{RULES_WORDS, layout_wgsl, rules_words};

use crate::backend::MatchHandle;
use crate::hash::{StateHash, hash_body};
use crate::input::{Input, SeatInputs, buttons};
use crate::rules::hash::rng;
use crate::ruleset::{Capacity, Rules};
use crate::simd::Avx2;
use crate::slab;
use crate::snapshot::{self, SnapshotError};
use crate::view::WorldView;

/// The first word of the projectiles' columns: all words before it are the header, players and pick-ups.
pub const PROJECTILES_AT: usize = slab::PROJECTILE_COLUMNS;
/// The header's word that holds the ticks stepped so far.
pub const TICK_AT: usize = slab::TICK;
/// The header's word that is not 0 once the match is over.
pub const FLAGS_AT: usize = slab::FLAGS;

/// Returns the words of a slab without padding.
#[must_use]
pub const fn words(capacity: Capacity) -> usize {
    slab::words(capacity)
}

/// Returns the words from one slab to the next: a multiple of 64.
#[must_use]
pub const fn stride(capacity: Capacity) -> usize {
    slab::stride(capacity)
}

/// Returns the first word of the drones' columns, which end the slab if it has room for drones.
#[must_use]
pub const fn drones_at(capacity: Capacity) -> usize {
    slab::drone_columns(capacity.projectiles())
}

/// Makes `slab`, of [`words`] words, a match that has not begun.
///
/// # Panics
/// If the slab has another length.
pub fn begin(slab: &mut [u32], seed: u32, rules: &Rules) {
    assert_eq!(slab.len(), words(rules.capacity()), "a slab of the rules' size class");
    slab::begin(slab, seed, rules.capacity(), rules.compiled());
}

/// Returns the snapshot of a slab whose words hash to `hash`.
#[must_use]
pub fn encode(slab: &[u32], rules: &Rules, hash: StateHash) -> Vec<u8> {
    snapshot::encode(slab, rules.capacity(), hash)
}

/// Returns the slab in a snapshot; whatever the bytes are, what it gives can be stepped.
///
/// # Errors
/// [`SnapshotError`].
pub fn decode(bytes: &[u8], rules: &Rules) -> Result<Vec<u32>, SnapshotError> {
    snapshot::decode(bytes, rules)
}

/// Reads a slab of [`words`] words.
#[must_use]
pub fn view<'a>(slab: &'a [u32], rules: &'a Rules) -> WorldView<'a> {
    WorldView::new(slab, rules)
}

/// Returns the hash of a slab of [`words`] words.
#[must_use]
pub fn hash(slab: &[u32]) -> StateHash {
    Avx2::detect().map_or_else(|| hash_body(slab), |avx2| avx2.hash(slab))
}

impl MatchHandle {
    /// Returns the handle of a slot; a backend gives no two matches the same three.
    #[must_use]
    pub fn new(capacity: Capacity, slot: u32, generation: u32) -> Self {
        Self { capacity: capacity.index() as u8, slot, generation }
    }

    /// Returns the size class, or `None` if no backend made this handle.
    #[must_use]
    pub fn capacity(self) -> Option<Capacity> {
        Capacity::ALL.get(usize::from(self.capacity)).copied()
    }

    /// Returns the slot.
    #[must_use]
    pub fn slot(self) -> u32 {
        self.slot
    }

    /// Returns how many matches had the slot before.
    #[must_use]
    pub fn generation(self) -> u32 {
        self.generation
    }
}

/// Returns inputs that hold for some ticks, mostly firing, with seats changing hands now and then:
/// what two backends are compared by.
#[must_use]
pub fn wild_inputs(seed: u32, tick: u32) -> SeatInputs {
    std::array::from_fn(|p| {
        let mut input = Input::unpack(rng(seed, tick >> 3, p as u32, 7));
        let dice = rng(seed, tick, p as u32, 8);
        input.buttons = match dice % 1_024 {
            0 => buttons::LEAVE,
            1..8 => buttons::JOIN,
            8..16 => buttons::JOIN | buttons::BOT,
            16 => buttons::JOIN | buttons::LEAVE,
            17..128 => 0,
            _ => buttons::FIRE,
        };
        if tick == 0 {
            input.buttons = buttons::JOIN;
        }
        input
    })
}
