//! The matches of keys that come again and again.
//!
//! A key has one place, by its hash. It takes the place when it is met there twice in a row, so
//! keys that come once displace nothing. Every change of the table outdates all that is kept.

use super::hash;
use super::trie::Hit;
use crate::event::EventType;
use crate::route::key::RouteKey;
use smol_str::SmolStr;

/// How many keys there is room for.
// A fixed number of places and no eviction order: a cache that kept one would write to memory on
// every hit. Two keys that share a place compete for it, which costs lookups and nothing else.
const CAPACITY: usize = 4096;
/// The maximum number of matches that are kept of one key: 4,096 keys with that many take 16 MiB.
// A key with more matches spends its time on handing them out; looking them up again does not show.
const MAX_HITS: usize = 256;

#[derive(Clone, Debug, Default)]
pub(super) struct MatchCache {
    /// The hash that was met last at each place; empty until the first key is met.
    // Kept apart from the entries, so that a key which comes once reads and writes eight bytes.
    met: Vec<u64>,
    entries: Vec<Option<CacheEntry>>,
}

#[derive(Clone, Debug)]
struct CacheEntry {
    /// The state of the table that it tells of.
    version: u64,
    kind: Option<EventType>,
    grouped: bool,
    // Short texts stand in the entry itself.
    workflow: SmolStr,
    phase: Option<SmolStr>,
    /// The whole key, unless its type is the protocol's and says it all.
    whole: Option<Box<RouteKey<'static>>>,
    hits: Vec<Hit>,
}

impl CacheEntry {
    #[inline]
    fn is_of(&self, key: &RouteKey<'_>) -> bool {
        self.kind == key.event_type()
            && self.workflow == key.workflow()
            && self.phase.as_deref() == key.phase()
            && self.whole.as_ref().is_none_or(|whole| **whole == *key)
    }
}

/// What is known of a key.
pub(super) enum Lookup {
    /// Its matches stand at this place.
    Cached(usize),
    /// It may be noted there.
    Candidate(usize),
    /// It was met for the first time in a row.
    Miss,
}

impl MatchCache {
    #[inline]
    pub(super) fn lookup(&mut self, seed: u64, version: u64, key: &RouteKey<'_>) -> Lookup {
        // Made with the first key: a table that is only asked for matches never pays for the cache.
        if self.met.is_empty() {
            self.met = vec![0; CAPACITY];
            self.entries = vec![None; CAPACITY];
        }
        let name = match key.event_type() {
            // The number stands for the name of a registered type, so the name is not hashed.
            Some(kind) => kind as u64,
            None => hash::text(seed, key.type_name()),
        };
        let place = hash::join(
            hash::text(seed ^ name, key.workflow()),
            hash::text(seed, key.phase().unwrap_or_default()),
        );
        let at = place as usize % CAPACITY;
        // The version of the table is compared here. Clearing all entries on every change instead
        // would make each subscription write to 4,096 places.
        let entry = self.entries[at].as_ref();
        if entry.is_some_and(|entry| entry.version == version && entry.is_of(key)) {
            return Lookup::Cached(at);
        }
        // Twice in a row before it is kept: a stream of keys that never repeat, such as one
        // workflow each, would otherwise copy every list of matches for nothing.
        if std::mem::replace(&mut self.met[at], place) == place {
            Lookup::Candidate(at)
        } else {
            Lookup::Miss
        }
    }

    /// The matches kept at a place, and whether one of them is in a group.
    #[inline]
    pub(super) fn cached(&self, at: usize) -> (&[Hit], bool) {
        self.entries[at].as_ref().map_or((&[], false), |entry| (&entry.hits, entry.grouped))
    }

    /// Notes the matches of a key at its place, unless they are too many.
    pub(super) fn store(&mut self, at: usize, version: u64, key: &RouteKey<'_>, hits: &[Hit]) {
        if hits.len() > MAX_HITS {
            return;
        }
        let grouped = super::grouped(hits);
        match &mut self.entries[at] {
            // The table changed and the key came again: the list is filled anew without an
            // allocation.
            Some(entry) if entry.is_of(key) => {
                entry.version = version;
                entry.grouped = grouped;
                entry.hits.clear();
                entry.hits.extend_from_slice(hits);
            }
            other => {
                let kind = key.event_type();
                let whole = kind.is_none().then(|| Box::new(key.clone().into_owned()));
                *other = Some(CacheEntry {
                    version,
                    kind,
                    grouped,
                    workflow: key.workflow().into(),
                    phase: key.phase().map(SmolStr::new),
                    whole,
                    hits: hits.to_vec(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::table::tokens::ANY;

    fn hits(count: u64) -> Vec<Hit> {
        (0..count).map(|number| Hit { number, slot: number as u32, group: ANY }).collect()
    }

    /// Meets a key twice and keeps matches of it; gives its place.
    fn keep(cache: &mut MatchCache, version: u64, key: &RouteKey<'_>, count: u64) -> usize {
        assert!(matches!(cache.lookup(0, version, key), Lookup::Miss));
        let Lookup::Candidate(at) = cache.lookup(0, version, key) else { panic!("not kept") };
        cache.store(at, version, key, &hits(count));
        at
    }

    #[test]
    fn a_key_is_kept_when_it_comes_twice_in_a_row() {
        let mut cache = MatchCache::default();
        let key = RouteKey::new("TASK_FAILED", "wf_1", "build");
        let at = keep(&mut cache, 1, &key, 3);
        assert!(matches!(cache.lookup(0, 1, &key), Lookup::Cached(found) if found == at));
        assert_eq!((cache.cached(at).0.len(), cache.cached(at).1), (3, false));
    }

    #[test]
    fn a_change_of_the_table_outdates_what_is_kept() {
        let mut cache = MatchCache::default();
        let key = RouteKey::new("TASK_FAILED", "wf_1", "build");
        let at = keep(&mut cache, 1, &key, 3);
        assert!(matches!(cache.lookup(0, 2, &key), Lookup::Candidate(found) if found == at));
        cache.store(at, 2, &key, &hits(1));
        assert!(matches!(cache.lookup(0, 2, &key), Lookup::Cached(_)));
        assert_eq!(cache.cached(at).0.len(), 1);
    }

    #[test]
    fn keys_that_differ_in_one_part_are_told_apart() {
        let mut cache = MatchCache::default();
        // Without a phase and with an empty one, a key has the same place.
        let empty = RouteKey::new("TASK_FAILED", "wf_1", "");
        let none = RouteKey::parse("task.wf_1.failed").unwrap();
        keep(&mut cache, 1, &empty, 3);
        assert!(!matches!(cache.lookup(0, 1, &none), Lookup::Cached(_)));
        // Unregistered types have no number and are compared by name.
        let types = ["SHIP_DONE", "Ship_Done"].map(|name| RouteKey::new(name, "wf_1", "build"));
        keep(&mut cache, 1, &types[0], 3);
        assert!(!matches!(cache.lookup(0, 1, &types[1]), Lookup::Cached(_)));
        assert!(matches!(cache.lookup(0, 1, &types[0]), Lookup::Cached(_) | Lookup::Candidate(_)));
    }

    #[test]
    fn a_long_list_is_not_kept() {
        let mut cache = MatchCache::default();
        let key = RouteKey::new("TASK_FAILED", "wf_1", "build");
        keep(&mut cache, 1, &key, MAX_HITS as u64 + 1);
        assert!(!matches!(cache.lookup(0, 1, &key), Lookup::Cached(_)));
        cache.store(cache_place(&mut cache.clone(), &key), 1, &key, &hits(MAX_HITS as u64));
        assert!(matches!(cache.lookup(0, 1, &key), Lookup::Cached(_)));
    }

    fn cache_place(cache: &mut MatchCache, key: &RouteKey<'_>) -> usize {
        match cache.lookup(0, 1, key) {
            Lookup::Cached(at) | Lookup::Candidate(at) => at,
            Lookup::Miss => panic!("it was met before"),
        }
    }
}
