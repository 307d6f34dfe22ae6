//! What a tick thread is asked to do about a match that moves, and the way back for what it tells.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arena_sdk::SeatInputs;
use arena_types::{Epoch, InstanceId, MatchId};
use arena_wire::game::v1::Carried;
use tokio::sync::{mpsc, oneshot};

use crate::logic::shard::{
    Covered, Effects, MoveNews, OfferError, Offered, OwnError, ReserveError, RestoreError, Shard,
};
use crate::ticker::unix_ms;

/// News of one match that wait for whoever moves it: ten seconds of ticks. Beyond it the move is given up.
const NEWS_MAX: usize = 600;

/// What is done to one match between two ticks.
#[derive(Debug)]
pub(crate) enum Command {
    /// Begins to leave.
    Offer(oneshot::Sender<Result<Offered, OfferError>>),
    /// Tells its sessions where it goes.
    Announce(InstanceId, Epoch),
    /// Closes its log.
    CloseLog,
    /// Stays after all; in this epoch, if it was another's meanwhile.
    Stay(Option<Epoch>),
    /// Is another's.
    LetGo(InstanceId, Epoch),
    /// Arrives; as a warm copy, if it comes with what goes with it.
    Reserve(Box<Offered>, Option<Box<Carried>>, oneshot::Sender<Result<(), ReserveError>>),
    /// Inputs of an arriving match, from this tick on.
    Follow(u32, Vec<SeatInputs>),
    /// What was confirmed of a warm copy, from this tick on.
    Copied(u32, Vec<SeatInputs>, Box<Carried>),
    /// The end of an arriving match's log: tick, hash, and all else.
    Closing(u32, u64, Box<Carried>),
    /// Has arrived and is owned.
    Own(Epoch, oneshot::Sender<Result<u32, OwnError>>),
    /// Does not arrive after all.
    Forget,
    /// Is taken back by its source unless it is owned here in this epoch or later; answers whether it is.
    Drop(Epoch, oneshot::Sender<bool>),
    /// Begins to be copied.
    Copy(oneshot::Sender<Result<(Offered, Carried), OfferError>>),
    /// Its copy has all that is shown, or may not any more.
    Cover(Covered),
    /// Is copied no more.
    EndCopy,
    /// Answers whether a copy of it is kept here, as its owner of this epoch confirmed it.
    HasCopy(Epoch, oneshot::Sender<bool>),
    /// Goes on from its copy, owned in this epoch.
    OwnCopy(Epoch, oneshot::Sender<Result<u32, RestoreError>>),
}

impl Command {
    /// Does it. Who asked and went away does not need the answer.
    pub(crate) fn apply(self, id: MatchId, shard: &mut Shard, effects: &mut Effects) {
        match self {
            Self::Offer(reply) => drop(reply.send(shard.offer(id))),
            Self::Announce(to, epoch) => shard.announce(id, &to, epoch, effects),
            Self::CloseLog => shard.close_log(id),
            Self::Stay(epoch) => shard.stay(id, epoch, effects),
            Self::LetGo(to, epoch) => shard.let_go(id, &to, epoch, effects),
            Self::Reserve(offered, copy, reply) => {
                drop(reply.send(match copy {
                    Some(carried) => shard.reserve_copy(*offered, *carried),
                    None => shard.reserve(*offered),
                }));
            }
            Self::Follow(first, inputs) => shard.follow(id, first, inputs, effects),
            Self::Copied(first, inputs, carried) => {
                shard.copied(id, (first, inputs), *carried, effects);
            }
            Self::Closing(tick, hash, carried) => shard.closing(id, tick, hash, *carried),
            Self::Own(epoch, reply) => drop(reply.send(shard.own(id, epoch, effects))),
            Self::Forget => shard.forget(id, effects),
            Self::Drop(epoch, reply) => drop(reply.send(shard.give_back(id, epoch, effects))),
            Self::Copy(reply) => drop(reply.send(shard.copy(id))),
            Self::Cover(covered) => shard.cover(id, covered, effects),
            Self::EndCopy => shard.end_copy(id),
            Self::HasCopy(epoch, reply) => drop(reply.send(shard.has_copy(id, epoch))),
            Self::OwnCopy(epoch, reply) => {
                drop(reply.send(shard.own_copy(id, epoch, unix_ms(), effects)));
            }
        }
    }
}

/// Who moves which match here; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feeds {
    open: Arc<Mutex<HashMap<MatchId, mpsc::Sender<MoveNews>>>>,
}

/// The news of one match, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Feed {
    feeds: Feeds,
    id: MatchId,
    news: mpsc::Receiver<MoveNews>,
}

impl Feeds {
    /// Begins to receive the news of a match; `None` if somebody does already.
    pub(crate) fn open(&self, id: MatchId) -> Option<Feed> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.contains_key(&id) {
            return None;
        }
        let (sender, news) = mpsc::channel(NEWS_MAX);
        open.insert(id, sender);
        Some(Feed { feeds: self.clone(), id, news })
    }

    /// Tells news; who does not listen in time hears no more, and gives the move up.
    pub(crate) fn tell(&self, id: MatchId, news: MoveNews) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = open.get(&id) else { return };
        if sender.try_send(news).is_err() && !sender.is_closed() {
            tracing::warn!(%id, "nobody takes the news of a match that moves");
            open.insert(id, mpsc::channel(1).0);
        }
    }
}

impl Feed {
    /// Waits for news; `None` if some were lost. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<MoveNews> {
        self.news.recv().await
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.feeds.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
