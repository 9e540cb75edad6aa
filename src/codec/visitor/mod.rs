//! What is asked of a record's JSON: one scan, whatever its shape.
//!
//! The scanner tells keys and values with their depth. For each depth the visitor knows what the
//! specification expects there, so nothing recurses and nothing is allocated. The data of an event is
//! an object like any other, be it behind the colons of a line or inside an envelope: there, its type
//! is known by the time it opens, so it is read in the same pass.
//!
//! Findings are made out of line, in [`tell`]: sound records do not pay for them.

mod event;
mod tell;

use super::faults;
use super::form::{Form, form_of};
use super::frame::{Container, Expect, Frame, IDLE, LEVELS, LINE_LEVELS, NO_ENTRY, same};
use super::options::Codec;
use super::sink::Sink;
use super::tape::{NO_PLACE, Tape};
use crate::finding::{Code, Finding, FindingSeverity};
use crate::json::{JsonFault, Kind, Token, Visit, scan};
use crate::scalar::ProtocolVersion;
use crate::spec::{
    CustomType, DATA, ENVELOPE, FLAT, FieldType, HEADERS, Known, MemberSpec, MessageKind, Misfit,
    ObjectSpec, Role, Shape, objects,
};
use std::ops::ControlFlow::{self, Break, Continue};

/// What a root holds.
#[derive(Clone, Copy)]
pub(super) enum Root<'c> {
    /// An object of the table, whatever it is.
    Spec(&'static ObjectSpec),
    /// The data of an event of the caller's own type.
    Custom(&'c CustomType),
    /// A message: an envelope, until a key stands there that no envelope need have.
    Message,
}

/// A visitor of the data of an event line.
pub(super) type LineVisitor<'a, 'c, S, T> = Visitor<'a, 'c, S, T, LINE_LEVELS>;

/// A visitor of a message, or of an object of the table.
pub(super) type MessageVisitor<'a, 'c, S, T> = Visitor<'a, 'c, S, T, LEVELS>;

pub(super) struct Visitor<'a, 'c, S, T, const DEPTHS: usize> {
    text: &'a str,
    codec: &'c Codec,
    sink: &'a mut S,
    pub(super) tape: T,
    /// How the root is read, and as what; `None` as long as only header keys were met.
    form: Option<(Form, MessageKind)>,
    start: usize,
    frames: [Frame<'c>; DEPTHS],
    /// Members that came with a later version are unknown; set if there are such.
    version: Option<&'c ProtocolVersion>,
    tells_extras: bool,
    single_quoted: bool,
    /// The first line break between values.
    pub(super) line_break: Option<usize>,
    /// The parts of an event, once they were met; behind them the text of a flat one.
    pub(super) parts: [Option<Token>; 5],
    /// What the data of the event says of its workflow and its phase.
    claims: [Option<Token>; 2],
    /// What the registry says of the event's type, once its data has opened.
    event: Option<Known<'c>>,
    /// The body key that was met first.
    body: Option<usize>,
    /// Whether the key that was met last is a member's, so that a repetition shows.
    known: bool,
    /// Where the members start that were told to be repeated.
    repeated: Vec<usize>,
    /// The members of the root that an alias stands for; only roots have aliases.
    aliased: u64,
}

/// Scans the value at `start`, to the end of the text.
pub(super) fn scanned<S: Sink, T: Tape, const DEPTHS: usize>(
    visitor: &mut Visitor<'_, '_, S, T, DEPTHS>,
    text: &str,
    start: usize,
) -> Option<Token> {
    match scan(text, start, visitor.codec.limits(), visitor) {
        Ok(root) => {
            if root.end() < text.len() && visitor.trailing(root.end()).is_break() {
                return None;
            }
            Some(root)
        }
        Err(fault) => {
            visitor.broken(&fault);
            None
        }
    }
}

impl<'a, 'c, S: Sink, T: Tape, const DEPTHS: usize> Visitor<'a, 'c, S, T, DEPTHS> {
    #[inline]
    pub(super) fn new(
        text: &'a str,
        codec: &'c Codec,
        sink: &'a mut S,
        mut tape: T,
        root: Root<'c>,
        start: usize,
    ) -> Self {
        let version = codec.registry().version();
        let (expect, form) = match root {
            Root::Spec(spec) => {
                (Expect::Object(spec), Some((Form::Envelope, MessageKind::Unknown)))
            }
            Root::Custom(custom) => {
                (Expect::Custom(custom), Some((Form::Envelope, MessageKind::Unknown)))
            }
            Root::Message => (Expect::Object(&ENVELOPE), None),
        };
        let mut frames = [IDLE; DEPTHS];
        frames[0].expect = expect;
        frames[0].entry = tape.root(start);
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
            line_break: None,
            parts: [None; 5],
            claims: [None; 2],
            event: None,
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
            }
            // In data, an identifier may repeat the header's; elsewhere it may be unusual.
            if leaf == FieldType::Id && value.kind() == Kind::Text {
                if self.frames[depth].container.is_data() {
                    self.claim(depth, value);
                } else if S::ALL && fits.is_ok() {
                    self.unusual(depth, value)?;
                }
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
        if matches!(spec.role, Role::Event | Role::Flat) {
            let from = if spec.role == Role::Flat { HEADERS } else { 0 };
            if place == from + DATA {
                frame.expect = Expect::Data;
            }
        } else if spec.role == Role::Envelope && place >= HEADERS {
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
            Form::Bare => objects::EnvelopeHeader::SPEC,
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
        // Of an event's data, what was read cannot be unread, so the member itself is looked for.
        let replaced = place == HEADERS + DATA && self.has_key(depth, member.name);
        if replaced || self.frames[depth].seen & 1 << place != 0 {
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
    fn extra(&mut self, depth: usize, key: Token, expect: Expect<'c>) {
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
        if spec.role == Role::Data {
            // The data of an unregistered type may hold anything.
            return self.beyond(depth, key, name, !spec.members.is_empty());
        }
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
        self.unknown_field(depth, key, spec, name)
    }

    /// The object at a depth has ended: what is missing in it?
    #[inline]
    fn ended(&mut self, depth: usize, spec: &'static ObjectSpec, object: Token) -> ControlFlow<()> {
        let Some(inside) = self.frames.get(depth + 1) else { return Continue(()) };
        let missing = (spec.essential | spec.required | spec.recommended) & !inside.seen;
        if missing == 0 { Continue(()) } else { self.missing(depth, spec, missing, object) }
    }
}

/// Documents inside a message without a body are known by their key. Control messages are not
/// looked for: the field does not have them, and their keys are everyday words.
fn search_at(name: &str) -> Expect<'static> {
    let document = MessageKind::lookup(name).filter(|kind| kind.is_document());
    document.and_then(MessageKind::spec).map_or(Expect::Search, Expect::Found)
}

impl<S: Sink, T: Tape, const DEPTHS: usize> Visit for Visitor<'_, '_, S, T, DEPTHS> {
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
        if let (Expect::Data, Kind::Object) = (frame.expect, kind) {
            let container = self.open_data(depth);
            self.frames[depth + 1] = Frame { container, open: at as u32, ..IDLE };
            return;
        }
        // Elements have no key that would tell what they should be.
        let (container, expect) = match (frame.expect, kind) {
            (Expect::Object(spec) | Expect::Shape(&Shape::Object(spec)), Kind::Object) => {
                (Container::Object(spec), Expect::Ignore)
            }
            (Expect::Custom(custom), Kind::Object) => (Container::Custom(custom), Expect::Ignore),
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
        if let (Container::Other, Expect::Ignore) = (container, expect) {
            // Nothing else is looked at inside of what is not known, and most that opens is not.
            (inside.container, inside.expect) = (container, expect);
            return;
        }
        *inside = Frame { container, expect, open: at as u32, ..IDLE };
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
            Container::Custom(custom) => return self.custom_key(depth, key, custom),
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
            // Extra fields are common in the data of events, and no other name stands for one.
            None if spec.role == Role::Data && !key.is_escaped() => {
                let name = key.inner(self.text);
                self.beyond(depth, key, name, !spec.members.is_empty())
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
        // Most values of most records are not known, and nothing keeps them.
        if let (Expect::Ignore, Container::Other) = (frame.expect, frame.container) {
            return Continue(());
        }
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
            Expect::Custom(custom) => self.custom_ended(depth, custom, value),
            Expect::Data => self.data_ended(depth, value, entry),
            Expect::Claim(place) => {
                self.claims[place] = Some(value);
                Continue(())
            }
            Expect::Shape(shape) => self.shaped(depth, shape, value, entry),
        };
        if let Some(frame) = self.frames.get_mut(depth) {
            frame.index += 1;
        }
        flow
    }

    #[cold]
    fn fault(&mut self, fault: &JsonFault) -> ControlFlow<()> {
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

    #[inline]
    fn line_break(&mut self, at: usize) {
        self.line_break = Some(at);
    }
}
