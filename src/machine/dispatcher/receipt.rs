//! What names a hand-over, so that what a subscriber says of it settles nothing else.

use super::io::DispatcherError;
use crate::message::Envelope;
use crate::scalar::Now;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// Names one hand-over of one message to one subscriber.
///
/// A [`Dispatcher`](super::Dispatcher) gives it out with each message, and takes it back with what became of
/// the message. It says which message it is (its number, and a mark that no other message of that
/// number has), which attempt, and the epoch of the numbering. So a receipt from before a
/// resubscription, from an earlier attempt, or from after a snapshot that was gone back to is told from a
/// present one: it is [ignored](super::DispatcherOutput::ReceiptsIgnored), and settles nothing.
///
/// It travels as a text, which serde writes, too. Subscribers repeat it as it is.
///
/// ```
/// use coordination_protocol::machine::Receipt;
///
/// let receipt: Receipt = "5ad1-3e-17-2".parse()?;
/// assert_eq!((receipt.number(), receipt.attempt()), (17, 2));
/// assert_eq!(receipt.to_string(), "5ad1-3e-17-2");
/// assert!("17".parse::<Receipt>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "acknowledgement")]
#[doc(alias = "delivery tag")]
#[doc(alias = "receipt handle")]
#[doc(alias = "ack id")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Receipt {
    epoch: u64,
    mark: u64,
    number: u64,
    attempt: u32,
}

impl Receipt {
    pub(super) const fn new(epoch: u64, mark: u64, number: u64, attempt: u32) -> Self {
        Receipt { epoch, mark, number, attempt }
    }

    /// Which numbering its number belongs to. Each subscription of a component that had none begins
    /// another one.
    pub const fn epoch(self) -> u64 {
        self.epoch
    }

    /// The number of the message. The messages of a subscriber are numbered from 1 without gaps.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// Which hand-over of the message it is, from 1. All count, also those that a lost link cut off.
    pub const fn attempt(self) -> u32 {
        self.attempt
    }

    /// Whether it is about this message, whatever the attempt.
    pub(super) fn is_of(self, other: Receipt) -> bool {
        (self.epoch, self.mark, self.number) == (other.epoch, other.mark, other.number)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receipt { epoch, mark, number, attempt } = self;
        write!(f, "{epoch:x}-{mark:x}-{number}-{attempt}")
    }
}

impl FromStr for Receipt {
    type Err = DispatcherError;

    fn from_str(text: &str) -> Result<Self, DispatcherError> {
        let read = || {
            let mut parts = text.split('-');
            let mut part = || parts.next().filter(|part| !part.starts_with('+'));
            let epoch = u64::from_str_radix(part()?, 16).ok()?;
            let mark = u64::from_str_radix(part()?, 16).ok()?;
            let (number, attempt) = (part()?.parse().ok()?, part()?.parse().ok()?);
            part().is_none().then_some(Receipt { epoch, mark, number, attempt })
        };
        read().ok_or_else(|| DispatcherError::NotReceipt(text.to_owned()))
    }
}

impl TryFrom<String> for Receipt {
    type Error = DispatcherError;

    fn try_from(text: String) -> Result<Self, DispatcherError> {
        text.parse()
    }
}

impl From<Receipt> for String {
    fn from(receipt: Receipt) -> Self {
        receipt.to_string()
    }
}

/// A mark that another message has by chance only, also one that takes the same number after an older
/// snapshot was gone back to: it comes at another time, or says something else.
pub(super) fn mark(now: Now, envelope: &Envelope) -> u64 {
    let mut mark = Mark(0xCBF2_9CE4_8422_2325);
    mark.add(&now.wall.unix_millis().to_le_bytes());
    mark.add(&now.at.as_nanos().to_le_bytes());
    let header = &envelope.header;
    // Writing to a mark never fails.
    let _ = match &header.message_id {
        // Two messages of one source and identifier are one.
        Some(id) => match &header.source {
            Some(source) => write!(mark, "{source}\n{id}"),
            None => write!(mark, "{id}"),
        },
        None => write!(mark, "{envelope}"),
    };
    mark.0
}

/// FNV-1a: the values are short, and stand in receipts only.
struct Mark(u64);

impl Mark {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

impl fmt::Write for Mark {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}
