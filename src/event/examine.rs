//! The one pass over a line that both ways of reading share.
//!
//! What is asked of a line stands here and in [`data`](super::data) once; a
//! [`Sink`](super::sink::Sink) decides what becomes of a finding.

use super::cause::NO_PHASE;
use super::codec::Codec;
use super::data::Visitor;
use super::faults::{bad_identifier, too_long};
use super::field::is_placeholder;
use super::line::{Shape, colons, plain_colons};
use super::sink::Sink;
use super::spec::{FieldSpec, Known};
use crate::finding::{Code, Finding, Hint};
use crate::json::Token;
use crate::scalar::id::{self, IdCharset};
use smol_str::SmolStr;
use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Range;

/// Examines a record. `None` if it has no shape that accessors could use, or the sink broke off.
#[inline]
pub(super) fn examine<S: Sink>(codec: &Codec, text: &str, sink: &mut S) -> Option<Shape> {
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

    let mut kind = None;
    let mut registered = true;
    let required: &[FieldSpec] = match codec.registry().find(name) {
        Known::Type(known) => {
            kind = Some(known);
            known.spec().required
        }
        Known::Custom(custom) => &custom.required,
        unknown => {
            registered = false;
            unknown_type(codec, name, start..at[0], &unknown, sink).ok()?;
            &[]
        }
    };

    let header = [Some(&body[at[0] + 1..at[1]]), Some(&body[at[1] + 1..at[2]])];
    let mut visitor = Visitor::new(codec, body, sink, required, registered, header);
    let data = visitor.data(at[2] + 1)?;
    Some(Shape {
        kind,
        start: start as u32,
        colons: at.map(|colon| colon as u32),
        data,
        // Data of the caller's own types has no typed form: all of it is extra.
        extras: match kind {
            Some(_) => visitor.extras_from.clamp(data.start() + 1, data.end()) as u32,
            None => data.start() as u32 + 1,
        },
        slots: if kind.is_some() { visitor.slots } else { [None; Shape::SLOTS] },
    })
}

/// The data of an event whose parts stand in a document.
pub(crate) struct EventDataIn<'a> {
    pub(crate) text: &'a str,
    pub(crate) name: &'a str,
    pub(crate) name_range: Range<usize>,
    /// Told by functions, since nobody asks for the place of a sound event.
    pub(crate) name_pointer: &'a dyn Fn() -> String,
    /// Absent where the document does without.
    pub(crate) workflow: Option<&'a str>,
    pub(crate) phase: Option<&'a str>,
    pub(crate) data: Token,
    pub(crate) data_pointer: &'a dyn Fn() -> String,
}

impl Codec {
    /// Examines the data of an event in a document that was scanned before. `None` if the sink
    /// broke off.
    pub(crate) fn examine_data<S: Sink>(&self, parts: EventDataIn<'_>, sink: &mut S) -> Option<()> {
        let mut registered = true;
        let required: &[FieldSpec] = match self.registry().find(parts.name) {
            Known::Type(known) => known.spec().required,
            Known::Custom(custom) => &custom.required,
            unknown => {
                registered = false;
                let flow = unknown_type(
                    self,
                    parts.name,
                    parts.name_range,
                    &unknown,
                    &mut At { sink, pointer: parts.name_pointer },
                );
                flow.ok()?;
                &[]
            }
        };
        let body = &parts.text[..parts.data.end()];
        let header = [parts.workflow, parts.phase];
        Visitor::new(self, body, sink, required, registered, header)
            .inside(parts.data_pointer)
            .data(parts.data.start())
            .map(|_| ())
    }
}

/// Puts findings at a pointer.
struct At<'s, S> {
    sink: &'s mut S,
    pointer: &'s dyn Fn() -> String,
}

impl<S: Sink> Sink for At<'_, S> {
    const ALL: bool = S::ALL;

    fn push(&mut self, code: Code, make: impl FnOnce() -> Finding) -> ControlFlow<()> {
        self.sink.push(code, || make().with_pointer((self.pointer)()))
    }
}

/// Takes off what may surround a record, each a finding: mark, line end, white space, shell quotes.
#[cold]
#[inline(never)]
fn unwrap<S: Sink>(text: &str, sink: &mut S) -> Result<Range<usize>, ()> {
    let mut push = |code, range: Range<usize>| match sink.push(code, || Finding::new(code, range)) {
        Continue(()) => Ok(()),
        Break(()) => Err(()),
    };
    let mut start = 0;
    let mut end = text.len();
    if text.starts_with('\u{feff}') {
        start = '\u{feff}'.len_utf8();
        push(Code::ByteOrderMark, 0..start)?;
    }
    if let Some(line) = text[start..end].strip_suffix('\n') {
        end = start + line.len();
        if line.ends_with('\r') {
            end -= 1;
            push(Code::CarriageReturn, end..end + 1)?;
        }
    } else if text[start..end].ends_with('\r') {
        end -= 1;
        push(Code::CarriageReturn, end..end + 1)?;
    }
    let line = &text[start..end];
    let blank = [' ', '\t', '\n', '\r'];
    let lead = line.len() - line.trim_start_matches(blank).len();
    let trail = line.len() - line.trim_end_matches(blank).len();
    if lead == line.len() {
        return Ok(start..end);
    }
    if lead > 0 {
        push(Code::SurroundingSpace, start..start + lead)?;
    }
    if trail > 0 {
        push(Code::SurroundingSpace, end - trail..end)?;
    }
    start += lead;
    end -= trail;
    let line = &text[start..end];
    let quoted = |quote| line.len() >= 2 && line.starts_with(quote) && line.ends_with(quote);
    if quoted('"') || quoted('\'') {
        push(Code::ShellQuotes, start..end)?;
        start += 1;
        end -= 1;
        let line = &text[start..end];
        let lead = line.len() - line.trim_start_matches(blank).len();
        if lead > 0 {
            push(Code::SurroundingSpace, start..start + lead)?;
            start += lead;
        }
    }
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
    identifier("event type", body, start..at[0], sink).ok()?;
    identifier("workflow", body, at[0] + 1..at[1], sink).ok()?;
    identifier("phase", body, at[1] + 1..at[2], sink).ok()?;
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
        .with_hint(hint)
}

#[inline]
fn identifier<S: Sink>(
    part: &'static str,
    body: &str,
    range: Range<usize>,
    sink: &mut S,
) -> Result<(), ()> {
    let text = &body[range.clone()];
    let flow = match id::check(text) {
        Ok(IdCharset::Recommended) => return Ok(()),
        Ok(_) if is_placeholder(text) => sink.push(Code::Placeholder, || {
            Finding::new(Code::Placeholder, range)
                .with_expected(smol_str::format_smolstr!("the {part}"))
                .with_actual(text)
        }),
        Ok(_) => sink.push(Code::UnusualIdentifier, || {
            Finding::new(Code::UnusualIdentifier, range).with_detail(part).with_actual(text)
        }),
        Err(error) => sink.push(Code::BadIdentifier, || bad_identifier(part, text, &error, range)),
    };
    match flow {
        Continue(()) => Ok(()),
        Break(()) => Err(()),
    }
}

#[cold]
#[inline(never)]
fn unknown_type<S: Sink>(
    codec: &Codec,
    name: &str,
    range: Range<usize>,
    unknown: &Known<'_>,
    sink: &mut S,
) -> Result<(), ()> {
    // An empty or ill-formed name has its own finding.
    if id::check(name).is_err() {
        return Ok(());
    }
    let flow = sink.push(Code::UnknownEventType, || {
        let finding = Finding::new(Code::UnknownEventType, range).with_actual(name);
        match unknown {
            Known::Later(kind) => finding.with_detail(smol_str::format_smolstr!(
                " in protocol {}; it came with {}",
                codec.registry().version(),
                kind.spec().since
            )),
            _ if name.starts_with(['"', '\'']) => finding.with_hint(Hint::Say(
                "a shell quote was opened and not closed; quotes around a record come in pairs",
            )),
            _ => finding.with_hint(Hint::NearestTo { known: codec.registry().names().clone() }),
        }
    });
    match flow {
        Continue(()) => Ok(()),
        Break(()) => Err(()),
    }
}
