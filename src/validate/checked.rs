//! What validation yields.

use crate::finding::Report;
use std::fmt;
use std::ops::Deref;

/// A value that passed validation. Only a [`Validator`](super::Validator) makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked<T> {
    value: T,
    report: Report,
    security: Security,
}

impl<T> Checked<T> {
    pub(super) fn new(value: T, report: Report, security: Security) -> Self {
        Checked { value, report, security }
    }

    /// What was found although it was accepted: warnings and notes.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What of the security level was checked.
    pub fn security(&self) -> Security {
        self.security
    }

    /// The value, no longer known to be checked.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
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
