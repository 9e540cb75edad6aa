//! What became of a message that was handed out.

use super::Inbox;
use super::interest::Selection;
use crate::bus::progress::Progress;
use crate::bus::{BusError, Delivery};
use crate::message::{DeadLetter, Envelope};
use crate::storage::view::{DeadLetters, StoredLetter};
use crate::storage::{Commit, Engine as _};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl Inbox {
    /// Marks a message as done.
    ///
    /// # Errors
    /// Those of [`settle_with`](Self::settle_with).
    #[doc(alias = "acknowledge")]
    #[doc(alias = "ack")]
    pub async fn settle(&self, delivery: &Delivery) -> Result<(), BusError> {
        self.settle_with(delivery, Commit::new()).await
    }

    /// Marks a message as done, together with what follows from it: either all of it is stored, or
    /// nothing, and the message comes again.
    ///
    /// # Errors
    /// [`Stale`](BusError::Stale) if the delivery was taken over meanwhile, and nothing is stored;
    /// [`Storage`](BusError::Storage).
    pub async fn settle_with(&self, delivery: &Delivery, commit: Commit) -> Result<(), BusError> {
        let position = delivery.position.offset;
        let Some((key, member)) = &self.durable else {
            if !commit.is_empty() {
                self.bus.engine().commit(&commit).await?;
            }
            self.lock().forget(position);
            self.changed.notify_one();
            return Ok(());
        };
        let mut stored = self.stored.lock().await;
        // Two looks: the second one at what the store says now. What came of an earlier call whose
        // outcome was not heard is seen there.
        for fresh in [false, true] {
            loop {
                if !stored.progress.holds(position, delivery.attempt, member) {
                    break;
                }
                let mut progress = stored.progress.clone();
                progress.settle(position, self.lock().low(position));
                if self.store(key, &mut stored, progress, commit.clone()).await? {
                    self.lock().forget(position);
                    self.changed.notify_one();
                    return Ok(());
                }
            }
            if !fresh {
                self.reload(key, &mut stored).await?;
            }
        }
        self.lock().give_up(position);
        self.changed.notify_one();
        if stored.progress.is_settled(position) && commit.is_empty() {
            return Ok(());
        }
        Err(BusError::Stale { position: delivery.position, attempt: delivery.attempt })
    }

    /// Marks several messages as done at once. Those that were taken over meanwhile are left out; the rest
    /// is stored all the same.
    ///
    /// # Errors
    /// [`Stale`](BusError::Stale) of the first that was taken over; [`Storage`](BusError::Storage), and
    /// nothing is stored.
    pub async fn settle_all(&self, deliveries: &[Delivery]) -> Result<(), BusError> {
        let done: BTreeSet<u64> =
            deliveries.iter().map(|delivery| delivery.position.offset).collect();
        let mut stale = None;
        if let Some((key, member)) = &self.durable {
            let mut stored = self.stored.lock().await;
            let mut fresh = false;
            loop {
                let holds = |delivery: &&Delivery| {
                    stored.progress.holds(delivery.position.offset, delivery.attempt, member)
                };
                let (held, lost): (Vec<&Delivery>, Vec<&Delivery>) =
                    deliveries.iter().partition(holds);
                if !lost.is_empty() && !fresh {
                    // What came of an earlier call whose outcome was not heard is seen there.
                    self.reload(key, &mut stored).await?;
                    fresh = true;
                    continue;
                }
                let settled =
                    |delivery: &&&Delivery| stored.progress.is_settled(delivery.position.offset);
                stale = lost.iter().find(|delivery| !settled(delivery)).map(|first| {
                    BusError::Stale { position: first.position, attempt: first.attempt }
                });
                if held.is_empty() {
                    break;
                }
                let mut progress = stored.progress.clone();
                let low = {
                    let held: BTreeSet<u64> =
                        held.iter().map(|delivery| delivery.position.offset).collect();
                    self.lock().low_without(|position| held.contains(&position))
                };
                for delivery in &held {
                    progress.settle(delivery.position.offset, 0);
                }
                progress.raise(low);
                let held: Vec<u64> = held.iter().map(|held| held.position.offset).collect();
                if self.store(key, &mut stored, progress, Commit::new()).await? {
                    let mut window = self.lock();
                    for position in held {
                        window.forget(position);
                    }
                    break;
                }
                fresh = true;
            }
            let mut window = self.lock();
            for position in &done {
                window.give_up(*position);
            }
        } else {
            let mut window = self.lock();
            for position in &done {
                window.forget(*position);
            }
        }
        self.changed.notify_one();
        stale.map_or(Ok(()), Err)
    }

    /// Lets a message be tried again after a pause, by whoever is free then; until then it holds back its
    /// lane. Without a durable name it comes again at once.
    ///
    /// # Errors
    /// Those of [`settle_with`](Self::settle_with).
    #[doc(alias = "nack")]
    pub async fn put_back(&self, delivery: &Delivery, pause: Duration) -> Result<(), BusError> {
        let after = self.bus.host().now().at.after(pause);
        self.give_up(delivery, |progress, position| progress.put_back(position, after)).await
    }

    /// Gives a message back that was not worked on: it counts as no attempt.
    ///
    /// # Errors
    /// Those of [`settle_with`](Self::settle_with).
    pub async fn give_back(&self, delivery: &Delivery) -> Result<(), BusError> {
        let attempt = delivery.attempt;
        self.give_up(delivery, |progress, position| progress.unclaim(position, attempt)).await
    }

    async fn give_up(
        &self,
        delivery: &Delivery,
        change: impl Fn(&mut Progress, u64),
    ) -> Result<(), BusError> {
        let position = delivery.position.offset;
        if let Some((key, member)) = &self.durable {
            let mut stored = self.stored.lock().await;
            loop {
                if !stored.progress.holds(position, delivery.attempt, member) {
                    self.reload(key, &mut stored).await?;
                    if !stored.progress.holds(position, delivery.attempt, member) {
                        self.lock().give_up(position);
                        return Err(BusError::Stale {
                            position: delivery.position,
                            attempt: delivery.attempt,
                        });
                    }
                }
                let mut progress = stored.progress.clone();
                change(&mut progress, position);
                if self.store(key, &mut stored, progress, Commit::new()).await? {
                    break;
                }
            }
        }
        self.lock().handed.remove(&position);
        self.changed.notify_one();
        Ok(())
    }

    /// Keeps a message as evidence and marks it as done. The letter is stored first: the message of somebody
    /// who is killed in between comes again, and there are two letters then, never none.
    ///
    /// # Errors
    /// Those of [`settle_with`](Self::settle_with).
    pub async fn dead_letter(
        &self,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<StoredLetter, BusError> {
        self.dead_letter_with(delivery, reason, Commit::new()).await
    }

    /// Like [`dead_letter`](Self::dead_letter), together with what follows from it, such as the error report
    /// that tells a requester.
    ///
    /// # Errors
    /// Those of [`settle_with`](Self::settle_with).
    pub async fn dead_letter_with(
        &self,
        delivery: &Delivery,
        reason: &str,
        commit: Commit,
    ) -> Result<StoredLetter, BusError> {
        let now = self.bus.host().now();
        let attempts = delivery.attempt.min(self.interest.max_attempts);
        let mut letter = DeadLetter::about(&delivery.data, reason, attempts, now.wall);
        if let (Selection::Lane(_), Some(address)) = (&self.interest.selection, &self.interest.name)
        {
            // So that it can be sent there again. The protocol has no such field, so it is free.
            let _ = letter.extra_mut().insert("address", address.as_str());
        }
        let text = Envelope::from(letter).to_string();
        let added = DeadLetters::new(Arc::clone(self.bus.engine())).add(&text, now.wall).await?;
        self.settle_with(delivery, commit).await?;
        Ok(added.letter)
    }
}
