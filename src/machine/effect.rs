//! What all machines have in common in what they ask of their host: messages to send, and messages
//! that they did not apply.

use crate::error::leaf_errors;
use crate::message::{Envelope, EnvelopeHeader, Message, MessageKind};
use crate::scalar::{ComponentId, CorrelationId, MessageId, RequestId, printable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A message that a machine wants to have sent. All machines ask for it in this one shape.
///
/// Losing one is no harm beyond delay: what waits for an answer is sent again, an answer is given
/// again to who asks again, and a later notice says more. So a host that cannot send drops it, and
/// never has to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outbound {
    /// To whom. Empty if it is for no component in particular: then publish it under its routing
    /// key, or send it to [whoever serves its kind](super::Role::of).
    pub to: Vec<ComponentId>,
    /// What to send.
    pub envelope: Box<Envelope>,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a message is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Purpose {
    /// It asks, and somebody waits for what comes back.
    Request {
        /// Which attempt it is, from 1.
        attempt: u32,
    },
    /// It answers somebody who waits.
    Answer,
    /// It tells; no answer is expected.
    Notice,
}

impl Outbound {
    pub(super) fn new(to: Vec<ComponentId>, envelope: Envelope, purpose: Purpose) -> Self {
        Outbound { to, envelope: Box::new(envelope), purpose }
    }
}

/// One line for logs: the kind, what it is about, which attempt, to whom, and what it says.
impl fmt::Display for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "send {}", self.envelope.kind())?;
        about(&self.envelope, f)?;
        if let Purpose::Request { attempt } = self.purpose {
            write!(f, " attempt={attempt}")?;
        }
        for (index, component) in self.to.iter().enumerate() {
            write!(f, "{} {component}", if index == 0 { " to" } else { "," })?;
        }
        match &self.envelope.message {
            Message::ErrorReport(report) => write!(f, ": {}", super::respond::text(report)),
            _ => Ok(()),
        }
    }
}

/// What a message is about, beside its kind.
fn about(envelope: &Envelope, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let header = &envelope.header;
    match &envelope.message {
        Message::Heartbeat(beat) => beat.sequence.as_ref().map_or(Ok(()), |n| write!(f, " {n}")),
        Message::Welcome(welcome) => write!(f, " {}", welcome.version),
        Message::WorkflowState(state) => write!(f, " v{}", state.state_version),
        Message::Proposal(body) => write!(f, " {}", body.proposal_id),
        Message::Vote(body) => {
            write!(f, " {} {}", body.proposal_id, body.vote)?;
            body.reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
        }
        Message::Decision(body) => write!(f, " {} {}", body.proposal_id, body.outcome),
        // Generated in each run, so it says nothing.
        Message::Hello(_) => Ok(()),
        _ => match (&header.response_to, &header.request_id) {
            (Some(id), _) => write!(f, " for {id}"),
            (None, Some(id)) => write!(f, " {id}"),
            (None, None) => Ok(()),
        },
    }
}

/// What identifies a message: enough to find it in a log, and to answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MessageIdentity {
    /// Its kind.
    #[serde(with = "kind")]
    pub kind: MessageKind,
    /// Who sent it, if it says so.
    pub source: Option<ComponentId>,
    /// Its identifier.
    pub message_id: Option<MessageId>,
    /// The request that it is or belongs to.
    pub request_id: Option<RequestId>,
    /// The request that it answers.
    pub response_to: Option<RequestId>,
    /// The exchange that it belongs to.
    pub correlation_id: Option<CorrelationId>,
}

impl MessageIdentity {
    /// What identifies a message.
    pub fn of(envelope: &Envelope) -> Self {
        MessageIdentity::from_header(envelope.kind(), &envelope.header)
    }

    /// What identifies a message of a kind.
    pub(super) fn from_header(kind: MessageKind, header: &EnvelopeHeader) -> Self {
        MessageIdentity {
            kind,
            source: header.source.clone(),
            message_id: header.message_id.clone(),
            request_id: header.request_id.clone(),
            response_to: header.response_to.clone(),
            correlation_id: header.correlation_id.clone(),
        }
    }
}

impl fmt::Display for MessageIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match (&self.response_to, &self.request_id, &self.message_id) {
            (Some(id), _, _) => write!(f, " for {}", printable(id))?,
            (None, Some(id), _) => write!(f, " {}", printable(id))?,
            (None, None, Some(id)) => write!(f, " {}", printable(id))?,
            (None, None, None) => {}
        }
        self.source.as_ref().map_or(Ok(()), |source| write!(f, " from {}", printable(source)))
    }
}

/// A kind, or nothing where it is unknown.
mod kind {
    use crate::message::MessageKind;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub(super) fn serialize<S: Serializer>(kind: &MessageKind, to: S) -> Result<S::Ok, S::Error> {
        (*kind != MessageKind::Unknown).then_some(kind).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<MessageKind, D::Error> {
        Ok(Option::deserialize(from)?.unwrap_or(MessageKind::Unknown))
    }
}

/// Expands the table of reasons: variant, word, what it means.
macro_rules! reasons {
    ($($reason:ident $word:literal $doc:literal;)+) => {
        /// Why a machine did not apply a message that it received.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum IgnoreReason {
            $(#[doc = $doc] $reason,)+
        }

        impl IgnoreReason {
            /// The word for programs: never changes.
            pub const fn as_str(self) -> &'static str {
                match self { $(IgnoreReason::$reason => $word,)+ }
            }
        }
    };
}

reasons! {
    Unwanted "unwanted" "The machine takes no messages of this kind, or of this workflow.";
    Own "own" "It is one's own, come back.";
    Incomplete "incomplete" "It lacks a part without which it means nothing here.";
    Invalid "invalid" "It says what cannot be used, such as a pattern that is none.";
    Unknown "unknown" "It is about what the machine does not know: never asked, never proposed, or so long ago that it is forgotten.";
    WrongSender "wrong-sender" "It comes from another component than the one that may say it.";
    Mismatch "mismatch" "It contradicts what it refers to: another correlation, or other content under a known identifier.";
    Duplicate "duplicate" "It repeats what was known.";
    Late "late" "What it belongs to had ended without it.";
    Stale "stale" "It is older than what is known.";
    Full "full" "A limit is reached; the same message may be taken later.";
    Unpolled "unpolled" "As many outputs as may be were waiting to be fetched; the same message may be taken later.";
}

impl fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A message that a machine received and did not apply. Nothing else changed.
///
/// It is an output, not an error: whoever is on the network can send anything at any time, late and
/// twice, and a host is not at fault for that. Log it. To answer it, make a report of it: it is an
/// [`IntoReport`](crate::error::IntoReport).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ignored {
    /// Which message.
    pub message: MessageIdentity,
    /// Why.
    pub reason: IgnoreReason,
    /// Why, in a sentence for people; empty if the reason says all.
    pub detail: String,
    /// How many messages this stands for: 1, unless the host did not fetch the outputs.
    pub count: u64,
}

impl Ignored {
    pub(super) fn new(message: MessageIdentity, why: NotApplied) -> Self {
        Ignored { message, reason: why.reason, detail: why.detail, count: 1 }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.reason)?;
        if !self.detail.is_empty() {
            write!(f, ", {}", self.detail)?;
        }
        match self.count {
            1 => Ok(()),
            count => write!(f, ", and {} more", count - 1),
        }
    }
}

impl std::error::Error for Ignored {}

leaf_errors! {
    Ignored, Machine {
        Self { reason: IgnoreReason::Unwanted, .. } => ["unwanted", Execution, Conflict, lasting, "correct_and_resend", "Send the message to a component that takes its kind."],
        Self { reason: IgnoreReason::Own, .. } => ["own", Execution, Conflict, lasting, "correct_and_resend", "Do not send a component its own messages."],
        Self { reason: IgnoreReason::Incomplete, .. } => ["incomplete", Execution, Conflict, lasting, "correct_and_resend", "Send the message with what it lacks."],
        Self { reason: IgnoreReason::Invalid, .. } => ["invalid", Execution, Conflict, lasting, "correct_and_resend", "Correct the message and send it again."],
        Self { reason: IgnoreReason::Unknown, .. } => ["unknown", State, Conflict, lasting, "correct_and_resend", "Speak of what the component has asked, proposed or registered."],
        Self { reason: IgnoreReason::WrongSender, .. } => ["wrong-sender", Execution, Conflict, lasting, "correct_and_resend", "Send messages in your own name only."],
        Self { reason: IgnoreReason::Mismatch, .. } => ["mismatch", State, Conflict, lasting, "correct_and_resend", "Repeat the identifiers of what the message belongs to, and use each for one content only."],
        Self { reason: IgnoreReason::Duplicate, .. } => ["duplicate", State, Conflict, lasting, "continue", "Nothing is to be done: it was known."],
        Self { reason: IgnoreReason::Late, .. } => ["late", State, Conflict, lasting, "continue", "Nothing is to be done: it is over."],
        Self { reason: IgnoreReason::Stale, .. } => ["stale", State, Conflict, lasting, "refresh", "Fetch the present state and go by that."],
        Self { reason: IgnoreReason::Full, .. } => ["full", Resource, LimitExceeded, transient, "retry", "Send the message again after a pause."],
        Self { reason: IgnoreReason::Unpolled, .. } => ["unpolled", Resource, LimitExceeded, transient, "retry", "Send the message again after a pause."],
    }
}

/// Why a message is not applied, before it is known which one it is.
#[derive(Debug)]
pub(super) struct NotApplied {
    reason: IgnoreReason,
    detail: String,
}

impl NotApplied {
    /// For a reason, with a sentence that says more.
    pub(super) fn new(reason: IgnoreReason, detail: impl fmt::Display) -> Self {
        // It names what the message says, and stands in logs.
        NotApplied { reason, detail: printable(&detail).to_string() }
    }
}

impl From<IgnoreReason> for NotApplied {
    fn from(reason: IgnoreReason) -> Self {
        NotApplied { reason, detail: String::new() }
    }
}

/// What the outputs of all machines have in common, so that one function of a host can carry out
/// those of any machine.
///
/// ```
/// use coordination_protocol::machine::{Machine, MachineOutput};
///
/// /// Does what every host does with every machine, and returns what is left.
/// fn carry_out<M: Machine<Output: MachineOutput>>(machine: &mut M, send: impl Fn(&str)) -> Vec<M::Output> {
///     let mut left = Vec::new();
///     while let Some(output) = machine.poll() {
///         if let Some(message) = output.as_send() {
///             send(&message.envelope.to_string());
///         } else if let Some(ignored) = output.as_ignored() {
///             eprintln!("ignored {ignored}");
///         } else {
///             left.push(output);
///         }
///     }
///     left
/// }
/// # use coordination_protocol::machine::{Presence, PresenceInput};
/// # use coordination_protocol::scalar::{ComponentId, Instant, Now};
/// # let mut presence = Presence::new(7);
/// # presence.handle(Now::new(Instant::START, 0), PresenceInput::Expect(ComponentId::new("hub").unwrap())).unwrap();
/// # assert_eq!(carry_out(&mut presence, |_| {}).len(), 1);
/// ```
pub trait MachineOutput: fmt::Display {
    /// The message to send, if that is what is asked for.
    fn as_send(&self) -> Option<&Outbound>;

    /// The message that was not applied, if that is what is told.
    fn as_ignored(&self) -> Option<&Ignored>;
}

/// What the outputs of a machine have in common with all others: the variants `Send`, if it sends
/// anything, and `Ignored`.
macro_rules! machine_output {
    ($output:ident) => {
        impl From<$crate::machine::Outbound> for $output {
            fn from(outbound: $crate::machine::Outbound) -> Self {
                $output::Send(outbound)
            }
        }

        $crate::machine::effect::machine_output!(@ $output, |output| match output {
            $output::Send(outbound) => Some(outbound),
            _ => None,
        });
    };
    ($output:ident sends nothing) => {
        $crate::machine::effect::machine_output!(@ $output, |_| None);
    };
    (@ $output:ident, $sent:expr) => {
        impl From<$crate::machine::Ignored> for $output {
            fn from(ignored: $crate::machine::Ignored) -> Self {
                $output::Ignored(ignored)
            }
        }

        impl $crate::machine::MachineOutput for $output {
            fn as_send(&self) -> Option<&$crate::machine::Outbound> {
                let sent: fn(&$output) -> Option<&$crate::machine::Outbound> = $sent;
                sent(self)
            }

            fn as_ignored(&self) -> Option<&$crate::machine::Ignored> {
                match self {
                    $output::Ignored(ignored) => Some(ignored),
                    _ => None,
                }
            }
        }
    };
}
pub(super) use machine_output;
