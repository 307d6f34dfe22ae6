//! Two backends side by side, through whole lives of matches.
use arena_sim::rules::hash::rng;
use arena_sim::{
    BUILT_IN_MAPS, Backend, BackendError, ImportError, MatchHandle, Rules, SeatInputs, TickOutput,
};

use arena_sim::seam::wild_inputs;

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Outcomes.
    pub match_ticks: u64,
    /// States, by their hashes, and by all their bytes where a match ended or moved.
    pub states: u64,
    /// Those of both that differed.
    pub mismatches: u64,
    /// Matches that were freed, their slots used again.
    pub freed: u64,
    /// Matches that were saved on one backend and restored on the other.
    pub moved: u64,
}

impl Tally {
    /// Adds another comparison.
    pub fn add(&mut self, other: Self) {
        self.match_ticks += other.match_ticks;
        self.states += other.states;
        self.mismatches += other.mismatches;
        self.freed += other.freed;
        self.moved += other.moved;
    }
}

/// A match on both backends.
#[derive(Clone, Debug)]
struct Twin {
    rules: Rules,
    seed: u32,
    age: u32,
    handles: [MatchHandle; 2],
}

/// Any valid rules that make much happen in few ticks.
#[must_use]
pub fn any_rules(seed: u32) -> Rules {
    let n = std::cell::Cell::new(0);
    let pick = |from: u32, below: u32| {
        n.set(n.get() + 1);
        from + rng(seed, 0, 99, n.get()) % (below - from)
    };
    let choose = |of: &[&'static str]| of[pick(0, of.len() as u32) as usize];
    let map = BUILT_IN_MAPS[pick(0, BUILT_IN_MAPS.len() as u32) as usize].0;
    let mode = choose(&["deathmatch", "team", "capture"]);
    let walls = choose(&["stop", "bounce"]);
    let projectiles = choose(&["256", "512", "2048"]);
    let drones = pick(0, 2) * pick(1, 65);
    let pickups = pick(0, 2) * pick(1, 17);
    let document = format!(
        r#"{{"version": 1, "map": "{map}", "projectiles": {projectiles},
            "match": {{"time_limit_ticks": {}, "frag_limit": {}, "mode": "{mode}",
                "capture_limit": {}, "flag_return_ticks": {}}},
            "player": {{"radius_mm": {}, "acceleration": {}, "drag_shift": {},
                "speed_max_mm_s": {}, "respawn_ticks": {}}},
            "weapon": {{"cooldown_ticks": {}, "pellets": {}, "spread": {}, "speed_mm_s": {},
                "speed_jitter_mm_s": {}, "lifetime_ticks": {}, "hit_radius_mm": {}, "damage": {},
                "walls": "{walls}"}},
            "pickups": {{"count": {pickups}, "respawn_ticks": {}, "boost_ticks": {}}},
            "drones": {{"count": {drones}, "health": {}, "speed_max_mm_s": {}, "radius_mm": {},
                "bite_damage": {}, "bite_pause_ticks": {}, "respawn_ticks": {}}}}}"#,
        pick(60, 400),
        pick(0, 40),
        pick(1, 9),
        pick(1, 200),
        pick(100, 1_500),
        pick(1, 512),
        pick(1, 8),
        pick(500, 30_000),
        pick(1, 60),
        pick(1, 24),
        pick(1, 17),
        pick(0, 64),
        pick(1_000, 40_000),
        pick(0, 15_000),
        pick(1, 300),
        pick(100, 1_500),
        pick(1, 255),
        pick(1, 200),
        pick(1, 255),
        pick(1, 255),
        pick(500, 30_000),
        pick(100, 1_500),
        pick(1, 60),
        pick(1, 60),
        pick(1, 200),
    );
    Rules::parse(&document).expect("rules within their ranges")
}

/// Rules under which a small mistake is soon seen: everyone stands in one small room and dies of many
/// shots at once.
#[must_use]
pub fn crowded_rules() -> Rules {
    in_one_room(
        r#""match": {"frag_limit": 0}, "player": {"respawn_ticks": 5, "health": 40},
            "weapon": {"pellets": 12, "spread": 64, "lifetime_ticks": 40, "cooldown_ticks": 3,
                "hit_radius_mm": 1500, "walls": "bounce"}"#,
    )
}

/// Rules under which players, drones, flags and pick-ups of one small room are contested all the time.
#[must_use]
pub fn contested_rules(seed: u32) -> Rules {
    let mode = ["deathmatch", "team", "capture"][seed as usize % 3];
    let (drones, pickups) = (1 + seed % 64, 1 + (seed >> 8) % 16);
    in_one_room(&format!(
        r#""match": {{"frag_limit": 0, "mode": "{mode}", "capture_limit": 0, "flag_return_ticks": 40}},
            "player": {{"respawn_ticks": 9, "health": 60, "acceleration": 400, "speed_max_mm_s": 20000}},
            "pickups": {{"count": {pickups}, "respawn_ticks": 7, "health": 9, "boost_ticks": 20}},
            "drones": {{"count": {drones}, "respawn_ticks": 9, "bite_pause_ticks": 3, "health": 20}},
            "weapon": {{"pellets": 2, "spread": 64, "lifetime_ticks": 20, "damage": 12}}"#
    ))
}

/// Returns rules by which all of a match happens on six by six cells, two of them cover.
fn in_one_room(rest: &str) -> Rules {
    let rows = (0..16).map(|row| {
        let inside = match row {
            7 => "..o...",
            8 => "...o..",
            5..11 => "......",
            _ => "######",
        };
        format!("\"{wall}{inside}{wall}\"", wall = "#".repeat(5))
    });
    let map = rows.collect::<Vec<_>>().join(", ");
    let document = format!(r#"{{"version": 1, "projectiles": 256, "map": [{map}], {rest}}}"#);
    Rules::parse(&document).expect("a test parses these rules")
}

/// Plays `matches` matches by rules of `rules_of` on both backends for `ticks` ticks, while some end,
/// their slots used again, and some are saved on one backend and restored on the other; compares every
/// outcome and hash. The second backend gets its batches in another order.
///
/// # Errors
/// What a backend said. Both keep their matches then.
pub fn compare(
    backends: [&mut dyn Backend; 2],
    rules_of: &dyn Fn(u32) -> Rules,
    seed: u32,
    matches: usize,
    ticks: u32,
) -> Result<Tally, BackendError> {
    let [one, other] = backends;
    let mut tally = Tally::default();
    let mut twins = Vec::with_capacity(matches);
    for i in 0..matches as u32 {
        twins.push(begin(one, other, rules_of, rng(seed, 0, 1, i))?);
    }
    for tick in 0..ticks {
        step(one, other, &mut twins, tick, &mut tally)?;
        let dice = rng(seed, tick, 2, 0);
        let chosen = (dice >> 8) as usize % matches;
        match dice % 16 {
            0 | 1 => {
                check_bytes(one, other, &twins[chosen], &mut tally)?;
                one.free(twins[chosen].handles[0])?;
                other.free(twins[chosen].handles[1])?;
                twins[chosen] = begin(one, other, rules_of, rng(seed, tick, 1, 77))?;
                tally.freed += 1;
            }
            2 | 3 => move_across(one, other, &mut twins[chosen], &mut tally)?,
            _ => {}
        }
    }
    for twin in &twins {
        check_bytes(one, other, twin, &mut tally)?;
        one.free(twin.handles[0])?;
        other.free(twin.handles[1])?;
    }
    Ok(tally)
}

fn begin(
    one: &mut dyn Backend,
    other: &mut dyn Backend,
    rules_of: &dyn Fn(u32) -> Rules,
    seed: u32,
) -> Result<Twin, BackendError> {
    let rules = rules_of(seed);
    let handles = [one.create(seed, &rules)?, other.create(seed, &rules)?];
    Ok(Twin { rules, seed, age: 0, handles })
}

fn step(
    one: &mut dyn Backend,
    other: &mut dyn Backend,
    twins: &mut [Twin],
    tick: u32,
    tally: &mut Tally,
) -> Result<(), BackendError> {
    let inputs: Vec<SeatInputs> = twins.iter().map(|it| wild_inputs(it.seed, it.age)).collect();
    let mut outputs = vec![TickOutput::default(); twins.len()];
    let handles: Vec<_> = twins.iter().map(|it| it.handles[0]).collect();
    one.step(&handles, &inputs, &mut outputs)?;
    let mut order: Vec<usize> = (0..twins.len()).collect();
    order.rotate_left(tick as usize % twins.len());
    order.reverse();
    let handles: Vec<_> = order.iter().map(|i| twins[*i].handles[1]).collect();
    let mixed: Vec<_> = order.iter().map(|i| inputs[*i]).collect();
    let mut others = vec![TickOutput::default(); twins.len()];
    other.step(&handles, &mixed, &mut others)?;
    for (place, i) in order.into_iter().enumerate() {
        let twin = &mut twins[i];
        twin.age += 1;
        let hashes = [one.state_hash(twin.handles[0])?, other.state_hash(twin.handles[1])?];
        tally.match_ticks += 1;
        tally.states += 1;
        tally.mismatches += u64::from(outputs[i] != others[place]);
        tally.mismatches += u64::from(hashes[0] != hashes[1]);
    }
    Ok(())
}

fn check_bytes(
    one: &dyn Backend,
    other: &dyn Backend,
    twin: &Twin,
    tally: &mut Tally,
) -> Result<(), BackendError> {
    tally.states += 1;
    let same = one.export(twin.handles[0])? == other.export(twin.handles[1])?;
    tally.mismatches += u64::from(!same);
    Ok(())
}

/// Saves a match on both backends and restores each on the other.
fn move_across(
    one: &mut dyn Backend,
    other: &mut dyn Backend,
    twin: &mut Twin,
    tally: &mut Tally,
) -> Result<(), BackendError> {
    let saved = [one.export(twin.handles[0])?, other.export(twin.handles[1])?];
    one.free(twin.handles[0])?;
    other.free(twin.handles[1])?;
    let restored = |done: Result<MatchHandle, ImportError>| match done {
        Ok(handle) => Ok(Some(handle)),
        Err(ImportError::Backend(error)) => Err(error),
        Err(ImportError::Snapshot(_)) => Ok(None),
    };
    let handles = [
        restored(one.import(&saved[1], &twin.rules))?,
        restored(other.import(&saved[0], &twin.rules))?,
    ];
    match handles {
        [Some(first), Some(second)] => {
            twin.handles = [first, second];
            tally.moved += 1;
        }
        [first, second] => {
            // A wrong state that is no state of a match either: start anew on both.
            tally.mismatches += 1;
            first.map_or(Ok(()), |handle| one.free(handle))?;
            second.map_or(Ok(()), |handle| other.free(handle))?;
            *twin = begin(one, other, &|_| twin.rules.clone(), twin.seed)?;
        }
    }
    Ok(())
}
