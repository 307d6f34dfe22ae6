//! The body of an answer: it keeps the call counted, its request going, and its deadline.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Sleep;
use tonic::Status;

use super::{attempt::Sending, node::InFlight};
use crate::call::recv::Incoming;

/// The body of an answer. Dropping it early cancels the call at the server.
pub struct AnswerBody {
    incoming: Incoming,
    deadline: Option<Pin<Box<Sleep>>>,
    _in_flight: InFlight,
    _sending: Option<Sending>,
}

impl std::fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerBody").finish_non_exhaustive()
    }
}

impl AnswerBody {
    pub(crate) fn new(incoming: Incoming, in_flight: InFlight, sending: Option<Sending>) -> Self {
        Self { incoming, deadline: None, _in_flight: in_flight, _sending: sending }
    }

    /// Ends the answer with `DEADLINE_EXCEEDED` when `deadline` has passed.
    pub(crate) fn until(mut self, deadline: Pin<Box<Sleep>>) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

/// The status of a call whose deadline has passed on this side.
pub(crate) fn late() -> Status {
    Status::deadline_exceeded("the deadline passed before the answer was complete")
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let passed = self.deadline.as_mut().is_some_and(|at| at.as_mut().poll(cx).is_ready());
        if passed { Poll::Ready(Some(Err(late()))) } else { Poll::Pending }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }
}
