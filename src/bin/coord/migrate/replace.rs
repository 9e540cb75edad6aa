//! Migrating a file in place: into another file beside it, which takes its place at the end.
//!
//! At every moment the file is either the old or the new one, whole. What is beside it can be
//! deleted at any time; the next run starts anew then.

use super::journal::{Beside, Fingerprint, Journal};
use super::tally::Tally;
use super::{Fate, Job};
use crate::input;
use crate::output::{CmdResult, ExitStatus, complain, failure, say, unavailable};
use crate::replace_file;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

pub(super) fn run(job: &mut Job<'_>, given: &Path) -> CmdResult {
    let name = &job.name.clone();
    let failed = |error: io::Error| unavailable(format_args!("cannot migrate {name}: {error}"));
    // The file itself is replaced, not a link to it.
    let path = fs::canonicalize(given).map_err(failed)?;
    let mut file = File::open(&path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failure(format_args!("cannot migrate {name}: it is no regular file")));
    }
    // File systems without locks are used at the user's risk.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        let told = failure(format_args!("{name} is being migrated by another process"));
        return Err(told.ending(ExitStatus::Conflict));
    }
    let beside = Beside::new(&path);
    let print = Fingerprint::of(&mut file).map_err(failed)?;
    let finished = match taken_up(job, &beside, &print).map_err(failed)? {
        Start::Replaced => true,
        Start::Complete => swap(&beside, &path).map(|()| true).map_err(failed)?,
        Start::From(journal) => {
            let migrated = migrate(job, &file, &path, &beside, journal);
            if migrated.is_err() {
                // A full disk does not stay full because of us. A killed run leaves what it has.
                let _ = beside.clear();
            }
            let journal = migrated.map_err(failed)?;
            if job.tally.refused > 0 || !job.tally.differs() {
                beside.clear().map_err(failed)?;
                false
            } else {
                let now = File::open(&path).and_then(|mut now| Fingerprint::of(&mut now));
                if now.map_err(failed)? != print {
                    beside.clear().map_err(failed)?;
                    let message = "it was changed meanwhile; nothing was replaced";
                    let told = failure(format_args!("cannot migrate {name}: {message}"));
                    return Err(told.ending(ExitStatus::Conflict));
                }
                complete(&file, &beside, journal).map_err(failed)?;
                swap(&beside, &path).map_err(failed)?;
                true
            }
        }
    };
    if finished {
        beside.clear().map_err(failed)?;
    }
    job.report().iter().try_for_each(say)?;
    if job.tally.refused > 0 {
        say(format_args!("{name} was left as it is"))?;
    }
    Ok(job.status())
}

/// Where a run begins.
enum Start {
    /// At some place of the input.
    From(Box<Journal>),
    /// The output is complete and only has to take the place of the input.
    Complete,
    /// It has done so.
    Replaced,
}

fn taken_up(job: &mut Job<'_>, beside: &Beside, print: &Fingerprint) -> io::Result<Start> {
    let command = job.command();
    let fresh = Journal {
        command,
        input: print.clone(),
        offset: 0,
        line: 1,
        skip_break: false,
        output: 0,
        tally: Tally::default(),
        finished: None,
    };
    let Some(mut known) = beside.load().filter(|known| known.command == fresh.command) else {
        return Ok(Start::From(Box::new(fresh)));
    };
    let output = beside.existing_output();
    if let Some(finished) = &known.finished {
        if finished == print && output.is_none() {
            job.tally = known.tally;
            return Ok(Start::Replaced);
        }
        if let Some(mut output) = output
            && known.input == *print
            && Fingerprint::of(&mut output)? == *finished
        {
            job.tally = known.tally;
            return Ok(Start::Complete);
        }
        return Ok(Start::From(Box::new(fresh)));
    }
    let length = output.map_or(Ok(0), |file| file.metadata().map(|meta| meta.len()))?;
    if known.input != *print || length < known.output || known.offset == 0 {
        return Ok(Start::From(Box::new(fresh)));
    }
    job.tally = std::mem::take(&mut known.tally);
    complain(format_args!("going on at byte {} of {}", known.offset, job.name));
    Ok(Start::From(Box::new(known)))
}

/// Migrates the input from where the journal stands to its end.
fn migrate(
    job: &mut Job<'_>,
    file: &File,
    path: &Path,
    beside: &Beside,
    mut journal: Box<Journal>,
) -> io::Result<Box<Journal>> {
    let output = beside.open_output(journal.offset == 0)?;
    output.set_len(journal.output)?;
    let mut out = Output { out: BufWriter::with_capacity(256 << 10, output), at: journal.output };
    out.out.seek(SeekFrom::Start(journal.output))?;

    let (start, first_line) = (journal.offset, journal.line);
    let mut source = file.try_clone()?;
    source.seek(SeekFrom::Start(start))?;
    let length = source.metadata()?.len();
    let mut records = job.codec.records(input::reader(source, start, length));
    // What stands between records is copied from a reader of its own.
    let mut gaps = Gaps::open(path, start)?;
    let mut noted = start;
    while let Some(raw) = records.next_record()? {
        let from = start + raw.offset;
        let number = first_line + raw.line - 1;
        if job.tally.refused == 0 {
            gaps.copy(from, &mut journal.skip_break, &mut out)?;
        }
        let fate = job.one(raw.bytes, number);
        if job.tally.refused > 0 {
            // Nothing will be replaced; the rest is only read to tell what else is wrong.
            continue;
        }
        match fate {
            Fate::Text(text) => out.write(text.as_bytes())?,
            Fate::Dropped | Fate::Refused => journal.skip_break = true,
        }
        journal.offset = from + raw.bytes.len() as u64;
        journal.line = number + memchr::memchr_iter(b'\n', raw.bytes).count() as u64;
        gaps.skip(journal.offset)?;
        if journal.offset - noted >= job.args.journal_every {
            noted = journal.offset;
            journal.output = out.safe()?;
            journal.tally = std::mem::take(&mut job.tally);
            let saved = beside.save(&journal);
            job.tally = std::mem::take(&mut journal.tally);
            saved?;
        }
    }
    if job.tally.refused == 0 {
        gaps.copy(u64::MAX, &mut journal.skip_break, &mut out)?;
        journal.output = out.safe()?;
    }
    Ok(journal)
}

/// Notes that the output is complete.
fn complete(file: &File, beside: &Beside, mut journal: Box<Journal>) -> io::Result<()> {
    let mut output = OpenOptions::new().read(true).write(true).open(&beside.output)?;
    output.set_permissions(file.metadata()?.permissions())?;
    output.sync_all()?;
    journal.finished = Some(Fingerprint::of(&mut output)?);
    beside.save(&journal)
}

/// Puts the output in the place of the input. Its name is on the disk before the journal goes.
fn swap(beside: &Beside, path: &Path) -> io::Result<()> {
    replace_file::put_in_place(&beside.output, path)
}

/// The file that is written.
struct Output {
    out: BufWriter<File>,
    at: u64,
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Brings everything to the disk, and tells how much that is.
    fn safe(&mut self) -> io::Result<u64> {
        self.out.flush()?;
        self.out.get_ref().sync_data()?;
        Ok(self.at)
    }
}

/// A reader of the input for what stands between its records: line ends and blank lines.
struct Gaps {
    reader: BufReader<File>,
    at: u64,
}

impl Gaps {
    fn open(path: &Path, at: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        Ok(Gaps { reader: BufReader::with_capacity(64 << 10, file), at })
    }

    /// Copies everything up to `end`, but for the line break of a dropped record.
    fn copy(&mut self, end: u64, skip_break: &mut bool, out: &mut Output) -> io::Result<()> {
        while self.at < end {
            let chunk = self.reader.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            let count = chunk.len().min(usize::try_from(end - self.at).unwrap_or(usize::MAX));
            let chunk = &chunk[..count];
            let skipped = usize::from(std::mem::take(skip_break) && chunk.starts_with(b"\n"));
            out.write(&chunk[skipped..])?;
            self.reader.consume(count);
            self.at += count as u64;
        }
        Ok(())
    }

    /// Passes over everything up to `end`.
    fn skip(&mut self, end: u64) -> io::Result<()> {
        let count = end - self.at;
        let skipped = io::copy(&mut self.reader.by_ref().take(count), &mut io::sink())?;
        self.at += skipped;
        Ok(())
    }
}
