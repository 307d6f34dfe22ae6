//! The device gives the bits of the specification.
use arena_sim::{Backend, CpuBackend, Path, Rules, TickOutput};

use super::{narrow, seed, some_rules, wide, with_kernel};
use arena_sim::seam::wild_inputs;

use crate::proof::prove;
use crate::testing::{FIRST, Fate, MUTANTS, compare, contested_rules, crowded_rules, play_goldens};

#[test]
fn sixty_four_lanes_equal_brute_force_through_whole_lives() {
    let seed = seed();
    let mut specification = CpuBackend::with_path(Path::BruteForce);
    let tally = compare([&mut specification, &mut narrow()], &some_rules, seed, 10, 90).unwrap();
    assert_eq!(tally.mismatches, 0, "{tally:?}");
    assert!(tally.freed > 0 && tally.moved > 0, "{tally:?}");
}

/// Returns random rules of two size classes, for the same reason.
fn wide_rules(seed: u32) -> Rules {
    let is_used = |rules: &Rules| rules.capacity().index() < 5;
    let mut tries = (0..).map(|i| some_rules(seed.wrapping_mul(31).wrapping_add(i)));
    tries.find(is_used).expect("two of three random rules are of these classes")
}

#[test]
fn whatever_is_contested_falls_to_the_same_seat() {
    let seed = seed();
    let mut specification = CpuBackend::with_path(Path::BruteForce);
    let backends: [&mut dyn Backend; 2] = [&mut specification, &mut narrow()];
    let tally = compare(backends, &contested_rules, seed, 9, 60).unwrap();
    assert_eq!(tally.mismatches, 0, "{tally:?}");
}

#[test]
fn two_hundred_fifty_six_lanes_equal_the_fast_path_through_whole_lives() {
    let seed = seed();
    let mut fast = CpuBackend::new();
    let tally = compare([&mut fast, &mut wide()], &wide_rules, seed, 4, 40).unwrap();
    assert_eq!(tally.mismatches, 0, "{tally:?}");
}

#[test]
fn matches_take_their_known_courses() {
    let tally = play_goldens(&mut narrow()).unwrap();
    assert_eq!((tally.match_ticks, tally.states, tally.mismatches), (6_000, 10, 0));
}

#[test]
fn a_good_device_passes_the_self_test() {
    let proof = prove(&mut narrow(), 12, 48).unwrap();
    assert_eq!((proof.match_ticks, proof.states), (12 * 48, 12 * 3));
}

#[test]
fn the_first_mutants_of_the_kernel_meet_their_fate() {
    for mutant in &MUTANTS[..FIRST] {
        let mut changed = with_kernel(&mutant.kernel());
        let mut cpu = CpuBackend::new();
        let tally = compare([&mut cpu, &mut changed], &|_| crowded_rules(), 7, 5, 40).unwrap();
        let is_equal = tally.mismatches == 0;
        assert_eq!(is_equal, mutant.fate == Fate::Equal, "{}: {tally:?}", mutant.name);
    }
}

#[test]
fn many_ticks_in_one_dispatch_are_as_many_single_ticks() {
    let seed = seed();
    let (mut single, mut many) = (CpuBackend::new(), narrow());
    let rules: Vec<Rules> = (0..5).map(|i| some_rules(seed ^ i)).collect();
    let ours: Vec<_> = rules.iter().map(|it| single.create(seed, it).unwrap()).collect();
    let theirs: Vec<_> = rules.iter().map(|it| many.create(seed, it).unwrap()).collect();
    for (from, to) in [(0, 1), (1, 100), (100, 103)] {
        let inputs: Vec<_> = (from..to).flat_map(|t| [wild_inputs(seed, t); 5]).collect();
        let mut expected = vec![TickOutput::default(); inputs.len()];
        let mut outputs = expected.clone();
        single.step_many(&ours, &inputs, &mut expected).unwrap();
        many.step_many(&theirs, &inputs, &mut outputs).unwrap();
        assert_eq!(outputs, expected, "ticks {from} to {to}");
        for (our, their) in ours.iter().zip(&theirs) {
            assert_eq!(many.export(*their).unwrap(), single.export(*our).unwrap());
            assert_eq!(many.state_hash(*their).unwrap(), single.state_hash(*our).unwrap());
        }
    }
}

#[test]
fn the_mirror_is_the_slab_of_the_device() {
    let seed = seed();
    let mut backend = narrow();
    let rules: Vec<Rules> = (0..6).map(|i| some_rules(seed ^ i)).collect();
    let handles: Vec<_> = rules.iter().map(|it| backend.create(seed, it).unwrap()).collect();
    let mut outputs = vec![TickOutput::default(); handles.len()];
    for tick in 0..40 {
        let inputs = vec![wild_inputs(seed, tick); handles.len()];
        backend.step(&handles, &inputs, &mut outputs).unwrap();
        if tick % 8 == 7 {
            for handle in &handles {
                let mirror = backend.export(*handle).unwrap();
                assert_eq!(backend.export_slab(*handle).unwrap(), mirror, "tick {tick}");
            }
        }
    }
}
