//! Where an event line or a document starts, and where it ends, broken ones included.

use super::evidence::is_upper_snake;
use super::log;
use crate::json::{Brackets, skip_space, string_end};
use crate::spec::EventType;
use memchr::memchr;

/// The longest type, workflow, phase or key that is looked for. Longer ones start nothing.
///
/// Without a bound a file of one long line would be searched from each of its bytes to its end.
const MOST: usize = 256;

/// The longest word that is compared with the registered types; none is that long.
const MOST_TYPE: usize = 64;

/// Words that stand for the data in a line that shows the grammar.
const GRAMMAR: &[&str] =
    &["data", "payload", "json", "json_data", "json_payload", "event_data", "...", "…"];

/// What stands before the data of an event line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Where the data starts.
    pub(super) data: usize,
    /// Whether the data is an object, as far as one can see; else it is a placeholder, or no data at
    /// all behind a type that is registered.
    pub(super) object: bool,
}

/// How the event type is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// A registered type in any case and with any separators: `phase.completed`.
    Registered,
    /// `DATA_INTEGRITY_ALERT`, the way types are spelled.
    Snake,
    /// The same with a placeholder in it: `${KIND}_COMPLETED`, `TASK_STARTED|TASK_FAILED`.
    Template,
}

/// The head of the event line that starts at `at`.
///
/// A registered type makes a line an event whatever stands in the place of its data, which is then
/// what is wrong with it. Another word in upper case needs an object there, or a placeholder.
pub(super) fn event_head(text: &str, at: usize) -> Option<Head> {
    let bytes = text.as_bytes();
    let name = part(bytes, at, true)?;
    let workflow_at = at + name.len() + 1;
    let workflow = part(bytes, workflow_at, false)?;
    let phase_at = workflow_at + workflow.len() + 1;
    let phase = part(bytes, phase_at, false)?;
    let spelling = spelling(name)?;
    let data = skip_blanks(bytes, phase_at + phase.len() + 1);
    let rest = &bytes[data.min(bytes.len())..];
    let object = rest.first() == Some(&b'{') && !is_placeholder(rest);
    let parts = [workflow, phase];
    let all = |holds: fn(&[u8]) -> bool| parts.into_iter().all(holds);
    let whole = all(|part| !part.is_empty() && part.trim_ascii() == part);
    // A colon in prose is followed by a blank, one in an address by a slash.
    let compact = whole && all(|part| !part.iter().any(u8::is_ascii_whitespace));
    let starts = match spelling {
        Spelling::Registered => object || compact,
        Spelling::Snake if object => whole || is_object(rest),
        // Settings that a script prints, addresses, paths.
        Spelling::Snake => compact && all(is_plain) && stands_for_data(rest),
        Spelling::Template => whole && object && is_object(rest),
    };
    starts.then_some(Head { data, object })
}

/// The bytes up to the next colon that separates. Placeholders are passed over: their colons and
/// quotes are no separators.
fn part(bytes: &[u8], from: usize, word: bool) -> Option<&[u8]> {
    let room = &bytes[from.min(bytes.len())..bytes.len().min(from + MOST)];
    let room = &room[..line_end(room, 0)];
    let mut at = 0;
    loop {
        at += match room.get(at)? {
            b':' => return Some(&room[..at]),
            b'$' => match room.get(at + 1) {
                // An expression of a workflow file.
                Some(b'{') if room.get(at + 2) == Some(&b'{') => closing(room, at, b"}}")?,
                Some(b'{') => closing(room, at, b"}")?,
                Some(b'(') => closing(room, at, b")")?,
                _ => 1,
            },
            b'{' if room.get(at + 1) == Some(&b'{') => closing(room, at, b"}}")?,
            b'{' if is_placeholder(&room[at..]) => closing(room, at, b"}")?,
            b'<' => closing(room, at, b">").unwrap_or(1),
            // A quoted variable stands for one part, whatever is in it.
            b'"' if !word && room.get(at + 1) == Some(&b'$') => 1 + closing(room, at + 1, b"\"")?,
            b'\\' if !word && !matches!(room.get(at + 1), Some(b'"' | b'\'') | None) => 1,
            b'{' | b'}' | b'"' | b'\'' | b'`' | b'\\' | 0..b' ' | 0x7F => return None,
            b' ' if word => return None,
            _ => 1,
        };
    }
}

/// How far it is from `at` to behind the next `end`.
fn closing(room: &[u8], at: usize, end: &[u8]) -> Option<usize> {
    let found = room[at..].windows(end.len()).position(|window| window == end)?;
    Some(found + end.len())
}

fn spelling(name: &[u8]) -> Option<Spelling> {
    if is_registered(name) {
        return Some(Spelling::Registered);
    }
    if is_upper_snake(name) {
        return Some(Spelling::Snake);
    }
    // What is left without the placeholders has to be spelled like a type.
    let mut left = Vec::new();
    let (mut at, mut marked) = (0, false);
    while let Some(&byte) = name.get(at) {
        let length = match (byte, name.get(at + 1)) {
            (b'$', Some(b'{')) | (b'{', _) => closing(name, at, b"}"),
            (b'$', Some(b'(')) => closing(name, at, b")"),
            (b'<', _) => closing(name, at, b">"),
            (b'$', _) => {
                let inner = name[at + 1..].iter();
                Some(1 + inner.take_while(|b| b.is_ascii_lowercase() || **b == b'_').count())
            }
            (b'|', _) => Some(1),
            _ => None,
        };
        marked |= length.is_some();
        if length.is_none() {
            left.push(byte);
        }
        at += length.unwrap_or(1);
    }
    let snake = left.contains(&b'_') && left.iter().any(u8::is_ascii_uppercase);
    let clean = left.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
    (marked && snake && clean).then_some(Spelling::Template)
}

/// Whether a word is a registered event type; case and separators count for nothing.
pub(super) fn is_registered(word: &[u8]) -> bool {
    let separates = |b: &&u8| b"_.-".contains(*b);
    if word.len() > MOST_TYPE || !word.iter().all(|b| b.is_ascii_alphabetic() || separates(&b)) {
        return false;
    }
    let letters = || word.iter().filter(|b| !separates(b)).map(u8::to_ascii_uppercase);
    EventType::ALL.iter().any(|known| {
        let known = known.as_str().as_bytes().iter();
        letters().eq(known.filter(|b| **b != b'_').copied())
    })
}

/// Whether a part may be an identifier with placeholders in it.
fn is_plain(part: &[u8]) -> bool {
    !part.iter().any(|b| b"/,;=&!?#%*@^~[]".contains(b))
}

/// Whether a text starts with `{{name}}`, `{name}` or `{...}`.
pub(super) fn is_placeholder(text: &[u8]) -> bool {
    let braces = text.iter().take(2).take_while(|b| **b == b'{').count();
    if braces == 0 {
        return false;
    }
    let inner = &text[braces..];
    let room = &inner[..inner.len().min(MOST)];
    let Some(end) = memchr(b'}', room) else { return false };
    let name = room[..end].trim_ascii();
    let word = name.first().is_some_and(|b| b.is_ascii_alphabetic() || b"_.#/$".contains(b))
        && name.iter().all(|b| b.is_ascii_alphanumeric() || b"_.-#/$ ".contains(b));
    (word || name == "…".as_bytes()) && room[end..].starts_with(&b"}}"[..braces])
}

/// Whether what stands behind `{` can be a first member, or the end.
pub(super) fn starts_member(object: &[u8]) -> bool {
    let at = skip_space(object, 1);
    matches!(object.get(at), Some(b'"' | b'\'' | b'\\' | b'$'))
}

/// Whether an object starts with a member, or is empty.
fn is_object(object: &[u8]) -> bool {
    starts_member(object) || object.get(skip_space(object, 1)) == Some(&b'}')
}

/// Whether the data begins with a placeholder, or is the word for it in a line that shows the grammar.
pub(super) fn stands_for_data(rest: &[u8]) -> bool {
    let room = &rest[..rest.len().min(MOST)];
    let word = room[..line_end(room, 0)].trim_ascii_end();
    let word = word.strip_suffix(b"\"").or(word.strip_suffix(b"'")).unwrap_or(word);
    let quoted = word.strip_prefix(b"\"").unwrap_or(word);
    GRAMMAR.iter().any(|known| known.as_bytes() == word)
        || is_placeholder(word)
        || is_angled(word)
        || matches!(quoted, [b'$', next, ..] if next.is_ascii_alphanumeric() || b"_{(@*".contains(next))
}

/// Whether a text starts with `<name>`.
fn is_angled(text: &[u8]) -> bool {
    text.first() == Some(&b'<')
        && memchr(b'>', text).is_some_and(|end| {
            let name = &text[1..end];
            name.first().is_some_and(u8::is_ascii_alphabetic)
                && name.iter().all(|b| b.is_ascii_alphanumeric() || b"_-. |".contains(b))
        })
}

/// Whether the brace at `at` opens an object whose first member has a quoted key. A stray comma, a
/// doubled brace and a comment before it are passed over. Only the line of the key is looked at.
pub(super) fn starts_object(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'{') {
        return false;
    }
    let mut at = at + 1;
    // A handful of mistakes; a file of nothing but braces must not be walked from each of them.
    for _ in 0..8 {
        at = skip_space(bytes, at);
        match bytes.get(at) {
            Some(b',' | b'{') => at += 1,
            Some(b'#') => at = line_end(bytes, at),
            Some(b'/') if bytes.get(at + 1) == Some(&b'/') => at = line_end(bytes, at),
            Some(b'.') if bytes[at..].starts_with(b"...") => at += 3,
            Some(b'"' | b'\'') => return is_key(bytes, at),
            Some(b'\\') => return bytes.get(at + 1) == Some(&b'"'),
            // The opening quote of the key was forgotten.
            Some(byte) if byte.is_ascii_alphabetic() => {
                let room = &bytes[at..bytes.len().min(at + MOST)];
                let word = room.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_');
                let end = word.count();
                return room.get(end) == Some(&b'"')
                    && room.get(skip_blanks(room, end + 1)) == Some(&b':');
            }
            _ => return false,
        }
    }
    false
}

/// Whether the text ends before it is clear if a bracket opens an object or an array of objects.
pub(super) fn is_undecided(bytes: &[u8], at: usize) -> bool {
    let mut at = at + 1;
    for _ in 0..9 {
        at = skip_space(bytes, at);
        match bytes.get(at) {
            None => return true,
            Some(b',' | b'{') => at += 1,
            Some(b'#') => at = line_end(bytes, at),
            Some(b'/') if bytes.get(at + 1) == Some(&b'/') => at = line_end(bytes, at),
            Some(b'.') if bytes[at..].starts_with(b"...") => at += 3,
            Some(_) => return false,
        }
    }
    false
}

/// Where the array at `at` has its first element, if that is an object with a quoted key.
pub(super) fn array_of_objects(text: &str, at: usize) -> Option<usize> {
    let first = skip_space(text.as_bytes(), at + 1);
    (text.as_bytes().get(at) == Some(&b'[') && starts_object(text, first)).then_some(first)
}

/// Whether the string at `at` is a key: a colon follows it, or a value does without one, or the colon
/// stands inside it where its closing quote was forgotten.
fn is_key(bytes: &[u8], at: usize) -> bool {
    let room = &bytes[at..bytes.len().min(at + MOST)];
    let line = &room[..line_end(room, 0)];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match string_end(line, 0).map(|(end, _)| end) {
        Some(end)
            if matches!(
                line.get(skip_blanks(line, end)),
                Some(b':' | b'{' | b'[' | b'"' | b'=')
            ) =>
        {
            true
        }
        end => {
            let inner = &line[1..end.unwrap_or(line.len())];
            let word =
                inner.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            let rest = &inner[word..];
            word > 0
                && rest.first() == Some(&b':')
                && rest.get(skip_blanks(rest, 1)).is_none_or(|b| b"\"'{[".contains(b))
        }
    }
}

/// What ends a value that its brackets do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// A blank line, as in prose.
    pub(super) blank_line: bool,
    /// A line break where no JSON text goes on, as in event lines: they hold one line at best.
    pub(super) line: bool,
    /// A line that begins as those of a log do.
    pub(super) log: bool,
}

fn has_prefix(text: &str, at: usize) -> bool {
    log::line(text, at, line_end(text.as_bytes(), at)).prefix
}

/// How far a value reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// One past its last byte.
    pub(super) end: usize,
    /// Whether the brackets closed.
    pub(super) closed: bool,
    /// Whether a quoted key was seen.
    pub(super) key: bool,
    /// Whether it is the text that ends, so that more of it might go on with the value.
    pub(super) cut: bool,
}

/// The extent of the value whose bracket is at `open`: until the brackets close, or the bounds, or
/// the end of the text. A line that starts an event ends it, and so does a new value where none can
/// stand, unless it is indented further.
pub(super) fn extent(text: &str, open: usize, bounds: Bounds) -> Extent {
    let bytes = text.as_bytes();
    let (mut brackets, mut key, mut at) = (Brackets::default(), false, open);
    let stop = |at: usize, key| {
        let cut = skip_blanks(bytes, at + 1) >= bytes.len();
        Extent { end: trim_end(bytes, open, at), closed: false, key, cut }
    };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' if byte == b'"' || b"{[,:".contains(&brackets.last()) => {
                match string_end(bytes, at) {
                    Some((end, _)) => {
                        key |= bytes.get(skip_space(bytes, end)) == Some(&b':');
                        at = end;
                    }
                    // A string holds no line break, so more text would not help.
                    None if bounds.line => {
                        return Extent { cut: false, ..stop(line_end(bytes, at), key) };
                    }
                    None => at = line_end(bytes, at),
                }
                brackets.take(byte);
                continue;
            }
            b'\\' => at += usize::from(bytes.get(at + 1).is_some_and(|b| *b != b'\n')),
            b'/' if bytes[at..].starts_with(b"//") && b" \t\n".contains(&bytes[at - 1]) => {
                at = line_end(bytes, at);
                continue;
            }
            b'\n' => {
                let next = skip_blanks(bytes, at + 1);
                let first = bytes.get(next).copied().unwrap_or(b'\n');
                let quoted = usize::from(bounds.line && matches!(first, b'"' | b'\''));
                let value_ended = !b"{[,:".contains(&brackets.last());
                let ends = match first {
                    b'\n' | b'\r' => bounds.blank_line || bounds.line,
                    b'{' | b'[' if value_ended && next - at - 1 <= column(bytes, open) => true,
                    b'}' | b']' | b',' | b':' => false,
                    _ if bounds.line && value_ended => true,
                    // What is not indented and has a time or the like is the next line of the log.
                    _ if bounds.log && next == at + 1 && has_prefix(text, next) => true,
                    _ => event_head(text, next + quoted).is_some(),
                };
                if ends {
                    return stop(at, key);
                }
            }
            _ => {}
        }
        if brackets.take(byte) {
            return Extent { end: at + 1, closed: true, key, cut: false };
        }
        at += 1;
    }
    stop(bytes.len(), key)
}

/// Which closing brackets belong to a value that has ended, beside those on its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closers {
    None,
    /// Those on the next lines that are indented further than the value.
    Indented,
    /// Those on the next lines: nothing but messages may stand in the file.
    All,
}

/// The end of a value with what belongs to it by mistake: closing brackets, and where nothing but
/// messages may stand (`strict`), any other text up to the end of the line.
pub(super) fn with_stray(
    text: &str,
    start: usize,
    end: usize,
    strict: bool,
    closers: Closers,
) -> usize {
    let bytes = text.as_bytes();
    let (mut end, mut at) = (end, end);
    loop {
        at = skip_blanks(bytes, at);
        match bytes.get(at) {
            Some(b'}' | b']') => (at, end) = (at + 1, at + 1),
            Some(b',') if matches!(bytes.get(skip_blanks(bytes, at + 1)), Some(b'}' | b']')) => {
                at += 1;
            }
            // `printf` formats end with an escaped line break.
            Some(b'\\') if bytes.get(at + 1) == Some(&b'n') => at += 2,
            Some(b'\n') if closers != Closers::None => {
                let next = skip_blanks(bytes, at + 1);
                let goes_on = match bytes.get(next) {
                    Some(b'}' | b']') => {
                        closers == Closers::All || next - at - 1 > column(bytes, start)
                    }
                    Some(b',') => closers == Closers::All,
                    _ => false,
                };
                if !goes_on {
                    return end;
                }
                at = next;
            }
            Some(b'{' | b'[' | b'#' | b'\n' | b'\r') | None => return end,
            Some(b'/') if bytes.get(at + 1) == Some(&b'/') => return end,
            Some(_) if strict => {
                let rest = line_end(bytes, at);
                end = trim_end(bytes, end, rest);
                if bytes[..end].ends_with(b"\\n") {
                    end -= 2;
                }
                at = rest;
            }
            Some(_) => return end,
        }
    }
}

/// Position after spaces, tabs, and the `\r` of a line end.
pub(super) fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t') => at += 1,
            Some(b'\r') if bytes.get(at + 1) == Some(&b'\n') => at += 1,
            _ => return at,
        }
    }
}

/// How many bytes stand before `at` on its line.
fn column(bytes: &[u8], at: usize) -> usize {
    at - memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |line_break| line_break + 1)
}

/// The line break at or behind `at`, or the end.
pub(super) fn line_end(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |offset| at + offset)
}

/// The end of a range without the white space before it.
pub(super) fn trim_end(bytes: &[u8], start: usize, end: usize) -> usize {
    let kept = bytes[start.min(end)..end].trim_ascii_end().len();
    start.min(end) + kept
}

/// The component that a slash command names: `/resource-manager`, but not `/usr/bin/env`.
pub(super) fn component(name: &str) -> Option<&str> {
    let name = name.strip_prefix('/')?;
    let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:".contains(&b));
    (name.starts_with(|c: char| c.is_ascii_alphabetic()) && word).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_line_is_known_by_its_head() {
        let object = |text: &'static str| {
            event_head(text, 0).map(move |head| (head.object, &text[head.data..]))
        };
        for (text, data) in [
            (r#"TASK_FAILED:wf:build:{"a":1}"#, r#"{"a":1}"#),
            ("TASK_FAILED:wf:build: {}", "{}"),
            // A type is sign enough for an empty part to be a mistake.
            (r#"TASK_FAILED::build:{"a":1}"#, r#"{"a":1}"#),
            // Colons in placeholders separate nothing.
            (r#"TASK_FAILED:${wf:-x}:$(date +%H:%M):{"a":1}"#, r#"{"a":1}"#),
            (r#"TASK_FAILED:{{ns:wf}}:<a:b>:{"a":1}"#, r#"{"a":1}"#),
            (r#"${KIND}_FAILED:wf:build:{"a":1}"#, r#"{"a":1}"#),
            (r#"A_DONE|B_DONE:wf:build:{"a":1}"#, r#"{"a":1}"#),
            (r#"TASK_FAILED: wf : build :{"a":1}"#, r#"{"a":1}"#),
            ("phase.completed:wf:1:{'a':1}", "{'a':1}"),
        ] {
            assert_eq!(object(text), Some((true, data)), "{text}");
        }
        for text in [
            "EVENT_TYPE:workflow:phase:data",
            "A_TYPE:<wf>:<phase>:<data>",
            "A_B:w:p:{json}",
            "A_B:\"$w\":\"${p}\":$data",
            "A_B:w:p:$data and more",
            // Behind a type that is registered, anything is the data, or its lack.
            "TASK_FAILED:wf:build:",
            "task-failed:wf:build:oops",
            "TaskFailed:wf:build:[1]",
        ] {
            assert_eq!(event_head(text, 0).map(|head| head.object), Some(false), "{text}");
        }
        for text in [
            // Times, addresses, mappings, prose.
            "12:30:00:{}",
            "http://host:80/a:{}",
            "note: a: b: {}",
            "phase:wf:1:{a}",
            "phase.done:wf:1:{'a':1}",
            r#"TYPE:wf:build:{"a":1}"#,
            "$A:$B:$C:$D",
            "MY_IMAGE:/usr:lib:$PATH",
            "MY_VERSION:${A-},OTHER:${B-},C:${D-}",
            "A_B: w: p: {c",
            "TASK_FAILED: when it: is: late",
            "TASK_FAILED::build:late",
            "READ:the:manual: first",
            r#"TASK FAILED:wf:build:{"a":1}"#,
            "TASK_FAILED:wf:build",
            "TASK_FAILED:wf\n:build:{}",
        ] {
            assert_eq!(event_head(text, 0), None, "{text}");
        }
        let long = format!("{}:wf:build:{{}}", "A".repeat(MOST));
        assert_eq!(event_head(&long, 0), None);
    }

    #[test]
    fn an_object_is_known_by_a_quoted_key() {
        for text in [
            r#"{"a":1}"#,
            "{'a' : 1}",
            "{,\n\"a\":1}",
            "{{\"a\":1}}",
            "{ // why\n \"a\":1}",
            "{ # why\n \"a\":1}",
            r#"{"a: "b"}"#,
            r#"{a": "b"}"#,
            r#"{"a" {"b":1}}"#,
            r#"{\"a\":1}"#,
        ] {
            assert!(starts_object(text, 0), "{text}");
        }
        for text in ["{}", "[1,2]", "{a:1}", r#"{"a"}"#, r#"{"a b: c"}"#, "{{name}}", "("] {
            assert!(!starts_object(text, 0), "{text}");
        }
        assert_eq!(array_of_objects(r#"[ {"a":1}]"#, 0), Some(2));
        assert_eq!(array_of_objects("[[{\"a\":1}]]", 0), None);
    }

    #[test]
    fn a_broken_value_ends_where_the_next_message_starts() {
        let prose = Bounds { blank_line: true, line: false, log: false };
        let event = Bounds { blank_line: false, line: true, log: false };
        for (text, bounds, end, closed) in [
            (r#"{"a":"}"} x"#, prose, r#"{"a":"}"}"#, true),
            // An apostrophe within a word opens no string.
            (r#"{"a":1 don't}"#, prose, r#"{"a":1 don't}"#, true),
            ("{\"a\":1\n\nText", prose, r#"{"a":1"#, false),
            ("{\"a\":1\n{\"b\":2}", prose, r#"{"a":1"#, false),
            // A value that is indented further belongs to the one around it.
            ("{\"a\":1\n  {\"b\":2}}", prose, "{\"a\":1\n  {\"b\":2}}", true),
            ("{\"a\":1\nA_B:w:p:{}", prose, r#"{"a":1"#, false),
            ("{\"a\":1\nmore", event, r#"{"a":1"#, false),
            ("{\"a\":\"x\nmore\"}", event, r#"{"a":"x"#, false),
            ("{\"a\":1,\n\"b\":2}", event, "{\"a\":1,\n\"b\":2}", true),
        ] {
            let found = extent(text, 0, bounds);
            assert_eq!((&text[..found.end], found.closed), (end, closed), "{text}");
        }
    }

    #[test]
    fn what_stands_for_a_value_is_no_object() {
        for text in ["{name}", "{{ name }}", "{...}", "{…}", "{#each}"] {
            assert!(is_placeholder(text.as_bytes()), "{text}");
        }
        for text in ["{", "{}", "{\"a\":1}", "{a:1}", "{{a}", "{1}", "name}"] {
            assert!(!is_placeholder(text.as_bytes()), "{text}");
        }
    }
}
