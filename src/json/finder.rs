//! Finding keys in lists that nearly always have them in the same order.

use std::borrow::Cow;

/// The keys of a list, by index.
pub(crate) trait Keyed<'k> {
    fn count(&self) -> usize;
    fn key(&self, index: usize) -> Cow<'k, str>;
}

/// Looks for keys where they are expected: behind the one that was found last. A key that is not
/// there is searched for, in a list that is sorted or by an order that is made then; so the worst
/// case is that of sorting.
pub(crate) struct Finder<K> {
    list: K,
    next: usize,
    order: Order,
}

enum Order {
    Unknown,
    /// The list itself is sorted.
    Sorted,
    Of(Vec<u32>),
}

impl<'k, K: Keyed<'k>> Finder<K> {
    pub(crate) fn new(list: K) -> Self {
        Finder { list, next: 0, order: Order::Unknown }
    }

    /// Expects the first key next.
    pub(crate) fn rewound(self) -> Self {
        Finder { next: 0, ..self }
    }

    /// The index of a key.
    #[inline]
    pub(crate) fn find(&mut self, key: &str) -> Option<usize> {
        if self.next < self.list.count() && self.list.key(self.next) == key {
            self.next += 1;
            return Some(self.next - 1);
        }
        self.search(key)
    }

    #[cold]
    fn search(&mut self, key: &str) -> Option<usize> {
        let (list, count) = (&self.list, self.list.count());
        if self.next + 1 < count && list.key(self.next + 1) == key {
            self.next += 2;
            return Some(self.next - 1);
        }
        if let Order::Unknown = self.order {
            let sorted = (1..count).all(|at| list.key(at - 1) < list.key(at));
            self.order = if sorted {
                Order::Sorted
            } else {
                let mut order: Vec<u32> = (0..count as u32).collect();
                order.sort_by(|a, b| list.key(*a as usize).cmp(&list.key(*b as usize)));
                Order::Of(order)
            };
        }
        let place = |at: usize| match &self.order {
            Order::Of(order) => order[at] as usize,
            _ => at,
        };
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            match (*list.key(place(middle))).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let found = place(middle);
                    self.next = found + 1;
                    return Some(found);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Finder, Keyed};
    use std::borrow::Cow;

    impl<'k> Keyed<'k> for &'k [&'k str] {
        fn count(&self) -> usize {
            self.len()
        }

        fn key(&self, index: usize) -> Cow<'k, str> {
            Cow::Borrowed(self[index])
        }
    }

    #[test]
    fn keys_are_found_in_any_order_and_in_any_list() {
        let lists: [&[&str]; 4] = [&[], &["a"], &["a", "b", "c", "d"], &["c", "a", "d", "b"]];
        for list in lists {
            for wanted in [["a", "b", "c", "d"], ["d", "c", "b", "a"], ["c", "c", "a", "x"]] {
                let mut finder = Finder::new(list);
                for key in wanted {
                    let expected = list.iter().position(|known| *known == key);
                    assert_eq!(finder.find(key), expected, "{key} in {list:?}");
                }
                let mut finder = finder.rewound();
                assert_eq!(finder.find("a"), list.iter().position(|known| *known == "a"));
            }
        }
    }
}
