//! Event lines: three colons, then the data as one object.
//!
//! The header is read here, the data by the visitor that reads every object.

use super::cause::{NO_PHASE, SHELL_ESCAPED};
use super::error::ReadError;
use super::faults::{bad_identifier, describe, too_long, unknown_type};
use super::options::Codec;
use super::sink::Sink;
use super::surroundings::{BLANK, peel};
use super::tape::Slots;
use super::visitor::{LineVisitor, Root, scanned};
use crate::finding::{Code, Finding, Hint};
use crate::json::{Token, Visit, scan};
use crate::scalar::id::{self, IdCharset};
use crate::spec::placeholder::is_placeholder;
use crate::spec::{EventType, Known, TypeOrigin, UNTYPED_DATA};
use smol_str::SmolStr;
use std::ops::ControlFlow::{self, Continue};
use std::ops::Range;

/// The first three parts of a line, and the rest; the data is not looked at.
///
/// ```
/// use coordination_protocol::event::EventHeader;
///
/// let header = EventHeader::parse(r#"TASK_FAILED:wf_001:build:{"task_id":"t:1"}"#)?;
/// assert_eq!(header.type_name, "TASK_FAILED");
/// assert_eq!(header.workflow, "wf_001");
/// assert_eq!(header.data, r#"{"task_id":"t:1"}"#);
/// # Ok::<(), coordination_protocol::ReadError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EventHeader<'a> {
    /// The event type's name, registered or not.
    pub type_name: &'a str,
    /// The workflow's identifier, or `global`.
    pub workflow: &'a str,
    /// The phase, or `global`.
    pub phase: &'a str,
    /// Everything behind the third colon.
    pub data: &'a str,
}

/// What the parts of a header are called.
const PARTS: [&str; 3] = ["event type", "workflow", "phase"];

/// Where the three colons of a text are, as far as there are any.
#[inline]
pub(super) fn colons(bytes: &[u8], from: usize) -> Result<[usize; 3], usize> {
    let mut at = [0; 3];
    let mut start = from;
    for (found, slot) in at.iter_mut().enumerate() {
        let Some(offset) = memchr::memchr(b':', bytes.get(start..).unwrap_or_default()) else {
            return Err(found);
        };
        *slot = start + offset;
        start = *slot + 1;
    }
    Ok(at)
}

/// The colons behind three identifiers of recommended characters, found and checked in one go;
/// `None` leaves it to [`colons`] and [`id::check`].
#[inline]
fn plain_colons(bytes: &[u8], from: usize) -> Option<[usize; 3]> {
    let mut at = [0; 3];
    let mut start = from;
    for slot in &mut at {
        let end = id::recommended_end(bytes, start);
        if bytes.get(end) != Some(&b':') || !(1..=id::MAX_CHARS).contains(&(end - start)) {
            return None;
        }
        *slot = end;
        start = end + 1;
    }
    Some(at)
}

impl<'a> EventHeader<'a> {
    /// Splits a line and checks the three identifiers.
    ///
    /// # Errors
    /// The line has fewer than three colons, or a part is no identifier.
    #[inline]
    pub fn parse(line: &'a str) -> Result<Self, ReadError> {
        if let Some(at) = plain_colons(line.as_bytes(), 0) {
            return Ok(EventHeader::cut(line, at));
        }
        EventHeader::unusual(line)
    }

    #[cold]
    fn unusual(line: &'a str) -> Result<Self, ReadError> {
        let at = colons(line.as_bytes(), 0)
            .map_err(|found| ReadError::new(not_an_event(line, 0, found)))?;
        let header = EventHeader::cut(line, at);
        let [a, b, c] = at;
        for (part, range) in PARTS.into_iter().zip([0..a, a + 1..b, b + 1..c]) {
            if let Err(error) = id::check(&line[range.clone()]) {
                let text = &line[range.clone()];
                return Err(ReadError::new(bad_identifier(part, text, &error, range)));
            }
        }
        Ok(header)
    }

    #[inline]
    fn cut(line: &'a str, [a, b, c]: [usize; 3]) -> Self {
        EventHeader {
            type_name: &line[..a],
            workflow: &line[a + 1..b],
            phase: &line[b + 1..c],
            data: &line[c + 1..],
        }
    }

    /// The registered type of the name.
    #[inline]
    pub fn event_type(&self) -> Option<EventType> {
        EventType::lookup(self.type_name)
    }
}

/// Offsets into a checked text: all that is known of it besides its bytes.
#[derive(Clone, Debug)]
pub(crate) struct LineShape {
    pub(crate) origin: TypeOrigin,
    /// Where the type starts; not 0 behind a byte order mark, a blank or a shell quote.
    pub(crate) start: u32,
    pub(crate) colons: [u32; 3],
    pub(crate) data: Token,
    /// Where the first key that is not required starts; behind the data if there is none.
    pub(crate) extras: u32,
    /// Values of the registered type's required fields, in the registry's order.
    pub(crate) fields: [Option<Token>; Slots::MAX],
}

/// Examines a line. `None` if it has no shape that accessors could use, or the sink broke off.
#[inline]
pub(crate) fn examine_line<S: Sink>(codec: &Codec, text: &str, sink: &mut S) -> Option<LineShape> {
    let limits = codec.limits();
    if text.len() > limits.bytes {
        let _ = sink.push(Code::TooLong, || too_long(limits, text.as_bytes()));
        return None;
    }
    let bytes = text.as_bytes();
    let Range { start, end } = match (bytes.first(), bytes.last()) {
        (Some(b'A'..=b'Z'), Some(b'}')) => 0..bytes.len(),
        _ => unwrap(text, sink).ok()?,
    };
    let body = &text[..end];
    let at = match plain_colons(body.as_bytes(), start) {
        Some(at) => at,
        None => unusual_header(body, start, sink)?,
    };
    let name = &body[start..at[0]];
    let known = codec.registry().find(name);
    let root = match known {
        Known::Type(kind) => Root::Spec(kind.spec().data),
        Known::Custom(custom) => Root::Custom(custom),
        Known::Later(_) | Known::Unknown => {
            unregistered(codec, name, start..at[0], &known, sink).continue_value()?;
            Root::Spec(&UNTYPED_DATA)
        }
    };
    let [workflow, phase] = [&body[at[0] + 1..at[1]], &body[at[1] + 1..at[2]]];
    let from = at[2] + 1;
    if bytes.get(from) != Some(&b'{') && !object_follows(codec, body, from, phase, sink) {
        return None;
    }
    let mut visitor = LineVisitor::new(body, codec, sink, Slots::new(), root, from);
    let data = scanned(&mut visitor, body, from)?;
    visitor.agrees([Some(workflow), Some(phase)]).continue_value()?;
    if let Some(at) = visitor.line_break {
        visitor
            .push(Code::MultiLineData, || Finding::new(Code::MultiLineData, at..at + 1))
            .continue_value()?;
    }
    let slots = visitor.tape;
    if data.end() < end {
        behind(body, data.end(), sink).continue_value()?;
    }
    Some(LineShape {
        origin: known.origin(),
        start: start as u32,
        colons: at.map(|colon| colon as u32),
        data,
        extras: slots.extras_from.clamp(data.start() + 1, data.end()) as u32,
        fields: slots.fields,
    })
}

/// Blanks before a shell quote; those at the end of the line were taken off before.
#[cold]
fn behind<S: Sink>(body: &str, end: usize, sink: &mut S) -> ControlFlow<()> {
    if !body[end..].trim_start_matches(BLANK).is_empty() {
        return Continue(());
    }
    sink.push(Code::SurroundingSpace, || Finding::new(Code::SurroundingSpace, end..body.len()))
}

/// Whether an object follows after white space; reports what does if not.
#[cold]
#[inline(never)]
fn object_follows<S: Sink>(
    codec: &Codec,
    text: &str,
    from: usize,
    phase: &str,
    sink: &mut S,
) -> bool {
    let trimmed = text[from..].trim_start_matches(BLANK);
    if trimmed.starts_with('{') {
        return true;
    }
    let at = text.len() - trimmed.len();
    let _ = sink.push(Code::DataNotObject, || {
        let found = match scan(text, at, codec.limits(), &mut Ignore) {
            Ok(token) => describe(text, token),
            Err(_) if trimmed.is_empty() => "nothing".to_owned(),
            Err(_) if is_placeholder(trimmed) => format!("the placeholder `{trimmed}`"),
            Err(_) => "text that is not JSON".to_owned(),
        };
        let hint = if phase.starts_with('{') {
            Hint::Say(NO_PHASE)
        } else if trimmed.starts_with(['"', '\'']) {
            Hint::Say("the quotes around the data belong to the shell; write the object bare")
        } else if trimmed.starts_with("\\\"") || trimmed.starts_with("{\\\"") {
            Hint::Say(SHELL_ESCAPED)
        } else {
            Hint::None
        };
        Finding::new(Code::DataNotObject, at..text.len()).with_actual(&found).hinted(hint)
    });
    false
}

struct Ignore;
impl Visit for Ignore {}

/// Tells what surrounds a line, each a finding: mark, line end, white space, shell quotes.
#[cold]
#[inline(never)]
fn unwrap<S: Sink>(text: &str, sink: &mut S) -> Result<Range<usize>, ()> {
    let around = peel(text);
    for (code, range) in [
        (Code::ByteOrderMark, around.mark),
        (Code::CarriageReturn, around.carriage_return),
        (Code::SurroundingSpace, around.lead),
        (Code::SurroundingSpace, around.trail),
        (Code::ShellQuotes, if around.quote.is_some() { around.quoted } else { 0..0 }),
        (Code::SurroundingSpace, around.inner_lead),
    ] {
        if !range.is_empty() && sink.push(code, || Finding::new(code, range)).is_break() {
            return Err(());
        }
    }
    let Range { start, end } = around.record;
    if text[start..end].starts_with('\u{feff}') {
        // Part of the type, and lost as soon as it stands at the front of a line.
        let range = start..start + '\u{feff}'.len_utf8();
        let flow = sink.push(Code::BadIdentifier, || {
            Finding::new(Code::BadIdentifier, range).with_detail(
                "the event type is not an identifier: it starts with a byte order mark",
            )
        });
        if flow.is_break() {
            return Err(());
        }
    }
    Ok(start..end)
}

/// The colons of a header that has other than recommended characters, or no header at all.
#[inline(never)]
fn unusual_header<S: Sink>(body: &str, start: usize, sink: &mut S) -> Option<[usize; 3]> {
    let document = matches!(body.as_bytes().get(start), Some(b'{' | b'['));
    let at = match colons(body.as_bytes(), start) {
        Ok(at) if !document => at,
        split => {
            let found = split.err().unwrap_or(3);
            let _ = sink.push(Code::NotAnEvent, || not_an_event(body, start, found));
            return None;
        }
    };
    let [a, b, c] = at;
    for (part, range) in PARTS.into_iter().zip([start..a, a + 1..b, b + 1..c]) {
        identifier(part, body, range, sink).continue_value()?;
    }
    Some(at)
}

#[cold]
fn not_an_event(body: &str, start: usize, found: usize) -> Finding {
    let rest = &body[start..];
    let hint = if rest.starts_with(['{', '[']) {
        Hint::Say("this looks like a JSON document; this check reads event lines")
    } else if found == 2 && rest.contains('{') {
        Hint::Say(NO_PHASE)
    } else {
        Hint::None
    };
    let detail = if rest.trim().is_empty() {
        SmolStr::new_static("it is empty")
    } else if rest.starts_with(['{', '[']) {
        SmolStr::new_static("it is a JSON text")
    } else {
        smol_str::format_smolstr!("it has {found} of the 3 colons")
    };
    Finding::new(Code::NotAnEvent, start..body.len())
        .with_expected("EVENT_TYPE:workflow:phase:data")
        .with_actual(rest)
        .with_detail(detail)
        .hinted(hint)
}

#[inline]
fn identifier<S: Sink>(
    part: &'static str,
    body: &str,
    range: Range<usize>,
    sink: &mut S,
) -> ControlFlow<()> {
    let text = &body[range.clone()];
    match id::check(text) {
        Ok(IdCharset::Recommended) => Continue(()),
        Ok(_) if is_placeholder(text) => sink.push(Code::Placeholder, || {
            Finding::new(Code::Placeholder, range)
                .with_expected(smol_str::format_smolstr!("the {part}"))
                .with_actual(text)
        }),
        Ok(_) => sink.push(Code::UnusualIdentifier, || {
            Finding::new(Code::UnusualIdentifier, range).with_detail(part).with_actual(text)
        }),
        Err(error) => sink.push(Code::BadIdentifier, || bad_identifier(part, text, &error, range)),
    }
}

/// An event type that the registry does not have.
#[cold]
#[inline(never)]
fn unregistered<S: Sink>(
    codec: &Codec,
    name: &str,
    range: Range<usize>,
    known: &Known<'_>,
    sink: &mut S,
) -> ControlFlow<()> {
    // An empty or ill-formed name has its own finding.
    if id::check(name).is_err() {
        return Continue(());
    }
    sink.push(Code::UnknownEventType, || unknown_type(codec.registry(), name, range, known))
}
