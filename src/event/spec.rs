//! The registry as data, and a registry that callers extend at run time.

use super::field::{Field, FieldType, JsonObject, PhaseId, TextList};
use super::kind::{Category, EventType, NAMES};
use super::table::event_table;
use crate::json::Json;
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One required field of an event type.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct FieldSpec {
    /// The key. Nearly always static, and compared for every field of a line.
    pub name: Cow<'static, str>,
    /// The type of its value.
    #[serde(rename = "type")]
    pub field_type: FieldType,
}

impl FieldSpec {
    /// A required field of your own type.
    pub fn new(name: &str, field_type: FieldType) -> Self {
        FieldSpec { name: Cow::Owned(name.to_owned()), field_type }
    }
}

/// One row of the registry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventSpec {
    /// The type.
    pub event_type: EventType,
    /// What it tells, in one line.
    pub summary: &'static str,
    /// The category.
    pub category: Category,
    /// The word of its routing key: the type without its category.
    pub word: &'static str,
    /// The irregular word that the specification's own patterns use for it.
    pub alias: Option<&'static str>,
    /// The protocol version that introduced it.
    pub since: ProtocolVersion,
    /// Its required data, in the order in which a canonical line has it.
    pub required: &'static [FieldSpec],
}

macro_rules! registry {
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };
    ($($summary:literal $variant:ident $name:literal $category:ident $word:literal $(/ $alias:literal)? $since:ident { $($field:ident: $type:ty),* })+) => {
        /// All event types, in the order of the specification, then the extensions.
        pub static REGISTRY: &[EventSpec] = &[$(EventSpec {
            event_type: EventType::$variant,
            summary: $summary,
            category: Category::$category,
            word: $word,
            alias: registry!(@alias $($alias)?),
            since: ProtocolVersion::$since,
            required: &[$(FieldSpec {
                name: Cow::Borrowed(stringify!($field)),
                field_type: <$type as Field>::TYPE,
            }),*],
        }),+];
    };
}
event_table!(registry);

impl EventSpec {
    /// The routing pattern that selects the type in every workflow.
    ///
    /// ```
    /// use coordination_protocol::EventType;
    ///
    /// assert_eq!(EventType::TaskFailed.spec().routing(), "task.*.failed");
    /// ```
    pub fn routing(&self) -> String {
        format!("{}.*.{}", self.category, self.word)
    }
}

impl Serialize for EventSpec {
    /// The row as `coord registry --format json` prints it; its JSON Schema is named `registry`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("EventSpec", 5)?;
        row.serialize_field("type", &self.event_type)?;
        row.serialize_field("category", &self.category)?;
        row.serialize_field("since", &self.since)?;
        row.serialize_field("required", self.required)?;
        row.serialize_field("routing", &self.routing())?;
        row.end()
    }
}

impl EventType {
    /// The type's row in the registry.
    #[inline]
    pub fn spec(self) -> &'static EventSpec {
        &REGISTRY[self as usize]
    }

    /// The category.
    pub fn category(self) -> Category {
        self.spec().category.clone()
    }
}

/// An event type of your own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomType {
    /// The name on the wire.
    pub name: SmolStr,
    /// The category.
    pub category: Category,
    /// Its required data.
    pub required: Vec<FieldSpec>,
}

impl CustomType {
    /// The word of its routing key: the name in lower case, without its category.
    pub fn word(&self) -> String {
        let lower = self.name.to_ascii_lowercase();
        let prefix = lower.strip_prefix(self.category.as_str());
        match prefix.and_then(|rest| rest.strip_prefix('_')) {
            Some(word) if !word.is_empty() => word.to_owned(),
            _ => lower,
        }
    }
}

/// Why a type of your own is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The name is no identifier.
    #[error("event type `{name}`: {error}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: ScalarError,
    },
    /// The protocol has the name, in some version, or it was registered before.
    #[error("event type `{0}` is already registered")]
    Taken(String),
    /// More required keys than a reader tracks.
    #[error("event type `{name}` requires {count} keys; at most {most} are supported")]
    TooManyKeys {
        /// The name.
        name: String,
        /// How many it requires.
        count: usize,
        /// The most there can be.
        most: usize,
    },
    /// A key is required twice.
    #[error("event type `{name}` requires `{key}` twice")]
    RepeatedKey {
        /// The name.
        name: String,
        /// The key.
        key: String,
    },
}

/// The event types that a reader knows: those of a protocol version, and the caller's.
///
/// ```
/// use coordination_protocol::event::{Category, FieldType, Registry};
///
/// let registry = Registry::default()
///     .with_type("DEPLOY_FINISHED", Category::new("deploy")?, [("target", FieldType::Text)])?;
/// assert!(registry.knows("DEPLOY_FINISHED"));
/// assert!(registry.with_type("TASK_FAILED", Category::Task, []).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    version: ProtocolVersion,
    custom: BTreeMap<SmolStr, CustomType>,
    names: SmolStr,
}

impl Default for Registry {
    /// The types of protocol 1.1.0.
    fn default() -> Self {
        Registry::new(ProtocolVersion::DEFAULT)
    }
}

/// What a registry says of one name.
pub(crate) enum Known<'r> {
    Type(EventType),
    Custom(&'r CustomType),
    /// Registered in a later protocol version.
    Later(EventType),
    Unknown,
}

impl Registry {
    /// The most required keys of one type: a reader tracks them in a 32-bit mask.
    pub const MOST_REQUIRED: usize = 32;

    /// The types of a protocol version.
    pub const fn new(version: ProtocolVersion) -> Self {
        Registry { version, custom: BTreeMap::new(), names: SmolStr::new_static(NAMES) }
    }

    /// The protocol version.
    pub const fn version(&self) -> &ProtocolVersion {
        &self.version
    }

    /// Adds a type of your own with its required data.
    ///
    /// # Errors
    /// [`RegisterError`] if the name is taken or no identifier, or the required data is not sound.
    pub fn with_type<'k>(
        mut self,
        name: &str,
        category: Category,
        required: impl IntoIterator<Item = (&'k str, FieldType)>,
    ) -> Result<Self, RegisterError> {
        id::check(name).map_err(|error| RegisterError::Name { name: name.to_owned(), error })?;
        if EventType::lookup(name).is_some() || self.custom.contains_key(name) {
            return Err(RegisterError::Taken(name.to_owned()));
        }
        let required: Vec<FieldSpec> =
            required.into_iter().map(|(key, kind)| FieldSpec::new(key, kind)).collect();
        if required.len() > Self::MOST_REQUIRED {
            return Err(RegisterError::TooManyKeys {
                name: name.to_owned(),
                count: required.len(),
                most: Self::MOST_REQUIRED,
            });
        }
        for (index, field) in required.iter().enumerate() {
            if required[..index].iter().any(|earlier| earlier.name == field.name) {
                return Err(RegisterError::RepeatedKey {
                    name: name.to_owned(),
                    key: field.name.to_string(),
                });
            }
        }
        self.names = SmolStr::from(format!("{}{name}\n", self.names));
        let custom = CustomType { name: SmolStr::new(name), category, required };
        self.custom.insert(custom.name.clone(), custom);
        Ok(self)
    }

    /// Whether a name is registered in this version or by the caller.
    pub fn knows(&self, name: &str) -> bool {
        matches!(self.find(name), Known::Type(_) | Known::Custom(_))
    }

    /// The required data of a registered name.
    pub fn required(&self, name: &str) -> Option<&[FieldSpec]> {
        match self.find(name) {
            Known::Type(kind) => Some(kind.spec().required),
            Known::Custom(custom) => Some(&custom.required),
            Known::Later(_) | Known::Unknown => None,
        }
    }

    /// The caller's types, by name.
    pub fn custom(&self) -> impl Iterator<Item = &CustomType> {
        self.custom.values()
    }

    #[inline]
    pub(crate) fn find(&self, name: &str) -> Known<'_> {
        match EventType::lookup(name) {
            Some(kind) if kind.spec().since <= self.version => Known::Type(kind),
            Some(kind) => Known::Later(kind),
            None => match self.custom.get(name) {
                Some(custom) => Known::Custom(custom),
                None => Known::Unknown,
            },
        }
    }

    /// All names, one a line.
    pub(crate) fn names(&self) -> &SmolStr {
        &self.names
    }
}
