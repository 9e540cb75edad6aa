//! What a subscriber wants.

use crate::bus::Position;
use crate::route::{Filter, Pattern};
use crate::storage::Key;

/// Where a subscription starts that was never there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// With what is published from now on.
    #[default]
    Now,
    /// With the oldest message that is still there.
    First,
    /// With the message at a position.
    At(Position),
}

/// What a subscriber wants, and how it goes on after a restart.
///
/// ```
/// use coordination_protocol::bus::{Interest, Start};
///
/// let failures = Interest::new("*.failed".parse()?)
///     .with_filter("severity>=high".parse()?)
///     .durable("alarms")
///     .starting(Start::First);
/// assert_eq!(failures.name(), Some("alarms"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "subscription")]
#[doc(alias = "consumer group")]
#[derive(Clone, Debug)]
pub struct Interest {
    pub(super) selection: Selection,
    pub(super) name: Option<String>,
    pub(super) start: Start,
    pub(super) max_in_flight: usize,
    pub(super) window: usize,
    pub(super) max_attempts: u32,
    pub(super) in_sequence: bool,
}

/// Which records are wanted.
#[derive(Clone, Debug)]
pub(in crate::bus) enum Selection {
    Pattern { pattern: Pattern, filter: Option<Filter> },
    Lane(Key),
}

impl Interest {
    /// How many messages may be handed out and not settled, unless set: they keep a handler busy without
    /// claiming what another member could do.
    pub const IN_FLIGHT: usize = 16;

    /// How many attempts at one message there are, unless set.
    pub const ATTEMPTS: u32 = 3;

    /// How many messages are looked ahead, unless set: it evens out bursts.
    pub const WINDOW: usize = 1_000;

    /// What a pattern selects, from now on, for as long as the inbox is there.
    pub const fn new(pattern: Pattern) -> Self {
        Interest::of(Selection::Pattern { pattern, filter: None })
    }

    pub(in crate::bus) const fn of(selection: Selection) -> Self {
        Interest {
            selection,
            name: None,
            start: Start::Now,
            max_in_flight: Self::IN_FLIGHT,
            window: Self::WINDOW,
            max_attempts: Self::ATTEMPTS,
            in_sequence: false,
        }
    }

    /// Takes only messages that a filter accepts.
    pub fn with_filter(mut self, wanted: Filter) -> Self {
        if let Selection::Pattern { filter, .. } = &mut self.selection {
            *filter = Some(wanted);
        }
        self
    }

    /// Remembers under a name how far it got. All inboxes of one name, in whatever process, share the
    /// messages: each goes to one of them.
    #[doc(alias = "queue group")]
    pub fn durable(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets where a subscription starts that was never there before. [`Start::Now`] unless set.
    pub const fn starting(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets how many messages may be handed out and not settled, at least 1. 16 unless set.
    pub const fn with_max_in_flight(mut self, messages: usize) -> Self {
        self.max_in_flight = if messages == 0 { 1 } else { messages };
        self
    }

    /// Hands out messages of one lane behind each other without waiting until the one before is settled,
    /// in order. For readers that take everything in the order in which it comes and put nothing back,
    /// such as those that print or copy: one store of the outcome serves many messages.
    pub const fn in_sequence(mut self) -> Self {
        self.in_sequence = true;
        self
    }

    /// Sets how many messages are looked ahead, at least 1, to find lanes that are not held back. 1,000
    /// unless set.
    pub const fn with_window(mut self, messages: usize) -> Self {
        self.window = if messages == 0 { 1 } else { messages };
        self
    }

    /// Sets how many attempts at one message there are, at least 1, before it comes as
    /// [`Exhausted`](super::Arrival::Exhausted). 3 unless set.
    pub const fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// The pattern, unless it is the inbox of an address.
    pub fn pattern(&self) -> Option<&str> {
        match &self.selection {
            Selection::Pattern { pattern, .. } => Some(pattern.as_str()),
            Selection::Lane(_) => None,
        }
    }

    /// The name under which it is remembered.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
