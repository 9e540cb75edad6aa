//! The statements of a publisher by hand: the same tables, indexes, settings and records a transaction, one
//! thread.

use rusqlite::{Connection, params};
use std::path::Path;

/// The tables that one message changes.
pub const TABLES: &str = "
    CREATE TABLE record (
      position INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, data BLOB NOT NULL,
      lane TEXT, id TEXT, subject TEXT
    ) STRICT;
    CREATE UNIQUE INDEX record_id ON record (lane, id) WHERE id IS NOT NULL;
    CREATE TABLE lane (
      name TEXT PRIMARY KEY, last INTEGER NOT NULL, checksum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

pub struct Raw {
    connection: Connection,
    next: i64,
}

/// What a client writes.
fn envelope(number: i64) -> (String, String) {
    let id = format!("msg_{number:026}");
    let text = format!(
        r#"{{"message_id":"{id}","timestamp":"2025-01-15T12:00:00.000Z","source":"bench","event":{{"event_type":"TASK_COMPLETED","workflow_id":"wf_{}","phase":"build","data":{{"task_id":"task_{number}","agent_id":"agent_003","duration":"4m 12s","results":{{"files":3}}}}}}}}"#,
        number % 16,
    );
    (id, text)
}

impl Raw {
    pub fn open(path: &Path, synchronous: &str) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        connection.pragma_update(None, "synchronous", synchronous).unwrap();
        connection.pragma_update(None, "cell_size_check", true).unwrap();
        connection.execute_batch(TABLES).unwrap();
        Raw { connection, next: 1 }
    }

    pub fn append(&mut self, count: usize) {
        let run = |sql: &str| self.connection.prepare_cached(sql).unwrap().execute([]).unwrap();
        run("BEGIN IMMEDIATE");
        {
            let sql = "INSERT INTO record (position, checksum, data, lane, id, subject) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let mut record = self.connection.prepare_cached(sql).unwrap();
            let sql = "INSERT INTO lane (name, last, checksum) VALUES (?1, ?2, ?3)
                       ON CONFLICT (name) DO UPDATE SET last = excluded.last, checksum = excluded.checksum";
            let mut lane = self.connection.prepare_cached(sql).unwrap();
            for _ in 0..count {
                let (id, text) = envelope(self.next);
                let name = format!("workflow/wf_{}", self.next % 16);
                let subject = format!("task.wf_{}.completed", self.next % 16);
                let sum = self.next ^ 0x5bd1_e995_1234_5678;
                record
                    .execute(params![self.next, sum, text.as_bytes(), name, id, subject])
                    .unwrap();
                lane.execute(params![name, self.next, sum]).unwrap();
                self.next += 1;
            }
        }
        run("COMMIT");
    }
}
