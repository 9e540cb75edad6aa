//! The event codec: laws over generated events of every registered type, and tables.

use crate::fuzz_corpus::bodies;
use crate::support::{Drawn, Quotes, Rng, Tree, mutate, scaled};
use coordination_protocol::event::{
    Category, Codec, Data, Event, EventBuf, EventBuilder, EventRef, FieldType, REGISTRY, Registry,
    UntypedData,
};
use coordination_protocol::finding::{Code, Finding, FindingSeverity, Mode, Report, Verdict};
use coordination_protocol::json::{Json, Limits, pointer};
use coordination_protocol::scalar::ProtocolVersion;
use std::fmt::Write as _;

const STRICT: Codec = Codec::new(Mode::Strict);
const INTEROP: Codec = Codec::new(Mode::Interop);

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings().iter().map(|finding| finding.code.as_str()).collect()
}

/// Codes that count; extra data is no fault.
fn faults(report: &Report) -> Vec<Code> {
    let found = report.findings().iter().map(|finding| finding.code);
    found.filter(|code| !matches!(code, Code::UnknownField | Code::UnusualIdentifier)).collect()
}

fn strict(line: &str) -> Event {
    let event = EventRef::parse(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    event.decode().unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn drawn(cases: usize) -> impl Iterator<Item = Drawn> {
    (0..scaled(cases)).map(Drawn::new)
}

#[test]
fn the_registry_has_the_counts_of_the_document() {
    let core = REGISTRY.iter().filter(|spec| spec.since == ProtocolVersion::V1_0_0).count();
    assert_eq!((core, REGISTRY.len()), (33, 38));
    assert!(REGISTRY.iter().all(|spec| (1..=4).contains(&spec.required().len())));
}

#[test]
fn a_canonical_line_is_a_fixpoint() {
    for drawn in drawn(4_000) {
        let line = drawn.line();
        let event = EventRef::parse(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(event.to_string(), line);
        assert_eq!(event.type_name(), drawn.spec.event_type.as_str());
        assert_eq!((event.workflow(), event.phase()), (&*drawn.workflow, &*drawn.phase));
        let buf: EventBuf = line.parse().unwrap();
        assert_eq!((buf.to_string(), buf.borrow()), (line.clone(), event.clone()));
        let typed = event.decode().unwrap();
        assert_eq!(typed.to_string(), line);
        assert_eq!(line.parse::<Event>().unwrap(), typed);
        assert_eq!(typed.to_buf().unwrap().as_str(), line);
        bodies::strict_line(line.as_bytes());
    }
}

#[test]
fn extras_keep_their_order_and_every_value_its_spelling() {
    for drawn in drawn(2_000) {
        let typed = strict(&drawn.line());
        let kept: Vec<_> = typed
            .data
            .extra()
            .iter()
            .map(|(key, value)| (key.to_owned(), value.as_str().to_owned()))
            .collect();
        let given: Vec<_> =
            drawn.extras.iter().map(|(key, value)| (key.clone(), value.to_json())).collect();
        assert_eq!(kept, given);
    }
    let line = r#"TASK_TIMEOUT:w:p:{"z":1.50,"task_id":"t","b":[12.0,1e5,-0,"\u00e9\/"],"agent_id":"a","timeout_duration":"1.50s","a":{"y":0.10,"x":1E+2}}"#;
    assert_eq!(
        strict(line).to_string(),
        r#"TASK_TIMEOUT:w:p:{"task_id":"t","agent_id":"a","timeout_duration":"1.50s","z":1.50,"b":[12.0,1e5,-0,"\u00e9\/"],"a":{"y":0.10,"x":1E+2}}"#
    );
}

#[test]
fn the_order_of_the_data_does_not_change_the_event() {
    for (number, drawn) in drawn(2_000).enumerate() {
        let mut required = drawn.required.clone();
        let rng = &mut Rng::new(number as u64 + 5);
        rng.shuffle(&mut required);
        // Extras stay in their order, required data goes anywhere between them.
        let mut entries = drawn.extras.clone();
        for entry in required {
            entries.insert(rng.below(entries.len() + 1), entry);
        }
        let line = drawn.render(&entries, Quotes::Double);
        assert_eq!(strict(&line), strict(&drawn.line()), "{line}");
    }
}

#[test]
fn single_quotes_are_the_only_deviation_of_a_single_quoted_line() {
    for drawn in drawn(3_000) {
        let line = drawn.render(&drawn.entries(), Quotes::Single);
        let record = INTEROP.check(&line);
        assert_eq!(faults(&record.report), [Code::SingleQuotes], "{line}: {:?}", record.report);
        assert_eq!(record.report.verdict(), Verdict::Deviating);
        let event = record.value.unwrap();
        assert_eq!(event.to_string(), line);
        assert_eq!(event.decode().unwrap(), strict(&drawn.line()), "{line}");
        assert_eq!(EventRef::parse(&line).unwrap_err().finding().code, Code::SingleQuotes);
        bodies::interop_line(line.as_bytes());
    }
}

#[test]
fn serde_reads_what_it_wrote() {
    for drawn in drawn(1_000) {
        let event = strict(&drawn.line());
        let wire = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&wire).unwrap(), event);
        let at = |path: &str| pointer::find(&wire, 0, path).unwrap().decode(&wire).into_owned();
        assert_eq!(at("/event_type"), drawn.spec.event_type.as_str());
        assert_eq!(
            (at("/workflow_id"), at("/phase")),
            (drawn.workflow.clone(), drawn.phase.clone())
        );
        let data = at("/data");
        assert_eq!(drawn.line(), drawn.header() + &data);
    }
    // Nothing may slip a colon, a blank or a mark through the header.
    for name in ["TASK_TIMEOUT:x", " X", "\u{feff}X", "\"X", "X:w:p:{}", "", "X\nY"] {
        let wire = serde_json::json!({
            "event_type": name, "workflow_id": "w", "phase": "p", "data": {"a": 1},
        });
        match serde_json::from_str::<Event>(&wire.to_string()) {
            Ok(event) => assert_eq!((event.type_name(), name), ("\"X", "\"X")),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn each_missing_key_is_one_finding_at_its_pointer() {
    for drawn in drawn(1_500) {
        for (absent, _) in &drawn.required {
            let mut entries = drawn.entries();
            entries.retain(|(key, _)| key != absent);
            let line = drawn.render(&entries, Quotes::Double);
            for codec in [STRICT, INTEROP] {
                let record = codec.check(&line);
                assert_eq!(faults(&record.report), [Code::MissingData], "{line}");
                let finding =
                    record.report.findings().iter().find(|f| f.code == Code::MissingData).unwrap();
                assert_eq!(finding.pointer, format!("/{absent}"));
                assert_eq!(finding.range, line.len() - 1..line.len());
                assert_eq!(record.value.is_some(), codec.mode() == Mode::Interop);
            }
            let event = INTEROP.parse(&line).unwrap();
            assert!(event.decode().unwrap_err().to_string().contains(absent.as_str()));
        }
    }
}

/// A value that does not fit, and the code for it.
fn misfit(rng: &mut Rng, field: FieldType) -> Option<(Tree, Code)> {
    let text = matches!(
        field,
        FieldType::Text
            | FieldType::Id
            | FieldType::Span
            | FieldType::Timestamp
            | FieldType::Version
            | FieldType::Severity
            | FieldType::CheckpointType
    );
    let kind = (Tree::plain("[{\"a\":1}]"), Code::WrongKind);
    Some(match (field, rng.below(3)) {
        (FieldType::Json, _) => return None,
        (FieldType::Object, _) => kind,
        (FieldType::TextList, 0) => (Tree::plain("[\"a\",1]"), Code::WrongKind),
        (FieldType::TextList, _) => (Tree::text("a"), Code::WrongKind),
        (FieldType::Phase, 0) => (Tree::text("$phase"), Code::Placeholder),
        (FieldType::Number, _) => (Tree::text("12"), Code::WrongKind),
        (FieldType::Count, 0) => (Tree::plain("3.5"), Code::OutOfRange),
        (FieldType::Count, 1) => (Tree::plain("18446744073709551616"), Code::OutOfRange),
        (FieldType::Percent, 0) => (Tree::plain("100.01"), Code::OutOfRange),
        (FieldType::Percent, 1) => (Tree::plain("-1"), Code::OutOfRange),
        (FieldType::Severity | FieldType::CheckpointType, 0) => {
            (Tree::text("severe"), Code::UnknownWord)
        }
        (FieldType::Span, 0) => (Tree::text("5h_47m"), Code::UnreadableText),
        (FieldType::Timestamp, 0) => (Tree::text("2025-02-30T12:00:00Z"), Code::UnreadableText),
        (FieldType::Version, 0) => (Tree::text("1.0"), Code::UnreadableText),
        (FieldType::Id, 0) => (Tree::text("a:b"), Code::BadIdentifier),
        (_, 1) if text => (Tree::text(rng.pick(&["a|b|c", "<x>", "${name}"])), Code::Placeholder),
        _ => kind,
    })
}

#[test]
fn planted_faults_are_found_and_nothing_else() {
    for (number, drawn) in drawn(6_000).enumerate() {
        let rng = &mut Rng::new(number as u64 + 11);
        let mut expected = Vec::new();
        let mut required = Vec::new();
        for (field, (key, value)) in drawn.spec.required().iter().zip(&drawn.required) {
            let planted =
                if rng.one_in(2) { misfit(rng, field.field_type().unwrap()) } else { None };
            match planted {
                Some((value, code)) if key == "workflow_id" => {
                    expected.push((code, format!("/{key}")));
                    if let Tree::Text(_) = value {
                        expected.push((Code::HeaderMismatch, format!("/{key}")));
                    }
                    required.push((key.clone(), value));
                }
                Some((value, code)) => {
                    expected.push((code, format!("/{key}")));
                    required.push((key.clone(), value));
                }
                None if rng.one_in(4) => {
                    expected.push((Code::MissingData, format!("/{key}")));
                }
                None => required.push((key.clone(), value.clone())),
            }
        }
        let mut extras = drawn.extras.clone();
        extras.retain(|(key, _)| key != "phase");
        if rng.one_in(3) {
            extras.push(("phase".to_owned(), Tree::text("elsewhere")));
            expected.push((Code::HeaderMismatch, "/phase".to_owned()));
        }
        if rng.one_in(3) {
            extras.push(("list".to_owned(), Tree::plain("[0,{\"big\":-1e999}]")));
            expected.push((Code::NumberBeyondDouble, "/list/1/big".to_owned()));
        }
        if rng.one_in(3) {
            extras.push(("twice".to_owned(), Tree::plain("{\"a/\":1,\"a/\":2}")));
            expected.push((Code::DuplicateKey, "/twice/a~1".to_owned()));
        }
        required.extend(extras);
        let line = drawn.render(&required, Quotes::Double);
        expected.sort();
        for codec in [STRICT, INTEROP] {
            let record = codec.check(&line);
            let mut found: Vec<_> = record
                .report
                .findings()
                .iter()
                .filter(|f| !matches!(f.code, Code::UnknownField | Code::UnusualIdentifier))
                .map(|finding| (finding.code, finding.pointer.clone()))
                .collect();
            found.sort();
            assert_eq!(found, expected, "{line}");
            bodies::line(&codec, line.as_bytes());
        }
    }
}

#[test]
fn mutated_lines_are_judged_alike_by_both_ways_of_reading() {
    let lines: Vec<Vec<u8>> = (0..400)
        .map(|number| {
            let drawn = Drawn::new(number);
            let quotes = if number % 2 == 0 { Quotes::Double } else { Quotes::Single };
            let line = drawn.render(&drawn.entries(), quotes);
            match number % 7 {
                0 => format!("\"{line}\""),
                1 => format!("\u{feff}{line}\r\n"),
                2 => format!("  {line}\n"),
                _ => line,
            }
            .into_bytes()
        })
        .filter(|line| line.len() < 600)
        .collect();
    let rng = &mut Rng::new(3);
    for _ in 0..scaled(40_000) {
        let mut line = lines[rng.below(lines.len())].clone();
        mutate(rng, &mut line);
        bodies::line(&STRICT, &line);
        bodies::line(&INTEROP, &line);
    }
}

#[test]
fn arbitrary_bytes_never_panic() {
    let rng = &mut Rng::new(4);
    for _ in 0..scaled(20_000) {
        let bytes: Vec<u8> = (0..rng.below(60)).map(|_| (rng.next() & 0xff) as u8).collect();
        bodies::interop_line(&bytes);
        bodies::strict_line(&bytes);
        let ascii: Vec<u8> =
            bytes.iter().map(|b| b"{}[]:,\"'\\ AZaz09_-.\n\r\tnu"[*b as usize % 24]).collect();
        bodies::interop_line(&ascii);
    }
}

#[test]
fn a_report_is_the_same_every_time_and_keeps_to_its_limit() {
    let pairs: Vec<String> = (0..200).map(|n| format!("{{\"k\":{n},\"k\":{n}}}")).collect();
    let line = format!(
        "TASK_TIMEOUT:w:p:{{\"task_id\":7,\"agent_id\":\"\",\"timeout_duration\":\"x\",\"n\":[{}]}}",
        pairs.join(",")
    );
    for most in [0, 1, 2, 64, 1_000] {
        let codec = STRICT.with_limits(Limits::default().with_findings(most));
        let report = codec.check(&line).report;
        assert_eq!(report, codec.check(&line).report);
        assert_eq!(report.findings().len() + report.omitted(), 204, "{most}");
        assert_eq!(report.findings().len(), most.min(204));
        assert_eq!(report.verdict(), Verdict::Invalid);
        assert!(!report.is_empty());
        bodies::line(&codec, line.as_bytes());
    }
}

#[test]
fn limits_are_inclusive() {
    let line =
        r#"TASK_TIMEOUT:w:p:{"task_id":"t","agent_id":"a","timeout_duration":"5m","é":{"b":[]}}"#;
    let code = |limits: Limits| {
        let codec = STRICT.with_limits(limits);
        bodies::line(&codec, line.as_bytes());
        codec.parse(line).err().map(|error| (error.finding().code, error.finding().range.clone()))
    };
    let limits = Limits::default();
    let end = line.len();
    assert_eq!(code(limits.with_bytes(end)), None);
    assert_eq!(code(limits.with_bytes(end - 1)), Some((Code::TooLong, end - 1..end)));
    let inside = line.find('é').unwrap() + 1;
    assert_eq!(code(limits.with_bytes(inside)), Some((Code::TooLong, inside - 1..end)));
    assert_eq!(code(limits.with_depth(3)), None);
    let list = line.find('[').unwrap();
    assert_eq!(code(limits.with_depth(2)), Some((Code::TooDeep, list..list + 1)));
    assert_eq!(code(limits.with_keys(4)), None);
    let key = line.find("\"é\"").unwrap();
    assert_eq!(code(limits.with_keys(3)), Some((Code::TooManyKeys, key..key + 4)));
}

#[test]
fn overridden_severities_decide_for_both_ways_of_reading() {
    let lines = [
        r#"TASK_TIMEOUT:w:p:{"task_id":"t","agent_id":"a","timeout_duration":"5m","x":1}"#,
        r#"TASK_TIMEOUT:w:p:{"task_id":"t","agent_id":"a","timeout_duration":"5m","x":1,"x":2}"#,
        r#"TASK_TIMEOUT:w 1:p:{"task_id":"t","agent_id":"a","timeout_duration":"5m"}"#,
        r#"TASK_TIMEOUT:w:p:{"task_id":7}"#,
        r#"TASK_TIMEOUT:w:p:{"task_id":"#,
        "TASK_TIMEOUT:w:p",
        r#"OTHER:w:p:{"x":1e999} x"#,
    ];
    for line in lines {
        for code in Code::ALL {
            for severity in FindingSeverity::ALL {
                let codec = STRICT.with_severity(*code, *severity);
                let record = codec.check(line);
                let errors = record.report.worst() == Some(FindingSeverity::Error);
                match codec.parse(line) {
                    Ok(_) => assert!(!errors, "{code} {severity}: {line}"),
                    Err(error) => {
                        assert!(errors || record.value.is_none(), "{code} {severity}: {line}");
                        assert!(record.report.has(error.finding().code), "{error}: {line}");
                    }
                }
            }
        }
    }
}

#[test]
fn types_of_ones_own_keep_all_their_data() {
    let wide: Vec<String> = (0..32).map(|n| format!("k{n}")).collect();
    let registry = Registry::default()
        .with_type(
            "DEPLOY_FINISHED",
            Category::new("deploy").unwrap(),
            [("target", FieldType::Text), ("took", FieldType::Span)],
        )
        .unwrap()
        .with_type(
            "WIDE",
            Category::System,
            wide.iter().map(|key| (key.as_str(), FieldType::Count)),
        )
        .unwrap();
    let codec = Codec::default().with_registry(registry);
    let line = r#"DEPLOY_FINISHED:w:p:{"extra":1.0,"took":"5m","target":"prod"}"#;
    let event = codec.parse(line).unwrap().decode().unwrap();
    assert_eq!(event.to_string(), line);
    assert_eq!(event.data.extra().get("target").unwrap().as_str(), "\"prod\"");
    let report = codec.check(r#"DEPLOY_FINISHED:w:p:{"took":"soon"}"#).report;
    assert_eq!(codes(&report), ["unreadable-text", "missing-data"]);
    assert_eq!(report.findings()[1].pointer, "/target");
    let data: Vec<String> = wide.iter().map(|key| format!("\"{key}\":1")).collect();
    let line = format!("WIDE:w:p:{{{}}}", data.join(","));
    assert_eq!(codec.parse(&line).unwrap().decode().unwrap().to_string(), line);
    let report = codec.check("WIDE:w:p:{}").report;
    assert_eq!(faults(&report), [Code::MissingData; 32]);
    bodies::line(&codec, line.as_bytes());
}

#[test]
fn an_older_protocol_does_not_know_the_extension() {
    let codec = Codec::default().with_registry(Registry::new(ProtocolVersion::V1_0_0));
    for spec in REGISTRY {
        let line = format!("{}:w:p:{{}}", spec.event_type);
        let later = spec.since > ProtocolVersion::V1_0_0;
        assert_eq!(codec.check(&line).report.has(Code::UnknownEventType), later, "{line}");
        assert_eq!(codec.check(&line).report.has(Code::MissingData), !later, "{line}");
    }
}

#[test]
fn a_builder_yields_strict_lines_or_nothing() {
    for drawn in drawn(1_000) {
        let rng = &mut Rng::new(drawn.line().len() as u64);
        let mut required = drawn.required.clone();
        rng.shuffle(&mut required);
        let mut builder =
            EventBuilder::new(drawn.spec.event_type.as_str(), &drawn.workflow, &drawn.phase);
        for (key, value) in required.iter().chain(&drawn.extras) {
            builder = builder.set(key, value.to_json().parse::<Json>().unwrap());
        }
        let line = builder.build(&STRICT).unwrap();
        assert_eq!(line.as_str(), drawn.line());
    }
    for part in ["", "a:b", "a\nb", "a\rb", "\u{0}"] {
        assert!(EventBuilder::new("SYSTEM_SHUTDOWN", part, "p").build(&STRICT).is_err());
    }
}

#[test]
fn other_types_have_names_that_survive_the_wire() {
    for name in [" X", "\u{feff}X", "{", "[x", "", "A:B", "A\nB", "TASK_FAILED"] {
        assert!(UntypedData::new(name).is_err(), "{name:?}");
    }
    for name in ["X", "x y ", "\"X", "'X'", "é"] {
        let event = Event::global(UntypedData::new(name).unwrap().with("a", 1_u32));
        let line = event.to_string();
        let again = INTEROP.parse(&line).unwrap().decode().unwrap();
        assert_eq!(again, event, "{line}");
        assert!(matches!(again.data, Data::Untyped(_)));
    }
}

/// The specification's four examples, as printed, with what each mode says: code, range, pointer.
#[test]
fn the_four_examples_of_the_specification() {
    let table = [
        (
            r#""PHASE_COMPLETED:wf_001:implementation:{'duration':'45m','tasks_completed':15,'success_rate':94.2}""#,
            "error warning shell-quotes 0..99 -
             error warning single-quotes 40..41 -
             note note unknown-field 40..50 /duration
             note note unknown-field 57..74 /tasks_completed
             note note unknown-field 78..92 /success_rate
             error warning missing-data 97..98 /phase_id
             error warning missing-data 97..98 /actual_duration
             error warning missing-data 97..98 /success_metrics",
        ),
        (
            r#""RESOURCE_ALLOCATED:wf_001:setup:{'agents':3,'memory_gb':8,'allocation_id':'alloc_456'}""#,
            "error warning shell-quotes 0..88 -
             error warning single-quotes 34..35 -
             note note unknown-field 34..42 /agents
             note note unknown-field 45..56 /memory_gb
             error warning missing-data 86..87 /resource_details
             error warning missing-data 86..87 /requester",
        ),
        (
            r#""ERROR_ENCOUNTERED:wf_001:testing:{'error_type':'timeout','agent':'agent_003','task':'test_integration'}""#,
            "error warning shell-quotes 0..105 -
             error warning single-quotes 35..36 -
             note note unknown-field 35..47 /error_type
             note note unknown-field 58..65 /agent
             note note unknown-field 78..84 /task
             error warning missing-data 103..104 /error_report",
        ),
        (
            r#""SYSTEM_THRESHOLD:global:global:{'metric':'memory','current':85.2,'threshold':80.0,'severity':'warning'}""#,
            "error warning shell-quotes 0..105 -
             error warning single-quotes 33..34 -
             note note unknown-field 33..41 /metric
             note note unknown-field 51..60 /current
             note note unknown-field 83..93 /severity
             error warning missing-data 103..104 /metric_name
             error warning missing-data 103..104 /current_value",
        ),
    ];
    for (line, expected) in table {
        let bare = &line[1..line.len() - 1];
        for (quoted, line) in [(true, line), (false, bare)] {
            let mut rows = [String::new(), String::new()];
            for row in expected.lines().map(str::trim) {
                let parts: Vec<&str> = row.split(' ').collect();
                if parts[2] == "shell-quotes" && !quoted {
                    continue;
                }
                let (start, end) = parts[3].split_once("..").unwrap();
                let shift = |at: &str| at.parse::<usize>().unwrap() - usize::from(!quoted);
                for (mode, severity) in [parts[0], parts[1]].into_iter().enumerate() {
                    let (start, end) = if parts[2] == "shell-quotes" {
                        (0, line.len())
                    } else {
                        (shift(start), shift(end))
                    };
                    let _ =
                        writeln!(rows[mode], "{severity} {} {start}..{end} {}", parts[2], parts[4]);
                }
            }
            for (codec, expected) in [STRICT, INTEROP].iter().zip(&rows) {
                let record = codec.check(line);
                let mut found = String::new();
                for finding in record.report.findings() {
                    let pointer = if finding.pointer.is_empty() { "-" } else { &finding.pointer };
                    let (severity, range) = (finding.severity, &finding.range);
                    let _ = writeln!(found, "{severity} {} {range:?} {pointer}", finding.code);
                }
                assert_eq!(&found, expected, "{line}");
                assert_eq!(record.value.is_some(), codec.mode() == Mode::Interop);
            }
            let first = if quoted { Code::ShellQuotes } else { Code::SingleQuotes };
            assert_eq!(EventRef::parse(line).unwrap_err().finding().code, first);
            assert_eq!(INTEROP.parse(line).unwrap().to_string(), line);
            bodies::interop_line(line.as_bytes());
            bodies::strict_line(line.as_bytes());
        }
    }
}

#[test]
fn the_hint_names_the_key_that_was_meant() {
    let line = "SYSTEM_THRESHOLD:global:global:{'metric':'memory','current':85.2,'threshold':80.0}";
    let report = INTEROP.check(line).report;
    let hints: Vec<_> = report.findings().iter().filter_map(Finding::hint).collect();
    assert_eq!(
        hints,
        [
            "`metric` is present; did you mean `metric_name`?",
            "`current` is present; did you mean `current_value`?",
        ]
    );
}

#[test]
fn records_come_out_of_any_stream() {
    let good =
        r#"SYSTEM_SHUTDOWN:global:global:{"component_name":"hub","shutdown_reason":"update"}"#;
    let cases: Vec<(String, Vec<(&str, u64)>)> = vec![
        (String::new(), vec![]),
        ("\n \t\n\r\n".to_owned(), vec![]),
        (good.to_owned(), vec![(good, 1)]),
        (format!("{good}\n"), vec![(good, 1)]),
        (format!("\n\n{good}\n\n{good}"), vec![(good, 3), (good, 5)]),
        ("a\r\nb\r\n".to_owned(), vec![("a\r", 1), ("b\r", 2)]),
        ("\u{feff}a\n".to_owned(), vec![("\u{feff}a", 1)]),
        // Joined until the object closes.
        ("X:w:p:{\n\"a\":1\n}\nb".to_owned(), vec![("X:w:p:{\n\"a\":1\n}", 1), ("b", 4)]),
        ("{\n\"a\":[\n1]}\nb".to_owned(), vec![("{\n\"a\":[\n1]}", 1), ("b", 4)]),
        // Brackets in strings do not count, in either kind of quotes.
        ("X:w:p:{\"}\":\n'{'}\nb".to_owned(), vec![("X:w:p:{\"}\":\n'{'}", 1), ("b", 3)]),
        ("X:w:p:{\"\\\"}\":\n1}\nb".to_owned(), vec![("X:w:p:{\"\\\"}\":\n1}", 1), ("b", 3)]),
        // A blank line, the next event or the end of the stream closes a broken record.
        ("X:w:p:{\"a\":\n\nb".to_owned(), vec![("X:w:p:{\"a\":", 1), ("b", 3)]),
        (format!("X:w:p:{{\"a\n{good}"), vec![("X:w:p:{\"a", 1), (good, 2)]),
        (format!("[[[\nno\n{good}"), vec![("[[[\nno", 1), (good, 3)]),
        ("X:w:p:{\"a\":".to_owned(), vec![("X:w:p:{\"a\":", 1)]),
        // A line that was cut short is not joined with the values behind it.
        (
            "{\"a\":{\"b\":1}\n{\"c\":2}\n[3]".to_owned(),
            vec![("{\"a\":{\"b\":1}", 1), ("{\"c\":2}", 2), ("[3]", 3)],
        ),
        (
            "X:w:p:{\"a\":[1]\n{\"c\":2}\n".to_owned(),
            vec![("X:w:p:{\"a\":[1]", 1), ("{\"c\":2}", 2)],
        ),
        ("[1\n[2]".to_owned(), vec![("[1", 1), ("[2]", 2)]),
        // Unless a value can stand there.
        (
            "[\n{\"a\":1},\n{\"b\":\n{\"c\":\n[\n[]]}}]\nb".to_owned(),
            vec![("[\n{\"a\":1},\n{\"b\":\n{\"c\":\n[\n[]]}}]", 1), ("b", 7)],
        ),
        // Data that is no object does not go on.
        ("X:w:p:[\nb".to_owned(), vec![("X:w:p:[", 1), ("b", 2)]),
    ];
    for (stream, expected) in cases {
        let found = bodies::cut(&INTEROP, stream.as_bytes(), stream.len().max(1));
        let found: Vec<_> = found
            .iter()
            .map(|(bytes, line, _)| (std::str::from_utf8(bytes).unwrap(), *line))
            .collect();
        assert_eq!(found, expected, "{stream:?}");
        bodies::records(stream.as_bytes());
    }
}

#[test]
fn generated_streams_give_back_their_lines() {
    for case in 0..scaled(300) {
        let rng = &mut Rng::new(case as u64 + 21);
        let lines: Vec<String> =
            (0..rng.below(6)).map(|_| Drawn::new(rng.below(5_000)).line()).collect();
        let mut stream = String::new();
        for line in &lines {
            if rng.one_in(4) {
                stream.push_str("X:w:p:{\"cut\": [\n");
            }
            if rng.one_in(4) {
                stream.push('\n');
            }
            stream.push_str(line);
            stream.push('\n');
        }
        let mut records = STRICT.records(stream.as_bytes());
        let mut good = Vec::new();
        while let Some(raw) = records.next_record().unwrap() {
            if let Ok(event) = STRICT.parse_bytes(raw.bytes) {
                good.push(event.to_string());
            }
        }
        assert_eq!(good, lines, "a broken record hides no event");
        bodies::records(stream.as_bytes());
    }
}

/// Lines of the kinds that the field writes; the table is in `field_events.json`.
#[test]
fn lines_of_the_field() {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        line: String,
        mode: Mode,
        verdict: Verdict,
        codes: Vec<String>,
        reason: String,
    }
    let rows: Vec<Row> = serde_json::from_str(include_str!("field_events.json")).unwrap();
    assert!(rows.len() >= 20);
    for row in rows {
        let codec = Codec::new(row.mode);
        let report = codec.check(&row.line).report;
        assert_eq!(codes(&report), row.codes, "{}: {}", row.line, row.reason);
        assert_eq!(report.verdict(), row.verdict, "{}: {}", row.line, row.reason);
        bodies::line(&codec, row.line.as_bytes());
    }
}

/// The form that `coord check --json` and other programs read.
#[test]
fn a_report_serializes_with_all_its_parts() {
    let report =
        STRICT.check(r#"TASK_TIMEOUT:w:p:{"task_id":7,"agent_id":"a","duration":"5m"}"#).report;
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "findings": [
                {
                    "code": "wrong-kind", "level": "content", "severity": "error",
                    "pointer": "/task_id", "range": {"start": 28, "end": 29},
                    "message": "expected an identifier, found number 7",
                    "expected": "an identifier", "actual": "number 7", "hint": null,
                },
                {
                    "code": "unknown-field", "level": "content", "severity": "note",
                    "pointer": "/duration", "range": {"start": 45, "end": 55},
                    "message": "`duration` is not in the registry for this type",
                    "expected": null, "actual": "duration", "hint": null,
                },
                {
                    "code": "missing-data", "level": "content", "severity": "error",
                    "pointer": "/timeout_duration", "range": {"start": 60, "end": 61},
                    "message": "required data `timeout_duration` is missing",
                    "expected": "timeout_duration", "actual": null,
                    "hint": "`duration` is present; did you mean `timeout_duration`?",
                },
            ],
            "omitted": 0,
        })
    );
}

/// What a reader says first is a function of the line alone, and the sentence says where.
#[test]
fn refusals_read_well() {
    for (line, message) in [
        ("", "this is not an event line: it is empty (`not-an-event` at byte 0)"),
        (
            "TASK_FAILED:wf_1:{}",
            "this is not an event line: it has 2 of the 3 colons (`not-an-event` at byte 0); the phase is missing; an event without one says `global`",
        ),
        (
            "TASK_FAILD:w:p:{}",
            "the event type `TASK_FAILD` is not registered (`unknown-event-type` at byte 0); did you mean `TASK_FAILED`?",
        ),
        (
            "SYSTEM_SHUTDOWN:w:p:{'component_name':'a','shutdown_reason':'b'}",
            "strings in single quotes are not JSON (`single-quotes` at byte 21)",
        ),
        (
            "SYSTEM_SHUTDOWN:w:p:{\"component_name\":\"a\",\"shutdown_reason\":\"b\",\"n\":1e999}",
            "the number 1e999 is beyond the range of a double (`number-beyond-double` at /n, byte 68)",
        ),
        (
            "SYSTEM_SHUTDOWN:w:p:{\"component_name\":\"a\",\"component_name\":\"b\"}",
            "the key `component_name` is already in its object (`duplicate-key` at /component_name, byte 42)",
        ),
        (
            "SYSTEM_SHUTDOWN:w:p:{\"component_name\":\"a\",\"shutdown_reason\":True}",
            "broken JSON: expected a value (`broken-json` at byte 60); JSON writes `true`, `false` and `null`; it has no NaN",
        ),
        (
            "SYSTEM_SHUTDOWN:w:p:\"{}\"",
            "the data must be a JSON object, found a string (`data-not-object` at byte 20); the quotes around the data belong to the shell; write the object bare",
        ),
    ] {
        assert_eq!(EventRef::parse(line).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_digest_forgets_the_spelling_and_refuses_what_a_double_would_change() {
    let digest = |line: &str| INTEROP.parse(line).unwrap().data_digest();
    let head = "SYSTEM_SHUTDOWN:global:global:";
    let one = digest(&format!(r#"{head}{{"component_name":"a","shutdown_reason":"b","n":1.50}}"#));
    let other =
        digest(&format!("{head}{{'n':15e-1, 'shutdown_reason':'b','component_name':'\\u0061'}}"));
    assert_eq!(one.unwrap(), other.unwrap());
    assert!(digest(&format!(r#"{head}{{"component_name":"a","n":9007199254740993}}"#)).is_err());
}

/// Free text may mention what looks like a placeholder; other values may not hold one.
#[test]
fn prose_is_not_taken_for_a_placeholder() {
    let line = |reason: &str| {
        let reason = serde_json::to_string(reason).unwrap();
        format!(
            "TASK_FAILED:w:p:{{\"task_id\":\"t\",\"agent_id\":\"a\",\"failure_reason\":{reason},\"retry_count\":1}}"
        )
    };
    for prose in [
        "bad substitution: ${HOME}",
        "$PATH is not set on the agent",
        "unexpected token <eof>",
        "<html>502 Bad Gateway</html>",
        "curl|bash",
        "{{x}} is undefined in a.tpl",
        "$",
        "a || b",
    ] {
        assert!(EventRef::parse(&line(prose)).is_ok(), "{prose}");
    }
    for placeholder in ["$reason", "${reason}", "$(reason)", "<reason>", "{{reason}}", "a|b|c"] {
        let error = EventRef::parse(&line(placeholder)).unwrap_err();
        assert_eq!(error.finding().code, Code::Placeholder, "{placeholder}");
    }
    for bad in [
        r#"WORKFLOW_COMPLETED:w:global:{"completion_time":"2025-01-15T12:00:00Z","final_metrics":"$METRICS"}"#,
        r#"SYSTEM_STARTUP:global:global:{"component_name":"c","version":"1.0.0","capabilities":["$CAPS"]}"#,
        r#"TASK_TIMEOUT:$wf:p:{"task_id":"t","agent_id":"a","timeout_duration":"1m"}"#,
        r#"TASK_TIMEOUT:w:p:{"task_id":"task_<uuid>","agent_id":"a","timeout_duration":"1m"}"#,
    ] {
        assert_eq!(EventRef::parse(bad).unwrap_err().finding().code, Code::Placeholder, "{bad}");
    }
}

/// The usual causes of unreadable data, and what the author is told.
#[test]
fn broken_data_names_its_usual_cause() {
    let table = [
        (r#"{"a":1,,"b":2}"#, "a comma is doubled"),
        (r#"{"a":1,}"#, "a comma before the closing bracket"),
        (r#"{"a":1"#, "the record is cut short"),
        (
            r#"{\"a\":1}"#,
            "the quotes are escaped for a shell; write the record as the shell would print it",
        ),
        (r#"{"a":"C:\path"}"#, "a backslash inside a string is written twice"),
        (
            r#"{"a":"\ud800"}"#,
            "a character beyond U+FFFF takes two `\\u` escapes; write it as itself",
        ),
        (r#"{"a":True}"#, "JSON writes `true`, `false` and `null`; it has no NaN"),
        (r#"{"a":2 + 1}"#, "a sum was not evaluated; JSON has numbers only"),
        (
            r#"{"a":""pasted""}"#,
            "text was pasted between quotes of its own; escape it, for example with `jq -R`",
        ),
        (r#"{"a":"say "hi""}"#, "a quote inside the text is not escaped"),
        (r#"{"a":"t" "b":1}"#, "a comma is missing"),
        ("{a:1}", "keys stand in double quotes"),
        (r#"{"a":$x}"#, "a shell variable was not filled in"),
        (r#"{"a":}"#, "the value is empty; an unset shell variable leaves such a hole"),
        (r#"{"a":02}"#, "numbers have no leading zeros"),
        (r#"{"a":0x10}"#, "numbers are decimal"),
        (r#"{"a":+1}"#, "a number starts with a digit, or with a minus and a digit"),
        (r#"{"a":[1,.5]}"#, "a number starts with a digit, or with a minus and a digit"),
        (r#"{"a":1 // one"#, "JSON has no comments"),
        (r#"{"a":"x" /* one */}"#, "JSON has no comments"),
        ("{ # one\n\"a\":1}", "JSON has no comments"),
        (r#"{"a":1,...}"#, "something was left out; a record that is sent is written in full"),
        (r#"{"a":undefined}"#, "JSON has no `undefined`; leave the key out, or write `null`"),
        (r#"{"a"=1}"#, "a colon stands between key and value"),
        (r#"{"a":1;"b":2}"#, "a comma separates members"),
        (r#"{"a":["b":2]}"#, "only an object has keys; write it in braces"),
        ("{\"a\":\"x\ty\"}", "inside a string, write a tab as `\\t` and a line break as `\\n`"),
        ("{“a”:1}", "typographic quotes are not JSON; write straight double quotes"),
        (r#"{"a":1}}"#, "a closing bracket too many"),
        (r#"{"a":1},"#, "a record ends with its closing brace; remove what follows"),
    ];
    for (data, hint) in table {
        let line = format!("PING:w:p:{data}");
        let report = STRICT.check(&line).report;
        let hints: Vec<String> = report
            .findings()
            .iter()
            .filter(|finding| matches!(finding.code, Code::BrokenJson | Code::TrailingText))
            .filter_map(Finding::hint)
            .collect();
        assert_eq!(hints, [hint], "{line}");
    }
}

/// A broken line is not joined with the next, so that it hides nothing.
#[test]
fn broken_lines_do_not_swallow_the_next() {
    let good = r#"TASK_TIMEOUT:w:p: {"task_id":"t","agent_id":"a","timeout_duration":"1m"}"#;
    for broken in [
        r#"TASK_TIMEOUT:w:p:{"task_id":"it"s","agent_id":"a"}"#,
        r"TASK_TIMEOUT:w:p:{'task_id':'can't open','agent_id':'a'",
        r#"TASK_TIMEOUT:w:p:{\"task_id\":\"t\""#,
        r#"TASK_TIMEOUT:w:p:{"task_id":"unterminated"#,
        r#"TASK_TIMEOUT:w:p:{"task_id":1,,"#,
    ] {
        for next in [good, "  garbage", "lower.case:w:p:{}", "'PING:w:p:{}'"] {
            let text = format!("{broken}\n{next}\n");
            let mut records = INTEROP.records(text.as_bytes());
            let mut lines = Vec::new();
            while let Some(raw) = records.next_record().unwrap() {
                lines.push(raw.line);
            }
            assert_eq!(lines, [1, 2], "{text}");
        }
    }
    // Sound as far as it goes: joined, up to the next event.
    let text = format!("TASK_TIMEOUT:w:p:{{\n\"task_id\":1,\n{good}\n");
    let mut records = INTEROP.records(text.as_bytes());
    let mut lines = Vec::new();
    while let Some(raw) = records.next_record().unwrap() {
        lines.push((raw.line, raw.bytes.len()));
    }
    assert_eq!(lines, [(1, 31), (3, good.len())]);
}

/// What no caller may make less than an error.
#[test]
fn fatal_codes_stay_errors() {
    let codec = STRICT
        .clone()
        .with_severity(Code::BadIdentifier, FindingSeverity::Note)
        .with_severity(Code::DuplicateKey, FindingSeverity::Note)
        .with_severity(Code::MissingData, FindingSeverity::Note);
    assert!(codec.check("::\u{1}:{}").value.is_none());
    assert!(codec.check(r#"PING:w:p:{"a":1,"a":2}"#).value.is_none());
    assert!(codec.check("TASK_FAILED:w:p:{}").value.is_some());
}

#[test]
fn header_facts_in_data_must_agree() {
    let code = |data: &str| {
        let line = format!("PING:wf_1:build:{data}");
        let report = INTEROP.check(&line).report;
        report.findings().iter().any(|finding| finding.code == Code::HeaderMismatch)
    };
    assert!(!code(r#"{"workflow_id":"wf_1","phase":"build"}"#));
    assert!(!code(r#"{"phase":2}"#), "a number names a phase by its place");
    assert!(code(r#"{"workflow_id":"wf_2"}"#));
    assert!(!code(r#"{"workflow_id":5}"#), "a wrong kind disagrees with nothing");
    assert!(code(r#"{"phase":"test"}"#));
    assert!(!code(r#"{"phase":null}"#));
}

/// A placeholder may hold what no identifier can: readable in interop, but without a typed form.
#[test]
fn a_placeholder_that_is_no_identifier_does_not_decode() {
    let line =
        r#"TASK_TIMEOUT:w:p:{"task_id":"${TASK:-none}","agent_id":"a","timeout_duration":"1m"}"#;
    let record = INTEROP.check(line);
    assert_eq!(record.report.verdict(), Verdict::Deviating);
    let error = record.value.unwrap().decode().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the message cannot be used: `task_id` has no value (`no-value` at byte 17)"
    );
}
