//! Snapshots: what was saved goes on as if nothing had happened; what was not saved is refused.
use proptest::prelude::*;

use super::Arena;
use super::parity::any_rules;
use crate::seam::wild_inputs;
use crate::{Backend, BackendError, CpuBackend, ImportError, Path, Rules, SnapshotError};

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_match_goes_on_as_the_original(rules in any_rules(), seed: u32, cut in 0..120u32) {
        let mut original = Arena::new(Path::Avx2, &rules, seed);
        for tick in 0..cut {
            original.step(&wild_inputs(seed, tick));
        }
        let bytes = original.backend.export(original.handle).unwrap();
        let mut backend = CpuBackend::with_path(Path::BruteForce);
        let handle = backend.import(&bytes, &rules).unwrap();
        let mut restored = Arena { backend, handle };
        for tick in cut..cut + 60 {
            let inputs = wild_inputs(seed, tick);
            prop_assert_eq!(restored.step(&inputs), original.step(&inputs));
        }
        let after = original.backend.export(original.handle).unwrap();
        prop_assert_eq!(restored.backend.export(handle).unwrap(), after);
    }

    #[test]
    fn no_bytes_whatever_make_a_later_tick_panic(
        rules in any_rules(),
        seed: u32,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..6),
    ) {
        let mut arena = Arena::new(Path::Avx2, &rules, seed);
        for tick in 0..40 {
            arena.step(&wild_inputs(seed, tick));
        }
        let mut bytes = arena.backend.export(arena.handle).unwrap();
        for (place, word) in changes {
            let at = 12 + 4 * place.index((bytes.len() - 20) / 4);
            // Small changes pass more checks than random words do.
            let old = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            let new = if word & 1 == 0 { word } else { old ^ (1 << (word >> 1 & 31)) };
            bytes[at..at + 4].copy_from_slice(&new.to_le_bytes());
        }
        reseal(&mut bytes);
        if let Ok(handle) = arena.backend.import(&bytes, &rules) {
            arena.handle = handle;
            for tick in 40..120 {
                arena.step(&wild_inputs(seed, tick));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..9_000)) {
        let refused = CpuBackend::new().import(&bytes, &Rules::standard());
        prop_assert!(matches!(refused, Err(ImportError::Snapshot(_))));
    }
}

/// Writes the hash that goes with changed words.
fn reseal(bytes: &mut [u8]) {
    let end = bytes.len() - 8;
    let words: Vec<u32> =
        bytes[12..end].as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let hash = crate::hash::hash_body(&words);
    bytes[end..].copy_from_slice(&hash.0.to_le_bytes());
}

#[track_caller]
fn check(change: impl FnOnce(&mut Vec<u8>), expected: &str) {
    let rules = Rules::standard();
    let mut arena = Arena::new(Path::Avx2, &rules, 5);
    arena.step(&wild_inputs(5, 0));
    let mut bytes = arena.backend.export(arena.handle).unwrap();
    change(&mut bytes);
    let error = match arena.backend.import(&bytes, &rules) {
        Err(ImportError::Snapshot(error)) => error.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(error, expected);
}

/// Changes a word of the slab in a snapshot.
pub(super) fn put(bytes: &mut [u8], word: usize, value: u32) {
    bytes[12 + 4 * word..16 + 4 * word].copy_from_slice(&value.to_le_bytes());
    reseal(bytes);
}

#[test]
fn every_kind_of_damage_has_its_own_error() {
    check(|it| it.truncate(3), "snapshot has 3 bytes, expected 8724");
    check(|it| it.truncate(8_000), "snapshot has 8000 bytes, expected 8724");
    check(|it| it.push(0), "snapshot has 8725 bytes, expected 8724");
    check(|it| it[0] = b'X', "bytes do not start as a snapshot does");
    check(|it| it[4] = 99, "snapshot has schema 99, this simulation 2");
    check(
        |it| it[9] = 1,
        "snapshot has room for 256 projectiles and 0 drones, its rules for 512 and 0",
    );
    check(|it| put(it, 0, 1 << 30), "snapshot has an impossible tick in word 0");
    check(|it| put(it, 2, 512), "snapshot has an impossible cursor in word 2");
    check(|it| put(it, 3, 7), "snapshot has an impossible flag in word 3");
    check(|it| put(it, 7, 1 << 20), "snapshot has an impossible seat in word 7");
    check(|it| put(it, 8, 1), "snapshot has an impossible team score in word 8");
    check(|it| put(it, 9, 1), "snapshot has an impossible state of a flag in word 9");
    check(|it| put(it, 15, 1), "snapshot has an impossible spare word in word 15");
    check(|it| put(it, 16, 0), "snapshot has an impossible player's position in word 16");
    check(|it| put(it, 48, 0x7fff), "snapshot has an impossible player's velocity in word 48");
    check(|it| put(it, 64, 255), "snapshot has an impossible health in word 64");
    check(
        |it| put(it, 128, u32::MAX),
        "snapshot has an impossible projectile in a free slot in word 128",
    );
    check(|it| put(it, 96, 1), "snapshot has an impossible effect in word 96");
    check(|it| put(it, 112, 1), "snapshot has an impossible pick-up in word 112");
    check(
        |it| put(it, 1_664, 1 << 30),
        "snapshot has an impossible projectile's life in word 1664",
    );
}

#[test]
fn a_flipped_bit_and_foreign_rules_are_noticed() {
    let rules = Rules::standard();
    let mut arena = Arena::new(Path::Avx2, &rules, 5);
    let mut bytes = arena.backend.export(arena.handle).unwrap();
    let other = Rules::parse(r#"{"version": 1, "weapon": {"damage": 19}}"#).unwrap();
    let refused = arena.backend.import(&bytes, &other);
    assert!(matches!(refused, Err(ImportError::Snapshot(SnapshotError::Rules { .. }))));
    bytes[20] ^= 1;
    let refused = arena.backend.import(&bytes, &rules);
    assert!(matches!(refused, Err(ImportError::Snapshot(SnapshotError::Hash { .. }))));
}

#[test]
fn a_new_version_of_equal_rules_takes_the_match_over() {
    let old = Arena::new(Path::Avx2, &Rules::standard(), 5);
    let bytes = old.backend.export(old.handle).unwrap();
    let renumbered = Rules::parse(r#"{"version": 2}"#).unwrap();
    assert!(CpuBackend::new().import(&bytes, &renumbered).is_ok());
}

#[test]
fn a_handle_outlives_its_match_without_harm() {
    let rules = Rules::standard();
    let mut backend = CpuBackend::new();
    let first = backend.create(1, &rules).unwrap();
    backend.free(first).unwrap();
    let second = backend.create(2, &rules).unwrap();
    let stale = BackendError::Stale { handle: first };
    assert_eq!(backend.free(first), Err(stale.clone()));
    assert_eq!(backend.export(first), Err(stale.clone()));
    assert_eq!(backend.state_hash(first), Err(stale.clone()));
    let inputs = [wild_inputs(1, 0); 2];
    let mut outputs = Default::default();
    let outputs: &mut [_; 2] = &mut outputs;
    assert_eq!(backend.step(&[second, first], &inputs, outputs), Err(stale));
    let twice = BackendError::Twice { handle: second };
    assert_eq!(backend.step(&[second, second], &inputs, outputs), Err(twice));
    let shape = BackendError::Shape { matches: 1, inputs: 2, outputs: 2 };
    assert_eq!(backend.step(&[second], &inputs, outputs), Err(shape));
    assert_eq!(backend.view(second).unwrap().tick(), 0, "a refused batch steps nothing");
}
