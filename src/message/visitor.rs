//! What is asked of a document: one scan, whatever its shape.
//!
//! The scanner tells keys and values with their depth. For each depth the visitor knows what the
//! specification expects there, so nothing recurses and nothing is allocated.

use super::body::HEADERS;
use super::spec::{MemberSpec, ObjectSpec, Role, Shape};
use super::tape::{NO_PLACE, Tape};
use crate::event::faults;
use crate::event::field::Misfit;
use crate::event::sink::Sink;
use crate::event::{Codec, FieldType};
use crate::finding::{Code, Finding, FindingSeverity, Hint};
use crate::json::{Fault, Kind, Token, Visit, pointer};
use crate::scalar::ProtocolVersion;
use crate::scalar::id::{self, IdCharset};
use smol_str::SmolStr;
use std::ops::ControlFlow::{self, Break, Continue};

/// What the specification expects at a depth.
#[derive(Clone, Copy)]
enum Expect {
    /// Nothing is known here.
    Ignore,
    /// Inside a message without a body: documents in it are looked for.
    Search,
    /// There, the value of a document's key. Anything but an object is a word that happens to be
    /// the same.
    Found(&'static ObjectSpec),
    Shape(Shape),
}

/// The value at a depth has no entry on the tape.
const NO_ENTRY: usize = usize::MAX;

/// Deeper than any document of the table reaches, even inside a request of the field.
const LEVELS: usize = 20;

/// One depth.
#[derive(Clone, Copy)]
struct Frame {
    /// What the value at this depth should be.
    expect: Expect,
    /// The members seen of the object whose values stand at this depth.
    seen: u64,
    /// Where the next member is looked for first.
    next: usize,
    /// The entry of the container at this depth.
    entry: usize,
    /// Whether the value at this depth is an element of a list.
    element: bool,
}

const IDLE: Frame =
    Frame { expect: Expect::Ignore, seen: 0, next: 0, entry: NO_ENTRY, element: false };

/// What a root holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Root {
    /// A document of this shape, whatever it is.
    Spec(&'static ObjectSpec),
    /// The header, and documents somewhere inside the rest.
    Search(&'static ObjectSpec),
}

/// The parts of an event, once they were met.
#[derive(Clone, Copy, Default)]
pub(super) struct EventParts {
    pub(super) tokens: [Option<Token>; 5],
}

pub(super) struct Visitor<'a, 'c, S, T> {
    text: &'a str,
    codec: &'c Codec,
    sink: &'a mut S,
    pub(super) tape: T,
    root: Root,
    start: usize,
    frames: [Frame; LEVELS],
    /// Members that came with a later version are unknown; set if there are such.
    version: Option<&'c ProtocolVersion>,
    tells_extras: bool,
    single_quoted: bool,
    pub(super) parts: EventParts,
    /// The body key that was met first.
    pub(super) body: Option<usize>,
    /// The members of the root that an alias stands for; only roots have aliases.
    aliased: u64,
}

impl<'a, 'c, S: Sink, T: Tape> Visitor<'a, 'c, S, T> {
    pub(super) fn new(
        text: &'a str,
        codec: &'c Codec,
        sink: &'a mut S,
        mut tape: T,
        root: Root,
        start: usize,
    ) -> Self {
        let version = codec.registry().version();
        let (Root::Spec(spec) | Root::Search(spec)) = root;
        let mut frames = [IDLE; LEVELS];
        frames[0].expect = Expect::Shape(Shape::Object(spec));
        if T::KEEPS {
            let place = Token::new(Kind::Object, start, start);
            frames[0].entry = tape.push(place, place, NO_PLACE);
        }
        Visitor {
            text,
            codec,
            sink,
            tape,
            root,
            start,
            frames,
            version: (*version < ProtocolVersion::DEFAULT).then_some(version),
            tells_extras: S::ALL || codec.severity(Code::UnknownField) == FindingSeverity::Error,
            single_quoted: false,
            parts: EventParts::default(),
            body: None,
            aliased: 0,
        }
    }

    #[cold]
    fn locate(&self, at: usize) -> String {
        pointer::locate(self.text, self.start, at)
    }

    /// Sets what is expected of the value of the member that was just met.
    #[inline]
    fn expect(&mut self, depth: usize, expect: Expect) {
        self.frames[depth].expect = expect;
    }

    /// Nothing is known of the value of the member that was just met.
    #[inline]
    fn ignore(&mut self, depth: usize) {
        self.frames[depth].entry = NO_ENTRY;
        self.frames[depth].element = false;
        self.expect(depth, Expect::Ignore);
    }

    /// The place of a key in an object, an alias counted as what it stands for.
    #[inline]
    fn place(&mut self, depth: usize, spec: &'static ObjectSpec, name: &str) -> Option<usize> {
        let next = self.frames[depth].next;
        let members = spec.members;
        if members.get(next).is_some_and(|member| member.name == name) {
            return Some(next);
        }
        members.iter().position(|member| member.name == name)
    }

    /// Whether the version that is read has the member.
    #[inline]
    fn has(&self, member: &MemberSpec) -> bool {
        self.version.is_none_or(|version| member.since <= version)
    }

    /// A key that stands for a member of another name.
    #[cold]
    #[inline(never)]
    fn alias(&mut self, key: Token, name: &str, member: &MemberSpec) -> ControlFlow<()> {
        let pointer = self.locate(key.start());
        self.sink.push(Code::FieldAlias, || {
            Finding::new(Code::FieldAlias, key.range())
                .with_pointer(pointer)
                .with_expected(member.name)
                .with_actual(name)
        })
    }

    /// The member itself was met behind its alias; it counts, whatever their order.
    #[cold]
    fn instead_of_alias(&mut self, depth: usize, place: usize) {
        if depth != 1 {
            return;
        }
        self.aliased &= !(1 << place);
        self.frames[depth].seen &= !(1 << place);
        self.tape.displace(place as u16);
    }

    /// The value of a key that stands for no member is kept as it is.
    #[inline]
    fn extra(&mut self, depth: usize, key: Token, expect: Expect) {
        if T::KEEPS {
            self.frames[depth].entry = self.tape.push(key, key, NO_PLACE);
        }
        self.expect(depth, expect);
    }

    /// A key that the object does not have.
    fn unknown(
        &mut self,
        depth: usize,
        spec: &'static ObjectSpec,
        key: Token,
        name: &str,
    ) -> ControlFlow<()> {
        let search = depth == 1 && matches!(self.root, Root::Search(_));
        self.extra(depth, key, if search { search_at(name) } else { Expect::Ignore });
        if spec.role == Role::AllocationResponse && name == "allocation_id" {
            let pointer = self.locate(key.start());
            return self.sink.push(Code::MisplacedField, || {
                Finding::new(Code::MisplacedField, key.range())
                    .with_pointer(pointer)
                    .with_expected("allocated_resources")
                    .with_actual(name)
            });
        }
        if !self.tells_extras || search {
            return Continue(());
        }
        let pointer = self.locate(key.start());
        self.sink.push(Code::UnknownField, || {
            let mut known = String::new();
            for member in spec.members {
                known.push_str(member.name);
                known.push('\n');
            }
            Finding::new(Code::UnknownField, key.range())
                .with_pointer(pointer)
                .with_actual(name)
                .with_hint(Hint::NearestTo { known: SmolStr::from(known) })
        })
    }

    /// The object at a depth has ended: what is missing in it?
    #[inline]
    fn ended(&mut self, depth: usize, spec: &'static ObjectSpec, object: Token) -> ControlFlow<()> {
        // Where keys are not looked at any more, none is missed.
        if depth + 2 >= LEVELS {
            return Continue(());
        }
        let inside = &self.frames[depth + 1];
        let missing = (spec.need | spec.want | spec.advise) & !inside.seen;
        if missing == 0 { Continue(()) } else { self.missing(spec, missing, object) }
    }

    #[cold]
    #[inline(never)]
    fn missing(
        &mut self,
        spec: &'static ObjectSpec,
        missing: u64,
        object: Token,
    ) -> ControlFlow<()> {
        let end = object.end() - 1;
        for (place, member) in spec.members.iter().enumerate() {
            if missing & 1 << place == 0 || !self.has(member) {
                continue;
            }
            let code = if spec.need & 1 << place != 0 {
                Code::MissingIdentity
            } else if spec.want & 1 << place != 0 {
                Code::MissingField
            } else {
                Code::AdvisedField
            };
            let mut pointer = self.locate(object.start());
            pointer::push_key(&mut pointer, member.name);
            let text = self.text;
            self.sink.push(code, || {
                let mut present = String::new();
                for (key, _) in crate::json::members(text, object.start()) {
                    let name = key.decode(text);
                    if spec.member(&name).is_none() && present.len() < 1024 {
                        present.push_str(&name);
                        present.push('\n');
                    }
                }
                Finding::new(code, end..end + 1)
                    .with_pointer(pointer)
                    .with_expected(member.name)
                    .with_hint(Hint::Among { present: SmolStr::from(present) })
            })?;
        }
        Continue(())
    }

    #[cold]
    #[inline(never)]
    fn misfit(&mut self, shape: Shape, value: Token, misfit: Misfit) -> ControlFlow<()> {
        let text = self.text;
        let pointer = self.locate(value.start());
        if matches!(shape, Shape::Leaf(FieldType::TextList)) && value.kind() == Kind::Array {
            return self.misfit_texts(&pointer, value);
        }
        let name = pointer.rsplit('/').next().unwrap_or_default().to_owned();
        self.sink.push(faults::misfit_code(misfit), || match shape {
            Shape::Leaf(leaf) => faults::misfit(text, leaf, &name, pointer, value, misfit),
            _ => Finding::new(Code::WrongKind, value.range())
                .with_pointer(pointer)
                .with_expected(shape.noun())
                .with_actual(&faults::describe(text, value)),
        })
    }

    /// The elements of a list of strings that are none.
    fn misfit_texts(&mut self, list: &str, value: Token) -> ControlFlow<()> {
        let text = self.text;
        for (index, item) in crate::json::elements(text, value.start()).enumerate() {
            if let Err(misfit) = FieldType::Text.fits(text, item) {
                let pointer = format!("{list}/{index}");
                self.sink.push(faults::misfit_code(misfit), || {
                    faults::misfit(text, FieldType::Text, "", pointer, item, misfit)
                })?;
            }
        }
        Continue(())
    }

    /// An identifier with characters that need escaping elsewhere.
    #[cold]
    fn unusual(&mut self, value: Token) -> ControlFlow<()> {
        let name = value.decode(self.text);
        if id::check(&name) != Ok(IdCharset::Unusual) {
            return Continue(());
        }
        let pointer = self.locate(value.start());
        let key = pointer.rsplit('/').next().unwrap_or_default().to_owned();
        self.sink.push(Code::UnusualIdentifier, || {
            Finding::new(Code::UnusualIdentifier, value.range())
                .with_pointer(pointer)
                .with_detail(SmolStr::from(key))
                .with_actual(&name)
        })
    }

    /// The second of two bodies.
    #[cold]
    #[inline(never)]
    fn second_body(&mut self, first: &str, key: Token, name: &str) -> ControlFlow<()> {
        let pointer = self.locate(key.start());
        self.sink.push(Code::SecondBody, || {
            Finding::new(Code::SecondBody, key.range())
                .with_pointer(pointer)
                .with_expected(first)
                .with_actual(name)
        })
    }

    /// Notes a part of an event: the member that was met last stands before `next`.
    fn part(&mut self, role: Role, next: usize, value: Token) {
        let from = if role == Role::Flat { HEADERS } else { 0 };
        if let Some(place) = next.checked_sub(1 + from)
            && let Some(slot) = self.parts.tokens.get_mut(place)
        {
            *slot = Some(value);
        }
    }

    pub(super) fn push(&mut self, code: Code, make: impl FnOnce() -> Finding) -> ControlFlow<()> {
        self.sink.push(code, make)
    }

    pub(super) fn sink(&mut self) -> &mut S {
        self.sink
    }

    pub(super) fn codec(&self) -> &'c Codec {
        self.codec
    }
}

/// Documents inside a message without a body are known by their key. Control messages are not
/// looked for: the field does not have them, and their keys are everyday words.
fn search_at(name: &str) -> Expect {
    let document = super::MessageKind::lookup(name).filter(|kind| kind.is_document());
    match document.and_then(super::MessageKind::spec) {
        Some(spec) => Expect::Found(spec),
        None => Expect::Search,
    }
}

impl<S: Sink, T: Tape> Visit for Visitor<'_, '_, S, T> {
    #[inline]
    fn open(&mut self, depth: usize, at: usize, kind: Kind) {
        let Some(frame) = self.frames.get_mut(depth) else { return };
        if T::KEEPS && frame.element {
            let place = Token::new(kind, at, at);
            frame.entry = self.tape.push(place, place, NO_PLACE);
        }
        if let Expect::Found(spec) = frame.expect {
            frame.expect = match kind {
                Kind::Object => Expect::Shape(Shape::Object(spec)),
                _ => Expect::Search,
            };
        }
        // Elements have no key that would set their shape.
        let (expect, element) = match frame.expect {
            Expect::Shape(Shape::List(of)) if kind == Kind::Array => (Expect::Shape(*of), true),
            Expect::Search if kind == Kind::Array => (Expect::Search, false),
            _ => (Expect::Ignore, false),
        };
        if let Some(inside) = self.frames.get_mut(depth + 1) {
            *inside = Frame { expect, element, ..IDLE };
        }
    }

    #[inline]
    fn key(&mut self, depth: usize, key: Token) -> ControlFlow<()> {
        // One depth more is kept for the elements of a list.
        if depth + 1 >= LEVELS {
            return Continue(());
        }
        let spec = match self.frames[depth - 1].expect {
            Expect::Shape(Shape::Object(spec)) => spec,
            Expect::Shape(Shape::Map(of)) => {
                if T::KEEPS {
                    self.frames[depth].entry = self.tape.push(key, key, NO_PLACE);
                }
                self.expect(depth, Expect::Shape(*of));
                return Continue(());
            }
            Expect::Search => {
                self.ignore(depth);
                let name = key.decode(self.text);
                self.expect(depth, search_at(&name));
                return Continue(());
            }
            Expect::Ignore | Expect::Found(_) | Expect::Shape(_) => {
                self.ignore(depth);
                return Continue(());
            }
        };
        let name = key.decode(self.text);
        let found = match self.place(depth, spec, &name) {
            Some(place) if self.has(&spec.members[place]) => {
                if self.aliased & 1 << place != 0 {
                    self.instead_of_alias(depth, place);
                }
                Some(place)
            }
            Some(_) => None,
            None => match spec.aliases.iter().find(|(alias, _)| *alias == name) {
                None => None,
                Some(&(_, place)) => {
                    self.alias(key, &name, &spec.members[place])?;
                    if self.frames[depth].seen & 1 << place != 0 {
                        self.extra(depth, key, Expect::Ignore);
                        return Continue(());
                    }
                    self.aliased |= 1 << place;
                    Some(place)
                }
            },
        };
        let Some(place) = found else { return self.unknown(depth, spec, key, &name) };
        let member = &spec.members[place];
        let frame = &mut self.frames[depth];
        let again = frame.seen & 1 << place != 0;
        frame.seen |= 1 << place;
        frame.next = place + 1;
        if T::KEEPS {
            // A key that is there twice is refused when the object ends.
            frame.entry = self.tape.push(key, key, if again { NO_PLACE } else { place as u16 });
        }
        self.expect(depth, Expect::Shape(member.shape));
        if spec.role == Role::Envelope && place >= HEADERS {
            match self.body {
                None => self.body = Some(place),
                Some(first) if first != place => {
                    return self.second_body(spec.members[first].name, key, &name);
                }
                Some(_) => {}
            }
        }
        Continue(())
    }

    #[inline]
    fn value(&mut self, depth: usize, value: Token) -> ControlFlow<()> {
        let Some(&frame) = self.frames.get(depth) else { return Continue(()) };
        let mut entry = frame.entry;
        if T::KEEPS {
            let container = matches!(value.kind(), Kind::Object | Kind::Array);
            if frame.element && !container {
                entry = self.tape.push(value, value, NO_PLACE);
            } else if entry != NO_ENTRY {
                self.tape.close(entry, value);
                self.frames[depth].entry = NO_ENTRY;
            }
        }
        let Expect::Shape(shape) = frame.expect else { return Continue(()) };
        match shape {
            Shape::Leaf(leaf) => {
                if let Err(misfit) = leaf.fits(self.text, value) {
                    self.tape.spoil(entry, misfit);
                    self.misfit(shape, value, misfit)?;
                } else if S::ALL && leaf == FieldType::Id {
                    self.unusual(value)?;
                }
                if depth > 0
                    && let Expect::Shape(Shape::Object(parent)) = self.frames[depth - 1].expect
                    && matches!(parent.role, Role::Event | Role::Flat)
                {
                    self.part(parent.role, self.frames[depth].next, value);
                }
                Continue(())
            }
            Shape::Object(spec) if value.kind() == Kind::Object => self.ended(depth, spec, value),
            Shape::Map(_) if value.kind() == Kind::Object => Continue(()),
            Shape::List(_) if value.kind() == Kind::Array => Continue(()),
            _ => {
                self.tape.spoil(entry, Misfit::Kind);
                self.misfit(shape, value, Misfit::Kind)
            }
        }
    }

    #[cold]
    fn fault(&mut self, fault: &Fault) -> ControlFlow<()> {
        let Some(code) = faults::passable(fault) else { return Break(()) };
        if code == Code::SingleQuotes && std::mem::replace(&mut self.single_quoted, true) {
            return Continue(());
        }
        let (text, start) = (self.text, self.start);
        self.sink.push(code, || faults::passed(code, text, start, fault.range.clone()))
    }
}
