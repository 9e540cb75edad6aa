//! Values at the edges of what fields take.

use crate::support::Rng;

/// At the edges of the fields' ranges. None is finer than a double; some are no JSON.
const NUMBERS: &str = "
    0 -0 -0.0 0.0 0e5 1 -1 1.0 4.0 4.5 1e3 1E+3 1e-3 10e-1 15e-1 100 100.0 100.000000000001
    99.9999999999999 1.00000000000001 -1e-300 1e-300 1e300 -1e300 1e19 1e20 999999999999999
    18446744073709551615 18446744073709551616 9007199254740993 1e999 -1e999 01 1. .5 +1 NaN
    0x1
";

pub(crate) const TEXTS: &[&str] = &[
    // Placeholders, and what is none.
    "$x",
    "$",
    "$1",
    "$_",
    "${x}",
    "${}",
    "${a b}",
    "${a}b",
    "$(date)",
    "$()",
    "$((1))",
    "$a.b-c",
    "$a b",
    "<x>",
    "<>",
    "<a b>",
    "<a><b>",
    "req_<uuid>",
    "req_<>",
    "a<b",
    "a<b c>",
    "<",
    "{{x}}",
    "{{}}",
    "{{x",
    "{{a}}b",
    "{x}",
    "a|b",
    "a|b|c",
    "|a",
    "a|",
    "a||b",
    "a | b",
    "a|b c",
    "$|a",
    "{a|b",
    "<a|b",
    "wf_${id}",
    "wf_${",
    "wf_$id",
    "x $HOME y",
    "a|b\u{85}",
    "a|b\u{feff}",
    "a|b\u{a0}c",
    "a\n<x>",
    "<\n>",
    "\n${",
    "$x\n",
    "${a\nb}",
    "a|b|c\n",
    "{{\u{2028}}}",
    // Identifiers.
    "",
    " ",
    "a:b",
    ":",
    "a\u{0}b",
    "a\u{1f}",
    "a\u{7f}",
    "a\u{80}",
    "a\u{9f}",
    "a\u{a0}",
    "two words",
    "é",
    // Durations, sizes, times, windows, versions, digests.
    "5h_47m",
    "60s",
    "2h30m",
    "30m 2h",
    "1h 1h",
    "1 h",
    "1h  2m",
    "1.h",
    ".5h",
    "1.5h",
    "1H",
    "1w",
    "5",
    "m",
    "99999999999999999999999d",
    "9999999999999d",
    "2.5 gigs",
    "2.5GB",
    "1 kB",
    "1KiB",
    "1 B",
    "1  B",
    "1iB",
    "999999999999999999999999B",
    "9999999TiB",
    "2025-01-15T12:00:00Z",
    "2025-02-29T12:00:00Z",
    "2024-02-29T12:00:00Z",
    "1900-02-29T12:00:00Z",
    "2025-01-15T24:00:00Z",
    "2025-01-15T12:00:60Z",
    "2016-12-31T23:59:60Z",
    "2017-01-01T05:29:60+05:30",
    "2016-12-31T23:59:60+01:00",
    "2025-01-15t12:00:00z",
    "2025-01-15 12:00:00Z",
    "2025-01-15T12:00:00",
    "2025-01-15T12:00:00+24:00",
    "2025-01-15T12:00:00-23:59",
    "2025-01-15T12:00:00.Z",
    "2025-00-15T12:00:00Z",
    "12:30-13:00",
    "12:30-12:30",
    "24:00-01:00",
    "1:00-2:00",
    "23:59-00:00",
    "1.0.0",
    "1.0",
    "v1",
    "01.0.0",
    "1.0.0-",
    "1.0.0-01",
    "1.0.0-0a",
    "1.0.0+01",
    "1.0.0-a..b",
    "1.1.0\n",
    "99999999999999999999999.0.0",
    "sha256:abc123...",
    "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
    // Words.
    "critical",
    "Critical",
    "healthy",
    "warning",
    "state_sync",
    "full",
    "none",
    "manual",
    "TASK_FAILED",
    "RECOVERY_FAILED",
    "TASK_TIMED_OUT",
];

/// What placeholders are made of, and what stands around them.
pub(crate) const MARKS: &[char] = &[
    '$', '$', '{', '}', '(', ')', '<', '>', '|', '|', 'a', '1', '_', '-', '.', ' ', '\n', '\u{85}',
    '\u{a0}', '\u{feff}', '\u{2003}', 'é',
];

/// What formats are made of.
pub(crate) const DIGITS: &[char] =
    &['0', '1', '2', '5', '9', '.', '-', '+', ':', 'T', 'Z', ' ', 'd', 'h', 'm', 's', 'G', 'B'];

/// Aliases, and names that mean something in some objects only.
pub(crate) const KEYS: &[&str] = &[
    "event_id",
    "source_component",
    "source_command",
    "allocation_id",
    "x_extra",
    "",
    "event_type",
    "data",
    "state_version",
    "workflow_id",
    "phase",
];

/// A number, as spelled.
pub(crate) fn number(rng: &mut Rng) -> &'static str {
    let numbers: Vec<&str> = NUMBERS.split_whitespace().collect();
    numbers[rng.below(numbers.len())]
}
