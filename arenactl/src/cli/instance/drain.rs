//! `arenactl drain`: empty one instance, or let it take work again.

use arena_types::InstanceId;
use arena_types::contract::{AtDeadline, DrainMode};
use arenactl_planning::observed::UnitState;
use arenactl_planning::rollout::Effect;
use arenactl_planning::units::{Span, Timestamp};
use clap::Args;
use serde_json::json;

use crate::backend::Unit;
use crate::cli::rollout::session;
use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};
use crate::interrupt::Interrupts;
use crate::lock::Lock;
use crate::print::counted;

/// Empty one instance: it takes no new work, its matches move to other instances; it stays up.
#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// The instance.
    instance: InstanceId,
    /// How long that may take.
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    deadline: Span,
    /// What becomes of its matches: they move, and those that cannot are waited for, or all are.
    #[arg(long, value_enum, default_value_t = Mode::Migrate, conflicts_with = "cancel")]
    mode: Mode,
    /// Ends what is left at the deadline, instead of keeping it.
    #[arg(long)]
    end: bool,
    /// Takes a drain back: the instance takes new work again.
    #[arg(long, conflicts_with_all = ["end", "deadline"])]
    cancel: bool,
}

/// What becomes of running matches.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Mode {
    /// They move to other instances.
    Migrate,
    /// They end where they are.
    Wait,
}

impl From<Mode> for DrainMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Migrate => Self::Migrate,
            Mode::Wait => Self::Wait,
        }
    }
}

impl Drain {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            self.unit(&mut place).await?;
            let interrupts =
                Interrupts::listen().map_err(|error| CliError::new(Status::Bug, error))?;
            let lock = session::lock(&mut place, "drain").await?;
            let outcome = self.act(context, &mut place, &lock, &interrupts).await;
            place.ledger.release_lock(&lock).await?;
            outcome
        })
    }

    async fn act(
        &self,
        context: &Context,
        place: &mut Place,
        lock: &Lock,
        interrupts: &Interrupts,
    ) -> Result<Status, CliError> {
        session::refuse_if_open(place)?;
        let unit = self.unit(place).await?;
        if self.cancel && unit.state == UnitState::Stopped {
            let what = format!("{} has stopped: there is no drain to take back", unit.instance);
            return Err(CliError::new(Status::InvalidInput, what)
                .with_help("`arenactl deploy` starts what should run"));
        }
        let effect = self.effect(&unit);
        place.backend.perform(&effect).await?;
        session::tell(context, place, "drain", Some(&unit.instance), &effect.to_string());
        let until = Timestamp(place.backend.now().0 + self.deadline.as_ms());
        let mut told = String::new();
        loop {
            let unit = self.unit(place).await?;
            let is_empty = matches!(unit.state, UnitState::Empty | UnitState::Stopped);
            let is_over = if self.cancel { unit.state == UnitState::Ready } else { is_empty };
            if is_over || place.backend.now() >= until {
                return Ok(self.verdict(context, place, &unit, is_over));
            }
            if interrupts.count() > 0 {
                return Ok(self.interrupted(context, place, &unit));
            }
            if unit.note != told {
                session::tell_drain(context, place, &unit);
                told = unit.note;
            }
            place.ledger.beat(lock).await?;
            place.backend.rest(Some(until)).await;
        }
    }

    fn effect(&self, unit: &Unit) -> Effect {
        let (service, instance) = (unit.service.clone(), unit.instance.clone());
        if self.cancel {
            return Effect::Restore { service, instance, release: unit.release, replaces: None };
        }
        let at_deadline = if self.end { AtDeadline::End } else { AtDeadline::Keep };
        let (deadline, mode) = (self.deadline, self.mode.into());
        Effect::Drain { service, instance, deadline, mode, at_deadline }
    }

    async fn unit(&self, place: &mut Place) -> Result<Unit, CliError> {
        let units = place.backend.units().await?;
        let known = units.clone();
        units.into_iter().find(|unit| unit.instance == self.instance).ok_or_else(|| {
            CliError::new(Status::InvalidInput, format!("there is no instance {}", self.instance))
                .with_help(session::instances(&known))
        })
    }

    fn verdict(&self, context: &Context, place: &Place, unit: &Unit, is_over: bool) -> Status {
        let status = if is_over { Status::Done } else { Status::Paused };
        let (instance, region) = (&unit.instance, &place.region);
        let text = match (is_over, self.cancel) {
            (true, true) => format!("{instance} takes work again"),
            (true, false) if unit.state == UnitState::Stopped => format!("{instance} has stopped"),
            (true, false) => format!("{instance} is empty"),
            (false, true) => format!("{instance} is not ready yet: {}", unit.note),
            (false, false) => format!(
                "{instance} still holds {} and {}\n  \
                 next     arenactl drain {instance} --region {region}                        # waits once more\n           \
                 arenactl drain {instance} --region {region} --end --deadline 1s    # ends them\n           \
                 arenactl drain {instance} --region {region} --cancel               # takes work again",
                counted(unit.sessions, "player"),
                counted(unit.matches, "match")
            ),
        };
        context.printer.verdict(status, &json!({"region": region, "instance": unit}), &text);
        status
    }

    /// The instance goes on draining by itself; only the waiting ends.
    fn interrupted(&self, context: &Context, place: &Place, unit: &Unit) -> Status {
        let (instance, region) = (&unit.instance, &place.region);
        let next = format!("arenactl drain {instance} --region {region}");
        let text = if self.cancel {
            format!("interrupted: {instance} is not ready yet, see `arenactl status`")
        } else {
            format!(
                "interrupted: {instance} goes on draining; `{next}` waits, with `--cancel` it takes work again"
            )
        };
        let details = json!({"region": region, "instance": unit, "next": next});
        context.printer.verdict(Status::Interrupted, &details, &text);
        Status::Interrupted
    }
}
