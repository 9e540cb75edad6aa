//! Paths of leases: spelling, what is covered, what overlaps.

use coordination_protocol::path::{PathError, PathIndex, PathPattern};
use proptest::prelude::*;
use regex::Regex;
use std::sync::LazyLock;

fn path(text: &str) -> PathPattern {
    PathPattern::new(text).unwrap()
}

#[test]
fn a_path_has_one_spelling() {
    let cases = [
        ("src", "src"),
        ("./src//net/./tcp.rs", "src/net/tcp.rs"),
        ("src/", "src"),
        (".", "."),
        ("./", "."),
        ("**", "."),
        ("src/**", "src"),
        ("src/**/**", "src"),
        ("**/a", "**/a"),
        ("a/***", "a/***"),
        ("..a/b..", "..a/b.."),
        ("a b/ü", "a b/ü"),
    ];
    for (text, spelled) in cases {
        assert_eq!(path(text).as_str(), spelled, "{text}");
        assert_eq!(path(spelled).as_str(), spelled);
    }
    assert_eq!(path(".").segments().count(), 0);
    assert_eq!(serde_json::from_str::<PathPattern>("\"./a\"").unwrap(), path("a"));
    assert_eq!(serde_json::to_string(&path("a//b")).unwrap(), "\"a/b\"");
}

#[test]
fn what_is_no_path_below_the_root_is_told() {
    let long = "a/".repeat(600);
    let cases = [
        ("", "`` is no path below the root: it is empty; the root is `.`"),
        ("/etc/passwd", "`/etc/passwd` is no path below the root: it is absolute"),
        ("a/../../b", "`a/../../b` is no path below the root: `..` leads out of it"),
        ("a\nb", "`a\\u{a}b` is no path below the root: it has a control character"),
    ];
    for (text, sentence) in cases {
        let error: PathError = PathPattern::new(text).unwrap_err();
        assert_eq!(error.to_string(), sentence);
        assert_eq!(error.code(), "path");
    }
    let error = PathPattern::new(&long).unwrap_err().fault.to_string();
    assert_eq!(error, "it has 1200 bytes, and 1024 are allowed");
}

#[test]
fn case_counts_and_brackets_are_text() {
    assert!(!path("SRC").overlaps(&path("src")));
    assert!(path("a[b]").overlaps(&path("a[b]")));
    assert!(!path("a[b]").overlaps(&path("ab")));
    assert!(path("a").overlaps(&path("a/b")) && !path("a").overlaps(&path("ab")));
    assert!(path(".").overlaps(&path("x")) && path("x").overlaps(&path(".")));
}

const SEGMENTS: [&str; 9] = ["a", "b", "ab", "*", "?", "a*", "*b", "**", "?*"];

/// All paths of at most five names over a small alphabet: every pattern of three segments that meets another
/// one meets it in one of these.
static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let names = ["a", "b", "ab", "ba", "aab", "abb"];
    let mut paths: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut last = paths.clone();
    for _ in 0..4 {
        last = last.iter().flat_map(|head| names.map(|name| format!("{head}/{name}"))).collect();
        paths.extend(last.clone());
    }
    paths
});

/// What a pattern covers, by the engine for regular expressions of another author.
fn covered(pattern: &[&str]) -> Regex {
    let mut text = String::from("^");
    for segment in pattern {
        match *segment {
            "**" => text.push_str("(?:[^/]+/)*"),
            segment => {
                for c in segment.chars() {
                    match c {
                        '*' => text.push_str("[^/]*"),
                        '?' => text.push_str("[^/]"),
                        c => text.push_str(&regex::escape(&c.to_string())),
                    }
                }
                text.push('/');
            }
        }
    }
    text.push_str("(?:[^/]+/)*$");
    Regex::new(&text).unwrap()
}

fn pattern() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(&SEGMENTS[..]), 1..4)
}

proptest! {
    #[test]
    fn overlap_and_cover_agree_with_brute_force(left in pattern(), right in pattern()) {
        let (a, b) = (path(&left.join("/")), path(&right.join("/")));
        let (of_a, of_b) = (covered(&left), covered(&right));
        let both = PATHS.iter().find(|path| {
            let path = format!("{path}/");
            of_a.is_match(&path) && of_b.is_match(&path)
        });
        prop_assert_eq!(a.overlaps(&b), both.is_some(), "{} and {}: {:?}", a, b, both);
        prop_assert_eq!(b.overlaps(&a), both.is_some());
        for name in PATHS.iter().step_by(7) {
            let fits = of_a.is_match(&format!("{name}/"));
            prop_assert_eq!(a.covers(&path(name)), fits, "{} and {}", a, name);
        }
    }

    #[test]
    fn an_index_finds_what_a_look_at_all_finds(
        held in prop::collection::vec(pattern(), 0..20),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        asked in pattern(),
    ) {
        let mut all: Vec<(PathPattern, usize)> =
            held.iter().enumerate().map(|(of, held)| (path(&held.join("/")), of)).collect();
        let mut index = PathIndex::new();
        for (path, of) in &all {
            index.insert(path.clone(), *of);
        }
        for gone in gone {
            if !all.is_empty() {
                let (path, of) = all.swap_remove(gone.index(all.len()));
                prop_assert!(index.remove(&path, &of));
                prop_assert!(!index.remove(&path, &of));
            }
        }
        let asked = path(&asked.join("/"));
        let mut found: Vec<usize> = index.overlapping(&asked).map(|(_, of)| *of).collect();
        found.sort_unstable();
        let mut expected: Vec<usize> =
            all.iter().filter(|(path, _)| path.overlaps(&asked)).map(|(_, of)| *of).collect();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(index.len(), all.len());
    }
}
