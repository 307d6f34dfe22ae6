//! What every method does first and last.

use arena_mesh::{Peer, SpiffeId};
use arena_store::{StoreError, Transaction};
use arena_store_remote::wire;
use tonic::{Request, Response, Status};

use crate::logic::access::{Access, Action, Area};

/// Checks the callers of requests.
#[derive(Clone, Copy)]
pub(super) struct Guard(pub(super) &'static Access);

impl Guard {
    /// Opens a request that reads an area.
    pub(super) fn read<T>(self, area: Area, request: Request<T>) -> Result<T, Status> {
        self.check(area, Action::Read, request)
    }

    /// Opens a request that changes an area.
    pub(super) fn write<T>(self, area: Area, request: Request<T>) -> Result<T, Status> {
        self.check(area, Action::Write, request)
    }

    fn check<T>(self, area: Area, action: Action, request: Request<T>) -> Result<T, Status> {
        self.0.check(caller(&request)?, area, action).map_err(|error| audited(&error))?;
        Ok(request.into_inner())
    }

    /// Checks every key that a transaction changes.
    pub(super) fn transaction<T>(
        self,
        request: &Request<T>,
        transaction: &Transaction,
    ) -> Result<(), Status> {
        let checked = self.0.check_transaction(caller(request)?, transaction);
        checked.map_err(|error| audited(&error))
    }
}

fn caller<T>(request: &Request<T>) -> Result<&SpiffeId, Status> {
    let peer = request.extensions().get::<Peer>();
    peer.map(|it| &it.id).ok_or_else(|| Status::unauthenticated("the caller proved no identity"))
}

/// Writes a refusal down.
fn audited(error: &StoreError) -> Status {
    if let StoreError::Denied { caller, action } = error {
        tracing::warn!(target: "audit", caller, action, "refused");
    }
    wire::status(error)
}

/// Closes an answer.
pub(super) fn answer<T, M>(
    outcome: Result<T, StoreError>,
    message: impl FnOnce(T) -> M,
) -> Result<Response<M>, Status> {
    outcome.map(|it| Response::new(message(it))).map_err(|error| wire::status(&error))
}

/// Reads a part of a request.
pub(super) fn parsed<T>(outcome: Result<T, StoreError>) -> Result<T, Status> {
    outcome.map_err(|error| wire::status(&error))
}
