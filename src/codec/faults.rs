//! Findings that event lines and documents share: what is wrong with a value or with its JSON.

use super::cause::cause;
use crate::finding::{Code, Finding, Hint};
use crate::json::{FaultKind, JsonFault, Kind, Limits, Token, pointer};
use crate::scalar::{ScalarError, id};
use crate::spec::{FieldType, Known, Misfit, Registry};
use smol_str::{SmolStr, format_smolstr};
use std::ops::Range;

/// A record longer than the limit.
pub(crate) fn too_long(limits: &Limits, record: &[u8]) -> Finding {
    let from = crate::json::whole_characters(record, limits.bytes);
    Finding::new(Code::TooLong, from..record.len())
        .with_expected(format_smolstr!("{}", limits.bytes))
        .hinted(raise(Code::TooLong))
}

/// How a limit is raised; both sides must agree on it.
fn raise(code: Code) -> Hint {
    Hint::Say(match code {
        Code::TooDeep => "`--max-depth`, in code `Limits::with_depth`, raises the limit, up to 512",
        Code::TooManyKeys => "`--max-keys`, in code `Limits::with_keys`, raises the limit",
        _ => "`--max-bytes`, in code `Limits::with_bytes`, raises the limit",
    })
}

/// A byte that is not UTF-8.
#[cold]
pub(crate) fn not_utf8(record: &[u8], error: std::str::Utf8Error) -> Finding {
    let at = error.valid_up_to();
    let end = at + error.error_len().unwrap_or(record.len() - at);
    let byte = record.get(at).copied().unwrap_or_default();
    Finding::new(Code::NotUtf8, at..end).with_actual(&format!("0x{byte:02X}"))
}

/// A fault that ended the scan.
#[cold]
pub(crate) fn broken(text: &str, limits: &Limits, fault: &JsonFault) -> Finding {
    let (code, expected) = match fault.kind {
        FaultKind::TooDeep => (Code::TooDeep, format_smolstr!("{}", limits.depth)),
        FaultKind::TooManyKeys => (Code::TooManyKeys, format_smolstr!("{}", limits.keys)),
        FaultKind::Unexpected { expected } => (Code::BrokenJson, SmolStr::new_static(expected)),
        _ => (Code::BrokenJson, SmolStr::default()),
    };
    let range = fault.range.clone();
    let hint = if code == Code::BrokenJson { cause(text, range.clone()) } else { raise(code) };
    Finding::new(code, range.clone())
        .with_expected(expected)
        .with_actual(text.get(range).unwrap_or_default())
        .with_detail(SmolStr::new_static(fault.kind.words()))
        .hinted(hint)
}

/// The code of a fault that ended the scan.
pub(crate) fn broken_code(fault: &JsonFault) -> Code {
    match fault.kind {
        FaultKind::TooDeep => Code::TooDeep,
        FaultKind::TooManyKeys => Code::TooManyKeys,
        _ => Code::BrokenJson,
    }
}

/// The code of a fault that a visitor may pass over; `None` for any other.
pub(crate) fn passable(fault: &JsonFault) -> Option<Code> {
    match fault.kind {
        FaultKind::DuplicateKey => Some(Code::DuplicateKey),
        FaultKind::BeyondDouble => Some(Code::NumberBeyondDouble),
        FaultKind::SingleQuoted => Some(Code::SingleQuotes),
        _ => None,
    }
}

/// A fault that was passed over, in the value that starts at `root`.
#[cold]
pub(crate) fn passed(code: Code, text: &str, root: usize, range: Range<usize>) -> Finding {
    let finding = Finding::new(code, range.clone());
    match code {
        Code::DuplicateKey => finding
            .with_pointer(pointer::locate(text, root, range.start))
            .with_actual(text.get(range.start + 1..range.end - 1).unwrap_or_default()),
        Code::NumberBeyondDouble => finding
            .with_pointer(pointer::locate(text, root, range.start))
            .with_actual(text.get(range).unwrap_or_default()),
        _ => finding,
    }
}

/// Text from `at` on behind the end of the value.
#[cold]
pub(crate) fn trailing(text: &str, at: usize) -> Finding {
    let rest = &text[at..];
    let hint = if rest.bytes().all(|b| matches!(b, b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')) {
        Hint::Say("a closing bracket too many")
    } else if matches!(rest, "," | ";") {
        Hint::Say("a record ends with its closing brace; remove what follows")
    } else if rest.starts_with(',') {
        Hint::Say("the object was closed too early")
    } else {
        Hint::None
    };
    Finding::new(Code::TrailingText, at..text.len()).with_actual(rest).hinted(hint)
}

/// The code of a value that does not fit its field.
pub(crate) fn misfit_code(misfit: Misfit) -> Code {
    match misfit {
        Misfit::Kind => Code::WrongKind,
        Misfit::Range => Code::OutOfRange,
        Misfit::Unreadable => Code::UnreadableText,
        Misfit::Word => Code::UnknownWord,
        Misfit::Placeholder => Code::Placeholder,
        Misfit::Identifier => Code::BadIdentifier,
    }
}

/// A value that does not fit the field `name` at `pointer`.
#[cold]
pub(crate) fn misfit(
    text: &str,
    field_type: FieldType,
    name: &str,
    pointer: String,
    value: Token,
    misfit: Misfit,
) -> Finding {
    let finding = Finding::new(misfit_code(misfit), value.range()).with_pointer(pointer);
    match misfit {
        Misfit::Kind => {
            finding.with_expected(field_type.noun()).with_actual(&describe(text, value))
        }
        Misfit::Identifier => {
            let meaning = value.decode(text);
            match id::check(&meaning) {
                Ok(_) => finding,
                Err(error) => bad_identifier(name, &meaning, &error, value.range())
                    .with_pointer(finding.pointer),
            }
        }
        Misfit::Word => {
            let words = field_type.words().unwrap_or_default();
            finding
                .with_expected(SmolStr::from(words.join(", ")))
                .with_actual(&value.decode(text))
                .hinted(Hint::NearestTo { known: SmolStr::from(words.join("\n")) })
        }
        Misfit::Range | Misfit::Unreadable | Misfit::Placeholder => {
            finding.with_expected(field_type.noun()).with_actual(&value.decode(text))
        }
    }
}

/// A text that is no identifier.
#[cold]
pub(crate) fn bad_identifier(
    part: &str,
    text: &str,
    error: &ScalarError,
    range: Range<usize>,
) -> Finding {
    Finding::new(Code::BadIdentifier, range)
        .with_expected("an identifier")
        .with_actual(text)
        .with_detail(format_smolstr!("the {part} is not an identifier: {error}"))
}

/// What findings call the value of a token: its kind, or for a scalar that is short, the value.
pub(crate) fn describe(text: &str, token: Token) -> String {
    match token.kind() {
        Kind::Number | Kind::Bool if token.range().len() <= 24 => {
            format!("{} {}", token.kind().noun().trim_start_matches("a "), token.raw(text))
        }
        kind => kind.noun().to_owned(),
    }
}

/// An event type that a registry does not have.
#[cold]
pub(crate) fn unknown_type(
    registry: &Registry,
    name: &str,
    range: Range<usize>,
    known: &Known<'_>,
) -> Finding {
    let finding = Finding::new(Code::UnknownEventType, range).with_actual(name);
    match known {
        Known::Later(kind) => finding.with_detail(format_smolstr!(
            " in protocol {}; it came with {}",
            registry.version(),
            kind.spec().since
        )),
        _ if name.starts_with(['"', '\'']) => finding.hinted(Hint::Say(
            "a shell quote was opened and not closed; quotes around a record come in pairs",
        )),
        _ => finding.hinted(Hint::NearestTo { known: registry.names().clone() }),
    }
}
