// Flags: taken from home, carried, dropped, returned, captured. The first lane alone.

const EVENT_TAKEN: u32 = 1u;
const EVENT_DROPPED: u32 = 2u;
const EVENT_RETURNED: u32 = 3u;
const EVENT_CAPTURED: u32 = 4u;

// Drops what players carry: those in `gone` where they were before the tick, those in `died` where they are.
fn drop_flags(gone: u32, died: u32) {
    for (var team = 0u; team < 2u; team++) {
        let at = FIRST_FLAG + team * FLAG_WORDS;
        let p = flag_carrier(header[at]);
        if flag_kind(header[at]) == FLAG_CARRIED && (((gone | died) >> p) & 1u) != 0u {
            let before = ((gone >> p) & 1u) != 0u;
            header[at] = flag_dropped(rule(R_FLAG_RETURN_TICKS));
            header[at + 1u] = u32(select(player_x[p], old_x[p], before));
            header[at + 2u] = u32(select(player_y[p], old_y[p], before));
            flag_event[team] = EVENT_DROPPED | (p << 4u);
        }
    }
}

// Lets the players in `seats` take, return and capture the flags, the first team's first.
fn contest(seats: u32) {
    for (var team = 0u; team < 2u; team++) {
        let kind = flag_kind(header[FIRST_FLAG + team * FLAG_WORDS]);
        var event = 0u;
        if kind == FLAG_CARRIED {
            event = carry(team);
        } else if kind == FLAG_DROPPED {
            event = lie(team, seats);
        } else {
            event = stand(team, seats);
        }
        if event != 0u {
            flag_event[team] = event;
        }
    }
}

fn set_flag(team: u32, state: u32) {
    let at = FIRST_FLAG + team * FLAG_WORDS;
    header[at] = state;
    header[at + 1u] = 0u;
    header[at + 2u] = 0u;
}

// At home: the first opponent who touches it takes it.
fn stand(team: u32, seats: u32) -> u32 {
    let home = rule(R_HOMES + team);
    let p = toucher(seats & members(1u - team), middle(home & 15u), middle(home >> 4u));
    if p == NOBODY {
        return 0u;
    }
    set_flag(team, flag_carried(p));
    return EVENT_TAKEN | (p << 4u);
}

// Carried: at home with its own flag there, the carrier scores.
fn carry(team: u32) -> u32 {
    let p = flag_carrier(header[FIRST_FLAG + team * FLAG_WORDS]);
    let own = team_of(p);
    let home = rule(R_HOMES + own);
    let is_home = flag_kind(header[FIRST_FLAG + own * FLAG_WORDS]) == FLAG_HOME;
    if !is_home || toucher(1u << p, middle(home & 15u), middle(home >> 4u)) == NOBODY {
        return 0u;
    }
    set_flag(team, FLAG_HOME);
    header[TEAM_SCORES] = add_team_scores(header[TEAM_SCORES], 1u - own, own);
    return EVENT_CAPTURED | (p << 4u);
}

// Dropped: its own team returns it, else an opponent takes it, else time returns it.
fn lie(team: u32, seats: u32) -> u32 {
    let at = FIRST_FLAG + team * FLAG_WORDS;
    let x = i32(header[at + 1u]);
    let y = i32(header[at + 2u]);
    let rest = flag_wait(header[at]) - 1u;
    if rest == 0u || toucher(seats & members(team), x, y) != NOBODY {
        set_flag(team, FLAG_HOME);
        return EVENT_RETURNED;
    }
    let p = toucher(seats & members(1u - team), x, y);
    if p != NOBODY {
        set_flag(team, flag_carried(p));
        return EVENT_TAKEN | (p << 4u);
    }
    header[at] = flag_dropped(rest);
    return 0u;
}

// Returns the first seat of `seats` whose player touches a place.
fn toucher(seats: u32, x: i32, y: i32) -> u32 {
    for (var rest = seats; rest != 0u; rest &= rest - 1u) {
        let p = countTrailingZeros(rest);
        if touches(player_x[p] - x, player_y[p] - y) {
            return p;
        }
    }
    return NOBODY;
}

fn members(team: u32) -> u32 {
    return 0x5555u << team;
}
