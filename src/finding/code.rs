//! The table of codes. Everything that is known about a code stands in its row.

use super::FindingSeverity::{self, Error, Note, Warning};
use super::Level::{self, Business, Content, Schema};
use super::Mode;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A record that shows a code: `before`, `repeated` `times` over, `after`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Example {
    before: &'static [u8],
    repeated: &'static [u8],
    times: usize,
    after: &'static [u8],
}

impl Example {
    const fn new(line: &'static str) -> Self {
        Example { before: line.as_bytes(), repeated: b"", times: 0, after: b"" }
    }

    const fn bytes(line: &'static [u8]) -> Self {
        Example { before: line, repeated: b"", times: 0, after: b"" }
    }

    const fn long(
        before: &'static str,
        repeated: &'static str,
        times: usize,
        after: &'static str,
    ) -> Self {
        Example {
            before: before.as_bytes(),
            repeated: repeated.as_bytes(),
            times,
            after: after.as_bytes(),
        }
    }

    /// The whole record.
    pub fn record(&self) -> Vec<u8> {
        let mut record = self.before.to_vec();
        for _ in 0..self.times {
            record.extend_from_slice(self.repeated);
        }
        record.extend_from_slice(self.after);
        record
    }
}

impl fmt::Display for Example {
    /// The record for people: a long repetition is abridged, bytes that are no text are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) => text.replace('\r', "\\r").replace('\u{feff}', "\\u{feff}"),
            Err(_) => bytes.escape_ascii().to_string(),
        };
        f.write_str(&text(self.before))?;
        if self.times > 0 {
            write!(f, "{}…({} times)", text(self.repeated), self.times)?;
        }
        f.write_str(&text(self.after))
    }
}

macro_rules! codes {
    ($(
        $variant:ident $name:literal $level:ident, strict $strict:ident, interop $interop:ident;
        says $sentence:literal;
        because $explanation:literal;
        good $good:expr;
        bad $bad:expr;
    )+) => {
        /// The stable name of a kind of deviation.
        ///
        /// Codes are never renamed and never reused. The table also holds each code's sentence,
        /// its severity in both modes, the page that `coord explain` prints, and two records: one
        /// that has the deviation and one that does not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $(
            #[doc = concat!("`", $name, "`: ", $explanation)]
            $variant,
        )+ }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The name, as in reports: `missing-data`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name),+ }
            }

            /// The level of validation.
            pub const fn level(self) -> Level {
                match self { $(Code::$variant => $level),+ }
            }

            /// The severity in a mode, before any override.
            pub const fn severity(self, mode: Mode) -> FindingSeverity {
                match (self, mode) { $(
                    (Code::$variant, Mode::Strict) => $strict,
                    (Code::$variant, Mode::Interop) => $interop,
                )+ }
            }

            /// The sentence with its gaps: `{expected}`, `{actual}` and `{detail}`.
            pub(super) const fn sentence(self) -> &'static str {
                match self { $(Code::$variant => $sentence),+ }
            }

            /// Why the protocol minds, and what to do.
            pub const fn explanation(self) -> &'static str {
                match self { $(Code::$variant => $explanation),+ }
            }

            /// A record without this deviation.
            pub const fn good(self) -> Example {
                match self { $(Code::$variant => $good),+ }
            }

            /// A record with this deviation.
            pub const fn bad(self) -> Example {
                match self { $(Code::$variant => $bad),+ }
            }
        }
    };
}

/// A record that nothing is said about; rows without a closer neighbour use it.
const GOOD: Example = Example::new(
    r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"15m"}"#,
);

const GOOD_DOCUMENT: Example = Example::new(
    r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#,
);

codes! {
    TooLong "too-long" Schema, strict Error, interop Error;
        says "the record is longer than {expected} bytes";
        because "A record has a byte limit, 65,536 unless set otherwise, so that a reader's memory is bounded. Nothing past the limit is looked at. Put large results into a file and send its name, or raise the limit on both sides.";
        good GOOD;
        bad Example::long(r#"TASK_COMPLETED:wf_001:build:{"results":""#, "x", 70_000, r#""}"#);

    NotUtf8 "not-utf-8" Schema, strict Error, interop Error;
        says "byte {actual} is not UTF-8";
        because "Records are UTF-8 text. The range points at the first byte that is not. Convert the text before it is sent.";
        good GOOD;
        bad Example::bytes(b"TASK_TIMEOUT:wf_001:build:{\"task_id\":\"\xff\"}");

    ByteOrderMark "byte-order-mark" Schema, strict Error, interop Warning;
        says "the record starts with a byte order mark";
        because "UTF-8 has one byte order, so the mark carries nothing, and it becomes part of the event type. Some editors add it; save the file as UTF-8 without BOM.";
        good GOOD;
        bad Example::new("\u{feff}TASK_TIMEOUT:wf_001:build:{\"task_id\":\"task_7\",\"agent_id\":\"agent_003\",\"timeout_duration\":\"15m\"}");

    CarriageReturn "carriage-return" Schema, strict Error, interop Warning;
        says "the line ends in CR LF";
        because "A line ends in LF alone. Files written on Windows end lines in CR LF; convert them, for example with `tr -d '\\r'`.";
        good GOOD;
        bad Example::new("TASK_TIMEOUT:wf_001:build:{\"task_id\":\"task_7\",\"agent_id\":\"agent_003\",\"timeout_duration\":\"15m\"}\r\n");

    SurroundingSpace "surrounding-space" Schema, strict Error, interop Warning;
        says "white space around the record";
        because "A record starts with its event type and ends with the closing brace of its data. Remove the indentation or the trailing blanks.";
        good GOOD;
        bad Example::new(r#"  TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"15m"}"#);

    ShellQuotes "shell-quotes" Schema, strict Error, interop Warning;
        says "the whole record stands in shell quotes";
        because "The quotes belong to the shell command that printed the record, not to the record. Print it with `printf '%s\\n'`.";
        good GOOD;
        bad Example::new(r#""TASK_TIMEOUT:wf_001:build:{'task_id':'task_7','agent_id':'agent_003','timeout_duration':'15m'}""#);

    MultiLineData "multi-line-data" Schema, strict Error, interop Warning;
        says "the data spans lines";
        because "One record is one line; readers split at line breaks before they look at the data. Print the data compactly, for example with `jq -c`.";
        good GOOD;
        bad Example::new("TASK_TIMEOUT:wf_001:build:{\"task_id\":\"task_7\",\n \"agent_id\":\"agent_003\",\"timeout_duration\":\"15m\"}");

    NotAnEvent "not-an-event" Schema, strict Error, interop Error;
        says "this is not an event line: {detail}";
        because "An event line is `EVENT_TYPE:workflow:phase:data`. It is split at the first three colons; one that has fewer is no event. Workflow and phase may be `global`, never absent.";
        good GOOD;
        bad Example::new("TASK_TIMEOUT wf_001 build");

    BadIdentifier "bad-identifier" Content, strict Error, interop Error;
        says "{detail}";
        because "Event type, workflow and phase are non-empty, have at most 128 characters, and hold neither colons nor control characters. An event that belongs to no workflow or phase says `global`.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT::build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"15m"}"#);

    UnusualIdentifier "unusual-identifier" Content, strict Warning, interop Note;
        says "the {detail} `{actual}` has characters outside letters, digits, `_`, `-` and `.`";
        because "Other characters are legal but need escaping in routing keys, shells and file names. Prefer letters, digits, `_`, `-` and `.`.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:my workflow:build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"15m"}"#);

    UnknownEventType "unknown-event-type" Content, strict Error, interop Warning;
        says "the event type `{actual}` is not registered{detail}";
        because "The registry lists the event types of the protocol version in use; `coord registry` prints them. An unknown type is kept and routed, but nobody can check its data. Use the registered name, or register your own type with its required data.";
        good GOOD;
        bad Example::new(r#"TASK_TIMED_OUT:wf_001:build:{"task_id":"task_7"}"#);

    DataNotObject "data-not-object" Schema, strict Error, interop Error;
        says "the data must be a JSON object, found {actual}";
        because "The data of an event is one JSON object, `{}` if there is nothing to say. Put a single value under a key.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:["task_7"]"#);

    BrokenJson "broken-json" Schema, strict Error, interop Error;
        says "broken JSON: {detail}{expected}";
        because "The data cannot be read as JSON; the range points at the first byte that does not fit. Nothing behind it was checked. Build JSON with a tool (`jq -cn --arg`) rather than by pasting text.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7",,"agent_id":"agent_003"}"#);

    TrailingText "trailing-text" Schema, strict Error, interop Error;
        says "text after the end of the data";
        because "The data ends with its closing brace, and so does the record. A stray brace or a second record on the same line is the usual cause.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"15m"}}"#);

    DuplicateKey "duplicate-key" Schema, strict Error, interop Error;
        says "the key `{actual}` is already in its object";
        because "JSON readers disagree about which of two equal keys counts, so two components would read two different messages. Keep one.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","task_id":"task_8","agent_id":"agent_003","timeout_duration":"15m"}"#);

    TooDeep "too-deep" Schema, strict Error, interop Error;
        says "nested deeper than {expected} levels";
        because "Nesting has a limit, 128 levels unless set otherwise, so that no record can exhaust a reader's stack. Flatten the data, or raise the limit on both sides.";
        good GOOD;
        bad Example::long(r#"TASK_COMPLETED:wf_001:build:{"results":"#, "[", 200, "");

    TooManyKeys "too-many-keys" Schema, strict Error, interop Error;
        says "an object has more than {expected} keys";
        because "The keys of one object have a limit, 1,024 unless set otherwise. Use a list, or raise the limit on both sides.";
        good GOOD;
        bad Example::long("TASK_COMPLETED:wf_001:build:{", "\"k\":1,", 1_100, "\"k\":1}");

    SingleQuotes "single-quotes" Schema, strict Error, interop Warning;
        says "strings in single quotes are not JSON";
        because "JSON strings stand in double quotes. Readers in interop mode understand single quotes; every other JSON reader does not. In a shell, put the record in single quotes and the strings in double quotes.";
        good GOOD;
        bad Example::new("TASK_TIMEOUT:wf_001:build:{'task_id':'task_7','agent_id':'agent_003','timeout_duration':'15m'}");

    NumberBeyondDouble "number-beyond-double" Content, strict Error, interop Error;
        says "the number {actual} is beyond the range of a double";
        because "Most readers hold numbers as doubles, up to about 1.8e308, and would read infinity or fail. Write such a number as a string.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"15m","attempts":1e999}"#);

    MissingData "missing-data" Content, strict Error, interop Warning;
        says "required data `{expected}` is missing";
        because "The registry names the data that each event type must carry; subscribers rely on it. `coord registry TYPE` lists it. Nothing is renamed for you: a similar key is only pointed out.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","duration":"15m"}"#);

    WrongKind "wrong-kind" Content, strict Error, interop Error;
        says "expected {expected}, found {actual}";
        because "The value has another JSON kind than the registry gives for this key, for example a string where a number belongs. A reader cannot know what was meant.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:{"task_id":7,"agent_id":"agent_003","timeout_duration":"15m"}"#);

    OutOfRange "out-of-range" Content, strict Error, interop Error;
        says "{actual} is not {expected}";
        because "The number lies outside the range of its field: percentages are 0 to 100, ratios 0 to 1, counts whole and not negative.";
        good Example::new(r#"PHASE_PROGRESS:wf_001:build:{"phase_id":3,"progress_percentage":67.5,"eta_update":"20m"}"#);
        bad Example::new(r#"PHASE_PROGRESS:wf_001:build:{"phase_id":3,"progress_percentage":140,"eta_update":"20m"}"#);

    UnreadableText "unreadable-text" Content, strict Error, interop Warning;
        says "`{actual}` is not {expected}";
        because "The text should follow a format, such as `2h 30m` for a duration or `2025-01-15T12:00:00Z` for a time, and does not. Interop keeps it as it is, without a value.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"5h_47m"}"#);

    UnknownWord "unknown-word" Content, strict Error, interop Warning;
        says "`{actual}` is none of {expected}";
        because "The field takes one word of a closed list. An unknown word is kept, but no component knows what to do with it.";
        good Example::new(r#"SYSTEM_ERROR:global:global:{"error_type":"timeout","affected_components":["resource-manager"],"severity":"high"}"#);
        bad Example::new(r#"SYSTEM_ERROR:global:global:{"error_type":"timeout","affected_components":["resource-manager"],"severity":"severe"}"#);

    Placeholder "placeholder" Content, strict Error, interop Warning;
        says "`{actual}` is a placeholder for {expected}";
        because "`a|b|c`, `$name`, `${name}`, `<name>` and `{{name}}` stand for a value that a template fills in. A message that is sent must carry the value. Free text is only meant where it is nothing but a placeholder.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:{"task_id":"$task_id","agent_id":"agent_003","timeout_duration":"15m"}"#);

    UnknownField "unknown-field" Content, strict Note, interop Note;
        says "`{actual}` is not in the registry for this type";
        because "Extra data is legal, kept in its order and spelling, and passed on. The note is there because a misspelled optional key looks just like it.";
        good GOOD;
        bad Example::new(r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"15m","attempt":2}"#);

    HeaderMismatch "header-mismatch" Business, strict Error, interop Warning;
        says "the data says `{actual}`, the header says `{expected}`";
        because "Where data repeats the workflow or the phase of the header, both must agree: routing follows the header, handlers often read the data.";
        good Example::new(r#"AGENT_DEALLOCATED:wf_001:build:{"agent_id":"agent_003","workflow_id":"wf_001","reason":"done"}"#);
        bad Example::new(r#"AGENT_DEALLOCATED:wf_001:build:{"agent_id":"agent_003","workflow_id":"wf_002","reason":"done"}"#);

    NotAMessage "not-a-message" Schema, strict Error, interop Error;
        says "this is not a message: {detail}";
        because "A message is one JSON object: header keys beside one body key. Event lines and arrays of messages are read record by record.";
        good GOOD_DOCUMENT;
        bad Example::new(r#"["heartbeat"]"#);

    NoBody "no-body" Schema, strict Error, interop Warning;
        says "no known body key{detail}";
        because "The body key tells what a message is: one of the eight documents, `event`, or a control message of protocol 1.1.0; `coord schema` lists them. A message without one cannot be routed or handled. Documents inside it are checked all the same.";
        good GOOD_DOCUMENT;
        bad Example::new(r#"{"operation":"status","workflow_id":"wf_001"}"#);

    SecondBody "second-body" Schema, strict Error, interop Error;
        says "a second body `{actual}` beside `{expected}`";
        because "A message says one thing; with two bodies, two readers could handle two different ones. Send two messages.";
        good GOOD_DOCUMENT;
        bad Example::new(r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"},"deregistration":{"component_id":"hub","reason":"update"}}"#);

    FlatEvent "flat-event" Schema, strict Error, interop Warning;
        says "the parts of an event stand beside the header";
        because "An event in an envelope stands under the key `event`: `{\"event\":{\"event_type\",\"workflow_id\",\"phase\",\"data\"}}`. The flat form is read for the sake of older commands; `coord convert` rewrites it.";
        good Example::new(r#"{"event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"}}}"#);
        bad Example::new(r#"{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"}}"#);

    FieldAlias "field-alias" Schema, strict Error, interop Warning;
        says "`{actual}` stands for `{expected}`";
        because "Older commands use another name for this field. Readers in interop mode take it for the right one; write the right one.";
        good Example::new(r#"{"source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);
        bad Example::new(r#"{"source_component":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);

    MisplacedField "misplaced-field" Schema, strict Error, interop Warning;
        says "`{actual}` belongs into `{expected}`";
        because "The field stands one level too high. Readers in interop mode look there too; write it where it belongs.";
        good Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_789","agents":4}}}"#);
        bad Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocation_id":"alloc_789","allocated_resources":{"agents":4}}}"#);

    MissingIdentity "missing-identity" Content, strict Error, interop Error;
        says "`{expected}` is missing, without which the message has no meaning";
        because "The field says what the message is about, or which of several things it says. No reader can do without it.";
        good GOOD_DOCUMENT;
        bad Example::new(r#"{"heartbeat":{"sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);

    MissingField "missing-field" Content, strict Error, interop Warning;
        says "required field `{expected}` is missing";
        because "Writers give this field always; readers in interop mode do without. `coord schema NAME` shows which fields are required.";
        good GOOD_DOCUMENT;
        bad Example::new(r#"{"heartbeat":{"component_id":"hub","sequence":1}}"#);

    AdvisedField "advised-field" Content, strict Warning, interop Warning;
        says "`{expected}` should be given";
        because "The field came with a later version of the protocol. Writers give it; older ones do not know it, so its absence is no error.";
        good Example::new(r#"{"checkpoint_sync":{"workflow_id":"wf_001","checkpoint_id":"ckpt_1","checkpoint_type":"manual","timestamp":"2025-01-15T12:00:00Z","state_version":7}}"#);
        bad Example::new(r#"{"checkpoint_sync":{"workflow_id":"wf_001","checkpoint_id":"ckpt_1","checkpoint_type":"manual","timestamp":"2025-01-15T12:00:00Z"}}"#);

    MessageMismatch "message-mismatch" Business, strict Error, interop Warning;
        says "the text of the message has another {detail} than its fields";
        because "A flat event repeats itself as an event line in `message`. If the two differ, two readers read two events. Leave `message` out.";
        good Example::new(r#"{"event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"}}}"#);
        bad Example::new(r#"{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","message":"SYSTEM_STARTUP:global:global:{}","data":{"component_name":"hub","shutdown_reason":"update"}}"#);
}

impl Code {
    /// Whether a record with this deviation has no sound reading at all, so that no caller can make
    /// less than an error of it.
    ///
    /// ```
    /// use coordination_protocol::finding::Code;
    ///
    /// assert!(Code::BrokenJson.is_fatal());
    /// assert!(!Code::MissingData.is_fatal());
    /// ```
    pub const fn is_fatal(self) -> bool {
        matches!(
            self,
            Code::TooLong
                | Code::NotUtf8
                | Code::NotAnEvent
                | Code::NotAMessage
                | Code::SecondBody
                | Code::BadIdentifier
                | Code::DataNotObject
                | Code::BrokenJson
                | Code::TrailingText
                | Code::DuplicateKey
                | Code::TooDeep
                | Code::TooManyKeys
        )
    }
}

/// A name that is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a finding code")]
pub struct CodeError(String);

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(name: &str) -> Result<Self, CodeError> {
        Code::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == name)
            .ok_or_else(|| CodeError(name.to_owned()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
