//! Finds matches whose owner died.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arena_types::{Epoch, MatchId, MatchRecord};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::takeover::Failover;

/// Between two looks at all matches, whatever changed; a key that ends is seen at once.
const PERIOD: Duration = Duration::from_secs(1);
/// A match that the registry gives this instance is here within this time, or never will be: above what a move takes
/// from one owner to the next, and what a record outlives its match.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);
/// Matches gone on with at once: reading their journals bounds it.
const AT_ONCE_MAX: usize = 32;
/// A starting instance looks so long for matches of an earlier life of its own.
const RECLAIM_MAX: Duration = Duration::from_secs(10);
/// Between two tries of that.
const RETRY: Duration = Duration::from_millis(50);

/// Goes on with matches of instances that died, for as long as the process lives.
pub(crate) async fn watch(failover: Failover) {
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let (mut tasks, mut under_way) = (JoinSet::new(), BTreeSet::new());
    let mut period = interval(PERIOD);
    let mut missing = Missing::default();
    let (mut instances, mut matches) = (failover.instances.clone(), failover.matches.clone());
    let mut alive = keys(&instances.first().await);
    matches.first().await;
    loop {
        let mut lost = Vec::new();
        loop {
            tokio::select! {
                entries = instances.changed() => {
                    let now = keys(&entries);
                    if now != alive {
                        alive = now;
                        break;
                    }
                }
                _ = matches.changed() => break,
                _ = period.tick() => {
                    lost = missing.look(&failover).await;
                    break;
                }
                Some(done) = tasks.join_next() => {
                    if let Ok(id) = done {
                        under_way.remove(&id);
                    }
                }
            }
        }
        for (id, record) in orphans(&failover, &alive).into_iter().chain(lost) {
            if !under_way.insert(id) {
                continue;
            }
            let (failover, places) = (failover.clone(), places.clone());
            tasks.spawn(async move {
                if let Ok(_place) = places.acquire().await {
                    failover.take_over(id, record).await;
                }
                id
            });
        }
    }
}

/// Goes on with the matches that an earlier life of this instance hosted, if nobody else did: nobody but this
/// instance can, once its key is there again. Call it before the instance answers anyone.
pub(crate) async fn reclaim(failover: &Failover) {
    let begun = Instant::now();
    let records = loop {
        match failover.records.list().await {
            Ok(records) => break records,
            Err(error) if begun.elapsed() > RECLAIM_MAX => {
                return tracing::warn!(%error, "matches of an earlier life of this instance are not looked for");
            }
            Err(_) => sleep(RETRY).await,
        }
    };
    let own = records.into_iter().filter(|(_, it)| it.owner == failover.own.0 && it.ready);
    let own: Vec<(MatchId, MatchRecord)> = own.collect();
    if own.is_empty() {
        return;
    }
    while !failover.fence.is_leased() && begun.elapsed() < RECLAIM_MAX {
        sleep(RETRY).await;
    }
    tracing::info!(matches = own.len(), "looks at matches of an earlier life of this instance");
    let mut tasks = JoinSet::new();
    for (id, record) in own {
        let failover = failover.clone();
        tasks.spawn(async move {
            if !failover.cede(id).await {
                failover.take_over(id, record).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// Matches that the registry gives this instance, and that are not here, with the epoch and since when.
#[derive(Default)]
struct Missing(BTreeMap<MatchId, (Epoch, Instant)>);

impl Missing {
    /// Returns those that do not come any more, each once in a while: the instance was named because it had a warm
    /// copy, and died with it.
    async fn look(&mut self, failover: &Failover) -> Vec<(MatchId, MatchRecord)> {
        let records = failover.matches.parsed::<MatchRecord>(&failover.matches.now());
        let own = records.into_iter().filter(|(_, it)| it.ready && it.owner == failover.own.0);
        let mut own: BTreeMap<MatchId, MatchRecord> =
            own.filter_map(|(id, it)| Some((id.parse().ok()?, it))).collect();
        for hosted in failover.host.describe().await {
            if let Ok(id) = hosted.r#match.parse() {
                own.remove(&id);
            }
        }
        self.0.retain(|id, (epoch, _)| own.get(id).is_some_and(|it| it.epoch == *epoch));
        let now = Instant::now();
        own.retain(|id, it| {
            let (_, since) = self.0.entry(*id).or_insert((it.epoch, now));
            let is_late = since.elapsed() > ARRIVAL_MAX;
            if is_late {
                *since = now;
            }
            is_late
        });
        own.into_iter().collect()
    }
}

fn keys(entries: &arena_instance::Entries) -> BTreeSet<String> {
    entries.keys().cloned().collect()
}

/// Returns the matches whose owner's key is not there.
fn orphans(failover: &Failover, alive: &BTreeSet<String>) -> Vec<(MatchId, MatchRecord)> {
    let records = failover.matches.parsed::<MatchRecord>(&failover.matches.now());
    let is_orphan = |it: &MatchRecord| {
        it.ready && it.owner != failover.own.0 && !alive.contains(it.owner.as_str())
    };
    let orphans = records.into_iter().filter(|(_, it)| is_orphan(it));
    orphans.filter_map(|(id, it)| Some((id.parse().ok()?, it))).collect()
}
