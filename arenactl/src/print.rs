//! The only place that prints: data on stdout, everything for people on stderr.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use serde_json::json;

use crate::error::{CliError, Status};

/// The form of what a command prints on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON document at the end.
    Json,
    /// One JSON object a line: events, then the result.
    Jsonl,
}

/// A colour with a meaning; text stays readable without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Went well.
    Good,
    /// Went wrong.
    Bad,
    /// Deserves a look.
    Warn,
    /// Of little weight.
    Dim,
    /// A heading.
    Strong,
}

/// Prints in the chosen form.
#[derive(Clone, Debug)]
pub struct Printer {
    output: Output,
    is_colored: bool,
    is_terminal: bool,
}

impl Printer {
    /// Makes a printer; colours only on terminals and never with `NO_COLOR`.
    #[must_use]
    pub fn new(output: Output) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { output, is_colored: is_terminal && !no_color && !is_dumb, is_terminal }
    }

    /// Says whether a person sees stderr.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Says whether colours may be used.
    #[must_use]
    pub const fn is_colored(&self) -> bool {
        self.is_colored
    }

    /// Returns the chosen form.
    #[must_use]
    pub const fn output(&self) -> Output {
        self.output
    }

    /// Prints the one result of a command.
    pub fn data<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) {
        match self.output {
            Output::Text => stdout(&text()),
            Output::Json => stdout(&(pretty(value) + "\n")),
            Output::Jsonl => stdout(&(line(value) + "\n")),
        }
    }

    /// Prints text that is the same in every form: a file, a schema, a script.
    pub fn verbatim(&self, text: &str) {
        stdout(text);
    }

    /// Returns standard output for what is too long to be held: data of a command that streams.
    ///
    /// A reader that goes away is an error of kind [`io::ErrorKind::BrokenPipe`]: nothing more is wanted.
    #[must_use]
    pub fn stream(&self) -> io::BufWriter<io::StdoutLock<'static>> {
        io::BufWriter::new(io::stdout().lock())
    }

    /// Prints an event: a line of JSON on stdout, or `text` on stderr.
    pub fn event<T: Serialize>(&self, event: &T, text: &str) {
        match self.output {
            Output::Jsonl => stdout(&(line(event) + "\n")),
            Output::Json | Output::Text => self.say(text),
        }
    }

    /// Tells people one thing.
    pub fn say(&self, text: &str) {
        stderr(&format!("{text}\n"));
    }

    /// Prints the failure of a command, as text and, where asked for, as the result object.
    pub fn failure(&self, error: &CliError) {
        let chain = error.chain();
        let causes = chain.iter().enumerate().map(|(index, cause)| {
            let label = if index == 0 { "error:" } else { "  caused by:" };
            format!("{} {cause}\n", self.paint(Style::Bad, label))
        });
        let details = error.details().iter().map(|detail| format!("{detail}\n"));
        let help = error.help().iter();
        let help = help.map(|help| format!("{} {help}\n", self.paint(Style::Good, "help:")));
        stderr(&causes.chain(details).chain(help).collect::<String>());
        self.failed(error);
    }

    /// Prints a mistake on the command line, worded by the parser.
    pub fn usage(&self, error: &CliError) {
        stderr(&format!("{}\n", error.chain().join(": ")));
        self.failed(error);
    }

    fn failed(&self, error: &CliError) {
        let chain = error.chain();
        let status = error.status();
        let result = json!({"result": {
            "status": status,
            "exit_code": status.exit_code(),
            "error": {"message": chain.first(), "causes": chain.get(1..), "details": error.details(), "help": error.help()},
        }});
        self.machine_only(&result);
    }

    /// Prints the verdict on a command: an object for machines, one line for people.
    pub fn verdict(&self, status: Status, details: &serde_json::Value, text: &str) {
        self.say(text);
        let mut result = json!({"status": status, "exit_code": status.exit_code()});
        if let (Some(result), Some(details)) = (result.as_object_mut(), details.as_object()) {
            result.extend(details.clone());
        }
        self.machine_only(&json!({ "result": result }));
    }

    /// Colours `text` for stderr, or returns it as it is.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Good => "32",
            Style::Bad => "31;1",
            Style::Warn => "33",
            Style::Dim => "2",
            Style::Strong => "1",
        };
        if self.is_colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Asks a yes-or-no question on the terminal; no answer is no.
    #[must_use]
    pub fn confirm(&self, question: &str) -> bool {
        stderr(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let is_read = io::stdin().read_line(&mut answer).is_ok();
        is_read && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    fn machine_only(&self, value: &serde_json::Value) {
        match self.output {
            Output::Text => {}
            Output::Json => stdout(&(pretty(value) + "\n")),
            Output::Jsonl => stdout(&(line(value) + "\n")),
        }
    }
}

fn pretty<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("our own types serialise to JSON")
}

fn line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types serialise to JSON")
}

/// A reader that went away (`| head`) is no failure of the command.
fn stdout(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a number of things: `1 player`, `2 players`, `3 matches`.
#[must_use]
pub fn counted(count: impl Into<u64>, what: &str) -> String {
    let hisses = what.ends_with("ch") || what.ends_with("sh");
    match count.into() {
        1 => format!("1 {what}"),
        count if hisses => format!("{count} {what}es"),
        count => format!("{count} {what}s"),
    }
}

/// Writes a span as precisely as a person wants it: `90 s`, `10 min`, `3 h`.
#[must_use]
pub fn lasting(s: u64) -> String {
    match s {
        0..120 => format!("{s} s"),
        120..7_200 => format!("{} min", s / 60),
        _ => format!("{} h", s / 3_600),
    }
}

/// Aligns rows in columns, two spaces apart, no trailing blanks.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let column_count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..column_count).map(width).collect();
    rows.iter().fold(String::new(), |mut text, row| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        for (s, text) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h")]
        {
            assert_eq!(lasting(s), text);
        }
    }

    #[test]
    fn things_are_counted_as_people_say_them() {
        for (count, what, text) in [
            (1, "match", "1 match"),
            (0, "match", "0 matches"),
            (2, "hash", "2 hashes"),
            (3, "player", "3 players"),
        ] {
            assert_eq!(counted(count as u32, what), text);
        }
    }

    #[test]
    fn columns_are_aligned_without_trailing_blanks() {
        let rows =
            [vec!["REV".to_owned(), "WHO".to_owned()], vec!["1".to_owned(), "me".to_owned()]];
        assert_eq!(table(&rows), "REV  WHO\n1    me\n");
    }
}
