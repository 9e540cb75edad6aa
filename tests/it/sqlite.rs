//! The `SQLite` file: the conformance kit, many processes and kills, a full disk, damaged files.

use crate::support::{Folder, Rng, scaled};
use coordination_protocol::adapter::sqlite::{FILE_NAME, Sqlite, SqliteOptions, Synchronous};
use coordination_protocol::storage::{
    Bounds, Engine as _, Expect, Journal, Key, Log, NewRecord, StorageError, Store, StoreScan,
    block_on,
};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

impl Folder {
    fn file(&self) -> PathBuf {
        self.0.join(FILE_NAME)
    }

    fn open(&self) -> Sqlite {
        Sqlite::open_in(&self.0, &options()).unwrap()
    }
}

/// Kills, not power failures, are what these tests make.
fn options() -> SqliteOptions {
    SqliteOptions::new("test").with_synchronous(Synchronous::Normal)
}

fn key(id: &str) -> Key {
    Key::of([id]).unwrap()
}

#[cfg(feature = "conformance")]
#[test]
fn it_passes_the_kit() {
    use coordination_protocol::conformance::{self, engine, journal, store};
    let folder = Folder::new();
    let mut number = 0;
    // Small pages, so that the cases about their limits need not write tens of thousands of values.
    use coordination_protocol::storage::StorageLimits;
    let limits = StorageLimits::default().with_value_bytes(1 << 16).with_page(300, 1 << 18);
    let mut fresh = || {
        number += 1;
        let options = options().with_limits(limits);
        Sqlite::open(folder.0.join(format!("{number}.sqlite")), &options).unwrap()
    };
    block_on(async {
        conformance::run(&store::cases(), &mut fresh).await.into_result()?;
        let damage = |file: &Sqlite, key: &Key| {
            let sql = "UPDATE entry SET value = x'ff' WHERE key = ?1";
            let raw = rusqlite::Connection::open(file.path()).unwrap();
            assert_eq!(raw.execute(sql, [key.as_str()]), Ok(1));
        };
        let cases = store::damage_cases();
        conformance::run(&cases, || (fresh(), damage)).await.into_result()?;
        for log in Log::ALL {
            conformance::run(&journal::cases(), || fresh().log(log)).await.into_result()?;
        }
        conformance::run(&engine::cases(), &mut fresh).await.into_result()
    })
    .unwrap_or_else(|failures| panic!("{failures}"));
}

#[test]
fn everything_is_there_after_reopening() {
    let folder = Folder::new();
    block_on(async {
        let file = Sqlite::open_in(folder.0.join("a/b"), &SqliteOptions::new("test")).unwrap();
        assert_eq!(file.path(), folder.0.join("a/b").join("coord.sqlite"));
        let revision = file.put(&key("a"), b"1", Expect::Absent).await.unwrap();
        file.append(&["x", "y"]).await.unwrap();
        file.move_cursor(&key("c"), None, 2).await.unwrap();
        let other = file.clone();
        drop(file);
        other.trim(2).await.unwrap();
        drop(other);
        // The last one to close leaves a single file.
        assert_eq!(fs::read_dir(folder.0.join("a/b")).unwrap().count(), 1);

        let file = Sqlite::open_in(folder.0.join("a/b"), &SqliteOptions::new("test")).unwrap();
        let entry = file.get(&key("a")).await.unwrap().unwrap();
        assert_eq!((&*entry.value, entry.revision), (&b"1"[..], revision));
        assert!(file.put(&key("b"), b"", Expect::Any).await.unwrap() > revision);
        assert_eq!(file.bounds().await.unwrap(), Bounds::new(2, 3));
        assert_eq!(file.cursor(&key("c")).await.unwrap(), Some(2));
        let report = file.check().await.unwrap();
        assert_eq!((report.entries, report.records, report.problems.len()), (2, 1, 0));
    });
}

#[test]
fn many_open_a_new_file_at_once() {
    for _ in 0..scaled(5) {
        let folder = Folder::new();
        let path = folder.file();
        let threads: Vec<_> = (0..6)
            .map(|who| {
                let path = path.clone();
                std::thread::spawn(move || {
                    let file = Sqlite::open(path, &options()).unwrap();
                    block_on(file.append(&[format!("{who}")])).unwrap();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let report = block_on(folder.open().check()).unwrap();
        assert_eq!((report.records, report.problems.len()), (6, 0));
    }
}

/// The part of the kill test that is killed: writes, and says what was acknowledged.
#[test]
#[ignore = "started by acknowledged_writes_survive_kills"]
fn a_process_that_writes() {
    let Ok(path) = std::env::var("COORD_TEST_FILE") else { return };
    let me = std::process::id();
    let options = options().with_lock_timeout(Duration::from_secs(60));
    let file = Sqlite::open(path, &options).unwrap();
    let mut rng = Rng::new(u64::from(me));
    block_on(async {
        for round in 0_u64.. {
            let name = format!("count{}", rng.below(4));
            let (count, revision) = loop {
                let found = file.get(&key(&name)).await.unwrap();
                let (count, expect) = found.map_or((0, Expect::Absent), |entry| {
                    let text = String::from_utf8(entry.value.to_vec()).unwrap();
                    (text.parse::<u64>().unwrap(), Expect::Revision(entry.revision))
                });
                let next = (count + 1).to_string();
                match file.put(&key(&name), next.as_bytes(), expect).await {
                    Ok(revision) => break (count + 1, revision),
                    Err(StorageError::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            };
            let batch: Vec<String> = (0..3).map(|part| format!("{me} {round} {part}")).collect();
            let range = file.append(&batch).await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "ack {name} {count} {revision} {me} {round} {}", range.start).unwrap();
            out.flush().unwrap();
        }
    });
}

struct Process {
    child: Child,
    acknowledged: JoinHandle<Vec<String>>,
}

impl Process {
    fn start(path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite::a_process_that_writes", "--ignored", "--nocapture"])
            .env("COORD_TEST_FILE", path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let acknowledged = std::thread::spawn(move || {
            let mut lines = Vec::new();
            for line in out.split(b'\n').map(Result::unwrap) {
                let line = String::from_utf8(line).unwrap();
                // The runner's own words may stand before ours. A line that was cut has fewer.
                if let Some(at) = line.find("ack ")
                    && line[at..].split(' ').count() == 7
                {
                    lines.push(line[at..].to_owned());
                }
            }
            lines
        });
        Process { child, acknowledged }
    }

    /// SIGKILL; returns what had been acknowledged.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "it ended before it was killed: {status}");
        let mut lines = self.acknowledged.join().unwrap();
        // The last line may lack its last digits.
        lines.pop();
        lines
    }
}

#[test]
fn acknowledged_writes_survive_kills() {
    let folder = Folder::new();
    let path = folder.file();
    let mut rng = Rng::new(9);
    let mut running: Vec<Process> = (0..8).map(|_| Process::start(&path)).collect();
    let mut acknowledged = Vec::new();
    let mut started = 8;
    for _ in 0..scaled(40) {
        std::thread::sleep(Duration::from_millis(rng.below(80) as u64));
        let victim = running.swap_remove(rng.below(running.len()));
        acknowledged.extend(victim.kill());
        running.push(Process::start(&path));
        started += 1;
    }
    std::thread::sleep(Duration::from_millis(300));
    for process in running {
        acknowledged.extend(process.kill());
    }
    assert!(acknowledged.len() > scaled(40), "{} writes", acknowledged.len());

    let file = folder.open();
    let report = block_on(file.check()).unwrap();
    assert_eq!(report.problems, [""; 0]);
    let mut records = Vec::new();
    while let Some(record) = {
        let more = block_on(file.read(records.len() as u64 + 1, 10_000)).unwrap();
        let next = more.first().cloned();
        records.extend(
            more.into_iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()),
        );
        next
    } {
        assert!(record.position <= records.len() as u64);
    }
    assert_eq!(block_on(file.bounds()).unwrap(), Bounds::new(1, records.len() as u64 + 1));

    // Every batch is whole, and every process's batches follow each other.
    let mut rounds: BTreeMap<&str, u64> = BTreeMap::new();
    for batch in records.chunks(3) {
        let words: Vec<&str> = batch[0].split(' ').collect();
        let round = rounds.entry(words[0]).or_default();
        for (part, record) in batch.iter().enumerate() {
            assert_eq!(*record, format!("{} {round} {part}", words[0]));
        }
        *round += 1;
    }

    // Every acknowledged write is there, and no two were given the same version.
    let mut revisions = BTreeSet::new();
    let mut counts = BTreeSet::new();
    let last: BTreeMap<String, (u64, u64)> = block_on(file.scan(&StoreScan::new("count")))
        .unwrap()
        .entries
        .into_iter()
        .map(|entry| {
            let count = String::from_utf8(entry.value.to_vec()).unwrap().parse().unwrap();
            (entry.key.to_string(), (count, entry.revision))
        })
        .collect();
    for line in &acknowledged {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, name, count, revision, process, round, position] = words[..] else {
            panic!("{line}");
        };
        let (count, revision): (u64, u64) = (count.parse().unwrap(), revision.parse().unwrap());
        assert!(revisions.insert(revision), "{line}");
        assert!(counts.insert((name, count)), "{line}");
        assert!(count <= last[name].0 && revision <= last[name].1, "{line}");
        let position: usize = position.parse().unwrap();
        assert_eq!(records[position - 1], format!("{process} {round} 0"));
    }
    // Each increment took one revision, so none was skipped and none was lost.
    let total: u64 = last.values().map(|(count, _)| count).sum();
    let highest = last.values().map(|(_, revision)| *revision).max().unwrap();
    assert_eq!(total, highest);
    assert_eq!(block_on(file.put(&key("end"), b"", Expect::Any)).unwrap(), highest + 1);
    // At most one increment of each process was on its way, and its line cut.
    assert!(total <= acknowledged.len() as u64 + 2 * started, "{total}");
}

#[test]
fn a_follower_sees_what_another_process_appends() {
    let folder = Folder::new();
    let file = folder.open();
    let process = Process::start(&folder.file());
    let mut at = 1;
    for _ in 0..20 {
        at = block_on(file.wait(at)).unwrap();
    }
    process.kill();
    assert!(block_on(file.bounds()).unwrap().next >= at);
}

#[test]
fn waits_are_woken_dropped_and_ended() {
    let folder = Folder::new();
    let (file, other) = (folder.open(), folder.open());
    let threads: Vec<_> = (1..=4)
        .map(|from| {
            let file = file.clone();
            std::thread::spawn(move || block_on(file.wait(from)).unwrap())
        })
        .collect();
    {
        let mut given_up = Box::pin(file.wait(1));
        let mut context = Context::from_waker(Waker::noop());
        assert!(given_up.as_mut().poll(&mut context).is_pending());
    }
    // Through the same handle, and through another one as if from another process.
    block_on(file.append(&["a", "b"])).unwrap();
    block_on(other.append(&["c", "d"])).unwrap();
    for (from, thread) in (1..).zip(threads) {
        assert!(thread.join().unwrap() > from);
    }
}

#[test]
fn a_lock_timeout_says_how_long_and_who() {
    let folder = Folder::new();
    let timeout = Duration::from_millis(30);
    let file = Sqlite::open(folder.file(), &options().with_lock_timeout(timeout)).unwrap();
    let blocker = Connection::open(folder.file()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = block_on(file.append(&["x"])).unwrap_err();
    let StorageError::Busy { waited, writer: None } = &error else { panic!("{error:?}") };
    assert!(*waited >= timeout);
    blocker.execute_batch("ROLLBACK").unwrap();

    let hub = SqliteOptions::new("hub").with_synchronous(Synchronous::Normal);
    let other = Sqlite::open(folder.file(), &hub).unwrap();
    block_on(other.append(&["x"])).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = block_on(file.put(&key("a"), b"", Expect::Any)).unwrap_err();
    let StorageError::Busy { waited, writer: Some(writer) } = &error else { panic!("{error:?}") };
    assert_eq!(*writer, format!("hub (pid {})", std::process::id()));
    assert_eq!(
        error.to_string(),
        format!("the store was locked for {} ms; `{writer}` wrote last", waited.as_millis())
    );
    // Readers are not in anybody's way.
    assert_eq!(block_on(file.bounds()).unwrap(), Bounds::new(1, 2));
    blocker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(block_on(file.put(&key("a"), b"", Expect::Any)).unwrap(), 1);
}

#[cfg(unix)]
#[test]
fn a_stopped_writer_is_named() {
    let signal = |process: &Process, name: &str| {
        let number = process.child.id().to_string();
        assert!(Command::new("kill").args([name, &number]).status().unwrap().success());
    };
    let folder = Folder::new();
    let timeout = Duration::from_millis(40);
    let file = Sqlite::open(folder.file(), &options().with_lock_timeout(timeout)).unwrap();
    let process = Process::start(&folder.file());
    block_on(file.wait(1)).unwrap();
    // It writes all the time, so sooner or later it is stopped while it holds the lock.
    let error = loop {
        signal(&process, "-STOP");
        match block_on(file.append(&["x"])) {
            Err(error) => break error,
            Ok(_) => signal(&process, "-CONT"),
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let StorageError::Busy { waited, writer: Some(writer) } = &error else { panic!("{error:?}") };
    assert!(*waited >= timeout);
    // Our own last write may be the last that was committed.
    let names = [process.child.id(), std::process::id()].map(|id| format!("test (pid {id})"));
    assert!(names.contains(writer), "{writer}");
    assert!(error.is_transient() && block_on(file.bounds()).is_ok());
    // No one who is stopped for good stands in the way for good.
    process.kill();
    block_on(file.append(&["x"])).unwrap();
    assert_eq!(block_on(file.check()).unwrap().problems, [""; 0]);
}

/// Opens the file, writes once, and ends.
#[test]
#[ignore = "started by processes_migrate_a_file_at_once"]
fn a_process_that_opens() {
    let Ok(path) = std::env::var("COORD_TEST_FILE") else { return };
    let file = Sqlite::open(path, &options()).unwrap();
    block_on(file.append(&[std::process::id().to_string()])).unwrap();
}

#[test]
fn processes_migrate_a_file_at_once() {
    for _ in 0..scaled(2) {
        let folder = Folder::new();
        Connection::open(folder.file()).unwrap().execute_batch(FIRST_SCHEMA).unwrap();
        let processes: Vec<Child> = (0..5)
            .map(|_| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "sqlite::a_process_that_opens", "--ignored"])
                    .env("COORD_TEST_FILE", folder.file())
                    .stdout(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for mut process in processes {
            assert!(process.wait().unwrap().success());
        }
        let file = folder.open();
        let report = block_on(file.check()).unwrap();
        assert_eq!((report.records, report.problems.len()), (5, 0));
        assert_eq!(block_on(file.put(&key("a"), b"", Expect::Any)).unwrap(), 42);
    }
}

#[test]
fn too_many_waiting_writes_are_refused() {
    let folder = Folder::new();
    let file = Sqlite::open(folder.file(), &options().with_max_waiting(1)).unwrap();
    let blocker = Connection::open(folder.file()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let (batch, mut waiting) = (["x"], Vec::new());
    let error = loop {
        let mut append = Box::pin(file.append(&batch));
        match append.as_mut().poll(&mut context) {
            Poll::Pending => waiting.push(append),
            Poll::Ready(result) => break result.unwrap_err(),
        }
    };
    assert_eq!(error, StorageError::Overloaded { limit: 1 });
    blocker.execute_batch("ROLLBACK").unwrap();
    let accepted = waiting.len() as u64;
    let positions: BTreeSet<u64> =
        waiting.into_iter().map(|append| block_on(append).unwrap().start).collect();
    assert_eq!(positions, (1..=accepted).collect());
}

/// Two futures at once: both have begun before either is waited for. Either may be ready at its first
/// poll, when the other thread is quick.
async fn both<F: Future + Unpin>(futures: [F; 2]) -> [F::Output; 2] {
    let mut running = futures.map(|future| (future, None));
    poll_fn(|context| {
        for (future, output) in &mut running {
            if output.is_none()
                && let Poll::Ready(value) = Pin::new(future).poll(context)
            {
                *output = Some(value);
            }
        }
        if running.iter().all(|(_, output)| output.is_some()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    running.map(|(_, output)| output.expect("both are ready"))
}

#[test]
fn a_full_file_refuses_and_loses_nothing() {
    let folder = Folder::new();
    let options = options().with_max_bytes(256 << 10);
    let file = Sqlite::open(folder.file(), &options).unwrap();
    block_on(async {
        let mut written = 0;
        let error = loop {
            match file.append(&[vec![b'x'; 2_000], vec![b'y'; 2_000]]).await {
                Ok(range) => written = range.end - 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "the store is full: database or disk is full");
        assert!(written > 50, "{written}");
        let full = file.put(&key("a"), &[0; 10_000], Expect::Any).await.unwrap_err();
        assert_eq!(full.code(), "full");
        assert_eq!(file.bounds().await.unwrap(), Bounds::new(1, written + 1));
        let report = file.check().await.unwrap();
        assert_eq!((report.records, report.problems), (written, Vec::new()));

        // Trimming makes room, and what was trimmed stays trimmed.
        assert_eq!(file.trim(written - 3).await.unwrap(), written - 4);
        assert_eq!(file.append(&["z"]).await.unwrap(), written + 1..written + 2);
        // One that does not fit does not take its neighbours with it.
        let large = vec![0; 300 << 10];
        let (fits, too_large) = (key("fits"), key("large"));
        let [fits, too_large] = both([
            Box::pin(file.put(&fits, b"1", Expect::Absent)),
            Box::pin(file.put(&too_large, &large, Expect::Absent)),
        ])
        .await;
        assert!(fits.is_ok());
        assert_eq!(too_large.unwrap_err().code(), "full");
        assert_eq!(file.check().await.unwrap().problems, [""; 0]);
    });
}

/// A small file system of its own, where this process may mount one.
struct Small(Folder);

impl Small {
    fn mount(bytes: u64) -> Option<Self> {
        let folder = Folder::new();
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder.0);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Small(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0.0).status();
    }
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let Some(disk) = Small::mount(2 << 20) else {
        eprintln!(
            "no file system may be mounted here; `a_full_file_refuses_and_loses_nothing` stands in"
        );
        return;
    };
    block_on(async {
        let file = disk.0.open();
        let filler = disk.0.write("filler", vec![0; 512 << 10]);
        let mut written = Vec::new();
        for round in 0..4 {
            let error = loop {
                let text = format!("{round} {}", written.len()).repeat(100);
                match file.append(&[&text]).await {
                    Ok(range) => {
                        assert_eq!(range.start, written.len() as u64 + 1);
                        written.push(text);
                    }
                    Err(error) => break error,
                }
            };
            assert_eq!(error.code(), "full", "{error}");
            assert_eq!(file.bounds().await.unwrap(), Bounds::new(1, written.len() as u64 + 1));
            // Room on the disk is all it takes to go on.
            if round == 0 {
                fs::remove_file(&filler).unwrap();
            }
        }
        assert!(written.len() > 200, "{}", written.len());
        drop(file);
        let file = disk.0.open();
        assert_eq!(file.check().await.unwrap().problems, [""; 0]);
        let records = file.read(1, 10_000).await.unwrap();
        assert!(
            records.iter().map(|record| &*record.data).eq(written.iter().map(|t| t.as_bytes()))
        );
        // A copy that does not fit is an error and leaves nothing.
        let error = file.backup(disk.0.0.join("copy")).await.unwrap_err();
        assert_eq!(error.code(), "full", "{error}");
        let names = fs::read_dir(&disk.0.0).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| name.to_string_lossy().starts_with(FILE_NAME)));
    });
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = Folder::new();
    let open = |name: &str| Sqlite::open(folder.0.join(name), &options()).map(drop);
    let path = |name: &str| folder.0.join(name).display().to_string();

    fs::write(
        folder.0.join("text"),
        "this is not a database, but long enough to be one".repeat(99),
    )
    .unwrap();
    let damaged = open("text").unwrap_err();
    assert_eq!(
        damaged.to_string(),
        format!("the store is damaged: {}: file is not a database", path("text"))
    );
    // What `SQLite` itself said is kept, also in the crate's one error.
    let source = |error: &dyn std::error::Error| error.source().map(ToString::to_string);
    assert_eq!(source(&damaged).as_deref(), Some("file is not a database"));
    let one = coordination_protocol::error::Error::from(damaged);
    assert_eq!(source(&one).as_deref(), Some("file is not a database"));
    let foreign = Connection::open(folder.0.join("foreign")).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert_eq!(
        open("foreign").unwrap_err().to_string(),
        format!(
            "this is not a store that can be used: {}: it is the database of another program",
            path("foreign")
        )
    );
    open("newer").unwrap();
    let newer = Connection::open(folder.0.join("newer")).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    assert_eq!(
        open("newer").unwrap_err().to_string(),
        format!(
            "this is not a store that can be used: {}: its schema version is 99, \
             this program knows 4",
            path("newer")
        )
    );
    let missing = Sqlite::open(folder.0.join("missing"), &options().with_create(false));
    assert_eq!(missing.unwrap_err().code(), "unavailable");
    assert!(!folder.0.join("missing").exists());
    fs::create_dir(folder.0.join("folder")).unwrap();
    assert_eq!(open("folder").unwrap_err().code(), "unavailable");
    assert_eq!(open("text/below").unwrap_err().code(), "unavailable");
    // What was refused was not touched.
    let tables = "SELECT count(*) FROM sqlite_schema";
    assert_eq!(foreign.query_row(tables, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

const FIRST_SCHEMA: &str = "
    CREATE TABLE state (
      id INTEGER PRIMARY KEY CHECK (id = 0), revision INTEGER NOT NULL, writer TEXT NOT NULL
    ) STRICT;
    INSERT INTO state VALUES (0, 41, 'old (pid 1)');
    CREATE TABLE entry (
      key TEXT PRIMARY KEY, revision INTEGER NOT NULL, checksum INTEGER NOT NULL,
      value BLOB NOT NULL
    ) STRICT;
    PRAGMA application_id = 0x636f6f72;
    PRAGMA user_version = 1;";

#[test]
fn a_file_of_the_first_schema_gets_a_journal() {
    let folder = Folder::new();
    let old = Connection::open(folder.file()).unwrap();
    old.execute_batch(FIRST_SCHEMA).unwrap();
    drop(old);
    for revision in 42..45 {
        let file = folder.open();
        assert_eq!(block_on(file.put(&key("a"), b"", Expect::Any)).unwrap(), revision);
        assert_eq!(block_on(file.append(&["x"])).unwrap().start, revision - 41);
        assert_eq!(block_on(file.check()).unwrap().problems, [""; 0]);
    }
}

#[test]
fn a_backup_is_whole_while_others_write() {
    let folder = Folder::new();
    let file = folder.open();
    let writer = {
        let file = file.clone();
        std::thread::spawn(move || {
            for round in 0..200_u64 {
                block_on(file.append(&[format!("{round} a"), format!("{round} b")])).unwrap();
            }
        })
    };
    let mut last = 0;
    for number in 0..5 {
        let target = folder.0.join(format!("backup-{number}"));
        block_on(file.backup(&target)).unwrap();
        let copy = Sqlite::open(&target, &options()).unwrap();
        let report = block_on(copy.check()).unwrap();
        assert_eq!((report.problems.len(), report.records % 2), (0, 0));
        assert!(report.records >= last);
        last = report.records;
    }
    writer.join().unwrap();
    let target = folder.0.join("backup-0");
    let before = fs::read(&target).unwrap();
    let refused = block_on(file.backup(&target)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "the store is not available: cannot back up to {}: there is a file already",
            target.display()
        )
    );
    assert_eq!(fs::read(&target).unwrap(), before);
    assert_eq!(block_on(file.backup(folder.0.join("no/such"))).unwrap_err().code(), "unavailable");
    let left = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().ends_with(".part")));
}

/// The values as records, in three lanes and in none.
fn records(values: &[Vec<u8>]) -> Vec<NewRecord> {
    let record = |(number, value): (usize, &Vec<u8>)| {
        let record = NewRecord::new(value.as_slice());
        match number % 4 {
            3 => record,
            lane => {
                let record = record.in_lane(key(&format!("lane{lane}")));
                record.with_id(format!("id{number}")).with_subject("subject")
            }
        }
    };
    values.iter().enumerate().map(record).collect()
}

/// A closed file with values of many sizes, its bytes, and what it holds.
fn sample(folder: &Folder) -> (Vec<u8>, Vec<Vec<u8>>) {
    let file = folder.open();
    let values: Vec<Vec<u8>> = (0..60_u8).map(|n| vec![n; usize::from(n) * 97 % 6_000]).collect();
    block_on(async {
        for (number, value) in values.iter().enumerate() {
            file.put(&key(&number.to_string()), value, Expect::Absent).await.unwrap();
        }
        file.append_records(&records(&values), &[]).await.unwrap();
        file.move_cursor(&key("reader"), None, 30).await.unwrap();
    });
    drop(file);
    (fs::read(folder.file()).unwrap(), values)
}

/// Reads all of a damaged file: whatever comes is right, and if anything is missing or refused, it
/// is seen. Tells whether all was there.
fn survey(folder: &Folder, values: &[Vec<u8>], case: &str) -> bool {
    let file = match Sqlite::open(folder.file(), &options()) {
        Ok(file) => file,
        Err(error) => {
            let known = ["corrupt", "unsupported", "unavailable"].contains(&error.code());
            assert!(known, "{case}: {error}");
            return false;
        }
    };
    let mut whole = true;
    let mut wrong = |what: String, error: &StorageError| {
        let known =
            ["corrupt", "damaged", "damaged-record", "unavailable", "trimmed", "out-of-range"];
        let known = known.contains(&error.code());
        assert!(known, "{case}: {what}: {error}");
        whole = false;
    };
    let mut absent = 0;
    let records = records(values);
    for lane in 0..3_u64 {
        match block_on(file.lane_end(&key(&format!("lane{lane}")))) {
            Ok(Some(last)) => assert_eq!(last, 57 + lane, "{case}: lane {lane}"),
            Ok(None) => absent += 1,
            Err(error) => wrong(format!("lane {lane}"), &error),
        }
    }
    for (number, value) in values.iter().enumerate() {
        match block_on(file.get(&key(&number.to_string()))) {
            Ok(Some(entry)) => assert_eq!(*entry.value, **value, "{case}: key {number}"),
            Ok(None) => absent += 1,
            Err(error) => wrong(format!("key {number}"), &error),
        }
        match block_on(file.read(number as u64 + 1, 1)) {
            Ok(found) if found.is_empty() => absent += 1,
            Ok(found) => {
                let expected = records[number].clone().at(number as u64 + 1);
                assert_eq!(found, [expected], "{case}: record {number}");
            }
            Err(error) => wrong(format!("record {number}"), &error),
        }
    }
    match block_on(file.cursor(&key("reader"))) {
        Ok(Some(position)) => assert_eq!(position, 30, "{case}"),
        Ok(None) => absent += 1,
        Err(error) => wrong("cursor".to_owned(), &error),
    }
    let problems = match block_on(file.check()) {
        Ok(report) => report.problems,
        Err(error) => vec![error.to_string()],
    };
    if !whole || absent > 0 {
        assert!(!problems.is_empty(), "{case}: damage that the check does not see");
    }
    whole && absent == 0 && problems.is_empty()
}

#[test]
fn a_truncated_file_is_seen() {
    let folder = Folder::new();
    let (bytes, values) = sample(&folder);
    let mut rng = Rng::new(3);
    assert!(survey(&folder, &values, "whole"));
    for _ in 0..scaled(30) {
        let length = 1 + rng.below(bytes.len() - 1);
        fs::write(folder.file(), &bytes[..length]).unwrap();
        assert!(!survey(&folder, &values, &format!("cut to {length}")));
    }
}

#[test]
fn flipped_bits_are_seen() {
    let folder = Folder::new();
    let (bytes, values) = sample(&folder);
    let mut rng = Rng::new(4);
    let mut unharmed = 0;
    let cases = scaled(120);
    for _ in 0..cases {
        let (at, bit) = (rng.below(bytes.len()), rng.below(8));
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        for neighbour in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.0.join(format!("{FILE_NAME}{neighbour}")));
        }
        fs::write(folder.file(), &flipped).unwrap();
        // A bit in unused space harms nothing.
        unharmed += usize::from(survey(&folder, &values, &format!("bit {bit} of byte {at}")));
    }
    assert!(unharmed < cases / 2, "{unharmed} of {cases} flips were not seen");
}
