//! What goes in and out.

use crate::error::leaf_errors;
use crate::machine::effect::machine_output;
use crate::machine::{Ignored, Outbound};
use crate::merge::{Conflict, Relation};
use crate::message::WorkflowState;
use crate::scalar::{CheckResult, ComponentId, WorkflowId, printable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a host wants of a [`StateSync`](super::StateSync). States of others and notices of checkpoints
/// are [received](crate::machine::Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SyncInput {
    /// Keep in step with a component. Who has no state yet has nothing to send and waits for theirs,
    /// so let both join each other.
    Join(ComponentId),
    /// A component takes part no more, until it joins or speaks again.
    Leave(ComponentId),
    /// The component itself made a new state: change a [copy](super::StateSync::state) of the current
    /// one. If another version is current by then, the two are merged with the version that it was
    /// copied from, which its metadata and its `state_version` tell. Without metadata, 0 or the next
    /// version says that it was made from the current one. The machine gives it its version, its epoch,
    /// its time and its metadata.
    Changed(Box<WorkflowState>),
    /// The results of a validation that an output asked for, by name.
    Validated(u64, Vec<(String, CheckResult)>),
    /// All agreed on this state: what a ballot committed, what somebody settled by hand, or what a
    /// restore put back. It is adopted as it is if its version is later than
    /// ours, or its epoch. If ours has gone on without it, it is merged into ours, and wins where both
    /// are in conflict.
    Decided(Box<WorkflowState>),
}

/// Why a [`StateSync`](super::StateSync) refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The state is that of another workflow.
    #[error("the state is that of `{found}`, not of `{expected}`", found = printable(.found), expected = printable(.expected))]
    OtherWorkflow {
        /// The workflow of the state.
        found: WorkflowId,
        /// The one that is kept in step.
        expected: WorkflowId,
    },
    /// A component does not keep in step with itself.
    #[error("the component is our own")]
    Ours,
    /// As many components take part as may.
    #[error("{0} components take part, which is the limit")]
    Full(usize),
    /// The component does not take part.
    #[error("`{}` does not take part", printable(.0))]
    NotAPeer(ComponentId),
    /// The new state was made from a version that is not current, and cannot be merged with the one
    /// that is. Nothing was written over.
    #[error("the state was made from version {made_from}, but version {current} is current{}", both_changed(.conflicts))]
    Stale {
        /// The version that it was made from.
        made_from: u64,
        /// The version that is current.
        current: u64,
        /// Pointers to what both changed, each in its own way. Empty if the version that it was made
        /// from is not known here: it is too old, of an earlier epoch, or never was.
        conflicts: Vec<String>,
    },
    /// The workflow was taken back since: the state is of a line that was given up.
    #[error("the state is of epoch {found}, but epoch {current} has begun")]
    Abandoned {
        /// The epoch of the state.
        found: u64,
        /// The epoch of ours.
        current: u64,
    },
    /// Versions end at 2^53 - 1: beyond, programs that count in doubles skip some.
    #[error("version {0} is beyond the last one, 9007199254740991")]
    BeyondLastVersion(u64),
    /// The new state says what the old one says.
    #[error("the state says nothing new")]
    Unchanged,
    /// No output asked for it, or it is over.
    #[error("no validation {0} is under way")]
    NotValidating(u64),
    /// As many outputs wait to be fetched as may.
    #[error("{0} outputs wait to be fetched, which is the limit")]
    Unpolled(usize),
}

fn both_changed(conflicts: &[String]) -> String {
    match conflicts {
        [] => String::new(),
        conflicts => format!("; both changed {}", printable(&conflicts.join(", "))),
    }
}

leaf_errors! {
    SyncError, Machine {
        Self::OtherWorkflow { .. } => ["other-workflow", State, Conflict, lasting, "correct_and_resend", "Hand in states of the workflow that is kept in step."],
        Self::Ours => ["ours", State, Conflict, lasting, "correct_and_resend", "Let other components join only."],
        Self::Full(_) => ["full", State, LimitExceeded, transient, "retry", "Let a component leave first."],
        Self::NotAPeer(_) => ["not-a-peer", State, Conflict, lasting, "join", "Let the component join first."],
        Self::Stale { .. } => ["stale", State, Conflict, lasting, "merge", "Change a copy of the current state, and hand that in."],
        Self::Abandoned { .. } => ["abandoned", State, Conflict, lasting, "read_and_retry", "Go on from the state that was put back."],
        Self::BeyondLastVersion(_) => ["beyond-last-version", State, Conflict, lasting, "correct_and_resend", "Hand in versions up to 9007199254740991; where they are used up, begin another workflow."],
        Self::Unchanged => ["unchanged", State, Conflict, lasting, "correct_and_resend", "Hand in states that differ from the current one."],
        Self::NotValidating(_) => ["not-validating", State, Conflict, lasting, "correct_and_resend", "Hand in the results of the validation that is under way."],
        Self::Unpolled(_) => ["unpolled", Execution, LimitExceeded, transient, "retry", "Fetch the outputs, then hand in the same input."],
    }
}

/// How a state came to be the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StateOrigin {
    /// There was none before.
    First,
    /// The component made it.
    Own,
    /// A peer has a later version that came from ours; `gap` versions between were never seen.
    Newer {
        /// How many were not.
        gap: u64,
    },
    /// It was merged of ours and a peer's.
    Merged,
    /// All agreed on it.
    Decided,
    /// It begins a later epoch: the workflow was taken back. What was current is abandoned.
    Restored,
}

impl fmt::Display for StateOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateOrigin::First => f.write_str("first"),
            StateOrigin::Own => f.write_str("own"),
            StateOrigin::Newer { gap: 0 } => f.write_str("newer"),
            StateOrigin::Newer { gap } => write!(f, "newer, gap={gap}"),
            StateOrigin::Merged => f.write_str("merged"),
            StateOrigin::Decided => f.write_str("decided"),
            StateOrigin::Restored => f.write_str("restored"),
        }
    }
}

/// What a [`StateSync`](super::StateSync) asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SyncOutput {
    /// Send this: our state, and the request for theirs if its purpose says so.
    Send(Outbound),
    /// Run these validations on a state that would become the current one, and hand in the results
    /// with the number. Results that are not handed in within the timeout are `unknown`.
    Validate {
        /// The number.
        number: u64,
        /// What `validation_required` names.
        names: Vec<String>,
        /// The state.
        state: Box<WorkflowState>,
    },
    /// A state is the current one now. Keep it.
    Adopted {
        /// How it came.
        origin: StateOrigin,
        /// Who sent the state that it came from, if a peer did.
        from: Option<ComponentId>,
        /// The state.
        state: Box<WorkflowState>,
    },
    /// A state was not adopted, because validations failed.
    Rejected {
        /// Who sent it, if a peer did.
        from: Option<ComponentId>,
        /// Its version.
        version: u64,
        /// The validations that failed.
        failed: Vec<String>,
    },
    /// Ask for consensus: put this state to a [ballot](crate::machine::ballot) for its version, or have
    /// somebody settle the conflicts, and hand in what comes of it ([`Decided`](SyncInput::Decided)).
    ///
    /// Every replica that meets the fork may ask. Each may propose, under an identifier of its own: of
    /// equal histories they are given the same state, and one decision settles it for all.
    /// `examples/replica.rs` has the host's part.
    Consensus {
        /// Whose state ours is in conflict with.
        with: ComponentId,
        /// What of both could be merged; at conflicts it holds the side with the later timestamp.
        state: Box<WorkflowState>,
        /// What could not. Empty if nothing is in conflict by itself, but no common ancestor is known,
        /// so that removals cannot be told from additions. `/state_version` or `/epoch` alone if the
        /// peer's state, which is the one given, is further ahead than
        /// [`max_jump`](super::SyncOptions::max_jump) allows.
        conflicts: Vec<Conflict>,
    },
    /// What a peer's state is to ours, where that changed.
    Related {
        /// The peer.
        peer: ComponentId,
        /// Its state to ours.
        relation: Relation,
    },
    /// A message was not applied.
    Ignored(Ignored),
}

machine_output!(SyncOutput);

impl fmt::Display for SyncOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = |f: &mut fmt::Formatter<'_>, from: &Option<ComponentId>| match from {
            Some(peer) => write!(f, " from {peer}"),
            None => Ok(()),
        };
        match self {
            SyncOutput::Send(outbound) => outbound.fmt(f),
            SyncOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
            SyncOutput::Validate { number, names, state } => {
                write!(f, "validate {number} v{}: {}", state.state_version, names.join(", "))
            }
            SyncOutput::Adopted { origin, from: peer, state } => {
                write!(f, "adopt v{}", state.state_version)?;
                from(f, peer)?;
                write!(f, ": {origin}")
            }
            SyncOutput::Rejected { from: peer, version, failed } => {
                write!(f, "reject v{version}")?;
                from(f, peer)?;
                write!(f, ": {}", failed.join(", "))
            }
            SyncOutput::Consensus { with, state, conflicts } => {
                write!(f, "ask for consensus on v{} with {with}:", state.state_version)?;
                match conflicts.as_slice() {
                    [] => f.write_str(" no common ancestor is known"),
                    conflicts => conflicts.iter().try_for_each(|c| write!(f, " {}", c.pointer)),
                }
            }
            SyncOutput::Related { peer, relation } => write!(f, "{peer} is {relation}"),
        }
    }
}
