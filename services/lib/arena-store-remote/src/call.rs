//! One call: its deadline, and what its failure means.

use std::sync::Arc;
use std::time::Duration;

use arena_mesh::{Channel, StreamError};
use arena_store::{StoreError, Stores};
use futures::TryStreamExt;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::analytics::RemoteAnalytics;
use crate::hot::RemoteHot;
use crate::objects::RemoteObjects;
use crate::players::RemotePlayers;
use crate::registry::RemoteRegistry;
use crate::wire;

/// How long a call may take: above a slow disk's sync and a reconnection, below a player's patience.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);
/// The same for calls that move many bytes.
pub(crate) const BULK_DEADLINE: Duration = Duration::from_secs(30);

/// Returns all ports of the store service behind `channel`. Nothing is sent until a port is used.
///
/// The channel must not have a default deadline: watches are streams without one.
#[must_use]
pub fn connect(channel: Channel) -> Stores {
    Stores {
        registry: Arc::new(RemoteRegistry::new(channel.clone())),
        hot: Arc::new(RemoteHot::new(channel.clone())),
        players: Arc::new(RemotePlayers::new(channel.clone())),
        analytics: Arc::new(RemoteAnalytics::new(channel.clone())),
        objects: Arc::new(RemoteObjects::new(channel)),
    }
}

/// Tells of a method (`package.Service/Method`) whether it may run twice with the effect of once,
/// so that the mesh may repeat it.
#[must_use]
pub fn is_idempotent(method: &str) -> bool {
    let Some(name) = method.strip_prefix("arena.store.v1.") else { return false };
    matches!(
        name,
        "Registry/Get"
            | "Registry/List"
            | "Registry/KeepAlive"
            | "Registry/RevokeLease"
            | "HotState/Read"
            | "HotState/BoardRank"
            | "HotState/BoardRange"
            | "HotState/BoardAround"
            | "HotState/JournalRead"
            | "HotState/JournalTrim"
            | "HotState/JournalDelete"
            | "HotState/StreamPending"
            | "HotState/PresenceSet"
            | "HotState/PresenceClear"
            | "HotState/PresenceList"
            | "PlayerStore/ReadAccount"
            | "PlayerStore/Rename"
            | "PlayerStore/ReadCredential"
            | "PlayerStore/PutCredential"
            | "PlayerStore/ReadSession"
            | "PlayerStore/SessionsOf"
            | "PlayerStore/WriteBan"
            | "PlayerStore/ReadBans"
            | "PlayerStore/ReadProfile"
            | "PlayerStore/ReadRatings"
            | "PlayerStore/ReadResult"
            | "PlayerStore/History"
            | "Analytics/Append"
            | "Analytics/ReadEvents"
            | "Analytics/Count"
            | "Objects/Fetch"
            | "Objects/Browse"
            | "Objects/Remove"
    )
}

/// What a failed call may have left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it reads, or it can be repeated.
    None,
    /// A write that must not be repeated blindly.
    Write,
}

/// Wraps a message with the deadline of an ordinary call.
pub(crate) fn within<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// Opens an answer to a call that reads.
pub(crate) fn read<T>(answer: Result<Response<T>, Status>) -> Result<T, StoreError> {
    answer.map(Response::into_inner).map_err(|status| fault(&status, Effect::None))
}

/// Opens an answer to a call that writes.
pub(crate) fn written<T>(answer: Result<Response<T>, Status>) -> Result<T, StoreError> {
    answer.map(Response::into_inner).map_err(|status| fault(&status, Effect::Write))
}

/// Collects the parts of a streamed answer.
pub(crate) async fn collect<P, T>(
    parts: Result<Response<Streaming<P>>, Status>,
    mut open: impl FnMut(P, &mut Vec<T>) -> Result<(), StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut parts = read(parts)?;
    let mut all = Vec::new();
    while let Some(part) = parts.try_next().await.map_err(|it| fault(&it, Effect::None))? {
        open(part, &mut all)?;
    }
    Ok(all)
}

/// Says what a status means for the caller: what the store said if it said something, else
/// whether the request can have reached it.
pub(crate) fn fault(status: &Status, effect: Effect) -> StoreError {
    if let Some(error) = wire::fault_of(status) {
        return error;
    }
    let reason = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => {
            StoreError::Denied { caller: "this instance".to_owned(), action: reason }
        }
        Code::InvalidArgument | Code::OutOfRange => StoreError::invalid("message", reason),
        _ if effect == Effect::None || was_not_sent(status) => StoreError::unavailable(reason),
        _ => StoreError::Uncertain { reason },
    }
}

/// A call that found no connection, or that the store refused unread.
fn was_not_sent(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    let mut was_connected = false;
    while let Some(error) = cause {
        match error.downcast_ref::<StreamError>() {
            Some(StreamError::Refused) => return true,
            Some(_) => was_connected = true,
            None => {}
        }
        cause = error.source();
    }
    !was_connected && arena_mesh::ConnectError::of(status).is_some()
}
