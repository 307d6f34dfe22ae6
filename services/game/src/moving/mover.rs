//! What moves matches away from this instance: where to, how many at once, and what is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arena_instance::Mirror;
use arena_instance::placement::{Node, choose, nodes};
use arena_mesh::Channel;
use arena_types::contract::InstanceState;
use arena_types::registry::{InstanceRecord, Traffic};
use arena_types::{InstanceId, MatchId, ReleaseId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::command::Command;
use super::records::{Known, Records};
use super::shadows::Shadows;
use super::source::{Begun, Moving};
use crate::Config;
use crate::figures::Figures;
use crate::host::Host;
use crate::logic::migration::{Outcome, Phase};
use crate::logic::shard::OfferError;
use crate::stage::Stage;

/// Matches that move at once: each costs its target a second of ticks played again.
const MOVES_MAX: usize = 16;
/// Matches whose log is closed at once: the registry answers each within a tick.
const CUTS_MAX: usize = 4;
/// A tick at 60 Hz.
const TICK: Duration = Duration::from_nanos(16_666_667);

/// The right to move one match now; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Turn(
    #[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit,
);

/// Why a match was not moved. It goes on here, unless the outcome says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// It cannot begin to leave.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// There is nowhere to go.
    #[error("no other instance takes the match: none is ready with room and traffic")]
    NoTarget,
    /// The instance asked for is not there.
    #[error("{0} is no ready instance of this service")]
    BadTarget(InstanceId),
    /// The registry says that it is not this instance's.
    #[error("the registry has no record that this instance owns the match")]
    NotOwner,
    /// The registry does not say whose it is.
    #[error("read whose the match is; try again once the registry answers")]
    Registry(#[source] arena_store::StoreError),
    /// The tick thread has ended.
    #[error("the instance stops")]
    Ended,
    /// It did not work out.
    #[error(transparent)]
    Failed(#[from] Outcome),
}

impl MoveError {
    /// Whether the same target would fail again.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Failed(Outcome::Refused(_) | Outcome::Unequal))
    }
}

/// What a move took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoveReport {
    /// The new owner's epoch.
    pub epoch: u32,
    /// The last tick here.
    pub tick: u32,
    /// Bytes sent to the target.
    pub payload_bytes: u64,
    /// Ticks it played again until it was level.
    pub level_ticks: u32,
    /// From the closing of the log until the target owned the match.
    pub cut: Duration,
}

impl MoveReport {
    /// Returns the ticks that were late because of the cut.
    #[must_use]
    pub fn stall_ticks(&self) -> u32 {
        u32::try_from(self.cut.as_nanos() / TICK.as_nanos()).unwrap_or(u32::MAX)
    }
}

/// Hears how a move goes.
pub type Progress<'a> = &'a mut (dyn FnMut(Phase, bool, &InstanceId) + Send);

/// What a mover is made of.
#[derive(Debug)]
pub struct MoverParts {
    /// What hosts the matches.
    pub host: Host,
    /// How it was set up.
    pub config: Config,
    /// The registry.
    pub stores: arena_store::Stores,
    /// The way to other game instances.
    pub games: Channel,
    /// All game instances, as the registry has them.
    pub instances: Mirror,
    /// Which releases take traffic.
    pub traffic: Mirror,
    /// This instance.
    pub own: (InstanceId, ReleaseId),
    /// Where it counts.
    pub figures: Figures,
}

/// Moves matches away from this instance; clones share what bounds it.
#[derive(Clone)]
pub struct Mover {
    pub(super) host: Host,
    pub(super) config: Config,
    pub(super) records: Records,
    pub(super) games: Channel,
    instances: Mirror,
    traffic: Mirror,
    pub(super) own: (InstanceId, ReleaseId),
    pub(super) figures: Figures,
    pub(super) stage: Stage,
    pub(super) shadows: Shadows,
    moves: Arc<Semaphore>,
    pub(super) cuts: Arc<Semaphore>,
}

impl std::fmt::Debug for Mover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mover").field("own", &self.own).finish_non_exhaustive()
    }
}

impl Mover {
    /// Moves nothing yet.
    #[must_use]
    pub fn new(parts: MoverParts) -> Self {
        let MoverParts { host, config, stores, games, instances, traffic, own, figures } = parts;
        let stage = host.stage().clone();
        Self {
            stage,
            shadows: Shadows::default(),
            host,
            config,
            records: Records::new(stores.registry),
            games,
            instances,
            traffic,
            own,
            figures,
            moves: Arc::new(Semaphore::new(MOVES_MAX)),
            cuts: Arc::new(Semaphore::new(CUTS_MAX)),
        }
    }

    /// Returns where a match goes best: an instance that takes traffic and has room, this one and those in
    /// `refused` left out.
    #[must_use]
    pub fn choose(&self, id: MatchId, refused: &BTreeSet<InstanceId>) -> Option<InstanceId> {
        let traffic = self.traffic.parsed::<Traffic>(&self.traffic.now()).remove("");
        let nodes = nodes(&self.ready(), traffic.as_ref(), &BTreeMap::new());
        let nodes: Vec<Node> = nodes.into_iter().filter(|it| it.id != self.own.0).collect();
        choose(id.as_u64(), &nodes, refused).map(|it| it.id.clone())
    }

    fn ready(&self) -> BTreeMap<String, InstanceRecord> {
        self.instances.parsed::<InstanceRecord>(&self.instances.now())
    }

    pub(super) fn target(&self, id: &InstanceId) -> Result<InstanceRecord, MoveError> {
        let found = self.ready().remove(id.as_str());
        found
            .filter(|it| it.state == InstanceState::Ready && *id != self.own.0)
            .ok_or_else(|| MoveError::BadTarget(id.clone()))
    }

    /// Waits until few enough other matches move. `None` once the instance stops.
    pub(super) async fn turn(&self) -> Option<Turn> {
        self.moves.clone().acquire_owned().await.ok().map(Turn)
    }

    /// Returns the registry's key of an instance of this service.
    pub(super) fn lease_key(&self, of: &InstanceId) -> String {
        format!("{}{of}", self.instances.prefix())
    }

    /// Moves one match in its turn; `cancel` calls it off as long as nothing is decided.
    ///
    /// # Errors
    /// [`MoveError`].
    pub(super) async fn run(
        &self,
        _turn: Turn,
        (id, to): (MatchId, &InstanceId),
        cancel: watch::Receiver<bool>,
        progress: Progress<'_>,
    ) -> Result<MoveReport, MoveError> {
        let _paused = self.shadows.pause(id).await;
        let moved = match self.begin(id, to).await {
            Ok(begun) => Moving::new(self, begun).run(cancel, progress).await,
            Err(error) => Err(error),
        };
        match &moved {
            Ok(report) => {
                let MoveReport { epoch, tick, payload_bytes, cut, .. } = report;
                tracing::info!(%id, %to, epoch, tick, payload_bytes, ?cut, "a match has moved");
                self.figures.moved(report);
            }
            Err(error) => {
                tracing::warn!(%id, %to, error = error as &dyn std::error::Error, "a match did not move");
            }
        }
        self.figures.move_ended(label(&moved));
        moved
    }

    /// Reads the record of a match that is this instance's.
    pub(super) async fn own_record(&self, id: MatchId) -> Result<Known, MoveError> {
        let known = self.records.read(id).await.map_err(MoveError::Registry)?;
        known.filter(|it| it.record.owner == self.own.0).ok_or(MoveError::NotOwner)
    }

    async fn begin<'a>(&self, id: MatchId, to: &'a InstanceId) -> Result<Begun<'a>, MoveError> {
        let target = self.target(to)?;
        let known = self.own_record(id).await?;
        let feed = self.host.feeds().open(id).ok_or(OfferError::Moving)?;
        let offered = self.host.ask(id, Command::Offer).await.ok_or(MoveError::Ended)??;
        let next = known.record.owned_by(to.clone(), target.release);
        if offered.new.epoch != known.record.epoch || next.is_none() {
            self.host.tell(id, Command::Stay(None)).await;
            return Err(MoveError::NotOwner);
        }
        Ok(Begun { to, target, known, feed, offered })
    }
}

/// What is counted of a move, by how it ended.
fn label(moved: &Result<MoveReport, MoveError>) -> &'static str {
    match moved {
        Ok(_) => "moved",
        Err(MoveError::Failed(Outcome::Unequal)) => "unequal",
        Err(MoveError::Failed(Outcome::Refused(_) | Outcome::Busy(_))) => "refused",
        Err(MoveError::Failed(Outcome::Ended)) => "ended",
        Err(_) => "failed",
    }
}
