//! What a view shows beside players and shots: drones, pick-ups, flags, scores of teams.
//!
//! Encoded against the baseline's; a match without any of it costs no bits.

use super::view::{Drone, Extras, Flag, SEATS};
use crate::bits::{BitReader, BitWriter, DecodeError, fits};

/// Drones of a view, at most; an index is below it.
pub const DRONES_MAX: usize = 64;

const POSITION_BITS: u32 = 15;
const STEP_BITS: u32 = 9;
const HOME: u32 = 0;
const CARRIED: u32 = 1;
const DROPPED: u32 = 2;

const _: () = assert!(SEATS == 1 << 4);

/// Writes `extras` against `base`.
///
/// # Panics
/// If the drones are not ascending by index or out of range.
pub(super) fn write_extras(extras: &Extras, base: &Extras, out: &mut BitWriter) {
    out.bit(extras.scores != base.scores);
    if extras.scores != base.scores {
        extras.scores.iter().for_each(|it| out.gamma(u32::from(*it)));
    }
    for (flag, base) in extras.flags.iter().zip(&base.flags) {
        out.bit(flag != base);
        if flag != base {
            write_flag(*flag, out);
        }
    }
    out.bit(extras.pickups != base.pickups);
    if extras.pickups != base.pickups {
        out.bits(u32::from(extras.pickups), 16);
    }
    out.bit(extras.boost != base.boost);
    if extras.boost != base.boost {
        out.bits(u32::from(extras.boost), 8);
    }
    let mut mask = 0_u64;
    for drone in &extras.drones {
        assert!(mask >> drone.index == 0, "drones ascend by index");
        mask |= 1 << drone.index;
    }
    out.bits(mask as u32, 32);
    out.bits((mask >> 32) as u32, 32);
    for drone in &extras.drones {
        write_drone(*drone, find(base, drone.index), out);
    }
}

fn find(base: &Extras, index: u8) -> Option<&Drone> {
    let at = base.drones.binary_search_by_key(&index, |it| it.index).ok()?;
    Some(&base.drones[at])
}

fn write_flag(flag: Flag, out: &mut BitWriter) {
    match flag {
        Flag::Home => out.bits(HOME, 2),
        Flag::Carried { seat } => {
            out.bits(CARRIED, 2);
            out.bits(u32::from(seat), 4);
        }
        Flag::Dropped { x, y } => {
            out.bits(DROPPED, 2);
            out.bits(u32::from(x), POSITION_BITS);
            out.bits(u32::from(y), POSITION_BITS);
        }
    }
}

fn write_drone(drone: Drone, base: Option<&Drone>, out: &mut BitWriter) {
    let Some(base) = base else {
        out.bits(u32::from(drone.x), POSITION_BITS);
        out.bits(u32::from(drone.y), POSITION_BITS);
        return out.bits(u32::from(drone.health), 8);
    };
    let dx = i32::from(drone.x) - i32::from(base.x);
    let dy = i32::from(drone.y) - i32::from(base.y);
    out.bit((dx, dy) != (0, 0));
    if (dx, dy) != (0, 0) {
        let near = fits(dx, STEP_BITS) && fits(dy, STEP_BITS);
        out.bit(near);
        if near {
            out.signed(dx, STEP_BITS);
            out.signed(dy, STEP_BITS);
        } else {
            out.bits(u32::from(drone.x), POSITION_BITS);
            out.bits(u32::from(drone.y), POSITION_BITS);
        }
    }
    out.bit(drone.health != base.health);
    if drone.health != base.health {
        out.bits(u32::from(drone.health), 8);
    }
}

/// Reads what [`write_extras`] writes.
pub(super) fn read_extras(base: &Extras, input: &mut BitReader<'_>) -> Result<Extras, DecodeError> {
    let mut extras = Extras { drones: Vec::new(), ..base.clone() };
    if input.bit("scores")? {
        for score in &mut extras.scores {
            let found = input.gamma("score")?;
            *score = u16::try_from(found).map_err(|_| bad("score", &found.to_string()))?;
        }
    }
    for flag in &mut extras.flags {
        if input.bit("flag")? {
            *flag = read_flag(input)?;
        }
    }
    if input.bit("pickups")? {
        extras.pickups = input.bits(16, "pickups")? as u16;
    }
    if input.bit("boost")? {
        extras.boost = input.u8("boost")?;
    }
    let (low, high) = (input.bits(32, "drones")?, input.bits(32, "drones")?);
    let mask = u64::from(low) | u64::from(high) << 32;
    for index in (0..DRONES_MAX as u8).filter(|it| mask >> it & 1 == 1) {
        extras.drones.push(read_drone(index, find(base, index), input)?);
    }
    Ok(extras)
}

fn read_flag(input: &mut BitReader<'_>) -> Result<Flag, DecodeError> {
    Ok(match input.bits(2, "flag")? {
        HOME => Flag::Home,
        CARRIED => Flag::Carried { seat: input.bits(4, "carrier")? as u8 },
        DROPPED => Flag::Dropped {
            x: input.bits(POSITION_BITS, "flag x")? as u16,
            y: input.bits(POSITION_BITS, "flag y")? as u16,
        },
        found => return Err(bad("flag", &found.to_string())),
    })
}

fn read_drone(
    index: u8,
    base: Option<&Drone>,
    input: &mut BitReader<'_>,
) -> Result<Drone, DecodeError> {
    let position = |input: &mut BitReader<'_>| -> Result<(u16, u16), DecodeError> {
        let x = input.bits(POSITION_BITS, "drone x")? as u16;
        Ok((x, input.bits(POSITION_BITS, "drone y")? as u16))
    };
    let Some(base) = base else {
        let (x, y) = position(input)?;
        return Ok(Drone { index, x, y, health: input.u8("drone health")? });
    };
    let mut drone = *base;
    if input.bit("drone moved")? {
        if input.bit("drone near")? {
            drone.x = stepped(base.x, input, "drone x")?;
            drone.y = stepped(base.y, input, "drone y")?;
        } else {
            (drone.x, drone.y) = position(input)?;
        }
    }
    if input.bit("drone hurt")? {
        drone.health = input.u8("drone health")?;
    }
    Ok(drone)
}

fn stepped(from: u16, input: &mut BitReader<'_>, field: &'static str) -> Result<u16, DecodeError> {
    let to = i32::from(from) + input.signed(STEP_BITS, field)?;
    let to = u16::try_from(to).ok().filter(|it| it >> POSITION_BITS == 0);
    to.ok_or_else(|| bad(field, "outside of the world"))
}

fn bad(field: &'static str, found: &str) -> DecodeError {
    DecodeError::BadValue { field, found: found.to_owned() }
}
