//! What holds of any message: times, identity, source, routing.

use super::{FindingSink, RuleInput};
use crate::event::{Event, Registry};
use crate::finding::Code;
use crate::message::{Message, MessageKind};
use crate::route::RouteKey;
use crate::scalar::{ProtocolVersion, RequestId, Timestamp};
use crate::security::permissions::speaker;
use crate::version::VERSIONS;
use smol_str::SmolStr;

/// Two times of which the first must not be later than the second: both with their pointers.
type Pair<'a> = (String, Option<&'a Timestamp>, &'static str, Option<&'a Timestamp>);

pub(super) fn times(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    // The pointer is that of the time which is to blame: the later one of each pair.
    let mut after = |path: &str, time, before, earlier| {
        pairs.push((input.body(path), time, before, earlier));
    };
    match &input.envelope.message {
        Message::WorkflowState(state) => {
            if let Some(phase) = &state.current_phase {
                let started = phase.started_at.as_ref();
                after(
                    "current_phase/estimated_completion",
                    phase.estimated_completion.as_ref(),
                    "before the start,",
                    started,
                );
                after("timestamp", state.timestamp.as_ref(), "before the phase's start,", started);
            }
        }
        Message::AllocationResponse(response) => {
            let answered = response.timestamp.as_ref();
            let history = input.context.history;
            let requests = history.map(|history| history.exchanges().requests_of(input.envelope));
            let asked =
                requests.into_iter().flatten().filter_map(|request| request.timestamp.as_ref());
            if let Some(asked) = asked.min_by_key(|asked| asked.unix_millis()) {
                after("timestamp", answered, "before the request,", Some(asked));
            }
            for (index, other) in response.alternatives.iter().flatten().enumerate() {
                let path = format!("alternatives/{index}/available_at");
                after(&path, other.available_at.as_ref(), "before the answer,", answered);
            }
        }
        Message::HealthStatus(health) => after(
            "timestamp",
            health.timestamp.as_ref(),
            "before the last activity,",
            health.last_activity.as_ref(),
        ),
        Message::DeadLetter(letter) => {
            let first = letter.first_attempt_at.as_ref();
            let last = letter.last_attempt_at.as_ref();
            after("last_attempt_at", last, "before the first attempt,", first);
            after("died_at", letter.died_at.as_ref(), "before the last attempt,", last.or(first));
        }
        _ => {}
    }
    for (path, time, relation, earlier) in pairs {
        let (Some(time), Some(earlier)) = (time, earlier) else { continue };
        let (Some(at), Some(least)) = (time.unix_millis(), earlier.unix_millis()) else { continue };
        if at < least {
            sink.push(Code::TimeOrder, path, |finding| {
                finding
                    .with_actual(time.as_str())
                    .with_expected(earlier.as_str())
                    .with_detail(SmolStr::new_static(relation))
            });
        }
    }
}

pub(super) fn identity(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let header = &input.envelope.header;
    let body: Option<(&RequestId, String)> = match &input.envelope.message {
        Message::AllocationRequest(request) => {
            Some((&request.request_id, input.body("request_id")))
        }
        Message::AllocationResponse(response) => {
            Some((&response.request_id, input.body("request_id")))
        }
        _ => None,
    };
    if header.response_required == Some(true) {
        // The request for resources brings its own identifier.
        if header.request_id.is_none() && body.is_none() {
            missing(sink, "request_id");
        }
        if header.correlation_id.is_none() {
            missing(sink, "correlation_id");
        }
    }
    let first = header.response_to.as_ref().or(header.request_id.as_ref());
    let Some(first) = first else { return };
    if let Some(request) = &header.request_id
        && request != first
    {
        sink.differ(Code::AnswerMismatch, "/response_to", request.as_str(), first.as_str());
        return;
    }
    if let Some((request, path)) = body
        && request != first
    {
        sink.differ(Code::AnswerMismatch, path, first.as_str(), request.as_str());
    }
}

fn missing(sink: &mut FindingSink<'_>, key: &'static str) {
    sink.push(Code::RequestWithoutId, format!("/{key}"), |finding| finding.with_expected(key));
}

pub(super) fn suggestions(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::ErrorReport(report) = &input.envelope.message else { return };
    let answers = input.envelope.header.response_to.is_some();
    if answers && report.recovery_suggestions.as_ref().is_none_or(Vec::is_empty) {
        let path = input.body("recovery_suggestions");
        sink.push(Code::AnswerWithoutSuggestion, path, |finding| finding);
    }
}

pub(super) fn source(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Some(source) = &input.envelope.header.source else { return };
    if let Some((key, name)) = speaker(&input.envelope.message)
        && name != source.as_str()
    {
        sink.differ(Code::SourceMismatch, input.body(key), source.as_str(), name);
    }
}

/// What the body repeats of the header.
pub(super) fn repeated(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::AllocationRequest(request) = &input.envelope.message else { return };
    if let (Some(header), Some(body)) = (&input.envelope.header.priority, &request.priority)
        && header != body
    {
        let path = input.body("priority");
        sink.differ(Code::HeaderMismatch, path, header.as_str(), body.as_str());
    }
}

/// The version that the header states, against what is read here and against what the message is.
pub(super) fn version(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    const PATH: &str = "/protocol_version";
    let Some(stated) = &input.envelope.header.protocol_version else { return };
    let latest = &ProtocolVersion::DEFAULT;
    let major = |version: &ProtocolVersion| version.major();
    if !VERSIONS.iter().any(|known| major(known) == major(stated)) {
        // What its bodies and events mean is not known, so nothing is younger or older than it.
        sink.differ(Code::OtherMajor, PATH, latest.to_string(), &stated.to_string());
        return;
    }
    if !VERSIONS.contains(stated) {
        sink.differ(Code::UnknownVersion, PATH, latest.to_string(), &stated.to_string());
    }
    // Header keys and fields may come from any version: a reader of an older one leaves them out.
    let event = match &input.envelope.message {
        Message::Event(body) => body.event.event_type(),
        _ => None,
    };
    let kind = input.envelope.kind();
    let parts = [
        (kind != MessageKind::Unknown).then(|| (kind.as_str(), kind.since())),
        event.map(|event| (event.as_str(), &event.spec().since)),
    ];
    for (name, since) in parts.into_iter().flatten().filter(|(_, since)| *since > stated) {
        sink.push(Code::YoungerThanVersion, PATH, |finding| {
            finding
                .with_actual(name)
                .with_expected(stated.to_string())
                .with_detail(since.to_string())
        });
    }
}

/// The routing key of an event.
fn key_of<'a>(registry: &'a Registry, event: &'a Event) -> RouteKey<'a> {
    let (workflow, phase) = (event.workflow_id.as_str(), event.phase.as_str());
    RouteKey::with_registry(registry, event.type_name(), workflow, phase)
}

pub(super) fn routing(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Some(said) = &input.envelope.header.routing_key else { return };
    let Message::Event(body) = &input.envelope.message else { return };
    let key = key_of(input.registry, &body.event);
    let same = RouteKey::parse_with(input.registry, said).is_ok_and(|other| {
        other.type_name() == key.type_name()
            && other.workflow() == key.workflow()
            && other.phase().is_none_or(|phase| Some(phase) == key.phase())
    });
    if !same {
        sink.differ(Code::RoutingMismatch, "/routing_key", key.to_string(), said);
    }
}
