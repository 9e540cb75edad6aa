use coordination_protocol::scalar::nearest;
use proptest::prelude::*;

const WORDS: [&str; 5] = ["critical", "high", "medium", "low", "info"];

#[test]
fn close_words_are_found() {
    for (word, expected) in [
        ("high", Some("high")),
        ("HIGH", Some("high")),
        ("hihg", Some("high")),
        ("hgh", Some("high")),
        ("medum", Some("medium")),
        ("crtical", Some("critical")),
        ("criticla", Some("critical")),
        ("lov", Some("low")),
        ("hx", None),
        ("warning", None),
        ("", None),
    ] {
        assert_eq!(nearest(word, WORDS), expected, "{word}");
    }
}

const TYPES: [&str; 12] = [
    "WORKFLOW_CREATED",
    "TASK_STARTED",
    "TASK_COMPLETED",
    "TASK_FAILED",
    "TASK_TIMEOUT",
    "TASK_ASSIGNED",
    "TASK_REASSIGNED",
    "RESOURCE_ALLOCATED",
    "RESOURCE_DEALLOCATED",
    "RECOVERY_INITIATED",
    "RECOVERY_FAILED",
    "SYSTEM_SHUTDOWN",
];

#[test]
fn names_are_compared_word_by_word() {
    for (word, expected) in [
        // Case and separators.
        ("task.failed", Some("TASK_FAILED")),
        ("TaskFailed", Some("TASK_FAILED")),
        ("taskfailed", Some("TASK_FAILED")),
        ("task-failed", Some("TASK_FAILED")),
        // One word that is misspelt, by at most two.
        ("TASK_FAILD", Some("TASK_FAILED")),
        ("TSAK_FAILED", Some("TASK_FAILED")),
        ("TASK_COMPLTD", Some("TASK_COMPLETED")),
        ("TASK_COMPLT", None),
        ("TSAK_FAILD", None),
        ("RESOURCE_DEALOCATED", Some("RESOURCE_DEALLOCATED")),
        // Synonyms.
        ("recovery.started", Some("RECOVERY_INITIATED")),
        ("RECOVERY_BEGUN", Some("RECOVERY_INITIATED")),
        ("resource.released", Some("RESOURCE_DEALLOCATED")),
        ("RESOURCE_GRANTED", Some("RESOURCE_ALLOCATED")),
        ("TASK_TIMED_OUT", Some("TASK_TIMEOUT")),
        ("task.finished", Some("TASK_COMPLETED")),
        ("task.errored", Some("TASK_FAILED")),
        ("system_stopped", Some("SYSTEM_SHUTDOWN")),
        // Words of another meaning.
        ("RESOURCE_RELOCATED", None),
        ("RESOURCE_UNALLOCATEDX", None),
        ("TASK_UNASSIGNED", None),
        ("TASK_PAUSED", None),
        ("RECOVERY_PAUSED", None),
        ("WORKFLOW_CRATED", Some("WORKFLOW_CREATED")),
        ("AGENT_FAILED", None),
        ("TASK", None),
        ("TASK_FAILED_AGAIN", None),
    ] {
        assert_eq!(nearest(word, TYPES), expected, "{word}");
    }
    for (word, known, expected) in [
        ("fatal", &WORDS[..], Some("critical")),
        ("urgent", &["low", "critical"], Some("critical")),
        ("refused", &["approved", "denied"], Some("denied")),
        ("yes", &["accept", "reject"], Some("accept")),
        ("utf8", &["utf-8", "base64"], Some("utf-8")),
        ("unhealty", &["healthy", "unhealthy"], Some("unhealthy")),
        ("unknwn", &["healthy", "unknown"], Some("unknown")),
        ("enabled", &["disabled"], None),
        ("resource_request", &["allocation_request", "release"], Some("allocation_request")),
        ("allocation-request", &["allocation_request"], Some("allocation_request")),
        ("allocationRequest", &["allocation_request"], Some("allocation_request")),
        ("agent-id", &["agent_id", "agent_ids"], Some("agent_id")),
    ] {
        assert_eq!(nearest(word, known.iter().copied()), expected, "{word}");
    }
}

/// Whatever a type is misspelt as, its opposite is not proposed.
#[test]
fn no_verb_is_taken_for_another() {
    let verbs = [
        "created",
        "started",
        "paused",
        "resumed",
        "completed",
        "failed",
        "cancelled",
        "skipped",
        "assigned",
        "reassigned",
        "allocated",
        "deallocated",
        "released",
        "granted",
        "initiated",
        "stopped",
        "optimized",
        "approved",
        "denied",
        "healthy",
        "unhealthy",
    ];
    let same = [["started", "initiated"], ["allocated", "granted"], ["deallocated", "released"]];
    for one in verbs {
        for other in verbs {
            let known = format!("THING_{}", other.to_uppercase());
            let expected = one == other
                || same.iter().any(|pair| pair.contains(&one) && pair.contains(&other))
                || [one, other].iter().all(|verb| ["approved", "granted"].contains(verb));
            let found = nearest(&format!("thing.{one}"), [known.as_str()]);
            assert_eq!(found.is_some(), expected, "{one} {other}");
        }
    }
}

#[test]
fn the_first_of_equally_close_words_wins() {
    assert_eq!(nearest("bat", ["cat", "hat"]), Some("cat"));
    assert_eq!(nearest("bat", ["hat", "cat"]), Some("hat"));
    assert_eq!(nearest("bat", ["hat", "bat"]), Some("bat"));
}

#[test]
fn long_words_are_not_compared() {
    let (just, over) = ("x".repeat(64), "x".repeat(65));
    assert_eq!(nearest(&just, [just.as_str()]), Some(just.as_str()));
    assert_eq!(nearest(&over, [over.as_str()]), None);
    assert_eq!(nearest(&just, [over.as_str(), just.as_str()]), Some(just.as_str()));
}

/// The textbook definition, on a whole table.
fn distance(left: &str, right: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let mut least = (table[i - 1][j] + 1)
                    .min(table[i][j - 1] + 1)
                    .min(table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(table[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    table[a.len()][b.len()]
}

proptest! {
    #[test]
    fn the_answer_is_the_closest_candidate(
        word in "[abcé]{1,9}",
        known in prop::collection::vec("[abcé]{0,9}", 0..6),
    ) {
        let length = |text: &str| text.chars().count();
        let allowed = |candidate: &str| {
            let shorter = length(&word).min(length(candidate));
            // Where the very word is known, it is no misspelling.
            if length(&word) < 2 || shorter == 0 || known.contains(&word) { 0 }
            else if shorter < 6 { 1 } else { 2 }
        };
        let expected = known
            .iter()
            .map(|candidate| (distance(&word, candidate), candidate.as_str()))
            .filter(|(distance, candidate)| *distance <= allowed(candidate))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, candidate)| candidate);
        prop_assert_eq!(nearest(&word, known.iter().map(String::as_str)), expected);
    }

    #[test]
    fn no_input_panics(word: String, known: Vec<String>) {
        let _ = nearest(&word, known.iter().map(String::as_str));
    }
}
