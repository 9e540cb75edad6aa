//! A message as it is printed.

use crate::output::{Lines, Print};
use crate::subject::Subject;
use coordination_protocol::Json;
use coordination_protocol::bus::{Delivery, Position};
use coordination_protocol::json::Kind;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

/// A message, and where it stands.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    position: String,
    attempt: u32,
    message: Json,
    #[serde(skip)]
    text: Cow<'a, str>,
}

impl<'a> Row<'a> {
    pub(crate) fn new(delivery: &'a Delivery) -> Self {
        let mut row = Row::of(delivery.position, &delivery.data);
        row.attempt = delivery.attempt;
        row
    }

    /// A message that was read for the first time.
    pub(crate) fn of(position: Position, data: &'a [u8]) -> Self {
        let mut text = String::from_utf8_lossy(data);
        let object = text.parse::<Json>().ok().filter(|json| json.kind() == Kind::Object);
        // One line a message, whoever published it.
        if text.contains(['\n', '\r']) {
            text = Cow::Owned(match &object {
                Some(json) => json.as_str().to_owned(),
                None => Subject::on_one_line(&text),
            });
        }
        Row {
            position: position.to_string(),
            attempt: 1,
            message: object.unwrap_or_else(|| Json::text(&text)),
            text,
        }
    }
}

impl Print for Row<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        out.line(&self.text)
    }

    fn record(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.text)
    }
}

/// Messages that are gone.
#[derive(Serialize)]
pub(super) struct GapRow {
    pub(super) gap: Gap,
}

#[derive(Serialize)]
pub(super) struct Gap {
    pub(super) from: String,
    pub(super) to: String,
}

impl Print for GapRow {
    fn human(&self, _: &mut Lines<'_>) -> io::Result<()> {
        Ok(())
    }
}
