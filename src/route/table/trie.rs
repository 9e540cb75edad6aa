//! The token trie: workflow first, then the pair of first and last token.
//!
//! A key meets at most two workflows, its own and any, but up to fourteen pairs: its type and its
//! phase, or one of its scopes and one of its words, each of them spelled out or left open. So
//! every workflow has a filter of the pairs below it, and a pair is looked up only if the filter
//! may hold it. What is left is hardly more than one lookup for each pattern that is met.

use super::hash;
use super::index::{Index, Slot};
use super::tokens::{ANY, Tokens};
use crate::event::REGISTRY;
use crate::route::key::{RouteKey, widening_scope};
use crate::route::pattern::{Pattern, Selector};
use crate::scalar::id;
use smol_str::SmolStr;

/// Set in a first token that is a type, so that it is no scope.
// Scopes and types come from two sets of tokens, so the same number stands for either. The bit
// keeps a pair of one family from meeting a pair of the other.
const TYPED: u32 = 1 << 31;

/// The maximum number of pairs of one key: its type with two phases, three scopes with four words.
// The bound is what makes matching free of allocations: all pairs of a key fit an array, and all
// lists that it reaches fit another.
const PAIRS: usize = 2 + 3 * 4;
/// The maximum number of nodes that one key reaches.
pub(super) const REACH: usize = 2 * PAIRS;

/// One subscription below a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    /// The number of the subscription; it orders the matches.
    pub(super) number: u64,
    /// Where its value is.
    pub(super) slot: u32,
    /// Its queue group, 0 for none.
    pub(super) group: u32,
}

/// The slot of a hit whose subscription was removed.
pub(super) const GONE: u32 = u32::MAX;

/// The subscriptions below a node, by number. Most nodes have one.
#[derive(Clone, Debug)]
enum Hits {
    // A list of one costs no allocation, and a hundred thousand subscriptions of agents are mainly
    // lists of one.
    One(Hit),
    Many { list: Vec<Hit>, gone: usize },
}

impl Hits {
    #[inline]
    fn as_slice(&self) -> &[Hit] {
        match self {
            Hits::One(hit) => std::slice::from_ref(hit),
            Hits::Many { list, .. } => list,
        }
    }

    fn push(&mut self, hit: Hit) {
        match self {
            Hits::One(first) => *self = Hits::Many { list: vec![*first, hit], gone: 0 },
            // Numbers only grow, so a push keeps the list in order, and the merge needs no sort.
            Hits::Many { list, .. } => list.push(hit),
        }
    }

    /// The value of a subscription was moved.
    fn moved(&mut self, number: u64, slot: u32) {
        match self {
            Hits::One(hit) if hit.number == number => hit.slot = slot,
            Hits::One(_) => {}
            Hits::Many { list, .. } => {
                if let Ok(at) = list.binary_search_by_key(&number, |hit| hit.number) {
                    list[at].slot = slot;
                }
            }
        }
    }

    /// Takes a subscription out; whether none is left. In a long list it only leaves a mark, so
    /// that removing all of them takes no more than linear time.
    fn remove(&mut self, number: u64) -> bool {
        match self {
            Hits::One(hit) => hit.number == number,
            Hits::Many { list, gone } => {
                if let Ok(at) = list.binary_search_by_key(&number, |hit| hit.number)
                    // The mark stays in the list, so a second removal has to be told from the
                    // first.
                    && list[at].slot != GONE
                {
                    list[at].slot = GONE;
                    *gone += 1;
                }
                // Half of the list is rewritten at most once for every half that was removed, so a
                // removal costs constant time on average. A `Vec::remove` would move the rest each
                // time.
                if *gone * 2 > list.len() {
                    list.retain(|hit| hit.slot != GONE);
                    *gone = 0;
                }
                list.is_empty()
            }
        }
    }
}

/// Tokens of a pattern: workflow, first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    workflow: u32,
    first: u32,
    last: u32,
}

#[derive(Clone, Debug)]
struct Node {
    path: Path,
    hits: Hits,
}

/// What a workflow knows of the pairs below it.
#[derive(Clone, Copy, Debug, Default)]
struct PairFilter {
    /// One bit for each pair, several pairs to a bit.
    filter: [u64; NARROW],
    nodes: u32,
}

/// Words of a workflow's filter: of 256 bits, the pairs of twenty patterns leave most empty.
// Four words stand in the entry of the workflow itself, so that asking the filter reads no memory
// that the lookup of the workflow has not read.
const NARROW: usize = 4;
/// Words of the filter of patterns without a workflow, which many pairs share.
const WIDE: usize = 64;

/// The tokens of a registered type.
#[derive(Clone, Debug)]
struct Known {
    name: u32,
    scope: u32,
    words: [u32; 3],
}

#[derive(Clone, Debug)]
pub(super) struct Trie {
    seed: u64,
    workflows: Tokens<PairFilter>,
    /// Types and phases.
    exact: Tokens<()>,
    /// Scopes and words.
    folded: Tokens<()>,
    // By the type's number, so an event of a registered type hashes neither its name nor its words.
    known: Vec<Known>,
    /// The scopes of whatever is bound to a workflow, and of whatever is global.
    widening: [u32; 2],
    wide: Box<[u64; WIDE]>,
    /// How many nodes there are of each family, scopes first.
    families: [u32; 2],
    nodes: Vec<Option<Node>>,
    free: Vec<u32>,
    index: Index,
}

/// Where a pair stands in a filter.
#[inline]
// Token numbers are small and consecutive; multiplied by odd constants, their upper bits differ.
// Only those are used for the below.
fn spot(first: u32, last: u32) -> u32 {
    first.wrapping_mul(0x9E37_79B1).wrapping_add(last.wrapping_mul(0x85EB_CA77))
}

/// Word and bit of a spot in a filter of a power of two of words.
#[inline]
fn bit<const WORDS: usize>(spot: u32) -> (usize, u64) {
    // The upper bits of a product depend on all bits of the factor, the lower ones on few.
    ((spot >> 26) as usize % WORDS, 1 << (spot >> 20 & 63))
}

#[inline]
fn has<const WORDS: usize>(filter: &[u64; WORDS], spot: u32) -> bool {
    let (word, bit) = bit::<WORDS>(spot);
    filter[word] & bit != 0
}

#[inline]
fn set<const WORDS: usize>(filter: &mut [u64; WORDS], spot: u32) {
    let (word, bit) = bit::<WORDS>(spot);
    filter[word] |= bit;
}

/// The pairs of tokens that a key meets.
struct Pairs {
    pairs: [(u32, u32); PAIRS],
    count: usize,
}

impl Pairs {
    #[inline]
    fn push(&mut self, first: u32, last: u32) {
        if let Some(pair) = self.pairs.get_mut(self.count) {
            *pair = (first, last);
            self.count += 1;
        }
    }

    /// Scopes with words, each pair once.
    #[inline]
    fn cross(&mut self, scopes: [Option<u32>; 3], [word, full, alias]: [Option<u32>; 3]) {
        // A type without an alias, or with one word, names the same token twice. A pair that is met
        // twice would hand out its subscriptions twice.
        let full = full.filter(|_| full != word);
        let alias = alias.filter(|_| alias != word && alias != full);
        for first in scopes.into_iter().flatten() {
            for last in [Some(ANY), word, full, alias].into_iter().flatten() {
                self.push(first, last);
            }
        }
    }
}

impl Trie {
    pub(super) fn new(seed: u64) -> Self {
        let mut exact = Tokens::exact();
        let mut folded = Tokens::folded();
        // The tokens of registered types are always there: their events look up no text but the
        // workflow and the phase.
        let known = REGISTRY
            .iter()
            .map(|spec| {
                let name = spec.event_type.as_str();
                // Without an alias the name stands in its below; `cross` leaves the repetition out.
                let alias = spec.alias.unwrap_or(name);
                Known {
                    name: exact.take(seed, name) | TYPED,
                    scope: folded.take(seed, spec.category.as_str()),
                    words: [spec.word, name, alias].map(|word| folded.take(seed, word)),
                }
            })
            .collect();
        let widening = ["", id::GLOBAL].map(|flow| folded.take(seed, widening_scope(flow)));
        Trie {
            seed,
            workflows: Tokens::exact(),
            exact,
            folded,
            known,
            widening,
            wide: Box::new([0; WIDE]),
            families: [0; 2],
            nodes: Vec::new(),
            free: Vec::new(),
            index: Index::new(),
        }
    }

    #[inline]
    fn hash(&self, path: Path) -> u64 {
        hash::triple(self.seed, path.workflow, path.first, path.last)
    }

    #[inline]
    fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize)?.as_ref()
    }

    #[inline]
    fn find_from(&self, slot: Slot, hash: u64, path: Path) -> Option<u32> {
        let is = |at| self.node(at).is_some_and(|node| node.path == path);
        self.index.find_from(slot, hash, is)
    }

    /// Adds a subscription; gives the node that it stands at.
    pub(super) fn add(&mut self, pattern: &Pattern, hit: Hit) -> u32 {
        // Every token is counted, also that of an open part: the family and the workflow of a node
        // stay as long as a pattern needs them.
        let (workflow, first, last) = match pattern.selector() {
            Selector::Scoped { scope, workflow, word } => (
                workflow,
                self.folded.take_some(self.seed, scope.as_deref()),
                self.folded.take_some(self.seed, word.as_deref()),
            ),
            Selector::Typed { name, workflow, phase } => (
                workflow,
                self.exact.take(self.seed, name) | TYPED,
                self.exact.take_some(self.seed, phase.as_deref()),
            ),
        };
        let workflow = self.workflows.take_some(self.seed, workflow.as_ref().map(SmolStr::as_str));
        let path = Path { workflow, first, last };
        let hash = self.hash(path);
        if let Some(at) = self.find_from(self.index.first(hash), hash, path) {
            if let Some(node) = &mut self.nodes[at as usize] {
                node.hits.push(hit);
            }
            return at;
        }
        let node = Some(Node { path, hits: Hits::One(hit) });
        // Places of removed nodes are used again, so a table whose subscriptions come and go does
        // not grow.
        let at = if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            at
        } else {
            self.nodes.push(node);
            self.nodes.len() as u32 - 1
        };
        self.index.add(hash, at);
        let spot = spot(first, last);
        let below = self.workflows.own_mut(workflow);
        self.families[usize::from(first & TYPED != 0)] += 1;
        // The filter is only ever a hint: a bit too much costs one lookup, a bit too few would lose
        // subscriptions. So bits are set here at once and cleared only when no pair is left.
        below.nodes += 1;
        set(&mut below.filter, spot);
        if workflow == ANY {
            set(&mut self.wide, spot);
        }
        at
    }

    /// Takes a subscription out of its node.
    pub(super) fn remove(&mut self, at: u32, number: u64) {
        let Some(node) = &mut self.nodes[at as usize] else { return };
        let path = node.path;
        // An empty node is taken out of the index: what a stranger subscribed to and left again
        // must not slow down lookups.
        if node.hits.remove(number) {
            self.nodes[at as usize] = None;
            self.free.push(at);
            self.index.remove(self.hash(path), at);
            let below = self.workflows.own_mut(path.workflow);
            self.families[usize::from(path.first & TYPED != 0)] -= 1;
            below.nodes -= 1;
            // Bits are shared, so they go when all pairs have gone.
            if below.nodes == 0 {
                below.filter = [0; NARROW];
                if path.workflow == ANY {
                    self.wide.fill(0);
                }
            }
        }
        if path.first & TYPED == 0 {
            self.folded.release(self.seed, path.first);
            self.folded.release(self.seed, path.last);
        } else {
            self.exact.release(self.seed, path.first & !TYPED);
            self.exact.release(self.seed, path.last);
        }
        self.workflows.release(self.seed, path.workflow);
    }

    /// The value of a subscription at a node was moved.
    pub(super) fn moved(&mut self, at: u32, number: u64, slot: u32) {
        if let Some(node) = &mut self.nodes[at as usize] {
            node.hits.moved(number, slot);
        }
    }

    /// Hands out the subscriptions of every node that a key reaches, each list by number. The
    /// lists have nothing in common.
    #[inline]
    pub(super) fn reach<'t>(&'t self, key: &RouteKey<'_>, mut take: impl FnMut(&'t [Hit])) {
        let pairs = self.pairs(key);
        let pairs = &pairs.pairs[..pairs.count];
        // A workflow without patterns of its own is met by open ones only. Its filter is then that
        // of the open ones, and the second lookup is left out below.
        let workflow = self.workflows.find(self.seed, key.workflow()).unwrap_or(ANY);
        let narrow = &self.workflows.own(workflow).filter;
        // First what may be there, without a branch; most of it is not.
        let (mut wide_set, mut narrow_set) = (0_u32, 0_u32);
        for (at, &(first, last)) in pairs.iter().enumerate() {
            let spot = spot(first, last);
            wide_set |= u32::from(has(&self.wide, spot)) << at;
            narrow_set |= u32::from(has(narrow, spot)) << at;
        }
        self.probe(ANY, pairs, wide_set, &mut take);
        if workflow != ANY {
            self.probe(workflow, pairs, narrow_set, &mut take);
        }
    }

    /// Looks up the pairs of a set below a workflow.
    #[inline]
    fn probe<'t>(
        &'t self,
        workflow: u32,
        pairs: &[(u32, u32)],
        set: u32,
        take: &mut impl FnMut(&'t [Hit]),
    ) {
        let path = |at: u32| {
            let (first, last) = pairs[at as usize];
            Path { workflow, first, last }
        };
        // All first slots are read before any of them is compared: the reads miss the cache
        // independently of each other, and the processor overlaps them.
        let mut probes = [(0, Slot::NONE); PAIRS];
        let mut rest = set;
        let mut count = 0;
        while rest != 0 {
            let hash = self.hash(path(rest.trailing_zeros()));
            probes[count] = (hash, self.index.first(hash));
            count += 1;
            rest &= rest - 1;
        }
        let mut rest = set;
        for &(hash, slot) in &probes[..count] {
            let path = path(rest.trailing_zeros());
            rest &= rest - 1;
            if let Some(node) = self.find_from(slot, hash, path).and_then(|at| self.node(at)) {
                take(node.hits.as_slice());
            }
        }
    }

    #[inline]
    fn pairs(&self, key: &RouteKey<'_>) -> Pairs {
        let mut pairs = Pairs { pairs: [(ANY, ANY); PAIRS], count: 0 };
        // A table that has only patterns of one family builds no pairs of the other.
        let [scoped, typed] = self.families.map(|nodes| nodes > 0);
        let known = key.event_type().map(|kind| &self.known[kind as usize]);
        if typed {
            let name = match known {
                Some(known) => Some(known.name),
                None => self.exact.find(self.seed, key.type_name()).map(|at| at | TYPED),
            };
            if let Some(name) = name {
                pairs.push(name, ANY);
                if let Some(phase) = key.phase().and_then(|phase| self.exact.find(self.seed, phase))
                {
                    pairs.push(name, phase);
                }
            }
        }
        if scoped {
            // The scope that the workflow gives may be the category itself, for example of a
            // workflow's own event. It is then left out once, as in `cross`.
            let wide = Some(self.widening[usize::from(key.workflow() == id::GLOBAL)]);
            let (scope, words) = match known {
                Some(known) => (Some(known.scope), known.words.map(Some)),
                None => self.unregistered(key),
            };
            pairs.cross([Some(ANY), scope.filter(|_| scope != wide), wide], words);
        }
        pairs
    }

    /// The scope of a key, and its words.
    #[cold]
    fn unregistered(&self, key: &RouteKey<'_>) -> (Option<u32>, [Option<u32>; 3]) {
        // Cold: unregistered types are legal, but events are nearly always of registered ones.
        let folded = |text| self.folded.find(self.seed, text);
        let words = [folded(key.raw_word()), folded(key.type_name()), None];
        (folded(key.raw_scope()), words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(trie: &mut Trie, text: &str, number: u64) -> u32 {
        let pattern = Pattern::parse(text).unwrap();
        trie.add(&pattern, Hit { number, slot: number as u32, group: ANY })
    }

    fn reached(trie: &Trie, key: &RouteKey<'_>) -> Vec<u64> {
        let mut found = Vec::new();
        trie.reach(key, |hits| found.extend(hits.iter().map(|hit| hit.number)));
        found.sort_unstable();
        found
    }

    #[test]
    fn each_pattern_of_a_key_is_reached_once() {
        // Scope and word are the same token here, and the alias is missing: pairs would repeat.
        let key = RouteKey::new("TASK", "wf_1", "build");
        let mut trie = Trie::new(3);
        let patterns = ["task.*.task", "*.*.task", "task.>", ">", "workflow.wf_1.task", "TASK.>"];
        for (number, text) in (1..).zip(patterns) {
            add(&mut trie, text, number);
        }
        assert_eq!(reached(&trie, &key), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_key_reaches_no_more_lists_than_there_is_room_for() {
        let mut trie = Trie::new(0);
        let mut number = 0;
        for workflow in ["*", "wf_1"] {
            for scope in ["*", "resource", "workflow"] {
                for word in ["*", "conflict", "resource_conflict", "conflict_detected"] {
                    number += 1;
                    add(&mut trie, &format!("{scope}.{workflow}.{word}"), number);
                }
            }
            for phase in ["*", "build"] {
                number += 1;
                add(&mut trie, &format!("RESOURCE_CONFLICT.{workflow}.{phase}"), number);
            }
        }
        let mut lists = 0;
        let key = RouteKey::new("RESOURCE_CONFLICT", "wf_1", "build");
        trie.reach(&key, |_| lists += 1);
        assert_eq!((lists, number as usize), (REACH, REACH));
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut trie = Trie::new(0);
        let empty = (trie.exact.clone(), trie.folded.clone());
        let patterns = ["task.*.failed", "task.wf_1.failed", "TASK_FAILED.wf_1.build", ">"];
        let places: Vec<(u32, u64)> =
            (0..).zip(patterns).map(|(n, p)| (add(&mut trie, p, n), n)).collect();
        let key = RouteKey::new("TASK_FAILED", "wf_1", "build");
        assert_eq!(reached(&trie, &key), [0, 1, 2, 3]);
        for (at, number) in places {
            trie.remove(at, number);
            assert!(!reached(&trie, &key).contains(&number));
        }
        assert!(trie.nodes.iter().all(Option::is_none));
        assert_eq!((trie.free.len(), trie.families), (trie.nodes.len(), [0, 0]));
        // The bits of a filter are shared, so they go with the last pair.
        assert!(trie.wide.iter().all(|word| *word == 0));
        assert!(trie.workflows.own(ANY).filter.iter().all(|word| *word == 0));
        assert_eq!(trie.workflows.find(0, "wf_1"), None);
        for text in ["wf_1", "build"] {
            assert_eq!(trie.exact.find(0, text), empty.0.find(0, text), "{text}");
        }
        // A place is used again.
        assert!((add(&mut trie, "agent.>", 9) as usize) < patterns.len());
    }

    #[test]
    fn removing_from_a_long_list_only_marks_until_half_is_gone() {
        let hit = |number| Hit { number, slot: number as u32, group: ANY };
        let mut hits = Hits::One(hit(0));
        (1..10).for_each(|number| hits.push(hit(number)));
        for number in 0..5 {
            assert!(!hits.remove(number));
            assert_eq!(hits.as_slice().len(), 10);
        }
        // A second removal of the same one does not count.
        assert!(!hits.remove(0));
        assert_eq!(hits.as_slice().len(), 10);
        assert!(!hits.remove(5));
        assert_eq!(hits.as_slice().len(), 4);
        hits.moved(8, 77);
        assert_eq!(hits.as_slice().iter().map(|hit| hit.slot).collect::<Vec<_>>(), [6, 7, 77, 9]);
        assert!([6, 7, 8].iter().all(|number| !hits.remove(*number)));
        assert!(hits.remove(9));
    }
}
