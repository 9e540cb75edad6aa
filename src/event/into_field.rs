//! What a writer may give for a field.

use super::field::{JsonObject, PhaseId, PhaseName};
use crate::json::{Json, Map};
#[allow(clippy::wildcard_imports, reason = "every scalar is a field")]
use crate::scalar::*;
use crate::spec::vocabulary_table;

/// What a writer may give for a field of type `T`: whatever becomes one by [`Into`], and what people
/// write for it: `3` and `2.5` for numbers, arrays and slices of texts for lists.
///
/// # Panics
/// A number that does not fit its field panics where it is given, as in
/// [`Duration::from_secs_f64`](std::time::Duration::from_secs_f64): it is a slip of the program. Numbers from
/// elsewhere go through `TryFrom` or `parse` first.
///
/// ```
/// use coordination_protocol::message::{AgentState, Resources, WorkflowState};
/// use coordination_protocol::scalar::{Amount, WorkflowId};
/// use std::time::SystemTime;
///
/// let asked = Resources::new().with_agents(3).with_memory_gb(2.5);
/// let state = WorkflowState::new(WorkflowId::new("wf_001")?, 1, SystemTime::now())
///     .with_agent_states([("agent_1", AgentState::new("active").with_progress(67.5))])
///     .with_validation_required(["state_integrity"]);
/// let from_elsewhere = Amount::try_from(-2.5);
/// assert!(from_elsewhere.is_err());
/// # let _ = (asked, state);
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
pub trait IntoField<T> {
    /// The value of the field.
    #[track_caller]
    fn into_field(self) -> T;
}

macro_rules! by_into {
    ($($type:ty)+) => { $(
        impl<U: Into<$type>> IntoField<$type> for U {
            fn into_field(self) -> $type {
                self.into()
            }
        }
    )+ };
}
pub(crate) use by_into;

by_into! {
    bool String Json JsonObject PhaseName
    WorkflowId Phase RequestId ResponseId ErrorId MessageId CorrelationId AllocationId CheckpointId
    TaskId AgentId ComponentId ConflictId RecoveryId ProposalId
    Span Timestamp Window ByteSize Digest ComponentVersion ProtocolVersion
    PhaseId Quantity Amount Count Percent Ratio
}

macro_rules! words {
    (; vocabularies $($name:ident $word:literal $noun:literal)+) => {
        by_into! { $($name)+ }
    };
}
vocabulary_table! { words {} }

macro_rules! numbers {
    ($($type:ident from $($number:ty)+;)+) => { $($(
        impl IntoField<$type> for $number {
            fn into_field(self) -> $type {
                match $type::try_from(self) {
                    Ok(value) => value,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    )+)+ };
}
numbers! {
    Count from i32 i64;
    Amount from u64 usize i32 i64 f64;
    Percent from u8 u32 u64 i32 i64 f64;
    Ratio from u8 i32 f64;
    Quantity from f64;
}

impl<T, U: Into<Map<T>>> IntoField<Map<T>> for U {
    fn into_field(self) -> Map<T> {
        self.into()
    }
}

impl<T> IntoField<Vec<T>> for Vec<T> {
    fn into_field(self) -> Vec<T> {
        self
    }
}

impl<T, const N: usize> IntoField<Vec<T>> for [T; N] {
    fn into_field(self) -> Vec<T> {
        self.into()
    }
}

impl<T: Clone> IntoField<Vec<T>> for &[T] {
    fn into_field(self) -> Vec<T> {
        self.to_vec()
    }
}

macro_rules! lists_of_texts {
    ($($text:ty)+) => { $(
        impl<const N: usize> IntoField<Vec<String>> for [$text; N] {
            fn into_field(self) -> Vec<String> {
                self.into_iter().map(String::from).collect()
            }
        }

        impl IntoField<Vec<String>> for Vec<$text> {
            fn into_field(self) -> Vec<String> {
                self.into_iter().map(String::from).collect()
            }
        }

        impl IntoField<Vec<String>> for &[$text] {
            fn into_field(self) -> Vec<String> {
                self.iter().copied().map(String::from).collect()
            }
        }
    )+ };
}
lists_of_texts! { &str &String }
