//! `coord check`: formats, and what they make of hostile input.

use crate::coord::{err, out, run};
use crate::support::Folder;
use serde_json::Value;

/// A value, a key and a type that would forge lines, commands and colours.
const HOSTILE: &str = "TASK_FAILED:wf_1:p:{\"task_id\":\"t\",\"agent_id\":\"a\",\"failure_reason\":\"x\",\
    \"retry_count\":\"\\n::error::forged\\u001b[31m\\u202e\",\"\\u202ekey\\r\\n::warning::b\":1}\n";

fn format(name: &str, path: &str) -> String {
    out(&run(&["check", "--format", name, path], b""))
}

#[test]
fn each_format_says_the_same() {
    for name in ["line", "github", "summary"] {
        insta::assert_snapshot!(format!("check_{name}"), format(name, "examples/events.log"));
    }
    let count = |name: &str, part: &str| format(name, "examples/events.log").matches(part).count();
    for code in ["missing-data", "broken-json", "single-quotes"] {
        let lines = count("line", &format!("[{code}] "));
        assert!(lines > 0);
        assert_eq!(lines, count("github", &format!("title={code}::")));
        assert_eq!(lines, count("human", &format!("[{code}]: ")));
        assert_eq!(lines, count("json", &format!("{{\"code\":\"{code}\"")));
        assert_eq!(lines, count("sarif", &format!("\"ruleId\":\"{code}\"")));
    }
}

/// What a program reads: all rows, and all of a SARIF log but the rules and the folder.
#[test]
fn what_programs_read_stays_as_it_was_reviewed() {
    insta::assert_snapshot!("check_json", format("json", "examples/events.log"));
    let mut log: Value = serde_json::from_str(&format("sarif", "examples/events.log")).unwrap();
    let run = &mut log["runs"][0];
    let driver = &mut run["tool"]["driver"];
    let rules = driver["rules"].as_array().unwrap();
    driver["rules"] = Value::from(vec![
        rules.iter().find(|rule| rule["id"] == "missing-data").unwrap().clone(),
        rules.iter().find(|rule| rule["id"] == "bad-signature").unwrap().clone(),
    ]);
    run["originalUriBaseIds"]["%SRCROOT%"]["uri"] = "file:///work/".into();
    for result in run["results"].as_array_mut().unwrap() {
        result["ruleIndex"] = 0.into();
    }
    insta::assert_snapshot!("check_sarif", serde_json::to_string_pretty(&log).unwrap());
}

#[test]
fn quiet_tells_by_the_exit_status_alone() {
    for (path, status) in [("examples/events.log", 1), ("no/such/file", 4)] {
        for name in ["human", "json", "sarif", "github", "line", "summary"] {
            let output = run(&["check", "--quiet", "--format", name, path], b"");
            assert_eq!((output.status.code(), out(&output).as_str()), (Some(status), ""), "{name}");
            assert_eq!(err(&output).is_empty(), status == 1);
        }
    }
    let both = run(&["check", "--quiet", "--verbose"], b"");
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn the_title_of_a_finding_is_a_place_to_jump_to() {
    let text = format("human", "examples/events.log");
    let place = "examples/events.log:9:67: ";
    let title = text.lines().find(|line| line.starts_with(place)).unwrap();
    assert_eq!(
        title.strip_prefix(place),
        Some("error[out-of-range]: 140 is not a percentage from 0 to 100")
    );
}

#[test]
fn nothing_of_a_record_is_raw_in_any_format() {
    for name in ["human", "json", "sarif", "github", "line", "summary"] {
        for verbose in [&[][..], &["--verbose"][..]] {
            let args = [&["check", "--format", name][..], verbose].concat();
            let text = out(&run(&args, HOSTILE.as_bytes()));
            assert!(text.contains("wrong-kind") || text.contains("1 error"), "{name}: {text}");
            let harmful =
                |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.contains(harmful), "{name}: {text:?}");
            let forged = |line: &&str| {
                let ours = line.starts_with("::error file=%3Cstdin%3E,")
                    || line.starts_with("::error file=<stdin>,")
                    || line.starts_with("::notice file=<stdin>,");
                line.starts_with("::") && !ours
            };
            assert_eq!(text.lines().find(forged), None, "{name}");
        }
    }
}

#[cfg(unix)]
#[test]
fn nothing_of_a_file_name_is_raw_in_any_format() {
    let folder = Folder::new();
    let name = "a,b:c%\n::error::forged\u{1b}[31m\u{202e}é.log";
    let path = folder.write(name, HOSTILE.as_bytes());
    for format in ["human", "json", "sarif", "github", "line"] {
        let output = run(&["check", "--format", format, &path], b"");
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        let text = out(&output);
        let harmful =
            |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(harmful), "{format}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("::error::")), "{format}: {text}");
    }
    let github = out(&run(&["check", "--format", "github", &path], b""));
    assert!(github.contains("/a%2Cb%3Ac%25\\u{a}%3A%3Aerror%3A%3Aforged\\u{1b}[31m"), "{github}");
    let sarif: Value =
        serde_json::from_slice(&run(&["check", "--format", "sarif", &path], b"").stdout).unwrap();
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    let uri = place["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.starts_with("file:///"), "{uri}");
    assert!(uri.ends_with("/a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3Aforged%1B%5B31m%E2%80%AE%C3%A9.log"));
}

#[test]
fn a_sarif_log_tells_what_could_not_be_read() {
    let output = run(&["check", "--format", "sarif", "no/such file", "examples/events.log"], b"");
    assert_eq!(output.status.code(), Some(4));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &log["runs"][0];
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let told = &invocation["toolExecutionNotifications"][0];
    assert_eq!(told["level"], "error");
    let text = told["message"]["text"].as_str().unwrap();
    assert!(text.starts_with("cannot read no/such file: "), "{text}");
    let place = &told["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(
        (&place["uri"], &place["uriBaseId"]),
        (&"no/such%20file".into(), &"%SRCROOT%".into())
    );
    assert!(run["originalUriBaseIds"]["%SRCROOT%"]["uri"].as_str().unwrap().ends_with('/'));
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
    }
    for rule in rules {
        for part in
            ["/shortDescription/text", "/fullDescription/text", "/help/text", "/help/markdown"]
        {
            let text = rule.pointer(part).and_then(Value::as_str).unwrap();
            assert!(!text.is_empty() && text.len() < 1024, "{part} of {}", rule["id"]);
        }
        let secure = rule["properties"]["tags"].as_array().unwrap().contains(&"security".into());
        assert_eq!(secure, rule["properties"]["security-severity"].is_string(), "{}", rule["id"]);
    }
    assert!(rules.iter().any(|rule| rule["properties"]["security-severity"].is_string()));
    let fine: Value =
        serde_json::from_slice(&crate::coord::run(&["check", "--format", "sarif"], b"").stdout)
            .unwrap();
    assert_eq!(fine["runs"][0]["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn the_worst_severity_counts_whatever_is_shown() {
    for name in ["human", "json", "sarif", "github", "line", "summary"] {
        let args = ["check", "--max-findings", "0", "--format", name, "examples/events.log"];
        assert_eq!(run(&args, b"").status.code(), Some(1), "{name}");
    }
    let text = out(&run(&["check", "--max-findings", "0", "examples/events.log"], b""));
    assert!(text.contains("3 valid, 4 deviating, 2 invalid"), "{text}");
}

#[test]
fn the_readme_shows_what_the_program_says() {
    let shown = include_str!("../../README.md");
    let files = ["examples/events.log", "examples/command.md"];
    let said = out(&run(&["check", files[0], files[1]], b""));
    assert!(said.lines().count() > 20, "{said}");
    let summary: Vec<&str> = said.lines().rev().take(2).collect();
    for line in
        summary.into_iter().chain(said.lines().filter(|line| line.contains("out-of-range]")))
    {
        assert!(shown.contains(line), "the README does not show {line:?}");
    }
}
