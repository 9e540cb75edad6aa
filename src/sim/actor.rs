//! What runs on a node: the host of one or more machines, written by whoever simulates them.

use crate::json::Json;
use crate::scalar::{Instant, Now};
use std::time::Duration;

/// The program of a node. It owns machines and does what they wish, as a real host would.
///
/// Each call is one step that nothing interrupts. What the actor wants from the world, it says to
/// the [`Net`]. After each step the world asks for the [`deadline`](Self::deadline) anew.
pub trait Actor {
    /// A message came. It is thrown away by default.
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], net: &mut Net) {
        let _ = (now, from, bytes, net);
    }

    /// The deadline has come. It is called once right after the start, too. Afterwards the deadline
    /// is later than now, or none.
    fn wake(&mut self, now: Now, net: &mut Net) {
        let _ = (now, net);
    }

    /// Somebody wants something of this node. What the number of an [`Act`](super::Act) means is up
    /// to the scenario.
    fn act(&mut self, now: Now, number: u64, net: &mut Net) {
        let _ = (now, number, net);
    }

    /// When to be woken, if nothing comes in. Never by default.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// What stands on its disk at this moment; a restart begins with it. The snapshot of a machine
    /// is a natural disk. Nothing by default: the node loses its memory.
    fn disk(&self) -> Option<Json> {
        None
    }
}

/// What a program finds when it starts.
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
    /// What the last run left; `None` at the first start, and if the disk was lost.
    pub disk: Option<&'a Json>,
}

/// What an actor wants from the world, in order.
#[derive(Debug, Default)]
pub struct Net {
    pub(super) effects: Vec<Effect>,
}

#[derive(Debug)]
pub(super) enum Effect {
    Send { to: String, bytes: Vec<u8> },
    Mark { word: &'static str, text: String },
    Restart(Duration),
}

impl Net {
    /// Sends bytes to a node. What goes to nobody known is lost.
    pub fn send(&mut self, to: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.effects.push(Effect::Send { to: to.into(), bytes: bytes.into() });
    }

    /// Tells the [`Check`](super::Check) and the reader of the transcript what happened, such as
    /// `ended` and `req_3 answered`.
    pub fn mark(&mut self, word: &'static str, text: impl Into<String>) {
        self.effects.push(Effect::Mark { word, text: text.into() });
    }

    /// Stops the program after this step, in order, and starts it again after a while.
    pub fn restart(&mut self, after: Duration) {
        self.effects.push(Effect::Restart(after));
    }
}
