//! The address of a component: requests are answered once, greetings too.

use super::PAUSE;
use super::answered::{Answers, Given};
use super::component::{OnRequest, Shared};
use super::context::Context;
use super::error::HandlerError;
use super::health::Counts;
use super::listen::{drain, failed, forward, pause, report_of, return_unread, told};
use super::outgoing::seed;
use super::reply::{Reply, answer};
use super::trace::TraceParent;
use super::work::{Outcome, run};
use crate::bus::{Arrival, BusError, Delivery, Inbox};
use crate::machine::{
    Handshake, HandshakeOutput, Machine as _, Rejected, RequestKey, RespondInput, RespondOutput,
    Responder, ResponderError,
};
use crate::message::{Envelope, Message, MessageKind};
use crate::scalar::{Digest, Instant, Now};
use crate::storage::view::DeadLetters;
use crate::storage::{Commit, StorageError, Store as _};
use crate::validate::Checked;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Answers what is sent to the address of a component.
pub(super) struct Server {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    handlers: BTreeMap<MessageKind, OnRequest>,
    state: Mutex<State>,
    /// The deadline of the responder may have changed.
    turned: Notify,
}

struct State {
    responder: Responder,
    running: BTreeMap<RequestKey, Work>,
}

/// A request that a handler works on.
#[derive(Clone)]
struct Work {
    delivery: Delivery,
    content: Digest,
    reply: Option<Reply>,
    cancel: Arc<watch::Sender<bool>>,
    /// All attempts were interrupted: it is not worked on any more, and its requester is told.
    exhausted: bool,
}

/// What follows from one delivery, to be stored together.
#[derive(Default)]
struct Consequences {
    commit: Commit,
    letters: Vec<Envelope>,
    /// A request to be worked on, with the digest of its content: the delivery is settled when that has an
    /// outcome.
    execute: Option<(RequestKey, Digest)>,
    /// The request whose answer stands in the store, once this does: the responder needs not keep it, too.
    kept: Option<RequestKey>,
    /// Why the delivery itself is kept as evidence, if it is.
    dead: Option<String>,
}

/// What else is known of a request that has its answer.
struct Ending {
    /// Why its delivery is kept as evidence, if it is.
    dead: Option<String>,
    /// Its identifier stands for another request, whose answer stays the one that is kept.
    reused: bool,
}

/// How often it is tried to store an answer before its request is put back.
const STORE_ATTEMPTS: u32 = 3;

impl Server {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: Arc<Inbox>,
        handlers: BTreeMap<MessageKind, OnRequest>,
    ) -> Self {
        let responder = Responder::new(shared.id.clone(), seed(shared.client.bus()))
            .with_options(shared.options.respond.clone());
        let state = Mutex::new(State { responder, running: BTreeMap::new() });
        Server { shared, inbox, handlers, state, turned: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        self.shared.client.bus().host().now()
    }

    /// Takes requests until it is stopped, then waits for what is under way.
    pub(super) async fn run(
        self: Arc<Self>,
        mut stop: watch::Receiver<bool>,
        cancel: Arc<watch::Sender<bool>>,
    ) -> (usize, usize) {
        let mut running = JoinSet::new();
        loop {
            let (due, turned) = (self.lock().responder.deadline(), self.turned.notified());
            let host = self.shared.client.bus().host();
            let time = async {
                match due {
                    Some(at) => host.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let arrival = tokio::select! {
                biased;
                () = told(&mut stop) => break,
                () = time => {
                    self.expire().await;
                    continue;
                }
                arrival = self.inbox.next() => arrival,
                () = turned => continue,
            };
            while running.try_join_next().is_some() {}
            match arrival {
                Ok(Arrival::Message(delivery)) => {
                    self.take(delivery, false, &mut running, &cancel).await;
                }
                Ok(Arrival::Exhausted(delivery)) => {
                    self.take(delivery, true, &mut running, &cancel).await;
                }
                Ok(Arrival::Gap { from, to }) => {
                    let missed = to.offset.saturating_sub(from.offset);
                    Counts::add(&self.shared.counts.missed, missed);
                    super::observe::missed(&self.shared.id, missed);
                }
                Err(error) => pause(&self.shared, &error).await,
            }
        }
        drain(&self.shared, &mut running, &cancel).await
    }

    /// One message that was sent here.
    async fn take(
        self: &Arc<Self>,
        delivery: Delivery,
        exhausted: bool,
        running: &mut JoinSet<()>,
        cancel: &Arc<watch::Sender<bool>>,
    ) {
        let checked = match self.shared.client.admission().check(&delivery.data).await {
            Ok(checked) => checked,
            Err(error) => return return_unread(&self.shared, &self.inbox, &delivery, &error).await,
        };
        let now = self.now();
        let reply = checked.as_ref().ok().and_then(|message| Reply::to(message));
        // The responder takes it; a handler gets it as well. Copies share it.
        let kept = checked.as_ref().ok().cloned();
        let consequences = match checked {
            // Whoever sent it waits no more.
            Ok(message) if is_over(&message, now) => {
                let dead = exhausted.then(|| self.interrupted());
                Consequences { dead, ..Consequences::default() }
            }
            Ok(message) if message.kind() == MessageKind::Hello => {
                self.greet(now, message, reply.as_ref())
            }
            Ok(message) => {
                let mut state = self.lock();
                state.responder.receive(now, message);
                self.consequences(&mut state, reply.as_ref())
            }
            Err(report) => {
                let rejected = Rejected::new(&*delivery.data, report);
                let mut state = self.lock();
                // A rejected record is never an error of the host.
                let _ = state.responder.handle(now, RespondInput::Rejected(Box::new(rejected)));
                self.consequences(&mut state, None)
            }
        };
        let (Some((key, content)), Some(request)) = (consequences.execute.clone(), kept) else {
            return self.conclude(&delivery, consequences).await;
        };
        let cancel_one = Arc::new(watch::Sender::new(false));
        let work = Work { delivery, content, reply, cancel: cancel_one, exhausted };
        self.lock().running.insert(key.clone(), work.clone());
        let (server, stopping) = (Arc::clone(self), Arc::clone(cancel));
        running.spawn(async move { server.execute(key, request, work, &stopping).await });
        self.turned.notify_one();
    }

    fn greet(&self, now: Now, message: Checked<Envelope>, reply: Option<&Reply>) -> Consequences {
        let Shared { id, client, options, .. } = &*self.shared;
        let mut greeting = Handshake::new(id.clone(), options.versions.clone(), seed(client.bus()));
        greeting.receive(now, message);
        let mut consequences = Consequences::default();
        while let Some(output) = greeting.poll() {
            if let HandshakeOutput::Send(outbound) = output {
                answer(&self.shared, &mut consequences.commit, &outbound, reply);
            }
        }
        consequences
    }

    /// Carries out what the responder said about one delivery.
    fn consequences(&self, state: &mut State, reply: Option<&Reply>) -> Consequences {
        let mut consequences = Consequences::default();
        while let Some(output) = state.responder.poll() {
            match output {
                RespondOutput::Execute { key, content, .. } => {
                    consequences.execute = Some((key, content));
                }
                RespondOutput::Send(outbound) => {
                    answer(&self.shared, &mut consequences.commit, &outbound, reply);
                }
                RespondOutput::DeadLetter(letter) => {
                    consequences.letters.push(Envelope::from(*letter));
                }
                _ => {}
            }
        }
        consequences
    }

    fn dead_lettered(&self) {
        Counts::add(&self.shared.counts.dead_lettered, 1);
        super::observe::dead_lettered(&self.shared.id);
    }

    /// Stores what follows from a delivery.
    async fn conclude(&self, delivery: &Delivery, consequences: Consequences) {
        let Consequences { commit, letters, dead, kept, .. } = consequences;
        let bus = self.shared.client.bus();
        for letter in letters {
            let wall = self.now().wall;
            let letters = DeadLetters::new(Arc::clone(bus.engine()));
            match letters.add(&letter.to_string(), wall).await {
                Ok(_) => self.dead_lettered(),
                Err(error) => super::observe::bus_failed(&self.shared.id, &error.into()),
            }
        }
        let stored = match dead {
            None => self.settle(delivery, commit).await,
            Some(reason) => match self.inbox.dead_letter_with(delivery, &reason, commit).await {
                Ok(_) => {
                    self.dead_lettered();
                    true
                }
                Err(BusError::Stale { .. }) => false,
                // It comes again, as one whose attempts are used up.
                Err(error) => {
                    pause(&self.shared, &error).await;
                    let _ = self.inbox.put_back(delivery, PAUSE).await;
                    false
                }
            },
        };
        if let Some(key) = kept.filter(|_| stored) {
            // What it does not know it need not forget.
            let _ = self.lock().responder.handle(self.now(), RespondInput::Forget(key));
        }
    }

    /// Stores an outcome. False if it is not there now.
    async fn settle(&self, delivery: &Delivery, commit: Commit) -> bool {
        // Tried again for a moment: an answer that is not stored costs the requester an attempt.
        for _ in 0..STORE_ATTEMPTS {
            match self.inbox.settle_with(delivery, commit.clone()).await {
                Ok(()) => return true,
                Err(BusError::Stale { .. }) => return false,
                Err(error) => pause(&self.shared, &error).await,
            }
        }
        let _ = self.inbox.put_back(delivery, PAUSE).await;
        false
    }

    /// Works on a request, unless an earlier run of this component has answered it.
    async fn execute(
        &self,
        key: RequestKey,
        request: Checked<Envelope>,
        work: Work,
        stopping: &watch::Sender<bool>,
    ) {
        let mut dead = None;
        let given = self.answers().given(&key, &work.content).await;
        let reused = matches!(given, Given::Reused);
        let done = match given {
            Given::Answer(message) => Some((message, Commit::new())),
            Given::Reused => {
                let error = HandlerError::from(ResponderError::IdReused(key.request_id.clone()));
                let (now, shared) = (self.now(), &self.shared);
                let report = report_of(shared, now, &request.message, &error, "request_handling");
                Some((report.into(), Commit::new()))
            }
            Given::Nothing if work.exhausted => {
                let reason = self.interrupted();
                let error = HandlerError::lasting(reason.clone());
                dead = Some(reason);
                let (now, shared) = (self.now(), &self.shared);
                let report = report_of(shared, now, &request.message, &error, "request_handling");
                Some((report.into(), Commit::new()))
            }
            Given::Nothing => self.perform(request, &work, stopping).await,
        };
        let Some((message, effects)) = done else {
            // It stops: the claim ends with the member, and the request comes again.
            self.lock().running.remove(&key);
            return;
        };
        self.finish(key, message, effects, work, Ending { dead, reused }).await;
    }

    /// What is said of a message at which all attempts were interrupted.
    fn interrupted(&self) -> String {
        let attempts = self.shared.options.redelivery.attempts.max(1);
        format!("the component ended while it handled the message, {attempts} times")
    }

    fn answers(&self) -> Answers<'_> {
        Answers { bus: self.shared.client.bus(), own: &self.shared.id }
    }

    /// Runs the handler.
    async fn perform(
        &self,
        request: Checked<Envelope>,
        work: &Work,
        stopping: &watch::Sender<bool>,
    ) -> Option<(Message, Commit)> {
        let shared = &self.shared;
        let host = shared.client.bus().host();
        let now = host.now();
        let Some(handler) = self.handlers.get(&request.kind()).cloned() else {
            let error = HandlerError::lasting(format!(
                "`{}` does not answer a {}",
                shared.id,
                request.kind()
            ));
            let report = report_of(shared, now, &request.message, &error, "request_handling");
            return Some((report.into(), Commit::new()));
        };
        let deadline = deadline(&request, now, shared.options.attempt_timeout);
        let active = shared.counts.begin(now);
        let trace = TraceParent::of(&request);
        let context = Context::new(
            request.clone(),
            work.delivery.clone(),
            shared.client_within(trace.clone()),
            deadline,
            work.cancel.subscribe(),
        );
        let span =
            super::observe::span(&shared.id, &request, &work.delivery, "request", trace.as_ref());
        let running = span.enter(handler(context.clone(), request.message.clone()));
        let outcome = tokio::select! {
            biased;
            outcome = run(&**host, running, deadline, &work.cancel) => outcome,
            never = forward(stopping, &work.cancel) => match never {},
        };
        let now = host.now();
        let took = active.end(now, matches!(outcome, Outcome::Done(_)));
        super::observe::handled(&shared.id, "request", outcome.word(), took);
        let error = match outcome {
            Outcome::Done(message) => {
                let effects = context.take_effects();
                match self.refused(&effects).await {
                    None => return Some((message, effects)),
                    // What the handler wanted stored would be refused: it did not do what it says.
                    Some(error) => HandlerError::transient(error.to_string()),
                }
            }
            Outcome::Failed(error) => error,
            Outcome::Panicked(said) => failed("panicked", format!("the handler panicked: {said}")),
            Outcome::TimedOut => failed("too-slow", "the handler took too long".to_owned()),
            Outcome::Dropped => return None,
        };
        let report = report_of(shared, now, &request.message, &error, "request_handling");
        Some((report.into(), Commit::new()))
    }

    /// Why effects would not be stored. The answer is remembered once it is given, so this is asked before.
    async fn refused(&self, effects: &Commit) -> Option<StorageError> {
        let engine = self.shared.client.bus().engine();
        for put in &effects.puts {
            // What cannot be read now is tried with the commit.
            let found = engine.get(&put.key).await.ok()?;
            if let Err(error) = put.expect.check(&put.key, found.map(|entry| entry.revision)) {
                return Some(error);
            }
        }
        None
    }

    /// Answers a request, remembers the answer, and settles the delivery, all at once.
    async fn finish(
        &self,
        key: RequestKey,
        message: Message,
        effects: Commit,
        work: Work,
        ending: Ending,
    ) {
        let now = self.now();
        let queued = matches!(&message, Message::AllocationResponse(body)
            if body.status == crate::scalar::AllocationStatus::Queued);
        let consequences = {
            let mut state = self.lock();
            state.running.remove(&key);
            let again = matches!(&message, Message::ErrorReport(report)
                if report.classification.recoverable == Some(true));
            let answer = RespondInput::Answer(key.clone(), Box::new(message));
            // Out of time: the requester has been told.
            if state.responder.handle(now, answer).is_err() {
                None
            } else {
                let mut consequences = self.consequences(&mut state, work.reply.as_ref());
                let commit = std::mem::take(&mut consequences.commit);
                let answer = commit.history.records.last().map(|record| Arc::clone(&record.data));
                let (commit, kept) = match answer.filter(|_| !again && !queued && !ending.reused) {
                    Some(answer) => {
                        let time = self.shared.options.respond.remember;
                        self.answers().remember(commit, &key, work.content.clone(), &answer, time)
                    }
                    None => (commit, ending.reused),
                };
                consequences.commit = commit;
                consequences.kept = kept.then_some(key);
                consequences.dead = ending.dead;
                consequences.commit.history.records.splice(0..0, effects.history.records);
                consequences.commit.history.expected.extend(effects.history.expected);
                // What follows from an answer decides nothing by itself.
                consequences.commit.decisions = effects.decisions;
                consequences.commit.puts.extend(effects.puts);
                Some(consequences)
            }
        };
        self.turned.notify_one();
        if let Some(consequences) = consequences {
            self.conclude(&work.delivery, consequences).await;
        }
    }

    /// Forgets answers whose time is over.
    pub(super) async fn forget(&self) {
        self.answers().forget().await;
    }

    /// Does what is due: requests that were not answered in time.
    async fn expire(&self) {
        let now = self.now();
        let mut ended: Vec<(Delivery, Commit)> = Vec::new();
        {
            let mut state = self.lock();
            state.responder.handle_timeout(now);
            let mut reply = None;
            while let Some(output) = state.responder.poll() {
                match output {
                    RespondOutput::Cancel(key) => {
                        if let Some(work) = state.running.remove(&key) {
                            work.cancel.send_replace(true);
                            reply = work.reply;
                            ended.push((work.delivery, Commit::new()));
                        }
                    }
                    RespondOutput::Send(outbound) => {
                        if let Some((_, commit)) = ended.last_mut() {
                            answer(&self.shared, commit, &outbound, reply.as_ref());
                        }
                    }
                    _ => {}
                }
            }
        }
        for (delivery, commit) in ended {
            self.settle(&delivery, commit).await;
        }
    }
}

/// Whether the life that a message gave itself is over.
fn is_over(message: &Envelope, now: Now) -> bool {
    message.header.expires_at().is_some_and(|end| end < now.wall)
}

/// Until when the answer is wanted.
fn deadline(request: &Envelope, now: Now, most: Duration) -> Option<Instant> {
    let left = request.header.expires_at().map(|end| end.since(now.wall));
    now.at.after(left.map_or(most, |left| left.min(most)))
}
