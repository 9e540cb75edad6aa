//! `coord help`

use crate::output::{CmdResult, ExitStatus, drawn_out, failure};
use crate::usage;
use coordination_protocol::scalar::nearest;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord help
  coord help check
  coord help state merge

It shows what `--help` shows. What a finding, a field or a word means tells `coord explain`.

Exit status: 0 if it was shown.")]
pub(crate) struct Args {
    /// The verb, and the verb below it; the program if left out.
    verb: Vec<String>,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let mut whole = usage::command();
    whole.build();
    let mut command = &mut whole;
    for (depth, name) in args.verb.iter().enumerate() {
        let names: Vec<String> =
            command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        command = command.find_subcommand_mut(name).ok_or_else(|| {
            let above =
                args.verb[..depth].iter().flat_map(|verb| [verb.as_str(), " "]).collect::<String>();
            match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => failure(format_args!(
                    "there is no verb `{above}{name}`; did you mean `{above}{near}`?"
                )),
                None => failure(format_args!("there is no verb `{above}{name}`; see `coord help`")),
            }
        })?;
    }
    let text = command.render_long_help().ansi().to_string();
    drawn_out(&format!("{}\n", text.trim_end()))?;
    Ok(ExitStatus::Done)
}
