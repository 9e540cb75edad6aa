//! How verbs print and how they end: one set of formats, one way to print rows, one error, one table
//! of exit statuses.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// How the program ends. Only these three, so that a script can tell "no" from "it did not work".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ExitStatus {
    /// All is fine.
    Fine = 0,
    /// The verb did its work, and found what it looks for.
    Found = 1,
    /// A usage or I/O error, which was reported when it was met.
    Failed = 2,
}

/// The table of [`ExitStatus`] as every `--help` begins to tell it.
macro_rules! exit_status {
    () => {
        "Exit status: 0 fine, 1 something was found, 2 usage or I/O error"
    };
}
pub(crate) use exit_status;

impl ExitStatus {
    /// `Found` if something was.
    pub(crate) const fn found(found: bool) -> Self {
        if found { ExitStatus::Found } else { ExitStatus::Fine }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(status as u8)
    }
}

/// How a verb ends.
pub(crate) type CmdResult = Result<ExitStatus, Failure>;

/// An error that ends the program with [`ExitStatus::Failed`].
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // The reader has closed the pipe, as `head` does: it has what it wanted. Unix programs die of
        // SIGPIPE here, but Rust ignores that signal.
        if error.kind() == io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        Failure(error.to_string())
    }
}

/// An error as the failure of the program.
pub(crate) fn failure(error: impl Display) -> Failure {
    Failure(error.to_string())
}

/// The failure of a file that cannot be read.
pub(crate) fn cannot_read(name: impl Display, error: impl Display) -> Failure {
    Failure(format!("cannot read {name}: {error}"))
}

/// The failure of a file that cannot be written.
pub(crate) fn cannot_write(name: impl Display, error: impl Display) -> Failure {
    Failure(format!("cannot write {name}: {error}"))
}

/// A message with a mark below one of its characters: `at` is a byte of `text`.
pub(crate) fn pointing(error: impl Display, text: &str, at: usize) -> Failure {
    let column = text.get(..at).map_or(0, |head| head.chars().count());
    Failure(format!("{error}\n  {text}\n  {}^", " ".repeat(column)))
}

/// Reports a problem on standard error, with the name of the program.
pub(crate) fn complain(problem: impl Display) -> io::Result<()> {
    writeln!(anstream::stderr(), "coord: {problem}")
}

/// How a verb prints. Each verb states which of these it takes, and what each means there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Human,
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
    const ALL: [Format; 5] =
        [Format::Human, Format::Json, Format::Markdown, Format::Records, Format::Sarif];

    const fn word(self) -> &'static str {
        match self {
            Format::Human => "human",
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

/// Something that a verb prints. Its JSON form is its `Serialize`.
pub(crate) trait Print: Serialize {
    /// Writes it for people, in whole lines.
    fn human(&self, out: &mut dyn Write) -> io::Result<()>;

    /// Writes it as Markdown.
    fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        self.human(out)
    }

    /// Writes the record that it is about, as it is.
    fn record(&self, out: &mut dyn Write) -> io::Result<()> {
        self.human(out)
    }
}

/// Standard output in one format.
pub(crate) struct Printer {
    format: Format,
    out: Box<dyn Write>,
}

impl Printer {
    /// Rows are collected before they are written: there may be millions.
    pub(crate) fn new(format: Format) -> Self {
        Printer { format, out: Box::new(BufWriter::with_capacity(64 << 10, io::stdout())) }
    }

    /// The same, but what people read has colours where the terminal shows them, and comes at once.
    pub(crate) fn styled(format: Format) -> Self {
        match format {
            Format::Human => Printer { format, out: Box::new(anstream::stdout()) },
            _ => Printer::new(format),
        }
    }

    /// Writes a row: lines for people, or an object on one line.
    pub(crate) fn row(&mut self, row: &impl Print) -> io::Result<()> {
        match self.format {
            Format::Json => {
                serde_json::to_writer(&mut self.out, row)?;
                self.out.write_all(b"\n")
            }
            _ => self.text(row),
        }
    }

    /// Writes all there is: text for people, or one JSON document over several lines.
    pub(crate) fn document(&mut self, document: &impl Print) -> io::Result<()> {
        match self.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut self.out, document)?;
                self.out.write_all(b"\n")
            }
            _ => self.text(document),
        }
    }

    fn text(&mut self, row: &impl Print) -> io::Result<()> {
        match self.format {
            Format::Markdown => row.markdown(&mut self.out),
            Format::Records => row.record(&mut self.out),
            _ => row.human(&mut self.out),
        }
    }

    /// Writes a line that only people read, such as a total.
    pub(crate) fn note(&mut self, line: impl Display) -> io::Result<()> {
        match self.format {
            Format::Human => writeln!(self.out, "{line}"),
            _ => Ok(()),
        }
    }

    /// Reports a problem on standard error, behind all that was printed before: on a terminal both
    /// are read as one text.
    pub(crate) fn complain(&mut self, problem: impl Display) -> io::Result<()> {
        self.out.flush()?;
        complain(problem)
    }

    /// Draws diagnostics on standard error, behind all that was printed before.
    pub(crate) fn draw(&mut self, diagnostics: &str) -> io::Result<()> {
        self.out.flush()?;
        anstream::stderr().write_all(diagnostics.as_bytes())
    }

    /// Writes what is left, and ends the verb. Without it an output that cannot be written would be
    /// lost in silence.
    pub(crate) fn finish(mut self, status: ExitStatus) -> CmdResult {
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
        fn human(&self, out: &mut dyn Write) -> io::Result<()> {
            writeln!(out, "name {}", self.name)
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
        let mut printer = Printer { format, out: Box::new(shared.clone()) };
        print(&mut printer).unwrap();
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_row_is_one_line_of_json_whatever_it_holds() {
        let row = Row { name: "a\n\"\u{1b}[31m", record: "R" };
        let rows = |printer: &mut Printer| printer.row(&row).and_then(|()| printer.row(&row));
        let line = "{\"name\":\"a\\n\\\"\\u001b[31m\"}\n";
        assert_eq!(printed(Format::Json, rows), line.repeat(2));
        assert_eq!(printed(Format::Records, rows), "R\nR\n");
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

    #[test]
    fn a_mark_stands_below_the_character_and_not_the_byte() {
        let Failure(text) = pointing("bad", "é*x", "é*".len());
        assert_eq!(text, "bad\n  é*x\n    ^");
        // A place that is no boundary of a character marks the start.
        assert_eq!(pointing("bad", "é", 1).0, "bad\n  é\n  ^");
    }

    #[test]
    fn the_table_of_exit_statuses_is_the_help() {
        for (status, word) in [
            (ExitStatus::Fine, "0 fine"),
            (ExitStatus::Found, "1 something was found"),
            (ExitStatus::Failed, "2 usage or I/O error"),
        ] {
            assert!(exit_status!().contains(word) && word.starts_with(&(status as u8).to_string()));
        }
    }
}
