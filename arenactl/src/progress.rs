//! What a person or a pipeline sees of a running rollout.

use std::collections::BTreeMap;
use std::time::Duration;

use arena_types::{InstanceId, Region};
use arenactl_planning::observed::UnitState;
use arenactl_planning::rollout::{Awaited, Direction, Effect, Event, Rollout, RolloutId};
use arenactl_planning::units::Timestamp;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backend::{Backend, Unit};
use crate::drive::Watcher;
use crate::journal::Step;
use crate::print::{Output, Printer, Style};

/// Without a live view a wait is repeated this often, so that a pipeline's log shows life.
const WAIT_LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Above this many a live view would scroll; the rest is counted in one row.
const ROW_COUNT_MAX: usize = 20;

/// Shows a rollout: rows on a terminal, lines elsewhere, objects with `--output jsonl`.
pub struct Progress<'a> {
    printer: &'a Printer,
    region: Region,
    rollout: RolloutId,
    live: Option<Live>,
    last_wait: Option<(String, Instant)>,
    /// The service that is watched for a while, with nothing else to wait for.
    watched: Option<String>,
}

/// The live view: one row a unit, and one for what is waited for.
struct Live {
    rows: MultiProgress,
    units: BTreeMap<InstanceId, Row>,
    status: ProgressBar,
}

/// One unit's row.
struct Row {
    bar: ProgressBar,
    began: Instant,
}

impl<'a> Progress<'a> {
    /// Makes the view that fits the printer.
    #[must_use]
    pub fn new(printer: &'a Printer, region: &Region, rollout: &RolloutId) -> Self {
        let is_live = printer.is_terminal() && printer.output() != Output::Jsonl;
        let live = is_live.then(Live::new);
        Self {
            printer,
            region: region.clone(),
            rollout: rollout.clone(),
            live,
            last_wait: None,
            watched: None,
        }
    }

    /// Removes the live view; its rows stay as lines.
    pub fn finish(&mut self) {
        let Some(live) = self.live.take() else { return };
        let lines: Vec<String> = live.units.iter().map(|(unit, row)| row.line(unit)).collect();
        let _ = live.rows.clear(); // A terminal that went away has nothing to clear.
        for line in &lines {
            self.printer.say(line);
        }
    }

    /// Tells what no row shows: in the live view an instance that comes or goes is a row and no line.
    fn tell_beside(&mut self, at: Timestamp, phase: &str, unit: Option<&InstanceId>, text: &str) {
        if self.live.is_none() || unit.is_none() {
            self.tell(at, phase, unit, text);
        }
    }

    fn tell(&mut self, at: Timestamp, phase: &str, unit: Option<&InstanceId>, text: &str) {
        self.tell_with(at, phase, unit, text, &[]);
    }

    /// Tells something, and how far drains are that it is about.
    fn tell_with(
        &mut self,
        at: Timestamp,
        phase: &str,
        unit: Option<&InstanceId>,
        text: &str,
        drains: &[Value],
    ) {
        let mut event = json!({
            "run": self.rollout, "ts": at.to_string(), "region": self.region, "phase": phase,
            "unit": unit, "msg": text,
        });
        if !drains.is_empty() {
            event["drains"] = drains.into();
        }
        let line = format!("{} {text}", self.printer.paint(Style::Dim, &self.region.to_string()));
        match &self.live {
            Some(live) => live.rows.suspend(|| self.printer.event(&event, &line)),
            None => self.printer.event(&event, &line),
        }
    }

    fn mark(&mut self, unit: Option<&InstanceId>, word: &str, style: Style) {
        let (Some(unit), Some(live)) = (unit, &mut self.live) else { return };
        let Some(row) = live.row(unit) else { return };
        let took = row.began.elapsed().as_secs_f32();
        let took = if style == Style::Good { format!(" in {took:.1} s") } else { String::new() };
        row.bar.set_message(format!("{}{took}", self.printer.paint(style, word)));
    }

    /// Shows in its row how far an instance's drain is.
    fn show_drain(&mut self, unit: &Unit) {
        let Some(live) = &mut self.live else { return };
        let Some(row) = live.row(&unit.instance) else { return };
        let word = self.printer.paint(Style::Warn, unit.standing());
        row.bar.set_message(format!("{word}: {}", unit.told()));
    }
}

impl Live {
    fn new() -> Self {
        let rows = MultiProgress::new();
        let status = rows.add(ProgressBar::new_spinner());
        Self { rows, units: BTreeMap::new(), status }
    }

    /// Returns the row of a unit; `None` if there are too many.
    fn row(&mut self, unit: &InstanceId) -> Option<&Row> {
        let is_full = self.units.len() >= ROW_COUNT_MAX;
        if is_full && !self.units.contains_key(unit) {
            return None;
        }
        Some(self.units.entry(unit.clone()).or_insert_with(|| {
            let bar = self.rows.insert_before(&self.status, ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("  {prefix:<28} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(unit.to_string());
            Row { bar, began: Instant::now() }
        }))
    }
}

impl Row {
    /// What the row shows, as its template does.
    fn line(&self, unit: &InstanceId) -> String {
        format!("  {:<28} {}", unit.to_string(), self.bar.message())
    }
}

impl Watcher for Progress<'_> {
    fn step(&mut self, step: &Step) {
        let phase = phase(&step.rollout);
        let watched = self.watched.take();
        if let Some(event) = &step.event {
            let (word, style) = reached(event);
            self.mark(event.unit(), word, style);
            match (event, watched) {
                (Event::Failed { .. }, _) => {
                    self.tell(step.at, &phase, event.unit(), &event.to_string());
                }
                (Event::Deadline, Some(service)) => {
                    self.tell(step.at, &phase, None, &format!("{service} was watched and works"));
                }
                _ => self.tell_beside(step.at, &phase, event.unit(), &event.to_string()),
            }
        }
        self.last_wait = None;
    }

    fn effect(&mut self, effect: &Effect, at: Timestamp) {
        let word = match effect {
            Effect::Start { .. } | Effect::Restore { .. } => "starting",
            Effect::Drain { .. } => "draining",
            Effect::Stop { .. } => "stopping",
            Effect::SetTraffic { .. } => "routed",
        };
        self.mark(effect.unit(), word, Style::Warn);
        self.tell_beside(at, "effect", effect.unit(), &effect.to_string());
    }

    fn wait(&mut self, backend: &dyn Backend, rollout: &Rollout, until: Option<Timestamp>) {
        let text = wait_text(backend, rollout);
        let draining = draining(backend, rollout);
        for unit in &draining {
            self.show_drain(unit);
        }
        let is_watching = rollout.waits().is_empty();
        self.watched = rollout.stage().filter(|_| is_watching).map(|it| it.service.to_string());
        let left = until.map(|until| until.since(backend.now()));
        if let Some(live) = &self.live {
            let left =
                left.map(|left| format!(" (deadline in {} s)", left.as_s())).unwrap_or_default();
            live.status.set_message(format!("waiting: {text}{left}"));
            live.status.tick();
            return;
        }
        let is_new = self
            .last_wait
            .as_ref()
            .is_none_or(|(last, since)| *last != text || since.elapsed() >= WAIT_LINE_INTERVAL);
        if is_new {
            // Seconds are no news of their own, or there would be a line a second.
            self.last_wait = Some((text.clone(), Instant::now()));
            let outlook = draining.first().map(Unit::outlook).filter(|it| !it.is_empty());
            let outlook = outlook.map(|it| format!("; {it}")).unwrap_or_default();
            let drains: Vec<Value> = draining.iter().filter_map(drain_event).collect();
            let text = format!("waiting: {text}{outlook}");
            self.tell_with(backend.now(), "wait", None, &text, &drains);
        }
    }

    fn wish(&mut self, wish: &Event) {
        self.last_wait = None;
        if let Some(live) = &self.live {
            live.status.set_message(wish.to_string());
        }
    }

    fn leaving(&mut self) {
        let text =
            "Ctrl-C: leaving in 2 s, the rollout can be resumed; press again to take it back";
        match &self.live {
            Some(live) => live.rows.suspend(|| self.printer.say(text)),
            None => self.printer.say(text),
        }
    }
}

/// Returns the word of an instance after an event.
const fn reached(event: &Event) -> (&'static str, Style) {
    match event {
        Event::Ready { .. } => ("ready", Style::Good),
        Event::Failed { .. } => ("failed", Style::Bad),
        Event::Empty { .. } => ("empty", Style::Dim),
        Event::Stopped { .. } => ("stopped", Style::Dim),
        Event::Deadline | Event::Promote | Event::Abort { .. } | Event::Pause | Event::Resume => {
            ("", Style::Dim)
        }
    }
}

pub(crate) fn phase(rollout: &Rollout) -> String {
    let way = if rollout.direction == Direction::Back { "back " } else { "" };
    let service = rollout.stage().map(|stage| stage.service.to_string()).unwrap_or_default();
    let phase = json!(rollout.phase);
    let name = phase.as_str().map(str::to_owned);
    let name = name.or_else(|| phase.as_object()?.keys().next().cloned()).unwrap_or_default();
    format!("{way}{service} {name}").trim().to_owned()
}

/// Returns the instances that are waited for and drain, as they were last seen.
fn draining(backend: &dyn Backend, rollout: &Rollout) -> Vec<Unit> {
    let waits = rollout.waits().into_iter();
    let drains = waits.filter(|wait| wait.state == Awaited::Empty);
    let units = drains.filter_map(|wait| backend.seen(&wait.unit));
    units.filter(|unit| unit.state == UnitState::Draining).collect()
}

/// What an event tells of the drain of an instance; `None` if the instance does not tell.
pub(crate) fn drain_event(unit: &Unit) -> Option<Value> {
    let mut event = json!(unit.drain?);
    event["unit"] = json!(unit.instance);
    event["standing"] = unit.standing().into();
    Some(event)
}

fn wait_text(backend: &dyn Backend, rollout: &Rollout) -> String {
    let waits = rollout.waits();
    let Some(first) = waits.first() else {
        let service = rollout.stage().map(|stage| stage.service.to_string()).unwrap_or_default();
        return format!("watching {service} before the next step");
    };
    let word = match first.state {
        Awaited::Ready => "ready",
        Awaited::Empty => "empty",
        Awaited::Stopped => "stopped",
    };
    let note = backend.seen(&first.unit).map(|unit| unit.note).filter(|note| !note.is_empty());
    let note = note.map(|note| format!(": {note}")).unwrap_or_default();
    let more =
        if waits.len() > 1 { format!(" and {} more", waits.len() - 1) } else { String::new() };
    format!("{} to be {word}{note}{more}", first.unit)
}
