//! The command line: read, refused, explained.
//!
//! What is wrong with it is told with the words that were given, and these may hold what acts on a
//! terminal. So no error of clap is printed before all of its values were made printable.

use crate::Cli;
use crate::output::{
    Color, ExitStatus, Failure, draw, drawn_out, printable, report, statuses_from,
};
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _, ValueEnum as _};
use std::ffi::OsString;
use std::process::ExitCode;

/// The whole command, its environment variables as they count.
pub(crate) fn command() -> Command {
    with_statuses(unset_empty(Cli::command()))
}

/// Tells at the end of each help how every verb ends, behind what is particular to this one.
fn with_statuses(command: Command) -> Command {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let every = statuses_from(0);
    let help = if help.contains("\n\nExit status: ") {
        format!("{help}\nEvery verb: {every}.")
    } else {
        format!("{help}\n\nExit status: {every}.")
    };
    command.after_help(help).mut_subcommands(with_statuses)
}

/// A variable that is set to nothing counts as not set, in every verb.
fn unset_empty(command: Command) -> Command {
    command.mut_args(without_empty).mut_subcommands(unset_empty)
}

fn without_empty(arg: Arg) -> Arg {
    let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    if empty { arg.env(Resettable::Reset) } else { arg }
}

/// Reads the command line, or tells what is wrong with it and how the program ends.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    let words: Vec<OsString> = std::env::args_os().collect();
    // Help and errors are coloured as everything else, before the rest is known.
    if let Some(color) = color(&words) {
        color.set();
    }
    let parsed =
        command().try_get_matches_from(&words).and_then(|found| Cli::from_arg_matches(&found));
    parsed.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Whoever reads only the first lines has what he wanted.
            match drawn_out(&format!("{}\n", error.render().ansi().to_string().trim_end())) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    let failed = Failure::from(error);
                    report(&failed);
                    failed.status().into()
                }
                _ => ExitStatus::Done.into(),
            }
        }
        _ => {
            draw(&told(error));
            refused(&words)
        }
    })
}

/// How the program ends that cannot use its arguments. `coord run` leaves the usual codes to its command, and 2 would
/// mean to an agent that `coord hook` forbids what it asks for.
fn refused(words: &[OsString]) -> ExitCode {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if word == "--color" {
            words.next();
        } else if !word.to_string_lossy().starts_with('-') {
            #[cfg(target_os = "linux")]
            if word == "run" {
                return crate::run::ends::USAGE.into();
            }
            let is_verb =
                |word: &OsString| ["install", "uninstall", "guard"].iter().any(|v| word == v);
            if word == "hook" && !words.any(is_verb) {
                return ExitStatus::Done.into();
            }
            break;
        }
    }
    ExitStatus::Usage.into()
}

fn color(words: &[OsString]) -> Option<Color> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let at = words.iter().position(|word| word.starts_with("--color"))?;
    let value = match words[at].strip_prefix("--color=") {
        Some(value) => value,
        None => words.get(at + 1)?,
    };
    Color::from_str(value, false).ok()
}

/// The error as text with colours, each value that was given made printable.
fn told(mut error: clap::Error) -> String {
    let context: Vec<(ContextKind, ContextValue)> =
        error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in context {
        // The usage consists of our own words, over several lines.
        if kind != ContextKind::Usage {
            error.insert(kind, shown(value));
        }
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    // Here what our parsers say is part of the sentence, and not of the context.
    if let (ErrorKind::ValueValidation, Some(why)) =
        (error.kind(), std::error::Error::source(&error))
        && let (Some(arg), Some(value)) =
            (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue))
    {
        return format!(
            "error: invalid value '{value}' for '{arg}': {}\n\nFor more information, try '--help'.\n",
            printable(why)
        );
    }
    error.render().ansi().to_string()
}

fn shown(value: ContextValue) -> ContextValue {
    match value {
        ContextValue::String(text) => ContextValue::String(printable(text).to_string()),
        ContextValue::Strings(texts) => ContextValue::Strings(
            texts.into_iter().map(|text| printable(text).to_string()).collect(),
        ),
        // Plain, because escape sequences of ours and of a value cannot be told apart.
        ContextValue::StyledStr(text) => ContextValue::StyledStr(plain(&text.to_string())),
        ContextValue::StyledStrs(texts) => ContextValue::StyledStrs(
            texts.into_iter().map(|text| plain(&text.to_string())).collect(),
        ),
        other => other,
    }
}

fn plain(text: &str) -> clap::builder::StyledStr {
    printable(text).to_string().into()
}
