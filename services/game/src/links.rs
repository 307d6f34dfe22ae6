//! The links of gateways: messages in become commands, effects become messages out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arena_mesh::{Link, LinkError, LinkSender, Received};
use arena_types::{MatchId, Tick};
use arena_wire::bits::DecodeError;
use arena_wire::link::{Flow, ToGame, ToGateway};
use bytes::Bytes;
use tokio::sync::mpsc;

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
    flows: HashMap<Flow, usize>,
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
    pub(crate) async fn serve(&self, link: Link, shards: &[mpsc::Sender<Command>]) {
        let (sender, mut receiver) = link.split();
        let peer = sender.peer().id.clone();
        let id = self.add(sender);
        tracing::info!(link = id, %peer, "a gateway linked");
        while let Some(received) = receiver.recv().await {
            let Received::Ordered(message) = received else { continue };
            if let Err(error) = self.receive(id, &message, shards).await {
                tracing::warn!(link = id, %peer, error = &error as &dyn std::error::Error, "link cut");
                break;
            }
            if !self.is_open(id) {
                break;
            }
        }
        self.lock().open.remove(&id);
        for shard in shards {
            // A thread that has ended holds no seat.
            let _ = shard.send(Command::LinkLost(id)).await;
        }
        tracing::info!(link = id, %peer, "the link ended");
    }

    async fn receive(
        &self,
        id: u64,
        message: &[u8],
        shards: &[mpsc::Sender<Command>],
    ) -> Result<(), CutError> {
        let commands = match ToGame::decode(message)? {
            ToGame::Attach(attach) => {
                let shard = shard_of(attach.match_id, shards.len());
                self.with(id, |it| it.flows.insert(attach.flow, shard));
                vec![(shard, Command::Attach(id, Box::new(attach)))]
            }
            ToGame::Inputs(inputs) => {
                let mut by_shard = vec![Vec::new(); shards.len()];
                self.with(id, |open| {
                    for (flow, input) in inputs {
                        // Inputs of a flow that has just ended are still under way.
                        if let Some(shard) = open.flows.get(&flow) {
                            by_shard[*shard].push((flow, input));
                        }
                    }
                });
                let filled = by_shard.into_iter().enumerate().filter(|(_, it)| !it.is_empty());
                filled.map(|(shard, it)| (shard, Command::Inputs(id, it))).collect()
            }
            ToGame::Ack { flow, tick, event } => {
                let key = FlowKey { link: id, flow };
                self.shard_of_flow(key)
                    .map(|shard| vec![(shard, Command::Ack(key, tick, event))])
                    .unwrap_or_default()
            }
            ToGame::Detach { flow, why } => {
                let key = FlowKey { link: id, flow };
                let shard = self.with(id, |it| it.flows.remove(&flow)).flatten();
                shard.map(|it| vec![(it, Command::Detach(key, why))]).unwrap_or_default()
            }
        };
        for (shard, command) in commands {
            shards[shard].send(command).await.map_err(|_| CutError::Ended)?;
        }
        Ok(())
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

    fn shard_of_flow(&self, key: FlowKey) -> Option<usize> {
        self.with(key.link, |it| it.flows.get(&key.flow).copied()).flatten()
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
