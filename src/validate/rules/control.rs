//! Control messages.

use super::{FindingSink, RuleInput};
use crate::finding::Code;
use crate::message::{Message, MessageKind, peek};
use crate::scalar::RollbackMode;

pub(super) fn ranges(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::Hello(hello) = &input.envelope.message else { return };
    for (index, range) in hello.versions.iter().enumerate() {
        if range.min > range.max {
            let path = input.body(&format!("versions/{index}"));
            let (min, max) = (range.min.to_string(), range.max.to_string());
            sink.differ(Code::EmptyRange, path, max, &min);
        }
    }
    let highest = hello.versions.iter().map(|range| &range.max).max();
    match (&hello.floor, highest) {
        (Some(floor), Some(highest)) if floor > highest => {
            let path = input.body("floor");
            sink.differ(Code::EmptyRange, path, highest.to_string(), &floor.to_string());
        }
        (_, None) => {
            sink.differ(Code::EmptyRange, input.body("versions"), "nothing", "nothing");
        }
        _ => {}
    }
}

pub(super) fn rollback(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::Rollback(rollback) = &input.envelope.message else { return };
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
    sink.differ(Code::RollbackWithoutTarget, input.body("mode"), target, mode.as_str());
}

pub(super) fn letter(input: &RuleInput<'_>, sink: &mut FindingSink<'_>) {
    let Message::DeadLetter(letter) = &input.envelope.message else { return };
    if peek(&letter.original).kind == MessageKind::DeadLetter {
        sink.push(Code::LetterAboutLetter, input.body("original"), |finding| finding);
    }
}
