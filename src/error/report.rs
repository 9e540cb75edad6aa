//! Every error becomes an error report (specification, Error Reporting Standards).
//!
//! A component that refuses something says so in the protocol's own words. [`IntoReport`] knows how
//! each error of the crate is classified and what helps against it; [`Occurrence`] brings what only
//! the host knows: identity, time and place.

use super::{Error, ErrorKind, Leaf};
use crate::codec::{BuildError, ReadError};
use crate::finding::{Code, FindingSeverity, Level, Report};
use crate::json;
use crate::message::{Classification, ErrorContext, ErrorDetails, ErrorReport, RecoverySuggestion};
use crate::scalar::{
    self, ErrorCategory, ErrorId, ErrorScope, ErrorType, Severity, Timestamp, WorkflowId,
};

/// What only the host knows of an error: which one it is, when and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Occurrence {
    /// The error's identifier.
    pub error_id: ErrorId,
    /// The workflow it happened in, or `global`.
    pub workflow_id: WorkflowId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The component and the operation, if they matter.
    pub context: Option<ErrorContext>,
}

impl Occurrence {
    /// An error of a workflow at a time.
    pub fn new(error_id: ErrorId, workflow_id: WorkflowId, timestamp: Timestamp) -> Self {
        Occurrence { error_id, workflow_id, timestamp, context: None }
    }

    /// Sets where it happened.
    pub fn with_context(mut self, context: ErrorContext) -> Self {
        self.context = Some(context);
        self
    }
}

/// What an error means in the protocol's words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The area it belongs to.
    pub category: ErrorCategory,
    /// How bad it is.
    pub severity: Severity,
    /// What went wrong.
    pub error_type: ErrorType,
    /// How far it reaches.
    pub scope: ErrorScope,
    /// Whether trying again, after what is suggested, can help.
    pub recoverable: bool,
    /// The sentence for people.
    pub message: String,
    /// More for those who look into it.
    pub details: Option<String>,
    /// What helps: strategy and description. Never empty in a report.
    pub suggestions: Vec<(String, String)>,
}

impl Problem {
    /// A problem of high severity in one workflow that can be recovered from.
    pub fn new(category: ErrorCategory, error_type: ErrorType, message: impl Into<String>) -> Self {
        Problem {
            category,
            severity: Severity::High,
            error_type,
            scope: ErrorScope::Workflow,
            recoverable: true,
            message: message.into(),
            details: None,
            suggestions: Vec::new(),
        }
    }

    /// Sets the severity.
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets how far it reaches.
    pub fn with_scope(mut self, scope: ErrorScope) -> Self {
        self.scope = scope;
        self
    }

    /// Trying again does not help.
    pub fn unrecoverable(mut self) -> Self {
        self.recoverable = false;
        self
    }

    /// Sets what those who look into it should read.
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Adds something that helps.
    pub fn with_suggestion(
        mut self,
        strategy: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        self.suggestions.push((strategy.into(), description.into()));
        self
    }
}

/// An error that can be told to another component.
///
/// ```
/// use coordination_protocol::error::{IntoReport, Occurrence};
/// use coordination_protocol::message::MessageRef;
/// use coordination_protocol::scalar::{ErrorId, Timestamp, WorkflowId};
///
/// let error = MessageRef::parse(r#"{"heartbeat":{"sequence":1}}"#).unwrap_err();
/// let occurrence = Occurrence::new(
///     ErrorId::new("err_1")?, WorkflowId::global(), Timestamp::new("2025-01-15T12:00:00Z")?,
/// );
/// let report = error.to_report(&occurrence);
/// assert_eq!(report.classification.error_type.unwrap().as_str(), "corruption");
/// assert!(!report.recovery_suggestions.unwrap().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait IntoReport {
    /// What the error means in the protocol's words.
    fn problem(&self) -> Problem;

    /// The report of the error, with at least one recovery suggestion.
    fn to_report(&self, occurrence: &Occurrence) -> ErrorReport {
        let problem = self.problem();
        let classification = Classification::new(
            problem.category,
            problem.severity,
            problem.error_type,
            problem.scope,
            problem.recoverable,
        );
        let mut details = ErrorDetails::new().with_error_message(problem.message);
        if let Some(technical) = problem.details {
            details = details.with_technical_details(technical);
        }
        let mut suggestions = problem.suggestions;
        if suggestions.is_empty() {
            suggestions.push(("manual_intervention".into(), "Have a person look into it.".into()));
        }
        let suggestions: Vec<RecoverySuggestion> = suggestions
            .into_iter()
            .map(|(strategy, text)| RecoverySuggestion::new(strategy).with_description(text))
            .collect();
        let mut report = ErrorReport::new(
            occurrence.error_id.clone(),
            classification,
            occurrence.workflow_id.clone(),
            occurrence.timestamp.clone(),
        )
        .with_details(details)
        .with_recovery_suggestions(suggestions);
        report.context.clone_from(&occurrence.context);
        report
    }
}

/// How a code is classified.
fn classify(code: Code) -> (ErrorCategory, ErrorType) {
    match (code, code.level()) {
        (Code::TooLong | Code::TooDeep | Code::TooManyKeys, _) => {
            (ErrorCategory::Resource, ErrorType::LimitExceeded)
        }
        (_, Level::Business) => (ErrorCategory::State, ErrorType::Conflict),
        (_, Level::Security) => (ErrorCategory::System, ErrorType::Unavailable),
        _ => (ErrorCategory::System, ErrorType::Corruption),
    }
}

impl IntoReport for crate::finding::Finding {
    fn problem(&self) -> Problem {
        let (category, error_type) = classify(self.code);
        let severity = match self.severity {
            FindingSeverity::Error => Severity::High,
            FindingSeverity::Warning => Severity::Medium,
            FindingSeverity::Note => Severity::Info,
        };
        let advice = self.hint().unwrap_or_else(|| self.code.explanation().to_owned());
        Problem::new(category, error_type, format!("{self} ({})", self.code))
            .with_severity(severity)
            .with_details(format!(
                "{} at {} (byte {})",
                self.code,
                if self.pointer.is_empty() { "the root" } else { &self.pointer },
                self.range.start
            ))
            .with_suggestion("correct_and_resend", advice)
    }
}

impl IntoReport for Report {
    /// The gravest finding speaks for all; the details list them.
    fn problem(&self) -> Problem {
        let Some(gravest) = self.gravest() else {
            return Problem::new(ErrorCategory::System, ErrorType::Corruption, "nothing was found")
                .with_severity(Severity::Info)
                .with_suggestion("none", "Nothing needs to be done.");
        };
        let mut problem = gravest.problem();
        let others = self.findings().len() - 1 + self.omitted();
        if others > 0 {
            problem.message = format!("{} and {others} more findings", problem.message);
        }
        let lines: Vec<String> = self
            .findings()
            .iter()
            .map(|finding| {
                format!("{} {} {}: {finding}", finding.severity, finding.code, finding.pointer)
            })
            .collect();
        problem.details = Some(lines.join("\n"));
        for finding in self.findings().iter().filter(|finding| *finding != gravest) {
            if let Some(hint) = finding.hint()
                && problem.suggestions.iter().all(|(_, known)| *known != hint)
            {
                problem = problem.with_suggestion("correct_and_resend", hint);
            }
        }
        problem
    }
}

/// The code is that of the gravest finding.
impl super::Leaf for Report {
    fn code(&self) -> &'static str {
        self.gravest().map_or("nothing-found", |finding| finding.code.as_str())
    }

    fn is_transient(&self) -> bool {
        // A record that was refused once is refused again, and one that came too early or too late
        // is sent anew, not judged anew.
        false
    }

    fn as_error(&self) -> &(dyn std::error::Error + 'static) {
        self
    }
}

impl From<Report> for super::Error {
    fn from(report: Report) -> Self {
        super::Error::from_leaf(super::ErrorKind::Read, report)
    }
}

super::leaf_errors! {
    json::JsonError, Json {
        Self::Fault(_) => ["fault", System, Corruption, lasting, "correct_and_resend", "Send one sound JSON value within the limits."],
        Self::NotCanonical(_) => ["not-canonical", System, Corruption, lasting, "correct_and_resend", "Send one sound JSON value within the limits."],
        Self::Inexact { .. } => ["inexact", System, Corruption, lasting, "correct_and_resend", "Write numbers that a double holds exactly, or write them as strings."],
    }
    scalar::ScalarError, Scalar {
        Self::EmptyId => ["empty-id", System, Corruption, lasting, "correct_and_resend", "Use letters, digits, `_`, `-` or `.`."],
        Self::LongId { .. } => ["long-id", System, Corruption, lasting, "correct_and_resend", "Use at most 128 characters."],
        Self::IdCharacter { .. } => ["id-character", System, Corruption, lasting, "correct_and_resend", "Use letters, digits, `_`, `-` or `.`."],
        Self::NotANumber { .. } => ["not-a-number", System, Corruption, lasting, "correct_and_resend", "Send a number in the grammar of JSON."],
        Self::NotWhole { .. } => ["not-whole", System, Corruption, lasting, "correct_and_resend", "Send a whole number."],
        Self::OutOfRange(_) => ["out-of-range", System, Corruption, lasting, "correct_and_resend", "Send a number in the range of the field."],
        Self::Text(_) => ["text", System, Corruption, lasting, "correct_and_resend", "Write it in the form that the message shows."],
        Self::ProtocolVersion { .. } => ["protocol-version", System, Corruption, lasting, "correct_and_resend", "Write a protocol version such as `1.1.0`."],
        Self::Word(_) => ["word", System, Corruption, lasting, "correct_and_resend", "Use one of the known words."],
    }
}

impl IntoReport for ReadError {
    fn problem(&self) -> Problem {
        self.finding().problem()
    }
}

impl Leaf for ReadError {
    fn code(&self) -> &'static str {
        self.finding().code.as_str()
    }

    fn is_transient(&self) -> bool {
        false
    }

    fn as_error(&self) -> &(dyn std::error::Error + 'static) {
        self
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Error::from_leaf(ErrorKind::Read, error)
    }
}

super::leaf_errors! {
    BuildError, Build {
        Self::Refused(error) => (error),
        Self::Splits { .. } => ["splits", System, Corruption, lasting, "correct_and_retry", "Use identifiers without `:`."],
        Self::Repeated(_) => ["repeated-key", Execution, Conflict, lasting, "correct_and_retry", "Give each key once."],
        Self::Unwritable { .. } => ["unwritable", Execution, Corruption, lasting, "correct_and_retry", "Give data that JSON can hold."],
        Self::NotAnObject { .. } => ["not-an-object", Execution, Corruption, lasting, "correct_and_retry", "Give a JSON object."],
        Self::Registered(_) => ["registered", Execution, Conflict, lasting, "correct_and_retry", "Use the payload of the registered type."],
        Self::Start(_) => ["bad-start", Execution, Conflict, lasting, "correct_and_retry", "Use a name that starts with a letter."],
        Self::Name { .. } => ["bad-name", System, Conflict, lasting, "correct_and_retry", "Use letters, digits, `_`, `-` or `.`."],
        Self::Taken(_) => ["taken", System, Conflict, lasting, "correct_and_retry", "Register the type under a free name with sound data."],
        Self::TooManyKeys { .. } => ["too-many-fields", System, Conflict, lasting, "correct_and_retry", "Register the type under a free name with sound data."],
        Self::RepeatedKey { .. } => ["field-twice", System, Conflict, lasting, "correct_and_retry", "Register the type under a free name with sound data."],
        Self::NotAnEvent(_) => ["not-an-event", Execution, Conflict, lasting, "send_envelope", "Send the message as an envelope."],
    }
}

impl From<json::JsonFault> for super::Error {
    fn from(fault: json::JsonFault) -> Self {
        json::JsonError::from(fault).into()
    }
}
