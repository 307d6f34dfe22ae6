//! The driver of one warm copy elsewhere: carries out what `logic::shadow` decides.

use std::time::{Duration, Instant};

use arena_types::registry::InstanceRecord;
use arena_types::{Epoch, InstanceId, MatchId, MatchRecord};
use arena_wire::game::v1::{Carried, ToSource, to_source};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use super::command::{Command, Feed};
use super::messages;
use super::mover::{MoveError, Mover};
use super::records::{Known, Records, Write};
use super::source::called_off;
use super::way::{Answers, Way};
use crate::logic::shadow::{Effect, Ending, Event, Phase, Shadow, Written};
use crate::logic::shard::{Covered, MoveNews, OfferError, Offered};

/// A copy is replaced after this: calls between instances have an end.
const KEEP_MAX: Duration = Duration::from_hours(24);
/// How often the machine is told that time passes.
const PERIOD: Duration = Duration::from_millis(25);
/// Before the registry is asked again after it did not answer.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Writes of one record before it is asked again later: the first may find another revision.
const WRITES_MAX: u32 = 3;

/// What is written into a match's record, and what became of it.
type Writing = JoinHandle<(Known, Written)>;

/// One warm copy elsewhere.
pub(super) struct Shadowing<'a> {
    mover: &'a Mover,
    id: MatchId,
    epoch: Epoch,
    to: &'a InstanceId,
    target: InstanceRecord,
    known: Known,
    feed: Feed,
    state: Option<(Offered, Carried)>,
    machine: Shadow,
    started: Instant,
    writing: Option<Writing>,
    /// What is to be written once the write before is over.
    next: Option<Named>,
    was_covered: bool,
}

/// Who the registry shall name.
#[derive(Clone, Copy, Debug)]
enum Named {
    Copy,
    Nobody,
}

/// How a copy ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) was_covered: bool,
}

impl<'a> Shadowing<'a> {
    /// Begins to copy a match of this instance.
    pub(super) async fn begin(
        mover: &'a Mover,
        id: MatchId,
        to: &'a InstanceId,
    ) -> Result<Self, MoveError> {
        let target = mover.target(to)?;
        let known = mover.own_record(id).await?;
        let feed = mover.host.feeds().open(id).ok_or(OfferError::Moving)?;
        let copied = mover.host.ask(id, Command::Copy).await.ok_or(MoveError::Ended)?;
        let state = copied?;
        let epoch = known.record.epoch;
        if state.0.new.epoch != epoch {
            mover.host.tell(id, Command::EndCopy).await;
            return Err(MoveError::NotOwner);
        }
        Ok(Self {
            mover,
            id,
            epoch,
            to,
            target,
            known,
            feed,
            state: Some(state),
            machine: Shadow::new(0),
            started: Instant::now(),
            writing: None,
            next: None,
            was_covered: false,
        })
    }

    /// Keeps the copy up to date until it ends.
    pub(super) async fn run(mut self, cancel: &mut watch::Receiver<bool>) -> Ended {
        let (mut way, mut answers) =
            Way::open(&self.mover.games, (self.to, &self.target), KEEP_MAX);
        if let Some((offered, carried)) = self.state.take() {
            way.send(messages::shadow(&offered, carried, &self.mover.config)).await;
        }
        let mut period = tokio::time::interval(PERIOD);
        let mut is_called_off = false;
        loop {
            let late_at = self.mover.stage.late_at(self.id);
            let event = tokio::select! {
                news = self.feed.next() => self.heard(news, &mut way),
                Some(answer) = answers.recv() => self.answered(answer, &mut answers),
                written = written(&mut self.writing) => self.written(written),
                () = until(late_at), if self.machine.phase() != Phase::Dismiss => Some(Event::Late),
                _ = period.tick() => Some(if way.take_deaf() { Event::Gone } else { Event::Time }),
                () = called_off(cancel), if !is_called_off => {
                    is_called_off = true;
                    Some(Event::End)
                }
            };
            let Some(event) = event else { continue };
            let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            for effect in self.machine.on(event, now_ms) {
                if let Some(ending) = self.act(effect).await {
                    self.mover.figures.shadow_ended(ending.label());
                    return Ended { ending, was_covered: self.was_covered };
                }
            }
        }
    }

    fn heard(&mut self, news: Option<MoveNews>, way: &mut Way) -> Option<Event> {
        match news {
            Some(MoveNews::Confirmed { tick, inputs, carried, hash }) => {
                let bytes = way.send_now(messages::confirmed(tick, &[*inputs], *carried));
                self.mover.figures.shadow_bytes.inc_by(bytes);
                Some(Event::Stepped { tick, hash })
            }
            Some(MoveNews::Over) | None => Some(Event::End),
            Some(_) => None, // news of a move
        }
    }

    fn answered(
        &mut self,
        answer: Result<ToSource, Status>,
        answers: &mut Answers,
    ) -> Option<Event> {
        let answer = match answer {
            Ok(answer) => answer.message?,
            Err(status) => {
                answers.close();
                tracing::info!(id = %self.id, to = %self.to, %status, "the way to a warm copy ends");
                let is_refused = self.machine.phase() == Phase::Reserve
                    && matches!(
                        status.code(),
                        Code::FailedPrecondition | Code::InvalidArgument | Code::ResourceExhausted
                    );
                return Some(if is_refused { Event::Refused } else { Event::Gone });
            }
        };
        match answer {
            to_source::Message::Accepted(_) => Some(Event::Accepted),
            to_source::Message::Kept(it) => {
                if let Some(waited) = self.mover.stage.kept(self.id, it.tick) {
                    self.mover.figures.shadow_wait.observe(waited.as_secs_f64());
                }
                Some(Event::Kept(it.tick))
            }
            to_source::Message::Level(it) => Some(Event::Level { tick: it.tick, hash: it.hash }),
            to_source::Message::Unequal(_) => Some(Event::Unequal),
            to_source::Message::Owning(_) => None,
        }
    }

    /// Takes what became of a write; nothing if another is due that says the opposite.
    fn written(&mut self, (known, written): (Known, Written)) -> Option<Event> {
        self.known = known;
        match self.next.take() {
            Some(next) => {
                self.write(next);
                None
            }
            None => Some(Event::Written(written)),
        }
    }

    /// Writes who keeps the copy, one write after the other.
    fn write(&mut self, named: Named) {
        if self.writing.is_some() {
            self.next = Some(named);
            return;
        }
        let shadow = match named {
            Named::Copy => Some(self.to.clone()),
            Named::Nobody => None,
        };
        let records = self.mover.records.clone();
        let own = (self.mover.own.0.clone(), self.epoch);
        self.writing = Some(tokio::spawn(name(records, self.id, self.known.clone(), own, shadow)));
    }

    async fn act(&mut self, effect: Effect) -> Option<Ending> {
        let Mover { stage, host, figures, .. } = self.mover;
        match effect {
            Effect::Hold => stage.hold(self.id),
            Effect::Name => self.write(Named::Copy),
            Effect::Unname => self.write(Named::Nobody),
            Effect::Cover => {
                self.was_covered = true;
                figures.shadow_matches.inc();
                host.tell(self.id, Command::Cover(Covered::Yes)).await;
                tracing::info!(id = %self.id, to = %self.to, "a match has a warm copy");
            }
            Effect::Uncover => {
                figures.shadow_matches.dec();
                host.tell(self.id, Command::Cover(Covered::No)).await;
            }
            Effect::Release => stage.release(self.id),
            Effect::Finish(ending) => {
                host.tell(self.id, Command::EndCopy).await;
                tracing::info!(id = %self.id, to = %self.to, %ending, "a warm copy ends");
                return Some(ending);
            }
        }
        None
    }
}

/// Writes into a match's record who keeps its copy, whatever an earlier write without an answer did.
async fn name(
    records: Records,
    id: MatchId,
    mut known: Known,
    (own, epoch): (InstanceId, Epoch),
    shadow: Option<InstanceId>,
) -> (Known, Written) {
    for _ in 0..WRITES_MAX {
        let record = MatchRecord { shadow: shadow.clone(), ..known.record.clone() };
        match records.write(id, known.revision, &record, []).await {
            Write::Committed(revision) => return (Known { record, revision }, Written::Done),
            Write::Refused(None) => return (known, Written::Lost),
            Write::Refused(Some(found)) => known = found,
            Write::Unknown(why) => {
                tracing::warn!(%id, why, "nobody knows who has a match's warm copy");
                break;
            }
        }
        if known.record.owner != own || known.record.epoch != epoch {
            return (known, Written::Lost);
        }
    }
    tokio::time::sleep(ASK_AGAIN).await;
    (known, Written::Unknown)
}

/// Waits for a write, if there is one.
async fn written(writing: &mut Option<Writing>) -> (Known, Written) {
    let Some(task) = writing else { return std::future::pending().await };
    let done = task.await;
    *writing = None;
    match done {
        Ok(done) => done,
        Err(_) => std::future::pending().await, // the process stops
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
