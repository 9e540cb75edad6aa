//! Words: their quoting resolved, and the messages in them.

use super::super::LEVELS;
use super::super::Place;
use super::super::lines::{self, Context, Mode};
use super::super::mapped::{Builder, Mapped};
use super::super::shape::event_head;
use super::command::{interprets, is_reserved, reads_programs, runs_scripts};
use super::heredoc::HereDoc;
use super::{Case, Nest, Next, Shell};
use memchr::memchr2;
use std::borrow::Cow;
use std::ops::Range;

/// How many words of a command are kept, and how long they may be.
const WORDS: usize = 8;
const WORD: usize = 128;
/// How far into a word the quoted part may start: `--data='...'`.
const PREFIX: usize = 64;

/// A word that is being read.
pub(super) struct Word<'a> {
    builder: Builder<'a>,
    pub(super) start: usize,
    /// The first quote, and where in the text it opens.
    quote: Option<(u8, usize)>,
    /// Whether anything is quoted, be it by a backslash.
    pub(super) quoted: bool,
    /// Where in the text something is put in.
    pub(super) expansions: Vec<usize>,
    /// How many snippets were found before the word.
    pub(super) mark: usize,
}

impl Word<'_> {
    /// Whether it is nothing but unquoted digits, as before `>`.
    pub(super) fn is_number(&self) -> bool {
        let text = self.builder.text();
        !self.quoted && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
    }
}

impl<'a> Shell<'_, '_, 'a> {
    pub(super) fn word(&mut self) -> Option<&mut Word<'a>> {
        self.frames.last_mut()?.word.as_mut()
    }

    pub(super) fn ensure_word(&mut self) {
        let (at, mark) = (self.at, self.output.found.len());
        if let Some(frame) = self.frames.last_mut()
            && frame.word.is_none()
        {
            frame.word = Some(Word {
                builder: self.source.builder(at),
                start: at,
                quote: None,
                quoted: false,
                expansions: Vec::new(),
                mark,
            });
        }
    }

    /// Appends a piece of the script to the word.
    pub(super) fn take(&mut self, range: Range<usize>) {
        self.ensure_word();
        let source = self.source;
        if let Some(word) = self.word() {
            word.builder.push(source, range);
        }
    }

    /// Appends everything up to the next byte that means something.
    pub(super) fn take_run(&mut self, special: &[u8]) {
        let rest = &self.bytes[self.at + 1..];
        let length = rest.iter().position(|b| special.contains(b)).unwrap_or(rest.len());
        let end = self.at + 1 + length;
        self.take(self.at..end);
        self.at = end;
    }

    /// Appends the spelling of something that the shell replaces.
    pub(super) fn expansion(&mut self, range: Range<usize>) {
        self.ensure_word();
        if let Some(word) = self.word() {
            word.expansions.push(word.builder.len());
        }
        self.take(range);
    }

    pub(super) fn open_quote(&mut self, quote: u8) {
        self.ensure_word();
        if let Some(word) = self.word() {
            word.quoted = true;
            word.quote.get_or_insert((quote, word.builder.len()));
        }
    }

    /// `$'...'`, whose escapes are those of C.
    pub(super) fn ansi_quotes(&mut self) {
        let Some(close) = ansi_close(self.bytes, self.at + 2) else {
            // Nothing closes it: read as a dollar sign, and as a quote that is not closed.
            self.take(self.at..self.at + 1);
            self.at += 1;
            return;
        };
        self.open_quote(b'\'');
        let source = self.source;
        let mut at = self.at + 2;
        self.at = close + 1;
        let bytes = &self.bytes[..close];
        while let Some(offset) = memchr::memchr(b'\\', &bytes[at..]) {
            self.take(at..at + offset);
            at += offset;
            let (character, length) = c_escape(&bytes[at..]);
            match character {
                Some(character) => {
                    if let Some(word) = self.word() {
                        word.builder.push_char(source, at..at + length, character);
                    }
                }
                None => self.take(at..at + length),
            }
            at += length;
        }
        self.take(at..close);
    }

    /// Ends the word: it is a delimiter, a name, or an argument that may hold messages.
    #[allow(clippy::similar_names, reason = "a word and its nesting")]
    pub(super) fn finish_word(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        let Some(word) = frame.word.take() else { return };
        frame.quote = None;
        let next = std::mem::replace(&mut frame.next, Next::Word);
        let name = frame.simple.name.clone();
        let nest = frame.nest.last().copied();
        match next {
            Next::Target => {}
            Next::Delimiter { tabs } => {
                let spelled = self.source.source(word.start..self.at);
                frame.pending.push(HereDoc {
                    spelled,
                    delimiter: word.builder.finish().text.into_owned(),
                    tabs,
                    expands: !word.quoted,
                    program: name.is_some_and(|name| interprets(&name)),
                });
            }
            Next::HereString => {
                if !name.is_some_and(|name| interprets(&name)) {
                    self.content(word, false);
                }
            }
            Next::Word => {
                let word = match nest {
                    Some(nest) => self.nested_word(word, nest),
                    None => Some(word),
                };
                match (word, name) {
                    (Some(word), None) => self.first_word(word),
                    (Some(word), Some(name)) => self.argument(word, &name),
                    (None, _) => {}
                }
            }
        }
    }

    /// A word of a `case` command before its first pattern ends, or of an array. They name no command.
    #[allow(clippy::similar_names, reason = "a word and its nesting")]
    fn nested_word(&mut self, word: Word<'a>, nest: Nest) -> Option<Word<'a>> {
        let bare = |name: &str| !word.quoted && word.builder.text() == name;
        let next = match nest {
            Nest::Array => {
                self.content(word, false);
                return None;
            }
            Nest::Case(Case::Subject) => {
                self.content(word, false);
                Case::In
            }
            Nest::Case(Case::In) if bare("in") => Case::Pattern,
            Nest::Case(Case::Pattern) if bare("esac") => {
                self.pop_nest();
                return None;
            }
            Nest::Case(Case::In | Case::Pattern) => return None,
            _ => return Some(word),
        };
        if let Some(case) = self.case() {
            *case = next;
        }
        None
    }

    /// A word where a command is expected.
    fn first_word(&mut self, word: Word<'a>) {
        let bare = !word.quoted;
        let text = self.content(word, false).text;
        match &*text {
            "case" if bare => self.push_nest(Nest::Case(Case::Subject)),
            "esac" if bare && self.case().is_some() => self.pop_nest(),
            word if bare && is_reserved(word) || is_assignment(word) => {}
            _ => {
                if let Some(simple) = self.simple() {
                    simple.name = Some(short(text));
                }
            }
        }
    }

    fn argument(&mut self, word: Word<'a>, name: &str) {
        let Some(simple) = self.simple() else { return };
        simple.json_in = simple.json_in.saturating_sub(1);
        let counted = simple.json_in == 1;
        let format = name == "printf" && simple.words.is_empty();
        let text = if reads_programs(name) && !counted {
            word.builder.finish().text
        } else {
            self.part(word, format, name)
        };
        let Some(simple) = self.simple() else { return };
        if text == "--argjson" {
            simple.json_in = 3;
        }
        if simple.words.len() < WORDS && text.len() <= WORD && !text.contains('\n') {
            simple.words.push(text);
        }
    }

    /// Looks for messages in a word and returns its text.
    pub(super) fn content(&mut self, word: Word<'a>, printf: bool) -> Mapped<'a> {
        let whole = word.builder.finish();
        if memchr2(b'{', b':', whole.text.as_bytes()).is_none() {
            return whole;
        }
        let starts = whole.text.starts_with(['{', '[']) || event_head(&whole.text, 0).is_some();
        // `name=` and `--option=` stand before their value, whatever of it is quoted.
        let value = memchr::memchr(b'=', &whole.text.as_bytes()[..whole.text.len().min(PREFIX)]);
        let value = value.map(|at| at + 1).filter(|at| event_head(&whole.text, *at).is_some());
        let from = match (value, word.quote) {
            _ if starts => 0,
            (Some(at), _) => at,
            (None, Some((_, at))) if at <= PREFIX => at,
            _ => 0,
        };
        let place = match self.place {
            Place::InlineCode => Place::InlineCode,
            _ => Place::Argument { quote: word.quote.map(|(quote, _)| char::from(quote)) },
        };
        let command = self.frames.last().and_then(|frame| frame.simple.command());
        let expansions: Vec<usize> =
            word.expansions.iter().filter_map(|at| at.checked_sub(from)).collect();
        let context = Context { place, command, argument: true, expansions: &expansions, printf };
        let inner = self.output.found.split_off(word.mark);
        let level = self.level + 1;
        let name = self.frames.last().and_then(|frame| frame.simple.name.as_deref());
        if !starts && level < LEVELS && name.is_some_and(runs_scripts) {
            super::read(self.output, &whole, &context, level);
        } else if from == 0 {
            lines::read(self.output, &whole, Mode::Container, &context, level);
        } else {
            let part = whole.slice(from..whole.text.len());
            lines::read(self.output, &part, Mode::Container, &context, level);
        }
        self.output.merge(word.mark, inner);
        self.doubt(word.mark);
        whole
    }
}

/// A name that is kept; longer ones name no command.
fn short(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= WORD { text } else { Cow::Borrowed("") }
}

/// `name=`, `name+=` and `name[key]=`.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        let name = name.split_once('[').map_or(name, |(name, _)| name);
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// The quote that ends the escapes of C that start at `at`.
fn ansi_close(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'\'', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'\'' {
            return Some(at);
        }
        at += 2;
    }
}

/// The escape at the start of `bytes`: its character, if it is another than the one behind the
/// backslash, and its length.
fn c_escape(bytes: &[u8]) -> (Option<char>, usize) {
    let coded = |code: u32, from: usize, end: usize| match char::from_u32(code) {
        Some(character) if end > from => (Some(character), end),
        _ => (None, 2.max(end).min(bytes.len())),
    };
    let (code, from, end) = match bytes.get(1) {
        Some(b'n') => return (Some('\n'), 2),
        Some(b't') => return (Some('\t'), 2),
        Some(b'r') => return (Some('\r'), 2),
        Some(&same @ (b'\'' | b'"' | b'\\' | b'?')) => return (Some(char::from(same)), 2),
        Some(b'a') => return (Some('\u{7}'), 2),
        Some(b'b') => return (Some('\u{8}'), 2),
        Some(b'e' | b'E') => return (Some('\u{1b}'), 2),
        Some(b'f') => return (Some('\u{c}'), 2),
        Some(b'v') => return (Some('\u{b}'), 2),
        Some(b'c') => {
            let Some(&byte) = bytes.get(2) else { return (None, 2) };
            return (Some(char::from(byte & 0x1F)), if byte.is_ascii() { 3 } else { 2 });
        }
        Some(b'u') => numbered(bytes, 2, 4, 16),
        Some(b'U') => numbered(bytes, 2, 8, 16),
        _ => match coded_byte(bytes) {
            Some((byte, length)) if byte >= 0x80 => return coded_character(bytes, length),
            Some((byte, length)) => return (Some(char::from(byte)), length),
            None => {
                return (None, bytes.len().min(if bytes.get(1) == Some(&b'x') { 2 } else { 1 }));
            }
        },
    };
    coded(code, from, end)
}

/// The number in at most `most` digits from `from`, where it starts, and where it ends.
fn numbered(bytes: &[u8], from: usize, most: usize, radix: u32) -> (u32, usize, usize) {
    let digits = bytes.iter().skip(from).take(most);
    let digits = digits.map_while(|b| char::from(*b).to_digit(radix));
    let (value, end) = digits.fold((0, from), |(value, at), digit| (value * radix + digit, at + 1));
    (value, from, end)
}

/// The byte that `\xHH` or `\ooo` at the start of `bytes` stands for, and its length.
fn coded_byte(bytes: &[u8]) -> Option<(u8, usize)> {
    let (value, from, end) = match bytes {
        [b'\\', b'x', ..] => numbered(bytes, 2, 2, 16),
        [b'\\', b'0'..=b'7', ..] => numbered(bytes, 1, 3, 8),
        _ => return None,
    };
    (end > from).then_some(((value & 0xFF) as u8, end))
}

/// The character whose UTF-8 bytes are coded one by one, and the length of what codes it.
fn coded_character(bytes: &[u8], first: usize) -> (Option<char>, usize) {
    let (mut held, mut at) = (Vec::new(), 0);
    while held.len() < 4
        && let Some((byte, length)) = coded_byte(&bytes[at..])
    {
        held.push(byte);
        at += length;
        if let Ok(text) = std::str::from_utf8(&held) {
            return (text.chars().next(), at);
        }
    }
    (Some(char::REPLACEMENT_CHARACTER), first)
}
