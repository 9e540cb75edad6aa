//! Control messages.

use super::{Found, Subject};
use crate::finding::Code;
use crate::message::{Message, MessageKind, peek};
use crate::scalar::RollbackMode;

pub(super) fn ranges(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Message::Hello(hello) = &subject.envelope.message else { return };
    for (index, range) in hello.versions.iter().enumerate() {
        if range.min > range.max {
            let path = subject.body(&format!("versions/{index}"));
            let (min, max) = (range.min.to_string(), range.max.to_string());
            found.differ(Code::EmptyRange, path, max, &min);
        }
    }
    let highest = hello.versions.iter().map(|range| &range.max).max();
    match (&hello.floor, highest) {
        (Some(floor), Some(highest)) if floor > highest => {
            let path = subject.body("floor");
            found.differ(Code::EmptyRange, path, highest.to_string(), &floor.to_string());
        }
        (_, None) => {
            found.differ(Code::EmptyRange, subject.body("versions"), "nothing", "nothing");
        }
        _ => {}
    }
}

pub(super) fn rollback(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Message::Rollback(rollback) = &subject.envelope.message else { return };
    let named = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let (mode, target) = match &rollback.mode {
        Some(mode @ RollbackMode::Partial) if !named(&rollback.parts) => (mode, "parts"),
        Some(mode @ RollbackMode::Selective)
            if !named(&rollback.agents) && !named(&rollback.tasks) =>
        {
            (mode, "agents or tasks")
        }
        _ => return,
    };
    found.differ(Code::RollbackWithoutTarget, subject.body("mode"), target, mode.as_str());
}

pub(super) fn letter(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Message::DeadLetter(letter) = &subject.envelope.message else { return };
    if peek(&letter.original).kind == MessageKind::DeadLetter {
        found.push(Code::LetterAboutLetter, subject.body("original"), |finding| finding);
    }
}
