//! `coord check` over files as they lie in folders: names, kinds, encodings, ignore rules.

use crate::coord::{err, out};
use crate::support::Folder;
use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

const GOOD: &str = "TASK_TIMEOUT:wf_001:build:{\"task_id\":\"t1\",\"agent_id\":\"a1\",\"timeout_duration\":\"15m\"}\n";

/// Runs `coord` in a folder, with nothing on standard input.
fn coord_in(folder: &Folder, args: &[impl AsRef<OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coord"));
    command.args(args).current_dir(&folder.0).stdin(Stdio::null()).env_remove("NO_COLOR");
    command.output().unwrap()
}

/// A name need not be text, and shows nothing raw.
#[cfg(target_os = "linux")]
#[test]
fn a_file_may_have_any_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let odd = OsStr::from_bytes(b"odd\xff\x1b[31m.log");
    std::fs::write(folder.0.join(odd), GOOD).unwrap();
    folder.write("good.log", GOOD);
    let args = [
        OsStr::new("check"),
        OsStr::new("--format"),
        OsStr::new("json"),
        odd,
        OsStr::new("no\u{202e}ne.log"),
        OsStr::new("good.log"),
    ];
    let output = coord_in(&folder, &args);
    assert_eq!(output.status.code(), Some(2), "one of them is not there");
    let sources: Vec<String> = out(&output)
        .lines()
        .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap())
        .map(|row| row["source"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sources, [r"odd\xff\u{1b}[31m.log", "good.log"]);
    assert_eq!(
        err(&output),
        "coord: cannot read no\\u{202e}ne.log: No such file or directory (os error 2)\n"
    );
}
