// The phases of a tick on a GPU: one workgroup steps one match.
//
// The order is that of `arena-sim/src/systems/mod.rs`. Between two barriers a lane reads what it wrote
// itself or what stood before the first barrier, and writes what no other lane writes; everything that
// lanes share is a sum, a minimum or a union, and no lane looks at what an atomic returns. So the
// order in which lanes run does not exist.

// Lanes of a workgroup.
override WG: u32 = 64u;
// Slots for projectiles.
override N: u32 = 512u;
// Words of a slab, and from one slab to the next.
override WORDS: u32 = 2176u;
override STRIDE: u32 = 2176u;
// Whether the slab has room for drones.
override CROWD: bool = false;
// Changed projectiles that a match can tell its mirror in one tick.
override CHANGES_MAX: u32 = 64u;
// Words that a match tells its mirror.
override MIRROR_WORDS: u32 = 400u;

const COSINES: u32 = 256u;
const NOBODY: u32 = 0xffffffffu;

struct Params {
    // Ticks of this dispatch.
    ticks: u32,
    // Matches of this dispatch.
    count: u32,
    // A match's state is hashed when its ticks are a multiple of this.
    hash_every: u32,
    // 1 = changes are told after the last tick.
    mirrors: u32,
}

@group(0) @binding(0) var<storage, read_write> slabs: array<u32>;
// [ticks][matches][seats]
@group(0) @binding(1) var<storage, read> inputs: array<u32>;
// [ticks][matches][OUTPUT_WORDS], then [matches][MIRROR_WORDS]
@group(0) @binding(2) var<storage, read_write> outputs: array<u32>;
// The cosines, then the rules, RULES_WORDS each.
@group(0) @binding(3) var<storage, read> tables: array<u32>;
// The slot and the rules of each match.
@group(0) @binding(4) var<storage, read> batch: array<vec2<u32>>;
@group(0) @binding(5) var<uniform> params: Params;

// Where this match's slab and rules begin.
var<private> slab: u32;
var<private> rules: u32;

var<workgroup> header: array<u32, 16>;
var<workgroup> running: u32;
var<workgroup> player_x: array<i32, 16>;
var<workgroup> player_y: array<i32, 16>;
var<workgroup> player_v: array<u32, 16>;
var<workgroup> player_status: array<u32, 16>;
var<workgroup> player_score: array<u32, 16>;
var<workgroup> player_effects: array<u32, 16>;
var<workgroup> pickup_wait: array<u32, 16>;
// Before the tick: where players were, and whether they stood.
var<workgroup> old_x: array<i32, 16>;
var<workgroup> old_y: array<i32, 16>;
var<workgroup> stood_before: array<u32, 16>;

// Masks of seats.
var<workgroup> seats_now: atomic<u32>;
var<workgroup> emptied: atomic<u32>;
var<workgroup> left_seats: atomic<u32>;
var<workgroup> joined_seats: atomic<u32>;
var<workgroup> spawned_seats: atomic<u32>;
var<workgroup> alive_seats: atomic<u32>;
var<workgroup> fired_seats: atomic<u32>;
var<workgroup> hitter_seats: atomic<u32>;
var<workgroup> hit_seats: atomic<u32>;
var<workgroup> died_seats: atomic<u32>;
var<workgroup> taken_seats: atomic<u32>;

// What projectiles and drones did to each player: damage, and the least slot that hit.
var<workgroup> damage_sum: array<atomic<u32>, 16>;
var<workgroup> least_slot: array<atomic<u32>, 16>;
var<workgroup> kill_sum: array<atomic<u32>, 16>;
var<workgroup> most_kills: atomic<u32>;
var<workgroup> team_kills: array<atomic<u32>, 2>;
// As they are told: four bits a killer, eight bits a loss of health.
var<workgroup> killer_words: array<atomic<u32>, 2>;
var<workgroup> lost_words: array<atomic<u32>, 4>;
var<workgroup> flag_event: array<u32, 2>;

// Players in reach of each row and each column; cells that a drone reaches and cells that players stand
// on, bit `column` of each row.
var<workgroup> reach_rows: array<atomic<u32>, 16>;
var<workgroup> reach_columns: array<atomic<u32>, 16>;
var<workgroup> drone_rows: array<atomic<u32>, 16>;
var<workgroup> stood_rows: array<atomic<u32>, 16>;

var<workgroup> drone_x: array<i32, 64>;
var<workgroup> drone_y: array<i32, 64>;
var<workgroup> drone_v: array<u32, 64>;
var<workgroup> drone_status: array<u32, 64>;
var<workgroup> drone_damage: array<atomic<u32>, 64>;
var<workgroup> field: array<u32, 64>;

// Projectiles that the mirror must hear of, a bit a slot; and how many come before each word.
var<workgroup> changed: array<atomic<u32>, 64>;
var<workgroup> changed_before: array<u32, 64>;
var<workgroup> hash_low: atomic<u32>;
var<workgroup> hash_high: atomic<u32>;

@compute @workgroup_size(WG)
fn step(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let entry = batch[group.x];
    slab = entry.x * STRIDE;
    rules = COSINES + entry.y * RULES_WORDS;
    for (var t = 0u; t < params.ticks; t++) {
        load(lane);
        if workgroupUniformLoad(&running) != 0u {
            let inputs_at = (t * params.count + group.x) * PLAYERS;
            act(lane, inputs_at);
            workgroupBarrier(); // after the players: all masks of seats are whole
            fire(lane);
            if CROWD {
                act_drones(lane);
            }
            storageBarrier(); // after the shots: all projectiles are there
            workgroupBarrier();
            if CROWD {
                relax_field(lane);
            }
            fly_all(lane);
            storageBarrier(); // before the damage: all impacts are summed
            workgroupBarrier();
            judge(lane);
            if CROWD {
                suffer(lane);
            }
            workgroupBarrier(); // after the damage: who died is known
            score(lane);
            take(lane);
            workgroupBarrier(); // before the end: scores and pick-ups are settled
            if lane == 0u {
                end_of_tick();
            }
            workgroupBarrier(); // after the end: the header is settled
            store(lane);
        }
        storageBarrier(); // before the report: the slab is whole
        workgroupBarrier();
        report(lane, t, group.x);
        storageBarrier();
        workgroupBarrier();
    }
}

// Reads a rule.
fn rule(at: u32) -> u32 {
    return tables[rules + at];
}

fn signed_rule(at: u32) -> i32 {
    return i32(tables[rules + at]);
}

// Reads cell `index` of a list of cells behind its count.
fn cell_of(list: u32, index: u32) -> u32 {
    return (tables[rules + list + 1u + (index >> 2u)] >> ((index & 3u) * 8u)) & 255u;
}

// Says whether bit `cell` of eight words of the rules is set.
fn is_set(words: u32, x: i32, y: i32) -> bool {
    let cell = cell_at(x, y);
    return ((tables[rules + words + (cell >> 5u)] >> (cell & 31u)) & 1u) != 0u;
}

fn wall_at(x: i32, y: i32) -> bool {
    return is_set(R_WALLS, x, y);
}

fn cosine(turn: u32) -> i32 {
    return i32(tables[turn & 255u]);
}

// Takes the match out of its slab and clears what the tick adds up.
fn load(lane: u32) {
    for (var p = lane; p < PLAYERS; p += WG) {
        let at = slab + PLAYERS_AT + p;
        header[p] = slabs[slab + p];
        player_x[p] = i32(slabs[at]);
        player_y[p] = i32(slabs[at + PLAYERS]);
        player_v[p] = slabs[at + 2u * PLAYERS];
        player_status[p] = slabs[at + 3u * PLAYERS];
        player_score[p] = slabs[at + 4u * PLAYERS];
        player_effects[p] = slabs[at + 5u * PLAYERS];
        pickup_wait[p] = slabs[slab + PICKUPS_AT + p];
        old_x[p] = player_x[p];
        old_y[p] = player_y[p];
        let seated = (slabs[slab + SEATS] >> p) & 1u;
        stood_before[p] = select(0u, seated, respawn(player_status[p]) == 0u);
        atomicStore(&damage_sum[p], 0u);
        atomicStore(&least_slot[p], NOBODY);
        atomicStore(&kill_sum[p], 0u);
        atomicStore(&reach_rows[p], 0u);
        atomicStore(&reach_columns[p], 0u);
        atomicStore(&drone_rows[p], 0u);
        atomicStore(&stood_rows[p], 0u);
    }
    for (var i = lane; i < DRONES; i += WG) {
        atomicStore(&changed[i], 0u);
        atomicStore(&drone_damage[i], 0u);
        if CROWD {
            load_drone(i);
        }
    }
    if lane == 0u {
        clear_masks();
    }
}

fn load_drone(i: u32) {
    let at = slab + PROJECTILES_AT + 4u * N + i;
    drone_x[i] = i32(slabs[at]);
    drone_y[i] = i32(slabs[at + DRONES]);
    drone_v[i] = slabs[at + 2u * DRONES];
    drone_status[i] = slabs[at + 3u * DRONES];
    field[i] = slabs[at + 4u * DRONES];
}

fn clear_masks() {
    running = select(0u, 1u, (slabs[slab + FLAGS] & 1u) == 0u);
    atomicStore(&seats_now, 0u);
    atomicStore(&emptied, 0u);
    atomicStore(&left_seats, 0u);
    atomicStore(&joined_seats, 0u);
    atomicStore(&spawned_seats, 0u);
    atomicStore(&alive_seats, 0u);
    atomicStore(&fired_seats, 0u);
    atomicStore(&hitter_seats, 0u);
    atomicStore(&hit_seats, 0u);
    atomicStore(&died_seats, 0u);
    atomicStore(&taken_seats, 0u);
    atomicStore(&most_kills, 0u);
    atomicStore(&hash_low, 0u);
    atomicStore(&hash_high, 0u);
    atomicStore(&team_kills[0], 0u);
    atomicStore(&team_kills[1], 0u);
    atomicStore(&killer_words[0], 0u);
    atomicStore(&killer_words[1], 0u);
    atomicStore(&lost_words[0], 0u);
    atomicStore(&lost_words[1], 0u);
    atomicStore(&lost_words[2], 0u);
    atomicStore(&lost_words[3], 0u);
    flag_event[0] = 0u;
    flag_event[1] = 0u;
}

// Puts the match back.
fn store(lane: u32) {
    for (var p = lane; p < PLAYERS; p += WG) {
        let at = slab + PLAYERS_AT + p;
        slabs[slab + p] = header[p];
        slabs[at] = u32(player_x[p]);
        slabs[at + PLAYERS] = u32(player_y[p]);
        slabs[at + 2u * PLAYERS] = player_v[p];
        slabs[at + 3u * PLAYERS] = player_status[p];
        slabs[at + 4u * PLAYERS] = player_score[p];
        slabs[at + 5u * PLAYERS] = player_effects[p];
        slabs[slab + PICKUPS_AT + p] = pickup_wait[p];
    }
    if CROWD {
        let at = slab + PROJECTILES_AT + 4u * N;
        for (var i = lane; i < DRONES; i += WG) {
            slabs[at + i] = u32(drone_x[i]);
            slabs[at + DRONES + i] = u32(drone_y[i]);
            slabs[at + 2u * DRONES + i] = drone_v[i];
            slabs[at + 3u * DRONES + i] = drone_status[i];
        }
    }
}
