//! What every ledger must do, as functions of a way to open the same one twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arena_types::ReleaseId;
use arenactl_planning::Digest;
use arenactl_planning::observed::Observed;
use arenactl_planning::plan::{Seed, plan};
use arenactl_planning::release::{Artifact, Inputs, Origin, Release};
use arenactl_planning::rollout::{Event, Rollout};
use arenactl_planning::spec::{Ask, read};
use arenactl_planning::units::Timestamp;
use futures::future::LocalBoxFuture;
use tokio::time::Instant;

use super::{Ledger, LedgerError};
use crate::history::{Revision, RevisionKind, RevisionStatus};
use crate::journal::{Steering, Step};
use crate::lock::{self, Holder, LockError};

/// Opens one more handle of the ledger under test.
pub(crate) type Open<'a> = &'a dyn Fn() -> LocalBoxFuture<'a, Box<dyn Ledger>>;

const SPEC: &str = "
regions: {local: {backend: local}}
services: {play: {kind: stateless}}
";

/// Makes a test of each function of this file, on a ledger that `$open` opens; `$guard` lives as long.
macro_rules! ledger_conformance {
    ($guard:ident = $new:expr, $open:expr) => {
        $crate::ledger::conformance::ledger_conformance! { @each $guard = $new, $open;
            a_living_holder_is_not_waited_for
            a_dead_holder_is_replaced_and_fenced
            a_holder_elsewhere_is_replaced_after_it_stood_still_for_a_ttl
            a_removed_lock_fences_its_holder
            steps_are_read_back_in_their_order
            a_fenced_holder_writes_no_step
            requests_are_taken_once_in_their_order
            revisions_and_releases_are_read_back
            what_is_not_kept_is_forgotten
        }
    };
    (@each $guard:ident = $new:expr, $open:expr; $($name:ident)*) => {$(
        #[tokio::test]
        async fn $name() {
            let $guard = $new;
            $crate::ledger::conformance::$name(&$open).await;
        }
    )*};
}
pub(crate) use ledger_conformance;

fn holder(pid_offset: u64) -> Holder {
    let mut holder = Holder::own("deploy");
    holder.process.started_ticks += pid_offset;
    holder
}

fn release(id: u32) -> Release {
    let read = read(SPEC, &Ask::default());
    assert!(read.errors.is_empty(), "{:?}", read.errors);
    let artifact = Artifact { name: "arena-play".to_owned(), digest: Digest::of(b"play") };
    let inputs = Inputs {
        artifacts: BTreeMap::from([("play".parse().unwrap(), artifact)]),
        ..Inputs::default()
    };
    let origin = Origin { created: Timestamp(1), by: "tester".to_owned(), why: String::new() };
    Release::draft(ReleaseId(id), read.spec, inputs, origin)
}

fn steps() -> (String, Vec<Step>) {
    let observed = Observed::empty("local".parse().unwrap());
    let (rollout, effects) = Rollout::start(&plan(&release(1), &observed, Seed(1)).unwrap());
    let id = rollout.id.0.clone();
    let first = Step { rollout, event: None, effects, at: Timestamp(10) };
    let event = Event::Ready { instance: "play-r1-0".parse().unwrap() };
    let (rollout, effects) = first.rollout.on(&event).unwrap();
    let second = Step { rollout, event: Some(event), effects, at: Timestamp(20) };
    (id, vec![first, second])
}

fn revision(number: u32, release: ReleaseId) -> Revision {
    Revision {
        number,
        release,
        rollout: format!("0000000{number}"),
        kind: RevisionKind::Deploy,
        strategy: "rolling".to_owned(),
        who: "tester@here".to_owned(),
        why: "\"because\" \u{fc}".to_owned(),
        started_ms: 7,
        ended_ms: None,
        status: RevisionStatus::Running,
        note: String::new(),
    }
}

async fn opened(open: Open<'_>) -> Box<dyn Ledger> {
    let mut ledger = open().await;
    ledger.keep().await.unwrap();
    ledger
}

pub(crate) async fn a_living_holder_is_not_waited_for(open: Open<'_>) {
    let (mut first, mut second) = (opened(open).await, opened(open).await);
    let lock = lock::take(&mut *first, &holder(0)).await.unwrap();
    let contender = holder(0);
    let beats = async {
        loop {
            first.beat(&lock).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let taken = tokio::select! {
        taken = lock::take(&mut *second, &contender) => taken,
        () = beats => unreachable!("a beating heart does not stop"),
    };
    assert!(matches!(taken, Err(LockError::Held(_))), "{taken:?}");
    let view = second.lock_view().await.unwrap().unwrap();
    assert_eq!(view.holder, holder(0));
}

pub(crate) async fn a_dead_holder_is_replaced_and_fenced(open: Open<'_>) {
    let mut ledger = opened(open).await;
    let old = lock::take(&mut *ledger, &holder(1)).await.unwrap();
    let new = lock::take(&mut *ledger, &holder(0)).await.unwrap();
    assert!(matches!(ledger.beat(&old).await, Err(LockError::Lost)));
    ledger.release_lock(&old).await.unwrap();
    ledger.beat(&new).await.unwrap();
    ledger.release_lock(&new).await.unwrap();
    assert_eq!(ledger.lock_view().await.unwrap(), None);
}

pub(crate) async fn a_holder_elsewhere_is_replaced_after_it_stood_still_for_a_ttl(open: Open<'_>) {
    let mut ledger = opened(open).await;
    let elsewhere = Holder { machine: "another".to_owned(), ..holder(0) };
    lock::take(&mut *ledger, &elsewhere).await.unwrap();
    let (before, ttl) = (Instant::now(), Duration::from_millis(300));
    lock::take_after(&mut *ledger, &holder(0), ttl).await.unwrap();
    assert!(before.elapsed() >= ttl);
}

pub(crate) async fn a_removed_lock_fences_its_holder(open: Open<'_>) {
    let (mut one, mut other) = (opened(open).await, opened(open).await);
    let lock = lock::take(&mut *one, &holder(0)).await.unwrap();
    other.break_lock().await.unwrap();
    assert!(matches!(one.beat(&lock).await, Err(LockError::Lost)));
    lock::take(&mut *other, &holder(0)).await.unwrap();
}

pub(crate) async fn steps_are_read_back_in_their_order(open: Open<'_>) {
    let mut ledger = opened(open).await;
    let lock = lock::take(&mut *ledger, &holder(0)).await.unwrap();
    let (id, steps) = steps();
    assert_eq!(ledger.steps(&id).await.unwrap(), []);
    for step in &steps {
        ledger.record(&lock, &id, step).await.unwrap();
    }
    let mut other = open().await;
    assert_eq!(other.steps(&id).await.unwrap(), steps);
    assert_eq!(other.last_step(&id).await.unwrap().as_ref(), steps.last());
    assert_eq!(other.steps("ffffffff").await.unwrap(), []);
}

pub(crate) async fn a_fenced_holder_writes_no_step(open: Open<'_>) {
    let (mut paused, mut contender) = (opened(open).await, opened(open).await);
    let old = lock::take(&mut *paused, &holder(1)).await.unwrap();
    let (id, steps) = steps();
    paused.record(&old, &id, &steps[0]).await.unwrap();
    let new = lock::take(&mut *contender, &holder(0)).await.unwrap();
    let woken = paused.record(&old, &id, &steps[1]).await;
    assert!(matches!(woken, Err(LockError::Lost)), "{woken:?}");
    assert_eq!(contender.steps(&id).await.unwrap(), steps[..1]);
    contender.record(&new, &id, &steps[1]).await.unwrap();
    assert_eq!(contender.steps(&id).await.unwrap(), steps);
}

pub(crate) async fn requests_are_taken_once_in_their_order(open: Open<'_>) {
    let (mut one, mut other) = (opened(open).await, opened(open).await);
    let abort = Steering::Abort { reason: "too slow".to_owned() };
    one.steer(&Steering::Pause).await.unwrap();
    other.steer(&abort).await.unwrap();
    assert_eq!(other.take_steering().await.unwrap(), Some(Steering::Pause));
    assert_eq!(one.take_steering().await.unwrap(), Some(abort));
    assert_eq!(one.take_steering().await.unwrap(), None);
    one.steer(&Steering::Resume).await.unwrap();
    other.clear_steering().await.unwrap();
    assert_eq!(one.take_steering().await.unwrap(), None);
}

pub(crate) async fn revisions_and_releases_are_read_back(open: Open<'_>) {
    let mut ledger = opened(open).await;
    assert_eq!(ledger.history().await.unwrap().revisions, []);
    let (first, second) = (release(1), release(2));
    ledger.open_revision(&revision(1, first.id), &first).await.unwrap();
    ledger.close_revision(1, RevisionStatus::Deployed, "", 9).await.unwrap();
    ledger.open_revision(&revision(2, second.id), &second).await.unwrap();
    ledger.close_revision(2, RevisionStatus::RolledBack, "play: \"it failed\"", 12).await.unwrap();
    ledger.open_revision(&revision(3, first.id), &first).await.unwrap();
    let history = open().await.history().await.unwrap();
    let mut expected: Vec<_> =
        [(1, 1), (2, 2), (3, 1)].map(|(n, r)| revision(n, ReleaseId(r))).into();
    (expected[0].status, expected[0].ended_ms) = (RevisionStatus::Deployed, Some(9));
    (expected[1].status, expected[1].ended_ms) = (RevisionStatus::RolledBack, Some(12));
    expected[1].note = "play: \"it failed\"".to_owned();
    assert_eq!(history.revisions, expected);
    assert_eq!(history.releases, BTreeMap::from([(first.id, first.clone()), (second.id, second)]));
    assert!(history.releases.values().all(Release::is_intact));
    let taken = ledger.open_revision(&revision(3, first.id), &first).await;
    assert!(taken.is_err(), "a number stands for one revision");
}

pub(crate) async fn what_is_not_kept_is_forgotten(open: Open<'_>) {
    let mut ledger = opened(open).await;
    let lock = lock::take(&mut *ledger, &holder(0)).await.unwrap();
    let (id, steps) = steps();
    for number in 1..=3 {
        let release = release(number);
        let mut revision = revision(number, release.id);
        if number == 3 {
            revision.rollout.clone_from(&id);
        }
        ledger.open_revision(&revision, &release).await.unwrap();
        let status = RevisionStatus::Deployed;
        ledger.close_revision(number, status, "", 9).await.unwrap();
    }
    ledger.record(&lock, &id, &steps[0]).await.unwrap();
    let kept: BTreeSet<_> = [2, 3].map(ReleaseId).into();
    ledger.forget(&kept).await.unwrap();
    let history = ledger.history().await.unwrap();
    assert!(kept.iter().all(|id| history.releases.contains_key(id)), "{history:?}");
    assert_eq!(history.next_revision(), 4);
    ledger.beat(&lock).await.unwrap();
}

/// A failure names what failed and says what to do.
#[test]
fn every_failure_has_a_help() {
    let errors = [
        LedgerError::Full { path: "/state/ledger.sqlite".into() },
        LedgerError::Newer { path: "/state/ledger.sqlite".into(), found: 2, known: 1 },
    ];
    assert!(errors.iter().all(|error| !error.help().is_empty()));
}
