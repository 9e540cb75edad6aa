//! What to do while a component that matters is away (specification, Error Handling, Graceful
//! Degradation).
//!
//! A component goes on with less: what it would send to the one that is away is held, dropped or
//! refused, by a policy that is a plain value. [`Presence`](super::Presence) says who is away. What
//! answers somebody, or is for no component in particular, is always sent.
//!
//! | away | who gets | default |
//! |---|---|---|
//! | the hub | events, state, checkpoints, errors, registrations, subscriptions | held for 10 min, then refused |
//! | the hub | proposals, rollbacks | refused: no component decides alone |
//! | the resource manager | requests for resources | refused at once, so that the requester falls back |
//! | the resource manager | releases | held for 10 min, then refused |
//! | the status component | health, heartbeats | dropped: the next one says more |

use crate::message::{Envelope, Message, MessageKind};
use crate::scalar::{HealthState, words};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

words! {
    /// A component that others depend on (specification, Coordination Protocols), by the name that
    /// the specification gives it.
    Role {
        /// Coordinates workflows and their events.
        CoordinationHub "coordination-hub",
        /// Grants resources.
        ResourceManager "resource-manager",
        /// Watches progress and health.
        WorkflowStatus "workflow-status",
    }
}

/// What becomes of a message whose receiver is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fallback {
    /// It waits, up to a capacity and for a time after the receiver went away; then it is
    /// refused.
    Hold {
        /// How many messages may wait.
        capacity: usize,
        /// How long the receiver may be away.
        within: Duration,
    },
    /// It is given up without a notice: a later one says more.
    Drop,
    /// Whoever wanted to send it is told at once, and does without.
    Refuse,
}

/// What to do with one message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send it.
    Send,
    /// Keep it until its receiver is back.
    Hold,
    /// Forget it.
    Drop,
    /// Tell whoever wanted to send it.
    Refuse,
}

/// A policy of degradation.
///
/// ```
/// use coordination_protocol::MessageKind;
/// use coordination_protocol::machine::{Action, Degradation, Fallback, Role};
/// use coordination_protocol::scalar::HealthState;
/// use std::time::Duration;
///
/// let policy = Degradation::default();
/// let away = |kind, seconds| {
///     policy.decide(kind, &HealthState::Unhealthy, Duration::from_secs(seconds), 0)
/// };
/// assert_eq!(away(MessageKind::Event, 5), Action::Hold);
/// assert_eq!(away(MessageKind::Event, 3_600), Action::Refuse);
/// assert_eq!(away(MessageKind::AllocationRequest, 5), Action::Refuse);
/// assert_eq!(away(MessageKind::HealthStatus, 5), Action::Drop);
///
/// // A workshop that can wait for its resource manager.
/// let hold = Fallback::Hold { capacity: 10, within: Duration::from_secs(60) };
/// let policy = policy.with(MessageKind::AllocationRequest, hold);
/// let state = HealthState::Unhealthy;
/// assert_eq!(policy.decide(MessageKind::AllocationRequest, &state, Duration::ZERO, 9), Action::Hold);
/// assert_eq!(policy.decide(MessageKind::AllocationRequest, &state, Duration::ZERO, 10), Action::Refuse);
/// ```
#[doc(alias = "graceful degradation")]
#[doc(alias = "fallback")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Degradation {
    /// What differs from the table.
    own: BTreeMap<MessageKind, Fallback>,
}

/// Expands the table: which component a kind of message is for, and what becomes of it while that is
/// away.
macro_rules! duties {
    ($($role:ident $fallback:ident: $($kind:ident)+;)+) => {
        impl Role {
            /// The component that a kind of message is for; `None` for what any component sends to any
            /// other, such as answers and dead letters.
            pub const fn of(kind: MessageKind) -> Option<Role> {
                match kind {
                    $($(MessageKind::$kind)|+ => Some(Role::$role),)+
                    _ => None,
                }
            }
        }

        impl Degradation {
            /// What becomes of a kind of message by default.
            const fn standard(kind: MessageKind) -> Option<Fallback> {
                match kind {
                    $($(MessageKind::$kind)|+ => Some($fallback),)+
                    _ => None,
                }
            }
        }
    };
}

const HOLD: Fallback = Fallback::Hold { capacity: 1_000, within: Duration::from_secs(600) };
const DROP: Fallback = Fallback::Drop;
const REFUSE: Fallback = Fallback::Refuse;

duties! {
    CoordinationHub HOLD: Event WorkflowState CheckpointSync ErrorReport ComponentRegistration Deregistration Subscription;
    CoordinationHub REFUSE: Proposal Rollback;
    ResourceManager REFUSE: AllocationRequest ConflictCheck;
    ResourceManager HOLD: Release;
    WorkflowStatus DROP: HealthStatus Heartbeat;
}

impl Degradation {
    /// The defaults.
    pub fn new() -> Self {
        Degradation::default()
    }

    /// Sets what becomes of a kind of message. It has no effect on kinds that are for no
    /// [`Role`].
    pub fn with(mut self, kind: MessageKind, fallback: Fallback) -> Self {
        self.own.insert(kind, fallback);
        self
    }

    /// What becomes of a kind of message; `None` if it is for no [`Role`].
    pub fn fallback(&self, kind: MessageKind) -> Option<Fallback> {
        let standard = Degradation::standard(kind)?;
        Some(self.own.get(&kind).copied().unwrap_or(standard))
    }

    /// What to do with a message of a kind, if its receiver is in this state and has been for so
    /// long, and this number of messages is held for it.
    ///
    /// `unhealthy` and `unknown` are away. A degraded component still works, so it gets everything.
    pub fn decide(
        &self,
        kind: MessageKind,
        receiver: &HealthState,
        since: Duration,
        held: usize,
    ) -> Action {
        // Degraded is slow, not gone: to hold back would turn its trouble into an outage.
        if matches!(receiver, HealthState::Healthy | HealthState::Degraded) {
            return Action::Send;
        }
        match self.fallback(kind) {
            None => Action::Send,
            Some(Fallback::Drop) => Action::Drop,
            Some(Fallback::Hold { capacity, within }) if held < capacity && since < within => {
                Action::Hold
            }
            // Beyond its bounds a hold becomes a refusal, not a drop: whoever sends can still do
            // something else.
            Some(Fallback::Hold { .. } | Fallback::Refuse) => Action::Refuse,
        }
    }

    /// As [`decide`](Self::decide), for a message: what answers somebody is always sent.
    pub fn decide_message(
        &self,
        envelope: &Envelope,
        receiver: &HealthState,
        since: Duration,
        held: usize,
    ) -> Action {
        let answers = envelope.header.response_to.is_some()
            || matches!(envelope.message, Message::AllocationResponse(_));
        // Somebody waits for an answer, and whether it is away is for its own timeout to tell.
        if answers {
            return Action::Send;
        }
        self.decide(envelope.kind(), receiver, since, held)
    }
}
