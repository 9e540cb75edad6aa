//! Sizes such as `2.5GB`.

use smol_str::format_smolstr;

use super::decimal::Amount;
use super::text::{Fault, text_scalar};

/// Units with their length in bytes.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

text_scalar! {
    /// An amount of memory or storage, such as `2.5GB`.
    ///
    /// Units are decimal (`B`, `KB`, `MB`, `GB`, `TB`; 1 GB is 10^9 bytes) or binary (`KiB`,
    /// `MiB`, `GiB`, `TiB`). Case counts. One space may stand before the unit, and the amount may
    /// have a fraction. The value counts whole bytes, up to 2^64 - 1; a smaller rest is cut off.
    ByteSize {
        what: "a size",
        example: "2.5GB",
        refused: "2.5 gigs",
        parse: parse,
        // A pattern cannot compare numbers: the digits are as many as never exceed the maximum.
        schema: {
            "pattern": concat!(
                "^0*([0-9]{1,19}(\\.[0-9]+)? ?B|",
                "[0-9]{1,16}(\\.[0-9]+)? ?Ki?B|",
                "[0-9]{1,13}(\\.[0-9]+)? ?Mi?B|",
                "[0-9]{1,10}(\\.[0-9]+)? ?Gi?B|",
                "[0-9]{1,7}(\\.[0-9]+)? ?Ti?B)$",
            ),
        },
    }
}

impl ByteSize {
    /// The number of bytes; `None` for a kept text that is not a size.
    ///
    /// ```
    /// use coordination_protocol::scalar::ByteSize;
    ///
    /// assert_eq!(ByteSize::from_lenient("2.5GB").bytes(), Some(2_500_000_000));
    /// assert_eq!(ByteSize::from_lenient("128 KiB").bytes(), Some(131_072));
    /// assert_eq!(ByteSize::from_lenient("huge").bytes(), None);
    /// ```
    pub fn bytes(&self) -> Option<u64> {
        parse(self.as_str()).ok()
    }

    /// Spells a number of bytes exactly.
    ///
    /// The unit is the largest decimal one that needs at most two digits after the point.
    ///
    /// ```
    /// use coordination_protocol::scalar::ByteSize;
    ///
    /// assert_eq!(ByteSize::from_bytes(2_500_000_000).as_str(), "2.5GB");
    /// assert_eq!(ByteSize::from_bytes(15_432).as_str(), "15432B");
    /// ```
    pub fn from_bytes(bytes: u64) -> Self {
        for (unit, size) in UNITS[1..5].iter().rev() {
            if bytes >= *size && bytes.is_multiple_of(size / 100) {
                let hundredths = bytes % size / (size / 100);
                let whole = bytes / size;
                return Self(match (hundredths, hundredths % 10) {
                    (0, _) => format_smolstr!("{whole}{unit}"),
                    (_, 0) => format_smolstr!("{whole}.{}{unit}", hundredths / 10),
                    _ => format_smolstr!("{whole}.{hundredths:02}{unit}"),
                });
            }
        }
        Self(format_smolstr!("{bytes}B"))
    }
}

fn parse(text: &str) -> Result<u64, Fault> {
    let (amount, length) =
        Amount::scan(text.as_bytes()).map_err(|at| Fault::new(at, "a digit is missing"))?;
    let rest = &text[length..];
    let name = rest.strip_prefix(' ').unwrap_or(rest);
    let Some((_, size)) = UNITS.iter().find(|(known, _)| *known == name) else {
        let reason = "the unit must be B, KB, MB, GB, TB, KiB, MiB, GiB or TiB";
        return Err(Fault::new(text.len() - name.len(), reason));
    };
    amount
        .times(*size)
        .and_then(|bytes| u64::try_from(bytes).ok())
        .ok_or(Fault::new(0, "more than 2^64 - 1 bytes"))
}
