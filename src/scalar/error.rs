//! Why a text or a number is no value: one error for all scalars.

use super::nearest::nearest;
use super::printable::{Escaping, printable};
use super::text::{Fault, excerpt};
use std::fmt::{self, Write as _};

/// Why a text or a number is no value of a scalar type.
///
/// It is small, because identifiers are checked in every line: what only a sentence needs is boxed.
///
/// ```
/// use coordination_protocol::scalar::{Priority, ScalarError, Span, id};
///
/// assert_eq!(id::check("a:b"), Err(ScalarError::IdCharacter { found: ':', at: 1 }));
/// let error = Span::new("5h_47m").unwrap_err();
/// assert_eq!((error.text(), error.at()), ("5h_47m", Some(2)));
/// let error = "hihg".parse::<Priority>().unwrap_err();
/// assert_eq!(error.nearest(), Some("high"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScalarError {
    /// An identifier without a character.
    #[error("an identifier cannot be empty")]
    EmptyId,
    /// An identifier with more than 128 characters.
    #[error("an identifier has at most 128 characters, this one has {chars}")]
    LongId {
        /// How many characters there are.
        chars: usize,
    },
    /// An identifier with a character that would break an event line.
    #[error(
        "an identifier cannot contain {found:?} (at byte {at}); \
         use letters, digits, `_`, `-` or `.`"
    )]
    IdCharacter {
        /// The first such character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
    /// Not a number in the grammar of JSON (RFC 8259, section 6).
    #[error("`{text}` is not a JSON number; write it like `12` or `94.2`", text = printable(.text))]
    NotANumber {
        /// The refused text; a long one is cut and ends in `…`.
        text: Box<str>,
    },
    /// A count with a fraction.
    #[error("`{text}` is not a count; write a whole number like `12`", text = printable(.text))]
    NotWhole {
        /// The refused number; a long one is cut and ends in `…`.
        text: Box<str>,
    },
    /// A number that is too small or too large.
    #[error("{} is out of range: it must be from {} to {}", printable(&.0.text), .0.min, .0.max)]
    OutOfRange(Box<OutOfRange>),
    /// A text-shaped scalar, such as a time or a size, in another form.
    #[error("{0}")]
    Text(Box<BadText>),
    /// A protocol version in another form.
    #[error("`{text}` is not a protocol version; write MAJOR.MINOR.PATCH like `1.1.0`", text = printable(.text))]
    ProtocolVersion {
        /// The refused text; a long one is cut and ends in `…`.
        text: Box<str>,
    },
    /// A word that is not in its list.
    #[error("{0}")]
    Word(Box<BadWord>),
}

/// A number, and the bounds that it is outside of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutOfRange {
    /// The refused number; a long one is cut and ends in `…`.
    pub text: Box<str>,
    /// The least value allowed.
    pub min: &'static str,
    /// The greatest value allowed.
    pub max: &'static str,
}

/// A text that is not in the form of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadText {
    /// The refused text; a long one is cut and ends in `…`.
    pub text: Box<str>,
    /// What it should be: `a timestamp`.
    pub expected: &'static str,
    /// Byte offset of the fault in the whole text.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
    /// A good one.
    pub example: &'static str,
}

/// A word, and the list that does not have it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadWord {
    /// The refused word; a long one is cut and ends in `…`.
    pub word: Box<str>,
    /// The words that are accepted.
    pub known: &'static [&'static str],
    refusal: Refusal,
}

/// How the sentence about a bad word is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An open vocabulary, by what its words are: `a severity`.
    NotA(&'static str),
    /// A closed list, which the sentence repeats.
    NoneOf,
    /// A closed list with a predicate of its own: `no rule of merging`.
    Is(&'static str),
}

impl BadWord {
    /// The accepted word that was probably meant; see [`nearest`].
    pub fn nearest(&self) -> Option<&'static str> {
        nearest(&self.word, self.known.iter().copied())
    }
}

impl fmt::Display for BadText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        let BadText { text, expected, at, reason, example } = self;
        write!(f, "`{text}` is not {expected}: {reason} (byte {at}); write it like `{example}`")
    }
}

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        let (word, known) = (&self.word, self.known.join(", "));
        match (self.refusal, self.nearest()) {
            (Refusal::NotA(what), Some(nearest)) => {
                write!(f, "`{word}` is not {what}; did you mean `{nearest}`? known words: {known}")
            }
            (Refusal::NotA(what), None) => {
                write!(f, "`{word}` is not {what}; known words: {known}")
            }
            (Refusal::NoneOf, Some(nearest)) => {
                write!(f, "`{word}` is none of {known}; did you mean `{nearest}`?")
            }
            (Refusal::NoneOf, None) => write!(f, "`{word}` is none of {known}"),
            (Refusal::Is(predicate), _) => write!(f, "`{word}` is {predicate}"),
        }
    }
}

impl ScalarError {
    pub(super) fn not_a_number(text: &str) -> Self {
        ScalarError::NotANumber { text: excerpt(text) }
    }

    pub(super) fn out_of_range(text: &str, min: &'static str, max: &'static str) -> Self {
        ScalarError::OutOfRange(Box::new(OutOfRange { text: excerpt(text), min, max }))
    }

    #[cold]
    pub(super) fn bad_text(
        text: &str,
        expected: &'static str,
        fault: Fault,
        example: &'static str,
    ) -> Self {
        let Fault { at, reason } = fault;
        let text = excerpt(text);
        ScalarError::Text(Box::new(BadText { text, expected, at, reason, example }))
    }

    #[cold]
    pub(crate) fn bad_word(word: &str, known: &'static [&'static str], refusal: Refusal) -> Self {
        ScalarError::Word(Box::new(BadWord { word: excerpt(word), known, refusal }))
    }

    /// The refused text, number or word; a long one is cut and ends in `…`. Empty for identifiers,
    /// which the caller has at hand.
    pub fn text(&self) -> &str {
        match self {
            ScalarError::EmptyId | ScalarError::LongId { .. } | ScalarError::IdCharacter { .. } => {
                ""
            }
            ScalarError::NotANumber { text }
            | ScalarError::NotWhole { text }
            | ScalarError::ProtocolVersion { text } => text,
            ScalarError::OutOfRange(range) => &range.text,
            ScalarError::Text(bad) => &bad.text,
            ScalarError::Word(bad) => &bad.word,
        }
    }

    /// Byte offset of the fault in the whole text, where one byte is to blame.
    pub fn at(&self) -> Option<usize> {
        match self {
            ScalarError::IdCharacter { at, .. } => Some(*at),
            ScalarError::Text(bad) => Some(bad.at),
            _ => None,
        }
    }

    /// What is wrong at that byte of a text.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            ScalarError::Text(bad) => Some(bad.reason),
            _ => None,
        }
    }

    /// The words that are accepted; none unless a word was refused.
    pub fn known(&self) -> &'static [&'static str] {
        match self {
            ScalarError::Word(bad) => bad.known,
            _ => &[],
        }
    }

    /// The accepted word that was probably meant; see [`nearest`].
    pub fn nearest(&self) -> Option<&'static str> {
        match self {
            ScalarError::Word(bad) => bad.nearest(),
            _ => None,
        }
    }
}

impl From<core::convert::Infallible> for ScalarError {
    /// For conversions that are generic over whether they can fail.
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

/// The list may have all event types: `Debug` shows a few words, or their number.
impl fmt::Debug for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FEW: usize = 4;
        let mut shown = f.debug_struct("BadWord");
        shown.field("word", &self.word);
        if self.known.len() > FEW {
            shown.field("known", &format_args!("{} words", self.known.len()))
        } else {
            shown.field("known", &self.known)
        };
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::ScalarError;

    #[test]
    fn the_error_stays_small_enough_for_the_check_of_every_identifier() {
        assert!(size_of::<ScalarError>() <= 24);
    }
}
