//! What is asked of a document: one scan, whatever its shape.
//!
//! The scanner tells keys and values with their depth. For each depth the visitor knows what the
//! specification expects there, so nothing recurses and nothing is allocated.

use super::MessageKind;
use super::body::{ENVELOPE, FLAT, HEADERS};
use super::document::EnvelopeHeader;
use super::examine::{Form, form_of};
use super::frame::{Container, Expect, Frame, IDLE, LEVELS, NO_ENTRY, pointer_of, same};
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

/// What a root holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Root {
    /// An object of the table, whatever it is.
    Spec(&'static ObjectSpec),
    /// A message: an envelope, until a key stands there that no envelope need have.
    Message,
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
    /// How the root is read, and as what; `None` as long as only header keys were met.
    form: Option<(Form, MessageKind)>,
    start: usize,
    frames: [Frame; LEVELS],
    /// Members that came with a later version are unknown; set if there are such.
    version: Option<&'c ProtocolVersion>,
    tells_extras: bool,
    single_quoted: bool,
    pub(super) parts: EventParts,
    /// The body key that was met first.
    pub(super) body: Option<usize>,
    /// Whether the key that was met last is a member's, so that a repetition shows.
    known: bool,
    /// Where the members start that were told to be repeated.
    repeated: Vec<usize>,
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
        let (spec, form) = match root {
            Root::Spec(spec) => (spec, Some((Form::Envelope, MessageKind::Unknown))),
            Root::Message => (&ENVELOPE, None),
        };
        let mut frames = [IDLE; LEVELS];
        frames[0].expect = Expect::Object(spec);
        if T::KEEPS {
            let place = Token::new(Kind::Object, start, start);
            frames[0].entry = tape.push(place, place, NO_PLACE);
        }
        Visitor {
            text,
            codec,
            sink,
            tape,
            form,
            start,
            frames,
            version: (*version < ProtocolVersion::DEFAULT).then_some(version),
            tells_extras: S::ALL || codec.severity(Code::UnknownField) == FindingSeverity::Error,
            single_quoted: false,
            parts: EventParts::default(),
            body: None,
            known: false,
            repeated: Vec::new(),
            aliased: 0,
        }
    }

    /// Whether a value has the shape that is expected of it.
    #[inline]
    fn shaped(
        &mut self,
        depth: usize,
        shape: &'static Shape,
        value: Token,
        entry: u32,
    ) -> ControlFlow<()> {
        if let Shape::Leaf(leaf) = *shape {
            let fits = match self.frames.get(depth + 1) {
                Some(items) if leaf == FieldType::TextList && value.kind() == Kind::Array => {
                    items.misfit.map_or(Ok(()), Err)
                }
                _ => leaf.fits(self.text, value),
            };
            if let Err(misfit) = fits {
                self.tape.spoil(entry, misfit);
                self.misfit(depth, shape, value, misfit)?;
            } else if S::ALL && leaf == FieldType::Id {
                self.unusual(depth, value)?;
            }
            let frame = &self.frames[depth];
            if let Container::Object(parent) = frame.container
                && matches!(parent.role, Role::Event | Role::Flat)
            {
                self.part(parent.role, frame.next as usize, value);
            }
            return Continue(());
        }
        let kind = if let Shape::List(_) = shape { Kind::Array } else { Kind::Object };
        if value.kind() != kind {
            self.tape.spoil(entry, Misfit::Kind);
            return self.misfit(depth, shape, value, Misfit::Kind);
        }
        match shape {
            Shape::Object(spec) => self.ended(depth, spec, value),
            _ => Continue(()),
        }
    }

    /// Whether the version that is read has the member.
    #[inline]
    fn has(&self, member: &MemberSpec) -> bool {
        self.version.is_none_or(|version| member.since <= version)
    }

    /// A member was met, by its name or by another.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "most keys are members")]
    fn met(
        &mut self,
        depth: usize,
        key: Token,
        spec: &'static ObjectSpec,
        place: usize,
        member: &'static MemberSpec,
    ) -> ControlFlow<()> {
        if self.aliased & 1 << place != 0 {
            self.instead_of_alias(depth, place);
        }
        let Some(frame) = self.frames.get_mut(depth) else { return Continue(()) };
        let again = frame.seen & 1 << place != 0;
        frame.seen |= 1 << place;
        frame.next = place as u32 + 1;
        frame.expect = Expect::Shape(&member.shape);
        if T::KEEPS {
            // A key that is there twice has been refused.
            frame.entry = self.tape.push(key, key, if again { NO_PLACE } else { place as u16 });
        }
        if spec.role == Role::Envelope && place >= HEADERS {
            match self.body {
                None => {
                    self.body = Some(place);
                    self.form = Some((Form::Envelope, MessageKind::KNOWN[place - HEADERS]));
                }
                Some(first) if first != place => {
                    return self.second_body(spec.members[first].name, key, member.name);
                }
                Some(_) => {}
            }
        }
        Continue(())
    }

    /// A key of the root is not the header's and no body: finds out what the root is.
    #[cold]
    fn decide(&mut self) -> &'static ObjectSpec {
        let form = form_of(self.text, self.start, self.codec);
        self.form = Some(form);
        let spec = match form.0 {
            Form::Envelope => &ENVELOPE,
            Form::Flat => &FLAT,
            Form::Bare => EnvelopeHeader::SPEC,
        };
        self.frames[0].expect = Expect::Object(spec);
        self.frames[1].container = Container::Object(spec);
        spec
    }

    /// How the root is read, and as what.
    pub(super) fn form(&self) -> (Form, MessageKind) {
        self.form.unwrap_or((Form::Bare, MessageKind::Unknown))
    }

    /// A key that is not spelled like a member's name.
    #[inline(never)]
    fn other(
        &mut self,
        depth: usize,
        key: Token,
        mut spec: &'static ObjectSpec,
    ) -> ControlFlow<()> {
        let name = key.decode(self.text);
        let place = |spec: &ObjectSpec| spec.members.iter().position(|member| member.name == name);
        let mut member = place(spec).filter(|place| self.has(&spec.members[*place]));
        if member.is_none() && depth == 1 && self.form.is_none() {
            spec = self.decide();
            member = place(spec).filter(|place| self.has(&spec.members[*place]));
        }
        if let Some(place) = member {
            return self.met(depth, key, spec, place, &spec.members[place]);
        }
        let Some(&(_, place)) = spec.aliases.iter().find(|(alias, _)| *alias == name) else {
            return self.unknown(depth, key, spec, &name);
        };
        let member = &spec.members[place];
        self.tell(Code::FieldAlias, depth, || {
            Finding::new(Code::FieldAlias, key.range())
                .with_expected(member.name)
                .with_actual(&name)
        })?;
        if self.frames[depth].seen & 1 << place != 0 {
            self.extra(depth, key, Expect::Ignore);
            return Continue(());
        }
        self.met(depth, key, spec, place, member)?;
        self.aliased |= 1 << place;
        Continue(())
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
        let frame = &mut self.frames[depth];
        frame.expect = expect;
        if T::KEEPS {
            frame.entry = self.tape.push(key, key, NO_PLACE);
        }
    }

    /// A key that the object does not have.
    fn unknown(
        &mut self,
        depth: usize,
        key: Token,
        spec: &'static ObjectSpec,
        name: &str,
    ) -> ControlFlow<()> {
        let search = depth == 1 && self.form.is_some_and(|(form, _)| form == Form::Bare);
        self.extra(depth, key, if search { search_at(name) } else { Expect::Ignore });
        if spec.role == Role::AllocationResponse && name == "allocation_id" {
            return self.tell(Code::MisplacedField, depth, || {
                Finding::new(Code::MisplacedField, key.range())
                    .with_expected("allocated_resources")
                    .with_actual(name)
            });
        }
        if !self.tells_extras || search {
            return Continue(());
        }
        self.tell(Code::UnknownField, depth, || {
            let mut known = String::new();
            for member in spec.members {
                known.push_str(member.name);
                known.push('\n');
            }
            Finding::new(Code::UnknownField, key.range())
                .with_actual(name)
                .with_hint(Hint::NearestTo { known: SmolStr::from(known) })
        })
    }

    /// The object at a depth has ended: what is missing in it?
    #[inline]
    fn ended(&mut self, depth: usize, spec: &'static ObjectSpec, object: Token) -> ControlFlow<()> {
        let Some(inside) = self.frames.get(depth + 1) else { return Continue(()) };
        let missing = (spec.essential | spec.required | spec.recommended) & !inside.seen;
        if missing == 0 { Continue(()) } else { self.missing(depth, spec, missing, object) }
    }

    #[cold]
    #[inline(never)]
    fn missing(
        &mut self,
        depth: usize,
        spec: &'static ObjectSpec,
        missing: u64,
        object: Token,
    ) -> ControlFlow<()> {
        let (text, end) = (self.text, object.end() - 1);
        for (place, member) in spec.members.iter().enumerate() {
            if missing & 1 << place == 0 || !self.has(member) {
                continue;
            }
            let code = if spec.essential & 1 << place != 0 {
                Code::MissingIdentity
            } else if spec.required & 1 << place != 0 {
                Code::MissingField
            } else {
                Code::AdvisedField
            };
            let frames = &self.frames;
            self.sink.push(code, || {
                let mut pointer = pointer_of(text, frames, depth);
                pointer::push_key(&mut pointer, member.name);
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
    fn misfit(
        &mut self,
        depth: usize,
        shape: &Shape,
        value: Token,
        misfit: Misfit,
    ) -> ControlFlow<()> {
        if matches!(shape, Shape::Leaf(FieldType::TextList)) && value.kind() == Kind::Array {
            return self.misfit_texts(depth, value);
        }
        let (text, frames) = (self.text, &self.frames);
        self.sink.push(faults::misfit_code(misfit), || {
            let pointer = pointer_of(text, frames, depth);
            match *shape {
                Shape::Leaf(leaf) => {
                    let name = match misfit {
                        Misfit::Identifier => pointer.rsplit('/').next().unwrap_or_default(),
                        _ => "",
                    };
                    let name = name.to_owned();
                    faults::misfit(text, leaf, &name, pointer, value, misfit)
                }
                _ => Finding::new(Code::WrongKind, value.range())
                    .with_pointer(pointer)
                    .with_expected(shape.noun())
                    .with_actual(&faults::describe(text, value)),
            }
        })
    }

    /// The elements of a list of strings that are none.
    fn misfit_texts(&mut self, depth: usize, value: Token) -> ControlFlow<()> {
        let (text, frames) = (self.text, &self.frames);
        for (index, item) in crate::json::elements(text, value.start()).enumerate() {
            if let Err(misfit) = FieldType::Text.fits(text, item) {
                self.sink.push(faults::misfit_code(misfit), || {
                    let pointer = format!("{}/{index}", pointer_of(text, frames, depth));
                    faults::misfit(text, FieldType::Text, "", pointer, item, misfit)
                })?;
            }
        }
        Continue(())
    }

    /// An identifier with characters that need escaping elsewhere.
    #[cold]
    fn unusual(&mut self, depth: usize, value: Token) -> ControlFlow<()> {
        let name = value.decode(self.text);
        if id::check(&name) != Ok(IdCharset::Unusual) {
            return Continue(());
        }
        let (text, frames) = (self.text, &self.frames);
        self.sink.push(Code::UnusualIdentifier, || {
            let pointer = pointer_of(text, frames, depth);
            let key = pointer.rsplit('/').next().unwrap_or_default().to_owned();
            Finding::new(Code::UnusualIdentifier, value.range())
                .with_pointer(pointer)
                .with_detail(SmolStr::from(key))
                .with_actual(&name)
        })
    }

    /// A member for the second time.
    #[cold]
    #[inline(never)]
    fn twice(&mut self, depth: usize, key: Token) -> ControlFlow<()> {
        let text = self.text;
        self.repeated.push(key.start());
        self.tell(Code::DuplicateKey, depth, || {
            Finding::new(Code::DuplicateKey, key.range()).with_actual(key.inner(text))
        })
    }

    /// The second of two bodies.
    #[cold]
    #[inline(never)]
    fn second_body(&mut self, first: &str, key: Token, name: &str) -> ControlFlow<()> {
        self.tell(Code::SecondBody, 1, || {
            Finding::new(Code::SecondBody, key.range()).with_expected(first).with_actual(name)
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

    /// A finding about the value at a depth that is under way.
    fn tell(
        &mut self,
        code: Code,
        depth: usize,
        make: impl FnOnce() -> Finding,
    ) -> ControlFlow<()> {
        let (text, frames) = (self.text, &self.frames);
        self.sink.push(code, || make().with_pointer(pointer_of(text, frames, depth)))
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
    let document = MessageKind::lookup(name).filter(|kind| kind.is_document());
    document.and_then(MessageKind::spec).map_or(Expect::Search, Expect::Found)
}

impl<S: Sink, T: Tape> Visit for Visitor<'_, '_, S, T> {
    #[inline]
    fn open(&mut self, depth: usize, at: usize, kind: Kind) {
        let Some([frame, inside]) = self.frames.get_mut(depth..depth + 2) else { return };
        if T::KEEPS && matches!(frame.container, Container::List) {
            let place = Token::new(kind, at, at);
            frame.entry = self.tape.push(place, place, NO_PLACE);
        }
        if let (Expect::Found(spec), Kind::Object) = (frame.expect, kind) {
            frame.expect = Expect::Object(spec);
        }
        // Elements have no key that would tell what they should be.
        let (container, expect) = match (frame.expect, kind) {
            (Expect::Object(spec) | Expect::Shape(&Shape::Object(spec)), Kind::Object) => {
                (Container::Object(spec), Expect::Ignore)
            }
            (Expect::Shape(Shape::Map(of)), Kind::Object) => (Container::Map(of), Expect::Ignore),
            (Expect::Shape(Shape::List(of)), Kind::Array) => (Container::List, Expect::Shape(of)),
            (Expect::Shape(Shape::Leaf(FieldType::TextList)), Kind::Array) => {
                (Container::Other, Expect::Item)
            }
            (Expect::Search, _) | (Expect::Found(_), Kind::Array) => {
                (Container::Search, Expect::Search)
            }
            _ => (Container::Other, Expect::Ignore),
        };
        *inside = Frame { container, expect, ..IDLE };
    }

    #[inline]
    fn key(&mut self, depth: usize, key: Token) -> ControlFlow<()> {
        self.known = false;
        let Some(frame) = self.frames.get_mut(depth) else { return Continue(()) };
        frame.key = key.start() as u32;
        let spec = match frame.container {
            Container::Object(spec) => spec,
            Container::Map(of) => {
                self.extra(depth, key, Expect::Shape(of));
                return Continue(());
            }
            Container::Search => {
                frame.expect = search_at(&key.decode(self.text));
                return Continue(());
            }
            Container::Other | Container::List => return Continue(()),
        };
        let name = &self.text.as_bytes()[key.start() + 1..key.end() - 1];
        let next = frame.next as usize;
        // Writers mostly keep the order of the specification.
        let found = match spec.members.get(next) {
            Some(member) if same(member.name.as_bytes(), name) => Some((next, member)),
            _ => {
                let mut members = spec.members.iter().enumerate();
                members.find(|(_, member)| same(member.name.as_bytes(), name))
            }
        };
        match found {
            Some((place, member)) if self.has(member) => {
                self.known = true;
                // Only roots have aliases.
                let aliased = if depth == 1 { self.aliased } else { 0 };
                if self.frames[depth].seen & !aliased & 1 << place != 0 {
                    self.twice(depth, key)?;
                }
                self.met(depth, key, spec, place, member)
            }
            _ => self.other(depth, key, spec),
        }
    }

    #[inline]
    fn minds_repetition(&self) -> bool {
        self.known
    }

    #[inline]
    fn value(&mut self, depth: usize, value: Token) -> ControlFlow<()> {
        let Some(frame) = self.frames.get_mut(depth) else { return Continue(()) };
        let mut entry = frame.entry;
        if T::KEEPS {
            if entry != NO_ENTRY {
                self.tape.close(entry, value);
                frame.entry = NO_ENTRY;
            } else if matches!(frame.container, Container::List) {
                entry = self.tape.push(value, value, NO_PLACE);
            }
        }
        let flow = match frame.expect {
            Expect::Ignore | Expect::Search | Expect::Found(_) => Continue(()),
            Expect::Item => {
                if frame.misfit.is_none() {
                    frame.misfit = FieldType::item_fits(self.text, value).err();
                }
                Continue(())
            }
            Expect::Object(spec) if value.kind() == Kind::Object => self.ended(depth, spec, value),
            Expect::Object(spec) => self.misfit(depth, &Shape::Object(spec), value, Misfit::Kind),
            Expect::Shape(shape) => self.shaped(depth, shape, value, entry),
        };
        if let Some(frame) = self.frames.get_mut(depth) {
            frame.index += 1;
        }
        flow
    }

    #[cold]
    fn fault(&mut self, fault: &Fault) -> ControlFlow<()> {
        let Some(code) = faults::passable(fault) else { return Break(()) };
        if code == Code::DuplicateKey && self.repeated.contains(&fault.range.start) {
            return Continue(());
        }
        if code == Code::SingleQuotes && std::mem::replace(&mut self.single_quoted, true) {
            return Continue(());
        }
        let (text, start) = (self.text, self.start);
        self.sink.push(code, || faults::passed(code, text, start, fault.range.clone()))
    }
}
