//! Lines of a log: what programs and their hosts write before a message.

use super::shape::{array_of_objects, event_head, skip_blanks, starts_object};

/// The longest prefix, in bytes and in words.
const MOST: usize = 512;
const WORDS: usize = 24;
/// The most plain words that follow each other in a prefix: a host, a thread, a program.
const PLAIN: usize = 4;

/// What a line of a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Where a message starts, as far as its beginning tells.
    pub(super) message: Option<usize>,
    /// Whether a time, a level, a process or a text in brackets stands first.
    pub(super) prefix: bool,
}

/// What a piece of a prefix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// A time, a level, a process, brackets: only a log has them.
    Strong,
    /// A text in brackets, a line of a source file: what it says may be anything.
    Group,
    /// A separator, or a word that ends with one.
    Separator,
    /// A host or a name; also a word of a sentence.
    Plain,
}

/// Reads the prefix of the line at `start`.
///
/// A message counts where the prefix ends: behind a separator, behind a time or a level, and behind one
/// more word. A sentence that mentions a message is none.
pub(super) fn line(text: &str, start: usize, eol: usize) -> Line {
    let bytes = &text.as_bytes()[..eol.min(start.saturating_add(MOST)).max(start)];
    let mut line = Line::default();
    let mut at = skip_blanks(bytes, start);
    let (mut last, mut plain, mut first) = (None, 0, true);
    for _ in 0..WORDS {
        if at >= bytes.len() {
            break;
        }
        // One plain word behind a time or a level is who speaks.
        if (last != Some(Piece::Plain) || plain == 1 && line.prefix) && starts_message(text, at) {
            line.message = Some(at);
            return line;
        }
        let Some((piece, next)) = piece(text, bytes, at) else { break };
        match piece {
            Piece::Strong => (line.prefix, plain) = (true, 0),
            // `web-1  | ...`, as containers' logs are told apart.
            Piece::Separator if last == Some(Piece::Plain) && bytes[at] == b'|' => {
                (line.prefix, plain) = (true, 0);
            }
            Piece::Group | Piece::Separator => plain = 0,
            Piece::Plain if plain == PLAIN => break,
            Piece::Plain => plain += if last == Some(Piece::Separator) { PLAIN } else { 1 },
        }
        // The first word may be a host or a container whatever stands behind it.
        if first && piece == Piece::Plain {
            plain = 1;
        }
        first = false;
        last = Some(piece);
        at = skip_blanks(bytes, next);
    }
    line
}

fn starts_message(text: &str, at: usize) -> bool {
    let quoted = usize::from(matches!(text.as_bytes().get(at), Some(b'"' | b'\'')));
    let escaped = || text.as_bytes()[at + quoted..].starts_with(b"{\\\"");
    event_head(text, at + quoted).is_some()
        || starts_object(text, at + quoted)
        || array_of_objects(text, at + quoted).is_some()
        || escaped()
}

/// The piece of a prefix at `at`, and where the next one may start.
fn piece(text: &str, bytes: &[u8], at: usize) -> Option<(Piece, usize)> {
    let rest = &bytes[at..];
    let behind = |close: u8| memchr::memchr(close, rest).map(|length| at + length + 1);
    match rest[0] {
        b'[' => {
            let end = behind(b']')?;
            let inner = &bytes[at + 1..end - 1];
            let followed = bytes.get(end).is_some_and(u8::is_ascii_whitespace);
            let mut words = inner.split(u8::is_ascii_whitespace);
            let time = |word: &[u8]| is_time(word) || is_date_word(word) || is_level(word);
            let piece = match inner.first() {
                // An array, or a box to tick.
                None | Some(b'{' | b'[' | b'"' | b'\'') => return None,
                // A time since the start, unless it is an array of numbers.
                _ if inner.iter().all(|b| b.is_ascii_digit() || b", .".contains(b)) => {
                    let strong = followed && inner.contains(&b'.') && !inner.contains(&b',');
                    if strong { Piece::Strong } else { Piece::Plain }
                }
                _ if words.any(time) || followed && inner.contains(&b'/') => Piece::Strong,
                _ => Piece::Group,
            };
            Some((piece, end))
        }
        // Colours of a terminal.
        0x1B => {
            let length = rest.iter().skip(1).position(u8::is_ascii_alphabetic)?;
            Some((Piece::Group, at + length + 2))
        }
        b'(' => Some((Piece::Group, behind(b')')?)),
        b'<' => {
            let end = behind(b'>')?;
            let number = bytes[at + 1..end - 1].iter().all(u8::is_ascii_digit);
            let version = bytes[end..].iter().take_while(|b| b.is_ascii_digit()).count();
            number.then_some((Piece::Strong, end + version))
        }
        b'#' if rest.starts_with(b"##[") => Some((Piece::Strong, behind(b']')?)),
        b':' if rest.starts_with(b"::") => {
            let end = memchr::memmem::find(&rest[2..], b"::")?;
            Some((Piece::Strong, at + end + 4))
        }
        b'|' | b'-' | b'=' | b'>' | b':' | b'*' | b'~' => {
            let length = rest.iter().take_while(|b| b"|-=>:*~".contains(b)).count();
            Some((Piece::Separator, at + length))
        }
        0x80.. => {
            let mark = text[at..].chars().next()?;
            let sign = !mark.is_alphanumeric();
            sign.then_some((Piece::Separator, at + mark.len_utf8()))
        }
        first if first.is_ascii_alphanumeric() || b"_/@.".contains(&first) => word(bytes, at),
        _ => None,
    }
}

/// A word of a prefix: up to a blank, or behind a colon that is not part of a time.
fn word(bytes: &[u8], at: usize) -> Option<(Piece, usize)> {
    let rest = &bytes[at..];
    let length = rest.iter().take_while(|b| !b.is_ascii_whitespace()).count();
    let whole = &rest[..length];
    let trimmed = whole.strip_suffix(b":").or(whole.strip_suffix(b",")).unwrap_or(whole);
    if is_time(trimmed) || is_level(trimmed) {
        return Some((Piece::Strong, at + length));
    }
    if let Some(equals) = memchr::memchr(b'=', whole)
        && whole[..equals].iter().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b))
    {
        // The value may be the message; in quotes it may hold blanks.
        let value = at + equals + 1;
        let told = whole[equals + 1..].split(|b| b"\"' ".contains(b)).find(|part| !part.is_empty());
        let strong = told.is_some_and(|value| is_time(value) || is_level(value));
        let piece = if strong { Piece::Strong } else { Piece::Separator };
        let message = [&b"msg"[..], b"message", b"event", b"log", b"data", b"payload", b"body"];
        if message.iter().any(|key| key.eq_ignore_ascii_case(&whole[..equals])) {
            return Some((Piece::Separator, value));
        }
        if bytes.get(value) == Some(&b'"') {
            let close = memchr::memchr(b'"', &bytes[value + 1..])?;
            return Some((piece, value + close + 2));
        }
        return Some((piece, at + length));
    }
    let colon = memchr::memchr(b':', whole);
    let name = &whole[..colon.unwrap_or(length)];
    let next = at + colon.map_or(length, |colon| colon + 1);
    // `main.go:12` names a place in a program, and so does `main.go:12]`.
    if let Some(colon) = colon
        && colon + 1 < length
        && whole[colon + 1..].iter().all(|b| b.is_ascii_digit() || b":]".contains(b))
    {
        return Some((Piece::Group, at + length));
    }
    let bare = name.strip_suffix(b"]").unwrap_or(name);
    let process = bare.len() < name.len() && memchr::memchr(b'[', name).is_some()
        || name.ends_with(b")")
            && memchr::memchr(b'(', name)
                .and_then(|open| name.get(open + 1))
                .is_some_and(u8::is_ascii_digit);
    if is_level(name) || process || is_date_word(name) {
        return Some((Piece::Strong, next));
    }
    if !name.iter().all(|b| b.is_ascii_alphanumeric() || b"_.-/@$#+".contains(b) || *b >= 0x80) {
        return None;
    }
    Some((if colon.is_some() { Piece::Separator } else { Piece::Plain }, next))
}

/// Digits with what stands between them in a time or a date, as in `2026-03-13T11:05:32.123Z`.
fn is_time(word: &[u8]) -> bool {
    let word = word.strip_suffix(b".").unwrap_or(word);
    let digits = word.iter().filter(|b| b.is_ascii_digit()).count();
    let parts = word.iter().filter(|b| b":-/.".contains(b)).count();
    word.first().is_some_and(u8::is_ascii_digit)
        && word.iter().all(|b| b.is_ascii_digit() || b":-/.,+TtZz_".contains(b))
        && (digits >= 4 && parts > 0 || digits >= 9)
}

/// A level in any case, or the letter for one, with the tag or the time that some put behind it.
fn is_level(word: &[u8]) -> bool {
    const LEVELS: &[&str] = &[
        "trace",
        "debug",
        "dbg",
        "verbose",
        "info",
        "inf",
        "information",
        "notice",
        "warn",
        "warning",
        "wrn",
        "err",
        "error",
        "severe",
        "crit",
        "critical",
        "alert",
        "fatal",
        "panic",
        "emerg",
        "stdout",
        "stderr",
    ];
    let named =
        |word: &[u8]| LEVELS.iter().any(|level| level.as_bytes().eq_ignore_ascii_case(word));
    match word {
        [letter, b'/', ..] if b"VDIWEF".contains(letter) => true,
        [letter, digits @ ..] if b"VDIWEF".contains(letter) && digits.len() == 4 => {
            digits.iter().all(u8::is_ascii_digit)
        }
        [letter] => b"VDIWEFP".contains(letter),
        _ => named(word),
    }
}

/// `Mar`, `Fri`: a month or a day of the week.
fn is_date_word(word: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun",
    ];
    NAMES.contains(&word)
}
