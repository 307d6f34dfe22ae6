//! The links of gateways: messages in become commands, effects become messages out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arena_mesh::{Link, LinkError, LinkSender, Received};
use arena_types::{MatchId, Tick};
use arena_wire::bits::DecodeError;
use arena_wire::link::{Flow, ToGame, ToGateway};
use arena_wire::play::Input;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::films::Films;
use crate::logic::shard::FlowKey;
use crate::ticker::Command;

/// The open links and the shard of each of their flows.
#[derive(Debug, Default)]
pub(crate) struct Links {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    sender: LinkSender,
    flows: HashMap<Flow, Home>,
}

/// Where a flow is.
#[derive(Clone, Copy, Debug)]
enum Home {
    /// It has a seat in a match of this shard.
    Shard(usize),
    /// It watches.
    Films,
}

/// Where the messages of gateways go.
#[derive(Clone, Debug)]
pub(crate) struct Homes {
    pub(crate) shards: Arc<[mpsc::Sender<Command>]>,
    pub(crate) films: Films,
}

/// Why a link was cut from our side.
#[derive(Debug, thiserror::Error)]
enum CutError {
    #[error("read a message of the gateway")]
    Decode(#[from] DecodeError),
    #[error("hand a command to the tick thread, which has ended")]
    Ended,
}

impl Links {
    /// Serves a link until it ends, then frees its seats.
    pub(crate) async fn serve(&self, link: Link, homes: &Homes) {
        let (sender, mut receiver) = link.split();
        let peer = sender.peer().id.clone();
        let id = self.add(sender);
        tracing::info!(link = id, %peer, "a gateway linked");
        while let Some(received) = receiver.recv().await {
            let Received::Ordered(message) = received else { continue };
            if let Err(error) = self.receive(id, &message, homes).await {
                tracing::warn!(link = id, %peer, error = &error as &dyn std::error::Error, "link cut");
                break;
            }
            if !self.is_open(id) {
                break;
            }
        }
        self.lock().open.remove(&id);
        for shard in homes.shards.iter() {
            // A thread that has ended holds no seat.
            let _ = shard.send(Command::LinkLost(id)).await;
        }
        homes.films.link_lost(id).await;
        tracing::info!(link = id, %peer, "the link ended");
    }

    async fn receive(&self, id: u64, message: &[u8], homes: &Homes) -> Result<(), CutError> {
        let Homes { shards, films } = homes;
        let commands = match ToGame::decode(message)? {
            ToGame::Attach(attach) => {
                let shard = shard_of(attach.match_id, shards.len());
                self.with(id, |it| it.flows.insert(attach.flow, Home::Shard(shard)));
                vec![(shard, Command::Attach(id, Box::new(attach)))]
            }
            ToGame::Watch { flow, watch } => {
                self.with(id, |it| it.flows.insert(flow, Home::Films));
                tokio::spawn(films.clone().show(FlowKey { link: id, flow }, watch));
                Vec::new()
            }
            ToGame::Inputs(inputs) => self.sort(id, inputs, homes),
            ToGame::Ack { flow, tick, event } => {
                let key = FlowKey { link: id, flow };
                match self.with(id, |it| it.flows.get(&flow).copied()).flatten() {
                    Some(Home::Shard(shard)) => vec![(shard, Command::Ack(key, tick, event))],
                    Some(Home::Films) => {
                        films.acknowledge(key, tick);
                        Vec::new()
                    }
                    None => Vec::new(),
                }
            }
            ToGame::Detach { flow, why } => {
                let key = FlowKey { link: id, flow };
                match self.with(id, |it| it.flows.remove(&flow)).flatten() {
                    Some(Home::Shard(shard)) => vec![(shard, Command::Detach(key, why))],
                    Some(Home::Films) => {
                        films.stop(key).await;
                        Vec::new()
                    }
                    None => Vec::new(),
                }
            }
        };
        for (shard, command) in commands {
            shards[shard].send(command).await.map_err(|_| CutError::Ended)?;
        }
        Ok(())
    }

    /// Sorts a tick's inputs by shard; those of who watches say what is held.
    fn sort(&self, id: u64, inputs: Vec<(Flow, Input)>, homes: &Homes) -> Vec<(usize, Command)> {
        let mut by_shard = vec![Vec::new(); homes.shards.len()];
        self.with(id, |open| {
            for (flow, input) in inputs {
                match open.flows.get(&flow) {
                    Some(Home::Shard(shard)) => by_shard[*shard].push((flow, input)),
                    Some(Home::Films) => {
                        homes.films.acknowledge(FlowKey { link: id, flow }, input.ack_tick);
                    }
                    // Inputs of a flow that has just ended are still under way.
                    None => {}
                }
            }
        });
        let filled = by_shard.into_iter().enumerate().filter(|(_, it)| !it.is_empty());
        filled.map(|(shard, it)| (shard, Command::Inputs(id, it))).collect()
    }

    /// Does something while a flow is there, and nothing if it has ended: it cannot end meanwhile.
    pub(crate) fn if_open(&self, key: FlowKey, act: impl FnOnce()) {
        let inner = self.lock();
        if inner.open.get(&key.link).is_some_and(|it| it.flows.contains_key(&key.flow)) {
            act();
        }
    }

    /// Sends a reliable message. A gateway that does not read is cut: its sessions attach again,
    /// there or elsewhere, and are told again.
    pub(crate) fn send(&self, id: u64, message: &ToGateway) {
        let mut inner = self.lock();
        let Some(open) = inner.open.get_mut(&id) else { return };
        let over = matches!(
            message,
            ToGateway::Ended { .. } | ToGateway::Replaced { .. } | ToGateway::Refused { .. }
        );
        if over {
            open.flows.remove(&message.flow());
        }
        match open.sender.try_send_ordered(Bytes::from(message.encode())) {
            Ok(()) => {}
            Err(LinkError::Closed) => drop(inner.open.remove(&id)),
            Err(error) => {
                tracing::warn!(link = id, error = &error as &dyn std::error::Error, "link cut");
                inner.open.remove(&id);
            }
        }
    }

    /// Sends a frame; it may be lost.
    pub(crate) fn send_frame(&self, key: FlowKey, tick: Tick, frame: &[u8]) -> bool {
        let inner = self.lock();
        let Some(open) = inner.open.get(&key.link) else { return false };
        open.sender.send_latest(key.flow.0, tick.0, frame).is_ok()
    }

    /// Cuts all links.
    pub(crate) fn cut_all(&self) {
        self.lock().open.clear();
    }

    fn add(&self, sender: LinkSender) -> u64 {
        let mut inner = self.lock();
        inner.last += 1;
        let id = inner.last;
        inner.open.insert(id, Open { sender, flows: HashMap::new() });
        id
    }

    fn is_open(&self, id: u64) -> bool {
        self.lock().open.contains_key(&id)
    }

    fn with<T>(&self, id: u64, change: impl FnOnce(&mut Open) -> T) -> Option<T> {
        self.lock().open.get_mut(&id).map(change)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the shard that hosts a match: ids are random, so shards fill evenly.
#[must_use]
pub(crate) fn shard_of(id: MatchId, shards: usize) -> usize {
    (id.as_u64() % shards as u64) as usize
}
