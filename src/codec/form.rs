//! How the root of a message is read: told by its keys.

use super::options::Codec;
use crate::json::members;
use crate::spec::MessageKind;

/// How the root of a message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Header and body.
    Envelope,
    /// The field's flat event.
    Flat,
    /// No known body.
    Bare,
}

/// What the root holds, from its keys. Stops at the first body key, so a bare document costs
/// nothing; a text that is no JSON may give any answer.
pub(crate) fn form_of(text: &str, start: usize, codec: &Codec) -> (Form, MessageKind) {
    let version = codec.registry().version();
    let mut walk = members(text, start);
    let mut event_type = false;
    let mut workflow = false;
    while let Some((key, at)) = walk.next_key() {
        let name = key.decode(text);
        if let Some(kind) = MessageKind::lookup(&name)
            && kind.since() <= version
        {
            return (Form::Envelope, kind);
        }
        event_type |= name == "event_type";
        workflow |= matches!(&*name, "workflow_id" | "workflow_context");
        match walk.value_at(at) {
            Some(value) => walk.skip_to(value.end()),
            None => break,
        }
    }
    if event_type && (workflow || codec.has_lone_types()) {
        (Form::Flat, MessageKind::Event)
    } else {
        (Form::Bare, MessageKind::Unknown)
    }
}
