//! The result of a merge: the value, and the conflicts that no rule resolved.

use super::apply_rule::Cause;
use super::error::MergeError;
use super::rule::MergeRule;
use crate::json::{Json, with_value_at};
use crate::message::WorkflowState;
use crate::scalar::Escaping;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::{self, Write as _};

/// A value that both sides changed and no rule settled. A side without a value has removed it, or
/// never had it.
///
/// It prints as one line, and through serde as one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// Where, as a JSON pointer into the merged document.
    pub pointer: String,
    /// What both sides started from.
    pub base: Option<Json>,
    /// What we made of it. The merged value holds this.
    pub ours: Option<Json>,
    /// What they made of it.
    pub theirs: Option<Json>,
    /// The rule that could not settle it.
    pub rule: MergeRule,
    /// Why it could not.
    pub cause: Cause,
}

/// The maximum length of a value in a line for people, in characters.
const SHOWN: usize = 60;

/// A value, cut if it is long, or that there is none.
pub(super) fn show(value: Option<&Json>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    match value.as_str().char_indices().nth(SHOWN) {
        None => value.as_str().to_owned(),
        Some((end, _)) => format!("{}\u{2026}", &value.as_str()[..end]),
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        let pointer = if self.pointer.is_empty() { "the document" } else { &self.pointer };
        write!(
            f,
            "{pointer}: base {}, ours {}, theirs {} ({}: {})",
            show(self.base.as_ref()),
            show(self.ours.as_ref()),
            show(self.theirs.as_ref()),
            self.rule,
            self.cause.words(),
        )
    }
}

impl Serialize for Conflict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pointer", &self.pointer)?;
        let sides = [("base", &self.base), ("ours", &self.ours), ("theirs", &self.theirs)];
        for (side, value) in sides {
            if let Some(value) = value {
                map.serialize_entry(side, value)?;
            }
        }
        map.serialize_entry("rule", &self.rule)?;
        map.serialize_entry("cause", &self.cause)?;
        map.end()
    }
}

/// A merged document.
///
/// Where there is a conflict, `value` holds ours; if we have removed the value, it holds none. So
/// it is a sound document at any time, and [`resolve`](Self::resolve) turns conflicts into
/// decisions one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Merged<T> {
    /// The document.
    pub value: T,
    /// What is not settled, in the order of the document.
    pub conflicts: Vec<Conflict>,
}

/// How a conflict is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConflictChoice {
    /// What both sides started from.
    Base,
    /// What we made of it.
    Ours,
    /// What they made of it.
    Theirs,
    /// A value of your own.
    Value(Json),
    /// No value.
    Nothing,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::json::Json {}
    impl Sealed for crate::message::WorkflowState {}
}

/// What [`Merged::resolve`] can change: [`Json`] and [`WorkflowState`].
pub trait Document: sealed::Sealed + Sized {
    #[doc(hidden)]
    fn with_member(&self, pointer: &str, value: Option<&Json>) -> Result<Self, String>;
}

impl Document for Json {
    fn with_member(&self, pointer: &str, value: Option<&Json>) -> Result<Self, String> {
        with_value_at(self, pointer, value).ok_or_else(|| "there is no such place".to_owned())
    }
}

impl Document for WorkflowState {
    fn with_member(&self, pointer: &str, value: Option<&Json>) -> Result<Self, String> {
        let json = Json::of(self).map_err(|error| error.to_string())?;
        json.with_member(pointer, value)?.decode().map_err(|error| error.to_string())
    }
}

impl<T: Document> Merged<T> {
    pub(super) const fn new(value: T, conflicts: Vec<Conflict>) -> Self {
        Merged { value, conflicts }
    }

    /// Whether everything is settled.
    pub const fn is_clean(&self) -> bool {
        self.conflicts.is_empty()
    }

    /// Decides the conflict at a pointer: the value is set, and the conflict is gone.
    ///
    /// ```
    /// use coordination_protocol::json::Limits;
    /// use coordination_protocol::merge::{ConflictChoice, MergePolicy, merge_json};
    ///
    /// let (base, ours, theirs) = (r#"{"owner":"a"}"#, r#"{"owner":"b"}"#, r#"{"owner":"c"}"#);
    /// let mut merged = merge_json(base, ours, theirs, &MergePolicy::empty(), &Limits::DEFAULT)?;
    /// assert_eq!(merged.value.as_str(), ours);
    /// assert_eq!(
    ///     merged.conflicts[0].to_string(),
    ///     r#"/owner: base "a", ours "b", theirs "c" (members: both sides changed it)"#,
    /// );
    /// merged.resolve("/owner", &ConflictChoice::Theirs)?;
    /// assert_eq!(merged.value.as_str(), theirs);
    /// assert!(merged.is_clean());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MergeError`]; nothing has changed then.
    pub fn resolve(&mut self, pointer: &str, choice: &ConflictChoice) -> Result<(), MergeError> {
        let at = self
            .conflicts
            .iter()
            .position(|conflict| conflict.pointer == pointer)
            .ok_or_else(|| MergeError::NoConflict(pointer.to_owned()))?;
        let conflict = &self.conflicts[at];
        let value = match choice {
            ConflictChoice::Base => conflict.base.as_ref(),
            ConflictChoice::Ours => conflict.ours.as_ref(),
            ConflictChoice::Theirs => conflict.theirs.as_ref(),
            ConflictChoice::Value(value) => Some(value),
            ConflictChoice::Nothing => None,
        };
        // The value holds ours already.
        if value != conflict.ours.as_ref() {
            self.value = self
                .value
                .with_member(pointer, value)
                .map_err(|reason| MergeError::Unfit { pointer: pointer.to_owned(), reason })?;
        }
        self.conflicts.remove(at);
        Ok(())
    }
}
