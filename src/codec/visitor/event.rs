//! What is asked of an event beyond its fields: that its type is known, and that its data does not
//! contradict its header.

use super::Visitor;
use super::tell::strangers;
use crate::codec::faults;
use crate::codec::frame::{Container, Expect, pointer_of};
use crate::codec::sink::Sink;
use crate::codec::tape::Tape;
use crate::finding::{Code, Finding, Hint};
use crate::json::{Kind, Token, members, pointer};
use crate::scalar::id;
use crate::spec::{
    CustomType, DATA, EVENT_TYPE, FieldType, Known, Misfit, PHASE, REPEATED, Shape, TypeOrigin,
    UNTYPED_DATA, WORKFLOW,
};
use std::cell::OnceCell;
use std::ops::ControlFlow::{self, Continue};

impl<'c, S: Sink, T: Tape, const DEPTHS: usize> Visitor<'_, 'c, S, T, DEPTHS> {
    /// The registered type of the event that was read.
    pub(in crate::codec) fn origin(&self) -> TypeOrigin {
        self.event.map_or(TypeOrigin::Unregistered, |known| known.origin())
    }

    /// The data of an event opens in a document. What it must hold depends on the type beside it.
    /// Writers put the type first; where one did not, it is looked for, so that the data can be read
    /// in this pass.
    pub(super) fn open_data(&mut self, depth: usize) -> Container<'c> {
        let text = self.text;
        let open = self.frames[depth].open as usize;
        let name = self.parts[EVENT_TYPE].or_else(|| {
            let mut beside = members(text, open);
            beside.find(|(key, _)| key.means(text, "event_type")).map(|(_, value)| value)
        });
        // Without a type nothing can be said of the data; that it lacks one has its own finding.
        let Some(name) = name.filter(|name| name.kind() == Kind::Text) else {
            return Container::Other;
        };
        self.parts[EVENT_TYPE] = Some(name);
        let known = self.codec.registry().find(&name.decode(text));
        self.event = Some(known);
        match known {
            Known::Type(kind) => Container::Object(kind.spec().data),
            Known::Custom(custom) => Container::Custom(custom),
            Known::Later(_) | Known::Unknown => Container::Object(&UNTYPED_DATA),
        }
    }

    /// Whether the object that holds the values of a depth has a key, met or still to come.
    #[cold]
    pub(super) fn has_key(&self, depth: usize, name: &str) -> bool {
        let open = self.frames[depth].open as usize;
        members(self.text, open).any(|(key, _)| key.means(self.text, name))
    }

    /// The data of an event has ended in a document.
    pub(super) fn data_ended(&mut self, depth: usize, data: Token, entry: u32) -> ControlFlow<()> {
        if data.kind() != Kind::Object {
            self.tape.spoil(entry, Misfit::Kind);
            return self.misfit(depth, FieldType::Object.shape(), data, Misfit::Kind);
        }
        self.parts[DATA] = Some(data);
        match self.event {
            Some(Known::Type(kind)) => self.ended(depth, kind.spec().data, data),
            Some(Known::Custom(custom)) => self.custom_ended(depth, custom, data),
            Some(unknown) => self.unknown_type(&unknown),
            None => Continue(()),
        }
    }

    #[cold]
    fn unknown_type(&mut self, unknown: &Known<'_>) -> ControlFlow<()> {
        let Some(token) = self.parts[EVENT_TYPE] else { return Continue(()) };
        let (text, start, codec) = (self.text, self.start, self.codec);
        let name = token.decode(text);
        // An ill-formed name has its own finding.
        if id::check(&name).is_err() {
            return Continue(());
        }
        self.sink.push(Code::UnknownEventType, || {
            faults::unknown_type(codec.registry(), &name, token.range(), unknown)
                .with_pointer(pointer::locate(text, start, token.start()))
        })
    }

    /// A key that the data of an event need not have. It may say a part of the header again.
    pub(super) fn beyond(
        &mut self,
        depth: usize,
        key: Token,
        name: &str,
        registered: bool,
    ) -> ControlFlow<()> {
        let claim = REPEATED.iter().position(|(member, _)| member.name == name);
        self.extra(depth, key, claim.map_or(Expect::Ignore, Expect::Claim));
        if !registered || !self.tells_extras {
            return Continue(());
        }
        self.tell(Code::UnknownField, depth, || {
            Finding::new(Code::UnknownField, key.range()).with_actual(name)
        })
    }

    /// A required identifier of the data may be the workflow of the header.
    #[inline]
    pub(super) fn claim(&mut self, depth: usize, value: Token) {
        let frame = &self.frames[depth];
        let Some(place) = (frame.next as usize).checked_sub(1) else { return };
        let name = match frame.container {
            Container::Object(spec) => spec.members.get(place).map(|member| member.name),
            Container::Custom(custom) => custom.required.get(place).map(|field| &*field.name),
            _ => None,
        };
        if name == Some(REPEATED[0].0.name) {
            self.claims[0] = Some(value);
        }
    }

    /// The event of a document has ended: does its data say what its header says?
    #[inline]
    pub(in crate::codec) fn event_agrees(&mut self) -> ControlFlow<()> {
        if self.claims == [None; 2] {
            return Continue(());
        }
        let text = self.text;
        let [workflow, phase] = [WORKFLOW, PHASE].map(|place| {
            // What is no text has its own finding, and says nothing that could be compared.
            self.parts[place].filter(|token| token.kind() == Kind::Text)
        });
        let [workflow, phase] =
            [workflow, phase].map(|token| token.map(|token| token.decode(text)));
        self.agrees([workflow.as_deref(), phase.as_deref()])
    }

    /// Whether the data says of workflow and phase what the header says. Told at the end, because
    /// in a document the header may stand behind the data.
    #[inline]
    pub(in crate::codec) fn agrees(&mut self, header: [Option<&str>; 2]) -> ControlFlow<()> {
        for (place, (claim, said)) in self.claims.into_iter().zip(header).enumerate() {
            if let (Some(claim), Some(said)) = (claim, said) {
                self.compare(place, claim, said)?;
            }
        }
        Continue(())
    }

    #[inline(never)]
    fn compare(&mut self, place: usize, claim: Token, said: &str) -> ControlFlow<()> {
        let (text, start) = (self.text, self.start);
        let (member, number) = REPEATED[place];
        // A number names a phase by its place, not by the name that the header has.
        let by_number = number && claim.kind() == Kind::Number;
        if let Shape::Leaf(leaf) = member.shape
            && !by_number
            && leaf.fits(text, claim) == Err(Misfit::Kind)
        {
            // What is no text names nothing, so it cannot disagree either.
            return self.sink.push(Code::WrongKind, || {
                Finding::new(Code::WrongKind, claim.range())
                    .with_pointer(pointer::locate(text, start, claim.start()))
                    .with_expected(leaf.noun())
                    .with_actual(&faults::describe(text, claim))
            });
        }
        if claim.kind() != Kind::Text || claim.means(text, said) {
            return Continue(());
        }
        self.sink.push(Code::HeaderMismatch, || {
            Finding::new(Code::HeaderMismatch, claim.range())
                .with_pointer(pointer::locate(text, start, claim.start()))
                .with_expected(said)
                .with_actual(&claim.decode(text))
        })
    }

    /// A key in the data of an event of the caller's own type. All of it is kept as extra: there is no
    /// Rust type for it.
    #[inline(never)]
    pub(super) fn custom_key(
        &mut self,
        depth: usize,
        key: Token,
        custom: &CustomType,
    ) -> ControlFlow<()> {
        let name = key.decode(self.text);
        let Some(place) = custom.required.iter().position(|field| field.name == *name) else {
            return self.beyond(depth, key, &name, true);
        };
        let shape = custom.required[place].field_type.shape();
        self.extra(depth, key, Expect::Shape(shape));
        let frame = &mut self.frames[depth];
        frame.seen |= 1 << place;
        frame.next = place as u32 + 1;
        Continue(())
    }

    /// The data of an event of the caller's own type has ended: what is missing in it?
    pub(super) fn custom_ended(
        &mut self,
        depth: usize,
        custom: &CustomType,
        data: Token,
    ) -> ControlFlow<()> {
        let Some(inside) = self.frames.get(depth + 1) else { return Continue(()) };
        let (seen, end) = (inside.seen, data.end() - 1);
        let present = OnceCell::new();
        for (place, field) in custom.required.iter().enumerate() {
            if seen & 1 << place != 0 {
                continue;
            }
            let (text, frames) = (self.text, &self.frames);
            self.sink.push(Code::MissingData, || {
                let mut pointer = pointer_of(text, frames, depth);
                pointer::push_key(&mut pointer, &field.name);
                let known = |name: &str| custom.required.iter().any(|field| field.name == name);
                let present = present.get_or_init(|| strangers(text, data, |name| !known(name)));
                Finding::new(Code::MissingData, end..end + 1)
                    .with_pointer(pointer)
                    .with_expected(field.name.clone())
                    .hinted(Hint::Among { present: present.clone() })
            })?;
        }
        Continue(())
    }
}
