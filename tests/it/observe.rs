//! What can be seen of a component from outside.

use crate::bus_support::{check, id, pass, paused, resumed};
use coordination_protocol::bus::{Bus, VirtualHost};
use coordination_protocol::driver::{
    Client, Component, Context, HandlerError, METRICS, TraceParent,
};
use coordination_protocol::message::{ConflictCheck, Message};
use coordination_protocol::{Envelope, Event};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A recorder of what the facade is told.
#[derive(Default)]
struct Recorder(Arc<Mutex<BTreeMap<String, f64>>>);

struct Cell(String, Arc<Mutex<BTreeMap<String, f64>>>);

impl Recorder {
    fn cell(&self, key: &metrics::Key) -> Arc<Cell> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let row = METRICS.iter().find(|row| row.0 == key.name()).expect("it is in the table");
        let names: Vec<&str> = key.labels().map(metrics::Label::key).collect();
        assert_eq!(names, row.2, "{}", row.0);
        Arc::new(Cell(format!("{} {}", key.name(), labels.join(" ")), Arc::clone(&self.0)))
    }
}

impl metrics::CounterFn for Cell {
    fn increment(&self, value: u64) {
        *self.1.lock().unwrap().entry(self.0.clone()).or_default() += value as f64;
    }

    fn absolute(&self, _: u64) {}
}

impl metrics::HistogramFn for Cell {
    fn record(&self, _: f64) {
        *self.1.lock().unwrap().entry(self.0.clone()).or_default() += 1.0;
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }
    fn describe_gauge(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }
    fn describe_histogram(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(
        &self,
        key: &metrics::Key,
        _: &metrics::Metadata<'_>,
    ) -> metrics::Histogram {
        metrics::Histogram::from_arc(self.cell(key))
    }
}

/// A subscriber that keeps the fields of each span.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        let mut spans = self.0.lock().unwrap();
        spans.push(fields.0);
        tracing::span::Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

async fn story(bus: &Bus, host: &VirtualHost) -> Result<Vec<Envelope>, Box<dyn std::error::Error>> {
    let manager = Component::new("manager")
        .on_request(|_: Context, check: ConflictCheck| async move { Ok(check) })
        .connect(bus)
        .await?;
    let worker = Component::new("worker")
        .subscribe("*.paused", |context: Context, event: Event| async move {
            if context.attempt() == 1 {
                return Err(HandlerError::transient("not yet"));
            }
            context.client().request(&id("manager"), check("req_1")).await?;
            Ok(context.publish(Message::from(resumed(event.workflow_id.as_str())))?)
        })
        .connect(bus)
        .await?;
    let client = Client::open(bus, id("hub")).await?;
    let client = client.within(TraceParent::parse(TRACE).unwrap());
    client.publish(Message::from(paused("wf_1", "x"))).await?;
    pass(host, 120).await;
    worker.stop("done").await;
    manager.stop("done").await;
    let records = coordination_protocol::storage::Journal::read(bus.history(), 1, 1_000).await?;
    let texts = records.iter().map(|record| std::str::from_utf8(&record.data).unwrap());
    Ok(texts.map(|text| text.parse().unwrap()).collect())
}

#[test]
fn attempts_are_spans_and_counted_and_all_belong_to_one_trace() {
    let (recorder, spans) = (Recorder::default(), Spans::default());
    let counted = Arc::clone(&recorder.0);
    let host = VirtualHost::new(7);
    let bus = Bus::memory().with_host(host.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let envelopes = metrics::with_local_recorder(&recorder, || {
        tracing::subscriber::with_default(spans.clone(), || {
            runtime.block_on(host.run(story(&bus, &host))).unwrap()
        })
    });
    let counted = counted.lock().unwrap().clone();
    let expected = [
        ("coord_handled_total component=manager kind=request outcome=done", 1.0),
        ("coord_handled_total component=worker kind=event outcome=done", 1.0),
        ("coord_handled_total component=worker kind=event outcome=failed", 1.0),
        ("coord_handling_seconds component=manager kind=request", 1.0),
        ("coord_handling_seconds component=worker kind=event", 2.0),
        ("coord_redeliveries_total component=worker", 1.0),
        ("coord_requests_total component=worker outcome=answered", 1.0),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counted, BTreeMap::from(expected));
    let spans = spans.0.lock().unwrap();
    let worker: Vec<&String> =
        spans.iter().filter(|span| span.starts_with("attempt component=\"worker\"")).collect();
    assert_eq!(worker.len(), 2);
    for (span, attempt) in worker.into_iter().zip(1..) {
        for field in
            ["what=\"event\"", "workflow=\"wf_1\"", "phase=\"global\"", "traceparent=\"00-0af7"]
        {
            assert!(span.contains(field), "{span}");
        }
        assert!(span.contains(&format!("attempt={attempt}")), "{span}");
    }
    // The event, the request, the answer, and the event that follows: one trace, each a step of its own.
    let traces: Vec<TraceParent> = envelopes.iter().filter_map(TraceParent::of).collect();
    assert_eq!(traces.len(), 4);
    assert!(traces.iter().all(|trace| trace.trace_id() == "0af7651916cd43dd8448eb211c80319c"));
}
