//! What a file holds, as far as fixes have to keep or to change it.

use super::super::suppress::Comments;
use super::Original;
use crate::input::Source;
use crate::output::Failure;
use crate::source::{Item, Kind, Seen, Sink};
use coordination_protocol::finding::{Code, Finding, FindingSeverity, TextEdit};
use coordination_protocol::scan::FileKind;
use coordination_protocol::validate::RecordKind;
use std::collections::BTreeMap;

/// A file that was read.
pub(super) struct Reread {
    /// What it was taken for; none for a stream of messages.
    pub(super) kind: Option<FileKind>,
    pub(super) records: Vec<Held>,
}

/// A record of it.
pub(super) struct Held {
    /// Where it starts, in bytes.
    pub(super) start: usize,
    pub(super) text: String,
    pub(super) kind: RecordKind,
    pub(super) counts: BTreeMap<(Code, FindingSeverity), usize>,
    pub(super) fixes: Vec<Fix>,
}

/// What takes one finding away.
pub(super) struct Fix {
    pub(super) code: Code,
    pub(super) in_record: Vec<TextEdit>,
    /// The same in the file, in each spelling that may be right.
    pub(super) in_file: Vec<Vec<TextEdit>>,
}

/// Reads a text as the content of a file; none if it cannot be read, or is no text.
pub(super) fn reread(original: &Original<'_>, text: &str, logs: bool) -> Option<Reread> {
    let Original { checker, path, origin, ignored } = original;
    let mut held = Collector {
        records: Vec::new(),
        event_lines: Vec::new(),
        ignored,
        comments: Comments::default(),
    };
    let Ok(Seen::Text(taken, _)) = checker.read_again(path, text, *origin, &mut held) else {
        return None;
    };
    let kind = match taken.kind {
        Kind::File(kind) => Some(kind),
        Kind::Messages => None,
    };
    let mut records = held.records;
    for (record, event_line) in records.iter_mut().zip(held.event_lines) {
        // What happened is not to be rewritten without need: event lines of a stream are a log, too.
        let log = match kind {
            Some(FileKind::Log | FileKind::EventLines) => true,
            Some(_) => false,
            None => event_line,
        };
        record.fixes.retain(|fix| if log { logs } else { fix.code != Code::ShellQuotes });
    }
    Some(Reread { kind, records })
}

struct Collector<'r> {
    records: Vec<Held>,
    /// Which of them are event lines.
    event_lines: Vec<bool>,
    ignored: &'r [Code],
    comments: Comments,
}

impl Sink for Collector<'_> {
    fn text(&mut self, _: &Source, text: &str, kind: FileKind) {
        self.comments = Comments::of(text, kind);
    }

    fn record(&mut self, _: &Source, item: Item<'_>) -> Result<(), Failure> {
        let report = &item.outcome.report;
        let text = String::from_utf8_lossy(item.bytes).into_owned();
        let readable = item.is_readable();
        self.comments.next(&item);
        // Whoever excused a finding wants the text as it is.
        let mut wanted = |finding: &&Finding| {
            readable
                && !self.ignored.contains(&finding.code)
                && self.comments.excuse(finding).is_none()
        };
        let fixes = report.findings().iter().filter(&mut wanted).filter_map(|finding| {
            let in_record = finding.fix(&text);
            let in_file = item.edits_of_file(&in_record);
            let code = finding.code;
            (!in_record.is_empty() && !in_file.is_empty()).then_some(Fix {
                code,
                in_record,
                in_file,
            })
        });
        let held = Held {
            start: item.start(),
            kind: item.outcome.kind,
            counts: report.counts(),
            fixes: fixes.collect(),
            text,
        };
        self.event_lines.push(item.is_in_log());
        self.records.push(held);
        Ok(())
    }
}
