//! `coord explain`
//!
//! Every word that the protocol or this program uses has an entry. Entries are made of the tables that
//! say what the words mean to the rest of the program, so that none is forgotten and none is wrong.

mod code;
mod error;
mod program;
mod protocol;

use crate::output::{CmdResult, ExitStatus, failure, say};
use coordination_protocol::scalar::nearest;
use std::collections::BTreeSet;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord explain single-quotes          a finding
  coord explain PHASE_COMPLETED        an event type
  coord explain allocation_request     a message
  coord explain retry_count            a field
  coord explain critical               a word of a field
  coord explain not-newer              an error
  coord explain 'dead letter'          a word of the documentation
  coord explain sarif 2                a format and an exit status
  coord explain

What several things are called is explained for each of them.

Exit status: 0 if all was explained.")]
pub(crate) struct Args {
    /// What to explain; lists the finding codes, and what else is known, if left out.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

/// One meaning of a word.
struct Entry {
    word: String,
    /// What kind of thing it is, such as `a field`.
    what: &'static str,
    page: Page,
}

/// Made when it is asked for: there are a thousand of them.
type Page = Box<dyn Fn() -> String>;

impl Entry {
    fn new(
        word: impl Into<String>,
        what: &'static str,
        page: impl Fn() -> String + 'static,
    ) -> Self {
        Entry { word: word.into(), what, page: Box::new(page) }
    }
}

/// All entries, those that are asked for most in front.
fn entries() -> Vec<Entry> {
    let mut all = code::entries();
    all.extend(protocol::entries());
    all.extend(program::entries());
    all.extend(error::entries());
    all
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let entries = entries();
    if args.words.is_empty() {
        code::list().lines().try_for_each(say)?;
        say("")?;
        let kinds: BTreeSet<&str> = entries.iter().map(|entry| entry.what).collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        say(format_args!("`coord explain WORD` also explains {}.", kinds.join(", ")))?;
        return Ok(ExitStatus::Done);
    }
    let pages: Vec<String> =
        args.words.iter().map(|word| pages(word, &entries)).collect::<Result<_, _>>()?;
    pages.join("\n\n").lines().try_for_each(say)?;
    Ok(ExitStatus::Done)
}

/// The pages of a word, or what to ask for instead.
fn pages(word: &str, entries: &[Entry]) -> Result<String, crate::output::Failure> {
    let exactly = |entry: &&Entry| entry.word == word;
    let mut found: Vec<&Entry> = entries.iter().filter(exactly).collect();
    if found.is_empty() {
        let plain = plain(word);
        let mut same = entries.iter().filter(|entry| self::plain(&entry.word) == plain).peekable();
        // One spelling of it counts; another one may be of another thing.
        if let Some(first) = same.peek() {
            let spelled = first.word.clone();
            found = same.filter(|entry| entry.word == spelled).collect();
        }
    }
    if found.is_empty() {
        let near = near(word, entries);
        return Err(failure(match near {
            Some(near) => {
                format!("`{word}` is not known; did you mean `{}`, {}?", near.word, near.what)
            }
            None => format!("`{word}` is not known; `coord explain` tells what is"),
        }));
    }
    let pages: Vec<String> = found
        .iter()
        .map(|entry| format!("{} ({})\n\n{}", entry.word, entry.what, (entry.page)().trim_end()))
        .collect();
    Ok(pages.join("\n\n"))
}

/// A word without its case and separators: `Task Failed`, `task.failed` and `TASK_FAILED` are one.
fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn near<'e>(word: &str, entries: &'e [Entry]) -> Option<&'e Entry> {
    let word = plain(word);
    let plain: Vec<(String, &Entry)> =
        entries.iter().map(|entry| (plain(&entry.word), entry)).collect();
    let near = nearest(&word, plain.iter().map(|(plain, _)| plain.as_str()))?;
    plain.iter().find(|(plain, _)| plain == near).map(|(_, entry)| *entry)
}

/// Breaks a paragraph into lines of at most 80 characters.
fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 80 {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{entries, pages};

    #[test]
    fn every_word_has_a_page_and_is_found_however_it_is_spelled() {
        let entries = entries();
        assert!(entries.len() > 600, "{}", entries.len());
        for entry in &entries {
            assert!(!entry.word.is_empty() && !entry.what.is_empty());
            let page = (entry.page)();
            assert!(page.trim().len() > 10, "{}: {page:?}", entry.word);
            let told = pages(&entry.word, &entries).unwrap();
            assert!(told.contains(page.trim_end()), "{}", entry.word);
            assert!(pages(&entry.word.to_lowercase().replace(['_', '-'], " "), &entries).is_ok());
        }
    }
}
