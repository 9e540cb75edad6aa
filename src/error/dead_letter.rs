//! The letter about what could not be read.

use super::IntoReport as _;
use crate::finding::Report;
use crate::json::Json;
use crate::message::DeadLetter;
use crate::scalar::{Count, TextEncoding, Timestamp, WallTime};
use base64ct::{Base64, Encoding as _};

impl DeadLetter {
    /// The letter about a record that was refused, with what was found in it: one attempt, given up
    /// now. The bytes are kept as they came, in Base64 where they are no UTF-8.
    ///
    /// ```
    /// use coordination_protocol::{Codec, Mode};
    /// use coordination_protocol::message::DeadLetter;
    /// use coordination_protocol::scalar::{TextEncoding, WallTime};
    ///
    /// let bytes = b"PHASE_STARTED:wf_001:build:{\"phase_id\":\xff}";
    /// let report = Codec::new(Mode::Strict).check_bytes(bytes).report;
    /// let letter = DeadLetter::of(bytes, &report, WallTime::from(1_736_942_400_000));
    /// assert_eq!(letter.encoding, Some(TextEncoding::Base64));
    /// assert!(letter.reason.contains("UTF-8"), "{}", letter.reason);
    /// ```
    pub fn of(record: &[u8], report: &Report, now: impl Into<WallTime>) -> Self {
        let findings = report.findings().iter().filter_map(|finding| Json::of(finding).ok());
        DeadLetter::about(record, report.problem().message, 1, now)
            .with_findings(findings.collect::<Vec<_>>())
    }

    /// The letter about a record that was given up for a reason after a number of attempts. The bytes
    /// are kept as they came, in Base64 where they are no UTF-8.
    pub fn about(
        record: &[u8],
        reason: impl Into<String>,
        attempts: u32,
        now: impl Into<WallTime>,
    ) -> Self {
        let (original, encoding) = match std::str::from_utf8(record) {
            Ok(text) => (text.to_owned(), TextEncoding::Utf8),
            // Evidence keeps each byte, also what no text can hold.
            Err(_) => (Base64::encode_string(record), TextEncoding::Base64),
        };
        let died_at = Timestamp::from(now.into());
        DeadLetter::new(reason, original, Count::new(attempts.into()), died_at)
            .with_encoding(encoding)
    }
}
