//! Where records come from: streams, arrays, and files that hold messages among other things.

use crate::input::{Input, open};
use crate::{Failure, Reading};
use clap::ValueEnum;
use coordination_protocol::event::{Codec, RecordShape};
use coordination_protocol::json::{self, Dialect, Limits};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::scan::{FileKind, LineIndex, Position, Snippet, looks_like, scan_as};
use coordination_protocol::security::freshness::Freshness;
use coordination_protocol::security::replay::ReplayCache;
use coordination_protocol::validate::{Context, Gate, History, ValidationOutcome, Validator};
use coordination_protocol::version::{Calendar, Date};
use std::borrow::Cow;
use std::cell::{RefCell, RefMut};
use std::io::{BufRead, Read};
use std::ops::Range;

/// What the input is taken for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum As {
    /// Told by its content.
    Auto,
    /// Records: event lines, JSON messages, arrays of messages.
    Records,
    /// Markdown with messages in it.
    Markdown,
    /// A shell script with messages in it.
    Shell,
}

/// The most bytes of a file that has to be read whole: Markdown, shell, an array.
const WHOLE: u64 = 256 << 20;
/// How much of an input is looked at to tell what it is.
const LOOKED_AT: usize = 64 << 10;

/// One checked record and its place.
pub(crate) struct Item<'a> {
    pub(crate) outcome: ValidationOutcome<'a>,
    /// The bytes that were checked.
    pub(crate) bytes: &'a [u8],
    place: Place<'a>,
}

enum Place<'a> {
    /// Stands in a record of a stream, which starts at this line, from this byte on.
    Record(u64, &'a [u8], usize),
    /// Stands in a file from this byte on.
    Slice(&'a LineIndex<'a>, &'a [u8], usize),
    /// Was found in a file.
    Snippet(&'a LineIndex<'a>, &'a [u8], &'a Snippet<'a>),
}

impl<'a> Item<'a> {
    /// A record that is all of its source.
    pub(crate) fn whole(outcome: ValidationOutcome<'a>, bytes: &'a [u8]) -> Self {
        Item { outcome, bytes, place: Place::Record(1, bytes, 0) }
    }
}

impl Item<'_> {
    /// Line and column of a byte of the record, from 1.
    pub(crate) fn position(&self, offset: usize) -> (u64, u64) {
        let plain = |position: Position| (position.line as u64, position.column as u64);
        match &self.place {
            Place::Record(line, record, base) => {
                let before = &record[..(base + offset).min(record.len())];
                let start = last_break(before).map_or(0, |at| at + 1);
                let lines = line_breaks(before);
                (line + lines as u64, characters(&before[start..]) as u64 + 1)
            }
            Place::Slice(index, _, base) => plain(index.position(base + offset)),
            Place::Snippet(index, _, snippet) => plain(index.position(snippet.origin(offset))),
        }
    }

    /// The text to draw, the number of its first line, and where in it the ranges are.
    pub(crate) fn drawing(&self) -> (&[u8], u64, impl Fn(&Range<usize>) -> Range<usize>) {
        let (text, first, base) = match &self.place {
            Place::Record(line, record, _) => (*record, *line, 0),
            Place::Slice(index, file, base) => {
                let end = base + self.bytes.len();
                let (text, start) = whole_lines(file, *base..end);
                (text, index.position(start).line as u64, start)
            }
            Place::Snippet(index, file, snippet) => {
                let (text, start) = whole_lines(file, snippet.range());
                (text, index.position(start).line as u64, start)
            }
        };
        let place = &self.place;
        (text, first, move |range: &Range<usize>| match place {
            Place::Record(_, _, offset) | Place::Slice(_, _, offset) => {
                offset + range.start - base..offset + range.end - base
            }
            Place::Snippet(_, _, snippet) => {
                let start = snippet.origin(range.start);
                let end = snippet.origin(range.end).max(start);
                start - base..end - base
            }
        })
    }
}

/// How many lines end in these bytes.
pub(crate) fn line_breaks(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

/// How many characters these bytes are; what is not UTF-8 counts as readers show it.
fn characters(bytes: &[u8]) -> usize {
    let chunks = bytes.utf8_chunks();
    chunks.map(|c| c.valid().chars().count() + usize::from(!c.invalid().is_empty())).sum()
}

fn last_break(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'\n')
}

/// The whole lines that hold a range, and where they start.
fn whole_lines(bytes: &[u8], range: Range<usize>) -> (&[u8], usize) {
    let start = last_break(&bytes[..range.start]).map_or(0, |at| at + 1);
    let rest = bytes[range.end..].iter().position(|byte| *byte == b'\n');
    (&bytes[start..rest.map_or(bytes.len(), |at| range.end + at)], start)
}

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

type Take<'t> = dyn FnMut(&str, Item<'_>) -> Result<(), Failure> + 't;

impl Checker<'_> {
    /// Reads a path, or standard input for `-`.
    pub(crate) fn path(&self, path: &str, take: &mut Take<'_>) -> Result<(), Failure> {
        let Input { name, mut reader } = open(path)?;
        let failed = |error: std::io::Error| Failure(format!("cannot read {name}: {error}"));
        let mut head = Vec::new();
        let kind = match self.given {
            As::Markdown => Some(FileKind::Markdown),
            As::Shell => Some(FileKind::Shell),
            As::Records => None,
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
            return self.stream(&name, reader, take);
        }
        let mut bytes = Vec::new();
        (&mut reader).take(WHOLE + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > WHOLE {
            return Err(Failure(format!("cannot read {name}: more than {WHOLE} bytes")));
        }
        let text = same_length(&bytes);
        match kind {
            Some(kind) => self.file(&name, &bytes, &text, kind, take),
            None => self.array(&name, &bytes, &text, take),
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

    fn stream(&self, name: &str, reader: impl BufRead, take: &mut Take<'_>) -> Result<(), Failure> {
        let mut records = self.codec().records(reader);
        let mut gate = self.gate();
        while let Some(raw) = records
            .next_record()
            .map_err(|error| Failure(format!("cannot read {name}: {error}")))?
        {
            let mut one = |gate: &mut Gate, range: Range<usize>| {
                let (start, bytes) = (range.start, &raw.bytes[range]);
                let outcome = self.inspect(gate, bytes);
                take(
                    name,
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
        name: &str,
        file: &[u8],
        text: &str,
        kind: FileKind,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        let index = LineIndex::new(text);
        // What a file shows are examples, not a history.
        let mut context = Context::new();
        context.now = self.now;
        context.source = self.from.as_ref();
        context.calendar = self.calendar.as_ref().and_then(|(calendar, on)| {
            Some((calendar, on.or_else(|| Date::from_unix_millis(self.now?))?))
        });
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
            take(name, item)?;
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
        name: &str,
        file: &[u8],
        text: &str,
        take: &mut Take<'_>,
    ) -> Result<(), Failure> {
        if !self.is_array(text) {
            // More than one value, or broken: the stream reader still finds the records in it.
            return self.stream(name, file, take);
        }
        let index = LineIndex::new(text);
        let mut gate = self.gate();
        for element in json::elements(text, start_of(text)) {
            let bytes = &file[element.range()];
            let outcome = self.inspect(&mut gate, bytes);
            let place = Place::Slice(&index, file, element.start());
            take(name, Item { outcome, bytes, place })?;
        }
        Ok(())
    }
}

/// Where a text starts, behind a byte order mark and white space.
fn start_of(text: &str) -> usize {
    text.len() - text.trim_start_matches('\u{feff}').trim_start().len()
}

/// Reads ahead until it is clear what the input is. A stream of records is clear from its first
/// line, so one that grows slowly is not held up.
fn look(codec: &Codec, reader: &mut impl BufRead, head: &mut Vec<u8>) -> std::io::Result<()> {
    while head.len() < LOOKED_AT {
        let chunk = match reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            break;
        }
        let used = chunk.len();
        head.extend_from_slice(chunk);
        reader.consume(used);
        let text = readable(head);
        let text = &text[start_of(text)..];
        let record = RecordShape::of(text.as_bytes()).is_json()
            || text.split_once('\n').is_some_and(|(line, _)| codec.event_name(line).is_some());
        if record {
            break;
        }
    }
    Ok(())
}

/// The bytes as text, with a `?` for each that is not UTF-8: every other byte stays where it is, and
/// what holds such a byte is refused later.
fn same_length(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Cow::Owned(text)
}

/// As much of the bytes as is UTF-8.
fn readable(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
