//! One JSON object a line: `ts level target service instance release region …fields of the spans
//! outside in… msg …fields…`. Keys keep their order, a later field replaces an earlier one.

use std::fmt;
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::logs::Origin;

pub(crate) struct JsonLines<W> {
    origin: Map<String, Value>,
    writer: W,
}

impl<W> JsonLines<W> {
    pub(crate) fn new(origin: &Origin, writer: W) -> Self {
        let Origin { service, instance, release, region } = origin.clone();
        let pairs = [
            ("service", service),
            ("instance", instance),
            ("release", release),
            ("region", region),
        ];
        let origin = pairs.map(|(key, value)| (key.to_owned(), Value::String(value)));
        Self { origin: Map::from_iter(origin), writer }
    }
}

/// What a span has recorded, kept in its extensions.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        let mut now = String::new();
        if SystemTime.format_time(&mut Writer::new(&mut now)).is_ok() {
            line.0.insert("ts".to_owned(), now.into());
        }
        line.0.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.0.insert("target".to_owned(), event.metadata().target().into());
        line.0.extend(self.origin.clone());
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.0.extend(fields.0.clone());
            }
        }
        event.record(&mut line);
        // One write a line, so that lines of threads do not mix; a log that cannot be written has
        // nowhere to say so.
        let text = format!("{}\n", Value::Object(line.0));
        let _ = self.writer.make_writer_for(event.metadata()).write_all(text.as_bytes());
    }
}

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        let key = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(key.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let causes = std::iter::successors(Some(value), |it| it.source());
        let chain: Vec<_> = causes.map(ToString::to_string).collect();
        self.insert(field, chain.join(": ").into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_names_its_origin_its_spans_and_the_whole_chain_of_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("save the result")]
        struct Save(#[source] std::io::Error);

        let lines = Lines::default();
        let writer = lines.clone();
        let origin = Origin {
            service: "game".to_owned(),
            instance: "game-r2-0".to_owned(),
            release: "r2".to_owned(),
            region: "local".to_owned(),
        };
        let layer = JsonLines::new(&origin, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("call", trace = "4bf9", peer = tracing::field::Empty);
            let _entered = span.enter();
            span.record("peer", "gateway-r2-0");
            let error = Save(std::io::Error::other("disk full"));
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(target: "arena", ticks = 3, error, "slow \"write\"");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let (ts, rest) = text.split_once(",\"level\"").unwrap();
        assert!(ts.starts_with("{\"ts\":\"20") && ts.ends_with("Z\""), "{ts}");
        expect_test::expect![[r#"
            :"WARN","target":"arena","service":"game","instance":"game-r2-0","release":"r2","region":"local","trace":"4bf9","peer":"gateway-r2-0","msg":"slow \"write\"","ticks":3,"error":"save the result: disk full"}
        "#]]
        .assert_eq(rest);
    }
}
