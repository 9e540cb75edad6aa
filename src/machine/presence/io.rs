//! What goes in and out.

use crate::error::leaf_errors;
use crate::machine::effect::machine_output;
use crate::machine::{Ignored, Outbound};
use crate::message::{ComponentRegistration, HealthStatus};
use crate::scalar::{ComponentId, HealthState, printable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a host wants of a [`Presence`](super::Presence). Registrations, heartbeats, health reports and deregistrations of
/// others are [received](crate::machine::Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PresenceInput {
    /// Take part: send this registration, and heartbeats from now on.
    Join(Box<ComponentRegistration>),
    /// One's own health, as [`HealthDue`](PresenceOutput::HealthDue) asks for it. Its state goes into
    /// the heartbeats, too.
    Health(Box<HealthStatus>),
    /// Take part no more, for a reason.
    Leave(String),
    /// Watch a component that has not registered.
    Expect(ComponentId),
}

/// Why a [`Presence`](super::Presence) refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// As many components are watched as may be.
    #[error("{0} components are watched, which is the limit")]
    Full(usize),
    /// It is about another component than the one that takes part.
    #[error("`{}` is not the component that takes part", printable(.0))]
    NotOurs(ComponentId),
    /// The component does not take part yet.
    #[error("the component has not joined")]
    NotJoined,
    /// The component takes part already.
    #[error("the component has joined already")]
    Joined,
    /// As many outputs wait to be fetched as may.
    #[error("{0} outputs wait to be fetched, which is the limit")]
    Unpolled(usize),
}

leaf_errors! {
    PresenceError, Machine {
        Self::Full(_) => ["full", Execution, Conflict, transient, "retry", "Register again when another component has left."],
        Self::NotOurs(_) => ["not-ours", Execution, Conflict, lasting, "correct_and_retry", "Report the health of the component that has joined."],
        Self::NotJoined => ["not-joined", Execution, Conflict, lasting, "register", "Join first."],
        Self::Joined => ["joined", Execution, Conflict, lasting, "correct_and_retry", "Join once."],
        Self::Unpolled(_) => ["unpolled", Execution, LimitExceeded, transient, "retry", "Fetch the outputs, then hand in the same input."],
    }
}

/// What a [`Presence`](super::Presence) asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PresenceOutput {
    /// Send this to whoever watches.
    Send(Outbound),
    /// One's own health is to be reported: hand it in.
    HealthDue,
    /// The state of a component changed.
    Changed {
        /// The component.
        component: ComponentId,
        /// What it was; `None` if it was not watched.
        from: Option<HealthState>,
        /// What it is; `None` if it has left.
        to: Option<HealthState>,
    },
    /// A message was not applied.
    Ignored(Ignored),
}

machine_output!(PresenceOutput);

impl fmt::Display for PresenceOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PresenceOutput::Send(outbound) => outbound.fmt(f),
            PresenceOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
            PresenceOutput::HealthDue => f.write_str("health due"),
            PresenceOutput::Changed { component, from, to } => {
                let word = |state: &'_ Option<HealthState>, none: &str| {
                    state.as_ref().map_or_else(|| none.to_owned(), ToString::to_string)
                };
                write!(f, "{component} {} -> {}", word(from, "new"), word(to, "gone"))
            }
        }
    }
}
