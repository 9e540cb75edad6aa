//! `coord store export`

use super::line::Chain;
use super::progress::bar;
use crate::output::{CmdResult, ExitStatus, Format, Printer, cannot_write, failure, say};
use crate::store_args::StoreArgs;
use coordination_protocol::adapter::sqlite::StoreItem;
use indicatif::ProgressBar;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store export > store.jsonl
  coord store export store.jsonl
  coord store export | grep '\"record\"' | tail -5

The export is of one moment: values, records and cursors, one a line. Each line has a checksum, so
`coord store import` tells where an export is damaged or cut.

Exit status: 0 if all was written, 2 if not.")]
pub(super) struct Args {
    /// The file to write, which must not be there; `-` or none is standard output.
    #[arg(value_name = "FILE|-")]
    to: Option<String>,

    #[command(flatten)]
    place: StoreArgs,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.open_existing("store export")?;
    let to = args.to.as_deref().filter(|to| *to != "-");
    let out: Box<dyn Write> = match to {
        None => Box::new(Printer::new(Format::Records)),
        Some(to) => {
            let new = OpenOptions::new().write(true).create_new(true).open(to);
            Box::new(new.map_err(|error| cannot_write(to, error))?)
        }
    };
    let mut out = BufWriter::with_capacity(256 << 10, out);
    let mut chain = Chain::new();
    let mut progress = ProgressBar::hidden();
    file.dump(|item| {
        if let StoreItem::Contents(contents) = &item {
            progress = bar(contents.items());
        }
        out.write_all(chain.item(item).map_err(failure)?.as_bytes())?;
        progress.inc(1);
        Ok::<(), crate::output::Failure>(())
    })?;
    out.write_all(chain.end().map_err(failure)?.as_bytes())?;
    out.flush()?;
    progress.finish_and_clear();
    if let Some(to) = to {
        say(format_args!("{to}: {} lines", chain.lines))?;
    }
    Ok(ExitStatus::Fine)
}
