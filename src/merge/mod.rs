//! Comparing and merging states (specification, State Synchronization Pattern).
//!
//! [`relation`] tells older, newer, gap, duplicate and fork apart. A fork is merged with the version
//! that both sides started from: [`merge`] for typed states, [`merge_json`] for any JSON document.
//!
//! ```
//! use coordination_protocol::merge::{MergePolicy, merge};
//! use coordination_protocol::message::{AgentState, Map, WorkflowState};
//! use coordination_protocol::scalar::{Percent, Timestamp, WorkflowId};
//!
//! let state = |version: u64, time, agents: &[(&str, f64)]| {
//!     let agents = agents.iter().map(|(name, progress)| {
//!         (*name, AgentState::new("active").with_progress(Percent::new(*progress).unwrap()))
//!     });
//!     WorkflowState::new(WorkflowId::new("wf_001").unwrap(), version, Timestamp::from_lenient(time))
//!         .with_agent_states(Map::from_iter(agents))
//! };
//! let base = state(15, "2025-01-15T12:00:00Z", &[("a1", 10.0), ("a2", 10.0)]);
//! let ours = state(16, "2025-01-15T12:00:05Z", &[("a1", 30.0), ("a2", 10.0)]);
//! let theirs = state(16, "2025-01-15T12:00:04Z", &[("a1", 20.0), ("a2", 40.0)]);
//! let merged = merge(&base, ours, &theirs, &MergePolicy::state());
//! assert!(merged.is_clean());
//! assert_eq!(merged.value, state(17, "2025-01-15T12:00:05Z", &[("a1", 30.0), ("a2", 40.0)]));
//! ```
//!
//! # How a value is merged
//!
//! 1. What only one side changed, removed or added is taken from that side.
//! 2. What both sides changed to the same is taken.
//! 3. Objects that both sides changed are merged member by member.
//! 4. For any other value that both sides changed the policy's row for its place is asked.
//!    A value that belongs to a sibling ([`Row::of`]), as progress does to a phase, comes from the
//!    side whose sibling was taken: progress of the phase that was left behind is not kept.
//! 5. What no row settles is a [`Conflict`] with base, ours and theirs. The value holds ours there.
//!    The [`Strategy`]s `ours` and `theirs` settle it, and [`Merged::resolve`] does one by one.
//!
//! # Rules
//!
//! Rows of [`STATE_ROWS`] say what is done to each field of a state, and callers replace them and
//! add their own. Rules that are *joins* ([`MergeRule::is_join`]) make replicas converge: the result
//! does not depend on who merges with whom, in which order, how often. A row with a sibling is a
//! join if the sibling's is one too. Where no value is removed on one side and changed on the other
//! it holds for objects of join rows too; [`MergeRule::RemoveWins`] and [`MergeRule::ChangeWins`] lift that
//! condition.
//!
//! A rule may also be a [function](Row::with_function) of one's own.
//!
//! Removals need no tombstones: what the base has and a side has not was removed there. So merge
//! with the true common ancestor, and keep it until all have what came of it.
//!
//! # Versions
//!
//! The merged `state_version` is one more than the greater of both, so that every replica takes the
//! merged state for the newer one. If its content is exactly that of the side with the greater
//! version, it keeps that version: merging what is known already makes no new state.

mod apply_rule;
mod conflict;
mod context;
mod diff;
mod document;
mod error;
mod policy;
mod relation;
mod row;
mod rule;
mod serde;
mod table;
mod typed;

use crate::json::{Json, pointer};
use crate::message::WorkflowState;

pub use apply_rule::Cause;
pub use conflict::{Conflict, ConflictChoice, Document, Merged};
pub use diff::{Difference, diff};
pub use document::merge_json;
pub use error::MergeError;
pub use policy::MergePolicy;
pub(crate) use relation::across_epochs;
pub use relation::{Relation, StateAgreement, agreement, content_digest, relation, relation_by};
pub use row::Row;
pub use rule::{MergeRule, Strategy};
pub use table::STATE_ROWS;

/// The members of a state that are no part of its content when versions are compared.
const WITHOUT: [&str; 4] = ["timestamp", "metadata", "epoch", "restored_version"];

/// Merges two states of a workflow that both started from `base`. Ours is changed in place: what
/// only we touched is not copied, and nothing is serialized but what goes into a conflict.
///
/// By [`MergePolicy::state`], whatever its strategy, three states that are valid in strict mode give one
/// that is. Agents come in our order, then those that only they have.
#[doc(alias = "three-way merge")]
#[doc(alias = "reconcile")]
pub fn merge(
    base: &WorkflowState,
    ours: WorkflowState,
    theirs: &WorkflowState,
    policy: &MergePolicy,
) -> Merged<WorkflowState> {
    let mut value = ours;
    let order = match (moment(&value, policy), moment(theirs, policy)) {
        (Some(ours), Some(theirs)) => apply_rule::moments(&ours, &theirs),
        _ => None,
    };
    let mut cx = context::MergeContext::new(policy, order);
    typed::state(base, &mut value, theirs, &mut cx);
    let versions = cx.versions();
    let mut merged = Merged::new(value, cx.conflicts);
    for (pointer, version) in versions {
        if pointer == "/state_version"
            && let Ok(version) = version.as_str().parse()
        {
            merged.value.state_version = version;
        } else if let Ok(value) = merged.value.with_member(&pointer, Some(&version)) {
            merged.value = value;
        }
    }
    merged
}

/// The timestamp that [`MergeRule::Newer`] goes by.
fn moment(state: &WorkflowState, policy: &MergePolicy) -> Option<String> {
    if policy.clock() == "/timestamp" {
        return state.timestamp.as_ref().map(|timestamp| timestamp.as_str().to_owned());
    }
    let json = Json::of(state).ok()?;
    let json = pointer::find(json.as_str(), 0, policy.clock())?.raw(json.as_str()).parse::<Json>();
    json.ok()?.to_text()
}
