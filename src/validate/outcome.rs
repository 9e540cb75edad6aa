//! What a check of a record yields.

use super::Checked;
use super::checked::{Security, Shared};
use super::history::Step;
use super::rules::Place;
use super::validator::RecordKind;
use crate::event::EventRef;
use crate::finding::{FindingSeverity, Report};
use crate::message::{Envelope, MessageRef};
use std::borrow::Cow;
use std::sync::Arc;

/// What a check of a record yields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ValidationOutcome<'a> {
    /// Everything that was found, in the order of the record.
    pub report: Report,
    /// What of the security level was checked.
    pub security: Security,
    /// What kind of record it is.
    pub kind: RecordKind,
    /// The event type, or the body key.
    pub type_name: Option<Cow<'a, str>>,
    /// The event over its line, if it is an event line and was not refused when it was read.
    pub event: Option<EventRef<'a>>,
    /// The message over its text, if it is a message and was not refused when it was read.
    pub message: Option<MessageRef<'a>>,
    pub(super) envelope: Option<Arc<Shared<Envelope>>>,
    /// What the event tells of the life of its subject; only where there is a history.
    pub(super) step: Option<Step>,
}

impl ValidationOutcome<'_> {
    /// What an accepted message will be handed out as; none for an event line that no rule asked
    /// to see as an envelope.
    pub(super) fn envelope(&self) -> Option<&Arc<Shared<Envelope>>> {
        self.envelope.as_ref()
    }

    /// The bytes of the value at a pointer of the message; empty for an event line.
    pub(super) fn place_of(&self, pointer: &str) -> std::ops::Range<usize> {
        let Some(message) = &self.message else { return 0..0 };
        let root = message.root().token().start();
        Place { text: message.as_str(), root, body: "" }.range(pointer)
    }

    /// Whether no finding is an error.
    pub fn is_accepted(&self) -> bool {
        self.report.worst() != Some(FindingSeverity::Error)
    }

    /// The message, or the report that refuses it.
    ///
    /// # Errors
    /// The report, if a finding is an error.
    pub fn accept(self) -> Result<Checked<Envelope>, Report> {
        if !self.is_accepted() {
            return Err(self.report);
        }
        let from_line = || self.event.as_ref().map(|event| Shared::new(Envelope::from_line(event)));
        match self.envelope.or_else(from_line) {
            Some(envelope) => Ok(Checked::new(envelope, self.report, self.security, self.step)),
            // Not reachable: what was not refused has an envelope or an event.
            None => Err(self.report),
        }
    }
}
