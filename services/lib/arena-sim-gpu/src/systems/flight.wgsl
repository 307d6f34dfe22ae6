// Projectiles fly: a lane every WG-th slot. Those of emptied seats vanish first.

fn fly_all(lane: u32) {
    let gone = atomicLoad(&emptied);
    for (var slot = lane; slot < N; slot += WG) {
        let word = slabs[slab + PROJECTILES_AT + 3u * N + slot];
        if ((gone >> owner(word)) & 1u) != 0u {
            if word != 0u {
                clear(slot, 0u);
            }
        } else if is_live(word) {
            fly(slot, word);
        }
    }
}

// Advances the projectile in `slot`, which is in flight.
fn fly(slot: u32, word: u32) {
    let at = slab + PROJECTILES_AT + slot;
    let v = slabs[at + 2u * N];
    let flown = age(word, header[TICK] + 1u);
    let far_x = place_at(i32(slabs[at]), velocity_x(v), flown);
    let far_y = place_at(i32(slabs[at + N]), velocity_y(v), flown);
    var x = reflect(far_x);
    var y = reflect(far_y);
    var vx = reflected_velocity(far_x, x, velocity_x(v));
    var vy = reflected_velocity(far_y, y, velocity_y(v));
    var lives = flown < rule(R_LIFETIME_TICKS);
    if wall_at(x, y) {
        let turned = strike(x, y, vx, vy);
        if wall_at(turned.x, turned.y) {
            lives = false;
        } else {
            x = turned.x;
            y = turned.y;
            vx = turned.z;
            vy = turned.w;
        }
    } else if meets(slot, word, x, y) {
        lives = false;
    }
    if !lives {
        clear(slot, spent(word));
    } else if pack_velocity(vx, vy) != v {
        slabs[at] = u32(origin_of(x, vx, flown));
        slabs[at + N] = u32(origin_of(y, vy, flown));
        slabs[at + 2u * N] = pack_velocity(vx, vy);
        tell(slot);
    }
}

// Returns where a ricochet leaves a projectile (x, y, vx, vy); inside a wall if it ends here.
fn strike(x: i32, y: i32, vx: i32, vy: i32) -> vec4<i32> {
    var after = vec4<i32>(x, y, vx, vy);
    if rule(R_WALLS_BOUNCE) == 0u {
        return after;
    }
    let back_x = step_back(x, vx);
    let back_y = step_back(y, vy);
    let free_x = !wall_at(back_x, y);
    let free_y = !wall_at(x, back_y);
    if ricochet_turns(free_x, free_y) {
        after.x = back_x;
        after.z = -vx;
    }
    if ricochet_turns(free_y, free_x) {
        after.y = back_y;
        after.w = -vy;
    }
    return after;
}

// Says whether the projectile in `slot` hits someone at a place: the first player that its shooter does
// not spare, else the first drone.
fn meets(slot: u32, word: u32, x: i32, y: i32) -> bool {
    let row = u32(lane(y));
    let column = u32(lane(x));
    let damage = damage_of(word, rule(R_DAMAGE));
    let passed = spared(owner(word), rule(R_SPARED_PATTERN), rule(R_SPARED_CHOOSE));
    let near_seats = atomicLoad(&reach_rows[row]) & atomicLoad(&reach_columns[column]);
    let victim = first_player(x, y, near_seats & ~passed);
    if victim != NOBODY {
        atomicAdd(&damage_sum[victim], damage);
        atomicMin(&least_slot[victim], slot);
        atomicOr(&hitter_seats, 1u << owner(word));
        return true;
    }
    if CROWD {
        if ((atomicLoad(&drone_rows[row]) >> column) & 1u) != 0u {
            let drone = first_drone(x, y);
            if drone != NOBODY {
                atomicAdd(&drone_damage[drone], damage);
                atomicOr(&hitter_seats, 1u << owner(word));
                return true;
            }
        }
    }
    return false;
}

// Returns the first seat of `seats` whose player a projectile at a place hits.
fn first_player(x: i32, y: i32, seats: u32) -> u32 {
    for (var rest = seats; rest != 0u; rest &= rest - 1u) {
        let p = countTrailingZeros(rest);
        if in_reach(x - player_x[p], y - player_y[p]) {
            return p;
        }
    }
    return NOBODY;
}

fn in_reach(dx: i32, dy: i32) -> bool {
    return near(dx, dy, signed_rule(R_HIT_MARGIN)) && hit(dx, dy, signed_rule(R_HIT_RADIUS_SQUARED));
}

// Frees a slot, leaving `word` behind.
fn clear(slot: u32, word: u32) {
    let at = slab + PROJECTILES_AT + slot;
    slabs[at] = 0u;
    slabs[at + N] = 0u;
    slabs[at + 2u * N] = 0u;
    slabs[at + 3u * N] = word;
    tell(slot);
}
