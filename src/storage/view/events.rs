//! Events in a journal.

use super::CODEC;
use crate::event::EventRef;
use crate::message::Message;
use crate::route::{Pattern, RouteKey};
use crate::scalar::id::GLOBAL;
use crate::storage::{Journal, JournalRecord, Key, StorageError};
use std::ops::Range;
use std::sync::Arc;

/// Events in the order they happened: event lines, and envelopes of any kind.
///
/// An empty record is passed over; a migration leaves one where a version cannot say what there
/// was, so that all others keep their positions.
///
/// ```
/// use coordination_protocol::route::Pattern;
/// use coordination_protocol::storage::view::Events;
/// use coordination_protocol::storage::{MemoryJournal, StorageError, block_on};
///
/// block_on(async {
///     let events = Events::new(MemoryJournal::new());
///     events.append(&[
///         r#"PHASE_STARTED:wf_001:build:{"phase_id":1,"estimated_duration":"5m","resource_allocation":{}}"#,
///         r#"WORKFLOW_PAUSED:wf_001:global:{"pause_reason":"lunch","current_state":{}}"#,
///     ]).await?;
///
///     let paused: Pattern = "workflow.*.paused".parse().unwrap();
///     let (found, next) = events.read_matching(1, 100, &paused).await?;
///     assert_eq!((found[0].position, found.len(), next), (2, 1, 3));
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Events<J> {
    journal: J,
}

/// An event as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredEvent {
    /// Its position.
    pub position: u64,
    /// The line or envelope as it was written.
    pub text: Arc<str>,
}

impl StoredEvent {
    fn read(record: &JournalRecord) -> Result<Self, StorageError> {
        let text = std::str::from_utf8(&record.data).map_err(|error| {
            let detail = format!("the record at {} is no event: {error}", record.position);
            StorageError::corrupt(detail)
        })?;
        Ok(StoredEvent { position: record.position, text: text.into() })
    }

    /// What patterns match; none for a message that patterns have no name for, and for a record
    /// that is neither event nor message.
    pub fn key(&self) -> Option<RouteKey<'static>> {
        key_of(&self.text).ok().flatten()
    }
}

/// The routing key of a line or an envelope, or why it is neither.
fn key_of(text: &str) -> Result<Option<RouteKey<'static>>, String> {
    if !text.trim_start().starts_with('{') {
        let event: EventRef<'_> = CODEC.parse(text).map_err(|error| error.to_string())?;
        return Ok(Some(RouteKey::from(&event).into_owned()));
    }
    let message = CODEC.parse_message(text).map_err(|error| error.to_string())?;
    let kind = message.kind();
    let envelope = message.decode().map_err(|error| error.to_string())?;
    if let Message::Event(body) = &envelope.message {
        let event = &body.event;
        let key =
            RouteKey::new(event.type_name(), event.workflow_id.as_str(), event.phase.as_str());
        return Ok(Some(key.into_owned()));
    }
    let workflow = message.body().and_then(|body| body.get("workflow_id")?.as_text());
    let workflow = workflow.as_deref().unwrap_or(GLOBAL);
    Ok(RouteKey::of_message(kind, workflow).map(RouteKey::into_owned))
}

impl<J: Journal> Events<J> {
    /// Events in a journal.
    pub const fn new(journal: J) -> Self {
        Events { journal }
    }

    /// Appends lines and envelopes, side by side or not at all, and returns their positions.
    ///
    /// # Errors
    /// [`Event`](StorageError::Event) if one of them cannot be read.
    pub async fn append<T: AsRef<str> + Sync>(
        &self,
        batch: &[T],
    ) -> Result<Range<u64>, StorageError> {
        for (index, text) in batch.iter().enumerate() {
            let refused = |reason| StorageError::Event { index, reason };
            // All are checked before one is written: a journal cannot take back.
            key_of(text.as_ref()).map_err(refused)?;
        }
        let bytes: Vec<&[u8]> = batch.iter().map(|text| text.as_ref().as_bytes()).collect();
        self.journal.append(&bytes).await
    }

    /// Up to `limit` events from a position on, and the position to go on at.
    ///
    /// # Errors
    /// [`Trimmed`](StorageError::Trimmed) if the journal starts behind the position.
    pub async fn read(
        &self,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<StoredEvent>, u64), StorageError> {
        let records = self.journal.read(from, limit).await?;
        // From the last record that was looked at, not from the last that matched: a reader of rare
        // events would read the others again and again.
        let next = records.last().map_or(from.max(1), |record| record.position + 1);
        // An empty record keeps its position, so that cursors and references stay right.
        let kept = records.iter().filter(|record| !record.data.is_empty());
        Ok((kept.map(StoredEvent::read).collect::<Result<_, _>>()?, next))
    }

    /// Like [`read`](Self::read), only events that a pattern matches, of `limit` that are looked
    /// at.
    pub async fn read_matching(
        &self,
        from: u64,
        limit: usize,
        pattern: &Pattern,
    ) -> Result<(Vec<StoredEvent>, u64), StorageError> {
        let (mut events, next) = self.read(from, limit).await?;
        events.retain(|event| event.key().is_some_and(|key| pattern.matches(&key)));
        Ok((events, next))
    }

    /// A reader whose place is kept under a name.
    pub fn consumer(&self, name: Key) -> Consumer<J>
    where
        J: Clone,
    {
        Consumer { events: self.clone(), name, pattern: None, limit: 256 }
    }
}

/// A reader that takes up where it left off, even after a crash: at-least-once.
///
/// [`next`](Self::next) gives the same events again until they are
/// [acknowledged](Self::acknowledge). Of two readers with one name, one learns that the other
/// was faster.
///
/// ```
/// use coordination_protocol::storage::view::Events;
/// use coordination_protocol::storage::{Key, MemoryJournal, StorageError, block_on};
///
/// block_on(async {
///     let events = Events::new(MemoryJournal::new());
///     events.append(&[r#"AGENT_TIMEOUT:wf:build:{"agent_id":"a","timeout_duration":"15m","last_response":""}"#]).await?;
///     let consumer = events.consumer(Key::of(["monitor"])?);
///     let batch = consumer.next().await?;
///     assert_eq!(batch.events.len(), 1);
///     consumer.acknowledge(&batch).await?;
///     let again = consumer.acknowledge(&batch).await.unwrap_err();
///     assert_eq!(again.to_string(), "cursor `monitor` is at 2, expected not there");
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[doc(alias = "cursor")]
#[doc(alias = "durable consumer")]
#[doc(alias = "at-least-once")]
#[derive(Clone, Debug)]
pub struct Consumer<J> {
    events: Events<J>,
    name: Key,
    pattern: Option<Pattern>,
    limit: usize,
}

/// Some events for a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventBatch {
    /// The events.
    pub events: Vec<StoredEvent>,
    /// Where the cursor stood.
    from: Option<u64>,
    /// Where it stands when they are acknowledged.
    to: u64,
}

impl<J: Journal> Consumer<J> {
    /// Receives only what a pattern matches.
    pub fn with_pattern(mut self, pattern: Pattern) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// Sets how many events are looked at at a time, at least 1. 256 unless set.
    pub const fn with_limit(mut self, events: usize) -> Self {
        self.limit = if events == 0 { 1 } else { events };
        self
    }

    /// The next events; waits until there are some. A reader that is new starts with the first
    /// event that is there.
    ///
    /// # Errors
    /// [`Trimmed`](StorageError::Trimmed) if the journal starts behind the reader's place: it
    /// missed something. [`skip`](Self::skip) goes on.
    pub async fn next(&self) -> Result<EventBatch, StorageError> {
        let journal = &self.events.journal;
        let from = journal.cursor(&self.name).await?;
        let mut at = match from {
            Some(at) => at,
            // Not 1: what was trimmed before the reader came is not missed.
            None => journal.bounds().await?.first,
        };
        loop {
            let (events, to) = match &self.pattern {
                Some(pattern) => self.events.read_matching(at, self.limit, pattern).await?,
                None => self.events.read(at, self.limit).await?,
            };
            if !events.is_empty() {
                return Ok(EventBatch { events, from, to });
            }
            at = to;
            // The cursor is not moved for events that do not match: one write for each of them
            // would cost more than reading them again after a crash.
            journal.wait(at).await?;
        }
    }

    /// Notes that events were handled.
    ///
    /// # Errors
    /// [`CursorMoved`](StorageError::CursorMoved) if another reader of this name was faster.
    pub async fn acknowledge(&self, batch: &EventBatch) -> Result<(), StorageError> {
        let EventBatch { from, to, .. } = *batch;
        // Moved from where this batch started. If another reader of the name was faster, its place
        // stands.
        self.events.journal.move_cursor(&self.name, from, to).await
    }

    /// Goes on at the first event that is there, and returns how many were missed.
    pub async fn skip(&self) -> Result<u64, StorageError> {
        let journal = &self.events.journal;
        let Some(at) = journal.cursor(&self.name).await? else { return Ok(0) };
        let first = journal.bounds().await?.first;
        let missed = first.saturating_sub(at);
        if missed > 0 {
            // Only forward, and by compare-and-set: a skip must not undo another reader's progress.
            journal.move_cursor(&self.name, Some(at), first).await?;
        }
        Ok(missed)
    }

    /// Forgets the reader's place, and tells whether it had one.
    pub async fn forget(&self) -> Result<bool, StorageError> {
        self.events.journal.remove_cursor(&self.name).await
    }
}
