//! The findings of a visitor.

use super::Visitor;
use crate::codec::faults;
use crate::codec::form::Form;
use crate::codec::frame::pointer_of;
use crate::codec::options::Codec;
use crate::codec::sink::Sink;
use crate::codec::tape::Tape;
use crate::finding::{Code, Finding, Hint};
use crate::json::{FaultKind, JsonFault, Kind, Token, pointer, skip_space};
use crate::scalar::id::{self, IdCharset};
use crate::spec::objects::EnvelopeHeader;
use crate::spec::{
    ENVELOPE, EVENT_TYPE, FieldType, HEADERS, Known, MessageKind, Misfit, ObjectSpec, Role, Shape,
};
use smol_str::{SmolStr, format_smolstr};
use std::cell::OnceCell;
use std::ops::ControlFlow::{self, Continue};

impl<'c, S: Sink, T: Tape, const DEPTHS: usize> Visitor<'_, 'c, S, T, DEPTHS> {
    #[cold]
    #[inline(never)]
    pub(super) fn missing(
        &mut self,
        depth: usize,
        spec: &'static ObjectSpec,
        missing: u64,
        object: Token,
    ) -> ControlFlow<()> {
        let (text, end) = (self.text, object.end() - 1);
        let present = OnceCell::new();
        for (place, member) in spec.members.iter().enumerate() {
            if missing & 1 << place == 0 || !self.has(member) {
                continue;
            }
            let code = if spec.role == Role::Data {
                Code::MissingData
            } else if spec.essential & 1 << place != 0 {
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
                let present = present
                    .get_or_init(|| strangers(text, object, |name| spec.member(name).is_none()));
                Finding::new(code, end..end + 1)
                    .with_pointer(pointer)
                    .with_expected(member.name)
                    .hinted(Hint::Among { present: present.clone() })
            })?;
        }
        Continue(())
    }

    #[cold]
    #[inline(never)]
    pub(super) fn misfit(
        &mut self,
        depth: usize,
        shape: &Shape,
        value: Token,
        misfit: Misfit,
    ) -> ControlFlow<()> {
        // In the data of an event, the list is what does not fit: its findings name fields.
        let data = self.frames[depth].container.is_data();
        let list = matches!(shape, Shape::Leaf(FieldType::TextList)) && value.kind() == Kind::Array;
        if list && !data {
            return self.misfit_texts(depth, value);
        }
        let (text, frames) = (self.text, &self.frames);
        self.sink.push(faults::misfit_code(misfit), || {
            let pointer = pointer_of(text, frames, depth);
            match *shape {
                Shape::Leaf(leaf) => {
                    let name = match misfit {
                        Misfit::Identifier => crate::json::pointer::last(&pointer),
                        _ => SmolStr::default(),
                    };
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
    pub(super) fn unusual(&mut self, depth: usize, value: Token) -> ControlFlow<()> {
        let name = value.decode(self.text);
        if id::check(&name) != Ok(IdCharset::Unusual) {
            return Continue(());
        }
        let (text, frames) = (self.text, &self.frames);
        self.sink.push(Code::UnusualIdentifier, || {
            let pointer = pointer_of(text, frames, depth);
            let key = crate::json::pointer::last(&pointer);
            Finding::new(Code::UnusualIdentifier, value.range())
                .with_pointer(pointer)
                .with_detail(key)
                .with_actual(&name)
        })
    }

    /// A member for the second time.
    #[cold]
    #[inline(never)]
    pub(super) fn twice(&mut self, depth: usize, key: Token) -> ControlFlow<()> {
        let text = self.text;
        self.repeated.push(key.start());
        self.tell(Code::DuplicateKey, depth, || {
            Finding::new(Code::DuplicateKey, key.range()).with_actual(key.inner(text))
        })
    }

    /// The second of two bodies.
    #[cold]
    #[inline(never)]
    pub(super) fn second_body(&mut self, first: &str, key: Token, name: &str) -> ControlFlow<()> {
        self.tell(Code::SecondBody, 1, || {
            Finding::new(Code::SecondBody, key.range()).with_expected(first).with_actual(name)
        })
    }

    /// Notes a part of an event: the member that was met last stands before `next`.
    #[inline]
    pub(super) fn part(&mut self, role: Role, next: usize, value: Token) {
        let from = if role == Role::Flat { HEADERS } else { 0 };
        if let Some(place) = next.checked_sub(1 + from)
            && let Some(slot) = self.parts.get_mut(place)
        {
            *slot = Some(value);
        }
    }

    /// A finding about the value at a depth that is under way.
    #[inline]
    pub(super) fn tell(
        &mut self,
        code: Code,
        depth: usize,
        make: impl FnOnce() -> Finding,
    ) -> ControlFlow<()> {
        let (text, frames) = (self.text, &self.frames);
        self.sink.push(code, || make().with_pointer(pointer_of(text, frames, depth)))
    }

    pub(in crate::codec) fn push(
        &mut self,
        code: Code,
        make: impl FnOnce() -> Finding,
    ) -> ControlFlow<()> {
        self.sink.push(code, make)
    }

    pub(in crate::codec) fn codec(&self) -> &'c Codec {
        self.codec
    }

    /// A key that an object does not have.
    #[cold]
    #[inline(never)]
    pub(super) fn unknown_field(
        &mut self,
        depth: usize,
        key: Token,
        spec: &ObjectSpec,
        name: &str,
    ) -> ControlFlow<()> {
        let place = self.belongs(depth, spec, name);
        self.tell(Code::UnknownField, depth, || {
            if let Some(place) = place {
                let hint = Hint::Told(format_smolstr!("`{name}` belongs into {place}"));
                return Finding::new(Code::UnknownField, key.range())
                    .with_actual(name)
                    .hinted(hint);
            }
            let mut known = String::new();
            for member in spec.members {
                known.push_str(member.name);
                known.push('\n');
            }
            Finding::new(Code::UnknownField, key.range())
                .with_actual(name)
                .hinted(Hint::NearestTo { known: SmolStr::from(known) })
        })
    }

    /// Where a key belongs that stands in a wrong object of the message: the header, the body, or the
    /// data of an event.
    fn belongs(&self, depth: usize, spec: &ObjectSpec, name: &str) -> Option<SmolStr> {
        let (form, kind) = self.form?;
        let body = || kind.spec().filter(|_| form == Form::Envelope);
        match (depth, spec.role) {
            // A key of the header that only a later version has stands where it belongs.
            (1, Role::Envelope) if EnvelopeHeader::SPEC.member(name).is_some() => None,
            (1, Role::Envelope) => {
                if body()?.member(name).is_some() {
                    return Some(format_smolstr!("`{kind}`"));
                }
                let data = kind == MessageKind::Event && self.is_data_key(1, name);
                data.then(|| SmolStr::new_static("the `data` of the event"))
            }
            (1, Role::Flat) => self.is_data_key(0, name).then(|| SmolStr::new_static("`data`")),
            (2, _) if body().is_some_and(|body| std::ptr::eq(body, spec)) => {
                let header = EnvelopeHeader::SPEC.member(name).is_some()
                    || ENVELOPE.aliases.iter().any(|(alias, _)| *alias == name);
                if header {
                    return Some(format_smolstr!("the header, beside `{kind}`"));
                }
                let data = spec.role == Role::Event && self.is_data_key(1, name);
                data.then(|| SmolStr::new_static("`data`"))
            }
            _ => None,
        }
    }

    /// Whether the data of the event has a field of that name. The event's own fields stand at a
    /// depth.
    fn is_data_key(&self, depth: usize, name: &str) -> bool {
        let text = self.text;
        let name_of = || {
            let open = match depth {
                0 => self.start,
                _ => crate::json::members(text, self.start)
                    .find(|(key, _)| key.means(text, MessageKind::Event.as_str()))?
                    .1
                    .start(),
            };
            let mut parts = crate::json::members(text, open);
            parts.find(|(key, _)| key.means(text, "event_type")).map(|(_, value)| value)
        };
        let Some(event_type) = self.parts[EVENT_TYPE].or_else(name_of) else { return false };
        match self.codec.registry().find(&event_type.decode(text)) {
            Known::Type(kind) => kind.spec().data.member(name).is_some(),
            Known::Custom(custom) => custom.required.iter().any(|field| field.name == name),
            _ => false,
        }
    }

    /// Text behind the value, from `end` on; white space is fine.
    #[cold]
    #[inline(never)]
    pub(super) fn trailing(&mut self, end: usize) -> ControlFlow<()> {
        let text = self.text;
        let at = skip_space(text.as_bytes(), end);
        if at == text.len() {
            return Continue(());
        }
        self.sink.push(Code::TrailingText, || faults::trailing(text, at))
    }

    /// The scan has ended with a fault.
    #[cold]
    #[inline(never)]
    pub(super) fn broken(&mut self, fault: &JsonFault) {
        // Those that a visitor may pass over were told when they were met.
        if fault.kind != FaultKind::Stopped && faults::passable(fault).is_none() {
            let (text, limits) = (self.text, self.codec.limits());
            let code = faults::broken_code(fault);
            let _ = self.sink.push(code, || faults::broken(text, limits, fault));
        }
    }
}

/// The names in an object that nothing asked for, one a line: what a missing one is compared with.
#[cold]
pub(super) fn strangers(text: &str, object: Token, strange: impl Fn(&str) -> bool) -> SmolStr {
    let mut present = String::new();
    for (key, _) in crate::json::members(text, object.start()) {
        let name = key.decode(text);
        if strange(&name) && present.len() < 1024 {
            present.push_str(&name);
            present.push('\n');
        }
    }
    SmolStr::from(present)
}
