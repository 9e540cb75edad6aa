//! Views: what the protocol keeps, over any [`Store`] and [`Journal`](super::Journal).
//!
//! A view gives meaning to keys. It stores messages as they were read, byte for byte, so unknown
//! fields and spellings survive, and types them on the way out. Several views, in any number of
//! processes, may work on one store at the same time.
//!
//! | view | over | keeps |
//! |---|---|---|
//! | [`States`] | a store | the latest state of each workflow, and some versions before it |
//! | [`DeadLetters`] | a store | messages that could not be delivered, bounded by count and age |
//! | [`Registrations`] | a store | who takes part |
//! | [`Allocations`] | a store | grants of resources that are not yet released |
//! | [`Events`], [`Consumer`] | a journal | events in the order they happened, and how far each reader got |
//!
//! # Keys
//!
//! | key | value |
//! |---|---|
//! | `state/<workflow>` | a line with the [content digest](crate::merge::content_digest), then the `workflow_state` |
//! | `state-version/<workflow>/<version>` | the same, of an older version; the version has 20 digits |
//! | `dead-letter/<milliseconds>-<digest>` | the `dead_letter` |
//! | `registration/<component>` | the `component_registration` |
//! | `former-registration/<component>` | the one that a component had when it left |
//! | `allocation/<allocation>` | a line with the workflow, then the `allocation_response` |
//! | `allocation-of/<workflow>/<allocation>` | nothing: the index of the one above |
//! | `allocation-ended/<allocation>` | the number of its end, while it is remembered |
//! | `allocation-ended-order/<number>` | the allocation that ended; the number has 20 digits |
//! | `allocation-ended-tally`, `dead-letter-tally` | how many there are |
//!
//! Whatever else is in a store is none of a view's business. A value under one of these keys that
//! is not what the table says is an error that names the key ([`StorageError::Damaged`]). A list
//! goes on past it and names it ([`Listed::damaged`]).

mod allocations;
mod ended;
mod events;
mod letters;
mod registrations;
mod states;
mod tally;

pub use allocations::{Allocations, Grant};
pub use events::{Consumer, EventBatch, EventPage, Events, StoredEvent, UnreadableRecord};
pub use letters::{AddedLetter, DeadLetters, EvictedLetter, StoredLetter};
#[cfg(feature = "tokio")]
pub(crate) use registrations::registration_keys;
pub use registrations::{Registrations, StoredRegistration};
#[cfg(feature = "checkpoint")]
pub(crate) use states::keep_older;
pub use states::{KeptVersion, States, StoredState};

use super::{
    DamagedValue, Entry, Key, KeyRevision, StorageError, Store, StoreScan, scan_past_damage,
};
use crate::event::Codec;
use crate::finding::Mode;
use crate::json::Limits;
use crate::message::{Message, MessageKind};

/// How often a change is tried again because others were faster. Each of those attempts means that
/// another writer got through.
// Bounded, because a store whose writers starve each other has another fault, which a caller has to
// learn of.
const ATTEMPTS: u32 = 16;

/// How many entries are fetched at a time.
// Few round trips for a list; the store's own page limit bounds the bytes.
const PAGE: usize = 256;

/// How many keys are fetched at a time.
const KEYS: usize = 4_096;

/// The limits that views read and write with: messages of up to 16 MiB, 65,536 keys in an object.
pub const LIMITS: Limits = Limits::DEFAULT.with_bytes(16 << 20).with_keys(1 << 16);

// Interop, because what was read once must stay readable: views keep what a component sent, not
// what it should have sent.
const CODEC: Codec = Codec::new(Mode::Interop).with_limits(LIMITS);

/// What stands before the message in a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Nothing,
    /// The content digest.
    Digest,
    /// The workflow.
    Workflow,
}

/// Which message stands under a key, what before it, and who reads it. This is the table above.
const LAYOUT: &[(&str, MessageKind, Head, Check)] = &[
    (states::LATEST, MessageKind::WorkflowState, Head::Digest, states::check),
    (states::OLDER, MessageKind::WorkflowState, Head::Digest, states::check),
    (letters::PREFIX, MessageKind::DeadLetter, Head::Nothing, letters::check),
    (
        registrations::PREFIX,
        MessageKind::ComponentRegistration,
        Head::Nothing,
        registrations::check,
    ),
    (
        registrations::FORMER,
        MessageKind::ComponentRegistration,
        Head::Nothing,
        registrations::check,
    ),
    (allocations::PREFIX, MessageKind::AllocationResponse, Head::Workflow, allocations::check),
];

/// Reads a value as its view does.
type Check = fn(&Entry) -> Result<(), StorageError>;

/// The message in a value, if the key is one of a view that keeps messages.
///
/// For tools that go over a whole store, whatever it holds; [`replace`] is its counterpart.
///
/// ```
/// use coordination_protocol::storage::{Key, view};
///
/// let key = Key::of(["allocation", "alloc_1"])?;
/// assert_eq!(view::message(&key, b"wf_001\n{}")?, Some("{}"));
/// assert_eq!(view::message(&Key::of(["my", "own"])?, b"anything")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`StorageError::Damaged`] if the value is not laid out as the key demands.
pub fn message<'v>(key: &Key, value: &'v [u8]) -> Result<Option<&'v str>, StorageError> {
    Ok(layout(key).map(|(_, head)| split(key, value, head)).transpose()?.map(|(_, text)| text))
}

/// Which message stands under a key; `None` if the key is no view's.
pub fn kind(key: &Key) -> Option<MessageKind> {
    layout(key).map(|(kind, _)| kind)
}

/// The value with another message in it, or the first value of a key.
///
/// # Errors
/// [`StorageError::Damaged`] as for [`message`]; [`StorageError::Refused`] if the new message is not of
/// the kind that the key demands, or a grant is to be the first: it needs a workflow, so give it to
/// [`Allocations`].
pub fn replace(key: &Key, value: Option<&[u8]>, text: &str) -> Result<Vec<u8>, StorageError> {
    let Some((kind, head)) = layout(key) else { return Ok(text.as_bytes().to_vec()) };
    let refused = |reason| StorageError::Refused { kind, reason };
    let line = match value {
        Some(value) => split(key, value, head)?.0,
        // The answer that grants does not name its workflow, so there is nothing to take the line
        // from.
        None if head == Head::Workflow => {
            return Err(refused("the first value needs a workflow".to_owned()));
        }
        None => "",
    };
    let found = CODEC.verify_message(text).map_err(|error| refused(error.to_string()))?;
    if found != kind {
        return Err(refused(other_kind(found)));
    }
    Ok(match head {
        // Computed anew: the old line belongs to the old text.
        Head::Digest => join(states::digest(&given(text)?)?.as_str(), text),
        Head::Nothing | Head::Workflow => join(line, text),
    })
}

/// The key of the number of dead letters, for what changes them without their view: without it they
/// are counted.
#[cfg(any(feature = "checkpoint", feature = "sqlite"))]
pub(crate) fn letters_tally() -> Result<Key, StorageError> {
    tally::key()
}

/// Whether a value is what its key demands; a key of no view demands nothing.
///
/// ```
/// use coordination_protocol::storage::{Entry, Key, view};
///
/// let entry = Entry::new(Key::of(["state", "wf_001"])?, *b"{}", 1);
/// let damaged = view::check(&entry).unwrap_err();
/// assert!(damaged.to_string().ends_with("the line before the message is missing"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`StorageError::Damaged`].
pub fn check(entry: &Entry) -> Result<(), StorageError> {
    let Some((first, _)) = entry.key.as_str().split_once('/') else { return Ok(()) };
    match LAYOUT.iter().find(|(prefix, ..)| *prefix == first) {
        Some((.., check)) => check(entry),
        None => Ok(()),
    }
}

fn layout(key: &Key) -> Option<(MessageKind, Head)> {
    // By the first segment alone, so a new view is one row of the table.
    let (first, _) = key.as_str().split_once('/')?;
    let row = LAYOUT.iter().find(|(prefix, ..)| *prefix == first)?;
    Some((row.1, row.2))
}

fn split<'v>(key: &Key, value: &'v [u8], head: Head) -> Result<(&'v str, &'v str), StorageError> {
    let text = std::str::from_utf8(value).map_err(|error| StorageError::damaged(key, error))?;
    match head {
        Head::Nothing => Ok(("", text)),
        _ => text
            // A line before the message and not a field in it: the message stays byte for byte what
            // was sent.
            .split_once('\n')
            .ok_or_else(|| StorageError::damaged(key, "the line before the message is missing")),
    }
}

/// Counterpart of [`split`]; without a line there is only the message.
fn join(line: &str, text: &str) -> Vec<u8> {
    match line {
        "" => text.as_bytes().to_vec(),
        line => [line, "\n", text].concat().into_bytes(),
    }
}

/// A document that a view keeps.
trait Kept: Sized {
    const KIND: MessageKind;

    fn of(message: Message) -> Option<Self>;
}

macro_rules! kept {
    ($($name:ident)+) => { $(
        impl Kept for crate::message::$name {
            const KIND: MessageKind = MessageKind::$name;

            fn of(message: Message) -> Option<Self> {
                match message {
                    Message::$name(body) => Some(*body),
                    _ => None,
                }
            }
        }
    )+ };
}
kept! { WorkflowState DeadLetter ComponentRegistration AllocationResponse }

/// A message that a caller gives.
fn given<T: Kept>(text: &str) -> Result<T, StorageError> {
    read(text).map_err(|reason| StorageError::Refused { kind: T::KIND, reason })
}

/// A message that stands in a store, with the line before it.
fn stored<T: Kept>(entry: &Entry, head: Head) -> Result<(&str, &str, T), StorageError> {
    let (line, text) = split(&entry.key, &entry.value, head)?;
    let body = read(text).map_err(|reason| StorageError::damaged(&entry.key, reason))?;
    Ok((line, text, body))
}

fn read<T: Kept>(text: &str) -> Result<T, String> {
    let message = CODEC.parse_message(text).map_err(|error| error.to_string())?;
    let envelope = message.decode().map_err(|error| error.to_string())?;
    T::of(envelope.message).ok_or_else(|| other_kind(message.kind()))
}

fn other_kind(kind: MessageKind) -> String {
    format!("it is a message of kind {kind}")
}

fn key<const N: usize>(segments: [&str; N]) -> Result<Key, StorageError> {
    Key::of(segments)
}

/// A page of what a view lists: what can be read, and the names of what cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed<T> {
    /// What can be read, in the order of the keys.
    pub items: Vec<T>,
    /// What stands under a key of the view and cannot be read.
    pub damaged: Vec<DamagedValue>,
    /// The key that the next page goes on behind; none if this is the last one.
    pub next: Option<Key>,
}

/// Up to `limit` values below a key, behind another one; those that are damaged count as well.
async fn list<S: Store, T>(
    store: &S,
    prefix: &str,
    after: Option<&Key>,
    limit: usize,
    read: impl Fn(&Entry) -> Result<T, StorageError>,
) -> Result<Listed<T>, StorageError> {
    // With the slash, or `state` would also find `state-version`.
    let mut scan = StoreScan::new(format!("{prefix}/"));
    scan.after = after.cloned();
    let mut listed = Listed { items: Vec::new(), damaged: Vec::new(), next: None };
    let mut looked_at = 0;
    loop {
        scan.limit = PAGE.min(limit - looked_at);
        let page = scan_past_damage(store, &scan).await?;
        looked_at += page.entries.len() + page.damaged.len();
        listed.damaged.extend(page.damaged);
        for entry in &page.entries {
            match read(entry) {
                Ok(item) => listed.items.push(item),
                Err(error) => {
                    let damaged = DamagedValue::from_error(&entry.key, error)?;
                    listed.damaged.push(damaged.at(entry.revision));
                }
            }
        }
        listed.next.clone_from(&page.next);
        if page.next.is_none() || looked_at >= limit {
            break;
        }
        scan.after = page.next;
    }
    listed.damaged.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(listed)
}

/// All keys below a key, in order. No value is read.
async fn keys_below<S: Store>(store: &S, prefix: &str) -> Result<Vec<KeyRevision>, StorageError> {
    let mut scan = StoreScan::new(format!("{prefix}/")).with_limit(KEYS);
    let mut found = Vec::new();
    loop {
        let page = store.keys(&scan).await?;
        scan.after = page.keys.last().map(|last| last.key.clone());
        // A page without keys that says that more follow would make this loop for ever.
        let ended = !page.more || page.keys.is_empty();
        found.extend(page.keys);
        if ended {
            return Ok(found);
        }
    }
}
