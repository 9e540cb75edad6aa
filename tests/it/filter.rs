//! Filters, against a naive evaluation over `serde_json::Value`.

use coordination_protocol::event::{Codec, EventRef};
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Json;
use coordination_protocol::message::{Envelope, Message, MessageRef, Subscription};
use coordination_protocol::route::{Comparison, Field, Filter, FilterFault, FilterInput, Literal};
use coordination_protocol::scalar::{ComponentId, Priority, Quantity, Severity, Span};

use crate::support::{Drawn, Rng, Tree, any_entries, mutate, scaled, write_object};
use serde_json::{Value, json};
use std::cmp::Ordering;

/// 2025-01-15T12:00:00Z
const NOW: i64 = 1_736_942_400_000;

fn accepts(filter: &str, text: &str) -> bool {
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    filter.accepts(&FilterInput::read(text).unwrap(), NOW)
}

const LINE: &str = r#"TASK_FAILED:wf_001:build:{"task_id":"t\u0037","agent_id":"a3","failure_reason":"exit 1","retry_count":2.0,"at":"2025-01-15T11:58:00Z","usage":[{"a/b":1,"c~d":null,"":true}],"severity":"high","urgency":"low","big":9007199254740993,"odd":{"and":"x y"}}"#;

#[test]
fn a_line_is_tested_as_the_table_says() {
    let accepted = [
        "kind = event",
        "type = TASK_FAILED",
        r#"type = "TASK_FAILED""#,
        "workflow = wf_001 and phase = build",
        "workflow prefix wf_",
        "workflow suffix 1",
        "workflow suffix 01 and type prefix TASK_",
        r#"workflow suffix "" and workflow prefix """#,
        "type prefix TASK and type suffix _FAILED",
        // By meaning, not by spelling.
        "/task_id = t7",
        "/task_id suffix 7",
        "/retry_count = 2",
        "/retry_count = 20e-1",
        "/retry_count >= 2 and /retry_count <= 2",
        "/retry_count > 1.9999999999999999999999999999 and /retry_count < 2.1",
        "/big > 9007199254740992",
        "/big = 9007199254740993",
        "not /big = 9007199254740992",
        "/usage/0/a~1b = 1",
        "/usage/0/c~0d = null",
        "/usage/0/ = true",
        r#""/odd/and" = "x y""#,
        "severity >= high",
        "severity >= info",
        "severity(/urgency) >= low",
        "priority(/urgency) >= low",
        "age(/at) <= 2m",
        "age(/at) <= \"1m 60s\"",
        "age(/at) <= 1d",
        "all()",
        "not any()",
        "any(type = X, all(phase = build))",
        "(((type = TASK_FAILED)))",
        "type = X or type = Y or phase = build",
        // `and` binds closer than `or`.
        "type = TASK_FAILED or type = X and type = Y",
        "not type = X and not type = Y",
        " \t\n type=TASK_FAILED\r\nand /retry_count>=2",
    ];
    let refused = [
        "kind = task",
        "type = task_failed",
        "type = TASK_FAILE",
        "workflow prefix f_",
        "workflow suffix wf",
        "/retry_count = 3",
        // Of another kind.
        r#"/retry_count = "2.0""#,
        "/retry_count prefix 2x",
        "/task_id > 0",
        "type > 0",
        "type = null",
        "/usage = null",
        "/usage/0/a~1b = true",
        // Absent.
        "/nothing = null",
        "/nothing < 1",
        "/task_id/deeper = t7",
        "/usage/1 = 1",
        "/usage/00 = 1",
        "/usage/a = 1",
        "/task_i = t7",
        "source prefix \"\"",
        "priority >= low",
        "age <= 10000d",
        "/big <= 9007199254740992",
        "severity >= critical",
        "severity(/task_id) >= info",
        "priority(/severity) >= critical",
        "age(/at) <= 119s",
        "age(/task_id) <= 1000d",
        "any()",
        "not all()",
        "(type = TASK_FAILED or type = X) and type = Y",
        "not (type = X or phase = build)",
    ];
    let event = EventRef::parse(LINE).unwrap();
    for (filters, expected) in [(&accepted[..], true), (&refused[..], false)] {
        for text in filters {
            assert_eq!(accepts(text, LINE), expected, "{text}");
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.accepts(&FilterInput::from(&event), NOW), expected, "{text}");
        }
    }
}

#[test]
fn messages_are_tested_by_header_and_body() {
    let document = r#" {"message_id":"m1","source":"hub","priority":"high","ttl_seconds":60.0,"response_required":true,"timestamp":"2025-01-15T11:59:00Z","health_status":{"component_id":"hub","workflow_id":"wf_9","status":"healthy","metrics":{"cpu":97.5}}}"#;
    for (filter, expected) in [
        ("kind = health_status and source = hub", true),
        ("priority >= high and priority >= low", true),
        ("priority >= critical", false),
        ("priority = high", true),
        ("priority > 3", false),
        ("ttl_seconds = 60", true),
        ("ttl_seconds >= 60.1", false),
        ("response_required = true", true),
        ("response_required = false", false),
        ("/metrics/cpu > 97 and /status = healthy", true),
        ("workflow = wf_9", true),
        ("age <= 60s", true),
        ("age <= 59s", false),
        ("type = health_status or phase = global", false),
        ("/health_status/status = healthy", false),
        ("correlation_id prefix \"\"", false),
    ] {
        assert_eq!(accepts(filter, document), expected, "{filter}");
        let message = Codec::new(Mode::Interop).check_message(document).value.unwrap();
        let filter = Filter::parse(filter).unwrap();
        assert_eq!(filter.accepts(&FilterInput::from(&message), NOW), expected, "{filter}");
    }
    let event = r#"{"event":{"event_type":"TASK_FAILED","workflow_id":"wf_001","data":{"task_id":"t7","agent_id":"a3","failure_reason":"x","retry_count":2}},"source":"w"}"#;
    let flat = r#"{"event_id":"e1","event_type":"TASK_FAILED","workflow_context":"wf_001","phase":"global","source_component":"w","payload":{"task_id":"t7","agent_id":"a3","failure_reason":"x","retry_count":2}}"#;
    let all = "kind = event and type = TASK_FAILED and workflow = wf_001 and phase = global \
               and /task_id = t7 and /retry_count >= 2 and source = w";
    for text in [event, flat] {
        assert!(accepts(all, text), "{text}");
        let message = Codec::new(Mode::Interop).check_message(text).value.unwrap();
        assert!(Filter::parse(all).unwrap().accepts(&FilterInput::from(&message), NOW), "{text}");
        assert!(!accepts("/data/task_id = t7", text), "{text}");
    }
    assert!(accepts("message_id = e1", flat));
    // The member itself goes before an alias, wherever it stands.
    let both = r#"{"source_component":"alias","release":{},"source":"own"}"#;
    assert!(accepts("source = own", both));
    // Without a known body only the header is there.
    let odd = r#"{"source":"w","nothing":{"workflow_id":"x"}}"#;
    assert!(accepts("source = w", odd));
    assert!(!accepts("kind prefix \"\" or workflow prefix \"\" or /workflow_id = x", odd));
    assert!(FilterInput::read("{}").is_some());
    assert!(FilterInput::read("no line").is_none() && FilterInput::read("").is_none());
}

#[test]
fn single_quotes_are_read_where_they_were_accepted() {
    let line =
        "TASK_TIMEOUT:wf_001:build:{'task_id':'t1','agent_id':'it\\'s','timeout_duration':'15m'}";
    let event = Codec::new(Mode::Interop).parse(line).unwrap();
    let filter = Filter::parse(r#"/task_id = t1 and /agent_id suffix "'s""#).unwrap();
    assert!(filter.accepts(&FilterInput::from(&event), 0));
}

#[test]
fn ages_are_measured_to_the_millisecond() {
    let line = r#"X:a:b:{"at":"1970-01-01T00:00:10.000Z"}"#;
    let filter = Filter::parse("age(/at) <= 1.5s").unwrap();
    let accepts = |now| filter.accepts(&FilterInput::read(line).unwrap(), now);
    assert!(accepts(11_500) && !accepts(11_501));
    // What is yet to come is not too old.
    assert!(accepts(0) && accepts(i64::MIN) && !accepts(i64::MAX));
    // Less than a millisecond is not known, so the benefit of the doubt goes to the message.
    let filter = Filter::parse("age(/at) <= 0.2ms").unwrap();
    assert!(filter.accepts(&FilterInput::read(line).unwrap(), 10_001));
    assert!(!filter.accepts(&FilterInput::read(line).unwrap(), 10_002));
}

#[test]
fn text_errors_say_where_and_what() {
    let long = format!("type = {}", "a".repeat(1025));
    let pointer = format!("/{} = 1", "a".repeat(1024));
    let huge = " ".repeat(Filter::MAX_BYTES + 1);
    let many = vec!["type = A"; 257].join(" and ");
    let full = vec!["type = A"; 256].join(" or ");
    let deep = format!("{}type = A", "not ".repeat(33));
    let deep_test = format!("{}type = A", "not ".repeat(32));
    let brackets = "(".repeat(1_000);
    let cases: &[(&str, usize, &str)] = &[
        ("", 0, "expected a field or a JSON pointer, found the end"),
        ("type", 4, "expected a comparison such as `=`, `>=` or `prefix`, found the end"),
        ("type = ", 7, "expected a value, found the end"),
        ("type = A B", 9, "expected `and`, `or` or the end, found `B`"),
        ("type = A and", 12, "expected a field or a JSON pointer, found the end"),
        ("type = A and or", 13, "expected a field or a JSON pointer, found `or`"),
        ("(type = A", 9, "expected `and`, `or` or `)`, found the end"),
        ("type = A)", 8, "expected `and`, `or` or the end, found `)`"),
        ("any(type = A type = B)", 13, "expected `and`, `or`, `,` or `)`, found `type`"),
        ("any(type = A,)", 13, "expected a field or a JSON pointer, found `)`"),
        ("all type = A", 4, "expected `(`, found `type`"),
        ("type == A", 5, "`==` is no comparison; write `=`"),
        ("type != A", 5, "`!=` is no comparison; write `not FIELD = VALUE`"),
        ("type prefix (", 12, "expected a text, found `(`"),
        ("type suffix true", 12, "expected a text, found `true`"),
        ("/a > b", 5, "expected a number, found `b`"),
        ("/a >= \"3\"", 6, "expected a number, found \"3\""),
        ("/a = 01", 5, "`01` is no JSON number; put a text that starts so in quotes"),
        ("/a = 5m", 5, "`5m` is no JSON number; put a text that starts so in quotes"),
        ("/a = and", 5, "expected a value, found `and`"),
        ("/a = $x", 5, "expected a value, found '$'"),
        ("/é = 1", 1, "expected a comparison such as `=`, `>=` or `prefix`, found 'é'"),
        (
            "/a = \"x",
            5,
            "the quoted text is no JSON string: the text ends inside a value at byte 2",
        ),
        (
            "/a = \"\\q\"",
            5,
            "the quoted text is no JSON string: unknown escape in a string at byte 1",
        ),
        ("/a~2 = 1", 0, "`/a~2` is no JSON pointer: behind `~` stands `0` or `1`"),
        ("/a~ = 1", 0, "`/a~` is no JSON pointer: behind `~` stands `0` or `1`"),
        ("typ = A", 0, "`typ` is no field of a header; did you mean `type`?"),
        (
            "task_id = A",
            0,
            "`task_id` is no field of a header; data is named by a JSON pointer such as `/task_id`",
        ),
        (
            "\"task id\" = A",
            0,
            "`task id` is no field of a header; data is named by a JSON pointer such as `/task_id`",
        ),
        ("severity > high", 9, "expected `>=`, found `>`"),
        ("severity(/a = high", 12, "expected `)`, found `=`"),
        ("priority(/a) = high", 13, "expected `>=`, found `=`"),
        ("age >= 5m", 4, "expected `<=`, found `>=`"),
        ("severity >= (", 12, "expected a word, found `(`"),
        (
            "severity >= hihg",
            12,
            "`hihg` is not a severity; did you mean `high`? known words: critical, high, medium, \
             low, info",
        ),
        (
            "priority >= info",
            12,
            "`info` is not a priority; known words: critical, high, medium, low",
        ),
        (
            "age <= soon",
            7,
            "`soon` is not a duration: a digit is missing (byte 0); write it like `2h 30m`",
        ),
        (&long, 7, "a text in a filter has at most 1024 bytes, this one has 1025"),
        (&pointer, 0, "a text in a filter has at most 1024 bytes, this one has 1025"),
        (&huge, 16384, "a filter has at most 16384 bytes, this one has 16385"),
        (&many, 256 * 13, "a filter has at most 256 parts"),
        (&full, 0, "a filter has at most 256 parts"),
        (&deep, 128, "a filter nests at most 32 levels deep"),
        (&deep_test, 0, "a filter nests at most 32 levels deep"),
        (&brackets, 32, "a filter nests at most 32 levels deep"),
    ];
    for (text, at, message) in cases {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.at(), error.pointer()),
            (format!("{message} (at byte {at})").as_str(), Some(*at), None),
            "{text}"
        );
    }
    assert!(Filter::parse(&vec!["type = A"; 255].join(" and ")).is_ok());
    assert!(Filter::parse(&format!("{}type = A", "not ".repeat(31))).is_ok());
    assert!(Filter::parse(&format!("type = {}", "a".repeat(1024))).is_ok());
}

#[test]
fn json_errors_say_where_and_what() {
    let nested = |levels: usize| {
        format!("{}{{\"all\":[]}}{}", "{\"not\":".repeat(levels), "}".repeat(levels))
    };
    let deep = nested(32);
    let at_deep = "/not".repeat(32);
    let many = format!("{{\"all\":[{}]}}", vec![r#"{"any":[]}"#; 256].join(","));
    let cases: &[(&str, &str, &str)] = &[
        ("3", "", "expected an object such as {\"all\":[]}, found a number"),
        ("{}", "", "expected an object with one key, found an empty one"),
        (r#"{"all":[],"any":[]}"#, "/any", "expected an object with one key, found a second key"),
        (
            r#"{"none":[]}"#,
            "/none",
            "`none` is no key here; known keys: all, any, not, exact, prefix, suffix, compare, \
             min_severity, min_priority, max_age",
        ),
        (r#"{"all":{}}"#, "/all", "expected an array of filters, found an object"),
        (
            r#"{"all":[{"any":[]},null]}"#,
            "/all/1",
            "expected an object such as {\"all\":[]}, found null",
        ),
        (r#"{"exact":3}"#, "/exact", "expected an object with `value`, found a number"),
        (r#"{"exact":{"value":3}}"#, "/exact", "`field` is missing"),
        (r#"{"exact":{"field":"type"}}"#, "/exact", "`value` is missing"),
        (r#"{"compare":{"field":"/a","value":1}}"#, "/compare", "`op` is missing"),
        (
            r#"{"exact":{"field":"type","op":"=","value":1}}"#,
            "/exact/op",
            "`op` is no key here; known keys: field, value",
        ),
        (
            r#"{"compare":{"field":"/a","op":"=","value":1}}"#,
            "/compare/op",
            "expected `<`, `<=`, `>` or `>=`, found `=`",
        ),
        (
            r#"{"compare":{"field":"/a","op":"<","value":"1"}}"#,
            "/compare/value",
            "expected a number, found a string",
        ),
        (
            r#"{"exact":{"field":"type","value":[1]}}"#,
            "/exact/value",
            "expected a text, a number, a boolean or null, found an array",
        ),
        (
            r#"{"prefix":{"field":"type","value":1}}"#,
            "/prefix/value",
            "expected a string, found a number",
        ),
        (
            r#"{"prefix":{"field":"typ","value":"x"}}"#,
            "/prefix/field",
            "`typ` is no field of a header; did you mean `type`?",
        ),
        (
            r#"{"not":{"min_priority":{"value":"info"}}}"#,
            "/not/min_priority/value",
            "`info` is not a priority; known words: critical, high, medium, low",
        ),
        (
            r#"{"max_age":{"value":"soon"}}"#,
            "/max_age/value",
            "`soon` is not a duration: a digit is missing (byte 0); write it like `2h 30m`",
        ),
        (&deep, &at_deep, "a filter nests at most 32 levels deep"),
        (&many, "/all/255", "a filter has at most 256 parts"),
    ];
    for (text, pointer, message) in cases {
        let json: Json = text.parse().unwrap();
        let error = Filter::from_json(&json).unwrap_err();
        let full = if pointer.is_empty() {
            (*message).to_owned()
        } else {
            format!("{message} (at {pointer})")
        };
        assert_eq!(
            (error.to_string(), error.pointer(), error.at()),
            (full.clone(), Some(*pointer), None),
            "{text}"
        );
        let through_serde = serde_json::from_str::<Filter>(text).unwrap_err().to_string();
        assert!(through_serde.starts_with(&full), "{through_serde}");
    }
    assert!(Filter::from_json(&nested(31).parse().unwrap()).is_ok());
}

/// What is built in code has the same limits.
#[test]
fn no_filter_is_larger_than_the_limits() {
    let field = || Field::parse("type").unwrap();
    let test = || Filter::exact(field(), "A").unwrap();
    let fault = |filter: Result<Filter, _>| match filter {
        Ok(filter) => panic!("{filter}"),
        Err(error) => {
            let error: coordination_protocol::route::FilterError = error;
            assert_eq!((error.at(), error.pointer()), (None, None));
            error.fault().clone()
        }
    };
    let mut nested = test();
    for _ in 1..Filter::MAX_DEPTH {
        nested = Filter::not(nested).unwrap();
    }
    assert_eq!(fault(Filter::not(nested.clone())), FilterFault::TooDeep);
    assert_eq!(fault(Filter::all([nested.clone()])), FilterFault::TooDeep);
    assert!(nested.accepts(&FilterInput::read(LINE).unwrap(), 0));
    let most = Filter::any((1..Filter::MAX_PARTS).map(|_| test())).unwrap();
    assert_eq!(most.fields().len(), Filter::MAX_PARTS - 1);
    assert_eq!(fault(Filter::not(most.clone())), FilterFault::TooManyParts);
    assert_eq!(fault(Filter::all(std::iter::repeat_with(test))), FilterFault::TooManyParts);
    let long = "x".repeat(Filter::MAX_TEXT + 1);
    let too_long = FilterFault::TextTooLong { bytes: 1025 };
    assert_eq!(fault(Filter::exact(field(), long.as_str())), too_long);
    assert_eq!(fault(Filter::prefix(field(), &long)), too_long);
    assert_eq!(fault(Filter::suffix(field(), &long)), too_long);
    let digits = Quantity::parse(&"1".repeat(1025)).unwrap();
    assert_eq!(fault(Filter::exact(field(), digits.clone())), too_long);
    assert_eq!(fault(Filter::compare(field(), Comparison::Less, digits)), too_long);
    let warning = fault(Filter::min_severity(None, &Severity::from_lenient("warning")));
    assert!(matches!(warning, FilterFault::Scalar(_)));
    assert!(matches!(
        fault(Filter::min_priority(None, &Priority::from_lenient("x"))),
        FilterFault::Scalar(_)
    ));
    assert!(matches!(
        fault(Filter::max_age(None, &Span::from_lenient("soon"))),
        FilterFault::Scalar(_)
    ));
    // The field says `warning` where the scale says `medium`.
    let medium = Filter::min_severity(None, &Severity::Medium).unwrap();
    assert!(medium.accepts(&FilterInput::read(r#"X:a:b:{"severity":"warning"}"#).unwrap(), 0));
}

const NAMES: &[&str] =
    &["kind", "type", "workflow", "phase", "source", "priority", "timestamp", "ttl_seconds"];
const WORDS: &[&str] = &[
    "high",
    "low",
    "critical",
    "TASK_FAILED",
    "wf_001",
    "hub",
    "t7",
    "",
    "and",
    "3",
    "-",
    "x y",
    "\"",
    "\\",
    "é\n",
    "true",
    "null",
    "a/b~c",
    "2025-01-15T11:59:00Z",
    "build",
    "/x",
];
const NUMBERS: &[&str] =
    &["0", "-0", "1", "1.0", "2", "2.5", "1e2", "100", "-3", "9007199254740993", "1e-400", "1e400"];
/// Those that a strict reader lets pass in data.
const DATA_NUMBERS: usize = 11;
const PATHS: &[&str] = &[
    "/attempt",
    "/nested",
    "/nested/0",
    "/nested/0/attempt",
    "/a:b",
    "/say \"x\"",
    "/",
    "/0",
    "/é",
    "/a~1b~0c",
    "/nested/phase_name",
    "/severity",
    "/nested/",
    "/task_id",
    "/retry_count",
    "/-1",
];

fn field(rng: &mut Rng) -> Field {
    let names = if rng.one_in(3) { NAMES } else { PATHS };
    Field::parse(rng.pick(names)).unwrap()
}

/// Any filter, and what it means as plain data for the oracle.
fn any_filter(rng: &mut Rng, depth: usize) -> Filter {
    let join = |rng: &mut Rng| -> Vec<Filter> {
        (0..rng.below(4)).map(|_| any_filter(rng, depth - 1)).collect()
    };
    let number = |rng: &mut Rng| Quantity::parse(rng.pick(NUMBERS)).unwrap();
    match rng.below(if depth > 1 { 13 } else { 9 }) {
        0 => {
            let literal = match rng.below(4) {
                0 => Literal::Number(number(rng)),
                1 => Literal::Bool(rng.one_in(2)),
                2 => Literal::Null,
                _ => Literal::from(rng.pick(WORDS)),
            };
            Filter::exact(field(rng), literal)
        }
        1 => Filter::exact(field(rng), rng.pick(WORDS)),
        2 => Filter::prefix(field(rng), rng.pick(WORDS)),
        3 => Filter::suffix(field(rng), rng.pick(WORDS)),
        4 | 5 => {
            let comparison = Comparison::ALL[rng.below(4)];
            Filter::compare(field(rng), comparison, number(rng))
        }
        6 => {
            let word = rng.pick(Severity::KNOWN).parse().unwrap();
            let field = rng.one_in(2).then(|| field(rng));
            Filter::min_severity(field, &word)
        }
        7 => {
            let word = rng.pick(Priority::KNOWN).parse().unwrap();
            let field = rng.one_in(2).then(|| field(rng));
            Filter::min_priority(field, &word)
        }
        8 => {
            let span = Span::new(rng.pick(&["1m", "2h 30m", "60s", "0s", "1.5ms"])).unwrap();
            let field = rng.one_in(2).then(|| field(rng));
            Filter::max_age(field, &span)
        }
        9 | 10 => Filter::all(join(rng)),
        11 => Filter::any(join(rng)),
        _ => Filter::not(any_filter(rng, depth - 1)),
    }
    .unwrap()
}

#[test]
fn both_forms_read_back_as_the_same_filter() {
    for case in 0..scaled(3_000) {
        let filter = any_filter(&mut Rng::new(case as u64), 5);
        let text = filter.to_string();
        assert_eq!(Filter::parse(&text).as_ref(), Ok(&filter), "{text}");
        assert_eq!(text.parse::<Filter>().unwrap().to_string(), text);
        let json = filter.to_json();
        assert_eq!(Filter::from_json(&json).as_ref(), Ok(&filter), "{json}");
        let through_serde = serde_json::to_string(&filter).unwrap();
        assert_eq!(through_serde, json.as_str());
        assert_eq!(serde_json::from_str::<Filter>(&through_serde).unwrap(), filter);
    }
}

/// A number as sign, digits and exponent, without zeros at either end.
fn decimal(text: &str) -> (i8, Vec<u8>, i64) {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut all: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    let mut point = i64::try_from(whole.len()).unwrap() + exponent.parse::<i64>().unwrap();
    while all.first() == Some(&0) {
        all.remove(0);
        point -= 1;
    }
    while all.last() == Some(&0) {
        all.pop();
    }
    if all.is_empty() { (0, all, 0) } else { (sign, all, point) }
}

fn compare_numbers(left: &str, right: &str) -> Ordering {
    let (left, right) = (decimal(left), decimal(right));
    let magnitude = left.2.cmp(&right.2).then_with(|| left.1.cmp(&right.1));
    left.0.cmp(&right.0).then(match left.0 {
        1 => magnitude,
        -1 => magnitude.reverse(),
        _ => Ordering::Equal,
    })
}

/// What the oracle looks at: the fields by name, and the data.
struct Plain {
    named: Value,
    /// The data; numbers are texts behind a mark, since a `Value` would round them.
    data: Value,
}

const MARK: &str = "\u{1}number:";

fn marked(tree: &Tree) -> Value {
    match tree {
        Tree::Plain(text) => match text.as_str() {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            number => Value::String(format!("{MARK}{number}")),
        },
        Tree::Text(text) => Value::String(text.clone()),
        Tree::Array(items) => items.iter().map(marked).collect(),
        Tree::Object(entries) => {
            entries.iter().map(|(key, value)| (key.clone(), marked(value))).collect()
        }
    }
}

/// The naive meaning of the JSON form.
fn naive(filter: &Value, plain: &Plain) -> bool {
    let (name, body) = filter.as_object().unwrap().iter().next().unwrap();
    match name.as_str() {
        "all" => return body.as_array().unwrap().iter().all(|filter| naive(filter, plain)),
        "any" => return body.as_array().unwrap().iter().any(|filter| naive(filter, plain)),
        "not" => return !naive(body, plain),
        _ => {}
    }
    let field = body["field"].as_str().unwrap();
    let found =
        if field.starts_with('/') { plain.data.pointer(field) } else { plain.named.get(field) };
    let Some(found) = found else { return false };
    let number = found.as_str().and_then(|text| text.strip_prefix(MARK));
    let text = if number.is_some() { None } else { found.as_str() };
    let wanted = &body["value"];
    let wanted_text = wanted.as_str().unwrap_or_default();
    let wanted_number = wanted_text.strip_prefix(MARK);
    let rank = |scale: &[&str], word: &str| scale.iter().position(|known| *known == word);
    match name.as_str() {
        "exact" => match (number, wanted_number) {
            (Some(found), Some(wanted)) => compare_numbers(found, wanted).is_eq(),
            (None, None) => found == wanted,
            _ => false,
        },
        "prefix" => text.is_some_and(|text| text.starts_with(wanted_text)),
        "suffix" => text.is_some_and(|text| text.ends_with(wanted_text)),
        "compare" => number.is_some_and(|number| {
            let order = compare_numbers(number, wanted_number.unwrap());
            match body["op"].as_str().unwrap() {
                "<" => order == Ordering::Less,
                "<=" => order != Ordering::Greater,
                ">" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }
        }),
        "min_severity" => text.is_some_and(|text| {
            let text = match text {
                "warning" => "medium",
                "error" => "high",
                text => text,
            };
            let scale = ["info", "low", "medium", "high", "critical"];
            rank(&scale, text) >= rank(&scale, wanted_text)
        }),
        "min_priority" => text.is_some_and(|text| {
            let scale = ["low", "medium", "high", "critical"];
            rank(&scale, text) >= rank(&scale, wanted_text)
        }),
        _ => text.and_then(chrono_millis).is_some_and(|moment| {
            let most = match wanted_text {
                "1m" | "60s" => 60_000,
                "2h 30m" => 9_000_000,
                "0s" => 0,
                _ => 2,
            };
            NOW - moment <= most
        }),
    }
}

/// The moments that the generated messages hold.
fn chrono_millis(text: &str) -> Option<i64> {
    match text {
        "2025-01-15T11:59:00Z" => Some(NOW - 60_000),
        "2025-01-15T12:00:00Z" => Some(NOW),
        "2025-01-15T12:00:00.120+02:00" => Some(NOW - 7_200_000 + 120),
        "2024-02-29T23:59:59Z" => Some(1_709_251_199_000),
        _ => None,
    }
}

/// The JSON form with its numbers marked, too.
fn marked_form(filter: &Filter) -> Value {
    fn mark(value: &mut Value, raw: &Json) {
        match value {
            Value::Number(_) => *value = Value::String(format!("{MARK}{raw}")),
            Value::Array(items) => {
                items.iter_mut().zip(raw.items()).for_each(|(item, raw)| mark(item, &raw));
            }
            Value::Object(map) => {
                map.iter_mut().for_each(|(key, item)| mark(item, &raw.get(key).unwrap()));
            }
            _ => {}
        }
    }
    let json = filter.to_json();
    // A double may not hold a number, so its place is taken before it is read.
    let mut text = json.as_str().to_owned();
    for number in ["1e400", "1e-400"] {
        text = text.replace(&format!("\"value\":{number}}}"), "\"value\":0}");
    }
    let mut value: Value = serde_json::from_str(&text).unwrap();
    mark(&mut value, &json);
    value
}

#[test]
fn filters_accept_what_a_naive_evaluation_accepts() {
    let mut accepted = 0;
    let cases = scaled(6_000);
    for case in 0..cases {
        let rng = &mut Rng::new(case as u64 + 50_000);
        let mut drawn = Drawn::new(case);
        // Data where the pointers look.
        for (key, value) in [
            ("severity", rng.pick(&["high", "low", "warning", "error", "odd"])),
            ("attempt", rng.pick(WORDS)),
        ] {
            if drawn.entries().iter().all(|(known, _)| known != key) {
                drawn.extras.push((key.to_owned(), Tree::text(value)));
            }
        }
        if drawn.entries().iter().all(|(known, _)| known != "nested") {
            let inner = Tree::Object(any_entries(rng, 2));
            let numbers = Tree::Array(vec![inner, Tree::plain(rng.pick(&NUMBERS[..DATA_NUMBERS]))]);
            drawn.extras.push(("nested".to_owned(), numbers));
        }
        let kind = drawn.spec.event_type.as_str();
        let data = marked(&Tree::Object(drawn.entries()));
        let mut named = json!({
            "kind": "event", "type": kind, "workflow": drawn.workflow, "phase": drawn.phase,
        });
        let line = drawn.line();
        let event = EventRef::parse(&line).unwrap();
        let subjects = [FilterInput::from(&event), FilterInput::read(&line).unwrap()];
        let filter = any_filter(rng, 4);
        let form = marked_form(&filter);
        let plain = Plain { named: named.clone(), data: data.clone() };
        let expected = naive(&form, &plain);
        for subject in subjects {
            assert_eq!(filter.accepts(&subject, NOW), expected, "{filter}\n{line}");
        }
        accepted += usize::from(expected);

        // The same event in an envelope, which has a header.
        let (source, priority, ttl) = (
            rng.pick(&["hub", "t7", "worker-1"]),
            rng.pick(&["high", "low", "critical"]),
            rng.pick(&["1", "2.5", "100", "1e2"]),
        );
        let mut text = format!(
            r#"{{"source":"{source}","priority":"{priority}","ttl_seconds":{ttl},"timestamp":"2025-01-15T11:59:00Z","event":{{"event_type":"{kind}","workflow_id":{},"phase":{},"data":"#,
            serde_json::to_string(&drawn.workflow).unwrap(),
            serde_json::to_string(&drawn.phase).unwrap(),
        );
        write_object(&drawn.entries(), crate::support::Quotes::Double, &mut text);
        text.push_str("}}");
        named["source"] = json!(source);
        named["priority"] = json!(priority);
        named["ttl_seconds"] = json!(format!("{MARK}{ttl}"));
        named["timestamp"] = json!("2025-01-15T11:59:00Z");
        let expected = naive(&form, &Plain { named, data });
        let read = FilterInput::read(&text).unwrap();
        assert_eq!(filter.accepts(&read, NOW), expected, "{filter}\n{text}");
        // Deeper in an envelope, data may nest deeper than the limit allows.
        if let Ok(message) = MessageRef::parse(&text) {
            let subject = FilterInput::from(&message);
            assert_eq!(filter.accepts(&subject, NOW), expected, "{filter}\n{text}");
        }
    }
    assert!((cases / 10..cases * 9 / 10).contains(&accepted), "{accepted} of {cases}");
}

/// Whatever stands there, nothing panics: neither in filters nor in texts that no check has seen.
#[test]
fn any_text_is_survived() {
    for case in 0..scaled(4_000) {
        let rng = &mut Rng::new(case as u64 + 9_000);
        let filter = any_filter(rng, 4);
        let mut bytes = filter.to_string().into_bytes();
        mutate(rng, &mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(filter) = Filter::parse(&text) {
            assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
        let mut bytes = filter.to_json().as_str().as_bytes().to_vec();
        mutate(rng, &mut bytes);
        if let Ok(json) = String::from_utf8_lossy(&bytes).parse::<Json>()
            && let Ok(filter) = Filter::from_json(&json)
        {
            assert_eq!(Filter::from_json(&filter.to_json()), Ok(filter));
        }
        let mut bytes = Drawn::new(case).line().into_bytes();
        if rng.one_in(2) {
            bytes.splice(0..0, *br#"{"source":"x","event":{"data":"#);
        }
        mutate(rng, &mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        if let Some(subject) = FilterInput::read(&text) {
            filter.accepts(&subject, NOW);
        }
    }
}

/// The `filter` of a subscription message is a filter.
#[test]
fn a_subscription_carries_a_filter() {
    let filter = Filter::parse("priority >= high and not /retry_count < 3").unwrap();
    let subscription =
        Subscription::new(ComponentId::new("hub").unwrap(), vec!["*.failed".to_owned()])
            .with_filter(&filter);
    let text = Envelope::from(subscription).to_string();
    let Message::Subscription(read) = text.parse::<Envelope>().unwrap().message else {
        panic!("{text}")
    };
    assert_eq!(Filter::from_json(read.filter.as_ref().unwrap()), Ok(filter));
}
