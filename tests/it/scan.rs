//! Messages in Markdown and shell files: what is found, where, and what is left alone.

use crate::fuzz_corpus::bodies;
use crate::support::{Drawn, Rng, Tree, any_value, mutate, scaled};
use coordination_protocol::event::Codec;
use coordination_protocol::finding::Mode;
use coordination_protocol::json::{self, Dialect, Limits};
use coordination_protocol::scan::{
    FileKind, LineIndex, Place, Snippet, SnippetForm, looks_like, scan, scan_as,
};
use std::fmt::Write as _;
use std::path::Path;

fn find(text: &str) -> Vec<Snippet<'_>> {
    scan(text, &Limits::default()).collect()
}

fn texts(text: &str) -> Vec<String> {
    find(text).into_iter().map(|snippet| snippet.text.into_owned()).collect()
}

/// One snippet a paragraph: position, form, place, whether it is a template, and the text.
fn listing(file: &str) -> String {
    let index = LineIndex::new(file);
    let mut out = format!("{:?}\n", looks_like(file));
    for snippet in find(file) {
        let at = index.position(snippet.origin(0));
        let form = match snippet.form {
            SnippetForm::EventLine => "event",
            SnippetForm::Document => "document",
            other => panic!("no name for {other:?}"),
        };
        let place = match snippet.place {
            Place::Line => "line".to_owned(),
            Place::Fence { info } => format!("fence [{info}]"),
            Place::HereDoc { delimiter, expands: true } => format!("here-document {delimiter}"),
            Place::HereDoc { delimiter, .. } => format!("here-document {delimiter} as it is"),
            Place::Argument { quote: Some(quote) } => format!("argument {quote}"),
            Place::Argument { quote: None } => "argument".to_owned(),
            Place::InlineCode => "inline code".to_owned(),
            Place::Words => "words".to_owned(),
            Place::LogLine => "log line".to_owned(),
            other => panic!("no name for {other:?}"),
        };
        let _ = write!(out, "\n{}:{} {form}, {place}", at.line, at.column);
        if let Some(command) = &snippet.command {
            let _ = write!(out, ", of /{} {}", command.name, command.words.join(" "));
        }
        let template = if snippet.template { ", template" } else { "" };
        let _ = writeln!(out, "{template}\n    {}", snippet.text.replace('\n', "\n    "));
    }
    out
}

/// The committed files.
fn cases() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scan_cases");
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().replace('.', "_");
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    cases.sort();
    cases
}

#[test]
fn files_like_those_in_the_field() {
    let cases = cases();
    assert_eq!(cases.len(), 6);
    for (name, file) in cases {
        insta::assert_snapshot!(format!("scan_{name}"), listing(&file));
    }
}

#[test]
fn laws_hold_for_damaged_files() {
    let cases = cases();
    for (_, file) in &cases {
        bodies::scan(file.as_bytes());
    }
    let rng = &mut Rng::new(0x5CA4);
    for _ in 0..scaled(300) {
        let (_, file) = &cases[rng.below(cases.len())];
        // A piece of the file, so that damage at its start often matters at its end.
        let lines: Vec<&str> = file.split_inclusive('\n').collect();
        let from = rng.below(lines.len());
        let to = (from + 1 + rng.below(40)).min(lines.len());
        let mut bytes = lines[from..to].concat().into_bytes();
        mutate(rng, &mut bytes);
        bodies::scan(&bytes);
    }
}

type Writer = (&'static str, fn(&str) -> String);

/// Ways to write a message so that its reader gets exactly its text.
const WRITERS: &[Writer] = &[
    ("single quotes", |m| format!("publish '{}' x\n", m.replace('\'', r"'\''"))),
    ("double quotes", |m| format!("publish \"{}\" x\n", in_double_quotes(m))),
    ("assignment", |m| format!("local m=\"{}\"\n", in_double_quotes(m))),
    ("C quotes", |m| {
        format!(
            "publish $'{}'\n",
            m.replace('\\', r"\\").replace('\'', r"\'").replace('é', r"\u00e9")
        )
    }),
    ("here-document", |m| format!("cat <<'EOF' | publish\n{m}\nEOF\n")),
    ("expanding here-document", |m| {
        let escaped = m.replace('\\', r"\\").replace('$', r"\$").replace('`', r"\`");
        format!("cat <<EOF | publish\n{escaped}\nEOF\n")
    }),
    ("here-string", |m| format!("publish <<< '{}'\n", m.replace('\'', r"'\''"))),
    ("substitution", |m| format!("x=\"$(publish '{}')\"\n", m.replace('\'', r"'\''"))),
];

fn in_double_quotes(message: &str) -> String {
    let mut out = message.replace('\\', r"\\").replace('"', r#"\""#);
    out = out.replace('$', r"\$").replace('`', r"\`");
    out
}

/// A message in every place of a Markdown file that can hold one, each with its name.
fn written(message: &str) -> Vec<(String, String)> {
    let mut files = vec![
        ("text fence".to_owned(), format!("# Title\n\n```text\n{message}\n```\n")),
        ("quoted fence".to_owned(), format!("> ~~~~\n> {message}\n> ~~~~\n\nText.\n")),
        ("list item".to_owned(), format!("# Title\n\n1. {message}\n2. Text\n")),
    ];
    for (name, write) in WRITERS {
        let script = write(message);
        files.push(((*name).to_owned(), format!("#!/bin/sh\nset -e\n{script}echo done\n")));
        let indented = script.replace('\n', "\n   ");
        let fenced = format!("# Title\n\n1. Text\n\n   ```bash\n   {indented}```\n\nMore.\n");
        files.push((format!("{name} in a fence"), fenced));
    }
    files
}

#[test]
fn a_message_is_found_as_it_was_meant() {
    let codec = Codec::new(Mode::Strict);
    for number in 0..scaled(300) {
        let mut drawn = Drawn::new(number);
        if drawn.workflow.contains(['{', '"']) || drawn.phase.contains(['}', '"']) {
            // Such identifiers are legal and no one looks for them in prose.
            (drawn.workflow, drawn.phase) = ("wf_001".to_owned(), "build".to_owned());
            drawn.extras.clear();
            for (key, value) in &mut drawn.required {
                if key == "workflow_id" {
                    *value = Tree::text("wf_001");
                }
            }
        }
        let line = drawn.line();
        assert!(codec.parse(&line).is_ok(), "{line}");
        for (name, file) in written(&line) {
            let found = find(&file);
            assert_eq!(found.len(), 1, "{name}: {file}");
            assert_eq!(
                (found[0].form, &*found[0].text),
                (SnippetForm::EventLine, &*line),
                "{name}"
            );
        }
    }
    let rng = &mut Rng::new(7);
    for _ in 0..scaled(300) {
        let document = Tree::Object(vec![
            ("error_report".to_owned(), any_value(rng, 6)),
            ("second".to_owned(), any_value(rng, 6)),
        ]);
        let text = document.to_json();
        let mut files = written(&text);
        files.push(("json".to_owned(), format!("# T\n\n```json\n\n{text}\n\n```\n")));
        files.push(("program input".to_owned(), format!("#!/bin/sh\njq . <<'E'\n{text}\nE\n")));
        for (name, file) in files {
            let found = find(&file);
            assert_eq!(found.len(), 1, "{name}: {file}");
            assert_eq!((found[0].form, &*found[0].text), (SnippetForm::Document, &*text), "{name}");
        }
    }
}

/// Prose, code and data that hold no message, however much they look like one.
#[test]
fn nothing_is_found_where_nothing_is() {
    for file in [
        "# A\n\nUse `std::fmt::Display` or `HashMap<K, V>::new()`; see http://h:80/a:b:{c}.\n",
        "# A\n\n```yaml\na: b: c: {\nports: {http: 80}\nx:y:z:{a: 1}\n```\n",
        "# A\n\n```js\nconst a = {\"a\": 1};\n```\n\n~~~Python\n{\"a\": 1}\n~~~\n",
        "# A\n\n```nix\n{ \"a\" = 1; }\n```\n\n```\nfoo {\n  bar: 1;\n}\n```\n",
        "# A\n\n[text](url) and {braces}\n[1]: http://x\n[ ] a task\n{ not json }\n{}\n[]\n",
        "# A\n\nIt says TASK_DONE:wf:x:{\"a\":1} in the middle of a sentence.\n",
        "# A\n\n| `a:b:c` | `{x}` | NOTE: a: b: {c} |\n",
        "# A\n\n/help explains what it's for: {everything}\n/tmp/file '{\"a\":1}'\n",
        "#!/bin/sh\n# TASK_DONE:wf:x:{\"a\":1}\nf() { echo \"a:b:c:d\"; }\n{ \"$cmd\" a; }\n",
        "#!/bin/sh\njq -n '{\"a\": 1, b: $x}' | sed 's/{\"a\":1}//'; awk '{\"a\":1}'\n",
        "#!/bin/sh\npython3 - <<'E'\n{\"a\": 1}\nE\nx=$((1 << 2)); [[ $a == {\"b\":* ]]\n",
        "#!/bin/sh\ngrep -E '^[A-Z_]+:wf:x:\\{\"a\"' log; echo \"$A:$B:$C:$D\"\n",
    ] {
        assert_eq!(texts(file), [""; 0], "{file}");
    }
}

#[test]
fn kinds_are_told_by_content() {
    use FileKind::{EventLines, Json, Markdown, Shell};
    let markdown_in_json = "{\"a\":\"x\"}\n# T\n\n```json\n{}\n```\n";
    for (kind, text) in [
        (EventLines, ""),
        (EventLines, "\n \n"),
        (EventLines, "hello\n"),
        (EventLines, "\u{feff}TASK_DONE:wf:x:{}\n"),
        (EventLines, "\"TASK_DONE:wf:x:{'a':1}\"\n"),
        (EventLines, "# a log\nTASK_DONE:wf:x:{}\n```json\n# T\n"),
        (EventLines, "TASK_DONE:wf:x\n\n# T\n\n- a\n- b\n"),
        (EventLines, "TASK_DONE wf x\nmore\n"),
        (EventLines, "phase.completed:wf:x:{\"a\":1}\n- b\n"),
        (EventLines, "started\nTASK_DONE:wf:x:{\n```\nTASK_DONE:wf:y:{}\n- c\nTASK_B:w:x:{}\n"),
        (EventLines, "started\nTASK_DONE:wf:x:{}\nTASK_DONE:wf:y:{}\n```\n- c\n"),
        (Json, "{\"a\":1}"),
        (Json, "\n  {\n\"a\": 1}\n"),
        (Json, "[\n{}]"),
        (Json, "[1,2]"),
        (Json, "[true]\n"),
        (Json, "[[1]]"),
        (Json, "[]\n"),
        (Json, "{broken\n# T\n```\n"),
        (Json, markdown_in_json),
        (Markdown, "# Title\n\nText.\n"),
        (Markdown, "Title\n=====\n"),
        (Markdown, "---\ndescription: x\n---\n{\"a\":1}\n"),
        (Markdown, "Text first.\n\n```json\n{}\n```\n"),
        (Markdown, "```json\n{}\n```\n"),
        (Markdown, "  1. ~~~\n"),
        (Markdown, "Text.\n\n- one\n- two\n"),
        (Markdown, "[link](url)\n"),
        (Markdown, "[name]: url\n"),
        (Markdown, "[![badge](a)](b)\n"),
        (Markdown, "[[page]]\n"),
        (Markdown, "[ ] a task\n"),
        (Markdown, "/resource-manager allocate '{}'\n"),
        (Markdown, "Text with `code`.\n"),
        (Markdown, "<p>html</p>\n"),
        (Markdown, "{% raw %}\n# T\n"),
        (Markdown, "#!/usr/bin/env python3\nprint()\n"),
        (Shell, "#!/bin/sh\n"),
        (Shell, "#!/usr/bin/env bash\r\n"),
        (Shell, "# Publishes events\n\npublish() {\n  :\n}\n"),
        (Shell, "set -euo pipefail\n"),
        (Shell, "X=1\n"),
        (Shell, "echo 'TASK_DONE:wf:x:{}'\n"),
        (Shell, "if [ -f x ]; then\n"),
        (Shell, "[ -f x ] || exit 1\n"),
        (Shell, "cat <<EOF\n# T\n```\nEOF\n"),
    ] {
        assert_eq!(looks_like(text), kind, "{text:?}");
    }
}

#[test]
fn a_kind_can_be_given() {
    let text = "say '{\"error_report\":1}'\n\n{\"health_status\":2}\n";
    let found = |kind| {
        let found = scan_as(text, kind, &Limits::default());
        found.map(|snippet| snippet.text.into_owned()).collect::<Vec<_>>()
    };
    let (said, shown) = ("{\"error_report\":1}", "{\"health_status\":2}");
    assert_eq!(found(FileKind::Shell), [said, shown]);
    assert_eq!(found(FileKind::Markdown), [shown]);
    assert_eq!(found(FileKind::EventLines), [shown]);
    assert_eq!(found(FileKind::Json), [shown]);
    assert_eq!(found(FileKind::Log), [shown]);
    assert_eq!(found(FileKind::Yaml), [""; 0]);
    assert_eq!(scan_as(text, FileKind::Shell, &Limits::default()).len(), 2);
}

#[test]
fn limits_bound_what_is_yielded() {
    let long = format!(
        "```json\n{{\"error_report\":\"{}\"}}\n{{\"health_status\":1}}\n```\n",
        "é".repeat(100)
    );
    for bytes in [30, 31] {
        let found: Vec<_> = scan(&long, &Limits::default().with_bytes(bytes)).collect();
        assert_eq!(found.len(), 2);
        let characters = "é".repeat(7 + (bytes - 29) / 2);
        assert_eq!(found[0].text, format!("{{\"error_report\":\"{characters}"));
        assert!(found[0].text.len() > bytes && found[0].text.len() <= bytes + 2);
        assert_eq!(found[1].text, "{\"health_status\":1}");
    }
    let nested = "#!/bin/sh\necho $(echo $(echo '{\"error_report\":1}'))\n";
    let at_depth = |depth| scan(nested, &Limits::default().with_depth(depth)).next();
    assert_eq!(at_depth(2).unwrap().text, "{\"error_report\":1}");
    // Too deep to be followed, it is still an argument.
    assert!(at_depth(0).unwrap().text.starts_with("{\"error_report\":1}"));
}

#[test]
fn origins_lead_to_the_file() {
    let file = "#!/bin/sh\ncat <<-E\n\t{\"vote\":{\"proposal_id\":\"\\$é\",\\\n\t\"b\":1}}\n\tE\n\
                x $'{\"error_report\":\"\\u00e9\"}'\n";
    let found = find(file);
    assert_eq!(found[0].text, "{\"vote\":{\"proposal_id\":\"$é\",\"b\":1}}");
    let at = |index: usize, part: &str| found[index].origin(found[index].text.find(part).unwrap());
    assert_eq!(at(0, "{"), file.find("{\"vote").unwrap());
    assert_eq!(at(0, "$"), file.find("$é").unwrap());
    assert_eq!(at(0, "\"b"), file.find("\"b").unwrap());
    assert_eq!(found[0].range(), file.find("{\"vote").unwrap()..file.find("\n\tE").unwrap());
    assert_eq!(found[1].text, "{\"error_report\":\"é\"}");
    assert_eq!(at(1, "é"), file.find("\\u00e9").unwrap());
    assert_eq!(at(1, "\"}"), file.find("\"}'").unwrap());
    assert_eq!(found[1].origin(1000), file.rfind('\'').unwrap());
}

#[test]
fn positions_count_characters() {
    let wide = format!("{}x", "é".repeat(5000));
    let text = format!("ab\r\ncd\n\n{wide}\n");
    let index = LineIndex::new(&text);
    let at = |offset: usize| {
        let position = index.position(offset);
        (position.line, position.column)
    };
    let cases = [(0, (1, 1)), (2, (1, 3)), (3, (1, 4)), (4, (2, 1)), (6, (2, 3)), (7, (3, 1))];
    for (offset, position) in cases {
        assert_eq!(at(offset), position, "{offset}");
    }
    assert_eq!(at(8), (4, 1));
    assert_eq!(at(9), (4, 1), "inside a character");
    assert_eq!(at(8 + 10_000), (4, 5001));
    assert_eq!(at(usize::MAX), (5, 1));
    let empty = LineIndex::new("").position(0);
    assert_eq!((empty.line, empty.column), (1, 1));
}

/// What is found where the message is broken is the broken message: the check that follows says
/// what is wrong, and where.
#[test]
fn broken_messages_lead_to_the_fault() {
    for (script, fault) in [
        ("x '{\"error_report\":1,,\"b\":2}'", ",\"b"),
        ("x '{\"error_report\" \"1\"}'", "\"1"),
        ("x '{\"error_report\":1}}'", "}'"),
        ("cat <<E\n{\"error_report\": [1}\nE", "}\nE"),
    ] {
        let file = format!("#!/bin/sh\n{script}\n");
        let found = find(&file);
        assert_eq!(found.len(), 1, "{file}");
        let error = json::check(&found[0].text, Dialect::Strict, &Limits::default()).unwrap_err();
        let place = file.find(fault).unwrap();
        assert_eq!(found[0].origin(error.range.start), place, "{file}: {error}");
    }
}

/// Pieces that open something, or make a reader look ahead.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "'", "\"", "`", "``", "$(", "${", "$((", "((", "(", "<<E\n", "<<-'E'\n", "cat <<A <<B\n",
    "\"$(", "$'\\", "{", "{\n", "[{\n", "{\"a\":", "{\"a\":\n", "{\"a\n", "[", "]", "}", "\\",
    "\\\n", "```\n", "```json\n", "~~~\n", "> ```\n", "````md\n", "- ", "- - 1. ", "A_B:",
    "A_B:c:d:{", "A_B:c:d:{\n", "\"A_B:c:d:{\\\"", "a:b:c:", "A_B:${", "/x '{\n", "/x \"",
    "/x \\\n", "/x {\"a\":\n", "a'a", "echo '{", "case x in a) ", "esac ", "{\"a\":1}",
    "{\"a\":1} ", "{{", "{{a}}", "<a", "\"<", "$", "...", "|", "\"a|", "#", "# a\n", "\r\n", "\n",
    " ", "\t", "x=", "x=(", "<(", "<<<", ";", "&", "|", "é", "\u{feff}", "printf '%",
    "run: |\n", "- run: 'a\n", "run: \"\\", "- ", "| a |\n|-|\n", "<!--\n", "<b a='", "${{", "$[", "@(",
    "{\"a\":1}\n}\n", "'\\''", "k: ", "\"{\\\"", "`{`", "`a:", "jq '{\n", "\"{\n\n",
    "{\"error_report\":", "{\"error_report\":1}\n}\n", "{\"event\":{", "{\"event_type\":\"A_B\",",
    "[{\"vote\":1},", "{\\\"a\\\":", "{a\":", "{\"a: {", "{\"alocation_request\":{", "TASK_FAILED:a:b:",
    "A_B:\"$a\":b:$c ", "A_B w p {} ", "x A_B w p '{' ", "printf '%s:%s:%s:%s' A_B ", "printf ':::' a\n",
    "printf '%s:%s:%s:%s\\n' A_B b c d ", "x '{\"event_type\":1}' ", "x '{\"event_type\":1}' wf_1\n",
    "2026-01-01T00:00:00Z ", "[2026-01-01 00:00:00] ", "INFO: ", "a=\"", "msg=\"A_B:c:d:{\\\"", "[", "[a] ",
    "<1>", "::a::", "\u{1b}[1m", "- ", "a | ", "/x a b '{\"event_type\":1}'\n",
];

/// Every piece repeated, alone and with a line break: each is over in time that grows with the
/// length only, or this test does not end.
#[test]
fn hostile_files_end() {
    let limits = Limits::default();
    let kinds = [
        FileKind::EventLines,
        FileKind::Json,
        FileKind::Markdown,
        FileKind::Shell,
        FileKind::Log,
        FileKind::Yaml,
    ];
    let run = |text: &str, kind| {
        let found = scan_as(text, kind, &limits);
        let covered: usize = found.map(|snippet| snippet.range().len()).sum();
        assert!(covered <= text.len());
    };
    let mut all = String::new();
    for piece in PIECES {
        for end in ["", "\n"] {
            let text = format!("{piece}{end}").repeat(scaled(12 << 10) / (piece.len() + end.len()));
            for kind in kinds {
                run(&text, kind);
            }
            for open in ["```json\n", "```sh\n", "```yaml\n- run: |\n"] {
                run(&format!("{open}{text}"), FileKind::Markdown);
            }
            looks_like(&text);
            all.push_str(&text);
        }
    }
    assert!(all.len() > 2_000_000, "{}", all.len());
    for kind in kinds {
        run(&all, kind);
    }
}
