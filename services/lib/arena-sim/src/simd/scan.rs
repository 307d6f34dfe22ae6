//! Thirty-two slots at a time, a byte each once their places are known: `vector::Portable` says the same in
//! plain words.
//!
//! Tables of 16 bytes are looked up by a shuffle of bytes. What is wider is split: masks of 16 seats or
//! columns into their bytes, 32 strips into the tables of either half.
use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_castsi256_ps, _mm256_cmpeq_epi8, _mm256_cmpeq_epi16, _mm256_madd_epi16,
    _mm256_movemask_epi8, _mm256_movemask_ps, _mm256_or_si256, _mm256_packs_epi16,
    _mm256_packs_epi32, _mm256_packus_epi16, _mm256_packus_epi32, _mm256_permute4x64_epi64,
    _mm256_permutevar8x32_epi32, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setr_epi32, _mm256_setr_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_slli_epi32, _mm256_srai_epi32, _mm256_srli_epi16, _mm256_srli_epi32, _mm256_sub_epi32,
};

use super::{fetch, load, load_halves};
use crate::ruleset::Compiled;
use crate::slab::Columns;
use crate::systems::strips::{STRIP_SHIFT, STRIPS, Strips};
use crate::systems::vector::{GROUP, Marks, Sight};

/// An age is 11 bits at most: shifted by this it fits a signed half of a word, and its product with a
/// velocity is the way flown.
const AGE_SHIFT: i32 = 4;

/// Marks what each slot in flight meets.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
pub(super) fn scan_avx2<const N: usize, const CROWD: bool>(
    world: &Columns<'_, N>,
    sight: Sight<'_>,
    marks: &mut Marks,
) {
    let tables = Tables::of(sight.strips, sight.rules);
    let tick = _mm256_set1_epi32(sight.tick as i32);
    let oldest = _mm256_set1_epi16((sight.rules.lifetime_ticks << AGE_SHIFT) as i16);
    let x = world.x.as_chunks::<GROUP>().0;
    let y = world.y.as_chunks::<GROUP>().0;
    let v = world.v.as_chunks::<GROUP>().0;
    let life = world.life.as_chunks::<GROUP>().0;
    let mut lines = sight.soon.chunks(GROUP / 8);
    for i in 0..N / GROUP {
        for line in lines.next().unwrap_or_default() {
            fetch(line);
        }
        let life = quarters(&life[i]);
        let any =
            _mm256_or_si256(_mm256_or_si256(life[0], life[1]), _mm256_or_si256(life[2], life[3]));
        if _mm256_movemask_ps(_mm256_castsi256_ps(any)) == 0 {
            continue;
        }
        // A closure for all four would be called, with everything in memory.
        let (x, y, v) = (quarters(&x[i]), quarters(&y[i]), quarters(&v[i]));
        let flown = [
            Flown::of(x[0], y[0], v[0], life[0], tick),
            Flown::of(x[1], y[1], v[1], life[1], tick),
            Flown::of(x[2], y[2], v[2], life[2], tick),
            Flown::of(x[3], y[3], v[3], life[3], tick),
        ];
        let group = Group::of(&flown, &life, oldest);
        let quiet = _mm256_and_si256(tables.quiet(&group), tables.alone::<CROWD>(&group));
        marks.met[i] = signs_of(_mm256_andnot_si256(quiet, group.live));
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn quarters(words: &[u32; GROUP]) -> [__m256i; 4] {
    let words = words.as_chunks::<8>().0;
    [load(&words[0]), load(&words[1]), load(&words[2]), load(&words[3])]
}

/// Eight slots: the strips of their places, and their ages, shifted.
#[derive(Clone, Copy)]
struct Flown {
    column: __m256i,
    row: __m256i,
    age: __m256i,
}

impl Flown {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn of(x: __m256i, y: __m256i, v: __m256i, life: __m256i, tick: __m256i) -> Self {
        // What is left of an age in the high half meets a velocity's y there, and its x in the low half.
        let high = _mm256_slli_epi32::<{ 16 + AGE_SHIFT }>(_mm256_sub_epi32(tick, life));
        let age = _mm256_srli_epi32::<16>(high);
        let x = _mm256_add_epi32(x, _mm256_madd_epi16(v, age));
        let y = _mm256_add_epi32(y, _mm256_madd_epi16(v, high));
        let strip_of = |place| _mm256_srai_epi32::<{ STRIP_SHIFT as i32 }>(place);
        Self { column: strip_of(x), row: strip_of(y), age }
    }
}

/// Thirty-two slots, a byte each, in the order that [`signs_of`] undoes.
#[derive(Clone, Copy)]
struct Group {
    /// Strips; none of 0 to 31 outside of the arena or on its far border.
    column: __m256i,
    row: __m256i,
    owner: __m256i,
    /// The sign says that it flies.
    live: __m256i,
    /// All ones where its last tick has come.
    old: __m256i,
}

impl Group {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn of(flown: &[Flown; 4], life: &[__m256i; 4], oldest: __m256i) -> Self {
        let high = life.map(|it| _mm256_srai_epi32::<16>(it));
        let high = [_mm256_packs_epi32(high[0], high[1]), _mm256_packs_epi32(high[2], high[3])];
        let fifteen = _mm256_set1_epi16(15);
        let owner = high.map(|it| _mm256_and_si256(it, fifteen));
        let age = [
            _mm256_packs_epi32(flown[0].age, flown[1].age),
            _mm256_packs_epi32(flown[2].age, flown[3].age),
        ];
        let old = age.map(|it| _mm256_cmpeq_epi16(it, oldest));
        Self {
            column: narrow(flown.map(|it| it.column)),
            row: narrow(flown.map(|it| it.row)),
            owner: _mm256_packus_epi16(owner[0], owner[1]),
            live: _mm256_packs_epi16(high[0], high[1]),
            old: _mm256_packs_epi16(old[0], old[1]),
        }
    }
}

/// Returns words as bytes, the nearest there is.
#[target_feature(enable = "avx2")]
#[inline]
fn narrow(words: [__m256i; 4]) -> __m256i {
    let low = _mm256_packs_epi32(words[0], words[1]);
    _mm256_packs_epi16(low, _mm256_packs_epi32(words[2], words[3]))
}

/// Returns the top bit of each byte of a [`Group`], slot by slot.
#[target_feature(enable = "avx2")]
#[inline]
fn signs_of(bytes: __m256i) -> u32 {
    // Packing leaves four slots of each quarter in the lower half and four in the upper one.
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_movemask_epi8(_mm256_permutevar8x32_epi32(bytes, order)) as u32
}

/// Sixteen masks of 16 bits: the low and the high byte of each.
type Masks = [__m256i; 2];

/// Returns what both bytes have in common.
#[target_feature(enable = "avx2")]
#[inline]
fn both(a: Masks, b: Masks) -> Masks {
    [_mm256_and_si256(a[0], b[0]), _mm256_and_si256(a[1], b[1])]
}

/// Returns the masks as two tables to look up.
#[target_feature(enable = "avx2")]
#[inline]
fn tables_of(masks: __m256i) -> Masks {
    let low = _mm256_and_si256(masks, _mm256_set1_epi16(0xff));
    let high = _mm256_srli_epi16::<8>(masks);
    // Packing gives eight bytes and the same again in either half.
    [low, high].map(|it| _mm256_permute4x64_epi64::<0b10_00_10_00>(_mm256_packus_epi16(it, it)))
}

/// Returns the masks at each index below 16; none where its sign is set.
#[target_feature(enable = "avx2")]
#[inline]
fn look_up(tables: Masks, index: __m256i) -> Masks {
    tables.map(|it| _mm256_shuffle_epi8(it, index))
}

/// What a place or an owner says about a projectile.
#[derive(Clone, Copy)]
struct Tables {
    /// Players in reach of the lower and the upper half of the strips.
    rows: [Masks; 2],
    columns: [Masks; 2],
    /// Seats that a shot of the owner can hit.
    aimed: Masks,
    /// Columns of each row of cells.
    walls: Masks,
    drones: Masks,
}

impl Tables {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn of(strips: &Strips, rules: &Compiled) -> Self {
        let halves = |strips: &[u32; STRIPS]| {
            let words = quarters(strips);
            // Packing puts the middle quarters of a half the wrong way round.
            [[words[0], words[1]], [words[2], words[3]]].map(|[low, high]| {
                let mixed = _mm256_packus_epi32(low, high);
                tables_of(_mm256_permute4x64_epi64::<0b11_01_10_00>(mixed))
            })
        };
        Self {
            rows: halves(&strips.rows),
            columns: halves(&strips.columns),
            aimed: tables_of(load_halves(&rules.aimed)),
            walls: tables_of(load_halves(&rules.wall_rows)),
            drones: tables_of(load_halves(&strips.drones)),
        }
    }

    /// Returns all ones where a projectile meets no wall, no border and not its age.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn quiet(&self, group: &Group) -> __m256i {
        let walls = both(look_up(self.walls, cell_of(group.row)), column_bit(group.column));
        let beyond = _mm256_set1_epi8(!(STRIPS as i8 - 1));
        let outside = _mm256_and_si256(_mm256_or_si256(group.column, group.row), beyond);
        let met = _mm256_or_si256(_mm256_or_si256(walls[0], walls[1]), outside);
        _mm256_andnot_si256(group.old, nothing(met))
    }

    /// Returns all ones where a projectile is near no player it can hit and, if `CROWD`, near no drone.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn alone<const CROWD: bool>(&self, group: &Group) -> __m256i {
        let there = both(by_strip(self.rows, group.row), by_strip(self.columns, group.column));
        let players = both(there, look_up(self.aimed, group.owner));
        let mut any = _mm256_or_si256(players[0], players[1]);
        if CROWD {
            let drones = both(look_up(self.drones, cell_of(group.row)), column_bit(group.column));
            any = _mm256_or_si256(any, _mm256_or_si256(drones[0], drones[1]));
        }
        nothing(any)
    }
}

/// Returns all ones where a byte is zero.
#[target_feature(enable = "avx2")]
#[inline]
fn nothing(bytes: __m256i) -> __m256i {
    _mm256_cmpeq_epi8(bytes, _mm256_setzero_si256())
}

/// Returns the players of each strip. The index of the half that is not meant has its sign set.
#[target_feature(enable = "avx2")]
#[inline]
fn by_strip(halves: [Masks; 2], strip: __m256i) -> Masks {
    let lower = look_up(halves[0], _mm256_add_epi8(strip, _mm256_set1_epi8(112)));
    let upper = look_up(halves[1], _mm256_add_epi8(strip, _mm256_set1_epi8(-16)));
    [_mm256_or_si256(lower[0], upper[0]), _mm256_or_si256(lower[1], upper[1])]
}

/// Returns the cell of each strip, some cell if it is outside.
#[target_feature(enable = "avx2")]
#[inline]
fn cell_of(strip: __m256i) -> __m256i {
    _mm256_and_si256(_mm256_srli_epi16::<1>(strip), _mm256_set1_epi8(15))
}

/// Returns the bit of a strip's cell in a mask of columns.
#[target_feature(enable = "avx2")]
#[inline]
fn column_bit(strip: __m256i) -> Masks {
    let bits = 0x8040_2010_0804_0201_u64 as i64;
    let low = _mm256_setr_epi64x(bits, 0, bits, 0);
    let high = _mm256_setr_epi64x(0, bits, 0, bits);
    look_up([low, high], cell_of(strip))
}
