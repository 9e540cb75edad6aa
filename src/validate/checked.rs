//! What validation yields.

use super::history::Step;
use crate::finding::Report;
use crate::merge::content_digest;
use crate::message::{Envelope, Message};
use crate::scalar::{Digest, words};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// A value that passed validation. Only a [`Validator`](super::Validator) makes one.
///
/// Copies share the value, and so does the [`History`](super::History) that remembers it: to clone
/// one costs next to nothing, and what is worked out of a value once is known to all of them.
#[derive(Clone, PartialEq)]
pub struct Checked<T> {
    shared: Arc<Shared<T>>,
    report: Report,
    security: Security,
    /// What the event that it is tells of the life of its subject.
    step: Option<Box<Step>>,
}

impl<T> Checked<T> {
    pub(super) fn new(
        shared: Arc<Shared<T>>,
        report: Report,
        security: Security,
        step: Option<Step>,
    ) -> Self {
        Checked { shared, report, security, step: step.map(Box::new) }
    }

    pub(super) fn step(&self) -> Option<&Step> {
        self.step.as_deref()
    }

    pub(super) fn shared(&self) -> &Arc<Shared<T>> {
        &self.shared
    }

    /// What was found although it was accepted: warnings and notes.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What of the security level was checked.
    pub fn security(&self) -> Security {
        self.security
    }
}

impl<T: Clone> Checked<T> {
    /// The value, no longer known to be checked. It is copied if a clone or a
    /// [`History`](super::History) still shares it: requests for resources and workflow states.
    pub fn into_inner(self) -> T {
        Arc::try_unwrap(self.shared)
            .map_or_else(|shared| shared.value.clone(), |shared| shared.value)
    }
}

impl Checked<Envelope> {
    /// The [`content_digest`] of the workflow state that it carries; `None` for any other message,
    /// and for a state that has none.
    ///
    /// It is worked out when it is first asked for, and never again: not by a clone, nor by the
    /// [`History`](super::History) that compares states of one version.
    pub fn content_digest(&self) -> Option<&Digest> {
        self.shared.content_digest()
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.shared.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Checked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("value", &self.shared.value)
            .field("report", &self.report)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}

/// A value with what is worked out of it at most once, however many share it.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) value: T,
    /// Filled by whoever asks first; the digest of a large state costs more than its validation.
    digest: OnceLock<Option<Digest>>,
}

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Arc<Self> {
        Arc::new(Shared { value, digest: OnceLock::new() })
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        // What is known of a value so far is no part of it.
        self.value == other.value
    }
}

impl Shared<Envelope> {
    pub(super) fn content_digest(&self) -> Option<&Digest> {
        let Message::WorkflowState(state) = &self.value.message else { return None };
        let digest = || {
            #[cfg(test)]
            DIGESTS.set(DIGESTS.get() + 1);
            content_digest(state)
        };
        self.digest.get_or_init(digest).as_ref()
    }

    /// The digest if somebody asked for it already.
    pub(super) fn known_digest(&self) -> Option<&Option<Digest>> {
        self.digest.get()
    }
}

#[cfg(test)]
std::thread_local! {
    /// How many digests this thread worked out.
    pub(super) static DIGESTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

words! {
    /// What vouches for the source of a message; ordered, the last vouches most.
    SourceTrust {
        /// It has no source.
        Unknown "unknown",
        /// The message names it, and nothing else does.
        Stated "stated",
        /// A relay passed the message on, and the message names it.
        Relayed "relayed",
        /// The transport knows the message to come from it.
        Transport "transport",
        /// An accepted signature.
        Signed "signed",
    }
}

impl SourceTrust {
    /// Whether more than the message's own word vouches for its source.
    pub const fn is_verified(self) -> bool {
        matches!(self, SourceTrust::Transport | SourceTrust::Signed)
    }
}

#[allow(clippy::derivable_impls, reason = "the vocabulary writes the type")]
impl Default for SourceTrust {
    fn default() -> Self {
        SourceTrust::Unknown
    }
}

/// Which parts of the security level were checked. What was not is said, never implied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "four independent answers, not a state")]
pub struct Security {
    /// Whether the source may say this.
    pub permissions: bool,
    /// Whether the source signed it.
    pub signature: bool,
    /// Whether it is recent.
    pub freshness: bool,
    /// Whether it was seen before.
    pub replay: bool,
    /// What vouches for its source.
    pub source: SourceTrust,
}

impl Security {
    const PARTS: [&'static str; 4] = ["permissions", "signature", "freshness", "replay"];

    fn flags(self) -> [bool; 4] {
        [self.permissions, self.signature, self.freshness, self.replay]
    }

    /// Whether any part was checked.
    pub fn any(self) -> bool {
        self.flags().contains(&true)
    }

    /// The names of the parts that were checked.
    pub fn checked(self) -> impl Iterator<Item = &'static str> {
        Self::PARTS.into_iter().zip(self.flags()).filter(|(_, flag)| *flag).map(|(name, _)| name)
    }
}

impl fmt::Display for Security {
    /// `not checked`, or what was: `permissions, signature checked; freshness, replay not checked`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |wanted: bool| {
            let names = Self::PARTS.into_iter().zip(self.flags());
            names.filter(|(_, flag)| *flag == wanted).map(|(name, _)| name).collect::<Vec<_>>()
        };
        match (list(true), list(false)) {
            (done, _) if done.is_empty() => f.write_str("not checked"),
            (done, left) if left.is_empty() => write!(f, "{} checked", done.join(", ")),
            (done, left) => {
                write!(f, "{} checked; {} not checked", done.join(", "), left.join(", "))
            }
        }
    }
}
