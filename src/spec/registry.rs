//! The registry as data, and a registry that callers extend at run time.

use super::event_table::event_table;
use super::event_type::{Category, EventType, NAMES};
use super::field::FieldType;
use super::object::{MemberSpec, ObjectSpec, Requirement, Role, V1_0_0, V1_1_0};
use super::objects;
use super::shape::{HasShape, JsonObject, PhaseId, StateVersion, TextList};
use crate::json::Json;
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};
use smol_str::SmolStr;
use std::collections::BTreeMap;

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
    /// Its data: required fields only, in the order in which a canonical line has them.
    pub data: &'static ObjectSpec,
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
            data: &ObjectSpec::new($name, $summary, { const MEMBERS: &[MemberSpec] = &[$(MemberSpec {
                name: stringify!($field),
                summary: "",
                shape: <$type as HasShape>::SHAPE,
                requirement: Requirement::Required,
                since: &$since,
            }),*]; MEMBERS }).with_role(Role::Data),
        }),+];
    };
}
event_table!(registry);

/// The data of an event whose type is not registered: it may hold anything.
pub(crate) static UNTYPED_DATA: ObjectSpec =
    ObjectSpec::new("UntypedData", "The data of an unregistered event type.", &[])
        .with_role(Role::Data);

impl EventSpec {
    /// The required fields of its data.
    pub const fn required(&self) -> &'static [MemberSpec] {
        self.data.members
    }

    /// The specification of a whole document that a field of the data holds. The reader asks for an
    /// object there; the validator and the schema ask for the document.
    pub(crate) fn embedded(&self, field: &str) -> Option<&'static ObjectSpec> {
        let report = self.event_type == EventType::ErrorEncountered && field == "error_report";
        report.then_some(objects::ErrorReport::SPEC)
    }

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
        row.serialize_field("required", &Required(self.required()))?;
        row.serialize_field("routing", &self.routing())?;
        row.end()
    }
}

/// Required fields, each as its name and type.
struct Required(&'static [MemberSpec]);

impl Serialize for Required {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Row {
            name: &'static str,
            #[serde(rename = "type")]
            field_type: Option<FieldType>,
        }
        let mut rows = serializer.serialize_seq(Some(self.0.len()))?;
        for field in self.0 {
            rows.serialize_element(&Row { name: field.name, field_type: field.field_type() })?;
        }
        rows.end()
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
    pub name: String,
    /// The category.
    pub category: Category,
    /// Its required fields.
    pub required: Vec<CustomField>,
}

/// One required field of an event type of your own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomField {
    /// The key.
    pub name: String,
    /// The type of its value.
    pub field_type: FieldType,
}

impl CustomType {
    /// The word of its routing key: the name in lower case, without its category.
    pub fn word(&self) -> String {
        self.name[custom_word_at(&self.name, &self.category)..].to_ascii_lowercase()
    }
}

/// Where the word of the routing key starts in the name of a type of the caller's own.
pub(crate) fn custom_word_at(name: &str, category: &Category) -> usize {
    let category = category.as_str();
    match name.split_at_checked(category.len()) {
        // A name that is its category and `_` has no other word.
        Some((scope, rest))
            if rest.starts_with('_')
                && rest.len() > 1
                && scope.bytes().map(|byte| byte.to_ascii_lowercase()).eq(category.bytes()) =>
        {
            category.len() + 1
        }
        _ => 0,
    }
}

/// The event types that a reader knows: those of a protocol version, and the caller's.
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

/// Which registered type an event is of, by the registry that read it. It stays with the event, so that its
/// routing key follows from what its reader knew.
#[derive(Clone, Debug, Default)]
pub(crate) enum TypeOrigin {
    /// The protocol's.
    Protocol(EventType),
    /// The caller's, of this category.
    Custom(Category),
    #[default]
    Unregistered,
}

impl TypeOrigin {
    pub(crate) const fn event_type(&self) -> Option<EventType> {
        match self {
            TypeOrigin::Protocol(kind) => Some(*kind),
            TypeOrigin::Custom(_) | TypeOrigin::Unregistered => None,
        }
    }

    /// The category, if the type is registered.
    pub(crate) fn category(&self) -> Option<&Category> {
        match self {
            TypeOrigin::Protocol(kind) => Some(&kind.spec().category),
            TypeOrigin::Custom(category) => Some(category),
            TypeOrigin::Unregistered => None,
        }
    }
}

/// What a registry says of one name.
#[derive(Clone, Copy)]
pub(crate) enum Known<'r> {
    Type(EventType),
    Custom(&'r CustomType),
    /// Registered in a later protocol version.
    Later(EventType),
    Unknown,
}

impl Known<'_> {
    /// What an event of the type remembers of it.
    pub(crate) fn origin(&self) -> TypeOrigin {
        match self {
            Known::Type(kind) => TypeOrigin::Protocol(*kind),
            Known::Custom(custom) => TypeOrigin::Custom(custom.category.clone()),
            Known::Later(_) | Known::Unknown => TypeOrigin::Unregistered,
        }
    }
}

impl Registry {
    /// The most required fields of one type: a reader keeps one bit for each.
    pub const MAX_REQUIRED: usize = 32;

    /// The types of a protocol version.
    pub const fn new(version: ProtocolVersion) -> Self {
        Registry { version, custom: BTreeMap::new(), names: SmolStr::new_static(NAMES) }
    }

    /// The protocol version.
    pub const fn version(&self) -> &ProtocolVersion {
        &self.version
    }

    /// Adds a type whose name is free and whose fields are sound.
    pub(crate) fn insert(&mut self, custom: CustomType) {
        self.names = SmolStr::from(format!("{}{}\n", self.names, custom.name));
        self.custom.insert(SmolStr::new(&custom.name), custom);
    }

    /// Whether the protocol has a name in some version, or the caller registered it.
    pub(crate) fn has(&self, name: &str) -> bool {
        EventType::lookup(name).is_some() || self.custom.contains_key(name)
    }

    /// Whether a name is registered in this version or by the caller.
    pub fn knows(&self, name: &str) -> bool {
        matches!(self.find(name), Known::Type(_) | Known::Custom(_))
    }

    /// The required fields of a registered name, in the order of a canonical line: keys and types.
    pub fn required(&self, name: &str) -> Option<impl Iterator<Item = (&str, FieldType)>> {
        let (table, custom): (&[MemberSpec], &[CustomField]) = match self.find(name) {
            Known::Type(kind) => (kind.spec().required(), &[]),
            Known::Custom(custom) => (&[], &custom.required),
            Known::Later(_) | Known::Unknown => return None,
        };
        let table = table.iter().filter_map(|field| Some((field.name, field.field_type()?)));
        Some(table.chain(custom.iter().map(|field| (&*field.name, field.field_type))))
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
