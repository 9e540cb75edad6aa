//! What the author of an unreadable record probably did.

use crate::finding::Hint;

pub(super) const NO_PHASE: &str = "the phase is missing; an event without one says `global`";

pub(super) const SHELL_ESCAPED: &str =
    "the quotes are escaped for a shell; write the record as the shell would print it";

const PASTED: &str =
    "text was pasted between quotes of its own; escape it, for example with `jq -R`";

/// The usual cause of broken JSON, from what stands around the fault.
#[cold]
pub(super) fn cause(text: &str, at: usize) -> Hint {
    let bytes = text.as_bytes();
    let here = bytes.get(at).copied();
    let before = bytes[..at].iter().rposition(|b| !b.is_ascii_whitespace());
    let last = before.map(|index| bytes[index]);
    let rest = &text[at..];
    Hint::Say(match (last, here) {
        (Some(b','), Some(b',')) => "a comma is doubled",
        (Some(b','), Some(b'}' | b']')) => "a comma before the closing bracket",
        (_, None) if last == Some(b'}') => "a closing `}` is missing",
        (_, None) => "the record is cut short",
        (_, Some(b'\\')) if bytes.get(at + 1) == Some(&b'"') => SHELL_ESCAPED,
        (_, Some(b'\\')) if bytes.get(at + 1) == Some(&b'u') => {
            "a character beyond U+FFFF takes two `\\u` escapes; write it as itself"
        }
        (_, Some(b'\\')) => "a backslash inside a string is written twice",
        (_, Some(b'T' | b'F' | b'N'))
            if ["True", "False", "None", "NaN"].iter().any(|word| rest.starts_with(word)) =>
        {
            "JSON writes `true`, `false` and `null`; it has no NaN"
        }
        _ if rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#') => {
            "JSON has no comments"
        }
        _ if rest.starts_with("...") || rest.starts_with('…') => {
            "something was left out; a record that is sent is written in full"
        }
        _ if rest.starts_with("undefined") => {
            "JSON has no `undefined`; leave the key out, or write `null`"
        }
        (_, Some(b'+' | b'-' | b'*' | b'/')) if last.is_some_and(|b| b.is_ascii_digit()) => {
            "a sum was not evaluated; JSON has numbers only"
        }
        (Some(b'"'), Some(b'"'))
            if before.is_some_and(|b| b + 1 < at || b == 0 || bytes[b - 1] != b'"') =>
        {
            "a comma is missing"
        }
        (Some(b'"'), Some(b'"')) => PASTED,
        (Some(b'"'), Some(_)) if at > 1 && bytes[..at].ends_with(b"\"\"") => PASTED,
        (Some(b'"'), Some(byte))
            if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 =>
        {
            "a quote inside the text is not escaped"
        }
        (Some(b'{' | b','), Some(byte)) if byte.is_ascii_alphabetic() || byte == b'_' => {
            "keys stand in double quotes"
        }
        (Some(b'"' | b'}' | b']' | b'0'..=b'9'), Some(b'"' | b'{')) => "a comma is missing",
        (_, Some(b'$')) => "a shell variable was not filled in",
        (Some(b':'), Some(b'}' | b',')) => {
            "the value is empty; an unset shell variable leaves such a hole"
        }
        (Some(b'"'), Some(b'=')) => "a colon stands between key and value",
        (Some(b'"' | b'}' | b']' | b'0'..=b'9'), Some(b';')) => "a comma separates members",
        (Some(b'"'), Some(b':')) => "only an object has keys; write it in braces",
        (Some(b'0'), Some(b'x' | b'X')) => "numbers are decimal",
        (Some(b':' | b'[' | b','), Some(b'+' | b'.')) => {
            "a number starts with a digit, or with a minus and a digit"
        }
        (Some(b'0'), Some(b'0'..=b'9')) => "numbers have no leading zeros",
        (_, Some(b'\t' | b'\n')) => {
            "inside a string, write a tab as `\\t` and a line break as `\\n`"
        }
        _ if rest.starts_with(['“', '”', '‘', '’']) => {
            "typographic quotes are not JSON; write straight double quotes"
        }
        _ => return Hint::None,
    })
}
