//! The matches of keys that come again and again.
//!
//! A key has one place, by its hash. It takes the place when it is met there twice in a row, so
//! keys that come once displace nothing. Every change of the table outdates all that is noted.

use super::hash;
use super::trie::Hit;
use crate::event::EventType;
use crate::route::key::RouteKey;
use smol_str::SmolStr;

/// How many keys there is room for.
const PLACES: usize = 4096;
/// The maximum number of matches that are kept of one key: 4,096 keys with that many take 16 MiB.
const MAX_HITS: usize = 256;

#[derive(Clone, Debug, Default)]
pub(super) struct MatchCache {
    /// The hash that was met last at each place; empty until the first key is met.
    met: Vec<u64>,
    notes: Vec<Option<CacheEntry>>,
}

#[derive(Clone, Debug)]
struct CacheEntry {
    /// The state of the table that it tells of.
    version: u64,
    kind: Option<EventType>,
    grouped: bool,
    // Short texts stand in the note itself.
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
pub(super) enum Seen {
    /// Its matches stand at this place.
    Noted(usize),
    /// It may be noted there.
    Again(usize),
    Once,
}

impl MatchCache {
    #[inline]
    pub(super) fn look(&mut self, seed: u64, version: u64, key: &RouteKey<'_>) -> Seen {
        if self.met.is_empty() {
            self.met = vec![0; PLACES];
            self.notes = vec![None; PLACES];
        }
        let name = match key.event_type() {
            Some(kind) => kind as u64,
            None => hash::text(seed, key.type_name()),
        };
        let place = hash::join(
            hash::text(seed ^ name, key.workflow()),
            hash::text(seed, key.phase().unwrap_or_default()),
        );
        let at = place as usize % PLACES;
        let note = self.notes[at].as_ref();
        if note.is_some_and(|note| note.version == version && note.is_of(key)) {
            return Seen::Noted(at);
        }
        if std::mem::replace(&mut self.met[at], place) == place {
            Seen::Again(at)
        } else {
            Seen::Once
        }
    }

    /// The matches noted at a place, and whether one of them is in a group.
    #[inline]
    pub(super) fn noted(&self, at: usize) -> (&[Hit], bool) {
        self.notes[at].as_ref().map_or((&[], false), |note| (&note.hits, note.grouped))
    }

    /// Notes the matches of a key at its place, unless they are too many.
    pub(super) fn note(&mut self, at: usize, version: u64, key: &RouteKey<'_>, hits: &[Hit]) {
        if hits.len() > MAX_HITS {
            return;
        }
        let grouped = super::grouped(hits);
        match &mut self.notes[at] {
            Some(note) if note.is_of(key) => {
                note.version = version;
                note.grouped = grouped;
                note.hits.clear();
                note.hits.extend_from_slice(hits);
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
