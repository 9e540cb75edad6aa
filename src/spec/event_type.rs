//! Event types and categories.

use super::event_table::event_table;
use crate::scalar::{Refusal, ScalarError, id};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::fmt;
use std::str::FromStr;

macro_rules! kinds {
    ($($summary:literal $variant:ident $name:literal $category:ident $word:literal $(/ $alias:literal)? $since:ident { $($fields:tt)* })+) => {
        /// The event types of the protocol: the specification's, then the extension's, in the
        /// order of the registry (specification, Event Types Registry).
        ///
        /// ```
        /// use coordination_protocol::event::{Category, EventType};
        ///
        /// let kind: EventType = "TASK_TIMEOUT".parse()?;
        /// assert_eq!(kind, EventType::TaskTimeout);
        /// assert_eq!(kind.category(), Category::Task);
        /// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EventType { $(
            #[doc = concat!("`", $name, "`: ", $summary)]
            $variant,
        )+ }

        impl EventType {
            /// All types, in the order of the registry.
            pub const ALL: &'static [EventType] = &[$(EventType::$variant),+];

            /// The name on the wire.
            #[inline]
            pub const fn as_str(self) -> &'static str {
                match self { $(EventType::$variant => $name),+ }
            }

            /// The type of a wire name, compared exactly.
            #[inline]
            pub fn lookup(name: &str) -> Option<Self> {
                Some(match name { $($name => EventType::$variant,)+ _ => return None })
            }
        }

        const TYPES: &[&str] = &[$($name),+];

        /// All names, one a line: what an unknown name is compared with.
        pub(crate) const NAMES: &str = concat!($($name, "\n"),+);
    };
}
event_table!(kinds);

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EventType {
    type Err = ScalarError;

    fn from_str(name: &str) -> Result<Self, ScalarError> {
        EventType::lookup(name).ok_or_else(|| {
            ScalarError::bad_word(name, TYPES, Refusal::Is("not a registered event type"))
        })
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! categories {
    ($($(#[$meta:meta])* $variant:ident $word:literal)+) => {
        /// What an event is about; the scope of its routing key.
        ///
        /// The specification has six; the extension adds two, and a registered type of your own
        /// may bring another.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Category {
            $($(#[$meta])* $variant,)+
            /// A category of your own, made with [`Category::new`].
            Custom(CustomCategory),
        }

        impl Category {
            /// The categories that the protocol knows.
            pub const KNOWN: &'static [Category] = &[$(Category::$variant),+];

            /// The category of a word; one that the protocol does not know must be an identifier.
            ///
            /// # Errors
            /// [`ScalarError`] for a word that is no identifier.
            pub fn new(word: &str) -> Result<Self, ScalarError> {
                Ok(match word {
                    $($word => Category::$variant,)+
                    other => {
                        id::check(other)?;
                        Category::Custom(CustomCategory(SmolStr::new(other)))
                    }
                })
            }

            /// The word: lower case for those that the protocol knows.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Category::$variant => $word,)+
                    Category::Custom(CustomCategory(word)) => word,
                }
            }
        }
    };
}

/// The word of a category that the protocol does not know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomCategory(SmolStr);

categories! {
    /// Workflow events.
    Workflow "workflow"
    /// Phase events.
    Phase "phase"
    /// Task events.
    Task "task"
    /// Agent events.
    Agent "agent"
    /// Resource events.
    Resource "resource"
    /// System events.
    System "system"
    /// Errors (extension, since 1.1.0).
    Error "error"
    /// Recoveries and checkpoints (extension, since 1.1.0).
    Recovery "recovery"
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Category {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
