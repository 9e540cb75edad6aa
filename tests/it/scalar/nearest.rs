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
        let threshold = (word.chars().count() / 3).max(1);
        let expected = known
            .iter()
            .map(|candidate| (distance(&word, candidate), candidate.as_str()))
            .filter(|(distance, _)| *distance <= threshold)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, candidate)| candidate);
        prop_assert_eq!(nearest(&word, known.iter().map(String::as_str)), expected);
    }

    #[test]
    fn no_input_panics(word: String, known: Vec<String>) {
        let _ = nearest(&word, known.iter().map(String::as_str));
    }
}
