//! The sessions of this gateway: how many, and which socket speaks for which.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arena_types::SessionId;
use tokio::sync::{mpsc, watch};

use crate::logic::session::Event;

type Live = HashMap<SessionId, (u64, mpsc::Sender<Event>)>;

/// All sessions; clones share them.
#[derive(Clone, Debug)]
pub struct Sessions {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    live: Mutex<Live>,
    generation: AtomicU64,
    count: watch::Sender<u32>,
    draining: watch::Sender<bool>,
}

/// A session's place among the sessions, for as long as it is held.
#[derive(Debug)]
pub struct Presence {
    sessions: Sessions,
    session: SessionId,
    generation: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        let inner = Inner {
            live: Mutex::default(),
            generation: AtomicU64::new(0),
            count: watch::Sender::new(0),
            draining: watch::Sender::new(false),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Sessions {
    /// Adds a session; if another socket spoke for it here, that one hears [`Event::Replaced`].
    #[must_use]
    pub fn enter(&self, session: SessionId, events: mpsc::Sender<Event>) -> Presence {
        let generation = self.inner.generation.fetch_add(1, Ordering::Relaxed);
        let mut live = self.live();
        let old = live.insert(session, (generation, events));
        self.tell_count(&live);
        drop(live);
        if let Some((_, old)) = old {
            let _ = old.try_send(Event::Replaced); // a full queue belongs to a socket that ends anyway
        }
        Presence { sessions: self.clone(), session, generation }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        *self.inner.count.borrow()
    }

    /// Follows how many there are.
    #[must_use]
    pub fn counts(&self) -> watch::Receiver<u32> {
        self.inner.count.subscribe()
    }

    /// Whether this gateway goes away.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.inner.draining.borrow()
    }

    /// Says whether this gateway goes away.
    pub fn drain(&self, draining: bool) {
        self.inner.draining.send_replace(draining);
    }

    /// Follows whether this gateway goes away.
    #[must_use]
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.inner.draining.subscribe()
    }

    /// Returns a way to each session.
    #[must_use]
    pub fn all(&self) -> Vec<(SessionId, mpsc::Sender<Event>)> {
        self.live().iter().map(|(id, (_, events))| (*id, events.clone())).collect()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_count(&self, live: &Live) {
        self.inner.count.send_replace(u32::try_from(live.len()).unwrap_or(u32::MAX));
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut live = self.sessions.live();
        if live.get(&self.session).is_some_and(|(generation, _)| *generation == self.generation) {
            live.remove(&self.session);
            self.sessions.tell_count(&live);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_socket_replaces_the_older_one() {
        let sessions = Sessions::default();
        let (first, mut heard) = mpsc::channel(1);
        let (second, mut silent) = mpsc::channel(1);
        let id = SessionId::from_u64(1);
        let old = sessions.enter(id, first);
        let new = sessions.enter(id, second);
        assert_eq!(heard.recv().await, Some(Event::Replaced));
        drop(old);
        assert_eq!(sessions.count(), 1, "the older socket's end is not the session's");
        assert!(silent.try_recv().is_err());
        drop(new);
        assert_eq!(sessions.count(), 0);
    }
}
