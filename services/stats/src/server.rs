//! The service on the mesh.

use arena_instance::{Boot, Instance, StartError};
use arena_mesh::ServeError;
use arena_store::Recorded;
use arena_telemetry::{Label, names};
use arena_wire::stats::v1;
use arena_wire::stats::v1::stats_server::{Stats, StatsServer};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::{Request, Response, Status};

use crate::{Pages, Recorder, StatsSettings};

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The instance does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The mesh port cannot be served.
    #[error("serve the mesh port")]
    Mesh(#[from] ServeError),
}

/// Runs the service until its instance is told to exit.
///
/// # Errors
/// [`ServiceError`].
pub async fn serve(boot: Boot, _: StatsSettings) -> Result<(), ServiceError> {
    run(boot.connect()?).await
}

/// Runs the service as `instance`, whatever its stores are.
///
/// # Errors
/// [`ServiceError`].
pub async fn run(instance: Instance) -> Result<(), ServiceError> {
    let service = Service {
        recorder: Recorder::new(instance.stores(), instance.settings().region.clone()),
        pages: Pages::new(instance.stores()),
        results: instance.metrics().counters(&names::STATS_RESULTS),
    };
    let serving = instance.serve(|server| server.add_service(StatsServer::new(service)))?;
    instance.ready().await;
    instance.run(serving).await;
    Ok(())
}

#[derive(Clone, Debug)]
struct Service {
    recorder: Recorder,
    pages: Pages,
    results: Family<Label, Counter>,
}

#[tonic::async_trait]
impl Stats for Service {
    async fn record(
        &self,
        request: Request<v1::MatchResult>,
    ) -> Result<Response<v1::RecordReply>, Status> {
        let recorded = self.recorder.record(request.get_ref()).await;
        let outcome = match &recorded {
            Ok(Recorded::New) => "new",
            Ok(Recorded::Before) => "before",
            Err(_) => "failed",
        };
        self.results.get_or_create(&names::STATS_RESULTS.series([outcome])).inc();
        let id = &request.get_ref().r#match;
        if let Err(error) = &recorded {
            tracing::warn!(%error, id, "a result is not recorded yet");
        } else {
            tracing::info!(id, outcome, "a result is recorded");
        }
        Ok(Response::new(v1::RecordReply { first: recorded? == Recorded::New }))
    }

    async fn profile(
        &self,
        request: Request<v1::ProfileRequest>,
    ) -> Result<Response<v1::PlayerProfile>, Status> {
        Ok(Response::new(self.pages.profile(request.into_inner()).await?))
    }

    async fn ratings(
        &self,
        request: Request<v1::RatingsRequest>,
    ) -> Result<Response<v1::RatingList>, Status> {
        Ok(Response::new(self.pages.ratings(request.into_inner()).await?))
    }

    async fn history(
        &self,
        request: Request<v1::HistoryRequest>,
    ) -> Result<Response<v1::HistoryReply>, Status> {
        Ok(Response::new(self.pages.history(request.into_inner()).await?))
    }

    async fn leaderboard(
        &self,
        request: Request<v1::LeaderboardRequest>,
    ) -> Result<Response<v1::LeaderboardReply>, Status> {
        Ok(Response::new(self.pages.leaderboard(request.into_inner()).await?))
    }
}
