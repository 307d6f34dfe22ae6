//! Connections to the mesh ports of instances, kept from one sample to the next.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arena_mesh::{Channel, Endpoint, Identity};
use arena_types::InstanceId;
use tokio::time::Instant;

use super::Asked;

/// An identity is used for this long: below the shortest life that one is issued with, an hour.
const IDENTITY_AGE_MAX: Duration = Duration::from_mins(30);
/// Channels kept at most; beyond it those of instances that are gone are let go.
const CHANNEL_COUNT_MAX: usize = 256;

/// Channels to instances, all with one identity.
#[derive(Debug)]
pub(crate) struct Channels {
    identity: Identity,
    since: Instant,
    open: Mutex<BTreeMap<InstanceId, (SocketAddr, Channel)>>,
}

impl Channels {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, since: Instant::now(), open: Mutex::default() }
    }

    /// Returns channels whose identity is young enough, made with `issue` where there are none.
    ///
    /// # Errors
    /// What `issue` says.
    pub(crate) fn fresh<E>(
        kept: &mut Option<Self>,
        issue: impl FnOnce() -> Result<Identity, E>,
    ) -> Result<&Self, E> {
        if kept.as_ref().is_some_and(|it| it.since.elapsed() > IDENTITY_AGE_MAX) {
            *kept = None;
        }
        let channels = match kept.take() {
            Some(channels) => channels,
            None => Self::new(issue()?),
        };
        Ok(kept.insert(channels))
    }

    /// Returns the channel to an instance; `None` if it has no mesh port.
    pub(crate) fn to(&self, asked: &Asked) -> Option<Channel> {
        let address = asked.mesh?;
        let instance = &asked.target.instance;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, channel)) = open.get(instance).filter(|(known, _)| *known == address) {
            return Some(channel.clone());
        }
        if open.len() >= CHANNEL_COUNT_MAX {
            open.clear();
        }
        let channel = Channel::builder(self.identity.clone())
            .service(asked.service.as_str())
            .pinned(Endpoint::new(instance, address));
        open.insert(instance.clone(), (address, channel.clone()));
        Some(channel)
    }
}
