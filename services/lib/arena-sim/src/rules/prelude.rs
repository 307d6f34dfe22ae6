//! What WGSL has built in, under the same names; a shader gets `wadd` and `wmul` as two lines of its own.

/// Wrapping sum.
#[inline(always)]
pub(crate) fn wadd(a: u32, b: u32) -> u32 {
    a.wrapping_add(b)
}

/// Wrapping product.
#[inline(always)]
pub(crate) fn wmul(a: u32, b: u32) -> u32 {
    a.wrapping_mul(b)
}

/// The same bits as a signed number.
#[inline(always)]
pub(crate) fn i32(x: u32) -> i32 {
    x as i32
}

/// The same bits as an unsigned number.
#[inline(always)]
pub(crate) fn u32(x: i32) -> u32 {
    x as u32
}

/// `if_true` where `condition` holds, else `if_false`: WGSL's order of arguments.
#[inline(always)]
pub(crate) fn select<T>(if_false: T, if_true: T, condition: bool) -> T {
    if condition { if_true } else { if_false }
}

/// The lesser of two.
#[inline(always)]
pub(crate) fn min<T: Ord>(a: T, b: T) -> T {
    a.min(b)
}

/// The greater of two.
#[inline(always)]
pub(crate) fn max<T: Ord>(a: T, b: T) -> T {
    a.max(b)
}

/// The magnitude.
#[inline(always)]
pub(crate) fn abs(x: i32) -> i32 {
    x.abs()
}

/// `x` between `low` and `high`; `low` must not exceed `high`.
#[inline(always)]
pub(crate) fn clamp<T: Ord>(x: T, low: T, high: T) -> T {
    x.max(low).min(high)
}
