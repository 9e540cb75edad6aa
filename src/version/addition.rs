//! What each version added: the one table that compatibility and migration are computed from.

use crate::event::REGISTRY;
use crate::scalar::ProtocolVersion;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// A kind of thing that a version of the protocol may add.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdditionKind {
    /// An event type.
    EventType,
    /// A body key of the envelope: a message.
    Body,
    /// A header key of the envelope.
    Header,
    /// A field of a message, as `message/field`.
    Field,
}

impl AdditionKind {
    /// Whether a reader that does not know the addition can pass over it and still read the rest.
    pub const fn is_optional(self) -> bool {
        matches!(self, AdditionKind::Header | AdditionKind::Field)
    }
}

/// One thing that the protocol has since some version.
///
/// `Display` names it: ``the header key `priority` ``.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Addition {
    /// The version that brought it.
    pub since: ProtocolVersion,
    /// What kind of thing.
    pub kind: AdditionKind,
    /// Its name on the wire.
    pub name: Cow<'static, str>,
}

impl Addition {
    /// An addition; the name of a field is `message/field`.
    pub fn new(
        since: ProtocolVersion,
        kind: AdditionKind,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        Addition { since, kind, name: name.into() }
    }
}

impl fmt::Display for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            AdditionKind::EventType => "event type",
            AdditionKind::Body => "message",
            AdditionKind::Header => "header key",
            AdditionKind::Field => "field",
        };
        write!(f, "the {kind} `{}`", self.name)
    }
}

macro_rules! messages {
    ($($since:ident $kind:ident: $($name:literal)+;)+) => {
        /// Bodies, header keys and fields with the version that brought them.
        ///
        /// To be derived from the table of the messages, as event types are from the registry.
        const MESSAGES: &[(ProtocolVersion, AdditionKind, &str)] =
            &[$($((ProtocolVersion::$since, AdditionKind::$kind, $name)),+),+];
    };
}

messages! {
    V1_0_0 Body:
        "allocation_request" "allocation_response" "workflow_state" "checkpoint_sync"
        "error_report" "component_registration" "health_status" "component_config" "event";
    V1_1_0 Body:
        "hello" "welcome" "release" "conflict_check" "rollback" "heartbeat" "subscription"
        "dead_letter" "proposal" "vote" "decision" "deregistration";
    V1_1_0 Header:
        "protocol_version" "message_id" "timestamp" "source" "correlation_id" "causation_id"
        "request_id" "response_to" "response_required" "priority" "ttl_seconds" "routing_key"
        "signature";
    V1_1_0 Field:
        "checkpoint_sync/state_version";
}

/// Everything that has a version in the tables: event types, then the parts of messages.
pub fn additions() -> impl Iterator<Item = Addition> {
    let events = REGISTRY.iter().map(|spec| {
        Addition::new(spec.since.clone(), AdditionKind::EventType, spec.event_type.as_str())
    });
    let messages =
        MESSAGES.iter().map(|(since, kind, name)| Addition::new(since.clone(), *kind, *name));
    events.chain(messages)
}

/// Whether a root key is the body of an envelope in some version.
pub(super) fn is_body(key: &str) -> bool {
    MESSAGES.iter().any(|(_, kind, name)| *kind == AdditionKind::Body && *name == key)
}

/// The parts of messages that one version has and an earlier one lacks.
pub(super) fn between<'v>(
    low: &'v ProtocolVersion,
    high: &'v ProtocolVersion,
) -> impl Iterator<Item = (AdditionKind, &'static str)> + 'v {
    MESSAGES
        .iter()
        .filter(move |(since, ..)| low < since && since <= high)
        .map(|(_, kind, name)| (*kind, *name))
}
