//! What there is to tell of inputs beside their records: what each was taken for, and what was passed
//! over.

use coordination_protocol::scan::{FileKind, PassedOver};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

/// What an input is taken for, and what told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) kind: Kind,
    pub(crate) by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Messages and nothing else: whatever stands there is a record.
    Messages,
    /// A file in which messages are looked for.
    File(FileKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Option,
    Name,
    Content,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Messages => "messages",
            Kind::File(FileKind::EventLines) => "lines",
            Kind::File(kind) => kind.as_str(),
        })
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            By::Option => "as --as says",
            By::Name => "by its name",
            By::Content => "by its content",
        };
        write!(f, "taken for {} {by}", self.kind)
    }
}

/// What was read of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(Taken, PassedOver),
    /// It is no text, so nothing was looked for in it.
    Binary,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Binary => f.write_str("skipped: it is binary"),
            Seen::Text(taken, passed) => write!(f, "{taken}{}", Behind(*passed)),
        }
    }
}

/// What was passed over, behind other words.
struct Behind(PassedOver);

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PassedOver { objects, lines, .. } = self.0;
        if objects > 0 {
            write!(f, ", {} that {} no message", counted(objects as u64, "object"), is(objects))?;
        }
        if lines > 0 {
            write!(f, ", {} without a message", counted(lines as u64, "line"))?;
        }
        Ok(())
    }
}

/// What was read of all inputs; sums do not depend on the order.
#[derive(Default)]
pub(crate) struct ReadSummary {
    /// Inputs by what they were taken for.
    kinds: BTreeMap<String, u64>,
    passed: PassedOver,
    binary: u64,
    /// What on a walk is no file.
    special: u64,
}

impl ReadSummary {
    pub(crate) fn of(seen: Seen) -> Self {
        let mut summary = ReadSummary::default();
        match seen {
            Seen::Binary => summary.binary = 1,
            Seen::Text(taken, passed) => {
                summary.kinds.insert(taken.kind.to_string(), 1);
                summary.passed = passed;
            }
        }
        summary
    }

    /// The summary of something that is no file.
    pub(crate) fn special() -> Self {
        ReadSummary { special: 1, ..ReadSummary::default() }
    }
}

impl ReadSummary {
    /// Inputs that were read to their ends.
    pub(crate) fn texts(&self) -> u64 {
        self.kinds.values().sum()
    }

    /// Whether something was not looked at.
    pub(crate) fn is_partial(&self) -> bool {
        self.binary + self.special > 0
    }
}

impl AddAssign for ReadSummary {
    fn add_assign(&mut self, other: Self) {
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.passed.objects += other.passed.objects;
        self.passed.lines += other.passed.lines;
        self.binary += other.binary;
        self.special += other.special;
    }
}

/// `2 inputs (1 Markdown, 1 shell), 3 lines without a message, 1 binary file skipped`
impl fmt::Display for ReadSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.texts();
        f.write_str(&counted(texts, "input"))?;
        if texts > 0 {
            let kinds: Vec<String> =
                self.kinds.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
            write!(f, " ({})", kinds.join(", "))?;
        }
        write!(f, "{}", Behind(self.passed))?;
        if self.binary > 0 {
            write!(f, ", {} skipped", counted(self.binary, "binary input"))?;
        }
        if self.special > 0 {
            let special = counted(self.special, "special file");
            write!(f, ", {special} skipped")?;
        }
        Ok(())
    }
}

/// A count and a noun: `1 line`, `2 lines`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn is(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
