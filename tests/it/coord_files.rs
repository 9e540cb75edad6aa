//! What `coord` writes: whole files or none, secrets for their owner only, and names taken as names.

use crate::coord::{coord, err, out, run};
use crate::support::Folder;
use std::fs;

fn names(folder: &Folder) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

const KEYGEN: [&str; 6] = ["keygen", "--id", "k", "--owner", "hub", "--seed"];

fn keygen(seed: &str) -> std::process::Output {
    run(&[&KEYGEN[..], &[seed]].concat(), b"")
}

#[test]
fn a_seed_is_for_its_owner_and_never_replaced() {
    let folder = Folder::new();
    let seed = folder.path("hub.seed");
    assert_eq!(keygen(&seed).status.code(), Some(0));
    let first = fs::read_to_string(&seed).unwrap();
    assert_eq!((first.len(), first.ends_with('\n')), (65, true));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&seed).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = keygen(&seed);
    assert_eq!((again.status.code(), out(&again).as_str()), (Some(4), ""));
    assert!(err(&again).ends_with("it is there already; name a new file\n"), "{}", err(&again));
    assert_eq!(fs::read_to_string(&seed).unwrap(), first);
    assert_eq!(names(&folder), ["hub.seed"]);
}

#[test]
fn a_dash_is_standard_input_or_output_or_refused_and_never_a_file() {
    let folder = Folder::new();
    let inside = |args: &[&str], input: &str| {
        use std::io::Write as _;
        let mut child = coord(args)
            .current_dir(&folder.0)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    let refused = inside(&[&KEYGEN[..], &["-"]].concat(), "");
    assert_eq!((refused.status.code(), out(&refused).as_str()), (Some(2), ""));
    assert!(err(&refused).starts_with("coord: --seed -: standard output has the public key;"));
    assert_eq!(names(&folder), Vec::<String>::new());

    assert_eq!(keygen(&folder.path("seed")).status.code(), Some(0));
    let seed = fs::read_to_string(folder.path("seed")).unwrap();
    let message = r#"{"source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    folder.write("message.json", message);
    let by_file = inside(&["sign", "--id", "k", "--seed", "seed", "message.json"], "");
    let by_input = inside(&["sign", "--id", "k", "--seed", "-", "message.json"], &seed);
    assert_eq!((by_input.status.code(), out(&by_input)), (Some(0), out(&by_file)));
    let both = inside(&["sign", "--id", "k", "--seed", "-"], &seed);
    assert_eq!(both.status.code(), Some(2));
    assert!(err(&both).contains("standard input has the messages"), "{}", err(&both));
    for short in ["", "\n", "abc", &seed[..60], &format!("{}00", seed.trim())] {
        let bad = inside(&["sign", "--id", "k", "--seed", "-", "message.json"], short);
        assert_eq!((bad.status.code(), out(&bad).as_str()), (Some(2), ""), "{short:?}");
        assert!(err(&bad).starts_with("coord: <stdin>: "), "{}", err(&bad));
        assert!(short.trim().len() < 3 || !err(&bad).contains(short.trim()), "it is not repeated");
    }

    folder.write("a.json", r#"{"a":1}"#);
    let merged = inside(&["state", "merge", "a.json", "a.json", "a.json", "-o", "-"], "");
    assert_eq!((merged.status.code(), out(&merged).as_str()), (Some(0), "{\"a\":1}\n"));
    let read = inside(&["state", "merge", "a.json", "-", "a.json"], r#"{"a":2}"#);
    assert_eq!((read.status.code(), out(&read).as_str()), (Some(0), "{\"a\":2}\n"));
    for args in [
        &["check", "--permissions", "-", "message.json"][..],
        &["check", "--keys", "-", "message.json"],
        &["verify", "--keys", "-", "message.json"],
        &["deprecations", "--calendar", "-"],
        &["state", "merge", "a.json", "a.json", "a.json", "--policy", "-"],
        &["negotiate", "current", "@-"],
        &["store", "backup", "-"],
    ] {
        let done = inside(args, "");
        assert!(matches!(done.status.code(), Some(0..=5)), "{args:?}");
        assert!(!err(&done).contains("No such file"), "{args:?}: {}", err(&done));
    }
    assert!(!names(&folder).contains(&"-".to_owned()), "{:?}", names(&folder));
}

#[test]
fn a_merge_replaces_a_file_only_if_it_is_told_to() {
    let folder = Folder::new();
    let base = folder.write("base.json", r#"{"a":1}"#);
    let theirs = folder.write("theirs.json", r#"{"a":2}"#);
    let to = folder.path("merged.json");
    let merge = |more: &[&str]| {
        run(&[&["state", "merge", &base, &base, &theirs, "-o", &to][..], more].concat(), b"")
    };
    assert_eq!(merge(&[]).status.code(), Some(0));
    assert_eq!(fs::read_to_string(&to).unwrap(), "{\"a\":2}\n");
    fs::write(&to, "mine").unwrap();
    let refused = merge(&[]);
    assert_eq!(refused.status.code(), Some(4));
    assert_eq!(
        err(&refused),
        format!("coord: cannot write {to}: it is there already; --force replaces it\n")
    );
    assert_eq!(fs::read_to_string(&to).unwrap(), "mine");
    assert_eq!(merge(&["--force"]).status.code(), Some(0));
    assert_eq!(fs::read_to_string(&to).unwrap(), "{\"a\":2}\n");
    assert_eq!(names(&folder), ["base.json", "merged.json", "theirs.json"]);
    #[cfg(unix)]
    {
        // A device is written to, and stays one.
        let args = ["state", "merge", &base, &base, &theirs, "-o", "/dev/null"];
        assert_eq!(run(&args, b"").status.code(), Some(0));
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}

/// Runs a command line of a shell, in which `coord` is the program.
#[cfg(unix)]
fn shell(folder: &Folder, script: &str) -> std::process::Output {
    let script = format!("coord() {{ {} \"$@\"; }}; {script}", env!("CARGO_BIN_EXE_coord"));
    std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(&folder.0)
        .output()
        .unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let folder = Folder::new();
    // Standard output is full: the key would be of no use.
    let full = shell(&folder, "coord keygen --id k --owner hub --seed seed > /dev/full");
    assert_eq!(full.status.code(), Some(2));
    assert!(err(&full).contains("no key was made: No space left on device"), "{}", err(&full));
    assert_eq!(names(&folder), Vec::<String>::new());
    // No process reads it.
    let closed =
        shell(&folder, "{ coord keygen --id k --owner hub --seed seed; echo $? >&2; } | true");
    assert!(names(&folder).is_empty() || err(&closed).ends_with("0\n"), "{}", err(&closed));
    let _ = fs::remove_file(folder.path("seed"));

    // The file is full: no file may be longer than nothing. The system sends a signal that ends whoever
    // does not handle it.
    let none = "ulimit -f 0;";
    let full = shell(
        &folder,
        &format!(
            "{none} coord keygen --id k --owner hub --seed seed | cat; exit ${{PIPESTATUS[0]}}"
        ),
    );
    assert_eq!((full.status.code(), out(&full).as_str()), (Some(4), ""), "{}", err(&full));
    assert!(err(&full).starts_with("coord: cannot write seed: "), "{}", err(&full));
    assert_eq!(names(&folder), Vec::<String>::new());

    folder.write("a.json", r#"{"a":1}"#);
    folder.write("kept.json", "kept");
    let state = r#"{"workflow_state":{"workflow_id":"wf_1","state_version":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    let put = run(&["state", "put", "--root", &folder.path("data")], state.as_bytes());
    assert_eq!(put.status.code(), Some(0), "{}", err(&put));
    let line = r#"{"priority":"high","checkpoint_sync":{"checkpoint_id":"c1","state_version":3}}"#;
    folder.write("records.json", line);
    let before = names(&folder);
    for args in [
        "state merge a.json a.json a.json -o new.json",
        "state merge a.json a.json a.json -o kept.json --force",
        "store export export.jsonl --root data",
        "store backup copy.sqlite --root data",
        "man --out .",
        "migrate --from 1.1.0 --to 1.0.0 records.json",
    ] {
        let full = shell(&folder, &format!("{none} coord {args}"));
        assert_eq!(full.status.code(), Some(4), "{args}: {} {}", out(&full), err(&full));
        assert_eq!(names(&folder), before, "{args}");
        assert_eq!(fs::read_to_string(folder.path("kept.json")).unwrap(), "kept");
        assert_eq!(fs::read_to_string(folder.path("records.json")).unwrap(), line);
    }
    // What only prints tells it, too.
    for args in
        ["compat", "explain", "registry", "schema envelope", "check a.json", "man", "--help"]
    {
        let full = shell(&folder, &format!("coord {args} > /dev/full"));
        assert_eq!(full.status.code(), Some(4), "{args}: {}", err(&full));
        assert!(err(&full).contains("No space left on device"), "{args}: {}", err(&full));
    }
}

#[test]
fn a_root_is_the_name_of_a_folder_whatever_it_looks_like() {
    let folder = Folder::new();
    let state = r#"{"workflow_state":{"workflow_id":"wf_1","state_version":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    let at = |root: &str, args: &[&str]| {
        use std::io::Write as _;
        let mut child = coord(args)
            .current_dir(&folder.0)
            .arg(format!("--root={root}"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(state.as_bytes());
        child.wait_with_output().unwrap()
    };
    for root in [
        "file:data",
        "file:data?mode=memory",
        "file:other?mode=ro&cache=shared",
        ":memory:",
        "a?b#c%41d",
        "--verbose",
        "file::memory:",
        "-",
        "with space",
    ] {
        let put = at(root, &["state", "put"]);
        assert_eq!(put.status.code(), Some(0), "{root}: {}", err(&put));
        assert!(folder.0.join(root).join("coord.sqlite").is_file(), "{root}: {:?}", names(&folder));
        let shown = at(root, &["state", "show"]);
        assert_eq!(shown.status.code(), Some(0), "{root}: {}", err(&shown));
        assert!(out(&shown).starts_with("wf_1  version 1"), "{root}");
        let copy = format!("{root}.copy");
        let backup = at(root, &["store", "backup", "--", &copy]);
        // The option of the root stands behind the mark that ends options here.
        assert_eq!(backup.status.code(), Some(2), "{root}: {}", err(&backup));
        let backup = coord(&["store", "backup", &format!("--root={root}"), "--", &copy])
            .current_dir(&folder.0)
            .output()
            .unwrap();
        assert_eq!(backup.status.code(), Some(0), "{root}: {}", err(&backup));
        assert!(folder.0.join(&copy).is_file(), "{root}: {:?}", names(&folder));
    }
    assert!(!folder.0.join("data").exists() && !folder.0.join("other").exists());
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let folder = Folder::new();
    let show = |value: &str| {
        let mut command = coord(&["state", "show"]);
        let output = command.current_dir(&folder.0).env("COORD_ROOT", value).output().unwrap();
        (output.status.code(), err(&output))
    };
    let unset = (
        Some(4),
        "coord: there is no store at .claude/data/coord.sqlite; name its folder with --root\n"
            .to_owned(),
    );
    assert_eq!(show(""), unset);
    assert_eq!(show(".claude/data"), unset);
    assert!(show("elsewhere").1.contains("no store at elsewhere/coord.sqlite"));
    let given = run(&["state", "show", "--root", ""], b"");
    assert_eq!(given.status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_write_leaves_nothing_behind() {
    use std::os::unix::process::ExitStatusExt as _;
    let folder = Folder::new();
    let root = folder.path("data");
    for number in 0..8 {
        let state = format!(
            "{{\"workflow_state\":{{\"workflow_id\":\"wf_{number}\",\"state_version\":1,\"timestamp\":\"2025-01-15T12:00:00Z\",\"x\":\"{}\"}}}}",
            "x".repeat(4 << 20)
        );
        let put = run(&["state", "put", "--root", &root], state.as_bytes());
        assert_eq!(put.status.code(), Some(0), "{}", err(&put));
    }
    let to = folder.path("export.jsonl");
    for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
        let mut child = coord(&["store", "export", &to, "--root", &root]).spawn().unwrap();
        while names(&folder).len() == 1 {
            assert!(child.try_wait().unwrap().is_none(), "it ended before anything was seen");
        }
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().signal(), Some(number), "it was at its end already");
        assert_eq!(names(&folder), ["data"]);
    }
}
