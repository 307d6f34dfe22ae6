//! Eight drones at a time: `systems::crowd::walk_each` says the same in plain words, and every path must give the
//! same bits.
use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256, _mm256_blendv_epi8,
    _mm256_cmpeq_epi32, _mm256_cmpgt_epi32, _mm256_max_epi32, _mm256_min_epi32, _mm256_or_si256,
    _mm256_permutevar8x32_epi32, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_si256,
    _mm256_slli_epi32, _mm256_srai_epi32, _mm256_srli_epi32, _mm256_sub_epi32,
};

use super::motion::{Motions, clamp};
use super::targets::{Pair, Players, in_reach, lowest_bit, pair, pick};
use super::{cell_of, each_lane, gather_bytes, load, signs_of, store, words_of};
use crate::PLAYERS;
use crate::movement::Movement;
use crate::rules::space::{CELL_SHIFT, METRE, cell_at};
use crate::ruleset::Compiled;
use crate::slab::{Columns, DRONES};
use crate::systems::Impacts;
use crate::systems::crowd::{FIELD_ROW, Field};
use crate::systems::strips::Strips;

/// Lets the standing drones walk and bite and the others wait; returns those that stand up now.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
pub(super) fn walk_avx2<const N: usize>(
    world: &mut Columns<'_, N>,
    alive: u32,
    strips: &Strips,
    field: &Field,
    rules: &Compiled,
    impacts: &mut Impacts,
) -> u64 {
    let Some(crowd) = &mut world.crowd else { return 0 };
    let players = Players::of(world.player_x, world.player_y);
    let guide = Guide::of(world.player_x, world.player_y, alive, field);
    let movement = Movement::of_drones(rules);
    let x = crowd.x.as_chunks_mut::<8>().0;
    let y = crowd.y.as_chunks_mut::<8>().0;
    let v = crowd.v.as_chunks_mut::<8>().0;
    let status = crowd.status.as_chunks_mut::<8>().0;
    let (zero, byte) = (_mm256_setzero_si256(), _mm256_set1_epi32(255));
    let mut rising = 0;
    for i in 0..(rules.drones as usize).div_ceil(8).min(DRONES / 8) {
        let before = Motions { x: load(&x[i]), y: load(&y[i]), v: load(&v[i]) };
        let state = load(&status[i]);
        let health = _mm256_and_si256(state, byte);
        let stands = _mm256_cmpgt_epi32(health, zero);
        let (goal_x, goal_y) = guide.goal(&before, &players, i);
        let after = before.step(pull(before.x, goal_x), pull(before.y, goal_y), &movement);
        store(&mut x[i], _mm256_blendv_epi8(before.x, after.x, stands));
        store(&mut y[i], _mm256_blendv_epi8(before.y, after.y, stands));
        store(&mut v[i], _mm256_blendv_epi8(before.v, after.v, stands));

        let bite = _mm256_and_si256(_mm256_srli_epi32::<8>(state), byte);
        let bite = less_one(bite);
        let ready = _mm256_and_si256(stands, _mm256_cmpeq_epi32(bite, zero));
        let near = _mm256_and_si256(in_reach(strips, after.x, after.y), ready);
        let (bites, victims) = players.first_hit::<true>(after.x, after.y, near, rules);
        let victims = words_of(victims);
        each_lane(bites, |k| impacts.bite(victims[k] as usize % PLAYERS, rules.bite_damage));
        let pause = _mm256_set1_epi32(rules.bite_pause_ticks as i32);
        let bite = _mm256_blendv_epi8(bite, pause, bites);
        let standing = _mm256_or_si256(health, _mm256_slli_epi32::<8>(bite));

        let wait = _mm256_srli_epi32::<16>(state);
        let waiting = _mm256_slli_epi32::<16>(less_one(wait));
        store(&mut status[i], _mm256_blendv_epi8(waiting, standing, stands));
        let last = _mm256_andnot_si256(stands, _mm256_cmpeq_epi32(wait, _mm256_set1_epi32(1)));
        rising |= u64::from(signs_of(last)) << (8 * i);
    }
    rising
}

/// Returns numbers that are not negative less one, but no less than zero.
#[target_feature(enable = "avx2")]
#[inline]
fn less_one(x: __m256i) -> __m256i {
    _mm256_max_epi32(_mm256_sub_epi32(x, _mm256_set1_epi32(1)), _mm256_setzero_si256())
}

/// Returns one axis of the sticks that lead to a goal.
#[target_feature(enable = "avx2")]
#[inline]
fn pull(from: __m256i, goal: __m256i) -> __m256i {
    let way = _mm256_srai_epi32::<9>(_mm256_sub_epi32(goal, from));
    clamp(way, _mm256_set1_epi32(-127), _mm256_set1_epi32(127))
}

/// What leads drones.
struct Guide<'a> {
    /// Players that stand in each row and column.
    rows: Pair,
    columns: Pair,
    field: &'a Field,
}

impl<'a> Guide<'a> {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn of(x: &[u32; PLAYERS], y: &[u32; PLAYERS], alive: u32, field: &'a Field) -> Self {
        let (mut rows, mut columns) = ([0; 16], [0; 16]);
        let mut left = alive;
        while left != 0 {
            let p = left.trailing_zeros() as usize % PLAYERS;
            left &= left - 1;
            let cell = cell_at(x[p] as i32, y[p] as i32) as usize;
            rows[cell >> 4 & 15] |= 1 << p;
            columns[cell & 15] |= 1 << p;
        }
        Self { rows: pair(&rows), columns: pair(&columns), field }
    }

    /// Returns where the drones of a register go: to the first player in their own cell, else to the middle
    /// of the next cell, else nowhere.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn goal(&self, at: &Motions, players: &Players, register: usize) -> (__m256i, __m256i) {
        let fifteen = _mm256_set1_epi32(15);
        let row = _mm256_min_epi32(cell_of(at.y), fifteen);
        let column = _mm256_min_epi32(cell_of(at.x), fifteen);
        let way = self.way(column, row, register);
        // Ways: right, below, left, above; from the fifth on none.
        let right = _mm256_setr_epi32(1, 0, -1, 0, 0, 0, 0, 0);
        let below = _mm256_setr_epi32(0, 1, 0, -1, 0, 0, 0, 0);
        let next = |lane, step| {
            let lane = _mm256_add_epi32(lane, _mm256_permutevar8x32_epi32(step, way));
            let start = _mm256_slli_epi32::<{ CELL_SHIFT as i32 }>(lane);
            _mm256_add_epi32(start, _mm256_set1_epi32(2 * METRE))
        };
        let nowhere = _mm256_cmpgt_epi32(way, _mm256_set1_epi32(3));
        let x = _mm256_blendv_epi8(next(column, right), at.x, nowhere);
        let y = _mm256_blendv_epi8(next(row, below), at.y, nowhere);
        let here = _mm256_and_si256(pick(self.rows, row), pick(self.columns, column));
        let anyone = _mm256_cmpgt_epi32(here, _mm256_setzero_si256());
        let seat = lowest_bit(here);
        (
            _mm256_blendv_epi8(x, pick(players.x, seat), anyone),
            _mm256_blendv_epi8(y, pick(players.y, seat), anyone),
        )
    }

    /// Returns the neighbour, 0 to 3, that each drone ranks first of those nearer to a player; 4 if none is.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn way(&self, column: __m256i, row: __m256i, register: usize) -> __m256i {
        let down = _mm256_set1_epi32(FIELD_ROW as i32);
        let (byte, three) = (_mm256_set1_epi32(255), _mm256_set1_epi32(3));
        // The cell's left neighbour in its row.
        const { assert!(FIELD_ROW == 16 + 4) };
        let left = _mm256_add_epi32(_mm256_slli_epi32::<4>(row), _mm256_slli_epi32::<2>(row));
        let left = _mm256_add_epi32(_mm256_add_epi32(left, column), down);
        let middle = gather_bytes(self.field, left);
        let nearest = |word, shifted: bool| {
            let word = if shifted { _mm256_srli_epi32::<16>(word) } else { word };
            _mm256_and_si256(word, byte)
        };
        let own = _mm256_and_si256(_mm256_srli_epi32::<8>(middle), byte);
        let one = _mm256_set1_epi32(1);
        let above = gather_bytes(self.field, _mm256_add_epi32(_mm256_sub_epi32(left, down), one));
        let below = gather_bytes(self.field, _mm256_add_epi32(_mm256_add_epi32(left, down), one));
        let first = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let drone = _mm256_add_epi32(first, _mm256_set1_epi32(8 * register as i32));
        let none = _mm256_set1_epi32(i32::MAX);
        let rank = |way: i32, distance| {
            let tie = _mm256_and_si256(_mm256_add_epi32(drone, _mm256_set1_epi32(way)), three);
            let rank = _mm256_or_si256(_mm256_slli_epi32::<2>(distance), tie);
            _mm256_blendv_epi8(none, rank, _mm256_cmpgt_epi32(own, distance))
        };
        let best = _mm256_min_epi32(
            _mm256_min_epi32(rank(0, nearest(middle, true)), rank(1, nearest(below, false))),
            _mm256_min_epi32(rank(2, nearest(middle, false)), rank(3, nearest(above, false))),
        );
        let way = _mm256_and_si256(_mm256_sub_epi32(best, drone), three);
        let four = _mm256_set1_epi32(4);
        _mm256_blendv_epi8(way, four, _mm256_cmpeq_epi32(best, none))
    }
}
