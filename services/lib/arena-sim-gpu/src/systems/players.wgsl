// Seats change hands, players respawn and move, triggers are pulled. A lane a seat.

fn act(lane: u32, inputs_at: u32) {
    for (var p = lane; p < PLAYERS; p += WG) {
        let input = inputs[inputs_at + p];
        if rule(R_PICKUPS_COUNT) != 0u {
            player_effects[p] = fade(player_effects[p]);
        }
        let seated = seat(p, input >> 24u);
        if !seated {
            continue;
        }
        var lives = respawn(player_status[p]) == 0u;
        if lives {
            play(p, input);
        } else if wait(p, (input >> 16u) & 255u) {
            spawn(p);
            atomicOr(&spawned_seats, 1u << p);
            lives = true;
        }
        if lives {
            atomicOr(&alive_seats, 1u << p);
            show(p);
        }
    }
}

// Empties and fills a seat and says whether it is taken now.
fn seat(p: u32, buttons: u32) -> bool {
    var seated = (header[SEATS] >> p) & 1u;
    var bot = (header[SEATS] >> (p + PLAYERS)) & 1u;
    if (buttons & LEAVE) != 0u && seated != 0u {
        seated = 0u;
        bot = 0u;
        player_status[p] = 0u;
        player_v[p] = 0u;
        player_effects[p] = 0u;
        atomicOr(&emptied, 1u << p);
        atomicOr(&left_seats, 1u << p);
    }
    if (buttons & JOIN) != 0u {
        if seated == 0u {
            player_status[p] = pack_status(0u, 0u, 0u, 1u);
            player_score[p] = 0u;
            atomicOr(&emptied, 1u << p);
        }
        seated = 1u;
        bot = select(0u, 1u, (buttons & BOT) != 0u);
        atomicOr(&joined_seats, 1u << p);
    }
    atomicOr(&seats_now, (seated << p) | (bot << (p + PLAYERS)));
    return seated != 0u;
}

// Moves and aims a living player, who may fire.
fn play(p: u32, input: u32) {
    let stick_x = max(i32(input << 24u) >> 24u, -127);
    let stick_y = max(i32(input << 16u) >> 24u, -127);
    let before = vec4<i32>(player_x[p], player_y[p], velocity_x(player_v[p]), velocity_y(player_v[p]));
    let body = Body(
        signed_rule(R_RADIUS),
        signed_rule(R_ACCEL),
        rule(R_DRAG_SHIFT),
        signed_rule(R_SPEED_MAX),
    );
    let after = walk(before, stick_x, stick_y, body);
    player_x[p] = after.x;
    player_y[p] = after.y;
    player_v[p] = pack_velocity(after.z, after.w);
    let state = player_status[p];
    let ready = cooldown(state) - min(cooldown(state), 1u);
    let fires = ((input >> 24u) & FIRE) != 0u && ready == 0u;
    if fires {
        atomicOr(&fired_seats, 1u << p);
    }
    let next = select(ready, rule(R_COOLDOWN_TICKS), fires);
    player_status[p] = pack_status(health(state), (input >> 16u) & 255u, next, 0u);
}

// Counts one tick of waiting down and says whether it was the last.
fn wait(p: u32, turn: u32) -> bool {
    let rest = respawn(player_status[p]) - 1u;
    let next = select(0u, rule(R_HEALTH), rest == 0u);
    player_status[p] = pack_status(next, turn, 0u, rest);
    return rest == 0u;
}

// Puts a player on the candidate farthest from the nearest other, where all stood before the tick.
fn spawn(p: u32) {
    let list = select(R_SPAWNS_EVEN, R_SPAWNS_ODD, team_of(p) == 1u);
    var best = -1;
    for (var n = 0u; n < SPAWN_CANDIDATES; n++) {
        let random = rng(header[SEED], header[TICK], p, SPAWN_STREAM + n);
        let cell = cell_of(list, (random >> 16u) % rule(list));
        let x = middle(cell & 15u) + jitter(random);
        let y = middle(cell >> 4u) + jitter(random >> 8u);
        var room = 0x7fffffff;
        for (var q = 0u; q < PLAYERS; q++) {
            if q != p && stood_before[q] != 0u {
                room = min(room, abs(old_x[q] - x) + abs(old_y[q] - y));
            }
        }
        if room > best {
            best = room;
            player_x[p] = x;
            player_y[p] = y;
        }
    }
    player_v[p] = 0u;
}

fn jitter(bits: u32) -> i32 {
    return (i32(bits & 255u) - 128) * (METRE / 256);
}

// Enters a living player where projectiles and drones look for targets.
fn show(p: u32) {
    let x = reach(player_x[p]);
    let y = reach(player_y[p]);
    atomicOr(&reach_columns[x.x], 1u << p);
    atomicOr(&reach_columns[x.y], 1u << p);
    atomicOr(&reach_rows[y.x], 1u << p);
    atomicOr(&reach_rows[y.y], 1u << p);
    let cell = cell_at(player_x[p], player_y[p]);
    atomicOr(&stood_rows[cell >> 4u], 1u << (cell & 15u));
}

// Returns the lanes that a body at a place reaches: a reach is shorter than a cell, so one or two.
fn reach(place: i32) -> vec2<u32> {
    let margin = signed_rule(R_HIT_MARGIN);
    let low = max((place - margin) >> CELL_SHIFT, 0);
    let high = min((place + margin) >> CELL_SHIFT, 15);
    return vec2<u32>(u32(low), u32(high));
}
