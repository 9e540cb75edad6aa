//! Any JSON value, owned, as it was spelled.

use super::bytes::plain_run;
use super::error::JsonError;
use super::limits::{Dialect, Limits};
use super::scanner::check;
use super::serde::StringMeans;
use super::token::{Kind, Token};
use super::{elements, members};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::fmt;
use std::str::FromStr;

/// Any JSON value, kept as text: `12`, `12.0` and `1.2e1` stay apart, and so does the order of
/// keys. Only white space between values is dropped, since a line has none. Equality is by
/// spelling.
///
/// ```
/// use coordination_protocol::json::Json;
///
/// let value: Json = r#"{"agents": 12.0}"#.parse()?;
/// assert_eq!(value.as_str(), r#"{"agents":12.0}"#);
/// assert_eq!(value.get("agents").unwrap().decode::<f64>()?, 12.0);
/// assert_eq!(Json::text("a\"b").as_str(), r#""a\"b""#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `serde_json` reads and writes it as it is spelled. Serde's buffers and other formats for humans
/// may lose the spelling of numbers, never their value: what they cannot hold is an error. In
/// formats that are not for humans it is one string.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(SmolStr);

impl Json {
    /// Takes a value that the scanner accepted, in either dialect, without white space around it.
    #[allow(clippy::needless_bitwise_bool, reason = "no early exit, so many bytes at once")]
    pub(crate) fn from_valid(text: &str) -> Self {
        let blank = |odd, byte| odd | (byte <= b' ') | (byte == b'\'');
        let plain = text.starts_with('"') || !text.bytes().fold(false, blank);
        Json(if plain { SmolStr::new(text) } else { compact(text) })
    }

    /// A JSON string that means `text`.
    pub fn text(text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 2);
        write_text(&mut out, text);
        Json(SmolStr::from(String::from_utf8(out).unwrap_or_default()))
    }

    /// A JSON number; `None` for infinities and NaN, which JSON cannot hold.
    ///
    /// ```
    /// use coordination_protocol::json::Json;
    ///
    /// assert_eq!(Json::number(80.5).unwrap().as_str(), "80.5");
    /// assert!(Json::number(f64::NAN).is_none());
    /// ```
    pub fn number(value: f64) -> Option<Self> {
        if value.is_finite() { Json::of(&value).ok() } else { None }
    }

    /// The JSON form of any serializable value.
    ///
    /// # Errors
    /// What `serde_json` says of values that JSON cannot hold.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        // Raw JSON inside the value may bring white space, even line breaks.
        serde_json::to_string(value).map(|text| Json::from_valid(&text))
    }

    /// The value as spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind of the value.
    pub fn kind(&self) -> Kind {
        super::members::value(self.0.as_bytes(), 0).map_or(Kind::Null, Token::kind)
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<Json> {
        if self.kind() != Kind::Object {
            return None;
        }
        let (_, value) = members(&self.0, 0).find(|(name, _)| name.means(&self.0, key))?;
        Some(Json::from_valid(value.raw(&self.0)))
    }

    /// The meaning of a string, `None` for other kinds.
    pub fn to_text(&self) -> Option<String> {
        let token = super::members::value(self.0.as_bytes(), 0)?;
        (token.kind() == Kind::Text).then(|| token.decode(&self.0).into_owned())
    }

    /// The elements of an array; empty for other kinds.
    pub fn items(&self) -> impl Iterator<Item = Json> + '_ {
        let open = if self.kind() == Kind::Array { 0 } else { self.0.len() };
        elements(&self.0, open).map(|token| Json::from_valid(token.raw(&self.0)))
    }

    /// Decodes the value into a type of yours.
    ///
    /// # Errors
    /// What `serde_json` says.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

/// Drops the white space between the values of a scanned text and writes single-quoted strings in
/// double quotes.
fn compact(text: &str) -> SmolStr {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let string = match byte {
            b'"' | b'\'' => super::members::value(bytes, at),
            _ => None,
        };
        match string {
            Some(token) if byte == b'"' => {
                out.extend_from_slice(&bytes[token.range()]);
                at = token.end();
            }
            Some(token) => {
                write_text(&mut out, &token.decode(text));
                at = token.end();
            }
            None => {
                if byte > b' ' {
                    out.push(byte);
                }
                at += 1;
            }
        }
    }
    SmolStr::from(String::from_utf8(out).unwrap_or_default())
}

/// Appends `text` to `out` as a JSON string: quotes around it, and only `"`, `\` and control
/// characters escaped.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut from = 0;
    loop {
        let at = plain_run(bytes, from, b'"');
        out.extend_from_slice(&bytes[from..at]);
        let Some(&byte) = bytes.get(at) else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            other => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(other >> 4)]);
                out.push(HEX[usize::from(other & 15)]);
            }
        }
        from = at + 1;
    }
    out.push(b'"');
}

impl FromStr for Json {
    type Err = JsonError;

    /// Reads one RFC 8259 value with the default limits, less one level of nesting: a value that
    /// was accepted here fits into the data of an event.
    fn from_str(text: &str) -> Result<Self, JsonError> {
        let limits = Limits::default();
        check(text, Dialect::Strict, &limits.with_depth(limits.depth - 1))?;
        Ok(Json::from_valid(text.trim_matches([' ', '\t', '\n', '\r'])))
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        Json(SmolStr::from(value.to_string()))
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Json::from(&value)
    }
}

impl From<&str> for Json {
    /// The JSON string that means `text`; to read JSON, use [`str::parse`].
    fn from(text: &str) -> Self {
        Json::text(text)
    }
}

impl From<String> for Json {
    /// The JSON string that means `text`.
    fn from(text: String) -> Self {
        Json::text(&text)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    /// The JSON array of the values.
    fn from(values: Vec<T>) -> Self {
        let mut out = String::from("[");
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(value.into().as_str());
        }
        out.push(']');
        Json(SmolStr::from(out))
    }
}

macro_rules! plain {
    ($($type:ty),*) => { $(
        impl From<$type> for Json {
            fn from(value: $type) -> Self {
                Json(smol_str::format_smolstr!("{value}"))
            }
        }
    )* };
}
plain!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64);

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        super::serde::write(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    /// Refuses what the scanner refuses, duplicate keys among it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = super::serde::read(deserializer, StringMeans::Itself)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Json {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Json".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}
