//! Who subscribes, and who is away.

use super::interests::{Interest, Key};
use super::io::{DeliveryOutput, DeliveryRefused};
use super::publish::Heir;
use super::queue::{Entry, Queue};
use super::{Delivery, Due, Receivers};
use crate::machine::settings::at_least;
use crate::message::{Envelope, Message, Subscription};
use crate::route::{Filter, Pattern};
use crate::scalar::{ComponentId, Now};
use crate::validate::Checked;
use smol_str::SmolStr;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
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
        let mut patterns = BTreeMap::new();
        for text in &body.patterns {
            let pattern = Pattern::parse(text).map_err(|error| {
                let pattern = text.clone();
                DeliveryRefused::Pattern { pattern, error }
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
    ) -> Result<(), DeliveryRefused> {
        let subscriber = &body.subscriber;
        if patterns.is_empty() {
            return Err(DeliveryRefused::NoPattern(subscriber.clone()));
        }
        let filter = body.filter.as_ref().map(Filter::from_json).transpose()?;
        let group = body.group.as_deref().map(SmolStr::new);
        let known =
            |text: &SmolStr| self.interests.find(subscriber, &(group.clone(), text.clone()));
        let fresh = patterns.keys().filter(|text| known(text).is_none()).count();
        let count = self.interests.table.len() + fresh;
        let most = self.options.subscriptions;
        if count > most {
            return Err(DeliveryRefused::TooMany { count, most });
        }
        for (text, pattern) in patterns {
            let known = self.interests.find(subscriber, &(group.clone(), text));
            if let Some(interest) = known.and_then(|id| self.interests.table.get_mut(id)) {
                interest.filter.clone_from(&filter);
                continue;
            }
            let (subscriber, filter) = (subscriber.clone(), filter.clone());
            let interest = Interest { subscriber, group: group.clone(), filter };
            self.interests.insert(pattern, interest);
        }
        let options = self.options.queues.get(subscriber).unwrap_or(&self.options.queue);
        self.queues.entry(subscriber.clone()).or_insert_with(|| Queue::new(*options));
        let patterns = self.interests.count(subscriber);
        self.out.push_back(DeliveryOutput::Subscribed { subscriber: subscriber.clone(), patterns });
        Ok(())
    }

    fn cancel(
        &mut self,
        now: Now,
        body: &Subscription,
        patterns: &BTreeMap<SmolStr, Pattern>,
    ) -> Result<(), DeliveryRefused> {
        let subscriber = &body.subscriber;
        let ends = |(group, pattern): &&Key| {
            (patterns.is_empty() || patterns.contains_key(pattern))
                && (body.group.is_none() || body.group.as_deref() == group.as_deref())
        };
        let ended: Vec<_> = self.interests.keys(subscriber).filter(ends).cloned().collect();
        if ended.is_empty() {
            return Err(DeliveryRefused::NotSubscribed(subscriber.clone()));
        }
        for key in &ended {
            self.interests.remove(subscriber, key);
        }
        let patterns = self.interests.count(subscriber);
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
        for due in [Due::Batch, Due::Gap, Due::PassOn] {
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
        // Nothing is due of it until it comes back, but the end of lives.
        for due in [Due::Batch, Due::Gap] {
            self.timers.set((name.clone(), due), None);
        }
        self.pass_on(now, name, true);
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
        if let Some(told) = &mut queue.gap {
            // What it did not hear before it went away does not count.
            told.attempts = told.attempts.min(1);
        }
        self.timers.set((name.clone(), Due::PassOn), None);
        self.dispatch_and_tell(now, name, lost);
        // What waits for members of its groups that are away is better off here.
        let own: BTreeSet<SmolStr> =
            self.interests.keys(name).filter_map(|(group, _)| group.clone()).collect();
        let shared = |entry: &Entry| entry.groups.iter().any(|group| own.contains(group));
        let waits = |queue: &Queue| queue.away && queue.entries().any(shared);
        let others = self.queues.iter().filter(|(_, queue)| waits(queue)).map(|(name, _)| name);
        for other in others.cloned().collect::<Vec<_>>() {
            if self.queues.get(name).is_none_or(Queue::is_full) {
                break;
            }
            self.pass_on(now, &other, true);
        }
        Ok(())
    }

    /// Sees to it that what waits at a member that is away is passed on when others have room.
    pub(super) fn try_again(&mut self, now: Now, name: &ComponentId) {
        let key = (name.clone(), Due::PassOn);
        if !self.timers.has(&key) {
            self.timers.set(key, now.at.after(at_least(self.options.timeout)));
        }
    }

    /// Gives what a subscriber was to receive for queue groups to other members with room.
    ///
    /// If it is just `away`, they must be reachable, and take the messages of one order key all or
    /// none: what they receive of the key from then on would overtake the rest. If it has left for
    /// good, what nobody takes is buried.
    pub(super) fn pass_on(&mut self, now: Now, name: &ComponentId, away: bool) {
        let Some(queue) = self.queues.get(name) else { return };
        let mut bundles: Vec<Vec<u64>> = Vec::new();
        let mut places: BTreeMap<&SmolStr, usize> = BTreeMap::new();
        for (number, entry) in queue.numbered().filter(|(_, entry)| !entry.groups.is_empty()) {
            match entry.parcel.order.as_ref().filter(|_| away) {
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
            let plan = self.heirs(now, name, &bundle, away);
            if away && plan.iter().any(|(.., complete)| !complete) {
                waits = true;
                continue;
            }
            for (number, heirs, complete) in plan {
                let Some(entry) = self.settle(now, name, number) else { continue };
                if !complete {
                    let reason = "no other member of its queue group can take it";
                    self.bury(now, name, &entry, reason);
                }
                for receivers in heirs {
                    self.hand_out(now, &entry.parcel, receivers);
                }
            }
        }
        if waits {
            self.try_again(now, name);
        } else {
            self.timers.set((name.clone(), Due::PassOn), None);
        }
    }

    /// Who takes which messages of another, and whether that is all that it was to receive. A bundle
    /// that does not find room for all of it need not be planned to its end.
    fn heirs(
        &mut self,
        now: Now,
        name: &ComponentId,
        bundle: &[u64],
        away: bool,
    ) -> Vec<(u64, Vec<Receivers>, bool)> {
        let mut plan = Vec::with_capacity(bundle.len());
        let mut planned: BTreeMap<ComponentId, usize> = BTreeMap::new();
        for number in bundle {
            let Some(entry) = self.queues.get(name).and_then(|queue| queue.get(*number)) else {
                continue;
            };
            let (parcel, groups) = (Arc::clone(&entry.parcel), entry.groups.clone());
            let text = OnceCell::new();
            let mut heirs = Vec::with_capacity(groups.len());
            for group in &groups {
                let heir = Heir { group, not: name };
                let found = self.receivers(now, &parcel, &text, Some(heir)).unwrap_or_default();
                let fits = |name: &ComponentId| {
                    let room = self.queues.get(name).map_or(0, Queue::room);
                    room > planned.get(name).copied().unwrap_or_default()
                        && !(away && self.is_away(name))
                };
                if !found.is_empty() && found.keys().all(fits) {
                    for name in found.keys() {
                        *planned.entry(name.clone()).or_default() += 1;
                    }
                    heirs.push(found);
                }
            }
            let complete = heirs.len() == groups.len();
            plan.push((*number, heirs, complete));
            if away && !complete {
                break;
            }
        }
        plan
    }
}
