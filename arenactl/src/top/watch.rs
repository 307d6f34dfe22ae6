//! Looks at regions, each in a task of its own, and tells what it saw.

use std::future::Future;
use std::time::Duration;

use arena_types::{InstanceId, Region};
use arenactl_planning::rollout::Rollout;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::board::{RegionSeen, RolloutSeen};
use super::view::Details;
use crate::cli::{Context, Place};
use crate::error::{CliError, Status};
use crate::history::Revision;
use crate::journal::word;

/// How often a region is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// A region that takes longer for one look, or to be opened, is told as not seen: other calls have limits of their own
/// of up to two seconds, and a look makes a handful of them.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// Pause before a region that could not be seen is opened anew.
const RETRY: Duration = Duration::from_secs(5);
/// What was told and not yet shown: each region tells about once a second.
const TOLD_COUNT_MAX: usize = 64;
/// Wishes for details that wait for a look to end; a person presses one key at a time.
const WISH_COUNT_MAX: usize = 4;
/// Log lines and events fetched of an instance: a tall screen full.
const LOG_LINE_COUNT: usize = 60;
const EVENT_COUNT: usize = 8;

/// What a region's task tells.
pub(crate) enum Told {
    /// What it saw, or why it saw nothing.
    Seen(Region, Box<Result<RegionSeen, String>>),
    /// What is known of an instance that was asked for.
    Details(InstanceId, Details),
}

/// The tasks that look; they end with it.
pub(crate) struct Watching {
    pub(super) told: mpsc::Receiver<Told>,
    wishes: Vec<(Region, mpsc::Sender<InstanceId>)>,
    tasks: Vec<JoinHandle<()>>,
}

impl Watching {
    /// Begins to look at regions. Needs a `LocalSet`: what opens a region stays on its thread.
    pub(crate) fn start(context: &Context, regions: &[Region]) -> Self {
        let (tell, told) = mpsc::channel(TOLD_COUNT_MAX);
        let (mut wishes, mut tasks) = (Vec::new(), Vec::new());
        for region in regions {
            let (wish, wished) = mpsc::channel(WISH_COUNT_MAX);
            wishes.push((region.clone(), wish));
            let watcher = Watcher {
                context: context.clone(),
                region: region.clone(),
                tell: tell.clone(),
                wished,
            };
            tasks.push(tokio::task::spawn_local(watcher.run()));
        }
        Self { told, wishes, tasks }
    }

    /// Returns what a region's task tells next.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        self.told.recv().await
    }

    /// Asks for details; a region that is busy with that already is not asked twice.
    pub(super) fn ask(&self, region: &Region, instance: InstanceId) {
        if let Some((_, wish)) = self.wishes.iter().find(|(known, _)| known == region) {
            let _ = wish.try_send(instance); // A full queue will be answered, and the person can ask again.
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The task of one region.
struct Watcher {
    context: Context,
    region: Region,
    tell: mpsc::Sender<Told>,
    wished: mpsc::Receiver<InstanceId>,
}

impl Watcher {
    async fn run(mut self) {
        loop {
            let error = match timely(self.open()).await {
                Ok(mut place) => self.watch(&mut place).await,
                Err(error) => error,
            };
            if self.tell(Err(error.chain().join(": "))).await.is_none() {
                return;
            }
            sleep(RETRY).await;
        }
    }

    async fn open(&self) -> Result<Place, CliError> {
        let mut context = self.context.clone();
        context.global.region = Some(self.region.to_string());
        // What it goes by instead of a spec with mistakes is not said over the screen.
        Ok(context.kept_place().await?.0)
    }

    /// Looks once a second until that fails.
    async fn watch(&mut self, place: &mut Place) -> CliError {
        loop {
            let due = Instant::now() + INTERVAL;
            let seen = match timely(look(place)).await {
                Ok(seen) => seen,
                Err(error) => return error,
            };
            // Nobody listens any more: this task is about to be ended, and must not look on until then.
            if self.tell(Ok(seen)).await.is_none() {
                std::future::pending::<()>().await;
            }
            loop {
                tokio::select! {
                    () = sleep_until(due) => break,
                    Some(instance) = self.wished.recv() => {
                        let details = timely(async { Ok(details(place, &instance).await) });
                        let details = match details.await {
                            Ok(details) => details,
                            Err(error) => return error,
                        };
                        let _ = self.tell.send(Told::Details(instance, details)).await;
                    }
                }
            }
        }
    }

    async fn tell(&self, seen: Result<RegionSeen, String>) -> Option<()> {
        self.tell.send(Told::Seen(self.region.clone(), Box::new(seen))).await.ok()
    }
}

/// What is given up here may have left a connection in the middle of an answer: the region is opened anew.
async fn timely<T>(look: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let late = |_| {
        let what = format!("no answer within {} s", LOOK_LIMIT.as_secs());
        Err(CliError::new(Status::PreflightFailed, what))
    };
    timeout(LOOK_LIMIT, look).await.unwrap_or_else(late)
}

async fn look(place: &mut Place) -> Result<RegionSeen, CliError> {
    place.history = place.ledger.history().await?;
    let rollout = match place.history.open().cloned() {
        Some(open) => Some(rollout(place, &open).await?),
        None => None,
    };
    Ok(RegionSeen {
        release: place.history.current().map(|release| release.id),
        weights: place.backend.weights().await?,
        rollout,
        readings: place.backend.readings().await?,
    })
}

async fn rollout(place: &mut Place, open: &Revision) -> Result<RolloutSeen, CliError> {
    let last = place.ledger.last_step(&open.rollout).await?;
    let step = last.map(|last| step(&last.rollout)).unwrap_or_default();
    let step = format!("{} {step}", word(&open.kind)).trim_end().to_owned();
    Ok(RolloutSeen { release: open.release, step })
}

fn step(rollout: &Rollout) -> String {
    let paused = if rollout.outcome().is_some() { ", paused" } else { "" };
    let place = crate::progress::phase(rollout);
    format!("{place}, step {}{paused}", rollout.step)
}

/// What the rollout that is open, or was last, did to an instance, and what it wrote.
async fn details(place: &mut Place, instance: &InstanceId) -> Details {
    let last = place.history.revisions.last().map(|last| last.rollout.clone());
    let steps = match last {
        Some(rollout) => place.ledger.steps(&rollout).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let mut events = Vec::new();
    for step in &steps {
        let event = step.event.as_ref().filter(|event| event.unit() == Some(instance));
        events.extend(event.map(|event| format!("{} {event}", step.at)));
        let effects = step.effects.iter().filter(|effect| effect.unit() == Some(instance));
        events.extend(effects.map(|effect| format!("{} {effect}", step.at)));
    }
    events.drain(..events.len().saturating_sub(EVENT_COUNT));
    let log = place.backend.log_tail(instance, LOG_LINE_COUNT).await;
    Details { events, log }
}
