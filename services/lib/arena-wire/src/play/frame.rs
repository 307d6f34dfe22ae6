//! Frames: a head that every game has, and the arena's body, the delta between two views, bit-packed.
//!
//! A frame is encoded against the newest frame the client has acknowledged, its baseline, or
//! against the empty view if there is none. Both sides first drop the baseline's shots that have
//! flown their time, so only hits and changes of sight cost bits.

use arena_types::{Epoch, Tick};

use super::extras::{read_extras, write_extras};
use super::view::{OwnView, PlayerView, SEATS, SHOTS_MAX, Shot, View, WORLD_BITS};
use crate::bits::{BitReader, BitWriter, DecodeError, fits};

/// The first byte of a frame.
pub const FRAME_TYPE: u8 = 0x85;

/// Bits of a position, in 1/128 units.
const POSITION_BITS: u32 = 15;
/// Bits of a position relative to the baseline: ± 2 units, more than a player runs in 100 ms.
const STEP_BITS: u32 = 9;
/// Bits of a shot's slot.
const SLOT_BITS: u32 = 11;
/// The fewest bits a removed and an added shot take, so that a hostile count ends a decode early.
const REMOVED_BITS_MIN: usize = 1;
const ADDED_BITS_MIN: usize = SLOT_BITS as usize + 4 + 2 + 2 * WORLD_BITS as usize + 32;

const _: () = assert!(SHOTS_MAX == 1 << SLOT_BITS && SEATS == 1 << 4);

/// What a frame says besides the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct FrameHead {
    /// The view's tick.
    pub tick: Tick,
    /// The tick of the view it was encoded against, at most 255 ticks older; `None` is the empty
    /// view, which everyone has.
    pub baseline: Option<Tick>,
    /// The last input that counted in this view; 0 if none.
    pub input_seq: u32,
    /// How many ticks early the newest input came; negative: it came late. A client below 1 speeds
    /// up a little, above 3 it slows down.
    pub lead: i8,
    /// True once the match is over and the view stands still.
    pub finished: bool,
    /// The owner's epoch; it never falls.
    pub epoch: Epoch,
}

impl FrameHead {
    /// Reads the head alone.
    ///
    /// # Errors
    /// Any [`DecodeError`] but [`DecodeError::NoBaseline`].
    pub fn peek(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self::split(bytes)?.0)
    }

    /// Returns the bytes of a frame up to its body, which follows; the memory of `buffer` is used again.
    ///
    /// # Panics
    /// If the baseline is not 1 to 255 ticks older.
    #[must_use]
    pub fn encode(self, buffer: Vec<u8>) -> Vec<u8> {
        let age = self.baseline.map_or(0, |it| self.tick.0 - it.0);
        let mut out = BitWriter::reuse(buffer);
        out.bits(u32::from(FRAME_TYPE), 8);
        out.bits(self.tick.0, 32);
        out.bits(age, 8);
        out.bits(self.input_seq, 32);
        out.signed(i32::from(self.lead), 8);
        out.bit(self.finished);
        out.gamma(self.epoch.0.min(u32::MAX - 1));
        out.finish()
    }

    /// Reads the head of a frame and returns it with the bytes of the body, whatever game's it is.
    ///
    /// # Errors
    /// Any [`DecodeError`] but [`DecodeError::NoBaseline`].
    pub fn split(bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut input = BitReader::new(bytes);
        let found = input.u8("type")?;
        if found != FRAME_TYPE {
            return Err(DecodeError::UnknownType { found });
        }
        let tick = input.u32("tick")?;
        let age = u32::from(input.u8("age")?);
        if tick == 0 || age >= tick {
            let found = format!("{age} at tick {tick}");
            return Err(DecodeError::BadValue { field: "age", found });
        }
        let head = Self {
            tick: Tick(tick),
            baseline: (age > 0).then(|| Tick(tick - age)),
            input_seq: input.u32("input_seq")?,
            lead: input.signed(8, "lead")? as i8,
            finished: input.bit("finished")?,
            epoch: Epoch(input.gamma("epoch")?),
        };
        Ok((head, input.rest()?))
    }
}

/// Encodes `view` against `baseline`; `head.tick` and `head.baseline` are taken from the two.
///
/// A baseline of another match's time line (not older, or over 255 ticks older) is not used.
/// The memory of `buffer` is used again. O(players + shots).
///
/// # Panics
/// If the view breaks the ranges in its documentation.
#[must_use]
pub fn encode_frame(
    head: FrameHead,
    view: &View,
    baseline: Option<&View>,
    buffer: Vec<u8>,
) -> Vec<u8> {
    let baseline =
        baseline.filter(|it| it.tick > 0 && it.tick < view.tick && view.tick - it.tick < 256);
    let head =
        FrameHead { tick: Tick(view.tick), baseline: baseline.map(|it| Tick(it.tick)), ..head };
    write_view(view, baseline, head.encode(buffer))
}

/// Encodes the body of a frame: `view` against `baseline`, which the head must name.
///
/// # Panics
/// As [`encode_frame`].
#[must_use]
pub fn encode_view(view: &View, baseline: Option<&View>) -> Vec<u8> {
    write_view(view, baseline, Vec::new())
}

fn write_view(view: &View, baseline: Option<&View>, head: Vec<u8>) -> Vec<u8> {
    let empty = View::default();
    let base = baseline.unwrap_or(&empty);
    let mut out = BitWriter::after(head);
    out.bit(view.own.is_some());
    out.bit(view.own != base.own);
    out.bit(view.extras.is_some());
    write_players(&view.players, &base.players, &mut out);
    if let Some(own) = view.own.filter(|_| view.own != base.own) {
        write_own(own, &mut out);
    }
    write_shots(view, base, &mut out);
    if let Some(extras) = &view.extras {
        write_extras(extras, &base.extras.clone().unwrap_or_default(), &mut out);
    }
    out.finish()
}

/// Decodes a frame. `baseline` is the view of the tick that [`FrameHead::peek`] names; it is not
/// looked at for a full frame.
///
/// # Errors
/// [`DecodeError::NoBaseline`] if the frame needs a view of another tick than `baseline`'s; any
/// other [`DecodeError`] for bytes that no encoder writes.
pub fn decode_frame(
    bytes: &[u8],
    baseline: Option<&View>,
) -> Result<(FrameHead, View), DecodeError> {
    let (head, body) = FrameHead::split(bytes)?;
    let mut reader = BitReader::new(body);
    let empty = View::default();
    let base = match head.baseline {
        None => &empty,
        Some(tick) => baseline
            .filter(|it| it.tick == tick.0)
            .ok_or(DecodeError::NoBaseline { tick: tick.0 })?,
    };
    let is_here = reader.bit("own here")?;
    let is_changed = reader.bit("own changed")?;
    let has_extras = reader.bit("extras")?;
    let players = read_players(&base.players, &mut reader)?;
    let own = match (is_here, is_changed) {
        (true, true) => Some(read_own(&mut reader)?),
        (true, false) => Some(base.own.ok_or_else(|| DecodeError::BadValue {
            field: "own changed",
            found: "an unchanged body that the baseline lacks".to_owned(),
        })?),
        (false, _) => None,
    };
    let shots = read_shots(head.tick.0, base, &mut reader)?;
    let extras = if has_extras {
        Some(read_extras(&base.extras.clone().unwrap_or_default(), &mut reader)?)
    } else {
        None
    };
    reader.finish()?;
    Ok((head, View { tick: head.tick.0, players, own, shots, extras }))
}

type Players = [PlayerView; SEATS];

fn write_players(players: &Players, base: &Players, out: &mut BitWriter) {
    let mask = (0..SEATS).filter(|it| players[*it] != base[*it]).fold(0, |mask, it| mask | 1 << it);
    out.bits(mask, SEATS as u32);
    for (player, base) in players.iter().zip(base).filter(|(player, base)| player != base) {
        write_player(player, base, out);
    }
}

fn write_player(player: &PlayerView, base: &PlayerView, out: &mut BitWriter) {
    let moved = (player.x, player.y) != (base.x, base.y);
    let turned = player.aim != base.aim;
    let hurt = (player.here, player.alive, player.health) != (base.here, base.alive, base.health);
    let scored = (player.kills, player.deaths) != (base.kills, base.deaths);
    for part in [moved, turned, hurt, scored] {
        out.bit(part);
    }
    if moved {
        let dx = i32::from(player.x) - i32::from(base.x);
        let dy = i32::from(player.y) - i32::from(base.y);
        let near = fits(dx, STEP_BITS) && fits(dy, STEP_BITS);
        out.bit(near);
        if near {
            out.signed(dx, STEP_BITS);
            out.signed(dy, STEP_BITS);
        } else {
            out.bits(u32::from(player.x), POSITION_BITS);
            out.bits(u32::from(player.y), POSITION_BITS);
        }
    }
    if turned {
        out.bits(u32::from(player.aim), 8);
    }
    if hurt {
        out.bit(player.here);
        out.bit(player.alive);
        out.bits(u32::from(player.health), 8);
    }
    if scored {
        out.gamma(u32::from(player.kills));
        out.gamma(u32::from(player.deaths));
    }
}

fn read_players(base: &Players, input: &mut BitReader<'_>) -> Result<Players, DecodeError> {
    let mask = input.bits(SEATS as u32, "players")?;
    let mut players = *base;
    for (seat, player) in players.iter_mut().enumerate() {
        if mask >> seat & 1 == 1 {
            read_player(player, input)?;
        }
    }
    Ok(players)
}

fn read_player(player: &mut PlayerView, input: &mut BitReader<'_>) -> Result<(), DecodeError> {
    let [moved, turned, hurt, scored] =
        [input.bit("moved")?, input.bit("turned")?, input.bit("hurt")?, input.bit("scored")?];
    if moved {
        if input.bit("near")? {
            player.x = stepped(player.x, input, "x")?;
            player.y = stepped(player.y, input, "y")?;
        } else {
            player.x = input.bits(POSITION_BITS, "x")? as u16;
            player.y = input.bits(POSITION_BITS, "y")? as u16;
        }
    }
    if turned {
        player.aim = input.u8("aim")?;
    }
    if hurt {
        player.here = input.bit("here")?;
        player.alive = input.bit("alive")?;
        player.health = input.u8("health")?;
    }
    if scored {
        player.kills = score(input, "kills")?;
        player.deaths = score(input, "deaths")?;
    }
    Ok(())
}

fn stepped(from: u16, input: &mut BitReader<'_>, field: &'static str) -> Result<u16, DecodeError> {
    let to = i32::from(from) + input.signed(STEP_BITS, field)?;
    if (0..1 << POSITION_BITS).contains(&to) {
        Ok(to as u16)
    } else {
        Err(DecodeError::BadValue { field, found: to.to_string() })
    }
}

fn score(input: &mut BitReader<'_>, field: &'static str) -> Result<u16, DecodeError> {
    let found = input.gamma(field)?;
    u16::try_from(found).map_err(|_| DecodeError::BadValue { field, found: found.to_string() })
}

fn write_own(own: OwnView, out: &mut BitWriter) {
    out.bits(own.x, WORLD_BITS);
    out.bits(own.y, WORLD_BITS);
    out.signed(i32::from(own.vx), 16);
    out.signed(i32::from(own.vy), 16);
    out.bits(u32::from(own.cooldown), 8);
    out.gamma(u32::from(own.respawn));
}

fn read_own(input: &mut BitReader<'_>) -> Result<OwnView, DecodeError> {
    Ok(OwnView {
        x: input.bits(WORLD_BITS, "own x")?,
        y: input.bits(WORLD_BITS, "own y")?,
        vx: input.signed(16, "own vx")? as i16,
        vy: input.signed(16, "own vy")? as i16,
        cooldown: input.u8("cooldown")?,
        respawn: score(input, "respawn")?,
    })
}

/// The baseline's shots that still fly at `tick` by their own time.
fn flying(base: &View, tick: u32) -> impl Iterator<Item = &Shot> {
    base.shots.iter().filter(move |it| it.until > tick)
}

/// Removed: how many, then for each the shots of the baseline skipped since the last removed one.
/// Added: how many, then each in full.
fn write_shots(view: &View, base: &View, out: &mut BitWriter) {
    let kept = |shot: &Shot| {
        view.shots
            .binary_search_by_key(&shot.slot, |it| it.slot)
            .is_ok_and(|at| view.shots[at] == *shot)
    };
    let removed = flying(base, view.tick).filter(|it| !kept(it)).count();
    out.gamma(removed as u32);
    let mut skipped = 0;
    for shot in flying(base, view.tick) {
        if kept(shot) {
            skipped += 1;
        } else {
            out.gamma(skipped);
            skipped = 0;
        }
    }
    let known = |shot: &Shot| {
        base.shots
            .binary_search_by_key(&shot.slot, |it| it.slot)
            .is_ok_and(|at| base.shots[at] == *shot)
    };
    out.gamma(view.shots.iter().filter(|it| !known(it)).count() as u32);
    for shot in view.shots.iter().filter(|it| !known(it)) {
        write_shot(shot, view.tick, out);
    }
}

fn write_shot(shot: &Shot, tick: u32, out: &mut BitWriter) {
    assert!(shot.at <= tick && shot.until > tick, "a shot of the view's time: {shot:?}");
    out.bits(u32::from(shot.slot), SLOT_BITS);
    out.bits(u32::from(shot.owner), 4);
    out.gamma(tick - shot.at);
    out.gamma(shot.until - tick - 1);
    out.bits(shot.x, WORLD_BITS);
    out.bits(shot.y, WORLD_BITS);
    out.signed(i32::from(shot.vx), 16);
    out.signed(i32::from(shot.vy), 16);
}

fn read_shots(tick: u32, base: &View, input: &mut BitReader<'_>) -> Result<Vec<Shot>, DecodeError> {
    let mut shots: Vec<Shot> = flying(base, tick).copied().collect();
    let removed = count(input, REMOVED_BITS_MIN, "removed")?;
    let mut index = 0;
    for _ in 0..removed {
        index += input.gamma("skipped")? as usize;
        if index >= shots.len() {
            let found = format!("shot {index} of {}", shots.len());
            return Err(DecodeError::BadValue { field: "skipped", found });
        }
        shots.remove(index);
    }
    let added = count(input, ADDED_BITS_MIN, "added")?;
    for _ in 0..added {
        shots.push(read_shot(tick, input)?);
    }
    shots.sort_unstable_by_key(|it| it.slot);
    match shots.windows(2).find(|pair| pair[0].slot == pair[1].slot) {
        None => Ok(shots),
        Some(pair) => {
            Err(DecodeError::BadValue { field: "slot", found: format!("{} twice", pair[0].slot) })
        }
    }
}

fn read_shot(tick: u32, input: &mut BitReader<'_>) -> Result<Shot, DecodeError> {
    let slot = input.bits(SLOT_BITS, "slot")? as u16;
    let owner = input.bits(4, "owner")? as u8;
    let outside = |field| DecodeError::BadValue { field, found: "a time before 0".to_owned() };
    let at = tick.checked_sub(input.gamma("age of shot")?).ok_or_else(|| outside("age of shot"))?;
    let left = input.gamma("ticks left")?;
    Ok(Shot {
        slot,
        owner,
        at,
        until: tick.checked_add(left).and_then(|it| it.checked_add(1)).ok_or_else(|| {
            DecodeError::BadValue { field: "ticks left", found: left.to_string() }
        })?,
        x: input.bits(WORLD_BITS, "shot x")?,
        y: input.bits(WORLD_BITS, "shot y")?,
        vx: input.signed(16, "shot vx")? as i16,
        vy: input.signed(16, "shot vy")? as i16,
    })
}

/// Reads how many entries follow; each takes at least `entry_bits`, so nothing is allocated for
/// a count that the bytes cannot hold.
fn count(
    input: &mut BitReader<'_>,
    entry_bits: usize,
    field: &'static str,
) -> Result<usize, DecodeError> {
    let len = input.gamma(field)? as usize;
    let max = (input.left_bits() / entry_bits).min(SHOTS_MAX);
    if len > max { Err(DecodeError::TooLong { field, len, max }) } else { Ok(len) }
}

#[cfg(test)]
mod tests;
