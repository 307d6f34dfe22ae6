//! What the commands share that start or steer a rollout: lock, then act.

use arena_types::InstanceId;
use arenactl_planning::rollout::Event;
use serde_json::{Value, json};

use crate::backend::{BackendError, Unit};
use crate::cli::Context;
use crate::cli::context::Place;
use crate::cli::rollout::draft::Draft;
use crate::error::{CliError, Status};
use crate::history::{Revision, RevisionKind};
use crate::interrupt::Interrupts;
use crate::journal::Steering;
use crate::lock::{self, Holder, Lock};
use crate::operation::{Intent, Operation};
use crate::print::Style;
use crate::progress::drain_event;
use crate::rules;

/// Takes the lock of a region and reads its history again, since it may have changed while waiting.
pub(in crate::cli) async fn lock(place: &mut Place, command: &str) -> Result<Lock, CliError> {
    place.ledger.keep().await?;
    let lock = lock::take(&mut *place.ledger, &Holder::own(command)).await?;
    place.history = place.ledger.history().await?;
    Ok(lock)
}

/// Refuses to begin while an earlier rollout is neither done nor taken back.
pub(in crate::cli) fn refuse_if_open(place: &Place) -> Result<(), CliError> {
    let Some(open) = place.history.open() else { return Ok(()) };
    let region = &place.region;
    if open.kind == RevisionKind::Down {
        return Err(half_down(place));
    }
    let what = format!("rollout {} to {} is not over", open.rollout, open.release);
    Err(CliError::new(Status::Conflict, what)
        .with_help(format!("go on with `arenactl resume --region {region}`"))
        .with_help(format!("or take it back with `arenactl abort --region {region}`")))
}

fn half_down(place: &Place) -> CliError {
    let region = &place.region;
    CliError::new(Status::Conflict, format!("a `down` of {region} is not over"))
        .with_help(format!("finish it with `arenactl resume --region {region}`"))
        .with_help(format!("then bring it up again with `arenactl deploy --region {region}`"))
}

/// Refuses early, before a plan is made and shown: with the holder if somebody drives the rollout.
pub(in crate::cli) async fn refuse_if_busy(
    place: &mut Place,
    command: &str,
) -> Result<(), CliError> {
    if place.history.open().is_some() {
        let lock = lock(place, command).await?;
        place.ledger.release_lock(&lock).await?;
    }
    refuse_if_open(place)
}

/// Shows what will happen and asks a person, where others are affected; silence is no consent.
pub(in crate::cli) fn confirm(
    context: &Context,
    place: &Place,
    is_agreed: Agreed,
    text: &str,
) -> Result<(), CliError> {
    if is_agreed == Agreed::Beforehand {
        return Ok(());
    }
    context.printer.say(&colored(context, text.trim_end()));
    // On this machine nobody else is affected, and `make run` must not wait for an answer.
    if place.region.as_str() == "local" {
        return Ok(());
    }
    if !context.printer.is_terminal() {
        return Err(CliError::new(
            Status::InvalidInput,
            "nobody here to confirm; nothing was changed",
        )
        .with_help("look at `arenactl plan`, then add `--yes`"));
    }
    if context.printer.confirm("Go on?") {
        return Ok(());
    }
    Err(CliError::new(Status::InvalidInput, "not confirmed; nothing was changed"))
}

/// Colours the lines of a plan by what they do; without colour they read the same.
fn colored(context: &Context, plan: &str) -> String {
    let paint = |(index, line): (usize, &str)| {
        let style = match line.trim_start().get(..2) {
            _ if index == 0 => Style::Strong,
            Some("+ ") => Style::Good,
            Some("- " | "! ") => Style::Bad,
            Some("~ ") => Style::Warn,
            _ if line.starts_with("       ") => Style::Dim,
            _ => return line.to_owned(),
        };
        context.printer.paint(style, line)
    };
    plan.lines().enumerate().map(paint).collect::<Vec<_>>().join("\n")
}

/// Whether the operator agreed on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Agreed {
    /// `--yes`.
    Beforehand,
    /// Not yet.
    NotYet,
}

impl Agreed {
    pub(in crate::cli) const fn of(yes: bool) -> Self {
        if yes { Self::Beforehand } else { Self::NotYet }
    }
}

/// Locks, makes sure that the plan still holds, and carries it out.
pub(in crate::cli) async fn carry_out(
    context: &Context,
    place: &mut Place,
    draft: Draft,
    kind: RevisionKind,
    why: &str,
) -> Result<Status, CliError> {
    let command = crate::journal::word(&kind);
    let before = place.history.next_revision();
    let lock = lock(place, &command).await?;
    let checked = refuse_if_open(place).and_then(|()| unchanged(place, before));
    if let Err(error) = checked {
        place.ledger.release_lock(&lock).await?;
        return Err(error);
    }
    let intent = Intent {
        who: Holder::own(&command).who,
        why: why.to_owned(),
        revision: place.history.next_revision(),
        kind,
    };
    operation(context, place, lock)?.begin(&draft.plan, &draft.release, &intent).await
}

/// Publishes the rules of the release that serves, if an earlier command could not; `None` if nothing is due.
pub(in crate::cli) async fn publish_due_rules(
    context: &Context,
    place: &mut Place,
    command: &str,
) -> Result<Option<Status>, CliError> {
    if !has_due_rules(place).await? {
        return Ok(None);
    }
    let lock = lock(place, command).await?;
    let published = publish_rules(place).await;
    place.ledger.release_lock(&lock).await?;
    let region = &place.region;
    let version = published.map_err(|error| {
        CliError::new(Status::LeftAsIs, error)
            .with_help(format!("see why: `arenactl logs config --region {region}`"))
            .with_help(format!("then publish them: `arenactl resume --region {region}`"))
    })?;
    let details = json!({"region": region, "rules": version});
    let text = match version {
        Some(version) => format!("rules {version} are in force for new matches"),
        None => "nothing to do: somebody else published the rules".to_owned(),
    };
    context.printer.verdict(Status::Done, &details, &text);
    Ok(Some(Status::Done))
}

/// Says whether the release that serves has rules that its players do not have yet.
pub(in crate::cli) async fn has_due_rules(place: &mut Place) -> Result<bool, CliError> {
    let Some(release) = place.history.current() else { return Ok(false) };
    Ok(rules::due(&mut *place.backend, release).await?.is_some())
}

async fn publish_rules(place: &mut Place) -> Result<Option<u32>, BackendError> {
    let Some(release) = place.history.current() else { return Ok(None) };
    let Some(rules) = rules::due(&mut *place.backend, release).await? else { return Ok(None) };
    Ok(Some(place.backend.publish_rules(&rules).await?))
}

fn unchanged(place: &Place, next_revision: u32) -> Result<(), CliError> {
    if place.history.next_revision() == next_revision {
        return Ok(());
    }
    Err(CliError::new(Status::Conflict, "the region changed since the plan was made")
        .with_help("look at the new plan: `arenactl plan`, then deploy again"))
}

/// Steers the open rollout: the process that drives it is told; if none does, this one takes over.
pub(in crate::cli) async fn steer(
    context: &Context,
    request: Steering,
) -> Result<Status, CliError> {
    let mut place = context.known_place().await?;
    let open = open_revision(&place)?;
    if open.kind == RevisionKind::Down {
        return Err(half_down(&place));
    }
    let command = crate::journal::word(&request);
    match lock(&mut place, &command).await {
        Ok(lock) => go_on(context, &mut place, lock, Some(request.into_event())).await,
        Err(error) if error.status() == Status::LockHeld => {
            place.ledger.steer(&request).await?;
            let text = format!("told the arenactl that drives rollout {}", open.rollout);
            let details = json!({"run": open.rollout, "told": request});
            context.printer.verdict(Status::Done, &details, &text);
            Ok(Status::Done)
        }
        Err(error) => Err(error),
    }
}

/// Drives the open rollout on from its last step.
pub(in crate::cli) async fn go_on(
    context: &Context,
    place: &mut Place,
    lock: Lock,
    wish: Option<Event>,
) -> Result<Status, CliError> {
    let Some(open) = place.history.open().cloned() else {
        place.ledger.release_lock(&lock).await?;
        return Err(nothing_open(place));
    };
    let history = place.history.clone();
    operation(context, place, lock)?.go_on(&open, &history, wish).await
}

/// Tells one thing that happened in a region outside a rollout: a line, or an event with `--output jsonl`.
pub(in crate::cli) fn tell(
    context: &Context,
    place: &Place,
    phase: &str,
    unit: Option<&InstanceId>,
    text: &str,
) {
    let event = event(place, phase, unit, text);
    let line = format!("{} {text}", context.printer.paint(Style::Dim, place.region.as_str()));
    context.printer.event(&event, &line);
}

/// Tells how far a drain is that is waited for, as the events of a rollout do.
pub(in crate::cli) fn tell_drain(context: &Context, place: &Place, unit: &Unit) {
    let outlook = unit.outlook();
    let outlook = if outlook.is_empty() { outlook } else { format!("; {outlook}") };
    let text = format!("waiting: {}: {}{outlook}", unit.instance, unit.note);
    let mut event = event(place, "drain", Some(&unit.instance), &text);
    if let Some(drain) = drain_event(unit) {
        event["drains"] = [drain].as_slice().into();
    }
    let line = format!("{} {text}", context.printer.paint(Style::Dim, place.region.as_str()));
    context.printer.event(&event, &line);
}

fn event(place: &Place, phase: &str, unit: Option<&InstanceId>, text: &str) -> Value {
    let (region, at) = (&place.region, place.backend.now().to_string());
    json!({"ts": at, "region": region, "phase": phase, "unit": unit, "msg": text})
}

/// Returns the help for a name that no instance has.
pub(in crate::cli) fn instances(units: &[Unit]) -> String {
    let names: Vec<_> = units.iter().map(|unit| unit.instance.to_string()).collect();
    match names.as_slice() {
        [] => "there is no instance yet: `arenactl deploy` starts some".to_owned(),
        names => format!("instances, also stopped ones: {}", names.join(", ")),
    }
}

/// Returns the revision whose rollout is not over.
pub(in crate::cli) fn open_revision(place: &Place) -> Result<Revision, CliError> {
    place.history.open().cloned().ok_or_else(|| nothing_open(place))
}

fn nothing_open(place: &Place) -> CliError {
    CliError::new(Status::InvalidInput, format!("no rollout is open in {}", place.region))
        .with_help("see what was deployed: `arenactl history`")
}

fn operation<'a>(
    context: &'a Context,
    place: &'a mut Place,
    lock: Lock,
) -> Result<Operation<'a>, CliError> {
    let interrupts = Interrupts::listen().map_err(|error| CliError::new(Status::Bug, error))?;
    Ok(Operation {
        region: place.region.clone(),
        backend: &mut *place.backend,
        ledger: &mut *place.ledger,
        lock,
        printer: &context.printer,
        interrupts,
        die_after_step: context.global.die_after_step,
    })
}
