//! Telling a template from a message: what an author left for somebody to fill in.

use super::shape::is_placeholder;
use memchr::memchr;

/// Whether a message holds a placeholder. `data` is where its JSON text starts; `printf` says that
/// `%s` and its kind are placeholders.
///
/// Outside strings, everything that is no JSON text and looks like one counts. Inside strings only
/// what is hardly meant literally: `$var`, `<name>`, `{{name}}`, alternatives that fill the string,
/// a word cut short by `...`. A `$` in a key is taken literally, as in JSON Schema.
pub(super) fn is_template(text: &str, data: usize, printf: bool) -> bool {
    let bytes = text.as_bytes();
    let (head, json) = bytes.split_at(data.min(bytes.len()));
    // The head is no JSON text, so `...` and braces mean something else there.
    if has_bare(head, printf, true) {
        return true;
    }
    let mut at = 0;
    while let Some(open) = json[at..].iter().position(|b| matches!(b, b'"' | b'\'')) {
        let open = at + open;
        let quote = json[open];
        // An apostrophe that opens no string.
        let opens = quote == b'"'
            || json[..open].trim_ascii_end().last().is_none_or(|b| b"{[,:".contains(b));
        if has_bare(&json[at..open], printf, false) {
            return true;
        }
        at = open + 1;
        if !opens {
            continue;
        }
        let mut end = at;
        while let Some(&byte) = json.get(end) {
            match byte {
                // A string that its line does not close is broken, not long.
                b'\n' => break,
                b'\\' => end += usize::from(json.get(end + 1) != Some(&b'\n')),
                _ if byte == quote => break,
                _ => {}
            }
            end += 1;
        }
        let end = end.min(json.len());
        let after = json[end..].get(1..).unwrap_or_default();
        let is_key = after.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':');
        let inner = &json[at..end];
        if in_string(inner.strip_suffix(b"\r").unwrap_or(inner), is_key, printf) {
            return true;
        }
        at = (end + 1).min(json.len());
    }
    has_bare(&json[at..], printf, false)
}

/// Whether a string is to be filled in.
fn in_string(inner: &[u8], is_key: bool, printf: bool) -> bool {
    let markup = || inner.windows(2).any(|pair| pair == b"</" || pair == b"/>");
    let word = || !inner.iter().any(u8::is_ascii_whitespace);
    (is_placeholder(inner) && inner.ends_with(b"}"))
        || inner == b"..."
        || (inner.ends_with(b"...") || inner.ends_with("…".as_bytes())) && word() && !is_key
        || is_alternatives(inner)
        || marks(inner, |rest| match rest[0] {
            b'$' => !is_key && is_variable(rest),
            b'<' => is_angled(rest) && !markup(),
            b'{' => rest.starts_with(b"{{") && is_placeholder(rest),
            b'%' => printf && is_directive(rest),
            _ => false,
        })
}

/// Whether text outside strings holds a placeholder. The head of an event line may hold `{name}`;
/// in JSON text that is a placeholder as well.
fn has_bare(text: &[u8], printf: bool, head: bool) -> bool {
    marks(text, |rest| match rest[0] {
        b'$' => is_variable(rest),
        b'<' => is_angled(rest),
        b'{' => is_placeholder(rest),
        b'%' => printf && is_directive(rest),
        b'.' => !head && rest.starts_with(b"..."),
        0xE2 => rest.starts_with("…".as_bytes()),
        b'|' => rest.get(1).is_some_and(|b| b.is_ascii_alphanumeric() || b"\" '$<".contains(b)),
        _ => false,
    })
}

fn marks(text: &[u8], is_mark: impl Fn(&[u8]) -> bool) -> bool {
    text.iter().enumerate().any(|(at, byte)| b"$<{%.|\xE2".contains(byte) && is_mark(&text[at..]))
}

/// `$name`, `${name}`, `$(command)`.
fn is_variable(rest: &[u8]) -> bool {
    rest.get(1).is_some_and(|b| b.is_ascii_alphabetic() || b"_{(".contains(b))
}

/// `<name>`, at most 64 bytes.
fn is_angled(rest: &[u8]) -> bool {
    let room = &rest[1..rest.len().min(64)];
    memchr(b'>', room).is_some_and(|end| {
        let name = &room[..end];
        name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.iter().all(|b| b.is_ascii_alphanumeric() || b"_-. |:".contains(b))
    })
}

/// `%s`, `%d`, `%.2f`.
fn is_directive(rest: &[u8]) -> bool {
    let room = &rest[1..rest.len().min(8)];
    let kind = room.iter().find(|b| !(b.is_ascii_digit() || b".-+".contains(b)));
    kind.is_some_and(|b| b"sdifguxqb".contains(b))
}

/// `a|b|c`: two words or more, and nothing else.
fn is_alternatives(inner: &[u8]) -> bool {
    let mut words = 0;
    inner.contains(&b'|')
        && inner.split(|b| *b == b'|').all(|word| {
            words += 1;
            let word = word.trim_ascii();
            !word.is_empty()
                && word.iter().all(|b| b.is_ascii_alphanumeric() || b"_.-+".contains(b))
        })
        && words > 1
}
