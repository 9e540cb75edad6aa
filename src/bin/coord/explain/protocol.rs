//! What is written: event types, messages, fields, words.

use super::{Entry, wrap};
use crate::registry::field_type;
use coordination_protocol::event::{Category, EventType, FieldType, REGISTRY};
use coordination_protocol::merge::{MergeRule, STATE_ROWS, Strategy};
use coordination_protocol::message::{MemberSpec, MessageKind, OBJECTS, Shape};
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(super) fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> = EventType::ALL
        .iter()
        .map(|kind| Entry::new(kind.as_str(), "an event type", move || type_page(*kind)))
        .collect();
    all.extend(Category::KNOWN.iter().map(|category| {
        Entry::new(category.as_str(), "a category of events", move || {
            let types = REGISTRY.iter().filter(|spec| spec.category == *category);
            let types: Vec<String> =
                types.map(|spec| format!("  {:<24} {}", spec.event_type, spec.summary)).collect();
            format!("Its event types:\n{}", types.join("\n"))
        })
    }));
    all.extend(
        MessageKind::KNOWN
            .iter()
            .map(|kind| Entry::new(kind.as_str(), "a message", move || message_page(*kind))),
    );
    all.extend(fields());
    all.extend(words());
    all.extend(
        FieldType::ALL.iter().map(|kind| {
            Entry::new(kind.as_str(), "a type of values", move || field_type_page(*kind))
        }),
    );
    all.extend(MergeRule::ALL.iter().map(|rule| {
        Entry::new(rule.as_str(), "a merge rule", move || {
            let rows = STATE_ROWS.iter().filter(|row| row.rule() == *rule);
            let used: Vec<String> = rows.map(|row| format!("  {}", row.pointer())).collect();
            format!("{}\n\nFields of a state that it merges:\n{}", rule.summary(), used.join("\n"))
        })
    }));
    all.extend(Strategy::ALL.iter().map(|strategy| {
        let name = strategy.as_str();
        Entry::new(name, "a merge strategy", move || {
            format!("What `coord state merge --strategy {name}` does with what no rule settles.")
        })
    }));
    all
}

fn type_page(kind: EventType) -> String {
    let spec = kind.spec();
    let mut out = format!(
        "{}\n\ncategory: {}   since: {}   routing: {}\n\nRequired data:\n",
        spec.summary,
        spec.category,
        spec.since,
        spec.routing(),
    );
    for field in spec.required() {
        let _ = writeln!(out, "  {:<22} {}", field.name, field_type(field));
    }
    if let Some(alias) = spec.alias {
        let _ = writeln!(out, "\nPatterns may also say: {}.*.{alias}", spec.category);
    }
    out
}

fn message_page(kind: MessageKind) -> String {
    let Some(spec) = kind.spec() else { return String::new() };
    let mut out = format!("{}\n\nsince: {}\n\nFields:\n", spec.summary, kind.since());
    for member in spec.members {
        let (name, need) = (member.name, member.requirement.as_str());
        let _ = writeln!(
            out,
            "  {name:<26} {:<12} {need:<12} {}",
            looks(&member.shape),
            member.summary
        );
    }
    let _ = writeln!(out, "\n`coord schema {kind}` prints its JSON Schema.");
    out
}

/// What a value looks like, in a word.
fn looks(shape: &Shape) -> &'static str {
    match shape {
        Shape::Leaf(leaf) => leaf.as_str(),
        Shape::Object(_) => "object",
        Shape::List(_) => "list",
        Shape::Map(_) => "map",
        _ => "value",
    }
}

/// Every member of every object, with the object's name.
fn members() -> impl Iterator<Item = (String, &'static MemberSpec)> {
    let objects = OBJECTS.iter().flat_map(|object| {
        object.members.iter().map(|member| (format!("in {}", object.name), member))
    });
    let data = REGISTRY.iter().flat_map(|spec| {
        spec.required().iter().map(|member| (format!("in the data of {}", spec.event_type), member))
    });
    objects.chain(data)
}

/// The fields, each with all places where it stands.
fn fields() -> impl Iterator<Item = Entry> {
    let mut places: BTreeMap<&str, Vec<(String, &MemberSpec)>> = BTreeMap::new();
    for (place, member) in members() {
        places.entry(member.name).or_default().push((place, member));
    }
    places.into_iter().map(|(name, places)| {
        Entry::new(name, "a field", move || {
            let lines: Vec<String> = places
                .iter()
                .map(|(place, member)| {
                    let (shape, need) = (looks(&member.shape), member.requirement.as_str());
                    let gap = if member.summary.is_empty() { "" } else { ". " };
                    let line = format!("{place}: {shape}, {need}{gap}{}", member.summary);
                    format!("  {}", wrap(&line).replace('\n', "\n    "))
                })
                .collect();
            lines.join("\n")
        })
    })
}

/// The words of closed lists.
fn words() -> impl Iterator<Item = Entry> {
    let lists = FieldType::ALL.iter().filter_map(|kind| Some((*kind, kind.words()?)));
    lists.flat_map(|(kind, words)| {
        words.iter().map(move |word| {
            Entry::new(*word, "a word of a field", move || {
                format!("One of the words of `{kind}`: {}.\n\n{}", words.join(", "), uses(kind))
            })
        })
    })
}

/// The fields that have values of a type.
fn uses(kind: FieldType) -> String {
    let used: Vec<String> = members()
        .filter(|(_, member)| holds(&member.shape, kind))
        .map(|(place, member)| format!("  {} {place}", member.name))
        .collect();
    if used.is_empty() { String::new() } else { format!("Fields with it:\n{}", used.join("\n")) }
}

fn holds(shape: &Shape, kind: FieldType) -> bool {
    match shape {
        Shape::Leaf(leaf) => *leaf == kind,
        Shape::List(inner) | Shape::Map(inner) => holds(inner, kind),
        _ => false,
    }
}

fn field_type_page(kind: FieldType) -> String {
    let words =
        kind.words().map_or(String::new(), |words| format!("Words: {}.\n\n", words.join(", ")));
    let uses = uses(kind);
    if uses.is_empty() { format!("{words}No field of the tables has it.") } else { words + &uses }
}
