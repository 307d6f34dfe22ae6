//! The target's driver: takes one match in, and owns it only if the registry says so.

use std::time::Duration;

use arena_mesh::Peer;
use arena_types::{Epoch, InstanceId, MatchId};
use arena_wire::game::v1::{Confirmed, Snapshot, ToSource, ToTarget, to_target};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Status, Streaming};

use super::command::{Command, Feed};
use super::messages;
use super::mover::Mover;
use super::records::Known;
use crate::logic::migration::{Target, TargetEffect, TargetEvent, TargetPhase, Whose};
use crate::logic::shard::MoveNews;

/// The first message comes within this.
const OFFER_TIMEOUT: Duration = Duration::from_secs(5);
/// Answers that wait for the source.
pub(super) const ANSWERS_MAX: usize = 64;
/// What was begun with a match before ends within this, looked at so often.
const FREE_WAIT: Duration = Duration::from_secs(1);
const FREE_PERIOD: Duration = Duration::from_millis(20);
/// Between two looks at who owns the match, after the way to the source broke.
const CLAIM_PERIOD: Duration = Duration::from_millis(100);

/// A match on its way to this instance.
pub(super) struct Arrival {
    mover: Mover,
    id: MatchId,
    /// The source's.
    epoch: Epoch,
    feed: Feed,
    /// `None` once the source shall look for another: this instance drains, and it keeps a warm copy.
    answers: Option<mpsc::Sender<Result<ToSource, Status>>>,
    machine: Target,
    is_shadow: bool,
    begun: Instant,
}

impl Arrival {
    /// Makes room for the match that the first message offers.
    ///
    /// # Errors
    /// The status the source is told.
    pub(super) async fn open(
        mover: Mover,
        peer: Option<Peer>,
        stream: &mut Streaming<ToTarget>,
        answers: mpsc::Sender<Result<ToSource, Status>>,
    ) -> Result<Self, Status> {
        let first = timeout(OFFER_TIMEOUT, stream.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no offer came"))??;
        let (offer, copy) = match first.and_then(|it| it.message) {
            Some(to_target::Message::Offer(offer)) => (offer, None),
            Some(to_target::Message::Shadow(Snapshot {
                offer: Some(offer),
                carried: Some(carried),
            })) => (offer, Some(Box::new(carried))),
            _ => return Err(Status::invalid_argument("the first message is an offer")),
        };
        let offered = messages::offered(offer, &mover.config)?;
        let (id, epoch) = (offered.new.id, offered.new.epoch);
        let next = epoch.next().ok_or_else(|| Status::invalid_argument("epoch: it is the last"))?;
        if !mover.host.is_accepting() {
            return Err(Status::resource_exhausted("this instance is draining"));
        }
        check_owner(&mover, id, epoch, peer.as_ref()).await?;
        let feed = free_feed(&mover, id).await?;
        let is_shadow = copy.is_some();
        let reserve = |reply| Command::Reserve(Box::new(offered), copy, reply);
        let reserved = mover.host.ask(id, reserve).await;
        let reserved = reserved.ok_or_else(|| Status::unavailable("this instance stops"))?;
        reserved.map_err(|error| refused(&error))?;
        let machine = if is_shadow { Target::shadow(next) } else { Target::new(next) };
        let begun = Instant::now();
        Ok(Self { mover, id, epoch, feed, answers: Some(answers), machine, is_shadow, begun })
    }

    /// Follows the source to the end: owns the match, or forgets it.
    pub(super) async fn run(mut self, stream: Streaming<ToTarget>) {
        self.answer(messages::accepted()).await;
        let mut stream = Some(stream);
        let mut period = tokio::time::interval(CLAIM_PERIOD);
        while self.machine.phase() != TargetPhase::Over {
            let event = tokio::select! {
                message = next(&mut stream) => if let Some(message) = message {
                    self.take(message).await
                } else {
                    stream = None;
                    Some(TargetEvent::Gone)
                },
                news = self.feed.next() => match news {
                    Some(news) => self.heard(news).await,
                    None => Some(TargetEvent::Broken),
                },
                _ = period.tick() => {
                    if self.is_shadow && !self.mover.host.is_accepting() {
                        self.answers = None;
                    }
                    Some(TargetEvent::Time)
                }
            };
            let mut event = event;
            while let Some(happened) = event.take() {
                let now_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                if let Some(effect) = self.machine.on(happened, now_ms) {
                    event = self.act(effect).await;
                }
            }
        }
    }

    async fn take(&mut self, message: ToTarget) -> Option<TargetEvent> {
        match message.message {
            Some(to_target::Message::Ticks(ticks)) => match messages::inputs(&ticks) {
                Ok(inputs) => {
                    self.tell(Command::Follow(ticks.first, inputs)).await;
                    None
                }
                Err(status) => self.complain(status).await,
            },
            Some(to_target::Message::Confirmed(confirmed)) if self.is_shadow => {
                self.copy(confirmed).await
            }
            Some(to_target::Message::Closing(closing)) => {
                let Some(carried) = closing.carried else {
                    return self.complain(Status::invalid_argument("carried: missing")).await;
                };
                self.tell(Command::Closing(closing.tick, closing.hash, Box::new(carried))).await;
                Some(TargetEvent::Closed)
            }
            Some(to_target::Message::Own(own)) if Some(Epoch(own.epoch)) == self.epoch.next() => {
                Some(TargetEvent::Asked)
            }
            Some(to_target::Message::Own(own)) => {
                let (id, epoch) = (self.id, own.epoch);
                tracing::warn!(target: "audit", %id, epoch, "an epoch that does not come next");
                self.complain(Status::invalid_argument("epoch: it does not come next")).await
            }
            Some(
                to_target::Message::Offer(_)
                | to_target::Message::Shadow(_)
                | to_target::Message::Confirmed(_),
            )
            | None => {
                self.complain(Status::invalid_argument("an offer comes once, and first")).await
            }
        }
    }

    /// Takes what was confirmed into the copy, and says so: what the tick thread is told now it has before it is asked
    /// to go on from the copy.
    async fn copy(&self, confirmed: Confirmed) -> Option<TargetEvent> {
        let Confirmed { ticks: Some(ticks), carried: Some(carried) } = confirmed else {
            return self.complain(Status::invalid_argument("ticks, carried: missing")).await;
        };
        let inputs = match messages::inputs(&ticks) {
            Ok(inputs) => inputs,
            Err(status) => return self.complain(status).await,
        };
        let last = ticks.first.saturating_add(inputs.len() as u32).saturating_sub(1);
        self.tell(Command::Copied(ticks.first, inputs, Box::new(carried))).await;
        self.answer(messages::kept(last)).await;
        None
    }

    async fn complain(&self, status: Status) -> Option<TargetEvent> {
        tracing::warn!(id = %self.id, %status, "a source sends what no source does");
        if let Some(answers) = &self.answers {
            let _ = timeout(CLAIM_PERIOD, answers.send(Err(status))).await;
        }
        Some(TargetEvent::Broken)
    }

    /// Passes on what the tick thread says.
    async fn heard(&mut self, news: MoveNews) -> Option<TargetEvent> {
        match news {
            MoveNews::Level { tick, hash, sessions } => {
                self.answer(messages::level(tick, hash, sessions)).await;
                None
            }
            MoveNews::Ready { tick } => {
                tracing::debug!(id = %self.id, tick, "a match has arrived completely");
                Some(TargetEvent::Ready)
            }
            MoveNews::Unequal { tick, hash, world } => {
                self.answer(messages::unequal(tick, hash, world)).await;
                Some(TargetEvent::Broken)
            }
            MoveNews::Broken(why) => {
                tracing::warn!(id = %self.id, why, "a match cannot arrive");
                Some(TargetEvent::Broken)
            }
            MoveNews::Stepped { .. }
            | MoveNews::Closed { .. }
            | MoveNews::Confirmed { .. }
            | MoveNews::Over => None,
        }
    }

    async fn act(&mut self, effect: TargetEffect) -> Option<TargetEvent> {
        match effect {
            TargetEffect::Own(epoch) => self.own(epoch).await,
            TargetEffect::Forget => self.tell(Command::Forget).await,
            TargetEffect::Read => return Some(TargetEvent::Found(self.read().await)),
        }
        None
    }

    async fn own(&self, epoch: Epoch) {
        if self.is_shadow {
            return self.own_copy(epoch).await;
        }
        match self.mover.host.ask(self.id, |reply| Command::Own(epoch, reply)).await {
            Some(Ok(tick)) => {
                tracing::info!(id = %self.id, %epoch, tick, "a match goes on here");
                self.answer(messages::owning(tick)).await;
            }
            Some(Err(error)) => {
                tracing::error!(id = %self.id, %epoch, %error, "a match does not go on here");
                self.tell(Command::Forget).await;
            }
            None => {}
        }
    }

    /// Goes on from the copy: its owner, started again without the match, has it written as this instance's.
    async fn own_copy(&self, epoch: Epoch) {
        match self.mover.host.ask(self.id, |reply| Command::OwnCopy(epoch, reply)).await {
            Some(Ok(tick)) => {
                tracing::info!(id = %self.id, %epoch, tick, "a match goes on here from its warm copy");
            }
            Some(Err(error)) => {
                tracing::error!(id = %self.id, %epoch, %error, "a match does not go on here");
            }
            None => {}
        }
    }

    async fn read(&self) -> Whose {
        match self.mover.records.read(self.id).await {
            Ok(Some(Known { record, .. })) if record.epoch == self.epoch => {
                let is_named = record.shadow.as_ref() == Some(&self.mover.own.0);
                if self.is_shadow && !is_named { Whose::Other } else { Whose::Source }
            }
            Ok(Some(Known { record, .. }))
                if record.owner == self.mover.own.0 && Some(record.epoch) == self.epoch.next() =>
            {
                Whose::Mine
            }
            Ok(_) => Whose::Other,
            Err(error) => {
                tracing::warn!(id = %self.id, %error, "the registry is away");
                Whose::Unknown
            }
        }
    }

    async fn answer(&self, answer: ToSource) {
        // A source that does not read is gone; the stream's end says so.
        if let Some(answers) = &self.answers {
            let _ = timeout(CLAIM_PERIOD, answers.send(Ok(answer))).await;
        }
    }

    async fn tell(&self, command: Command) {
        self.mover.host.tell(self.id, command).await;
    }
}

/// Returns the next message, `None` once the source is gone; never, once that is known.
async fn next(stream: &mut Option<Streaming<ToTarget>>) -> Option<ToTarget> {
    let Some(stream) = stream else { return std::future::pending().await };
    stream.message().await.ok()?
}

/// Waits a moment for the end of what was begun with a match before: a warm copy that ends because its source moves it.
async fn free_feed(mover: &Mover, id: MatchId) -> Result<Feed, Status> {
    let begun = Instant::now();
    loop {
        if let Some(feed) = mover.host.feeds().open(id) {
            return Ok(feed);
        }
        if begun.elapsed() >= FREE_WAIT {
            return Err(Status::resource_exhausted("the match is on its way here already"));
        }
        sleep(FREE_PERIOD).await;
    }
}

/// Refuses whoever is not the owner that the registry has.
async fn check_owner(
    mover: &Mover,
    id: MatchId,
    epoch: Epoch,
    peer: Option<&Peer>,
) -> Result<(), Status> {
    let known = mover.records.read(id).await;
    let known = known.map_err(|error| Status::unavailable(error.to_string()))?;
    let owner = known.map(|it| (it.record.owner, it.record.epoch));
    let claimed = peer.map(|it| it.id.instance().to_owned());
    let is_owner = |(owner, at): &(InstanceId, Epoch)| {
        *at == epoch && claimed.as_deref() == Some(owner.as_str())
    };
    if owner.as_ref().is_some_and(is_owner) {
        return Ok(());
    }
    tracing::warn!(target: "audit", %id, %epoch, ?claimed, ?owner, "an offer of a match by somebody else than its owner");
    Err(Status::aborted("the registry has another owner, or another epoch"))
}

fn refused(error: &crate::logic::shard::ReserveError) -> Status {
    use crate::logic::shard::ReserveError as E;
    let text = arena_mesh::chain(error);
    match error {
        E::Full { .. } | E::Here => Status::resource_exhausted(text),
        E::Import(_) | E::Hash { .. } | E::World(_) => Status::failed_precondition(text),
    }
}
