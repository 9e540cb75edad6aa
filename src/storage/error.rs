//! What can go wrong.

use super::key::Key;
use super::log::Partition;
use super::record::LaneEnd;
use super::store::Expect;
use crate::error::Cause;
use crate::message::MessageKind;
use crate::scalar::{ErrorScope, Severity, printable};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a store, a journal or a view did not do what it was asked.
///
/// [`code`](Self::code) gives a word for programs that never changes; the sentence is for people.
/// Where another library failed, [`source`](std::error::Error::source) is its error.
///
/// ```
/// use coordination_protocol::storage::StorageError;
/// use std::time::Duration;
///
/// let error = StorageError::Busy {
///     waited: Duration::from_millis(5020),
///     writer: Some("resource-manager (pid 4242)".to_owned()),
/// };
/// assert_eq!(error.code(), "busy");
/// assert!(error.is_transient());
/// assert_eq!(
///     error.to_string(),
///     "the store was locked for 5020 ms; `resource-manager (pid 4242)` wrote last",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// No key can be made of what was given.
    #[error("{0}")]
    Key(KeyFault),
    /// The key is not as the writer expected: another one was faster.
    #[doc(alias = "compare-and-set")]
    #[doc(alias = "optimistic concurrency")]
    #[error("`{key}` has {}, expected {expected}", revision(*found), key = printable(.key))]
    Conflict {
        /// The key.
        key: Key,
        /// What the writer expected.
        expected: Expect,
        /// The revision that the key has, if it is there.
        found: Option<u64>,
    },
    /// The cursor is not where the reader expected: another one moved it.
    #[error("cursor `{name}` is {}, expected {}", position_of(*found), position_of(*expected), name = printable(.name))]
    CursorMoved {
        /// The cursor.
        name: Key,
        /// Where the reader expected it, if anywhere.
        expected: Option<u64>,
        /// Where it is, if it is there.
        found: Option<u64>,
    },
    /// A lane does not end where the writer expected: another one appended to it.
    #[doc(alias = "compare-and-append")]
    #[error("lane `{lane}` {}, expected {}", lane_end(*found), lane_expected(*expected), lane = printable(.lane))]
    LaneMoved {
        /// The lane.
        lane: Key,
        /// The position of the last record that the writer knows, if any.
        expected: Option<u64>,
        /// The position of the last record, if there is one.
        found: Option<u64>,
    },
    /// The lane ended; it is not opened again.
    #[error("lane `{lane}` ended at position {last} and is not opened again", lane = printable(.lane))]
    LaneEnded {
        /// The lane.
        lane: Key,
        /// The position of its last record.
        last: u64,
    },
    /// A record ends a lane of a journal whose lanes are [forgotten](super::LaneForm::Forgotten) instead.
    #[error("lane `{lane}` cannot end: the lanes of this journal are forgotten when they are trimmed", lane = printable(.lane))]
    LaneCannotEnd {
        /// The lane.
        lane: Key,
    },
    /// A trim would remove the last records of lanes that are open. Nothing was removed.
    #[doc(alias = "snapshot")]
    #[error(
        "{} by a trim before {before}: {}; append a snapshot to each first",
        losing(.lanes.len() as u64 + more), named(.lanes, *more)
    )]
    LanesOpen {
        /// The position before which records should go.
        before: u64,
        /// Some of the lanes, ordered by name, and where they end: as many as a page of the journal has
        /// items.
        lanes: Vec<LaneEnd>,
        /// How many more there are.
        more: u64,
    },
    /// The engine has no such partition.
    #[error("there is no partition {partition}")]
    NoPartition {
        /// The partition.
        partition: Partition,
    },
    /// A record of the batch has the id of another one of its lane.
    #[error("record `{id}` of lane `{lane}` {}", stands(*found), id = printable(.id), lane = printable(.lane))]
    DuplicateId {
        /// The lane.
        lane: Key,
        /// The id.
        id: Arc<str>,
        /// Where the other one stands; none if it is in the same batch.
        found: Option<u64>,
    },
    /// A commit changes one value twice.
    #[error("a commit changes `{key}` twice", key = printable(.key))]
    DuplicateKey {
        /// The key.
        key: Key,
    },
    /// A cursor cannot stand outside the journal.
    #[error("position {position} is outside the journal, which spans {first} to {next}")]
    OutOfRange {
        /// The position that was asked for.
        position: u64,
        /// The first position that is still there.
        first: u64,
        /// The position that the next record gets.
        next: u64,
    },
    /// The records were trimmed away.
    #[error("position {from} was trimmed; the journal starts at {first}")]
    Trimmed {
        /// The position that was asked for.
        from: u64,
        /// The first position that is still there.
        first: u64,
    },
    /// More than a limit allows.
    #[error("{what} has {size} {unit}, at most {limit} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// What is counted.
        unit: &'static str,
        /// How many there are.
        size: usize,
        /// How many may be.
        limit: usize,
    },
    /// Others held the lock for too long.
    #[doc(alias = "timeout")]
    #[error(
        "the store was locked for {} ms; {}", waited.as_millis(),
        writer.as_ref().map_or_else(|| "who wrote last is not known".to_owned(), |writer| format!("`{}` wrote last", printable(writer)))
    )]
    Busy {
        /// How long the operation waited.
        waited: Duration,
        /// Who wrote last, if that is known. It need not be who holds the lock.
        writer: Option<String>,
    },
    /// The write-ahead log is at its maximum, and readers keep it from being emptied.
    #[error(
        "the write-ahead log has {bytes} bytes, at most {limit} are allowed, and readers kept it from \
         being emptied for {} ms", waited.as_millis()
    )]
    LogFull {
        /// How many bytes it has.
        bytes: u64,
        /// How many it may have.
        limit: u64,
        /// How long the operation waited for the readers.
        waited: Duration,
    },
    /// Too many operations of this process are waiting.
    #[doc(alias = "backpressure")]
    #[error("{limit} operations are waiting already")]
    Overloaded {
        /// How many may wait.
        limit: usize,
    },
    /// There is no room left, on the disk or within a quota.
    #[error("the store is full: {detail}", detail = printable(.detail))]
    Full {
        /// What ran out.
        detail: String,
        /// The error below, if another library reported it.
        source: Option<Cause>,
    },
    /// The stored bytes are not what was written.
    #[error("the store is damaged: {detail}", detail = printable(.detail))]
    Corrupt {
        /// Where, as far as it is known.
        detail: String,
        /// The error below, if another library reported it.
        source: Option<Cause>,
    },
    /// The file is no store of this crate, or one of a later version of it.
    #[error("this is not a store that can be used: {detail}", detail = printable(.detail))]
    Unsupported {
        /// What it is instead.
        detail: String,
        /// The error below, if another library reported it.
        source: Option<Cause>,
    },
    /// A folder belongs to no project that has a store or could have one.
    #[error(
        "neither {folder} nor a folder above it has `.claude/data/coord.sqlite` or is a git repository; \
         make one with `coord bus init`, or name the file", folder = printable(.folder)
    )]
    NoProject {
        /// The folder.
        folder: String,
    },
    /// The store cannot be reached. Whether the operation was done is not known.
    #[error("the store is not available: {detail}", detail = printable(.detail))]
    Unavailable {
        /// What is in the way.
        detail: String,
        /// The error below, if another library reported it.
        source: Option<Cause>,
    },
    /// What the caller gave is not what the view keeps.
    #[error("not a readable {kind}: {reason}", reason = printable(.reason))]
    Refused {
        /// What it should be.
        kind: MessageKind,
        /// What is wrong with it.
        reason: String,
    },
    /// What stands in the store is not what the view wrote there.
    #[error("`{key}` is damaged or not of this protocol: {reason}", key = printable(.key), reason = printable(.reason))]
    Damaged {
        /// The key.
        key: Key,
        /// What is wrong with the value.
        reason: String,
    },
    /// A record of a journal cannot be read, or is missing. Those around it can.
    #[error("the record at {position} is damaged: {reason}", reason = printable(.reason))]
    DamagedRecord {
        /// Its position.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The state is not at the version that the writer expected: another one was faster.
    #[doc(alias = "optimistic concurrency")]
    #[error("`{key}` {}, expected {}", at(*found), version(*expected), key = printable(.key))]
    VersionConflict {
        /// The key of the state.
        key: Key,
        /// The version that the writer expected, none if there should be no state.
        expected: Option<u64>,
        /// The version that is there.
        found: Option<u64>,
    },
    /// A new state has to have a higher version than the one that it replaces.
    #[error("`{key}` is at version {stored}; version {given} is not higher", key = printable(.key))]
    NotNewer {
        /// The key of the state.
        key: Key,
        /// The version that is there.
        stored: u64,
        /// The version of the new state.
        given: u64,
    },
    /// The workflow was taken back since: the state is of a line that was given up.
    #[error("`{key}` is in epoch {stored}; the state is of epoch {given}, which was given up", key = printable(.key))]
    Abandoned {
        /// The key of the state.
        key: Key,
        /// The epoch that is there.
        stored: u64,
        /// The epoch of the new state.
        given: u64,
    },
    /// Other writers were faster each time.
    #[error("`{key}` was changed by others {attempts} times in a row", key = printable(.key))]
    Contended {
        /// The key.
        key: Key,
        /// How often it was tried.
        attempts: u32,
    },
    /// There is something else under this identifier.
    #[error("`{key}` is there already, with other content", key = printable(.key))]
    Exists {
        /// The key.
        key: Key,
    },
    /// The grant was released before; what has ended is not granted again.
    #[error("`{key}` was released and is not granted again", key = printable(.key))]
    Ended {
        /// The key that the grant had.
        key: Key,
    },
    /// An answer that grants nothing.
    #[error("this answer grants nothing: {reason}", reason = printable(.reason))]
    NotAGrant {
        /// Why not.
        reason: String,
    },
    /// A dead letter cannot be about a dead letter.
    #[error("a dead letter about a dead letter is not kept")]
    LetterAboutLetter,
    /// One of the events is none; nothing was appended.
    #[error("event {index} of the batch: {reason}", reason = printable(.reason))]
    Event {
        /// Its place in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A copy is restored into an empty store only.
    #[error("the store is not empty: {entries} values, {records} records, {cursors} cursors")]
    NotEmpty {
        /// How many values there are.
        entries: u64,
        /// How many records were ever appended.
        records: u64,
        /// How many cursors there are.
        cursors: u64,
    },
    /// The parts of a copy do not belong together; nothing was taken in.
    #[error("{0}")]
    Import(ImportFault),
}

fn revision(found: Option<u64>) -> String {
    found.map_or_else(|| "no value".to_owned(), |found| format!("revision {found}"))
}

fn position_of(position: Option<u64>) -> String {
    position.map_or_else(|| "not there".to_owned(), |position| format!("at {position}"))
}

fn lane_end(last: Option<u64>) -> String {
    last.map_or_else(|| "has no record".to_owned(), |last| format!("ends at position {last}"))
}

fn lane_expected(last: Option<u64>) -> String {
    last.map_or_else(|| "no record".to_owned(), |last| format!("position {last}"))
}

fn losing(lanes: u64) -> String {
    match lanes {
        1 => "1 open lane would lose its last record".to_owned(),
        _ => format!("{lanes} open lanes would lose their last records"),
    }
}

/// The first three lanes, and how many there are besides.
fn named(lanes: &[LaneEnd], more: u64) -> String {
    const NAMED: usize = 3;
    let mut text: Vec<String> = lanes
        .iter()
        .take(NAMED)
        .map(|LaneEnd { lane, last, .. }| {
            format!("`{}` ({})", printable(lane), last.unwrap_or_default())
        })
        .collect();
    match more + lanes.len().saturating_sub(NAMED) as u64 {
        0 => {}
        rest => text.push(format!("{rest} more")),
    }
    text.join(", ")
}

fn stands(found: Option<u64>) -> String {
    found.map_or_else(
        || "is twice in the batch".to_owned(),
        |found| format!("stands at position {found} already"),
    )
}

fn at(found: Option<u64>) -> String {
    found.map_or_else(|| "is not there".to_owned(), |found| format!("is at version {found}"))
}

fn version(expected: Option<u64>) -> String {
    expected.map_or_else(|| "no state".to_owned(), |version| format!("version {version}"))
}

impl StorageError {
    /// A record has the id of another one.
    pub(crate) fn duplicate_id(lane: &Key, id: &str, found: Option<u64>) -> Self {
        StorageError::DuplicateId { lane: lane.clone(), id: id.into(), found }
    }

    /// There is no room left.
    pub fn full(detail: impl Into<String>) -> Self {
        StorageError::Full { detail: detail.into(), source: None }
    }

    /// The stored bytes are not what was written.
    pub fn corrupt(detail: impl Into<String>) -> Self {
        StorageError::Corrupt { detail: detail.into(), source: None }
    }

    /// The file is no store that this program can use.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        StorageError::Unsupported { detail: detail.into(), source: None }
    }

    /// The store cannot be reached.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        StorageError::Unavailable { detail: detail.into(), source: None }
    }

    /// Keeps the error of the library below. Only variants with a `source` have room for it.
    pub fn with_source(mut self, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        if let StorageError::Full { source, .. }
        | StorageError::Corrupt { source, .. }
        | StorageError::Unsupported { source, .. }
        | StorageError::Unavailable { source, .. } = &mut self
        {
            *source = Some(Cause::new(error));
        }
        self
    }

    #[allow(clippy::needless_pass_by_value, reason = "the callers' lines stay short")]
    pub(crate) fn damaged(key: &Key, reason: impl fmt::Display) -> Self {
        StorageError::Damaged { key: key.clone(), reason: reason.to_string() }
    }
}

/// Why a text is no key.
///
/// ```
/// use coordination_protocol::storage::{Key, KeyFault, StorageError};
///
/// assert_eq!(Key::parse("a//b"), Err(StorageError::Key(KeyFault::EmptySegment { at: 2 })));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// There is no character at all.
    Empty,
    /// More than 512 bytes.
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// Two slashes in a row, or one at an end.
    EmptySegment {
        /// Where the segment would start.
        at: usize,
    },
    /// A character that has to be encoded.
    Character {
        /// The character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
    /// A segment that `Key::of` would have spelled otherwise.
    Spelling {
        /// Where the segment starts.
        at: usize,
    },
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFault::Empty => f.write_str("a key cannot be empty"),
            KeyFault::TooLong { bytes } => {
                write!(f, "a key has at most 512 bytes, this one has {bytes}")
            }
            KeyFault::EmptySegment { at } => write!(f, "the segment at byte {at} is empty"),
            KeyFault::Character { found, at } => {
                write!(f, "a key cannot contain {found:?} (at byte {at}); `Key::of` encodes it")
            }
            KeyFault::Spelling { at } => {
                write!(f, "the segment at byte {at} is not spelled as `Key::of` spells it")
            }
        }
    }
}

impl From<KeyFault> for StorageError {
    fn from(fault: KeyFault) -> Self {
        StorageError::Key(fault)
    }
}

/// What does not fit together in a copy of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportFault {
    /// An item came before what says how many there are.
    NoContents,
    /// A value is newer than the store that it comes from.
    Newer {
        /// Its key.
        key: Key,
        /// Its revision.
        revision: u64,
        /// The last revision of its store.
        last: u64,
    },
    /// A record does not follow the one before.
    Order {
        /// Its position.
        position: u64,
        /// The position that should come.
        expected: u64,
    },
    /// A lane does not end where its records say.
    Lane {
        /// The lane.
        lane: Key,
        /// Where it is said to end.
        last: u64,
        /// The position of its last record, if it has one.
        record: Option<u64>,
    },
    /// Both the copy and the store hold decisions.
    Decisions,
    /// There are fewer or more items than announced.
    Count {
        /// How many came.
        items: u64,
        /// How many should.
        announced: u64,
    },
}

impl fmt::Display for ImportFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportFault::NoContents => f.write_str("the items do not start with what they are"),
            ImportFault::Newer { key, revision, last } => {
                write!(f, "`{key}` has revision {revision}, higher than the last one, {last}")
            }
            ImportFault::Order { position, expected } => {
                write!(f, "record {position} stands where record {expected} should")
            }
            ImportFault::Lane { lane, last, record: Some(record) } => {
                write!(f, "lane `{lane}` ends at {last}, but record {record} is its own")
            }
            ImportFault::Lane { lane, last, record: None } => {
                write!(f, "lane `{lane}` ends at {last}, behind the journal")
            }
            ImportFault::Decisions => f.write_str(
                "both hold decisions, and two lines of decisions cannot be made one; import into a new store",
            ),
            ImportFault::Count { items, announced } => {
                write!(f, "{items} items came, {announced} were announced")
            }
        }
    }
}

impl From<ImportFault> for StorageError {
    fn from(fault: ImportFault) -> Self {
        StorageError::Import(fault)
    }
}

crate::error::leaf_errors! {
    StorageError, Storage {
        Self::Key(_) => ["key", System, Corruption, lasting, "correct_and_retry",
            "Build keys with `Key::of` from identifiers."],
        Self::Conflict { .. } => ["conflict", State, Conflict, lasting, "read_and_retry",
            "Read the current revision, decide anew and write again."],
        Self::CursorMoved { .. } => ["cursor-moved", State, Conflict, lasting, "read_and_retry",
            "Read the current revision, decide anew and write again."],
        Self::LaneMoved { .. } => ["lane-moved", State, Conflict, lasting, "read_and_retry",
            "Read on to the end of the lane, decide anew and append again."],
        Self::LaneEnded { .. } => ["lane-ended", State, Conflict, lasting, "drop",
            "Give what begins anew a lane of its own."],
        Self::LaneCannotEnd { .. } => ["lane-cannot-end", System, Conflict, lasting,
            "correct_and_retry", "End lanes of the decisions only."],
        Self::LanesOpen { .. } => ["lanes-open", State, Conflict, lasting, "correct_and_retry",
            "Append a snapshot of each lane, expecting its last position, and trim again."],
        Self::NoPartition { .. } => ["no-partition", System, Conflict, lasting,
            "correct_and_retry", "Ask the engine for its partitions."],
        Self::DuplicateId { .. } => ["duplicate-id", State, Conflict, lasting, "correct_and_retry",
            "Give each record of a lane an id of its own, and repeat a batch as it was."],
        Self::DuplicateKey { .. } => ["duplicate-key", System, Conflict, lasting,
            "correct_and_retry", "Write each value once in a commit."],
        Self::OutOfRange { .. } => ["out-of-range", State, Conflict, lasting, "resynchronize",
            "Start from a checkpoint and read on from the first position."],
        Self::Trimmed { .. } => ["trimmed", State, Conflict, lasting, "resynchronize",
            "Start from a checkpoint and read on from the first position."],
        Self::TooLarge { .. } => ["too-large", Resource, LimitExceeded, lasting,
            "correct_and_retry", "Compress the value or split the batch."],
        Self::Busy { .. } => ["busy", Resource, Timeout, transient, "retry",
            "Try again; if it persists, look at the process that wrote last."],
        Self::LogFull { .. } => ["log-full", Resource, LimitExceeded, transient, "retry",
            "End the process that has been reading for long, or raise the maximum; then try again."],
        Self::Overloaded { .. } => ["overloaded", Resource, LimitExceeded, transient, "retry",
            "Try again later."],
        Self::Full { .. } => ["full", Resource, LimitExceeded, lasting, "free_space",
            "Free space, trim the journal, or raise the quota.", with_scope(ErrorScope::System)],
        Self::Corrupt { .. } => ["corrupt", State, Corruption, lasting, "restore_backup",
            "Keep the file for analysis and restore the latest backup.",
            with_severity(Severity::Critical), with_scope(ErrorScope::System)],
        Self::Unsupported { .. } => ["unsupported", System, Conflict, lasting, "upgrade",
            "Point to another file, or use the version of the program that wrote it.",
            with_scope(ErrorScope::System)],
        Self::NoProject { .. } => ["no-project", System, Unavailable, lasting, "correct_and_retry",
            "Make a store with `coord bus init`, or name the file."],
        Self::Unavailable { .. } => ["unavailable", System, Unavailable, transient, "retry",
            "Try again later."],
        Self::Refused { .. } => ["refused", System, Corruption, lasting, "correct_and_resend",
            "Send a message of the kind that is kept here."],
        Self::Damaged { .. } => ["damaged", State, Corruption, lasting, "restore_backup",
            "Restore it from a backup or a checkpoint; `coord store repair` removes what is damaged.",
            with_severity(Severity::Critical), with_scope(ErrorScope::System)],
        Self::DamagedRecord { .. } => ["damaged-record", State, Corruption, lasting, "skip_record",
            "Read on behind it; `coord store repair` empties it.",
            with_severity(Severity::Critical), with_scope(ErrorScope::System)],
        Self::VersionConflict { .. } => ["version", State, Conflict, lasting, "read_and_retry",
            "Read what is there, decide anew and write again."],
        Self::NotNewer { .. } => ["not-newer", State, Conflict, lasting, "read_and_retry",
            "Read what is there, decide anew and write again."],
        Self::Abandoned { .. } => ["abandoned", State, Conflict, lasting, "read_and_retry",
            "Go on from the state that was put back."],
        Self::Contended { .. } => ["contended", State, Conflict, transient, "retry",
            "Try again later."],
        Self::Exists { .. } => ["exists", State, Conflict, lasting, "read_and_retry",
            "Read what is there, decide anew and write again."],
        Self::Ended { .. } => ["ended", State, Conflict, lasting, "drop",
            "Ignore the repeated answer; ask for a new grant if one is needed."],
        Self::NotAGrant { .. } => ["not-a-grant", System, Corruption, lasting,
            "correct_and_resend", "Send a message of the kind that is kept here."],
        Self::LetterAboutLetter => ["letter-about-letter", Execution, Conflict, lasting, "drop",
            "Report it to the component that sends dead letters on."],
        Self::Event { .. } => ["event", System, Corruption, lasting, "correct_and_resend",
            "Send a message of the kind that is kept here."],
        Self::NotEmpty { .. } => ["not-empty", State, Conflict, lasting, "correct_and_retry",
            "Restore into a new file, or merge into this one."],
        Self::Import(_) => ["import", State, Corruption, lasting, "correct_and_retry",
            "Dump the store again."],
    }
}
