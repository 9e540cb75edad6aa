//! Words: their quoting resolved, and the messages in them.

use super::super::LEVELS;
use super::super::Place;
use super::super::lines::{self, Context, Mode};
use super::super::mapped::Builder;
use super::super::shape::event_head;
use super::command::{interprets, is_reserved, reads_programs, runs_scripts};
use super::heredoc::HereDoc;
use super::{Next, Shell};
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
    start: usize,
    /// The first quote, and where in the text it opens.
    quote: Option<(u8, usize)>,
    /// Whether anything is quoted, be it by a backslash.
    pub(super) quoted: bool,
    /// Where in the text something is put in.
    expansions: Vec<usize>,
    /// How many snippets were found before the word.
    mark: usize,
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
        self.open_quote(b'\'');
        let source = self.source;
        let mut at = self.at + 2;
        while let Some(offset) = memchr2(b'\'', b'\\', &self.bytes[at..]) {
            self.take(at..at + offset);
            at += offset;
            if self.bytes[at] == b'\'' {
                self.at = at + 1;
                return;
            }
            let (character, length) = c_escape(&self.bytes[at..]);
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
        self.take(at..self.bytes.len());
        self.at = self.bytes.len();
    }

    /// Ends the word: it is a delimiter, a name, or an argument that may hold messages.
    pub(super) fn finish_word(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        let Some(word) = frame.word.take() else { return };
        frame.quoted = false;
        let next = std::mem::replace(&mut frame.next, Next::Word);
        let name = frame.simple.name.clone();
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
            Next::Word => match name {
                None => self.first_word(word),
                Some(name) => self.argument(word, &name),
            },
        }
    }

    /// A word where a command is expected.
    fn first_word(&mut self, word: Word<'a>) {
        let bare = !word.quoted;
        let text = self.content(word, false);
        let Some(frame) = self.frames.last_mut() else { return };
        match &*text {
            "case" if bare => frame.cases += 1,
            "esac" if bare => frame.cases = frame.cases.saturating_sub(1),
            word if bare && is_reserved(word) || is_assignment(word) => return,
            _ => {}
        }
        if text != "esac" {
            frame.simple.name = Some(short(text));
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
            self.content(word, format)
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
    fn content(&mut self, word: Word<'a>, printf: bool) -> Cow<'a, str> {
        let whole = word.builder.finish();
        if memchr2(b'{', b':', whole.text.as_bytes()).is_none() {
            return whole.text;
        }
        let starts = whole.text.starts_with(['{', '[']) || event_head(&whole.text, 0).is_some();
        let from = match word.quote {
            Some((_, at)) if !starts && at <= PREFIX => at,
            _ => 0,
        };
        let place = match self.place {
            Place::InlineCode => Place::InlineCode,
            _ => Place::Argument { quote: word.quote.map(|(quote, _)| char::from(quote)) },
        };
        let command = self.frames.last().and_then(|frame| frame.simple.command());
        let expansions: Vec<usize> =
            word.expansions.iter().filter_map(|at| at.checked_sub(from)).collect();
        let context = Context { place, command, expansions: &expansions, printf };
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
        whole.text
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

/// The escape at the start of `bytes`: its character, if it is another than the one behind the
/// backslash, and its length.
fn c_escape(bytes: &[u8]) -> (Option<char>, usize) {
    let digits = |from: usize, most: usize, radix: u32| {
        let digits = bytes.iter().skip(from).take(most);
        let digits = digits.map_while(|b| char::from(*b).to_digit(radix));
        digits.fold((0, from), |(value, at), digit| (value * radix + digit, at + 1))
    };
    let coded = |(code, end): (u32, usize), from: usize| match char::from_u32(code) {
        Some(character) if end > from => (Some(character), end),
        _ => (None, 2.max(end)),
    };
    match bytes.get(1) {
        Some(b'n') => (Some('\n'), 2),
        Some(b't') => (Some('\t'), 2),
        Some(b'r') => (Some('\r'), 2),
        Some(&same @ (b'\'' | b'"' | b'\\' | b'?')) => (Some(char::from(same)), 2),
        Some(b'x') => coded(digits(2, 2, 16), 2),
        Some(b'u') => coded(digits(2, 4, 16), 2),
        Some(b'U') => coded(digits(2, 8, 16), 2),
        Some(b'0'..=b'7') => coded(digits(1, 3, 8), 1),
        Some(b'a') => (Some('\u{7}'), 2),
        Some(b'b') => (Some('\u{8}'), 2),
        Some(b'e' | b'E') => (Some('\u{1b}'), 2),
        Some(b'f') => (Some('\u{c}'), 2),
        Some(b'v') => (Some('\u{b}'), 2),
        _ => (None, 1),
    }
}
