//! Reading small JSON forms strictly, with the place of whatever is wrong.

use crate::json::{self, Dialect, Kind, Limits, Token, pointer};
use std::fmt;

/// Why a text or JSON form is refused, and where.
///
/// ```
/// use coordination_protocol::version::SupportedVersions;
///
/// let error = "1.0.0..=1.x.0".parse::<SupportedVersions>().unwrap_err();
/// assert_eq!(error.at(), 8);
/// assert_eq!(
///     error.to_string(),
///     "`1.x.0` is not a protocol version; write MAJOR.MINOR.PATCH like `1.1.0` (byte 8)"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormError {
    reason: String,
    pointer: String,
    at: usize,
}

impl FormError {
    pub(super) fn new(at: usize, reason: impl fmt::Display) -> Self {
        FormError { reason: reason.to_string(), pointer: String::new(), at }
    }

    /// Moves the place of an error in a part of a text into the whole text.
    pub(super) fn behind(mut self, bytes: usize) -> Self {
        self.at += bytes;
        self
    }

    /// What is wrong.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The JSON pointer of the value; empty in a text form, and for the JSON root.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The first byte of what is wrong.
    pub const fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => write!(f, "{} (byte {})", self.reason, self.at),
            pointer => write!(f, "{} at {pointer} (byte {})", self.reason, self.at),
        }
    }
}

impl std::error::Error for FormError {}

/// One value of a scanned JSON text, and its pointer.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    text: &'a str,
    token: Token,
    pointer: String,
}

impl<'a> Place<'a> {
    /// The root of a JSON text.
    pub(super) fn root(text: &'a str) -> Result<Self, FormError> {
        json::check(text, Dialect::Strict, &Limits::DEFAULT.with_bytes(usize::MAX))
            .map_err(|fault| FormError::new(fault.range.start, fault.kind))?;
        let start = text.len() - text.trim_start().len();
        let token = pointer::find(text, start, "")
            .ok_or_else(|| FormError::new(start, "a value is missing"))?;
        Ok(Place { text, token, pointer: String::new() })
    }

    /// An error about this value.
    pub(super) fn error(&self, reason: impl fmt::Display) -> FormError {
        FormError {
            reason: reason.to_string(),
            pointer: self.pointer.clone(),
            at: self.token.start(),
        }
    }

    fn expect(&self, kind: Kind) -> Result<(), FormError> {
        if self.token.kind() == kind {
            Ok(())
        } else {
            Err(self.error(format_args!("expected {kind}, found {}", self.token.kind())))
        }
    }

    /// The members of an object.
    pub(super) fn members(&self) -> Result<Vec<(String, Place<'a>)>, FormError> {
        self.expect(Kind::Object)?;
        Ok(json::members(self.text, self.token.start())
            .map(|(key, token)| {
                let key = key.decode(self.text).into_owned();
                let mut pointer = self.pointer.clone();
                pointer::push_key(&mut pointer, &key);
                (key, Place { text: self.text, token, pointer })
            })
            .collect())
    }

    /// The elements of an array, at most `max`.
    pub(super) fn items(&self, max: usize) -> Result<Vec<Place<'a>>, FormError> {
        self.expect(Kind::Array)?;
        let items: Vec<_> = json::elements(self.text, self.token.start())
            .enumerate()
            .map(|(index, token)| Place {
                text: self.text,
                token,
                pointer: format!("{}/{index}", self.pointer),
            })
            .collect();
        match items.get(max) {
            Some(_) => Err(self.error(format_args!("more than {max} elements"))),
            None => Ok(items),
        }
    }

    /// The meaning of a string.
    pub(super) fn text(&self) -> Result<String, FormError> {
        self.expect(Kind::Text)?;
        Ok(self.token.decode(self.text).into_owned())
    }

    /// A value that is spelled as a string.
    pub(super) fn parse<T, E: fmt::Display>(
        &self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, FormError> {
        read(&self.text()?).map_err(|error| self.error(error))
    }

    /// An error about a key of this object that must be there.
    pub(super) fn missing(&self, key: &str) -> FormError {
        self.error(format_args!("`{key}` is missing"))
    }
}
