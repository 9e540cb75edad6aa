//! Messages that start a line.

use super::evidence::{Evidence, evidence};
use super::log;
use super::mapped::Mapped;
use super::shape::{
    Bounds, Closers, array_of_objects, component, event_head, extent, is_undecided, line_end,
    skip_blanks, starts_object, trim_end, with_stray,
};
use super::{Command, LEVELS, Meant, Output, Place, SnippetForm, shell};
use crate::json::skip_space;
use std::ops::Range;

/// What may stand on the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Prose; a blank line ends everything, and code may stand between backquotes.
    Prose,
    /// A block of lines of any kind.
    Text,
    /// Nothing but JSON values and event lines, in a block.
    Json,
    /// The same, as a file of its own.
    File,
    /// One argument or here-document, which may be a message as a whole.
    Container,
    /// What a program logged: a message may stand behind a time, a level and the like.
    Log,
}

/// How many objects that are not closed and not ours may overlap before what they cover is left alone.
/// Without a bound a file of nothing but opening braces would be read to its end from each of them.
const MOST_UNCLOSED: usize = 8;

/// The objects of a file that are not ours and are not closed, so that what they cover is read again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unclosed {
    count: usize,
    /// Where in the file the furthest of them ends.
    reach: usize,
}

impl Unclosed {
    fn holds(self, at: usize) -> bool {
        at < self.reach
    }

    fn may_add(self, at: usize) -> bool {
        !self.holds(at) || self.count < MOST_UNCLOSED
    }

    fn add(&mut self, at: usize, end: usize) {
        self.count = if self.holds(at) { self.count + 1 } else { 1 };
        self.reach = self.reach.max(end);
    }
}

/// What is known of the text around a message.
#[derive(Clone, Debug)]
pub(super) struct Context<'a, 'c> {
    pub(super) place: Place<'a>,
    pub(super) command: Option<Command<'a>>,
    /// Whether the text is a word of a command line, which may name the workflow elsewhere.
    pub(super) argument: bool,
    /// Where the shell put in the value of something, in order.
    pub(super) expansions: &'c [usize],
    /// Whether the text is a format of `printf`.
    pub(super) printf: bool,
}

impl<'a> Context<'a, '_> {
    pub(super) fn new(place: Place<'a>) -> Self {
        Context { place, command: None, argument: false, expansions: &[], printf: false }
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
    let mut reader = Reader::new(output, source, mode, context, level);
    let mut at = if source.text.starts_with('\u{feff}') { 3 } else { 0 };
    while at < bytes.len() {
        let eol = line_end(bytes, at);
        let start = reader.skip_marks(at, eol);
        let before = reader.output.found.len();
        if mode == Mode::Log {
            // The elements of an array stand on lines that begin with one.
            reader.array &= matches!(bytes.get(start), Some(b'{' | b','));
            if !reader.array {
                reader.output.line = at;
            }
        }
        at = start;
        if start < eol {
            while let Some(end) = reader.message(at, at == start) {
                at = skip_separator(bytes, end);
                if !matches!(bytes.get(at), Some(b'{' | b'[')) {
                    break;
                }
            }
        }
        if mode == Mode::Log && before == reader.output.found.len() {
            let line = bytes[start.min(eol)..eol].trim_ascii();
            reader.output.passed_over.lines += usize::from(!line.is_empty());
        }
        let eol = line_end(bytes, at);
        if mode == Mode::Log && may_open(bytes, at, eol) {
            reader.output.may_go_on();
        }
        if mode == Mode::Prose {
            reader.inline_code(at, eol);
        }
        at = eol + 1;
    }
    if mode == Mode::Log && reader.array {
        reader.output.may_go_on();
    }
}

/// Whether only more text can tell what the last bracket of the line opens.
fn may_open(bytes: &[u8], at: usize, eol: usize) -> bool {
    let Some(line) = bytes.get(at..eol) else { return false };
    let last = line.iter().rposition(|byte| b"{[".contains(byte));
    last.is_some_and(|bracket| is_undecided(bytes, at + bracket))
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
    let bytes = source.text.as_bytes();
    let mut reader = Reader::new(output, source, Mode::Text, context, LEVELS);
    let mut end = reader.message(at, true)?;
    // The elements of an array, which may stand on lines of their own.
    while reader.array && matches!(bytes.get(end), Some(b'{')) {
        end = reader.message(end, false)?;
        let mut next = skip_space(bytes, end);
        if bytes.get(next) == Some(&b',') {
            next = skip_space(bytes, next + 1);
        }
        if matches!(bytes.get(next), Some(b'{')) {
            (end, reader.array) = (next, true);
        } else if bytes.get(next) == Some(&b']') {
            end = next + 1;
        }
    }
    let quote = bytes[at];
    let closed = bytes.get(end) == Some(&quote) && b"\"'".contains(&quote);
    Some(end + usize::from(closed))
}

struct Reader<'r, 'a, 'c> {
    output: &'r mut Output<'a>,
    source: &'r Mapped<'a>,
    mode: Mode,
    context: &'r Context<'a, 'c>,
    level: usize,
    /// Whether the elements of an array are read.
    array: bool,
}

impl<'r, 'a, 'c> Reader<'r, 'a, 'c> {
    fn new(
        output: &'r mut Output<'a>,
        source: &'r Mapped<'a>,
        mode: Mode,
        context: &'r Context<'a, 'c>,
        level: usize,
    ) -> Self {
        Reader { output, source, mode, context, level, array: false }
    }

    /// The first byte behind indentation, list marks and quotation marks; in a log behind the prefix of
    /// the line, if a message follows.
    fn skip_marks(&self, at: usize, eol: usize) -> usize {
        let bytes = self.source.text.as_bytes();
        let mut at = skip_blanks(bytes, at);
        match self.mode {
            Mode::Json | Mode::File | Mode::Container => return at,
            Mode::Log => return log::line(&self.source.text, at, eol).message.unwrap_or(at),
            Mode::Prose | Mode::Text => {}
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

    /// What starts at `at`; returns its end if it is to be passed over, be it a message or not. `line`
    /// says that nothing stands before it on the line.
    fn message(&mut self, at: usize, line: bool) -> Option<usize> {
        let source = self.source;
        let text = &*source.text;
        let byte = *text.as_bytes().get(at)?;
        let quoted = usize::from(matches!(byte, b'"' | b'\''));
        if byte == b'"' && is_escaped(text, at) {
            let (inner, end) = unquote(source, at);
            if skip_blanks(text.as_bytes(), end + 1) >= text.len() {
                self.output.may_go_on();
            }
            let context = Context { expansions: &[], ..self.context.clone() };
            read(self.output, &inner, Mode::Container, &context, LEVELS);
            return Some(end);
        }
        let start = at + quoted;
        if line && let Some(head) = event_head(text, start) {
            return Some(self.event(start, head.data, head.object, quoted > 0));
        }
        if let Some(first) = array_of_objects(text, start) {
            self.array = true;
            return Some(first);
        }
        if starts_object(text, start) && self.output.unclosed.may_add(source.origin(start)) {
            return Some(self.object(start, quoted > 0));
        }
        if byte == b'/' && line && self.level < LEVELS && has_argument(text, at) {
            let blank_line = self.mode == Mode::Prose;
            let end = shell::command(self.output, source, at, self.context, blank_line);
            if skip_blanks(text.as_bytes(), end + 1) >= text.len() {
                self.output.may_go_on();
            }
            return Some(end);
        }
        None
    }

    /// An object; returns its end, or how much of it is passed over.
    fn object(&mut self, start: usize, quoted: bool) -> usize {
        let text = &*self.source.text;
        let log = self.mode == Mode::Log;
        let bounds = Bounds { blank_line: self.mode == Mode::Prose || log, line: log, log };
        let extent = extent(text, start, bounds);
        if extent.cut {
            self.output.may_go_on();
        }
        let object = &text.as_bytes()[start..extent.end];
        let words = self.context.command.as_ref().map(|command| &*command.words);
        let meant = match evidence(object, words) {
            Some(Evidence::Message) => Meant::Message,
            Some(Evidence::EventType { upper }) if self.context.argument => {
                let before = words.unwrap_or_default().iter().filter(|word| !word.starts_with('-'));
                // `/hub WORKFLOW publish-event '{...}'`: which of the words it is does not matter.
                if before.count() > 1 { Meant::Event } else { Meant::EventIf { upper } }
            }
            Some(Evidence::Fields(kind)) => Meant::Body(kind),
            _ => return self.foreign(start, extent.end, extent.closed),
        };
        let mut end = extent.end;
        if extent.closed && !self.leaves_array(end) {
            let strict = matches!(self.mode, Mode::Json | Mode::File | Mode::Container) && !quoted;
            let closers = match self.mode {
                _ if quoted || log => Closers::None,
                Mode::File => Closers::All,
                _ => Closers::Indented,
            };
            end = with_stray(text, start, end, strict, closers);
        }
        self.output.add(self.source, start..end, SnippetForm::Document, start, self.context);
        if let Some(found) = self.output.found.last_mut() {
            found.meant = meant;
        }
        end
    }

    /// An object that is not ours: what is in it is part of it, unless its end is not known.
    fn foreign(&mut self, start: usize, end: usize, closed: bool) -> usize {
        let (from, reach) = (self.source.origin(start), self.source.origin(end));
        // Of a log the lines are counted.
        if !self.output.unclosed.holds(from) && self.mode != Mode::Log {
            self.output.passed_over.objects += 1;
        }
        if closed {
            return end;
        }
        self.output.unclosed.add(from, reach);
        end.min(line_end(self.source.text.as_bytes(), start))
    }

    /// Whether an element of an array ends at `end`, so that brackets behind it are not its own.
    fn leaves_array(&mut self, end: usize) -> bool {
        let bytes = self.source.text.as_bytes();
        let was = self.array;
        let next = skip_space(bytes, end);
        if was && next == bytes.len() {
            self.output.may_go_on();
        }
        self.array &= matches!(bytes.get(next), Some(b',' | b'{'));
        was
    }

    /// An event line; returns its end.
    fn event(&mut self, start: usize, data: usize, object: bool, quoted: bool) -> usize {
        let text = &*self.source.text;
        let bytes = text.as_bytes();
        let end = if object {
            let log = self.mode == Mode::Log;
            let bounds = Bounds { blank_line: true, line: true, log };
            let extent = extent(text, data, bounds);
            if extent.cut {
                self.output.may_go_on();
            }
            let strict = self.mode == Mode::Container && !quoted;
            match extent.closed {
                true => with_stray(text, start, extent.end, strict, Closers::None),
                false if quoted && ends_with_quote(bytes, extent.end) => extent.end - 1,
                false => extent.end,
            }
        } else {
            let eol = line_end(bytes, data);
            let closes = || memchr::memchr(bytes[start - 1], &bytes[data..eol]);
            match quoted.then(closes).flatten() {
                Some(length) => data + length,
                None => trim_end(bytes, data, eol).max(start),
            }
        };
        self.output.add(self.source, start..end, SnippetForm::EventLine, data, self.context);
        end
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
