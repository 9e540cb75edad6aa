//! What is made for other tools: hooks, workflows, editors.

use crate::coord::{err, out, run};
use serde_json::Value;

fn file(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The command lines of a text that call `coord`, up to what the shell does with them.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let calls = text.lines().filter_map(|line| {
        let (_, command) = line.split_once(": coord ")?;
        Some(command.split(' ').take_while(|word| !word.starts_with(['>', '|'])).collect())
    });
    calls.collect()
}

#[test]
fn the_problem_matcher_reads_what_check_prints() {
    let tasks: Value = serde_json::from_str(&file("examples/tools/tasks.json")).unwrap();
    let task = &tasks["tasks"][0];
    let args: Vec<&str> =
        task["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    let mut args = args.clone();
    assert_eq!(args.pop(), Some("."));
    args.push("examples/events.log");
    let printed = out(&run(&args, b""));
    let pattern = &task["problemMatcher"]["pattern"];
    let regex = regex::Regex::new(pattern["regexp"].as_str().unwrap()).unwrap();
    let group = |name: &str| pattern[name].as_u64().unwrap() as usize;
    let found: Vec<(String, u64, u64, String, String)> = printed
        .lines()
        .filter_map(|line| regex.captures(line))
        .map(|groups| {
            let text = |name: &str| groups[group(name)].to_owned();
            let number = |name: &str| groups[group(name)].parse().unwrap();
            (text("file"), number("line"), number("column"), text("severity"), text("code"))
        })
        .collect();
    assert!(
        found.contains(&(
            "examples/events.log".to_owned(),
            9,
            67,
            "error".to_owned(),
            "out-of-range".to_owned()
        )),
        "{found:?} in {printed}"
    );
    assert_eq!(found.len(), printed.lines().filter(|line| line.contains('[')).count(), "{printed}");
}

#[test]
fn hooks_and_workflows_call_what_there_is() {
    let (hooks, workflow) = (file(".pre-commit-hooks.yaml"), file("examples/tools/check.yml"));
    let (hooks, workflow) = (commands(&hooks), commands(&workflow));
    assert_eq!((hooks.len(), workflow.len()), (1, 2), "{hooks:?} {workflow:?}");
    for command in hooks.iter().chain(&workflow) {
        let read = run(&[command, &["--help"][..]].concat(), b"");
        assert_eq!(read.status.code(), Some(0), "{command:?}: {}", err(&read));
    }
    // The names of files that the hook is given are those that `check` reads.
    let hook = file(".pre-commit-hooks.yaml");
    let files = hook.lines().find_map(|line| line.trim().strip_prefix("files: ")).unwrap();
    let files = regex::Regex::new(files).unwrap();
    for name in [
        "a.md", "b/c.mdx", "d.sh", "e.bash", "f.zsh", "g.json", "h.jsonl", "i.log", "j.yml",
        "k.yaml",
    ] {
        assert!(files.is_match(name), "{name}");
    }
    assert!(!files.is_match("a.rs"));
}
