//! What the command line says of a check, and which of it was said at all.

use super::names::{OwnType, code, code_severity, ignored_in, lenient_code, own_type, severity};
use crate::limits::Reading;
use crate::security::Security;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};
use coordination_protocol::finding::{Code, FindingSeverity};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Settings of a check.
#[derive(Clone, clap::Args)]
pub(crate) struct Options {
    // First: the others take their values out of what was matched.
    #[command(flatten)]
    pub(crate) given: Given,

    #[command(flatten)]
    pub(crate) reading: Reading,

    #[command(flatten)]
    pub(crate) settings: Settings,

    #[command(flatten)]
    pub(crate) security: Security,
}

/// Which findings count, and how much.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// Look for these findings only; a record without a sound reading is told all the same.
    #[arg(long, value_name = "CODE,..", value_delimiter = ',', value_parser = code)]
    pub(crate) select: Vec<Code>,

    /// Leave these findings out.
    #[arg(long, value_name = "CODE,..", value_delimiter = ',', value_parser = lenient_code)]
    pub(crate) ignore: Vec<Code>,

    /// Leave findings out in files whose paths match a pattern as in `.gitignore`.
    #[arg(long, value_name = "PATTERN=CODE,..", value_parser = ignored_in)]
    pub(crate) ignore_in: Vec<(String, Vec<Code>)>,

    /// Give a finding another severity.
    #[arg(long, value_name = "CODE=LEVEL", value_parser = code_severity)]
    pub(crate) severity: Vec<(Code, FindingSeverity)>,

    /// The least severity of a finding that makes the exit status 1; `error` unless set otherwise.
    #[arg(long, value_name = "error|warning|note", value_parser = severity)]
    pub(crate) fail_on: Option<FindingSeverity>,

    /// Leave out files whose paths match a pattern as in `.gitignore`.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<String>,

    /// Know an event type of your own: its category, and what its data must have.
    #[arg(long = "type", value_name = "NAME:CATEGORY[:FIELD=TYPE,..]", value_parser = own_type)]
    pub(crate) types: Vec<(String, OwnType)>,

    /// Read this file of settings instead of the `coord.toml` nearest to each checked file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Read no file of settings.
    #[arg(long, conflicts_with = "config")]
    pub(crate) no_config: bool,
}

/// The options that stand on the command line, by their identifiers. What has a default looks the same
/// whether it was given or not, and only what was given is stronger than a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given(BTreeSet<String>);

impl Given {
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.contains(id)
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |id: &&str| {
            matches!(
                matches.value_source(id),
                Some(ValueSource::CommandLine | ValueSource::EnvVariable)
            )
        };
        let ids = matches.ids().map(clap::Id::as_str);
        Ok(Given(ids.filter(given).map(str::to_owned).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Given::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Given {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
