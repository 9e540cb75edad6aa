//! The edits that take findings away.

use crate::support::{Drawn, Rng, scaled};
use coordination_protocol::event::Codec;
use coordination_protocol::finding::{Code, Mode, TextEdit};
use coordination_protocol::json::{self, Dialect, Limits};
use coordination_protocol::validate::{Context, Validator};

/// A record with all its fixes.
fn fixed(record: &str) -> (String, Vec<Code>) {
    let report = Validator::new(Mode::Interop).check(record, &Context::new()).report;
    let (mut edits, mut codes) = (Vec::new(), Vec::new());
    for finding in report.findings() {
        let fix = finding.fix(record);
        if !fix.is_empty() {
            codes.push(finding.code);
            edits.extend(fix);
        }
    }
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    (TextEdit::apply(record, &edits), codes)
}

#[test]
fn the_example_of_each_code_is_fixed_or_left_alone() {
    let mut fixable = Vec::new();
    for code in Code::ALL {
        let Ok(bad) = String::from_utf8(code.bad().record()) else { continue };
        let (text, codes) = fixed(&bad);
        if codes.is_empty() {
            assert_eq!(text, bad);
        }
        if !codes.contains(code) {
            continue;
        }
        fixable.push(code.as_str());
        let report = Validator::new(Mode::Strict).check(&text, &Context::new()).report;
        assert!(!report.has(*code), "{text}");
    }
    // `severe` is no slip of one letter.
    let expected =
        ["byte-order-mark", "carriage-return", "shell-quotes", "single-quotes", "field-alias"];
    assert_eq!(fixable, expected);
}

#[test]
fn a_word_is_fixed_if_one_word_of_its_list_is_a_letter_away() {
    let record = |word: &str| {
        format!(
            r#"SYSTEM_ERROR:global:global:{{"error_type":"timeout","affected_components":["hub"],"severity":"{word}"}}"#
        )
    };
    for (word, right) in [
        ("hihg", Some("high")),
        ("hig", Some("high")),
        ("High", Some("high")),
        ("critcal", Some("critical")),
        ("severe", None),
        ("hi", None),
        ("x", None),
    ] {
        let record = record(word);
        let (text, codes) = fixed(&record);
        assert_eq!(codes.len(), usize::from(right.is_some()), "{word}");
        assert_eq!(text, record.replace(word, right.unwrap_or(word)));
    }
}

/// Whatever stands in strings: in double quotes it means the same.
#[test]
fn double_quotes_say_what_single_quotes_said() {
    let rng = &mut Rng::new(12);
    let mut judged = 0;
    for number in 0..scaled(500) {
        let mut drawn = Drawn::new(number);
        drawn.phase = "build".to_owned();
        let line = drawn.line();
        let Some(at) = line.find(":build:{").map(|at| at + 7) else { continue };
        // Some of the strings in single quotes, spelled in one of the ways that are read.
        let (head, data) = line.split_at(at);
        let mut single = head.to_owned();
        let mut rest = data;
        while let Some(open) = rest.find('"') {
            single.push_str(&rest[..open]);
            let text = &rest[open..];
            let mut end = 1;
            while text.as_bytes()[end] != b'"' {
                end += if text.as_bytes()[end] == b'\\' { 2 } else { 1 };
            }
            let inner = &text[1..end];
            if rng.one_in(3) {
                single.push_str(&text[..=end]);
            } else {
                let inner = inner.replace('\'', "\\'");
                let inner = if rng.one_in(2) { inner.replace("\\\"", "\"") } else { inner };
                single.push_str(&format!("'{inner}'"));
            }
            rest = &text[end + 1..];
        }
        single.push_str(rest);
        let codec = Codec::new(Mode::Interop);
        let report = codec.check(&single).report;
        let Some(finding) = report.findings().iter().find(|f| f.code == Code::SingleQuotes) else {
            continue;
        };
        if report.findings().iter().any(|finding| finding.code == Code::BrokenJson) {
            continue;
        }
        let text = TextEdit::apply(&single, &finding.fix(&single));
        assert_eq!(
            json::check(&text[at..], Dialect::Strict, &Limits::default()),
            Ok(()),
            "{single}"
        );
        // The other reader does not go as deep.
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text);
        let Ok(meant) = value(data) else { continue };
        assert_eq!(value(&text[at..]).unwrap(), meant, "{single}");
        judged += 1;
    }
    assert!(judged * 2 > scaled(500), "only {judged} are judged");
}

#[test]
fn edits_that_do_not_fit_are_passed_over() {
    let edit = |range, text: &str| TextEdit::new(range, text);
    assert_eq!(TextEdit::apply("abc", &[edit(0..1, "x"), edit(3..3, "!")]), "xbc!");
    assert_eq!(TextEdit::apply("abc", &[edit(0..2, "x"), edit(1..2, "y")]), "xc");
    assert_eq!(TextEdit::apply("aé", &[edit(1..2, "x"), edit(2..9, "y")]), "aé");
}
