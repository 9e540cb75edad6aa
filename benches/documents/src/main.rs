//! Measures messages: the verdict, reading and refusing, each against `serde_json::Value` and a
//! validator of the `jsonschema` crate.
//!
//! Ratios count, nanoseconds only give the scale. Run it with `--features count-alloc` for the
//! allocations, and with a word to measure only the tables whose title has it.

#[path = "../../common/alloc.rs"]
mod alloc;
mod corpus;
#[path = "../../common/harness.rs"]
mod harness;
mod reference;

use coordination_protocol::{Codec, Envelope, Mode};
use corpus::{Document, FAULTS};
use harness::{Row, SHORT, row, table};
use jsonschema::Validator;

static STRICT: Codec = Codec::new(Mode::Strict);

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default().to_lowercase();
    let run = |title: &str, items: usize, rows: Vec<Row<'_>>| {
        if title.to_lowercase().contains(&wanted) {
            table(title, items, SHORT, rows);
        }
    };
    let committed = reference::committed();
    let (compact, pretty, larger) = (corpus::compact(), corpus::pretty(), corpus::larger());
    for document in compact.iter().chain(&pretty).chain(&larger) {
        accepted(document);
        assert!(reference::accepts(&committed, &document.text), "{}", document.name);
    }
    for (title, documents) in [("compact", &compact), ("pretty-printed", &pretty)] {
        let bytes: usize = documents.iter().map(|document| document.text.len()).sum();
        let title = format!("All eight, {title}, {} bytes each on the mean", bytes / 8);
        run(&title, documents.len(), read(documents, &committed));
    }
    for (title, documents) in [("compact", &compact), ("pretty-printed", &pretty), ("", &larger)] {
        for document in documents {
            let title = format!("{} {title}, {} bytes", document.name, document.text.len());
            run(&title, 1, read(std::slice::from_ref(document), &committed));
        }
    }
    for (name, plant) in FAULTS {
        let broken: Vec<String> = compact.iter().map(|document| plant(&document.text)).collect();
        for text in &broken {
            assert!(STRICT.verify_message(text).is_err(), "{name}: {text}");
        }
        run(&format!("Refuse: {name}"), compact.len(), refuse(&compact, &broken));
    }
}

/// Both sides accept it, and the verdict allocates nothing.
fn accepted(document: &Document) {
    let Document { name, text, validator, kind } = document;
    let before = alloc::count();
    let verdict = STRICT.verify_message(text);
    let allocations = alloc::count() - before;
    assert_eq!(verdict.as_ref().ok(), Some(kind), "{name}: {verdict:?}");
    assert_eq!(allocations, 0, "{name}");
    assert!(reference::accepts(validator, text), "{name}: {text}");
    // A validator that accepted everything would be no reference.
    let wrong = text.replacen(&format!("\"{kind}\":"), "\"renamed\":", 1);
    assert!(!reference::accepts(validator, &wrong), "{name}");
    assert!(text.parse::<Envelope>().is_ok(), "{name}");
}

fn read<'a>(documents: &'a [Document], committed: &'a Validator) -> Vec<Row<'a>> {
    vec![
        row("`serde_json::Value` + `jsonschema`", documents, |document| {
            reference::accepts(committed, &document.text)
        }),
        row("the same, least schema", documents, |document| {
            reference::accepts(&document.validator, &document.text)
        }),
        row("`Codec::verify_message`", documents, |document| {
            STRICT.verify_message(&document.text).is_ok()
        })
        .at_most(0.30),
        row("`Codec::parse_message`", documents, |document| STRICT.parse_message(&document.text))
            .at_most(0.65),
        row("`text.parse::<Envelope>()`", documents, |document| document.text.parse::<Envelope>())
            .at_most(0.75),
    ]
}

fn refuse<'a>(accepted: &'a [Document], broken: &'a [String]) -> Vec<Row<'a>> {
    vec![
        row("`Codec::verify_message`, accepted", accepted, |document| {
            STRICT.verify_message(&document.text).is_ok()
        }),
        row("`Codec::verify_message`, refused", broken, |text| STRICT.verify_message(text).is_ok())
            .at_most(1.5),
        row("`Codec::parse_message`, accepted", accepted, |document| {
            STRICT.parse_message(&document.text).is_ok()
        }),
        row("`Codec::parse_message`, refused", broken, |text| STRICT.parse_message(text).is_ok()),
    ]
}
