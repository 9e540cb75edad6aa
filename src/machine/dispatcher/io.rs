//! What goes in and out.

use super::queue::Queue;
use super::receipt::Receipt;
use crate::error::leaf_errors;
use crate::machine::effect::machine_output;
use crate::machine::{IgnoreReason, Ignored};
use crate::message::{DeadLetter, Envelope, MessageKind};
use crate::route::{FilterError, PatternError};
use crate::scalar::{ComponentId, MessageId, printable};
use crate::transport::Gap;
use crate::validate::Checked;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What a host wants of a [`Dispatcher`](super::Dispatcher), and what subscribers told it. What others
/// publish, and their subscriptions, are [received](crate::machine::Machine::receive).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DispatcherInput {
    /// Subscribe a component of the host's own. One of the same subscriber, pattern and group is replaced; one that says
    /// `cancel` ends those of its patterns, or all if it names none.
    Subscribe(Box<Checked<Envelope>>),
    /// Publish a message of the host's own for all whose subscriptions select it.
    Publish(Box<Checked<Envelope>>),
    /// A message is for this subscriber once more: the replay of a dead letter. It keeps its
    /// identifiers, and that it was published before does not count.
    Redrive(ComponentId, Box<Checked<Envelope>>),
    /// A subscriber has handled these messages.
    Acknowledge(ComponentId, Vec<Receipt>),
    /// A subscriber is still at work on these messages: each has a whole time-out from now on, up to
    /// [`longest`](super::DispatcherOptions::longest) in all. One who works on a batch message by
    /// message names the first of each order key, or all that it has.
    #[doc(alias = "in progress")]
    #[doc(alias = "still working")]
    #[doc(alias = "visibility timeout")]
    Extend(ComponentId, Vec<Receipt>),
    /// A subscriber knows of this gap. What was lost since it was told makes up the next one.
    AckGap(ComponentId, Receipt),
    /// A subscriber could not handle a message, for a reason; it is tried again.
    Fail(ComponentId, Receipt, String),
    /// A subscriber will never handle a message, for a reason: it becomes a dead letter at once.
    Reject(ComponentId, Receipt, String),
    /// A subscriber cannot be reached. Its messages wait; those under way were cut off, and go again
    /// if an attempt is left.
    Disconnected(ComponentId),
    /// A subscriber can be reached again.
    Reconnected(ComponentId),
}

/// Why a [`Dispatcher`](super::Dispatcher) refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DispatcherError {
    /// The message is about something else.
    #[error("`{0}` is no subscription")]
    NotSubscription(MessageKind),
    /// A component subscribes for itself only.
    #[error("`{source_id}` cannot subscribe for `{subscriber}`", source_id = printable(.source_id), subscriber = printable(.subscriber))]
    NotTheSubscriber {
        /// Who sent the subscription.
        source_id: ComponentId,
        /// Who would receive.
        subscriber: ComponentId,
    },
    /// A subscription without a pattern selects nothing.
    #[error("the subscription of `{}` has no pattern", printable(.0))]
    NoPattern(ComponentId),
    /// One of its patterns is none.
    #[error("`{pattern}` is no pattern: {error}", pattern = printable(.pattern))]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        error: PatternError,
    },
    /// Its filter is none.
    #[error("the filter of the subscription is none: {0}")]
    Filter(#[from] FilterError),
    /// There would be more subscriptions than may be.
    #[error("there would be {count} subscriptions, at most {limit} are allowed")]
    TooMany {
        /// How many there would be.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// A queue that must not lose anything is full. No subscriber gets the message.
    #[error("the queue of `{subscriber}` is full; it holds {limit} messages", subscriber = printable(.subscriber))]
    Busy {
        /// Whose queue it is.
        subscriber: ComponentId,
        /// How many messages it holds.
        limit: usize,
    },
    /// No pattern can select the message.
    #[error("`{0}` has no routing key")]
    NoRoute(MessageKind),
    /// The component has no subscription.
    #[error("`{}` has no subscription", printable(.0))]
    NotSubscribed(ComponentId),
    /// As many outputs wait to be fetched as may.
    #[error("{0} outputs wait to be fetched, which is the limit")]
    Unpolled(usize),
    /// A text is no receipt.
    #[error("`{}` is no receipt", printable(.0))]
    NotReceipt(String),
}

leaf_errors! {
    DispatcherError, Machine {
        Self::NotSubscription(_) => ["not-a-subscription", Execution, Conflict, lasting, "correct_and_resend", "Correct the message and send it again."],
        Self::NotTheSubscriber { .. } => ["not-the-subscriber", Execution, Conflict, lasting, "correct_and_resend", "Subscribe in your own name."],
        Self::NoPattern(_) => ["no-pattern", Execution, Conflict, lasting, "correct_and_resend", "Name at least one pattern."],
        Self::Pattern { .. } => ["pattern", Execution, Conflict, lasting, "correct_and_resend", "Correct the pattern and send the subscription again."],
        Self::Filter(_) => ["filter", Execution, Conflict, lasting, "correct_and_resend", "Correct the filter and send the subscription again."],
        Self::TooMany { .. } => ["too-many-subscriptions", Resource, LimitExceeded, lasting, "correct_and_resend", "Cancel subscriptions that are not needed, or join patterns into wider ones."],
        Self::Busy { .. } => ["busy", Resource, LimitExceeded, transient, "retry", "Publish the message again after a pause."],
        Self::NoRoute(_) => ["no-route", Execution, Conflict, lasting, "correct_and_resend", "Publish messages that have a routing key only."],
        Self::NotSubscribed(_) => ["not-subscribed", State, Conflict, lasting, "resubscribe", "Subscribe, and go by the receipts of what is delivered from then on."],
        Self::Unpolled(_) => ["unpolled", Execution, LimitExceeded, transient, "retry", "Fetch the outputs, then hand in the same input."],
        Self::NotReceipt(_) => ["not-a-receipt", Execution, Conflict, lasting, "correct_and_resend", "Repeat the receipt of a message as it was given."],
    }
}

/// One message of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Delivered {
    /// What names this hand-over: its number, the attempt, and the epoch of the numbering. A subscriber
    /// repeats it to tell what became of the message.
    pub receipt: Receipt,
    /// The message.
    #[serde(with = "super::shared")]
    pub envelope: Arc<Envelope>,
}

impl DispatcherError {
    /// The reason that stands for it where a message of somebody else led to it.
    pub(super) const fn reason(&self) -> IgnoreReason {
        match self {
            DispatcherError::NotSubscription(_) | DispatcherError::NoRoute(_) => {
                IgnoreReason::Unwanted
            }
            DispatcherError::NotTheSubscriber { .. } => IgnoreReason::WrongSender,
            DispatcherError::NoPattern(_) => IgnoreReason::Incomplete,
            DispatcherError::Pattern { .. }
            | DispatcherError::Filter(_)
            | DispatcherError::NotReceipt(_) => IgnoreReason::Invalid,
            DispatcherError::TooMany { .. } | DispatcherError::Busy { .. } => IgnoreReason::Full,
            DispatcherError::Unpolled(_) => IgnoreReason::Unpolled,
            DispatcherError::NotSubscribed(_) => IgnoreReason::Unknown,
        }
    }
}

impl Delivered {
    pub(super) const fn new(receipt: Receipt, envelope: Arc<Envelope>) -> Self {
        Delivered { receipt, envelope }
    }
}

/// What was lost to a subscriber and not acknowledged as lost yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GapNotice {
    /// What to acknowledge it by.
    pub receipt: Receipt,
    /// What was lost.
    pub gap: Gap,
}

impl GapNotice {
    pub(super) fn of(queue: &Queue) -> Option<Self> {
        let (receipt, gap) = (queue.gap_receipt()?, queue.gap?.gap);
        Some(GapNotice { receipt, gap })
    }
}

/// What a subscriber told of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Settlement {
    /// That it handled it.
    Acknowledge,
    /// That it is still at work on it.
    Extend,
    /// That it could not handle it.
    Fail,
    /// That it will never handle it.
    Reject,
    /// That it knows what it lost.
    AckGap,
}

impl fmt::Display for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Settlement::Acknowledge => "acknowledgement",
            Settlement::Extend => "extension",
            Settlement::Fail => "failure",
            Settlement::Reject => "rejection",
            Settlement::AckGap => "acknowledgement of a gap",
        })
    }
}

/// A receipt that was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IgnoredReceipt {
    /// Which.
    pub receipt: Receipt,
    /// Why; [`ReceiptsIgnored`](DispatcherOutput::ReceiptsIgnored) says what each reason means here.
    pub reason: IgnoreReason,
}

/// What a [`Dispatcher`](super::Dispatcher) asks its host to do or to know: its effects. `Display` is one line for logs.
#[doc(alias = "effect")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DispatcherOutput {
    /// Hand these over. The subscriber handles them in order, and after one that it cannot handle it
    /// leaves out those with the same order key.
    Deliver {
        /// To whom.
        to: ComponentId,
        /// What was lost to it and not acknowledged as lost yet.
        gap: Option<GapNotice>,
        /// The messages; none only if there is a gap.
        batch: Vec<Delivered>,
    },
    /// A message was accepted; there is exactly one for each.
    Published {
        /// Its identifier.
        message_id: Option<MessageId>,
        /// How many subscribers will get it.
        receivers: usize,
    },
    /// A message was not applied. A message that was published before is a duplicate, also if the host
    /// published it.
    Ignored(Ignored),
    /// What a subscriber told was not applied to some messages. It is late, or comes again, which is no
    /// harm; nothing else was settled instead. The reasons:
    ///
    /// | reason | what the receipt is of |
    /// |---|---|
    /// | `duplicate` | a message whose end the subscriber told before |
    /// | `late` | a message that ended without the subscriber: it is a dead letter, was lost in a gap, or went to another member of the group. An acknowledgement says that it was handled all the same. Of a failure or an extension also: an attempt whose time is over |
    /// | `stale` | an earlier attempt, an earlier subscription, or a message of a snapshot that was gone back to |
    /// | `unknown` | no message, or no subscriber |
    /// | `full` | a message that cannot be extended any more |
    ReceiptsIgnored {
        /// Who told it.
        subscriber: ComponentId,
        /// What it told.
        said: Settlement,
        /// Which receipts, and why.
        ignored: Vec<IgnoredReceipt>,
    },
    /// Subscriptions were made or replaced.
    Subscribed {
        /// Whose.
        subscriber: ComponentId,
        /// How many it has.
        patterns: usize,
    },
    /// The last subscription of a component ended.
    Unsubscribed {
        /// Whose.
        subscriber: ComponentId,
        /// How many messages it did not acknowledge.
        left: usize,
    },
    /// Keep this as evidence: it will not be delivered.
    DeadLetter(Box<DeadLetter>),
    /// A dead letter could not be delivered. There are no letters about letters, so this is all that
    /// is left of it.
    Discard {
        /// Who should have received it.
        subscriber: ComponentId,
        /// Why it could not be.
        reason: String,
    },
    /// A subscriber never acknowledged that it lost messages.
    GapUnacknowledged {
        /// The subscriber.
        subscriber: ComponentId,
        /// What it lost.
        gap: Gap,
    },
}

// What goes to subscribers goes in batches, with numbers to acknowledge.
machine_output!(DispatcherOutput sends nothing);

impl fmt::Display for DispatcherOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DispatcherOutput::Deliver { to, gap, batch } => {
                write!(f, "deliver {to}:")?;
                let mut comma = "";
                if let Some(gap) = gap {
                    write!(f, " {}", GapLine(gap.gap))?;
                    comma = ",";
                }
                for item in batch {
                    write!(f, "{comma} {}", item.receipt.number())?;
                    if item.receipt.attempt() > 1 {
                        write!(f, " (attempt {})", item.receipt.attempt())?;
                    }
                    comma = ",";
                }
                Ok(())
            }
            DispatcherOutput::Published { message_id: Some(id), receivers } => {
                write!(f, "published {id} to {receivers}")
            }
            DispatcherOutput::Published { message_id: None, receivers } => {
                write!(f, "published to {receivers}")
            }
            DispatcherOutput::Ignored(ignored) => write!(f, "ignore {ignored}"),
            DispatcherOutput::ReceiptsIgnored { subscriber, said, ignored } => {
                write!(f, "ignore {said} of {subscriber}:")?;
                for (at, IgnoredReceipt { receipt, reason }) in ignored.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    let (number, attempt) = (receipt.number(), receipt.attempt());
                    write!(f, "{comma} {number} (attempt {attempt}) {reason}")?;
                }
                Ok(())
            }
            DispatcherOutput::Subscribed { subscriber, patterns } => {
                write!(f, "subscribed {subscriber} patterns={patterns}")
            }
            DispatcherOutput::Unsubscribed { subscriber, left } => {
                write!(f, "unsubscribed {subscriber} left={left}")
            }
            DispatcherOutput::DeadLetter(letter) => {
                f.write_str("dead letter")?;
                if let Some(subscriber) = &letter.subscriber {
                    write!(f, " for {subscriber}")?;
                }
                write!(f, ": {}", letter.reason)
            }
            DispatcherOutput::Discard { subscriber, reason } => {
                write!(f, "discard for {subscriber}: {reason}")
            }
            DispatcherOutput::GapUnacknowledged { subscriber, gap } => {
                write!(f, "unacknowledged by {subscriber}: {}", GapLine(*gap))
            }
        }
    }
}

struct GapLine(Gap);

impl fmt::Display for GapLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gap { from, to, dropped } = self.0;
        write!(f, "gap {from}..{to} lost={dropped}")
    }
}
