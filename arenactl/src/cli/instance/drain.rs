//! `arenactl drain`: empty one instance, or let it take work again.

use arena_types::InstanceId;
use arena_types::contract::{AtDeadline, DrainMode};
use arenactl_planning::observed::UnitState;
use arenactl_planning::rollout::Effect;
use arenactl_planning::units::{Span, Timestamp};
use clap::Args;

use crate::backend::Unit;
use crate::cli::rollout::session;
use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};

/// Empty one instance: it takes no new work and its matches end there; it stays up.
#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// The instance.
    instance: InstanceId,
    /// How long that may take.
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    deadline: Span,
    /// Ends what is left at the deadline, instead of keeping it.
    #[arg(long)]
    end: bool,
    /// Takes a drain back: the instance takes new work again.
    #[arg(long, conflicts_with_all = ["end", "deadline"])]
    cancel: bool,
}

impl Drain {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            let lock = session::lock(&mut place, "drain").await?;
            let outcome = self.act(context, &mut place).await;
            place.ledger.release_lock(&lock).await?;
            outcome
        })
    }

    async fn act(&self, context: &Context, place: &mut Place) -> Result<Status, CliError> {
        session::refuse_if_open(place)?;
        let unit = self.unit(place).await?;
        place.backend.perform(&self.effect(&unit)).await?;
        let until = Timestamp(place.backend.now().0 + self.deadline.as_ms());
        loop {
            let unit = self.unit(place).await?;
            let is_empty = matches!(unit.state, UnitState::Empty | UnitState::Stopped);
            let is_over = if self.cancel { unit.state == UnitState::Ready } else { is_empty };
            if is_over || place.backend.now() >= until {
                return Ok(self.verdict(context, &unit, is_over));
            }
            place.backend.rest(Some(until)).await;
        }
    }

    fn effect(&self, unit: &Unit) -> Effect {
        let (service, instance) = (unit.service.clone(), unit.instance.clone());
        if self.cancel {
            return Effect::Restore { service, instance, release: unit.release, replaces: None };
        }
        let at_deadline = if self.end { AtDeadline::End } else { AtDeadline::Keep };
        let (deadline, mode) = (self.deadline, DrainMode::Wait);
        Effect::Drain { service, instance, deadline, mode, at_deadline }
    }

    async fn unit(&self, place: &mut Place) -> Result<Unit, CliError> {
        let units = place.backend.units().await?;
        let known: Vec<_> = units.iter().map(|unit| unit.instance.to_string()).collect();
        units.into_iter().find(|unit| unit.instance == self.instance).ok_or_else(|| {
            CliError::new(Status::InvalidInput, format!("there is no instance {}", self.instance))
                .with_help(format!("instances: {}", known.join(", ")))
        })
    }

    fn verdict(&self, context: &Context, unit: &Unit, is_over: bool) -> Status {
        let status = if is_over { Status::Done } else { Status::Paused };
        let text = match (is_over, self.cancel) {
            (true, true) => format!("{} takes work again", unit.instance),
            (true, false) => format!("{} is empty", unit.instance),
            (false, true) => format!("{} is not ready yet: {}", unit.instance, unit.note),
            (false, false) => format!(
                "{} still holds {} sessions and {} matches",
                unit.instance, unit.sessions, unit.matches
            ),
        };
        context.printer.verdict(status, &serde_json::json!({"instance": unit}), &text);
        status
    }
}
