//! What is taken, and when: by grants until they end, and by those that wait for when they may start.

use super::inventory::Inventory;
use super::need::{Access, Need};
use super::options::PoolOptions;
use super::sums::EndSums;
use super::units::Units;
use crate::path::{PathIndex, PathPattern};
use crate::scalar::{AllocationId, Instant, Now, RequestId};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many steps the search for a start takes at most. Each goes to the moment at which one obstacle ends.
const STEPS: usize = 1_000;

/// Who takes something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Taker {
    /// A grant, from now on.
    Grant(AllocationId),
    /// A request that is to start later.
    Plan(RequestId),
}

/// A path that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TakenPath {
    pub(super) by: Taker,
    pub(super) access: Access,
    start: Instant,
    pub(super) end: Instant,
}

/// A part of a resource that is to be taken later.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PlannedAmount {
    request: RequestId,
    start: Instant,
    end: Instant,
    amount: Units,
}

/// What is to be taken of one resource later.
#[derive(Clone, Debug, Default)]
struct Planned {
    amounts: Vec<PlannedAmount>,
    /// When the sum changes, and what it is from then on.
    profile: Vec<(Instant, Units)>,
}

impl Planned {
    fn add(&mut self, amount: PlannedAmount) {
        self.amounts.push(amount);
        self.draw();
    }

    fn remove(&mut self, request: &RequestId) {
        self.amounts.retain(|planned| &planned.request != request);
        self.draw();
    }

    /// There are few plans and many questions, so the profile is drawn when they change.
    fn draw(&mut self) {
        let mut changes: Vec<(Instant, bool, Units)> = Vec::with_capacity(2 * self.amounts.len());
        for planned in &self.amounts {
            changes.push((planned.start, true, planned.amount));
            changes.push((planned.end, false, planned.amount));
        }
        changes.sort_unstable_by_key(|change| change.0);
        self.profile.clear();
        let (mut taken, mut given_back) = (Units::ZERO, Units::ZERO);
        for (at, begins, amount) in changes {
            if begins {
                taken = taken.plus(amount);
            } else {
                given_back = given_back.plus(amount);
            }
            let sum = taken.minus(given_back);
            match self.profile.last_mut().filter(|last| last.0 == at) {
                Some(last) => last.1 = sum,
                None => self.profile.push((at, sum)),
            }
        }
    }

    /// The sum at a moment.
    fn at(&self, moment: Instant) -> Units {
        let behind = self.profile.partition_point(|change| change.0 <= moment);
        behind.checked_sub(1).map_or(Units::ZERO, |at| self.profile[at].1)
    }

    /// The changes behind a moment.
    fn behind(&self, moment: Instant) -> &[(Instant, Units)] {
        &self.profile[self.profile.partition_point(|change| change.0 <= moment)..]
    }
}

/// What stands in the way of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Too little of a resource is free: this much is, in the worst moment.
    Amount { name: SmolStr, free: Units },
    /// A path is taken.
    Path { wanted: PathPattern, held: PathPattern, by: TakenPath },
    /// A budget has this much left.
    Budget { name: SmolStr, left: Units },
    /// Exclusive files may be touched in daily windows only.
    Window,
}

/// When an obstacle is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    At(Instant),
    Never,
}

/// Both clocks at one moment, so that later moments can be told in the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks(Now);

impl Clocks {
    pub(super) const fn new(now: Now) -> Self {
        Clocks(now)
    }

    /// The wall clock at a moment that is not before now, in milliseconds.
    pub(super) fn wall(self, at: Instant) -> i64 {
        let later = i64::try_from(at.since(self.0.at).as_millis()).unwrap_or(i64::MAX);
        self.0.wall.unix_millis().saturating_add(later)
    }

    /// The moment at which the wall clock will show a time; now if it has.
    pub(super) fn at(self, wall: i64) -> Instant {
        let later = wall.saturating_sub(self.0.wall.unix_millis());
        let later = Duration::from_millis(u64::try_from(later).unwrap_or_default());
        self.0.at.after(later).unwrap_or(Instant::from_nanos(u64::MAX))
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    held: BTreeMap<SmolStr, EndSums>,
    planned: BTreeMap<SmolStr, Planned>,
    paths: PathIndex<TakenPath>,
    /// What of a budget is used up or set aside, by window.
    charged: BTreeMap<SmolStr, BTreeMap<i64, Units>>,
}

impl Timeline {
    pub(super) fn take(&mut self, by: &AllocationId, need: &Need, end: Instant) {
        for (name, amount) in need.amounts.iter() {
            self.held.entry(SmolStr::new(name)).or_default().insert(end, amount);
        }
        for lease in &need.paths {
            let by = Taker::Grant(by.clone());
            let taken = TakenPath { by, access: lease.access, start: Instant::START, end };
            self.paths.insert(lease.path.clone(), taken);
        }
    }

    pub(super) fn give_back(&mut self, by: &AllocationId, need: &Need, end: Instant) {
        for (name, amount) in need.amounts.iter() {
            if let Some(sums) = self.held.get_mut(name) {
                sums.remove(end, amount);
            }
        }
        for lease in &need.paths {
            let by = Taker::Grant(by.clone());
            let taken = TakenPath { by, access: lease.access, start: Instant::START, end };
            self.paths.remove(&lease.path, &taken);
        }
    }

    pub(super) fn plan(&mut self, request: &RequestId, need: &Need, start: Instant, end: Instant) {
        for (name, amount) in need.amounts.iter() {
            let planned = PlannedAmount { request: request.clone(), start, end, amount };
            self.planned.entry(SmolStr::new(name)).or_default().add(planned);
        }
        for lease in &need.paths {
            let by = Taker::Plan(request.clone());
            self.paths
                .insert(lease.path.clone(), TakenPath { by, access: lease.access, start, end });
        }
    }

    pub(super) fn unplan(
        &mut self,
        request: &RequestId,
        need: &Need,
        start: Instant,
        end: Instant,
    ) {
        for (name, _) in need.amounts.iter() {
            if let Some(planned) = self.planned.get_mut(name) {
                planned.remove(request);
                if planned.amounts.is_empty() {
                    self.planned.remove(name);
                }
            }
        }
        for lease in &need.paths {
            let by = Taker::Plan(request.clone());
            self.paths.remove(&lease.path, &TakenPath { by, access: lease.access, start, end });
        }
    }

    /// Uses up, or sets aside, part of a budget.
    pub(super) fn charge(&mut self, name: &str, window: i64, amount: Units) {
        let windows = self.charged.entry(SmolStr::new(name)).or_default();
        let charged = windows.entry(window).or_default();
        *charged = charged.plus(amount);
    }

    pub(super) fn refund(&mut self, name: &str, window: i64, amount: Units) {
        let Some(windows) = self.charged.get_mut(name) else { return };
        if let Some(charged) = windows.get_mut(&window) {
            *charged = charged.minus(amount);
            if charged.is_zero() {
                windows.remove(&window);
            }
        }
    }

    /// What of a budget is used up or set aside in a window.
    pub(super) fn charged(&self, name: &str, window: i64) -> Units {
        let windows = self.charged.get(name);
        windows.and_then(|windows| windows.get(&window)).copied().unwrap_or_default()
    }

    /// How much of a resource grants hold.
    pub(super) fn held(&self, name: &str) -> Units {
        self.held.get(name).map_or(Units::ZERO, EndSums::total)
    }

    /// Those that are to take a resource within a time.
    pub(super) fn planned_in(
        &self,
        name: &str,
        start: Instant,
        end: Instant,
    ) -> impl Iterator<Item = &RequestId> {
        let planned = self.planned.get(name).into_iter().flat_map(|planned| &planned.amounts);
        planned
            .filter(move |entry| entry.start < end && start < entry.end)
            .map(|entry| &entry.request)
    }

    /// How many are to take a resource later.
    pub(super) fn plans_for(&self, name: &str) -> usize {
        self.planned.get(name).map_or(0, |planned| planned.amounts.len())
    }

    /// The worst moment of a resource within a time, if a need is too large for it then, and what is free.
    fn shortage(
        &self,
        name: &str,
        amount: Units,
        capacity: Units,
        start: Instant,
        end: Instant,
    ) -> Option<(Instant, Units)> {
        // What grants hold only shrinks, so it is worst at the start and where plans change.
        let held = |moment| self.held.get(name).map_or(Units::ZERO, |sums| sums.at(moment));
        let planned = self.planned.get(name);
        let first = planned.map_or(Units::ZERO, |planned| planned.at(start));
        let later = planned.map_or(&[][..], |planned| planned.behind(start));
        let later = later.iter().copied().take_while(|change| change.0 < end);
        std::iter::once((start, first))
            .chain(later)
            .map(|(moment, planned)| (moment, planned.plus(held(moment))))
            .map(|(moment, taken)| (moment, capacity.minus(taken)))
            .filter(|(_, free)| *free < amount)
            .min_by_key(|(moment, free)| (*free, *moment))
    }

    /// From when on so much of a resource is free, at or after a moment, for that moment alone.
    fn free_from(&self, name: &str, amount: Units, capacity: Units, from: Instant) -> Gone {
        if amount > capacity {
            return Gone::Never;
        }
        let planned = self.planned.get(name);
        let first = planned.map_or(Units::ZERO, |planned| planned.at(from));
        let later = planned.map_or(&[][..], |planned| planned.behind(from));
        let mut steps = std::iter::once((from, first)).chain(later.iter().copied()).peekable();
        while let Some((begin, planned)) = steps.next() {
            if planned.plus(amount) > capacity {
                continue;
            }
            let held = capacity.minus(planned).minus(amount);
            let grants = self.held.get(name).map_or(Instant::START, |s| s.at_most_from(held));
            let free = grants.max(begin);
            if steps.peek().is_none_or(|next| free < next.0) {
                return Gone::At(free);
            }
        }
        Gone::Never
    }

    /// All that stands in the way of a start at a moment; for each when that is over.
    fn obstacles(&self, start: Instant, within: &Within<'_>) -> Vec<(Obstacle, Gone)> {
        let Within { need, duration, inventory, options, clocks } = *within;
        let end = ends(start, duration);
        let mut found = Vec::new();
        for (name, amount) in need.amounts.iter() {
            if let Some(budget) = inventory.budgets.get(name) {
                let window = budget.window_of(clocks.wall(start));
                let left = budget.limit.minus(self.charged(name, window));
                if left < amount {
                    let gone = if amount > budget.limit {
                        Gone::Never
                    } else {
                        Gone::At(clocks.at(budget.next(window)))
                    };
                    found.push((Obstacle::Budget { name: SmolStr::new(name), left }, gone));
                }
                continue;
            }
            let capacity = inventory.capacity(name);
            if let Some((moment, free)) = self.shortage(name, amount, capacity, start, end) {
                let gone = self.free_from(name, amount, capacity, moment);
                found.push((Obstacle::Amount { name: SmolStr::new(name), free }, gone));
            }
        }
        for lease in &need.paths {
            for (held, by) in self.paths.overlapping(&lease.path) {
                if lease.access.excludes(by.access) && by.start < end && start < by.end {
                    let (wanted, held) = (lease.path.clone(), held.clone());
                    let obstacle = Obstacle::Path { wanted, held, by: by.clone() };
                    found.push((obstacle, Gone::At(by.end)));
                }
            }
        }
        if need.has_exclusive_path() && !options.exclusive_windows.is_empty() {
            let opens = options.opens(clocks.wall(start));
            if opens > 0 {
                let opens = Duration::from_millis(opens);
                found.push((Obstacle::Window, Gone::At(ends(start, opens))));
            }
        }
        found
    }

    /// All that stands in the way of a start now.
    pub(super) fn blocking(&self, start: Instant, within: &Within<'_>) -> Vec<Obstacle> {
        self.obstacles(start, within).into_iter().map(|(obstacle, _)| obstacle).collect()
    }

    /// Whether nothing stands in the way of a start.
    pub(super) fn fits(&self, start: Instant, within: &Within<'_>) -> bool {
        self.obstacles(start, within).is_empty()
    }

    /// The first moment from one on at which nothing stands in the way; `None` if there is none, or none was
    /// found in 1,000 steps.
    pub(super) fn earliest(&self, from: Instant, within: &Within<'_>) -> Option<Instant> {
        let mut start = from;
        for _ in 0..STEPS {
            let obstacles = self.obstacles(start, within);
            let Some(latest) =
                obstacles.iter().map(|(_, gone)| *gone).max_by_key(|gone| match gone {
                    Gone::At(at) => *at,
                    Gone::Never => Instant::from_nanos(u64::MAX),
                })
            else {
                return Some(start);
            };
            match latest {
                Gone::Never => return None,
                // An obstacle that is to be over now would be asked about for ever.
                Gone::At(at) => start = at.max(Instant::from_nanos(start.as_nanos() + 1)),
            }
        }
        None
    }
}

/// What is to be started, and by which rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within<'a> {
    pub(super) need: &'a Need,
    pub(super) duration: Duration,
    pub(super) inventory: &'a Inventory,
    pub(super) options: &'a PoolOptions,
    pub(super) clocks: Clocks,
}

/// The moment after a duration, or the end of the clock.
pub(super) fn ends(start: Instant, duration: Duration) -> Instant {
    start.after(duration).unwrap_or(Instant::from_nanos(u64::MAX))
}
