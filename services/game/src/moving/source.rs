//! The source's driver: carries out what `logic::migration` decides, for one match at a time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena_instance::Mirror;
use arena_instance::placement::{Node, choose, nodes};
use arena_mesh::{Channel, Endpoint};
use arena_sdk::SeatInputs;
use arena_store::Condition;
use arena_types::registry::{InstanceRecord, Traffic, instance_key};
use arena_types::{Epoch, InstanceId, MatchId, ReleaseId, ServiceName};
use arena_wire::game::v1::migration_client::MigrationClient;
use arena_wire::game::v1::{Closing, DropRequest, ToSource, ToTarget, to_source};
use prost::Message as _;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status};

use super::command::{Command, Feed};
use super::messages;
use super::records::{Known, Records, Write};
use crate::Config;
use crate::figures::Figures;
use crate::host::Host;
use crate::logic::migration::{Effect, Event, Found, Outcome, Owner, Phase, Source, Written};
use crate::logic::shard::{MoveNews, OfferError};

/// Matches that move at once: each costs its target a second of ticks played again.
const MOVES_MAX: usize = 16;
/// Matches whose owner changes at once: the registry answers each within a tick.
const CUTS_MAX: usize = 4;
/// Ticks sent in one message while the log is open.
const TICKS_PER_MESSAGE: usize = 4;
/// Messages to a target that wait.
const OUTBOX_MAX: usize = 64;
/// A move that takes longer is none: above the sum of what its phases may take.
const MOVE_MAX: Duration = Duration::from_mins(1);
/// How often the machine is told that time passes.
const PERIOD: Duration = Duration::from_millis(50);
/// Before the registry is asked again after it did not answer.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// A target says within this whether it hosts a match.
const FIND_TIMEOUT: Duration = Duration::from_millis(500);
/// A tick at 60 Hz.
const TICK: Duration = Duration::from_nanos(16_666_667);

/// Why a match was not moved. It goes on here, unless the outcome says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// It cannot begin to leave.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// There is nowhere to go.
    #[error("no other instance takes the match: none is ready with room and traffic")]
    NoTarget,
    /// The instance asked for is not there.
    #[error("{0} is no ready instance of this service")]
    BadTarget(InstanceId),
    /// The registry does not say who owns it.
    #[error("the registry has no record that this instance owns the match")]
    NotOwner,
    /// The tick thread has ended.
    #[error("the instance stops")]
    Ended,
    /// It did not work out.
    #[error(transparent)]
    Failed(#[from] Outcome),
}

impl MoveError {
    /// Whether another try, there or elsewhere, may succeed.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Failed(Outcome::Refused(_) | Outcome::Unequal))
    }
}

/// What a move took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoveReport {
    /// The new owner's epoch.
    pub epoch: u32,
    /// The last tick here.
    pub tick: u32,
    /// Bytes sent to the target.
    pub payload_bytes: u64,
    /// Ticks it played again until it was level.
    pub level_ticks: u32,
    /// From the closing of the log until the target owned the match.
    pub cut: Duration,
}

impl MoveReport {
    /// Returns the ticks that were late because of the cut.
    #[must_use]
    pub fn stall_ticks(&self) -> u32 {
        u32::try_from(self.cut.as_nanos() / TICK.as_nanos()).unwrap_or(u32::MAX)
    }
}

/// Hears how a move goes.
pub type Progress<'a> = &'a mut (dyn FnMut(Phase, bool, &InstanceId) + Send);

/// What a mover is made of.
#[derive(Debug)]
pub struct MoverParts {
    /// What hosts the matches.
    pub host: Host,
    /// How it was set up.
    pub config: Config,
    /// The registry.
    pub stores: arena_store::Stores,
    /// The way to other game instances.
    pub games: Channel,
    /// All game instances, as the registry has them.
    pub instances: Mirror,
    /// Which releases take traffic.
    pub traffic: Mirror,
    /// This instance.
    pub own: (InstanceId, ReleaseId),
    /// Where it counts.
    pub figures: Figures,
}

/// Moves matches away from this instance; clones share what bounds it.
#[derive(Clone)]
pub struct Mover {
    pub(super) host: Host,
    pub(super) config: Config,
    pub(super) records: Records,
    games: Channel,
    instances: Mirror,
    traffic: Mirror,
    pub(super) own: (InstanceId, ReleaseId),
    figures: Figures,
    moves: Arc<Semaphore>,
    cuts: Arc<Semaphore>,
}

impl std::fmt::Debug for Mover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mover").field("own", &self.own).finish_non_exhaustive()
    }
}

impl Mover {
    /// Moves nothing yet.
    #[must_use]
    pub fn new(parts: MoverParts) -> Self {
        let MoverParts { host, config, stores, games, instances, traffic, own, figures } = parts;
        Self {
            host,
            config,
            records: Records::new(stores.registry),
            games,
            instances,
            traffic,
            own,
            figures,
            moves: Arc::new(Semaphore::new(MOVES_MAX)),
            cuts: Arc::new(Semaphore::new(CUTS_MAX)),
        }
    }

    /// Returns where a match goes best: an instance that takes traffic and has room, this one and those in
    /// `refused` left out.
    #[must_use]
    pub fn choose(&self, id: MatchId, refused: &BTreeSet<InstanceId>) -> Option<InstanceId> {
        let traffic = self.traffic.parsed::<Traffic>(&self.traffic.now()).remove("");
        let nodes = nodes(&self.ready(), traffic.as_ref(), &std::collections::BTreeMap::new());
        let nodes: Vec<Node> = nodes.into_iter().filter(|it| it.id != self.own.0).collect();
        choose(id.as_u64(), &nodes, refused).map(|it| it.id.clone())
    }

    fn ready(&self) -> std::collections::BTreeMap<String, InstanceRecord> {
        self.instances.parsed::<InstanceRecord>(&self.instances.now())
    }

    fn target(&self, id: &InstanceId) -> Result<InstanceRecord, MoveError> {
        use arena_types::contract::InstanceState;
        let found = self.ready().remove(id.as_str());
        found
            .filter(|it| it.state == InstanceState::Ready && *id != self.own.0)
            .ok_or_else(|| MoveError::BadTarget(id.clone()))
    }

    /// Moves one match; `cancel` calls it off as long as nothing is decided.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn run(
        &self,
        id: MatchId,
        to: &InstanceId,
        cancel: watch::Receiver<bool>,
        progress: Progress<'_>,
    ) -> Result<MoveReport, MoveError> {
        let moved = self.begin(id, to, cancel, progress).await;
        let outcome = match &moved {
            Ok(report) => {
                let MoveReport { epoch, tick, payload_bytes, cut, .. } = report;
                tracing::info!(%id, %to, epoch, tick, payload_bytes, ?cut, "a match has moved");
                self.figures.moved(report);
                "moved"
            }
            Err(error) => {
                tracing::warn!(%id, %to, error = error as &dyn std::error::Error, "a match did not move");
                match error {
                    MoveError::Failed(Outcome::Unequal) => "unequal",
                    MoveError::Failed(Outcome::Refused(_)) => "refused",
                    MoveError::Failed(Outcome::Ended) => "ended",
                    _ => "failed",
                }
            }
        };
        self.figures.move_ended(outcome);
        moved
    }

    async fn begin(
        &self,
        id: MatchId,
        to: &InstanceId,
        cancel: watch::Receiver<bool>,
        progress: Progress<'_>,
    ) -> Result<MoveReport, MoveError> {
        let _one = self.moves.acquire().await.map_err(|_| MoveError::Ended)?;
        let target = self.target(to)?;
        let known = self.records.read(id).await.ok().flatten();
        let known = known.filter(|it| it.record.owner == self.own.0).ok_or(MoveError::NotOwner)?;
        let feed = self.host.feeds().open(id).ok_or(OfferError::Moving)?;
        let offered = self.host.ask(id, Command::Offer).await.ok_or(MoveError::Ended)??;
        let next = known.record.owned_by(to.clone(), target.release);
        if offered.new.epoch != known.record.epoch || next.is_none() {
            self.host.tell(id, Command::Stay(None)).await;
            return Err(MoveError::NotOwner);
        }
        let (outbox, queue) = mpsc::channel(OUTBOX_MAX);
        let mut moving = Moving {
            mover: self,
            id,
            to,
            target,
            known,
            outbox,
            ticks: Vec::new(),
            first: offered.tick + 1,
            level_from: offered.tick,
            closing: None,
            closed_at: None,
            report: MoveReport::default(),
            machine: Source::new(offered.sessions, 0),
            started: Instant::now(),
            told: None,
        };
        moving.send(messages::offer(&offered, &self.config)).await;
        moving.run(feed, queue, cancel, progress).await
    }
}

/// One move.
struct Moving<'a> {
    mover: &'a Mover,
    id: MatchId,
    to: &'a InstanceId,
    target: InstanceRecord,
    /// The record as it was when it was last read or written here.
    known: Known,
    outbox: mpsc::Sender<ToTarget>,
    /// Inputs that are not sent yet; the first makes tick `first`.
    ticks: Vec<SeatInputs>,
    first: u32,
    level_from: u32,
    closing: Option<Closing>,
    closed_at: Option<Instant>,
    report: MoveReport,
    machine: Source,
    started: Instant,
    told: Option<(Phase, bool)>,
}

impl Moving<'_> {
    async fn run(
        &mut self,
        mut feed: Feed,
        queue: mpsc::Receiver<ToTarget>,
        mut cancel: watch::Receiver<bool>,
        progress: Progress<'_>,
    ) -> Result<MoveReport, MoveError> {
        let mut answers = self.open(queue);
        let mut period = tokio::time::interval(PERIOD);
        let mut is_called_off = false;
        loop {
            self.show(progress);
            let event = tokio::select! {
                news = feed.next() => match news {
                    Some(news) => self.heard(news).await,
                    None => Some(Event::Cancel),
                },
                Some(answer) = answers.recv() => self.answered(answer),
                _ = period.tick() => Some(Event::Time),
                () = called_off(&mut cancel), if !is_called_off => {
                    is_called_off = true;
                    Some(Event::Cancel)
                }
            };
            let Some(event) = event else { continue };
            if let Some(outcome) = self.decide(event).await {
                self.show(progress);
                return match outcome {
                    Outcome::Moved => Ok(self.report.clone()),
                    failed => Err(failed.into()),
                };
            }
        }
    }

    /// Opens the stream to the target; its answers, and its end, come through the channel.
    fn open(&self, queue: mpsc::Receiver<ToTarget>) -> mpsc::Receiver<Result<ToSource, Status>> {
        let (sender, answers) = mpsc::channel(OUTBOX_MAX);
        let channel = self.mover.games.to(Endpoint::new(self.to.as_str(), self.target.mesh_addr));
        tokio::spawn(async move {
            let mut request = Request::new(ReceiverStream::new(queue));
            request.set_timeout(MOVE_MAX);
            let mut stream = match MigrationClient::new(channel).take(request).await {
                Ok(response) => response.into_inner(),
                Err(status) => return drop(sender.send(Err(status)).await),
            };
            loop {
                let answer = match stream.message().await {
                    Ok(Some(answer)) => Ok(answer),
                    Ok(None) => Err(Status::unavailable("the target ended the move")),
                    Err(status) => Err(status),
                };
                let is_over = answer.is_err();
                if sender.send(answer).await.is_err() || is_over {
                    return;
                }
            }
        });
        answers
    }

    async fn heard(&mut self, news: MoveNews) -> Option<Event> {
        match news {
            MoveNews::Stepped { tick, inputs, hash } => {
                self.ticks.push(*inputs);
                if self.ticks.len() >= TICKS_PER_MESSAGE {
                    self.flush().await;
                }
                Some(Event::Stepped { tick, hash })
            }
            MoveNews::Closed { tick, hash, carried } => {
                self.closing = Some(Closing { tick, hash, carried: Some(*carried) });
                self.closed_at = Some(Instant::now());
                self.report.tick = tick;
                Some(Event::Closed)
            }
            MoveNews::Over => Some(Event::Ended),
            // News of an arriving match; this one leaves.
            MoveNews::Level { .. }
            | MoveNews::Ready { .. }
            | MoveNews::Unequal { .. }
            | MoveNews::Broken(_) => None,
        }
    }

    fn answered(&mut self, answer: Result<ToSource, Status>) -> Option<Event> {
        let answer = match answer {
            Ok(answer) => answer.message?,
            Err(status) if self.machine.phase() == Phase::Reserve => {
                return Some(match status.code() {
                    Code::FailedPrecondition | Code::ResourceExhausted | Code::InvalidArgument => {
                        Event::Refused(format!("{} refuses: {}", self.to, status.message()))
                    }
                    _ => Event::Gone,
                });
            }
            Err(status) => {
                tracing::info!(id = %self.id, to = %self.to, %status, "the way to the target ends");
                return Some(Event::Gone);
            }
        };
        Some(match answer {
            to_source::Message::Accepted(_) => Event::Accepted,
            to_source::Message::Level(it) => {
                self.report.level_ticks = it.tick.saturating_sub(self.level_from);
                Event::Level { tick: it.tick, hash: it.hash, sessions: it.sessions }
            }
            to_source::Message::Unequal(it) => {
                let (id, to, tick, hash) = (self.id, self.to, it.tick, it.hash);
                tracing::error!(%id, %to, tick, hash, "the target computes another course");
                Event::Unequal
            }
            to_source::Message::Owning(_) => Event::Owning,
        })
    }

    /// Gives an event to the machine, does what it says, and gives it what comes of that.
    async fn decide(&mut self, event: Event) -> Option<Outcome> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now_ms = self.now_ms();
            let effects = self.machine.on(event, now_ms);
            for effect in effects {
                match self.act(effect).await {
                    Next::Nothing => {}
                    Next::Event(event) => events.push_back(event),
                    Next::Fenced => {
                        for effect in self.machine.fenced() {
                            if let Next::Over(outcome) = self.act_last(effect).await {
                                return Some(outcome);
                            }
                        }
                    }
                    Next::Over(outcome) => return Some(outcome),
                }
            }
        }
        None
    }

    async fn act(&mut self, effect: Effect) -> Next {
        match effect {
            Effect::Announce => {
                if let Some(epoch) = self.known.record.epoch.next() {
                    self.command(Command::Announce(self.to.clone(), epoch)).await;
                }
            }
            Effect::CloseLog => self.command(Command::CloseLog).await,
            Effect::SendClosing => {
                self.flush().await;
                if let Some(closing) = self.closing.take() {
                    self.send(messages::closing(closing)).await;
                }
            }
            Effect::Swap => return Next::Event(Event::Written(self.swap().await)),
            Effect::Fence => {
                tokio::time::sleep(ASK_AGAIN).await;
                return match self.fence().await {
                    Written::Committed => Next::Fenced,
                    other => Next::Event(Event::Written(other)),
                };
            }
            Effect::SendOwn => self.send(messages::own(self.known.record.epoch.0)).await,
            Effect::Find => return Next::Event(Event::Found(self.find().await)),
            Effect::TakeBack { dead } => {
                return Next::Event(Event::Written(self.take_back(dead).await));
            }
            last => return self.act_last(last).await,
        }
        Next::Nothing
    }

    async fn act_last(&mut self, effect: Effect) -> Next {
        match effect {
            Effect::Stay => self.command(Command::Stay(None)).await,
            Effect::StayLater => {
                let epoch = self.known.record.epoch;
                self.command(Command::Stay(Some(epoch))).await;
            }
            Effect::LetGo => {
                let epoch = self.known.record.epoch;
                self.report.epoch = epoch.0;
                self.report.cut = self.closed_at.map(|it| it.elapsed()).unwrap_or_default();
                self.command(Command::LetGo(self.to.clone(), epoch)).await;
            }
            Effect::Yield(owner, epoch) => {
                tracing::warn!(target: "audit", id = %self.id, %owner, %epoch, "fenced: another owns the match");
                self.command(Command::LetGo(owner, epoch)).await;
            }
            Effect::Finish(outcome) => return Next::Over(outcome),
            _ => {}
        }
        Next::Nothing
    }

    async fn swap(&mut self) -> Written {
        let Some(next) = self.known.record.owned_by(self.to.clone(), self.target.release) else {
            return Written::Refused(Owner::Source);
        };
        let Ok(_one) = self.mover.cuts.acquire().await else { return Written::Unknown };
        let game: ServiceName = "game".parse().expect("it is a service name");
        let lives = (instance_key(&game, self.to), Condition::Present);
        let written =
            self.mover.records.write(self.id, self.known.revision, &next, Some(lives)).await;
        match written {
            Write::Committed(revision) => {
                self.known = Known { record: next, revision };
                Written::Committed
            }
            other => self.written(other, next.epoch),
        }
    }

    async fn fence(&mut self) -> Written {
        let same = self.known.record.clone();
        let written = self.mover.records.write(self.id, self.known.revision, &same, None).await;
        match written {
            Write::Committed(revision) => {
                self.known.revision = revision;
                Written::Committed
            }
            other => {
                let epoch = same.epoch.next().unwrap_or(same.epoch);
                self.written(other, epoch)
            }
        }
    }

    async fn take_back(&mut self, dead: bool) -> Written {
        let (own, release) = self.mover.own.clone();
        let Some(next) = self.known.record.owned_by(own, release) else {
            return Written::Unknown;
        };
        let game: ServiceName = "game".parse().expect("it is a service name");
        let gone = dead.then(|| (instance_key(&game, self.to), Condition::Absent));
        match self.mover.records.write(self.id, self.known.revision, &next, gone).await {
            Write::Committed(revision) => {
                self.known = Known { record: next, revision };
                Written::Committed
            }
            other => {
                tokio::time::sleep(ASK_AGAIN).await;
                let epoch = self.known.record.epoch;
                self.written(other, epoch)
            }
        }
    }

    /// Says who owns the match by what a refused write found; `epoch` is the target's.
    fn written(&mut self, write: Write, epoch: Epoch) -> Written {
        match write {
            Write::Committed(_) => Written::Committed,
            Write::Unknown(why) => {
                tracing::warn!(id = %self.id, why, "nobody knows who owns the match");
                Written::Unknown
            }
            Write::Refused(None) => Written::Refused(Owner::Nobody),
            Write::Refused(Some(found)) => {
                let owner = if found.record.owner == self.mover.own.0 {
                    Owner::Source
                } else if found.record.owner == *self.to && found.record.epoch == epoch {
                    Owner::Target
                } else {
                    Owner::Other(found.record.owner.clone(), found.record.epoch)
                };
                self.known = found;
                Written::Refused(owner)
            }
        }
    }

    /// Finds out whether the target hosts the match; if it does not, it will not.
    async fn find(&self) -> Found {
        let endpoint = Endpoint::new(self.to.as_str(), self.target.mesh_addr);
        let mut client = MigrationClient::new(self.mover.games.to(endpoint));
        let epoch = self.known.record.epoch.0;
        let mut request = Request::new(DropRequest { r#match: self.id.to_string(), epoch });
        request.set_timeout(FIND_TIMEOUT);
        match client.drop(request).await {
            Ok(reply) if reply.get_ref().hosts => Found::Hosts,
            Ok(_) => Found::Idle,
            Err(_) => {
                let game: ServiceName = "game".parse().expect("it is a service name");
                let key = instance_key(&game, self.to);
                match self.mover.records.is_there(&key).await {
                    Some(false) => Found::Dead,
                    _ => Found::Silent,
                }
            }
        }
    }

    async fn flush(&mut self) {
        if self.ticks.is_empty() {
            return;
        }
        let ticks = std::mem::take(&mut self.ticks);
        let message = messages::ticks(self.first, &ticks);
        self.first += ticks.len() as u32;
        self.send(message).await;
    }

    /// Sends a message; a target that is gone is noticed by the end of its answers.
    async fn send(&mut self, message: ToTarget) {
        self.report.payload_bytes += message.encoded_len() as u64;
        let _ = tokio::time::timeout(PERIOD * 20, self.outbox.send(message)).await;
    }

    async fn command(&self, command: Command) {
        self.mover.host.tell(self.id, command).await;
    }

    fn show(&mut self, progress: &mut (dyn FnMut(Phase, bool, &InstanceId) + Send)) {
        let now = (self.machine.phase(), self.machine.is_proving());
        if self.told.replace(now) != Some(now) {
            progress(now.0, now.1, self.to);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Waits until the move is called off; whoever could do so may be gone, then for ever.
async fn called_off(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|it| *it).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What comes of an effect.
enum Next {
    Nothing,
    Event(Event),
    Fenced,
    Over(Outcome),
}
