//! The scripts in YAML: what `run:` holds in the steps of a workflow.
//!
//! Only what is needed to tell values apart is read: the indentation of keys, block scalars, quoted
//! and plain scalars with their lines folded. A step that names another `shell:` than one of the
//! POSIX kind runs a program in another language.

use super::lines::{self, Context, Mode};
use super::mapped::{Builder, Mapped};
use super::shape::{line_end, skip_blanks};
use super::shell::{self, command::is_shell};
use super::{Output, Place};
use std::ops::Range;

/// Mappings deeper than this hold no steps.
const DEEPEST: usize = 64;

/// Reads the scripts of a text in YAML; with `lines`, also the messages on its other lines.
pub(super) fn read<'a>(
    output: &mut Output<'a>,
    source: &Mapped<'a>,
    context: &Context<'a, '_>,
    level: usize,
    other: bool,
) {
    let mut finder =
        Finder { source, bytes: source.text.as_bytes(), maps: Vec::new(), found: Vec::new() };
    finder.read();
    let mut from = 0;
    for script in finder.found.into_iter().filter(|script| script.runs) {
        if other {
            let before = source.slice(from..script.range.start);
            lines::read(output, &before, Mode::Text, context, level);
        }
        from = script.range.end;
        let mut context = context.clone();
        if !matches!(context.place, Place::Fence { .. }) {
            context.place = Place::Line;
        }
        shell::read(output, &script.text, &context, level + 1);
    }
    if other {
        let rest = source.slice(from..source.text.len());
        lines::read(output, &rest, Mode::Text, context, level);
    }
}

/// The value of a `run:` key.
struct Script<'a> {
    range: Range<usize>,
    text: Mapped<'a>,
    /// Whether a shell reads it.
    runs: bool,
}

/// A mapping whose keys are read.
struct Map {
    indent: usize,
    /// Which of the scripts is its `run:`.
    script: Option<usize>,
    /// Whether its `shell:` is one.
    shell: bool,
}

struct Finder<'s, 'a> {
    source: &'s Mapped<'a>,
    bytes: &'s [u8],
    maps: Vec<Map>,
    found: Vec<Script<'a>>,
}

/// How a scalar is spelled.
enum Style {
    /// `|` and `>`, with the columns that its indentation indicator states.
    Block {
        folded: bool,
        indent: Option<usize>,
    },
    Double,
    Single,
    Plain,
}

impl<'a> Finder<'_, 'a> {
    fn read(&mut self) {
        let mut at = 0;
        while at < self.bytes.len() {
            let eol = line_end(self.bytes, at);
            at = self.line(at, eol).unwrap_or(eol + 1).max(at + 1);
        }
    }

    /// Reads a line with a key; returns where its value ends, if that is not the end of the line.
    fn line(&mut self, start: usize, eol: usize) -> Option<usize> {
        let line = &self.bytes[..eol];
        let mut at = start + line[start..].iter().take_while(|b| **b == b' ').count();
        if line[at..].starts_with(b"#") || line[at..].trim_ascii().is_empty() {
            return None;
        }
        if line[at..].starts_with(b"---") && at == start {
            self.maps.clear();
            return None;
        }
        // Each dash opens an item, and with it a mapping of its own.
        while line[at..].starts_with(b"- ") {
            let indent = at - start;
            self.maps.retain(|map| map.indent <= indent);
            let inner = skip_blanks(line, at + 1);
            self.maps.retain(|map| map.indent < inner - start);
            at = inner;
        }
        let indent = at - start;
        while self.maps.last().is_some_and(|map| map.indent > indent) {
            self.maps.pop();
        }
        let Some((key, after)) = key(line, at) else {
            // A block scalar in a list holds no keys, whatever its lines look like.
            let style = style(line, properties(line, at))?;
            let scalar = matches!(style, Style::Block { .. }) && indent > 1;
            return scalar.then(|| self.scalar(at, eol, indent - 2, &style).0.end);
        };
        if self.maps.last().is_none_or(|map| map.indent < indent) && self.maps.len() < DEEPEST {
            self.maps.push(Map { indent, script: None, shell: true });
        }
        let value = properties(line, after);
        let style = style(line, value);
        let scalar = match style {
            Some(Style::Block { .. }) => true,
            _ => key == b"run" || key == b"shell",
        };
        if !scalar {
            return None;
        }
        let style = style?;
        let (range, text) = self.scalar(value, eol, indent, &style);
        let end = range.end;
        let count = self.found.len();
        let map = self.maps.last_mut()?;
        match key {
            b"run" if map.script.is_none() => {
                map.script = Some(count);
                self.found.push(Script { range, text, runs: map.shell });
            }
            b"shell" => {
                let command = text.text.split_ascii_whitespace().next().unwrap_or_default();
                map.shell = is_shell(command) || command.starts_with("${{");
                if let Some(script) = map.script.and_then(|index| self.found.get_mut(index)) {
                    script.runs = map.shell;
                }
            }
            _ => {}
        }
        Some(end)
    }

    /// A scalar that starts on a line which ends at `eol`, in a mapping indented by `indent`.
    fn scalar(
        &self,
        at: usize,
        eol: usize,
        indent: usize,
        style: &Style,
    ) -> (Range<usize>, Mapped<'a>) {
        match style {
            Style::Block { folded, indent: stated } => {
                self.block(eol, indent, stated.map(|columns| indent + columns), *folded)
            }
            Style::Double | Style::Single => self.quoted(at),
            Style::Plain => self.plain(at, eol, indent),
        }
    }

    fn block(
        &self,
        eol: usize,
        parent: usize,
        stated: Option<usize>,
        folded: bool,
    ) -> (Range<usize>, Mapped<'a>) {
        let start = (eol + 1).min(self.bytes.len());
        let mut text = self.source.builder(start);
        let (mut at, mut end, mut indent) = (start, start, stated);
        // The line break before a line, kept until it is known what it becomes.
        let mut broken: Option<usize> = None;
        let mut deeper = false;
        while at < self.bytes.len() {
            let eol = line_end(self.bytes, at);
            let next = (eol + 1).min(self.bytes.len());
            let blanks = self.bytes[at..eol].iter().take_while(|b| **b == b' ').count();
            let blank = self.bytes[at + blanks..eol].trim_ascii().is_empty();
            if !blank {
                if blanks <= parent || indent.is_some_and(|indent| blanks < indent) {
                    break;
                }
                let indent = *indent.get_or_insert(blanks);
                let from = at + indent;
                let further = matches!(self.bytes.get(from), Some(b' ' | b'\t'));
                if let Some(line_break) = broken.take() {
                    // Lines of the same indentation are folded into one.
                    if folded && !further && !deeper {
                        text.push_char(self.source, line_break..line_break + 1, ' ');
                    } else {
                        text.push(self.source, line_break..line_break + 1);
                    }
                }
                deeper = further;
                text.push(self.source, from..eol);
                broken = (next > eol).then_some(eol);
                end = next;
            } else if let Some(line_break) = broken.replace(eol).filter(|_| next > eol) {
                // Of several line breaks the first is folded away.
                if !folded || deeper {
                    text.push(self.source, line_break..line_break + 1);
                } else {
                    deeper = true;
                }
            }
            at = next;
        }
        if let Some(line_break) = broken.filter(|at| *at < self.bytes.len()) {
            text.push(self.source, line_break..line_break + 1);
        }
        (start..end.max(start), text.finish())
    }

    /// A scalar in quotes, its escapes resolved and its lines folded.
    fn quoted(&self, open: usize) -> (Range<usize>, Mapped<'a>) {
        let (source, bytes) = (self.source, self.bytes);
        let quote = bytes[open];
        let mut text = source.builder(open + 1);
        let (mut from, mut at) = (open + 1, open + 1);
        while let Some(offset) = memchr::memchr3(quote, b'\\', b'\n', &bytes[at..]) {
            at += offset;
            match bytes[at] {
                b'\n' => {
                    let before = bytes[from..at].trim_ascii_end().len();
                    text.push(source, from..from + before);
                    at = fold(source, &mut text, at);
                    from = at;
                }
                b'\\' if quote == b'"' => {
                    text.push(source, from..at);
                    at += escape(source, &mut text, at);
                    from = at;
                }
                b'\\' => at += 1,
                _ if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => {
                    text.push(source, from..at + 1);
                    (from, at) = (at + 2, at + 2);
                }
                _ => {
                    text.push(source, from..at);
                    return (open..at + 1, text.finish());
                }
            }
        }
        text.push(source, from..bytes.len());
        (open..bytes.len(), text.finish())
    }

    /// A scalar without quotes, up to a comment, and over the lines that are indented further.
    fn plain(&self, start: usize, eol: usize, parent: usize) -> (Range<usize>, Mapped<'a>) {
        let (source, bytes) = (self.source, self.bytes);
        let mut text = source.builder(start);
        let content = |from: usize, eol: usize| {
            let line = &bytes[from..eol];
            let comment = memchr::memmem::find_iter(line, b"#")
                .find(|at| *at == 0 || matches!(line[at - 1], b' ' | b'\t'));
            (from + line[..comment.unwrap_or(line.len())].trim_ascii_end().len(), comment.is_some())
        };
        let (mut end, mut commented) = content(start, eol);
        text.push(source, start..end);
        let mut eol = eol;
        while !commented && eol < bytes.len() {
            let at = eol + 1;
            let next_eol = line_end(bytes, at);
            let blanks = bytes[at..next_eol].iter().take_while(|b| **b == b' ').count();
            let first = skip_blanks(bytes, at);
            if blanks <= parent || first >= next_eol || bytes[first] == b'#' {
                break;
            }
            text.push_char(source, eol..at, ' ');
            (end, commented) = content(first, next_eol);
            text.push(source, first..end);
            eol = next_eol;
        }
        (start..end, text.finish())
    }
}

/// Where the key at `at` stands, and what follows its colon.
fn key(line: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = &line[at..];
    let (name, length) = if let quote @ (b'"' | b'\'') = rest.first()? {
        let end = 1 + memchr::memchr(*quote, &rest[1..])?;
        (&rest[1..end], end + 1)
    } else {
        let end = memchr::memchr_iter(b':', rest)
            .find(|at| matches!(rest.get(at + 1), None | Some(b' ' | b'\t' | b'\r')))?;
        (rest[..end].trim_ascii_end(), end)
    };
    let colon = skip_blanks(line, at + length);
    (line.get(colon) == Some(&b':')).then(|| (name, skip_blanks(line, colon + 1)))
}

/// Position behind a tag and an anchor.
fn properties(line: &[u8], mut at: usize) -> usize {
    while matches!(line.get(at), Some(b'!' | b'&')) {
        at += line[at..].iter().take_while(|b| !b.is_ascii_whitespace()).count();
        at = skip_blanks(line, at);
    }
    at
}

/// How the scalar at `at` is spelled; none if something else is there.
fn style(line: &[u8], at: usize) -> Option<Style> {
    Some(match line.get(at)? {
        mark @ (b'|' | b'>') => {
            let header = line[at + 1..].trim_ascii_end();
            let length = header.iter().take_while(|b| b"+-123456789".contains(b)).count();
            let after = &header[length..];
            if !(after.is_empty() || after.starts_with(b" ") || after.starts_with(b"\t")) {
                return None;
            }
            let digit = header[..length].iter().find(|b| b.is_ascii_digit());
            let indent = digit.map(|digit| usize::from(digit - b'0'));
            Style::Block { folded: *mark == b'>', indent }
        }
        b'"' => Style::Double,
        b'\'' => Style::Single,
        b'{' | b'[' | b'#' | b'*' | b'\r' => return None,
        _ => Style::Plain,
    })
}

/// A line break in a quoted scalar: a blank, or the line breaks that follow it. Returns where the
/// text goes on.
fn fold<'a>(source: &Mapped<'a>, text: &mut Builder<'a>, line_break: usize) -> usize {
    let bytes = source.text.as_bytes();
    let (mut at, mut more) = (skip_blanks(bytes, line_break + 1), false);
    while bytes.get(at) == Some(&b'\n') {
        text.push(source, at..at + 1);
        (at, more) = (skip_blanks(bytes, at + 1), true);
    }
    if !more {
        text.push_char(source, line_break..line_break + 1, ' ');
    }
    at
}

/// The escape at `at` in double quotes; returns its length.
fn escape<'a>(source: &Mapped<'a>, text: &mut Builder<'a>, at: usize) -> usize {
    let bytes = source.text.as_bytes();
    let digits = match bytes.get(at + 1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        _ => 0,
    };
    if digits > 0 {
        let spelled = source.text.get(at + 2..at + 2 + digits);
        let code = spelled.and_then(|spelled| u32::from_str_radix(spelled, 16).ok());
        if let Some(character) = code.and_then(char::from_u32) {
            text.push_char(source, at..at + 2 + digits, character);
            return 2 + digits;
        }
    }
    let character = match bytes.get(at + 1) {
        Some(b'0') => '\0',
        Some(b'a') => '\u{7}',
        Some(b'b') => '\u{8}',
        Some(b't' | b'\t') => '\t',
        Some(b'n') => '\n',
        Some(b'v') => '\u{b}',
        Some(b'f') => '\u{c}',
        Some(b'r') => '\r',
        Some(b'e') => '\u{1b}',
        Some(b'N') => '\u{85}',
        Some(b'_') => '\u{a0}',
        Some(b'L') => '\u{2028}',
        Some(b'P') => '\u{2029}',
        // A line break that is escaped is none.
        Some(b'\n') => return skip_blanks(bytes, at + 2) - at,
        Some(b'\r') if bytes.get(at + 2) == Some(&b'\n') => {
            return skip_blanks(bytes, at + 3) - at;
        }
        Some(&same) if same.is_ascii() => {
            text.push(source, at + 1..at + 2);
            return 2;
        }
        _ => return 1,
    };
    text.push_char(source, at..at + 2, character);
    2
}
