//! What may surround a record: a byte order mark, a line end, white space, the quotes of a shell.
//!
//! A line and a message weigh them differently, so this only says what there is. A message may stand
//! between blanks and line breaks, a line may not; a line may be quoted either way, a message in single
//! quotes only, since double quotes would have to be escaped inside it.

use std::ops::Range;

/// White space of JSON.
pub(crate) const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// What surrounds a record, outermost first. What is not there is empty.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The byte order mark.
    pub(crate) mark: Range<usize>,
    /// The carriage return of the line end.
    pub(crate) carriage_return: Range<usize>,
    /// White space in front of it and behind it, without the line end.
    pub(crate) lead: Range<usize>,
    pub(crate) trail: Range<usize>,
    /// The record with its quotes.
    pub(crate) quoted: Range<usize>,
    /// The quote it stands in, if there is a pair of them.
    pub(crate) quote: Option<char>,
    /// White space between the opening quote and the record. What stands before the closing quote is
    /// left to who reads the record, as text behind its end.
    pub(crate) inner_lead: Range<usize>,
    /// The record itself.
    pub(crate) record: Range<usize>,
}

/// Peels a text. One that is nothing but white space is kept as it is.
pub(crate) fn peel(text: &str) -> Surroundings {
    let mark = if text.starts_with('\u{feff}') { 0..'\u{feff}'.len_utf8() } else { 0..0 };
    let start = mark.end;
    let line = &text[start..];
    let line = line.strip_suffix('\n').unwrap_or(line);
    let end = start + line.strip_suffix('\r').unwrap_or(line).len();
    let carriage_return = end..start + line.len();
    let line = &text[start..end];
    let lead = line.len() - line.trim_start_matches(BLANK).len();
    let blank = lead == line.len();
    let (from, to) = if blank {
        (start, end)
    } else {
        (start + lead, start + line.trim_end_matches(BLANK).len())
    };
    let quoted = from..to;
    let line = &text[quoted.clone()];
    let pair = |quote| line.len() >= 2 && line.starts_with(quote) && line.ends_with(quote);
    let quote = ['"', '\''].into_iter().find(|quote| pair(*quote));
    let (inner_lead, record) = if quote.is_some() {
        let inside = &text[from + 1..to - 1];
        let first = to - 1 - inside.trim_start_matches(BLANK).len();
        (from + 1..first, first..to - 1)
    } else {
        (from..from, quoted.clone())
    };
    Surroundings {
        mark,
        carriage_return,
        lead: start..from,
        trail: to..end,
        quoted,
        quote,
        inner_lead,
        record,
    }
}

#[cfg(test)]
mod tests {
    use super::peel;

    #[test]
    fn layers_come_off_from_the_outside() {
        let text = "\u{feff} 'A:b:c:{} ' \r\n";
        let around = peel(text);
        assert_eq!(&text[around.mark.clone()], "\u{feff}");
        assert_eq!(&text[around.carriage_return.clone()], "\r");
        assert_eq!((around.lead.len(), around.trail.len()), (1, 1));
        assert_eq!(around.quote, Some('\''));
        assert_eq!(&text[around.quoted.clone()], "'A:b:c:{} '");
        assert_eq!(&text[around.record], "A:b:c:{} ");
    }

    #[test]
    fn a_lone_quote_and_a_blank_text_are_kept() {
        assert_eq!(peel("'").record, 0..1);
        assert_eq!(peel("\"x").quote, None);
        assert_eq!(peel("''").record, 1..1);
        assert_eq!(peel(" \t").record, 0..2);
        assert_eq!(peel("\r").record, 0..0);
        assert_eq!(peel("").record, 0..0);
    }
}
