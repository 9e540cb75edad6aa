//! What a subscriber reads: a stream of checked messages.

use super::admission::Admission;
use super::error::DriverError;
use crate::bus::{Arrival, Delivery, Inbox, Position};
use crate::message::Envelope;
use crate::validate::Checked;
use std::sync::Arc;

/// A message that was read, or could not be, and where it stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// A message that passed the checks.
    Message(Checked<Envelope>, Delivery),
    /// One that did not, with what is wrong with it.
    Invalid(crate::finding::Report, Delivery),
    /// One at which all attempts failed.
    Exhausted(Delivery),
    /// Messages that are gone.
    Gap {
        /// The first position that is missing.
        from: Position,
        /// The first position that is there again.
        to: Position,
    },
}

impl Incoming {
    /// Where it stands, to be [settled](Messages::settle); none for a gap.
    pub const fn delivery(&self) -> Option<&Delivery> {
        match self {
            Incoming::Message(_, delivery)
            | Incoming::Invalid(_, delivery)
            | Incoming::Exhausted(delivery) => Some(delivery),
            Incoming::Gap { .. } => None,
        }
    }
}

type Next = std::pin::Pin<Box<dyn Future<Output = Result<Incoming, DriverError>> + Send>>;

/// A stream of messages; also a [`Stream`](futures_core::Stream). It ends never by itself: an error is an
/// item, after which it goes on.
pub struct Messages {
    inbox: Arc<Inbox>,
    admission: Arc<Admission>,
    next: Option<Next>,
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messages").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

impl Messages {
    pub(super) const fn new(inbox: Arc<Inbox>, admission: Arc<Admission>) -> Self {
        Messages { inbox, admission, next: None }
    }

    /// The next message. It may be dropped at any time.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn next(&mut self) -> Result<Incoming, DriverError> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<Incoming, DriverError>> {
        let next = self.next.get_or_insert_with(|| {
            let (inbox, admission) = (Arc::clone(&self.inbox), Arc::clone(&self.admission));
            Box::pin(async move { incoming(&inbox, &admission).await })
        });
        let incoming = std::task::ready!(next.as_mut().poll(context));
        self.next = None;
        std::task::Poll::Ready(incoming)
    }

    /// Marks a message as done.
    ///
    /// # Errors
    /// [`Bus`](DriverError::Bus).
    pub async fn settle(&self, incoming: &Incoming) -> Result<(), DriverError> {
        match incoming.delivery() {
            Some(delivery) => Ok(self.inbox.settle(delivery).await?),
            None => Ok(()),
        }
    }

    /// The inbox below, to put messages back and to close it.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }
}

impl futures_core::Stream for Messages {
    type Item = Result<Incoming, DriverError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.poll(context).map(Some)
    }
}

async fn incoming(inbox: &Inbox, admission: &Admission) -> Result<Incoming, DriverError> {
    Ok(match inbox.next().await? {
        Arrival::Message(delivery) => match admission.check(&delivery.data).await {
            Ok(Ok(message)) => Incoming::Message(message, delivery),
            Ok(Err(report)) => Incoming::Invalid(report, delivery),
            // It comes with the next call.
            Err(error) => {
                inbox.give_back(&delivery).await?;
                return Err(error.into());
            }
        },
        Arrival::Exhausted(delivery) => Incoming::Exhausted(delivery),
        Arrival::Gap { from, to } => Incoming::Gap { from, to },
    })
}
