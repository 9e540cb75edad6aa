//! Who subscribes, and who is away.

use super::io::{DeliveryOutput, DeliveryRefused};
use super::queue::Queue;
use super::{Delivery, Due, Interest};
use crate::message::{Envelope, Message, Subscription};
use crate::route::{Filter, Pattern, SubscriptionId};
use crate::scalar::{ComponentId, Now};
use crate::validate::Checked;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Delivery {
    pub(super) fn subscription(
        &mut self,
        now: Now,
        message: Checked<Envelope>,
    ) -> Result<(), DeliveryRefused> {
        let Envelope { header, message } = message.into_inner();
        let Message::Subscription(body) = message else {
            return Err(DeliveryRefused::NotSubscription(message.kind()));
        };
        let subscriber = body.subscriber.clone();
        if let Some(source_id) = header.source.filter(|source| *source != subscriber) {
            return Err(DeliveryRefused::NotTheSubscriber { source_id, subscriber });
        }
        let mut patterns = Vec::with_capacity(body.patterns.len());
        for text in &body.patterns {
            let pattern = Pattern::parse(text).map_err(|error| {
                let pattern = text.clone();
                DeliveryRefused::Pattern { pattern, error }
            })?;
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
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
        patterns: Vec<Pattern>,
    ) -> Result<(), DeliveryRefused> {
        let subscriber = &body.subscriber;
        if patterns.is_empty() {
            return Err(DeliveryRefused::NoPattern(subscriber.clone()));
        }
        let filter = body.filter.as_ref().map(Filter::from_json).transpose()?;
        let group = body.group.as_deref().map(SmolStr::new);
        let known: Vec<_> =
            patterns.iter().map(|pattern| self.find(subscriber, pattern, group.as_ref())).collect();
        let count = self.table.len() + known.iter().filter(|known| known.is_none()).count();
        let most = self.options.subscriptions;
        if count > most {
            return Err(DeliveryRefused::TooMany { count, most });
        }
        for (pattern, known) in patterns.into_iter().zip(known) {
            if let Some(interest) = known.and_then(|id| self.table.get_mut(id)) {
                interest.filter.clone_from(&filter);
                continue;
            }
            let (subscriber, filter) = (subscriber.clone(), filter.clone());
            let interest = Interest { subscriber, group: group.clone(), filter };
            match &group {
                Some(group) => self.table.insert_in_group(pattern, group, interest),
                None => self.table.insert(pattern, interest),
            };
        }
        let options = self.options.queues.get(subscriber).unwrap_or(&self.options.queue);
        self.queues.entry(subscriber.clone()).or_insert_with(|| Queue::new(*options));
        let patterns = self.count(subscriber);
        self.out.push_back(DeliveryOutput::Subscribed { subscriber: subscriber.clone(), patterns });
        Ok(())
    }

    fn find(
        &self,
        subscriber: &ComponentId,
        pattern: &Pattern,
        group: Option<&SmolStr>,
    ) -> Option<SubscriptionId> {
        let same = |own: &Pattern, interest: &Interest| {
            own == pattern && interest.subscriber == *subscriber && interest.group.as_ref() == group
        };
        self.table.iter().find(|(_, own, interest)| same(own, interest)).map(|(id, ..)| id)
    }

    fn count(&self, subscriber: &ComponentId) -> usize {
        self.table.iter().filter(|(.., interest)| interest.subscriber == *subscriber).count()
    }

    fn cancel(
        &mut self,
        now: Now,
        body: &Subscription,
        patterns: &[Pattern],
    ) -> Result<(), DeliveryRefused> {
        let subscriber = &body.subscriber;
        let ends = |pattern: &Pattern, interest: &Interest| {
            interest.subscriber == *subscriber
                && (patterns.is_empty() || patterns.contains(pattern))
                && (body.group.is_none() || body.group.as_deref() == interest.group.as_deref())
        };
        let ended: Vec<_> = self
            .table
            .iter()
            .filter(|(_, pattern, interest)| ends(pattern, interest))
            .map(|(id, ..)| id)
            .collect();
        if ended.is_empty() {
            return Err(DeliveryRefused::NotSubscribed(subscriber.clone()));
        }
        for id in ended {
            self.table.remove(id);
        }
        let patterns = self.count(subscriber);
        if patterns > 0 {
            let subscriber = subscriber.clone();
            self.out.push_back(DeliveryOutput::Subscribed { subscriber, patterns });
            return Ok(());
        }
        self.pass_on(now, subscriber, false);
        let left = self.queues.get(subscriber).map(Queue::numbers).unwrap_or_default();
        for number in &left {
            self.settle(now, subscriber, *number);
        }
        self.queues.remove(subscriber);
        for due in [Due::Batch, Due::Gap] {
            self.timers.set((subscriber.clone(), due), None);
        }
        let (subscriber, left) = (subscriber.clone(), left.len());
        self.out.push_back(DeliveryOutput::Unsubscribed { subscriber, left });
        Ok(())
    }

    pub(super) fn leave(&mut self, now: Now, name: &ComponentId) -> Result<(), DeliveryRefused> {
        let queue = self.queues.get_mut(name);
        let queue = queue.ok_or_else(|| DeliveryRefused::NotSubscribed(name.clone()))?;
        queue.away = true;
        let back = queue.give_all_back(now);
        self.returned(now, name, &back);
        self.pass_on(now, name, true);
        // Nothing is due of it until it comes back, but the end of lives.
        for due in [Due::Batch, Due::Gap] {
            self.timers.set((name.clone(), due), None);
        }
        Ok(())
    }

    pub(super) fn come_back(
        &mut self,
        now: Now,
        name: &ComponentId,
    ) -> Result<(), DeliveryRefused> {
        let queue = self.queues.get_mut(name);
        let queue = queue.ok_or_else(|| DeliveryRefused::NotSubscribed(name.clone()))?;
        if !std::mem::replace(&mut queue.away, false) {
            return Ok(());
        }
        let lost = queue.gap.is_some();
        let before = self.out.len();
        self.dispatch(now, name);
        // A batch tells of the gap, too.
        if lost && self.out.len() == before {
            self.tell(now, name);
        }
        // What waits for members of its groups that are away is better off here.
        let away = self.queues.iter().filter(|(_, queue)| queue.away).map(|(name, _)| name);
        for other in away.cloned().collect::<Vec<_>>() {
            self.pass_on(now, &other, true);
        }
        Ok(())
    }

    /// Gives what a subscriber was to receive for a queue group to another member, if there is one
    /// with room, and `reachable` if so wished. If the subscriber has no subscription any more, what
    /// nobody takes is buried.
    ///
    /// Messages of one order key stay together: if there is no room for all of them, none is passed
    /// on, or two members would handle them side by side.
    fn pass_on(&mut self, now: Now, name: &ComponentId, reachable: bool) {
        let Some(queue) = self.queues.get(name) else { return };
        let mut lanes: BTreeMap<Result<SmolStr, u64>, Vec<u64>> = BTreeMap::new();
        for number in queue.numbers() {
            let Some(entry) = queue.get(number).filter(|entry| !entry.groups.is_empty()) else {
                continue;
            };
            lanes.entry(entry.parcel.order.clone().ok_or(number)).or_default().push(number);
        }
        for numbers in lanes.into_values() {
            let mut left = numbers.len();
            for number in numbers {
                if !self.pass(now, name, number, reachable, left) {
                    break;
                }
                left -= 1;
            }
        }
    }

    /// Passes one message on to members that have room for so many. Tells whether it is gone.
    fn pass(
        &mut self,
        now: Now,
        name: &ComponentId,
        number: u64,
        reachable: bool,
        room: usize,
    ) -> bool {
        let Some(entry) = self.queues.get(name).and_then(|queue| queue.get(number)) else {
            return true;
        };
        let (parcel, groups) = (Arc::clone(&entry.parcel), entry.groups.clone());
        let stays = self.count(name) > 0;
        let text = parcel.envelope.to_string();
        let mut taken = Vec::new();
        for group in &groups {
            let others = self.receivers(now, &parcel, &text, Some(group), Some(name));
            let others = others.unwrap_or_default();
            let unfit = |other| {
                self.queues.get(other).is_some_and(|queue| {
                    reachable && queue.away || stays && queue.room().is_some_and(|free| free < room)
                })
            };
            if others.is_empty() || others.keys().any(unfit) {
                continue;
            }
            taken.push(others);
        }
        if taken.len() < groups.len() && stays {
            return false;
        }
        let Some(entry) = self.settle(now, name, number) else { return true };
        if taken.len() < groups.len() {
            let reason = "no other member of its queue group can take it";
            self.bury(now, name, &entry, reason);
        }
        for receivers in taken {
            self.hand_out(now, &parcel, receivers);
        }
        true
    }
}
