// What the host hears of a tick: the outcome, the hash where it is due, and what changed in the slab.

fn report(lane: u32, t: u32, match_index: u32) {
    let at = (t * params.count + match_index) * OUTPUT_WORDS;
    let due = slabs[slab + TICK] % params.hash_every == 0u;
    if due {
        add_hash(lane);
    }
    if params.mirrors != 0u && t + 1u == params.ticks {
        let mirror = params.ticks * params.count * OUTPUT_WORDS + match_index * MIRROR_WORDS;
        tell_mirror(lane, mirror);
    }
    if lane == 0u {
        tell_outcome(at);
    }
    workgroupBarrier(); // after the hash: both sums are whole
    if lane == 0u {
        outputs[at + 12u] = atomicLoad(&hash_low);
        outputs[at + 13u] = atomicLoad(&hash_high);
    }
}

fn add_hash(lane: u32) {
    var low = 0u;
    var high = 0u;
    for (var i = lane; i < WORDS; i += WG) {
        let half = mix(slabs[slab + i], i);
        low = wadd(low, half);
        high = wadd(high, mix_again(half));
    }
    atomicAdd(&hash_low, low);
    atomicAdd(&hash_high, high);
}

fn tell_outcome(at: u32) {
    outputs[at] = slabs[slab + TICK];
    outputs[at + 1u] = atomicLoad(&fired_seats) | (atomicLoad(&hit_seats) << 16u);
    outputs[at + 2u] = atomicLoad(&hitter_seats) | (atomicLoad(&died_seats) << 16u);
    outputs[at + 3u] = atomicLoad(&spawned_seats) | (atomicLoad(&joined_seats) << 16u);
    outputs[at + 4u] = atomicLoad(&left_seats) | (atomicLoad(&taken_seats) << 16u);
    let over = select(0u, 1u, slabs[slab + FLAGS] != 0u);
    outputs[at + 5u] = flag_event[0] | (flag_event[1] << 8u) | (over << 31u);
    outputs[at + 6u] = atomicLoad(&killer_words[0]);
    outputs[at + 7u] = atomicLoad(&killer_words[1]);
    outputs[at + 8u] = atomicLoad(&lost_words[0]);
    outputs[at + 9u] = atomicLoad(&lost_words[1]);
    outputs[at + 10u] = atomicLoad(&lost_words[2]);
    outputs[at + 11u] = atomicLoad(&lost_words[3]);
}

// Tells header, players and pick-ups; which projectiles changed, and the first of them in the order of
// slots, each where the number of those before it says; then the drones and their field.
fn tell_mirror(lane: u32, mirror: u32) {
    for (var i = lane; i < PROJECTILES_AT; i += WG) {
        outputs[mirror + i] = slabs[slab + i];
    }
    let masks = mirror + PROJECTILES_AT;
    for (var i = lane; i < N / 32u; i += WG) {
        outputs[masks + i] = atomicLoad(&changed[i]);
    }
    let list = masks + N / 32u;
    for (var slot = lane; slot < N; slot += WG) {
        let word = atomicLoad(&changed[slot >> 5u]);
        let before = changed_before[slot >> 5u] + countOneBits(word & ((1u << (slot & 31u)) - 1u));
        if ((word >> (slot & 31u)) & 1u) != 0u && before < CHANGES_MAX {
            for (var column = 0u; column < 4u; column++) {
                outputs[list + before * 4u + column] = slabs[slab + PROJECTILES_AT + column * N + slot];
            }
        }
    }
    if CROWD {
        let crowd = list + CHANGES_MAX * 4u;
        for (var i = lane; i < 4u * DRONES + FIELD_WORDS; i += WG) {
            outputs[crowd + i] = slabs[slab + PROJECTILES_AT + 4u * N + i];
        }
    }
}
