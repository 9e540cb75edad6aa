//! Where the messages of a trace come from.

use crate::input::{Input, open};
use crate::output::{Failure, cannot_read};
use coordination_protocol::bus::Bus;
use coordination_protocol::storage::{Journal as _, block_on};
use coordination_protocol::trace::{Trace, TraceStep};
use coordination_protocol::{Codec, Mode};
use std::io::BufRead as _;
use std::path::Path;
use std::sync::LazyLock;

/// How many records are read from the bus at once.
const PAGE: usize = 1_000;

/// What is met is taken; what it deviates in is the matter of `coord check`.
static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec::new(Mode::Interop));

/// What takes the records, each with its place.
type Take<'t> = dyn FnMut(u64, &[u8]) -> Result<(), Failure> + 't;

/// What a record shows; `None` if it is no message.
pub(super) fn step(trace: &mut Trace, place: u64, record: &[u8]) -> Option<TraceStep> {
    let text = std::str::from_utf8(record).ok()?.trim();
    if text.starts_with('{') {
        let envelope = CODEC.parse_message(text).ok()?.decode().ok()?;
        return Some(trace.take(place, &envelope));
    }
    let event = CODEC.parse(text).ok()?;
    Some(trace.take_event(place, None, "", &event))
}

/// The lines of a file, or of standard input.
pub(super) fn file(path: &Path, take: &mut Take<'_>) -> Result<(), Failure> {
    let Input { source, mut reader, .. } = open(path)?;
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        let read = read.map_err(|error| cannot_read(source.to_string(), error))?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        let is_blank = line.iter().all(u8::is_ascii_whitespace);
        if !is_blank && !line.starts_with(b"#") {
            take(number, &line)?;
        }
    }
}

/// The history of a bus.
pub(super) fn history(bus: &Bus, take: &mut Take<'_>) -> Result<(), Failure> {
    let log = bus.history();
    let mut next = block_on(log.bounds())?.first;
    loop {
        let page = block_on(log.read(next, PAGE))?;
        let Some(last) = page.last() else { return Ok(()) };
        next = last.position + 1;
        for record in &page {
            // What is sent to an address is nobody else's matter, and no event.
            if record.lane.as_ref().is_some_and(|lane| lane.as_str().starts_with("workflow/")) {
                take(record.position, &record.data)?;
            }
        }
    }
}
