//! The source's driver: carries out what `logic::migration` decides, for one match.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use arena_mesh::Endpoint;
use arena_sdk::SeatInputs;
use arena_store::Condition;
use arena_types::registry::InstanceRecord;
use arena_types::{Epoch, InstanceId, MatchId};
use arena_wire::game::v1::migration_client::MigrationClient;
use arena_wire::game::v1::{Closing, DropRequest, ToSource, ToTarget, to_source};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::{Code, Request, Status};

use super::command::{Command, Feed};
use super::messages;
use super::mover::{MoveError, MoveReport, Mover, Progress};
use super::records::{Known, Write};
use super::way::Way;
use crate::logic::migration::{Effect, Event, Found, Outcome, Owner, Phase, Source, Written};
use crate::logic::shard::{MoveNews, Offered};

/// Ticks sent in one message while the log is open.
const TICKS_PER_MESSAGE: usize = 4;
/// A move that takes longer is none: above the sum of what its phases may take.
const MOVE_MAX: Duration = Duration::from_mins(1);
/// How often the machine is told that time passes.
const PERIOD: Duration = Duration::from_millis(50);
/// Before the registry is asked again after it did not answer.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// A target says within this whether it hosts a match.
const FIND_TIMEOUT: Duration = Duration::from_millis(500);

/// A move that has begun: the match tells what happens to it.
pub(super) struct Begun<'a> {
    pub(super) to: &'a InstanceId,
    pub(super) target: InstanceRecord,
    pub(super) known: Known,
    pub(super) feed: Feed,
    pub(super) offered: Offered,
}

/// One move.
pub(super) struct Moving<'a> {
    mover: &'a Mover,
    id: MatchId,
    to: &'a InstanceId,
    target: InstanceRecord,
    /// The record as it was when it was last read or written here.
    known: Known,
    feed: Feed,
    offered: Offered,
    way: Option<Way>,
    /// Inputs that are not sent yet; the first makes tick `first`.
    ticks: Vec<SeatInputs>,
    first: u32,
    level_from: u32,
    closing: Option<Closing>,
    closed_at: Option<Instant>,
    /// Waits for the turn to close the log, then holds it.
    turn: Option<tokio::task::JoinHandle<Option<OwnedSemaphorePermit>>>,
    cut: Option<OwnedSemaphorePermit>,
    report: MoveReport,
    machine: Source,
    started: Instant,
    told: Option<(Phase, bool)>,
}

impl<'a> Moving<'a> {
    pub(super) fn new(mover: &'a Mover, begun: Begun<'a>) -> Self {
        let Begun { to, target, known, feed, offered } = begun;
        Self {
            mover,
            id: offered.new.id,
            to,
            target,
            known,
            feed,
            way: None,
            ticks: Vec::new(),
            first: offered.tick + 1,
            level_from: offered.tick,
            closing: None,
            closed_at: None,
            turn: None,
            cut: None,
            report: MoveReport::default(),
            machine: Source::new(offered.sessions, 0),
            started: Instant::now(),
            told: None,
            offered,
        }
    }

    /// Carries the move out; it ends within [`MOVE_MAX`] and what the registry takes.
    pub(super) async fn run(
        mut self,
        mut cancel: watch::Receiver<bool>,
        progress: Progress<'_>,
    ) -> Result<MoveReport, MoveError> {
        let (way, mut answers) = Way::open(&self.mover.games, (self.to, &self.target), MOVE_MAX);
        self.way = Some(way);
        self.send(messages::offer(&self.offered, &self.mover.config)).await;
        let mut period = tokio::time::interval(PERIOD);
        let mut is_called_off = false;
        loop {
            self.show(progress);
            let event = tokio::select! {
                news = self.feed.next() => match news {
                    Some(news) => self.heard(news).await,
                    None => Some(Event::Cancel),
                },
                Some(answer) = answers.recv() => self.answered(answer),
                permit = turned(&mut self.turn) => {
                    self.cut = permit;
                    Some(if self.cut.is_some() { Event::Turn } else { Event::Cancel })
                }
                _ = period.tick() => Some(if self.take_deaf() { Event::Gone } else { Event::Time }),
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
            // News of an arriving match, or of one that is copied; this one leaves.
            MoveNews::Level { .. }
            | MoveNews::Ready { .. }
            | MoveNews::Unequal { .. }
            | MoveNews::Confirmed { .. }
            | MoveNews::Broken(_) => None,
        }
    }

    fn answered(&mut self, answer: Result<ToSource, Status>) -> Option<Event> {
        let answer = match answer {
            Ok(answer) => answer.message?,
            Err(status) if self.machine.phase() == Phase::Reserve => {
                let why = format!("{} refuses: {}", self.to, status.message());
                return Some(match status.code() {
                    Code::FailedPrecondition | Code::InvalidArgument => Event::Refused(why),
                    Code::ResourceExhausted | Code::Aborted => Event::Busy(why),
                    _ => Event::Gone,
                });
            }
            Err(status) => {
                tracing::info!(id = %self.id, to = %self.to, %status, "the way to the target ends");
                return Some(Event::Gone);
            }
        };
        Some(match answer {
            to_source::Message::Kept(_) => return None, // of a warm copy
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
            Effect::AskTurn => {
                let cuts = self.mover.cuts.clone();
                self.turn = Some(tokio::spawn(async move { cuts.acquire_owned().await.ok() }));
            }
            Effect::CloseLog => self.command(Command::CloseLog).await,
            Effect::SendClosing => {
                self.flush().await;
                if let Some(closing) = self.closing.take() {
                    self.send(messages::closing(closing)).await;
                }
                let is_gone = self.take_deaf();
                return Next::Event(if is_gone { Event::Gone } else { Event::Sent });
            }
            Effect::Swap => return Next::Event(Event::Written(self.swap().await)),
            Effect::Fence => {
                tokio::time::sleep(ASK_AGAIN).await;
                return Next::Event(Event::Written(self.fence().await));
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
        let lives = (self.mover.lease_key(self.to), Condition::Present);
        let written = self.mover.records.write(self.id, self.known.revision, &next, [lives]).await;
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
        let written = self.mover.records.write(self.id, self.known.revision, &same, []).await;
        match written {
            Write::Committed(revision) => {
                self.known.revision = revision;
                Written::Fenced
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
        let gone = dead.then(|| (self.mover.lease_key(self.to), Condition::Absent));
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
            Err(_) => match self.mover.records.is_there(&self.mover.lease_key(self.to)).await {
                Some(false) => Found::Dead,
                _ => Found::Silent,
            },
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

    async fn send(&mut self, message: ToTarget) {
        if let Some(way) = &mut self.way {
            way.send(message).await;
            self.report.payload_bytes = way.bytes;
        }
    }

    fn take_deaf(&mut self) -> bool {
        self.way.as_mut().is_some_and(Way::take_deaf)
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

/// Waits for the turn to close the log, if it was asked for; `None` once the instance stops.
async fn turned(
    turn: &mut Option<tokio::task::JoinHandle<Option<OwnedSemaphorePermit>>>,
) -> Option<OwnedSemaphorePermit> {
    let Some(waiting) = turn else { return std::future::pending().await };
    let permit = waiting.await.ok().flatten();
    *turn = None;
    permit
}

/// Waits until the move is called off; whoever could do so may be gone, then for ever.
pub(super) async fn called_off(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|it| *it).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What comes of an effect.
enum Next {
    Nothing,
    Event(Event),
    Over(Outcome),
}
