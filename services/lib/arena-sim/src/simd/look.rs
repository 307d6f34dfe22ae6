//! Eight projectiles at a time that meet something: `systems::flight::fly` says the same in plain words, and
//! every path must give the same bits.
use std::arch::x86_64::{
    __m256i, _mm256_abs_epi32, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_blendv_epi8, _mm256_castps_si256, _mm256_cmpeq_epi32, _mm256_cmpgt_epi32,
    _mm256_cvtepi32_ps, _mm256_max_epi32, _mm256_min_epi32, _mm256_mullo_epi32, _mm256_or_si256,
    _mm256_permutevar8x32_epi32, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_si256,
    _mm256_sign_epi32, _mm256_slli_epi32, _mm256_sllv_epi32, _mm256_srai_epi32, _mm256_srli_epi32,
    _mm256_sub_epi32, _mm256_xor_si256,
};

use super::play::{clamp, wall_at};
use super::{fetch, gather, load, signs_of, store, widen};
use crate::PLAYERS;
use crate::rules::projectile::{self, OWNER_SHIFT};
use crate::rules::space::ARENA;
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};
use crate::systems::strips::{STRIP_SHIFT, STRIPS, Strips};
use crate::systems::vector::Met;
use crate::systems::{Impacts, flight};

/// The slots that meet something are about this part of all: what is to be fetched is spread over them.
const LOOKS: usize = 32;

/// Flies the slots in `met`.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
pub(super) fn look_avx2<const N: usize>(
    world: &mut Columns<'_, N>,
    met: Met<'_, N>,
    rules: &Compiled,
    impacts: &mut Impacts,
) {
    let players = Players::of(world);
    let tick = _mm256_set1_epi32(world.header[slab::TICK] as i32 + 1);
    let order = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let mut lines = met.soon.chunks(N / LOOKS);
    for (i, slots) in met.slots.as_chunks::<8>().0.iter().enumerate() {
        if i * 8 >= met.count {
            break;
        }
        let used = _mm256_cmpgt_epi32(_mm256_set1_epi32((met.count - i * 8) as i32), order);
        let slots = widen(slots);
        for line in lines.next().unwrap_or_default() {
            fetch(line);
        }
        let before = Flight {
            x: gather(world.x, slots),
            y: gather(world.y, slots),
            v: gather(world.v, slots),
            life: gather(world.life, slots),
        };
        let flown = before.fly(tick, rules);
        let free = _mm256_andnot_si256(flown.walled, used);
        let targets = players_near(&flown, before.life, met.strips, rules);
        let (struck, victims) = players.first_hit(&flown, _mm256_and_si256(targets, free), rules);
        let (slots, victims) = (words_of(slots), words_of(victims));
        each_lane(struck, |k| {
            let slot = slots[k] as usize % N;
            flight::strike_player(world, slot, victims[k] as usize % PLAYERS, rules, impacts);
        });
        let mut spent = _mm256_or_si256(_mm256_and_si256(flown.ends, used), struck);
        if world.crowd.is_some() {
            let (x, y) = (words_of(flown.x), words_of(flown.y));
            each_lane(_mm256_andnot_si256(struck, free), |k| {
                let (slot, at) = (slots[k] as usize % N, (x[k] as i32, y[k] as i32));
                let near = met.strips.near(at.0, at.1).drones;
                if near && flight::strikes_drone(world, slot, at, rules, impacts) {
                    let lane = _mm256_cmpeq_epi32(order, _mm256_set1_epi32(k as i32));
                    spent = _mm256_or_si256(spent, lane);
                }
            });
        }
        each_lane(spent, |k| {
            let slot = slots[k] as usize % N;
            flight::clear(world, slot, projectile::spent(world.life[slot]));
        });
        let (x, y, v) = (words_of(flown.line_x), words_of(flown.line_y), words_of(flown.v));
        each_lane(_mm256_andnot_si256(spent, _mm256_and_si256(flown.turned, used)), |k| {
            let slot = slots[k] as usize % N;
            (world.x[slot], world.y[slot], world.v[slot]) = (x[k], y[k], v[k]);
        });
    }
    for line in lines.flatten() {
        fetch(line);
    }
}

/// Returns a register as words.
#[target_feature(enable = "avx2")]
#[inline]
fn words_of(register: __m256i) -> [u32; 8] {
    let mut words = [0; 8];
    store(&mut words, register);
    words
}

/// Acts for each lane whose sign is set.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
fn each_lane(mask: __m256i, mut act: impl FnMut(usize)) {
    let mut left = signs_of(mask);
    while left != 0 {
        act(left.trailing_zeros() as usize % 8);
        left &= left - 1;
    }
}

/// Eight projectiles as they are in the slab.
#[derive(Clone, Copy)]
struct Flight {
    x: __m256i,
    y: __m256i,
    v: __m256i,
    life: __m256i,
}

/// Eight projectiles a tick later.
#[derive(Clone, Copy)]
struct Flown {
    /// Where they are.
    x: __m256i,
    y: __m256i,
    /// All ones in a wall's cell.
    walled: __m256i,
    /// All ones where the wall or the age ends it.
    ends: __m256i,
    /// All ones where it has another line now, and that line.
    turned: __m256i,
    line_x: __m256i,
    line_y: __m256i,
    v: __m256i,
}

/// One axis.
#[derive(Clone, Copy)]
struct Axis {
    place: __m256i,
    v: __m256i,
}

impl Axis {
    /// Returns where a line is at an age, reflected by the border.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn reach(origin: __m256i, v: __m256i, age: __m256i) -> Self {
        let far = _mm256_add_epi32(origin, _mm256_mullo_epi32(_mm256_slli_epi32::<4>(v), age));
        let near = _mm256_abs_epi32(far);
        let place = _mm256_min_epi32(near, _mm256_sub_epi32(_mm256_set1_epi32(2 * ARENA), near));
        Self { place, v: turn_unless(_mm256_cmpeq_epi32(far, place), v) }
    }

    /// Returns the place one tick earlier.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn back(self) -> __m256i {
        let before = _mm256_sub_epi32(self.place, _mm256_slli_epi32::<4>(self.v));
        clamp(before, _mm256_setzero_si256(), _mm256_set1_epi32(ARENA))
    }

    /// Returns the axis after a ricochet that keeps it in the lanes of `keeps`.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn turned_unless(self, keeps: __m256i, back: __m256i) -> Self {
        let place = _mm256_blendv_epi8(back, self.place, keeps);
        Self { place, v: turn_unless(keeps, self.v) }
    }

    /// Returns the origin of the line that is here at an age.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn origin(self, age: __m256i) -> __m256i {
        _mm256_sub_epi32(self.place, _mm256_mullo_epi32(_mm256_slli_epi32::<4>(self.v), age))
    }
}

/// Returns the velocity turned round in the lanes that are no ones in `keeps`.
#[target_feature(enable = "avx2")]
#[inline]
fn turn_unless(keeps: __m256i, v: __m256i) -> __m256i {
    let ones = _mm256_set1_epi32(-1);
    // 1 where it is kept, -1 elsewhere.
    let sign = _mm256_or_si256(_mm256_xor_si256(keeps, ones), _mm256_set1_epi32(1));
    _mm256_sign_epi32(v, sign)
}

impl Flight {
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    #[inline]
    fn fly(self, tick: __m256i, rules: &Compiled) -> Flown {
        let low_half = _mm256_set1_epi32(0xffff);
        let age = _mm256_and_si256(_mm256_sub_epi32(tick, self.life), low_half);
        let vx = _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(self.v));
        let vy = _mm256_srai_epi32::<16>(self.v);
        let (mut x, mut y) = (Axis::reach(self.x, vx, age), Axis::reach(self.y, vy, age));
        let (at_x, at_y) = (x.place, y.place);
        let walled = wall_at(at_x, at_y, rules);
        let youngest = _mm256_set1_epi32(rules.lifetime_ticks as i32 - 1);
        let mut ends = _mm256_or_si256(_mm256_cmpgt_epi32(age, youngest), walled);
        if rules.walls_bounce && signs_of(walled) != 0 {
            let (back_x, back_y) = (x.back(), y.back());
            let (wall_x, wall_y) = (wall_at(back_x, at_y, rules), wall_at(at_x, back_y, rules));
            // An axis is kept if it alone would not be free while the other would.
            let keeps_x = _mm256_andnot_si256(wall_y, wall_x);
            let keeps_y = _mm256_andnot_si256(wall_x, wall_y);
            let free = _mm256_xor_si256(walled, _mm256_set1_epi32(-1));
            x = x.turned_unless(_mm256_or_si256(keeps_x, free), back_x);
            y = y.turned_unless(_mm256_or_si256(keeps_y, free), back_y);
            let stuck = _mm256_and_si256(walled, wall_at(x.place, y.place, rules));
            ends = _mm256_or_si256(_mm256_cmpgt_epi32(age, youngest), stuck);
        }
        let v = _mm256_or_si256(_mm256_and_si256(x.v, low_half), _mm256_slli_epi32::<16>(y.v));
        let straight = _mm256_cmpeq_epi32(v, self.v);
        Flown {
            x: at_x,
            y: at_y,
            walled,
            ends,
            turned: _mm256_xor_si256(straight, _mm256_set1_epi32(-1)),
            line_x: x.origin(age),
            line_y: y.origin(age),
            v,
        }
    }
}

/// Returns the players worth a test in each lane.
#[target_feature(enable = "avx2")]
#[inline]
fn players_near(flown: &Flown, life: __m256i, strips: &Strips, rules: &Compiled) -> __m256i {
    let last = _mm256_set1_epi32(STRIPS as i32 - 1);
    let strip = |p| _mm256_min_epi32(_mm256_srli_epi32::<{ STRIP_SHIFT as i32 }>(p), last);
    let rows = gather(&strips.rows, strip(flown.y));
    let there = _mm256_and_si256(rows, gather(&strips.columns, strip(flown.x)));
    // `choose` is below 16: it takes the owner's bits and no others.
    let choose = _mm256_set1_epi32(rules.spared_choose as i32);
    let shooter = _mm256_and_si256(_mm256_srli_epi32::<{ OWNER_SHIFT as i32 }>(life), choose);
    let pattern = _mm256_set1_epi32(rules.spared_pattern as i32);
    _mm256_andnot_si256(_mm256_sllv_epi32(pattern, shooter), there)
}

/// Where all players are, in registers.
struct Players {
    x: [__m256i; 2],
    y: [__m256i; 2],
}

impl Players {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn of<const N: usize>(world: &Columns<'_, N>) -> Self {
        let halves = |words: &[u32; PLAYERS]| {
            let words = words.as_chunks::<8>().0;
            [load(&words[0]), load(&words[1])]
        };
        Self { x: halves(world.player_x), y: halves(world.player_y) }
    }

    /// Returns all ones where the first of the players in `left` that is hit exists, and its seat.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn first_hit(&self, flown: &Flown, mut left: __m256i, rules: &Compiled) -> (__m256i, __m256i) {
        let zero = _mm256_setzero_si256();
        let (mut struck, mut victims) = (zero, zero);
        let margin = _mm256_set1_epi32(rules.hit_margin);
        let reach = _mm256_set1_epi32(rules.hit_radius_squared);
        loop {
            let some = _mm256_cmpgt_epi32(left, zero);
            if signs_of(some) == 0 {
                return (struck, victims);
            }
            let seat = lowest_bit(left);
            let dx = _mm256_sub_epi32(flown.x, pick(self.x, seat));
            let dy = _mm256_sub_epi32(flown.y, pick(self.y, seat));
            let farthest = _mm256_max_epi32(_mm256_abs_epi32(dx), _mm256_abs_epi32(dy));
            let squared = |d| {
                let d = _mm256_srai_epi32::<4>(d);
                _mm256_mullo_epi32(d, d)
            };
            let distance = _mm256_add_epi32(squared(dx), squared(dy));
            let misses = _mm256_or_si256(
                _mm256_cmpgt_epi32(farthest, margin),
                _mm256_cmpgt_epi32(distance, reach),
            );
            let hits = _mm256_andnot_si256(misses, some);
            struck = _mm256_or_si256(struck, hits);
            victims = _mm256_blendv_epi8(victims, seat, hits);
            let others = _mm256_and_si256(left, _mm256_sub_epi32(left, _mm256_set1_epi32(1)));
            left = _mm256_andnot_si256(hits, others);
        }
    }
}

/// Returns the number of the lowest bit that is set.
#[target_feature(enable = "avx2")]
#[inline]
fn lowest_bit(x: __m256i) -> __m256i {
    let own = _mm256_and_si256(x, _mm256_sub_epi32(_mm256_setzero_si256(), x));
    // A power of two as a float is its exponent.
    let float = _mm256_castps_si256(_mm256_cvtepi32_ps(own));
    _mm256_sub_epi32(_mm256_srli_epi32::<23>(float), _mm256_set1_epi32(127))
}

/// Returns the word of each index, of which the lowest four bits count.
#[target_feature(enable = "avx2")]
#[inline]
fn pick(words: [__m256i; 2], index: __m256i) -> __m256i {
    let low = _mm256_permutevar8x32_epi32(words[0], index);
    let high = _mm256_permutevar8x32_epi32(words[1], index);
    let upper = _mm256_srai_epi32::<31>(_mm256_slli_epi32::<28>(index));
    _mm256_blendv_epi8(low, high, upper)
}
