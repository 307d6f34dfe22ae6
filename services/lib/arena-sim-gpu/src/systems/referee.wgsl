// Damage, deaths, scores, and the end of the match. A lane a seat; the end is the first lane's.

fn judge(lane: u32) {
    for (var p = lane; p < PLAYERS; p += WG) {
        var damage = atomicLoad(&damage_sum[p]);
        if damage == 0u {
            continue;
        }
        if is_set(R_COVER, player_x[p], player_y[p]) {
            damage = behind_cover(damage);
        }
        atomicOr(&hit_seats, 1u << p);
        atomicOr(&lost_words[p >> 2u], min(damage, 255u) << ((p & 3u) * 8u));
        player_status[p] = hurt(player_status[p], damage, rule(R_RESPAWN_TICKS));
        if health(player_status[p]) == 0u {
            atomicOr(&died_seats, 1u << p);
            player_effects[p] = 0u;
            var killer = p;
            let slot = atomicLoad(&least_slot[p]);
            if slot != NOBODY {
                killer = owner(slabs[slab + PROJECTILES_AT + 3u * N + slot]);
                atomicAdd(&kill_sum[killer], 1u);
                atomicAdd(&team_kills[team_of(killer)], 1u);
            }
            atomicOr(&killer_words[p >> 3u], killer << ((p & 7u) * 4u));
        }
    }
}

// Counts kills and deaths; and changes of projectiles, which are complete by now.
fn score(lane: u32) {
    let died = atomicLoad(&died_seats);
    for (var p = lane; p < PLAYERS; p += WG) {
        if died != 0u {
            let more = atomicLoad(&kill_sum[p]);
            player_score[p] = add_score(player_score[p], more, (died >> p) & 1u);
        }
        atomicMax(&most_kills, kills(player_score[p]));
    }
    for (var word = lane; word < N / 32u; word += WG) {
        var before = 0u;
        for (var i = 0u; i < word; i++) {
            before += countOneBits(atomicLoad(&changed[i]));
        }
        changed_before[word] = before;
    }
}

// Settles flags, counts the tick and ends the match if its time has come.
fn end_of_tick() {
    let mode = rule(R_MODE);
    let died = atomicLoad(&died_seats);
    if mode == TEAM_MODE {
        let more = vec2<u32>(atomicLoad(&team_kills[0]), atomicLoad(&team_kills[1]));
        header[TEAM_SCORES] = add_team_scores(header[TEAM_SCORES], more.x, more.y);
    }
    if mode == CAPTURE_MODE {
        drop_flags(atomicLoad(&left_seats), died);
        contest(atomicLoad(&alive_seats) & ~died);
    }
    let pellets = countOneBits(atomicLoad(&fired_seats)) * rule(R_PELLETS);
    header[CURSOR] = (header[CURSOR] + pellets) & (N - 1u);
    header[SEATS] = atomicLoad(&seats_now);
    header[TICK] += 1u;
    let scores = header[TEAM_SCORES];
    var most = max(team_score(scores, 0u), team_score(scores, 1u));
    var limit = rule(R_FRAG_LIMIT);
    var flags = END_FRAGS;
    if mode == CAPTURE_MODE {
        limit = rule(R_CAPTURE_LIMIT);
        flags = END_CAPTURES;
    } else if mode != TEAM_MODE {
        most = atomicLoad(&most_kills);
    }
    if limit != 0u && most >= limit {
        header[FLAGS] = flags;
    } else if header[TICK] >= rule(R_TIME_LIMIT_TICKS) {
        header[FLAGS] = END_TIME;
    }
}
