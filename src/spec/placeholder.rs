//! Placeholders: texts that stand for a value which a template fills in.
//!
//! Each question is asked twice, of a text and as the pattern of a JSON Schema.

/// Whether a free text is nothing but a placeholder. Prose may well mention one: an error message
/// about `$HOME` is a message.
#[inline]
pub(crate) fn is_whole_placeholder(text: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let inside = |open, close| {
        text.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close)).is_some_and(
            |inner| !inner.is_empty() && !inner.contains(['{', '}', '<', '>', '(', ')']),
        )
    };
    match text.as_bytes().first() {
        Some(b'$') => {
            inside("${", "}")
                || inside("$(", ")")
                || (text.len() > 1 && text[1..].chars().all(name))
        }
        Some(b'<') => inside("<", ">") && text[1..text.len() - 1].chars().all(name),
        Some(b'{') => inside("{{", "}}"),
        // Two alternatives may be a shell pipe; three are a list.
        _ => {
            memchr::memchr(b'|', text.as_bytes()).is_some()
                && text.split('|').count() > 2
                && text.split('|').all(|word| !word.is_empty() && word.chars().all(name))
        }
    }
}

/// Whether a text stands for a value that a template fills in: `a|b`, `$var`, `<x>`, `{{x}}`.
#[inline]
pub(crate) fn is_placeholder(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(b'$') => matches!(bytes.get(1), Some(b'{' | b'(' | b'_' | b'a'..=b'z' | b'A'..=b'Z')),
        Some(b'|') | None => false,
        Some(b'<') if bytes.ends_with(b">") => true,
        Some(b'{') if text.starts_with("{{") => true,
        _ => memchr::memchr3(b'|', b'$', b'<', bytes).is_some() && placeholder_inside(text),
    }
}

/// `a|b` without spaces, or `req_<uuid>`, `wf_${id}`.
#[cold]
fn placeholder_inside(text: &str) -> bool {
    let alternatives = text.contains('|')
        && !text.contains("||")
        && !text.contains(char::is_whitespace)
        && !text.ends_with('|');
    let angle = text.find('<').is_some_and(|at| {
        text.ends_with('>')
            && text[at + 1..text.len() - 1]
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    });
    alternatives || angle || text.contains("${")
}

/// Characters of names, in a pattern.
#[cfg(feature = "schema")]
macro_rules! name {
    () => {
        "[0-9A-Za-z_.-]+"
    };
}

/// What no alternative holds, in a pattern: `|` and white space as Unicode has it. Beyond Latin-1 the
/// characters themselves, because engines spell their escapes in different ways.
#[cfg(feature = "schema")]
macro_rules! not_in_alternatives {
    () => {
        concat!(
            r"|\x09-\x0D\x20\x85\xA0",
            "\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}"
        )
    };
}

/// [`is_whole_placeholder`] as a pattern. No placeholder ends with a line break.
#[cfg(feature = "schema")]
pub(crate) const WHOLE_PLACEHOLDER: &str = concat!(
    r"^(\$(\{[^<>(){}]+\}|\([^<>(){}]+\)|",
    name!(),
    r")|<",
    name!(),
    r">|\{\{[^<>(){}]+\}\}|",
    name!(),
    r"(\|",
    name!(),
    r"){2,})$",
);

/// [`is_placeholder`] as two patterns, of which a text matches one: here, of what tells it by how it
/// begins, whatever follows: `$var`, `{{x}}`, `wf_${id}`.
#[cfg(feature = "schema")]
pub(crate) const PLACEHOLDER_BEGINS: &str = r"^\$[_a-zA-Z({]|^\{\{|^[^$|][\s\S]*\$\{";

/// Of what a placeholder is to its end: `<x>`, `a|b`, `req_<uuid>`. None ends with a line break.
#[cfg(feature = "schema")]
pub(crate) const PLACEHOLDER_ENDS: &str = concat!(
    r"^<[\s\S]*>$",
    r"|^[^$",
    not_in_alternatives!(),
    "][^",
    not_in_alternatives!(),
    r"]*(\|[^",
    not_in_alternatives!(),
    "]+)+$",
    r"|^[^$|<][^<]*<[0-9A-Za-z_-]*>$",
);
