//! Answering: each request once, whatever arrives how often (specification, Request-Response
//! Pattern, Error Responses).
//!
//! Networks repeat, and so do requesters that got no answer. The machine hands a request on once,
//! remembers the answer and replays it. What it remembers is bounded in count and in time; where the count
//! is reached, new requests are turned away, and none is performed twice.
//!
//! | what comes in | what goes out |
//! |---|---|
//! | a new request | [`Execute`](RespondOutput::Execute), once |
//! | the same again, still under way | nothing new |
//! | the same again, answered | the same answer |
//! | the same identifier with other content | an error report: conflict |
//! | a request too many, or more than can be remembered | an error report: try again |
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

mod io;
mod options;
mod rejected;

pub use io::{Rejected, RequestKey, RespondInput, RespondOutput, ResponderError};
pub use options::RespondOptions;

use super::effect::NotApplied;
use super::outbox::{Outbox, bounded_outputs};
use super::request::own_id;
use super::settings::at_least;
use super::window::Window;
use super::{IgnoreReason, Machine, Outbound, Purpose, SplitMix64, Timers, earliest, snapshot_of};
use crate::error::{Error, IntoReport, Occurrence};
use crate::json::Json;
use crate::message::{AllocationRequest, Envelope, EnvelopeHeader, ErrorReport, Message};
use crate::scalar::{
    AllocationStatus, ComponentId, CorrelationId, Digest, ErrorId, Instant, MessageId, Now,
    RequestId, WorkflowId,
};
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The field of a header that names where answers go, when that is not the address of the source. It is no part of what is asked: who asks
/// again after a restart has another one.
pub(crate) const REPLY_TO: &str = "reply_to";

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
/// let report = gate.accept(record, now, None).unwrap_err();
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
            workflow: envelope.message.workflow().cloned().unwrap_or_else(WorkflowId::global),
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
        // To forget an answer before its time would let its request be performed again.
        let known = self.known();
        if known >= self.options.remembered.max(1) {
            self.send_error(now, &key, &asked, &ResponderError::TooManyRemembered(known));
            return Ok(());
        }
        // A request that the host forgets must not take a place for ever.
        self.timers.set(key.clone(), now.at.after(at_least(self.options.execution_timeout)));
        let running = Running { content: content.clone(), asked, max_wait, queued: None };
        self.running.insert(key.clone(), running);
        let request = Box::new(envelope);
        self.out.push(RespondOutput::Execute { key, request, content });
        Ok(())
    }

    /// How many requests are under way. Those in the queue do not count until there are too many.
    fn under_way(&self) -> usize {
        // What waits in the queue does no work, so it takes none of the places for work. But it
        // takes memory: beyond the capacity it counts.
        self.running.len() - self.queued.min(self.options.capacity)
    }

    /// How many requests are known: each that is under way may have to be remembered.
    fn known(&self) -> usize {
        self.running.len() + self.done.len()
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
        // What may be remembered was decided when the request came in.
        self.done.put(key, Done { content, answer }, until, usize::MAX);
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

/// The digest of what is the same in all attempts of a request.
fn content(envelope: &mut Envelope) -> Digest {
    // What differs in each attempt of one request is set aside. All else has to be equal.
    let header = &mut envelope.header;
    let own = (header.message_id.take(), header.timestamp.take(), header.signature.take());
    let reply_to = header.extra_mut().remove(REPLY_TO);
    let digest = Digest::of(envelope.to_string().as_bytes());
    let header = &mut envelope.header;
    (header.message_id, header.timestamp, header.signature) = own;
    if let Some(address) = reply_to {
        // It was there, so there is room for it.
        let _ = header.extra_mut().insert(REPLY_TO, address);
    }
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
            RespondInput::Forget(key) => {
                self.done.remove(&key);
                Ok(())
            }
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
