//! What is a message and what is not: files like those of real repositories, by the hundred.
//!
//! Each file of `scan_corpus` holds cases. A case starts with `=== KIND | NAME`; `foreign_*` files hold
//! none of our messages, and in `messages.txt` the line goes on with where each one stands.

#[cfg(feature = "cli")]
use crate::coord::{err, out, run};
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Limits;
use coordination_protocol::scan::{
    FileKind, LineIndex, Place, Snippet, SnippetForm, looks_like, scan_as,
};
use coordination_protocol::validate::{Context, Validator};
use std::fmt::Write as _;
use std::path::Path;

struct Case {
    name: String,
    kind: FileKind,
    text: String,
    /// Where messages are expected: `LINE:COLUMN FORM`, divided by commas.
    expected: String,
}

fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scan_corpus").join(file);
    let all = std::fs::read_to_string(path).unwrap();
    let cases = all.strip_prefix("=== ").unwrap().split("\n=== ");
    cases
        .map(|case| {
            let (head, text) = case.split_once('\n').unwrap_or((case, ""));
            let head: Vec<_> = head.split(" | ").collect();
            let mut text = format!("{text}\n");
            if head[0].ends_with(" crlf") {
                text = text.replace('\n', "\r\n");
            }
            let kind = match head[0].trim_end_matches(" crlf") {
                "md" => FileKind::Markdown,
                "sh" => FileKind::Shell,
                "log" => FileKind::Log,
                "json" => FileKind::Json,
                "txt" => looks_like(&text),
                other => panic!("no kind {other}"),
            };
            let expected = head.get(2).copied().unwrap_or_default().to_owned();
            Case { name: format!("{file}: {}", head[1]), kind, text, expected }
        })
        .collect()
}

fn found(case: &Case) -> Vec<Snippet<'_>> {
    scan_as(&case.text, case.kind, &Limits::default()).collect()
}

fn places(case: &Case, found: &[Snippet<'_>]) -> String {
    let index = LineIndex::new(&case.text);
    let told = found.iter().map(|snippet| {
        let at = index.position(snippet.origin(0));
        let form = match (snippet.form, snippet.place) {
            (SnippetForm::EventLine, Place::Words) => "words",
            (SnippetForm::EventLine, _) => "event",
            _ => "document",
        };
        format!("{}:{} {form}", at.line, at.column)
    });
    told.collect::<Vec<_>>().join(", ")
}

const FOREIGN: &[&str] = &[
    "foreign_markdown.txt",
    "foreign_shell.txt",
    "foreign_log.txt",
    "foreign_json.txt",
    "foreign_text.txt",
];

#[test]
fn what_is_not_ours_gives_nothing() {
    let cases: Vec<_> = FOREIGN.iter().flat_map(|file| cases(file)).collect();
    assert!(cases.len() >= 150, "{}", cases.len());
    let mut failures = String::new();
    for case in &cases {
        for kind in [case.kind, FileKind::Json, FileKind::Log] {
            if kind != case.kind && case.kind != FileKind::Json {
                continue;
            }
            for snippet in scan_as(&case.text, kind, &Limits::default()) {
                let _ = writeln!(failures, "{} as {kind:?}: {:?}", case.name, snippet.text);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_message_is_found_where_it_stands() {
    let cases = cases("messages.txt");
    let mut failures = String::new();
    let mut count = 0;
    for case in &cases {
        let found = found(case);
        count += found.len();
        let told = places(case, &found);
        if told != case.expected {
            let texts: Vec<_> = found.iter().map(|snippet| &*snippet.text).collect();
            let (name, expected) = (&case.name, &case.expected);
            let _ =
                writeln!(failures, "{name}\n  expected {expected}\n  found    {told} {texts:?}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(cases.len() >= 60 && count >= 100, "{} {count}", cases.len());
}

/// A message is judged however broken it is: no finding is lost because its place is odd.
#[test]
fn broken_messages_are_reported() {
    let validator = Validator::new(Mode::Strict);
    for case in cases("messages.txt") {
        let broken = ["broken", "cut off", "too many", "forgotten", "comments", "without data"];
        if !broken.iter().any(|word| case.name.contains(word)) {
            continue;
        }
        for snippet in found(&case) {
            let report = validator.check_snippet(&snippet, &Context::new()).report;
            assert!(report.worst().is_some(), "{}: {}", case.name, snippet.text);
        }
    }
}

#[test]
fn what_is_passed_over_is_counted() {
    let counted = |text: &str, kind| {
        let over = scan_as(text, kind, &Limits::default()).passed_over();
        (over.objects, over.lines)
    };
    let fence = "```json\n{\"a\":1}\n[{\"b\":1},\n{\"error_report\":1}]\n```\n`{\"c\":{}}`\n";
    assert_eq!(counted(fence, FileKind::Markdown), (3, 0));
    let script =
        "hub '{\"event_type\":\"A_B\"}'\nx TASK_FAILED w p '{\"a\":1}'\nprintf '{\"a\":1}'\n";
    assert_eq!(counted(script, FileKind::Shell), (2, 0));
    let log = "one\n\n{\"a\":1}\n2026-01-01T00:00:00Z INFO TASK_FAILED:w:p:{}\n  two {\"b\":1}\n";
    assert_eq!(counted(log, FileKind::Log), (0, 3));
    // What is in an object that is not closed is one with it, as far as it is counted.
    assert_eq!(counted("{\"a\":1,\n{\"b\":1,\n{\"c\":1\n", FileKind::Json), (1, 0));
}

/// The program says the same of each file of the corpus.
#[cfg(feature = "cli")]
#[test]
fn the_program_agrees() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scan_corpus");
    std::fs::create_dir_all(&folder).unwrap();
    let written = |file: &str, kinds: &[FileKind]| {
        let cases = cases(file).into_iter().enumerate();
        let cases = cases.filter(|(_, case)| kinds.contains(&case.kind));
        cases
            .map(|(number, case)| {
                let extension = match case.kind {
                    FileKind::Markdown => "md",
                    FileKind::Shell => "sh",
                    _ => "log",
                };
                let path = folder.join(format!("{file}-{number}.{extension}"));
                std::fs::write(&path, &case.text).unwrap();
                (path.to_str().unwrap().to_owned(), found(&case).len())
            })
            .collect::<Vec<_>>()
    };
    let told = [FileKind::Markdown, FileKind::Shell];
    let foreign = FOREIGN.iter().flat_map(|file| written(file, &told));
    let foreign: Vec<_> = foreign.map(|(path, _)| path).collect();
    assert!(foreign.len() >= 100);
    let arguments = ["check"].into_iter().chain(foreign.iter().map(|path| &**path));
    let output = run(&arguments.collect::<Vec<_>>(), b"");
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let summary = format!("{}{}", out(&output), err(&output));
    assert!(summary.contains("0 records"), "{summary}");
    for (path, count) in written("messages.txt", &told) {
        let output = run(&["check", "--format", "json", &path], b"");
        assert_eq!(out(&output).lines().count(), count, "{path}: {}", out(&output));
    }
    // A log, read as one and told by its extension.
    for (path, count) in written("messages.txt", &[FileKind::Log]) {
        let output = run(&["check", "--as", "log", "--format", "json", &path], b"");
        assert_eq!(out(&output).lines().count(), count, "{path}: {}", out(&output));
    }
}
