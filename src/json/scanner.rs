//! The scanner: one pass, no allocation, byte positions for everything.

use super::bytes::{blanks_end, plain_run, skip_space, whole_characters};
use super::fault::{FaultKind, JsonFault};
use super::keys::{Keys, repeated, rise};
use super::limits::{Dialect, Limits};
use super::token::{Kind, Token, hex4};
use std::ops::{ControlFlow, Range};

/// What a [`scan`] tells its caller. Every method has a default, so implement what you need.
///
/// `depth` counts the containers around a value: 0 for the root, 1 for a member of the root.
pub trait Visit {
    /// A key, before its value.
    #[inline]
    fn key(&mut self, depth: usize, key: Token) -> ControlFlow<()> {
        let _ = (depth, key);
        ControlFlow::Continue(())
    }

    /// Whether the visitor itself notices if its object has the key again that was told last. It
    /// knows the key's meaning and spares the scan the work of comparing.
    #[inline]
    fn minds_repetition(&self) -> bool {
        false
    }

    /// An object or array, when it opens; its end comes as a value.
    #[inline]
    fn open(&mut self, depth: usize, at: usize, kind: Kind) {
        let _ = (depth, at, kind);
    }

    /// A value, when it ends: a container comes after everything inside it.
    #[inline]
    fn value(&mut self, depth: usize, value: Token) -> ControlFlow<()> {
        let _ = (depth, value);
        ControlFlow::Continue(())
    }

    /// A fault that leaves the structure readable: `DuplicateKey`, `BeyondDouble` or
    /// `SingleQuoted`. `Continue` passes over it; `Break` makes it the result of the scan.
    #[inline]
    fn fault(&mut self, fault: &JsonFault) -> ControlFlow<()> {
        if fault.kind == FaultKind::BeyondDouble {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// The first line break between values.
    #[inline]
    fn line_break(&mut self, at: usize) {
        let _ = at;
    }
}

/// Scans the JSON value that starts at byte `from` of `text`, white space before it allowed.
/// Returns its token; what follows the value is the caller's.
///
/// # Errors
/// The first [`JsonFault`] that the grammar, the limits or the visitor do not let pass.
///
/// # Panics
/// Never; `from` beyond the text reads as the end of the text.
pub fn scan<V: Visit>(
    text: &str,
    from: usize,
    limits: &Limits,
    visitor: &mut V,
) -> Result<Token, JsonFault> {
    if text.len() > limits.bytes.min(u32::MAX as usize) {
        let from = whole_characters(text.as_bytes(), limits.bytes);
        return Err(JsonFault::new(FaultKind::TooLong, from..text.len()));
    }
    // The field is public, so the cap of `with_depth` is applied where it matters.
    let limits = &limits.with_depth(limits.depth);
    let mut scanner =
        Scanner { text, bytes: text.as_bytes(), limits, visitor, fault: None, line_break: false };
    let start = scanner.space(from);
    match scanner.root(start) {
        Ok(token) => Ok(token),
        Err(Halt) => Err(scanner
            .fault
            .unwrap_or_else(|| JsonFault::new(FaultKind::Stopped, text.len()..text.len()))),
    }
}

/// Whether `text` is exactly one JSON value of the dialect within the limits.
///
/// # Errors
/// The first [`JsonFault`].
pub fn check(text: &str, dialect: Dialect, limits: &Limits) -> Result<(), JsonFault> {
    struct Accept(Dialect);
    impl Visit for Accept {
        fn fault(&mut self, fault: &JsonFault) -> ControlFlow<()> {
            match fault.kind {
                FaultKind::BeyondDouble => ControlFlow::Continue(()),
                FaultKind::SingleQuoted if self.0 == Dialect::SingleQuoted => {
                    ControlFlow::Continue(())
                }
                _ => ControlFlow::Break(()),
            }
        }
    }
    let token = scan(text, 0, limits, &mut Accept(dialect))?;
    let end = skip_space(text.as_bytes(), token.end());
    if end == text.len() {
        Ok(())
    } else {
        Err(JsonFault::new(FaultKind::TrailingText, end..text.len()))
    }
}

/// The scan is over; the reason stands in [`Scanner::fault`]. Kept out of the `Result` so that the
/// hot path returns in registers.
struct Halt;

struct Scanner<'a, V> {
    text: &'a str,
    bytes: &'a [u8],
    limits: &'a Limits,
    visitor: &'a mut V,
    fault: Option<JsonFault>,
    line_break: bool,
}

impl<V: Visit> Scanner<'_, V> {
    /// The byte at `at`; NUL, which no grammar rule accepts, at the end.
    #[inline]
    fn peek(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    #[inline]
    fn space(&mut self, at: usize) -> usize {
        if self.peek(at) > b' ' {
            at
        } else if self.peek(at) == b' ' && self.peek(at + 1) > b' ' {
            at + 1
        } else {
            self.space_slow(at)
        }
    }

    #[inline(never)]
    fn space_slow(&mut self, mut at: usize) -> usize {
        loop {
            match self.peek(at) {
                b' ' => at = blanks_end(self.bytes, at),
                b'\t' => at += 1,
                b'\n' | b'\r' => {
                    if !self.line_break {
                        self.line_break = true;
                        self.visitor.line_break(at);
                    }
                    at = blanks_end(self.bytes, at + 1);
                    if self.peek(at) > b' ' {
                        return at;
                    }
                }
                _ => return at,
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn fail(&mut self, kind: FaultKind, range: Range<usize>) -> Halt {
        self.fault = Some(JsonFault::new(kind, range));
        Halt
    }

    /// The grammar wants `expected` at `at`.
    #[cold]
    #[inline(never)]
    fn unexpected(&mut self, at: usize, expected: &'static str) -> Halt {
        if at >= self.bytes.len() {
            return self.fail(FaultKind::UnexpectedEnd, self.bytes.len()..self.bytes.len());
        }
        let width =
            self.text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        self.fail(FaultKind::Unexpected { expected }, at..at + width)
    }

    /// A word or number that is no value starts at `start`; the grammar wants `expected` at `at`. The
    /// fault is the whole of it.
    #[cold]
    #[inline(never)]
    fn no_value(&mut self, start: usize, at: usize, expected: &'static str) -> Halt {
        let end = word_end(self.text, start);
        if at >= self.bytes.len() || end == start {
            return self.unexpected(at, expected);
        }
        self.fail(FaultKind::Unexpected { expected }, start..end)
    }

    /// Behind a value stands something else than `expected`.
    #[cold]
    #[inline(never)]
    fn unclosed(&mut self, value: Token, at: usize, expected: &'static str) -> Halt {
        let bare = matches!(value.kind(), Kind::Number | Kind::Bool | Kind::Null);
        if bare && at == value.end() && word_end(self.text, at) > at {
            return self.no_value(value.start(), at, "a value");
        }
        self.unexpected(at, expected)
    }

    /// Lets the visitor decide about a fault that leaves the structure readable.
    #[cold]
    #[inline(never)]
    fn ask(&mut self, kind: FaultKind, range: Range<usize>) -> Result<(), Halt> {
        let fault = JsonFault::new(kind, range);
        match self.visitor.fault(&fault) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => {
                self.fault = Some(fault);
                Err(Halt)
            }
        }
    }

    #[inline]
    fn go_on(flow: ControlFlow<()>) -> Result<(), Halt> {
        match flow {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt),
        }
    }

    /// The value that is the whole text.
    fn root(&mut self, at: usize) -> Result<Token, Halt> {
        let token = self.value(at, 0)?;
        if !is_container(token) {
            if word_end(self.text, token.end()) > token.end() && token.kind() != Kind::Text {
                return Err(self.no_value(token.start(), token.end(), "a value"));
            }
            Self::go_on(self.visitor.value(0, token))?;
        }
        Ok(token)
    }

    /// A value inside a container that `close` closes, and where it goes on behind it: at a comma or
    /// at the bracket. A scalar is told once it is clear that it ends there: `5x` is no number that
    /// could be judged.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "scalars are most of the values")]
    fn member(
        &mut self,
        at: usize,
        depth: usize,
        close: u8,
        expected: &'static str,
    ) -> Result<usize, Halt> {
        let token = self.value(at, depth)?;
        let next = self.space(token.end());
        let byte = self.peek(next);
        if byte != b',' && byte != close {
            return Err(self.unclosed(token, next, expected));
        }
        if !is_container(token) {
            Self::go_on(self.visitor.value(depth, token))?;
        }
        Ok(next)
    }

    /// A value; a container was told when it ended. Inlined, so that only containers are called.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "scalars are most of the values")]
    fn value(&mut self, at: usize, depth: usize) -> Result<Token, Halt> {
        Ok(match self.peek(at) {
            b'"' => self.string(at, b'"')?,
            b'{' => self.object(at, depth)?,
            b'[' => self.array(at, depth)?,
            b'-' | b'0'..=b'9' => self.number(at)?,
            b't' => self.literal(at, "true", Kind::Bool)?,
            b'f' => self.literal(at, "false", Kind::Bool)?,
            b'n' => self.literal(at, "null", Kind::Null)?,
            b'\'' => {
                self.ask(FaultKind::SingleQuoted, at..at + 1)?;
                self.string(at, b'\'')?
            }
            _ => return Err(self.no_value(at, at, "a value")),
        })
    }

    /// A container has ended.
    #[inline]
    fn ended(&mut self, depth: usize, token: Token) -> Result<Token, Halt> {
        Self::go_on(self.visitor.value(depth, token))?;
        Ok(token)
    }

    #[inline(never)]
    fn object(&mut self, open: usize, depth: usize) -> Result<Token, Halt> {
        if depth >= self.limits.depth {
            return Err(self.fail(FaultKind::TooDeep, open..open + 1));
        }
        self.visitor.open(depth, open, Kind::Object);
        let mut at = self.space(open + 1);
        if self.peek(at) == b'}' {
            return self.ended(depth, Token::new(Kind::Object, open, at + 1));
        }
        let mut keys: Option<Keys> = None;
        let (mut count, mut suspect, mut escaped) = (0, false, false);
        // Of more keys than fit, the one before: what only rises repeats nothing.
        let mut risen: Option<Token> = None;
        loop {
            let key = match self.peek(at) {
                b'"' => self.string(at, b'"')?,
                b'\'' => {
                    self.ask(FaultKind::SingleQuoted, at..at + 1)?;
                    self.string(at, b'\'')?
                }
                _ => return Err(self.unexpected(at, "a key in double quotes")),
            };
            if count >= self.limits.keys {
                return Err(self.fail(FaultKind::TooManyKeys, key.range()));
            }
            count += 1;
            Self::go_on(self.visitor.key(depth + 1, key))?;
            if key.is_escaped() {
                // Rare: its spelling may differ from an equal key's, so compare meanings at the end.
                suspect = true;
                escaped = true;
            } else if !self.visitor.minds_repetition() {
                let name = &self.bytes[key.start() + 1..key.end() - 1];
                let keys = keys.get_or_insert_with(Keys::new);
                if !keys.insert(name) && !suspect {
                    suspect = !keys.is_full() || !rise(self.text, open, count, key, &mut risen);
                }
            }
            at = self.space(key.end());
            if self.peek(at) != b':' {
                return Err(self.unexpected(at, "`:` after the key"));
            }
            at = self.space(at + 1);
            at = self.member(at, depth + 1, b'}', "`,` or `}`")?;
            if self.peek(at) == b'}' {
                break;
            }
            at = self.space(at + 1);
        }
        if suspect {
            repeated(self.text, open, count, escaped, |key| {
                self.ask(FaultKind::DuplicateKey, key.range())
            })?;
        }
        self.ended(depth, Token::new(Kind::Object, open, at + 1))
    }

    #[inline(never)]
    fn array(&mut self, open: usize, depth: usize) -> Result<Token, Halt> {
        if depth >= self.limits.depth {
            return Err(self.fail(FaultKind::TooDeep, open..open + 1));
        }
        self.visitor.open(depth, open, Kind::Array);
        let mut at = self.space(open + 1);
        if self.peek(at) == b']' {
            return self.ended(depth, Token::new(Kind::Array, open, at + 1));
        }
        loop {
            at = self.member(at, depth + 1, b']', "`,` or `]`")?;
            if self.peek(at) == b']' {
                return self.ended(depth, Token::new(Kind::Array, open, at + 1));
            }
            at = self.space(at + 1);
        }
    }

    #[inline]
    fn string(&mut self, open: usize, quote: u8) -> Result<Token, Halt> {
        let at = plain_run(self.bytes, open + 1, quote);
        if self.peek(at) == quote {
            return Ok(Token::text(open, at + 1, false));
        }
        self.string_slow(open, at, quote)
    }

    /// A string with a backslash, a control character, or no end, at `at`.
    #[inline(never)]
    fn string_slow(&mut self, open: usize, mut at: usize, quote: u8) -> Result<Token, Halt> {
        loop {
            match self.peek(at) {
                byte if byte == quote && at < self.bytes.len() => {
                    return Ok(Token::text(open, at + 1, true));
                }
                b'\\' => at = self.escape(at, quote)?,
                _ if at >= self.bytes.len() => {
                    return Err(self.unexpected(at, "the end of the string"));
                }
                _ => return Err(self.fail(FaultKind::ControlCharacter, at..at + 1)),
            }
            at = plain_run(self.bytes, at, quote);
        }
    }

    fn escape(&mut self, at: usize, quote: u8) -> Result<usize, Halt> {
        match self.peek(at + 1) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
            b'\'' if quote == b'\'' => Ok(at + 2),
            b'u' => match hex4(self.bytes, at + 2) {
                u32::MAX => Err(self.bad_escape(at)),
                0xD800..=0xDBFF => {
                    let paired = self.peek(at + 6) == b'\\'
                        && self.peek(at + 7) == b'u'
                        && matches!(hex4(self.bytes, at + 8), 0xDC00..=0xDFFF);
                    if paired {
                        Ok(at + 12)
                    } else {
                        Err(self.fail(FaultKind::LoneSurrogate, at..at + 6))
                    }
                }
                0xDC00..=0xDFFF => Err(self.fail(FaultKind::LoneSurrogate, at..at + 6)),
                _ => Ok(at + 6),
            },
            _ => Err(self.bad_escape(at)),
        }
    }

    fn bad_escape(&mut self, at: usize) -> Halt {
        match self.text[at + 1..].chars().next() {
            Some(next) => self.fail(FaultKind::BadEscape, at..at + 1 + next.len_utf8()),
            None => self.unexpected(at + 1, "an escape"),
        }
    }

    #[inline]
    fn number(&mut self, start: usize) -> Result<Token, Halt> {
        let mut at = start + usize::from(self.peek(start) == b'-');
        match self.peek(at) {
            b'0' => at += 1,
            b'1'..=b'9' => at = self.digits(at),
            _ => return Err(self.no_value(start, at, "a digit")),
        }
        let mut wide = at - start > 300;
        if self.peek(at) == b'.' {
            if !self.peek(at + 1).is_ascii_digit() {
                return Err(self.no_value(start, at + 1, "a digit after the decimal point"));
            }
            at = self.digits(at + 1);
        }
        if self.peek(at) | 0x20 == b'e' {
            at += 1;
            at += usize::from(matches!(self.peek(at), b'+' | b'-'));
            if !self.peek(at).is_ascii_digit() {
                return Err(self.no_value(start, at, "a digit of the exponent"));
            }
            at = self.digits(at);
            wide = true;
        }
        if wide && self.text[start..at].parse::<f64>().is_ok_and(f64::is_infinite) {
            self.ask(FaultKind::BeyondDouble, start..at)?;
        }
        Ok(Token::new(Kind::Number, start, at))
    }

    #[inline]
    fn digits(&self, mut at: usize) -> usize {
        while self.peek(at).is_ascii_digit() {
            at += 1;
        }
        at
    }

    #[inline]
    fn literal(&mut self, at: usize, word: &'static str, kind: Kind) -> Result<Token, Halt> {
        let end = at + word.len();
        if self.bytes.get(at..end) == Some(word.as_bytes()) {
            Ok(Token::new(kind, at, end))
        } else if word.as_bytes().starts_with(self.bytes.get(at..).unwrap_or_default()) {
            Err(self.unexpected(self.bytes.len(), word))
        } else {
            Err(self.no_value(at, at, "a value"))
        }
    }
}

fn is_container(token: Token) -> bool {
    matches!(token.kind(), Kind::Object | Kind::Array)
}

/// Where a run of the characters ends that words and numbers are made of.
#[cold]
fn word_end(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let other = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '+' | '-' | '$'));
    from + rest.find(other).unwrap_or(rest.len())
}
