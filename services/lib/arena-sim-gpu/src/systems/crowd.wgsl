// Drones: they stand up, follow the flow field to the nearest player, and bite. A lane a drone.

fn act_drones(lane: u32) {
    for (var i = lane; i < rule(R_DRONES); i += WG) {
        let state = drone_status[i];
        if drone_health(state) != 0u {
            walk_drone(i);
            drone_status[i] = bite(i);
        } else if drone_wait(state) == 1u {
            stand_up(i);
        } else {
            drone_status[i] = pack_drone(0u, 0u, drone_wait(state) - min(drone_wait(state), 1u));
        }
        if drone_health(drone_status[i]) != 0u {
            let x = reach(drone_x[i]);
            let y = reach(drone_y[i]);
            let columns = (1u << x.x) | (1u << x.y);
            atomicOr(&drone_rows[y.x], columns);
            atomicOr(&drone_rows[y.y], columns);
        }
    }
}

// Returns a cell's distance; outside nobody can be reached.
fn distance_at(column: i32, row: i32) -> u32 {
    if ((column | row) & -16) != 0 {
        return FAR;
    }
    let cell = u32(row * 16 + column);
    return (field[cell >> 2u] >> ((cell & 3u) * 8u)) & 255u;
}

fn walk_drone(i: u32) {
    let before = vec4<i32>(drone_x[i], drone_y[i], velocity_x(drone_v[i]), velocity_y(drone_v[i]));
    let goal = goal_of(before.x, before.y, i);
    let body = Body(
        signed_rule(R_DRONE_RADIUS),
        signed_rule(R_DRONE_ACCEL),
        rule(R_DRAG_SHIFT),
        signed_rule(R_DRONE_SPEED_MAX),
    );
    let after = walk(before, pull(before.x, goal.x), pull(before.y, goal.y), body);
    drone_x[i] = after.x;
    drone_y[i] = after.y;
    drone_v[i] = pack_velocity(after.z, after.w);
}

// Returns where a drone goes: to the first player in its own cell, else to the middle of the next cell.
fn goal_of(x: i32, y: i32, drone: u32) -> vec2<i32> {
    let cell = cell_at(x, y);
    for (var seats = atomicLoad(&alive_seats); seats != 0u; seats &= seats - 1u) {
        let p = countTrailingZeros(seats);
        if cell_at(player_x[p], player_y[p]) == cell {
            return vec2<i32>(player_x[p], player_y[p]);
        }
    }
    let column = i32(cell & 15u);
    let row = i32(cell >> 4u);
    let own = distance_at(column, row);
    var best = NOBODY;
    var goal = vec2<i32>(x, y);
    for (var way = 0u; way < 4u; way++) {
        let along_x = select(0, 1 - i32(way), (way & 1u) == 0u);
        let along_y = select(0, 2 - i32(way), (way & 1u) == 1u);
        let distance = distance_at(column + along_x, row + along_y);
        let rank = rank_way(distance, way, drone);
        if distance < own && rank < best {
            best = rank;
            goal = vec2<i32>(middle(u32(column + along_x)), middle(u32(row + along_y)));
        }
    }
    return goal;
}

// Bites the first player in reach and returns the status after that.
fn bite(i: u32) -> u32 {
    let state = drone_status[i];
    let rest = drone_bite(state) - min(drone_bite(state), 1u);
    if rest == 0u {
        let victim = first_bitten(drone_x[i], drone_y[i]);
        if victim != NOBODY {
            atomicAdd(&damage_sum[victim], rule(R_BITE_DAMAGE));
            return pack_drone(drone_health(state), rule(R_BITE_PAUSE_TICKS), 0u);
        }
    }
    return pack_drone(drone_health(state), rest, 0u);
}

// Returns the first living player in reach of a drone. Distances are rounded down, so it matters that this
// one is measured from the drone, where a projectile's is measured from the player.
fn first_bitten(x: i32, y: i32) -> u32 {
    for (var rest = atomicLoad(&alive_seats); rest != 0u; rest &= rest - 1u) {
        let p = countTrailingZeros(rest);
        if in_reach(player_x[p] - x, player_y[p] - y) {
            return p;
        }
    }
    return NOBODY;
}

// Puts a drone in the middle of the candidate farthest from all players.
fn stand_up(i: u32) {
    var best = -1;
    var chosen = 0u;
    for (var n = 0u; n < SPAWN_CANDIDATES; n++) {
        let random = rng(header[SEED], header[TICK], PLAYERS + i, SPAWN_STREAM + n);
        let cell = cell_of(R_FLOOR, (random >> 16u) % rule(R_FLOOR));
        let distance = i32(distance_at(i32(cell & 15u), i32(cell >> 4u)));
        if distance > best {
            best = distance;
            chosen = cell;
        }
    }
    drone_x[i] = middle(chosen & 15u);
    drone_y[i] = middle(chosen >> 4u);
    drone_status[i] = pack_drone(rule(R_DRONE_HEALTH), rule(R_BITE_PAUSE_TICKS), 0u);
}

// Makes the next flow field from the old one and the cells where players stand. A lane four cells.
fn relax_field(lane: u32) {
    for (var word = lane; word < FIELD_WORDS; word += WG) {
        var next = 0u;
        for (var part = 0u; part < 4u; part++) {
            let cell = word * 4u + part;
            let column = i32(cell & 15u);
            let row = i32(cell >> 4u);
            let wall = ((rule(R_WALLS + (cell >> 5u)) >> (cell & 31u)) & 1u) != 0u;
            let stood_on = ((atomicLoad(&stood_rows[cell >> 4u]) >> (cell & 15u)) & 1u) != 0u;
            let distance = relax(
                wall,
                stood_on,
                distance_at(column + 1, row),
                distance_at(column, row + 1),
                distance_at(column - 1, row),
                distance_at(column, row - 1),
            );
            next |= distance << (part * 8u);
        }
        slabs[slab + PROJECTILES_AT + 4u * N + 4u * DRONES + word] = next;
    }
}

// Returns the first drone that a projectile at a place hits.
fn first_drone(x: i32, y: i32) -> u32 {
    for (var i = 0u; i < rule(R_DRONES); i++) {
        if drone_health(drone_status[i]) != 0u && in_reach(x - drone_x[i], y - drone_y[i]) {
            return i;
        }
    }
    return NOBODY;
}

// Takes the damage of the tick.
fn suffer(lane: u32) {
    for (var i = lane; i < DRONES; i += WG) {
        let damage = atomicLoad(&drone_damage[i]);
        if damage != 0u {
            drone_status[i] = hurt_drone(drone_status[i], damage, rule(R_DRONE_RESPAWN_TICKS));
            if drone_health(drone_status[i]) == 0u {
                drone_v[i] = 0u;
            }
        }
    }
}
