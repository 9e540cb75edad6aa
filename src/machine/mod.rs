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
//! 1. **In.** Bytes pass a [`Gate`](crate::validate::Gate) first. Machines take received
//!    messages as [`Checked`](crate::validate::Checked), so there is no way around it. What
//!    [`handle`](Machine::handle) refuses changes nothing.
//! 2. **Out.** After every call, [`poll`](Machine::poll) until it says `None`, and carry out each output.
//!    A machine keeps what is not fetched.
//! 3. **Sleep** until [`deadline`](Machine::deadline) or input; at the deadline call
//!    [`handle_timeout`](Machine::handle_timeout). Late is fine, early does nothing. Afterwards the
//!    deadline is later than `now`, or there is none.
//! 4. **Stop.** [`snapshot`](Machine::snapshot) and [`restore`](Machine::restore) carry a machine
//!    over to another process, with timers, unfetched outputs and all. Nothing else shows the difference.
//!
//! Equal seeds, times and inputs give equal outputs. One test holds all machines to these laws.
//!
//! ```
//! use coordination_protocol::machine::{OutboundRequest, Machine, RequestInput, RequestOutput, Requester};
//! use coordination_protocol::message::{AllocationRequest, Envelope, Resources};
//! use coordination_protocol::scalar::{ComponentId, Count, Instant, Now, RequestId, Timestamp, WorkflowId};
//! use coordination_protocol::validate::{Gate, Validator};
//! use coordination_protocol::Mode;
//!
//! let mut gate = Gate::new(Validator::new(Mode::Strict));
//! let mut requester = Requester::new(ComponentId::new("coordination-hub")?, 7);
//! let now = |seconds: u64| Now::new(Instant::from_millis(seconds * 1_000), 1_736_942_400_000);
//!
//! // Ask. The request is sent; no answer comes; it is sent again after a pause.
//! let request = AllocationRequest::new(
//!     RequestId::new("req_1")?, WorkflowId::new("wf_001")?, "coordination-hub",
//!     now(0).timestamp(),
//! ).with_resources(Resources::new().with_agents(Count::new(3)));
//! requester.handle(now(0), RequestInput::Start(Box::new(OutboundRequest::new(request, now(0), [7; 10]))))?;
//! assert_eq!(requester.poll().unwrap().to_string(), "send req_1 attempt=1");
//! assert!(requester.poll().is_none());
//! assert_eq!(requester.deadline(), Some(now(30).at));
//! requester.handle_timeout(now(30));
//! let again = requester.deadline().unwrap();
//! requester.handle_timeout(Now::new(again, now(31).wall));
//! let Some(RequestOutput::Send { envelope, .. }) = requester.poll() else { unreachable!() };
//!
//! // The answer ends it.
//! let answer = format!(
//!     r#"{{"response_to":"req_1","request_id":"req_1","correlation_id":"{}","allocation_response":
//!         {{"response_id":"resp_1","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:31Z"}}}}"#,
//!     envelope.header.correlation_id.unwrap(),
//! );
//! let checked = gate.accept(answer.as_bytes(), now(31).wall, None).unwrap();
//! requester.handle(now(31), RequestInput::Answer(Box::new(checked)))?;
//! assert_eq!(requester.poll().unwrap().to_string(), "end req_1 answered attempts=2");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each has a module, whose page says what it guarantees and how its host works with it; the names are
//! here, too.
//!
//! | machine | does |
//! |---|---|
//! | [`Requester`], [`request`] | asks, waits, asks again, ends exactly once |
//! | [`Responder`], [`respond`] | hands each request on once, replays its answer, refuses what is invalid |
//! | [`Breaker`], [`breaker`] | keeps calls away from what fails |
//! | [`Handshake`], [`handshake`] | agrees with a peer on a version |
//! | [`Presence`], [`presence`] | shows that it is alive, and knows who else is |
//! | [`StateSync`], [`sync`] | keeps the copies of a state in step: adopts, merges, asks for consensus |
//! | [`Dispatcher`], [`dispatcher`] | delivers what is published to subscribers, at least once, and again until it is acknowledged |
//! | [`Proposer`], [`ballot`] | puts a state to the vote and commits what a quorum accepts |
//! | [`Voter`], [`ballot`] | votes for one state of a version at a time, and learns what was decided |
//!
//! What to do while a component is away is no machine but a value, [`Degradation`].
//!
//! Machines are composed by owning one another ([`Handshake`] owns a [`Requester`]), and each takes
//! its options from a [`ComponentConfig`](crate::message::ComponentConfig); [`Settings`] says which
//! keys are obeyed. Durations below a millisecond count as one, and counts of 0 as 1: less would
//! never do anything.

mod backoff;
pub mod ballot;
pub mod breaker;
pub mod degrade;
pub mod dispatcher;
pub mod handshake;
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
    BallotEnd, BallotError, BallotOptions, BallotRecord, BallotSlot, Commit, CountedVote,
    NewProposal, ProposeInput, ProposeOutput, Proposer, Quorum, Tally, VoteInput, VoteOutput,
    Voter, VoterSet,
};
#[doc(inline)]
pub use breaker::{Breaker, BreakerError, BreakerInput, BreakerOptions, BreakerOutput, Circuit};
#[doc(inline)]
pub use degrade::{Action, Degradation, Fallback, Role};
#[doc(inline)]
pub use dispatcher::{
    Delivered, Dispatcher, DispatcherError, DispatcherInput, DispatcherOptions, DispatcherOutput,
    QueueOptions,
};
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
    OutboundRequest, RequestInput, RequestOptions, RequestOutcome, RequestOutput, Requester,
    RequesterError,
};
#[doc(inline)]
pub use respond::{
    Rejected, RequestKey, RespondInput, RespondOptions, RespondOutput, Responder, ResponderError,
};
pub use settings::Settings;
pub use splitmix64::SplitMix64;
#[doc(inline)]
pub use sync::{StateOrigin, StateSync, SyncError, SyncInput, SyncOptions, SyncOutput};
pub use timers::Timers;

use crate::error::Error;
use crate::json::Json;
use crate::scalar::{Instant, Now};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use snapshot::SnapshotError;
use std::fmt;

/// Why a message that answers something changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum IgnoreReason {
    /// What it answers had ended without it.
    Late,
    /// It repeats what was known.
    Duplicate,
}

impl fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            IgnoreReason::Late => "late",
            IgnoreReason::Duplicate => "duplicate",
        })
    }
}

/// A state machine without I/O; see [the module](self) for the contract.
pub trait Machine: Serialize + DeserializeOwned {
    /// What goes in beside time.
    type Input;
    /// What it asks its host to do or to know: its effects.
    #[doc(alias = "effect")]
    type Output;
    /// Why it refuses an input.
    type Error: std::error::Error;

    /// Takes an input.
    ///
    /// # Errors
    /// The input is refused, and nothing has changed.
    fn handle(&mut self, now: Now, input: Self::Input) -> Result<(), Self::Error>;

    /// Does what is due. Afterwards [`deadline`](Self::deadline) is later than `now`, or none.
    fn handle_timeout(&mut self, now: Now);

    /// The next output. Once it says `None`, it does so until the next call of one of the above.
    fn poll(&mut self) -> Option<Self::Output>;

    /// When something is due next, if nothing comes in.
    fn deadline(&self) -> Option<Instant>;

    /// All that it knows, as JSON for [`restore`](Self::restore) of the same version of this crate.
    ///
    /// # Errors
    /// [`Error`] of the code `snapshot` if it holds what JSON cannot, which none of this crate's
    /// machines does.
    #[doc(alias = "serialize")]
    fn snapshot(&self) -> Result<Json, Error> {
        Json::of(self).map_err(|error| SnapshotError::new(&error).into())
    }

    /// The machine of a snapshot. Its clock must have the same start as that of the snapshot.
    ///
    /// Restore only what you stored: a snapshot is trusted, not validated.
    ///
    /// # Errors
    /// [`Error`] of the code `snapshot` if it is no snapshot of such a machine.
    #[doc(alias = "deserialize")]
    fn restore(snapshot: &Json) -> Result<Self, Error> {
        snapshot.decode().map_err(|error| SnapshotError::new(&error).into())
    }
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
