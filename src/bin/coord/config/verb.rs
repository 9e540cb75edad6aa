//! `coord config`

use super::in_force::{Origin, Setting};
use super::options::Options;
use super::sources::Sources;
use crate::output::{CmdResult, ExitStatus, Format, Lines, Print, Printer, draw, failure};
use serde::Serialize;
use serde_json::Value;
use std::io;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord config
  coord config docs/commands --format json
  coord config --severity missing-data=error --no-config

Settings come from options, which are the strongest, from the coord.toml nearest to a checked file, no
higher than the root of its repository (its nearest folder with a .git), and by default. Outside of a
repository, no file above the working folder is read. A key of the file is named like its option:

  protocol = \"1.0.0\"
  mode = \"strict\"
  fail-on = \"warning\"
  select = [\"missing-data\", \"broken-json\"]
  ignore = [\"unknown-field\"]
  exclude = [\"vendor/\", \"*.log\"]
  max-bytes = 200000
  permissions = \"registrations.json\"
  keys = \"keys.json\"

  [severity]
  unknown-event-type = \"error\"

  [ignore-in]
  \"docs/examples/**\" = [\"missing-data\"]

  [types.BUILD_DONE]
  category = \"build\"
  required = { target = \"text\", duration = \"span\" }

Exit status: 0 if the settings were shown.")]
pub(crate) struct Args {
    /// The file or folder that would be checked; the working folder if left out.
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,

    #[command(flatten)]
    options: Options,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "A line a value"), (Format::Json, "A JSON object a value")];

/// A setting as it is printed.
#[derive(Serialize)]
#[serde(transparent)]
struct Row<'a>(&'a Setting);

impl Print for Row<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let Setting { setting, value, from } = self.0;
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match from {
            Origin::Default => out.line(format_args!("{setting} = {value} (default)")),
            Origin::Option => out.line(format_args!("{setting} = {value} (option)")),
            Origin::File { path, line } => {
                out.line(format_args!("{setting} = {value} ({path}:{line})"))
            }
        }
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let sources = Sources::new(&args.options);
    let in_force = match sources.of(&args.path).0 {
        Ok(in_force) => in_force,
        Err(error) => {
            let failed = failure(&error);
            if error.drawn.is_empty() {
                return Err(failed);
            }
            crate::output::report(&failed);
            draw(&error.drawn);
            return Ok(failed.status());
        }
    };
    let mut out = Printer::new(args.format);
    for row in &in_force.rows {
        out.row(&Row(row))?;
    }
    out.finish(ExitStatus::Done)
}
