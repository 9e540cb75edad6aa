//! Building a line from names and values that are only known at run time.

use super::line::EventBuf;
use crate::codec::{BuildError, Codec};
use crate::json::{Json, write_text};
use smol_str::SmolStr;

/// Builds a canonical line key by key. What it yields was read back strictly, so it cannot yield a
/// bad line; for a type that is known at compile time, prefer [`Event::new`](super::Event::new).
///
/// ```
/// use coordination_protocol::event::{Codec, EventBuilder};
/// use coordination_protocol::json::Json;
///
/// let event = EventBuilder::new("TASK_STARTED", "wf_001", "build")
///     .set("start_time", "2025-01-15T12:00:00Z")
///     .set("agent_id", "agent_003")
///     .set("task_id", "task_7")
///     .build(&Codec::default())?;
/// assert_eq!(
///     event.as_str(),
///     r#"TASK_STARTED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","start_time":"2025-01-15T12:00:00Z"}"#,
/// );
/// let error = EventBuilder::new("TASK_STARTED", "wf:1", "build").build(&Codec::default()).unwrap_err();
/// assert_eq!(error.to_string(), "the workflow `wf:1` would split the line; identifiers hold no colon or line break");
/// # Ok::<(), coordination_protocol::event::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventBuilder {
    header: [SmolStr; 3],
    data: Vec<(SmolStr, Json)>,
}

impl EventBuilder {
    /// Starts an event with empty data.
    pub fn new(event_type: &str, workflow: &str, phase: &str) -> Self {
        EventBuilder { header: [event_type, workflow, phase].map(SmolStr::new), data: Vec::new() }
    }

    /// Sets a field. A key that is set again takes the new value.
    pub fn set(mut self, key: &str, value: impl Into<Json>) -> Self {
        let value = value.into();
        match self.data.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.data.push((SmolStr::new(key), value)),
        }
        self
    }

    /// Builds the line and reads it back strictly, with the codec's registry and limits.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(mut self, codec: &Codec) -> Result<EventBuf, BuildError> {
        for (part, text) in ["event type", "workflow", "phase"].into_iter().zip(&self.header) {
            if text.contains([':', '\n', '\r']) {
                return Err(BuildError::Splits { part, text: text.to_string() });
            }
        }
        if let Some(required) = codec.registry().required(&self.header[0]) {
            let order: Vec<&str> = required.map(|(key, _)| key).collect();
            let place = |key: &str| order.iter().position(|name| *name == key);
            self.data.sort_by_key(|(key, _)| place(key).unwrap_or(order.len()));
        }
        let mut line = Vec::with_capacity(256);
        for part in &self.header {
            line.extend_from_slice(part.as_bytes());
            line.push(b':');
        }
        line.push(b'{');
        for (index, (key, value)) in self.data.iter().enumerate() {
            if index > 0 {
                line.push(b',');
            }
            write_text(&mut line, key);
            line.push(b':');
            line.extend_from_slice(value.as_str().as_bytes());
        }
        line.push(b'}');
        Ok(codec.strict_twin().parse_bytes(&line)?.to_buf())
    }
}
