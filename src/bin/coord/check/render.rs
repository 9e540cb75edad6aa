//! The records of one input, rendered in a format.
//!
//! What [`input`] writes of an input depends on nothing outside of it, so inputs can be checked by
//! many threads, each into a buffer, and the buffers handed to [`Output`](super::output::Output) in
//! the order in which they are to be read.

use super::baseline::{self, Counts};
use super::fix::Original;
use super::judge::{Excuse, Found, Judge, Judged};
use super::row::Row;
use super::run::Run;
use super::sarif::uri;
use super::summary::Count;
use super::suppress::Comments;
use super::tally::{Tally, Unread};
use super::{annotation, sarif};
use crate::config::{ConfigError, InForce};
use crate::input::Source;
use crate::output::{ExitStatus, Failure, Format, failure, unavailable};
use crate::show;
use crate::source::{Checker, Entry, Item, Origin, ReadSummary, Seen, Sink};
use coordination_protocol::finding::{Code, Finding, FindingSeverity, Verdict};
use coordination_protocol::scan::{FileKind, LineIndex};
use std::io::{self, Write};
use std::path::Path;

/// How records are shown.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) format: Format,
    /// Whether notes are shown, and valid records with nothing else.
    pub(crate) verbose: bool,
    /// Whether nothing is shown at all.
    pub(crate) quiet: bool,
}

/// Checks a path, or standard input for `-`, and writes what there is to say of its records.
///
/// An input that cannot be read is told in the tally. An error is one of `out`.
pub(crate) fn input(run: &Run<'_>, path: &Path, out: &mut dyn Write) -> io::Result<Tally> {
    rendered(run, path, Origin::Named, out, |checker, renderer| checker.read(path, renderer))
}

/// The same for what is met on a walk.
pub(crate) fn entry(run: &Run<'_>, entry: Entry, out: &mut dyn Write) -> io::Result<Tally> {
    match entry {
        Entry::File(path, named) => {
            rendered(run, &path, Origin::Met(named), out, |checker, renderer| {
                checker.read_met(&path, named, renderer)
            })
        }
        Entry::Skipped(source, what) => Ok(Tally {
            read: ReadSummary::special(),
            told: vec![format!("{source}: skipped: it is {what}")],
            ..Tally::default()
        }),
        Entry::Unreadable(source, problem) => {
            let unread = vec![Unread::of(source, &unavailable(problem))];
            Ok(Tally { unread, ..Tally::default() })
        }
    }
}

fn rendered(
    run: &Run<'_>,
    path: &Path,
    origin: Origin,
    out: &mut dyn Write,
    read: impl FnOnce(&Checker<'_>, &mut Renderer<'_, '_, '_>) -> Result<Seen, Failure>,
) -> io::Result<Tally> {
    let source = Source::new(path);
    let mut tally = Tally::default();
    let (settings, place) = run.sources.of(path);
    let settings = match settings {
        Ok(settings) => settings,
        Err(ConfigError { problem, drawn }) => {
            let status = ExitStatus::Usage;
            tally.unread.push(Unread { source, problem, drawn, status });
            return Ok(tally);
        }
    };
    tally.settings.extend(settings.told.iter().cloned());
    if !source.is_stdin() && settings.excludes(&place.whole, false) {
        tally.leave_out(&source);
        return Ok(tally);
    }
    let checker = run.checker(settings);
    let ignored = settings.codes_ignored_in(&place.whole);
    let original = Original { checker: &checker.forgetful(), path, origin, ignored: &ignored };
    tally.fixed = run.fixes.file(&original, out)?;
    let (mode, protocol) = (settings.reading.mode, &settings.reading.protocol);
    tally.modes.insert(format!("{mode} mode, protocol {protocol}"));
    let key = if source.is_stdin() { source.name().to_owned() } else { uri(place.key()) };
    let allowed = run.baseline.as_ref().map(|baseline| baseline.of(&key)).unwrap_or_default();
    let bench = Bench {
        settings,
        ignored,
        comments: Comments::default(),
        key,
        digest: String::new(),
        allowed,
        collected: run.collects.then(Counts::new),
    };
    let mut renderer = Renderer { run, out, tally, bench, text: String::new(), broken: None };
    let result = read(&checker, &mut renderer);
    if let Some(error) = renderer.broken {
        return Err(error);
    }
    renderer.finish(&source)?;
    let Renderer { mut tally, bench, .. } = renderer;
    tally.gone += bench.allowed.values().sum::<u64>();
    tally.known_paths.insert(bench.key);
    tally.collected = bench.collected.unwrap_or_default();
    tally.failed = tally.worst >= Some(settings.fail_on);
    match result {
        Ok(seen) => {
            let records = Count(tally.records(), "record");
            tally.told.push(format!("{source}: {records}; {seen}"));
            tally.read += ReadSummary::of(seen);
        }
        Err(failed) => {
            tally.unread.push(Unread::of(source, &failed));
        }
    }
    Ok(tally)
}

/// What is known of an input beside its records.
struct Bench<'r> {
    settings: &'r InForce,
    /// Codes that are left out in this file.
    ignored: Vec<Code>,
    comments: Comments,
    /// The path by which findings are known again.
    key: String,
    /// Of the record that is judged, once it is needed.
    digest: String,
    /// What of the baseline is not used up.
    allowed: Counts,
    /// What a baseline would hold, if one is written.
    collected: Option<Counts>,
}

impl Bench<'_> {
    fn entry(&self, finding: &Finding) -> baseline::Entry {
        baseline::Entry::new(&self.key, finding.code, &finding.pointer, &self.digest)
    }
}

impl Judge for Bench<'_> {
    fn ignores(&self, code: Code) -> bool {
        self.ignored.contains(&code)
    }

    fn fingerprint(&mut self, finding: &Finding) -> String {
        self.entry(finding).fingerprint()
    }

    fn excuse(&mut self, finding: &Finding) -> Option<Excuse> {
        if let Some(why) = self.comments.excuse(finding) {
            return Some(why);
        }
        if self.allowed.is_empty() && self.collected.is_none() {
            return None;
        }
        let entry = self.entry(finding);
        if let Some(collected) = &mut self.collected {
            // A note is no debt.
            if finding.severity == FindingSeverity::Note {
                return None;
            }
            *collected.entry(entry).or_default() += 1;
            return Some(Excuse::Baseline);
        }
        let left = self.allowed.get_mut(&entry).filter(|left| **left > 0)?;
        *left -= 1;
        Some(Excuse::Baseline)
    }
}

struct Renderer<'r, 's, 'o> {
    run: &'r Run<'s>,
    out: &'o mut dyn Write,
    tally: Tally,
    bench: Bench<'s>,
    /// The text of a file with comments.
    text: String,
    /// Why the output cannot be written, which is no fault of the input.
    broken: Option<io::Error>,
}

impl Sink for Renderer<'_, '_, '_> {
    fn text(&mut self, _: &Source, text: &str, kind: FileKind) {
        self.bench.comments = Comments::of(text, kind);
        if !self.bench.comments.is_empty() {
            text.clone_into(&mut self.text);
        }
    }

    fn record(&mut self, source: &Source, item: Item<'_>) -> Result<(), Failure> {
        let bench = &mut self.bench;
        bench.comments.next(&item);
        if !item.outcome.report.is_empty() {
            bench.digest = baseline::digest(item.bytes);
        }
        if self.run.replay.is_some() && item.outcome.event.is_some() {
            self.tally.ageless += 1;
        }
        let judged = Judged::new(source, &item, bench);
        self.tally.record(&judged);
        self.write(&judged).map_err(|error| {
            self.broken = Some(error);
            failure("")
        })
    }
}

impl Renderer<'_, '_, '_> {
    fn write(&mut self, judged: &Judged<'_>) -> io::Result<()> {
        let Style { format, verbose, quiet } = self.run.style;
        if quiet {
            return Ok(());
        }
        let out = &mut *self.out;
        let (source, mut shown) = (judged.source, judged.shown(verbose));
        match format {
            Format::Sarif => sarif::results(out, judged, verbose)?,
            Format::Json => json_line(out, &Row::new(judged))?,
            Format::Line => shown.try_for_each(|found| annotation::line(out, source, found))?,
            Format::Github => shown.try_for_each(|found| annotation::github(out, source, found))?,
            Format::Human if judged.verdict() > Verdict::Valid || verbose => {
                let shown: Vec<&Finding> = shown.map(|found| found.finding).collect();
                let drawn = show::selected(
                    source.name(),
                    judged.item,
                    &shown,
                    judged.verdict(),
                    judged.omitted,
                );
                out.write_all(drawn.as_bytes())?;
            }
            _ => {}
        }
        // Somebody may wait for each record; whoever writes it knows.
        self.out.flush()
    }

    /// Tells what is wrong with the comments of the file, when all its records were judged.
    fn finish(&mut self, source: &Source) -> io::Result<()> {
        let findings = std::mem::take(&mut self.bench.comments).finish();
        if findings.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        let index = LineIndex::new(&text);
        let spot = |at: usize| {
            let position = index.position(at);
            (position.line as u64, position.column as u64)
        };
        let mut left = self.bench.settings.reading.max_findings;
        for finding in findings {
            let Some(severity) = self.bench.settings.severity(finding.code, &self.bench.ignored)
            else {
                continue;
            };
            let finding = finding.with_severity(severity);
            self.bench.digest = baseline::digest(&text.as_bytes()[finding.range.clone()]);
            if self.bench.excuse(&finding).is_some() {
                self.tally.known += 1;
                continue;
            }
            if left == 0 {
                self.tally.omit(&finding);
                continue;
            }
            left -= 1;
            let found = Found {
                start: spot(finding.range.start),
                end: spot(finding.range.end),
                fingerprint: self.bench.fingerprint(&finding),
                finding: &finding,
            };
            self.tally.finding(&finding);
            self.comment(source, &found, &text)?;
        }
        Ok(())
    }

    fn comment(&mut self, source: &Source, found: &Found<'_>, text: &str) -> io::Result<()> {
        let Style { format, verbose, quiet } = self.run.style;
        if quiet || !found.is_shown(verbose) {
            return Ok(());
        }
        let out = &mut *self.out;
        match format {
            Format::Sarif => sarif::result(out, source, found, None),
            Format::Json => json_line(out, &Row::of_comment(source, found)),
            Format::Line => annotation::line(out, source, found),
            Format::Github => annotation::github(out, source, found),
            Format::Human => {
                let drawn = show::in_text(source.name(), text, found.start, found.finding);
                out.write_all(drawn.as_bytes())
            }
            _ => Ok(()),
        }
    }
}

/// Writes a row in one piece, so that the output has whole lines wherever the program is stopped.
fn json_line(out: &mut dyn Write, row: &Row<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(row)?;
    line.push(b'\n');
    out.write_all(&line)
}
