//! A table as its subscriptions, for snapshots of what holds one.

use super::tokens::ANY;
use super::{RouteTable, Subscription};
use crate::route::Pattern;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize)]
struct TableRef<'t, T> {
    seed: u64,
    next: u64,
    round: u64,
    subscriptions: Vec<RowRef<'t, T>>,
}

#[derive(Serialize)]
struct RowRef<'t, T> {
    number: u64,
    pattern: &'t Pattern,
    group: Option<&'t str>,
    served: u64,
    value: &'t T,
}

#[derive(Deserialize)]
struct Table<T> {
    seed: u64,
    next: u64,
    round: u64,
    subscriptions: Vec<Row<T>>,
}

#[derive(Deserialize)]
struct Row<T> {
    number: u64,
    pattern: Pattern,
    group: Option<String>,
    served: u64,
    value: T,
}

impl<T: Serialize> Serialize for RouteTable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = |(at, found): (usize, &'_ Subscription)| (found.number, at);
        let mut order: Vec<_> = self.subscriptions.iter().enumerate().map(row).collect();
        // By number, so that equal tables give equal snapshots, whatever was removed before.
        order.sort_unstable();
        let row = |(number, at): (u64, usize)| {
            let Subscription { pattern, group, .. } = &self.subscriptions[at];
            let group = (*group != ANY).then(|| self.groups.text(*group));
            RowRef { number, pattern, group, served: self.served[at], value: &self.values[at] }
        };
        let subscriptions = order.into_iter().map(row).collect();
        TableRef { seed: self.seed, next: self.next, round: self.round, subscriptions }
            .serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for RouteTable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Table { seed, next, round, subscriptions } = Table::deserialize(deserializer)?;
        let mut table = RouteTable::with_seed(seed);
        for Row { number, pattern, group, served, value } in subscriptions {
            // A snapshot is input. Numbers out of order would break the merge, and a number at or
            // above the next one would be given twice.
            if number < table.next || number >= next {
                return Err(D::Error::custom("the numbers of the subscriptions do not grow"));
            }
            table.next = number + 1;
            let group = match group {
                Some(group) => table.groups.take(seed, &group),
                None => ANY,
            };
            table.insert_at(number, pattern, group, value);
            if let Some(last) = table.served.last_mut() {
                *last = served;
            }
        }
        // Set last: what was removed before the snapshot keeps its number to itself.
        table.next = next;
        table.round = round;
        Ok(table)
    }
}
