//! What `coord` knows to say of its own words, and to whom: `help`, `man`, `explain`, `compat`.

use crate::coord::{err, out, run};
use crate::support::Folder;
use coordination_protocol::event::EventType;
use coordination_protocol::finding::Code;
use coordination_protocol::message::{MessageKind, OBJECTS};
use coordination_protocol::scalar::Severity;
use coordination_protocol::storage::StorageError;

#[test]
fn help_of_a_verb_is_the_same_by_both_ways() {
    for verb in [&["check"][..], &["state", "merge"], &["checkpoint"], &["help"], &[]] {
        let by_verb = run(&[&["help"][..], verb].concat(), b"");
        let by_option = run(&[verb, &["--help"]].concat(), b"");
        assert_eq!((by_verb.status.code(), err(&by_verb).as_str()), (Some(0), ""));
        assert_eq!(out(&by_verb), out(&by_option), "{verb:?}");
        assert!(out(&by_verb).contains("Exit status: "));
    }
    let near = run(&["help", "state", "murge"], b"");
    assert_eq!(near.status.code(), Some(2));
    assert_eq!(err(&near), "coord: there is no verb `state murge`; did you mean `state merge`?\n");
}

#[test]
fn every_verb_has_a_manual_page() {
    let folder = Folder::new();
    let made = run(&["man", "--out", &folder.path("man1")], b"");
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    let page = |name: &str| {
        std::fs::read_to_string(folder.0.join("man1").join(format!("{name}.1"))).unwrap()
    };
    let count = std::fs::read_dir(folder.0.join("man1")).unwrap().count();
    assert!(count > 35, "{count}");
    assert!(out(&made).ends_with(&format!(": {count} pages\n")));
    let merge = page("coord-state-merge");
    for part in [
        ".TH COORD-STATE-MERGE 1",
        ".SH NAME",
        ".SH SYNOPSIS",
        ".SH EXAMPLES",
        ".SH \"EXIT STATUS\"",
    ] {
        assert!(merge.contains(part), "{part}: {merge}");
    }
    assert_eq!(out(&run(&["man", "state", "merge"], b"")), merge);
    assert_eq!(out(&run(&["man"], b"")), page("coord"));
    // A second run replaces the pages.
    assert_eq!(run(&["man", "--out", &folder.path("man1")], b"").status.code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.0.join("man1")).unwrap().count(), count);
}

#[test]
fn explain_knows_every_word() {
    let mut words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    words.extend(EventType::ALL.iter().map(|kind| kind.as_str()));
    words.extend(MessageKind::KNOWN.iter().map(|kind| kind.as_str()));
    words.extend(OBJECTS.iter().flat_map(|object| object.members).map(|member| member.name));
    words.extend(Severity::KNOWN);
    words.extend(StorageError::CODES.iter().copied().flatten().map(|row| row.code));
    words.extend(["0", "1", "2", "human", "json", "markdown", "records", "sarif"]);
    words.extend(["strict", "interop", "verdict", "dead letter", "compare-and-set", "quorum"]);
    words.extend(["essential", "schema", "warning", "down-level", "timestamp", "storage"]);
    let all = run(&[&["explain"][..], &words].concat(), b"");
    assert_eq!((all.status.code(), err(&all).as_str()), (Some(0), ""));
    for word in &words {
        assert!(out(&all).contains(&format!("{word} (")), "{word}");
    }

    // However it is spelled.
    for (word, found) in [
        ("task.failed", "TASK_FAILED (an event type)"),
        ("Missing Data", "missing-data (a finding)"),
        ("RetryCount", "retry_count (a field)"),
        ("dead-letter", "dead_letter (a message)"),
    ] {
        let page = run(&["explain", word], b"");
        assert!(out(&page).starts_with(found), "{word}: {}", out(&page));
    }
    for (word, near) in [
        ("missing-date", "`missing-data`, a finding"),
        ("TASK_FAILD", "`TASK_FAILED`, an event type"),
        ("allocation_requst", "`allocation_request`, a message"),
        ("retry_cout", "`retry_count`, a field"),
        ("critcal", "`critical`, a word of a field"),
        ("sarf", "`sarif`, a format"),
        ("quorun", "`quorum`, a word of the documentation"),
    ] {
        let unknown = run(&["explain", word], b"");
        assert_eq!(unknown.status.code(), Some(2));
        assert_eq!(err(&unknown), format!("coord: `{word}` is not known; did you mean {near}?\n"));
    }
    let nothing = run(&["explain", "xyzzyplugh"], b"");
    assert_eq!(err(&nothing), "coord: `xyzzyplugh` is not known; `coord explain` tells what is\n");
}

#[test]
fn compat_is_a_table_for_people_and_for_markdown() {
    let people = out(&run(&["compat"], b""));
    assert!(
        people.starts_with(
            "reader \\ writer  1.0.0         1.1.0\n\
             1.0.0            all           down-level\n\
             1.1.0            all           all\n\n\
             What 1.0.0 does not know of 1.1.0:\n"
        ),
        "{people}"
    );
    assert!(people.lines().all(|line| line.trim_end() == line), "{people}");
    let markdown = out(&run(&["compat", "--format", "markdown"], b""));
    assert!(markdown.starts_with("| reader \\ writer | 1.0.0 | 1.1.0 |\n|---|---|---|\n"));
}
