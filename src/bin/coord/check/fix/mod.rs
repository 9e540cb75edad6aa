//! `--fix` and `--diff`: rewriting what has one sure reading.
//!
//! An edit is believed only after the file was read again with it: the same records stand at the same
//! places, with the texts that were meant, the finding is gone, and none is new. What fails that is
//! tried in another spelling, or left alone. So nothing here has to know how a shell quotes.

mod diff;
mod reread;
mod script;

use crate::input::Source;
use crate::output::{Failure, failure};
use crate::replace_file::replace;
use crate::source::{Checker, Origin};
use coordination_protocol::finding::{Code, TextEdit};
use reread::{Held, Reread, reread};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// How often what is left is tried again in a file, so that one bad edit does not keep the others.
const PASSES: usize = 16;
/// How often a file is read again altogether. Most files are read twice; only where a shell gets other
/// words than were meant is there another round.
const READS: usize = 64;

/// What is done with fixes.
#[derive(clap::Args)]
#[command(next_help_heading = "Fixes")]
pub(crate) struct FixArgs {
    /// Rewrite files where what was meant is certain: single quotes, byte order marks, other names of
    /// fields, words of closed lists that are one letter off. What is left is printed.
    #[arg(long, conflicts_with = "diff")]
    fix: bool,

    /// Print what --fix would change, as a unified diff, and change nothing.
    #[arg(long, conflicts_with = "format")]
    diff: bool,

    /// With --fix or --diff: also event lines and logs, and take off quotes of a shell there.
    #[arg(long)]
    fix_logs: bool,
}

impl FixArgs {
    /// Whether files are rewritten.
    pub(crate) fn rewrites(&self) -> bool {
        self.fix
    }

    /// Whether only the difference is printed.
    pub(crate) fn only_shows(&self) -> bool {
        self.diff
    }

    /// # Errors
    /// If logs are to be fixed and nothing is.
    pub(crate) fn checked(&self) -> Result<&Self, Failure> {
        if self.fix_logs && !self.fix && !self.diff {
            return Err(failure("--fix-logs goes with --fix or --diff"));
        }
        Ok(self)
    }

    /// Fixes a file, or shows on `out` what would change; returns what there is to tell.
    pub(crate) fn file(
        &self,
        original: &Original<'_>,
        out: &mut dyn Write,
    ) -> io::Result<Vec<String>> {
        let path = original.path;
        let source = Source::new(path);
        if !(self.fix || self.diff) || source.is_stdin() {
            return Ok(Vec::new());
        }
        let fixed = match self.fixed(original) {
            Ok(Some(fixed)) => fixed,
            Ok(None) => return Ok(Vec::new()),
            Err(why) => return Ok(vec![format!("{source}: not fixed: {why}")]),
        };
        if self.diff {
            diff::write(out, &source, &fixed.before, &fixed.after)?;
            return Ok(fixed.told(&source, "would fix"));
        }
        // Whoever wrote to the file in between keeps what was written.
        let now = fs::read(path);
        if now.as_deref().ok() != Some(fixed.before.as_bytes()) {
            return Ok(vec![format!("{source}: not fixed: it changed while it was read")]);
        }
        let mode = fs::metadata(path).map(|meta| meta.permissions());
        let replaced = mode.and_then(|mode| {
            replace(path, |file| {
                file.set_permissions(mode)?;
                file.write_all(fixed.after.as_bytes())
            })
        });
        Ok(match replaced {
            Ok(()) => fixed.told(&source, "fixed"),
            Err(error) => vec![format!("{source}: not fixed: {error}")],
        })
    }

    /// A file with its fixes; none if there are none to make.
    fn fixed(&self, original: &Original<'_>) -> Result<Option<Fixed>, String> {
        let path = original.path;
        // What is not there is told when it is checked.
        let Ok(meta) = fs::symlink_metadata(path) else { return Ok(None) };
        if !meta.is_file() {
            let link = meta.is_symlink().then(|| "it is a symbolic link".to_owned());
            return link.map_or(Ok(None), Err);
        }
        let most = original.checker.most_bytes();
        if meta.len() > most {
            return Err(format!(
                "it has more than {most} bytes, the limit that --max-file-bytes sets"
            ));
        }
        let Ok(before) = fs::read_to_string(path) else { return Ok(None) };
        let left = Cell::new(READS);
        let read = |text: &str| {
            left.set(left.get().checked_sub(1)?);
            reread(original, text, self.fix_logs)
        };
        let mut fixed = Fixed { after: before.clone(), before, codes: BTreeMap::new() };
        let Some(mut held) = read(&fixed.after) else { return Ok(None) };
        for _ in 0..PASSES {
            let Some((text, again, codes)) = pass(&fixed.after, &held, &read) else { break };
            if let Some(kind) = held.kind
                && script::breaks(&fixed.after, &text, kind)
            {
                return Err("its scripts would not be read by bash any more".to_owned());
            }
            (fixed.after, held) = (text, again);
            for code in codes {
                *fixed.codes.entry(code).or_default() += 1;
            }
        }
        Ok((fixed.before != fixed.after).then_some(fixed))
    }
}

/// A file to fix, and how it is read.
pub(crate) struct Original<'r> {
    /// It remembers nothing from one reading to the next.
    pub(crate) checker: &'r Checker<'r>,
    pub(crate) path: &'r Path,
    pub(crate) origin: Origin,
    /// Codes that are left out in it, and so not fixed either.
    pub(crate) ignored: &'r [Code],
}

struct Fixed {
    before: String,
    after: String,
    codes: BTreeMap<Code, usize>,
}

impl Fixed {
    fn told(&self, source: &Source, what: &str) -> Vec<String> {
        let mut told = format!("{source}: {what}");
        for (index, (code, count)) in self.codes.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(told, "{comma} {count} {}", code.as_str());
        }
        vec![told]
    }
}

/// The edits of one record that are tried, one way after another.
struct Trial<'h> {
    record: usize,
    held: &'h Held,
    /// Which findings together, and in which spelling.
    ways: Vec<(Vec<usize>, usize)>,
}

impl<'h> Trial<'h> {
    fn new(record: usize, held: &'h Held) -> Option<Self> {
        let count = held.fixes.len();
        let mut sets: Vec<Vec<usize>> = vec![(0..count).collect()];
        if count > 1 {
            sets.extend((0..count).map(|one| vec![one]));
        }
        let mut ways: Vec<_> = sets
            .into_iter()
            .flat_map(|set| {
                let spellings = set.iter().map(|fix| held.fixes[*fix].in_file.len()).max();
                (0..spellings.unwrap_or(0)).map(move |spelling| (set.clone(), spelling))
            })
            .collect();
        ways.reverse();
        (!ways.is_empty()).then_some(Trial { record, held, ways })
    }

    fn chosen(&self) -> impl Iterator<Item = (&'h reread::Fix, usize)> {
        let way = self.ways.last();
        let held = self.held;
        way.into_iter().flat_map(move |(set, spelling)| {
            set.iter().map(move |fix| (&held.fixes[*fix], *spelling))
        })
    }

    /// The edits of the file.
    fn in_file(&self) -> Vec<TextEdit> {
        let edits = self.chosen().flat_map(|(fix, spelling)| {
            fix.in_file.get(spelling).or(fix.in_file.last()).into_iter().flatten().cloned()
        });
        ordered(edits.collect())
    }

    /// The record as it is to be afterwards.
    fn text(&self) -> String {
        let edits = self.chosen().flat_map(|(fix, _)| fix.in_record.iter().cloned());
        TextEdit::apply(&self.held.text, &ordered(edits.collect()))
    }
}

/// Edits in order, without those that overlap one before.
fn ordered(mut edits: Vec<TextEdit>) -> Vec<TextEdit> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut end = 0;
    edits.retain(|edit| {
        let fits = edit.range.start >= end;
        end = if fits { edit.range.end } else { end };
        fits
    });
    edits
}

/// Makes all the edits that hold; none if no edit does. With the file as it is read then, and the codes
/// of what was fixed.
fn pass(
    text: &str,
    held: &Reread,
    read: &dyn Fn(&str) -> Option<Reread>,
) -> Option<(String, Reread, Vec<Code>)> {
    let records = held.records.iter().enumerate();
    let mut trials: Vec<Trial<'_>> =
        records.filter_map(|(at, record)| Trial::new(at, record)).collect();
    while !trials.is_empty() {
        let edits: Vec<TextEdit> = trials.iter().flat_map(Trial::in_file).collect();
        let made = TextEdit::apply(text, &edits);
        let bad = match read(&made) {
            Some(again) if again.kind == held.kind => {
                let bad = failures(&trials, &edits, held, &again);
                if bad.is_empty() {
                    let fixes = trials.iter().flat_map(Trial::chosen);
                    let codes = fixes.map(|(fix, _)| fix.code).collect();
                    return Some((made, again, codes));
                }
                bad
            }
            // The file is another kind of file now: any of the edits may have made it so.
            _ => (0..trials.len()).collect(),
        };
        for trial in bad {
            trials[trial].ways.pop();
        }
        trials.retain(|trial| !trial.ways.is_empty());
    }
    None
}

/// Which trials failed, by what is read after them.
fn failures(trials: &[Trial<'_>], edits: &[TextEdit], held: &Reread, again: &Reread) -> Vec<usize> {
    let mut failed = Vec::new();
    let (mut trial, mut edit, mut grown, mut shrunk) = (0, 0, 0, 0);
    for (index, before) in held.records.iter().enumerate() {
        while let Some(earlier) = edits.get(edit).filter(|edit| edit.range.end <= before.start) {
            (grown, shrunk) = (grown + earlier.replacement.len(), shrunk + earlier.range.len());
            edit += 1;
        }
        while trials.get(trial).is_some_and(|trial| trial.record < index) {
            trial += 1;
        }
        let own = trials.get(trial).filter(|trial| trial.record == index);
        let after = again.records.get(index);
        let same = after.is_some_and(|after| {
            let text = own.map_or_else(|| before.text.clone(), Trial::text);
            let mut counts = before.counts.clone();
            for (fix, _) in own.into_iter().flat_map(Trial::chosen) {
                let count = counts.keys().copied().find(|(code, _)| *code == fix.code);
                if let Some(count) = count.and_then(|key| counts.get_mut(&key)) {
                    *count -= 1;
                }
            }
            let fewer =
                |(key, count): (&_, &usize)| counts.get(key).copied().unwrap_or(0) >= *count;
            after.start == before.start + grown - shrunk
                && after.text == text
                && after.kind == before.kind
                && after.counts.iter().all(fewer)
        });
        if !same {
            // Without edits of its own, those before it are at fault, or else those behind.
            let at = match own {
                Some(_) => trial,
                None => trial.saturating_sub(1).min(trials.len() - 1),
            };
            if failed.last() != Some(&at) {
                failed.push(at);
            }
            if held.records.len() != again.records.len() {
                return failed;
            }
        }
    }
    if failed.is_empty() && held.records.len() != again.records.len() {
        failed.push(trials.len() - 1);
    }
    failed.dedup();
    failed
}
