//! The table of codes: one row a code, and nothing about a code is written anywhere else.
//!
//! A row reads: variant, name, level, severity in both modes, the sentence with its gaps, the
//! explanation, a record without the deviation and one with it.

/// Hands all rows to the macro `$expand`.
macro_rules! code_table {
    ($expand:ident) => { $expand! {
        TooLong "too-long" Schema, strict Error, interop Error;
            says "the record is longer than {expected} bytes";
            because "A record has a byte limit, 65,536 unless set otherwise, so that a reader's memory is bounded. It is read to its end, and nothing past the limit is looked at; the next record is checked as ever. Put large results into a file and send its name, or raise the limit on both sides.";
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
            because "The registry lists the event types of the protocol version in use; `coord registry` prints them. An unknown type is kept and routed, but its data cannot be checked. Use the registered name, or register your own type with its required data.";
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
            because "Where data repeats the workflow or the phase of the header, or a request its priority, both must agree: routing follows the header, handlers often read the data.";
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

        NoValue "no-value" Content, strict Error, interop Error;
            says "the message cannot be used: `{expected}` has no value";
            because "A placeholder stands where the message needs a value, and no identifier can be spelled like it. Fill it in before the message is sent.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"heartbeat":{"component_id":"${NAME:-hub}","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);

        MessageMismatch "message-mismatch" Business, strict Error, interop Warning;
            says "the text of the message has another {detail} than its fields";
            because "A flat event repeats itself as an event line in `message`. If the two differ, two readers read two events. Leave `message` out.";
            good Example::new(r#"{"event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"}}}"#);
            bad Example::new(r#"{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","message":"SYSTEM_STARTUP:global:global:{}","data":{"component_name":"hub","shutdown_reason":"update"}}"#);

        NoResources "no-resources" Business, strict Error, interop Warning;
            says "the request asks for no resource";
            because "A request names at least one resource with an amount above zero, a file or a tool. One that asks for nothing cannot be granted.";
            good Example::new(r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]},"fallback_options":{"reduce_agents":true,"queue_if_unavailable":false}}}"#);
            bad Example::new(r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":0}}}"#);

        GrantWithoutResources "grant-without-resources" Business, strict Error, interop Warning;
            says "an answer that is {actual} must say what is allocated: `{expected}` is missing";
            because "`approved` and `partial` grant resources, so they carry `allocated_resources` with the `allocation_id` that a release names later.";
            good Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":5,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]}}}"#);
            bad Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z"}}"#);

        DenialWithResources "denial-with-resources" Business, strict Error, interop Warning;
            says "an answer that is {actual} allocates nothing, yet resources are listed";
            because "Only `approved` and `partial` grant resources. With any other status, a reader could not tell whether they may be used.";
            good Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:05Z","reason":"no memory"}}"#);
            bad Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":1}}}"#);

        GrantExceedsRequest "grant-exceeds-request" Business, strict Error, interop Warning;
            says "{actual} is granted, {expected} was requested";
            because "A grant stays within its request: what was not asked for is lost to all others. A longer duration needs `extend_duration`.";
            good Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":5,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]}}}"#).after(&[r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]},"fallback_options":{"reduce_agents":true,"queue_if_unavailable":false}}}"#]);
            bad Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":6,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]}}}"#).after(&[r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]},"fallback_options":{"reduce_agents":true,"queue_if_unavailable":false}}}"#]);

        ReductionNotPermitted "reduction-not-permitted" Business, strict Error, interop Warning;
            says "{actual} is granted of {expected}, and the request does not permit less";
            because "A partial grant may cut only what `fallback_options` of its request permits: `reduce_agents` the agents, `accept_shared_resources` the exclusive files. An approved one cuts nothing.";
            good Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"partial","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":4,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]}}}"#).after(&[r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]},"fallback_options":{"reduce_agents":true,"queue_if_unavailable":false}}}"#]);
            bad Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"partial","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":5,"memory_gb":10,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]}}}"#).after(&[r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]},"fallback_options":{"reduce_agents":true,"queue_if_unavailable":false}}}"#]);

        QueueingNotPermitted "queueing-not-permitted" Business, strict Error, interop Warning;
            says "the request is queued, and does not permit it";
            because "A request whose `fallback_options` say `\"queue_if_unavailable\": false` wants an answer at once, not a place in the queue.";
            good Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:05Z"}}"#).after(&[r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]},"fallback_options":{"reduce_agents":true,"queue_if_unavailable":false}}}"#]);
            bad Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"queued","timestamp":"2025-01-15T12:00:05Z"}}"#).after(&[r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5,"memory_gb":12,"duration_hours":2.5,"exclusive_files":["a.nix","b.nix"]},"fallback_options":{"reduce_agents":true,"queue_if_unavailable":false}}}"#]);

        EarlyRelease "early-release" Business, strict Error, interop Warning;
            says "released after {actual}, before the grant ends after {expected} hours";
            because "`auto_release_timeout` must not end a grant before its `duration_hours` are over; the holder counts on them.";
            good Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":4,"duration_hours":2.5},"restrictions":{"auto_release_timeout":"3h"}}}"#);
            bad Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":4,"duration_hours":2.5},"restrictions":{"auto_release_timeout":"2h"}}}"#);

        TimeOrder "time-order" Business, strict Error, interop Warning;
            says "{actual} is {detail} {expected}";
            because "Times that depend on each other stand in the wrong order: something ends before it starts, or is answered before it is asked. Clocks of two machines may differ; times of one message may not.";
            good Example::new(r#"{"workflow_state":{"workflow_id":"wf_001","state_version":3,"timestamp":"2025-01-15T12:00:00Z","current_phase":{"phase_id":1,"started_at":"2025-01-15T11:30:00Z","estimated_completion":"2025-01-15T12:45:00Z"}}}"#);
            bad Example::new(r#"{"workflow_state":{"workflow_id":"wf_001","state_version":3,"timestamp":"2025-01-15T12:00:00Z","current_phase":{"phase_id":1,"started_at":"2025-01-15T11:30:00Z","estimated_completion":"2025-01-15T11:00:00Z"}}}"#);

        StaleVersion "stale-version" Business, strict Error, interop Warning;
            says "state version {actual} is older than version {expected}, which was seen before";
            because "Versions of a workflow's state only grow. A message with an older one was delayed, or its writer missed an update; applying it would undo changes.";
            good Example::new(r#"{"workflow_state":{"workflow_id":"wf_001","state_version":16,"timestamp":"2025-01-15T12:00:00Z"}}"#).after(&[r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z"}}"#]);
            bad Example::new(r#"{"workflow_state":{"workflow_id":"wf_001","state_version":14,"timestamp":"2025-01-15T12:00:00Z"}}"#).after(&[r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z"}}"#]);

        StaleEpoch "stale-epoch" Business, strict Warning, interop Warning;
            says "the state is of epoch {actual}, and epoch {expected} was seen before";
            because "Taking a workflow back begins an epoch. A state of an earlier one, or of none, was written on a line that was given up; it is kept as stale, and not applied.";
            good Example::new(r#"{"workflow_state":{"workflow_id":"wf_001","state_version":16,"timestamp":"2025-01-15T12:00:00Z","epoch":2}}"#).after(&[r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z","epoch":1}}"#]);
            bad Example::new(r#"{"workflow_state":{"workflow_id":"wf_001","state_version":16,"timestamp":"2025-01-15T12:00:00Z","epoch":1}}"#).after(&[r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z","epoch":2}}"#]);

        StateFork "state-fork" Business, strict Error, interop Warning;
            says "state version {actual} was seen before with other content";
            because "Two components changed the same version. Their states must be merged or voted on; neither may silently win.";
            good Example::new(r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:05:00Z","checkpoint_id":"ckpt_1"}}"#).after(&[r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z","checkpoint_id":"ckpt_1"}}"#]);
            bad Example::new(r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z","checkpoint_id":"ckpt_2"}}"#).after(&[r#"{"workflow_state":{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z","checkpoint_id":"ckpt_1"}}"#]);

        UnsafeIdentifier "unsafe-identifier" Business, strict Error, interop Error;
            says "`{actual}` would escape its folder";
            because "Checkpoints are stored in folders named after the workflow and the checkpoint. An identifier with `/` or `\\`, or one that is `.` or `..`, would name another folder.";
            good Example::new(r#"{"checkpoint_sync":{"workflow_id":"wf_001","checkpoint_id":"ckpt_1","checkpoint_type":"manual","timestamp":"2025-01-15T12:00:00Z","state_version":7}}"#);
            bad Example::new(r#"{"checkpoint_sync":{"workflow_id":"wf_001","checkpoint_id":"../ckpt_1","checkpoint_type":"manual","timestamp":"2025-01-15T12:00:00Z","state_version":7}}"#);

        AnswerWithoutSuggestion "answer-without-suggestion" Business, strict Error, interop Warning;
            says "an error that answers a request suggests at least one recovery";
            because "Whoever asked has to know what to do next. An `error_report` with `response_to` carries at least one of `recovery_suggestions`.";
            good Example::new(r#"{"response_to":"req_1","error_report":{"error_id":"err_1","classification":{"category":"resource","severity":"high","type":"timeout","scope":"task","recoverable":true},"workflow_id":"wf_001","timestamp":"2025-01-15T12:00:00Z","recovery_suggestions":[{"strategy":"retry"}]}}"#);
            bad Example::new(r#"{"response_to":"req_1","error_report":{"error_id":"err_1","classification":{"category":"resource","severity":"high","type":"timeout","scope":"task","recoverable":true},"workflow_id":"wf_001","timestamp":"2025-01-15T12:00:00Z"}}"#);

        BadPattern "bad-pattern" Business, strict Error, interop Warning;
            says "`{actual}` is no pattern: {detail}";
            because "Subscriptions and publications are patterns such as `resource.*.allocated`. One that cannot be compiled selects nothing. `coord route explain` tries patterns.";
            good Example::new(r#"{"component_registration":{"component_id":"hub","component_type":"utility","version":"1.0.0","event_subscriptions":["workflow.*.resource_request"]}}"#);
            bad Example::new(r#"{"component_registration":{"component_id":"hub","component_type":"utility","version":"1.0.0","event_subscriptions":["workflow..*"]}}"#);

        DeadPattern "dead-pattern" Business, strict Warning, interop Warning;
            says "`{actual}` selects nothing: {detail}";
            because "The pattern is well formed and no registered event matches it. A misspelled word is the usual cause.";
            good Example::new(r#"{"component_registration":{"component_id":"hub","component_type":"utility","version":"1.0.0","event_subscriptions":["workflow.*.resource_request"]}}"#);
            bad Example::new(r#"{"component_registration":{"component_id":"hub","component_type":"utility","version":"1.0.0","event_subscriptions":["resource.*.alocated"]}}"#);

        SelfDependency "self-dependency" Business, strict Error, interop Warning;
            says "`{actual}` depends on itself";
            because "A component that waits for itself never starts.";
            good Example::new(r#"{"component_registration":{"component_id":"rm","component_type":"utility","version":"1.0.0","dependencies":["hub"]}}"#);
            bad Example::new(r#"{"component_registration":{"component_id":"rm","component_type":"utility","version":"1.0.0","dependencies":["rm"]}}"#);

        DependencyCycle "dependency-cycle" Business, strict Warning, interop Warning;
            says "dependencies form a cycle: {detail}";
            because "Components that depend on each other in a circle cannot be started in any order. Some do so knowingly, so it is a warning.";
            good Example::new(r#"{"component_registration":{"component_id":"rm","component_type":"utility","version":"1.0.0","dependencies":["hub"]}}"#).after(&[r#"{"component_registration":{"component_id":"hub","component_type":"utility","version":"1.0.0"}}"#]);
            bad Example::new(r#"{"component_registration":{"component_id":"rm","component_type":"utility","version":"1.0.0","dependencies":["hub"]}}"#).after(&[r#"{"component_registration":{"component_id":"hub","component_type":"utility","version":"1.0.0","dependencies":["rm"]}}"#]);

        RatesDisagree "rates-disagree" Business, strict Error, interop Warning;
            says "success rate and error rate add up to {actual}, not to {expected}";
            because "Each operation succeeds or fails, so the two rates add up to 100 percent; rounding may cost up to 0.1.";
            good Example::new(r#"{"health_status":{"component_id":"hub","status":"healthy","timestamp":"2025-01-15T12:00:00Z","performance_metrics":{"success_rate":98.5,"error_rate":1.5}}}"#);
            bad Example::new(r#"{"health_status":{"component_id":"hub","status":"healthy","timestamp":"2025-01-15T12:00:00Z","performance_metrics":{"success_rate":98.5,"error_rate":4}}}"#);

        ZeroOption "zero-option" Business, strict Error, interop Warning;
            says "{actual} makes no sense here; at least {expected} is needed";
            because "A queue of no events, no attempt at all, or an interval of no time would stop the component or keep it busy for ever.";
            good Example::new(r#"{"component_config":{"component_id":"hub","coordination":{"event_queue_size":1000}}}"#);
            bad Example::new(r#"{"component_config":{"component_id":"hub","coordination":{"event_queue_size":0}}}"#);

        RequestWithoutId "request-without-id" Business, strict Error, interop Warning;
            says "an answer is required, and `{expected}` is missing";
            because "A request that wants an answer carries `request_id` and `correlation_id`; the answer repeats them. Without them it cannot be told which answer belongs to it.";
            good Example::new(r#"{"request_id":"req_1","correlation_id":"corr_1","response_required":true,"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);
            bad Example::new(r#"{"correlation_id":"corr_1","response_required":true,"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);

        AnswerMismatch "answer-mismatch" Business, strict Error, interop Warning;
            says "the answer names `{actual}` where `{expected}` was asked";
            because "An answer belongs to exactly one request: `response_to`, `request_id` and the request that its body names must be the same.";
            good Example::new(r#"{"request_id":"req_1","response_to":"req_1","allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:05Z"}}"#);
            bad Example::new(r#"{"request_id":"req_1","response_to":"req_2","allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:05Z"}}"#);

        SourceMismatch "source-mismatch" Business, strict Error, interop Warning;
            says "the body speaks of `{actual}`, the source is `{expected}`";
            because "A component speaks for itself: the source of a heartbeat, a health status, a registration, a greeting, a vote or a subscription is the component that it names.";
            good Example::new(r#"{"source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);
            bad Example::new(r#"{"source":"worker-1","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);

        RoutingMismatch "routing-mismatch" Business, strict Error, interop Warning;
            says "the routing key `{actual}` does not belong to this event, whose key is `{expected}`";
            because "The routing key follows from the event. If the two differ, the event reaches components that did not ask for it, and misses those that did.";
            good Example::new(r#"{"routing_key":"system.global.shutdown","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"}}}"#);
            bad Example::new(r#"{"routing_key":"system.global.startup","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"}}}"#);

        OtherMajor "other-major" Business, strict Error, interop Warning;
            says "the message is of protocol {actual}, this reader knows {expected}";
            because "A new major version may change the meaning of what is there already, so nothing of the message can be relied on. Agree on a version with `hello` and `welcome`, or write for the reader's.";
            good Example::new(r#"{"protocol_version":"1.1.0","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);
            bad Example::new(r#"{"protocol_version":"2.0.0","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);

        UnknownVersion "unknown-version" Business, strict Note, interop Note;
            says "protocol {actual} is not known here, the latest is {expected}";
            because "Minor versions add and change nothing, so the message is read as far as it is known.";
            good Example::new(r#"{"protocol_version":"1.1.0","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);
            bad Example::new(r#"{"protocol_version":"1.7.0","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);

        YoungerThanVersion "younger-than-version" Business, strict Error, interop Warning;
            says "`{actual}` came with protocol {detail}, the header says {expected}";
            because "A reader of the stated version knows neither the body nor the event. State the version that has it. Header keys and fields of later versions are no contradiction: older readers leave them out.";
            good Example::new(r#"{"protocol_version":"1.1.0","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);
            bad Example::new(r#"{"protocol_version":"1.0.0","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#);

        EmptyRange "empty-range" Business, strict Error, interop Error;
            says "no version lies between {actual} and {expected}";
            because "A component that speaks no version can agree with no other. `min` must not be above `max`, and some version must reach the floor.";
            good Example::new(r#"{"hello":{"component_id":"hub","versions":[{"min":"1.0.0","max":"1.1.0"}]}}"#);
            bad Example::new(r#"{"hello":{"component_id":"hub","versions":[{"min":"1.1.0","max":"1.0.0"}]}}"#);

        RollbackWithoutTarget "rollback-without-target" Business, strict Error, interop Warning;
            says "a rollback that is {actual} names its {expected}";
            because "A partial rollback says which `parts` it restores, a selective one which `agents` or `tasks`.";
            good Example::new(r#"{"rollback":{"workflow_id":"wf_001","checkpoint_id":"ckpt_1","mode":"partial","parts":["agent_states"]}}"#);
            bad Example::new(r#"{"rollback":{"workflow_id":"wf_001","checkpoint_id":"ckpt_1","mode":"partial"}}"#);

        LetterAboutLetter "letter-about-letter" Business, strict Error, interop Error;
            says "a dead letter about a dead letter";
            because "A dead letter that cannot be delivered is dropped and counted. A letter about it could fail as well, and so on for ever.";
            good Example::new(r#"{"dead_letter":{"reason":"no answer","original":"TASK_TIMEOUT:wf_001:build:{}","attempts":3,"died_at":"2025-01-15T12:00:00Z"}}"#);
            bad Example::new(r#"{"dead_letter":{"reason":"no answer","original":"{\"dead_letter\":{\"reason\":\"no answer\",\"original\":\"x\",\"attempts\":3,\"died_at\":\"2025-01-15T12:00:00Z\"}}","attempts":3,"died_at":"2025-01-15T12:00:00Z"}}"#);

        CommitWithoutVersion "commit-without-version" Business, strict Error, interop Warning;
            says "a committed decision names its state version";
            because "Who applies the decision must know which version it made.";
            good Example::new(r#"{"decision":{"proposal_id":"prop_1","outcome":"committed","state_version":16}}"#);
            bad Example::new(r#"{"decision":{"proposal_id":"prop_1","outcome":"committed"}}"#);

        ProposalMismatch "proposal-mismatch" Business, strict Error, interop Warning;
            says "the proposal says `{expected}`, the state in it `{actual}`";
            because "A proposal names the workflow and the digest of the state that it brings along: SHA-256 over its RFC 8785 form. Voters look at the digest, and whoever applies the decision writes the state, so they must be about the same. Version and epoch of the state are those of the proposal, whatever it says itself.";
            good Example::new(r#"{"proposal":{"proposal_id":"prop_1","workflow_id":"wf_001","state_version":16,"proposer":"hub","digest":"sha256:d7881a70a057f86bb2ca8690d821a5ce60f74578d8c5fba0c4d63117da64188f","value":{"workflow_id":"wf_001"}}}"#);
            bad Example::new(r#"{"proposal":{"proposal_id":"prop_1","workflow_id":"wf_002","state_version":16,"proposer":"hub","digest":"sha256:d7881a70a057f86bb2ca8690d821a5ce60f74578d8c5fba0c4d63117da64188f","value":{"workflow_id":"wf_001"}}}"#);

        AnswerWithoutRequest "answer-without-request" Business, strict Note, interop Note;
            says "`{actual}` was not asked, as far as was seen";
            because "An answer names a request that did not come before. It may lie before the beginning of what was seen, or have been sent by the reader itself (`Gate::note_sent` tells the gate of it), so this is only worth knowing.";
            good Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:05Z"}}"#).after(&[r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5}}}"#]);
            bad Example::new(r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:05Z"}}"#);

        ContradictingAnswer "contradicting-answer" Business, strict Error, interop Warning;
            says "the answer says {actual}, the one before said {expected}";
            because "A request has one last word: `approved`, `partial` or `denied`, with one grant. Whoever acted on the first answer does not know of the second. `queued` may come before, and the same answer may come again.";
            good Example::new(r#"{"allocation_response":{"response_id":"resp_2","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:06Z"}}"#).after(&[r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"queued","timestamp":"2025-01-15T12:00:05Z"}}"#]);
            bad Example::new(r#"{"allocation_response":{"response_id":"resp_2","request_id":"req_1","status":"denied","timestamp":"2025-01-15T12:00:06Z"}}"#).after(&[r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":4}}}"#]);

        RequestIdReused "request-id-reused" Business, strict Error, interop Warning;
            says "`{actual}` was used before, for another request";
            because "An identifier stands for one request of its source. Under a second one, answers cannot be told apart, and whoever remembers the first answers with that. Sending the same request again, also at another time, is no reuse.";
            good Example::new(r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:30Z","resources":{"agents":5}}}"#).after(&[r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5}}}"#]);
            bad Example::new(r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:30Z","resources":{"agents":2}}}"#).after(&[r#"{"allocation_request":{"request_id":"req_1","workflow_id":"wf_001","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5}}}"#]);

        FileGrantedTwice "file-granted-twice" Business, strict Warning, interop Warning;
            says "`{actual}` is {detail} although `{expected}` holds it";
            because "An exclusive file, or what lies below an exclusive folder, belongs to one grant at a time. A file is shared by a partial grant that leaves it out, where the request says `accept_shared_resources`: it may be in other grants that share it, and in none that holds it alone. Grants whose times or `exclusive_access_windows` do not overlap do not disturb each other. A warning only: the release of the other grant may not have been seen. Paths are compared by segments; `*` and `**` stand for what lies below.";
            good Example::new(r#"{"allocation_response":{"response_id":"resp_2","request_id":"req_2","status":"approved","timestamp":"2025-01-15T12:10:00Z","allocated_resources":{"allocation_id":"alloc_2","exclusive_files":["src/ab.rs"]}}}"#).after(&[r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","exclusive_files":["src/a"]}}}"#]);
            bad Example::new(r#"{"allocation_response":{"response_id":"resp_2","request_id":"req_2","status":"approved","timestamp":"2025-01-15T12:10:00Z","allocated_resources":{"allocation_id":"alloc_2","exclusive_files":["./src/a/b.rs"]}}}"#).after(&[r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","exclusive_files":["src/a/**"]}}}"#]);

        ReleaseOfUnknown "release-of-unknown" Business, strict Note, interop Note;
            says "`{actual}` was not granted, as far as was seen";
            because "What is given back was granted before. The grant may lie before the beginning of what was seen, so this is only worth knowing; else the identifier is misspelled.";
            good Example::new(r#"RESOURCE_DEALLOCATED:wf_001:build:{"allocation_id":"alloc_1","release_reason":"done"}"#).after(&[r#"RESOURCE_ALLOCATED:wf_001:build:{"allocation_id":"alloc_1","resource_details":{"agents":4},"requester":"hub"}"#]);
            bad Example::new(r#"RESOURCE_DEALLOCATED:wf_001:build:{"allocation_id":"alloc_1","release_reason":"done"}"#);

        ReleaseOfEnded "release-of-ended" Business, strict Warning, interop Warning;
            says "`{actual}` was given back before";
            because "A grant ends once. A holder that gives it back again may have worked with what others held by then. The same message may come again, and the event that tells of a release comes after it.";
            good Example::new(r#"RESOURCE_DEALLOCATED:wf_001:build:{"allocation_id":"alloc_1","release_reason":"done"}"#).after(&[r#"RESOURCE_DEALLOCATED:wf_001:build:{"allocation_id":"alloc_1","release_reason":"done"}"#]);
            bad Example::new(r#"{"release":{"allocation_id":"alloc_1","release_reason":"done"}}"#).after(&[r#"RESOURCE_DEALLOCATED:wf_001:build:{"allocation_id":"alloc_1","release_reason":"timeout"}"#]);

        StaleFence "stale-fence" Business, strict Warning, interop Warning;
            says "the fence {actual} is older than {expected}, with which it was granted";
            because "Each grant carries a number that only grows. Who names an older one acts on a grant that is over.";
            good Example::new(r#"{"release":{"allocation_id":"alloc_1","release_reason":"done","fence":7}}"#).after(&[r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":4,"fence":7}}}"#]);
            bad Example::new(r#"{"release":{"allocation_id":"alloc_1","release_reason":"done","fence":6}}"#).after(&[r#"{"allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocated_resources":{"allocation_id":"alloc_1","agents":4,"fence":7}}}"#]);

        StartNotSeen "start-not-seen" Business, strict Note, interop Note;
            says "{actual} of the {detail}: its {expected} was not seen";
            because "What ends or goes on began before. The beginning may lie before what was seen of the workflow, or come late, so this is only worth knowing.";
            good Example::new(r#"PHASE_COMPLETED:wf_001:build:{"phase_id":3,"actual_duration":"1h","success_metrics":{}}"#).after(&[r#"PHASE_STARTED:wf_001:build:{"phase_id":3,"estimated_duration":"1h","resource_allocation":{}}"#]);
            bad Example::new(r#"PHASE_COMPLETED:wf_001:build:{"phase_id":3,"actual_duration":"1h","success_metrics":{}}"#).after(&[r#"TASK_ASSIGNED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","estimated_duration":"1h"}"#]);

        NotBegun "not-begun" Business, strict Warning, interop Warning;
            says "{actual} of the {detail}, which has not begun: its {expected} is missing";
            because "The workflow was seen from its beginning, and this part of it was not started: the event is missing, comes late, or names another phase or task.";
            good Example::new(r#"PHASE_COMPLETED:wf_001:build:{"phase_id":3,"actual_duration":"1h","success_metrics":{}}"#).after(&[r#"WORKFLOW_STARTED:wf_001:global:{"start_time":"2025-01-15T12:00:00Z","resource_allocation":{}}"#, r#"PHASE_STARTED:wf_001:build:{"phase_id":3,"estimated_duration":"1h","resource_allocation":{}}"#]);
            bad Example::new(r#"PHASE_COMPLETED:wf_001:build:{"phase_id":3,"actual_duration":"1h","success_metrics":{}}"#).after(&[r#"WORKFLOW_STARTED:wf_001:global:{"start_time":"2025-01-15T12:00:00Z","resource_allocation":{}}"#]);

        AfterEnd "after-end" Business, strict Warning, interop Warning;
            says "{actual} after {expected} of the {detail}";
            because "Work goes on although it has ended: the event comes late, or somebody has not heard of the end. What failed may be tried again, phases and workflows may be started again, and tasks assigned again.";
            good Example::new(r#"TASK_STARTED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","start_time":"2025-01-15T12:00:00Z"}"#).after(&[r#"TASK_ASSIGNED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","estimated_duration":"1h"}"#, r#"TASK_FAILED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","failure_reason":"exit 1","retry_count":1}"#]);
            bad Example::new(r#"TASK_STARTED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","start_time":"2025-01-15T12:00:00Z"}"#).after(&[r#"TASK_COMPLETED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","duration":"1h","results":{}}"#]);

        OtherAgent "other-agent" Business, strict Warning, interop Warning;
            says "`{actual}` works on the {detail}, which `{expected}` has";
            because "A task is one agent's at a time. An event of another agent comes late, after the task was reassigned, or that agent has not heard of it; it counts as stale.";
            good Example::new(r#"TASK_STARTED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","start_time":"2025-01-15T12:00:00Z"}"#).after(&[r#"TASK_ASSIGNED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","estimated_duration":"1h"}"#]);
            bad Example::new(r#"TASK_STARTED:wf_001:build:{"task_id":"task_7","agent_id":"agent_004","start_time":"2025-01-15T12:00:00Z"}"#).after(&[r#"TASK_ASSIGNED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","estimated_duration":"1h"}"#]);

        StaleAttempt "stale-attempt" Business, strict Warning, interop Warning;
            says "attempt {actual} of the {detail} is older than attempt {expected}";
            because "Each assignment of a task counts its `attempt` up. What an older one reports is stale: it is kept, and changes nothing.";
            good Example::new(r#"TASK_STARTED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","start_time":"2025-01-15T12:00:00Z","attempt":2}"#).after(&[r#"TASK_ASSIGNED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","estimated_duration":"1h","attempt":2}"#]);
            bad Example::new(r#"TASK_STARTED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","start_time":"2025-01-15T12:00:00Z","attempt":1}"#).after(&[r#"TASK_ASSIGNED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","estimated_duration":"1h","attempt":2}"#]);

        ThresholdNotReached "threshold-not-reached" Business, strict Error, interop Warning;
            says "a use of {actual} does not reach the threshold of {expected}";
            because "`RESOURCE_THRESHOLD` tells that the use of a resource crossed its threshold. Below it, there is nothing to tell; the two values are probably swapped.";
            good Example::new(r#"RESOURCE_THRESHOLD:global:global:{"resource_type":"memory","current_usage":92,"threshold":80}"#);
            bad Example::new(r#"RESOURCE_THRESHOLD:global:global:{"resource_type":"memory","current_usage":72,"threshold":80}"#);

        SameAgent "same-agent" Business, strict Error, interop Warning;
            says "the task is taken from `{actual}` and given to the same agent";
            because "`TASK_REASSIGNED` moves a task to another agent. To have the same one try again, assign the task again.";
            good Example::new(r#"TASK_REASSIGNED:wf_001:build:{"task_id":"task_7","old_agent":"agent_003","new_agent":"agent_004","reason":"timeout"}"#);
            bad Example::new(r#"TASK_REASSIGNED:wf_001:build:{"task_id":"task_7","old_agent":"agent_003","new_agent":"agent_003","reason":"timeout"}"#);

        NotObeyed "not-obeyed" Business, strict Warning, interop Warning;
            says "`{actual}` is obeyed by no machine: {detail}";
            because "A configuration is obeyed, or its writer is told. This key is not one that the machines of this library take; whoever applies the configuration sees to it, or leaves it out. `Settings::from_config` finds it, a check of a file does not: which machines a component has is not in the file.";
            good Example::new(r#"{"component_config":{"component_id":"hub","coordination":{"event_queue_size":1000}}}"#);
            bad Example::new(r#"{"component_config":{"component_id":"hub","performance":{"resource_pool_size":20}}}"#).under("a component that applies it");

        UnknownSource "unknown-source" Security, strict Error, interop Error;
            says "{detail}";
            because "A message under a policy comes from a registered component, named in `source` or known from the transport. An event line has no source of its own: send an envelope, or let the reader say whose lines it reads.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("permissions");

        PublicationDenied "publication-denied" Security, strict Error, interop Error;
            says "{detail}";
            because "A component publishes only what the patterns in its `event_publications` cover, and speaks for itself only. Register the event there, or publish it from the component that may.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"source":"hub","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"}}}"#).under("permissions that cover `workflow.*.created`");

        SubscriptionDenied "subscription-denied" Security, strict Error, interop Error;
            says "{detail}";
            because "A component subscribes only to what the patterns in its `event_subscriptions` cover. Ask for less, or register more.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"source":"hub","subscription":{"subscriber":"hub","patterns":["task.*.failed"]}}"#).under("permissions that cover `workflow.*.created`");

        SenderDenied "sender-denied" Security, strict Error, interop Error;
            says "{detail}";
            because "Who may send a kind of message is a row of a table: a configuration takes the capability `coordination`, a vote a voter that the host names. Give the component what the row asks for in the permissions, send from a component that has it, or replace the row in the policy.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"source":"hub","decision":{"proposal_id":"prop_1","outcome":"rejected"}}"#).under("permissions that cover `workflow.*.created`");

        RegistrationDenied "registration-denied" Security, strict Error, interop Error;
            says "{detail}";
            because "Every component may register itself, but not give itself rights: patterns beyond those that the host lists, and capabilities that decide who may send what, need a place in the host's permissions or, for a component that is known, a signature. An open policy gives new components the patterns that they ask for.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"source":"hub","component_registration":{"component_id":"hub","component_type":"utility","version":"1.0.0","event_publications":[">"]}}"#).under("permissions that cover `workflow.*.created`");

        ForeignSource "foreign-source" Security, strict Error, interop Error;
            says "{detail}";
            because "The transport knows who sent the message, and the message names another component as its source. A component that passes on the messages of others is named as a relay in the policy; the source of such a message counts as unverified unless it signed.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("a transport that knows it to come from `worker-1`");

        Unsigned "unsigned" Security, strict Error, interop Error;
            says "{detail}";
            because "The policy asks for signatures, and the message has none. `coord sign` signs a message; an event line has no room for a signature.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("keys");

        MalformedSignature "malformed-signature" Security, strict Error, interop Error;
            says "{detail}";
            because "A signature is an object with `key_id`, `algorithm` and `value`, the last in Base64.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","signature":{"key_id":"hub-1","algorithm":"ed25519","value":"?"},"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("keys");

        UnknownKey "unknown-key" Security, strict Error, interop Error;
            says "{detail}";
            because "No key of the key file has this identifier. Add the component's public key to the file, or sign with a key that is in it.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","signature":{"key_id":"hub-9","algorithm":"ed25519","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="},"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("keys");

        KeyNotValid "key-not-valid" Security, strict Error, interop Error;
            says "{detail}";
            because "The key is not in use at this moment: not yet, no longer, or revoked. Sign with the current key; after a change, old and new keys overlap for a while.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","signature":{"key_id":"hub-old","algorithm":"ed25519","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="},"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("keys of which `hub-old` was revoked");

        WrongKeyOwner "wrong-key-owner" Security, strict Error, interop Error;
            says "{detail}";
            because "The key belongs to another component than the message names as its source. A component signs its own messages with its own key.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","signature":{"key_id":"worker-1","algorithm":"ed25519","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="},"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("keys of which `worker-1` belongs to `worker-1`");

        BadSignature "bad-signature" Security, strict Error, interop Error;
            says "{detail}";
            because "The signature was not made over this message with this key: something was changed after signing, or the signature is that of another message.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","signature":{"key_id":"hub-1","algorithm":"ed25519","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="},"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("keys");

        SignatureUnchecked "signature-unchecked" Security, strict Error, interop Error;
            says "{detail}";
            because "The signature could not be checked: the message has no canonical form, or the algorithm is not known here. What cannot be checked is refused.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","serial":9007199254740993,"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("keys");

        NoTimestamp "no-timestamp" Security, strict Error, interop Error;
            says "{detail}";
            because "Without a timestamp in the header the age of the message is not known.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("a clock value of 2025-01-15T12:00:01Z");

        FromFuture "from-future" Security, strict Error, interop Error;
            says "{detail}";
            because "The timestamp lies further ahead of the reader's clock than clocks differ. Check the clocks of both machines.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("a clock value of 2025-01-15T11:00:00Z");

        Expired "expired" Security, strict Error, interop Error;
            says "{detail}";
            because "The life that the message gave itself with `ttl_seconds` is over. Whoever sent it expects no answer any more.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","ttl_seconds":60,"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("a clock value of 2025-01-15T12:02:00Z");

        Stale "stale" Security, strict Error, interop Error;
            says "{detail}";
            because "The timestamp lies further behind than the policy allows. An old message may be recorded and sent again.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("a clock value of 2025-01-15T13:00:00Z");

        Replayed "replayed" Security, strict Error, interop Error;
            says "{detail}";
            because "A message of this source with this identifier was accepted before. Senders that try again keep the identifier, so the second one is dropped.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("a replay cache that has seen it");

        ReplayUnsure "replay-unsure" Security, strict Error, interop Error;
            says "{detail}";
            because "The reader can no longer tell whether it has seen this message, and refuses what it cannot vouch for.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("a replay cache that began later");

        NoMessageId "no-message-id" Security, strict Error, interop Error;
            says "{detail}";
            because "Without `message_id` a new message cannot be told from a repeated one.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"source":"hub","timestamp":"2025-01-15T12:00:00Z","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("a replay cache");

        SecurityRequired "security-required" Security, strict Error, interop Error;
            says "{detail}";
            because "The policy requires that the source of a message is checked, and a part of that could not be done here.";
            good GOOD_DOCUMENT;
            bad Example::new(r#"{"message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#).under("a policy that requires security, without keys");

        Deprecated "deprecated" Business, strict Warning, interop Warning;
            says "{actual} is deprecated and ends on {detail}";
            because "The calendar of deprecations announces that this ends; the announcement comes at least 90 days before. Change to the replacement until then; `coord deprecations` lists all notices. In the example, the calendar ends the field `TASK_FAILED/retries`.";
            good GOOD;
            bad Example::new(r#"TASK_FAILED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","failure_reason":"exit 1","retry_count":2,"retries":2}"#);

        SunsetPassed "sunset-passed" Business, strict Error, interop Error;
            says "{actual} is gone since {detail}";
            because "The calendar of deprecations announced this day, and it has come: readers need not understand the thing any more. Use the replacement. In the example, the calendar has ended the field `TASK_FAILED/attempts`.";
            good GOOD;
            bad Example::new(r#"TASK_FAILED:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","failure_reason":"exit 1","retry_count":2,"attempts":2}"#);
    } };
}

pub(super) use code_table;
