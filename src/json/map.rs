//! Values by a key of the writer's choice.

use smol_str::SmolStr;
use std::fmt;

/// Values by a key of the writer's choice, in their order. A key is looked up by walking the entries.
///
/// ```
/// use coordination_protocol::message::Map;
/// use coordination_protocol::scalar::Amount;
///
/// let mut tools: Map<Amount> = [("bash", 3), ("grep", 1)].into_iter()
///     .map(|(tool, count)| (tool, Amount::from(count)))
///     .collect();
/// assert_eq!(tools.get("bash"), Some(&Amount::from(3)));
/// assert_eq!(tools.insert("bash", Amount::from(4)), Some(Amount::from(3)));
/// *tools.get_mut("bash").unwrap() = Amount::from(5);
/// tools.entry("sed").or_insert_with(|| Amount::from(1));
/// assert_eq!(tools.remove("grep"), Some(Amount::from(1)));
/// assert_eq!(tools.keys().collect::<Vec<_>>(), ["bash", "sed"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<T>(Vec<(SmolStr, T)>);

impl<T> Map<T> {
    /// An empty map.
    pub const fn new() -> Self {
        Map(Vec::new())
    }

    /// Takes entries none of whose keys is there twice.
    pub(crate) const fn from_valid(entries: Vec<(SmolStr, T)>) -> Self {
        Map(entries)
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|(name, _)| name == key)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.find(key).map(|at| &self.0[at].1)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        self.find(key).map(|at| &mut self.0[at].1)
    }

    /// Whether a key is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Sets the value of a key, and returns the one it had. A new key goes to the end.
    pub fn insert(&mut self, key: impl AsRef<str>, value: T) -> Option<T> {
        let key = key.as_ref();
        if let Some(old) = self.get_mut(key) {
            return Some(std::mem::replace(old, value));
        }
        self.0.push((SmolStr::new(key), value));
        None
    }

    /// Takes a key out, and returns its value. The others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<T> {
        self.find(key).map(|at| self.0.remove(at).1)
    }

    /// The place of a key, be it there or not.
    pub fn entry(&mut self, key: impl AsRef<str>) -> Entry<'_, T> {
        let key = key.as_ref();
        match self.find(key) {
            Some(at) => Entry::Occupied(OccupiedEntry { entries: &mut self.0, at }),
            None => Entry::Vacant(VacantEntry { entries: &mut self.0, key: SmolStr::new(key) }),
        }
    }

    /// Takes out what `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut T) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self.0.iter())
    }

    /// Keys and values, in order; the values to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        IterMut(self.0.iter_mut())
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// The values, in order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, in order, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> + ExactSizeIterator {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Keys and values, to be changed; no key may be there twice.
    pub(crate) fn entries_mut(&mut self) -> &mut Vec<(SmolStr, T)> {
        &mut self.0
    }

    pub(crate) fn entries(&self) -> &[(SmolStr, T)] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Map<T> {
    fn default() -> Self {
        Map::new()
    }
}

impl<K: AsRef<str>, T> FromIterator<(K, T)> for Map<T> {
    /// Of equal keys, the last counts, at the place of the first.
    fn from_iter<I: IntoIterator<Item = (K, T)>>(items: I) -> Self {
        let mut entries: Vec<(SmolStr, T)> =
            items.into_iter().map(|(key, value)| (SmolStr::new(key), value)).collect();
        if entries.is_sorted_by(|a, b| a.0 < b.0) {
            return Map(entries);
        }
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].0.cmp(&entries[*b].0));
        let mut repeated = vec![false; entries.len()];
        let mut rest = &order[..];
        while let Some(&first) = rest.first() {
            let equal = rest.iter().take_while(|at| entries[**at].0 == entries[first].0).count();
            entries.swap(first, rest[equal - 1]);
            rest[1..equal].iter().for_each(|at| repeated[*at] = true);
            rest = &rest[equal..];
        }
        let mut repeated = repeated.into_iter();
        entries.retain(|_| !repeated.next().unwrap_or_default());
        Map(entries)
    }
}

impl<K: AsRef<str>, T, const N: usize> From<[(K, T); N]> for Map<T> {
    /// Of equal keys, the last counts, at the place of the first.
    fn from(items: [(K, T); N]) -> Self {
        items.into_iter().collect()
    }
}

impl<K: AsRef<str>, T> Extend<(K, T)> for Map<T> {
    fn extend<I: IntoIterator<Item = (K, T)>>(&mut self, items: I) {
        for (key, value) in items {
            self.insert(key, value);
        }
    }
}

/// The entries of a [`Map`], in order.
#[derive(Clone, Debug)]
pub struct Iter<'m, T>(std::slice::Iter<'m, (SmolStr, T)>);

impl<'m, T> Iterator for Iter<'m, T> {
    type Item = (&'m str, &'m T);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

/// The entries of a [`Map`], in order; the values to be changed.
#[derive(Debug)]
pub struct IterMut<'m, T>(std::slice::IterMut<'m, (SmolStr, T)>);

impl<'m, T> Iterator for IterMut<'m, T> {
    type Item = (&'m str, &'m mut T);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for IterMut<'_, T> {}

/// The entries of a [`Map`], in order, owned.
#[derive(Debug)]
pub struct IntoIter<T>(std::vec::IntoIter<(SmolStr, T)>);

impl<T> Iterator for IntoIter<T> {
    type Item = (String, T);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.into(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for IntoIter<T> {}

impl<T> IntoIterator for Map<T> {
    type Item = (String, T);
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self.0.into_iter())
    }
}

impl<'m, T> IntoIterator for &'m Map<T> {
    type Item = (&'m str, &'m T);
    type IntoIter = Iter<'m, T>;

    fn into_iter(self) -> Iter<'m, T> {
        self.iter()
    }
}

impl<'m, T> IntoIterator for &'m mut Map<T> {
    type Item = (&'m str, &'m mut T);
    type IntoIter = IterMut<'m, T>;

    fn into_iter(self) -> IterMut<'m, T> {
        self.iter_mut()
    }
}

/// The place of a key in a [`Map`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Entry<'m, T> {
    /// The key is there.
    Occupied(OccupiedEntry<'m, T>),
    /// It is not.
    Vacant(VacantEntry<'m, T>),
}

impl<'m, T> Entry<'m, T> {
    /// The key.
    pub fn key(&self) -> &str {
        match self {
            Entry::Occupied(entry) => entry.key(),
            Entry::Vacant(entry) => entry.key(),
        }
    }

    /// The value, which is set if there is none.
    pub fn or_insert(self, value: T) -> &'m mut T {
        self.or_insert_with(|| value)
    }

    /// The value, which is made and set if there is none.
    pub fn or_insert_with(self, make: impl FnOnce() -> T) -> &'m mut T {
        match self {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(make()),
        }
    }

    /// The value, which is set to its default if there is none.
    pub fn or_default(self) -> &'m mut T
    where
        T: Default,
    {
        self.or_insert_with(T::default)
    }

    /// Changes the value if there is one.
    pub fn and_modify(mut self, change: impl FnOnce(&mut T)) -> Self {
        if let Entry::Occupied(entry) = &mut self {
            change(entry.get_mut());
        }
        self
    }
}

/// The place of a key that is there.
pub struct OccupiedEntry<'m, T> {
    entries: &'m mut Vec<(SmolStr, T)>,
    at: usize,
}

impl<'m, T> OccupiedEntry<'m, T> {
    /// The key.
    pub fn key(&self) -> &str {
        &self.entries[self.at].0
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.entries[self.at].1
    }

    /// The value, to be changed.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.entries[self.at].1
    }

    /// The value, to be changed as long as the map is borrowed.
    pub fn into_mut(self) -> &'m mut T {
        &mut self.entries[self.at].1
    }

    /// Sets the value, and returns the one it had.
    pub fn insert(&mut self, value: T) -> T {
        std::mem::replace(self.get_mut(), value)
    }

    /// Takes the key out, and returns its value.
    pub fn remove(self) -> T {
        self.entries.remove(self.at).1
    }
}

impl<T> fmt::Debug for OccupiedEntry<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OccupiedEntry").field(&self.key()).finish()
    }
}

/// The place of a key that is not there.
pub struct VacantEntry<'m, T> {
    entries: &'m mut Vec<(SmolStr, T)>,
    key: SmolStr,
}

impl<'m, T> VacantEntry<'m, T> {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Sets the value.
    pub fn insert(self, value: T) -> &'m mut T {
        let at = self.entries.len();
        self.entries.push((self.key, value));
        &mut self.entries[at].1
    }
}

impl<T> fmt::Debug for VacantEntry<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VacantEntry").field(&self.key()).finish()
    }
}
