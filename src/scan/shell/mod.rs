//! A small tokenizer of the shell: quotes, here-documents, comments, command substitution.
//!
//! It knows what is needed to tell arguments and here-documents apart and to resolve their quoting.
//! It expands nothing. Its state is a stack of its own, so nesting costs memory and no call stack.

pub(super) mod command;
mod heredoc;
mod parts;
mod quotes;
mod recover;
mod word;

use super::lines::Context;
use super::mapped::Mapped;
use super::shape::line_end;
use super::{Mark, Output, Place};
use command::Simple;
use heredoc::{Delimiters, HereDoc};
use std::collections::HashSet;
use word::Word;

/// Command substitutions deeper than this are read as plain text, whatever the limits say.
const DEEPEST: usize = 32;
/// How many bytes may be read again behind what turned out not to be closed: a constant for any script,
/// and a multiple of its length. Whatever stands in a script, the time for it grows with its length.
const REWORK: usize = 256 << 10;
const REWORK_TIMES: usize = 2;

/// Reads a script.
pub(super) fn read<'a>(
    output: &mut Output<'a>,
    source: &Mapped<'a>,
    context: &Context<'a, '_>,
    level: usize,
) {
    let deepest = output.limits.depth.min(DEEPEST);
    if let Some(scripts) = &mut output.scripts
        && !matches!(context.place, Place::InlineCode | Place::Argument { .. })
    {
        scripts.push(source.text.clone());
    }
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
    /// `((` and `$((`.
    Arithmetic,
    /// `$[`, arithmetic as well.
    Bracket,
    /// `${`.
    Brace,
}

/// What is open inside a frame, besides quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nest {
    /// A subshell, or the parentheses of a function.
    Paren,
    /// The words of an array.
    Array,
    /// Alternatives of a pattern: `@(a|b)`. They are part of their word.
    Glob,
    Case(Case),
}

/// How far a `case` command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// Before its word.
    Subject,
    /// Before `in`.
    In,
    /// Before the parenthesis that ends the patterns.
    Pattern,
    /// Among the commands of a pattern.
    Body,
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

/// The script, or something in it that the shell evaluates by itself: one level of substitution.
struct Frame<'a> {
    closer: Closer,
    opened: usize,
    /// What was found before it.
    mark: Mark,
    /// Open parentheses of arithmetic, of subshells and arrays.
    parens: usize,
    nest: Vec<Nest>,
    /// Where the open double quotes open, and what was found before them.
    quote: Option<(usize, Mark)>,
    word: Option<Word<'a>>,
    next: Next,
    simple: Simple<'a>,
    pending: Vec<HereDoc<'a>>,
}

impl Frame<'_> {
    fn new(closer: Closer, opened: usize, mark: Mark) -> Self {
        Frame {
            closer,
            opened,
            mark,
            parens: match closer {
                Closer::Arithmetic => 2,
                Closer::Bracket => 1,
                _ => 0,
            },
            nest: Vec::new(),
            quote: None,
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
    /// Where two parentheses open that are no arithmetic.
    subshells: HashSet<usize>,
    /// The first quote that goes over lines and is closed in the middle of a word, and what
    /// was found before it: where another quote is not closed, this one was not meant to be.
    suspect: Option<(usize, Mark)>,
    /// Bytes that may be read once more.
    rework: usize,
    /// The lines that can end a here-document, made when the first one asks.
    delimiters: Option<Delimiters<'s>>,
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
        Shell {
            frames: vec![Frame::new(Closer::Nothing, at, output.mark())],
            output,
            source,
            text,
            bytes: text.as_bytes(),
            at,
            place,
            level,
            extent,
            no_brace: 0,
            subshells: HashSet::new(),
            suspect: None,
            rework: text.len().saturating_mul(REWORK_TIMES).saturating_add(REWORK),
            delimiters: None,
        }
    }

    fn run(&mut self) {
        if self.text.starts_with('\u{feff}') && self.at == 0 {
            self.at = '\u{feff}'.len_utf8();
        }
        loop {
            while let Some(&byte) = self.bytes.get(self.at)
                && let Some(frame) = self.frames.last()
            {
                let goes_on = match frame.closer {
                    _ if frame.quote.is_some() => self.in_double_quotes(byte),
                    Closer::Arithmetic | Closer::Bracket => self.in_arithmetic(byte),
                    Closer::Brace => self.in_braces(byte),
                    Closer::Nothing | Closer::Paren | Closer::Backquote => self.plain(byte),
                };
                if !goes_on {
                    break;
                }
            }
            if !matches!(self.extent, Extent::Script { .. }) || !self.recover() {
                break;
            }
        }
        while !self.frames.is_empty() {
            self.finish_word();
            self.settle();
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

    fn nest(&self) -> Option<Nest> {
        self.frames.last()?.nest.last().copied()
    }

    fn push_nest(&mut self, nest: Nest) {
        if let Some(frame) = self.frames.last_mut() {
            frame.nest.push(nest);
            frame.parens += usize::from(matches!(nest, Nest::Paren | Nest::Array));
        }
    }

    fn pop_nest(&mut self) {
        if let Some(frame) = self.frames.last_mut()
            && let Some(Nest::Paren | Nest::Array) = frame.nest.pop()
        {
            frame.parens -= 1;
        }
    }

    /// The `case` command that is read, if it is the innermost thing that is open.
    fn case(&mut self) -> Option<&mut Case> {
        match self.frames.last_mut()?.nest.last_mut()? {
            Nest::Case(case) => Some(case),
            _ => None,
        }
    }

    /// One step outside quotes.
    fn plain(&mut self, byte: u8) -> bool {
        let in_word = self.frames.last().is_some_and(|frame| frame.word.is_some());
        if !in_word && self.try_message() {
            return true;
        }
        match byte {
            b'\'' => return self.single_quotes(),
            b'"' => self.open_double_quotes(),
            b'$' => self.dollar(false),
            b'`' => self.backquote(),
            b'\\' => self.continuation_or_char(),
            b'\n' => return self.line_break(),
            b'(' => self.open_paren(),
            b')' => return self.close_paren(),
            _ if self.nest() == Some(Nest::Glob) => {
                self.take_run(b"\n()'\"$`\\");
            }
            b' ' | b'\t' => self.separate(1),
            b'\r' if self.peek(1) == Some(b'\n') => self.separate(1),
            b'&' if self.peek(1) == Some(b'>') => {
                self.finish_word();
                self.at += 1;
                self.redirection(b'>');
            }
            b';' | b'&' | b'|' => {
                if matches!(self.extent, Extent::Command { .. }) && self.at_top() {
                    return false;
                }
                self.finish_word();
                self.end_command();
                if byte == b';' && matches!(self.peek(1), Some(b';' | b'&')) {
                    self.at += 1;
                    if let Some(case @ Case::Body) = self.case() {
                        *case = Case::Pattern;
                    }
                }
                self.at += 1;
            }
            b'<' | b'>' => self.redirection(byte),
            b'#' if !in_word => self.comment(),
            _ => self.take_run(b" \t\r\n;&|()<>'\"$`\\"),
        }
        true
    }

    /// Ends the word, if there is one, and goes on behind `length` bytes.
    fn separate(&mut self, length: usize) {
        self.finish_word();
        self.at += length;
    }

    /// Up to the end of the line, or of the backquotes around it.
    fn comment(&mut self) {
        let eol = line_end(self.bytes, self.at);
        let quoted = self.frames.iter().any(|frame| frame.closer == Closer::Backquote);
        let end = if quoted { memchr::memchr(b'`', &self.bytes[self.at..eol]) } else { None };
        self.at = end.map_or(eol, |offset| self.at + offset);
    }

    fn line_break(&mut self) -> bool {
        // Alternatives that are not closed on their line were none.
        while self.nest() == Some(Nest::Glob) {
            self.pop_nest();
        }
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
        let before = self.at.checked_sub(1).and_then(|at| self.bytes.get(at)).copied();
        let word = self.word().map(|word| word.start);
        if let (Some(start), Some(before)) = (word, before) {
            // `!(` alone is taken for a subshell that is negated.
            let negated = before == b'!' && start + 1 == self.at;
            if self.nest() == Some(Nest::Glob) || b"?*+@!".contains(&before) && !negated {
                self.take(self.at..self.at + 1);
                self.at += 1;
                return self.push_nest(Nest::Glob);
            }
            if before == b'=' {
                self.finish_word();
                self.at += 1;
                return self.push_nest(Nest::Array);
            }
        }
        self.finish_word();
        if let Some(Case::Pattern) = self.case() {
            self.at += 1;
            return;
        }
        let loops = |name: &str| name == "for";
        let command = self.simple().is_none_or(|simple| simple.name.as_deref().is_none_or(loops));
        if command
            && self.peek(1) == Some(b'(')
            && self.may_nest()
            && !self.subshells.contains(&self.at)
        {
            let frame = Frame::new(Closer::Arithmetic, self.at, self.output.mark());
            self.frames.push(frame);
            self.at += 2;
            return;
        }
        self.end_command();
        self.at += 1;
        self.push_nest(Nest::Paren);
    }

    fn close_paren(&mut self) -> bool {
        if self.nest() == Some(Nest::Glob) {
            self.take(self.at..self.at + 1);
            self.at += 1;
            self.pop_nest();
            return true;
        }
        if matches!(self.extent, Extent::Command { .. }) && self.at_top() {
            return false;
        }
        self.finish_word();
        self.end_command();
        self.at += 1;
        match self.nest() {
            Some(Nest::Paren | Nest::Array) => self.pop_nest(),
            // Without its `esac`, the command ends with the parentheses around it.
            Some(Nest::Case(Case::Body)) => {
                let closes = self.frames.last_mut().is_some_and(|frame| {
                    let around = frame.parens > 0 || frame.closer == Closer::Paren;
                    while around && matches!(frame.nest.last(), Some(Nest::Case(_))) {
                        frame.nest.pop();
                    }
                    around
                });
                if closes {
                    self.at -= 1;
                    return self.close_paren();
                }
            }
            Some(Nest::Case(_)) => {
                if let Some(case) = self.case() {
                    *case = Case::Body;
                }
            }
            Some(Nest::Glob) => {}
            None => {
                if self.frames.last().is_some_and(|frame| frame.closer == Closer::Paren) {
                    self.close_frame();
                }
            }
        }
        true
    }

    fn redirection(&mut self, byte: u8) {
        let number = self.word().is_some_and(|word| word.is_number());
        match self.frames.last_mut() {
            // The number of the file, as in `2>&1`, is no argument.
            Some(frame) if number => frame.word = None,
            _ => self.finish_word(),
        }
        let rest = &self.bytes[self.at..];
        let (length, next) = if rest.starts_with(b"<<<") {
            (3, Next::HereString)
        } else if rest.starts_with(b"<<-") {
            (3, Next::Delimiter { tabs: true })
        } else if rest.starts_with(b"<<") {
            (2, Next::Delimiter { tabs: false })
        } else if rest.get(1) == Some(&b'(') && self.may_nest() {
            self.ensure_word();
            self.frames.push(Frame::new(Closer::Paren, self.at, self.output.mark()));
            self.at += 2;
            return;
        } else {
            let double = rest.get(1).is_some_and(|b| *b == byte || *b == b'&' || *b == b'|');
            (1 + usize::from(double || rest.starts_with(b"<>")), Next::Target)
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
        self.settle();
        if let Some(frame) = self.frames.last_mut() {
            frame.simple = Simple::default();
            frame.next = Next::Word;
        }
    }
}
