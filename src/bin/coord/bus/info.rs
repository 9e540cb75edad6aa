//! `coord bus info`

use super::{BusArgs, block_on};
use crate::output::{CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer};
use coordination_protocol::bus::{Bus, MemberStatus, Position, ReaderStatus};
use coordination_protocol::scalar::Timestamp;
use coordination_protocol::storage::Journal as _;
use serde::Serialize;
use std::io;
use std::path::Path;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord bus info --bus sqlite:coord.sqlite
  coord bus info --format json

The lag of a subscription is the number of messages behind its position; how many of them it selects is
not known before it reads them.

Exit status: 0 if it was shown.")]
pub(super) struct Args {
    #[command(flatten)]
    place: BusArgs,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "A table for people"), (Format::Json, "One JSON object")];

/// What there is on a bus.
#[derive(Serialize)]
struct Info {
    file: String,
    first: String,
    next: String,
    records: u64,
    decisions: Decisions,
    bytes: u64,
    log_bytes: u64,
    subscriptions: Vec<Reader>,
    addresses: Vec<Reader>,
    members: Vec<Member>,
}

/// The log of decisions.
#[derive(Serialize)]
struct Decisions {
    first: u64,
    next: u64,
    records: u64,
}

#[derive(Serialize)]
struct Reader {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    position: String,
    lag: u64,
    in_flight: usize,
    served: bool,
    moved: Timestamp,
}

#[derive(Serialize)]
struct Member {
    name: String,
    process: String,
    inboxes: usize,
}

impl From<ReaderStatus> for Reader {
    fn from(status: ReaderStatus) -> Self {
        Reader {
            name: status.name,
            pattern: status.pattern,
            position: status.position.to_string(),
            lag: status.lag,
            in_flight: status.in_flight,
            served: status.served,
            moved: Timestamp::from(status.moved),
        }
    }
}

impl From<MemberStatus> for Member {
    fn from(status: MemberStatus) -> Self {
        let MemberStatus { name, process, inboxes, .. } = status;
        Member { name, process, inboxes }
    }
}

impl Print for Info {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        out.line(format_args!("file       {}", self.file))?;
        out.line(format_args!(
            "positions  {} to {}, {} records",
            self.first, self.next, self.records
        ))?;
        let Decisions { first, next, records } = self.decisions;
        out.line(format_args!("decisions  {first} to {next}, {records} records"))?;
        out.line(format_args!("bytes      {}, and {} in its log", self.bytes, self.log_bytes))?;
        for reader in &self.subscriptions {
            let Reader { name, position, lag, in_flight, .. } = reader;
            let pattern = reader.pattern.as_deref().unwrap_or_default();
            out.line(format_args!(
                "subscription {name}  {pattern}  at {position}, lag {lag}, {in_flight} in flight"
            ))?;
        }
        for reader in &self.addresses {
            let served = if reader.served { "served" } else { "no listener" };
            out.line(format_args!("address {}  at {}, {served}", reader.name, reader.position))?;
        }
        for member in &self.members {
            let Member { name, process, inboxes } = member;
            out.line(format_args!("member {name}  {inboxes} inboxes  {process}"))?;
        }
        Ok(())
    }
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.file()?;
    let bus = args.place.open_existing()?;
    let info = block_on(look(&bus, &file))??;
    let mut out = Printer::new(args.format);
    out.document(&info)?;
    out.finish(ExitStatus::Done)
}

async fn look(bus: &Bus, file: &Path) -> Result<Info, Failure> {
    let bounds = bus.history().bounds().await?;
    let decided = bus.decisions().bounds().await?;
    let bytes = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(name).map_or(0, |meta| meta.len())
    };
    Ok(Info {
        file: file.display().to_string(),
        first: Position::new(bounds.first).to_string(),
        next: Position::new(bounds.next).to_string(),
        records: bounds.len(),
        decisions: Decisions { first: decided.first, next: decided.next, records: decided.len() },
        bytes: bytes(""),
        log_bytes: bytes("-wal"),
        subscriptions: bus.subscriptions().await?.into_iter().map(Reader::from).collect(),
        addresses: bus.addresses().await?.into_iter().map(Reader::from).collect(),
        members: bus.members().await?.into_iter().map(Member::from).collect(),
    })
}
