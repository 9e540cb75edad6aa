//! Measures routing: one event against many subscriptions.
//!
//! Ratios count, nanoseconds only give the scale. Run it with `--features count-alloc` for the
//! allocations, and with a word to measure only the tables whose title has it.

#[path = "../../common/alloc.rs"]
mod alloc;
mod baseline;
mod corpus;
#[path = "../../common/harness.rs"]
mod harness;

use baseline::FlatTrie;
use coordination_protocol::route::{GroupChoice, Pattern, RouteKey, RouteTable, SubscriptionId};
use corpus::{Corpus, Family};
use foldhash::fast::FixedState;
use harness::{LONG, Row, row, table};
use std::collections::HashMap;

const KEYS: usize = 10_000;
const SIZES: [usize; 3] = [10, 1_000, 100_000];
const HOT: usize = 256;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default().to_lowercase();
    let run = |title: &str, items: usize, rows: &dyn Fn() -> Vec<Row<'static>>| {
        if title.to_lowercase().contains(&wanted) {
            table(title, items, LONG, rows());
        }
    };
    for size in SIZES {
        let title = format!("One event, {size} subscriptions");
        run(&title, KEYS, &|| one_event(size));
    }
    run("From 1000 to 100000 subscriptions, by type", KEYS, &|| growth(Family::Typed));
    run("From 1000 to 100000 subscriptions, by scope", KEYS, &|| growth(Family::Scoped));
    run("Hot keys, 100000 subscriptions", HOT * 16, &hot);
    run("Subscribe 100000 times", 100_000, &subscribe);
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn filled(patterns: &[Pattern]) -> RouteTable<u32> {
    let mut table = RouteTable::new();
    for (value, pattern) in (0..).zip(patterns) {
        table.insert(pattern.clone(), value);
    }
    table
}

fn flat(patterns: &[Pattern]) -> FlatTrie {
    let mut trie = FlatTrie::new();
    for pattern in patterns {
        trie.insert(pattern.as_str());
    }
    trie
}

fn triple<'k>(key: &'k RouteKey<'_>) -> [&'k str; 3] {
    [key.type_name(), key.workflow(), key.phase().unwrap_or_default()]
}

/// Copies the names of all matches into a buffer that is used again, as the flat trie does.
fn through(
    name: &'static str,
    table: &'static RouteTable<u32>,
    keys: &'static [RouteKey<'static>],
) -> Row<'static> {
    let mut out = Vec::with_capacity(1 << 16);
    row(name, keys, move |key| {
        out.clear();
        out.extend(table.matches(key).map(|(id, _)| id));
        out.len()
    })
}

fn one_event(size: usize) -> Vec<Row<'static>> {
    let corpus = leak(Corpus::new(size));
    let keys = leak(corpus.keys(KEYS));
    let typed = corpus.patterns(Family::Typed, size);
    let trie = leak(flat(&typed));
    let (typed, scoped) =
        (leak(filled(&typed)), leak(filled(&corpus.patterns(Family::Scoped, size))));
    let mean = |table: &RouteTable<u32>| {
        keys.iter().map(|key| table.matches(key).count()).sum::<usize>() as f64 / KEYS as f64
    };
    let mut out = Vec::new();
    for key in keys {
        out.clear();
        trie.matches(triple(key), &mut out);
        out.sort_unstable();
        assert!(typed.matches(key).map(|(_, value)| *value).eq(out.iter().copied()), "{key}");
    }
    println!(
        "\n{size} subscriptions: {:.1} matches by type, {:.1} by scope",
        mean(typed),
        mean(scoped)
    );
    let [by_type, by_scope] = if size == 100_000 { [1.1, 1.5] } else { [f64::MAX; 2] };
    let mut out = Vec::with_capacity(1 << 16);
    vec![
        row("flat interned trie, by type", keys, move |key| {
            out.clear();
            trie.matches(triple(key), &mut out);
            out.len()
        }),
        through("`RouteTable::matches`, by type", typed, keys).at_most(by_type),
        through("`RouteTable::matches`, by scope", scoped, keys).at_most(by_scope),
    ]
}

/// As many matches at both sizes.
fn growth(family: Family) -> Vec<Row<'static>> {
    let of = |size: usize, name: &'static str| {
        let corpus = leak(Corpus::new(size));
        let table = leak(filled(&corpus.growing(family, size)));
        through(name, table, leak(corpus.keys(KEYS)))
    };
    vec![
        of(1_000, "`RouteTable::matches`, 1,000"),
        of(100_000, "`RouteTable::matches`, 100,000").at_most(2.5),
    ]
}

fn hot() -> Vec<Row<'static>> {
    let corpus = leak(Corpus::new(100_000));
    let few = corpus.keys(HOT);
    // Enough that a pass is not only the start of one.
    let keys: &'static Vec<RouteKey<'static>> =
        leak((0..HOT * 16).map(|at| few[at * 31 % HOT].clone()).collect());
    let table = leak(filled(&corpus.patterns(Family::Typed, 100_000)));
    let answers: HashMap<RouteKey<'static>, Vec<SubscriptionId>, FixedState> = few
        .iter()
        .map(|key| (key.clone(), table.matches(key).map(|(id, _)| id).collect()))
        .collect();
    let answers = leak(answers);
    let (mut hot, mut filled) = (table.clone(), table.clone());
    let mut copied = Vec::with_capacity(1 << 16);
    let mut received = Vec::with_capacity(1 << 16);
    vec![
        row("one lookup in a `HashMap`", keys, |key| answers.get(key).map_or(0, Vec::len)),
        row("`RouteTable::receivers`", keys, move |key| {
            hot.receivers(key, GroupChoice::Rotate).len()
        })
        .at_most(1.5),
        row("one lookup in a `HashMap`, and a copy", keys, move |key| {
            copied.clear();
            copied.extend_from_slice(answers.get(key).map_or(&[], Vec::as_slice));
            copied.len()
        }),
        row("`RouteTable::receivers`, and a copy", keys, move |key| {
            received.clear();
            received.extend(filled.receivers(key, GroupChoice::Rotate).map(|(id, _)| id));
            received.len()
        }),
        through("`RouteTable::matches`, and a copy", table, keys),
    ]
}

fn subscribe() -> Vec<Row<'static>> {
    let corpus = Corpus::new(100_000);
    let once = |family| -> &'static [Vec<Pattern>] { leak([corpus.patterns(family, 100_000)]) };
    let (typed, scoped) = (once(Family::Typed), once(Family::Scoped));
    vec![
        row("flat interned trie, by type", typed, |patterns| flat(patterns)),
        row("`RouteTable::insert`, by type", typed, |patterns| filled(patterns)).at_most_ns(400.0),
        row("`RouteTable::insert`, by scope", scoped, |patterns| filled(patterns))
            .at_most_ns(400.0),
    ]
}
