//! What a migration costs: what is lost, and what is said in another way.

use crate::scalar::Escaping;
use serde::Serialize;
use std::fmt::{self, Write as _};

/// Something that the target version has no place for.
///
/// `Display` is a sentence with the pointer in front.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// JSON pointer into the record (for an event line, into its data) as the step found it; empty
    /// for the record as a whole.
    pub pointer: String,
    /// What is lost, as a noun: ``the header key `priority` ``.
    pub what: String,
    /// Why.
    pub reason: String,
    /// Whether the record means nothing without it.
    pub required: bool,
}

impl Loss {
    /// A loss that leaves the record meaningful.
    pub fn new(
        pointer: impl Into<String>,
        what: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Loss { pointer: pointer.into(), what: what.into(), reason: reason.into(), required: false }
    }

    /// Marks the loss as one that the record means nothing without.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        write!(f, "{} is lost: {}", self.what, self.reason)
    }
}

/// Something that was said in another way; nothing is lost by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Rewrite {
    /// JSON pointer into the record as the adapter or step found it.
    pub pointer: String,
    /// What became of it.
    pub what: String,
}

impl Rewrite {
    /// A change at a place.
    pub fn new(pointer: impl Into<String>, what: impl Into<String>) -> Self {
        Rewrite { pointer: pointer.into(), what: what.into() }
    }
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.what)
    }
}

/// A migrated record, and what that cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Migrated {
    /// The record; none if it was dropped, which is always a required loss.
    pub value: Option<String>,
    /// What was lost.
    pub losses: Vec<Loss>,
    /// What was said in another way.
    pub changes: Vec<Rewrite>,
}

impl Migrated {
    /// A record without losses and changes.
    pub fn new(value: impl Into<String>) -> Self {
        Migrated { value: Some(value.into()), losses: Vec::new(), changes: Vec::new() }
    }

    /// No record: the target version cannot express it.
    pub fn dropped(loss: Loss) -> Self {
        Migrated { value: None, losses: vec![loss.required()], changes: Vec::new() }
    }

    /// Adds a loss.
    pub fn with_loss(mut self, loss: Loss) -> Self {
        self.losses.push(loss);
        self
    }

    /// Adds a change.
    pub fn with_change(mut self, change: Rewrite) -> Self {
        self.changes.push(change);
        self
    }
}
