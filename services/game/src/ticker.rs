//! The thread that owns a shard: runs its ticks on time, never waits for anything but the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arena_instance::Fence;
use arena_types::{Epoch, MatchId};
use arena_wire::game::v1::Match;
use arena_wire::link::{Attach, Flow, Leave};
use arena_wire::play::Input;
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::{mpsc, oneshot};

use crate::logic::hosted::NewMatch;
use crate::logic::schedule::Schedule;
use crate::logic::shard::{
    Awaited, CreateError, Effects, FlowKey, RestoreError, Restoring, Shard, ShardLoad,
};
use crate::logic::tape::Taped;

/// Commands waiting for a tick: senders wait beyond it, and with them their gateways. A tick's worth
/// of a full instance is one batch of inputs a gateway and a few others.
pub(crate) const COMMANDS_MAX: usize = 4_096;
/// Commands applied before one tick; the others wait for the next.
const COMMANDS_PER_TICK_MAX: usize = 8_192;
/// Ticks whose effects may wait for the network: an eighth of a second.
pub(crate) const BATCHES_MAX: usize = 8;
/// Messages kept while the network is stuck; beyond it the links are cut, their sessions attach
/// again and are told again.
const CARRIED_MESSAGES_MAX: usize = 65_536;

/// Entries of journals kept meanwhile; beyond it they are lost, until the next snapshots.
const CARRIED_JOURNAL_MAX: usize = 16_384;
/// Parts of replays kept meanwhile.
const CARRIED_TAPED_MAX: usize = 65_536;

/// What a shard is asked to do between two ticks.
#[derive(Debug)]
pub(crate) enum Command {
    /// Host a match.
    Create(Box<NewMatch>, oneshot::Sender<Result<(), CreateError>>),
    /// Give a session of a link its seat.
    Attach(u64, Box<Attach>),
    /// Inputs of sessions of a link.
    Inputs(u64, Vec<(Flow, Input)>),
    /// What a session holds: newest frame, last event.
    Ack(FlowKey, arena_types::Tick, u32),
    /// End a session's stay.
    Detach(FlowKey, Leave),
    /// End the stay of all sessions of a link.
    LinkLost(u64),
    /// A result is recorded for good.
    Recorded(MatchId),
    /// Describe all matches.
    Describe(oneshot::Sender<Vec<Match>>),
    /// The instance drains, or no longer.
    Drain(bool),
    /// End all matches as they stand; answers how many.
    EndAll(oneshot::Sender<u32>),
    /// Journals are durable up to these ticks.
    Journalled(Vec<(MatchId, Epoch, u32)>),
    /// A match is about to be gone on with here, or not after all.
    Await(MatchId, Awaited),
    /// Go on with a match whose owner died.
    Restore(Box<Restoring>, Epoch, oneshot::Sender<Result<u32, RestoreError>>),
    /// Answer which matches shall have a warm copy elsewhere and have none.
    Unshadowed(oneshot::Sender<Vec<MatchId>>),
    /// Do something about a match that moves.
    Move(MatchId, crate::moving::Command),
}

/// What follows of one wake-up of the thread.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What the shard wants done.
    pub effects: Effects,
    /// How long each tick took, in seconds.
    pub tick_seconds: Vec<f64>,
    /// Ticks behind.
    pub debt: u64,
    /// Ticks given up.
    pub forgiven: u64,
    /// Ticks that were not stepped because the lease may have ended.
    pub fenced_ticks: u64,
    /// Frames that were not sent because the network was stuck.
    pub frames_dropped: u64,
    /// The device failed: what steps the matches now, and why it was given up. Told once.
    pub lost: Option<(&'static str, String)>,
    /// Entries of journals that were lost.
    pub journal_lost: u64,
    /// True if messages were lost: every link must be cut.
    pub cut_links: bool,
}

/// What a shard holds, for everyone to read.
#[derive(Debug, Default)]
pub(crate) struct Load {
    hosted: AtomicU32,
    running: AtomicU32,
    shadows: AtomicU32,
    moving: AtomicU32,
    sessions: AtomicU32,
    ticks: AtomicU32,
}

impl Load {
    /// Returns what it was after the last tick.
    #[must_use]
    pub(crate) fn read(&self) -> ShardLoad {
        let read = |it: &AtomicU32| it.load(Ordering::Relaxed);
        ShardLoad {
            hosted: read(&self.hosted),
            shadows: read(&self.shadows),
            running: read(&self.running),
            moving: read(&self.moving),
            sessions: read(&self.sessions),
        }
    }

    /// Returns the ticks run so far.
    #[must_use]
    pub(crate) fn ticks(&self) -> u32 {
        self.ticks.load(Ordering::Relaxed)
    }
}

/// One shard and its two queues.
#[derive(Debug)]
pub(crate) struct Ticker {
    shard: Shard,
    commands: mpsc::Receiver<Command>,
    batches: mpsc::Sender<Batch>,
    load: Arc<Load>,
    fence: Fence,
    batch: Batch,
    is_lost: bool,
}

/// The thread's end: nobody commands it any more.
struct Over;

impl Ticker {
    /// Puts a shard between its queues.
    #[must_use]
    pub(crate) fn new(
        shard: Shard,
        commands: mpsc::Receiver<Command>,
        batches: mpsc::Sender<Batch>,
        load: Arc<Load>,
        fence: Fence,
    ) -> Self {
        Self { shard, commands, batches, load, fence, batch: Batch::default(), is_lost: false }
    }

    /// Runs on a thread of its own until all senders of commands are gone.
    ///
    /// # Errors
    /// The system's, if it has no thread left.
    pub(crate) fn spawn(self, name: &str) -> std::io::Result<std::thread::JoinHandle<()>> {
        std::thread::Builder::new().name(name.to_owned()).spawn(|| self.run())
    }

    fn run(mut self) {
        let start = Instant::now();
        let mut schedule = Schedule::new(0);
        loop {
            let due = schedule.due(elapsed_ns(start));
            for _ in 0..due.ticks {
                if let Err(Over) = self.receive() {
                    return;
                }
                // Another instance may own what is hosted here: nothing is confirmed, and nothing shown.
                if !self.fence.is_open() {
                    self.batch.fenced_ticks += u64::from(self.shard.load().running > 0);
                    continue;
                }
                let began = Instant::now();
                self.shard.step(unix_ms(), &mut self.batch.effects);
                self.batch.tick_seconds.push(began.elapsed().as_secs_f64());
                self.load.ticks.fetch_add(1, Ordering::Relaxed);
            }
            self.look_at_backend();
            self.batch.debt = due.debt;
            self.batch.forgiven += due.forgiven;
            self.flush();
            wait_until(start, schedule.next_ns());
        }
    }

    /// Tells that the device was given up, once.
    fn look_at_backend(&mut self) {
        if let (name, Some(why)) = self.shard.backend()
            && !self.is_lost
        {
            self.is_lost = true;
            self.batch.lost = Some((name, why.to_owned()));
        }
    }

    fn receive(&mut self) -> Result<(), Over> {
        for _ in 0..COMMANDS_PER_TICK_MAX {
            match self.commands.try_recv() {
                Ok(command) => self.apply(command),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(Over),
            }
        }
        Ok(())
    }

    fn apply(&mut self, command: Command) {
        let Self { shard, batch: Batch { effects, .. }, .. } = self;
        // Who asked and went away does not need the answer.
        match command {
            Command::Create(new, reply) => {
                let _ = reply.send(shard.create(*new, unix_ms()));
            }
            Command::Attach(link, attach) => shard.attach(link, &attach, unix_ms(), effects),
            Command::Inputs(link, inputs) => {
                for (flow, input) in inputs {
                    shard.input(FlowKey { link, flow }, &input, effects);
                }
            }
            Command::Ack(key, tick, event) => shard.ack(key, tick, event),
            Command::Detach(key, why) => shard.detach(key, why),
            Command::LinkLost(link) => shard.link_lost(link),
            Command::Recorded(id) => shard.recorded(id),
            Command::Drain(is_draining) => shard.drain(is_draining),
            Command::Describe(reply) => {
                let _ = reply.send(shard.describe());
            }
            Command::EndAll(reply) => {
                let _ = reply.send(shard.end_all(unix_ms(), effects));
            }
            Command::Journalled(durable) => {
                for (id, epoch, tick) in durable {
                    shard.journalled(id, epoch, tick);
                }
            }
            Command::Await(id, awaited) => shard.await_match(id, awaited),
            Command::Restore(restoring, epoch, reply) => {
                let _ = reply.send(shard.restore(*restoring, epoch, unix_ms(), effects));
            }
            Command::Unshadowed(reply) => drop(reply.send(shard.unshadowed())),
            Command::Move(id, command) => command.apply(id, shard, effects),
        }
    }

    /// Hands over what follows; while the network is stuck, frames are dropped and the rest waits.
    fn flush(&mut self) {
        let ShardLoad { hosted, shadows, running, moving, sessions } = self.shard.load();
        self.load.hosted.store(hosted, Ordering::Relaxed);
        self.load.shadows.store(shadows, Ordering::Relaxed);
        self.load.running.store(running, Ordering::Relaxed);
        self.load.moving.store(moving, Ordering::Relaxed);
        self.load.sessions.store(sessions, Ordering::Relaxed);
        if self.batch.tick_seconds.is_empty() {
            return;
        }
        match self.batches.try_send(std::mem::take(&mut self.batch)) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(mut batch)) => {
                batch.frames_dropped += batch.effects.frames.len() as u64;
                batch.effects.frames.clear();
                let mut messages = batch.effects.messages.len();
                for held in &mut batch.effects.held {
                    batch.frames_dropped += held.frames.len() as u64;
                    held.frames.clear();
                    messages += held.messages.len();
                }
                batch.effects.held.retain(|it| !it.messages.is_empty());
                if messages > CARRIED_MESSAGES_MAX {
                    batch.effects.messages.clear();
                    batch.effects.held.clear();
                    batch.cut_links = true;
                }
                if batch.effects.journal.len() > CARRIED_JOURNAL_MAX {
                    batch.journal_lost += batch.effects.journal.len() as u64;
                    batch.effects.journal.clear();
                }
                // What is missing then ends its replay: the recorder sees the gap, and the end.
                let mut carried = 0;
                batch.effects.taped.retain(|it| {
                    carried += 1;
                    carried <= CARRIED_TAPED_MAX || matches!(it, Taped::End { .. })
                });
                self.batch = batch;
            }
        }
    }
}

/// Parks; a park may end early, so it looks again.
fn wait_until(start: Instant, next_ns: u64) {
    loop {
        let left = next_ns.saturating_sub(elapsed_ns(start));
        if left == 0 {
            return;
        }
        std::thread::park_timeout(Duration::from_nanos(left));
    }
}

fn elapsed_ns(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).expect("584 years are enough")
}

/// Returns the wall clock in milliseconds since 1970; 0 before.
#[must_use]
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
