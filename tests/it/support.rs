//! Generated input: one scale for all of it, one deterministic source, no clock.

use coordination_protocol::event::{EventSpec, FieldType, REGISTRY};
use std::fmt::Write as _;

/// How many cases a test runs: `cases` times `COORD_TEST_SCALE`, which is 1 unless set, and at least
/// one. A fraction is for the inner loop.
#[allow(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "a small count times a small factor"
)]
pub(crate) fn scaled(cases: usize) -> usize {
    let scale = std::env::var("COORD_TEST_SCALE").ok().and_then(|text| text.parse::<f64>().ok());
    ((cases as f64 * scale.unwrap_or(1.0)) as usize).max(1)
}

/// Xorshift: the same numbers on every run. A failing case is found again by its number.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// Pieces that matter to the grammars, for insertion.
const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"'",
    b"\\",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b"\0",
    b"\x1f",
    b"0",
    b"-",
    b"1e999",
    b"-0",
    b".5",
    b"e+",
    b"null",
    b"true",
    b"\\u0000",
    b"\\ud83d",
    b"\\udE00",
    b"\\u00e9",
    b"\\'",
    "é".as_bytes(),
    "😀".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{2028}".as_bytes(),
    b"\xff",
    b"\"a\":1,",
    b"\"\":0,",
    b"$x",
    b"a|b",
    b"global",
    b"phase",
    b"workflow_id",
];

/// One to four small edits.
pub(crate) fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() + 1);
        match rng.below(8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            2 if at < bytes.len() => {
                let end = (at + 1 + rng.below(6)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => bytes.truncate(at),
            4 if at < bytes.len() => {
                let end = (at + 1 + rng.below(24)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = rng.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            5 if at < bytes.len() => bytes[at] = (rng.next() & 0xff) as u8,
            _ => {
                let piece = PIECES[rng.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

/// A JSON value with its numbers as spelled.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    /// `null`, `true`, `false` or a number.
    Plain(String),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// How strings are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    Double,
    Single,
}

impl Tree {
    pub(crate) fn text(text: &str) -> Self {
        Tree::Text(text.to_owned())
    }

    pub(crate) fn plain(text: &str) -> Self {
        Tree::Plain(text.to_owned())
    }

    pub(crate) fn write(&self, quotes: Quotes, out: &mut String) {
        match self {
            Tree::Plain(text) => out.push_str(text),
            Tree::Text(text) => write_text(text, quotes, out),
            Tree::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(quotes, out);
                }
                out.push(']');
            }
            Tree::Object(entries) => write_object(entries, quotes, out),
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(Quotes::Double, &mut out);
        out
    }
}

pub(crate) fn write_object(entries: &[(String, Tree)], quotes: Quotes, out: &mut String) {
    out.push('{');
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(key, quotes, out);
        out.push(':');
        value.write(quotes, out);
    }
    out.push('}');
}

fn write_text(text: &str, quotes: Quotes, out: &mut String) {
    let double = serde_json::to_string(text).expect("a text is JSON");
    match quotes {
        Quotes::Double => out.push_str(&double),
        Quotes::Single => {
            let inner = &double[1..double.len() - 1];
            // No backslash stands before these two but as an escape of its own.
            let inner = inner.replace("\\\"", "\"").replace('\'', "\\'");
            let _ = write!(out, "'{inner}'");
        }
    }
}

/// Texts that have broken other parsers.
const TEXTS: &[&str] = &[
    "",
    "done",
    "12:30:00 and http://host:80/path?a=b",
    "say \"hi\"",
    "it's",
    "line\nbreak\r\n\tand tab",
    "\u{0}\u{1}\u{8}\u{c}\u{1f}\u{7f}",
    "back\\slash \\n \\u0041",
    "é ü \u{80} \u{2028}",
    "😀 \u{10ffff} 𝒳",
    "{'not':\"json\"}",
    "}]}",
    "TASK_FAILED:wf:ph:{",
    "//comment /* */",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "12",
    "12.0",
    "1e5",
    "1E+5",
    "1.50",
    "-0.0",
    "5e-324",
    "1.7976931348623157e308",
    "9007199254740993",
    "18446744073709551616",
    "0.1000",
    "94.2",
    "-1",
    "1e-999",
];

const KEYS: &[&str] = &[
    "attempt",
    "a:b",
    "it's",
    "say \"x\"",
    "",
    "schlüssel",
    "😀",
    "new\nline",
    "a/b~c",
    "0",
    "nested",
    "phase_name",
    "Task_Id",
    "\u{1}",
];

/// Any JSON value, at most `room` levels deep.
pub(crate) fn any_value(rng: &mut Rng, room: usize) -> Tree {
    if room > 0 && rng.one_in(60) {
        let mut value = Tree::plain("[]");
        for level in 1..room {
            value = if level % 3 == 0 {
                Tree::Object(vec![("n".to_owned(), value)])
            } else {
                Tree::Array(vec![value])
            };
        }
        return value;
    }
    match rng.below(if room > 0 { 8 } else { 5 }) {
        0 => Tree::plain(rng.pick(&["null", "true", "false"])),
        1 | 2 => Tree::plain(rng.pick(NUMBERS)),
        3 | 4 => Tree::text(rng.pick(TEXTS)),
        5 => Tree::Array((0..rng.below(4)).map(|_| any_value(rng, (room - 1).min(3))).collect()),
        _ => Tree::Object(any_entries(rng, (room - 1).min(3))),
    }
}

pub(crate) fn any_entries(rng: &mut Rng, room: usize) -> Vec<(String, Tree)> {
    let mut entries: Vec<(String, Tree)> = Vec::new();
    for _ in 0..rng.below(5) {
        let key = rng.pick(KEYS);
        if entries.iter().all(|(known, _)| known != key) {
            entries.push((key.to_owned(), any_value(rng, room)));
        }
    }
    entries
}

/// A value that fits a field.
pub(crate) fn fitting(rng: &mut Rng, field: FieldType) -> Tree {
    match field {
        FieldType::Json => any_value(rng, 127),
        FieldType::Object => Tree::Object(any_entries(rng, 4)),
        FieldType::Text => Tree::text(rng.pick(TEXTS)),
        FieldType::TextList => {
            Tree::Array((0..rng.below(4)).map(|_| Tree::text(rng.pick(TEXTS))).collect())
        }
        FieldType::Id => {
            Tree::text(rng.pick(&["task_7", "a", "résumé", "x.y-z", "two words", "'"]))
        }
        FieldType::Phase => match rng.below(2) {
            0 => Tree::plain(rng.pick(NUMBERS)),
            _ => Tree::text(rng.pick(TEXTS)),
        },
        FieldType::Span => Tree::text(rng.pick(&["45m", "2h 30m", "2h30m", "1.50s", "60s", "8ms"])),
        FieldType::Timestamp => Tree::text(rng.pick(&[
            "2025-01-15T12:00:00Z",
            "2025-01-15T12:00:00.120+02:00",
            "2024-02-29T23:59:59Z",
        ])),
        FieldType::Version => Tree::text(rng.pick(&["1.0.0", "2.0.0-rc.1+build.5"])),
        FieldType::Number => Tree::plain(rng.pick(NUMBERS)),
        FieldType::Count => {
            Tree::plain(rng.pick(&["0", "3", "8.0", "1e2", "18446744073709551615"]))
        }
        FieldType::Percent => {
            Tree::plain(rng.pick(&["0", "100", "67.5", "94.20", "1e2", "100.000", "-0", "1e-9"]))
        }
        FieldType::Bool => Tree::plain(rng.pick(&["true", "false"])),
        FieldType::Amount => {
            Tree::plain(rng.pick(&["0", "2.50", "4.0", "1e2", "12", "9007199254740993", "0.1000"]))
        }
        FieldType::StateVersion => Tree::plain(rng.pick(&["0", "15", "16.0", "9007199254740991"])),
        FieldType::Ratio => Tree::plain(rng.pick(&["0", "1", "0.90", "1.0", "9e-1", "1e-9"])),
        FieldType::Window => Tree::text(rng.pick(&["12:30-13:00", "22:00-06:15"])),
        FieldType::ByteSize => Tree::text(rng.pick(&["2.5GB", "512MB", "0B"])),
        FieldType::Digest => {
            let digits = rng.pick(&["0", "a", "7", "f"]).repeat(64);
            Tree::text(&format!("sha256:{digits}"))
        }
        FieldType::ProtocolVersion => Tree::text(rng.pick(&["1.0.0", "1.1.0", "2.0.10"])),
        other => match other.words() {
            Some(words) => Tree::text(rng.pick(words)),
            None => panic!("no value for {other}; add one"),
        },
    }
}

/// An event without a fault, not yet a line.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) spec: &'static EventSpec,
    pub(crate) workflow: String,
    pub(crate) phase: String,
    pub(crate) required: Vec<(String, Tree)>,
    pub(crate) extras: Vec<(String, Tree)>,
}

impl Drawn {
    /// Case `number`: the types take turns.
    pub(crate) fn new(number: usize) -> Self {
        let rng = &mut Rng::new(number as u64 + 1);
        let spec = &REGISTRY[number % REGISTRY.len()];
        let workflow = rng.pick(&["wf_001", "global", "impl_auth.jwt-1", "two words", "ñ", "{'a'"]);
        let phase = rng.pick(&["global", "backend_1.1", "build", "\"q\"", "}"]);
        let required = spec
            .required()
            .iter()
            .map(|field| {
                let value = match field.name {
                    "workflow_id" => Tree::text(workflow),
                    _ => fitting(rng, field.field_type().unwrap()),
                };
                (field.name.to_string(), value)
            })
            .collect();
        let mut extras = any_entries(rng, 127);
        if rng.one_in(4) {
            extras.push(("phase".to_owned(), Tree::text(phase)));
        }
        Drawn { spec, workflow: workflow.to_owned(), phase: phase.to_owned(), required, extras }
    }

    pub(crate) fn header(&self) -> String {
        format!("{}:{}:{}:", self.spec.event_type, self.workflow, self.phase)
    }

    pub(crate) fn entries(&self) -> Vec<(String, Tree)> {
        self.required.iter().chain(&self.extras).cloned().collect()
    }

    pub(crate) fn render(&self, entries: &[(String, Tree)], quotes: Quotes) -> String {
        let mut line = self.header();
        write_object(entries, quotes, &mut line);
        line
    }

    /// The canonical line.
    pub(crate) fn line(&self) -> String {
        self.render(&self.entries(), Quotes::Double)
    }
}

/// An empty folder of its own, gone when it is dropped.
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only what has files makes folders"))]
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only what has files makes folders"))]
impl Folder {
    pub(crate) fn new() -> Self {
        static LAST: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("coord-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A path in it, as an argument.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file and gives its path.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One message of every kind, each a line: the documents of the examples.
pub(crate) fn every_kind() -> Vec<&'static str> {
    let text = include_str!("../../examples/documents.json");
    // The objects stand one after another, each beginning and ending at the margin.
    text.split_inclusive("\n}\n").collect()
}
