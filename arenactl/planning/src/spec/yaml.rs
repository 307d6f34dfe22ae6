//! YAML as a tree whose every node knows where it was written.

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Mark, StrInput};

use crate::spec::error::{Place, Problem, SpecError};

/// Bytes of the largest file that is read: a hundred times the reference.
const TEXT_LEN_MAX: usize = 1 << 20;
/// Deepest nesting: twice what the format has.
const DEPTH_MAX: usize = 32;

/// Where a node came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file's own sections.
    Base,
    /// The chosen environment's overlay.
    Overlay,
    /// A `--set`, by its place among them.
    Set(usize),
}

/// Where a node was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) origin: Origin,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl At {
    /// Returns the first line of the file.
    pub(super) const START: Self = Self { origin: Origin::Base, line: 1, column: 1 };
}

/// A key and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) at: At,
}

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

/// What a node holds. Scalars stay text: each field knows its type.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Scalar { text: String, quoted: bool },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

impl Node {
    pub(super) const fn empty_map(at: At) -> Self {
        Self { at, value: Value::Map(Vec::new()) }
    }

    /// Returns the value below `key`, if this is a map that has it.
    pub(super) fn child(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(it, _)| it.text == key).map(|(_, node)| node)
    }

    /// Removes and returns the value below `key`.
    pub(super) fn take(&mut self, key: &str) -> Option<Self> {
        let Value::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|(it, _)| it.text == key)?;
        Some(entries.remove(index).1)
    }

    /// Returns what kind of value it is, with its article.
    pub(super) const fn shape(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a section",
        }
    }
}

/// Reads `text` as one document. After a syntax error what was read before it is returned.
pub(super) fn parse(text: &str, origin: Origin) -> (Node, Vec<SpecError>) {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        origin,
        path: Vec::new(),
        errors: Vec::new(),
        broken: false,
    };
    if text.len() > TEXT_LEN_MAX {
        reader.error(At::START, Problem::TooLarge("more than 1 MiB"));
        return (Node::empty_map(At::START), reader.errors);
    }
    let root = reader.document().unwrap_or(Node::empty_map(At::START));
    (root, reader.errors)
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    origin: Origin,
    path: Vec<String>,
    errors: Vec<SpecError>,
    broken: bool,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        while let Some((event, mark)) = self.next() {
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    let at = self.at(mark);
                    self.error(at, Problem::Unsupported("several documents"));
                    break;
                }
                _ => root = Some(self.node(event, mark)),
            }
        }
        root
    }

    /// Returns the next event, or `None` at the end and after a syntax error.
    fn next(&mut self) -> Option<(Event<'t>, Mark)> {
        if self.broken {
            return None;
        }
        match self.events.next_event()? {
            Ok(event) => Some(event),
            Err(error) => {
                self.broken = true;
                let mark = error.marker();
                let at = At { origin: self.origin, line: mark.line(), column: mark.col() + 1 };
                self.error(at, Problem::Syntax(error.info().to_owned()));
                None
            }
        }
    }

    fn at(&self, mark: Mark) -> At {
        At { origin: self.origin, line: mark.start.line(), column: mark.start.col() + 1 }
    }

    fn error(&mut self, at: At, problem: Problem) {
        let path = if self.path.is_empty() { "arena.yaml".to_owned() } else { self.path.join(".") };
        let place = Place::File { line: at.line, column: at.column };
        self.errors.push(SpecError { place, path, problem });
    }

    fn node(&mut self, event: Event<'t>, mark: Mark) -> Node {
        let at = self.at(mark);
        if self.path.len() > DEPTH_MAX {
            self.error(at, Problem::TooLarge("nested too deep"));
            self.broken = true;
            return Node { at, value: Value::Null };
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                scalar(&text, style)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                self.list()
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                self.map()
            }
            Event::Alias(_) => {
                self.error(at, Problem::Unsupported("aliases"));
                Value::Null
            }
            _ => Value::Null,
        };
        Node { at, value }
    }

    fn refuse_extras(&mut self, at: At, anchor: usize, tagged: bool) {
        if anchor > 0 {
            self.error(at, Problem::Unsupported("anchors"));
        }
        if tagged {
            self.error(at, Problem::Unsupported("tags"));
        }
    }

    fn list(&mut self) -> Value {
        let mut nodes = Vec::new();
        while let Some((event, mark)) = self.next() {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            self.path.push(format!("[{}]", nodes.len()));
            nodes.push(self.node(event, mark));
            self.path.pop();
        }
        Value::List(nodes)
    }

    fn map(&mut self) -> Value {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut lines = std::collections::BTreeMap::new();
        while let Some((event, mark)) = self.next() {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let at = self.at(mark);
            let key = self.node(event, mark);
            let Value::Scalar { text, .. } = key.value else {
                self.error(at, Problem::WrongShape { wanted: "a name", found: key.shape() });
                self.skip_value();
                continue;
            };
            self.path.push(text.clone());
            let value = self.next().map(|(event, mark)| self.node(event, mark));
            if let Some(&first_line) = lines.get(&text) {
                self.error(at, Problem::Twice { first_line });
            } else {
                lines.insert(text.clone(), at.line);
                let missing = Node { at, value: Value::Null };
                entries.push((Key { text, at }, value.unwrap_or(missing)));
            }
            self.path.pop();
        }
        Value::Map(entries)
    }

    fn skip_value(&mut self) {
        if let Some((event, mark)) = self.next() {
            self.node(event, mark);
        }
    }
}

/// Reads a scalar. Plain `~`, `null` and nothing are empty (YAML 1.2 §10.2.1.1).
fn scalar(text: &str, style: ScalarStyle) -> Value {
    let quoted = style != ScalarStyle::Plain;
    match text {
        "" | "~" | "null" if !quoted => Value::Null,
        _ => Value::Scalar { text: text.to_owned(), quoted },
    }
}
