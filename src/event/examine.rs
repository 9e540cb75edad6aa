//! The one pass over a line that both ways of reading share.
//!
//! What is asked of a line stands here once. A [`Sink`] decides what becomes of a finding:
//! [`FailFast`] stops at the first error and builds nothing else, [`Collect`] keeps everything.

use super::codec::{Codec, too_long};
use super::field::{FieldType, Misfit, is_placeholder};
use super::line::{Shape, colons, describe, plain_colons};
use super::spec::{FieldSpec, Known};
use crate::finding::{Code, Finding, FindingSeverity, Hint, Report};
use crate::json::{Fault, FaultKind, Kind, Token, Visit, pointer, scan};
use crate::scalar::IdError;
use crate::scalar::id::{self, IdCharset};
use smol_str::SmolStr;
use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Range;

/// Where findings go.
pub(super) trait Sink {
    /// Whether everything is wanted, or only the first error.
    const ALL: bool;

    /// Takes a finding of `code`; `make` builds it if it is wanted. `Break` ends the examination.
    fn push(&mut self, code: Code, make: impl FnOnce() -> Finding) -> ControlFlow<()>;
}

/// Stops at the first error.
pub(super) struct FailFast<'c> {
    codec: &'c Codec,
    first: Option<Box<Finding>>,
}

impl<'c> FailFast<'c> {
    pub(super) fn new(codec: &'c Codec) -> Self {
        FailFast { codec, first: None }
    }

    pub(super) fn into_finding(self) -> Option<Box<Finding>> {
        self.first
    }
}

impl Sink for FailFast<'_> {
    const ALL: bool = false;

    #[inline]
    fn push(&mut self, code: Code, make: impl FnOnce() -> Finding) -> ControlFlow<()> {
        let severity = self.codec.severity(code);
        if severity < FindingSeverity::Error {
            return Continue(());
        }
        self.first = Some(Box::new(make().with_severity(severity)));
        Break(())
    }
}

/// Keeps everything.
pub(super) struct Collect<'c> {
    codec: &'c Codec,
    report: Report,
}

impl<'c> Collect<'c> {
    pub(super) fn new(codec: &'c Codec) -> Self {
        Collect { codec, report: Report::new() }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        let severity = self.codec.severity(finding.code);
        self.report.push(finding.with_severity(severity), self.codec.limits().findings);
    }

    /// The finding that came last.
    pub(super) fn into_last(self) -> Option<Finding> {
        self.report.findings().last().cloned()
    }

    pub(super) fn into_report(mut self) -> Report {
        self.report.sort();
        self.report
    }
}

impl Sink for Collect<'_> {
    const ALL: bool = true;

    fn push(&mut self, code: Code, make: impl FnOnce() -> Finding) -> ControlFlow<()> {
        let severity = self.codec.severity(code);
        if self.report.wants(severity, self.codec.limits().findings) {
            self.add(make());
        } else {
            self.report.omit(severity);
        }
        Continue(())
    }
}

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
    let required: &[FieldSpec] = match codec.registry().find(name) {
        Known::Type(known) => {
            kind = Some(known);
            known.spec().required
        }
        Known::Custom(custom) => &custom.required,
        unknown => {
            unknown_type(codec, name, start..at[0], &unknown, sink).ok()?;
            &[]
        }
    };

    let mut visitor = Visitor {
        text: body,
        sink,
        codec,
        required,
        tells_extras: (S::ALL || codec.severity(Code::UnknownField) == FindingSeverity::Error)
            && (kind.is_some() || codec.registry().knows(name)),
        workflow: at[0] + 1..at[1],
        phase: at[1] + 1..at[2],
        seen: 0,
        expect: Expect::Nothing,
        next: 0,
        extras_from: usize::MAX,
        slots: [None; Shape::SLOTS],
        single_quoted: false,
        line_break: None,
        extras: String::new(),
    };
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

const NO_PHASE: &str = "the phase is missing; an event without one says `global`";

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
fn bad_identifier(part: &str, text: &str, error: &IdError, range: Range<usize>) -> Finding {
    Finding::new(Code::BadIdentifier, range)
        .with_expected("an identifier")
        .with_actual(text)
        .with_detail(smol_str::format_smolstr!("the {part} is not an identifier: {error}"))
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

/// What the next value of the data's top level is.
#[derive(Clone, Copy)]
enum Expect {
    Nothing,
    Required(usize),
    Workflow,
    Phase,
}

struct Visitor<'a, 'r, S> {
    text: &'a str,
    sink: &'a mut S,
    codec: &'r Codec,
    required: &'r [FieldSpec],
    /// Whether a datum that the registry does not ask for is a finding that matters.
    tells_extras: bool,
    workflow: Range<usize>,
    phase: Range<usize>,
    /// One bit a required datum, by its place in the registry.
    seen: u32,
    expect: Expect,
    /// Writers mostly keep the registry's order, so the next key is looked for here first.
    next: usize,
    /// Where the first key starts that is not required, or repeats one that is.
    extras_from: usize,
    slots: [Option<Token>; Shape::SLOTS],
    single_quoted: bool,
    line_break: Option<usize>,
    /// Names of the data that the registry does not ask for, one a line; what a missing one is
    /// compared with. Only kept when everything is wanted.
    extras: String,
}

impl<S: Sink> Visitor<'_, '_, S> {
    /// Scans the data at `from`, to the end of the body. `None` if it is no object or the sink
    /// broke off.
    #[inline]
    fn data(&mut self, from: usize) -> Option<Token> {
        let text = self.text;
        let codec = self.codec;
        if text.as_bytes().get(from) != Some(&b'{') && !self.object_follows(from) {
            return None;
        }
        let scanned = scan(text, from, codec.limits(), self);
        let token = match scanned {
            Ok(token) => token,
            Err(fault) => {
                // These were told when they were met.
                let told = matches!(
                    fault.kind,
                    FaultKind::Stopped
                        | FaultKind::DuplicateKey
                        | FaultKind::BeyondDouble
                        | FaultKind::SingleQuoted
                );
                if !told {
                    let _ = self.broken(&fault);
                }
                return None;
            }
        };
        if token.end() < text.len() && self.trailing(token.end()).is_break() {
            return None;
        }
        if let Some(at) = self.line_break {
            let range = at..at + 1;
            let code = Code::MultiLineData;
            if self.sink.push(code, || Finding::new(code, range)).is_break() {
                return None;
            }
        }
        let all = (1_u64 << self.required.len()) - 1;
        if u64::from(self.seen) != all && self.missing(token).is_break() {
            return None;
        }
        Some(token)
    }

    /// Whether an object follows after white space; reports what does if not.
    #[cold]
    #[inline(never)]
    fn object_follows(&mut self, from: usize) -> bool {
        let rest = &self.text[from..];
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        if trimmed.starts_with('{') {
            return true;
        }
        let at = self.text.len() - trimmed.len();
        let (text, limits) = (self.text, self.codec.limits());
        let phase = self.phase.clone();
        let _ = self.sink.push(Code::DataNotObject, || {
            let found = match scan(text, at, limits, &mut Ignore) {
                Ok(token) => describe(text, token),
                Err(_) if trimmed.is_empty() => "nothing".to_owned(),
                Err(_) if is_placeholder(trimmed) => format!("the placeholder `{trimmed}`"),
                Err(_) => "text that is not JSON".to_owned(),
            };
            let hint = if text[phase.clone()].starts_with('{') {
                Hint::Say(NO_PHASE)
            } else if trimmed.starts_with(['"', '\'']) {
                Hint::Say("the quotes around the data belong to the shell; write the object bare")
            } else if trimmed.starts_with("\\\"") || trimmed.starts_with("{\\\"") {
                Hint::Say(SHELL_ESCAPED)
            } else {
                Hint::None
            };
            Finding::new(Code::DataNotObject, at..text.len()).with_actual(&found).with_hint(hint)
        });
        false
    }

    #[cold]
    #[inline(never)]
    fn broken(&mut self, fault: &Fault) -> ControlFlow<()> {
        let limits = self.codec.limits();
        let (code, expected) = match fault.kind {
            FaultKind::TooDeep => (Code::TooDeep, smol_str::format_smolstr!("{}", limits.depth)),
            FaultKind::TooManyKeys => {
                (Code::TooManyKeys, smol_str::format_smolstr!("{}", limits.keys))
            }
            FaultKind::Unexpected { expected } => (Code::BrokenJson, SmolStr::new_static(expected)),
            _ => (Code::BrokenJson, SmolStr::default()),
        };
        let kind = fault.kind;
        let text = self.text;
        let range = fault.range.clone();
        self.sink.push(code, || {
            let hint = if code == Code::BrokenJson { cause(text, range.start) } else { Hint::None };
            Finding::new(code, range.clone())
                .with_expected(expected)
                .with_actual(text.get(range).unwrap_or_default())
                .with_detail(smol_str::format_smolstr!("{kind}"))
                .with_hint(hint)
        })
    }

    #[cold]
    #[inline(never)]
    fn trailing(&mut self, end: usize) -> ControlFlow<()> {
        let text = self.text;
        let rest = text[end..].trim_start_matches([' ', '\t', '\n', '\r']);
        if rest.is_empty() {
            // Blanks before a shell quote; those at the end of the line were taken off before.
            return self.sink.push(Code::SurroundingSpace, || {
                Finding::new(Code::SurroundingSpace, end..text.len())
            });
        }
        let at = text.len() - rest.len();
        self.sink.push(Code::TrailingText, || {
            let hint = if rest.bytes().all(|b| matches!(b, b'}' | b']')) {
                Hint::Say("a closing bracket too many")
            } else if matches!(rest, "," | ";") {
                Hint::Say("a record ends with its closing brace; remove what follows")
            } else if rest.starts_with(',') {
                Hint::Say("the object was closed too early")
            } else {
                Hint::None
            };
            Finding::new(Code::TrailingText, at..text.len()).with_actual(rest).with_hint(hint)
        })
    }

    #[cold]
    #[inline(never)]
    fn missing(&mut self, data: Token) -> ControlFlow<()> {
        // It would stand inside the braces, so that is where the finding points.
        let at = data.end() - 1;
        let present = SmolStr::new(&self.extras);
        for (index, field) in self.required.iter().enumerate() {
            if self.seen & 1 << index == 0 {
                self.sink.push(Code::MissingData, || {
                    Finding::new(Code::MissingData, at..at + 1)
                        .with_pointer(pointer_to(&field.name))
                        .with_expected(field.name.clone())
                        .with_hint(Hint::Among { present: present.clone() })
                })?;
            }
        }
        Continue(())
    }

    #[cold]
    #[inline(never)]
    fn misfit(&mut self, field: &FieldSpec, value: Token, misfit: Misfit) -> ControlFlow<()> {
        let text = self.text;
        let field_type = field.field_type;
        let code = match misfit {
            Misfit::Kind => Code::WrongKind,
            Misfit::Range => Code::OutOfRange,
            Misfit::Unreadable => Code::UnreadableText,
            Misfit::Word => Code::UnknownWord,
            Misfit::Placeholder => Code::Placeholder,
            Misfit::Identifier => Code::BadIdentifier,
        };
        self.sink.push(code, || {
            let finding = Finding::new(code, value.range()).with_pointer(pointer_to(&field.name));
            match misfit {
                Misfit::Kind => {
                    finding.with_expected(field_type.noun()).with_actual(&describe(text, value))
                }
                Misfit::Identifier => {
                    let meaning = value.decode(text);
                    match id::check(&meaning) {
                        Ok(_) => finding,
                        Err(error) => bad_identifier(&field.name, &meaning, &error, value.range())
                            .with_pointer(finding.pointer),
                    }
                }
                Misfit::Word => {
                    let words = field_type.words().unwrap_or_default();
                    finding
                        .with_expected(SmolStr::from(words.join(", ")))
                        .with_actual(&value.decode(text))
                        .with_hint(Hint::NearestTo { known: SmolStr::from(words.join("\n")) })
                }
                Misfit::Range | Misfit::Unreadable | Misfit::Placeholder => {
                    finding.with_expected(field_type.noun()).with_actual(&value.decode(text))
                }
            }
        })
    }

    /// The data repeats a part of the header; both must agree.
    fn agrees(&mut self, name: &str, header: Range<usize>, value: Token) -> ControlFlow<()> {
        let said = &self.text[header];
        // A number names a phase by its place, not by the name that the header has.
        let by_number = name == "phase" && value.kind() == Kind::Number;
        if by_number || (value.kind() == Kind::Text && value.means(self.text, said)) {
            return Continue(());
        }
        let text = self.text;
        self.sink.push(Code::HeaderMismatch, || {
            Finding::new(Code::HeaderMismatch, value.range())
                .with_pointer(pointer_to(name))
                .with_expected(said)
                .with_actual(&value.decode(text))
        })
    }
}

fn pointer_to(name: &str) -> String {
    let mut pointer = String::with_capacity(name.len() + 1);
    pointer::push_key(&mut pointer, name);
    pointer
}

impl<S: Sink> Visit for Visitor<'_, '_, S> {
    #[inline]
    fn key(&mut self, depth: usize, key: Token) -> ControlFlow<()> {
        if depth != 1 {
            return Continue(());
        }
        let name = key.decode(self.text);
        let name: &str = &name;
        let found = match self.required.get(self.next) {
            Some(field) if field.name == name => Some(self.next),
            _ => self.required.iter().position(|field| field.name == name),
        };
        if let Some(index) = found {
            if self.seen & 1 << index != 0 {
                // The first of the two has lost its place among the required ones.
                self.extras_from = 0;
            }
            self.seen |= 1 << index;
            self.next = index + 1;
            self.expect = Expect::Required(index);
            return Continue(());
        }
        self.extras_from = self.extras_from.min(key.start());
        self.expect = match name {
            "workflow_id" => Expect::Workflow,
            "phase" => Expect::Phase,
            _ => Expect::Nothing,
        };
        if self.tells_extras {
            if self.extras.len() < 1024 {
                self.extras.push_str(name);
                self.extras.push('\n');
            }
            return self.sink.push(Code::UnknownField, || {
                Finding::new(Code::UnknownField, key.range())
                    .with_pointer(pointer_to(name))
                    .with_actual(name)
            });
        }
        Continue(())
    }

    #[inline]
    fn value(&mut self, depth: usize, value: Token) -> ControlFlow<()> {
        if depth != 1 {
            return Continue(());
        }
        match std::mem::replace(&mut self.expect, Expect::Nothing) {
            Expect::Nothing => Continue(()),
            Expect::Workflow => self.agrees("workflow_id", self.workflow.clone(), value),
            Expect::Phase => self.agrees("phase", self.phase.clone(), value),
            Expect::Required(index) => {
                let field = &self.required[index];
                if let Some(slot) = self.slots.get_mut(index) {
                    *slot = Some(value);
                }
                if let Err(misfit) = field.field_type.fits(self.text, value) {
                    self.misfit(field, value, misfit)?;
                }
                let names_workflow =
                    field.field_type == FieldType::Id && field.name == "workflow_id";
                if names_workflow && value.kind() == Kind::Text {
                    return self.agrees("workflow_id", self.workflow.clone(), value);
                }
                Continue(())
            }
        }
    }

    #[cold]
    fn fault(&mut self, fault: &Fault) -> ControlFlow<()> {
        let text = self.text;
        let range = fault.range.clone();
        let code = match fault.kind {
            FaultKind::DuplicateKey => Code::DuplicateKey,
            FaultKind::BeyondDouble => Code::NumberBeyondDouble,
            FaultKind::SingleQuoted => {
                if std::mem::replace(&mut self.single_quoted, true) {
                    return Continue(());
                }
                Code::SingleQuotes
            }
            _ => return Break(()),
        };
        self.sink.push(code, || {
            let finding = Finding::new(code, range.clone());
            match code {
                Code::DuplicateKey => finding
                    .with_pointer(pointer::locate(text, object_start(text), range.start))
                    .with_actual(text.get(range.start + 1..range.end - 1).unwrap_or_default()),
                Code::NumberBeyondDouble => finding
                    .with_pointer(pointer::locate(text, object_start(text), range.start))
                    .with_actual(text.get(range).unwrap_or_default()),
                _ => finding,
            }
        })
    }

    #[inline]
    fn line_break(&mut self, at: usize) {
        self.line_break = Some(at);
    }
}

/// Where the data starts in a body whose header was split.
fn object_start(body: &str) -> usize {
    let behind = colons(body.as_bytes(), 0).map_or(0, |at| at[2] + 1);
    body[behind..].find('{').map_or(behind, |offset| behind + offset)
}

struct Ignore;
impl Visit for Ignore {}

const SHELL_ESCAPED: &str =
    "the quotes are escaped for a shell; write the record as the shell would print it";

/// The usual cause of broken JSON, from what stands around the fault.
#[cold]
fn cause(text: &str, at: usize) -> Hint {
    let bytes = text.as_bytes();
    let here = bytes.get(at).copied();
    let before = bytes[..at].iter().rposition(|b| !b.is_ascii_whitespace());
    let last = before.map(|index| bytes[index]);
    let rest = &text[at..];
    Hint::Say(match (last, here) {
        (Some(b','), Some(b',')) => "a comma is doubled",
        (Some(b','), Some(b'}' | b']')) => "a comma before the closing bracket",
        (_, None) if last == Some(b'}') => "a closing `}` is missing",
        (_, None) => "the record is cut short",
        (_, Some(b'\\')) if bytes.get(at + 1) == Some(&b'"') => SHELL_ESCAPED,
        (_, Some(b'\\')) if bytes.get(at + 1) == Some(&b'u') => {
            "a character beyond U+FFFF takes two `\\u` escapes; write it as itself"
        }
        (_, Some(b'\\')) => "a backslash inside a string is written twice",
        (_, Some(b'T' | b'F' | b'N'))
            if ["True", "False", "None", "NaN"].iter().any(|word| rest.starts_with(word)) =>
        {
            "JSON writes `true`, `false` and `null`; it has no NaN"
        }
        (_, Some(b'+' | b'-' | b'*' | b'/')) if last.is_some_and(|b| b.is_ascii_digit()) => {
            "a sum was not evaluated; JSON has numbers only"
        }
        (Some(b'"'), Some(b'"'))
            if before.is_some_and(|b| b + 1 < at || b == 0 || bytes[b - 1] != b'"') =>
        {
            "a comma is missing"
        }
        (Some(b'"'), Some(b'"')) => {
            "text was pasted between quotes of its own; escape it, for example with `jq -R`"
        }
        (Some(b'"'), Some(byte))
            if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 =>
        {
            "a quote inside the text is not escaped"
        }
        (Some(b'{' | b','), Some(byte)) if byte.is_ascii_alphabetic() || byte == b'_' => {
            "keys stand in double quotes"
        }
        (Some(b'"' | b'}' | b']' | b'0'..=b'9'), Some(b'"' | b'{')) => "a comma is missing",
        (_, Some(b'$')) => "a shell variable was not filled in",
        (Some(b':'), Some(b'}' | b',')) => {
            "the value is empty; an unset shell variable leaves such a hole"
        }
        (Some(b'0'), Some(b'0'..=b'9')) => "numbers have no leading zeros",
        (_, Some(b'\t' | b'\n')) => {
            "inside a string, write a tab as `\\t` and a line break as `\\n`"
        }
        _ if rest.starts_with(['“', '”', '‘', '’']) => {
            "typographic quotes are not JSON; write straight double quotes"
        }
        _ => return Hint::None,
    })
}
