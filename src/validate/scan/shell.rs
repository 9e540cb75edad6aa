//! A small tokenizer of the shell: quotes, here-documents, comments, command substitution.
//!
//! It knows what is needed to tell arguments and here-documents apart and to resolve their quoting.
//! It expands nothing. Its state is a stack of its own, so nesting costs memory and no call stack.

mod heredoc;
mod word;

use super::lines::{self, Context};
use super::mapped::Mapped;
use super::shape::{event_head, line_end, skip_blanks, starts_document};
use super::{Command, Output, Place};
use heredoc::HereDoc;
use memchr::memchr;
use std::borrow::Cow;
use word::Word;

/// Command substitutions deeper than this are read as plain text, whatever the limits say.
const DEEPEST: usize = 32;
/// Substitutions up to this length on one line are shown in the text; of any other only `$()`.
const SHOWN: usize = 128;

/// Reads a script.
pub(super) fn read<'a>(
    output: &mut Output<'a>,
    source: &Mapped<'a>,
    context: &Context<'a, '_>,
    level: usize,
) {
    let deepest = output.limits.depth.min(DEEPEST);
    Shell::new(output, source, 0, context.place, level, Extent::Script { deepest }).run();
}

/// Reads the command that starts at `at`, and returns where it ends. With `blank_line`, a blank line
/// ends quotes that are still open.
pub(super) fn command<'a>(
    output: &mut Output<'a>,
    source: &Mapped<'a>,
    at: usize,
    context: &Context<'a, '_>,
    blank_line: bool,
) -> usize {
    let extent = Extent::Command { blank_line };
    let mut shell = Shell::new(output, source, at, context.place, super::LEVELS, extent);
    shell.run();
    shell.at
}

/// The component that a slash command names: `/resource-manager`, but not `/usr/bin/env`.
pub(super) fn component(name: &str) -> Option<&str> {
    let name = name.strip_prefix('/')?;
    let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:".contains(&b));
    (name.starts_with(|c: char| c.is_ascii_alphabetic()) && word).then_some(name)
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Script { deepest: usize },
    Command { blank_line: bool },
}

/// What closes a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closer {
    Nothing,
    /// `$(`, `<(` and `>(`.
    Paren,
    Backquote,
    /// `((` and `$((`, where `<<` is a shift.
    Arithmetic,
}

/// What the next word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Word,
    /// The file of a redirection.
    Target,
    /// The text behind `<<<`.
    HereString,
    /// The delimiter behind `<<`, or `<<-` with `tabs`.
    Delimiter {
        tabs: bool,
    },
}

/// One level of command substitution.
struct Frame<'a> {
    closer: Closer,
    opened: usize,
    /// Open parentheses of subshells, functions and arithmetic.
    parens: usize,
    /// Open `case` commands, whose patterns end with a lone parenthesis.
    cases: usize,
    /// Inside double quotes.
    quoted: bool,
    word: Option<Word<'a>>,
    next: Next,
    simple: Simple<'a>,
    pending: Vec<HereDoc<'a>>,
}

impl Frame<'_> {
    fn new(closer: Closer, opened: usize, parens: usize) -> Self {
        Frame {
            closer,
            opened,
            parens,
            cases: 0,
            quoted: false,
            word: None,
            next: Next::Word,
            simple: Simple::default(),
            pending: Vec::new(),
        }
    }
}

/// What is known of the simple command that is being read.
#[derive(Default)]
struct Simple<'a> {
    name: Option<Cow<'a, str>>,
    words: Vec<Cow<'a, str>>,
    /// Words until the one that `jq --argjson name` reads as JSON.
    json_in: usize,
}

struct Shell<'o, 's, 'a> {
    output: &'o mut Output<'a>,
    source: &'s Mapped<'a>,
    text: &'s str,
    bytes: &'s [u8],
    at: usize,
    place: Place<'a>,
    level: usize,
    extent: Extent,
    frames: Vec<Frame<'a>>,
    /// Up to here there is no `}`.
    no_brace: usize,
}

impl<'o, 's, 'a> Shell<'o, 's, 'a> {
    fn new(
        output: &'o mut Output<'a>,
        source: &'s Mapped<'a>,
        at: usize,
        place: Place<'a>,
        level: usize,
        extent: Extent,
    ) -> Self {
        let text = &*source.text;
        let frames = vec![Frame::new(Closer::Nothing, at, 0)];
        let bytes = text.as_bytes();
        Shell { output, source, text, bytes, at, place, level, extent, frames, no_brace: 0 }
    }

    fn run(&mut self) {
        if self.text.starts_with('\u{feff}') && self.at == 0 {
            self.at = '\u{feff}'.len_utf8();
        }
        while let Some(&byte) = self.bytes.get(self.at)
            && let Some(frame) = self.frames.last()
        {
            let goes_on = if frame.closer == Closer::Arithmetic {
                self.arithmetic()
            } else if frame.quoted {
                self.in_double_quotes(byte)
            } else {
                self.plain(byte)
            };
            if !goes_on {
                break;
            }
        }
        while !self.frames.is_empty() {
            self.finish_word();
            self.frames.pop();
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Whether the frame that is read is the script itself.
    fn at_top(&self) -> bool {
        self.frames.len() == 1
    }

    /// Reads `((...))` up to its last parenthesis.
    fn arithmetic(&mut self) -> bool {
        let Some(offset) = memchr::memchr2(b'(', b')', &self.bytes[self.at..]) else {
            self.at = self.bytes.len();
            return false;
        };
        self.at += offset + 1;
        let opens = self.bytes[self.at - 1] == b'(';
        if let Some(frame) = self.frames.last_mut() {
            frame.parens = if opens { frame.parens + 1 } else { frame.parens - 1 };
            if frame.parens == 0 {
                self.close_frame();
            }
        }
        true
    }

    /// One step inside double quotes.
    fn in_double_quotes(&mut self, byte: u8) -> bool {
        match byte {
            b'"' => {
                self.at += 1;
                if let Some(frame) = self.frames.last_mut() {
                    frame.quoted = false;
                }
            }
            b'\\' => match self.peek(1) {
                Some(b'"' | b'\\' | b'$' | b'`') => {
                    self.take(self.at + 1..self.at + 2);
                    self.at += 2;
                }
                _ => self.continuation_or_char(),
            },
            b'$' => self.dollar(true),
            b'`' => self.backquote(),
            b'\n' if self.ends_in_quotes() => return false,
            _ => self.take_run(b"\"\\$`\n"),
        }
        true
    }

    /// One step outside quotes.
    fn plain(&mut self, byte: u8) -> bool {
        let in_word = self.frames.last().is_some_and(|frame| frame.word.is_some());
        if !in_word && self.try_message() {
            return true;
        }
        match byte {
            b' ' | b'\t' => self.separate(1),
            b'\r' if self.peek(1) == Some(b'\n') => self.separate(1),
            b'\n' => return self.line_break(),
            b';' | b'&' | b'|' => {
                if matches!(self.extent, Extent::Command { .. }) && self.at_top() {
                    return false;
                }
                self.finish_word();
                self.end_command();
                self.at += 1;
            }
            b'(' => self.open_paren(),
            b')' => return self.close_paren(),
            b'<' | b'>' => self.redirection(byte),
            b'#' if !in_word => self.at = line_end(self.bytes, self.at),
            b'\'' => return self.single_quotes(),
            b'"' => {
                self.open_quote(b'"');
                self.at += 1;
                if let Some(frame) = self.frames.last_mut() {
                    frame.quoted = true;
                }
            }
            b'$' => self.dollar(false),
            b'`' => self.backquote(),
            b'\\' => {
                let word = in_word;
                self.continuation_or_char();
                if word && let Some(word) = self.word() {
                    word.quoted = true;
                }
            }
            _ => self.take_run(b" \t\r\n;&|()<>'\"$`\\"),
        }
        true
    }

    /// Ends the word, if there is one, and goes on behind `length` bytes.
    fn separate(&mut self, length: usize) {
        self.finish_word();
        self.at += length;
    }

    /// A backslash: a line continuation, or itself with the next character outside quotes.
    fn continuation_or_char(&mut self) {
        let quoted = self.frames.last().is_some_and(|frame| frame.quoted);
        match (self.peek(1), self.peek(2)) {
            (Some(b'\n'), _) => self.at += 2,
            (Some(b'\r'), Some(b'\n')) => self.at += 3,
            (Some(_), _) => {
                let from = if quoted { self.at } else { self.at + 1 };
                let length = self.text[self.at + 1..].chars().next().map_or(1, char::len_utf8);
                self.take(from..self.at + 1 + length);
                self.at += 1 + length;
            }
            (None, _) => self.at += 1,
        }
    }

    fn line_break(&mut self) -> bool {
        self.finish_word();
        if matches!(self.extent, Extent::Command { .. }) && self.at_top() {
            return false;
        }
        self.end_command();
        self.at += 1;
        self.here_documents();
        true
    }

    /// Whether the command to be read ends at this line break although a quote is open.
    fn ends_in_quotes(&self) -> bool {
        let next = skip_blanks(self.bytes, self.at + 1);
        let blank = matches!(self.bytes.get(next), None | Some(b'\n'));
        self.extent == (Extent::Command { blank_line: true }) && blank
    }

    fn open_paren(&mut self) {
        self.finish_word();
        let command = self.simple().is_none_or(|simple| simple.name.is_none());
        if command && self.peek(1) == Some(b'(') && self.may_nest() {
            self.frames.push(Frame::new(Closer::Arithmetic, self.at, 2));
            self.at += 2;
            return;
        }
        self.end_command();
        self.at += 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.parens += 1;
        }
    }

    fn close_paren(&mut self) -> bool {
        if matches!(self.extent, Extent::Command { .. }) && self.at_top() {
            return false;
        }
        self.finish_word();
        self.end_command();
        self.at += 1;
        if let Some(frame) = self.frames.last_mut() {
            if frame.parens > 0 {
                frame.parens -= 1;
            } else if frame.cases == 0 && frame.closer == Closer::Paren {
                self.close_frame();
            }
        }
        true
    }

    fn redirection(&mut self, byte: u8) {
        self.finish_word();
        let rest = &self.bytes[self.at..];
        let (length, next) = if rest.starts_with(b"<<<") {
            (3, Next::HereString)
        } else if rest.starts_with(b"<<-") {
            (3, Next::Delimiter { tabs: true })
        } else if rest.starts_with(b"<<") {
            (2, Next::Delimiter { tabs: false })
        } else if rest.get(1) == Some(&b'(') && self.may_nest() {
            self.at += 2;
            self.frames.push(Frame::new(Closer::Paren, self.at - 2, 0));
            return;
        } else {
            let double = rest.get(1).is_some_and(|b| *b == byte || *b == b'&' || *b == b'|');
            (1 + usize::from(double), Next::Target)
        };
        self.at += length;
        if let Some(frame) = self.frames.last_mut() {
            frame.next = next;
        }
    }

    /// Single quotes: everything up to the next one, no escapes.
    fn single_quotes(&mut self) -> bool {
        let at = self.at;
        let rest = &self.bytes[at + 1..];
        let letters = |index: Option<usize>| {
            index.and_then(|index| self.bytes.get(index)).is_some_and(u8::is_ascii_alphabetic)
        };
        if letters(at.checked_sub(1)) && letters(Some(at + 1)) {
            let next = memchr::memchr2(b'\'', b'\n', rest).and_then(|offset| rest.get(offset));
            if next != Some(&b'\'') {
                // The apostrophe of a word like `don't`, in text that is not really a script.
                self.take(at..at + 1);
                self.at += 1;
                return true;
            }
        }
        self.open_quote(b'\'');
        let mut end = memchr(b'\'', rest).map_or(self.bytes.len(), |offset| at + 1 + offset);
        let mut goes_on = end < self.bytes.len();
        if self.extent == (Extent::Command { blank_line: true })
            && let Some(blank) = blank_line(&self.bytes[..end], at)
        {
            (end, goes_on) = (blank, false);
        }
        self.take(at + 1..end);
        self.at = end + usize::from(goes_on);
        goes_on
    }

    fn dollar(&mut self, quoted: bool) {
        let at = self.at;
        match self.peek(1) {
            Some(b'(') if self.may_nest() => {
                let arithmetic = self.peek(2) == Some(b'(');
                let (closer, parens, length) = match arithmetic {
                    true => (Closer::Arithmetic, 2, 3),
                    false => (Closer::Paren, 0, 2),
                };
                self.ensure_word();
                self.at += length;
                self.frames.push(Frame::new(closer, at, parens));
            }
            Some(b'{') => {
                self.ensure_word();
                let end = if at < self.no_brace {
                    None
                } else {
                    let stop = memchr::memchr2(b'}', b'\n', &self.bytes[at..])
                        .map_or(self.bytes.len(), |offset| at + offset);
                    let closes = self.bytes.get(stop) == Some(&b'}');
                    self.no_brace = if closes { self.no_brace } else { stop };
                    closes.then_some(stop + 1)
                };
                let end = end.unwrap_or(at + 2);
                self.expansion(at..end);
                self.at = end;
            }
            Some(b'\'') if !quoted => self.ansi_quotes(),
            // A translated string; the quotes that follow are ordinary.
            Some(b'"') if !quoted => self.at += 1,
            Some(b) if b.is_ascii_alphanumeric() || b"_@*#?!$-(".contains(&b) => {
                self.ensure_word();
                self.expansion(at..at + 1);
                self.at += 1;
            }
            _ => {
                self.take(at..at + 1);
                self.at += 1;
            }
        }
    }

    fn backquote(&mut self) {
        let closes = self.frames.last().is_some_and(|frame| frame.closer == Closer::Backquote);
        if closes && !self.frames.last().is_some_and(|frame| frame.quoted) {
            self.finish_word();
            self.at += 1;
            self.close_frame();
        } else if self.may_nest() {
            self.ensure_word();
            self.frames.push(Frame::new(Closer::Backquote, self.at, 0));
            self.at += 1;
        } else {
            self.take(self.at..self.at + 1);
            self.at += 1;
        }
    }

    fn may_nest(&self) -> bool {
        match self.extent {
            Extent::Script { deepest } => self.frames.len() <= deepest,
            Extent::Command { .. } => false,
        }
    }

    /// Ends a substitution: the word around it gets its text, or `$()` in its place.
    fn close_frame(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let range = frame.opened..self.at;
        if let Some(outer) = self.frames.last_mut() {
            // Here-documents that are opened before the parenthesis follow its line.
            outer.pending.extend(frame.pending);
        }
        if self.word().is_none() {
            return;
        }
        let shown = range.len() <= SHOWN && memchr(b'\n', &self.bytes[range.clone()]).is_none();
        if shown {
            self.expansion(range);
        } else {
            let opening = if self.bytes[range.start] == b'`' { 1 } else { 2 };
            self.expansion(range.start..range.start + opening);
            self.take(range.end - 1..range.end);
        }
    }

    /// Reads a message that stands where a command would: no command is spelled like one, so it is
    /// meant as it stands. Also an object behind a slash command, which no shell reads.
    fn try_message(&mut self) -> bool {
        let Some(frame) = self.frames.last() else { return false };
        let (at, byte) = (self.at, self.bytes[self.at]);
        if frame.next != Next::Word || byte.is_ascii_whitespace() {
            return false;
        }
        let mut context = Context::new(self.place);
        match &frame.simple.name {
            None if self.at_top() && frame.parens == 0 => {
                let starts = match byte {
                    b'{' | b'[' => starts_document(self.text, at),
                    b'"' => event_head(self.text, at + 1).is_some_and(|head| head.object),
                    b'A'..=b'Z' | b'a'..=b'z' => {
                        event_head(self.text, at).is_some_and(|head| head.object)
                    }
                    _ => false,
                };
                if !starts {
                    return false;
                }
            }
            Some(name) if component(name).is_some() && matches!(byte, b'{' | b'[') => {
                if !starts_document(self.text, at) {
                    return false;
                }
                context.command = frame.simple.command();
                if context.place != Place::InlineCode {
                    context.place = Place::Argument { quote: None };
                }
            }
            _ => return false,
        }
        let Some(end) = lines::bare(self.output, self.source, at, &context) else { return false };
        self.at = end;
        if let Some(frame) = self.frames.last_mut() {
            frame.simple.name.get_or_insert(Cow::Borrowed(""));
        }
        true
    }
}

/// The line break before the first blank line between `from` and the end.
fn blank_line(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &bytes[from..])
        .map(|offset| from + offset)
        .find(|at| bytes.get(skip_blanks(bytes, at + 1)) == Some(&b'\n'))
}

fn is_reserved(word: &str) -> bool {
    const RESERVED: &[&str] = &[
        "!", "$", "%", "builtin", "command", "do", "done", "elif", "else", "env", "esac", "exec",
        "fi", "if", "nohup", "sudo", "then", "time", "until", "while", "{", "}",
    ];
    RESERVED.contains(&word)
}

/// Whether a command reads its words as programs in a language of its own.
fn reads_programs(name: &str) -> bool {
    const PROGRAMS: &[&str] = &[
        "awk", "egrep", "gawk", "gojq", "grep", "jq", "mawk", "node", "perl", "python", "python3",
        "rg", "ruby", "sed", "yq",
    ];
    PROGRAMS.contains(&name.rsplit('/').next().unwrap_or(name))
}

/// Whether a command reads its words as scripts.
fn runs_scripts(name: &str) -> bool {
    const SHELLS: &[&str] = &["bash", "dash", "eval", "ksh", "sh", "ssh", "trap", "zsh"];
    SHELLS.contains(&name.rsplit('/').next().unwrap_or(name))
}

/// Whether a command reads a program from its input.
fn interprets(name: &str) -> bool {
    reads_programs(name) && !name.ends_with('q')
}

impl<'a> Simple<'a> {
    fn command(&self) -> Option<Command<'a>> {
        let name = component(self.name.as_deref()?)?.to_owned();
        Some(Command { name: Cow::Owned(name), words: self.words.clone() })
    }
}

impl<'a> Shell<'_, '_, 'a> {
    fn simple(&mut self) -> Option<&mut Simple<'a>> {
        self.frames.last_mut().map(|frame| &mut frame.simple)
    }

    fn end_command(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.simple = Simple::default();
            frame.next = Next::Word;
        }
    }
}
