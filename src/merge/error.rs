//! What can go wrong with a merge.

use crate::error::leaf_errors;
use crate::json::JsonFault;
use crate::scalar::printable;

/// Why a merge, a policy or a resolution is refused. Conflicts are no errors: they are part of what
/// a merge yields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A text is no JSON within the limits.
    #[error("{side} is no JSON within the limits: {fault}")]
    Json {
        /// Which text: `base`, `ours` or `theirs`; `before` or `after` of a diff.
        side: &'static str,
        /// What is wrong with it.
        fault: JsonFault,
    },
    /// What should name a value is no JSON pointer: it does not start with `/`, or a `~` in it escapes
    /// nothing.
    #[error("`{}` is no JSON pointer; write it like `/agent_states/*/progress`", printable(.0))]
    Pointer(String),
    /// A row asks for a version that a document would have many of.
    #[error("`{}` cannot have the rule `version`: a document has one version", printable(.0))]
    Version(String),
    /// A policy file is no JSON.
    #[error("the policy is no JSON: {}", printable(.0))]
    PolicyJson(JsonFault),
    /// A policy file is JSON, and not a list of rows.
    #[error("a policy is a list of rows like {{\"pointer\":\"/a/*\",\"rule\":\"highest\"}}; row {row}: {reason}", reason = printable(.reason))]
    PolicyRow {
        /// The row, the first is 1; 0 if there is no list.
        row: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such conflict, or it is resolved already.
    #[error("there is no conflict at `{}`", printable(.0))]
    NoConflict(String),
    /// The document cannot hold the value that a conflict should be resolved with.
    #[error("the document cannot hold that at `{pointer}`: {reason}", pointer = printable(.pointer), reason = printable(.reason))]
    Unfit {
        /// Where.
        pointer: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl MergeError {
    /// The same about a row of a policy file.
    pub(super) fn in_row(self, row: usize) -> Self {
        match self {
            MergeError::PolicyRow { reason, .. } => MergeError::PolicyRow { row, reason },
            other => MergeError::PolicyRow { row, reason: other.to_string() },
        }
    }
}

leaf_errors! {
    MergeError, Merge {
        Self::Json { .. } => ["json", System, Corruption, lasting, "correct_and_resend", "Send sound JSON within the limits."],
        Self::Pointer(_) => ["pointer", System, Corruption, lasting, "correct_and_retry", "Write rows of pointer and rule."],
        Self::Version(_) => ["version", System, Corruption, lasting, "correct_and_retry", "Write rows of pointer and rule."],
        Self::PolicyJson(_) => ["policy-json", System, Corruption, lasting, "correct_and_retry", "Write rows of pointer and rule."],
        Self::PolicyRow { .. } => ["policy-row", System, Corruption, lasting, "correct_and_retry", "Write rows of pointer and rule."],
        Self::NoConflict(_) => ["no-conflict", State, Conflict, lasting, "correct_and_retry", "Choose a value that the document can hold for a conflict that is listed."],
        Self::Unfit { .. } => ["unfit", State, Conflict, lasting, "correct_and_retry", "Choose a value that the document can hold for a conflict that is listed."],
    }
}
