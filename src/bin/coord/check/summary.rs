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
    let [notes, warnings, errors] = total.findings();
    let mut line = |title: &str, counts: &[Count]| {
        let counts: Vec<String> =
            counts.iter().filter(|count| count.0 > 0).map(Count::to_string).collect();
        if !counts.is_empty() {
            lines.push(format!("  {title}: {}", counts.join(", ")));
        }
    };
    let omitted = Count(total.omitted, "beyond the limit of a record");
    let counts = [Count(errors, "error"), Count(warnings, "warning"), Count(notes, "note")];
    line("findings", &counts);
    if omitted.0 > 0 {
        lines.push(format!("  not shown: {} {}", omitted.0, omitted.1));
    }
    lines
}

/// The findings by code, the most frequent first.
pub(crate) fn by_code(total: &Tally) -> Vec<String> {
    let mut codes: Vec<(&Code, u64)> =
        total.codes.iter().map(|(code, counts)| (code, counts.iter().sum())).collect();
    codes.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), code.as_str()));
    let width = codes.iter().map(|(code, _)| code.as_str().len()).max().unwrap_or_default();
    let line = |(code, count): (&Code, u64)| {
        let [notes, warnings, errors] = total.codes[code];
        let parts = [Count(errors, "error"), Count(warnings, "warning"), Count(notes, "note")];
        let parts: Vec<String> =
            parts.iter().filter(|part| part.0 > 0).map(Count::to_string).collect();
        format!("{count:>8}  {code:width$}  {}", parts.join(", "))
    };
    codes.into_iter().map(line).collect()
}
