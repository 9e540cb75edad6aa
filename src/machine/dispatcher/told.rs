//! What subscribers tell of what they were given.

use super::entry::State;
use super::io::{DispatcherOutput, IgnoredReceipt, Settlement};
use super::queue::Queue;
use super::receipt::Receipt;
use super::{Dispatcher, Due};
use crate::machine::IgnoreReason;
use crate::scalar::{ComponentId, Instant, Now};

/// What a subscriber told.
#[derive(Clone, Copy)]
pub(super) enum Told<'a> {
    Acknowledge(&'a [Receipt]),
    Extend(&'a [Receipt]),
    Fail(Receipt, &'a str),
    Reject(Receipt, &'a str),
    AckGap(Receipt),
}

impl Dispatcher {
    /// Applies what a subscriber told. What is about anything but the last hand-over of a message that
    /// is not settled changes nothing, and is told.
    pub(super) fn told(&mut self, now: Now, name: &ComponentId, told: Told<'_>) {
        let mut ignored = Vec::new();
        let mut note = |receipt, applied: Result<(), IgnoreReason>| {
            if let Err(reason) = applied {
                ignored.push(IgnoredReceipt { receipt, reason });
            }
        };
        let said = match told {
            Told::Acknowledge(receipts) => {
                for receipt in receipts {
                    note(*receipt, self.acknowledged(now, name, *receipt));
                }
                self.dispatch(now, name);
                Settlement::Acknowledge
            }
            Told::Extend(receipts) => {
                for receipt in receipts {
                    note(*receipt, self.extended(now, name, *receipt));
                }
                Settlement::Extend
            }
            Told::Fail(receipt, reason) => {
                note(receipt, self.failed(now, name, receipt, reason));
                Settlement::Fail
            }
            Told::Reject(receipt, reason) => {
                note(receipt, self.rejected(now, name, receipt, reason));
                Settlement::Reject
            }
            Told::AckGap(receipt) => {
                note(receipt, self.gap_acknowledged(now, name, receipt));
                Settlement::AckGap
            }
        };
        if !ignored.is_empty() {
            let subscriber = name.clone();
            self.out.push(DispatcherOutput::ReceiptsIgnored { subscriber, said, ignored });
        }
    }

    fn acknowledged(
        &mut self,
        now: Now,
        name: &ComponentId,
        receipt: Receipt,
    ) -> Result<(), IgnoreReason> {
        // Its time may have run out. As long as it was not handed over again this is the last word
        // on it, and to deliver it once more would be of no use.
        self.current(name, receipt)?.responded();
        self.settle(now, name, receipt.number());
        Ok(())
    }

    fn extended(
        &mut self,
        now: Now,
        name: &ComponentId,
        receipt: Receipt,
    ) -> Result<(), IgnoreReason> {
        let (wanted, longest) = (self.options.until(now), self.options.longest);
        let number = receipt.number();
        let queue = self.current(name, receipt)?;
        let Some(entry) = queue.get(number).filter(|entry| entry.state == State::UnderWay) else {
            return Err(IgnoreReason::Late);
        };
        // The time of one behind another has not begun, so there is nothing to extend.
        if let Some(since) = entry.since.filter(|_| queue.is_first(number)) {
            let until = sooner(wanted, since.after(longest));
            if is_later(until, entry.until) {
                queue.run(number, since, until);
                self.timers.set((name.clone(), Due::Message(number)), until);
            } else if is_later(wanted, entry.until) {
                return Err(IgnoreReason::Full);
            }
        }
        self.current(name, receipt)?.responded();
        Ok(())
    }

    fn failed(
        &mut self,
        now: Now,
        name: &ComponentId,
        receipt: Receipt,
        reason: &str,
    ) -> Result<(), IgnoreReason> {
        let number = receipt.number();
        let queue = self.current(name, receipt)?;
        if queue.get(number).is_none_or(|entry| entry.state != State::UnderWay) {
            // It counts as failed already, by its time or by a lost link.
            return Err(IgnoreReason::Late);
        }
        queue.responded();
        // Those of the same key that went after it come back, or they would overtake it.
        let back = queue.fail(now, number, true);
        self.rest(now, name, number, reason);
        self.retire(now, name, &back, "one before it failed, and no attempt is left");
        self.dispatch(now, name);
        Ok(())
    }

    fn rejected(
        &mut self,
        now: Now,
        name: &ComponentId,
        receipt: Receipt,
        reason: &str,
    ) -> Result<(), IgnoreReason> {
        let number = receipt.number();
        let queue = self.current(name, receipt)?;
        queue.responded();
        let under_way =
            |queue: &Queue| queue.get(number).is_some_and(|entry| entry.state == State::UnderWay);
        let back = if under_way(queue) { queue.fail(now, number, true) } else { Vec::new() };
        if let Some(entry) = self.settle(now, name, number) {
            self.dead_letter(now, name, &entry, reason);
        }
        self.retire(now, name, &back, "one before it was rejected, and no attempt is left");
        self.dispatch(now, name);
        Ok(())
    }

    fn gap_acknowledged(
        &mut self,
        now: Now,
        name: &ComponentId,
        receipt: Receipt,
    ) -> Result<(), IgnoreReason> {
        let queue = self.queues.get_mut(name).ok_or(IgnoreReason::Unknown)?;
        // Only the gap as it was told, whichever time that was. An acknowledgement of an earlier gap
        // must not hide what was lost since.
        let told = queue.gap_receipt().filter(|told| told.attempt() > 0 && told.is_of(receipt));
        if told.is_none_or(|told| told.attempt() < receipt.attempt()) {
            return Err(IgnoreReason::Stale);
        }
        queue.responded();
        let another = queue.next_gap();
        self.timers.set((name.clone(), Due::Gap), None);
        self.dispatch_and_tell(now, name, another);
        Ok(())
    }

    /// The queue with the message whose last hand-over this is.
    fn current(
        &mut self,
        name: &ComponentId,
        receipt: Receipt,
    ) -> Result<&mut Queue, IgnoreReason> {
        let queue = self.queues.get_mut(name).ok_or(IgnoreReason::Unknown)?;
        let number = receipt.number();
        if receipt.epoch() != queue.epoch() {
            return Err(IgnoreReason::Stale);
        }
        match queue.receipt(number) {
            Some(last) if last == receipt => Ok(queue),
            // Another attempt, or another message that took the number after a snapshot was gone back
            // to. What was never handed over cannot have been handled, either.
            Some(_) => Err(IgnoreReason::Stale),
            None if number == 0 || number > queue.last() => Err(IgnoreReason::Unknown),
            None => Err(match self.ended.get(&(name.clone(), number)) {
                Some((epoch, mark)) if receipt.is_of(Receipt::new(*epoch, *mark, number, 0)) => {
                    IgnoreReason::Late
                }
                Some((epoch, _)) if *epoch == receipt.epoch() => IgnoreReason::Stale,
                // It is settled, and not by us.
                _ => IgnoreReason::Duplicate,
            }),
        }
    }
}

/// The sooner of two moments; none is never.
fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

fn is_later(one: Option<Instant>, other: Option<Instant>) -> bool {
    other.is_some_and(|other| one.is_none_or(|one| one > other))
}
