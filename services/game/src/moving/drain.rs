//! A draining instance moves its matches away, whoever drains it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use arena_instance::{Instance, Order};
use arena_types::contract::DrainMode;
use arena_types::{InstanceId, MatchId};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::mover::{MoveError, Mover};
use super::retry::Retry;

/// Between two looks at which matches are still here.
const PERIOD: Duration = Duration::from_millis(250);

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
    let mut failures = BTreeMap::<MatchId, Retry>::new();
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
                    Some(Err((to, error))) => {
                        failures.entry(id).or_default().note(to.filter(|_| error.is_lasting()));
                    }
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
            let is_due = failures.get(&id).is_none_or(Retry::is_due);
            let is_moving = found.moving || under_way.values().any(|it| *it == id);
            if found.finished || found.tick == 0 || is_moving || !is_due {
                continue;
            }
            let refused = failures.get(&id).map(Retry::avoided).cloned().unwrap_or_default();
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
