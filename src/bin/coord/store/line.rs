//! The lines of an export.
//!
//! ```text
//! {"sum":"5d2f…","store":{"format":1,"revision":2,"first":1,"next":2,"entries":1,"cursors":1,"lanes":1}}
//! {"sum":"09ab…","entry":{"key":"state/wf_001","revision":2,"text":"…"}}
//! {"sum":"77c0…","record":{"position":1,"lane":"workflow/wf_001","id":"m7","base64":"…"}}
//! {"sum":"81fe…","lane":{"name":"workflow/wf_001","last":1}}
//! {"sum":"e1e1…","cursor":{"name":"monitor","position":2}}
//! {"sum":"3f07…","record":{"log":"decisions","position":1,"lane":"workflow/wf_001","ends":true,"text":"…"}}
//! {"sum":"d04e…","lane":{"log":"decisions","name":"workflow/wf_001","last":1,"ended":true}}
//! {"sum":"90b2…","damaged":{"key":"state/wf_002","reason":"…","base64":"…"}}
//! {"sum":"4c3d…","end":{"lines":6}}
//! ```
//!
//! `sum` is 16 hexadecimal digits of the SHA-256 over the sum of the line before and the rest of
//! this line, so a line that was changed, lost, added or moved is seen where it happened. Bytes are
//! `text` where they are UTF-8, else `base64`. What is damaged in the store stands in its place, with
//! the bytes that are there; it has a `key`, a `position`, a `lane` or a `cursor`, and is not taken in. A record may have a
//! `lane`, an `id` and a `subject`; exports from before lanes have none of them, and no `lanes`. What has no
//! `log` is of the history. A store with decisions says in `decisions` what they span, and its format is 2;
//! others have format 1, as before there were decisions.

use base64ct::{Base64, Encoding as _};
use coordination_protocol::adapter::sqlite::{
    Contents, DamagedItem, DamagedPlace, KeptLane, LogContents, StoreItem,
};
use coordination_protocol::scalar::Digest;
use coordination_protocol::storage::{Bounds, Cursor, Entry, JournalRecord, Key, Log};
use serde::{Deserialize, Serialize};

/// The versions of the format: without decisions, and with them.
const FORMATS: [u32; 2] = [1, 2];
const DIGITS: usize = 16;
const BEFORE: &str = "{\"sum\":\"";
const BEHIND: &str = "\",";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Store {
        format: u32,
        revision: u64,
        first: u64,
        next: u64,
        entries: u64,
        cursors: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        lanes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decisions: Option<Span>,
    },
    Entry {
        key: String,
        revision: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    Record {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
        position: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        lane: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        ends: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    Lane {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
        name: String,
        last: u64,
        #[serde(default, skip_serializing_if = "is_false")]
        ended: bool,
    },
    Cursor {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
        name: String,
        position: u64,
    },
    Damaged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lane: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        reason: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    End {
        lines: u64,
    },
}

/// What a log has.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    first: u64,
    next: u64,
    cursors: u64,
    lanes: u64,
}

impl Span {
    fn contents(self) -> Result<LogContents, String> {
        let Span { first, next, cursors, lanes } = self;
        if first == 0 || next < first {
            return Err(format!("a journal cannot span {first} to {next}"));
        }
        Ok(LogContents::new(Bounds::new(first, next), cursors, lanes))
    }
}

impl From<LogContents> for Span {
    fn from(LogContents { bounds, cursors, lanes, .. }: LogContents) -> Self {
        Span { first: bounds.first, next: bounds.next, cursors, lanes }
    }
}

/// How a log is named in a line.
fn log_name(log: Log) -> Option<String> {
    (log != Log::default()).then(|| log.to_string())
}

fn named_log(name: Option<String>) -> Result<Log, String> {
    name.map_or(Ok(Log::default()), |name| name.parse().map_err(|error| format!("{error}")))
}

/// What is damaged, as a line of its own.
fn damaged(item: DamagedItem) -> Line {
    let DamagedItem { place, reason, data, .. } = item;
    let (text, base64) = data.map_or((None, None), |data| spell(&data));
    let (mut key, mut position, mut lane, mut cursor) = (None, None, None, None);
    let log = match place {
        DamagedPlace::Entry(text) => {
            key = Some(text);
            None
        }
        DamagedPlace::Record(log, number) => {
            position = Some(number);
            log_name(log)
        }
        DamagedPlace::Lane(log, name) => {
            lane = Some(name);
            log_name(log)
        }
        DamagedPlace::Cursor(log, name) => {
            cursor = Some(name);
            log_name(log)
        }
        _ => None,
    };
    Line::Damaged { log, key, position, lane, cursor, reason, text, base64 }
}

/// A line of JSON about what is damaged, without a sum: what a repair saves before it removes it.
pub(super) fn saved(item: DamagedItem) -> Result<String, String> {
    let json = serde_json::to_string(&damaged(item)).map_err(|error| error.to_string())?;
    Ok(format!("{json}\n"))
}

/// What a line says.
pub(super) enum Read {
    Item(StoreItem),
    /// The last line.
    End,
}

/// Counts the lines and chains their sums.
pub(super) struct Chain {
    sum: String,
    pub(super) lines: u64,
}

impl Chain {
    pub(super) fn new() -> Self {
        Chain { sum: String::new(), lines: 0 }
    }

    fn next(&mut self, rest: &str) -> &str {
        let digest = Digest::of([&self.sum, rest].concat().as_bytes());
        let hex = digest.as_str().trim_start_matches("sha256:");
        hex[..DIGITS].clone_into(&mut self.sum);
        self.lines += 1;
        &self.sum
    }

    pub(super) fn item(&mut self, item: StoreItem) -> Result<String, String> {
        self.write(&match item {
            StoreItem::Contents(Contents { revision, entries, history, decisions, .. }) => {
                let Span { first, next, cursors, lanes } = history.into();
                let decisions = (decisions != LogContents::NONE).then(|| decisions.into());
                let format = FORMATS[usize::from(decisions.is_some())];
                Line::Store { format, revision, first, next, entries, cursors, lanes, decisions }
            }
            StoreItem::Entry(Entry { key, value, revision, .. }) => {
                let (text, base64) = spell(&value);
                Line::Entry { key: key.to_string(), revision, text, base64 }
            }
            StoreItem::Record(log, record) => {
                let JournalRecord { position, lane, id, subject, ends_lane, data, .. } = record;
                let (text, base64) = spell(&data);
                let lane = lane.map(|lane| lane.to_string());
                let [id, subject] = [id, subject].map(|text| text.map(|text| text.to_string()));
                let (log, ends) = (log_name(log), ends_lane);
                Line::Record { log, position, lane, id, subject, ends, text, base64 }
            }
            StoreItem::Lane(log, KeptLane { lane, last, ended, .. }) => {
                Line::Lane { log: log_name(log), name: lane.to_string(), last, ended }
            }
            StoreItem::Cursor(log, Cursor { name, position, .. }) => {
                Line::Cursor { log: log_name(log), name: name.to_string(), position }
            }
            StoreItem::Damaged(item) => damaged(item),
            other => return Err(format!("an export has no room for {other:?}")),
        })
    }

    pub(super) fn end(&mut self) -> Result<String, String> {
        self.write(&Line::End { lines: self.lines + 1 })
    }

    fn write(&mut self, line: &Line) -> Result<String, String> {
        let json = serde_json::to_string(line).map_err(|error| error.to_string())?;
        let rest = &json[1..];
        let sum = self.next(rest);
        Ok(format!("{BEFORE}{sum}{BEHIND}{rest}\n"))
    }

    /// Reads the next line, without its end.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<Read, String> {
        let parts = std::str::from_utf8(line).ok().and_then(|line| {
            let (sum, rest) = line.strip_prefix(BEFORE)?.split_once(BEHIND)?;
            Some((sum, rest))
        });
        let Some((sum, rest)) = parts else {
            return Err("this is no line of an export, or it is damaged".to_owned());
        };
        if self.next(rest) != sum {
            return Err("the line is damaged, or one before it is missing".to_owned());
        }
        let line = serde_json::from_str(&format!("{{{rest}")).map_err(|error| error.to_string())?;
        let key = |text: String| Key::parse(&text).map_err(|error| format!("`{text}`: {error}"));
        Ok(Read::Item(match line {
            Line::Store { format, .. } if !FORMATS.contains(&format) => {
                return Err(format!("its format is {format}, this program knows {}", FORMATS[1]));
            }
            Line::Store { revision, first, next, entries, cursors, lanes, decisions, .. } => {
                let history = Span { first, next, cursors, lanes }.contents()?;
                let contents = Contents::new(revision, entries, history);
                StoreItem::Contents(match decisions {
                    Some(decisions) => contents.with_decisions(decisions.contents()?),
                    None => contents,
                })
            }
            Line::Entry { key: name, revision, text, base64 } => {
                StoreItem::Entry(Entry::new(key(name)?, bytes(text, base64)?, revision))
            }
            Line::Record { log, position, lane, id, subject, ends, text, base64 } => {
                let mut record = JournalRecord::new(position, bytes(text, base64)?);
                record.lane = lane.map(key).transpose()?;
                record.id = id.map(Into::into);
                record.subject = subject.map(Into::into);
                record.ends_lane = ends;
                StoreItem::Record(named_log(log)?, record)
            }
            Line::Lane { log, name, last, ended } => {
                let kept = KeptLane::new(key(name)?, last).with_ended(ended);
                StoreItem::Lane(named_log(log)?, kept)
            }
            Line::Cursor { log, name, position } => {
                StoreItem::Cursor(named_log(log)?, Cursor::new(key(name)?, position))
            }
            Line::Damaged { log, key, position, lane, cursor, reason, .. } => {
                let log = named_log(log)?;
                let place = match (key, position, lane, cursor) {
                    (Some(key), None, None, None) => DamagedPlace::Entry(key),
                    (None, Some(position), None, None) => DamagedPlace::Record(log, position),
                    (None, None, Some(name), None) => DamagedPlace::Lane(log, name),
                    (None, None, None, Some(name)) => DamagedPlace::Cursor(log, name),
                    _ => {
                        let needed = "it needs one of `key`, `position`, `lane` and `cursor`";
                        return Err(needed.to_owned());
                    }
                };
                StoreItem::Damaged(DamagedItem::new(place, reason))
            }
            Line::End { lines } if lines == self.lines => return Ok(Read::End),
            Line::End { lines } => return Err(format!("this should be line {lines}")),
        }))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

fn spell(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(Base64::encode_string(bytes))),
    }
}

fn bytes(text: Option<String>, base64: Option<String>) -> Result<Vec<u8>, String> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(base64)) => Base64::decode_vec(&base64).map_err(|error| error.to_string()),
        _ => Err("it needs either `text` or `base64`".to_owned()),
    }
}
