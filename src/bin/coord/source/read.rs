//! Reading an input by what it is taken for.

use super::head::{self, by_content, foreign_encoding, is_binary, readable, same_length, start_of};
use super::item::{Place, Text};
use super::summary::{By, Kind, Seen, Taken};
use super::{As, Checker, Item, Sink};
use crate::input::{Input, Source, open, open_quietly};
use crate::output::{Failure, cannot_read};
use coordination_protocol::event::{RecordShape, Records};
use coordination_protocol::json::{self, Dialect, Limits};
use coordination_protocol::scan::{FileKind, LineIndex, LogReader, PassedOver, scan_as};
use coordination_protocol::validate::{Context, Gate};
use coordination_protocol::version::Date;
use std::io::{BufRead, Read};
use std::ops::Range;
use std::path::Path;

/// Where a file comes from that is read again.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// It was named.
    Named,
    /// It was met on a walk, with the kind that its name tells.
    Met(Option<FileKind>),
}

/// How an input came to be read, which decides how much of it has to be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// It was named, or is standard input.
    Named,
    /// It was met on a walk. Its messages are those for which there is evidence.
    Met,
}

impl Checker<'_> {
    /// Reads a path, or standard input for `-`.
    pub(crate) fn read(&self, path: &Path, sink: &mut dyn Sink) -> Result<Seen, Failure> {
        let input = open(path)?;
        let named = FileKind::from_path(path).filter(|_| !input.source.is_stdin());
        self.input(input, Came::Named, named, sink)
    }

    /// Reads a file that was met on a walk.
    pub(crate) fn read_met(
        &self,
        path: &Path,
        named: Option<FileKind>,
        sink: &mut dyn Sink,
    ) -> Result<Seen, Failure> {
        self.input(open_quietly(path)?, Came::Met, named, sink)
    }

    /// Reads a text as if it were the content of a file.
    pub(crate) fn read_again(
        &self,
        path: &Path,
        text: &str,
        origin: Origin,
        sink: &mut dyn Sink,
    ) -> Result<Seen, Failure> {
        let reader = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        let input = Input { source: Source::new(path), reader, live: false };
        match origin {
            Origin::Named => self.input(input, Came::Named, FileKind::from_path(path), sink),
            Origin::Met(named) => self.input(input, Came::Met, named, sink),
        }
    }

    /// How many bytes of a file are read at most.
    pub(crate) fn most_bytes(&self) -> u64 {
        self.reading.max_file_bytes
    }

    fn input(
        &self,
        input: Input,
        came: Came,
        named: Option<FileKind>,
        sink: &mut dyn Sink,
    ) -> Result<Seen, Failure> {
        let Input { source, mut reader, live } = input;
        let failed = |error: std::io::Error| cannot_read(&source, error);
        let mut head = Vec::new();
        // Its first bytes tell the encoding and whether a record starts there; whether it takes more to
        // tell the kind, depends.
        let told = self.told(came, named);
        match told {
            None => head::look(self.codec(), &mut reader, live, &mut head).map_err(failed)?,
            Some(_) => head::some(&mut reader, &mut head).map_err(failed)?,
        }
        if let Some((encoding, iconv)) = foreign_encoding(&head) {
            return Err(cannot_read(
                &source,
                format_args!(
                    "it is {encoding}, not UTF-8; convert it with `iconv -f {iconv} -t UTF-8`"
                ),
            ));
        }
        if self.given == As::Auto && is_binary(self.codec(), &head) {
            return Ok(Seen::Binary);
        }
        let taken = told.unwrap_or_else(|| self.look_of(came, named, &head));
        let text = readable(&head);
        let array = RecordShape::of(text.as_bytes()) == RecordShape::Array;
        let mut reader = head.as_slice().chain(reader);
        if taken.kind == Kind::Messages && !array {
            self.messages(came, &mut |gate| {
                let records = self.codec().records(&mut reader);
                // What is there must not wait for more, which may never come.
                let records = if live { records.live() } else { records };
                self.stream(&source, records, gate, sink)
            })?;
            return Ok(Seen::Text(taken, PassedOver::default()));
        }
        if taken.kind == Kind::File(FileKind::Log) {
            let mut passed = PassedOver::default();
            self.messages(came, &mut |gate| {
                passed = self.log(&source, &mut reader, gate, sink)?;
                Ok(())
            })?;
            return Ok(Seen::Text(taken, passed));
        }
        let most = self.reading.max_file_bytes;
        let mut bytes = Vec::new();
        (&mut reader).take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > most {
            return Err(cannot_read(
                &source,
                format_args!("it has more than {most} bytes, the limit that --max-file-bytes sets"),
            ));
        }
        let text = same_length(&bytes);
        let passed = match taken.kind {
            Kind::File(kind) => self.file(&source, &bytes, &text, kind, sink)?,
            Kind::Messages => {
                self.messages(came, &mut |gate| self.array(&source, &bytes, &text, gate, sink))?;
                PassedOver::default()
            }
        };
        Ok(Seen::Text(taken, passed))
    }

    /// What an input is taken for without a look at it.
    fn told(&self, came: Came, named: Option<FileKind>) -> Option<Taken> {
        let by_option = |kind| Some(Taken { kind, by: By::Option });
        match self.given {
            As::Auto => {}
            As::Messages => return by_option(Kind::Messages),
            As::Log => return by_option(Kind::File(FileKind::Log)),
            As::Markdown => return by_option(Kind::File(FileKind::Markdown)),
            As::Shell => return by_option(Kind::File(FileKind::Shell)),
            As::Json => return by_option(Kind::File(FileKind::Json)),
            As::Yaml => return by_option(Kind::File(FileKind::Yaml)),
        }
        let kind = match named? {
            // Events are written into logs and texts of every kind: the content has to tell.
            FileKind::Log => return None,
            FileKind::Json if came == Came::Named => Kind::Messages,
            kind => Kind::File(kind),
        };
        Some(Taken { kind, by: By::Name })
    }

    /// What an input is taken for by its content.
    fn look_of(&self, came: Came, named: Option<FileKind>, head: &[u8]) -> Taken {
        let seen = by_content(self.codec(), head);
        let records = head::is_stream_of_events(self.codec(), head);
        match (seen, named) {
            // A log by its name may be a stream of event lines, each of which is a record then.
            (Kind::Messages, Some(FileKind::Log)) if records && came == Came::Named => {
                Taken { kind: Kind::Messages, by: By::Content }
            }
            (_, Some(kind)) => Taken { kind: Kind::File(kind), by: By::Name },
            (Kind::Messages, None) if came == Came::Met => {
                Taken { kind: Kind::File(FileKind::EventLines), by: By::Content }
            }
            (kind, None) => Taken { kind, by: By::Content },
        }
    }

    /// Reads messages through a gate.
    fn messages(
        &self,
        came: Came,
        read: &mut dyn FnMut(&mut Gate) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match &self.replay {
            Some(shared) if came == Came::Named => read(&mut self.shared_gate(shared)),
            // Files of a walk are read at once, so none comes before another.
            _ => read(&mut self.new_gate()),
        }
    }

    fn stream(
        &self,
        source: &Source,
        mut records: Records<impl BufRead>,
        gate: &mut Gate,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        while let Some(raw) = records.next_record().map_err(|error| cannot_read(source, error))? {
            let offset = usize::try_from(raw.offset).unwrap_or(usize::MAX);
            let mut one = |gate: &mut Gate, range: Range<usize>| {
                let (start, bytes) = (range.start, &raw.bytes[range]);
                let outcome = self.inspect(gate, bytes);
                sink.record(
                    source,
                    Item {
                        outcome,
                        bytes,
                        place: Place::Record(raw.line, raw.bytes, start, offset),
                    },
                )
            };
            // The messages of an array are records. One that is broken is refused as a whole.
            let text = std::str::from_utf8(raw.bytes).unwrap_or_default();
            if self.is_array(text) {
                for element in json::elements(text, start_of(text)) {
                    one(gate, element.range())?;
                }
            } else {
                one(gate, 0..raw.bytes.len())?;
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
    ) -> Result<PassedOver, Failure> {
        // What a file shows are examples, not a history.
        let mut context = Context::new();
        context.now = self.now;
        context.assumed_source = self.from.as_ref();
        context.calendar = self.calendar.as_ref().and_then(|(calendar, on)| {
            Some((calendar, on.or_else(|| Date::from_unix_millis(self.now?.unix_millis()))?))
        });
        sink.text(source, text, kind);
        let index = LineIndex::new(text);
        let place = Text { bytes: file, index: &index, before: 0, offset: 0 };
        let snippets = scan_as(text, kind, self.codec().limits());
        let passed = snippets.passed_over();
        for snippet in snippets {
            let bytes = &file[snippet.range()];
            let item = if std::str::from_utf8(bytes).is_err() {
                // What is to be filled in or unquoted does not matter any more.
                let outcome = self.validator.check_bytes(bytes, &context);
                Item { outcome, bytes, place: Place::Slice(place, snippet.range().start) }
            } else {
                let outcome = self.validator.check_snippet(&snippet, &context);
                let bytes = snippet.text.as_bytes();
                Item { outcome, bytes, place: Place::Snippet(place, &snippet) }
            };
            sink.record(source, item)?;
        }
        Ok(passed)
    }

    /// The messages in the lines of a log, as they come.
    fn log(
        &self,
        source: &Source,
        reader: impl BufRead,
        gate: &mut Gate,
        sink: &mut dyn Sink,
    ) -> Result<PassedOver, Failure> {
        let limits = self.codec().limits();
        let mut reader = LogReader::new(reader, limits);
        let mut passed = PassedOver::default();
        let now = self.now.unwrap_or_default();
        while let Some(part) = reader.next_part().map_err(|error| cannot_read(source, error))? {
            let index = LineIndex::new(part.text);
            let offset = usize::try_from(part.offset).unwrap_or(usize::MAX);
            let place = Text { bytes: part.bytes, index: &index, before: part.line - 1, offset };
            let snippets = scan_as(part.text, FileKind::Log, limits);
            passed.objects += snippets.passed_over().objects;
            passed.lines += snippets.passed_over().lines;
            for snippet in snippets {
                let bytes = &part.bytes[snippet.range()];
                let item = if std::str::from_utf8(bytes).is_err() {
                    let outcome = self.inspect(gate, bytes);
                    Item { outcome, bytes, place: Place::Slice(place, snippet.range().start) }
                } else {
                    let outcome = gate.inspect_snippet(&snippet, now, None);
                    let bytes = snippet.text.as_bytes();
                    Item { outcome, bytes, place: Place::Snippet(place, &snippet) }
                };
                sink.record(source, item)?;
            }
        }
        Ok(passed)
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
        gate: &mut Gate,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        if !self.is_array(text) {
            // More than one value, or broken: the stream reader still finds the records in it.
            return self.stream(source, self.codec().records(file), gate, sink);
        }
        let index = LineIndex::new(text);
        let text_place = Text { bytes: file, index: &index, before: 0, offset: 0 };
        for element in json::elements(text, start_of(text)) {
            let bytes = &file[element.range()];
            let outcome = self.inspect(gate, bytes);
            let place = Place::Slice(text_place, element.start());
            sink.record(source, Item { outcome, bytes, place })?;
        }
        Ok(())
    }
}
