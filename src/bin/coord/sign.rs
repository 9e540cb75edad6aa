//! `coord sign`

use crate::input::paths;
use crate::limits::Reading;
use crate::output::{CmdResult, ExitStatus, Printer, cannot_read, failure};
use crate::show;
use crate::source::{As, Checker, Item};
use coordination_protocol::finding::Verdict;
use coordination_protocol::security::signature::{Ed25519Signer, sign};
use coordination_protocol::validate::Validator;
use coordination_protocol::{Json, Limits};
use std::io::Write as _;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord sign --id hub-2026 --seed hub.seed message.json
  coord convert --to json events.log | coord sign --id hub-2026 --seed hub.seed

One signed message a line. Nothing is written for a record that is invalid, or is an event line,
which has no room for a signature.

Exit status: 0 if all were signed, 1 if some were not, 2 for usage and I/O errors.")]
pub(crate) struct Args {
    /// Messages to sign; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<PathBuf>,

    /// The name of the key.
    #[arg(long, value_name = "KEY")]
    id: String,

    /// The file with the secret seed: 32 bytes in hexadecimal digits or Base64.
    #[arg(long, value_name = "FILE")]
    seed: String,

    #[command(flatten)]
    reading: Reading,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let text =
        std::fs::read_to_string(&args.seed).map_err(|error| cannot_read(&args.seed, error))?;
    let signer = Ed25519Signer::from_seed_text(&args.id, text.trim())
        .map_err(|error| failure(format_args!("{}: {error}", args.seed)))?;
    let validator = Validator::from(args.reading.codec());
    let checker = Checker::new(&validator, &args.reading, As::Auto);
    let mut out = Printer::unchanged();
    let mut failed = false;
    for path in paths(&args.paths) {
        checker.path(path, &mut |source, item| {
            let source = source.name();
            if item.outcome.report.verdict() > Verdict::Valid {
                out.draw(&show::record(source, &item, false))?;
            }
            match signed(&item, &signer, validator.codec().limits()) {
                Ok(text) => {
                    writeln!(out, "{text}")?;
                    out.settle()?;
                }
                Err(problem) => {
                    failed = true;
                    let line = item.position(0).0;
                    out.complain(format_args!("{source}:{line}: {problem}"))?;
                }
            }
            Ok(())
        })?;
    }
    out.finish(ExitStatus::found(failed))
}

/// The signed form of a message, on one line, its values as spelled.
fn signed(item: &Item<'_>, signer: &Ed25519Signer, limits: &Limits) -> Result<String, String> {
    if !item.outcome.is_accepted() {
        return Err("not signed: the message is invalid".to_owned());
    }
    let Some(message) = &item.outcome.message else {
        return Err("not signed: an event line has no room for a signature".to_owned());
    };
    let compact: Json =
        message.root().raw().parse().map_err(|error| format!("not signed: {error}"))?;
    sign(compact.as_str(), signer, limits).map_err(|error| format!("not signed: {error}"))
}
