//! Eight players at a time: `systems::players::play` says the same in plain words, and every path must give
//! the same bits.
use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_blendv_epi8, _mm256_cmpeq_epi32, _mm256_max_epi32,
    _mm256_or_si256, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_si256, _mm256_slli_epi32,
    _mm256_srai_epi32, _mm256_srli_epi32, _mm256_sub_epi32,
};

use super::motion::Motions;
use super::{load, signs_of, store};
use crate::PLAYERS;
use crate::input::{Input, SeatInputs, buttons};
use crate::movement::Movement;
use crate::ruleset::Compiled;
use crate::slab::Columns;

/// Players in a register.
const WIDTH: usize = 8;

/// Moves and aims the players in `playing` and returns who fires.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
pub(super) fn play_avx2<const N: usize>(
    world: &mut Columns<'_, N>,
    playing: u32,
    inputs: &SeatInputs,
    rules: &Compiled,
) -> u32 {
    let inputs = inputs.map(Input::pack);
    let inputs = inputs.as_chunks::<WIDTH>().0;
    let x = world.player_x.as_chunks_mut::<WIDTH>().0;
    let y = world.player_y.as_chunks_mut::<WIDTH>().0;
    let v = world.player_v.as_chunks_mut::<WIDTH>().0;
    let status = world.status.as_chunks_mut::<WIDTH>().0;
    let movement = Movement::of_compiled(rules);
    let mut fired = 0;
    for i in 0..PLAYERS / WIDTH {
        let plays = lanes_of(playing >> (i * WIDTH));
        let input = load(&inputs[i]);
        let before = Motions { x: load(&x[i]), y: load(&y[i]), v: load(&v[i]) };
        let stick_x = _mm256_srai_epi32::<24>(_mm256_slli_epi32::<24>(input));
        let stick_y = _mm256_srai_epi32::<24>(_mm256_slli_epi32::<16>(input));
        let after = before.step(stick_x, stick_y, &movement);
        store(&mut x[i], _mm256_blendv_epi8(before.x, after.x, plays));
        store(&mut y[i], _mm256_blendv_epi8(before.y, after.y, plays));
        store(&mut v[i], _mm256_blendv_epi8(before.v, after.v, plays));
        let state = load(&status[i]);
        let (next, fires) = aim_and_fire(state, input, rules);
        store(&mut status[i], _mm256_blendv_epi8(state, next, plays));
        fired |= u32::from(signs_of(_mm256_and_si256(fires, plays))) << (i * WIDTH);
    }
    fired
}

/// Returns all ones in the lanes whose bit is set among the lowest eight.
#[target_feature(enable = "avx2")]
#[inline]
fn lanes_of(bits: u32) -> __m256i {
    let own = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits as i32), own), own)
}

/// Returns the status of living players after a tick, and all ones where a shot is fired.
#[target_feature(enable = "avx2")]
#[inline]
fn aim_and_fire(status: __m256i, input: __m256i, rules: &Compiled) -> (__m256i, __m256i) {
    const FIRE_TO_SIGN: i32 = 31 - 24 - buttons::FIRE.trailing_zeros() as i32;
    let (zero, byte) = (_mm256_setzero_si256(), _mm256_set1_epi32(0xff));
    let cooldown = _mm256_and_si256(_mm256_srli_epi32::<16>(status), byte);
    let ready = _mm256_max_epi32(_mm256_sub_epi32(cooldown, _mm256_set1_epi32(1)), zero);
    let pressed = _mm256_srai_epi32::<31>(_mm256_slli_epi32::<FIRE_TO_SIGN>(input));
    let fires = _mm256_and_si256(pressed, _mm256_cmpeq_epi32(ready, zero));
    let pause = _mm256_set1_epi32(rules.cooldown_ticks as i32);
    let cooldown = _mm256_blendv_epi8(ready, pause, fires);
    let aim = _mm256_and_si256(_mm256_srli_epi32::<8>(input), _mm256_set1_epi32(0xff00));
    let health = _mm256_and_si256(status, byte);
    let next = _mm256_or_si256(_mm256_or_si256(health, aim), _mm256_slli_epi32::<16>(cooldown));
    (next, fires)
}
