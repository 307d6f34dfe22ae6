//! Everything that hosts matches in one process: tick threads, links, outbox.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arena_games::Backing;
use arena_instance::Fence;
use arena_mesh::Link;
use arena_sdk::Worlds;
use arena_store::Stores;
use arena_types::contract::BackendReport;
use arena_types::{Epoch, MatchId};
use arena_wire::game::v1::Match;
use arena_wire::token::TokenKey;
use tokio::sync::{mpsc, oneshot, watch};

use crate::Config;
use crate::failover::{Journal, JournalParts};
use crate::figures::Figures;
use crate::films::{Cache, Films, Source};
use crate::gone::{GONE_MAX, remove_records};
use crate::links::{Homes, Links, shard_of};
use crate::logic::hosted::{NewMatch, Owner};
use crate::logic::shard::{
    Awaited, CreateError, Effects, RestoreError, Restoring, Shard, ShardLoad,
};
use crate::logic::tape::Tapes;
use crate::moving::{self, Feeds, Records};
use crate::outbox::{Outbox, UNRECORDED_MAX};
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::ticker::{BATCHES_MAX, Batch, COMMANDS_MAX, Command, Load, Ticker};

/// Recorded results on their way to their matches.
const RECORDED_MAX: usize = 256;

/// Why a match is not hosted here.
#[derive(Debug, thiserror::Error)]
pub enum RefusedError {
    /// The instance drains: choose another.
    #[error("this instance is draining")]
    Draining,
    /// The results of too many matches are not recorded.
    #[error("{unrecorded} results are not recorded yet: is `stats` away?")]
    Unrecorded {
        /// How many.
        unrecorded: u32,
    },
    /// The shard says no.
    #[error(transparent)]
    Shard(#[from] CreateError),
    /// The tick thread has ended.
    #[error("the tick thread has ended")]
    Ended,
}

/// Hosts matches; clones are the same host. Its threads end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Host {
    homes: Homes,
    loads: Arc<[Arc<Load>]>,
    links: Arc<Links>,
    outbox: Outbox,
    recorder: Option<Recorder>,
    backend: watch::Receiver<BackendReport>,
    accepting: Arc<AtomicBool>,
    feeds: Feeds,
    stage: Stage,
}

/// What a host is made of.
#[derive(Debug)]
pub struct Parts {
    /// Sizes.
    pub config: Config,
    /// What steps the matches.
    pub backing: Backing,
    /// Who it is.
    pub owner: Owner,
    /// What route tokens are verified with.
    pub route_key: TokenKey,
    /// Where it counts.
    pub figures: Figures,
    /// Where replays are written; `None` records nothing.
    pub recorder: Option<Recorder>,
    /// Where replays and journals are stored.
    pub stores: Stores,
    /// Until when it may act as the owner of matches.
    pub fence: Fence,
}

impl Host {
    /// Starts the tick threads. `open` opens the outbox; it is given the way back for what is
    /// recorded.
    ///
    /// # Errors
    /// What `open` returns; the system's, if it has no thread left.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start<E: From<std::io::Error>>(
        parts: Parts,
        open: impl FnOnce(mpsc::Sender<MatchId>) -> Result<Outbox, E>,
    ) -> Result<Self, E> {
        let Parts { config, backing, owner, route_key, figures, recorder, stores, fence } = parts;
        let (recorded, done) = mpsc::channel(RECORDED_MAX);
        let outbox = open(recorded)?;
        let links = Arc::new(Links::default());
        let source = Source {
            game: config.game,
            owner: owner.clone(),
            recorder: recorder.clone(),
            objects: stores.objects,
            watching: config.watching,
            cache: Mutex::new(Cache::default()),
        };
        let films = Films::start(source, links.clone())?;
        let owner = Arc::new(owner);
        let (worlds, backend) = open_worlds(backing, &config, &figures);
        let backend_now = backend.subscribe();
        let feeds = Feeds::default();
        let stage = Stage::new(fence.clone(), links.clone());
        let (gone, ended) = mpsc::channel(GONE_MAX);
        let records = Records::new(stores.registry.clone());
        tokio::spawn(remove_records(records, owner.instance.clone(), ended));
        let (shards, inboxes): (Vec<_>, Vec<_>) =
            worlds.iter().map(|_| mpsc::channel(COMMANDS_MAX)).unzip();
        let shards: Arc<[mpsc::Sender<Command>]> = shards.into();
        let weak: Vec<_> = shards.iter().map(mpsc::Sender::downgrade).collect();
        let journal = JournalParts {
            hot: stores.hot,
            config,
            figures: figures.clone(),
            shards: weak.clone(),
        };
        let sinks = Sinks {
            gone,
            journal: Journal::start(journal),
            fence: fence.clone(),
            feeds: feeds.clone(),
            stage: stage.clone(),
            links: links.clone(),
            outbox: outbox.clone(),
            recorder: recorder.clone(),
            figures: figures.clone(),
            backend,
        };
        let capacity = (config.capacity as usize).div_ceil(worlds.len());
        let mut loads = Vec::new();
        for (index, (worlds, inbox)) in worlds.into_iter().zip(inboxes).enumerate() {
            let mut shard = Shard::new(worlds, owner.clone(), route_key.clone(), capacity);
            if recorder.is_some() {
                let tapes = Tapes::on(config.game.schema()).map_err(std::io::Error::other)?;
                shard.record(tapes);
            }
            loads.push(sinks.clone().start(shard, inbox, index)?);
        }
        tokio::spawn(tell_recorded(weak, done));
        Ok(Self {
            homes: Homes { shards, films },
            loads: loads.into(),
            links,
            outbox,
            recorder,
            backend: backend_now,
            accepting: Arc::new(AtomicBool::new(true)),
            feeds,
            stage,
        })
    }

    /// Hosts a match; the same again changes nothing.
    ///
    /// # Errors
    /// [`RefusedError`].
    pub async fn create(&self, new: NewMatch) -> Result<(), RefusedError> {
        if !self.accepting.load(Ordering::Relaxed) {
            return Err(RefusedError::Draining);
        }
        let unrecorded = self.outbox.standing().borrow().unrecorded;
        if unrecorded >= UNRECORDED_MAX {
            return Err(RefusedError::Unrecorded { unrecorded });
        }
        let shard = &self.homes.shards[shard_of(new.id, self.homes.shards.len())];
        let (reply, answer) = oneshot::channel();
        let command = Command::Create(Box::new(new), reply);
        shard.send(command).await.map_err(|_| RefusedError::Ended)?;
        Ok(answer.await.map_err(|_| RefusedError::Ended)??)
    }

    /// Describes all matches.
    pub async fn describe(&self) -> Vec<Match> {
        let mut matches = Vec::new();
        for shard in self.homes.shards.iter() {
            let (reply, answer) = oneshot::channel();
            if shard.send(Command::Describe(reply)).await.is_ok() {
                matches.extend(answer.await.unwrap_or_default());
            }
        }
        matches
    }

    /// Ends all matches as they stand; returns how many ran.
    pub async fn end_all(&self) -> u32 {
        let mut ended = 0;
        for shard in self.homes.shards.iter() {
            let (reply, answer) = oneshot::channel();
            if shard.send(Command::EndAll(reply)).await.is_ok() {
                ended += answer.await.unwrap_or_default();
            }
        }
        ended
    }

    /// Serves a gateway's link until it ends.
    pub async fn serve(&self, link: Link) {
        self.links.serve(link, &self.homes).await;
    }

    /// Takes new matches.
    pub async fn accept(&self) {
        self.set_accepting(true).await;
    }

    /// Takes no new matches; those that nobody plays end soon.
    pub async fn refuse(&self) {
        self.set_accepting(false).await;
    }

    async fn set_accepting(&self, accepting: bool) {
        self.accepting.store(accepting, Ordering::Relaxed);
        for shard in self.homes.shards.iter() {
            let _ = shard.send(Command::Drain(!accepting)).await; // a thread that ended has no match
        }
    }

    /// Whether it takes new matches.
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.accepting.load(Ordering::Relaxed)
    }

    /// Does something about a match that moves, after what was asked before.
    pub(crate) async fn tell(&self, id: MatchId, command: moving::Command) {
        let shard = &self.homes.shards[shard_of(id, self.homes.shards.len())];
        let _ = shard.send(Command::Move(id, command)).await; // a thread that ended has no match
    }

    /// Does something about a match that moves, and waits for the answer; `None` if the thread has ended.
    pub(crate) async fn ask<T>(
        &self,
        id: MatchId,
        command: impl FnOnce(oneshot::Sender<T>) -> moving::Command,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(id, command(reply)).await;
        answer.await.ok()
    }

    /// Says that a match is about to be gone on with here, or is not after all.
    pub(crate) async fn await_match(&self, id: MatchId, awaited: Awaited) {
        let shard = &self.homes.shards[shard_of(id, self.homes.shards.len())];
        let _ = shard.send(Command::Await(id, awaited)).await; // a thread that ended has no match
    }

    /// Goes on with a match whose owner died; `None` if the tick thread has ended.
    pub(crate) async fn restore(
        &self,
        id: MatchId,
        restoring: Restoring,
        epoch: Epoch,
    ) -> Option<Result<u32, RestoreError>> {
        let (reply, answer) = oneshot::channel();
        let shard = &self.homes.shards[shard_of(id, self.homes.shards.len())];
        shard.send(Command::Restore(Box::new(restoring), epoch, reply)).await.ok()?;
        answer.await.ok()
    }

    /// Returns the matches that shall have a warm copy elsewhere and have none.
    pub(crate) async fn unshadowed(&self) -> Vec<MatchId> {
        let mut found = Vec::new();
        for shard in self.homes.shards.iter() {
            let (reply, answer) = oneshot::channel();
            if shard.send(Command::Unshadowed(reply)).await.is_ok() {
                found.extend(answer.await.unwrap_or_default());
            }
        }
        found
    }

    /// Returns the way to the players.
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Returns how to hear of matches that move.
    pub(crate) fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// Returns what is held.
    #[must_use]
    pub fn load(&self) -> ShardLoad {
        self.loads.iter().map(|it| it.read()).fold(ShardLoad::default(), |sum, it| ShardLoad {
            hosted: sum.hosted + it.hosted,
            shadows: sum.shadows + it.shadows,
            running: sum.running + it.running,
            moving: sum.moving + it.moving,
            sessions: sum.sessions + it.sessions,
        })
    }

    /// Whether every tick thread has run a tick.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.loads.iter().all(|it| it.ticks() > 0)
    }

    /// Returns how many replays of matches that ended a moment ago are not stored yet.
    #[must_use]
    pub fn unsaved_replays(&self) -> u32 {
        self.recorder.as_ref().map_or(0, Recorder::waiting)
    }

    /// Returns what steps the matches, now and whenever it changes.
    #[must_use]
    pub fn backend(&self) -> watch::Receiver<BackendReport> {
        self.backend.clone()
    }

    /// Returns the outbox.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

/// Tells matches that their results are recorded for good.
async fn tell_recorded(
    shards: Vec<mpsc::WeakSender<Command>>,
    mut recorded: mpsc::Receiver<MatchId>,
) {
    while let Some(id) = recorded.recv().await {
        let Some(shard) = shards[shard_of(id, shards.len())].upgrade() else { return };
        let _ = shard.send(Command::Recorded(id)).await;
    }
}

/// Returns the worlds of each thread, one thread if a device does the work, and shows what steps them.
fn open_worlds(
    backing: Backing,
    config: &Config,
    figures: &Figures,
) -> (Vec<Box<dyn Worlds>>, watch::Sender<BackendReport>) {
    let Backing { worlds, name, reason } = backing;
    figures.show_backend(name);
    let report = BackendReport { name: name.to_owned(), reason, lost: None };
    let worlds = match worlds {
        Some(accelerated) => vec![accelerated.0],
        None => (0..config.threads).map(|_| config.game.worlds()).collect(),
    };
    (worlds, watch::Sender::new(report))
}

/// Where the effects of a shard go.
#[derive(Clone)]
struct Sinks {
    gone: mpsc::Sender<(MatchId, Epoch)>,
    journal: Journal,
    fence: Fence,
    feeds: Feeds,
    stage: Stage,
    links: Arc<Links>,
    outbox: Outbox,
    recorder: Option<Recorder>,
    figures: Figures,
    backend: watch::Sender<BackendReport>,
}

impl Sinks {
    /// Starts the thread of a shard; returns what it holds.
    fn start(
        self,
        shard: Shard,
        inbox: mpsc::Receiver<Command>,
        index: usize,
    ) -> std::io::Result<Arc<Load>> {
        let (batches, effects) = mpsc::channel(BATCHES_MAX);
        let (load, fence) = (Arc::new(Load::default()), self.fence.clone());
        Ticker::new(shard, inbox, batches, load.clone(), fence).spawn(&format!("tick-{index}"))?;
        tokio::spawn(self.dispatch(effects));
        Ok(load)
    }

    /// Tells operators that the device is gone; players notice a hitch.
    fn lost(&self, (name, why): (&'static str, String)) {
        tracing::warn!(backend = name, why, "the device is lost, its matches go on");
        self.figures.devices_lost.inc();
        self.figures.show_backend(name);
        self.backend.send_modify(|it| {
            it.lost = Some(format!("{} failed: {why}", it.name));
            name.clone_into(&mut it.name);
        });
    }

    /// Carries out what a shard wants done, in order: messages, frames, replays, results.
    async fn dispatch(self, mut batches: mpsc::Receiver<Batch>) {
        while let Some(batch) = batches.recv().await {
            self.figures.count(&batch);
            if let Some(lost) = batch.lost {
                self.lost(lost);
            }
            if batch.cut_links {
                self.links.cut_all();
            }
            let Effects { messages, frames, .. } = &batch.effects;
            self.stage.publish(messages, frames);
            self.stage.show(batch.effects.held);
            self.journal.offer(batch.effects.journal);
            for (id, epoch) in batch.effects.covered {
                self.journal.supersede(id, epoch);
            }
            for over in batch.effects.gone {
                let _ = self.gone.try_send(over); // a record that stays is of no harm
                self.journal.forget(over.0, over.1);
            }
            for (id, news) in batch.effects.moves {
                self.feeds.tell(id, news);
            }
            if let Some(recorder) = &self.recorder {
                recorder.offer(batch.effects.taped);
            }
            for result in batch.effects.results {
                self.outbox.keep(result).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
