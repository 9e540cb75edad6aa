//! The records of one input, rendered in a format.
//!
//! What [`input`] writes of an input depends on nothing outside of it, so inputs can be checked by
//! many threads, each into a buffer, and the buffers handed to [`Output`](super::output::Output) in
//! the order in which they are to be read.

use super::annotation;
use super::judge::Judged;
use super::row::Row;
use super::sarif;
use super::tally::{Tally, Unread};
use crate::input::Source;
use crate::output::{Failure, Format, failure};
use crate::show;
use crate::source::{Checker, Item, Sink};
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
    let mut renderer = Renderer { style, out, tally: Tally::default(), broken: None };
    let result = checker.read(path, &mut renderer);
    if let Some(error) = renderer.broken {
        return Err(error);
    }
    let mut tally = renderer.tally;
    match result {
        Ok(()) => tally.files += 1,
        Err(failed) => {
            let problem = failed.to_string();
            let source = Source::new(path);
            tally.unread.push(Unread { source, problem });
        }
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
            Format::Sarif => sarif::results(out, judged, verbose),
            Format::Json => {
                serde_json::to_writer(&mut *out, &Row::new(judged))?;
                out.write_all(b"\n")
            }
            Format::Line => {
                judged.shown(verbose).try_for_each(|found| annotation::line(out, judged, found))
            }
            Format::Github => {
                judged.shown(verbose).try_for_each(|found| annotation::github(out, judged, found))
            }
            Format::Human if judged.verdict > Verdict::Valid || verbose => {
                let shown: Vec<_> = judged.shown(verbose).collect();
                let drawn =
                    show::selected(judged.source.name(), judged.item, &shown, judged.verdict);
                out.write_all(drawn.as_bytes())
            }
            _ => Ok(()),
        }
    }
}
