//! Texts of others, made fit to be printed.

use std::fmt::{self, Write};

/// A value made fit for terminals, logs and one-line messages; see [`printable`].
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a, T: ?Sized> {
    value: &'a T,
    most: usize,
}

/// Shows a value that holds text of others, so that it can neither act on a terminal nor pretend to
/// be a line of its own.
///
/// `Display` writes the value's text. Each character that is invisible or moves something becomes a
/// visible `\u{..}` escape: control characters (line breaks and tabs included), line and paragraph
/// separators, marks that turn the direction of writing, and characters without a width. All else
/// stays as it is, backslashes included, so what is printable already is not changed, and to show a
/// value twice is harmless. At most 1,024 characters of the value are shown, unless
/// [`within`](Printable::within) sets another limit; `…` stands for the rest.
///
/// Every finding and every error of this crate shows what it quotes this way. Use it for whatever
/// else comes from outside: file names, words of a command line.
///
/// ```
/// use coordination_protocol::scalar::printable;
///
/// assert_eq!(printable("x\n::error::forged").to_string(), r"x\u{a}::error::forged");
/// assert_eq!(printable("\u{202e}fdp.exe").to_string(), r"\u{202e}fdp.exe");
/// assert_eq!(printable("größer als 5").to_string(), "größer als 5");
/// assert_eq!(printable("0123456789").within(4).to_string(), "0123…");
/// ```
#[doc(alias = "escape")]
#[doc(alias = "sanitize")]
pub fn printable<T: fmt::Display + ?Sized>(value: &T) -> Printable<'_, T> {
    Printable { value, most: 1024 }
}

impl<T: ?Sized> Printable<'_, T> {
    /// Shows at most `most` characters of the value.
    pub fn within(mut self, most: usize) -> Self {
        self.most = most;
        self
    }
}

impl<T: fmt::Display + ?Sized> fmt::Display for Printable<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { out: f, left: self.most, full: false }, "{}", self.value)
    }
}

/// A formatter behind which everything is printable: for sentences that quote in many places.
pub(crate) struct Escaping<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    left: usize,
    full: bool,
}

impl<'a, 'f> Escaping<'a, 'f> {
    /// A sentence has room for some quoted values.
    pub(crate) fn sentence(out: &'a mut fmt::Formatter<'f>) -> Self {
        Escaping { out, left: 4096, full: false }
    }
}

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.full {
            // Told as written: an error here would be one of whoever formats.
            return Ok(());
        }
        let mut plain = 0;
        for (at, character) in text.char_indices() {
            if self.left == 0 {
                self.full = true;
                self.out.write_str(&text[plain..at])?;
                return self.out.write_char('…');
            }
            self.left -= 1;
            if !is_printable(character) {
                self.out.write_str(&text[plain..at])?;
                write!(self.out, "{}", character.escape_unicode())?;
                plain = at + character.len_utf8();
            }
        }
        self.out.write_str(&text[plain..])
    }
}

/// Whether a character can be shown as itself: it is visible, or an ordinary blank, and moves
/// nothing around it. [`printable`] escapes all others.
///
/// ```
/// use coordination_protocol::scalar::is_printable;
///
/// assert!(is_printable('é') && is_printable(' '));
/// assert!(!is_printable('\n') && !is_printable('\u{202e}'));
/// ```
pub const fn is_printable(character: char) -> bool {
    !matches!(
        character,
        // Control characters: of ASCII, DEL, and the C1 set, which terminals obey as well.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Lines and paragraphs end here for some readers.
        | '\u{2028}' | '\u{2029}'
        // Marks of direction, embeddings, overrides, isolates.
        | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // No width: joiners, soft hyphen, word joiner, invisible operators, byte order mark.
        | '\u{00ad}' | '\u{034f}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}' | '\u{feff}'
        // Fillers, shown as nothing.
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
        // Annotations, and tags, which can hide a whole text.
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}
