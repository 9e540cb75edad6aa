//! Who subscribes, and who is offline.

use super::entry::Entry;
use super::io::{DispatcherError, DispatcherOutput};
use super::publish::Takeover;
use super::queue::Queue;
use super::subscription_index::{Interest, Key};
use super::{Dispatcher, Due, Receivers};
use crate::message::{Envelope, Message, Subscription};
use crate::route::{Filter, Pattern};
use crate::scalar::{ComponentId, Now};
use crate::validate::Checked;
use smol_str::SmolStr;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Dispatcher {
    pub(super) fn subscription(
        &mut self,
        now: Now,
        message: Checked<Envelope>,
    ) -> Result<(), DispatcherError> {
        let Envelope { header, message } = message.into_inner();
        let Message::Subscription(body) = message else {
            return Err(DispatcherError::NotSubscription(message.kind()));
        };
        let subscriber = body.subscriber.clone();
        // Who subscribes for another could flood it, or take the messages of its queue group.
        if let Some(source_id) = header.source.filter(|source| *source != subscriber) {
            return Err(DispatcherError::NotTheSubscriber { source_id, subscriber });
        }
        // All patterns are read before one is entered. Keyed by their canonical text, two spellings
        // of one pattern are one subscription.
        let mut patterns = BTreeMap::new();
        for text in &body.patterns {
            let pattern = Pattern::parse(text).map_err(|error| {
                let pattern = text.clone();
                DispatcherError::Pattern { pattern, error }
            })?;
            patterns.insert(SmolStr::new(pattern.as_str()), pattern);
        }
        if body.cancel == Some(true) {
            self.cancel(now, &body, &patterns)
        } else {
            self.subscribe(&body, patterns)
        }
    }

    fn subscribe(
        &mut self,
        body: &Subscription,
        patterns: BTreeMap<SmolStr, Pattern>,
    ) -> Result<(), DispatcherError> {
        let subscriber = &body.subscriber;
        if patterns.is_empty() {
            return Err(DispatcherError::NoPattern(subscriber.clone()));
        }
        let filter = body.filter.as_ref().map(Filter::from_json).transpose()?;
        let group = body.group.as_deref().map(SmolStr::new);
        let known = |text: &SmolStr| self.index.find(subscriber, &(group.clone(), text.clone()));
        let fresh = patterns.keys().filter(|text| known(text).is_none()).count();
        // Only new ones count: to renew a subscription must work at the limit, too.
        let count = self.index.table.len() + fresh;
        let limit = self.options.subscriptions;
        if count > limit {
            return Err(DispatcherError::TooMany { count, limit });
        }
        for (text, pattern) in patterns {
            let known = self.index.find(subscriber, &(group.clone(), text));
            // Replaced in place: the queue, and what is under way, are those of the subscriber and
            // stay.
            if let Some(interest) = known.and_then(|id| self.index.table.get_mut(id)) {
                interest.filter.clone_from(&filter);
                continue;
            }
            let (subscriber, filter) = (subscriber.clone(), filter.clone());
            let interest = Interest { subscriber, group: group.clone(), filter };
            self.index.insert(pattern, interest);
        }
        // A queue keeps the options that it was made with. To shrink a full one would lose
        // messages.
        let options = self.options.queues.get(subscriber).unwrap_or(&self.options.queue);
        self.queues
            .entry(subscriber.clone())
            .or_insert_with(|| Queue::new(*options, self.epochs.next_u64()));
        let patterns = self.index.count(subscriber);
        self.out.push(DispatcherOutput::Subscribed { subscriber: subscriber.clone(), patterns });
        Ok(())
    }

    fn cancel(
        &mut self,
        now: Now,
        body: &Subscription,
        patterns: &BTreeMap<SmolStr, Pattern>,
    ) -> Result<(), DispatcherError> {
        let subscriber = &body.subscriber;
        let ends = |(group, pattern): &&Key| {
            (patterns.is_empty() || patterns.contains_key(pattern))
                && (body.group.is_none() || body.group.as_deref() == group.as_deref())
        };
        let ended: Vec<_> = self.index.keys(subscriber).filter(ends).cloned().collect();
        if ended.is_empty() {
            return Err(DispatcherError::NotSubscribed(subscriber.clone()));
        }
        for key in &ended {
            self.index.remove(subscriber, key);
        }
        let patterns = self.index.count(subscriber);
        if patterns > 0 {
            let subscriber = subscriber.clone();
            self.out.push(DispatcherOutput::Subscribed { subscriber, patterns });
            return Ok(());
        }
        // What came through groups is for the others; what was its own ends with its last
        // subscription.
        self.pass_on(now, subscriber, false);
        let left = self.queues.get(subscriber).map(Queue::numbers).unwrap_or_default();
        for number in &left {
            self.settle(now, subscriber, *number);
        }
        self.queues.remove(subscriber);
        // The timers of messages went with the messages. These are the queue's own, and would find
        // nothing.
        for due in [Due::Batch, Due::Gap, Due::PassOn] {
            self.timers.set((subscriber.clone(), due), None);
        }
        let (subscriber, left) = (subscriber.clone(), left.len());
        self.out.push(DispatcherOutput::Unsubscribed { subscriber, left });
        Ok(())
    }

    pub(super) fn disconnected(
        &mut self,
        now: Now,
        name: &ComponentId,
    ) -> Result<(), DispatcherError> {
        let queue = self.queues.get_mut(name);
        let queue = queue.ok_or_else(|| DispatcherError::NotSubscribed(name.clone()))?;
        queue.offline = true;
        // Whether they arrived is not known. They go again, as duplicates at worst: that is what at
        // least once means. But not for ever: who loses its link over each delivery may do so because
        // of what is delivered.
        let back = queue.cut_off(now);
        self.retire(now, name, &back, "its link was lost, and no attempt is left");
        // Nothing is due of it until it comes back, but the end of lives.
        for due in [Due::Batch, Due::Gap] {
            self.timers.set((name.clone(), due), None);
        }
        self.pass_on(now, name, true);
        Ok(())
    }

    pub(super) fn reconnected(
        &mut self,
        now: Now,
        name: &ComponentId,
    ) -> Result<(), DispatcherError> {
        let queue = self.queues.get_mut(name);
        let queue = queue.ok_or_else(|| DispatcherError::NotSubscribed(name.clone()))?;
        // Told twice, a subscriber must not get its gap told twice.
        if !std::mem::replace(&mut queue.offline, false) {
            return Ok(());
        }
        let lost = queue.gap.is_some();
        if let Some(told) = &mut queue.gap {
            // What it did not hear before it went offline does not count.
            told.attempts = told.attempts.min(1);
        }
        self.timers.set((name.clone(), Due::PassOn), None);
        self.dispatch_and_tell(now, name, lost);
        // What waits for members of its groups that are offline is better off here.
        let own: BTreeSet<SmolStr> =
            self.index.keys(name).filter_map(|(group, _)| group.clone()).collect();
        let shared = |entry: &Entry| entry.groups.iter().any(|group| own.contains(group));
        let waits = |queue: &Queue| queue.offline && queue.entries().any(shared);
        let others = self.queues.iter().filter(|(_, queue)| waits(queue)).map(|(name, _)| name);
        for other in others.cloned().collect::<Vec<_>>() {
            // Full again: the rest is better off with the next member that comes back.
            if self.queues.get(name).is_none_or(Queue::is_full) {
                break;
            }
            self.pass_on(now, &other, true);
        }
        Ok(())
    }

    /// Sees to it that what waits at a member that is offline is passed on when others have room.
    pub(super) fn retry_pass_on(&mut self, now: Now, name: &ComponentId) {
        let key = (name.clone(), Due::PassOn);
        // A try that is due sooner is kept: new messages must not put it off.
        if !self.timers.has(&key) {
            self.timers.set(key, self.options.until(now));
        }
    }

    /// Gives what a subscriber was to receive for queue groups to other members with room.
    ///
    /// If it is just `offline`, they must be reachable, and take the messages of one order key all or
    /// none: what they receive of the key from then on would overtake the rest. If it has left for
    /// good, what no other member takes becomes dead letters.
    pub(super) fn pass_on(&mut self, now: Now, name: &ComponentId, offline: bool) {
        let Some(queue) = self.queues.get(name) else { return };
        let mut bundles: Vec<Vec<u64>> = Vec::new();
        let mut places: BTreeMap<&SmolStr, usize> = BTreeMap::new();
        for (number, entry) in queue.numbered().filter(|(_, entry)| !entry.groups.is_empty()) {
            match entry.message.order.as_ref().filter(|_| offline) {
                None => bundles.push(vec![number]),
                Some(key) => {
                    let place = *places.entry(key).or_insert(bundles.len());
                    match bundles.get_mut(place) {
                        Some(bundle) => bundle.push(number),
                        None => bundles.push(vec![number]),
                    }
                }
            }
        }
        let mut waits = false;
        for bundle in bundles {
            let plan = self.plan_takeover(now, name, &bundle, offline);
            if offline && plan.iter().any(|(.., complete)| !complete) {
                waits = true;
                continue;
            }
            for (number, takers, complete) in plan {
                // Taken out here before it is entered there, or this member would still count as
                // the holder of its key.
                let Some(entry) = self.give_up(now, name, number) else { continue };
                if entry.tries.left(self.options.limits()) == 0 {
                    let reason = "its subscriber left, and no attempt is left";
                    self.dead_letter(now, name, &entry, reason);
                    continue;
                }
                if !complete {
                    let reason = "no other member of its queue group can take it";
                    self.dead_letter(now, name, &entry, reason);
                }
                for receivers in takers {
                    // Its attempts go along: passed to and fro, it would be handed over for ever.
                    self.hand_out(now, &entry.message, receivers, entry.tries);
                }
            }
        }
        if waits {
            self.retry_pass_on(now, name);
        } else {
            self.timers.set((name.clone(), Due::PassOn), None);
        }
    }

    /// Who takes which messages of another, and whether that is all that it was to receive. A bundle
    /// that does not find room for all of it need not be planned to its end.
    fn plan_takeover(
        &mut self,
        now: Now,
        name: &ComponentId,
        bundle: &[u64],
        offline: bool,
    ) -> Vec<(u64, Vec<Receivers>, bool)> {
        let mut plan = Vec::with_capacity(bundle.len());
        // Room that is promised in this plan is gone for the rest of it.
        let mut planned: BTreeMap<ComponentId, usize> = BTreeMap::new();
        for number in bundle {
            let Some(entry) = self.queues.get(name).and_then(|queue| queue.get(*number)) else {
                continue;
            };
            let (message, groups) = (Arc::clone(&entry.message), entry.groups.clone());
            let text = OnceCell::new();
            let mut takers = Vec::with_capacity(groups.len());
            for group in &groups {
                let takeover = Takeover { group, exclude: name };
                let found =
                    self.receivers(now, &message, &text, Some(takeover)).unwrap_or_default();
                let fits = |name: &ComponentId| {
                    let room = self.queues.get(name).map_or(0, Queue::room);
                    room > planned.get(name).copied().unwrap_or_default()
                        && !(offline && self.is_offline(name))
                };
                if !found.is_empty() && found.keys().all(fits) {
                    for name in found.keys() {
                        *planned.entry(name.clone()).or_default() += 1;
                    }
                    takers.push(found);
                }
            }
            let complete = takers.len() == groups.len();
            plan.push((*number, takers, complete));
            if offline && !complete {
                break;
            }
        }
        plan
    }
}
