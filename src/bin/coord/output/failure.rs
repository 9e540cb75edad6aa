//! How the program ends.

use super::text::printable;
use coordination_protocol::bus::BusError;
use coordination_protocol::checkpoint::CheckpointError;
use coordination_protocol::coordination::resources::DeskError;
use coordination_protocol::driver::DriverError;
use coordination_protocol::storage::StorageError;
use std::fmt::{self, Display};
use std::io;
use std::process::ExitCode;

/// The one table of how every verb ends: a number, what `--help` says of it, and what it tells.
macro_rules! exit_statuses {
    ($($name:ident $code:literal $word:literal $meaning:literal)+) => {
        /// How the program ends, so that a script can tell "no" from "it did not work", and "try again"
        /// from "give up".
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum ExitStatus {
            $(#[doc = $meaning] $name = $code,)+
        }

        impl ExitStatus {
            /// All of them.
            pub(crate) const ALL: [ExitStatus; [$($code),+].len()] = [$(ExitStatus::$name),+];

            /// What it tells, in a few words.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(ExitStatus::$name => $word),+ }
            }

            /// What it tells, in a sentence.
            pub(crate) const fn meaning(self) -> &'static str {
                match self { $(ExitStatus::$name => $meaning),+ }
            }
        }
    };
}

exit_statuses! {
    Done 0 "done" "The verb did what it was asked."
    No 1 "negative verdict" "The verb did its work, and its verdict is negative: it found what it looks for, or not what was asked for."
    Usage 2 "usage" "Arguments, settings or input that the verb cannot use."
    TimedOut 3 "time-out" "What was waited for did not come in time."
    Unavailable 4 "I/O, cut or unavailable" "Something could not be read, written or reached, or ended too early."
    Conflict 5 "conflict or stale" "Somebody else was faster, or what was given is older than what is there."
}

/// The words of the statuses from `first` on, as `--help` lists them.
pub(crate) fn statuses_from(first: u8) -> String {
    let rows = ExitStatus::ALL.iter().filter(|status| **status as u8 >= first);
    let rows: Vec<String> =
        rows.map(|status| format!("{} {}", *status as u8, status.word())).collect();
    rows.join(", ")
}

impl ExitStatus {
    /// Negative if something was found that should not be there.
    pub(crate) const fn found(found: bool) -> Self {
        if found { ExitStatus::No } else { ExitStatus::Done }
    }

    /// The graver of two: what could not be looked at outweighs what was found.
    pub(crate) fn or(self, other: ExitStatus) -> Self {
        if other as u8 > self as u8 { other } else { self }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(status as u8)
    }
}

/// How a verb ends.
pub(crate) type CmdResult = Result<ExitStatus, Failure>;

/// An error that ends the verb. Its text is made printable when it is made, so it has no other line
/// breaks than those of [`showing`] and [`pointing`].
#[derive(Debug)]
pub(crate) struct Failure(Kind, ExitStatus);

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

    /// How the program ends by it.
    pub(crate) const fn status(&self) -> ExitStatus {
        self.1
    }

    /// The same with another status.
    pub(crate) fn ending(self, status: ExitStatus) -> Self {
        Failure(self.0, status)
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
            io::ErrorKind::BrokenPipe => Failure(Kind::Closed, ExitStatus::Done),
            _ => unavailable(error),
        }
    }
}

/// What the verb was given and cannot use.
pub(crate) fn failure(error: impl Display) -> Failure {
    Failure(Kind::Told(printable(error).to_string()), ExitStatus::Usage)
}

/// What could not be reached, read or written.
pub(crate) fn unavailable(error: impl Display) -> Failure {
    failure(error).ending(ExitStatus::Unavailable)
}

/// A store that did not do what it was asked.
impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let status = status_of(&error);
        failure(error).ending(status)
    }
}

/// Checkpoints that cannot be made, read or put back.
impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        let status = status_of_checkpoint(&error);
        failure(error).ending(status)
    }
}

fn status_of_checkpoint(error: &CheckpointError) -> ExitStatus {
    match error {
        CheckpointError::Storage(error) => status_of(error),
        CheckpointError::Read(error) | CheckpointError::Backup(error) => {
            status_of_checkpoint(error)
        }
        CheckpointError::Exists(_)
        | CheckpointError::Swept(_)
        | CheckpointError::UnderWay { .. } => ExitStatus::Conflict,
        CheckpointError::Damaged(_) => ExitStatus::No,
        CheckpointError::Target { .. }
        | CheckpointError::Undone { .. }
        | CheckpointError::Mixture { .. }
        | CheckpointError::Mark(_) => ExitStatus::Unavailable,
        _ => ExitStatus::Usage,
    }
}

/// A bus that did not do what it was asked.
impl From<BusError> for Failure {
    fn from(error: BusError) -> Self {
        let status = match &error {
            BusError::Storage(error) => status_of(error),
            BusError::AddressTaken { .. }
            | BusError::OtherSelection { .. }
            | BusError::Stale { .. } => ExitStatus::Conflict,
            _ => ExitStatus::Usage,
        };
        failure(error).ending(status)
    }
}

/// Decisions that were not made.
impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        let status = match &error {
            DeskError::Storage(error) => status_of(error),
            // Others are newer, or decided first: what this one knows is stale.
            DeskError::Newer { .. } | DeskError::Contended { .. } | DeskError::Lost { .. } => {
                ExitStatus::Conflict
            }
            _ => ExitStatus::Unavailable,
        };
        failure(error).ending(status)
    }
}

/// A client or a component that did not do what it was asked.
impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        let status = match &error {
            DriverError::Bus(error) => return error.clone().into(),
            DriverError::TimedOut { .. } => ExitStatus::TimedOut,
            DriverError::Refused(_) | DriverError::Unexpected { .. } => ExitStatus::No,
            DriverError::Invalid(_) | DriverError::Setup(_) => ExitStatus::Usage,
            _ => ExitStatus::Unavailable,
        };
        failure(error).ending(status)
    }
}

/// How a verb ends by an error of the store.
pub(crate) const fn status_of(error: &StorageError) -> ExitStatus {
    match error {
        StorageError::Conflict { .. }
        | StorageError::CursorMoved { .. }
        | StorageError::LaneMoved { .. }
        | StorageError::LaneEnded { .. }
        | StorageError::LanesOpen { .. }
        | StorageError::VersionConflict { .. }
        | StorageError::NotNewer { .. }
        | StorageError::Abandoned { .. }
        | StorageError::Contended { .. }
        | StorageError::Exists { .. }
        | StorageError::Ended { .. } => ExitStatus::Conflict,
        StorageError::Key(_)
        | StorageError::OutOfRange { .. }
        | StorageError::TooLarge { .. }
        | StorageError::Refused { .. }
        | StorageError::LetterAboutLetter => ExitStatus::Usage,
        _ => ExitStatus::Unavailable,
    }
}

/// The failure of a file that cannot be read.
pub(crate) fn cannot_read(name: impl Display, error: impl Display) -> Failure {
    unavailable(format_args!("cannot read {name}: {error}"))
}

/// The failure of a file that cannot be written.
pub(crate) fn cannot_write(name: impl Display, error: impl Display) -> Failure {
    unavailable(format_args!("cannot write {name}: {error}"))
}

/// A message, and below it the text that it is about.
pub(crate) fn showing(error: impl Display, text: &str) -> Failure {
    let told = format!("{}\n  {}", printable(error), printable(text));
    Failure(Kind::Told(told), ExitStatus::Usage)
}

/// A message with a mark below one of its characters: `at` is a byte of `text`.
pub(crate) fn pointing(error: impl Display, text: &str, at: usize) -> Failure {
    let head = text.get(..at).unwrap_or_default();
    // What is shown is longer than what was given where a character had to be escaped.
    let column = printable(head).to_string().chars().count();
    let (error, text) = (printable(error), printable(text));
    let told = format!("{error}\n  {text}\n  {}^", " ".repeat(column));
    Failure(Kind::Told(told), ExitStatus::Usage)
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
    fn the_table_of_exit_statuses_is_the_readme() {
        let readme = include_str!("../../../../README.md");
        assert!(readme.contains(&format!("Exit status: {}.", statuses_from(0))));
    }
}
