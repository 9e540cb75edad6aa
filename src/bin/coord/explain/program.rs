//! What the program says: levels, severities, verdicts, formats, exit statuses, and the words of its
//! documentation.

use super::{Entry, wrap};
use crate::output::{ExitStatus, Format};
use coordination_protocol::finding::{Code, FindingSeverity, Level, Mode};
use coordination_protocol::message::Requirement;
use coordination_protocol::version::Compatibility;

/// The list of words in the documentation.
const README: &str = include_str!("../../../../README.md");

pub(super) fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> = glossary(README)
        .into_iter()
        .map(|(word, means)| Entry::new(word, "a word of the documentation", move || wrap(&means)))
        .collect();
    all.extend(ExitStatus::ALL.iter().map(|status| {
        Entry::new((*status as u8).to_string(), "an exit status", move || {
            format!("{}\n\n`--help` of each verb tells what it means there.", status.meaning())
        })
    }));
    all.extend(Format::ALL.iter().map(|format| {
        let word = format.word();
        Entry::new(word, "a format", move || {
            format!(
                "{}\n\n`--help` of each verb tells whether it has `--format {word}`.",
                format.meaning()
            )
        })
    }));
    all.extend(Level::ALL.iter().map(|level| {
        Entry::new(level.as_str(), "a level of validation", move || {
            let codes = Code::ALL.iter().filter(|code| code.level() == *level);
            let codes: Vec<&str> = codes.map(|code| code.as_str()).collect();
            format!("Findings of this level:\n{}", wrap(&codes.join(", ")))
        })
    }));
    for severity in FindingSeverity::ALL {
        all.push(Entry::new(severity.as_str(), "a severity of findings", move || {
            let of = |mode: Mode| {
                Code::ALL.iter().filter(|code| code.severity(mode) == *severity).count()
            };
            format!(
                "{} findings have it in strict mode, {} in interop mode; `coord explain` lists them.",
                of(Mode::Strict),
                of(Mode::Interop)
            )
        }));
    }
    all.extend(Requirement::ALL.iter().map(|need| {
        Entry::new(need.as_str(), "how much a field is required", move || need.meaning().to_owned())
    }));
    all.extend(Compatibility::ALL.iter().map(|word| {
        Entry::new(word.as_str(), "a word of `coord compat`", || {
            "What a reader of one version makes of a writer of another; `coord help compat` has the list."
                .to_owned()
        })
    }));
    all
}

/// The rows of the table of words: terms and meanings in the same order, so that each term gets its own
/// if there is one for each.
fn glossary(text: &'static str) -> Vec<(&'static str, String)> {
    let Some((_, section)) = text.split_once("\n## Words\n") else { return Vec::new() };
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter_map(|line| {
        let (terms, means) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        (terms != "word").then_some((terms, means))
    });
    let mut words = Vec::new();
    for (terms, means) in rows {
        let terms: Vec<&str> = terms.split(", ").collect();
        let parts: Vec<&str> = means.split("; ").collect();
        for (index, term) in terms.iter().enumerate() {
            let own = if parts.len() == terms.len() { parts[index] } else { means };
            words.push((*term, format!("{own}.")));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{README, glossary};

    #[test]
    fn each_term_has_its_own_meaning() {
        let words = glossary(README);
        let means = |term: &str| {
            let found = words.iter().find(|(word, _)| *word == term);
            found.map(|(_, means)| means.as_str()).unwrap_or_default()
        };
        assert!(words.len() > 20, "{}", words.len());
        assert_eq!(means("quorum"), "the weight of votes that decides.");
        assert_eq!(means("gate"), "validates what arrives, before any machine has it.");
    }
}
