//! `coord keygen`

use crate::output::{CmdResult, ExitStatus, Format, Printer, cannot_write, failure};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::security::signature::{Ed25519Signer, KeyRing, PublicKey};
use std::fs::OpenOptions;
use std::io::{self, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  coord keygen --id hub-2026 --owner coordination-hub --seed hub.seed > keys.json
  coord sign --id hub-2026 --seed hub.seed message.json | coord verify --keys keys.json

The seed file is the secret; it is readable by its owner only and is never overwritten. Standard
output is a key file for readers; join the lists of several by hand.

Exit status: 0 if the key was made, 2 if not.")]
pub(crate) struct Args {
    /// The name of the key.
    #[arg(long, value_name = "KEY")]
    id: String,

    /// The component that it belongs to.
    #[arg(long, value_name = "COMPONENT")]
    owner: String,

    /// The file to write the secret seed to.
    #[arg(long, value_name = "FILE")]
    seed: String,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let owner = ComponentId::new(&args.owner)
        .map_err(|error| failure(format_args!("--owner {}: {error}", args.owner)))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| failure(format_args!("no random bytes: {error}")))?;
    let signer = Ed25519Signer::from_seed(&args.id, &seed)
        .map_err(|error| failure(format_args!("--id: {error}")))?;
    let key = PublicKey::ed25519(&args.id, signer.public_key(), owner)
        .map_err(|error| failure(format_args!("--id: {error}")))?;
    let ring = KeyRing::new().with_key(key).map_err(failure)?;
    // A secret that is there is never overwritten, and no other user may read the new one.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let cannot = |error: io::Error| cannot_write(&args.seed, error);
    let mut file = options.open(&args.seed).map_err(cannot)?;
    for byte in seed {
        write!(file, "{byte:02x}").map_err(cannot)?;
    }
    writeln!(file).map_err(cannot)?;
    let mut out = Printer::new(Format::Records);
    writeln!(out, "{}", ring.to_json())?;
    out.finish(ExitStatus::Fine)
}
