//! Where records come from: streams, arrays, and files that hold messages among other things.

mod edit;
mod head;
mod item;
mod ordered;
mod read;
mod summary;
mod walk;

pub(crate) use item::{Item, line_breaks, whole_lines};
pub(crate) use ordered::in_order;
pub(crate) use read::Origin;
pub(crate) use summary::{Kind, ReadSummary, Seen};
pub(crate) use walk::{Entry, WalkArgs};

use crate::input::{Source, paths};
use crate::limits::Reading;
use crate::output::{CmdResult, ExitStatus, Failure, cannot_read, complain};
use clap::ValueEnum;
use coordination_protocol::event::Codec;
use coordination_protocol::scalar::{ComponentId, WallTime};
use coordination_protocol::scan::FileKind;
use coordination_protocol::validate::{Gate, History, ValidationOutcome, Validator};
use coordination_protocol::version::{Calendar, Date};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the input is taken for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum As {
    /// Told by the extension of its name, then by its content.
    Auto,
    /// Nothing but messages: event lines, JSON objects, arrays of objects.
    #[value(alias = "records")]
    Messages,
    /// Markdown with messages in it.
    Markdown,
    /// A shell script with messages in it.
    Shell,
    /// Lines of a program's log, some with a message in them; the others are counted.
    Log,
    /// JSON, some of whose objects are messages; the others are counted.
    Json,
    /// YAML with scripts in it.
    Yaml,
}

/// Checks every record of an input and hands it on.
pub(crate) struct Checker<'c> {
    validator: &'c Validator,
    reading: &'c Reading,
    given: As,
    /// The time, in milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) now: Option<WallTime>,
    /// The component that records without a source come from.
    pub(crate) from: Option<ComponentId>,
    /// What refuses messages that were seen before in a named input. Checkers by other settings share
    /// it, so that no `coord.toml` makes them forget.
    pub(crate) replay: Option<Arc<Mutex<Gate>>>,
    /// What is announced to end, and the day to judge by instead of that of the time.
    pub(crate) calendar: Option<(Calendar, Option<Date>)>,
}

impl<'c> Checker<'c> {
    pub(crate) fn new(validator: &'c Validator, reading: &'c Reading, given: As) -> Self {
        let (now, from, replay, calendar) = (None, None, None, None);
        Checker { validator, reading, given, now, from, replay, calendar }
    }

    /// One that reads alike and remembers nothing from one input to the next.
    pub(crate) fn forgetful(&self) -> Checker<'c> {
        let mut checker = Checker::new(self.validator, self.reading, self.given);
        checker.now = self.now;
        checker.from.clone_from(&self.from);
        checker.calendar.clone_from(&self.calendar);
        checker
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

struct Records<'t> {
    take: &'t mut Take<'t>,
    /// Whether it was the taking that failed and not the reading.
    failed: bool,
}

impl<'t> Records<'t> {
    fn new(take: &'t mut Take<'t>) -> Self {
        Records { take, failed: false }
    }
}

impl Sink for Records<'_> {
    fn record(&mut self, source: &Source, item: Item<'_>) -> Result<(), Failure> {
        let result = (self.take)(source, item);
        self.failed |= result.is_err();
        result
    }
}

impl Checker<'_> {
    /// Reads the records of a path, or of standard input for `-`.
    pub(crate) fn path<'t>(&self, path: &Path, take: &'t mut Take<'t>) -> Result<(), Failure> {
        self.read_text(path, &mut Records::new(take))
    }

    /// Reads the records of all inputs of a verb. One that cannot be read is told, and the others are
    /// still read; how the verb ends by those that could not.
    ///
    /// # Errors
    /// Those of `take`.
    pub(crate) fn paths<'t>(&self, given: &[PathBuf], take: &'t mut Take<'t>) -> CmdResult {
        let mut records = Records::new(take);
        let mut all = ExitStatus::Done;
        for path in paths(given) {
            match self.read_text(path, &mut records) {
                Ok(()) => {}
                Err(failure) if records.failed => return Err(failure),
                Err(failure) => {
                    all = all.or(failure.status());
                    complain(failure);
                }
            }
        }
        Ok(all)
    }

    fn read_text(&self, path: &Path, sink: &mut dyn Sink) -> Result<(), Failure> {
        match self.read(path, sink)? {
            Seen::Text(..) => Ok(()),
            Seen::Binary => Err(cannot_read(Source::new(path), "it is binary")),
        }
    }

    /// A gate that remembers nothing yet.
    fn new_gate(&self) -> Gate {
        self.prepared(Gate::new(self.validator.clone()))
    }

    /// The gate for the records of one named input: with a history of its own, and what was seen before
    /// in any of them.
    fn shared_gate<'g>(&self, shared: &'g Mutex<Gate>) -> MutexGuard<'g, Gate> {
        let mut gate = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *gate, Gate::new(self.validator.clone()));
        *gate = self.prepared(before.with_validator(self.validator.clone()));
        gate
    }

    fn prepared(&self, gate: Gate) -> Gate {
        let gate = gate.with_history(History::new());
        let gate = match &self.from {
            Some(source) => gate.with_assumed_source(source.clone()),
            None => gate,
        };
        match &self.calendar {
            Some((calendar, on)) => gate.with_calendar(calendar.clone(), *on),
            None => gate,
        }
    }

    fn inspect<'a>(&self, gate: &mut Gate, bytes: &'a [u8]) -> ValidationOutcome<'a> {
        gate.inspect(bytes, self.now.unwrap_or_default(), None)
    }

    fn codec(&self) -> &Codec {
        self.validator.codec()
    }
}
