//! How verbs print and how they end: one set of formats, one way to print rows, one error, one table
//! of exit statuses.
//!
//! Nothing else writes to standard output or standard error. What is for people goes through
//! [`Lines`], where no value can act on a terminal or begin a line; records go out unchanged, and as
//! harmless JSON on a terminal.

mod failure;
mod streams;
mod text;

pub(crate) use failure::{
    CmdResult, ExitStatus, Failure, cannot_read, cannot_write, failure, pointing, showing,
    status_of, statuses_from, unavailable,
};
pub(crate) use streams::{Color, Lines, complain, draw, drawn_out, report, say, tell};
pub(crate) use text::printable;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use streams::Stdout;

/// How a verb prints. Each verb states which of these it takes, and what each means there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// A line a finding, for editors and `grep`.
    Line,
    /// Workflow commands, which GitHub shows in place.
    Github,
    /// Counts only.
    Summary,
    /// JSON: an object a row, or one document.
    Json,
    /// A Markdown table.
    Markdown,
    /// The records as they are, for other verbs.
    Records,
    /// One SARIF log.
    Sarif,
}

impl Format {
    /// What it is, in a sentence.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Format::Human => "Text for people; it may change with any version.",
            Format::Line => "A line a finding, which editors jump to.",
            Format::Github => "A workflow command a finding, which GitHub shows in place.",
            Format::Summary => "How often each finding code was found.",
            Format::Json => "JSON for programs: an object a line, or one document.",
            Format::Markdown => "Markdown tables.",
            Format::Records => "The records as they are, one a line, for other verbs.",
            Format::Sarif => "One SARIF 2.1.0 log, which code hosts show in place.",
        }
    }

    pub(crate) const ALL: [Format; 8] = [
        Format::Human,
        Format::Line,
        Format::Github,
        Format::Summary,
        Format::Json,
        Format::Markdown,
        Format::Records,
        Format::Sarif,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Format::Human => "human",
            Format::Line => "line",
            Format::Github => "github",
            Format::Summary => "summary",
            Format::Json => "json",
            Format::Markdown => "markdown",
            Format::Records => "records",
            Format::Sarif => "sarif",
        }
    }

    /// The parser of a verb's `--format`: the formats that the verb takes, and what each prints there.
    pub(crate) fn among(
        taken: &[(Format, &'static str)],
    ) -> impl TypedValueParser<Value = Format> + use<> {
        let values =
            taken.iter().map(|(format, help)| PossibleValue::new(format.word()).help(help));
        PossibleValuesParser::new(values).try_map(|word| {
            let found = Format::ALL.into_iter().find(|format| format.word() == word);
            found.ok_or("the format is not known")
        })
    }
}

/// Whether standard output is a terminal.
pub(crate) fn is_on_a_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Something that a verb prints. Its JSON form is its `Serialize`.
pub(crate) trait Print: Serialize {
    /// Writes it for people.
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()>;

    /// Writes it as Markdown.
    fn markdown(&self, out: &mut Lines<'_>) -> io::Result<()> {
        self.human(out)
    }

    /// Writes the record that it is about, as it is. What is no record is not written.
    fn record(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output in one format.
///
/// What is written to it as to any [`Write`] are records in that format. They go out unchanged, but on
/// a terminal, where each character that would act on it becomes the `\u` escape of the same JSON value;
/// in JSON of our own it does everywhere. For people, it is text that was laid out over several lines,
/// every value in it made [`printable`].
pub(crate) struct Printer {
    format: Format,
    out: Stdout,
}

impl Printer {
    /// Each row comes as soon as it is complete, unless standard output is a file: somebody may be
    /// waiting for it.
    pub(crate) fn new(format: Format) -> Self {
        let out = match format {
            Format::Human | Format::Line | Format::Github | Format::Summary | Format::Markdown => {
                Stdout::people()
            }
            Format::Json | Format::Sarif => Stdout::json(),
            Format::Records => Stdout::records(),
        };
        Printer { format, out }
    }

    /// For records whose bytes are the product: on a terminal, too, they stay as they are.
    pub(crate) fn unchanged() -> Self {
        Printer { format: Format::Records, out: Stdout::unchanged() }
    }

    /// Writes a row: lines for people, or an object on one line.
    pub(crate) fn row(&mut self, row: &impl Print) -> io::Result<()> {
        match self.format {
            Format::Json => {
                let mut line = serde_json::to_vec(row)?;
                line.push(b'\n');
                self.out.write_all(&line)?;
            }
            _ => self.text(row)?,
        }
        self.settle()
    }

    /// Writes all there is: text for people, or one JSON document over several lines.
    pub(crate) fn document(&mut self, document: &impl Print) -> io::Result<()> {
        match self.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut self.out, document)?;
                self.out.write_all(b"\n")?;
            }
            _ => self.text(document)?,
        }
        self.settle()
    }

    fn text(&mut self, row: &impl Print) -> io::Result<()> {
        match self.format {
            Format::Markdown => row.markdown(&mut self.out.lines()),
            Format::Records => row.record(&mut self.out),
            _ => row.human(&mut self.out.lines()),
        }
    }

    /// What was written as data is a whole record: whoever waits for it gets it now.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        self.out.settle()
    }

    /// Writes a line that only people read, such as a total.
    pub(crate) fn note(&mut self, line: impl Display) -> io::Result<()> {
        match self.format {
            Format::Human => self.out.lines().line(line),
            _ => Ok(()),
        }
    }

    /// Reports a problem on standard error, behind all that was printed before: on a terminal both
    /// are read as one text.
    pub(crate) fn complain(&mut self, problem: impl Display) -> io::Result<()> {
        self.out.flush()?;
        complain(problem);
        Ok(())
    }

    /// Draws diagnostics on standard error, behind all that was printed before.
    pub(crate) fn draw(&mut self, diagnostics: &str) -> io::Result<()> {
        self.out.flush()?;
        draw(diagnostics);
        Ok(())
    }

    /// Writes what is left, and ends the verb. Without it an output that cannot be written would be
    /// lost in silence.
    pub(crate) fn finish(mut self, status: ExitStatus) -> CmdResult {
        self.out.settle()?;
        self.out.flush()?;
        Ok(status)
    }
}

impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        #[serde(skip)]
        record: &'static str,
    }

    impl Print for Row {
        fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
            out.line(format_args!("name {}", self.name))
        }

        fn record(&self, out: &mut dyn Write) -> io::Result<()> {
            writeln!(out, "{}", self.record)
        }
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(format: Format, print: impl Fn(&mut Printer) -> io::Result<()>) -> String {
        let shared = Shared::default();
        let mut printer = Printer::new(format);
        printer.out = Stdout::of(Box::new(shared.clone()), printer.out);
        print(&mut printer).unwrap();
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_row_is_one_line_of_json_whatever_it_holds() {
        let row = Row { name: "a\n\"\u{1b}[31m\u{202e}", record: "R" };
        let rows = |printer: &mut Printer| printer.row(&row).and_then(|()| printer.row(&row));
        let line = "{\"name\":\"a\\n\\\"\\u001b[31m\\u202e\"}\n";
        assert_eq!(printed(Format::Json, rows), line.repeat(2));
        assert_eq!(printed(Format::Records, rows), "R\nR\n");
        let shown = "name a\\u{a}\"\\u{1b}[31m\\u{202e}\n";
        assert_eq!(printed(Format::Human, rows), shown.repeat(2));
        // What says nothing of a format is printed as for people.
        assert_eq!(printed(Format::Markdown, rows), printed(Format::Human, rows));
    }

    #[test]
    fn a_document_is_spread_and_a_note_is_for_people() {
        let row = Row { name: "a", record: "" };
        let all = |printer: &mut Printer| {
            printer.document(&row)?;
            printer.note("1 row")
        };
        assert_eq!(printed(Format::Json, all), "{\n  \"name\": \"a\"\n}\n");
        assert_eq!(printed(Format::Human, all), "name a\n1 row\n");
    }
}
