//! Answering: each request once, whatever arrives how often (specification, Request-Response
//! Pattern, Error Responses).
//!
//! Networks repeat, and so do requesters that got no answer. The machine hands a request on once,
//! remembers the answer and replays it. What it remembers is bounded in count and in time.
//!
//! | what comes in | what goes out |
//! |---|---|
//! | a new request | [`Execute`](RespondOutput::Execute), once |
//! | the same again, still under way | nothing new |
//! | the same again, answered | the same answer |
//! | the same identifier with other content | an error report: conflict |
//! | a request too many | an error report: try again |
//! | a request without an answer in time | an error report: try again |
//! | an invalid message that is readable, has a `request_id`, wants an answer and comes from an accepted source | one error report with at least one suggestion |
//! | any other invalid message | a dead letter, no answer |
//! | an invalid error report | a dead letter, never an error about an error |
//! | an invalid dead letter | nothing, never a letter about a letter |
//!
//! So messages without a known sender cause no reply, however many there are. An answer that is a
//! `recoverable` error report is not remembered: the next attempt is performed anew. Requests are told
//! apart by source and `request_id`, so no component gets at the answers of another. All requests without a
//! `source`, as protocol 1.0.0 writes them, count as one requester's.

use super::effect::{NotApplied, machine_output};
use super::outbox::{Outbox, bounded_outputs};
use super::request::own_id;
use super::settings::{at_least, from_settings};
use super::window::Window;
use super::{
    IgnoreReason, Ignored, Machine, MessageIdentity, Outbound, Purpose, RequestOptions, Settings,
    SplitMix64, Timers, earliest, snapshot_of,
};
use crate::error::{Error, IntoReport, Occurrence, leaf_errors};
use crate::finding::{Code, FindingSeverity, Level, Report};
use crate::json::{self, Json};
use crate::message::{
    AllocationRequest, DeadLetter, Envelope, EnvelopeHeader, ErrorReport, Message, MessageKind,
    peek,
};
use crate::scalar::{
    AllocationStatus, ComponentId, CorrelationId, Count, Digest, ErrorId, Instant, MessageId, Now,
    RequestId, TextEncoding, WorkflowId, printable,
};
use crate::validate::Checked;
use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// How long answers are remembered at least: networks repeat messages late, too.
const LEAST_REMEMBERED: Duration = Duration::from_secs(300);

/// How a [`Responder`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RespondOptions {
    /// How many requests may be under way, those in a queue not counted. Default 50.
    pub concurrent: usize,
    /// How many answers are remembered, and how many requests may wait in a queue. Default
    /// 1000.
    pub capacity: usize,
    /// How long an answer is remembered: as long as an attempt of its request may still arrive, or the
    /// request would be performed twice. Default [`RequestOptions::longest`], which is attempts times
    /// timeout and longest pause, and at least 5 min.
    pub remember: Duration,
    /// How long a request may be under way: as long as its requester waits and asks again. Default
    /// [`RequestOptions::longest`], 102 s.
    pub execution_timeout: Duration,
    /// How long a queued request may wait that has no `max_wait_time`. Default 10 min.
    pub queue_wait: Duration,
    /// The components whose invalid requests are answered. Default none.
    pub accepted: BTreeSet<ComponentId>,
}

impl RespondOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        RespondOptions::default()
    }

    /// Sets how many requests may be under way.
    pub fn with_concurrent(mut self, requests: usize) -> Self {
        self.concurrent = requests;
        self
    }

    /// Sets how many answers are remembered, and how many requests may wait in a queue.
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Sets how long an answer is remembered.
    pub fn with_remember(mut self, duration: Duration) -> Self {
        self.remember = duration;
        self
    }

    /// Sets how long a request may be under way.
    pub fn with_execution_timeout(mut self, duration: Duration) -> Self {
        self.execution_timeout = duration;
        self
    }

    /// Sets how long a queued request may wait that has no `max_wait_time`.
    pub fn with_queue_wait(mut self, duration: Duration) -> Self {
        self.queue_wait = duration;
        self
    }

    /// Answers invalid requests of a component.
    pub fn with_accepted(mut self, component: ComponentId) -> Self {
        self.accepted.insert(component);
        self
    }
}

impl From<&Settings> for RespondOptions {
    fn from(settings: &Settings) -> Self {
        let longest = RequestOptions::from(settings).longest();
        RespondOptions {
            concurrent: settings.max_concurrent_operations,
            capacity: settings.event_queue_size,
            remember: longest.max(LEAST_REMEMBERED),
            execution_timeout: longest,
            queue_wait: Duration::from_secs(600),
            accepted: BTreeSet::new(),
        }
    }
}
from_settings!(RespondOptions);

/// One request of one component, to be handed back with its answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestKey {
    /// Who asked; `None` if the request does not say.
    pub source: Option<ComponentId>,
    /// The request.
    pub request_id: RequestId,
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{} of {source}", self.request_id),
            None => write!(f, "{}", self.request_id),
        }
    }
}

/// A record that the [`Gate`](crate::validate::Gate) refused.
#[derive(Clone, Debug)]
pub struct Rejected {
    record: Vec<u8>,
    report: Report,
    from: Option<ComponentId>,
}

impl Rejected {
    /// A record, and the report that refused it.
    pub fn new(record: impl Into<Vec<u8>>, report: Report) -> Self {
        Rejected { record: record.into(), report, from: None }
    }

    /// What identifies the record, as far as it can be read.
    fn identity(&self) -> MessageIdentity {
        let seen = std::str::from_utf8(&self.record).ok().map(peek);
        let kind = seen.as_ref().map_or(MessageKind::Unknown, |seen| seen.kind);
        let header = seen.and_then(|seen| seen.header).unwrap_or_default();
        MessageIdentity::from_header(kind, &header)
    }

    /// Sets the component that the transport knows the record to come from.
    pub fn with_source(mut self, from: ComponentId) -> Self {
        self.from = Some(from);
        self
    }
}

/// What a host wants of a [`Responder`]. Requests are [received](Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RespondInput {
    /// Something came that the gate refused. That is never an error.
    Rejected(Box<Rejected>),
    /// The request of a key has an answer. After an allocation response that says `queued`, there
    /// is one more.
    Answer(RequestKey, Box<Message>),
}

/// Why a [`Responder`] refuses an input, or answers a request that is valid by itself with an error
/// report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponderError {
    /// The request has its answer, ran out of time, or never came.
    #[error("`{}` is not under way", printable(.0))]
    NotUnderWay(RequestKey),
    /// Told to the requester only: its identifier stands for another request.
    #[error("`{}` was used for another request", printable(.0))]
    IdReused(RequestId),
    /// Told to the requester only: too many requests are under way.
    #[error("{0} requests are under way, which is the limit")]
    Busy(usize),
    /// Told to the requester only: no answer was given in time.
    #[error("the request was not answered in time")]
    TimedOut,
}

leaf_errors! {
    ResponderError, Machine {
        Self::NotUnderWay(_) => ["not-under-way", Execution, Conflict, lasting, "correct_and_retry", "Answer each request once, with the key that came with it."],
        Self::IdReused(_) => ["id-reused", State, Conflict, lasting, "correct_and_resend", "Send the request under an identifier of its own.", unrecoverable()],
        Self::Busy(_) => ["busy", Resource, LimitExceeded, transient, "retry", "Send the request again after a pause."],
        Self::TimedOut => ["timed-out", Execution, Timeout, transient, "retry", "Send the request again after a pause."],
    }
}

/// What a [`Responder`] asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RespondOutput {
    /// Do what the request asks, and hand in the answer with the key.
    Execute {
        /// The key.
        key: RequestKey,
        /// The request.
        request: Box<Envelope>,
    },
    /// Send this answer.
    Send(Outbound),
    /// Stop working on it: its time is over.
    Cancel(RequestKey),
    /// Keep this as evidence. It was not answered.
    DeadLetter(Box<DeadLetter>),
    /// A message was not applied.
    Ignored(Ignored),
}

machine_output!(RespondOutput);

impl fmt::Display for RespondOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RespondOutput::Execute { key, .. } => write!(f, "execute {key}"),
            RespondOutput::Send(outbound) => outbound.fmt(f),
            RespondOutput::Cancel(key) => write!(f, "cancel {key}"),
            RespondOutput::DeadLetter(letter) => write!(f, "dead letter: {}", letter.reason),
            RespondOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
        }
    }
}

/// What an error report says.
pub(super) fn text(report: &ErrorReport) -> &str {
    let details = report.details.as_ref();
    details.and_then(|details| details.error_message.as_deref()).unwrap_or("no reason given")
}

/// A request that has no final answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Running {
    content: Digest,
    asked: Asked,
    /// The longest it wants to wait in a queue.
    max_wait: Option<Duration>,
    /// The answer that it waits in the queue.
    queued: Option<Box<Envelope>>,
}

/// What an answer must repeat.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    correlation_id: Option<CorrelationId>,
    causation_id: Option<MessageId>,
    workflow: WorkflowId,
    /// Whether the requester waits.
    waits: bool,
}

/// A request that has its final answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Done {
    /// `None` for an invalid request.
    content: Option<Digest>,
    /// `None` if the requester did not wait for one.
    answer: Option<Box<Envelope>>,
}

/// Answers requests.
///
/// ```
/// use coordination_protocol::machine::{Machine, Rejected, RespondInput, RespondOptions, Responder};
/// use coordination_protocol::scalar::{ComponentId, Instant, Now};
/// use coordination_protocol::validate::{Gate, Validator};
/// use coordination_protocol::Mode;
///
/// let hub = ComponentId::new("coordination-hub")?;
/// let options = RespondOptions::new().with_accepted(hub);
/// let mut responder = Responder::new(ComponentId::new("resource-manager")?, 7).with_options(options);
/// let mut gate = Gate::new(Validator::new(Mode::Strict));
/// let now = Now::new(Instant::START, 1_736_942_400_000);
///
/// let record = br#"{"source":"coordination-hub","request_id":"req_1","correlation_id":"corr_1",
///     "response_required":true,"allocation_request":{"request_id":"req_1"}}"#;
/// let report = gate.accept(record, now.wall, None).unwrap_err();
/// responder.handle(now, RespondInput::Rejected(Box::new(Rejected::new(*record, report))))?;
/// let said = responder.poll().unwrap().to_string();
/// assert!(said.starts_with("send error_report for req_1 to coordination-hub: `workflow_id` is missing"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "idempotency")]
#[doc(alias = "deduplication")]
#[doc(alias = "server")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Responder {
    own: ComponentId,
    options: RespondOptions,
    rng: SplitMix64,
    #[serde(with = "super::pairs")]
    running: BTreeMap<RequestKey, Running>,
    /// How many of these wait in a queue.
    queued: usize,
    timers: Timers<RequestKey>,
    done: Window<RequestKey, Done>,
    out: Outbox<RespondOutput>,
}

bounded_outputs!(Responder);

impl Responder {
    /// A responder of a component. The seed decides on identifiers: give each start of a component a
    /// random one.
    pub fn new(own: ComponentId, seed: u64) -> Self {
        Responder {
            own,
            options: RespondOptions::default(),
            rng: SplitMix64::new(seed),
            running: BTreeMap::new(),
            queued: 0,
            timers: Timers::new(),
            done: Window::new(),
            out: Outbox::new(),
        }
    }

    /// Sets how it answers.
    pub fn with_options(mut self, options: RespondOptions) -> Self {
        self.options = options;
        self
    }

    /// The requests that have no final answer.
    pub fn running(&self) -> impl Iterator<Item = &RequestKey> {
        self.running.keys()
    }

    fn request(&mut self, now: Now, envelope: Checked<Envelope>) -> Result<(), NotApplied> {
        let mut envelope = envelope.into_inner();
        let request_id = requested(&envelope).ok_or(IgnoreReason::Unwanted)?.clone();
        let header = &envelope.header;
        let body = allocation(&envelope);
        let key = RequestKey { source: header.source.clone(), request_id };
        let asked = Asked {
            correlation_id: header.correlation_id.clone(),
            causation_id: header.message_id.clone(),
            workflow: body.map_or_else(WorkflowId::global, |body| body.workflow_id.clone()),
            waits: header.response_required != Some(false),
        };
        // An identifier alone does not make a repetition. With other content, replaying the old
        // answer would claim that the new request was done.
        let max_wait = body
            .and_then(|body| body.constraints.as_ref()?.max_wait_time.as_ref())
            .and_then(crate::scalar::Span::value);
        let content = content(&mut envelope);
        // First, so that the verdict does not depend on whether the host has called
        // `handle_timeout` yet.
        self.done.expire(now.at);
        if let Some(done) = self.done.get(&key) {
            if done.content.as_ref() == Some(&content) {
                let answer = done.answer.clone();
                self.replay(&key, answer);
            } else {
                self.id_reused(now, &key, &asked);
            }
            return Ok(());
        }
        // Looked up before the limit: a repetition takes no place, so it is not turned away.
        if let Some(running) = self.running.get_mut(&key) {
            if running.content == content {
                // The answer names the attempt that came last, so that the requester does not take
                // it for one of an attempt that it has given up.
                running.asked.causation_id = asked.causation_id;
                let answer = running.queued.clone();
                self.replay(&key, answer);
            } else {
                self.id_reused(now, &key, &asked);
            }
            return Ok(());
        }
        let under_way = self.under_way();
        // Told as recoverable and not remembered: the next attempt may find a place.
        if under_way >= self.options.concurrent.max(1) {
            self.send_error(now, &key, &asked, &ResponderError::Busy(under_way));
            return Ok(());
        }
        // A request that the host forgets must not take a place for ever.
        self.timers.set(key.clone(), now.at.after(at_least(self.options.execution_timeout)));
        let running = Running { content, asked, max_wait, queued: None };
        self.running.insert(key.clone(), running);
        let request = Box::new(envelope);
        self.out.push(RespondOutput::Execute { key, request });
        Ok(())
    }

    /// How many requests are under way. Those in the queue do not count until there are too many.
    fn under_way(&self) -> usize {
        // What waits in the queue does no work, so it takes none of the places for work. But it
        // takes memory: beyond the capacity it counts.
        self.running.len() - self.queued.min(self.options.capacity)
    }

    /// Takes out a request that has its answer, or gets none.
    fn take(&mut self, key: &RequestKey) -> Option<Running> {
        let running = self.running.remove(key)?;
        self.queued -= usize::from(running.queued.is_some());
        Some(running)
    }

    fn replay(&mut self, key: &RequestKey, answer: Option<Box<Envelope>>) {
        if let Some(envelope) = answer {
            let to = key.source.iter().cloned().collect();
            self.out.push(Outbound::new(to, *envelope, Purpose::Answer));
        }
    }

    fn id_reused(&mut self, now: Now, key: &RequestKey, asked: &Asked) {
        let problem = ResponderError::IdReused(key.request_id.clone());
        self.send_error(now, key, asked, &problem);
    }

    /// Answers with an error report that is not remembered.
    fn send_error(&mut self, now: Now, key: &RequestKey, asked: &Asked, problem: &ResponderError) {
        // Who does not wait did not ask for a report either.
        if asked.waits {
            let report = self.report(now, asked, problem);
            let answer = self.reply(now, key, asked, report.into());
            self.replay(key, Some(answer));
        }
    }

    fn report(&mut self, now: Now, asked: &Asked, error: &impl IntoReport) -> ErrorReport {
        let id = ErrorId::generate(now.id_millis(), self.rng.id_bytes());
        let workflow = asked.workflow.clone();
        error.to_report(&Occurrence::new(id, workflow, now.timestamp()))
    }

    /// The envelope of an answer.
    fn reply(
        &mut self,
        now: Now,
        key: &RequestKey,
        asked: &Asked,
        message: Message,
    ) -> Box<Envelope> {
        let mut header = EnvelopeHeader::new()
            .with_message_id(MessageId::generate(now.id_millis(), self.rng.id_bytes()))
            .with_timestamp(now.timestamp())
            .with_source(self.own.clone())
            .with_request_id(key.request_id.clone())
            .with_response_to(key.request_id.clone());
        // Also in error reports, so that the requester finds the exchange that they belong to.
        header.correlation_id.clone_from(&asked.correlation_id);
        header.causation_id.clone_from(&asked.causation_id);
        Box::new(Envelope::new(header, message))
    }

    fn answer(
        &mut self,
        now: Now,
        key: RequestKey,
        message: Message,
    ) -> Result<(), ResponderError> {
        // Late or twice: the requester has been told something else already.
        let Some(mut running) = self.take(&key) else {
            return Err(ResponderError::NotUnderWay(key));
        };
        let queued = matches!(&message, Message::AllocationResponse(body)
            if body.status == AllocationStatus::Queued);
        // An error that says `retry` is not remembered: the retry would get the error back instead
        // of being executed.
        let again = matches!(&message, Message::ErrorReport(report)
            if report.classification.recoverable == Some(true));
        let answer = self.reply(now, &key, &running.asked, message);
        let waits = running.asked.waits;
        if waits {
            self.replay(&key, Some(answer.clone()));
        }
        // The request stays open under a wait of its own, and repetitions meanwhile get `queued`
        // again.
        if queued {
            let wait = running.max_wait.unwrap_or(self.options.queue_wait);
            self.timers.set(key.clone(), now.at.after(at_least(wait)));
            running.queued = Some(answer);
            self.queued += 1;
            self.running.insert(key, running);
            return Ok(());
        }
        self.timers.set(key.clone(), None);
        if !again {
            self.remember(now, key, Some(running.content), waits.then_some(answer));
        }
        Ok(())
    }

    fn remember(
        &mut self,
        now: Now,
        key: RequestKey,
        content: Option<Digest>,
        answer: Option<Box<Envelope>>,
    ) {
        let until = now.at.after(at_least(self.options.remember));
        self.done.put(key, Done { content, answer }, until, self.options.capacity);
    }

    /// What becomes of a message that is invalid.
    fn rejected(&mut self, now: Now, rejected: &Rejected) {
        let seen = std::str::from_utf8(&rejected.record).ok().map(|text| (text, peek(text)));
        let kind = seen.as_ref().map_or(MessageKind::Unknown, |(_, seen)| seen.kind);
        let answerable =
            seen.and_then(|(text, seen)| self.answerable(text, seen.header?, rejected));
        match (kind, answerable) {
            // A letter about a letter, and one about that, would fill the dead letters by
            // themselves.
            (MessageKind::DeadLetter, _) => {}
            // An error about an error comes back as an error about that one: two components would
            // keep each other busy for ever.
            (MessageKind::ErrorReport, _) | (_, None) => self.dead_letter(now, rejected),
            (_, Some((key, asked))) => {
                self.done.expire(now.at);
                let known = self.done.get(&key);
                match known {
                    // The same rubbish again gets the same answer: no new identifier, no new entry,
                    // so a flood of it moves nothing out of memory.
                    Some(Done { content: None, answer }) => {
                        let answer = answer.clone();
                        self.replay(&key, answer);
                    }
                    // A valid request of this name is known. Its answer is not given out for a text
                    // that could not be read.
                    _ if known.is_some() || self.running.contains_key(&key) => {
                        self.id_reused(now, &key, &asked);
                    }
                    _ => {
                        let mut report = self.report(now, &asked, &rejected.report);
                        // The same message is as invalid the next time.
                        report.classification.recoverable = Some(false);
                        let answer = self.reply(now, &key, &asked, report.into());
                        self.replay(&key, Some(answer.clone()));
                        self.remember(now, key, None, Some(answer));
                    }
                }
            }
        }
    }

    /// Whom to answer about an invalid message, if anybody.
    fn answerable(
        &self,
        text: &str,
        header: EnvelopeHeader,
        rejected: &Rejected,
    ) -> Option<(RequestKey, Asked)> {
        let findings = rejected.report.findings();
        let refused = |level| {
            findings.iter().any(|f| f.level() == level && f.severity == FindingSeverity::Error)
        };
        // A header out of a broken text may be anybody's, and who fails the security checks learns
        // nothing from us.
        if findings.iter().any(|finding| unreadable(finding.code)) || refused(Level::Security) {
            return None;
        }
        let source = match (header.source, &rejected.from) {
            // An answer to a source that the transport contradicts would hit a third party.
            (Some(said), Some(known)) if said != *known => return None,
            (Some(said), _) => said,
            (None, known) => known.clone()?,
        };
        // No list, no answer: otherwise forged sources could turn us into a sender of messages to
        // others.
        if header.response_required != Some(true)
            || header.response_to.is_some()
            || !self.options.accepted.contains(&source)
        {
            return None;
        }
        // The text was refused, so nothing is decoded: a pointer fetches what an answer has to
        // name.
        let place = text.bytes().take_while(u8::is_ascii_whitespace).count();
        let body = |key| json::pointer::find(text, place, key).map(|token| token.decode(text));
        let in_body = || {
            let id = body("/allocation_request/request_id");
            RequestId::new(id.or_else(|| body("/conflict_check/request_id"))?).ok()
        };
        let workflow =
            body("/allocation_request/workflow_id").and_then(|id| WorkflowId::new(id).ok());
        let key =
            RequestKey { source: Some(source), request_id: header.request_id.or_else(in_body)? };
        let asked = Asked {
            correlation_id: header.correlation_id,
            causation_id: header.message_id,
            workflow: workflow.unwrap_or_else(WorkflowId::global),
            waits: true,
        };
        Some((key, asked))
    }

    fn dead_letter(&mut self, now: Now, rejected: &Rejected) {
        let (original, encoding) = match std::str::from_utf8(&rejected.record) {
            Ok(text) => (text.to_owned(), TextEncoding::Utf8),
            // Evidence keeps each byte, also what no text can hold.
            Err(_) => (Base64::encode_string(&rejected.record), TextEncoding::Base64),
        };
        let findings = rejected.report.findings();
        let reason = match findings.iter().find(|finding| unreadable(finding.code)) {
            Some(finding) => format!("{finding} ({})", finding.code),
            None => rejected.report.problem().message,
        };
        let letter = DeadLetter::new(reason, original, Count::new(1), now.timestamp())
            .with_encoding(encoding)
            .with_subscriber(self.own.clone())
            .with_findings(findings.iter().filter_map(|f| Json::of(f).ok()).collect::<Vec<_>>());
        self.out.push(RespondOutput::DeadLetter(Box::new(letter)));
    }
}

/// The request that a message makes; `None` if it makes none, or answers one: two components that
/// answer each other's answers would never stop.
fn requested(envelope: &Envelope) -> Option<&RequestId> {
    let answers = envelope.header.response_to.is_some()
        || matches!(envelope.message, Message::AllocationResponse(_));
    let id = envelope.header.request_id.as_ref().or(own_id(&envelope.message));
    id.filter(|_| !answers)
}

fn allocation(envelope: &Envelope) -> Option<&AllocationRequest> {
    match &envelope.message {
        Message::AllocationRequest(body) => Some(body),
        _ => None,
    }
}

/// Whether nothing of such a record can be relied on, not even its header.
const fn unreadable(code: Code) -> bool {
    matches!(
        code,
        Code::TooLong
            | Code::TooDeep
            | Code::TooManyKeys
            | Code::NotUtf8
            | Code::BrokenJson
            | Code::TrailingText
            | Code::DuplicateKey
            | Code::NotAMessage
            | Code::NotAnEvent
            | Code::SecondBody
    )
}

/// The digest of what is the same in all attempts of a request.
fn content(envelope: &mut Envelope) -> Digest {
    // What differs in each attempt of one request is set aside. All else has to be equal.
    let header = &mut envelope.header;
    let own = (header.message_id.take(), header.timestamp.take(), header.signature.take());
    let digest = Digest::of(envelope.to_string().as_bytes());
    let header = &mut envelope.header;
    (header.message_id, header.timestamp, header.signature) = own;
    digest
}

impl Machine for Responder {
    type Input = RespondInput;
    type Output = RespondOutput;
    type Error = ResponderError;

    fn handle(&mut self, now: Now, input: RespondInput) -> Result<(), ResponderError> {
        match input {
            RespondInput::Rejected(rejected) => {
                if self.out.admits(|| rejected.identity()) {
                    self.rejected(now, &rejected);
                }
                Ok(())
            }
            RespondInput::Answer(key, message) => self.answer(now, key, *message),
        }
    }

    fn wants(&self, message: &Envelope) -> bool {
        requested(message).is_some()
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        if let Err(why) = self.request(now, message) {
            self.out.ignore(identity, why);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.out.is_full() {
            return;
        }
        self.done.expire(now.at);
        while !self.out.is_full()
            && let Some(key) = self.timers.due(now.at)
        {
            let Some(running) = self.take(&key) else { continue };
            // The handler stops before the requester hears of it: the retry may come at once, and
            // must not run beside the first.
            self.out.push(RespondOutput::Cancel(key.clone()));
            self.send_error(now, &key, &running.asked, &ResponderError::TimedOut);
        }
    }

    fn poll(&mut self) -> Option<RespondOutput> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() {
            return None;
        }
        // Forgetting is due work, too: after `handle_timeout` nothing may be left that was due.
        earliest([self.timers.earliest(), self.done.deadline()])
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}
