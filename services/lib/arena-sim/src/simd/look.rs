//! Eight projectiles at a time that meet something: `systems::flight::fly` says the same in plain words, and
//! every path must give the same bits.
use std::arch::x86_64::{
    __m256i, _mm256_abs_epi32, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_blendv_epi8, _mm256_cmpeq_epi32, _mm256_cmpgt_epi32, _mm256_min_epi32,
    _mm256_mullo_epi32, _mm256_or_si256, _mm256_set1_epi32, _mm256_setr_epi32,
    _mm256_setzero_si256, _mm256_sign_epi32, _mm256_slli_epi32, _mm256_sllv_epi32,
    _mm256_srai_epi32, _mm256_srli_epi32, _mm256_sub_epi32, _mm256_xor_si256,
};

use super::motion::{clamp, wall_at};
use super::targets::{Herd, Players, in_reach};
use super::{each_lane, fetch, gather, signs_of, widen, words_of};
use crate::PLAYERS;
use crate::rules::projectile::{self, OWNER_SHIFT};
use crate::rules::space::ARENA;
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};
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
    let players = Players::of(world.player_x, world.player_y);
    let herd = world.crowd.as_ref().map(|crowd| Herd::of(crowd, met.strips));
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
        let near = in_reach(met.strips, flown.x, flown.y);
        let spared = spared_by(before.life, rules);
        let targets = _mm256_and_si256(_mm256_andnot_si256(spared, near), free);
        let (struck, victims) = players.first_hit::<false>(flown.x, flown.y, targets, rules);
        let (slots, victims) = (words_of(slots), words_of(victims));
        each_lane(struck, |k| {
            let slot = slots[k] as usize % N;
            flight::strike_player(world, slot, victims[k] as usize % PLAYERS, rules, impacts);
        });
        let mut spent = _mm256_or_si256(_mm256_and_si256(flown.ends, used), struck);
        if let Some(herd) = &herd {
            let (x, y) = (words_of(flown.x), words_of(flown.y));
            let near = herd.reach(flown.x, flown.y);
            each_lane(_mm256_andnot_si256(struck, _mm256_and_si256(near, free)), |k| {
                let candidates = herd.near(x[k], y[k], rules);
                let slot = slots[k] as usize % N;
                if flight::strikes_drone(world, slot, (x[k], y[k]), candidates, rules, impacts) {
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
        let walls = &rules.walls;
        let walled = wall_at(at_x, at_y, walls);
        let youngest = _mm256_set1_epi32(rules.lifetime_ticks as i32 - 1);
        let mut ends = _mm256_or_si256(_mm256_cmpgt_epi32(age, youngest), walled);
        if rules.walls_bounce && signs_of(walled) != 0 {
            let (back_x, back_y) = (x.back(), y.back());
            let (wall_x, wall_y) = (wall_at(back_x, at_y, walls), wall_at(at_x, back_y, walls));
            // An axis is kept if it alone would not be free while the other would.
            let keeps_x = _mm256_andnot_si256(wall_y, wall_x);
            let keeps_y = _mm256_andnot_si256(wall_x, wall_y);
            let free = _mm256_xor_si256(walled, _mm256_set1_epi32(-1));
            x = x.turned_unless(_mm256_or_si256(keeps_x, free), back_x);
            y = y.turned_unless(_mm256_or_si256(keeps_y, free), back_y);
            let stuck = _mm256_and_si256(walled, wall_at(x.place, y.place, walls));
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

/// Returns the seats that each shot passes.
#[target_feature(enable = "avx2")]
#[inline]
fn spared_by(life: __m256i, rules: &Compiled) -> __m256i {
    // `choose` is below 16: it takes the owner's bits and no others.
    let choose = _mm256_set1_epi32(rules.spared_choose as i32);
    let shooter = _mm256_and_si256(_mm256_srli_epi32::<{ OWNER_SHIFT as i32 }>(life), choose);
    _mm256_sllv_epi32(_mm256_set1_epi32(rules.spared_pattern as i32), shooter)
}
