//! `coord sign`

use crate::input::{self, paths};
use crate::limits::Reading;
use crate::output::{
    CmdResult, ExitStatus, Failure, Printer, cannot_read, failure, is_on_a_terminal,
};
use crate::show;
use crate::source::{As, Checker, Item};
use coordination_protocol::finding::Verdict;
use coordination_protocol::security::signature::{Ed25519Signer, sign};
use coordination_protocol::validate::Validator;
use coordination_protocol::{Json, Limits};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord sign --id hub-2026 --seed hub.seed message.json
  coord convert --to json events.log | coord sign --id hub-2026 --seed hub.seed

One signed message a line, its bytes as they were signed: on a terminal, too, no mark in them is
escaped, and a message with control characters is not shown there. Nothing is written for a record that is invalid, or is an event line,
which has no room for a signature.

Exit status: 0 if all were signed, 1 if some were not.")]
pub(crate) struct Args {
    /// Messages to sign; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<PathBuf>,

    /// The name of the key.
    #[arg(long, value_name = "KEY")]
    id: String,

    /// The file with the secret seed: 32 bytes in hexadecimal digits or Base64. `-` is standard input,
    /// if messages come from files.
    #[arg(long, value_name = "FILE|-")]
    seed: PathBuf,

    #[command(flatten)]
    reading: Reading,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    if input::is_stdin(&args.seed) && paths(&args.paths).into_iter().any(input::is_stdin) {
        return Err(failure(
            "--seed -: standard input has the messages; name a file for one of both",
        ));
    }
    let signer = signer(&args.id, &args.seed)?;
    let validator = Validator::from(args.reading.codec());
    let checker = Checker::new(&validator, &args.reading, As::Auto);
    let mut out = Printer::unchanged();
    let mut failed = false;
    let all = checker.paths(&args.paths, &mut |source, item| {
        let source = source.name();
        if item.outcome.report.verdict() > Verdict::Valid {
            out.draw(&show::record(source, &item, false))?;
        }
        match signed(&item, &signer, validator.codec().limits()) {
            Ok(text) if is_on_a_terminal() && text.contains(char::is_control) => {
                failed = true;
                out.complain(format_args!(
                    "{source}:{}: it has control characters, which a terminal would obey; \
                     send the output to a file",
                    item.position(0).0
                ))?;
            }
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
    out.finish(ExitStatus::found(failed).or(all))
}

/// The signer of a seed in a file, which is read into one buffer that is wiped and never moved.
pub(crate) fn signer(id: &str, seed: &Path) -> Result<Ed25519Signer, Failure> {
    // The spelling of a seed is far shorter.
    const MOST: usize = 1024;
    let name = input::name(seed);
    let opened = if input::is_stdin(seed) { unbuffered_stdin() } else { File::open(seed) };
    let mut file = opened.map_err(|error| cannot_read(&name, error))?;
    let mut text = Zeroizing::new([0; MOST]);
    let mut length = 0;
    while length < MOST {
        match file.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot_read(&name, error)),
        }
    }
    // What is no text is none of the two spellings, which the error says.
    let text = std::str::from_utf8(&text[..length]).unwrap_or_default();
    Ed25519Signer::from_seed_text(id, text)
        .map_err(|error| failure(format_args!("{name}: {error}")))
}

/// Standard input without the buffer of the standard library, in which a secret would stay.
fn unbuffered_stdin() -> io::Result<File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned();
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned();
    owned.map(File::from)
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
