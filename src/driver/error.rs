//! What can go wrong.

use crate::bus::BusError;
use crate::error::{Error, leaf_errors};
use crate::machine::CallerError;
use crate::message::{ErrorReport, MessageKind};
use crate::scalar::{ComponentId, RequestId, printable};
use crate::security::signature::SignatureError;
use crate::storage::StorageError;
use crate::transport::TransportError;

/// Why a component or a client did not do what it was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The request was refused before it was sent: too many are open, or the circuit is.
    #[error(transparent)]
    NotSent(#[from] CallerError),
    /// No answer came.
    #[doc(alias = "timeout")]
    #[error("`{target}` did not answer `{request_id}`{}", silence(*.listened, .refused.as_deref()), target = printable(.target), request_id = printable(.request_id))]
    TimedOut {
        /// The request.
        request_id: RequestId,
        /// Who was asked.
        target: ComponentId,
        /// Whether somebody listened at the address in the end.
        listened: bool,
        /// Why an answer that came was refused, if one was.
        refused: Option<String>,
    },
    /// What was to be sent cannot be signed.
    #[error("the message cannot be signed: {0}")]
    NotSigned(#[from] SignatureError),
    /// The answer is an error report.
    #[error("the request was refused: {}", text(.0))]
    Refused(Box<ErrorReport>),
    /// The answer is of another kind than those that answer such a request.
    #[error("a {found} is no answer to a {asked}")]
    Unexpected {
        /// What was asked.
        asked: MessageKind,
        /// What came.
        found: MessageKind,
    },
    /// The driver was stopped before the answer came.
    #[error("the client was closed before `{request_id}` was answered", request_id = printable(.request_id))]
    Closed {
        /// The request.
        request_id: RequestId,
    },
    /// What was to be sent breaks the protocol.
    #[error("the message was not sent: {0}")]
    Invalid(String),
    /// A component was put together wrongly.
    #[error("the component cannot run: {0}")]
    Setup(String),
    /// The runtime of [`run_blocking`](super::Component::run_blocking) could not be started.
    #[error("the runtime could not be started: {0}")]
    Runtime(String),
}

/// What is known of a silence.
fn silence(listened: bool, refused: Option<&str>) -> String {
    match refused {
        Some(reason) => format!("; an answer was refused: {}", printable(reason)),
        None if listened => String::new(),
        None => "; nobody listens there".to_owned(),
    }
}

fn text(report: &ErrorReport) -> String {
    let details = report.details.as_ref();
    let message = details.and_then(|details| details.error_message.as_deref());
    printable(message.unwrap_or("no reason given")).to_string()
}

impl From<StorageError> for DriverError {
    fn from(error: StorageError) -> Self {
        DriverError::Bus(error.into())
    }
}

leaf_errors! {
    DriverError, Driver {
        Self::Bus(error) => (error),
        Self::NotSent(error) => (error),
        Self::NotSigned(error) => (error),
        Self::TimedOut { .. } => ["timed-out", Dependency, Timeout, transient, "retry",
            "Start the other side and ask again."],
        Self::Refused(_) => ["refused", Execution, Conflict, lasting, "correct_and_retry",
            "Read the error report; it says what would help."],
        Self::Unexpected { .. } => ["unexpected", Dependency, Conflict, lasting, "correct_and_retry",
            "Ask a component that serves such requests."],
        Self::Closed { .. } => ["closed", System, Unavailable, transient, "retry",
            "Ask again with a client that is open."],
        Self::Invalid(_) => ["invalid", Execution, Corruption, lasting, "correct_and_resend",
            "Correct the message; `coord check` tells where it is wrong."],
        Self::Setup(_) => ["setup", System, Conflict, lasting, "correct_and_retry",
            "Correct how the component is put together."],
        Self::Runtime(_) => ["runtime", System, Unavailable, transient, "retry",
            "See what the operating system says, and try again."],
    }
}

/// Why a handler did not do what it was asked. Any error converts into one by `?`; one of this crate keeps
/// its classification, and what passes by itself is tried again.
///
/// ```
/// use coordination_protocol::driver::HandlerError;
///
/// fn work() -> Result<(), HandlerError> {
///     std::fs::read("/nowhere")?;
///     Ok(())
/// }
/// assert!(!work().unwrap_err().is_transient());
/// let busy = HandlerError::transient("no agent is free");
/// assert!(busy.is_transient());
/// // What an operation of this crate says of itself is kept.
/// let full = coordination_protocol::storage::StorageError::Overloaded { limit: 8 };
/// assert!(HandlerError::from(full).is_transient());
/// ```
#[derive(Clone, Debug)]
pub struct HandlerError {
    pub(super) error: Error,
    pub(super) transient: bool,
    pub(super) answer: Option<Box<ErrorReport>>,
}

impl HandlerError {
    /// What will not pass by itself.
    pub fn lasting(message: impl Into<String>) -> Self {
        HandlerError::of(
            Error::new(crate::error::ErrorKind::Other, "handler-failed", message),
            false,
        )
    }

    /// What may pass by itself: the message is tried again.
    pub fn transient(message: impl Into<String>) -> Self {
        HandlerError::of(
            Error::new(crate::error::ErrorKind::Other, "handler-failed", message),
            true,
        )
    }

    /// An error report of your own, which is the answer as it is.
    pub fn report(report: ErrorReport) -> Self {
        let transient = report.classification.recoverable == Some(true);
        let error = Error::new(crate::error::ErrorKind::Other, "handler-failed", text(&report));
        HandlerError { error, transient, answer: Some(Box::new(report)) }
    }

    fn of(error: Error, transient: bool) -> Self {
        HandlerError { error, transient, answer: None }
    }

    /// Whether it may pass by itself.
    pub const fn is_transient(&self) -> bool {
        self.transient
    }
}

impl std::fmt::Display for HandlerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        // One of the crate's own says whether it passes; what another library says of that is not
        // known.
        let mut any: Box<dyn std::any::Any> = Box::new(error);
        macro_rules! own {
            ($($leaf:ty),+) => { $(
                any = match any.downcast::<$leaf>() {
                    Ok(error) => {
                        let error = Error::from(*error);
                        let transient = error.is_transient();
                        return HandlerError::of(error, transient);
                    }
                    Err(other) => other,
                };
            )+ };
        }
        own!(Error, DriverError, BusError, StorageError, CallerError, TransportError);
        match any.downcast::<E>() {
            Ok(error) => HandlerError::lasting(error.to_string()),
            Err(_) => HandlerError::lasting("an error without a text"),
        }
    }
}
