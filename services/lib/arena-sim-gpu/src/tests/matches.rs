//! Matches come and go.
use arena_sim::{
    Backend, BackendError, Capacity, CpuBackend, MatchHandle, Rules, SeatInputs, TickOutput,
};

use super::{narrow, open};
use crate::{Accept, Gpu, GpuBackend, OpenError, Options, Unfit, calibrate, examine};
use arena_sim::seam::wild_inputs;

fn step(backend: &mut GpuBackend, matches: &[MatchHandle]) -> Result<(), BackendError> {
    let inputs = vec![SeatInputs::default(); matches.len()];
    backend.step(matches, &inputs, &mut vec![TickOutput::default(); matches.len()])
}

#[test]
fn a_software_device_is_never_taken_for_a_graphics_card() {
    let list = Gpu::list();
    assert!(list.iter().any(|it| Accept::Software.allows(it.kind)), "{list:?}");
    for accept in [Accept::Discrete, Accept::Integrated] {
        if list.iter().any(|it| accept.allows(it.kind)) {
            continue; // this machine has one
        }
        let error = Gpu::open(accept, Options::default()).unwrap_err();
        let OpenError::NoneAllowed { found } = &error else { panic!("{error}") };
        assert_eq!(found, &list);
        assert!(error.to_string().contains("(cpu, "), "{error}");
    }
}

#[test]
fn where_no_device_is_allowed_the_examination_says_which_there_are() {
    if Gpu::list().iter().any(|it| Accept::Discrete.allows(it.kind)) {
        return; // this machine has one
    }
    let unfit = examine(Accept::Discrete, Options::default(), &Rules::standard(), 4).unwrap_err();
    assert!(matches!(&unfit, Unfit::Open(OpenError::NoneAllowed { .. })), "{unfit}");
    assert!(unfit.to_string().contains("(cpu, "), "{unfit}");
}

#[test]
fn a_batch_that_is_wrong_steps_nothing_and_says_why() {
    let mut backend = narrow();
    let rules = Rules::standard();
    let (first, second) = (backend.create(1, &rules).unwrap(), backend.create(2, &rules).unwrap());
    let before = backend.export(first).unwrap();
    assert_eq!(
        step(&mut backend, &[first, second, first]),
        Err(BackendError::Twice { handle: first })
    );
    backend.free(second).unwrap();
    let stale = BackendError::Stale { handle: second };
    assert_eq!(step(&mut backend, &[first, second]), Err(stale.clone()));
    let shape = BackendError::Shape { matches: 1, inputs: 2, outputs: 1 };
    let mut outputs = [TickOutput::default()];
    assert_eq!(backend.step(&[first], &[SeatInputs::default(); 2], &mut outputs), Err(shape));
    let shape = BackendError::Shape { matches: 2, inputs: 3, outputs: 3 };
    let done = backend.step_many(
        &[first, first],
        &[SeatInputs::default(); 3],
        &mut [TickOutput::default(); 3],
    );
    assert_eq!(done, Err(shape));
    assert_eq!(backend.export(first).unwrap(), before);
    assert_eq!(backend.export(second), Err(stale.clone()));
    assert_eq!(backend.free(second), Err(stale.clone()));
    assert_eq!(backend.state_hash(second), Err(stale));
    assert_eq!(step(&mut backend, &[]), Ok(()));
}

#[test]
fn a_slot_is_used_again_under_another_name_and_nothing_of_it_is_left() {
    let mut backend = narrow();
    let rules = Rules::standard();
    let first = backend.create(7, &rules).unwrap();
    for tick in 0..30 {
        let mut outputs = [TickOutput::default()];
        backend.step(&[first], &[wild_inputs(7, tick)], &mut outputs).unwrap();
    }
    backend.free(first).unwrap();
    let again = backend.create(7, &rules).unwrap();
    assert_eq!(again.slot(), first.slot(), "the last slot freed is the first one taken");
    assert_ne!(again, first);
    let mut cpu = CpuBackend::new();
    let fresh = cpu.create(7, &rules).unwrap();
    assert_eq!(backend.export(again).unwrap(), cpu.export(fresh).unwrap());
    assert_eq!(backend.export_slab(again).unwrap(), cpu.export(fresh).unwrap());
}

#[test]
fn pages_grow_and_matches_of_all_of_them_step_together() {
    let mut backend = narrow();
    let mut cpu = CpuBackend::new();
    let rules = Rules::standard();
    let ours: Vec<_> = (0..20).map(|seed| cpu.create(seed, &rules).unwrap()).collect();
    let theirs: Vec<_> = (0..20).map(|seed| backend.create(seed, &rules).unwrap()).collect();
    let sizes: Vec<_> =
        backend.pools[rules.capacity().index()].pages.iter().map(|it| it.matches).collect();
    assert_eq!(sizes, [2, 4, 8, 16]);
    let mut outputs = [[TickOutput::default(); 20]; 2];
    for tick in 0..20 {
        let inputs: Vec<_> = (0..20).map(|seed| wild_inputs(seed, tick)).collect();
        cpu.step(&ours, &inputs, &mut outputs[0]).unwrap();
        backend.step(&theirs, &inputs, &mut outputs[1]).unwrap();
        assert_eq!(outputs[0], outputs[1]);
        // A part of the matches by themselves: the list that the device keeps changes.
        let some = 5 + tick as usize % 5;
        cpu.step(&ours[..some], &inputs[..some], &mut outputs[0][..some]).unwrap();
        backend.step(&theirs[..some], &inputs[..some], &mut outputs[1][..some]).unwrap();
        assert_eq!(outputs[0], outputs[1]);
    }
    for (our, their) in ours.iter().zip(&theirs) {
        assert_eq!(backend.export(*their).unwrap(), cpu.export(*our).unwrap());
    }
}

#[test]
fn a_warm_backend_is_empty_and_steps() {
    let mut backend = narrow();
    backend.warm(&Capacity::ALL[..2]).unwrap();
    let cost = calibrate(&mut backend, &Rules::standard(), 3, 5).unwrap();
    assert_eq!(cost.matches, 3);
    assert!(cost.us_per_match_tick > 0.0 && cost.tick_p99_us >= cost.us_per_match_tick, "{cost:?}");
}

#[test]
fn matches_by_more_rules_than_there_is_room_for_are_refused() {
    let mut backend =
        GpuBackend::new(open(Options { first_page_matches: 2_000, ..super::OPTIONS }));
    let limit = crate::rule_table::RULES_MAX;
    let rules = |version: usize| {
        Rules::parse(&format!(r#"{{"version": {version}, "projectiles": 256}}"#)).unwrap()
    };
    let handles: Vec<_> =
        (1..=limit).map(|version| backend.create(1, &rules(version)).unwrap()).collect();
    let error = backend.create(1, &rules(limit + 1)).unwrap_err();
    assert_eq!(error, BackendError::TooManyRules { limit });
    assert!(backend.create(1, &rules(5)).is_ok(), "these are there already");
    backend.free(handles[8]).unwrap();
    assert!(backend.create(1, &rules(limit + 1)).is_ok(), "nobody plays by the ninth any more");
}
