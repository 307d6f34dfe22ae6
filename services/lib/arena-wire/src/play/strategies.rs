//! Random messages and views for properties.

use proptest::prelude::*;

use super::extras::DRONES_MAX;
use super::frame::FrameHead;
use super::view::{Drone, Extras, Flag, OwnView, PlayerView, SEATS, Shot, View, WORLD_BITS};
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

fn extras() -> impl Strategy<Value = Option<Extras>> {
    let position = 0..1_u16 << 15;
    let place = (position.clone(), position);
    let flag = prop_oneof![
        Just(Flag::Home),
        (0..SEATS as u8).prop_map(|seat| Flag::Carried { seat }),
        place.clone().prop_map(|(x, y)| Flag::Dropped { x, y }),
    ];
    let drones = prop::collection::btree_map(0..DRONES_MAX as u8, (place, any::<u8>()), 0..40);
    let drones = drones.prop_map(|drones| {
        let drone = |(index, ((x, y), health))| Drone { index, x, y, health };
        drones.into_iter().map(drone).collect()
    });
    prop::option::of(
        (any::<[u16; 2]>(), [flag.clone(), flag], any::<(u16, u8)>(), drones).prop_map(
            |(scores, flags, (pickups, boost), drones)| Extras {
                scores,
                flags,
                pickups,
                boost,
                drones,
            },
        ),
    )
}

fn view_at(tick: u32) -> impl Strategy<Value = View> {
    (prop::array::uniform16(player()), own(), shots(tick), extras())
        .prop_map(move |(players, own, shots, extras)| View { tick, players, own, shots, extras })
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
    (next, any::<u16>(), any::<u64>(), any::<[bool; 2]>()).prop_map(
        move |(mut next, players, shots, [own, extras])| {
            for seat in (0..SEATS).filter(|it| players >> it & 1 == 1) {
                next.players[seat] = base.players[seat];
            }
            if own {
                next.own = base.own;
            }
            if let (true, Some(next), Some(base)) = (extras, &mut next.extras, &base.extras) {
                // Some drones stay as they are, others make a step.
                for drone in &mut next.drones {
                    if let Some(before) = base.drones.iter().find(|it| it.index == drone.index) {
                        drone.x = before.x.saturating_sub(u16::from(drone.health & 3));
                        drone.y = before.y;
                    }
                }
                next.flags[0] = base.flags[0];
                next.pickups = base.pickups;
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
