//! What is known of a component.

use super::PresenceOptions;
use crate::message::ComponentRegistration;
use crate::scalar::{HealthState, Instant, Now};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many earlier starts of a component are remembered. Messages of older ones would have to be
/// under way for longer than that number of starts takes.
const PAST: usize = 8;

/// What is known of a component that is watched.
#[doc(alias = "liveness")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PeerStatus {
    /// How it is.
    pub state: HealthState,
    /// When its last sign of life came.
    pub last_seen: Option<Instant>,
    /// How it registered.
    pub registration: Option<Box<ComponentRegistration>>,
    /// What it last said of itself.
    pub(super) said: Option<HealthState>,
    pub(super) sequence: Option<u64>,
    /// The time of its registration and that of what it last said since, by its own clock.
    pub(super) registered: Option<Stamp>,
    pub(super) sent: Option<Stamp>,
    /// The time of its last heartbeat, or of its registration.
    pub(super) beat: Option<i64>,
    /// Which of its starts this is, and which were before.
    pub(super) starts: Starts,
}

/// A time by the clock of another, and what it counts for: no more than our clock and some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    stated: i64,
    counts: i64,
}

impl Stamp {
    pub(super) fn new(now: Now, options: &PresenceOptions, stated: i64) -> Self {
        let ahead = i64::try_from(options.max_ahead.as_millis()).unwrap_or(i64::MAX);
        Stamp { stated, counts: stated.min(now.wall.unix_millis().saturating_add(ahead)) }
    }

    /// Whether what has this time was sent later.
    pub(super) fn is_before(self, stated: i64) -> bool {
        // The very same time is the same message again, however far ahead it is.
        stated > self.counts && stated != self.stated
    }
}

impl Stamp {
    /// Whether it counts for more than what another states.
    pub(super) fn is_after(self, other: Stamp) -> bool {
        self.counts > other.stated
    }

    pub(super) fn stated(self) -> i64 {
        self.stated
    }
}

/// The marks of a component's starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Starts {
    pub(super) current: Option<String>,
    past: VecDeque<String>,
}

impl Starts {
    /// Whether a mark is that of an earlier start. What bears it is late, whatever the clocks say, as long
    /// as the present one is heard: a registration that was overtaken may have seemed to be newer.
    pub(super) fn is_past(&self, mark: Option<&str>) -> bool {
        mark.is_some_and(|mark| self.past.iter().any(|past| past == mark))
    }

    /// Whether both are known, and differ.
    pub(super) fn differs(&self, mark: Option<&str>) -> bool {
        self.current.as_deref().zip(mark).is_some_and(|(current, mark)| current != mark)
    }

    /// Begins another start; the present one is past.
    pub(super) fn begin(&mut self, mark: Option<String>) {
        if self.current == mark {
            return;
        }
        self.past.retain(|past| Some(past) != mark.as_ref());
        if let Some(past) = std::mem::replace(&mut self.current, mark) {
            self.past.push_back(past);
            if self.past.len() > PAST {
                self.past.pop_front();
            }
        }
    }
}

impl PeerStatus {
    pub(super) fn new() -> Self {
        PeerStatus {
            state: HealthState::Unknown,
            last_seen: None,
            registration: None,
            said: None,
            sequence: None,
            registered: None,
            sent: None,
            beat: None,
            starts: Starts::default(),
        }
    }

    /// Whether what it last said was sent before what has this time. It may say something as soon as it
    /// registers.
    pub(super) fn is_before(&self, sent: Option<i64>) -> bool {
        // Strictly later than the last word, for an equal time is the same message again. Equal to
        // the registration is fine: a component may speak in the millisecond of its registration.
        sent.is_some_and(|sent| {
            self.sent.is_none_or(|last| last.is_before(sent))
                && self.registered.is_none_or(|registered| registered.counts <= sent)
        })
    }

    /// Whether its last message was sent after one of this time.
    pub(super) fn is_after(&self, sent: Option<i64>) -> bool {
        // Without a time nothing can be called late; then the message counts.
        let known = [self.sent, self.registered].into_iter().flatten();
        sent.is_some_and(|sent| known.map(|stamp| stamp.counts).any(|known| known > sent))
    }

    /// Notes a heartbeat with a higher number. One that states an earlier time than the one before it shows
    /// that the clock was set back, and then nothing can be told by the old times.
    pub(super) fn next_beat(&mut self, sent: Option<i64>) {
        if let (Some(sent), Some(last)) = (sent, self.beat)
            && sent < last
        {
            (self.registered, self.sent) = (None, None);
        }
        self.beat = sent.or(self.beat);
    }

    /// Notes when it said something.
    pub(super) fn note(&mut self, stamp: Option<Stamp>) {
        // Never back: a heartbeat that counts by its number may have an older time.
        self.sent = match (self.sent, stamp) {
            (Some(known), Some(stamp)) if stamp.counts < known.counts => Some(known),
            (known, stamp) => stamp.or(known),
        };
    }

    /// Whether a heartbeat of it is missing, or it was never seen.
    pub(super) fn is_silent(&self, options: &PresenceOptions, now: Instant) -> bool {
        let longest = options.silence(options.degraded);
        self.last_seen.is_none_or(|last| longest.is_some_and(|longest| now.since(last) >= longest))
    }

    /// How it is, by its silence and its own word.
    pub(super) fn judge(&self, options: &PresenceOptions, now: Instant) -> HealthState {
        let Some(last) = self.last_seen else { return HealthState::Unknown };
        let silence = now.since(last);
        let missing = |count| options.silence(count).is_some_and(|longest| silence >= longest);
        // The worse of both: silence outweighs a good word, and a bad word outweighs punctual
        // heartbeats.
        if missing(options.unhealthy) || self.said == Some(HealthState::Unhealthy) {
            HealthState::Unhealthy
        } else if missing(options.degraded) || self.said == Some(HealthState::Degraded) {
            HealthState::Degraded
        } else {
            HealthState::Healthy
        }
    }

    /// When its silence says more than it does now.
    pub(super) fn next(&self, options: &PresenceOptions, now: Instant) -> Option<Instant> {
        let last = self.last_seen?;
        [options.degraded, options.unhealthy]
            .into_iter()
            .filter_map(|missing| last.after(options.silence(missing)?))
            // A threshold that has passed says nothing new, and a timer in the past would fire
            // without end.
            .filter(|at| *at > now)
            .min()
    }
}
