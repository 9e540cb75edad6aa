//! Running a machine: time, inputs and messages go in; outputs are carried out one after another.

use crate::bus::Host;
use crate::machine::Machine;
use crate::message::Envelope;
use crate::scalar::{Instant, Now};
use crate::validate::Checked;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Runs a machine on the current runtime: any [`Machine`], one of your own, too. Its outputs are handed to
/// `on_output` in order, one at a time: while one is being carried out, the others wait in the machine,
/// which stands still when there are too many.
///
/// ```
/// use coordination_protocol::bus::VirtualHost;
/// use coordination_protocol::driver::drive;
/// use coordination_protocol::machine::{Presence, PresenceInput, PresenceOutput};
/// use coordination_protocol::message::ComponentRegistration;
/// use coordination_protocol::scalar::{ComponentId, Instant};
/// use coordination_protocol::bus::Host as _;
/// use std::sync::{Arc, Mutex};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (host, said) = (VirtualHost::new(7), Arc::new(Mutex::new(Vec::new())));
/// let log = said.clone();
/// let presence = drive(Presence::new(7), Arc::new(host.clone()), move |output: PresenceOutput| {
///     log.lock().unwrap().push(output.to_string());
///     async {}
/// });
/// let registration = ComponentRegistration::new(ComponentId::new("worker")?, "utility");
/// presence.handle(PresenceInput::Join(Box::new(registration)))?;
///
/// // A minute of virtual time: the registration, two heartbeats, and a report of health is due.
/// host.run(host.sleep_until(Instant::from_millis(60_001))).await;
/// assert_eq!(said.lock().unwrap().len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub fn drive<M, F>(machine: M, host: Arc<dyn Host>, on_output: F) -> Driven<M>
where
    M: Machine + Send + 'static,
    M::Output: Send,
    F: OutputHandler<M::Output>,
{
    let shared = Arc::new(Shared { machine: Mutex::new(machine), host, turned: Notify::new() });
    let task = tokio::spawn(turn(Arc::clone(&shared), on_output));
    Driven { shared, task }
}

/// What carries out the outputs of a machine: a closure whose futures can be sent to other threads.
pub trait OutputHandler<O>: Send + 'static {
    /// Carries out one output.
    fn carry_out(&mut self, output: O) -> impl Future<Output = ()> + Send;
}

impl<O, F, U> OutputHandler<O> for F
where
    F: FnMut(O) -> U + Send + 'static,
    U: Future<Output = ()> + Send,
{
    fn carry_out(&mut self, output: O) -> impl Future<Output = ()> + Send {
        self(output)
    }
}

/// A machine that runs. Dropping it stops the machine; an output that is being carried out is cut off.
#[derive(Debug)]
pub struct Driven<M> {
    shared: Arc<Shared<M>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared<M> {
    machine: Mutex<M>,
    host: Arc<dyn Host>,
    /// Something went in, so there may be outputs or another deadline.
    turned: Notify,
}

impl<M> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, M> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Machine> Driven<M> {
    /// Hands in what the host wants.
    ///
    /// # Errors
    /// Those of the machine.
    pub fn handle(&self, input: M::Input) -> Result<(), M::Error> {
        let now = self.shared.host.now();
        let result = self.shared.lock().handle(now, input);
        self.shared.turned.notify_one();
        result
    }

    /// Hands in a message from outside, if the machine wants it; says whether it did.
    pub fn receive(&self, message: Checked<Envelope>) -> bool {
        let now = self.shared.host.now();
        let mut machine = self.shared.lock();
        let wanted = machine.wants(&message);
        if wanted {
            machine.receive(now, message);
            drop(machine);
            self.shared.turned.notify_one();
        }
        wanted
    }

    /// Looks at the machine.
    pub fn with<T>(&self, look: impl FnOnce(&M) -> T) -> T {
        look(&self.shared.lock())
    }

    /// The time.
    pub fn now(&self) -> Now {
        self.shared.host.now()
    }
}

impl<M> Drop for Driven<M> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn turn<M, F>(shared: Arc<Shared<M>>, mut on_output: F)
where
    M: Machine,
    F: OutputHandler<M::Output>,
{
    loop {
        let due = next_due(&shared, &mut on_output).await;
        let turned = shared.turned.notified();
        match due {
            Some(at) => {
                tokio::select! {
                    () = turned => {}
                    () = shared.host.sleep_until(at) => {}
                }
            }
            None => turned.await,
        }
    }
}

/// Does what is due, carries out what comes of it, and says when something is due next.
async fn next_due<M, F>(shared: &Shared<M>, on_output: &mut F) -> Option<Instant>
where
    M: Machine,
    F: OutputHandler<M::Output>,
{
    loop {
        // The lock is never held while an output is carried out: that may hand something in.
        let output = {
            let mut machine = shared.lock();
            let mut output = machine.poll();
            if output.is_none() {
                machine.handle_timeout(shared.host.now());
                output = machine.poll();
            }
            match output {
                Some(output) => output,
                None => return machine.deadline(),
            }
        };
        on_output.carry_out(output).await;
    }
}
