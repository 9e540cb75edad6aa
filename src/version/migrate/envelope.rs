//! Events in one flat object.

use crate::event::EventHeader;
use crate::json::{Json, Kind, ObjectEdit, Token, quoted};
use crate::scalar::ProtocolVersion;
use crate::scalar::id::GLOBAL;
use crate::version::loss::{Loss, Migrated, Rewrite};
use crate::version::record::{Member, Record};

/// Where the keys of the dialect belong. Of two names for one place, the first present one counts.
const PLACES: &[(&str, &[&str])] = &[
    ("/message_id", &["event_id"]),
    ("/timestamp", &["timestamp"]),
    ("/source", &["source_component", "source_command"]),
    ("/priority", &["priority"]),
    ("/ttl_seconds", &["ttl_seconds"]),
    ("/routing_key", &["routing_key"]),
    ("/event/event_type", &["event_type"]),
    ("/event/workflow_id", &["workflow_id", "workflow_context"]),
    ("/event/phase", &["phase"]),
    ("/event/data", &["data", "payload"]),
];

/// Turns a flat event into an envelope with an `event`.
pub(super) fn apply(record: &Record<'_>) -> Option<Migrated> {
    let members = record.members();
    let nested = record.has_body();
    let is_event = record.get("event_type").is_some_and(|token| token.kind() == Kind::Text);
    let data = first(record, &["data", "payload"]).map(|(_, token)| token);
    if nested || !is_event || data.is_some_and(|token| token.kind() != Kind::Object) {
        return None;
    }
    let raw = |token: Token| Json::from_valid(token.raw(record.text)).as_str().to_owned();
    let mut migrated = Migrated::new("");
    let (mut envelope, mut event) = (ObjectEdit::default(), ObjectEdit::default());
    let version = quoted(&ProtocolVersion::V1_1_0.to_string());
    envelope.push("protocol_version", version.clone());
    let mut placed: Vec<&str> = Vec::new();
    for (place, names) in PLACES {
        let (object, key) = match place.strip_prefix("/event/") {
            Some(key) => (&mut event, key),
            None => (&mut envelope, &place[1..]),
        };
        match first(record, names) {
            Some((name, token)) => {
                object.push(key, raw(token));
                placed.push(name);
                if *place != format!("/{name}") {
                    migrated
                        .changes
                        .push(Rewrite::new(format!("/{name}"), format!("became {place}")));
                }
            }
            None if matches!(key, "workflow_id" | "phase") => {
                object.push(key, quoted(GLOBAL));
                let what = format!("{place} is `{GLOBAL}`, as the event names none");
                migrated.changes.push(Rewrite::new("", what));
            }
            None if key == "data" => {
                object.push(key, "{}");
                migrated
                    .changes
                    .push(Rewrite::new("", format!("{place} is empty, as there is none")));
            }
            None => {}
        }
    }
    for Member { key, value, .. } in members {
        let pointer = || {
            let mut pointer = String::new();
            crate::json::pointer::push_key(&mut pointer, key);
            pointer
        };
        if placed.contains(&&**key) {
            continue;
        }
        if key == "message" && repeats(record, *value) {
            migrated.changes.push(Rewrite::new("/message", "left out, as it repeats the fields"));
        } else if key == "message" {
            let reason = "the envelope has no text form of its event, and this one says otherwise";
            migrated.losses.push(Loss::new("/message", "`message`", reason));
        } else if !envelope.push(key, raw(*value)) && raw(*value) != version {
            let reason = format!("the envelope has a `{key}` of its own");
            migrated.losses.push(Loss::new(pointer(), format!("`{key}`"), reason));
        }
    }
    // An `event` of the dialect would have been a body.
    envelope.nest("event", &event);
    migrated.value = Some(envelope.finish());
    Some(migrated)
}

fn first<'n>(record: &Record<'_>, names: &[&'n str]) -> Option<(&'n str, Token)> {
    names.iter().find_map(|name| Some((*name, record.get(name)?)))
}

/// Whether a `message` text is the event line of the same fields.
fn repeats(record: &Record<'_>, message: Token) -> bool {
    let Some(line) = record.meaning(message) else { return false };
    let Ok(header) = EventHeader::parse(&line) else { return false };
    let says = |names: &[&str], part: &str| {
        let token = first(record, names).map(|(_, token)| token);
        token.and_then(|token| record.meaning(token)).is_some_and(|text| text == part)
    };
    let data = first(record, &["data", "payload"])
        .map_or("{}".to_owned(), |(_, token)| token.raw(record.text).to_owned());
    let (Ok(data), Ok(said)) = (data.parse::<Json>(), header.data.parse::<Json>()) else {
        return false;
    };
    says(&["event_type"], header.type_name)
        && says(&["workflow_id", "workflow_context"], header.workflow)
        && says(&["phase"], header.phase)
        && data == said
}
