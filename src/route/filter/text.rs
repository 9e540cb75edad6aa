//! The text form.

use super::error::{FilterError, FilterFault, Location};
use super::field::Field;
use super::test::{self, Comparison, Literal, Test};
use super::{Filter, Node, is_plain};
use crate::json::{Dialect, Json, Limits, check};
use crate::scalar::{Priority, Quantity, Severity, Span};
use smol_str::SmolStr;
use std::fmt;

/// Words that are no text unless they are quoted.
// Reserved everywhere, also where the grammar would allow them: a filter reads the same wherever it
// is put into another one.
const KEYWORDS: &[&str] = &[
    "and", "or", "not", "all", "any", "prefix", "suffix", "severity", "priority", "age", "true",
    "false", "null",
];

/// What stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lexeme<'a> {
    /// A bracket, a comma or a comparison.
    Sign(&'static str),
    /// A run of characters that need no quotes.
    Run(&'a str),
    /// A JSON string with its quotes.
    Quoted(&'a str),
    /// Anything else.
    Odd(char),
    End,
}

/// Longer signs first.
const SIGNS: &[&str] = &["<=", ">=", "==", "!=", "<", ">", "=", "(", ")", ","];

// What identifiers, numbers, times and JSON pointers are made of, so these need no quotes. The rest
// is left for signs, now and later.
fn is_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.:+~/".contains(&byte)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Brackets and `not` that are open.
    depth: usize,
    parts: usize,
}

pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    if text.len() > Filter::MAX_BYTES {
        // Before anything is read: the work of the parser is linear in the text, so this bounds it.
        let fault = FilterFault::TooLong { bytes: text.len() };
        return Err(FilterError { place: Location::Byte(Filter::MAX_BYTES), fault });
    }
    let mut parser = Parser { text, at: 0, depth: 0, parts: 0 };
    // Precedence by descent: `or` of `and` of one, so `and` binds tighter, as in every language
    // that the writers of filters know.
    let filter = parser.any()?;
    let (at, lexeme) = parser.peek();
    match lexeme {
        Lexeme::End => Ok(filter),
        _ => Err(parser.expected("`and`, `or` or the end", at)),
    }
}

impl<'a> Parser<'a> {
    /// What stands next, and where.
    fn peek(&self) -> (usize, Lexeme<'a>) {
        let rest = &self.text[self.at..];
        let inner = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let at = self.text.len() - inner.len();
        let Some(first) = inner.chars().next() else { return (at, Lexeme::End) };
        if let Some(sign) = SIGNS.iter().find(|sign| inner.starts_with(**sign)) {
            return (at, Lexeme::Sign(sign));
        }
        // Only the end is looked for here. Whether it is a JSON string is asked when it is used,
        // where the error can say so.
        if first == '"' {
            let mut escaped = false;
            let end = inner.bytes().skip(1).position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            });
            // Without an end the rest counts as quoted, and the check below says what is missing.
            return (at, Lexeme::Quoted(end.map_or(inner, |end| &inner[..end + 2])));
        }
        let end = inner.bytes().position(|byte| !is_run(byte)).unwrap_or(inner.len());
        (at, if end == 0 { Lexeme::Odd(first) } else { Lexeme::Run(&inner[..end]) })
    }

    /// Steps over what was seen.
    fn skip(&mut self, at: usize, lexeme: Lexeme<'_>) {
        self.at = at
            + match lexeme {
                Lexeme::Sign(text) | Lexeme::Run(text) | Lexeme::Quoted(text) => text.len(),
                Lexeme::Odd(c) => c.len_utf8(),
                Lexeme::End => 0,
            };
    }

    /// Steps over what is next, if it is this.
    fn take(&mut self, wanted: Lexeme<'_>) -> bool {
        let (at, found) = self.peek();
        // Looks first and steps only if it fits, so no caller ever has to step back.
        if found == wanted {
            self.skip(at, found);
        }
        found == wanted
    }

    fn need(&mut self, sign: &'static str, expected: &'static str) -> Result<(), FilterError> {
        if self.take(Lexeme::Sign(sign)) {
            Ok(())
        } else {
            Err(self.expected(expected, self.peek().0))
        }
    }

    fn fail<T>(at: usize, fault: impl Into<FilterFault>) -> Result<T, FilterError> {
        Err(FilterError { place: Location::Byte(at), fault: fault.into() })
    }

    #[cold]
    fn expected(&self, expected: &'static str, at: usize) -> FilterError {
        let found = match self.peek().1 {
            Lexeme::Sign(text) => smol_str::format_smolstr!("`{text}`"),
            Lexeme::Run(text) => smol_str::format_smolstr!("`{}`", cut(text)),
            Lexeme::Quoted(text) => SmolStr::new(cut(text)),
            Lexeme::Odd(c) => smol_str::format_smolstr!("{c:?}"),
            Lexeme::End => SmolStr::new_static("the end"),
        };
        FilterError {
            place: Location::Byte(at),
            fault: FilterFault::Expected { expected, found: found.to_string() },
        }
    }

    /// Filters joined by `or`.
    fn any(&mut self) -> Result<Filter, FilterError> {
        self.joined("or", Self::all, Filter::any)
    }

    /// Filters joined by `and`.
    fn all(&mut self) -> Result<Filter, FilterError> {
        self.joined("and", Self::one, Filter::all)
    }

    fn joined(
        &mut self,
        word: &str,
        one: impl Fn(&mut Self) -> Result<Filter, FilterError>,
        join: impl Fn(Vec<Filter>) -> Result<Filter, FilterError>,
    ) -> Result<Filter, FilterError> {
        // A chain that gets too deep or too long is reported where it starts: its parts are sound.
        let start = self.peek().0;
        let first = one(self)?;
        // One filter alone is not wrapped: `a` and `all(a)` are different filters, and each prints
        // as it was written.
        if self.peek().1 != Lexeme::Run(word) {
            return Ok(first);
        }
        let mut filters = vec![first];
        while self.take(Lexeme::Run(word)) {
            filters.push(one(self)?);
        }
        join(filters).map_err(|error| error.or_at(|| Location::Byte(start)))
    }

    /// A test, a list, or what stands in brackets or behind `not`.
    fn one(&mut self) -> Result<Filter, FilterError> {
        let (at, lexeme) = self.peek();
        // Counted before anything is kept, so that a long text costs no more than a short one.
        self.parts += 1;
        if self.parts > Filter::MAX_PARTS {
            return Parser::fail(at, FilterFault::TooManyParts);
        }
        let inner: fn(&mut Self) -> Result<Filter, FilterError> = match lexeme {
            Lexeme::Sign("(") => |parser| {
                let inner = parser.any()?;
                parser.need(")", "`and`, `or` or `)`")?;
                // Brackets group and are no part: `(a)` is `a`, so it counts once. The depth still
                // grows, because they recurse.
                parser.parts -= 1;
                Ok(inner)
            },
            Lexeme::Run("not") => |parser| Filter::not(parser.one()?),
            Lexeme::Run("all") => |parser| Filter::all(parser.list()?),
            Lexeme::Run("any") => |parser| Filter::any(parser.list()?),
            _ => return self.test(),
        };
        self.skip(at, lexeme);
        self.depth += 1;
        // Bounds the recursion of this parser. `Filter::not` and its like check the depth of the
        // result as well, which is not the same: brackets add none.
        if self.depth > Filter::MAX_DEPTH {
            return Parser::fail(at, FilterFault::TooDeep);
        }
        let filter = inner(self).map_err(|error| error.or_at(|| Location::Byte(at)))?;
        self.depth -= 1;
        Ok(filter)
    }

    /// Filters in brackets.
    fn list(&mut self) -> Result<Vec<Filter>, FilterError> {
        self.need("(", "`(`")?;
        let mut filters = Vec::new();
        // `all()` and `any()` are everything and nothing, which programs write when their list is
        // empty.
        if self.take(Lexeme::Sign(")")) {
            return Ok(filters);
        }
        loop {
            filters.push(self.any()?);
            if !self.take(Lexeme::Sign(",")) {
                self.need(")", "`and`, `or`, `,` or `)`")?;
                return Ok(filters);
            }
        }
    }

    fn test(&mut self) -> Result<Filter, FilterError> {
        let (at, name) = self.peek();
        if let Lexeme::Run(scale @ ("severity" | "priority" | "age")) = name {
            self.skip(at, name);
            let field = if self.take(Lexeme::Sign("(")) {
                let field = self.field()?;
                self.need(")", "`)`")?;
                Some(field)
            } else {
                None
            };
            // `severity`, `priority` and `age` are words of the grammar and may be fields, too:
            // `priority > 3` is a test of the header. What follows decides.
            let (sign_at, sign) = self.peek();
            match (scale, sign, &field) {
                ("severity" | "priority", Lexeme::Sign(">="), _) => {
                    // A number is compared with the header's priority, whatever stands there.
                    let before = self.at;
                    self.skip(sign_at, sign);
                    let (word_at, word) = self.text_or_run()?;
                    if scale == "priority" && field.is_none() && Quantity::is_valid(&word) {
                        self.at = before;
                        return self.compared(test::priority());
                    }
                    let fault = |error| FilterError {
                        place: Location::Byte(word_at),
                        fault: FilterFault::Scalar(error),
                    };
                    return if scale == "severity" {
                        Filter::min_severity(field, &word.parse::<Severity>().map_err(fault)?)
                    } else {
                        Filter::min_priority(field, &word.parse::<Priority>().map_err(fault)?)
                    };
                }
                ("age", Lexeme::Sign("<="), _) => {
                    self.skip(sign_at, sign);
                    let (span_at, span) = self.text_or_run()?;
                    let place = || Location::Byte(span_at);
                    let span = span.parse::<Span>();
                    let span =
                        span.map_err(|error| FilterError { place: place(), fault: error.into() })?;
                    return Filter::max_age(field, &span).map_err(|error| error.or_at(place));
                }
                ("priority", _, None) => return self.compared(test::priority()),
                ("age", ..) => return Err(self.expected("`<=`", sign_at)),
                _ => return Err(self.expected("`>=`", sign_at)),
            }
        }
        let field = self.field()?;
        self.compared(field)
    }

    fn field(&mut self) -> Result<Field, FilterError> {
        let (at, lexeme) = self.peek();
        let name = match lexeme {
            // `priority` is the one keyword that is a field of the header, too.
            Lexeme::Run(name) if !KEYWORDS.contains(&name) || name == "priority" => {
                SmolStr::new(name)
            }
            Lexeme::Quoted(quoted) => unquoted(quoted, at)?,
            _ => return Err(self.expected("a field or a JSON pointer", at)),
        };
        self.skip(at, lexeme);
        Field::parse(&name).map_err(|error| error.or_at(|| Location::Byte(at)))
    }

    /// A comparison of a field, and its value.
    fn compared(&mut self, field: Field) -> Result<Filter, FilterError> {
        let (at, lexeme) = self.peek();
        let refused = |found, instead| Parser::fail(at, FilterFault::Comparison { found, instead });
        match lexeme {
            // These are what writers of other languages type first. They are read as signs only to
            // be answered with what to write instead.
            Lexeme::Sign("==") => return refused("==", "="),
            Lexeme::Sign("!=") => return refused("!=", "not FIELD = VALUE"),
            Lexeme::Sign("=" | "<" | "<=" | ">" | ">=") | Lexeme::Run("prefix" | "suffix") => {}
            _ => return Err(self.expected("a comparison such as `=`, `>=` or `prefix`", at)),
        }
        self.skip(at, lexeme);
        let (value_at, filter) = match lexeme {
            Lexeme::Run(word) => {
                let (value_at, part) = self.part_of_text()?;
                let filter = match word {
                    "prefix" => Filter::prefix(field, &part),
                    _ => Filter::suffix(field, &part),
                };
                (value_at, filter)
            }
            Lexeme::Sign(sign) if sign != "=" => {
                let (value_at, value) = self.value()?;
                let Literal::Number(number) = value else {
                    // Looked at again, to tell what was found.
                    self.at = value_at;
                    return Err(self.expected("a number", value_at));
                };
                let comparison = Comparison::ALL.iter().find(|known| known.as_str() == sign);
                let comparison = comparison.copied().unwrap_or(Comparison::AtLeast);
                (value_at, Filter::compare(field, comparison, number))
            }
            _ => {
                let (value_at, value) = self.value()?;
                (value_at, Filter::exact(field, value))
            }
        };
        filter.map_err(|error| error.or_at(|| Location::Byte(value_at)))
    }

    /// A value, and where it stands.
    fn value(&mut self) -> Result<(usize, Literal), FilterError> {
        let (at, lexeme) = self.peek();
        let value = match lexeme {
            Lexeme::Quoted(quoted) => Literal::Text(unquoted(quoted, at)?.as_str().into()),
            Lexeme::Run("true") => Literal::Bool(true),
            Lexeme::Run("false") => Literal::Bool(false),
            Lexeme::Run("null") => Literal::Null,
            // Letters first, so `wf_1` is text and `1.5` is a number; what could be either, such as
            // `2025-01-15`, needs quotes and is told so below.
            Lexeme::Run(run) if is_bare(run) => Literal::Text(run.into()),
            Lexeme::Run(run) if !KEYWORDS.contains(&run) => match Quantity::parse(run) {
                Ok(number) => Literal::Number(number),
                Err(_) => {
                    return Parser::fail(at, FilterFault::Unquoted { found: cut(run).into() });
                }
            },
            _ => return Err(self.expected("a value", at)),
        };
        self.skip(at, lexeme);
        Ok((at, value))
    }

    /// What a text starts or ends with: a text, whatever it looks like.
    fn part_of_text(&mut self) -> Result<(usize, SmolStr), FilterError> {
        let (at, lexeme) = self.peek();
        let text = match lexeme {
            Lexeme::Run(run) if !KEYWORDS.contains(&run) => SmolStr::new(run),
            Lexeme::Quoted(quoted) => unquoted(quoted, at)?,
            _ => return Err(self.expected("a text", at)),
        };
        self.skip(at, lexeme);
        Ok((at, text))
    }

    /// A word of a scale or a duration, quoted or not.
    fn text_or_run(&mut self) -> Result<(usize, SmolStr), FilterError> {
        let (at, lexeme) = self.peek();
        let text = match lexeme {
            Lexeme::Run(run) => SmolStr::new(run),
            Lexeme::Quoted(quoted) => unquoted(quoted, at)?,
            _ => return Err(self.expected("a word", at)),
        };
        self.skip(at, lexeme);
        Ok((at, text))
    }
}

/// The start of a long text.
fn cut(text: &str) -> &str {
    // An error quotes what it found, and that may be 16 KiB of a stranger.
    let end = text.char_indices().nth(40).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// Whether a text can stand as a value without quotes.
fn is_bare(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| is_run(byte) && byte != b'/' && byte != b'~')
        && !KEYWORDS.contains(&text)
}

fn unquoted(quoted: &str, at: usize) -> Result<SmolStr, FilterError> {
    // The strict scanner, so a text in a filter has no other escapes than a text in a message.
    check(quoted, Dialect::Strict, &Limits::default()).map_err(|fault| FilterError {
        place: Location::Byte(at),
        fault: FilterFault::Quoted { reason: fault.to_string() },
    })?;
    Ok(Json::from_valid(quoted).to_text().unwrap_or_default().into())
}

/// How tightly a node binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Any,
    All,
    One,
}

pub(super) fn write(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    write_at(f, node, Binding::Any)
}

/// Writes a node where one that binds less than `least` needs brackets.
fn write_at(f: &mut fmt::Formatter<'_>, node: &Node, least: Binding) -> fmt::Result {
    let (nodes, own, word, list) = match node {
        Node::All(nodes) => (nodes, Binding::All, " and ", "all"),
        Node::Any(nodes) => (nodes, Binding::Any, " or ", "any"),
        Node::Not(node) => {
            f.write_str("not ")?;
            return write_at(f, node, Binding::One);
        }
        Node::Test(test) => return write_test(f, test),
    };
    // A list of none or one has no infix form that reads back as a list.
    if nodes.len() < 2 {
        write!(f, "{list}(")?;
        nodes.iter().try_for_each(|node| write_at(f, node, Binding::Any))?;
        return f.write_str(")");
    }
    let brackets = own < least;
    if brackets {
        f.write_str("(")?;
    }
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        // The same kind inside needs brackets, too, to stay a part of its own.
        write_at(f, node, if own == Binding::Any { Binding::All } else { Binding::One })?;
    }
    if brackets { f.write_str(")") } else { Ok(()) }
}

fn write_test(f: &mut fmt::Formatter<'_>, test: &Test) -> fmt::Result {
    match test {
        Test::Exact(field, value) => {
            write_field(f, field)?;
            f.write_str(" = ")?;
            match value {
                Literal::Text(value) => write_text(f, value),
                Literal::Number(number) => write!(f, "{number}"),
                Literal::Bool(value) => write!(f, "{value}"),
                Literal::Null => f.write_str("null"),
            }
        }
        Test::Prefix(field, part) | Test::Suffix(field, part) => {
            write_field(f, field)?;
            f.write_str(if matches!(test, Test::Prefix(..)) { " prefix " } else { " suffix " })?;
            write_text(f, part)
        }
        Test::Compare(field, comparison, number) => {
            write_field(f, field)?;
            write!(f, " {comparison} {number}")
        }
        Test::Severity(field, least) => {
            write_scale(f, "severity", field, &test::severity())?;
            write!(f, " >= {least}")
        }
        Test::Priority(field, least) => {
            write_scale(f, "priority", field, &test::priority())?;
            write!(f, " >= {least}")
        }
        Test::Age(field, max_age, _) => {
            write_scale(f, "age", field, &test::timestamp())?;
            // A duration may have blanks in it, `2h 30m`, and then needs quotes to read back.
            let plain = max_age.as_str().bytes().all(is_run);
            if plain { write!(f, " <= {max_age}") } else { write!(f, " <= \"{max_age}\"") }
        }
    }
}

fn write_scale(
    f: &mut fmt::Formatter<'_>,
    scale: &str,
    field: &Field,
    default: &Field,
) -> fmt::Result {
    f.write_str(scale)?;
    if field == default {
        return Ok(());
    }
    f.write_str("(")?;
    write_field(f, field)?;
    f.write_str(")")
}

fn write_field(f: &mut fmt::Formatter<'_>, field: &Field) -> fmt::Result {
    let text = field.as_str();
    if is_plain(text) { f.write_str(text) } else { write!(f, "{}", Json::text(text)) }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if is_bare(text) { f.write_str(text) } else { write!(f, "{}", Json::text(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexemes(text: &str) -> Vec<Lexeme<'_>> {
        let mut parser = Parser { text, at: 0, depth: 0, parts: 0 };
        let mut found = Vec::new();
        loop {
            let (at, lexeme) = parser.peek();
            if lexeme == Lexeme::End {
                return found;
            }
            found.push(lexeme);
            parser.skip(at, lexeme);
        }
    }

    #[test]
    fn a_text_is_cut_into_lexemes() {
        use Lexeme::{Odd, Quoted, Run, Sign};
        assert_eq!(lexemes("/a<=1"), [Run("/a"), Sign("<="), Run("1")]);
        assert_eq!(lexemes("a ==b!=c"), [Run("a"), Sign("=="), Run("b"), Sign("!="), Run("c")]);
        // An escaped quote does not end a text, an escaped backslash before it does.
        assert_eq!(
            lexemes(r#""a\"b" "c\\" d"#),
            [Quoted(r#""a\"b""#), Quoted(r#""c\\""#), Run("d")]
        );
        // Without an end it goes to the end, and is refused when it is used.
        assert_eq!(lexemes("\"open (x"), [Quoted("\"open (x")]);
        assert_eq!(lexemes("é!"), [Odd('é'), Odd('!')]);
        assert_eq!(lexemes(" \t\r\n"), []);
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tightest() {
        let same = |a: &str, b: &str| assert_eq!(parse(a).unwrap(), parse(b).unwrap(), "{a}");
        same("/a = 1 or /b = 2 and /c = 3", "any(/a = 1, all(/b = 2, /c = 3))");
        same("(/a = 1 or /b = 2) and /c = 3", "all(any(/a = 1, /b = 2), /c = 3)");
        same("not /a = 1 and /b = 2", "all(not /a = 1, /b = 2)");
        same("((/a = 1))", "/a = 1");
        // Chains are one list, and what stands in brackets stays a list of its own.
        same("/a = 1 and /b = 2 and /c = 3", "all(/a = 1, /b = 2, /c = 3)");
        assert_ne!(parse("/a = 1 and (/b = 2 and /c = 3)"), parse("/a = 1 and /b = 2 and /c = 3"));
        assert_ne!(parse("all(/a = 1)"), parse("/a = 1"));
    }

    #[test]
    fn depth_and_parts_are_bounded_before_they_cost() {
        let nested = |depth| format!("{}/a = 1{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(Filter::MAX_DEPTH)).is_ok());
        let deep = parse(&nested(Filter::MAX_DEPTH + 1)).unwrap_err();
        assert_eq!((deep.at(), deep.fault()), (Some(Filter::MAX_DEPTH), &FilterFault::TooDeep));
        // One part is the list itself.
        let chain = |tests: usize| vec!["/a = 1"; tests].join(" or ");
        assert!(parse(&chain(Filter::MAX_PARTS - 1)).is_ok());
        let long = parse(&chain(Filter::MAX_PARTS)).unwrap_err();
        assert_eq!((long.at(), long.fault()), (Some(0), &FilterFault::TooManyParts));
        let longer = parse(&chain(Filter::MAX_PARTS + 1)).unwrap_err();
        assert_eq!(longer.at(), Some(Filter::MAX_PARTS * "/a = 1 or ".len()));
        // Brackets are no part, so they do not use the bound up.
        let brackets = vec!["(/a = 1)"; Filter::MAX_PARTS - 1].join(" or ");
        assert!(parse(&brackets).is_ok());
        let bytes = parse(&" ".repeat(Filter::MAX_BYTES + 1)).unwrap_err();
        assert!(matches!(bytes.fault(), FilterFault::TooLong { .. }));
    }

    #[test]
    fn words_of_the_grammar_are_fields_where_they_can_be() {
        let json = |text: &str| parse(text).unwrap().to_json().to_string();
        assert_eq!(
            json("priority >= high"),
            r#"{"min_priority":{"field":"priority","value":"high"}}"#
        );
        // A number is compared with the header's priority.
        assert_eq!(
            json("priority >= 3"),
            r#"{"compare":{"field":"priority","op":">=","value":3}}"#
        );
        assert_eq!(
            json("severity(/level) >= high"),
            r#"{"min_severity":{"field":"/level","value":"high"}}"#
        );
        assert!(parse("severity > high").is_err());
        assert!(parse("prefix = a").is_err());
        assert_eq!(json("/a = \"and\""), r#"{"exact":{"field":"/a","value":"and"}}"#);
    }
}
