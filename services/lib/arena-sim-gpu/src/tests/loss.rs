//! The device fails, the matches go on.
use arena_sim::{Backend, BackendError, CpuBackend, Rules, TickOutput};

use super::{OPTIONS, open, seed, some_rules};
use crate::{GpuBackend, Guarded};
use arena_sim::seam::wild_inputs;

#[test]
fn a_lost_device_is_an_error_at_every_step_and_never_a_panic() {
    let gpu = open(OPTIONS);
    let mut backend = GpuBackend::new(gpu.clone());
    let rules = Rules::standard();
    let handle = backend.create(1, &rules).unwrap();
    let inputs = [wild_inputs(1, 0)];
    let mut outputs = [TickOutput::default()];
    backend.step(&[handle], &inputs, &mut outputs).unwrap();
    let before = backend.export(handle).unwrap();
    gpu.destroy();
    for _ in 0..2 {
        let error = backend.step(&[handle], &inputs, &mut outputs).unwrap_err();
        assert!(matches!(error, BackendError::Device { .. }), "{error}");
    }
    assert!(gpu.fault().is_some());
    assert!(matches!(backend.create(1, &rules), Err(BackendError::Device { .. })));
    assert!(matches!(backend.export_slab(handle), Err(BackendError::Device { .. })));
    assert_eq!(backend.export(handle).unwrap(), before, "what was read stays readable");
    assert_eq!(backend.free(handle), Ok(()));
}

#[test]
fn matches_go_on_with_the_same_bytes_when_their_device_is_destroyed() {
    let seed = seed();
    let gpu = open(OPTIONS);
    let mut guarded = Guarded::new(GpuBackend::new(gpu.clone()));
    let mut cpu = CpuBackend::new();
    let rules: Vec<Rules> = (0..4).map(|i| some_rules(seed ^ i)).collect();
    let mut ours: Vec<_> = rules.iter().map(|it| cpu.create(seed, it).unwrap()).collect();
    let mut theirs: Vec<_> = rules.iter().map(|it| guarded.create(seed, it).unwrap()).collect();
    let mut outputs = [[TickOutput::default(); 4]; 2];
    for tick in 0..150 {
        match tick {
            40 => {
                // A match ends, and one comes in from elsewhere.
                cpu.free(ours[1]).unwrap();
                guarded.free(theirs[1]).unwrap();
                let saved = cpu.export(ours[2]).unwrap();
                ours[1] = cpu.import(&saved, &rules[2]).unwrap();
                theirs[1] = guarded.import(&saved, &rules[2]).unwrap();
            }
            100 => gpu.destroy(),
            120 => {
                cpu.free(ours[3]).unwrap();
                guarded.free(theirs[3]).unwrap();
                ours[3] = cpu.create(9, &rules[3]).unwrap();
                theirs[3] = guarded.create(9, &rules[3]).unwrap();
            }
            _ => {}
        }
        let inputs = [wild_inputs(seed, tick); 4];
        cpu.step(&ours, &inputs, &mut outputs[0]).unwrap();
        guarded.step(&theirs, &inputs, &mut outputs[1]).unwrap();
        assert_eq!(outputs[0], outputs[1], "tick {tick}");
        assert_eq!(guarded.failure().is_some(), tick >= 100, "tick {tick}");
        for (our, their) in ours.iter().zip(&theirs) {
            assert_eq!(guarded.export(*their).unwrap(), cpu.export(*our).unwrap(), "tick {tick}");
            assert_eq!(guarded.state_hash(*their).unwrap(), cpu.state_hash(*our).unwrap());
            assert_eq!(guarded.view(*their).unwrap().tick(), cpu.view(*our).unwrap().tick());
        }
    }
    assert!(guarded.name().starts_with("cpu-"), "{}", guarded.name());
}

#[test]
fn a_device_may_fail_while_a_match_is_made_or_catches_up() {
    let rules = Rules::standard();
    for fails_in_create in [true, false] {
        let gpu = open(OPTIONS);
        let mut guarded = Guarded::new(GpuBackend::new(gpu.clone()));
        let mut cpu = CpuBackend::new();
        let (our, their) = (cpu.create(5, &rules).unwrap(), guarded.create(5, &rules).unwrap());
        let inputs: Vec<_> = (0..90).map(|tick| wild_inputs(5, tick)).collect();
        let mut outputs = vec![[TickOutput::default(); 30]; 2];
        for (i, inputs) in inputs.chunks(30).enumerate() {
            if i == 2 {
                gpu.destroy();
                if fails_in_create {
                    // The driver may say so only at the next step; the match is kept either way.
                    let late = guarded.create(6, &rules).unwrap();
                    assert_ne!(late, their);
                }
            }
            cpu.step_many(&[our], inputs, &mut outputs[0]).unwrap();
            guarded.step_many(&[their], inputs, &mut outputs[1]).unwrap();
            assert_eq!(outputs[0], outputs[1], "chunk {i}");
        }
        assert!(guarded.failure().is_some());
        assert_eq!(guarded.export(their).unwrap(), cpu.export(our).unwrap());
    }
}

#[test]
fn errors_name_the_handles_that_the_caller_knows() {
    let mut guarded = Guarded::new(super::narrow());
    let rules = Rules::standard();
    let (first, second) = (guarded.create(1, &rules).unwrap(), guarded.create(2, &rules).unwrap());
    let inputs = [wild_inputs(1, 0); 3];
    let mut outputs = [TickOutput::default(); 3];
    let done = guarded.step(&[first, second, second], &inputs, &mut outputs);
    assert_eq!(done, Err(BackendError::Twice { handle: second }));
    guarded.free(first).unwrap();
    let done = guarded.step(&[second, first], &inputs[..2], &mut outputs[..2]);
    assert_eq!(done, Err(BackendError::Stale { handle: first }));
    assert_eq!(guarded.free(first), Err(BackendError::Stale { handle: first }));
    assert!(guarded.failure().is_none());
}
