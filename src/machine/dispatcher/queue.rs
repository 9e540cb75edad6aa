//! What one subscriber is owed.

use super::entry::{Entry, PendingGap, State, Taken, Tries};
use super::options::{HandOverLimits, QueueOptions};
use super::queued_message::QueuedMessage;
use super::receipt::Receipt;
use crate::scalar::{Instant, Now};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The messages of one order key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Lane {
    waiting: BTreeSet<u64>,
    /// Those under way, all from one batch. The subscriber handles them in order, so the time of the
    /// first runs only.
    flight: BTreeSet<u64>,
    resting: usize,
    /// How many wait, by rank. A lane is as urgent as the most urgent message in it.
    ranks: BTreeMap<u8, usize>,
    /// Where it stands among those that may go, and how many it has there.
    place: Option<(Reverse<u8>, u64)>,
    counted: usize,
}

impl Lane {
    /// As long as some are under way or rest, the others wait.
    fn is_busy(&self) -> bool {
        self.resting > 0 || !self.flight.is_empty()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Queue {
    pub(super) options: QueueOptions,
    /// Which numbering it is.
    epoch: u64,
    /// The number of the last message.
    last: u64,
    /// How often the subscriber told what became of something.
    responses: u64,
    /// Whether the time of a message ran out and the subscriber has told nothing since it was handed
    /// over.
    silent: bool,
    entries: BTreeMap<u64, Entry>,
    lanes: BTreeMap<SmolStr, Lane>,
    /// The lanes that may go, the most urgent first, then the one whose first message is oldest.
    ready: BTreeSet<(Reverse<u8>, u64, SmolStr)>,
    /// How many messages they have.
    ready_messages: usize,
    /// Since when there have been any.
    pub(super) since: Option<Instant>,
    under_way: usize,
    pub(super) offline: bool,
    pub(super) gap: Option<PendingGap>,
    /// What was lost since the gap was told.
    lost: Option<PendingGap>,
}

impl Queue {
    pub(super) fn new(options: QueueOptions, epoch: u64) -> Self {
        Queue {
            options,
            epoch,
            last: 0,
            responses: 0,
            silent: false,
            entries: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ready: BTreeSet::new(),
            ready_messages: 0,
            since: None,
            under_way: 0,
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

    /// What names the last hand-over of a message.
    pub(super) fn receipt(&self, number: u64) -> Option<Receipt> {
        let entry = self.entries.get(&number)?;
        Some(Receipt::new(self.epoch, entry.message.mark, number, entry.tries.made))
    }

    /// What names the gap that is told.
    pub(super) fn gap_receipt(&self) -> Option<Receipt> {
        let PendingGap { gap, mark, attempts } = self.gap?;
        Some(Receipt::new(self.epoch, mark, gap.to, attempts))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The subscriber told what became of something, so it is at work.
    pub(super) fn responded(&mut self) {
        self.responses = self.responses.wrapping_add(1);
        self.silent = false;
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
        tries: Tries,
        expires: Option<Instant>,
    ) -> u64 {
        self.last += 1;
        let number = self.last;
        // A prefix keeps what has no key apart from any key.
        let lane = match &message.order {
            Some(key) => smol_str::format_smolstr!("={key}"),
            None => number.to_smolstr(),
        };
        let entry = Entry {
            message,
            groups,
            state: State::Waiting,
            tries,
            suspect: false,
            since: None,
            until: None,
            responses: 0,
            expires,
            lane,
        };
        self.entries.insert(number, entry);
        self.wait(now, number);
        number
    }

    /// How many messages go with the next batch; 0 if it is not time yet.
    pub(super) fn due(&self, now: Now) -> usize {
        let batch = self.options.batch.max(1);
        let window = self.options.window.max(1).saturating_sub(self.under_way);
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
        let window = self.options.window.max(1) > self.under_way;
        let waits = self.ready_messages > 0 && window && !self.offline;
        self.ripe_at().filter(|at| waits && *at > now.at)
    }

    /// Takes up to a number of messages: they are under way now. Those whose time runs have it until
    /// the given moment.
    pub(super) fn take(
        &mut self,
        now: Now,
        count: usize,
        limits: HandOverLimits,
        until: Option<Instant>,
    ) -> Vec<Taken> {
        let mut taken = Vec::with_capacity(count);
        let mut touched = BTreeSet::new();
        while taken.len() < count {
            let Some((.., name)) = self.ready.first().cloned() else { break };
            let Some(number) = self.lanes.get(&name).and_then(|lane| lane.waiting.first().copied())
            else {
                break;
            };
            self.leave(number);
            let (Some(entry), Some(lane)) =
                (self.entries.get_mut(&number), self.lanes.get_mut(&name))
            else {
                break;
            };
            entry.state = State::UnderWay;
            entry.responses = self.responses;
            let Tries { made, times, .. } = &mut entry.tries;
            *made = made.saturating_add(1);
            // The first time stays: a dead letter says how long it was tried.
            let wall = now.wall.unix_millis();
            *times = Some((times.map_or(wall, |(first, _)| first), wall));
            let runs = lane.flight.is_empty();
            if runs {
                (entry.since, entry.until) = (Some(now.at), until);
            }
            let receipt = Receipt::new(self.epoch, entry.message.mark, number, entry.tries.made);
            let envelope = Arc::clone(&entry.message.envelope);
            taken.push(Taken { receipt, envelope, runs });
            let alone = entry.suspect;
            lane.flight.insert(number);
            self.under_way += 1;
            // What follows in the lane may go in the same batch.
            let next = lane.waiting.first().and_then(|next| self.entries.get(next));
            let follows = self.silent
                || !alone && next.is_some_and(|next| !next.suspect && next.tries.left(limits) > 1);
            self.place(&name, follows);
            touched.insert(name);
        }
        for name in touched {
            self.place(&name, false);
        }
        self.stamp(now);
        taken
    }

    /// Whether the time of a message runs: it is under way, and what went before it in its lane is
    /// settled.
    pub(super) fn is_first(&self, number: u64) -> bool {
        let lane = self.entries.get(&number).and_then(|entry| self.lanes.get(&entry.lane));
        lane.is_some_and(|lane| lane.flight.first() == Some(&number))
    }

    /// Sets the time that a message under way has.
    pub(super) fn run(&mut self, number: u64, since: Instant, until: Option<Instant>) {
        if let Some(entry) = self.entries.get_mut(&number) {
            (entry.since, entry.until) = (Some(since), until);
        }
    }

    /// The time of a message ran out; returns the numbers of those that wait again with it.
    ///
    /// Has the subscriber told nothing since, it is not the message that is at fault: then all that
    /// went with it in its lane failed as well, for else a subscriber that never responds would take
    /// the time of each by turns.
    pub(super) fn time_out(&mut self, now: Now, number: u64) -> Vec<u64> {
        let Some(entry) = self.entries.get(&number) else { return Vec::new() };
        self.silent = entry.responses == self.responses;
        self.fail(now, number, !self.silent)
    }

    /// A message under way failed: it rests, if it is `suspect` to go alone from now on. Those of its
    /// lane that went after it wait again; returns their numbers.
    pub(super) fn fail(&mut self, now: Now, number: u64, suspect: bool) -> Vec<u64> {
        let Some(entry) = self.entries.get_mut(&number) else { return Vec::new() };
        entry.state = State::Resting;
        entry.suspect |= suspect;
        let Some(lane) = self.lanes.get_mut(&entry.lane) else { return Vec::new() };
        // What went before it is in order whatever becomes of it.
        let mut back = lane.flight.split_off(&number);
        back.remove(&number);
        self.under_way -= 1;
        lane.resting += 1;
        let back: Vec<u64> = back.into_iter().collect();
        self.wait_again(now, &back);
        back
    }

    /// All messages under way wait again, cut off by a lost link; returns their numbers.
    pub(super) fn cut_off(&mut self, now: Now) -> Vec<u64> {
        let mut numbers: Vec<u64> = Vec::with_capacity(self.under_way);
        for lane in self.lanes.values_mut() {
            numbers.extend(std::mem::take(&mut lane.flight));
        }
        numbers.sort_unstable();
        for number in &numbers {
            if let Some(entry) = self.entries.get_mut(number) {
                entry.tries.cut_off = entry.tries.cut_off.saturating_add(1);
            }
        }
        self.wait_again(now, &numbers);
        numbers
    }

    /// Messages that were taken out of their flights wait.
    fn wait_again(&mut self, now: Now, numbers: &[u64]) {
        for number in numbers {
            if let Some(entry) = self.entries.get_mut(number) {
                entry.state = State::Waiting;
                self.under_way -= 1;
            }
            self.wait(now, *number);
        }
    }

    /// A message that rested may go again.
    pub(super) fn requeue(&mut self, now: Now, number: u64) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        // To enter it twice would spoil the counts of its lane.
        if entry.state != State::Resting {
            return;
        }
        entry.state = State::Waiting;
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            // Before it is placed: with the last one gone the lane may go on.
            lane.resting -= 1;
        }
        self.wait(now, number);
    }

    /// Takes a message out for good; if its time ran, also the message whose turn it is now.
    pub(super) fn remove(&mut self, now: Now, number: u64) -> Option<(Entry, Option<u64>)> {
        match self.entries.get(&number)?.state {
            State::Waiting => self.leave(number),
            State::UnderWay => self.under_way -= 1,
            State::Resting => {}
        }
        let entry = self.entries.remove(&number)?;
        let mut next = None;
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            match entry.state {
                State::Waiting => {}
                State::UnderWay => {
                    let first = lane.flight.first() == Some(&number);
                    lane.flight.remove(&number);
                    next = lane.flight.first().copied().filter(|_| first);
                }
                State::Resting => lane.resting -= 1,
            }
        }
        self.place(&entry.lane, false);
        self.stamp(now);
        Some((entry, next))
    }

    /// Notes that a message was lost. A gap that was told stays as it was told until it is
    /// acknowledged; what is lost meanwhile makes up the next one.
    pub(super) fn lose(&mut self, number: u64, mark: u64) {
        match self.gap {
            // A gap that was told does not grow. Else its acknowledgement could cover what the
            // subscriber was never told.
            Some(told) if told.attempts > 0 => {
                self.lost = Some(PendingGap::with(self.lost, number, mark));
            }
            untold => self.gap = Some(PendingGap::with(untold, number, mark)),
        }
    }

    /// Ends the gap that was told, and says whether there is another one to tell.
    pub(super) fn next_gap(&mut self) -> bool {
        self.gap = self.lost.take();
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
        let idle = !lane.is_busy();
        match (lane.waiting.first(), lane.ranks.last_key_value()) {
            (Some(first), Some((rank, _))) if idle || going => {
                lane.place = Some((Reverse(*rank), *first));
                // What is suspect goes alone.
                let entry = self.entries.get(first);
                let alone = !self.silent && entry.is_some_and(|entry| entry.suspect);
                lane.counted = if alone { 1 } else { lane.waiting.len() };
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
    use super::{HandOverLimits, Queue, QueueOptions, QueuedMessage, State, Tries};
    use crate::scalar::{Instant, Now, WallTime};
    use crate::transport::Gap;
    use std::sync::Arc;

    const NOW: Now = Now::of(Instant::START, WallTime::from_unix_millis(1_736_942_400_000));
    const LIMITS: HandOverLimits = HandOverLimits { attempts: 3, disconnections: 0 };

    /// Messages of these order keys (`-` for none) and ranks, numbered from 1.
    fn filled(messages: &[(&str, u8)]) -> Queue {
        let mut queue = Queue::new(QueueOptions::new(), 7);
        for (order, rank) in messages {
            let message = serde_json::json!({
                "envelope": { "heartbeat": { "component_id": "a" } },
                "findings": [],
                "mark": queue.last,
                "order": (*order != "-").then_some(order),
                "rank": rank,
            });
            let message: QueuedMessage = serde_json::from_value(message).unwrap();
            queue.push(NOW, Arc::new(message), Vec::new(), Tries::default(), None);
        }
        queue
    }

    fn take_of(queue: &mut Queue, limits: HandOverLimits) -> Vec<u64> {
        let count = queue.due(NOW);
        let taken = queue.take(NOW, count, limits, None);
        taken.into_iter().map(|taken| taken.receipt.number()).collect()
    }

    fn take(queue: &mut Queue) -> Vec<u64> {
        take_of(queue, LIMITS)
    }

    fn attempts(queue: &Queue) -> Vec<u32> {
        queue.entries().map(|entry| entry.tries.made).collect()
    }

    /// A failure brings back what went after it in its lane, and none of it overtakes. What failed goes
    /// alone from then on.
    #[test]
    fn a_lane_keeps_its_order_when_one_fails() {
        let mut queue = filled(&[("w", 1), ("w", 1), ("x", 1), ("w", 1), ("w", 1)]);
        assert_eq!(take(&mut queue), [1, 2, 3, 4, 5], "a lane stands where its first one puts it");
        assert_eq!([1, 2, 4].map(|number| queue.is_first(number)), [true, false, false]);
        assert_eq!(queue.fail(NOW, 2, true), [4, 5]);
        assert_eq!(attempts(&queue), [1, 1, 1, 1, 1], "each hand-over counts");
        assert_eq!(take(&mut queue), [0; 0], "the lane waits for what rests and what is under way");
        queue.requeue(NOW, 2);
        assert_eq!(take(&mut queue), [0; 0], "the first of the lane is under way still");
        queue.remove(NOW, 1);
        assert_eq!(take(&mut queue), [2]);
        queue.remove(NOW, 2);
        assert_eq!(take(&mut queue), [4, 5], "one more attempt is left to what goes behind");
        assert_eq!(queue.fail(NOW, 4, true), [5]);
        queue.remove(NOW, 4);
        assert_eq!((take(&mut queue), attempts(&queue)), (vec![5], vec![1, 3]));
    }

    /// The last attempt of a message is never spent behind another, unless no one is there at all.
    #[test]
    fn the_last_attempt_is_not_spent_behind_another() {
        let mut queue = filled(&[("w", 1), ("w", 1), ("w", 1)]);
        let once = HandOverLimits { attempts: 1, disconnections: 0 };
        assert_eq!(take_of(&mut queue, once), [1]);
        assert_eq!(queue.time_out(NOW, 1), [0; 0]);
        queue.remove(NOW, 1);
        assert_eq!(take_of(&mut queue, once), [2, 3]);
    }

    /// In silence all that went together failed together; once the subscriber responds, one is at fault.
    #[test]
    fn silence_is_not_the_fault_of_the_first() {
        let mut queue = filled(&[("w", 1), ("w", 1), ("x", 1)]);
        assert_eq!(take(&mut queue), [1, 2, 3]);
        assert_eq!(queue.time_out(NOW, 1), [2]);
        queue.requeue(NOW, 1);
        assert_eq!(take(&mut queue), [1, 2]);
        queue.responded();
        assert_eq!(queue.time_out(NOW, 1), [2]);
        queue.requeue(NOW, 1);
        assert_eq!(take(&mut queue), [1], "it is suspect");
    }

    /// Without a key, what may go again stands where its rank and age put it.
    #[test]
    fn requeued_messages_go_by_rank_and_age() {
        let mut queue = filled(&[("-", 1), ("-", 2), ("-", 1)]);
        assert_eq!(take(&mut queue), [2, 1, 3]);
        for number in [3, 1, 2] {
            assert_eq!(queue.fail(NOW, number, true), [0; 0]);
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

    /// What a lost link cut off counts, up to what is forgiven.
    #[test]
    fn a_lost_link_returns_everything() {
        let mut queue = filled(&[("w", 1), ("w", 1), ("-", 1)]);
        assert_eq!(take(&mut queue), [1, 2, 3]);
        assert_eq!(queue.cut_off(NOW), [1, 2, 3]);
        assert_eq!(attempts(&queue), [1, 1, 1]);
        assert!(queue.entries().all(|entry| entry.state == State::Waiting));
        assert_eq!(take(&mut queue), [1, 2, 3]);
        assert_eq!(queue.cut_off(NOW), [1, 2, 3]);
        let left = |disconnections| {
            queue.get(1).unwrap().tries.left(HandOverLimits { attempts: 3, disconnections })
        };
        assert_eq!([0, 1, 5].map(left), [1, 2, 3]);
        assert_eq!(take(&mut queue), [1, 3]);
    }

    /// What was told stays as it was told; what is lost later makes up the next gap.
    #[test]
    fn gaps_do_not_grow_once_told() {
        let mut queue = filled(&[]);
        queue.lose(3, 30);
        queue.lose(2, 20);
        let first = queue.gap_receipt().unwrap();
        assert_eq!(queue.gap.unwrap().gap, Gap::new(2, 3, 2));
        queue.gap.as_mut().unwrap().attempts = 1;
        queue.lose(7, 70);
        assert_eq!(queue.gap.unwrap().gap, Gap::new(2, 3, 2));
        assert!(queue.gap_receipt().unwrap().is_of(first));
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
        assert!(queue.lanes.is_empty() && queue.ready.is_empty());
        assert_eq!((queue.under_way, queue.ready_messages, queue.since), (0, 0, None));
    }
}
