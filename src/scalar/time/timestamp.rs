//! Moments in RFC 3339.

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _};
use smol_str::{SmolStr, format_smolstr};

use crate::scalar::text::{Fault, text_scalar};

/// 0000-01-01T00:00:00Z, the first moment that RFC 3339 can spell.
const FIRST_MILLI: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z, the last one.
const LAST_MILLI: i64 = 253_402_300_799_999;

text_scalar! {
    /// A moment in RFC 3339 with its offset, such as `2025-01-15T12:00:00Z`.
    ///
    /// Date and time are joined by an upper-case `T`, and UTC is an upper-case `Z`. Fractions of
    /// a second may have any number of digits. A leap second (`23:59:60` in UTC) is read as the
    /// first second after it; the JSON Schema takes one only with `Z` or an offset of 0.
    Timestamp {
        what: "a timestamp",
        example: "2025-01-15T12:00:00Z",
        refused: "2025-01-15 12:00",
        parse: parse,
        schema: {
            // The whole calendar, because validators read `date-time` in different ways, or refuse
            // formats. A leap second fits in UTC only.
            "pattern": concat!(
                "^([0-9]{4}-(",
                "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|",
                "(0[469]|11)-(0[1-9]|[12][0-9]|30)|",
                "02-(0[1-9]|1[0-9]|2[0-8]))|",
                "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)T(",
                "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?",
                "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])|",
                "23:59:60(\\.[0-9]+)?(Z|[+-]00:00))$",
            ),
        },
    }
}

impl Timestamp {
    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down; `None` for a kept text that is not
    /// a timestamp.
    ///
    /// ```
    /// use coordination_protocol::scalar::Timestamp;
    ///
    /// assert_eq!(Timestamp::from_lenient("1970-01-01T00:00:01.5Z").unix_millis(), Some(1_500));
    /// assert_eq!(Timestamp::from_lenient("1970-01-01T01:00:00+01:00").unix_millis(), Some(0));
    /// assert_eq!(Timestamp::from_lenient("yesterday").unix_millis(), None);
    /// ```
    pub fn unix_millis(&self) -> Option<i64> {
        parse(self.as_str()).ok()
    }

    /// Spells a moment in UTC, with milliseconds only if there are any.
    ///
    /// The argument counts milliseconds since 1970-01-01T00:00:00Z. RFC 3339 has the years 0000
    /// to 9999 only; a moment outside them becomes the first or the last one inside.
    ///
    /// ```
    /// use coordination_protocol::scalar::Timestamp;
    ///
    /// let moment = Timestamp::from_unix_millis(1_736_942_400_000);
    /// assert_eq!(moment.as_str(), "2025-01-15T12:00:00Z");
    /// ```
    pub fn from_unix_millis(millis: i64) -> Self {
        let moment = DateTime::from_timestamp_millis(millis.clamp(FIRST_MILLI, LAST_MILLI))
            .unwrap_or_default();
        let millis = moment.timestamp_subsec_millis();
        let fraction =
            if millis == 0 { SmolStr::default() } else { format_smolstr!(".{millis:03}") };
        Self(format_smolstr!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}Z",
            moment.year(),
            moment.month(),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second(),
        ))
    }
}

fn parse(text: &str) -> Result<i64, Fault> {
    match utc_millis(text.as_bytes()) {
        Some(millis) => Ok(millis),
        None => parse_any(text),
    }
}

/// The usual forms, `YYYY-MM-DDTHH:MM:SSZ` and the same with a fraction;
/// `None` leaves it to the full reader.
fn utc_millis(text: &[u8]) -> Option<i64> {
    let (text, rest) = text.split_first_chunk::<19>()?;
    if [text[4], text[7], text[10], text[13], text[16]] != *b"--T::" {
        return None;
    }
    let two = |at: usize| {
        let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| u32::from(tens * 10 + ones))
    };
    let millis = match rest {
        b"Z" => 0,
        [b'.', digits @ .., b'Z']
            if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) =>
        {
            let first = digits.iter().chain(b"00").take(3);
            first.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'))
        }
        _ => return None,
    };
    let year = i32::try_from(two(0)? * 100 + two(2)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, two(5)?, two(8)?)?;
    let moment = date.and_hms_opt(two(11)?, two(14)?, two(17)?)?;
    Some(moment.and_utc().timestamp() * 1_000 + millis)
}

#[cold]
fn parse_any(text: &str) -> Result<i64, Fault> {
    /// Date and time without fraction and offset.
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    const OFFSET: &[u8] = b"+00:00";

    fn fits(byte: u8, shape: u8) -> bool {
        match shape {
            b'0' => byte.is_ascii_digit(),
            b'+' => byte == b'+' || byte == b'-',
            _ => byte == shape,
        }
    }
    fn mismatch(bytes: &[u8], shape: &[u8]) -> Option<usize> {
        let end = bytes.len().min(shape.len());
        let wrong = bytes.iter().zip(shape).position(|(byte, shape)| !fits(*byte, *shape));
        wrong.or((bytes.len() < shape.len()).then_some(end))
    }

    // The shape is checked here because the calendar library is more lenient: it takes a space
    // for `T`, lower case, and a typographic minus.
    let bytes = text.as_bytes();
    if let Some(at) = mismatch(bytes, SHAPE) {
        return Err(Fault::new(at, "expected YYYY-MM-DDTHH:MM:SS and an offset"));
    }
    let mut at = SHAPE.len();
    if bytes.get(at) == Some(&b'.') {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err(Fault::new(at + 1, "a digit is missing"));
        }
        at += 1 + digits;
    }
    if &bytes[at..] != b"Z" {
        let wrong = mismatch(&bytes[at..], OFFSET)
            .or((bytes.len() > at + OFFSET.len()).then_some(OFFSET.len()));
        if let Some(wrong) = wrong {
            return Err(Fault::new(at + wrong, "the offset must be `Z` or like `+01:00`"));
        }
    }
    let moment = DateTime::parse_from_rfc3339(text)
        .map_err(|_| Fault::new(0, "no such date, time or offset exists"))?;
    let utc = moment.naive_utc();
    if &bytes[17..19] == b"60" && (utc.hour(), utc.minute()) != (23, 59) {
        return Err(Fault::new(17, "a leap second is the last one of a day in UTC"));
    }
    Ok(moment.timestamp_millis())
}
