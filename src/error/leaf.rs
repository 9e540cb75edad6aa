//! What every leaf answers, written as rows.

use super::{IntoReport, Problem};
use crate::scalar::{ErrorCategory, ErrorType, printable};

/// An error of one operation, as [`Error`](super::Error) keeps it.
pub(crate) trait Leaf: std::error::Error + IntoReport + Send + Sync + 'static {
    fn code(&self) -> &'static str;

    fn is_transient(&self) -> bool;

    /// For downcasts.
    fn as_error(&self) -> &(dyn std::error::Error + 'static);
}

/// A sentence with a code: what has no type of its own.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}", message = printable(.message))]
pub(super) struct Plain {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl IntoReport for Plain {
    fn problem(&self) -> Problem {
        Problem::new(ErrorCategory::Execution, ErrorType::Unavailable, self.message.clone())
    }
}

impl Leaf for Plain {
    fn code(&self) -> &'static str {
        self.code
    }

    fn is_transient(&self) -> bool {
        false
    }

    fn as_error(&self) -> &(dyn std::error::Error + 'static) {
        self
    }
}

/// Writes what leaves say of themselves: `code()`, `is_transient()`, [`IntoReport`], and the
/// conversion into [`Error`](super::Error). One row a variant, or a group of variants that a caller
/// treats alike:
///
/// ```text
/// leaf_errors! {
///     StorageError, Storage {
///         Self::Busy { .. } => ["busy", Resource, Timeout, transient, "retry", "Try again."],
///         Self::Corrupt { .. } => ["corrupt", State, Corruption, lasting, "restore_backup", "...",
///             with_severity(Severity::Critical), with_scope(ErrorScope::System)],
///         Self::Key(error) => (error),
///     }
/// }
/// ```
///
/// In brackets: code, category, error type, whether it passes by itself, strategy, advice, then
/// any setters of [`Problem`]. In parentheses: another leaf that answers; the sentence stays that of
/// the outer one.
macro_rules! leaf_errors {
    ($($error:ty, $kind:ident { $($pattern:pat => $row:tt),+ $(,)? })+) => { $(
        impl $error {
            /// The word for programs: never changes, and is unique among the errors of this type.
            pub fn code(&self) -> &'static str {
                match self { $($pattern => $crate::error::leaf_row!(code $row),)+ }
            }

            /// Whether the same operation may succeed later although nothing was corrected.
            #[doc(alias = "retry")]
            pub fn is_transient(&self) -> bool {
                match self { $($pattern => $crate::error::leaf_row!(transient $row),)+ }
            }

            /// The codes of this type, one list a row; those of an error that it passes on stand
            /// there.
            #[allow(dead_code, reason = "a leaf inside of the crate has no reader of the list")]
            pub const CODES: &'static [&'static [$crate::error::ErrorCode]] =
                &[$($crate::error::leaf_row!(row $kind $row)),+];
        }

        impl $crate::error::IntoReport for $error {
            fn problem(&self) -> $crate::error::Problem {
                let message = ::std::string::ToString::to_string(self);
                match self { $($pattern => $crate::error::leaf_row!(problem message $row),)+ }
            }
        }

        impl $crate::error::Leaf for $error {
            fn code(&self) -> &'static str {
                <$error>::code(self)
            }

            fn is_transient(&self) -> bool {
                <$error>::is_transient(self)
            }

            fn as_error(&self) -> &(dyn ::std::error::Error + 'static) {
                self
            }
        }

        impl From<$error> for $crate::error::Error {
            fn from(error: $error) -> Self {
                $crate::error::Error::from_leaf($crate::error::ErrorKind::$kind, error)
            }
        }
    )+ };
}
pub(crate) use leaf_errors;

/// One answer of one row of [`leaf_errors`].
macro_rules! leaf_row {
    (code [$code:literal, $($rest:tt)*]) => { $code };
    (code ($leaf:expr)) => { ($leaf).code() };
    (transient [$code:literal, $category:ident, $type:ident, transient, $($rest:tt)*]) => { true };
    (transient [$code:literal, $category:ident, $type:ident, lasting, $($rest:tt)*]) => { false };
    (transient ($leaf:expr)) => { ($leaf).is_transient() };
    (row $kind:ident [
        $code:literal, $category:ident, $type:ident, $passes:ident, $strategy:literal, $advice:literal
        $($rest:tt)*
    ]) => {
        &[$crate::error::ErrorCode {
            kind: $crate::error::ErrorKind::$kind,
            code: $code,
            is_transient: $crate::error::leaf_row!(passes $passes),
            strategy: $strategy,
            advice: $advice,
        }]
    };
    (row $kind:ident ($leaf:expr)) => { &[] };
    (passes transient) => { true };
    (passes lasting) => { false };
    (problem $message:ident [
        $code:literal, $category:ident, $type:ident, $passes:ident, $strategy:literal, $advice:literal
        $(, $setter:ident ( $($argument:expr)? ))* $(,)?
    ]) => {
        $crate::error::Problem::new(
            $crate::scalar::ErrorCategory::$category,
            $crate::scalar::ErrorType::$type,
            $message,
        )
        .with_suggestion($strategy, $advice)
        $(.$setter($($argument)?))*
    };
    (problem $message:ident ($leaf:expr)) => {
        $crate::error::Problem {
            message: $message,
            ..$crate::error::IntoReport::problem($leaf)
        }
    };
}
pub(crate) use leaf_row;
