//! Patterns.

use super::escape::{self, EscapeError};
use super::key::{RouteKey, names};
use super::message::routed;
use crate::event::Registry;
use crate::message::MessageKind;
use crate::scalar::{id, printable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::fmt;
use std::str::FromStr;

/// A compiled pattern that keeps its spelling.
///
/// [The module](super) tells what patterns mean. Equality, text and serialized form are those of
/// the spelling.
///
/// ```
/// use coordination_protocol::route::{Pattern, RouteKey};
///
/// let pattern: Pattern = "*.failed".parse()?;
/// assert!(pattern.matches(&RouteKey::new("TASK_FAILED", "wf_001", "build")));
/// assert!(!pattern.matches(&RouteKey::new("TASK_TIMEOUT", "wf_001", "build")));
/// assert_eq!(pattern.to_string(), "*.failed");
/// # Ok::<(), coordination_protocol::route::PatternError>(())
/// ```
#[doc(alias = "wildcard")]
#[doc(alias = "subscription pattern")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: SmolStr,
    selector: Selector,
}

/// What the parts of a key must be; nothing is required of a part that is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Selector {
    Scoped { scope: Option<SmolStr>, workflow: Option<SmolStr>, word: Option<SmolStr> },
    Typed { name: SmolStr, workflow: Option<SmolStr>, phase: Option<SmolStr> },
}

impl Pattern {
    /// The maximum number of bytes a pattern may have.
    // Patterns come from subscribers, who may be strangers. Three identifiers of 128 characters
    // fit, with room for escapes.
    pub const MAX_BYTES: usize = 1024;

    /// Compiles a pattern.
    ///
    /// # Errors
    /// [`PatternError`] with the position of the first fault.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(PatternError::TooLong { bytes: text.len() });
        }
        if let Some((at, found)) = text.char_indices().find(|(_, c)| c.is_control()) {
            return Err(PatternError::Control { found, at });
        }
        // Three places and no more: a key is a triple, so a fourth token can select nothing.
        let mut parts: [Option<SmolStr>; 3] = [None, None, None];
        let mut count = 0;
        let mut rest = None;
        for (at, raw) in escape::tokens(text) {
            // Refused instead of ignored: `task.>.failed` looks as if it meant something, and would
            // select every task.
            if let Some(at) = rest {
                return Err(PatternError::RestNotLast { at });
            }
            let slot = parts.get_mut(count).ok_or(PatternError::TooManyTokens { at })?;
            match raw {
                "*" => {}
                ">" => rest = Some(at),
                _ => *slot = Some(literal(at, raw)?),
            }
            count += 1;
        }
        // A single word could be a scope, a type or a workflow; guessing would subscribe to too
        // much or to nothing.
        if count == 1 && rest.is_none() {
            return Err(PatternError::OneToken { token: text.to_owned() });
        }
        let [first, second, third] = parts;
        let selector = match first {
            // Upper case is what tells a type from a scope in the specification's own examples. It
            // is decided after decoding, so an escape cannot change the family.
            Some(name) if escape::is_type(&name) => {
                Selector::Typed { name, workflow: second, phase: third }
            }
            // Two tokens leave the workflow out.
            scope if count == 2 => Selector::Scoped { scope, workflow: None, word: second },
            scope => Selector::Scoped { scope, workflow: second, word: third },
        };
        Ok(Pattern { text: SmolStr::new(text), selector })
    }

    /// The pattern as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern selects a key. Allocates nothing.
    ///
    /// Where the key's phase is not known, only a wildcard meets it.
    pub fn matches(&self, key: &RouteKey<'_>) -> bool {
        let meets = |wanted: &Option<SmolStr>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        match &self.selector {
            Selector::Scoped { scope, workflow, word } => {
                meets(workflow, Some(key.workflow()))
                    // The workflow is one comparison, a word up to three and a scope two without
                    // case, so the cheap one comes first.
                    && word.as_deref().is_none_or(|word| key.has_word(word))
                    && scope.as_deref().is_none_or(|scope| key.in_scope(scope))
            }
            Selector::Typed { name, workflow, phase } => {
                name == key.type_name()
                    && meets(workflow, Some(key.workflow()))
                    && meets(phase, key.phase())
            }
        }
    }

    /// The registered types that the pattern can select, in some workflow and phase: the
    /// protocol's in the order of the registry, then the caller's.
    ///
    /// ```
    /// use coordination_protocol::event::Registry;
    /// use coordination_protocol::route::Pattern;
    ///
    /// let pattern = Pattern::parse("*.timeout")?;
    /// assert_eq!(pattern.types(&Registry::default()), ["TASK_TIMEOUT", "AGENT_TIMEOUT"]);
    /// # Ok::<(), coordination_protocol::route::PatternError>(())
    /// ```
    pub fn types<'r>(&self, registry: &'r Registry) -> Vec<&'r str> {
        names(registry).filter(|name| self.can_select(registry, name)).collect()
    }

    /// The messages other than events that the pattern can select.
    ///
    /// ```
    /// use coordination_protocol::MessageKind;
    /// use coordination_protocol::route::Pattern;
    ///
    /// let pattern = Pattern::parse("workflow.*.resource_request")?;
    /// assert_eq!(pattern.messages(), [MessageKind::AllocationRequest]);
    /// # Ok::<(), coordination_protocol::route::PatternError>(())
    /// ```
    pub fn messages(&self) -> Vec<MessageKind> {
        let registry = Registry::default();
        let routed = routed().filter(|(_, name)| self.can_select(&registry, name));
        routed.map(|(kind, _)| kind).collect()
    }

    pub(super) fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Whether some workflow and phase let the pattern select a type: only the difference between
    /// `global` and any other workflow counts.
    pub(super) fn can_select(&self, registry: &Registry, name: &str) -> bool {
        let (Selector::Scoped { workflow, .. } | Selector::Typed { workflow, .. }) = &self.selector;
        // Registered types do not depend on the phase, so one that the pattern accepts stands for
        // all.
        let phase = match &self.selector {
            Selector::Typed { phase: Some(phase), .. } => phase,
            _ => id::GLOBAL,
        };
        let probe = |workflow: &str| {
            self.matches(&RouteKey::with_registry(registry, name, workflow, phase))
        };
        match workflow {
            Some(workflow) => probe(workflow),
            None => probe(id::GLOBAL) || probe("any"),
        }
    }
}

/// Decodes a token that is no wildcard.
fn literal(at: usize, raw: &str) -> Result<SmolStr, PatternError> {
    if raw.is_empty() {
        return Err(PatternError::EmptyToken { at });
    }
    if let Some((offset, found)) = raw.char_indices().find(|(_, c)| matches!(c, '*' | '>')) {
        return Err(PatternError::PartOfToken { found, at: at + offset });
    }
    escape::decode(raw).map_err(|error| match error {
        EscapeError::Digits(offset) => PatternError::Escape { at: at + offset },
        EscapeError::Utf8 => PatternError::NotUtf8 { at },
    })
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Pattern::parse(text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Pattern::parse(&SmolStr::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Why a text is no pattern.
///
/// ```
/// use coordination_protocol::route::{Pattern, PatternError};
///
/// let error = Pattern::parse("task.>.failed").unwrap_err();
/// assert_eq!(error, PatternError::RestNotLast { at: 5 });
/// assert_eq!(error.to_string(), "`>` at byte 5 is not the last token");
/// assert_eq!(error.at(), 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// There is no character at all.
    #[error("a pattern cannot be empty")]
    Empty,
    /// More than 1,024 bytes.
    #[error("a pattern has at most 1024 bytes, this one has {bytes}")]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// A control character.
    #[error("a pattern cannot contain {found:?} (at byte {at})")]
    Control {
        /// The character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
    /// Two dots in a row, or one at an end.
    #[error("the token at byte {at} is empty")]
    EmptyToken {
        /// Where the token would start.
        at: usize,
    },
    /// Tokens behind the rest.
    #[error("`>` at byte {at} is not the last token")]
    RestNotLast {
        /// The byte offset of the `>`.
        at: usize,
    },
    /// A wildcard beside other characters of a token.
    #[error(
        "`{found}` at byte {at} is part of a token; a wildcard is a token of its own, \
         and the character itself is `%{:02X}`", *found as u32
    )]
    PartOfToken {
        /// The wildcard.
        found: char,
        /// Its byte offset.
        at: usize,
    },
    /// A `%` that starts no escape.
    #[error("`%` at byte {at} is not followed by two hexadecimal digits")]
    Escape {
        /// The byte offset of the `%`.
        at: usize,
    },
    /// Escaped bytes that are no text.
    #[error("the escapes in the token at byte {at} do not make UTF-8")]
    NotUtf8 {
        /// Where the token starts.
        at: usize,
    },
    /// More than three tokens.
    #[error("the token at byte {at} is one too many; a pattern has at most 3")]
    TooManyTokens {
        /// Where the fourth token starts.
        at: usize,
    },
    /// One token that is not `>`.
    #[error("`{token}` is a single token; write scope.word, TYPE.>, or `>` for everything", token = printable(.token))]
    OneToken {
        /// The token.
        token: String,
    },
}

impl PatternError {
    /// The byte offset of the fault.
    pub const fn at(&self) -> usize {
        match self {
            PatternError::Empty | PatternError::OneToken { .. } => 0,
            PatternError::TooLong { .. } => Pattern::MAX_BYTES,
            PatternError::Control { at, .. }
            | PatternError::EmptyToken { at }
            | PatternError::RestNotLast { at }
            | PatternError::PartOfToken { at, .. }
            | PatternError::Escape { at }
            | PatternError::NotUtf8 { at }
            | PatternError::TooManyTokens { at } => *at,
        }
    }
}

crate::error::leaf_errors! {
    PatternError, Route {
        _ => ["pattern", System, Corruption, lasting, "correct_and_resend",
            "Write a pattern such as `resource.*.allocated`."],
    }
}
