//! One value of a small JSON form, read strictly, with the place of whatever is wrong.

use super::error::VersionError;
use crate::json::{self, Dialect, Kind, Limits, Token, pointer};
use std::fmt;

/// One value of a scanned JSON text, and its pointer.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    text: &'a str,
    token: Token,
    pointer: String,
}

impl<'a> Place<'a> {
    /// The root of a JSON text.
    pub(super) fn root(text: &'a str) -> Result<Self, VersionError> {
        json::check(text, Dialect::Strict, &Limits::DEFAULT.with_bytes(usize::MAX))
            .map_err(|fault| VersionError::form(fault.range.start, fault.kind))?;
        let start = text.len() - text.trim_start().len();
        let token = pointer::find(text, start, "")
            .ok_or_else(|| VersionError::form(start, "a value is missing"))?;
        Ok(Place { text, token, pointer: String::new() })
    }

    /// An error about this value.
    pub(super) fn error(&self, reason: impl fmt::Display) -> VersionError {
        VersionError::form_at(self.token.start(), self.pointer.clone(), reason)
    }

    fn expect(&self, kind: Kind) -> Result<(), VersionError> {
        if self.token.kind() == kind {
            Ok(())
        } else {
            Err(self.error(format_args!("expected {kind}, found {}", self.token.kind())))
        }
    }

    /// The members of an object.
    pub(super) fn members(&self) -> Result<Vec<(String, Place<'a>)>, VersionError> {
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
    pub(super) fn items(&self, max: usize) -> Result<Vec<Place<'a>>, VersionError> {
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
    pub(super) fn text(&self) -> Result<String, VersionError> {
        self.expect(Kind::Text)?;
        Ok(self.token.decode(self.text).into_owned())
    }

    /// A value that is spelled as a string.
    pub(super) fn parse<T, E: fmt::Display>(
        &self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, VersionError> {
        read(&self.text()?).map_err(|error| self.error(error))
    }

    /// An error about a key of this object that must be there.
    pub(super) fn missing(&self, key: &str) -> VersionError {
        self.error(format_args!("`{key}` is missing"))
    }
}
