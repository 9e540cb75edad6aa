//! Values of settings, as files and options spell them.

use crate::check::PROGRAM_CODES;
use crate::limits::protocol;
use coordination_protocol::event::{Category, FieldType, Registry};
use coordination_protocol::finding::{Code, FindingSeverity, Mode};
use coordination_protocol::scalar::{ProtocolVersion, nearest};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A value that is spelled as a text of its own.
macro_rules! spelled {
    ($($(#[$meta:meta])* $name:ident($of:ty) by $read:path;)+) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(pub(crate) $of);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $read(&text).map($name).map_err(D::Error::custom)
            }
        }
    )+ };
}

spelled! {
    /// A finding code.
    CodeName(Code) by code;
    /// A severity.
    LevelName(FindingSeverity) by severity;
    /// A mode of reading.
    ModeName(Mode) by mode;
    /// A protocol version that the program knows.
    VersionName(ProtocolVersion) by protocol;
}

/// Reads a finding code, one of the protocol's or of the program's own.
pub(crate) fn code(text: &str) -> Result<Code, String> {
    known_code(text).ok_or_else(|| match nearest(text, all_codes().map(Code::as_str)) {
        Some(near) => format!("`{text}` is no finding code; did you mean `{near}`?"),
        None => format!("`{text}` is no finding code; `coord explain` lists them"),
    })
}

/// The finding code of a name.
pub(crate) fn known_code(name: &str) -> Option<Code> {
    all_codes().find(|code| code.as_str() == name)
}

fn all_codes() -> impl Iterator<Item = Code> {
    Code::ALL.iter().chain(PROGRAM_CODES).copied()
}

/// Reads a code that may weigh less, or nothing.
pub(crate) fn lenient_code(text: &str) -> Result<Code, String> {
    code(text).and_then(not_fatal)
}

/// A code with which a record has no sound reading stays an error.
pub(crate) fn not_fatal(code: Code) -> Result<Code, String> {
    if code.is_fatal() {
        Err(format!("`{code}` stays an error: a record with it has no sound reading"))
    } else {
        Ok(code)
    }
}

pub(crate) fn severity(text: &str) -> Result<FindingSeverity, String> {
    crate::limits::parse(text)
}

/// Reads `CODE=LEVEL`.
pub(crate) fn code_severity(text: &str) -> Result<(Code, FindingSeverity), String> {
    let (name, level) =
        text.split_once('=').ok_or("write CODE=LEVEL, such as missing-data=error")?;
    Ok((weighed(code(name)?, severity(level)?)?, severity(level)?))
}

/// The code, if it may have this severity.
pub(crate) fn weighed(code: Code, severity: FindingSeverity) -> Result<Code, String> {
    if severity == FindingSeverity::Error { Ok(code) } else { not_fatal(code) }
}

/// Reads `PATTERN=CODE,CODE`.
pub(crate) fn ignored_in(text: &str) -> Result<(String, Vec<Code>), String> {
    let (pattern, codes) =
        text.rsplit_once('=').ok_or("write PATTERN=CODE, such as docs/**=missing-data")?;
    let codes: Result<Vec<Code>, String> = codes.split(',').map(lenient_code).collect();
    Ok((pattern.to_owned(), codes?))
}

fn mode(text: &str) -> Result<Mode, String> {
    crate::limits::parse(text)
}

/// An event type of one's own: its category, and what its data must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnType {
    pub(crate) category: Category,
    pub(crate) required: Vec<(String, FieldType)>,
}

impl OwnType {
    /// Adds it to a registry.
    pub(crate) fn register(&self, name: &str, registry: Registry) -> Result<Registry, String> {
        let required = self.required.iter().map(|(key, kind)| (key.as_str(), *kind));
        registry.with_type(name, self.category.clone(), required).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for OwnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            category: toml::Spanned<String>,
            #[serde(default)]
            required: BTreeMap<String, FieldWord>,
        }
        struct FieldWord(FieldType);
        impl<'de> Deserialize<'de> for FieldWord {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                field_type(&text).map(FieldWord).map_err(D::Error::custom)
            }
        }
        let table = Table::deserialize(deserializer)?;
        let category = Category::new(table.category.get_ref()).map_err(D::Error::custom)?;
        let required = table.required.into_iter().map(|(key, kind)| (key, kind.0)).collect();
        Ok(OwnType { category, required })
    }
}

fn field_type(text: &str) -> Result<FieldType, String> {
    let all = FieldType::ALL.iter().copied();
    all.clone().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let near = nearest(text, all.map(FieldType::as_str));
        match near {
            Some(near) => format!("`{text}` is no type of a field; did you mean `{near}`?"),
            None => {
                format!("`{text}` is no type of a field; `text`, `id`, `count` and `json` are some")
            }
        }
    })
}

/// Reads `NAME:CATEGORY` or `NAME:CATEGORY:FIELD=TYPE,FIELD=TYPE`.
pub(crate) fn own_type(text: &str) -> Result<(String, OwnType), String> {
    let mut parts = text.splitn(3, ':');
    let (Some(name), Some(category)) = (parts.next(), parts.next()) else {
        return Err(
            "write NAME:CATEGORY:FIELD=TYPE,..., such as BUILD_DONE:build:target=text".into()
        );
    };
    let category = Category::new(category).map_err(|error| error.to_string())?;
    let mut required = Vec::new();
    for field in parts.next().unwrap_or_default().split(',').filter(|field| !field.is_empty()) {
        let (key, kind) = field.split_once('=').ok_or_else(|| format!("`{field}` has no type"))?;
        required.push((key.to_owned(), field_type(kind)?));
    }
    let own = OwnType { category, required };
    own.register(name, Registry::default())?;
    Ok((name.to_owned(), own))
}
