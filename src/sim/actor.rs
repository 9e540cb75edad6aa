//! The program of a node: the host of one or more machines, written by the user of the simulator.

use crate::json::Json;
use crate::scalar::{Instant, Now};
use std::time::Duration;

/// The program of a node. It owns machines and carries out their outputs, as a real host would.
///
/// Each call is one atomic step. The actor asks the world for [`Effects`], which happen after the step,
/// in order. Then the world asks for the [`deadline`](Self::deadline) anew.
pub trait Actor {
    /// A message arrives. By default it is dropped.
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        let _ = (now, from, bytes, effects);
    }

    /// The deadline has passed. It is called once right after the start, too. Afterwards the deadline
    /// must be later than now, or `None`: a deadline that stays due would stop virtual time.
    fn wake(&mut self, now: Now, effects: &mut Effects) {
        let _ = (now, effects);
    }

    /// Work arrives from outside the world. The scenario decides what the number of a
    /// [`Stimulus`](super::Stimulus) means.
    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        let _ = (now, number, effects);
    }

    /// When to call [`wake`](Self::wake) if nothing arrives before. Never by default.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The content of its disk at this moment, which the next start is given. The snapshot of a machine
    /// is a natural disk. `None` by default: a restart forgets everything.
    fn disk(&self) -> Option<Json> {
        None
    }
}

/// What a program is given when it starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Host<'a> {
    /// The name of the node.
    pub name: &'a str,
    /// Both clocks of the node.
    pub now: Now,
    /// How often the node was started before.
    pub start: u32,
    /// A seed of its own for each start.
    pub seed: u64,
    /// What the previous start left; `None` at the first start, and if the disk was lost.
    pub disk: Option<&'a Json>,
}

/// The effects that a step of an actor asks for. They happen after the step, in order.
#[doc(alias = "outputs")]
#[derive(Debug, Default)]
pub struct Effects {
    pub(super) requested: Vec<Effect>,
}

#[derive(Debug)]
pub(super) enum Effect {
    Send { to: String, bytes: Vec<u8> },
    Mark { word: &'static str, text: String },
    Restart(Duration),
}

impl Effects {
    /// Sends bytes to a node. A message to a name that no node has is lost.
    pub fn send(&mut self, to: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.requested.push(Effect::Send { to: to.into(), bytes: bytes.into() });
    }

    /// Reports to the [`Check`](super::Check) and in the transcript what the program did, such as
    /// `ended` and `req_3 answered`.
    pub fn mark(&mut self, word: &'static str, text: impl Into<String>) {
        self.requested.push(Effect::Mark { word, text: text.into() });
    }

    /// Stops the program after this step without a crash, and starts it again later.
    pub fn restart(&mut self, after: Duration) {
        self.requested.push(Effect::Restart(after));
    }
}
