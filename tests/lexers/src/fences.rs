//! Fences, as a parser of CommonMark sees them.
//!
//! Documents are put together of lines that open, close and interrupt blocks. Each fence holds lines
//! that are messages of their own, so what is found tells which lines were taken for the content of
//! which fence.

use crate::support::{Rng, scaled};
use coordination_protocol::json::Limits;
use coordination_protocol::scan::{FileKind, Place, scan_as};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// What may stand before the rest of a line.
const BEFORE: &[&str] = &[
    "", "", "", "", " ", "  ", "   ", "    ", "     ", "\t", "> ", ">", ">\t", "> > ", "- ", "-\t",
    "-   ", "-     ", "* ", "+ ", "1. ", "2. ", "10) ", "1.\t", "  - ", "    - ", "   > ", "- - ",
    "> - ", "- > ", "> 1. ", "      ", "        ", "\t\t", "   1. ", "-\t\t",
];

/// What opens, closes and interrupts.
const REST: &[&str] = &[
    "```",
    "```",
    "```text",
    "````",
    "~~~",
    "~~~ text",
    "~~~~",
    "```text `x`",
    "``` text x",
    "``",
    "text",
    "text",
    "",
    "",
    "",
    "# Heading",
    "---",
    "***",
    "===",
    "<div>",
    "</div>",
    "<!-- x",
    "-->",
    "<!-- x -->",
    "<b>",
    "<b>x",
    "<pre>",
    "</pre>",
    "- - -",
    "-",
    "1.",
    "#text",
    "| a | b |",
    "|---|---|",
    "[x]: /y",
    "{M}",
    "{M}",
    "{M}",
    "{M}",
    "{M}",
    "{M}",
];

fn document(rng: &mut Rng) -> String {
    let mut document = String::new();
    let mut count = 0;
    for _ in 0..1 + rng.below(14) {
        for _ in 0..1 + rng.below(2) {
            document.push_str(BEFORE[rng.below(BEFORE.len())]);
        }
        // The parser takes a tab for less than its columns before a mark of quotation.
        document = document.replace("\t>", "    >");
        match REST[rng.below(REST.len())] {
            "{M}" => {
                count += 1;
                document.push_str(&message(count));
            }
            rest => document.push_str(rest),
        }
        document.push('\n');
    }
    document
}

fn message(number: usize) -> String {
    format!("TASK_FAILED:wf_1:build:{{\"task_id\":\"t{number}\"}}")
}

/// The messages on lines of a fence. Marks of lists before them are left to the tests of what a
/// message is, but for those with a tab, which are passed over here.
fn messages(document: &str, lines: &str) -> Vec<String> {
    let held = lines.lines().filter_map(|line| line.find("TASK_FAILED").map(|at| &line[at..]));
    let tabbed = |message: &str| {
        let line = document.lines().find(|line| line.contains(message)).unwrap_or_default();
        ["-\t", ".\t"].iter().any(|mark| line.contains(mark))
    };
    held.map(|held| held.trim_end().to_owned()).filter(|held| !tabbed(held)).collect()
}

fn by_oracle(document: &str) -> Vec<(String, Vec<String>)> {
    let (mut fences, mut open) = (Vec::new(), None);
    for event in Parser::new_ext(document, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                open = Some((info.to_string(), String::new()));
            }
            Event::Text(text) => {
                if let Some((_, held)) = &mut open {
                    held.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((info, held)) = open.take() {
                    let held = messages(document, &held);
                    if !held.is_empty() {
                        fences.push((info, held));
                    }
                }
            }
            _ => {}
        }
    }
    fences
}

fn by_scan(document: &str) -> Vec<(String, Vec<String>)> {
    let mut fences: Vec<(String, Vec<String>)> = Vec::new();
    let mut last = 0;
    for snippet in scan_as(document, FileKind::Markdown, &Limits::default()) {
        let Place::Fence { info } = snippet.place else { continue };
        let held = messages(document, &snippet.text);
        if held.is_empty() {
            continue;
        }
        // Fences are told apart by where their infos stand.
        let at = info.as_ptr() as usize;
        match fences.last_mut() {
            Some((_, before)) if last == at => before.extend(held),
            _ => fences.push((info.to_owned(), held)),
        }
        last = at;
    }
    fences
}

#[test]
fn fences_are_those_of_commonmark() {
    let mut held = 0;
    for number in 0..scaled(20_000) as u64 {
        let document = document(&mut Rng::new(number));
        let expected = by_oracle(&document);
        held += expected.len();
        assert_eq!(by_scan(&document), expected, "case {number}:\n{document}");
    }
    assert!(held > scaled(20_000) / 20, "only {held} fences hold anything");
}
