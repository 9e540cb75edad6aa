//! `coord keygen`

use crate::output::{CmdResult, ExitStatus, Failure, Format, Printer, cannot_write, failure};
use crate::replace_file::{Readers, create};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::security::signature::{Ed25519Signer, KeyRing, PublicKey};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use zeroize::Zeroizing;

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  coord keygen --id hub-2026 --owner coordination-hub --seed hub.seed > keys.json
  coord sign --id hub-2026 --seed hub.seed message.json | coord verify --keys keys.json

The seed file is the secret: only its owner may read it, and it is never overwritten. Standard
output is a key file for readers; join the lists of several by hand. If either cannot be written,
neither is kept.

Exit status: 0 if the key was made.")]
pub(crate) struct Args {
    /// The name of the key.
    #[arg(long, value_name = "KEY")]
    id: String,

    /// The component that it belongs to.
    #[arg(long, value_name = "COMPONENT")]
    owner: String,

    /// The file to write the secret seed to. It must not be there.
    #[arg(long, value_name = "FILE")]
    seed: PathBuf,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let owner = ComponentId::new(&args.owner)
        .map_err(|error| failure(format_args!("--owner {}: {error}", args.owner)))?;
    if args.seed.as_os_str() == "-" {
        let why = "standard output has the public key; name a file for the secret seed";
        return Err(failure(format_args!("--seed -: {why}")));
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)
        .map_err(|error| failure(format_args!("no random bytes: {error}")))?;
    let signer = Ed25519Signer::from_seed(&args.id, &seed)
        .map_err(|error| failure(format_args!("--id: {error}")))?;
    let key = PublicKey::ed25519(&args.id, signer.public_key(), owner)
        .map_err(|error| failure(format_args!("--id: {error}")))?;
    let ring = KeyRing::new().with_key(key).map_err(failure)?;
    let text = digits(&seed);
    create(&args.seed, Readers::Owner, |file| file.write_all(&*text)).map_err(
        |error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                cannot_write(args.seed.display(), "it is there already; name a new file")
            }
            _ => cannot_write(args.seed.display(), error),
        },
    )?;
    print(&ring).map_err(|failed| {
        // Without the public key the seed is of no use, and the name of its file would be taken.
        let _ = fs::remove_file(&args.seed);
        failure(format_args!("the public key cannot be written, so no key was made: {failed}"))
    })?;
    Ok(ExitStatus::Done)
}

fn print(ring: &KeyRing) -> Result<(), Failure> {
    let mut out = Printer::new(Format::Json);
    writeln!(out, "{}", ring.to_json().trim_end())?;
    out.finish(ExitStatus::Done).map(drop)
}

/// The seed in hexadecimal digits, in one buffer that is never moved, so that wiping it leaves no copy.
fn digits(seed: &[u8; 32]) -> Zeroizing<[u8; 65]> {
    let mut text = Zeroizing::new([b'\n'; 65]);
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
    for (pair, byte) in text.chunks_exact_mut(2).zip(seed) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}
