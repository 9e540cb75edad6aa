//! Fixes: what takes a deviation away without a choice.

use super::{Code, Finding, Hint};
use crate::json::pointer;
use crate::scalar::nearest_within;
use std::ops::Range;

/// A change of a text: what stands in a range gives way to something else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TextEdit {
    /// Where, in bytes.
    pub range: Range<usize>,
    /// What stands there instead; empty to remove what is there.
    pub replacement: String,
}

impl TextEdit {
    /// A change of a range.
    pub fn new(range: Range<usize>, replacement: impl Into<String>) -> Self {
        TextEdit { range, replacement: replacement.into() }
    }

    /// A text with changes made to it. They stand in order and do not overlap; one that does, or that
    /// is not within the text, is passed over.
    pub fn apply(text: &str, edits: &[TextEdit]) -> String {
        let mut made = String::with_capacity(text.len());
        let mut at = 0;
        for edit in edits {
            let Some(before) = text.get(at..edit.range.start) else { continue };
            if text.get(edit.range.clone()).is_none() {
                continue;
            }
            made.push_str(before);
            made.push_str(&edit.replacement);
            at = edit.range.end;
        }
        made.push_str(&text[at..]);
        made
    }
}

impl Finding {
    /// The edits of the record that take this finding away, in order; none if what was meant is not
    /// certain.
    ///
    /// Certain are the quotes of strings, of a shell, a byte order mark, a carriage return, the other
    /// name of a field, and a word of a closed list that is one letter off, if only one word of the list
    /// is that near. A signed record has no fix, since its signature would no longer fit, and neither
    /// have names that anybody may choose.
    ///
    /// `record` is the text that was checked. The edits of several findings of a record can be
    /// made together; [`TextEdit::apply`] does.
    ///
    /// ```
    /// use coordination_protocol::event::Codec;
    /// use coordination_protocol::finding::{Mode, TextEdit};
    ///
    /// let line = "TASK_FAILED:wf_001:build:{'task_id':'t1','error':'a \"b\" c'}";
    /// let report = Codec::new(Mode::Interop).check(line).report;
    /// let fixed = TextEdit::apply(line, &report.findings()[0].fix(line));
    /// assert_eq!(fixed, r#"TASK_FAILED:wf_001:build:{"task_id":"t1","error":"a \"b\" c"}"#);
    /// ```
    pub fn fix(&self, record: &str) -> Vec<TextEdit> {
        let Some(found) = record.get(self.range.clone()) else { return Vec::new() };
        let (start, end) = (self.range.start, self.range.end);
        if found.is_empty() || is_signed(record) {
            return Vec::new();
        }
        match self.code {
            Code::ByteOrderMark | Code::CarriageReturn => vec![TextEdit::new(start..end, "")],
            Code::ShellQuotes if found.len() > 1 => {
                vec![TextEdit::new(start..start + 1, ""), TextEdit::new(end - 1..end, "")]
            }
            Code::SingleQuotes => double_quotes(record, start),
            Code::FieldAlias if !self.has_expected(record) => self.instead(found, &self.expected),
            Code::UnknownWord => match &self.hint {
                Hint::NearestTo { known } => match nearest_within(&self.actual, known.lines(), 1) {
                    Some(word) => self.instead(found, word),
                    None => Vec::new(),
                },
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Another word in the quotes that stand around this one.
    fn instead(&self, found: &str, word: &str) -> Vec<TextEdit> {
        let quoted = found.len() > 1
            && found.starts_with(['"', '\''])
            && found.as_bytes().first() == found.as_bytes().last();
        let Range { start, end } = self.range;
        if quoted { vec![TextEdit::new(start + 1..end - 1, word)] } else { Vec::new() }
    }

    /// Whether the field that was expected stands beside its alias.
    fn has_expected(&self, record: &str) -> bool {
        let object = self.pointer.rsplit_once('/').map_or("", |(object, _)| object);
        record
            .find('{')
            .and_then(|root| pointer::find(record, root, &format!("{object}/{}", self.expected)))
            .is_some()
    }
}

/// Whether a record has a member that signs it.
fn is_signed(record: &str) -> bool {
    ["\"signature\"", "'signature'"].iter().any(|key| {
        record
            .match_indices(key)
            .any(|(at, key)| record[at + key.len()..].trim_start().starts_with(':'))
    })
}

/// Double quotes around each string in single quotes from `start` on.
fn double_quotes(record: &str, start: usize) -> Vec<TextEdit> {
    let bytes = record.as_bytes();
    let (mut edits, mut at) = (Vec::new(), start);
    while let Some(offset) = memchr::memchr2(b'"', b'\'', &bytes[at..]) {
        at += offset;
        let quote = bytes[at];
        let single = quote == b'\'';
        let opening = edits.len();
        if single {
            edits.push(TextEdit::new(at..at + 1, "\""));
        }
        at += 1;
        loop {
            match bytes.get(at) {
                // A quote around the record, or one that is not closed.
                None => {
                    edits.truncate(opening);
                    return edits;
                }
                Some(b'\\') if single && bytes.get(at + 1) == Some(&b'\'') => {
                    edits.push(TextEdit::new(at..at + 1, ""));
                    at += 2;
                }
                Some(b'\\') => at += 2,
                Some(b'"') if single => {
                    edits.push(TextEdit::new(at..at, "\\"));
                    at += 1;
                }
                Some(byte) if *byte == quote => {
                    if single {
                        edits.push(TextEdit::new(at..at + 1, "\""));
                    }
                    at += 1;
                    break;
                }
                Some(_) => at += 1,
            }
        }
    }
    edits
}
