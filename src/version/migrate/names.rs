//! Event types in the spellings of real-world input.

use crate::event::EventType;
use crate::json::{Edits, quoted};
use crate::version::loss::{Migrated, Rewrite};
use crate::version::record::{Record, Shape};

/// Respells the event type of a line, of an `event` body, or of a flat envelope.
pub(super) fn apply(record: &Record<'_>) -> Option<Migrated> {
    let (name, range, pointer) = match &record.shape {
        Shape::Line(header, range) => (header.type_name.into(), range.clone(), ""),
        Shape::Document(_) => {
            let (token, pointer) = match record.get("event") {
                Some(event) => (record.inside(event, "event_type")?, "/event/event_type"),
                None if record.has_body() => return None,
                None => (record.get("event_type")?, "/event_type"),
            };
            (record.meaning(token)?, token.range(), pointer)
        }
    };
    let known = registered(&name)?;
    let mut edits = Edits::new(record.text);
    let spelled = match pointer {
        "" => known.as_str().to_owned(),
        _ => quoted(known.as_str()),
    };
    edits.replace(range, spelled);
    let change = Rewrite::new(pointer, format!("the event type `{name}` became `{known}`"));
    Some(Migrated::new(edits.finish()).with_change(change))
}

/// The type that is meant by another spelling of its name.
fn registered(name: &str) -> Option<EventType> {
    let upper = name.to_ascii_uppercase().replace(['.', '-'], "_");
    if upper == name { None } else { EventType::lookup(&upper) }
}
