//! What a check prints as a whole: what comes before, between and behind that of its inputs.

use super::render::Style;
use super::sarif::Log;
use super::summary::{self, Count};
use super::tally::Tally;
use crate::limits::Reading;
use crate::output::{CmdResult, ExitStatus, Format, Printer};
use std::io::{self, Write};

/// The output of a check. What was rendered of inputs is written to it in order.
pub(crate) struct Output<'a> {
    style: Style,
    reading: &'a Reading,
    out: Printer,
    log: Log,
    total: Tally,
}

impl<'a> Output<'a> {
    pub(crate) fn open(style: Style, reading: &'a Reading) -> io::Result<Self> {
        let mut out = Printer::new(style.format);
        let mut log = Log::default();
        if style.format == Format::Sarif && !style.quiet {
            log.open(&mut out)?;
        }
        Ok(Output { style, reading, out, log, total: Tally::default() })
    }

    /// Counts an input whose rendering was written, and tells what could not be read.
    pub(crate) fn count(&mut self, mut tally: Tally) -> io::Result<()> {
        let told = std::mem::take(&mut tally.told);
        if self.style.verbose {
            told.iter().try_for_each(|told| self.out.complain(told))?;
        }
        // The other inputs are still checked; the exit status will tell.
        for unread in &tally.unread {
            self.out.complain(&unread.problem)?;
        }
        self.total += tally;
        Ok(())
    }

    /// Writes what comes last.
    pub(crate) fn finish(mut self, require_records: bool) -> CmdResult {
        let total = &self.total;
        let none = total.records() == 0;
        match self.style.format {
            _ if self.style.quiet => {}
            Format::Sarif => self.log.close(&mut self.out, total)?,
            Format::Summary => {
                for line in summary::by_code(total) {
                    writeln!(self.out, "{line}")?;
                }
                self.summary()?;
            }
            Format::Human | Format::Github => self.summary()?,
            _ if none => {
                let problem = format!("no record was found in {}", total.read);
                self.out.complain(problem)?;
            }
            _ => {}
        }
        let total = &self.total;
        self.out.finish(if total.unread.is_empty() {
            ExitStatus::found(total.invalid > 0 || none && require_records)
        } else {
            ExitStatus::Failed
        })
    }

    fn summary(&mut self) -> io::Result<()> {
        let total = &self.total;
        let records = Count(total.records(), "record");
        let files = match total.read.texts() {
            0 | 1 => String::new(),
            files => format!(" in {files} files"),
        };
        writeln!(
            self.out,
            "{records}{files}: {} valid, {} deviating, {} invalid ({} mode, protocol {}, security {})",
            total.valid,
            total.deviating,
            total.invalid,
            self.reading.mode,
            self.reading.protocol,
            total.security,
        )?;
        summary::details(total).iter().try_for_each(|line| writeln!(self.out, "{line}"))?;
        if total.records() == 0 {
            writeln!(self.out, "  no record was found in {}", total.read)?;
        } else if self.style.verbose || total.read.is_partial() {
            writeln!(self.out, "  read: {}", total.read)?;
        }
        Ok(())
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.style.format == Format::Sarif {
            self.log.add(&mut self.out, bytes)?;
            return Ok(bytes.len());
        }
        self.out.write(bytes)
    }

    /// A record is complete.
    fn flush(&mut self) -> io::Result<()> {
        self.out.settle()
    }
}
