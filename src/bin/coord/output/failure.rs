//! How the program ends.

use super::text::printable;
use std::fmt::{self, Display};
use std::io;
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
    /// All of them.
    pub(crate) const ALL: [ExitStatus; 3] =
        [ExitStatus::Fine, ExitStatus::Found, ExitStatus::Failed];

    /// What it tells, in a sentence.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            ExitStatus::Fine => "All is fine.",
            ExitStatus::Found => "The verb did its work, and found what it looks for.",
            ExitStatus::Failed => "A usage or I/O error, which was reported on standard error.",
        }
    }

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

/// An error that ends the verb with [`ExitStatus::Failed`]. Its text is made printable when it is
/// made, so it has no other line breaks than those of
/// [`showing`] and [`pointing`].
#[derive(Debug)]
pub(crate) struct Failure(Kind);

#[derive(Debug)]
enum Kind {
    Told(String),
    /// The reader of standard output has closed it, as `head` does: it has what it wanted. Unix
    /// programs die of SIGPIPE here, but Rust ignores that signal.
    Closed,
}

impl Failure {
    /// Whether it is no failure, but an output that its reader has closed.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self.0, Kind::Closed)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Told(text) => f.write_str(text),
            Kind::Closed => f.write_str("standard output is closed"),
        }
    }
}

/// Of an output. What is read or written elsewhere has a name, which [`cannot_read`] and
/// [`cannot_write`] tell.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure(Kind::Closed),
            _ => failure(error),
        }
    }
}

/// An error as the failure of the program.
pub(crate) fn failure(error: impl Display) -> Failure {
    Failure(Kind::Told(printable(error).to_string()))
}

/// The failure of a file that cannot be read.
pub(crate) fn cannot_read(name: impl Display, error: impl Display) -> Failure {
    failure(format_args!("cannot read {name}: {error}"))
}

/// The failure of a file that cannot be written.
pub(crate) fn cannot_write(name: impl Display, error: impl Display) -> Failure {
    failure(format_args!("cannot write {name}: {error}"))
}

/// A message, and below it the text that it is about.
pub(crate) fn showing(error: impl Display, text: &str) -> Failure {
    Failure(Kind::Told(format!("{}\n  {}", printable(error), printable(text))))
}

/// A message with a mark below one of its characters: `at` is a byte of `text`.
pub(crate) fn pointing(error: impl Display, text: &str, at: usize) -> Failure {
    let head = text.get(..at).unwrap_or_default();
    // What is shown is longer than what was given where a character had to be escaped.
    let column = printable(head).to_string().chars().count();
    let (error, text) = (printable(error), printable(text));
    Failure(Kind::Told(format!("{error}\n  {text}\n  {}^", " ".repeat(column))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_below_the_character_and_not_the_byte() {
        assert_eq!(pointing("bad", "é*x", "é*".len()).to_string(), "bad\n  é*x\n    ^");
        // A place that is no boundary of a character marks the start.
        assert_eq!(pointing("bad", "é", 1).to_string(), "bad\n  é\n  ^");
        // What is escaped is counted as shown.
        assert_eq!(
            pointing("bad", "\n*", 1).to_string(),
            format!("bad\n  \\u{{a}}*\n  {}^", " ".repeat("\\u{a}".len()))
        );
    }

    #[test]
    fn a_failure_is_one_line_whatever_it_quotes() {
        let told = cannot_read("x\n::error::forged", "no \u{1b}[31m");
        assert_eq!(told.to_string(), "cannot read x\\u{a}::error::forged: no \\u{1b}[31m");
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
