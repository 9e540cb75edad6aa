//! What one subscriber is owed.

use super::options::QueueOptions;
use super::queued_message::QueuedMessage;
use crate::scalar::{Instant, Now};
use crate::transport::Gap;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A message that is not acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(with = "super::shared")]
    pub(super) message: Arc<QueuedMessage>,
    /// The queue groups that it came through; none if it is the subscriber's own.
    pub(super) groups: Vec<SmolStr>,
    pub(super) state: State,
    pub(super) attempts: u32,
    /// When the first and the last attempt were made, on the wall.
    pub(super) times: Option<(i64, i64)>,
    pub(super) expires: Option<Instant>,
    lane: SmolStr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// It may go when those before it in its lane are gone.
    Waiting,
    UnderWay,
    /// It failed and pauses before the next attempt.
    Resting,
}

/// The messages of one order key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Lane {
    waiting: BTreeSet<u64>,
    /// How many are under way or resting: as long as there are any, the others wait.
    busy: usize,
    /// How many wait, by rank. A lane is as urgent as the most urgent message in it.
    ranks: BTreeMap<u8, usize>,
    /// Where it stands among those that may go, and how many it has there.
    place: Option<(Reverse<u8>, u64)>,
    counted: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Queue {
    pub(super) options: QueueOptions,
    /// The number of the last message.
    last: u64,
    entries: BTreeMap<u64, Entry>,
    lanes: BTreeMap<SmolStr, Lane>,
    /// The lanes that may go, the most urgent first, then the one whose first message is oldest.
    ready: BTreeSet<(Reverse<u8>, u64, SmolStr)>,
    /// How many messages they have.
    ready_messages: usize,
    /// Since when there have been any.
    pub(super) since: Option<Instant>,
    under_way: BTreeSet<u64>,
    pub(super) offline: bool,
    pub(super) gap: Option<PendingGap>,
    /// What was lost since the gap was told.
    lost: Option<Gap>,
}

/// What was lost and not acknowledged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct PendingGap {
    pub(super) gap: Gap,
    pub(super) attempts: u32,
}

impl Queue {
    pub(super) fn new(options: QueueOptions) -> Self {
        Queue {
            options,
            last: 0,
            entries: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ready: BTreeSet::new(),
            ready_messages: 0,
            since: None,
            under_way: BTreeSet::new(),
            offline: false,
            gap: None,
            lost: None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.options.limit.max(1)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// How many more messages there is room for.
    pub(super) fn room(&self) -> usize {
        self.options.limit.max(1).saturating_sub(self.entries.len())
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// All messages with their numbers, oldest first.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(number, entry)| (*number, entry))
    }

    /// The numbers of all messages, oldest first.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.entries.keys().copied().collect()
    }

    /// The message that makes room for another: the oldest that is not under way, else the oldest.
    pub(super) fn oldest(&self) -> Option<u64> {
        let waits = |(_, entry): &(&u64, &Entry)| entry.state != State::UnderWay;
        let oldest = self.entries.iter().find(waits).or_else(|| self.entries.first_key_value());
        oldest.map(|(number, _)| *number)
    }

    /// Adds a message and returns its number.
    pub(super) fn push(
        &mut self,
        now: Now,
        message: Arc<QueuedMessage>,
        groups: Vec<SmolStr>,
        expires: Option<Instant>,
    ) -> u64 {
        self.last += 1;
        let number = self.last;
        // A prefix keeps what has no key apart from any key.
        let lane = match &message.order {
            Some(key) => smol_str::format_smolstr!("={key}"),
            None => number.to_smolstr(),
        };
        let (state, attempts, times) = (State::Waiting, 0, None);
        let entry = Entry { message, groups, state, attempts, times, expires, lane };
        self.entries.insert(number, entry);
        self.wait(now, number);
        number
    }

    /// How many messages go with the next batch; 0 if it is not time yet.
    pub(super) fn due(&self, now: Now) -> usize {
        let batch = self.options.batch.max(1);
        let window = self.options.window.max(1).saturating_sub(self.under_way.len());
        let count = self.ready_messages.min(batch).min(window);
        // A full batch goes at once. A smaller one goes when its oldest message has waited long
        // enough, not its youngest: a steady trickle would put it off for ever.
        let ripe = self.ready_messages >= batch || self.ripe_at().is_none_or(|at| at <= now.at);
        if ripe && !self.offline { count } else { 0 }
    }

    /// When the oldest message has waited for others long enough; `None` if it does not wait.
    fn ripe_at(&self) -> Option<Instant> {
        self.since.and_then(|since| since.after(self.options.patience()?))
    }

    /// When a batch is due that is not yet.
    pub(super) fn next(&self, now: Now) -> Option<Instant> {
        let window = self.options.window.max(1) > self.under_way.len();
        let waits = self.ready_messages > 0 && window && !self.offline;
        self.ripe_at().filter(|at| waits && *at > now.at)
    }

    /// Takes up to a number of messages: they are under way now.
    pub(super) fn take(&mut self, now: Now, count: usize) -> Vec<u64> {
        let mut taken = Vec::with_capacity(count);
        let mut touched: BTreeMap<SmolStr, usize> = BTreeMap::new();
        while taken.len() < count {
            let Some((.., name)) = self.ready.first().cloned() else { break };
            let Some(number) = self.lanes.get(&name).and_then(|lane| lane.waiting.first().copied())
            else {
                break;
            };
            self.leave(number);
            if let Some(entry) = self.entries.get_mut(&number) {
                entry.state = State::UnderWay;
                entry.attempts = entry.attempts.saturating_add(1);
                // The first time stays: a dead letter says how long it was tried.
                let wall = now.wall.unix_millis();
                let first = entry.times.map_or(wall, |(first, _)| first);
                entry.times = Some((first, wall));
            }
            self.under_way.insert(number);
            self.place(&name, true);
            // What follows in the lane may go in the same batch, so it becomes busy afterwards.
            *touched.entry(name).or_default() += 1;
            taken.push(number);
        }
        for (name, count) in touched {
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.busy += count;
            }
            self.place(&name, false);
        }
        self.stamp(now);
        taken
    }

    /// A message under way failed: it rests. Those of its lane that went after it wait again, and
    /// their attempt does not count; returns their numbers.
    pub(super) fn fail(&mut self, now: Now, number: u64) -> Vec<u64> {
        let Some(entry) = self.entries.get_mut(&number) else { return Vec::new() };
        entry.state = State::Resting;
        self.under_way.remove(&number);
        let lane = entry.lane.clone();
        // From its number on: what went before it is in order whatever becomes of it.
        self.return_some(now, number, |entry| entry.lane == lane)
    }

    /// All messages under way wait again, and their attempt does not count; returns their numbers.
    pub(super) fn return_all(&mut self, now: Now) -> Vec<u64> {
        self.return_some(now, 0, |_| true)
    }

    fn return_some(&mut self, now: Now, from: u64, which: impl Fn(&Entry) -> bool) -> Vec<u64> {
        let back = |number: &&u64| self.entries.get(number).is_some_and(&which);
        let numbers: Vec<u64> = self.under_way.range(from..).filter(back).copied().collect();
        for number in &numbers {
            if let Some(entry) = self.entries.get_mut(number) {
                // It was left out or not reached, so it was not tried. Counted, a message behind a
                // bad one would die without a fault of its own.
                entry.attempts = entry.attempts.saturating_sub(1);
            }
            self.requeue(now, *number);
        }
        numbers
    }

    /// A message that was under way or rested may go again.
    pub(super) fn requeue(&mut self, now: Now, number: u64) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        match std::mem::replace(&mut entry.state, State::Waiting) {
            // To enter it twice would spoil the counts of its lane.
            State::Waiting => return,
            State::UnderWay => {
                self.under_way.remove(&number);
            }
            State::Resting => {}
        }
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            // Before it is placed: with the last one gone the lane may go on.
            lane.busy -= 1;
        }
        self.wait(now, number);
    }

    /// Takes a message out for good.
    pub(super) fn remove(&mut self, now: Now, number: u64) -> Option<Entry> {
        match self.entries.get(&number)?.state {
            State::Waiting => self.leave(number),
            State::UnderWay => {
                self.under_way.remove(&number);
            }
            State::Resting => {}
        }
        let entry = self.entries.remove(&number)?;
        if entry.state != State::Waiting
            && let Some(lane) = self.lanes.get_mut(&entry.lane)
        {
            lane.busy -= 1;
        }
        self.place(&entry.lane, false);
        self.stamp(now);
        Some(entry)
    }

    /// Notes that a message was lost. A gap that was told stays as it was told until it is
    /// acknowledged; what is lost meanwhile makes up the next one.
    pub(super) fn lose(&mut self, number: u64) {
        let grown = |gap: Option<Gap>| match gap {
            // What is lost later may have an earlier number.
            Some(gap) => {
                Gap::new(gap.from.min(number), gap.to.max(number), gap.dropped.saturating_add(1))
            }
            None => Gap::new(number, number, 1),
        };
        match self.gap {
            // A gap that was told does not grow. Else its acknowledgement could cover what the
            // subscriber was never told.
            Some(told) if told.attempts > 0 => self.lost = Some(grown(self.lost)),
            untold => {
                let gap = grown(untold.map(|pending| pending.gap));
                self.gap = Some(PendingGap { gap, attempts: 0 });
            }
        }
    }

    /// Ends the gap that was told, and says whether there is another one to tell.
    pub(super) fn next_gap(&mut self) -> bool {
        self.gap = self.lost.take().map(|gap| PendingGap { gap, attempts: 0 });
        self.gap.is_some()
    }

    /// Enters a message among those that wait.
    fn wait(&mut self, now: Now, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        let (name, rank) = (entry.lane.clone(), entry.message.rank);
        let lane = self.lanes.entry(name.clone()).or_default();
        lane.waiting.insert(number);
        *lane.ranks.entry(rank).or_default() += 1;
        self.place(&name, false);
        self.stamp(now);
    }

    /// Takes a message from those that wait; its lane is to be placed anew.
    fn leave(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        let Some(lane) = self.lanes.get_mut(&entry.lane) else { return };
        lane.waiting.remove(&number);
        if let Some(count) = lane.ranks.get_mut(&entry.message.rank) {
            *count -= 1;
            if *count == 0 {
                lane.ranks.remove(&entry.message.rank);
            }
        }
    }

    /// Puts a lane where it belongs among those that may go. While a batch is made, its lane goes on
    /// although it is `busy` with that batch.
    fn place(&mut self, name: &SmolStr, going: bool) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        if let Some((rank, first)) = lane.place.take() {
            self.ready.remove(&(rank, first, name.clone()));
            self.ready_messages -= lane.counted;
        }
        let idle = lane.busy == 0;
        match (lane.waiting.first(), lane.ranks.last_key_value()) {
            (Some(first), Some((rank, _))) if idle || going => {
                lane.place = Some((Reverse(*rank), *first));
                lane.counted = lane.waiting.len();
                self.ready.insert((Reverse(*rank), *first, name.clone()));
                self.ready_messages += lane.counted;
            }
            // An empty lane goes, or each order key that was ever seen would stay in memory.
            (None, _) if idle && !going => {
                self.lanes.remove(name);
            }
            _ => {}
        }
    }

    /// Keeps the time since when messages have been able to go.
    fn stamp(&mut self, now: Now) {
        // Since the first of them came, so that later ones do not put off the batch.
        self.since = if self.ready_messages == 0 { None } else { self.since.or(Some(now.at)) };
    }
}

#[cfg(test)]
mod tests {
    use super::{Queue, QueueOptions, QueuedMessage, State};
    use crate::scalar::{Instant, Now, WallTime};
    use crate::transport::Gap;
    use std::sync::Arc;

    const NOW: Now = Now::of(Instant::START, WallTime::from_unix_millis(1_736_942_400_000));

    /// Messages of these order keys (`-` for none) and ranks, numbered from 1.
    fn filled(messages: &[(&str, u8)]) -> Queue {
        let mut queue = Queue::new(QueueOptions::new());
        for (order, rank) in messages {
            let message = serde_json::json!({
                "envelope": { "heartbeat": { "component_id": "a" } },
                "findings": [],
                "order": (*order != "-").then_some(order),
                "rank": rank,
            });
            let message: QueuedMessage = serde_json::from_value(message).unwrap();
            queue.push(NOW, Arc::new(message), Vec::new(), None);
        }
        queue
    }

    fn take(queue: &mut Queue) -> Vec<u64> {
        let count = queue.due(NOW);
        queue.take(NOW, count)
    }

    fn attempts(queue: &Queue) -> Vec<u32> {
        queue.entries().map(|entry| entry.attempts).collect()
    }

    /// A failure brings back what went after it in its lane, and none of it overtakes.
    #[test]
    fn a_lane_keeps_its_order_when_one_fails() {
        let mut queue = filled(&[("w", 1), ("w", 1), ("x", 1), ("w", 1)]);
        assert_eq!(take(&mut queue), [1, 2, 3, 4], "a lane stands where its first message puts it");
        assert_eq!(queue.fail(NOW, 2), [4]);
        assert_eq!(attempts(&queue), [1, 1, 1, 0], "what was not tried does not count");
        assert_eq!(take(&mut queue), [0; 0], "the lane waits for what rests and what is under way");
        queue.requeue(NOW, 2);
        assert_eq!(take(&mut queue), [0; 0], "the first of the lane is under way still");
        queue.remove(NOW, 1);
        assert_eq!(take(&mut queue), [2, 4]);
        assert_eq!(attempts(&queue), [2, 1, 1]);
    }

    /// Without a key, what may go again stands where its rank and age put it.
    #[test]
    fn requeued_messages_go_by_rank_and_age() {
        let mut queue = filled(&[("-", 1), ("-", 2), ("-", 1)]);
        assert_eq!(take(&mut queue), [2, 1, 3]);
        for number in [3, 1, 2] {
            assert_eq!(queue.fail(NOW, number), [0; 0]);
        }
        for number in [3, 1, 2] {
            queue.requeue(NOW, number);
            queue.requeue(NOW, number);
        }
        assert_eq!(take(&mut queue), [2, 1, 3]);
    }

    /// A lane is as urgent as its most urgent message, but goes in its own order.
    #[test]
    fn an_urgent_message_lifts_its_lane() {
        let mut queue = filled(&[("-", 2), ("w", 1), ("w", 3)]);
        assert_eq!(take(&mut queue), [2, 3, 1]);
    }

    #[test]
    fn a_lost_link_returns_everything() {
        let mut queue = filled(&[("w", 1), ("w", 1), ("-", 1)]);
        assert_eq!(take(&mut queue), [1, 2, 3]);
        assert_eq!(queue.return_all(NOW), [1, 2, 3]);
        assert_eq!(attempts(&queue), [0, 0, 0]);
        assert!(queue.entries().all(|entry| entry.state == State::Waiting));
        assert_eq!(take(&mut queue), [1, 2, 3]);
    }

    /// What was told stays as it was told; what is lost later makes up the next gap.
    #[test]
    fn gaps_do_not_grow_once_told() {
        let mut queue = filled(&[]);
        queue.lose(3);
        queue.lose(2);
        assert_eq!(queue.gap.unwrap().gap, Gap::new(2, 3, 2));
        queue.gap.as_mut().unwrap().attempts = 1;
        queue.lose(7);
        assert_eq!(queue.gap.unwrap().gap, Gap::new(2, 3, 2));
        assert!(queue.next_gap());
        assert_eq!(queue.gap.unwrap().gap, Gap::new(7, 7, 1));
        assert!(!queue.next_gap());
    }

    /// Lanes that are empty are forgotten.
    #[test]
    fn nothing_is_left() {
        let mut queue = filled(&[("w", 1), ("x", 2), ("-", 3)]);
        take(&mut queue);
        for number in [2, 1, 3] {
            queue.remove(NOW, number);
        }
        assert!(queue.lanes.is_empty() && queue.ready.is_empty() && queue.under_way.is_empty());
        assert_eq!((queue.ready_messages, queue.since), (0, None));
    }
}
