//! A draining instance moves its matches away, whoever drains it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use arena_instance::{Instance, Order};
use arena_types::contract::DrainMode;
use arena_types::{InstanceId, MatchId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::mover::{MoveError, Mover};

/// Between two looks at which matches are still here.
const PERIOD: Duration = Duration::from_millis(250);
/// Before a match is tried again: doubles from the first to the second.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(15);

/// What is known of a match that did not move.
#[derive(Debug, Default)]
struct Failure {
    tries: u32,
    next: Option<Instant>,
    /// Instances that can never take it.
    refused: BTreeSet<InstanceId>,
}

/// Moves matches while the instance drains in the mode that does so; one that cannot move is waited for.
pub(crate) async fn drain(instance: Instance, mover: Mover) {
    let mut orders = instance.orders();
    loop {
        let order = *orders.borrow_and_update();
        if let Order::Drain { mode: DrainMode::Migrate, .. } = order {
            let (cancel, cancelled) = watch::channel(false);
            let moving = move_all(&mover, cancelled);
            tokio::pin!(moving);
            tokio::select! {
                () = &mut moving => {}
                changed = orders.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    cancel.send_replace(true);
                    moving.await; // what is decided is carried out
                    continue;
                }
            }
        }
        if orders.changed().await.is_err() {
            return;
        }
    }
}

/// Moves every match that runs, until it is called off.
async fn move_all(mover: &Mover, mut cancelled: watch::Receiver<bool>) {
    let mut failures = BTreeMap::<MatchId, Failure>::new();
    let mut moves = JoinSet::new();
    let mut under_way = HashMap::new();
    let mut period = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            Some(done) = moves.join_next_with_id() => {
                let (task, moved) = match done {
                    Ok((task, moved)) => (task, moved),
                    Err(error) => (error.id(), Some(Err((None, MoveError::Ended)))),
                };
                let Some(id) = under_way.remove(&task) else { continue };
                match moved {
                    Some(Ok(())) => drop(failures.remove(&id)),
                    Some(Err((to, error))) => failures.entry(id).or_default().note(to, &error),
                    None => {}
                }
                continue;
            }
            _ = period.tick(), if !*cancelled.borrow() => {}
            _ = cancelled.wait_for(|it| *it), if !*cancelled.borrow() => {}
            else => return,
        }
        if *cancelled.borrow() {
            continue;
        }
        for found in mover.host.describe().await {
            let Ok(id) = found.r#match.parse::<MatchId>() else { continue };
            let is_due =
                failures.get(&id).and_then(|it| it.next).is_none_or(|it| it <= Instant::now());
            let is_moving = found.moving || under_way.values().any(|it| *it == id);
            if found.finished || found.tick == 0 || is_moving || !is_due {
                continue;
            }
            let refused = failures.get(&id).map(|it| it.refused.clone()).unwrap_or_default();
            let moving = move_one(mover.clone(), id, refused, cancelled.clone());
            under_way.insert(moves.spawn(moving).id(), id);
        }
    }
}

/// Moves one match once it is its turn; where to is chosen then, by how full the others are. `None` if there is
/// nowhere to go, or nobody wants it any more.
async fn move_one(
    mover: Mover,
    id: MatchId,
    refused: BTreeSet<InstanceId>,
    cancelled: watch::Receiver<bool>,
) -> Option<Result<(), (Option<InstanceId>, MoveError)>> {
    let turn = mover.turn().await?;
    if *cancelled.borrow() {
        return None;
    }
    let to = mover.choose(id, &refused)?;
    let moved = mover.run(turn, (id, &to), cancelled, &mut |_, _, _| {}).await;
    Some(moved.map(|_| ()).map_err(|error| (Some(to), error)))
}

impl Failure {
    fn note(&mut self, to: Option<InstanceId>, error: &MoveError) {
        let pause = RETRY_MAX.min(RETRY_MIN * 2_u32.pow(self.tries.min(8)));
        (self.tries, self.next) = (self.tries + 1, Some(Instant::now() + pause));
        if error.is_lasting() {
            self.refused.extend(to);
        }
    }
}
