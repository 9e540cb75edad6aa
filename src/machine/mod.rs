//! Protocol behaviour as state machines without I/O (specification, Communication Patterns).
//!
//! A machine decides, its host acts. Time and messages go in; outputs come out: send this, note
//! that. A machine opens no socket, reads no clock and starts no thread, so it runs under any
//! runtime, in a test with virtual time, or in a process that lives for one message.
//!
//! # The contract
//!
//! All machines have the shape of [`Machine`], and the host drives them all alike:
//!
//! 1. **In.** What the host wants is an input: [`handle`](Machine::handle) takes it or refuses it with
//!    an error, and what is refused changes nothing. What others sent is a message:
//!    [`receive`](Machine::receive) has no error, because its own host is not at fault for it. A message
//!    that is not applied comes out as [`Ignored`], with the [reason](IgnoreReason). Bytes pass a
//!    [`Gate`](crate::validate::Gate) first: machines take messages as
//!    [`Checked`], so there is no way around it. Which messages a machine
//!    takes, [`wants`](Machine::wants) says.
//! 2. **Out.** After every call, [`poll`](Machine::poll) until it says `None`, and carry out each output.
//!    What is to be sent always has the shape [`Outbound`]. A machine keeps what is not fetched, up to a
//!    limit (`with_max_outputs`, 1000): then it stands still, which means that it refuses inputs, ignores
//!    messages as `unpolled` and does nothing on time, until some are fetched. So a host that forgets
//!    to poll costs messages, never memory without end.
//! 3. **Sleep** until [`deadline`](Machine::deadline) or input; at the deadline call
//!    [`handle_timeout`](Machine::handle_timeout). Late is fine, early does nothing. Afterwards the
//!    deadline is later than `now`, or there is none.
//! 4. **Stop.** [`snapshot`](Machine::snapshot) and [`restore`](Machine::restore) carry a machine
//!    over to another process, with timers, unfetched outputs and all. Nothing else shows the difference.
//!
//! Equal seeds, times and inputs give equal outputs. One test holds all machines to these laws.
//!
//! A component that asks for resources and shows that it is alive owns two machines. Its whole loop:
//!
//! ```
//! use coordination_protocol::Mode;
//! use coordination_protocol::machine::{
//!     Machine, OutboundRequest, Presence, RequestInput, RequestOutput, Requester,
//! };
//! use coordination_protocol::message::{AllocationRequest, Envelope, Resources};
//! use coordination_protocol::scalar::{
//!     ComponentId, Count, Instant, Now, RequestId, WorkflowId,
//! };
//! use coordination_protocol::validate::{Checked, Gate, Validator};
//!
//! struct Worker {
//!     presence: Presence,
//!     requester: Requester,
//! }
//!
//! impl Worker {
//!     /// A message goes to every machine that wants it. None of this can fail.
//!     fn receive(&mut self, now: Now, message: Checked<Envelope>) {
//!         match (self.presence.wants(&message), self.requester.wants(&message)) {
//!             (true, _) => self.presence.receive(now, message),
//!             (_, true) => self.requester.receive(now, message),
//!             _ => eprintln!("no machine here wants a {}", message.kind()),
//!         }
//!     }
//!
//!     /// After every call: what is to be sent goes out, the rest is acted upon.
//!     fn outputs(&mut self, send: &mut Vec<Envelope>) -> Vec<String> {
//!         let mut ended = Vec::new();
//!         while let Some(output) = self.requester.poll() {
//!             match output {
//!                 RequestOutput::Send(message) => send.push(*message.envelope),
//!                 RequestOutput::Ended { request_id, outcome, .. } => {
//!                     ended.push(format!("{request_id} {outcome}"));
//!                 }
//!                 other => ended.push(other.to_string()),
//!             }
//!         }
//!         // What needs no action of the host is for the log.
//!         while let Some(output) = self.presence.poll() {
//!             eprintln!("{output}");
//!         }
//!         ended
//!     }
//!
//!     /// When to call `handle_timeout` of both.
//!     fn deadline(&self) -> Option<Instant> {
//!         [self.presence.deadline(), self.requester.deadline()].into_iter().flatten().min()
//!     }
//! }
//!
//! let name = ComponentId::new("worker")?;
//! let now = |seconds: u64| Now::new(Instant::from_millis(seconds * 1_000), 1_736_942_400_000);
//! let mut gate = Gate::new(Validator::new(Mode::Strict));
//! let mut worker = Worker { presence: Presence::new(7), requester: Requester::new(name.clone(), 8) };
//! let mut sent = Vec::new();
//!
//! // Ask. The request is sent; no answer comes; it is sent again after a pause.
//! let request = AllocationRequest::new(
//!     RequestId::new("req_1")?, WorkflowId::new("wf_001")?, "worker", now(0).timestamp(),
//! ).with_resources(Resources::new().with_agents(Count::new(3)));
//! let request = OutboundRequest::new(request, now(0), [7; 10]);
//! worker.requester.handle(now(0), RequestInput::Start(Box::new(request)))?;
//! assert!(worker.outputs(&mut sent).is_empty());
//! assert_eq!(worker.deadline(), Some(now(30).at));
//! worker.requester.handle_timeout(now(30));
//! let again = worker.deadline().unwrap();
//! worker.requester.handle_timeout(Now::new(again, now(31).wall));
//! worker.outputs(&mut sent);
//! assert_eq!(sent.len(), 2);
//!
//! // The answer ends it. The same answer once more does no harm, and is told.
//! let answer = format!(
//!     r#"{{"response_to":"req_1","request_id":"req_1","correlation_id":"{}","allocation_response":
//!         {{"response_id":"resp_1","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:31Z"}}}}"#,
//!     sent[1].header.correlation_id.as_ref().unwrap(),
//! );
//! for _ in 0..2 {
//!     worker.receive(now(31), gate.accept(answer.as_bytes(), now(31), None).unwrap());
//! }
//! assert_eq!(
//!     worker.outputs(&mut sent),
//!     ["req_1 answered", "ignore allocation_response for req_1: duplicate"],
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A machine works behind a pointer, too: `&mut M` and `Box<M>` are machines, and so is
//! `Box<dyn Machine<Input = I, Output = O, Error = E>>`, behind which a test puts one of its own.
//!
//! Each has a module, whose page says what it guarantees and how its host works with it; the names are
//! here, too.
//!
//! | machine | does |
//! |---|---|
//! | [`Requester`], [`request`] | asks, waits, asks again, ends exactly once |
//! | [`Responder`], [`respond`] | hands each request on once, replays its answer, refuses what is invalid |
//! | [`Breaker`], [`breaker`] | keeps calls away from what fails |
//! | [`Caller`], [`caller`] | both in one: asks those who work |
//! | [`Handshake`], [`handshake`] | agrees with a peer on a version |
//! | [`Presence`], [`presence`] | shows that it is alive, and knows who else is |
//! | [`StateSync`], [`sync`] | keeps the copies of a state in step: adopts, merges, asks for consensus |
//! | [`Dispatcher`], [`dispatcher`] | delivers what is published to subscribers, at least once, and again until it is acknowledged |
//! | [`Proposer`], [`ballot`] | puts a state to the vote and commits what a quorum accepts |
//! | [`Voter`], [`ballot`] | votes for one state of a version at a time, and learns what was decided |
//!
//! What to do while a component is away is no machine but a value, [`Degradation`].
//!
//! Machines are composed by owning one another ([`Caller`] owns a [`Requester`] and breakers), and each takes
//! its options from a [`ComponentConfig`](crate::message::ComponentConfig); [`Settings`] says which
//! keys are obeyed. Durations below a millisecond count as one, and counts of 0 as 1: less would
//! never do anything.

mod backoff;
pub mod ballot;
pub mod breaker;
pub mod caller;
pub mod degrade;
pub mod dispatcher;
mod effect;
pub mod handshake;
mod outbox;
pub mod presence;
pub mod request;
pub mod respond;
mod settings;
mod snapshot;
mod splitmix64;
pub mod sync;
mod timers;
mod window;

pub use backoff::Backoff;
#[doc(inline)]
pub use ballot::{
    AppliedBallot, BallotEnd, BallotError, BallotOptions, BallotRecord, BallotSlot, Commit,
    CountedVote, NewProposal, ProposeInput, ProposeOutput, Proposer, Quorum, Tally, VoteInput,
    VoteOutput, Voter, VoterSet,
};
#[doc(inline)]
pub use breaker::{
    Breaker, BreakerError, BreakerInput, BreakerOptions, BreakerOutput, CallResult, Circuit,
};
#[doc(inline)]
pub use caller::{Caller, CallerError, CallerOptions, CallerOutput};
#[doc(inline)]
pub use degrade::{Action, Degradation, Fallback, Role};
#[doc(inline)]
pub use dispatcher::{
    Delivered, Dispatcher, DispatcherError, DispatcherInput, DispatcherOptions, DispatcherOutput,
    GapNotice, IgnoredReceipt, QueueOptions, Receipt, Settlement,
};
pub use effect::{IgnoreReason, Ignored, MachineOutput, MessageIdentity, Outbound, Purpose};
#[doc(inline)]
pub use handshake::{
    Handshake, HandshakeError, HandshakeFailure, HandshakeInput, HandshakeOptions, HandshakeOutput,
};
#[doc(inline)]
pub use presence::{
    PeerStatus, Presence, PresenceError, PresenceInput, PresenceOptions, PresenceOutput,
};
#[doc(inline)]
pub use request::{
    OutboundRequest, RequestEnd, RequestInput, RequestOptions, RequestOutcome, RequestOutput,
    Requester, RequesterError,
};
#[doc(inline)]
pub use respond::{
    Rejected, RequestKey, RespondInput, RespondOptions, RespondOutput, Responder, ResponderError,
};
pub use settings::{SettingKey, Settings};
pub use splitmix64::SplitMix64;
#[doc(inline)]
pub use sync::{StateOrigin, StateSync, SyncError, SyncInput, SyncOptions, SyncOutput};
pub use timers::Timers;

use crate::error::Error;
use crate::json::Json;
use crate::message::Envelope;
use crate::scalar::{Instant, Now};
use crate::validate::Checked;
use serde::Serialize;
use serde::de::DeserializeOwned;
use snapshot::SnapshotError;

/// A state machine without I/O; see [the module](self) for the contract.
pub trait Machine {
    /// What the host wants of it, beside time.
    type Input;
    /// What it asks its host to do or to know: its effects.
    #[doc(alias = "effect")]
    type Output;
    /// Why it refuses an input.
    type Error: std::error::Error;

    /// Takes what the host wants.
    ///
    /// # Errors
    /// The host asked for what cannot be done, and nothing has changed. No message of anybody else
    /// leads to an error.
    fn handle(&mut self, now: Now, input: Self::Input) -> Result<(), Self::Error>;

    /// Whether a message is for this machine, by its kind and by what the machine knows. What it
    /// wants it may still ignore, such as what comes twice.
    fn wants(&self, message: &Envelope) -> bool;

    /// Takes a message from outside. What it does not apply changes nothing and comes out as
    /// [`Ignored`]; so does what it does not [want](Self::wants).
    fn receive(&mut self, now: Now, message: Checked<Envelope>);

    /// Does what is due. Afterwards [`deadline`](Self::deadline) is later than `now`, or none.
    fn handle_timeout(&mut self, now: Now);

    /// The next output. Once it says `None`, it does so until the next call of one of the above.
    fn poll(&mut self) -> Option<Self::Output>;

    /// When something is due next, if nothing comes in. None while as many outputs wait as may.
    fn deadline(&self) -> Option<Instant>;

    /// All that it knows, as JSON for [`restore`](Self::restore) of the same version of this crate.
    /// A machine of your own makes it with [`snapshot_of`].
    ///
    /// # Errors
    /// [`Error`] of the code `snapshot` if it holds what JSON cannot, which none of this crate's
    /// machines does.
    #[doc(alias = "serialize")]
    fn snapshot(&self) -> Result<Json, Error>;

    /// The machine of a snapshot. Its clock must have the same start as that of the snapshot.
    ///
    /// Restore only what you stored: a snapshot is trusted, not validated.
    ///
    /// # Errors
    /// [`Error`] of the code `snapshot` if it is no snapshot of such a machine.
    #[doc(alias = "deserialize")]
    fn restore(snapshot: &Json) -> Result<Self, Error>
    where
        Self: Sized + DeserializeOwned,
    {
        snapshot.decode().map_err(|error| SnapshotError::new(&error).into())
    }
}

/// All that a machine knows, as JSON for [`restore`](Machine::restore).
///
/// # Errors
/// [`Error`] of the code `snapshot` if it holds what JSON cannot.
pub fn snapshot_of<M: Serialize + ?Sized>(machine: &M) -> Result<Json, Error> {
    Json::of(machine).map_err(|error| SnapshotError::new(&error).into())
}

/// A pointer to a machine is one.
macro_rules! machine_behind {
    ($($pointer:ty),+) => { $(
        impl<M: Machine + ?Sized> Machine for $pointer {
            type Input = M::Input;
            type Output = M::Output;
            type Error = M::Error;

            fn handle(&mut self, now: Now, input: Self::Input) -> Result<(), Self::Error> {
                (**self).handle(now, input)
            }

            fn wants(&self, message: &Envelope) -> bool {
                (**self).wants(message)
            }

            fn receive(&mut self, now: Now, message: Checked<Envelope>) {
                (**self).receive(now, message);
            }

            fn handle_timeout(&mut self, now: Now) {
                (**self).handle_timeout(now);
            }

            fn poll(&mut self) -> Option<Self::Output> {
                (**self).poll()
            }

            fn deadline(&self) -> Option<Instant> {
                (**self).deadline()
            }

            fn snapshot(&self) -> Result<Json, Error> {
                (**self).snapshot()
            }
        }
    )+ };
}

machine_behind!(&mut M, Box<M>);

/// The earliest of what is due in several places.
pub(crate) fn earliest(due: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    due.into_iter().flatten().min()
}

/// The wire values of a map whose keys are no texts: a list of pairs.
pub(crate) mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(crate) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
