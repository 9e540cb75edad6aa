//! `coord keygen`, `coord sign`, `coord verify`

use crate::input::paths;
use crate::security::{key_ring, moment};
use crate::source::{As, Checker, Item};
use crate::{Failure, Outcome, Reading, Result2, show};
use coordination_protocol::finding::Verdict;
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::security::signature::{
    Ed25519Signer, KeyRing, PublicKey, sign as sign_text,
};
use coordination_protocol::validate::{SecurityPolicy, Validator};
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  coord keygen --id hub-2026 --owner coordination-hub --seed hub.seed > keys.json
  coord sign --id hub-2026 --seed hub.seed message.json | coord verify --keys keys.json

The seed file is the secret; it is readable by its owner only and is never overwritten. Standard
output is a key file for readers; join the lists of several by hand.

Exit status: 0 if the key was made, 2 if not.")]
pub(crate) struct Keygen {
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

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord sign --id hub-2026 --seed hub.seed message.json
  coord convert --to json events.log | coord sign --id hub-2026 --seed hub.seed

One signed message a line. Nothing is written for a record that is invalid, or is an event line,
which has no room for a signature.

Exit status: 0 if all were signed, 1 if some were not, 2 for usage and I/O errors.")]
pub(crate) struct Sign {
    /// Messages to sign; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<String>,

    /// The name of the key.
    #[arg(long, value_name = "KEY")]
    id: String,

    /// The file with the secret seed: 32 bytes in hexadecimal digits or Base64.
    #[arg(long, value_name = "FILE")]
    seed: String,

    #[command(flatten)]
    reading: Reading,
}

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  coord verify --keys keys.json messages.jsonl

Exit status: 0 if every message is signed by its source with a valid key, 1 if one is not,
2 for usage and I/O errors.")]
pub(crate) struct Verify {
    /// Messages to verify; `-` or none reads standard input.
    #[arg(value_name = "PATH|-")]
    paths: Vec<String>,

    /// The public keys.
    #[arg(long, value_name = "FILE")]
    keys: String,

    /// The time at which keys must be valid: RFC 3339, or `now`.
    #[arg(long, default_value = "now", value_name = "TIME")]
    at: String,

    #[command(flatten)]
    reading: Reading,
}

pub(crate) fn keygen(args: &Keygen) -> Result2 {
    let owner = ComponentId::new(&args.owner)
        .map_err(|error| Failure(format!("--owner {}: {error}", args.owner)))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure(format!("no random bytes: {error}")))?;
    let signer = Ed25519Signer::from_seed(&args.id, &seed)
        .map_err(|error| Failure(format!("--id: {error}")))?;
    let key = PublicKey::ed25519(&args.id, signer.public_key(), owner)
        .map_err(|error| Failure(format!("--id: {error}")))?;
    let ring = KeyRing::new().with_key(key).map_err(|error| Failure(error.to_string()))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let cannot = |error: io::Error| Failure(format!("cannot write {}: {error}", args.seed));
    let mut file = options.open(&args.seed).map_err(cannot)?;
    for byte in seed {
        write!(file, "{byte:02x}").map_err(cannot)?;
    }
    writeln!(file).map_err(cannot)?;
    writeln!(io::stdout(), "{}", ring.to_json())?;
    Ok(Outcome::Fine)
}

pub(crate) fn sign(args: &Sign) -> Result2 {
    let text = std::fs::read_to_string(&args.seed)
        .map_err(|error| Failure(format!("cannot read {}: {error}", args.seed)))?;
    let signer = Ed25519Signer::from_seed_text(&args.id, text.trim())
        .map_err(|error| Failure(format!("{}: {error}", args.seed)))?;
    let validator = Validator::from(args.reading.codec());
    let checker = Checker::new(&validator, &args.reading, As::Auto);
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout());
    let mut failed = false;
    for path in paths(&args.paths) {
        checker.path(path, &mut |source, item| {
            if item.outcome.report.verdict() > Verdict::Valid {
                out.flush()?;
                anstream::stderr().write_all(show::record(source, &item, false).as_bytes())?;
            }
            match signed(&item, &signer, validator.codec().limits()) {
                Ok(text) => writeln!(out, "{text}")?,
                Err(problem) => {
                    failed = true;
                    out.flush()?;
                    let line = item.position(0).0;
                    writeln!(anstream::stderr(), "coord: {source}:{line}: {problem}")?;
                }
            }
            Ok(())
        })?;
    }
    out.flush()?;
    Ok(if failed { Outcome::Found } else { Outcome::Fine })
}

/// The signed form of a message, on one line, its values as spelled.
fn signed(
    item: &Item<'_>,
    signer: &Ed25519Signer,
    limits: &coordination_protocol::Limits,
) -> Result<String, String> {
    if !item.outcome.is_accepted() {
        return Err("not signed: the message is invalid".to_owned());
    }
    let Some(message) = &item.outcome.message else {
        return Err("not signed: an event line has no room for a signature".to_owned());
    };
    let compact: coordination_protocol::Json =
        message.root().raw().parse().map_err(|error| format!("not signed: {error}"))?;
    sign_text(compact.as_str(), signer, limits).map_err(|error| format!("not signed: {error}"))
}

pub(crate) fn verify(args: &Verify) -> Result2 {
    let policy = SecurityPolicy::new().with_verifier(key_ring(&args.keys)?);
    let validator = Validator::from(args.reading.codec()).with_policy(policy);
    let mut checker = Checker::new(&validator, &args.reading, As::Auto);
    checker.now = Some(moment(&args.at)?);
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout());
    let (mut good, mut bad) = (0_u64, 0_u64);
    for path in paths(&args.paths) {
        checker.path(path, &mut |source, item| {
            if item.outcome.is_accepted() && item.outcome.security.signature {
                good += 1;
            } else {
                bad += 1;
                out.flush()?;
                anstream::stderr().write_all(show::record(source, &item, false).as_bytes())?;
            }
            Ok(())
        })?;
    }
    writeln!(out, "{good} signed by their source, {bad} not")?;
    out.flush()?;
    Ok(if bad > 0 { Outcome::Found } else { Outcome::Fine })
}
