//! What a check amounts to, in a few lines.

use super::tally::Tally;
use coordination_protocol::finding::Code;
use std::fmt::{self, Display};

/// A count and what is counted.
pub(crate) struct Count(pub(crate) u64, pub(crate) &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(count, what) = self;
        write!(f, "{count} {what}{}", if *count == 1 { "" } else { "s" })
    }
}

/// The lines below the counts of records: only what there is.
pub(crate) fn details(total: &Tally) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |title: &str, parts: &[String]| {
        if !parts.is_empty() {
            lines.push(format!("  {title}: {}", parts.join(", ")));
        }
    };
    let some = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    line("findings", &severities(total.findings()));
    line(
        "not reported",
        &[
            some(total.suppressed, "by comments in the files"),
            some(total.known, "by the baseline"),
            some(total.omitted, "by --max-findings"),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<String>>(),
    );
    if total.gone > 0 {
        let gone = Count(total.gone, "finding");
        line("baseline", &[format!("{gone} of it no longer there; write it anew")]);
    }
    let left_out = [Count(total.excluded, "file"), Count(total.excluded_folders, "folder")];
    line("left out by patterns", &some_of(&left_out));
    if total.ageless > 0 {
        let lines_of = Count(total.ageless, "event line");
        let why = "no header, so neither age nor replay is judged";
        line("freshness", &[format!("{lines_of}: {why}")]);
    }
    for told in &total.settings {
        lines.push(format!("  {told}"));
    }
    lines
}

fn severities([notes, warnings, errors]: [u64; 3]) -> Vec<String> {
    some_of(&[Count(errors, "error"), Count(warnings, "warning"), Count(notes, "note")])
}

fn some_of(counts: &[Count]) -> Vec<String> {
    counts.iter().filter(|count| count.0 > 0).map(Count::to_string).collect()
}

/// The findings by code, the most frequent first.
pub(crate) fn by_code(total: &Tally) -> Vec<String> {
    let mut codes: Vec<(&Code, u64)> =
        total.codes.iter().map(|(code, counts)| (code, counts.iter().sum())).collect();
    codes.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), code.as_str()));
    let width = codes.iter().map(|(code, _)| code.as_str().len()).max().unwrap_or_default();
    let line = |(code, count): (&Code, u64)| {
        format!("{count:>8}  {code:width$}  {}", severities(total.codes[code]).join(", "))
    };
    codes.into_iter().map(line).collect()
}
