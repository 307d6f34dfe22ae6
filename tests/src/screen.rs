//! What a terminal shows in the end, as a web page: just enough of ECMA-48 for what arenactl prints.

use std::fmt::Write as _;

/// One character and the SGR parameters it was printed with.
type Cell = (char, String);

/// Plays what was sent to a terminal so many columns wide and returns its last screen as HTML, below `prompt`.
#[must_use]
pub fn page(prompt: &str, sent: &str, columns: usize) -> String {
    let mut screen = Screen { columns, ..Screen::default() };
    screen.play(sent);
    let body = screen.html();
    let (width, prompt) = (columns + 4, escaped(prompt));
    format!(
        "<!doctype html><meta charset=utf-8><style>\
         body{{margin:0;background:#16181d;color:#d8dee9;font:15px/1.4 'DejaVu Sans Mono',monospace}}\
         pre{{margin:0;padding:1.2em 1.6em;width:{width}ch;box-sizing:border-box;font:inherit}}\
         .p{{color:#88c0d0}}</style><pre><span class=p>$ </span>{prompt}\n{body}</pre>"
    )
}

#[derive(Default)]
struct Screen {
    columns: usize,
    rows: Vec<Vec<Cell>>,
    row: usize,
    column: usize,
    style: String,
}

impl Screen {
    fn play(&mut self, sent: &str) {
        let mut letters = sent.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                '\x1b' if letters.as_str().starts_with('[') => {
                    letters.next();
                    let ends = |it: char| it.is_ascii_alphabetic();
                    let rest = letters.as_str();
                    let Some(length) = rest.find(ends) else { return };
                    let (parameters, command) = (&rest[..length], &rest[length..=length]);
                    self.control(parameters, command);
                    letters = rest[length + 1..].chars();
                }
                letter if letter.is_control() => {}
                letter => self.print(letter),
            }
        }
    }

    fn control(&mut self, parameters: &str, command: &str) {
        let count = parameters.parse().unwrap_or(1);
        match command {
            "A" => self.row = self.row.saturating_sub(count),
            "B" => self.row += count,
            "m" => parameters.clone_into(&mut self.style),
            "J" => self.rows.truncate(self.row),
            "K" => {
                if let Some(row) = self.rows.get_mut(self.row) {
                    row.clear();
                }
            }
            _ => {} // Showing and hiding the cursor shows nothing on a picture.
        }
    }

    /// A terminal wraps when something is printed beyond its last column, not before.
    fn print(&mut self, letter: char) {
        if self.column >= self.columns {
            (self.row, self.column) = (self.row + 1, 0);
        }
        if self.rows.len() <= self.row {
            self.rows.resize_with(self.row + 1, Vec::new);
        }
        let row = &mut self.rows[self.row];
        if row.len() <= self.column {
            row.resize(self.column + 1, (' ', String::new()));
        }
        row[self.column] = (letter, self.style.clone());
        self.column += 1;
    }

    fn html(&self) -> String {
        let mut html = String::new();
        for row in &self.rows {
            let end = row.iter().rposition(|cell| cell.0 != ' ').map_or(0, |last| last + 1);
            for run in row[..end].chunk_by(|one, other| one.1 == other.1) {
                let text: String = run.iter().map(|cell| cell.0).collect();
                let (style, text) = (css(&run[0].1), escaped(&text));
                write!(html, "<span style='{style}'>{text}</span>")
                    .expect("a String takes any text");
            }
            html.push('\n');
        }
        html
    }
}

/// The parameters that `arenactl::print` uses.
fn css(parameters: &str) -> &'static str {
    match parameters {
        "32" => "color:#a3be8c",
        "31;1" => "color:#ff6b6b;font-weight:bold",
        "33" => "color:#ebcb8b",
        "2" => "opacity:.55",
        "1" => "font-weight:bold",
        _ => "",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_drawn_again_are_shown_once() {
        let sent = "plan\r\n  a  \x1b[33mstarting\x1b[0m\r\x1b[2K  a  \x1b[32mready\x1b[0m\r\nb\x1b[1A\r\x1b[2K";
        let html = page("x", sent, 20);
        assert!(html.ends_with("plan</span>\n\n<span style=''>b</span>\n</pre>"), "{html}");
        let sent = "plan\r\n  a  \x1b[33mstarting\x1b[0m\r\x1b[2K  a  \x1b[32mready\x1b[0m\r\nb";
        let html = page("x", sent, 20);
        assert!(!html.contains("starting"), "{html}");
        assert!(html.contains("<span style='color:#a3be8c'>ready</span>"), "{html}");
    }

    #[test]
    fn a_full_row_wraps_only_when_more_is_printed() {
        assert!(page("x", "abc\r\nd", 3).contains("abc</span>\n<span style=''>d</span>"));
        assert!(page("x", "abcd", 3).contains("abc</span>\n<span style=''>d</span>"));
    }
}
