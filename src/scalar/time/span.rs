//! Durations such as `2h 30m`.

use core::fmt::Write as _;
use core::time::Duration;

use smol_str::{SmolStr, SmolStrBuilder};

use crate::scalar::decimal::Amount;
use crate::scalar::text::{Fault, text_scalar};

const NANOS_PER_MILLI: u64 = 1_000_000;
const NANOS_PER_SECOND: u64 = 1_000 * NANOS_PER_MILLI;

/// Units with their length in nanoseconds, in the order in which a duration lists them.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("s", NANOS_PER_SECOND),
    ("ms", NANOS_PER_MILLI),
];

/// An amount in the pattern of the schema. A pattern cannot compare numbers, so an amount has as
/// many digits as never make a sum that is too long.
#[cfg(feature = "schema")]
macro_rules! part {
    ("d") => { part!(@ "14" "d") };
    ("h") => { part!(@ "15" "h") };
    ("m") => { part!(@ "16" "m") };
    ("s") => { part!(@ "18" "s") };
    ("ms") => { part!(@ "21" "ms") };
    (@ $digits:literal $unit:literal) => {
        concat!("0*[0-9]{1,", $digits, "}(\\.[0-9]+)?", $unit)
    };
    (? $unit:tt) => {
        concat!("( ?", part!($unit), ")?")
    };
}

text_scalar! {
    /// A duration: amounts with the units `d`, `h`, `m`, `s` and `ms`.
    ///
    /// Units stand largest first, each at most once, with at most one space between two parts:
    /// `45m`, `2h 30m`, `2h30m`. An amount may have a fraction: `1.2s`, `8.5m`. An amount may
    /// exceed the next unit: `60s` is not changed to `1m`. The value counts whole nanoseconds;
    /// a smaller rest is cut off.
    Span {
        what: "a duration",
        example: "2h 30m",
        refused: "5h_47m",
        parse: parse,
        schema: {
            "pattern": concat!(
                "^(",
                part!("d"), part!(? "h"), part!(? "m"), part!(? "s"), part!(? "ms"), "|",
                part!("h"), part!(? "m"), part!(? "s"), part!(? "ms"), "|",
                part!("m"), part!(? "s"), part!(? "ms"), "|",
                part!("s"), part!(? "ms"), "|",
                part!("ms"),
                ")$"
            ),
        },
    }
}

impl Span {
    /// The length; `None` for a kept text that is not a duration.
    ///
    /// ```
    /// use std::time::Duration;
    /// use coordination_protocol::scalar::Span;
    ///
    /// assert_eq!(Span::from_lenient("1.2s").value(), Some(Duration::from_millis(1_200)));
    /// assert_eq!(Span::from_lenient("soon").value(), None);
    /// ```
    pub fn value(&self) -> Option<Duration> {
        parse(self.as_str()).ok()
    }
}

/// Spells a duration with the fewest units, exactly.
///
/// Units without an amount are left out. A part below a second is a fraction of the seconds, or
/// of milliseconds if the whole is shorter than a second. Nothing is `0s`.
///
/// ```
/// use std::time::Duration;
/// use coordination_protocol::scalar::Span;
///
/// assert_eq!(Span::from(Duration::from_secs(9_000)).as_str(), "2h 30m");
/// assert_eq!(Span::from(Duration::from_millis(1_200)).as_str(), "1.2s");
/// assert_eq!(Span::from(Duration::from_millis(250)).as_str(), "250ms");
/// ```
impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        let seconds = duration.as_secs();
        let nanos = u64::from(duration.subsec_nanos());
        if seconds == 0 {
            return Self(match nanos {
                0 => SmolStr::new_static("0s"),
                _ => fraction(nanos / NANOS_PER_MILLI, nanos % NANOS_PER_MILLI, 6, "ms"),
            });
        }
        let rest = seconds % 60;
        let mut text = SmolStrBuilder::new();
        let mut separator = "";
        for (amount, unit) in
            [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m")]
        {
            if amount > 0 {
                // Writing to a text cannot fail.
                let _ = write!(text, "{separator}{amount}{unit}");
                separator = " ";
            }
        }
        if rest > 0 || nanos > 0 {
            text.push_str(separator);
            text.push_str(&fraction(rest, nanos, 9, "s"));
        }
        Self(text.finish())
    }
}

/// `whole`, a fraction of `digits` digits without trailing zeros, and `unit`.
fn fraction(whole: u64, fraction: u64, digits: usize, unit: &str) -> SmolStr {
    let mut text = SmolStrBuilder::new();
    let _ = write!(text, "{whole}");
    if fraction > 0 {
        let fraction = format!("{fraction:0digits$}");
        let _ = write!(text, ".{}", fraction.trim_end_matches('0'));
    }
    text.push_str(unit);
    text.finish()
}

/// The usual form, a few digits and a unit; `None` leaves it to the full reader.
fn one_part(bytes: &[u8]) -> Option<Duration> {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // 99,999 days fit into 64 bits of nanoseconds.
    if !(1..=5).contains(&length) {
        return None;
    }
    let (digits, unit) = bytes.split_at(length);
    let (_, size) = UNITS.iter().find(|(known, _)| known.as_bytes() == unit)?;
    let amount = digits.iter().fold(0, |amount, digit| amount * 10 + u64::from(digit - b'0'));
    Some(Duration::from_nanos(amount * size))
}

fn parse(text: &str) -> Result<Duration, Fault> {
    const TOO_LONG: &str = "longer than 2^64 seconds";

    let bytes = text.as_bytes();
    if let Some(duration) = one_part(bytes) {
        return Ok(duration);
    }
    let mut nanos = 0_u128;
    let mut units = UNITS.iter();
    let mut at = 0;
    loop {
        let (amount, length) = Amount::scan(&bytes[at..])
            .map_err(|offset| Fault::new(at + offset, "a digit is missing"))?;
        let start = at;
        at += length;
        let unit = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let name = &text[at..at + unit];
        let Some((_, size)) = units.by_ref().find(|(known, _)| *known == name) else {
            let reason = if UNITS.iter().any(|(known, _)| *known == name) {
                "units go from large to small and each stands once"
            } else {
                "the unit must be d, h, m, s or ms"
            };
            return Err(Fault::new(at, reason));
        };
        nanos = amount
            .times(*size)
            .and_then(|part| nanos.checked_add(part))
            .ok_or(Fault::new(start, TOO_LONG))?;
        at += unit;
        match bytes.get(at) {
            None => break,
            Some(b' ') => at += 1,
            Some(_) => {}
        }
    }
    // Nearly all durations take this way, which needs no wide division.
    if let Ok(nanos) = u64::try_from(nanos) {
        return Ok(Duration::from_nanos(nanos));
    }
    let per_second = u128::from(NANOS_PER_SECOND);
    let seconds = u64::try_from(nanos / per_second).map_err(|_| Fault::new(0, TOO_LONG))?;
    Ok(Duration::new(seconds, (nanos % per_second) as u32))
}
