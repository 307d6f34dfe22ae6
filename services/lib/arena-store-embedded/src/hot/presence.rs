//! Who is where, in memory: a restart forgets it until the next sign of life.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arena_store::{Present, StoreError};
use bytes::Bytes;
use tokio::time::Instant;

/// Most members of all places together, about 200 bytes each without their values.
const MEMBERS_MAX: usize = 200_000;

#[derive(Debug)]
struct Member {
    value: Bytes,
    until: Instant,
}

#[derive(Debug, Default)]
struct Places {
    members: HashMap<String, BTreeMap<String, Member>>,
    count: usize,
}

#[derive(Debug, Default)]
pub(super) struct Presence {
    places: Mutex<Places>,
}

impl Presence {
    fn lock(&self) -> MutexGuard<'_, Places> {
        // A panic between two changes can only leave a count that the next sweep corrects.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(
        &self,
        place: &str,
        member: &str,
        value: Bytes,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let mut places = self.lock();
        if places.count >= MEMBERS_MAX {
            places.sweep();
        }
        if places.count >= MEMBERS_MAX {
            return Err(StoreError::Full { what: format!("presence ({MEMBERS_MAX} members)") });
        }
        let members = places.members.entry(place.to_owned()).or_default();
        let new = Member { value, until: Instant::now() + ttl };
        if members.insert(member.to_owned(), new).is_none() {
            places.count += 1;
        }
        Ok(())
    }

    pub(super) fn clear(&self, place: &str, member: &str) {
        let mut places = self.lock();
        let removed = places.members.get_mut(place).and_then(|it| it.remove(member));
        if removed.is_some() {
            places.count -= 1;
        }
    }

    pub(super) fn list(&self, place: &str) -> Vec<Present> {
        let now = Instant::now();
        let places = self.lock();
        let members = places.members.get(place).into_iter().flatten();
        members
            .filter(|(_, it)| it.until > now)
            .map(|(member, it)| Present { member: member.clone(), value: it.value.clone() })
            .collect()
    }

    /// Forgets all whose time is over.
    pub(super) fn sweep(&self) {
        self.lock().sweep();
    }
}

impl Places {
    fn sweep(&mut self) {
        let now = Instant::now();
        for members in self.members.values_mut() {
            members.retain(|_, it| it.until > now);
        }
        self.members.retain(|_, it| !it.is_empty());
        self.count = self.members.values().map(BTreeMap::len).sum();
    }
}
