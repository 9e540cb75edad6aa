//! Who may send which kind of message: one table.

use crate::message::MessageKind;
use crate::scalar::{ComponentId, Refusal, ScalarError, printable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// One of those that may send a kind of message.
///
/// It is written as one word, in policy files and options:
///
/// ```
/// use coordination_protocol::security::permissions::Sender;
///
/// let sender: Sender = "capability:coordination".parse()?;
/// assert_eq!(sender, Sender::capability("coordination"));
/// assert_eq!(sender.to_string(), "capability:coordination");
/// assert_eq!(
///     "coordinator".parse::<Sender>().unwrap_err().to_string(),
///     "`coordinator` is none of anyone, registered, publications, subscriptions, replica, voter, \
///      addressee, holder, capability:NAME, component:NAME",
/// );
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Sender {
    /// `anyone`: any component, registered or not.
    Anyone,
    /// `registered`: any registered component.
    Registered,
    /// `publications`: a component whose `event_publications` cover the event.
    Publications,
    /// `subscriptions`: a component whose `event_subscriptions` cover the patterns asked for.
    Subscriptions,
    /// `replica`: a component that the host names as a replica of states.
    Replica,
    /// `voter`: a component that the host names as a voter.
    Voter,
    /// `addressee`: the component that the message names as its `subscriber`.
    Addressee,
    /// `holder`: the component to which the grant was made; any registered one where that is not known.
    Holder,
    /// `capability:NAME`: a component with the capability.
    Capability(Cow<'static, str>),
    /// `component:NAME`: this component.
    Component(ComponentId),
}

const PLAIN: [(&str, Sender, &str); 8] = [
    ("anyone", Sender::Anyone, "a component"),
    ("registered", Sender::Registered, "a registered component"),
    ("publications", Sender::Publications, "a pattern of its `event_publications`"),
    ("subscriptions", Sender::Subscriptions, "a pattern of its `event_subscriptions`"),
    ("replica", Sender::Replica, "a replica that the host names"),
    ("voter", Sender::Voter, "a voter that the host names"),
    ("addressee", Sender::Addressee, "to be the `subscriber` that it names"),
    ("holder", Sender::Holder, "to be the component to which the grant was made"),
];
const CAPABILITY: &str = "capability:";
const COMPONENT: &str = "component:";

const WORDS: &[&str] = &[
    PLAIN[0].0,
    PLAIN[1].0,
    PLAIN[2].0,
    PLAIN[3].0,
    PLAIN[4].0,
    PLAIN[5].0,
    PLAIN[6].0,
    PLAIN[7].0,
    "capability:NAME",
    "component:NAME",
];

impl Sender {
    /// A component with a capability.
    pub fn capability(name: impl Into<String>) -> Self {
        Sender::Capability(Cow::Owned(name.into()))
    }

    /// What it takes to be this sender, as the object of a sentence.
    pub(super) fn noun(&self) -> String {
        match self {
            Sender::Capability(name) => format!("the capability `{}`", printable(name)),
            Sender::Component(name) => format!("to be `{}`", printable(name)),
            plain => PLAIN
                .iter()
                .find(|(_, sender, _)| sender == plain)
                .map_or("", |row| row.2)
                .to_owned(),
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sender::Capability(name) => write!(f, "{CAPABILITY}{name}"),
            Sender::Component(name) => write!(f, "{COMPONENT}{name}"),
            plain => f.write_str(
                PLAIN.iter().find(|(_, sender, _)| sender == plain).map_or("", |row| row.0),
            ),
        }
    }
}

impl FromStr for Sender {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        if let Some(name) = text.strip_prefix(CAPABILITY).filter(|name| !name.is_empty()) {
            return Ok(Sender::capability(name));
        }
        if let Some(name) = text.strip_prefix(COMPONENT) {
            return Ok(Sender::Component(ComponentId::new(name)?));
        }
        PLAIN
            .iter()
            .find(|(word, ..)| *word == text)
            .map(|(_, sender, _)| sender.clone())
            .ok_or_else(|| ScalarError::bad_word(text, WORDS, Refusal::NoneOf))
    }
}

impl Serialize for Sender {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sender {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

const fn capability(name: &'static str) -> Sender {
    Sender::Capability(Cow::Borrowed(name))
}

/// Expands the table: kind, and who may send it. Any one of those is enough.
macro_rules! senders {
    ($($kind:ident: $($sender:expr),+;)+) => {
        impl MessageKind {
            /// Who may send messages of this kind, unless a host [says otherwise](super::Permissions::with_senders).
            /// Whoever is named in the message as its speaker (the component of a heartbeat, the voter of
            /// a vote, the requester of a request) must be its source besides.
            ///
            /// | kind | who may: any one of these |
            /// |---|---|
            $(#[doc = concat!("| `", stringify!($kind), "` |", $(" `", stringify!($sender), "`",)+ " |")])+
            pub const fn senders(self) -> &'static [Sender] {
                use Sender::{Addressee, Anyone, Holder, Publications, Registered, Replica, Subscriptions, Voter};
                match self {
                    $(MessageKind::$kind => {
                        const ROW: &[Sender] = &[$($sender),+];
                        ROW
                    })+
                }
            }
        }
    };
}

senders! {
    AllocationRequest: Registered;
    AllocationResponse: capability("resource_allocation");
    WorkflowState: capability("coordination"), Replica;
    CheckpointSync: capability("coordination"), capability("checkpointing");
    ErrorReport: Registered;
    ComponentRegistration: Anyone;
    HealthStatus: Registered;
    ComponentConfig: capability("coordination");
    Hello: Anyone;
    Welcome: Registered;
    Release: Holder;
    ConflictCheck: Registered;
    Rollback: capability("coordination"), capability("checkpointing");
    Heartbeat: Registered;
    Subscription: Subscriptions;
    DeadLetter: capability("coordination"), Addressee;
    Proposal: capability("coordination"), Replica;
    Vote: Voter;
    Decision: capability("coordination");
    Deregistration: Registered;
    Event: Publications;
    Unknown: Registered;
}
