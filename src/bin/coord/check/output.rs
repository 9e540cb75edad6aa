//! What a check prints as a whole: what comes before, between and behind that of its inputs.

use super::render::Style;
use super::sarif::Log;
use super::summary::{self, Count};
use super::tally::Tally;
use crate::limits::Reading;
use crate::output::{CmdResult, ExitStatus, Format, Printer};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// The output of a check. What was rendered of inputs is written to it in order.
pub(crate) struct Output<'a> {
    style: Style,
    reading: &'a Reading,
    out: Printer,
    log: Log,
    total: Tally,
    /// Files of settings that were complained of: one is read for many inputs.
    complained: BTreeSet<String>,
}

impl<'a> Output<'a> {
    pub(crate) fn open(style: Style, reading: &'a Reading) -> io::Result<Self> {
        let mut out = Printer::new(style.format);
        let mut log = Log::default();
        if style.format == Format::Sarif && !style.quiet {
            log.open(&mut out)?;
        }
        Ok(Output {
            style,
            reading,
            out,
            log,
            total: Tally::default(),
            complained: BTreeSet::new(),
        })
    }

    /// For texts whose bytes are the product.
    pub(crate) fn unchanged(style: Style, reading: &'a Reading) -> Self {
        Output {
            style,
            reading,
            out: Printer::unchanged(),
            log: Log::default(),
            total: Tally::default(),
            complained: BTreeSet::new(),
        }
    }

    /// Counts an input whose rendering was written, and tells what could not be read.
    pub(crate) fn count(&mut self, mut tally: Tally) -> io::Result<()> {
        let told = std::mem::take(&mut tally.told);
        if self.style.verbose {
            told.iter().try_for_each(|told| self.out.complain(told))?;
        }
        tally.fixed.iter().try_for_each(|fixed| self.out.complain(fixed))?;
        // The other inputs are still checked; the exit status will tell.
        for unread in &tally.unread {
            if unread.drawn.is_empty() {
                self.out.complain(&unread.problem)?;
            } else if self.complained.insert(unread.problem.clone()) {
                self.out.complain(&unread.problem)?;
                self.out.draw(&unread.drawn)?;
            }
        }
        self.total += tally;
        Ok(())
    }

    /// What was counted so far.
    pub(crate) fn total(&mut self) -> &mut Tally {
        &mut self.total
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
            _ => {
                // These formats have no place for it, and it must not go unseen.
                let told = total.settings.iter().cloned();
                let none = none.then(|| format!("no record was found in {}", total.read));
                let told: Vec<String> = told.chain(none).collect();
                told.iter().try_for_each(|told| self.out.complain(told))?;
            }
        }
        let total = &self.total;
        let found = ExitStatus::found(total.failed || none && require_records);
        let unread = total.unread.iter().map(|unread| unread.status);
        self.out.finish(unread.fold(found, ExitStatus::or))
    }

    fn summary(&mut self) -> io::Result<()> {
        let total = &self.total;
        let records = Count(total.records(), "record");
        let files = match total.read.texts() {
            0 | 1 => String::new(),
            files => format!(" in {files} files"),
        };
        let modes: Vec<&str> = total.modes.iter().map(String::as_str).collect();
        let modes = if modes.is_empty() {
            format!("{} mode, protocol {}", self.reading.mode, self.reading.protocol)
        } else {
            modes.join(" and ")
        };
        writeln!(
            self.out,
            "{records}{files}: {} valid, {} deviating, {} invalid ({modes}, security {})",
            total.valid, total.deviating, total.invalid, total.security,
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
