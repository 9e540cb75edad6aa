//! Where the file of a project is, and which processes of the machine are alive.

use crate::support::Folder;
use coordination_protocol::adapter::sqlite::{
    FILE_NAME, MachineClock, PROJECT_FOLDER, ProcessIdentity, locate,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder whose path has no links in it, with folders and files below.
fn tree(folder: &Folder, folders: &[&str], files: &[(&str, &str)]) -> PathBuf {
    for name in folders {
        fs::create_dir_all(folder.0.join(name)).unwrap();
    }
    for (name, text) in files {
        let path = folder.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::canonicalize(&folder.0).unwrap()
}

fn below(top: &Path) -> PathBuf {
    top.join(PROJECT_FOLDER).join(FILE_NAME)
}

const FILE: &str = ".claude/data/coord.sqlite";

#[test]
fn the_nearest_file_is_found_upwards() {
    let folder = Folder::new();
    let files = [(&*format!("a/{FILE}"), ""), (&*format!("a/b/c/{FILE}"), "")];
    let root = tree(&folder, &["a/b/c/d", "a/b/.git", "a/x"], &files);
    for (start, found) in [("a/b/c/d", "a/b/c"), ("a/b/c", "a/b/c"), ("a/b", "a"), ("a/x", "a")] {
        assert_eq!(locate(&root.join(start), None).unwrap(), below(&root.join(found)), "{start}");
    }
    // A folder of the name is no file.
    fs::create_dir_all(below(&root.join("a/x"))).unwrap();
    assert_eq!(locate(&root.join("a/x"), None).unwrap(), below(&root.join("a")));
}

#[test]
fn without_a_file_it_is_at_the_top_of_the_repository() {
    let folder = Folder::new();
    let submodule = [("a/sub/.git", "gitdir: ../.git/modules/sub\n")];
    let root = tree(&folder, &["a/.git", "a/b/c", "a/sub/d"], &submodule);
    for (start, top) in [("a/b/c", "a"), ("a", "a"), ("a/sub/d", "a/sub")] {
        assert_eq!(locate(&root.join(start), None).unwrap(), below(&root.join(top)), "{start}");
    }
    #[cfg(unix)]
    {
        // By a link, it is where the folder really is.
        std::os::unix::fs::symlink(root.join("a/b"), root.join("link")).unwrap();
        assert_eq!(locate(&root.join("link/c"), None).unwrap(), below(&root.join("a")));
    }
}

#[test]
fn outside_of_a_repository_there_is_none() {
    let folder = Folder::new();
    let root = tree(&folder, &["home/me/x", "home/me/.git"], &[(&format!("home/{FILE}"), "")]);
    // The search ends below home: neither its file nor its repository is taken, nor what is above.
    let home = root.join("home/me");
    let error = locate(&home.join("x"), Some(&home)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "neither {} nor a folder above it has `.claude/data/coord.sqlite` or is a git repository; \
             make one with `coord bus init`, or name the file",
            home.join("x").display()
        )
    );
    assert_eq!((error.code(), error.is_transient()), ("no-project", false));
    // In home itself it is what was asked for.
    assert_eq!(locate(&home, Some(&home)).unwrap(), below(&home));
    assert_eq!(locate(&home.join("x"), None).unwrap(), below(&root.join("home")));
    let missing = locate(&root.join("not-there"), None).unwrap_err();
    assert_eq!(missing.code(), "unavailable");
    assert!(missing.to_string().contains("cannot look in"), "{missing}");
}

#[test]
fn a_linked_worktree_shares_the_file_of_the_main_one() {
    let folder = Folder::new();
    let root = tree(&folder, &["main/.git/worktrees/w", "main/src", "w/src", "moved"], &[]);
    let absolute = format!("gitdir: {}\n", root.join("main/.git/worktrees/w").display());
    for line in [absolute.as_str(), "gitdir: ../main/.git/worktrees/w"] {
        fs::write(root.join("w/.git"), line).unwrap();
        for start in ["w", "w/src", "main/src"] {
            let found = locate(&root.join(start), None).unwrap();
            assert_eq!(found, below(&root.join("main")), "{start}: {line}");
        }
    }
    // Its own file, checked in by mistake, is not taken; one further down is.
    tree(&folder, &[], &[(&format!("w/{FILE}"), ""), (&format!("w/src/{FILE}"), "")]);
    assert_eq!(locate(&root.join("w"), None).unwrap(), below(&root.join("main")));
    assert_eq!(locate(&root.join("w/src"), None).unwrap(), below(&root.join("w/src")));
    // One whose repository is gone is on its own, and so is one that names nonsense, or itself.
    for line in ["gitdir: /nowhere/.git/worktrees/w", "gitdir:", "", "gitdir: x/.git/worktrees/w"] {
        fs::write(root.join("moved/.git"), line).unwrap();
        assert_eq!(
            locate(&root.join("moved"), None).unwrap(),
            below(&root.join("moved")),
            "{line}"
        );
    }
    fs::create_dir_all(root.join("loop/a")).unwrap();
    fs::write(root.join("loop/.git"), "gitdir: a/../.git/worktrees/w").unwrap();
    assert_eq!(locate(&root.join("loop"), None).unwrap(), below(&root.join("loop")));
}

/// What git itself makes of a worktree, where there is git.
#[test]
fn a_worktree_of_git_is_told_apart() {
    let folder = Folder::new();
    let root = tree(&folder, &["main"], &[]);
    let git = |args: &[&str]| {
        Command::new("git")
            .current_dir(root.join("main"))
            .args(["-c", "user.name=t", "-c", "user.email=t@t"])
            .args(args)
            .env_remove("GIT_DIR")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !git(&["init"]) {
        return;
    }
    assert!(git(&["commit", "--allow-empty", "-m", "x"]));
    assert!(git(&["worktree", "add", "../linked"]));
    assert_eq!(locate(&root.join("linked"), None).unwrap(), below(&root.join("main")));
}

#[test]
fn all_processes_see_one_clock() {
    let clock = MachineClock::new();
    let mut last = clock.at();
    for _ in 0..1_000 {
        let now = clock.now();
        assert!(now.at >= last);
        last = now.at;
    }
    #[cfg(target_os = "linux")]
    {
        // What the machine says of itself, in seconds since its start; it may count sleep as well.
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        assert!(clock.at().as_nanos() as f64 / 1e9 < uptime + 5.0);
        assert_eq!(clock.boot_id().len(), 36);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_is_alive_until_it_has_ended() {
    let me = ProcessIdentity::current();
    assert!(me.is_alive() && me.started > 0 && me.namespace > 0);
    assert_eq!(me.to_string().parse(), Ok(me.clone()));
    // The same number, started at another time; another start of the machine.
    let mut other = me.clone();
    other.started += 1;
    assert!(!other.is_alive());
    let mut before = me.clone();
    before.boot_id = "96a5be9d-0000-0000-0000-000000000000".to_owned();
    assert!(!before.is_alive());

    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let mut identity = me.clone();
    identity.pid = child.id();
    identity.started = 0;
    assert!(identity.is_alive());
    child.kill().unwrap();
    // Ended, and not yet waited for.
    while identity.is_alive() {
        std::thread::yield_now();
    }
    assert!(Path::new(&format!("/proc/{}/stat", child.id())).exists());
    child.wait().unwrap();
    assert!(!identity.is_alive());
    for text in ["", "1", "1/2/3", "x/1/2/b", "1/x/2/b", "-1/1/2/b"] {
        let error = text.parse::<ProcessIdentity>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a process is named by PID/STARTED/NAMESPACE/BOOT_ID",
            "{text}"
        );
    }
    let slashes: ProcessIdentity = "1/2/3/a/b".parse().unwrap();
    assert_eq!((slashes.pid, slashes.started, slashes.namespace), (1, 2, 3));
    assert_eq!(slashes.boot_id, "a/b");
}
