//! The data of a record: one scan, and what is asked of its top level.

use super::cause::{NO_PHASE, SHELL_ESCAPED};
use super::codec::Codec;
use super::faults::{self, describe};
use super::field::{FieldType, Misfit, is_placeholder};
use super::line::Shape;
use super::sink::Sink;
use super::spec::FieldSpec;
use crate::finding::{Code, Finding, FindingSeverity, Hint};
use crate::json::{Fault, FaultKind, Kind, Token, Visit, pointer, scan};
use smol_str::SmolStr;
use std::ops::ControlFlow::{self, Break, Continue};

/// What the next value of the data's top level is.
#[derive(Clone, Copy)]
enum Expect {
    Nothing,
    Required(usize),
    Workflow,
    Phase,
}

pub(super) struct Visitor<'a, 'r, S> {
    text: &'a str,
    sink: &'a mut S,
    codec: &'r Codec,
    required: &'r [FieldSpec],
    /// Whether a field that the registry does not ask for is a finding that matters.
    tells_extras: bool,
    workflow: Option<&'a str>,
    phase: Option<&'a str>,
    /// Tells the pointer of the data in its document; `None` for a line.
    base: Option<&'a dyn Fn() -> String>,
    /// One bit a required field, by its place in the registry.
    seen: u32,
    expect: Expect,
    /// Writers mostly keep the registry's order, so the next key is looked for here first.
    next: usize,
    /// Where the first key starts that is not required, or repeats one that is.
    pub(super) extras_from: usize,
    pub(super) slots: [Option<Token>; Shape::SLOTS],
    /// Where the data starts.
    root: usize,
    single_quoted: bool,
    line_break: Option<usize>,
    /// Names of the data that the registry does not ask for, one a line; what a missing one is
    /// compared with. Only kept when everything is wanted.
    extras: String,
}

impl<'a, 'r, S: Sink> Visitor<'a, 'r, S> {
    /// A visitor of the data of an event in a workflow's phase. The extra data of a `registered`
    /// type is told.
    #[inline]
    pub(super) fn new(
        codec: &'r Codec,
        text: &'a str,
        sink: &'a mut S,
        required: &'r [FieldSpec],
        registered: bool,
        [workflow, phase]: [Option<&'a str>; 2],
    ) -> Self {
        let extras_matter = S::ALL || codec.severity(Code::UnknownField) == FindingSeverity::Error;
        Visitor {
            text,
            sink,
            codec,
            required,
            tells_extras: extras_matter && registered,
            workflow,
            phase,
            base: None,
            seen: 0,
            expect: Expect::Nothing,
            next: 0,
            extras_from: usize::MAX,
            slots: [None; Shape::SLOTS],
            root: 0,
            single_quoted: false,
            line_break: None,
            extras: String::new(),
        }
    }

    /// The data stands in a document, at a pointer.
    pub(super) fn inside(mut self, pointer: &'a dyn Fn() -> String) -> Self {
        self.base = Some(pointer);
        self
    }

    /// Scans the data at `from`, to the end of the body. `None` if it is no object or the sink
    /// broke off.
    #[inline]
    pub(super) fn data(&mut self, from: usize) -> Option<Token> {
        let text = self.text;
        let codec = self.codec;
        if text.as_bytes().get(from) != Some(&b'{') && !self.object_follows(from) {
            return None;
        }
        self.root = from;
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
        if let Some(at) = self.line_break
            && self.base.is_none()
        {
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
        let phase = self.phase;
        let _ = self.sink.push(Code::DataNotObject, || {
            let found = match scan(text, at, limits, &mut Ignore) {
                Ok(token) => describe(text, token),
                Err(_) if trimmed.is_empty() => "nothing".to_owned(),
                Err(_) if is_placeholder(trimmed) => format!("the placeholder `{trimmed}`"),
                Err(_) => "text that is not JSON".to_owned(),
            };
            let hint = if phase.is_some_and(|phase| phase.starts_with('{')) {
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
        let (text, limits) = (self.text, self.codec.limits());
        self.sink.push(faults::broken_code(fault), || faults::broken(text, limits, fault))
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
        self.sink.push(Code::TrailingText, || faults::trailing(text, at))
    }

    #[cold]
    #[inline(never)]
    fn missing(&mut self, data: Token) -> ControlFlow<()> {
        // It would stand inside the braces, so that is where the finding points.
        let at = data.end() - 1;
        let present = SmolStr::new(&self.extras);
        for (index, field) in self.required.iter().enumerate() {
            if self.seen & 1 << index == 0 {
                let pointer = self.pointer_to(&field.name);
                self.sink.push(Code::MissingData, || {
                    Finding::new(Code::MissingData, at..at + 1)
                        .with_pointer(pointer)
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
        let pointer = self.pointer_to(&field.name);
        self.sink.push(faults::misfit_code(misfit), || {
            faults::misfit(text, field.field_type, &field.name, pointer, value, misfit)
        })
    }

    #[cold]
    fn pointer_to(&self, name: &str) -> String {
        let mut pointer = self.base.map_or_else(String::new, |base| base());
        pointer::push_key(&mut pointer, name);
        pointer
    }

    /// The data repeats a part of the header; both must agree.
    fn agrees(&mut self, name: &str, said: Option<&str>, value: Token) -> ControlFlow<()> {
        let Some(said) = said else { return Continue(()) };
        // A number names a phase by its place, not by the name that the header has.
        let by_number = name == "phase" && value.kind() == Kind::Number;
        if by_number || (value.kind() == Kind::Text && value.means(self.text, said)) {
            return Continue(());
        }
        let text = self.text;
        let pointer = self.pointer_to(name);
        self.sink.push(Code::HeaderMismatch, || {
            Finding::new(Code::HeaderMismatch, value.range())
                .with_pointer(pointer)
                .with_expected(said)
                .with_actual(&value.decode(text))
        })
    }
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
            let pointer = self.pointer_to(name);
            return self.sink.push(Code::UnknownField, || {
                Finding::new(Code::UnknownField, key.range())
                    .with_pointer(pointer)
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
            Expect::Workflow => self.agrees("workflow_id", self.workflow, value),
            Expect::Phase => self.agrees("phase", self.phase, value),
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
                    return self.agrees("workflow_id", self.workflow, value);
                }
                Continue(())
            }
        }
    }

    #[cold]
    fn fault(&mut self, fault: &Fault) -> ControlFlow<()> {
        let Some(code) = faults::passable(fault) else { return Break(()) };
        // The scan of the whole document told it already.
        if self.base.is_some() {
            return Continue(());
        }
        if code == Code::SingleQuotes && std::mem::replace(&mut self.single_quoted, true) {
            return Continue(());
        }
        let (text, root) = (self.text, self.root);
        self.sink.push(code, || faults::passed(code, text, root, fault.range.clone()))
    }

    #[inline]
    fn line_break(&mut self, at: usize) {
        self.line_break = Some(at);
    }
}

struct Ignore;
impl Visit for Ignore {}
