//! The file form of a key ring.

use super::error::{KeyFileProblem, SignatureError};
use super::key::PublicKey;
use super::ring::KeyRing;
use crate::json::{self, Dialect, FaultKind, Kind, Limits, Token, pointer, write_text};
use crate::scalar::{ComponentId, Timestamp, nearest};
use base64ct::{Base64, Encoding as _};
use std::borrow::Cow;

/// The members of a key in the order in which they are written; those up to `owner` are required.
const MEMBERS: [&str; 7] =
    ["key_id", "algorithm", "public_key", "owner", "not_before", "not_after", "revoked_at"];
const REQUIRED: usize = 4;

impl KeyRing {
    /// Adds the keys of a file; see [the type](Self) for its form.
    ///
    /// ```
    /// use coordination_protocol::Limits;
    /// use coordination_protocol::security::signature::KeyRing;
    ///
    /// let file = r#"{"keys":[{"key_id":"hub","algorithm":"ed25519","owner":"hub","publickey":""}]}"#;
    /// let error = KeyRing::new().with_json(file, &Limits::default()).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "/keys/0/publickey at byte 61: a key has no such member; did you mean `public_key`?",
    /// );
    /// ```
    ///
    /// # Errors
    /// [`SignatureError`] for the first fault, with its position. No key of the file is added then.
    pub fn with_json(mut self, text: &str, limits: &Limits) -> Result<Self, SignatureError> {
        json::check(text, Dialect::Strict, limits).map_err(|fault| SignatureError::KeyFile {
            pointer: String::new(),
            at: fault.range.start,
            problem: Box::new(KeyFileProblem::Json(fault.kind)),
        })?;
        let start = text.len() - text.trim_start_matches([' ', '\t', '\n', '\r']).len();
        let file = File { text, start };
        let root = pointer::find(text, start, "")
            .ok_or_else(|| file.error(start, KeyFileProblem::Json(FaultKind::UnexpectedEnd)))?;
        file.expect(root, Kind::Object)?;
        let mut keys = None;
        for (key, value) in json::members(text, root.start()) {
            if !key.means(text, "keys") {
                let problem = KeyFileProblem::UnknownMember { of: "a key file", nearest: None };
                return Err(file.error(key.start(), problem));
            }
            keys = Some(value);
        }
        let missing = || file.error(root.start(), KeyFileProblem::Missing("keys"));
        let keys = file.expect(keys.ok_or_else(missing)?, Kind::Array)?;
        for token in json::elements(text, keys.start()) {
            let key = file.key(token)?;
            self.insert(key)
                .map_err(|error| file.error(token.start(), KeyFileProblem::Key(error)))?;
        }
        Ok(self)
    }

    /// The ring as a file, one key a line.
    pub fn to_json(&self) -> String {
        let mut out = b"{\n  \"keys\": [".to_vec();
        for (index, key) in self.keys().enumerate() {
            out.extend_from_slice(if index == 0 { b"\n    {" } else { b",\n    {" });
            let public_key = Base64::encode_string(key.bytes());
            let values = [
                Some(key.key_id()),
                Some(key.algorithm()),
                Some(&*public_key),
                Some(key.owner().as_str()),
                key.not_before().map(Timestamp::as_str),
                key.not_after().map(Timestamp::as_str),
                key.revoked_at().map(Timestamp::as_str),
            ];
            let members = MEMBERS.iter().zip(values).filter_map(|(name, text)| Some((name, text?)));
            for (index, (name, text)) in members.enumerate() {
                out.extend_from_slice(if index == 0 { b" " } else { b", " });
                write_text(&mut out, name);
                out.extend_from_slice(b": ");
                write_text(&mut out, text);
            }
            out.extend_from_slice(b" }");
        }
        out.extend_from_slice(if self.keys().len() == 0 { b"]\n}\n" } else { b"\n  ]\n}\n" });
        String::from_utf8(out).unwrap_or_default()
    }
}

/// A scanned file.
struct File<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> File<'a> {
    fn error(&self, at: usize, problem: KeyFileProblem) -> SignatureError {
        let pointer = pointer::locate(self.text, self.start, at);
        SignatureError::KeyFile { pointer, at, problem: Box::new(problem) }
    }

    fn expect(&self, token: Token, kind: Kind) -> Result<Token, SignatureError> {
        if token.kind() == kind {
            return Ok(token);
        }
        let problem = KeyFileProblem::Kind { expected: kind, found: token.kind() };
        Err(self.error(token.start(), problem))
    }

    fn key(&self, token: Token) -> Result<PublicKey, SignatureError> {
        self.expect(token, Kind::Object)?;
        let mut values: [Option<Token>; MEMBERS.len()] = [None; MEMBERS.len()];
        for (key, value) in json::members(self.text, token.start()) {
            let name = key.decode(self.text);
            let Some(place) = MEMBERS.iter().position(|member| *member == name) else {
                let nearest = nearest(&name, MEMBERS);
                let problem = KeyFileProblem::UnknownMember { of: "a key", nearest };
                return Err(self.error(key.start(), problem));
            };
            values[place] = Some(self.expect(value, Kind::Text)?);
        }
        if let Some(missing) = values[..REQUIRED].iter().position(Option::is_none) {
            let problem = KeyFileProblem::Missing(MEMBERS[missing]);
            return Err(self.error(token.start(), problem));
        }
        let [key_id, algorithm, public_key, owner, not_before, not_after, revoked_at] = values;
        let at = |value: Option<Token>| value.unwrap_or(token).start();
        let bytes = Base64::decode_vec(&self.decode(public_key))
            .map_err(|_| self.error(at(public_key), KeyFileProblem::Base64))?;
        let owner_id = ComponentId::new(self.decode(owner))
            .map_err(|error| self.error(at(owner), KeyFileProblem::Owner(error)))?;
        let names = (self.decode(key_id), self.decode(algorithm));
        let mut key = PublicKey::new(names.0, names.1, bytes, owner_id).map_err(|error| {
            let place = match error {
                SignatureError::KeyId(_) => key_id,
                SignatureError::Algorithm(_) => algorithm,
                _ => public_key,
            };
            self.error(at(place), KeyFileProblem::Key(error))
        })?;
        let time = |value: Option<Token>| match value {
            Some(token) => Timestamp::new(token.decode(self.text))
                .map(Some)
                .map_err(|error| self.error(token.start(), KeyFileProblem::Time(error))),
            None => Ok(None),
        };
        key.set_times(time(not_before)?, time(not_after)?, time(revoked_at)?);
        Ok(key)
    }

    fn decode(&self, value: Option<Token>) -> Cow<'a, str> {
        value.map_or(Cow::Borrowed(""), |value| value.decode(self.text))
    }
}
