//! Who greets whom: one handshake for each peer.

use super::component;
use coordination_protocol::machine::{
    Handshake, HandshakeInput, HandshakeOutput, Machine, SplitMix64, Timers,
};
use coordination_protocol::message::Envelope;
use coordination_protocol::scalar::{ComponentId, Instant, Now, ProtocolVersion};
use coordination_protocol::sim::Effects;
use coordination_protocol::validate::Checked;
use coordination_protocol::version::SupportedVersions;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a component waits before it greets again who did not answer.
const GREET_AGAIN: Duration = Duration::from_secs(60);

/// One greeting for each peer; none in the old program, which does not know them.
pub(super) struct Greetings {
    peers: BTreeMap<String, Handshake>,
    /// When to greet whom: at first, and again after a failure.
    due: Timers<String>,
    draws: SplitMix64,
}

impl Greetings {
    pub(super) fn new(peers: &[&str], own: &ComponentId, draws: &mut SplitMix64) -> Self {
        let mut due = Timers::new();
        let mut handshake = |peer: &&str| {
            due.set((*peer).to_owned(), Some(Instant::START));
            let handshake =
                Handshake::new(own.clone(), SupportedVersions::current(), draws.next_u64());
            ((*peer).to_owned(), handshake.with_peer(component(peer)))
        };
        let peers = peers.iter().map(&mut handshake).collect();
        Greetings { peers, due, draws: SplitMix64::new(draws.next_u64()) }
    }

    /// What a peer can read.
    pub(super) fn version(&self, peer: &str) -> ProtocolVersion {
        let agreement = self.peers.get(peer).and_then(Handshake::agreement);
        agreement.map_or(ProtocolVersion::V1_0_0, |agreement| agreement.version.clone())
    }

    pub(super) fn receive(&mut self, now: Now, from: &str, envelope: Checked<Envelope>) {
        if let Some(handshake) = self.peers.get_mut(from) {
            // A welcome to an earlier start is ignored.
            handshake.receive(now, envelope);
        }
    }

    pub(super) fn wake(&mut self, now: Now) {
        while let Some(peer) = self.due.due(now.at) {
            if let Some(handshake) = self.peers.get_mut(&peer) {
                // Refused if the peer has greeted meanwhile, which is as good.
                let _ = handshake.handle(now, HandshakeInput::Greet(self.draws.id_bytes()));
            }
        }
        self.peers.values_mut().for_each(|handshake| handshake.handle_timeout(now));
    }

    /// Carries out the outputs of the handshakes; tells whether there is a new agreement.
    pub(super) fn follow(&mut self, now: Now, effects: &mut Effects) -> bool {
        let mut agreed = false;
        for (peer, handshake) in &mut self.peers {
            while let Some(output) = handshake.poll() {
                match output {
                    HandshakeOutput::Send(message) => {
                        effects.send(peer.as_str(), message.envelope.to_string());
                    }
                    HandshakeOutput::Ignored(_) => {}
                    HandshakeOutput::Agreed { agreement, .. } => {
                        agreed = true;
                        effects.mark("agrees", format!("{peer} {agreement}"));
                    }
                    HandshakeOutput::Failed(failure) => {
                        self.due.set(peer.clone(), now.at.after(GREET_AGAIN));
                        effects.mark("greets-in-vain", format!("{peer}: {failure}"));
                    }
                    other => panic!("no host knows {other:?}"),
                }
            }
        }
        agreed
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let machines = self.peers.values().filter_map(Handshake::deadline);
        machines.chain(self.due.earliest()).min()
    }
}
