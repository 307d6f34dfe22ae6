// Pick-ups: health and boost, taken by who touches them first in the order of seats. A lane a pick-up:
// a player stands on one cell, so no two lanes look at the same player.

fn take(lane: u32) {
    if rule(R_PICKUPS_COUNT) == 0u {
        return;
    }
    let seats = atomicLoad(&alive_seats) & ~atomicLoad(&died_seats);
    for (var i = lane; i < PICKUPS; i += WG) {
        pickup_wait[i] -= min(pickup_wait[i], 1u);
        let cell = rule(R_PICKUPS + i);
        for (var rest = seats; rest != 0u && pickup_wait[i] == 0u; rest &= rest - 1u) {
            let p = countTrailingZeros(rest);
            let dx = player_x[p] - middle(cell & 15u);
            let dy = player_y[p] - middle(cell >> 4u);
            if cell_at(player_x[p], player_y[p]) == cell && touches(dx, dy) && use_pickup(i, p) {
                pickup_wait[i] = rule(R_PICKUP_RESPAWN_TICKS);
                atomicOr(&taken_seats, 1u << p);
            }
        }
    }
}

// Gives the player what the pick-up has, or says that the player is well.
fn use_pickup(i: u32, p: u32) -> bool {
    let state = player_status[p];
    if (i & 1u) == 1u {
        player_effects[p] = rule(R_BOOST_TICKS);
        return true;
    }
    if health(state) >= rule(R_HEALTH) {
        return false;
    }
    let healed = min(health(state) + rule(R_PICKUP_HEALTH), rule(R_HEALTH));
    player_status[p] = pack_status(healed, aim(state), cooldown(state), 0u);
    return true;
}
