//! A unified diff.

use crate::input::Source;
use crate::output::printable;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;

/// Lines that are shown around a change.
const CONTEXT: usize = 3;
/// How many lines at most are looked at to find where two texts are alike again.
const FAR: usize = 64;

/// Writes how two texts differ, in the form that `patch` reads.
///
/// Edits keep lines apart but for line breaks that go away, so lines are matched by the next line
/// that both have.
pub(super) fn write(
    out: &mut dyn Write,
    source: &Source,
    before: &str,
    after: &str,
) -> io::Result<()> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let changes = changes(&old, &new);
    writeln!(out, "--- a/{source}\n+++ b/{source}")?;
    let mut at = 0;
    while at < changes.len() {
        let mut last = at;
        while let Some(next) = changes.get(last + 1)
            && next.0.start <= changes[last].0.end + 2 * CONTEXT
        {
            last += 1;
        }
        hunk(out, &old, &new, &changes[at..=last])?;
        at = last + 1;
    }
    Ok(())
}

/// The lines that differ, in both texts.
fn changes(old: &[&str], new: &[&str]) -> Vec<(Range<usize>, Range<usize>)> {
    let (mut changes, mut a, mut b) = (Vec::new(), 0, 0);
    while a < old.len() || b < new.len() {
        if old.get(a) == new.get(b) {
            (a, b) = (a + 1, b + 1);
            continue;
        }
        // The nearest pair of equal lines behind it.
        let found = (1..=FAR).find_map(|sum| {
            (0..=sum)
                .map(|i| (a + i, b + sum - i))
                .find(|(i, j)| old.get(*i).is_some_and(|line| new.get(*j) == Some(line)))
        });
        let (i, j) = found.unwrap_or((old.len(), new.len()));
        changes.push((a..i, b..j));
        (a, b) = (i, j);
    }
    changes
}

fn hunk(
    out: &mut dyn Write,
    old: &[&str],
    new: &[&str],
    changes: &[(Range<usize>, Range<usize>)],
) -> io::Result<()> {
    let [first, ..] = changes else { return Ok(()) };
    let last = changes.last().unwrap_or(first);
    let lead = first.0.start.min(CONTEXT);
    let tail = (old.len() - last.0.end).min(CONTEXT);
    let (from, to) = (first.0.start - lead, last.0.end + tail);
    let start = |at: usize, count: usize| if count == 0 { at } else { at + 1 };
    let (old_count, new_from) = (to - from, first.1.start - lead);
    let new_count = last.1.end + tail - new_from;
    writeln!(
        out,
        "@@ -{},{old_count} +{},{new_count} @@",
        start(from, old_count),
        start(new_from, new_count)
    )?;
    let mut at = from;
    for (gone, come) in changes {
        lines(out, ' ', &old[at..gone.start])?;
        lines(out, '-', &old[gone.clone()])?;
        lines(out, '+', &new[come.clone()])?;
        at = gone.end;
    }
    lines(out, ' ', &old[at..to])
}

fn lines(out: &mut dyn Write, mark: char, lines: &[&str]) -> io::Result<()> {
    // A terminal must not obey what a file holds; `patch` needs it as it is.
    let terminal = io::stdout().is_terminal();
    for line in lines {
        let text = line.strip_suffix('\n').unwrap_or(line);
        if terminal {
            writeln!(out, "{mark}{}", printable(text))?;
        } else {
            writeln!(out, "{mark}{text}")?;
        }
        if text.len() == line.len() {
            writeln!(out, "\\ No newline at end of file")?;
        }
    }
    Ok(())
}
