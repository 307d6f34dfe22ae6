//! Random messages and views for properties.

use proptest::prelude::*;

use super::frame::FrameHead;
use super::view::{OwnView, PlayerView, SEATS, Shot, View, WORLD_BITS};
use arena_types::{Epoch, Tick};

pub(super) fn head() -> impl Strategy<Value = FrameHead> {
    (any::<u32>(), any::<i8>(), any::<bool>(), 0..u32::MAX).prop_map(
        |(input_seq, lead, finished, epoch)| FrameHead {
            tick: Tick(0),
            baseline: None,
            input_seq,
            lead,
            finished,
            epoch: Epoch(epoch),
        },
    )
}

fn player() -> impl Strategy<Value = PlayerView> {
    let position = 0..1_u16 << 15;
    (any::<(bool, bool, u8, u8, u16, u16)>(), position.clone(), position).prop_map(
        |((here, alive, health, aim, kills, deaths), x, y)| PlayerView {
            here,
            alive,
            health,
            x,
            y,
            aim,
            kills,
            deaths,
        },
    )
}

fn own() -> impl Strategy<Value = Option<OwnView>> {
    let place = 0..1_u32 << WORLD_BITS;
    prop::option::of((place.clone(), place, any::<(i16, i16, u8, u16)>()).prop_map(
        |(x, y, (vx, vy, cooldown, respawn))| OwnView { x, y, vx, vy, cooldown, respawn },
    ))
}

fn shots(tick: u32) -> impl Strategy<Value = Vec<Shot>> {
    let place = 0..1_u32 << WORLD_BITS;
    let shot = (
        (0..SEATS as u8, 0..=tick.min(300), 1..300_u32),
        (place.clone(), place),
        any::<(i16, i16)>(),
    );
    prop::collection::btree_map(0..2048_u16, shot, 0..40).prop_map(move |shots| {
        shots
            .into_iter()
            .map(|(slot, ((owner, age, left), (x, y), (vx, vy)))| Shot {
                slot,
                owner,
                at: tick - age,
                until: tick + left,
                x,
                y,
                vx,
                vy,
            })
            .collect()
    })
}

fn view_at(tick: u32) -> impl Strategy<Value = View> {
    (prop::array::uniform16(player()), own(), shots(tick))
        .prop_map(move |(players, own, shots)| View { tick, players, own, shots })
}

pub(super) fn view() -> impl Strategy<Value = View> {
    (1..100_000_u32).prop_flat_map(view_at)
}

/// A later view that shares some players and the shots that still fly with `base`.
pub(super) fn view_after(base: View) -> impl Strategy<Value = View> {
    let next = (1..400_u32).prop_flat_map({
        let tick = base.tick;
        move |step| view_at(tick + step)
    });
    (next, any::<u16>(), any::<u64>(), any::<bool>()).prop_map(
        move |(mut next, players, shots, own)| {
            for seat in (0..SEATS).filter(|it| players >> it & 1 == 1) {
                next.players[seat] = base.players[seat];
            }
            if own {
                next.own = base.own;
            }
            for (index, shot) in base.shots.iter().enumerate() {
                if shots >> (index % 64) & 1 == 1 && shot.until > next.tick {
                    next.shots.retain(|it| it.slot != shot.slot);
                    next.shots.push(*shot);
                }
            }
            next.shots.sort_unstable_by_key(|it| it.slot);
            next
        },
    )
}
