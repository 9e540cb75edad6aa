//! The records of one input, rendered in a format.
//!
//! What [`input`] writes of an input depends on nothing outside of it, so inputs can be checked by
//! many threads, each into a buffer, and the buffers handed to [`Output`](super::output::Output) in
//! the order in which they are to be read.

use super::annotation;
use super::judge::Judged;
use super::row::Row;
use super::sarif;
use super::summary::Count;
use super::tally::{Tally, Unread};
use crate::input::Source;
use crate::output::{Failure, Format, failure};
use crate::show;
use crate::source::{Checker, Entry, Item, ReadSummary, Seen, Sink};
use coordination_protocol::finding::Verdict;
use std::io::{self, Write};
use std::path::Path;

/// How records are shown.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) format: Format,
    /// Whether notes are shown, and valid records with nothing else.
    pub(crate) verbose: bool,
    /// Whether nothing is shown at all.
    pub(crate) quiet: bool,
}

/// Checks a path, or standard input for `-`, and writes what there is to say of its records.
///
/// An input that cannot be read is told in the tally. An error is one of `out`.
pub(crate) fn input(
    checker: &Checker<'_>,
    path: &Path,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<Tally> {
    rendered(path, style, out, |renderer| checker.read(path, renderer))
}

/// The same for what is met on a walk.
pub(crate) fn entry(
    checker: &Checker<'_>,
    entry: Entry,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<Tally> {
    match entry {
        Entry::File(path, named) => {
            rendered(&path, style, out, |renderer| checker.read_met(&path, named, renderer))
        }
        Entry::Skipped(source, what) => Ok(Tally {
            read: ReadSummary::special(),
            told: vec![format!("{source}: skipped: it is {what}")],
            ..Tally::default()
        }),
        Entry::Unreadable(source, problem) => {
            Ok(Tally { unread: vec![Unread { source, problem }], ..Tally::default() })
        }
    }
}

fn rendered<'o>(
    path: &Path,
    style: Style,
    out: &'o mut dyn Write,
    read: impl FnOnce(&mut Renderer<'o>) -> Result<Seen, Failure>,
) -> io::Result<Tally> {
    let mut renderer = Renderer { style, out, tally: Tally::default(), broken: None };
    let result = read(&mut renderer);
    if let Some(error) = renderer.broken {
        return Err(error);
    }
    let mut tally = renderer.tally;
    let source = Source::new(path);
    match result {
        Ok(seen) => {
            let records = Count(tally.records(), "record");
            tally.told.push(format!("{source}: {records}; {seen}"));
            tally.read += ReadSummary::of(seen);
        }
        Err(failed) => tally.unread.push(Unread { source, problem: failed.to_string() }),
    }
    Ok(tally)
}

struct Renderer<'o> {
    style: Style,
    out: &'o mut dyn Write,
    tally: Tally,
    /// Why the output cannot be written, which is no fault of the input.
    broken: Option<io::Error>,
}

impl Sink for Renderer<'_> {
    fn record(&mut self, source: &Source, item: Item<'_>) -> Result<(), Failure> {
        let judged = Judged::new(source, &item, |_| None);
        self.tally.record(&judged);
        self.write(&judged).map_err(|error| {
            self.broken = Some(error);
            failure("")
        })
    }
}

impl Renderer<'_> {
    fn write(&mut self, judged: &Judged<'_>) -> io::Result<()> {
        let Style { format, verbose, quiet } = self.style;
        if quiet {
            return Ok(());
        }
        let out = &mut *self.out;
        match format {
            Format::Sarif => sarif::results(out, judged, verbose)?,
            Format::Json => {
                // In one piece, so that the output has whole lines wherever the program is stopped.
                let mut line = serde_json::to_vec(&Row::new(judged))?;
                line.push(b'\n');
                out.write_all(&line)?;
            }
            Format::Line => {
                judged.shown(verbose).try_for_each(|found| annotation::line(out, judged, found))?;
            }
            Format::Github => {
                judged
                    .shown(verbose)
                    .try_for_each(|found| annotation::github(out, judged, found))?;
            }
            Format::Human if judged.verdict > Verdict::Valid || verbose => {
                let shown: Vec<_> = judged.shown(verbose).collect();
                let drawn =
                    show::selected(judged.source.name(), judged.item, &shown, judged.verdict);
                out.write_all(drawn.as_bytes())?;
            }
            _ => {}
        }
        // Somebody may wait for each record; whoever writes it knows.
        self.out.flush()
    }
}
