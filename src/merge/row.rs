//! One row of a policy.

use super::ConflictChoice;
use super::error::MergeError;
use super::rule::MergeRule;
use crate::json::Json;
use crate::json::pointer::parts;
use serde::ser::{Serialize, SerializeMap, Serializer};
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

type Merging =
    dyn Fn(Option<&Json>, Option<&Json>, Option<&Json>) -> Option<ConflictChoice> + Send + Sync;

/// A rule of the caller's own. Two are equal if they are one.
#[derive(Clone)]
pub(super) struct MergeFunction(Arc<Merging>);

impl MergeFunction {
    pub(super) fn call(
        &self,
        base: Option<&Json>,
        ours: Option<&Json>,
        theirs: Option<&Json>,
    ) -> Option<ConflictChoice> {
        (self.0)(base, ours, theirs)
    }
}

impl fmt::Debug for MergeFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MergeFunction")
    }
}

impl PartialEq for MergeFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for MergeFunction {}

/// One row of a policy: which values, which rule.
///
/// ```
/// use coordination_protocol::merge::{Row, MergeRule};
///
/// let row = Row::new("/agent_states/*/progress", MergeRule::Highest)?.of("current_task");
/// assert_eq!(row.pointer(), "/agent_states/*/progress");
/// assert!(Row::new("agent_states", MergeRule::Highest).is_err());
/// # Ok::<(), coordination_protocol::merge::MergeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(super) pointer: SmolStr,
    pub(super) rule: MergeRule,
    pub(super) of: Option<SmolStr>,
    join: bool,
    about: bool,
    summary: &'static str,
    pub(super) function: Option<MergeFunction>,
}

impl Row {
    /// A rule for the values that a pointer names. It is a JSON pointer (RFC 6901) in which `*`
    /// stands for any key.
    ///
    /// # Errors
    /// [`MergeError::Pointer`] for what is no pointer; the empty one is the document. [`MergeError::Version`] for [`MergeRule::Version`] under `*`: a document has one
    /// version.
    pub fn new(pointer: &str, rule: MergeRule) -> Result<Self, MergeError> {
        let parts = parts(pointer).ok_or_else(|| MergeError::Pointer(pointer.to_owned()))?;
        if rule == MergeRule::Version && parts.iter().any(|part| part.key() == "*") {
            return Err(MergeError::Version(pointer.to_owned()));
        }
        let pointer = SmolStr::new(pointer);
        let join = rule.is_join();
        Ok(Row { pointer, rule, of: None, join, about: false, summary: "", function: None })
    }

    /// The value belongs to the sibling member of a name, as progress does to a task. Where the
    /// sides have different siblings, the value comes from the side whose sibling is taken, with
    /// no conflict though the other side changed it; rules are asked only where they have the same.
    pub fn of(mut self, sibling: &str) -> Self {
        self.of = Some(SmolStr::new(sibling));
        // It is one only if the sibling's row is one.
        self.join = false;
        self
    }

    /// A rule of one's own: a function of the value that both sides started from, ours and theirs, each
    /// `None` where it is not there. It is asked where both sides changed the value, each in its own way, and
    /// where one removed what the other changed; not for the document as a whole. Where it returns `None`, the
    /// row's rule is asked.
    ///
    /// Replicas must come to the same result, so let it depend on nothing but its arguments, and not on which
    /// side is ours. It is not part of what a policy is written as: a policy that was read back, as in the
    /// snapshot of a machine, has the rule alone until the row is [set again](super::MergePolicy::with_row).
    ///
    /// ```
    /// use coordination_protocol::json::{Json, Limits};
    /// use coordination_protocol::merge::{
    ///     ConflictChoice, MergePolicy, MergeRule, Row, merge_json,
    /// };
    ///
    /// // What is left of a budget: both sides have spent some of it, and it is never overdrawn.
    /// let budget = Row::new("/budget", MergeRule::Manual)?.with_function(|base, ours, theirs| {
    ///     let number = |json: Option<&Json>| json?.as_str().parse::<i64>().ok();
    ///     let (base, ours, theirs) = (number(base)?, number(ours)?, number(theirs)?);
    ///     let left = ours.checked_add(theirs)?.checked_sub(base)?;
    ///     (left >= 0).then(|| ConflictChoice::Value(Json::from(left)))
    /// });
    /// let policy = MergePolicy::empty().with_row(budget);
    /// let merged = |ours, theirs| {
    ///     merge_json(r#"{"budget":100}"#, ours, theirs, &policy, &Limits::DEFAULT)
    /// };
    /// let fits = merged(r#"{"budget":70}"#, r#"{"budget":60}"#)?;
    /// assert_eq!(fits.value.as_str(), r#"{"budget":30}"#);
    /// // What it does not settle is a conflict, by the row's rule.
    /// let overdrawn = merged(r#"{"budget":20}"#, r#"{"budget":60}"#)?;
    /// assert_eq!(overdrawn.conflicts[0].pointer, "/budget");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_function<F>(mut self, function: F) -> Self
    where
        F: Fn(Option<&Json>, Option<&Json>, Option<&Json>) -> Option<ConflictChoice>
            + Send
            + Sync
            + 'static,
    {
        self.function = Some(MergeFunction(Arc::new(function)));
        // Nothing is known of it.
        self.join = false;
        self
    }

    /// The value is about the document, such as its timestamp: a difference in it alone makes no
    /// new version.
    pub const fn about(mut self) -> Self {
        self.about = true;
        self
    }

    pub(super) const fn fixed(
        pointer: &'static str,
        rule: MergeRule,
        of: Option<&'static str>,
        summary: &'static str,
    ) -> Self {
        let of = match of {
            Some(of) => Some(SmolStr::new_static(of)),
            None => None,
        };
        let pointer = SmolStr::new_static(pointer);
        Row { pointer, rule, of, join: false, about: false, summary, function: None }
    }

    pub(super) const fn join(mut self) -> Self {
        self.join = true;
        self
    }

    /// The pointer, with `*` for any key.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The rule.
    pub const fn rule(&self) -> MergeRule {
        self.rule
    }

    /// The sibling that the value belongs to.
    pub fn sibling(&self) -> Option<&str> {
        self.of.as_deref()
    }

    /// Whether merging by it is commutative, associative and idempotent.
    pub const fn is_join(&self) -> bool {
        self.join
    }

    /// Whether it is about the document.
    pub const fn is_about(&self) -> bool {
        self.about
    }

    /// Why; empty for rows that were made by [`new`](Self::new).
    pub const fn summary(&self) -> &'static str {
        self.summary
    }
}

/// The form of policy files; [`MergePolicy::rows_from_json`](super::MergePolicy::rows_from_json) reads a list of them.
impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pointer", self.pointer())?;
        map.serialize_entry("rule", &self.rule)?;
        if let Some(sibling) = self.sibling() {
            map.serialize_entry("of", sibling)?;
        }
        if self.about {
            map.serialize_entry("about", &true)?;
        }
        map.end()
    }
}
