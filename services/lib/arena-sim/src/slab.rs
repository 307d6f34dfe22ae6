//! The state of one match: a slab of words, columns inside.
//!
//! Header (16 words), five columns of 16 player words, four columns of N projectile words; see the
//! constants. Words are little-endian wherever they are bytes. Matches lie back to back, each padded to
//! a multiple of 64 words, so that lane i of a GPU and vector i of a CPU touch neighbours.

/// Seats of a match.
pub const PLAYERS: usize = 16;
/// Grows when the layout or any rule changes what a slab means: the golden hashes change with it.
pub const SCHEMA: u32 = 1;

/// Words of the header.
pub(crate) const HEADER: usize = 16;
/// Header: ticks stepped so far.
pub(crate) const TICK: usize = 0;
/// Header: the seed.
pub(crate) const SEED: usize = 1;
/// Header: the projectile slot that is filled next.
pub(crate) const CURSOR: usize = 2;
/// Header: bit 0 finished, bits 8.. the reason.
pub(crate) const FLAGS: usize = 3;
/// Header: version and hash (low, high) of the rules, three words.
pub(crate) const RULES: usize = 4;
/// Header: bit p = seat p is taken, bit 16 + p = by a bot.
pub(crate) const SEATS: usize = 7;
/// Header: the first of the spare words, all zero.
pub(crate) const SPARE: usize = 8;

/// Where the players' columns start: x, y, velocity, status, score.
pub(crate) const PLAYER_COLUMNS: usize = HEADER;
/// Where the projectiles' columns start: x, y, velocity, life.
pub(crate) const PROJECTILE_COLUMNS: usize = HEADER + 5 * PLAYERS;

/// Slabs start at multiples of this many words: 256 B, a GPU's binding alignment.
const ALIGNMENT: usize = 64;

/// Returns the words of a slab with `projectiles` slots.
pub(crate) const fn words(projectiles: usize) -> usize {
    PROJECTILE_COLUMNS + 4 * projectiles
}

/// Returns the words from one slab to the next.
pub(crate) const fn stride(projectiles: usize) -> usize {
    words(projectiles).div_ceil(ALIGNMENT) * ALIGNMENT
}

/// A slab's columns.
pub(crate) struct Columns<'a, const N: usize> {
    pub(crate) header: &'a mut [u32; HEADER],
    pub(crate) player_x: &'a mut [u32; PLAYERS],
    pub(crate) player_y: &'a mut [u32; PLAYERS],
    pub(crate) player_v: &'a mut [u32; PLAYERS],
    pub(crate) status: &'a mut [u32; PLAYERS],
    pub(crate) score: &'a mut [u32; PLAYERS],
    pub(crate) x: &'a mut [u32; N],
    pub(crate) y: &'a mut [u32; N],
    pub(crate) v: &'a mut [u32; N],
    pub(crate) life: &'a mut [u32; N],
}

#[inline(always)]
fn split<const N: usize>(slab: &mut [u32]) -> (&mut [u32; N], &mut [u32]) {
    slab.split_first_chunk_mut().expect("a slab holds all its columns")
}

impl<'a, const N: usize> Columns<'a, N> {
    /// Splits a slab of `words(N)` words or more.
    #[inline(always)]
    pub(crate) fn of(slab: &'a mut [u32]) -> Self {
        let (header, slab) = split(slab);
        let (player_x, slab) = split(slab);
        let (player_y, slab) = split(slab);
        let (player_v, slab) = split(slab);
        let (status, slab) = split(slab);
        let (score, slab) = split(slab);
        let (x, slab) = split(slab);
        let (y, slab) = split(slab);
        let (v, slab) = split(slab);
        let (life, _) = split(slab);
        Self { header, player_x, player_y, player_v, status, score, x, y, v, life }
    }
}

/// Makes `slab` a match that has not begun: all seats empty.
pub(crate) fn begin(slab: &mut [u32], seed: u32, fingerprint: [u32; 3]) {
    slab.fill(0);
    slab[SEED] = seed;
    slab[RULES..RULES + 3].copy_from_slice(&fingerprint);
}
