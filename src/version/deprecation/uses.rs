//! Finding in a record what is deprecated.

use super::{Calendar, DeprecatedItem, FieldPath, Notice};
use crate::finding::{Code, Finding, FindingSeverity, Report};
use crate::json::{self, Dialect, Kind, Limits, Token, pointer};
use crate::version::date::Date;
use crate::version::record::{Record, Shape};
use smol_str::format_smolstr;
use std::ops::Range;

impl Calendar {
    /// What an event line or a JSON document uses of what is announced to end, as of a day.
    ///
    /// A record that cannot be read gives no findings here; reading it gives others.
    pub fn check(&self, record: &str, on: Date) -> Report {
        self.check_within(record, on, &Limits::DEFAULT)
    }

    /// Like [`check`](Self::check), with limits of the caller's.
    pub(crate) fn check_within(&self, record: &str, on: Date, limits: &Limits) -> Report {
        let mut report = Report::new();
        let Ok(record) = Record::read_as(record, Dialect::SingleQuoted, limits) else {
            return report;
        };
        let parts = Parts::of(&record);
        for notice in &self.notices {
            let Some(severity) = notice.severity_on(on) else { continue };
            if let Some((range, pointer)) = parts.uses(notice.subject()) {
                let finding = finding(notice, severity, range).with_pointer(pointer);
                report.push(finding, limits.findings);
            }
        }
        report.sort();
        report
    }
}

fn finding(notice: &Notice, severity: FindingSeverity, range: Range<usize>) -> Finding {
    let code = match severity {
        FindingSeverity::Error => Code::SunsetPassed,
        _ => Code::Deprecated,
    };
    let instead = notice.replacement();
    let hint = instead.map_or(String::new(), |name| format!("; use `{name}`"));
    Finding::new(code, range)
        .with_severity(severity)
        .with_expected(instead.unwrap_or_default())
        .with_actual(&notice.subject().to_string())
        .with_detail(format_smolstr!("{}{hint}", notice.sunset()))
}

/// Where the parts of a record are that a notice can be about.
struct Parts<'r> {
    record: &'r Record<'r>,
    /// The event's type, the place and pointer of its name, and the place and pointer of its data.
    event: Option<(String, Range<usize>, &'static str, usize, &'static str)>,
}

impl<'r> Parts<'r> {
    fn of(record: &'r Record<'r>) -> Self {
        let event = match &record.shape {
            Shape::Line(header, range) => {
                let data = record.start
                    + header.type_name.len()
                    + header.workflow.len()
                    + header.phase.len()
                    + 3;
                let blanks = header.data.len() - header.data.trim_ascii_start().len();
                Some((header.type_name.to_owned(), range.clone(), "", data + blanks, ""))
            }
            Shape::Document(_) => match record.get("event") {
                Some(event) => {
                    let data = record.inside(event, "data").map_or(event.end(), Token::start);
                    let name = record.inside(event, "event_type");
                    name.and_then(|name| {
                        let meaning = record.meaning(name)?.into_owned();
                        Some((meaning, name.range(), "/event/event_type", data, "/event/data"))
                    })
                }
                // The field's flat event.
                None if !record.has_body() => record.get("event_type").and_then(|name| {
                    let at = if record.get("data").is_some() { "data" } else { "payload" };
                    let data = record.get(at).map_or(name.end(), Token::start);
                    let pointer = if at == "data" { "/data" } else { "/payload" };
                    let meaning = record.meaning(name)?.into_owned();
                    Some((meaning, name.range(), "/event_type", data, pointer))
                }),
                None => None,
            },
        };
        Parts { record, event }
    }

    /// Where a subject is used, and the pointer of that place.
    fn uses(&self, subject: &DeprecatedItem) -> Option<(Range<usize>, String)> {
        match subject {
            DeprecatedItem::EventType(name) => {
                let (used, range, at, ..) = self.event.as_ref()?;
                (used == name).then(|| (range.clone(), (*at).to_owned()))
            }
            DeprecatedItem::Message(name) => {
                let member = self.record.members().iter().find(|member| member.key == **name)?;
                Some((member.name.range(), format!("/{name}")))
            }
            DeprecatedItem::Field(path) => {
                let (key, _, at) = self.field(path)?;
                Some((key.range(), at))
            }
            DeprecatedItem::Word { of, word } => {
                let (_, value, at) = self.field(of)?;
                let said = value.kind() == Kind::Text && value.means(self.record.text, word);
                said.then(|| (value.range(), at))
            }
            DeprecatedItem::Version(version) => {
                let value = self.record.get("protocol_version")?;
                let said = value.kind() == Kind::Text
                    && value.means(self.record.text, &version.to_string());
                (said && self.record.has_body())
                    .then(|| (value.range(), "/protocol_version".to_owned()))
            }
        }
    }

    /// The key and the value of a field, and its pointer.
    fn field(&self, path: &FieldPath) -> Option<(Token, Token, String)> {
        let text = self.record.text;
        let (root, base) = match &self.event {
            Some((name, .., data, base)) if name == path.owner() => (*data, (*base).to_owned()),
            _ => (self.record.get(path.owner())?.start(), format!("/{}", path.owner())),
        };
        let (around, last) = pointer::split_last(path.pointer())?;
        let object = pointer::find(text, root, around)?;
        if object.kind() != Kind::Object {
            return None;
        }
        let (key, value) =
            json::members(text, object.start()).find(|(key, _)| key.means(text, last.key()))?;
        Some((key, value, format!("{base}{}", path.pointer())))
    }
}
