//! Comments in files that ask for a finding not to be reported: `coord: ignore CODE`.
//!
//! In Markdown `<!-- coord: ignore CODE -->` (in MDX `{/* coord: ignore CODE */}`), in shell scripts and
//! YAML `# coord: ignore CODE`. Several codes are separated by commas; behind ` -- ` a reason may stand. A
//! comment that is alone on its line is about the record that comes next; one behind something else, about
//! the record on the same line. Logs and streams have no comments: what is in them comes from others.
//!
//! No comment excuses a finding of the security level, or one with which a record has no sound reading.
//! What is inside a record is no comment, so a record cannot excuse itself.

use super::codes::{BAD, UNUSED};
use super::judge::Excuse;
use crate::config;
use crate::source::Item;
use coordination_protocol::finding::{Code, Finding, Level};
use coordination_protocol::scan::{FileKind, LineIndex};
use std::ops::Range;

/// Where a byte is: line and column, from 1.
pub(crate) type Spot = (u64, u64);

/// The comments of one file.
#[derive(Default)]
pub(crate) struct Comments {
    /// In the order of their places.
    all: Vec<Comment>,
    /// Before this one, none is about a record that is still to come.
    next: usize,
    /// Those about the record that is judged.
    about: Vec<usize>,
    /// Where the records that were judged so far end.
    reached: Spot,
}

struct Comment {
    start: Spot,
    /// Whether nothing else is on its line, so that it is about the record that comes next.
    alone: bool,
    reason: Option<String>,
    codes: Vec<Listed>,
    /// What is wrong with it.
    problems: Vec<Finding>,
    /// Whether it is inside of a record, or has been about one.
    done: bool,
}

/// A code that a comment names.
struct Listed {
    code: Code,
    range: Range<usize>,
    used: bool,
}

/// How comments begin and end.
const MARKS: &[(&str, &str)] = &[("<!--", "-->"), ("/*", "*/"), ("#", "\n")];

const KEY: &str = "coord:";

/// The most bytes of a comment behind its key, the most codes of one, and the most comments about one
/// record that stand on its line: more is never needed, and the time for a hostile file stays linear.
const MAX_BYTES: usize = 1_000;
const MAX_CODES: usize = 50;
const MAX_BESIDE: usize = 50;
/// Behind this number of problems, the rest of a comment is not read.
const MAX_PROBLEMS: usize = 3;
/// For this number of unknown codes of a file the code that was meant is looked for, which takes a while.
const MAX_HINTS: usize = 50;

impl Comments {
    /// Finds the comments of a file.
    pub(crate) fn of(text: &str, kind: FileKind) -> Comments {
        let marks = match kind {
            FileKind::Markdown => MARKS,
            FileKind::Shell | FileKind::Yaml => &MARKS[2..],
            _ => &[],
        };
        let mut all = Vec::new();
        if !marks.is_empty() && text.contains(KEY) {
            let index = LineIndex::new(text);
            let keys = text.match_indices(KEY).map(|(at, _)| at);
            let mut hints = MAX_HINTS;
            all.extend(keys.filter_map(|at| comment(text, at, marks, &index, &mut hints)));
        }
        Comments { all, ..Comments::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Tells which comments are about a record. Records come in the order of their places.
    pub(crate) fn next(&mut self, item: &Item<'_>) {
        self.about.clear();
        if self.next == self.all.len() {
            return;
        }
        let start = item.position(0);
        let end = item.position(item.bytes.len());
        let mut beside = 0;
        for (index, comment) in self.all.iter_mut().enumerate().skip(self.next) {
            if comment.start.0 > end.0 || beside == MAX_BESIDE {
                break;
            }
            if comment.done {
                continue;
            }
            if start <= comment.start && comment.start < end {
                // It is inside of a record.
                comment.done = true;
                comment.codes.clear();
                comment.problems.clear();
            } else if comment.alone && comment.start < start && comment.start >= self.reached {
                comment.done = true;
                self.about.push(index);
            } else if !comment.alone && comment.start.0 >= start.0 {
                // The next record may be on the same line.
                self.about.push(index);
                beside += 1;
            } else if comment.start < start {
                comment.done = true;
            }
        }
        while self.all.get(self.next).is_some_and(|comment| comment.done) {
            self.next += 1;
        }
        self.reached = end;
    }

    /// Why a finding of the record is not to be reported, if a comment says so.
    pub(crate) fn excuse(&mut self, finding: &Finding) -> Option<Excuse> {
        for index in &self.about {
            let comment = &mut self.all[*index];
            if let Some(listed) = comment.codes.iter_mut().find(|l| l.code == finding.code) {
                listed.used = true;
                return Some(Excuse::Comment(comment.reason.clone()));
            }
        }
        None
    }

    /// What is wrong with the comments themselves, when all records were judged; ranges are bytes of the
    /// file.
    pub(crate) fn finish(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for comment in self.all {
            findings.extend(comment.problems);
            findings.extend(comment.codes.iter().filter(|listed| !listed.used).map(|listed| {
                Finding::new(UNUSED, listed.range.clone())
                    .with_detail(format!("there is no `{}` here to ignore", listed.code))
                    .with_hint("remove it")
            }));
        }
        findings.sort_by_key(|finding| finding.range.start);
        findings
    }
}

/// The comment whose key is at a byte.
fn comment(
    text: &str,
    at: usize,
    marks: &[(&str, &str)],
    index: &LineIndex<'_>,
    hints: &mut usize,
) -> Option<Comment> {
    let before = text[..at].trim_end_matches([' ', '\t']);
    let (opens, closes) = marks.iter().find(|(opens, _)| before.ends_with(opens))?;
    let opened = before.len() - opens.len();
    let head = &text[..opened];
    // In a shell, a `#` in the middle of a word begins no comment.
    if *opens == "#" && head.chars().next_back().is_some_and(|c| !c.is_whitespace()) {
        return None;
    }
    let rest = &text[at + KEY.len()..];
    let word = rest.trim_start_matches([' ', '\t']);
    let body =
        word.strip_prefix("ignore").filter(|body| !body.starts_with(char::is_alphanumeric))?;
    let start = text.len() - body.len();
    let mut most = body.len().min(MAX_BYTES);
    while !body.is_char_boundary(most) {
        most -= 1;
    }
    let (near, end) = (&body[..most], |mark: &str| body[..most].find(mark));
    let end = end(closes).or_else(|| end("\n")).unwrap_or(near.len());
    let behind = body[end..].strip_prefix(closes).unwrap_or(&body[end..]);
    let alone = is_blank(head.chars().rev()) && (*opens == "#" || is_blank(behind.chars()));
    let (list, reason) = match body[..end].find("--") {
        Some(dash) => (&body[..dash], Some(body[dash + 2..end].trim().to_owned())),
        None => (&body[..end], None),
    };
    let position = index.position(opened);
    let mut comment = Comment {
        start: (position.line as u64, position.column as u64),
        alone,
        reason: reason.filter(|reason| !reason.is_empty()),
        codes: Vec::new(),
        problems: Vec::new(),
        done: false,
    };
    let separator = |c: char| c.is_whitespace() || c == ',';
    for name in list.split(separator).filter(|name| !name.is_empty()).take(MAX_CODES) {
        let from = start + (name.as_ptr() as usize - body.as_ptr() as usize);
        let range = from..from + name.len();
        let bad = |problem: String| Finding::new(BAD, range.clone()).with_detail(problem);
        if comment.problems.len() == MAX_PROBLEMS {
            break;
        }
        let known = match config::known_code(name) {
            None if *hints > 0 => {
                *hints -= 1;
                config::code(name)
            }
            known => known.ok_or_else(|| format!("`{name}` is no finding code")),
        };
        match known {
            Err(problem) => comment.problems.push(bad(problem)),
            Ok(code) if code.is_fatal() || code.level() == Level::Security || is_own(code) => {
                let problem = format!("no comment can suppress `{code}`");
                comment.problems.push(bad(problem));
            }
            Ok(code) => comment.codes.push(Listed { code, range, used: false }),
        }
    }
    if comment.codes.is_empty() && comment.problems.is_empty() {
        let range = at..start;
        let problem = "the comment names no code to ignore";
        comment.problems.push(Finding::new(BAD, range).with_detail(problem));
    }
    Some(comment)
}

/// Whether nothing but marks of lists and quotations is on the rest of a line.
fn is_blank(mut rest: impl Iterator<Item = char>) -> bool {
    rest.find(|c| *c == '\n' || !" \t\r>*+-#{}".contains(*c)).is_none_or(|c| c == '\n')
}

/// Whether a code is about such comments.
fn is_own(code: Code) -> bool {
    code == BAD || code == UNUSED
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code or problem, whether it is alone, and the reason.
    fn found(text: &str, kind: FileKind) -> Vec<(String, bool, Option<String>)> {
        let comments = Comments::of(text, kind).all.into_iter();
        comments
            .map(|comment| {
                let codes: Vec<&str> = comment.codes.iter().map(|l| l.code.as_str()).collect();
                for listed in &comment.codes {
                    assert_eq!(&text[listed.range.clone()], listed.code.as_str());
                }
                let problems: Vec<String> =
                    comment.problems.iter().map(ToString::to_string).collect();
                (
                    format!("{}{}", codes.join("+"), problems.join("|")),
                    comment.alone,
                    comment.reason,
                )
            })
            .collect()
    }

    #[test]
    fn comments_are_found_where_they_are_comments() {
        let one = |code: &str, alone, reason: Option<&str>| {
            vec![(code.to_owned(), alone, reason.map(str::to_owned))]
        };
        for (text, expected) in [
            ("<!-- coord: ignore missing-data -->\n", one("missing-data", true, None)),
            ("<!--coord:ignore missing-data-->", one("missing-data", true, None)),
            ("> - <!-- coord: ignore missing-data -->", one("missing-data", true, None)),
            ("x <!-- coord: ignore missing-data -->", one("missing-data", false, None)),
            ("<!-- coord: ignore missing-data --> `x`", one("missing-data", false, None)),
            (
                "<!-- coord: ignore missing-data, wrong-kind -- on purpose -->",
                one("missing-data+wrong-kind", true, Some("on purpose")),
            ),
            ("{/* coord: ignore missing-data */}", one("missing-data", true, None)),
            ("# coord: ignore missing-data", one("missing-data", true, None)),
            ("<!-- coord: ignored -->", Vec::new()),
            ("<!-- coord: see below -->", Vec::new()),
            ("Write coord: ignore missing-data.", Vec::new()),
            ("<!-- coord: ignore -->", one("the comment names no code to ignore", true, None)),
            (
                "<!-- coord: ignore missing-date -->",
                one("`missing-date` is no finding code; did you mean `missing-data`?", true, None),
            ),
            (
                "<!-- coord: ignore broken-json -->",
                one("no comment can suppress `broken-json`", true, None),
            ),
            (
                "<!-- coord: ignore bad-signature -->",
                one("no comment can suppress `bad-signature`", true, None),
            ),
        ] {
            assert_eq!(found(text, FileKind::Markdown), expected, "{text}");
        }
        for (text, expected) in [
            ("  # coord: ignore missing-data", one("missing-data", true, None)),
            (
                "publish x # coord: ignore missing-data -- old",
                one("missing-data", false, Some("old")),
            ),
            ("x#coord: ignore missing-data", Vec::new()),
            ("<!-- coord: ignore missing-data -->", Vec::new()),
        ] {
            assert_eq!(found(text, FileKind::Shell), expected, "{text}");
            assert_eq!(found(text, FileKind::Yaml), expected, "{text}");
            assert_eq!(found(text, FileKind::Log), Vec::new(), "{text}");
        }
    }
}
