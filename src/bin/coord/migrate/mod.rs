//! `coord migrate`

mod journal;
mod replace;
mod store;
mod tally;

use crate::input::{self, is_stdin, open};
use crate::limits::{parse, protocol};
use crate::output::{CmdResult, ExitStatus, Format, Printer, cannot_read, complain, say, tell};
use crate::store_args::StoreArgs;
use coordination_protocol::event::Codec;
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Limits;
use coordination_protocol::scalar::ProtocolVersion;
use coordination_protocol::version::{Adapter, Migrator};
use std::io::Write;
use std::path::{Path, PathBuf};
use tally::Tally;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord migrate --from 1.1.0 --to 1.0.0 --dry-run events.log      what would be lost?
  coord migrate --from 1.0.0 --to 1.1.0 events.log                replaces the file
  coord migrate --from 1.0.0 --to 1.1.0 --adapter flat-envelope,event-names - < old > new
  coord migrate --from 1.1.0 --to 1.0.0 --store --dry-run         what would the store lose?

Records are event lines and JSON documents. The file is replaced at once, when all of it is done;
a run that was killed is taken up where it was by the same command. A record that cannot be
migrated leaves the file as it is. From standard input, such records are left out.
With --store, the states, registrations, grants, dead letters and events in the store are migrated
in one transaction: all of them, or none. Other values stay as they are. An event that is dropped
leaves an empty record, so that the others keep their positions.
Adapters: event-names, flat-envelope, error-reports.

Exit status: 0 if all records were migrated, 1 if some were not.")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Args {
    /// The file to migrate; `-` or none reads standard input and writes standard output.
    #[arg(value_name = "FILE|-")]
    path: Option<PathBuf>,

    /// Migrate the store instead of a file.
    #[arg(long, conflicts_with = "path")]
    store: bool,

    #[command(flatten)]
    place: StoreArgs,

    /// The protocol version of the records.
    #[arg(long, value_name = "VERSION", value_parser = protocol)]
    from: ProtocolVersion,

    /// The protocol version they should have.
    #[arg(long, value_name = "VERSION", value_parser = protocol)]
    to: ProtocolVersion,

    /// Dialects to read as well.
    #[arg(long, value_name = "NAME", value_parser = parse::<Adapter>, value_delimiter = ',')]
    adapter: Vec<Adapter>,

    /// Only tell what would happen.
    #[arg(long)]
    dry_run: bool,

    /// Drop the records that the version cannot express, instead of refusing them.
    #[arg(long)]
    allow_loss: bool,

    /// Tell every loss and change, not only how many there are.
    #[arg(long, short)]
    verbose: bool,

    /// The maximum number of bytes of one record.
    #[arg(long, default_value_t = Limits::DEFAULT.bytes, value_name = "N", help_heading = "Limits")]
    max_bytes: usize,

    /// After how many bytes of input to note how far the migration is.
    #[arg(long, default_value_t = 8 << 20, value_name = "N", help_heading = "Limits")]
    journal_every: u64,
}

fn migrator(args: &Args, limits: Limits) -> Migrator {
    args.adapter.iter().fold(
        Migrator::new().with_limits(limits).with_allow_loss(args.allow_loss),
        |migrator, adapter| migrator.with_adapter(*adapter),
    )
}

/// One migration: what is asked for, and what came of it so far.
struct Job<'a> {
    args: &'a Args,
    migrator: Migrator,
    codec: Codec,
    /// The name for messages.
    name: String,
    tally: Tally,
}

/// What becomes of a record.
enum Fate {
    Text(String),
    Dropped,
    Refused,
}

/// Refused records that are told one by one.
const TOLD: u64 = 20;

impl<'a> Job<'a> {
    fn new(args: &'a Args, name: String) -> Self {
        let limits = Limits::DEFAULT.with_bytes(args.max_bytes);
        Job {
            args,
            migrator: migrator(args, limits),
            codec: Codec::new(Mode::Interop).with_limits(limits),
            name,
            tally: Tally::default(),
        }
    }

    /// What must be equal for a run to take up another: all that the output depends on.
    fn command(&self) -> String {
        let Args { from, to, allow_loss, max_bytes, .. } = self.args;
        let mut adapters: Vec<&str> = self.args.adapter.iter().map(|one| one.as_str()).collect();
        adapters.sort_unstable();
        adapters.dedup();
        let program = env!("CARGO_PKG_VERSION");
        format!("{program} {from} {to} {} {allow_loss} {max_bytes}", adapters.join(","))
    }

    fn one(&mut self, bytes: &[u8], line: u64) -> Fate {
        self.tally.records += 1;
        let limit = self.migrator.limits().bytes;
        let result = match std::str::from_utf8(bytes) {
            _ if bytes.len() > limit => Err(format!("the record is longer than {limit} bytes")),
            Err(error) => Err(error.to_string()),
            Ok(text) => self
                .migrator
                .migrate(text, &self.args.from, &self.args.to)
                .map(|migrated| (text, migrated))
                .map_err(|error| error.to_string()),
        };
        let (text, migrated) = match result {
            Ok(done) => done,
            Err(message) => {
                self.tally.refused += 1;
                if self.tally.refused <= TOLD {
                    complain(format_args!("{}:{line}: {message}", self.name));
                }
                return Fate::Refused;
            }
        };
        for loss in &migrated.losses {
            self.tally.lose(loss, line);
        }
        if self.args.verbose {
            for loss in &migrated.losses {
                tell(format_args!("{}:{line}: {loss}", self.name));
            }
            for change in &migrated.changes {
                tell(format_args!("{}:{line}: {change}", self.name));
            }
        }
        let Some(value) = migrated.value else {
            self.tally.dropped += 1;
            return Fate::Dropped;
        };
        self.tally.changed += u64::from(value != text);
        Fate::Text(value)
    }

    fn status(&self) -> ExitStatus {
        ExitStatus::found(self.tally.refused > 0)
    }

    /// Tells how it went; refused records beyond those told one by one are counted.
    fn report(&self) -> Vec<String> {
        if let Some(more) = self.tally.refused.checked_sub(TOLD + 1) {
            let more = more + 1;
            complain(format_args!("{}: {more} more were not migrated", self.name));
        }
        let mut lines = self.tally.lines();
        lines[0].insert_str(0, &format!("{}: ", self.name));
        lines
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    if args.store {
        return store::run(args);
    }
    let path = args.path.as_deref().unwrap_or(Path::new("-"));
    if is_stdin(path) || args.dry_run {
        return stream(args, path);
    }
    replace::run(&mut Job::new(args, input::name(path)), path)
}

/// From the input to standard output, or nowhere.
fn stream(args: &Args, path: &Path) -> CmdResult {
    let input = open(path)?;
    let mut job = Job::new(args, input.source.name().to_owned());
    let mut out = Printer::new(Format::Records);
    let mut records = job.codec.records(input.reader);
    while let Some(raw) =
        records.next_record().map_err(|error| cannot_read(&input.source, error))?
    {
        if let Fate::Text(value) = job.one(raw.bytes, raw.line)
            && !args.dry_run
        {
            out.write_all(value.as_bytes())?;
            out.write_all(b"\n")?;
            out.settle()?;
        }
    }
    out.flush()?;
    if args.dry_run {
        job.report().iter().try_for_each(say)?;
    } else {
        job.report().iter().for_each(tell);
    }
    Ok(job.status())
}
