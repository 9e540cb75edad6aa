//! Subscriptions of a component: each has a task of its own, so a slow handler slows its own only.

use super::PAUSE;
use super::component::{OnMessage, Shared};
use super::context::Context;
use super::error::HandlerError;
use super::health::Counts;
use super::trace::TraceParent;
use super::work::{Outcome, run};
use crate::bus::{Arrival, BusError, Delivery, Inbox};
use crate::error::{Error, ErrorKind, IntoReport as _, Occurrence};
use crate::machine::SplitMix64;
use crate::message::{Envelope, ErrorContext, ErrorReport, Message};
use crate::scalar::{ErrorId, Now, WorkflowId};
use crate::storage::StorageError;
use crate::validate::Checked;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Hands what arrives to a handler, until it is stopped; then waits for what is under way. Gives how many
/// ended in that time, and how many were dropped.
pub(super) async fn listen(
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    handler: OnMessage,
    mut stop: watch::Receiver<bool>,
    cancel: Arc<watch::Sender<bool>>,
) -> (usize, usize) {
    let mut running = JoinSet::new();
    loop {
        let arrival = tokio::select! {
            biased;
            () = told(&mut stop) => break,
            arrival = inbox.next() => arrival,
        };
        while running.try_join_next().is_some() {}
        match arrival {
            Ok(Arrival::Message(delivery)) => {
                let (shared, inbox) = (Arc::clone(&shared), Arc::clone(&inbox));
                let (handler, cancel) = (Arc::clone(&handler), Arc::clone(&cancel));
                running.spawn(
                    async move { handle(&shared, &inbox, handler, delivery, &cancel).await },
                );
            }
            Ok(Arrival::Exhausted(delivery)) => {
                exhausted(&shared, &inbox, &delivery).await;
            }
            Ok(Arrival::Gap { from, to }) => {
                let missed = to.offset.saturating_sub(from.offset);
                Counts::add(&shared.counts.missed, missed);
                super::observe::missed(&shared.id, missed);
            }
            Err(error) => pause(&shared, &error).await,
        }
    }
    drain(&shared, &mut running, &cancel).await
}

/// Gives up a message whose last attempt had no outcome, and tells of it.
async fn exhausted(shared: &Shared, inbox: &Inbox, delivery: &Delivery) {
    let error = HandlerError::lasting("all attempts were interrupted or failed");
    if let Ok(Ok(message)) = shared.client.admission().check(&delivery.data).await {
        report(shared, &message, &error).await;
    }
    give_up(shared, inbox, delivery, &error.to_string()).await;
}

/// How many turns there are, after handlers were told to end, to store what came of those that did: their
/// own last turns, and a few for the bus.
const STORING_TURNS: usize = 64;

/// Ends when it is said so, or when whoever could say so is gone.
pub(super) async fn told(said: &mut watch::Receiver<bool>) {
    let _ = said.wait_for(|said| *said).await;
}

/// Waits for tasks as long as a component may, then has them end.
pub(super) async fn drain<T: 'static>(
    shared: &Shared,
    running: &mut JoinSet<T>,
    cancel: &watch::Sender<bool>,
) -> (usize, usize) {
    let host = shared.client.bus().host();
    // What had ended before is not what is waited for.
    while running.try_join_next().is_some() {}
    let end = host.now().at.after(shared.options.drain_time);
    let mut drained = 0;
    let over = async {
        match end {
            Some(at) => host.sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let mut over = std::pin::pin!(over);
    while !running.is_empty() {
        tokio::select! {
            biased;
            _ = running.join_next() => drained += 1,
            () = &mut over => break,
        }
    }
    let abandoned = running.len();
    if abandoned > 0 {
        cancel.send_replace(true);
        // What ends by itself when it is told so still stores its outcome.
        for _ in 0..STORING_TURNS {
            tokio::task::yield_now().await;
            while running.try_join_next().is_some() {}
        }
        running.abort_all();
    }
    (drained, abandoned)
}

/// Waits a little after an error of the bus.
pub(super) async fn pause(shared: &Shared, error: &BusError) {
    super::observe::bus_failed(&shared.id, error);
    // What is unsupported stays so; everything else may pass.
    if matches!(error, BusError::Storage(StorageError::Unsupported { .. })) {
        shared.fatal.send_replace(Some(error.to_string()));
    }
    let host = shared.client.bus().host();
    let now = host.now().at;
    host.sleep_until(now.after(PAUSE).unwrap_or(now)).await;
}

async fn handle(
    shared: &Arc<Shared>,
    inbox: &Inbox,
    handler: OnMessage,
    delivery: Delivery,
    stopping: &watch::Sender<bool>,
) {
    let host = shared.client.bus().host();
    let now = host.now();
    let message = match shared.client.admission().check(&delivery.data).await {
        Ok(Ok(message)) => message,
        // It will never be valid; kept as evidence with what is wrong.
        Ok(Err(report)) => {
            Counts::add(&shared.counts.failed, 1);
            give_up(shared, inbox, &delivery, &report.to_string()).await;
            return;
        }
        Err(error) => return return_unread(shared, inbox, &delivery, &error).await,
    };
    let active = shared.counts.begin(now);
    let deadline = now.at.after(shared.options.attempt_timeout);
    let own = watch::Sender::new(false);
    let cancelled = own.subscribe();
    let trace = TraceParent::of(&message);
    let span = super::observe::span(&shared.id, &message, &delivery, "event", trace.as_ref());
    let client = shared.client_within(trace);
    let context = Context::new(message.clone(), delivery.clone(), client, deadline, cancelled);
    let work = span.enter(handler(context.clone()));
    let outcome = tokio::select! {
        biased;
        outcome = run(&**host, work, deadline, &own) => outcome,
        never = forward(stopping, &own) => match never {},
    };
    let now = host.now();
    let took = active.end(now, matches!(outcome, Outcome::Done(())));
    super::observe::handled(&shared.id, "event", outcome.word(), took);
    conclude(shared, inbox, &message, &delivery, &context, outcome).await;
}

/// Gives a message back that could not be judged, because the bus was away: it counts as no attempt.
pub(super) async fn return_unread(
    shared: &Shared,
    inbox: &Inbox,
    delivery: &Delivery,
    error: &BusError,
) {
    pause(shared, error).await;
    // If that does not work either, the claim ends with the member.
    let _ = inbox.give_back(delivery).await;
}

/// Passes on that nothing is wanted any more.
pub(super) async fn forward(
    stopping: &watch::Sender<bool>,
    own: &watch::Sender<bool>,
) -> std::convert::Infallible {
    told(&mut stopping.subscribe()).await;
    own.send_replace(true);
    std::future::pending().await
}

/// Stores what came of an attempt.
async fn conclude(
    shared: &Shared,
    inbox: &Inbox,
    message: &Checked<Envelope>,
    delivery: &Delivery,
    context: &Context,
    outcome: Outcome<()>,
) {
    let last = delivery.attempt >= shared.options.redelivery.attempts.max(1);
    let again = match outcome {
        Outcome::Done(()) => {
            match inbox.settle_with(delivery, context.take_effects()).await {
                // Where somebody else has taken over, what was done here is not stored.
                Ok(()) | Err(BusError::Stale { .. }) => return,
                // What the handler wanted stored was refused: a failed attempt like any other.
                Err(error) => HandlerError::transient(error.to_string()),
            }
        }
        Outcome::Failed(error) if error.is_transient() => error,
        Outcome::Failed(error) => {
            report(shared, message, &error).await;
            give_up(shared, inbox, delivery, &error.to_string()).await;
            return;
        }
        Outcome::Panicked(said) => {
            let error = HandlerError::transient(format!("the handler panicked: {said}"));
            // The last one is told below, as all last ones are.
            if !last {
                report(shared, message, &error).await;
            }
            error
        }
        Outcome::TimedOut => HandlerError::transient("the attempt took too long"),
        // It stops: the claim ends with the member, and the message comes again.
        Outcome::Dropped => return,
    };
    if last {
        report(shared, message, &again).await;
        give_up(shared, inbox, delivery, &again.to_string()).await;
        return;
    }
    let mut rng = SplitMix64::new(super::outgoing::seed(shared.client.bus()));
    let pause = shared.options.redelivery.pause(delivery.attempt, &mut rng);
    if let Err(error) = inbox.put_back(delivery, pause).await {
        super::observe::bus_failed(&shared.id, &error);
    }
}

/// Keeps a message as evidence. If that does not work now, the message stays unsettled and comes again.
async fn give_up(shared: &Shared, inbox: &Inbox, delivery: &Delivery, reason: &str) {
    match inbox.dead_letter(delivery, reason).await {
        Ok(_) => {
            Counts::add(&shared.counts.dead_lettered, 1);
            super::observe::dead_lettered(&shared.id);
        }
        Err(error) => {
            super::observe::bus_failed(&shared.id, &error);
            let _ = inbox.put_back(delivery, PAUSE).await;
        }
    }
}

/// Tells of a failure, correlated with the message that it happened to.
async fn report(shared: &Shared, message: &Checked<Envelope>, error: &HandlerError) {
    let now = shared.client.bus().host().now();
    let report = report_of(shared, now, &message.message, error, "event_handling");
    let mut envelope = Envelope::from(report);
    envelope.header.causation_id.clone_from(&message.header.message_id);
    envelope.header.correlation_id.clone_from(&message.header.correlation_id);
    if let Err(error) = shared.client.publish(envelope).await {
        super::observe::failed(&shared.id, &error);
    }
}

/// The report about a failed handler.
pub(super) fn report_of(
    shared: &Shared,
    now: Now,
    message: &Message,
    error: &HandlerError,
    operation: &str,
) -> ErrorReport {
    if let Some(report) = &error.answer {
        return (**report).clone();
    }
    let id = ErrorId::generate(now.id_millis(), shared.client.bus().ten());
    let workflow = message.workflow().cloned().unwrap_or_else(WorkflowId::global);
    let context = ErrorContext::new().with_component(shared.id.as_str()).with_operation(operation);
    let occurrence = Occurrence::new(id, workflow, now.timestamp()).with_context(context);
    let mut report = error.error.to_report(&occurrence);
    report.classification.recoverable = Some(error.transient);
    report
}

/// The error of a handler that panicked or took too long.
pub(super) fn failed(code: &'static str, message: String) -> HandlerError {
    HandlerError {
        error: Error::new(ErrorKind::Driver, code, message),
        transient: true,
        answer: None,
    }
}
