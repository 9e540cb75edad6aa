//! `coord verify`

use crate::clock::At;
use crate::limits::Reading;
use crate::output::{CmdResult, ExitStatus, Format, Printer};
use crate::security::key_ring;
use crate::show;
use crate::source::{As, Checker};
use coordination_protocol::validate::{SecurityPolicy, Validator};
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  coord verify --keys keys.json messages.jsonl

Exit status: 0 if every message is signed by its source with a valid key, 1 if one is not.")]
pub(crate) struct Args {
    /// Messages to verify; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<PathBuf>,

    /// The public keys.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,

    #[command(flatten)]
    at: At,

    #[command(flatten)]
    reading: Reading,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let policy = SecurityPolicy::new().with_verifier(key_ring(&args.keys)?);
    let validator = Validator::from(args.reading.codec()).with_policy(policy);
    let mut checker = Checker::new(&validator, &args.reading, As::Auto);
    checker.now = Some(args.at.time());
    let mut out = Printer::new(Format::Human);
    let (mut good, mut bad) = (0_u64, 0_u64);
    let all = checker.paths(&args.paths, &mut |source, item| {
        if item.outcome.is_accepted() && item.outcome.security.signature {
            good += 1;
        } else {
            bad += 1;
            out.draw(&show::record(source.name(), &item, false))?;
        }
        Ok(())
    })?;
    out.note(format_args!("{good} signed by their source, {bad} not"))?;
    out.finish(ExitStatus::found(bad > 0).or(all))
}
