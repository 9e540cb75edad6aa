//! The part of a client that asks: what it waits for, the address for answers, and the machine that counts
//! attempts.

use super::ClientOptions;
use crate::bus::{Arrival, Bus, Delivery, Inbox};
use crate::driver::PAUSE;
use crate::driver::admission::Admission;
use crate::driver::drive::{Driven, drive};
use crate::driver::error::DriverError;
use crate::driver::observe;
use crate::driver::outgoing::{Seal, address, seed};
use crate::machine::respond::REPLY_TO;
use crate::machine::{
    Caller, CallerOptions, CallerOutput, OutboundRequest, RequestInput, RequestOutcome,
    RequestOutput,
};
use crate::message::{Envelope, Message, MessageKind, peek};
use crate::scalar::{Amount, ComponentId, RequestId};
use crate::transport::Address;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[derive(Debug)]
pub(super) struct Asking {
    pub(super) common: Arc<Common>,
    caller: Arc<Driven<Caller>>,
    pub(super) options: CallerOptions,
    listener: JoinHandle<()>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// What the parts of a client share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) bus: Bus,
    pub(super) own: ComponentId,
    reply: Address,
    pub(super) admission: Arc<Admission>,
    pub(super) seal: Seal,
    waiting: Mutex<HashMap<RequestId, Waiting>>,
}

/// A request whose answer is waited for.
#[derive(Debug)]
struct Waiting {
    sender: oneshot::Sender<Ended>,
    /// Why an answer was refused, if one was.
    refused: Option<String>,
    /// Whether an attempt was sent.
    sent: bool,
    /// Why none was so far.
    unsent: Option<DriverError>,
}

/// How a request ended.
#[derive(Debug)]
struct Ended {
    outcome: RequestOutcome,
    refused: Option<String>,
    unsent: Option<DriverError>,
}

impl Common {
    fn waiting(&self) -> MutexGuard<'_, HashMap<RequestId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(&self, output: CallerOutput) {
        match output {
            CallerOutput::Send(outbound) => {
                for to in &outbound.to {
                    let post =
                        address(to.as_str()).and_then(|to| self.seal.to(&to, &outbound.envelope));
                    // What could not be sent is sent again as the next attempt, or ends the request.
                    let sent = match post {
                        Ok(post) => self.bus.publish(&[post]).await.map(drop).map_err(Into::into),
                        Err(error) => Err(error),
                    };
                    self.note(&outbound.envelope, sent);
                }
            }
            CallerOutput::Request(RequestOutput::Ended { request_id, outcome, .. }) => {
                observe::requested(&self.own, outcome.end());
                if let Some(waiting) = self.waiting().remove(&request_id) {
                    let Waiting { sender, refused, unsent, .. } = waiting;
                    // The future may have been dropped just now.
                    let _ = sender.send(Ended { outcome, refused, unsent });
                }
            }
            CallerOutput::Request(output @ RequestOutput::Contradiction { .. }) => {
                observe::contradicted(&self.own, &output);
            }
            _ => {}
        }
    }

    /// Remembers whether an attempt was sent: a silence after none was is no silence.
    fn note(&self, envelope: &Envelope, sent: Result<(), DriverError>) {
        if let Err(error) = &sent {
            observe::failed(&self.own, error);
        }
        let mut waiting = self.waiting();
        let id = envelope.header.request_id.as_ref();
        let Some(waiting) = id.and_then(|id| waiting.get_mut(id)) else { return };
        match sent {
            Ok(()) => (waiting.sent, waiting.unsent) = (true, None),
            Err(error) if !waiting.sent => waiting.unsent = Some(error),
            Err(_) => {}
        }
    }
}

impl Asking {
    pub(super) async fn open(
        bus: &Bus,
        own: ComponentId,
        options: ClientOptions,
    ) -> Result<Self, DriverError> {
        // An address of its own: two clients of one name would read each other's answers otherwise.
        let name = format!("reply/{own}/{:032x}", u128::from_le_bytes(bus.host().random()));
        let reply = address(&name)?;
        // Opened before anything is asked, so no answer can be missed.
        let inbox = bus.overhear(&reply).await?;
        let ClientOptions { caller, validator, signer } = options;
        let common = Arc::new(Common {
            bus: bus.clone(),
            own: own.clone(),
            reply,
            admission: Arc::new(Admission::new(bus.clone(), validator)),
            seal: Seal(signer),
            waiting: Mutex::default(),
        });
        let machine = Caller::new(own, seed(bus)).with_options(caller);
        let handler = {
            let common = Arc::clone(&common);
            move |output| {
                let common = Arc::clone(&common);
                async move { common.carry_out(output).await }
            }
        };
        let driven = Arc::new(drive(machine, Arc::clone(bus.host()), handler));
        let listener = tokio::spawn(hear(inbox, Arc::clone(&common), Arc::clone(&driven)));
        Ok(Asking { common, caller: driven, options: caller, listener })
    }

    pub(super) async fn exchange(
        &self,
        target: &ComponentId,
        mut envelope: Envelope,
        within: Duration,
    ) -> Result<Envelope, DriverError> {
        let common = &*self.common;
        let now = common.bus.host().now();
        let header = &mut envelope.header;
        let reply = crate::Json::from(common.reply.as_str());
        let set = header.extra_mut().insert(REPLY_TO, reply);
        set.map_err(|error| DriverError::Invalid(error.to_string()))?;
        // Each attempt says something else of itself, so it is signed when it is sent.
        header.signature = None;
        // Who is away must not do in an hour what is not waited for any more.
        let seconds = within.as_millis().div_ceil(1_000);
        let seconds = Amount::from(u32::try_from(seconds).unwrap_or(u32::MAX));
        header.ttl_seconds.get_or_insert(seconds);
        let request = OutboundRequest::new(envelope, now, common.bus.ten());
        let request = request.with_peer(target.clone()).with_deadline(within);
        let id = request.request_id().clone();
        let (sender, receiver) = oneshot::channel();
        let waiting = Waiting { sender, refused: None, sent: false, unsent: None };
        common.waiting().insert(id.clone(), waiting);
        let mut guard = Asked { asking: self, id: &id, open: true };
        self.caller.handle(RequestInput::Start(Box::new(request)))?;
        let ended = receiver.await;
        guard.open = false;
        let Ok(Ended { outcome, refused, unsent }) = ended else {
            return Err(DriverError::Closed { request_id: id.clone() });
        };
        match outcome {
            RequestOutcome::Answered(answer) => Ok(*answer),
            RequestOutcome::Failed(answer) => Err(match answer.message {
                Message::ErrorReport(report) => DriverError::Refused(report),
                other => {
                    let found = other.kind();
                    DriverError::Unexpected { asked: MessageKind::Unknown, found }
                }
            }),
            RequestOutcome::TimedOut => {
                if let Some(error) = unsent {
                    return Err(error);
                }
                let listened = common.bus.has_listener(&address(target.as_str())?).await?;
                let (request_id, target) = (id.clone(), target.clone());
                Err(DriverError::TimedOut { request_id, target, listened, refused })
            }
            RequestOutcome::Cancelled => Err(DriverError::Closed { request_id: id.clone() }),
        }
    }
}

/// Gives a request up when its future is dropped.
struct Asked<'a> {
    asking: &'a Asking,
    id: &'a RequestId,
    open: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.open {
            self.asking.common.waiting().remove(self.id);
            // It may have ended just now.
            let _ = self.asking.caller.handle(RequestInput::Cancel(self.id.clone()));
        }
    }
}

/// Takes in answers.
async fn hear(inbox: Inbox, common: Arc<Common>, caller: Arc<Driven<Caller>>) {
    loop {
        let heard = match inbox.next().await {
            Ok(Arrival::Message(delivery) | Arrival::Exhausted(delivery)) => {
                take(&inbox, &delivery, &common, &caller).await
            }
            Ok(Arrival::Gap { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        // The bus may be away for a moment. Requests have deadlines of their own.
        if let Err(error) = heard {
            observe::failed(&common.own, &error.into());
            let host = common.bus.host();
            host.sleep_until(host.now().at.after(PAUSE).unwrap_or(host.now().at)).await;
        }
    }
}

/// One message at the address for answers.
async fn take(
    inbox: &Inbox,
    delivery: &Delivery,
    common: &Common,
    caller: &Driven<Caller>,
) -> Result<(), crate::bus::BusError> {
    match common.admission.check(&delivery.data).await {
        Ok(Ok(message)) => drop(caller.receive(message)),
        // It ends no request: whoever may write to the bus could end any otherwise. If none comes that
        // is accepted, the reason is told.
        Ok(Err(report)) => {
            observe::refused(&common.own, &report);
            let answered = std::str::from_utf8(&delivery.data).ok().and_then(|text| {
                let header = peek(text).header?;
                header.response_to.or(header.request_id)
            });
            let mut waiting = common.waiting();
            if let Some(waiting) = answered.and_then(|id| waiting.get_mut(&id)) {
                waiting.refused = Some(report.to_string());
            }
        }
        Err(error) => {
            inbox.give_back(delivery).await?;
            return Err(error);
        }
    }
    inbox.settle(delivery).await
}
