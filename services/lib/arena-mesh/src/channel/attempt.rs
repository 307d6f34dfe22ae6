//! One try of a call on one connection.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, Response};
use tokio::task::AbortHandle;
use tonic::{Code, Status};

use super::{
    answer::AnswerBody,
    balance::Balancer,
    dial::Live,
    node::{Node, is_fault},
    request::{Load, Prepared, Whole},
};
use crate::{
    call::{
        recv::{Incoming, headers},
        send::{Outgoing, Writer},
    },
    fault::StreamError,
};

/// One try.
pub(crate) struct Attempt<'a> {
    pub(crate) balancer: &'a Balancer,
    pub(crate) node: Arc<Node>,
    pub(crate) live: Arc<Live>,
}

/// Why a try gave no answer worth having.
pub(crate) enum Failed {
    /// The stream broke before the answer's head.
    Stream(StreamError),
    /// The answer is a status alone.
    Status(Box<Response<AnswerBody>>, Code),
    /// The request itself cannot be sent.
    Request(Box<Status>),
}

impl Failed {
    /// Returns whether the server said that it did not read the call.
    pub(crate) fn was_refused_unread(&self) -> bool {
        matches!(self, Self::Stream(StreamError::Refused))
    }

    pub(crate) fn is_unavailable(&self) -> bool {
        match self {
            Self::Stream(error) => error.code() == Code::Unavailable,
            Self::Status(_, code) => *code == Code::Unavailable,
            Self::Request(_) => false,
        }
    }

    pub(crate) fn into_answer(self) -> Result<Response<AnswerBody>, Status> {
        match self {
            Self::Stream(error) => Err(error.into()),
            Self::Status(response, _) => Ok(*response),
            Self::Request(status) => Err(*status),
        }
    }
}

/// Stops the task that sends the rest of a request when its call ends.
pub(crate) struct Sending(AbortHandle);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Attempt<'_> {
    pub(crate) async fn run(self, prepared: &mut Prepared) -> Result<Response<AnswerBody>, Failed> {
        let load = prepared.load().await.map_err(|status| Failed::Request(Box::new(status)))?;
        let in_flight = self.node.enter();
        let start = Instant::now();
        let watch = Unanswered { node: &self.node, balancer: self.balancer, start, armed: true };
        let answered = self.exchange(load).await;
        watch.done();
        let (head, body, sending) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                self.note_lost(&error, start);
                return Err(Failed::Stream(error));
            }
        };
        let code = status_code(&head);
        match code {
            Some(code) if is_fault(code) => {
                self.node.failed(start.elapsed(), || self.balancer.may_eject());
            }
            _ => self.node.succeeded(start.elapsed()),
        }
        let mut response = Response::new(AnswerBody::new(body, in_flight, sending));
        *response.headers_mut() = head;
        match code {
            Some(code @ Code::Unavailable) => Err(Failed::Status(Box::new(response), code)),
            _ => Ok(response),
        }
    }

    async fn exchange(
        &self,
        load: Load,
    ) -> Result<(HeaderMap, Incoming, Option<Sending>), StreamError> {
        let addr = self.live.peer.addr;
        let lost = |error| StreamError::lost(addr, error);
        let (send, receive) = self.live.connection().open_bi().await.map_err(lost)?;
        let (send, mut receive) = (Outgoing::new(send, addr), Incoming::new(receive, addr));
        let sending = send_request(send, load).await?;
        let head = headers(receive.head().await?)?;
        if head.contains_key("grpc-status") {
            receive.expect_nothing();
        }
        Ok((head, receive, sending))
    }

    /// Notes a broken stream: a refusal is no fault, a lost connection must not be used again.
    fn note_lost(&self, error: &StreamError, start: Instant) {
        match error {
            StreamError::Refused => self.live.retire(),
            StreamError::Lost { .. } => {
                self.live.retire();
                self.node.failed(start.elapsed(), || self.balancer.may_eject());
            }
            error if is_fault(error.code()) => {
                self.node.failed(start.elapsed(), || self.balancer.may_eject());
            }
            _ => {}
        }
    }
}

/// Sends what is there; the rest of a streamed request goes on in a task of its own.
async fn send_request(mut send: Outgoing, load: Load) -> Result<Option<Sending>, StreamError> {
    let written = match load {
        Load::Whole(whole) => {
            let written = write_whole(&mut send, whole).await;
            send.finish();
            written.map(|()| None)
        }
        Load::Streamed(streamed) => {
            let (first, writer) = *streamed;
            let written = write_whole(&mut send, first).await;
            written.map(|()| Some(send_rest(send, writer)))
        }
    };
    match written {
        // The server answers without reading to the end; its answer says why.
        Err(StreamError::Reset { .. }) => Ok(None),
        written => written,
    }
}

async fn write_whole(send: &mut Outgoing, whole: Whole) -> Result<(), StreamError> {
    send.write(whole.first).await?;
    for piece in whole.more {
        send.write(piece).await?;
    }
    Ok(())
}

fn send_rest(mut send: Outgoing, mut writer: Writer) -> Sending {
    let task = tokio::spawn(async move {
        if let Err(status) = writer.run(&mut send).await {
            send.reset(status.code());
        }
    });
    Sending(task.abort_handle())
}

fn status_code(head: &HeaderMap) -> Option<Code> {
    head.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}

/// Notes a call that was given up (deadline, cancellation) before its answer: an instance that never
/// answers must not look fast.
struct Unanswered<'a> {
    node: &'a Node,
    balancer: &'a Balancer,
    start: Instant,
    armed: bool,
}

impl Unanswered<'_> {
    fn done(mut self) {
        self.armed = false;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.armed {
            let waited = self.start.elapsed();
            self.node.gave_up(waited, || self.balancer.may_eject());
        }
    }
}
