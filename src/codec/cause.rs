//! What the author of an unreadable record probably did.

use crate::finding::Hint;
use std::ops::Range;

pub(super) const NO_PHASE: &str = "the phase is missing; an event without one says `global`";

pub(super) const SHELL_ESCAPED: &str =
    "the quotes are escaped for a shell; write the record as the shell would print it";

const PASTED: &str =
    "text was pasted between quotes of its own; escape it, for example with `jq -R`";

const SUM: &str = "a sum was not evaluated; JSON has numbers only";

/// The usual cause of broken JSON, from the fault and what stands around it.
#[cold]
pub(super) fn cause(text: &str, range: Range<usize>) -> Hint {
    let at = range.start;
    let bytes = text.as_bytes();
    let here = bytes.get(at).copied();
    let before = bytes[..at].iter().rposition(|b| !b.is_ascii_whitespace());
    let last = before.map(|index| bytes[index]);
    let rest = &text[at..];
    if !matches!(last, Some(b'"' | b'}' | b']'))
        && let Some(words) = text.get(range).and_then(no_number)
    {
        return Hint::Say(words);
    }
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
        (_, Some(b'+' | b'-' | b'*' | b'/')) if last.is_some_and(|b| b.is_ascii_digit()) => SUM,
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
        (_, Some(b'\t' | b'\n')) => {
            "inside a string, write a tab as `\\t` and a line break as `\\n`"
        }
        _ if rest.starts_with(['“', '”', '‘', '’']) => {
            "typographic quotes are not JSON; write straight double quotes"
        }
        (Some(b':' | b'[' | b','), Some(byte))
            if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 =>
        {
            "a text stands in double quotes"
        }
        _ => return Hint::None,
    })
}

/// Why something that starts like a number is none.
fn no_number(word: &str) -> Option<&'static str> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let digit = digits.starts_with(|c: char| c.is_ascii_digit());
    let second = digits.as_bytes().get(1);
    let behind = digits.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(match digits.as_bytes().first() {
        _ if word == "..." || word == "…" => return None,
        _ if digits.starts_with('.') && second.is_some_and(u8::is_ascii_digit)
            || digit && word.starts_with('+') =>
        {
            "a number starts with a digit, or with a minus and a digit"
        }
        _ if !digit => return None,
        Some(b'0') if matches!(second, Some(b'x' | b'X' | b'b' | b'B' | b'o' | b'O')) => {
            "numbers are decimal"
        }
        Some(b'0') if second.is_some_and(u8::is_ascii_digit) => "numbers have no leading zeros",
        _ if behind.is_empty() && digits.ends_with('.') => {
            "a digit stands behind the decimal point"
        }
        _ if behind.is_empty() => "a number has one decimal point",
        _ if behind.starts_with(['+', '-']) => SUM,
        _ if matches!(behind, "e" | "E" | "e+" | "e-" | "E+" | "E-") => {
            "an exponent has at least one digit"
        }
        _ => "this is no number; a text, such as a quantity with its unit, stands in double quotes",
    })
}
