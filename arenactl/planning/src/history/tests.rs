use proptest::prelude::*;

use super::*;

fn history(entries: &[(u32, RevisionStatus)]) -> History {
    let revision = |(index, (release, status)): (usize, &(u32, RevisionStatus))| Revision {
        number: index as u32 + 1,
        kind: RevisionKind::Deploy,
        release: ReleaseId(*release),
        rollout: RolloutId("0badcafe".to_owned()),
        status: *status,
        at: Timestamp(0),
        by: "tester".to_owned(),
        why: String::new(),
    };
    History(entries.iter().enumerate().map(revision).collect())
}

fn good(releases: &[u32]) -> History {
    let entries: Vec<_> = releases.iter().map(|it| (*it, RevisionStatus::Good)).collect();
    history(&entries)
}

#[test]
fn a_bare_rollback_goes_to_what_was_first_deployed_before_the_current_release() {
    for (releases, target) in [
        (&[][..], Err(RollbackError::NothingDeployed)),
        (&[1], Err(RollbackError::NothingEarlier { current: ReleaseId(1) })),
        (&[1, 2], Ok(ReleaseId(1))),
        (&[1, 2, 1], Err(RollbackError::NothingEarlier { current: ReleaseId(1) })),
        (&[1, 2, 3], Ok(ReleaseId(2))),
        (&[1, 2, 3, 2], Ok(ReleaseId(1))),
        (&[1, 2, 3, 2, 1], Err(RollbackError::NothingEarlier { current: ReleaseId(1) })),
        (&[1, 2, 1, 3], Ok(ReleaseId(2))),
    ] {
        assert_eq!(good(releases).rollback_target(None), target, "{releases:?}");
    }
}

#[test]
fn a_release_that_failed_is_no_target_and_does_not_become_current() {
    use RevisionStatus::{Good, LeftAsIs, RolledBack, Running};
    let past = history(&[(1, Good), (2, RolledBack), (3, Good), (4, LeftAsIs), (5, Running)]);
    assert_eq!(past.current().map(|it| it.release), Some(ReleaseId(3)));
    assert_eq!(past.running().map(|it| it.release), Some(ReleaseId(5)));
    assert_eq!(past.rollback_target(None), Ok(ReleaseId(1)));
    let never = Err(RollbackError::NeverGood { wanted: ReleaseId(2) });
    assert_eq!(past.rollback_target(Some(ReleaseId(2))), never);
    let current = Err(RollbackError::IsCurrent { wanted: ReleaseId(3) });
    assert_eq!(past.rollback_target(Some(ReleaseId(3))), current);
    assert_eq!(past.rollback_target(Some(ReleaseId(1))), Ok(ReleaseId(1)));
}

#[test]
fn what_runs_is_kept_however_old() {
    let past = good(&[1, 2, 3, 4, 5, 2]);
    let kept = past.kept(2, &BTreeSet::from([ReleaseId(1)]));
    assert_eq!(kept, [1, 2, 4, 5].map(ReleaseId).into());
}

proptest! {
    /// Bare rollbacks, one after another, visit ever earlier releases and come to an end.
    #[test]
    fn bare_rollbacks_never_toggle(releases in prop::collection::vec(1_u32..8, 1..20)) {
        let mut past = good(&releases);
        let mut visited = BTreeSet::new();
        let mut last = past.first_good()[&past.current().unwrap().release];
        while let Ok(target) = past.rollback_target(None) {
            let first = past.first_good()[&target];
            prop_assert!(first < last);
            prop_assert!(visited.insert(target));
            last = first;
            let mut revision = past.0[0].clone();
            (revision.number, revision.release) = (past.next_number(), target);
            past.0.push(revision);
        }
        prop_assert_eq!(last, 1);
    }
}
