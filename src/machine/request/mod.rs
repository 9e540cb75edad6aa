//! Asking, and asking again (specification, Request-Response Pattern).
//!
//! A request ends exactly once for its caller: answered, failed, timed out or cancelled. Between two
//! attempts there is a pause, drawn from an exponential [`Backoff`](super::Backoff). All attempts have the same
//! `request_id` and `correlation_id`, so the responder performs it once; each has its own
//! `message_id` and `timestamp`, so that it is not taken for a replay. The machine does not sign:
//! sign what it asks to send. Write all attempts of a request in one protocol version: 1.0.0 has no
//! `source`, and a [`Responder`](super::Responder) tells requests apart by it.
//!
//! Readings of what the specification leaves open:
//!
//! * An answer that is an error report ends the request unless it says `recoverable: true`; then
//!   there is another attempt, if one is left.
//! * The answer `queued` stops the clock of the attempt. From then on the wait is the queue's: the
//!   request's own `max_wait_time`, or [`RequestOptions::queue_wait`].
//! * A final answer to an earlier attempt is as good as one to the last. But an error report that is
//!   repeated, or answers an earlier attempt (its `causation_id` says so), uses up no attempt.
//! * A final answer after the end that says something else than the end did is told as a
//!   [`Contradiction`](RequestOutput::Contradiction): what was granted late can be given back.

mod answer;
mod io;
mod options;

pub use io::{
    OutboundRequest, RequestEnd, RequestInput, RequestOutcome, RequestOutput, RequesterError,
};
pub(super) use options::REMEMBERED;
pub use options::RequestOptions;

pub(super) use answer::own_id;

use super::effect::NotApplied;
use super::outbox::{Outbox, bounded_outputs};
use super::settings::at_least;
use super::window::Window;
use super::{IgnoreReason, Machine, Outbound, Purpose, SplitMix64, Timers, snapshot_of};
use crate::error::Error;
use crate::json::Json;
use crate::message::{Envelope, Message};
use crate::scalar::{
    ComponentId, CorrelationId, Digest, ErrorId, Instant, MessageId, Now, RequestId,
};
use crate::validate::Checked;
use answer::{Verdict, answered, belongs, denies, said, verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A request that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    envelope: Envelope,
    peer: Option<ComponentId>,
    /// The attempts that were made.
    attempt: u32,
    /// The error reports that ended attempts, by which their repetitions are known.
    errors: Vec<ErrorId>,
    /// When it ends at the latest.
    last: Option<Instant>,
    state: State,
}

/// What is remembered of a request that ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Past {
    correlation_id: Option<CorrelationId>,
    peer: Option<ComponentId>,
    end: RequestEnd,
    /// When it may be forgotten.
    until: Option<Instant>,
    /// The digests of the answer that ended it and of the last that contradicted that.
    answer: Option<Digest>,
    contradiction: Option<Digest>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    /// An attempt was made, and no answer has come.
    Waiting,
    /// There is a pause before the next attempt.
    Resting {
        /// What the attempt ended with, unless it timed out.
        error: Option<Box<Envelope>>,
    },
    /// The responder has put it into its queue.
    Queued,
}

/// Makes requests, with attempts and an end for each.
///
/// ```
/// use coordination_protocol::machine::{Machine, OutboundRequest, RequestInput, Requester};
/// use coordination_protocol::message::AllocationRequest;
/// use coordination_protocol::scalar::{ComponentId, Instant, Now, RequestId, WorkflowId};
///
/// let now = Now::new(Instant::START, 1_736_942_400_000);
/// let mut hub = Requester::new(ComponentId::new("coordination-hub")?, 7);
/// let (id, workflow) = (RequestId::new("req_1")?, WorkflowId::new("wf_001")?);
/// let ask = AllocationRequest::new(id, workflow, "coordination-hub", now.timestamp());
/// hub.handle(now, RequestInput::Start(Box::new(OutboundRequest::new(ask, now, [7; 10]))))?;
/// assert_eq!(hub.poll().unwrap().to_string(), "send allocation_request req_1 attempt=1");
///
/// // The network is silent. After the time-out there is a pause, then the next attempt.
/// while let Some(at) = hub.deadline() {
///     hub.handle_timeout(Now::new(at, now.wall));
/// }
/// let said: Vec<String> = std::iter::from_fn(|| hub.poll()).map(|said| said.to_string()).collect();
/// assert_eq!(said, [
///     "send allocation_request req_1 attempt=2",
///     "send allocation_request req_1 attempt=3",
///     "end req_1 timed out attempts=3",
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "retry")]
#[doc(alias = "timeout")]
#[doc(alias = "client")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requester {
    own: ComponentId,
    options: RequestOptions,
    rng: SplitMix64,
    #[serde(with = "super::pairs")]
    open: BTreeMap<RequestId, Open>,
    timers: Timers<RequestId>,
    /// The requests that ended without an answer. What has had its time is not looked at any more, and goes
    /// with the next end: that alone is nothing to wake up for.
    ended: Window<RequestId, Past>,
    /// The requests that ended with one, if only by an error report. They make room first: who has answered
    /// hardly says something else later.
    #[serde(default = "Window::new")]
    answered: Window<RequestId, Past>,
    out: Outbox<RequestOutput>,
}

bounded_outputs!(Requester);

impl Requester {
    /// A requester of a component. The seed decides on pauses and message identifiers: give each
    /// start of a component a random one.
    pub fn new(own: ComponentId, seed: u64) -> Self {
        Requester {
            own,
            options: RequestOptions::default(),
            rng: SplitMix64::new(seed),
            open: BTreeMap::new(),
            timers: Timers::new(),
            ended: Window::new(),
            answered: Window::new(),
            out: Outbox::new(),
        }
    }

    /// Sets how it asks.
    pub fn with_options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }

    /// The requests that have not ended.
    pub fn open(&self) -> impl Iterator<Item = &RequestId> {
        self.open.keys()
    }

    fn start(&mut self, now: Now, request: OutboundRequest) -> Result<(), RequesterError> {
        self.may_start(now, &request)?;
        let OutboundRequest { mut envelope, id, peer, within } = request;
        // Responders tell requests apart by source and identifier, so a request without a source
        // shares its names with all others of that kind.
        envelope.header.source.get_or_insert_with(|| self.own.clone());
        let last = within.and_then(|within| now.at.after(at_least(within)));
        let state = State::Waiting;
        let open = Open { envelope, peer, attempt: 0, errors: Vec::new(), last, state };
        self.attempt(now, id, open);
        Ok(())
    }

    /// What is remembered of a request that ended.
    fn past(&self, now: Now, id: &RequestId) -> Option<&Past> {
        let past = self.ended.get(id).or_else(|| self.answered.get(id));
        past.filter(|past| past.until.is_none_or(|until| until > now.at))
    }

    /// Whether a request can be made.
    pub(super) fn may_start(
        &self,
        now: Now,
        request: &OutboundRequest,
    ) -> Result<(), RequesterError> {
        let OutboundRequest { envelope, id, .. } = request;
        self.out.command(RequesterError::Unpolled)?;
        // A bound refuses the newest and ends none of the open ones: each of those was promised an
        // end.
        if self.open.len() >= self.options.max_open.max(1) {
            return Err(RequesterError::Busy(self.open.len()));
        }
        // To forget before its time that a request got no answer would hide what was granted late.
        let known = self.open.len() + self.ended.len_at(now.at);
        if known >= self.options.remembered.max(1) {
            return Err(RequesterError::TooManyRemembered(known));
        }
        // A late answer to the earlier request of that name would end this one.
        if self.open.contains_key(id) || self.past(now, id).is_some() {
            return Err(RequesterError::AskedBefore(id.clone()));
        }
        // Answers repeat either of the two. If they differ, half of the answers belong to no
        // request.
        if let Some(body) = own_id(&envelope.message).filter(|body| *body != id) {
            return Err(RequesterError::IdsDiffer { header: id.clone(), body: body.clone() });
        }
        Ok(())
    }

    /// Sends the next attempt.
    fn attempt(&mut self, now: Now, id: RequestId, mut open: Open) {
        open.attempt = open.attempt.saturating_add(1);
        open.state = State::Waiting;
        let header = &mut open.envelope.header;
        header.timestamp = Some(now.timestamp());
        // Each attempt is a message of its own, or a replay cache on the way would drop the
        // repetition. The caller's own identifier is kept for the first.
        if open.attempt > 1 || header.message_id.is_none() {
            let fresh = MessageId::generate(now.id_millis(), self.rng.id_bytes());
            header.message_id = Some(fresh);
        }
        let to = open.peer.iter().cloned().collect();
        let purpose = Purpose::Request { attempt: open.attempt };
        self.out.push(Outbound::new(to, open.envelope.clone(), purpose));
        self.wait(now, id, open, self.options.timeout);
    }

    /// Keeps a request open for a while, but not beyond its last moment.
    fn wait(&mut self, now: Now, id: RequestId, open: Open, duration: Duration) {
        let until = now.at.after(at_least(duration));
        // The total deadline cuts every wait short: that of an attempt, of a pause, and of the
        // queue.
        let until = match (until, open.last) {
            (Some(until), Some(last)) => Some(until.min(last)),
            (until, last) => until.or(last),
        };
        self.timers.set(id.clone(), until);
        self.open.insert(id, open);
    }

    /// Pauses before the next attempt, or ends it if there is none.
    fn rest(&mut self, now: Now, id: RequestId, mut open: Open, error: Option<Box<Envelope>>) {
        let over = open.last.is_some_and(|last| last <= now.at);
        // Ends with what the last attempt brought: an error report tells the caller more than a
        // timeout.
        if over || !self.options.backoff.allows_after(open.attempt) {
            let outcome = error.map_or(RequestOutcome::TimedOut, RequestOutcome::Failed);
            return self.end(now, id, open, outcome);
        }
        // Also after an error report that asks for a retry: who is overloaded is not helped by
        // haste.
        let pause = self.options.backoff.pause(open.attempt, &mut self.rng);
        open.state = State::Resting { error };
        self.wait(now, id, open, pause);
    }

    fn end(&mut self, now: Now, request_id: RequestId, open: Open, mut outcome: RequestOutcome) {
        self.timers.set(request_id.clone(), None);
        let answer = match &mut outcome {
            RequestOutcome::Answered(answer) | RequestOutcome::Failed(answer) => Some(said(answer)),
            RequestOutcome::TimedOut | RequestOutcome::Cancelled => None,
        };
        let until = now.at.after(self.options.remembering());
        let past = Past {
            until,
            correlation_id: open.envelope.header.correlation_id,
            peer: open.peer,
            end: outcome.end(),
            answer,
            contradiction: None,
        };
        self.ended.expire(now.at);
        self.answered.expire(now.at);
        // How many may end without an answer was decided when the request was made.
        let window = if past.answer.is_some() { &mut self.answered } else { &mut self.ended };
        window.put(request_id.clone(), past, until, usize::MAX);
        let others = self.open.len() + self.ended.len();
        self.answered.shrink(self.options.remembered.saturating_sub(others));
        let attempts = open.attempt;
        self.out.push(RequestOutput::Ended { request_id, attempts, outcome });
    }

    fn answer(&mut self, now: Now, answer: Checked<Envelope>) -> Result<(), NotApplied> {
        let id = answered(&answer).ok_or(IgnoreReason::Unwanted)?.clone();
        let Some(open) = self.open.get(&id) else { return self.after_the_end(now, id, answer) };
        let asked = open.envelope.header.correlation_id.as_ref();
        belongs(&id, &answer, asked, open.peer.as_ref())?;
        let verdict = verdict(&answer);
        if let (Verdict::TryAgain, Message::ErrorReport(report)) = (&verdict, &answer.message) {
            // It ended its attempt before. Counted again, each repetition on the way would cost one,
            // and a request could end as failed while it is performed.
            if open.errors.contains(&report.error_id) {
                return Err(IgnoreReason::Duplicate.into());
            }
            let (caused, sent) = (&answer.header.causation_id, &open.envelope.header.message_id);
            if caused.is_some() && caused != sent {
                let detail = "it is about an earlier attempt";
                return Err(NotApplied::new(IgnoreReason::Stale, detail));
            }
        }
        match (&verdict, &open.state) {
            // The attempt is over already, or the request waits in the queue already.
            (Verdict::TryAgain, State::Resting { .. }) => {
                let detail = "the attempt is over";
                return Err(NotApplied::new(IgnoreReason::Late, detail));
            }
            (Verdict::Queued, State::Queued) => return Err(IgnoreReason::Duplicate.into()),
            _ => {}
        }
        // From here on nothing is refused: the request ends, or is entered again.
        let Some(mut open) = self.open.remove(&id) else { return Ok(()) };
        let answer = Box::new(answer.into_inner());
        match verdict {
            Verdict::Final => self.end(now, id, open, RequestOutcome::Answered(answer)),
            Verdict::Hopeless => self.end(now, id, open, RequestOutcome::Failed(answer)),
            Verdict::TryAgain => {
                if let Message::ErrorReport(report) = &answer.message {
                    open.errors.push(report.error_id.clone());
                }
                self.rest(now, id, open, Some(answer));
            }
            Verdict::Queued => {
                let asked = match &open.envelope.message {
                    Message::AllocationRequest(body) => body.constraints.as_ref(),
                    _ => None,
                };
                // The wait is the queue's from now on. The clock of the attempt would end requests
                // that are only waiting their turn, and the retry would put them at the end of the
                // queue.
                let wait = asked
                    .and_then(|constraints| constraints.max_wait_time.as_ref()?.value())
                    .unwrap_or(self.options.queue_wait);
                open.state = State::Queued;
                self.out.push(RequestOutput::Queued { request_id: id.clone(), answer });
                self.wait(now, id, open, wait);
            }
        }
        Ok(())
    }

    /// An answer to a request that has ended, or was never made.
    fn after_the_end(
        &mut self,
        now: Now,
        id: RequestId,
        answer: Checked<Envelope>,
    ) -> Result<(), NotApplied> {
        // What was never asked is a stray, or a forgery; what was forgotten looks like it.
        let past = self.past(now, &id);
        let past = past.ok_or_else(|| {
            NotApplied::new(IgnoreReason::Unknown, format_args!("`{id}` was not asked"))
        })?;
        belongs(&id, &answer, past.correlation_id.as_ref(), past.peer.as_ref())?;
        let (ended, verdict) = (past.end, verdict(&answer));
        let mut answer = Box::new(answer.into_inner());
        let said = Some(said(&mut answer));
        // A contradiction is told once, too: what it grants is to be given back once.
        if past.answer == said || past.contradiction == said {
            return Err(IgnoreReason::Duplicate.into());
        }
        let contradicts = match (ended, verdict) {
            // It neither did nor undid anything.
            (_, Verdict::TryAgain | Verdict::Queued) => false,
            // Two answers of which only one can be true.
            (RequestEnd::Answered, _) => true,
            // It was not done, as the end has it.
            (_, Verdict::Hopeless) => false,
            (_, Verdict::Final) => !denies(&answer),
        };
        if !contradicts {
            return Err(IgnoreReason::Late.into());
        }
        let past = self.ended.get_mut(&id);
        if let Some(past) = past.or_else(|| self.answered.get_mut(&id)) {
            past.contradiction = said;
        }
        self.out.push(RequestOutput::Contradiction { request_id: id, ended, answer });
        Ok(())
    }
}

impl Machine for Requester {
    type Input = RequestInput;
    type Output = RequestOutput;
    type Error = RequesterError;

    fn handle(&mut self, now: Now, input: RequestInput) -> Result<(), RequesterError> {
        match input {
            RequestInput::Start(request) => self.start(now, *request),
            RequestInput::Cancel(id) => match self.open.remove(&id) {
                Some(open) => {
                    self.end(now, id, open, RequestOutcome::Cancelled);
                    Ok(())
                }
                None => Err(RequesterError::NotOpen(id)),
            },
        }
    }

    fn wants(&self, message: &Envelope) -> bool {
        answered(message).is_some_and(|id| {
            let past = self.ended.get(id).or_else(|| self.answered.get(id));
            self.open.contains_key(id) || past.is_some()
        })
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        if let Err(why) = self.answer(now, message) {
            self.out.ignore(identity, why);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        while !self.out.is_full()
            && let Some(id) = self.timers.due(now.at)
        {
            let Some(open) = self.open.remove(&id) else { continue };
            let over = open.last.is_some_and(|last| last <= now.at);
            match open.state.clone() {
                State::Waiting => self.rest(now, id, open, None),
                // Pause and total deadline can be due at the same instant. The end wins, or an
                // attempt would go out whose answer no request waits for.
                State::Resting { error } if over => {
                    let outcome = error.map_or(RequestOutcome::TimedOut, RequestOutcome::Failed);
                    self.end(now, id, open, outcome);
                }
                State::Resting { .. } => self.attempt(now, id, open),
                // No further attempt: it would only join the same queue at its end.
                State::Queued => self.end(now, id, open, RequestOutcome::TimedOut),
            }
        }
    }

    fn poll(&mut self) -> Option<RequestOutput> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() { None } else { self.timers.earliest() }
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}
