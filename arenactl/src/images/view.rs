//! What a person or a pipeline sees of images being built and pushed.

use std::time::Duration;

use arenactl_planning::units::Timestamp;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clock;
use crate::print::{Output, Printer, Style};

/// Without a live view, moved bytes are told this often.
const BYTES_LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Instructions that take time; in a log for people the others would be noise.
const SLOW_INSTRUCTIONS: &[&str] = &["FROM", "RUN", "COPY", "ADD"];
/// A row shows this much of an instruction.
const STEP_CHARS_MAX: usize = 60;

/// What is done with images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// An engine builds them.
    Build,
    /// An engine sends them to a registry.
    Push,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Push => "push",
        }
    }
}

/// Shows all images of one command: a row each on a terminal, lines elsewhere, objects with `--output jsonl`.
pub struct View<'a> {
    printer: &'a Printer,
    rows: Option<MultiProgress>,
    name_width: usize,
}

/// Shows one image.
pub struct Row<'a> {
    view: &'a View<'a>,
    phase: Phase,
    image: String,
    bar: Option<ProgressBar>,
    began: Instant,
    told: Instant,
}

impl<'a> View<'a> {
    /// Makes the view that fits the printer; `images` are the names that rows will have.
    #[must_use]
    pub fn new<'b>(printer: &'a Printer, images: impl Iterator<Item = &'b str>) -> Self {
        let is_live = printer.is_terminal() && printer.output() != Output::Jsonl;
        let name_width = images.map(|it| short_name(it).chars().count()).max().unwrap_or(0);
        Self { printer, rows: is_live.then(MultiProgress::new), name_width }
    }

    /// Adds a row.
    #[must_use]
    pub fn row(&'a self, phase: Phase, image: &str) -> Row<'a> {
        let bar = self.rows.as_ref().map(|rows| {
            let bar = rows.add(ProgressBar::no_length());
            let template = format!("  {{prefix:<{}}} {{bar:16}} {{wide_msg}}", self.name_width);
            let style = ProgressStyle::with_template(&template);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(short_name(image).to_owned());
            bar
        });
        let now = Instant::now();
        Row { view: self, phase, image: image.to_owned(), bar, began: now, told: now }
    }

    fn tell(&self, event: &Value, text: &str) {
        match &self.rows {
            Some(rows) => rows.suspend(|| self.printer.event(event, text)),
            None => self.printer.event(event, text),
        }
    }
}

impl Row<'_> {
    /// One instruction of the Dockerfile begins.
    pub fn step(&mut self, number: u64, count: u64, instruction: &str) {
        let text = format!("step {number}/{count} {}", short(instruction));
        if let Some(bar) = &self.bar {
            bar.set_length(count);
            bar.set_position(number.saturating_sub(1));
            bar.set_message(text);
            return;
        }
        let is_slow = SLOW_INSTRUCTIONS.iter().any(|it| instruction.starts_with(it));
        if is_slow || self.view.printer.output() == Output::Jsonl {
            self.event(&json!({"step": number, "steps": count}), &text);
        }
    }

    /// So many bytes are where they should be.
    pub fn bytes(&mut self, done: u64, total: u64) {
        let text = format!("{} of {}", HumanBytes(done), HumanBytes(total));
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(text);
        } else if self.told.elapsed() >= BYTES_LINE_INTERVAL {
            self.told = Instant::now();
            self.event(&json!({"bytes": done, "bytes_total": total}), &text);
        }
    }

    /// Says one thing about the image that is over soon.
    pub fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(short(text)),
            None => self.event(&json!({}), text),
        }
    }

    /// The image is done; `facts` go into the event, `text` to people.
    pub fn done(self, facts: &Value, text: &str) {
        let took_s = self.began.elapsed().as_secs_f32();
        let text = format!("{text} in {took_s:.1} s");
        let Some(bar) = &self.bar else { return self.event(facts, &text) };
        bar.set_position(bar.length().unwrap_or(0));
        bar.finish_with_message(self.view.printer.paint(Style::Good, &text));
    }

    fn event(&self, facts: &Value, text: &str) {
        let at = Timestamp(clock::now_ms()).to_string();
        let mut event =
            json!({"ts": at, "phase": self.phase.name(), "image": self.image, "msg": text});
        if let (Some(event), Some(facts)) = (event.as_object_mut(), facts.as_object()) {
            event.extend(facts.clone());
        }
        let image = self.view.printer.paint(Style::Dim, &self.image);
        self.view.tell(&event, &format!("{image} {text}"));
    }
}

/// In a row there is no place for the registry, which is the same for all.
fn short_name(image: &str) -> &str {
    image.rsplit('/').next().unwrap_or(image)
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= STEP_CHARS_MAX {
        return line;
    }
    line.chars().take(STEP_CHARS_MAX - 1).chain(['…']).collect()
}
