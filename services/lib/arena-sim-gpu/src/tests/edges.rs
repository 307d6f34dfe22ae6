//! Distances are rounded down, so it matters from whose side they are measured: at the very edge of a reach.
use arena_sim::rules::crowd::pack_drone;
use arena_sim::rules::hit::TOUCH_MARGIN;
use arena_sim::rules::projectile::life;
use arena_sim::rules::space::{METRE, middle};
use arena_sim::{
    Backend, CpuBackend, DRONES, Input, PLAYERS, Path, Rules, SeatInputs, TickOutput, buttons, seam,
};

use super::narrow;

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum Reach {
    Bite,
    ShotAtPlayer,
    ShotAtDrone,
    Pickup,
    Flag,
}

/// Distances on either side of the edge, each in both directions of both axes.
const WIDTH: i32 = 30;

/// Nobody moves: a push of 127 / 128 is none.
fn rules() -> Rules {
    Rules::parse(
        r#"{"version": 1, "map": "open", "projectiles": 256, "pickups": {"count": 16},
            "match": {"mode": "capture"},
            "drones": {"count": 1, "acceleration": 1, "health": 9, "bite_pause_ticks": 1}}"#,
    )
    .unwrap()
}

/// Returns a match whose first player stands somewhere, and whose second is far away, with one tick played.
fn played(rules: &Rules) -> Vec<u32> {
    let mut cpu = CpuBackend::with_path(Path::BruteForce);
    let handle = cpu.create(9, rules).unwrap();
    let mut inputs = SeatInputs::default();
    for input in &mut inputs[..2] {
        *input = Input { buttons: buttons::JOIN, ..Input::default() };
    }
    cpu.step(&[handle], &[inputs], &mut [TickOutput::default()]).unwrap();
    seam::decode(&cpu.export(handle).unwrap(), rules).unwrap()
}

/// Returns the match with its parts `(dx, dy)` from each other.
fn placed(rules: &Rules, slab: &[u32], reach: Reach, (dx, dy): (i32, i32)) -> Vec<u8> {
    let mut slab = slab.to_vec();
    let players = seam::PROJECTILES_AT - 7 * PLAYERS;
    let drones = seam::drones_at(rules.capacity());
    let mut put = |at: usize, rows: usize, (x, y): (i32, i32)| {
        (slab[at], slab[at + rows]) = (x as u32, y as u32);
    };
    let (here, there, corner) =
        ((20 * METRE, 30 * METRE), (40 * METRE, 30 * METRE), (6 * METRE, 6 * METRE));
    let beside = |(x, y): (i32, i32)| (x + dx, y + dy);
    let in_cell = |cell: u8| (middle(u32::from(cell) & 15), middle(u32::from(cell) >> 4));
    let [player, drone, shot] = match reach {
        Reach::Bite => [here, beside(here), corner],
        Reach::ShotAtPlayer => [here, there, beside(here)],
        Reach::ShotAtDrone => [here, there, beside(there)],
        Reach::Pickup => [beside(in_cell(rules.pickup_cells()[5])), there, corner],
        Reach::Flag => [beside(in_cell(rules.flag_cells().unwrap()[1])), there, corner],
    };
    put(players, PLAYERS, player);
    put(players + 1, PLAYERS, (60 * METRE, 60 * METRE));
    put(drones, DRONES, drone);
    put(seam::PROJECTILES_AT, 256, shot);
    slab[drones + 2 * DRONES] = 0;
    slab[drones + 3 * DRONES] = pack_drone(9, 1, 0);
    slab[seam::PROJECTILES_AT + 3 * 256] = life(0, 1);
    seam::encode(&slab, rules, seam::hash(&slab))
}

/// Returns what tells that the reach was long enough.
fn reached(reach: Reach, output: &TickOutput) -> bool {
    match reach {
        Reach::Bite | Reach::ShotAtPlayer => output.damage[0] != 0,
        Reach::ShotAtDrone => output.hitters != 0,
        Reach::Pickup => output.taken != 0,
        Reach::Flag => output.flags[1] != arena_sim::FlagEvent::None,
    }
}

#[test]
fn every_reach_ends_where_the_specification_ends_it() {
    let rules = rules();
    let slab = played(&rules);
    let hit_radius = 650 * METRE / 1_000;
    for reach in [Reach::Bite, Reach::ShotAtPlayer, Reach::ShotAtDrone, Reach::Pickup, Reach::Flag]
    {
        let edge = match reach {
            Reach::Pickup | Reach::Flag => TOUCH_MARGIN - 16,
            _ => hit_radius,
        };
        let ways =
            (edge - WIDTH..edge + WIDTH).flat_map(|it| [(it, 0), (-it, 0), (0, it), (0, -it)]);
        let (mut cpu, mut gpu) = (CpuBackend::with_path(Path::BruteForce), narrow());
        let bytes: Vec<_> = ways.map(|way| placed(&rules, &slab, reach, way)).collect();
        let ours: Vec<_> = bytes.iter().map(|it| cpu.import(it, &rules).unwrap()).collect();
        let theirs: Vec<_> = bytes.iter().map(|it| gpu.import(it, &rules).unwrap()).collect();
        let inputs = vec![SeatInputs::default(); bytes.len()];
        let mut expected = vec![TickOutput::default(); bytes.len()];
        let mut outputs = expected.clone();
        cpu.step(&ours, &inputs, &mut expected).unwrap();
        gpu.step(&theirs, &inputs, &mut outputs).unwrap();
        for i in 0..bytes.len() {
            assert_eq!(outputs[i], expected[i], "{reach:?} {i}");
            let hashes = (gpu.state_hash(theirs[i]).unwrap(), cpu.state_hash(ours[i]).unwrap());
            assert_eq!(hashes.0, hashes.1, "{reach:?} {i}");
        }
        let inside = expected.iter().filter(|it| reached(reach, it)).count();
        assert!((80..=160).contains(&inside), "{reach:?}: {inside} of {} reach", bytes.len());
    }
}
