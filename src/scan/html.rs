//! Blocks of HTML in Markdown, in which no fence opens.

/// What ends a block of HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HtmlEnd {
    /// The line that holds the closing tag of a text that is no markup.
    Raw,
    /// The line that holds these bytes.
    Mark(&'static [u8]),
    Blank,
}

/// Tags around text that is no markup.
const RAW: &[&str] = &["pre", "script", "style", "textarea"];

/// Tags that start a block wherever they stand.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "base",
    "basefont",
    "blockquote",
    "body",
    "caption",
    "center",
    "col",
    "colgroup",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "iframe",
    "legend",
    "li",
    "link",
    "main",
    "menu",
    "menuitem",
    "nav",
    "noframes",
    "ol",
    "optgroup",
    "option",
    "p",
    "param",
    "search",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "track",
    "ul",
];

/// The block that a line starts. Other tags start one only if a paragraph is not open.
pub(super) fn starts(line: &[u8], paragraph: bool) -> Option<HtmlEnd> {
    let rest = line.strip_prefix(b"<")?;
    if rest.starts_with(b"!--") {
        return Some(HtmlEnd::Mark(b"-->"));
    }
    if rest.starts_with(b"?") {
        return Some(HtmlEnd::Mark(b"?>"));
    }
    if rest.starts_with(b"![CDATA[") {
        return Some(HtmlEnd::Mark(b"]]>"));
    }
    if rest.starts_with(b"!") && rest.get(1).is_some_and(u8::is_ascii_alphabetic) {
        return Some(HtmlEnd::Mark(b">"));
    }
    let name_at = usize::from(rest.starts_with(b"/"));
    let length = name_length(&rest[name_at..]);
    let (name, after) = rest[name_at..].split_at(length);
    let ends = matches!(after, [] | [b' ' | b'\t' | b'>', ..]);
    if name_at == 0 && ends && is_one_of(name, RAW) {
        return Some(HtmlEnd::Raw);
    }
    if (ends || after.starts_with(b"/>")) && is_one_of(name, BLOCKS) {
        return Some(HtmlEnd::Blank);
    }
    let alone = || tag_end(rest).is_some_and(|end| rest[end..].trim_ascii().is_empty());
    (!paragraph && length > 0 && alone()).then_some(HtmlEnd::Blank)
}

/// Whether a line ends the block.
pub(super) fn ends(end: HtmlEnd, line: &[u8]) -> bool {
    match end {
        HtmlEnd::Blank => line.trim_ascii().is_empty(),
        HtmlEnd::Mark(mark) => memchr::memmem::find(line, mark).is_some(),
        HtmlEnd::Raw => memchr::memmem::find_iter(line, b"</").any(|at| {
            let name = &line[at + 2..];
            let length = name_length(name);
            name.get(length) == Some(&b'>') && is_one_of(&name[..length], RAW)
        }),
    }
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

fn name_length(text: &[u8]) -> usize {
    if !text.first().is_some_and(u8::is_ascii_alphabetic) {
        return 0;
    }
    text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count()
}

/// Where the tag ends whose text behind `<` is given, if it is one from end to end.
fn tag_end(tag: &[u8]) -> Option<usize> {
    let blanks = |at: usize| tag[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    if tag.first() == Some(&b'/') {
        let at = 1 + name_length(&tag[1..]);
        let at = at + blanks(at);
        return (tag.get(at) == Some(&b'>')).then_some(at + 1);
    }
    let mut at = name_length(tag);
    loop {
        let blank = blanks(at);
        at += blank;
        match tag.get(at)? {
            b'>' => return Some(at + 1),
            b'/' => return (tag.get(at + 1) == Some(&b'>')).then_some(at + 2),
            b if blank > 0 && (b.is_ascii_alphabetic() || matches!(b, b'_' | b':')) => {}
            _ => return None,
        }
        let name = |b: &&u8| b.is_ascii_alphanumeric() || b"_.:-".contains(b);
        at += tag[at..].iter().take_while(name).count();
        let value = at + blanks(at);
        if tag.get(value) != Some(&b'=') {
            continue;
        }
        at = value + 1;
        at += blanks(at);
        at = if let quote @ (b'"' | b'\'') = *tag.get(at)? {
            at + 2 + memchr::memchr(quote, &tag[at + 1..])?
        } else {
            let bare = |b: &&u8| !b.is_ascii_whitespace() && !b"\"'=<>`".contains(b);
            let length = tag[at..].iter().take_while(bare).count();
            if length == 0 {
                return None;
            }
            at + length
        };
    }
}
