//! Finding codes of the program's own, beside those of the protocol: what is wrong with the comments
//! that suppress findings.

use coordination_protocol::finding::{Code, CustomCode, FindingSeverity, Level};

/// All of them.
pub(crate) const PROGRAM_CODES: &[Code] = &[UNUSED, BAD];

/// A comment that suppresses nothing.
pub(crate) const UNUSED: Code = Code::Custom(&UNUSED_SUPPRESSION);

/// A comment that cannot be obeyed.
pub(crate) const BAD: Code = Code::Custom(&BAD_SUPPRESSION);

static UNUSED_SUPPRESSION: CustomCode = CustomCode::new("unused-suppression", Level::Schema)
    .with_severities(FindingSeverity::Warning, FindingSeverity::Warning)
    .with_explanation(
        "A comment `coord: ignore CODE` names a code that is not found in its record. It may have \
         been right once; left in place, it would hide the next mistake. Remove the code, or the \
         whole comment.",
    );

static BAD_SUPPRESSION: CustomCode = CustomCode::new("bad-suppression", Level::Schema)
    .with_severities(FindingSeverity::Error, FindingSeverity::Warning)
    .with_explanation(
        "A comment `coord: ignore CODE` names no code, one that does not exist, or one that no \
         comment may suppress: findings of the security level, and those with which a record has no \
         sound reading. Name the codes, separated by commas, and behind ` -- ` a reason if you like.",
    );
