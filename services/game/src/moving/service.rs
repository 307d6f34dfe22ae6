//! The gRPC service `arena.game.v1.Migration`.

use std::collections::BTreeSet;
use std::time::Instant;

use arena_mesh::Peer;
use arena_types::{Epoch, InstanceId, MatchId};
use arena_wire::game::v1::migrate_update::Phase as Shown;
use arena_wire::game::v1::migration_server::Migration;
use arena_wire::game::v1::{
    DropReply, DropRequest, MigrateRequest, MigrateUpdate, ToSource, ToTarget,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::command::Command;
use super::mover::{MoveError, MoveReport, Mover};
use super::target::{ANSWERS_MAX, Arrival};
use crate::logic::migration::{Outcome, Phase};
use crate::logic::shard::OfferError;

/// Updates of one move that wait for who asked.
const UPDATES_MAX: usize = 16;

/// Answers other game instances, and operators.
#[derive(Clone, Debug)]
pub struct MigrationService {
    mover: Mover,
}

impl MigrationService {
    /// Serves what `mover` hosts.
    #[must_use]
    pub fn new(mover: Mover) -> Self {
        Self { mover }
    }
}

#[tonic::async_trait]
impl Migration for MigrationService {
    type TakeStream = ReceiverStream<Result<ToSource, Status>>;
    type MigrateStream = ReceiverStream<Result<MigrateUpdate, Status>>;

    async fn take(
        &self,
        request: Request<Streaming<ToTarget>>,
    ) -> Result<Response<Self::TakeStream>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let (answers, out) = mpsc::channel(ANSWERS_MAX);
        let (opened, is_open) = oneshot::channel();
        // A call that is given up must not leave a place that nobody frees.
        tokio::spawn(take_in(self.mover.clone(), peer, request.into_inner(), answers, opened));
        is_open.await.unwrap_or_else(|_| Err(Status::unavailable("this instance stops")))?;
        Ok(Response::new(ReceiverStream::new(out)))
    }

    async fn drop(&self, request: Request<DropRequest>) -> Result<Response<DropReply>, Status> {
        let DropRequest { r#match, epoch } = request.into_inner();
        let id: MatchId =
            r#match.parse().map_err(|it| Status::invalid_argument(format!("match: {it}")))?;
        let hosts = self.mover.host.ask(id, |reply| Command::Drop(Epoch(epoch), reply)).await;
        let hosts = hosts.ok_or_else(|| Status::unavailable("this instance stops"))?;
        Ok(Response::new(DropReply { hosts }))
    }

    async fn migrate(
        &self,
        request: Request<MigrateRequest>,
    ) -> Result<Response<Self::MigrateStream>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let MigrateRequest { r#match, to } = request.into_inner();
        let bad = |what: &str, why: &dyn std::fmt::Display| {
            Status::invalid_argument(format!("{what}: {why}"))
        };
        let id: MatchId = r#match.parse().map_err(|it| bad("match", &it))?;
        let to: Option<InstanceId> =
            if to.is_empty() { None } else { Some(to.parse().map_err(|it| bad("to", &it))?) };
        let to = to.or_else(|| self.mover.choose(id, &BTreeSet::new()));
        let to = to.ok_or_else(|| refused(&MoveError::NoTarget))?;
        let by = peer.map(|it| it.id.to_string());
        tracing::info!(target: "audit", %id, %to, by, "an operator moves a match");
        let (updates, out) = mpsc::channel(UPDATES_MAX);
        tokio::spawn(migrate(self.mover.clone(), id, to, updates));
        Ok(Response::new(ReceiverStream::new(out)))
    }
}

/// Takes in one match, from the offer to the end.
async fn take_in(
    mover: Mover,
    peer: Option<Peer>,
    mut stream: Streaming<ToTarget>,
    answers: mpsc::Sender<Result<ToSource, Status>>,
    opened: oneshot::Sender<Result<(), Status>>,
) {
    match Arrival::open(mover, peer, &mut stream, answers).await {
        Ok(arrival) => {
            let _ = opened.send(Ok(())); // who is gone is noticed by the end of the stream
            arrival.run(stream).await;
        }
        Err(status) => {
            tracing::info!(%status, "a match is not taken in");
            let _ = opened.send(Err(status));
        }
    }
}

async fn migrate(
    mover: Mover,
    id: MatchId,
    to: InstanceId,
    updates: mpsc::Sender<Result<MigrateUpdate, Status>>,
) {
    let begun = Instant::now();
    let update = |phase: Shown, to: &InstanceId| MigrateUpdate {
        phase: phase.into(),
        elapsed_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        to: to.to_string(),
        report: None,
    };
    // Who asked may be gone; the move goes on.
    let (_keep, cancel) = watch::channel(false);
    let mut progress = |phase: Phase, is_proving: bool, to: &InstanceId| {
        if let Some(shown) = shown(phase, is_proving) {
            let _ = updates.try_send(Ok(update(shown, to)));
        }
    };
    let moved = match mover.turn().await {
        Some(turn) => mover.run(turn, (id, &to), cancel, &mut progress).await,
        None => Err(MoveError::Ended),
    };
    let last = match moved {
        Ok(report) => {
            Ok(MigrateUpdate { report: Some(said(&report)), ..update(Shown::Moved, &to) })
        }
        Err(MoveError::Failed(outcome))
            if !matches!(outcome, Outcome::Refused(_) | Outcome::Busy(_)) =>
        {
            let report = arena_wire::game::v1::MoveReport {
                reason: outcome.to_string(),
                ..said(&MoveReport::default())
            };
            Ok(MigrateUpdate { report: Some(report), ..update(Shown::Failed, &to) })
        }
        Err(error) => Err(refused(&error)),
    };
    let _ = updates.send(last).await;
}

fn said(report: &MoveReport) -> arena_wire::game::v1::MoveReport {
    arena_wire::game::v1::MoveReport {
        epoch: report.epoch,
        tick: report.tick,
        payload_bytes: report.payload_bytes,
        level_ticks: report.level_ticks,
        cut_us: u64::try_from(report.cut.as_micros()).unwrap_or(u64::MAX),
        stall_ticks: report.stall_ticks(),
        reason: String::new(),
    }
}

fn shown(phase: Phase, is_proving: bool) -> Option<Shown> {
    Some(match phase {
        Phase::Reserve => Shown::Reserve,
        Phase::Warm | Phase::Turn if is_proving => Shown::Prove,
        Phase::Warm | Phase::Turn => Shown::Warm,
        Phase::Close | Phase::Swap => Shown::Cut,
        Phase::HandOver | Phase::TakeBack => Shown::LetGo,
        Phase::Over => return None,
    })
}

fn refused(error: &MoveError) -> Status {
    let text = error.to_string();
    match error {
        MoveError::Offer(OfferError::NotHere) | MoveError::NotOwner => Status::not_found(text),
        MoveError::Offer(OfferError::Moving) => Status::aborted(text),
        MoveError::Offer(OfferError::NotRunning)
        | MoveError::BadTarget(_)
        | MoveError::NoTarget
        | MoveError::Failed(_) => Status::failed_precondition(text),
        MoveError::Registry(_) => Status::unavailable(arena_mesh::chain(error)),
        MoveError::Ended => Status::unavailable(text),
    }
}
