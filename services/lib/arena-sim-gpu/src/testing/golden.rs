//! The courses of `arena-sim`'s golden tests, with the hashes written there.
use arena_sim::{Backend, BackendError, Rules, SeatInputs, TickOutput};

use super::Tally;
use arena_sim::seam::wild_inputs;

const SEEDS: [u32; 2] = [1, 0xdead_beef];
const TICKS: u32 = 600;
/// Rules, and the hashes after [`TICKS`] of the matches with the [`SEEDS`].
const COURSES: [(&str, [u64; 2]); 5] = [
    (r#"{"version": 1}"#, [0x24d9_d5e2_1145_6c00, 0xe578_71d3_c6da_8369]),
    (
        r#"{"version": 1, "projectiles": 256, "map": "rooms", "match": {"frag_limit": 0},
            "weapon": {"pellets": 6, "spread": 20, "speed_jitter_mm_s": 6000, "walls": "bounce"}}"#,
        [0xf189_1912_e64c_66da, 0xc2f6_07c6_131e_1336],
    ),
    (
        r#"{"version": 1, "projectiles": 2048, "map": "open", "match": {"frag_limit": 0},
            "weapon": {"pellets": 16, "spread": 9, "lifetime_ticks": 128, "cooldown_ticks": 16}}"#,
        [0x7e24_98d2_7458_010c, 0x94d5_69dc_95b5_b9f8],
    ),
    (
        r#"{"version": 1, "projectiles": 2048, "map": "fort",
            "match": {"mode": "capture", "capture_limit": 0}, "weapon": {"pellets": 8, "spread": 12},
            "pickups": {"count": 16, "respawn_ticks": 120}, "drones": {"count": 64}}"#,
        [0x1228_f5e7_fffa_f2d7, 0xf024_0ca7_5033_32d3],
    ),
    (
        r#"{"version": 1, "projectiles": 256, "map": "rooms",
            "match": {"mode": "team", "frag_limit": 0}, "drones": {"count": 20, "health": 1},
            "weapon": {"pellets": 3, "spread": 20, "walls": "bounce"}}"#,
        [0x5f81_db4d_c8c9_63b5, 0x119e_06f4_f111_5622],
    ),
];

/// Plays the golden courses, many ticks at a time, and compares their last states with the known ones.
///
/// # Errors
/// What the backend says.
pub fn play_goldens(backend: &mut dyn Backend) -> Result<Tally, BackendError> {
    let mut courses = Vec::with_capacity(SEEDS.len() * COURSES.len());
    for (document, hashes) in COURSES {
        let rules = Rules::parse(document).expect("a test parses these rules");
        for (seed, hash) in SEEDS.into_iter().zip(hashes) {
            courses.push((backend.create(seed, &rules)?, seed, hash));
        }
    }
    let handles: Vec<_> = courses.iter().map(|(handle, ..)| *handle).collect();
    let inputs: Vec<SeatInputs> = (0..TICKS)
        .flat_map(|tick| courses.iter().map(move |(_, seed, _)| wild_inputs(*seed, tick)))
        .collect();
    let mut outputs = vec![TickOutput::default(); inputs.len()];
    backend.step_many(&handles, &inputs, &mut outputs)?;
    let mut tally = Tally { match_ticks: inputs.len() as u64, ..Tally::default() };
    for (handle, _, hash) in courses {
        tally.states += 1;
        tally.mismatches += u64::from(backend.state_hash(handle)?.0 != hash);
        backend.free(handle)?;
    }
    Ok(tally)
}
