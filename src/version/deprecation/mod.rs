//! What the protocol gives up, and from when on (specification, Protocol Versioning).
//!
//! A [`Notice`] announces that something ends. It runs at least 90 days, and its end can be put
//! off, never brought forward. A [`Calendar`] holds the notices; given a day, it finds what a record
//! uses of them: a warning before the sunset, an error from that day on.

mod form;
mod uses;

use super::date::{Date, NOTICE_DAYS};
use super::error::VersionError;
use crate::finding::FindingSeverity;
use crate::json::pointer;
use crate::scalar::ProtocolVersion;
use serde::Serialize;
use smol_str::SmolStr;
use std::fmt;

/// What a notice is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DeprecatedItem {
    /// An event type.
    EventType(String),
    /// A message, by its body key.
    Message(String),
    /// A field of a message or of an event's data.
    Field(FieldPath),
    /// One word of a field.
    Word {
        /// The field.
        of: FieldPath,
        /// The word.
        word: String,
    },
    /// A version of the protocol.
    Version(ProtocolVersion),
}

impl fmt::Display for DeprecatedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeprecatedItem::EventType(name) => write!(f, "the event type `{name}`"),
            DeprecatedItem::Message(name) => write!(f, "the message `{name}`"),
            DeprecatedItem::Field(path) => write!(f, "the field `{path}`"),
            DeprecatedItem::Word { of, word } => write!(f, "the word `{word}` of `{of}`"),
            DeprecatedItem::Version(version) => write!(f, "protocol {version}"),
        }
    }
}

/// A field: an event type or a message, then a JSON pointer into its data or body, such as
/// `TASK_FAILED/retries` or `error_report/context/agent`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(SmolStr);

impl FieldPath {
    /// Reads a path.
    ///
    /// # Errors
    /// [`VersionError::FieldPath`] if there is no owner, or what follows it is no JSON pointer to a
    /// field.
    pub fn new(path: &str) -> Result<Self, VersionError> {
        match path.find('/') {
            Some(owner) if owner > 0 && pointer::parts(&path[owner..]).is_some() => {
                Ok(FieldPath(SmolStr::new(path)))
            }
            _ => Err(VersionError::FieldPath(path.to_owned())),
        }
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The event type or the message.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The JSON pointer into the data or the body.
    pub fn pointer(&self) -> &str {
        &self.0[self.owner().len()..]
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The announcement that something ends.
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::{Date, Notice, DeprecatedItem};
///
/// let subject = DeprecatedItem::EventType("TASK_REASSIGNED".into());
/// let announced: Date = "2025-01-15".parse()?;
/// let notice = |sunset: &str| -> Result<Notice, Box<dyn std::error::Error>> {
///     Ok(Notice::new(subject.clone(), ProtocolVersion::V1_1_0, announced, sunset.parse()?)?)
/// };
/// assert_eq!(
///     notice("2025-04-01").unwrap_err().to_string(),
///     "from 2025-01-15 to 2025-04-01 are 76 days; a notice runs at least 90"
/// );
/// let notice = notice("2025-06-01")?.extend("2025-07-01".parse()?)?;
/// assert!(notice.extend("2025-06-15".parse()?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[doc(alias = "sunset")]
pub struct Notice {
    subject: DeprecatedItem,
    since: ProtocolVersion,
    announced: Date,
    sunset: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    replacement: Option<String>,
}

impl Notice {
    /// Announces that `subject` is deprecated since a protocol version and gone from `sunset` on.
    ///
    /// # Errors
    /// [`VersionError::ShortNotice`] if it would run less than [`NOTICE_DAYS`].
    pub fn new(
        subject: DeprecatedItem,
        since: ProtocolVersion,
        announced: Date,
        sunset: Date,
    ) -> Result<Self, VersionError> {
        let days = announced.days_until(sunset);
        if days < NOTICE_DAYS {
            return Err(VersionError::ShortNotice { announced, sunset, days });
        }
        Ok(Notice { subject, since, announced, sunset, replacement: None })
    }

    /// Says what to use instead.
    pub fn with_replacement(mut self, replacement: impl Into<String>) -> Self {
        self.replacement = Some(replacement.into());
        self
    }

    /// Puts the sunset off.
    ///
    /// # Errors
    /// [`VersionError::EarlierSunset`] if the day is earlier than the one announced.
    pub fn extend(mut self, sunset: Date) -> Result<Self, VersionError> {
        if sunset < self.sunset {
            let subject = self.subject.to_string();
            return Err(VersionError::EarlierSunset { subject, was: self.sunset, new: sunset });
        }
        self.sunset = sunset;
        Ok(self)
    }

    /// What ends.
    pub const fn subject(&self) -> &DeprecatedItem {
        &self.subject
    }

    /// The protocol version that deprecates it.
    pub const fn since(&self) -> &ProtocolVersion {
        &self.since
    }

    /// The day of the announcement.
    pub const fn announced(&self) -> Date {
        self.announced
    }

    /// The first day on which it is gone.
    pub const fn sunset(&self) -> Date {
        self.sunset
    }

    /// What to use instead.
    pub fn replacement(&self) -> Option<&str> {
        self.replacement.as_deref()
    }

    /// What a use weighs on a day: nothing before the announcement, then a warning, an error from
    /// the sunset on.
    pub fn severity_on(&self, day: Date) -> Option<FindingSeverity> {
        if day < self.announced {
            None
        } else if day < self.sunset {
            Some(FindingSeverity::Warning)
        } else {
            Some(FindingSeverity::Error)
        }
    }
}

/// All notices, one a subject, in the order of their announcement here.
///
/// Its JSON form is `{"notices":[{"subject":{...},"since":"1.1.0","announced":"2025-01-15",
/// "sunset":"2025-06-01","replacement":"..."}]}`. A subject is one of `{"event_type":"..."}`,
/// `{"message":"..."}`, `{"field":"error_report/context/agent"}`, `{"word":"...","of":"..."}` and
/// `{"version":"1.0.0"}`. Unknown keys are refused: a misspelled `sunset` must not go unnoticed.
///
/// ```
/// use coordination_protocol::Verdict;
/// use coordination_protocol::version::Calendar;
///
/// let calendar = Calendar::from_json(r#"{"notices":[{
///     "subject": {"field": "TASK_FAILED/retries"},
///     "since": "1.1.0", "announced": "2025-01-15", "sunset": "2025-06-01",
///     "replacement": "retry_count"
/// }]}"#)?;
/// let line = r#"TASK_FAILED:wf_001:build:{"task_id":"t7","retries":2}"#;
/// let report = calendar.check(line, "2025-03-01".parse()?);
/// assert_eq!(report.verdict(), Verdict::Deviating);
/// assert_eq!(
///     report.findings()[0].to_string(),
///     "the field `TASK_FAILED/retries` is deprecated and ends on 2025-06-01; use `retry_count`"
/// );
/// assert_eq!(calendar.check(line, "2025-06-01".parse()?).verdict(), Verdict::Invalid);
/// # Ok::<(), coordination_protocol::version::VersionError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calendar {
    notices: Vec<Notice>,
}

impl Calendar {
    /// No notices.
    pub const fn new() -> Self {
        Calendar { notices: Vec::new() }
    }

    /// The notices of this crate's protocol versions. There are none yet.
    pub const fn current() -> Self {
        Calendar::new()
    }

    /// The notices.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The notice about a subject.
    pub fn notice(&self, subject: &DeprecatedItem) -> Option<&Notice> {
        self.notices.iter().find(|notice| notice.subject == *subject)
    }

    /// Adds a notice, or puts off the sunset of the one about the same subject, which keeps the day
    /// of its first announcement.
    ///
    /// # Errors
    /// [`VersionError::EarlierSunset`] if the sunset would come earlier than before.
    pub fn announce(&mut self, notice: Notice) -> Result<(), VersionError> {
        match self.notices.iter_mut().find(|known| known.subject == notice.subject) {
            None => self.notices.push(notice),
            Some(known) => {
                let extended = known.clone().extend(notice.sunset)?;
                let replacement = notice.replacement.or(extended.replacement.clone());
                *known = Notice { replacement, ..extended };
            }
        }
        Ok(())
    }

    /// Takes over all notices of a newer calendar. What is missing there stays.
    ///
    /// # Errors
    /// [`VersionError::EarlierSunset`] if the newer one brings a sunset forward; nothing is taken over
    /// then.
    pub fn update(&mut self, newer: Calendar) -> Result<(), VersionError> {
        let mut updated = self.clone();
        newer.notices.into_iter().try_for_each(|notice| updated.announce(notice))?;
        *self = updated;
        Ok(())
    }
}
