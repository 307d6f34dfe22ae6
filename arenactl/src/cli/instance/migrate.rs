//! `arenactl migrate`: one match to another instance, while it is played.

mod course;

use std::time::Duration;

use arena_types::{InstanceId, MatchId, MatchRecord, match_key};
use arena_wire::game::v1::migration_client::MigrationClient;
use arena_wire::game::v1::{MigrateRequest, MigrateUpdate};
use arena_wire::store::v1::GetRequest;
use arena_wire::store::v1::registry_client::RegistryClient;
use arenactl_planning::observed::UnitState;
use arenactl_planning::units::Span;
use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use crate::backend::Unit;
use crate::cli::rollout::session;
use crate::cli::{Context, Place};
use crate::config_client::AnyChannel;
use crate::error::{CliError, Status};
use crate::print::Style;
use crate::registry_client::STORE;
use course::{Course, End};

/// Move one running match to another instance; nobody who plays it notices.
///
/// Exit codes: 0 moved, or it is there already; 4 refused, with the reason; 6 somebody else moves it; 10 failed,
/// and the match goes on where it was; 13 no end within the timeout.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The match; `arenactl top` lists them.
    #[arg(value_name = "MATCH")]
    id: MatchId,
    /// The instance that it goes to.
    #[arg(long, value_name = "INSTANCE")]
    to: InstanceId,
    /// How long to wait for that; the move itself goes on.
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    timeout: Span,
}

/// What the registry says of the match.
struct Owned {
    record: MatchRecord,
    owner: Unit,
}

impl Migrate {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            let until = Instant::now() + self.timeout.as_duration();
            let units = place.backend.units().await?;
            self.target(&units)?;
            let Owned { record, owner } = self.owned(&mut place, &units, until).await?;
            let mut course = Course::default();
            let end = if owner.instance == self.to {
                End::There { epoch: record.epoch.0 }
            } else {
                self.follow(context, &mut place, &owner, until, &mut course).await?
            };
            Ok(self.verdict(context, &place, &owner.instance, &course, &end))
        })
    }

    /// Refuses early what no instance has to be asked for.
    fn target(&self, units: &[Unit]) -> Result<(), CliError> {
        let to = &self.to;
        let unit = units.iter().find(|unit| unit.instance == *to).ok_or_else(|| {
            CliError::new(Status::InvalidInput, format!("there is no instance {to}"))
                .with_help(session::instances(units))
        })?;
        if unit.state == UnitState::Ready {
            return Ok(());
        }
        let what = format!("{to} is {} and takes no matches", unit.standing());
        Err(CliError::new(Status::PreflightFailed, what)
            .with_help("choose one that is ready: `arenactl status`"))
    }

    /// Finds the owner: the registry decides who that is.
    async fn owned(
        &self,
        place: &mut Place,
        units: &[Unit],
        until: Instant,
    ) -> Result<Owned, CliError> {
        let store = units
            .iter()
            .find(|unit| unit.service.as_str() == STORE && unit.state == UnitState::Ready);
        let store = store.ok_or_else(|| {
            let what = format!("no instance of `{STORE}` is ready in {}", place.region);
            CliError::new(Status::PreflightFailed, what).with_help("see `arenactl status`")
        })?;
        let channel = place.backend.mesh(store, left(until)).await?;
        let request = until_then(until, GetRequest { key: match_key(self.id) });
        let read = RegistryClient::new(channel).get(request).await;
        let read = read.map_err(|status| {
            let what = format!("the registry does not answer: {}", status.message());
            CliError::new(Status::PreflightFailed, what)
                .with_help(format!("see `arenactl logs {STORE}`"))
        })?;
        let unknown = || {
            CliError::new(Status::InvalidInput, format!("there is no match {}", self.id))
                .with_help("`arenactl top --once` lists those that run")
        };
        let entry = read.into_inner().entry.ok_or_else(unknown)?;
        let record: MatchRecord = serde_json::from_slice(&entry.value).map_err(|error| {
            let what =
                format!("this arenactl does not understand the record of {}: {error}", self.id);
            CliError::new(Status::PreflightFailed, what)
                .with_help("use the arenactl of the release that runs: `arenactl status` names it")
        })?;
        let owner = units.iter().find(|unit| unit.instance == record.owner).cloned();
        let gone = || {
            let what = format!("{}, which owns the match, does not run", record.owner);
            CliError::new(Status::PreflightFailed, what).with_help("see `arenactl status --all`")
        };
        let owner = owner.filter(|unit| unit.state != UnitState::Stopped).ok_or_else(gone)?;
        Ok(Owned { record, owner })
    }

    /// Asks the owner to move the match and tells how that goes.
    async fn follow(
        &self,
        context: &Context,
        place: &mut Place,
        owner: &Unit,
        until: Instant,
        course: &mut Course,
    ) -> Result<End, CliError> {
        let channel = place.backend.mesh(owner, left(until)).await?;
        let request = MigrateRequest { r#match: self.id.to_string(), to: self.to.to_string() };
        let mut tell = |update: MigrateUpdate| {
            if let Some(phase) = course.take(update) {
                let text = format!("{:>9.1} ms  {}", phase.ms(), phase.what(&self.to));
                let event = json!({
                    "ts": place.backend.now().to_string(), "region": place.region,
                    "phase": phase.name, "unit": self.to, "match": self.id,
                    "elapsed_us": phase.elapsed_us, "msg": text.trim_start(),
                });
                context.printer.event(&event, &text);
            }
        };
        let status = stream(channel, until_then(until, request), &mut tell).await;
        Ok(course.end(status.err().as_ref()))
    }

    fn verdict(
        &self,
        context: &Context,
        place: &Place,
        owner: &InstanceId,
        course: &Course,
        end: &End,
    ) -> Status {
        let status = end.status();
        let (style, mark) = match status {
            Status::Done => (Style::Good, "✓"),
            Status::Paused => (Style::Warn, "‖"),
            _ => (Style::Bad, "✗"),
        };
        let text = end.text(self.id, owner, &self.to);
        let text = context.printer.paint(style, &format!("{mark} {text}"));
        let text = format!("{text}{}", end.next(self.id, &self.to, &place.region));
        let mut details = json!({
            "region": place.region, "match": self.id, "from": owner, "to": self.to,
            "phases": course.phases(),
        });
        if let (Some(details), Some(told)) = (details.as_object_mut(), end.details().as_object()) {
            details.extend(told.clone());
        }
        context.printer.verdict(status, &details, &text);
        status
    }
}

/// Reads what a move tells to its end.
async fn stream(
    channel: AnyChannel,
    request: tonic::Request<MigrateRequest>,
    tell: &mut impl FnMut(MigrateUpdate),
) -> Result<(), tonic::Status> {
    let mut updates = MigrationClient::new(channel).migrate(request).await?.into_inner();
    while let Some(update) = updates.message().await? {
        tell(update);
    }
    Ok(())
}

/// A call that ends by itself at `until`: what it told by then is kept, also where a relay gathers it.
fn until_then<T>(until: Instant, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(left(until));
    request
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
