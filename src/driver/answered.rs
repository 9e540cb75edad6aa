//! Answers that outlive their process: a request that comes again after a restart gets the answer that it
//! had.

use crate::bus::Bus;
use crate::machine::RequestKey;
use crate::message::{Envelope, Message};
use crate::scalar::{ComponentId, Digest, WallTime};
use crate::storage::{Commit, Expect, Key, StorageError, Store as _};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Below this the answers of a component are remembered.
const ANSWERED: &str = "answered";

/// An answer as it stands in the store.
#[derive(Serialize, Deserialize)]
struct Answered {
    /// Until when, in milliseconds since 1970.
    until: i64,
    /// The digest of the request. Values of an earlier release have none.
    #[serde(default)]
    content: Option<Digest>,
    /// The envelope.
    answer: String,
}

/// What is known of a request.
pub(super) enum Given {
    /// Nothing: it is to be performed.
    Nothing,
    /// It had this answer.
    Answer(Message),
    /// Its identifier stands for another request.
    Reused,
}

/// The answers of a component.
pub(super) struct Answers<'a> {
    pub(super) bus: &'a Bus,
    pub(super) own: &'a ComponentId,
}

impl Answers<'_> {
    fn key(&self, key: &RequestKey) -> Result<Key, StorageError> {
        let source = key.source.as_ref().map_or("-", |source| source.as_str());
        Key::of([ANSWERED, self.own.as_str(), source, key.request_id.as_str()])
    }

    fn now(&self) -> WallTime {
        self.bus.host().now().wall
    }

    /// The answer that was given. What cannot be read counts as none.
    pub(super) async fn given(&self, key: &RequestKey, content: &Digest) -> Given {
        self.look_up(key, content).await.unwrap_or(Given::Nothing)
    }

    async fn look_up(&self, key: &RequestKey, content: &Digest) -> Option<Given> {
        let at = self.key(key).ok()?;
        let entry = self.bus.engine().get(&at).await.ok()??;
        let answered: Answered = serde_json::from_slice(&entry.value).ok()?;
        if answered.until <= self.now().unix_millis() {
            return None;
        }
        if answered.content.is_some_and(|of| of != *content) {
            return Some(Given::Reused);
        }
        Some(Given::Answer(answered.answer.parse::<Envelope>().ok()?.message))
    }

    /// Adds to what is stored that an answer was given. Says whether that can be stored.
    pub(super) fn remember(
        &self,
        commit: Commit,
        key: &RequestKey,
        content: Digest,
        answer: &[u8],
        time: Duration,
    ) -> (Commit, bool) {
        let until = self.now().after(time).unix_millis();
        let answer = String::from_utf8_lossy(answer).into_owned();
        let answered = Answered { until, content: Some(content), answer };
        match (self.key(key), serde_json::to_vec(&answered)) {
            (Ok(at), Ok(value)) => (commit.put(at, value, Expect::Any), true),
            // Too long a name for a key: the request is told apart by this run only.
            _ => (commit, false),
        }
    }

    /// Forgets answers whose time is over.
    pub(super) async fn forget(&self) {
        let Ok(below) = Key::of([ANSWERED, self.own.as_str()]) else { return };
        // What cannot be listed or removed now is tried with the next beat.
        let Ok(entries) = self.bus.entries(below.as_str()).await else { return };
        let now = self.now().unix_millis();
        for entry in entries {
            let over = serde_json::from_slice::<Answered>(&entry.value)
                .map_or(true, |answered| answered.until <= now);
            if over {
                let expect = Expect::Revision(entry.revision);
                let _ = self.bus.engine().delete(&entry.key, expect).await;
            }
        }
    }
}
