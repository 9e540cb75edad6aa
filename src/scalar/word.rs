//! Vocabularies: closed lists of words, from one table.
//!
//! The specification writes them as `a|b|c`. A word outside the list is legal to read: it is kept
//! as it was, [`is_known`](Severity::is_known) tells, and validation reports it. Writers choose
//! known words, since an unknown one can only come from [`from_lenient`](Severity::from_lenient).
//!
//! Words are compared exactly; `High` is not `high`.

use core::cmp::Ordering;
use core::convert::Infallible;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::str::FromStr;

use smol_str::SmolStr;

use super::error::{Refusal, ScalarError};
use super::text::{self, scalar_schema};

/// A word that the vocabulary `V` does not have.
///
/// Only [`from_lenient`](Severity::from_lenient) makes one, and only for its own vocabulary. So `Other` never
/// hides a known word.
pub struct UnknownWord<V> {
    word: SmolStr,
    vocabulary: PhantomData<fn() -> V>,
}

impl<V> UnknownWord<V> {
    fn new(word: &str) -> Self {
        Self { word: SmolStr::new(word), vocabulary: PhantomData }
    }

    /// The word as it was read.
    pub fn as_str(&self) -> &str {
        self.word.as_str()
    }
}

// Derived implementations would ask the same of `V`.
impl<V> Clone for UnknownWord<V> {
    fn clone(&self) -> Self {
        Self { word: self.word.clone(), vocabulary: PhantomData }
    }
}

impl<V> fmt::Debug for UnknownWord<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.word.fmt(f)
    }
}

impl<V> PartialEq for UnknownWord<V> {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl<V> Eq for UnknownWord<V> {}

impl<V> Hash for UnknownWord<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.word.hash(state);
    }
}

/// Expands the table of vocabularies.
macro_rules! vocabularies {
    ($(
        $(#[doc = $doc:expr])+
        $name:ident $what:literal { $($variant:ident $wire:literal),+ $(,)? }
    )+) => {$(
        $(#[doc = $doc])+
        ///
        /// ```
        #[doc = concat!("use coordination_protocol::scalar::", stringify!($name), ";")]
        ///
        #[doc = concat!("for word in ", stringify!($name), "::KNOWN {")]
        #[doc = concat!(
            "    assert_eq!(", stringify!($name), "::from_lenient(word).as_str(), *word);"
        )]
        /// }
        #[doc = concat!("let kept = ", stringify!($name), "::from_lenient(\"another\");")]
        /// assert_eq!(kept.as_str(), "another");
        /// assert!(!kept.is_known());
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                #[doc = concat!("The word `", $wire, "`.")]
                $variant,
            )+
            /// A word outside the vocabulary, kept as it was read.
            Other(UnknownWord<Self>),
        }

        impl $name {
            /// The words of the vocabulary, in the order of the specification.
            pub const KNOWN: &'static [&'static str] = &[$($wire),+];

            /// Reads any text; one outside the vocabulary is kept.
            pub fn from_lenient(word: &str) -> Self {
                match word {
                    $($wire => Self::$variant,)+
                    _ => Self::Other(UnknownWord::new(word)),
                }
            }

            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $wire,)+
                    Self::Other(word) => word.as_str(),
                }
            }

            /// Whether the word belongs to the vocabulary.
            pub const fn is_known(&self) -> bool {
                !matches!(self, Self::Other(_))
            }

            /// Whether a text is a word of the vocabulary. Allocates nothing.
            pub fn is_valid(word: &str) -> bool {
                matches!(word, $($wire)|+)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        /// Refuses words outside the vocabulary; [`Self::from_lenient`] keeps them.
        impl FromStr for $name {
            type Err = ScalarError;

            fn from_str(word: &str) -> Result<Self, ScalarError> {
                match Self::from_lenient(word) {
                    Self::Other(_) => {
                        Err(ScalarError::bad_word(word, Self::KNOWN, Refusal::NotA($what)))
                    }
                    known => Ok(known),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        /// Keeps words outside the vocabulary; only a non-text is refused.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                text::read(deserializer, $what, |word| Ok::<_, Infallible>(Self::from_lenient(word)))
            }
        }

        scalar_schema!($name, concat!($($doc, "\n"),+), {
            "type": "string", "enum": Self::KNOWN,
        });
    )+};
}

vocabularies! {
    /// How bad something is; one scale for errors, alerts and risks.
    Severity "a severity" {
        Critical "critical", High "high", Medium "medium", Low "low", Info "info",
    }
    /// How urgent a request is.
    Priority "a priority" {
        Critical "critical", High "high", Medium "medium", Low "low",
    }
    /// The answer to an allocation request.
    AllocationStatus "an allocation status" {
        Approved "approved", Denied "denied", Queued "queued", Partial "partial",
    }
    /// How much conflict with other holders a request accepts.
    ConflictTolerance "a conflict tolerance" {
        None "none", Low "low", Medium "medium", High "high",
    }
    /// How far a request wants to be kept apart from others.
    IsolationLevel "an isolation level" {
        Strict "strict", Moderate "moderate", Relaxed "relaxed",
    }
    /// What kind of state a checkpoint holds.
    CheckpointType "a checkpoint type" {
        PhaseComplete "phase_complete", Incremental "incremental", Emergency "emergency",
        Manual "manual",
    }
    /// What caused a checkpoint.
    CheckpointTrigger "a checkpoint trigger" {
        Automatic "automatic", Manual "manual", FailurePrevention "failure_prevention",
    }
    /// The outcome of a validation.
    CheckResult "a check result" {
        Passed "passed", Failed "failed", Unknown "unknown",
    }
    /// The area an error belongs to.
    ErrorCategory "an error category" {
        Execution "execution", Resource "resource", Dependency "dependency", State "state",
        System "system",
    }
    /// What went wrong.
    ErrorType "an error type" {
        Timeout "timeout", Conflict "conflict", Corruption "corruption",
        Unavailable "unavailable", LimitExceeded "limit_exceeded",
    }
    /// How far an error reaches.
    ErrorScope "an error scope" {
        Workflow "workflow", Phase "phase", Task "task", Agent "agent", System "system",
    }
    /// The health of a component or of something it depends on.
    HealthState "a health state" {
        Healthy "healthy", Degraded "degraded", Unhealthy "unhealthy", Unknown "unknown",
    }
    /// What a state message calls itself.
    StateMessage "the type of a state message" {
        StateSync "state_sync",
    }
    /// What a checkpoint message calls itself.
    CheckpointMessage "the type of a checkpoint message" {
        CheckpointUpdate "checkpoint_update",
    }
    /// How much a rollback restores. Extension.
    RollbackMode "a rollback mode" {
        Full "full", Partial "partial", Selective "selective",
    }
    /// How bytes are written as text. Extension.
    TextEncoding "a text encoding" {
        Utf8 "utf-8", Base64 "base64",
    }
    /// A vote on a proposal. Extension.
    Ballot "a vote" {
        Accept "accept", Reject "reject", Abstain "abstain",
    }
    /// How a ballot ended. Extension.
    BallotOutcome "an outcome of a ballot" {
        Committed "committed", Rejected "rejected", Expired "expired",
    }
}

/// Gives vocabularies an order; the quoted words are unknown ones that still have a place.
macro_rules! ranks {
    ($($name:ident { $($word:literal $rank:literal),+ })+) => {$(
        impl $name {
            /// The place on the scale, 1 for the least; `None` for a word that has none.
            ///
            #[doc = concat!("Places: ", $("`", $word, "` ", $rank, ". "),+)]
            pub fn rank(&self) -> Option<u8> {
                match self.as_str() {
                    $($word => Some($rank),)+
                    _ => None,
                }
            }

            /// Compares by rank; `None` if a word has no rank.
            ///
            /// The type has no `PartialOrd`, because two different words can share a rank and
            /// `<=` would then have to deny it.
            pub fn cmp_rank(&self, other: &Self) -> Option<Ordering> {
                Some(self.rank()?.cmp(&other.rank()?))
            }

            /// Whether it ranks as high as `floor` or higher; `None` if a word has no rank.
            pub fn at_least(&self, floor: &Self) -> Option<bool> {
                self.cmp_rank(floor).map(Ordering::is_ge)
            }
        }
    )+};
}

ranks! {
    // The field says `warning` and `error` where the scale says `medium` and `high`.
    Severity {
        "critical" 5, "high" 4, "medium" 3, "low" 2, "info" 1, "error" 4, "warning" 3
    }
    Priority { "critical" 4, "high" 3, "medium" 2, "low" 1 }
}
