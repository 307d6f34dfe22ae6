//! Finds a warm copy for every match that shall have one, and another where one ended.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arena_types::{InstanceId, MatchId};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::mover::{MoveError, Mover};
use super::retry::Retry;
use super::shadowing::{Ended, Shadowing};

/// Between two looks at which matches have none.
const PERIOD: Duration = Duration::from_millis(100);
/// Copies begun in one look: each costs its instance a snapshot.
const STARTS_MAX: usize = 16;

/// Which matches have a copy, or shall have none now; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shadows {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    running: HashMap<MatchId, watch::Sender<bool>>,
    paused: HashSet<MatchId>,
}

/// A match gets no copy while this is held.
#[derive(Debug)]
pub(super) struct Paused {
    shadows: Shadows,
    id: MatchId,
}

impl Shadows {
    /// Ends the copy of a match that shall move, and begins none meanwhile.
    pub(super) async fn pause(&self, id: MatchId) -> Paused {
        let running = self.with(|it| {
            it.paused.insert(id);
            it.running.get(&id).cloned()
        });
        if let Some(cancel) = running {
            cancel.send_replace(true);
            cancel.closed().await;
        }
        Paused { shadows: self.clone(), id }
    }

    fn begin(&self, id: MatchId) -> Option<watch::Receiver<bool>> {
        self.with(|it| {
            if it.paused.contains(&id) {
                return None;
            }
            let (sender, cancel) = watch::channel(false);
            it.running.insert(id, sender);
            Some(cancel)
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        self.shadows.with(|it| it.paused.remove(&self.id));
    }
}

/// A copy that ended, or did not begin.
type Done = (MatchId, InstanceId, Result<Ended, MoveError>);

/// Keeps copies for as long as the process lives.
pub(crate) async fn shadow(mover: Mover) {
    let mut failures = HashMap::<MatchId, Retry>::new();
    let mut copies = JoinSet::<Done>::new();
    let mut under_way = HashSet::new();
    let mut period = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            Some(done) = copies.join_next() => {
                let Ok((id, to, done)) = done else { continue };
                under_way.remove(&id);
                let failure = failures.entry(id).or_default();
                match done {
                    Ok(ended) if ended.was_covered => *failure = Retry::default(),
                    Ok(ended) => tracing::debug!(%id, %to, ending = %ended.ending, "no warm copy there"),
                    Err(error) => tracing::debug!(%id, %to, %error, "no warm copy there"),
                }
                failure.note(Some(to));
                continue;
            }
            _ = period.tick() => {}
        }
        let lack = mover.host.unshadowed().await;
        failures.retain(|id, _| under_way.contains(id) || lack.contains(id));
        let is_due = |id: &MatchId| failures.get(id).is_none_or(Retry::is_due);
        let due: Vec<MatchId> =
            lack.into_iter().filter(|id| !under_way.contains(id) && is_due(id)).collect();
        for id in due.into_iter().take(STARTS_MAX) {
            let avoided = failures.get(&id).map(Retry::avoided).cloned().unwrap_or_default();
            // Where there is only one other instance, it is asked again.
            let to = mover.choose(id, &avoided).or_else(|| mover.choose(id, &BTreeSet::new()));
            match to {
                Some(to) => {
                    under_way.insert(id);
                    copies.spawn(keep(mover.clone(), id, to));
                }
                None => failures.entry(id).or_default().note(None),
            }
        }
    }
}

async fn keep(mover: Mover, id: MatchId, to: InstanceId) -> Done {
    let Some(mut cancel) = mover.shadows.begin(id) else { return (id, to, Err(MoveError::Ended)) };
    let done = match Shadowing::begin(&mover, id, &to).await {
        Ok(shadowing) => Ok(shadowing.run(&mut cancel).await),
        Err(error) => Err(error),
    };
    mover.shadows.with(|it| it.running.remove(&id));
    drop(cancel); // who waits for the end goes on
    (id, to, done)
}
