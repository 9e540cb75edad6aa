//! Documents inside the data of an event: what they repeat of its header must agree with it.

use crate::event::Codec;
use crate::event::EventType;
use crate::finding::{Code, Finding, Report};
use crate::json::{Kind, Token, members, pointer};
use crate::message::MessageKind;
use crate::spec::{EVENT, FieldType, MemberSpec, Misfit, ObjectSpec, PHASE, Shape, WORKFLOW};

/// The data of an event, and what the header says beside it.
pub(super) struct EventData<'a> {
    pub(super) text: &'a str,
    pub(super) data: Token,
    /// The pointer of the data; empty for a line.
    pub(super) base: &'a str,
    pub(super) event_type: Option<EventType>,
    pub(super) workflow: &'a str,
    pub(super) phase: &'a str,
}

impl EventData<'_> {
    /// The value of a key of the data.
    pub(super) fn get(&self, key: &str) -> Option<Token> {
        let mut members = members(self.text, self.data.start());
        members.find(|(name, _)| name.means(self.text, key)).map(|(_, value)| value)
    }

    /// What is wrong with the documents in the data, at most `most` findings of each.
    ///
    /// A field that the registry says to be a document is examined as one. Any other that is called
    /// like a document is free data, and only asked what it says of the event.
    pub(super) fn check(&self, codec: &Codec, most: usize, tell: &mut dyn FnMut(Report)) {
        for (key, value) in members(self.text, self.data.start()) {
            if value.kind() != Kind::Object {
                continue;
            }
            let name = key.decode(self.text);
            let mut pointer = self.base.to_owned();
            pointer::push_key(&mut pointer, &name);
            let mut found = Report::new();
            if let Some(spec) = self.event_type.and_then(|kind| kind.spec().embedded(&name)) {
                tell(codec.check_part(self.text, value, spec, &pointer, most));
                self.facts(value, spec, &pointer, false, &mut |finding| found.push(finding, most));
            } else if let Some(spec) = MessageKind::lookup(&name).and_then(MessageKind::spec) {
                self.facts(value, spec, &pointer, true, &mut |finding| found.push(finding, most));
            }
            if !found.is_empty() {
                tell(found);
            }
        }
    }

    /// Compares what an object says with the header, as deep as its specification goes. `kinds` tells
    /// whether values of a wrong kind are told here; elsewhere they were.
    fn facts(
        &self,
        object: Token,
        spec: &ObjectSpec,
        path: &str,
        kinds: bool,
        tell: &mut dyn FnMut(Finding),
    ) {
        for (key, value) in members(self.text, object.start()) {
            let Some(member) = spec.members.iter().find(|member| key.means(self.text, member.name))
            else {
                continue;
            };
            let mut pointer = path.to_owned();
            pointer::push_key(&mut pointer, member.name);
            match member.shape {
                Shape::Object(inner) if value.kind() == Kind::Object => {
                    self.facts(value, inner, &pointer, kinds, tell);
                }
                Shape::Leaf(leaf) => {
                    let Some(said) = self.said(member) else { continue };
                    if leaf.fits(self.text, value) == Err(Misfit::Kind) {
                        if kinds {
                            tell(wrong_kind(self.text, leaf, value).with_pointer(pointer));
                        }
                    } else if value.kind() == Kind::Text && !value.means(self.text, said) {
                        let actual = value.decode(self.text);
                        tell(
                            Finding::new(Code::HeaderMismatch, value.range())
                                .with_pointer(pointer)
                                .with_expected(said)
                                .with_actual(&actual),
                        );
                    }
                }
                _ => {}
            }
        }
    }

    /// What the header says where it has a field of the same name.
    fn said(&self, member: &MemberSpec) -> Option<&str> {
        let named = |place: usize| EVENT.members[place].name == member.name;
        match () {
            () if named(WORKFLOW) => Some(self.workflow),
            () if named(PHASE) => Some(self.phase),
            () => None,
        }
    }
}

fn wrong_kind(text: &str, leaf: FieldType, value: Token) -> Finding {
    Finding::new(Code::WrongKind, value.range())
        .with_expected(leaf.noun())
        .with_actual(&crate::codec::describe(text, value))
}
