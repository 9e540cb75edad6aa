//! Where records come from: streams, arrays, and files that hold messages among other things.

mod head;
mod item;

pub(crate) use item::{Item, line_breaks};

use crate::input::{Input, Source, open};
use crate::limits::Reading;
use crate::output::{Failure, cannot_read};
use clap::ValueEnum;
use coordination_protocol::event::{Codec, RecordShape};
use coordination_protocol::json::{self, Dialect, Limits};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::scan::{FileKind, LineIndex, looks_like, scan_as};
use coordination_protocol::security::freshness::Freshness;
use coordination_protocol::security::replay::ReplayCache;
use coordination_protocol::validate::{Context, Gate, History, ValidationOutcome, Validator};
use coordination_protocol::version::{Calendar, Date};
use head::{look, readable, same_length, start_of};
use item::Place;
use std::cell::{RefCell, RefMut};
use std::io::{BufRead, Read};
use std::ops::Range;
use std::path::Path;

/// What the input is taken for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum As {
    /// Told by its content.
    Auto,
    /// Nothing but messages: event lines, JSON objects, arrays of objects.
    #[value(alias = "records")]
    Messages,
    /// Markdown with messages in it.
    Markdown,
    /// A shell script with messages in it.
    Shell,
}

/// The most bytes of a file that has to be read whole: Markdown, shell, an array.
const WHOLE: u64 = 256 << 20;

/// Checks every record of an input and hands it on.
pub(crate) struct Checker<'c> {
    validator: &'c Validator,
    reading: &'c Reading,
    given: As,
    /// The time, in milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) now: Option<i64>,
    /// The component that records without a source come from.
    pub(crate) from: Option<ComponentId>,
    /// What was seen before is refused within this.
    pub(crate) replay: Option<Freshness>,
    /// What is announced to end, and the day to judge by instead of that of the time.
    pub(crate) calendar: Option<(Calendar, Option<Date>)>,
    gate: RefCell<Option<Gate>>,
}

impl<'c> Checker<'c> {
    pub(crate) fn new(validator: &'c Validator, reading: &'c Reading, given: As) -> Self {
        let gate = RefCell::new(None);
        let (now, from, replay, calendar) = (None, None, None, None);
        Checker { validator, reading, given, now, from, replay, calendar, gate }
    }
}

/// What receives the records of inputs, and whatever else there is to tell of them.
pub(crate) trait Sink {
    /// Takes a record of an input.
    fn record(&mut self, source: &Source, item: Item<'_>) -> Result<(), Failure>;

    /// Takes the text of a file that holds messages among other things, before its records.
    fn text(&mut self, _source: &Source, _text: &str, _kind: FileKind) {}
}

/// A function that takes records.
type Take<'t> = dyn FnMut(&Source, Item<'_>) -> Result<(), Failure> + 't;

struct Records<'t>(&'t mut Take<'t>);

impl Sink for Records<'_> {
    fn record(&mut self, source: &Source, item: Item<'_>) -> Result<(), Failure> {
        (self.0)(source, item)
    }
}

impl Checker<'_> {
    /// Reads the records of a path, or of standard input for `-`.
    pub(crate) fn path<'t>(&self, path: &Path, take: &'t mut Take<'t>) -> Result<(), Failure> {
        self.read(path, &mut Records(take))
    }

    /// Reads a path, or standard input for `-`.
    pub(crate) fn read(&self, path: &Path, sink: &mut dyn Sink) -> Result<(), Failure> {
        let Input { source, mut reader } = open(path)?;
        let failed = |error: std::io::Error| cannot_read(&source, error);
        let mut head = Vec::new();
        let kind = match self.given {
            As::Markdown => Some(FileKind::Markdown),
            As::Shell => Some(FileKind::Shell),
            As::Messages => None,
            As::Auto => {
                look(self.codec(), &mut reader, &mut head).map_err(failed)?;
                let kind = looks_like(&same_length(&head));
                matches!(kind, FileKind::Markdown | FileKind::Shell).then_some(kind)
            }
        };
        if kind.is_none() && head.is_empty() {
            // An array is read whole, so its first byte has to be known.
            look(self.codec(), &mut reader, &mut head).map_err(failed)?;
        }
        let mut reader = head.as_slice().chain(reader);
        let text = readable(&head);
        let array = RecordShape::of(text.as_bytes()) == RecordShape::Array;
        if kind.is_none() && !array {
            return self.stream(&source, reader, sink);
        }
        let mut bytes = Vec::new();
        (&mut reader).take(WHOLE + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > WHOLE {
            return Err(cannot_read(&source, format_args!("more than {WHOLE} bytes")));
        }
        let text = same_length(&bytes);
        match kind {
            Some(kind) => self.file(&source, &bytes, &text, kind, sink),
            None => self.array(&source, &bytes, &text, sink),
        }
    }

    /// The gate for the records of one input: with a history of its own, and what was seen before
    /// in any input.
    fn gate(&self) -> RefMut<'_, Gate> {
        let mut slot = self.gate.borrow_mut();
        let gate = slot.take().unwrap_or_else(|| {
            let mut gate = Gate::new(self.validator.clone());
            if let Some((calendar, on)) = &self.calendar {
                gate = gate.with_calendar(calendar.clone(), *on);
            }
            match &self.replay {
                Some(freshness) => gate.with_replay(ReplayCache::new(freshness)),
                None => gate,
            }
        });
        RefMut::map(slot, |slot| slot.insert(gate.with_history(History::new())))
    }

    fn inspect<'a>(&self, gate: &mut Gate, bytes: &'a [u8]) -> ValidationOutcome<'a> {
        gate.inspect(bytes, self.now.unwrap_or_default(), self.from.as_ref())
    }

    fn codec(&self) -> &Codec {
        self.validator.codec()
    }

    fn stream(
        &self,
        source: &Source,
        reader: impl BufRead,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let mut records = self.codec().records(reader);
        let mut gate = self.gate();
        while let Some(raw) = records.next_record().map_err(|error| cannot_read(source, error))? {
            let mut one = |gate: &mut Gate, range: Range<usize>| {
                let (start, bytes) = (range.start, &raw.bytes[range]);
                let outcome = self.inspect(gate, bytes);
                sink.record(
                    source,
                    Item { outcome, bytes, place: Place::Record(raw.line, raw.bytes, start) },
                )
            };
            // The messages of an array are records. One that is broken is refused as a whole.
            let text = std::str::from_utf8(raw.bytes).unwrap_or_default();
            if self.is_array(text) {
                for element in json::elements(text, start_of(text)) {
                    one(&mut gate, element.range())?;
                }
            } else {
                one(&mut gate, 0..raw.bytes.len())?;
            }
        }
        Ok(())
    }

    /// The messages in a file; `text` is what of its bytes is UTF-8.
    fn file(
        &self,
        source: &Source,
        file: &[u8],
        text: &str,
        kind: FileKind,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let index = LineIndex::new(text);
        // What a file shows are examples, not a history.
        let mut context = Context::new();
        context.now = self.now;
        context.source = self.from.as_ref();
        context.calendar = self.calendar.as_ref().and_then(|(calendar, on)| {
            Some((calendar, on.or_else(|| Date::from_unix_millis(self.now?))?))
        });
        sink.text(source, text, kind);
        for snippet in scan_as(text, kind, self.codec().limits()) {
            let range = snippet.range();
            let bytes = &file[range.clone()];
            let item = if std::str::from_utf8(bytes).is_err() {
                // What is to be filled in or unquoted does not matter any more.
                let outcome = self.validator.check_bytes(bytes, &context);
                Item { outcome, bytes, place: Place::Slice(&index, file, range.start) }
            } else {
                let outcome = self.validator.check_snippet(&snippet, &context);
                let bytes = snippet.text.as_bytes();
                Item { outcome, bytes, place: Place::Snippet(&index, file, &snippet) }
            };
            sink.record(source, item)?;
        }
        Ok(())
    }

    /// Whether a text is one array that is sound enough to tell its elements apart.
    fn is_array(&self, text: &str) -> bool {
        let text = &text[start_of(text)..];
        let limits = Limits::DEFAULT
            .with_bytes(usize::MAX)
            .with_depth(self.reading.max_depth.saturating_add(1))
            .with_keys(usize::MAX);
        let fault = || json::check(text, Dialect::SingleQuoted, &limits).err();
        text.starts_with('[')
            && fault().is_none_or(|fault| matches!(fault.kind, json::FaultKind::DuplicateKey))
    }

    /// The messages of an array, each a record; `text` is what of its bytes is UTF-8.
    fn array(
        &self,
        source: &Source,
        file: &[u8],
        text: &str,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        if !self.is_array(text) {
            // More than one value, or broken: the stream reader still finds the records in it.
            return self.stream(source, file, sink);
        }
        let index = LineIndex::new(text);
        let mut gate = self.gate();
        for element in json::elements(text, start_of(text)) {
            let bytes = &file[element.range()];
            let outcome = self.inspect(&mut gate, bytes);
            let place = Place::Slice(&index, file, element.start());
            sink.record(source, Item { outcome, bytes, place })?;
        }
        Ok(())
    }
}
