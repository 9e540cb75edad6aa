//! The trace that a message belongs to, as other tools of tracing write it (W3C Trace Context).

use crate::message::Envelope;

/// The field of a header that names the trace: an extension, kept by readers that do not know it.
const FIELD: &str = "traceparent";

/// Which trace a message belongs to, and which step of it sent the message.
///
/// ```
/// use coordination_protocol::driver::TraceParent;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let trace = TraceParent::parse(text).unwrap();
/// assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
/// let child = trace.child(0xfeed);
/// assert_eq!(child.as_str(), "00-0af7651916cd43dd8448eb211c80319c-000000000000feed-01");
/// assert!(TraceParent::parse("00-0-0-01").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent(String);

impl TraceParent {
    /// Reads one of version 00. None if it is not sound: a trace that cannot be read is begun anew, as the
    /// standard asks.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |part: &str, length: usize| {
            let sound = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            sound && part.len() == length
        };
        let mut parts = text.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let sound = version == "00" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
        // Identifiers of nothing but zeros are invalid.
        let named = [trace, parent].iter().all(|id| id.bytes().any(|byte| byte != b'0'));
        (sound && named && parts.next().is_none()).then(|| TraceParent(text.to_owned()))
    }

    /// A new trace, from random bytes.
    pub fn begin(random: [u8; 16], span: u64) -> Self {
        let trace = u128::from_le_bytes(random).max(1);
        TraceParent(format!("00-{trace:032x}-{:016x}-01", span.max(1)))
    }

    /// The same trace, one step further.
    pub fn child(&self, span: u64) -> Self {
        let flags = self.0.get(53..).unwrap_or("01");
        TraceParent(format!("00-{}-{:016x}-{flags}", self.trace_id(), span.max(1)))
    }

    /// The trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.0.get(3..35).unwrap_or_default()
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace that a message names.
    pub fn of(envelope: &Envelope) -> Option<Self> {
        let text = envelope.header.extra().get(FIELD)?.to_text()?;
        TraceParent::parse(&text)
    }

    /// Writes it into a message that names none.
    pub(super) fn put(&self, envelope: &mut Envelope) {
        if envelope.header.extra().get(FIELD).is_none() {
            // The protocol does not know the field, so it is no repetition.
            let _ = envelope.header.extra_mut().insert(FIELD, crate::Json::from(self.as_str()));
        }
    }
}
