//! Daily windows such as `12:30-13:00`.

use crate::scalar::text::{Fault, text_scalar};

const MINUTES_PER_DAY: u16 = 24 * 60;

text_scalar! {
    /// A window that recurs every day, between two times of day in UTC.
    ///
    /// The start belongs to it, the end does not. If the end is before the start, the window goes
    /// on past midnight: `22:00-06:00`. Equal times are refused, because they could mean all day
    /// or never; the JSON Schema lets them pass, since no pattern can compare. Hours go from 00 to 23; `22:00-00:00` ends at midnight.
    Window {
        what: "a daily window",
        example: "12:30-13:00",
        refused: "noon",
        parse: parse,
        schema: {
            // Equal times fit: to refuse them takes a back-reference, which many engines do not have.
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        },
    }
}

impl Window {
    /// Minutes from midnight to the start, 0 to 1439; `None` for a kept text.
    pub fn start(&self) -> Option<u16> {
        parse(self.as_str()).ok().map(|(start, _)| start)
    }

    /// Minutes from midnight to the end, 0 to 1439; `None` for a kept text.
    ///
    /// It is less than the start if the window goes past midnight.
    pub fn end(&self) -> Option<u16> {
        parse(self.as_str()).ok().map(|(_, end)| end)
    }

    /// Whether a minute of the day lies in the window; `None` for a kept text.
    ///
    /// Minutes count from midnight in UTC, 0 to 1439; larger ones lie in no window.
    ///
    /// ```
    /// use coordination_protocol::scalar::Window;
    ///
    /// let night = Window::new("22:00-06:00")?;
    /// assert_eq!(night.contains_minute(23 * 60), Some(true));
    /// assert_eq!(night.contains_minute(6 * 60), Some(false));
    /// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
    /// ```
    pub fn contains_minute(&self, minute: u16) -> Option<bool> {
        let (start, end) = parse(self.as_str()).ok()?;
        let inside = if start < end {
            start <= minute && minute < end
        } else {
            start <= minute || minute < end
        };
        Some(inside && minute < MINUTES_PER_DAY)
    }
}

fn parse(text: &str) -> Result<(u16, u16), Fault> {
    const SHAPE: &[u8; 11] = b"00:00-00:00";

    let bytes = text.as_bytes();
    let wrong = bytes.iter().zip(SHAPE).position(|(byte, shape)| match shape {
        b'0' => !byte.is_ascii_digit(),
        _ => byte != shape,
    });
    let short_or_long = (bytes.len() != SHAPE.len()).then(|| bytes.len().min(SHAPE.len()));
    if let Some(at) = wrong.or(short_or_long) {
        return Err(Fault::new(at, "expected HH:MM-HH:MM"));
    }
    let start = minutes(bytes, 0)?;
    let end = minutes(bytes, 6)?;
    if start == end {
        return Err(Fault::new(6, "the end must differ from the start"));
    }
    Ok((start, end))
}

/// The minutes of the `HH:MM` at `at`, whose digits were checked.
fn minutes(bytes: &[u8], at: usize) -> Result<u16, Fault> {
    let two = |at: usize| u16::from(bytes[at] - b'0') * 10 + u16::from(bytes[at + 1] - b'0');
    match (two(at), two(at + 3)) {
        (24.., _) => Err(Fault::new(at, "hours go from 00 to 23")),
        (_, 60..) => Err(Fault::new(at + 3, "minutes go from 00 to 59")),
        (hours, minutes) => Ok(hours * 60 + minutes),
    }
}
