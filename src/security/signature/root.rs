//! The root object of an envelope, as far as signatures care.

use super::claim::{SIGNATURE, SignatureClaim};
use super::error::SignatureError;
use crate::json::{self, Dialect, JsonError, Kind, Limits, Token, pointer};
use std::borrow::Cow;
use std::ops::Range;

/// What the source is called: in the specification's header, and in the field's flat envelope.
const SOURCES: [&str; 2] = ["source", "source_component"];

/// A scanned text whose root is an object.
pub(super) struct Root<'a> {
    text: &'a str,
    /// The opening brace.
    open: usize,
    /// The value of `signature`.
    signature: Option<Token>,
    /// What has to go for the text to have no `signature`: the member and the comma beside it.
    /// Empty if there is none.
    cut: Range<usize>,
    /// Behind the last of the other members.
    end: Option<usize>,
}

impl<'a> Root<'a> {
    pub(super) fn read(text: &'a str, limits: &Limits) -> Result<Self, SignatureError> {
        json::check(text, Dialect::Strict, limits)
            .map_err(|fault| SignatureError::Canonical(JsonError::NotCanonical(fault)))?;
        let open = text.len() - text.trim_start_matches([' ', '\t', '\n', '\r']).len();
        match pointer::find(text, open, "").map(Token::kind) {
            Some(Kind::Object) => {}
            other => return Err(SignatureError::NotAnObject(other.unwrap_or(Kind::Null))),
        }
        let mut root = Root { text, open, signature: None, cut: 0..0, end: None };
        let mut members = json::members(text, open).peekable();
        while let Some((key, value)) = members.next() {
            if !key.means(text, SIGNATURE) {
                root.end = Some(value.end());
                continue;
            }
            root.signature = Some(value);
            root.cut = match (root.end, members.peek()) {
                (Some(before), _) => before..value.end(),
                (None, Some((next, _))) => key.start()..next.start(),
                (None, None) => key.start()..value.end(),
            };
        }
        Ok(root)
    }

    /// RFC 8785 of the object without its signature.
    pub(super) fn signing_input(&self, limits: &Limits) -> Result<String, SignatureError> {
        if self.signature.is_none() {
            return Ok(json::canonical(self.text, limits)?);
        }
        // Blanks keep the positions that an error tells.
        let blank = " ".repeat(self.cut.len());
        let rest = [&self.text[..self.cut.start], &blank, &self.text[self.cut.end..]].concat();
        Ok(json::canonical(&rest, limits)?)
    }

    /// The text with a signature behind the other members.
    pub(super) fn with_signature(&self, claim: &SignatureClaim) -> String {
        let member = format!("\"{SIGNATURE}\":{}", claim.to_json());
        let text = self.text;
        let Range { start, end } = self.cut;
        match self.end {
            Some(last) if start < last => {
                [&text[..start], &text[end..last], ",", &member, &text[last..]].concat()
            }
            Some(last) => [&text[..last], ",", &member, &text[last.max(end)..]].concat(),
            None if self.signature.is_some() => [&text[..start], &member, &text[end..]].concat(),
            None => [&text[..=self.open], &member, &text[self.open + 1..]].concat(),
        }
    }

    /// The signature that the envelope claims to have.
    pub(super) fn claim(&self) -> Result<SignatureClaim, SignatureError> {
        SignatureClaim::read(self.text, self.signature.ok_or(SignatureError::Unsigned)?)
    }

    /// The sources that the envelope names; one that is no text as it is spelled.
    pub(super) fn sources(&self) -> impl Iterator<Item = Cow<'a, str>> {
        let text = self.text;
        json::members(text, self.open)
            .filter(move |(key, _)| SOURCES.iter().any(|name| key.means(text, name)))
            .map(move |(_, value)| value.decode(text))
    }
}
