//! Many patterns, of which few can overlap with one.

use super::{PathPattern, is_at_or_below};
use std::collections::BTreeMap;

/// Patterns with what they belong to, so that those which overlap with one are found without a look at all.
///
/// Patterns can overlap only if the text before the first wildcard of one lies at or below that of the
/// other. So the cost grows with the number of patterns that lie on the way to the one that is looked for
/// and below it.
///
/// ```
/// use coordination_protocol::path::{PathIndex, PathPattern};
///
/// let mut index = PathIndex::new();
/// index.insert(PathPattern::new("src/net/**")?, "a1");
/// index.insert(PathPattern::new("docs")?, "a2");
/// let found: Vec<_> = index.overlapping(&PathPattern::new("**/*.rs")?).map(|(_, of)| *of).collect();
/// assert_eq!(found, ["a2", "a1"]);
/// assert!(index.remove(&PathPattern::new("docs")?, &"a2"));
/// assert_eq!(index.len(), 1);
/// # Ok::<(), coordination_protocol::path::PathError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathIndex<T> {
    /// By the stem: the path before the first wildcard. Segments are compared as a whole, which the order of
    /// texts does only if nothing sorts before the slash; so a slash is kept at the end.
    stems: BTreeMap<String, Vec<(PathPattern, T)>>,
    len: usize,
}

impl<T> Default for PathIndex<T> {
    fn default() -> Self {
        PathIndex { stems: BTreeMap::new(), len: 0 }
    }
}

impl<T> PathIndex<T> {
    /// No pattern.
    pub fn new() -> Self {
        PathIndex::default()
    }

    /// How many patterns it holds.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a pattern. It may be there already, for something else or the same.
    pub fn insert(&mut self, path: PathPattern, of: T) {
        self.stems.entry(key(path.stem())).or_default().push((path, of));
        self.len += 1;
    }

    /// Removes a pattern of something, and says whether it was there.
    pub fn remove(&mut self, path: &PathPattern, of: &T) -> bool
    where
        T: PartialEq,
    {
        let stem = key(path.stem());
        let Some(entries) = self.stems.get_mut(&stem) else { return false };
        let Some(at) = entries.iter().position(|entry| &entry.0 == path && &entry.1 == of) else {
            return false;
        };
        entries.swap_remove(at);
        if entries.is_empty() {
            self.stems.remove(&stem);
        }
        self.len -= 1;
        true
    }

    /// The patterns that overlap with one, those above it first.
    pub fn overlapping<'a>(
        &'a self,
        path: &'a PathPattern,
    ) -> impl Iterator<Item = (&'a PathPattern, &'a T)> {
        let stem = path.stem();
        let slashes = stem.match_indices('/').map(|(at, _)| at);
        let above = (!stem.is_empty()).then_some(0).into_iter().chain(slashes);
        let above = above.filter_map(|end| self.stems.get(&key(&stem[..end])));
        let below = self
            .stems
            .range(key(stem)..)
            .take_while(move |(found, _)| is_at_or_below(found.trim_end_matches('/'), stem))
            .map(|(_, entries)| entries);
        above
            .chain(below)
            .flatten()
            .filter(|entry| entry.0.overlaps(path))
            .map(|entry| (&entry.0, &entry.1))
    }
}

fn key(stem: &str) -> String {
    if stem.is_empty() { String::new() } else { format!("{stem}/") }
}
