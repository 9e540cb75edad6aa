//! Many patterns at once.

mod cache;
mod group;
mod hash;
mod index;
mod matches;
mod serde;
mod tokens;
mod trie;

pub use group::GroupChoice;
pub use matches::{Matches, Receivers};

use super::key::RouteKey;
use super::pattern::Pattern;
use cache::{Lookup, MatchCache};
use group::Contest;
use index::Index;
use matches::Merge;
use std::fmt;
use tokens::{ANY, Tokens};
use trie::{Hit, Trie};

/// The name of a subscription: the same as long as it exists, and never given again by its table.
///
/// Identifiers order by the time of subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(u64);

impl SubscriptionId {
    /// How many subscriptions its table has had before.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

fn grouped(hits: &[Hit]) -> bool {
    hits.iter().any(|hit| hit.group != ANY)
}

/// Subscriptions: patterns, each with a value, and which of them select a key.
///
/// All patterns are tried in one pass over a trie of their tokens, so an event costs about the
/// same whether there are a thousand subscriptions or a hundred thousand. The answer is that of
/// [`Pattern::matches`], one by one, and always in the order of subscription. Matching allocates
/// nothing.
///
/// A subscription may belong to a **queue group**: of all subscriptions of one group that match
/// an event, in whatever pattern, one [receives](Self::receivers) it.
///
/// ```
/// use coordination_protocol::route::{GroupChoice, Pattern, RouteKey, RouteTable};
///
/// let mut table = RouteTable::new();
/// let monitor = table.insert(Pattern::parse("*.failed")?, "monitor");
/// table.insert_in_group(Pattern::parse("task.>")?, "workers", "worker-1");
/// table.insert_in_group(Pattern::parse("task.>")?, "workers", "worker-2");
///
/// let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
/// let all: Vec<_> = table.matches(&key).map(|(_, name)| *name).collect();
/// assert_eq!(all, ["monitor", "worker-1", "worker-2"]);
///
/// let mut next = || -> Vec<_> { table.receivers(&key, GroupChoice::Rotate).map(|(_, name)| *name).collect() };
/// assert_eq!(next(), ["monitor", "worker-1"]);
/// assert_eq!(next(), ["monitor", "worker-2"]);
/// assert_eq!(next(), ["monitor", "worker-1"]);
///
/// assert_eq!(table.remove(monitor), Some("monitor"));
/// assert_eq!(table.remove(monitor), None);
/// # Ok::<(), coordination_protocol::route::PatternError>(())
/// ```
#[doc(alias = "subscriptions")]
#[doc(alias = "topic tree")]
#[doc(alias = "trie")]
#[derive(Clone)]
pub struct RouteTable<T> {
    seed: u64,
    trie: Trie,
    groups: Tokens<Contest>,
    /// The values, without gaps: whoever removes one moves the last into its place. So a match
    /// is handed out without a look at its value.
    values: Vec<T>,
    /// What else there is of each.
    subscriptions: Vec<Subscription>,
    /// The round in which each was chosen in its group.
    served: Vec<u64>,
    /// Where each stands, by number.
    index: Index,
    next: u64,
    /// Counts changes.
    version: u64,
    /// Counts events that groups received.
    round: u64,
    cache: MatchCache,
    scratch: Vec<Hit>,
}

#[derive(Clone, Debug)]
struct Subscription {
    number: u64,
    pattern: Pattern,
    node: u32,
    group: u32,
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        RouteTable::new()
    }
}

impl<T> RouteTable<T> {
    /// A table without subscriptions.
    pub fn new() -> Self {
        RouteTable::with_seed(0)
    }

    /// A table whose hashes start from a seed. Give a random one where strangers choose the
    /// patterns: who knows the seed can choose workflows that make lookups slow. The seed changes
    /// no answer.
    pub fn with_seed(seed: u64) -> Self {
        RouteTable {
            seed,
            trie: Trie::new(seed),
            groups: Tokens::exact(),
            values: Vec::new(),
            subscriptions: Vec::new(),
            served: Vec::new(),
            index: Index::new(),
            next: 0,
            version: 0,
            round: 0,
            cache: MatchCache::default(),
            scratch: Vec::new(),
        }
    }

    /// Adds a subscription.
    pub fn insert(&mut self, pattern: Pattern, value: T) -> SubscriptionId {
        self.add(pattern, ANY, value)
    }

    /// Adds a subscription to a queue group. Names compare exactly, and the group exists as long
    /// as it has members.
    #[doc(alias = "queue group")]
    #[doc(alias = "consumer group")]
    pub fn insert_in_group(&mut self, pattern: Pattern, group: &str, value: T) -> SubscriptionId {
        // Groups are tokens as well, counted by their members: the last one that leaves forgets the
        // name.
        let group = self.groups.take(self.seed, group);
        self.add(pattern, group, value)
    }

    fn add(&mut self, pattern: Pattern, group: u32, value: T) -> SubscriptionId {
        // Numbers are never given again, so an identifier that outlived its subscription names
        // nothing instead of another one.
        let number = self.next;
        self.next += 1;
        self.insert_at(number, pattern, group, value)
    }

    /// Adds a subscription under a number that is higher than all others.
    fn insert_at(&mut self, number: u64, pattern: Pattern, group: u32, value: T) -> SubscriptionId {
        self.version += 1;
        // Always at the end: values have no gaps, and the order of hand-out comes from the numbers.
        let slot = self.values.len() as u32;
        let node = self.trie.add(&pattern, Hit { number, slot, group });
        self.index.add(self.hash(number), slot);
        self.subscriptions.push(Subscription { number, pattern, node, group });
        self.values.push(value);
        self.served.push(0);
        SubscriptionId(number)
    }

    /// Ends a subscription; gives its value, or `None` if there is no such subscription any more.
    pub fn remove(&mut self, id: SubscriptionId) -> Option<T> {
        let slot = self.slot(id)?;
        self.version += 1;
        self.index.remove(self.hash(id.0), slot);
        let removed = self.subscriptions.swap_remove(slot as usize);
        self.served.swap_remove(slot as usize);
        self.trie.remove(removed.node, id.0);
        if removed.group != ANY {
            self.groups.release(self.seed, removed.group);
        }
        if let Some(moved) = self.subscriptions.get(slot as usize) {
            let hash = self.hash(moved.number);
            self.index.remove(hash, self.subscriptions.len() as u32);
            self.index.add(hash, slot);
            // The last value moved into the gap, so the two places that knew where it stood are
            // told.
            self.trie.moved(moved.node, moved.number, slot);
        }
        Some(self.values.swap_remove(slot as usize))
    }

    #[inline]
    fn hash(&self, number: u64) -> u64 {
        hash::score(self.seed, number)
    }

    #[inline]
    fn slot(&self, id: SubscriptionId) -> Option<u32> {
        self.index.find(self.hash(id.0), |at| self.subscriptions[at as usize].number == id.0)
    }

    fn subscription(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.subscriptions.get(self.slot(id)? as usize)
    }

    /// The value of a subscription.
    pub fn get(&self, id: SubscriptionId) -> Option<&T> {
        self.values.get(self.slot(id)? as usize)
    }

    /// The value of a subscription, to change it.
    pub fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut T> {
        let slot = self.slot(id)?;
        self.values.get_mut(slot as usize)
    }

    /// The pattern of a subscription.
    pub fn pattern(&self, id: SubscriptionId) -> Option<&Pattern> {
        self.subscription(id).map(|found| &found.pattern)
    }

    /// The queue group of a subscription.
    pub fn group(&self, id: SubscriptionId) -> Option<&str> {
        let group = self.subscription(id)?.group;
        (group != ANY).then(|| self.groups.text(group))
    }

    /// How many subscriptions there are.
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All subscriptions, oldest first. Sorts them, so it is not for every event.
    pub fn iter(&self) -> impl Iterator<Item = (SubscriptionId, &Pattern, &T)> {
        let of = |(found, value)| {
            let Subscription { number, pattern, .. }: &Subscription = found;
            (SubscriptionId(*number), pattern, value)
        };
        let mut all: Vec<_> = self.subscriptions.iter().zip(&self.values).map(of).collect();
        // Removing moves values around, so the order of subscription has to be made again.
        all.sort_unstable_by_key(|(id, ..)| *id);
        all.into_iter()
    }

    /// The subscriptions whose patterns select a key, oldest first. Queue groups do not count
    /// here: all members are told.
    #[inline]
    pub fn matches(&self, key: &RouteKey<'_>) -> Matches<'_, T> {
        Matches { hits: self.merge(key), values: &self.values }
    }

    #[inline]
    fn merge(&self, key: &RouteKey<'_>) -> Merge<'_> {
        let mut hits = Merge::new();
        self.trie.reach(key, |list| hits.push(list));
        hits
    }

    /// The subscriptions that receive one event, oldest first: all that [match](Self::matches),
    /// and of each queue group the one of `choice`.
    ///
    /// The matches of keys that come often are remembered until a subscription is added or
    /// removed, so asking for them again costs one lookup.
    pub fn receivers(&mut self, key: &RouteKey<'_>, choice: GroupChoice<'_>) -> Receivers<'_, T> {
        let seen = self.cache.lookup(self.seed, self.version, key);
        // Without groups the receivers are the matches, handed out from the cache as they stand.
        // With groups the choice changes from event to event, so they are copied below and chosen
        // from.
        if let Lookup::Cached(at) = seen
            && !self.cache.cached(at).1
        {
            return Receivers { hits: self.cache.cached(at).0.iter(), values: &self.values };
        }
        self.fetch(&seen, key);
        self.choose(choice);
        Receivers { hits: self.scratch.iter(), values: &self.values }
    }

    /// The [receivers](Self::receivers) among the subscriptions that `accept` says yes to: what else
    /// must hold of them, such as a [`Filter`](super::Filter), is asked before a queue group chooses,
    /// so no member is chosen that does not want the event.
    ///
    /// ```
    /// use coordination_protocol::route::{GroupChoice, Pattern, RouteKey, RouteTable};
    ///
    /// let mut table = RouteTable::new();
    /// table.insert_in_group(Pattern::parse("task.>")?, "workers", ("worker-1", false));
    /// table.insert_in_group(Pattern::parse("task.>")?, "workers", ("worker-2", true));
    ///
    /// let key = RouteKey::new("TASK_ASSIGNED", "wf_001", "build");
    /// let free = table.receivers_where(&key, GroupChoice::Rotate, |_, (_, free)| *free);
    /// assert_eq!(free.map(|(_, (name, _))| *name).collect::<Vec<_>>(), ["worker-2"]);
    /// # Ok::<(), coordination_protocol::route::PatternError>(())
    /// ```
    pub fn receivers_where(
        &mut self,
        key: &RouteKey<'_>,
        choice: GroupChoice<'_>,
        mut accept: impl FnMut(SubscriptionId, &T) -> bool,
    ) -> Receivers<'_, T> {
        let seen = self.cache.lookup(self.seed, self.version, key);
        self.fetch(&seen, key);
        let RouteTable { scratch, values, .. } = self;
        // Filtered before the groups choose. The other way round, an event would be lost whose
        // chosen member does not want it although another one does.
        scratch.retain(|hit| accept(SubscriptionId(hit.number), &values[hit.slot as usize]));
        self.choose(choice);
        Receivers { hits: self.scratch.iter(), values: &self.values }
    }

    /// Brings the matches of a key into `scratch`, and keeps them where that is worth it.
    fn fetch(&mut self, seen: &Lookup, key: &RouteKey<'_>) {
        // One buffer for all calls, taken out meanwhile, so that matching stays free of allocations
        // after the first events.
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        match seen {
            Lookup::Cached(at) => scratch.extend_from_slice(self.cache.cached(*at).0),
            Lookup::Candidate(_) | Lookup::Miss => scratch.extend(self.merge(key)),
        }
        self.scratch = scratch;
        if let Lookup::Candidate(at) = seen {
            self.cache.store(*at, self.version, key, &self.scratch);
        }
    }

    /// Leaves of each group in `scratch` the member that receives the event.
    fn choose(&mut self, choice: GroupChoice<'_>) {
        if grouped(&self.scratch) {
            // Counted only where a group is met: it is the clock of `Rotate`, and snapshots carry
            // it.
            self.round += 1;
            let RouteTable { scratch, groups, served, round, .. } = self;
            group::choose(scratch, choice, *round, groups, served);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for RouteTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(id, pattern, value)| ((id.0, pattern.as_str()), value)))
            .finish()
    }
}
