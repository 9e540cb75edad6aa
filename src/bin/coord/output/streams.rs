//! Standard output and standard error: the only place of the program that writes to them.
//!
//! Where lines are for people, each is made [`printable`](super::text::printable). Colours are written
//! only where they are wanted and shown.

use super::failure::Failure;
use super::text::{Json, drawn, printable};
use clap::ValueEnum;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::sync::OnceLock;

/// When to colour the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal; `NO_COLOR` and `CLICOLOR_FORCE` decide otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What was asked for, once for the whole run.
static WANTED: OnceLock<Color> = OnceLock::new();

impl Color {
    /// Makes it the choice of the run. The first one counts.
    pub(crate) fn set(self) {
        let _ = WANTED.set(self);
    }

    /// Whether a stream gets colours. A variable that is set to nothing counts as not set.
    fn of(self, is_terminal: bool, var: impl Fn(&str) -> Option<String>) -> bool {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if var("NO_COLOR").is_some() => false,
            Color::Auto if var("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
            Color::Auto if var("CLICOLOR").is_some_and(|value| value == "0") => false,
            Color::Auto => is_terminal && var("TERM").is_none_or(|value| value != "dumb"),
        }
    }

    fn now(is_terminal: bool) -> bool {
        let wanted = WANTED.get().copied().unwrap_or_default();
        wanted.of(is_terminal, |name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }
}

/// Lines for people.
pub(crate) struct Lines<'a> {
    out: &'a mut dyn Write,
    colour: bool,
}

impl Lines<'_> {
    /// One line, whatever stands in what is shown: line breaks are shown as escapes, too.
    pub(crate) fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.out, "{}", printable(line))
    }

    /// A JSON text, its values as spelled, but for what would act on a terminal.
    pub(crate) fn json(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", Json::text(text))
    }

    /// What was laid out over several lines and coloured by this program, every value in it made
    /// printable before.
    pub(crate) fn drawn(&mut self, text: &str) -> io::Result<()> {
        let text = drawn(text);
        if self.colour {
            return self.out.write_all(text.as_bytes());
        }
        write!(self.out, "{}", anstream::adapter::strip_str(&text))
    }
}

/// Standard output.
pub(crate) struct Stdout {
    out: Box<dyn Write>,
    channel: Channel,
    colour: bool,
    /// Whether somebody may wait for each line: on a terminal, and behind a pipe. A file is read when
    /// it is complete.
    live: bool,
}

/// What becomes of the bytes that are written to standard output.
pub(super) enum Channel {
    /// They go through.
    Unchanged,
    /// They are JSON texts, which must not act on a terminal.
    Harmless(Json),
    /// They are lines for people, laid out and coloured by this program; the last one may be incomplete.
    Drawn(Vec<u8>),
}

const BUFFER: usize = 64 << 10;

impl Stdout {
    /// Records go through, but on a terminal.
    pub(super) fn records() -> Self {
        let terminal = io::stdout().is_terminal();
        let harmless = || Channel::Harmless(Json::default());
        Stdout::new(if terminal { harmless() } else { Channel::Unchanged })
    }

    /// JSON that is ours to spell: in a log it is as harmless as on a terminal.
    pub(super) fn json() -> Self {
        Stdout::new(Channel::Harmless(Json::default()))
    }

    /// Lines for people.
    pub(super) fn people() -> Self {
        Stdout::new(Channel::Drawn(Vec::new()))
    }

    /// Records whose bytes are what the verb makes, on a terminal too.
    pub(super) fn unchanged() -> Self {
        Stdout::new(Channel::Unchanged)
    }

    fn new(channel: Channel) -> Self {
        let out = io::stdout();
        Stdout {
            channel,
            colour: Color::now(out.is_terminal()),
            live: !is_file(),
            out: Box::new(BufWriter::with_capacity(BUFFER, out)),
        }
    }

    #[cfg(test)]
    pub(super) fn of(out: Box<dyn Write>, mut of: Stdout) -> Self {
        of.out = out;
        of
    }

    pub(super) fn lines(&mut self) -> Lines<'_> {
        Lines { out: &mut self.out, colour: self.colour }
    }

    /// A record is complete: whoever waits for it gets it now.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        match &mut self.channel {
            Channel::Unchanged => {}
            Channel::Harmless(json) => self.out.write_all(json.end().as_bytes())?,
            Channel::Drawn(begun) => {
                let begun = std::mem::take(begun);
                self.lines().drawn(&String::from_utf8_lossy(&begun))?;
            }
        }
        if self.live { self.out.flush() } else { Ok(()) }
    }
}

/// Data, and what was drawn. Whole lines come at once where somebody may wait for them.
impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let last = memchr::memrchr(b'\n', bytes);
        match &mut self.channel {
            Channel::Unchanged => self.out.write_all(bytes)?,
            Channel::Harmless(json) => self.out.write_all(&json.part(bytes))?,
            Channel::Drawn(begun) => {
                begun.extend_from_slice(&bytes[..last.map_or(bytes.len(), |at| at + 1)]);
                if let Some(last) = last {
                    let whole = std::mem::replace(begun, bytes[last + 1..].to_vec());
                    self.lines().drawn(&String::from_utf8_lossy(&whole))?;
                }
            }
        }
        if self.live && last.is_some() {
            self.out.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether standard output is a regular file.
fn is_file() -> bool {
    #[cfg(unix)]
    let file = {
        use std::os::fd::AsFd as _;
        io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from)
    };
    #[cfg(windows)]
    let file = {
        use std::os::windows::io::AsHandle as _;
        io::stdout().as_handle().try_clone_to_owned().map(std::fs::File::from)
    };
    #[cfg(not(any(unix, windows)))]
    let file = Err::<std::fs::File, _>(io::Error::from(io::ErrorKind::Unsupported));
    file.and_then(|file| file.metadata()).is_ok_and(|meta| meta.is_file())
}

/// Lines on standard error. Where it is closed, the exit status still tells, so an error is none.
fn errors(write: impl FnOnce(&mut Lines<'_>) -> io::Result<()>) {
    let mut out = io::stderr().lock();
    let colour = Color::now(out.is_terminal());
    let _ = write(&mut Lines { out: &mut out, colour });
}

/// Reports a problem on standard error, with the name of the program.
pub(crate) fn complain(problem: impl Display) {
    errors(|out| out.line(format_args!("coord: {problem}")));
}

/// Reports a failure on standard error, with what it shows below it.
pub(crate) fn report(failed: &Failure) {
    errors(|out| out.drawn(&format!("coord: {failed}\n")));
}

/// Tells something on standard error.
pub(crate) fn tell(line: impl Display) {
    errors(|out| out.line(line));
}

/// Draws on standard error what was laid out over several lines.
pub(crate) fn draw(text: &str) {
    errors(|out| out.drawn(text));
}

/// What was laid out over several lines, on standard output.
pub(crate) fn drawn_out(text: &str) -> io::Result<()> {
    let mut out = Stdout::people();
    out.lines().drawn(text)?;
    out.flush()
}

/// A line on standard output, of a verb that has little to say.
pub(crate) fn say(line: impl Display) -> io::Result<()> {
    let mut out = Stdout::people();
    out.lines().line(line)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_option_then_the_variables_then_the_terminal() {
        let of = |wanted: Color, terminal: bool, vars: &[(&str, &str)]| {
            wanted.of(terminal, |name| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(of(Color::Always, false, &[("NO_COLOR", "1")]));
        assert!(!of(Color::Never, true, &[("CLICOLOR_FORCE", "1")]));
        for (vars, on_terminal, elsewhere) in [
            (&[][..], true, false),
            (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false, false),
            (&[("NO_COLOR", "")], true, false),
            (&[("CLICOLOR_FORCE", "1")], true, true),
            (&[("CLICOLOR_FORCE", "0")], true, false),
            (&[("CLICOLOR_FORCE", "")], true, false),
            (&[("CLICOLOR", "0")], false, false),
            (&[("CLICOLOR", "")], true, false),
            (&[("TERM", "dumb")], false, false),
            (&[("TERM", "xterm")], true, false),
        ] {
            let seen = (of(Color::Auto, true, vars), of(Color::Auto, false, vars));
            assert_eq!(seen, (on_terminal, elsewhere), "{vars:?}");
        }
    }
}
