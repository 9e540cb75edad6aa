//! The same statements by hand: same tables, settings, batches and cached statements, one thread,
//! a checksum column that is written and read but means nothing.

use rusqlite::{Connection, params};
use std::path::Path;

pub struct Raw(Connection);

impl Raw {
    pub fn open(path: &Path, synchronous: &str) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        connection.pragma_update(None, "synchronous", synchronous).unwrap();
        connection.pragma_update(None, "cell_size_check", true).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE record (
                   position INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, data BLOB NOT NULL,
                   lane TEXT, id TEXT, subject TEXT, ends INTEGER NOT NULL DEFAULT 0
                 ) STRICT;
                 CREATE UNIQUE INDEX record_id ON record (lane, id) WHERE id IS NOT NULL;",
            )
            .unwrap();
        Raw(connection)
    }

    pub fn append(&self, next: &mut i64, batch: &[Vec<u8>]) {
        let run = |sql: &str| self.0.prepare_cached(sql).unwrap().execute([]).unwrap();
        run("BEGIN IMMEDIATE");
        {
            let sql = "INSERT INTO record (position, checksum, data) VALUES (?1, ?2, ?3)";
            let mut statement = self.0.prepare_cached(sql).unwrap();
            for data in batch {
                statement.execute(params![*next, *next ^ 0x5bd1_e995_1234_5678, data]).unwrap();
                *next += 1;
            }
        }
        run("COMMIT");
    }

    /// All records from a position on, a page at a time, each copied.
    pub fn read(&self, from: i64, limit: usize) -> Vec<(i64, Vec<u8>)> {
        let sql = "SELECT position, checksum, data FROM record WHERE position >= ?1 ORDER BY position LIMIT ?2";
        let mut statement = self.0.prepare_cached(sql).unwrap();
        let mut rows = statement.query([from, limit as i64]).unwrap();
        let mut found = Vec::with_capacity(limit);
        let mut sums = 0_i64;
        while let Some(row) = rows.next().unwrap() {
            sums ^= row.get::<_, i64>(1).unwrap();
            let data = row.get_ref(2).unwrap().as_blob().unwrap().to_vec();
            found.push((row.get(0).unwrap(), data));
        }
        std::hint::black_box(sums);
        found
    }
}
