//! Agreeing with a peer on a version (specification, Version Management).
//!
//! Either side may greet, or both at once: each computes what
//! [`negotiate`](crate::version::negotiate()) says of the two greetings, so they agree. A `hello` is a
//! request, sent by a [`Requester`] with its timeouts and attempts; the answer is a `welcome`, or an
//! error report that says what would help. A peer that greets again has restarted; it is answered
//! anew.

use super::effect::{NotApplied, machine_output};
use super::outbox::{Outbox, bounded_outputs};
use super::settings::from_settings;
use super::{
    IgnoreReason, Ignored, Machine, MessageIdentity, Outbound, OutboundRequest, Purpose,
    RequestInput, RequestOptions, RequestOutcome, RequestOutput, Requester, RequesterError,
    Settings, SplitMix64, respond, snapshot_of,
};
use crate::error::{Error, IntoReport, Occurrence, leaf_errors};
use crate::json::Json;
use crate::message::{Envelope, EnvelopeHeader, Hello, Message, Welcome};
use crate::scalar::{ComponentId, ErrorId, Instant, MessageId, Now, RequestId, Span, WorkflowId};
use crate::validate::Checked;
use crate::version::{Agreement, SupportedVersions, VersionError, negotiate};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How a [`Handshake`] greets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HandshakeOptions {
    /// How the greeting is sent, and sent again.
    pub request: RequestOptions,
    /// How often the peer is asked to send a heartbeat. Default 30 s.
    pub heartbeat: Duration,
}

impl HandshakeOptions {
    /// The specification's figures.
    pub fn new() -> Self {
        HandshakeOptions::default()
    }

    /// Sets how the greeting is sent, and sent again.
    pub const fn with_request(mut self, request: RequestOptions) -> Self {
        self.request = request;
        self
    }

    /// Sets how often the peer is asked to send a heartbeat.
    pub const fn with_heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }
}

impl From<&Settings> for HandshakeOptions {
    fn from(settings: &Settings) -> Self {
        HandshakeOptions {
            request: RequestOptions::from(settings),
            heartbeat: settings.heartbeat_interval,
        }
    }
}
from_settings!(HandshakeOptions);

/// What a host wants of a [`Handshake`]. Greetings and answers are [received](Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandshakeInput {
    /// Greet the peer. The ten random bytes make the identifier of the greeting.
    Greet([u8; 10]),
}

/// Why a [`Handshake`] refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The greeting is under way or done.
    #[error("the greeting has begun already")]
    Begun,
    /// The greeting cannot be sent.
    #[error(transparent)]
    NotSent(#[from] RequesterError),
    /// As many outputs wait to be fetched as may.
    #[error("{0} outputs wait to be fetched, which is the limit")]
    Unpolled(usize),
}

leaf_errors! {
    HandshakeError, Machine {
        Self::Begun => ["begun", Execution, Conflict, lasting, "correct_and_retry", "Greet once, and wait for the answer."],
        Self::NotSent(error) => (error),
        Self::Unpolled(_) => ["unpolled", Execution, LimitExceeded, transient, "retry", "Fetch the outputs, then hand in the same input."],
    }
}

/// Why there is no agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// No version will do, we found. The text says what would help.
    Incompatible(String),
    /// No version will do, the peer says.
    Refused(String),
    /// The peer's answer is not what the greetings lead to.
    BadWelcome(String),
    /// The peer did not answer.
    NoAnswer,
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeFailure::Incompatible(text) => f.write_str(text),
            HandshakeFailure::Refused(text) => write!(f, "the peer refused: {text}"),
            HandshakeFailure::BadWelcome(text) => write!(f, "the answer is wrong: {text}"),
            HandshakeFailure::NoAnswer => f.write_str("the peer did not answer"),
        }
    }
}

/// What a [`Handshake`] asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HandshakeOutput {
    /// Send this to the peer.
    Send(Outbound),
    /// There is an agreement: the first, or another one after the peer has restarted.
    Agreed {
        /// The peer.
        peer: ComponentId,
        /// What both speak from now on.
        agreement: Agreement,
        /// How often the peer wants a heartbeat, if it said so.
        heartbeat: Option<Duration>,
    },
    /// There is no agreement.
    Failed(HandshakeFailure),
    /// A message was not applied.
    Ignored(Ignored),
}

machine_output!(HandshakeOutput);

impl fmt::Display for HandshakeOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeOutput::Send(outbound) => outbound.fmt(f),
            HandshakeOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
            HandshakeOutput::Agreed { peer, agreement, .. } => {
                write!(f, "agreed {agreement} with peer {peer}")
            }
            HandshakeOutput::Failed(failure) => write!(f, "failed: {failure}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Idle,
    Greeting,
    Agreed(Agreed),
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Agreed {
    agreement: Agreement,
}

/// The greeting between two components. Keep one for each peer.
///
/// ```
/// use coordination_protocol::machine::{Handshake, HandshakeInput, HandshakeOutput, Machine};
/// use coordination_protocol::scalar::{ComponentId, Instant, Now};
/// use coordination_protocol::validate::{Gate, Validator};
/// use coordination_protocol::{Mode, version::SupportedVersions};
///
/// let now = Now::new(Instant::START, 1_736_942_400_000);
/// let mut gate = Gate::new(Validator::new(Mode::Strict));
/// let mut hub = Handshake::new(ComponentId::new("hub")?, SupportedVersions::current(), 1);
/// let mut worker = Handshake::new(ComponentId::new("worker")?, "1.0.0".parse()?, 2);
///
/// worker.handle(now, HandshakeInput::Greet([7; 10]))?;
/// let Some(HandshakeOutput::Send(hello)) = worker.poll() else { unreachable!() };
/// let hello = gate.accept(hello.envelope.to_string().as_bytes(), now, None).unwrap();
/// hub.receive(now, hello);
/// assert_eq!(hub.poll().unwrap().to_string(), "send welcome 1.0.0 to worker");
/// assert_eq!(hub.poll().unwrap().to_string(), "agreed 1.0.0 with peer worker");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "negotiation")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Handshake {
    own: ComponentId,
    supported: SupportedVersions,
    options: HandshakeOptions,
    rng: SplitMix64,
    /// Known beforehand, or since it greeted or answered.
    peer: Option<ComponentId>,
    requester: Requester,
    /// The last greeting of the peer: a repetition of it is no restart.
    greeted: Option<RequestId>,
    state: State,
    out: Outbox<HandshakeOutput>,
}

bounded_outputs!(Handshake);

impl Handshake {
    /// A greeting of a component with whoever greets or answers first. Give each start of a component
    /// a random seed.
    pub fn new(own: ComponentId, supported: SupportedVersions, seed: u64) -> Self {
        let mut rng = SplitMix64::new(seed);
        let requester = Requester::new(own.clone(), rng.next_u64());
        Handshake {
            own,
            supported,
            options: HandshakeOptions::default(),
            rng,
            peer: None,
            requester,
            greeted: None,
            state: State::Idle,
            out: Outbox::new(),
        }
    }

    /// Sets how it greets.
    pub fn with_options(mut self, options: HandshakeOptions) -> Self {
        self.options = options;
        self.requester = self.requester.with_options(options.request);
        self
    }

    /// Greets this component only.
    pub fn with_peer(mut self, peer: ComponentId) -> Self {
        self.peer = Some(peer);
        self
    }

    /// What was agreed.
    pub const fn agreement(&self) -> Option<&Agreement> {
        match &self.state {
            State::Agreed(agreed) => Some(&agreed.agreement),
            _ => None,
        }
    }

    fn greet(&mut self, now: Now, random: [u8; 10]) -> Result<(), HandshakeError> {
        // A second greeting under way would bring two answers, perhaps different ones. After a
        // failure a new try is fine.
        if matches!(self.state, State::Greeting | State::Agreed(_)) {
            return Err(HandshakeError::Begun);
        }
        let mut request = OutboundRequest::new(self.supported.hello(self.own.clone()), now, random);
        if let Some(peer) = &self.peer {
            request = request.with_peer(peer.clone());
        }
        self.requester.handle(now, RequestInput::Start(Box::new(request)))?;
        self.state = State::Greeting;
        self.follow();
        Ok(())
    }

    /// Carries out the outputs of the requester.
    fn follow(&mut self) {
        while let Some(output) = self.requester.poll() {
            match output {
                RequestOutput::Send(outbound) => self.out.push(outbound),
                RequestOutput::Ended { outcome, .. } => self.ended(outcome),
                RequestOutput::Ignored(ignored) => self.out.push(ignored),
                // Neither changes what was agreed: a greeting grants nothing.
                RequestOutput::Contradiction { answer, .. } => {
                    self.out.ignore(MessageIdentity::of(&answer), IgnoreReason::Late);
                }
                RequestOutput::Queued { .. } => {}
            }
        }
    }

    fn ended(&mut self, outcome: RequestOutcome) {
        let agreed = match outcome {
            RequestOutcome::Answered(answer) => match answer.message {
                Message::Welcome(welcome) => self.welcomed(&welcome),
                other => {
                    let text = format!("it is no welcome but `{}`", other.kind());
                    Err(HandshakeFailure::BadWelcome(text))
                }
            },
            RequestOutcome::Failed(answer) => {
                Err(HandshakeFailure::Refused(match &answer.message {
                    Message::ErrorReport(report) => respond::text(report).to_owned(),
                    other => other.kind().to_string(),
                }))
            }
            RequestOutcome::TimedOut | RequestOutcome::Cancelled => Err(HandshakeFailure::NoAnswer),
        };
        match agreed {
            Ok((peer, agreement, heartbeat)) => self.agree(peer, agreement, heartbeat, false),
            // The peer's own greeting has settled it meanwhile.
            Err(HandshakeFailure::NoAnswer) if self.agreement().is_some() => {}
            Err(failure) => self.fail(failure),
        }
    }

    fn welcomed(
        &self,
        welcome: &Welcome,
    ) -> Result<(ComponentId, Agreement, Option<Duration>), HandshakeFailure> {
        let bad = |text: String| Err(HandshakeFailure::BadWelcome(text));
        let agreement = match Agreement::from_welcome(welcome) {
            Ok(agreement) => agreement,
            Err(error) => return bad(error.to_string()),
        };
        let version = &agreement.version;
        // The answer is checked against our own offer: a peer that picks what we did not offer is
        // wrong, or not the one that was greeted.
        if !self.supported.implements(version) {
            return bad(format!("version {version} is none of {}", self.supported));
        }
        // An answer must not talk us down below our floor: that is how a downgrade would look.
        if self.supported.floor().is_some_and(|floor| version < floor) {
            return bad(format!("version {version} is below the floor of {}", self.supported));
        }
        let ours = self.supported.capabilities();
        if let Some(foreign) = agreement.capabilities.difference(ours).next() {
            return bad(format!("we do not have `{foreign}`"));
        }
        match self.agreement() {
            // Both sides compute the agreement from the two greetings. If the results differ, one
            // side has a fault, and to go on would mean to speak two versions.
            Some(known) if *known != agreement => {
                bad(format!("{agreement} was answered, {known} follows from the greetings"))
            }
            _ => {
                let heartbeat = welcome.heartbeat_interval.as_ref().and_then(Span::value);
                Ok((welcome.component_id.clone(), agreement, heartbeat))
            }
        }
    }

    /// Notes an agreement; `anew` if the peer greeted, which may be after a restart.
    fn agree(
        &mut self,
        peer: ComponentId,
        agreement: Agreement,
        heartbeat: Option<Duration>,
        anew: bool,
    ) {
        let known = self.agreement() == Some(&agreement);
        self.peer = Some(peer.clone());
        self.state = State::Agreed(Agreed { agreement: agreement.clone() });
        // The answer to our greeting repeats what the peer's greeting has settled; a peer that
        // greets anew has restarted, and the host must know.
        if anew || !known {
            self.out.push(HandshakeOutput::Agreed { peer, agreement, heartbeat });
        }
    }

    fn fail(&mut self, failure: HandshakeFailure) {
        self.state = State::Failed;
        self.out.push(HandshakeOutput::Failed(failure));
    }

    fn received(&mut self, now: Now, envelope: Checked<Envelope>) -> Result<(), NotApplied> {
        let from = match &envelope.message {
            Message::Hello(hello) => Some(&hello.component_id),
            Message::Welcome(welcome) => Some(&welcome.component_id),
            Message::ErrorReport(_) => envelope.header.source.as_ref(),
            _ => return Err(IgnoreReason::Unwanted.into()),
        };
        if let Some(found) = from {
            if *found == self.own {
                return Err(IgnoreReason::Own.into());
            }
            // One machine a peer: an agreement with somebody else must not replace this one.
            if let Some(peer) = self.peer.as_ref().filter(|peer| *peer != found) {
                let detail = format!("the peer is `{peer}`");
                return Err(NotApplied::new(IgnoreReason::WrongSender, detail));
            }
        }
        if let Message::Hello(hello) = &envelope.message {
            self.greeted(now, &envelope.header, hello);
        } else {
            self.requester.receive(now, envelope);
            self.follow();
        }
        Ok(())
    }

    /// Answers the peer's greeting.
    fn greeted(&mut self, now: Now, header: &EnvelopeHeader, hello: &Hello) {
        let theirs = match SupportedVersions::from_hello(hello) {
            Ok(theirs) => theirs,
            Err(error) => return self.refuse(now, header, hello, &error),
        };
        match negotiate(&self.supported, &theirs) {
            Ok(agreement) => {
                let welcome = agreement
                    .welcome(self.own.clone())
                    .with_heartbeat_interval(Span::from(self.options.heartbeat));
                self.reply(now, header, hello, welcome);
                // A repeated attempt has the identifier of the first and is answered alike. Another
                // one is a new greeting.
                let anew = header.request_id.is_none() || header.request_id != self.greeted;
                self.greeted.clone_from(&header.request_id);
                self.agree(hello.component_id.clone(), agreement, None, anew);
            }
            Err(refusal) => {
                // The peer reads it from its own side.
                self.refuse(now, header, hello, &VersionError::from(refusal.swapped()));
                self.peer = Some(hello.component_id.clone());
                self.fail(HandshakeFailure::Incompatible(refusal.to_string()));
            }
        }
    }

    /// Says why not. Asking again would not help.
    fn refuse(
        &mut self,
        now: Now,
        header: &EnvelopeHeader,
        hello: &Hello,
        error: &impl IntoReport,
    ) {
        let id = ErrorId::generate(now.id_millis(), self.rng.id_bytes());
        let occurrence = Occurrence::new(id, WorkflowId::global(), now.timestamp());
        let mut report = error.to_report(&occurrence);
        // The same greeting would be refused again; the peer has to change what it supports.
        report.classification.recoverable = Some(false);
        self.reply(now, header, hello, report);
    }

    fn reply(
        &mut self,
        now: Now,
        asked: &EnvelopeHeader,
        hello: &Hello,
        message: impl Into<Message>,
    ) {
        let mut header = EnvelopeHeader::new()
            .with_message_id(MessageId::generate(now.id_millis(), self.rng.id_bytes()))
            .with_timestamp(now.timestamp())
            .with_source(self.own.clone());
        header.request_id.clone_from(&asked.request_id);
        header.response_to.clone_from(&asked.request_id);
        header.correlation_id.clone_from(&asked.correlation_id);
        header.causation_id.clone_from(&asked.message_id);
        let to = vec![hello.component_id.clone()];
        self.out.push(Outbound::new(to, Envelope::new(header, message), Purpose::Answer));
    }
}

impl Machine for Handshake {
    type Input = HandshakeInput;
    type Output = HandshakeOutput;
    type Error = HandshakeError;

    fn handle(&mut self, now: Now, input: HandshakeInput) -> Result<(), HandshakeError> {
        self.out.command(HandshakeError::Unpolled)?;
        let HandshakeInput::Greet(random) = input;
        self.greet(now, random)
    }

    fn wants(&self, message: &Envelope) -> bool {
        match &message.message {
            Message::Hello(hello) => {
                let found = &hello.component_id;
                *found != self.own && self.peer.as_ref().is_none_or(|peer| peer == found)
            }
            Message::Welcome(_) | Message::ErrorReport(_) => self.requester.wants(message),
            _ => false,
        }
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        if let Err(why) = self.received(now, message) {
            self.out.ignore(identity, why);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if !self.out.is_full() {
            self.requester.handle_timeout(now);
            self.follow();
        }
    }

    fn poll(&mut self) -> Option<HandshakeOutput> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() { None } else { self.requester.deadline() }
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}
