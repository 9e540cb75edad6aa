//! Who wants what.

use crate::route::{Filter, FilterInput, Pattern, RouteTable, SubscriptionId};
use crate::scalar::{ComponentId, Now};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What a subscriber wants of what its pattern selects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Interest {
    pub(super) subscriber: ComponentId,
    pub(super) group: Option<SmolStr>,
    pub(super) filter: Option<Filter>,
}

impl Interest {
    /// The subject is read only if there is a filter.
    pub(super) fn wants<'s>(
        &self,
        now: Now,
        subject: impl FnOnce() -> Option<FilterInput<'s>>,
    ) -> bool {
        self.filter.as_ref().is_none_or(|filter| {
            subject().is_some_and(|subject| filter.accepts(&subject, now.wall))
        })
    }
}

/// The queue group and the pattern: what tells the subscriptions of one subscriber apart.
pub(super) type Key = (Option<SmolStr>, SmolStr);

/// All subscriptions, to be found by route and by subscriber. On the wire only the table.
#[derive(Clone, Debug)]
pub(super) struct SubscriptionIndex {
    pub(super) table: RouteTable<Interest>,
    // By subscriber as well, so that a cancellation looks at its own subscriptions only.
    of: BTreeMap<ComponentId, BTreeMap<Key, SubscriptionId>>,
}

impl SubscriptionIndex {
    /// Without a subscription. Who knows the seed can choose patterns that are slow to find.
    pub(super) fn new(seed: u64) -> Self {
        SubscriptionIndex { table: RouteTable::with_seed(seed), of: BTreeMap::new() }
    }

    pub(super) fn find(&self, subscriber: &ComponentId, key: &Key) -> Option<SubscriptionId> {
        self.of.get(subscriber)?.get(key).copied()
    }

    /// What tells the subscriptions of a component apart.
    pub(super) fn keys(&self, subscriber: &ComponentId) -> impl Iterator<Item = &Key> {
        self.of.get(subscriber).into_iter().flat_map(BTreeMap::keys)
    }

    pub(super) fn count(&self, subscriber: &ComponentId) -> usize {
        self.of.get(subscriber).map_or(0, BTreeMap::len)
    }

    pub(super) fn insert(&mut self, pattern: Pattern, interest: Interest) {
        let key = (interest.group.clone(), SmolStr::new(pattern.as_str()));
        let subscriber = interest.subscriber.clone();
        let id = match interest.group.clone() {
            Some(group) => self.table.insert_in_group(pattern, &group, interest),
            None => self.table.insert(pattern, interest),
        };
        self.of.entry(subscriber).or_default().insert(key, id);
    }

    pub(super) fn remove(&mut self, subscriber: &ComponentId, key: &Key) {
        let Some(own) = self.of.get_mut(subscriber) else { return };
        if let Some(id) = own.remove(key) {
            self.table.remove(id);
        }
        if own.is_empty() {
            self.of.remove(subscriber);
        }
    }
}

impl Serialize for SubscriptionIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.table.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SubscriptionIndex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = RouteTable::<Interest>::deserialize(deserializer)?;
        // Only the table is stored: a second index in the text could contradict it.
        let mut of: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (id, pattern, interest) in table.iter() {
            let key = (interest.group.clone(), SmolStr::new(pattern.as_str()));
            of.entry(interest.subscriber.clone()).or_default().insert(key, id);
        }
        Ok(SubscriptionIndex { table, of })
    }
}

#[cfg(test)]
mod tests {
    use super::{Interest, Key, SubscriptionIndex};
    use crate::json::Json;
    use crate::route::Pattern;
    use crate::scalar::ComponentId;
    use smol_str::SmolStr;

    fn name(text: &str) -> ComponentId {
        ComponentId::new(text).unwrap()
    }

    fn key(group: Option<&str>, pattern: &str) -> Key {
        (group.map(SmolStr::new), SmolStr::new(pattern))
    }

    fn filled() -> SubscriptionIndex {
        let mut index = SubscriptionIndex::new(7);
        for (who, group, pattern) in [
            ("a", None, "task.>"),
            ("a", Some("g"), "task.>"),
            ("b", Some("g"), "task.>"),
            ("b", None, "*.failed"),
        ] {
            let group = group.map(SmolStr::new);
            let interest = Interest { subscriber: name(who), group, filter: None };
            index.insert(Pattern::parse(pattern).unwrap(), interest);
        }
        index
    }

    /// The group is part of what tells subscriptions apart.
    #[test]
    fn found_by_group_and_pattern() {
        let mut index = filled();
        let (plain, group) = (key(None, "task.>"), key(Some("g"), "task.>"));
        assert_eq!((index.count(&name("a")), index.table.len()), (2, 4));
        assert_ne!(index.find(&name("a"), &plain), index.find(&name("a"), &group));
        assert_eq!(index.find(&name("b"), &plain), None);
        index.remove(&name("a"), &plain);
        assert_eq!(index.find(&name("a"), &plain), None);
        assert!(index.find(&name("a"), &group).is_some());
        // What is not there is removed without harm.
        index.remove(&name("a"), &plain);
        index.remove(&name("c"), &plain);
        assert_eq!((index.count(&name("a")), index.table.len()), (1, 3));
    }

    /// The last subscription takes the subscriber along.
    #[test]
    fn nothing_is_left() {
        let mut index = filled();
        for who in ["a", "b"] {
            for key in index.keys(&name(who)).cloned().collect::<Vec<_>>() {
                index.remove(&name(who), &key);
            }
        }
        assert!(index.of.is_empty());
        assert_eq!(index.table.len(), 0);
    }

    #[test]
    fn rebuilt_from_the_table() {
        let index = filled();
        let again: SubscriptionIndex = Json::of(&index).unwrap().decode().unwrap();
        assert_eq!(again.of, index.of);
    }
}
