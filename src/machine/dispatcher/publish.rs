//! From the publisher into the queues.

use super::entry::Tries;
use super::io::{DispatcherError, DispatcherOutput};
use super::queue::Queue;
use super::queued_message::QueuedMessage;
use super::subscription_index::Interest;
use super::{Dispatcher, Due, Receivers};
use crate::machine::settings::at_least;
use crate::machine::{IgnoreReason, MessageIdentity};
use crate::message::Envelope;
use crate::route::{FilterInput, GroupChoice, RouteKey};
use crate::scalar::{ComponentId, Now};
use crate::transport::Overflow;
use crate::validate::Checked;
use smol_str::SmolStr;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Whom a message is for that is passed on: another member of a queue group that has room.
#[derive(Clone, Copy)]
pub(super) struct Takeover<'a> {
    pub(super) group: &'a SmolStr,
    pub(super) exclude: &'a ComponentId,
}

impl Dispatcher {
    pub(super) fn publish(
        &mut self,
        now: Now,
        message: Checked<Envelope>,
    ) -> Result<(), DispatcherError> {
        let header = &message.header;
        // By source and identifier, since two publishers may choose the same one.
        let id = header.message_id.clone().map(|id| (header.source.clone(), id));
        if let Some(id) = &id
            && self.seen.get(id).is_some_and(|until| until.is_none_or(|until| until > now.at))
        {
            self.out.ignore(MessageIdentity::of(&message), IgnoreReason::Duplicate);
            return Ok(());
        }
        if RouteKey::of(&message).is_none() {
            return Err(DispatcherError::NoRoute(message.kind()));
        }
        let text = OnceCell::new();
        let message = QueuedMessage::new(now, message, &text, self.options.order.as_ref());
        // All or nothing. Receivers are found and room is checked before anything is noted, so a
        // publisher that is refused may try again under the same identifier.
        let receivers = self.receivers(now, &message, &text, None)?;
        let message_id = id.as_ref().map(|(_, id)| id.clone());
        if let Some(id) = id {
            // What is over is out of the way of what is put in anew.
            self.seen.expire(now.at);
            let until = now.at.after(at_least(self.options.remember_for));
            self.seen.put(id, until, until, self.options.remember);
        }
        let count = receivers.len();
        self.out.push(DispatcherOutput::Published { message_id, receivers: count });
        self.hand_out(now, &Arc::new(message), receivers, Tries::default());
        Ok(())
    }

    pub(super) fn redrive(
        &mut self,
        now: Now,
        name: &ComponentId,
        message: Checked<Envelope>,
    ) -> Result<(), DispatcherError> {
        if !self.queues.contains_key(name) {
            return Err(DispatcherError::NotSubscribed(name.clone()));
        }
        self.has_room(name)?;
        let order = self.options.order.as_ref();
        let message = QueuedMessage::new(now, message, &OnceCell::new(), order);
        // For this subscriber alone: without groups it is not passed on. It is not looked up among
        // what was published either, since its identifier is known there.
        self.enqueue(now, name, Arc::new(message), Vec::new(), Tries::default());
        self.dispatch(now, name);
        Ok(())
    }

    /// Who receives a message: all who want it, or its takeover.
    ///
    /// Refuses it if somebody who must not lose anything has no room for it, and changes nothing then.
    /// `text` is the message as it is written, once somebody has a filter.
    pub(super) fn receivers(
        &mut self,
        now: Now,
        message: &QueuedMessage,
        text: &OnceCell<String>,
        takeover: Option<Takeover<'_>>,
    ) -> Result<Receivers, DispatcherError> {
        let Some(route) = message.route() else { return Ok(Receivers::new()) };
        let subject = OnceCell::new();
        let subject = || {
            *subject.get_or_init(|| {
                FilterInput::read(text.get_or_init(|| message.envelope.to_string()))
            })
        };
        let asked = |interest: &Interest| {
            takeover.is_none_or(|takeover| {
                interest.group.as_ref() == Some(takeover.group)
                    && interest.subscriber != *takeover.exclude
            })
        };
        let mut receivers = Receivers::new();
        let mut wanted = BTreeSet::new();
        let mut groups: BTreeMap<&SmolStr, BTreeSet<&ComponentId>> = BTreeMap::new();
        for (id, interest) in self.index.table.matches(&route) {
            if !asked(interest) || !interest.wants(now, subject) {
                continue;
            }
            if let Some(group) = &interest.group {
                groups.entry(group).or_default().insert(&interest.subscriber);
                wanted.insert(id);
            } else {
                self.has_room(&interest.subscriber)?;
                receivers.insert(interest.subscriber.clone(), Vec::new());
            }
        }
        if groups.is_empty() {
            return Ok(receivers);
        }
        let mut members = BTreeMap::new();
        for (group, all) in groups {
            members.insert(group.clone(), self.members(group, message, &all, takeover.is_some())?);
        }
        // A key goes to the same member each time, what has none to each in turn.
        let choice = message.order.as_deref().map_or(GroupChoice::Rotate, GroupChoice::Key);
        let chosen = self.index.table.receivers_where(&route, choice, |id, interest| {
            let may = |group| members.get(group).is_some_and(|m| m.contains(&interest.subscriber));
            wanted.contains(&id) && interest.group.as_ref().is_some_and(may)
        });
        let mut via_groups = Receivers::new();
        for (_, interest) in chosen {
            let groups = via_groups.entry(interest.subscriber.clone()).or_default();
            groups.extend(interest.group.clone().filter(|group| !groups.contains(group)));
        }
        for (name, groups) in via_groups {
            // What a subscriber wants for itself is not passed on to others of its group.
            receivers.entry(name).or_insert(groups);
        }
        Ok(receivers)
    }

    /// Which members of a group may be chosen: who holds the order key; else those with room, and of
    /// these those that can be reached.
    fn members(
        &self,
        group: &SmolStr,
        message: &QueuedMessage,
        all: &BTreeSet<&ComponentId>,
        takeover: bool,
    ) -> Result<BTreeSet<ComponentId>, DispatcherError> {
        // Who has unsettled messages of the key gets the next one as well: at another member it
        // could be handled before them.
        let key = message.order.as_ref().map(|key| (group.clone(), key.clone()));
        if let Some((holder, _)) = key.and_then(|key| self.holders.get(&key))
            && all.contains(holder)
        {
            self.has_room(holder)?;
            return Ok(BTreeSet::from([holder.clone()]));
        }
        let mut refused = Ok(());
        let mut free = BTreeSet::new();
        for name in all {
            match self.has_room(name) {
                // Who inherits loses nothing of its own for it.
                Ok(()) if takeover && self.queues.get(*name).is_some_and(Queue::is_full) => {}
                Ok(()) => {
                    free.insert((*name).clone());
                }
                Err(error) => refused = refused.and(Err(error)),
            }
        }
        // One member with room is enough. The publisher is refused only if there is none.
        if free.is_empty() {
            refused?;
        }
        let offline = |name: &ComponentId| self.is_offline(name);
        // A member that is offline is the last choice: there the message would wait.
        if free.iter().any(|name| !offline(name)) {
            free.retain(|name| !offline(name));
        }
        Ok(free)
    }

    fn has_room(&self, name: &ComponentId) -> Result<(), DispatcherError> {
        match self.queues.get(name) {
            Some(queue) if queue.is_full() && queue.options.overflow == Overflow::Refuse => {
                let limit = queue.options.limit.max(1);
                Err(DispatcherError::Busy { subscriber: name.clone(), limit })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn hand_out(
        &mut self,
        now: Now,
        message: &Arc<QueuedMessage>,
        receivers: Receivers,
        tries: Tries,
    ) {
        for (name, groups) in receivers {
            self.enqueue(now, &name, Arc::clone(message), groups, tries);
            self.dispatch(now, &name);
        }
    }

    fn enqueue(
        &mut self,
        now: Now,
        name: &ComponentId,
        message: Arc<QueuedMessage>,
        groups: Vec<SmolStr>,
        tries: Tries,
    ) {
        let expires = message.envelope.header.expires_at().and_then(|end| {
            // It lives up to and including its last millisecond.
            match u64::try_from(end.unix_millis().saturating_sub(now.wall.unix_millis())) {
                Ok(left) => now.at.after(Duration::from_millis(left.saturating_add(1))),
                Err(_) => Some(now.at),
            }
        });
        // What arrives expired takes no place in a queue.
        let dead = expires.is_some_and(|end| end <= now.at);
        let full = self.queues.get(name).filter(|queue| queue.is_full() && !dead);
        if let Some(number) = full.and_then(Queue::oldest) {
            // Settled before it is noted as lost: it must not be owed and lost at once.
            let mark = self.give_up(now, name, number).map_or(0, |entry| entry.message.mark);
            if let Some(queue) = self.queues.get_mut(name) {
                queue.lose(number, mark);
                // The next batch tells of it; if there is none for long, nothing but the gap goes.
                if queue.gap.is_some_and(|pending| pending.attempts == 0) && !queue.offline {
                    self.timers.set((name.clone(), Due::Gap), self.options.until(now));
                }
            }
        }
        for (group, key) in groups.iter().filter_map(|group| Some((group, message.order.as_ref()?)))
        {
            let held = self.holders.entry((group.clone(), key.clone()));
            let (holder, count) = held.or_insert_with(|| (name.clone(), 0));
            // The former holder has given its messages away or left; the count is that of this one.
            if holder != name {
                (*holder, *count) = (name.clone(), 0);
            }
            *count += 1;
        }
        let Some(queue) = self.queues.get_mut(name) else { return };
        let passes_on = queue.offline && !groups.is_empty();
        let number = queue.push(now, message, groups, tries, expires);
        if expires.is_some() {
            self.timers.set((name.clone(), Due::Expiry(number)), expires);
            // It got a number all the same, so that its dead letter is as complete as any other.
            self.expire_if_due(now, name, number);
        }
        if passes_on {
            self.retry_pass_on(now, name);
        }
    }
}
