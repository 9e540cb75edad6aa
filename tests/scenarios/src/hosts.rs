//! Who asks and who answers: hosts around a [`Caller`] and a [`Responder`].

use super::component;
use coordination_protocol::error::{IntoReport, Occurrence, Problem};
use coordination_protocol::finding::Code;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    Caller, CallerError, CallerOptions, CallerOutput, Machine, OutboundRequest, Purpose, Rejected,
    RequestInput, RequestKey, RequestOutcome, RequestOutput, RespondInput, RespondOptions,
    RespondOutput, Responder, SplitMix64, Timers,
};
use coordination_protocol::message::{
    AllocatedResources, AllocationRequest, AllocationResponse, Constraints, Envelope, ErrorReport,
    Message, Resources,
};
use coordination_protocol::scalar::{
    AllocationId, AllocationStatus, ComponentId, Count, ErrorCategory, ErrorId, ErrorType, Instant,
    Now, RequestId, ResponseId, Span, WorkflowId,
};
use coordination_protocol::sim::{Actor, Effects, Host};
use coordination_protocol::validate::{Checked, Gate};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Every eighth stimulus gives up what was asked first; the others ask.
const CANCELS: u64 = 8;

/// Asks one peer. A stimulus is a request, named by its number.
pub(super) struct Asking {
    own: ComponentId,
    peer: ComponentId,
    caller: Caller,
    gate: Gate,
    draws: SplitMix64,
}

impl Asking {
    pub(super) fn new(host: &Host<'_>, peer: &str, options: CallerOptions, gate: Gate) -> Self {
        let (own, mut draws) = (component(host.name), SplitMix64::new(host.seed));
        let kept = host.disk.and_then(|disk| Caller::restore(disk).ok());
        let caller = kept
            .unwrap_or_else(|| Caller::new(own.clone(), draws.next_u64()).with_options(options));
        Asking { own, peer: component(peer), caller, gate, draws }
    }

    fn ask(&mut self, now: Now, number: u64, effects: &mut Effects) {
        let id = request_id(number);
        let request = request(number, &self.own, now);
        let ask =
            OutboundRequest::new(request, now, self.draws.id_bytes()).with_peer(self.peer.clone());
        let asked = self.caller.handle(now, RequestInput::Start(Box::new(ask)));
        // The circuit changes before the request is made.
        let outputs: Vec<_> = std::iter::from_fn(|| self.caller.poll()).collect();
        let is_circuit = |output: &&CallerOutput| matches!(output, CallerOutput::Circuit { .. });
        for output in outputs.iter().filter(is_circuit) {
            self.carry_out(output, effects);
        }
        match asked {
            Ok(()) => effects.mark("asked", id.as_str()),
            Err(CallerError::Circuit(_)) => effects.mark("kept-away", id.as_str()),
            Err(refused) => effects.mark("not-asked", format!("{id} {refused}")),
        }
        for output in outputs.iter().filter(|output| !is_circuit(output)) {
            self.carry_out(output, effects);
        }
    }

    fn follow(&mut self, effects: &mut Effects) {
        while let Some(output) = self.caller.poll() {
            self.carry_out(&output, effects);
        }
    }

    fn carry_out(&self, output: &CallerOutput, effects: &mut Effects) {
        match output {
            CallerOutput::Send(message) => {
                let id = message.envelope.header.request_id.as_ref();
                if let (Some(id), Purpose::Request { attempt }) = (id, message.purpose) {
                    let message_id = message.envelope.header.message_id.as_ref();
                    let message_id = message_id.map_or("", |id| id.as_str());
                    effects.mark("attempt", format!("{id} {attempt} {message_id}"));
                }
                effects.send(self.peer.as_str(), message.envelope.to_string());
            }
            CallerOutput::Request(RequestOutput::Queued { request_id, .. }) => {
                effects.mark("queued", request_id.as_str());
            }
            CallerOutput::Request(RequestOutput::Ended { request_id, outcome, .. }) => {
                let text = match outcome {
                    RequestOutcome::Answered(answer) => {
                        format!("{request_id} answered {}", name_of(answer))
                    }
                    // A peer that says why is at work; one that says "later" is not.
                    RequestOutcome::Failed(answer) if !is_recoverable(answer) => {
                        format!("{request_id} refused")
                    }
                    RequestOutcome::TimedOut => format!("{request_id} timed-out"),
                    other => format!("{request_id} {other}"),
                };
                effects.mark("ended", text);
            }
            CallerOutput::Request(RequestOutput::Contradiction { request_id, answer, .. }) => {
                effects.mark("contradicts", format!("{request_id} {}", name_of(answer)));
            }
            CallerOutput::Circuit { from, to, .. } => {
                effects.mark("circuit", format!("{from} -> {to}"));
            }
            CallerOutput::Ignored(ignored) => {
                let id = ignored.message.response_to.as_ref();
                let id = id.map_or("", |id| id.as_str());
                effects.mark("ignored", format!("{id} {}", ignored.reason));
            }
            other => panic!("no host knows {other:?}"),
        }
    }
}

impl Actor for Asking {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        let Ok(envelope) = admit(&mut self.gate, now, from, bytes) else {
            return effects.mark("turned-away", from);
        };
        self.caller.receive(now, envelope);
        self.follow(effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.caller.handle_timeout(now);
        self.follow(effects);
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        if number.is_multiple_of(CANCELS) {
            let first = self.caller.open().next().cloned();
            if let Some(id) = first {
                // It is open, so it can be cancelled.
                let _ = self.caller.handle(now, RequestInput::Cancel(id));
            }
        } else {
            self.ask(now, number, effects);
        }
        self.follow(effects);
    }

    fn deadline(&self) -> Option<Instant> {
        self.caller.deadline()
    }

    fn disk(&self) -> Option<Json> {
        self.caller.snapshot().ok()
    }
}

/// A message whose source is who sent it, past the gate.
pub(super) fn admit(
    gate: &mut Gate,
    now: Now,
    from: &str,
    bytes: &[u8],
) -> Result<Checked<Envelope>, Option<Rejected>> {
    let sender = component(from);
    match gate.accept(bytes, now, Some(&sender)) {
        Ok(envelope) => Ok(envelope),
        // The transport knows better, so there is nobody to answer.
        Err(report) if report.has(Code::ForeignSource) => Err(None),
        Err(report) => Err(Some(Rejected::new(bytes, report).with_source(sender))),
    }
}

pub(super) fn request_id(number: u64) -> RequestId {
    RequestId::new(format!("req_{number}")).expect("digits make an identifier")
}

/// What the request of a number asks for.
pub(super) fn request(number: u64, own: &ComponentId, now: Now) -> AllocationRequest {
    let wait = Constraints::new().with_max_wait_time(Span::from(Duration::from_secs(40)));
    let workflow = WorkflowId::new(format!("wf_{number}")).expect("digits make an identifier");
    AllocationRequest::new(request_id(number), workflow, own.as_str(), now.timestamp())
        .with_resources(Resources::new().with_agents(Count::new(1 + number % 5)))
        .with_constraints(wait)
}

fn is_recoverable(answer: &Envelope) -> bool {
    match &answer.message {
        Message::ErrorReport(report) => report.classification.recoverable == Some(true),
        _ => false,
    }
}

/// What tells an answer from others.
fn name_of(answer: &Envelope) -> String {
    match &answer.message {
        Message::AllocationResponse(body) => body.response_id.to_string(),
        other => other.kind().to_string(),
    }
}

/// Answers all requests, after a while that depends on the request.
pub(super) struct Answering {
    disk: AnsweringDisk,
    gate: Gate,
    draws: SplitMix64,
}

#[derive(Serialize, Deserialize)]
struct AnsweringDisk {
    responder: Responder,
    /// When the work on a request is done.
    work: Timers<RequestKey>,
    /// The requests that wait in the queue.
    queued: Vec<RequestKey>,
}

/// What comes of a request.
enum Nature {
    Granted,
    Denied,
    Queued,
    TryAgain,
    Hopeless,
}

impl Answering {
    pub(super) fn new(host: &Host<'_>, options: RespondOptions, gate: Gate) -> Self {
        let mut draws = SplitMix64::new(host.seed);
        let disk = host.disk.and_then(|disk| disk.decode().ok()).unwrap_or_else(|| AnsweringDisk {
            responder: Responder::new(component(host.name), draws.next_u64()).with_options(options),
            work: Timers::new(),
            queued: Vec::new(),
        });
        Answering { disk, gate, draws }
    }

    /// Carries out the outputs of the responder.
    fn follow(&mut self, now: Now, effects: &mut Effects) {
        while let Some(output) = self.disk.responder.poll() {
            match output {
                RespondOutput::Execute { key, .. } => {
                    effects.mark("performs", key.request_id.as_str());
                    let (_, takes) = nature(&key.request_id);
                    self.disk.work.set(key, now.at.after(takes));
                }
                RespondOutput::Send(message) => {
                    for to in &message.to {
                        effects.send(to.as_str(), message.envelope.to_string());
                    }
                }
                RespondOutput::Ignored(ignored) => effects.mark("not-taken", ignored.to_string()),
                RespondOutput::Cancel(key) => {
                    effects.mark("abandons", key.request_id.as_str());
                    self.disk.queued.retain(|queued| *queued != key);
                    self.disk.work.set(key, None);
                }
                RespondOutput::DeadLetter(letter) => effects.mark("dead-letters", letter.reason),
                other => panic!("no host knows {other:?}"),
            }
        }
    }

    /// The work on a request is done.
    fn done(&mut self, now: Now, key: RequestKey, effects: &mut Effects) {
        let id = key.request_id.clone();
        let waited = self.disk.queued.iter().position(|queued| *queued == key);
        let message = match (nature(&id).0, waited) {
            (Nature::Queued, None) => {
                self.disk.queued.push(key.clone());
                self.disk.work.set(key.clone(), now.at.after(Duration::from_secs(20)));
                effects.mark("queues", id.as_str());
                self.response(&id, AllocationStatus::Queued, now).into()
            }
            (Nature::Granted | Nature::Queued, waited) => {
                waited.map(|at| self.disk.queued.remove(at));
                let granted = AllocatedResources::new()
                    .with_allocation_id(AllocationId::generate(
                        now.id_millis(),
                        self.draws.id_bytes(),
                    ))
                    .with_agents(Count::new(1));
                self.response(&id, AllocationStatus::Approved, now)
                    .with_allocated_resources(granted)
                    .into()
            }
            (Nature::Denied, _) => self.response(&id, AllocationStatus::Denied, now).into(),
            (Nature::TryAgain, _) => Message::from(self.error(now, true)),
            (Nature::Hopeless, _) => Message::from(self.error(now, false)),
        };
        match &message {
            Message::AllocationResponse(body) if body.status != AllocationStatus::Queued => {
                effects.mark("answers", format!("{id} {}", body.response_id));
            }
            Message::ErrorReport(report) if report.classification.recoverable == Some(true) => {
                effects.mark("puts-off", id.as_str());
            }
            Message::ErrorReport(_) => effects.mark("answers", format!("{id} error")),
            _ => {}
        }
        // Work is forgotten when the responder abandons it, so there is a request to answer.
        let _ = self.disk.responder.handle(now, RespondInput::Answer(key, Box::new(message)));
    }

    fn response(
        &mut self,
        id: &RequestId,
        status: AllocationStatus,
        now: Now,
    ) -> AllocationResponse {
        let name = ResponseId::generate(now.id_millis(), self.draws.id_bytes());
        AllocationResponse::new(name, id.clone(), status, now.timestamp())
    }

    fn error(&mut self, now: Now, recoverable: bool) -> ErrorReport {
        struct Trouble;
        impl IntoReport for Trouble {
            fn problem(&self) -> Problem {
                Problem::new(ErrorCategory::Resource, ErrorType::Unavailable, "no room")
                    .with_suggestion("retry", "Ask again later.")
            }
        }
        let id = ErrorId::generate(now.id_millis(), self.draws.id_bytes());
        let mut report =
            Trouble.to_report(&Occurrence::new(id, WorkflowId::global(), now.timestamp()));
        report.classification.recoverable = Some(recoverable);
        report
    }
}

impl Actor for Answering {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        match admit(&mut self.gate, now, from, bytes) {
            Ok(envelope) => self.disk.responder.receive(now, envelope),
            Err(Some(rejected)) => {
                // What the gate refused is never an error.
                let input = RespondInput::Rejected(Box::new(rejected));
                let _ = self.disk.responder.handle(now, input);
            }
            Err(None) => return effects.mark("turned-away", from),
        }
        self.follow(now, effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.disk.responder.handle_timeout(now);
        self.follow(now, effects);
        while let Some(key) = self.disk.work.due(now.at) {
            self.done(now, key, effects);
        }
        self.follow(now, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        let AnsweringDisk { responder, work, .. } = &self.disk;
        responder.deadline().into_iter().chain(work.earliest()).min()
    }

    fn disk(&self) -> Option<Json> {
        Json::of(&self.disk).ok()
    }
}

/// What comes of a request and how long it takes, by its identifier.
fn nature(id: &RequestId) -> (Nature, Duration) {
    let seed = id.as_str().bytes().fold(0_u64, |seed, byte| seed * 31 + u64::from(byte));
    let mut draws = SplitMix64::new(seed);
    let nature = match draws.below(10) {
        0..=4 => Nature::Granted,
        5 => Nature::Denied,
        6 | 7 => Nature::Queued,
        8 => Nature::TryAgain,
        _ => Nature::Hopeless,
    };
    // One in ten takes longer than anybody waits.
    let longest = if draws.below(10) == 0 { 150_000 } else { 3_000 };
    (nature, Duration::from_millis(1 + draws.below(longest)))
}
