//! What a writer may give for a field.

use super::field::{JsonObject, PhaseId, PhaseName};
use crate::json::{Json, Map};
#[allow(clippy::wildcard_imports, reason = "every scalar is a field")]
use crate::scalar::*;
use crate::spec::vocabulary_table;

/// What a writer may give for a field of type `T`: whatever becomes one by [`Into`], and what people
/// write for it: `3` for a number, arrays and slices of texts for lists.
///
/// A literal of the wrong sign does not compile. Where a number may fail to fit its field, as all fractions
/// and percentages may, only the setters take it, and give a `Result` back ([`SetField`]); constructors
/// take the scalar, made by `TryFrom` or `parse`.
///
/// ```
/// use coordination_protocol::message::{AgentState, Resources, WorkflowState};
/// use coordination_protocol::scalar::WorkflowId;
/// use std::time::SystemTime;
///
/// let asked = Resources::new().with_agents(3).with_memory_gb(2.5)?;
/// let state = WorkflowState::new(WorkflowId::new("wf_001")?, 1, SystemTime::now())
///     .with_agent_states([("agent_1", AgentState::new("active").with_progress(67.5)?)])
///     .with_validation_required(["state_integrity"]);
/// assert_eq!(
///     asked.with_memory_gb(-2.5).unwrap_err().to_string(),
///     "-2.5 is out of range: it must be from 0 to the largest double",
/// );
/// # let _ = state;
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
///
/// ```compile_fail,E0277
/// use coordination_protocol::message::Resources;
///
/// let asked = Resources::new().with_agents(-3);
/// ```
pub trait IntoField<T> {
    /// The value of the field.
    fn into_field(self) -> T;
}

/// What a setter takes for a field of type `T`: what [`IntoField`] takes, and numbers that may not fit.
///
/// What the setter gives back follows from what it is given: itself, or a `Result` of itself where the number
/// may not fit.
pub trait SetField<T> {
    /// What a setter of `S` gives back.
    type Set<S>;

    /// Puts the value where it belongs.
    fn set<S>(self, put: impl FnOnce(T) -> S) -> Self::Set<S>;
}

impl<T, U: IntoField<T>> SetField<T> for U {
    type Set<S> = S;

    fn set<S>(self, put: impl FnOnce(T) -> S) -> S {
        put(self.into_field())
    }
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
    PhaseId
}

macro_rules! words {
    (; vocabularies $($name:ident $word:literal $noun:literal)+) => {
        by_into! { $($name)+ }
    };
}
vocabulary_table! { words {} }

// One whole number for each, so that a literal is of its type: with two, `3` would be an `i32`, which may be
// negative.
macro_rules! numbers {
    ($($type:ident from $($number:ty)? $(, try $($fallible:ty)+)?;)+) => { $(
        impl IntoField<$type> for $type {
            fn into_field(self) -> $type {
                self
            }
        }

        $(
            impl IntoField<$type> for $number {
                fn into_field(self) -> $type {
                    self.into()
                }
            }
        )?

        $($(
            impl SetField<$type> for $fallible {
                type Set<S> = Result<S, ScalarError>;

                fn set<S>(self, put: impl FnOnce($type) -> S) -> Result<S, ScalarError> {
                    $type::try_from(self).map(put)
                }
            }
        )+)?
    )+ };
}
numbers! {
    Count from u64;
    Amount from u32, try f64;
    Percent from, try u32 f64;
    Ratio from, try u8 f64;
    Quantity from u64, try f64;
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
