//! A small tokenizer of the shell: quotes, here-documents, comments, command substitution.
//!
//! It knows what is needed to tell arguments and here-documents apart and to resolve their quoting.
//! It expands nothing. Its state is a stack of its own, so nesting costs memory and no call stack.

mod command;
mod heredoc;
mod quotes;
mod word;

use super::lines::Context;
use super::mapped::Mapped;
use super::shape::line_end;
use super::{Output, Place};
use command::Simple;
use heredoc::HereDoc;
use word::Word;

/// Command substitutions deeper than this are read as plain text, whatever the limits say.
const DEEPEST: usize = 32;

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

    fn may_nest(&self) -> bool {
        match self.extent {
            Extent::Script { deepest } => self.frames.len() <= deepest,
            Extent::Command { .. } => false,
        }
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
