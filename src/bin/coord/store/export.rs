//! `coord store export`

use super::line::Chain;
use super::progress::bar;
use crate::input;
use crate::output::{
    CmdResult, ExitStatus, Failure, Format, Printer, cannot_write, complain, failure, say,
};
use crate::replace_file::{Readers, create};
use crate::store_args::StoreArgs;
use coordination_protocol::adapter::sqlite::{Sqlite, StoreItem};
use indicatif::ProgressBar;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord store export > store.jsonl
  coord store export store.jsonl
  coord store export | grep '\"record\"' | tail -5

The export is of one moment: values, and records and cursors of the history and of the decisions, one a line. Each line has a checksum, so
`coord store import` tells where an export is damaged or cut. What is damaged in the store is named,
and stands in the export with the bytes that are there; the rest is exported.

Exit status: 0 if all was written, 1 if something in the store is damaged.")]
pub(super) struct Args {
    /// The file to write, which must not be there; `-` or none is standard output.
    #[arg(value_name = "FILE|-")]
    to: Option<PathBuf>,

    #[command(flatten)]
    place: StoreArgs,
}

pub(super) fn run(args: &Args) -> CmdResult {
    let file = args.place.open_existing("store export")?;
    let Some(to) = args.to.as_deref().filter(|to| !input::is_stdin(to)) else {
        let mut out = Printer::new(Format::Records);
        let (_, damaged) = export(&file, &mut out)?;
        return out.finish(ExitStatus::found(damaged > 0));
    };
    // Why it stopped: an error of the store is not one of the file.
    let mut stopped = None;
    let mut written = (0, 0);
    let made = create(to, Readers::Usual, |file_of_lines| {
        let mut out = BufWriter::with_capacity(256 << 10, file_of_lines);
        match export(&file, &mut out).and_then(|count| Ok((count, out.flush()?))) {
            Ok((count, ())) => written = count,
            Err(failed) => {
                stopped = Some(failed);
                return Err(io::ErrorKind::Other.into());
            }
        }
        Ok(())
    });
    match (made, stopped) {
        (Ok(()), _) => {
            let (lines, damaged) = written;
            say(format_args!("{}: {lines} lines", to.display()))?;
            Ok(ExitStatus::found(damaged > 0))
        }
        (Err(_), Some(failed)) => Err(cannot_write(to.display(), failed)),
        (Err(error), None) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(cannot_write(to.display(), "it is there already; name a new file"))
        }
        (Err(error), None) => Err(cannot_write(to.display(), error)),
    }
}

/// How many damaged items are named one by one.
const TOLD: u64 = 20;

/// Writes all lines, and tells how many, and how many of them are about damage.
fn export(file: &Sqlite, out: &mut dyn Write) -> Result<(u64, u64), Failure> {
    let mut damaged = 0;
    let mut chain = Chain::new();
    let mut progress = ProgressBar::hidden();
    file.dump(|item| {
        if let StoreItem::Contents(contents) = &item {
            progress = bar(contents.items());
        }
        if let StoreItem::Damaged(item) = &item {
            damaged += 1;
            if damaged <= TOLD {
                complain(format_args!("damaged: {item}"));
            }
        }
        out.write_all(chain.item(item).map_err(failure)?.as_bytes())?;
        progress.inc(1);
        Ok::<(), Failure>(())
    })?;
    out.write_all(chain.end().map_err(failure)?.as_bytes())?;
    progress.finish_and_clear();
    if damaged > TOLD {
        complain(format_args!("damaged: {} more", damaged - TOLD));
    }
    Ok((chain.lines, damaged))
}
