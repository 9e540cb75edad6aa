//! A gateway: reads event lines and JSON documents from standard input, checks each, hands on what is
//! accepted, and keeps what is not as dead letters in an SQLite file, each with what is wrong with it.
//!
//! Run it with `cargo run --example gateway --features sqlite -- letters.db < records.txt`.

use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
use coordination_protocol::message::DeadLetter;
use coordination_protocol::route::RouteKey;
use coordination_protocol::scalar::WallTime;
use coordination_protocol::storage::block_on;
use coordination_protocol::storage::view::DeadLetters;
use coordination_protocol::validate::{Gate, Validator};
use coordination_protocol::{Codec, Mode};
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;

/// Takes records until the input ends, and returns how many were accepted and how many were not.
pub(crate) fn run(
    input: impl BufRead,
    mut out: impl Write,
    letters: &Path,
    clock: impl Fn() -> WallTime,
) -> Result<(usize, usize), Box<dyn Error>> {
    let letters = DeadLetters::new(Sqlite::open(letters, &SqliteOptions::new("gateway"))?);
    let mut gate = Gate::new(Validator::new(Mode::Strict));
    let (mut accepted, mut refused) = (0, 0);
    // A gateway stands behind a pipe: a record is taken when it is complete, not when the next one comes.
    let mut records = Codec::new(Mode::Strict).records(input).live();
    while let Some(record) = records.next_record()? {
        let now = clock();
        match gate.accept(record.bytes, now, None) {
            Ok(message) => {
                accepted += 1;
                let key = RouteKey::of(&message).map_or("-".to_owned(), |key| key.to_string());
                writeln!(out, "line {}: {key}", record.line)?;
            }
            Err(report) => {
                refused += 1;
                let letter = DeadLetter::of(record.bytes, &report, now);
                let added = block_on(letters.add_letter(letter, now))?;
                writeln!(out, "line {}: {} is {}", record.line, report, added.letter.key)?;
            }
        }
    }
    Ok((accepted, refused))
}

#[allow(dead_code, reason = "tests call `run`")]
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let letters = std::env::args().nth(1).ok_or("usage: gateway LETTERS.db < RECORDS")?;
    // The program has a clock; the library is told the time.
    #[allow(clippy::disallowed_methods)]
    let clock = || std::time::SystemTime::now().into();
    let (accepted, refused) = run(io::stdin().lock(), io::stdout(), letters.as_ref(), clock)?;
    eprintln!("{accepted} accepted, {refused} refused");
    Ok(())
}
