//! Validation on all levels: every code by its examples, rules of one's own, history.

use crate::fuzz_corpus::bodies;
use coordination_protocol::event::{Category, Registry};
use coordination_protocol::finding::{Code, Example};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::scan::scan;
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::validate::{
    Context, History, SecurityPolicy, ValidationOutcome, Validator,
};
use coordination_protocol::version::Calendar;
use coordination_protocol::{Codec, Limits, Mode, Report, Verdict};
use std::fmt::Write as _;

/// What is found in the example of a code: by the calendar of deprecations, or by the validator.
fn found(mode: Mode, code: Code, example: &Example) -> Report {
    if matches!(code, Code::Deprecated | Code::SunsetPassed) {
        let calendar = Calendar::from_json(CALENDAR).unwrap();
        let record = String::from_utf8(example.record()).unwrap();
        return calendar.check(&record, "2025-06-01".parse().unwrap());
    }
    check(&Validator::new(mode), example, |outcome| outcome.report)
}

/// The notices that the examples of the codes speak of.
const CALENDAR: &str = r#"{"notices":[
    {"subject":{"field":"TASK_FAILED/retries"},"since":"1.1.0","announced":"2025-01-15","sunset":"2025-09-01","replacement":"retry_count"},
    {"subject":{"field":"TASK_FAILED/attempts"},"since":"1.1.0","announced":"2025-01-15","sunset":"2025-06-01"}
]}"#;

/// Checks an example behind the records that come before it.
fn check<T>(
    validator: &Validator,
    example: &Example,
    look: impl FnOnce(ValidationOutcome<'_>) -> T,
) -> T {
    let mut history = History::new();
    for earlier in example.earlier() {
        let context = Context::new().with_history(&history);
        let outcome = validator.check(earlier, &context);
        history.note(&outcome.accept().unwrap());
    }
    let record = example.record();
    look(validator.check_bytes(&record, &Context::new().with_history(&history)))
}

/// The codes that need neither a policy nor a component that applies a configuration.
fn unconditional() -> impl Iterator<Item = &'static Code> {
    Code::ALL.iter().filter(|code| code.bad().circumstances().is_empty())
}

#[test]
fn every_code_is_shown_by_its_examples() {
    for code in unconditional() {
        for mode in [Mode::Strict, Mode::Interop] {
            let report = found(mode, *code, &code.bad());
            let finding = report.findings().iter().find(|finding| finding.code == *code);
            let finding = finding.unwrap_or_else(|| panic!("{code}: {report:?}"));
            assert_eq!(finding.severity, code.severity(mode));
            assert_eq!(finding.level(), code.level());
            let report = found(mode, *code, &code.good());
            assert!(!report.has(*code), "{code}: {report:?}");
            assert_eq!(report.verdict(), Verdict::Valid, "{code} {report:?}");
            for example in [code.bad(), code.good()] {
                bodies::line(&Codec::new(mode), &example.record());
            }
        }
        assert_eq!(code.as_str().parse::<Code>().unwrap(), *code);
        assert!(!code.explanation().is_empty());
    }
}

/// Code, severity in both modes, pointer, range and message of every bad example.
#[test]
fn every_message_reads_as_it_was_reviewed() {
    let mut page = String::new();
    for code in unconditional() {
        let report = found(Mode::Strict, *code, &code.bad());
        let finding = report.findings().iter().find(|finding| finding.code == *code).unwrap();
        let (strict, interop) = (code.severity(Mode::Strict), code.severity(Mode::Interop));
        let _ = write!(page, "{code} {strict}/{interop} ");
        let _ = write!(page, "{} {:?}: {finding}", finding.pointer, finding.range);
        if let Some(hint) = finding.hint() {
            let _ = write!(page, "; {hint}");
        }
        page.push('\n');
    }
    insta::assert_snapshot!("codes", page);
}

/// Rules and permissions know the event types that the caller registered.
#[test]
fn types_of_the_caller_are_known_on_all_levels() {
    let registry = || {
        let category = Category::new("deploy").unwrap();
        Registry::default().with_type("SHIP_DONE", category, []).unwrap()
    };
    let rm = ComponentId::new("rm").unwrap();
    let permissions = |permissions: Permissions| {
        permissions.with_component(&rm, ["deploy.*.ship_done"], ["deploy.*"]).unwrap()
    };
    let judge = |codec: Codec, permissions: Permissions, text: &str| -> Vec<Code> {
        let policy = SecurityPolicy::new().with_permissions(permissions);
        let outcome = Validator::from(codec).with_policy(policy).check(text, &Context::new());
        outcome.report.findings().iter().map(|finding| finding.code).collect()
    };
    for (text, unknown) in [
        (
            r#"{"source":"rm","component_registration":{"component_id":"rm","component_type":"x","version":"1.0.0","event_publications":["deploy.*.ship_done"]}}"#,
            vec![Code::DeadPattern],
        ),
        (
            r#"{"source":"rm","routing_key":"deploy.wf_001.ship_done","event":{"event_type":"SHIP_DONE","workflow_id":"wf_001","phase":"p","data":{}}}"#,
            vec![Code::RoutingMismatch, Code::UnknownEventType, Code::PublicationDenied],
        ),
    ] {
        let codec = Codec::new(Mode::Strict);
        let known = permissions(Permissions::new().with_registry(registry()));
        assert_eq!(judge(codec.clone().with_registry(registry()), known, text), []);
        let mut found = judge(codec, permissions(Permissions::new()), text);
        found.sort_unstable_by_key(|code| unknown.iter().position(|known| known == code));
        assert_eq!(found, unknown, "{text}");
    }
}

#[test]
fn a_request_repeats_the_priority_of_its_header() {
    for (header, body, mismatch) in [
        (r#""priority":"low","#, r#""priority":"critical","#, true),
        (r#""priority":"low","#, r#""priority":"low","#, false),
        (r#""priority":"low","#, "", false),
        ("", r#""priority":"critical","#, false),
    ] {
        let text = format!(
            r#"{{{header}"allocation_request":{{{body}"request_id":"req_1","workflow_id":"w","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{{"agents":1}}}}}}"#
        );
        let report = Validator::new(Mode::Strict).check(&text, &Context::new()).report;
        let told: Vec<_> = report.findings().iter().map(|f| (f.code, &*f.pointer)).collect();
        let expected = [(Code::HeaderMismatch, "/allocation_request/priority")];
        assert_eq!(told, if mismatch { &expected[..] } else { &[] }, "{text}");
    }
}

#[test]
fn a_proposal_has_the_digest_of_its_state() {
    let report = |digest: &str, value: &str| {
        let text = format!(
            r#"{{"proposal":{{"proposal_id":"prop_1","workflow_id":"wf_001","state_version":16,"proposer":"hub","digest":"sha256:{digest}"{value}}}}}"#
        );
        let report = Validator::new(Mode::Strict).check(&text, &Context::new()).report;
        report.findings().iter().map(|f| format!("{}: {f}", f.pointer)).collect::<Vec<_>>()
    };
    // The order of keys is no part of it.
    let value = r#","value":{"state_version":16,"workflow_id":"wf_001"}"#;
    let right = "9204f28a297ec08639510fb2414708f8d6ffc704316091ccc072b701850b1a32";
    let none: [&str; 0] = [];
    assert_eq!(report(right, value), none);
    // What is no state of a workflow may be decided as well.
    let text = "251ecb599a3f3a2f1e70671a65292c15862d28613e3dfd97edb7640f14bf4986";
    assert_eq!(report(text, r#","value":"any""#), none);
    let zeros = "0".repeat(64);
    assert_eq!(report(&zeros, ""), none);
    assert_eq!(
        report(&zeros, value),
        [format!(
            "/proposal/digest: the proposal says `sha256:{zeros}`, the state in it `sha256:{}…`",
            &right[..54]
        )]
    );
}

/// What is shown is limited; what it amounts to is not.
#[test]
fn the_limit_of_findings_changes_nothing_but_what_is_kept() {
    let report =
        r#"ERROR_ENCOUNTERED:wf_1:p:{"error_report":{"error_id":7,"severity":"bad","x":1}}"#;
    let envelope = r#"{"event":{"event_type":"ERROR_ENCOUNTERED","workflow_id":"wf_1","phase":"p","data":{"error_report":{"error_id":7}}}}"#;
    let ending = r#"TASK_FAILED:wf_001:build:{"task_id":"t","agent_id":"a","failure_reason":"x","retry_count":2,"retries":2,"attempts":2}"#;
    let own = [report, envelope, ending].map(|text| text.as_bytes().to_vec());
    let records = unconditional().map(|code| code.bad().record()).chain(own);
    let calendar = Calendar::from_json(CALENDAR).unwrap();
    let context = Context::new().with_calendar(&calendar, "2025-06-01".parse().unwrap());
    for record in records {
        for mode in [Mode::Strict, Mode::Interop] {
            let judge = |most: usize, silenced: Option<Code>| {
                let codec = Codec::new(mode).with_limits(Limits::default().with_findings(most));
                let validator = Validator::from(codec);
                let validator = match silenced {
                    Some(code) => validator.without_code(code),
                    None => validator,
                };
                validator.check_bytes(&record, &context).report
            };
            let all = judge(usize::MAX, None);
            let first = all.findings().first().map(|finding| finding.code);
            for silenced in [None, first] {
                let all = judge(usize::MAX, silenced);
                for most in [0, 1, 2, 64] {
                    let some = judge(most, silenced);
                    let what = format!("{most} {}", String::from_utf8_lossy(&record));
                    assert_eq!(some.verdict(), all.verdict(), "{what}");
                    assert_eq!(some.worst(), all.worst(), "{what}");
                    if all.findings().len() <= 64 {
                        assert_eq!(some.counts(), all.counts(), "{what}");
                    }
                    let kept = some.findings().len();
                    assert_eq!(kept, all.findings().len().min(most));
                    assert_eq!(some.omitted(), all.findings().len() - kept);
                    assert!(some.findings().iter().all(|finding| all.findings().contains(finding)));
                }
            }
        }
    }
}

#[test]
fn a_template_is_judged_by_all_of_its_findings() {
    let script = r#"publish "TASK_TIMEOUT:$wf:build:{\"task_id\":\"$task\",\"agent_id\":7}""#;
    let snippet = scan(script, &Limits::default()).next().unwrap();
    for most in [0, 1, 64] {
        let codec = Codec::new(Mode::Strict).with_limits(Limits::default().with_findings(most));
        let report = Validator::from(codec).check_snippet(&snippet, &Context::new()).report;
        assert_eq!(report.counts().len(), 2, "{report:?}");
        assert_eq!(report.verdict(), Verdict::Invalid);
    }
    let script = script.replace("7}", "7,,}");
    let broken = scan(&script, &Limits::default()).next().unwrap();
    let codec = Codec::new(Mode::Strict).with_limits(Limits::default().with_findings(0));
    let report = Validator::from(codec).check_snippet(&broken, &Context::new()).report;
    assert!(report.is_empty(), "{report:?}");
}
