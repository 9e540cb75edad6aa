//! The lines of an export.
//!
//! ```text
//! {"sum":"5d2f…","store":{"format":1,"revision":2,"first":1,"next":2,"entries":1,"cursors":1,"lanes":1}}
//! {"sum":"09ab…","entry":{"key":"state/wf_001","revision":2,"text":"…"}}
//! {"sum":"77c0…","record":{"position":1,"lane":"workflow/wf_001","id":"m7","base64":"…"}}
//! {"sum":"81fe…","lane":{"name":"workflow/wf_001","last":1}}
//! {"sum":"e1e1…","cursor":{"name":"monitor","position":2}}
//! {"sum":"90b2…","damaged":{"key":"state/wf_002","reason":"…","base64":"…"}}
//! {"sum":"4c3d…","end":{"lines":6}}
//! ```
//!
//! `sum` is 16 hexadecimal digits of the SHA-256 over the sum of the line before and the rest of
//! this line, so a line that was changed, lost, added or moved is seen where it happened. Bytes are
//! `text` where they are UTF-8, else `base64`. What is damaged in the store stands in its place, with
//! the bytes that are there; it has a `key`, a `position`, a `lane` or a `cursor`, and is not taken in. A record may have a
//! `lane`, an `id` and a `subject`; exports from before lanes have none of them, and no `lanes`.

use base64ct::{Base64, Encoding as _};
use coordination_protocol::adapter::sqlite::{Contents, DamagedItem, DamagedPlace, StoreItem};
use coordination_protocol::scalar::Digest;
use coordination_protocol::storage::{Bounds, Cursor, Entry, JournalRecord, Key, LaneEnd};
use serde::{Deserialize, Serialize};

/// The version of the format.
const FORMAT: u32 = 1;
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
        position: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        lane: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    Lane {
        name: String,
        last: u64,
    },
    Cursor {
        name: String,
        position: u64,
    },
    Damaged {
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

/// What is damaged, as a line of its own.
fn damaged(item: DamagedItem) -> Line {
    let DamagedItem { place, reason, data, .. } = item;
    let (text, base64) = data.map_or((None, None), |data| spell(&data));
    let (mut key, mut position, mut lane, mut cursor) = (None, None, None, None);
    match place {
        DamagedPlace::Entry(text) => key = Some(text),
        DamagedPlace::Record(number) => position = Some(number),
        DamagedPlace::Lane(name) => lane = Some(name),
        DamagedPlace::Cursor(name) => cursor = Some(name),
        _ => {}
    }
    Line::Damaged { key, position, lane, cursor, reason, text, base64 }
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
            StoreItem::Contents(Contents { revision, bounds, entries, cursors, lanes, .. }) => {
                let Bounds { first, next, .. } = bounds;
                Line::Store { format: FORMAT, revision, first, next, entries, cursors, lanes }
            }
            StoreItem::Entry(Entry { key, value, revision, .. }) => {
                let (text, base64) = spell(&value);
                Line::Entry { key: key.to_string(), revision, text, base64 }
            }
            StoreItem::Record(JournalRecord { position, lane, id, subject, data, .. }) => {
                let (text, base64) = spell(&data);
                let lane = lane.map(|lane| lane.to_string());
                let [id, subject] = [id, subject].map(|text| text.map(|text| text.to_string()));
                Line::Record { position, lane, id, subject, text, base64 }
            }
            StoreItem::Lane(LaneEnd { lane, last, .. }) => {
                Line::Lane { name: lane.to_string(), last: last.unwrap_or_default() }
            }
            StoreItem::Cursor(Cursor { name, position, .. }) => {
                Line::Cursor { name: name.to_string(), position }
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
            Line::Store { format: FORMAT, revision, first, next, entries, cursors, lanes } => {
                if first == 0 || next < first {
                    return Err(format!("a journal cannot span {first} to {next}"));
                }
                let bounds = Bounds::new(first, next);
                let contents = Contents::new(revision, bounds, entries, cursors);
                StoreItem::Contents(contents.with_lanes(lanes))
            }
            Line::Store { format, .. } => {
                return Err(format!("its format is {format}, this program knows {FORMAT}"));
            }
            Line::Entry { key: name, revision, text, base64 } => {
                StoreItem::Entry(Entry::new(key(name)?, bytes(text, base64)?, revision))
            }
            Line::Record { position, lane, id, subject, text, base64 } => {
                let mut record = JournalRecord::new(position, bytes(text, base64)?);
                record.lane = lane.map(key).transpose()?;
                record.id = id.map(Into::into);
                record.subject = subject.map(Into::into);
                StoreItem::Record(record)
            }
            Line::Lane { name, last } => StoreItem::Lane(LaneEnd::new(key(name)?, Some(last))),
            Line::Cursor { name, position } => StoreItem::Cursor(Cursor::new(key(name)?, position)),
            Line::Damaged { key, position, lane, cursor, reason, .. } => {
                let place = match (key, position, lane, cursor) {
                    (Some(key), None, None, None) => DamagedPlace::Entry(key),
                    (None, Some(position), None, None) => DamagedPlace::Record(position),
                    (None, None, Some(name), None) => DamagedPlace::Lane(name),
                    (None, None, None, Some(name)) => DamagedPlace::Cursor(name),
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
