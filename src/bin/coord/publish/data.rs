//! The data of an event from words of the command line.

use crate::input;
use crate::output::{Failure, failure};
use coordination_protocol::Json;
use coordination_protocol::event::{FieldType, Registry};
use coordination_protocol::json::{Kind, members, write_text};
use std::path::Path;

/// Reads words into the text of one object: at first DATA, if there is any, then pairs.
///
/// Text that is no JSON comes out as it is, so that the check can point into it.
pub(super) fn data(
    words: &[String],
    event_type: &str,
    registry: &Registry,
    max_bytes: usize,
) -> Result<String, Failure> {
    let mut object = Object::default();
    for (index, word) in words.iter().enumerate() {
        let is_data = word.starts_with(['{', '@']) || word == "-";
        if !is_data {
            object.pair(word, event_type, registry)?;
            continue;
        }
        if index > 0 {
            return Err(failure(format_args!(
                "`{}` is the second DATA or stands behind a pair; DATA comes once and first",
                short(word)
            )));
        }
        let text = match word.strip_prefix('@') {
            Some("") => return Err(failure("`@` names no file")),
            Some(file) => input::text(Path::new(file), max_bytes)?,
            None if word == "-" => input::text(Path::new("-"), max_bytes)?,
            None => word.clone(),
        };
        match text.trim().parse::<Json>() {
            Ok(json) if json.kind() == Kind::Object => object.take(json.as_str()),
            _ => return Ok(text.trim().to_owned()),
        }
    }
    Ok(object.into_text())
}

/// Members in their order. A key that comes twice stays twice, for the check to tell.
#[derive(Default)]
struct Object(Vec<(String, Json)>);

impl Object {
    fn take(&mut self, text: &str) {
        for (key, value) in members(text, 0) {
            if let Ok(value) = value.raw(text).parse() {
                self.0.push((key.decode(text).into_owned(), value));
            }
        }
    }

    fn pair(&mut self, word: &str, event_type: &str, registry: &Registry) -> Result<(), Failure> {
        let split = word.split_once('=').filter(|(key, _)| !key.is_empty() && *key != ":");
        let Some((key, text)) = split else {
            return Err(failure(format_args!(
                "`{}` is no pair; write KEY=VALUE, KEY:=JSON, or DATA that begins with `{{`, `-` or `@`",
                short(word)
            )));
        };
        let (key, value) = if let Some(key) = key.strip_suffix(':') {
            let value = text.parse::<Json>().map_err(|error| {
                failure(format_args!("{key}:= takes JSON: `{}`: {error}", short(text)))
            })?;
            (key, value)
        } else {
            let mut required = registry.required(event_type).into_iter().flatten();
            let kind = required.find(|(name, _)| *name == key).map(|(_, kind)| kind);
            (key, value(kind, text))
        };
        // A pair replaces what DATA has.
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
        Ok(())
    }

    fn into_text(self) -> String {
        let mut out = vec![b'{'];
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value.as_str().as_bytes());
        }
        out.push(b'}');
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// A value by the type that the registry gives its field. What does not look like one becomes a text, and
/// the check says what is wrong with it.
fn value(kind: Option<FieldType>, text: &str) -> Json {
    let looks =
        |wanted: &[Kind]| text.parse::<Json>().ok().filter(|it| wanted.contains(&it.kind()));
    let json = match kind {
        Some(
            FieldType::Number
            | FieldType::Amount
            | FieldType::Count
            | FieldType::StateVersion
            | FieldType::Percent
            | FieldType::Ratio
            | FieldType::Phase,
        ) => looks(&[Kind::Number]),
        Some(FieldType::Bool) => looks(&[Kind::Bool]),
        Some(FieldType::Object) => looks(&[Kind::Object]),
        Some(FieldType::TextList) => looks(&[Kind::Array]).or_else(|| {
            let items: Vec<&str> = text.split(',').map(str::trim).collect();
            Json::of(if text.is_empty() { &[][..] } else { &items[..] }).ok()
        }),
        // Any JSON will do: what has brackets is meant as such.
        Some(FieldType::Json) => looks(&[Kind::Object, Kind::Array]),
        _ => None,
    };
    json.unwrap_or_else(|| Json::text(text))
}

/// As much of a word as helps to find it.
fn short(word: &str) -> String {
    const MOST: usize = 60;
    match word.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", &word[..at]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::data;
    use coordination_protocol::event::Registry;

    fn read(event_type: &str, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match data(&words, event_type, &Registry::default(), 1_000) {
            Ok(text) => text,
            Err(failed) => failed.to_string(),
        }
    }

    #[test]
    fn pairs_take_the_types_of_the_registry() {
        assert_eq!(
            read(
                "TASK_FAILED",
                &["task_id=7", "retry_count=3", "failure_reason=a=b \"c\"\n", "note=1"]
            ),
            r#"{"task_id":"7","retry_count":3,"failure_reason":"a=b \"c\"\n","note":"1"}"#
        );
        // What does not look like a number is left for the check to tell.
        assert_eq!(read("TASK_FAILED", &["retry_count=three"]), r#"{"retry_count":"three"}"#);
        assert_eq!(read("TASK_FAILED", &["retry_count:=[1, 2]"]), r#"{"retry_count":[1,2]}"#);
        assert_eq!(read("TASK_FAILED", &["note="]), r#"{"note":""}"#);
        assert_eq!(read("NOT_KNOWN", &["a=1", "b:=1"]), r#"{"a":"1","b":1}"#);
    }

    #[test]
    fn pairs_replace_what_data_has() {
        assert_eq!(
            read("TASK_FAILED", &[r#"{"task_id": "t1", "retry_count": 1.0}"#, "retry_count=2"]),
            r#"{"task_id":"t1","retry_count":2}"#
        );
        // What is no JSON is not repaired.
        assert_eq!(read("TASK_FAILED", &["{oops", "a=1"]), "{oops");
    }

    #[test]
    fn what_is_no_pair_is_told() {
        assert_eq!(
            read("TASK_FAILED", &["oops"]),
            "`oops` is no pair; write KEY=VALUE, KEY:=JSON, or DATA that begins with `{`, `-` or `@`"
        );
        assert!(read("TASK_FAILED", &["=x"]).starts_with("`=x` is no pair"));
        assert!(read("TASK_FAILED", &[":=1"]).starts_with("`:=1` is no pair"));
        assert!(read("TASK_FAILED", &["a:={"]).starts_with("a:= takes JSON: `{`: "));
        assert!(read("TASK_FAILED", &["a=1", "{}"]).contains("comes once and first"));
    }
}
