//! Hands the datagrams of one connection to its links.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use quinn::Connection;
use tokio::{sync::Notify, task::AbortHandle};

use super::fragment::{Header, Reassembly};

/// One connection and the links on it.
#[derive(Debug)]
pub(crate) struct Mux {
    pub(crate) connection: Connection,
    links: Mutex<HashMap<u32, Arc<Inbox>>>,
    next: AtomicU32,
    reader: OnceLock<AbortHandle>,
}

/// Frames of one flow that wait to be received: beyond them the oldest gives way.
const FRAMES_MAX: usize = 8;

/// The frames of one link that nobody has received yet: the newest few of each flow.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    pub(crate) arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    reassembly: Reassembly,
    /// Flows that have frames, each once.
    order: VecDeque<u32>,
    frames: HashMap<u32, VecDeque<(u32, Bytes)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbox {
    fn push(&self, header: Header, part: Bytes) {
        let mut state = lock(&self.state);
        let Some(frame) = state.reassembly.push(header, part) else { return };
        let waiting = state.frames.entry(header.flow).or_default();
        if waiting.len() >= FRAMES_MAX {
            waiting.pop_front();
        }
        waiting.push_back((header.seq, frame));
        if waiting.len() == 1 {
            state.order.push_back(header.flow);
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// Takes the oldest frame of the flow whose turn it is: flow, sequence, bytes.
    pub(crate) fn pop(&self) -> Option<(u32, u32, Bytes)> {
        let mut state = lock(&self.state);
        let flow = state.order.pop_front()?;
        let waiting = state.frames.get_mut(&flow)?;
        let (seq, frame) = waiting.pop_front()?;
        if waiting.is_empty() {
            state.frames.remove(&flow);
        } else {
            state.order.push_back(flow);
        }
        Some((flow, seq, frame))
    }
}

impl Mux {
    pub(crate) fn new(connection: Connection) -> Arc<Self> {
        Arc::new(Self {
            connection,
            links: Mutex::default(),
            next: AtomicU32::new(1),
            reader: OnceLock::new(),
        })
    }

    /// Returns a number no link of this client has had on this connection.
    pub(crate) fn next_number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Registers a link; `None` if its number is taken.
    pub(crate) fn register(self: &Arc<Self>, number: u32) -> Option<Arc<Inbox>> {
        let inbox = Arc::new(Inbox::default());
        let mut links = lock(&self.links);
        if links.contains_key(&number) {
            return None;
        }
        links.insert(number, inbox.clone());
        drop(links);
        self.reader.get_or_init(|| {
            let read = read_datagrams(self.connection.clone(), Arc::downgrade(self));
            tokio::spawn(read).abort_handle()
        });
        Some(inbox)
    }

    pub(crate) fn remove(&self, number: u32) {
        lock(&self.links).remove(&number);
    }

    fn dispatch(&self, mut datagram: Bytes) {
        let Some(header) = Header::take(&mut datagram) else { return };
        let inbox = lock(&self.links).get(&header.link).cloned();
        if let Some(inbox) = inbox {
            inbox.push(header, datagram); // others belong to a link that has ended
        }
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.get() {
            reader.abort();
        }
    }
}

async fn read_datagrams(connection: Connection, mux: Weak<Mux>) {
    while let Ok(datagram) = connection.read_datagram().await {
        let Some(mux) = mux.upgrade() else { return };
        mux.dispatch(datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(inbox: &Inbox, flow: u32, seq: u32) {
        let header = Header { link: 1, flow, seq, index: 0, count: 1 };
        inbox.push(header, Bytes::from(vec![seq as u8]));
    }

    #[test]
    fn flows_take_turns_and_of_too_many_frames_the_oldest_give_way() {
        let inbox = Inbox::default();
        push(&inbox, 7, 1);
        for seq in 1..=FRAMES_MAX as u32 + 3 {
            push(&inbox, 5, seq);
        }
        push(&inbox, 7, 2);
        let taken: Vec<_> = std::iter::from_fn(|| inbox.pop()).collect();
        assert!(taken.iter().all(|(_, seq, bytes)| bytes[..] == [*seq as u8]), "{taken:?}");
        let seqs = |of| taken.iter().filter(|it| it.0 == of).map(|it| it.1).collect::<Vec<_>>();
        assert_eq!(seqs(5), (4..=FRAMES_MAX as u32 + 3).collect::<Vec<_>>());
        assert_eq!(seqs(7), [1, 2]);
        assert_eq!(taken[..3].iter().map(|it| it.0).collect::<Vec<_>>(), [7, 5, 7]);
        assert_eq!((inbox.pop(), lock(&inbox.state).frames.len()), (None, 0));
    }
}
