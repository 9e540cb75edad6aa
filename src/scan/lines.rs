//! Messages that start a line.

use super::mapped::Mapped;
use super::shape::{
    Bounds, component, event_head, extent, line_end, skip_blanks, starts_document, starts_member,
    trim_end, with_stray,
};
use super::{Command, LEVELS, Output, Place, SnippetForm, shell};
use std::ops::Range;

/// What may stand on the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Prose; a blank line ends everything, and code may stand between backquotes.
    Prose,
    /// A block of lines of any kind.
    Text,
    /// Nothing but JSON values and event lines.
    Json,
    /// One argument or here-document, which may be a message as a whole.
    Container,
}

/// What is known of the text around a message.
#[derive(Clone, Debug)]
pub(super) struct Context<'a, 'c> {
    pub(super) place: Place<'a>,
    pub(super) command: Option<Command<'a>>,
    /// Where the shell put in the value of something, in order.
    pub(super) expansions: &'c [usize],
    /// Whether the text is a format of `printf`.
    pub(super) printf: bool,
}

impl<'a> Context<'a, '_> {
    pub(super) fn new(place: Place<'a>) -> Self {
        Context { place, command: None, expansions: &[], printf: false }
    }

    /// Whether the shell puts something into this range.
    pub(super) fn expands_in(&self, range: Range<usize>) -> bool {
        let at = self.expansions.partition_point(|expansion| *expansion < range.start);
        self.expansions.get(at).is_some_and(|expansion| *expansion < range.end)
    }
}

/// Finds the messages that start a line of the text.
pub(super) fn read<'a>(
    output: &mut Output<'a>,
    source: &Mapped<'a>,
    mode: Mode,
    context: &Context<'a, '_>,
    level: usize,
) {
    let bytes = source.text.as_bytes();
    let mut reader = Reader { output, source, mode, context, level };
    let mut at = if source.text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut first = true;
    while at < bytes.len() {
        let eol = line_end(bytes, at);
        let start = reader.skip_marks(at, eol);
        at = start;
        if start < eol {
            while let Some(end) = reader.message(at, first, at == start) {
                at = skip_separator(bytes, end);
                first = false;
                if !matches!(bytes.get(at), Some(b'{' | b'[')) {
                    break;
                }
            }
            first = false;
        }
        let eol = line_end(bytes, at);
        if mode == Mode::Prose {
            reader.inline_code(at, eol);
        }
        at = eol + 1;
    }
}

/// Position after a value, its closing quote and a comma.
fn skip_separator(bytes: &[u8], at: usize) -> usize {
    let mut at = skip_blanks(bytes, at);
    if matches!(bytes.get(at), Some(b'"' | b'\'')) {
        at = skip_blanks(bytes, at + 1);
    }
    if bytes.get(at) == Some(&b',') { skip_blanks(bytes, at + 1) } else { at }
}

/// The message that is written without further quoting at `at`, which a shell would not understand
/// there: authors list event lines in blocks that are tagged as shell. Returns its end.
pub(super) fn bare<'a>(
    output: &mut Output<'a>,
    source: &Mapped<'a>,
    at: usize,
    context: &Context<'a, '_>,
) -> Option<usize> {
    let mut reader = Reader { output, source, mode: Mode::Text, context, level: LEVELS };
    reader.message(at, false, true).map(|end| {
        let quote = source.text.as_bytes()[at];
        let closed = source.text.as_bytes().get(end) == Some(&quote) && b"\"'".contains(&quote);
        end + usize::from(closed)
    })
}

struct Reader<'r, 'a, 'c> {
    output: &'r mut Output<'a>,
    source: &'r Mapped<'a>,
    mode: Mode,
    context: &'r Context<'a, 'c>,
    level: usize,
}

impl Reader<'_, '_, '_> {
    /// The first byte behind indentation, list marks and quotation marks.
    fn skip_marks(&self, at: usize, eol: usize) -> usize {
        let bytes = self.source.text.as_bytes();
        let mut at = skip_blanks(bytes, at);
        if matches!(self.mode, Mode::Json | Mode::Container) {
            return at;
        }
        for _ in 0..8 {
            let line = &bytes[at.min(eol)..eol];
            let digits = line.iter().take_while(|b| b.is_ascii_digit()).count();
            let mark = match line.first() {
                Some(b'>') => 1,
                Some(b'-' | b'*' | b'+') if line.get(1) == Some(&b' ') => 2,
                _ if (1..=9).contains(&digits)
                    && matches!(line.get(digits..), Some([b'.' | b')', b' ', ..])) =>
                {
                    digits + 2
                }
                _ => break,
            };
            at = skip_blanks(bytes, at + mark);
        }
        if self.mode == Mode::Text { self.skip_key(at, eol) } else { at }
    }

    /// The event line behind `key: `, as in YAML, if there is one.
    fn skip_key(&self, at: usize, eol: usize) -> usize {
        let text = &*self.source.text;
        let line = &text.as_bytes()[at.min(eol)..eol];
        let key =
            line.iter().take_while(|b| b.is_ascii_alphanumeric() || b"_-".contains(b)).count();
        if key == 0 || !line[key..].starts_with(b": ") {
            return at;
        }
        let value = skip_blanks(text.as_bytes(), at + key + 1);
        let quoted = usize::from(matches!(text.as_bytes().get(value), Some(b'"' | b'\'')));
        if event_head(text, value + quoted).is_some() { value } else { at }
    }

    /// The message at `at`, if one starts there; returns its end. `first` says that nothing stands
    /// before it in the text, `line` that nothing stands before it on the line.
    fn message(&mut self, at: usize, first: bool, line: bool) -> Option<usize> {
        let source = self.source;
        let text = &*source.text;
        let byte = *text.as_bytes().get(at)?;
        let quoted = usize::from(matches!(byte, b'"' | b'\''));
        if byte == b'"' && is_escaped(text, at) {
            let (inner, end) = unquote(source, at);
            let context = Context { expansions: &[], ..self.context.clone() };
            let mode = Mode::Container;
            Reader { output: self.output, source: &inner, mode, context: &context, level: LEVELS }
                .message(0, true, true);
            return Some(end);
        }
        let start = at + quoted;
        if line && let Some(head) = event_head(text, start) {
            return Some(self.event(start, head.data, head.object, quoted > 0));
        }
        let whole = first && self.mode == Mode::Container;
        if matches!(text.as_bytes().get(start), Some(b'{' | b'[')) {
            let strict = matches!(self.mode, Mode::Json | Mode::Container);
            let any = self.mode == Mode::Json && quoted == 0;
            if any || whole || starts_document(text, start) {
                let bounds = Bounds { blank_line: self.mode == Mode::Prose, line: false };
                let extent = extent(text, start, bounds);
                let begun = || starts_member(&text.as_bytes()[start..]);
                if any || extent.key || !whole || begun() {
                    let mut end = extent.end;
                    if extent.closed {
                        end = with_stray(text, start, end, strict && quoted == 0, quoted > 0);
                    }
                    self.add(start..end, SnippetForm::Document, start);
                    return Some(end);
                }
            }
        }
        if byte == b'/' && line && self.level < LEVELS && has_argument(text, at) {
            let blank_line = self.mode == Mode::Prose;
            return Some(shell::command(self.output, source, at, self.context, blank_line));
        }
        if self.mode == Mode::Json && line { self.value(at) } else { None }
    }

    /// An event line; returns its end.
    fn event(&mut self, start: usize, data: usize, object: bool, quoted: bool) -> usize {
        let text = &*self.source.text;
        let bytes = text.as_bytes();
        let end = if object {
            let bounds = Bounds { blank_line: true, line: true };
            let extent = extent(text, data, bounds);
            let strict = self.mode == Mode::Container && !quoted;
            match extent.closed {
                true => with_stray(text, start, extent.end, strict, true),
                false if quoted && ends_with_quote(bytes, extent.end) => extent.end - 1,
                false => extent.end,
            }
        } else {
            let end = trim_end(bytes, data, line_end(bytes, data));
            if quoted && ends_with_quote(bytes, end) { end - 1 } else { end }
        };
        self.add(start..end, SnippetForm::EventLine, data);
        end
    }

    /// Any other value of a block that holds JSON: up to the next one, or a blank line.
    fn value(&mut self, at: usize) -> Option<usize> {
        let text = &*self.source.text;
        let bytes = text.as_bytes();
        let comment = bytes[at] == b'#' || bytes[at..].starts_with(b"//");
        // Authors explain their JSON; an explanation is no broken value.
        if comment {
            return None;
        }
        let mut end = line_end(bytes, at);
        while end < bytes.len() {
            let next = skip_blanks(bytes, end + 1);
            if matches!(bytes.get(next), None | Some(b'\n' | b'{' | b'[' | b'#'))
                || bytes[next..].starts_with(b"//")
                || event_head(text, next).is_some()
            {
                break;
            }
            end = line_end(bytes, next);
        }
        let stop = trim_end(bytes, at, end);
        if stop > at {
            self.add(at..stop, SnippetForm::Document, at);
        }
        Some(end)
    }

    fn add(&mut self, range: Range<usize>, form: SnippetForm, data: usize) {
        self.output.add(self.source, range, form, data, self.context);
    }

    /// The messages in inline code of a piece of a line.
    fn inline_code(&mut self, from: usize, eol: usize) {
        let source = self.source;
        let bytes = source.text.as_bytes();
        let run = |at: usize| bytes[at..eol].iter().take_while(|b| **b == b'`').count();
        // Lengths of marks that have no partner on the rest of the line. Without it a line of marks
        // would be searched to its end from each of them.
        let mut alone = [false; 3];
        let mut at = from;
        while let Some(offset) = memchr::memchr(b'`', &bytes[at.min(eol)..eol]) {
            let open = at + offset;
            let marks = run(open);
            at = open + marks;
            let Some(lonely) = alone.get_mut(marks) else { continue };
            if *lonely {
                continue;
            }
            let mut close = at;
            let end = loop {
                let Some(offset) = memchr::memchr(b'`', &bytes[close..eol]) else { break None };
                close += offset;
                let length = run(close);
                if length == marks {
                    break Some(close);
                }
                close += length;
            };
            let Some(end) = end else {
                *lonely = true;
                continue;
            };
            if self.level < LEVELS && bytes[at..end].iter().any(|b| b"{:".contains(b)) {
                let code = source.slice(at..end);
                let place = match self.context.place {
                    Place::Line => Place::InlineCode,
                    other => other,
                };
                shell::read(self.output, &code, &Context::new(place), self.level + 1);
            }
            at = end + marks;
        }
    }
}

fn ends_with_quote(bytes: &[u8], end: usize) -> bool {
    matches!(bytes[..end].last(), Some(b'"' | b'\''))
}

/// Whether the quotes inside the double quotes at `at` are escaped, as in a shell string.
fn is_escaped(text: &str, at: usize) -> bool {
    let data = match event_head(text, at + 1) {
        Some(head) if head.object => head.data,
        Some(_) => return false,
        None => at + 1,
    };
    let bytes = text.as_bytes();
    let mut at = data;
    while matches!(bytes.get(at), Some(b'{' | b'[')) {
        at = skip_blanks(bytes, at + 1);
        // Messages are not nested that deep before their first key.
        if at > data + 8 {
            return false;
        }
    }
    at > data && bytes[at..].starts_with(b"\\\"")
}

/// The text between the double quotes that open at `at`, its escapes resolved, and where it ends.
/// Without a closing quote, it ends before a blank line or a line that starts an event.
fn unquote<'a>(source: &Mapped<'a>, at: usize) -> (Mapped<'a>, usize) {
    let text = &*source.text;
    let bytes = text.as_bytes();
    let mut inner = source.builder(at + 1);
    let (mut from, mut at) = (at + 1, at + 1);
    while let Some(offset) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[at..]) {
        at += offset;
        match bytes[at] {
            b'"' => {
                inner.push(source, from..at);
                return (inner.finish(), at + 1);
            }
            b'\\' => {
                if matches!(bytes.get(at + 1), Some(b'"' | b'\\' | b'$' | b'`')) {
                    inner.push(source, from..at);
                    from = at + 1;
                    at += 1;
                }
                at += 1;
            }
            _ => {
                let next = skip_blanks(bytes, at + 1);
                let quote = usize::from(bytes.get(next) == Some(&b'"'));
                if matches!(bytes.get(next), None | Some(b'\n'))
                    || event_head(text, next + quote).is_some()
                {
                    // A forgotten quote costs one message, not the rest of the file.
                    inner.push(source, from..at);
                    return (inner.finish(), at);
                }
                at += 1;
            }
        }
    }
    inner.push(source, from..bytes.len());
    (inner.finish(), bytes.len())
}

/// Whether the line at `at` is a slash command with an argument that may be a message: something in
/// quotes or brackets, here or on the next line.
fn has_argument(text: &str, at: usize) -> bool {
    let line = &text.as_bytes()[at..line_end(text.as_bytes(), at)];
    let name = line.iter().take_while(|b| !b.is_ascii_whitespace()).count();
    if component(&text[at..at + name]).is_none() {
        return false;
    }
    let line = line.trim_ascii_end();
    let opens =
        line.windows(2).any(|two| two[0].is_ascii_whitespace() && b"'\"{[".contains(&two[1]));
    match line.last() {
        Some(b'\\') => true,
        Some(b'\'' | b'"') => opens,
        _ => opens && line.iter().any(|b| b"{[:".contains(b)),
    }
}
