use std::fmt::Write as _;

use expect_test::expect;
use proptest::prelude::*;

use super::*;

fn seen(present: u32, used: u32, waiting: u32) -> Observed {
    Observed { present, used, waiting, per_instance: 100, in_rollout: false }
}

/// Plays `(seconds since the last, seen)` and prints the decisions.
fn play(bounds: (u32, u32), steps: &[(u64, Observed)]) -> String {
    let bounds = Bounds::new(bounds.0, bounds.1).unwrap();
    let (mut memory, mut now, mut text) = (Memory::default(), 1_000, String::new());
    for (after_s, seen) in steps {
        now += after_s;
        let (next, decision) = decide(bounds, memory, *seen, Duration::from_secs(now));
        memory = next;
        writeln!(text, "{} s {}: {}", now - 1_000, decision.wanted, decision.reason).unwrap();
    }
    text
}

#[test]
fn up_at_once_and_down_late() {
    let steps = [
        (0, seen(1, 0, 0)),
        (2, seen(1, 90, 0)),
        (2, seen(2, 170, 30)),
        (4, seen(2, 190, 30)),
        (60, seen(3, 50, 0)),
        (299, seen(3, 50, 0)),
        (1, seen(3, 50, 0)),
        (2, seen(2, 50, 0)),
        (60, seen(2, 50, 0)),
        (60, seen(1, 50, 0)),
    ];
    expect![[r"
        0 s 1: 0 in use + 0 waiting + 4 spare at 100 each = 1
        2 s 2: 90 in use + 0 waiting + 22 spare at 100 each = 2
        4 s 2: 170 in use + 30 waiting + 50 spare at 100 each = 3; held at 2: the last change is only just made
        8 s 3: 190 in use + 30 waiting + 55 spare at 100 each = 3
        68 s 3: 50 in use + 0 waiting + 12 spare at 100 each = 1; held at 3: it was not lower for 300 s yet
        367 s 3: 50 in use + 0 waiting + 12 spare at 100 each = 1; held at 3: it was not lower for 300 s yet
        368 s 2: 50 in use + 0 waiting + 12 spare at 100 each = 1; one step down to 2
        370 s 2: 50 in use + 0 waiting + 12 spare at 100 each = 1; held at 2: the last change is only just made
        430 s 1: 50 in use + 0 waiting + 12 spare at 100 each = 1; one step down to 1
        490 s 1: 50 in use + 0 waiting + 12 spare at 100 each = 1
    "]].assert_eq(&play((1, 8), &steps));
}

#[test]
fn a_peak_in_between_starts_the_wait_again() {
    let low = seen(3, 50, 0);
    let high = seen(3, 230, 0);
    let steps = [(0, high), (10, low), (200, low), (10, high), (10, low), (200, low), (101, low)];
    expect![[r"
        0 s 3: 230 in use + 0 waiting + 57 spare at 100 each = 3
        10 s 3: 50 in use + 0 waiting + 12 spare at 100 each = 1; held at 3: it was not lower for 300 s yet
        210 s 3: 50 in use + 0 waiting + 12 spare at 100 each = 1; held at 3: it was not lower for 300 s yet
        220 s 3: 230 in use + 0 waiting + 57 spare at 100 each = 3
        230 s 3: 50 in use + 0 waiting + 12 spare at 100 each = 1; held at 3: it was not lower for 300 s yet
        430 s 3: 50 in use + 0 waiting + 12 spare at 100 each = 1; held at 3: it was not lower for 300 s yet
        531 s 2: 50 in use + 0 waiting + 12 spare at 100 each = 1; one step down to 2
    "]].assert_eq(&play((1, 8), &steps));
}

#[test]
fn never_down_in_a_rollout_but_up() {
    let rollout = |used| Observed { in_rollout: true, ..seen(3, used, 0) };
    let steps = [(0, seen(3, 230, 0)), (10, rollout(50)), (600, rollout(50)), (10, rollout(400))];
    expect![[r"
        0 s 3: 230 in use + 0 waiting + 57 spare at 100 each = 3
        10 s 3: 50 in use + 0 waiting + 12 spare at 100 each = 1; held at 3: a rollout runs
        610 s 3: 50 in use + 0 waiting + 12 spare at 100 each = 1; held at 3: a rollout runs
        620 s 5: 400 in use + 0 waiting + 100 spare at 100 each = 5
    "]]
    .assert_eq(&play((1, 8), &steps));
}

#[test]
fn bounds_hold_at_once() {
    let steps = [(0, seen(0, 0, 0)), (10, seen(2, 900, 50))];
    expect![[r"
        0 s 2: 0 in use + 0 waiting + 4 spare at 100 each = 2, the minimum
        10 s 3: 900 in use + 50 waiting + 237 spare at 100 each = 3, the maximum
    "]]
    .assert_eq(&play((2, 3), &steps));
    assert_eq!(Bounds::new(0, 0), None);
    assert_eq!(Bounds::new(3, 2), None);
}

proptest! {
    #[test]
    fn it_stays_in_bounds_and_steps_down_by_one(
        min in 0..4_u32,
        more in 1..6_u32,
        steps in prop::collection::vec((0..400_u64, 0..9_u32, 0..2_000_u32, 0..500_u32, any::<bool>()), 1..60),
    ) {
        let bounds = Bounds::new(min, min + more).unwrap();
        let (mut memory, mut now, mut before) = (Memory::default(), 0, None);
        for (after_s, present, used, waiting, in_rollout) in steps {
            now += after_s;
            let seen = Observed { in_rollout, ..seen(present, used, waiting) };
            let (next, decision) = decide(bounds, memory, seen, Duration::from_secs(now));
            prop_assert!((min..=min + more).contains(&decision.wanted));
            if let Some(before) = before {
                prop_assert!(decision.wanted + 1 >= before, "{before} -> {}", decision.wanted);
                prop_assert!(!in_rollout || decision.wanted >= before);
            }
            (memory, before) = (next, Some(decision.wanted));
        }
    }
}
