//! Changes of a log, inside a transaction that others may share.

use super::changes::Changes;
use super::error::from_sqlite;
use super::operations::{
    self, Result, checksum, cursor, lane_sum, names, number, position_of, record_sum,
};
use super::statements::Statements;
use crate::storage::{
    Appended, Bounds, Key, LaneEnd, LaneForm, Log, NewRecord, StorageError, lanes_open,
};
use rusqlite::{CachedStatement, Connection, params};
use std::collections::{BTreeSet, HashMap};

/// How many ends of lanes are kept in memory at most.
// More are written before the end: a load of any size needs little memory.
pub(super) const LANES_KEPT: usize = 4_096;

/// Where a lane ends inside a transaction.
#[derive(Clone, Copy)]
pub(super) struct LaneState {
    pub(super) last: Option<u64>,
    ended: bool,
    /// Whether the file does not know it yet.
    moved: bool,
}

/// What an open transaction knows of a log.
pub(super) struct LogState {
    bounds: Bounds,
    /// The ends of lanes that were asked for or moved: a transaction writes each once, however many
    /// batches it holds.
    pub(super) lanes: HashMap<Key, LaneState>,
    /// Lanes whose ends are lost, so that they are found anew from their records.
    lost: BTreeSet<String>,
    /// How the index of ids is made that was dropped.
    index: Option<String>,
}

impl LogState {
    pub(super) fn new(bounds: Bounds) -> Self {
        LogState { bounds, lanes: HashMap::new(), lost: BTreeSet::new(), index: None }
    }
}

impl Changes<'_> {
    const fn log(&mut self, log: Log) -> &mut LogState {
        &mut self.logs[log as usize]
    }

    pub(super) const fn bounds(&self, log: Log) -> Bounds {
        self.logs[log as usize].bounds
    }

    /// Starts a log that has no records at a position.
    pub(super) fn start_at(&mut self, log: Log, first: u64) {
        self.log(log).bounds = Bounds::new(first, first);
        self.changed = true;
    }

    /// Writes what all changes of a log share, before the commit.
    pub(super) fn finish_log(&mut self, log: Log) -> Result<()> {
        self.write_lanes(log)?;
        self.find_lost_lanes(log)?;
        if let Some(sql) = self.log(log).index.take() {
            self.connection.execute_batch(&sql).map_err(from_sqlite)?;
        }
        Ok(())
    }

    /// Appends records if their lanes are as expected, and they do not stand there already.
    pub(super) fn append(
        &mut self,
        log: Log,
        records: &[NewRecord],
        expected: &[LaneEnd],
    ) -> Result<Appended> {
        let appended = self.admit(log, records, expected)?;
        self.advance(log, records, &appended)?;
        Ok(appended)
    }

    /// Why a batch is refused, unless it stands there already: by its lanes alone.
    fn refusal(
        &mut self,
        log: Log,
        records: &[NewRecord],
        expected: &[LaneEnd],
    ) -> Result<Option<StorageError>> {
        // Where lanes do not end, records without expectation cost no look at their lanes.
        if log.lanes() == LaneForm::Ended {
            let mut ending: HashMap<&Key, u64> = HashMap::new();
            for (position, record) in (self.bounds(log).next..).zip(records) {
                let Some(lane) = &record.lane else { continue };
                let before = self.lane(log, lane)?;
                let before = before.last.filter(|_| before.ended);
                if let Some(last) = before.or_else(|| ending.get(lane).copied()) {
                    return Ok(Some(StorageError::LaneEnded { lane: lane.clone(), last }));
                }
                if record.ends_lane {
                    ending.insert(lane, position);
                }
            }
        }
        for end in expected {
            let found = self.lane(log, &end.lane)?.last;
            if let Err(moved) = end.check(found) {
                return Ok(Some(moved));
            }
        }
        Ok(None)
    }

    /// Puts records into their table, which a refusal takes out again. They count only after
    /// [`advance`](Self::advance).
    pub(super) fn admit(
        &mut self,
        log: Log,
        records: &[NewRecord],
        expected: &[LaneEnd],
    ) -> Result<Appended> {
        if let Some(refusal) = self.refusal(log, records, expected)? {
            // By the writer itself, which did not learn of it?
            return self.repeated(log, records)?.ok_or(refusal);
        }
        // Positions are counted here and not by an autoincrement column: they must have no gap, not
        // even after a rollback.
        let first = self.bounds(log).next;
        let appended = Appended::new(first..first + records.len() as u64);
        let mut insert = Insert::new(self.connection, log);
        for (position, record) in (first..).zip(records) {
            // The index of ids finds what stands there already, so a new record costs no look-up.
            let error = match insert.record(position, record) {
                Ok(()) => continue,
                Err(error) => error,
            };
            drop(insert);
            self.withdraw(log, &appended)?;
            let Some((lane, id)) = record.identity().filter(|_| is_unique_violation(&error)) else {
                return Err(from_sqlite(error));
            };
            if position == first
                && let Some(repeated) = self.repeated(log, records)?
            {
                return Ok(repeated);
            }
            let found = position_of(self.connection, log, lane, id)?;
            return Err(StorageError::duplicate_id(lane, id, found));
        }
        Ok(appended)
    }

    /// Takes admitted records out again.
    pub(super) fn withdraw(&self, log: Log, appended: &Appended) -> Result<()> {
        if appended.repeated || appended.positions.is_empty() {
            return Ok(());
        }
        let first = appended.positions.start.cast_signed();
        self.execute(Statements::of(log).delete_from, [first]).map(drop)
    }

    /// Counts admitted records, and moves their lanes.
    pub(super) fn advance(
        &mut self,
        log: Log,
        records: &[NewRecord],
        appended: &Appended,
    ) -> Result<()> {
        if appended.repeated || records.is_empty() {
            return Ok(());
        }
        self.log(log).bounds.next = appended.positions.end;
        self.appended = true;
        for (position, record) in appended.positions.clone().zip(records) {
            if let Some(lane) = &record.lane {
                self.move_lane(log, lane, position, record.ends_lane)?;
            }
        }
        Ok(())
    }

    pub(super) fn insert_record(&self, log: Log, position: u64, record: &NewRecord) -> Result<()> {
        Insert::new(self.connection, log).record(position, record).map_err(from_sqlite)
    }

    /// Where a batch stands already, if its first record does.
    fn repeated(&self, log: Log, records: &[NewRecord]) -> Result<Option<Appended>> {
        let Some((lane, id)) = records.first().and_then(NewRecord::identity) else {
            return Ok(None);
        };
        let Some(first) = position_of(self.connection, log, lane, id)? else { return Ok(None) };
        for (position, record) in (first..).zip(records) {
            let stands = match record.identity() {
                Some((lane, id)) => position_of(self.connection, log, lane, id)? == Some(position),
                None => position < self.bounds(log).next,
            };
            // Another batch that has the id of this one.
            if !stands {
                return Err(StorageError::duplicate_id(lane, id, Some(first)));
            }
        }
        Ok(Some(Appended::repeated(first, records.len())))
    }

    /// Where a lane ends now.
    pub(super) fn lane(&mut self, log: Log, lane: &Key) -> Result<LaneState> {
        if let Some(state) = self.log(log).lanes.get(lane) {
            return Ok(*state);
        }
        let found = operations::lane(self.connection, log, lane)?;
        let (last, ended) = found.map_or((None, false), |kept| (Some(kept.last), kept.ended));
        let state = LaneState { last, ended, moved: false };
        self.keep_lane(log, lane, state)?;
        Ok(state)
    }

    /// Notes where a lane ends now.
    pub(super) fn move_lane(&mut self, log: Log, lane: &Key, last: u64, ended: bool) -> Result<()> {
        let state = LaneState { last: Some(last), ended, moved: true };
        match self.log(log).lanes.get_mut(lane) {
            Some(kept) => *kept = state,
            None => self.keep_lane(log, lane, state)?,
        }
        Ok(())
    }

    fn keep_lane(&mut self, log: Log, lane: &Key, state: LaneState) -> Result<()> {
        if self.log(log).lanes.len() >= LANES_KEPT {
            self.write_lanes(log)?;
        }
        self.log(log).lanes.insert(lane.clone(), state);
        Ok(())
    }

    fn write_lanes(&mut self, log: Log) -> Result<()> {
        for (lane, state) in std::mem::take(&mut self.log(log).lanes) {
            if let LaneState { last: Some(last), moved: true, ended } = state {
                self.set_lane(log, lane.as_str(), last, ended)?;
            }
        }
        Ok(())
    }

    fn set_lane(&self, log: Log, lane: &str, last: u64, ended: bool) -> Result<()> {
        let sum = lane_sum(lane, last, ended);
        let sql = Statements::of(log).set_lane;
        self.execute(sql, params![lane, last.cast_signed(), sum, ended]).map(drop)
    }

    pub(super) fn forget_lanes(&mut self, log: Log) -> Result<u64> {
        self.write_lanes(log)?;
        let first = self.bounds(log).first.cast_signed();
        Ok(self.execute(Statements::of(log).forget_lanes, [first])? as u64)
    }

    /// Removes the end of a lane, which is found again from its records.
    pub(super) fn lose_lane(&mut self, log: Log, name: &str) -> Result<()> {
        self.execute(Statements::of(log).delete_lane, [name])?;
        self.log(log).lost.insert(name.to_owned());
        Ok(())
    }

    /// One look at all records, and only after damage.
    fn find_lost_lanes(&mut self, log: Log) -> Result<()> {
        let mut lost = std::mem::take(&mut self.log(log).lost);
        if lost.is_empty() {
            return Ok(());
        }
        let sql = Statements::of(log).last_records;
        let mut statement = self.connection.prepare(sql).map_err(from_sqlite)?;
        let mut rows = statement.query([]).map_err(from_sqlite)?;
        while let Some(row) = rows.next().map_err(from_sqlite)? {
            let lane = row.get_ref(0).map_err(from_sqlite)?.as_str().unwrap_or_default();
            if lost.remove(lane) {
                let read = || Ok((number(row, 1)?, row.get::<_, i64>(2)? != 0));
                let (position, ends) = read().map_err(from_sqlite)?;
                self.set_lane(log, lane, position, ends)?;
            }
        }
        // Where lanes end, one whose records were all trimmed has ended. That it was there has to stay
        // known: it must not begin anew.
        let first = self.bounds(log).first;
        if log.lanes() == LaneForm::Ended && first > 1 {
            for lane in lost.iter().filter(|lane| Key::parse(lane).is_ok()) {
                self.set_lane(log, lane, first - 1, true)?;
            }
        }
        Ok(())
    }

    /// The index may name a damaged row by other names than the row itself, so it is in the way of the
    /// removal. It is made anew before the commit.
    pub(super) fn drop_record_index(&mut self, log: Log) -> Result<()> {
        if self.log(log).index.is_none() {
            let index = Statements::of(log).index;
            let sql = "SELECT sql FROM sqlite_schema WHERE name = ?1";
            let found =
                self.connection.query_row(sql, [index], |row| row.get(0)).map_err(from_sqlite)?;
            let drop = format!("DROP INDEX {index}");
            self.connection.execute_batch(&drop).map_err(from_sqlite)?;
            self.log(log).index = Some(found);
        }
        Ok(())
    }

    pub(super) fn trim(&mut self, log: Log, before: u64, named: usize) -> Result<u64> {
        let bounds = self.bounds(log);
        if before <= bounds.first {
            return Ok(0);
        }
        bounds.check(before)?;
        if log.lanes() == LaneForm::Ended {
            self.write_lanes(log)?;
            // What a writer has to expect must be told by a record while the lane is open.
            let open = operations::open_lanes_before(self.connection, log, before)?;
            if !open.is_empty() {
                return Err(lanes_open(before, open, named));
            }
        }
        let gone = self.execute(Statements::of(log).delete_before, [before.cast_signed()])?;
        // Remembered in the file, because an empty table would start again at 1.
        self.log(log).bounds.first = before;
        self.changed = true;
        Ok(gone as u64)
    }

    pub(super) fn move_cursor(
        &self,
        log: Log,
        name: &Key,
        expected: Option<u64>,
        to: u64,
    ) -> Result<()> {
        let found = cursor(self.connection, log, name)?;
        if found != expected {
            return Err(StorageError::CursorMoved { name: name.clone(), expected, found });
        }
        // A cursor outside the journal would skip records without anyone noticing.
        self.bounds(log).check(to)?;
        self.set_cursor(log, name, to)
    }

    /// Puts a cursor anywhere: trimming may have left it behind.
    pub(super) fn set_cursor(&self, log: Log, name: &Key, position: u64) -> Result<()> {
        let sum = checksum(name.as_str().as_bytes(), position, &[]);
        let sql = Statements::of(log).set_cursor;
        self.execute(sql, params![name.as_str(), position.cast_signed(), sum]).map(drop)
    }

    /// Removes a cursor, whatever its name looks like, and tells how many there were.
    pub(super) fn remove_cursor(&self, log: Log, name: &str) -> Result<u64> {
        Ok(self.execute(Statements::of(log).delete_cursor, [name])? as u64)
    }
}

/// The statements that add records, each looked up once for a batch, and room for their names.
struct Insert<'c> {
    connection: &'c Connection,
    log: Log,
    plain: Option<CachedStatement<'c>>,
    named: Option<CachedStatement<'c>>,
    text: Vec<u8>,
}

impl<'c> Insert<'c> {
    const fn new(connection: &'c Connection, log: Log) -> Self {
        Insert { connection, log, plain: None, named: None, text: Vec::new() }
    }

    fn record(&mut self, position: u64, record: &NewRecord) -> rusqlite::Result<()> {
        let names = names(record);
        let (bytes, ends) = (names.map(|name| name.map(str::as_bytes)), record.ends_lane);
        let sum = record_sum(&mut self.text, bytes, ends, position, &record.data);
        let (position, data) = (position.cast_signed(), &*record.data);
        let Statements { insert, insert_plain, .. } = Statements::of(self.log);
        // What has no names binds none.
        if names == [None; 3] && !ends {
            let statement = prepared(&mut self.plain, self.connection, insert_plain)?;
            return statement.execute(params![position, sum, data]).map(drop);
        }
        let statement = prepared(&mut self.named, self.connection, insert)?;
        let [lane, id, subject] = names;
        statement.execute(params![position, sum, data, lane, id, subject, ends]).map(drop)
    }
}

fn prepared<'s, 'c>(
    statement: &'s mut Option<CachedStatement<'c>>,
    connection: &'c Connection,
    sql: &str,
) -> rusqlite::Result<&'s mut CachedStatement<'c>> {
    match statement {
        Some(statement) => Ok(statement),
        None => Ok(statement.insert(connection.prepare_cached(sql)?)),
    }
}

/// Whether a row has the lane and the id of another one.
fn is_unique_violation(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(error, _)
        if error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}
