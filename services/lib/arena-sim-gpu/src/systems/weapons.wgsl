// Shots become projectiles. A lane a pellet: the shooter's rank among those who fired decides the slot.

fn fire(lane: u32) {
    let fired = atomicLoad(&fired_seats);
    let pellets = rule(R_PELLETS);
    for (var shot = lane; shot < PLAYERS * pellets; shot += WG) {
        let p = shot / pellets;
        if ((fired >> p) & 1u) == 0u {
            continue;
        }
        let pellet = shot % pellets;
        let rank = countOneBits(fired & ((1u << p) - 1u));
        let random = rng(header[SEED], header[TICK], p, pellet);
        let turn = pellet_direction(aim(player_status[p]), random, rule(R_SPREAD));
        let cos = cosine(turn);
        let sin = cosine(turn - 64u);
        let speed = pellet_speed(random, signed_rule(R_SPEED), signed_rule(R_SPEED_JITTER));
        let slot = (header[CURSOR] + rank * pellets + pellet) & (N - 1u);
        let at = slab + PROJECTILES_AT + slot;
        slabs[at] = u32(muzzle(player_x[p], cos));
        slabs[at + N] = u32(muzzle(player_y[p], sin));
        slabs[at + 2u * N] = pack_velocity(along(speed, cos), along(speed, sin));
        let boosted = select(0u, BOOSTED, boost(player_effects[p]) != 0u);
        slabs[at + 3u * N] = life(header[TICK], p) | boosted;
        tell(slot);
    }
}

// Notes that the mirror must hear of a projectile.
fn tell(slot: u32) {
    atomicOr(&changed[slot >> 5u], 1u << (slot & 31u));
}
