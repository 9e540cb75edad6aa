//! Trying something on records: what `filter test` and `route match` share.

use crate::limits::Reading;
use crate::output::{CmdResult, ExitStatus, Failure, Printer};
use crate::show;
use crate::source::{As, Checker, Item};
use coordination_protocol::validate::{RecordKind, Validator};
use std::path::PathBuf;

/// Where the records come from.
#[derive(clap::Args)]
pub(crate) struct Records {
    /// What the input is taken for.
    #[arg(long = "as", value_enum, default_value_t = As::Auto)]
    given: As,

    #[command(flatten)]
    reading: Reading,
}

/// A record that can be tried on.
pub(crate) struct Subject<'i, 'a> {
    pub(crate) source: &'i str,
    pub(crate) line: u64,
    pub(crate) item: &'i Item<'a>,
}

impl Subject<'_, '_> {
    /// The record as it stands, without what surrounds it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.item.bytes).trim().to_owned()
    }

    /// The record on one line, for people. A line break can only stand between the values of a sound
    /// record.
    pub(crate) fn on_one_line(text: &str) -> String {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.join(" ")
    }
}

impl Records {
    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Hands on each sound record. One that is broken is told on standard error and not handed on; what
    /// follows it is, and so are the other inputs where one cannot be read. Tells how the verb ends by
    /// such.
    pub(crate) fn each(
        &self,
        given: &[PathBuf],
        out: &mut Printer,
        take: &mut dyn FnMut(&Subject<'_, '_>, &mut Printer) -> Result<(), Failure>,
    ) -> CmdResult {
        let validator = Validator::from(self.reading.codec());
        let checker = Checker::new(&validator, &self.reading, self.given);
        let mut broken = ExitStatus::Done;
        let all = checker.paths(given, &mut |source, item| {
            let outcome = &item.outcome;
            let line = item.position(0).0;
            if !outcome.is_accepted() {
                broken = ExitStatus::Usage;
                out.draw(&show::record(source.name(), &item, false))?;
                return Ok(());
            }
            if outcome.event.is_none() && outcome.message.is_none() {
                let what = match outcome.kind {
                    RecordKind::Template => "a template has no values yet, so it is passed over",
                    _ => "neither an event nor a message, so it is passed over",
                };
                out.complain(format_args!("{source}:{line}: {what}"))?;
                return Ok(());
            }
            take(&Subject { source: source.name(), line, item: &item }, out)
        })?;
        Ok(broken.or(all))
    }
}
