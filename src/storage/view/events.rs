//! Events in a journal.

use super::CODEC;
use crate::event::{Codec, EventRef, Registry};
use crate::message::Message;
use crate::route::{Pattern, RouteKey};
use crate::scalar::id::GLOBAL;
use crate::storage::{
    DamagedRecord, Journal, JournalRecord, Key, SoundRecords, StorageError, read_past_damage,
};
use std::ops::Range;
use std::sync::Arc;

/// Events in the order they happened: event lines, and envelopes of any kind.
///
/// An empty record is passed over; a migration leaves one where a version cannot say what there
/// was, and a repair where a record was damaged, so that all others keep their positions. A record
/// that is neither is named ([`EventPage::unreadable`]), and the others are read.
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
///     let page = events.read_matching(1, 100, &paused).await?;
///     assert_eq!((page.events[0].position, page.events.len(), page.next), (2, 1, 3));
///     Ok::<(), StorageError>(())
/// })?;
/// # Ok::<(), StorageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Events<J> {
    journal: J,
    codec: Codec,
}

/// An event as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredEvent {
    /// Its position.
    pub position: u64,
    /// The line or envelope as it was written.
    pub text: Arc<str>,
    key: Option<RouteKey<'static>>,
}

/// A record that is neither an event nor a message, or that the journal cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableRecord {
    /// Its position.
    pub position: u64,
    /// What is wrong with it.
    pub reason: String,
    /// Its bytes, for a [dead letter](crate::message::DeadLetter), unless the journal cannot read
    /// them.
    pub data: Option<Arc<[u8]>>,
}

/// What was read of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventPage {
    /// The events.
    pub events: Vec<StoredEvent>,
    /// The records among those that were looked at that are no events.
    pub unreadable: Vec<UnreadableRecord>,
    /// The position to go on at.
    pub next: u64,
}

impl StoredEvent {
    /// What patterns match, under the [registry](Events::with_registry) that it was read with; none for
    /// a message that patterns have no name for.
    pub const fn key(&self) -> Option<&RouteKey<'static>> {
        self.key.as_ref()
    }
}

/// The routing key of a line or an envelope, or why it is neither.
fn key_of(codec: &Codec, text: &str) -> Result<Option<RouteKey<'static>>, String> {
    if !text.trim_start().starts_with('{') {
        let event: EventRef<'_> = codec.parse(text).map_err(|error| error.to_string())?;
        return Ok(Some(RouteKey::from(&event).into_owned()));
    }
    let message = codec.parse_message(text).map_err(|error| error.to_string())?;
    let kind = message.kind();
    let envelope = message.decode().map_err(|error| error.to_string())?;
    if let Message::Event(body) = &envelope.message {
        return Ok(Some(RouteKey::from(&body.event).into_owned()));
    }
    let workflow = message.body().and_then(|body| body.get("workflow_id")?.as_text());
    let workflow = workflow.as_deref().unwrap_or(GLOBAL);
    Ok(RouteKey::of_message(kind, workflow).map(RouteKey::into_owned))
}

/// After how many looks without an event a reader's place is moved.
const LOOKS: u32 = 16;

impl<J: Journal> Events<J> {
    /// Events in a journal.
    pub const fn new(journal: J) -> Self {
        Events { journal, codec: CODEC }
    }

    /// Sets the registry that events are read with: patterns select
    /// [types of your own](crate::event::CustomEvent) by their category.
    pub fn with_registry(mut self, registry: Registry) -> Self {
        self.codec = self.codec.with_registry(registry);
        self
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
            key_of(&self.codec, text.as_ref()).map_err(refused)?;
        }
        let bytes: Vec<&[u8]> = batch.iter().map(|text| text.as_ref().as_bytes()).collect();
        self.journal.append(&bytes).await
    }

    /// Up to `limit` records from a position on: the events among them, what is unreadable, and the
    /// position to go on at.
    ///
    /// # Errors
    /// [`Trimmed`](StorageError::Trimmed) if the journal starts behind the position.
    pub async fn read(&self, from: u64, limit: usize) -> Result<EventPage, StorageError> {
        self.page(from, limit, None).await
    }

    /// Like [`read`](Self::read), only events that a pattern matches, of `limit` records that are
    /// looked at.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub async fn read_matching(
        &self,
        from: u64,
        limit: usize,
        pattern: &Pattern,
    ) -> Result<EventPage, StorageError> {
        self.page(from, limit, Some(pattern)).await
    }

    async fn page(
        &self,
        from: u64,
        limit: usize,
        pattern: Option<&Pattern>,
    ) -> Result<EventPage, StorageError> {
        // The place to go on at is behind the last record that was looked at, not the last that matched: a
        // reader of rare events would read the others again and again.
        let SoundRecords { records, damaged, next } =
            read_past_damage(&self.journal, from, limit).await?;
        let unreadable = damaged.into_iter().map(|DamagedRecord { position, reason }| {
            UnreadableRecord { position, reason, data: None }
        });
        let unreadable = unreadable.collect();
        let mut page = EventPage { events: Vec::new(), unreadable, next };
        for JournalRecord { position, data, .. } in records {
            // An empty record keeps its position, so that cursors and references stay right.
            if data.is_empty() {
                continue;
            }
            let text = std::str::from_utf8(&data).map_err(|error| error.to_string());
            match text.and_then(|text| Ok((text, key_of(&self.codec, text)?))) {
                Ok((text, key)) => {
                    let wanted = |key: &_| pattern.is_none_or(|pattern| pattern.matches(key));
                    if key.as_ref().map_or(pattern.is_none(), wanted) {
                        page.events.push(StoredEvent { position, text: text.into(), key });
                    }
                }
                Err(reason) => {
                    let data = Some(Arc::clone(&data));
                    page.unreadable.push(UnreadableRecord { position, reason, data });
                }
            }
        }
        page.unreadable.sort_by_key(|record| record.position);
        Ok(page)
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
/// [acknowledged](Self::acknowledge), wholly or [up to one](Self::acknowledge_through). Of two
/// readers with one name, one learns that the other was faster.
///
/// A record that cannot be read stops no reader: it is named in the batch, and acknowledged with it.
/// [`skip`](Self::skip) passes one alone.
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
    /// The events; none if there is only something unreadable.
    pub events: Vec<StoredEvent>,
    /// The records that are no events, for a log or a dead letter; acknowledged with the batch.
    pub unreadable: Vec<UnreadableRecord>,
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

    /// Sets how many records are looked at at a time, at least 1. 256 unless set.
    pub const fn with_limit(mut self, events: usize) -> Self {
        self.limit = if events == 0 { 1 } else { events };
        self
    }

    /// The next events; waits until there are some. A reader that is new starts with the first
    /// event that is there.
    ///
    /// The reader's place moves past records that its pattern does not match, so that they can be
    /// trimmed: before each wait, and on the way after as many as [a look](Self::with_limit) takes
    /// sixteen times.
    ///
    /// # Errors
    /// [`Trimmed`](StorageError::Trimmed) if the journal starts behind the reader's place: it
    /// missed something. [`skip`](Self::skip) goes on.
    /// [`CursorMoved`](StorageError::CursorMoved) if another reader of this name was faster.
    pub async fn next(&self) -> Result<EventBatch, StorageError> {
        let journal = &self.events.journal;
        let mut from = journal.cursor(&self.name).await?;
        let mut at = match from {
            // A merge leaves it there for a reader that had missed records where it came from.
            Some(0) => {
                let first = journal.bounds().await?.first;
                return Err(StorageError::Trimmed { from: 0, first });
            }
            Some(at) => at,
            // Not 1: what was trimmed before the reader came is not missed.
            None => journal.bounds().await?.first,
        };
        let (mut looks, mut place) = (0, at);
        loop {
            let page = self.events.page(at, self.limit, self.pattern.as_ref()).await?;
            let EventPage { events, unreadable, next: to } = page;
            if !events.is_empty() || !unreadable.is_empty() {
                return Ok(EventBatch { events, unreadable, from, to });
            }
            looks += 1;
            let ended = to == at;
            // Not for each record, and not for each look: a write costs more than reading some
            // again after a crash. But before a wait, which may be long, and now and then on the
            // way, or a trim would overtake a reader that is alive.
            if to > place && (ended || looks % LOOKS == 0) {
                match journal.move_cursor(&self.name, from, to).await {
                    Ok(()) => (from, place) = (Some(to), to),
                    // Trimmed since it was read; the next look tells.
                    Err(StorageError::OutOfRange { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            at = to;
            if ended {
                journal.wait(at).await?;
            }
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

    /// Notes that the events up to a position were handled, and no more of the batch. The next batch
    /// goes on behind it.
    ///
    /// # Errors
    /// [`CursorMoved`](StorageError::CursorMoved) as for [`acknowledge`](Self::acknowledge);
    /// [`OutOfRange`](StorageError::OutOfRange) for a position that is not in the batch.
    pub async fn acknowledge_through(
        &self,
        batch: &EventBatch,
        position: u64,
    ) -> Result<(), StorageError> {
        let first = batch.from.unwrap_or(0);
        if position < first || position >= batch.to {
            return Err(StorageError::OutOfRange { position, first, next: batch.to });
        }
        self.events.journal.move_cursor(&self.name, batch.from, position + 1).await
    }

    /// Goes on where the reader cannot: at the first record that is there if it was left behind by a
    /// trim, else behind the one record at its place, if that is unreadable. Returns how many records
    /// it passed; 0 if the reader can go on as it is.
    pub async fn skip(&self) -> Result<u64, StorageError> {
        let journal = &self.events.journal;
        let cursor = journal.cursor(&self.name).await?;
        let first = journal.bounds().await?.first;
        let at = cursor.unwrap_or(first);
        let to = if at < first {
            first
        } else {
            let page = self.events.read(at, 1).await?;
            if page.unreadable.is_empty() { at } else { page.next }
        };
        if to > at {
            // Only forward, and by compare-and-set: a skip must not undo another reader's progress.
            journal.move_cursor(&self.name, cursor, to).await?;
        }
        Ok(to - at)
    }

    /// Forgets the reader's place, and tells whether it had one.
    pub async fn forget(&self) -> Result<bool, StorageError> {
        self.events.journal.remove_cursor(&self.name).await
    }
}
